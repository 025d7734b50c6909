# Partition sets for tests: put under upkeep by a row in dbm.partition_set, kept, and looked at.

package Partitions;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use Audit qw(rows);
use Plan qw(literal);

our @EXPORT_OK = qw(keep maintain partitions statuses_of bounds_of lock_waits);

# Stores the policy of a table, as a superuser may. Besides the columns of dbm.partition_set: nothing.
sub keep
{
	my ($node, $database, $table, %policy) = @_;
	%policy = (key_kind => 'timestamptz', every => '1 day', origin => '2000-01-01 00:00:00+00', %policy);
	my @columns = sort keys %policy;
	my $names = join ', ', @columns;
	my $values = join ', ', map { literal($policy{$_}) } @columns;
	my $changes = join ', ', map { "$_ = excluded.$_" } @columns;
	my $name = literal($table);
	$node->safe_psql($database, <<"SQL");
INSERT INTO dbm.partition_set (parent, $names) VALUES ($name, $values)
ON CONFLICT (parent) DO UPDATE SET $changes
SQL
	return;
}

# What dbm.partition_maintain() did: its rows. Options: at, a time; dry_run; role; before, as for rows().
sub maintain
{
	my ($node, $database, $table, %options) = @_;
	my @arguments = defined $table ? (literal($table) . '::regclass') : ();
	push @arguments, 'at => ' . literal($options{at}) if $options{at};
	push @arguments, 'dry_run => true' if $options{dry_run};
	return rows($node, $database, 'SELECT * FROM dbm.partition_maintain(' . join(', ', @arguments) . ')', %options);
}

# The same in short: 'create done', one an entry.
sub statuses_of
{
	return join ', ', map { "$_->{action} $_->{status}" } @_;
}

# The names of the partitions of a table, in the order of their bounds.
sub partitions
{
	my ($node, $database, $table) = @_;
	my $name = literal($table);
	return split /\n/, $node->safe_psql($database, <<"SQL");
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = $name\::regclass ORDER BY pg_get_expr(c.relpartbound, c.oid)
SQL
}

# Their bounds, as the server writes them in UTC.
sub bounds_of
{
	my ($node, $database, $table) = @_;
	my $name = literal($table);
	return split /\n/, $node->safe_psql($database, <<"SQL");
SET timezone = 'UTC';
SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = $name\::regclass ORDER BY 1
SQL
}

# The waits for locks that the server's log tells of since a place in it: [process, milliseconds, what].
sub lock_waits
{
	my ($node, $since) = @_;
	my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $since);
	my @waits;
	while ($log =~ /process (\d+) (?:still waiting for|acquired) (\S+ on .+?) after ([\d.]+) ms/g) { push @waits, [ $1, $3, $2 ] }
	return @waits;
}

1;
