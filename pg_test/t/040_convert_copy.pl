# A table's history is split into partitions by a copy while others write to it: every write comes through once and soon, what
# belonged to the table belongs to it afterwards, and until the old table is dropped the way back loses nothing.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use Bystander qw(start_bystander waited_at_most);
use Changes qw(call carry);
use Conversion qw(accounts is_all_but_keys make_orders plan_conversion writers);
use IPC::Run;
use Plan qw(schema_of);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(wait_for_server);
use Session;
use Test::More;
use Time::HiRes qw(usleep);
use Writers;

my $rows = 8000;
my $node = PostgreSQL::Test::Cluster->new('convert_copy');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice' ]);
$node->append_conf('postgresql.conf',
	"autovacuum = off\nmax_worker_processes = 16\nfsync = off\nwal_level = logical\nrestart_after_crash = on\nmax_wal_size = 4GB\nshared_buffers = 256MB");
$node->start;
make_orders($node, rows => $rows, every => '25 minutes');
my $before = schema_of($node, 'shop');
$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE shop") for 'quiet', 'killed', 'other';

sub sql
{
	my ($database, $text, @more) = @_;
	return $node->safe_psql($database, $text, @more);
}

sub plan_copy
{
	my ($database, %options) = @_;
	return plan_conversion($node, $database, method => 'copy', %options);
}

# Applies it until it waits for people: the old table is still there.
sub apply_until_asked
{
	my ($database, $number) = @_;
	my ($error) = call($node, $database, "CALL dbm.apply($number)");
	return $error =~ /NOTICE: .* waits: step \d+ / ? '' : $error || 'it does not wait';
}

# What a database has of ours beside the extension.
sub leftovers
{
	my ($database) = @_;
	return sql($database, <<'SQL');
SELECT coalesce(string_agg(name, ' ' ORDER BY name), '') FROM (
    SELECT relname::text AS name FROM pg_class WHERE relname LIKE 'partition\_journal\_%' OR relnamespace = 'shop'::regnamespace AND relname LIKE '%dbm%'
    UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE 'dbm\_journal%'
    UNION ALL SELECT conname FROM pg_constraint WHERE conname LIKE '%dbm\_%' AND connamespace = 'shop'::regnamespace) AS x
SQL
}

my $sum = 'SELECT count(*) || $$ $$ || sum(hashtextextended(to_jsonb(x)::text, 0)::numeric) FROM shop.orders AS x';

# --- Nobody writes: there, back with what was written since, and there for good

# An order, and its customer, who will be gone: nobody is to find the old row of the one when the other goes.
sql('quiet', q{INSERT INTO shop.customers VALUES (500, 'goes'); INSERT INTO shop.orders (id, customer, note) VALUES (0, 500, 'goes')});
my $orders = sql('quiet', $sum);
my $number = plan_copy('quiet');
is(schema_of($node, 'quiet'), $before, 'a plan changes nothing');
my $requires = sql('quiet', "SELECT array_to_string(requires, E'\\n') FROM dbm.plan WHERE plan = $number");
like($requires, qr/^the copy takes about \S+ \S+ in the tablespace of shop\.orders, where \S+ \S+ are free; WAL comes on top$/m, 'it says what room it takes');
like($requires, qr/^the switch locks shop\.customers, shop\.products, shop\.stores, to which shop\.orders points/m, 'and what it locks');
is(apply_until_asked('quiet', $number), '', 'applied until the old table could go');
is(sql('quiet', $sum), $orders, 'all rows are there');
is(sql('quiet', q{SELECT relkind FROM pg_class WHERE oid = 'shop.orders'::regclass}), 'p', 'in partitions');
my $partitions = sql('quiet', q{SELECT count(*) FILTER (WHERE relname <> 'orders_old') FROM pg_class WHERE relname ~ '^orders_' AND relkind = 'r'});
cmp_ok($partitions, '>', 6, "$partitions of them");
is(sql('quiet', 'SELECT count(*) FROM (SELECT tableoid FROM shop.orders GROUP BY 1) AS x') > 3, 1, 'and the history is split');
is(sql('quiet', q{SELECT count(*) FROM pg_constraint c JOIN pg_inherits i ON i.inhrelid = c.conrelid AND i.inhparent = 'shop.orders'::regclass WHERE c.contype = 'f' AND (c.conparentid = 0 OR NOT c.convalidated)}),
	0, 'every foreign key of a partition is one of the table, and proved');
is(sql('quiet', q{SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indrelid AND h.inhparent = 'shop.orders'::regclass
	WHERE NOT EXISTS (SELECT FROM pg_inherits p WHERE p.inhrelid = i.indexrelid)}), 0, 'every index of a partition is one of the table');
is(sql('quiet', q{SELECT count(*) FROM pg_constraint WHERE conrelid = 'shop.orders_old'::regclass AND contype = 'f' OR confrelid = 'shop.orders_old'::regclass}),
	0, 'no foreign key looks at the old table');
is(sql('quiet', "SET ROLE reader; SELECT count(*) FROM shop.orders"), sql('shop', "SET ROLE reader; SELECT count(*) FROM shop.orders"), 'policies hide what they hid');
is(sql('quiet', 'SELECT shop.how_many()'), $rows + 1, 'a function reads the partitioned table');
is(sql('quiet', q{SELECT count(*) FROM shop.totals}), '101', 'and so does a view');
# What is written now comes back.
sql('quiet', <<"SQL");
INSERT INTO shop.orders (customer, created_at, note) SELECT 1, now() + i * interval '1 day', 'late' FROM generate_series(0, 40) AS i;
UPDATE shop.orders SET note = 'changed' WHERE id % 100 = 3;
UPDATE shop.orders SET created_at = created_at - interval '40 days' WHERE id % 100 = 4;
UPDATE shop.orders SET id = id + 1000000, created_at = created_at - interval '1 hour' WHERE id % 100 = 5 AND id > $rows / 10;
DELETE FROM shop.orders WHERE id % 100 = 6 AND id > $rows / 10;
DELETE FROM shop.orders WHERE id = 0;
DELETE FROM shop.customers WHERE id = 500;
SQL
is(sql('quiet', q{SELECT max(id) FROM shop.orders WHERE note = 'late' AND id < 1000000}), $rows + 41, 'the identity went on');
$orders = sql('quiet', $sum);
is(sql('quiet', q{SELECT count(*) > 0 FROM shop.lines l JOIN shop.orders o ON o.id = l.order_id AND o.created_at = l.orders_created_at WHERE o.id > 1000000}), 't', 'lines follow a changed key');
is(carry($node, 'quiet', $number, 'undo'), '', 'taken back');
is(sql('quiet', $sum), $orders, 'with all that was written since');
is(schema_of($node, 'quiet'), $before, 'the schema is what it was');
is(leftovers('quiet'), '', 'and nothing is left over');
is(sql('quiet', q{SELECT nextval('shop.orders_id_seq')}), $rows + 42, 'the identity went on');
$number = plan_copy('quiet');
is(carry($node, 'quiet', $number, 'apply'), '', 'applied to its end, people having said that the old table may go');
is(sql('quiet', $sum), $orders, 'all rows are there');
is(sql('quiet', q{SELECT to_regclass('shop.orders_old') IS NULL}), 't', 'the old table is gone');
is(leftovers('quiet'), '', 'and nothing is left over');
is_all_but_keys($before, schema_of($node, 'quiet'));
like(sql('quiet', q{SELECT string_agg(DISTINCT array_to_string(reloptions, ','), ';') FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid WHERE i.inhparent = 'shop.orders'::regclass}),
	qr/^fillfactor=80,autovacuum_enabled=off$/, 'partitions are stored as the table was');
is(sql('quiet', q{SELECT every || ' ' || premake FROM dbm.partition_set WHERE parent = 'shop.orders'::regclass}), '1 month 4', 'upkeep keeps it');
my ($status, undef, $error) = $node->psql('quiet', "CALL dbm.undo($number)", extra_params => [ '-U', 'alice' ]);
like($error, qr/nothing takes back step \d+/, 'and there is no way back any more');

# --- While others write: there, back, and there

# They may be slow to begin.
sub start_to_write
{
	my $written = sql('shop', 'SELECT count(*) FROM shop.journal');
	my $writers = Writers::start($node, 'shop', writers($rows), 4);
	$node->poll_query_until('shop', "SELECT count(*) > $written + 50 FROM shop.journal") or die 'nobody writes';
	return $writers;
}

$number = plan_copy('shop');
my $bystander = start_bystander($node);
my $writers = start_to_write();
is(apply_until_asked('shop', $number), '', 'applied while others write');
usleep(500_000);
is(call($node, 'shop', "CALL dbm.undo($number)"), '', 'taken back while they do');
usleep(500_000);
my ($longest, $count, $errors) = Writers::stop($writers);
is($errors, '', 'no writer meets an error');
is(accounts($node, 'shop', $rows), '', "all of $count writes came through once");
waited_at_most($bystander, 1000, $longest, sprintf 'none waited longer than 1 s: the longest %.0f ms', $longest);
is(schema_of($node, 'shop'), $before, 'the schema is what it was');
$number = plan_copy('shop');
$bystander = start_bystander($node);
$writers = start_to_write();
is(carry($node, 'shop', $number, 'apply'), '', 'applied to its end while they do');
usleep(500_000);
my ($longest_there, $count_there) = ($longest, $count);
($longest, $count, $errors) = Writers::stop($writers);
waited_at_most($bystander, 1000, $longest, sprintf 'none waited longer than 1 s: the longest %.0f ms', $longest);
is($errors, '', 'no writer meets an error');
is(accounts($node, 'shop', $rows), '', "all of $count writes came through once");
is(sql('shop', q{SELECT relkind FROM pg_class WHERE oid = 'shop.orders'::regclass}), 'p', 'the table is partitioned');
is(sql('shop', 'SELECT rows_replayed > 0 FROM dbm.partition_copy ORDER BY id DESC LIMIT 1'), 't', 'the rows that changed meanwhile were copied again');
diag(sprintf 'there and back: of %d writes the longest took %.0f ms; there for good: of %d %.0f ms; locks of the last switch were held %s',
	$count_there, $longest_there, $count, $longest, sql('shop', 'SELECT lock_held FROM dbm.partition_copy ORDER BY id DESC LIMIT 1'));

# --- Killed in each phase, there and back

sub fault
{
	my ($place) = @_;
	$node->append_conf('postgresql.conf', "dbm.fault_in_step = '$place'");
	$node->reload;
	usleep(200_000);
	return;
}

my $script = PostgreSQL::Test::Utils::tempdir() . '/some.sql';
append_to_file($script, writers($rows));

sub some_writes
{
	my ($out, $said) = ('', '');
	IPC::Run::run([ $node->installed_command('pgbench'), '-n', '-c', 2, '-t', 25, '-f', $script, '-d', $node->connstr('killed') ],
		'<', \undef, '>', \$out, '2>', \$said)
	  or fail("a writer failed: $said");
	return;
}

$number = plan_copy('killed');
my $kills = 0;

sub killed
{
	my ($direction, $place) = @_;
	fault("copy:$place");
	my ($said) = call($node, 'killed', "CALL dbm.$direction($number)");
	like($said, qr/server closed the connection|terminating connection/, "killed at $place") and $kills++;
	wait_for_server($node);
	fault('');
	some_writes();
	is(accounts($node, 'killed', $rows), '', "killed at $place: every write came through once");
	return;
}

killed('apply', $_) for 'planned:1', 'prepared', 'batch', 'copying:2', 'catching_up', 'ready', 'uncommitted', 'swapped', 'verified';
is(apply_until_asked('killed', $number), '', 'killed in each phase, it goes on until people are asked');
some_writes();
killed('undo', $_) for 'back_uncommitted', 'back';
is(call($node, 'killed', "CALL dbm.undo($number)"), '', 'killed on the way back, it goes on');
is(schema_of($node, 'killed'), $before, 'to where it was');
is(accounts($node, 'killed', $rows), '', 'with all rows');
is(leftovers('killed'), '', 'and nothing is left over');
cmp_ok($kills, '==', 11, "killed $kills times");
$number = plan_copy('killed');
killed('apply', 'batch');
is(call($node, 'killed', "CALL dbm.undo($number)"), '', 'killed while it copies, it can be taken back');
is(schema_of($node, 'killed'), $before, 'to where it was');
is(carry($node, 'killed', $number, 'apply'), '', 'and applied again');
is(accounts($node, 'killed', $rows), '', 'with all rows');

# --- What a table can have besides: a primary key with the key, keys without it, a replica identity of its own, forced policies, a
# foreign key that holds the key

sql('other', <<'SQL');
SET ROLE alice;
CREATE TABLE shop.events (id bigint, at date, email text CONSTRAINT events_email_key UNIQUE, code int, n serial, "Note" text DEFAULT 'it''s',
	PRIMARY KEY (id, at), UNIQUE (at, id) DEFERRABLE INITIALLY DEFERRED);
CREATE UNIQUE INDEX events_code ON shop.events (code, lower("Note")) WHERE code > 5;
INSERT INTO shop.events SELECT i, current_date - i % 100, 'e' || i, i FROM generate_series(1, 5000) AS i;
ALTER TABLE shop.events REPLICA IDENTITY USING INDEX events_pkey;
CREATE POLICY half ON shop.events USING (id % 2 = 0);
ALTER TABLE shop.events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE shop.notes (event bigint, at date, note text, FOREIGN KEY (event, at) REFERENCES shop.events (id, at) MATCH FULL DEFERRABLE);
INSERT INTO shop.notes SELECT id, at, 'n' FROM shop.events;
SQL
my $events = 'SELECT count(*), sum(hashtextextended(to_jsonb(e)::text, 0)::numeric) FROM shop.events e';
for my $how (q{'at', 'week'}, q{'id', '1000'})
{
	my ($schema, $seen) = (schema_of($node, 'other'), sql('other', $events));
	my $plan = sql('other', "SELECT dbm.partition_convert_plan('shop.events', $how, method => 'copy', accept => '{unique}')", extra_params => [ '-U', 'alice' ]);
	is(apply_until_asked('other', $plan), '', "$how: applied");
	is(sql('other', $events), $seen, "$how: all rows are there");
	is(sql('other', q{SELECT relkind::text || relreplident::text || relforcerowsecurity::text FROM pg_class WHERE oid = 'shop.events'::regclass}),
		'pitrue', "$how: partitioned, with its replica identity and its policies forced");
	is(sql('other', q{SELECT string_agg(DISTINCT c.relreplident::text, '') || count(*) FILTER (WHERE x.indisreplident AND x.indisprimary) - count(DISTINCT c.oid)
		FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_index x ON x.indrelid = c.oid WHERE i.inhparent = 'shop.events'::regclass}),
		'i0', "$how: and so have its partitions");
	is(sql('other', q{SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conrelid = 'shop.events'::regclass AND contype IN ('p', 'u')}),
		'events_at_id_key events_email_key events_pkey', "$how: its keys have their names");
	sql('other', q{INSERT INTO shop.events SELECT 4990 + i, current_date + i, 'f' || i FROM generate_series(11, 16) AS i});
	$seen = sql('other', $events);
	is(call($node, 'other', "CALL dbm.undo($plan)"), '', "$how: taken back");
	is(sql('other', $events), $seen, "$how: with all rows");
	is(schema_of($node, 'other'), $schema, "$how: to where it was");
	sql('other', q{DELETE FROM shop.events WHERE email LIKE 'f%'});
}

# --- What goes past the journal closes the way back, which is said; the copy can still be ended

my $plan = sql('other', q{SELECT dbm.partition_convert_plan('shop.events', 'at', 'week', method => 'copy', accept => '{unique}')}, extra_params => [ '-U', 'alice' ]);
is(apply_until_asked('other', $plan), '', 'applied');
sql('other', q{DO $$ BEGIN EXECUTE 'TRUNCATE ' || (SELECT min(tableoid::regclass::text) FROM shop.events WHERE at < current_date - 30) || ' CASCADE'; END $$});
($error) = call($node, 'other', "CALL dbm.undo($plan)");
like($error, qr/shop\.events and shop\.events_old are not the same any more: there is no way back/, 'a partition that was truncated closes the way back');
is(sql('other', q{SELECT relkind FROM pg_class WHERE oid = 'shop.events'::regclass}), 'p', 'the table stays as it is');
sql('other', 'TRUNCATE shop.events CASCADE');
($error) = call($node, 'other', "CALL dbm.undo($plan)");
like($error, qr/shop\.events was truncated since it took its place: there is no way back/, 'and so does a TRUNCATE of the whole');
is(sql('other', q{SELECT count(*) FROM dbm.partition_set WHERE parent = 'shop.events'::regclass}), 1, 'upkeep keeps it all the same');
is(sql('other', "SELECT string_agg(DISTINCT status, ' ') FROM dbm.plan_step WHERE plan = $plan AND status NOT IN ('done', 'skipped')"), 'pending undone', 'no step of it is half taken back');
like($error, qr/HINT: .*It is done as before, and the plan with it: CALL dbm\.apply\($plan\) goes on/, 'and it is said what can be done');
is(carry($node, 'other', $plan, 'apply'), '', 'the plan is applied to its end');
is(sql('other', "SELECT status FROM dbm.plan WHERE plan = $plan"), 'done', 'and is done');
is(sql('other', q{SELECT to_regclass('shop.events_old') IS NULL}), 't', 'the old table is gone');
is(leftovers('other'), '', 'with nothing left over');

# --- What is changed between plan and switch stops the switch; what is in the way is waited for

sql('other', <<'SQL');
SET ROLE alice;
CREATE TABLE shop.small (id bigint PRIMARY KEY, at date NOT NULL, customer bigint REFERENCES shop.customers);
INSERT INTO shop.small SELECT i, current_date - i % 300, 1 + i % 99 FROM generate_series(1, 3000) AS i;
SQL
sql('other', q{SELECT dbm.install_audit_trigger('shop.small')});
($status, undef, $error) = $node->psql('other', q{SELECT dbm.partition_convert_plan('shop.small', 'at', 'month', accept => '{primary_key}')});
like($error, qr/shop\.small is under the audit trail, whose history would break off in the switch/, 'a table under the audit trail is refused');
like($error, qr/HINT: .*dbm\.remove_audit_trigger\('shop\.small'\)/, 'with a way');
sql('other', q{SELECT dbm.remove_audit_trigger('shop.small')});
my $small = sub { return sql('other', q{SELECT dbm.partition_convert_plan('shop.small', 'at', 'month', accept => '{primary_key}'} . ($_[0] // q{, method => 'copy'}) . ')', extra_params => [ '-U', 'alice' ]) };
$plan = $small->();
sql('other', 'CREATE INDEX small_customer ON shop.small (customer)');
($error) = call($node, 'other', "CALL dbm.apply($plan)");
like($error, qr/table shop\.small is not what it was when its conversion was planned/, 'an index that was made since would be lost');
is(call($node, 'other', "CALL dbm.undo($plan)"), '', 'it is taken back');
is(leftovers('other'), '', 'with nothing left over');

$plan = $small->();
my $holder = Session->new($node, 'other');
$holder->must('BEGIN; SELECT count(*) FROM shop.customers');
my $applier = $node->background_psql('other', on_error_stop => 0, extra_params => [ '-U', 'alice' ]);
$applier->query_until(qr/sent/, "\\echo sent\nCALL dbm.apply($plan);\n");
$node->poll_query_until('other', q{SELECT waits_for ~ 'a lock of another session' FROM dbm.partition_copy ORDER BY id DESC LIMIT 1}) or die 'it does not wait';
$bystander = start_bystander($node);
my $beside = Writers::start($node, 'other', "\\set id random(1, 3000)\nUPDATE shop.small SET customer = 1 + :id % 99 WHERE id = :id;\n", 2);
usleep(1_500_000);
is(sql('other', q{SELECT phase FROM dbm.partition_copy ORDER BY id DESC LIMIT 1}), 'ready', 'a long reader of a table to which it points is waited for');
$holder->must('COMMIT');
$holder->quit;
$applier->quit;
(my $waited, undef, $errors) = Writers::stop($beside);
is($errors, '', 'nobody else meets an error');
waited_at_most($bystander, 1000, $waited, sprintf 'nor waits for long: %.0f ms at most', $waited);
is(sql('other', q{SELECT relkind FROM pg_class WHERE oid = 'shop.small'::regclass}), 'p', 'then it is switched');
is(call($node, 'other', "CALL dbm.undo($plan)"), '', 'taken back');

# --- More rows change while the swap waits for its lock than can be copied under it: nothing of that attempt stays

$plan = $small->();
$holder = Session->new($node, 'other');
$holder->must('BEGIN; SELECT count(*) FROM shop.customers');
$applier = $node->background_psql('other', on_error_stop => 0, extra_params => [ '-U', 'alice' ]);
$applier->query_until(qr/sent/, "\\echo sent\nCALL dbm.apply($plan);\n");
$node->poll_query_until('other', q{SELECT waits_for ~ 'a lock of another session' FROM dbm.partition_copy ORDER BY id DESC LIMIT 1}) or die 'it does not wait';
my $busy = Session->new($node, 'other');
$busy->must('BEGIN; UPDATE shop.small SET customer = 1 + customer % 98 WHERE id <= 2500');
$holder->must('COMMIT');
$holder->quit;
$node->poll_query_until('other', q{SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'shop.small'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted)}) or die 'it does not wait';
my $as_it_is = 'SELECT count(*), sum(customer) FROM shop.small';
$busy->must('COMMIT');
$busy->quit;
my $changed = sql('other', $as_it_is);
$applier->quit;
is(sql('other', q{SELECT relkind FROM pg_class WHERE oid = 'shop.small'::regclass}), 'p', 'it tries again, and is switched');
is(sql('other', $as_it_is), $changed, 'with all rows as they are');
is(call($node, 'other', "CALL dbm.undo($plan)"), '', 'taken back');

# --- Where more is written than waits for the end, rows of the copy are found by an index from then on

sql('other', <<'SQL');
SET ROLE alice;
CREATE TABLE shop.busy (id bigint PRIMARY KEY, at date NOT NULL, n int NOT NULL DEFAULT 0);
INSERT INTO shop.busy SELECT i, current_date - i % 100 FROM generate_series(1, 40000) AS i;
SQL
$plan = sql('other', q{SELECT dbm.partition_convert_plan('shop.busy', 'at', 'month', method => 'copy', accept => '{primary_key}')}, extra_params => [ '-U', 'alice' ]);
for my $place (qw(batch kept_up))
{
	fault("copy:$place");
	my ($said) = call($node, 'other', "CALL dbm.apply($plan)");
	like($said, qr/server closed the connection|terminating connection/, "killed at $place");
	wait_for_server($node);
	fault('');
	sql('other', 'UPDATE shop.busy SET n = n + 1, at = at - (id % 2 * 40)::int WHERE id <= 25000') if $place eq 'batch';
}
my $busy_job = sql("other", "SELECT max(id) FROM dbm.partition_copy");
is(sql('other', "SELECT count(*) > 3 FROM pg_inherits WHERE inhparent = to_regclass('shop.dbm_copy_${busy_job}_key')"), 't', 'each partition of the copy has an index on the key');
is(sql('other', "SELECT rows_replayed FROM dbm.partition_copy WHERE id = $busy_job"), 50000 - 12500, 'by it the journal was replayed: where rows were, and where they came to');
is(apply_until_asked('other', $plan), '', 'it goes on');
is(sql('other', q{SELECT count(*) || ' ' || sum(n) || ' ' || count(DISTINCT id) FROM shop.busy}), '40000 25000 40000', 'every row is there once, as it is now');
is(sql('other', "SELECT to_regclass('shop.dbm_copy_${busy_job}_key') IS NULL"), 't', 'without that index');
is(call($node, 'other', "CALL dbm.undo($plan)"), '', 'taken back');
is(leftovers('other'), '', 'and nothing is left over');

# --- Which method is chosen, and retention that waits

is(sql('other', "SELECT title FROM dbm.plan WHERE plan = " . $small->('')), 'partition shop.small by at: the table as it is becomes the first partition', 'nothing is copied without need');
is(sql('other', "SELECT title FROM dbm.plan WHERE plan = " . $small->(q{, retention => '1 year'})), 'partition shop.small by at: the table as it is becomes the first partition', 'nor where all is young enough');
$plan = $small->(q{, retention => '100 days'});
like(sql('other', "SELECT title FROM dbm.plan WHERE plan = $plan"), qr/^partition shop\.small by at: its rows are copied into 1\d partitions$/, 'history that is to go in parts is split');
is(apply_until_asked('other', $plan), '', 'applied');
is(sql('other', q{SELECT retention IS NULL FROM dbm.partition_set WHERE parent = 'shop.small'::regclass}), 't', 'no partition goes as long as the way back is open');
is(carry($node, 'other', $plan, 'apply'), '', 'then to its end');
is(sql('other', q{SELECT retention FROM dbm.partition_set WHERE parent = 'shop.small'::regclass}), '100 days', 'from then on they do');

# --- What cannot be

sql('other', <<'SQL');
SET ROLE alice;
CREATE TABLE shop.keyless (at date NOT NULL, n int);
INSERT INTO shop.keyless SELECT current_date - i, i FROM generate_series(1, 100) AS i;
CREATE TABLE shop.seen (id int PRIMARY KEY, at timestamptz NOT NULL);
INSERT INTO shop.seen SELECT i, now() - i * interval '1 day' FROM generate_series(1, 100) AS i;
GRANT SELECT ON shop.seen TO reader;
RESET ROLE;
GRANT CREATE ON SCHEMA shop TO reader;
SET ROLE reader;
CREATE VIEW shop.alien AS SELECT id FROM shop.seen;
SQL
my $refused = sub {
	my ($call) = @_;
	my (undef, undef, $said) = $node->psql('other', "SELECT dbm.partition_convert_plan($call, method => 'copy')");
	return $said;
};
like($refused->(q{'shop.keyless', 'at', 'month'}), qr/shop\.keyless has no key by which its rows could be told apart while others write.*method => 'attach' needs none/s, 'rows without a key');
like($refused->(q{'shop.seen', 'at', 'month', accept => '{primary_key}'}), qr/alice, the owner of shop\.seen, has no rights to make the view shop\.alien again/, 'a view of somebody else');
sql('other', 'DROP VIEW shop.alien');
like($refused->(q{'shop.seen', 'at', '1 hour', accept => '{primary_key}'}), qr/the rows of shop\.seen would need \d+ partitions, and no more than 1000 are made at once/, 'too many partitions');
sql('other', q{SELECT pg_create_logical_replication_slot('watcher', 'test_decoding')}) if -e $node->config_data('--pkglibdir') . '/test_decoding.so';
SKIP:
{
	skip 'no output plugin', 1 if !-e $node->config_data('--pkglibdir') . '/test_decoding.so';
	$plan = sql('other', q{SELECT dbm.partition_convert_plan('shop.seen', 'at', 'month', accept => '{primary_key}', method => 'copy')});
	like(sql('other', "SELECT array_to_string(requires, E'\\n') FROM dbm.plan WHERE plan = $plan"), qr/^the logical replication slot watcher reads every row that is copied/m, 'a slot that will see the copy is named');
	sql('other', q{SELECT pg_drop_replication_slot('watcher')});
}

$node->stop;
done_testing();
