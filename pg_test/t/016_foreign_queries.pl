# Planning runs code. Whoever asks about other people's queries must not run that code with rights of his own, nor let it
# leave a trace, nor be stopped by it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Foreign;
use Test::More;

my ($node, $traces) = started('attacker,watcher,tenant', "shared_preload_libraries = 'pg_stat_statements'");

must('postgres', <<"SQL");
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION dbmastery;
CREATE ROLE attacker LOGIN IN ROLE pg_monitor;
CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
CREATE ROLE tenant LOGIN;
CREATE SCHEMA attacker AUTHORIZATION attacker;
CREATE TABLE public.b (id integer PRIMARY KEY, day date, name varchar(20));
INSERT INTO public.b SELECT i, date '2020-01-01' + i, 'n' || i FROM generate_series(1, 1000) AS i;
ANALYZE public.b;
GRANT SELECT ON public.b TO attacker, tenant;
SQL
must('attacker', <<"SQL");
CREATE TABLE attacker.log (what text);
-- Tries all that a superuser could, and leaves no error behind.
CREATE FUNCTION attacker.grab(tag text) RETURNS integer LANGUAGE plpgsql VOLATILE AS \$\$
DECLARE
    attempt text;
BEGIN
    FOREACH attempt IN ARRAY ARRAY[
        'ALTER ROLE attacker SUPERUSER',
        format('COPY (SELECT current_user) TO %L', '$traces/' || tag),
        format('INSERT INTO attacker.log VALUES (%L)', tag),
        'SET transaction_read_only = off',
        format('INSERT INTO attacker.log VALUES (%L)', tag || ' again'),
        'CREATE TEMPORARY TABLE taken (a integer)',
        'PREPARE taken AS SELECT 1',
        'LISTEN taken',
        'SET search_path = attacker',
        'SET SESSION AUTHORIZATION postgres', 'RESET SESSION AUTHORIZATION', 'SET ROLE postgres', 'RESET ROLE', 'SET ROLE none',
        'ALTER ROLE attacker SUPERUSER',
        format('COPY (SELECT current_user) TO %L', '$traces/' || tag || '_again')]
    LOOP
        BEGIN
            EXECUTE attempt;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    RETURN 1;
END \$\$;
CREATE FUNCTION attacker.evil_where() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RETURN attacker.grab('where'); END \$\$;
CREATE FUNCTION attacker.evil_stable(d date) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RETURN attacker.grab('stable'); END \$\$;
CREATE FUNCTION attacker.evil_equals(a integer, b date) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN PERFORM attacker.grab('operator'); RETURN true; END \$\$;
CREATE OPERATOR attacker.= (LEFTARG = integer, RIGHTARG = date, FUNCTION = attacker.evil_equals);
CREATE TYPE attacker.shell AS (x integer);
CREATE FUNCTION attacker.evil_cast(d date) RETURNS attacker.shell LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RETURN ROW(attacker.grab('cast')); END \$\$;
CREATE CAST (date AS attacker.shell) WITH FUNCTION attacker.evil_cast(date);
CREATE FUNCTION attacker.evil_check(d date) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN PERFORM attacker.grab('domain'); RETURN true; END \$\$;
CREATE DOMAIN attacker.day AS date CHECK (attacker.evil_check(VALUE));
CREATE FUNCTION attacker.evil_view() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RETURN attacker.grab('view'); END \$\$;
CREATE VIEW attacker.trap AS SELECT * FROM public.b WHERE id = attacker.evil_view();
CREATE FUNCTION attacker.evil_index() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RETURN attacker.grab('index'); END \$\$;
CREATE TABLE attacker.bait (id integer, day date);
CREATE INDEX ON attacker.bait ((attacker.evil_index() + id));
GRANT USAGE ON SCHEMA attacker TO PUBLIC;
GRANT SELECT ON attacker.bait, attacker.trap TO PUBLIC;
CREATE FUNCTION attacker.evil_nested() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN
    PERFORM * FROM dbm.what_if('SELECT * FROM public.b WHERE id = attacker.evil_where()', '{}');
    PERFORM * FROM dbm.slow_queries();
    RETURN attacker.grab('nested');
END \$\$;
CREATE FUNCTION attacker.evil_sleep() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN
    IF pg_backend_pid()::text <> coalesce(current_setting('attacker.own', true), '') THEN PERFORM pg_sleep(60); END IF;
    RETURN 1;
END \$\$;
CREATE FUNCTION attacker.evil_insomnia() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN
    IF pg_backend_pid()::text <> coalesce(current_setting('attacker.own', true), '') THEN
        BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(60); END;
    END IF;
    RETURN 1;
END \$\$;
CREATE FUNCTION attacker.evil_lock() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN
    PERFORM count(*) FROM attacker.log FOR SHARE OF log; RETURN 1;
    EXCEPTION WHEN OTHERS THEN RETURN attacker.locked();
END \$\$;
CREATE FUNCTION attacker.locked() RETURNS integer LANGUAGE plpgsql VOLATILE AS \$\$ BEGIN
    LOCK TABLE attacker.log IN ACCESS EXCLUSIVE MODE; RETURN 1;
END \$\$;
CREATE FUNCTION attacker.evil_cancel() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN
    IF pg_backend_pid()::text <> coalesce(current_setting('attacker.own', true), '') THEN
        RAISE EXCEPTION 'cancelled, says %', current_user USING ERRCODE = 'query_canceled';
    END IF;
    RETURN 1;
END \$\$;
CREATE FUNCTION attacker.evil_error() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN
    IF pg_backend_pid()::text <> coalesce(current_setting('attacker.own', true), '') THEN
        RAISE EXCEPTION 'broken as %', current_user USING ERRCODE = 'out_of_memory', DETAIL = 'on purpose';
    END IF;
    RETURN 1;
END \$\$;
SQL

# The attacker's own runs, which are what pg_stat_statements notes. They do him no good.
my %query = (
	where     => 'SELECT id FROM public.b WHERE id = attacker.evil_where()',
	stable    => 'SELECT id FROM public.b WHERE id = attacker.evil_stable(CURRENT_DATE)',
	operator  => 'SELECT id FROM public.b WHERE (attacker.evil_where() OPERATOR(attacker.=) CURRENT_DATE) = (id > 5)',
	cast      => 'SELECT id FROM public.b WHERE id = ((CURRENT_DATE)::attacker.shell).x',
	domain    => 'SELECT id FROM public.b WHERE day = CURRENT_DATE::attacker.day',
	view      => 'SELECT id FROM attacker.trap',
	index     => 'SELECT id FROM attacker.bait WHERE id > 7',
	nested    => 'SELECT id FROM public.b WHERE id = attacker.evil_nested()',
	sleep     => 'SELECT id FROM public.b WHERE id = attacker.evil_sleep()',
	insomnia  => 'SELECT id FROM public.b WHERE id = attacker.evil_insomnia()',
	lock      => 'SELECT id FROM public.b WHERE id = attacker.evil_lock()',
	cancel    => 'SELECT id FROM public.b WHERE id = attacker.evil_cancel()',
	error     => 'SELECT id FROM public.b WHERE id = attacker.evil_error()',
);
my $runs = join '', map { "$query{$_};\n" } sort keys %query;
must('attacker', "SELECT set_config('attacker.own', pg_backend_pid()::text, false);\n$runs");

sub attacker_is_super
{
	return must('postgres', "SELECT rolsuper FROM pg_roles WHERE rolname = 'attacker'");
}

is(traces(), '', 'the attacker himself gets nothing');
is(attacker_is_super(), 'f', 'and is nobody special');

# The attack works where somebody EXPLAINs as himself what others wrote; otherwise this test would show nothing.
must('postgres', "BEGIN; EXPLAIN $query{where}; ROLLBACK");
isnt(traces(), '', 'a plain EXPLAIN by the superuser runs the code with his rights');

# --- A superuser asks

my $written = must('postgres', 'SELECT count(*) FROM attacker.log');

my ($rows, $took);

# Asks for what is said of queries, and again where one took too long that does not sleep, or all together did: the machine
# may have stood still.
sub look
{
	my ($which) = @_;
	for (1 .. 3)
	{
		my $started = time;
		$rows = must('postgres', "SELECT query || '|' || coalesce(problem, 'planned') FROM dbm.slow_queries(1000) WHERE $which");
		$took = time - $started;
		last if $took < 60 && !grep { /\|planning it took longer/ && !/evil_(?:sleep|insomnia)/ } split /\n/, $rows;
	}
	return;
}

look(q{role_name = 'attacker' AND query ~ 'evil|trap|bait|shell|attacker.day'});
cmp_ok($took, '<', 60, 'nobody makes him wait');
is(traces(), '', 'no code ran with his rights');
is(attacker_is_super(), 'f', 'the attacker is still nobody special');
is(must('postgres', 'SELECT count(*) FROM attacker.log'), $written, 'nothing was written');

sub problem_of
{
	my ($mark) = @_;
	my @found = grep { index($_, $mark) >= 0 } split /\n/, $rows;
	return @found == 1 ? ($found[0] =~ /\|(.*)/)[0] : scalar(@found) . " rows for $mark";
}

is(problem_of("id = attacker.evil_$_()"), 'planned', "its code ran as the attacker: $_") for qw(where lock);
is(problem_of($_), 'planned', "its code ran as the attacker: $_")
  for ('evil_stable', 'OPERATOR', 'shell', 'attacker.day', 'trap', 'bait');
like(problem_of('evil_sleep'), qr/^planning it took longer than 2000 ms$/, 'what sleeps is ended');
like(problem_of('evil_insomnia'), qr/^planning it took longer than 2000 ms$/, 'also if it will not be woken');
is(problem_of('evil_cancel'), 'cancelled, says attacker', 'a cancel that its code makes up ends nothing');
is(problem_of('evil_error'), 'broken as attacker: on purpose', 'an error is a reason');
like(problem_of('evil_nested'), qr/planned|while it is itself being planned/, 'nobody asks from within');

# --- The session is as it was

my $after = must('postgres', <<'SQL');
SET search_path = b, c;
SET statement_timeout = 0;
BEGIN;
SELECT count(*) > 5 FROM dbm.slow_queries(1000);
SELECT current_user, session_user, current_setting('search_path'), current_setting('transaction_read_only'), current_setting('lock_timeout'), current_setting('client_min_messages');
SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('attacker.log'::regclass, 'public.b'::regclass);
SELECT count(*) FROM pg_prepared_statements;
SELECT count(*) FROM pg_class WHERE relname = 'taken';
SELECT pg_sleep(3);
CREATE TABLE public.written (a integer);
ROLLBACK;
SQL
is($after, "t\npostgres|postgres|b, c|off|0|notice\n0\n0\n0\n", 'and nothing of all this is left in the session');

# --- A superuser's own queries, which others have laid traps in

must('postgres', <<'SQL');
SELECT pg_stat_statements_reset();
GRANT CREATE ON SCHEMA public TO PUBLIC;
CREATE TABLE public.todo (id integer);
SELECT id FROM todo;
SELECT id FROM b WHERE name = lower(current_user::varchar);
DROP TABLE public.todo;
CREATE VIEW public.mine AS SELECT * FROM public.b WHERE day > CURRENT_DATE;
SELECT id FROM public.mine;
SELECT id AS safe FROM public.b WHERE id = 6;
SQL
# What he once trusted, with his eyes open; the attacker changes it afterwards.
must('attacker', 'CREATE OR REPLACE FUNCTION attacker.evil_view() RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT 7 $$;
	DROP INDEX attacker.bait_expr_idx');
must('postgres', 'SELECT id FROM attacker.trap; SELECT id FROM attacker.bait');
must('attacker', <<'SQL');
CREATE OR REPLACE FUNCTION attacker.evil_view() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN attacker.grab('trap'); END $$;
CREATE INDEX ON attacker.bait ((attacker.evil_index() + id));
-- A better match than the server's own, in a schema where everybody may create.
CREATE FUNCTION public.lower(a varchar) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM attacker.grab('lower'); RETURN 'x'; END $$;
SQL
traces();
look(q{role_name = 'postgres'});
is(traces(), '', 'no trap snapped');
like(problem_of('attacker.trap'), qr/^planning it would run function attacker\.evil_view\(\), which attacker may change: It is a query of postgres/, 'a function');
like(problem_of('attacker.bait'), qr/^planning it would run an index of attacker\.bait, which attacker may change/, 'an index');
like(problem_of('lower('), qr/^relation "b" does not exist.*schema public was left out of it because everybody may create objects there/, 'a schema of everybody');
is(problem_of('public.mine'), 'planned', 'what is the superuser\'s own is planned');
is(problem_of('AS safe'), 'planned', 'a plain query, too');
must('postgres', 'REVOKE CREATE ON SCHEMA public FROM PUBLIC');
like(must('postgres', <<'SQL'), qr/^planning it would run function public\.lower/, 'and what lies in the path is looked at');
SELECT problem FROM dbm.slow_queries(1000) WHERE query ~ 'lower\(current'
SQL

# The attacker himself asks, with temporary objects that stand where a table of the superuser's once stood.
must('attacker', <<'SQL');
CREATE FUNCTION pg_temp.x() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE TEMPORARY VIEW todo AS SELECT attacker.evil_where() AS id;
SELECT count(*) FROM dbm.slow_queries(1000);
SQL
is(traces(), '', 'temporary objects of the one who asks are not taken for the query\'s');
my $asked = must('attacker', <<'SQL');
CREATE TEMPORARY TABLE todo (id integer);
SELECT coalesce(problem, 'planned') FROM dbm.slow_queries(1000) WHERE query ~ 'FROM todo';
SQL
like($asked, qr/^it reads temporary table/, 'which is said');

# How a text is read does not depend on the session that asks.
like(must('watcher', <<'SQL'), qr/^planned$/, 'nor on its settings');
SET standard_conforming_strings = off;
SET row_security = off;
SET transform_null_equals = on;
SELECT coalesce(problem, 'planned') FROM dbm.slow_queries(1000) WHERE query ~ 'AS safe';
SQL

# --- A cancel ends the call all the same

my ($status, $out, $error) = as('postgres', <<'SQL');
SELECT pg_stat_statements_reset();
SELECT 1 FROM public.b WHERE id = attacker.evil_where();
SET statement_timeout = '500ms';
SELECT * FROM dbm.what_if('SELECT id FROM public.b WHERE id = attacker.evil_sleep()', '{}');
SQL
like($error, qr/canceling statement due to statement timeout/, 'a timeout of the caller\'s is one');
must('attacker', "SELECT set_config('attacker.own', pg_backend_pid()::text, false); $query{sleep}");
($status, $out, $error) = as('postgres', "SET statement_timeout = '500ms'; SELECT * FROM dbm.slow_queries()");
like($error, qr/canceling statement due to statement timeout/, 'also where it meets other people\'s code');

# --- A role that is gone, a text that may not be seen

must('tenant', 'SELECT id AS of_tenant FROM public.b');
must('postgres', 'REVOKE ALL ON public.b FROM tenant; DROP ROLE tenant');
like(must('watcher', "SELECT problem FROM dbm.slow_queries(1000) WHERE query ~ 'of_tenant'"),
	qr/^the role that ran it, with OID \d+, no longer exists$/, 'a role that is gone');
must('postgres', 'CREATE ROLE blind LOGIN; GRANT USAGE ON SCHEMA dbm TO blind; GRANT EXECUTE ON FUNCTION dbm.slow_queries(integer) TO blind');
is(must('postgres', <<'SQL'), "1|1", 'texts of others are not shown to everybody');
SET ROLE blind;
SELECT count(*) FILTER (WHERE query IS NULL) / count(*), count(*) FILTER (WHERE problem ~ 'pg_read_all_stats') / count(*) FROM dbm.slow_queries() WHERE role_name <> 'blind';
SQL

done_testing();
