# The log grows old: upkeep makes its partitions ahead and drops those that are older than its retention, and what is
# left is as it was sealed. Seals of rows that all went keep their roots alone.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Partitions qw(maintain statuses_of);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Seals qw(digest_of_seal);
use Test::More;
use Trail qw(found sql start tampered);

my $node = start('retained', "timezone = 'UTC'");
sub seal { return sql('SELECT max(seal_id) FROM dbm.seal_audit_log()') }

# What verification says beside rows.
sub noticed
{
	my ($code, $out, $error) = $node->psql('postgres', 'SELECT * FROM dbm.verify_audit_log()');
	is($out, '', 'nothing is wrong');
	return $error =~ /NOTICE:  (.*)/ ? $1 : $error;
}

# --- A log that is five months old, and seals of then

sql(<<'SQL');
CREATE EXTENSION dbmastery;
CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
SELECT dbm.install_audit_trigger('account');
SQL
my $this_month = sql(q{SELECT date_trunc('month', now())});
my $month = sub { my ($back) = @_; return sql("SELECT to_char('$this_month'::timestamptz - interval '$back months', 'YYYY_MM')") };
for my $table ('change', 'activity')
{
	sql(<<"SQL");
SELECT format('CREATE TABLE dbm_trail.${table}_%s PARTITION OF dbm_trail.$table FOR VALUES FROM (%L) TO (%L)',
	to_char(m, 'YYYY_MM'), m, m + interval '1 month') FROM generate_series('$this_month'::timestamptz - interval '5 months', '$this_month'::timestamptz - interval '1 month', '1 month') AS m \\gexec
SQL
}

# Rows that are written now, and were written so many months ago by what the log says.
my $seen = 0;
sub written
{
	my ($back, $statements) = @_;
	sql($statements);
	my $then = "'$this_month'::timestamptz - interval '$back months' + interval '10 days'";
	sql("UPDATE dbm_trail.activity SET happened_at = $then WHERE activity_id > $seen; UPDATE dbm_trail.change SET changed_at = $then, transaction_started_at = $then WHERE change_id > $seen");
	$seen = sql('SELECT max(change_id) FROM dbm_trail.change');
	return;
}

# The last seal, as if it had been made so many months ago.
sub sealed
{
	my ($back) = @_;
	my $seal = seal();
	sql("UPDATE dbm_trail.seal SET sealed_at = '$this_month'::timestamptz - interval '$back months' + interval '11 days' WHERE seal_id = $seal") if defined $back;
	sql('UPDATE dbm_trail.seal s SET digest = ' . digest_of_seal() . " WHERE seal_id = $seal");
	return $seal;
}

written(5, 'INSERT INTO account SELECT i, i FROM generate_series(1, 20) i');
written(4, 'UPDATE account SET balance = balance + 1 WHERE id <= 10');
my $old = sealed(4);
written(4, 'UPDATE account SET balance = balance + 1 WHERE id > 10');
written(2, 'UPDATE account SET balance = 0 WHERE id <= 5');
my $middle = sealed();
written(1, 'DELETE FROM account WHERE id = 20');
sql('UPDATE account SET balance = 7 WHERE id = 7');
my $young = sealed();
is("$old $middle $young", '1 2 3', 'three seals');
is(noticed(), '3 seals: ' . sql('SELECT sum(changes + activities + shapes + events) FROM dbm_trail.seal') . ' rows are as they were sealed, 0 are not sealed yet', 'all of it is as it was sealed');
my $digests = "'" . sql('SELECT jsonb_object_agg(seal_id, digest) FROM dbm.audit_log_digests()') . "'";

# --- Upkeep

my $parts = sub { my ($table) = @_; return sql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'dbm_trail.$table'::regclass") };
for my $table ('change', 'activity')
{
	is(sql("SELECT to_regclass('dbm_trail.${table}_" . $month->(-2) . "')"), '', "$table has no partition two months ahead yet");
	is(statuses_of(grep { $_->{action} ne 'create' } maintain($node, 'postgres', "dbm_trail.$table")), '', "$table: without a retention nothing goes");
	for my $ahead (1 .. 3)
	{
		is(sql("SELECT to_regclass('dbm_trail.${table}_" . $month->(-$ahead) . "') IS NOT NULL"), 't', "$table is made $ahead months ahead");
	}
	sql("SELECT dbm.partition_manage('dbm_trail.$table', 'month', retention => '2 months', on_missing => 'default')");
	my @done = maintain($node, 'postgres', "dbm_trail.$table");
	my @gone = grep { $_->{action} eq 'drop' || $_->{action} eq 'retire' } @done;
	ok(@gone && !(grep { $_->{status} ne 'done' } @done), "$table: what is older than its retention goes") or diag explain \@done;
	is(sql("SELECT string_agg((to_regclass('dbm_trail.${table}_' || m) IS NULL)::text, ' ' ORDER BY m) FROM unnest('{" . join(',', map { $month->($_) } 1 .. 5) . "}'::text[]) m"), 'true true true false false', "$table: the others stay");
	is(statuses_of(maintain($node, 'postgres', "dbm_trail.$table")), '', "$table: then nothing is due");
}
is(sql(q{SELECT count(*) FROM dbm_trail.change_default}), 0, 'nothing is in the default partition');
sql('UPDATE account SET balance = 8 WHERE id = 8');
is(sql('SELECT tableoid::regclass FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1'), 'dbm_trail.change_' . $month->(0), 'and what is written goes where it belongs');

# --- What is left

my $left = sql('SELECT (SELECT count(*) FROM dbm_trail.change WHERE change_id <= (SELECT max(change_number) FROM dbm_trail.seal)) + (SELECT count(*) FROM dbm_trail.activity WHERE activity_id <= (SELECT max(change_number) FROM dbm_trail.seal)) + (SELECT count(*) FROM dbm_trail.shape) + (SELECT count(*) FROM dbm_trail.event)');
my $sealed = sql('SELECT sum(changes + activities + shapes + events) FROM dbm_trail.seal');
my $gone = $sealed - $left;
cmp_ok($gone, '>=', 42, 'more than forty rows went with their partitions');
is(noticed(), "3 seals: $left rows are as they were sealed, $gone went with their partitions, 2 are not sealed yet", 'what went by policy is not missed');
my $leaves = 'SELECT string_agg(concat(seal_id, CASE WHEN change_leaves IS NULL THEN $$c$$ END, CASE WHEN activity_leaves IS NULL THEN $$a$$ END, CASE WHEN shape_leaves IS NULL THEN $$s$$ END, CASE WHEN event_leaves IS NULL THEN $$e$$ END), $$ $$ ORDER BY seal_id) FROM dbm_trail.seal';
is(sql($leaves), '1 2 3', 'seals have all their leaves');
is(seal(), 4, 'the next seal');
is(sql($leaves), '1ca 2 3 4', 'one of which all rows went keeps their root alone');
$left += 2;
is(noticed(), "4 seals: $left rows are as they were sealed, $gone went with their partitions, 0 are not sealed yet", 'and verification goes on without them');
is(found($digests), '', 'the digests of before still fit');
is(sql("SELECT count(*) FROM dbm.audit_log_digests() d JOIN jsonb_each_text($digests) e ON e.key::bigint = d.seal_id AND e.value = d.digest"), 3, 'and are what they were');

my $change = sub { my ($back) = @_; return sql('SELECT min(change_id) FROM dbm_trail.change_' . $month->($back)) };
for my $back (2, 1, 0)
{
	my $id = $change->($back);
	is(tampered("UPDATE dbm_trail.change SET operation = 'I' WHERE change_id = $id"), "altered|change|$id", "$back months ago: a row that is altered");
	is(tampered("DELETE FROM dbm_trail.change WHERE change_id = $id"), "removed|change|$id", "$back months ago: one that is removed");
	my $activity = sql("SELECT activity_id FROM dbm_trail.change WHERE change_id = $id");
	is(tampered("DELETE FROM dbm_trail.activity WHERE activity_id = $activity"), "removed|activity|$activity", "$back months ago: who it was");
}
my $first = $change->(2);
is(tampered("UPDATE dbm_trail.change SET changed_at = changed_at - interval '10 years' WHERE change_id = $first"), "altered|change|$first", 'one that is made older than what went');
is(tampered("INSERT INTO dbm_trail.change SELECT 1, '$this_month'::timestamptz - interval '5 months', activity_id, transaction_id, transaction_started_at, shape_id, statement_no, operation, flags, key, key_hash, old, new FROM dbm_trail.change WHERE change_id = $first"), 'added|change|1', 'one that is added to what went');
is(tampered('DELETE FROM dbm_trail.event'), join(',', map({ "removed|event|$_" } split /\n/, sql('SELECT event_id FROM dbm_trail.event ORDER BY 1')), 'added|relation|1'), 'that it was watched');
like(tampered("UPDATE dbm_trail.seal SET change_leaves = NULL WHERE seal_id = $middle"), qr/seal altered\|seal\|$middle$/, 'leaves of a seal of which rows are left');
is(tampered("UPDATE dbm_trail.seal SET change_root = sha256('') WHERE seal_id = $old"), "seal altered|seal|$old", 'the root of one of which none is');
like(tampered("UPDATE dbm_trail.seal SET sealed_at = sealed_at - interval '3 months', change_leaves = NULL WHERE seal_id = $young"), qr/seal altered\|seal\|$young$/, 'a seal that is made older, to be without leaves');

# --- The worker does the same

sql("SELECT dbm.partition_manage('dbm_trail.$_', 'month', retention => '1 month', on_missing => 'default')") for 'change', 'activity';
sql("DROP TABLE dbm_trail.change_" . $month->(-3));
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dbmastery'\ndbm.discovery_interval = 1s");
$node->restart;
my ($oldest, $newest) = ($month->(2), $month->(-3));
ok($node->poll_query_until('postgres', "SELECT to_regclass('dbm_trail.change_$oldest') IS NULL AND to_regclass('dbm_trail.activity_$oldest') IS NULL AND to_regclass('dbm_trail.change_$newest') IS NOT NULL"), 'the worker makes and drops partitions of the log');
is(found($digests), '', 'and all is as it was sealed');
seal();
is(sql("SELECT change_leaves IS NULL FROM dbm_trail.seal WHERE seal_id = $middle"), 'f', 'a seal that is younger than what is left keeps its leaves');
is(found($digests), '', 'all is as it was');
my $last = $change->(1);
is(tampered("DELETE FROM dbm_trail.change WHERE change_id = $last"), "removed|change|$last", 'and tampering is found');

done_testing();
