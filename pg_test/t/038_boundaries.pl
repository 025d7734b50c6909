# Where partitions are cut is where the server's own calendar has it: every unit, in twenty zones, over fifty years. What
# is cut so can be attached, and every moment finds its partition.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(none utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Zones that were odd at some time: days and midnights that never were or came twice, half hours, other sides of the date
# line. Which of them have which rule is up to the server.
my @zones = qw(
	UTC Europe/Berlin Europe/London Europe/Dublin Europe/Moscow Africa/Casablanca Africa/Cairo Asia/Kathmandu
	Asia/Kolkata Asia/Tehran Asia/Pyongyang Australia/Lord_Howe Pacific/Apia Pacific/Chatham Pacific/Kiritimati
	America/New_York America/Chicago America/Sao_Paulo America/St_Johns America/Havana);

my $node = PostgreSQL::Test::Cluster->new('boundaries');
$node->init(extra => utf8_locale());
# The zone of the session must not matter.
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\ntimezone = 'America/Chicago'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION dbmastery');

my ($first, $last) = ("'1995-01-01 00:00+00'", "'2045-01-01 00:00+00'");
my @differ;
my $compared = 0;
for my $zone (@zones)
{
	for my $case (
		[ 'day',      '1 day',    '2000-01-01', 'YYYY_MM_DD' ],
		[ 'week',     '7 days',   '2000-01-03', 'IYYY"_w"IW' ],
		[ '10 days',  '10 days',  '2000-01-01', 'YYYY_MM_DD' ],
		[ 'month',    '1 month',  '2000-01-01', 'YYYY_MM' ],
		[ 'quarter',  '3 months', '2000-01-01', 'YYYY"_q"Q' ],
		[ '5 months', '5 months', '2000-01-01', 'YYYY_MM' ],
		[ 'P1Y',      '1 year',   '2000-01-01', 'YYYY' ])
	{
		my ($every, $interval, $origin, $format) = @$case;
		my $answer = $node->safe_psql(
			'postgres', qq{
			WITH ours AS (
				SELECT low::timestamptz, high::timestamptz, name
				FROM dbm.partition_boundaries('$every', 'timestamptz', $first, $last, '$zone')
			), cut AS (
				SELECT DISTINCT (timestamp '$origin' + k * interval '$interval') AT TIME ZONE '$zone' AS low
				FROM generate_series(-4000, 20000) AS k
			), theirs AS (
				SELECT low, lead(low) OVER (ORDER BY low) AS high FROM cut
			), wanted AS (
				SELECT low, high, '_' || to_char(low AT TIME ZONE '$zone', '$format') AS name
				FROM theirs WHERE high > $first AND low <= $last
			)
			SELECT count(*), (SELECT count(*) FROM (TABLE ours EXCEPT TABLE wanted) AS d),
				(SELECT count(*) FROM (TABLE wanted EXCEPT TABLE ours) AS d), count(DISTINCT name)
			FROM ours});
		my ($count, $more, $less, $names) = split /\|/, $answer;
		push @differ, "$every in $zone: of $count, $more are not the server's, $less are missing, $names names"
		  if $more || $less || $names != $count || $count < 50;
		$compared += $count;
	}
}
none(\@differ, 'days, weeks, months, quarters and years are cut as the server has them, and named so');
cmp_ok($compared, '>', 400_000, 'enough was compared');

is( $node->safe_psql(
		'postgres', qq{
		WITH ours AS (
			SELECT low::timestamptz, name
			FROM dbm.partition_boundaries('15 minutes', 'timestamptz', '2026-10-20', '2026-11-10', 'America/New_York')
		), theirs AS (
			SELECT low, to_char(low AT TIME ZONE 'UTC', '_YYYY_MM_DD_HH24MI"z"') AS name
			FROM generate_series(timestamptz '2026-10-20', '2026-11-10', interval '15 minutes') AS low
		)
		SELECT (SELECT count(*) FROM (TABLE ours EXCEPT TABLE theirs) AS d),
			(SELECT count(*) FROM (TABLE theirs EXCEPT TABLE ours) AS d)}),
	'0|0',
	'quarters of an hour go on in UTC where the clock is put back');

# The other keys tell the same moments.
for my $case (
	[ 'bigint seconds',      'extract(epoch FROM t.low)::bigint::text' ],
	[ 'integer seconds',     'extract(epoch FROM t.low)::bigint::text' ],
	[ 'bigint milliseconds', '(extract(epoch FROM t.low) * 1000)::bigint::text' ],
	[ 'bigint microseconds', '(extract(epoch FROM t.low) * 1000000)::bigint::text' ],
	[ 'bigint nanoseconds',  '(extract(epoch FROM t.low)::bigint * 1000000000)::text' ],
	[   'uuid',
		q{(rpad(lpad(to_hex((extract(epoch FROM t.low) * 1000)::bigint), 12, '0'), 32, '0'))::uuid::text} ],
	[ 'timestamp', q{(t.low AT TIME ZONE 'Asia/Kathmandu')::text} ],
	[ 'date',      q{(t.low AT TIME ZONE 'Asia/Kathmandu')::date::text} ])
{
	my ($type, $value) = @$case;
	is( $node->safe_psql(
			'postgres', qq{
			SELECT count(*) > 400, bool_and(o.low = $value)
			FROM (SELECT low::timestamptz, row_number() OVER () AS n
				FROM dbm.partition_boundaries('month', 'timestamptz', '1995-01-05', '2030-01-05', 'Asia/Kathmandu')) AS t
			JOIN (SELECT low, row_number() OVER () AS n
				FROM dbm.partition_boundaries('month', '$type', '1995-01-05', '2030-01-05', 'Asia/Kathmandu')) AS o
			USING (n)}),
		't|t',
		"a key of type $type");
}

# Real partitions around the oddest days.
my %key = (
	timestamptz           => [ 'timestamptz', 't' ],
	'timestamp'           => [ 'timestamp',   q{t AT TIME ZONE '%s'} ],
	date                  => [ 'date',        q{(t AT TIME ZONE '%s')::date} ],
	'bigint milliseconds' => [ 'bigint',      '(extract(epoch FROM t) * 1000)::bigint' ],
	uuid                  => [
		'uuid',
		q{(lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0') || '7abc8def0123456789ab')::uuid}
	],
	ulid => [ 'text COLLATE "C"', 'ulid(t)' ]);
$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION ulid(t timestamptz) RETURNS text LANGUAGE sql AS $$
		SELECT string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ',
			(((extract(epoch FROM t) * 1000)::bigint >> (5 * (9 - i))) & 31)::integer + 1, 1), '' ORDER BY i)
			|| '0123456789ABCDEF'
		FROM generate_series(0, 9) AS i $$});
for my $case (
	[ 'day',        'America/Sao_Paulo',   '2017-10-10', '2017-10-20' ],
	[ 'day',        'Pacific/Apia',        '2011-12-25', '2012-01-05' ],
	[ 'day',        'Australia/Lord_Howe', '2026-03-30', '2026-04-10' ],
	[ 'day',        'America/Havana',      '2020-10-28', '2020-11-04' ],
	[ 'week',       'America/New_York',    '2026-10-01', '2026-12-01' ],
	[ 'month',      'Europe/Berlin',       '2026-01-01', '2027-01-10' ],
	[ 'hour',       'America/New_York',    '2026-10-31', '2026-11-02' ],
	[ '15 minutes', 'Australia/Lord_Howe', '2026-04-04', '2026-04-05' ])
{
	my ($every, $zone, $from, $to) = @$case;
	for my $kind (sort keys %key)
	{
		next if $kind eq 'date' && $every =~ /hour|minutes/;
		my ($type, $value) = @{ $key{$kind} };
		$value =~ s/%s/$zone/;
		my $answer = $node->safe_psql(
			'postgres', qq{
			SET client_min_messages = warning;
			DROP TABLE IF EXISTS cut;
			CREATE TABLE cut (k $type NOT NULL, t timestamptz NOT NULL) PARTITION BY RANGE (k);
			SELECT format('CREATE TABLE %I PARTITION OF cut FOR VALUES FROM (%L) TO (%L)', 'cut' || name, low, high)
			FROM dbm.partition_boundaries('$every', '$kind', '$from', '$to', '$zone') \\gexec
			INSERT INTO cut SELECT $value, t FROM generate_series(timestamptz '$from', '$to', interval '10 minutes') AS t;
			SELECT count(*) = (SELECT count(*) FROM generate_series(timestamptz '$from', '$to', interval '10 minutes')),
				count(DISTINCT tableoid) > 5 FROM cut});
		is((split /\n/, $answer)[-1], 't|t', "$every in $zone, $kind: every moment finds its partition");
	}
}

# To the ends of the types, and what cannot be.
is( $node->safe_psql(
		'postgres', qq{
		SELECT min(low) FILTER (WHERE low ~ 'M'), max(high) FILTER (WHERE high ~ 'M'), count(*) > 1000
		FROM dbm.partition_boundaries('1000 years', 'date', '-infinity', 'infinity')}),
	'MINVALUE||f',
	'dates from the first on; moments end before dates do');
is( $node->safe_psql(
		'postgres', qq{
		SELECT min(low) FILTER (WHERE low ~ 'M'), max(high) FILTER (WHERE high ~ 'M'), count(*)
		FROM dbm.partition_boundaries('5000 years', 'timestamptz', '-infinity', 'infinity', 'Pacific/Apia')}),
	'MINVALUE|MAXVALUE|61',
	'timestamps from the first to the last');
for my $case (
	[ q{'fortnight', 'date', now(), now()},             'is no width of a partition' ],
	[ q{'1 month 3 days', 'date', now(), now()},        'mixes months, days and hours' ],
	[ q{'hour', 'date', now(), now()},                  'partition key is a date' ],
	[ q{'-1 day', 'date', now(), now()},                'must be above zero' ],
	[ q{'1.5 days', 'date', now(), now()},              'fractions do not cut evenly' ],
	[ q{'1000', 'timestamptz', now(), now()},           'partition key tells the time' ],
	[ q{'day', 'bigint', now(), now()},                 'has no first and last moment' ],
	[ q{'day', 'numeric', now(), now()},                'is no type of a partition key' ],
	[ q{'day', 'date', now(), now(), 'Mars/Olympus'},   'time zone "Mars/Olympus" not recognized' ],
	[ q{'day', 'date', now(), NULL},                    'last must not be null' ],
	[ q{NULL, 'date', now(), now()},                    'every must not be null' ],
	[ q{'second', 'timestamptz', now(), now() + interval '2 years'}, 'more than 100000 partitions' ])
{
	my ($arguments, $words) = @$case;
	my (undef, undef, $error) =
	  $node->psql('postgres', "SELECT count(*) FROM dbm.partition_boundaries($arguments)");
	like($error, qr/\Q$words\E/, "refused: $arguments");
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM dbm.partition_boundaries('day', 'date', now(), '2000-01-01')}),
	'0', 'nothing lies between a last before the first');

$node->stop;
done_testing();
