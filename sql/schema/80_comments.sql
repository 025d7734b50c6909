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
