# Plans of row versions, soft deletes, roles and tenants, killed (-9) at a boundary of each of their steps, one place after
# the other, while others write, there and back: the next call goes on, the end is the same, no write is lost; and names of
# any kind are names all the way.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use Changes qw(call carry);
use Plan qw(literal plan_row schema_of steps);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(start_loop stop_loop wait_for_server);
use Tenants ();
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('killed');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice', '--create-role', 'app', '--create-role', 'report' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off\nrestart_after_crash = on");
$node->start;
Tenants::make_shop($node, 400);

# A schema, a table, columns, keys and an index whose names end whatever text they are put into.
my $odd = q{o"d' %s \\ $$ $1; --};
(my $quoted = $odd) =~ s/"/""/g;
my $schema = qq{"s $quoted"};
my $table = qq{$schema."t $quoted"};
$node->safe_psql('shop', <<"SQL");
SET ROLE alice;
CREATE SCHEMA $schema;
CREATE TABLE $table ("id $quoted" bigint PRIMARY KEY, "c $quoted" text, n int NOT NULL DEFAULT 0, CONSTRAINT "u $quoted" UNIQUE ("c $quoted"));
CREATE UNIQUE INDEX "i $quoted" ON $table (lower("c $quoted")) WHERE n > 5;
CREATE TABLE $schema.journal (id bigint);
CREATE VIEW $schema."v $quoted" AS SELECT "c $quoted" FROM $table;
CREATE SEQUENCE $schema."q $quoted";
INSERT INTO $table SELECT i, 'c' || i FROM generate_series(1, 100) i;
SQL

# Who writes beside; each write is journalled in its transaction.
my $write = qq{WITH u AS (UPDATE $table SET n = n + 1 WHERE "id $quoted" = 1 + (random() * 50)::int RETURNING "id $quoted" AS id) INSERT INTO $schema.journal SELECT id FROM u};
my $lost = qq{SELECT count(*) FROM $table t FULL JOIN (SELECT id, count(*) AS n FROM $schema.journal GROUP BY id) j ON j.id = t."id $quoted" WHERE coalesce(t.n, 0) <> coalesce(j.n, 0)};

my @places = ('recorded', 'uncommitted', 'committed', 'before');
my @back = ('undo_recorded', 'undo_statement', 'undo_committed');
my ($turn, $kills) = (0, 0);

# Applies or takes back, killed once in each step.
sub killed
{
	my ($database, $number, $direction) = @_;
	my @steps = grep { $_->{runs} ne 'by_hand' } steps($node, $database, $number);
	@steps = reverse grep { $_->{undo} } @steps if $direction eq 'undo';
	for my $step (map { $_->{step} } @steps)
	{
		my $place = $direction eq 'undo' ? $back[ $turn++ % @back ] : $places[ $turn++ % @places ];
		for (1 .. 5)
		{
			my ($said) = call($node, $database, "CALL dbm.$direction($number)", fault => "$step:$place");
			if ($said =~ /waits: step (\d+) /) { call($node, $database, "SELECT dbm.confirm_step($number, $1)"); next }
			if ($said =~ /server closed the connection|terminating connection/) { $kills++; wait_for_server($node) }
			last;
		}
	}
	is(carry($node, $database, $number, $direction), '', "killed in its steps, the next call goes on: $direction");
	is(plan_row($node, $database, $number)->{status}, $direction eq 'undo' ? 'undone' : 'done', 'to the end');
	return;
}

my $target = literal($table);
my %plans = (
	'row versions' => "SELECT dbm.row_versioning_plan($target, version_column => 'v' || @{[ literal($odd) ]}, updated_at_column => 'w' || @{[ literal($odd) ]})",
	'soft delete' => "SELECT dbm.soft_delete_plan($target, deleted_at_column => 'd' || @{[ literal($odd) ]}, accept => '{unique}')",
);
for my $what (sort keys %plans)
{
	$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE shop") for 'direct', 'killed';
	my $before = schema_of($node, 'killed');
	my %number;
	for my $database ('direct', 'killed')
	{
		my ($error, $number) = call($node, $database, $plans{$what});
		is($error, '', "$what: names that have to be quoted");
		chomp($number{$database} = $number);
	}
	is(carry($node, 'direct', $number{direct}, 'apply'), '', "$what: applied to such names");
	my $made = schema_of($node, 'direct');
	isnt($made, $before, "$what: which did something");
	my @writers = map { start_loop($node, 'killed', $write, 'alice') } 1, 2;
	killed('killed', $number{killed}, 'apply');
	is(schema_of($node, 'killed'), $made, "$what: the same as without a kill");
	is($node->safe_psql('killed', 'SELECT count(*) FROM pg_index WHERE NOT indisvalid'), 0, "$what: no invalid index is left");
	is($node->safe_psql('killed', $lost), 0, "$what: no write is lost");
	killed('killed', $number{killed}, 'undo');
	stop_loop($_) for @writers;
	is(schema_of($node, 'killed'), $before, "$what: and back to where it was");
	is($node->safe_psql('killed', $lost), 0, "$what: no write is lost");
	cmp_ok($node->safe_psql('killed', "SELECT count(*) FROM $schema.journal"), '>', 20, "$what: of those that were made");
	is(carry($node, 'direct', $number{direct}, 'undo'), '', "$what: taken back without a kill");
	is(schema_of($node, 'direct'), $before, "$what: to where it was");
	$node->safe_psql('postgres', "DROP DATABASE $_") for 'direct', 'killed';
}

# Roles are the cluster's: what there is of them and what they may do.
my $roles = <<'SQL';
SELECT string_agg(x, E'\n' ORDER BY x COLLATE "C") FROM (
	SELECT concat_ws(' ', rolname, rolcanlogin, rolinherit, rolsuper, rolcreaterole, rolconfig, rolconnlimit) AS x FROM pg_roles
	UNION ALL SELECT concat_ws(' ', 'member', roleid::regrole, member::regrole, admin_option) FROM pg_auth_members
	UNION ALL SELECT concat_ws(' ', 'set', setrole::regrole, setconfig) FROM pg_db_role_setting WHERE setrole <> 0
	UNION ALL SELECT concat_ws(' ', 'default', defaclrole::regrole, defaclobjtype, defaclacl) FROM pg_default_acl
	UNION ALL SELECT concat_ws(' ', 'schema', nspname, array(SELECT a::text FROM unnest(coalesce(nspacl, acldefault('n', nspowner))) a ORDER BY 1)) FROM pg_namespace
	UNION ALL SELECT concat_ws(' ', 'table', relname, relowner::regrole, array(SELECT a::text FROM unnest(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))) a ORDER BY 1)) FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'v', 'S')
	UNION ALL SELECT concat_ws(' ', 'database', datname, array(SELECT a::text FROM unnest(coalesce(datacl, acldefault('d', datdba))) a ORDER BY 1)) FROM pg_database WHERE datname = current_database()) r
SQL
$node->safe_psql('postgres', 'CREATE DATABASE roles TEMPLATE shop');
my $before = $node->safe_psql('roles', $roles);
for my $kind ('application', 'read_only', 'migrator', 'monitor')
{
	my $role = literal(qq{$kind $odd});
	my $schemas = $kind eq 'monitor' ? 'NULL' : 'ARRAY[' . literal("s $odd") . ']';
	my $plan = "SELECT dbm.role_plan('$kind', $role, $schemas)";
	my $number = $node->safe_psql('roles', $plan);
	is(carry_as_superuser($number, 'apply'), '', "$kind: a role and a schema of any name");
	my $made = $node->safe_psql('roles', $roles);
	isnt($made, $before, 'which did something');
	my %may = map { $_ => $node->safe_psql('roles', "SELECT has_table_privilege($role, $target, '$_')") } 'SELECT', 'UPDATE', 'TRUNCATE';
	my %should = (application => 'ttf', read_only => 'tff', monitor => 'fff');
	is("$may{SELECT}$may{UPDATE}$may{TRUNCATE}", $should{$kind}, "$kind: it may what it is for") if $should{$kind};
	is(carry_as_superuser($number, 'undo'), '', "$kind: taken back");
	is($node->safe_psql('roles', $roles), $before, 'to what was');
	# Killed in each step: a superuser's plan, whom call() is with a fault.
	$number = $node->safe_psql('roles', $plan);
	killed_roles($number, 'apply');
	is($node->safe_psql('roles', $roles), $made, "$kind: killed in its steps, it is the same");
	killed_roles($number, 'undo');
	is($node->safe_psql('roles', $roles), $before, "$kind: and back");
}

sub carry_as_superuser
{
	my ($number, $direction) = @_;
	my (undef, undef, $error) = $node->psql('roles', "SET client_min_messages = warning; CALL dbm.$direction($number)");
	return $error;
}

sub killed_roles
{
	my ($number, $direction) = @_;
	for my $step (map { $_->{step} } grep { $direction eq 'apply' || $_->{undo} } steps($node, 'roles', $number))
	{
		my $place = $direction eq 'undo' ? $back[ $turn++ % @back ] : $places[ $turn++ % @places ];
		my ($said) = call($node, 'roles', "CALL dbm.$direction($number)", fault => "$step:$place");
		if ($said =~ /server closed the connection|terminating connection/) { $kills++; wait_for_server($node) }
	}
	is(carry_as_superuser($number, $direction), '', "the next call goes on: $direction") if plan_row($node, 'roles', $number)->{status} !~ /^(?:done|undone)$/ || $direction eq 'undo';
	return;
}

# Tenants, taken back.
my $shop = schema_of($node, 'shop');
my $number = Tenants::plan_tenancy($node, 'shop');
is(carry($node, 'shop', $number, 'apply'), '', 'tenants: divided');
killed('shop', $number, 'undo');
my ($back, $was) = map { join "\n", sort grep { !/totals|^--|^$/ } split /\n/ } schema_of($node, 'shop'), $shop;
is($back, $was, 'tenants: killed on the way back, all is as it was, but for the materialized view');
is(Tenants::accounts($node, 'shop', 400), '', 'tenants: with all rows');

cmp_ok($kills, '>', 30, "killed $kills times");
diag("killed $kills times");

$node->stop;
done_testing();
