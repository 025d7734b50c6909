# The switch to tenants: whoever saw and wrote rows before it sees and writes those of the tenant after it, whatever policies
# slept on the table; what the leak test could not try is nothing that a plan passes over; and a test of nothing is none.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use Changes qw(call carry);
use Plan qw(plan_row schema_of steps);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('switch');
my @people = ('alice', 'app', 'analyst');
$node->init(extra => utf8_locale(), auth_extra => [ map { ('--create-role', $_) } @people ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off");
$node->start;
$node->safe_psql('postgres', join '; ', (map { "CREATE ROLE $_ LOGIN" } @people), 'CREATE DATABASE shop');
$node->safe_psql('shop', <<'SQL');
CREATE EXTENSION dbmastery;
GRANT USAGE ON SCHEMA dbm TO alice, app, analyst;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO alice;
GRANT EXECUTE ON FUNCTION dbm.set_tenant TO app, analyst;
CREATE SCHEMA shop AUTHORIZATION alice;
GRANT USAGE ON SCHEMA shop TO app, analyst;
SQL

# Says it as somebody; what came out, or what was complained of.
sub said
{
	my ($role, $sql) = @_;
	my ($status, $out, $error) = $node->psql('shop', $sql, extra_params => [ '-U', $role ]);
	return $error eq '' ? $out =~ s/^\n//gmr : $error;
}
sub in_tenant { my ($role, $sql) = @_; return said($role, "BEGIN; SELECT dbm.set_tenant('1'); $sql; COMMIT") }

# A table of alice's with rows of two tenants, in which app works and analyst reads.
sub make_table
{
	my ($name, $policies) = @_;
	$node->safe_psql('shop', <<"SQL");
SET ROLE alice;
CREATE TABLE shop.$name (tenant_id bigint NOT NULL, id int, note text, hidden boolean NOT NULL DEFAULT false, PRIMARY KEY (tenant_id, id));
INSERT INTO shop.$name SELECT 1 + i % 2, i FROM generate_series(1, 10) AS i;
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.$name TO app;
GRANT SELECT ON shop.$name TO analyst;
$policies
SQL
	return;
}
sub planned
{
	my ($name, $further) = @_;
	my ($error, $out) = call($node, 'shop', "SELECT dbm.tenancy_plan('{shop.$name}'" . ($further // '') . ')');
	return $error eq '' ? $out =~ s/\n//r : $error;
}

# What each of them sees and may do, in the tenant once there are tenants: how many rows are seen, and whether one is written.
sub may
{
	my ($name, $has_tenants) = @_;
	my $begin = $has_tenants ? "SELECT dbm.set_tenant('1');" : '';
	my %may;
	for my $role (@people)
	{
		my $out = said($role, "BEGIN; $begin SELECT count(*) FROM shop.$name WHERE tenant_id = 1; INSERT INTO shop.$name VALUES (1, 99); ROLLBACK");
		$may{$role} = ($out =~ /ERROR/ ? '' : "$out and writes");
		$may{$role} = said($role, "BEGIN; $begin SELECT count(*) FROM shop.$name WHERE tenant_id = 1; ROLLBACK") if $may{$role} eq '';
	}
	return join ', ', map { "$_ $may{$_}" } @people;
}

my %tables = (
	open          => '',
	# Nobody asked these as long as row level security was off.
	sleeping      => 'CREATE POLICY ro ON shop.sleeping FOR SELECT TO analyst USING (true);',
	sleeping_all  => 'CREATE POLICY few ON shop.sleeping_all USING (id < 3);',
	sleeping_no   => 'CREATE POLICY none ON shop.sleeping_no TO app USING (false);',
	awake         => 'ALTER TABLE shop.awake ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON shop.awake FOR SELECT TO app USING (id < 6);',
	awake_all     => 'ALTER TABLE shop.awake_all ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_it ON shop.awake_all USING (true);',
	# As a table is closed to all but its owner.
	awake_none    => 'ALTER TABLE shop.awake_none ENABLE ROW LEVEL SECURITY;',
	awake_forced  => 'ALTER TABLE shop.awake_forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY few ON shop.awake_forced TO app USING (id < 6);',
	# One that narrows, and nobody is narrowed by it whom it did not narrow before.
	awake_narrow  => 'ALTER TABLE shop.awake_narrow ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_it ON shop.awake_narrow USING (true);
		CREATE POLICY few ON shop.awake_narrow AS RESTRICTIVE TO app USING (id < 6);',
	own_isolation => 'CREATE POLICY own ON shop.own_isolation AS RESTRICTIVE USING (tenant_id = dbm.current_tenant(NULL::bigint));',
);
for my $name (sort keys %tables)
{
	make_table($name, $tables{$name});
	my $schema = schema_of($node, 'shop', '-t', "shop.$name");
	my $before = may($name);
	my $number = planned($name);
	like($number, qr/^\d+$/, "$name: planned");
	is(carry($node, 'shop', $number, 'apply'), '', 'applied');
	is(may($name, 1), $before, "$name: who could see and write rows can: $before");
	is(said('app', "SELECT count(*) FROM shop.$name") . said('alice', "SELECT count(*) FROM shop.$name"), '00', 'of a tenant');
	is(carry($node, 'shop', $number, 'undo'), '', 'taken back');
	is(schema_of($node, 'shop', '-t', "shop.$name"), $schema, 'to where it was');
}
my $requires = sub { my ($name) = @_; my $number = planned($name); return $node->safe_psql('shop', "SELECT array_to_string(requires, E'\\n') FROM dbm.plan WHERE plan = $number") };
like($requires->('sleeping'), qr/^policy ro of shop\.sleeping narrows nothing: row level security was off, and tenant_access lets through whatever is the tenant's/m, 'what sleeps is named');
like($requires->('awake'), qr/^policies of shop\.awake are forced upon its owner alice too: tenant_access is for that role alone/m, 'and who is let in anew');

# What would narrow what is seen is accepted first.
make_table('narrowed', 'CREATE POLICY few ON shop.narrowed AS RESTRICTIVE USING (NOT hidden); UPDATE shop.narrowed SET hidden = true WHERE id = 4;');
like(planned('narrowed'), qr/ERROR:  dividing these tables between tenants changes what has to be accepted\nDETAIL:  restrictive policy few of shop\.narrowed comes into force\.\nHINT:  If that is meant: accept => '\{policies\}'\./, 'a restrictive policy that sleeps is told of');
my $narrowed = planned('narrowed', q{, accept => '{policies}'});
is(carry($node, 'shop', $narrowed, 'apply'), '', 'and comes into force where that is meant');
is(in_tenant('app', 'SELECT count(*) FROM shop.narrowed'), 4, 'for the tenant whose rows it does not hide');
is(said('app', q{BEGIN; SELECT dbm.set_tenant('1'); SELECT count(*) FROM shop.narrowed WHERE hidden}), 0, 'it hides what is hidden');
make_table('narrowed_owner', 'ALTER TABLE shop.narrowed_owner ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON shop.narrowed_owner AS RESTRICTIVE USING (NOT hidden);');
like(planned('narrowed_owner'), qr/DETAIL:  restrictive policy few of shop\.narrowed_owner applies to its owner alice too\./, 'also where it is the owner who is narrowed');

# Whom nobody could try as is told of, and somebody has to look.
make_table('untried', '');
my $number = planned('untried');
my ($waits) = call($node, 'shop', "CALL dbm.apply($number)");
like($waits, qr/waits: step (\d+) has to be done by hand: let the application call dbm\.set_tenant/, 'the plan waits for the application');
my ($first) = $waits =~ /waits: step (\d+)/;
call($node, 'shop', "SELECT dbm.confirm_step($number, $first)");
($waits) = call($node, 'shop', "CALL dbm.apply($number)");
like($waits, qr/waits: step (\d+) has to be done by hand: what the leak test could not try with the rights of whoever made the plan/, 'and for somebody who tries what the owner may not');
my ($last) = $waits =~ /waits: step (\d+)/;
like($waits, qr/SELECT \* FROM dbm\.tenant_leak_test\(ARRAY\['shop\.untried'::pg_catalog\.regclass\], 'tenant_id'\) WHERE status <> 'ok'/, 'it says how');
is(plan_row($node, 'shop', $number)->{status}, 'waiting', 'it is not done');
is(said('alice', q{SELECT count(*) > 5 FROM dbm.tenant_leak_test('{shop.untried}') WHERE status = 'unknown'}), 't', 'since nothing was tried');
is($node->safe_psql('shop', q{SELECT count(*) FROM dbm.tenant_leak_test('{shop.untried}') WHERE status <> 'ok'}), 0, 'a superuser tries all of it');
call($node, 'shop', "SELECT dbm.confirm_step($number, $last)");
is(call($node, 'shop', "CALL dbm.apply($number)"), '', 'and then it goes on');
is(plan_row($node, 'shop', $number)->{status}, 'done', 'to its end');
($waits) = call($node, 'shop', "CALL dbm.undo($number)");
like($waits, qr/waits: step $first has to be taken back by hand/, 'on the way back only what the application does is asked for');
call($node, 'shop', "SELECT dbm.confirm_step($number, $first)");
is(carry($node, 'shop', $number, 'undo'), '', 'which ends');
# Who is a member of the roles tries all of it himself.
call($node, 'shop', "CALL dbm.apply($number)");
call($node, 'shop', "SELECT dbm.confirm_step($number, $first)");
($waits) = call($node, 'shop', "CALL dbm.apply($number)");
like($waits, qr/waits: step $last /, 'again it waits');
$node->safe_psql('shop', 'GRANT app, analyst TO alice');
is(call($node, 'shop', "CALL dbm.apply($number)"), '', 'until its owner may try as everybody');
is(plan_row($node, 'shop', $number)->{status}, 'done', 'then nobody has to confirm it');
make_table('tried', '');
$number = planned('tried');
($waits) = call($node, 'shop', "CALL dbm.apply($number)");
($first) = $waits =~ /waits: step (\d+)/;
call($node, 'shop', "SELECT dbm.confirm_step($number, $first)");
is(call($node, 'shop', "CALL dbm.apply($number)"), '', 'nor does it wait at all');
is((steps($node, 'shop', $number))[-1]{status}, 'skipped', 'there was nothing to look at');
$node->safe_psql('shop', 'REVOKE app, analyst FROM alice');

# What the plan calls has to be called before it is begun, not when it is half done.
for my $routine ('FUNCTION dbm.tenant_leak_test', 'PROCEDURE dbm.backfill')
{
	my ($kind, $called) = split / /, $routine;
	$node->safe_psql('shop', "REVOKE EXECUTE ON $routine FROM alice");
	is(planned('open', q{, source => '{"shop.open": "id"}'}) =~ /^(ERROR: .*)\n(?:DETAIL: .*\n)?(HINT: .*)/ ? "$1\n$2" : 'no error',
		"ERROR:  permission denied for \L$kind\E $called\nHINT:  GRANT EXECUTE ON $routine TO alice.", "$routine is not granted");
	$node->safe_psql('shop', "GRANT EXECUTE ON $routine TO alice");
}

# A test of nothing.
my @nothing = (
	[ q{SELECT * FROM dbm.tenant_leak_test(tenant_column => 'tennant_id') WHERE status <> 'ok'}, '42703', 'no table has a column "tennant_id"' ],
	[ q{SELECT * FROM dbm.tenant_leak_test('{}')}, '22023', 'no table is named' ],
	[ q{SELECT * FROM dbm.tenant_leak_test(NULL, NULL)}, '22004', 'tenant_column must not be null' ],
	[ q{SELECT dbm.tenancy_plan(NULL)}, '22004', 'targets must not be null' ],
	[ q{SELECT dbm.tenancy_plan('{shop.open}', NULL)}, '22004', 'tenant_column must not be null' ],
	[ q{SELECT dbm.tenancy_plan('{shop.open}', accept => NULL)}, '22004', 'accept must not be null' ],
	[ q{SELECT dbm.tenancy_plan('{shop.open}', '')}, '42602', 'tenant_column must not be empty' ],
	[ q{SELECT dbm.tenancy_plan('{shop.open}', repeat('x', 64), 'bigint', source => '{"shop.open": "id"}')}, '42622', 'tenant_column is longer than a name may be' ],
);
for my $nothing (@nothing)
{
	my ($sql, $code, $message) = @$nothing;
	is(said('alice', "\\set VERBOSITY verbose\n$sql") =~ /ERROR:  (.*)/ ? $1 : 'no error', "$code: $message", $sql);
}

# Whoever repeats the call that a plan tells gets the same plan.
$node->safe_psql('shop', <<'SQL');
SET ROLE alice;
CREATE TABLE shop.tenants (id bigint PRIMARY KEY);
INSERT INTO shop.tenants SELECT generate_series(1, 20);
CREATE TABLE shop.again (id int PRIMARY KEY, "of what" int);
SQL
$number = planned('again', q{, 'of whom', 'bigint', jsonb_build_object('shop.again', '"of what" + 1'), 'shop.tenants', '{primary_key}'});
my $does = "SELECT string_agg(array_to_string(sql, ';'), E'\\n' ORDER BY step) FROM dbm.plan_step WHERE plan =";
my $again = said('alice', 'SELECT ' . $node->safe_psql('shop', "SELECT change FROM dbm.plan WHERE plan = $number"));
is($node->safe_psql('shop', "$does $again"), $node->safe_psql('shop', "$does $number"), 'the call that a plan tells is the whole of it');

$node->stop;
done_testing();
