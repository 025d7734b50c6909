# Who the log says it was: the client's address, and every kind of role under every search_path, of which nothing is called.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('who');
my @roles = qw(owner writer bunch member everywhere unbound);
$node->init(extra => utf8_locale(), auth_extra => [ map { ('--create-role', $_) } @roles ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nlisten_addresses = '127.0.0.1'");
$node->start;

sub sql { return $node->safe_psql('postgres', @_) }
my $superuser = sql('SELECT current_user');

sql(<<'SQL');
CREATE EXTENSION dbmastery;
CREATE ROLE owner LOGIN; CREATE ROLE writer LOGIN; CREATE ROLE bunch NOLOGIN;
CREATE ROLE member LOGIN NOINHERIT; GRANT bunch TO member;
CREATE ROLE everywhere LOGIN; GRANT pg_write_all_data TO everywhere;
CREATE ROLE unbound LOGIN BYPASSRLS;
CREATE SCHEMA shop AUTHORIZATION owner;
SET ROLE owner;
CREATE TABLE shop.orders (id int PRIMARY KEY, label text, at timestamptz DEFAULT '2026-01-01 00:00:00+00', doc jsonb DEFAULT '{"a": 1.50}', hidden text DEFAULT 'hidden');
CREATE TABLE shop.parts (id int, k int, label text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE shop.parts_1 PARTITION OF shop.parts FOR VALUES FROM (0) TO (1000000);
ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY; ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON shop.orders USING (true) WITH CHECK (true);
RESET ROLE;
SELECT dbm.install_audit_trigger('shop.orders', redact => '{hidden}', query => true), dbm.install_audit_trigger('shop.parts');
GRANT USAGE ON SCHEMA shop TO PUBLIC;
GRANT INSERT ON shop.orders, shop.parts TO writer, bunch, unbound;
SQL

# --- From where

{
	my $ask = q{BEGIN; INSERT INTO shop.orders (id) VALUES (%d); SELECT host(inet_client_addr()) || ' ' || inet_client_port(); COMMIT};
	my $logged = q{SELECT host(client_address) || ' ' || client_port FROM dbm_trail.change c JOIN dbm_trail.activity USING (activity_id) WHERE c.key = '{"id": %d}'};
	my @psql = ('psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1');
	for my $id (1, 2)
	{
		my ($out, $error) = run_command([ @psql, '-c', sprintf($ask, $id), '-d', 'host=127.0.0.1 port=' . $node->port . ' dbname=postgres' ]);
		like($out, qr/^127\.0\.0\.1 \d+$/, "connection $id comes by TCP") or diag $error;
		is(sql(sprintf $logged, $id), $out, 'and its address and port are in the log');
	}
	is(sql(q{SELECT count(DISTINCT client_port) FROM dbm_trail.activity}), 2, 'each its own');
	sql('INSERT INTO shop.orders (id) VALUES (3)');
	is(sql(q{SELECT client_address IS NULL AND client_port IS NULL AND a.process_id > 0 FROM dbm_trail.change c JOIN dbm_trail.activity a USING (activity_id) WHERE c.key = '{"id": 3}'}), 't', 'a socket of the machine has none');
}

# --- Whatever the role, whatever the path

sql(<<'SQL');
CREATE TABLE public.caught (who text, what text); GRANT INSERT ON public.caught TO PUBLIC;
GRANT CREATE ON DATABASE postgres TO PUBLIC;
CREATE FUNCTION public.poison(place text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	name text; arguments text; result text; value text;
BEGIN
	FOR name, arguments, result, value IN SELECT * FROM (VALUES
		('to_jsonb', 'anyelement', 'jsonb', '''{}'''), ('nextval', 'regclass', 'bigint', '1'), ('now', '', 'timestamptz', 'NULL'), ('clock_timestamp', '', 'timestamptz', 'NULL'),
		('transaction_timestamp', '', 'timestamptz', 'NULL'), ('pg_current_xact_id', '', 'xid8', '''3'''), ('pg_backend_pid', '', 'int', '1'), ('inet_client_addr', '', 'inet', '''1.1.1.1'''),
		('jsonb_hash_extended', 'jsonb, bigint', 'bigint', '1'), ('jsonb_build_object', 'text, text', 'jsonb', '''{}'''), ('jsonb_out', 'jsonb', 'text', '''x'''), ('timestamptz_out', 'timestamptz', 'text', '''x'''),
		('format', 'text, text, text', 'text', '''x'''), ('quote_ident', 'text', 'text', '''x'''), ('sha256', 'bytea', 'bytea', '''x'''), ('pg_partition_ancestors', 'regclass', 'regclass', 'NULL'),
		('write_audit_trail', '', 'int', '1'), ('timezone', 'text, timestamptz', 'timestamp', 'NULL')) v
	LOOP
		EXECUTE format('CREATE FUNCTION %I.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', place, name, arguments, result,
			format('BEGIN INSERT INTO public.caught VALUES (current_user, %L); RETURN %s; END', name, value));
	END LOOP;
	FOR name, arguments, value IN SELECT * FROM (VALUES ('=', 'oid', 'oid'), ('=', 'int', 'int'), ('=', 'text', 'text'), ('=', 'name', 'text'), ('=', 'oid', 'regclass'), ('<>', 'text', 'text'), ('||', 'text', 'text'),
		('||', 'jsonb', 'jsonb'), ('->', 'jsonb', 'text'), ('->>', 'jsonb', 'text'), ('<', 'int', 'int'), ('=', 'timestamptz', 'timestamptz'), ('=', 'jsonb', 'jsonb')) v
	LOOP
		EXECUTE format('CREATE FUNCTION %I.%I(%s, %s) RETURNS boolean LANGUAGE plpgsql AS %L', place, 'op_' || md5(name || arguments || value), arguments, value,
			format('BEGIN INSERT INTO public.caught VALUES (current_user, %L); RETURN true; END', name));
		EXECUTE format('CREATE OPERATOR %I.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = %I.%I)', place, name, arguments, value, place, 'op_' || md5(name || arguments || value));
	END LOOP;
	FOR name IN SELECT unnest('{text,jsonb,int8,inet,bytea,timestamptz,regclass,oid}'::text[]) LOOP
		EXECUTE format('CREATE DOMAIN %I.%I AS pg_catalog.text CHECK (false)', place, name);
	END LOOP;
	FOR name IN SELECT unnest('{relation,shape,activity,change,event,redaction,pg_class,pg_namespace,pg_trigger,pg_attribute,pg_authid,audit_schema}'::text[]) LOOP
		EXECUTE format('CREATE %s TABLE %I.%I (a int, activity_id text, relation_id text, relid text)', CASE place WHEN 'pg_temp' THEN 'TEMP' ELSE '' END, place, name);
	END LOOP;
	IF place <> 'pg_temp' THEN
		EXECUTE format('CREATE SEQUENCE %I.change_id', place);
		EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', place);
	END IF;
END $$;
SQL
# Of whoever could lay a trap, and one in each role's own schema.
sql("CREATE SCHEMA evil AUTHORIZATION writer; SET ROLE writer; SELECT public.poison('evil')");
sql("CREATE SCHEMA $_ AUTHORIZATION $_; SELECT public.poison('$_')") for grep { $_ ne 'bunch' } @roles;
sql("CREATE SCHEMA IF NOT EXISTS \"$superuser\"; SELECT public.poison('$superuser')");
sql(<<'SQL');
SET ROLE owner;
CREATE FUNCTION shop.add_order(int) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = evil, pg_temp, pg_catalog AS 'INSERT INTO shop.orders (id, label) VALUES ($1, ''l'')';
CREATE FUNCTION shop.add_part(int) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = evil, pg_temp, pg_catalog AS 'INSERT INTO shop.parts VALUES ($1, 1, ''l'')';
GRANT EXECUTE ON FUNCTION shop.add_order(int), shop.add_part(int) TO writer;
SQL
cmp_ok(sql(q{SET search_path = evil, pg_catalog; SELECT now(); SELECT pg_catalog.count(*) FROM public.caught}) =~ s/\s//gr, '>', 0, 'the traps would be called');
sql('TRUNCATE public.caught');

# Who logs in, what comes first, the rights in force, as whom.
my @who = (
	[ 'the superuser', $superuser, '', $superuser, $superuser ],
	[ "the table's owner", 'owner', '', 'owner', 'owner' ],
	[ 'who may only insert', 'writer', '', 'writer', 'writer' ],
	[ 'a member that does not inherit', 'member', 'SET ROLE bunch;', 'bunch', 'bunch' ],
	[ 'a member of pg_write_all_data', 'everywhere', '', 'everywhere', 'everywhere' ],
	[ 'who bypasses row security', 'unbound', '', 'unbound', 'unbound' ],
	[ "a function with its owner's rights and its own path", 'writer', '', 'owner', 'writer', 1 ],
);
my %paths = (
	'evil first' => 'SET search_path = evil, pg_catalog;',
	'pg_temp first' => q{SELECT public.poison('pg_temp'); SET search_path = pg_temp, pg_catalog;},
	'nothing' => q{SET search_path = '';},
	'$user' => q{SET search_path = "$user", evil, pg_catalog;},
);
my $id = 1000;
for my $who (@who)
{
	my ($name, $login, $before, $current, $outer, $is_function) = @$who;
	for my $path (sort keys %paths)
	{
		# As after a restore, too: the table is looked up by its name, and that is written down.
		for my $home ('here', 'elsewhere')
		{
			$id++;
			sql(q{UPDATE dbm_trail.relation SET home = 'elsewhere'}) if $home eq 'elsewhere';
			my $event = sql('SELECT max(event_id) FROM dbm_trail.event');
			my $poison = $path eq 'pg_temp first' ? q{SET client_min_messages = error; } : '';
			my $inserts = $is_function ? "SELECT shop.add_order($id); SELECT shop.add_part($id)" : "INSERT INTO shop.orders (id, label) VALUES ($id, 'l'); INSERT INTO shop.parts VALUES ($id, 1, 'l')";
			my ($code, $out, $error) = $node->psql('postgres', "$poison$paths{$path} $before\n$inserts;\n", extra_params => [ '-U', $login ]);
			is($error, '', "$name, $path, $home: runs");
			is(sql(<<"SQL"), <<"ROWS" =~ s/\n\z//r, "$name, $path, $home: the truth");
SELECT concat_ws('|', s.table_name, session_user_name, outer_user_name, current_user_name, operation, c.key, new - 'hidden', CASE WHEN new->>'hidden' <> 'hidden' THEN 'redacted' END, old, query ~ '$id', changed_at > now() - interval '1 hour')
FROM dbm_trail.change c JOIN dbm_trail.activity a USING (activity_id) JOIN dbm_trail.shape s USING (shape_id)
WHERE c.key \@> '{"id": $id}' ORDER BY change_id
SQL
orders|$login|$outer|$current|I|{"id": $id}|{"at": "2026-01-01T00:00:00+00:00", "id": $id, "doc": {"a": 1.50}, "label": "l"}|redacted|t|t
parts_1|$login|$outer|$current|I|{"k": 1, "id": $id}|{"k": 1, "id": $id, "label": "l"}|t
ROWS
			is(sql("SELECT string_agg(concat_ws(' ', kind, session_user_name, detail), ', ' ORDER BY event_id) FROM dbm_trail.event WHERE event_id > $event"),
				$home eq 'here' ? '' : join(', ', map { "adopted $login shop.$_ was found by its name" } 'orders', 'parts'), "$name, $path, $home: what became of the table");
		}
	}
}
is(sql('SELECT string_agg(DISTINCT who || $$ $$ || what, $$, $$) FROM public.caught'), '', 'and nothing of a trap was called');
is(sql(q{SELECT string_agg(DISTINCT new->>'hidden', ' ') FROM dbm_trail.change WHERE new ? 'hidden'}) =~ /^redacted:[0-9a-f]{32}$/ ? 1 : 0, 1, 'nor used: a redacted value has one hash');
is(sql(q{SELECT count(*) FROM dbm_trail.change WHERE key_hash IS DISTINCT FROM pg_catalog.jsonb_hash_extended(key, 0)}), 0, 'and rows are found by the right ones');

done_testing();
