# A server that dies (-9) while tables are put under the trail, are watched in another way, or are taken out of it, beside those who
# write: a table is watched wholly or not at all, and of what was written from one moment to the other nothing is missing in the log
# and nothing is there that should not be.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Replay qw(make_replay strays writer);
use Server qw(killed_in stop_loop);
use Test::More;

my $seed = $ENV{DBM_SEED} // time;
srand $seed;
diag("seed $seed");

my $node = PostgreSQL::Test::Cluster->new('trail_installs');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off\nrestart_after_crash = on\ndbm.apply_lock_timeout = '1min'");
$node->start;

sub sql { return $node->safe_psql('postgres', @_) }

my $day = '2025-03-01';
my @tables = qw(shop.plain shop.parted shop.other);
my $columns = '(id bigint, at date, n int, note text, PRIMARY KEY (id, at))';
sql(<<"SQL");
CREATE EXTENSION dbmastery;
CREATE SCHEMA shop;
CREATE TABLE shop.plain $columns;
CREATE TABLE shop.other $columns;
CREATE TABLE shop.parted $columns PARTITION BY RANGE (at);
CREATE TABLE shop.parted_1 PARTITION OF shop.parted FOR VALUES FROM ('2025-03-01') TO ('2025-03-05');
CREATE TABLE shop.parted_2 PARTITION OF shop.parted DEFAULT;
-- From which number of the journal on a table is watched, or is not.
CREATE TABLE public.mark (place bigserial, name text, n bigint, is_watched boolean);
SQL
make_replay($node, 'postgres');
sql("CALL replay.fill('$_', 1, 400, '$day'); CREATE INDEX ON $_ (id)") for @tables;
my @writers = map { writer($node, 'postgres', $_, 400, $day) } @tables, 'shop.plain';

# Whoever holds the lock under which triggers are made knows what was written before.
sub mark
{
	my ($is_watched, @of) = @_;
	return join ' ', map { "INSERT INTO public.mark (name, n, is_watched) SELECT '$_', last_value, $is_watched FROM replay.journal_n_seq;" } @of;
}

my $when = '(SELECT m.is_watched FROM public.mark m WHERE m.name = j.name AND m.n < j.n ORDER BY m.place DESC LIMIT 1)';
sub agrees
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	# As many triggers as it is to have, by what was noted with the lock held.
	is(sql(<<'SQL'), '', "$what: each table has all its triggers, or none");
SELECT string_agg(concat_ws(' ', name, have, wanted), ', ') FROM (SELECT t.name,
	(SELECT count(*) FROM pg_trigger WHERE tgname LIKE '00_dbm_audit%' AND tgrelid IN (SELECT t.name::regclass UNION SELECT relid FROM pg_partition_tree(t.name::regclass))) AS have,
	CASE WHEN coalesce((SELECT is_watched FROM public.mark m WHERE m.name = t.name ORDER BY place DESC LIMIT 1), false)
		THEN CASE WHEN t.name = 'shop.parted' THEN 6 WHEN EXISTS (SELECT FROM pg_trigger WHERE tgrelid = t.name::regclass AND tgname = '00_dbm_audit_row') THEN 2 ELSE 4 END ELSE 0 END AS wanted
	FROM unnest('{shop.plain,shop.parted,shop.other}'::text[]) AS t(name)) x WHERE have <> wanted
SQL
	return if sql(q{SELECT to_regclass('dbm_trail.relation') IS NULL}) eq 't';
	for my $table (split /\n/, sql(q{SELECT DISTINCT format('%I.%I', schema_name, table_name) FROM dbm_trail.relation}))
	{
		is(strays($node, 'postgres', $table, when => $when), '', "$what: nothing that was done to $table is missing in the log, and nothing more is there") if grep { $_ eq $table } @tables;
	}
	is(sql("SELECT string_agg(problem, ' ') FROM dbm.audit_triggers()"), '', "$what: nothing is wrong");
	return;
}

my %acts = (
	'install' => "SELECT dbm.install_audit_trigger('shop.plain'); " . mark('true', 'shop.plain'),
	'installing a partitioned table' => "SELECT dbm.install_audit_trigger('shop.parted'); " . mark('true', 'shop.parted'),
	'installing a schema' => q{SELECT dbm.install_audit_triggers('{shop}'); } . mark('true', @tables),
	'another way' => "SELECT dbm.install_audit_trigger('shop.plain', mode => 'row', store => 'full'); SELECT dbm.install_audit_trigger('shop.parted', store => 'full'); " . mark('true', 'shop.plain', 'shop.parted'),
	'and back' => "SELECT dbm.install_audit_trigger('shop.plain', exclude => '{note}'); " . mark('true', 'shop.plain'),
	'remove' => "SELECT dbm.remove_audit_trigger('shop.plain'); SELECT dbm.remove_audit_trigger('shop.parted'); " . mark('false', 'shop.plain', 'shop.parted'),
);
my %hits = map { $_ => 0 } keys %acts;
for my $round (1, 2)
{
	for my $act ('install', 'installing a partitioned table', 'another way', 'remove', 'installing a schema', 'and back', 'remove')
	{
		# The first time in the middle, at any moment; then when all is done and not committed; then right after the commit.
		$hits{$act} += killed_in($node, $round == 1 ? "$acts{$act} SELECT pg_sleep(2)" : "BEGIN; $acts{$act} COMMIT; SELECT pg_sleep(2)", int(rand($round == 1 ? 100_000 : 300_000)));
		agrees("$act, killed");
		sql("BEGIN; $acts{$act} COMMIT");
	}
}
for my $act (sort keys %acts)
{
	for my $try (1 .. 10)
	{
		last if $hits{$act};
		$hits{$act} += killed_in($node, "$acts{$act} SELECT pg_sleep(2)", int(rand(50_000 / $try)));
		agrees("$act, killed");
	}
}

# A table that is made in a schema that is watched as a whole, beside.
my $made = sub { return "CREATE TABLE shop.made $columns; WITH n AS (INSERT INTO shop.made SELECT i, '$day', 0 FROM generate_series(1, 100) i RETURNING id) INSERT INTO replay.journal (name, op, id) SELECT 'shop.made', 'I', id FROM n;" };
sql("BEGIN; $acts{'installing a schema'} COMMIT");
my $in_the_middle = 0;
for my $try (1 .. 5)
{
	$in_the_middle += killed_in($node, $made->() . ' SELECT pg_sleep(2)', int(rand(50_000)));
	last if $in_the_middle;
}
is(sql(q{SELECT count(*) FROM dbm.audit_triggers() WHERE table_name = 'shop.made'}), 0, 'a table that was never made is not watched') if $in_the_middle;
sql($made->()) if sql(q{SELECT to_regclass('shop.made') IS NULL}) eq 't';
is(strays($node, 'postgres', 'shop.made'), '', 'one that was made is, from its first row on');
agrees('in the end');
stop_loop($_) for @writers;
agrees('when nobody writes any more');
# That is luck; what is checked is what was left behind.
note("the server died in the middle of $_ $hits{$_} times") for sort keys %hits;
cmp_ok(sql('SELECT count(*) FROM replay.journal WHERE op <> $$I$$'), '>', 100, 'others wrote meanwhile');
sql('SELECT count(*) FROM dbm.seal_audit_log()');
is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'the seals hold');

$node->stop;
done_testing();
