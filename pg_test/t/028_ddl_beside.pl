# The DDL guard among others: statements that pass, ways round that do not, protocols, and errors that are not ours.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('ddl_beside');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', <<'CONF');
autovacuum = off
shared_preload_libraries = 'dbmastery'
dbm.ddl_guard = enforce
dbm.ddl_small_table = 0
CONF
$node->start;

sub said
{
	my ($sql, %options) = @_;
	my ($status, $out, $error) = $node->psql(
		$options{database} // 'guarded',
		"\\set VERBOSITY verbose\n$sql",
		on_error_stop => 0,
		timeout       => 120);
	return $error;
}

my $grow = 'ALTER TABLE t ALTER COLUMN a TYPE bigint';
$node->safe_psql('postgres', 'CREATE DATABASE guarded');
$node->safe_psql('guarded', 'CREATE EXTENSION dbmastery');
for my $database (qw(postgres guarded))
{
	$node->safe_psql($database, <<'SQL');
SET dbm.ddl_guard = off;
CREATE TABLE p (id int PRIMARY KEY);
INSERT INTO p SELECT generate_series(1, 100);
CREATE TABLE t (a int, b text, p int REFERENCES p);
INSERT INTO t SELECT g, 'x', g FROM generate_series(1, 100) AS g;
CREATE INDEX t_b ON t (b);
SQL
}

# --- Where it has nothing to say

like(said($grow), qr/UD001/, 'the guard is on where the extension is');
is(said("BEGIN; $grow; TRUNCATE t; ROLLBACK", database => 'postgres'), '', 'and not in a database without it, though the library is preloaded');
unlike(said('CREATE EXTENSION IF NOT EXISTS citext; CREATE EXTENSION IF NOT EXISTS pg_trgm'), qr/UD001|ddl\./, 'the scripts of extensions are let pass');
unlike(said('DROP EXTENSION dbmastery; CREATE EXTENSION dbmastery'), qr/UD001|could not/, 'also ours, which goes and comes back');
unlike(said("SET session_replication_role = replica; BEGIN; $grow; ROLLBACK"), qr/UD001|ddl\./, 'what replication applies is let pass');
like(said("BEGIN; SELECT 1/0; $grow; ROLLBACK"), qr/25P02/, 'an aborted transaction says what it says without the guard');
unlike(said('CREATE TABLE pk (id int PRIMARY KEY, a int UNIQUE, b int REFERENCES p)'), qr/UD001|create_index/, 'the indexes of a new table are no CREATE INDEX');
unlike(said('CREATE SCHEMA s CREATE TABLE x (id int PRIMARY KEY) CREATE INDEX x_i ON x (id)'), qr/UD001|create_index/, 'nor is what CREATE SCHEMA holds');
unlike(said('VACUUM t; ANALYZE t; CHECKPOINT; DISCARD ALL; COMMENT ON TABLE t IS NULL; GRANT SELECT ON t TO PUBLIC'), qr/UD001|ddl\./, 'everyday statements pass');

# --- Where it must not be got round

like(said("DO \$\$ BEGIN EXECUTE '$grow'; END \$\$"), qr/UD001/, 'dynamic SQL is seen');
is($node->safe_psql('guarded', "SET client_min_messages = error; DO \$\$ BEGIN BEGIN $grow; EXCEPTION WHEN OTHERS THEN NULL; END; CREATE TEMP TABLE after (a int); END \$\$; SELECT count(*) FROM after"), 0, 'who catches the refusal goes on');
is($node->safe_psql('guarded', "SELECT atttypid::regtype FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a'"), 'integer', 'without having done it');
like(said("BEGIN; SAVEPOINT s; $grow; ROLLBACK TO s; SELECT 'still here'; $grow; COMMIT"), qr/UD001.*UD001/s, 'a savepoint changes nothing');
like(said('BEGIN; SAVEPOINT s; CREATE TABLE n (a int); INSERT INTO n VALUES (1); ROLLBACK TO s; CREATE INDEX ON t (a); COMMIT'), qr/UD001/, 'a created table that is rolled back leaves no privilege');
unlike(said('BEGIN; CREATE TABLE n (a int); INSERT INTO n SELECT generate_series(1, 100); CREATE INDEX ON n (a); ALTER TABLE n ALTER a TYPE bigint; COMMIT'), qr/UD001/, 'a table of this very transaction is everybody\'s own');
like(said('CREATE INDEX ON n (a)'), qr/UD001/, 'and after its commit it is not');
like(said('SET search_path = nowhere; ALTER TABLE public.t ALTER COLUMN a TYPE bigint'), qr/UD001/, 'names are what the server takes them for');
like(said('EXPLAIN ANALYZE DELETE FROM t WHERE false; PREPARE d AS DELETE FROM t; EXECUTE d'), qr/ddl\.delete_without_where/, 'a prepared DELETE is seen');

my $script = $node->basedir . '/grow.sql';
append_to_file($script, "$grow;\n");
for my $protocol (qw(simple extended prepared))
{
	my ($out, $error) = run_command(
		[ 'pgbench', '-n', '-M', $protocol, '-t', 1, '-f', $script, '-h', $node->host, '-p', $node->port, 'guarded' ]);
	like("$out $error", qr/unsafe DDL refused by ddl\.alter_column_type_rewrite/, "the $protocol protocol");
}

# --- Errors of others stay whole

$node->safe_psql('guarded', 'CREATE TABLE u (a int PRIMARY KEY, CONSTRAINT positive CHECK (a > 0))');
like(said('ALTER TABLE u DROP CONSTRAINT nosuch'), qr/ERROR:  42704: constraint "nosuch" of relation "u" does not exist\s+LOCATION:  \w+, tablecmds\.c:\d+/, 'an ERROR of the server comes through as it was raised');
like(said('CREATE TABLE u (a int)'), qr/ERROR:  42P07: .*LOCATION:  \w+, heap\.c/s, 'also where the guard had nothing to say');

# --- A failure of our own is no failure of the statement

unlike(said("ALTER TABLE dbm.rule_setting RENAME TO elsewhere; BEGIN; CREATE TABLE z (a int); ALTER TABLE z ADD b int; COMMIT; SET dbm.ddl_guard = off; ALTER TABLE dbm.elsewhere RENAME TO rule_setting"),
	qr/panick|XX000|server closed/, 'without its tables the guard is silent or warns');
{
	my $holder = Session->new($node, 'guarded');
	$holder->must('SET dbm.ddl_guard = off');
	$holder->must('BEGIN; LOCK TABLE dbm.rule_setting IN ACCESS EXCLUSIVE MODE');
	like(said($grow), qr/UD001/, 'and it does not wait for them');
	$holder->must('ROLLBACK');
	$holder->quit;
}

$node->stop;
done_testing();
