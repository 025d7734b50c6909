# Cases of DDL: a file of statements with the rule and the verdict, and the doors through which each is sent.

package DdlCases;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT_OK = qw(cases prepare reset_database warned explained linted files refused locked_by quoted);

# The rows of a file: n, rule, setup, statement, expected, min_pg, and perhaps a note.
sub cases
{
	my ($file, $version) = @_;
	my ($head, @lines) = split /\n/, slurp_file($file);
	my @names = split /\t/, $head;
	my @cases;
	for my $line (@lines)
	{
		my %case;
		@case{@names} = split /\t/, $line;
		push @cases, \%case if $version >= $case{min_pg} && $version <= ($case{max_pg} || 99);
	}
	return @cases;
}

sub quoted
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	return "'$text'";
}

# A database in which every table counts and every rule is told.
sub prepare
{
	my ($node, $database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	$node->safe_psql($database, 'CREATE EXTENSION dbmastery');
	$node->safe_psql($database, <<"SQL");
ALTER DATABASE $database SET dbm.ddl_small_table = 0;
INSERT INTO dbm.rule_setting (rule, severity) SELECT rule, 'warning' FROM dbm.ddl_rules() WHERE severity IN ('info', 'warning');
SQL
	return;
}

# Takes away what cases left behind.
sub reset_database
{
	my ($node, $database) = @_;
	$node->safe_psql($database, <<'SQL');
SET client_min_messages = error;
SET dbm.ddl_guard = off;
SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'dbm') \gexec
SELECT format('DROP ACCESS METHOD %I CASCADE', amname) FROM pg_am WHERE oid >= 16384 \gexec
SELECT format('DROP EVENT TRIGGER %I', evtname) FROM pg_event_trigger WHERE evtname !~ '^dbmastery' \gexec
CREATE SCHEMA public;
GRANT ALL ON SCHEMA public TO PUBLIC;
SQL
	return;
}

# Makes the case's objects, in a session of its own.
sub setup
{
	my ($node, $database, $case) = @_;
	reset_database($node, $database);
	my ($status, $out, $error) =
	  $node->psql($database, "SET client_min_messages = error;\nSET dbm.ddl_guard = off;\n$case->{setup}", on_error_stop => 1);
	is("$status $error", '0 ', "$case->{n}: set up") if $status != 0 || $error ne '';
	return;
}

# The rules of which the guard warns while the statement runs.
sub warned
{
	my ($node, $database, $case) = @_;
	setup($node, $database, $case);
	my ($status, $out, $error) = $node->psql($database, $case->{statement}, on_error_stop => 0);
	my %rules = map { $_ => 1 } $error =~ /WARNING:  (ddl\.\w+): /g;
	fail("$case->{n}: judged: $error") if $error =~ /could not be judged/;
	return (\%rules, $error);
}

# The rules that a text door finds.
sub explained
{
	my ($node, $database, $case) = @_;
	return asked($node, $database, $case, "SELECT rule FROM dbm.explain_ddl(\$ddl_case\$$case->{statement}\$ddl_case\$) WHERE verdict = 'unsafe'");
}

sub linted
{
	my ($node, $database, $case) = @_;
	return asked($node, $database, $case, "SELECT rule FROM dbm.lint_migration(\$ddl_case\$$case->{statement}\$ddl_case\$)");
}

sub asked
{
	my ($node, $database, $case, $query) = @_;
	setup($node, $database, $case);
	my ($status, $out, $error) = $node->psql($database, $query, on_error_stop => 1);
	is("$status $error", '0 ', "$case->{n}: asked for text") if $status != 0;
	return { map { $_ => 1 } split /\n/, $out };
}

# What is on disk, by relation: to be compared before and after.
sub files
{
	my ($node, $database) = @_;
	return $node->safe_psql($database, <<'SQL');
SELECT string_agg(concat_ws(' ', c.oid, c.relname, pg_relation_filenode(c.oid), c.relpersistence), E'\n' ORDER BY c.oid)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'dbm') AND n.nspname !~ '^pg_(toast_)?temp' AND c.relkind IN ('r', 'i', 'm', 't', 'p', 'I')
SQL
}

# Holds every table of the case in ACCESS EXCLUSIVE, in this session.
sub locked_by
{
	my ($session) = @_;
	$session->must('SET dbm.ddl_guard = off');
	my $tables = $session->must(<<'SQL');
SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'dbm') AND n.nspname !~ '^pg_' AND c.relkind IN ('r', 'p')
SQL
	return 0 if $tables eq '';
	$session->must("BEGIN; LOCK TABLE $tables IN ACCESS EXCLUSIVE MODE;");
	return 1;
}

# Sends the statement while the guard enforces: what was said, and for how many milliseconds each statement ran.
sub refused
{
	my ($node, $database, $case) = @_;
	my ($status, $out, $error) = $node->psql(
		$database,
		"\\set VERBOSITY verbose\n\\timing on\n$case->{statement}",
		on_error_stop => 0,
		timeout       => 170);
	my @times = $out =~ /^Time: ([\d.]+) ms/mg;
	return ($error, \@times);
}

1;
