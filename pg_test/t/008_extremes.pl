# Databases that nobody thought of: none, of another encoding, of many schemas, and one that changes all the time.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(audit keys_of none reading_calls rows utf8_locale);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('extremes');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\ntimezone = 'UTC'\nmax_connections = 30\nlog_statement = none");
$node->start;

# Makes a database of an encoding and runs statements in it, whose bytes are taken as they are.
sub database
{
	my ($name, $encoding, @statements) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE template0 LOCALE 'C' ENCODING '$encoding'");
	my ($out, $error) = ('', '');
	my $input = join '', map { "$_;\n" } @statements, 'CREATE EXTENSION dbmastery';
	IPC::Run::run([ $node->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($name) . " client_encoding=$encoding" ],
		'<', \$input, '>', \$out, '2>', \$error) or die "$name: $error";
	return;
}

# What psql prints for a statement, byte for byte in the client's encoding.
sub ask
{
	my ($database, $encoding, $statement) = @_;
	my ($out, $error) = ('', '');
	IPC::Run::run([ $node->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database) . " client_encoding=$encoding" ],
		'<', \$statement, '>', \$out, '2>', \$error);
	chomp $out;
	return ($out, $error);
}

sub all_work
{
	my ($database, $encoding) = @_;
	my %calls = reading_calls($node, $database);
	my @failed;
	for my $function (sort keys %calls)
	{
		my (undef, $error) = ask($database, $encoding, "SELECT * FROM dbm.$function() \\g /dev/null");
		push @failed, "$function(): $error" if $error ne '';
	}
	none(\@failed, "$database: every reading function works");
	my ($errors) = ask($database, $encoding, "SELECT rule || ': ' || message FROM dbm.audit() WHERE status = 'error'");
	is($errors, '', "$database: no rule breaks");
	return;
}

# --- Nothing at all

database('nothing', 'UTF8');
all_work('nothing', 'UTF8');
is($node->safe_psql('nothing', 'SELECT count(*) FROM dbm.audit()'), '0', 'of an empty database the audit has nothing to say');
is($node->safe_psql('nothing', "SELECT score, findings FROM dbm.score() WHERE dimension = 'overall'"), '100.0|0', 'and it has full marks');
is($node->safe_psql('nothing', 'SELECT count(*) FROM dbm.score()'), '8', 'the scoreboard is complete all the same');
is($node->safe_psql('nothing', "SELECT string_agg(coalesce(score::text, 'null'), ',') FROM dbm.score() WHERE verdict LIKE 'no rules%'")
	=~ s/null,?//gr, '', 'where there are no rules there is no score');

# --- Other encodings

my @umlauts = (
	'CREATE TABLE "größen" (id bigint PRIMARY KEY)',
	'CREATE TABLE "länge_der_straßen" (id bigint PRIMARY KEY, "größe_id" bigint NOT NULL REFERENCES "größen")',
	'CREATE INDEX ON "länge_der_straßen" ("größe_id", id)', 'CREATE INDEX ON "länge_der_straßen" ("größe_id", id)',
	'CREATE TABLE "ümlaut ""x"";" (id bigint PRIMARY KEY, "ä" bigint NOT NULL REFERENCES "größen")',
	q{CREATE TABLE wert (id bigint PRIMARY KEY, a text NOT NULL)}, q{CREATE INDEX ON wert (a) WHERE a <> 'größer'},
	q{CREATE INDEX ON wert (a) WHERE a <> 'größer'}, 'COMMENT ON INDEX wert_a_idx1 IS \'für später\'');

sub in_latin1
{
	my @texts = @_;
	utf8::decode($_) for @texts;
	utf8::downgrade($_) for @texts;
	return @texts;
}

database('latin', 'LATIN1', in_latin1(@umlauts));
all_work('latin', 'LATIN1');
all_work('latin', 'UTF8');
my $duplicates = "SELECT object FROM dbm.audit() WHERE rule = 'indexing.duplicate_index' ORDER BY 1";
is((ask('latin', 'UTF8', $duplicates))[0], qq{public."länge_der_straßen_größe_id_id_idx1"\npublic.wert_a_idx1}, 'LATIN1: names with umlauts are right');
is((ask('latin', 'LATIN1', $duplicates))[0], join("\n", in_latin1(qq{public."länge_der_straßen_größe_id_id_idx1"}, 'public.wert_a_idx1')), 'in whatever encoding they are asked for');
is((ask('latin', 'UTF8', "SELECT count(*) FROM dbm.audit(schemas => ARRAY['public'])"))[0] > 0, 1, 'a schema can be asked for');

# SQL_ASCII takes any bytes for a name, and tells nobody what they mean.
my $bytes = "\xff\xfe\x80";
database('ascii', 'SQL_ASCII', @umlauts,
	"CREATE TABLE \"$bytes\" (id bigint PRIMARY KEY, \"x$bytes\" bigint NOT NULL REFERENCES wert)",
	"CREATE TABLE \"$bytes.$bytes\" (id bigint PRIMARY KEY, \"y$bytes\" text NOT NULL)",
	"CREATE INDEX \"one$bytes\" ON \"$bytes.$bytes\" (\"y$bytes\") WHERE \"y$bytes\" <> '$bytes'",
	"CREATE INDEX \"two$bytes\" ON \"$bytes.$bytes\" (\"y$bytes\") WHERE \"y$bytes\" <> '$bytes'");
all_work('ascii', 'SQL_ASCII');
my ($seen) = ask('ascii', 'SQL_ASCII', $duplicates);
like($seen, qr/länge_der_straßen_größe_id_id_idx1/, 'SQL_ASCII: what is UTF-8 all the same is right');

my $illegible = "FROM dbm.audit() WHERE rule ~ '^indexing' AND object ~ E'\\xef\\xbf\\xbd'";
is((ask('ascii', 'SQL_ASCII', "SELECT count(*) > 0, count(fix) $illegible"))[0], 't|0',
	'SQL_ASCII: what has no name that could be written is told, but no statement is made of it');

# What is proposed works there too.
for my $case ([ 'latin', 'LATIN1' ], [ 'ascii', 'SQL_ASCII' ])
{
	my ($database, $encoding) = @$case;
	my $wanted = "FROM dbm.audit() WHERE status = 'finding' AND fix IS NOT NULL AND rule ~ '^indexing'";
	my ($count) = ask($database, $encoding, "SELECT count(*) $wanted");
	cmp_ok($count, '>=', 3, "$database: indexes are to be mended");
	my ($fixes) = ask($database, $encoding, "SELECT fix $wanted ORDER BY fingerprint");
	my ($undos) = ask($database, $encoding, "SELECT undo $wanted ORDER BY fingerprint DESC");
	my (undef, $error) = ask($database, $encoding, $fixes);
	is($error, '', "$database: the fixes work");
	is((ask($database, $encoding, "SELECT count(*) $wanted"))[0], '0', "$database: nothing of that is left");
	(undef, $error) = ask($database, $encoding, $undos);
	is($error, '', "$database: they can be taken back");
	is((ask($database, $encoding, "SELECT count(*) $wanted"))[0], $count, "$database: and then everything is as it was");
}

# --- Many schemas

database('many', 'UTF8', 'DO $$ BEGIN FOR i IN 1..300 LOOP
    EXECUTE format($x$CREATE SCHEMA %1$I; CREATE TABLE %1$I.parents (id bigint PRIMARY KEY); CREATE TABLE %1$I.children (id bigint PRIMARY KEY, parent_id bigint NOT NULL REFERENCES %1$I.parents)$x$,
                   CASE i WHEN 7 THEN $x$a"";drop schema x; -- $x$ WHEN 8 THEN \'Tür 🐘\' WHEN 9 THEN \'two
lines\' ELSE \'schema_\' || i END);
END LOOP; END $$', 'ANALYZE');
all_work('many', 'UTF8');
my $missing = "SELECT count(*), count(DISTINCT object) FROM dbm.audit(%s) WHERE rule = 'indexing.foreign_key_without_index'";
is($node->safe_psql('many', sprintf $missing, ''), '300|300', 'in 300 schemas 300 foreign keys lack their index');
is($node->safe_psql('many', sprintf $missing, "schemas => ARRAY['schema_1', 'schema_22']"), '2|2', 'in two of them two');
for my $schema ('a"";drop schema x; -- ', 'Tür 🐘', "two\nlines")
{
	is($node->safe_psql('many', sprintf $missing, "schemas => ARRAY[\$q\$$schema\$q\$]"), '1|1', 'in schema ' . ($schema =~ s/\n/\\n/r) . ' one');
}
for my $case ([ "schemas => ARRAY['schema_1', 'nowhere']", qr/nowhere/ ], [ "schemas => ARRAY[NULL]", qr/null/i ],
	[ "dimension => 'indexes'", qr/indexing/ ], [ "min_severity => 'bad'", qr/critical/ ], [ "schemas => '{}'", qr/empty/ ])
{
	my ($arguments, $hint) = @$case;
	my (undef, $error) = ask('many', 'UTF8', "\\set VERBOSITY verbose\nSELECT count(*) FROM dbm.audit($arguments)");
	like($error, qr/ERROR:  22023: /, "audit($arguments) is refused");
	like($error, $hint, 'and it is said why');
}

# --- A database that changes while it is audited

database('busy', 'UTF8', 'CREATE SEQUENCE rounds', 'CREATE SCHEMA churn',
	'CREATE TABLE churn.steady (id bigint PRIMARY KEY, note text NOT NULL)', "INSERT INTO churn.steady SELECT i, md5(i::text) FROM generate_series(1, 20000) AS i",
	'CREATE INDEX ON churn.steady (note)', 'CREATE INDEX ON churn.steady (note)', 'DELETE FROM churn.steady WHERE id % 10 > 0', 'VACUUM ANALYZE churn.steady');
$node->safe_psql('busy', q{INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('indexing.bloated_index', '{"wasted_bytes": 8192, "measured_bytes": 8192}')});

my $folder = $node->basedir;
# Everything that an audit looks at comes and goes, each statement a transaction of its own.
append_to_file("$folder/churn.sql", <<'SQL');
\set n :client_id
SELECT nextval('rounds');
CREATE TABLE churn.parent_:n (id bigserial PRIMARY KEY, a int, b text, price double precision, at timestamp);
CREATE TABLE churn.child_:n (id bigint PRIMARY KEY, parent_id bigint REFERENCES churn.parent_:n, "w""x" int CHECK ("w""x" > 0));
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
CREATE TABLE churn.tree_:n (id bigint DEFAULT nextval('churn.numbers_:n'), day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE churn.leaf_:n PARTITION OF churn.tree_:n FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY HASH (id);
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
# What one round needs is there, and in this order, or the loop would change nothing.
my ($out, $said) = ('', '');
IPC::Run::run([ $node->installed_command('pgbench'), '-n', '-t', '1', '-f', "$folder/churn.sql", $node->connstr('busy') ], '>', \$out, '2>', \$said);
unlike($said, qr/ERROR|aborted/, 'one round of changes works') or diag($said);
my ($churned, $complaints) = ('', '');
my $churn = IPC::Run::start([ $node->installed_command('pgbench'), '-n', '-c', '3', '-j', '1', '-T', '300', '-f', "$folder/churn.sql", $node->connstr('busy') ],
	'>', \$churned, '2>', \$complaints);

my $started = $node->safe_psql('busy', 'SELECT pg_postmaster_start_time()');
my $before  = $node->safe_psql('busy', 'SELECT last_value FROM rounds');
my $reader  = Session->new($node, 'busy');
my (@errors, %seen);
for my $round (1 .. 200)
{
	my ($text, $error) = $reader->run($round % 4 ? <<'SQL' : <<'MORE');
SELECT status || ' ' || rule || CASE status WHEN 'error' THEN ': ' || message ELSE '' END FROM dbm.audit() GROUP BY 1;
SQL
SELECT 'unused' FROM dbm.unused_indexes() UNION SELECT 'duplicates' FROM dbm.duplicate_indexes() UNION SELECT 'missing' FROM dbm.missing_indexes()
UNION SELECT 'health' FROM dbm.index_health() UNION SELECT 'sizes' FROM dbm.table_sizes() UNION SELECT 'summary' FROM dbm.catalog_summary()
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
cmp_ok($rounds, '>=', 10, "it did change: $rounds rounds of 32 statements meanwhile");
my @passing = grep { $seen{$_} && $seen{$_} < 150 } keys %seen;
cmp_ok(scalar(grep { /^finding / } @passing), '>=', 3, 'and the audits saw it change: some findings came and went');
is($seen{'finding indexing.duplicate_index'}, 150, 'what does not change is found each time');
is($node->safe_psql('busy', 'SELECT pg_postmaster_start_time()'), $started, 'the server did not restart');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|server process .* exited/, 'no process fell');

$reader->quit;
$node->stop;
done_testing();
