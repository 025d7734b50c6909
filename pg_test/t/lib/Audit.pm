# What the extension says, as Perl data.

package Audit;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT_OK =
  qw(rows audit decode_rows keys_of leave_server_out none same_keys set_thresholds reading_calls utf8_locale);

# The rows of a query as hashes, in the query's order. Dies when the query fails.
#
# Options: before, statements that print nothing, to be run first in the same session; role, who asks.
sub rows
{
	my ($node, $database, $query, %options) = @_;

	my $before = $options{before} ? "$options{before};\n" : '';
	my ($status, $out, $error) = $node->psql(
		$database,
		"${before}SELECT pg_catalog.json_agg(r) FROM ($query) AS r",
		extra_params  => $options{role} ? [ '-U', $options{role} ] : [],
		on_error_stop => 1);
	$status == 0 or die "$query failed: $error";
	return decode_rows($out);
}

# What json_agg() printed, as rows; nothing is no row. Strings come back as the bytes of UTF-8, so that they can be
# printed and compared with what psql prints.
sub decode_rows
{
	my ($text) = @_;
	return () if $text !~ /\S/;
	return @{ encode_strings(JSON::PP->new->utf8->decode($text)) };
}

sub encode_strings
{
	my ($value) = @_;
	if (ref $value eq 'ARRAY') { return [ map { encode_strings($_) } @$value ] }
	if (ref $value eq 'HASH')
	{
		return { map { encode_strings($_) => encode_strings($value->{$_}) } keys %$value };
	}
	if (defined $value && !ref $value) { utf8::encode(my $bytes = $value); return $bytes }
	return $value;
}

# The rows of dbm.audit().
sub audit
{
	my ($node, $database, %options) = @_;
	return rows($node, $database, 'SELECT * FROM dbm.audit()', %options);
}

# 'rule: object' of rows, sorted.
sub keys_of
{
	return sort map { "$_->{rule}: " . ($_->{object} // '(the whole rule)') } @_;
}

# One test: a list is empty; otherwise each of its words is shown.
sub none
{
	my ($list, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my $empty = ok(!@$list, $name);
	diag("  $_") for @$list;
	return $empty;
}

# One test: two lists of words hold the same; says what is missing and what is too much.
sub same_keys
{
	my ($got, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my %got      = map { $_ => 1 } @$got;
	my %expected = map { $_ => 1 } @$expected;
	my @missing  = sort grep { !$got{$_} } keys %expected;
	my @surplus  = sort grep { !$expected{$_} } keys %got;
	my $same     = ok(!@missing && !@surplus, $name);
	diag("missing: $_") for @missing;
	diag("surplus: $_") for @surplus;
	return $same;
}

# Sets thresholds as a user would: { rule => { threshold => number } }.
sub set_thresholds
{
	my ($node, $database, $settings) = @_;
	for my $rule (sort keys %$settings)
	{
		my $thresholds = JSON::PP->new->canonical->encode($settings->{$rule});
		$node->safe_psql($database,
			"INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('$rule', '$thresholds')");
	}
	return;
}

# Turns the rules of security off that speak of the server and its roles rather than of the database: a server made for
# tests trusts whoever is on the machine, and says little in its log.
sub leave_server_out
{
	my ($node, $database) = @_;
	$node->safe_psql($database, <<'SQL');
INSERT INTO dbm.rule_setting (rule, enabled)
SELECT rule, false FROM dbm.rules()
 WHERE rule ~ '^security\.(hba_|password_|role_|superuser_)' OR rule IN ('security.extra_superuser', 'security.server_setting')
SQL
	return;
}

# A call of every reading function there is, from the catalog, so that none is forgotten: name => statement.
# Reading functions are those that pg_monitor may run; version() and check_rule_setting() read nothing of the database.
sub reading_calls
{
	my ($node, $database) = @_;
	my @functions = split /\n/, $node->safe_psql($database, <<'SQL');
SELECT p.proname
  FROM pg_catalog.pg_proc AS p
  JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'dbmastery'
 WHERE p.provolatile = 's' AND p.proretset AND p.pronargs = p.pronargdefaults
   -- They need somebody who counts queries, or show what runs just now, or need an audit log: others test them.
   AND p.proname NOT IN ('advise_workload', 'captured_queries', 'capture_status', 'progress', 'slow_queries',
       'audit_log_digests', 'changes', 'verify_audit_log')
 ORDER BY 1
SQL
	return map { $_ => "SELECT count(*) FROM dbm.$_()" } @functions;
}

# initdb's arguments for a cluster whose text is UTF-8, whatever the environment of the test.
sub utf8_locale
{
	return [ '--encoding=UTF8', '--locale=C.UTF-8' ];
}

1;
