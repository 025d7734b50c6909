# What the what-if planner says, compared with the real index: which the planner takes, what it costs, how large it is.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use TestDatabase qw(load_demo);
use List::Util qw(max sum);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('what_if');
$node->init(extra => utf8_locale(), allows_streaming => 1);
# A sample as large as the largest table: two runs of ANALYZE then say the same, and what differs is ours.
$node->append_conf('postgresql.conf', "autovacuum = off\ntimezone = 'UTC'\ndefault_statistics_target = 400\nmax_parallel_maintenance_workers = 0");
$node->start;
load_demo($node, 'shop');
$node->safe_psql('shop', <<'SQL');
CREATE EXTENSION IF NOT EXISTS dbmastery;
-- Partitions whose columns stand in other places than their parent's.
CREATE TABLE public.trees (id bigint, grp int, changed_name text, PRIMARY KEY (id, grp)) PARTITION BY LIST (grp);
CREATE TABLE public.trees_1 (changed_name text, grp int NOT NULL, id bigint NOT NULL);
CREATE TABLE public.trees_2 (gone int, id bigint NOT NULL, changed_name text, also_gone int, grp int NOT NULL);
ALTER TABLE public.trees_2 DROP COLUMN gone, DROP COLUMN also_gone;
ALTER TABLE public.trees ATTACH PARTITION public.trees_1 FOR VALUES IN (1);
ALTER TABLE public.trees ATTACH PARTITION public.trees_2 FOR VALUES IN (2, 3);
INSERT INTO public.trees (id, grp, changed_name) SELECT i, 1 + i % 3, 'n' || i % 5000 FROM generate_series(1, 30000) AS i;
-- Rows in no order of their kind, and an index from which an expression over the kind can be read in order.
CREATE TABLE public.readings (id int, kind smallint, value float8, note text);
INSERT INTO public.readings (id, kind, value, note)
    SELECT i, i * 7919 % 13, i * 104729::bigint % 100003, repeat('n', 60) FROM generate_series(1, 60000) AS i;
CREATE INDEX ON public.readings (kind);
-- Asks first, then builds the index, looks, and takes it back.
CREATE FUNCTION public.compare(query text, definition text, OUT estimated_cost float8, OUT real_cost float8,
    OUT estimated_bytes bigint, OUT real_bytes bigint, OUT estimated_indexes jsonb, OUT real_indexes jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    newest bigint := (SELECT max(oid::bigint) FROM pg_class);
    answer json;
BEGIN
    SELECT w.cost_after, w.estimated_bytes INTO estimated_cost, estimated_bytes FROM dbm.what_if(query, ARRAY[definition]) AS w;
    estimated_indexes := jsonb_path_query_array(dbm.what_if_explain(query, ARRAY[definition], 'json')::jsonb, '$.**."Index Name"');
    BEGIN
        EXECUTE definition;
        EXECUTE format('ANALYZE %s', substring(definition FROM ' ON (\S+)'));
        EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO answer;
        real_cost := (answer -> 0 -> 'Plan' ->> 'Total Cost')::float8;
        real_indexes := jsonb_path_query_array(answer::jsonb, '$.**."Index Name"');
        real_bytes := (SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE oid::bigint > newest AND relkind = 'i');
        RAISE SQLSTATE 'U0001';
    EXCEPTION WHEN SQLSTATE 'U0001' THEN
        NULL;
    END;
END
$$;
SQL
$node->safe_psql('shop', 'VACUUM ANALYZE');

# The planner reads a column's end from a real B-tree; without one it has the statistics. A pair marked so asks for
# rows beyond it.
my %edge = map { $_ => 1 } ('public.order_items (created_at)', 'warehouse.shipments (delivered_at)');

# A GiST build puts an entry into one of several pages that are equally good by lot, so that each build is of another
# size: of some builds the one counts that is nearest.
my @pairs;
for (split /\n/, slurp_file("$FindBin::RealBin/what_if_pairs.tsv"))
{
	my ($query, $definition) = split /\t/;
	my ($estimated_cost, $real_cost, $estimated_bytes, $real_bytes, $estimated, $real);
	for my $build (1 .. ($definition =~ /USING gist/ ? 8 : 1))
	{
		my $answer = $node->safe_psql('shop',
			"SELECT c.* FROM public.compare(\$q\$$query\$q\$, \$d\$$definition\$d\$) AS c");
		my @answer = split /\|/, $answer;
		next if defined $real_cost && abs($answer[0] / $answer[1] - 1) >= abs($estimated_cost / $real_cost - 1);
		($estimated_cost, $real_cost, $estimated_bytes, $real_bytes, $estimated, $real) = @answer;
	}
	my ($target) = $definition =~ / ON (.*)/;
	my ($method) = $definition =~ /USING (\w+)/;
	push @pairs, {
		definition => $definition,
		method     => $method // 'btree',
		edge       => $edge{$target},
		cost       => abs($estimated_cost / $real_cost - 1) * 100,
		size       => abs($estimated_bytes / $real_bytes - 1) * 100,
	};
	is($estimated, $real, "same indexes: $definition");
}

sub mean { return sum(@_) / @_ }

my @costs = map { $_->{cost} } grep { !$_->{edge} } @pairs;
my @sizes = map { $_->{size} } @pairs;
for my $method (qw(btree hash brin gin gist))
{
	my @of = grep { $_->{method} eq $method && !$_->{edge} } @pairs;
	note sprintf '%-5s %3d pairs: cost %.2f %% mean, %.2f %% max; size %.1f %% mean, %.1f %% max',
	  $method, scalar @of, mean(map { $_->{cost} } @of), max(map { $_->{cost} } @of),
	  mean(map { $_->{size} } @of), max(map { $_->{size} } @of);
}
note sprintf '%s: cost %.1f %% off', $_->{definition}, $_->{cost} for grep { $_->{edge} || $_->{cost} > 1 } @pairs;
note sprintf 'all %d: cost %.3f %% mean, %.2f %% max; size %.1f %% mean', scalar @pairs, mean(@costs), max(@costs), mean(@sizes);
cmp_ok(scalar @pairs, '>=', 100, 'enough pairs');
cmp_ok(scalar(grep { $_->{edge} } @pairs), '==', 2, 'of which two ask beyond the end of the statistics');
cmp_ok(mean(@costs), '<', 0.3, 'cost on average');
cmp_ok(max(@costs), '<', 3, 'cost at most');
cmp_ok(mean(@sizes), '<', 15, 'size on average');

# A standby can be asked as well.
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is( $standby->safe_psql('shop', <<'SQL'), 't', 'works on a standby, expressions and predicates included');
SELECT used FROM dbm.what_if('SELECT * FROM public.customers WHERE lower(email) = $1 AND active',
    ARRAY['CREATE INDEX ON public.customers (lower(email)) WHERE active'])
SQL
$standby->stop;

done_testing();
