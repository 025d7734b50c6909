# What dbm.access_review() and dbm.who_can() say is what the server answers: for every role, object and privilege of a random
# catalog; and roles made by dbm.role_plan() do what they are for, and nothing else.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(none rows utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{DBM_SEED} // 20_261;
srand($seed);
diag("seed $seed");

my $node = PostgreSQL::Test::Cluster->new('access');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'shop_app,shop_reader,shop_deploy,shop_watch,shop_owner' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nsynchronous_commit = off");
$node->start;
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');

# --- A random catalog

my @roles = map { "r$_" } 1 .. 14;
sub pick { return $_[ int rand @_ ] }

$node->safe_psql('postgres', join ";\n", (map { 'CREATE ROLE ' . $_ . (rand() < 0.3 ? ' NOINHERIT' : '') . (rand() < 0.5 ? ' LOGIN' : '') } @roles),
	'CREATE ROLE "R One" SUPERUSER', "CREATE DATABASE access OWNER $roles[0]");
push @roles, '"R One"';
for (1 .. 26)
{
	my ($role, $member) = (pick(@roles), pick(@roles));
	my $options = rand() < 0.4 ? ' WITH ADMIN OPTION' : '';
	$options = ' WITH INHERIT ' . pick('TRUE', 'FALSE') . ', SET ' . pick('TRUE', 'FALSE') . ', ADMIN ' . ($options ? 'TRUE' : 'FALSE') if $version >= 160000;
	# Circles are refused by the server.
	$node->psql('postgres', "GRANT $role TO $member$options");
}
$node->psql('postgres', "GRANT $_ TO " . pick(@roles)) for qw(pg_read_all_data pg_write_all_data pg_monitor pg_database_owner);
$node->psql('postgres', 'GRANT pg_maintain TO ' . pick(@roles)) if $version >= 170000;
$node->safe_psql('access', 'CREATE EXTENSION dbmastery');

my @statements;
my @grants = (
	[ 'TABLE',    [ 'SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER' ] ],
	[ 'SEQUENCE', [ 'SELECT', 'UPDATE', 'USAGE' ] ],
	[ 'FUNCTION', ['EXECUTE'] ],
	[ 'TYPE',     ['USAGE'] ],
	[ 'SCHEMA',   [ 'USAGE', 'CREATE' ] ],
);
for my $number (1 .. 12)
{
	my $schema = 's' . (1 + $number % 4);
	push @statements, "CREATE SCHEMA $schema" if $number <= 4;
}
for my $number (1 .. 12)
{
	my $schema = 's' . (1 + $number % 4);
	my %name   = (
		TABLE    => "$schema.\"T $number\"",
		SEQUENCE => "$schema.q$number",
		FUNCTION => "$schema.f$number(integer)",
		TYPE     => "$schema.d$number",
		SCHEMA   => $schema,
	);
	push @statements, (
		pick("CREATE TABLE $name{TABLE} (a int, \"B b\" int)", "CREATE VIEW $name{TABLE} AS SELECT 1 AS a, 2 AS \"B b\""),
		"CREATE SEQUENCE $name{SEQUENCE}",
		"CREATE FUNCTION $name{FUNCTION} RETURNS int LANGUAGE sql AS 'SELECT 1'",
		# Each kind of type that somebody may be granted.
		("CREATE DOMAIN $name{TYPE} AS int", "CREATE DOMAIN $name{TYPE} AS int[]", "CREATE TYPE $name{TYPE} AS (a int)", "CREATE TYPE $name{TYPE} AS ENUM ('a')",
			"CREATE TYPE $name{TYPE} AS RANGE (subtype = float8, multirange_type_name = $name{TYPE}m)", "CREATE DOMAIN $name{TYPE} AS int4multirange")[ $number % 6 ]);
	for my $grants (@grants)
	{
		my ($kind, $privileges) = @$grants;
		push @statements, "ALTER $kind $name{$kind} OWNER TO " . pick(@roles) if rand() < 0.7;
		for (1 .. int rand 4)
		{
			my $to = rand() < 0.15 ? 'PUBLIC' : pick(@roles);
			my $option = $to ne 'PUBLIC' && rand() < 0.3 ? ' WITH GRANT OPTION' : '';
			push @statements, 'GRANT ' . pick(@$privileges) . " ON $kind $name{$kind} TO $to$option";
		}
		push @statements, "REVOKE ALL ON $kind $name{$kind} FROM PUBLIC" if rand() < 0.4;
		push @statements, "REVOKE " . pick(@$privileges) . " ON $kind $name{$kind} FROM " . pick(@roles) if rand() < 0.3;
	}
	# Types that come with others.
	push @statements, "REVOKE USAGE ON TYPE $name{TABLE} FROM PUBLIC", "GRANT USAGE ON TYPE $name{TABLE} TO " . pick(@roles) if rand() < 0.4;
	push @statements, "REVOKE USAGE ON TYPE $name{TYPE}m FROM PUBLIC", "GRANT USAGE ON TYPE $name{TYPE}m TO " . pick(@roles) if $number % 6 == 4 && $version < 170000;
	push @statements, 'GRANT ' . pick(qw(SELECT INSERT UPDATE REFERENCES)) . " (\"B b\") ON $name{TABLE} TO " . pick(@roles, 'PUBLIC') for 1 .. 2;
	push @statements, 'GRANT ' . pick(qw(SELECT INSERT UPDATE REFERENCES)) . ' (' . pick('a', '"B b"', 'a, "B b"') . ") ON $name{TABLE} TO " . pick(@roles) . ' WITH GRANT OPTION' for 1 .. 2;
}
# Who is granted a wrapper on may make servers of it, and owns them.
for my $number (1 .. 6)
{
	my ($wrapper, $server) = ("\"W $number\"", "\"S $number\"");
	push @statements, "CREATE FOREIGN DATA WRAPPER $wrapper", "CREATE SERVER $server FOREIGN DATA WRAPPER $wrapper";
	for my $foreign ("FOREIGN DATA WRAPPER $wrapper", "FOREIGN SERVER $server")
	{
		for (0 .. int rand 3)
		{
			my $to = rand() < 0.15 ? 'PUBLIC' : pick(@roles);
			push @statements, "GRANT USAGE ON $foreign TO $to" . ($to ne 'PUBLIC' && rand() < 0.4 ? ' WITH GRANT OPTION' : '');
		}
		push @statements, "REVOKE USAGE ON $foreign FROM " . pick(@roles) if rand() < 0.2;
	}
	push @statements, "ALTER FOREIGN DATA WRAPPER $wrapper OWNER TO \"R One\"" if rand() < 0.5;
	my $owner = pick(@roles);
	push @statements, "GRANT USAGE ON FOREIGN DATA WRAPPER $wrapper TO $owner", "ALTER SERVER $server OWNER TO $owner" if rand() < 0.6;
}
push @statements, "GRANT $_ ON DATABASE access TO " . pick(@roles) for qw(CREATE CONNECT TEMPORARY);
push @statements, 'REVOKE CONNECT ON DATABASE access FROM PUBLIC', 'REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC', 'GRANT USAGE ON LANGUAGE plpgsql TO ' . pick(@roles);
push @statements, 'GRANT SET ON PARAMETER log_statement TO ' . pick(@roles), 'GRANT ALTER SYSTEM ON PARAMETER work_mem TO ' . pick(@roles);
# A privilege on something that another choice made impossible fails, and leaves the catalog as random as it was.
$node->psql('access', join(";\n", @statements) . ';', on_error_stop => 0);
cmp_ok($node->safe_psql('access', q{SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text ~ '^s[1-4]$' AND relacl IS NOT NULL}), '>', 10, 'the catalog is random enough');

# --- Every role, object and privilege

$node->safe_psql('access', <<'SQL');
CREATE TABLE public.reviewed AS
SELECT r.rolname, a.* FROM pg_roles r, dbm.access_review(r.rolname::text) a WHERE NOT r.rolsuper;
CREATE TABLE public.possible (object_kind text, object text, privilege text, is_column boolean DEFAULT false);
INSERT INTO public.possible
SELECT 'table', format('%I.%I', n.nspname, c.relname), p FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
       unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p WHERE n.nspname ~ '^s[1-4]$' AND c.relkind IN ('r', 'v')
UNION ALL SELECT 'sequence', format('%I.%I', n.nspname, c.relname), p FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
       unnest('{SELECT,UPDATE,USAGE}'::text[]) p WHERE n.nspname ~ '^s[1-4]$' AND c.relkind = 'S'
UNION ALL SELECT 'schema', n.nspname, p FROM pg_namespace n, unnest('{USAGE,CREATE}'::text[]) p WHERE n.nspname ~ '^s[1-4]$|^public$'
UNION ALL SELECT 'function', f.oid::regprocedure::text, 'EXECUTE' FROM pg_proc f WHERE f.pronamespace::regnamespace::text ~ '^s[1-4]$'
UNION ALL SELECT 'type', format('%I.%I', n.nspname, t.typname), 'USAGE' FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
       WHERE n.nspname ~ '^s[1-4]$' AND t.typname !~ '^_' AND (c.oid IS NULL OR c.relkind = 'c' OR t.typacl IS NOT NULL)
         AND (t.typtype <> 'm' OR current_setting('server_version_num')::int < 170000)
UNION ALL SELECT 'database', datname, p FROM pg_database, unnest('{CREATE,CONNECT,TEMPORARY}'::text[]) p
UNION ALL SELECT 'language', 'plpgsql', 'USAGE'
UNION ALL SELECT 'foreign data wrapper', quote_ident(fdwname), 'USAGE' FROM pg_foreign_data_wrapper
UNION ALL SELECT 'foreign server', quote_ident(srvname), 'USAGE' FROM pg_foreign_server
UNION ALL SELECT 'tablespace', spcname, 'CREATE' FROM pg_tablespace
UNION ALL SELECT 'parameter', s, p FROM unnest('{log_statement,work_mem}'::text[]) s, unnest('{SET,ALTER SYSTEM}'::text[]) p;
INSERT INTO public.possible
SELECT 'column', format('%I.%I.%I', n.nspname, c.relname, a.attname), p, true FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0,
       unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) p WHERE n.nspname ~ '^s[1-4]$' AND c.relkind IN ('r', 'v');
CREATE FUNCTION public.server_says(role name, kind text, object text, privilege text) RETURNS boolean LANGUAGE sql STABLE AS $$
SELECT CASE kind
    WHEN 'table' THEN has_table_privilege(role, object, privilege)
    WHEN 'sequence' THEN has_sequence_privilege(role, object, privilege)
    WHEN 'schema' THEN has_schema_privilege(role, object, privilege)
    WHEN 'function' THEN has_function_privilege(role, object, privilege)
    WHEN 'type' THEN has_type_privilege(role, object, privilege)
    WHEN 'database' THEN has_database_privilege(role, object, privilege)
    WHEN 'language' THEN has_language_privilege(role, object, privilege)
    WHEN 'foreign data wrapper' THEN has_foreign_data_wrapper_privilege(role, (parse_ident(object))[1], privilege)
    WHEN 'foreign server' THEN has_server_privilege(role, (parse_ident(object))[1], privilege)
    WHEN 'tablespace' THEN has_tablespace_privilege(role, object, privilege)
    WHEN 'parameter' THEN has_parameter_privilege(role, object, privilege)
    WHEN 'column' THEN has_column_privilege(role, (parse_ident(object))[1] || '.' || quote_ident((parse_ident(object))[2]), (parse_ident(object))[3], privilege)
END $$;
SQL
my $compared = $node->safe_psql('access', <<'SQL');
CREATE TABLE public.compared AS
SELECT r.rolname, p.*, public.server_says(r.rolname, p.object_kind, p.object, p.privilege) AS server,
       public.server_says(r.rolname, p.object_kind, p.object, p.privilege || ' WITH GRANT OPTION') AS server_grants,
       EXISTS (SELECT FROM public.reviewed v WHERE v.rolname = r.rolname AND v.privilege = p.privilege AND NOT v.needs_set_role
               AND (v.object_kind = p.object_kind AND v.object = p.object
                    -- Of a column, what is granted on its table counts too.
                    OR p.is_column AND v.object_kind = 'table' AND p.object LIKE v.object || '.%')) AS reviewed,
       EXISTS (SELECT FROM public.reviewed v WHERE v.rolname = r.rolname AND v.privilege = p.privilege AND NOT v.needs_set_role AND v.is_grantable
               AND (v.object_kind = p.object_kind AND v.object = p.object
                    OR p.is_column AND v.object_kind = 'table' AND p.object LIKE v.object || '.%')) AS reviewed_grants
FROM pg_roles r, public.possible p WHERE NOT r.rolsuper;
SELECT count(*) || ' compared, ' || count(*) FILTER (WHERE server) || ' granted' FROM public.compared;
SQL
diag($compared);
none([ split /\n/, $node->safe_psql('access', 'SELECT format(\'%s %s %s %s: server %s, we %s\', rolname, privilege, object_kind, object, server, reviewed) FROM public.compared WHERE server IS DISTINCT FROM reviewed LIMIT 30') ],
	'access_review() says what the server says');
# Of what an owner took from himself the server says that he may grant it, and not that he has it.
none([ split /\n/, $node->safe_psql('access', 'SELECT format(\'%s %s %s %s: server %s, we %s\', rolname, privilege, object_kind, object, server_grants, reviewed_grants) FROM public.compared WHERE server AND server_grants IS DISTINCT FROM reviewed_grants LIMIT 30') ],
	'and which of it may be granted on');
# So that each of them was asked for in earnest.
none([ split /\n/, $node->safe_psql('access', q{SELECT object_kind FROM public.compared WHERE object_kind IN ('foreign data wrapper', 'foreign server', 'column', 'table', 'sequence', 'function', 'type')
	GROUP BY 1 HAVING count(*) FILTER (WHERE server AND NOT server_grants) = 0 OR count(*) FILTER (WHERE server_grants) = 0 OR count(*) FILTER (WHERE NOT server) = 0}) ],
	'with and without it, and of each kind');

my $asked = $node->safe_psql('access', <<'SQL');
CREATE TABLE public.asked AS
SELECT p.object_kind, p.object, p.privilege, w.role, w.needs_set_role, w.is_grantable, w.path ~ '^on columns? ' AS of_columns, w.path FROM public.possible p, dbm.who_can(p.object_kind || ' ' || p.object, p.privilege) w;
SELECT count(*) FROM public.asked;
SQL
cmp_ok($asked, '>', 1000, 'who_can() answers for each of them');
none([ split /\n/, $node->safe_psql('access', <<'SQL') ], 'who_can() says what the server says, superusers among them');
SELECT format('%s %s %s %s: server %s, we %s', r.rolname, p.privilege, p.object_kind, p.object, s.server, w.own)
FROM pg_roles r, public.possible p,
     LATERAL (SELECT public.server_says(r.rolname, p.object_kind, p.object, p.privilege) AS server) s,
     LATERAL (SELECT EXISTS (SELECT FROM public.asked a WHERE a.object_kind = p.object_kind AND a.object = p.object AND a.privilege = p.privilege
                             AND a.role = quote_ident(r.rolname) AND NOT a.needs_set_role AND NOT a.of_columns) AS own) w
WHERE s.server IS DISTINCT FROM w.own LIMIT 30
SQL

none([ split /\n/, $node->safe_psql('access', <<'SQL') ], 'and who may grant it on');
SELECT format('%s %s %s %s: server %s, we %s', r.rolname, p.privilege, p.object_kind, p.object, s.server, w.own)
FROM pg_roles r, public.possible p,
     LATERAL (SELECT public.server_says(r.rolname, p.object_kind, p.object, p.privilege || ' WITH GRANT OPTION') AS server) s,
     LATERAL (SELECT EXISTS (SELECT FROM public.asked a WHERE a.object_kind = p.object_kind AND a.object = p.object AND a.privilege = p.privilege
                             AND a.role = quote_ident(r.rolname) AND NOT a.needs_set_role AND NOT a.of_columns AND a.is_grantable) AS own) w
WHERE public.server_says(r.rolname, p.object_kind, p.object, p.privilege) AND s.server IS DISTINCT FROM w.own LIMIT 30
SQL

# Of a table, who has a privilege on one of its columns is there too.
none([ split /\n/, $node->safe_psql('access', <<'SQL') ], 'who_can() of a table tells of those on columns');
SELECT format('%s %s %s: server %s, we %s', r.rolname, p.privilege, p.object, s.server, w.own)
FROM pg_roles r, public.possible p,
     LATERAL (SELECT has_any_column_privilege(r.oid, p.object, p.privilege) AS server) s,
     LATERAL (SELECT EXISTS (SELECT FROM public.asked a WHERE a.object_kind = p.object_kind AND a.object = p.object AND a.privilege = p.privilege
                             AND a.role = quote_ident(r.rolname) AND NOT a.needs_set_role) AS own) w
WHERE p.object_kind = 'table' AND p.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND s.server IS DISTINCT FROM w.own LIMIT 30
SQL
cmp_ok($node->safe_psql('access', q{SELECT count(*) FROM public.asked WHERE of_columns}), '>', 10, 'and there are some');

# Whoever may not look into a schema uses nothing in it, whatever was granted.
my $marked = <<'SQL';
FROM (SELECT rolname, object_kind, object, needs_set_role, path FROM public.reviewed
      UNION ALL SELECT (parse_ident(role))[1], object_kind, object, needs_set_role, path FROM public.asked) v
     CROSS JOIN LATERAL (SELECT (parse_ident(CASE WHEN object_kind = 'function' THEN regexp_replace(object, '\(.*', '') ELSE object END))[1] AS schema) n
     CROSS JOIN LATERAL (SELECT path ~ ('\(needs USAGE on schema ' || schema || '\)$') AS marked,
                             CASE WHEN needs_set_role THEN (parse_ident(substring(path FROM '^SET ROLE ("(?:[^"]|"")*"|[a-z0-9_]+): ')))[1] ELSE rolname END AS actor) a
WHERE v.object_kind IN ('table', 'column', 'sequence', 'function', 'type') AND n.schema ~ '^s[1-4]$' AND a.actor IS NOT NULL
SQL
none([ split /\n/, $node->safe_psql('access', "SELECT DISTINCT format('%s %s %s: %s', v.rolname, v.object_kind, v.object, v.path) $marked AND a.marked IS NOT DISTINCT FROM has_schema_privilege(a.actor, n.schema, 'USAGE') LIMIT 30") ],
	'what needs USAGE on its schema is told of, and nothing else');
for my $when ('needs_set_role', 'NOT needs_set_role')
{
	is($node->safe_psql('access', "SELECT bool_or(marked) AND bool_or(NOT marked) $marked AND $when"), 't', "both are there: $when");
}

# What takes SET ROLE is had after SET ROLE and not before.
none([ split /\n/, $node->safe_psql('access', <<'SQL') ], 'who becomes which role is what the server says');
SELECT format('%s %s', m.rolname, r.rolname) FROM pg_roles m, pg_roles r
WHERE NOT m.rolsuper AND m.oid <> r.oid
  AND EXISTS (SELECT FROM public.reviewed v WHERE v.rolname = m.rolname AND v.object_kind = 'role' AND v.privilege = 'SET ROLE' AND v.object = quote_ident(r.rolname) AND v.path !~ 'grants itself')
      IS DISTINCT FROM pg_has_role(m.oid, r.oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
LIMIT 30
SQL

# Who grants a role to whom it likes, tried; and as whom it acts once it has granted itself all that it can, and those what they can.
my $set = $version >= 160000 ? 'SET' : 'MEMBER';
$node->safe_psql('access', <<"SQL");
CREATE ROLE guest;
CREATE TABLE public.tried (actor text, granted text);
CREATE TABLE public.became (member text, role text);
DO \$do\$
DECLARE
	one record; other record; actor record; works boolean; grew boolean; all_of_them text[];
BEGIN
	FOR one IN SELECT oid, rolname FROM pg_roles WHERE rolname ~ '^r[0-9]' LOOP
		FOR other IN SELECT rolname FROM pg_roles WHERE rolname <> 'guest' AND rolname !~ '^pg_' LOOP
			works := false;
			BEGIN
				EXECUTE format('SET LOCAL ROLE %I', one.rolname);
				EXECUTE format('GRANT %I TO guest', other.rolname);
				works := true;
				RAISE EXCEPTION 'back';
			EXCEPTION WHEN OTHERS THEN NULL;
			END;
			IF works THEN INSERT INTO public.tried VALUES (one.rolname, quote_ident(other.rolname)); END IF;
		END LOOP;
		BEGIN
			LOOP
				grew := false;
				FOR actor IN SELECT oid, rolname FROM pg_roles WHERE NOT rolsuper AND pg_has_role(one.oid, oid, '$set') LOOP
					FOR other IN SELECT oid, rolname FROM pg_roles WHERE NOT rolsuper AND NOT pg_has_role(one.oid, oid, '$set') LOOP
						BEGIN
							EXECUTE format('SET LOCAL ROLE %I', actor.rolname);
							EXECUTE format('GRANT %I TO %I', other.rolname, one.rolname);
							grew := true;
						EXCEPTION WHEN OTHERS THEN NULL;
						END;
						EXECUTE 'RESET ROLE';
					END LOOP;
				END LOOP;
				EXIT WHEN NOT grew;
			END LOOP;
			SELECT array_agg(quote_ident(rolname)) INTO all_of_them FROM pg_roles WHERE oid <> one.oid AND pg_has_role(one.oid, oid, '$set');
			RAISE EXCEPTION 'back';
		EXCEPTION WHEN OTHERS THEN
			IF SQLERRM <> 'back' THEN RAISE; END IF;
		END;
		INSERT INTO public.became SELECT one.rolname, unnest(all_of_them);
	END LOOP;
END
\$do\$;
SQL
none([ split /\n/, $node->safe_psql('access', <<'SQL') ], 'who may grant which role is what the server does');
SELECT format('%s %s: server %s', coalesce(v.rolname, t.actor), coalesce(v.object, t.granted), t.actor IS NOT NULL)
FROM (SELECT DISTINCT rolname, object FROM public.reviewed WHERE privilege = 'ADMIN OPTION' AND NOT needs_set_role AND rolname ~ '^r[0-9]') v
     FULL JOIN public.tried t ON t.actor = v.rolname AND t.granted = v.object
WHERE (v.rolname IS NULL OR t.actor IS NULL) AND coalesce(v.object, '') !~ '^pg_' LIMIT 30
SQL
none([ split /\n/, $node->safe_psql('access', <<'SQL') ], 'and as whom it acts then');
SELECT format('%s %s: server %s', coalesce(v.rolname, b.member), coalesce(v.object, b.role), b.member IS NOT NULL)
FROM (SELECT DISTINCT rolname, object FROM public.reviewed WHERE privilege = 'SET ROLE' AND rolname ~ '^r[0-9]') v
     FULL JOIN public.became b ON b.member = v.rolname AND b.role = v.object
WHERE v.rolname IS NULL OR b.member IS NULL LIMIT 30
SQL
diag($node->safe_psql('access', q{SELECT count(*) || ' grants of roles tried, ' || (SELECT count(*) FROM public.reviewed WHERE privilege = 'SET ROLE' AND path ~ 'grants itself') || ' roles taken by one' FROM public.tried}));
$node->safe_psql('access', 'DROP ROLE guest');

# --- By which path

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE p_owner NOLOGIN; CREATE ROLE "Far" NOLOGIN; CREATE ROLE near NOLOGIN; CREATE ROLE chain LOGIN; CREATE ROLE aside NOINHERIT LOGIN; CREATE ROLE lent LOGIN; CREATE ROLE deputy LOGIN;
CREATE ROLE reads_all LOGIN; CREATE ROLE root LOGIN SUPERUSER; CREATE ROLE nobody LOGIN;
GRANT "Far" TO near; GRANT near TO chain; GRANT p_owner TO deputy; GRANT pg_read_all_data TO reads_all;
CREATE DATABASE paths OWNER p_owner;
SQL
$node->safe_psql('postgres', 'GRANT near TO aside' . ($version >= 160000 ? ' WITH INHERIT FALSE, SET TRUE' : ''));
$node->safe_psql('paths', <<'SQL');
CREATE EXTENSION dbmastery;
SET ROLE p_owner;
CREATE SCHEMA p;
GRANT USAGE ON SCHEMA p TO PUBLIC;
CREATE TABLE p.t (id int, note text);
GRANT SELECT ON p.t TO "Far"; GRANT SELECT ON p.t TO chain; GRANT UPDATE ON p.t TO lent WITH GRANT OPTION; GRANT UPDATE (note) ON p.t TO near;
ALTER DEFAULT PRIVILEGES IN SCHEMA p GRANT INSERT ON TABLES TO near;
CREATE TABLE p.later (id int);
GRANT SELECT ON p.later TO PUBLIC;
CREATE FUNCTION p.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
SET ROLE lent;
GRANT UPDATE ON p.t TO chain;
SQL

# What dbm.access_review() and dbm.who_can() tell of a privilege: each way with a mark for what may be granted on and what takes SET ROLE.
sub paths
{
	my ($role, $kind, $object, $privilege) = @_;
	my $told = q{path || CASE WHEN is_grantable THEN ' (grants)' ELSE '' END || CASE WHEN needs_set_role THEN ' (sets)' ELSE '' END};
	my $review = $node->safe_psql('paths', "SELECT string_agg($told, '; ' ORDER BY needs_set_role, path) FROM dbm.access_review('$role') WHERE object_kind = '$kind' AND object = '$object' AND privilege = '$privilege'");
	my $holders = $node->safe_psql('paths', "SELECT string_agg(regexp_replace($told, '^on the column: ', ''), '; ' ORDER BY needs_set_role, path) FROM dbm.who_can('$kind $object', '$privilege') WHERE role = '$role'" . ($kind eq 'column' ? q{ AND path ~ 'on the column'} : q{ AND path !~ 'on columns? '}));
	is($holders, $review, "$role, $privilege on $object: both say the same") if $role ne 'root';
	return $role eq 'root' ? $holders : $review;
}
for my $case (
	[ 'chain', 'table', 'p.t', 'SELECT', 'granted by p_owner; member of near, member of "Far": granted by p_owner', 'a grant, and a chain of memberships' ],
	[ 'chain', 'table', 'p.t', 'UPDATE', 'granted by lent', 'a grant by who was lent the right' ],
	[ 'chain', 'column', 'p.t.note', 'UPDATE', 'member of near: granted by p_owner', 'a column' ],
	[ 'near', 'table', 'p.later', 'INSERT', 'granted by p_owner', 'a default privilege, which the server keeps as a grant' ],
	[ 'chain', 'table', 'p.later', 'INSERT', 'member of near: granted by p_owner', 'the same by membership' ],
	[ 'aside', 'table', 'p.later', 'INSERT', 'SET ROLE near: granted by p_owner (sets)', 'a membership that is not inherited' ],
	[ 'aside', 'table', 'p.t', 'SELECT', $version >= 160000 ? 'SET ROLE "Far": granted by p_owner (sets); SET ROLE near: member of "Far": granted by p_owner (sets)' : undef, 'and one behind it' ],
	[ 'lent', 'table', 'p.t', 'UPDATE', 'granted by p_owner (grants)', 'with the right to grant it on' ],
	[ 'nobody', 'table', 'p.later', 'SELECT', 'granted to PUBLIC by p_owner', 'PUBLIC' ],
	[ 'nobody', 'function', 'p.f()', 'EXECUTE', 'PUBLIC by default', 'what every function is born with' ],
	[ 'nobody', 'table', 'p.t', 'SELECT', '', 'none' ],
	[ 'p_owner', 'table', 'p.t', 'DELETE', 'owner (grants)', 'ownership' ],
	[ 'deputy', 'table', 'p.t', 'DELETE', 'member of p_owner: owner (grants)', 'membership in the owner' ],
	[ 'reads_all', 'table', 'p.t', 'SELECT', 'member of pg_read_all_data: reads all data', 'a predefined role' ],
	[ 'root', 'table', 'p.t', 'TRUNCATE', 'superuser (grants)', 'a superuser' ],
	[ 'deputy', 'schema', 'public', 'CREATE', 'member of p_owner, member of pg_database_owner: owner (grants)', 'the owner of the database' ])
{
	my ($role, $kind, $object, $privilege, $path, $what) = @$case;
	my $told = paths($role, $kind, $object, $privilege);
	is($told, $path, "by which path: $what") if defined $path;
}

# Columns of one table, by the way that led to them.
$node->safe_psql('paths', <<'SQL');
CREATE ROLE temp LOGIN;
SET ROLE p_owner;
CREATE TABLE p.customers (id int, name text, email text, "S s" text);
GRANT SELECT (id, email, "S s") ON p.customers TO temp; GRANT SELECT (id) ON p.customers TO near; GRANT UPDATE (email) ON p.customers TO temp WITH GRANT OPTION;
SQL
is($node->safe_psql('paths', q{SELECT string_agg(privilege || ': ' || path, '; ' ORDER BY privilege, path) FROM dbm.who_can('p.customers', 'SELECT, UPDATE') WHERE role IN ('temp', 'chain')}),
	'SELECT: on column id: member of near: granted by p_owner; SELECT: on columns id, email, "S s": granted by p_owner; UPDATE: on column email: granted by p_owner', 'who reads columns of a table is told');
is($node->safe_psql('paths', q{SELECT string_agg(path, '; ') FROM dbm.who_can('p.customers', 'SELECT') WHERE role = 'aside' AND path ~ 'column'}), 'SET ROLE near: on column id: granted by p_owner', 'also who takes SET ROLE first');

# A privilege without the way to its object.
$node->safe_psql('paths', 'CREATE SCHEMA "Se cret"; CREATE TABLE "Se cret".t (id int); CREATE VIEW p.shown AS SELECT * FROM "Se cret".t; GRANT SELECT ON "Se cret".t, p.shown TO temp');
my $read = sub { return ($node->psql('paths', 'SET ROLE temp; SELECT * FROM "Se cret".t', on_error_stop => 1))[0] == 0 ? 'reads' : 'does not read' };
for my $usage ('GRANT USAGE ON SCHEMA "Se cret" TO near', 'GRANT USAGE ON SCHEMA "Se cret" TO temp')
{
	is($node->safe_psql('paths', q{SELECT path FROM dbm.who_can('"Se cret".t', 'SELECT') WHERE role = 'temp'}), 'granted by ' . $node->safe_psql('paths', 'SELECT quote_ident(current_user)') . ' (needs USAGE on schema "Se cret")', 'that USAGE is missing is told');
	is($read->(), 'does not read', 'and it is missing');
	$node->safe_psql('paths', $usage);
}
unlike($node->safe_psql('paths', q{SELECT path FROM dbm.access_review('temp') WHERE object = '"Se cret".t'}), qr/needs/, 'where it is there nothing is told');
is($read->(), 'reads', 'and nothing is missing');

# Who may put anybody into a role may be in it.
$node->safe_psql('postgres', 'CREATE ROLE maker LOGIN CREATEROLE; CREATE ROLE by_proxy LOGIN; GRANT maker TO by_proxy; CREATE ROLE admin LOGIN; CREATE ROLE behind NOLOGIN; GRANT p_owner TO admin WITH ADMIN OPTION');
$node->safe_psql('postgres', 'GRANT p_owner TO admin WITH INHERIT FALSE, SET FALSE; GRANT root TO behind; GRANT behind TO p_owner WITH INHERIT FALSE') if $version >= 160000;
my $itself = $version >= 160000
  ? { admin => 'grants itself p_owner, SET ROLE root: superuser (grants) (sets); grants itself p_owner: owner (grants) (sets)' }
  : { admin => 'member of p_owner: owner (grants)', maker => 'CREATEROLE, grants itself p_owner: owner (grants) (sets)',
	by_proxy => 'SET ROLE maker, CREATEROLE, grants itself p_owner: owner (grants) (sets)' };
is(paths($_, 'table', 'p.t', 'DELETE'), $itself->{$_} // '', "what $_ has by granting itself a role") for qw(admin maker by_proxy lent);
my $role_rows = sub { my ($role) = @_; return $node->safe_psql('paths', "SELECT string_agg(concat_ws(' ', object_kind, object, privilege, needs_set_role, path), '; ' ORDER BY object_kind COLLATE \"C\", object COLLATE \"C\", privilege) FROM dbm.access_review('$role') WHERE object_kind IN ('role', 'everything')") };
my $by = $node->safe_psql('postgres', 'SELECT quote_ident(current_user)');
if ($version >= 160000)
{
	is($role_rows->('admin'), "everything * ALL t grants itself p_owner, SET ROLE root: superuser; role behind SET ROLE t grants itself p_owner, SET ROLE behind; role p_owner ADMIN OPTION f granted by $by; "
		  . 'role p_owner SET ROLE t grants itself p_owner; role pg_database_owner SET ROLE t grants itself p_owner, SET ROLE pg_database_owner; role root SET ROLE t grants itself p_owner, SET ROLE root', 'and all that follows');
	is(($node->psql('paths', 'SET SESSION AUTHORIZATION admin; SET ROLE p_owner', on_error_stop => 1))[0], 3, 'it is not in the role');
	is(($node->psql('paths', 'SET SESSION AUTHORIZATION admin; BEGIN; GRANT p_owner TO admin WITH SET TRUE; SET ROLE p_owner; DELETE FROM p.t; SET ROLE root; ROLLBACK', on_error_stop => 1))[0], 0, 'until it says so');
	$node->safe_psql('postgres', 'REVOKE behind FROM p_owner; REVOKE root FROM behind');
}
else
{
	like($role_rows->('maker'), qr/role \* ADMIN OPTION f CREATEROLE: every role that is no superuser$/, 'it grants every role');
	is(($node->psql('paths', 'SET SESSION AUTHORIZATION maker; BEGIN; GRANT p_owner TO maker; DELETE FROM p.t; ROLLBACK', on_error_stop => 1))[0], 0, 'and takes it');
	$node->safe_psql('postgres', 'GRANT root TO behind');
	like($role_rows->('by_proxy'), qr/^everything \* ALL t SET ROLE maker, CREATEROLE, grants itself \S+, SET ROLE (?:root|"R One"): superuser; role \* ADMIN OPTION t SET ROLE maker: CREATEROLE: every role that is no superuser; role maker SET ROLE f member of maker$/,
		'also one through which a superuser is reached');
	is(($node->psql('paths', 'SET SESSION AUTHORIZATION by_proxy; BEGIN; SET ROLE maker; GRANT behind TO by_proxy; SET ROLE behind; RESET ROLE; SET ROLE root; ROLLBACK', on_error_stop => 1))[0], 0, 'which is so');
	$node->safe_psql('postgres', 'REVOKE root FROM behind');
}

# Types: those of others are asked for by any name.
$node->safe_psql('paths', <<'SQL');
SET ROLE p_owner;
CREATE TYPE p.pair AS (a int, b int); CREATE DOMAIN p.many AS int[]; CREATE TYPE p.span AS RANGE (subtype = float8, multirange_type_name = p.spans);
REVOKE USAGE ON TYPE p.pair FROM PUBLIC; REVOKE USAGE ON TYPE p.many FROM PUBLIC; REVOKE USAGE ON TYPE p.span FROM PUBLIC;
GRANT USAGE ON TYPE p.pair, p.many, p.span TO temp;
SQL
for my $type (qw(p.pair p.pair[] p.many p.many[] p.span p.span[]), $version >= 170000 ? qw(p.spans p.spans[]) : ())
{
	my $answer = $node->safe_psql('paths', qq{SELECT string_agg(role, ' ' ORDER BY role) FROM dbm.who_can('type $type') WHERE NOT needs_set_role AND role IN ('temp', 'nobody', 'p_owner')});
	is($answer, 'p_owner temp', "who uses type $type");
	is($node->safe_psql('paths', "SELECT string_agg(r, ' ' ORDER BY r) FROM unnest('{temp,nobody,p_owner}'::text[]) r WHERE has_type_privilege(r, '$type', 'USAGE')"), $answer, 'as the server says');
}
like($node->safe_psql('paths', q{SELECT string_agg(DISTINCT path, ' ') FROM dbm.who_can('type p.customers') WHERE role = 'nobody'}), qr/^PUBLIC by default$/, 'the type of a table\'s rows can be asked for');

# Large objects: what is told is what can be done.
my $large = $node->safe_psql('paths', "SET ROLE p_owner; SELECT lo_from_bytea(0, 'x')");
$node->safe_psql('paths', "SET ROLE p_owner; GRANT SELECT ON LARGE OBJECT $large TO near; GRANT SELECT, UPDATE ON LARGE OBJECT $large TO lent WITH GRANT OPTION");
for my $compat ('off', 'on')
{
	$node->safe_psql('paths', "ALTER SYSTEM SET lo_compat_privileges = $compat");
	$node->reload;
	$node->poll_query_until('paths', "SELECT current_setting('lo_compat_privileges') = '$compat'") or die 'no reload';
	for my $role (qw(p_owner deputy near chain aside lent reads_all nobody root))
	{
		for my $privilege ([ 'SELECT', "SELECT lo_get($large)" ], [ 'UPDATE', "SELECT lo_put($large, 0, 'y')" ])
		{
			my ($status) = $node->psql('paths', "SET ROLE $role; $privilege->[1]", on_error_stop => 1);
			my $told = $node->safe_psql('paths', "SELECT count(*) > 0 FROM dbm.who_can('large object $large', '$privilege->[0]') WHERE role = '$role' AND NOT needs_set_role");
			is($told, $status == 0 ? 't' : 'f', "lo_compat_privileges $compat: whether $role has $privilege->[0]");
		}
	}
	is(paths('chain', 'large object', $large, 'SELECT'), $compat eq 'on' ? 'lo_compat_privileges is on; member of near: granted by p_owner' : 'member of near: granted by p_owner', 'and by which path');
}
$node->safe_psql('paths', 'ALTER SYSTEM RESET lo_compat_privileges');
$node->reload;

# --- Errors

for my $wrong ([ q{SELECT * FROM dbm.access_review('nosuch')}, '42704' ], [ q{SELECT * FROM dbm.who_can('nosuch')}, '42704' ],
	[ q{SELECT * FROM dbm.who_can('column s1.nosuch')}, '42704' ], [ q{SELECT * FROM dbm.who_can('parameter nosuch')}, '42704' ],
	[ q{SELECT * FROM dbm.who_can('schema s1', 'SELECT')}, '22023' ], [ q{SELECT * FROM dbm.who_can('large object 1')}, '42704' ], [ q{SELECT * FROM dbm.who_can('large object x')}, '42704' ], [ q{SELECT dbm.role_plan('king', 'x')}, '22023' ],
	[ q{SELECT dbm.role_plan('application', 'r1')}, '42710' ], [ q{SELECT dbm.role_plan('application', 'x', '{nosuch}')}, '3F000' ],
	[ 'SELECT * FROM dbm.who_can(NULL)', '22004' ], [ 'SELECT * FROM dbm.access_review(NULL)', '22004' ], [ q{SELECT dbm.role_plan(NULL, 'x')}, '22004' ], [ q{SELECT dbm.role_plan('application', NULL)}, '22004' ],
	[ q{SELECT dbm.role_plan('application', 'x', '{s1,NULL}')}, '22004' ], [ q{SELECT dbm.role_plan('application', 'x', '{}')}, '22023' ], [ q{SELECT dbm.role_plan('application', 'x', logs_in => NULL)}, '22004' ],
	[ q{SELECT dbm.role_plan('application', 'x', later => NULL)}, '22004' ])
{
	my ($status, $out, $error) = $node->psql('access', "\\set VERBOSITY verbose\n$wrong->[0]", on_error_stop => 1);
	like($error, qr/ERROR:  $wrong->[1]:/, "$wrong->[0] raises $wrong->[1]");
}

# A name of several functions is not one that there is none of.
$node->safe_psql('access', 'CREATE SCHEMA twice; CREATE FUNCTION twice."F f"(int) RETURNS int LANGUAGE sql AS $$SELECT 1$$; CREATE FUNCTION twice."F f"(text, int) RETURNS int LANGUAGE sql AS $$SELECT 1$$; CREATE FUNCTION twice.one(int) RETURNS int LANGUAGE sql AS $$SELECT 1$$');
for my $asked ([ 'function twice."F f"', '' ], [ 'function "F f"', 'SET search_path = twice; ' ])
{
	my ($status, $out, $error) = $node->psql('access', "\\set VERBOSITY verbose\n$asked->[1]SELECT * FROM dbm.who_can('$asked->[0]')", on_error_stop => 1);
	like($error, qr/ERROR:  42725: there are 2 functions/, "$asked->[0] is not unique");
	like($error, qr/DETAIL:  They are: (?:twice\.)?"F f"\(integer\); (?:twice\.)?"F f"\(text,integer\)\./, 'and which there are');
}
cmp_ok($node->safe_psql('access', q{SELECT count(*) FROM dbm.who_can('function twice.one')}), '>', 0, 'a name that is unique is enough');
{
	my ($status, $out, $error) = $node->psql('access', "\\set VERBOSITY verbose\nSELECT * FROM dbm.who_can('function \"F f\"')", on_error_stop => 1);
	like($error, qr/ERROR:  42704:/, 'what is not on the search_path is not there');
}

# --- Roles by plan

$node->safe_psql('postgres', 'CREATE ROLE shop_owner NOLOGIN; CREATE DATABASE shop');
$node->safe_psql('shop', <<'SQL');
CREATE EXTENSION dbmastery;
CREATE SCHEMA shop AUTHORIZATION shop_owner;
SET ROLE shop_owner;
CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);
CREATE TABLE shop."Old lines" (id serial PRIMARY KEY);
CREATE VIEW shop.noted AS SELECT * FROM shop.orders WHERE note IS NOT NULL;
SQL

# Makes the plan, runs it and returns its number.
sub made
{
	my ($kind, $role) = @_;
	my $plan = $node->safe_psql('shop', "SELECT dbm.role_plan('$kind', '$role', CASE '$kind' WHEN 'monitor' THEN NULL ELSE '{shop}'::text[] END)");
	my ($status, $out, $error) = $node->psql('shop', "CALL dbm.apply($plan)", on_error_stop => 1);
	is($status, 0, "the plan for $role is applied") or diag($error);
	return $plan;
}

sub may
{
	my ($role, $sql, $allowed) = @_;
	my ($status, $out, $error) = $node->psql('shop', $sql, extra_params => [ '-U', $role ], on_error_stop => 1);
	if ($allowed) { is($status, 0, "$role may: $sql") or diag($error) }
	else { like($error, qr/permission denied|must be owner|read-only transaction|must be superuser/, "$role may not: $sql") }
	return;
}

my %plans = map { $_->[1] => made(@$_) } [ 'application', 'shop_app' ], [ 'read_only', 'shop_reader' ], [ 'migrator', 'shop_deploy' ], [ 'monitor', 'shop_watch' ];
# The migrator makes a table afterwards: what is made later is granted too.
may('shop_deploy', 'CREATE TABLE shop.later (id serial PRIMARY KEY)', 1);
is($node->safe_psql('shop', q{SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'shop.later'::regclass}), 'shop_owner',
	'what a migrator makes belongs to the owner');
may('shop_app', $_, 1)
  for 'INSERT INTO shop.orders (note) VALUES (1)', 'INSERT INTO shop."Old lines" DEFAULT VALUES', 'UPDATE shop.orders SET note = 2', 'SELECT * FROM shop.noted',
  'DELETE FROM shop.orders', 'INSERT INTO shop.later DEFAULT VALUES';
may('shop_app', $_, 0)
  for 'TRUNCATE shop.orders', 'CREATE TABLE shop.own (a int)', 'DROP TABLE shop.orders', 'ALTER TABLE shop.orders ADD x int', 'CREATE TABLE public.own (a int)',
  q{SELECT setval('shop."Old lines_id_seq"', 1)};
may('shop_reader', $_, 1) for 'SELECT * FROM shop.orders', 'SELECT * FROM shop.later', 'SELECT * FROM shop.noted';
may('shop_reader', $_, 0) for 'DELETE FROM shop.orders', 'SET default_transaction_read_only = off; DELETE FROM shop.orders', 'SET default_transaction_read_only = off; TRUNCATE shop.orders';
may('shop_deploy', $_, 1) for 'ALTER TABLE shop.later ADD note text', 'DROP TABLE shop.later';
may('shop_deploy', $_, 0) for 'CREATE ROLE x', 'RESET ROLE; SET ROLE NONE; CREATE TABLE public.own (a int)';
may('shop_watch', $_, 1) for 'SELECT count(*) FROM pg_stat_activity', 'SELECT count(*) FROM dbm.table_sizes()', q{SELECT count(*) FROM dbm.access_review('shop_app')};
may('shop_watch', $_, 0) for 'SELECT * FROM shop.orders', q{SELECT dbm.role_plan('application', 'x')};

# What is made later: a view can be written into, and a partition be reached past the policies of its parent, as the plan says. The
# audit finds it.
my $requires = sub { my ($plan) = @_; return $node->safe_psql('shop', "SELECT array_to_string(requires, E'\n') FROM dbm.plan WHERE plan = $plan") };
$plans{shop_careful} = $node->safe_psql('shop', q{SELECT dbm.role_plan('application', 'shop_careful', '{shop}', later => false)});
is(($node->psql('shop', "CALL dbm.apply($plans{shop_careful})"))[0], 0, 'the plan for shop_careful is applied');
like($requires->($plans{shop_app}), qr/a view that is made in shop later can be written into, and a partition/, 'the plan says what of later can be written into');
like($requires->($plans{shop_reader}), qr/a partition that is made there by hand be reached past its parent's policies/, 'and read');
like($requires->($plans{shop_app}), qr/what others than shop_owner make in shop later is not granted/, 'and what is not granted');
like($requires->($plans{shop_careful}), qr/a grant for each table that is made in shop later/, 'or that nothing of it is');
unlike($requires->($plans{shop_careful}), qr/can be written into/, 'which is then no danger');
may('shop_deploy', q{CREATE TABLE shop.rented (tenant int, note text) PARTITION BY LIST (tenant); ALTER TABLE shop.rented ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON shop.rented USING (tenant = 1);
	CREATE TABLE shop.rented_2 PARTITION OF shop.rented FOR VALUES IN (2); CREATE VIEW shop.later_view AS SELECT * FROM shop.orders}, 1);
may('shop_app', $_, 1) for q{INSERT INTO shop.later_view (note) VALUES ('x')}, q{INSERT INTO shop.rented_2 VALUES (2)}, 'SELECT * FROM shop.rented_2';
may('shop_reader', $_, 1) for 'SELECT * FROM shop.later_view', 'SELECT * FROM shop.rented_2';
may('shop_careful', $_, 0) for q{INSERT INTO shop.later_view (note) VALUES ('x')}, 'SELECT * FROM shop.later_view', q{INSERT INTO shop.rented_2 VALUES (2)}, 'SELECT * FROM shop.rented_2', 'SELECT * FROM shop.rented';
may('shop_careful', $_, 1) for q{INSERT INTO shop.orders (note) VALUES ('x')}, 'SELECT * FROM shop.noted';
is($node->safe_psql('shop', q{SELECT severity FROM dbm.audit('security') WHERE rule = 'security.partition_without_row_security' AND object = 'shop.rented_2'}), 'critical', 'the audit finds such a partition');
$node->safe_psql('shop', 'GRANT SELECT ON shop.rented TO shop_careful; DELETE FROM shop.orders; DROP VIEW shop.later_view');

# In an empty public, as 15 makes it, what the owner of the database makes is granted; and what roles make that were granted CREATE.
$node->safe_psql('postgres', 'CREATE ROLE db_owner LOGIN; CREATE ROLE creates LOGIN; CREATE ROLE "Creates too" LOGIN; CREATE DATABASE fresh OWNER db_owner');
$node->safe_psql('fresh', 'CREATE EXTENSION dbmastery; GRANT CREATE ON SCHEMA public TO creates');
{
	my ($plan, $other) = map { $node->safe_psql('fresh', "SELECT dbm.role_plan('application', '$_', '{public}')") } 'fresh_app', 'other_app';
	is(($node->psql('fresh', "CALL dbm.apply($plan)"))[0], 0, 'a plan for an empty public is applied');
	for my $maker ('db_owner', 'creates')
	{
		$node->safe_psql('fresh', "SET ROLE $maker; CREATE TABLE public.of_$maker (id int)");
		is(($node->psql('fresh', "SET ROLE fresh_app; INSERT INTO public.of_$maker VALUES (1)", on_error_stop => 1))[0], 0, "what $maker makes later is granted");
	}
	is(($node->psql('fresh', "CALL dbm.undo($plan)"))[0], 0, 'and taken back');
	# Whoever plans and is not in a role may not say what that one grants.
	$node->safe_psql('fresh', 'GRANT CREATE ON SCHEMA public TO "Creates too"; GRANT USAGE ON SCHEMA dbm TO db_owner; GRANT EXECUTE ON FUNCTION dbm.role_plan TO db_owner');
	my $number = $node->safe_psql('fresh', q{SET ROLE db_owner; SELECT dbm.role_plan('read_only', 'fresh_reader', '{public}')});
	my $told = $node->safe_psql('fresh', "SELECT array_to_string(requires, ' ') FROM dbm.plan WHERE plan = $number");
	like($told, qr/CREATE there has also "Creates too"$/, 'who else makes something there is told');
	unlike($node->safe_psql('fresh', "SELECT string_agg(array_to_string(sql, ' '), ' ') FROM dbm.plan_step WHERE plan = $number"), qr/FOR ROLE "Creates too"/, 'and is not in a step that would fail');
}

# A migrator with a new owner, after an application: its owner owns nothing that is there, and grants nothing of what it makes.
{
	my $number = $node->safe_psql('shop', q{SELECT dbm.role_plan('migrator', 'third_deploy', '{shop}', owner => 'third_owner')});
	like($requires->($number), qr/third_owner owns nothing of what shop_owner owns in shop, and may not change it/, 'that its owner owns nothing is told');
	my @grants = $requires->($number) =~ /(ALTER DEFAULT PRIVILEGES FOR ROLE third_owner IN SCHEMA shop GRANT .*)/g;
	cmp_ok(scalar(@grants), '>=', 3, 'and what it has to grant');
	is(($node->psql('shop', "CALL dbm.apply($number)"))[0], 0, 'the plan is applied');
	my $made = sub { my ($table) = @_; return ($node->psql('shop', "SET ROLE third_owner; CREATE TABLE shop.$table (id serial); SET ROLE shop_app; INSERT INTO shop.$table DEFAULT VALUES", on_error_stop => 1))[0] };
	is(($node->psql('shop', 'SET ROLE third_owner; ALTER TABLE shop.orders ADD COLUMN third int', on_error_stop => 1))[0], 3, 'it may not change what is there, as is told');
	is($made->('third_1'), 3, 'nor is what it makes granted');
	$node->safe_psql('shop', "$_;") for @grants;
	is($made->('third_2'), 0, 'until that was said');
	$node->safe_psql('shop', 'DROP TABLE shop.third_1; DROP TABLE shop.third_2; DROP OWNED BY third_owner');
	$node->safe_psql('shop', q{GRANT USAGE, CREATE ON SCHEMA shop TO third_owner});
	$plans{third_deploy} = $number;
	my $same = $node->safe_psql('shop', q{SELECT dbm.role_plan('migrator', 'fourth_deploy', '{shop}', owner => 'shop_owner')});
	unlike($requires->($same), qr/owns nothing|makes is not:/, 'the owner of everything has nothing to be told');
}

# A migrator with an owner of his own, and tables that are made after the plans and are there when they are taken back.
$plans{other_deploy} = $node->safe_psql('shop', q{SELECT dbm.role_plan('migrator', 'other_deploy', '{shop}', owner => 'other_owner')});
is(($node->psql('shop', "CALL dbm.apply($plans{other_deploy})"))[0], 0, 'the plan for other_deploy is applied');
may('shop_deploy', 'CREATE TABLE shop.stays (id serial PRIMARY KEY)', 1);
may('other_deploy', 'CREATE TABLE shop.stays_too (id serial PRIMARY KEY)', 1);

for my $role (sort keys %plans)
{
	my ($status, $out, $error) = $node->psql('shop', "CALL dbm.undo($plans{$role})", on_error_stop => 1);
	is($status, 0, "the plan for $role is undone") or diag($error);
	is($node->safe_psql('shop', "SELECT count(*) FROM pg_roles WHERE rolname = '$role'"), 0, "$role is gone");
}
is($node->safe_psql('shop', 'SELECT count(*) FROM pg_default_acl'), 0, 'and no default privilege is left');
is($node->safe_psql('shop', q{SELECT count(*) FROM pg_roles WHERE rolname = 'other_owner'}), 0, 'nor the owner that a plan made');
is($node->safe_psql('shop', q{SELECT count(*) FROM pg_class WHERE relname IN ('stays', 'stays_too')}), 2, 'what was made meanwhile is there');
is($node->safe_psql('shop', q{SELECT has_schema_privilege('shop_owner', 'shop', 'USAGE') AND has_schema_privilege('shop_owner', 'shop', 'CREATE')}), 't',
	'and the owner of the schema has what it had');

$node->stop;
done_testing();
