# The log outlives what it is for: partitions that come and go, the extension, a dump and its restore, and a crash.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(wait_for_server);
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('lasts');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nrestart_after_crash = on");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION dbmastery');

sub sql { return $node->safe_psql('postgres', @_) }

my $seen = 0;

sub logged
{
	my $rows = sql("SELECT concat_ws('|', operation, key, old, new) FROM dbm_trail.change WHERE change_id > $seen ORDER BY change_id");
	$seen = sql('SELECT coalesce(max(change_id), 0) FROM dbm_trail.change');
	return $rows;
}

# --- Partitions

sql(<<'SQL');
CREATE TABLE reading (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE reading_1 PARTITION OF reading FOR VALUES FROM (0) TO (10);
CREATE TABLE reading_2 PARTITION OF reading FOR VALUES FROM (10) TO (20);
SQL
is(sql("SELECT dbm.install_audit_trigger('reading')"), 'public.reading is watched by row triggers', 'a partitioned table is watched row by row');
sql("INSERT INTO reading VALUES (1, 1, 'a'); INSERT INTO reading_2 VALUES (2, 11, 'b'); COPY reading FROM STDIN;\n3\t3\tc\n\\.\n");
is(logged(), <<'ROWS' =~ s/\n\z//r, 'by the parent, by a partition, by COPY');
I|{"k": 1, "id": 1}|{"k": 1, "v": "a", "id": 1}
I|{"k": 11, "id": 2}|{"k": 11, "v": "b", "id": 2}
I|{"k": 3, "id": 3}|{"k": 3, "v": "c", "id": 3}
ROWS
sql('UPDATE reading SET k = 12 WHERE id = 1; UPDATE reading SET v = v || 1');
is(logged(), <<'ROWS' =~ s/\n\z//r, 'a row that moves goes and comes');
D|{"k": 1, "id": 1}|{"k": 1, "v": "a", "id": 1}
I|{"k": 12, "id": 1}|{"k": 12, "v": "a", "id": 1}
U|{"k": 3, "id": 3}|{"v": "c"}|{"v": "c1"}
U|{"k": 11, "id": 2}|{"v": "b"}|{"v": "b1"}
U|{"k": 12, "id": 1}|{"v": "a"}|{"v": "a1"}
ROWS
# Row movement that a trigger suppresses: nothing is paired wrongly.
sql(<<'SQL');
CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER skip BEFORE INSERT ON reading_1 FOR EACH ROW EXECUTE FUNCTION skip();
UPDATE reading SET k = CASE WHEN id = 1 THEN 2 ELSE k END, v = 'w';
DROP TRIGGER skip ON reading_1;
SQL
unlike(logged(), qr/"id": 1\}\|.*"id": [23]\}/, 'a move that is suppressed pairs nothing wrongly');
sql(<<'SQL');
CREATE TABLE reading_3 PARTITION OF reading FOR VALUES FROM (20) TO (30);
CREATE TABLE reading_4 (extra int, v text, k int NOT NULL, id int NOT NULL);
ALTER TABLE reading_4 DROP COLUMN extra;
ALTER TABLE reading ATTACH PARTITION reading_4 FOR VALUES FROM (30) TO (40);
INSERT INTO reading VALUES (5, 25, 'new'), (6, 35, 'attached');
TRUNCATE reading_3;
TRUNCATE reading_4;
SQL
is(logged(), <<'ROWS' =~ s/\n\z//r, 'new and attached partitions, whatever the order of their columns, and their TRUNCATE');
I|{"k": 25, "id": 5}|{"k": 25, "v": "new", "id": 5}
I|{"k": 35, "id": 6}|{"k": 35, "v": "attached", "id": 6}
T
T
ROWS
is(sql('SELECT count(DISTINCT relation_id) FROM dbm_trail.shape'), 1, 'all are one relation');
is(sql('SELECT problem FROM dbm.audit_triggers()'), '', 'nothing is wrong');

# A watched table that becomes a partition changes its triggers; so does one that gets row triggers of others.
sql(<<'SQL');
CREATE TABLE reading_5 (id int, k int, v text, PRIMARY KEY (id, k));
CREATE TABLE other (LIKE reading) PARTITION BY LIST (k);
SELECT dbm.install_audit_trigger('reading_5');
ALTER TABLE other ATTACH PARTITION reading_5 FOR VALUES IN (1);
INSERT INTO other VALUES (7, 1, 'through the parent');
CREATE TABLE chained (id int PRIMARY KEY, v int);
SELECT dbm.install_audit_trigger('chained');
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE chained SET v = v + 1 WHERE id = NEW.id; RETURN NULL; END';
CREATE TRIGGER again AFTER INSERT ON chained FOR EACH ROW EXECUTE FUNCTION again();
INSERT INTO chained VALUES (1, 1), (2, 1);
SQL
is(logged(), <<'ROWS' =~ s/\n\z//r, 'triggers follow what the table becomes');
I|{"k": 1, "id": 7}|{"k": 1, "v": "through the parent", "id": 7}
I|{"id": 1}|{"v": 1, "id": 1}
U|{"id": 1}|{"v": 1}|{"v": 2}
I|{"id": 2}|{"v": 1, "id": 2}
U|{"id": 2}|{"v": 1}|{"v": 2}
ROWS
is(sql("SELECT string_agg(table_name || ' ' || level, ', ') FROM dbm.audit_triggers() WHERE table_name ~ 'reading_5|chained'"), 'public.chained row, public.reading_5 row', 'and are listed so');

# --- Whole schemas

sql(<<'SQL');
CREATE SCHEMA shop;
CREATE TABLE shop.a (id int PRIMARY KEY);
CREATE TABLE shop.b (id int PRIMARY KEY);
SQL
is(sql("SELECT * FROM dbm.install_audit_triggers('{shop}')"), "shop.a|shop.a is watched by statement triggers\nshop.b|shop.b is watched by statement triggers", 'a schema');
sql('CREATE TABLE shop.c (id int PRIMARY KEY); CREATE TABLE shop.d AS SELECT 1 AS id; CREATE TABLE other_c (id int); CREATE TEMP TABLE e (id int)');
is(sql("SELECT string_agg(table_name, ' ') FROM dbm.audit_triggers() WHERE table_name LIKE 'shop%'"), 'shop.a shop.b shop.c shop.d', 'with what is new in it');
sql("SELECT dbm.install_audit_triggers('{shop}', include_new => false); CREATE TABLE shop.f (id int); DROP TABLE shop.a");
is(sql("SELECT string_agg(table_name, ' ') FROM dbm.audit_triggers() WHERE table_name LIKE 'shop%'"), 'shop.b shop.c shop.d', 'and no more, and without what is gone');

# --- Logical replication

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(extra => utf8_locale(), allows_streaming => 'logical');
$publisher->start;
$publisher->safe_psql('postgres', 'CREATE TABLE copied (id int PRIMARY KEY, v text); CREATE PUBLICATION p FOR TABLE copied');
sql("CREATE TABLE copied (id int PRIMARY KEY, v text); SELECT dbm.install_audit_trigger('copied')");
is(sql("SELECT level FROM dbm.audit_triggers() WHERE table_name = 'public.copied'"), 'statement', 'a plain table');
logged();
sql('CREATE SUBSCRIPTION s CONNECTION $$' . $publisher->connstr('postgres') . '$$ PUBLICATION p');
is(sql("SELECT level FROM dbm.audit_triggers() WHERE table_name = 'public.copied'"), 'row', 'becomes one that is watched row by row as it is subscribed');
$publisher->safe_psql('postgres', "INSERT INTO copied VALUES (1, 'a')");
$publisher->wait_for_catchup('s');
$node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM copied') or die 'the row does not come';
$publisher->safe_psql('postgres', "UPDATE copied SET v = 'b'; DELETE FROM copied");
$publisher->wait_for_catchup('s');
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM copied') or die 'the row does not go';
is(logged(), <<'ROWS' =~ s/\n\z//r, 'rows that come by replication are logged');
I|{"id": 1}|{"v": "a", "id": 1}
U|{"id": 1}|{"v": "a"}|{"v": "b"}
D|{"id": 1}|{"v": "b", "id": 1}
ROWS
sql('DROP SUBSCRIPTION s');
$publisher->stop;

# --- Dump and restore

sql(<<'SQL');
CREATE TABLE kept (gone int, id int PRIMARY KEY, v text, secret text);
SELECT dbm.install_audit_trigger('kept', exclude => '{secret}');
ALTER TABLE kept DROP COLUMN gone;
INSERT INTO kept VALUES (1, 'a', 'x');
ALTER TABLE kept RENAME TO keep;
ALTER TABLE keep RENAME secret TO hidden;
SQL
my $relation = sql("SELECT relation_id FROM dbm_trail.relation WHERE table_name = 'keep'");
my $count = sql('SELECT count(*) FROM dbm_trail.change');
$node->command_ok([ 'pg_dump', '-Fc', '-f', $node->basedir . '/dump', '-d', $node->connstr('postgres') ], 'a dump');
sql('CREATE DATABASE restored');
# Other OIDs than before.
$node->safe_psql('restored', 'CREATE TABLE filler (a int); DROP TABLE filler');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $node->basedir . '/dump' ], 'and its restore');
my $restored = sub { return $node->safe_psql('restored', @_) };
is($restored->('SELECT count(*) FROM dbm_trail.change'), $count, 'the history is there');
is($restored->('SELECT count(*) FROM dbm.audit_triggers() WHERE problem IS NOT NULL'), 0, 'nothing is wrong') or diag $restored->('SELECT table_name, problem FROM dbm.audit_triggers()');
$restored->("UPDATE keep SET v = 'b', hidden = 'y'; UPDATE keep SET hidden = 'z'; INSERT INTO reading VALUES (9, 9, 'r')");
is($restored->("SELECT concat_ws('|', relation_id, operation, old, new) FROM dbm_trail.change JOIN dbm_trail.shape USING (shape_id) ORDER BY change_id DESC LIMIT 2"),
	sql("SELECT relation_id FROM dbm_trail.relation WHERE table_name = 'reading'") . qq[|I|{"k": 9, "v": "r", "id": 9}\n$relation|U|{"v": "a"}|{"v": "b"}], 'and goes on where it was');
is($restored->('SELECT count(*) FROM dbm.partition_set'), 2, 'its partitions are kept there, too');

# --- Without the extension

my ($code, $out, $err) = $node->psql('restored', 'DROP EXTENSION dbmastery');
like($err, qr/cannot drop extension dbmastery because other objects depend on it/, 'the triggers hold the extension');
$restored->('DROP EXTENSION dbmastery CASCADE');
is($restored->('SELECT count(*) FROM dbm_trail.change'), $count + 2, 'dropped by force, it leaves the log');
$restored->("UPDATE keep SET v = 'unseen'");
is($restored->('SELECT count(*) FROM pg_trigger WHERE tgname LIKE \'00_dbm%\''), 0, 'and no trigger, so that writes go on');
$restored->("CREATE EXTENSION dbmastery; SELECT dbm.install_audit_trigger('keep', exclude => '{hidden}'); UPDATE keep SET v = 'seen'");
is($restored->("SELECT concat_ws('|', relation_id, operation, old, new) FROM dbm_trail.change JOIN dbm_trail.shape USING (shape_id) ORDER BY change_id DESC LIMIT 1"),
	qq[$relation|U|{"v": "unseen"}|{"v": "seen"}], 'with the extension again the log goes on');

# --- Crash

sql("CREATE TABLE crashed (id int PRIMARY KEY, v int); SELECT dbm.install_audit_trigger('crashed'); INSERT INTO crashed SELECT i, 0 FROM generate_series(1, 200) i");
my $script = $node->basedir . '/crash.sql';
append_to_file($script, "\\set id random(1, 200)\nUPDATE crashed SET v = v + 1 WHERE id = :id;\n");
for my $round (1 .. 3)
{
	my $bench = IPC::Run::start([ 'pgbench', '-n', '-c', 4, '-T', 60, '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ], '>', \my $o, '2>', \my $e);
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'UPDATE crashed%'}) or die 'nobody writes';
	usleep(1_000_000);
	my $victim = sql("SELECT pid FROM pg_stat_activity WHERE query LIKE 'UPDATE crashed%' LIMIT 1");
	kill 'KILL', $victim if $victim;
	$bench->finish;
	wait_for_server($node);
	is(sql(q{SELECT count(*) FROM crashed c LEFT JOIN (SELECT (change.key->>'id')::int AS id, max((new->>'v')::int) AS v, count(*) FILTER (WHERE operation = 'U') AS n FROM dbm_trail.change JOIN dbm_trail.shape USING (shape_id) WHERE table_name = 'crashed' GROUP BY 1) l USING (id) WHERE c.v <> l.v OR c.v <> l.n OR l.v IS NULL}), 0, "after crash $round log and table agree");
}
is(sql(q{SELECT count(*) FROM (SELECT change_id, lag((new->>'v')::int) OVER (PARTITION BY change.key ORDER BY change_id) AS last, (old->>'v')::int AS old FROM dbm_trail.change JOIN dbm_trail.shape USING (shape_id) WHERE table_name = 'crashed') x WHERE last <> old}), 0, 'and each change begins where the last one ended');

done_testing();
