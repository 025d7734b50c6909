# A server that dies (-9) while a watched table is drained, retired, archived, or becomes partitioned and is not any more, beside
# those who write: afterwards what is done goes on to its end, the log played from empty is the table, it has what those who write
# did and nothing else, and the table is told as it was.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use Partitions qw(keep partitions statuses_of);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Replay qw(differs look make_replay strays then_differs writer);
use Server qw(fault_at killed_in stop_loop wait_for_restart wait_for_server);
use Session;
use Test::More;
use Time::HiRes ();

my $seed = $ENV{DBM_SEED} // time;
srand $seed;
diag("seed $seed");

my $node = PostgreSQL::Test::Cluster->new('trail_kills');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off\nrestart_after_crash = on\ntimezone = 'UTC'");
$node->start;

sub sql { return $node->safe_psql('postgres', @_) }

# What somebody is told who may fail.
sub refused
{
	my ($code, $out, $error) = $node->psql('postgres', $_[0]);
	return $error;
}

my $day = '2025-03-01';
sql('CREATE EXTENSION dbmastery; CREATE SCHEMA shop; CREATE SCHEMA attic');
make_replay($node, 'postgres');

# One call, killed at places that it comes to one after the other; how often it was.
sub killed_at
{
	my ($call, $then, @places) = @_;
	my $kills = 0;
	for my $place (@places)
	{
		fault_at($node, "copy:$place");
		my $log = -s $node->logfile;
		my $is_cut_off = $node->psql('postgres', $call) == 2;
		if ($is_cut_off || slurp_file($node->logfile, $log) =~ /was terminated by signal 9/)
		{
			$kills++;
			wait_for_restart($node, $log);
		}
		$then->($place);
	}
	fault_at($node, '');
	return $kills;
}

# The log is what the table is, and what was done to it.
sub agrees
{
	my ($table, $when, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(differs($node, 'postgres', $table, %options), '', "$when: $table is what its log says");
	is(strays($node, 'postgres', $table), '', "$when: which has what was done to $table, and nothing else");
	is(sql("SELECT string_agg(problem, ' ') FROM dbm.audit_triggers()"), '', "$when: it is watched");
	return;
}

# Kinds of events of a table since a number, in their order.
sub events
{
	my ($table, $since) = @_;
	return sql("SELECT string_agg(kind, ' ' ORDER BY event_id) FROM dbm_trail.event JOIN dbm_trail.relation r USING (relation_id) WHERE format('%I.%I', r.schema_name, r.table_name) = '$table' AND event_id > $since");
}

# --- A default partition is drained

sql(<<'SQL');
CREATE TABLE shop.log (id bigint, at date, n int, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE shop.log_2025_03_20 PARTITION OF shop.log FOR VALUES FROM ('2025-03-20') TO ('2025-03-21');
CREATE TABLE shop.log_default PARTITION OF shop.log DEFAULT;
CREATE INDEX ON shop.log (id);
SELECT dbm.install_audit_trigger('shop.log');
SQL
my %daily = (key_kind => 'date', origin => '2000-01-01', every => '1 day', on_missing => 'default', premake => 1);
keep($node, 'postgres', 'shop.log', %daily);
sql("CALL replay.fill('shop.log', 1, 6000, '$day')");
look($node, 'postgres', 'at first', 'shop.log');
my $since = sql('SELECT max(event_id) FROM dbm_trail.event');
my @writers = map { writer($node, 'postgres', 'shop.log', 6000, $day) } 1, 2;
my $kills = killed_at(q{SELECT * FROM dbm.partition_drain('shop.log')}, sub { agrees('shop.log', "drain killed at $_[0]") },
	'prepared', 'batch', 'copying:2', 'replayed', 'ready', 'uncommitted', 'swapped', 'verified');
cmp_ok($kills, '>=', 7, "it was killed $kills times");
is(statuses_of(rows($node, 'postgres', q{SELECT * FROM dbm.partition_drain('shop.log')})), 'drain done', 'the next one ends it');
is(sql(q{SELECT count(*) FROM shop.log_default}), 0, 'the default partition is empty');
is(events('shop.log', $since), 'moved', 'the log is told that rows were moved, once, and of none that came or went');
look($node, 'postgres', 'drained', 'shop.log');
agrees('shop.log', 'drained');
is(then_differs($node, 'postgres', 'at first', 'shop.log'), '', 'before it was drained it was what it was');
is(sql(<<'SQL'), '', 'the history of a row is what was done to it');
SELECT string_agg(concat_ws(' ', t.id, written, told), ', ') FROM (SELECT id, string_agg(op, '' ORDER BY n) AS written FROM replay.journal WHERE name = 'shop.log' GROUP BY 1 HAVING bool_and(op <> 'K') ORDER BY count(*) DESC LIMIT 10) j
	JOIN shop.log t ON t.id = j.id::bigint,
	LATERAL (SELECT string_agg(left(operation, 1), '' ORDER BY ordinality) AS told FROM dbm.row_history('shop.log', jsonb_build_object('id', t.id, 'at', t.at)) WITH ORDINALITY) h
WHERE told IS DISTINCT FROM written
SQL

# At moments that nobody chose: the process that asked for it, or somebody who writes.
sql("CALL replay.fill('shop.log', 6001, 9000, '2025-04-01')");
my %hits = map { $_ => 0 } 'a drain', 'a writer';
for my $try (1 .. 8)
{
	last if $hits{'a drain'};
	my $long = 600_000 / $try;
	$hits{'a drain'} += killed_in($node, q{SELECT * FROM dbm.partition_drain('shop.log')}, int(rand($long)));
	agrees('shop.log', 'a drain killed');
	sql("CALL replay.fill('shop.log', @{[ 9000 + 3000 * $try ]}, @{[ 11999 + 3000 * $try ]}, '2025-04-01'::date + 10 * $try)") if !$hits{'a drain'};
}
{
	my $drain = IPC::Run::start([ $node->installed_command('psql'), '-X', '-q', '-d', $node->connstr('postgres'), '-c', q{SELECT * FROM dbm.partition_drain('shop.log')} ],
		'<', \undef, '>', \my $out, '2>', \my $error);
	my $writes = q{SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL replay.work%' AND state = 'active' LIMIT 1};
	for (1 .. 100)
	{
		last if $hits{'a writer'};
		$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($writes) x") or die 'nobody writes';
		# It may be gone by then.
		my ($log, $victim) = (-s $node->logfile, sql($writes));
		next if !$victim || !kill 'KILL', $victim;
		$hits{'a writer'}++;
		wait_for_restart($node, $log);
	}
	is($hits{'a writer'}, 1, 'somebody who writes is killed');
	$drain->finish;
	wait_for_server($node);
	agrees('shop.log', 'somebody who writes killed');
}
is(statuses_of(rows($node, 'postgres', q{SELECT * FROM dbm.partition_drain('shop.log')})), 'drain done', 'the next one ends it');
agrees('shop.log', 'drained once more');

# --- Partitions are retired, and go to a schema that is watched as a whole: at once, and concurrently where no default partition forbids it

sql(<<'SQL');
CREATE TABLE shop.days (id bigint, at date, n int, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
SELECT format('CREATE TABLE shop.days_2025_03_%s PARTITION OF shop.days FOR VALUES FROM (%L) TO (%L)', to_char(d, 'DD'), d::date, d::date + 1) FROM generate_series('2025-03-01'::date, '2025-03-10', '1 day') d \gexec
CREATE INDEX ON shop.days (id);
SELECT dbm.install_audit_trigger('shop.days');
SELECT count(*) FROM dbm.install_audit_triggers('{attic}');
SQL
sql("CALL replay.fill('shop.days', 1, 2000, '$day')");
push @writers, writer($node, 'postgres', 'shop.days', 2000, $day);
my %goes = (retention => '1 day', retention_action => 'archive', archive_schema => 'attic', max_retire => 1);
keep($node, 'postgres', 'shop.log', %daily, %goes);
keep($node, 'postgres', 'shop.days', %daily, on_missing => 'error', %goes);
for my $table ('shop.log', 'shop.days')
{
	look($node, 'postgres', 'before retiring', $table);
	my ($name, $hit) = ($table =~ s/shop\.//r, "retiring partitions of $table");
	$hits{$hit} = 0;
	# Also those that are half detached.
	my $gone = sub { return split /\n/, sql("SELECT format('%I.%I', relnamespace::regnamespace, relname) FROM pg_class c WHERE relname ~ '^${name}_2025' AND relkind = 'r' AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid AND NOT inhdetachpending) ORDER BY 1") };
	for my $round (1 .. 7)
	{
		last if $round > 2 && $hits{$hit};
		my $upkeep = sprintf "SELECT count(*) FROM dbm.partition_maintain('$table', at => '2025-03-%02d')", $round + 2;
		$hits{$hit} += killed_in($node, "$upkeep; SELECT pg_sleep(1)", int(rand(200_000 / $round)));
		agrees($table, "retiring killed ($round)", also => [ $gone->() ]);
		# Somebody who writes may be in the way of the first.
		for (1 .. 20) { last if sql("SELECT count(*) FROM pg_inherits WHERE inhparent = '$table'::regclass AND inhdetachpending") eq '0' && scalar($gone->()) >= $round; sql("SET dbm.upkeep_lock_timeout = '10s'; $upkeep") }
		is(scalar(() = $gone->()), $round, "$round of $table are retired after all");
	}
	# Half detached, since somebody reads, and ended by the next: it is archived then, too.
	my %before = map { $_ => 1 } $gone->();
	my $half = "SELECT count(*) FROM pg_inherits WHERE inhparent = '$table'::regclass AND inhdetachpending";
	my $holder = Session->new($node, 'postgres');
	$holder->must("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM $table");
	sql("SELECT count(*) FROM dbm.partition_maintain('$table', at => '2025-03-10')");
	is(sql($half), $table eq 'shop.days' ? 1 : 0, "a partition of $table is half detached, where that can be");
	$holder->must('COMMIT');
	$holder->quit;
	for (1 .. 20) { last if sql("SELECT count(*) FROM dbm.partition_maintain('$table', at => '2025-03-10') WHERE status <> 'done'") eq '0' }
	is(sql($half), 0, 'and then wholly');
	my @since = grep { !$before{$_} } $gone->();
	cmp_ok(scalar(@since), '>', 0, "partitions of $table went");
	is(join(' ', grep { !/^attic/ } @since), '', 'and all of them are archived');
	agrees($table, 'retired', also => [ $gone->() ]);
	my ($archived) = grep { /^attic/ } $gone->();
	my $logged = sql("SELECT count(*) FROM dbm.changes('$archived')");
	sql("UPDATE $archived SET n = n + 1 WHERE id = (SELECT min(id) FROM $archived)");
	is(sql("SELECT count(*) FROM dbm.changes('$archived')") - $logged, 1, 'what is archived in a watched schema is watched there');
}
is(then_differs($node, 'postgres', 'before retiring', 'shop.days'), '', 'the table as it was, with the rows that went');
# Rows that a drain moved to a partition came to another for the log: that they went with it no change tells.
my $then = sql(q{SELECT min(at) FROM replay.seen WHERE moment = 'before retiring' AND name = 'shop.log'});
like(refused("SELECT count(*) FROM dbm.as_of('shop.log', '$then')"), qr/WARNING:  not all that was done to shop\.log is in the audit log/, 'where they had been moved before, it is said that some may be missing');
stop_loop($_) for @writers;
# That is luck; what is checked is what was left behind.
note("the server died in the middle of $_ $hits{$_} times") for sort keys %hits;
is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'nothing in the log is taken for forged');

# --- A table that becomes partitioned, and is put under the trail meanwhile: before the switch, and after it

sub convert { return sql("SELECT dbm.partition_convert_plan('shop.$_[0]', 'at', 'month', method => '$_[1]', accept => '{primary_key}')") }
for my $method ('copy', 'attach')
{
	my $name = "by_$method";
	my $table = "shop.$name";
	sql("CREATE TABLE $table (id bigint PRIMARY KEY, at date NOT NULL, n int, note text)");
	sql("CALL replay.fill('$table', 1, 3000, current_date - 40)");
	sql('DELETE FROM replay.journal');
	my $plan = convert($name, $method);
	my $writer = writer($node, 'postgres', $table, 3000, sql('SELECT current_date - 40'));
	killed_at("CALL dbm.apply($plan)", sub { }, 'batch') if $method eq 'copy';
	my $installed = "SELECT dbm.install_audit_trigger('$table'); SELECT last_value FROM replay.journal_n_seq";
	my $from = (split /\n/, sql("BEGIN; $installed; COMMIT"))[-1];
	# What was there before is not in the log.
	my $is_logged = sub { strays($node, 'postgres', $table, when => "j.n > $from") };
	like(refused("CALL dbm.apply($plan)"), qr/is not what it was when its conversion was planned/, "$method: a table that was put under the trail meanwhile is not switched");
	is($is_logged->(), '', "$method: all that is done to it is logged");
	unlike(refused("CALL dbm.undo($plan)"), qr/ERROR/, "$method: taken back");
	is($is_logged->(), '', "$method: and still is");
	sql("SELECT dbm.remove_audit_trigger('$table')");

	# After the switch, as long as there is a way back.
	$plan = convert($name, $method);
	refused("CALL dbm.apply($plan)");
	is(sql("SELECT relkind FROM pg_class WHERE oid = '$table'::regclass"), 'p', "$method: partitioned");
	$from = (split /\n/, sql("BEGIN; $installed; COMMIT"))[-1];
	killed_at("CALL dbm.undo($plan)", sub { }, 'back_uncommitted') if $method eq 'copy';
	like(refused("CALL dbm.undo($plan)"), qr/\Q$table\E is under the audit trail, whose history would break off/, "$method: the way back does not end the watching of a table without a word");
	is($is_logged->(), '', "$method: all that is done to it is logged");
	is(sql("SELECT count(*) FROM dbm.audit_triggers() WHERE table_name = '$table' AND problem IS NULL"), 1, "$method: it is watched");
	sql("SELECT dbm.remove_audit_trigger('$table')");
	unlike(refused("CALL dbm.undo($plan)"), qr/ERROR/, "$method: it is taken back when it is not any more");
	is(sql("SELECT relkind FROM pg_class WHERE oid = '$table'::regclass"), 'r', "$method: to what it was");
	stop_loop($writer);
}

$node->stop;
done_testing();
