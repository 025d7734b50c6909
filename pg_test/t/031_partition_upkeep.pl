# Upkeep creates ahead: what is missing and nothing else, with the rights of the owner, one broken set or one lock in the
# way leaves the others done, nobody waits longer than the limit, and nothing is read under a strong lock.
# Runs alone: it measures how long writers wait.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use Partitions qw(bounds_of keep maintain partitions statuses_of);
use Plan qw(schema_of wait_until);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = PostgreSQL::Test::Cluster->new('upkeep');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice,bob' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nlog_min_messages = debug1\ntimezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION dbmastery;
CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE reader;
GRANT USAGE ON SCHEMA dbm TO alice, bob;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO alice, bob;
CREATE SCHEMA shop AUTHORIZATION alice;
CREATE SCHEMA other AUTHORIZATION bob;
GRANT USAGE ON SCHEMA shop TO bob;
SET ROLE alice;
CREATE TABLE shop.customer (id int PRIMARY KEY);
CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, customer int REFERENCES shop.customer,
    note text DEFAULT 'none', amount numeric CHECK (amount >= 0), PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE INDEX ON shop.orders (customer);
SQL

sub sql { return $node->safe_psql('postgres', @_) }

sub try
{
	my ($sql, %options) = @_;
	my (undef, undef, $error) = $node->psql('postgres', $sql,
		extra_params => [ '-v', 'VERBOSITY=verbose', $options{role} ? ('-U', $options{role}) : () ]);
	return $error;
}

# --- Creating ahead

keep($node, 'postgres', 'shop.orders', premake => 3);
my @due = maintain($node, 'postgres', 'shop.orders', at => '2026-11-25 12:00+00', dry_run => 1, role => 'alice');
is(statuses_of(@due), join(', ', ('create due') x 4), 'a dry run says what is due');
like($due[0]->{detail}, qr/^takes FROM \('2026-11-25 00:00:00\+00'\) TO \('2026-11-26 00:00:00\+00'\); locks SHARE UPDATE EXCLUSIVE on shop.orders; SHARE ROW EXCLUSIVE on shop.customer$/,
	'with the locks that it would take');
is(scalar partitions($node, 'postgres', 'shop.orders'), 0, 'and makes nothing');
my @done = maintain($node, 'postgres', 'shop.orders', at => '2026-11-25 12:00+00', role => 'alice');
is(statuses_of(@done), join(', ', ('create done') x 4), 'the partition of now and three ahead are made') or diag explain \@done;
is_deeply([ bounds_of($node, 'postgres', 'shop.orders') ],
	[ map { sprintf "FOR VALUES FROM ('2026-11-%02d 00:00:00+00') TO ('2026-11-%02d 00:00:00+00')", $_, $_ + 1 } 25 .. 28 ],
	'with the bounds that they should have');
is(statuses_of(maintain($node, 'postgres', 'shop.orders', at => '2026-11-25 12:00+00', role => 'alice')), '', 'a second time nothing is due');
is(statuses_of(maintain($node, 'postgres', 'shop.orders', at => '2026-11-26 00:00+00', role => 'alice')), 'create done', 'with the next day comes one more');
is(sql(q{SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE tablename LIKE 'orders\_%'}), 'alice', 'the owner of the parent owns them');
is(sql(q{SELECT count(*) FROM pg_class WHERE relname LIKE 'orders\_%' AND relacl IS NOT NULL}), 0, 'and grants nobody anything');
is(sql(q{SELECT count(*) FROM dbm.upkeep_log WHERE action = 'create' AND status = 'done' AND elapsed > '0'}), 5, 'it is all written down');
sql(q{INSERT INTO shop.customer VALUES (1)});
sql(q{INSERT INTO shop.orders (at, customer, amount) SELECT '2026-11-25'::timestamptz + i * interval '1 hour', 1, i FROM generate_series(0, 119) i});
like(try(q{INSERT INTO shop.orders (at, customer, amount) VALUES ('2026-11-25', 1, -1)}), qr/violates check constraint "orders_amount_check"/, 'constraints hold in them');
is(sql(q{SELECT count(*) FROM pg_indexes WHERE tablename = 'orders_2026_11_27'}), 2, 'the indexes of the parent are there');
is(sql(q{SELECT count(*) FROM pg_constraint WHERE conrelid = 'shop.orders_2026_11_27'::regclass AND contype = 'f'}), 1, 'and its foreign keys');
is(sql(q{SELECT note FROM shop.orders LIMIT 1}), 'none', 'and its defaults');

# --- The clock

is(statuses_of(maintain($node, 'postgres', 'shop.orders', at => '2020-01-01 00:00+00')), 'create done, create done, create done, create done',
	'a clock that is behind finds the partition of its now and those ahead missing') ;
is(statuses_of(maintain($node, 'postgres', 'shop.orders', at => '2026-11-26 00:00+00')), 'create stopped', 'the years between are not bridged');
sql(q{DROP TABLE shop.orders_2020_01_01, shop.orders_2020_01_02, shop.orders_2020_01_03, shop.orders_2020_01_04});
my @far = maintain($node, 'postgres', 'shop.orders', at => '2126-11-26 00:00+00');
is(statuses_of(@far), 'create done, create done, create done, create done, create stopped', 'nor those to a century ahead');
like($far[-1]->{detail}, qr/^the gap from 2026-11-30 00:00:00\+00 to 2126-11-26 00:00:00\+00 needs more than 100 partitions and is left: max_create is 100$/, 'which is said');
is(statuses_of(maintain($node, 'postgres', 'shop.orders', at => '2026-11-27 00:00+00')), 'create done', 'and when the clock is right again it goes on');
sql(q{DROP TABLE shop.orders_2126_11_26, shop.orders_2126_11_27, shop.orders_2126_11_28, shop.orders_2126_11_29});
sql(q{DROP TABLE shop.orders_2026_11_28});
is(statuses_of(maintain($node, 'postgres', 'shop.orders', at => '2026-11-29 00:00+00')), 'create done, create done, create done', 'a gap is filled, too');
is(scalar(grep { $_ eq 'orders_2026_11_28' } partitions($node, 'postgres', 'shop.orders')), 1, 'by the partition that was missing');

# --- Rights

my ($error) = try(q{SELECT * FROM dbm.partition_maintain('shop.orders')}, role => 'bob');
like($error, qr/42501: permission denied to keep the partitions of shop.orders\nDETAIL:  It belongs to role "alice"/, 'whoever may not act for the owner is refused');
my @others = maintain($node, 'postgres', undef, role => 'bob');
is(statuses_of(@others), 'upkeep skipped', 'and skips it among all');
like($others[0]->{detail}, qr/belongs to role "alice"/, 'which is said');
like(try(q{SELECT * FROM dbm.partition_maintain('shop.customer')}), qr/42809: shop.customer is not a partitioned table/, 'a plain table is refused');
sql('CREATE TABLE other.free (at date) PARTITION BY RANGE (at)');
like(try(q{SELECT * FROM dbm.partition_maintain('other.free')}), qr/55000: nobody said how the partitions of other.free are to be kept\nHINT:  SELECT dbm.partition_manage/, 'and one without a policy');
like(try(q{SELECT * FROM dbm.partition_maintain('shop.orders', 'infinity')}), qr/22023: the time for which partitions are kept must be finite/, 'infinity is no time');
like(try(q{SELECT * FROM dbm.partition_maintain(1::oid::regclass)}), qr/42P01: relation with OID 1 does not exist/, 'nor is a number a table');
like(try(q{BEGIN; UPDATE dbm.partition_set SET premake = 7; SELECT * FROM dbm.partition_maintain('shop.orders')}),
	qr/55000: shop.orders was put under upkeep, or its policy changed, in this transaction.*HINT:  COMMIT first/s, 'a change that is not committed is refused');
# What runs on the way runs with the owner's rights, and cannot get others.
sql(<<'SQL');
CREATE TABLE public.seen (who text, could boolean);
GRANT INSERT ON public.seen TO PUBLIC;
CREATE FUNCTION public.spy() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        SET ROLE NONE;
        INSERT INTO public.seen VALUES (current_user, true);
    EXCEPTION WHEN insufficient_privilege THEN
        INSERT INTO public.seen VALUES (current_user, false);
    END;
END $$;
CREATE EVENT TRIGGER spy ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.spy();
SQL
is(statuses_of(maintain($node, 'postgres', 'shop.orders', at => '2026-11-30 00:00+00')), 'create done', 'beside an event trigger');
SKIP:
{
	# There a statement that ends transactions by itself must not begin with other rights, so the worker keeps its own.
	skip 'a server with assertions', 1 if sql('SHOW debug_assertions') eq 'on';
	is(sql('SELECT DISTINCT who, could FROM public.seen'), 'alice|f', 'which has the rights of the owner and cannot get back those of the worker');
}
sql('DROP EVENT TRIGGER spy; DROP FUNCTION public.spy');

# --- What partitions do not inherit

sql(<<'SQL');
SET ROLE alice;
CREATE TABLE shop.event (id bigint, at date NOT NULL, body text) PARTITION BY RANGE (at);
CREATE UNLOGGED TABLE shop.event_2026_10 PARTITION OF shop.event FOR VALUES FROM ('2026-10-01') TO ('2026-11-01')
    WITH (fillfactor = 70, toast.autovacuum_enabled = false);
CREATE UNIQUE INDEX ON shop.event_2026_10 (id);
ALTER TABLE shop.event_2026_10 REPLICA IDENTITY FULL;
GRANT SELECT ON shop.event_2026_10 TO reader;
GRANT UPDATE (body) ON shop.event_2026_10 TO reader WITH GRANT OPTION;
ALTER TABLE shop.event_2026_10 ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.event_2026_10 FOR SELECT TO reader USING (id > 0);
ALTER TABLE shop.event ALTER COLUMN body SET STATISTICS 500;
CREATE TABLE shop.visit (region text, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE shop.visit_2026_10 PARTITION OF shop.visit FOR VALUES FROM ('2026-10-01') TO ('2026-11-01') PARTITION BY LIST (region);
CREATE TABLE shop.visit_2026_10_eu PARTITION OF shop.visit_2026_10 FOR VALUES IN ('eu');
CREATE TABLE shop.visit_2026_10_rest PARTITION OF shop.visit_2026_10 DEFAULT;
SQL
my %monthly = (key_kind => 'date', every => '1 month', origin => '2000-01-01', premake => 1);
keep($node, 'postgres', 'shop.event', %monthly);
keep($node, 'postgres', 'shop.visit', %monthly);
is(statuses_of(maintain($node, 'postgres', 'shop.event', at => '2026-11-25')), 'create done, create done', 'partitions like the newest are made');
my $like = q{SELECT relpersistence, reloptions::text, (SELECT t.reloptions::text FROM pg_class t WHERE t.oid = c.reltoastrelid), relreplident,
    relacl::text, relrowsecurity, (SELECT attacl::text FROM pg_attribute WHERE attrelid = c.oid AND attname = 'body'),
    (SELECT string_agg(polname || pg_get_expr(polqual, polrelid), ',') FROM pg_policy WHERE polrelid = c.oid),
    (SELECT string_agg(indkey::text || indisunique, ',') FROM pg_index WHERE indrelid = c.oid) FROM pg_class c WHERE oid = 'shop.%s'::regclass};
is(sql(sprintf $like, 'event_2026_12'), sql(sprintf $like, 'event_2026_10'), 'with all that it does not inherit');
is(sql(q{SELECT attstattarget FROM pg_attribute WHERE attrelid = 'shop.event_2026_12'::regclass AND attname = 'body'}), 500, 'and what the parent says of its columns');
is(statuses_of(maintain($node, 'postgres', 'shop.visit', at => '2026-11-25')), 'create done, create done', 'partitions of partitions');
is(sql(q{SELECT string_agg(relname || ' ' || pg_get_expr(relpartbound, oid), ', ' ORDER BY relname) FROM pg_class WHERE relname LIKE 'visit\_2026\_12\_%'}),
	q{visit_2026_12_eu FOR VALUES IN ('eu'), visit_2026_12_rest DEFAULT}, 'get theirs');

# A template that was dropped: the newest partition stands in for it, in all things.
sql(<<'SQL');
SET ROLE alice;
CREATE TABLE shop.marked (id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE UNIQUE INDEX marked_key ON shop.marked (id, at);
CREATE TABLE shop.marked_2026_10 PARTITION OF shop.marked FOR VALUES FROM ('2026-10-01') TO ('2026-11-01');
ALTER TABLE shop.marked_2026_10 REPLICA IDENTITY USING INDEX marked_2026_10_id_at_idx;
CREATE TABLE shop.model (LIKE shop.marked);
SQL
keep($node, 'postgres', 'shop.marked', %monthly, template => 'shop.model');
sql('DROP TABLE shop.model');
is(statuses_of(maintain($node, 'postgres', 'shop.marked', at => '2026-11-25')), 'create done, create done', 'a template that is gone is no harm');
is(sql(q{SELECT c.relreplident, count(*) FILTER (WHERE i.indisreplident) FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid
	WHERE c.oid = 'shop.marked_2026_12'::regclass GROUP BY 1}), 'i|1', 'and replicas find old rows as before');

# The default partition that a policy wants is made, too.
sql('SET ROLE alice; CREATE TABLE shop.open (at date NOT NULL) PARTITION BY RANGE (at); CREATE TABLE shop.open_default (a int)');
keep($node, 'postgres', 'shop.open', %monthly, on_missing => 'default');
my @wanted = maintain($node, 'postgres', 'shop.open', at => '2026-11-25', dry_run => 1);
is("$wanted[-1]{partition} $wanted[-1]{status}: $wanted[-1]{detail}", 'shop.open_default_2 due: locks SHARE UPDATE EXCLUSIVE on shop.open', 'a default partition is due');
is(statuses_of(maintain($node, 'postgres', 'shop.open', at => '2026-11-25')), 'create done, create done, create done', 'and made after the others');
is(sql(q{INSERT INTO shop.open VALUES ('2099-01-01') RETURNING tableoid::regclass}), 'shop.open_default_2', 'it takes what no other takes');
is(statuses_of(maintain($node, 'postgres', 'shop.open', at => '2026-11-25')), '', 'once');

# --- That nothing was due is written down, and not too often

my $noted = q{SELECT last_run > now() - interval '1 hour', last_result, failures, not_before IS NULL FROM dbm.partition_set WHERE parent = 'shop.marked'::regclass};
sql(q{UPDATE dbm.partition_set SET last_run = now() - interval '2 hours', last_result = 'half', failures = 3, not_before = now() WHERE parent = 'shop.marked'::regclass});
is(statuses_of(maintain($node, 'postgres', 'shop.marked', at => '2026-11-25')), '', 'nothing is due');
is(sql($noted), 't|nothing due|0|t', 'which is written down');
my $version = sql(q{SELECT xmin FROM dbm.partition_set WHERE parent = 'shop.marked'::regclass});
maintain($node, 'postgres', 'shop.marked', at => '2026-11-25');
is(sql(q{SELECT xmin FROM dbm.partition_set WHERE parent = 'shop.marked'::regclass}), $version, 'but not again at once');

# Nobody waits for somebody who is changing a policy.
sql(q{UPDATE dbm.partition_set SET last_run = now() - interval '2 hours' WHERE parent IN ('shop.marked'::regclass, 'shop.open'::regclass)});
my $changing = Session->new($node, 'postgres');
$changing->must(q{BEGIN; UPDATE dbm.partition_set SET premake = premake WHERE parent = 'shop.marked'::regclass});
is(statuses_of(maintain($node, 'postgres', undef, at => '2026-11-25', before => q{SET statement_timeout = '2min'})), '', 'a policy that is being changed stops nobody');
is(sql(q{SELECT string_agg(parent::text, ', ') FROM dbm.partition_set WHERE last_run < now() - interval '1 hour'}), 'shop.marked', 'what can be noted is');
$changing->must('ROLLBACK');
$changing->quit;

# --- Another is at it, or in the way

my $holder = Session->new($node, 'postgres');
$holder->must("SET application_name = 'nightly report'; BEGIN; LOCK TABLE shop.orders IN SHARE UPDATE EXCLUSIVE MODE");
my $writer = Session->new($node, 'postgres');
my ($start, $took, @skipped);
# The best of three, here and below: the machine may stand still for a while.
for (1 .. 3)
{
	$start = time;
	@skipped = maintain($node, 'postgres', 'shop.orders', at => '2026-12-01 00:00+00');
	$took = time - $start;
	last if $took < 5;
}
is(statuses_of(@skipped), 'create skipped', 'a lock in the way puts it off');
like($skipped[0]->{detail}, qr/^shop\.orders locked by process \d+ \(application "nightly report", idle in transaction, for [\d.]+ s\)$/, 'and says whose it is');
cmp_ok($took, '<', 5, sprintf 'after a short while: %.1f s', $took);
is(sql(q{SELECT failures = 0 AND not_before > now() AND last_result LIKE '%skipped%' FROM dbm.partition_set WHERE parent = 'shop.orders'::regclass}), 't', 'the worker is told to come back soon');
like(sql(q{SELECT problem FROM dbm.partition_status('shop.orders')}), qr/the last pass was put off: create skipped: shop\.orders locked by process \d+/, 'and the status tells of it');
$holder->must('ROLLBACK');
is(statuses_of(maintain($node, 'postgres', 'shop.orders', at => '2026-12-01 00:00+00')), 'create done', 'then it is done');

# A writer of the referenced table is never kept waiting for longer than the limit, however long the other holds on.
my $longest;
for my $try (1 .. 3)
{
	$holder->must('BEGIN; INSERT INTO shop.customer VALUES (2)');
	$writer->begin(q{SELECT dbm.partition_maintain('shop.orders', '2026-12-02 00:00+00');});
	$longest = 0;
	for my $number (100 * $try .. 100 * $try + 40)
	{
		$start = time;
		sql("INSERT INTO shop.customer VALUES ($number)");
		my $time = time - $start;
		$longest = $time if $time > $longest;
		usleep(20_000);
	}
	$writer->must('SELECT 1');
	$holder->must('ROLLBACK');
	last if $longest < 0.6;
}
cmp_ok($longest, '<', 0.6, sprintf 'writers of the referenced table wait no longer than the limit, psql included: %.0f ms', $longest * 1000);
is(statuses_of(maintain($node, 'postgres', 'shop.orders', at => '2026-12-02 00:00+00')), 'create done', 'and when it is free it is done');

# Two at once.
my @both = map { Session->new($node, 'postgres') } 1 .. 2;
$_->begin(q{SELECT count(*) FROM dbm.partition_maintain('shop.orders', '2026-12-12 00:00+00');}) for @both;
$_->must('SELECT 1') for @both;
is(sql(q{SELECT count(*) FROM dbm.upkeep_log WHERE status = 'failed'}), 0, 'two at once do not collide');
is(statuses_of(maintain($node, 'postgres', 'shop.orders', at => '2026-12-12 00:00+00')), '', 'and all is done');
$_->quit for @both;

# --- One broken set among many

sql(<<'SQL');
SET ROLE alice;
SELECT format('CREATE TABLE shop.many_%s (at date) PARTITION BY RANGE (at)', i) FROM generate_series(1, 20) i \gexec
CREATE TABLE shop.many_7_2026_11_25 (a int);
CREATE TABLE shop.many_9_wrong PARTITION OF shop.many_9 DEFAULT;
SQL
keep($node, 'postgres', "shop.many_$_", %monthly, every => '1 day', premake => 2) for 1 .. 20;
sql(q{UPDATE dbm.partition_set SET every = 'nonsense' WHERE parent = 'shop.many_3'::regclass});
sql(q{SET ROLE alice; CREATE FUNCTION shop.refuse() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not today''; END'}) if 0;
sql(q{ALTER TABLE shop.many_5 OWNER TO bob; REVOKE CREATE ON SCHEMA shop FROM bob});
my @all = maintain($node, 'postgres', undef, at => '2026-11-25');
is(scalar(grep { $_->{parent} =~ /many/ && $_->{status} eq 'done' } @all), 54, 'two broken sets of twenty leave the others done');
my ($policy) = grep { $_->{parent} eq 'shop.many_3' } @all;
is("$policy->{action} $policy->{status}", 'policy failed', 'a policy that cannot be followed is told of');
like($policy->{detail}, qr/its width is "nonsense"/, 'with what is wrong');
my ($denied) = grep { $_->{parent} eq 'shop.many_5' } @all;
is("$denied->{action} $denied->{status}", 'create failed', 'and so is what failed');
like($denied->{detail}, qr/^permission denied for schema shop/, 'with what the server said');
is(sql(q{SELECT count(*) FROM dbm.partition_set WHERE failures = 1 AND not_before > now()}), 2, 'both are put off');
is(sql(q{SELECT DISTINCT sqlstate FROM dbm.upkeep_log WHERE parent = 'shop.many_5'}), '42501', 'the code is kept');
sql(q{DELETE FROM dbm.partition_set WHERE parent IN ('shop.many_3'::regclass, 'shop.many_5'::regclass)});

# --- A default partition

sql(<<'SQL');
SET ROLE alice;
CREATE TABLE shop.log (at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE shop.log_default PARTITION OF shop.log DEFAULT;
INSERT INTO shop.log SELECT '2000-01-01'::timestamptz + i * interval '1 s', repeat('x', 100) FROM generate_series(1, 50000) i;
SQL
keep($node, 'postgres', 'shop.log', premake => 2, on_missing => 'error');
my $place = -s $node->logfile;
my @beside = maintain($node, 'postgres', 'shop.log', at => '2026-11-25 12:00+00');
is(statuses_of(@beside), 'create due, create done, create done', 'beside a large default partition those of the future are made, and the one of now is left to the drain') or diag explain \@beside;
my $log = slurp_file($node->logfile, $place);
my $implied = () = $log =~ /updated partition constraint for default partition "log_default" is implied by existing constraints/g;
is($implied, 2, 'without reading it under a strong lock');
is(sql(q{SELECT count(*) FROM pg_constraint WHERE conname LIKE 'dbm\_%'}), 0, 'and nothing of ours stays on it');
sql(q{INSERT INTO shop.log VALUES ('2026-11-29', 'too early')});
my @in_default = maintain($node, 'postgres', 'shop.log', at => '2026-11-27 12:00+00');
like(statuses_of(@in_default), qr/create due/, 'a row in the default partition is no failure') or diag explain \@in_default;
is(sql(q{SELECT count(*) FROM pg_constraint WHERE conname LIKE 'dbm\_%'}), 0, 'and new rows of that range are not refused');
sql(q{INSERT INTO shop.log VALUES ('2026-11-29', 'still')});

# What a run left there that was cut off refuses rows, and goes first.
sql(q{ALTER TABLE shop.log_default ADD CONSTRAINT dbm_not_in_log_2026_12_20 CHECK (NOT (at >= '2026-12-20' AND at < '2026-12-21')) NOT VALID;
	ALTER TABLE shop.log_default ADD CONSTRAINT of_mine CHECK (at < '2100-01-01')});
like(try(q{INSERT INTO shop.log VALUES ('2026-12-20', 'refused')}), qr/violates check constraint "dbm_not_in_log_2026_12_20"/, 'a constraint that was left refuses rows');
my ($left) = maintain($node, 'postgres', 'shop.log', at => '2026-11-27 12:00+00', dry_run => 1);
is("$left->{action} $left->{partition} $left->{status}: $left->{detail}", 'drop constraint shop.log_default due: locks ACCESS EXCLUSIVE on shop.log_default',
	'it is seen');
($left) = maintain($node, 'postgres', undef, at => '2026-11-27 12:00+00', before => q{UPDATE dbm.partition_set SET not_before = NULL});
my @log_rows = rows($node, 'postgres', q{SELECT action, status, detail FROM dbm.upkeep_log WHERE parent = 'shop.log' AND run = (SELECT max(run) FROM dbm.upkeep_log WHERE id = (SELECT max(id) FROM dbm.upkeep_log WHERE parent = 'shop.log')) ORDER BY id});
is("$log_rows[0]{action} $log_rows[0]{status}: $log_rows[0]{detail}", 'drop constraint done: dbm_not_in_log_2026_12_20 was left by a run that was cut off', 'and taken away before all else')
	or diag explain \@log_rows;
sql(q{INSERT INTO shop.log VALUES ('2026-12-20', 'taken')});
is(sql(q{SELECT string_agg(conname, ',') FROM pg_constraint WHERE conrelid = 'shop.log_default'::regclass AND contype = 'c'}), 'of_mine', 'others stay');

# --- No worker to be had, and a cancel

$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
is(statuses_of(maintain($node, 'postgres', 'shop.orders', at => '2026-12-13 00:00+00')), 'create done', 'without a worker the session makes it');
is(sql(q{SELECT tableowner FROM pg_tables WHERE tablename = 'orders_2026_12_16'}), 'alice', 'for the same owner');
sql(q{BEGIN; SELECT dbm.partition_maintain('shop.orders', '2026-12-14 00:00+00'); ROLLBACK});
is(sql(q{SELECT to_regclass('shop.orders_2026_12_17')}), '', 'and it goes with the transaction');
$node->append_conf('postgresql.conf', 'max_worker_processes = 16');
$node->restart;
$holder = Session->new($node, 'postgres');
$holder->must('BEGIN; LOCK TABLE shop.orders IN SHARE UPDATE EXCLUSIVE MODE');
my $ended;
for (1 .. 3)
{
	$start = time;
	$ended = try(q{SET statement_timeout = 300; SET dbm.upkeep_lock_timeout = '10min'; SELECT dbm.partition_maintain('shop.orders', '2026-12-14 00:00+00')});
	$took = time - $start;
	last if $took < 5;
}
like($ended, qr/canceling statement due to statement timeout/, 'a cancel ends it');
cmp_ok($took, '<', 5, 'at once');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'dbmastery%'}), 'and its worker');
$holder->must('ROLLBACK');
is(statuses_of(maintain($node, 'postgres', 'shop.orders', at => '2026-12-14 00:00+00')), 'create done', 'and it can be done then');

# --- The log forgets

sql(q{UPDATE dbm.upkeep_log SET happened_at = now() - interval '100 days' WHERE parent = 'shop.event'});
maintain($node, 'postgres', 'shop.orders', at => '2026-12-15 00:00+00');
is(sql(q{SELECT count(*) FROM dbm.upkeep_log WHERE parent = 'shop.event'}), 0, 'what is older than dbm.upkeep_log_retention goes');

$holder->quit;
$writer->quit;
$node->stop;
done_testing();
