# Changes taken back by plans: whole transactions with what they set off, single rows, and what is refused.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('revert');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nmax_worker_processes = 16");
$node->start;

sub sql { return $node->safe_psql('postgres', @_) }

sub refused
{
	my ($sql) = @_;
	my ($code, $out, $error) = $node->psql('postgres', $sql);
	return $error;
}

sql(<<'SQL');
CREATE EXTENSION dbmastery;
CREATE TABLE customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, upper_name text GENERATED ALWAYS AS (upper(name)) STORED);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customer ON DELETE CASCADE ON UPDATE CASCADE, note text, doc jsonb, js json, at timestamptz, iv interval, n numeric);
CREATE TABLE keyless (a int, p point);
SELECT dbm.install_audit_trigger(t) FROM (VALUES ('customer'::regclass), ('orders'), ('keyless')) v(t);
INSERT INTO customer (name) VALUES ('ann'), ('bob'), ('cy');
INSERT INTO orders SELECT i, i % 3 + 1, E'it''s\n\\ $dbm$' || i, '{"a": 1.00}', '{"b":1, "b":2}', '2026-01-02 03:04:05.678+02', '1 mon -2 days', i * 1.10 FROM generate_series(1, 6) i;
INSERT INTO keyless VALUES (1, '(1,2)'), (1, '(1,2)');
SQL

sub state_of_all
{
	return sql(q{SELECT string_agg(r, E'\n' ORDER BY r COLLATE "C") FROM (
		SELECT 'c' || c::text AS r FROM customer c UNION ALL SELECT 'o' || o::text FROM orders o UNION ALL SELECT 'k' || k::text FROM keyless k) s});
}

# Runs statements as one transaction; returns its number.
sub transaction
{
	my ($statements) = @_;
	return (split /\n/, sql("BEGIN; $statements; SELECT pg_current_xact_id(); COMMIT"))[-1];
}

sub apply { my ($plan) = @_; sql("CALL dbm.apply($plan)"); return sql("SELECT status FROM dbm.plan WHERE plan = $plan") }

my %cases = (
	'an insert' => q{INSERT INTO orders VALUES (10, 1, 'x', '"s"', '1', NULL, NULL, 'NaN')},
	'an update' => q{UPDATE orders SET note = NULL, doc = '"text"', js = '[1,  2]', at = 'infinity', iv = '-1 day', n = 1.100 WHERE id < 4},
	'a delete with its cascade' => q{DELETE FROM customer WHERE id = 1},
	'a key that changes, with its cascade' => q{UPDATE customer SET id = DEFAULT WHERE name = 'bob'},
	'a unique value that goes from row to row' => q{UPDATE customer SET name = 'zed' WHERE name = 'ann'; UPDATE customer SET name = 'ann' WHERE name = 'bob'},
	'a row changed twice, one come and gone' => q{UPDATE orders SET n = 5 WHERE id = 2; UPDATE orders SET n = 6, id = 20 WHERE id = 2; INSERT INTO orders VALUES (30); DELETE FROM orders WHERE id = 30},
	'a parent and its children' => q{INSERT INTO customer (id, name) OVERRIDING SYSTEM VALUE VALUES (50, 'new'); INSERT INTO orders VALUES (51, 50); UPDATE orders SET customer_id = 50 WHERE id = 1},
	'equal rows without a key' => q{INSERT INTO keyless VALUES (1, '(1,2)'); UPDATE keyless SET a = 2 WHERE ctid = (SELECT min(ctid) FROM keyless); DELETE FROM keyless WHERE a = 1 AND ctid = (SELECT max(ctid) FROM keyless)},
);
for my $case (sort keys %cases)
{
	my $before = state_of_all();
	my $transaction = transaction($cases{$case});
	my $after = state_of_all();
	isnt($after, $before, "$case: something changes");
	my $plan = sql("SELECT dbm.revert_plan($transaction)");
	is(state_of_all(), $after, "$case: the plan alone changes nothing");
	is(apply($plan), 'done', "$case: the plan is applied");
	is(state_of_all(), $before, "$case: all is as it was");
	sql("CALL dbm.undo($plan)");
	is(state_of_all(), $after, "$case: and back again");
	sql("CALL dbm.apply(dbm.revert_plan($transaction))") if $case eq 'never';
	# The way back is a change like any other, so that it can be taken back too.
	my $last = sql('SELECT transaction_id FROM dbm.changes(max_rows => 1)');
	is(apply(sql("SELECT dbm.revert_plan($last)")), 'done', "$case: the way back is taken back");
	is(state_of_all(), $before, "$case: all is as it was once more");
}

# What would be lost is named.
my $first = transaction(q{UPDATE orders SET n = 1 WHERE id IN (1, 2)});
my $second = transaction(q{UPDATE orders SET n = 2 WHERE id = 2});
like(refused("SELECT dbm.revert_plan($first)"), qr/transaction $first cannot be taken back: 1 later changes would be lost.*UPDATE of public\.orders \{"id": 2\} by transaction $second/s, 'later changes are named');
is(apply(sql("SELECT dbm.revert_plan($second)")), 'done', 'the later one can be taken back');
my $third = transaction(q{INSERT INTO customer (id, name) OVERRIDING SYSTEM VALUE VALUES (70, 'seventy')});
my $plan = sql("SELECT dbm.revert_plan($third)");
sql('INSERT INTO orders VALUES (71, 70)');
like(refused("CALL dbm.apply($plan)"), qr/rows of public\.orders refer to it, and would go with it/, 'a cascade takes nobody along');
is(sql('SELECT count(*) FROM orders WHERE id = 71'), 1, 'nothing is lost');
sql('DELETE FROM orders WHERE id = 71');
my $fourth = transaction(q{UPDATE orders SET note = 'fourth' WHERE id IN (3, 4, 5)});
$plan = sql("SELECT dbm.revert_plan($fourth)");
sql(q{UPDATE orders SET note = 'fifth' WHERE id = 4});
like(refused("CALL dbm.apply($plan)"), qr/the row is not what the change made of it/, 'what changes between plan and apply stops it');
is(sql(q{SELECT count(*) FROM orders WHERE note = 'fourth'}), 2, 'all or nothing');

# One row.
my $at = sql('SELECT clock_timestamp()');
my $then = sql('SELECT o::text FROM orders o WHERE id = 5');
sql(q{UPDATE orders SET note = 'a' WHERE id = 5; UPDATE orders SET id = 500 WHERE id = 5; UPDATE orders SET n = 9 WHERE id = 500; UPDATE orders SET n = 1 WHERE id = 1});
my $other = sql('SELECT o::text FROM orders o WHERE id = 1');
is(apply(sql(qq{SELECT dbm.revert_plan('orders', '{"id": 500}', '$at')})), 'done', 'a row is taken back');
is(sql('SELECT o::text FROM orders o WHERE id = 5'), $then, 'under the key that it had');
is(sql('SELECT o::text FROM orders o WHERE id = 1'), $other, 'and no other');
sql('DELETE FROM orders WHERE id = 6');
is(apply(sql(qq{SELECT dbm.revert_plan('orders', '{"id": 6}', '$at')})), 'done', 'a row that is gone comes back');
is(sql('SELECT count(*) FROM orders WHERE id = 6'), 1, 'it is there');
like(refused(q{SELECT dbm.revert_plan('orders', '{"id": 6}', clock_timestamp())}), qr/was not changed since/, 'nothing to take back');
like(refused('SELECT dbm.revert_plan(1)'), qr/transaction 1 is not in the audit log/, 'a transaction that is not there');
my $truncate = transaction('TRUNCATE keyless');
like(refused("SELECT dbm.revert_plan($truncate)"), qr/TRUNCATE of public\.keyless cannot be taken back by a plan/, 'TRUNCATE');

# Rights: to see all of it, and to write.
sql(<<'SQL');
CREATE ROLE clerk LOGIN;
GRANT USAGE ON SCHEMA dbm TO clerk;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO clerk;
GRANT SELECT (id, note) ON orders TO clerk;
SQL
my $fifth = transaction(q{UPDATE orders SET note = 'sixth' WHERE id = 1});
like(refused("SET SESSION AUTHORIZATION clerk; SELECT dbm.revert_plan($fifth)"), qr/permission denied for columns of public\.orders/, 'who sees a part takes nothing back');

done_testing();
