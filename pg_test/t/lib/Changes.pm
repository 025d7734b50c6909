# A small shop, the changes to it for which there are plans, and who carries a plan through.

package Changes;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use Plan qw(literal);

our @EXPORT_OK = qw(call carry cases make_shop sorted);

# Makes the database shop, which belongs to alice.
sub make_shop
{
	my ($node, %options) = @_;
	$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN; CREATE DATABASE shop');
	my $rows = $options{rows} // 30000;
	$node->safe_psql('shop', <<"SQL");
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
INSERT INTO shop.orders SELECT i, i % 1000, i % 77, 'new', 'c' || i, md5(i::text) FROM generate_series(1, $rows) AS i;
CREATE INDEX orders_note_idx ON shop.orders (note);
CREATE VIEW shop.states AS SELECT DISTINCT state FROM shop.orders;
ALTER TABLE shop.orders ADD CONSTRAINT amount_small CHECK (amount < 1000);
CREATE TABLE shop.lines (order_id int NOT NULL, line int NOT NULL, sku text, touched int NOT NULL DEFAULT 0);
INSERT INTO shop.lines SELECT i, 1, 'sku' || i % 100 FROM generate_series(1, $rows) AS i;
CREATE TABLE shop.events (id bigint NOT NULL, at date NOT NULL, touched int NOT NULL DEFAULT 0) PARTITION BY RANGE (at);
CREATE TABLE shop.events_1 PARTITION OF shop.events FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE shop.events_2 PARTITION OF shop.events FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
CREATE TABLE shop.events_3 (id bigint NOT NULL, at date NOT NULL, touched int NOT NULL DEFAULT 0);
INSERT INTO shop.events SELECT i, '2025-01-01'::date + i % 59 FROM generate_series(1, 20000) AS i;
INSERT INTO shop.events_3 SELECT 100000 + i, '2025-03-01'::date + i % 31 FROM generate_series(1, 10000) AS i;
RESET ROLE;
VACUUM ANALYZE;
SQL
	return;
}

my $orders = "\\set id random(1, 30000)\nUPDATE shop.orders SET touched = touched + 1 WHERE id = :id;\n";
my $lines  = "\\set id random(1, 30000)\nUPDATE shop.lines SET touched = touched + 1 WHERE order_id = :id;\n";
# In a partition that stays.
my $events = "\\set id 59 * random(0, 330) + 40\nUPDATE shop.events SET touched = touched + 1 WHERE id = :id;\n";

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

sub cases { return @cases }

# Calls as alice in one statement; returns what was complained of.
sub call
{
	my ($node, $database, $sql, %options) = @_;
	local $ENV{PGOPTIONS} = $options{fault} ? "-c dbm.fault_in_step=$options{fault}" : '';
	# A fault is for superusers to set; the rights are the creator's all the same.
	my @user = $options{fault} ? () : ('-U', 'alice');
	my ($out, $error) = ('', '');
	IPC::Run::run([ 'psql', '-X', '-q', '-A', '-t', @user, '-d', $node->connstr($database), '-c', $sql ],
		'>', \$out, '2>', \$error);
	return ($error, $out);
}

# Applies or takes back, and does what people have to do between.
sub carry
{
	my ($node, $database, $number, $direction) = @_;
	for (1 .. 20)
	{
		my ($error) = call($node, $database, "CALL dbm.$direction($number)");
		return $error if $error !~ /NOTICE: .* waits: step (\d+) /;
		call($node, $database, "SELECT dbm.confirm_step($number, $1)");
	}
	return 'it does not end';
}

# A dump whose lines stand in no order: a column that was made anew stands last.
sub sorted { return join "\n", sort map { s/,$//r } split /\n/, $_[0] }

1;
