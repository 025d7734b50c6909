# A server that dies (-9) while a table is put under the trail, taken out of it, while the log is sealed and while changes
# are taken back: all or nothing, and log and tables agree. And the log on a standby, where it can be read.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(killed_in);
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('killed');
$node->init(extra => utf8_locale(), allows_streaming => 1);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nrestart_after_crash = on");
$node->start;

sub sql { return $node->safe_psql('postgres', @_) }

sql(<<'SQL');
CREATE EXTENSION dbmastery;
CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
SELECT dbm.install_audit_trigger('account');
INSERT INTO account SELECT i, 0 FROM generate_series(1, 3000) i;
CREATE TABLE parted (id int, balance int NOT NULL DEFAULT 0, PRIMARY KEY (id)) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE parted_%s PARTITION OF parted FOR VALUES FROM (%s) TO (%s)', i, i * 10, i * 10 + 10) FROM generate_series(0, 29) i \gexec
SQL

sub killed { return killed_in($node, @_) }

# What the log says of a table's balances, and what the table does.
sub agrees
{
	my ($table) = @_;
	return sql(<<"SQL");
SELECT (SELECT coalesce(sum(balance), 0) FROM $table) = (SELECT coalesce(sum(coalesce((new->>'balance')::int, 0) - coalesce((old->>'balance')::int, 0)), 0) FROM dbm.changes('$table'))
SQL
}

my %hits;
my $rounds = $ENV{TRAIL_KILLS} // 4;
# More of them, and sooner, where one of the four was always too late.
for my $round (1 .. $rounds + 20)
{
	last if $round > $rounds && !grep { !$hits{$_} } qw(seal install remove revert);
	my $after = int(rand(60_000 / ($round > $rounds ? $round - $rounds + 1 : 1)));
	# Sealing.
	sql(q{UPDATE account SET balance = balance + 1});
	$hits{seal} += killed('SELECT count(*), pg_sleep(2) FROM dbm.seal_audit_log()', $after * 3);
	is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, "round $round: after a crash while it was sealed the log is whole");
	sql('SELECT count(*) FROM dbm.seal_audit_log()');
	is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, "round $round: and is sealed on");
	is(agrees('account'), 't', "round $round: log and table agree");

	# Putting under the trail, and taking out of it.
	$hits{install} += killed(q{SELECT dbm.install_audit_trigger('parted'), pg_sleep(2)}, $after);
	my $is_watched = sql(q{SELECT count(*) FROM dbm.audit_triggers() WHERE table_name = 'public.parted'});
	my $triggers = sql(q{SELECT count(DISTINCT tgrelid) FROM pg_trigger WHERE tgname = '00_dbm_audit_row' AND tgrelid::regclass::text ~ '^parted'});
	is($triggers, $is_watched ? 31 : 0, "round $round: a table is under the trail with all its partitions, or not");
	is(sql(q{SELECT count(problem) FROM dbm.audit_triggers()}), 0, "round $round: nothing is wrong");
	sql(q{SELECT dbm.install_audit_trigger('parted'); INSERT INTO parted SELECT i, 1 FROM generate_series(0, 299) i ON CONFLICT (id) DO UPDATE SET balance = parted.balance + 1});
	$hits{remove} += killed(q{SELECT dbm.remove_audit_trigger('parted'), pg_sleep(2)}, $after);
	$is_watched = sql(q{SELECT count(*) FROM dbm.audit_triggers() WHERE table_name = 'public.parted'});
	$triggers = sql(q{SELECT count(DISTINCT tgrelid) FROM pg_trigger WHERE tgname LIKE '00_dbm_audit_%' AND tgrelid::regclass::text ~ '^parted'});
	is($triggers, $is_watched ? 31 : 0, "round $round: or is out of it with all of them, or not");
	sql(q{SELECT dbm.install_audit_trigger('parted')});
	is(agrees('parted'), 't', "round $round: log and table agree");

	# Taking back.
	my $transaction = (split /\n/, sql('BEGIN; UPDATE account SET balance = balance + 7 WHERE id <= 1500; SELECT pg_current_xact_id(); COMMIT'))[-1];
	my $before = sql('SELECT sum(balance) FROM account');
	my $plan = sql("SELECT dbm.revert_plan($transaction)");
	$hits{revert} += killed("CALL dbm.apply($plan)", $after * 10);
	my $now = sql('SELECT sum(balance) FROM account');
	ok($now == $before || $now == $before - 7 * 1500, "round $round: all was taken back or nothing");
	is(agrees('account'), 't', "round $round: log and table agree");
	sql("CALL dbm.apply($plan)") if $now == $before;
	is(sql('SELECT sum(balance) FROM account'), $before - 7 * 1500, "round $round: and then it is taken back");
}
cmp_ok($hits{$_}, '>', 0, "the server died in the middle of $_ ($hits{$_} times)") for qw(seal install remove revert);

# --- A standby

sql('SELECT count(*) FROM dbm.seal_audit_log()');
my $then = sql('SELECT clock_timestamp()');
sql(q{UPDATE account SET balance = -1 WHERE id = 1});
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('beside');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
sql(q{DELETE FROM account WHERE id = 2});
$node->wait_for_catchup($standby);
my %questions = (
	'what is watched' => 'SELECT string_agg(table_name || level || coalesce(problem, $$$$), $$ $$) FROM dbm.audit_triggers()',
	'changes' => q{SELECT string_agg(operation || key, ' ') FROM dbm.changes('account', max_rows => 2)},
	'all changes' => 'SELECT count(*) FROM dbm.changes()',
	'a history' => q{SELECT count(*) FROM dbm.row_history('account', '{"id": 2}')},
	'as it was' => qq{SELECT count(*), sum((d->>'balance')::int) FROM dbm.as_of('account', '$then') d},
	'as rows' => qq{SELECT count(*), sum(balance) FROM dbm.rows_as_of(NULL::account, '$then')},
	'seals' => 'SELECT count(*) FROM dbm.verify_audit_log()',
	'digests' => 'SELECT jsonb_object_agg(seal_id, digest) FROM dbm.audit_log_digests()',
);
for my $question (sort keys %questions)
{
	is($standby->safe_psql('postgres', $questions{$question}), sql($questions{$question}), "on a standby: $question");
}
like(($standby->psql('postgres', 'SELECT * FROM dbm.seal_audit_log()'))[2], qr/the audit log cannot be sealed on a standby/, 'sealing is refused there');
$standby->stop;

done_testing();
