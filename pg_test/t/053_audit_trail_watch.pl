# The watching itself: whoever takes a trigger away or out of force leaves a trace, tables stay known through restores and
# renames and no other passes for them, partitions bring and take rows that no change tells.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('watch');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'keeper', '--create-role', 'other', '--create-role', 'plain' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off");
$node->start;

sub sql { return $node->safe_psql('postgres', @_) }

# What is said meanwhile.
sub said
{
	my ($statements, $role, $database) = @_;
	my ($code, $out, $error) = $node->psql($database // 'postgres', "\\set VERBOSITY default\n$statements", extra_params => $role ? [ '-U', $role ] : []);
	return $error;
}

# Of that, what stops a statement, or is of the trail; the guard of DDL says more.
sub trouble
{
	return join '', grep { /ERROR|FATAL|audit/ } split /^/, said(@_);
}

my $seen = 0;
sub events
{
	my $rows = sql("SELECT string_agg(kind, ' ' ORDER BY event_id) FROM dbm_trail.event WHERE event_id > $seen");
	$seen = sql('SELECT coalesce(max(event_id), 0) FROM dbm_trail.event');
	return $rows;
}

sql(<<'SQL');
CREATE ROLE keeper LOGIN; CREATE ROLE other LOGIN;
CREATE EXTENSION dbmastery;
GRANT USAGE ON SCHEMA dbm TO keeper, other;
GRANT EXECUTE ON FUNCTION dbm.install_audit_trigger(regclass, text[], text[], text, text, text[], boolean) TO keeper, other;
GRANT CREATE ON SCHEMA public TO keeper, other;
SET ROLE keeper;
CREATE TABLE paper (id int PRIMARY KEY, v int);
INSERT INTO paper VALUES (1, 0);
SELECT dbm.install_audit_trigger('paper');
SQL
my $since = sql('SELECT since FROM dbm.audit_triggers()');
is(events(), 'installed', 'installed');

# --- Triggers that go

my $before = sql('SELECT clock_timestamp()');
my $error = said(q{BEGIN; DROP TRIGGER "00_dbm_audit_update" ON paper; UPDATE paper SET v = 1; SELECT dbm.install_audit_trigger('paper'); COMMIT}, 'keeper');
like($error, qr/WARNING:  audit trigger 00_dbm_audit_update on public\.paper: dropped\nDETAIL:  Changes are not logged any more; this is\.\nHINT:  SELECT dbm\.install_audit_trigger\('public\.paper'\)/, 'a trigger that is dropped and made again in one transaction: it is said');
is(events(), 'dropped installed', 'and written down');
is(sql('SELECT since FROM dbm.audit_triggers()'), $since, 'installed again a table is watched since it was first');
$error = said("SELECT count(*) FROM dbm.as_of('paper', '$before')");
like($error, qr/WARNING:  not all that was done to public\.paper is in the audit log\nDETAIL:  its triggers were out of force from 2.* to 2.*\./, 'as it was is told with that doubt');
like(said(q{SELECT count(*) FROM dbm.row_history('paper', '{"id": 1}')}), qr/not all that was done to public\.paper/, 'and a history');
is(said("SELECT count(*) FROM dbm.as_of('paper', clock_timestamp())"), '', 'and what came later without');

$error = said(q{BEGIN; ALTER TABLE paper DISABLE TRIGGER "00_dbm_audit_update"; UPDATE paper SET v = 2; ALTER TABLE paper ENABLE ALWAYS TRIGGER "00_dbm_audit_update"; COMMIT}, 'keeper');
like($error, qr/WARNING:  audit trigger 00_dbm_audit_update on public\.paper: disabled/, 'a trigger that is off for a moment');
is(events(), 'disabled enabled', 'is written down, and that it is on again');
like(said(q{ALTER TABLE paper ENABLE TRIGGER "00_dbm_audit_insert"}, 'keeper'), qr/00_dbm_audit_insert on public\.paper: not for replication/, 'one that is on for some alone');
sql(q{ALTER TABLE paper ENABLE ALWAYS TRIGGER "00_dbm_audit_insert"});
is(events(), 'disabled enabled', 'likewise');

$error = said(q{BEGIN; ALTER TRIGGER "00_dbm_audit_delete" ON paper DEPENDS ON EXTENSION plpgsql; COMMIT}, 'keeper');
like($error, qr/00_dbm_audit_delete on public\.paper: not as it was made/, 'one that is to go with an extension');
like(said('DROP EXTENSION plpgsql'), qr/00_dbm_audit_delete on public\.paper: dropped/, 'and goes with it');
sql(q{CREATE EXTENSION plpgsql; SELECT dbm.install_audit_trigger('paper')});
is(events(), 'disabled dropped installed', 'are written down');

sql('CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$');
$error = said(q{CREATE OR REPLACE TRIGGER "00_dbm_audit_update" AFTER UPDATE ON paper FOR EACH STATEMENT EXECUTE FUNCTION nothing()}, 'keeper');
like($error, qr/00_dbm_audit_update on public\.paper: dropped/, 'one that another takes the place of');
sql(q{SELECT dbm.install_audit_trigger('paper')});
$error = said(q{CREATE OR REPLACE TRIGGER "00_dbm_audit_delete" AFTER DELETE ON paper REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION dbm.write_audit_trail();});
like($error, qr/00_dbm_audit_delete on public\.paper: not /, 'one that is never called');
sql(q{SELECT dbm.install_audit_trigger('paper')});
$error = said(q{ALTER TRIGGER "00_dbm_audit_insert" ON paper RENAME TO quiet}, 'keeper');
like($error, qr/00_dbm_audit_insert on public\.paper: dropped/, 'one that gets another name');
sql(q{SELECT dbm.install_audit_trigger('paper')});
is(sql('SELECT count(*), count(problem) FROM dbm.audit_triggers()'), '1|0', 'installed again nothing is wrong');
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'paper'::regclass}), 4, 'and nothing else is left');
events();

# --- Schemas that are watched as a whole

sql(q{CREATE SCHEMA shop AUTHORIZATION keeper; SET ROLE keeper; CREATE TABLE shop.a (id int PRIMARY KEY, v int); RESET ROLE; SELECT count(*) FROM dbm.install_audit_triggers('{shop}')});
events();
my $last = sql('SELECT coalesce(max(change_id), 0) FROM dbm_trail.change');
$error = said(q{BEGIN; DROP TRIGGER "00_dbm_audit_insert" ON shop.a; INSERT INTO shop.a VALUES (1, 1); ALTER TABLE shop.a DISABLE TRIGGER USER; INSERT INTO shop.a VALUES (2, 2); COMMIT}, 'keeper');
like($error, qr/00_dbm_audit_insert on shop\.a: dropped; put back\nDETAIL:  The schema is watched as a whole.*00_dbm_audit_insert on shop\.a: disabled; put back/s, 'there triggers are put back at once');
is(sql("SELECT count(*) FROM dbm_trail.change WHERE change_id > $last"), 2, 'and miss nothing');
like(events(), qr/^restored( restored)+$/, 'which is written down');
is(said("SELECT count(*) FROM dbm.as_of('shop.a', clock_timestamp() - interval '1 second')") =~ /not all/ ? 1 : 0, 0, 'and leaves no doubt');
is(sql('SELECT count(*), count(problem) FROM dbm.audit_triggers()'), '2|0', 'nothing is wrong');

# Event triggers that are not in force, whatever they are called.
sql('ALTER EVENT TRIGGER dbmastery_audit_trail_drop DISABLE; ALTER EVENT TRIGGER dbmastery_audit_trail ENABLE; ALTER EVENT TRIGGER dbmastery_audit_trail RENAME TO "my own"');
my $mend = 'ALTER EVENT TRIGGER "my own" ENABLE ALWAYS; ALTER EVENT TRIGGER dbmastery_audit_trail_drop ENABLE ALWAYS';
is(sql('SELECT count(*), min(problem), max(problem) FROM dbm.audit_triggers()'), join('|', 2, ("changes of the schema are not seen: $mend") x 2), 'event triggers out of force are a problem of all tables');
sql($mend);
is(sql('SELECT count(*), count(problem) FROM dbm.audit_triggers()'), '2|0', 'in force again nothing is wrong');
sql('ALTER EVENT TRIGGER "my own" RENAME TO dbmastery_audit_trail');

# What is no table.
sql('CREATE VIEW glass AS SELECT 1 AS id');
for my $reader (q{changes('glass')}, q{row_history('glass', '{"id": 1}')}, q{as_of('glass', now())}, q{rows_as_of(NULL::glass, now())}, q{revert_plan('glass', '{"id": 1}', now())})
{
	like(said("SELECT * FROM dbm.$reader"), qr/ERROR: .*(public\.glass is not a table|is no row of a table)/, "dbm.$reader of a view");
}
sql('DROP VIEW glass');

sql('ALTER SCHEMA shop RENAME TO store; CREATE TABLE store.b (id int PRIMARY KEY)');
is(sql("SELECT string_agg(table_name, ' ') FROM dbm.audit_triggers()"), 'public.paper store.a store.b', 'a schema that gets another name stays watched');
is(sql('SELECT schema_name FROM dbm.audit_schema'), 'store', 'by that');
is(sql('SELECT string_agg(schema_name || $$.$$ || table_name, $$ $$ ORDER BY relation_id) FROM dbm_trail.relation'), 'public.paper store.a store.b', 'and its tables are known by it');
sql('DROP SCHEMA store CASCADE; CREATE SCHEMA store; CREATE TABLE store.c (id int)');
is(sql('SELECT count(*) FROM dbm.audit_triggers()'), 1, 'another that is called as it was is another');

# --- Partitions

sql(<<'SQL');
CREATE TABLE part (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_2 (LIKE part INCLUDING ALL);
CREATE TABLE part_3 (LIKE part INCLUDING ALL);
INSERT INTO part VALUES (1, 1, 'a');
SELECT dbm.install_audit_trigger('part_1', mode => 'row');
SELECT dbm.install_audit_trigger('part');
SELECT dbm.install_audit_trigger('part_2', mode => 'row');
INSERT INTO part_2 VALUES (2, 12, 'b');
INSERT INTO part_1 VALUES (3, 3, 'c');
SQL
is(sql(q{SELECT string_agg(table_name || coalesce(problem, ''), ' ') FROM dbm.audit_triggers()}), 'public.paper public.part public.part_2', 'a partition that was watched on its own is part of the whole');
my $without = sql('SELECT clock_timestamp()');
is(said('ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES FROM (10) TO (20)'), '', 'a table with row triggers of its own becomes a partition');
sql('ALTER TABLE part ATTACH PARTITION part_3 FOR VALUES FROM (20) TO (30)');
is(sql(q{SELECT string_agg(table_name || coalesce(problem, ''), ' ') FROM dbm.audit_triggers()}), 'public.paper public.part', 'and is watched by its parent alone');
$last = sql('SELECT max(change_id) FROM dbm_trail.change');
sql(q{UPDATE part SET v = v || 1; INSERT INTO part_2 VALUES (4, 14, 'd')});
is(sql("SELECT count(*), count(DISTINCT relation_id) FROM dbm_trail.change JOIN dbm_trail.shape USING (shape_id) WHERE change_id > $last"), '4|1', 'each change is there once');
is(sql("SELECT string_agg(kind || ' ' || detail, ', ' ORDER BY event_id) FROM dbm_trail.event WHERE kind IN ('attached', 'detached')"), 'attached public.part_2', 'that rows came is written down, and of none none');
$error = said("SELECT count(*) FROM dbm.as_of('part', '$without')");
like($error, qr/WARNING:  not all that was done to public\.part is in the audit log\nDETAIL:  rows came with partition public\.part_2 at 2.*, which no change tells\./, 'and said where it matters');
my $with = sql('SELECT clock_timestamp()');
is(said("SELECT count(*) FROM dbm.as_of('part', '$with')"), '', 'and not later');
sql('ALTER TABLE part DETACH PARTITION part_2');
like(said("SELECT count(*) FROM dbm.as_of('part', '$with')"), qr/rows went with partition public\.part_2 at /, 'those that went');
is(said('TRUNCATE part_2'), '', 'what was detached is free');
sql('DROP TABLE part_2; DROP TABLE part_1');
like(said("SELECT count(*) FROM dbm.as_of('part', '$with')"), qr/rows went with partition public\.part_2 at [^;]*; rows went with partition public\.part_1, dropped at /, 'and those that were dropped');
sql('DROP TRIGGER "00_dbm_audit_truncate" ON part_3');
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'part_3'::regclass AND tgname = '00_dbm_audit_truncate'}), 1, 'the trigger of a partition is put back');

# --- Whoever has no right on the extension's schema

sql('CREATE ROLE plain LOGIN; GRANT CREATE ON SCHEMA public TO plain; GRANT USAGE ON SCHEMA dbm TO plain; GRANT EXECUTE ON FUNCTION dbm.install_audit_trigger(regclass, text[], text[], text, text, text[], boolean) TO plain');
is(trouble(<<'SQL', 'plain'), '', 'somebody watches his tables');
CREATE TABLE p_watched (id int, k int) PARTITION BY RANGE (k);
CREATE TABLE p_way (id int, k int);
SELECT dbm.install_audit_trigger('p_watched'), dbm.install_audit_trigger('p_way', mode => 'row');
INSERT INTO p_way VALUES (1, 1);
SQL
# The server asks who attaches for the right to call the function of the triggers that a partition takes over.
is(sql(q{SELECT has_function_privilege('plain', 'dbm.write_audit_trail()', 'EXECUTE')}), 'f', 'who made no partition may not call the function');
sql('REVOKE USAGE ON SCHEMA dbm FROM plain; REVOKE EXECUTE ON FUNCTION dbm.install_audit_trigger(regclass, text[], text[], text, text, text[], boolean) FROM plain');
events();
is(trouble(<<'SQL', 'plain'), '', 'who has no right on the schema of the extension makes, attaches, detaches and drops partitions');
ALTER TABLE p_watched ATTACH PARTITION p_way FOR VALUES FROM (0) TO (10);
ALTER TABLE p_watched DETACH PARTITION p_way;
CREATE TABLE p_other (id int, k int) PARTITION BY RANGE (k);
CREATE TABLE p_other_1 (id int, k int);
ALTER TABLE p_other ATTACH PARTITION p_other_1 FOR VALUES FROM (0) TO (10);
ALTER TABLE p_other DETACH PARTITION p_other_1;
ALTER TABLE p_other ADD COLUMN v text;
DROP TABLE p_other, p_other_1;
SQL
like(events(), qr/\battached\b.*\bdetached\b/, 'and what came and went is written down');
is(trouble(<<'SQL', 'plain'), '', 'the same without a table of his that is watched');
DROP TABLE p_watched, p_way;
CREATE TABLE p_free (id int, k int) PARTITION BY RANGE (k);
CREATE TABLE p_free_1 (id int, k int);
ALTER TABLE p_free ATTACH PARTITION p_free_1 FOR VALUES FROM (0) TO (10);
DROP TABLE p_free;
SQL
is(sql(q{SELECT has_function_privilege('plain', 'dbm.write_audit_trail()', 'EXECUTE')}), 't', 'who made one may');
sql('GRANT USAGE ON SCHEMA dbm TO plain; GRANT CREATE ON DATABASE postgres TO plain');
for my $trick ('CREATE TABLE trick (a int); CREATE TRIGGER x AFTER INSERT ON trick FOR EACH ROW EXECUTE FUNCTION dbm.write_audit_trail()',
	'CREATE TABLE trick (a int); CREATE CONSTRAINT TRIGGER x AFTER INSERT ON trick FOR EACH ROW EXECUTE FUNCTION dbm.write_audit_trail()',
	'CREATE SCHEMA trick CREATE TABLE t (a int) CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION dbm.write_audit_trail()')
{
	like(trouble("BEGIN; $trick; COMMIT", 'plain'), qr/ERROR:  permission denied to make trigger x\nDETAIL:  .*dbm\.install_audit_trigger\(\) alone/, "which lets him make no trigger: $trick");
}
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgname = 'x'}), 0, 'and there is none');
sql('REVOKE CREATE ON DATABASE postgres FROM plain; REVOKE USAGE ON SCHEMA dbm FROM plain');
sql(<<'SQL');
CREATE ROLE upkept; CREATE ROLE third LOGIN; CREATE ROLE fourth LOGIN; GRANT CREATE ON SCHEMA public TO upkept, third;
CREATE TABLE kept (at timestamptz NOT NULL) PARTITION BY RANGE (at); ALTER TABLE kept OWNER TO upkept;
CREATE TABLE own (k int) PARTITION BY RANGE (k); ALTER TABLE own OWNER TO third;
SELECT dbm.install_audit_trigger('kept'), dbm.install_audit_trigger('own'), dbm.partition_manage('kept', '1 day');
SQL
is(sql(q{SELECT string_agg(DISTINCT status, ' ') FROM dbm.partition_maintain('kept')}), 'done', 'upkeep makes partitions of a watched table for whoever owns it');
is(sql(q{SELECT count(*) > 3 AND bool_and(EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = i.inhrelid AND t.tgname = '00_dbm_audit_row')) FROM pg_inherits i WHERE i.inhparent = 'kept'::regclass}), 't', 'with their triggers');
like(trouble('CREATE TABLE own_0 PARTITION OF own FOR VALUES FROM (0) TO (10)', 'fourth'), qr/ERROR/, 'who owns nothing of it makes no partition');
is(sql(q{SELECT has_function_privilege('fourth', 'dbm.write_audit_trail()', 'EXECUTE')}), 'f', 'and gets no right');
is(trouble('CREATE TABLE own_1 PARTITION OF own FOR VALUES FROM (10) TO (20); INSERT INTO own VALUES (12)', 'third'), '', 'its owner does');
is(sql(q{SELECT count(*) FROM dbm.changes('own')}), 1, 'and what he writes is logged');
# What a schema is made with is nobody's statement by itself.
sql("CREATE TABLE alone (a int); SELECT dbm.install_audit_trigger('alone'); ALTER TABLE alone OWNER TO third; GRANT CREATE ON DATABASE postgres TO third");
is(trouble('CREATE SCHEMA of_third CREATE TABLE part PARTITION OF public.own FOR VALUES FROM (20) TO (30) CREATE TABLE heir () INHERITS (public.alone)', 'third'), '', 'made with a schema they are made');
is(sql(q{SELECT string_agg(tgname, ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'of_third.part'::regclass}), '00_dbm_audit_row 00_dbm_audit_truncate', 'a partition with its triggers');
is(trouble('INSERT INTO own VALUES (25); TRUNCATE of_third.part', 'third'), '', 'is written to and emptied');
is(sql(q{SELECT string_agg(operation, ' ' ORDER BY transaction_id) FROM dbm.changes('own') WHERE operation = 'TRUNCATE' OR new->>'k' = '25'}), 'INSERT TRUNCATE', 'which is logged');
is(sql(q{SELECT level, problem FROM dbm.audit_triggers() WHERE table_name = 'public.alone'}), 'row|', 'and who has an heir is watched row by row');
sql('CREATE TABLE fourths (k int) PARTITION BY RANGE (k); ALTER TABLE fourths OWNER TO fourth');
sql(q{SELECT dbm.install_audit_trigger('fourths')});
is(trouble('CREATE SCHEMA of_fourth AUTHORIZATION fourth CREATE TABLE part PARTITION OF public.fourths FOR VALUES FROM (0) TO (10)'), '', 'who owns the schema makes what is in it');
is(sql(q{SELECT string_agg(tgname, ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'of_fourth.part'::regclass}), '00_dbm_audit_row 00_dbm_audit_truncate', 'with their triggers, too');
sql('DROP TABLE kept, own, alone, fourths CASCADE; DROP OWNED BY upkept, third, fourth; DROP ROLE upkept, third, fourth');

# --- Tables that no event trigger saw

sql(q{CREATE SCHEMA unseen; SELECT dbm.install_audit_triggers('{unseen}')});
sql(q{ALTER EVENT TRIGGER dbmastery_audit_trail DISABLE; CREATE TABLE unseen."o'ne" (id int PRIMARY KEY); CREATE TABLE unseen.two (id int PRIMARY KEY); ALTER EVENT TRIGGER dbmastery_audit_trail ENABLE ALWAYS});
is(sql(q{SELECT table_name, level, problem FROM dbm.audit_triggers() WHERE table_name LIKE 'unseen%'}),
	join("\n", map { "$_->[0]|none|not watched, as its schema is: SELECT dbm.install_audit_trigger('$_->[1]')" } [ q{unseen."o'ne"}, q{unseen."o''ne"} ], [ 'unseen.two', 'unseen.two' ]), 'are listed');
sql(q{SELECT * FROM dbm.install_audit_triggers(ARRAY['unseen'])});
is(sql(q{SELECT string_agg(level || coalesce(problem, ''), ' ') FROM dbm.audit_triggers() WHERE table_name LIKE 'unseen%'}), 'statement statement', 'until they are watched');
is(sql(q{SELECT dbm.remove_audit_trigger('unseen.two'); SELECT count(*) FROM dbm.audit_triggers() WHERE table_name LIKE 'unseen%'}), "t\n1", 'and what was taken out is not');

# --- Whoever waits for a table has its writers wait

{
	my $writer = Session->new($node, 'postgres');
	$writer->must('BEGIN; INSERT INTO unseen.two VALUES (1)');
	my $short = "SET dbm.apply_lock_timeout = '50ms'";
	for my $call (q{dbm.install_audit_trigger('unseen.two')}, q{dbm.remove_audit_trigger('unseen.two')}, q{dbm.install_audit_triggers('{unseen}')})
	{
		like(said("$short; SELECT $call"), qr/ERROR:  canceling statement due to lock timeout/, "$call does not wait for ever");
	}
	like(said("SET dbm.apply_lock_timeout = '1h'; SET lock_timeout = '50ms'; SELECT dbm.install_audit_trigger('unseen.two')"), qr/ERROR:  canceling statement due to lock timeout/, 'nor longer than the session says');
	$writer->must('COMMIT');
	$writer->quit;
	is(said("$short; SELECT dbm.install_audit_trigger('unseen.two')"), '', 'and does its work where nobody is in the way');
}
sql('DROP SCHEMA unseen CASCADE');

# --- Serializable transactions: who read the log by an index and found nothing comes before who writes to it

sql("CREATE TABLE serial (id int PRIMARY KEY, v int); SELECT dbm.install_audit_trigger('serial'); CREATE TABLE beside (v int); INSERT INTO beside VALUES (0)");
# Rows in a range without a summary, as at the end of the log (the first range has one from the beginning), are not told to the index. The reader looks at few others, or
# it would lock the whole table.
my $leaf = "'dbm_trail.change_" . sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')") . "'::regclass";
my $pages = 0;
for (my $id = 10_000; $id < 60_000 && ($pages < 32 || $pages % 32 < 3 || $pages % 32 > 20); $id += 100)
{
	sql("INSERT INTO serial SELECT i, 0 FROM generate_series($id, $id + 99) AS i");
	$pages = sql("SELECT pg_relation_size($leaf) / 8192");
}
sql("SELECT brin_summarize_range(i.indexrelid, b) FROM pg_index i CROSS JOIN generate_series(0, pg_relation_size($leaf) / 8192 - 32, 32) AS b WHERE i.indrelid = $leaf");
{
	my ($reader, $writer) = map { Session->new($node, 'postgres') } 1, 2;
	$_->must('BEGIN ISOLATION LEVEL SERIALIZABLE') for $reader, $writer;
	$reader->must('SET LOCAL enable_seqscan = off');
	is($reader->must(q{SELECT count(*) FROM dbm_trail.change WHERE key_hash = jsonb_hash_extended('{"id": 4711}', 0)}), 0, 'a serializable reader finds no change of a row');
	is($writer->must('SELECT v FROM beside'), 0, 'another transaction reads what that is about to write');
	$writer->must('INSERT INTO serial VALUES (4711, 0)');
	my ($out, $error) = $reader->run('UPDATE beside SET v = 1');
	(undef, my $first) = $reader->run('COMMIT');
	(undef, my $second) = $writer->run('COMMIT');
	like("$error$first$second", qr/could not serialize access/, 'one of them would have to come before the other, and that before it: one is refused');
	$_->quit for $reader, $writer;
	sql('DROP TABLE serial, beside');
}

# --- What is elsewhere is not read

sql(<<'SQL');
CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE TABLE far (id int, k int) PARTITION BY RANGE (k);
SELECT dbm.install_audit_trigger('far');
CREATE TABLE far_half (id int, k int) PARTITION BY RANGE (k);
CREATE TABLE far_half_near PARTITION OF far_half FOR VALUES FROM (0) TO (5);
CREATE FOREIGN TABLE far_half_far PARTITION OF far_half FOR VALUES FROM (5) TO (10) SERVER nowhere;
SQL
events();
is(trouble('ALTER TABLE far ATTACH PARTITION far_half FOR VALUES FROM (0) TO (10)'), '', 'a partition with a foreign one below it comes without that being read');
is(trouble('ALTER TABLE far DETACH PARTITION far_half'), '', 'and goes so');
is(events(), 'attached came detached went', 'and counts as having rows');
sql('DROP TABLE far, far_half; DROP FOREIGN DATA WRAPPER nowhere CASCADE');

# --- Several that go at once

sql(<<'SQL');
CREATE TABLE many (id int, k int) PARTITION BY RANGE (k);
CREATE TABLE many_1 PARTITION OF many FOR VALUES FROM (0) TO (10);
CREATE TABLE many_2 PARTITION OF many FOR VALUES FROM (10) TO (20);
CREATE TABLE many_3 PARTITION OF many FOR VALUES FROM (20) TO (30);
SELECT dbm.install_audit_trigger('many');
INSERT INTO many VALUES (1, 1), (2, 12);
SQL
$last = sql('SELECT max(event_id) FROM dbm_trail.event');
is(trouble('DROP TABLE many_1, many_2, many_3'), '', 'partitions that are dropped at once');
is(sql("SELECT string_agg(kind || ' ' || detail, '; ' ORDER BY event_id) FROM dbm_trail.event WHERE event_id > $last"), 'detached public.many_1, dropped; detached public.many_2, dropped', 'are written down, those that had changes');
sql('DROP TABLE many');

# --- Names that mean another table when the statement runs

sql(<<'SQL');
CREATE TABLE whole (id int, k int) PARTITION BY RANGE (k);
CREATE TABLE half (id int, k int); CREATE TABLE decoy (id int, k int);
SELECT dbm.install_audit_trigger('whole'), dbm.install_audit_trigger('half', mode => 'row');
CREATE FUNCTION swap() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
	IF current_setting('swap.done', true) IS DISTINCT FROM 'yes' THEN
		PERFORM set_config('swap.done', 'yes', false);
		ALTER TABLE half RENAME TO hidden; ALTER TABLE decoy RENAME TO half;
	END IF;
END$$;
CREATE EVENT TRIGGER zz_swap ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION swap();
SQL
events();
like(said('ALTER TABLE whole ATTACH PARTITION half FOR VALUES FROM (0) TO (10)'), qr/WARNING:  audit trigger 00_dbm_audit_row on public\.hidden: dropped/, 'a table that made way and did not come has lost its triggers: it is said');
like(events(), qr/dropped/, 'and written down');
sql('DROP EVENT TRIGGER zz_swap; DROP FUNCTION swap(); DROP TABLE whole, hidden');

# --- What is made elsewhere locks nothing

is(sql(q{BEGIN; CREATE TEMP TABLE aside (id int); SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'part'::regclass); ROLLBACK}), 0, 'a new table locks no partition of watched ones');
is(sql(q{BEGIN; CREATE SCHEMA aside; DROP SCHEMA aside; SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'dbm.audit_schema'::regclass AND mode = 'RowExclusiveLock'; ROLLBACK}), 0, 'nor does a schema that goes keep those away who make a log');
is(sql(q{BEGIN; SELECT dbm.install_audit_trigger('paper'); SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'dbm.audit_schema'::regclass AND mode = 'ShareRowExclusiveLock'; ROLLBACK}) =~ s/.*\n//sr, 0, 'and who finds a log there does not lock as if to make it');

# --- A partition does not pass for a table that is gone

sql("CREATE TABLE lost (id int, k int); SELECT dbm.install_audit_trigger('lost'); UPDATE dbm_trail.relation SET home = 'elsewhere', table_name = 'part_4' WHERE table_name = 'lost'");
sql('CREATE TABLE part_4 PARTITION OF part FOR VALUES FROM (30) TO (40)');
is(sql(q{SELECT problem FROM dbm.audit_triggers() WHERE table_name = 'public.part_4'}), 'the table is gone', 'a partition of a watched table does not pass for another of its name');
sql(q{DELETE FROM dbm_trail.relation WHERE table_name = 'part_4'; DROP TABLE part_4, lost});

# --- Columns that go

sql(q{CREATE TYPE mood AS ENUM ('low'); CREATE TABLE moody (id int PRIMARY KEY, m mood); SELECT dbm.install_audit_trigger('moody', exclude => '{m}')});
sql('DROP TYPE mood CASCADE');
is(sql(q{SELECT settings->'exclude' FROM dbm_trail.relation WHERE table_name = 'moody'}), '[]', 'a column that goes with its type goes out of the settings');
sql(q{UPDATE dbm_trail.relation SET home = 'elsewhere', settings = jsonb_set(settings, '{exclude}', '[{"name": "m", "number": 2}]') WHERE table_name = 'moody'});
is(trouble('CREATE TABLE p_brief (id int); DROP TABLE p_brief', 'plain'), '', 'a setting for a column that is gone stops nobody');
like(said('INSERT INTO moody VALUES (1)'), qr/ERROR:  the audit trail of this table has a setting for column "m", which does not exist/, 'but who would write without it');
sql(q{SELECT dbm.install_audit_trigger('moody'); DROP TABLE moody});

# --- Who, and settings

sql(<<'SQL');
CREATE TABLE loud (id int PRIMARY KEY, c regclass); CREATE TABLE mute (id int PRIMARY KEY);
SELECT dbm.install_audit_trigger('loud', query => true), dbm.install_audit_trigger('mute');
SQL
$last = sql('SELECT max(change_id) FROM dbm_trail.change');
$node->safe_psql('postgres', <<'SQL');
BEGIN;
INSERT INTO loud VALUES (1, 'pg_class');
INSERT INTO mute VALUES (1);
SET LOCAL application_name = 'another';
INSERT INTO mute VALUES (2);
INSERT INTO loud VALUES (2, 'loud');
COMMIT;
SQL
is(sql("SELECT string_agg(concat_ws('|', table_name, application_name = 'another', query), E'\\n' ORDER BY change_id) FROM dbm_trail.change JOIN dbm_trail.activity USING (activity_id) JOIN dbm_trail.shape USING (shape_id) WHERE change_id > $last"),
	<<'ROWS' =~ s/\n\z//r, 'the text of another statement stands nowhere, and who the client is may change');
loud|f|INSERT INTO loud VALUES (1, 'pg_class');
mute|f
mute|t
loud|t|INSERT INTO loud VALUES (2, 'loud');
ROWS
sql(q{SET quote_all_identifiers = on; INSERT INTO loud VALUES (3, 'loud')});
is(sql(q{SELECT new->>'c' FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1}), 'public.loud', 'names are written without regard to how the session quotes them');
is(sql(q{SELECT count(*) FROM dbm_trail.shape WHERE table_name = 'loud' AND fingerprint <> 0}), 1, 'and make no other shape');
# Another shape by the same fingerprint.
sql(q{UPDATE dbm_trail.shape SET attributes = jsonb_set(attributes, '{0,name}', '"x"') WHERE table_name = 'mute'});
sql(q{INSERT INTO mute VALUES (3)});
is(sql(q{SELECT count(*) FROM dbm_trail.shape WHERE table_name = 'mute' AND fingerprint <> 0}), 2, 'a fingerprint alone does not make two shapes one');
sql(q{DELETE FROM dbm_trail.shape WHERE table_name = 'mute' AND attributes @> '[{"name": "x"}]'; SELECT dbm.remove_audit_trigger('mute'); DROP TABLE mute});

# --- Restored

sql(<<'SQL');
CREATE TABLE gone (id int PRIMARY KEY, secret text); SELECT dbm.install_audit_trigger('gone'); INSERT INTO gone VALUES (1, 'secret');
SELECT dbm.remove_audit_trigger('gone'); DROP TABLE gone;
SELECT dbm.install_audit_trigger('paper', exclude => '{v}');
SQL
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'a dump');
my $paper = sql(q{SELECT relation_id FROM dbm_trail.relation WHERE table_name = 'paper'});
my $count = sql('SELECT count(*) FROM dbm_trail.change');
sql('CREATE DATABASE there');
$node->safe_psql('there', 'CREATE TABLE filler (a int); DROP TABLE filler');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('there'), $dump ], 'restored elsewhere');
my $there = sub { return $node->safe_psql('there', @_) };
is($there->('SELECT count(*), count(problem) FROM dbm.audit_triggers()'), '3|0', 'nothing is wrong there');
# Before anything is written there: another name, and what is done to triggers.
$there->('ALTER TABLE paper RENAME TO sheet; ALTER TABLE sheet RENAME v TO w; CREATE TABLE paper (id int)');
$there->('INSERT INTO sheet VALUES (7, 7)');
is($there->('SELECT relation_id, new FROM dbm_trail.change JOIN dbm_trail.shape USING (shape_id) ORDER BY change_id DESC LIMIT 1'), qq($paper|{"id": 7}), 'it is the same table by another name, and what is left out stays so');
like(said('ALTER TABLE loud DISABLE TRIGGER USER', undef, 'there'), qr/on public\.loud: disabled/, 'and what is done to triggers is noticed');
# Another of the name of one that is gone.
$there->('SET ROLE other; CREATE TABLE gone (id int PRIMARY KEY, secret text); INSERT INTO gone VALUES (1, NULL)');
$node->safe_psql('there', q{SELECT dbm.install_audit_trigger('gone')}, extra_params => [ '-U', 'other' ]);
is($there->(q{SELECT count(*) FROM dbm.changes('gone')}), 0, 'a table that has the name of one that is gone has none of its history');
is($there->(q{SELECT count(DISTINCT relation_id) FROM dbm_trail.relation WHERE table_name = 'gone'}), 2, 'and is another');

# In the same place. (The server's own restore cannot take constraints of partitions away.)
sql('DROP TABLE part');
$node->command_ok([ 'pg_restore', '--clean', '--if-exists', '-d', $node->connstr('postgres'), $dump ], 'restored over itself');
is(sql('SELECT count(*) FROM dbm_trail.change'), $count, 'the history is there');
is(sql('SELECT string_agg(table_name || coalesce(problem, $$$$), $$ $$) FROM dbm.audit_triggers()'), 'public.loud public.paper public.part', 'nothing is wrong');
sql(q{CREATE TABLE brief (id int); DROP TABLE brief; INSERT INTO loud VALUES (9, NULL); ALTER TABLE paper RENAME TO sheet; INSERT INTO sheet VALUES (8, 8)});
is(sql('SELECT string_agg(relation_id || new::text, $$ $$ ORDER BY change_id) FROM (SELECT * FROM dbm_trail.change JOIN dbm_trail.shape USING (shape_id) ORDER BY change_id DESC LIMIT 2) c'),
	sql(q{SELECT relation_id FROM dbm_trail.relation WHERE table_name = 'loud'}) . qq({"c": null, "id": 9} $paper) . '{"id": 8}', 'and it goes on where it was');
is(sql(q{SELECT count(*) FROM dbm.changes('loud')}), 4, 'with what was before');

# --- A log that is gone

sql('DROP SCHEMA dbm_trail CASCADE');
like(said('INSERT INTO sheet VALUES (10, 10)'), qr/ERROR: .*(not registered|does not exist)/, 'without a log nothing is written');
is(sql(q{SELECT dbm.remove_audit_trigger('sheet')}), 't', 'the triggers can be taken away');
is(said('INSERT INTO sheet VALUES (10, 10)'), '', 'and then it is');
is(sql(q{SELECT dbm.remove_audit_trigger('sheet')}), 'f', 'once');

done_testing();
