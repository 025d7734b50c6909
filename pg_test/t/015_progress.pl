# What a long act is at can be seen from another session, by those who may watch it, and is gone when it ends.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('progress');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'app,watcher,granted' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\ndbm.rule_timeout = '5min'");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION dbmastery;
CREATE ROLE app LOGIN; CREATE ROLE watcher LOGIN; CREATE ROLE granted LOGIN;
GRANT pg_monitor TO app, watcher;
GRANT USAGE ON SCHEMA dbm TO granted;
GRANT EXECUTE ON FUNCTION dbm.progress() TO granted;
GRANT SELECT ON dbm.progress TO granted;
SQL

sub progress { return rows($node, 'postgres', 'SELECT * FROM dbm.progress', @_) }
sub acts { my @acts = progress(@_); return scalar @acts }

is(acts(), 0, 'nobody is at anything');

# --- An audit asleep in one of its rules

my @rules = map { $_->{rule} } rows($node, 'postgres', 'SELECT rule FROM dbm.rules() WHERE enabled ORDER BY rule');
my $auditor = Session->new($node, 'postgres', role => 'app');
my $pid = $auditor->must('SELECT pg_backend_pid()');
$node->safe_psql('postgres', "ALTER ROLE app SET dbm.fault_in_rule = '$rules[-1]:sleep'");
$node->safe_psql('postgres', 'ALTER ROLE app SET dbm.rule_timeout = 0');
$auditor->quit;
$auditor = Session->new($node, 'postgres', role => 'app');
$pid = $auditor->must('SELECT pg_backend_pid()');
$auditor->begin('SELECT count(*) FROM dbm.audit();');
my $asleep = "SELECT count(*) = 1 FROM dbm.progress WHERE step = 'running the rules' AND done > 0";
$node->poll_query_until('postgres', $asleep) or die 'the audit is not seen';
my ($seen, @more) = progress();
is(scalar @more, 0, 'one act is seen');
is("$seen->{pid} $seen->{datname} $seen->{usename} $seen->{act} $seen->{step}", "$pid postgres app audit running the rules",
	'with who does what, where');
is($seen->{total}, scalar @rules, 'of as many rules as are enabled');
cmp_ok($seen->{done}, '<', $seen->{total}, 'some are still to come');
cmp_ok(abs($seen->{share} - $seen->{done} / $seen->{total}), '<', 1e-9, 'share is done out of total');
is($node->safe_psql('postgres', "SELECT started BETWEEN now() - interval '1 hour' AND clock_timestamp() FROM dbm.progress"),
	't', 'started is when it began');
is($node->safe_psql('postgres', <<'SQL'), '0', 'the server\'s own views do not show it as a command of theirs');
SELECT (SELECT count(*) FROM pg_stat_progress_vacuum) + (SELECT count(*) FROM pg_stat_progress_analyze)
     + (SELECT count(*) FROM pg_stat_progress_cluster) + (SELECT count(*) FROM pg_stat_progress_create_index)
     + (SELECT count(*) FROM pg_stat_progress_basebackup) + (SELECT count(*) FROM pg_stat_progress_copy)
SQL

# --- Who may see it

is(acts(role => 'watcher'), 1, 'who watches sees it');
is(acts(role => 'granted'), 0, 'who may not watch that role does not');
$node->safe_psql('postgres', 'GRANT app TO granted');
is(acts(role => 'granted'), 1, 'who may act as that role does');

# --- The end of it

$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
my (undef, $error) = $auditor->run('');
like($error, qr/canceling statement/, 'the audit is cancelled');
is(acts(), 0, 'a cancelled act is not seen any more');
$node->safe_psql('postgres', 'ALTER ROLE app RESET dbm.fault_in_rule');
$auditor->quit;

# Within a transaction that goes on, and in an act that rolled subtransactions back on its way.
my $session = Session->new($node, 'postgres');
$session->must('BEGIN');
$session->must("SET LOCAL dbm.fault_in_rule = '$rules[0]:panic'");
$session->must('SELECT count(*) FROM dbm.audit()');
is(acts(), 0, 'nor is one that ended by itself, though its transaction goes on');
$session->must('COMMIT');

# --- After a rule was rolled back, which empties the slot

$node->safe_psql('postgres', "ALTER ROLE app SET dbm.fault_in_rule = '$rules[-1]:sleep'");
$node->safe_psql('postgres', "ALTER ROLE app SET dbm.rule_timeout = '5s'");
my $slow = Session->new($node, 'postgres', role => 'app');
my $slow_pid = $slow->must('SELECT pg_backend_pid()');
# The second sleeps until it is cancelled, so that it is seen whenever somebody comes to look.
$slow->begin('SELECT count(*) FROM dbm.audit(); SET dbm.rule_timeout = 0; SELECT count(*) FROM dbm.audit();');
my $first;
for (1 .. 600)
{
	($first) = grep { $_->{step} eq 'running the rules' && $_->{done} > 0 } progress();
	last if $first;
	usleep(100_000);
}
$first or die 'the audit is not seen';
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM dbm.progress WHERE started = '$first->{started}'")
  or die 'the first audit does not end';
$node->poll_query_until('postgres', $asleep) or die 'the second audit is not seen';
my ($second) = progress();
isnt($second->{started}, $first->{started}, 'the next act is seen as another');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($slow_pid)");
$slow->run('');

# --- A command of the server's keeps its slot

$session->must('CREATE TABLE big AS SELECT i FROM generate_series(1, 1000) AS i');
$session->must(<<'SQL');
CREATE FUNCTION audited(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF i = 500 THEN
		PERFORM count(*) FROM dbm.audit();
		PERFORM pg_advisory_lock(1);
	END IF;
	RETURN i;
END $$;
SQL
my $locker = Session->new($node, 'postgres');
$locker->must('SELECT pg_advisory_lock(1)');
$session->begin('CREATE INDEX ON big (audited(i));');
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
  or die 'the index is not being built';
is($node->safe_psql('postgres', 'SELECT command FROM pg_stat_progress_create_index'), 'CREATE INDEX',
	'an audit within CREATE INDEX leaves its progress alone');
is(acts(), 0, 'and shows none of its own');
$locker->must('SELECT pg_advisory_unlock(1)');
$session->must('SELECT 1');

$node->stop;
done_testing();
