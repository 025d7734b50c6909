-- What users change about rules. Holds overrides only: it stays empty at CREATE EXTENSION, since pg_dump writes all of
-- its rows and would meet the same rows again after the restore's CREATE EXTENSION.

CREATE TABLE dbm.rule_setting (
    rule       text                     NOT NULL,
    enabled    boolean                  NOT NULL DEFAULT true,
    severity   text,
    thresholds jsonb                    NOT NULL DEFAULT '{}',
    changed_by text                     NOT NULL DEFAULT current_user,
    changed_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT rule_setting_pkey PRIMARY KEY (rule),
    CONSTRAINT chk_rule_setting_is_valid CHECK (dbm.check_rule_setting(rule, enabled, severity, thresholds))
);

SELECT pg_catalog.pg_extension_config_dump('dbm.rule_setting', '');

COMMENT ON TABLE dbm.rule_setting IS
    'What this database changes about the audit''s rules, one row a rule; a rule without a row runs as dbm.rules() shows it. Delete the row to go back. Checked on write, kept by pg_dump.';
COMMENT ON COLUMN dbm.rule_setting.rule IS
    'The rule''s id, as in dbm.rules(), e.g. indexing.unused_index.';
COMMENT ON COLUMN dbm.rule_setting.enabled IS
    'Whether the rule is run. A rule that is not run is left out of score and coverage.';
COMMENT ON COLUMN dbm.rule_setting.severity IS
    'info, warning, error or critical for everything that the rule finds; null leaves it to the rule.';
COMMENT ON COLUMN dbm.rule_setting.thresholds IS
    'The thresholds that differ from their defaults, as {"name": number}; dbm.rules() shows names, ranges and meanings.';
COMMENT ON COLUMN dbm.rule_setting.changed_by IS
    'The role that inserted the row, unless a later UPDATE set it.';
COMMENT ON COLUMN dbm.rule_setting.changed_at IS
    'When the row was inserted, unless a later UPDATE set it.';
COMMENT ON CONSTRAINT chk_rule_setting_is_valid ON dbm.rule_setting IS
    'The rule, its severity and its thresholds exist and are within their ranges; the error lists what would be valid.';
