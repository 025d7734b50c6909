# The databases that the tests audit, the demo shop and the traps, and the marks that say what is wrong with them.

package TestDatabase;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Utils qw(slurp_file);

our @EXPORT_OK = qw(load_demo load_traps demo_marks trap_marks);

# Where the demo's files are: beside the tests, as in the checkout.
sub folder
{
	my $folder = $ENV{DBMASTERY_DEMO} // "$FindBin::RealBin/../../xtask/demo";
	-d $folder or die "there is no demo database in $folder; set DBMASTERY_DEMO";
	return $folder;
}

# The file of the traps.
sub traps
{
	return "$FindBin::RealBin/traps.sql";
}

# The demo's SQL files in the order in which they are to be run.
sub files
{
	my @files = sort glob(folder() . '/*.sql');
	@files or die 'there is no demo database in ' . folder();
	return @files;
}

# Creates the database of that name, fills it with the demo and creates the extension in it. Returns what psql said on
# standard error, line by line.
sub load_demo
{
	my ($node, $database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	my @said;
	for my $file (files())
	{
		my ($out, $error) = ('', '');
		my @psql = (
			$node->installed_command('psql'), '-X', '-q', '-v', 'ON_ERROR_STOP=1',
			'-d', $node->connstr($database), '-f', $file);
		IPC::Run::run(\@psql, '<', \undef, '>', \$out, '2>', \$error)
		  or die "$file failed: $error";
		push @said, split /\n/, $error;
	}
	$node->safe_psql($database, 'CREATE EXTENSION dbmastery');
	return @said;
}

# The same with the traps, in a database called traps.
sub load_traps
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'CREATE DATABASE traps');
	my ($status, $out, $error) = $node->psql('traps', slurp_file(traps()), on_error_stop => 0);
	$node->safe_psql('traps', 'CREATE EXTENSION dbmastery');
	return split /\n/, $error;
}

# What the comments of SQL files promise: ({ kind, rule, object, place }, ...); kind is MISTAKE or LOOKALIKE.
sub marks_in
{
	my @marks;
	for my $file (@_)
	{
		my $number = 0;
		for my $line (split /\n/, slurp_file($file))
		{
			$number++;
			next unless $line =~ /^\s*-- (MISTAKE|LOOKALIKE)\b/;
			$line =~ /^\s*-- (MISTAKE|LOOKALIKE) ([a-z]+\.[a-z_]+): (.+?) -- \S/
			  or die "$file:$number is no mark: $line";
			my %mark = (kind => $1, rule => $2, object => $3, place => "$file:$number");
			$mark{object} =~ s/\\n/\n/g;
			push @marks, \%mark;
		}
	}
	@marks or die "there are no marks in @_";
	return @marks;
}

sub demo_marks
{
	return marks_in(files());
}

sub trap_marks
{
	return marks_in(traps());
}

1;
