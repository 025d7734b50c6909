# A rewrite that we print as proven returns the same rows, on data made to break it: executed beside the original, over
# several fillings of the tables and time zones. And each condition that we ask for is needed: without it the rewrite
# that comes to mind returns other rows.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Fixed, so that a failure can be seen again: SELECT fill(seed), then both queries in the time zone that is printed.
my @seeds = (1, 2, 3, 4);
# Clocks change at 02:00, at midnight so that the day begins at 01:00, at 01:00 so that midnight comes twice, at 02:00
# a week later, and never.
my @zones = ('America/New_York', 'America/Sao_Paulo', 'America/Havana', 'Europe/Berlin', 'UTC');

my $node = PostgreSQL::Test::Cluster->new('rewrites');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\njit = off\ntimezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', slurp_file("$FindBin::RealBin/rewrites.sql"));
my $has_icu = $node->safe_psql('postgres', "SELECT NOT collisdeterministic FROM pg_collation WHERE collname = 'soft'") eq 't';

my @cases;
for (split /\n/, slurp_file("$FindBin::RealBin/rewrites.tsv"))
{
	next if /^#/;
	my ($rule, $verdict, $why, $query, $rewrite) = split /\t/;
	my ($expected, @flags) = split /, /, $verdict;
	my %case = (rule => $rule, expected => $expected, why => $why, query => $query, rewrite => $rewrite);
	$case{$_} = 1 for @flags;
	push @cases, \%case;
}

# What is to be compared: { original, rewrite, ordered, name, expected, and later what came of it }.
my @pairs;
sub compare_later
{
	my (%pair) = @_;
	push @pairs, \%pair;
	my ($ordered, $number) = ($pair{ordered} ? 'true' : 'false', $#pairs);
	$node->safe_psql('postgres',
		"INSERT INTO pairs VALUES ($number, $ordered, \$original\$$pair{original}\$original\$, \$rewrite\$$pair{rewrite}\$rewrite\$)");
}

for my $case (grep { $_->{rewrite} } @cases)
{
	compare_later(
		name     => "$case->{rule}: $case->{why}",
		original => $case->{query},
		rewrite  => $case->{rewrite},
		ordered  => $case->{ordered},
		expected => $case->{icu} && !$has_icu ? 'whatever' : $case->{expected});
}

for my $seed (@seeds)
{
	$node->safe_psql('postgres', join "\n", "SELECT fill($seed);", map { "SELECT compare($seed, '$_');" } @zones);
}
for my $outcome (rows($node, 'postgres', 'SELECT * FROM outcomes ORDER BY number, seed, zone'))
{
	my $pair = $pairs[ $outcome->{number} ];
	if ($outcome->{original_fails}) { $pair->{fails}++; next }
	$pair->{answers}++;
	$pair->{most} = $outcome->{row_count} if !defined $pair->{most} || $outcome->{row_count} > $pair->{most};
	push @{ $pair->{differences} }, $outcome if $outcome->{differ};
}
for my $pair (@pairs)
{
	my @differences = @{ $pair->{differences} // [] };
	if ($pair->{expected} eq 'differs')
	{
		ok(scalar @differences, "the condition is needed: $pair->{name}")
		  or diag "these return the same rows on all data:\n$pair->{original}\n$pair->{rewrite}";
	}
	elsif ($pair->{expected} eq 'same')
	{
		ok(!@differences && $pair->{most}, "the same rows: $pair->{name}")
		  or diag join "\n", $pair->{original}, $pair->{rewrite},
		  @differences
		  ? map { "fill($_->{seed}), $_->{zone}: $_->{example}" } @differences[ 0 .. ($#differences > 2 ? 2 : $#differences) ]
		  : 'no rows on any data';
	}
}

done_testing();
