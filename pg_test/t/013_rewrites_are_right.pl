# A rewrite that we print as proven returns the same rows, on data made to break it: executed beside the original, over
# several fillings of the tables and time zones, for the queries of rewrites.tsv and for the same queries with other
# literals in them. And each condition that we ask for is needed: without it the rewrite that comes to mind returns
# other rows.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use List::Util qw(uniq);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Fixed, so that a failure can be seen again: SELECT fill(seed), then both queries in the time zone that is printed.
my @seeds = (1, 2, 3, 4);
# Clocks change at 02:00, at midnight so that the day begins at 01:00, at 01:00 so that midnight comes twice, at 02:00
# a week later, and never.
my @zones = ('America/New_York', 'America/Sao_Paulo', 'America/Havana', 'Europe/Berlin', 'UTC');
# What each time zone is asked with: settings under which other plans are cheap, so that every rewrite is worth showing
# under one of them.
my %settings = (
	'America/New_York'  => 'enable_seqscan = off',
	'America/Sao_Paulo' => 'enable_hashjoin = off; SET enable_mergejoin = off',
	'America/Havana'    => 'enable_hashagg = off',
	'Europe/Berlin'     => 'enable_sort = off',
	'UTC'               => 'enable_nestloop = on');
# How often each query is asked about with other literals.
my $variations = $ENV{VARIATIONS} // 3;

my $node = PostgreSQL::Test::Cluster->new('rewrites');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\njit = off\ntimezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', slurp_file("$FindBin::RealBin/rewrites.sql"));
my $has_icu = $node->safe_psql('postgres', "SELECT NOT collisdeterministic FROM pg_collation WHERE collname = 'soft'") eq 't';

my $major = int($node->safe_psql('postgres', 'SHOW server_version_num') / 10000);

my @cases;
for (split /\n/, slurp_file("$FindBin::RealBin/rewrites.tsv"))
{
	next if /^#/;
	my ($rule, $verdict, $why, $query, $rewrite) = split /\t/;
	my ($expected, @flags) = split /, /, $verdict;
	my %case = (rule => $rule, expected => $expected, why => $why, query => $query, rewrite => $rewrite);
	for my $flag (@flags)
	{
		$flag =~ /^(\w+)(?: before (\d+))?$/ or die "what is $flag?";
		$case{$1} = 1 if !defined $2 || $major < $2;
	}
	push @cases, \%case;
}

# The same query with other literals of the same kind; some of them are no valid query, and answer nothing.
my @words = ('', ' ', 'a', 'ab', 'ab ', 'abc', 'ABC', 'a%c', 'a_c', 'a\\c', '%', '%ab', '%bc', '%c\\%', '_', '5', '05', 'x', 'new', 'Oslo', 'v', 'null', 'true');
my @days = ('2024-03-10', '2024-11-03', '2024-11-04', '2018-11-04', '2018-02-18', '2024-02-29', '2024-02-01', '2024-01-01', '2023-01-31', 'infinity');

sub varied
{
	my ($query) = @_;

	my $literal = sub {
		my ($text) = @_;
		return $words[ rand @words ] if $text !~ /^\d{4}-|[\[{ ]/;
		return $days[ rand @days ] if $text =~ /^\d{4}-\d\d-\d\d$/;
		return $text;
	};
	# Strings first, and what is no part of one.
	$query =~ s{'((?:[^']|'')*)'|(?<![\w.])(\d+)(?![\w.])}{ defined $2 ? int rand 8 : "'" . $literal->($1) . "'" }ge;
	return $query;
}

# What is to be compared: { original, rewrite, ordered, name, expected, and later what came of it }.
my (@pairs, %compared);
sub compare_later
{
	my (%pair) = @_;
	return if $compared{"$pair{original}\n$pair{rewrite}\n$pair{expected}"}++;
	push @pairs, \%pair;
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

# A text as SQL.
sub literal
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	return "'$text'";
}

# What dbm.advise() says of queries, as { original, rule, sql, proven }, asked in each of the time zones: a literal in a
# rewrite may have been read in the session's. A query that is refused says nothing.
sub advice
{
	my @queries = @_;

	$node->safe_psql('postgres', 'DROP TABLE IF EXISTS asked; CREATE TABLE asked (query text); INSERT INTO asked VALUES '
		  . join(', ', map { '(' . literal($_) . ')' } @queries));
	my %said;
	# As if the tables had many rows, a few pages of them and very many: of small ones nobody wants to hear.
	for my $pages (10_000, 1)
	{
		$node->safe_psql('postgres',
			"UPDATE pg_class SET reltuples = 1e6, relpages = $pages WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'");
		for my $zone (@zones)
		{
			$said{"$_->{original}\n$_->{rule}\n" . ($_->{sql} // '')} = $_
			  for rows($node, 'postgres', 'SELECT a.* FROM asked, ask(query) AS a',
				before => "SET timezone = '$zone'; SET $settings{$zone}");
		}
	}
	return map { $said{$_} } sort keys %said;
}

my (@advice, @varied);
if ($node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'dbmastery'") > 0)
{
	$node->safe_psql('postgres', 'CREATE EXTENSION dbmastery; SELECT fill(2)');
	$node->safe_psql('postgres', 'ANALYZE');
	@advice = advice(uniq map { $_->{query} } @cases);
	srand($ENV{SRAND} // 1);
	@varied = advice(uniq map { my $case = $_; map { varied($case->{query}) } 1 .. $variations } @cases);
}
is($_->{sql}, '', "an answer: $_->{original}") for grep { $_->{rule} eq 'error' } @advice, @varied;
for my $said (grep { $_->{proven} && $_->{sql} } @advice, @varied)
{
	compare_later(
		name     => "$said->{rule}, proven: $said->{original}",
		original => $said->{original},
		rewrite  => $said->{sql},
		ordered  => scalar($said->{original} =~ / ORDER BY [\w.]*id$/),
		expected => 'proven');
}
# Whether what was expected was said.
for my $case (grep { ($_->{proven} || $_->{advised} || $_->{silent}) && ($has_icu || !$_->{icu}) } @cases)
{
	my @said = grep { $_->{original} eq $case->{query} && $_->{rule} eq $case->{rule} } @advice;
	my $name = "$case->{rule}: $case->{why}";
	if    ($case->{silent})  { ok(!@said, "nothing is said: $name") }
	elsif ($case->{advised}) { ok(@said && !(grep { $_->{proven} } @said), "advice without proof: $name") }
	else                     { ok(scalar(grep { $_->{proven} } @said), "a proven rewrite: $name") }
}

$node->safe_psql('postgres', 'INSERT INTO pairs VALUES '
	  . join ', ',
	map { "($_, " . ($pairs[$_]{ordered} ? 'true' : 'false') . ', ' . literal($pairs[$_]{original}) . ', ' . literal($pairs[$_]{rewrite}) . ')' }
	  0 .. $#pairs);
for my $seed (@seeds)
{
	$node->safe_psql('postgres', join "\n", "SELECT fill($seed);", map { "SELECT compare($seed, '$_');" } @zones);
}
for my $outcome (rows($node, 'postgres', 'SELECT * FROM outcomes ORDER BY number, seed, zone'))
{
	my $pair = $pairs[ $outcome->{number} ];
	next if $outcome->{original_fails};
	$pair->{answers}++;
	$pair->{rows} += $outcome->{row_count};
	push @{ $pair->{differences} }, $outcome if $outcome->{differ};
}
for my $pair (@pairs)
{
	my @differences = @{ $pair->{differences} // [] };
	my $both = "$pair->{original}\n$pair->{rewrite}";
	if ($pair->{expected} eq 'differs')
	{
		ok(scalar @differences, "the condition is needed: $pair->{name}") or diag "the same rows on all data:\n$both";
	}
	elsif ($pair->{expected} =~ /^(same|proven)$/)
	{
		# A query with other literals may find nothing; one that was written down must not.
		ok(!@differences && ($pair->{rows} || $pair->{expected} eq 'proven'), "the same rows: $pair->{name}")
		  or diag join "\n", $both,
		  @differences
		  ? map { "fill($_->{seed}), $_->{zone}: $_->{example}" } grep { $_ } @differences[ 0 .. 2 ]
		  : 'no rows on any data';
	}
}
# What the client sees of the columns stays as well.
for my $shape (rows($node, 'postgres', 'SELECT number, shape(original) AS original, shape(rewrite) AS rewrite FROM pairs ORDER BY number'))
{
	my $pair = $pairs[ $shape->{number} ];
	is($shape->{rewrite}, $shape->{original}, "the same columns: $pair->{name}") if $pair->{expected} eq 'proven';
}
my @proven = grep { $_->{expected} eq 'proven' } @pairs;
note scalar(@proven), ' proven rewrites compared, ', scalar(grep { $_->{rows} } @proven), ' of which return rows';

done_testing();
