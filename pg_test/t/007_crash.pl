# A crash loses the counters. What is said afterwards must not take that for disuse.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(audit keys_of none reading_calls rows utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TestDatabase qw(load_traps);
use Server qw(wait_for_restart);
use Session;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf',
	"autovacuum = off\ntimezone = 'UTC'\nrestart_after_crash = on\nallow_in_place_tablespaces = on\ndbm.rule_timeout = '5min'");
$node->start;
load_traps($node);
my %calls = reading_calls($node, 'traps');

sub all_work
{
	my ($name) = @_;
	my @failed;
	for my $function (sort keys %calls)
	{
		my ($status, undef, $error) = $node->psql('traps', $calls{$function}, on_error_stop => 1);
		push @failed, "$function(): $error" if $status != 0;
	}
	none(\@failed, "$name: every reading function works");
	none([ keys_of(grep { $_->{status} eq 'error' } audit($node, 'traps')) ], "$name: no rule breaks");
	return;
}

# The reasons for which unscanned indexes are to be reviewed.
sub reasons
{
	my @rows = rows($node, 'traps', "SELECT DISTINCT reason FROM dbm.unused_indexes() WHERE verdict = 'review'");
	return sort map { $_->{reason} } @rows;
}

# Uses an index once.
sub scan
{
	$node->safe_psql('traps',
		'SET enable_seqscan = off; SELECT count(*) FROM coverage.led WHERE x = 1; SELECT pg_stat_force_next_flush()');
	return;
}

# How often it was used.
sub scans
{
	return $node->safe_psql('traps',
		"SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelid = 'coverage.led_x_y_idx'::regclass");
}

# --- Before

scan();
cmp_ok(scans(), '>', 0, 'an index was scanned');
my @before = reasons();
none([ grep { /crash/ || !/have been counted for/ } @before ], 'before the crash the counters are young, not lost');
ok(scalar @before, 'and that is given as reason');
my @findings = keys_of(grep { $_->{status} eq 'finding' && $_->{dimension} eq 'schema' } audit($node, 'traps'));

# --- Crash

$node->stop('immediate');
$node->start;
is(scans(), '0', 'the crash lost the counters');
all_work('after the crash');
is_deeply([ keys_of(grep { $_->{status} eq 'finding' && $_->{dimension} eq 'schema' } audit($node, 'traps')) ],
	\@findings, 'what hangs on no counters is found as before');
none([ grep { $_->{status} eq 'finding' && $_->{rule} eq 'indexing.unused_index' } audit($node, 'traps') ],
	'no index is called unused');

# That counters are lost is told by their age and the cluster's, which initdb writes into its identifier. Counters that
# begin within the first hour are taken for those of initdb, so that this cluster has to be made older first. Only the
# age is made up; the loss is real.
$node->stop('fast');
make_older($node, 2 * 86_400);
$node->start;
my @after = reasons();
none([ grep { !/^a crash lost the scan counters/ } @after ], 'the loss is given as reason');
ok(scalar @after, 'for indexes that nothing scanned since');
my @unknown = grep { $_->{rule} eq 'indexing.unused_index' && $_->{status} eq 'unknown' } audit($node, 'traps');
like($unknown[0]{message} // '', qr/a crash lost the scan counters/, 'the audit says so too');
all_work('on the older cluster');

# --- A clean restart loses nothing

scan();
my $scans = scans();
cmp_ok($scans, '>', 0, 'the index was scanned again');
$node->restart;
is(scans(), $scans, 'a clean restart keeps the counters');

# --- The server falls while an audit runs

my $auditor = Session->new($node, 'traps');
my $pid = $auditor->must('SELECT pg_backend_pid()');
$auditor->must("SET dbm.rule_timeout = 0; SET dbm.fault_in_rule = 'schema.no_primary_key:sleep'");
$auditor->begin('SELECT count(*) FROM dbm.audit();');
usleep(300_000);
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
my $log = -s $node->logfile;
kill 'KILL', $pid;
wait_for_restart($node, $log);
pass('the server comes back after a backend was killed in the middle of an audit');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'under the same postmaster');
all_work('after that');

$node->stop;
done_testing();

# Moves the moment of initdb back, which is the upper half of the system identifier, by some seconds.
#
# pg_control is its fields and then a CRC-32C of them; the WAL, which carries the identifier too, is made anew.
sub make_older
{
	my ($node, $seconds) = @_;
	my $file = $node->data_dir . '/global/pg_control';
	my $control = slurp_file($file);
	my ($end) = grep { unpack('V', substr($control, $_, 4)) == crc32c(substr($control, 0, $_)) } map { $_ * 4 } 16 .. 240;
	defined $end or die 'the checksum of pg_control was not found';
	my ($low, $high) = unpack 'VV', $control;
	substr($control, 0, 8, pack('VV', $low, $high - $seconds));
	substr($control, $end, 4, pack('V', crc32c(substr($control, 0, $end))));
	open my $handle, '+<:raw', $file or die "$file: $!";
	print $handle $control or die "$file: $!";
	close $handle or die "$file: $!";
	PostgreSQL::Test::Utils::system_or_bail('pg_resetwal', '--force', '-D', $node->data_dir);
	return;
}

sub crc32c
{
	my ($bytes) = @_;
	my $crc = 0xFFFFFFFF;
	for my $byte (unpack 'C*', $bytes)
	{
		$crc ^= $byte;
		$crc = $crc & 1 ? ($crc >> 1) ^ 0x82F63B78 : $crc >> 1 for 1 .. 8;
	}
	return $crc ^ 0xFFFFFFFF;
}
