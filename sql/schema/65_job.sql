-- Jobs on schedule, their runs, and what the audit job keeps. Written by dbm.schedule(), dbm.unschedule() and the worker,
-- with the rights of the extension's owner. Empty at CREATE EXTENSION, as dbm.rule_setting: upkeep is run every hour where
-- no row says otherwise. When a job is due follows from these rows alone; the worker writes dbm.job_run and
-- dbm.score_history only, whose keys are moments, so that what it wrote before a restore meets no row of the dump.

CREATE TABLE dbm.job (
    job           text                     NOT NULL,
    every         interval,
    is_enabled    boolean                  NOT NULL DEFAULT true,
    scheduled_by  text                     NOT NULL DEFAULT current_user,
    scheduled_at  timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CONSTRAINT job_pkey PRIMARY KEY (job),
    CONSTRAINT chk_job_every CHECK (every OPERATOR(pg_catalog.>) '0'),
    CONSTRAINT chk_job_scheduled_at CHECK (pg_catalog.isfinite(scheduled_at))
);

CREATE TABLE dbm.job_run (
    job           text                     NOT NULL,
    started_at    timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    finished_at   timestamp with time zone,
    elapsed       interval,
    outcome       text                     NOT NULL DEFAULT 'running',
    sqlstate      text,
    message       text,
    pid           integer,
    CONSTRAINT job_run_pkey PRIMARY KEY (job, started_at),
    CONSTRAINT chk_job_run_started_at CHECK (pg_catalog.isfinite(started_at)),
    CONSTRAINT chk_job_run_finished_at CHECK (pg_catalog.isfinite(finished_at)),
    CONSTRAINT chk_job_run_outcome CHECK
        (outcome OPERATOR(pg_catalog.=) ANY ('{running,done,failed,crashed}'::text[]))
);
CREATE INDEX idx_job_run_running ON dbm.job_run (job) WHERE outcome OPERATOR(pg_catalog.=) 'running';

CREATE TABLE dbm.score_history (
    run_at        timestamp with time zone NOT NULL,
    dimension     text                     NOT NULL,
    score         numeric,
    coverage      numeric,
    findings      bigint                   NOT NULL,
    CONSTRAINT score_history_pkey PRIMARY KEY (run_at, dimension)
);

SELECT pg_catalog.pg_extension_config_dump('dbm.job', '');
SELECT pg_catalog.pg_extension_config_dump('dbm.job_run', '');
SELECT pg_catalog.pg_extension_config_dump('dbm.score_history', '');

COMMENT ON TABLE dbm.job IS
    'What is run on schedule, one row a job, as dbm.schedule() wrote it; dbm.jobs() also shows when each is due. Without a row, upkeep is run every hour. Kept by pg_dump.';
COMMENT ON COLUMN dbm.job.job IS
    'Its name: upkeep, audit, seal, or plan and a number.';
COMMENT ON COLUMN dbm.job.every IS
    'From the start of one run to that of the next, give or take an eighth; null for one run only.';
COMMENT ON COLUMN dbm.job.is_enabled IS
    'Whether it is run.';
COMMENT ON COLUMN dbm.job.scheduled_by IS
    'The role that asked for it.';
COMMENT ON COLUMN dbm.job.scheduled_at IS
    'When it was asked for.';
COMMENT ON CONSTRAINT chk_job_every ON dbm.job IS
    'Time goes forward.';
COMMENT ON CONSTRAINT chk_job_scheduled_at ON dbm.job IS
    'A moment that comes.';

COMMENT ON TABLE dbm.job_run IS
    'The runs of jobs, written before the work and again after it. Those older than dbm.job_history are removed, except each job''s last. Kept by pg_dump.';
COMMENT ON COLUMN dbm.job_run.job IS
    'The job.';
COMMENT ON COLUMN dbm.job_run.started_at IS
    'When it began.';
COMMENT ON COLUMN dbm.job_run.finished_at IS
    'When it ended; of a crashed one, when that was found.';
COMMENT ON COLUMN dbm.job_run.elapsed IS
    'How long it took, by a clock that nobody sets; null while it runs and where it crashed.';
COMMENT ON COLUMN dbm.job_run.outcome IS
    'running, done, failed (an error, see sqlstate and message), or crashed (its worker was ended, or the server).';
COMMENT ON COLUMN dbm.job_run.sqlstate IS
    'The code of the error.';
COMMENT ON COLUMN dbm.job_run.message IS
    'What the error said, or what came of it.';
COMMENT ON COLUMN dbm.job_run.pid IS
    'The process that ran it.';
COMMENT ON CONSTRAINT chk_job_run_started_at ON dbm.job_run IS
    'A moment that comes.';
COMMENT ON CONSTRAINT chk_job_run_finished_at ON dbm.job_run IS
    'A moment that comes.';
COMMENT ON CONSTRAINT chk_job_run_outcome ON dbm.job_run IS
    'One of those that the comment of the column lists.';

COMMENT ON TABLE dbm.score_history IS
    'The rows of dbm.score() at each run of the job audit. Kept by pg_dump.';
COMMENT ON COLUMN dbm.score_history.run_at IS
    'When it was computed.';
COMMENT ON COLUMN dbm.score_history.dimension IS
    'The dimension, or the whole database.';
COMMENT ON COLUMN dbm.score_history.score IS
    'Its score; null where nothing could be judged.';
COMMENT ON COLUMN dbm.score_history.coverage IS
    'The share of its rules that could be judged.';
COMMENT ON COLUMN dbm.score_history.findings IS
    'How many findings there were.';

-- Has the worker look into this database as soon as this is committed.
CREATE FUNCTION dbm.extension_created() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'dbmastery_extension_created';
SELECT dbm.extension_created();
DROP FUNCTION dbm.extension_created();
