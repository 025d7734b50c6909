# Row versions refuse lost updates; deleted rows stay, are not seen, and their values can be used again.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use Bystander qw(start_bystander waited_at_most);
use Changes qw(call carry);
use IPC::Run;
use Plan qw(plan_row schema_of start_writers stop_writers);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('patterns');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\nfsync = off");
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN; CREATE DATABASE shop');
$node->safe_psql('shop', <<'SQL');
CREATE EXTENSION dbmastery;
GRANT USAGE ON SCHEMA dbm TO alice;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO alice;
GRANT CREATE ON DATABASE shop TO alice;
SET ROLE alice;
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id bigint PRIMARY KEY, code text, amount int, long text, twice int GENERATED ALWAYS AS (amount * 2) STORED,
	CONSTRAINT orders_code_key UNIQUE (code));
CREATE UNIQUE INDEX orders_lower ON shop.orders (lower(code)) WHERE amount > 5;
CREATE TABLE shop.lines (order_id bigint REFERENCES shop.orders, line int, PRIMARY KEY (order_id, line));
CREATE TABLE shop.events (id bigint, at date, note text) PARTITION BY RANGE (at);
CREATE TABLE shop.events_1 PARTITION OF shop.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE shop.events_2 PARTITION OF shop.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO shop.orders (id, code, amount, long) SELECT i, 'c' || i, i, repeat(md5(i::text), 300) FROM generate_series(1, 100) AS i;
INSERT INTO shop.lines SELECT i, 1 FROM generate_series(1, 100) AS i;
INSERT INTO shop.events VALUES (1, '2025-05-05', 'x');
SQL
my $before = schema_of($node, 'shop');
my ($out, $error);
sub one { my ($error, $out) = call($node, 'shop', @_); chomp $out; return $error eq '' ? $out : $error }
sub planned { my ($error, $out) = call($node, 'shop', "SELECT $_[0]"); $error eq '' or die $error; chomp $out; return $out }

# Row versions.
my $file = q{SELECT pg_relation_filenode('shop.orders')};
my $was = one($file);
my $versions = planned(q{dbm.row_versioning_plan('shop.orders')});
is(carry($node, 'shop', $versions, 'apply'), '', 'applied');
is(one($file), $was, 'no row was written by it');
is(one(q{SELECT count(*) FROM shop.orders WHERE row_version = 1 AND updated_at IS NOT NULL}), '100', 'every row has a version');
is(one(q{UPDATE shop.orders SET amount = 7 WHERE id = 1 RETURNING row_version, twice}), '2|14', 'a change makes the next');
is(one(q{UPDATE shop.orders SET amount = amount WHERE id = 1 RETURNING row_version}), '2', 'what changes nothing does not');
is(one(q{UPDATE shop.orders SET long = long || '', amount = NULL WHERE id = 2 RETURNING row_version}), '2', 'a NULL is a change');
is(one(q{UPDATE shop.orders SET amount = 8, row_version = 2 WHERE id = 1 RETURNING row_version}), '3', 'who has read the last one may write');
like(one(q{UPDATE shop.orders SET amount = 9, row_version = 2 WHERE id = 1}),
	qr/ERROR:  a row of table "orders" was changed since it was read\nDETAIL:  It has version 3; version 2 was read\./, 'who has not may not');
like(one(q{UPDATE shop.orders SET amount = 9, row_version = NULL WHERE id = 1}), qr/It has version 3; version none was read/, 'nor who takes the version away');
is(one(q{SELECT amount || ' ' || row_version FROM shop.orders WHERE id = 1}), '8 3', 'and nothing happened');
is(one(q{INSERT INTO shop.orders (id, row_version, updated_at) VALUES (200, 77, '1999-01-01') RETURNING row_version, updated_at > now() - interval '1 minute'}), '1|t',
	'a new row begins with the first, whatever it says');
is(one(q{INSERT INTO shop.orders (id, amount) VALUES (200, 1) ON CONFLICT (id) DO UPDATE SET amount = 5 RETURNING row_version}), '2', 'also by ON CONFLICT');
is(one(q{MERGE INTO shop.orders o USING (VALUES (200)) v(id) ON o.id = v.id WHEN MATCHED THEN UPDATE SET amount = 6; SELECT row_version FROM shop.orders WHERE id = 200}), '3', 'and by MERGE');
one(q{DELETE FROM shop.orders WHERE id = 200});
# Two at once: the second waits, and is refused.
my ($first, $second) = map { Session->new($node, 'shop', role => 'alice') } 1, 2;
$first->must('BEGIN; UPDATE shop.orders SET amount = 10, row_version = 1 WHERE id = 5');
$second->must(q{SET lock_timeout = 0});
my $waiting = start_writers($node, 'shop', "UPDATE shop.orders SET amount = 11 WHERE id = 6;\n", seconds => 1);
$first->must('COMMIT');
($out, $error) = $second->run('UPDATE shop.orders SET amount = 11, row_version = 1 WHERE id = 5');
like($error, qr/was changed since it was read/, 'a lost update is refused');
my ($count) = stop_writers($waiting);
# They may have had no time for one.
one('UPDATE shop.orders SET amount = 11 WHERE id = 6');
is(one('SELECT row_version FROM shop.orders WHERE id = 6'), 2, "of $count writes of the same value one made a version");
$waiting = start_writers($node, 'shop', "UPDATE shop.orders SET amount = amount + 1 WHERE id = 7;\n", seconds => 2, clients => 4);
($count) = stop_writers($waiting);
is(one('SELECT row_version - 1 FROM shop.orders WHERE id = 7'), $count, 'and each of those that change it one');
is(one(q{BEGIN; UPDATE shop.orders SET amount = 1 WHERE id = 8; ROLLBACK; SELECT row_version FROM shop.orders WHERE id = 8}), '1', 'what is rolled back makes none');
# Partitions, columns that are there, the trigger itself.
one(q{CREATE TABLE shop.older (id integer PRIMARY KEY, n integer, row_version bigint); INSERT INTO shop.older VALUES (1, 1, NULL)});
is(carry($node, 'shop', planned(q{dbm.row_versioning_plan('shop.older')}), 'apply'), '', 'a column that is there already serves');
is(one(q{UPDATE shop.older SET n = 2 WHERE id = 1 RETURNING coalesce(row_version, -1) > 0}), 't', 'a row that had no version before gets its first by a change');
one('DROP TABLE shop.older');
my $events = planned(q{dbm.row_versioning_plan('shop.events', version_column => 'v', updated_at_column => NULL)});
is(carry($node, 'shop', $events, 'apply'), '', 'a partitioned table too');
is(one(q{UPDATE shop.events SET note = 'y' RETURNING v}), '2', 'its rows have versions');
is(one(q{UPDATE shop.events SET at = '2026-05-05' RETURNING v}), '3', 'also across partitions') or diag(one('TABLE shop.events'));
like(one(q{SELECT dbm.row_versioning_plan('shop.events', version_column => 'note')}), qr/ERROR:  note of shop\.events is there and is no plain column of type bigint/, 'a column of another type');
like(one(q{SELECT dbm.row_versioning_plan('shop.events_1')}), qr/ERROR:  shop\.events_1 is a partition\nHINT/, 'a partition');
like(one(q{SELECT dbm.row_versioning_plan('shop.events', NULL, NULL)}), qr/ERROR:  neither a column/, 'nothing at all');
like(one(q{SELECT dbm.row_versioning_plan('dbm.plan')}), qr/must be owner of table dbm\.plan/, 'another\'s table');
for my $wrong ("dbm.row_version('v')", "dbm.row_version('note', '')", "dbm.row_version('gone', '')")
{
	like(one("BEGIN; CREATE TRIGGER wrong BEFORE INSERT ON shop.events FOR EACH ROW EXECUTE FUNCTION $wrong; INSERT INTO shop.events VALUES (2, '2025-01-01')"),
		qr/ERROR:  (?:dbm\.row_version\(\) takes the names of two columns|table "events_1" has no column "(?:note|gone)" of type bigint)/, $wrong);
}
like(one("BEGIN; CREATE TRIGGER wrong AFTER INSERT ON shop.events FOR EACH ROW EXECUTE FUNCTION dbm.row_version('v', ''); INSERT INTO shop.events VALUES (2, '2025-01-01')"),
	qr/is a BEFORE trigger for each row/, 'a trigger of another kind');
like(one('SELECT dbm.row_version()'), qr/was not called as a trigger/, 'no trigger at all');
is(carry($node, 'shop', $_, 'undo'), '', 'taken back') for $events, $versions;

# Soft delete.
like(one(q{SELECT dbm.soft_delete_plan('shop.orders')}),
	qr/ERROR:  unique keys of shop\.orders become those of rows that are not deleted\nDETAIL:  unique constraint orders_code_key, unique index orders_lower become partial/, 'what changes is named first');
like(one(q{SELECT dbm.soft_delete_plan('shop.orders', accept => '{everything}')}), qr/"everything" is nothing that can be accepted/, 'what cannot be accepted');
like(one(q{SELECT dbm.soft_delete_plan('shop.events')}), qr/shop\.events is not a plain table/, 'a partitioned table');
is(schema_of($node, 'shop'), $before, 'nothing was changed by all that');
my $deletes = planned(q{dbm.soft_delete_plan('shop.orders', accept => '{unique}')});
my $bystander = start_bystander($node);
my $writers = start_writers($node, 'shop', "\\set id random(1, 100)\nUPDATE shop.orders SET amount = amount + 1 WHERE id = :id;\n", seconds => 6);
is(carry($node, 'shop', $deletes, 'apply'), '', 'applied while others write');
($count, my $longest) = stop_writers($writers);
waited_at_most($bystander, 1000, $longest, sprintf 'of %d writes the longest took %.0f ms', $count, $longest);
is(join("\n", sort split /\n/, one(q{DELETE FROM shop.live_orders WHERE id IN (3, 4) RETURNING id})), "3\n4", 'deleted by the view');
is(one(q{SELECT count(*) FROM shop.live_orders}), '98', 'they are not seen');
is(one(q{SELECT count(*) || ' ' || count(deleted_at) FROM shop.orders}), '100 2', 'but there');
is(one(q{DELETE FROM shop.live_orders WHERE id = 3 RETURNING id}), '', 'once');
is(one(q{INSERT INTO shop.live_orders (id, code, amount) VALUES (103, 'c3', 9) RETURNING id}), '103', 'the value of a deleted row can be used again');
like(one(q{INSERT INTO shop.live_orders (id, code) VALUES (104, 'c3')}), qr/duplicate key value violates unique constraint "orders_code_key"/, 'once');
is(one(q{INSERT INTO shop.orders (id, code) VALUES (105, 'c3') ON CONFLICT (code) WHERE deleted_at IS NULL DO UPDATE SET amount = 70 RETURNING id}), '103', 'ON CONFLICT finds it');
like(one(q{UPDATE shop.orders SET deleted_at = NULL WHERE id = 3}), qr/duplicate key/, 'a row does not come back beside it');
is(one(q{UPDATE shop.orders SET deleted_at = NULL WHERE id = 4 RETURNING id}), '4', 'otherwise it does');
is(one(q{UPDATE shop.live_orders SET amount = 1 WHERE id = 4 RETURNING amount}), '1', 'and can be changed through the view');
# Who deletes a row that another has changed meanwhile, and who deletes one that another has deleted.
# Those who wrote above may have written often.
one('UPDATE shop.orders SET amount = 1 WHERE id BETWEEN 20 AND 23');
my $seen = q{SELECT id FROM shop.orders WHERE id = %d AND deleted_at IS NULL};
for my $case ([ 20, 'UPDATE shop.orders SET amount = 999 WHERE id = 20', 'COMMIT', qr/ERROR:  a row of shop\.orders is not the one that was to be deleted/, '20' ],
	[ 21, 'UPDATE shop.orders SET amount = 999 WHERE id = 21', 'ROLLBACK', qr/^$/, '' ],
	[ 22, 'DELETE FROM shop.live_orders WHERE id = 22', 'COMMIT', qr/^$/, '' ],
	[ 23, 'DELETE FROM shop.orders WHERE id = 23', 'COMMIT', qr/^$/, '' ])
{
	my ($id, $change, $end, $said, $left) = @$case;
	one("DELETE FROM shop.lines WHERE order_id = $id");
	$first->must("BEGIN; $change");
	my $other = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('shop') . ' user=alice', '-c', "DELETE FROM shop.live_orders WHERE id = $id AND amount < 500" ],
		'<', \undef, '>', \my $out, '2>', \my $error);
	$node->poll_query_until('shop', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE FROM shop.live_orders%'})
		or die 'nobody waits';
	$first->must($end);
	$other->finish;
	like($error, $said, "deleted beside: $change; $end");
	is(one(sprintf $seen, $id), $left, $left ? 'it is there as it was changed' : 'it is gone');
}
is(one(q{SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'i' AND relname LIKE 'orders%'}),
	'orders_code_key orders_deleted_at_idx orders_lower orders_pkey', 'indexes have their names');
like(carry($node, 'shop', $deletes, 'undo'), qr/could not create unique index|duplicate/, 'the way back is closed as long as a value is there twice');
one('DELETE FROM shop.orders WHERE id = 103');
is(carry($node, 'shop', $deletes, 'undo'), '', 'and then open');
is(schema_of($node, 'shop'), $before, 'the schema is what it was');

# Keys of types that bring an equality of their own, in a schema of anybody's.
$node->safe_psql('shop', <<'SQL');
CREATE SCHEMA types;
GRANT USAGE ON SCHEMA types TO alice;
CREATE EXTENSION ltree SCHEMA types;
CREATE EXTENSION citext SCHEMA types;
CREATE DOMAIN types.folded AS types.citext;
CREATE DOMAIN types.twice AS types.folded;
SET ROLE alice;
CREATE TABLE shop.documents (path types.ltree, code types.twice, kind text COLLATE "C", spans int4range, body types.ltree, PRIMARY KEY (path, code, kind, spans));
INSERT INTO shop.documents SELECT ('a.b' || i)::types.ltree, 'Code', 'k', '[1,2)', 'c.d' FROM generate_series(1, 4) AS i;
SQL
my $keyed = planned(q{dbm.soft_delete_plan('shop.documents')});
is(carry($node, 'shop', $keyed, 'apply'), '', 'a table with such a key');
is(one(q{DELETE FROM shop.live_documents WHERE path OPERATOR(types.=) 'a.b2' RETURNING path}), 'a.b2', 'lets rows be deleted');
is(one(q{SELECT count(*) FROM shop.live_documents}), '3', 'which are gone');
is(one(q{SELECT string_agg(path::text, ' ') FROM shop.documents WHERE deleted_at IS NOT NULL}), 'a.b2', 'and there');
is(carry($node, 'shop', $keyed, 'undo'), '', 'and back');

# What would be done half, or not mean what it says, is told before anything is done. Each with its SQLSTATE.
sub refused
{
	my (undef, $out, $error) = $node->psql('shop', "\\set VERBOSITY verbose\n$_[0]", extra_params => [ '-U', 'alice' ]);
	return $error =~ /ERROR:  (\w{5}: [^\n]*)/ ? $1 : $out . $error;
}
$node->safe_psql('shop', <<'SQL');
CREATE EXTENSION btree_gist SCHEMA types;
SET ROLE alice;
SET search_path = shop, types;
CREATE TABLE shop.rooms (id int PRIMARY KEY, room int, during tsrange, CONSTRAINT rooms_during EXCLUDE USING gist (room WITH =, during WITH &&));
CREATE TABLE shop.born (id int PRIMARY KEY, deleted_at timestamptz DEFAULT now());
CREATE TABLE shop.made (id int PRIMARY KEY, at timestamp, deleted_at timestamptz GENERATED ALWAYS AS (timezone('UTC', at)) STORED);
CREATE TABLE shop.counted (id int PRIMARY KEY, row_version bigint GENERATED ALWAYS AS IDENTITY);
CREATE TABLE shop.parent (id int PRIMARY KEY);
CREATE TABLE shop.child (note text) INHERITS (shop.parent);
SQL
for my $case ([ q{soft_delete_plan('shop.orders', NULL)}, '22004: deleted_at_column must not be null' ],
	[ q{soft_delete_plan('shop.orders', '')}, '42602: deleted_at_column must not be empty' ],
	[ q{soft_delete_plan('shop.orders', repeat('d', 64))}, '42622: deleted_at_column is longer than a name may be' ],
	[ q{soft_delete_plan('shop.orders', view_name => '')}, '42602: view_name must not be empty' ],
	[ q{soft_delete_plan('shop.orders', view_name => repeat('ü', 32))}, '42622: view_name is longer than a name may be' ],
	[ q{soft_delete_plan('shop.orders', accept => NULL)}, '22004: accept must not be null' ],
	[ q{soft_delete_plan('shop.orders', accept => '{NULL}')}, '22004: accept must not contain nulls' ],
	[ q{soft_delete_plan(NULL)}, '22004: target must not be null' ],
	[ q{row_versioning_plan(NULL)}, '22004: target must not be null' ],
	[ q{row_versioning_plan('shop.orders', repeat('v', 64))}, '42622: version_column is longer than a name may be' ],
	[ q{row_versioning_plan('shop.orders', NULL, repeat('v', 64))}, '42622: updated_at_column is longer than a name may be' ],
	[ q{soft_delete_plan('shop.rooms')}, '0A000: exclusion constraint rooms_during of shop.rooms would go on keeping out what is in the way of deleted rows' ],
	[ q{soft_delete_plan('shop.born')}, '0A000: deleted_at of shop.born is there and is not NULL by itself in a new row' ],
	[ q{soft_delete_plan('shop.made')}, '0A000: deleted_at of shop.made is there and is not NULL by itself in a new row' ],
	[ q{row_versioning_plan('shop.counted')}, '0A000: row_version of shop.counted is there and is no plain column of type bigint' ],
	[ q{soft_delete_plan('shop.parent')}, '0A000: shop.child inherits from shop.parent, and no key is one of both' ],
	[ q{row_versioning_plan('shop.parent')}, '0A000: shop.child inherits from shop.parent, and its rows would have no versions' ])
{
	my ($what, $error) = @$case;
	is(refused("SELECT dbm.$what"), $error, $what);
}
like(refused(q{CREATE TEMPORARY TABLE mine (id int PRIMARY KEY); SELECT dbm.soft_delete_plan('mine')}), qr/^0A000: pg_temp_\d+\.mine is a temporary table, which no plan reaches$/, 'a temporary table');
like(refused(q{CREATE TEMPORARY TABLE mine (id int PRIMARY KEY); SELECT dbm.row_versioning_plan('mine')}), qr/^0A000: pg_temp_\d+\.mine is a temporary table, which no plan reaches$/, 'for versions neither');
$node->safe_psql('shop', 'REVOKE EXECUTE ON FUNCTION dbm.row_version FROM alice');
like(one(q{SELECT dbm.row_versioning_plan('shop.lines')}), qr/^ERROR:  permission denied for function dbm\.row_version\nDETAIL:  .*\nHINT:  GRANT EXECUTE ON FUNCTION dbm\.row_version TO alice\.$/, 'who may not make the trigger is told before columns are there');
$node->safe_psql('shop', 'GRANT EXECUTE ON FUNCTION dbm.row_version TO alice');
# Whoever makes a partition makes its trigger, also where somebody else has made the plan.
$node->safe_psql('shop', 'REVOKE EXECUTE ON FUNCTION dbm.row_version FROM alice; CREATE ROLE deputy LOGIN; GRANT alice TO deputy');
(undef, undef, $error) = $node->psql('shop', q{SELECT dbm.row_versioning_plan('shop.events')});
like($error, qr/ERROR:  permission denied for function dbm\.row_version\nDETAIL:  What the plan does needs it to be granted to role "alice"\.\nHINT:  GRANT EXECUTE ON FUNCTION dbm\.row_version TO alice\./, 'who makes partitions is told of');
like($node->safe_psql('shop', q{SELECT dbm.row_versioning_plan('shop.lines')}), qr/^\d+$/, 'without partitions he needs nothing');
$node->safe_psql('shop', 'GRANT EXECUTE ON FUNCTION dbm.row_version TO alice');
# What a plan makes belongs to whom the table does, whoever makes it.
my $by_superuser = $node->safe_psql('shop', q{GRANT SELECT ON shop.lines TO deputy; SELECT dbm.soft_delete_plan('shop.lines')});
like($node->safe_psql('shop', "SELECT array_to_string(requires, E'\\n') FROM dbm.plan WHERE plan = $by_superuser"),
	qr/^who uses the view is granted it, and UPDATE \(deleted_at\) on shop\.lines where he deletes: deputy have rights on shop\.lines and none on the view$/m, 'who has to be granted the view is named');
$node->safe_psql('shop', "SET client_min_messages = warning; CALL dbm.apply($by_superuser)");
is(one(q{SELECT relowner::regrole || ' ' || (SELECT proowner::regrole FROM pg_proc WHERE proname = 'live_lines_delete') FROM pg_class WHERE relname = 'live_lines'}), 'alice alice', 'a superuser makes a view of the owner of the table');
$node->safe_psql('shop', "SET client_min_messages = warning; CALL dbm.undo($by_superuser); REVOKE ALL ON shop.lines FROM deputy");
# Whoever repeats the call that a plan tells gets the same plan.
my $does = "SELECT string_agg(array_to_string(sql, ';') || array_to_string(undo, ';'), E'\\n' ORDER BY step) FROM dbm.plan_step WHERE plan =";
for my $call (q{dbm.row_versioning_plan('shop.lines', 'it''s', NULL)}, q{dbm.row_versioning_plan('shop.lines', updated_at_column => 'when')}, q{dbm.row_versioning_plan('shop.lines')},
	q{dbm.soft_delete_plan('shop.orders', 'gone', 'those that are there', '{unique}')}, q{dbm.soft_delete_plan('shop.lines')})
{
	my $number = planned($call);
	my $again = planned($node->safe_psql('shop', "SELECT change FROM dbm.plan WHERE plan = $number"));
	is($node->safe_psql('shop', "$does $again"), $node->safe_psql('shop', "$does $number"), "repeated: $call");
}

# What the hint of an exclusion constraint says, and then a slot that was given up is free.
my ($hint) = one(q{SELECT dbm.soft_delete_plan('shop.rooms')}) =~ /HINT:  (.*) first, at a time when all may wait\./;
like($hint, qr/^ALTER TABLE shop\.rooms ADD COLUMN deleted_at timestamp with time zone, DROP CONSTRAINT rooms_during, ADD CONSTRAINT rooms_during … WHERE \(deleted_at IS NULL\)$/, 'it is said how') or $hint = 'SELECT 1';
$hint =~ s/…/EXCLUDE USING gist (room WITH =, during WITH &&)/;
is(one("SET client_min_messages = error; SET search_path = shop, types; $hint"), '', 'as it says');
my $rooms = planned(q{dbm.soft_delete_plan('shop.rooms')});
is(carry($node, 'shop', $rooms, 'apply'), '', 'and then there is a plan');
one(q{INSERT INTO shop.live_rooms VALUES (1, 1, '[2026-01-01,2026-01-03)')});
like(one(q{INSERT INTO shop.live_rooms VALUES (2, 1, '[2026-01-02,2026-01-04)')}), qr/conflicting key value violates exclusion constraint "rooms_during"/, 'a slot is taken');
is(one(q{DELETE FROM shop.live_rooms WHERE id = 1; INSERT INTO shop.live_rooms VALUES (2, 1, '[2026-01-02,2026-01-04)') RETURNING id}), '2', 'and free when it is given up');
is(carry($node, 'shop', $rooms, 'undo'), '', 'taken back');

# A unique index that is of live rows already is left as it is.
one(q{CREATE TABLE shop.codes (id int PRIMARY KEY, code text, hidden_deleted_at date, deleted_at timestamptz);
	CREATE UNIQUE INDEX codes_live ON shop.codes (code) WHERE deleted_at IS NULL;
	CREATE UNIQUE INDEX codes_other ON shop.codes (lower(code)) WHERE hidden_deleted_at IS NULL;
	CREATE UNIQUE INDEX codes_either ON shop.codes (upper(code)) WHERE deleted_at IS NULL OR id > 5});
like(one(q{SELECT dbm.soft_delete_plan('shop.codes')}), qr/DETAIL:  unique index codes_either, unique index codes_other become partial/, 'those that are not are named');
my $codes = planned(q{dbm.soft_delete_plan('shop.codes', accept => '{unique}')});
is(carry($node, 'shop', $codes, 'apply'), '', 'and become so');
is(one(q{SELECT string_agg(regexp_replace(pg_get_indexdef(indexrelid), '^.* USING', ''), '; ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'shop.codes'::regclass AND indisunique AND NOT indisprimary}),
	q{ btree (upper(code)) WHERE (((deleted_at IS NULL) OR (id > 5)) AND (deleted_at IS NULL));  btree (code) WHERE (deleted_at IS NULL);  btree (lower(code)) WHERE ((hidden_deleted_at IS NULL) AND (deleted_at IS NULL))},
	'each of them');
is(carry($node, 'shop', $codes, 'undo'), '', 'taken back');

# Triggers of the table find what they find when a row is deleted there; and every way to write through the view.
$node->safe_psql('shop', <<'SQL');
SET ROLE alice;
CREATE TABLE shop.diary (what text);
CREATE TABLE shop.parcels (id int PRIMARY KEY, code text UNIQUE, note text DEFAULT 'none', size int CHECK (size > 0));
CREATE FUNCTION shop.note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO diary VALUES (TG_OP || ' ' || OLD.id); RETURN coalesce(NEW, OLD); END$$;
CREATE TRIGGER note BEFORE UPDATE OR DELETE ON shop.parcels FOR EACH ROW EXECUTE FUNCTION shop.note();
INSERT INTO shop.parcels SELECT i, 'c' || i FROM generate_series(1, 9) AS i;
SQL
$node->safe_psql('shop', q{SELECT dbm.install_audit_trigger('shop.parcels')});
my $parcels = planned(q{dbm.soft_delete_plan('shop.parcels', accept => '{unique}')});
is(carry($node, 'shop', $parcels, 'apply'), '', 'a table with a trigger that names tables without their schema');
is(one(q{SET search_path = shop; DELETE FROM live_parcels WHERE id = 1 RETURNING id, code, note}), '1|c1|none', 'rows of it are deleted');
is(one('TABLE shop.diary'), 'UPDATE 1', 'and it was called');
is($node->safe_psql('shop', q{SELECT operation, key ->> 'id', old ->> 'deleted_at', (new ->> 'deleted_at')::timestamptz <= clock_timestamp() FROM dbm.changes('shop.parcels')}), 'UPDATE|1||t', 'the trail tells it as what it is');
# Whose operators are found first changes nothing.
is(one(q{CREATE SCHEMA mine; CREATE FUNCTION mine.never(int, int) RETURNS bool LANGUAGE sql AS 'SELECT true'; CREATE OPERATOR mine.= (LEFTARG = int, RIGHTARG = int, FUNCTION = mine.never);
	SET search_path = mine, pg_catalog, shop; DELETE FROM live_parcels WHERE id OPERATOR(pg_catalog.=) 2; SELECT count(*) FROM shop.parcels WHERE deleted_at IS NOT NULL}), '2', 'nor whose operators are found first');
one('DROP TRIGGER note ON shop.parcels');
is(one(q{INSERT INTO shop.live_parcels (id, code) VALUES (11, 'c1') RETURNING id, code, note}), '11|c1|none', 'RETURNING and defaults of a row through the view');
is(one(q{INSERT INTO shop.live_parcels (id, code) VALUES (12, 'c11') ON CONFLICT DO NOTHING RETURNING id}), '12', 'ON CONFLICT DO NOTHING');
is(one(q{INSERT INTO shop.live_parcels (id, code) VALUES (13, 'c11') ON CONFLICT DO NOTHING RETURNING id}), '', 'of a value that is there');
is(one(q{INSERT INTO shop.live_parcels (id, code) VALUES (12, 'c12') ON CONFLICT (id) DO UPDATE SET code = excluded.code RETURNING code}), 'c12', 'ON CONFLICT with the primary key');
like(one(q{INSERT INTO shop.live_parcels (id, code) VALUES (14, 'c12') ON CONFLICT (code) DO NOTHING}), qr/no unique or exclusion constraint matching/, 'with a key of live rows only on the table itself');
like(one(q{INSERT INTO shop.live_parcels (id, code) VALUES (1, 'again')}), qr/duplicate key value violates unique constraint "parcels_pkey"/, 'the primary key of a deleted row stays its own');
like(one(q{COPY shop.live_parcels FROM STDIN}), qr/cannot copy to view/, 'COPY goes to the table');
is(one(q{UPDATE shop.live_parcels SET size = 4 WHERE id > 11 RETURNING id, size}), '12|4', 'an UPDATE');
is(one(q{MERGE INTO shop.parcels p USING (VALUES (12)) v(id) ON p.id = v.id WHEN MATCHED THEN UPDATE SET note = 'merged'; SELECT note FROM shop.live_parcels WHERE id = 12}), 'merged', 'and MERGE on the table');
# Rows that point to deleted ones.
one(q{CREATE TABLE shop.labels (parcel int REFERENCES shop.parcels ON DELETE CASCADE)});
is(one(q{INSERT INTO shop.labels VALUES (3); DELETE FROM shop.live_parcels WHERE id = 3; SELECT count(*) FROM shop.labels}), '1', 'a row that points to a deleted row stays');
is(one(q{INSERT INTO shop.labels VALUES (3) RETURNING parcel}), '3', 'and another may point there');
# A column that comes later.
one(q{ALTER TABLE shop.parcels ADD COLUMN late int});
is(one(q{UPDATE shop.parcels SET late = 1 WHERE id = 4; DELETE FROM shop.live_parcels WHERE id = 4 RETURNING id}), '4', 'a column that was added later is in nobody\'s way');
# Both kinds on one table: a deleted row is a version.
my $both = planned(q{dbm.row_versioning_plan('shop.parcels')});
is(carry($node, 'shop', $both, 'apply'), '', 'versions of rows that are deleted so');
is(one(q{DELETE FROM shop.live_parcels WHERE id = 5; SELECT row_version FROM shop.parcels WHERE id = 5}), '2', 'each is one');
one('DELETE FROM shop.parcels WHERE deleted_at IS NOT NULL');
is(carry($node, 'shop', $_, 'undo'), '', 'and both are taken back') for $both, $parcels;

# Names that are as long as they may be, of which those of the plan differ.
my $long = 'n' x 63;
one(qq{CREATE TABLE shop.$long (id int PRIMARY KEY, code text, CONSTRAINT u${\ ('n' x 62)} UNIQUE (code)); CREATE UNIQUE INDEX v${\ ('n' x 62)} ON shop.$long (lower(code)); INSERT INTO shop.$long VALUES (1, 'a'), (2, 'b')});
my $before_long = schema_of($node, 'shop', '-t', "shop.$long");
for my $call (qq{dbm.soft_delete_plan('shop.$long', '${\ ('d' x 63)}', accept => '{unique}')}, qq{dbm.row_versioning_plan('shop.$long', '${\ ('v' x 63)}', '${\ ('w' x 63)}')})
{
	my $number = planned($call);
	is(carry($node, 'shop', $number, 'apply'), '', 'names of 63 bytes');
	is(carry($node, 'shop', $number, 'undo'), '', 'there and back');
	is(schema_of($node, 'shop', '-t', "shop.$long"), $before_long, 'to where it was');
}

done_testing();
