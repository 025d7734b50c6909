# Every rule of security: what is planted is found and what only looks like it is not; the fix clears it, the undo brings it
# back. What no fix is written for has to be cleared by the statement that the test gives.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(none rows utf8_locale);
use Digest::SHA qw(hmac_sha256 sha256);
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('security');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'app,watcher' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\npassword_encryption = 'scram-sha-256'\nwal_level = logical");
$node->start;
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');
my $me      = $node->safe_psql('postgres', 'SELECT current_user');

$node->safe_psql('postgres', <<'SQL');
CREATE DATABASE rules;
CREATE ROLE app LOGIN;
CREATE ROLE watcher LOGIN;
CREATE ROLE keeper NOLOGIN;
CREATE ROLE tenant_owner LOGIN;
SQL
$node->safe_psql('rules', <<'SQL');
CREATE EXTENSION dbmastery;
-- What the guard and the server say of the statements is not the subject.
ALTER DATABASE rules SET dbm.ddl_guard = 'off';
ALTER DATABASE rules SET client_min_messages = 'error';
GRANT USAGE ON SCHEMA dbm TO watcher;
GRANT pg_monitor TO watcher;
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO PUBLIC;
SQL

# What was found and has neither a fix with its undo nor a reason why not.
my @unmended;

# The findings of a rule: object => row.
sub found
{
	my ($rule, %options) = @_;
	my @rows = rows($node, 'rules', "SELECT * FROM dbm.audit('security') WHERE rule = '$rule'", %options);
	my @broken = grep { $_->{status} eq 'error' } @rows;
	none([ map { $_->{message} } @broken ], "$rule did not break") if @broken;
	my @findings = grep { $_->{status} eq 'finding' } @rows;
	push @unmended, map { "$_->{rule} on $_->{object}" } grep { !is_mended($_) } @findings;
	return map { $_->{object} => $_ } @findings;
}

# Whether a finding has a fix and what takes it back, or says why there is none.
sub is_mended
{
	my ($finding) = @_;
	my $evidence = $finding->{evidence};
	return !$finding->{undo} && ($evidence->{no_simple_fix_because} // '') ne '' if !$finding->{fix};
	return $finding->{undo} || ($evidence->{no_undo_because} // '') ne '';
}

# Runs statements one by one at top level, as they are printed.
sub run_sql
{
	my ($sql, $what) = @_;
	my ($status, $out, $error) = $node->psql('rules', $sql, on_error_stop => 1);
	is("$status $error", '0 ', $what);
	return;
}

my (@tested, $reloaded);

# Files that the test puts where others look, however it ends.
my @planted;
END { unlink @planted }

# rule, object, seed; severity and says: how bad it is, and what has to be said of it; right: what looks like it and has to be silent, with its objects; clean. A finding comes with a fix and an
# undo; no_fix says that there is none, and clear what clears it then; no_undo says that nothing takes the fix back.
sub case
{
	my (%case) = @_;
	my ($rule, $object) = @case{ 'rule', 'object' };
	$rule = "security.$rule";
	push @tested, $rule;
	my %before = found($rule);
	ok(!$before{$object}, "$rule is silent before") or return;
	run_sql($case{seed}, "$rule: seeded");
	run_sql($case{right}, "$rule: look-alikes made") if $case{right};
	settle($case{seed});
	my %found = found($rule);
	my $finding = $found{$object};
	ok($finding, "$rule finds $object") or diag(join "\n", 'found instead:', sort keys %found);
	for my $silent (@{ $case{silent} // [] })
	{
		ok(!$found{$silent}, "$rule: silent about $silent");
	}
	if ($finding)
	{
		is($finding->{severity}, $case{severity}, "$rule: severity") if $case{severity};
		like($finding->{message}, $case{says}, "$rule: what is said") if $case{says};
		is($finding->{fix} ? 'a fix' : 'no fix', $case{no_fix} ? 'no fix' : 'a fix', "$rule: whether it is mended by a statement");
		is($finding->{undo} ? 'an undo' : 'no undo', $case{no_fix} || $case{no_undo} ? 'no undo' : 'an undo', "$rule: and whether that is taken back by one");
		isnt($finding->{evidence}{no_simple_fix_because} // '', '', "$rule: and why not") if $case{no_fix} && $case{no_fix} eq 'told';
	}
	if ($finding && $finding->{fix})
	{
		run_sql($finding->{fix}, "$rule: the fix runs");
		settle($finding->{fix});
		ok(!{ found($rule) }->{$object}, "$rule: the fix clears it");
		if ($finding->{undo})
		{
			run_sql($finding->{undo}, "$rule: the undo runs");
			settle($finding->{undo});
			my %again = found($rule);
			ok($again{$object}, "$rule: the undo brings it back");
			is($again{$object}{message}, $finding->{message}, "$rule: as it was") if $again{$object};
		}
	}
	elsif ($finding)
	{
		ok($case{clear}, "$rule: the test says what clears it");
		run_sql($case{clear} // 'SELECT 1', "$rule: cleared by hand");
		settle($case{clear} // '');
		ok(!{ found($rule) }->{$object}, "$rule: it is silent then");
	}
	if ($case{clean})
	{
		$node->safe_psql('rules', $case{clean});
		settle($case{clean});
	}
	return;
}

# After a reload, until it has arrived at whoever connects.
sub settle
{
	my ($sql) = @_;
	return if ($sql // '') !~ /reload/;
	$reloaded++;
	$node->append_conf('postgresql.conf', "dbmastery_test.reloaded = $reloaded");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('dbmastery_test.reloaded', true) = '$reloaded'") or die 'no reload';
	return;
}

# --- Roles

case(rule => 'extra_superuser', object => 'root2', severity => 'critical',
	seed  => 'CREATE ROLE root2 LOGIN SUPERUSER',
	right => 'CREATE ROLE root3 NOLOGIN SUPERUSER', silent => ['root3'],
	clean => 'DROP ROLE root2; DROP ROLE root3');
case(rule => 'extra_superuser', object => 'app', severity => 'critical',
	seed  => 'CREATE ROLE root3 NOLOGIN SUPERUSER; CREATE ROLE "Step" NOLOGIN; GRANT root3 TO "Step"; GRANT "Step" TO app',
	clean => 'DROP ROLE root3; DROP ROLE "Step"');
case(rule => 'role_bypasses_row_security', object => '"By Pass"', severity => 'warning',
	seed  => 'CREATE ROLE "By Pass" BYPASSRLS', right => 'CREATE ROLE plain', silent => ['plain'],
	clean => 'DROP ROLE "By Pass"; DROP ROLE plain');
case(rule => 'role_creates_roles', object => 'maker', severity => $version < 160000 ? 'critical' : 'warning',
	seed  => 'CREATE ROLE maker CREATEROLE', right => 'CREATE ROLE builder CREATEDB', silent => ['builder'],
	clean => 'DROP ROLE maker; DROP ROLE builder');
case(rule => 'dangerous_membership', object => 'app in pg_read_server_files', severity => 'critical',
	seed   => 'GRANT pg_read_server_files TO app',
	silent => ['watcher in pg_monitor'], clean => 'REVOKE pg_read_server_files FROM app');
case(rule => 'dangerous_membership', object => 'keeper in pg_write_all_data', severity => 'error',
	seed => 'GRANT pg_write_all_data TO keeper WITH ADMIN OPTION; GRANT keeper TO app', clean => 'REVOKE keeper FROM app; REVOKE pg_write_all_data FROM keeper');
case(rule => 'search_path_writable', object => 'ROLE watcher',
	seed   => 'CREATE SCHEMA loose; GRANT CREATE ON SCHEMA loose TO app; ALTER ROLE watcher SET search_path = loose, public',
	right  => 'ALTER ROLE app SET search_path = shop', silent => ['ROLE app'],
	clean  => 'ALTER ROLE watcher RESET search_path; ALTER ROLE app RESET search_path; DROP SCHEMA loose');
case(rule => 'search_path_writable', object => 'ROLE ALL', severity => 'error',
	seed  => 'CREATE SCHEMA loose; GRANT CREATE ON SCHEMA loose TO app; ALTER ROLE ALL SET search_path = loose, public',
	clean => 'ALTER ROLE ALL RESET search_path; DROP SCHEMA loose');
# Every predefined role that reaches far, by how bad it is; the server does not know all of them in each version.
for my $predefined ([ pg_execute_server_program => 'critical' ], [ pg_write_server_files => 'critical' ], [ pg_read_server_files => 'critical' ], [ pg_write_all_data => 'error' ],
	[ pg_create_subscription => 'warning' ], [ pg_maintain => 'warning' ], [ pg_read_all_data => 'warning' ], [ pg_signal_backend => 'info' ], [ pg_monitor => 'info' ])
{
	my ($role, $severity) = @$predefined;
	next if $node->safe_psql('postgres', "SELECT to_regrole('$role') IS NULL") eq 't';
	# Who sees what others do is told of where he writes himself, as app does then.
	my $writes = $role eq 'pg_monitor' ? 'CREATE TABLE shop.written (a int); GRANT INSERT ON shop.written TO app; ' : '';
	case(rule => 'dangerous_membership', object => "app in $role", severity => $severity,
		seed  => "${writes}GRANT $role TO app",
		right => 'CREATE ROLE root5 SUPERUSER; GRANT ' . $role . ' TO root5; GRANT pg_stat_scan_tables TO app', silent => [ "root5 in $role", 'app in pg_stat_scan_tables', 'watcher in pg_monitor' ],
		clean => "REVOKE $role FROM app; REVOKE pg_stat_scan_tables FROM app; DROP ROLE root5" . ($writes ? '; DROP TABLE shop.written' : ''));
}
if ($version >= 160000)
{
	# What is inherited without SET ROLE is had; what is neither is not.
	case(rule => 'dangerous_membership', object => 'keeper in pg_read_server_files', severity => 'critical',
		seed  => 'GRANT pg_read_server_files TO keeper; GRANT keeper TO app WITH INHERIT TRUE, SET FALSE; CREATE ROLE idle LOGIN',
		right => 'GRANT pg_read_server_files TO idle WITH INHERIT FALSE, SET FALSE', silent => ['idle in pg_read_server_files'],
		clean => 'REVOKE keeper FROM app; REVOKE pg_read_server_files FROM keeper; DROP ROLE idle');
}

# --- Passwords

case(rule => 'password_hash_weak', object => 'old', severity => 'error',
	seed  => "SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'a long word of its own'",
	right => "CREATE ROLE new LOGIN PASSWORD 'a long word of its own'", silent => ['new'],
	no_fix => 'told', clear => q{ALTER ROLE old PASSWORD 'a long word of its own'}, clean => 'DROP ROLE old; DROP ROLE new');
case(rule => 'password_guessable', object => 'guess_md5', severity => 'critical',
	seed  => "SET password_encryption = 'md5'; CREATE ROLE guess_md5 LOGIN PASSWORD 'guess_md5'",
	right => "CREATE ROLE strong LOGIN PASSWORD 'kk3-92-x8-word'; CREATE ROLE sleeping PASSWORD 'sleeping'",
	silent => [ 'strong', 'sleeping' ], clean => 'DROP ROLE guess_md5; DROP ROLE strong; DROP ROLE sleeping');
case(rule => 'password_guessable', object => '"Guess Scram"', severity => 'critical',
	seed  => q{CREATE ROLE "Guess Scram" LOGIN PASSWORD 'Guess Scram'}, clean => 'DROP ROLE "Guess Scram"');
case(rule => 'password_guessable', object => 'common', severity => 'critical',
	seed  => q{CREATE ROLE common LOGIN PASSWORD 'changeme'}, clean => 'DROP ROLE common');
# The thousand most usual ones: all of them where a guess is cheap, as many as the threshold allows where it is not.
my %usual = (20 => 'dragon', 899 => 'morgan1', 900 => 'vfrcbv', 1000 => 'satan666');
case(rule => 'password_guessable', object => 'usual', severity => 'critical', says => qr/one of the thousand words/,
	seed  => "SET password_encryption = 'md5'; CREATE ROLE usual LOGIN PASSWORD '$usual{900}'",
	right => "CREATE ROLE unusual LOGIN PASSWORD '$usual{900}$usual{899}'", silent => ['unusual'], clean => 'DROP ROLE usual; DROP ROLE unusual');
case(rule => 'password_guessable', object => 'last', severity => 'critical',
	seed => "SET password_encryption = 'md5'; CREATE ROLE last LOGIN PASSWORD '$usual{1000}'", clean => 'DROP ROLE last');
case(rule => 'password_guessable', object => 'usual_scram', severity => 'critical', says => qr/one of the thousand words/,
	seed => "CREATE ROLE usual_scram LOGIN PASSWORD '$usual{20}'", clean => 'DROP ROLE usual_scram');
for my $made ([ 'made123', qr/made of its name/ ], [ 'edam', qr/made of its name/ ], [ 'rules', qr/made of the name of the database/ ])
{
	case(rule => 'password_guessable', object => 'made', severity => 'critical', says => $made->[1],
		seed => "CREATE ROLE made LOGIN PASSWORD '$made->[0]'", clean => 'DROP ROLE made');
}

# A SCRAM secret that takes as many rounds as it is wanted to; the server's own take 4096.
sub scram
{
	my ($password, $rounds) = @_;
	my $salt = 'sixteen bytes...';
	my $last = hmac_sha256($salt . pack('N', 1), $password);
	my $salted = $last;
	for (2 .. $rounds) { $last = hmac_sha256($last, $password); $salted ^= $last }
	my ($client, $server) = map { hmac_sha256($_, $salted) } 'Client Key', 'Server Key';
	return "SCRAM-SHA-256\$$rounds:" . encode_base64($salt, '') . '$' . encode_base64(sha256($client), '') . ':' . encode_base64($server, '');
}
{
	# What takes few rounds is tried to the end, and what is left of the work decides about the rest: the name for each first.
	my $rule = 'security.password_guessable';
	$node->safe_psql('rules', "CREATE ROLE quick LOGIN PASSWORD '" . scram($usual{900}, 2) . "'; CREATE ROLE slow1 LOGIN PASSWORD '" . scram($usual{900}, 4096) . "'; CREATE ROLE slow2 LOGIN PASSWORD '" . scram('slow2', 4096) . "'");
	my %found = found($rule);
	is(join(' ', sort keys %found), 'quick slow2', "$rule: the bound is on the rounds that guesses take");
	my $with = sub {
		my ($rounds) = @_;
		$node->safe_psql('rules', qq{INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('$rule', '{"rounds": $rounds}')});
		my @rows = rows($node, 'rules', "SELECT * FROM dbm.audit('security') WHERE rule = '$rule'");
		$node->safe_psql('rules', "DELETE FROM dbm.rule_setting WHERE rule = '$rule'");
		return @rows;
	};
	my @rows = $with->(2 + 4096);
	is(join(' ', map { $_->{object} } grep { $_->{status} eq 'finding' } @rows), '', "$rule: little work finds little");
	my @unknown = grep { $_->{status} eq 'unknown' } @rows;
	is(scalar @unknown, 1, "$rule: whose own name was not tried is unknown") and like($unknown[0]{message}, qr/raise it in dbm\.rule_setting/, "$rule: and what to do is told");
	@rows = $with->(0);
	like(join("\n", map { $_->{message} } grep { $_->{status} eq 'unknown' } @rows), qr/as many rounds as the threshold/, "$rule: without work nothing is known");
	$node->safe_psql('rules', 'DROP ROLE quick; DROP ROLE slow1; DROP ROLE slow2');
}
case(rule => 'password_never_expires', object => 'endless',
	seed  => q{CREATE ROLE endless LOGIN PASSWORD 'x9-long-word'},
	right => q{CREATE ROLE ending LOGIN PASSWORD 'x9-long-word' VALID UNTIL '2099-01-01'}, silent => ['ending'],
	clean => 'DROP ROLE endless; DROP ROLE ending');
case(rule => 'secret_in_setting', object => 'app.api_key of role app',
	seed  => q{ALTER ROLE app SET app.api_key = 'hunter2'}, right => q{ALTER ROLE app SET app.colour = 'red'},
	silent => ['app.colour of role app'], no_undo => 'it is a secret', clean => 'ALTER ROLE app RESET app.colour');
# Wherever a setting can stand; what looks like it is there at the same place.
for my $place ([ 'ALTER DATABASE rules', 'database rules' ], [ 'ALTER ROLE ALL', 'all roles' ], [ 'ALTER ROLE app IN DATABASE rules', 'role app in database rules' ], [ 'ALTER ROLE "By Name"', 'role "By Name"', 'CREATE ROLE "By Name"', 'DROP ROLE "By Name"' ],
	[ 'ALTER ROLE "By Name" IN DATABASE rules', 'role "By Name" in database rules', 'CREATE ROLE "By Name"', 'DROP ROLE "By Name"' ])
{
	my ($alter, $whose, $first, $last) = @$place;
	$node->safe_psql('rules', $first) if $first;
	for my $secret ('app.api_key', 'app.db_password', 'my."Secret"', 'jwt.token')
	{
		my $name = $secret =~ s/"//gr;
		case(rule => 'secret_in_setting', object => "$name of $whose",
			seed  => qq{$alter SET $secret = 'hunter2'}, right => qq{$alter SET app.colour = 'red'; $alter SET password_encryption = 'scram-sha-256'},
			silent => [ "app.colour of $whose", "password_encryption of $whose" ], no_undo => 'it is a secret', clean => "$alter RESET ALL");
		last if $secret eq 'app.api_key' && $whose ne 'all roles';
	}
	$node->safe_psql('rules', $last) if $last;
}
# Of another database it is told there.
$node->safe_psql('rules', q{ALTER DATABASE postgres SET app.api_key = 'hunter2'; ALTER ROLE app IN DATABASE postgres SET app.api_key = 'hunter2'});
is(join(' ', sort keys %{ { found('security.secret_in_setting') } }), '', 'security.secret_in_setting: another database is asked there');
$node->safe_psql('rules', q{ALTER DATABASE postgres RESET app.api_key; ALTER ROLE app IN DATABASE postgres RESET app.api_key; ALTER DATABASE rules SET dbm.ddl_guard = 'off'; ALTER DATABASE rules SET client_min_messages = 'error'});
{
	$node->safe_psql('rules', q{ALTER ROLE app SET app.api_key = 'hunter2'});
	my ($row) = values %{ { found('security.secret_in_setting') } };
	unlike(join(' ', map { $_ // '' } @$row{qw(message fix undo)}), qr/hunter2/, 'the secret itself is not shown');
	$node->safe_psql('rules', 'ALTER ROLE app RESET app.api_key');
}

# --- Grants

case(rule => 'public_creates_in_schema', object => 'loose', severity => 'error',
	seed  => 'CREATE SCHEMA loose; GRANT CREATE ON SCHEMA loose TO PUBLIC',
	right => 'CREATE SCHEMA tight; GRANT USAGE ON SCHEMA tight TO PUBLIC; GRANT CREATE ON SCHEMA tight TO app', silent => ['tight'],
	clean => 'DROP SCHEMA loose; DROP SCHEMA tight');
{
	# Every database is born with it; so the finding is there before.
	my $rule = 'security.public_database_privilege';
	push @tested, $rule;
	my $finding = { found($rule) }->{rules};
	ok($finding, "$rule finds the database");
	run_sql($finding->{fix}, "$rule: the fix runs");
	ok(!{ found($rule) }->{rules}, "$rule: the fix clears it");
	is($node->safe_psql('rules', q{SELECT has_database_privilege('app', 'rules', 'CONNECT')}), 't', "$rule: nobody is shut out");
	$node->safe_psql('rules', 'GRANT ALL ON DATABASE rules TO keeper');
	ok(!{ found($rule) }->{rules}, "$rule: what one role has is silent");
	$node->safe_psql('rules', 'REVOKE ALL ON DATABASE rules FROM keeper');
	ok(!{ found($rule) }->{postgres}, "$rule: and so are other databases, in which it is not asked");
	run_sql($finding->{undo}, "$rule: the undo runs");
	ok({ found($rule) }->{rules}, "$rule: the undo brings it back");
	is($node->safe_psql('rules', q{SELECT count(*) FROM pg_database d, aclexplode(datacl) a WHERE datname = 'rules' AND a.grantee = 'app'::regrole}),
		0, "$rule: and leaves no grant behind");
}
case(rule => 'public_table_privilege', object => 'shop."Open"', severity => 'error',
	seed  => 'CREATE TABLE shop."Open" (a int); GRANT SELECT, INSERT ON shop."Open" TO PUBLIC',
	right => 'CREATE TABLE shop.closed (a int); GRANT SELECT ON shop.closed TO app', silent => ['shop.closed'],
	clean => 'DROP TABLE shop."Open"; DROP TABLE shop.closed');
case(rule => 'public_table_privilege', object => 'shop.numbers', severity => 'warning',
	seed  => 'CREATE SEQUENCE shop.numbers; GRANT USAGE ON SEQUENCE shop.numbers TO PUBLIC', clean => 'DROP SEQUENCE shop.numbers');
case(rule => 'public_table_privilege', object => 'shop.lent', severity => 'warning',
	seed  => 'CREATE TABLE shop.lent (a int); GRANT SELECT ON shop.lent TO app WITH GRANT OPTION; SET ROLE app; GRANT SELECT ON shop.lent TO PUBLIC; RESET ROLE',
	clean => 'DROP TABLE shop.lent');
{
	# REVOKE on a table takes what is granted on its columns along; the way back gives that too.
	my $rule = 'security.public_table_privilege';
	$node->safe_psql('rules', 'CREATE TABLE shop.twofold (a int, b int); GRANT SELECT (a) ON shop.twofold TO PUBLIC; GRANT SELECT ON shop.twofold TO PUBLIC');
	my $acl = q{SELECT string_agg(attname || ' ' || attacl::text, ' ') FROM pg_attribute WHERE attrelid = 'shop.twofold'::regclass AND attacl IS NOT NULL};
	my $was = $node->safe_psql('rules', $acl);
	my $finding = { found($rule) }->{'shop.twofold'};
	run_sql($finding->{fix}, "$rule: the fix runs");
	is($node->safe_psql('rules', $acl), '', "$rule: and takes the columns along");
	run_sql($finding->{undo}, "$rule: the undo runs");
	is($node->safe_psql('rules', $acl), $was, "$rule: and gives them back");
	$node->safe_psql('rules', 'DROP TABLE shop.twofold');
}
case(rule => 'public_column_privilege', object => 'shop.people."Name"', severity => 'warning',
	seed  => 'CREATE TABLE shop.people (id int, "Name" text); GRANT SELECT ("Name") ON shop.people TO PUBLIC',
	right => 'GRANT SELECT (id) ON shop.people TO app', silent => ['shop.people.id'], clean => 'DROP TABLE shop.people');
case(rule => 'public_default_privilege', object => 'tables of app in schema shop', severity => 'warning',
	seed  => 'ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA shop GRANT SELECT ON TABLES TO PUBLIC',
	right => 'ALTER DEFAULT PRIVILEGES FOR ROLE keeper GRANT EXECUTE ON FUNCTIONS TO app', silent => ['routines of keeper'],
	clean => 'ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA shop REVOKE SELECT ON TABLES FROM PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE keeper REVOKE EXECUTE ON FUNCTIONS FROM app');
case(rule => 'parameter_granted', object => 'session_replication_role', severity => 'critical',
	seed   => 'GRANT SET ON PARAMETER session_replication_role TO app',
	right  => 'CREATE ROLE root4 SUPERUSER; GRANT SET ON PARAMETER log_statement TO root4; GRANT ALTER SYSTEM ON PARAMETER archive_command TO root4; GRANT SET ON PARAMETER track_activities TO app; REVOKE SET ON PARAMETER track_activities FROM app; GRANT SET ON PARAMETER work_mem TO app',
	silent => [ 'log_statement', 'archive_command', 'track_activities', 'work_mem' ],
	clean  => 'REVOKE SET ON PARAMETER work_mem FROM app; REVOKE SET ON PARAMETER session_replication_role FROM app; DROP OWNED BY root4; DROP ROLE root4');
case(rule => 'parameter_granted', object => 'log_min_duration_statement', severity => 'error',
	seed  => 'GRANT SET, ALTER SYSTEM ON PARAMETER log_min_duration_statement TO keeper', clean => 'REVOKE ALL ON PARAMETER log_min_duration_statement FROM keeper');
case(rule => 'parameter_granted', object => 'session_replication_role', severity => 'critical',
	seed  => 'GRANT SET ON PARAMETER session_replication_role TO pg_monitor', clean => 'REVOKE SET ON PARAMETER session_replication_role FROM pg_monitor');
case(rule => 'owner_logs_in', object => 'tenant_owner', severity => 'warning',
	seed  => 'CREATE TABLE shop.owned (a int); ALTER TABLE shop.owned OWNER TO tenant_owner',
	right => 'CREATE TABLE shop.kept (a int); ALTER TABLE shop.kept OWNER TO keeper', silent => ['keeper'],
	no_fix => 'told', clear => 'ALTER TABLE shop.owned OWNER TO keeper', clean => 'DROP TABLE shop.owned; DROP TABLE shop.kept');
case(rule => 'system_function_granted', object => 'pg_catalog.pg_read_file(text)', severity => 'critical',
	seed  => 'GRANT EXECUTE ON FUNCTION pg_read_file(text) TO app',
	right => 'GRANT EXECUTE ON FUNCTION pg_ls_waldir() TO app', silent => ['pg_catalog.pg_ls_waldir()'],
	clean => 'REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM app; REVOKE EXECUTE ON FUNCTION pg_ls_waldir() FROM app');

# Every function of the server that reaches out, in each of its forms.
for my $name (qw(lo_export lo_import pg_backup_start pg_file_write pg_ls_dir pg_promote pg_read_binary_file pg_read_file pg_reload_conf pg_rotate_logfile pg_start_backup pg_stat_file))
{
	my @forms = split /\n/, $node->safe_psql('rules', "SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = '$name' ORDER BY 1");
	my $severity = $name =~ /^(?:lo_export|lo_import|pg_file_write|pg_read_binary_file|pg_read_file)$/ ? 'critical' : 'error';
	for my $form (@forms)
	{
		case(rule => 'system_function_granted', object => "pg_catalog.$form", severity => $severity,
			seed => "GRANT EXECUTE ON FUNCTION pg_catalog.$form TO app", right => "GRANT EXECUTE ON FUNCTION pg_ls_logdir() TO app", silent => ['pg_catalog.pg_ls_logdir()'],
			clean => "REVOKE EXECUTE ON FUNCTION pg_catalog.$form FROM app; REVOKE EXECUTE ON FUNCTION pg_ls_logdir() FROM app");
	}
}

case(rule => 'role_with_admin_option', object => 'app over keeper', severity => 'warning',
	seed  => 'GRANT keeper TO app WITH ADMIN OPTION', right => 'GRANT keeper TO watcher', silent => ['watcher over keeper'],
	clean => 'REVOKE keeper FROM app; REVOKE keeper FROM watcher');
case(rule => 'grant_option', object => 'shop.t', severity => 'warning',
	seed  => 'CREATE TABLE shop.t (a int); GRANT SELECT, INSERT ON shop.t TO app WITH GRANT OPTION; GRANT UPDATE ON shop.t TO app',
	right => 'CREATE TABLE shop.u (a int); GRANT SELECT ON shop.u TO app', silent => ['shop.u'], clean => 'DROP TABLE shop.t, shop.u');
case(rule => 'grant_option', object => 'shop.f(integer)', severity => 'warning',
	seed  => q{CREATE FUNCTION shop.f(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; GRANT EXECUTE ON FUNCTION shop.f TO app WITH GRANT OPTION; GRANT EXECUTE ON FUNCTION shop.f TO watcher},
	clean => 'DROP FUNCTION shop.f');
case(rule => 'grant_option', object => 'loose', severity => 'warning',
	seed  => 'CREATE SCHEMA loose; GRANT USAGE ON SCHEMA loose TO app WITH GRANT OPTION; SET ROLE app; GRANT USAGE ON SCHEMA loose TO watcher; RESET ROLE',
	no_fix => 'told', clear => 'REVOKE GRANT OPTION FOR USAGE ON SCHEMA loose FROM app CASCADE', clean => 'DROP SCHEMA loose');

# --- Functions

my $body = q{LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN $1; END'};
case(rule => 'definer_without_search_path', object => 'shop.f(integer)', severity => 'critical',
	seed  => "CREATE FUNCTION shop.f(int) RETURNS int $body",
	right => "CREATE FUNCTION shop.pinned(int) RETURNS int $body; ALTER FUNCTION shop.pinned SET search_path = pg_catalog, pg_temp;
	          CREATE FUNCTION shop.parsed(int) RETURNS int SECURITY DEFINER RETURN \$1;
	          CREATE FUNCTION shop.invoker(int) RETURNS int LANGUAGE sql AS 'SELECT \$1'",
	silent => [ 'shop.pinned(integer)', 'shop.parsed(integer)', 'shop.invoker(integer)' ],
	clean  => 'DROP FUNCTION shop.f; DROP FUNCTION shop.pinned; DROP FUNCTION shop.parsed; DROP FUNCTION shop.invoker');
case(rule => 'definer_without_search_path', object => 'shop.mild(integer)', severity => 'error',
	seed  => "CREATE FUNCTION shop.mild(int) RETURNS int $body; ALTER FUNCTION shop.mild OWNER TO keeper", clean => 'DROP FUNCTION shop.mild');
case(rule => 'definer_without_search_path', object => 'shop.p(integer)', severity => 'critical',
	seed  => q{CREATE PROCEDURE shop.p(int) LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN END'}, clean => 'DROP PROCEDURE shop.p');
case(rule => 'definer_search_path_unsafe', object => 'shop.f(integer)', severity => 'critical',
	seed  => "CREATE SCHEMA loose; GRANT CREATE, USAGE ON SCHEMA loose TO app; CREATE FUNCTION shop.f(int) RETURNS int $body; ALTER FUNCTION shop.f SET search_path = pg_catalog, loose, pg_temp",
	right => "CREATE FUNCTION shop.g(int) RETURNS int $body; ALTER FUNCTION shop.g SET search_path = pg_catalog, shop, pg_temp",
	silent => ['shop.g(integer)'], clean => 'DROP FUNCTION shop.f; DROP FUNCTION shop.g; DROP SCHEMA loose');
case(rule => 'definer_search_path_unsafe', object => 'shop.h(integer)', severity => 'critical',
	seed  => qq{CREATE FUNCTION shop.h(int) RETURNS int $body; ALTER FUNCTION shop.h SET search_path = "\$user", shop}, clean => 'DROP FUNCTION shop.h');
case(rule => 'definer_search_path_unsafe', object => 'shop.i(integer)', severity => 'warning',
	seed  => "CREATE FUNCTION shop.i(int) RETURNS int $body; ALTER FUNCTION shop.i SET search_path = pg_catalog, shop", clean => 'DROP FUNCTION shop.i');
case(rule => 'definer_open_to_public', object => 'shop.f(integer)', severity => 'error',
	seed  => "CREATE FUNCTION shop.f(int) RETURNS int $body",
	right => "CREATE FUNCTION shop.g(int) RETURNS int $body; REVOKE EXECUTE ON FUNCTION shop.g FROM PUBLIC; GRANT EXECUTE ON FUNCTION shop.g TO app;
	          CREATE FUNCTION shop.t() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END'; CREATE SCHEMA hidden;
	          CREATE FUNCTION hidden.g(int) RETURNS int $body",
	silent => [ 'shop.g(integer)', 'shop.t()', 'hidden.g(integer)' ],
	clean  => 'DROP FUNCTION shop.f; DROP FUNCTION shop.g; DROP FUNCTION shop.t; DROP FUNCTION hidden.g; DROP SCHEMA hidden');
# Where a function of an extension looks names up is as dangerous as where any other does.
$node->safe_psql('rules', 'CREATE EXTENSION citext SCHEMA shop');
my $joined = sub { "CREATE FUNCTION shop.$_[0](int) RETURNS int $body; $_[1] ALTER EXTENSION citext ADD FUNCTION shop.$_[0](int)" };
my $parted = sub { "ALTER EXTENSION citext DROP FUNCTION shop.$_[0](int); DROP FUNCTION shop.$_[0](int)" };
case(rule => 'definer_without_search_path', object => 'shop.member(integer)', severity => 'critical', seed => $joined->('member', ''), clean => $parted->('member'));
case(rule => 'definer_search_path_unsafe', object => 'shop.member(integer)', severity => 'critical',
	seed => 'CREATE SCHEMA loose; GRANT CREATE, USAGE ON SCHEMA loose TO app; ' . $joined->('member', 'ALTER FUNCTION shop.member SET search_path = pg_catalog, loose, pg_temp;'), clean => $parted->('member') . '; DROP SCHEMA loose');
# Whom it is for is the extension's to say.
$node->safe_psql('rules', $joined->('member', ''));
ok(!{ found('security.definer_open_to_public') }->{'shop.member(integer)'}, 'security.definer_open_to_public: silent about what an extension grants');
is({ found('security.definer_without_search_path') }->{'shop.member(integer)'}{evidence}{of_an_extension}, 1, 'security.definer_without_search_path: which extensions have to mend is told');
$node->safe_psql('rules', $parted->('member'));
$node->safe_psql('rules', 'DROP EXTENSION citext');
case(rule => 'leakproof_function', object => 'shop.f(integer)', severity => 'error',
	seed  => q{CREATE FUNCTION shop.f(int) RETURNS int LANGUAGE sql LEAKPROOF AS 'SELECT $1'},
	right => q{CREATE FUNCTION shop.g(int) RETURNS int LANGUAGE sql AS 'SELECT $1'}, silent => ['shop.g(integer)'],
	clean => 'DROP FUNCTION shop.f; DROP FUNCTION shop.g');
case(rule => 'function_shadows_system', object => 'shop.lower(character varying)', severity => 'warning',
	seed  => q{CREATE FUNCTION shop.lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT $1::text'; ALTER FUNCTION shop.lower OWNER TO app},
	right => q{CREATE FUNCTION shop.upper(varchar) RETURNS text LANGUAGE sql AS 'SELECT $1::text'; CREATE FUNCTION shop.lower(int, int, int) RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION shop.lower(int, int, int) OWNER TO app},
	silent => [ 'shop.upper(character varying)', 'shop.lower(integer,integer,integer)' ],
	clean  => 'DROP FUNCTION shop.lower(varchar); DROP FUNCTION shop.upper; DROP FUNCTION shop.lower(int, int, int)');
# PL/pgSQL by another name, which nobody said is to be trusted.
$node->safe_psql('rules', 'CREATE LANGUAGE unbound HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler VALIDATOR plpgsql_validator');
case(rule => 'untrusted_language_open', object => 'shop.f()', severity => 'error',
	seed  => q{CREATE FUNCTION shop.f() RETURNS int LANGUAGE unbound AS 'BEGIN RETURN 1; END'},
	right => q{CREATE FUNCTION shop.g() RETURNS int LANGUAGE unbound AS 'BEGIN RETURN 1; END'; REVOKE EXECUTE ON FUNCTION shop.g FROM PUBLIC;
		CREATE FUNCTION shop.h() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; CREATE FUNCTION shop.i() RETURNS trigger LANGUAGE unbound AS 'BEGIN RETURN NEW; END'},
	silent => [ 'shop.g()', 'shop.h()', 'shop.i()' ], clean => 'DROP FUNCTION shop.f, shop.g, shop.h, shop.i');
$node->safe_psql('rules', 'DROP LANGUAGE unbound');

# --- Row-level security

my $tenants = 'CREATE TABLE shop.t (id int PRIMARY KEY, tenant int); CREATE POLICY own ON shop.t USING (tenant = 1)';
my $on      = 'ALTER TABLE shop.t ENABLE ROW LEVEL SECURITY';
case(rule => 'policies_without_row_security', object => 'shop.t', severity => 'critical',
	seed  => $tenants, right => 'CREATE TABLE shop.u (id int); CREATE POLICY own ON shop.u USING (id = 1); ALTER TABLE shop.u ENABLE ROW LEVEL SECURITY',
	silent => ['shop.u'], clean => 'DROP TABLE shop.t; DROP TABLE shop.u');
case(rule => 'row_security_without_policy', object => 'shop.t', severity => 'info',
	seed  => "CREATE TABLE shop.t (id int); $on; GRANT SELECT ON shop.t TO app",
	right => 'CREATE TABLE shop.u (id int); ALTER TABLE shop.u ENABLE ROW LEVEL SECURITY', silent => ['shop.u'],
	no_fix => 'told', clear => 'CREATE POLICY own ON shop.t USING (id = 1)', clean => 'DROP TABLE shop.t; DROP TABLE shop.u');
case(rule => 'row_security_not_forced', object => 'shop.t', severity => 'error',
	seed  => "$tenants; $on; ALTER TABLE shop.t OWNER TO tenant_owner",
	right => 'CREATE TABLE shop.u (id int); CREATE POLICY own ON shop.u USING (id = 1); ALTER TABLE shop.u ENABLE ROW LEVEL SECURITY',
	silent => ['shop.u'], clean => 'DROP TABLE shop.t; DROP TABLE shop.u');
case(rule => 'row_security_sidestepped', object => 'shop.t', severity => 'error',
	seed  => "$tenants; $on; GRANT TRUNCATE, SELECT ON shop.t TO app",
	right => 'CREATE TABLE shop.u (id int); GRANT TRUNCATE ON shop.u TO app', silent => ['shop.u'], clean => 'DROP TABLE shop.t; DROP TABLE shop.u');
case(rule => 'row_security_sidestepped', object => 'shop.t', severity => 'warning',
	seed => "$tenants; $on; GRANT REFERENCES (id, tenant) ON shop.t TO app", clean => 'DROP TABLE shop.t');
case(rule => 'partition_without_row_security', object => 'shop.q1', severity => 'critical',
	seed  => 'CREATE TABLE shop.q (id int, tenant int) PARTITION BY RANGE (id); CREATE TABLE shop.q1 PARTITION OF shop.q FOR VALUES FROM (0) TO (9);
	          CREATE POLICY own ON shop.q USING (tenant = 1); ALTER TABLE shop.q ENABLE ROW LEVEL SECURITY; GRANT SELECT (id), UPDATE (tenant, id) ON shop.q1 TO app',
	clean => 'DROP TABLE shop.q');
case(rule => 'partition_without_row_security', object => 'shop.p1', severity => 'critical',
	seed  => 'CREATE TABLE shop.p (id int, tenant int) PARTITION BY RANGE (id); CREATE TABLE shop.p1 PARTITION OF shop.p FOR VALUES FROM (0) TO (9);
	          CREATE POLICY own ON shop.p USING (tenant = 1); ALTER TABLE shop.p ENABLE ROW LEVEL SECURITY; GRANT SELECT ON shop.p, shop.p1 TO app',
	right => 'CREATE TABLE shop.p2 PARTITION OF shop.p FOR VALUES FROM (10) TO (19)', silent => ['shop.p2'], clean => 'DROP TABLE shop.p');
case(rule => 'foreign_key_crosses_tenants', object => 'fk on shop.lines', severity => 'error',
	seed  => "$tenants; $on; ALTER TABLE shop.t ADD UNIQUE (tenant, id); CREATE TABLE shop.lines (tenant int, t_id int CONSTRAINT fk REFERENCES shop.t); CREATE POLICY own ON shop.lines USING (tenant = 1); ALTER TABLE shop.lines ENABLE ROW LEVEL SECURITY",
	right => 'ALTER TABLE shop.lines ADD CONSTRAINT both_of FOREIGN KEY (tenant, t_id) REFERENCES shop.t (tenant, id)', silent => ['both_of on shop.lines'],
	no_fix => 'told', clear => 'ALTER TABLE shop.lines DROP CONSTRAINT fk', clean => 'DROP TABLE shop.lines; DROP TABLE shop.t');
case(rule => 'policy_always_true', object => 'open on shop.t', severity => 'error',
	seed  => "$tenants; $on; CREATE POLICY open ON shop.t USING (true)",
	right => 'CREATE TABLE shop.u (id int); CREATE POLICY open ON shop.u USING (true); CREATE POLICY bound ON shop.u AS RESTRICTIVE USING (id = 1); ALTER TABLE shop.u ENABLE ROW LEVEL SECURITY',
	silent => [ 'open on shop.u', 'own on shop.t' ], clean => 'DROP TABLE shop.t; DROP TABLE shop.u');
case(rule => 'policy_always_true', object => '"only one" on shop.t', severity => 'warning',
	seed  => 'CREATE TABLE shop.t (id int); ALTER TABLE shop.t ENABLE ROW LEVEL SECURITY; CREATE POLICY "only one" ON shop.t FOR SELECT TO app USING (true)',
	no_fix => 'told', clear => 'DROP POLICY "only one" ON shop.t', clean => 'DROP TABLE shop.t');
# A restrictive policy that is true itself, says nothing of what is read, or is about another command or role, restricts nothing.
for my $beside ([ 'USING (true)', 'error' ], [ 'FOR SELECT USING (id = 1)', 'error' ], [ 'FOR INSERT WITH CHECK (id = 1)', 'error' ], [ 'TO app USING (id = 1)', 'error' ], [ 'USING (true) WITH CHECK (id = 1)', 'error' ], [ 'WITH CHECK (id = 1)', 'error' ])
{
	my ($other, $severity) = @$beside;
	case(rule => 'policy_always_true', object => 'open on shop.t', severity => $severity,
		seed  => "CREATE TABLE shop.t (id int); $on; CREATE POLICY open ON shop.t USING (true); CREATE POLICY bound ON shop.t AS RESTRICTIVE $other",
		right => 'CREATE TABLE shop.u (id int); ALTER TABLE shop.u ENABLE ROW LEVEL SECURITY; CREATE POLICY open ON shop.u USING (true); '
		  . 'CREATE POLICY r ON shop.u AS RESTRICTIVE FOR SELECT USING (id = 1); CREATE POLICY a ON shop.u AS RESTRICTIVE FOR INSERT WITH CHECK (id = 1); '
		  . 'CREATE POLICY w ON shop.u AS RESTRICTIVE FOR UPDATE USING (id = 1); CREATE POLICY d ON shop.u AS RESTRICTIVE FOR DELETE USING (id = 1)',
		silent => [ 'open on shop.u', 'bound on shop.t' ],
		no_fix => 'told', clear => 'ALTER POLICY bound ON shop.t ' . ($other =~ /SELECT|INSERT|TO app/ ? 'RENAME TO bound_too; CREATE POLICY bound ON shop.t AS RESTRICTIVE USING (id = 1)' : 'USING (id = 1)'),
		clean => 'DROP TABLE shop.t; DROP TABLE shop.u');
}
# WITH CHECK that asks for anything but the tenant; for it too, for it by a restrictive policy, for who writes, for what others choose by.
my $told_of = qr/lets rows be written whatever they have in tenant, by which rows are chosen to be read/;
for my $policy ('CREATE POLICY open ON shop.t USING (tenant = 1) WITH CHECK (id > 0)', 'CREATE POLICY open ON shop.t FOR UPDATE USING (tenant = 1) WITH CHECK (id > 0)', 'CREATE POLICY open ON shop.t FOR INSERT WITH CHECK (id > 0)', 'CREATE POLICY open ON shop.t FOR INSERT TO app WITH CHECK (id > 0)')
{
	case(rule => 'policy_check_forgets_tenant', object => 'open on shop.t', severity => 'error', says => $told_of,
		seed  => "$tenants; $on; $policy",
		right => 'CREATE TABLE shop.u (id int, tenant int); ALTER TABLE shop.u ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON shop.u USING (tenant = 1) WITH CHECK (tenant = 1 AND id > 0); CREATE POLICY who ON shop.u FOR INSERT WITH CHECK (current_user = \'app\'); CREATE POLICY row ON shop.u FOR INSERT WITH CHECK (u IS NOT NULL);
			CREATE TABLE shop.v (id int, tenant int); ALTER TABLE shop.v ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON shop.v USING (tenant = 1) WITH CHECK (id > 0); CREATE POLICY bound ON shop.v AS RESTRICTIVE USING (tenant = 1);
			CREATE TABLE shop.w (id int, author int, is_public bool); ALTER TABLE shop.w ENABLE ROW LEVEL SECURITY; CREATE POLICY shown ON shop.w FOR SELECT USING (is_public); CREATE POLICY own ON shop.w FOR UPDATE USING (author = 1); CREATE POLICY made ON shop.w FOR INSERT WITH CHECK (author = 1)',
		silent => [ 'own on shop.t', 'own on shop.u', 'who on shop.u', 'row on shop.u', 'own on shop.v', 'made on shop.w' ], clean => 'DROP TABLE shop.t, shop.u, shop.v, shop.w');
}
case(rule => 'policy_check_forgets_tenant', object => 'open on shop.t', severity => 'error',
	seed => "$tenants; $on; CREATE POLICY open ON shop.t USING (tenant = (SELECT min(oid::int) FROM pg_class)) WITH CHECK (id > 0)", no_fix => 'told', clear => 'DROP POLICY open ON shop.t', clean => 'DROP TABLE shop.t');
# What is for another role chooses no rows of this one; restrictive policies may be one for each command.
case(rule => 'policy_check_forgets_tenant', object => 'open on shop.t', severity => 'error', says => $told_of,
	seed  => "CREATE TABLE shop.t (id int, tenant int); $on; CREATE POLICY seen ON shop.t FOR SELECT TO app USING (tenant = 1); CREATE POLICY changed ON shop.t FOR UPDATE TO app USING (tenant = 1);
		CREATE POLICY kept ON shop.t TO keeper USING (true); CREATE POLICY open ON shop.t FOR INSERT TO app WITH CHECK (id > 0)",
	right => 'CREATE TABLE shop.u (id int, tenant int); ALTER TABLE shop.u ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON shop.u USING (tenant = 1) WITH CHECK (id > 0);
		CREATE POLICY made ON shop.u AS RESTRICTIVE FOR INSERT WITH CHECK (tenant = 1); CREATE POLICY changed ON shop.u AS RESTRICTIVE FOR UPDATE WITH CHECK (tenant = 1)',
	silent => ['own on shop.u'], clean => 'DROP TABLE shop.t, shop.u');
# That another policy chooses by what this one checks keeps nobody from reading its text.
case(rule => 'policy_check_forgets_tenant', object => 'open on shop.t', severity => 'error', says => $told_of,
	seed  => "CREATE TABLE shop.t (id int, tenant int); $on; CREATE POLICY seen ON shop.t FOR SELECT USING (id > 5); CREATE POLICY open ON shop.t FOR UPDATE USING (tenant = 1) WITH CHECK (id > 0)",
	clean => 'DROP TABLE shop.t');
# What may be deleted says nothing of what may be made, and a USING that asks for more than the tenant would refuse more.
case(rule => 'policy_check_forgets_tenant', object => 'open on shop.t', severity => 'error', says => $told_of,
	seed  => "CREATE TABLE shop.t (id int, tenant int, status text); $on; CREATE POLICY gone ON shop.t FOR DELETE USING (tenant = 1 AND status = 'draft'); CREATE POLICY changed ON shop.t FOR UPDATE USING (tenant = 1 AND status = 'draft');
		CREATE POLICY seen ON shop.t FOR SELECT USING (tenant = 1); CREATE POLICY open ON shop.t FOR INSERT WITH CHECK (id > 0)",
	no_fix => 'told', clear => 'DROP POLICY open ON shop.t', clean => 'DROP TABLE shop.t');
{
	# The fix of what is inserted is what may be changed: not only drafts.
	my $rule = 'security.policy_check_forgets_tenant';
	$node->safe_psql('rules', "CREATE TABLE shop.t (id int, tenant int, status text); $on; CREATE POLICY gone ON shop.t FOR DELETE USING (tenant = 1 AND status = 'draft'); CREATE POLICY changed ON shop.t FOR UPDATE USING (tenant = 1);
		CREATE POLICY open ON shop.t FOR INSERT WITH CHECK (id > 0); GRANT INSERT ON shop.t TO app");
	my $finding = { found($rule) }->{'open on shop.t'};
	like($finding->{evidence}{check_becomes} // '', qr/tenant = 1.* AND .*id > 0/, "$rule: what the check becomes is told");
	unlike($finding->{evidence}{check_becomes} // '', qr/status/, "$rule: and it is not what may be deleted");
	run_sql($finding->{fix}, "$rule: the fix beside a policy for DELETE runs");
	my $writes = sub { my ($code) = $node->psql('rules', "INSERT INTO shop.t VALUES ($_[0], $_[1], 'sent')", extra_params => [ '-U', 'app' ]); return $code ? 'refused' : 'written' };
	is(join(' ', $writes->(1, 1), $writes->(2, 2)), 'written refused', "$rule: and lets in one's own that are no drafts");
	$node->safe_psql('rules', 'DROP TABLE shop.t');
}
{
	# The fix keeps others' rows out and lets one's own in.
	my $rule = 'security.policy_check_forgets_tenant';
	$node->safe_psql('rules', "$tenants; $on; DROP POLICY own ON shop.t; CREATE POLICY own ON shop.t USING (tenant = 1 OR tenant = 3) WITH CHECK (id > 0 OR id < -9); GRANT SELECT, INSERT ON shop.t TO app");
	my $writes = sub { my ($code) = $node->psql('rules', "INSERT INTO shop.t VALUES ($_[0], $_[1])", extra_params => [ '-U', 'app' ]); return $code ? 'refused' : 'written' };
	is(join(' ', $writes->(1, 1), $writes->(2, 2), $writes->(-1, 1)), 'written written refused', "$rule: rows of another are written");
	run_sql({ found($rule) }->{'own on shop.t'}{fix}, "$rule: the fix of alternatives runs");
	is(join(' ', $writes->(3, 3), $writes->(4, 2), $writes->(-2, 1)), 'written refused refused', "$rule: and after it are not");
	$node->safe_psql('rules', 'DROP TABLE shop.t');
}
case(rule => 'policy_calls_volatile', object => 'own on shop.t', severity => 'warning',
	seed  => "CREATE FUNCTION shop.tenant() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; CREATE TABLE shop.t (tenant int); CREATE POLICY own ON shop.t USING (tenant = shop.tenant()); $on",
	right => q{CREATE TABLE shop.u (tenant int); CREATE POLICY own ON shop.u USING (tenant = current_setting('a.b')::int AND current_user = 'app'); ALTER TABLE shop.u ENABLE ROW LEVEL SECURITY},
	silent => ['own on shop.u'], clean => 'DROP TABLE shop.t; DROP TABLE shop.u; DROP FUNCTION shop.tenant');
case(rule => 'policy_calls_volatile', object => 'builtin on shop.t', severity => 'warning',
	seed  => "CREATE TABLE shop.t (tenant int); CREATE POLICY builtin ON shop.t USING (random() < 0.5); $on", no_fix => 'told', clear => 'DROP POLICY builtin ON shop.t', clean => 'DROP TABLE shop.t');
case(rule => 'policy_column_without_index', object => 'shop.t.tenant', severity => 'warning',
	seed  => "$tenants; $on; INSERT INTO shop.t SELECT n, n % 10 FROM generate_series(1, 20000) n; ANALYZE shop.t",
	right => 'CREATE TABLE shop.u (tenant int); CREATE INDEX ON shop.u (tenant); CREATE POLICY own ON shop.u USING (tenant = 1); ALTER TABLE shop.u ENABLE ROW LEVEL SECURITY; INSERT INTO shop.u SELECT generate_series(1, 20000); ANALYZE shop.u',
	silent => ['shop.u.tenant'], clean => 'DROP TABLE shop.t; DROP TABLE shop.u');
my $getter = "LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END'";
case(rule => 'policy_function_per_row', object => 'own on shop.t', severity => 'warning',
	seed  => "CREATE FUNCTION shop.tenant() RETURNS int $getter; CREATE TABLE shop.t (tenant int); CREATE POLICY own ON shop.t USING (tenant = shop.tenant()); $on; INSERT INTO shop.t SELECT generate_series(1, 20000); ANALYZE shop.t",
	right => 'CREATE TABLE shop.u (tenant int); CREATE POLICY own ON shop.u USING (tenant = (SELECT shop.tenant())); ALTER TABLE shop.u ENABLE ROW LEVEL SECURITY; INSERT INTO shop.u SELECT generate_series(1, 20000); ANALYZE shop.u',
	silent => ['own on shop.u'],
	clean => 'DROP TABLE shop.t; DROP TABLE shop.u; DROP FUNCTION shop.tenant');
{
	# A call within a string is text, one within a subquery is made once already; WITH CHECK is written too.
	my $rule = 'security.policy_function_per_row';
	$node->safe_psql('rules', qq{CREATE SCHEMA "Odd 's"; CREATE FUNCTION "Odd 's"."Te n"() RETURNS int $getter; CREATE TABLE shop.t (tenant int, note text); $on; INSERT INTO shop.t SELECT generate_series(1, 20000); ANALYZE shop.t;
		CREATE POLICY "o p" ON shop.t USING (tenant = "Odd 's"."Te n"() AND note IS DISTINCT FROM '"Odd ''s"."Te n"()' AND tenant <> (SELECT "Odd 's"."Te n"() + 1)) WITH CHECK (tenant = "Odd 's"."Te n"())});
	my $expressions = q{SELECT pg_get_expr(polqual, polrelid) || '; ' || pg_get_expr(polwithcheck, polrelid) FROM pg_policy WHERE polname = 'o p'};
	my $was = $node->safe_psql('rules', $expressions);
	my $finding = { found($rule) }->{'"o p" on shop.t'};
	run_sql($finding->{fix}, "$rule: the fix runs");
	my $now = $node->safe_psql('rules', $expressions);
	is(() = $now =~ /SELECT "Odd 's"\."Te n"\(\)/g, 2, "$rule: each call is made once") or diag($now);
	like($now, qr/<> \( SELECT \("Odd 's"\."Te n"\(\) \+ 1\)/, "$rule: what is in a subquery already stays there");
	like($now, qr/'"Odd ''s"\."Te n"\(\)'/, "$rule: and text stays text");
	run_sql($finding->{undo}, "$rule: the undo runs");
	is($node->safe_psql('rules', $expressions), $was, "$rule: and writes what was there");
	$node->safe_psql('rules', q{DROP TABLE shop.t; DROP SCHEMA "Odd 's" CASCADE});
}
{
	# What returns an array to ANY or ALL stays one; the rows are the same, and it is asked once.
	my $rule = 'security.policy_function_per_row';
	$node->safe_psql('rules', <<"SQL");
CREATE SEQUENCE shop.asked; GRANT ALL ON SEQUENCE shop.asked TO PUBLIC;
CREATE FUNCTION shop.tenants() RETURNS int[] LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM nextval(''shop.asked''); RETURN ARRAY[1, 7, NULL]; END';
CREATE DOMAIN shop.none AS text[] CHECK (true);
CREATE FUNCTION shop."No ne"() RETURNS shop.none LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM nextval(''shop.asked''); RETURN ARRAY[''2'']; END';
CREATE FUNCTION shop.rows() RETURNS SETOF int LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM nextval(''shop.asked''); RETURN QUERY VALUES (1), (7); END';
CREATE TABLE shop.t (tenant int, note text); $on; INSERT INTO shop.t SELECT i % 10, i % 3 FROM generate_series(1, 20000) i; ANALYZE shop.t; GRANT SELECT ON shop.t TO app;
CREATE POLICY own ON shop.t USING (tenant = ANY (shop.tenants()) AND note <> ALL (shop."No ne"()) AND shop.tenants() <> '{}')
SQL
	# What app reads, and how often the functions were called for it.
	my $read = sub {
		$node->safe_psql('rules', q{ALTER SEQUENCE shop.asked RESTART});
		my $rows = $node->safe_psql('rules', q{SELECT count(*), count(*) FILTER (WHERE tenant = 7), min(note), max(note) FROM shop.t}, extra_params => [ '-U', 'app' ]);
		return ($rows, $node->safe_psql('rules', q{SELECT last_value FROM shop.asked}));
	};
	my ($rows, $calls) = $read->();
	ok($calls > 20_000, "$rule: called for each row, $calls times");
	my $finding = { found($rule) }->{'own on shop.t'};
	is(join(', ', @{ $finding->{evidence}{write_instead} }), '(SELECT shop."No ne"())::shop."none", (SELECT shop.tenants())::integer[]', "$rule: arrays stay arrays in the evidence");
	run_sql($finding->{fix}, "$rule: the fix runs with ANY and ALL");
	my ($after, $once) = $read->();
	is($after, $rows, "$rule: the same rows are read");
	is($once, 3, "$rule: and each call is made once");
	is({ found($rule) }->{'own on shop.t'}, undef, "$rule: nothing is left to be found");
	run_sql($finding->{undo}, "$rule: the undo runs");
	is(join(' ', $read->()), "$rows $calls", "$rule: and all is as before");

	# By hand, as the evidence says: the whole right side, in its place.
	$node->safe_psql('rules', q{ALTER POLICY own ON shop.t USING (tenant = ANY ((SELECT shop.tenants())::integer[]) AND note <> ALL ((SELECT shop."No ne"())::shop.none))});
	($after, $once) = $read->();
	is("$after $once", "$rows 2", "$rule: what the evidence says reads the same");
	my ($status, $out, $error) = $node->psql('rules', q{ALTER POLICY own ON shop.t USING (tenant = ANY ((SELECT shop.tenants())))});
	like($error, qr/operator does not exist: integer = integer\[\]/, "$rule: without the cast it would be compared with rows");

	# What returns rows stands in a subquery or not at all, and is asked once there.
	($status, $out, $error) = $node->psql('rules', q{ALTER POLICY own ON shop.t USING (tenant = shop.rows())});
	like($error, qr/set-returning functions are not allowed in policy expressions/, "$rule: no policy asks for rows for each row");
	$node->safe_psql('rules', q{ALTER POLICY own ON shop.t USING (tenant IN (SELECT shop.rows()))});
	($after, $once) = $read->();
	is($once, 1, "$rule: a subquery asks once");
	is({ found($rule) }->{'own on shop.t'}, undef, "$rule: and is silent");
	$node->safe_psql('rules', q{DROP TABLE shop.t; DROP FUNCTION shop.tenants, shop."No ne", shop.rows; DROP DOMAIN shop.none; DROP SEQUENCE shop.asked});
}
case(rule => 'view_bypasses_row_security', object => 'shop.v', severity => 'critical',
	seed  => "$tenants; $on; CREATE VIEW shop.v AS SELECT * FROM shop.t; GRANT SELECT ON shop.v TO app",
	right => 'CREATE VIEW shop.w WITH (security_invoker = yes) AS SELECT * FROM shop.t; GRANT SELECT ON shop.w TO app; CREATE VIEW shop.own AS SELECT * FROM shop.t; CREATE VIEW shop.bound AS SELECT * FROM shop.t; ALTER VIEW shop.bound OWNER TO keeper; GRANT SELECT ON shop.bound TO app',
	silent => [ 'shop.w', 'shop.own', 'shop.bound' ], clean => 'DROP TABLE shop.t CASCADE');
case(rule => 'view_bypasses_row_security', object => 'shop.m', severity => 'critical',
	seed  => "$tenants; $on; CREATE MATERIALIZED VIEW shop.m AS SELECT * FROM shop.t; GRANT SELECT ON shop.m TO app", clean => 'DROP TABLE shop.t CASCADE');
case(rule => 'view_bypasses_row_security', object => 'shop.outside', severity => 'critical',
	seed  => "$tenants; $on; CREATE VIEW shop.inside AS SELECT * FROM shop.t; CREATE VIEW shop.outside AS SELECT * FROM shop.inside; ALTER VIEW shop.outside OWNER TO keeper; GRANT SELECT ON shop.inside TO keeper; GRANT USAGE ON SCHEMA shop TO keeper; GRANT SELECT ON shop.outside TO app",
	clean => 'DROP TABLE shop.t CASCADE');
case(rule => 'view_bypasses_row_security', object => 'shop.v', severity => 'critical',
	seed => "$tenants; $on; CREATE VIEW shop.v AS SELECT * FROM shop.t; GRANT SELECT (id) ON shop.v TO app", clean => 'DROP TABLE shop.t CASCADE');
case(rule => 'view_bypasses_row_security', object => 'shop.v', severity => 'critical',
	seed => "$tenants; $on; CREATE VIEW shop.v AS SELECT * FROM shop.t; GRANT DELETE ON shop.v TO app", clean => 'DROP TABLE shop.t CASCADE');
case(rule => 'view_bypasses_row_security', object => 'shop.m', severity => 'critical',
	seed => "$tenants; $on; CREATE MATERIALIZED VIEW shop.m AS SELECT * FROM shop.t; GRANT SELECT (id, tenant) ON shop.m TO app", clean => 'DROP TABLE shop.t CASCADE');

# --- Triggers

for my $state ([ 'DISABLE', 'critical' ], [ 'ENABLE REPLICA', 'critical' ], [ 'ENABLE', 'error' ])
{
	case(rule => 'audit_trigger_off', object => '"00_dbm_audit_update" on shop.t', severity => $state->[1],
		seed  => qq{CREATE TABLE shop.t (id int PRIMARY KEY); SELECT dbm.install_audit_trigger('shop.t'); ALTER TABLE shop.t $state->[0] TRIGGER "00_dbm_audit_update"},
		right => q{CREATE TABLE shop.u (id int PRIMARY KEY); SELECT dbm.install_audit_trigger('shop.u')},
		silent => [ '"00_dbm_audit_update" on shop.u', '"00_dbm_audit_insert" on shop.t' ],
		clean => q{SELECT dbm.remove_audit_trigger('shop.t'), dbm.remove_audit_trigger('shop.u'); DROP TABLE shop.t, shop.u});
}
# A body is replaced by who may create in the function's schema, or in one of his own, into which he moves it.
$node->safe_psql('rules', 'CREATE SCHEMA of_app AUTHORIZATION app');
my $touch = q{RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'};
case(rule => 'trigger_function_of_others', object => 'touch on shop.t', severity => 'error',
	seed  => "CREATE TABLE shop.t (a int); CREATE FUNCTION shop.touch() $touch; CREATE TRIGGER touch BEFORE INSERT ON shop.t FOR EACH ROW EXECUTE FUNCTION shop.touch(); ALTER FUNCTION shop.touch OWNER TO app",
	right => "CREATE FUNCTION shop.mine() $touch; CREATE TRIGGER mine BEFORE INSERT ON shop.t FOR EACH ROW EXECUTE FUNCTION shop.mine()",
	silent => ['mine on shop.t'], clean => 'DROP TABLE shop.t; DROP FUNCTION shop.touch; DROP FUNCTION shop.mine');
# Whoever owns one that lends its owner's rights can have it take the writer's; where nobody acts as the owner, nobody does.
case(rule => 'trigger_function_of_others', object => 'touch on shop.t', severity => 'error',
	seed  => "CREATE TABLE shop.t (a int); CREATE FUNCTION shop.touch() $touch SECURITY DEFINER SET search_path = pg_catalog, pg_temp; CREATE TRIGGER touch BEFORE INSERT ON shop.t FOR EACH ROW EXECUTE FUNCTION shop.touch(); ALTER FUNCTION shop.touch OWNER TO app",
	right => "CREATE FUNCTION shop.lent() $touch SECURITY DEFINER SET search_path = pg_catalog, pg_temp; CREATE TRIGGER lent BEFORE INSERT ON shop.t FOR EACH ROW EXECUTE FUNCTION shop.lent(); ALTER FUNCTION shop.lent OWNER TO keeper",
	silent => ['lent on shop.t'], no_fix => 'told', clear => 'ALTER FUNCTION shop.touch OWNER TO keeper', clean => 'DROP TABLE shop.t; DROP FUNCTION shop.touch; DROP FUNCTION shop.lent');

# Whoever may grant the owner's role takes it; where he was given just that, a definer function is replaced by him all the same.
case(rule => 'trigger_function_of_others', object => 'touch on shop.t', severity => 'error',
	seed  => "CREATE ROLE deploy LOGIN CREATEROLE; SET ROLE deploy; CREATE ROLE fn_owner NOLOGIN; RESET ROLE; CREATE SCHEMA of_fn AUTHORIZATION fn_owner; CREATE TABLE shop.t (a int); CREATE FUNCTION shop.touch() $touch SECURITY DEFINER SET search_path = pg_catalog, pg_temp; CREATE TRIGGER touch BEFORE INSERT ON shop.t FOR EACH ROW EXECUTE FUNCTION shop.touch(); ALTER FUNCTION shop.touch OWNER TO fn_owner",
	right => "CREATE FUNCTION shop.lent() $touch SECURITY DEFINER SET search_path = pg_catalog, pg_temp; CREATE TRIGGER lent BEFORE INSERT ON shop.t FOR EACH ROW EXECUTE FUNCTION shop.lent(); ALTER FUNCTION shop.lent OWNER TO keeper",
	# Until 15 he grants himself every role.
	silent => $version >= 160000 ? ['lent on shop.t'] : [], no_fix => 'told', clear => "ALTER FUNCTION shop.touch OWNER TO $me",
	clean  => 'DROP TABLE shop.t; DROP FUNCTION shop.touch, shop.lent; DROP SCHEMA of_fn; DROP ROLE fn_owner; DROP ROLE deploy');

# --- Expressions that are kept

my $third = 'CREATE FUNCTION shop.f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS \'BEGIN RETURN $1; END\'; ALTER FUNCTION shop.f OWNER TO app';
my $kept  = 'CREATE TABLE shop.t (a int, b int); ALTER TABLE shop.t OWNER TO keeper';
for my $place (
	[ 'CREATE INDEX i ON shop.t (shop.f(a))', 'index i of shop.t' ], [ 'CREATE INDEX i ON shop.t (a) WHERE shop.f(a) > 0', 'index i of shop.t' ],
	[ 'CREATE STATISTICS shop.s ON (shop.f(a)) FROM shop.t', 'statistics s of shop.t' ], [ 'ALTER TABLE shop.t ADD CONSTRAINT c CHECK (shop.f(a) > 0)', 'constraint c of shop.t' ],
	[ 'ALTER TABLE shop.t ALTER a SET DEFAULT shop.f(1)', 'the default of shop.t.a' ], [ 'ALTER TABLE shop.t ADD "G" int GENERATED ALWAYS AS (shop.f(a)) STORED', 'the default of shop.t."G"' ],
	[ 'CREATE POLICY p ON shop.t USING (shop.f(a) > 0)', 'policy p of shop.t' ], [ 'CREATE RULE r AS ON UPDATE TO shop.t WHERE shop.f(new.a) > 0 DO ALSO NOTHING', 'rule r of shop.t' ],
	[ "CREATE FUNCTION shop.mine() $touch; CREATE TRIGGER g BEFORE INSERT ON shop.t FOR EACH ROW WHEN (shop.f(new.a) > 0) EXECUTE FUNCTION shop.mine()", 'trigger g of shop.t', 'DROP FUNCTION shop.mine' ],
	[ 'CREATE TABLE shop.p (a int) PARTITION BY RANGE (shop.f(a)); ALTER TABLE shop.p OWNER TO keeper', 'the partition key of shop.p' ],
	[ 'CREATE VIEW shop.v AS SELECT shop.f(1); ALTER VIEW shop.v OWNER TO keeper', 'view shop.v' ],
	[ 'CREATE DOMAIN shop.d AS int CHECK (shop.f(VALUE) > 0); ALTER DOMAIN shop.d OWNER TO keeper', 'type shop.d', 'DROP DOMAIN IF EXISTS shop.d' ], [ 'CREATE DOMAIN shop.d AS int DEFAULT shop.f(1); ALTER DOMAIN shop.d OWNER TO keeper', 'type shop.d', 'DROP DOMAIN IF EXISTS shop.d' ],
	# What leads there: an operator, an aggregate, a body that the server has read.
	[ 'CREATE OPERATOR shop.@@@ (FUNCTION = shop.f, RIGHTARG = int); ALTER OPERATOR shop.@@@ (NONE, int) OWNER TO keeper; ALTER TABLE shop.t ADD CONSTRAINT c CHECK (OPERATOR(shop.@@@) a > 0)', 'constraint c of shop.t' ],
	[ 'CREATE FUNCTION shop.g(int) RETURNS int IMMUTABLE RETURN shop.f($1); ALTER FUNCTION shop.g OWNER TO keeper; ALTER TABLE shop.t ADD CONSTRAINT c CHECK (shop.g(a) > 0)', 'constraint c of shop.t' ],
	[ 'CREATE FUNCTION shop.h(int, int) RETURNS int IMMUTABLE RETURN shop.f($2); ALTER FUNCTION shop.h OWNER TO keeper; CREATE AGGREGATE shop.agg (int) (SFUNC = shop.h, STYPE = int); ALTER AGGREGATE shop.agg (int) OWNER TO keeper; CREATE VIEW shop.v AS SELECT shop.agg(a) FROM shop.t; ALTER VIEW shop.v OWNER TO keeper', 'view shop.v' ])
{
	my ($keep, $where, $clean) = @$place;
	case(rule => 'expression_function_of_others', object => 'shop.f(integer)', severity => 'error', says => qr/^shop\.f\(integer\) of role app, who may replace it, is called by \Q$where\E: as whoever uses that$/,
		seed => "$third; $kept; $keep", clean => 'DROP TABLE shop.t CASCADE; DROP FUNCTION shop.f CASCADE' . ($clean ? "; $clean" : ''));
}
# Of the owner himself, of a superuser, of a member of the owner's role; called by nothing that is kept.
case(rule => 'expression_function_of_others', object => 'shop.f(integer)', severity => 'error',
	seed  => "$third; $kept; ALTER TABLE shop.t ADD CHECK (shop.f(a) > 0)",
	right => 'CREATE ROLE kin LOGIN; GRANT keeper TO kin; ' . join('; ', map { my ($name, $owner) = @$_; "CREATE FUNCTION shop.$name(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN \$1; END'; ALTER FUNCTION shop.$name OWNER TO $owner" }
		([ own => 'keeper' ], [ root => $me ], [ kin => 'kin' ], [ loose => 'app' ])) . '; CREATE INDEX ON shop.t (shop.own(a), shop.root(a), shop.kin(a)); ALTER TABLE shop.t ADD CHECK (shop.own(b) + shop.root(b) + shop.kin(b) > 0)',
	silent => [ 'shop.own(integer)', 'shop.root(integer)', 'shop.kin(integer)', 'shop.loose(integer)' ],
	clean  => 'DROP TABLE shop.t; DROP FUNCTION shop.f, shop.own, shop.root, shop.kin, shop.loose; DROP ROLE kin');
# What autovacuum runs with the rights of a superuser; that of a role which nobody is.
for my $place ([ 'CREATE INDEX i ON shop.t (shop.f(a))', 'critical' ], [ 'CREATE STATISTICS shop.s ON (shop.f(a)) FROM shop.t', 'critical' ], [ 'CREATE MATERIALIZED VIEW shop.m AS SELECT shop.f(1) AS a', 'critical' ], [ 'ALTER TABLE shop.t ADD CHECK (shop.f(a) > 0)', 'error' ])
{
	case(rule => 'expression_function_of_others', object => 'shop.f(integer)', severity => $place->[1],
		seed => "$third; CREATE TABLE shop.t (a int); $place->[0]", clean => 'DROP TABLE shop.t; DROP FUNCTION shop.f CASCADE');
}
case(rule => 'expression_function_of_others', object => 'shop.f(integer)', severity => 'warning',
	seed => "$third; ALTER FUNCTION shop.f OWNER TO keeper; CREATE TABLE shop.t (a int DEFAULT shop.f(1))", clean => 'DROP TABLE shop.t; DROP FUNCTION shop.f');
# Where owners differ, one to whom nobody is a third party; one that lends rights is not given to who has others.
case(rule => 'expression_function_of_others', object => 'shop.f(integer)', severity => 'error',
	seed => "$third; $kept; ALTER TABLE shop.t ADD CHECK (shop.f(a) > 0); CREATE TABLE shop.u (a int DEFAULT shop.f(1)); ALTER TABLE shop.u OWNER TO app", clean => 'DROP TABLE shop.t, shop.u; DROP FUNCTION shop.f');
case(rule => 'expression_function_of_others', object => 'shop.f(integer)', severity => 'error',
	seed => "$third; ALTER FUNCTION shop.f SECURITY DEFINER; $kept; ALTER TABLE shop.t ADD CHECK (shop.f(a) > 0)", no_fix => 'told', clear => 'ALTER FUNCTION shop.f OWNER TO keeper', clean => 'DROP TABLE shop.t; DROP FUNCTION shop.f');
{
	# That it is true: who owns the function becomes who writes, and by ANALYZE the owner of the table.
	$node->safe_psql('rules', "$third; CREATE TABLE shop.t (a int); CREATE INDEX ON shop.t (shop.f(a)); CREATE TABLE shop.taken (who text); GRANT INSERT ON shop.taken TO PUBLIC; INSERT INTO shop.t VALUES (1)");
	$node->safe_psql('rules', q{CREATE FUNCTION shop.take() RETURNS void LANGUAGE plpgsql AS $$BEGIN INSERT INTO shop.taken VALUES (current_user); END$$});
	$node->safe_psql('rules', q{ALTER FUNCTION shop.f SET SCHEMA of_app; CREATE OR REPLACE FUNCTION of_app.f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN PERFORM shop.take(); RETURN $1; END$$}, extra_params => [ '-U', 'app' ]);
	$node->safe_psql('rules', 'ANALYZE shop.t');
	is($node->safe_psql('rules', 'SELECT DISTINCT who FROM shop.taken'), $me, 'security.expression_function_of_others: ANALYZE runs what a role wrote with the rights of a superuser');
	$node->safe_psql('rules', 'DROP TABLE shop.t, shop.taken; DROP FUNCTION of_app.f, shop.take; DROP SCHEMA of_app');
}
# Who creates nowhere replaces nothing, for now.
case(rule => 'expression_function_of_others', object => 'shop.f(integer)', severity => 'warning', seed => "$third; CREATE TABLE shop.t (a int DEFAULT shop.f(1))", clean => 'DROP TABLE shop.t; DROP FUNCTION shop.f');

# --- The log of the audit trail

$node->safe_psql('rules', q{CREATE TABLE shop.t (id int PRIMARY KEY); SELECT dbm.install_audit_trigger('shop.t'); SELECT dbm.remove_audit_trigger('shop.t'); DROP TABLE shop.t});
for my $open ([ 'GRANT DELETE ON dbm_trail.change TO app', 'dbm_trail.change', 'critical' ], [ 'GRANT INSERT ON dbm_trail.change TO PUBLIC', 'dbm_trail.change', 'error' ], [ 'GRANT UPDATE (changed_at) ON dbm_trail.change TO app', 'dbm_trail.change', 'critical' ],
	[ 'GRANT TRUNCATE ON dbm_trail.change_default TO app WITH GRANT OPTION', 'dbm_trail.change_default', 'critical' ], [ 'GRANT SELECT ON dbm_trail.redaction TO app', 'dbm_trail.redaction', 'error' ], [ 'GRANT CREATE ON SCHEMA dbm_trail TO app', 'dbm_trail', 'critical' ],
	[ 'GRANT UPDATE ON SEQUENCE dbm_trail.change_id TO app', 'dbm_trail.change_id', 'critical' ], [ 'ALTER TABLE dbm_trail.change_default OWNER TO app', 'dbm_trail.change_default', 'critical' ],
	[ 'GRANT USAGE ON SCHEMA dbm_trail TO app; ALTER TABLE dbm_trail.change_default OWNER TO app; SET ROLE app; GRANT DELETE ON dbm_trail.change_default TO watcher; RESET ROLE', 'dbm_trail.change_default', 'critical' ], [ 'ALTER SCHEMA dbm_trail OWNER TO app', 'dbm_trail', 'critical' ],
	# What was handed on goes first and comes back last, whoever has it.
	[ "GRANT USAGE ON SCHEMA dbm_trail TO app; GRANT UPDATE ON dbm_trail.change TO app WITH GRANT OPTION; SET ROLE app; GRANT UPDATE ON dbm_trail.change TO watcher, $me; RESET ROLE", 'dbm_trail.change', 'critical' ],
	[ 'GRANT USAGE ON SCHEMA dbm_trail TO app; GRANT UPDATE ON dbm_trail.change TO app WITH GRANT OPTION; SET ROLE app; GRANT UPDATE (changed_at) ON dbm_trail.change TO watcher; RESET ROLE', 'dbm_trail.change', 'critical' ],
	[ 'GRANT CREATE, USAGE ON SCHEMA dbm_trail TO app WITH GRANT OPTION; SET ROLE app; GRANT CREATE ON SCHEMA dbm_trail TO watcher; RESET ROLE', 'dbm_trail', 'critical' ])
{
	my ($sql, $object, $severity) = @$open;
	case(rule => 'audit_log_open', object => $object, severity => $severity, seed => $sql,
		right  => 'GRANT USAGE ON SCHEMA dbm_trail TO watcher; GRANT SELECT ON dbm_trail.activity TO watcher; GRANT SELECT ON SEQUENCE dbm_trail.event_id TO watcher',
		silent => [ 'dbm_trail.activity', 'dbm_trail.event_id', 'dbm_trail.event' ],
		clean  => "ALTER SCHEMA dbm_trail OWNER TO $me; ALTER TABLE dbm_trail.change_default OWNER TO $me; REVOKE ALL ON SCHEMA dbm_trail FROM app CASCADE; REVOKE ALL ON SCHEMA dbm_trail FROM watcher; REVOKE ALL ON ALL TABLES IN SCHEMA dbm_trail FROM app, watcher, PUBLIC CASCADE; REVOKE ALL ON ALL SEQUENCES IN SCHEMA dbm_trail FROM app, watcher");
}
my $event = q{RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'};
case(rule => 'event_trigger_unsafe', object => 'watch', severity => 'error',
	seed  => "CREATE FUNCTION shop.watch() $event; CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION shop.watch(); ALTER FUNCTION shop.watch OWNER TO app",
	right => "CREATE FUNCTION shop.mine() $event; CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION shop.mine()",
	silent => ['mine'], clean => 'DROP EVENT TRIGGER watch; DROP EVENT TRIGGER mine; DROP FUNCTION shop.watch; DROP FUNCTION shop.mine');
case(rule => 'event_trigger_unsafe', object => 'off', severity => 'warning',
	seed  => "CREATE FUNCTION shop.watch() $event; CREATE EVENT TRIGGER off ON ddl_command_end EXECUTE FUNCTION shop.watch(); ALTER EVENT TRIGGER off DISABLE",
	clean => 'DROP EVENT TRIGGER off; DROP FUNCTION shop.watch');
case(rule => 'event_trigger_unsafe', object => 'off', severity => 'warning',
	seed  => "CREATE FUNCTION shop.watch() $event; CREATE EVENT TRIGGER off ON ddl_command_end EXECUTE FUNCTION shop.watch(); ALTER EVENT TRIGGER off ENABLE REPLICA",
	clean => 'DROP EVENT TRIGGER off; DROP FUNCTION shop.watch');
# The trail's own stand under replication, too: what mends them must not weaken them.
for my $own ('dbmastery_audit_trail', 'dbmastery_audit_trail_drop', 'dbmastery_audit_trail_start')
{
	for my $off ([ 'DISABLE', 'error' ], [ 'ENABLE REPLICA', 'error' ], [ 'ENABLE', 'warning' ])
	{
		case(rule => 'event_trigger_unsafe', object => $own, severity => $off->[1], seed => "ALTER EVENT TRIGGER $own $off->[0]", clean => "ALTER EVENT TRIGGER $own ENABLE ALWAYS");
	}
}

# --- What leaves

case(rule => 'publication_ignores_row_security', object => 'stream', severity => 'error',
	seed  => "$tenants; $on; CREATE PUBLICATION stream FOR TABLE shop.t",
	right => 'CREATE PUBLICATION filtered FOR TABLE shop.t WHERE (id = 1)', silent => ['filtered'],
	clean => 'DROP PUBLICATION stream; DROP PUBLICATION filtered; DROP TABLE shop.t');
{
	# The list of columns comes back with the table.
	my $rule = 'security.publication_ignores_row_security';
	$node->safe_psql('rules', "$tenants; $on; ALTER TABLE shop.t ADD note text; CREATE PUBLICATION narrow FOR TABLE shop.t (id, note)");
	my $columns = q{SELECT prattrs FROM pg_publication_rel WHERE prrelid = 'shop.t'::regclass};
	my $was = $node->safe_psql('rules', $columns);
	my $finding = { found($rule) }->{narrow};
	run_sql($finding->{fix}, "$rule: the fix runs");
	run_sql($finding->{undo}, "$rule: the undo runs");
	is($node->safe_psql('rules', $columns), $was, "$rule: the undo publishes the columns that were");
	$node->safe_psql('rules', 'DROP PUBLICATION narrow; DROP TABLE shop.t');
}
case(rule => 'publication_ignores_row_security', object => 'everything', severity => 'error',
	seed  => "$tenants; $on; CREATE PUBLICATION everything FOR ALL TABLES", no_fix => 'told', clear => 'DROP PUBLICATION everything', clean => 'DROP TABLE shop.t');
case(rule => 'publication_ignores_row_security', object => 'by_schema', severity => 'error',
	seed  => "$tenants; $on; CREATE PUBLICATION by_schema FOR TABLES IN SCHEMA shop",
	right => 'CREATE SCHEMA open; CREATE TABLE open.t (id int); CREATE PUBLICATION other FOR TABLES IN SCHEMA open', silent => ['other'],
	no_fix => 'told', clear => 'ALTER PUBLICATION by_schema DROP TABLES IN SCHEMA shop', clean => 'DROP PUBLICATION by_schema, other; DROP TABLE shop.t; DROP SCHEMA open CASCADE');
# Beside a table of another schema, and beside a row filter that the schema makes void.
case(rule => 'publication_ignores_row_security', object => 'mixed', severity => 'error',
	seed  => "CREATE SCHEMA open; CREATE TABLE open.t (id int); $tenants; $on; CREATE PUBLICATION mixed FOR TABLE open.t, TABLES IN SCHEMA shop",
	no_fix => 'told', clear => 'ALTER PUBLICATION mixed DROP TABLES IN SCHEMA shop', clean => 'DROP PUBLICATION mixed; DROP TABLE shop.t; DROP SCHEMA open CASCADE');
case(rule => 'subscription_password', object => 'sub', severity => 'warning',
	seed  => q{CREATE SUBSCRIPTION sub CONNECTION 'host=/nowhere dbname=x password=secret' PUBLICATION p WITH (connect = false)},
	right => q{CREATE SUBSCRIPTION quiet CONNECTION 'host=/nowhere dbname=x passfile=/nowhere/pgpass' PUBLICATION p WITH (connect = false)},
	silent => ['quiet'],
	no_fix => 'told', clear => 'ALTER SUBSCRIPTION sub SET (slot_name = NONE); DROP SUBSCRIPTION sub', clean => 'ALTER SUBSCRIPTION quiet SET (slot_name = NONE); DROP SUBSCRIPTION quiet');
$node->safe_psql('rules', 'CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw');
case(rule => 'user_mapping_unsafe', object => 'PUBLIC at far', severity => 'error',
	seed  => 'CREATE USER MAPPING FOR PUBLIC SERVER far', no_fix => 'told', clear => 'DROP USER MAPPING FOR PUBLIC SERVER far',
	right => q{CREATE USER MAPPING FOR keeper SERVER far OPTIONS (user 'x')}, silent => ['keeper at far'], clean => 'DROP USER MAPPING FOR keeper SERVER far');
case(rule => 'user_mapping_unsafe', object => 'app at far', severity => 'error',
	seed  => q{CREATE USER MAPPING FOR app SERVER far OPTIONS (user 'x', password_required 'false')}, clean => 'DROP USER MAPPING FOR app SERVER far');
case(rule => 'user_mapping_unsafe', object => 'keeper at far', severity => 'info',
	seed  => q{CREATE USER MAPPING FOR keeper SERVER far OPTIONS (user 'x', password 'y')}, no_fix => 'told', clear => 'DROP USER MAPPING FOR keeper SERVER far');
$node->safe_psql('rules', 'DROP EXTENSION postgres_fdw CASCADE');

# --- Extensions, columns, settings

case(rule => 'extension_reaches_out', object => 'dblink', severity => 'warning',
	seed  => 'CREATE EXTENSION dblink SCHEMA shop', right => 'CREATE EXTENSION citext SCHEMA shop', silent => ['citext'],
	clean => 'DROP EXTENSION dblink; DROP EXTENSION citext');
{
	# Every one of them, also what this server has no files of: another extension by its name. Which of them can be made here is asked
	# before their statements are run.
	my $rule = 'security.extension_reaches_out';
	for my $one ([ adminpack => 'error' ], [ dblink => 'warning' ], [ file_fdw => 'warning' ], [ http => 'warning' ], [ lo => 'info' ], [ pageinspect => 'warning' ], [ pg_visibility => 'info' ],
		[ pg_surgery => 'error' ], [ plperlu => 'error' ], [ plpython3u => 'error' ], [ plpythonu => 'error' ], [ plsh => 'critical' ], [ pltclu => 'error' ], [ refint => 'error' ], [ pg_walinspect => 'warning' ], [ xml2 => 'warning' ])
	{
		my ($name, $severity) = @$one;
		my ($status) = $node->psql('rules', "BEGIN; CREATE EXTENSION $name; ROLLBACK", on_error_stop => 1);
		if ($status == 0)
		{
			case(rule => 'extension_reaches_out', object => $name, severity => $severity, seed => "CREATE EXTENSION $name", clean => "DROP EXTENSION $name");
			next;
		}
		my $rename = sub { $node->safe_psql('rules', "SET allow_system_table_mods = on; UPDATE pg_extension SET extname = '$_[1]' WHERE extname = '$_[0]'") };
		$node->safe_psql('rules', 'CREATE EXTENSION citext SCHEMA shop');
		ok(!{ found($rule) }->{$name}, "$rule: silent before there is $name");
		$rename->('citext', $name);
		my $finding = { found($rule) }->{$name};
		is($finding->{severity}, $severity, "$rule finds $name");
		run_sql($finding->{fix}, "$rule: the fix of $name runs");
		ok(!{ found($rule) }->{$name}, "$rule: and clears it");
		is($finding->{undo}, "CREATE EXTENSION $name SCHEMA shop VERSION '1.6';", "$rule: what would take it back");
	}
}
case(rule => 'extension_in_open_schema', object => 'citext', severity => 'warning',
	seed  => 'CREATE SCHEMA loose; GRANT CREATE ON SCHEMA loose TO app; CREATE EXTENSION citext SCHEMA loose',
	right => 'CREATE EXTENSION hstore SCHEMA shop', silent => ['hstore'], clean => 'DROP EXTENSION citext; DROP EXTENSION hstore; DROP SCHEMA loose');
# public as databases have it that come from before 15; as it is made since, nobody else creates in it.
case(rule => 'extension_in_open_schema', object => 'citext', severity => 'warning',
	seed  => 'GRANT CREATE ON SCHEMA public TO PUBLIC; CREATE EXTENSION citext SCHEMA public', clean => 'DROP EXTENSION citext; REVOKE CREATE ON SCHEMA public FROM PUBLIC');
{
	$node->safe_psql('rules', 'CREATE EXTENSION citext SCHEMA public');
	ok(!{ found('security.extension_in_open_schema') }->{citext}, 'security.extension_in_open_schema: public in which nobody else creates is silent');
	$node->safe_psql('rules', 'DROP EXTENSION citext');
}
{
	# An extension of that name and an old version, without anything in it.
	my $rule = 'security.extension_vulnerable';
	push @tested, $rule;
	$node->safe_psql('rules', q{CREATE EXTENSION citext; SET allow_system_table_mods = on; UPDATE pg_extension SET extname = 'pg_partman', extversion = '4.4.0' WHERE extname = 'citext'});
	ok({ found($rule) }->{pg_partman}, "$rule finds an old version");
	$node->safe_psql('rules', q{SET allow_system_table_mods = on; UPDATE pg_extension SET extversion = '4.7.3' WHERE extname = 'pg_partman'});
	ok(!{ found($rule) }->{pg_partman}, "$rule: a later one is silent");
	$node->safe_psql('rules', q{SET allow_system_table_mods = on; UPDATE pg_extension SET extname = 'citext', extversion = '1.6' WHERE extname = 'pg_partman'});
	$node->safe_psql('rules', 'DROP EXTENSION citext');
	# One that the server has a sound version of. Before 18 it looks for them in its own folder alone, where other tests look too.
	my $own = $version >= 180000;
	my $folder = $own ? $node->basedir . '/extension' : $node->config_data('--sharedir') . '/extension';
	my $mark = "# of a test of dbmastery, and to be removed\n";
	my %files = ('pg_ivm.control' => "${mark}default_version = '1.9'\nrelocatable = true\n", 'pg_ivm--1.0.sql' => "SELECT 1;\n", 'pg_ivm--1.0--1.9.sql' => "SELECT 1;\n");
	# What a test left that was killed is ours as well.
	my $is_theirs = -e "$folder/pg_ivm.control" && slurp_file("$folder/pg_ivm.control") !~ /^\Q$mark/;
	SKIP:
	{
		skip 'the server finds no extension of the test', 1 if !$own && ($is_theirs || !-w $folder);
		mkdir $folder if $own;
		@planted = map { "$folder/$_" } sort keys %files;
		unlink @planted;
		append_to_file("$folder/$_", $files{$_}) for sort keys %files;
		$node->safe_psql('rules', 'ALTER SYSTEM SET extension_control_path = ' . q{'$system:} . $node->basedir . q{'}) if $own;
		settle('reload') if $own;
		case(rule => 'extension_vulnerable', object => 'pg_ivm', severity => 'critical', no_undo => 'nobody goes back to it',
			seed => q{CREATE EXTENSION pg_ivm VERSION '1.0'}, clean => 'DROP EXTENSION pg_ivm');
		unlink @planted;
	}
}
case(rule => 'sensitive_column_readable', object => 'shop.users.api_key', severity => 'info',
	seed  => 'CREATE TABLE shop.users (id int, api_key text, password_hash text, token uuid); GRANT SELECT ON shop.users TO app',
	right => 'CREATE TABLE shop.hidden (password text)', silent => [ 'shop.users.password_hash', 'shop.users.token', 'shop.hidden.password' ],
	clean => 'DROP TABLE shop.users; DROP TABLE shop.hidden');
case(rule => 'sensitive_column_readable', object => 'shop.users.api_key', severity => 'warning',
	seed => 'CREATE TABLE shop.users (id int, api_key text); GRANT SELECT (id, api_key) ON shop.users TO PUBLIC', clean => 'DROP TABLE shop.users');
{
	# What was granted to whom, by whom and with what option comes back; what else they read they keep.
	my $rule = 'security.sensitive_column_readable';
	$node->safe_psql('rules', q{CREATE TABLE shop.users (id int, api_key text, "Name" text, pin text); ALTER TABLE shop.users OWNER TO keeper; GRANT INSERT, SELECT ON shop.users TO app WITH GRANT OPTION; GRANT SELECT (api_key, id) ON shop.users TO app WITH GRANT OPTION;
		GRANT SELECT (pin, id) ON shop.users TO tenant_owner; GRANT SELECT (api_key) ON shop.users TO PUBLIC; SET ROLE app; GRANT SELECT ON shop.users TO watcher; GRANT SELECT (api_key) ON shop.users TO tenant_owner; RESET ROLE});
	my $acl = sub { $node->safe_psql('rules', q{SELECT string_agg(line, ' ' ORDER BY line) FROM (
		SELECT concat_ws('/', '', a.grantor::regrole, a.grantee::regrole, a.privilege_type, a.is_grantable) FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = 'shop.users'::regclass AND a.grantee <> c.relowner
		UNION ALL SELECT concat_ws('/', attname, a.grantor::regrole, a.grantee::regrole, a.privilege_type, a.is_grantable) FROM pg_attribute, aclexplode(attacl) a WHERE attrelid = 'shop.users'::regclass) AS lines (line)}) };
	my $was = $acl->();
	my %found = found($rule);
	is(join(' ', sort keys %found), 'shop.users.api_key shop.users.pin', "$rule finds both columns");
	is($found{'shop.users.pin'}{fix}, $found{'shop.users.api_key'}{fix}, "$rule: whoever has the whole table has both");
	run_sql($found{'shop.users.pin'}{fix}, "$rule: the fix of grants that were handed on runs");
	is(join(' ', sort keys %{ { found($rule) } }), '', "$rule: and clears both");
	my $reads = sub { $node->safe_psql('rules', qq{SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 'shop.users'::regclass AND attnum > 0 AND has_column_privilege('$_[0]', attrelid, attname, '$_[1]')}) };
	is(join(', ', map { $reads->($_, 'SELECT') } 'app', 'watcher', 'tenant_owner'), 'Name id, Name id, id', "$rule: what else they read they keep");
	is($reads->('app', 'SELECT WITH GRANT OPTION') . ', ' . $reads->('app', 'INSERT WITH GRANT OPTION'), 'Name id, Name api_key id pin', "$rule: with the option to grant it, and what is no reading stays");
	run_sql($found{'shop.users.pin'}{undo}, "$rule: the undo runs");
	is($acl->(), $was, "$rule: and gives back what was there, by whom and with what option");
	$node->safe_psql('rules', 'DROP TABLE shop.users');
	# Who has from a reader what is no secret, or is above privileges, makes way and gets back what he had.
	$node->safe_psql('rules', 'CREATE ROLE root6 SUPERUSER');
	for my $others ('GRANT SELECT ("Name") ON shop.users TO watcher', "GRANT SELECT ON shop.users TO $me, root6")
	{
		for my $twice ('', '; GRANT SELECT ("Name") ON shop.users TO app WITH GRANT OPTION')
		{
			$node->safe_psql('rules', qq{CREATE TABLE shop.users (id int, api_key text, "Name" text); GRANT SELECT ON shop.users TO app WITH GRANT OPTION$twice; SET ROLE app; $others; RESET ROLE});
			$was = $acl->();
			my $finding = { found($rule) }->{'shop.users.api_key'};
			ok($finding, "$rule finds it: $others$twice") or next;
			run_sql($finding->{fix}, "$rule: the fix runs: $others$twice");
			is(join(' ', sort keys %{ { found($rule) } }), '', "$rule: and clears it");
			is($reads->('app', 'SELECT') . ', ' . $node->safe_psql('rules', q{SELECT has_column_privilege('watcher', 'shop.users', 'Name', 'SELECT')}), 'Name id, ' . ($others =~ /watcher/ ? 't' : 'f'), "$rule: what else they read they keep");
			run_sql($finding->{undo}, "$rule: the undo runs: $others$twice");
			is($acl->(), $was, "$rule: and gives back what was there");
			$node->safe_psql('rules', 'DROP TABLE shop.users');
		}
	}
	$node->safe_psql('rules', 'DROP ROLE root6');
}
# Every setting that a reload changes: wrong, as it is right, and another value that is right too. The cluster of a test is not
# set as it should be, so each is put right first.
for my $setting (
	[ 'password_encryption', 'md5', 'error' ], [ 'row_security', 'off', 'warning' ], [ 'allow_system_table_mods', 'on', 'critical' ], [ 'lo_compat_privileges', 'on', 'error' ],
	[ 'event_triggers', 'off', 'error' ], [ 'ssl_min_protocol_version', 'TLSv1.1', 'warning', 'TLSv1.3' ], [ 'ignore_checksum_failure', 'on', 'error' ], [ 'zero_damaged_pages', 'on', 'critical' ],
	[ 'fsync', 'off', 'critical' ], [ 'full_page_writes', 'off', 'error' ], [ 'debug_print_parse', 'on', 'warning' ], [ 'log_connections', 'off', 'info' ], [ 'log_disconnections', 'off', 'info' ],
	[ 'log_checkpoints', 'off', 'info' ], [ 'log_statement', 'none', 'info', 'all' ], [ 'log_min_error_statement', 'panic', 'info', 'warning' ])
{
	my ($name, $wrong, $severity, $alike) = @$setting;
	next if $node->safe_psql('rules', "SELECT count(*) FROM pg_settings WHERE name = '$name'") eq '0';
	my $right = { password_encryption => 'scram-sha-256', ssl_min_protocol_version => 'TLSv1.2', log_statement => 'ddl', log_min_error_statement => 'error' }->{$name} // ($wrong eq 'on' ? 'off' : 'on');
	my $set = sub { my ($value) = @_; $node->safe_psql('rules', "ALTER SYSTEM SET $name = '$value'"); settle('reload'); return };
	$set->($right);
	case(rule => 'server_setting', object => $name, severity => $severity, seed => "ALTER SYSTEM SET $name = '$wrong'; SELECT pg_reload_conf()");
	if ($alike)
	{
		$set->($alike);
		ok(!{ found('security.server_setting') }->{$name}, "$name is right as $alike too");
	}
	$node->safe_psql('rules', "ALTER SYSTEM RESET $name");
	settle('reload');
}
is({ found('security.server_setting') }->{data_checksums} ? 'off' : 'on', $node->safe_psql('rules', 'SHOW data_checksums'), 'security.server_setting: pages without checksums are told of');

# --- pg_hba.conf

# Whoever may log in by these lines: the test itself comes in by the first one.
sub hba
{
	my (@lines) = @_;
	my $file = $node->data_dir . '/pg_hba.conf';
	open my $handle, '>', $file or die $!;
	print {$handle} map { "$_\n" } 'local all all trust', @lines;
	close $handle;
	$node->reload;
	return;
}

sub hba_case
{
	my ($rule, $object, $wrong, $right, $severity) = @_;
	push @tested, "security.$rule";
	hba(@$wrong);
	my %found = found("security.$rule");
	ok($found{$object}, "security.$rule finds $object") or diag(join "\n", sort keys %found);
	is($found{$object}{severity}, $severity, "security.$rule: severity") if $found{$object};
	hba(@$right);
	ok(!{ found("security.$rule") }->{$object}, "security.$rule: other lines are silent");
	return;
}

hba_case('superuser_over_network', $me, ['host all all 10.0.0.0/8 scram-sha-256'],
	[ "host all $me all reject", 'host all all 10.0.0.0/8 scram-sha-256' ], 'error');
hba_case('superuser_over_network', $me, [ "host all $me 10.1.0.0/16 reject", 'host all all 10.0.0.0/8 scram-sha-256' ],
	['host all all 127.0.0.1/32 scram-sha-256'], 'error');
hba_case('hba_weak_method', 'pg_hba.conf line 2', ['host all all 10.0.0.0/8 trust'],
	[ 'host all all all scram-sha-256', 'host all all 10.0.0.0/8 trust' ], 'critical');
hba_case('hba_weak_method', 'pg_hba.conf line 2', ['host all app 10.0.0.0/8 password'], ['hostssl all app 10.0.0.0/8 password'], 'error')
  if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_settings WHERE name = 'ssl_library' AND setting = 'OpenSSL'});
hba_case('hba_weak_method', 'pg_hba.conf line 2', ['host all app 10.0.0.0/8 ident'], ['host all app 127.0.0.1/32 ident'], 'error');
hba_case('hba_weak_method', 'pg_hba.conf line 2', ['host all app samenet ident'], ['host all app samehost ident'], 'error');
hba_case('hba_weak_method', 'pg_hba.conf line 2', ['host all app 10.0.0.0/8 md5'], ['host all app ::1/128 md5'], 'warning');
# Without TLS it lets nobody in.
hba_case('hba_error', 'pg_hba.conf line 2', ['hostssl all app 10.0.0.0/8 md5'], ['host all app 10.0.0.0/8 md5'], 'info');
hba('hostssl all app 10.0.0.0/8 md5');
ok(!{ found('security.hba_weak_method') }->{'pg_hba.conf line 2'}, 'security.hba_weak_method: and is silent about it');
hba_case('hba_weak_method', 'pg_hba.conf line 2', ['host all app samehost trust'], ['host all app samehost scram-sha-256'], 'warning');
# What is to be written instead is told, and is right. The test itself comes in by the first line, which lets this machine in by trust.
for my $line ([ 'host all app 10.0.0.0/8 ident', 'error' ], [ 'host all app 10.0.0.0/8 md5', 'warning' ], [ 'local all app trust', 'warning' ], [ 'host all app 127.0.0.1/32 trust', 'warning' ], [ 'host all app 10.0.0.0/8 trust', 'critical' ], [ 'host all app 10.0.0.0/8 password', 'error' ])
{
	my ($written, $severity) = @$line;
	my $rule = 'security.hba_weak_method';
	hba($written);
	my $finding = { found($rule) }->{ $written =~ /^local/ ? 'pg_hba.conf line 1' : 'pg_hba.conf line 2' };
	is($finding->{severity}, $written =~ /^local/ ? 'warning' : $severity, "$rule finds $written");
	isnt($finding->{evidence}{no_simple_fix_because} // '', '', "$rule: and why no statement mends it");
	my $instead = $finding->{evidence}{write_instead};
	like($instead, qr/scram-sha-256$/, "$rule: what to write instead");
	next if $written =~ /^local/;
	hba($instead);
	ok(!{ found($rule) }->{'pg_hba.conf line 2'}, "$rule: $instead is silent");
}
# The same of a line without TLS, and of one that lets superusers in: what is told is written, and the finding is gone.
for my $line ('host all app 10.0.0.0/8 scram-sha-256', 'hostnossl all app 10.0.0.0/8 scram-sha-256', 'host rules app,watcher 10.0.0.0 255.0.0.0 scram-sha-256', 'hostnogssenc all +keeper,app samenet scram-sha-256',
	'host all app .example.com scram-sha-256', 'host all all ::/0 scram-sha-256', 'host all "A role",app 10.0.0.0/8 scram-sha-256', 'host all app 10.0.0.0/8 radius radiusservers="10.0.0.1,10.0.0.2" radiussecrets=hunter2')
{
	my $rule = 'security.hba_unencrypted';
	hba($line);
	my $finding = { found($rule) }->{'pg_hba.conf line 2'};
	ok($finding, "$rule finds $line");
	isnt($finding->{evidence}{no_simple_fix_because} // '', '', "$rule: and why no statement mends it");
	my $instead = $finding->{evidence}{write_instead};
	like($instead, qr/^hostssl /, "$rule: what to write instead");
	hba($instead);
	ok(!{ found($rule) }->{'pg_hba.conf line 2'}, "$rule: $instead is silent");
	# Where the server has no certificate it says that the line matches nobody, which is as it was meant.
	my %broken = found('security.hba_error');
	unlike($broken{'pg_hba.conf line 2'}{message} // '', qr/is not understood/, "$rule: and is understood");
}
for my $lines ([ 'host all all 10.0.0.0/8 scram-sha-256' ], [ "hostssl all $me 10.0.0.0/8 scram-sha-256", 'host all all samenet md5', "host rules +pg_monitor,$me 192.168.0.0/16 scram-sha-256" ],
	[ "host all $me 10.1.0.0/16 reject", 'host all all 0.0.0.0/0 trust', 'host all all ::/0 trust' ])
{
	my $rule = 'security.superuser_over_network';
	hba(@$lines);
	my $finding = { found($rule) }->{$me};
	ok($finding, "$rule finds " . join '; ', @$lines);
	isnt($finding->{evidence}{no_simple_fix_because} // '', '', "$rule: and why no statement mends it");
	my $before = $finding->{evidence}{write_before_it};
	# Nobody else is kept out by it.
	hba($before, @$lines);
	ok(!{ found($rule) }->{$me}, "$rule: $before is silent");
	ok(!{ found('security.hba_error') }->{'pg_hba.conf line 2'}, "$rule: and is understood");
}
{
	my $rule = 'security.superuser_over_network';
	$node->safe_psql('postgres', 'CREATE ROLE "Root, 3" LOGIN SUPERUSER');
	my @open = ('host all all 10.0.0.0/8 scram-sha-256');
	hba(@open);
	my %found = found($rule);
	hba($found{'"Root, 3"'}{evidence}{write_before_it}, @open);
	is(join(' ', sort keys %{ { found($rule) } }), $me, "$rule: a name that has to be quoted means that role");
	$node->safe_psql('postgres', 'DROP ROLE "Root, 3"');
}
# A secret that a method is told is not shown.
hba('host all app 10.0.0.0/8 radius radiusservers=10.0.0.1 radiussecrets=hunter2');
{
	my $told = $node->safe_psql('rules', q{SELECT string_agg(a::text, ' ') FROM dbm.audit('security') a});
	like($told, qr/radiusservers=10\.0\.0\.1/, 'what a method is told is part of the line');
	unlike($told, qr/hunter2/, 'but no secret');
}
hba_case('hba_open_to_world', 'pg_hba.conf line 2', ['host all app 0.0.0.0/0 scram-sha-256'], ['host all app 10.0.0.0/8 scram-sha-256'], 'warning');
hba_case('hba_unencrypted', 'pg_hba.conf line 2', ['host all app 10.0.0.0/8 scram-sha-256'], ['host all app 127.0.0.1/32 scram-sha-256'], 'warning');
hba_case('hba_error', 'pg_hba.conf line 2', ['host all app nonsense/8 scram-sha-256'], ['host all app 10.0.0.1/32 scram-sha-256'], 'error');
hba();
{
	my $rule = 'security.role_replicates';
	push @tested, $rule;
	$node->safe_psql('postgres', 'CREATE ROLE copier LOGIN REPLICATION');
	hba('host replication copier 10.0.0.0/8 scram-sha-256');
	my $finding = { found($rule) }->{copier};
	is($finding->{severity}, 'error', "$rule finds a role that copies from a whole network");
	run_sql($finding->{fix}, "$rule: the fix runs");
	ok(!{ found($rule) }->{copier}, "$rule: the fix clears it");
	run_sql($finding->{undo}, "$rule: the undo runs");
	is({ found($rule) }->{copier}{message}, $finding->{message}, "$rule: the undo brings it back");
	hba('host replication copier 10.0.0.5/32 scram-sha-256');
	ok(!{ found($rule) }->{copier}, "$rule: the one host of a standby is silent");
	$node->safe_psql('postgres', 'DROP ROLE copier');
	hba();
}

# What the server listens on, and whether it is encrypted, matter by who is let in.
{
	my $listens = sub { my ($where) = @_; $node->safe_psql('postgres', "ALTER SYSTEM SET listen_addresses = '$where'"); $node->restart; return };
	my $said = sub { my %found = found('security.server_setting'); return map { $_ => $found{$_} } grep { $found{$_} } 'listen_addresses', 'ssl' };
	hba('host all app 10.0.0.0/8 scram-sha-256');
	$listens->('localhost');
	is(join(' ', sort { $a cmp $b } keys %{ { $said->() } }), '', 'security.server_setting: who listens to himself needs no encryption');
	$listens->('*');
	my %found = $said->();
	is(join(' ', sort keys %found), 'ssl', 'security.server_setting: who lets in from elsewhere does');
	is("$found{ssl}{severity} " . ($found{ssl}{fix} // 'no fix'), 'error no fix', 'which takes a certificate');
	hba('host all app 10.0.0.0/8 scram-sha-256', 'host all app 0.0.0.0/0 scram-sha-256');
	%found = $said->();
	is(join(' ', sort keys %found), 'listen_addresses ssl', 'security.server_setting: to listen everywhere, for everybody, is told of');
	is("$found{listen_addresses}{severity} " . ($found{listen_addresses}{fix} // 'no fix'), 'warning no fix', 'without a fix: who comes by which address is not known');
	hba('host all app 127.0.0.1/32 scram-sha-256');
	%found = $said->();
	is(join(' ', map { "$_ $found{$_}{severity}" } sort keys %found), 'listen_addresses info', 'security.server_setting: to listen everywhere for nobody, too');
	run_sql($found{listen_addresses}{fix}, 'its fix runs');
	$node->restart;
	is(join(' ', keys %{ { $said->() } }), '', 'and clears it at a restart');
	run_sql($found{listen_addresses}{undo}, 'its undo runs');
	$node->restart;
	is({ $said->() }->{listen_addresses}{message}, $found{listen_addresses}{message}, 'and brings it back');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET listen_addresses');
	hba();
	$node->restart;
}

# --- What the caller may not see

{
	my @rows = rows($node, 'rules', q{SELECT * FROM dbm.audit('security')}, role => 'watcher');
	my %unknown = map { $_->{rule} => 1 } grep { $_->{status} eq 'unknown' } @rows;
	none([ grep { !$unknown{"security.$_"} } qw(password_hash_weak password_guessable password_never_expires hba_weak_method hba_error
		superuser_over_network subscription_password user_mapping_unsafe) ],
		'what a member of pg_monitor cannot see is unknown to it, not right');
	none([ map { "$_->{rule}: $_->{message}" } grep { $_->{status} eq 'error' } @rows ], 'and nothing breaks');
}

# --- An audit runs nobody's code

$node->safe_psql('rules', <<'SQL');
CREATE SCHEMA trap;
CREATE FUNCTION trap.fire(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'run by the audit'; END$$;
CREATE OPERATOR trap.= (FUNCTION = trap.fire, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION trap.lower(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'run by the audit'; END$$;
CREATE FUNCTION trap.to_jsonb(anyelement) RETURNS jsonb LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'run by the audit'; END$$;
SQL
{
	my @rows = rows($node, 'rules', q{SELECT * FROM dbm.audit('security')}, before => 'SET search_path = trap, pg_catalog');
	none([ map { $_->{message} } grep { $_->{status} eq 'error' } @rows ], 'functions and operators of others are not run');
}

# --- None is forgotten

none(\@unmended, 'each finding has a fix and what takes it back, or says why there is none');

my %tested = map { $_ => 1 } @tested;
none([ grep { !$tested{$_} } map { $_->{rule} } rows($node, 'rules', q{SELECT rule FROM dbm.rules() WHERE dimension = 'security'}) ],
	'every rule of security is tested here');

$node->stop;
done_testing();
