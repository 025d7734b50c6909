-- Sets are taken over with what they have, looked at, and given up; what does not fit is refused with what to do instead.
CREATE DATABASE dbm_partition_sets;
ALTER DATABASE dbm_partition_sets SET dbm.ddl_guard = 'off';
\c dbm_partition_sets
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
CREATE EXTENSION dbmastery;
\set SHOW_CONTEXT never

-- Days with a hole, odd names and another width.
CREATE TABLE public.events (at date NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE public.events_old PARTITION OF public.events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
CREATE TABLE public."Odd name" PARTITION OF public.events FOR VALUES FROM ('2020-02-01') TO ('2020-02-03');
CREATE TABLE public.events_after PARTITION OF public.events FOR VALUES FROM ('2020-02-05') TO ('2020-02-06');
SELECT dbm.partition_manage('events', 'day');
SELECT parent, key_kind, every, time_zone, origin, premake, on_missing, name_style, is_enabled FROM dbm.partition_set;
SELECT parent, partitions, first_bound, last_bound, ahead, default_rows, oldest, last_run, gaps, ahead_partitions, problem
FROM dbm.partition_status();
-- A new width begins where the newest ends.
SELECT dbm.partition_manage('events', 'month', retention => '1 year', retention_action => 'keep');
SELECT every, origin, retention, retention_action FROM dbm.partition_set;
SELECT overdue FROM dbm.partition_status('events');

-- With a default partition, and what is in it.
CREATE TABLE public.visits (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE public.visits_rest PARTITION OF public.visits DEFAULT;
INSERT INTO public.visits VALUES ('2020-01-01'), ('2020-01-02');
SELECT dbm.partition_manage('visits', '15 minutes', time_zone => 'Europe/Berlin');
SELECT every, time_zone, origin, on_missing FROM dbm.partition_set WHERE parent = 'visits'::regclass;
SELECT partitions, default_rows, ahead, problem FROM dbm.partition_status('visits');

-- Days of a zone are known by their boundaries.
CREATE TABLE public.berlin (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE public.berlin_1 PARTITION OF public.berlin FOR VALUES FROM ('2020-06-01 00:00 Europe/Berlin') TO ('2020-06-02 00:00 Europe/Berlin');
SET timezone = 'Europe/Berlin';
SELECT dbm.partition_manage('berlin', 'day') LIKE '%in time zone Europe/Berlin%' AS says_zone;
SET timezone = 'UTC';
SELECT time_zone, origin FROM dbm.partition_set WHERE parent = 'berlin'::regclass;
SELECT dbm.partition_manage('berlin', 'day', premake => 7) LIKE '%in time zone Europe/Berlin, 7 ahead%' AS keeps_zone;

-- Every kind of key.
CREATE TABLE public.k_timestamp (at timestamp) PARTITION BY RANGE (at);
CREATE TABLE public.k_smallint (id smallint) PARTITION BY RANGE (id);
CREATE TABLE public.k_bigint (id bigint) PARTITION BY RANGE (id);
CREATE TABLE public.k_bigint_1 PARTITION OF public.k_bigint FOR VALUES FROM (0) TO (1000);
CREATE TABLE public.k_epoch (at bigint) PARTITION BY RANGE (at);
CREATE TABLE public.k_epoch_p20200101 PARTITION OF public.k_epoch FOR VALUES FROM (1577836800000) TO (1577923200000);
CREATE TABLE public.k_uuid (id uuid) PARTITION BY RANGE (id);
CREATE TABLE public.k_uuid_1 PARTITION OF public.k_uuid FOR VALUES FROM ('016f5e66-e800-7000-8000-000000000000') TO ('016f638d-4400-7000-8000-000000000000');
CREATE TABLE public.k_ulid (id text COLLATE "C") PARTITION BY RANGE (id);
CREATE TABLE public.k_ulid_1 PARTITION OF public.k_ulid FOR VALUES FROM (MINVALUE) TO ('01DXF6DT000000000000000000');
CREATE DOMAIN public.day AS date;
CREATE TABLE public.k_domain (at public.day) PARTITION BY RANGE (at);
SELECT dbm.partition_manage('k_timestamp', 'quarter'), dbm.partition_manage('k_smallint', '1000'),
       dbm.partition_manage('k_bigint', '1000', retention_number => 100000),
       dbm.partition_manage('k_epoch', 'day', epoch => 'milliseconds'), dbm.partition_manage('k_uuid', 'day'),
       dbm.partition_manage('k_ulid', 'week', origin => '2000-01-02'), dbm.partition_manage('k_domain', 'year');
SELECT parent, key_kind, every, origin, retention_number, name_style FROM dbm.partition_set WHERE parent::text LIKE 'k\_%' ORDER BY parent::text;
SELECT parent, first_bound, last_bound, ahead, ahead_partitions FROM dbm.partition_status() WHERE parent LIKE 'public.k%' ORDER BY parent;

-- Ends that are no days: up to MAXVALUE, infinity, and a partition that is itself partitioned.
CREATE TABLE public.ends (at date) PARTITION BY RANGE (at);
CREATE TABLE public.ends_1 PARTITION OF public.ends FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE public.ends_2 PARTITION OF public.ends FOR VALUES FROM ('2020-01-01') TO ('infinity') PARTITION BY LIST (at);
CREATE TABLE public.ends_3 PARTITION OF public.ends FOR VALUES FROM ('infinity') TO (MAXVALUE);
SELECT dbm.partition_manage('ends', 'month');
SELECT partitions, first_bound, last_bound, ahead, next_due, gaps, problem FROM dbm.partition_status('ends');

-- What is watched only.
CREATE TABLE public.by_list (kind text) PARTITION BY LIST (kind);
CREATE TABLE public.by_hash (id bigint) PARTITION BY HASH (id);
CREATE TABLE public.by_two (at date, id bigint) PARTITION BY RANGE (at, id);
CREATE TABLE public.by_two_1 PARTITION OF public.by_two FOR VALUES FROM ('2020-01-01', MINVALUE) TO ('2020-02-01', 7);
SELECT dbm.partition_manage('by_list', 'watched'), dbm.partition_manage('by_two', 'watched');
SELECT parent, partitions, first_bound, last_bound, next_due, problem FROM dbm.partition_status() WHERE parent LIKE 'public.by%' ORDER BY parent;
SELECT parent, problem FROM dbm.partition_status('by_hash');

-- What is refused.
CREATE TABLE public.plain (id bigint);
CREATE VIEW public.view AS SELECT 1 AS one;
CREATE TABLE public.by_expression (at timestamp) PARTITION BY RANGE ((at::date IS NULL));
CREATE TABLE public.by_numeric (id numeric) PARTITION BY RANGE (id);
CREATE TABLE public.by_bytes (id bytea) PARTITION BY RANGE (id);
CREATE TEMPORARY TABLE fleeting (at date) PARTITION BY RANGE (at);
SELECT dbm.partition_manage(NULL, 'day');
SELECT dbm.partition_manage('plain', 'day');
SELECT dbm.partition_manage('view', 'day');
SELECT dbm.partition_manage(4294967295::oid::regclass, 'day');
SELECT dbm.partition_manage('fleeting', 'day');
SELECT dbm.partition_manage('by_list', 'day');
SELECT dbm.partition_manage('by_hash', 'day');
SELECT dbm.partition_manage('by_two', 'day');
SELECT dbm.partition_manage('by_expression', 'day');
SELECT dbm.partition_manage('by_numeric', '1000');
SELECT dbm.partition_manage('by_bytes', 'day');
SELECT dbm.partition_manage('events', 'nonsense');
SELECT dbm.partition_manage('events', '1 hour');
SELECT dbm.partition_manage('events', '1000');
SELECT dbm.partition_manage('k_bigint', 'day');
SELECT dbm.partition_manage('k_smallint', '100000');
SELECT dbm.partition_manage('events', 'day', time_zone => 'Mars/Olympus');
SELECT dbm.partition_manage('events', 'day', epoch => 'seconds');
SELECT dbm.partition_manage('k_epoch', 'day', epoch => 'minutes');
SELECT dbm.partition_manage('events', 'day', origin => 'infinity');
SELECT dbm.partition_manage('events', 'day', origin => 'not a date');
SELECT dbm.partition_manage('events', 'day', retention => '-1 day');
SELECT dbm.partition_manage('events', 'day', retention_number => 5);
SELECT dbm.partition_manage('k_bigint', '1000', retention => '1 day');
SELECT dbm.partition_manage('events', 'day', retention_action => 'burn');
SELECT dbm.partition_manage('events', 'day', retention_action => 'archive');
SELECT dbm.partition_manage('events', 'day', retention_action => 'archive', archive_schema => 'nowhere');
SELECT dbm.partition_manage('events', 'day', on_missing => 'maybe');
SELECT dbm.partition_manage('events', 'day', premake => -1);
SELECT dbm.partition_manage('events', 'day', max_create => 0);
SELECT dbm.partition_manage('events', 'day', max_retire => 2);
SELECT dbm.partition_manage('events', 'day', template => 'view');
SELECT dbm.partition_manage('events', 'day', name_style => 'baroque');
SELECT dbm.partition_manage('events', 'day', drop_delay => '-1 day');
SELECT * FROM dbm.partition_status('plain');
SELECT dbm.partition_adopt('timescaledb');
SELECT dbm.partition_adopt();
-- None of it changed anything.
SELECT every, retention, retention_action FROM dbm.partition_set WHERE parent = 'events'::regclass;

-- Another's table.
CREATE ROLE dbm_partition_sets_stranger;
CREATE ROLE dbm_partition_sets_owner;
GRANT USAGE ON SCHEMA dbm TO dbm_partition_sets_stranger, dbm_partition_sets_owner;
GRANT EXECUTE ON FUNCTION dbm.partition_manage, dbm.partition_unmanage TO dbm_partition_sets_stranger, dbm_partition_sets_owner;
SET ROLE dbm_partition_sets_stranger;
SELECT dbm.partition_manage('events', 'day');
SELECT dbm.partition_unmanage('events');
SELECT count(*) FROM dbm.partition_set;
RESET ROLE;
ALTER TABLE public.k_domain OWNER TO dbm_partition_sets_owner;
CREATE SCHEMA archive;
SET ROLE dbm_partition_sets_owner;
SELECT dbm.partition_manage('k_domain', 'month') LIKE 'public.k_domain is kept by 1 month, 4 ahead%' AS owner_may;
SELECT dbm.partition_manage('k_domain', 'month', retention => '1 year', retention_action => 'archive', archive_schema => 'archive');
RESET ROLE;
SET ROLE pg_monitor;
SELECT count(*) > 5 AS sees FROM dbm.partition_status();
RESET ROLE;

-- A column that became another, a table that is gone, and a set that is given up.
SELECT dbm.partition_unmanage('k_timestamp'), dbm.partition_unmanage('k_timestamp');
UPDATE dbm.partition_set SET every = 'rubbish' WHERE parent = 'k_bigint'::regclass;
UPDATE dbm.partition_set SET time_zone = 'Mars/Olympus', failures = 2, last_result = 'it broke', last_run = now() WHERE parent = 'berlin'::regclass;
SELECT problem FROM dbm.partition_status('k_bigint');
SELECT split_part(problem, ';', 2) AS second, failures FROM dbm.partition_status('berlin');
DROP TABLE public.k_smallint;
SELECT parent ~ '^[0-9]+$' AS is_number, regexp_replace(problem, '[0-9]+', 'N') AS problem FROM dbm.partition_status() WHERE problem LIKE '%is gone%';
SELECT dbm.partition_unmanage(parent) FROM dbm.partition_set WHERE parent::text ~ '^[0-9]+$';

-- What pg_partman keeps: tables as it has them, of two versions.
CREATE SCHEMA partman;
CREATE TABLE partman.part_config (parent_table text PRIMARY KEY, control text, partition_type text, partition_interval text,
    premake int DEFAULT 4, epoch text DEFAULT 'none', retention text, retention_schema text,
    retention_keep_table bool DEFAULT true, infinite_time_partitions bool DEFAULT false, datetime_string text,
    automatic_maintenance text DEFAULT 'on', undo_in_progress bool DEFAULT false, template_table text,
    inherit_privileges bool DEFAULT false);
CREATE TABLE public.weekly (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE public.weekly_p2026w47 PARTITION OF public.weekly FOR VALUES FROM ('2026-11-16') TO ('2026-11-23');
CREATE TABLE public.daily (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE public.daily_p2026_11_22 PARTITION OF public.daily FOR VALUES FROM ('2026-11-22') TO ('2026-11-23');
CREATE TABLE public.counted (id bigint NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE public.counted_p0 PARTITION OF public.counted FOR VALUES FROM (0) TO (1000);
CREATE TABLE public."Mixed" (at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE public."Mixed_p20261101" PARTITION OF public."Mixed" FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
INSERT INTO partman.part_config (parent_table, control, partition_type, partition_interval, retention, retention_keep_table, datetime_string, automatic_maintenance) VALUES
    ('public.weekly', 'at', 'native', '7 days', '1 year', false, 'IYYY"w"IW', 'on'),
    ('public.daily', 'at', 'native', '1 day', NULL, true, 'YYYY_MM_DD', 'off'),
    ('public.counted', 'id', 'range', '1000', '5000', true, NULL, 'on'),
    ('public.Mixed', 'at', 'range', '1 mon', '2 mons', true, 'YYYYMMDD', 'on'),
    ('public.plain', 'id', 'partman', '1000', NULL, true, NULL, 'on'),
    ('public.gone', 'at', 'range', '1 day', NULL, true, 'YYYYMMDD', 'on');
SELECT * FROM dbm.partition_adopt('partman', 'daily');
SELECT * FROM dbm.partition_adopt();
SELECT parent, every, premake, retention, retention_number, retention_action, name_style FROM dbm.partition_set
WHERE parent::text IN ('weekly', 'daily', 'counted', '"Mixed"') ORDER BY parent::text;
SELECT dbm.partition_adopt('partman', 'events');
\c postgres
DROP DATABASE dbm_partition_sets;
DROP ROLE dbm_partition_sets_owner, dbm_partition_sets_stranger;
