# A database that changes while it is audited: what goes in the middle of an audit neither breaks a rule nor the server.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(none set_thresholds utf8_locale);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('changing');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\ntimezone = 'UTC'\nlog_statement = none\ndbm.rule_timeout = '5min'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE busy');
# Beside all that changes, something that does not: two equal indexes, whose pages are worth a look.
$node->safe_psql('busy', $_) for split /;\n/, <<'SQL';
CREATE EXTENSION dbmastery;
CREATE SEQUENCE rounds;
CREATE SCHEMA churn;
CREATE TABLE churn.steady (id bigint PRIMARY KEY, note text NOT NULL);
INSERT INTO churn.steady SELECT i, md5(i::text) FROM generate_series(1, 20000) AS i;
CREATE INDEX ON churn.steady (note);
CREATE INDEX ON churn.steady (note);
DELETE FROM churn.steady WHERE id % 10 > 0;
VACUUM ANALYZE churn.steady;
SQL
set_thresholds($node, 'busy', { 'indexing.bloated_index' => { wasted_bytes => 8192, measured_bytes => 8192 } });

my $folder = $node->basedir;
# Everything that an audit looks at comes and goes, each statement a transaction of its own.
append_to_file("$folder/churn.sql", <<'SQL');
\set n :client_id
SELECT nextval('rounds');
CREATE TABLE churn.parent_:n (id bigserial PRIMARY KEY, a int, b text, price double precision, at timestamp);
CREATE TABLE churn.child_:n (id bigint PRIMARY KEY, parent_id bigint REFERENCES churn.parent_:n, "w""x" int);
ALTER TABLE churn.child_:n ADD CHECK ("w""x" > 0) NOT VALID;
INSERT INTO churn.parent_:n (a, b, price, at) SELECT i, i, i, now() FROM generate_series(1, 200) AS i;
CREATE INDEX one_:n ON churn.parent_:n (a);
CREATE INDEX two_:n ON churn.parent_:n (a);
CREATE INDEX CONCURRENTLY three_:n ON churn.parent_:n (lower(b), a) WHERE a > 1;
ANALYZE churn.parent_:n;
ALTER TABLE churn.parent_:n DROP COLUMN at;
ALTER TABLE churn.parent_:n ADD COLUMN c char(7) DEFAULT 'x';
ALTER TABLE churn.parent_:n ALTER price TYPE numeric;
DROP INDEX CONCURRENTLY churn.two_:n;
CREATE SEQUENCE churn.numbers_:n;
CREATE TABLE churn.tree_:n (id bigint DEFAULT nextval('churn.numbers_:n'), day date, PRIMARY KEY (id, day))
    PARTITION BY RANGE (day);
CREATE TABLE churn.leaf_:n PARTITION OF churn.tree_:n FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
    PARTITION BY HASH (id);
CREATE TABLE churn.twig_:n PARTITION OF churn.leaf_:n FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE INDEX ON churn.tree_:n (day);
CREATE INDEX ON churn.tree_:n (day);
CREATE STATISTICS churn.stat_:n (dependencies) ON a, b FROM churn.parent_:n;
CREATE VIEW churn.view_:n AS SELECT id, a FROM churn.parent_:n;
CREATE FUNCTION churn.touch_:n() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch BEFORE INSERT ON churn.parent_:n FOR EACH ROW EXECUTE FUNCTION churn.touch_:n();
ALTER TABLE churn.parent_:n DISABLE TRIGGER touch;
CREATE PUBLICATION pub_:n FOR TABLE churn.parent_:n;
ALTER TABLE churn.tree_:n DETACH PARTITION churn.leaf_:n;
DROP PUBLICATION pub_:n;
DROP TABLE churn.leaf_:n;
DROP TABLE churn.tree_:n;
DROP SEQUENCE churn.numbers_:n;
DROP VIEW churn.view_:n;
DROP TABLE churn.child_:n, churn.parent_:n;
DROP FUNCTION churn.touch_:n;
SQL
my @pgbench = ($node->installed_command('pgbench'), '-n', '-f', "$folder/churn.sql", $node->connstr('busy'));
# One round first: what fails at once would change nothing afterwards.
my ($out, $said) = ('', '');
IPC::Run::run([ @pgbench, '-t', '1' ], '>', \$out, '2>', \$said);
unlike($said, qr/ERROR|aborted/, 'one round of changes works') or diag($said);
my ($churned, $complaints) = ('', '');
my $churn = IPC::Run::start([ @pgbench, '-c', '3', '-T', '1800' ], '>', \$churned, '2>', \$complaints);

my $started = $node->safe_psql('busy', 'SELECT pg_postmaster_start_time()');
my $before  = $node->safe_psql('busy', 'SELECT last_value FROM rounds');
my $reader  = Session->new($node, 'busy');
my (@errors, %seen);
for my $round (1 .. 200)
{
	my ($text, $error) = $reader->run($round % 4 ? <<'SQL' : <<'MORE');
SELECT status || ' ' || rule || CASE status WHEN 'error' THEN ': ' || message ELSE '' END FROM dbm.audit() GROUP BY 1;
SQL
SELECT 'unused' FROM dbm.unused_indexes() UNION SELECT 'duplicates' FROM dbm.duplicate_indexes()
UNION SELECT 'missing' FROM dbm.missing_indexes() UNION SELECT 'health' FROM dbm.index_health()
UNION SELECT 'sizes' FROM dbm.table_sizes() UNION SELECT 'summary' FROM dbm.catalog_summary()
UNION SELECT 'score' FROM dbm.score();
MORE
	push @errors, $error if $error ne '';
	push @errors, grep { /^error / } split /\n/, $text;
	$seen{$_}++ for split /\n/, $text;
}
my $rounds = $node->safe_psql('busy', 'SELECT last_value FROM rounds') - $before;
$churn->signal('INT');
eval { $churn->finish; 1 };
none(\@errors, "200 calls while the catalog changes: no error, no broken rule");
cmp_ok($rounds, '>=', 10, "it did change: $rounds rounds of some thirty statements meanwhile");
my @passing = grep { $seen{$_} && $seen{$_} < 150 } keys %seen;
cmp_ok(scalar(grep { /^finding / } @passing), '>=', 3, 'and the audits saw it change: some findings came and went');
is($seen{'finding indexing.duplicate_index'}, 150, 'what does not change is found each time');
is($node->safe_psql('busy', 'SELECT pg_postmaster_start_time()'), $started, 'the server did not restart');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|server process .* exited/, 'no process fell');

$reader->quit;
$node->stop;
done_testing();
