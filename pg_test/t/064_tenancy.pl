# Tenants: nobody becomes another by a setting; every hole that is made on purpose is found; tables in use are divided
# while others write, killed on the way, and back.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use Bystander qw(start_bystander waited_at_most);
use Changes qw(call carry);
use Plan qw(plan_row schema_of start_writers steps stop_writers);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(wait_for_server);
use Tenants qw(accounts leaks make_shop plan_tenancy tenants_agree writers);
use Test::More;

my $rows = 5000;
my $node = PostgreSQL::Test::Cluster->new('tenancy');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice', '--create-role', 'app', '--create-role', 'report' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off\nrestart_after_crash = on");
$node->start;
make_shop($node, $rows);
my $before = schema_of($node, 'shop');
$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE shop") for 'quiet', 'killed';

# Runs as somebody; what came out, and what was complained of.
sub as
{
	my ($role, $sql, %options) = @_;
	my @set = $options{options} ? (connstr => $node->connstr('quiet') . " options='$options{options}'") : ();
	my ($status, $out, $error) = $node->psql('quiet', $sql, extra_params => [ '-U', $role ], @set);
	return ($out, $error);
}
sub sees { my ($out, $error) = as(@_); return $error eq '' ? $out : $error }

sub sees_in
{
	my ($database, $role, $sql) = @_;
	my ($status, $out, $error) = $node->psql($database, $sql, extra_params => [ '-U', $role ]);
	return $error eq '' ? $out : $error;
}

# Whose the transaction is.
my $mine = q{coalesce(dbm.current_tenant(), 'nobody')};
is(sees('app', "SELECT $mine"), 'nobody', 'without a word a transaction is nobody\'s');
is(sees('app', "BEGIN; SELECT dbm.set_tenant('2'); SELECT $mine; COMMIT; SELECT $mine"), "\n2\nnobody", 'a tenant lasts for the transaction');
is(sees('app', "SELECT dbm.set_tenant('2', false); SELECT $mine; BEGIN; SELECT dbm.set_tenant('3'); SELECT $mine; COMMIT; SELECT $mine"),
	"\n2\n\n3\n2", 'or for the session');
is(sees('app', "BEGIN; SAVEPOINT s; SELECT dbm.set_tenant('2'); ROLLBACK TO s; SELECT $mine; SELECT dbm.set_tenant('2'); SELECT $mine"),
	"\nnobody\n\n2", 'a savepoint takes it back');
like(sees('app', "BEGIN; SAVEPOINT s; SELECT dbm.set_tenant('2'); ROLLBACK TO s; SELECT dbm.set_tenant('3')"), qr/belongs to tenant "2"/, 'but no other comes after it');
like(sees('app', "BEGIN; SELECT dbm.set_tenant('2'); RESET ALL; SELECT dbm.set_tenant('3')"), qr/belongs to tenant "2"/, 'nor after a reset');
is(sees('app', "SELECT dbm.set_tenant('2', false); DISCARD ALL; SELECT $mine"), "\nnobody", 'and so does whoever cleans up a session');
like(sees('app', "BEGIN; SELECT dbm.set_tenant('2'); SELECT dbm.set_tenant('3')"), qr/ERROR:  this transaction belongs to tenant "2"/,
	'a transaction has one tenant');
like(sees('app', "BEGIN; SELECT dbm.set_tenant('2'); SELECT dbm.set_tenant(NULL)"), qr/belongs to tenant "2"/, 'also by way of none');
like(sees('app', "SELECT dbm.set_tenant('2', false); BEGIN; SELECT $mine; SELECT dbm.set_tenant('3')"), qr/belongs to tenant "2"/,
	'also the one that the session has, once somebody went by it');
is(sees('app', "BEGIN; SELECT dbm.set_tenant('12'); SELECT dbm.current_tenant(NULL::bigint) + 1, dbm.current_tenant(NULL::text) || '!', pg_typeof(dbm.current_tenant(NULL::numeric(5,2)))"),
	"\n13|12!|numeric", 'as a value of any type');
is(sees('app', "SELECT coalesce(dbm.current_tenant(NULL::int), -1)"), '-1', 'nobody is NULL in each');
like(sees('app', "BEGIN; SELECT dbm.set_tenant('x'); SELECT dbm.current_tenant(NULL::int)"), qr/ERROR:  invalid input syntax for type integer: "x"/, 'and what is none of it is refused');
is(sees('app', "SELECT string_agg(x.t, ' ') FROM (SELECT dbm.current_tenant(NULL::text) AS t FROM (SELECT dbm.set_tenant('5', false)) AS s, generate_series(1, 2)) AS x; RESET ALL; BEGIN; SELECT dbm.set_tenant('6'); SELECT dbm.current_tenant(NULL::text)") =~ /6$/, 1,
	'and none of another transaction');
like(sees('app', "SELECT dbm.set_tenant('2')"), qr/WARNING:  the tenant is set until the end of this statement only/, 'outside of a transaction it says so');
# By a setting.
like(sees('app', "SELECT dbm.current_tenant(); SET dbm.tenant = '2'"), qr/permission denied to set parameter "dbm.tenant"/, 'not by SET');
like(sees('app', "SELECT dbm.current_tenant(); SELECT set_config('dbm.tenant', '2', false)"), qr/permission denied to set/, 'nor by set_config');
unlike(sees('app', "SET dbm.tenant = '2'; SELECT 'seen ' || $mine"), qr/seen 2/, 'nor by a setting before the library is there');
unlike(sees('app', "SELECT set_config('dbm.tenant', '2', false); SELECT 'seen ' || $mine"), qr/seen 2/, 'in neither way');
unlike(sees('app', "BEGIN; SET LOCAL dbm.tenant = '2'; SELECT 'seen ' || $mine"), qr/seen 2/, 'nor within a transaction');
unlike(sees('app', "SELECT 'seen ' || $mine", options => '-c dbm.tenant=2'), qr/seen 2/, 'nor by an option of the connection');
like(sees('app', q{ALTER ROLE app SET dbm.tenant = '2'}), qr/permission denied to set parameter/, 'nor by a setting of the role');
like(sees('app', q{ALTER DATABASE quiet SET dbm.tenant = '2'}), qr/must be owner/, 'or of the database');
like(sees('app', q{CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql SET dbm.tenant = '2' AS 'SELECT dbm.current_tenant()'; SELECT 'seen ' || pg_temp.f()}),
	qr/permission denied to set parameter/, 'or of a function');
like(sees('alice', q{REVOKE EXECUTE ON FUNCTION dbm.set_tenant FROM app}), qr/WARNING|denied/, 'and nobody but the owner grants it');
is($node->safe_psql('quiet', <<"SQL"), "off\n\nworkers\n5", 'workers of a query know it too');
CREATE TABLE public.wide AS SELECT i % 5 + 1 AS tenant_id, i FROM generate_series(1, 20000) AS i;
ALTER TABLE public.wide SET (parallel_workers = 2);
GRANT SELECT ON public.wide TO app;
SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET parallel_leader_participation = off;
SHOW parallel_leader_participation;
BEGIN;
SET LOCAL ROLE app;
SELECT dbm.set_tenant('5');
CREATE FUNCTION pg_temp.plan() RETURNS SETOF text LANGUAGE plpgsql AS 'BEGIN RETURN QUERY EXECUTE \$\$EXPLAIN (COSTS off) SELECT FROM public.wide WHERE tenant_id = dbm.current_tenant()::int\$\$; END';
SELECT DISTINCT 'workers' FROM pg_temp.plan() AS p WHERE p LIKE '%Workers Planned%';
SELECT DISTINCT tenant_id FROM public.wide WHERE tenant_id = dbm.current_tenant()::int;
SQL

# As it is, everything leaks.
is(leaks($node, 'quiet', 'public.wide'), 'copy no_context policy read row_security_off', 'a table that is open to all');
# The plan.
my $accept = 'foreign_keys,functions,materialized_views,primary_key,unique,views';
like((call($node, 'quiet', q{SELECT dbm.tenancy_plan('{shop.notes,shop.lines,shop.orders}', source => '{"shop.orders": "account % 5 + 1"}', tenant_type => 'bigint')}))[0],
	qr/ERROR:  dividing these tables between tenants changes what has to be accepted\nDETAIL:  .*primary key orders_pkey of shop\.orders gains tenant_id.*\nHINT:  If that is meant: accept => '\{foreign_keys,materialized_views,primary_key,unique,views\}'/s,
	'what changes is named first');
like((call($node, 'quiet', q{SELECT dbm.tenancy_plan('{shop.orders}', tenant_type => 'bigint')}))[0], qr/ERROR:  whose the rows of shop\.orders are is not known/, 'and so is what nobody knows');
like((call($node, 'quiet', q{SELECT dbm.tenancy_plan('{shop.orders}', tenant_type => 'bigint', source => '{"shop.orders": "nothing + 1"}', accept => '{primary_key,unique,foreign_keys,views,materialized_views}')}))[0],
	qr/ERROR:  (?:shop\.lines points to|the source of shop\.orders cannot be used)/, 'what is not there');
like((call($node, 'quiet', q{SELECT dbm.tenancy_plan('{shop.orders,shop.lines,shop.notes}', source => '{"shop.orders": "account"}')}))[0],
	qr/ERROR:  of which type tenant_id is to be is not known/, 'a type has to be known');
my $number = plan_tenancy($node, 'quiet');
is(schema_of($node, 'quiet', '--exclude-table=public.wide'), $before, 'a plan changes nothing');
# Each time that it waits for people.
my @waits;
while (@waits < 5 && (call($node, 'quiet', "CALL dbm.apply($number)"))[0] =~ /waits: step (\d+) has to be done by hand: (.*)/)
{
	push @waits, $2;
	call($node, 'quiet', "SELECT dbm.confirm_step($number, $1)");
}
is(plan_row($node, 'quiet', $number)->{status}, 'done', 'applied');
like($waits[0], qr/^let the application call dbm\.set_tenant/, 'it waits for the application');
like($waits[1], qr/^what the leak test could not try with the rights of whoever made the plan has to be tried by somebody who may, a superuser: SELECT \* FROM dbm\.tenant_leak_test\(/,
	'and since alice may not try as app, for somebody who may');
is(scalar @waits, 2, 'and for nobody else');
is(tenants_agree($node, 'quiet'), '0', 'every row has its tenant');
is($node->safe_psql('quiet', q{SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname LIKE '%dbm%' AND relnamespace = 'shop'::regnamespace}),
	'', 'nothing is called by a name for the time between');
is($node->safe_psql('quiet', q{SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND c.relnamespace = 'shop'::regnamespace}), '0', 'and no trigger is left');
for my $table ('orders', 'lines', 'notes')
{
	is(leaks($node, 'quiet', "shop.$table"), '', "nothing leaks from $table");
	is(leaks($node, 'quiet', "shop.$table", status => 'unknown'), '', 'and all of it was tried');
}
is(leaks($node, 'quiet', 'shop.orders', status => 'weak'), 'materialized_view', 'what is closed is told of');
is(sees('app', q{BEGIN; SELECT dbm.set_tenant('2'); SELECT count(*) || ' ' || count(DISTINCT account % 5 + 1) FROM shop.orders}), "\n" . $rows / 5 . ' 1', 'a tenant sees his rows');
is(sees('app', q{SELECT count(*) FROM shop.orders}), '0', 'nobody sees none');
is(sees('alice', q{SELECT count(*) FROM shop.orders}), '0', 'nor does the owner');
is(sees('app', q{BEGIN; SELECT dbm.set_tenant('2'); SELECT count(DISTINCT account % 5) FROM shop.large_orders; SELECT shop.how_many()}), "\n1\n" . $rows / 5, 'also through views and functions') or
	diag(sees('app', 'SELECT * FROM shop.large_orders LIMIT 1'));
like(sees('app', q{BEGIN; SELECT dbm.set_tenant('2'); INSERT INTO shop.lines (order_id, line) VALUES (5, 9)}), qr/violates foreign key constraint "lines_order_id_fkey"/,
	'no row points into another tenant');
is(sees('app', q{BEGIN; SELECT dbm.set_tenant('2'); INSERT INTO shop.orders (id, account, code) VALUES (5, 1, 'c5') RETURNING tenant_id}), "\n2", 'the same key is another row');
like(sees('app', q{BEGIN; SELECT dbm.set_tenant('2'); COPY shop.orders (account) FROM STDIN}), qr/COPY FROM not supported with row-level security/, 'COPY asks policies');
my @copied = split /\n/, sees('app', q{BEGIN; SELECT dbm.set_tenant('2'); COPY shop.orders TO STDOUT});
is(grep({ /\t2$/ } @copied) . ' of ' . grep({ /\t/ } @copied), $rows / 5 . ' of ' . $rows / 5, 'in both directions');
like(sees('app', q{EXPLAIN SELECT * FROM shop.orders WHERE id = 7}), qr/Index Cond: \(\(tenant_id = dbm\.current_tenant\(NULL::bigint\)\) AND \(id = 7\)\)/, 'and the key finds a row');

# Each hole is found, and nothing else with it.
my $is_16 = $node->safe_psql('postgres', q{SELECT current_setting('server_version_num')::int >= 160000}) eq 't';
my $without_inherit = $is_16 ? ' WITH INHERIT FALSE, SET TRUE' : '';
my @holes = (
	[ 'policy force no_context read row_security_off copy update delete move merge insert view', 'ALTER TABLE shop.orders DISABLE ROW LEVEL SECURITY', 'ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY' ],
	[ 'force function', 'ALTER TABLE shop.orders NO FORCE ROW LEVEL SECURITY', 'ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY' ],
	[ 'truncate', 'GRANT TRUNCATE ON shop.orders TO app', 'REVOKE TRUNCATE ON shop.orders FROM app' ],
	[ 'privileges', 'GRANT REFERENCES ON shop.orders TO PUBLIC', 'REVOKE REFERENCES ON shop.orders FROM PUBLIC' ],
	[ 'privileges', 'GRANT TRIGGER ON shop.orders TO app', 'REVOKE TRIGGER ON shop.orders FROM app' ],
	[ 'context', 'GRANT SET ON PARAMETER dbm.tenant TO app', 'REVOKE SET ON PARAMETER dbm.tenant FROM app' ],
	[ 'role read no_context row_security_off copy update delete move merge insert view', 'ALTER ROLE app BYPASSRLS', 'ALTER ROLE app NOBYPASSRLS' ],
	[ 'role truncate privileges materialized_view', 'GRANT alice TO app', 'REVOKE alice FROM app' ],
	# What is not inherited is taken by SET ROLE; and who may grant a role grants it to himself.
	[ 'role', "ALTER ROLE app NOINHERIT; GRANT alice TO app$without_inherit", 'REVOKE alice FROM app; ALTER ROLE app INHERIT' ],
	[ 'role', "CREATE ROLE deputy; GRANT alice TO deputy; ALTER ROLE app NOINHERIT; GRANT deputy TO app$without_inherit", 'ALTER ROLE app INHERIT; DROP ROLE deputy' ],
	[ 'role', "CREATE ROLE batch BYPASSRLS; GRANT SELECT ON shop.orders TO batch; ALTER ROLE app NOINHERIT; GRANT batch TO app$without_inherit", 'ALTER ROLE app INHERIT; DROP OWNED BY batch; DROP ROLE batch', roles => 'app' ],
	$is_16 ? [ 'role', 'GRANT alice TO app WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', 'REVOKE alice FROM app' ] : [ 'role', 'ALTER ROLE app CREATEROLE', 'ALTER ROLE app NOCREATEROLE' ],
	[ 'unique', 'CREATE UNIQUE INDEX one ON shop.orders (id)', 'DROP INDEX shop.one' ],
	[ 'foreign_key', 'CREATE UNIQUE INDEX one ON shop.lines (order_id, line, tenant_id); ALTER TABLE shop.orders ADD COLUMN l bigint, ADD COLUMN n int, ADD COLUMN t bigint; ' .
		'ALTER TABLE shop.orders ADD CONSTRAINT crossing FOREIGN KEY (l, n, t) REFERENCES shop.lines (order_id, line, tenant_id)',
		'ALTER TABLE shop.orders DROP COLUMN l, DROP COLUMN n, DROP COLUMN t; DROP INDEX shop.one' ],
	[ 'view', 'CREATE VIEW shop.every AS SELECT * FROM shop.orders; GRANT SELECT ON shop.every TO app', 'DROP VIEW shop.every' ],
	[ 'view', 'CREATE VIEW shop.every AS SELECT id FROM shop.orders; CREATE VIEW shop.above WITH (security_invoker) AS SELECT * FROM shop.every; GRANT SELECT ON shop.above TO app; GRANT SELECT ON shop.every TO app',
		'DROP VIEW shop.above; DROP VIEW shop.every' ],
	# Read past policies by something that no catalog tells of.
	[ 'view', q{CREATE FUNCTION shop.hidden() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN QUERY EXECUTE ''SELECT code FROM shop.ord'' || ''ers''; END';
		ALTER TABLE shop.orders NO FORCE ROW LEVEL SECURITY; ALTER FUNCTION shop.hidden OWNER TO alice; CREATE VIEW shop.counted WITH (security_invoker) AS
		SELECT count(*) AS n, (SELECT count(*) FROM shop.hidden()) AS all_of_them FROM shop.orders; GRANT SELECT (all_of_them) ON shop.counted TO app; ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY;
		ALTER ROLE alice BYPASSRLS}, 'ALTER ROLE alice NOBYPASSRLS; DROP VIEW shop.counted; DROP FUNCTION shop.hidden', also => 1 ],
	[ 'materialized_view', 'GRANT SELECT ON shop.totals TO app', 'REVOKE SELECT ON shop.totals FROM app' ],
	[ 'function', q{CREATE FUNCTION shop.every() RETURNS SETOF shop.orders LANGUAGE plpgsql STABLE SECURITY DEFINER AS 'BEGIN RETURN QUERY SELECT * FROM shop.orders; END'}, 'DROP FUNCTION shop.every' ],
	# Triggers of foreign keys switched off, of which the foreign key itself shows nothing.
	[ 'foreign_key', 'ALTER TABLE shop.notes DISABLE TRIGGER ALL', 'ALTER TABLE shop.notes ENABLE TRIGGER ALL', table => 'shop.notes' ],
	[ 'function', q{CREATE FUNCTION shop.every() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT count(*) FROM shop.orders); END'}, 'DROP FUNCTION shop.every' ],
	[ 'function', q{CREATE FUNCTION shop.every() RETURNS bigint SECURITY DEFINER BEGIN ATOMIC SELECT count(*) FROM shop.orders; END}, 'DROP FUNCTION shop.every' ],
	[ 'policy', q{CREATE POLICY spoofed ON shop.orders AS RESTRICTIVE USING (current_setting('app.tenant', true) IS DISTINCT FROM 'x')}, 'DROP POLICY spoofed ON shop.orders' ],
	[ 'no_context read copy update delete insert move merge view', 'DROP POLICY tenant_isolation ON shop.orders',
		'CREATE POLICY tenant_isolation ON shop.orders AS RESTRICTIVE USING (tenant_id = dbm.current_tenant()::bigint)' ],
	# Policies that hold as long as somebody reads what he writes.
	[ 'delete', 'DROP POLICY tenant_isolation ON shop.orders; ' .
		join(' ', map { "CREATE POLICY confines_$_->[0] ON shop.orders AS RESTRICTIVE FOR $_->[0] $_->[1];" }
			[ 'SELECT', 'USING (tenant_id = dbm.current_tenant(NULL::bigint))' ], [ 'INSERT', 'WITH CHECK (tenant_id = dbm.current_tenant(NULL::bigint))' ],
			[ 'UPDATE', 'USING (tenant_id = dbm.current_tenant(NULL::bigint))' ]),
		join(' ', map { "DROP POLICY confines_$_ ON shop.orders;" } 'SELECT', 'INSERT', 'UPDATE') .
		'CREATE POLICY tenant_isolation ON shop.orders AS RESTRICTIVE USING (tenant_id = dbm.current_tenant(NULL::bigint))' ],
	[ 'update', 'DROP POLICY tenant_isolation ON shop.orders; ' .
		join(' ', map { "CREATE POLICY confines_$_->[0] ON shop.orders AS RESTRICTIVE FOR $_->[0] $_->[1];" }
			[ 'SELECT', 'USING (tenant_id = dbm.current_tenant(NULL::bigint))' ], [ 'INSERT', 'WITH CHECK (tenant_id = dbm.current_tenant(NULL::bigint))' ],
			[ 'UPDATE', 'USING (true) WITH CHECK (tenant_id = dbm.current_tenant(NULL::bigint))' ], [ 'DELETE', 'USING (tenant_id = dbm.current_tenant(NULL::bigint))' ]),
		join(' ', map { "DROP POLICY confines_$_ ON shop.orders;" } 'SELECT', 'INSERT', 'UPDATE', 'DELETE') .
		'CREATE POLICY tenant_isolation ON shop.orders AS RESTRICTIVE USING (tenant_id = dbm.current_tenant(NULL::bigint))' ],
	# Who reads a column and not whose it is; everybody; who is in two roles; who was granted a function alone.
	[ 'no_context read', 'CREATE ROLE peeker; GRANT USAGE ON SCHEMA shop TO peeker; GRANT SELECT (amount) ON shop.orders TO peeker; CREATE POLICY peeks ON shop.orders TO peeker USING (true); ' .
		'ALTER POLICY tenant_isolation ON shop.orders TO app, report', 'ALTER POLICY tenant_isolation ON shop.orders TO PUBLIC; DROP POLICY peeks ON shop.orders; DROP OWNED BY peeker; DROP ROLE peeker' ],
	[ 'no_context read copy', 'GRANT SELECT ON shop.orders TO PUBLIC; GRANT USAGE ON SCHEMA shop TO PUBLIC; ALTER POLICY tenant_isolation ON shop.orders TO app, report',
		'ALTER POLICY tenant_isolation ON shop.orders TO PUBLIC; REVOKE SELECT ON shop.orders FROM PUBLIC; REVOKE USAGE ON SCHEMA shop FROM PUBLIC' ],
	[ 'no_context read copy', 'CREATE ROLE people; CREATE ROLE auditors; CREATE ROLE bob IN ROLE people, auditors; GRANT USAGE ON SCHEMA shop TO people; GRANT SELECT ON shop.orders TO people; ' .
		'DROP POLICY tenant_isolation ON shop.orders; DROP POLICY tenant_access ON shop.orders; CREATE POLICY own ON shop.orders USING (tenant_id = dbm.current_tenant(NULL::bigint)); CREATE POLICY audits ON shop.orders TO auditors USING (true)',
		'DROP POLICY own ON shop.orders; DROP POLICY audits ON shop.orders; CREATE POLICY tenant_isolation ON shop.orders AS RESTRICTIVE USING (tenant_id = dbm.current_tenant(NULL::bigint)); ' .
		'CREATE POLICY tenant_access ON shop.orders USING (true); DROP OWNED BY people; DROP ROLE bob, people, auditors' ],
	[ 'function', q{CREATE ROLE caller; GRANT USAGE ON SCHEMA shop TO caller; CREATE FUNCTION shop.every() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT count(*) FROM shop.orders); END';
		REVOKE EXECUTE ON FUNCTION shop.every FROM PUBLIC; GRANT EXECUTE ON FUNCTION shop.every TO caller}, 'DROP FUNCTION shop.every; DROP OWNED BY caller; DROP ROLE caller' ],
	# By way of a view.
	[ 'function', q{CREATE FUNCTION shop.every() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT count(*) FROM shop.large_orders); END'}, 'DROP FUNCTION shop.every' ],
	# Open to one tenant, or to one's rows alone.
	[ 'insert', 'ALTER POLICY tenant_isolation ON shop.orders WITH CHECK (tenant_id = dbm.current_tenant()::bigint OR tenant_id = 42)',
		'ALTER POLICY tenant_isolation ON shop.orders WITH CHECK (tenant_id = dbm.current_tenant()::bigint)' ],
	[ 'read', q{ALTER POLICY tenant_isolation ON shop.orders USING (tenant_id = dbm.current_tenant()::bigint OR dbm.current_tenant() = '77')},
		'ALTER POLICY tenant_isolation ON shop.orders USING (tenant_id = dbm.current_tenant()::bigint)' ],
	[ 'insert policy', 'ALTER POLICY tenant_isolation ON shop.orders WITH CHECK (true)', 'ALTER POLICY tenant_isolation ON shop.orders WITH CHECK (tenant_id = dbm.current_tenant()::bigint)' ],
);
for my $hole (@holes)
{
	my ($expected, $make, $mend, %options) = @$hole;
	$node->safe_psql('quiet', $make);
	my $table = $options{table} // 'shop.orders';
	my $found = leaks($node, 'quiet', $table, %options);
	$found = $found =~ /\b$expected\b/ ? $expected : $found if $options{also};
	is($found, join(' ', sort split / /, $expected), $make) or diag($node->safe_psql('quiet', q{SELECT * FROM dbm.tenant_leak_test('{shop.orders}') WHERE status IN ('leak', 'unknown')}));
	$node->safe_psql('quiet', $mend);
	is(leaks($node, 'quiet', $table), '', 'and mended');
}

# A trigger that looks names up where the application's sessions do.
$node->safe_psql('quiet', <<'SQL');
CREATE FUNCTION shop.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM id FROM tenants LIMIT 1; RETURN coalesce(NEW, OLD); END';
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE OR DELETE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.stamp();
GRANT SELECT ON shop.tenants TO app;
SQL
isnt(leaks($node, 'quiet', 'shop.orders', status => 'unknown', roles => 'app'), '', 'a trigger that finds nothing is told of');
$node->safe_psql('quiet', "ALTER ROLE app IN DATABASE quiet SET search_path = shop, public");
is(leaks($node, 'quiet', 'shop.orders', status => 'unknown', roles => 'app'), '', 'and tried as it runs in sessions of the role');
$node->safe_psql('quiet', "ALTER ROLE app IN DATABASE quiet RESET search_path; ALTER DATABASE quiet SET search_path = shop");
is(leaks($node, 'quiet', 'shop.orders', status => 'unknown', roles => 'app'), '', 'or of the database');
$node->safe_psql('quiet', 'ALTER DATABASE quiet RESET search_path; DROP TRIGGER stamp ON shop.orders; DROP FUNCTION shop.stamp(); REVOKE SELECT ON shop.tenants FROM app');
# A CHECK against what is made up: a row that is there is pointed elsewhere instead.
$node->safe_psql('quiet', 'ALTER TABLE shop.notes ADD CHECK (id > 0)');
is(leaks($node, 'quiet', 'shop.notes') . leaks($node, 'quiet', 'shop.notes', status => 'unknown'), '', 'a CHECK against what is made up is none against what is there');
$node->safe_psql('quiet', 'ALTER TABLE shop.notes DISABLE TRIGGER ALL');
is(leaks($node, 'quiet', 'shop.notes'), 'foreign_key', 'and what would let it point elsewhere is found');
$node->safe_psql('quiet', 'ALTER TABLE shop.notes ENABLE TRIGGER ALL');
$node->safe_psql('quiet', 'ALTER TABLE shop.notes DROP CONSTRAINT notes_id_check');

# A table without partitions, of which somebody else gave a column's privilege on; and one that had such a column.
$node->safe_psql('quiet', <<'SQL');
CREATE TABLE shop.single (tenant_id bigint, id int, gone int, PRIMARY KEY (tenant_id, id));
ALTER TABLE shop.single OWNER TO alice;
INSERT INTO shop.single SELECT i % 3, i FROM generate_series(1, 9) AS i;
GRANT REFERENCES ON shop.single TO report WITH GRANT OPTION;
GRANT REFERENCES (gone) ON shop.single TO app;
ALTER TABLE shop.single DROP COLUMN gone;
GRANT SELECT ON shop.single TO app;
SET ROLE report;
GRANT REFERENCES (id) ON shop.single TO app;
SQL
my (undef, $single) = call($node, 'quiet', q{SELECT dbm.tenancy_plan('{shop.single}')});
chomp $single;
like(carry($node, 'quiet', $single, 'apply'), qr/check/, 'what only another can take away is not told as gone');
$node->safe_psql('quiet', 'GRANT report TO alice');
is(carry($node, 'quiet', $single, 'apply'), '', 'until it is');
$node->safe_psql('quiet', 'REVOKE report FROM alice; DROP TABLE shop.single');

# What no row and no tenant of today shows is told all the same.
$node->safe_psql('quiet', 'ALTER TABLE shop.orders ADD COLUMN shared boolean; ALTER POLICY tenant_isolation ON shop.orders USING (tenant_id = dbm.current_tenant()::bigint OR shared)');
is(leaks($node, 'quiet', 'shop.orders'), '', 'a policy that says more does not leak yet');
like($node->safe_psql('quiet', q{SELECT status || ': ' || detail FROM dbm.tenant_leak_test('{shop.orders}') WHERE check_name = 'policy'}),
	qr/^weak: policy tenant_isolation says something else than that a row is the tenant's/, 'and could');
$node->safe_psql('quiet', 'ALTER POLICY tenant_isolation ON shop.orders USING (tenant_id = dbm.current_tenant()::bigint); ALTER TABLE shop.orders DROP COLUMN shared');

# What changes by itself, or takes long, is no leak. Between the answers that are compared somebody may have written, here a sequence.
for my $case ([ "nextval('shop.moments') < 3", 'ok', qr/tried, and nothing came through$/, 'what somebody else changed meanwhile' ],
	[ "nextval('shop.moments')", 'unknown', qr/it answers something else each time/, 'what never stays the same' ],
	[ "pg_sleep(1.1)::text", 'unknown', qr/longer than a second, and rows would be kept locked/, 'what takes long' ])
{
	my ($moment, $status, $detail, $what) = @$case;
	$node->safe_psql('quiet', "CREATE SEQUENCE shop.moments; GRANT USAGE ON SEQUENCE shop.moments TO PUBLIC;
		CREATE VIEW shop.counted WITH (security_invoker) AS SELECT count(*) AS n, (SELECT $moment) AS moment FROM shop.orders; GRANT SELECT ON shop.counted TO app");
	my ($is, $said) = split /\|/, $node->safe_psql('quiet', q{SELECT status, detail FROM dbm.tenant_leak_test('{shop.orders}', roles => '{app}') WHERE check_name = 'view'});
	is($is, $status, $what);
	like($said, $detail, 'and that is said');
	$node->safe_psql('quiet', 'DROP VIEW shop.counted; DROP SEQUENCE shop.moments');
}

# A partitioned table, an empty one, one with what nobody can make up; nothing of a test stays.
$node->safe_psql('quiet', <<'SQL');
CREATE TABLE shop.events (tenant_id uuid NOT NULL DEFAULT dbm.current_tenant()::uuid, at date NOT NULL, id serial, PRIMARY KEY (tenant_id, at, id)) PARTITION BY RANGE (at);
CREATE TABLE shop.events_old PARTITION OF shop.events FOR VALUES FROM (MINVALUE) TO ('2000-01-01');
CREATE TABLE shop.events_new PARTITION OF shop.events FOR VALUES FROM ('2000-01-01') TO (MAXVALUE);
ALTER TABLE shop.events OWNER TO alice;
ALTER TABLE shop.events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON shop.events AS RESTRICTIVE USING (tenant_id = dbm.current_tenant()::uuid);
CREATE POLICY access ON shop.events USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.events TO app;
CREATE TABLE shop.odd (tenant_id text NOT NULL, shape polygon NOT NULL);
GRANT SELECT ON shop.odd TO app;
SQL
is(leaks($node, 'quiet', 'shop.events'), '', 'an empty partitioned table is tried with rows that are made up');
is(leaks($node, 'quiet', 'shop.events', status => 'unknown'), '', 'and in every way');
is(leaks($node, 'quiet', 'shop.events', status => 'weak'), 'partition', 'its partitions could be opened');
$node->safe_psql('quiet', 'GRANT SELECT ON shop.events_old TO app');
is(leaks($node, 'quiet', 'shop.events'), 'partition', 'one is');
$node->safe_psql('quiet', 'ALTER TABLE shop.events_old ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_it ON shop.events_old USING (true)');
is(leaks($node, 'quiet', 'shop.events'), 'partition', 'also where its own policies let through what those of the table do not');
is($node->safe_psql('quiet', 'SELECT count(*) FROM shop.events'), '0', 'no row stays');
like($node->safe_psql('quiet', q{SELECT detail FROM dbm.tenant_leak_test('{shop.odd}') WHERE check_name = 'read'}), qr/nobody knows a value of type polygon/, 'what cannot be tried is said');
like(sees('alice', q{SELECT string_agg(DISTINCT detail, ' ') FROM dbm.tenant_leak_test('{shop.events}') WHERE status = 'unknown'}),
	qr/^only superusers and members of app may try as that role$/, 'who may not become a role does not try as it');
like(sees('alice', q{SELECT count(*) FROM dbm.tenant_leak_test('{pg_class}') WHERE status = 'ok' AND check_name = 'read'}), qr/^0$/, 'nor prepares rows of another\'s table');
is(sees('app', 'SELECT * FROM dbm.tenant_leak_test()') =~ /permission denied for function/, 1, 'the test is for whom it was granted to');

# A partitioned table that has its keys.
$node->safe_psql('quiet', <<'SQL');
CREATE TABLE shop.parted (tenant_id bigint, id int, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (id);
CREATE TABLE shop.parted_0 PARTITION OF shop.parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE shop.parted_1 PARTITION OF shop.parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
ALTER TABLE shop.parted OWNER TO alice;
ALTER TABLE shop.parted_0 OWNER TO alice;
ALTER TABLE shop.parted_1 OWNER TO alice;
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.parted, shop.parted_0 TO app;
INSERT INTO shop.parted SELECT i % 3, i FROM generate_series(1, 30) AS i;
-- Who takes privileges away becomes report, who gave some of them.
GRANT report TO alice;
GRANT REFERENCES (id) ON shop.parted TO app;
GRANT REFERENCES (tenant_id, id) ON shop.parted TO PUBLIC;
GRANT TRIGGER, TRUNCATE ON shop.parted TO report WITH GRANT OPTION;
GRANT TRUNCATE, REFERENCES, TRIGGER ON shop.parted_0 TO app;
GRANT REFERENCES ON shop.parted_1 TO report WITH GRANT OPTION;
SET ROLE report;
GRANT TRIGGER ON shop.parted TO app;
GRANT REFERENCES (id) ON shop.parted_1 TO app;
SQL
my $privileges = <<'SQL';
SELECT c.relname, x.attname, a.grantee::regrole, a.grantor::regrole, a.privilege_type, a.is_grantable
  FROM pg_class c, LATERAL (SELECT NULL::name, c.relacl UNION ALL SELECT t.attname, t.attacl FROM pg_attribute t WHERE t.attrelid = c.oid) AS x(attname, acl), aclexplode(x.acl) a
 WHERE c.relname LIKE 'parted%' ORDER BY 1, 2, 3, 4, 5
SQL
my $held = $node->safe_psql('quiet', $privileges);
is(leaks($node, 'quiet', 'shop.parted') =~ /partition .*privileges .*truncate/, 1, 'a partition is open') or diag(leaks($node, 'quiet', 'shop.parted'));
$node->safe_psql('quiet', 'REVOKE report FROM alice; CREATE ROLE bystander; ALTER TABLE shop.parted_1 OWNER TO bystander');
like((call($node, 'quiet', q{SELECT dbm.tenancy_plan('{shop.parted}')}))[0],
	qr/must be owner of shop\.parted_1, a partition of shop\.parted, which belongs to bystander/, 'whose partition is another\'s is told before anything is done');
$node->safe_psql('quiet', 'ALTER TABLE shop.parted_1 OWNER TO alice; DROP ROLE bystander');
my (undef, $parted) = call($node, 'quiet', q{SELECT dbm.tenancy_plan('{shop.parted}')});
chomp $parted;
like($node->safe_psql('quiet', "SELECT array_to_string(requires, E'\n') FROM dbm.plan WHERE plan = $parted"),
	qr/^report granted REFERENCES \(id\) on shop\.parted_1 to app: whoever runs the plan has to be able to become that role/m, 'it is said who has to take a privilege away');
like(carry($node, 'quiet', $parted, 'apply'), qr/check/, 'what only another can take away is not told as gone');
$node->safe_psql('quiet', 'GRANT report TO alice');
is(carry($node, 'quiet', $parted, 'apply'), '', 'a partitioned table is divided');
is(leaks($node, 'quiet', 'shop.parted'), '', 'and closed with its partitions');
is(sees('app', q{BEGIN; SELECT dbm.set_tenant('2'); SELECT count(*) FROM shop.parted; SELECT count(*) FROM shop.parted_0}), "\n10\n0", 'which show nothing by themselves');
is($node->safe_psql('quiet', "SELECT count(*) FROM ($privileges) AS p WHERE privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER') AND grantee <> grantor AND grantee::text <> 'alice'"), '0',
	'no privilege is left to which no policy applies');
like(sees('app', 'TRUNCATE shop.parted_0'), qr/permission denied/, 'nor on a partition');
for my $privilege ('TRUNCATE', 'REFERENCES', 'TRIGGER')
{
	my $check = $privilege eq 'TRUNCATE' ? 'truncate' : 'privileges';
	$node->safe_psql('quiet', "GRANT $privilege ON shop.parted_0 TO app");
	is(leaks($node, 'quiet', 'shop.parted'), $check, "$privilege on a partition is found");
	$node->safe_psql('quiet', "REVOKE $privilege ON shop.parted_0 FROM app");
}
for my $case ([ 'view', 'CREATE VIEW shop.past AS SELECT * FROM shop.parted_0; GRANT SELECT ON shop.past TO app', 'DROP VIEW shop.past' ],
	[ 'function', q{CREATE FUNCTION shop.past() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM shop.parted_0'; ALTER FUNCTION shop.past OWNER TO alice}, 'DROP FUNCTION shop.past' ])
{
	my ($check, $make, $mend) = @$case;
	$node->safe_psql('quiet', $make);
	is(leaks($node, 'quiet', 'shop.parted'), $check, "a $check on a partition is found");
	$node->safe_psql('quiet', $mend);
}
$node->safe_psql('quiet', 'ALTER TABLE shop.parted_1 OWNER TO app');
is(leaks($node, 'quiet', 'shop.parted') =~ /partition/, 1, 'and so is a partition of another');
$node->safe_psql('quiet', 'ALTER TABLE shop.parted_1 OWNER TO alice');
is(carry($node, 'quiet', $parted, 'undo'), '', 'and taken back');
is($node->safe_psql('quiet', $privileges), $held, 'each privilege is what it was, by whom it was given');
$node->safe_psql('quiet', 'REVOKE report FROM alice');

# Two tenants have the same value by now: the keys without the tenant cannot come back, and the policies stay.
$node->safe_psql('quiet', q{INSERT INTO shop.orders (tenant_id, id, account, code) SELECT 2, id, 1, 'twice' FROM shop.orders WHERE tenant_id = 3 ORDER BY id LIMIT 1});
like(carry($node, 'quiet', $number, 'undo'), qr/could not create unique index|is duplicated/, 'a way back that does not end');
is(leaks($node, 'quiet', 'shop.orders') =~ /read|no_context|policy/ ? 'open' : 'closed', 'closed', 'leaves no row open');
is(sees('app', q{BEGIN; SELECT dbm.set_tenant('2'); SELECT count(DISTINCT tenant_id) FROM shop.orders}), "\n1", 'and a tenant sees his rows alone');
$node->safe_psql('quiet', q{DELETE FROM shop.orders WHERE code = 'twice'});

# There and back.
$node->safe_psql('quiet', 'DROP TABLE shop.events, shop.odd, shop.parted, public.wide');
is(carry($node, 'quiet', $number, 'undo'), '', 'taken back');
my $after = schema_of($node, 'quiet');
is(join("\n", grep { !/totals|^--$|^$/ } split /\n/, $after), join("\n", grep { !/totals|^--$|^$/ } split /\n/, $before), 'to where it was, but for the materialized view');

# Names that have to be quoted, keys of several columns, deferred keys and such that set NULL.
$node->safe_psql('postgres', 'CREATE DATABASE odd');
$node->safe_psql('odd', <<'SQL');
CREATE EXTENSION dbmastery;
GRANT USAGE ON SCHEMA dbm TO alice, app;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO alice;
GRANT EXECUTE ON FUNCTION dbm.set_tenant TO app;
GRANT CREATE ON DATABASE odd TO alice;
SET ROLE alice;
CREATE SCHEMA "odd ""s'";
SET search_path = "odd ""s'";
GRANT USAGE ON SCHEMA "odd ""s'" TO app;
CREATE TABLE tenants (id uuid PRIMARY KEY);
INSERT INTO tenants VALUES ('00000000-0000-0000-0000-000000000001'), ('00000000-0000-0000-0000-000000000002');
CREATE TABLE "T one" ("Id" serial PRIMARY KEY, "Ten" uuid NOT NULL REFERENCES tenants, d date UNIQUE, CHECK ("Id" <> 0));
INSERT INTO "T one" ("Ten", d) SELECT ('00000000-0000-0000-0000-00000000000' || 1 + i % 2)::uuid, date '2025-01-01' + i FROM generate_series(1, 50) i;
CREATE TABLE "T two" (a int, b date, one int NOT NULL, d date, x text, PRIMARY KEY (a, b),
	FOREIGN KEY (one) REFERENCES "T one" DEFERRABLE INITIALLY DEFERRED,
	FOREIGN KEY (d) REFERENCES "T one" (d) ON UPDATE CASCADE ON DELETE SET NULL);
INSERT INTO "T two" SELECT i, '2025-01-01', 1 + i % 50, (SELECT d FROM "T one" o WHERE o."Id" = 1 + i % 50) FROM generate_series(1, 100) i;
GRANT SELECT, INSERT, UPDATE, DELETE ON "T one", "T two" TO app;
SQL
$before = schema_of($node, 'odd');
my ($complaint, $odd) = call($node, 'odd', <<'SQL');
SELECT dbm.tenancy_plan(ARRAY['"odd ""s''"."T two"', '"odd ""s''"."T one"']::regclass[], 'the tenant''s',
	source => jsonb_build_object('"odd ""s''"."T one"', '"Ten"', '"odd ""s''"."T two"', jsonb_build_object('via', 'T two_one_fkey')),
	tenants => '"odd ""s''".tenants', accept => '{primary_key,unique,foreign_keys}')
SQL
is($complaint, '', 'names that have to be quoted');
chomp $odd;
is(carry($node, 'odd', $odd, 'apply'), '', 'applied');
is($node->safe_psql('odd', q{SELECT string_agg(DISTINCT status, ' ') FROM dbm.tenant_leak_test(NULL, 'the tenant''s')}), 'ok', 'nothing leaks');
is(carry($node, 'odd', $odd, 'undo'), '', 'taken back');
is(schema_of($node, 'odd'), $before, 'to where it was');

# Tenants and keys of types that bring an equality of their own, in a schema of anybody's.
$node->safe_psql('odd', <<'SQL');
CREATE SCHEMA types;
GRANT USAGE ON SCHEMA types TO alice, app;
CREATE EXTENSION ltree SCHEMA types;
CREATE EXTENSION citext SCHEMA types;
SET ROLE alice;
CREATE SCHEMA paths;
GRANT USAGE ON SCHEMA paths TO app;
CREATE TABLE paths.folders (path types.ltree PRIMARY KEY, customer types.citext NOT NULL);
INSERT INTO paths.folders VALUES ('a', 'One'), ('b', 'Two'), ('b.c', 'Two');
CREATE TABLE paths.files (folder types.ltree NOT NULL REFERENCES paths.folders, name types.citext, PRIMARY KEY (folder, name));
INSERT INTO paths.files VALUES ('a', 'f'), ('b', 'f'), ('b.c', 'g');
GRANT SELECT, INSERT, UPDATE, DELETE ON paths.folders, paths.files TO app;
SQL
$before = schema_of($node, 'odd');
(undef, $odd) = call($node, 'odd', q{SELECT dbm.tenancy_plan('{paths.folders,paths.files}', tenant_type => 'types.citext', source => '{"paths.folders": "customer"}', accept => '{primary_key,unique,foreign_keys}')});
chomp $odd;
my ($waits) = call($node, 'odd', "CALL dbm.apply($odd)");
like($waits, qr/waits: step \d+/, 'such tables are divided until the application has to know');
is(sees_in('odd', 'app', q{INSERT INTO paths.folders VALUES ('d', 'Three') RETURNING tenant_id}), 'Three', 'who knows no tenants writes as before');
is(sees_in('odd', 'app', q{INSERT INTO paths.files VALUES ('d', 'h') RETURNING tenant_id}), 'Three', 'with the tenant of what a row points to');
is(sees_in('odd', 'app', q{UPDATE paths.files SET folder = 'b' WHERE name OPERATOR(types.=) 'H' RETURNING tenant_id}), 'Two', 'also where that becomes another');
is(sees_in('odd', 'app', q{UPDATE paths.folders SET customer = 'Four' WHERE path OPERATOR(types.=) 'd' RETURNING tenant_id}), 'Four', 'or becomes another\'s');
is(carry($node, 'odd', $odd, 'apply'), '', 'and then to the end');
is(sees_in('odd', 'app', q{BEGIN; SELECT dbm.set_tenant('two'); SELECT string_agg(path::text, ' ' ORDER BY path::text) FROM paths.folders}), "\nb b.c", 'tenants are the same as the type has it');
is($node->safe_psql('odd', q{SELECT string_agg(DISTINCT status, ' ') FROM dbm.tenant_leak_test('{paths.folders,paths.files}')}), 'ok', 'nothing leaks, and all of it was tried')
	or diag($node->safe_psql('odd', q{SELECT * FROM dbm.tenant_leak_test('{paths.folders,paths.files}') WHERE status <> 'ok'}));
is(carry($node, 'odd', $odd, 'undo'), '', 'taken back');
is(schema_of($node, 'odd'), $before, 'to where it was');

# While others write: those who know no tenants until the plan waits, then those who do.
$number = plan_tenancy($node, 'shop');
my $bystander = start_bystander($node);
my $writers = start_writers($node, 'shop', writers($rows), seconds => 12, clients => 3);
my ($said) = call($node, 'shop', "CALL dbm.apply($number)");
like($said, qr/waits: step (\d+)/, 'applied while others write, until the application knows its tenants');
my ($step) = $said =~ /waits: step (\d+)/;
# As long as the application knows no tenants it moves a row from one to another, with all that points to it.
is(sees_in('shop', 'app', q{UPDATE shop.orders SET account = account + 1 WHERE id = 1001 RETURNING tenant_id}), '3', 'a row moves to another tenant before the switch');
is(sees_in('shop', 'app', q{SELECT count(*) FROM shop.lines WHERE order_id = 1001 AND tenant_id = 3}), '1', 'and takes along what points to it');
is(sees_in('shop', 'app', q{BEGIN; UPDATE shop.orders SET account = account + 1 WHERE id = 7; UPDATE shop.orders SET account = account + 1 WHERE id = 12; COMMIT; SELECT 'moved'}), 'moved',
	'also several whose rows point to one another');
my $is_alive = kill 0, $writers->{pid};
my ($count, $longest) = stop_writers($writers);
waited_at_most($bystander, 1000, $longest, sprintf 'none waited longer than 1 s: the longest %.0f ms', $longest);
is(accounts($node, 'shop', $rows), '', "all of $count writes came through once");
is(tenants_agree($node, 'shop'), '0', 'each with its tenant');
diag(sprintf 'until it waits: of %d writes the longest took %.0f ms; they were writing all the time: %s', $count, $longest, $is_alive ? 'yes' : 'no');
$bystander = start_bystander($node);
$writers = start_writers($node, 'shop', writers($rows, 1), seconds => 10, clients => 3);
call($node, 'shop', "SELECT dbm.confirm_step($number, $step)");
is(carry($node, 'shop', $number, 'apply'), '', 'and the switch while they write');
is(plan_row($node, 'shop', $number)->{status}, 'done', 'to its end');
($count, $longest) = stop_writers($writers);
waited_at_most($bystander, 1000, $longest, sprintf 'none waited longer than 1 s: the longest %.0f ms', $longest);
is(accounts($node, 'shop', $rows), '', "all of $count writes came through once");
is(tenants_agree($node, 'shop'), '0', 'each with its tenant');
diag(sprintf 'the switch: of %d writes the longest took %.0f ms', $count, $longest);
is(leaks($node, 'shop', "shop.$_"), '', "nothing leaks from $_") for 'orders', 'lines', 'notes';

# Killed with -9 in every step, and on.
$number = plan_tenancy($node, 'killed');
my @places = ('recorded', 'uncommitted', 'committed', 'before');
my ($turn, $kills) = (0, 0);
for my $step (steps($node, 'killed', $number))
{
	my ($said) = call($node, 'killed', "CALL dbm.apply($number)", fault => $step->{step} . ':' . $places[ $turn++ % @places ]);
	call($node, 'killed', "SELECT dbm.confirm_step($number, $1)") if $said =~ /waits: step (\d+)/;
	next if $said !~ /server closed the connection|terminating connection/;
	$kills++;
	wait_for_server($node);
}
is(carry($node, 'killed', $number, 'apply'), '', "killed $kills times, the next call goes on") if plan_row($node, 'killed', $number)->{status} ne 'done';
is(plan_row($node, 'killed', $number)->{status}, 'done', 'to the end');
cmp_ok($kills, '>=', 20, 'it was killed in its steps');
is(tenants_agree($node, 'killed'), '0', 'every row has its tenant');
is(leaks($node, 'killed', "shop.$_"), '', "nothing leaks from $_") for 'orders', 'lines', 'notes';
my $schema = schema_of($node, 'killed');
# Names of policies and constraints, indexes and their columns are those of the one that was not killed.
is(join("\n", sort split /\n/, $schema), join("\n", sort split /\n/, schema_of($node, 'shop')), 'the same as without a kill');

# Triggers of tables whose rows are filled look names up as they do for whoever made the plan.
$node->safe_psql('postgres', 'CREATE DATABASE searched');
$node->safe_psql('searched', <<'SQL');
CREATE EXTENSION dbmastery;
CREATE SCHEMA inn;
CREATE TABLE inn.guest (id int PRIMARY KEY, house int NOT NULL);
CREATE TABLE inn.diary (what text);
INSERT INTO inn.guest VALUES (1, 1), (2, 1);
CREATE FUNCTION inn.note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO diary VALUES (TG_OP); RETURN NULL; END$$;
CREATE TRIGGER note AFTER UPDATE ON inn.guest FOR EACH ROW EXECUTE FUNCTION inn.note();
SQL
my $searched = $node->safe_psql('searched', q{SET search_path = inn, public; SELECT dbm.tenancy_plan('{guest}', source => '{"inn.guest": "house"}', tenant_type => 'int', accept => '{primary_key,unique,foreign_keys}')});
$node->safe_psql('searched', "CALL dbm.apply($searched)");
is($node->safe_psql('searched', "SELECT status FROM dbm.plan WHERE plan = $searched"), 'waiting', 'a trigger that names tables without their schema does not stop the plan');
is($node->safe_psql('searched', 'SELECT string_agg(what, \',\') FROM inn.diary'), 'UPDATE,UPDATE', 'it was called for each row');
is($node->safe_psql('searched', "SELECT string_agg(DISTINCT coalesce(search_path, 'none'), ', ' ORDER BY coalesce(search_path, 'none')) FROM dbm.plan_step WHERE plan = $searched"), 'inn, public, none', 'no other step has that search_path');

done_testing();
