-- The rules: what each is called, how severe it is, and by which numbers it judges.
CREATE DATABASE dbm_rules;
\c dbm_rules
CREATE EXTENSION dbmastery;
\pset format unaligned
SELECT rule, severity, (SELECT string_agg(name || ' ' || trim_scale((value ->> 'value')::numeric), ', ' ORDER BY name) FROM jsonb_each(thresholds) t (name, value)) AS thresholds
FROM dbm.rules() ORDER BY rule;
\pset format aligned
SELECT dimension, count(*) AS rules FROM dbm.rules() GROUP BY dimension ORDER BY dimension;

-- What must be nought.
SELECT count(*) - count(DISTINCT rule) AS named_twice,
       count(*) FILTER (WHERE rule !~ ('^' || dimension || '\.[a-z][a-z_]*[a-z]$')) AS named_badly,
       count(*) FILTER (WHERE severity NOT IN ('info', 'warning', 'error', 'critical')) AS without_severity,
       count(*) FILTER (WHERE coalesce(title, '') = '' OR coalesce(why, '') = '' OR length(title) > 80) AS without_words,
       count(*) FILTER (WHERE reference !~ '^https://') AS without_reference,
       count(*) FILTER (WHERE enabled IS NOT TRUE) AS disabled
FROM dbm.rules();
SELECT count(*) AS bad_thresholds FROM dbm.rules(), jsonb_each(thresholds) t (name, value)
WHERE NOT (value ?& '{value,default,min,max,meaning}' AND value -> 'value' = value -> 'default' AND value ->> 'meaning' <> ''
           AND (value ->> 'default')::numeric BETWEEN (value ->> 'min')::numeric AND (value ->> 'max')::numeric);

-- Every default can be written into dbm.rule_setting as it stands, and every bound.
INSERT INTO dbm.rule_setting (rule, thresholds)
SELECT rule, (SELECT coalesce(jsonb_object_agg(name, value -> 'default'), '{}') FROM jsonb_each(thresholds) t (name, value)) FROM dbm.rules();
UPDATE dbm.rule_setting s SET thresholds = (SELECT coalesce(jsonb_object_agg(name, value -> 'max'), '{}') FROM jsonb_each(r.thresholds) t (name, value))
FROM dbm.rules() r WHERE r.rule = s.rule;
SELECT count(*) AS not_at_maximum FROM dbm.rules(), jsonb_each(thresholds) t (name, value) WHERE value -> 'value' <> value -> 'max';
