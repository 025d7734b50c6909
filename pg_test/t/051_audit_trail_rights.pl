# Whoever may only write rows can neither read, change nor silence the log, nor run anything as somebody else by way of it,
# nor pass for another; and names of any kind are names.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('rights');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'writer', '--create-role', 'owner', '--create-role', 'maker' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16");
$node->start;

sub sql { return $node->safe_psql('postgres', @_) }

# What a role is told.
sub told
{
	my ($role, $statement) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statement", extra_params => [ '-U', $role ]);
	return "$1" if $err =~ /ERROR:  (\w{5}): /;
	return $out;
}

sql(<<'SQL');
CREATE ROLE writer LOGIN; CREATE ROLE owner LOGIN; CREATE ROLE maker LOGIN;
GRANT CREATE ON DATABASE postgres TO maker, writer;
CREATE EXTENSION dbmastery;
GRANT USAGE ON SCHEMA dbm TO owner, writer, maker;
SQL

# --- Nobody makes the log beforehand

sql('CREATE TABLE public.taken (who text); GRANT INSERT ON public.taken TO PUBLIC');
told('maker', <<'SQL');
CREATE SCHEMA dbm_trail;
CREATE FUNCTION dbm_trail.take() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.taken VALUES (current_user); RETURN NEW; END';
CREATE TABLE dbm_trail.relation (relation_id int, relid oid, schema_name text, table_name text, installed_at timestamptz, removed_at timestamptz, mode text, level text, store text, settings jsonb, home text);
CREATE TRIGGER take BEFORE INSERT OR UPDATE ON dbm_trail.relation FOR EACH STATEMENT EXECUTE FUNCTION dbm_trail.take();
GRANT ALL ON SCHEMA dbm_trail TO PUBLIC; GRANT ALL ON dbm_trail.relation TO PUBLIC;
SQL
sql('CREATE TABLE first (id int)');
told('maker', 'CREATE TABLE dbm_trail.x (a int)');
my ($code, $out, $err) = $node->psql('postgres', "SELECT dbm.install_audit_trigger('first')");
like($err, qr/schema dbm_trail exists and is not the log|not as dbmastery made it/, 'a schema of somebody else is not taken for the log');
is(sql('SELECT count(*) FROM dbm.audit_triggers()'), 0, 'nor read');
is(sql('SELECT count(*) FROM public.taken'), 0, 'and nothing of it was run with the rights of another');
sql('DROP SCHEMA dbm_trail CASCADE');

# --- Privileges by default open no table of the log

sql(q{ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO writer; CREATE TABLE public.opened (id int PRIMARY KEY)});
sql(q{SELECT dbm.install_audit_trigger('public.opened'); SELECT count(*) FROM dbm.seal_audit_log()});
is(sql(q{SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'dbm_trail'::regnamespace AND relkind IN ('r', 'p')
	AND has_table_privilege('writer', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')}), '', 'privileges by default open no table of the log');
sql(q{ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM writer; SELECT dbm.remove_audit_trigger('public.opened'); DROP TABLE public.opened});

sql(<<'SQL');
CREATE SCHEMA shop AUTHORIZATION owner;
SET ROLE owner;
CREATE TABLE shop.orders (id int PRIMARY KEY, label text, amount numeric, at timestamptz, f float8, arr text[]);
CREATE TABLE shop.parts (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE shop.parts_1 PARTITION OF shop.parts FOR VALUES IN (1);
RESET ROLE;
SELECT dbm.install_audit_trigger('shop.orders'), dbm.install_audit_trigger('shop.parts');
GRANT USAGE ON SCHEMA shop TO writer;
GRANT INSERT ON shop.orders, shop.parts TO writer;
SQL

# --- Rights

for my $what ("dbm.install_audit_trigger('shop.orders')", "dbm.remove_audit_trigger('shop.orders')", "dbm.set_context('user', 'boss')",
	"dbm.install_audit_triggers('{shop}')", 'dbm.audit_triggers()', 'dbm.write_audit_trail()')
{
	is(told('writer', "SELECT $what"), '42501', "no right on $what");
}
sql('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbm TO maker');
for my $what ("dbm.install_audit_trigger('shop.orders')", "dbm.remove_audit_trigger('shop.orders')", "dbm.install_audit_triggers('{shop}')")
{
	is(told('maker', "SELECT $what"), '42501', "with it only on one's own: $what");
}
is(told('maker', 'SELECT dbm.write_audit_trail()'), '39P01', 'a trigger function is none to call');
told('maker', 'CREATE SCHEMA mine; CREATE TABLE mine.t (a int PRIMARY KEY)');
is(told('maker', 'CREATE TRIGGER x AFTER INSERT ON mine.t FOR EACH ROW EXECUTE FUNCTION dbm.write_audit_trail()'), '42501', 'nobody else makes a trigger of it, whatever rights he has on it');
sql('CREATE TRIGGER x AFTER INSERT ON mine.t FOR EACH ROW EXECUTE FUNCTION dbm.write_audit_trail()');
is(told('maker', 'INSERT INTO mine.t VALUES (1)'), '55000', 'one that a superuser makes by hand writes nothing');
# Every relation of the log, whatever is done to it; also where somebody opened the schema.
sql('SELECT count(*) FROM dbm.seal_audit_log(); CREATE ROLE visitor LOGIN; GRANT USAGE ON SCHEMA dbm_trail TO visitor; GRANT USAGE ON SCHEMA dbm, shop TO visitor; GRANT INSERT ON shop.orders TO visitor; GRANT EXECUTE ON FUNCTION dbm.write_audit_trail() TO visitor; CREATE SCHEMA lair; GRANT ALL ON SCHEMA lair TO writer, visitor');
told($_, "CREATE TABLE lair.of_$_ (a int); CREATE FUNCTION lair.by_$_() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'") for 'writer', 'visitor';
my @log = split /\n/, sql(q{SELECT relkind::text || ' ' || oid::regclass::text FROM pg_class WHERE relnamespace = 'dbm_trail'::regnamespace AND relkind IN ('r', 'p', 'S') ORDER BY 1});
is(join(' ', map { s/_\d{4}_\d\d\z/_month/r } @log), 'S dbm_trail.change_id S dbm_trail.event_id S dbm_trail.relation_id S dbm_trail.shape_id p dbm_trail.activity p dbm_trail.change r dbm_trail.activity_month r dbm_trail.activity_month r dbm_trail.activity_default '
	. 'r dbm_trail.change_month r dbm_trail.change_month r dbm_trail.change_default r dbm_trail.event r dbm_trail.redaction r dbm_trail.relation r dbm_trail.seal r dbm_trail.shape', 'all of the log');
my $whole = q{SELECT md5(string_agg(x, ' ' ORDER BY x)) FROM (SELECT c.oid::text || c.relname || c.relowner || coalesce(c.relacl::text, '') || c.relhastriggers || c.relhasrules || c.relrowsecurity || c.relnatts || c.relfilenode AS x FROM pg_class c
	WHERE c.relnamespace = 'dbm_trail'::regnamespace UNION ALL SELECT md5(r::text) FROM dbm_trail.relation r UNION ALL SELECT md5(e::text) FROM dbm_trail.event e UNION ALL SELECT md5(c::text) FROM dbm_trail.change c) w};
my $before_them = sql($whole);
my $superuser = sql('SELECT quote_ident(current_user)');
for my $role ('writer', 'visitor')
{
	for my $relation (@log)
	{
		my ($kind, $name) = split / /, $relation;
		my ($short) = $name =~ /\.(\w+)/;
		my @tries = $kind eq 'S'
			? ("SELECT nextval('$name')", "SELECT setval('$name', 1)", "SELECT last_value FROM $name", "ALTER SEQUENCE $name RESTART", "ALTER SEQUENCE $name OWNER TO $role", "DROP SEQUENCE $name", "ALTER SEQUENCE $name SET SCHEMA lair")
			: ("SELECT count(*) FROM $name", "INSERT INTO $name DEFAULT VALUES", "UPDATE $name SET " . { relation => 'mode', shape => 'key', activity => 'context', change => 'key', event => 'detail', redaction => 'secret', seal => 'until' }->{ $short =~ s/_.*//r } . ' = NULL', "DELETE FROM $name", "TRUNCATE $name",
				"COPY $name FROM STDIN;\n\\.\n", "COPY $name TO STDOUT", "MERGE INTO $name USING lair.of_$role ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES", "BEGIN; LOCK TABLE $name IN ACCESS SHARE MODE", "ROLLBACK; SELECT * FROM $name FOR UPDATE",
				"ALTER TABLE $name ADD COLUMN x int", "ALTER TABLE $name DISABLE TRIGGER ALL", "ALTER TABLE $name ENABLE ROW LEVEL SECURITY", "ALTER TABLE $name OWNER TO $role", "ALTER TABLE $name RENAME TO mine", "ALTER TABLE $name SET SCHEMA lair",
				"ALTER TABLE $name SET UNLOGGED", "ALTER TABLE lair.of_$role INHERIT $name", $short =~ /^(activity|change)/ ? () : "CREATE TABLE lair.child_$role () INHERITS ($name)", "CREATE TABLE lair.part_$role PARTITION OF $name DEFAULT", "DROP TABLE $name", "CREATE INDEX ON $name ((1))",
				"CREATE TRIGGER t BEFORE INSERT ON $name FOR EACH ROW EXECUTE FUNCTION lair.by_$role()", "CREATE RULE r AS ON INSERT TO $name DO INSTEAD NOTHING", "CREATE POLICY p ON $name USING (false)",
				"GRANT ALL ON $name TO $role", "COMMENT ON TABLE $name IS 'mine'", "CREATE TABLE lair.copy_$role AS SELECT * FROM $name", "CREATE MATERIALIZED VIEW lair.seen_$role AS SELECT * FROM $name",
				"REINDEX TABLE $name", "CREATE PUBLICATION p FOR TABLE $name");
		my $script = join '', map { "$_" . (/\.\n\z/ ? '' : ";\n") . "\\echo :SQLSTATE\n" } @tries;
		my ($code, $out, $error) = $node->psql('postgres', $script, extra_params => [ '-U', $role ], on_error_stop => 0);
		my @states = split /\n/, $out;
		my @let = map { $states[$_] eq '42501' ? () : "$tries[$_]: $states[$_]" } 0 .. $#tries;
		is(join("\n", @let), '', "$role and $short: everything is refused");
	}
	for my $statement ('CREATE TABLE dbm_trail.mine (a int)', 'CREATE FUNCTION dbm_trail.f() RETURNS int LANGUAGE sql AS $$SELECT 1$$', 'ALTER SCHEMA dbm_trail RENAME TO mine_too', 'DROP SCHEMA dbm_trail CASCADE', 'CREATE SEQUENCE dbm_trail.mine', 'ALTER DEFAULT PRIVILEGES FOR ROLE ' . $superuser . ' IN SCHEMA dbm_trail GRANT ALL ON TABLES TO PUBLIC')
	{
		is(told($role, $statement), '42501', "$role: $statement");
	}
}
is(sql($whole), $before_them, 'and nothing of it is another');
is(sql(q{SELECT count(*) FROM dbm.verify_audit_log()}), 0, 'by the seals neither');
is(told('owner', 'SELECT count(*) FROM dbm_trail.change'), '42501', "nor the table's owner");

# --- Silencing

for my $statement ('ALTER TABLE shop.orders DISABLE TRIGGER ALL', 'DROP TRIGGER "00_dbm_audit_insert" ON shop.orders', 'SET session_replication_role = replica',
	'ALTER EVENT TRIGGER dbmastery_audit_trail DISABLE', 'DROP FUNCTION dbm.write_audit_trail() CASCADE', 'DROP EXTENSION dbmastery CASCADE')
{
	is(told('writer', $statement), '42501', "writer: $statement");
}
sql("INSERT INTO shop.orders VALUES (0, 'base')");

# --- Hijack: whatever the writer puts before everything else is not called

sql('CREATE TABLE public.caught (who text, what text); GRANT INSERT, SELECT ON public.caught TO PUBLIC; GRANT CREATE ON SCHEMA public TO writer');
told('writer', <<'SQL');
CREATE SCHEMA evil;
CREATE FUNCTION evil.caught(what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.caught VALUES (current_user, what); END $$;
CREATE FUNCTION evil.to_jsonb(anyelement) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.caught('to_jsonb'); RETURN '{}'; END $$;
CREATE FUNCTION evil.nextval(regclass) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.caught('nextval'); RETURN 1; END $$;
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.caught('now'); RETURN NULL; END $$;
CREATE FUNCTION evil.jsonb_hash_extended(jsonb, bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.caught('hash'); RETURN 1; END $$;
CREATE FUNCTION evil.eq(int, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.caught('='); RETURN true; END $$;
CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.eq);
CREATE TYPE evil.pair AS (a int, b text);
CREATE FUNCTION evil.pair_json(evil.pair) RETURNS json LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.caught('cast'); RETURN '{}'; END $$;
CREATE CAST (evil.pair AS json) WITH FUNCTION evil.pair_json(evil.pair);
CREATE DOMAIN evil.text AS text;
CREATE TABLE evil.relation (relation_id int, relid oid);
CREATE TABLE evil.change (a int);
SQL
told('writer', 'SET search_path = evil, pg_catalog; INSERT INTO shop.orders VALUES (1, $$a$$, 1, pg_catalog.now(), 0.1, $${a}$$); INSERT INTO shop.parts VALUES (1, 1, $$a$$)');
is(sql('SELECT count(*) FROM public.caught'), 0, 'nothing of the writer was called');
is(sql("SELECT string_agg(format('%s %s %s', session_user_name, operation, c.key), ', ' ORDER BY change_id) FROM dbm_trail.change c JOIN dbm_trail.activity USING (activity_id) WHERE session_user_name = 'writer'"),
	'writer I {"id": 1}, writer I {"k": 1, "id": 1}', 'and both rows are in the log, under its name');
# Its own type in a watched table: no cast of it is used.
sql('CREATE TABLE public.typed (id int PRIMARY KEY, p evil.pair); SELECT dbm.install_audit_trigger(\'public.typed\'); GRANT INSERT ON public.typed TO writer');
told('writer', q{INSERT INTO public.typed VALUES (1, '(1,x)')});
is(sql(q{SELECT new FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1}), '{"p": "(1,x)", "id": 1}', 'values are written by their output functions');
is(sql('SELECT count(*) FROM public.caught'), 0, 'and by no cast');

# Nor an operator for types that pg_catalog compares by a cast, when a superuser with that schema on his path runs DDL.
told('writer', <<'SQL');
CREATE FUNCTION evil.same(oid, regclass) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.caught('oid = regclass'); RETURN false; END $$;
CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = evil.same);
CREATE FUNCTION evil.other(oid, regprocedure) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.caught('oid <> regprocedure'); RETURN false; END $$;
CREATE OPERATOR evil.<> (LEFTARG = oid, RIGHTARG = regprocedure, FUNCTION = evil.other);
SQL
sql(q{SET search_path = pg_catalog, evil; CREATE TABLE public.plain (id int PRIMARY KEY); ALTER TABLE public.plain ADD COLUMN x int;
	SELECT dbm.install_audit_trigger('public.plain'); SELECT count(*) FROM dbm.audit_triggers(); ALTER TABLE public.plain DISABLE TRIGGER ALL;
	SELECT dbm.remove_audit_trigger('public.plain'); SELECT count(*) FROM dbm.install_audit_triggers('{public}', false); DROP TABLE public.plain});
is(sql('SELECT string_agg(DISTINCT what, $$ $$) FROM public.caught'), '', 'installing and DDL call nothing of it either');
sql('SELECT dbm.remove_audit_trigger(t::regclass) FROM unnest($${public.caught}$$::text[]) t');

# --- An actor

for my $set ("SET dbm.context = '{\"user\": \"boss\"}'", "SET dbm_trail.actor = 'boss'", "SELECT set_config('dbm.user', 'boss', false)")
{
	told('writer', "$set; INSERT INTO shop.orders VALUES ((random() * 1e9)::int)");
}
is(sql(q{SELECT count(*) FROM dbm_trail.activity WHERE session_user_name = 'writer' AND (context <> '{}' OR outer_user_name <> 'writer' OR current_user_name <> 'writer')}), 0, 'no setting makes it another');

# --- Row security and rights of the log are no matter; rights change

sql('GRANT writer TO owner; ALTER TABLE dbm_trail.change ENABLE ROW LEVEL SECURITY; ALTER TABLE dbm_trail.change FORCE ROW LEVEL SECURITY');
my $before = sql('SELECT count(*) FROM dbm_trail.change');
told('owner', 'SET ROLE writer; INSERT INTO shop.orders VALUES (50)');
told('owner', 'INSERT INTO shop.orders VALUES (51)');
is(sql('SELECT count(*) FROM dbm_trail.change') - $before, 2, 'every role, whatever policies the log has');
sql('ALTER TABLE dbm_trail.change DISABLE ROW LEVEL SECURITY');

# --- Names

my $odd = q{we"ird 'table' %I $1 \ ; --};
my $column = q{co"l 'x' %s $2 \ {a,b}};
(my $quoted = $odd) =~ s/"/""/g;
(my $quoted_column = $column) =~ s/"/""/g;
my $long = 'é' x 31;
sql(qq{CREATE SCHEMA "$quoted"; CREATE TABLE "$quoted"."$quoted" ("$quoted_column" int PRIMARY KEY, "$long" text, "" text)} =~ s/, "" text//r);
sql(qq{SELECT dbm.install_audit_trigger(c.oid) FROM pg_class c WHERE relname = \$x\$$odd\$x\$ AND relkind = 'r'});
sql(qq{INSERT INTO "$quoted"."$quoted" VALUES (1, 'v')});
is(sql(qq{SELECT new = jsonb_build_object(\$x\$$column\$x\$, 1, '$long', 'v') FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1}), 't', 'odd names are names');
sql(qq{SELECT dbm.install_audit_trigger(c.oid, exclude => ARRAY['$long']) FROM pg_class c WHERE relname = \$x\$$odd\$x\$ AND relkind = 'r'});
is(sql(q{SELECT count(*) FROM dbm.audit_triggers() WHERE problem IS NOT NULL}), 0, 'nothing is wrong');
sql(qq{SELECT dbm.remove_audit_trigger(c.oid) FROM pg_class c WHERE relname = \$x\$$odd\$x\$ AND relkind = 'r'; DROP SCHEMA "$quoted" CASCADE});

# Schemas of such names that are watched as a whole, and what event triggers do there: renames, partitions, triggers put back.
for my $name ($odd, q(a,b{c}"d\\e' NULL), q($user), q(pg temp."x"), ' ', 'é' x 31, q{'; DROP TABLE shop.orders; --}, 'DBM')
{
	my $is = sub { my ($sql, @values) = @_; $sql =~ s/\?/'$x$' . shift(@values) . '$x$'/ge; return sql($sql) };
	my $quote = sub { my ($identifier) = @_; return '"' . $identifier =~ s/"/""/gr . '"' };
	my $other = substr($name, 0, 20) . '2';
	my ($s, $t, $o) = map { $quote->($_) } $name, $name, $other;
	my $events = sub { my ($from) = @_; return sql("SELECT string_agg(kind, ' ' ORDER BY event_id) FROM dbm_trail.event WHERE event_id > $from") };
	my $last = sql('SELECT max(event_id) FROM dbm_trail.event');
	sql("CREATE SCHEMA $s; CREATE TABLE $s.$t ($s int PRIMARY KEY, k int)");
	is($is->(q{SELECT count(*) FROM dbm.install_audit_triggers(ARRAY[?])}, $name), 1, "$name: watched as a whole");
	sql("CREATE TABLE $s.$o (id int, k int) PARTITION BY RANGE (k); CREATE TABLE $s.\"p\" PARTITION OF $s.$o FOR VALUES FROM (0) TO (10)");
	is($events->($last), 'installed installed', "$name: new tables as well");
	sql("INSERT INTO $s.$t VALUES (1, 1); INSERT INTO $s.$o VALUES (1, 1)");
	is($is->(q{SELECT string_agg(operation::text || c.key::text, ' ' ORDER BY change_id) FROM dbm_trail.change c JOIN dbm_trail.shape s USING (shape_id) WHERE s.schema_name = ? AND c.key = jsonb_build_object(?, 1)}, $name, $name), $is->(q{SELECT 'I' || jsonb_build_object(?, 1)::text}, $name), "$name: changes are logged");
	$last = sql('SELECT max(event_id) FROM dbm_trail.event');
	sql("ALTER TABLE $s.$t DISABLE TRIGGER ALL; DROP TRIGGER \"00_dbm_audit_row\" ON $s.$o");
	like($events->($last), qr/^restored( restored)+$/, "$name: triggers are put back");
	is(sql(q{SELECT count(*) FROM dbm.audit_triggers() WHERE problem IS NOT NULL}), 0, "$name: nothing is wrong");
	$last = sql('SELECT max(event_id) FROM dbm_trail.event');
	sql("ALTER SCHEMA $s RENAME TO $o; ALTER TABLE $o.$t RENAME TO \"t$1\"") if $t =~ /^"(.*)"$/s && length($t) < 60;
	sql("ALTER SCHEMA $s RENAME TO $o") if length($t) >= 60;
	like($events->($last), qr/^renamed renamed named( renamed)?$/, "$name: renamed");
	is($is->('SELECT count(*) FROM dbm.audit_schema WHERE schema_name = ?', $other), 1, "$name: its new name is known");
	sql("CREATE TABLE $o.p2 (id int, k int); INSERT INTO $o.p2 VALUES (12, 12)");
	$last = sql('SELECT max(event_id) FROM dbm_trail.event');
	sql("SET client_min_messages = error; ALTER TABLE $o.$o ATTACH PARTITION $o.p2 FOR VALUES FROM (10) TO (20); UPDATE $o.$o SET id = 13 WHERE k = 12; ALTER TABLE $o.$o DETACH PARTITION $o.p2");
	is($events->($last), 'attached joined detached installed', "$name: partitions come and go, and what was detached is watched on its own");
	is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, "$name: and what relation says is what events say");
	sql("SET client_min_messages = error; DROP SCHEMA $o CASCADE");
	is($is->('SELECT count(*) FROM dbm.audit_schema WHERE schema_name = ?', $other), 0, "$name: forgotten as it goes");
	is($is->('SELECT count(*) FROM dbm_trail.relation WHERE removed_at IS NULL AND schema_name IN (?, ?)', $name, $other), 0, "$name: with its tables");
}
is(sql('SELECT count(*) FROM shop.orders'), sql(q{SELECT count(*) FROM dbm.changes('shop.orders') WHERE operation = 'INSERT'}), 'and nothing else is gone');

# --- What is done to triggers is noticed

($code, $out, $err) = $node->psql('postgres', 'ALTER TABLE shop.orders DISABLE TRIGGER USER', extra_params => [ '-U', 'owner' ]);
like($err, qr/WARNING:  audit trigger 00_dbm_audit_delete on shop.orders: disabled/, 'whoever switches triggers off is told');
is(sql(q{SELECT count(*) FROM dbm_trail.event WHERE kind = 'disabled' AND session_user_name = 'owner'}) > 0 ? 1 : 0, 1, 'and written down');
like(sql(q{SELECT problem FROM dbm.audit_triggers() WHERE table_name = 'shop.orders'}), qr/^switched off or not for everybody: 00_dbm_audit_delete on shop.orders: disabled/, 'and it is listed');
sql("SELECT dbm.install_audit_trigger('shop.orders')");
is(sql(q{SELECT problem FROM dbm.audit_triggers() WHERE table_name = 'shop.orders'}), '', 'installed again it is as it was');

# --- pg_monitor may see what is watched

sql('CREATE ROLE watcher LOGIN IN ROLE pg_monitor');
is(told('watcher', "SELECT count(*) > 0 FROM dbm.audit_triggers()"), 't', 'pg_monitor sees what is watched');
is(told('watcher', 'SELECT count(*) FROM dbm_trail.change'), '42501', 'and not the rows');

done_testing();
