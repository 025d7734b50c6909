# A table becomes partitioned by a copy under load: journal, catch-up, swap; the writers keep a log of what they did in the
# same transactions, and at the end the table is what the log says. Killed in between, and taken back.
# Runs alone: it measures how long writers wait.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(fault_at wait_for_restart wait_for_server);
use Session;
use Test::More;
use Time::HiRes qw(time usleep);
use Writers;

my $node = PostgreSQL::Test::Cluster->new('copy');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice,bob' ]);
$node->append_conf('postgresql.conf', "restart_after_crash = on\ntimezone = 'UTC'\nmax_wal_size = 4GB\nshared_buffers = 256MB");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION dbmastery;
CREATE ROLE alice LOGIN;
CREATE ROLE bob LOGIN;
GRANT USAGE ON SCHEMA dbm TO alice, bob;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO alice, bob;
CREATE SCHEMA shop AUTHORIZATION alice;
SQL

sub sql { return $node->safe_psql('postgres', @_) }

sub fault { return fault_at($node, @_) }

# A table of so many rows, the partitioned one that is to take its place, and the log of the writers.
sub make
{
	my ($name, $rows) = @_;
	sql(<<"SQL");
SET ROLE alice;
CREATE TABLE shop.$name (id bigint PRIMARY KEY, created date NOT NULL, status int NOT NULL DEFAULT 0, code text UNIQUE, note text);
INSERT INTO shop.$name SELECT i, '2026-01-01'::date + (i % 300)::int, 0, 'c' || i, md5(i::text) FROM generate_series(1, $rows) AS i;
CREATE TABLE shop.${name}_new (id bigint NOT NULL, created date NOT NULL, status int NOT NULL DEFAULT 0, code text, note text) PARTITION BY RANGE (created);
SELECT format('CREATE TABLE shop.${name}_%s PARTITION OF shop.${name}_new FOR VALUES FROM (%L) TO (%L)', i, '2026-01-01'::date + i * 30, '2026-01-01'::date + i * 30 + 30)
FROM generate_series(0, 11) AS i \\gexec
CREATE TABLE shop.${name}_log (what text, id bigint);
GRANT ALL ON shop.$name, shop.${name}_new, shop.${name}_log TO bob;
GRANT USAGE ON SCHEMA shop TO bob;
SQL
	sql("VACUUM ANALYZE shop.$name");
	return;
}

# Plans the copy as a conversion does; its number.
sub planned
{
	my ($name) = @_;
	my $definition = <<"JSON";
{"kind": "convert", "source": "shop.$name", "target": "shop.${name}_new", "columns": ["id", "created", "status", "code", "note"],
 "journal": [{"name": "id", "sql_type": "pg_catalog.int8", "collation": null, "operator_schema": "pg_catalog", "is_key": true},
             {"name": "created", "sql_type": "pg_catalog.date", "collation": null, "operator_schema": "pg_catalog", "is_key": false}],
 "prepare": [], "complete": ["ALTER TABLE shop.${name}_new ADD PRIMARY KEY (id, created)", "CREATE INDEX ON shop.${name}_new (code)"],
 "locks": ["ONLY shop.$name"],
 "swap": ["ALTER TABLE shop.$name RENAME TO ${name}_old", "ALTER TABLE shop.${name}_new RENAME TO $name"],
 "clean": [], "most_in_swap": 0}
JSON
	return sql(<<"SQL");
INSERT INTO dbm.partition_copy (kind, source, source_name, target_name, owner, definition)
VALUES ('convert', 'shop.$name'::regclass, 'shop.$name', 'shop.${name}_new', 'alice'::regrole, '$definition') RETURNING id
SQL
}

my $script = <<'SQL';
\set id random(1, 200000)
\set new random(1000000, 900000000000000)
\set day random(0, 359)
\set kind random(1, 100)
\if :kind <= 35
WITH i AS (INSERT INTO shop.orders (id, created, code) VALUES (:new, '2026-01-01'::date + :day, 'n' || :new) ON CONFLICT DO NOTHING RETURNING id) INSERT INTO shop.orders_log SELECT 'I', id FROM i;
\elif :kind <= 70
WITH u AS (UPDATE shop.orders SET status = status + 1 WHERE id = :id RETURNING id) INSERT INTO shop.orders_log SELECT 'U', id FROM u;
\elif :kind <= 85
WITH d AS (DELETE FROM shop.orders WHERE id = :id AND id % 5 = 1 RETURNING id) INSERT INTO shop.orders_log SELECT 'D', id FROM d;
\elif :kind <= 95
WITH m AS (UPDATE shop.orders SET created = '2026-01-01'::date + :day, status = status + 1 WHERE id = :id AND id % 5 = 2 RETURNING id) INSERT INTO shop.orders_log SELECT 'U', id FROM m;
\else
WITH x AS (UPDATE shop.orders SET code = 'x' || :new WHERE id = :id AND id % 5 = 3 RETURNING id) INSERT INTO shop.orders_log SELECT 'X', id FROM x;
\endif
SQL

# Whether the table is what its first rows and the log say.
sub is_as_logged
{
	my ($name, $rows, $message) = @_;
	is(sql(<<"SQL"), '0 0 0 0', $message);
SELECT (SELECT count(*) FROM shop.$name) - $rows - (SELECT count(*) FILTER (WHERE what = 'I') - count(*) FILTER (WHERE what = 'D') FROM shop.${name}_log) || ' ' ||
       (SELECT sum(status) FROM shop.$name) - (SELECT count(*) FROM shop.${name}_log l WHERE what = 'U' AND EXISTS (SELECT FROM shop.$name o WHERE o.id = l.id)) || ' ' ||
       (SELECT count(*) FROM (SELECT id FROM shop.$name GROUP BY id HAVING count(*) > 1) x) || ' ' ||
       (SELECT count(*) FROM shop.$name o WHERE EXISTS (SELECT FROM shop.${name}_log l WHERE l.id = o.id AND l.what = 'D'))
SQL
	return;
}

# --- Under load

my ($job, $took, $longest, $transactions, $errors, $looks, $dips, $status, $error);
# Writers wait, too, while the machine stands still: the best of three.
for my $try (1 .. 3)
{
	make('orders', 200_000);
	$job = planned('orders');
	my $writers = Writers::start($node, 'postgres', $script, 4);
	my $readers = Writers::start($node, 'postgres', 'SELECT 1 / (CASE WHEN count(*) = 160000 THEN 1 ELSE 0 END) FROM shop.orders WHERE id <= 200000 AND id % 5 <> 1;', 1);
	usleep(500_000);
	my $start = time();
	is($node->psql('postgres', "CALL dbm.partition_copy($job, 'ready')"), 0, 'it is copied and compared');
	is(sql("SELECT relkind FROM pg_class WHERE oid = 'shop.orders'::regclass"), 'r', 'and not swapped yet');
	usleep(1_000_000);
	($status, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job, 'swapped', lock_timeout => '150 ms')");
	is($error, '', 'then swapped');
	$took = time() - $start;
	usleep(1_000_000);
	($longest, $transactions, $errors) = Writers::stop($writers);
	(undef, $looks, $dips) = Writers::stop($readers);
	last if $longest < 1_000 || "$error$errors$dips" ne '' || $try == 3;
	sql("CALL dbm.partition_copy($job)");
	sql('DROP TABLE shop.orders, shop.orders_old, shop.orders_log');
}
is($errors, '', 'no writer meets an error');
is($dips, '', 'and no reader misses a row');
is(sql("SELECT relkind FROM pg_class WHERE oid = 'shop.orders'::regclass"), 'p', 'the table is partitioned');
is_as_logged('orders', 200_000, 'and is what the log of its writers says');
cmp_ok($longest, '<', 1_000, 'no writer waited longer than a second');
is($node->psql('postgres', "CALL dbm.partition_copy($job)"), 0, 'it is cleaned up');
my ($copy) = rows($node, 'postgres', "SELECT * FROM dbm.partition_copy_status() WHERE job = $job");
is($copy->{phase}, 'cleaned', 'and over');
cmp_ok($copy->{rows_replayed}, '>', 0, 'the rows that changed meanwhile were copied again before the swap');
is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'partition\\_journal\\_%'"), 0, 'its journals are gone');
diag(sprintf '200000 rows under %d transactions: %.1f s, %s keys replayed, lock held %s, longest transaction of a writer %.0f ms, %d reads',
	$transactions, $took, $copy->{rows_replayed}, $copy->{lock_held}, $longest, $looks);

# --- Killed in each phase: it goes on, or is taken back

my $smaller = $script =~ s/200000/20000/gr;
for my $place ('prepared', 'batch', 'copying:1', 'catching_up', 'replayed', 'ready', 'uncommitted', 'swapped')
{
	my $name = "k_$place" =~ s/\W/_/r;
	make($name, 20_000);
	$job = planned($name);
	my $own = $smaller =~ s/shop\.orders/shop.$name/gr;
	my $beside = Writers::start($node, 'postgres', $own, 2);
	usleep(200_000);
	fault("copy:$place");
	my $log = -s $node->logfile;
	my $is_cut_off = $node->psql('postgres', "CALL dbm.partition_copy($job)") == 2;
	eval { Writers::stop($beside) };
	$is_cut_off ? wait_for_restart($node, $log) : wait_for_server($node);
	fault('');
	is_as_logged($name, 20_000, "killed at $place: the table is what the log says");
	$beside = Writers::start($node, 'postgres', $own, 2);
	(undef, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job)");
	(undef, undef, $errors) = Writers::stop($beside);
	is("$error$errors", '', "killed at $place: it goes on to its end");
	is_as_logged($name, 20_000, "killed at $place: and the table is what the log says");
	is(sql("SELECT relkind FROM pg_class WHERE oid = 'shop.$name'::regclass"), 'p', "killed at $place: partitioned");
}

{
	make('back', 20_000);
	$job = planned('back');
	my $beside = Writers::start($node, 'postgres', $smaller =~ s/shop\.orders/shop.back/gr, 2);
	$node->psql('postgres', "CALL dbm.partition_copy($job, 'ready')");
	(undef, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job, 'aborted')");
	is($error, '', 'before the swap it can be taken back');
	(undef, undef, $errors) = Writers::stop($beside);
	is($errors, '', 'no writer meets an error');
	is(sql("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'dbm\\_journal%' AND tgrelid = 'shop.back'::regclass"), 0, 'the trigger is gone');
	is_as_logged('back', 20_000, 'the table is as if nothing had been');
	(undef, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job)");
	is(sql("SELECT phase FROM dbm.partition_copy WHERE id = $job"), 'aborted', 'and it stays so');
}

# --- Whoever writes needs no rights of ours, and who has none of the owner's cannot carry it on

{
	make('alien', 3_000);
	$job = planned('alien');
	$node->psql('postgres', "CALL dbm.partition_copy($job, 'prepared')");
	my (undef, undef, $wrote) = $node->psql('postgres',
		"INSERT INTO shop.alien (id, created) VALUES (100001, '2026-02-02'); UPDATE shop.alien SET id = 100002 WHERE id = 100001; DELETE FROM shop.alien WHERE id = 7",
		extra_params => [ '-U', 'bob' ]);
	is($wrote, '', 'a writer without rights on the journal meets no error');
	is(sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM (SELECT DISTINCT id FROM dbm.partition_journal_${job}_a) x"), '7 100001 100002',
		'and old and new keys are in it');
	(undef, undef, $error) = $node->psql('postgres', "SELECT * FROM dbm.partition_journal_${job}_a", extra_params => [ '-U', 'bob' ]);
	like($error, qr/permission denied/, 'which he cannot read');
	(undef, undef, $error) = $node->psql('postgres', "INSERT INTO dbm.partition_journal_${job}_a VALUES (1)", extra_params => [ '-U', 'alice' ]);
	like($error, qr/permission denied/, 'nor the owner write');
	(undef, undef, $error) = $node->psql('postgres', "CREATE TRIGGER t AFTER INSERT ON shop.orders_log FOR EACH ROW EXECUTE FUNCTION dbm.partition_journal('$job', 'id')", extra_params => [ '-U', 'alice' ]);
	like($error, qr/permission denied|must be owner/, 'and the trigger function is nobody else\'s') if sql(q{SELECT has_function_privilege('alice', 'dbm.partition_journal()', 'EXECUTE')}) eq 'f';
	(undef, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job)", extra_params => [ '-U', 'bob' ]);
	like($error, qr/permission denied to carry copy $job on/, 'a stranger cannot carry it on');
	(undef, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job, 'swapped')", extra_params => [ '-U', 'alice' ]);
	is($error, '', 'its owner can');
	is(sql('SELECT count(*) FROM shop.alien'), 3_000, 'and the rows are there');
	(undef, undef, $error) = $node->psql('postgres', "BEGIN; CALL dbm.partition_copy($job); COMMIT");
	like($error, qr/cannot run inside a transaction block/, 'not inside a transaction');
	(undef, undef, $error) = $node->psql('postgres', 'CALL dbm.partition_copy(99999)');
	like($error, qr/there is no copy 99999/, 'nor one that is not there');
	(undef, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job, 'planned')");
	like($error, qr/cannot be carried on to "planned"/, 'nor to nowhere');
}

# --- Rewritten between comparing and swapping: what it has then is what counts

make('rewritten', 3_000);
$job = planned('rewritten');
$node->psql('postgres', "CALL dbm.partition_copy($job, 'ready')");
sql(q{ALTER TABLE shop.rewritten ALTER COLUMN note TYPE text USING 'anew'});
(undef, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job)");
is($error, '', 'a table that is rewritten is copied anew');
is(sql(q{SELECT relkind::text || ' ' || min(note) || ' ' || max(note) || ' ' || count(*) FROM shop.rewritten, pg_class c WHERE c.oid = 'shop.rewritten'::regclass GROUP BY relkind}),
	'p anew anew 3000', 'and none of its old values comes back');

# --- Keys that are equal and written otherwise, as 7 and 7.00, name one row

make('numbers', 3_000);
sql('ALTER TABLE shop.numbers ALTER id TYPE numeric; ALTER TABLE shop.numbers_new ALTER id TYPE numeric; ALTER TABLE shop.numbers DROP CONSTRAINT numbers_code_key');
$job = planned('numbers');
sql("UPDATE dbm.partition_copy SET definition = replace(replace(definition::text, 'pg_catalog.int8', 'pg_catalog.numeric'), 'PRIMARY KEY', 'CHECK (true) -- PRIMARY KEY')::jsonb WHERE id = $job");
$node->psql('postgres', "CALL dbm.partition_copy($job, 'ready')");
sql('UPDATE shop.numbers SET id = 7.00 WHERE id = 7; UPDATE shop.numbers SET id = 7.0 WHERE id = 7');
(undef, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job)");
is($error . sql("SELECT relkind::text || ' ' || (SELECT count(*) || ' ' || count(*) FILTER (WHERE id = 7) FROM shop.numbers) FROM pg_class WHERE oid = 'shop.numbers'::regclass"),
	'p 3000 1', 'a key that is written in three ways is one row');

# --- A column of the key has another name for a while: what was changed meanwhile is copied

make('renamed', 3_000);
$job = planned('renamed');
$node->psql('postgres', "CALL dbm.partition_copy($job, 'ready')");
sql(q{ALTER TABLE shop.renamed RENAME id TO number; UPDATE shop.renamed SET note = 'unseen' WHERE number = 5; DELETE FROM shop.renamed WHERE number = 6; ALTER TABLE shop.renamed RENAME number TO id});
(undef, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job)");
is($error . sql(q{SELECT relkind::text || (SELECT ' ' || count(*) || ' ' || count(*) FILTER (WHERE note = 'unseen') FROM shop.renamed) FROM pg_class WHERE oid = 'shop.renamed'::regclass}),
	'p 2999 1', 'what nobody could write down is copied all the same');

# --- A crash empties unlogged tables: what was compared before it is no copy any more

make('unlogged', 3_000);
sql("ALTER TABLE shop.unlogged_$_ SET UNLOGGED") for 0 .. 11;
$job = planned('unlogged');
$node->psql('postgres', "CALL dbm.partition_copy($job, 'ready')");
$node->stop('immediate');
$node->start;
(undef, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job)");
like($error, qr/the copy of shop\.unlogged is not the same as the table/, 'a copy that a crash has emptied does not take the place of the table');
is(sql(q{SELECT relkind::text || (SELECT ' ' || count(*) FROM shop.unlogged) FROM pg_class WHERE oid = 'shop.unlogged'::regclass}), 'r 3000', 'which is as it was');
(undef, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job, 'aborted')");
is($error, '', 'and can be taken back');

# --- A row that moved twice, and whose newer entry is read before the older one: it is not copied a second time

for my $unique (1, 0)
{
	my $name = "twice_$unique";
	make($name, 3_000);
	sql("ALTER TABLE shop.$name DROP CONSTRAINT ${name}_code_key") if !$unique;
	$job = planned($name);
	$node->psql('postgres', "CALL dbm.partition_copy($job, 'ready')");
	sql("UPDATE shop.$name SET created = '2026-03-03' WHERE id = 5");
	my $reader = Session->new($node, 'postgres');
	$reader->must("BEGIN; LOCK TABLE dbm.partition_journal_${job}_a IN SHARE ROW EXCLUSIVE MODE");
	sql("UPDATE shop.$name SET created = '2026-05-05' WHERE id = 5");
	$reader->must('COMMIT');
	$reader->quit;
	is(sql("SELECT (SELECT count(*) FROM dbm.partition_journal_${job}_a) || ' ' || (SELECT count(*) FROM dbm.partition_journal_${job}_b)"),
		'2 2', 'each journal has one of two moves of a row');
	(undef, undef, $error) = $node->psql('postgres', "CALL dbm.partition_copy($job)");
	is($error, '', 'whichever is read first');
	is(sql("SELECT string_agg(created::text, ' ') FROM shop.$name WHERE id = 5"), '2026-05-05', 'the row is there once, where it came to');
	is(sql("SELECT count(*) FROM shop.$name"), 3_000, 'and so are all');
}

# --- A long writer: the copy waits for him, others do not wait for the copy

{
	# The best of three: others wait, too, while the machine stands still.
	for my $try (1 .. 3)
	{
		my $name = "slow_$try";
		make($name, 20_000);
		$job = planned($name);
		$node->psql('postgres', "CALL dbm.partition_copy($job, 'prepared')");
		my $holder = Session->new($node, 'postgres');
		$holder->must("BEGIN; UPDATE shop.$name SET status = status + 1 WHERE id = 1; INSERT INTO shop.${name}_log VALUES ('U', 1)");
		my $others = Writers::start($node, 'postgres', $smaller =~ s/shop\.orders/shop.$name/gr =~ s/random\(1, 20000\)/random(2, 20000)/gr, 2);
		my $psql = $node->background_psql('postgres', on_error_stop => 0);
		$psql->query_until(qr/sent/, "\\echo sent\nCALL dbm.partition_copy($job);\n");
		$node->poll_query_until('postgres', "SELECT phase IN ('catching_up', 'ready') FROM dbm.partition_copy WHERE id = $job") or die 'it does not come so far';
		usleep(2_000_000);
		is(sql("SELECT phase IN ('catching_up', 'ready') FROM dbm.partition_copy WHERE id = $job"), 't', 'it waits for a writer who does not end');
		$holder->must("UPDATE shop.$name SET status = status + 1 WHERE id = 1; INSERT INTO shop.${name}_log VALUES ('U', 1); COMMIT");
		$psql->quit;
		($longest, undef, $errors) = Writers::stop($others);
		is($errors, '', 'nobody else meets an error');
		is(sql("SELECT phase || coalesce(': ' || error, '') || coalesce(': waits for ' || waits_for, '') FROM dbm.partition_copy WHERE id = $job"),
			'cleaned', 'it ends once he does');
		is_as_logged($name, 20_000, 'and nothing is lost');
		$holder->quit;
		last if $longest < 1_000;
	}
	cmp_ok($longest, '<', 1_000, sprintf 'nor waits: %.0f ms at most', $longest);
}

$node->stop;
done_testing();
