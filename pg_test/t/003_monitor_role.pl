# Who only watches the server may read everything that the extension says; who may not watch it is told nothing.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(audit keys_of none reading_calls rows utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TestDatabase qw(load_traps);
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('monitor');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'watcher,nobody,granted' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\ndbm.rule_timeout = '5min'");
$node->start;
load_traps($node);
$node->safe_psql('traps', <<'SQL');
CREATE ROLE watcher LOGIN;
CREATE ROLE nobody LOGIN;
CREATE ROLE granted LOGIN;
GRANT pg_monitor TO watcher;
GRANT USAGE ON SCHEMA dbm TO nobody, granted;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbm TO granted;
GRANT SELECT ON ALL TABLES IN SCHEMA dbm TO granted;
SQL

sub as
{
	my ($role, $statement) = @_;
	my ($status, $out, $error) = $node->psql('traps', $statement, extra_params => [ '-U', $role ], on_error_stop => 1);
	return ($status, $out, $error);
}

# --- Every reading function, called by one who only watches

my %calls = reading_calls($node, 'traps');
my @known = qw(audit score rules unused_indexes duplicate_indexes missing_indexes index_health table_sizes);
none([ grep { !exists $calls{$_} } @known ], 'the reading functions are found in the catalog');
for my $function (sort keys %calls)
{
	my ($status, $out, $error) = as('watcher', $calls{$function});
	is("$status $error", '0 ', "a member of pg_monitor calls $function()");
	cmp_ok($out || 0, '>', 0, "$function() has something to say")
	  if $function !~ /^(?:unused_indexes|audit_triggers|backfill_status|partition_copy_status|partition_status|pending_ddl_records)$/;
}

# --- What it cannot see is not taken for good

my @all      = audit($node, 'traps');
my @watched  = audit($node, 'traps', role => 'watcher');
my @findings = grep { $_->{status} eq 'finding' } @watched;
none([ keys_of(grep { $_->{status} eq 'error' } @watched) ], 'no rule breaks for a member of pg_monitor');
my %seen_by_all = map { $_ => 1 } keys_of(grep { $_->{status} eq 'finding' } @all);
none([ grep { !$seen_by_all{$_} } keys_of(@findings) ], 'it is told nothing that the superuser is not told');
my %unknown = map { $_->{rule} => 1 } grep { $_->{status} eq 'unknown' } @watched;
my %found   = map { $_ => 1 } keys_of(@findings);
none([ grep { !$found{$_} && !$unknown{ (split /: /)[0] } } keys_of(grep { $_->{status} eq 'finding' } @all) ],
	'where it misses a finding, the rule says that it could not judge everything');
my @blind = grep { $_->{rule} eq 'schema.sequence_near_end' && $_->{status} eq 'unknown' } @watched;
ok(scalar @blind, 'sequences that it may not read are unknown');
like($blind[0]{message} // '', qr/privilege|permission|SELECT|read/i, 'and the reason is given');

my %score   = map { $_->{dimension} => $_ } rows($node, 'traps', 'SELECT * FROM dbm.score()', role => 'watcher');
my %best    = map { $_->{dimension} => $_ } rows($node, 'traps', 'SELECT * FROM dbm.score()');
cmp_ok($score{schema}{coverage},  '<', 1, 'the coverage of the schema dimension is below 1');
cmp_ok($score{overall}{coverage}, '<', 1, 'and so is that of the whole');
cmp_ok($score{schema}{coverage}, '<', $best{schema}{coverage}, 'a superuser covers more');

# --- It may watch, not act

for my $statement ("SELECT dbm.suppress('schema.no_primary_key', 'public.t', 'because')",
	"SELECT dbm.unsuppress('schema.no_primary_key', 'public.t')",
	"INSERT INTO dbm.rule_setting (rule, enabled) VALUES ('schema.no_primary_key', false)",
	"INSERT INTO dbm.suppression (rule, object, reason) VALUES ('schema.no_primary_key', 'x', 'y')",
	'DELETE FROM dbm.rule_setting', "SELECT dbm.version(); SET dbm.fault_in_rule = 'schema.no_primary_key:panic'")
{
	my ($status, undef, $error) = as('watcher', $statement);
	ok($status != 0 && $error =~ /permission denied/, "a member of pg_monitor is refused: $statement") or diag($error);
}

# Before the library is loaded the server takes any setting from anyone; it must not come into force.
my ($status, $out, $error) = as('watcher', <<'SQL');
SET dbm.fault_in_rule = 'schema.no_primary_key:panic';
SELECT count(*) FROM dbm.audit() WHERE status = 'error';
SQL
is("$status $out", '0 0', 'a setting for superusers, set before the library is loaded, is not heeded');

# --- Who was granted nothing

# With arguments that are not null: of a strict function the planner never calls what it knows to be null.
my @functions = split /\n/, $node->safe_psql('traps', <<'SQL');
SELECT pg_catalog.format('%s dbm.%I(%s)', CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, p.proname,
           (SELECT pg_catalog.string_agg(pg_catalog.format('%L::%s',
                       CASE WHEN t = 'text'::regtype THEN 'x' WHEN t = 'boolean'::regtype THEN 't'
                            WHEN t::regtype::text ~ '\[\]$' OR t = 'jsonb'::regtype THEN '{}'
                            WHEN t = 'regclass'::regtype THEN 'pg_class'
                            WHEN t = 'timestamptz'::regtype THEN 'infinity' ELSE '1' END,
                       CASE WHEN t = 'anyelement'::regtype THEN 'text' ELSE pg_catalog.format_type(t, NULL) END), ', ' ORDER BY n)
              FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY AS a (t, n)))
  FROM pg_catalog.pg_proc AS p
 WHERE p.pronamespace = 'dbm'::regnamespace
   -- Policies and defaults call it in everybody's statements.
   AND p.proname <> 'current_tenant'
 ORDER BY 1
SQL
cmp_ok(scalar @functions, '>=', scalar keys %calls, 'all functions of the schema are tried');
for my $function (@functions)
{
	my ($status, undef, $error) = as('nobody', $function);
	ok($status != 0 && $error =~ /permission denied for (?:function|procedure)/, "a role without grants may not call $function")
	  or diag($error);
}
for my $table ('dbm.rule_setting', 'dbm.suppression', 'dbm.plan', 'dbm.backfill_job', 'dbm.ddl_record')
{
	my ($status, undef, $error) = as('nobody', "SELECT * FROM $table");
	like($error, qr/permission denied/, "nor read $table");
}

# --- Who was granted EXECUTE but may not see the statistics of columns

($status, $out, $error) = as('granted', <<'SQL');
SELECT count(*) FROM pg_stats WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema'
SQL
is($out, '0', 'the role with EXECUTE alone sees no column statistics by itself');
my @granted = audit($node, 'traps', role => 'granted');
none([ keys_of(grep { $_->{status} eq 'error' } @granted) ], 'no rule breaks for it');
# What can be found only in pg_statistic and pg_statistic_ext_data.
my %from_statistics = map { $_ => 1 }
  qw(schema.nullable_without_nulls schema.nullable_foreign_key schema.transitive_dependency indexing.low_cardinality_index);
ok((grep { $from_statistics{ $_->{rule} } && $_->{status} eq 'finding' } @all),
	'a superuser is told what column statistics say');
none([ keys_of(grep { $from_statistics{ $_->{rule} } && $_->{status} eq 'finding' } @granted) ],
	'the role with EXECUTE alone is not');
my %granted_unknown = map { $_->{rule} => $_ } grep { $_->{status} eq 'unknown' } @granted;
ok($granted_unknown{'schema.nullable_without_nulls'} && $granted_unknown{'schema.nullable_foreign_key'},
	'it is told that they are unknown');
none([ map { "$_->{rule}: $_->{message} $_->{evidence}" } grep { "$_->{message}" =~ /distinct values/ } @granted ],
	'no message lets them through either');

$node->stop;
done_testing();
