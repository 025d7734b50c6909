# What dbm.explain_ddl() says of each case is what the server then does: which lock, whether every row is written anew,
# whether every row is read while others wait.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(none utf8_locale);
use DdlCases qw(cases prepare);
use DdlTruth qw(can_be_watched truth strength);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('ddl_truth');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nshared_preload_libraries = 'dbmastery'\nfsync = off");
$node->start;
prepare($node, 'truth');

my (@rewrites, @reads, @locks, %count);
for my $case (map { cases("$FindBin::RealBin/../cases/$_.tsv", $node->pg_version->major) } 'ddl', 'ddl_own')
{
	next if !can_be_watched($case);
	my $truth = truth($node, 'truth', $case);
	my @said  = @{ $truth->{said} };
	my $about = "$case->{n} $case->{rule}: $case->{statement}";
	if ($truth->{error} ne '')
	{
		$count{failing}++;
		next;
	}
	$count{watched}++;

	# TRUNCATE and WITH NO DATA begin a new file and write nothing into it.
	my $rewritten = join ' ', @{ $truth->{rewritten} };
	my $says_rewrite = grep { $_->{rewrites} } @said;
	if ($case->{statement} !~ /\bTRUNCATE\b|WITH NO DATA/)
	{
		push @rewrites, "$about: says no, does $rewritten" if $rewritten ne '' && !$says_rewrite;
		push @rewrites, "$about: says it, does nothing" if $rewritten eq '' && $says_rewrite;
		$count{rewritten}++ if $rewritten ne '';
	}

	my $read = join ' ', @{ $truth->{read} };
	my $says_read = $says_rewrite || grep { $_->{scans} } @said;
	push @reads, "$about: says no, reads $read" if $read ne '' && !$says_read;
	push @reads, "$about: says it, reads nothing" if $read eq '' && $rewritten eq '' && $says_read;
	$count{read}++ if $read ne '';

	my ($lock) = sort { strength($b) <=> strength($a) } values %{ $truth->{locks} };
	my ($says_lock) = sort { strength($b) <=> strength($a) } map { $_->{lock_mode} } @said;
	# A look at a table is nothing that anybody waits for.
	my $differs = strength($lock) > 3 || strength($says_lock) > 3 ? strength($lock) <=> strength($says_lock) : 0;
	# Nor is a lock on a table that holds nothing: it need not be told of.
	my ($awaited) = sort { strength($b) <=> strength($a) } values %{ $truth->{awaited} };
	$differs = 0 if strength($awaited) == strength($says_lock);
	push @locks, "$about: says " . ($says_lock // 'nothing') . ', takes ' . ($lock // 'nothing') if $differs;
	$count{locked}++ if strength($lock) > 3;
}
none(\@rewrites, 'what is said to write a table anew does so, and nothing else does');
none(\@reads, 'what is said to read all of a table does so while others wait, and nothing else does');
none(\@locks, 'the strongest lock is the one that was said');
note(join ', ', map { "$_ $count{$_}" } sort keys %count);
cmp_ok($count{$_} // 0, '>=', 40, "enough cases were $_") for qw(rewritten read locked);
cmp_ok($count{watched} // 0, '>=', 150, 'enough cases ran');

$node->stop;
done_testing();
