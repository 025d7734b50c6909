# The demo shop says of itself what is wrong with it; the audit has to find just that.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(audit keys_of leave_server_out none rows set_thresholds utf8_locale);
use TestDatabase qw(demo_marks load_demo);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('demo');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\ntimezone = 'UTC'\ndbm.rule_timeout = '5min'");
$node->start;

my @complaints = grep { / (?:ERROR|WARNING|FATAL): / } load_demo($node, 'shop');
is(scalar @complaints, 1, 'loading the demo prints the one error that it announces')
  or diag(join "\n", @complaints);

my @marks     = demo_marks();
my @mistakes  = keys_of(grep { $_->{kind} eq 'MISTAKE' } @marks);
my @lookalikes = keys_of(grep { $_->{kind} eq 'LOOKALIKE' } @marks);
my %rules     = map { $_->{rule} => 1 } rows($node, 'shop', 'SELECT rule FROM dbm.rules()');
none([ grep { !$rules{$_} } map { $_->{rule} } @marks ], 'every mark names a rule that exists');

# The shop is a minute old and small; nobody who waits a month or has more data needs these.
my %young = (
	'indexing.unused_index'      => { minimum_days   => 0, minimum_bytes => 8192 },
	'indexing.bloated_index'     => { wasted_bytes   => 65536, measured_bytes => 65536 },
	'schema.orphan_table'        => { watched_days   => 0 },
	'schema.integer_primary_key' => { rows           => 10000 },
	# Whether the server is near its end says nothing of the shop.
	'migration.version_out_of_support' => { days => 0 },
);

leave_server_out($node, 'shop');
my @before = audit($node, 'shop');
none([ keys_of(grep { $_->{status} eq 'error' } @before) ], 'no rule broke');
none([ grep { /unused_index/ } keys_of(grep { $_->{status} eq 'finding' } @before) ],
	'no index is called unused before its scans were counted for long enough');
ok((grep { $_->{status} eq 'unknown' && $_->{rule} eq 'indexing.unused_index' } @before),
	'and the audit says that it does not know');

set_thresholds($node, 'shop', \%young);
my @rows     = audit($node, 'shop');
my %found    = map { $_ => 1 } keys_of(grep { $_->{status} eq 'finding' } @rows);
my %expected = map { $_ => 1 } @mistakes;

none([ keys_of(grep { $_->{status} eq 'error' } @rows) ], 'no rule broke with thresholds of our own');
none([ grep { !$found{$_} } @mistakes ], 'every planted mistake is found');
none([ grep { $found{$_} } @lookalikes ], 'nothing that is right is reported');
none([ map { "$_->{rule}: $_->{object} -- $_->{message}" }
	  grep { $_->{status} eq 'finding' && !$expected{"$_->{rule}: $_->{object}"} } @rows ],
	'nothing else is reported at all');

# A mark that repeats another one, or contradicts it, would hide a mistake.
is(scalar(keys %expected), scalar @mistakes, 'no mistake is marked twice');
none([ grep { $expected{$_} } @lookalikes ], 'no mark contradicts another one');

$node->stop;
done_testing();
