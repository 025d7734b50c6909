# Plans of changes, killed with -9 at a boundary of each of their steps, one place after the other: the next call goes
# on, and the end is the same; taken back, all is as it was.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use Changes qw(call carry cases difference direct make_shop sorted);
use Plan qw(literal plan_row schema_of steps);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(wait_for_server);
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('killed');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off\nrestart_after_crash = on");
$node->start;
make_shop($node, rows => 2000);
my $schema_before = schema_of($node, 'shop');

my @places = ('recorded', 'uncommitted', 'committed', 'before');
my $turn = 0;
my $kills = 0;
for my $case (cases())
{
	my ($change, undef, %may) = @$case;
	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $_") for 'direct', 'planned';
	$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE shop") for 'direct', 'planned';
	my $before = $schema_before;
	is(direct($node, $change, %may), '', "$change: as it stands");
	my ($error, $number) = call($node, 'planned', 'SELECT dbm.migration_plan(' . literal($change) . ')');
	if ($error ne '') { fail("$change: $error"); next }
	chomp $number;

	# In one go, killed once in each step.
	my @killed;
	for my $step (map { $_->{step} } grep { $_->{runs} ne 'by_hand' } steps($node, 'planned', $number))
	{
		my $place = $places[ $turn++ % @places ];
		for (1 .. 20)
		{
			my ($said) = call($node, 'planned', "CALL dbm.apply($number)", fault => "$step:$place");
			if ($said =~ /waits: step (\d+) /) { call($node, 'planned', "SELECT dbm.confirm_step($number, $1)"); next }
			if ($said =~ /server closed the connection|terminating connection/)
			{
				$kills++;
				push @killed, "$step:$place";
				wait_for_server($node);
			}
			last;
		}
	}
	is(carry($node, 'planned', $number, 'apply'), '', "$change: killed at @killed, the next call goes on") if plan_row($node, 'planned', $number)->{status} ne 'done';
	is(plan_row($node, 'planned', $number)->{status}, 'done', "$change: to the end");
	my ($got, $expected) = map { schema_of($node, $_) } 'planned', 'direct';
	($got, $expected) = map { sorted($_) } $got, $expected if $may{order};
	is(difference($got, $expected), '', "$change: which is that of the change itself") if !$may{ends};
	is($node->safe_psql('planned', 'SELECT count(*) FROM pg_index WHERE NOT indisvalid'), '0', "$change: no invalid index is left");
	is($node->safe_psql('planned', 'SELECT count(*) FROM pg_inherits WHERE inhdetachpending'), '0', "$change: nor a partition half detached");
	next if $may{no_undo};

	# And back, killed once.
	my ($last) = reverse map { $_->{step} } grep { $_->{runs} ne 'by_hand' && $_->{undo} } steps($node, 'planned', $number);
	if ($last)
	{
		call($node, 'planned', "CALL dbm.undo($number)", fault => "$last:undo_statement");
		wait_for_server($node);
	}
	$error = carry($node, 'planned', $number, 'undo');
	next if $error =~ /cannot be taken back|no way back/;
	like($error, qr/^$|nothing to take back/, "$change: killed on the way back, it goes on");
	$got = schema_of($node, 'planned');
	($got, $before) = map { sorted($_) } $got, $before if $may{order};
	is(difference($got, $before), '', "$change: to where it was");
}
cmp_ok($kills, '>', 40, "killed $kills times");
diag("killed $kills times");

$node->stop;
done_testing();
