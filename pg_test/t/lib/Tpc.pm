# TPC-H and TPC-DS: their data and their queries, as `cargo xtask` generates them for the tests that name their folders.

package Tpc;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils qw(slurp_file);

our @EXPORT_OK = qw(load_tpc tpc_queries create_tables);

# Creates the tables in a database and fills them. The folder is that of DBMASTERY_TPCH or DBMASTERY_TPCDS.
sub load_tpc
{
	my ($node, $database, $folder) = @_;
	return run_file($node, $database, $folder, 'load.sql');
}

# Creates the tables only.
sub create_tables
{
	my ($node, $database, $folder) = @_;
	return run_file($node, $database, $folder, 'schema.sql');
}

# The queries, number => text, without the semicolon at the end.
sub tpc_queries
{
	my ($folder) = @_;
	my %queries;
	for my $file (glob "$folder/queries/*.sql")
	{
		my ($number) = $file =~ /(\d+)\.sql$/;
		($queries{ $number + 0 } = slurp_file($file)) =~ s/;\s*\z//;
	}
	%queries or die "there are no queries in $folder";
	return %queries;
}

# psql names the files of the data as they lie in the folder.
sub run_file
{
	my ($node, $database, $folder, $file) = @_;
	-f "$folder/$file" or die "there is no $file in $folder";
	my ($out, $error) = ('', '');
	my @psql = (
		$node->installed_command('psql'), '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database),
		'-f', $file);
	IPC::Run::run(\@psql, '<', \undef, '>', \$out, '2>', \$error, init => sub { chdir $folder or die "$folder: $!" })
	  or die "$folder/$file failed: $error";
	return;
}

1;
