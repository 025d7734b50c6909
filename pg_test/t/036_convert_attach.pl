# A table becomes partitioned while others write to it: every write comes through once and soon, everything that belonged to
# the table belongs to it afterwards, and the way back leads to where it was.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use Changes qw(call carry);
use Conversion qw(accounts checksums is_all_but_keys make_orders plan_conversion writers);
use Plan qw(plan_row schema_of start_writers steps stop_writers);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX qw(WNOHANG);
use Server qw(wait_for_server);
use Test::More;

my $rows = 20000;
my $node = PostgreSQL::Test::Cluster->new('convert');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice' ]);
$node->append_conf('postgresql.conf',
	"autovacuum = off\nmax_worker_processes = 16\nfsync = off\nwal_level = logical\nrestart_after_crash = on");
$node->start;
make_orders($node, rows => $rows);
my $before = schema_of($node, 'shop');
$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE shop") for 'quiet', 'killed', 'other';

# Nobody writes: there and back, byte for byte.
my $was = checksums($node, 'quiet');
my $number = plan_conversion($node, 'quiet');
is(schema_of($node, 'quiet'), $before, 'a plan changes nothing');
$node->safe_psql('postgres', q{ALTER DATABASE quiet SET log_min_messages = debug1});
my $log = -s $node->logfile;
is(carry($node, 'quiet', $number, 'apply'), '', 'applied');
$node->safe_psql('postgres', q{ALTER DATABASE quiet RESET log_min_messages});
like(slurp_file($node->logfile, $log), qr/partition constraint for table "orders_history" is implied by existing constraints/,
	'no row is read under lock');
my $verified = () = slurp_file($node->logfile, $log) =~ /verifying table "(?:orders|orders_history)"/g;
is($verified, 1, 'every row was read once, to prove the bound while others write');
is($node->safe_psql('quiet', q{SELECT count(*) FROM pg_index WHERE indrelid = 'shop.orders_history'::regclass}), '4',
	'no index was built by the way');
is($node->safe_psql('quiet', q{SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname LIKE '%dbm%' AND relnamespace = 'shop'::regnamespace}),
	'', 'nothing is called by a name for the time between');
my $after = schema_of($node, 'quiet');
is_all_but_keys($before, $after);
is($node->safe_psql('quiet', "SET ROLE reader; SELECT count(*) FROM shop.orders"),
	$node->safe_psql('shop', "SET ROLE reader; SELECT count(*) FROM shop.orders"), 'policies hide what they hid');
is($node->safe_psql('quiet', 'SELECT shop.how_many()'), $rows, 'a function reads the partitioned table');
$node->safe_psql('quiet', q{INSERT INTO shop.orders (customer, created_at) VALUES (1, now() + interval '75 days')});
is($node->safe_psql('quiet', 'SELECT shop.how_many()'), $rows + 1, 'and sees what lies in another partition');
is($node->safe_psql('quiet', q{SELECT count(*) FROM shop.totals_above}), '100', 'and so does a view');
is($node->safe_psql('quiet', q{SELECT max(id) FROM shop.orders}), $rows + 1, 'the identity went on');
$node->safe_psql('quiet', "INSERT INTO shop.lines VALUES ($rows + 1, 1)");
is($node->safe_psql('quiet', "SELECT orders_created_at = o.created_at FROM shop.lines l JOIN shop.orders o ON o.id = l.order_id WHERE l.order_id = $rows + 1"),
	't', 'a line finds the key of its order');
my ($status, undef, $error) = $node->psql('quiet', 'INSERT INTO shop.lines VALUES (-1, 1)');
like($error, qr/insert or update on table "lines" violates foreign key constraint "lines_order_id_fkey"/, 'but not of none');
$node->safe_psql('quiet', "UPDATE shop.orders SET created_at = now() WHERE id = $rows + 1");
is($node->safe_psql('quiet', "SELECT orders_created_at = o.created_at FROM shop.lines l JOIN shop.orders o ON o.id = l.order_id WHERE l.order_id = $rows + 1"),
	't', 'and follows it');
$node->safe_psql('quiet', "DELETE FROM shop.orders WHERE id = $rows + 1");
is($node->safe_psql('quiet', "SELECT count(*) FROM shop.lines WHERE order_id = $rows + 1"), '0', 'and goes with it');
is(carry($node, 'quiet', $number, 'undo'), '', 'taken back');
is(schema_of($node, 'quiet'), $before, 'the schema is what it was');
is(checksums($node, 'quiet'), $was, 'and so are the rows');

# What a table can have besides: a primary key with the key, keys without it, a replica identity of its own, forced policies, a
# foreign key that holds the key; by a date and by a number.
$node->safe_psql('other', <<'SQL');
SET ROLE alice;
CREATE TABLE shop.events (id bigint, at date, email text CONSTRAINT events_email_key UNIQUE, code int, n serial, note text DEFAULT 'it''s',
	PRIMARY KEY (id, at), UNIQUE (at, id) DEFERRABLE INITIALLY DEFERRED);
CREATE UNIQUE INDEX events_code ON shop.events (code, lower(note)) WHERE code > 5;
INSERT INTO shop.events SELECT i, current_date - i % 100, 'e' || i, i FROM generate_series(1, 5000) AS i;
ALTER TABLE shop.events REPLICA IDENTITY USING INDEX events_pkey;
ALTER TABLE shop.events CLUSTER ON events_email_key;
CREATE POLICY half ON shop.events USING (id % 2 = 0);
ALTER TABLE shop.events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE shop.notes (event bigint, at date, note text, FOREIGN KEY (event, at) REFERENCES shop.events (id, at) MATCH FULL DEFERRABLE);
INSERT INTO shop.notes SELECT id, at, 'n' FROM shop.events;
SQL
my $events = 'SELECT count(*), sum(hashtextextended(e::text, 0)::numeric) FROM shop.events e';
for my $how (q{'at', 'week'}, q{'id', '1000'})
{
	my ($schema, $sum) = (schema_of($node, 'other'), $node->safe_psql('other', $events));
	my $plan = $node->safe_psql('other', "SELECT dbm.partition_convert_plan('shop.events', $how, accept => '{unique}')",
		extra_params => [ '-U', 'alice' ]);
	is(carry($node, 'other', $plan, 'apply'), '', "$how: applied");
	is($node->safe_psql('other', $events), $sum, "$how: all rows are there");
	is($node->safe_psql('other', q{SELECT relkind::text || relreplident::text || relforcerowsecurity::text FROM pg_class WHERE oid = 'shop.events'::regclass}),
		'pitrue', "$how: partitioned, with its replica identity and its policies forced");
	is($node->safe_psql('other', q{SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conrelid = 'shop.events'::regclass AND contype IN ('p', 'u')}),
		'events_at_id_key events_email_key events_pkey', "$how: its keys have their names");
	# Rows that only other partitions take, and that policies hide from alice, come back.
	$node->safe_psql('other', q{INSERT INTO shop.events SELECT 9000 + i, current_date + 20 + i, 'f' || i FROM generate_series(1, 6) AS i})
		if $how =~ /week/;
	$sum = $node->safe_psql('other', $events);
	is(carry($node, 'other', $plan, 'undo'), '', "$how: taken back");
	is($node->safe_psql('other', $events), $sum, "$how: with all rows");
	is(schema_of($node, 'other'), $schema, "$how: to where it was");
}

# While others write.
my ($writers, $count, $longest);
# Writers wait, too, while the machine stands still: the best of three.
for my $try (1 .. 3)
{
	$number = plan_conversion($node, 'shop');
	my $began = time;
	$writers = start_writers($node, 'shop', writers($rows), seconds => 25, clients => 4);
	is(carry($node, 'shop', $number, 'apply'), '', 'applied while others write');
	is(plan_row($node, 'shop', $number)->{status}, 'done', 'to its end');
	# They end by themselves where the machine is slow.
	ok(waitpid($writers->{pid}, WNOHANG) == 0 || time - $began >= 25, 'and none of them was thrown out meanwhile');
	($count, $longest) = stop_writers($writers);
	is(accounts($node, 'shop', $rows), '', "all of $count writes came through once");
	last if $longest <= 1000 || $try == 3;
	is(carry($node, 'shop', $number, 'undo'), '', 'taken back, to be tried again');
}
cmp_ok($longest, '<=', 1000, sprintf 'none waited longer than 1 s: the longest %.0f ms', $longest);
diag(sprintf 'applied: of %d writes the longest took %.0f ms', $count, $longest);
my $wrote = checksums($node, 'shop');
# Rows of the months to come lie in partitions of their own, and come back.
$node->safe_psql('shop', q{INSERT INTO shop.orders (customer, store, created_at) SELECT 1, 3, now() + i * interval '1 day' FROM generate_series(30, 80) AS i});
$node->safe_psql('shop', q{INSERT INTO shop.lines SELECT id, 1 FROM shop.orders WHERE created_at > now() + interval '29 days'});
$node->safe_psql('shop', q{INSERT INTO shop.journal SELECT 'I', id FROM shop.orders WHERE created_at > now() + interval '29 days'});
for my $try (1 .. 3)
{
	$writers = start_writers($node, 'shop', writers($rows), seconds => 15, clients => 4);
	is(carry($node, 'shop', $number, 'undo'), '', 'taken back while others write');
	($count, $longest) = stop_writers($writers);
	is(accounts($node, 'shop', $rows), '', "all of $count writes came through once");
	last if $longest <= 1000 || $try == 3;
	$number = plan_conversion($node, 'shop');
	is(carry($node, 'shop', $number, 'apply'), '', 'applied, to be taken back again');
}
cmp_ok($longest, '<=', 1000, sprintf 'none waited longer than 1 s: the longest %.0f ms', $longest);
diag(sprintf 'taken back: of %d writes the longest took %.0f ms', $count, $longest);
is(schema_of($node, 'shop'), $before, 'the schema is what it was');

# Killed with -9 at a boundary of each step and within it, one place after the other; then back, killed in each step.
$number = plan_conversion($node, 'killed');
my @places = ('recorded', 'uncommitted', 'committed', 'before');
my ($turn, $kills) = (0, 0);
for my $step (map { $_->{step} } steps($node, 'killed', $number))
{
	my $place = $places[ $turn++ % @places ];
	my ($said) = call($node, 'killed', "CALL dbm.apply($number)", fault => "$step:$place");
	next if $said !~ /server closed the connection|terminating connection/;
	$kills++;
	wait_for_server($node);
}
is(carry($node, 'killed', $number, 'apply'), '', 'killed in every step, the next call goes on') if plan_row($node, 'killed', $number)->{status} ne 'done';
is(plan_row($node, 'killed', $number)->{status}, 'done', "killed $kills times, to the end");
is(schema_of($node, 'killed'), $after, 'which is the same');
for my $step (reverse map { $_->{step} } grep { $_->{undo} } steps($node, 'killed', $number))
{
	my ($said) = call($node, 'killed', "CALL dbm.undo($number)", fault => "$step:undo_statement");
	next if $said !~ /server closed the connection|terminating connection/;
	$kills++;
	wait_for_server($node);
}
like(carry($node, 'killed', $number, 'undo'), qr/^$|nothing to take back/, 'killed on the way back, it goes on');
is(schema_of($node, 'killed'), $before, 'to where it was');
is(checksums($node, 'killed'), $was, 'with all rows');
cmp_ok($kills, '>', 20, "killed $kills times");

$node->stop;
done_testing();
