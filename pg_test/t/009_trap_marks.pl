# What is easily judged wrongly: of the rules that traps.sql speaks of, the audit has to report just what is marked there.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(audit keys_of none rows utf8_locale);
use TestDatabase qw(load_traps trap_marks);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('traps');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\ntimezone = 'UTC'\ndbm.rule_timeout = '5min'");
$node->start;
my @errors = grep { / ERROR: / } load_traps($node);
is(scalar @errors, 1, 'loading the traps prints the one error that they announce') or diag(join "\n", @errors);

my @marks = trap_marks();
my %rules = map { $_->{rule} => 1 } @marks;
my %known = map { $_->{rule} => 1 } rows($node, 'traps', 'SELECT rule FROM dbm.rules()');
none([ grep { !$known{$_} } sort keys %rules ], 'every mark names a rule that exists');

my @rows = audit($node, 'traps');
none([ keys_of(grep { $_->{status} eq 'error' } @rows) ], 'no rule broke');
my %found = map { $_ => 1 } keys_of(grep { $_->{status} eq 'finding' && $rules{ $_->{rule} } } @rows);
for my $rule (sort keys %rules)
{
	my %mistakes = map { $_ => 1 } keys_of(grep { $_->{kind} eq 'MISTAKE' && $_->{rule} eq $rule } @marks);
	my @lookalikes = keys_of(grep { $_->{kind} eq 'LOOKALIKE' && $_->{rule} eq $rule } @marks);
	my @found = grep { /^\Q$rule\E: / } sort keys %found;
	none([ grep { !$found{$_} } sort keys %mistakes ], "$rule finds all " . keys(%mistakes));
	none([ grep { !$mistakes{$_} } @found ], "$rule finds nothing else, " . @lookalikes . ' look-alikes included');
}

$node->stop;
done_testing();
