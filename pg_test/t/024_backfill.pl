# Backfills beside writers, killed in the middle and taken up again: each row is done once.
# Runs alone: it measures how long batches take.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(none rows utf8_locale);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(wait_for_restart wait_for_server);
use Session;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = PostgreSQL::Test::Cluster->new('backfill');
$node->init(allows_streaming => 1, extra => utf8_locale());
$node->append_conf('postgresql.conf',
	"restart_after_crash = on\nshared_buffers = 128MB\nmax_wal_size = 2GB\nautovacuum_naptime = 1s\nautovacuum_vacuum_cost_delay = 0\nlog_min_duration_statement = -1\nlog_statement = 'none'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE busy');
$node->safe_psql('busy', 'CREATE EXTENSION dbmastery');
my $folder = PostgreSQL::Test::Utils::tempdir();

# A psql that calls a backfill, and what it says once it has ended.
sub call
{
	my ($call, $database) = @_;
	my %run = (out => '', err => '');
	$run{handle} = IPC::Run::start(
		[ $node->installed_command('psql'), '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database // 'busy'),
		  '-c', "CALL dbm.backfill($call)" ], '<', \undef, '>', \$run{out}, '2>', \$run{err});
	return \%run;
}

sub ended
{
	my ($run) = @_;
	$run->{handle}->finish;
	return $run->{err};
}

# Writers: a pgbench script on several connections, until they are stopped or the server falls.
sub writers
{
	my ($script, $clients) = @_;
	my $file = "$folder/" . time() . '.sql';
	append_to_file($file, $script);
	my %run = (out => '', err => '');
	$run{handle} = IPC::Run::start(
		[ $node->installed_command('pgbench'), '-n', '-f', $file, '-c', $clients, '-T', '600', $node->connstr('busy') ],
		'>', \$run{out}, '2>', \$run{err});
	return \%run;
}

sub stop_writers
{
	my ($run) = @_;
	$run->{handle}->signal('INT');
	eval { $run->{handle}->finish };
	return;
}

sub status
{
	my ($job) = @_;
	my ($row) = rows($node, 'busy', "SELECT * FROM dbm.backfill_status() WHERE job = $job");
	return $row // {};
}

sub last_job
{
	return $node->safe_psql('busy', 'SELECT coalesce(max(id), 0) FROM dbm.backfill_job');
}

# The job that begins after $before; a crash leaves gaps between the numbers.
sub begun
{
	my ($before) = @_;
	$node->poll_query_until('busy', "SELECT coalesce(max(id), 0) > $before FROM dbm.backfill_job") or die 'no job begins';
	return last_job();
}

# Waits until a job has come that far; its process.
sub reached
{
	my ($job, $share) = @_;
	$node->poll_query_until('busy',
		"SELECT count(*) > 0 FROM dbm.backfill_status() WHERE job = $job AND share >= $share AND pid IS NOT NULL")
	  or die "job $job never came to $share";
	return status($job)->{pid};
}

# Runs a backfill beside writers, kills its process at some points and the whole server at one; says what went wrong.
sub killed_and_taken_up
{
	my ($call, $script, @points) = @_;
	my $before = last_job();
	my ($job, @said);
	for my $point (@points)
	{
		my $writers = writers($script, 3);
		my $run = call($call);
		$job //= begun($before);
		my $pid = reached($job, $point->{share});
		my $log = -s $node->logfile;
		if ($point->{how} eq 'kill') { kill 'KILL', $pid }
		else { $node->stop('immediate') }
		push @said, ended($run);
		stop_writers($writers);
		if ($point->{how} eq 'kill') { wait_for_restart($node, $log, 'busy') }
		else { $node->start; wait_for_server($node, 'busy') }
		push @said, "share after $point->{how}: " . (status($job)->{share} // 'none');
		is(status($job)->{state}, 'interrupted', "$point->{how} at $point->{share}: it is interrupted");
	}
	my $writers = writers($script, 3);
	my $error = ended(call($call));
	like($error, qr/job $job goes on where it stopped.*job $job is done/s, 'it goes on to its end');
	stop_writers($writers);
	is(status($job)->{state}, 'done', 'and is done');
	diag(join '; ', map { s/\s+/ /gr } @said);
	return $job;
}

# --- A million rows, an assignment that counts, writers, and three falls

my $began = time();
$node->safe_psql('busy', <<'SQL');
CREATE TABLE big (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0, v int NOT NULL DEFAULT 0, born boolean NOT NULL DEFAULT false);
INSERT INTO big (id, born) SELECT i * 10, true FROM generate_series(1, 1000000) AS i;
VACUUM ANALYZE big;
SQL
my $writing = <<'SQL';
\set old random(1, 1000000)
\set new random(1, 10000000)
\set gone random(1, 1000000)
UPDATE big SET v = v + 1 WHERE id = :old * 10;
INSERT INTO big (id) VALUES (:new) ON CONFLICT DO NOTHING;
DELETE FROM big WHERE id = :gone * 10 AND :gone % 13 = 0;
SQL
my $job = killed_and_taken_up("'big', 'n = n + 1', duty => 0.9",
	$writing, { share => 0.2, how => 'kill' }, { share => 0.5, how => 'stop' }, { share => 0.7, how => 'kill' });
is($node->safe_psql('busy', 'SELECT count(*) FROM big WHERE born AND n <> 1'), '0',
	'every row that was there and still is was done exactly once');
is($node->safe_psql('busy', 'SELECT count(*) FROM big WHERE NOT born AND n NOT IN (0, 1)'), '0',
	'no row that came meanwhile was done twice');
cmp_ok($node->safe_psql('busy', 'SELECT count(*) FROM big WHERE born'), '<', 1_000_000, 'writers did delete');
cmp_ok($node->safe_psql('busy', 'SELECT count(*) FROM big WHERE NOT born'), '>', 100, 'and insert');
cmp_ok($node->safe_psql('busy', 'SELECT sum(v) FROM big'), '>', 100, 'and update');
is($node->safe_psql('busy', "SELECT sum(rows_changed) - (SELECT rows_changed FROM dbm.backfill_job WHERE id = $job) FROM dbm.backfill_batch WHERE job = $job"),
	'0', 'the batches add up to the job');
diag(sprintf 'a million rows: %.1f s; %s', time() - $began,
	$node->safe_psql('busy', "SELECT count(*) || ' batches, largest ' || max(rows_seen) || ' rows, slowest ' || round(max(milliseconds)) || ' ms' FROM dbm.backfill_batch WHERE job = $job"));

# --- Keys of several columns, and partitions, with a fall each

$node->safe_psql('busy', <<'SQL');
CREATE TABLE wide (a text, b uuid, c timestamptz, n int NOT NULL DEFAULT 0, born boolean NOT NULL DEFAULT false, PRIMARY KEY (a, b, c));
INSERT INTO wide SELECT 'k' || i % 50, md5(i::text)::uuid, '2020-01-01'::timestamptz + i * interval '1 s', 0, true FROM generate_series(1, 100000) AS i;
CREATE TABLE tree (id uuid, region int, n int NOT NULL DEFAULT 0, born boolean NOT NULL DEFAULT false, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
SELECT format('CREATE TABLE tree_%s PARTITION OF tree FOR VALUES IN (%s)', i, i) FROM generate_series(0, 4) AS i \gexec
INSERT INTO tree SELECT md5(i::text)::uuid, i % 5, 0, true FROM generate_series(1, 100000) AS i;
VACUUM ANALYZE wide, tree;
SQL
for my $table ('wide', 'tree')
{
	my $columns = $table eq 'wide' ? "'k' || :key % 50, gen_random_uuid(), now()" : 'gen_random_uuid(), :key % 5';
	killed_and_taken_up("'$table', 'n = n + 1', duty => 0.3, batch_rows => 200, batch_time => '20 ms'",
		"\\set key random(1, 100000)\nINSERT INTO $table SELECT $columns ON CONFLICT DO NOTHING;\nUPDATE $table SET born = born WHERE " . ($table eq 'wide' ? 'b' : 'id') . " = md5(:key\::text)::uuid" . ($table eq 'wide' ? " AND a = 'k' || :key % 50" : '') . ";\n",
		{ share => 0.4, how => 'kill' });
	is($node->safe_psql('busy', "SELECT count(*) FROM $table WHERE born AND n <> 1 OR n > 1"), '0', "$table: every row once");
}

# --- A key that has one value in its first column for all rows: a batch reads its own part of the index, not all that
# follows.

$node->safe_psql('busy', <<'SQL');
CREATE TABLE tenant (t int, id int, n int NOT NULL DEFAULT 0, PRIMARY KEY (t, id)) WITH (fillfactor = 40, autovacuum_enabled = false);
INSERT INTO tenant SELECT 1, i FROM generate_series(1, 200000) AS i;
VACUUM ANALYZE tenant;
SQL
$node->safe_psql('busy', 'SELECT pg_stat_reset()');
ended(call("'tenant', 'n = n + 1', duty => 1, batch_rows => 500, batch_time => '5 ms', wait_for_autovacuum => false"));
is($node->safe_psql('busy', 'SELECT count(*) FROM tenant WHERE n <> 1'), '0', 'a key with one first value: each row once');
ok($node->poll_query_until('busy', "SELECT n_tup_upd >= 200000 FROM pg_stat_user_tables WHERE relname = 'tenant'"), 'all is counted');
my ($read) = rows($node, 'busy', <<'SQL');
SELECT s.idx_blks_hit + s.idx_blks_read AS blocks, t.n_tup_hot_upd AS hot, pg_relation_size('tenant_pkey') / 8192 AS pages, b.batches
FROM pg_statio_user_indexes s, pg_stat_user_tables t,
     (SELECT count(*) AS batches FROM dbm.backfill_batch WHERE part = 'public.tenant') b
WHERE s.indexrelname = 'tenant_pkey' AND t.relname = 'tenant'
SQL
cmp_ok($read->{hot}, '>', 199_000, 'its rows need no new index entries');
cmp_ok($read->{blocks}, '<', 5 * $read->{pages} + 30 * $read->{batches},
	"$read->{batches} batches read $read->{blocks} blocks of an index of $read->{pages}");
cmp_ok($read->{batches}, '>', 30, 'in many batches');

# --- With a predicate rows that come in behind the cursor are found

$node->safe_psql('busy', <<'SQL');
CREATE TABLE late (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), v int NOT NULL, twice int, times int NOT NULL DEFAULT 0);
INSERT INTO late (v) SELECT i FROM generate_series(1, 100000) AS i;
VACUUM ANALYZE late;
SQL
{
	my $writers = writers("\\set v random(1, 1000)\nINSERT INTO late (v) VALUES (:v);\n\\sleep 1 ms\n", 2);
	my $before = last_job();
	my $run = call("'late', 'twice = v * 2, times = times + 1', 'twice IS NULL', duty => 0.5, batch_rows => 200, batch_time => '20 ms'");
	reached(begun($before), 0);
	usleep(1_500_000);
	$node->poll_query_until('busy', 'SELECT count(*) > 100200 FROM late') or die 'no rows come in';
	stop_writers($writers);
	my $error = ended($run);
	like($error, qr/is done/, 'a predicate that is used up: it ends');
	unlike($error, qr/WARNING/, 'without a warning');
	is($node->safe_psql('busy', 'SELECT count(*) FROM late WHERE twice IS DISTINCT FROM v * 2'), '0', 'and no row is left');
	is($node->safe_psql('busy', 'SELECT max(times) FROM late'), '1', 'nor was one done twice');
	cmp_ok($node->safe_psql('busy', 'SELECT count(*) FROM late'), '>', 100_100, 'rows did come in');
	cmp_ok(status(last_job())->{pass}, '>=', 2, 'it looked again');
}

# --- One at a time, paused, cancelled, interrupted

$node->safe_psql('busy', <<'SQL');
CREATE TABLE calm (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, note text);
INSERT INTO calm SELECT i FROM generate_series(1, 40000) AS i;
VACUUM ANALYZE calm;
SQL
my $slow = "'calm', 'n = n + 1', duty => 0.02, batch_rows => 100, batch_time => '2 ms'";
{
	my $before = last_job();
	my $run = call($slow);
	$job = begun($before);
	my $pid = reached($job, 0.05);
	my (undef, undef, $second) = $node->psql('busy', "CALL dbm.backfill('calm', 'n = 5')");
	like($second, qr/table public\.calm is being filled by another session.*Process $pid is at it/s, 'a second one is refused, and told who');
	my ($shown) = rows($node, 'busy', "SELECT act, step, share FROM dbm.progress WHERE pid = $pid");
	is("$shown->{act}, $shown->{step}", 'backfill, changing rows', 'dbm.progress shows it');
	cmp_ok($shown->{share}, '>', 0.04, 'with its share');
	my $seen = status($job);
	is($seen->{state}, 'running', 'as does dbm.backfill_status()');
	cmp_ok($seen->{rows_per_second}, '>', 0, 'with its rate');
	like($seen->{eta}, qr/\d/, 'and how long it will take');
	# A server with assertions does not let a transaction report what it has not ended.
	ok($node->poll_query_until('busy', "SELECT n_tup_upd > 0 FROM pg_stat_user_tables WHERE relname = 'calm'"),
		'the statistics system hears of it while it works')
	  if $node->safe_psql('busy', 'SHOW debug_assertions') eq 'off';
	is($node->safe_psql('busy', "SELECT dbm.backfill_pause($job)"), 't', 'it is asked to pause');
	like(ended($run), qr/job $job of public\.calm is paused/, 'and does');
	my $paused = status($job);
	is($paused->{state}, 'paused', 'which is shown');
	cmp_ok($paused->{share}, '<', 1, 'before its end');
	$run = call($slow);
	$pid = reached($job, $paused->{share} + 0.02);
	$node->safe_psql('busy', "SELECT pg_cancel_backend($pid)");
	like(ended($run), qr/canceling statement due to user request/, 'a cancel ends it');
	is(status($job)->{state}, 'interrupted', 'as interrupted');
	$run = call($slow);
	reached($job, 0.2);
	is($node->safe_psql('busy', "SELECT dbm.backfill_cancel($job)"), 't', 'it is asked to end for good');
	like(ended($run), qr/is cancelled/, 'and does');
	is($node->safe_psql('busy', 'SELECT count(*) FROM calm WHERE n > 1'), '0', 'all this did no row twice');
	is($node->safe_psql('busy', "SELECT count(*) - (SELECT rows_changed FROM dbm.backfill_job WHERE id = $job) FROM calm WHERE n = 1"),
		'0', 'and each that is done is counted');
	unlike(ended(call("'calm', 'n = 1', duty => 1")), qr/goes on/, 'a cancelled one does not go on');
	ok($node->poll_query_until('busy', "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'"), 'no lock is left');
}

# --- A row that somebody holds: others are not made to wait, and it is done once he lets go

{
	my $holder = Session->new($node, 'busy');
	$holder->must('BEGIN; UPDATE calm SET note = \'held\' WHERE id = 20000');
	my $before = last_job();
	my $run = call("'calm', 'n = n + 1', duty => 1");
	$job = begun($before);
	$node->poll_query_until('busy', "SELECT waits_for = 'a lock of another session' FROM dbm.backfill_status() WHERE job = $job")
	  or die 'it did not say that it waits';
	usleep(500_000);
	is($node->safe_psql('busy', "SET lock_timeout = '2 s'; WITH u AS (UPDATE calm SET note = 'free' WHERE id IN (1, 39999) RETURNING id, n) SELECT n FROM u ORDER BY id"),
		"2\n1", 'what is behind it and what is before it can be written');
	$holder->must('COMMIT');
	like(ended($run), qr/is done/, 'it goes on');
	is($node->safe_psql('busy', 'SELECT count(*) FROM calm WHERE n <> 2'), '0', 'each row once');
	is($node->safe_psql('busy', 'SELECT note FROM calm WHERE id = 20000'), 'held', 'and what the holder wrote stays');

	# For ever: it gives up. Autovacuum, which would come again and again for what the holder keeps, is not waited for.
	$holder->must('BEGIN; UPDATE calm SET note = \'held\' WHERE id = 20000');
	like(ended(call("'calm', 'n = n + 1', duty => 1, give_up_after => '1 s', wait_for_autovacuum => false")), qr/got no further than \(id\) = \(1?\d{1,4}\) of public\.calm for \d+ s: canceling statement due to lock timeout/, 'after a time it gives up');
	is(status(last_job())->{state}, 'failed', 'as failed');
	$holder->must('COMMIT');
	like(ended(call("'calm', 'n = n + 1', duty => 1")), qr/is done/, 'called again it goes on');
	is($node->safe_psql('busy', 'SELECT count(*) FROM calm WHERE n <> 3'), '0', 'each row once');
	$holder->quit;
}

# --- Autovacuum is waited for

{
	$node->safe_psql('busy', 'ALTER TABLE calm SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1); UPDATE calm SET note = note');
	$node->poll_query_until('busy', "SELECT count(*) > 0 FROM pg_stat_progress_vacuum WHERE relid = 'calm'::regclass") or die 'no autovacuum';
	my $before = last_job();
	my $run = call("'calm', 'n = n + 1', duty => 1");
	$job = begun($before);
	ok($node->poll_query_until('busy', "SELECT waits_for ~ '^autovacuum of the table by process [0-9]+\$' FROM dbm.backfill_status() WHERE job = $job"), 'it waits for autovacuum');
	is(status($job)->{rows_changed}, 0, 'with all of it');
	is($node->safe_psql('busy', "SELECT dbm.backfill_pause($job)"), 't', 'and can be paused there');
	like(ended($run), qr/is paused/, 'at once');
	like(ended(call("'calm', 'n = n + 1', duty => 1, wait_for_autovacuum => false")), qr/is done/, 'unless it is told not to');
	$node->safe_psql('busy', 'ALTER TABLE calm RESET (autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_delay, autovacuum_vacuum_cost_limit)');
	is($node->safe_psql('busy', 'SELECT count(*) FROM calm WHERE n <> 4'), '0', 'each row once');
}

# --- The time for which it waits for autovacuum is none of the time for which it gets no further

{
	my $holder = Session->new($node, 'busy');
	$holder->must('BEGIN; UPDATE calm SET note = \'held\' WHERE id = 20000');
	my $before = last_job();
	my $run = call("'calm', 'n = n + 1', duty => 1, give_up_after => '30 s'");
	$job = begun($before);
	my $waits = sub { $node->poll_query_until('busy', "SELECT waits_for ~ '$_[0]' FROM dbm.backfill_status() WHERE job = $job") };
	ok($waits->('^a lock'), 'somebody is in the way');
	$node->safe_psql('busy', 'ALTER TABLE calm SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)');
	ok($waits->('^autovacuum'), 'then autovacuum comes');
	usleep(31_000_000);
	$node->safe_psql('busy', 'ALTER TABLE calm SET (autovacuum_enabled = false)');
	ok($waits->('^a lock'), 'which took longer than it may get no further: it tries on');
	$holder->must('COMMIT');
	like(ended($run), qr/is done/, 'and is done once he lets go');
	$holder->quit;
	$node->safe_psql('busy', 'ALTER TABLE calm RESET (autovacuum_enabled, autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_delay, autovacuum_vacuum_cost_limit)');
	$node->safe_psql('busy', 'UPDATE calm SET n = n - 1 WHERE true');
}

# --- WAL: it rests until what a batch wrote fits the rate, and says so

{
	my $before = last_job();
	my $began = time();
	my $run = call("'calm', 'n = n + 1', duty => 1, batch_rows => 2000, batch_time => '100 ms', max_wal_per_second => 1000000, wait_for_autovacuum => false");
	$job = begun($before);
	ok($node->poll_query_until('busy', "SELECT waits_for ~ '^the rate of WAL: the last batch wrote [0-9.]+ .?B a second, more than [0-9.]+ .?B a second\$' FROM dbm.backfill_status() WHERE job = $job"),
		'with a limit to WAL it rests, and says so');
	like(ended($run), qr/is done/, 'it ends');
	my $took = time() - $began;
	my ($wal) = rows($node, 'busy', "SELECT sum(wal_bytes) AS bytes, (array_agg(wal_bytes ORDER BY number DESC))[1] AS last FROM dbm.backfill_batch WHERE job = $job");
	my $rate = ($wal->{bytes} - $wal->{last}) / $took;
	cmp_ok($rate, '<', 1_100_000, sprintf '%.1f MB of WAL in %.1f s: %.1f MB a second, and 1.0 is allowed', $wal->{bytes} / 1e6, $took, $rate / 1e6);
	cmp_ok($rate, '>', 50_000, 'which it makes use of, more or less');
	is(status($job)->{waits_for}, undef, 'in the end it waits for nothing');
	my ($said, $without);
	# Again while the machine stands still.
	for my $try (1 .. 3)
	{
		$began = time();
		$said = ended(call("'calm', 'n = n - 1', duty => 1, wait_for_autovacuum => false"));
		$without = time() - $began;
		last if $without < $took || $try == 3;
		ended(call("'calm', 'n = n + 1', duty => 1, wait_for_autovacuum => false"));
	}
	like($said, qr/is done/, 'without a limit');
	cmp_ok($without, '<', $took, 'it is faster');
	is($node->safe_psql('busy', 'SELECT count(*) FROM calm WHERE n <> 4'), '0', 'each row once');
}

# --- Overtime: a batch that takes far longer than it should is ended, and the next is smaller

{
	$node->safe_psql('busy', <<'SQL');
CREATE TABLE heavy (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO heavy SELECT i FROM generate_series(1, 600) AS i;
CREATE FUNCTION heave() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END';
CREATE TRIGGER heave BEFORE UPDATE ON heavy FOR EACH ROW EXECUTE FUNCTION heave();
SQL
	my $before = last_job();
	my $run = call("'heavy', 'n = n + 1', duty => 1, batch_rows => 600, batch_time => '100 ms'");
	$job = begun($before);
	ok($node->poll_query_until('busy', "SELECT waits_for ~ '^the next, smaller batch: the last took longer than [0-9]+ s' FROM dbm.backfill_status() WHERE job = $job"),
		'a batch that takes too long is ended, and it is said');
	like(ended($run), qr/is done/, 'the smaller ones come to an end');
	is($node->safe_psql('busy', 'SELECT count(*) FROM heavy WHERE n <> 1'), '0', 'each row once');
	my ($made) = rows($node, 'busy', "SELECT max(rows_seen) AS most, (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY milliseconds) FROM (SELECT milliseconds FROM dbm.backfill_batch WHERE job = $job ORDER BY number DESC OFFSET 1 LIMIT 5) AS late) AS took FROM dbm.backfill_batch WHERE job = $job");
	cmp_ok($made->{most}, '<', 600, "no batch has all rows: at most $made->{most}");
	cmp_ok($made->{took}, '<', 300, sprintf 'and in the end they take %.0f ms of the 100 that they should', $made->{took});
}

# --- A dump goes on where it was taken

{
	$node->safe_psql('busy', 'DROP TABLE big, wide, tree, tenant, late');
	my $before = last_job();
	my $run = call($slow);
	$job = begun($before);
	reached($job, 0.1);
	my $dump = "$folder/dump";
	PostgreSQL::Test::Utils::system_or_bail($node->installed_command('pg_dump'), '-Fc', '-f', $dump, $node->connstr('busy'));
	$node->safe_psql('postgres', 'CREATE DATABASE copy');
	PostgreSQL::Test::Utils::system_log($node->installed_command('pg_restore'), '-d', $node->connstr('copy'), $dump);
	my $state = $node->safe_psql('copy', "SELECT state FROM dbm.backfill_status() WHERE job = $job");
	is($state, 'interrupted', 'in a restored database it is interrupted');
	like(ended(call("'calm', 'n = n + 1', duty => 1", 'copy')), qr/job $job goes on where it stopped.*is done/s, 'and goes on there');
	is($node->safe_psql('copy', 'SELECT count(*) FROM calm WHERE n <> 5'), '0', 'each row once');
	$node->safe_psql('busy', "SELECT dbm.backfill_cancel($job)");
	ended($run);
}

# --- A standby that does not follow is waited for

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay');
is($standby->safe_psql('busy', "SELECT count(*) > 0 FROM dbm.backfill_status()"), 't', 'jobs can be seen on a standby');
$standby->safe_psql('busy', 'SELECT pg_wal_replay_pause()');
my $begun = last_job();
my $run = call("'calm', 'n = n + 1', 'n < 100', duty => 0.05, batch_rows => 100, batch_time => '2 ms', max_lag => '1 s'");
$job = begun($begun);
ok($node->poll_query_until('busy', "SELECT waits_for ~ '^standby \\S+ is [0-9.]+ s behind, more than 1.0 s' FROM dbm.backfill_status() WHERE job = $job"),
	'it waits for a standby, and says so');
my $before = status($job)->{rows_seen};
usleep(1_000_000);
is(status($job)->{rows_seen}, $before, 'and does nothing meanwhile');
is((rows($node, 'busy', 'SELECT step FROM dbm.progress'))[0]{step}, 'waiting', 'dbm.progress says so too');
$standby->safe_psql('busy', 'SELECT pg_wal_replay_resume()');
ok($node->poll_query_until('busy', "SELECT rows_seen > $before FROM dbm.backfill_status() WHERE job = $job"), 'it goes on when the standby does');
$node->safe_psql('busy', "SELECT dbm.backfill_cancel($job)");
ended($run);
$standby->stop;
$node->stop;
done_testing();
