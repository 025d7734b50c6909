# Every change for which there is a plan: applied while others write, the end is that of the change itself, and the way
# back leads to where it began.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use Plan qw(literal plan_row schema_of start_writers statuses steps stop_writers);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('changes');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off");
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN; CREATE DATABASE shop');
$node->safe_psql('shop', <<'SQL');
CREATE EXTENSION dbmastery;
GRANT USAGE ON SCHEMA dbm TO alice;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO alice;
GRANT CREATE ON DATABASE shop TO alice;
SET ROLE alice;
CREATE SCHEMA shop;
CREATE TYPE shop.state AS ENUM ('new', 'paid', 'sent');
CREATE DOMAIN shop.code AS text;
CREATE TABLE shop.customers (id bigint PRIMARY KEY, name text);
INSERT INTO shop.customers SELECT i, 'customer ' || i FROM generate_series(0, 999) AS i;
CREATE TABLE shop.orders (
	id int PRIMARY KEY, customer bigint, amount int NOT NULL, state shop.state, code shop.code, note text,
	touched int NOT NULL DEFAULT 0);
INSERT INTO shop.orders SELECT i, i % 1000, i % 77, 'new', 'c' || i, md5(i::text) FROM generate_series(1, 30000) AS i;
CREATE INDEX orders_note_idx ON shop.orders (note);
CREATE VIEW shop.states AS SELECT DISTINCT state FROM shop.orders;
ALTER TABLE shop.orders ADD CONSTRAINT amount_small CHECK (amount < 1000);
CREATE TABLE shop.lines (order_id int NOT NULL, line int NOT NULL, sku text, touched int NOT NULL DEFAULT 0);
INSERT INTO shop.lines SELECT i, 1, 'sku' || i % 100 FROM generate_series(1, 30000) AS i;
CREATE TABLE shop.events (id bigint NOT NULL, at date NOT NULL, touched int NOT NULL DEFAULT 0) PARTITION BY RANGE (at);
CREATE TABLE shop.events_1 PARTITION OF shop.events FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE shop.events_2 PARTITION OF shop.events FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
CREATE TABLE shop.events_3 (id bigint NOT NULL, at date NOT NULL, touched int NOT NULL DEFAULT 0);
INSERT INTO shop.events SELECT i, '2025-01-01'::date + i % 59 FROM generate_series(1, 20000) AS i;
INSERT INTO shop.events_3 SELECT i, '2025-03-01'::date + i % 31 FROM generate_series(1, 10000) AS i;
RESET ROLE;
SQL
# Until the extension fills in batches, in one.
$node->safe_psql('shop', <<'SQL') if $node->safe_psql('shop', q{SELECT to_regproc('dbm.backfill') IS NULL}) eq 't';
CREATE PROCEDURE dbm.backfill(t regclass, a text, p text) LANGUAGE plpgsql AS
'BEGIN EXECUTE format(''UPDATE %s SET %s WHERE %s'', t, a, p); END';
SQL
$node->safe_psql('shop', 'VACUUM ANALYZE');

my $orders = "\\set id random(1, 30000)\nUPDATE shop.orders SET touched = touched + 1 WHERE id = :id;\n";
my $lines  = "\\set id random(1, 30000)\nUPDATE shop.lines SET touched = touched + 1 WHERE order_id = :id;\n";
my $events = "\\set id random(1, 20000)\nUPDATE shop.events SET touched = touched + 1 WHERE id = :id;\n";

# The change; who writes; and what may differ from the change itself: the order of columns.
my @cases = (
	[ 'ALTER TABLE shop.orders ALTER COLUMN customer SET NOT NULL', $orders ],
	[ 'ALTER TABLE shop.orders ADD COLUMN flag boolean NOT NULL DEFAULT false', $orders ],
	[ 'ALTER TABLE shop.orders ADD COLUMN token uuid DEFAULT gen_random_uuid()', $orders, random => 'token' ],
	[ 'ALTER TABLE shop.orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()', $orders, random => 'token' ],
	[ 'ALTER TABLE shop.orders ALTER COLUMN amount TYPE bigint', $orders, order => 1 ],
	[ 'ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', $orders, order => 1 ],
	[ 'ALTER TABLE shop.orders ALTER COLUMN note TYPE varchar(40)', $orders, order => 1 ],
	[ 'ALTER TABLE shop.orders RENAME COLUMN note TO remark', $orders, order => 1 ],
	[ 'ALTER TABLE shop.orders RENAME TO purchases', undef ],
	[ 'ALTER TABLE shop.orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES shop.customers (id)', $orders ],
	[ 'ALTER TABLE shop.orders ADD CONSTRAINT orders_code_key UNIQUE (code)', $orders ],
	[ 'ALTER TABLE shop.lines ADD PRIMARY KEY (order_id, line)', $lines ],
	[ 'ALTER TABLE shop.orders ADD CONSTRAINT amount_positive CHECK (amount >= 0)', $orders ],
	[ 'CREATE INDEX orders_customer_idx ON shop.orders (customer)', $orders ],
	[ 'CREATE INDEX ON shop.orders (lower(note)) WHERE amount > 5', $orders ],
	[ 'CREATE UNIQUE INDEX orders_code_idx ON shop.orders (code)', $orders ],
	[ 'DROP INDEX shop.orders_note_idx', $orders ],
	[ 'ALTER TABLE shop.orders DROP COLUMN code', $orders, no_undo => 1 ],
	[ 'ALTER TABLE shop.orders DROP CONSTRAINT amount_small', $orders ],
	[ 'ALTER TABLE shop.orders ALTER COLUMN amount DROP NOT NULL', $orders ],
	[ q{ALTER TABLE shop.orders ALTER COLUMN note SET DEFAULT 'none'}, $orders ],
	[ q{ALTER TYPE shop.state ADD VALUE 'returned'}, $orders, no_undo => 1 ],
	[ q{ALTER DOMAIN shop.code ADD CONSTRAINT code_short CHECK (length(VALUE) < 20)}, $orders ],
	[ 'ALTER TABLE shop.events DETACH PARTITION shop.events_1', $events ],
	[ q{ALTER TABLE shop.events ATTACH PARTITION shop.events_3 FOR VALUES FROM ('2025-03-01') TO ('2025-04-01')}, $events ],
	[ 'CREATE INDEX events_id_idx ON shop.events (id)', $events ],
	[ 'ALTER TABLE shop.orders ADD CONSTRAINT amount_positive CHECK (amount >= 0), ALTER COLUMN customer SET NOT NULL, ADD COLUMN extra int', $orders ],
);

# Calls as alice in one statement; returns what was complained of.
sub call
{
	my ($database, $sql) = @_;
	my ($out, $error) = ('', '');
	IPC::Run::run([ 'psql', '-X', '-q', '-A', '-t', '-U', 'alice', '-d', $node->connstr($database), '-c', $sql ],
		'>', \$out, '2>', \$error);
	return ($error, $out);
}

# Applies or takes back, and does what people have to do between.
sub carry
{
	my ($database, $number, $direction) = @_;
	for (1 .. 20)
	{
		my ($error) = call($database, "CALL dbm.$direction($number)");
		return $error if $error !~ /NOTICE: .* waits: step (\d+) /;
		call($database, "SELECT dbm.confirm_step($number, $1)");
	}
	return 'it does not end';
}

# All rows but what the writers write, in an order that hangs on nothing.
sub data
{
	my ($database, $random) = @_;
	my $without = join '', map { " - '$_'" } 'touched', $random // ();
	return join "\n", map {
		$node->safe_psql($database, "SELECT '$_', count(*), md5(coalesce(string_agg(r, '' ORDER BY r), '')) "
			. "FROM (SELECT (to_jsonb(t)$without)::text AS r FROM $_ AS t) AS x")
	} split /\n/, $node->safe_psql($database, q{SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'shop' ORDER BY 1});
}

sub sorted { return join "\n", sort map { s/,$//r } split /\n/, $_[0] }

my ($worst, $worst_change) = (0, '');
my @report;
for my $case (@cases)
{
	my ($change, $script, %may) = @$case;
	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $_") for 'direct', 'planned';
	$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE shop") for 'direct', 'planned';
	my $before      = schema_of($node, 'planned');
	my $data_before = data('planned');
	$node->safe_psql('direct', "SET ROLE alice; $change");

	my ($error, $number) = call('planned', 'SELECT dbm.migration_plan(' . literal($change) . ')');
	if ($error ne '') { fail("$change: $error"); next }
	chomp $number;
	is(schema_of($node, 'planned'), $before, "$change: a plan changes nothing");
	my $writers = $script ? start_writers($node, 'planned', $script, seconds => 2) : undef;
	is(carry('planned', $number, 'apply'), '', "$change: applied");
	my ($count, $longest) = $writers ? stop_writers($writers) : (0, 0);
	my $said = statuses($node, 'planned', $number);
	like($said, qr/^(?:(?:done|skipped) ?)+$/, "$change: every step is done");

	my ($got, $expected) = map { schema_of($node, $_) } 'planned', 'direct';
	($got, $expected) = map { sorted($_) } $got, $expected if $may{order};
	is($got, $expected, "$change: the schema is that of the change itself");
	is(data('planned', $may{random}), data('direct', $may{random}), "$change: and so are the rows");
	if ($script)
	{
		my ($table) = $script =~ /UPDATE (\S+)/;
		is($node->safe_psql('planned', "SELECT sum(touched) FROM $table"), $count, "$change: no write is lost");
		cmp_ok($longest, '<=', 1000, sprintf '%s: of %d writes the longest took %.0f ms', $change, $count, $longest);
		($worst, $worst_change) = ($longest, $change) if $longest > $worst;
	}
	push @report, sprintf '%5.0f ms  %6d writes  %2d steps  %s', $longest, $count, scalar(split / /, $said), $change;

	my ($row) = rows($node, 'planned', "SELECT risk FROM dbm.plan WHERE plan = $number");
	if ($may{no_undo} || $row->{risk} eq 'high')
	{
		like(carry('planned', $number, 'undo'), qr/cannot be taken back|^$/, "$change: cannot be taken back, or is");
		next;
	}
	$node->safe_psql('planned', 'UPDATE shop.orders SET touched = 0 WHERE touched > 0') if $change !~ /RENAME TO/;
	$writers = $script ? start_writers($node, 'planned', $script, seconds => 2) : undef;
	is(carry('planned', $number, 'undo'), '', "$change: taken back");
	($count, $longest) = stop_writers($writers) if $writers;
	cmp_ok($longest, '<=', 1000, sprintf '%s: taken back, of %d writes the longest took %.0f ms', $change, $count, $longest);
	$got = schema_of($node, 'planned');
	($got, $before) = map { sorted($_) } $got, $before if $may{order};
	is($got, $before, "$change: the schema is what it was");
	is(data('planned'), $data_before, "$change: and so are the rows");
}
diag($_) for @report;
diag(sprintf 'the longest that any writer waited: %.0f ms (%s)', $worst, $worst_change);

$node->stop;
done_testing();
