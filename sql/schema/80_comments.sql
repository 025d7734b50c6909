-- \df+ dbm.* is the manual: what a function returns, in which units, and when it raises an error.

COMMENT ON FUNCTION dbm.version() IS
    'The version of the dbmastery library that this session runs.';

COMMENT ON FUNCTION dbm.audit(text, text[], text) IS
    'Runs every rule of a dimension (null: all) on the whole database and returns what it found, most severe first.
status: finding; error (the rule broke, the others went on); unknown (could not be judged, message says why); suppressed (evidence holds reason and expiry).
schemas: show only what lies in these (null: all). min_severity: info, warning, error or critical. Rules that broke are always shown.
fix repairs the finding, undo takes the repair back: one or several statements, each ended by a semicolon, to be run outside a transaction block and in order. Null where no safe statement exists; message and evidence then say what to do.
object is null where a row is about the whole rule. fingerprint stays the same from audit to audit for one rule and object.
Reads catalogs and statistics only; waits for no lock on a user''s table; runs on standbys. Raises 22023 for a dimension, schema or severity that does not exist, with the valid ones.';

COMMENT ON FUNCTION dbm.score() IS
    'One row a dimension and a last row overall.
score: 0 to 10 (overall: 0 to 100, below 40 critical risk, 40 needs work, 60 solid, 80 professional, 90 expert), from the share of examined objects that fail each rule; 3.9 at most while a critical finding stands; null where nothing could be judged.
coverage: the share, 0 to 1, of what its rules look at that could be judged. findings: those that nobody suppressed. weight: the share of overall; of overall, the sum of the weights that it is made of.
best_next_fix: the repair that gains the most points, with its gain and its first line; dbm.audit() shows it whole.';

COMMENT ON FUNCTION dbm.rules() IS
    'Every rule that dbm.audit() runs: severity and thresholds as in force here (dbm.rule_setting), what it costs to ignore, and where to read more.
thresholds: by name, value (in force), default, min, max and meaning. enabled: whether the rule is run.';

COMMENT ON FUNCTION dbm.catalog_summary() IS
    'How many objects of each kind the audit sees, so that one can check what it looked at.';

COMMENT ON FUNCTION dbm.check_rule_setting(text, boolean, text, jsonb) IS
    'True when a row of dbm.rule_setting is valid; raises 22023 with the valid rules, severities or thresholds when it is not. The table''s CHECK constraint.';

COMMENT ON FUNCTION dbm.suppress(text, text, text, timestamp with time zone) IS
    'Takes a finding out of the score: rule and object as dbm.audit() shows them (object * for all of the rule''s), with a reason and, if it is to come back, a moment of expiry. A second call for the same rule and object replaces the first. Returns the finding''s fingerprint. Raises 22023 for a rule that does not exist, an empty object or reason, or a moment that has passed. Needs INSERT and UPDATE on dbm.suppression.';

COMMENT ON FUNCTION dbm.unsuppress(text, text) IS
    'Ends what dbm.suppress() began for this rule and object, so that the finding counts again; false when there was nothing to end. Raises 22023 for a rule that does not exist. Needs DELETE on dbm.suppression.';

COMMENT ON FUNCTION dbm.unused_indexes(bigint) IS
    'Indexes of at least min_bytes that no query scanned while the statistics were counted; a partition tree is one row. What can go first, then by size.
verdict: drop; keep (something needs it: a constraint, a foreign key, replica identity, CLUSTER, statistics on an expression); review (the counters cannot tell: too young, lost in a crash, or standbys scan unseen). reason says which.
watched: how long the counters have counted; null when unknown. size_bytes: on disk now. drop_sql and recreate_sql: safe on a busy server, to be run outside a transaction block.';

COMMENT ON FUNCTION dbm.duplicate_indexes() IS
    'Pairs of indexes of which one does all that the other does, compared by columns, operator classes, collations, sort options, expressions and predicate as the planner compares them. Largest first.
kind: duplicate (the same index twice) or redundant (the kept one begins with the same columns). keep_index backs a constraint, is referred to by a foreign key, or is scanned more; reason says why.
size_bytes: of the index to drop. drop_sql and recreate_sql: safe on a busy server, to be run outside a transaction block.';

COMMENT ON FUNCTION dbm.missing_indexes() IS
    'Indexes that are worth creating, the most useful first.
source: foreign_key (no index lets the server find the referencing rows when a referenced row is deleted or its key changes), workload (queries that run here would cost less, as the planner says: what dbm.advise_workload() finds in three seconds, where somebody counts queries) or seq_scan (a large table is read whole again and again).
columns: in the order of the proposed index; an expression as SQL. evidence: the counts behind it; what a foreign key and queries ask for alike is one row, with the queries in its evidence. create_sql: safe on a busy server, to be run outside a transaction block. Both are null where the statistics show that an index is missing but not on what.';

COMMENT ON FUNCTION dbm.index_health() IS
    'Indexes that exist but do not serve well, worst first.
problem: invalid or not_ready (an interrupted CREATE INDEX CONCURRENTLY or REINDEX); bloated; too_many_indexes (on a table that is written much more than read; index_name is null, since all of them are meant); low_cardinality (one column of few values).
certainty: measured, estimated (from statistics, B-tree deduplication taken into account) or unknown. size_bytes: on disk now; wasted_bytes: what a rebuild would free, null where the problem is another.
fix and undo: safe on a busy server, to be run outside a transaction block; null where somebody has to choose.';

COMMENT ON FUNCTION dbm.table_sizes(integer) IS
    'The max_rows largest tables and materialised views of the users, largest first, a partition tree as one row with the number of its partitions.
Bytes on disk, all forks included: total, the table itself, TOAST with its index, all indexes. rows and dead_rows: estimates of the statistics system, null where nothing was ever counted.';

COMMENT ON FUNCTION dbm.slow_queries(integer) IS
    'The max_rows queries of this database that take the most time together, most first, as pg_stat_statements counted them; without what reads the system''s catalogs only.
total_time_ms, rows and spilled_blocks (blocks of temporary files written): of all calls together. share: of the time of all queries, 0 to 1.
rules: what dbm.advise() has to say of the query, by rule; empty where it has nothing. problem: why the query could not be planned, null where it could; rules is then empty.
Each query is planned and not run, with the rights of the role that ran it, and within two seconds; what its functions do meanwhile is undone.
Texts of other roles need pg_read_all_stats, which pg_monitor includes; query is null where the caller may not see it. Where pg_stat_statements is not there or has counted nothing, one row says so in problem, with what to do.';

COMMENT ON FUNCTION dbm.workload_writer() IS
    'The trigger of dbm.workload: puts the name of the role that writes into added_by. Only a superuser, as a restore does, writes in another''s name.';

COMMENT ON FUNCTION dbm.advise(text) IS
    'What would help this query, the most useful first. Plans it, also with indexes that do not exist, and never runs it.
query: one statement that has a plan; with constants, with $1 and the like, or as pg_stat_statements has it.
kind: index (sql creates it, safe on a busy server, to be run outside a transaction block), rewrite (sql is the other text), red_flag (what is slow in its plan), statistics, setting. severity: info, warning, error or critical. rule: which thing it is; ids never change their meaning.
cost_before and cost_after: the planner''s cost without and with it; several indexes build on one another in their order. proven: the server''s planner showed the gain and, for a rewrite, the conditions under which it returns the same rows hold.
evidence: of an index estimated_bytes, share_saved, undo, alternatives (other indexes and what each would cost) and makes_superfluous (existing indexes that it replaces). No rows where nothing helps. What is found within five seconds.
Rights, locks and errors as for dbm.what_if().';

COMMENT ON FUNCTION dbm.advise_workload(bigint, integer, interval, text) IS
    'Which indexes to create and which to drop for the queries that run in this database; every beginning of the list is an answer too.
source: capture (dbm.captured_queries()), pg_stat_statements, table (dbm.workload), or auto: the first of these that has queries. budget_bytes: what the new indexes may take together; max_indexes: how many; null for as many as pay. time_limit: the search stops then with the best so far; null for as long as it takes.
action: create; drop (what the new ones replace, what does the same as another, or what no query uses; never what a constraint, a foreign key, replica identity or CLUSTER needs); unknown (queries that could not be looked at; evidence says why). sql and undo: safe on a busy server, to be run outside a transaction block.
estimated_bytes: of the index created or dropped. benefit_share: of the cost of all queries, weighed by calls, 0 to 1. cost_before and cost_after: that cost before and after this step. queries: how many it helps; evidence names those that it helps most and those that it makes dearer.
Runs none of the queries; each is planned with the rights of the role that ran or wrote it, and what its functions do meanwhile is undone. Runs on standbys. Raises 22023 for a source that does not exist or a negative number, 55000 where the named source has nothing, with what to do; for auto that is a row.';

COMMENT ON FUNCTION dbm.index_type_for(regclass, text[], text) IS
    'Which kind of index suits these columns and this purpose, the best first.
purpose: equality, join, range, sort, prefix (LIKE ''abc%''), pattern (LIKE ''%abc%''), contains, overlaps, nearest, full_text, unique, or any: what the type is usually asked.
index_type: an access method, or a form of B-tree: partial or covering. verdict: best, possible or unfit; reason says why. create_sql: to be built CONCURRENTLY on a busy server; null for what does not fit or needs a choice. estimated_bytes: its size once built, null where it cannot be sized.
Judges by the columns'' types, operator classes and statistics: run ANALYZE first. Needs SELECT on the table. Raises 22023 for a purpose that does not exist, with the valid ones.';

COMMENT ON FUNCTION dbm.what_if(text, text[]) IS
    'Plans a query as things are and with all these indexes, each given as CREATE INDEX; builds nothing and never runs the query, which may have $1 and the like.
used: whether the plan with all of them scans it. estimated_bytes: its size once built, partitions together. cost_before and cost_after: the planner''s total cost, without and with all of them.
Access methods btree, hash, brin (of 128 pages a range), gin and gist; columns, order, operator classes, collations, INCLUDE, expressions, predicates and UNIQUE as CREATE INDEX takes them. For expressions and gin up to 300,000 rows of the table are sampled, and the index expression is computed on them, with the caller''s rights.
Costs are those of the real index but for two things: a gin index that does not exist is costed by the planner without its inner structure, and the highest and lowest values of a column are taken from the statistics.
Needs the rights that EXPLAIN of the query needs, and SELECT on the table of each index. Takes AccessShareLock (RowExclusiveLock on a table that the query writes) until it returns. Runs on standbys and in read-only transactions. Raises 42601 for what does not parse or is not one statement, 0A000 for what has no plan or cannot be sized, and what CREATE INDEX would raise; DETAIL says at which character.';

COMMENT ON FUNCTION dbm.what_if_explain(text, text[], text) IS
    'The plan of a query with these indexes, as EXPLAIN prints it, in format text, json, yaml or xml. An index without a name is called as the server would call it. Otherwise as dbm.what_if(). Raises 22023 for another format.';

COMMENT ON FUNCTION dbm.what_if_drop(text, regclass[]) IS
    'Plans a query as things are and without these existing indexes, each with its partitions; drops nothing and never runs the query.
used: whether the plan as things are scans it. freed_bytes: on disk now. cost_before and cost_after: the planner''s total cost, with and without all of them.
Tells of plans only: a unique index also keeps duplicates out, and an index that one query does not need may serve others. Rights, locks and errors as for dbm.what_if(); raises 42809 for what is no index.';

COMMENT ON FUNCTION dbm.captured_queries() IS
    'What clients ran since the server started or since dbm.capture_reset(), in all databases: one row for each query that differs by constants alone, role and database. The longest first.
query: with $1, $2, … for constants; a typed literal (interval ''1 day'') becomes one parameter. parameter_types: the type of each. samples: up to three vectors of values, as text, null for NULL; only with dbm.capture_constants = sample. calls and total_time (milliseconds): of complete runs; planning is not counted. queryid: as in pg_stat_statements. is_truncated: the text was longer than dbm.capture_query_bytes and cannot be planned.
Counts what a client asks for itself, prepared statements included; not what functions run, nor utility statements, nor runs that failed. A full table gives up what is run least (dbm.capture_max_queries). Nothing outlives the server.
Who is no member of pg_read_all_stats sees of others'' queries the counts alone. Raises 55000 where dbmastery is not in shared_preload_libraries.';

COMMENT ON FUNCTION dbm.capture_status() IS
    'How full the capture of queries is: captured (queries kept, those analysed but not yet run included), max_queries, evicted (how many were given up for others: many mean that dbm.capture_max_queries is small for this application), since (when it was last emptied). Raises 55000 where dbmastery is not in shared_preload_libraries.';

COMMENT ON FUNCTION dbm.capture_reset() IS
    'Forgets all captured queries, of all databases, and returns how many there were. Not granted to anybody. Raises 55000 where dbmastery is not in shared_preload_libraries.';

COMMENT ON FUNCTION dbm.progress() IS
    'What the view dbm.progress shows: the long acts of dbmastery that sessions are at now.
act: the function. step: the part of it under way. done, total: how many things of this step; share: done out of total, 0 to 1, null where nobody knows the total. Only sessions that the caller may watch, as in pg_stat_activity; as of the first look in the transaction. Shows nothing of sessions with track_activities off.';

COMMENT ON FUNCTION dbm.why_no_index(text) IS
    'Why a query reads a table without an index, or finds by one many more rows than it keeps. One row a scan, the dearest first; the partitions of one table are one scan. Never runs the query, which may have $1 and the like.
condition: as EXPLAIN prints it; of a table without a condition of its own, what joins it. rows_read and rows_kept: as the planner expects, once.
reason: which index is missing, or why those that exist do not serve (not valid, partial, another leading column, operator class or collation), why the condition cannot be searched by, which setting forbids it, or from which share of the rows on an index would pay. It is proved by planning again: with the index that one would think of, without sequential scans, or with index scans allowed.
evidence: costs now and with an index, index_sql (CREATE INDEX, to be built CONCURRENTLY on a busy server) and index_bytes, break_even_share, existing_indexes and not_searchable with the obstacle of each.
Rights, locks and errors as for dbm.what_if().';

COMMENT ON FUNCTION dbm.explain_ddl(text) IS
    'What statements would do to this database if this session sent them now. Parses and looks up, runs nothing, waits for no lock. One row a finding, or one row where nothing is found.
verdict: safe; unsafe (a rule of severity warning or worse); unknown (the parser does not know it, what it is about is not there, or it runs other statements), message says why. rule: as in dbm.ddl_rules().
lock_mode: on target, which is the relation that suffers. rewrites: every row is written anew. scans: every row is read. rows: estimated; bytes: with all indexes, over all partitions. seconds_low and seconds_high: how long the lock is held for that, from the rates that this server showed.
blockers: who holds or awaits a conflicting lock now: pid, mode, state, application, seconds since its transaction began. safe_sql: what to run instead, statement by statement, each in a transaction of its own.
Statements see what those before them would have left: new tables, open transactions, timeouts.';

COMMENT ON FUNCTION dbm.lint_migration(text, text) IS
    'What is unsafe in a migration file, in the order of its statements. Reads it with the parser of the dialect (postgresql, mysql or sqlite) and runs nothing; meta-commands of psql and data of COPY are passed over.
postgresql: what the file is about is looked up here where it is there, but every table counts as large unless the file makes it. statement_no and line: 1-based. rule: as in dbm.ddl_rules(); ddl.not_parsed for what the parser does not know, ddl.unchecked for what cannot be looked into. severity: info, warning, error or critical. fix: what to run instead.
No rows where nothing is found. Raises 22023 for a dialect that does not exist.';

COMMENT ON FUNCTION dbm.lint_migration_sarif(text, text) IS
    'dbm.lint_migration() as one SARIF 2.1.0 document, for tools of code review. The file is called migration.sql in it.';

COMMENT ON FUNCTION dbm.ddl_rules() IS
    'Every rule that dbm.explain_ddl(), dbm.lint_migration() and the guard judge by: severity and thresholds as in force here (dbm.rule_setting), what it costs to ignore, and where to read more.
error and critical are refused while dbm.ddl_guard is enforce; of warning a WARNING is given; info is for the functions alone. thresholds: by name, value (in force), default, min, max and meaning. enabled: whether the rule is used.';

COMMENT ON FUNCTION dbm.allow_ddl(text, text, interval, integer) IS
    'Lets the caller''s role run statements in this database in spite of a rule (or all), with a reason, for a while (ttl, a week at most) and so many findings (uses). Each use is kept in dbm.ddl_record with its reason; what is not used can be deleted from dbm.ddl_allowance.
Goes by who logged in and by whose rights are in force, in any session. Granted to nobody: GRANT EXECUTE decides who may. Raises 22023 for a rule that does not exist, an empty reason, or a span or number that makes no sense.';

COMMENT ON FUNCTION dbm.pending_ddl_records() IS
    'Records of this database that are in shared memory and not in dbm.ddl_record yet; the view dbm.ddl_records has both. No rows where dbmastery is not preloaded.';

COMMENT ON FUNCTION dbm.on_ddl_command_start() IS
    'The function of the event trigger dbmastery_ddl_guard.';

COMMENT ON FUNCTION dbm.on_table_rewrite() IS
    'The function of the event trigger dbmastery_table_rewrite.';

COMMENT ON FUNCTION dbm.on_sql_drop() IS
    'The function of the event trigger dbmastery_sql_drop.';

COMMENT ON FUNCTION dbm.on_ddl_command_end() IS
    'The function of the event trigger dbmastery_ddl_command_end.';

COMMENT ON PROCEDURE dbm.backfill(regclass, text, text, interval, double precision, interval, bigint, boolean, interval, interval, integer) IS
    'Does UPDATE target SET assignment WHERE predicate in batches along a unique key, each its own transaction, so that nobody waits long. CALL it by itself: not in a transaction block or function.
Called again with the same target, assignment and predicate it goes on with the job that is not finished: after a crash, a cancel, an error or dbm.backfill_pause(). The cursor moves in the transaction of its batch, so that no row is done twice or left out.
Without a predicate each row that was there when it began is changed once, unless it would not change; a row whose key a writer changes meanwhile, or that moves to another partition, may be met twice or not at all. With one, rows that come in meanwhile are found too, by going over the table until none is left, where a row that was changed is no longer picked (total IS NULL); otherwise there is one pass.
batch_time: how long a batch should take; its size follows, from batch_rows on, and halves when sessions wait for it. duty: the share of the time that is work. max_lag: waits while a standby is further behind. max_wal_per_second: bytes; rests so that the server writes no more. wait_for_autovacuum: waits while it is at the table. lock_timeout: how long to wait for a lock before the batch is rolled back and tried again, smaller; after give_up_after without getting further it fails. Null for max_lag or max_wal_per_second: any.
A row that cannot be changed is looked for by smaller batches; the job stops there, with its key, and can be called again once it is mended. statement_timeout counts for the whole call.
The key: the primary key, or a unique index on NOT NULL columns without expressions or predicate. Partitions are gone over one after the other, each by its own key; the caller needs rights on them. Runs with the rights of the caller, who needs to be the job''s creator or a member of it. See dbm.backfill_status().';

COMMENT ON FUNCTION dbm.backfill_status() IS
    'All backfills that the caller may watch, those at work first.
state: running, interrupted (its session has ended: call dbm.backfill() again), paused, failed (error says why), done or cancelled. pid: the process at work. pass: how often it goes over the table, this time included.
share: how much of this pass is done, 0 to 1, by the estimate of rows; null where nobody knows. rows_changed: in all passes. rows_seen, out of estimated_rows: in this pass. rows_per_second: gone over, pauses included; eta: for the rest of this pass. batch_rows, part and last_key: of the last batch. waits_for: what speaks against the next batch; null while it works.';

COMMENT ON FUNCTION dbm.backfill_pause(bigint) IS
    'Ends a backfill after its batch; dbm.backfill(), called as before, goes on with it. False where it is not running. Only for its creator, its members and superusers. Raises 42704 where there is no such job.';

COMMENT ON FUNCTION dbm.backfill_cancel(bigint) IS
    'Ends a backfill for good, after its batch if it is at work; what was changed stays. False where it is over. Only for its creator, its members and superusers. Raises 42704 where there is no such job.';

COMMENT ON FUNCTION dbm.plan_steps(bigint) IS
    'The steps of a plan in their order, and what each is at.
phase: prepare, expand, sync, backfill, validate, switch or contract. runs: transaction (all its statements in one, under lock_timeout: transactional is true), alone (one statement outside a transaction block) or by_hand (people do it, then dbm.confirm_step()). lock_mode: the strongest lock on a table that others use; null for none. undo: what takes it back; null where nothing is to be done or nothing can be, as note says. verify: true once it has done what it should.
status: pending, running, waiting (for people), confirmed, done, skipped (was so before this plan came to it, so that dbm.undo() leaves it alone), failed, undoing, undo_waiting or undone. attempts: how often it was begun. error: its last one.
For the plan''s creator, who has its rights, and members of pg_monitor. Raises 42704 for a plan that does not exist, 42501 for another''s.';

COMMENT ON PROCEDURE dbm.partition_copy(bigint, text, interval, interval) IS
    'Carries a copy of a table on to a phase: prepared, copying, catching_up, ready, swapped, verified, cleaned; or takes it back: aborted, before the swap, and that of a conversion until it is cleaned up. Goes on where it stopped, commits after each batch. For members of the table''s owner.';
COMMENT ON FUNCTION dbm.partition_drain(regclass) IS
    'Moves the rows of a set''s default partition into partitions of their own, as its policy cuts them, while others read and write: copied in batches, kept alike by a journal, swapped under a lock of a moment. Rows without a key, at infinity, too old or too far ahead stay. Says what it did as dbm.partition_maintain() does.';
COMMENT ON FUNCTION dbm.partition_copy_status() IS
    'Copies of tables, made to drain default partitions and to convert tables: how far each is, which process is at it, what it waits for and how long its swap held locks.';
COMMENT ON FUNCTION dbm.plan_status(bigint) IS
    'How far a plan is.
status: ready, running, interrupted (the worker is gone: CALL dbm.apply() or dbm.undo() goes on), waiting (for people, as note says), done, failed, undoing or undone. steps: how many there are; steps_over: how many are done or were not needed. step, phase, step_status, attempts, note, error: of the step that is under way or comes next. pid: the process that runs it now.
Rights and errors as for dbm.plan_steps().';

COMMENT ON FUNCTION dbm.confirm_step(bigint, integer) IS
    'Says that people have done the step for which a plan waits, or taken it back; CALL dbm.apply() or dbm.undo() then goes on, and first makes the step''s check.
For the plan''s creator and who has its rights; not granted to anybody. Raises 55000 for a step that does not wait for people, 42704 for one that does not exist.';

COMMENT ON PROCEDURE dbm.apply(bigint) IS
    'Applies a plan: a background worker runs its steps in their order, with the rights of the role that made it, and this call waits for it. Ends with a NOTICE where people have to do something first.
Each step is a transaction of its own, or a statement alone. A lock is waited for as long as dbm.apply_lock_timeout says, then others pass and it is tried again, dbm.apply_tries times. A step is skipped where its check is true before it, and after it the check must be true. What was interrupted, by an error, a cancel, kill -9 or power loss, goes on from there with the next call: what an unfinished attempt left is removed first.
A cancel of this call ends the worker. Cannot run inside a transaction block. For the plan''s creator and who has its rights; not granted to anybody: GRANT EXECUTE ON PROCEDURE dbm.apply(bigint) TO somebody. Raises the error of the step that failed, 55006 where the plan is being run, 25001 inside a transaction block, 25006 on a standby, 42501 for another''s plan, and 55000 where its creator is gone.';

COMMENT ON PROCEDURE dbm.undo(bigint) IS
    'Takes a plan back, last step first, by the statements that dbm.plan_steps() shows as undo; steps that were skipped stay. Stops with a NOTICE at what people did by hand, until they have taken it back and said so with dbm.confirm_step(). An interrupted one goes on with the next call.
Raises 55000, and changes nothing, where a step that nothing can take back is done. Otherwise as dbm.apply().';

COMMENT ON FUNCTION dbm.apply_in_background(bigint) IS
    'Applies a plan as dbm.apply() does, but does not wait: returns the worker''s process, which begins once this transaction has ended; null where there is nothing to do. dbm.plan_status() shows how far it is; pg_terminate_backend() stops it so that the plan can go on later.
For the plan''s creator and who has its rights; not granted to anybody.';

COMMENT ON FUNCTION dbm.migration_plan(text) IS
    'Makes a plan of one DDL statement: what has the same end and can be done while others work, as steps of expand, sync, backfill, validate, switch and contract, each with lock, undo and check; also where people have to do something between. Returns the plan''s number, for dbm.plan_steps(), dbm.migration_file() and CALL dbm.apply(). Changes nothing else.
The plan belongs to the role whose rights are in force, and is run with its rights. Takes ACCESS SHARE on the tables of the statement. Raises 42601 for what is not one statement, and 0A000 where there is no safe way, with what to do instead. Not granted to anybody: GRANT EXECUTE ON FUNCTION dbm.migration_plan(text) TO somebody.';

COMMENT ON FUNCTION dbm.migration_file(bigint) IS
    'A plan as a migration file that psql runs: header (risk, estimated time, what it requires), UP, DOWN and VERIFY, with the steps that people have to do as comments in their place. Rights and errors as for dbm.plan_steps().';

COMMENT ON FUNCTION dbm.partition_boundaries(text, text, timestamp with time zone, timestamp with time zone, text) IS
    'The partitions into which a table would be cut, from the one that takes first to the one that takes last.
every: hour, day, week, month, quarter, year, an interval such as 15 minutes, or ISO 8601. key_type: date, timestamp, timestamptz, uuid (version 7), ulid, and integer or bigint followed by seconds, milliseconds, microseconds or nanoseconds since 1970.
Months, weeks and days are those of time_zone (null: UTC), by the rules of this server, also where clocks are put forward or back; hours and less are cut in UTC. A week begins on Monday, a quarter in January, April, July and October; other widths are counted from 2000-01-01. Each boundary is counted from there, not from the one before.
low, high: the first value inside and the first after it, as the key holds them. name: what is put behind the name of the table; sorts as the partitions do; hours are those of UTC and end in z.
Reads no table. Raises 22023 for a width that does not cut such a key evenly, and for a type or zone that does not exist; 54000 for more than 100,000 partitions.';

COMMENT ON FUNCTION dbm.partition_create_plan(text, text, text, text, integer, interval, text, text) IS
    'A new partitioned table as a plan, which dbm.apply() runs: the table, its indexes, the partition of now and premake after it, and dbm.partition_manage(). Returns the number of the plan.
target: the name of the table to be, as SQL writes it. key: the column by which it is cut. every, time_zone, epoch, retention: as for dbm.partition_manage().
definition: what would stand between the parentheses of CREATE TABLE, for example ''LIKE old_events INCLUDING ALL''. The server makes the table so and takes it back at once, with the rights of the caller, to see what it means.
The key becomes NOT NULL and part of the primary key, serial columns become identity columns; the note of the first step says so. Where no index begins with the key it gets one: BRIN if its default is the clock, so that rows come in its order, else B-tree.
Raises 22023 for a unique constraint without the key, a key that cannot be cut so, a premake below zero, and where definition is missing; the server''s own error where the table cannot be made.';
COMMENT ON TABLE dbm.partition_set IS
    'How each partitioned table is kept. Written by dbm.partition_manage(), dbm.partition_adopt() and dbm.partition_unmanage(), and by upkeep, which writes the last five columns; readable by pg_monitor; goes along in pg_dump.';
COMMENT ON COLUMN dbm.partition_set.parent IS 'The partitioned table; a number once it is dropped.';
COMMENT ON COLUMN dbm.partition_set.key_kind IS 'What the values of the key are: date, timestamp, timestamptz, integer, epoch seconds (milliseconds, microseconds, nanoseconds), uuidv7 or ulid; watched for a set that is looked at and not changed.';
COMMENT ON COLUMN dbm.partition_set.every IS 'How wide a partition is: 1 month, 15 minutes, 1000000.';
COMMENT ON COLUMN dbm.partition_set.time_zone IS 'The zone on whose clock days and months begin; hours and less are counted in UTC.';
COMMENT ON COLUMN dbm.partition_set.origin IS 'A boundary from which all others are counted, as a value of the key.';
COMMENT ON COLUMN dbm.partition_set.premake IS 'How many partitions have to be there after the one of now.';
COMMENT ON COLUMN dbm.partition_set.retention IS 'What is older than this goes; null: nothing does.';
COMMENT ON COLUMN dbm.partition_set.retention_number IS 'The same for keys that count: how far behind the greatest number.';
COMMENT ON COLUMN dbm.partition_set.retention_action IS 'What becomes of a partition that is too old: drop (detached, then dropped), keep (detached) or archive (detached and moved).';
COMMENT ON COLUMN dbm.partition_set.archive_schema IS 'The schema into which archive moves.';
COMMENT ON COLUMN dbm.partition_set.drop_delay IS 'How long a detached partition is kept before drop drops it.';
COMMENT ON COLUMN dbm.partition_set.on_missing IS 'What becomes of rows that no partition takes: default (they go into the default partition) or error (they are refused).';
COMMENT ON COLUMN dbm.partition_set.max_create IS 'How many partitions one pass may create.';
COMMENT ON COLUMN dbm.partition_set.max_retire IS 'Which share of the partitions one pass may retire, 0 to 1; more are a jump of the clock until somebody says otherwise.';
COMMENT ON COLUMN dbm.partition_set.template IS 'A table from which new partitions take what they do not inherit; null: from the newest partition.';
COMMENT ON COLUMN dbm.partition_set.copy_privileges IS 'Whether new partitions get the grants of the parent.';
COMMENT ON COLUMN dbm.partition_set.name_style IS 'How new partitions are named: house, partman (as pg_partman 5) or partman and a pattern (as pg_partman 4).';
COMMENT ON COLUMN dbm.partition_set.is_enabled IS 'Whether it is kept at all.';
COMMENT ON COLUMN dbm.partition_set.created_by IS 'Who had it kept first.';
COMMENT ON COLUMN dbm.partition_set.created_at IS 'When.';
COMMENT ON COLUMN dbm.partition_set.last_now IS 'The greatest moment that upkeep has seen, by which it notices a jump of the clock.';
COMMENT ON COLUMN dbm.partition_set.last_run IS 'When upkeep was last at it; that nothing was due is written down once an hour at most.';
COMMENT ON COLUMN dbm.partition_set.last_result IS 'What came out of it.';
COMMENT ON COLUMN dbm.partition_set.failures IS 'How often it failed in a row.';
COMMENT ON COLUMN dbm.partition_set.not_before IS 'Before when it is not tried again.';

COMMENT ON TABLE dbm.partition_detached IS
    'Tables that upkeep has detached and may drop once drop_after is over; null: never. Written by upkeep alone; readable by pg_monitor.';
COMMENT ON COLUMN dbm.partition_detached.relation IS 'The table.';
COMMENT ON COLUMN dbm.partition_detached.name IS 'Its name when it was detached, qualified and quoted.';
COMMENT ON COLUMN dbm.partition_detached.parent IS 'The table of which it was a partition.';
COMMENT ON COLUMN dbm.partition_detached.parent_name IS 'Its name, qualified and quoted.';
COMMENT ON COLUMN dbm.partition_detached.owner IS 'The role that owned the parent, with whose rights it is dropped.';
COMMENT ON COLUMN dbm.partition_detached.detached_at IS 'When it was detached.';
COMMENT ON COLUMN dbm.partition_detached.drop_after IS 'When it may be dropped.';

COMMENT ON TABLE dbm.upkeep_log IS
    'What upkeep did, one row for each action; kept for a time of its own. Readable by pg_monitor.';
COMMENT ON COLUMN dbm.upkeep_log.id IS 'The order in which it was written.';
COMMENT ON COLUMN dbm.upkeep_log.run IS 'The pass to which it belongs.';
COMMENT ON COLUMN dbm.upkeep_log.happened_at IS 'When it was over.';
COMMENT ON COLUMN dbm.upkeep_log.parent_oid IS 'The partitioned table.';
COMMENT ON COLUMN dbm.upkeep_log.parent IS 'Its name, qualified and quoted.';
COMMENT ON COLUMN dbm.upkeep_log.action IS 'drop constraint (one that a run left on the default partition which was cut off), finalize, create, drain, retire, drop, archive; upkeep or policy where nothing could be begun.';
COMMENT ON COLUMN dbm.upkeep_log.partition IS 'The partition that it was about.';
COMMENT ON COLUMN dbm.upkeep_log.status IS 'done, skipped (a lock was not to be had: it is tried again), failed, stopped (by a guard) or due (dry run).';
COMMENT ON COLUMN dbm.upkeep_log.detail IS 'What was done, or why not.';
COMMENT ON COLUMN dbm.upkeep_log.elapsed IS 'How long it took.';
COMMENT ON COLUMN dbm.upkeep_log.sqlstate IS 'The code of the error.';

COMMENT ON FUNCTION dbm.partition_manage(regclass, text, integer, interval, text, bigint, text, text, text, text, text, interval, integer, double precision, regclass, boolean, text) IS
    'Has a partitioned table kept from now on: partitions are made ahead and, where a retention is given, old ones go. Called again it changes how; a new width begins where the newest partition ends, so that there is neither a hole nor an overlap. Partitions that are there stay as they are, whatever their names and widths. Changes nothing but dbm.partition_set: the first pass is SELECT * FROM dbm.partition_maintain(...). Returns one line that says what is kept and what is due.
every: hour, day, week, month, quarter, year, 15 minutes, 1000000 for a key that counts; watched: only looked at, for what cannot be extended (by list or hash, several columns, expressions). premake: how many partitions are made ahead. retention: 90 days; retention_number: how far behind the greatest number. retention_action: drop, keep or archive (into archive_schema); drop_delay: how long a detached partition is kept before it is dropped. time_zone: on whose clock days begin; null: as before, else as the boundaries lie, else the session''s. origin: a boundary. epoch: seconds, milliseconds, microseconds or nanoseconds since 1970 that an integer counts. on_missing: default or error; null: as before, else default where there is a default partition. max_create, max_retire: guards of one pass. template: a table that has what is not inherited. name_style: house or partman; null: as before, else as the newest partition is named.
For the table''s owner and its members; not granted to anybody: GRANT EXECUTE ON FUNCTION dbm.partition_manage TO somebody. Raises 42809 for what is not partitioned, 0A000 for what cannot be extended, 22023 for what does not fit, 42501 for another''s table.';

COMMENT ON FUNCTION dbm.partition_unmanage(regclass) IS
    'Gives a set up: upkeep leaves it alone, its partitions stay. False where it was not kept. What was detached and waits to be dropped stays too. For the table''s owner and its members, and for a table that is dropped anybody who may call it; not granted to anybody.';

COMMENT ON FUNCTION dbm.partition_status(regclass) IS
    'How the sets that are kept stand, the most urgent first; of one partitioned table also when nobody keeps it. Judged by the catalogs, the policy and the clock alone, so that it tells of a dead worker too; takes no lock that others wait for, works on a standby, writes nothing.
first_bound, last_bound: where its ranges begin and end. ahead: how long there is a partition for every row of now; null for keys that count and where the last goes up to MAXVALUE. ahead_partitions: how many come after that of now without a hole. default_rows: in the default partition, as ANALYZE counted; exact where the caller may read it and it is small. oldest: the oldest partition. next_due: when something is to be done. last_run, last_result, failures: of upkeep. gaps: holes between ranges. overdue: partitions older than the retention. problem: what is wrong, the worst first; null: nothing.
Granted to pg_monitor. Raises 42809 for what is not partitioned.';

COMMENT ON FUNCTION dbm.partition_adopt(text, regclass) IS
    'Keeps from now on what pg_partman (4.7 and 5) keeps in this database, or one table of it: width, premake, retention, epoch, template, and names that go on as they are. Changes nothing of pg_partman; result says how to switch its upkeep off, what is otherwise with us, or why a set was not taken over.
Each table for its owner and its members, who need to read part_config; not granted to anybody. Raises 55000 where pg_partman is not in this database.';
COMMENT ON FUNCTION dbm.schedule(text, interval) IS
    'Has a job run every so often, from the start of one run to that of the next, give or take an eighth; without an interval once. Returns when it runs first: at once where it never ran. A schedule that there was is replaced.
The jobs: upkeep keeps the partition sets, as dbm.partition_maintain(); it is run every hour unless it is scheduled otherwise. audit stores dbm.score() in dbm.score_history. plan 7, or any number, applies that plan as dbm.apply() does, for its creator and who has its rights.
Run by the worker, see dbm.worker_status(), with the rights of the sets'' owners and of the plan''s creator; none runs twice at once, and one that is late runs once. After a failure it is tried again in 1, 2, 4 … 60 minutes, one run only not at all. dbm.jobs() and dbm.job_run show what became of it. Not granted to anybody. Raises 22023 for a job or an interval that there cannot be, 42704 where there is no such plan, and 42501 for another''s.';

COMMENT ON FUNCTION dbm.unschedule(text) IS
    'Has a job run no more; one at work comes to its end. False where it was not scheduled. upkeep is off then until it is scheduled again. Not granted to anybody. Raises 22023 for a job that there cannot be, and 42501 for another''s plan.';

COMMENT ON FUNCTION dbm.jobs() IS
    'Every job of this database, by name.
every: null for one run only. next_run: null where it is off or over; in the past where it is due and waits for a worker. last_outcome: running, done, failed or crashed; message: what that run said. failures: how many runs in a row failed.';

COMMENT ON FUNCTION dbm.worker_start() IS
    'Where dbmastery is not in shared_preload_libraries, starts a worker for this database, which stays until dbm.worker_stop() or the end of the server, and holds no connection to the database while nothing is due. Where there is one, has it look into this database at once. Returns the launcher''s process. Not granted to anybody. Raises 25006 on a standby, and 53400 where max_worker_processes leaves none.';

COMMENT ON FUNCTION dbm.worker_stop() IS
    'Ends the worker that dbm.worker_start() started, and what it is at; false where there is none. Not granted to anybody. Raises 55000 where dbmastery is preloaded.';

COMMENT ON FUNCTION dbm.worker_status() IS
    'Who runs jobs: the launcher, then each database that it looks after, by name. Also on a standby and where nothing is preloaded.
state of the launcher: running, not running, not started (problem says how), or standby. Of a database: working (activity: what), idle, waiting (for a worker), no extension, or failed (its worker ended without an answer). last_run: when a worker last looked, or the last job of this database began; next_due: when the next job is due.';

COMMENT ON FUNCTION dbm.partition_maintain(regclass, timestamp with time zone, boolean) IS
    'Keeps the partitions of one table, or of all under upkeep that the caller may act for (null): makes those ahead and those missing in between, drains the default partition, retires what is older than retention, ends a DETACH CONCURRENTLY that was left half done. One row for each thing that it did or would not do; none where nothing was due.
at: the time taken for now. dry_run: says what is due and which locks it would take, and does nothing; works on a standby, too.
action: create, drain, retire, drop, archive, finalize, drop constraint (which a run left that was cut off); upkeep and policy where a set was not kept at all. status: done; skipped (somebody holds a lock, who and for how long is in detail: the next run tries again); failed (detail says why; other sets go on); stopped (a guard of the policy, max_create or max_retire, was hit); due (not done by this run).
Each action is a transaction of its own in a background worker, with the rights of the table''s owner, and waits at most dbm.upkeep_lock_timeout for its locks, nor is a table with a foreign key to the partition that goes searched for longer; a new partition is made beside and attached, one that goes is detached concurrently unless there is a default partition. Everything is written to dbm.upkeep_log, which keeps dbm.upkeep_log_retention days. Where no worker is to be had, it does in its own transaction what can be done there. The worker ends with the call.
Raises 55000 for a table that is not under upkeep or was put under it in the same transaction, 42501 for another''s, 25006 on a standby. Not granted to anybody: GRANT EXECUTE ON FUNCTION dbm.partition_maintain(regclass, timestamp with time zone, boolean) TO somebody.';
COMMENT ON FUNCTION dbm.partition_convert_plan(regclass, text, text, text, integer, interval, text, text[]) IS
    'Makes a plan by which a table in use becomes partitioned by ranges of key, every so wide, without ever stopping its readers and writers for longer than a moment. Returns the plan''s number, for dbm.plan_steps(), CALL dbm.apply() and CALL dbm.undo(). Changes nothing itself.
method attach: the table as it is becomes the first partition, which takes all before the boundary after the next; no row is copied, and the way back is open as long as that partition is there. method copy: its rows are copied into as many partitions as they need while others write, compared, and exchanged with the table under one short lock; the old table is kept, and the way back open with all that is written, until somebody confirms that it may go. auto is attach, and copy where rows are older than retention already, which one partition of all could not let go.
Either keeps keys, identity and sequences, defaults, generated columns, indexes, statistics, triggers, policies, privileges, owner, comments, publications and replica identity, and makes views, SQL functions, rules and policies that read it again in place.
premake: partitions made ahead, and kept ahead by upkeep. retention: what is older goes; with copy, once the old table is dropped. time_zone: in which days and months begin, that of the session if null.
accept: what has to be named because it promises less afterwards: primary_key, unique (they gain the key), foreign_keys (those of other tables gain a column, which a trigger fills). Whatever is not accepted is listed in an error of SQLSTATE 55000.
Raises 0A000 for what cannot be converted and why, 42501 without the owner''s rights. Not granted to anybody: GRANT EXECUTE ON FUNCTION dbm.partition_convert_plan TO somebody.';

COMMENT ON FUNCTION dbm.install_audit_trigger(regclass, text[], text[], text, text, text[], boolean) IS
    'Has every INSERT, UPDATE, DELETE and TRUNCATE of a table written to the log of the audit trail (schema dbm_trail) from now on, whoever makes it. Called again, it changes how. Returns what was done.
columns: those that alone are logged; exclude: those that are not; redact: those of which a hash is logged, equal for equal values. An UPDATE that changes nothing that is logged is not logged. Null: as it was said last, also when the table was not watched meanwhile, or was a partition of another, which the result tells; an empty array takes it back.
mode: statement (once for a statement, fast), row (once for a row), auto: statement, but row for partitioned tables, partitions, inheritance, tables of subscriptions and tables with row triggers of others; kept right as that changes.
store: diff (of an UPDATE the columns that changed, before and after) or full (whole rows). query: the text of the client''s query, too.
The first call makes the log, which is no part of the extension: DROP EXTENSION dbmastery CASCADE takes the triggers away and leaves it. Its owner alone may read and write it. Only for the owner of the table; not granted to anybody. Raises 42501 for another''s table, 42703 for a column that is not there, 0A000 where statements would miss changes, 55P03 where the table''s lock is not to be had within lock_timeout, or dbm.apply_lock_timeout where that is 0.';

COMMENT ON FUNCTION dbm.remove_audit_trigger(regclass) IS
    'Takes a table out of the audit trail; its history stays. False where it was not watched. In a schema that is watched as a whole, too, it is not watched until somebody installs it again. Only for the owner of the table; not granted to anybody.';

COMMENT ON FUNCTION dbm.install_audit_triggers(text[], boolean) IS
    'Puts all tables of schemas under the audit trail, in mode auto, and with include_new those to come, as they are made, moved there or detached; include_new => false: those to come no more. What is watched stays as it is; tables of extensions are left out. One row for each table that was not watched.
For the owner of the schemas; not granted to anybody. Raises 3F000 for a schema that is not there, 42501 for another''s.';

COMMENT ON FUNCTION dbm.audit_triggers() IS
    'The tables under the audit trail, by name: how they were asked to be watched (mode), by what they are (level), what is logged, since when.
problem: what is wrong, e.g. a trigger that is gone, switched off or replaced, or a table (level none) of a schema that is watched as a whole which is not; null: nothing. Granted to pg_monitor.';

COMMENT ON FUNCTION dbm.set_context(text, text) IS
    'Says something of who acts, e.g. dbm.set_context(''user'', ''mira''), for the rest of the transaction: the audit trail writes it beside each change. Null takes it back; ROLLBACK TO undoes it. Since it ends with the transaction, it is safe behind a pooler. No setting can put it there. Not granted to anybody: GRANT EXECUTE ON FUNCTION dbm.set_context(text, text) TO the role of the application. Raises 54000 above 8 kB.';

COMMENT ON FUNCTION dbm.context() IS
    'What dbm.set_context() said in this transaction. Not granted to anybody but by GRANT.';

COMMENT ON FUNCTION dbm.changes(regclass, timestamp with time zone, timestamp with time zone, text, bigint) IS
    'What was changed in tables under the audit trail, the last change first: of one table or of all (null), from since on and before until, by one actor, at most max_rows.
actor: who had logged in, which nobody can say of himself; context: what dbm.set_context() said. table_name: as it is called now. key: that of before the change. old, new: what changed, or whole rows where store is full; a column that is absent did not change or is not logged. statement_no grows within its transaction, with gaps.
The caller sees the changes of tables that he may SELECT, of columns that he may SELECT, and nothing of tables whose row-level security binds him; the owner of the log sees all. Works on standbys. Granted to pg_monitor. Raises 55000 where there is no audit log.';

COMMENT ON FUNCTION dbm.row_history(regclass, jsonb) IS
    'What became of one row, the first change first, by its key, e.g. ''{"id": 7}''; of a table without a key, by any of its columns. While the row had another key is told as well, also one of other columns; a WARNING says where it cannot be. By a key of columns that the table had, all rows that ever had it. Columns as those of dbm.changes(), and the same rights.
Of a table whose partitions have keys of their own the key may name the partition: ''{"tableoid": "public.orders_2026", "id": 7}''. Raises 22023 for what is no key of the table, and where several partitions have a row of that key; 42501 for a table or a key that the caller may not SELECT, 55000 where the table is not in the audit log. Granted to pg_monitor.';

COMMENT ON FUNCTION dbm.as_of(regclass, timestamp with time zone) IS
    'The rows of a table as they were at a moment, by the names that its columns had then; columns that are not logged are left out. Found by taking back what was changed since, so that rows that were there before it was watched are told as well; only where TRUNCATE bars that way, by making again what the log has, and then a NOTICE or WARNING says what is not known. A WARNING also where triggers were out of force or the table was not watched meanwhile, or rows came or went with partitions.
A change counts from the moment when it was made, not when its transaction committed. For who may SELECT the table; columns that the caller may not SELECT are left out. Works on standbys. Granted to pg_monitor. Raises 55000 for a moment at which the table was not watched, and where its rows were told apart by columns that are gone; 0A000 where partitions have keys of their own and rows were moved out of one of them since.';

COMMENT ON FUNCTION dbm.rows_as_of(anyelement, timestamp with time zone) IS
    'As dbm.as_of(), as rows of the table as it is now: SELECT * FROM dbm.rows_as_of(NULL::public.orders, now() - interval ''1 hour''). Columns are followed through renames; those that came since, that are not logged or that the caller may not SELECT are NULL. Granted to pg_monitor.';

COMMENT ON FUNCTION dbm.revert_plan(bigint) IS
    'A plan that takes back what a transaction changed in tables under the audit trail, all or nothing; returns its number, for dbm.plan_steps() and CALL dbm.apply(). The last change goes first, and each only where the row still is what it made of it. Triggers run as at any other change; columns to which BEFORE triggers of the tables give another value stay theirs, and a NOTICE names the triggers.
Raises 55000, and says which, where later changes would be lost, for TRUNCATE, and for changes that found rows by another key than that of now; 42501 where the caller may not SELECT all of the tables; 42704 for a transaction that is not in the log. Run with the rights of whoever made it. Not granted to anybody.';

COMMENT ON FUNCTION dbm.revert_plan(regclass, jsonb, timestamp with time zone) IS
    'A plan that makes one row, given by its key, what it was at a moment, by taking back what was changed of it since; returns its number. As dbm.revert_plan(bigint) otherwise. Raises 55000 where nothing changed since, or where the table was not watched then.';

COMMENT ON FUNCTION dbm.revert_plan(regclass, jsonb, jsonb, timestamp with time zone) IS
    'A plan that makes all rows with keys from from_key to to_key, both included, what they were at a moment, all or nothing: rows that have such a key, that had one at any time since, and that are gone. Keys are ordered as rows are compared, column by column in the order of the key, by the default order and the collation of each. Returns the plan''s number; as dbm.revert_plan(bigint) otherwise.
Raises 22023 for an empty range; 55000 where nothing changed since, where it takes more than 10,000 changes, after TRUNCATE, for a table without a key, and where the table was not watched then.';

COMMENT ON FUNCTION dbm.seal_audit_log() IS
    'Seals what transactions that are over have left in the log of the audit trail, and is seen by none that writes: the hash of each row, a Merkle root over them, and the digest of the seal before. One row for each seal; none where nothing is new. To be run on schedule: dbm.schedule(''seal'', ''15 minutes''). Not granted to anybody.
Digests are worth most outside: see dbm.audit_log_digests().';

COMMENT ON FUNCTION dbm.verify_audit_log(jsonb) IS
    'Looks at all of the log and its seals and returns what is not as it was sealed, row by row: altered, removed, added (where no transaction can have written it any more, or yet), seal altered, seal removed. No row: all is as it was; a NOTICE says how much that is, and how many rows no seal has yet. What went with old partitions counts as gone by right.
digests: what dbm.audit_log_digests() said earlier, as an object of digests by seal_id or an array of its rows. Without them, who can write the log can also make its seals anew, and nothing here tells.
Reads every row of the log. Works on standbys. Granted to pg_monitor. Raises 22023 for what are no digests.';

COMMENT ON FUNCTION dbm.audit_log_digests() IS
    'The digest of every seal, the first first. Kept where nobody who can write the log can write, the last of them proves all before it: dbm.verify_audit_log() takes them. Granted to pg_monitor.';
COMMENT ON FUNCTION dbm.current_tenant(anyelement) IS
    'The same as a value of the type that the argument has, null as it may be: dbm.current_tenant(NULL::bigint). What policies of dbm.tenancy_plan() compare the column with, since it is made a value once and not for each row. Raises what the type raises, where the tenant is no value of it. Granted to everybody, as dbm.current_tenant() is.';

COMMENT ON FUNCTION dbm.set_tenant(text, boolean) IS
    'Says whose rows this transaction may see and write, where policies stand on dbm.current_tenant(); null for nobody''s. Until the transaction ends, so that it is safe behind poolers of transactions; with is_local false for the rest of the session.
Whoever may call it can be any tenant: grant it to the role as which the application connects, and to no other. A transaction has one tenant: another one raises 55000, but for superusers, once one was set in the transaction or rows were asked for by one that the session had. Not granted to anybody: GRANT EXECUTE ON FUNCTION dbm.set_tenant TO somebody.';

COMMENT ON FUNCTION dbm.current_tenant() IS
    'Whose rows this transaction may see; null for nobody''s, so that a policy of column = dbm.current_tenant() lets nothing through. Parallel workers see it too. What somebody has put into a setting of that name, before the library was loaded or after, does not count. Granted to everybody, since policies and defaults call it in everybody''s statements.';

COMMENT ON FUNCTION dbm.tenancy_plan(regclass[], text, text, jsonb, regclass, text[]) IS
    'Makes a plan by which tables in use are divided between tenants: the column, filled with each row that is written and then in all others, NOT NULL, keys and foreign keys that hold it, so that no row can point into another tenant, indexes, and in the end a restrictive policy that is forced upon the owner too. Returns the plan''s number, for dbm.plan_steps(), CALL dbm.apply() and CALL dbm.undo(). Changes nothing itself. The plan waits once, for an application that calls dbm.set_tenant(); its last step is dbm.tenant_leak_test().
tenant_type: the type of the column, where neither one of the tables nor the key of tenants has it. source: whose the rows are that are there, by table: an expression over its columns, or {"via": "a foreign key"}; without it the column itself, or the first foreign key to another of the tables that every row has. tenants: the table of tenants, to whose primary key the column points.
accept: what has to be named because it changes what is promised: primary_key, unique, foreign_keys (they gain the column), views (they use the rights of whoever asks), materialized_views (closed to all but their owner), functions (those that run with rights to which no policy applies stay). Whatever is not accepted is listed in an error of SQLSTATE 55000.
Raises 55000 where nobody knows whose the rows are, 0A000 for what there is no way for, 42501 without the owners'' rights. Not granted to anybody: GRANT EXECUTE ON FUNCTION dbm.tenancy_plan TO somebody.';

COMMENT ON FUNCTION dbm.tenant_leak_test(regclass[], text, text[]) IS
    'Whether a tenant can see, touch or guess what belongs to another: of these tables, or of all that have the column (null). Tried with the rights of these roles, or of all that were granted something on the table (null), and with rows of two tenants, made up where there are none, in a subtransaction of which nothing stays. One row for each table and check, the worst first.
check_name: policy, force, role, context, no_context, read, insert, update, delete, move, on_conflict, merge, row_security_off, copy, truncate, privileges, partition, unique, foreign_key, view, materialized_view, function, publication, not_null. status: leak; weak (nothing comes through, but one more grant or policy would let it); unknown (it could not be tried, detail says why); ok.
For superusers, and for owners who are members of the roles; triggers of the table fire with the rights of those roles and the search_path of their sessions. Not granted to anybody: GRANT EXECUTE ON FUNCTION dbm.tenant_leak_test TO somebody.';

COMMENT ON FUNCTION dbm.row_versioning_plan(regclass, text, text) IS
    'Makes a plan by which the versions of a table''s rows are numbered: a column that grows by one with each change, one that says when that was, and the trigger dbm.row_version(). Null for a column that is not wanted; one that is there is used if its type fits. Returns the plan''s number, for dbm.plan_steps(), CALL dbm.apply() and CALL dbm.undo(). No row is written by it.
An UPDATE that sets the version to the one that was read is refused with SQLSTATE 40001 where the row has another by now: no update is lost. One that does not mention the version is not.
Raises 0A000 for what there is no way for, 42501 without the owner''s rights. Not granted to anybody: GRANT EXECUTE ON FUNCTION dbm.row_versioning_plan TO somebody.';

COMMENT ON FUNCTION dbm.soft_delete_plan(regclass, text, text, text[]) IS
    'Makes a plan by which deleted rows of a table stay: a column that says since when, an index of those rows, a view of all others (live_ and the table''s name, unless view_name says another) in which DELETE marks a row, and unique keys that ignore deleted rows, so that their values can be used again; the primary key stays. Returns the plan''s number, for dbm.plan_steps(), CALL dbm.apply() and CALL dbm.undo().
accept: unique, where unique keys become partial: ON CONFLICT then needs their WHERE, and no foreign key can point to them.
Raises 55000 for what has to be accepted, 0A000 for what there is no way for, 42501 without the owner''s rights. Not granted to anybody: GRANT EXECUTE ON FUNCTION dbm.soft_delete_plan TO somebody.';
COMMENT ON FUNCTION dbm.access_review(text) IS
    'Everything that a role may do in this database, by kind of object, object and privilege; one row for each path by which a right came, since taking one away leaves the others.
path: owner; granted by whom; granted to PUBLIC, or PUBLIC by default (what every object of the kind is born with); lo_compat_privileges is on (of large objects, for which the server then asks for no right); member of which role, and that one''s path; superuser. needs_set_role: the right is another role''s, and the role has it once it says SET ROLE, or once it grants itself that role, as ADMIN OPTION lets it (until 15 also CREATEROLE, for every role that is no superuser; of the many ways to a privilege one is shown then). A path that ends in (needs USAGE on schema …) is of no use until somebody grants that: no statement of the role finds the object by its name.
First come the role''s attributes, the roles that it is in or becomes, and those that it grants to whom it likes (ADMIN OPTION). Of a superuser they are all there is to say: everything, *. What everybody may do with the server''s own functions, types and catalogs is left out, and so is the type of a table''s rows as it was made.
What the server answers to has_table_privilege() and its like, this shows with its reasons. Raises 42704 for a role that does not exist, 22004 for null.';

COMMENT ON FUNCTION dbm.who_can(text, text) IS
    'Every role that has a privilege on an object, superusers among them, by privilege and role; one row for each path by which it came, as in dbm.access_review().
target: a table, view or sequence by name, or with its kind before it: ''schema shop'', ''column shop.orders.total'', ''function shop.f(integer)'', ''type'', ''language'', ''database'', ''foreign server'', ''foreign data wrapper'', ''tablespace'', ''parameter log_statement'', ''large object 16401''. privilege: one or several divided by commas, all of them if null. Of a column, what the whole table grants counts too; of a table, who has a privilege on some of its columns is told as well, with these before the path: on columns id, email. An array''s privileges are those of its elements.
Policies are not looked at: who may SELECT a table may still see none of its rows. Raises 42704 for an object that does not exist, 42725 for a function''s name that several have, 22023 for a privilege that the kind has not, 22004 where target is null.';

COMMENT ON FUNCTION dbm.role_plan(text, text, text[], boolean, text, boolean) IS
    'Makes a plan for a new role with the least privileges for what it does. Returns the plan''s number, for dbm.plan_steps(), CALL dbm.apply() and CALL dbm.undo(). Changes nothing itself.
kind: application (reads and writes rows of tables, reads views, draws from sequences; no TRUNCATE, REFERENCES or TRIGGER), read_only (reads, with timeouts and read-only transactions against mistakes), migrator (acts as the role that owns, from the first statement of each session, with a lock_timeout), monitor (pg_monitor and schema dbm; no row).
schemas: where; all that are the users'' own if null. logs_in: false makes a role to be granted to logins. owner, for a migrator: the role that owns; if null, the one that owns everything there already and does not log in, else a new one.
later: whether an application or a reader is granted what is made later too, by default privileges: of the owners of these schemas and their tables, and of roles that were granted CREATE there. Default privileges know tables, views and partitions as one kind: an application may write into a view that is made later, and reach a partition past its parent''s policies. The plan says so in requires, with what is not granted; false grants none of it.
The plan gives no password. Raises 42710 where the role exists, 3F000 for a schema that does not, 22023 for an unknown kind or no schema at all, 22004 for null. Not granted to anybody: GRANT EXECUTE ON FUNCTION dbm.role_plan TO somebody.';
