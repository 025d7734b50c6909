# What others wrote into dbm.workload, or had counted, is looked at with their rights and not with those of the one who
# asks: also where an index is sized by computing it, and where both ask for the same table.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Foreign;
use Session;
use Test::More;

my ($node, $traces) = started('attacker,tenant', "shared_preload_libraries = 'pg_stat_statements,dbmastery'");

must('postgres', <<'SQL');
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION dbmastery;
CREATE ROLE attacker LOGIN IN ROLE pg_monitor;
CREATE ROLE tenant LOGIN;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbm.workload TO attacker;
CREATE SCHEMA attacker AUTHORIZATION attacker;
CREATE TABLE public.item (id integer PRIMARY KEY, grp integer, name text);
INSERT INTO public.item SELECT i, i % 5000, md5(i::text) FROM generate_series(1, 50000) AS i;
ANALYZE public.item;
GRANT SELECT ON public.item TO attacker;
SQL
must('attacker', <<"SQL");
CREATE TABLE attacker.log (what text);
CREATE TABLE attacker.own AS SELECT * FROM public.item;
ANALYZE attacker.own;
-- Tries what a superuser could, and leaves no error behind.
CREATE FUNCTION attacker.grab(a integer) RETURNS integer LANGUAGE plpgsql VOLATILE AS \$\$
DECLARE
    attempt text;
BEGIN
    FOREACH attempt IN ARRAY ARRAY[
        format('COPY (SELECT current_user) TO %L', '$traces/' || coalesce(a::text, 'null')),
        'ALTER ROLE attacker SUPERUSER',
        'INSERT INTO attacker.log VALUES (current_user)',
        'SET work_mem = ''123kB''',
        'SET search_path = attacker',
        'RESET SESSION AUTHORIZATION',
        'CREATE TEMPORARY TABLE taken (a integer)']
    LOOP
        BEGIN
            EXECUTE attempt;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    RETURN a;
END \$\$;
CREATE FUNCTION attacker.evil(a integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$
BEGIN
    -- Now and then: he is not to be found out by how long it takes.
    RETURN CASE WHEN a % 1000 = 1 THEN attacker.grab(a) ELSE a END;
END \$\$;
CREATE FUNCTION attacker.evil_sleep() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$
BEGIN
    PERFORM pg_sleep(60);
    RETURN 1;
END \$\$;
GRANT USAGE ON SCHEMA attacker TO PUBLIC;
SQL

# The attack works where a superuser computes it: otherwise this test would show nothing.
must('postgres', 'BEGIN; SELECT attacker.evil(1); ROLLBACK');
isnt(traces(), '', 'a superuser who runs the code gives it his rights');

# Where somebody asks, he asks in a session whose settings are his.
sub asked
{
	my ($source) = @_;
	my $out = must('postgres', <<"SQL");
SET work_mem = '5MB';
SET search_path = public, pg_catalog;
BEGIN;
SELECT action || ' ' || coalesce(sql, '') || ' ' || evidence::text FROM dbm.advise_workload(source => '$source', time_limit => '60 s');
SELECT current_setting('work_mem'), current_setting('search_path'), current_user, session_user;
SELECT pg_current_xact_id_if_assigned() IS NULL, (SELECT count(*) FROM pg_class WHERE relname = 'taken');
COMMIT;
SQL
	like($out, qr/^5MB\|public, pg_catalog\|postgres\|postgres\nt\|0$/m, "$source: the session is as it was");
	is(traces(), '', "$source: no code ran with his rights");
	is(must('postgres', "SELECT rolsuper FROM pg_roles WHERE rolname = 'attacker'"), 'f', "$source: the attacker is nobody special");
	is(must('postgres', 'SELECT count(*) FROM attacker.log'), '0', "$source: nothing was written");
	return $out;
}

# --- dbm.workload

# He would rather be somebody else.
must('attacker', <<'SQL');
INSERT INTO dbm.workload (query, calls, added_by) VALUES ('SELECT * FROM public.item WHERE attacker.evil(grp) = 77', 1000, 'postgres');
INSERT INTO dbm.workload (query, calls) VALUES ('SELECT * FROM public.item WHERE grp = attacker.evil(5)', 900);
INSERT INTO dbm.workload (query, calls) VALUES ('SELECT grp FROM public.item WHERE name = ''x'' AND attacker.evil(grp) > 4900 ORDER BY attacker.evil(grp)', 800);
INSERT INTO dbm.workload (query, calls) VALUES ('SELECT * FROM public.item WHERE grp = attacker.evil_sleep()', 700);
INSERT INTO dbm.workload (query, calls) VALUES ('SELECT * FROM attacker.own WHERE attacker.evil(grp) = 77', 1000);
UPDATE dbm.workload SET added_by = 'postgres';
SQL
is(must('postgres', 'SELECT string_agg(DISTINCT added_by, \',\') FROM dbm.workload'), 'attacker', 'nobody writes in another\'s name');

my $alone = asked('table');
unlike($alone, qr/^create [^;]*public\.item [^;]*attacker\.evil/m, 'who builds an index runs its code as the owner of the table: none with a stranger\'s');
like($alone, qr/^create .* attacker\.own .*attacker\.evil\(grp\)/m, 'on his own table it is sized, with his rights');
like($alone, qr/^unknown .*planning it took longer than 2000 ms/m, 'what sleeps is a row with a reason');

# The superuser's own query of the same table comes first.
must('postgres', "INSERT INTO dbm.workload (query, calls) VALUES ('SELECT * FROM public.item WHERE grp = 5 AND id > 3', 100000)");
like(asked('table'), qr/^create .*\(grp\)/m, 'beside a superuser\'s query of the same table');

# A superuser's query that the attacker has laid a trap in is not planned.
must('postgres', "INSERT INTO dbm.workload (query, calls) VALUES ('SELECT id FROM public.item WHERE attacker.evil(grp) = 8', 100001)");
like(asked('table'), qr/^unknown .*planning it would run function attacker\.evil\(integer\), which attacker may change/m,
	'a superuser\'s query with somebody else\'s code');

# Who takes over another's row takes over its text, and runs it with less than that one might.
must('attacker', "UPDATE dbm.workload SET query = 'SELECT * FROM public.item WHERE attacker.evil(grp) = 9' WHERE added_by = 'postgres' AND calls = 100000");
is(must('postgres', 'SELECT added_by FROM dbm.workload WHERE calls = 100000'), 'attacker', 'a row that he changes becomes his');
asked('table');

# --- What was counted

my $run = "SELECT id FROM public.item WHERE attacker.evil(grp) = 77 LIMIT 1";
for my $source ('pg_stat_statements', 'capture')
{
	must('postgres', 'SELECT pg_stat_statements_reset(); SELECT dbm.capture_reset()');
	must('attacker', "SET default_transaction_read_only = on; $run; SELECT id FROM public.item WHERE grp = attacker.evil(5)");
	must('postgres', 'SELECT id FROM public.item WHERE grp = 5') for 1 .. 20;
	traces();
	like(asked($source), qr/^create /m, "$source: there is advice");
}

# --- Rights

my ($status, $out, $error) = as('tenant', 'SELECT * FROM dbm.advise_workload()');
like($error, qr/permission denied for schema dbm/, 'a role without grant may not ask');
must('postgres', 'GRANT USAGE ON SCHEMA dbm TO tenant');
for my $call ('SELECT * FROM dbm.advise_workload()', "SELECT * FROM dbm.advise('SELECT 1')", "SELECT * FROM dbm.index_type_for('public.item', '{grp}')")
{
	($status, $out, $error) = as('tenant', $call);
	like($error, qr/permission denied for function/, "nor call $call");
}
($status, $out, $error) = as('tenant', "INSERT INTO dbm.workload (query) VALUES ('SELECT 1')");
like($error, qr/permission denied for table workload/, 'nor write into dbm.workload');
($status, $out, $error) = as('attacker', "SELECT * FROM dbm.advise('SELECT * FROM attacker.log, pg_authid')");
like($error, qr/permission denied for table pg_authid/, 'advice needs the rights that the query needs');
must('postgres', 'REVOKE SELECT ON public.item FROM attacker');
($status, $out, $error) = as('attacker', "SELECT * FROM dbm.index_type_for('public.item', '{grp}')");
like($error, qr/permission denied for table item/, 'as does the choice of an index\'s type');
like(asked('table'), qr/^unknown .*permission denied for table item/m, 'a query whose author lost his rights is a row with a reason');

# --- An end

must('postgres', "GRANT SELECT ON public.item TO attacker; DELETE FROM dbm.workload");
must('postgres', "INSERT INTO dbm.workload (query) SELECT format('SELECT * FROM public.item a, public.item b, public.item c WHERE a.grp = b.grp AND b.name = c.name AND a.id > %s AND c.grp = %s ORDER BY b.id LIMIT %s', i, i, i) FROM generate_series(1, 5000) AS i");
my $took;
# The best of three, here and below: the machine may stand still for a while.
for (1 .. 3)
{
	my $started = time;
	($status, $out, $error) =
	  as('postgres', "SET statement_timeout = '1s'; SELECT * FROM dbm.advise_workload(source => 'table', time_limit => NULL)");
	$took = time - $started;
	last if $took < 4;
}
like($error, qr/canceling statement due to statement timeout/, 'a timeout ends it');
cmp_ok($took, '<', 4, 'at once');

# What it is at can be watched, and it ends when it is told to.
my $adviser = Session->new($node, 'postgres');
my $pid = $adviser->must('SELECT pg_backend_pid()');
my $end;
for (1 .. 3)
{
	$adviser->begin("SELECT count(*) FROM dbm.advise_workload(source => 'table', time_limit => NULL);");
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM dbm.progress WHERE pid = $pid AND act = 'advise_workload' AND total > 0 AND done <= total")
	  or die 'the adviser is not seen';
	my $cancelled = time;
	must('postgres', "SELECT pg_cancel_backend($pid)");
	(undef, $end) = $adviser->run('');
	$took = time - $cancelled;
	last if $took < 2;
}
like($end, qr/canceling statement due to user request/, 'a cancel ends it');
cmp_ok($took, '<', 2, 'at once, too');
is(must('postgres', 'SELECT count(*) FROM dbm.progress'), '0', 'and nothing is seen of it any more');
$adviser->quit;

# What it has when its time is up is an answer.
must('postgres', "DELETE FROM dbm.workload WHERE id % 10 <> 0");
my $hurried;
for (1 .. 3)
{
	my $started = time;
	$hurried = must('postgres', "SELECT action || ' ' || coalesce(sql, '') FROM dbm.advise_workload(source => 'table', time_limit => '1 s')");
	$took = time - $started;
	last if $took < 5 && $hurried =~ /^create /m;
}
cmp_ok($took, '<', 5, 'a time limit ends the search');
like($hurried, qr/^create CREATE INDEX .* public\.item /m, 'with what was found until then');

$node->stop;
done_testing();
