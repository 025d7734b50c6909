# What the audit says of an upgrade is what pg_upgrade says: it refuses what is found, and takes what was repaired.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('ready');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'watcher' ]);
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\nautovacuum = off\nfsync = off\ndbm.ddl_guard = off");
$node->start;
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init(extra => utf8_locale());
my $major = int($node->safe_psql('postgres', 'SHOW server_version_num') / 10000);
$node->safe_psql('postgres', 'CREATE DATABASE shop; CREATE DATABASE shut; CREATE DATABASE broken; CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher');
$node->safe_psql('shop', <<'SQL');
CREATE EXTENSION dbmastery;
INSERT INTO dbm.rule_setting (rule, thresholds) VALUES ('migration.prepared_transaction', '{"minutes": 0}');
CREATE TABLE words (id bigint PRIMARY KEY, word text);
CREATE TABLE parent (id bigint NOT NULL, at date NOT NULL);
CREATE TABLE loose () INHERITS (parent);
CREATE TABLE strict () INHERITS (parent);
SQL

# Only collations of ICU have a version everywhere. Some of its kind stand in the catalog of every server, those of languages do not.
my $has_icu = $node->safe_psql('shop', q{SELECT count(*) > 0 FROM pg_collation WHERE collname = 'de-x-icu'}) eq 't';
$node->safe_psql('shop', <<'SQL') if $has_icu;
CREATE COLLATION german (provider = icu, locale = 'de-DE');
CREATE COLLATION unused (provider = icu, locale = 'fr-FR');
CREATE TABLE german (id bigint PRIMARY KEY, word text COLLATE german, english text COLLATE "C");
CREATE INDEX german_word ON german (word);
CREATE INDEX german_english ON german (english);
SQL

sub said
{
	my ($rule) = @_;
	return rows($node, 'shop', "SELECT object, message, fix, undo FROM dbm.audit('migration') WHERE status = 'finding' AND rule = 'migration.$rule' ORDER BY object");
}

sub count
{
	my @found = said(@_);
	return scalar @found;
}

# Runs what repairs, statement by statement as psql does.
sub repair
{
	my ($sql, $database) = @_;
	$node->safe_psql($database // 'shop', $sql);
	return;
}

# What pg_upgrade --check says of going over to the other cluster.
sub upgrade
{
	my $bin = $node->config_data('--bindir');
	$node->stop;
	my ($out, $folder) = ('', PostgreSQL::Test::Utils::tempdir());
	chdir $folder or die $!;
	IPC::Run::run([ 'pg_upgrade', '--check', '-d', $node->data_dir, '-D', $new->data_dir, '-b', $bin, '-B', $bin,
		'-p', $node->port, '-P', $new->port, '-s', $node->host ], '>', \$out, '2>&1');
	for my $file (glob("$folder/*.txt $folder/*/*.txt " . $new->data_dir . '/pg_upgrade_output.d/*/*.txt')) { $out .= slurp_file($file) }
	$node->start;
	return $out;
}

# --- Nothing is said of a cluster that is in order

is(scalar(map { said($_) } qw(prepared_transaction collation_version_mismatch database_blocks_upgrade not_null_missing_in_child)), 0, 'nothing is said of what is in order');
my $said = upgrade();
like($said, qr/Clusters are compatible/, 'and pg_upgrade takes it') or diag($said);

# --- Prepared transactions

$node->safe_psql('shop', q{BEGIN; LOCK TABLE words IN SHARE MODE; PREPARE TRANSACTION 'left behind'});
$node->safe_psql('postgres', q{BEGIN; CREATE TABLE t (); PREPARE TRANSACTION 'of another database'});
my @found = said('prepared_transaction');
is(scalar(@found), 1, 'a prepared transaction of this database is found');
is($found[0]{object}, 'left behind', 'by its name');
like($found[0]{message}, qr/^transaction 'left behind' of role \w+ was prepared \d minutes ago and holds its locks/, 'with its owner and age');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'of another database'});
like(upgrade(), qr/prepared transactions/, 'pg_upgrade refuses the cluster for it');
is(count('prepared_transaction'), 1, 'it is there after a restart, too');
$node->safe_psql('shop', q{UPDATE dbm.rule_setting SET thresholds = '{"minutes": 60}' WHERE rule = 'migration.prepared_transaction'});
is(count('prepared_transaction'), 0, 'for an hour it may be somebody\'s');
$node->safe_psql('shop', q{ROLLBACK PREPARED 'left behind'});

# --- Databases

$node->safe_psql('postgres', 'ALTER DATABASE shut ALLOW_CONNECTIONS false');
@found = said('database_blocks_upgrade');
is(join(' ', map { $_->{object} } @found), 'shut', 'a database that lets nobody in is found, template0 is not');
like(upgrade(), qr/shut|allow connections/i, 'pg_upgrade refuses the cluster for it');
repair($found[0]{fix}, 'postgres');
is(count('database_blocks_upgrade'), 0, 'the repair works');
repair($found[0]{undo}, 'postgres');
is(count('database_blocks_upgrade'), 1, 'and so does its undo');
repair($found[0]{fix}, 'postgres');
$node->safe_psql('postgres', q{UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'broken'});
@found = said('database_blocks_upgrade');
like($found[0]{message}, qr/^database broken is half dropped/, 'one that is half dropped is found');
repair($found[0]{fix}, 'postgres');
is(count('database_blocks_upgrade'), 0, 'and dropped');

# --- NOT NULL of parents

if ($major < 18)
{
	$node->safe_psql('shop', 'ALTER TABLE loose ALTER COLUMN at DROP NOT NULL');
	@found = said('not_null_missing_in_child');
	is(join(' ', map { $_->{object} } @found), 'public.loose.at', 'a child that may hold NULL is found, one that may not is not');
	repair($found[0]{fix});
	is(count('not_null_missing_in_child'), 0, 'the repair works');
	repair($found[0]{undo});
	is(count('not_null_missing_in_child'), 1, 'and so does its undo');
	repair($found[0]{fix});
}

# --- Collations

SKIP:
{
skip 'this server has no ICU', 5 if !$has_icu;
$node->safe_psql('shop', q{UPDATE pg_collation SET collversion = '0.1' WHERE collname IN ('german', 'unused')});
@found = said('collation_version_mismatch');
is(join(' ', map { $_->{object} } @found), 'public.german', 'a collation of another version that an index uses is found, one that none uses is not');
like($found[0]{message}, qr/^collation public.german had version 0.1 .*: 1 indexes may be out of order$/, 'with its indexes');
is($found[0]{fix}, "REINDEX INDEX CONCURRENTLY public.german_word;\nALTER COLLATION public.german REFRESH VERSION;", 'which are built anew before the version is noted');
repair($_) for split /\n/, $found[0]{fix};
is(count('collation_version_mismatch'), 0, 'the repair works');
}
$node->safe_psql('shop', q{UPDATE pg_database SET datcollversion = '0.1' WHERE datname = 'shop'});
@found = said('collation_version_mismatch');
my $actual = $node->safe_psql('shop', q{SELECT pg_database_collation_actual_version(oid) FROM pg_database WHERE datname = 'shop'});
is(join(' ', map { $_->{object} } @found), 'shop', 'so is that of the database');
if ($actual eq '')
{
	is($found[0]{fix}, undef, 'where the system tells no version there is none to be noted');
}
else
{
	like($found[0]{fix}, qr/^REINDEX .*\nALTER DATABASE shop REFRESH COLLATION VERSION;$/s, 'whose indexes are built anew, too, before it is noted');
	repair($_) for split /\n/, $found[0]{fix};
	is(count('collation_version_mismatch'), 0, 'the repair works');
}

# --- Who watches sees all of it

$node->safe_psql('shop', 'GRANT USAGE ON SCHEMA dbm TO pg_monitor');
$node->safe_psql('postgres', 'ALTER DATABASE shut ALLOW_CONNECTIONS false');
is($node->safe_psql('shop', q{SELECT object FROM dbm.audit('migration') WHERE status = 'finding' AND rule = 'migration.database_blocks_upgrade'}, extra_params => [ '-U', 'watcher' ]),
	'shut', 'pg_monitor sees it');
is($node->safe_psql('shop', q{SELECT count(*) FROM dbm.audit('migration') WHERE status = 'error'}, extra_params => [ '-U', 'watcher' ]), '0', 'without an error');

$node->stop;
done_testing();
