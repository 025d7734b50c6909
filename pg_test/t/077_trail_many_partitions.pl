# Tables of thousands of partitions: what is done beside DDL, what is written and what is read grows with their number and not
# with its square. Counted are the rows that the server reads for it, in four times as many partitions; what is worked out
# without the server by its processor time.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Session;
use Test::More;
use Trail qw(sql start);

# A square would be 16.
my ($few, $many, $most) = (500, 2_000, 8);

my $node = start('many_partitions', "fsync = off\nmax_locks_per_transaction = 2048\nmax_wal_size = 4GB");

# What a statement reads: rows of tables and of catalogs.
sub read_by
{
	my ($statement, $session) = @_;
	my $counted = 'SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_all_tables';
	my $script = "BEGIN; SET LOCAL client_min_messages = error; $statement; $counted; COMMIT";
	return (split /\n/, $session ? $session->must($script) : sql($script))[-1];
}

# The processor time of a statement in a new session, in ticks.
sub ticks
{
	my ($statement) = @_;
	my $session = Session->new($node, 'postgres');
	my $pid = $session->must('SELECT pg_backend_pid()');
	my $spent = sub {
		open my $stat, '<', "/proc/$pid/stat" or return 0;
		my @fields = split / /, <$stat> =~ s/.*\) //r;
		return $fields[11] + $fields[12];
	};
	my $before = $spent->();
	$session->must("SET client_min_messages = error; $statement");
	my $ticks = $spent->() - $before;
	$session->quit;
	return $ticks;
}

# Does something to both tables, `%` being the number of partitions, and compares.
sub compare
{
	my ($what, $statement) = @_;
	my ($of_few, $of_many) = map { read_by($statement =~ s/%/$_/gr) } $few, $many;
	cmp_ok($of_many, '<', $most * $of_few, "$what: rows that are read ($of_few, $of_many)");
	return;
}

sub compare_ticks
{
	my ($what, $statement) = @_;
	my ($of_few, $of_many) = map { ticks($statement =~ s/%/$_/gr) } $few, $many;
	# A tick is a hundredth of a second.
	cmp_ok($of_many, '<', $most * ($of_few < 10 ? 10 : $of_few), "$what: processor time ($of_few, $of_many)");
	return;
}

for my $count ($few, $many)
{
	sql("CREATE TABLE top_$count (id int NOT NULL, k int NOT NULL, v text, secret text) PARTITION BY RANGE (id);
		CREATE TABLE many_$count (LIKE top_$count) PARTITION BY LIST (k);
		DO \$\$BEGIN FOR i IN 1..$count LOOP EXECUTE format('CREATE TABLE many_${count}_%s PARTITION OF many_$count (PRIMARY KEY (id)) FOR VALUES IN (%s)', i, i); END LOOP; END\$\$");
}
sql('CREATE EXTENSION dbmastery');
sql('ANALYZE pg_catalog.pg_class, pg_catalog.pg_inherits, pg_catalog.pg_index, pg_catalog.pg_attribute');

compare('to be watched', q{SELECT dbm.install_audit_trigger('many_%', exclude => '{secret}')});
sql('ANALYZE pg_catalog.pg_trigger, pg_catalog.pg_depend');
# The same key in all, and one that one alone has.
compare('written for the first time', q{INSERT INTO many_% SELECT 1, k, 'x', 's' FROM generate_series(1, %) k});
sql("INSERT INTO many_$_ VALUES (7, 3, 'x', 's')") for $few, $many;
my $at = sql('SELECT clock_timestamp()');
compare('written in another session', q{UPDATE many_% SET v = 'y' WHERE v = 'x'});
my %transaction = map { $_ => (split /\n/, sql("BEGIN; UPDATE many_$_ SET v = 'z' WHERE v = 'y'; SELECT pg_current_xact_id(); COMMIT"))[-1] } $few, $many;
sql('ANALYZE dbm_trail.change, dbm_trail.shape, dbm_trail.event, dbm_trail.relation');

# --- What is read

my $ambiguous = q{DO $$BEGIN PERFORM FROM dbm.row_history('many_%', '{"id": 1}'); RAISE EXCEPTION 'it is found'; EXCEPTION WHEN invalid_parameter_value THEN NULL; END$$};
my %reading = (
	'the changes' => q{SELECT count(*) FROM dbm.changes('many_%')},
	'the last changes' => q{SELECT count(*) FROM dbm.changes('many_%', max_rows => 10)},
	'the history of a row' => q{SELECT count(*) FROM dbm.row_history('many_%', '{"id": 7}')},
	'the history of one of many rows' => $ambiguous,
	'the table as it was' => "SELECT count(*) FROM dbm.as_of('many_%', '$at')",
	'its rows as they were' => "SELECT count(*) FROM dbm.rows_as_of(NULL::many_%, '$at')",
	'a range that is taken back' => qq{SELECT dbm.revert_plan('many_%', '{"id": 5}', '{"id": 9}', '$at')},
);
for my $what (sort keys %reading)
{
	compare($what, $reading{$what});
	compare_ticks($what, $reading{$what});
}
is(sql(qq{SELECT count(*) FROM dbm.row_history('many_$many', '{"id": 7}')}), 3, 'the history of a row has all its changes');
is(sql(qq{SELECT count(*), min(d->>'v'), max(d->>'v') FROM dbm.as_of('many_$many', '$at') d}), ($many + 1) . '|x|x', 'the table is what it was');
{
	my ($of_few, $of_many) = map { read_by("SELECT dbm.revert_plan($transaction{$_})") } $few, $many;
	cmp_ok($of_many, '<', $most * $of_few, "a transaction that is taken back: rows that are read ($of_few, $of_many)");
	($of_few, $of_many) = map { ticks("SELECT dbm.revert_plan($transaction{$_})") } $few, $many;
	cmp_ok($of_many, '<', $most * ($of_few < 10 ? 10 : $of_few), "a transaction that is taken back: processor time ($of_few, $of_many)");
}

# --- A tree that comes and goes

compare('no longer watched', q{SELECT dbm.remove_audit_trigger('many_%')});
sql("SELECT dbm.install_audit_trigger('top_$_', exclude => '{secret}')") for $few, $many;
compare('a tree that comes', 'ALTER TABLE top_% ATTACH PARTITION many_% FOR VALUES FROM (0) TO (100)');
sql("UPDATE top_$_ SET v = 'top'") for $few, $many;
compare('a tree that goes', 'ALTER TABLE top_% DETACH PARTITION many_%');
is(sql("SELECT count(*), count(DISTINCT detail) FROM dbm_trail.event WHERE kind IN ('detached', 'went') AND detail ~ 'many_$many'"), ($many + 1) . '|' . ($many + 1), 'each that goes is written down once');
is(sql("SELECT count(*) FROM dbm_trail.relation WHERE table_name ~ '^many_${many}_' AND settings->'exclude'->0->>'name' = 'secret'"), $many, 'and what is kept back of it');
compare('a tree that comes again', 'ALTER TABLE top_% ATTACH PARTITION many_% FOR VALUES FROM (0) TO (100)');
is(sql("SELECT count(*) FROM dbm_trail.event WHERE kind IN ('attached', 'came') AND detail ~ 'many_$many'"), 2 * ($many + 1), 'each that comes is written down, too');
compare('a tree that goes again', 'ALTER TABLE top_% DETACH PARTITION many_%');
sql("ALTER TABLE top_$_ ATTACH PARTITION many_$_ FOR VALUES FROM (0) TO (100)") for $few, $many;
compare('a table with many partitions as it was before they came', "SELECT count(*) FROM dbm.as_of('top_%', clock_timestamp())");
compare('a tree that is dropped', 'DROP TABLE many_%');
is(sql("SELECT count(*) FROM dbm_trail.event WHERE kind = 'detached' AND detail ~ 'many_${many}_.*, dropped'"), $many, 'each that is dropped is written down');

done_testing();
