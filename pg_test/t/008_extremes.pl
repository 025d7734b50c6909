# Databases that nobody thought of: without a table, of another encoding, of hundreds of schemas; and arguments that are
# nonsense.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(leave_server_out none reading_calls rows utf8_locale);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('extremes');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\ntimezone = 'UTC'\nmax_connections = 30\nlog_statement = none\ndbm.rule_timeout = '5min'");
$node->start;

# Makes a database of an encoding and runs statements in it, whose bytes are taken as they are.
sub database
{
	my ($name, $encoding, @statements) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE template0 LOCALE 'C' ENCODING '$encoding'");
	my (undef, $error) = ask($name, $encoding, join '', map { "$_;\n" } @statements, 'CREATE EXTENSION dbmastery');
	$error eq '' or die "$name: $error";
	return;
}

# What psql prints for statements, byte for byte in the client's encoding, and what it complains of.
sub ask
{
	my ($database, $encoding, $statements) = @_;
	my ($out, $error) = ('', '');
	my @psql = ($node->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1');
	my $target = $node->connstr($database) . " client_encoding=$encoding";
	IPC::Run::run([ @psql, '-d', $target ], '<', \$statements, '>', \$out, '2>', \$error);
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
# What is said of the server and of every new database is not of this one.
leave_server_out($node, 'nothing');
$node->safe_psql('nothing', "INSERT INTO dbm.rule_setting (rule, enabled) VALUES ('security.public_database_privilege', false)");
# Without pg_stat_statements queries cannot be judged, and that is said.
is($node->safe_psql('nothing', "SELECT count(*) FROM dbm.audit() WHERE NOT (status = 'unknown' AND dimension = 'query')"),
	'0', 'of an empty database there is nothing to say');
my %score = map { $_->{dimension} => $_ } rows($node, 'nothing', 'SELECT * FROM dbm.score()');
is(scalar keys %score, 8, 'the scoreboard is complete all the same');
cmp_ok($score{overall}{score}, '==', 100, 'and shows full marks');
my @ruleless = grep { $_->{verdict} =~ /^no rules/ } values %score;
none([ map { $_->{dimension} } grep { defined $_->{score} } @ruleless ], 'where there are no rules there is no score');

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
my $expected = qq{public."länge_der_straßen_größe_id_id_idx1"\npublic.wert_a_idx1};
is((ask('latin', 'UTF8', $duplicates))[0], $expected, 'LATIN1: names with umlauts are right');
is((ask('latin', 'LATIN1', $duplicates))[0], (in_latin1($expected))[0], 'in whatever encoding they are asked for');
my $in_schema = "SELECT count(*) > 0 FROM dbm.audit(schemas => ARRAY['public'])";
is((ask('latin', 'UTF8', $in_schema))[0], 't', 'a schema can be asked for');

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
    EXECUTE format($x$CREATE SCHEMA %1$I; CREATE TABLE %1$I.parents (id bigint PRIMARY KEY);
                      CREATE TABLE %1$I.children (id bigint PRIMARY KEY,
                                                  parent_id bigint NOT NULL REFERENCES %1$I.parents)$x$,
                   CASE i WHEN 7 THEN $x$a"";drop schema x; -- $x$ WHEN 8 THEN \'Tür 🐘\' WHEN 9 THEN \'two
lines\' ELSE \'schema_\' || i END);
END LOOP; END $$', 'ANALYZE');
all_work('many', 'UTF8');
my $missing = <<'SQL';
SELECT count(*), count(DISTINCT object) FROM dbm.audit(%s) WHERE rule = 'indexing.foreign_key_without_index'
SQL
is($node->safe_psql('many', sprintf $missing, ''), '300|300', 'in 300 schemas 300 foreign keys lack their index');
is($node->safe_psql('many', sprintf $missing, "schemas => ARRAY['schema_1', 'schema_22']"), '2|2', 'in two of them two');
for my $schema ('a"";drop schema x; -- ', 'Tür 🐘', "two\nlines")
{
	my $shown = $schema =~ s/\n/\\n/r;
	is($node->safe_psql('many', sprintf $missing, "schemas => ARRAY[\$q\$$schema\$q\$]"), '1|1', "in schema $shown one");
}

# --- What means nothing

for my $case (
	[ "schemas => ARRAY['schema_1', 'nowhere']", qr/nowhere/ ],
	[ "schemas => ARRAY[NULL]",                  qr/null/i ],
	[ "schemas => '{}'",                         qr/empty/ ],
	[ "dimension => 'indexes'",                  qr/indexing/ ],
	[ "min_severity => 'bad'",                   qr/critical/ ])
{
	my ($arguments, $hint) = @$case;
	my (undef, $error) = ask('many', 'UTF8', "\\set VERBOSITY verbose\nSELECT count(*) FROM dbm.audit($arguments)");
	like($error, qr/ERROR:  22023: /, "audit($arguments) is refused");
	like($error, $hint, 'and it is said why');
}

$node->stop;
done_testing();
