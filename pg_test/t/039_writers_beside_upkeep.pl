# Writers and long readers beside upkeep and retention: nobody fails, nobody deadlocks, and no writer waits for a lock of
# upkeep longer than its limit.
# Runs alone: it measures how long writers wait.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use Partitions qw(keep lock_waits maintain);
use Plan qw(start_writers stop_writers);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = PostgreSQL::Test::Cluster->new('beside');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf',
	"max_worker_processes = 16\nlog_lock_waits = on\ndeadlock_timeout = 20ms\nautovacuum_naptime = 1s\ntimezone = 'UTC'\nlog_min_messages = log");
$node->start;
sub sql { return $node->safe_psql('postgres', @_) }
sql(<<'SQL');
CREATE EXTENSION dbmastery;
CREATE TABLE customer (id int PRIMARY KEY, visits int NOT NULL DEFAULT 0);
INSERT INTO customer SELECT generate_series(1, 1000);
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY, day int NOT NULL, customer int NOT NULL REFERENCES customer, amount int,
    PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE log (id bigint GENERATED ALWAYS AS IDENTITY, day int NOT NULL, note text) PARTITION BY RANGE (day);
CREATE TABLE log_default PARTITION OF log DEFAULT;
CREATE SEQUENCE clock;
SQL
# Numbers stand for days, so that a day goes by in no time. What is past 1000 is far ahead.
my %numbers = (key_kind => 'integer', every => '10', origin => '0', premake => 4, retention_number => 30, max_retire => 1);
keep($node, 'postgres', 'orders', %numbers);
keep($node, 'postgres', 'log', %numbers, on_missing => 'default');
sql('SELECT count(*) FROM dbm.partition_maintain()');
sql('INSERT INTO log (day, note) SELECT 100000 + i, repeat(md5(i::text), 4) FROM generate_series(1, 30000) i');

my $writing = <<'SQL';
\set customer random(1, 1000)
\set back random(0, 9)
SELECT least(last_value, LAST) AS today FROM clock \gset
\set day :today - :back
BEGIN;
INSERT INTO orders (day, customer, amount) VALUES (greatest(:day, 0), :customer, 1);
INSERT INTO log (day, note) VALUES (greatest(:day, 0), 'entry');
UPDATE orders SET amount = amount + 1 WHERE customer = :customer AND day >= :today - 5;
UPDATE customer SET visits = visits + 1 WHERE id = :customer;
COMMIT;
SQL
# A reader that keeps its snapshot for two seconds at a time.
my $reader = Session->new($node, 'postgres');
my ($runs, $failed, $done, $skipped, $count, $longest, @waits, $most);
# Writers wait longer, too, while the machine stands still: the best of three.
for my $try (1 .. 3)
{
	# Each ends at a day of its own, and the next begins there.
	my $last = 150 + 250 * $try;
	sql("SELECT setval('clock', least(last_value, $last - 250)) FROM clock") if $try > 1;
	my $place = -s $node->logfile;
	my $writers = start_writers($node, 'postgres', $writing =~ s/LAST/$last/r, clients => 6, seconds => 24);
	($runs, $failed, $done, $skipped) = (0, 0, 0, 0);
	my $end = time + 22;
	my $next_read = 0;
	while (time < $end)
	{
		if (time > $next_read)
		{
			$reader->must('COMMIT') if $next_read;
			$reader->must('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM orders');
			$next_read = time + 2;
		}
		sql(q{SELECT setval('clock', last_value + 4) FROM clock});
		for my $row (maintain($node, 'postgres', undef))
		{
			$failed++, diag(explain($row)) if $row->{status} eq 'failed';
			$done++ if $row->{status} eq 'done';
			$skipped++ if $row->{status} eq 'skipped';
		}
		$runs++;
		usleep(100_000);
	}
	$reader->must('COMMIT');
	($count, $longest) = stop_writers($writers);
	# Who waited for whom: the log names the processes of writers by their application.
	@waits = lock_waits($node, $place);
	($most) = sort { $b <=> $a } map { $_->[1] } grep { $_->[2] =~ /^(?:RowExclusiveLock|AccessShareLock|RowShareLock) on relation/ } @waits;
	last if ($most // 0) < 250 || $failed || $try == 3;
}
note(sprintf '%d runs: %d actions done, %d put off; %d transactions of writers, the longest took %.0f ms', $runs, $done, $skipped, $count, $longest);
is($failed, 0, 'nothing failed');
cmp_ok($done, '>', 20, "$done actions were done");
cmp_ok($count, '>', 500, "$count transactions were written meanwhile");
is(sql('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'), 0, 'nobody deadlocked');
note(sprintf '%d waits for locks in the log, the longest of a writer or reader for a relation %.0f ms', scalar @waits, $most // 0);
cmp_ok($most // 0, '<', 250, 'no writer waited for a lock of upkeep longer than its limit');
cmp_ok(sql(q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'orders'::regclass}), '<', 20, 'old partitions are gone');

$reader->quit;
$node->stop;
done_testing();
