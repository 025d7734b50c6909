# Tables under the trail whose rows come by logical replication: the process that copies or applies them dies (-9) in the middle, and
# so does the server that sends them. Afterwards both sides are equal, and the log played from empty is the table. And a dump that
# is made while others write.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Replay qw(differs look make_replay then_differs writer);
use Server qw(stop_loop wait_for_restart wait_for_server);
use Session;
use Test::More;

my %conf = (
	publisher => "logical_decoding_work_mem = '64kB'",
	subscriber => "wal_retrieve_retry_interval = '100ms'\nmax_sync_workers_per_subscription = 2",
);
my ($publisher, $subscriber) = map {
	my $node = PostgreSQL::Test::Cluster->new($_);
	$node->init(extra => utf8_locale(), allows_streaming => 'logical');
	$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nrestart_after_crash = on\n$conf{$_}");
	$node->start;
	$node
} 'publisher', 'subscriber';

sub sql { return $subscriber->safe_psql('postgres', @_) }
sub publish { return $publisher->safe_psql('postgres', @_) }

my $columns = '(id bigint, at date, n int, note text, PRIMARY KEY (id, at))';
my @tables = qw(plain parted late);
my $day = '2025-03-01';
publish('CREATE EXTENSION dbmastery');
sql('CREATE EXTENSION dbmastery');
make_replay($_, 'postgres') for $publisher, $subscriber;
sql('ALTER SEQUENCE replay.id RESTART 5000000');
for my $node ($publisher, $subscriber)
{
	$node->safe_psql('postgres', <<"SQL");
CREATE TABLE plain $columns;
CREATE TABLE late $columns;
CREATE TABLE parted $columns PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2025-03-01') TO ('2025-03-05');
CREATE TABLE parted_2 PARTITION OF parted DEFAULT;
SQL
}
publish("CALL replay.fill('$_', 1, 3000, '$day')") for @tables;
publish('CREATE PUBLICATION p FOR TABLE plain, parted WITH (publish_via_partition_root = true)');
sql("SELECT dbm.install_audit_trigger('$_')") for 'plain', 'late';

sub level { my ($table) = @_; return sql("SELECT level || coalesce(problem, '') FROM dbm.audit_triggers() WHERE table_name = 'public.$table'") }

# Waits until all that was published so far is there.
sub caught_up
{
	my $upto = publish('SELECT pg_current_wal_lsn()');
	$publisher->poll_query_until('postgres', "SELECT coalesce(max(confirmed_flush_lsn), '0/0') >= '$upto' FROM pg_replication_slots WHERE slot_name = 's'") or die 'it does not catch up';
	return;
}

sub synchronised
{
	my ($count) = @_;
	$subscriber->poll_query_until('postgres', "SELECT count(*) = $count AND bool_and(srsubstate = 'r') FROM pg_subscription_rel") or die 'tables are not synchronised';
	return;
}

sub agrees
{
	my ($when) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	for my $table (@_[ 1 .. $#_ ])
	{
		my $sum = "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM $table t";
		is(sql($sum), publish($sum), "$when: $table is the same on both sides");
		is(differs($subscriber, 'postgres', $table), '', "$when: and what its log says");
	}
	is(sql(q{SELECT string_agg(problem, ' ') FROM dbm.audit_triggers()}), '', "$when: nothing is wrong");
	return;
}

# Kills who applies or copies rows, once a lock of ours holds him up.
sub kill_who_waits
{
	my ($what) = @_;
	my $waits = q{SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%worker' AND wait_event_type = 'Lock'};
	$subscriber->poll_query_until('postgres', "SELECT count(*) > 0 FROM ($waits) x") or die "nobody waits: $what";
	my ($log, $victim) = (-s $subscriber->logfile, (split /\n/, sql($waits))[0]);
	ok($victim && kill('KILL', $victim), "$what: the process that replicates dies in the middle");
	wait_for_restart($subscriber, $log);
	return;
}

# --- The first copy of a table

# Otherwise a crash may take back that a table is in step, after the slot of its copy was dropped: the server tries for ever then.
sql(q{CREATE SUBSCRIPTION s CONNECTION $$} . $publisher->connstr('postgres') . q{$$ PUBLICATION p WITH (enabled = false, create_slot = true, slot_name = 's', streaming = on, synchronous_commit = on)});
is(level('plain'), 'row', 'a table that is subscribed is watched row by row');
sql(q{SELECT dbm.install_audit_trigger('parted')});
is(level('parted'), 'row', 'so is one that is put under the trail later');
{
	my $holder = Session->new($subscriber, 'postgres');
	my ($id, $at) = split /\|/, publish('SELECT id, at FROM plain WHERE id = 1500');
	$holder->must("BEGIN; INSERT INTO plain VALUES ($id, '$at', -1, 'in the way')");
	sql('ALTER SUBSCRIPTION s ENABLE');
	kill_who_waits('the first copy');
	eval { $holder->quit };
}
synchronised(2);
agrees('copied', 'plain', 'parted');
is(sql(q{SELECT count(*), count(DISTINCT key) FROM dbm.changes('plain')}), '3000|3000', 'each row was logged once');
look($subscriber, 'postgres', 'copied', 'plain', 'parted');

# --- Changes that come afterwards

# The same again, held up at a row in the middle of what `statement` does on the other side.
sub killed_while
{
	my ($what, $table, $statement) = @_;
	my $holder = Session->new($subscriber, 'postgres');
	$holder->must("BEGIN; UPDATE $table SET note = 'held' WHERE id = 1500");
	publish($statement);
	kill_who_waits($what);
	eval { $holder->quit };
	caught_up();
	return agrees($what, 'plain', 'parted');
}
killed_while('a bulk UPDATE', 'plain', 'UPDATE plain SET n = n + 1 WHERE id <= 2000');
# Longer than what the other side keeps in memory: it comes before it is committed.
killed_while('a long transaction that is streamed', 'plain', "BEGIN; UPDATE plain SET n = n + 1, note = repeat('x', 200); DELETE FROM plain WHERE id % 50 = 1; COMMIT");
killed_while('rows that move between partitions', 'parted', "UPDATE parted SET at = '2025-03-01'::date + (at - '2025-03-01'::date + 5) % 10 WHERE id BETWEEN 1000 AND 2000");
killed_while('rows that go', 'parted', 'DELETE FROM parted WHERE id BETWEEN 1400 AND 1600');
publish("TRUNCATE parted; INSERT INTO parted SELECT i, '2025-03-02', 0, 'again' FROM generate_series(1, 2000) i");
caught_up();
is(sql(q{SELECT count(*) FROM parted}), 2000, 'TRUNCATE comes, too');
like(sql(q{SELECT string_agg(DISTINCT operation, ' ' ORDER BY operation) FROM dbm.changes('parted')}), qr/TRUNCATE/, 'and is logged');

# A table that comes to the subscription later, which was watched by statements.
is(level('late'), 'statement', 'a table that is not subscribed yet');
publish('ALTER PUBLICATION p ADD TABLE late');
sql('ALTER SUBSCRIPTION s REFRESH PUBLICATION');
is(level('late'), 'row', 'and one that is by now');
synchronised(3);

# Beside those who write on the other side; at any moment.
my @writers = map { writer($publisher, 'postgres', $_, 2000, $day) } @tables;
for my $round (1 .. 3)
{
	my $seen = publish('SELECT count(*) FROM replay.journal');
	$publisher->poll_query_until('postgres', "SELECT count(*) > $seen + 20 FROM replay.journal") or die 'nobody writes';
	my ($node, $victims) = $round == 2
		? ($publisher, q{SELECT active_pid FROM pg_replication_slots WHERE active_pid IS NOT NULL})
		: ($subscriber, q{SELECT pid FROM pg_stat_subscription WHERE pid IS NOT NULL});
	$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM ($victims) x") or die 'nobody replicates';
	my ($log, $victim) = (-s $node->logfile, (split /\n/, $node->safe_psql('postgres', $victims))[0]);
	wait_for_restart($node, $log) if $victim && kill 'KILL', $victim;
}
stop_loop($_) for @writers;
caught_up();
agrees('beside those who write', @tables);
is(then_differs($subscriber, 'postgres', 'copied', 'plain'), '', 'plain as it was when it had been copied');
sql('SELECT count(*) FROM dbm.seal_audit_log()');
is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'the seals hold');
sql(q{DROP SUBSCRIPTION s; SELECT dbm.install_audit_trigger('plain')});
is(level('plain'), 'statement', 'what is not subscribed any more can be watched by statements again');
sql("CALL replay.fill('plain', 10001, 10100, '$day')");
is(differs($subscriber, 'postgres', 'plain'), '', 'and wholly');

# --- A dump, while others write: log and tables are of one moment

@writers = map { writer($subscriber, 'postgres', $_, 2000, $day) } 'plain', 'late';
my $dump = $subscriber->basedir . '/dump';
$subscriber->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $subscriber->connstr('postgres') ], 'a dump beside those who write');
stop_loop($_) for @writers;
sql('CREATE DATABASE there');
$subscriber->command_ok([ 'pg_restore', '-d', $subscriber->connstr('there'), $dump ], 'restored');
is(differs($subscriber, 'there', $_), '', "$_ is what its log says there") for 'plain', 'late';
$subscriber->safe_psql('there', 'UPDATE plain SET n = n + 1 WHERE id % 3 = 0; DELETE FROM late WHERE id % 4 = 0');
is(differs($subscriber, 'there', $_), '', "$_ goes on") for 'plain', 'late';
is(then_differs($subscriber, 'there', 'copied', 'plain'), '', 'plain is told there as it was here');
is($subscriber->safe_psql('there', 'SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'the seals hold there');

$_->stop for $subscriber, $publisher;
done_testing();
