# Every change for which there is a plan: applied while others write, the end is that of the change itself, and the way
# back leads to where it began.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use Changes qw(call carry cases difference direct make_shop sorted);
use Plan qw(literal schema_of start_writers statuses stop_writers);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('changes');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off");
$node->start;
make_shop($node);
# All rows but what the writers write, in an order that hangs on nothing.
sub data
{
	my ($database, $random) = @_;
	my $without = join '', map { " - '$_'" } 'touched', $random // ();
	my @tables = split /\n/, $node->safe_psql($database, q{SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'shop' ORDER BY 1});
	return $node->safe_psql($database, join '', map {
		"SELECT '$_', count(*), md5(coalesce(string_agg(r, '' ORDER BY r), '')) FROM (SELECT (to_jsonb(t)$without)::text AS r FROM $_ AS t) AS x;\n"
	} @tables);
}
my ($schema_before, $data_before) = (schema_of($node, 'shop'), data('shop'));

my ($worst, $worst_change) = (0, '');
my @report;
# A writer waits, too, while the machine stands still: then the whole change is tried again, up to three times in all.
my ($most, %tries) = (1000);
my @cases = cases();
while (my $case = shift @cases)
{
	my ($change, $script, %may) = @$case;
	my $is_last = ++$tries{$change} == 3;
	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $_") for 'direct', 'planned';
	$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE shop") for 'direct', 'planned';
	my $before = $schema_before;
	is(direct($node, $change, %may), '', "$change: as it stands");

	my ($error, $number) = call($node, 'planned', 'SELECT dbm.migration_plan(' . literal($change) . ')');
	if ($error ne '') { fail("$change: $error"); next }
	chomp $number;
	is(schema_of($node, 'planned'), $before, "$change: a plan changes nothing");
	# Who only waits for a moment is seen in one second.
	my ($much) = rows($node, 'planned', "SELECT count(*) FILTER (WHERE runs = 'alone') + count(*) / 4 AS steps, (SELECT array_to_string(requires, E'\n') FROM dbm.plan WHERE plan = $number) AS requires FROM dbm.plan_steps($number)");
	like($much->{requires}, qr/$may{held}/, "$change: that everybody waits is said before") if $may{held};
	my $seconds = $much->{steps} > 0 ? 2 : 1;
	my $writers = $script ? start_writers($node, 'planned', $script, seconds => $seconds) : undef;
	is(carry($node, 'planned', $number, 'apply'), '', "$change: applied");
	my ($count, $longest) = $writers ? stop_writers($writers) : (0, 0);
	my $said = statuses($node, 'planned', $number);
	like($said, qr/^(?:(?:done|skipped) ?)+$/, "$change: every step is done");

	my ($got, $expected) = map { schema_of($node, $_) } 'planned', 'direct';
	($got, $expected) = map { sorted($_) } $got, $expected if $may{order};
	if ($may{ends}) { like($much->{requires}, qr/$may{ends}/, "$change: what is different in the end is said before") }
	else            { is(difference($got, $expected), '', "$change: the schema is that of the change itself") }
	is(data('planned', $may{random}), data('direct', $may{random}), "$change: and so are the rows");
	if ($script)
	{
		my ($table) = $script =~ /UPDATE (\S+)/;
		is($node->safe_psql('planned', "SELECT sum(touched) FROM $table"), $count, "$change: no write is lost");
		if (!$may{held})
		{
			if ($longest > $most && !$is_last) { unshift @cases, $case; next }
			cmp_ok($longest, '<=', $most, sprintf '%s: of %d writes the longest took %.0f ms', $change, $count, $longest);
			($worst, $worst_change) = ($longest, $change) if $longest > $worst;
		}
	}
	push @report, sprintf '%5.0f ms  %6d writes  %2d steps  %s', $longest, $count, scalar(split / /, $said), $change;

	my ($row) = rows($node, 'planned', "SELECT risk FROM dbm.plan WHERE plan = $number");
	if ($may{no_undo} || $row->{risk} eq 'high')
	{
		like(carry($node, 'planned', $number, 'undo'), qr/cannot be taken back|no way back|^$/, "$change: cannot be taken back, or is");
		next;
	}
	$node->safe_psql('planned', 'UPDATE shop.orders SET touched = 0 WHERE touched > 0') if $script && $script =~ /shop\.orders/;
	$writers = $script ? start_writers($node, 'planned', $script, seconds => 1) : undef;
	is(carry($node, 'planned', $number, 'undo'), '', "$change: taken back");
	($count, $longest) = stop_writers($writers) if $writers;
	if ($writers && $longest > $most && !$is_last) { unshift @cases, $case; next }
	cmp_ok($longest, '<=', $most, sprintf '%s: taken back, of %d writes the longest took %.0f ms', $change, $count, $longest);
	$got = schema_of($node, 'planned');
	($got, $before) = map { sorted($_) } $got, $before if $may{order};
	is(difference($got, $before), '', "$change: the schema is what it was");
	is(data('planned'), $data_before, "$change: and so are the rows");
}
diag($_) for @report;
diag(sprintf 'the longest that any writer waited: %.0f ms (%s)', $worst, $worst_change);

$node->stop;
done_testing();
