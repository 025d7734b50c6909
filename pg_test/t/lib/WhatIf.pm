# What the what-if planner says of an index, beside what the server does once the index is there.

package WhatIf;

use strict;
use warnings FATAL => 'all';

use Audit qw(rows);
use Exporter 'import';
use List::Util qw(max sum0);
use Test::More;

our @EXPORT_OK = qw(prepare compare report);

use constant GIST_BUILDS => 5;

# Creates the function that compares in a database that has the extension.
sub prepare
{
	my ($node, $database) = @_;
	$node->safe_psql($database, <<'SQL');
CREATE FUNCTION public.compare(definition text, queries text[]) RETURNS TABLE (
    query text, estimated_cost float8, real_cost float8, estimated_bytes bigint, real_bytes bigint,
    is_estimated_used boolean, is_really_used boolean, estimated_indexes text, real_indexes text)
LANGUAGE plpgsql AS $$
DECLARE
    newest bigint := (SELECT max(oid::bigint) FROM pg_class);
    names text[];
    answer json;
    real_answers json[];
    number int;
BEGIN
    BEGIN
        EXECUTE definition;
        -- What is known of the columns stays; only an expression gets statistics by the index.
        IF EXISTS (SELECT FROM pg_index WHERE indexrelid::bigint > newest AND indexprs IS NOT NULL) THEN
            EXECUTE format('ANALYZE %s', substring(definition FROM ' ON (\S+)'));
        END IF;
        SELECT sum(pg_relation_size(oid)), array_agg(relname) INTO real_bytes, names
          FROM pg_class WHERE oid::bigint > newest AND relkind = 'i';
        FOR number IN 1 .. cardinality(queries) LOOP
            EXECUTE 'EXPLAIN (FORMAT JSON) ' || queries[number] INTO answer;
            real_answers[number] := answer;
        END LOOP;
        RAISE SQLSTATE 'U0001';
    EXCEPTION WHEN SQLSTATE 'U0001' THEN
        NULL;
    END;
    -- The index is gone, and what ANALYZE wrote is what it was before.
    FOR number IN 1 .. cardinality(queries) LOOP
        query := queries[number];
        SELECT w.cost_after, w.estimated_bytes, w.used INTO estimated_cost, estimated_bytes, is_estimated_used
          FROM dbm.what_if(query, ARRAY[definition]) AS w;
        estimated_indexes := jsonb_path_query_array(
            dbm.what_if_explain(query, ARRAY[definition], 'json')::jsonb, '$.**."Index Name"');
        real_cost := (real_answers[number] -> 0 -> 'Plan' ->> 'Total Cost')::float8;
        real_indexes := jsonb_path_query_array(real_answers[number]::jsonb, '$.**."Index Name"');
        is_really_used := EXISTS (SELECT FROM unnest(names) AS name WHERE real_indexes::jsonb ? name);
        RETURN NEXT;
    END LOOP;
END
$$;
SQL
	return;
}

# One pair for each query.
#
# A GiST build puts an entry into one of several pages that are equally good by lot, so that each build is of another
# size: of some builds the one counts that is nearest.
sub compare
{
	my ($node, $database, $definition, @queries) = @_;
	my @pairs = compare_once($node, $database, $definition, @queries);
	return @pairs if $definition !~ /USING gist/;
	for (2 .. GIST_BUILDS)
	{
		my @again = compare_once($node, $database, $definition, @queries);
		@pairs = map { $again[$_]{cost} < $pairs[$_]{cost} ? $again[$_] : $pairs[$_] } 0 .. $#pairs;
	}
	return @pairs;
}

sub compare_once
{
	my ($node, $database, $definition, @queries) = @_;
	my $array = join ', ', map { "\$query\$$_\$query\$" } @queries;
	my ($method) = $definition =~ /USING (\w+)/;
	my @pairs = rows($node, $database,
		"SELECT * FROM public.compare(\$definition\$$definition\$definition\$, ARRAY[$array])");
	for my $pair (@pairs)
	{
		$pair->{definition} = $definition;
		$pair->{method}     = $method // 'btree';
		$pair->{used}       = $pair->{is_estimated_used} || $pair->{is_really_used};
		$pair->{cost}       = abs($pair->{estimated_cost} / $pair->{real_cost} - 1) * 100;
		$pair->{size}       = abs($pair->{estimated_bytes} / $pair->{real_bytes} - 1) * 100;
	}
	return @pairs;
}

# Notes how far the pairs are off: costs of pairs whose plan uses the index, for in all others there is nothing to get
# wrong; sizes once for each index. Returns the means and the greatest.
sub report
{
	my ($title, @pairs) = @_;
	my @used  = grep { $_->{used} } @pairs;
	my %sizes = map  { $_->{definition} => $_->{size} } @pairs;
	my %result = (
		pairs     => scalar @pairs,
		used      => scalar @used,
		indexes   => scalar keys %sizes,
		cost_mean => mean(map { $_->{cost} } @used),
		cost_max  => max(0, map { $_->{cost} } @used),
		size_mean => mean(values %sizes),
		size_max  => max(0, values %sizes));
	note sprintf '%-12s %4d pairs, %4d use one of %3d indexes: cost %.3f %% mean, %.2f %% max; size %.1f %% mean, %.1f %% max',
	  $title, @result{qw(pairs used indexes cost_mean cost_max size_mean size_max)};
	return %result;
}

sub mean { return @_ ? sum0(@_) / @_ : 0 }

1;
