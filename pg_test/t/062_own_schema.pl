# The schema of the extension is its alone: CREATE EXTENSION refuses one that somebody else made, may create in, or has put something
# into; what a dump brings is taken; and what becomes of the schema afterwards is found by the audit.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('own_schema');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'mallory,owner' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off");
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE ROLE owner LOGIN; CREATE ROLE boss SUPERUSER; CREATE ROLE reader');
my $me = $node->safe_psql('postgres', 'SELECT current_user');

my $number = 0;

# A database in which mallory may create schemas, and what has happened in it before. Returns its name.
sub database
{
	my ($before, $role) = @_;
	my $name = 'd' . ++$number;
	$node->safe_psql('postgres', "CREATE DATABASE $name OWNER owner; GRANT CREATE ON DATABASE $name TO mallory");
	$node->safe_psql($name, $before, $role ? (extra_params => [ '-U', $role ]) : ());
	return $name;
}

sub install
{
	my ($database) = @_;
	my ($status, $out, $error) = $node->psql($database, 'CREATE EXTENSION dbmastery');
	return $error;
}

# Refused: who made it, may create in it, or has something in it; and nothing of the extension is there then.
my $overload = q{CREATE FUNCTION dbm.current_tenant(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 2::bigint'};
for my $case (
	[ 'CREATE SCHEMA dbm', 'mallory', qr/schema "dbm" belongs to role mallory, who is not a superuser.*HINT:  .*ALTER SCHEMA dbm OWNER TO/s, 'another made it' ],
	[ "CREATE SCHEMA dbm; $overload", 'mallory', qr/schema "dbm" belongs to role mallory/, 'another made it and put a better match there' ],
	[ 'CREATE SCHEMA dbm', 'owner', qr/schema "dbm" belongs to role owner/, 'the owner of the database made it' ],
	[ 'CREATE SCHEMA dbm; GRANT CREATE ON SCHEMA dbm TO mallory', undef, qr/mallory may create in schema "dbm".*HINT:  REVOKE CREATE ON SCHEMA dbm FROM mallory/s, 'another may create in it' ],
	[ 'CREATE SCHEMA dbm; GRANT CREATE ON SCHEMA dbm TO PUBLIC', undef, qr/PUBLIC may create in schema "dbm"/, 'everybody may' ],
	[ "CREATE SCHEMA dbm; $overload", undef, qr/schema "dbm" is not empty\nDETAIL:  In it there is: function dbm\.current_tenant\(bigint\)/, 'something is in it' ],
	[ 'CREATE SCHEMA dbm; CREATE TABLE dbm.mine (a int); CREATE DOMAIN dbm.text AS int', undef, qr/In it there is: table dbm\.mine, type dbm\.text/, 'tables and types too' ],
	[ q{CREATE SCHEMA dbm; CREATE FUNCTION dbm.same(oid, oid) RETURNS boolean LANGUAGE sql AS 'SELECT false'; CREATE OPERATOR dbm.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = dbm.same)}, undef,
		qr/schema "dbm" is not empty/, 'operators that the look itself could fall for' ],
	[ 'CREATE SCHEMA dbm; CREATE EXTENSION citext SCHEMA dbm', undef, qr/schema "dbm" is not empty/, 'another extension' ])
{
	my ($before, $role, $refusal, $what) = @$case;
	my $database = database($before, $role);
	like(install($database), $refusal, "refused where $what");
	is($node->safe_psql($database, q{SELECT count(*) FROM pg_extension WHERE extname = 'dbmastery'}), '0', 'and not there');
}

# Taken: none, an empty one of whoever installs or of another superuser, with grants to use it, and what DROP EXTENSION left.
for my $case ([ 'SELECT', 'none is there' ],
	[ 'CREATE SCHEMA dbm; GRANT USAGE ON SCHEMA dbm TO mallory; GRANT CREATE ON SCHEMA dbm TO boss', 'it is empty' ],
	[ 'CREATE SCHEMA dbm AUTHORIZATION boss', q{it is another superuser's} ],
	[ 'CREATE EXTENSION dbmastery; DROP EXTENSION dbmastery', 'the extension was there before' ])
{
	my ($before, $what) = @$case;
	my $database = database($before);
	my ($status, $out, $error) = $node->psql($database, 'CREATE EXTENSION dbmastery; SHOW search_path');
	is($error, '', "taken where $what");
	is($out, '"$user", public', 'and nothing of it stays in the session');
}

# What looks at the schema does not stay.
is($node->safe_psql("d$number", q{SELECT count(*) FROM pg_proc WHERE proname ~ 'own_schema'}), '0', 'nothing is left of the look');

# A database may lack PL/pgSQL: nothing here needs it, but for plans in which there is some.
{
	my $bare = database('DROP EXTENSION plpgsql; CREATE SCHEMA dbm; CREATE TABLE dbm.mine (a int)');
	like(install($bare), qr/schema "dbm" is not empty/, 'without PL/pgSQL it is refused in the same way');
	$node->safe_psql($bare, 'DROP TABLE dbm.mine');
	is(install($bare), '', 'and taken');
	$node->safe_psql($bare, 'CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT i, i FROM generate_series(1, 100) i');
	my $plan = $node->safe_psql($bare, q{SELECT dbm.migration_plan('ALTER TABLE t ADD CHECK (a > 0)')});
	$node->safe_psql($bare, "CALL dbm.apply($plan)");
	is($node->safe_psql($bare, "SELECT status FROM dbm.plan_status($plan)"), 'done', 'a plan without it is applied');
	my $change = q{SELECT dbm.migration_plan('ALTER TABLE t ALTER a TYPE bigint')};
	my ($status, $out, $error) = $node->psql($bare, $change);
	like($error, qr/ERROR:  the plan needs the language plpgsql, which this database does not have\n.*HINT:  CREATE EXTENSION plpgsql/s, 'one that needs it is not made, and says what to do');
	$node->safe_psql($bare, 'CREATE EXTENSION plpgsql');
	$plan = $node->safe_psql($bare, $change);
	$node->safe_psql($bare, 'DROP EXTENSION plpgsql');
	($status, $out, $error) = $node->psql($bare, "CALL dbm.apply($plan)");
	like($error, qr/language "plpgsql" does not exist.*Use CREATE EXTENSION to load the language/s, 'one that lost it stops, and says what to do');
	$node->safe_psql($bare, 'CREATE EXTENSION plpgsql');
	$node->safe_psql($bare, "CALL dbm.undo($plan)");
	is($node->safe_psql($bare, "SELECT status FROM dbm.plan_status($plan)"), 'undone', 'and can be taken back, or go on, with it');
}

# What a dump brings: the schema first.
my $source = database('CREATE EXTENSION dbmastery; GRANT USAGE ON SCHEMA dbm TO reader');
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr($source), '-f', $dump ], 'pg_dump');
like(slurp_file($dump), qr/^CREATE SCHEMA dbm;/m, 'writes the schema');
my $target = database('SELECT');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($target), '-f', $dump ], 'and what it wrote can be restored');
is($node->safe_psql($target, q{SELECT count(*) FROM pg_extension WHERE extname = 'dbmastery'}), '1', 'with the extension');

# Afterwards.
sub found
{
	my %found = map { $_->{object} => $_ }
	  grep { $_->{status} eq 'finding' } rows($node, $target, q{SELECT * FROM dbm.audit('security') WHERE rule = 'security.extension_in_open_schema'});
	return $found{dbmastery};
}
is(found(), undef, 'the audit has nothing to say of it');
for my $case ([ 'ALTER SCHEMA dbm OWNER TO mallory', qr/^extension dbmastery is in schema dbm, which belongs to mallory$/ ],
	[ 'GRANT CREATE ON SCHEMA dbm TO mallory', qr/^extension dbmastery is in schema dbm, in which mallory may create$/ ],
	[ 'GRANT CREATE ON SCHEMA dbm TO PUBLIC', qr/^extension dbmastery is in schema dbm, in which PUBLIC may create$/ ],
	[ 'GRANT CREATE ON SCHEMA dbm TO owner; ALTER SCHEMA dbm OWNER TO mallory', qr/which belongs to mallory and in which owner may create$/ ])
{
	my ($make, $message) = @$case;
	my $acl = q{SELECT nspowner::regrole, array(SELECT a::text FROM unnest(coalesce(nspacl, acldefault('n', nspowner))) a ORDER BY 1) FROM pg_namespace WHERE nspname = 'dbm'};
	my $was = $node->safe_psql($target, $acl);
	$node->safe_psql($target, $make);
	my $made = $node->safe_psql($target, $acl);
	my $finding = found();
	like($finding->{message}, $message, "found: $make");
	is($finding->{severity}, 'critical', 'and nothing less than critical');
	$node->safe_psql($target, $finding->{fix});
	is(found(), undef, 'mended by its fix');
	is($node->safe_psql($target, $acl), $was, 'to where it was');
	$node->safe_psql($target, $finding->{undo});
	is($node->safe_psql($target, $acl), $made, 'and brought back by its undo');
	$node->safe_psql($target, $finding->{fix});
}

$node->stop;
done_testing();
