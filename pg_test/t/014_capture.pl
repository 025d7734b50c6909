# What clients run is captured with the types of its constants, so that each query can be planned again; bounded, and
# beside other libraries that look at the same.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(none rows utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(wait_for_restart);
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('capture');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'app,watcher,granted' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\ndbm.capture = on");
$node->start;

# --- Without preload

$node->safe_psql('postgres', 'CREATE EXTENSION dbmastery');
for my $function (qw(captured_queries capture_status capture_reset))
{
	my ($status, $out, $error) =
	  $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT * FROM dbm.$function()", on_error_stop => 1);
	like($error, qr/ERROR:  55000: .*shared_preload_libraries.*HINT: .*restart the server/s,
		"without preload $function() says what is missing");
}

# --- With preload, beside pg_stat_statements in both orders

my $beside = $node->psql('postgres', "LOAD 'pg_stat_statements'") == 0;
# The extension wants to be preloaded, but its library alone may be looked for.
$beside = -e $node->config_data('--pkglibdir') . '/pg_stat_statements.so' if !$beside;
my $libraries = $beside ? 'pg_stat_statements,dbmastery' : 'dbmastery';
$node->append_conf('postgresql.conf', "shared_preload_libraries = '$libraries'\ndbm.capture_max_queries = 200");
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements') if $beside;

# The rows whose query begins so.
sub captured
{
	my ($start, %options) = @_;
	(my $quoted = $start) =~ s/'/''/g;
	return rows($node, 'postgres',
		"SELECT * FROM dbm.captured_queries() WHERE starts_with(query, '$quoted') ORDER BY query, role_name", %options);
}

$node->safe_psql('postgres', <<'SQL');
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TABLE t (id int PRIMARY KEY, note text, made timestamptz, day date, price numeric(10,2), flag bool, mood mood, data jsonb);
INSERT INTO t SELECT i, 'n' || i, now() - i * interval '1 hour', current_date - i, i, i % 2 = 0, 'fine', '{}'
  FROM generate_series(1, 100) AS i;
SQL

# A query, how it is to be kept, and the types of its parameters.
my @typed = (
	[ q{SELECT /*1*/ id FROM t WHERE id = 17 AND note = 'x''y'}, q{SELECT /*1*/ id FROM t WHERE id = $1 AND note = $2}, 'integer,text' ],
	[ q{SELECT /*2*/ id FROM t WHERE made > now() - interval '1 day'}, q{SELECT /*2*/ id FROM t WHERE made > now() - $1}, 'interval' ],
	[ q{SELECT /*3*/ id FROM t WHERE made > now() - interval '2' hour LIMIT 3}, q{SELECT /*3*/ id FROM t WHERE made > now() - $1 LIMIT $2}, 'interval,integer' ],
	[ q{SELECT /*4*/ id FROM t WHERE day < date '2020-01-01' + 7}, q{SELECT /*4*/ id FROM t WHERE day < $1 + $2}, 'date,integer' ],
	[ q{SELECT /*5*/ id FROM t WHERE made < timestamp with time zone '2020-01-01 00:00Z' AT TIME ZONE 'UTC'}, q{SELECT /*5*/ id FROM t WHERE made < $1 AT TIME ZONE $2}, 'timestamp with time zone,text' ],
	[ q{SELECT /*6*/ id FROM t WHERE price IN (1.5, 2, -3) AND flag = true}, q{SELECT /*6*/ id FROM t WHERE price IN ($1, $2, $3) AND flag = $4}, 'numeric,integer,integer,boolean' ],
	[ q{SELECT /*7*/ id FROM t WHERE mood = 'sad'}, q{SELECT /*7*/ id FROM t WHERE mood = $1}, 'public.mood' ],
	[ q{SELECT /*8*/ id FROM t WHERE day = '2020-01-01'::date OR day = CAST('2020-01-02' AS date)}, q{SELECT /*8*/ id FROM t WHERE day = $1::date OR day = CAST($2 AS date)}, 'date,date' ],
	[ q{SELECT /*9*/ extract('year' FROM day), extract(month FROM day) FROM t WHERE id < 3}, q{SELECT /*9*/ extract('year' FROM day), extract(month FROM day) FROM t WHERE id < $1}, 'integer' ],
	[ q{SELECT /*a*/ 1 + 2, sum(CASE WHEN flag THEN 1 ELSE 0 END), 'x' || note FROM t GROUP BY 3 ORDER BY 3}, q{SELECT /*a*/ $1 + $2, sum(CASE WHEN flag THEN $3 ELSE $4 END), $5 || note FROM t GROUP BY 3 ORDER BY 3}, 'integer,integer,integer,integer,text' ],
	[ q{SELECT /*b*/ id FROM t WHERE data @> '{"a": 1}' AND id = ANY ('{1,2}')}, q{SELECT /*b*/ id FROM t WHERE data @> $1 AND id = ANY ($2)}, 'jsonb,integer[]' ],
	[ q{SELECT /*c*/ id FROM (VALUES (1, 'a'), (2, 'b')) AS v (id, b) WHERE b LIKE E'a\\\\%' ESCAPE '!'}, q{SELECT /*c*/ id FROM (VALUES ($1, $2), ($3, $4)) AS v (id, b) WHERE b LIKE $5 ESCAPE $6}, 'integer,text,integer,text,text,text' ],
	[ q{WITH c AS (SELECT /*d*/ id FROM t WHERE id < 5) SELECT * FROM c WHERE EXISTS (SELECT FROM t WHERE t.id = c.id + 1 OFFSET 0)}, q{WITH c AS (SELECT /*d*/ id FROM t WHERE id < $1) SELECT * FROM c WHERE EXISTS (SELECT FROM t WHERE t.id = c.id + $2 OFFSET $3)}, 'integer,integer,integer' ],
	[ q{UPDATE /*e*/ t SET note = 'new', price = price * 1.1 WHERE id = 5}, q{UPDATE /*e*/ t SET note = $1, price = price * $2 WHERE id = $3}, 'text,numeric,integer' ],
	[ q{INSERT INTO /*f*/ t (id, note) VALUES (1000, 'größer') ON CONFLICT (id) DO UPDATE SET note = 'again'}, q{INSERT INTO /*f*/ t (id, note) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET note = $3}, 'integer,text,text' ],
	[ q{SELECT /*g*/ $$dollar$$, B'101', U&'d\0061t' , NULL, -5, 1e3}, q{SELECT /*g*/ $1, $2, $3 , $4, $5, $6}, 'text,bit,text,text,integer,numeric' ],
	[ q{SELECT /*h*/ numeric '1.5', pg_catalog.int8 '7', double precision '1'}, q{SELECT /*h*/ $1, $2, $3}, 'numeric,bigint,double precision' ],
	[ q{DELETE /*i*/ FROM t WHERE made BETWEEN SYMMETRIC '2001-01-01' AND '2000-01-01'}, q{DELETE /*i*/ FROM t WHERE made BETWEEN SYMMETRIC $1 AND $2}, 'timestamp with time zone,timestamp with time zone' ],
	[ q{SELECT /*j*/ id FROM t WHERE id = positive '5' OR id = public.positive '6' OR id = '7'::positive}, q{SELECT /*j*/ id FROM t WHERE id = $1 OR id = $2 OR id = $3::positive}, 'integer,integer,integer' ],
	[ q{SELECT /*k*/ id FROM t WHERE note = varchar(2) 'abc' OR made > now() - interval(0) '1.5 s'}, q{SELECT /*k*/ id FROM t WHERE note = $1 OR made > now() - $2}, 'character varying,interval' ],
);
$node->safe_psql('postgres', $_->[0]) for @typed;
my %kept = map { $_->{query} => join ',', @{ $_->{parameter_types} // [] } } captured('');
for my $case (@typed)
{
	my ($ran, $query, $types) = @$case;
	is($kept{$query}, $types, "types of $query");
	my $again = $types eq 'none' ? '' : "($types)";
	my ($status, $out, $error) = $node->psql('postgres', "PREPARE again $again AS $query");
	is("$status $error", '0 ', 'which can be planned again');
}

# --- Counting

my $session = Session->new($node, 'postgres');
$session->must("SELECT dbm.capture_reset()");
my $info = sub { return $session->must('SELECT captured, max_queries, evicted FROM dbm.capture_status()') };
$session->must("SELECT count(*) FROM t WHERE id = $_") for 1 .. 5;
my ($counted) = captured('SELECT count(*) FROM t WHERE id = $1');
is($counted->{calls}, 5, 'runs that differ in a constant are counted together');
cmp_ok($counted->{total_time}, '>', 0, 'and their time');
is("$counted->{database} $counted->{is_truncated}", 'postgres 0', 'where they were run, as a whole');
is($counted->{search_path}, '"$user", public', 'and with which search_path');
is($counted->{samples}, undef, 'but not with which values');
like($counted->{first_seen}, qr/^20/, 'and since when');

$session->must(q{PREPARE p(int, text) AS SELECT note FROM t WHERE id = $1 AND note <> $2 AND flag IS NOT NULL AND price > 0.5});
$session->must("EXECUTE p($_, 'x')") for 1 .. 4;
my $prepared = q{SELECT note FROM t WHERE id = $1 AND note <> $2 AND flag IS NOT NULL AND price > $3};
my ($p) = captured($prepared);
is("$p->{calls} @{ $p->{parameter_types} }", '4 integer text numeric', 'prepared statements are counted');
$session->must('SELECT dbm.capture_reset()');
$session->must("EXECUTE p($_, 'x')") for 1 .. 3;
($p) = captured($prepared);
is("$p->{calls} @{ $p->{parameter_types} }", '3 integer text numeric', 'also when they were forgotten in between');

$session->must(q{DECLARE c CURSOR WITH HOLD FOR SELECT id FROM t WHERE id > 3 ORDER BY id; CLOSE c});
$session->must(q{BEGIN; DECLARE c CURSOR FOR SELECT id, day FROM t WHERE id > 3 ORDER BY id; FETCH 2 FROM c; FETCH 2 FROM c; COMMIT});
my ($cursor) = captured('SELECT id, day FROM t WHERE id > $1 ORDER BY id');
# Up to 17 the server does not tell such queries apart.
is($cursor->{calls}, $node->pg_version >= 18 ? 1 : undef, 'a cursor that is fetched from twice is one run');

$session->must(<<'SQL');
CREATE FUNCTION inner_queries() RETURNS int LANGUAGE plpgsql AS $$
DECLARE r record; n int := 0;
BEGIN
	FOR r IN SELECT 'inside loop', id FROM t WHERE id < 5 LOOP n := n + 1; END LOOP;
	PERFORM 'inside perform', id FROM t WHERE id = 3;
	EXECUTE 'SELECT ''inside execute'' FROM t WHERE id = 3';
	BEGIN
		PERFORM 1 / 0;
	EXCEPTION WHEN division_by_zero THEN PERFORM 'inside handler', id FROM t WHERE id = 4;
	END;
	RETURN n;
END $$;
CREATE FUNCTION in_sql() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) /* inside sql */ FROM t WHERE id < 9 OFFSET 0 $$;
SQL
$session->must('SELECT inner_queries(), in_sql()');
$session->must('DO $$ BEGIN PERFORM inner_queries(); END $$');
$session->must(q{EXPLAIN ANALYZE SELECT 'inside explain' FROM t});
$session->must(q{CREATE TEMP TABLE copy AS SELECT 'inside ctas' AS x, id FROM t});
none([ map { $_->{query} } grep { $_->{query} =~ /inside|\$1, id/ } captured('') ],
	'what functions and utility statements run is not what the client asked for');
my ($outer) = captured('SELECT inner_queries(), in_sql()');
is($outer->{calls}, 1, 'what the client asked for is');
my (undef, $division) = $session->run(q{SELECT 1 / (id - 1), 'fails' FROM t});
like($division, qr/ERROR:  division by zero/, 'a query fails');
$session->must(q{SELECT 'after failure' FROM t WHERE id = 1});
none([ map { $_->{calls} } captured('SELECT $1 / (id - $2)') ], 'a run that failed is not counted');
is((captured('SELECT $1 FROM t WHERE id = $2'))[0]{calls}, 1, 'the next one is');
my (undef, $context) = $session->run(q{DO $$ BEGIN PERFORM 1 / 0; END $$});
like($context, qr/CONTEXT:.*PL\/pgSQL function inline_code_block/s, 'an ERROR keeps its CONTEXT on its way');

$session->must(q{SET dbm.capture = off; SELECT 'turned off', id FROM t; SET dbm.capture = on});
none([ map { $_->{query} } grep { $_->{query} =~ /^SELECT \$1, id FROM t$/ } captured('') ], 'nothing is captured while it is off');
$session->must(q{SELECT 'several'; SELECT 'in one', 2});
$node->safe_psql('postgres', q{SELECT 'one text', true; SELECT 'with', 'two', 'statements';});
is((captured('SELECT $1, $2, $3'))[0]{query}, 'SELECT $1, $2, $3', 'of several statements in one text each is kept alone');

$session->must(q{SET dbm.capture_constants = off; SELECT 'hidden type', id, day FROM t WHERE id = 3});
my ($untyped) = captured('SELECT $1, id, day FROM t WHERE id = $2');
is($untyped->{parameter_types}, undef, 'types can be left out');

# --- Samples

$session->must(q{SET dbm.capture_constants = sample; SET datestyle = 'SQL, DMY'});
$session->must("SELECT id, 's' FROM t WHERE day > '31/12/$_' AND mood = 'sad' AND note = 'it''s'") for 2001 .. 2009;
my ($sampled) = captured('SELECT id, $1 FROM t WHERE day >');
is(scalar @{ $sampled->{samples} }, 3, 'three samples are kept');
for my $sample (@{ $sampled->{samples} })
{
	my ($s, $day, $mood, $note) = @$sample;
	like("$s $day $mood $note", qr/^s 200\d-12-31 sad it's$/, 'each with the values as every session reads them');
}
$session->must(q{PREPARE s(int, date) AS SELECT id, 'bound' FROM t WHERE id = $1 AND day < $2});
$session->must("EXECUTE s($_, NULL)") for 1 .. 2;
my ($bound) = captured('SELECT id, $3 FROM t WHERE id = $1 AND day < $2');
is_deeply($bound->{samples}, [ [ 1, undef, 'bound' ], [ 2, undef, 'bound' ] ], 'and those with which a prepared statement was run');
$session->must('RESET datestyle; RESET dbm.capture_constants');

# --- Bounded

$session->must('SELECT dbm.capture_reset()');
$session->must("SELECT 'used often' FROM t WHERE id = 1") for 1 .. 30;
# Other targets, other queries.
$session->must(join ";\n", map { 'SELECT ' . join(', ', ('id') x $_) . ' FROM t WHERE false' } 1 .. 500);
my ($captured, $most, $evicted) = split /\|/, $info->();
cmp_ok($captured, '<=', 200, 'no more queries are kept than there is room for');
is($most, 200, 'which is what the setting says');
cmp_ok($captured + $evicted, '>=', 500, 'the others were given up');
is((captured('SELECT $1 FROM t WHERE id = $2'))[0]{calls}, 30, 'but not one that is run often');
$session->must("SELECT id, '" . ('x' x 50_000) . "' FROM t WHERE id = 1");
is((captured('SELECT id, $1'))[0]{is_truncated}, 1, 'a text that is looked at in part is cut');
$session->must('SELECT id, ' . join(', ', ('note AS a_rather_long_name') x 500) . " FROM t WHERE id = 1 AND note <> 'secret'");
my ($cut) = captured('SELECT id, note AS a_rather');
is($cut->{is_truncated}, 1, 'so is one that is too long to be kept');
is($cut->{parameter_types}, undef, 'it has no types');
unlike($cut->{query}, qr/secret/, 'and no constants');

# --- Rights

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE app LOGIN; CREATE ROLE watcher LOGIN; CREATE ROLE granted LOGIN;
GRANT pg_monitor TO watcher;
GRANT USAGE ON SCHEMA dbm TO granted;
GRANT EXECUTE ON FUNCTION dbm.captured_queries() TO granted;
GRANT SELECT ON t TO app, granted;
SQL
$node->safe_psql('postgres', "SELECT 'by app', count(*) FROM t", extra_params => [ '-U', 'app' ]);
$node->safe_psql('postgres', "SELECT 'by granted', 1, count(*) FROM t", extra_params => [ '-U', 'granted' ]);
is((captured('SELECT $1, count(*) FROM t', role => 'watcher'))[0]{role_name}, 'app', 'who watches sees the queries of all');
my @granted = rows($node, 'postgres', 'SELECT * FROM dbm.captured_queries()', role => 'granted');
is(join(';', map { $_->{query} } grep { $_->{role_name} eq 'granted' } @granted), 'SELECT $1, $2, count(*) FROM t', 'others see their own');
my @others = grep { $_->{role_name} ne 'granted' } @granted;
cmp_ok(scalar @others, '>', 1, 'of others');
none([ grep { $_->{query} ne '<insufficient privilege>' || defined $_->{queryid} || defined $_->{parameter_types} } @others ],
	'they see the counts alone');
for my $function ('captured_queries', 'capture_reset')
{
	my ($status, undef, $refused) =
	  $node->psql('postgres', "SELECT dbm.$function()", extra_params => [ '-U', $function eq 'capture_reset' ? 'watcher' : 'app' ]);
	like($refused, qr/permission denied/, "$function() is not for everybody");
}
my ($status, undef, $refused) = $node->psql('postgres', 'SET dbm.capture = off', extra_params => [ '-U', 'watcher' ]);
like($refused, qr/permission denied to set parameter "dbm.capture"/, 'nobody else turns it off');

# --- Another database

$node->safe_psql('postgres', "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
$node->safe_psql('latin', "SET client_encoding = 'UTF8'; CREATE TABLE größe (id int); CREATE EXTENSION dbmastery; SELECT id FROM größe WHERE id = 4");
$node->safe_psql('postgres', q{SELECT 'ж', id AS "ж" FROM t WHERE id = 1});
is((captured('SELECT id FROM größe'))[0]{query}, 'SELECT id FROM größe WHERE id = $1', 'a text comes in its encoding');
is($node->safe_psql('latin', q{SELECT query FROM dbm.captured_queries() WHERE query LIKE 'SELECT $1, id AS %'}),
	'SELECT $1, id AS "?" FROM t WHERE id = $2', 'and where that cannot be written, it is still shown');

# --- Beside others

SKIP:
{
	skip 'there is no pg_stat_statements', 4 if !$beside;
	for my $order ('pg_stat_statements,dbmastery', 'dbmastery,pg_stat_statements')
	{
		$node->append_conf('postgresql.conf', "shared_preload_libraries = '$order'");
		$node->restart;
		is((split /\|/, $node->safe_psql('postgres', 'SELECT evicted FROM dbm.capture_status()'))[0], 0, 'a restart keeps nothing');
		$node->safe_psql('postgres', 'SELECT pg_stat_statements_reset()');
		$node->safe_psql('postgres', "SELECT id FROM t WHERE id = $_") for 1 .. 3;
		is($node->safe_psql('postgres', <<'SQL'), 'SELECT id FROM t WHERE id = $1|3|3|t', "$order: both tell the same");
SELECT c.query, c.calls, s.calls, s.query = c.query
  FROM dbm.captured_queries() AS c
  JOIN pg_stat_statements AS s ON s.queryid = c.queryid AND s.dbid = (SELECT oid FROM pg_database WHERE datname = c.database)
 WHERE c.query LIKE 'SELECT id FROM t%'
SQL
	}
}

# --- Many sessions at once, more queries than there is room for, and somebody who resets

$node->append_conf('postgresql.conf', "dbm.capture_max_queries = 100\nrestart_after_crash = on");
$node->restart;
my $scripts = PostgreSQL::Test::Utils::tempdir();
my @files = map { "$scripts/$_.sql" } 1 .. 128;
append_to_file($files[ $_ - 1 ], 'SELECT ' . join(', ', ('id') x $_) . " FROM t WHERE id = 3;\n") for 1 .. @files;
my @load = map { ('-f', $_) } @files;
my $loader = IPC::Run::start(
	[ $node->installed_command('pgbench'), '-n', '-c', '4', '-t', '800', '-M', 'prepared', @load, '-d', $node->connstr('postgres') ],
	'>', \my $told, '2>', \my $trouble);
while ($loader->pumpable)
{
	$node->safe_psql('postgres', 'SELECT dbm.capture_reset(); SELECT count(*) FROM dbm.captured_queries()');
	$loader->pump_nb;
}
ok($loader->finish, 'four sessions run 128 queries while they are reset and read') or diag($trouble);
my @run = captured('SELECT id');
cmp_ok(scalar @run, '<=', 100, 'no more are kept than there is room for');
none([ grep { !/^SELECT id(?:, id)* FROM t WHERE id = \$1$/ } map { $_->{query} } @run ], 'none is mixed up');
none([ map { $_->{query} } grep { "@{ $_->{parameter_types} }" ne 'integer' } @run ], 'nor are their types');

# --- A crash

my $victim = Session->new($node, 'postgres');
my $pid = $victim->must('SELECT pg_backend_pid()');
my $log = -s $node->logfile;
kill 'KILL', $pid;
wait_for_restart($node, $log);
is($node->safe_psql('postgres', 'SELECT captured < 10, evicted FROM dbm.capture_status()'), 't|0', 'a crash keeps nothing');
$node->safe_psql('postgres', "SELECT 'after the crash', id FROM t");
is((captured('SELECT $1, id FROM t'))[0]{calls}, 1, 'and the server captures again');

# --- Without what it stands on

$node->append_conf('postgresql.conf', 'compute_query_id = off');
$node->restart;
$node->safe_psql('postgres', 'SELECT id FROM t WHERE id = 1');
my ($code, $none, $warning) = $node->psql('postgres', 'SELECT count(*) FROM dbm.captured_queries()');
is("$code $none", '0 0', 'without query identifiers nothing is captured');
like($warning, qr/WARNING:  nothing new is captured: compute_query_id is off/, 'which is said');

$node->stop;
done_testing();
