# A server that dies (-9) in the middle of writes of every kind under the trail, and of putting a schema under it, while
# others write: played from empty the log gives every table, byte for byte, and its seals hold.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(killed_in start_loop stop_loop);
use Test::More;
use Time::HiRes ();

my $seed = $ENV{DBM_SEED} // time;
srand $seed;
diag("seed $seed");

my $node = PostgreSQL::Test::Cluster->new('killed_beside');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off\nrestart_after_crash = on");
$node->start;

sub sql { return $node->safe_psql('postgres', @_) }

# Whole rows, so that the last change of a key is the row.
my $of = "(id int PRIMARY KEY, balance int NOT NULL DEFAULT 0, note text, at timestamptz DEFAULT clock_timestamp(), long text)";
my @tables = qw(single bulk copied parted emptied);
sql("CREATE EXTENSION dbmastery");
sql("CREATE TABLE $_ $of") for grep { $_ ne 'parted' } @tables;
sql("CREATE TABLE parted $of PARTITION BY RANGE (id)");
sql("CREATE TABLE parted_$_ PARTITION OF parted FOR VALUES FROM ($_ * 1000) TO ($_ * 1000 + 1000)") for 0 .. 5;
sql("SELECT dbm.install_audit_trigger('$_', store => 'full')") for @tables;
sql("INSERT INTO $_ (id, balance, note, long) SELECT i, i, 'n' || i, CASE WHEN i % 50 = 0 THEN repeat(md5(i::text), 200) END FROM generate_series(0, 1499) i") for qw(bulk parted emptied);
sql("INSERT INTO single (id) SELECT generate_series(1, 20)");
my $file = $node->basedir . '/rows';
append_to_file($file, join '', map { "$_\t1\tc\n" } 1 .. 3000);
sql("CREATE SCHEMA later");
sql("CREATE TABLE later.t_$_ (id int PRIMARY KEY, n int)") for 1 .. 12;

# The rows in which a table and the log, played from empty, differ; one statement sees both.
sub difference
{
	my ($table) = @_;
	return sql(<<"SQL");
WITH c AS (SELECT ordinality AS n, operation, key, new FROM dbm.changes('$table') WITH ORDINALITY),
    truncated AS (SELECT coalesce(min(n), 9223372036854775807) AS n FROM c WHERE operation = 'TRUNCATE'),
    last AS (SELECT DISTINCT ON (c.key) operation, new FROM c, truncated WHERE c.n < truncated.n ORDER BY c.key, c.n),
    played AS (SELECT new FROM last WHERE operation <> 'DELETE'),
    stands AS (SELECT jsonb_set(to_jsonb(t), '{at}', to_jsonb(to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'))) AS r FROM $table t),
    told AS (SELECT jsonb_set(new, '{at}', to_jsonb(to_char((new->>'at')::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'))) AS r FROM played)
SELECT string_agg(what || left(r::text, 200), E'\\n') FROM (
    SELECT 'only in the table: ' AS what, r FROM (SELECT r FROM stands EXCEPT SELECT r FROM told) a
    UNION ALL SELECT 'only in the log: ', r FROM (SELECT r FROM told EXCEPT SELECT r FROM stands) b LIMIT 5) d
SQL
}

# Who writes beside, with rows of his own in each table.
my @writers = map { start_loop($node, 'postgres', $_) }
	("UPDATE single SET balance = balance + 1 WHERE id = 1 + (random() * 19)::int", "BEGIN; INSERT INTO parted (id, note) VALUES (5000 + (random() * 900)::int, 'beside') ON CONFLICT (id) DO UPDATE SET balance = parted.balance + 1; DELETE FROM parted WHERE id = 5000 + (random() * 900)::int; UPDATE bulk SET note = 'beside' WHERE id = 4000 + (random() * 10)::int; COMMIT");

my %statements = (
	'a bulk UPDATE' => 'UPDATE bulk SET balance = balance + 1, note = note || balance WHERE id < 4000',
	'a bulk INSERT' => q{INSERT INTO bulk (id, note) SELECT i, 'in bulk' FROM generate_series(5000, 7000) i ON CONFLICT (id) DO UPDATE SET balance = bulk.balance + 1},
	'a bulk DELETE' => q{INSERT INTO bulk (id) SELECT i FROM generate_series(7001, 9000) i ON CONFLICT DO NOTHING; DELETE FROM bulk WHERE id > 7000},
	'a COPY' => "DELETE FROM copied; COPY copied (id, balance, note) FROM '$file'",
	'rows of partitions' => 'UPDATE parted SET balance = balance + 1 WHERE id < 4000',
	'rows that move' => 'UPDATE parted SET id = id + 4000 WHERE id < 500; UPDATE parted SET id = id - 4000 WHERE id BETWEEN 4000 AND 4499',
	'a TRUNCATE' => q{TRUNCATE emptied; INSERT INTO emptied (id, note) SELECT i, 'again' FROM generate_series(1, 1500) i},
	'savepoints' => q{DO $$ BEGIN FOR i IN 1 .. 100 LOOP BEGIN UPDATE bulk SET balance = balance + 1 WHERE id BETWEEN i AND i + 20; IF i % 3 = 0 THEN RAISE EXCEPTION 'back'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$},
);
my %long;
for my $what (sort keys %statements)
{
	my $start = Time::HiRes::time();
	sql("BEGIN; $statements{$what}; COMMIT");
	$long{$what} = Time::HiRes::time() - $start;
}
my %hits;
my $rounds = $ENV{TRAIL_KILLS} // 2;
for my $what (sort keys %statements)
{
	for my $try (1 .. $rounds + 5)
	{
		last if $try > $rounds && $hits{$what};
		# All of it is one transaction, which stays open for a moment when all is written.
		$hits{$what} += killed_in($node, "$statements{$what}; SELECT pg_sleep(2)", int(rand($long{$what} * 1e6 + 100_000)));
		for my $table (@tables)
		{
			is(difference($table), '', "$what, killed: $table is what the log says");
		}
	}
	is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, "$what: the seals hold");
	is(sql('SELECT string_agg(problem, $$ $$) FROM dbm.audit_triggers()'), '', "$what: everything is watched");
	sql('SELECT count(*) FROM dbm.seal_audit_log()');
	is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, "$what: and go on");
}

# A schema: all of its tables or none.
my $watched = q{SELECT count(*) FROM dbm.audit_triggers() WHERE table_name ~ '^later\.'};
my $triggers = q{SELECT count(DISTINCT tgrelid) FROM pg_trigger WHERE tgname ~ '^00_dbm_audit' AND tgrelid::regclass::text ~ '^later\.'};
for my $try (1 .. $rounds + 5)
{
	last if $try > $rounds && $hits{schema};
	$hits{schema} += killed_in($node, q{SELECT count(*), pg_sleep(1) FROM dbm.install_audit_triggers('{later}')}, int(rand(40_000)));
	my ($is_watched, $have) = (sql($watched), sql($triggers));
	like($is_watched, qr/^(?:0|12)$/, 'a schema is watched with all of its tables, or not');
	is($have, $is_watched, 'so are their triggers');
	sql(q{SELECT count(*) FROM dbm.install_audit_triggers('{later}'); CREATE TABLE later.new (id int PRIMARY KEY); INSERT INTO later.new VALUES (1)});
	is(sql($watched), 13, 'called again it is, with those to come');
	is(sql(q{SELECT count(*) FROM dbm.changes('later.new')}), 1, 'which are written down');
	sql(q{DROP TABLE later.new; SELECT count(*) FROM dbm.install_audit_triggers('{later}', false); SELECT count(dbm.remove_audit_trigger(oid)) FROM pg_class WHERE relnamespace = 'later'::regnamespace AND relkind = 'r'});
	is(sql($triggers), 0, 'and out of it again');
}
stop_loop($_) for @writers;
is(difference($_), '', "in the end $_ is what the log says") for @tables;
cmp_ok(sql(q{SELECT count(*) FROM dbm.changes('single')}), '>', 25, 'others wrote meanwhile');
cmp_ok($hits{$_}, '>', 0, "the server died in the middle of $_ ($hits{$_} times)") for sort keys %hits;

$node->stop;
done_testing();
