# What the trail keeps hold of through all that comes between: watching that ends and begins again, triggers that go unseen,
# partitions with other names, keys with other columns.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('through');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION dbmastery');

sub sql { return $node->safe_psql('postgres', @_) }

# What is said meanwhile.
sub said
{
	my ($code, $out, $error) = $node->psql('postgres', "\\set VERBOSITY default\n$_[0]");
	return $error;
}

sub now { return sql('SELECT clock_timestamp()') }

sub listed
{
	my ($table) = @_;
	return sql("SELECT concat_ws('|', columns, excluded, redacted) FROM dbm.audit_triggers() WHERE table_name = '$table'");
}

# --- What somebody ended stays ended

sql(<<'SQL');
CREATE SCHEMA shop;
CREATE TABLE shop.a (id int PRIMARY KEY, ssn text, note text);
SELECT dbm.install_audit_triggers('{shop}');
SELECT dbm.install_audit_trigger('shop.a', redact => '{ssn}', exclude => '{note}');
SELECT dbm.remove_audit_trigger('shop.a');
ALTER TABLE shop.a ADD x int;
ALTER TABLE shop.a RENAME ssn TO social;
SQL
is(listed('shop.a'), '', 'a table whose watching was ended is not watched again by the next ALTER');
sql('ALTER TABLE shop.a SET SCHEMA public; ALTER TABLE a SET SCHEMA shop; CREATE INDEX ON shop.a (x)');
is(listed('shop.a'), '', 'nor as it comes into the schema again');
sql(<<'SQL');
CREATE TABLE shop.b (id int); CREATE TABLE moved (id int); ALTER TABLE moved SET SCHEMA shop; CREATE TABLE IF NOT EXISTS shop.a (id int);
CREATE TABLE shop.c AS SELECT 1 AS id;
SQL
is(sql('SELECT string_agg(table_name, $$ $$) FROM dbm.audit_triggers()'), 'shop.b shop.c shop.moved', 'tables that are made, or come from elsewhere, are');
is(sql("SELECT * FROM dbm.install_audit_triggers('{shop}')"), 'shop.a|shop.a is watched by statement triggers, as before with exclude note; redact social', 'by whoever asks it is watched again, and what was kept back stays so');
is(listed('shop.a'), '{note}|{social}', 'which is listed');
my $secret = sql(q{INSERT INTO shop.a VALUES (1, '123-45', 'dear diary'); SELECT new FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1});
unlike($secret, qr/123-45|dear/, 'and holds');
sql(q{SELECT dbm.install_audit_trigger('shop.a', exclude => '{}')});
is(listed('shop.a'), '{}|{social}', 'what is said of it anew counts, and nothing else');
sql(q{SELECT dbm.install_audit_trigger('shop.a', columns => '{id,x}')});
is(listed('shop.a'), '{id,x}|{}|{}', 'columns that alone are logged');
sql(q{SELECT dbm.install_audit_trigger('shop.a'); SELECT dbm.remove_audit_trigger('shop.a'); ALTER TABLE shop.a RENAME x TO y; SELECT dbm.install_audit_trigger('shop.a')});
is(listed('shop.a'), '{id,y}|{}|{}', 'stay alone, by any name');
sql(q{SELECT dbm.install_audit_trigger('shop.a', columns => '{}')});
is(listed('shop.a'), '{}|{}', 'until all are asked for');

# Partitions that are tables of their own again, and tables that become partitions.
sql(<<'SQL');
CREATE TABLE shop.p (id int, k int, ssn text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE shop.p1 PARTITION OF shop.p FOR VALUES FROM (0) TO (10);
SELECT dbm.install_audit_trigger('shop.p', redact => '{ssn}');
ALTER TABLE shop.p DETACH PARTITION shop.p1;
SQL
is(listed('shop.p1'), '{}|{ssn}', 'a partition that is a table of its own keeps back what the table above it did');
sql('SELECT dbm.remove_audit_trigger($$shop.p1$$); ALTER TABLE shop.p1 RENAME TO q1');
is(sql(q{SELECT dbm.install_audit_trigger('shop.q1')}), 'shop.q1 is watched by statement triggers, as before with redact ssn', 'also later');
sql(q{SELECT dbm.install_audit_trigger('shop.p', redact => '{}')});
like(said('ALTER TABLE shop.p ATTACH PARTITION shop.q1 FOR VALUES FROM (0) TO (10)'), qr/WARNING:  columns of shop\.q1 that its audit trail kept back are logged from now on: ssn/, 'as a partition it does what the table above it does, which is said');

sql(q{CREATE TABLE q2 (id int, k int, ssn text, note text, PRIMARY KEY (id, k)); CREATE TABLE q (LIKE q2 INCLUDING ALL) PARTITION BY RANGE (k);
	SELECT dbm.install_audit_trigger('q2', columns => '{id,k}'), dbm.install_audit_trigger('q', exclude => '{note}')});
like(said('ALTER TABLE q ATTACH PARTITION q2 FOR VALUES FROM (10) TO (20)'), qr/WARNING:  columns of public\.q2 that its audit trail kept back are logged from now on: ssn$/m, 'also of columns that were none of those that alone were logged');

# --- Triggers that nobody saw go

sql(<<'SQL');
CREATE TABLE t (id int PRIMARY KEY, v text);
SELECT dbm.install_audit_trigger('t');
INSERT INTO t VALUES (1, 'a'); UPDATE t SET v = 'b';
SQL
my $before = now();
sql(<<'SQL');
DROP EXTENSION dbmastery CASCADE;
UPDATE t SET v = 'unseen';
CREATE EXTENSION dbmastery;
SQL
my $doubt = qr/WARNING:  not all that was done to public\.t is in the audit log/;
like(said("SELECT * FROM dbm.as_of('t', '$before')"), qr/$doubt\nDETAIL:  its triggers are out of force since /, 'while the triggers are away with the extension it is said');
sql("SELECT dbm.install_audit_trigger('t'); UPDATE t SET v = 'seen'");
like(said("SELECT * FROM dbm.as_of('t', '$before')"), qr/$doubt\nDETAIL:  its triggers were out of force from .* to /, 'and afterwards');
is(said('SELECT * FROM dbm.as_of($$t$$, clock_timestamp())'), '', 'what came later is told without');

my $missing = q{SELECT count(*) FROM dbm_trail.event WHERE kind = 'missing'};
my $found = 0;
sub unseen
{
	my ($how, $what) = @_;
	$before = now();
	sql($how);
	like(said("SELECT * FROM dbm.as_of('t', '$before')"), qr/$doubt/, "$what: it is said");
	sql("ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME TO t");
	is(sql($missing), ++$found, 'is written down with the next statement that would hide it');
	sql("ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME TO t");
	is(sql($missing), $found, 'once');
	sql("SELECT dbm.install_audit_trigger('t'); UPDATE t SET v = v || '.'");
	like(said("SELECT * FROM dbm.as_of('t', '$before')"), qr/$doubt/, 'and stays so');
	is(said('SELECT * FROM dbm.as_of($$t$$, clock_timestamp())'), '', 'but for what came later');
	return;
}

# No event trigger sees what is done to the catalogs themselves.
unseen(q{SET allow_system_table_mods = on; DELETE FROM pg_depend WHERE classid = 'pg_trigger'::regclass AND objid IN (SELECT oid FROM pg_trigger WHERE tgrelid = 't'::regclass);
	DELETE FROM pg_trigger WHERE tgrelid = 't'::regclass}, 'triggers that are deleted from the catalog');
unseen(q{SET allow_system_table_mods = on; UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 't'::regclass AND tgname LIKE '%update'}, 'one that is switched off in the catalog');
unseen(q{ALTER EVENT TRIGGER dbmastery_audit_trail_drop DISABLE; DROP TRIGGER "00_dbm_audit_update" ON t; ALTER EVENT TRIGGER dbmastery_audit_trail_drop ENABLE ALWAYS}, 'one that is dropped while event triggers are off');
is(sql('SELECT since < happened_at FROM dbm_trail.event WHERE kind = $$missing$$ ORDER BY event_id DESC LIMIT 1'), 't', 'since when it may have been is written down as well');

unseen(q{SET allow_system_table_mods = on; UPDATE pg_trigger SET tgattr = '1' WHERE tgrelid = 't'::regclass AND tgname LIKE '%update'}, 'one that passes most by');
# What the others write meanwhile does not tell that it was in force.
sql(q{SET allow_system_table_mods = on; UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 't'::regclass AND tgname LIKE '%update'});
sql(q{UPDATE t SET v = 'unseen'});
my $after = now();
sql(q{INSERT INTO t VALUES (2, 'seen')});
my ($since) = said("SELECT * FROM dbm.as_of('t', '$before')") =~ /its triggers are out of force since ([^;.]*(?:\.\d+)?[^;.]*)[;.]/;
is(sql("SELECT '$since'::timestamptz < '$after'"), 't', 'since when one of them may have been out of force is told by what it wrote');
sql("ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME TO t");
is(sql("SELECT since < '$after' FROM dbm_trail.event WHERE kind = 'missing' ORDER BY event_id DESC LIMIT 1"), 't', 'and written down so');
# At a partition.
sql(q{CREATE TABLE pt (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE pt_1 PARTITION OF pt FOR VALUES FROM (0) TO (10);
	CREATE TABLE pt_2 PARTITION OF pt FOR VALUES FROM (10) TO (20); SELECT dbm.install_audit_trigger('pt'); INSERT INTO pt VALUES (1, 'one'), (11, 'two')});
$before = now();
sql(q{SET allow_system_table_mods = on; UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'pt_1'::regclass AND tgname LIKE '%row'});
sql(q{UPDATE pt SET v = 'unseen' WHERE id = 1});
$after = now();
sql(q{UPDATE pt SET v = 'seen' WHERE id = 11});
like(said("SELECT count(*) FROM dbm.as_of('pt', '$before')"), qr/WARNING:  not all that was done to public\.pt is in the audit log\nDETAIL:  its triggers are out of force since /, 'one of a partition is missed as well');
like(said("SELECT dbm.install_audit_trigger('pt')"), qr/WARNING:  audit triggers of public\.pt were found out of force: 00_dbm_audit_row on public\.pt_1: disabled/, 'which is told before it is put back');
is(sql("SELECT since < '$after' FROM dbm_trail.event WHERE kind = 'missing' ORDER BY event_id DESC LIMIT 1"), 't', 'with the moment');
is(sql("SELECT count(problem) FROM dbm.audit_triggers() WHERE table_name = 'pt'"), 0, 'and it is');

# --- Watched, not watched, watched again

sql("CREATE TABLE w (id int PRIMARY KEY, v text); INSERT INTO w VALUES (1, 'old'), (2, 'still'); SELECT dbm.install_audit_trigger('w')");
my $first = now();
sql("UPDATE w SET v = 'new' WHERE id = 1; INSERT INTO w VALUES (3, 'three')");
my $end = now();
sql("SELECT dbm.remove_audit_trigger('w')");
my $between = now();
sql("UPDATE w SET v = 'unseen' WHERE id = 2; SELECT dbm.install_audit_trigger('w')");
my $again = now();
sql("UPDATE w SET v = 'newer' WHERE id = 1");
is(sql("SELECT string_agg(v, ' ' ORDER BY id) FROM dbm.rows_as_of(NULL::w, '$first')"), 'old unseen', 'a table is told as it was when it was watched first');
is(sql("SELECT string_agg(v, ' ' ORDER BY id) FROM dbm.rows_as_of(NULL::w, '$end')"), 'new unseen three', 'and at the end of that');
like(said("SELECT count(*) FROM dbm.as_of('w', '$first')"), qr/WARNING:  not all that was done to public\.w is in the audit log\nDETAIL:  it was not watched from .* to /, 'with the doubt that there is');
like(said("SELECT count(*) FROM dbm.as_of('w', '$between')"), qr/table public\.w was not watched at .*\nDETAIL:  It was watched from .* to .*, since /, 'and not as it was between');
is(said("SELECT count(*) FROM dbm.as_of('w', '$again')"), '', 'later without');
like(said(q{SELECT * FROM dbm.row_history('w', '{"id": 2}')}), qr/it was not watched from/, 'a history has the doubt as well');
like(sql(qq{SELECT dbm.revert_plan('w', '{"id": 1}', '$first')}), qr/^\d+$/, 'a row is taken back to then');
# Forward, since TRUNCATE bars the way: only from where this stretch began.
sql("TRUNCATE w");
is(sql("SELECT string_agg(v, ' ' ORDER BY id) FROM dbm.rows_as_of(NULL::w, '$end')"), 'new three', 'forward in the first stretch');
like(said("SELECT count(*) FROM dbm.as_of('w', '$again')"), qr/NOTICE|WARNING/, 'and in the second without what was known of the first');
is(sql("SELECT count(*) FROM dbm.as_of('w', '$again')"), 0, 'of which nobody knows whether it was still there');

# --- Partitions that get other names

sql(<<'SQL');
CREATE TABLE part (id int, k int, name text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_2 (k int NOT NULL, x int, id int NOT NULL, name text);
ALTER TABLE part_2 DROP COLUMN x;
ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES FROM (10) TO (20);
SELECT dbm.install_audit_trigger('part');
INSERT INTO part VALUES (1, 1, 'one'), (2, 12, 'two');
SQL
my $inserted = now();
sql("UPDATE part SET name = name || '!'");
my $updated = now();
sql('ALTER TABLE part_1 RENAME TO first; ALTER TABLE part_2 RENAME TO part_1; ALTER TABLE part RENAME COLUMN name TO label');
is(sql("SELECT string_agg(label, ' ' ORDER BY id) FROM dbm.rows_as_of(NULL::part, '$inserted')"), 'one two', 'columns are followed through partitions that have other names');
sql('TRUNCATE first');
is(sql(q{SELECT string_agg(operation, ' ') FROM dbm.row_history('part', '{"id": 1, "k": 1}')}), 'INSERT UPDATE TRUNCATE', 'a row that went with a partition, by whatever name that goes');
is(sql(q{SELECT string_agg(operation, ' ') FROM dbm.row_history('part', '{"id": 2, "k": 12}')}), 'INSERT UPDATE', 'and none of another that is called as it was');
my $truncated = now();
sql("INSERT INTO part VALUES (3, 3, 'three'); TRUNCATE part");
is(sql("SELECT string_agg(label, ' ' ORDER BY id) FROM dbm.rows_as_of(NULL::part, '$truncated')"), 'two!', 'it is not told where it was gone');
is(sql("SELECT string_agg(label, ' ' ORDER BY id) FROM dbm.rows_as_of(NULL::part, '$updated')"), 'one! two!', 'and where it was there');
my $last = sql('SELECT max(event_id) FROM dbm_trail.event');
sql('INSERT INTO part VALUES (4, 4), (5, 15); ALTER TABLE first RENAME TO third; DROP TABLE third; ALTER TABLE part DETACH PARTITION part_1; ALTER TABLE part_1 RENAME TO gone; DROP TABLE gone');
is(sql("SELECT string_agg(kind || ' ' || detail, '; ' ORDER BY event_id) FROM dbm_trail.event WHERE event_id > $last"), 'named public.third; detached public.third, dropped; detached public.part_1', 'and whoever drops it takes its rows along');

# One that has the name of one that was detached before.
sql(<<'PART');
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (30) TO (40); INSERT INTO part VALUES (6, 31);
ALTER TABLE part DETACH PARTITION part_1; ALTER TABLE part_1 RENAME TO older_part;
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (30) TO (40); INSERT INTO part VALUES (7, 32);
PART
my $full = now();
$last = sql('SELECT max(event_id) FROM dbm_trail.event');
sql('DROP TABLE part_1; DROP TABLE older_part');
is(sql("SELECT string_agg(kind || ' ' || detail, '; ' ORDER BY event_id) FROM dbm_trail.event WHERE event_id > $last"), 'detached public.part_1, dropped', 'it is known by more than its name');
like(said("SELECT count(*) FROM dbm.as_of('part', '$full')"), qr/WARNING:  not all that was done to public\.part is in the audit log\nDETAIL:  rows went with partition public\.part_1, dropped/, 'and that its rows are missed is said');

# --- Keys that get other columns

sql(<<'SQL');
CREATE TABLE ordered (id int PRIMARY KEY, v text);
SELECT dbm.install_audit_trigger('ordered');
INSERT INTO ordered VALUES (7, 'a'), (8, 'eight'), (9, 'nine');
SQL
my $born = now();
sql("UPDATE ordered SET v = 'b' WHERE id = 7");
my $early = now();
sql(<<'SQL');
ALTER TABLE ordered ADD COLUMN tenant_id int;
UPDATE ordered SET tenant_id = CASE WHEN id = 9 THEN 3 ELSE 2 END;
DELETE FROM ordered WHERE id = 9;
ALTER TABLE ordered ALTER COLUMN tenant_id SET NOT NULL, DROP CONSTRAINT ordered_pkey, ADD PRIMARY KEY (tenant_id, id);
SQL
my $history = sub { my ($table, $key) = @_; return sql(qq{SELECT string_agg(concat_ws('|', operation, key, old, new), E'\n') FROM dbm.row_history('$table', '$key')}) };
my $was = sub { my ($table, $at) = @_; return sql("SELECT string_agg(d::text, ' ' ORDER BY d->>'id', d->>'tenant_id') FROM dbm.as_of('$table', '$at') d") };
my $tenant = <<'ROWS' =~ s/\n\z//r;
INSERT|{"id": 7}|{"v": "a", "id": 7}
UPDATE|{"id": 7}|{"v": "a"}|{"v": "b"}
UPDATE|{"id": 7}|{"tenant_id": null}|{"tenant_id": 2}
ROWS
is($history->('ordered', '{"tenant_id": 2, "id": 7}'), $tenant, 'a row by its new key before anything was changed by that');
my $turned = now();
sql("INSERT INTO ordered VALUES (7, 'of three', 3); UPDATE ordered SET v = v || '!' WHERE id = 7; DELETE FROM ordered WHERE id = 8");
is($history->('ordered', '{"tenant_id": 2, "id": 7}'), qq($tenant\nUPDATE|{"id": 7, "tenant_id": 2}|{"v": "b"}|{"v": "b!"}), 'and after: from the beginning');
is($history->('ordered', '{"tenant_id": 3, "id": 7}'), <<'ROWS' =~ s/\n\z//r, 'another of the same old key has nothing of it');
INSERT|{"id": 7, "tenant_id": 3}|{"v": "of three", "id": 7, "tenant_id": 3}
UPDATE|{"id": 7, "tenant_id": 3}|{"v": "of three"}|{"v": "of three!"}
ROWS
like($history->('ordered', '{"tenant_id": 2, "id": 8}'), qr/\AINSERT\|\{"id": 8\}.*\nUPDATE.*\nDELETE\|\{"id": 8, "tenant_id": 2\}[^\n]*\z/s, 'one that is gone since');
like($history->('ordered', '{"tenant_id": 3, "id": 9}'), qr/\AINSERT\|\{"id": 9\}.*\nUPDATE.*\nDELETE\|\{"id": 9\}[^\n]*\z/s, 'one that was gone before');
is($history->('ordered', '{"tenant_id": 2, "id": 9}'), '', 'and of another tenant there was none');
is(sql(q{SELECT string_agg(operation || coalesce(key->>'tenant_id', ''), ' ') FROM dbm.row_history('ordered', '{"id": 7}')}), 'INSERT UPDATE UPDATE INSERT3 UPDATE2 UPDATE3', 'by the old key all that have it');
is(said(q{SELECT * FROM dbm.row_history('ordered', '{"tenant_id": 2, "id": 7}')}), '', 'and nothing is in doubt');
is($was->('ordered', $born), '{"v": "a", "id": 7} {"v": "eight", "id": 8} {"v": "nine", "id": 9}', 'the table as it was before the key changed');
is($was->('ordered', $early), '{"v": "b", "id": 7} {"v": "eight", "id": 8} {"v": "nine", "id": 9}', 'a moment later');
is(sql("SELECT string_agg(o::text, ' ' ORDER BY id) FROM dbm.rows_as_of(NULL::ordered, '$turned') o"), '(7,b,2) (8,eight,2)', 'and as the key had changed');
my ($code, $out, $error) = $node->psql('postgres', qq{SELECT dbm.revert_plan('ordered', '{"tenant_id": 2, "id": 7}', '$born')});
like($error, qr/change \d+ of public\.ordered cannot be taken back.*told apart by other columns then/s, 'what found a row by the old key is not taken back blindly');
# The way forward: the rows of before the key changed are known by it.
sql('TRUNCATE ordered');
is($was->('ordered', $early), '{"v": "b", "id": 7} {"v": "eight", "id": 8} {"v": "nine", "id": 9}', 'forward to before');
is(sql("SELECT string_agg(o::text, ' ' ORDER BY id) FROM dbm.rows_as_of(NULL::ordered, '$turned') o"), '(7,b,2) (8,eight,2)', 'and on');
is(sql(q{SELECT string_agg(operation, ' ') FROM dbm.row_history('ordered', '{"tenant_id": 2, "id": 7}')}), 'INSERT UPDATE UPDATE UPDATE TRUNCATE', 'a row that TRUNCATE took');
is(sql(q{SELECT string_agg(operation, ' ') FROM dbm.row_history('ordered', '{"tenant_id": 2, "id": 8}')}), 'INSERT UPDATE DELETE', 'and one that was gone by then');

# A key by which the table and the log know nothing of each other.
sql(<<'SQL');
CREATE TABLE swapped (a int PRIMARY KEY, b int NOT NULL UNIQUE, v int);
SELECT dbm.install_audit_trigger('swapped');
INSERT INTO swapped VALUES (1, 10, 0), (2, 20, 0); UPDATE swapped SET v = 1;
SQL
$early = now();
sql('UPDATE swapped SET v = 2; ALTER TABLE swapped DROP CONSTRAINT swapped_pkey, ADD PRIMARY KEY (b); UPDATE swapped SET a = a + 100, v = 3 WHERE b = 10; DELETE FROM swapped WHERE b = 20');
is(sql(q{SELECT string_agg(operation || (new->>'v'), ' ') FROM dbm.row_history('swapped', '{"b": 10}')}), 'INSERT0 UPDATE1 UPDATE2 UPDATE3', 'a row is followed to a key that has nothing of the new one');
is(sql(q{SELECT string_agg(operation, ' ') FROM dbm.row_history('swapped', '{"b": 20}')}), 'INSERT UPDATE UPDATE DELETE', 'also one that is gone');
is(sql("SELECT string_agg(s::text, ' ' ORDER BY a) FROM dbm.rows_as_of(NULL::swapped, '$early') s"), '(1,10,1) (2,20,1)', 'and the table as it was');
sql('ALTER TABLE swapped DROP COLUMN a');
like(said(q{SELECT * FROM dbm.row_history('swapped', '{"b": 10}')}), qr/^$|WARNING:  not all changes of this row/, 'a key whose columns are gone is told as far as it is known');
sql('CREATE TABLE unkeyed (id int NOT NULL, v int)');
sql("SELECT dbm.install_audit_trigger('unkeyed'); INSERT INTO unkeyed VALUES (1, 1); UPDATE unkeyed SET v = 2; ALTER TABLE unkeyed ADD PRIMARY KEY (id)");
$early = now();
sql('UPDATE unkeyed SET v = 3');
like(said(q{SELECT * FROM dbm.row_history('unkeyed', '{"id": 1}')}), qr/WARNING:  not all changes of this row of public\.unkeyed are told\nDETAIL:  Before, rows were told apart by all their columns/, 'what is not followed is said');
is($was->('unkeyed', $early), '{"v": 2, "id": 1}', 'while the table is told as it was');

# --- Settings for columns that a restored table lacks

sql(<<'SQL');
CREATE TABLE brief (id int PRIMARY KEY, m text); SELECT dbm.install_audit_trigger('brief', exclude => '{m}'); ALTER TABLE brief DROP COLUMN m;
UPDATE dbm_trail.relation SET home = 'elsewhere', settings = jsonb_set(settings, '{exclude}', '[{"name": "m", "number": 2}]') WHERE table_name = 'brief';
SQL
like(said("SELECT dbm.install_audit_trigger('brief')"), qr/WARNING:  column m of public\.brief was kept out of the audit trail, and is not there/, 'a column that was kept back and is not there is told');

# --- A log that is cleared, or made by another, meanwhile

{
	my $writer = Session->new($node, 'postgres');
	sql(q{CREATE TABLE busy (id int PRIMARY KEY); SELECT dbm.install_audit_trigger('busy')});
	$writer->must('INSERT INTO busy VALUES (1)');
	my $clears = Session->new($node, 'postgres');
	$clears->must('BEGIN'); $clears->must('TRUNCATE dbm_trail.change, dbm_trail.activity');
	$writer->begin('INSERT INTO busy VALUES (2);');
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO busy%'});
	$clears->must('COMMIT');
	$writer->must('SELECT 1');
	is(sql('SELECT count(*), count(a.activity_id) FROM dbm_trail.change c LEFT JOIN dbm_trail.activity a USING (activity_id)'), '1|1', 'whoever writes as both are cleared says anew who he is');
}
{
	my $minimal = PostgreSQL::Test::Cluster->new('minimal');
	$minimal->init(extra => utf8_locale());
	$minimal->append_conf('postgresql.conf', "autovacuum = off\nwal_level = minimal\nmax_wal_senders = 0");
	$minimal->start;
	$minimal->safe_psql('postgres', 'CREATE EXTENSION dbmastery; CREATE TABLE a (id int); CREATE TABLE b (id int)');
	my $one = Session->new($minimal, 'postgres');
	$one->must('BEGIN'); $one->must('SAVEPOINT s'); $one->must(q{SELECT dbm.install_audit_trigger('a')}); $one->must('ROLLBACK TO s');
	$minimal->safe_psql('postgres', q{SELECT dbm.install_audit_trigger('b')});
	$minimal->safe_psql('postgres', 'INSERT INTO b VALUES (1)');
	# Set, it would not be ahead in WAL any more.
	my $ahead = $minimal->safe_psql('postgres', 'SELECT log_cnt FROM dbm_trail.change_id');
	cmp_ok($ahead, '>', 0, 'a sequence that is ahead in WAL');
	$one->must('COMMIT');
	is($minimal->safe_psql('postgres', 'SELECT log_cnt FROM dbm_trail.change_id'), $ahead, 'is not set by another, whose own log was rolled back to a savepoint');
}

done_testing();
