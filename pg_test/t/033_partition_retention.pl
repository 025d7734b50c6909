# Retention: what is too old is detached without anybody waiting, then dropped, kept or archived; never more than a share,
# never the last; and what a crash or a long reader left half done is ended by the next run.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use Partitions qw(keep maintain partitions statuses_of);
use Plan qw(wait_until);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(wait_for_restart);
use Session;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('retention');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nrestart_after_crash = on\ntimezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION dbmastery;
CREATE ROLE alice LOGIN;
GRANT USAGE ON SCHEMA dbm TO alice;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO alice;
CREATE SCHEMA shop AUTHORIZATION alice;
CREATE SCHEMA archive AUTHORIZATION alice;
SQL

sub sql { return $node->safe_psql('postgres', @_) }

my %daily = (key_kind => 'date', every => '1 day', origin => '2000-01-01', premake => 1, max_retire => 1);

# A table with a partition a day, each with a row, from the 1st of November on.
sub table
{
	my ($name, $days, %options) = @_;
	my $more = $options{more} // '';
	my $default = $options{default} ? "CREATE TABLE shop.${name}_default PARTITION OF shop.$name DEFAULT;" : '';
	sql(<<"SQL");
SET ROLE alice;
CREATE TABLE shop.$name (id bigint, at date NOT NULL$more) PARTITION BY RANGE (at);
SELECT format('CREATE TABLE shop.${name}_%s PARTITION OF shop.$name FOR VALUES FROM (%L) TO (%L)', i, '2026-11-01'::date + i - 1, '2026-11-01'::date + i)
FROM generate_series(1, $days) i \\gexec
$default
INSERT INTO shop.$name (id, at) SELECT i, '2026-11-01'::date + i - 1 FROM generate_series(1, $days) i;
SQL
	return;
}

# --- Drop, keep, archive

table('dropped', 6);
keep($node, 'postgres', 'shop.dropped', %daily, retention => '2 days');
my @due = maintain($node, 'postgres', 'shop.dropped', at => '2026-11-05 06:00', dry_run => 1);
is(statuses_of(@due), 'retire due, retire due', 'two of six are too old');
like($due[0]->{detail}, qr/^locks SHARE UPDATE EXCLUSIVE on shop.dropped; ACCESS EXCLUSIVE on shop.dropped_1 when nobody uses it any more$/, 'with the locks that it would take');
my @done = maintain($node, 'postgres', 'shop.dropped', at => '2026-11-05 06:00', role => 'alice');
is(statuses_of(@done), 'retire done, drop done, retire done, drop done', 'they are detached and dropped') or diag explain \@done;
is(join(' ', partitions($node, 'postgres', 'shop.dropped')), 'dropped_3 dropped_4 dropped_5 dropped_6', 'the others stay');
is(sql(q{SELECT to_regclass('shop.dropped_1')}), '', 'the table is gone');
is(sql('SELECT count(*) FROM dbm.partition_detached'), 0, 'and forgotten');
is(statuses_of(maintain($node, 'postgres', 'shop.dropped', at => '2026-11-05 06:00')), '', 'a second time nothing is due');

table('kept', 4);
keep($node, 'postgres', 'shop.kept', %daily, retention => '1 day', retention_action => 'keep');
is(statuses_of(maintain($node, 'postgres', 'shop.kept', at => '2026-11-03')), 'retire done', 'one is detached');
is(sql('SELECT id FROM shop.kept_1'), 1, 'and kept with its rows');
is(sql('SELECT name, drop_after IS NULL FROM dbm.partition_detached'), 'shop.kept_1|t', 'and known');
is(sql('SELECT count(*) FROM shop.kept'), 3, 'but no part of the table');
is(statuses_of(maintain($node, 'postgres', 'shop.kept', at => '2026-11-03')), '', 'it stays so');

table('moved', 4);
keep($node, 'postgres', 'shop.moved', %daily, retention => '1 day', retention_action => 'archive', archive_schema => 'archive');
is(statuses_of(maintain($node, 'postgres', 'shop.moved', at => '2026-11-03')), 'retire done, archive done', 'one is archived');
is(sql('SELECT id FROM archive.moved_1'), 1, 'with its rows');
sql('REVOKE CREATE ON SCHEMA archive FROM alice; ALTER SCHEMA archive OWNER TO CURRENT_USER');
my @denied = maintain($node, 'postgres', 'shop.moved', at => '2026-11-04', role => 'alice');
is(statuses_of(@denied), 'create done, retire done, archive failed', 'where the owner may not create, it stays where it is');
is(sql('SELECT id FROM shop.moved_2'), 2, 'detached');

# --- Under the audit trail: what goes with a partition is missing in what was, and that is said

for my $default (0, 1)
{
	my $name = "trailed_$default";
	table($name, 4, $default ? (default => 1) : ());
	keep($node, 'postgres', "shop.$name", %daily, retention => '1 day');
	sql("SELECT dbm.install_audit_trigger('shop.$name')");
	my $then = sql('SELECT clock_timestamp()');
	my ($rows, $told) = ('', '');
	is(statuses_of(maintain($node, 'postgres', "shop.$name", at => '2026-11-03')), 'retire done, drop done', "default $default: one goes");
	$node->psql('postgres', "SELECT count(*) FROM dbm.as_of('shop.$name', '$then')", stdout => \$rows, stderr => \$told);
	like($told, qr/WARNING: .*not all that was done to shop\.$name is in the audit log\nDETAIL: +rows went with partition shop\.${name}_1(, dropped)? at .*, which no change tells\.$/m, 'it is said what is missing');
	is(sql("SELECT string_agg(e.kind, ' ' ORDER BY e.event_id) FROM dbm_trail.event e JOIN dbm_trail.relation r USING (relation_id) WHERE r.table_name = '$name'"), 'installed detached', 'and noted once');
	$node->psql('postgres', "SELECT count(*) FROM dbm.as_of('shop.$name', clock_timestamp())", stderr => \$told);
	is($told, '', 'of now nothing is missing');
}

# --- A time of grace

table('grace', 4);
keep($node, 'postgres', 'shop.grace', %daily, retention => '1 day', drop_delay => '7 days');
is(statuses_of(maintain($node, 'postgres', 'shop.grace', at => '2026-11-03')), 'retire done', 'detached, and not dropped yet');
is(sql(q{SELECT drop_after > now() + interval '6 days' FROM dbm.partition_detached WHERE name = 'shop.grace_1'}), 't', 'but in a week');
is(sql('SELECT id FROM shop.grace_1'), 1, 'the rows can still be had');
sql(q{UPDATE dbm.partition_detached SET drop_after = '2026-11-01' WHERE name = 'shop.grace_1'});
# What has another name now is not the table that was detached.
sql('ALTER TABLE shop.grace_1 RENAME TO something_else');
is(statuses_of(maintain($node, 'postgres', 'shop.grace', at => '2026-11-02')), '', 'what has another name now is not dropped');
sql('ALTER TABLE shop.something_else RENAME TO grace_1');
is(statuses_of(maintain($node, 'postgres', 'shop.grace', at => '2026-11-02')), 'drop done', 'when the time is over it is dropped');
is(sql(q{SELECT to_regclass('shop.grace_1')}), '', 'and gone');
# Somebody made it a partition again, and not for us to drop.
is(statuses_of(maintain($node, 'postgres', 'shop.grace', at => '2026-11-04')), 'create done, retire done', 'the next is detached');
sql(q{UPDATE dbm.partition_detached SET drop_after = '2026-11-01' WHERE name = 'shop.grace_2';
	ALTER TABLE shop.grace ATTACH PARTITION shop.grace_2 FOR VALUES FROM ('2026-11-02') TO ('2026-11-03')});
is(statuses_of(maintain($node, 'postgres', 'shop.grace', at => '2026-11-02')), '', 'what was attached again is not dropped');

# --- Guards

table('guarded', 10);
keep($node, 'postgres', 'shop.guarded', %daily, retention => '2 days', max_retire => '0.3');
my @stopped = maintain($node, 'postgres', 'shop.guarded', at => '2026-11-09');
is(statuses_of(@stopped), 'retire stopped', 'more than the share is not retired at once');
like($stopped[0]->{detail}, qr/^6 of 10 partitions are older than retention allows, and one pass retires at most 3: max_retire is 0.3$/, 'and says so');
is(scalar partitions($node, 'postgres', 'shop.guarded'), 10, 'nothing is gone');
my @century = maintain($node, 'postgres', 'shop.guarded', at => '2126-11-09');
is(scalar(grep { $_->{action} eq 'retire' && $_->{status} ne 'stopped' } @century), 0, 'nor when the clock leaps a century');

# --- Numbers

sql(<<'SQL');
SET ROLE alice;
CREATE TABLE shop.numbered (id bigint PRIMARY KEY, note text) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE shop.numbered_%s PARTITION OF shop.numbered FOR VALUES FROM (%s) TO (%s)', i, i * 1000, i * 1000 + 1000) FROM generate_series(0, 5) i \gexec
INSERT INTO shop.numbered SELECT i FROM generate_series(0, 3500) i;
SQL
keep($node, 'postgres', 'shop.numbered', key_kind => 'integer', every => '1000', origin => '0', premake => 2, retention_number => 2000, max_retire => 1);
is(statuses_of(maintain($node, 'postgres', 'shop.numbered')), 'retire done, drop done', 'numbers are counted back from the greatest');
sql('INSERT INTO shop.numbered VALUES (4001)');
is(statuses_of(maintain($node, 'postgres', 'shop.numbered')), 'create done, retire done, drop done', 'and made ahead of it');
is(join(' ', partitions($node, 'postgres', 'shop.numbered')), 'numbered_2 numbered_3 numbered_4 numbered_5 numbered_p0000000006000', 'by number');

# --- Foreign keys from and to

sql(<<'SQL');
SET ROLE alice;
CREATE TABLE shop.target (id bigint PRIMARY KEY);
INSERT INTO shop.target SELECT generate_series(1, 10);
SQL
table('keyed', 4, more => ', PRIMARY KEY (id, at), FOREIGN KEY (id) REFERENCES shop.target');
sql(q{SET ROLE alice; CREATE TABLE shop.pointing (id bigint, at date, FOREIGN KEY (id, at) REFERENCES shop.keyed); INSERT INTO shop.pointing VALUES (1, '2026-11-01'), (3, '2026-11-03')});
keep($node, 'postgres', 'shop.keyed', %daily, retention => '0 days');
# How long the search for rows that point here may take is not the question here.
my %patient = (before => q{SET dbm.upkeep_lock_timeout = '2min'});
my @pointed = maintain($node, 'postgres', 'shop.keyed', at => '2026-11-03', %patient);
is(statuses_of(@pointed), 'retire failed, retire done, drop done', 'what rows of others point to stays, the rest goes') or diag explain \@pointed;
like($pointed[0]->{detail}, qr/^removing partition "keyed_1" violates foreign key constraint/, 'and says whose');
is(sql('SELECT count(*) FROM shop.target'), 10, 'the target of its own key keeps its rows');
sql(q{DELETE FROM shop.pointing WHERE id = 1});
is(statuses_of(maintain($node, 'postgres', 'shop.keyed', at => '2026-11-03', %patient)), 'retire done, drop done', 'when nothing points to it, it goes');

# A table that points here is searched while nobody can write into it: not for longer than the limit.
table('searched', 4, more => ', PRIMARY KEY (id, at)');
sql(q{SET ROLE alice; CREATE TABLE shop.large (id bigint, at date); INSERT INTO shop.large SELECT 4, '2026-11-04' FROM generate_series(1, 400000);
	ALTER TABLE shop.large ADD CONSTRAINT large_fkey FOREIGN KEY (id, at) REFERENCES shop.searched});
keep($node, 'postgres', 'shop.searched', %daily, retention => '1 day');
my ($forecast) = maintain($node, 'postgres', 'shop.searched', at => '2026-11-03', dry_run => 1);
like($forecast->{detail}, qr/; SHARE on shop\.large while it is searched for rows that point to the partition, then ACCESS EXCLUSIVE$/, 'a dry run says that it is searched');
my ($late) = maintain($node, 'postgres', 'shop.searched', at => '2026-11-03', before => q{SET dbm.upkeep_lock_timeout = '5ms'});
is("$late->{action} $late->{status}", 'retire skipped', 'what takes longer than the limit is left') or diag explain $late;
like($late->{detail}, qr/^to see whether rows of shop\.large point to it took longer than 5 ms, while which nobody could write there: index the foreign key, or detach shop\.searched_1 by hand/, 'and it is said what helps');
is(sql(q{SELECT count(*) FROM pg_inherits WHERE inhdetachpending}) . sql('SELECT count(*) FROM dbm.partition_detached WHERE parent_name = $$shop.searched$$'), '00', 'nothing is half done');
is(statuses_of(maintain($node, 'postgres', 'shop.searched', at => '2026-11-03', %patient)), 'retire done, drop done', 'with more time it goes');

# --- A set that is only watched

sql(<<'SQL');
SET ROLE alice;
CREATE TABLE shop.listed (region text) PARTITION BY LIST (region);
CREATE TABLE shop.listed_eu PARTITION OF shop.listed FOR VALUES IN ('eu');
CREATE TABLE shop.listed_us PARTITION OF shop.listed FOR VALUES IN ('us');
SQL
sql(q{SELECT dbm.partition_manage('shop.listed', 'watched')});
is(statuses_of(maintain($node, 'postgres', 'shop.listed')), '', 'nothing is done to it');
my $old_reader = Session->new($node, 'postgres');
$old_reader->must('BEGIN; SELECT count(*) FROM shop.listed');
$node->psql('postgres', q{SET lock_timeout = 200; ALTER TABLE shop.listed DETACH PARTITION shop.listed_eu CONCURRENTLY});
is(sql(q{SELECT count(*) FROM pg_inherits WHERE inhdetachpending}), 1, 'but what somebody left half detached');
$old_reader->must('COMMIT');
$old_reader->quit;
my @of_all = grep { $_->{parent} eq 'shop.listed' } maintain($node, 'postgres', undef, at => '2026-11-03');
is(statuses_of(@of_all), 'finalize done', 'is ended');
is(join(' ', partitions($node, 'postgres', 'shop.listed')), 'listed_us', 'and nothing else');

# --- A long reader

table('read', 6);
keep($node, 'postgres', 'shop.read', %daily, retention => '3 days');
my $reader = Session->new($node, 'postgres');
$reader->must('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM shop.read');
my $start = time;
my @half = maintain($node, 'postgres', 'shop.read', at => '2026-11-05');
like($half[0]->{status}, qr/skipped/, 'a reader of old lets it end later') or diag explain \@half;
like($half[0]->{detail}, qr/no new query uses it.*shop\.read locked by process \d+/, 'and says who');
# Who did would wait for ever.
cmp_ok(time - $start, '<', 120, 'nobody waits for the reader');
is(sql(q{SET statement_timeout = '1min'; INSERT INTO shop.read VALUES (9, '2026-11-05'); SELECT count(*) FROM shop.read}), 6, 'others read and write');
is($reader->must('SELECT count(*) FROM shop.read'), 6, 'the reader still sees its rows');
$reader->must('COMMIT');
my @finalised = maintain($node, 'postgres', 'shop.read', at => '2026-11-05');
like(statuses_of(@finalised), qr/finalize done/, 'then the next run ends it') or diag explain \@finalised;
maintain($node, 'postgres', 'shop.read', at => '2026-11-05');
is(join(' ', partitions($node, 'postgres', 'shop.read')), 'read_2 read_3 read_4 read_5 read_6', 'and it is gone');
is(sql(q{SELECT to_regclass('shop.read_1')}), '', 'dropped as the policy says');

# --- A crash in the middle

table('crashed', 6);
keep($node, 'postgres', 'shop.crashed', %daily, retention => '3 days');
$reader->must('BEGIN; SELECT count(*) FROM shop.crashed');
my $asker = Session->new($node, 'postgres');
$asker->begin(q{SET dbm.upkeep_lock_timeout = '1min'; SELECT * FROM dbm.partition_maintain('shop.crashed', '2026-11-05');});
wait_until($node, 'postgres', q{SELECT count(*) > 0 FROM pg_inherits WHERE inhdetachpending});
# Upkeep commits without waiting for the disk: what it has just done is lost in a crash, until somebody else has waited for it.
sql('CREATE TABLE public.flushed ()');
my $worker = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'dbmastery%'});
my $log = -s $node->logfile;
kill 'KILL', $worker;
wait_for_restart($node, $log);
is(sql(q{SELECT count(*) FROM pg_inherits WHERE inhdetachpending}), 1, 'killed in the middle, it is half detached');
my @after = maintain($node, 'postgres', 'shop.crashed', at => '2026-11-05');
like(statuses_of(@after), qr/finalize done/, 'the next run ends it') or diag explain \@after;
maintain($node, 'postgres', 'shop.crashed', at => '2026-11-05');
is(sql(q{SELECT to_regclass('shop.crashed_1')}), '', 'and drops it');

# --- Beside a default partition

table('defaulted', 5, default => 1);
keep($node, 'postgres', 'shop.defaulted', %daily, retention => '2 days');
$reader = Session->new($node, 'postgres');
$reader->must('BEGIN; SELECT count(*) FROM shop.defaulted');
my @locked = maintain($node, 'postgres', 'shop.defaulted', at => '2026-11-04');
is(statuses_of(@locked), 'retire skipped', 'beside a default partition a reader puts it off');
like($locked[0]->{detail}, qr/^shop\.defaulted\w* locked by process \d+ \(/, 'and says who');
is(sql(q{SELECT count(*) FROM pg_inherits WHERE inhdetachpending}), 0, 'nothing is half done');
$reader->must('COMMIT');
is(statuses_of(maintain($node, 'postgres', 'shop.defaulted', at => '2026-11-04')), 'retire done, drop done', 'then it goes');

# It is dropped at once, unless something depends on it.
sql('CREATE VIEW shop.of_second AS SELECT * FROM shop.defaulted_2');
my @depended = maintain($node, 'postgres', 'shop.defaulted', at => '2026-11-05');
like(statuses_of(grep { ($_->{partition} // '') eq 'shop.defaulted_2' } @depended), qr/^retire done, drop failed$/, 'what a view reads is detached and stays') or diag explain \@depended;
is(sql('SELECT count(*) FROM shop.of_second'), 1, 'with its rows');

$reader->quit;
$node->stop;
done_testing();
