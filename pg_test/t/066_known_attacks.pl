# The attacks by which other extensions were taken over, one by one, played against this one by somebody who owns a
# database, may call every function of the extension, and is no superuser. Each is played against a naive victim as well,
# where one fits into a few lines, so that an attack that hits nobody is noticed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(none utf8_locale);
use Plan qw(literal wait_until);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('attacks');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'mallory,app' ]);
$node->append_conf('postgresql.conf', <<'CONF');
autovacuum = off
fsync = off
max_worker_processes = 16
shared_preload_libraries = 'dbmastery'
dbm.discovery_interval = 1s
dbm.capture = on
timezone = 'UTC'
CONF
$node->start;
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');
my $me = $node->safe_psql('postgres', 'SELECT current_user');

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE ROLE app LOGIN; CREATE DATABASE shop OWNER mallory');

sub sql { return $node->safe_psql('shop', @_) }

# Runs statements as somebody, each by itself; what came out, and what was complained of.
sub as
{
	my ($role, $sql, %options) = @_;
	my ($status, $out, $error) = $node->psql('shop', $sql, extra_params => [ '-U', $role ], on_error_stop => 0, %options);
	return ($out, $error);
}

# As mallory, who must not fail in making what she attacks with.
sub mallory
{
	my ($sql) = @_;
	my ($out, $error) = as('mallory', $sql);
	die "mallory could not make it: $error" if $error =~ /ERROR/;
	return $out;
}

# --- What strikes: whoever runs it with other rights than mallory's is counted, also where all else is rolled back

sql('GRANT ALL ON SCHEMA public TO mallory');
sql(<<'SQL');
CREATE SEQUENCE public.gained; CREATE SEQUENCE public.struck;
GRANT ALL ON SEQUENCE public.gained, public.struck TO PUBLIC;
SQL
mallory(<<'SQL');
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
-- Says as whom it was run, and what it could do as that one.
CREATE FUNCTION evil.strike(how text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.nextval('public.struck');
    IF current_user OPERATOR(pg_catalog.<>) 'mallory' THEN
        PERFORM pg_catalog.nextval('public.gained');
        RAISE LOG 'mallory gained % by %', current_user, how;
    END IF;
    RETURN how;
END $$;
-- The same, having tried to become another one.
CREATE FUNCTION evil.escape(how text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE statement text;
BEGIN
    FOREACH statement IN ARRAY ARRAY['RESET ROLE', 'RESET SESSION AUTHORIZATION', 'SET ROLE NONE', 'SET SESSION AUTHORIZATION DEFAULT', 'DISCARD ALL',
        'SELECT pg_catalog.set_config(''role'', ''none'', false)', 'SELECT pg_catalog.set_config(''session_authorization'', ''default'', false)', 'RESET ALL']
    LOOP
        BEGIN
            EXECUTE statement;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
        PERFORM evil.strike(how || ' and ' || statement);
    END LOOP;
    RETURN how;
END $$;
CREATE FUNCTION evil.strikes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike(TG_NAME); RETURN coalesce(NEW, OLD); END $$;
CREATE FUNCTION evil.is_right(x anyelement, how text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM evil.strike(how); RETURN true; END $$;
CREATE FUNCTION evil.same(x int, how text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM evil.strike(how); RETURN x; END $$;
SQL

# How often somebody ran mallory's code with rights that are not hers, since this was last asked; and how often it was run at all.
my $struck = 0;
sub gained
{
	my $counted = sql(<<'SQL');
SELECT g.last_value - 1 + g.is_called::int, s.is_called FROM public.gained g, public.struck s;
ALTER SEQUENCE public.gained RESTART; ALTER SEQUENCE public.struck RESTART;
SQL
	(my $count, $struck) = split /\|/, $counted;
	$struck = $struck eq 't';
	return $count;
}

# Where the log is, and what it says since of what was gained.
my $log_at = 0;
sub how
{
	my $log = slurp_file($node->logfile, $log_at);
	$log_at = -s $node->logfile;
	my %how;
	$how{$_}++ for $log =~ /mallory gained (.*)/g;
	return join "\n", sort keys %how;
}

sub gains_nothing
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $is_safe = is(gained(), 0, $name);
	my $how = how();
	diag($how) if !$is_safe;
	my $is_super = sql(q{SELECT count(*) FROM pg_roles WHERE rolname IN ('mallory', 'app') AND (rolsuper OR rolbypassrls OR rolcreaterole)});
	is($is_super, 0, 'and nobody became more than he was');
	return;
}

# The same attack on somebody who takes no care.
sub control
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok(gained(), '>', 0, "a naive victim falls for it: $name");
	how();
	return;
}

# The numbers of plans are what is printed alone on a line.
sub plan_of
{
	my ($out) = @_;
	my ($number) = $out =~ /^(\d+)$/m;
	return $number;
}

# Runs a statement as a superuser, who may be refused: what was complained of.
sub dba
{
	my ($sql, %options) = @_;
	my ($status, $out, $error) = $node->psql('shop', $sql, on_error_stop => 0, %options);
	die "the server fell: $error" if $error =~ /server closed the connection|terminating connection/;
	return wantarray ? ($error, $out) : $error;
}

# --- Before there is an extension

subtest 'CVE-2026-2360: an operator on the path of CREATE EXTENSION' => sub {
	mallory(<<'SQL');
CREATE FUNCTION public.lures(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('operator'); RETURN true; END $$;
CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.lures);
CREATE OPERATOR public.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = public.lures);
CREATE OPERATOR public.~ (LEFTARG = text, RIGHTARG = text, FUNCTION = public.lures);
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('now'); RETURN NULL; END $$;
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('clock_timestamp'); RETURN NULL; END $$;
CREATE FUNCTION public.jsonb_typeof(jsonb) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('jsonb_typeof'); RETURN 'object'; END $$;
CREATE FUNCTION public.coalesce(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('coalesce'); RETURN NULL; END $$;
CREATE FUNCTION public.check_rule_setting(text, boolean, text, jsonb) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('check'); RETURN true; END $$;
CREATE FUNCTION public.version() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('version'); RETURN NULL; END $$;
CREATE DOMAIN public.text AS pg_catalog.text CHECK (evil.strike('domain') IS NOT NULL);
CREATE DOMAIN public.interval AS pg_catalog.interval CHECK (evil.strike('domain') IS NOT NULL);
CREATE TABLE public.rule_setting (rule text);
CREATE TABLE public.job (job text);
ALTER DATABASE shop SET search_path = public, pg_catalog;
SQL
	sql(q{DO $$ BEGIN PERFORM pg_catalog.now(); PERFORM 'a'::pg_catalog.text = 'b'::pg_catalog.text, now(); END $$});
	control('who names an operator without its schema');
	is(dba('CREATE EXTENSION dbmastery'), '', 'the extension is created');
	gains_nothing('none of what stands in public is run');
	is(sql(q{SELECT count(*) FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_depend m ON m.classid OPERATOR(pg_catalog.=) d.classid AND m.objid OPERATOR(pg_catalog.=) d.objid AND m.deptype OPERATOR(pg_catalog.=) 'e'
		JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) m.refobjid AND e.extname OPERATOR(pg_catalog.=) 'dbmastery'
		WHERE (d.refclassid, d.refobjid) IN (SELECT 'pg_catalog.pg_proc'::regclass::oid, oid FROM pg_catalog.pg_proc WHERE pronamespace OPERATOR(pg_catalog.=) 'public'::regnamespace::oid
			UNION ALL SELECT 'pg_catalog.pg_type'::regclass::oid, oid FROM pg_catalog.pg_type WHERE typnamespace OPERATOR(pg_catalog.=) 'public'::regnamespace::oid
			UNION ALL SELECT 'pg_catalog.pg_operator'::regclass::oid, oid FROM pg_catalog.pg_operator WHERE oprnamespace OPERATOR(pg_catalog.=) 'public'::regnamespace::oid)}),
		0, 'and nothing of the extension rests on it');
	mallory('ALTER DATABASE shop RESET search_path');
	gained();
};

subtest 'CVE-2022-2625: an object of the extension that is there already' => sub {
	my $folder = $node->config_data('--sharedir') . '/extension';
	my @scripts = glob("$folder/dbmastery--*.sql");
	cmp_ok(scalar @scripts, '>', 0, 'there are scripts');
	for my $script (@scripts)
	{
		# What is text within a statement is no statement.
		my $text = slurp_file($script) =~ s/'(?:[^']|'')*'//gr =~ s/--.*$//mgr =~ s{/\*.*?\*/}{}sgr;
		none([ $text =~ /^\s*(CREATE\s+(?:OR\s+REPLACE\b|\w+\s+IF\s+NOT\s+EXISTS\b)[^\n]*)/mgi ], 'no script takes what is there for its own');
	}
	sql('CREATE DATABASE beforehand OWNER mallory');
	# A function of ours, in a schema that a superuser made for us and lets others create in.
	$node->safe_psql('beforehand', 'CREATE SCHEMA dbm; GRANT ALL ON SCHEMA dbm TO mallory');
	$node->safe_psql('beforehand', q{CREATE FUNCTION dbm.version() RETURNS text LANGUAGE sql AS 'SELECT 1'}, extra_params => [ '-U', 'mallory' ]);
	my ($status, $out, $error) = $node->psql('beforehand', 'CREATE EXTENSION dbmastery');
	like($error, qr/ERROR/, 'it is not created over it');
	is($node->safe_psql('beforehand', q{SELECT count(*) FROM pg_extension WHERE extname = 'dbmastery'}), 0, 'nor half of it');
	$node->safe_psql('postgres', 'DROP DATABASE beforehand');
};

subtest 'CVE-2023-39417: names of owners and schemas within the script' => sub {
	my $odd = q{x"; SELECT evil.strike('extowner'); --' $$};
	(my $quoted = $odd) =~ s/"/""/g;
	$node->safe_psql('postgres', qq{CREATE ROLE "$quoted" SUPERUSER; CREATE DATABASE owned});
	$node->safe_psql('owned', qq{CREATE SCHEMA "$quoted"});
	my ($status, $out, $error) = $node->psql('owned', qq{CREATE EXTENSION dbmastery SCHEMA "$quoted"});
	like($error, qr/must be installed in schema "dbm"/, 'it stands in its own schema and no other');
	is(($node->psql('owned', qq{SET ROLE "$quoted"; CREATE EXTENSION dbmastery}, on_error_stop => 1))[0], 0, 'an owner of any name');
	is($node->safe_psql('owned', 'SELECT extowner::regrole::text FROM pg_extension WHERE extname = $$dbmastery$$'), qq{"$quoted"}, 'owns it');
	$node->safe_psql('postgres', qq{DROP DATABASE owned; DROP ROLE "$quoted"});
	none([ map { /dbmastery--/ && slurp_file($_) =~ /\@ext(?:owner|schema)/ ? $_ : () } glob($node->config_data('--sharedir') . '/extension/dbmastery--*.sql') ],
		'no script puts them into its text');
};

subtest 'supautils 206: an extension created by who is no superuser' => sub {
	my (undef, $error) = as('mallory', 'CREATE EXTENSION citext');
	is($error, '', 'the owner of a database creates one that is trusted');
	for my $statement ('DROP EXTENSION dbmastery CASCADE', 'ALTER EXTENSION dbmastery UPDATE', 'ALTER EXTENSION dbmastery ADD FUNCTION evil.strike(text)', 'ALTER EXTENSION dbmastery DROP FUNCTION dbm.version()',
		'ALTER EXTENSION dbmastery SET SCHEMA evil', 'CREATE OR REPLACE FUNCTION dbm.version() RETURNS text LANGUAGE sql AS $$SELECT 1::text$$', 'CREATE TABLE dbm.x (a int)', 'ALTER SCHEMA dbm RENAME TO other', 'DROP SCHEMA dbm CASCADE')
	{
		(undef, $error) = as('mallory', $statement);
		like($error, qr/must be owner|permission denied/, "not: $statement");
	}
	$node->safe_psql('postgres', 'CREATE DATABASE hers OWNER mallory');
	my ($status, $out, $said) = $node->psql('hers', 'CREATE EXTENSION dbmastery', extra_params => [ '-U', 'mallory' ]);
	like($said, qr/permission denied to create extension "dbmastery"/, 'nor creates it where it is not');
	$node->safe_psql('postgres', 'DROP DATABASE hers');
};

# From here on mallory may call everything.
sql(<<'SQL');
GRANT USAGE ON SCHEMA dbm TO mallory, app;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO mallory;
SQL
$log_at = -s $node->logfile;

# --- What a superuser reads of mallory's

# Statements that read a relation of hers, or all that there is, with every function of which the rows of a table or what it is
# called could become code.
sub readings
{
	my (%of) = @_;
	my ($relation, $column, $key) = @of{qw(relation column key)};
	my $name = literal($relation);
	my $query = literal("SELECT * FROM $relation WHERE $column = 1 ORDER BY $column");
	my $change = literal("ALTER TABLE $relation ADD COLUMN added int; CREATE INDEX ON $relation ($column); UPDATE $relation SET $column = $column");
	my $plain = literal($of{plain});
	my $index = literal("CREATE INDEX ON $relation ($column)");
	my @rows = (
		'audit()',
		'score()',
		'catalog_summary()',
		'missing_indexes()',
		'unused_indexes()',
		'duplicate_indexes()',
		'index_health()',
		'table_sizes()',
		"explain_ddl($change)",
		"lint_migration($change)",
		"lint_migration_sarif($change)",
		"index_type_for($name, ARRAY[$plain])",
		"why_no_index($query)",
		"advise($query)",
		"what_if($query, ARRAY[$index])",
		"what_if_explain($query, ARRAY[$index])",
		'captured_queries()',
		'advise_workload()',
		"who_can($name)",
		'access_review(\'mallory\')',
		"changes($name)",
		'changes()',
		"as_of($name, now())",
		"as_of($name, '2001-01-01')",
		"rows_as_of(NULL::$relation, now())",
		"rows_as_of(NULL::$relation, '2001-01-01')",
		"row_history($name, jsonb_build_object($plain, 1))",
		'audit_triggers()',
		'verify_audit_log()',
		'partition_status()',
	);
	my @plans = (
		"migration_plan(" . literal("ALTER TABLE $relation ADD COLUMN added int NOT NULL DEFAULT 1") . ')',
		"migration_plan(" . literal("ALTER TABLE $relation ALTER COLUMN $column TYPE bigint") . ')',
		"row_versioning_plan($name)",
		"soft_delete_plan($name, accept => '{unique}')",
		"tenancy_plan(ARRAY[$name]::regclass[], tenant_type => 'bigint', source => jsonb_build_object($name, '1'), accept => '{primary_key,unique,foreign_keys,views,materialized_views,functions}')",
		"partition_convert_plan($name, $plain, '1000', accept => '{primary_key,unique,foreign_keys}')",
		"revert_plan($name, jsonb_build_object($plain, 1), (SELECT a.since FROM dbm.audit_triggers() a WHERE a.table_name = $name))",
	);
	return ((map { "SELECT count(*) FROM dbm.$_" } @rows), (map { "SELECT dbm.$_" } @plans));
}

# Reads as a superuser: every one of the statements, but for those that are refused for what the relation is, by the calls that they
# make and what is said then. Nothing is gained by any of them.
sub read_each
{
	my ($name, $refused, @readings) = @_;
	my $read = 0;
	for my $reading (@readings)
	{
		my $error = dba($reading);
		my ($said) = $error =~ /ERROR:\s+(.*)/;
		my ($call) = grep { index($reading, $_) >= 0 } keys %$refused;
		if (defined $call) { like($said // 'it was read', $refused->{$call}, "$name: refused: $reading") }
		else { is($said, undef, "$name: $reading"); $read++ if !defined $said }
		my $gained = gained();
		is($gained, 0, 'and nothing is gained') or diag(how(), $error);
	}
	note("$name: $read were read");
	return;
}

subtest 'CVE-2026-2361: a temporary view, or one that stays' => sub {
	my $session = $node->background_psql('shop', extra_params => [ '-U', 'mallory' ], on_error_stop => 1);
	$session->query_safe(q{CREATE TEMP VIEW lure AS SELECT 1 AS id, evil.strike('temporary view') AS what});
	my $schema = sql(q{SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 'lure'});
	mallory(q{CREATE VIEW evil.lasting AS SELECT 1 AS id, evil.strike('view') AS what; CREATE MATERIALIZED VIEW evil.kept AS SELECT 1 AS id, evil.strike('materialized view') AS what;
		CREATE TABLE evil.ruled (id int PRIMARY KEY); CREATE RULE struck AS ON INSERT TO evil.ruled DO ALSO SELECT evil.strike('rule')});
	sql("SELECT * FROM $schema.lure");
	control('who counts the rows of whatever there is');
	sql(q{SELECT dbm.install_audit_trigger('evil.ruled')});
	mallory('INSERT INTO evil.ruled VALUES (1)');
	gains_nothing('a superuser puts it under the trail');
	# None of them is a table, and only one can have an index.
	my %unwatched = ('dbm.rows_as_of(' => qr/the first argument is no row of a table/, map { $_ => qr/does not exist|is not a table/ } q{dbm.changes('}, 'dbm.as_of(', 'dbm.row_history(');
	my %no_table = (%unwatched, 'dbm.row_versioning_plan(' => qr/is not a table/, 'dbm.soft_delete_plan(' => qr/is not a plain table/,
		'dbm.tenancy_plan(' => qr/is not a table/, 'dbm.partition_convert_plan(' => qr/is a view/);
	my %view = (%no_table, map { $_ => qr/is a view, which cannot have an index/ } 'dbm.index_type_for(', 'dbm.what_if(', 'dbm.what_if_explain(');
	for my $case ([ "$schema.lure", \%view ], [ 'evil.lasting', \%view ], [ 'evil.kept', { %no_table, 'ALTER COLUMN' => qr/is no ordinary table/ } ],
		[ 'evil.ruled', { 'dbm.partition_convert_plan(' => qr/is under the audit trail/, q{'2001-01-01')} => qr/was not watched at 2001-01-01/ } ])
	{
		my ($relation, $refused) = @$case;
		read_each($relation, $refused, readings(relation => $relation, column => 'id', plain => 'id'));
	}
	$session->quit;
	mallory('DROP VIEW evil.lasting; DROP MATERIALIZED VIEW evil.kept; DROP TABLE evil.ruled');
	gained();
};

subtest 'CVE-2026-19633: operators, casts and domains of the columns' => sub {
	mallory(<<'SQL');
CREATE DOMAIN evil.number AS int CHECK (evil.is_right(VALUE, 'domain'));
CREATE TYPE evil.mood AS ENUM ('sad', 'fine');
CREATE TYPE evil.pair AS (a int, b text);
CREATE FUNCTION evil.mood_text(evil.mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN evil.strike('cast to text'); END $$;
CREATE FUNCTION evil.mood_json(evil.mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('cast to json'); RETURN '1'; END $$;
CREATE FUNCTION evil.pair_jsonb(evil.pair) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('cast to jsonb'); RETURN '1'; END $$;
CREATE FUNCTION evil.text_mood(text) RETURNS evil.mood LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('cast from text'); RETURN 'sad'; END $$;
CREATE CAST (evil.mood AS text) WITH FUNCTION evil.mood_text(evil.mood) AS IMPLICIT;
CREATE CAST (text AS evil.mood) WITH FUNCTION evil.text_mood(text) AS IMPLICIT;
CREATE CAST (evil.mood AS json) WITH FUNCTION evil.mood_json(evil.mood);
CREATE CAST (evil.pair AS jsonb) WITH FUNCTION evil.pair_jsonb(evil.pair);
CREATE FUNCTION evil.equal(evil.pair, evil.pair) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM evil.strike('= of a type'); RETURN true; END $$;
CREATE OPERATOR evil.= (LEFTARG = evil.pair, RIGHTARG = evil.pair, FUNCTION = evil.equal, RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE FUNCTION evil.equal(evil.mood, evil.mood) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM evil.strike('= of an enum'); RETURN true; END $$;
CREATE OPERATOR evil.= (LEFTARG = evil.mood, RIGHTARG = evil.mood, FUNCTION = evil.equal, RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE TABLE evil.typed (id evil.number PRIMARY KEY, mood evil.mood DEFAULT 'sad', pair evil.pair DEFAULT '(1,x)', moods evil.mood[] DEFAULT '{sad}', numbers evil.number[] DEFAULT '{1}',
	twice int GENERATED ALWAYS AS (evil.same(1, 'generated')) STORED, made text DEFAULT evil.strike('default'), CHECK (evil.is_right(id, 'check')));
CREATE INDEX typed_by ON evil.typed (evil.same(id, 'index'));
CREATE STATISTICS evil.typed_statistics ON (evil.same(id, 'statistics')), twice FROM evil.typed;
INSERT INTO evil.typed (id) SELECT generate_series(1, 40);
CREATE POLICY struck ON evil.typed USING (evil.is_right(id, 'policy'));
SQL
	sql('SELECT dbm.install_audit_trigger(\'evil.typed\')');
	gains_nothing('a superuser puts it under the trail');
	mallory(q{UPDATE evil.typed SET mood = 'fine', pair = '(2,y)'; INSERT INTO evil.typed (id) VALUES (41); DELETE FROM evil.typed WHERE id = 5; ANALYZE evil.typed; SELECT count(*) FROM evil.typed WHERE id = 3});
	is(gained(), 0, 'the trail runs nothing of it in the name of somebody else');
	sql(q{SELECT count(*) FROM evil.typed t WHERE t.mood::text = 'sad' AND evil.same(1, 'predicate') = 1});
	control('who casts what stands in a column');
	sql('SELECT count(*) FROM dbm.seal_audit_log()');
	read_each('evil.typed', {
			q{'2001-01-01')} => qr/was not watched at 2001-01-01/,
			'ALTER COLUMN' => qr/policy struck on evil\.typed stands on id/,
			'dbm.partition_convert_plan(' => qr/column id of evil\.typed cannot be cut into ranges: it is of type evil\.number/
		}, readings(relation => 'evil.typed', column => 'id', plain => 'id'));
	# The constants of an index's predicate are computed by whoever has a query on the table planned, by EXPLAIN as by dbm.advise();
	# so whoever names no table of hers may not come by them.
	mallory(q{CREATE INDEX typed_part ON evil.typed (id) WHERE evil.same(1, 'predicate') = 1});
	gained();
	sql('EXPLAIN SELECT * FROM evil.typed WHERE id = 1');
	control('who has a query of her table planned');
	read_each('what names no table of hers', {}, grep { !/typed/ } readings(relation => 'evil.typed', column => 'id', plain => 'id'));
	mallory('DROP INDEX evil.typed_part');
};

subtest 'CVE-2026-9617: a column that is called like a statement' => sub {
	# Each ends another kind of text: a name, a string, a dollar-quoted body, a format, a comment, a line.
	my @odd = (q{a"); SELECT evil.strike('name'); --}, q{a' || evil.strike('string') || '}, q{$$; SELECT evil.strike('body'); --}, q{$dbm$; SELECT evil.strike('body'); --}, q{%s %I %L %1$s %n},
		q{a*/; SELECT evil.strike('comment'); /*}, "a\n; SELECT evil.strike('line');\n--", "a\nSELECT evil.strike('comment') UNION ALL --", q{\\'; SELECT evil.strike('backslash'); --});
	my ($number, @tables) = (0);
	for my $odd (@odd)
	{
		$number++;
		(my $quoted = $odd) =~ s/"/""/g;
		my $schema = qq{"s$number $quoted"};
		my $table = qq{$schema."$quoted"};
		mallory(<<"SQL");
CREATE SCHEMA $schema;
CREATE TABLE $table ("$quoted" int, "x$quoted" text DEFAULT 'v', CONSTRAINT "c$quoted" PRIMARY KEY ("$quoted"), CONSTRAINT "u$quoted" UNIQUE ("x$quoted"));
CREATE INDEX "i$quoted" ON $table (("$quoted" + 1));
INSERT INTO $table SELECT i, i::text FROM generate_series(1, 30) i;
SELECT dbm.install_audit_trigger(@{[ literal($table) ]});
UPDATE $table SET "x$quoted" = 'w' || "$quoted";
DELETE FROM $table WHERE "$quoted" = 7;
SQL
		push @tables, [ $table, qq{"$quoted"}, $odd ];
	}
	is(gained(), 0, 'the trail knows names of any kind');
	is(sql(q{SELECT count(*) FROM dbm.audit_triggers() WHERE table_name ~ 'strike|%s' AND problem IS NULL}), scalar @odd, 'and watches each of them');
	sql(q{DO $do$ DECLARE c record; BEGIN FOR c IN SELECT attrelid::regclass AS t, attname FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class WHERE relname ~ 'string' AND relkind = 'r') AND attnum = 1
		LOOP EXECUTE 'SELECT ''' || c.attname || ''''; END LOOP; END $do$});
	control('who writes a name into the text of a statement');
	# As a superuser: everything that reads, and every plan that is made of it, there and back.
	for my $of (@tables)
	{
		my ($table, $column, $odd) = @$of;
		my %made;
		my $shown = $odd =~ s/\n/\\n/gr;
		for my $reading (readings(relation => $table, column => $column, plain => $odd))
		{
			my ($error, $out) = dba($reading);
			unlike($error, qr/syntax error|unterminated|unrecognized format/, "$shown: $reading is made of names that are names") if $reading !~ /lint_migration/;
			$made{$1} = $out if !$error && $reading =~ /dbm\.(\w+_plan)\(/;
		}
		gains_nothing("$shown: read");
		none([ grep { !$made{$_} } qw(migration_plan revert_plan row_versioning_plan soft_delete_plan tenancy_plan) ], "$shown: plans are made");
		# What takes changes back comes first, before the table is another one.
		for my $plan (sort { ($a ne 'revert_plan') <=> ($b ne 'revert_plan') || $a cmp $b } keys %made)
		{
			next if $plan eq 'tenancy_plan';
			for my $direction ('apply', 'undo')
			{
				my $error = dba("CALL dbm.$direction($made{$plan})");
				is(sql("SELECT status FROM dbm.plan_status($made{$plan})"), $direction eq 'apply' ? 'done' : 'undone', "$shown: $plan, $direction: to the end") or diag($error)
				  if $plan =~ /revert|row_versioning|soft_delete/;
				unlike($error, qr/syntax error|unterminated|unrecognized format|does not exist/, "$shown: $plan, $direction: names are names");
			}
		}
		gains_nothing("$shown: plans applied and taken back");
		sql("CALL dbm.backfill(" . literal($table) . ', ' . literal(qq{"x} . substr($column, 1) . q{ = 'z' || } . $column) . ')');
		sql("SELECT dbm.remove_audit_trigger(" . literal($table) . ')');
		gains_nothing("$shown: filled, and out of the trail");
		my $plan = sql("SELECT dbm.partition_convert_plan(" . literal($table) . ', ' . literal($odd) . ", '1000', accept => '{primary_key,unique}')");
		for my $direction ([ 'apply', 'p' ], [ 'undo', 'r' ])
		{
			my $error = dba("CALL dbm.$direction->[0]($plan)");
			is(sql("SELECT relkind FROM pg_class WHERE oid = " . literal($table) . '::regclass'), $direction->[1], "$shown: cut into partitions, $direction->[0]") or diag($error);
		}
		gains_nothing("$shown: cut, and whole again");
	}
	my $count = 0;
	mallory("DROP SCHEMA \"s" . ++$count . ' ' . ($_ =~ s/"/""/gr) . "\" CASCADE") for @odd;
};

# --- What is run for mallory by others

subtest 'CVE-2024-2338, CVE-2024-2339, CVE-2021-38140: a plan of hers that a superuser applies' => sub {
	mallory(<<'SQL');
CREATE SCHEMA lures;
CREATE TABLE lures.tenants (id bigint PRIMARY KEY); INSERT INTO lures.tenants VALUES (1);
CREATE TABLE lures.orders (id bigint PRIMARY KEY, n int);
INSERT INTO lures.orders SELECT i, i FROM generate_series(1, 20) i;
CREATE FUNCTION evil.tenant(bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.escape('source of tenants'); RETURN 1; END $$;
CREATE FUNCTION evil.volatile_default() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.escape('default of a plan'); RETURN 1; END $$;
CREATE FUNCTION evil.in_index(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM evil.escape('index of a plan'); RETURN 1; END $$;
CREATE TRIGGER row_trigger AFTER UPDATE ON lures.orders FOR EACH ROW EXECUTE FUNCTION evil.strikes();
CREATE CONSTRAINT TRIGGER deferred_trigger AFTER UPDATE ON lures.orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.strikes();
SQL
	gained();
	sql('UPDATE lures.orders SET n = evil.volatile_default() WHERE id = 1');
	control('who writes as himself what somebody else has thought of');
	my %plans = (
		'tenancy_plan' => q{SELECT dbm.tenancy_plan('{lures.orders}', tenant_type => 'bigint', source => '{"lures.orders": "evil.tenant(id)"}', accept => '{primary_key,unique,foreign_keys}')},
		'migration_plan, default' => q{SELECT dbm.migration_plan('ALTER TABLE lures.orders ADD COLUMN d int NOT NULL DEFAULT evil.volatile_default()')},
		'migration_plan, index' => q{SELECT dbm.migration_plan('CREATE INDEX lured ON lures.orders (evil.in_index(n))')},
		'migration_plan, check' => q{SELECT dbm.migration_plan('ALTER TABLE lures.orders ADD CONSTRAINT lured CHECK (evil.is_right(n, $$check of a plan$$))')},
		'partition_create_plan' => q{SELECT dbm.partition_create_plan('lures.parted', 'at', '1 day', 'at timestamptz NOT NULL DEFAULT now(), x int CHECK (evil.is_right(x, $$definition$$))')},
	);
	for my $what (sort keys %plans)
	{
		my ($out, $error) = as('mallory', $plans{$what});
		my $plan = plan_of($out);
		ok($plan, "$what is made") or diag($error);
		next if !$plan;
		gained();
		for (1 .. 3)
		{
			my $said = dba("CALL dbm.apply($plan)");
			last if $said !~ /waits: step (\d+)/;
			dba("SELECT dbm.confirm_step($plan, $1)");
		}
		is(sql("SELECT created_by FROM dbm.plan WHERE plan = $plan"), 'mallory', 'it stays hers');
		gains_nothing("$what: applied by a superuser, with her rights");
		ok($struck, 'though it ran what she gave it') if $what =~ /tenancy|default|index|check/;
		dba("CALL dbm.undo($plan)");
		gains_nothing("$what: taken back by a superuser");
	}
	# By the worker, which is nobody of hers.
	my $plan = plan_of(mallory(q{SELECT dbm.migration_plan('ALTER TABLE lures.orders ADD COLUMN w int NOT NULL DEFAULT evil.volatile_default()')}));
	mallory("SELECT dbm.schedule('plan $plan')");
	wait_until($node, 'shop', "SELECT count(*) > 0 FROM dbm.job_run WHERE job = 'plan $plan' AND outcome IS NOT NULL AND finished_at IS NOT NULL");
	gains_nothing('nor has the worker more than her rights');
	ok($struck, 'though it ran what she gave it');
	# Nobody writes plans for others.
	for my $statement (q{INSERT INTO dbm.plan (title, change, search_path, created_by, created_by_oid) SELECT 'x', 'x', '', rolname, oid FROM pg_roles WHERE rolsuper LIMIT 1},
		"UPDATE dbm.plan SET created_by = '$me' WHERE plan = $plan", q{UPDATE dbm.plan_step SET sql = '{ALTER ROLE mallory SUPERUSER}'}, q{INSERT INTO dbm.backfill_job DEFAULT VALUES}, q{UPDATE dbm.job SET job = 'x'})
	{
		my (undef, $error) = as('mallory', $statement);
		like($error, qr/permission denied/, "not: $statement");
	}
	# Nor does she apply one of a superuser.
	my $his = plan_of(sql(q{SELECT dbm.migration_plan('ALTER TABLE lures.tenants ADD COLUMN x int')}));
	for my $call ("CALL dbm.apply($his)", "CALL dbm.undo($his)", "SELECT dbm.apply_in_background($his)", "SELECT dbm.schedule('plan $his')", "SELECT dbm.confirm_step($his, 1)")
	{
		my (undef, $error) = as('mallory', $call);
		like($error, qr/ERROR/, "another's plan is not for her: $call");
	}
};

subtest 'CVE-2020-25695, CVE-2022-1552: indexes, constraints and deferred triggers in upkeep' => sub {
	mallory(<<'SQL');
CREATE TABLE lures.events (at timestamptz NOT NULL, n int, CHECK (evil.is_right(n, 'check of a partition')), g int GENERATED ALWAYS AS (evil.same(n, 'generated in upkeep')) STORED) PARTITION BY RANGE (at);
CREATE INDEX ON lures.events (evil.same(n, 'index in upkeep'));
CREATE TABLE lures.events_default PARTITION OF lures.events DEFAULT;
CREATE TRIGGER on_row AFTER INSERT OR DELETE ON lures.events FOR EACH ROW EXECUTE FUNCTION evil.strikes();
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT OR DELETE ON lures.events_default DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.strikes();
INSERT INTO lures.events SELECT now() + i * interval '1 day', i FROM generate_series(-3, 3) i;
SELECT dbm.partition_manage('lures.events', '1 day', premake => 2, retention => '2 days');
CREATE TABLE lures.watched (id int PRIMARY KEY, n int, CHECK (evil.is_right(n, 'check of a watched table')));
CREATE INDEX ON lures.watched (evil.same(n, 'index of a watched table'));
CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON lures.watched DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.strikes();
INSERT INTO lures.watched SELECT i, i FROM generate_series(1, 20) i;
SQL
	gained();
	sql(q{INSERT INTO lures.events (at, n) VALUES (now(), 0)});
	control('who moves rows as himself');
	my ($error, $out) = dba(q{SELECT action, status, detail FROM dbm.partition_drain('lures.events')});
	gains_nothing('a superuser drains the default partition');
	diag("$error $out") if $error;
	ok($struck, 'which runs the index') or diag($out);
	($error, $out) = dba(q{SELECT action, status, detail FROM dbm.partition_maintain()});
	gains_nothing('and keeps all partitions');
	like($out, qr/done/, 'which did something');
	mallory(q{INSERT INTO lures.events SELECT now() + i * interval '1 day', i FROM generate_series(10, 13) i; SELECT dbm.partition_unmanage('lures.events'); SELECT dbm.partition_manage('lures.events', '1 day', premake => 14)});
	sql(q{SELECT dbm.schedule('upkeep', '1 hour'); DELETE FROM dbm.job_run WHERE job = 'upkeep'});
	gained();
	sql(q{SELECT dbm.worker_start()});
	wait_until($node, 'shop', q{SELECT count(*) > 0 FROM dbm.job_run WHERE job = 'upkeep' AND finished_at IS NOT NULL});
	gains_nothing('so does the worker');
	# The trail of her table, put there and taken away by a superuser; and her rows, by whom she cannot be stopped from naming.
	sql(q{SELECT dbm.install_audit_trigger('lures.watched')});
	mallory('UPDATE lures.watched SET n = n + 1');
	sql(q{SELECT count(*) FROM dbm.seal_audit_log(); SELECT count(*) FROM dbm.verify_audit_log(); SELECT dbm.remove_audit_trigger('lures.watched')});
	gains_nothing('installing, sealing and removing run nothing of hers');
	# A conversion that she planned, carried through by a superuser.
	for my $method ('attach', 'copy')
	{
		mallory(qq{CREATE TABLE lures.grown_$method (id bigint NOT NULL, n int, CHECK (evil.is_right(n, 'check in conversion')), CONSTRAINT grown_${method}_pkey PRIMARY KEY (id));
			CREATE INDEX ON lures.grown_$method (evil.same(n, 'index in conversion'));
			CREATE TRIGGER on_row AFTER INSERT OR UPDATE OR DELETE ON lures.grown_$method FOR EACH ROW EXECUTE FUNCTION evil.strikes();
			INSERT INTO lures.grown_$method SELECT i, i FROM generate_series(1, 300) i});
		my ($made, $complaint) = as('mallory', qq{SELECT dbm.partition_convert_plan('lures.grown_$method', 'id', '100', method => '$method')});
		my $plan = plan_of($made);
		ok($plan, "a conversion by $method") or diag($complaint);
		next if !$plan;
		gained();
		for (1 .. 3)
		{
			my $said = dba("CALL dbm.apply($plan)");
			last if $said !~ /waits: step (\d+)/;
			dba("SELECT dbm.confirm_step($plan, $1)");
		}
		gains_nothing("applied by a superuser: $method");
		ok($struck, 'with her check and her index');
	}
};

subtest 'CVE-2021-33204, CVE-2023-25149, CVE-2023-23554, CVE-2023-41117: upkeep under a search_path of hers' => sub {
	mallory(<<'SQL');
CREATE FUNCTION evil.lures(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('= of text'); RETURN true; END $$;
CREATE FUNCTION evil.lures(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('= of oid'); RETURN true; END $$;
CREATE FUNCTION evil.lures(name, name) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('= of name'); RETURN true; END $$;
CREATE FUNCTION evil.lures(name, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('= of name and text'); RETURN true; END $$;
CREATE FUNCTION evil.lures(oid, regclass) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('= of oid and regclass'); RETURN true; END $$;
CREATE FUNCTION evil.lures(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('= of bigint'); RETURN true; END $$;
CREATE FUNCTION evil.lures(bigint, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('= of bigint and int'); RETURN true; END $$;
CREATE FUNCTION evil.lures(int, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('= of int'); RETURN true; END $$;
CREATE FUNCTION evil.lures(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.strike('< of timestamptz'); RETURN true; END $$;
CREATE FUNCTION evil.both(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN evil.strike('|| of text'); END $$;
CREATE FUNCTION evil.arrow(jsonb, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN evil.strike('->> of jsonb'); END $$;
CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.both);
CREATE OPERATOR evil.->> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = evil.arrow);
SQL
	for my $pair ([ 'text', 'text' ], [ 'oid', 'oid' ], [ 'name', 'name' ], [ 'name', 'text' ], [ 'oid', 'regclass' ], [ 'bigint', 'bigint' ], [ 'bigint', 'int' ], [ 'int', 'int' ], [ 'timestamptz', 'timestamptz' ])
	{
		mallory("CREATE OPERATOR evil.$_ (LEFTARG = $pair->[0], RIGHTARG = $pair->[1], FUNCTION = evil.lures)") for '=', '<>', '<', '>', '<=', '>=';
	}
	for my $function ('format(text, text) RETURNS text', 'format(text, VARIADIC text[]) RETURNS text', 'quote_ident(text) RETURNS text', 'now() RETURNS timestamptz', 'clock_timestamp() RETURNS timestamptz',
		'to_jsonb(anyelement) RETURNS jsonb', 'nextval(regclass) RETURNS bigint', 'to_regclass(text) RETURNS regclass', 'lower(text) RETURNS text', 'count(int) RETURNS bigint', 'max(bigint) RETURNS bigint',
		'pg_get_expr(pg_node_tree, oid) RETURNS text', 'unnest(anyarray) RETURNS SETOF anyelement', 'current_setting(text) RETURNS text', 'current_setting(text, boolean) RETURNS text', 'pg_try_advisory_lock(bigint) RETURNS boolean')
	{
		my ($name) = $function =~ /^(\w+)/;
		mallory("CREATE FUNCTION evil.$function LANGUAGE plpgsql AS \$\$ BEGIN PERFORM evil.strike('function $name'); RETURN" . ($function =~ /SETOF/ ? '' : ' NULL') . '; END $$');
	}
	# The database is hers: so is what every session in it begins with, also a superuser's and the worker's.
	mallory('ALTER DATABASE shop SET search_path = evil, pg_catalog, public');
	$node->safe_psql('shop', q{DO $$ DECLARE x text; BEGIN SELECT format('%s', relname) INTO x FROM pg_class WHERE relname = 'orders' LIMIT 1; END $$});
	control('whose search_path is not his own');
	for my $call (
		'SELECT 1 FROM dbm.partition_status()', q{SELECT 1 FROM dbm.partition_maintain()}, q{SELECT 1 FROM dbm.partition_drain('lures.events')}, 'SELECT 1 FROM dbm.seal_audit_log()',
		'SELECT 1 FROM dbm.verify_audit_log()', q{SELECT dbm.install_audit_trigger('lures.watched')}, q{SELECT 1 FROM dbm.install_audit_triggers('{lures}')}, q{CREATE TABLE lures.new (id int PRIMARY KEY)},
		q{ALTER TABLE lures.new ADD COLUMN x int}, q{DROP TABLE lures.new}, q{SELECT 1 FROM dbm.audit_triggers()}, q{SELECT 1 FROM dbm.changes()}, q{SELECT 1 FROM dbm.as_of('lures.watched', '2030-01-01')}, q{SELECT 1 FROM dbm.changes('lures.events')}, q{SELECT 1 FROM dbm.row_history('lures.events', '{"n": 1}')},
		q{SELECT dbm.remove_audit_trigger('lures.watched')}, q{SELECT 1 FROM dbm.install_audit_triggers('{lures}', false)}, 'SELECT 1 FROM dbm.audit()', 'SELECT 1 FROM dbm.score()', 'SELECT 1 FROM dbm.jobs()', q{SELECT dbm.schedule('audit', '1 day')},
		'SELECT 1 FROM dbm.worker_status()', 'SELECT 1 FROM dbm.advise_workload()', q{SELECT 1 FROM dbm.tenant_leak_test('{lures.watched}', 'n')}, q{SELECT dbm.role_plan('read_only', 'x', '{lures}')}, q{SELECT 1 FROM dbm.access_review('mallory')},
		q{SELECT 1 FROM dbm.who_can('table lures.watched')}, q{SELECT dbm.row_versioning_plan('lures.watched')}, q{SELECT dbm.soft_delete_plan('lures.watched')}, q{SELECT dbm.suppress('security.x', 'y', 'z')}, q{SELECT dbm.unsuppress('security.x', 'y')},
		q{SELECT dbm.migration_plan('ALTER TABLE lures.watched ADD COLUMN z int NOT NULL DEFAULT 5')}, q{SELECT 1 FROM dbm.explain_ddl('ALTER TABLE lures.watched ADD COLUMN z int')}, q{SELECT dbm.allow_ddl('*', 'y')},
		'SELECT 1 FROM dbm.backfill_status()', 'SELECT 1 FROM dbm.plan_status(1)', 'SELECT 1 FROM dbm.index_health()', 'SELECT 1 FROM dbm.progress()', 'SELECT 1 FROM dbm.pending_ddl_records()')
	{
		dba($call);
		my $gained = gained();
		is($gained, 0, $call) or diag(how());
	}
	sql(q{DELETE FROM dbm.job_run; SELECT dbm.schedule('audit', '1 day'), dbm.schedule('upkeep', '1 hour'), dbm.schedule('seal', '1 hour')});
	wait_until($node, 'shop', q{SELECT count(*) OPERATOR(pg_catalog.>=) 3::bigint FROM dbm.job_run WHERE finished_at IS NOT NULL});
	is(gained(), 0, 'the worker is not led by it') or diag(how());
	mallory('ALTER DATABASE shop RESET search_path');
};

subtest 'CVE-2023-2454: CREATE SCHEMA, which brings a path of its own' => sub {
	sql(q{SELECT 1 FROM dbm.install_audit_triggers('{lures}')});
	gained();
	# What is made within it meets the event triggers of the extension with her schema on the path; by a superuser, too.
	for my $role ('mallory', $me)
	{
		my ($out, $error) = as($role, q{SET search_path = evil, pg_catalog; CREATE SCHEMA sub CREATE TABLE t (id int PRIMARY KEY) CREATE VIEW v AS SELECT id FROM t CREATE INDEX ON t (id);
			CREATE TABLE lures.sub (id int PRIMARY KEY); ALTER TABLE lures.sub ADD COLUMN x int; ALTER TABLE lures.sub DISABLE TRIGGER USER; DROP TABLE lures.sub; DROP SCHEMA sub CASCADE});
		unlike($error, qr/ERROR/, "it is made by $role");
		gains_nothing('and the event triggers call nothing of it');
	}
	sql(q{SELECT 1 FROM dbm.install_audit_triggers('{lures}', false)});
	sql(q{SELECT dbm.remove_audit_trigger(oid) FROM pg_class WHERE relnamespace = 'lures'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition});
};

subtest 'CVE-2007-2138: temporary objects before all others' => sub {
	is(sql(q{SELECT count(*) FROM pg_proc WHERE pronamespace = 'dbm'::regnamespace AND prosecdef}), 0, 'no function of the extension has the rights of its owner');
	# Those that plans put on a superuser's tables: on the way from one kind of column to another, to partitions, between tenants.
	sql(<<'SQL');
CREATE SCHEMA his; CREATE TABLE his.tenants (id bigint PRIMARY KEY); INSERT INTO his.tenants VALUES (1), (2);
CREATE TABLE his.naive (n int);
CREATE FUNCTION his.naive() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN NEW.n := (SELECT max(o.n) FROM orders o); RETURN NEW; END $$;
CREATE TRIGGER naive BEFORE INSERT ON his.naive FOR EACH ROW EXECUTE FUNCTION his.naive();
GRANT USAGE ON SCHEMA his TO app, mallory; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA his TO app, mallory;
SQL
	my $lure = <<'SQL';
CREATE TEMP TABLE shadow (id bigint, order_id bigint, n int, account bigint, tenant_id bigint); INSERT INTO shadow VALUES (1, 1, 1, 1, 1);
CREATE TEMP VIEW orders AS SELECT id, order_id, evil.same(n, 'temporary orders') AS n, account, evil.same(1, 'temporary orders') AS tenant_id FROM shadow;
CREATE TEMP VIEW lines AS SELECT * FROM orders; CREATE TEMP VIEW tenants AS SELECT * FROM orders; CREATE TEMP VIEW naive AS SELECT * FROM orders;
CREATE TEMP VIEW pg_class AS SELECT evil.same(1, 'temporary pg_class') AS oid;
SET search_path = pg_temp, evil, pg_catalog, his;
SQL
	my ($out, $error) = as('mallory', "$lure INSERT INTO his.naive VALUES (1)");
	control('whose function has his rights and no path of its own');
	my %plans = (
		'tenancy' => q{SELECT dbm.tenancy_plan('{his.orders,his.lines}', source => '{"his.orders": "account"}', tenants => 'his.tenants', accept => '{primary_key,unique,foreign_keys}')},
		'type' => q{SELECT dbm.migration_plan('ALTER TABLE his.lines ALTER COLUMN n TYPE bigint')},
		'references' => q{SELECT dbm.partition_convert_plan('his.orders', 'n', '100', accept => '{primary_key,unique,foreign_keys}')},
		'soft delete' => q{SELECT dbm.soft_delete_plan('his.lines', accept => '{unique}')});
	for my $what (sort keys %plans)
	{
		sql(<<'SQL');
CREATE TABLE his.orders (id bigint PRIMARY KEY, n int NOT NULL, account bigint NOT NULL DEFAULT 1); INSERT INTO his.orders SELECT i, i, 1 + i % 2 FROM generate_series(1, 50) i;
CREATE TABLE his.lines (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES his.orders, n int);
INSERT INTO his.lines SELECT i, i, i FROM generate_series(1, 50) i;
GRANT SELECT, INSERT, UPDATE, DELETE ON his.orders, his.lines TO app, mallory;
SQL
		my $plan = plan_of(sql($plans{$what}));
		ok($plan, "$what: there is a plan");
		gained();
		# Step by step as it is printed, so that she writes after each.
		my $writes = 0;
		for my $step (split /\n/, sql(qq{SELECT step FROM dbm.plan_steps($plan) WHERE runs <> 'by_hand' ORDER BY step}))
		{
			my $text = sql("SELECT array_to_string(sql, E';\\n') FROM dbm.plan_step WHERE plan = $plan AND step = $step");
			my $failed = dba("$text;");
			note("$what, step $step: $failed") if $failed =~ /ERROR/;
			my $id = 1000 + $step;
			for my $statement ("INSERT INTO his.orders (id, n) VALUES ($id, 60 + $step % 30)", "INSERT INTO his.lines (id, order_id, n) VALUES ($id, $step % 40 + 1, 1)", "UPDATE his.orders SET account = 2 WHERE id = $step", "UPDATE his.lines SET n = 5 WHERE id = $step", "DELETE FROM his.lines WHERE id = $id", "DELETE FROM his.orders WHERE id = $id")
			{
				($out, $error) = as('mallory', "$lure $statement");
				$writes++ if $error !~ /ERROR/;
			}
		}
		is(gained(), 0, "$what: at no step a writer's temporary objects are looked at") or diag(how());
		cmp_ok($writes, '>', 10, "$what: of $writes writes");
		sql('DROP TABLE IF EXISTS his.lines, his.orders CASCADE; DROP TABLE IF EXISTS his.orders_id_old CASCADE');
		sql(q{DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'his'::regnamespace AND relkind IN ('r', 'p') AND relname NOT IN ('tenants', 'naive') AND NOT relispartition LOOP EXECUTE 'DROP TABLE ' || t || ' CASCADE'; END LOOP; END $$});
	}
	sql('DROP SCHEMA his CASCADE');
};

# --- Settings and identities

subtest 'CVE-2021-41558, CVE-2021-38140: a setting by another way' => sub {
	my @protected = split /\n/, sql(q{SELECT name FROM pg_settings WHERE name LIKE 'dbm.%' AND context <> 'user'});
	cmp_ok(scalar @protected, '>=', 10, 'settings that are not for everybody');
	for my $name (@protected)
	{
		my $was = sql("SELECT setting FROM pg_settings WHERE name = '$name'");
		my $value = $was =~ /^-?\d+$/ ? $was + 1 : $was eq 'on' ? 'off' : $was eq 'off' ? 'on' : $name =~ /guard/ ? 'off' : 'warn';
		my @through;
		for my $way ("SET $name = '$value'", "SELECT pg_catalog.set_config('$name', '$value', false)", "BEGIN; SET LOCAL $name = '$value'", "ALTER ROLE mallory SET $name = '$value'", "ALTER DATABASE shop SET $name = '$value'",
			"CREATE FUNCTION evil.set() RETURNS text LANGUAGE sql SET $name = '$value' AS 'SELECT 1::text'", "DO \$\$ BEGIN PERFORM pg_catalog.set_config('$name', '$value', false); END \$\$",
			"UPDATE pg_catalog.pg_settings SET setting = '$value' WHERE name = '$name'", "ALTER SYSTEM SET $name = '$value'")
		{
			my (undef, $error) = as('mallory', $way);
			my ($is) = as('mallory', "$way;\nSELECT 'is ' || setting FROM pg_settings WHERE name = '$name'");
			push @through, "$way: $error" if $error !~ /permission denied|cannot be changed|must be superuser/ || $is =~ /^is \Q$value\E$/m;
		}
		none(\@through, "$name: by no way");
		my ($out) = as('mallory', "SELECT current_setting('$name')", connstr => $node->connstr('shop') . " options='-c $name=$value'");
		isnt($out, $value, "$name: nor by an option of the connection");
	}
	unlike((as('mallory', "SELECT pg_catalog.set_config('dbm.tenant', '2', false); SELECT 'seen ' || coalesce(dbm.current_tenant(), 'none')"))[0], qr/seen 2/, 'nor is a tenant');
	sql('GRANT EXECUTE ON FUNCTION dbm.set_tenant TO app');
	like((as('app', "BEGIN; SELECT dbm.set_tenant('1'); RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; SELECT dbm.set_tenant('2')"))[1], qr/belongs to tenant "1"/, 'no reset makes a transaction another tenant\'s');
	# A setting of the kind that anybody may make up is what a naive policy believes.
	like((as('app', "SET app.tenant = '2'; SELECT 'seen ' || current_setting('app.tenant')"))[0], qr/seen 2/, 'a naive victim believes a setting');
};

subtest 'CVE-2026-83534: what runs in another process' => sub {
	mallory(<<'SQL');
CREATE FUNCTION evil.in_worker(int) RETURNS int LANGUAGE plpgsql PARALLEL SAFE AS $$ BEGIN IF current_user <> 'mallory' THEN RAISE EXCEPTION 'a worker is %', current_user; END IF; RETURN $1; END $$;
CREATE TABLE evil.wide AS SELECT i, i % 5 AS k FROM generate_series(1, 20000) i;
ALTER TABLE evil.wide SET (parallel_workers = 2); ANALYZE evil.wide;
CREATE TABLE evil.narrow (i int PRIMARY KEY); INSERT INTO evil.narrow SELECT generate_series(1, 10);
SQL
	my $parallel = 'SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET parallel_leader_participation = off;';
	like(dba("$parallel SELECT sum(evil.in_worker(i)) FROM evil.wide"), qr/a worker is/, 'a naive victim: a superuser\'s query calls it in its workers');
	my ($error, $out) = dba("$parallel SET ROLE mallory; SELECT sum(evil.in_worker(i)), count(dbm.current_tenant(k)) FROM evil.wide");
	is("$error $out", ' 200010000|0', 'who became mallory is mallory in every worker');
	# The worker of a plan made under SET ROLE, and a job, are those of who was then acting.
	my $plan = plan_of((dba(q{SET ROLE mallory; SELECT dbm.migration_plan('ALTER TABLE evil.narrow ADD COLUMN y int NOT NULL DEFAULT evil.volatile_default()')}))[1]);
	gained();
	dba("CALL dbm.apply($plan)");
	gains_nothing('a plan made under SET ROLE runs as that role');
	ok($struck, 'though it ran her default');
	$plan = plan_of(mallory(q{SELECT dbm.migration_plan('ALTER TABLE evil.narrow ADD COLUMN z int NOT NULL DEFAULT evil.volatile_default()')}));
	gained();
	dba("SELECT dbm.apply_in_background($plan)");
	wait_until($node, 'shop', "SELECT status IN ('done', 'failed') FROM dbm.plan_status($plan)");
	gains_nothing('nor does a superuser lend his rights who has it applied in the background');
	ok($struck, 'where it ran her default');
	# What she ran is planned again when the workload is asked for: functions that the planner calls are called as her.
	mallory(q{SELECT count(*) FROM evil.wide WHERE i = evil.same(7, 'constant of a captured query'); SELECT count(*) FROM evil.wide WHERE k = evil.same(2, 'again') AND i = 3});
	gained();
	dba(q{SELECT 1 FROM dbm.advise_workload()});
	gains_nothing('queries of hers are planned as her');
	sql(q{SELECT count(*) FROM evil.wide WHERE i = evil.same(7, 'constant')});
	control('who plans her query as himself');
};

subtest 'CVE-2023-22847: rows past policies' => sub {
	sql(<<'SQL');
CREATE SCHEMA his; GRANT USAGE ON SCHEMA his TO app;
CREATE TABLE his.secrets (id int PRIMARY KEY, owner text NOT NULL, secret text);
INSERT INTO his.secrets SELECT i, CASE WHEN i % 2 = 0 THEN 'app' ELSE 'him' END, 'secret of ' || i FROM generate_series(1, 50) i;
ALTER TABLE his.secrets ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON his.secrets USING (owner = current_user);
GRANT SELECT, UPDATE ON his.secrets TO app;
SELECT dbm.install_audit_trigger('his.secrets'); UPDATE his.secrets SET secret = 'new ' || secret; ANALYZE his.secrets;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO app; GRANT pg_monitor TO app;
SQL
	my ($out) = as('app', 'SELECT count(*), count(*) FILTER (WHERE owner <> $$app$$) FROM his.secrets');
	is($out, '25|0', 'who asks himself sees his own');
	like(sql(q{SELECT string_agg(histogram_bounds::text, ' ') FROM pg_stats WHERE tablename = 'secrets'}), qr/secret of 1\b/, 'a naive victim: whoever looks at the statistics past policies sees all');
	for my $query (q{dbm.changes('his.secrets') t}, 'dbm.changes() t', q{dbm.as_of('his.secrets', now() - interval '1 second') t}, q{dbm.as_of('his.secrets', now()) t}, q{dbm.rows_as_of(NULL::his.secrets, now()) t}, q{dbm.row_history('his.secrets', '{"id": 1}') t},
		q{dbm.audit() t}, q{dbm.advise('SELECT * FROM his.secrets WHERE secret = $$x$$') t}, q{dbm.missing_indexes() t}, q{dbm.captured_queries() t}, q{dbm.what_if_explain('SELECT * FROM his.secrets WHERE id = 1', '{CREATE INDEX ON his.secrets (secret)}') t},
		q{dbm.why_no_index('SELECT * FROM his.secrets WHERE secret = $$x$$') t}, q{dbm.verify_audit_log() t}, q{dbm.tenant_leak_test('{his.secrets}', 'owner') t}, q{dbm_trail.change t}, q{dbm_trail.redaction t})
	{
		my ($seen, $error) = as('app', "SELECT t::text FROM $query");
		none([ grep { /secret of (\d+)/ && $1 % 2 } split /\n/, "$seen\n$error" ], "none of another's rows by $query");
	}
	($out, my $error) = as('app', q{SELECT dbm.revert_plan('his.secrets', '{"id": 1}', now() - interval '1 second')});
	unlike("$out$error", qr/secret of 1\b/, 'nor by a plan');
	is(sql(q{SELECT count(*) FROM dbm.plan_step WHERE array_to_string(sql, ' ') LIKE '%secret of 1%' AND plan IN (SELECT plan FROM dbm.plan WHERE created_by = 'app')}), 0, 'that holds them');
	cmp_ok(sql(q{SELECT count(*) FROM dbm.changes('his.secrets') WHERE old::text LIKE '%secret of 1"%'}), '>', 0, 'a superuser is told of them');
	sql(q{REVOKE pg_monitor FROM app; REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA dbm FROM app; SELECT dbm.remove_audit_trigger('his.secrets'); DROP SCHEMA his CASCADE});
};

subtest 'CVE-2026-105616: secrets where everybody reads' => sub {
	sql(q{CREATE TABLE public.hashed (id int PRIMARY KEY, card text); SELECT dbm.install_audit_trigger('public.hashed', redact => '{card}'); INSERT INTO public.hashed VALUES (1, '4111111111111111')});
	my ($key) = (sql(q{SELECT string_agg(to_jsonb(r)::text, ' ') FROM dbm_trail.redaction r}) // '') =~ /([0-9a-f]{32,})/;
	ok($key, 'the log has a key');
	$key //= 'no key';
	for my $place ('SELECT string_agg(name || setting, $$ $$) FROM pg_settings', 'SELECT string_agg(setconfig::text, $$ $$) FROM pg_db_role_setting', 'SELECT string_agg(coalesce(tgargs::text, $$$$), $$ $$) FROM pg_trigger', 'SELECT string_agg(coalesce(proconfig::text, $$$$) || coalesce(prosrc, $$$$), $$ $$) FROM pg_proc',
		'SELECT string_agg(description, $$ $$) FROM pg_description', 'SELECT string_agg(query, $$ $$) FROM pg_stat_activity')
	{
		my ($seen) = as('mallory', $place);
		is(index($seen // '', $key), -1, "it is not in: $place");
	}
	like((as('mallory', 'SELECT * FROM dbm_trail.redaction'))[1], qr/permission denied/, 'nor may others read the table');
	is(sql(q{SELECT count(*) FROM dbm_trail.change WHERE new::text LIKE '%4111111%'}), 0, 'and what is hidden by it is hidden');
	is(sql(q{SELECT count(*) FROM dbm_trail.change WHERE new->>'card' LIKE '%' || encode(sha256('4111111111111111'), 'hex') || '%' OR new->>'card' LIKE '%' || md5('4111111111111111') || '%'}), 0, 'by more than a hash that can be guessed');
	sql(q{SELECT dbm.remove_audit_trigger('public.hashed'); DROP TABLE public.hashed});
};

# --- Text that becomes code, text without end

subtest 'CVE-2026-6637: arguments of a trigger' => sub {
	my $number = 0;
	for my $argument (q{v; SELECT evil.strike('argument'); --}, q{v" || evil.strike('argument') || "}, q{v' || evil.strike('argument') || '}, q{%s}, q{evil.strike('x')}, 'v' x 100)
	{
		$number++;
		mallory("CREATE TABLE evil.triggered_$number (id int, v bigint, u timestamptz)");
		for my $arguments (literal($argument) . ", 'u'", "'v', " . literal($argument), literal($argument) . ', ' . literal($argument), literal($argument))
		{
			mallory("CREATE OR REPLACE TRIGGER lure BEFORE INSERT OR UPDATE ON evil.triggered_$number FOR EACH ROW EXECUTE FUNCTION dbm.row_version($arguments)");
			my $error = dba("INSERT INTO evil.triggered_$number VALUES (1, 1)");
			like($error, qr/ERROR:  (?:dbm\.row_version\(\) takes|table "triggered_\d" has no column)/, "an argument is a name: $arguments");
		}
		my ($out, $said) = as('mallory', "CREATE TRIGGER log AFTER INSERT ON evil.triggered_$number FOR EACH ROW EXECUTE FUNCTION dbm.write_audit_trail(" . literal($argument) . ')');
		like($said, qr/ERROR/, 'and the writer of the trail is nobody\'s trigger');
	}
	gains_nothing('whatever the arguments say');
	mallory(q{CREATE FUNCTION evil.naive() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT ' || TG_ARGV[0]; RETURN NEW; END $$; CREATE TABLE evil.naive (a int);
		CREATE TRIGGER naive BEFORE INSERT ON evil.naive FOR EACH ROW EXECUTE FUNCTION evil.naive('evil.strike($$x$$)')});
	dba('INSERT INTO evil.naive VALUES (1)');
	control('whose trigger runs its argument');
};

subtest 'CVE-2026-6473: depth and size' => sub {
	my $from = -s $node->logfile;
	my %texts = (
		'parentheses' => q{'SELECT ' || repeat('(', %1$d) || '1' || repeat(')', %1$d)}, 'lists' => q{'SELECT ARRAY' || repeat('[', %1$d) || '1' || repeat(']', %1$d)}, 'negations' => q{'SELECT ' || repeat('NOT ', %1$d) || 'true'},
		'subqueries' => q{repeat('SELECT (', %1$d) || 'SELECT 1' || repeat(')', %1$d)}, 'unions' => q{'SELECT 1' || repeat(' UNION SELECT 1', %1$d)}, 'conditions' => q{'SELECT 1 WHERE 1 = 1' || repeat(' OR 1 = 2', %1$d)},
		'functions' => q{'SELECT ' || repeat('abs(', %1$d) || '1' || repeat(')', %1$d)}, 'cases' => q{'SELECT ' || repeat('CASE WHEN true THEN ', %1$d) || '1' || repeat(' END', %1$d)}, 'columns' => q{'CREATE TABLE t (a int' || repeat(', b int', %1$d) || ')'},
		'minuses' => q{'SELECT ' || repeat('- ', %1$d) || '1'}, 'statements' => q{repeat('SELECT 1;', %1$d)}, 'comments' => q{repeat('/*', %1$d) || repeat('*/', %1$d)}, 'quotes' => q{'SELECT ' || repeat('''', %1$d)},
		'joins' => q{'SELECT 1 FROM pg_class' || repeat(', LATERAL (SELECT 1', %1$d) || repeat(') x', %1$d)}, 'types' => q{'CREATE TABLE t (a int' || repeat('[]', %1$d) || ')'},
		'alterations' => q{'ALTER TABLE lures.watched ' || repeat('ADD CHECK (n > 0), ', %1$d) || 'ADD CHECK (n > 1)'}, 'expressions' => q{'ALTER TABLE lures.watched ADD CHECK (' || repeat('(', %1$d) || 'n' || repeat(' + 1)', %1$d) || ' > 0)'},
	);
	my %calls = (
		'lint' => 'SELECT count(*) FROM dbm.lint_migration(%s)', 'lint of MySQL' => q{SELECT count(*) FROM dbm.lint_migration(%s, 'mysql')}, 'lint of SQLite' => q{SELECT count(*) FROM dbm.lint_migration(%s, 'sqlite')},
		'explain' => 'SELECT count(*) FROM dbm.explain_ddl(%s)', 'advise' => 'SELECT count(*) FROM dbm.advise(%s)', 'why' => 'SELECT count(*) FROM dbm.why_no_index(%s)', 'plan' => 'SELECT dbm.migration_plan(%s)', 'what if' => q{SELECT count(*) FROM dbm.what_if(%s, '{}')},
	);
	for my $call (sort keys %calls)
	{
		my @fell;
		for my $depth (200, 5_000)
		{
			# One session for all: whatever fails, the next goes on.
			# dbm.migration_plan() of thousands of changes in one statement takes minutes and hears no cancel.
			my @texts = grep { $depth < 1000 || $call ne 'plan' || $_ ne 'alterations' } sort keys %texts;
			my $all = join "\n", "SET statement_timeout = '300ms';", map { "\\echo at $_\n" . sprintf($calls{$call}, sprintf $texts{$_}, $depth) . ';' } @texts;
			my ($out, $error) = as('mallory', $all);
			next if $error !~ /server closed the connection|connection to server was lost|terminating connection/;
			push @fell, $depth . ' ' . (($out =~ /at (.*)$/mg)[-1] // '?');
			$node->poll_query_until('shop', 'SELECT true');
		}
		none(\@fell, "$call: the server stands, whatever the depth");
	}
	for my $call (q{SELECT count(*) FROM dbm.row_history('lures.watched', (repeat('[', 5000) || repeat(']', 5000))::jsonb)}, q{SELECT dbm.tenancy_plan('{lures.watched}', source => (repeat('{"a":', 3000) || '1' || repeat('}', 3000))::jsonb)},
		q{SELECT 1 FROM dbm.verify_audit_log((repeat('[', 5000) || repeat(']', 5000))::jsonb)}, q{SELECT dbm.set_context(repeat('k', 10000000), repeat('v', 10000000))}, q{SELECT count(*) FROM dbm.partition_boundaries('1 day', 'timestamptz', '-infinity', 'infinity')},
		q{SELECT count(*) FROM dbm.partition_boundaries('1 microsecond', 'timestamptz', '4713-01-01 BC', '294276-01-01')}, q{SELECT dbm.suppress(repeat('x', 10000000), repeat('y', 10000000), 'z')}, q{SELECT count(*) FROM dbm.who_can(repeat('"a".', 100000))},
		q{SELECT count(*) FROM dbm.what_if('SELECT 1 FROM lures.watched', (SELECT array_agg('CREATE INDEX ON lures.watched (n)') FROM generate_series(1, 5000)))}, q{SELECT dbm.backfill_pause(9223372036854775807)}, q{SELECT * FROM dbm.plan_status(-9223372036854775808)})
	{
		my (undef, $error) = as('mallory', "SET statement_timeout = '2s'; $call");
		unlike($error, qr/server closed the connection|connection to server was lost|panicked|attempt to \w+ with overflow/, substr($call, 0, 120));
	}
	my $log = slurp_file($node->logfile, $from);
	none([ $log =~ /(.*(?:terminated by signal|PANIC|panicked at).*)/g ], 'nobody fell');
};

$node->stop;
done_testing();
