# What the users decided goes with the database, and a database restored elsewhere is judged the same.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(audit none rows same_keys utf8_locale);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TestDatabase qw(load_traps);
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\ntimezone = 'UTC'\nwal_level = logical\nmax_wal_senders = 2\ndbm.rule_timeout = '5min'");
$node->start;
load_traps($node);
$node->safe_psql('traps', <<'SQL');
INSERT INTO dbm.rule_setting (rule, enabled) VALUES ('schema.serial_column', false),
    -- It names the database, which has another name once it is restored.
    ('security.public_database_privilege', false);
INSERT INTO dbm.rule_setting (rule, severity, thresholds)
VALUES ('indexing.too_many_indexes', 'critical', '{"maximum_indexes": 3}');
SELECT dbm.suppress('schema.no_primary_key', 'keys.keyless', 'it''s "known"
in two lines; DROP TABLE x', '2099-12-31 23:59:59+00');
SELECT dbm.suppress('schema.float_money', '*', 'décidé €');
CREATE ROLE tenant;
GRANT USAGE ON SCHEMA dbm TO tenant;
GRANT INSERT ON dbm.workload TO tenant;
SET ROLE tenant;
INSERT INTO dbm.workload (query, calls, mean_time_ms, search_path) VALUES ('SELECT ''é'', "a"
FROM nowhere', 2.5, 0.1, 'keys, "$user"');
SQL

# Left out is what hangs on counters or on the age of files, and what pg_dump itself leaves out: invalid indexes, and
# that the triggers of a foreign key are off.
sub judged
{
	my ($database) = @_;
	return map { "$_->{status} $_->{severity} $_->{rule} " . ($_->{object} // '') . " $_->{fingerprint}" }
	  grep { $_->{rule} !~ /^indexing\.(?:unused_index|invalid_index|many_sequential_scans|bloated_index)$/ }
	  grep { $_->{rule} ne 'schema.orphan_table' }
	  grep { "$_->{rule} $_->{severity}" ne 'schema.disabled_trigger critical' } audit($node, $database);
}

sub decisions
{
	my ($database) = @_;
	return $node->safe_psql($database,
		'TABLE dbm.rule_setting ORDER BY rule; TABLE dbm.suppression ORDER BY rule, object; TABLE dbm.workload ORDER BY id');
}

sub run_or_die
{
	my ($out, $error) = ('', '');
	# For what restores, as docs/guard.md says.
	local $ENV{PGOPTIONS} = '-c dbm.ddl_guard=off';
	IPC::Run::run(\@_, '<', \undef, '>', \$out, '2>', \$error) or die "@_ failed: $error";
	return $error;
}

my @judged    = judged('traps');
my $decisions = decisions('traps');
ok(scalar(grep { /^suppressed / } @judged) >= 2, 'suppressions are in force');
like($decisions, qr/too_many_indexes\|t\|critical/, 'settings are in force');
like($decisions, qr/\|tenant\|/, 'a query of the workload has its writer');

my $plain  = $node->basedir . '/plain.sql';
my $custom = $node->basedir . '/custom.dump';
run_or_die('pg_dump', '-d', $node->connstr('traps'), '-f', $plain);
run_or_die('pg_dump', '-d', $node->connstr('traps'), '-Fc', '-f', $custom);

# OIDs are to differ: other objects first.
$node->safe_psql('postgres', 'CREATE TABLE filler (a int); DROP TABLE filler; SELECT lo_create(0)');
$node->safe_psql('postgres', "CREATE DATABASE $_") for 'from_plain', 'from_custom';
my @psql = ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null');
is(run_or_die(@psql, '-d', $node->connstr('from_plain'), '-f', $plain), '', 'pg_dump | psql says nothing');
is(run_or_die('pg_restore', '--exit-on-error', '-d', $node->connstr('from_custom'), $custom),
	'', 'pg_dump -Fc and pg_restore say nothing');

my ($oid) = map { $node->safe_psql($_, "SELECT 'keys.keyless'::regclass::oid") } 'traps';
for my $database ('from_plain', 'from_custom')
{
	$node->safe_psql($database, 'ANALYZE');
	isnt($node->safe_psql($database, "SELECT 'keys.keyless'::regclass::oid"), $oid, "$database: OIDs are others");
	is(decisions($database), $decisions, "$database: settings and suppressions are there, who and when included");
	same_keys([ judged($database) ], \@judged, "$database: the same rows of the audit, fingerprints included");
}

is($node->safe_psql('from_plain', "SELECT nextval('dbm.workload_id_seq') > max(id) FROM dbm.workload"),
	't', 'the next query of the workload gets a number of its own');
$node->safe_psql('from_plain', "SELECT setval('dbm.workload_id_seq', 1)");

# --- The dump of the restored one is the same dump: nothing of ours grows or gets lost on the way

my $second = $node->basedir . '/second.sql';
run_or_die('pg_dump', '-d', $node->connstr('from_plain'), '-f', $second);
# But for the key of psql's restricted mode, which is new in each dump.
sub without_key { return slurp_file($_[0]) =~ s/^\\(un)?restrict .*\n//mgr }
ok(without_key($plain) eq without_key($second), 'a dump of the restored database is equal to the first one');

# --- It can go and come again

my $before = $node->safe_psql('from_plain', "SELECT count(*) FROM pg_depend WHERE refclassid = 'pg_extension'::regclass");
# The schema stays, as that of every extension whose control file names one: the server does not count it as a member.
$node->safe_psql('from_plain', 'DROP EXTENSION dbmastery');
is($node->safe_psql('from_plain', <<'SQL'), '0', 'DROP EXTENSION leaves nothing in the schema');
SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'dbm'::regnamespace)
     + (SELECT count(*) FROM pg_type WHERE typnamespace = 'dbm'::regnamespace)
     + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'dbm'::regnamespace OR probin ~ 'dbmastery')
SQL
$node->safe_psql('from_plain', 'CREATE EXTENSION dbmastery');
is($node->safe_psql('from_plain', "SELECT count(*) FROM pg_depend WHERE refclassid = 'pg_extension'::regclass"),
	$before, 'CREATE EXTENSION brings the same objects');
is(decisions('from_plain'), '', 'without what was decided before');
my %fresh = map { $_ => 1 } judged('from_plain');
ok((grep { /^finding warning schema.no_primary_key keys.keyless_altogether / } keys %fresh), 'and it judges');

# --- In one session too, whose caches have seen the old one

is($node->safe_psql('from_plain', <<'SQL'), "t\nt", 'in one session too');
SELECT count(*) > 0 FROM dbm.audit();
BEGIN;
DROP EXTENSION dbmastery;
CREATE EXTENSION dbmastery;
COMMIT;
SELECT count(*) > 0 FROM dbm.audit();
SQL

$node->stop;
done_testing();
