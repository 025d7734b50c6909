# A server that dies (-9) while a table is put under the trail, taken out of it, while the log is sealed or kept, and while changes
# are taken back and brought back again, or are prepared: all or nothing, and log and tables agree. And the log on a standby, where it can be read.

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
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nrestart_after_crash = on\nmax_prepared_transactions = 4");
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
	last if $round > $rounds && !grep { !$hits{$_} } qw(seal install remove revert undo);
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
	$hits{undo} += killed("CALL dbm.undo($plan)", $after * 10);
	$now = sql('SELECT sum(balance) FROM account');
	ok($now == $before || $now == $before - 7 * 1500, "round $round: and brought back again, or not");
	is(agrees('account'), 't', "round $round: log and table agree");
	sql("CALL dbm.undo($plan)") if $now != $before;
	is(sql('SELECT sum(balance) FROM account'), $before, "round $round: and then it is as it was before");
}
cmp_ok($hits{$_}, '>', 0, "the server died in the middle of $_ ($hits{$_} times)") for qw(seal install remove revert undo);

# --- What is prepared outlives a crash

my $sum = sql('SELECT sum(balance) FROM account');
sql(q{BEGIN; SELECT dbm.set_context('user', 'mira'); UPDATE account SET balance = balance + 3 WHERE id <= 10; DELETE FROM account WHERE id = 3000; PREPARE TRANSACTION 'left'});
sql('UPDATE account SET balance = balance + 1 WHERE id = 11');
sql('SELECT count(*) FROM dbm.seal_audit_log()');
is(killed('SELECT pg_sleep(60)', 1000), 1, 'the server dies beside a prepared transaction');
is(sql(q{SELECT string_agg(gid, ' ') FROM pg_prepared_xacts}), 'left', 'which is there afterwards');
is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'the log is whole without it');
my $last = sql('SELECT max(change_id) FROM dbm_trail.change');
sql(q{COMMIT PREPARED 'left'});
is(agrees('account'), 't', 'log and table agree');
is(sql(q{SELECT string_agg(DISTINCT operation || (context->>'user'), ' ') FROM dbm.changes('account', max_rows => 11) WHERE context ? 'user'}), 'DELETEmira UPDATEmira', 'and tell who it was');
is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'nothing of it is told as added out of band');
sql('SELECT count(*) FROM dbm.seal_audit_log()');
is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'and it is sealed');

# --- Upkeep of the log: two years of it, of which three months are kept

sql(q{CREATE TABLE kept (id int PRIMARY KEY, balance int NOT NULL); SELECT dbm.install_audit_trigger('kept'); INSERT INTO kept VALUES (1, 0), (2, 0), (3, 0); SELECT count(*) FROM dbm.seal_audit_log()});
my $this_month = sql(q{SELECT date_trunc('month', now())});
for my $table ('change', 'activity')
{
	sql(<<"SQL");
SELECT format('CREATE TABLE dbm_trail.${table}_%s PARTITION OF dbm_trail.$table FOR VALUES FROM (%L) TO (%L)',
	to_char(m, 'YYYY_MM'), m, m + interval '1 month') FROM generate_series('$this_month'::timestamptz - interval '24 months', '$this_month'::timestamptz - interval '1 month', '1 month') AS m \\gexec
SQL
}
for my $back (reverse 1 .. 24)
{
	my $seen = sql('SELECT max(change_id) FROM dbm_trail.change');
	my $then = "'$this_month'::timestamptz - interval '$back months' + interval '10 days'";
	sql('UPDATE kept SET balance = balance + 1');
	sql("UPDATE dbm_trail.activity SET happened_at = $then WHERE activity_id > $seen; UPDATE dbm_trail.change SET changed_at = $then, transaction_started_at = $then WHERE change_id > $seen");
}
sql('SELECT count(*) FROM dbm.seal_audit_log()');
sql("SELECT dbm.partition_manage('dbm_trail.$_', 'month', retention => '3 months', on_missing => 'default', max_retire => 1)") for 'change', 'activity';
my $months = sub { my ($condition) = @_; return sql("SELECT count(*), count(*) FILTER (WHERE n = 3) FROM (SELECT date_trunc('month', changed_at) AS m, count(*) AS n FROM dbm.changes('kept') WHERE operation = 'UPDATE' AND changed_at < '$this_month' GROUP BY 1) AS x WHERE $condition") };
for my $round (1 .. 8)
{
	my $table = $round % 2 ? 'change' : 'activity';
	$hits{upkeep} += killed("SELECT count(*), pg_sleep(2) FROM dbm.partition_maintain('dbm_trail.$table')", int(rand(150_000)));
	is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, "upkeep $round: what went by policy is not missed, and nothing else went");
	sql('UPDATE kept SET balance = balance - 1 WHERE id = 1');
	is(sql(q{SELECT (new->>'balance')::int - (old->>'balance')::int FROM dbm.changes('kept', max_rows => 1)}), -1, "upkeep $round: and the log is written on");
	is($months->("m >= '$this_month'::timestamptz - interval '2 months'"), '2|2', "upkeep $round: the months that are kept are whole");
	my ($are, $whole) = split /\|/, $months->('true');
	is($whole, $are, "upkeep $round: and so is each of the others, or gone");
}
cmp_ok($hits{upkeep}, '>', 0, "the server died in the middle of upkeep ($hits{upkeep} times)");
for my $table ('change', 'activity')
{
	is(sql("SELECT count(*) FROM dbm.partition_maintain('dbm_trail.$table') WHERE status <> 'done'"), 0, "$table is kept after all");
	is(sql("SELECT count(*) FROM dbm.partition_maintain('dbm_trail.$table')"), 0, 'and then nothing is due');
}
is($months->("m < '$this_month'::timestamptz - interval '4 months'"), '0|0', 'what is older than its retention is gone');
is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'and not missed');

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
