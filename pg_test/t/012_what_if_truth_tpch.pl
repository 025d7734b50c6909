# What the what-if planner says, compared with the real index, on TPC-H: every index of a list on every query of TPC-H
# that names its table, and every access method on the conditions that it serves.
#
# The lists say how they were made; nothing is left out of them because it comes out badly.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(none utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Tpc qw(load_tpc tpc_queries);
use WhatIf qw(prepare compare report);

my $folder = $ENV{DBMASTERY_TPCH} // die 'DBMASTERY_TPCH does not name the folder of TPC-H';

my $node = PostgreSQL::Test::Cluster->new('what_if_tpch');
$node->init(extra => utf8_locale());
# A sample as large as the largest table: two runs of ANALYZE then say the same, and what differs is ours.
$node->append_conf('postgresql.conf', <<'END');
autovacuum = off
timezone = 'UTC'
default_statistics_target = 500
max_parallel_maintenance_workers = 0
random_page_cost = 1.1
END
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE tpch');
load_tpc($node, 'tpch', $folder);
$node->safe_psql('tpch', <<'SQL');
CREATE EXTENSION dbmastery;
-- What TPC-H has no column for: arrays, documents, ranges and shapes.
CREATE TABLE public.baskets AS
SELECT o_orderkey AS id, o_totalprice AS total,
       array_agg(l_partkey ORDER BY l_linenumber) AS parts,
       array_agg(rtrim(l_shipmode) ORDER BY l_linenumber) AS modes,
       jsonb_build_object('clerk', o_clerk, 'priority', rtrim(o_orderpriority)) AS details,
       daterange(min(l_shipdate), max(l_receiptdate)) AS period,
       point(o_orderkey % 997, o_totalprice::int % 991) AS place,
       box(point(o_custkey % 97, o_orderkey % 89), point(o_custkey % 97 + 2, o_orderkey % 89 + 3)) AS area
  FROM public.orders JOIN public.lineitem ON l_orderkey = o_orderkey GROUP BY o_orderkey, o_custkey, o_totalprice, o_clerk, o_orderpriority
 ORDER BY o_orderkey;
-- The two large tables in partitions, one of which has its columns in other places.
CREATE SCHEMA parted;
CREATE TABLE parted.lineitem (LIKE public.lineitem) PARTITION BY RANGE (l_shipdate);
SELECT format('CREATE TABLE parted.lineitem_%s PARTITION OF parted.lineitem FOR VALUES FROM (%L) TO (%L)',
    year, year || '-01-01', year + 1 || '-01-01') FROM generate_series(1992, 1997) AS year \gexec
CREATE TABLE parted.lineitem_1998 (gone int, l_comment varchar(44) NOT NULL, l_shipmode char(10) NOT NULL,
    l_shipinstruct char(25) NOT NULL, l_shipdate date NOT NULL, l_receiptdate date NOT NULL, l_commitdate date NOT NULL,
    l_orderkey int NOT NULL, l_partkey int NOT NULL, l_suppkey int NOT NULL, l_linenumber int NOT NULL,
    l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL,
    l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL);
ALTER TABLE parted.lineitem_1998 DROP COLUMN gone;
ALTER TABLE parted.lineitem ATTACH PARTITION parted.lineitem_1998 FOR VALUES FROM ('1998-01-01') TO ('1999-01-01');
INSERT INTO parted.lineitem SELECT * FROM public.lineitem;
CREATE TABLE parted.orders (LIKE public.orders) PARTITION BY HASH (o_orderkey);
SELECT format('CREATE TABLE parted.orders_%s PARTITION OF parted.orders FOR VALUES WITH (MODULUS 3, REMAINDER %s)',
    number, number) FROM generate_series(0, 2) AS number \gexec
INSERT INTO parted.orders SELECT * FROM public.orders;
SQL
prepare($node, 'tpch');
$node->safe_psql('tpch', 'VACUUM ANALYZE');

my %queries = tpc_queries($folder);
my %groups;

# Lists of the pair files: fields of each line that is no comment.
sub lines
{
	my ($file) = @_;
	return map { [ split /\t/ ] } grep { !/^#/ } split /\n/, slurp_file("$FindBin::RealBin/$file");
}

# One test for an index: all its queries get the plan that they get with the real one, or rather the same indexes.
sub same_indexes
{
	my ($name, @pairs) = @_;
	my @differ = grep { $_->{estimated_indexes} ne $_->{real_indexes} } @pairs;
	none([ map { "$_->{query}\n  what-if: $_->{estimated_indexes}\n  real: $_->{real_indexes}" } @differ ], $name);
	return;
}

for (lines('what_if_tpch_indexes.tsv'))
{
	my ($table, $definition) = @$_;
	my ($schema, $name) = $table =~ /^(?:(\w+)\.)?(\w+)$/;
	local $ENV{PGOPTIONS} = $schema ? "-c search_path=$schema,public" : '';
	my @chosen = map { $queries{$_} } sort { $a <=> $b } grep { $queries{$_} =~ /\b$name\b/ } keys %queries;
	my @pairs = compare($node, 'tpch', $definition, @chosen);
	same_indexes("$definition, " . @chosen . ' queries of TPC-H' . ($schema ? ', partitioned' : ''), @pairs);
	my $kind =
	    $schema                             ? 'partitioned'
	  : $pairs[0]{method} ne 'btree'        ? $pairs[0]{method}
	  : $definition =~ /WHERE/              ? 'partial'
	  : $definition =~ /INCLUDE/            ? 'INCLUDE'
	  : $definition =~ /\((?:\(|\w+\().*\)/ ? 'expression'
	  :                                       'btree';
	push @{ $groups{$kind} }, @pairs;
}

for (lines('what_if_templates.tsv'))
{
	my ($table, $definition, $conditions) = @$_;
	my ($key) = $definition =~ /\((.*?)(?:,| DESC|\)(?: WHERE.*| WITH.*)?$)/;
	my ($method) = $definition =~ /USING (\w+)/;
	my @chosen;
	for my $condition (split /\|(?=[^|&])(?<!\|\|)/, $conditions)
	{
		# The value of the key below which that share of the rows lies.
		my ($first) = $condition =~ /^(\S+) /;
		$condition =~ s[\{([\d.]+)\}][
			$node->safe_psql('tpch', "SELECT quote_literal(percentile_disc($1) WITHIN GROUP (ORDER BY $first)) FROM $table")]ge;
		push @chosen, "SELECT * FROM $table WHERE $condition", "SELECT count(*) FROM $table WHERE $condition";
	}
	my @pairs = compare($node, 'tpch', $definition, @chosen);
	same_indexes("$definition, " . @chosen . ' conditions', @pairs);
	push @{ $groups{ $method // 'btree' } }, @pairs;
}

report($_, @{ $groups{$_} }) for sort keys %groups;
my @all = map { @$_ } values %groups;
my %sum = report('all', @all);
my @worst = (sort { $b->{cost} <=> $a->{cost} } grep { $_->{used} } @all)[ 0 .. 9 ];
note sprintf 'cost %.2f %% off, %.2f for %.2f: %s, on %s', @$_{qw(cost estimated_cost real_cost definition)},
  substr($_->{query} =~ s/\s+/ /gr, 0, 100)
  for @worst;
my %sizes = map { $_->{definition} => $_ } @all;
note sprintf 'size %d for %d: %s', $_->{estimated_bytes}, $_->{real_bytes}, $_->{definition}
  for (sort { $b->{size} <=> $a->{size} } values %sizes)[ 0 .. 9 ];

my $elsewhere = () = slurp_file("$FindBin::RealBin/what_if_pairs.tsv") =~ /\n/g;
note "with the pairs of the demo database: " . ($elsewhere + $sum{used}) . ' whose plan uses the index';
cmp_ok($elsewhere + $sum{used}, '>=', 200, 'enough pairs, those of the demo database included');
cmp_ok(scalar @{ $groups{$_} }, '>', 0, "pairs of $_") for qw(btree hash gin gist brin partial INCLUDE expression partitioned);
cmp_ok($sum{cost_mean}, '<', 0.3, 'cost on average');
# A GiST build chooses at random among pages that are equally good, so that two builds of one index differ by a page; on
# a cheap query that one fetch is more than the bound.
my $page_fetch = $node->safe_psql('tpch', 'SHOW random_page_cost') + 0.01;
my $is_by_chance = sub {
	my ($pair) = @_;
	return $pair->{definition} =~ /USING gist/ && abs($pair->{estimated_cost} - $pair->{real_cost}) <= $page_fetch;
};
my ($highest) = sort { $b <=> $a } map { $_->{cost} } grep { $_->{used} && !$is_by_chance->($_) } @all;
cmp_ok($highest, '<', 3, 'cost at most');
cmp_ok($sum{size_mean}, '<', 15,  'size on average');
$node->stop;

done_testing();
