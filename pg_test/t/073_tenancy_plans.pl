# A plan that is kept outlives the transaction in which it was made, and with it the tenant and the role it was made for. Whatever
# keeps one (PREPARE, PL/pgSQL, SQL functions that are inlined, cursors, workers of a query), as generic plan or not: each
# transaction sees and changes the rows of its tenant and no others.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('plans');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'staff' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nmax_worker_processes = 16\nmax_parallel_workers = 8");
$node->start;
# Who logs in may act for tenants, as somebody who audits them all, and as somebody for whom no policy holds.
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE alice; CREATE ROLE app; CREATE ROLE auditor; CREATE ROLE ghost BYPASSRLS;
CREATE ROLE staff LOGIN NOINHERIT; GRANT app, auditor, ghost TO staff;
CREATE EXTENSION dbmastery;
SET dbm.ddl_guard = off;
ALTER DATABASE postgres SET dbm.ddl_guard = 'off';
GRANT USAGE ON SCHEMA dbm TO alice, app, auditor, ghost, staff;
GRANT EXECUTE ON FUNCTION dbm.set_tenant TO app, auditor, ghost;
CREATE SCHEMA shop AUTHORIZATION alice;
GRANT USAGE ON SCHEMA shop TO app, auditor, ghost;
SET ROLE alice;
CREATE TABLE shop.orders (tenant_id bigint NOT NULL DEFAULT dbm.current_tenant(NULL::bigint), id int NOT NULL, touched text[] NOT NULL DEFAULT '{}', PRIMARY KEY (tenant_id, id));
CREATE TABLE shop.lines (tenant_id bigint NOT NULL, order_id int NOT NULL, PRIMARY KEY (tenant_id, order_id));
CREATE TABLE shop.bare (tenant_id bigint NOT NULL, id int NOT NULL);
ALTER TABLE shop.orders SET (parallel_workers = 2);
INSERT INTO shop.orders SELECT t, i FROM generate_series(1, 5) t, generate_series(1, 60) i;
INSERT INTO shop.lines SELECT t, i FROM generate_series(1, 5) t, generate_series(1, 60) i;
INSERT INTO shop.bare SELECT t, i FROM generate_series(1, 5) t, generate_series(1, 60) i;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO app;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO auditor, ghost;
GRANT UPDATE ON shop.orders TO auditor;
ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE shop.lines ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY audits ON shop.orders FOR SELECT TO auditor USING (true);
CREATE POLICY audits ON shop.lines FOR SELECT TO auditor USING (true);
CREATE FUNCTION shop.mine() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT dbm.current_tenant(NULL::bigint)';
CREATE FUNCTION shop.those(first int) RETURNS SETOF shop.orders LANGUAGE sql STABLE AS 'SELECT * FROM shop.orders WHERE id >= first';
CREATE FUNCTION shop.asked() RETURNS text LANGUAGE sql AS $$SELECT coalesce(string_agg(DISTINCT tenant_id::text, ' ' ORDER BY tenant_id::text), 'none') FROM shop.orders$$;
CREATE FUNCTION shop.looped() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seen text; answers text[] := '{}';
BEGIN
	FOR i IN 1 .. 8 LOOP
		SELECT coalesce(string_agg(DISTINCT tenant_id::text, ' ' ORDER BY tenant_id::text), 'none') INTO seen FROM shop.orders WHERE id >= i;
		answers := answers || seen;
	END LOOP;
	RETURN (SELECT string_agg(DISTINCT a, ' and ') FROM unnest(answers) a);
END $$;
CREATE FUNCTION shop.one_by_one() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	one record; answers text[] := '{}';
BEGIN
	FOR one IN SELECT tenant_id FROM shop.orders WHERE id < 4 LOOP
		-- An expression that is evaluated without a query, and keeps what its functions keep.
		IF dbm.current_tenant(NULL::bigint) IS DISTINCT FROM one.tenant_id AND current_user NOT IN ('auditor', 'ghost') THEN RAISE 'a row of %', one.tenant_id; END IF;
		answers := answers || one.tenant_id::text;
	END LOOP;
	RETURN coalesce((SELECT string_agg(DISTINCT a, ' ' ORDER BY a) FROM unnest(answers) a), 'none');
END $$;
CREATE FUNCTION shop.touched() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	one record; answers text[] := '{}';
BEGIN
	FOR one IN UPDATE shop.orders SET touched = touched || coalesce(dbm.current_tenant(), 'nobody') RETURNING tenant_id LOOP
		answers := answers || one.tenant_id::text;
	END LOOP;
	RETURN coalesce((SELECT string_agg(DISTINCT a, ' ' ORDER BY a) FROM unnest(answers) a), 'none');
END $$;
CREATE VIEW shop.asking WITH (security_invoker) AS SELECT * FROM shop.orders;
GRANT SELECT ON shop.asking TO app, auditor, ghost;
SQL

my $seen = q{coalesce(string_agg(DISTINCT tenant_id::text, ' ' ORDER BY tenant_id::text), 'none')};
my $touch = q{touched = touched || coalesce(dbm.current_tenant(), 'nobody')};
my $parallel = 'SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET parallel_leader_participation = off;';
# How rows are asked for or changed: what is said once, and what is said in each transaction. Of a change is told whose rows it
# met; writes says so, silent that nothing tells, is_refused that it fails
# where no policy lets rows be changed. bare: what has no policies, so that the query alone goes by the tenant.
my %asks = (
	'a query'                => [ "PREPARE ask AS SELECT $seen FROM shop.orders", 'EXECUTE ask' ],
	'one with a parameter'   => [ "PREPARE ask(int) AS SELECT $seen FROM shop.orders WHERE id = \$1", 'EXECUTE ask(7)' ],
	'one by the key'         => [ "SET enable_seqscan = off; PREPARE ask(int) AS SELECT $seen FROM shop.orders WHERE id = \$1", 'EXECUTE ask(7)' ],
	'a join'                 => [ "PREPARE ask AS SELECT coalesce(string_agg(DISTINCT o.tenant_id::text, ' ' ORDER BY o.tenant_id::text), 'none') FROM shop.orders o JOIN shop.lines l ON (l.tenant_id, l.order_id) = (o.tenant_id, o.id)", 'EXECUTE ask' ],
	'a subquery'             => [ "PREPARE ask AS SELECT $seen FROM shop.bare b WHERE EXISTS (SELECT FROM shop.orders o WHERE (o.tenant_id, o.id) = (b.tenant_id, b.id))", 'EXECUTE ask' ],
	'a view'                 => [ "PREPARE ask AS SELECT $seen FROM shop.asking", 'EXECUTE ask' ],
	'a function that is inlined' => [ "PREPARE ask(int) AS SELECT $seen FROM shop.those(\$1)", 'EXECUTE ask(3)' ],
	'a function in SQL'      => [ 'PREPARE ask AS SELECT shop.asked()', 'EXECUTE ask' ],
	'a tenant that is inlined' => [ "PREPARE ask AS SELECT $seen FROM shop.bare WHERE tenant_id = shop.mine()", 'EXECUTE ask', bare => 1 ],
	'a query that is told apart by itself' => [ "PREPARE ask AS SELECT $seen FROM shop.bare WHERE tenant_id = dbm.current_tenant(NULL::bigint)", 'EXECUTE ask', bare => 1 ],
	'a loop in PL/pgSQL'     => [ '', 'SELECT shop.looped()' ],
	'a loop over rows'       => [ '', 'SELECT shop.one_by_one()' ],
	'a loop, prepared'       => [ 'PREPARE ask AS SELECT shop.looped()', 'EXECUTE ask' ],
	'workers'                => [ "$parallel PREPARE ask AS SELECT $seen FROM shop.orders", 'EXECUTE ask' ],
	'a cursor'               => [ '', "DECLARE c CURSOR FOR SELECT $seen FROM shop.orders; FETCH ALL FROM c; CLOSE c" ],
	'an update'              => [ "PREPARE ask AS WITH u AS (UPDATE shop.orders SET $touch RETURNING tenant_id) SELECT $seen FROM u", 'EXECUTE ask', writes => 1 ],
	'an update by the key'   => [ "SET enable_seqscan = off; PREPARE ask(int) AS WITH u AS (UPDATE shop.orders SET $touch WHERE id = \$1 RETURNING tenant_id) SELECT $seen FROM u", 'EXECUTE ask(1)', writes => 1 ],
	'an update that tells nothing' => [ "PREPARE ask AS UPDATE shop.orders SET $touch WHERE id < 9", 'EXECUTE ask', writes => 1, silent => 1 ],
	'an update in PL/pgSQL'  => [ '', 'SELECT shop.touched()', writes => 1 ],
	'MERGE'                  => [ "PREPARE ask AS MERGE INTO shop.orders o USING shop.bare b ON (b.tenant_id, b.id) = (o.tenant_id, o.id) WHEN MATCHED THEN UPDATE SET $touch", 'EXECUTE ask', writes => 1, silent => 1, is_refused => 1 ],
);

# What somebody does in one session: 'ask', or a statement. Behind 'ask', whose rows he sees, and whose he changes if those are others.
my $all = '1 2 3 4 5';
my @turns = (
	'SET ROLE app',
	'BEGIN', "SELECT dbm.set_tenant('2')", [2], [2], 'COMMIT',
	'BEGIN', "SELECT dbm.set_tenant('3')", [3], 'COMMIT',
	'BEGIN', ['none'], 'COMMIT',
	'BEGIN', 'SAVEPOINT s', "SELECT dbm.set_tenant('2')", [2], 'ROLLBACK TO s', ['none'], "SELECT dbm.set_tenant('2')", [2], 'COMMIT',
	'BEGIN', ['none'], 'SAVEPOINT s', "SELECT dbm.set_tenant('4')", [4], 'ROLLBACK TO s', ['none'], 'RELEASE s', ['none'], 'COMMIT',
	'BEGIN', "SELECT dbm.set_tenant('5')", [5], 'ROLLBACK',
	'BEGIN', ['none'], 'COMMIT',
	"SELECT dbm.set_tenant('4', false)", 'BEGIN', [4], 'COMMIT',
	'BEGIN', "SELECT dbm.set_tenant('2')", [2], 'COMMIT', 'BEGIN', [4], 'COMMIT',
	'BEGIN', "SELECT dbm.set_tenant('3')", [3], 'ROLLBACK', 'BEGIN', [4], 'COMMIT',
	'SELECT dbm.set_tenant(NULL, false)', 'BEGIN', ['none'], 'COMMIT',
	'SET ROLE auditor', 'BEGIN', [ $all, 'none' ], "SELECT dbm.set_tenant('2')", [ $all, 'none' ], 'SET LOCAL ROLE app', [2], 'SET LOCAL ROLE auditor', [ $all, 'none' ], 'COMMIT',
	'SET ROLE app', 'BEGIN', ['none'], "SELECT dbm.set_tenant('3')", [3], 'COMMIT',
	'BEGIN', "SELECT dbm.set_tenant('1')", 'SAVEPOINT s', 'SET LOCAL ROLE auditor', [ $all, 'none' ], 'ROLLBACK TO s', [1], 'COMMIT',
	'SET ROLE ghost', 'BEGIN', [ $all, undef ], 'COMMIT', 'SET ROLE app', 'BEGIN', ['none'], "SELECT dbm.set_tenant('5')", [5], 'COMMIT',
	'BEGIN', ['none'], 'COMMIT',
);

# What he is to be told, and how often something of each tenant is changed for good.
sub expected
{
	my ($ask) = @_;
	my ($session, $tenant, $told, @changed, %mark) = ('none', 'none', '');
	for my $turn (@turns)
	{
		if (!ref $turn)
		{
			if ($turn =~ /set_tenant\('?(\w+)'?(, false)?\)/)
			{
				$tenant = $1 eq 'NULL' ? 'none' : $1;
				$session = $tenant if $2;
			}
			$mark{$1} = [ $tenant, scalar @changed ] if $turn =~ /^(BEGIN)$/ || $turn =~ /^SAVEPOINT (s)$/;
			($tenant, $#changed) = ($mark{s}[0], $mark{s}[1] - 1) if $turn eq 'ROLLBACK TO s';
			$#changed = $mark{BEGIN}[1] - 1 if $turn eq 'ROLLBACK';
			$tenant = $session if $turn eq 'ROLLBACK' || $turn eq 'COMMIT';
			next;
		}
		next if !says($ask, $turn);
		# Where no policy guards the rows, everybody sees those that the query asks for.
		my $whose = $ask->{bare} ? $tenant : $turn->[ $ask->{writes} ? -1 : 0 ];
		$told .= "$whose\n" if !$ask->{silent};
		push @changed, [ $whose eq 'none' ? () : split / /, $whose ] if $ask->{writes};
	}
	my %times;
	$times{$_}++ for map { @$_ } @changed;
	return ($told, join ' ', map { "$_:" . ($times{$_} // 0) } 1 .. 5);
}

# Whether it is asked there: not where it would be refused.
sub says
{
	my ($ask, $turn) = @_;
	return !$ask->{writes} || defined $turn->[-1] && !($ask->{is_refused} && @$turn > 1);
}

# Runs the turns as staff, each ask in a session that has kept what it keeps; what came out, without the answers of set_tenant().
sub turned
{
	my ($mode, $ask, $prepared) = @_;
	my @statements = ("SET plan_cache_mode = $mode", @$prepared);
	for my $turn (@turns)
	{
		push @statements, !ref $turn ? $turn : says($ask, $turn) ? $ask->{say} : ();
	}
	my ($status, $out, $error) = $node->psql('postgres', join(";\n", @statements) . ";\n", extra_params => [ '-U', 'staff' ], on_error_stop => 1);
	return ($error ne '' ? $error : $out . "\n") =~ s/^\n//gmr;
}

for my $policy ('tenant_id = dbm.current_tenant(NULL::bigint)', 'tenant_id = dbm.current_tenant()::bigint', 'tenant_id = (SELECT dbm.current_tenant(NULL::bigint))', 'tenant_id = shop.mine()')
{
	$node->safe_psql('postgres', "CREATE POLICY own ON shop.$_ TO app USING ($policy)") for 'orders', 'lines';
	for my $mode ('force_generic_plan', 'force_custom_plan', 'auto')
	{
		for my $name (sort keys %asks)
		{
			my ($once, $say, %ask) = @{ $asks{$name} };
			# What asks no policies is asked once.
			next if $ask{bare} && $policy !~ /^tenant_id = shop/;
			$ask{say} = $say;
			my ($told, $changed) = expected(\%ask);
			# Made by who acts for tenants, by who sees all, and while there is a tenant.
			for my $maker ('SET ROLE app', 'SET ROLE auditor', q{SET ROLE app; BEGIN; SELECT dbm.set_tenant('3'); SAVEPOINT s})
			{
				next if $once eq '' && $maker ne 'SET ROLE app';
				my $end = $maker =~ /BEGIN/ ? 'COMMIT' : 'RESET ROLE';
				$node->safe_psql('postgres', q{UPDATE shop.orders SET touched = '{}' WHERE touched <> '{}'}) if $ask{writes};
				is(turned($mode, \%ask, [ $maker, $once eq '' ? () : $once, $end ]), $told, "$mode, $policy: $name, made after $maker");
				next if !$ask{writes};
				is($node->safe_psql('postgres', q{SELECT string_agg(tenant_id || ':' || cardinality(touched), ' ' ORDER BY tenant_id) FROM shop.orders WHERE id = 1}), $changed, 'and changed what was to be changed');
				is($node->safe_psql('postgres', q{SELECT count(*) FROM shop.orders, unnest(touched) whose WHERE whose <> tenant_id::text}), '0', 'of nobody else');
			}
		}
	}
	$node->safe_psql('postgres', "DROP POLICY own ON shop.$_") for 'orders', 'lines';
}

# What was tried is what it is said to be.
sub said
{
	my ($sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', $sql, extra_params => [ '-U', 'staff' ], on_error_stop => 0);
	return ($error ne '' ? "$out\n$error" : $out) =~ s/^\n//gmr;
}
$node->safe_psql('postgres', "CREATE POLICY own ON shop.$_ TO app USING (tenant_id = dbm.current_tenant(NULL::bigint))") for 'orders', 'lines';
my $begin = q{SET ROLE app; SET plan_cache_mode = force_generic_plan; BEGIN; SELECT dbm.set_tenant('2')};
my $explained = sub { my ($once, $say) = @{ $asks{ $_[0] } }; return said("$begin; $once; EXPLAIN (COSTS off) $say") };
like($explained->('workers'), qr/Workers Planned: 2/, 'workers were at work');
unlike($explained->('a function that is inlined'), qr/Function Scan/, 'the function was inlined');
unlike($explained->('a tenant that is inlined'), qr/mine\(\)/, 'so was the tenant');
like($explained->('one by the key'), qr/Index.*Cond: \(\(tenant_id = dbm\.current_tenant\(NULL::bigint\)\) AND \(id = \$1\)\)/, 'the key was looked up by a generic plan');

# Cursors go by whose the transaction is, and end with it.
my $rows = 'SELECT tenant_id FROM shop.orders ORDER BY id';
is(said("$begin; DECLARE c CURSOR FOR $rows; FETCH 2 FROM c; SELECT dbm.set_tenant('3'); COMMIT; BEGIN; FETCH c") =~ s/\n(?:psql|DETAIL|HINT|LINE).*//sr, "2\n2", 'a cursor');
like(said("$begin; DECLARE c CURSOR FOR $rows; COMMIT; BEGIN; SELECT dbm.set_tenant('3'); FETCH c"), qr/cursor "c" does not exist/, 'is gone with its transaction');
for my $plan ('SELECT tenant_id FROM shop.orders', $rows, 'SELECT tenant_id FROM shop.those(1)', 'SELECT tenant_id FROM shop.bare WHERE tenant_id = dbm.current_tenant(NULL::bigint)')
{
	for my $first ('', 'FETCH 1 FROM c;')
	{
		my $told = said("SET ROLE app; BEGIN; DECLARE c SCROLL CURSOR FOR $plan; SAVEPOINT s; $first SELECT dbm.set_tenant('2'); FETCH 70 FROM c; ROLLBACK TO s; FETCH 70 FROM c; SELECT dbm.set_tenant('2'); FETCH 70 FROM c; MOVE ABSOLUTE 0 FROM c; FETCH 5 FROM c");
		like($told, qr/\A(?:2\n?)*\z/, "one that is open before there is a tenant and after ($first $plan)");
	}
}
like(said("SET ROLE app; BEGIN; DECLARE c CURSOR FOR $rows; SELECT dbm.set_tenant('2'); FETCH 1 FROM c; SELECT dbm.set_tenant('3')"), qr/this transaction belongs to tenant "2"/, 'and none goes on to another');
# A cursor tells where a row is; whether it may be changed is asked again.
is(said(q{SET ROLE auditor; BEGIN; DECLARE c CURSOR FOR SELECT tenant_id FROM shop.orders WHERE (tenant_id, id) = (4, 1); FETCH c; SET LOCAL ROLE app; SELECT dbm.set_tenant('2');
	WITH u AS (UPDATE shop.orders SET touched = '{x}' WHERE id = 1 RETURNING tenant_id) SELECT count(*) FROM u; UPDATE shop.orders SET touched = '{x}' WHERE CURRENT OF c; DELETE FROM shop.orders WHERE CURRENT OF c}), "4\n1",
	'a row that another cursor is at');
is($node->safe_psql('postgres', q{SELECT count(*) FROM shop.orders WHERE (tenant_id, id) = (4, 1) AND touched <> '{x}'}), '1', 'stays as it is');

# A superuser goes from tenant to tenant in one transaction: whatever PL/pgSQL keeps of one is not given for another.
$node->safe_psql('postgres', q{CREATE FUNCTION shop.simply() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN coalesce(dbm.current_tenant(NULL::bigint)::text, 'none'); END$$});
for my $mode ('force_generic_plan', 'force_custom_plan', 'auto')
{
	is($node->safe_psql('postgres', <<"SQL"), '2: 2, 2, 2, 2; 3: 3, 3, 3, 3; none: none, none, none, none; 5: 5, 5, 5, 5; 2: 2, 2, 2, 2', "$mode: from tenant to tenant in one transaction");
SET plan_cache_mode = $mode;
CREATE FUNCTION pg_temp.every() RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
	whose text; answers text[] := '{}'; told text;
BEGIN
	FOREACH whose IN ARRAY '{2,3,NULL,5,2}'::text[] LOOP
		PERFORM dbm.set_tenant(whose);
		SET LOCAL ROLE app;
		SELECT coalesce(string_agg(DISTINCT tenant_id::text, ' '), 'none') INTO told FROM shop.orders;
		answers := answers || format('%s: %s, %s, %s, %s', coalesce(whose, 'none'), told, shop.looped(), shop.simply(), coalesce(dbm.current_tenant(NULL::bigint)::text, 'none'));
		SET LOCAL ROLE NONE;
	END LOOP;
	RETURN array_to_string(answers, '; ');
END \$\$;
SELECT pg_temp.every();
SQL
}
# What cannot be a tenant is in nobody's way afterwards.
my $told = said("SET ROLE app; PREPARE ask AS SELECT $seen FROM shop.orders; BEGIN; SELECT dbm.set_tenant('2'); EXECUTE ask; COMMIT; BEGIN; SELECT dbm.set_tenant('two'); EXECUTE ask; ROLLBACK; BEGIN; EXECUTE ask; SELECT dbm.set_tenant('3'); EXECUTE ask; COMMIT");
like($told, qr/\A2\nnone\n3\n.*invalid input syntax for type bigint: "two"/s, 'a tenant that is no number');

# What a session keeps on purpose it has kept, as the manual says: until it is told to forget it.
my $held = "$begin; DECLARE c CURSOR WITH HOLD FOR $rows; COMMIT;";
is(said("$held BEGIN; SELECT dbm.set_tenant('3'); FETCH c"), '2', 'a cursor WITH HOLD has the rows that it had');
like(said("$held DISCARD ALL; SET ROLE app; BEGIN; SELECT dbm.set_tenant('3'); FETCH c"), qr/cursor "c" does not exist/, 'and none when the session is cleaned up');

done_testing();
