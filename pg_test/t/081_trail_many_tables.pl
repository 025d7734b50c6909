# Thousands of tables, each watched by itself: what is done beside DDL, and what is read of one table, does not grow with their
# number; and that all are put under the trail grows with it and not with its square. Counted are the rows that the server reads for
# it, beside four times as many.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Test::More;
use Trail qw(sql start);

my %tables = (few => 300, many => 1_200);
my $node = start('many_tables', "fsync = off\nmax_locks_per_transaction = 2048\nmax_wal_size = 4GB");

# What a statement reads in a database: rows of tables and of catalogs.
sub read_by
{
	my ($database, $statement) = @_;
	my $counted = 'SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_all_tables';
	# To count is to read, too.
	my ($with, $without) = map { (split /\n/, $node->safe_psql($database, "SET client_min_messages = error; BEGIN; $_; $counted; COMMIT"))[-1] } $statement, 'SELECT 1';
	return $with - $without;
}

# Does something beside few and beside many; `$most` times as many rows may be read there, and as many more as a page has.
sub compare
{
	my ($what, $statement, $most) = @_;
	my ($beside_few, $beside_many) = map { read_by($_, $statement) } qw(few many);
	cmp_ok($beside_many, '<', $most * $beside_few + 100, "$what: rows that are read ($beside_few, $beside_many)");
	return;
}

for my $database (qw(few many))
{
	sql("CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE SCHEMA shop; CREATE SCHEMA alone;
		DO \$\$BEGIN FOR i IN 1..$tables{$database} LOOP EXECUTE format('CREATE TABLE shop.t%s (id int PRIMARY KEY, v text)', i); END LOOP; END\$\$;
		ANALYZE pg_catalog.pg_class, pg_catalog.pg_attribute, pg_catalog.pg_index; CREATE EXTENSION dbmastery");
}
compare('all are put under the trail', q{SELECT count(*) FROM dbm.install_audit_triggers('{shop}')}, 10);
$node->safe_psql($_, 'ANALYZE pg_catalog.pg_class, pg_catalog.pg_trigger, pg_catalog.pg_depend; ANALYZE dbm_trail.relation, dbm_trail.shape, dbm_trail.event') for qw(few many);

# What somebody asks of, or does to, one table.
my @one = (
	[ 'a new table', 'CREATE TABLE shop.new (id int PRIMARY KEY)' ],
	[ 'one of a schema that is not watched', 'CREATE TABLE alone.new (id int PRIMARY KEY)' ],
	[ 'another index', 'CREATE INDEX ON alone.new (id)' ],
	[ 'another column', 'ALTER TABLE shop.t1 ADD COLUMN n int' ],
	[ 'a column by another name', 'ALTER TABLE shop.t1 RENAME n TO m' ],
	[ 'a column less', 'ALTER TABLE shop.t1 DROP COLUMN m' ],
	[ 'another name', 'ALTER TABLE shop.t1 RENAME TO t_1' ],
	[ 'another schema', 'ALTER TABLE shop.t_1 SET SCHEMA alone' ],
	[ 'a trigger that is put out of force', 'ALTER TABLE shop.t2 DISABLE TRIGGER "00_dbm_audit_insert"' ],
	[ 'one that is dropped', 'DROP TRIGGER "00_dbm_audit_update" ON shop.t2' ],
	[ 'a table that is dropped', 'DROP TABLE shop.t3' ],
	[ 'one that is not watched', 'DROP TABLE alone.new' ],
	[ 'a view', 'CREATE VIEW alone.v AS SELECT 1 AS one' ],
	[ 'that is dropped', 'DROP VIEW alone.v' ],
	[ 'a change', q{INSERT INTO shop.t4 VALUES (1, 'a')} ],
	[ 'the changes', q{SELECT count(*) FROM dbm.changes('shop.t4')} ],
	[ 'the history of a row', q{SELECT count(*) FROM dbm.row_history('shop.t4', '{"id": 1}')} ],
	[ 'the table as it was', q{SELECT count(*) FROM dbm.as_of('shop.t4', clock_timestamp())} ],
	[ 'another change', q{UPDATE shop.t4 SET v = 'b'} ],
	[ 'a range that is taken back', q{SELECT dbm.revert_plan('shop.t4', '{"id": 1}', '{"id": 9}', (SELECT min(changed_at) FROM dbm.changes('shop.t4')))} ],
	[ 'a table that is taken out', q{SELECT dbm.remove_audit_trigger('shop.t5')} ],
	[ 'and put under it', q{SELECT dbm.install_audit_trigger('shop.t5')} ],
);
compare(@$_, 2) for @one;
compare('what is watched', 'SELECT count(*) FROM dbm.audit_triggers()', 6);
compare('all changes', 'SELECT count(*) FROM dbm.changes()', 6);
is($node->safe_psql('many', 'SELECT count(*), count(problem) FROM dbm.audit_triggers()'), "$tables{many}|0", 'all are watched, and nothing is wrong');
done_testing();
