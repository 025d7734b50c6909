# Texts as pg_stat_statements keeps them, with $1 where a constant was: all of them can be planned again, and the plan is
# that of the query as it was written.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('normalised');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', <<'CONF');
autovacuum = off
shared_preload_libraries = 'pg_stat_statements'
CONF
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION dbmastery;
CREATE TYPE public.mood AS ENUM ('sad', 'fine');
CREATE DOMAIN public.cents AS numeric CHECK (VALUE >= 0);
CREATE TABLE public.t (id bigint PRIMARY KEY, day date, at timestamp, zoned timestamptz, price numeric(10, 2), ratio float8, name text,
    code char(3), tags text[], doc jsonb, feeling mood, span interval, ok boolean, small smallint, net inet, during daterange);
SELECT pg_stat_statements_reset();
SQL

# Every query is run as it is; what pg_stat_statements made of it is then planned.
my @queries = grep { /\S/ } split /\n/, <<'SQL';
SELECT interval '1 day', interval '3' month, interval '1-2' year to month, interval '5.5' second (1), interval(0) '1.5 s' FROM t
SELECT date '2020-01-01', timestamp '2020-01-01 00:00', timestamp with time zone '2020-01-01', timestamptz(0) '2020-01-01', time '10:00', time without time zone '10:00' FROM t
SELECT numeric '1.5', numeric(5, 1) '1.5', int '5', bigint '5', double precision '1.5', character varying(3) 'abc', char(2) 'ab', bit varying(4) '101', text 'x', bool 'true' FROM t
SELECT public.mood 'sad', inet '10.0.0.1', jsonb '{"a": 1}', uuid 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', point '(1,2)', daterange '[2020-01-01,2020-02-01)' FROM t
SELECT * FROM t WHERE day >= date '1994-01-01' AND day < date '1994-01-01' + interval '1' year
SELECT * FROM t WHERE day <= date '1998-12-01' - interval '90' day
SELECT extract(year FROM day), extract(epoch FROM at), extract('month' from zoned) FROM t
SELECT extract(dow FROM timestamp '2020-01-01 10:00') FROM t
SELECT normalize(name, NFC) FROM t
SELECT 1 + 2, 3 * 4 - 5, 2 ^ 3, 7 / 2, 7 % 3 FROM t
SELECT -(1 + 2), - id, + 5, @ -5 FROM t
SELECT * FROM t WHERE price BETWEEN 0.06 - 0.01 AND 0.06 + 0.01
SELECT * FROM t WHERE id < 10 * 100 + 7
SELECT day + 30, day - 7, at + '1 day'::interval, day + interval '1 month', zoned - interval '2 hours' FROM t
SELECT * FROM t WHERE day > current_date - 7 AND zoned > now() - interval '5 minutes'
SELECT sum(CASE WHEN ok THEN 1 ELSE 0 END), avg(CASE WHEN id > 5 THEN 1.0 ELSE 0.0 END) FROM t
SELECT 100.00 * sum(CASE WHEN name LIKE 'PROMO%' THEN price * (1 - ratio::numeric) ELSE 0 END) / sum(price) FROM t
SELECT sum(x.net) FROM (SELECT CASE WHEN ok THEN 1 ELSE -1 END AS net FROM t) AS x
SELECT sum(1), avg(2.5), max(3), min('a'), stddev(4), count(5) FROM t
SELECT round(12.345, 2), round(1 / 3.0, 2), trunc(1.55), power(2, 10), mod(7, 3), abs(-5), ceil(1.2) FROM t
SELECT substr('abcdef', 2, 3), substring(name, 1, 2), substring(name FROM 1 FOR 2), left('abc', 2), lpad('a', 5, 'x'), repeat('a', 3), split_part('a,b', ',', 1) FROM t
SELECT coalesce(price, 0), coalesce(NULL, 1), nullif(1, 2), greatest(1, 2, 3), least(price, 5) FROM t
SELECT 'a' || 'b', 'a' || 1, name || 'x' || code FROM t
SELECT generate_series(1, 10), generate_series('2020-01-01'::timestamp, '2020-02-01', '1 day') FROM t
SELECT * FROM generate_series(1, 5) AS g, t WHERE g = id
SELECT * FROM generate_series(date '2020-01-01', date '2020-02-01', interval '1 day') AS g
SELECT * FROM t WHERE id = ANY (ARRAY[1, 2, 3]) AND tags @> ARRAY['a', 'b'] AND name = ANY ('{a,b}')
SELECT * FROM t WHERE id IN (1, 2, 3, 4, 5) AND name NOT IN ('a', 'b') AND price IN (1.5, 2) AND day IN ('2020-01-01', '2020-01-02')
SELECT * FROM t WHERE (id, name) IN ((1, 'a'), (2, 'b'))
SELECT * FROM t WHERE doc ->> 'a' = 'x' AND (doc -> 'b' ->> 0)::int = 5 AND doc @> '{"c": 1}' AND doc #>> '{a,b}' = 'y'
SELECT * FROM t WHERE feeling = 'sad' AND span > '1 hour' AND net << '10.0.0.0/8' AND during && '[2020-01-01,2020-02-01)' AND code = 'abc'
SELECT * FROM t ORDER BY id LIMIT 10 OFFSET 5 * 2
SELECT * FROM t FETCH FIRST 5 ROWS ONLY
SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT small FROM t
SELECT 'a' AS kind, 0 AS n FROM t UNION ALL SELECT 'b', 1 FROM t UNION ALL SELECT name, id FROM t
SELECT CASE name WHEN 'a' THEN 1 WHEN 'b' THEN 2 END + 1, CASE WHEN ok THEN 'x' END FROM t
SELECT CASE WHEN ok THEN 1 ELSE 2 END * price, CASE WHEN ok THEN 10 ELSE 2 END / CASE WHEN ok THEN 5 ELSE 1 END FROM t
SELECT date_trunc('month', at), date_part('year', day), to_char(day, 'YYYY'), to_char(123, '999'), age('2020-01-01'::timestamp), make_date(2020, 1, 1) FROM t
SELECT at AT TIME ZONE 'UTC', zoned AT TIME ZONE 'Europe/Berlin', timezone('UTC', at) FROM t
SELECT row_number() OVER (ORDER BY id ROWS 5 PRECEDING), lag(price, 1, 0) OVER (ORDER BY id), ntile(4) OVER (ORDER BY id) FROM t
SELECT sum(price) OVER (ORDER BY at RANGE BETWEEN '1 day' PRECEDING AND CURRENT ROW) FROM t
SELECT string_agg(name, ','), array_agg(1), json_build_object('a', 1, 'b', min(name)), percentile_cont(0.5) WITHIN GROUP (ORDER BY ratio) FROM t GROUP BY doc
SELECT position('a' IN name), trim(both 'x' FROM name), overlay(name PLACING 'x' FROM 1 FOR 2), strpos(name, 'a'), name SIMILAR TO 'a%', name ~ 'a', name ILIKE '%x%' ESCAPE '#' FROM t
SELECT * FROM t WHERE price > 5::cents AND ratio > 0.5 AND small = 3 AND id <> 7 AND ok = true AND ok IS NOT TRUE
SELECT * FROM t WHERE id = (SELECT max(id) - 1 FROM t WHERE small > 3) AND EXISTS (SELECT 1 FROM t AS u WHERE u.id = t.id + 1)
WITH RECURSIVE r (n, w) AS (SELECT 1, 'a' UNION ALL SELECT n + 1, w || 'b' FROM r WHERE n < 5) SELECT * FROM r, t WHERE n = id
INSERT INTO t (id, day, price, tags, feeling) VALUES (1, '2020-01-01', 1.5 + 2, ARRAY['a'], 'sad'), (2, date '2020-01-01' + 1, 3, '{}', 'fine')
UPDATE t SET price = price * 1.1 + 5, day = day + 1, tags = tags || '{x}', name = 'a' || 'b', doc = doc || '{"a": 2}' WHERE id = 5 + 2
DELETE FROM t WHERE at < now() - interval '30 days' OR day = '2020-01-01'::date + 3
INSERT INTO t (id) SELECT 5 + 3 ON CONFLICT (id) DO UPDATE SET price = excluded.price + 1
SELECT * FROM t TABLESAMPLE bernoulli (10) REPEATABLE (5) WHERE id % 2 = 0 AND id % 10 + 3 = 5
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v (n, w) JOIN t ON t.id = v.n
SELECT ROW(1, 'a') = ROW(id, name), (1, 2) < (id, small), ARRAY[1, 2] || 3, '{1,2}'::int[], (ARRAY[1, 2])[1], tags[1] FROM t
SELECT DISTINCT ON (id / 10) id, 5 FROM t GROUP BY id, id / 10 HAVING count(*) > 1 + 1
SELECT ratio * 100 || '%', (price / 100)::text || ' EUR', name COLLATE "C" < 'a' FROM t
SELECT xmlparse(DOCUMENT '<a/>'), xmlelement(name a, 'b') FROM t
SELECT "date", 'date' FROM (SELECT day AS "date" FROM t) AS x WHERE "date" = '2020-01-01'
SELECT /* date $1 */ 1 + 2 -- interval $2
FROM t
SELECT U&'\0441', E'a\nb', B'101', X'1F', $$a$b$$, $x$ $1 $x$ FROM t
SELECT width_bucket(price, 0, 10, 5), setseed(0.5), random() * 10, floor(random() * 10 + 1)::int FROM t
SELECT * FROM t WHERE at BETWEEN '2020-01-01' AND '2020-01-01'::timestamp + '1 day'
SELECT * FROM t WHERE extract(year FROM day) = 2020 AND extract(month FROM day) IN (1, 2)
SELECT count(*) FILTER (WHERE price > 100 * 2), sum(price * 2) / 3, sum(small) * 1.0 / count(*) FROM t
SQL

# A query over two lines stands on two.
my @whole;
for (@queries)
{
	if (/^FROM t$/) { $whole[-1] .= "\n$_" }
	else { push @whole, $_ }
}

# A server may be built without XML.
my ($has_no_xml) = $node->psql('postgres', q{SELECT xmlparse(DOCUMENT '<a/>')});
@whole = grep { !/xml/ } @whole if $has_no_xml;

for my $query (@whole)
{
	$node->safe_psql('postgres', 'SELECT pg_stat_statements_reset()');
	my ($status, $out, $error) = $node->psql('postgres', "BEGIN;\n$query;\nROLLBACK", on_error_stop => 1);
	is($status, 0, "runs as it is: $query") or diag($error), next;
	my $problem;
	# A query may take two seconds to be planned, which it takes only while the machine stands still.
	for (1 .. 3)
	{
		$problem = $node->safe_psql('postgres',
			"SELECT coalesce(problem, 'planned') || CASE WHEN problem IS NULL THEN '' ELSE E'\\n' || query END FROM dbm.slow_queries() WHERE query !~ 'pg_stat_statements_reset|slow_queries'");
		last if $problem !~ /planning it took longer/;
	}
	is($problem, 'planned', "planned: $query");
}

# What cannot be planned says why.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE public.gone (id integer);
SELECT pg_stat_statements_reset();
SELECT id FROM public.gone WHERE id = 5;
DROP TABLE public.gone;
SQL
like($node->safe_psql('postgres', "SELECT problem FROM dbm.slow_queries() WHERE query ~ 'gone'"),
	qr/^relation "public\.gone" does not exist/, 'a table that is gone');

done_testing();
