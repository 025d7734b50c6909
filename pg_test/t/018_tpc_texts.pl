# The texts that pg_stat_statements keeps of the queries of TPC-H and TPC-DS: how many of them can be planned again.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Tpc qw(create_tables tpc_queries);

my %folders = (
	tpch  => $ENV{DBMASTERY_TPCH}  // die('DBMASTERY_TPCH does not name the folder of TPC-H'),
	tpcds => $ENV{DBMASTERY_TPCDS} // die('DBMASTERY_TPCDS does not name the folder of TPC-DS'));

my $node = PostgreSQL::Test::Cluster->new('tpc_texts');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', <<'CONF');
autovacuum = off
shared_preload_libraries = 'pg_stat_statements'
CONF
$node->start;

my ($all, @unplanned) = (0);
for my $name (sort keys %folders)
{
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION dbmastery; CREATE EXTENSION pg_stat_statements');
	# A text is the same whether or not there are rows, and without them every query ends at once.
	create_tables($node, $name, $folders{$name});
	$node->safe_psql($name, 'SELECT pg_stat_statements_reset()');
	my %queries = tpc_queries($folders{$name});
	$node->safe_psql($name, $queries{$_}) for sort { $a <=> $b } keys %queries;
	my @rows = grep { $_->{query} !~ /pg_stat_statements_reset/ }
	  rows($node, $name, 'SELECT query, problem FROM dbm.slow_queries(1000)');
	is(scalar @rows, scalar keys %queries, "$name: every query has left its text");
	$all += @rows;
	push @unplanned, map { "$name: $_->{problem}\n$_->{query}" } grep { defined $_->{problem} } @rows;
}
diag($_) for @unplanned;
note sprintf '%d of %d texts can be planned', $all - @unplanned, $all;
is($all, 121, '22 queries of TPC-H and 99 of TPC-DS');
cmp_ok(@unplanned / $all, '<=', 0.05, 'of which nearly all can be planned');
$node->stop;

done_testing();
