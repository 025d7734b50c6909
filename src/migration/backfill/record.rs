//! The statements that keep dbm.backfill_job, dbm.backfill_part and dbm.backfill_batch.

use super::range::Place;
use crate::change::batch::pace::Batch;
use crate::text::quote_literal;

/// A text, or NULL.
pub fn nullable(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), quote_literal)
}

/// An array of texts, or NULL.
fn place(place: Option<&Place>) -> String {
    place.map_or_else(
        || "NULL::pg_catalog.text[]".to_owned(),
        |place| {
            let values: Vec<String> = place.iter().map(|value| quote_literal(value)).collect();
            format!("ARRAY[{}]::pg_catalog.text[]", values.join(", "))
        },
    )
}

/// Which database this is: numbers of tables mean the same in it alone.
const ORIGIN: &str = "(SELECT s.system_identifier || '/' || d.oid FROM pg_catalog.pg_control_system() s, \
    pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())";

/// The unfinished jobs of a table, whether it was renamed since or the database restored elsewhere: id, creator, pass,
/// repeats, rows changed in this pass, whether it is the same change, assignment, state.
pub fn unfinished(oid: u32, name: &str, assignment: &str, predicate: Option<&str>) -> String {
    format!(
        "SELECT j.id, j.creator, j.pass, j.repeats, j.changed_in_pass,
                j.assignment = {} AND j.predicate IS NOT DISTINCT FROM {}::pg_catalog.text AS is_same, j.assignment,
                j.state
         FROM dbm.backfill_job j
         WHERE j.state NOT IN ('done', 'cancelled')
           AND CASE WHEN j.origin = {ORIGIN} THEN j.target_oid = {oid} ELSE j.target = {} END
         ORDER BY 6 DESC, 1",
        quote_literal(assignment),
        nullable(predicate),
        quote_literal(name),
    )
}

/// Begins a job; its number.
pub fn new_job(oid: u32, name: &str, assignment: &str, predicate: Option<&str>, creator: &str) -> String {
    format!(
        "INSERT INTO dbm.backfill_job (target, target_oid, origin, assignment, predicate, creator)
         VALUES ({}, {oid}, {ORIGIN}, {}, {}, {}) RETURNING id",
        quote_literal(name),
        quote_literal(assignment),
        nullable(predicate),
        quote_literal(creator),
    )
}

/// Goes on with a job.
pub fn resumed(job: i64, oid: u32, name: &str) -> String {
    format!(
        "UPDATE dbm.backfill_job SET state = 'running', request = NULL, error = NULL, waits_for = NULL,
                target = {}, target_oid = {oid}, origin = {ORIGIN}, updated_at = pg_catalog.clock_timestamp()
         WHERE id = {job}",
        quote_literal(name),
    )
}

/// Adds a part to a job.
pub fn new_part(job: i64, name: &str, oid: u32, key_columns: &Place, rows: u64) -> String {
    format!(
        "INSERT INTO dbm.backfill_part (job, name, relation_oid, key_columns, estimated_rows)
         VALUES ({job}, {}, {oid}, {}, {rows}) ON CONFLICT DO NOTHING",
        quote_literal(name),
        place(Some(key_columns)),
    )
}

/// The parts of a job: name, number, key columns, last key, bound, done, rows seen, estimate, whether the numbers are
/// this database's.
pub fn parts(job: i64) -> String {
    format!(
        "SELECT p.name, p.relation_oid, pg_catalog.to_json(p.key_columns), pg_catalog.to_json(p.last_key),
                pg_catalog.to_json(p.bound), p.is_done, p.rows_seen, p.estimated_rows, j.origin = {ORIGIN}
         FROM dbm.backfill_part p JOIN dbm.backfill_job j ON j.id = p.job WHERE p.job = {job} ORDER BY p.number"
    )
}

/// Gives a part the name and number that its table has now.
pub fn renamed_part(job: i64, before: &str, name: &str, oid: u32) -> String {
    format!(
        "UPDATE dbm.backfill_part SET name = {}, relation_oid = {oid} WHERE job = {job} AND name = {}",
        quote_literal(name),
        quote_literal(before),
    )
}

/// Forgets a part whose table is gone.
pub fn gone_part(job: i64, name: &str) -> String {
    format!("DELETE FROM dbm.backfill_part WHERE job = {job} AND name = {}", quote_literal(name))
}

/// Says up to where a part goes in this pass; an empty one is done.
pub fn bounded(job: i64, name: &str, bound: Option<&Place>) -> String {
    format!(
        "UPDATE dbm.backfill_part SET bound = {}, is_done = {} WHERE job = {job} AND name = {}",
        place(bound),
        bound.is_none(),
        quote_literal(name),
    )
}

/// Begins the next pass over all parts.
pub fn next_pass(job: i64) -> String {
    format!(
        "WITH parts AS (UPDATE dbm.backfill_part
                        SET last_key = NULL, bound = NULL, is_done = false, rows_seen = 0 WHERE job = {job})
         UPDATE dbm.backfill_job SET pass = pass + 1, changed_in_pass = 0 WHERE id = {job}"
    )
}

/// A batch as it is recorded.
pub struct Recorded<'a> {
    /// Its job.
    pub job: i64,
    /// Its part.
    pub part: &'a str,
    /// The key after which it began.
    pub after: Option<&'a Place>,
    /// The key up to which it went.
    pub upto: &'a Place,
    /// Whether the part is done with it.
    pub is_last: bool,
    /// Whether the predicate still picks rows that it changed.
    pub repeats: bool,
}

/// Records a batch, where the cursor stands as it should: how many parts were moved on, and what is asked of the job.
pub fn batch(recorded: &Recorded<'_>, batch: &Batch) -> String {
    let Recorded { job, part, after, upto, is_last, repeats } = recorded;
    let Batch { seen, changed, took, wal_bytes, victims } = batch;
    let (part, upto) = (quote_literal(part), place(Some(upto)));
    format!(
        "WITH part AS (
             UPDATE dbm.backfill_part
             SET last_key = {upto}, rows_seen = rows_seen + {seen}, rows_changed = rows_changed + {changed},
                 is_done = {is_last}
             WHERE job = {job} AND name = {part} AND last_key IS NOT DISTINCT FROM {} RETURNING 1),
         job AS (
             UPDATE dbm.backfill_job
             SET batches = batches + 1, rows_changed = rows_changed + {changed},
                 changed_in_pass = changed_in_pass + {changed}, repeats = repeats OR {repeats}, waits_for = NULL,
                 updated_at = pg_catalog.clock_timestamp()
             WHERE id = {job} RETURNING batches, pass, request),
         batch AS (
             INSERT INTO dbm.backfill_batch
                 (job, number, pass, part, last_key, rows_seen, rows_changed, milliseconds, wal_bytes, waiting_sessions)
             SELECT {job}, job.batches, job.pass, {part}, {upto}, {seen}, {changed}, {}, {wal_bytes}, {victims}
             FROM job)
         SELECT (SELECT pg_catalog.count(*) FROM part), job.request FROM job",
        place(*after),
        took.as_secs_f64() * 1_000.0,
    )
}

/// Says what the job waits for, or nothing; returns what is asked of it.
pub fn waits(job: i64, reason: Option<&str>) -> String {
    format!(
        "UPDATE dbm.backfill_job SET waits_for = {}, updated_at = pg_catalog.clock_timestamp()
         WHERE id = {job} RETURNING request",
        nullable(reason),
    )
}

/// What is asked of the job.
pub fn request(job: i64) -> String {
    format!("SELECT j.request FROM dbm.backfill_job j WHERE j.id = {job}")
}

/// The job stops in this state.
pub fn stopped(job: i64, state: &str, error: Option<&str>) -> String {
    format!(
        "UPDATE dbm.backfill_job SET state = {}, error = {}, waits_for = NULL, request = NULL,
                updated_at = pg_catalog.clock_timestamp(),
                finished_at = CASE WHEN {} IN ('done', 'cancelled') THEN pg_catalog.clock_timestamp() END
         WHERE id = {job} RETURNING rows_changed, batches, pass, pg_catalog.clock_timestamp() - created_at",
        quote_literal(state),
        nullable(error),
        quote_literal(state),
    )
}

/// What slows the server now: where its WAL is, its standbys (name, where they are, seconds as the server reckons them),
/// and the process of an autovacuum at work on the table.
pub fn surroundings(relation: u32) -> String {
    format!(
        "SELECT pg_catalog.pg_current_wal_insert_lsn() - '0/0',
                (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                            r.application_name, r.replay_lsn - '0/0', extract(epoch FROM r.replay_lag)))
                 FROM pg_catalog.pg_stat_replication r
                 WHERE r.state IN ('streaming', 'catchup') AND r.replay_lsn IS NOT NULL),
                (SELECT pg_catalog.min(p.pid) FROM pg_catalog.pg_stat_progress_vacuum p
                 JOIN pg_catalog.pg_stat_activity a ON a.pid = p.pid
                 WHERE p.relid = {relation} AND a.backend_type = 'autovacuum worker')"
    )
}

/// Where the WAL is.
pub const WAL: &str =
    "SELECT pg_catalog.pg_current_wal_insert_lsn() OPERATOR(pg_catalog.-) '0/0'::pg_catalog.pg_lsn";

/// Where the WAL is, and how many sessions wait for this one.
pub const AFTERMATH: &str = "SELECT pg_catalog.pg_current_wal_insert_lsn() - '0/0',
    (SELECT pg_catalog.count(DISTINCT l.pid) FROM pg_catalog.pg_locks l
     WHERE NOT l.granted AND pg_catalog.pg_backend_pid() = ANY (pg_catalog.pg_blocking_pids(l.pid)))";

/// Who has a table's backfill in hand: the process.
pub fn holder(class: i32, oid: u32) -> String {
    format!(
        "SELECT l.pid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
         WHERE l.locktype = 'advisory' AND l.classid = {class} AND l.objid = {oid} AND l.objsubid = 2 AND l.granted
           AND d.datname = pg_catalog.current_database()"
    )
}

/// Asks something of a job that is not over: its creator, for whoever may ask.
pub fn requested(job: i64, request: &str) -> String {
    format!("UPDATE dbm.backfill_job SET request = {} WHERE id = {job}", quote_literal(request))
}

/// The creator, state, number of the target and target of a job.
pub fn known(job: i64) -> String {
    format!("SELECT j.creator, j.state, j.target_oid, j.target FROM dbm.backfill_job j WHERE j.id = {job}")
}

/// All jobs, those at work first: what dbm.backfill_status() shows.
pub fn status(class: i32) -> String {
    format!(
        "SELECT j.id, j.target, j.assignment, j.predicate, j.creator,
                CASE WHEN j.state = 'running' AND h.pid IS NULL THEN 'interrupted' ELSE j.state END,
                h.pid, j.pass,
                CASE WHEN j.state = 'done' THEN 1.0
                     WHEN p.estimated > 0 THEN least(p.reached / p.estimated, 0.999) END,
                j.rows_changed, p.seen::pg_catalog.int8, p.estimated::pg_catalog.int8, r.rate,
                CASE WHEN j.state = 'running' AND h.pid IS NOT NULL AND r.rate > 0
                     THEN greatest(p.estimated - p.reached, 0) / r.rate * interval '1 second' END,
                l.rows_seen, l.part, l.last_key, j.waits_for, j.error, j.created_at, j.updated_at
         FROM dbm.backfill_job j
         LEFT JOIN LATERAL (
             SELECT pg_catalog.min(l.pid) AS pid FROM pg_catalog.pg_locks l
             WHERE l.locktype = 'advisory' AND l.classid = {class} AND l.objid = j.target_oid AND l.objsubid = 2
               AND l.granted AND j.state = 'running'
               AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                                 WHERE d.datname = pg_catalog.current_database())) h ON true
         LEFT JOIN LATERAL (
             SELECT pg_catalog.sum(p.rows_seen) AS seen,
                    pg_catalog.sum(greatest(p.estimated_rows, p.rows_seen))::pg_catalog.float8 AS estimated,
                    pg_catalog.sum(CASE WHEN p.is_done THEN greatest(p.estimated_rows, p.rows_seen)
                                        ELSE p.rows_seen END)::pg_catalog.float8 AS reached
             FROM dbm.backfill_part p WHERE p.job = j.id) p ON true
         LEFT JOIN LATERAL (
             SELECT pg_catalog.sum(b.rows_seen) / nullif(extract(epoch FROM
                        pg_catalog.max(b.committed_at) - pg_catalog.min(b.committed_at))
                        + pg_catalog.min(b.milliseconds) / 1000, 0)::pg_catalog.float8 AS rate
             FROM (SELECT b.rows_seen, b.committed_at, b.milliseconds FROM dbm.backfill_batch b WHERE b.job = j.id
                   ORDER BY b.number DESC LIMIT 20) b) r ON true
         LEFT JOIN LATERAL (
             SELECT b.rows_seen, b.part, '(' || pg_catalog.array_to_string(b.last_key, ', ') || ')' AS last_key
             FROM dbm.backfill_batch b WHERE b.job = j.id ORDER BY b.number DESC LIMIT 1) l ON true
         ORDER BY h.pid IS NULL, j.state IN ('done', 'cancelled'), j.id DESC"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_batch_moves_the_cursor_only_from_where_it_was_taken_up() {
        let (after, upto) = (vec!["a'b".to_owned(), "1".to_owned()], vec!["c".to_owned(), "2".to_owned()]);
        let recorded =
            Recorded { job: 7, part: "s.t", after: Some(&after), upto: &upto, is_last: false, repeats: true };
        let done = Batch { seen: 5, changed: 3, took: Duration::from_millis(2), wal_bytes: 9, victims: 1 };
        let sql = batch(&recorded, &done);
        assert!(sql.contains("last_key IS NOT DISTINCT FROM ARRAY['a''b', '1']::pg_catalog.text[]"), "{sql}");
        assert!(sql.contains("SET last_key = ARRAY['c', '2']::pg_catalog.text[]"), "{sql}");
        assert!(sql.contains("repeats = repeats OR true"), "{sql}");
    }

    #[test]
    fn a_part_without_rows_is_done() {
        assert!(bounded(1, "s.t", None).contains("bound = NULL::pg_catalog.text[], is_done = true"));
    }
}
