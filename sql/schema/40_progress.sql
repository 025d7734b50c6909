-- What long acts of ours are at, beside the server's own pg_stat_progress_* views.

CREATE VIEW dbm.progress AS
    SELECT p.pid, p.datname, p.usename, p.act, p.step, p.done, p.total, p.share, p.started
    FROM dbm.progress() AS p;

COMMENT ON VIEW dbm.progress IS
    'The long acts of dbmastery that sessions are at now, one row a session; those of roles that the caller may watch, as in pg_stat_activity.';
COMMENT ON COLUMN dbm.progress.pid IS
    'The session''s process; pg_cancel_backend() ends its act.';
COMMENT ON COLUMN dbm.progress.datname IS
    'The database of the session.';
COMMENT ON COLUMN dbm.progress.usename IS
    'The user of the session.';
COMMENT ON COLUMN dbm.progress.act IS
    'What the session does, by the name of the function.';
COMMENT ON COLUMN dbm.progress.step IS
    'The part of it that is under way.';
COMMENT ON COLUMN dbm.progress.done IS
    'How many things of this step are done.';
COMMENT ON COLUMN dbm.progress.total IS
    'How many things this step has to do; 0 where nobody knows.';
COMMENT ON COLUMN dbm.progress.share IS
    'done out of total, 0 to 1; null where nobody knows the total.';
COMMENT ON COLUMN dbm.progress.started IS
    'When the act began.';
