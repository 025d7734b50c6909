# Tables under the trail that are divided among tenants, get row versions, or keep what is deleted, by plans that are killed (-9) in
# their steps, there and back, while others write: the log is what the tables are, what a plan writes is logged as what it is, and
# before the plan each table is told as it was.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use Changes qw(call carry);
use Plan qw(plan_row schema_of steps);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Replay qw(differs look make_replay strays then_differs writer);
use Server qw(killed_in start_loop stop_loop wait_for_server);
use Tenants ();
use Test::More;

my $seed = $ENV{DBM_SEED} // time;
srand $seed;
diag("seed $seed");

my $node = PostgreSQL::Test::Cluster->new('trail_plans');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice', '--create-role', 'app', '--create-role', 'report' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off\nrestart_after_crash = on");
$node->start;
Tenants::make_shop($node, 400);
$node->safe_psql('shop', <<'SQL');
SET ROLE alice;
CREATE TABLE shop.items (id bigint PRIMARY KEY, at date, n int, note text, code text, CONSTRAINT items_code_key UNIQUE (code));
INSERT INTO shop.items SELECT i, '2025-03-01'::date + i % 10, 0, 'old', 'c' || i FROM generate_series(1001, 1100) i;
RESET ROLE;
SQL
make_replay($node, 'shop');
my $database = 'shop';

sub sql { return $node->safe_psql($database, @_) }

my @places = ('recorded', 'uncommitted', 'committed', 'before');
my @back = ('undo_recorded', 'undo_statement', 'undo_committed');
my ($turn, $kills) = (0, 0);

# Applies or takes back, killed in each step of which the number is divided by `every` without rest, and goes on to the end; then
# what `between` says after each kill.
sub killed
{
	my ($number, $direction, $every, $between) = @_;
	my @steps = grep { $_->{runs} ne 'by_hand' } steps($node, $database, $number);
	@steps = reverse grep { $_->{undo} } @steps if $direction eq 'undo';
	for my $step (grep { ++$turn % $every == 0 } map { $_->{step} } @steps)
	{
		my $place = $direction eq 'undo' ? $back[ $kills % @back ] : $places[ $kills % @places ];
		for (1 .. 5)
		{
			my ($said) = call($node, $database, "CALL dbm.$direction($number)", fault => "$step:$place");
			if ($said =~ /waits: step (\d+) /) { call($node, $database, "SELECT dbm.confirm_step($number, $1)"); next }
			if ($said =~ /server closed the connection|terminating connection/) { $kills++; wait_for_server($node); $between->("$direction killed in step $step, $place") }
			last;
		}
	}
	my $end = $direction eq 'undo' ? 'undone' : 'done';
	is(carry($node, $database, $number, $direction), '', "killed in its steps, the next call goes on: $direction") if plan_row($node, $database, $number)->{status} ne $end;
	is(plan_row($node, $database, $number)->{status}, $end, "$direction to the end");
	return;
}

# --- Tenants

my @shop = qw(shop.orders shop.lines shop.notes);
my %key = ('shop.lines' => q{concat_ws('/', key->>'order_id', key->>'line')});

# Who writes without knowing tenants, as whoever is not held by policies; what is written is journalled.
my $writes = <<'SQL';
DO $$ DECLARE made bigint; picked bigint; BEGIN
FOR i IN 1 .. 10 LOOP
	picked := 1 + (random() * 390)::int;
	IF i % 3 = 0 THEN
		WITH n AS (INSERT INTO shop.orders (account, amount) VALUES (picked, i) RETURNING id) INSERT INTO replay.journal (name, op, id) SELECT 'shop.orders', 'I', id FROM n RETURNING id INTO made;
		INSERT INTO shop.lines (order_id, line, sku) VALUES (made, 1, 'new');
		INSERT INTO replay.journal (name, op, id) VALUES ('shop.lines', 'I', made || '/1');
	ELSIF i % 3 = 1 THEN
		WITH u AS (UPDATE shop.orders SET touched = touched + 1 WHERE id = picked RETURNING id) INSERT INTO replay.journal (name, op, id) SELECT 'shop.orders', 'U', id FROM u;
	ELSE
		WITH d AS (DELETE FROM shop.notes WHERE id = picked AND id % 7 = 1 RETURNING id) INSERT INTO replay.journal (name, op, id) SELECT 'shop.notes', 'D', id FROM d;
		WITH u AS (UPDATE shop.lines SET touched = touched + 1 WHERE order_id = picked RETURNING order_id, line) INSERT INTO replay.journal (name, op, id) SELECT 'shop.lines', 'U', order_id || '/' || line FROM u;
	END IF;
	COMMIT;
END LOOP; END $$
SQL

# What those who write did is there; all else changed nothing but the tenant.
sub tenants_agree
{
	my ($when) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	for my $table (@shop)
	{
		my $key = $key{$table} // "key->>'id'";
		is(differs($node, $database, $table, key => $key), '', "$when: $table is what its log says");
		# A row that points to one whose key changes, or that is gone, is changed with it.
		my $others = q{operation = 'UPDATE' AND (SELECT bool_and(k IN ('tenant_id', 'parent')) FROM jsonb_object_keys(new) k)};
		is(strays($node, $database, $table, key => $key, others => $others), '', "$when: the log has what was done to $table, and beside it tenants alone");
	}
	is(sql(q{SELECT string_agg(problem, ' ') FROM dbm.audit_triggers()}), '', "$when: all is watched");
	return;
}

# Rows that were there before they were watched are not in the log: so that it can be played, all are written under it.
sub write_anew
{
	sql(<<'SQL');
CREATE TEMP TABLE o AS SELECT * FROM shop.orders; CREATE TEMP TABLE l AS SELECT * FROM shop.lines; CREATE TEMP TABLE n AS SELECT * FROM shop.notes;
DELETE FROM shop.notes; DELETE FROM shop.lines; DELETE FROM shop.orders;
SELECT dbm.install_audit_trigger(t) FROM unnest('{shop.orders,shop.lines,shop.notes}'::regclass[]) t;
BEGIN;
INSERT INTO shop.orders SELECT * FROM o;
INSERT INTO shop.lines SELECT * FROM l;
INSERT INTO shop.notes OVERRIDING SYSTEM VALUE SELECT * FROM n ORDER BY id;
INSERT INTO replay.journal (name, op, id) SELECT 'shop.orders', 'I', id::text FROM o UNION ALL SELECT 'shop.lines', 'I', order_id || '/' || line FROM l UNION ALL SELECT 'shop.notes', 'I', id::text FROM n;
COMMIT;
SQL
	return;
}

$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE shop") for 'before', 'meanwhile', 'patterns';
for ('before', 'meanwhile')
{
	$database = $_;
	my $before = schema_of($node, $database, '--exclude-schema=dbm_trail', '--exclude-schema=replay');
	write_anew() if $database eq 'before';
	my $number = Tenants::plan_tenancy($node, $database);
	if ($database eq 'meanwhile')
	{
		# Put under the trail when half of the plan is done.
		my ($said) = call($node, $database, "CALL dbm.apply($number)");
		like($said, qr/waits: step \d+/, 'tenants: applied until people are asked');
		sql("SELECT dbm.install_audit_trigger('$_')") for @shop;
	}
	look($node, $database, 'at first', @shop);
	my @writers = map { start_loop($node, $database, $writes) } 1, 2;
	my $check = $database eq 'before' ? \&tenants_agree : sub { is(sql(q{SELECT string_agg(problem, ' ') FROM dbm.audit_triggers()}), '', "$_[0]: all is watched") };
	killed($number, 'apply', $database eq 'before' ? 4 : 6, $check);
	$check->('tenants: divided');
	look($node, $database, 'divided', @shop);
	is(then_differs($node, $database, 'at first', $_), '', "tenants: before it was divided $_ is told as it was") for @shop;
	if ($database eq 'before')
	{
		is(sql(q{SELECT count(*) FROM shop.orders o WHERE NOT EXISTS (SELECT FROM dbm.changes('shop.orders') c WHERE c.key->>'id' = o.id::text AND c.new->>'tenant_id' = o.tenant_id::text)}), 0, 'tenants: the log has where each row got its tenant');
		is(sql(q{SELECT count(*) FROM (SELECT transaction_id, count(*) FROM dbm.changes('shop.orders') WHERE operation = 'UPDATE' AND new ?& '{tenant_id}' AND transaction_id NOT IN (SELECT transaction_id FROM replay.journal) GROUP BY 1) x}) > 0, 1, 'tenants: those that the plan filled as well');
	}
	killed($number, 'undo', $database eq 'before' ? 5 : 8, $check);
	stop_loop($_) for @writers;
	$check->('tenants: taken back');
	is(then_differs($node, $database, 'at first', $_), '', "tenants: taken back, at first $_ is told as it was") for @shop;
	is(then_differs($node, $database, 'divided', $_, but => ['tenant_id']), '', "tenants: and as it was while it was divided") for @shop;
	is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'tenants: nothing in the log is taken for forged');
}

# --- Row versions, and rows that are deleted softly

$database = 'patterns';
sql(<<'SQL');
SELECT dbm.install_audit_trigger('shop.items');
CREATE TABLE shop.versioned (LIKE shop.items INCLUDING ALL);
CREATE TABLE shop.untouched (LIKE shop.items INCLUDING ALL);
INSERT INTO shop.untouched SELECT * FROM shop.items;
ALTER TABLE shop.versioned OWNER TO alice;
ALTER TABLE shop.untouched OWNER TO alice;
SELECT dbm.install_audit_trigger('shop.versioned'), dbm.install_audit_trigger('shop.untouched');
-- With its first change a table is seen as it is.
UPDATE shop.untouched SET n = 1 WHERE id = 1001;
DELETE FROM shop.items;
SQL
my %plans = (
	'shop.versioned' => q{SELECT dbm.row_versioning_plan('shop.versioned')},
	'shop.items' => q{SELECT dbm.soft_delete_plan('shop.items', accept => '{unique}')},
);
my %base = ('shop.versioned' => '{"row_version": 1}', 'shop.items' => '{}');
sql("DELETE FROM replay.journal");
for my $table (sort keys %plans)
{
	# One that nobody writes to meanwhile.
	my $beside = $table eq 'shop.versioned' ? 'shop.untouched' : undef;
	sql("DELETE FROM $table; DELETE FROM replay.journal WHERE name = '$table'");
	my $from = sql(q{SELECT pg_current_xact_id()});
	sql("CALL replay.fill('$table', 1, 400, '2025-03-01')");
	look($node, $database, 'at first', $table, $beside // ());
	my ($error, $number) = call($node, $database, $plans{$table});
	is($error, '', "$table: planned");
	chomp $number;
	my $of_beside = $beside && (call($node, $database, $plans{$table} =~ s/versioned'/untouched'/r))[1];
	my @writers = map { writer($node, $database, $table, 400, '2025-03-01') } 1, 2;
	my $check = sub {
		my ($when) = @_;
		# When it was is the server's, for rows that nobody changed since.
		my $has_time = sql("SELECT count(*) FROM pg_attribute WHERE attrelid = '$table'::regclass AND attname = 'updated_at' AND NOT attisdropped");
		my $time = $has_time ? sql("SELECT to_jsonb(attmissingval::text::timestamptz[])->>0 FROM pg_attribute WHERE attrelid = '$table'::regclass AND attname = 'updated_at'") : '';
		my $has_version = sql("SELECT count(*) FROM pg_attribute WHERE attrelid = '$table'::regclass AND attname = 'row_version' AND NOT attisdropped");
		my $base = join ', ', ($has_version ? '"row_version": 1' : ()), ($time ? qq{"updated_at": "$time"} : ());
		is(differs($node, $database, $table, base => "{$base}"), '', "$when: $table is what its log says");
		is(strays($node, $database, $table, when => "j.transaction_id > $from", others => "transaction_id <= $from"), '', "$when: and the log has what was done to it, and nothing else");
		is(sql(q{SELECT string_agg(problem, ' ') FROM dbm.audit_triggers()}), '', "$when: all is watched");
	};
	killed($number, 'apply', 2, $check);
	is(carry($node, $database, $of_beside, 'apply'), '', "$beside: applied") if $beside;
	$check->("$table: applied");
	look($node, $database, 'applied', $table);
	is(then_differs($node, $database, 'at first', $_), '', "$_: before the plan it is told as it was") for $table, $beside // ();
	if ($table eq 'shop.items')
	{
		# Whoever deletes through the view is refused a row that another has just changed.
		sql(q{BEGIN; LOCK TABLE shop.items IN SHARE ROW EXCLUSIVE MODE; WITH d AS (DELETE FROM shop.live_items WHERE id <= 20 RETURNING id) INSERT INTO replay.journal (name, op, id) SELECT 'shop.items', 'U', id FROM d; COMMIT});
		$check->("$table: deleted softly");
		sql(q{WITH d AS (UPDATE shop.items SET deleted_at = NULL WHERE deleted_at IS NOT NULL RETURNING id) INSERT INTO replay.journal (name, op, id) SELECT 'shop.items', 'U', id FROM d});
	}
	killed($number, 'undo', 2, $check);
	is(carry($node, $database, $of_beside, 'undo'), '', "$beside: taken back") if $beside;
	stop_loop($_) for @writers;
	$check->("$table: taken back");
	is(then_differs($node, $database, 'at first', $_), '', "$_: and afterwards") for $table, $beside // ();
	is(then_differs($node, $database, 'applied', $table, but => [ 'row_version', 'updated_at', 'deleted_at' ]), '', "$table: and as it was with the plan");
}
is(sql('SELECT count(*) FROM dbm.verify_audit_log()'), 0, 'nothing in the log is taken for forged');
cmp_ok($kills, '>', 15, "killed $kills times");
diag("killed $kills times");

$node->stop;
done_testing();
