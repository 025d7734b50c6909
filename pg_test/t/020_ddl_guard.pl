# The DDL guard: its doors, its settings, exceptions from it, and what is kept of what it did.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(none rows utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('ddl_guard');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'deployer,stranger' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nlog_min_messages = warning");
$node->start;

# What was complained of, with SQLSTATEs. Options: role; before, statements before.
sub said
{
	my ($sql, %options) = @_;
	my ($status, $out, $error) = $node->psql(
		$options{database} // 'postgres',
		"\\set VERBOSITY verbose\n$sql",
		on_error_stop => 0,
		timeout       => 180,
		extra_params  => $options{role} ? [ '-U', $options{role} ] : []);
	return $error;
}

my $grow = 'ALTER TABLE big ALTER COLUMN a TYPE bigint';
my $rule = 'ddl.alter_column_type_rewrite';
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE deployer LOGIN;
CREATE ROLE stranger LOGIN;
GRANT ALL ON SCHEMA public TO deployer;
CREATE EXTENSION dbmastery;
ALTER SYSTEM SET dbm.ddl_small_table = '1MB';
CREATE TABLE big AS SELECT g AS a, g AS b, repeat('x', 100) AS c FROM generate_series(1, 20000) AS g;
ALTER TABLE big OWNER TO deployer;
SQL
$node->reload;

sub mode
{
	my ($mode) = @_;
	$node->safe_psql('postgres', "ALTER DATABASE postgres SET dbm.ddl_guard = $mode");
	return;
}

# --- The door of the event trigger: nothing is preloaded

like(said("BEGIN; $grow; ROLLBACK"), qr/WARNING:  01U01: \Q$rule\E: /, 'the first DDL statement of a session is judged');
is(said('TRUNCATE big; ROLLBACK') =~ /ddl\.truncate/ ? 1 : 0, 0, 'what fires no event is not, while it is the first');
$node->safe_psql('postgres', "INSERT INTO big SELECT g, g, repeat('x', 100) FROM generate_series(1, 20000) AS g");
like(said('BEGIN; CREATE TABLE another (a int); TRUNCATE big; ROLLBACK'), qr/WARNING:  01U01: ddl\.truncate: /,
	'and is, from the second statement on');
like(said("SELECT 1 AS one; BEGIN; SELECT 2; $grow; $grow; ROLLBACK"), qr/(ddl\.alter_column_type_rewrite.*){1}/s, 'after other statements, too');
mode('enforce');
like(said($grow), qr/ERROR:  UD001: unsafe DDL refused by \Q$rule\E: .*DETAIL:  It takes ACCESS EXCLUSIVE on public\.big: reads and writes wait for .*HINT:/s,
	'the first statement is refused with an SQLSTATE of its own, its numbers and a way out');
like(said("SET lock_timeout = '1min'; $grow", role => 'deployer'), qr/ERROR:  UD001: /, 'so is that of an owner who is no superuser');
like(said('CREATE INDEX k ON big (b)'), qr/ERROR:  UD001: /, 'and the build of an index');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_index WHERE indrelid = 'big'::regclass"), 0, 'which leaves no index behind');
like(slurp_file($node->logfile), qr/LOG: .*dbmastery refused ALTER TABLE: \{.*"rule":"\Q$rule\E".*"verdict":"refused"/,
	'what is refused is in the log');
is($node->safe_psql('postgres', 'SELECT count(*) FROM dbm.ddl_records'), 0, 'and nowhere else, without preload');
{
	my $holder = Session->new($node, 'postgres');
	$holder->must('BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE');
	my $started = time;
	like(said($grow), qr/ERROR:  UD001: .*In its way now: process \d+ \(idle in transaction/s,
		'a refusal does not wait for whom the statement would have to wait, and names him');
	# Who did wait would wait for ever.
	cmp_ok(time - $started, '<', 120, 'so it comes at once');
	$holder->must('ROLLBACK');
	$holder->quit;
}
unlike(said("SET dbm.ddl_guard = off; BEGIN; $grow; ROLLBACK"), qr/UD001/, 'a superuser turns it off');
like(said("SET dbm.ddl_guard = off; $grow", role => 'deployer'), qr/UD001/, 'others do not');
mode('warn');

# --- The door of the hook

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dbmastery'");
$node->restart;
like(said('BEGIN; TRUNCATE big; ROLLBACK'), qr/WARNING:  01U01: ddl\.truncate: /, 'preloaded, the guard sees the first statement of every kind');
my @once = said("BEGIN; $grow; ROLLBACK") =~ /WARNING:  01U01: \Q$rule\E:/g;
is(scalar @once, 1, 'and says everything once, though both doors are there');
mode('off');
is(said("BEGIN; $grow; ROLLBACK"), '', 'off: nothing is said');
mode('enforce');
like(said("SET dbm.ddl_guard = off", role => 'deployer'), qr/ERROR:  42501/, 'who is no superuser does not turn it off');
like(said("SET dbm.ddl_small_table = '1TB'", role => 'deployer'), qr/ERROR:  42501/, 'nor around');

# --- Rules by setting

$node->safe_psql('postgres', "INSERT INTO dbm.rule_setting (rule, severity) VALUES ('$rule', 'warning')");
like(said("BEGIN; $grow; ROLLBACK"), qr/^psql:\S+ WARNING:  01U01: \Q$rule\E: (?!.*UD001)/s, 'a rule that is a warning here refuses nothing');
$node->safe_psql('postgres', "UPDATE dbm.rule_setting SET severity = NULL, enabled = false WHERE rule = '$rule'");
unlike(said("BEGIN; $grow; ROLLBACK"), qr/\Q$rule\E|UD001/, 'a rule that is off says nothing, and the back-stop lets it pass');
$node->safe_psql('postgres', "DELETE FROM dbm.rule_setting WHERE rule = '$rule'");
like(said($grow), qr/UD001/, 'and speaks again when its row is gone');
like(said("INSERT INTO dbm.rule_setting (rule) VALUES ('ddl.set_not_nul')"), qr/ERROR:  22023: rule "ddl\.set_not_nul" does not exist.*HINT:  Perhaps you meant "ddl\.set_not_null/s,
	'a rule that there is not is refused with those that there are');
unlike(said("SET dbm.ddl_small_table = '1GB'; BEGIN; $grow; ROLLBACK"), qr/\Q$rule\E|UD001/, 'a table below dbm.ddl_small_table is small');

# --- What was refused is kept

my $poll = "SELECT count(*) > 0 FROM dbm.ddl_record WHERE verdict = 'refused' AND rule = '$rule' AND object = 'public.big' AND tag = 'ALTER TABLE' AND statement LIKE 'ALTER TABLE big%' AND lock_mode = 'ACCESS EXCLUSIVE' AND bytes > 1000000";
ok($node->poll_query_until('postgres', $poll), 'the record of a refusal outlives its rollback');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM dbm.pending_ddl_records()'), 'and leaves the shared memory');
my $records = $node->safe_psql('postgres', "SELECT count(*) FROM dbm.ddl_record WHERE verdict = 'refused'");
said("$grow", role => 'deployer') for 1 .. 3;
ok($node->poll_query_until('postgres', "SELECT count(*) = $records + 3 FROM dbm.ddl_record WHERE verdict = 'refused'"), 'each once');
is($node->safe_psql('postgres', "SELECT count(*) FROM dbm.ddl_record WHERE login_role = 'deployer' AND user_role = 'deployer' AND pid > 0"), 3, 'with who it was');

# --- Exceptions

like(said("SELECT dbm.allow_ddl('$rule', 'x')", role => 'deployer'), qr/ERROR:  42501/, 'nobody may make exceptions but who was granted to');
$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA dbm TO deployer; GRANT EXECUTE ON FUNCTION dbm.allow_ddl TO deployer');
like(said("SELECT dbm.allow_ddl('$rule', ' ')", role => 'deployer'), qr/ERROR:  22023: the exception from \Q$rule\E has no reason/, 'an exception has a reason');
like(said("SELECT dbm.allow_ddl('ddl.nosuch', 'x')", role => 'deployer'), qr/ERROR:  22023: rule "ddl\.nosuch" does not exist/, 'and a rule');
like(said("SELECT dbm.allow_ddl('$rule', 'x', '1 year')", role => 'deployer'), qr/ERROR:  22023/, 'and an end');
is(said("SELECT dbm.allow_ddl('$rule', 'ticket 12')", role => 'deployer'), '', 'who was granted to makes one');
like(said($grow), qr/UD001/, 'which is for nobody else');
unlike(said("BEGIN; $grow; ROLLBACK", role => 'deployer'), qr/UD001/, 'and for any session of the role');
unlike(said($grow, role => 'deployer'), qr/UD001/, 'what is rolled back is not used up');
like(said('ALTER TABLE big ALTER COLUMN a TYPE int', role => 'deployer'), qr/UD001/, 'what is done is');
is($node->safe_psql('postgres', "SELECT reason || ' ' || login_role FROM dbm.ddl_record WHERE verdict = 'overridden'"), 'ticket 12 deployer', 'and kept with its reason');
$node->safe_psql('postgres', "UPDATE dbm.ddl_allowance SET uses_left = 5, expires_at = now() - interval '1 s' WHERE id > 0");
like(said('ALTER TABLE big ALTER COLUMN a TYPE int', role => 'deployer'), qr/UD001/, 'an exception ends');
said("SELECT dbm.allow_ddl('all', 'ticket 13', '1 hour', 2)", role => 'deployer');
unlike(said('ALTER TABLE big ALTER COLUMN a TYPE int; TRUNCATE big', role => 'deployer'), qr/UD001/, 'one for all rules is for all rules, as often as it says');
$node->safe_psql('postgres', "SET dbm.ddl_guard = off; INSERT INTO big SELECT g, g, repeat('x', 100) FROM generate_series(1, 20000) AS g");

# --- In the name of others

$node->safe_psql('postgres', <<"SQL");
CREATE FUNCTION grow() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS \$\$ BEGIN ALTER TABLE big ALTER COLUMN a TYPE bigint; END \$\$;
GRANT EXECUTE ON FUNCTION grow() TO stranger;
SQL
like(said('SELECT grow()', role => 'stranger'), qr/UD001/, 'a function with the rights of its owner is judged like everybody');
unlike(said($grow, role => 'stranger'), qr/20,?000 rows|bytes|[0-9] MB/, 'who may not see a size is not told it');

# --- The wait is bounded

{
	$node->safe_psql('postgres', "INSERT INTO dbm.rule_setting (rule, enabled) VALUES ('ddl.lock_convoy_risk', false)");
	my $reader = Session->new($node, 'postgres');
	$reader->must('BEGIN; SELECT count(*) FROM big');
	like(said("SET dbm.ddl_lock_timeout = '300ms'; ALTER TABLE big ADD COLUMN d int;"), qr/ERROR:  55P03/, 'DDL that would wait gives up in time');
	is((split /\n/, (($node->psql('postgres', "SET dbm.ddl_lock_timeout = '300ms'; ALTER TABLE big ADD COLUMN d int;\nSHOW lock_timeout", on_error_stop => 0))[1]))[-1], '0', 'and lock_timeout is as it was, after an error');
	my $within = "SET dbm.ddl_lock_timeout = '300ms'; BEGIN; SAVEPOINT s; ALTER TABLE big ADD COLUMN d int; ROLLBACK TO s; SHOW lock_timeout; CREATE TABLE small (a int); SHOW lock_timeout; ALTER TABLE small ADD b int; SHOW lock_timeout; ROLLBACK; SHOW lock_timeout";
	is(($node->psql('postgres', $within, on_error_stop => 0))[1], "0\n0\n0\n0", 'in every place');
	like(said("SET lock_timeout = '200ms'; SET dbm.ddl_lock_timeout = '1h'; ALTER TABLE big ADD COLUMN d int"), qr/ERROR:  55P03/, 'a shorter lock_timeout stays in force');
	like(said("SET lock_timeout = '1h'; SET dbm.ddl_lock_timeout = '200ms'; DO \$\$ BEGIN ALTER TABLE big ADD COLUMN d int; END \$\$; SHOW lock_timeout"), qr/ERROR:  55P03/, 'a longer one does not, in a DO block either');
	my $started = time;
	like(said('ALTER TABLE big ADD COLUMN d int'), qr/ERROR:  55P03/, 'where the guard enforces, two seconds are the default');
	# Without it, it would be for ever.
	cmp_ok(time - $started, '<', 120, 'in seconds');
	my (undef, $text) = $node->psql('postgres', "SET dbm.ddl_lock_timeout = '300ms'; CREATE FUNCTION t() RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN BEGIN ALTER TABLE big ADD COLUMN d int; EXCEPTION WHEN lock_not_available THEN NULL; END; RETURN current_setting('lock_timeout'); END \$\$; SELECT t(); SHOW lock_timeout", on_error_stop => 0);
	is($text, "0\n0", 'and it is as it was after an error that somebody caught');
	$reader->must('COMMIT');
	$reader->quit;
	is(($node->psql('postgres', "ALTER TABLE big ADD COLUMN d int; SHOW lock_timeout", on_error_stop => 0))[1], '0', 'and after success');
}

$node->safe_psql('postgres', "DELETE FROM dbm.rule_setting WHERE rule = 'ddl.lock_convoy_risk'");

# --- What takes long is measured

$node->safe_psql('postgres', 'CREATE TABLE huge AS SELECT g AS a, repeat(md5(g::text), 5) AS c FROM generate_series(1, 200000) AS g');
my $high = "SELECT seconds_high FROM dbm.explain_ddl('ALTER TABLE huge ALTER COLUMN a TYPE bigint') WHERE rewrites LIMIT 1";
my $guessed = $node->safe_psql('postgres', $high);
my $noted = "SELECT string_agg(DISTINCT work, ',' ORDER BY work) FROM dbm.ddl_measurement WHERE seconds BETWEEN 0.05 AND 100 AND bytes > 1000000";
# What takes no time is not measured: on a fast machine there has to be more of it.
for (1 .. 6)
{
	said('SET dbm.ddl_guard = warn; ALTER TABLE huge ALTER COLUMN a TYPE bigint; CREATE INDEX ON huge (a); ALTER TABLE huge ALTER COLUMN a TYPE int');
	last if $node->safe_psql('postgres', $noted) eq 'index build,rewrite';
	$node->safe_psql('postgres', 'INSERT INTO huge TABLE huge');
}
is($node->safe_psql('postgres', $noted), 'index build,rewrite', 'what took long is noted');
isnt($node->safe_psql('postgres', $high), $guessed, 'and makes the next estimate');
# Two were made, one of which may have taken far longer than the other.
my ($least, $seconds) = split /\|/, $node->safe_psql('postgres', "SELECT min(seconds), max(seconds) FROM dbm.ddl_measurement WHERE work = 'rewrite'");
my ($low, $most) = split /\|/, $node->safe_psql('postgres', "SELECT seconds_low, seconds_high FROM dbm.explain_ddl('ALTER TABLE huge ALTER COLUMN a TYPE bigint') WHERE rewrites LIMIT 1");
ok($low < $seconds && $least < $most * 2, "which is near what was measured: $low to $most s, measured $least to $seconds s");
$node->safe_psql('postgres', 'SET dbm.ddl_guard = off; DROP TABLE huge');

# --- Nobody is locked out

like(said('DROP TABLE big'), qr/UD001/, 'what is unsafe is refused to a superuser, too');
is(said("BEGIN; DROP EXTENSION dbmastery CASCADE; ROLLBACK"), '', 'the guard itself can always be dropped');
is(said('ALTER EVENT TRIGGER dbmastery_ddl_guard DISABLE; ALTER EVENT TRIGGER dbmastery_ddl_guard ENABLE'), '', 'its event trigger disabled');
unlike(said("SET dbm.ddl_guard = off; BEGIN; DROP TABLE big; ROLLBACK"), qr/UD001/, 'and its setting turned off');

# --- Text

my @rows = rows($node, 'postgres', "SELECT * FROM dbm.explain_ddl('$grow; SELECT 1; ALTER TABLE nosuch ADD a int; ALTER TABEL x')");
is(join(' ', map { "$_->{statement_no}:$_->{verdict}" } grep { ($_->{severity} // 'error') =~ /error|critical/ } @rows), '1:unsafe 2:safe 3:unknown 4:unknown', 'what is explained is judged statement by statement');
my ($first) = grep { ($_->{rule} // '') eq $rule } @rows;
ok($first->{rewrites} && $first->{bytes} > 1e6 && $first->{rows} > 1e4 && $first->{seconds_high} > $first->{seconds_low} && $first->{lock_mode} eq 'ACCESS EXCLUSIVE', 'with its numbers');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_attribute WHERE attrelid = 'big'::regclass AND attname = 'a' AND atttypid = 'int'::regtype"), 1, 'and not run');
my ($linted) = rows($node, 'postgres', "SELECT * FROM dbm.lint_migration(E'-- one\\n\\\\echo two\\nBEGIN;\\nCOPY big FROM stdin;\\n1;2\\n\\\\.\\n$grow;\\nCOMMIT;') WHERE rule = '$rule'");
is("$linted->{statement_no} $linted->{line} $linted->{statement}", "3 7 $grow", 'a file is read with its meta-commands and data');
my ($sarif) = rows($node, 'postgres', "SELECT d ->> 'version' AS version, jsonb_path_query_array(d, '\$.runs[0].results[*].ruleId') AS rules FROM dbm.lint_migration_sarif('$grow') AS d");
ok($sarif->{version} eq '2.1.0' && (grep { $_ eq $rule } @{ $sarif->{rules} }), 'and comes as SARIF');
like(said("SELECT dbm.lint_migration('', 'oracle')"), qr/ERROR:  22023: .*oracle/, 'a dialect that nobody reads is refused');

$node->stop;
done_testing();
