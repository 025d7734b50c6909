# One server with the audit trail in its database postgres: what is asked of it, and what is done to its log.

package Trail;

use strict;
use warnings FATAL => 'all';

use Audit qw(utf8_locale);
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT_OK = qw(apply copied_elsewhere found refused sql start tampered transaction);

my $node;

# Starts the server of that name.
sub start
{
	my ($name, $conf) = @_;
	$node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => utf8_locale());
	$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\n$conf");
	$node->start;
	return $node;
}

# Dumps the database and restores it into another cluster, where transactions count anew; returns that. Both are checks of the test.
sub copied_elsewhere
{
	my ($conf) = @_;
	my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
	$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'it is dumped');
	my $other = PostgreSQL::Test::Cluster->new('elsewhere');
	$other->init(extra => utf8_locale());
	$other->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\n$conf");
	$other->start;
	$other->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $other->connstr('postgres') ], 'and restored');
	return $other;
}

sub sql { return $node->safe_psql('postgres', @_) }

# What is complained of where a statement may fail.
sub refused
{
	my ($sql) = @_;
	my ($code, $out, $error) = $node->psql('postgres', $sql);
	return $error;
}

# Runs statements as one transaction; returns its number.
sub transaction
{
	my ($statements) = @_;
	return (split /\n/, sql("BEGIN; $statements; SELECT pg_current_xact_id(); COMMIT"))[-1];
}

# Applies a plan; returns what became of it.
sub apply { my ($plan) = @_; sql("CALL dbm.apply($plan)"); return sql("SELECT status FROM dbm.plan WHERE plan = $plan") }

my $problems = q{string_agg(concat_ws('|', problem, log_table, id), ',' ORDER BY log_table, id)};

# What is found when the seals are verified, against digests that are kept elsewhere if they are given.
sub found
{
	my ($digests) = @_;
	return sql("SELECT $problems FROM dbm.verify_audit_log(" . ($digests // '') . ')');
}

# What a superuser does to the log behind its back, looked at in the same way, and undone.
sub tampered
{
	my ($statements, $digests) = @_;
	return sql("BEGIN; SET LOCAL session_replication_role = replica; $statements; SELECT coalesce($problems, '') FROM dbm.verify_audit_log(" . ($digests // '') . '); ROLLBACK');
}

1;
