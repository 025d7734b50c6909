# What the audit trail keeps: every change of a row, however it is made, once, with its key, what changed, and who did it;
# the values as they are, whatever the session's settings.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('trail');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_worker_processes = 16\ntimezone = 'Asia/Kolkata'\nmax_prepared_transactions = 2");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION dbmastery');

sub sql { return $node->safe_psql('postgres', @_) }

sub refused
{
	my ($statement) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statement");
	$err =~ /ERROR:  (\w{5}): (.*)/ or return 'not refused';
	return "$1: $2";
}

my $seen = 0;

# What was logged since the last call: operation, key, old and new.
sub logged
{
	my $rows = sql("SELECT concat_ws('|', operation, key, old, new) FROM dbm_trail.change WHERE change_id > $seen ORDER BY change_id");
	$seen = sql('SELECT coalesce(max(change_id), 0) FROM dbm_trail.change');
	return $rows;
}

# --- A plain table

sql('CREATE TABLE item (id int PRIMARY KEY, name text, price numeric(10,2), note text)');
is(sql("SELECT dbm.install_audit_trigger('item')"), 'public.item is watched by statement triggers', 'a table is put under the trail');
is(sql("SELECT string_agg(tgname || tgenabled::text, ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'item'::regclass"),
	'00_dbm_audit_deleteA 00_dbm_audit_insertA 00_dbm_audit_truncateA 00_dbm_audit_updateA', 'by four triggers that fire for everybody');
sql("INSERT INTO item VALUES (1, 'pen', 1.50, NULL), (2, 'ink', 3, 'blue')");
is(logged(), <<'ROWS' =~ s/\n\z//r, 'inserted rows are whole');
I|{"id": 1}|{"id": 1, "name": "pen", "note": null, "price": 1.50}
I|{"id": 2}|{"id": 2, "name": "ink", "note": "blue", "price": 3.00}
ROWS
sql('UPDATE item SET price = price + 1');
is(logged(), <<'ROWS' =~ s/\n\z//r, 'of updated ones there is what changed');
U|{"id": 1}|{"price": 1.50}|{"price": 2.50}
U|{"id": 2}|{"price": 3.00}|{"price": 4.00}
ROWS
sql('UPDATE item SET name = name');
is(logged(), '', 'nothing changed, nothing is logged');
sql('UPDATE item SET id = 3 WHERE id = 1');
is(logged(), 'U|{"id": 1}|{"id": 1}|{"id": 3}', 'a key that changed');
is(sql('SELECT flags & 4 FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1'), 4, 'is marked');
sql('DELETE FROM item WHERE id = 3');
is(logged(), 'D|{"id": 3}|{"id": 3, "name": "pen", "note": null, "price": 2.50}', 'a deleted row');
sql('TRUNCATE item');
is(logged(), 'T', 'TRUNCATE');
sql('INSERT INTO item SELECT 1 WHERE false; UPDATE item SET note = id; DELETE FROM item');
is(logged(), '', 'statements without rows');

# --- However it is made

sql("COPY item FROM STDIN;\n1\ta\t1\t\\N\n2\tb\t2\t\\N\n\\.\n");
is(sql("SELECT count(*) FROM dbm_trail.change WHERE change_id > $seen"), 2, 'COPY');
logged();
sql("INSERT INTO item VALUES (1, 'x'), (9, 'new') ON CONFLICT (id) DO UPDATE SET name = excluded.name");
is(logged(), <<'ROWS' =~ s/\n\z//r, 'ON CONFLICT');
U|{"id": 1}|{"name": "a"}|{"name": "x"}
I|{"id": 9}|{"id": 9, "name": "new", "note": null, "price": null}
ROWS
sql(<<'SQL');
MERGE INTO item USING (VALUES (1), (2), (7)) v(id) ON item.id = v.id
WHEN MATCHED AND v.id = 1 THEN DELETE
WHEN MATCHED THEN UPDATE SET note = 'merged'
WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'merged')
SQL
is(join("\n", sort split /\n/, logged()), <<'ROWS' =~ s/\n\z//r, 'MERGE');
D|{"id": 1}|{"id": 1, "name": "x", "note": null, "price": 1.00}
I|{"id": 7}|{"id": 7, "name": "merged", "note": null, "price": null}
U|{"id": 2}|{"note": null}|{"note": "merged"}
ROWS
sql("WITH gone AS (DELETE FROM item WHERE id = 7 RETURNING *) INSERT INTO item SELECT 70, name FROM gone");
is(join("\n", sort split /\n/, logged()), <<'ROWS' =~ s/\n\z//r, 'statements within a statement');
D|{"id": 7}|{"id": 7, "name": "merged", "note": null, "price": null}
I|{"id": 70}|{"id": 70, "name": "merged", "note": null, "price": null}
ROWS
sql(q{DO $$ BEGIN UPDATE item SET price = 10 WHERE id = 70; UPDATE item SET price = 11 WHERE id = 70; END $$});
is(logged(), <<'ROWS' =~ s/\n\z//r, 'a row that changes twice in one statement of the client');
U|{"id": 70}|{"price": null}|{"price": 10.00}
U|{"id": 70}|{"price": 10.00}|{"price": 11.00}
ROWS
sql(<<'SQL');
BEGIN;
UPDATE item SET note = 'a' WHERE id = 70;
SAVEPOINT s;
UPDATE item SET note = 'b' WHERE id = 70;
ROLLBACK TO s;
UPDATE item SET note = 'c' WHERE id = 70;
COMMIT;
SQL
is(logged(), <<'ROWS' =~ s/\n\z//r, 'what was rolled back is not there');
U|{"id": 70}|{"note": null}|{"note": "a"}
U|{"id": 70}|{"note": "a"}|{"note": "c"}
ROWS
is(sql(q{SELECT count(*) FROM dbm_trail.change c LEFT JOIN dbm_trail.activity a USING (activity_id) WHERE a.activity_id IS NULL}), 0,
	'every change has who made it');
sql("BEGIN; UPDATE item SET note = 'd' WHERE id = 70; PREPARE TRANSACTION 'p'");
sql("COMMIT PREPARED 'p'");
is(logged(), 'U|{"id": 70}|{"note": "c"}|{"note": "d"}', 'in two phases');
sql("SET session_replication_role = replica; UPDATE item SET note = 'e' WHERE id = 70");
is(logged(), 'U|{"id": 70}|{"note": "d"}|{"note": "e"}', 'as replication does');

sql(<<'SQL');
CREATE TABLE part (item int REFERENCES item ON DELETE CASCADE ON UPDATE CASCADE, no int, PRIMARY KEY (no, item));
INSERT INTO part VALUES (70, 1), (70, 2);
SELECT dbm.install_audit_trigger('part');
UPDATE item SET id = 71 WHERE id = 70;
DELETE FROM item WHERE id = 71;
SQL
is(join("\n", sort split /\n/, logged()), <<'ROWS' =~ s/\n\z//r, 'foreign keys that cascade, and keys of two columns');
D|{"id": 71}|{"id": 71, "name": "merged", "note": "e", "price": 11.00}
D|{"no": 1, "item": 71}|{"no": 1, "item": 71}
D|{"no": 2, "item": 71}|{"no": 2, "item": 71}
U|{"id": 70}|{"id": 70}|{"id": 71}
U|{"no": 1, "item": 70}|{"item": 70}|{"item": 71}
U|{"no": 2, "item": 70}|{"item": 70}|{"item": 71}
ROWS

# --- Bytes, not what the type calls equal

# A server may have been built without ICU; what is equal by it is then not tried.
sql('CREATE COLLATION nocase (' . (sql(q{SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'de-x-icu')}) eq 't' ? q{provider = icu, locale = 'und-u-ks-level2', deterministic = false} : q{locale = 'C'}) . ')');
sql(<<'SQL');
CREATE TABLE image (id int PRIMARY KEY, n numeric, t text COLLATE nocase, j json, p point, f float8);
SELECT dbm.install_audit_trigger('image');
INSERT INTO image VALUES (1, 1.0, 'foo', '{"a": 1}', '(1,2)', 0);
SQL
logged();
sql(q{UPDATE image SET n = 1.00, t = 'Foo', j = '{"a":1}', f = '-0'});
is(logged(), 'U|{"id": 1}|{"f": 0, "j": "{\"a\": 1}", "n": 1.0, "t": "foo"}|{"f": "-0", "j": "{\"a\":1}", "n": 1.00, "t": "Foo"}', 'what is equal and not the same is a change');

# --- Every type, whatever the settings

# Nor may it have been with libxml.
my $xml = ($node->psql('postgres', q{SELECT '<a/>'::xml}))[0] == 0 ? 'xml' : 'text';
sql(<<'SQL' =~ s/\bx xml\b/x $xml/r);
CREATE TYPE mood AS ENUM ('sad', 'hap"py');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN cents AS int CHECK (VALUE >= 0);
CREATE TABLE every (
	id bigint PRIMARY KEY, b boolean, i2 smallint, i4 int, o oid, f4 float4, f8 float8, n numeric, t text, v varchar(9), c char(5),
	nm name, ba bytea, u uuid, d date, ti time, tz timetz, ts timestamp, tt timestamptz, iv interval, js json, jb jsonb,
	e mood, p pair, dc cents, ai int[], af float8[], at timestamptz[], r tstzrange, m money, rc regclass, x xml, pt point, bits bit(3),
	ip inet, ch "char");
SELECT dbm.install_audit_trigger('every', store => 'full');
SQL
my $values = q{true, -32768, 2147483647, 4294967295, 0.1::float4, 0.1234567890123456, 12345678901234567890.1234567890, e'a"b\\\\c\n\u00e9', 'v', 'c',
	'name', '\xdeadbeef', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '0044-03-15 BC', '24:00', '01:02:03.5+05:30', '2026-02-29'::date - 1 + time '01:02:03.000001', '2026-11-26 01:02:03+05:30',
	'1 year -2 days 03:04:05.6', '{"b": 1, "a": [1, 2 ]}', '{"b": 1.50, "a": [null, {"c": "d"}]}',
	'hap"py', '(1,"x y")', 5, '{{1,2},{3,4}}', '{0.1,NaN}', '{2026-11-26 00:00:00+00}', '[2026-11-26 00:00:00+00,)', 12.34::money, 'item', '<a>b</a>', '(0.1,2)', '101', '10.0.0.1/8', 'z'};
$values =~ s/'2026-02-29'::date - 1/'2026-02-28'::date/;
my %settings = (
	1 => '',
	2 => q{SET DateStyle = 'SQL, DMY'; SET IntervalStyle = iso_8601; SET TimeZone = 'America/New_York'; SET extra_float_digits = -10; SET bytea_output = escape; SET search_path = pg_catalog, public; SET xmloption = document; SET lc_monetary = 'C';},
	3 => q{SET DateStyle = 'German'; SET IntervalStyle = sql_standard; SET TimeZone = '+13:45'; SET extra_float_digits = 3; SET search_path = public, pg_temp;},
);
for my $id (1 .. 3)
{
	my $row = $values;
	sql("$settings{1} INSERT INTO every VALUES ($id, $row)");
	sql("$settings{$id} UPDATE every SET b = NOT b WHERE id = $id; UPDATE every SET b = NOT b WHERE id = $id; DELETE FROM every WHERE id = $id");
}
is(sql("SELECT count(DISTINCT (old - 'id')::text) FROM dbm_trail.change WHERE change_id > $seen AND operation = 'D'"), 1, 'settings of the session change nothing');
is(sql("SELECT count(*) FROM dbm_trail.change WHERE change_id > $seen"), 12, 'of twelve changes');
# What is stored is what jsonb itself would store of the same text, byte for byte.
is(sql(<<"SQL"), 0, 'and it is stored as the server stores it');
SELECT count(*) FROM dbm_trail.change c, LATERAL (VALUES (key), (old), (new)) v(j)
WHERE j IS NOT NULL AND NOT record_image_eq(ROW(j), ROW(j::text::jsonb))
SQL
my $native = sql(<<"SQL");
SET TimeZone = 'UTC';
WITH logged AS (SELECT new FROM dbm_trail.change WHERE change_id > $seen AND operation = 'I' ORDER BY change_id LIMIT 1),
made AS (SELECT to_jsonb(r) AS row FROM (SELECT 1::bigint AS id, $values) r)
SELECT string_agg(key, ' ' ORDER BY key) FROM logged, jsonb_each(new) l WHERE key IN ('b','i2','i4','f4','f8','n','t','u','d','ts','tt') AND jsonb_typeof(value) IN ('string','number','boolean')
SQL
is($native, 'b d f4 f8 i2 i4 n t ts tt u', 'the plain types are plain');
sql("INSERT INTO every VALUES (4, $values)");
is(sql(<<"SQL"), 0, 'they are what to_jsonb() makes of them in UTC');
SET TimeZone = 'UTC'; SET search_path = ''; SET IntervalStyle = postgres; SET extra_float_digits = 1;
SELECT count(*) FROM (SELECT new FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1) c, public.every whole, jsonb_each(to_jsonb(whole)) j
WHERE whole.id = 4 AND j.key NOT IN ('js', 'ai', 'af', 'at', 'p', 'o', 'm', 'tz', 'r') AND new -> j.key IS DISTINCT FROM j.value
SQL
# And they give the row back: all types by their text, jsonb as it is.
is(sql(<<'SQL'), 't', 'the row can be made again, byte for byte');
SET TimeZone = 'UTC'; SET search_path = ''; SET lc_monetary = 'C';
SELECT format('SELECT record_image_eq(whole, ROW(%s)) FROM public.every whole WHERE id = 4', string_agg(
	CASE WHEN a->>'type' = 'pg_catalog.jsonb' THEN format('(%L::pg_catalog.jsonb)', c.new->(a->>'name'))
	     ELSE format('%L::%s', c.new->>(a->>'name'), a->>'type') END, ', ' ORDER BY (a->>'number')::int))
FROM (SELECT * FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1) c JOIN dbm_trail.shape s USING (shape_id), jsonb_array_elements(s.attributes) a \gexec
SQL
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');

# Specials, and JSON of every form.
sql(<<'SQL');
CREATE TABLE special (id int PRIMARY KEY, f8 float8, f4 float4, n numeric, d date, ts timestamp, tt timestamptz, j jsonb);
SELECT dbm.install_audit_trigger('special');
INSERT INTO special VALUES (1, 'NaN', '-Infinity', 'NaN', 'infinity', '-infinity', 'infinity', '5'), (2, 1e300, 1e-40, 'Infinity', '294276-01-01', '4713-01-01 BC', '294276-12-31 23:59:59.999999+00', '"s"'),
	(3, 5e-324, 16777216, 1e-1000, '0001-12-31 BC', '0001-01-01', '2000-01-01 00:00:00.1+00', 'null'), (4, -1.5, 0.3, 1e1000, NULL, NULL, NULL, '{}'),
	(5, 123456789012345680, 3.4028235e38, 0.000, NULL, NULL, NULL, '[]'), (6, 1e15, 1e6, -10000, NULL, NULL, NULL, '[1,[2,{"a":true}]]');
SQL
is(sql(<<"SQL"), 0, 'specials and JSON of every form are what the server makes of them');
SET TimeZone = 'UTC';
SELECT count(*) FROM dbm_trail.change c JOIN special s ON s.id = (c.key->>'id')::int, jsonb_each(to_jsonb(s)) j
WHERE c.change_id > $seen AND NOT record_image_eq(ROW(new -> j.key), ROW(j.value))
SQL
is(sql("SELECT count(*) FROM dbm_trail.change WHERE change_id > $seen AND NOT record_image_eq(ROW(new), ROW(new::text::jsonb))"), 0, 'to the byte');
logged();

# --- Wide, long, and stored elsewhere

sql(<<'SQL');
CREATE TABLE wide (id int PRIMARY KEY, long text, other text, n int);
ALTER TABLE wide ALTER long SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL;
SELECT dbm.install_audit_trigger('wide');
INSERT INTO wide VALUES (1, repeat('x', 100000), repeat('y', 100000), 1);
-- What it counted is not to come after the reset.
SELECT pg_stat_force_next_flush();
SQL
logged();
sql('SELECT pg_stat_reset(); SELECT pg_stat_force_next_flush()');
sql('CHECKPOINT; UPDATE wide SET n = 2');
is(logged(), 'U|{"id": 1}|{"n": 1}|{"n": 2}', 'a long value that did not change is not logged');
is(sql(q{SELECT coalesce(heap_blks_read, 0) >= 0 AND coalesce(toast_blks_read + toast_blks_hit, 0) = 0 FROM pg_statio_user_tables WHERE relname = 'wide'}), 't', 'nor fetched');
sql(q{UPDATE wide SET long = long || 'z'});
is(sql("SELECT length(old->>'long'), length(new->>'long'), new ? 'other' FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1"), '100000|100001|f', 'one that changed is logged whole');
sql('CREATE TABLE columns (id int PRIMARY KEY, ' . join(', ', map { "c$_ int" } 1 .. 100) . ')');
sql("SELECT dbm.install_audit_trigger('columns')");
sql('INSERT INTO columns (id, c50) VALUES (1, 7)');
is(sql('SELECT count(*) FILTER (WHERE NOT record_image_eq(ROW(new), ROW(new::text::jsonb))), count(*) FROM dbm_trail.change ORDER BY 1 DESC'), '0|' . sql('SELECT count(*) FROM dbm_trail.change'), 'a hundred columns');
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');

# --- Many rows

sql('CREATE TABLE many (id int PRIMARY KEY, v text)');
sql("SELECT dbm.install_audit_trigger('many')");
my $before = sql('SELECT pg_current_xact_id()');
sql("INSERT INTO many SELECT i, 'v' || i FROM generate_series(1, 50000) i; UPDATE many SET v = v || 'x'; DELETE FROM many WHERE id % 2 = 0");
cmp_ok(sql('SELECT pg_current_xact_id()') - $before, '<=', 5, 'no transaction number a row');
is(sql("SELECT string_agg(format('%s %s', operation, n), ', ' ORDER BY operation) FROM (SELECT operation, count(*) n FROM dbm_trail.change WHERE change_id > $seen GROUP BY 1) c"), 'D 25000, I 50000, U 50000', 'in batches');
is(sql(qq{SELECT count(*) FROM dbm_trail.change WHERE change_id > $seen AND operation = 'U' AND (old->>'v' <> 'v' || (key->>'id') OR new->>'v' <> 'v' || (key->>'id') || 'x')}), 0, 'each before paired with its after');
is(sql("SELECT count(*) FROM dbm_trail.change WHERE key_hash IS DISTINCT FROM jsonb_hash_extended(key, 0)"), 0, 'found by the hash of its key');
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');

# --- What is asked for

sql('CREATE TABLE person (id int PRIMARY KEY, name text, "Secret ""x""" text, ssn text, seen timestamptz)');
is(refused(q{SELECT dbm.install_audit_trigger('person', exclude => '{nope}')}), '42703: table public.person has no column nope', 'no such column');
is(refused(q{SELECT dbm.install_audit_trigger('person', exclude => '{id}')}), '22023: column id of public.person cannot be left out of its audit trail', 'the key cannot be left out');
is(refused(q{SELECT dbm.install_audit_trigger('person', store => 'some')}), '22023: store of an audit trail cannot be "some"', 'no such store');
is(refused(q{SELECT dbm.install_audit_trigger('pg_class')}), '0A000: table pg_catalog.pg_class cannot have an audit trail', 'no catalogs');
is(refused(q{CREATE TEMP TABLE x (a int); SELECT dbm.install_audit_trigger('x')}) =~ s/pg_temp_\d+/T/r, '0A000: temporary table T.x cannot have an audit trail', 'nothing temporary');
is(refused(q{CREATE VIEW w AS SELECT 1; SELECT dbm.install_audit_trigger('w')}), '42809: public.w is not a table', 'no views');
sql(q{SELECT dbm.install_audit_trigger('person', exclude => '{"Secret \"x\"", seen}', redact => '{ssn}', query => true)});
sql(q{SET application_name = 'pay roll'; INSERT INTO person VALUES (1, 'Ada', 's', '123', now()), (2, 'Bob', 's', '123', now()), (3, 'Cy', 's', '124', now())});
my @redacted = split /\n/, sql("SELECT new FROM dbm_trail.change WHERE change_id > $seen ORDER BY change_id");
like($redacted[0], qr/^\{"id": 1, "ssn": "redacted:[0-9a-f]{32}", "name": "Ada"\}$/, 'left out and redacted');
is(join(' ', map { /redacted:(\w+)/ ? $1 : '' } @redacted[0, 1]) =~ /^(\w+) \1$/ ? 'same' : 'other', 'same', 'equal for equal');
my ($first_hash, $third_hash) = map { /redacted:(\w+)/ } @redacted[0, 2];
isnt($third_hash, $first_hash, 'and only for them');
logged();
sql(q{UPDATE person SET "Secret ""x""" = 't', seen = now()});
is(logged(), '', 'what is left out alone is no change');
is(sql("SELECT query, application_name FROM dbm_trail.activity WHERE query IS NOT NULL ORDER BY activity_id LIMIT 1") =~ /^INSERT INTO person.*\|pay roll$/s, 1, 'the text of the query and who the client is');
sql('ALTER TABLE person RENAME ssn TO social');
sql('UPDATE person SET social = 9 WHERE id = 1');
like(logged(), qr/^U\|\{"id": 1\}\|\{"social": "redacted:\w{32}"\}\|\{"social": "redacted:\w{32}"\}$/, 'a renamed column stays redacted');
sql('ALTER TABLE person DROP COLUMN social, ADD born date; INSERT INTO person (id, name, born) VALUES (4, \'Di\', \'2001-02-03\')');
is(logged(), 'I|{"id": 4}|{"id": 4, "born": "2001-02-03", "name": "Di"}', 'dropped and added columns');
is(sql(q{SELECT string_agg(names, '; ' ORDER BY shape_id) FROM (SELECT shape_id, string_agg(a->>'name' || ':' || (a->>'logged'), ' ' ORDER BY (a->>'number')::int) AS names
	FROM dbm_trail.shape, jsonb_array_elements(attributes) a WHERE table_name = 'person' AND fingerprint <> 0 GROUP BY shape_id) s}),
	'id:yes name:yes Secret "x":no ssn:redacted seen:no; id:yes name:yes Secret "x":no social:redacted seen:no; id:yes name:yes Secret "x":no seen:no born:yes', 'each shape is known');
sql('ALTER TABLE person RENAME TO human; UPDATE human SET name = \'Dee\' WHERE id = 4');
is(sql('SELECT count(DISTINCT relation_id), count(DISTINCT table_name) FROM dbm_trail.shape WHERE table_name IN (\'person\', \'human\')'), '1|2', 'a renamed table is the same relation');
is(sql(q{SELECT table_name FROM dbm_trail.relation WHERE relid = 'human'::regclass}), 'human', 'by its new name');

# Without a key the row is the key.
sql("CREATE TABLE keyless (a int, b text); SELECT dbm.install_audit_trigger('keyless'); INSERT INTO keyless VALUES (1, 'x')");
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');
sql("UPDATE keyless SET b = 'y'; DELETE FROM keyless");
is(logged(), <<'ROWS' =~ s/\n\z//r, 'without a key the whole row is it');
U|{"a": 1, "b": "x"}|{"b": "x"}|{"b": "y"}
D|{"a": 1, "b": "y"}|{"a": 1, "b": "y"}
ROWS

# --- Who

sql(<<'SQL');
CREATE ROLE app LOGIN; GRANT ALL ON item TO app; CREATE ROLE boss; GRANT boss TO app; GRANT ALL ON item TO boss; GRANT USAGE ON SCHEMA dbm TO app;
GRANT EXECUTE ON FUNCTION dbm.set_context(text, text), dbm.context() TO app, boss; GRANT USAGE ON SCHEMA dbm TO boss;
CREATE FUNCTION as_owner() RETURNS void LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC UPDATE item SET note = 'definer'; END;
TRUNCATE item CASCADE;
SQL
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');
$node->safe_psql('postgres', <<'SQL', extra_params => [ '-U', 'app' ]);
SET dbm_trail.actor = 'liar';
BEGIN;
INSERT INTO item VALUES (1, 'a');
SELECT dbm.set_context('user', 'mira');
UPDATE item SET name = 'b';
UPDATE item SET name = 'bb';
SET ROLE boss;
UPDATE item SET name = 'c';
SELECT as_owner();
SAVEPOINT s;
SELECT dbm.set_context('user', 'nobody');
ROLLBACK TO s;
UPDATE item SET name = 'd';
COMMIT;
UPDATE item SET name = 'e';
SQL
is(sql("SELECT string_agg(format('%s %s %s %s', session_user_name, outer_user_name, current_user_name, context), E'\\n' ORDER BY change_id) FROM dbm_trail.change c JOIN dbm_trail.activity a USING (activity_id) WHERE change_id > $seen"),
	<<"ROWS" =~ s/\n\z//r, 'who, as whom, with whose rights, and what the application says');
app app app {}
app app app {"user": "mira"}
app app app {"user": "mira"}
app boss boss {"user": "mira"}
app boss ${\sql('SELECT current_user')} {"user": "mira"}
app boss boss {"user": "mira"}
app boss boss {}
ROWS
is(sql("SELECT count(DISTINCT activity_id) FROM dbm_trail.change WHERE change_id > $seen"), 6, 'a row only where that changes, or something was rolled back');
is(sql("SELECT dbm.context()"), '{}', 'the context ends with the transaction');

# One row for a session, as long as nothing of it changes and it is sure to be there.
sub activities {
	my ($script, @more) = @_;
	my $from = sql('SELECT max(change_id) FROM dbm_trail.change');
	$node->safe_psql('postgres', $script, @more);
	is(sql("SELECT count(*) FROM dbm_trail.change c LEFT JOIN dbm_trail.activity a USING (activity_id) WHERE change_id > $from AND a.activity_id IS NULL"), 0, 'every change has who made it');
	is(sql("SELECT count(*) FROM dbm_trail.change c WHERE change_id > $from AND transaction_started_at > changed_at"), 0, 'and when its transaction began');
	return sql("SELECT count(DISTINCT transaction_id) || ' ' || count(DISTINCT transaction_started_at) || ' ' || count(DISTINCT activity_id) FROM dbm_trail.change WHERE change_id > $from");
}
my $thrice = "UPDATE item SET note = 's1'; UPDATE item SET note = 's2'; UPDATE item SET note = 's3';";
is(activities($thrice =~ s/; /;\n/gr), '3 3 1', 'three transactions of a session share it');
is(activities("BEGIN;\nUPDATE item SET note = 'r1';\nROLLBACK;\nUPDATE item SET note = 'r2';\nUPDATE item SET note = 'r3';"), '2 2 1', 'one that was rolled back takes it along');
is(activities("BEGIN;\nSAVEPOINT s;\nUPDATE item SET note = 'r4';\nROLLBACK TO s;\nUPDATE item SET note = 'r5';\nCOMMIT;\nUPDATE item SET note = 'r6';"), '2 2 1', 'so does a subtransaction');
is(activities("UPDATE item SET note = 'r7';\nBEGIN;\nSAVEPOINT s;\nSET ROLE app;\nUPDATE item SET note = 'r8';\nROLLBACK;\nUPDATE item SET note = 'r9';"), '2 2 2', 'who it was before is written again');
is(activities("BEGIN;\nUPDATE item SET note = 'p1';\nPREPARE TRANSACTION 'p';\nUPDATE part SET no = no + 10;\nROLLBACK PREPARED 'p';\nUPDATE item SET note = 'p2';"), '1 1 1', 'what is prepared may be rolled back');
my $here = sql("SELECT to_char(now() AT TIME ZONE 'UTC', '\"dbm_trail.activity_\"YYYY_MM')");
for my $how ('TRUNCATE dbm_trail.activity', "ALTER TABLE dbm_trail.activity DETACH PARTITION $here") {
	is($node->safe_psql('postgres', <<"SQL"), 'there', "not where it would go with the log: $how");
UPDATE item SET note = 'here';
BEGIN;
SET LOCAL dbm.ddl_guard = off;
SET LOCAL client_min_messages = error;
$how;
UPDATE item SET note = 'gone?';
SELECT CASE WHEN count(*) = 0 THEN 'there' ELSE 'gone' END FROM dbm_trail.change c LEFT JOIN dbm_trail.activity a USING (activity_id)
	WHERE a.activity_id IS NULL AND c.transaction_id = pg_current_xact_id()::text::bigint;
ROLLBACK;
SQL
}
is(activities("UPDATE human SET name = name || 'x' WHERE id = 4;\n" x 2), '2 2 1', 'the text of a query stands once as well');
my $text = 'y' x 70_000;
is(activities("UPDATE human SET name = name || '$text' WHERE id = 4;\n" x 2), '2 2 2', 'but a long one is not kept for the next transaction');
is(sql("BEGIN; SELECT dbm.set_context('a', 'b'); SELECT dbm.set_context('c', 'd'); SELECT dbm.set_context('a', NULL); SELECT dbm.context()") =~ s/\n//gr, '{"c": "d"}', 'entries can be taken back');
is(refused("SELECT dbm.set_context('a', repeat('x', 9000))"), '54000: the context of a transaction must not have more than 8192 bytes', 'not too much');

# Order is that of the row's locks, not of the clock at BEGIN.
my $first = $node->background_psql('postgres', on_error_stop => 1);
$first->query_safe('BEGIN');
$first->query_safe('SELECT now()');
sql("UPDATE item SET note = 'second to begin'");
$first->query_safe("UPDATE item SET note = 'first to begin'");
$first->query_safe('COMMIT');
$first->quit;
is(sql("SELECT string_agg(new->>'note', ', ' ORDER BY change_id) FROM (SELECT * FROM dbm_trail.change ORDER BY change_id DESC LIMIT 2) c"), 'second to begin, first to begin', 'in the order in which rows were changed');

# Numbers are taken many at once, and yet in that order: what a statement did not use, no later one uses.
sql("CREATE TABLE tally (id int PRIMARY KEY, n int); INSERT INTO tally SELECT i, 0 FROM generate_series(1, 250) i; SELECT dbm.install_audit_trigger('tally')");
my ($one, $other) = map { $node->background_psql('postgres', on_error_stop => 1) } 1, 2;
for my $round (1 .. 3)
{
	$one->query_safe("BEGIN; UPDATE tally SET n = n + 1 WHERE id <= 5");
	$other->query_safe("BEGIN; UPDATE tally SET n = n + 1 WHERE id > 100");
	$other->query_until(qr/waits/, "\\echo waits\nUPDATE tally SET n = n + 1 WHERE id = 3;\n");
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE tally%'});
	$one->query_safe("UPDATE tally SET n = n + 1 WHERE id <= 6; COMMIT");
	$other->query_safe('COMMIT');
}
$_->quit for $one, $other;
is(sql(<<'SQL'), '486|0', 'numbers taken many at once are in the order of the locks');
SELECT count(*), count(*) FILTER (WHERE before <> last)
FROM (SELECT (old->>'n')::int AS before, coalesce(lag((new->>'n')::int) OVER (PARTITION BY c.key ORDER BY change_id), 0) AS last
	FROM dbm_trail.change c JOIN dbm_trail.shape USING (shape_id) WHERE table_name = 'tally') x
SQL
is(sql("SELECT count(*) FROM dbm_trail.change GROUP BY change_id HAVING count(*) > 1"), '', 'each its own');
is(sql(q{SELECT string_agg(new->>'n', ' ') FROM dbm.row_history('tally', '{"id": 3}')}), '1 2 3 4 5 6 7 8 9', 'and so its history is told');
sql("SELECT dbm.remove_audit_trigger('tally'); DROP TABLE tally");
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');

# --- Removed, installed again

is(sql("SELECT dbm.remove_audit_trigger('item'), dbm.remove_audit_trigger('item')"), 't|f', 'taken out');
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');
sql("UPDATE item SET note = 'unseen'");
is(logged(), '', 'nothing is logged any more');
sql("SELECT dbm.install_audit_trigger('item'); UPDATE item SET note = 'seen'");
is(sql("SELECT count(DISTINCT relation_id) FROM dbm_trail.shape WHERE table_name = 'item'"), 1, 'put back it is the same relation');
is(sql("SELECT problem IS NULL, level FROM dbm.audit_triggers() WHERE table_name = 'public.item'"), 't|statement', 'and listed');
is(sql("SELECT string_agg(kind, ' ' ORDER BY event_id) FROM dbm_trail.event JOIN dbm_trail.relation USING (relation_id) WHERE table_name = 'item'"), 'installed removed installed', 'with what became of it');

# --- What others look rows up by: long rows, and a shape that went with a prepared transaction

sql(q{CREATE TABLE long (id int PRIMARY KEY, t text); SELECT dbm.install_audit_trigger('long'); INSERT INTO long VALUES (0, 'short')});
sql(q{SELECT brin_summarize_new_values(i.indexrelid) FROM pg_index i WHERE i.indrelid = (SELECT tableoid FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1)});
sql(q{INSERT INTO long SELECT i, CASE WHEN i % 2 = 0 THEN (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 100)) ELSE 'short' END FROM generate_series(1, 20) AS i});
is(sql(q{SET enable_seqscan = off; SELECT count(*) FROM dbm.changes('long')}), 21, 'all are found through the index');
is(sql(q{SET enable_seqscan = off; SELECT count(*) FROM generate_series(1, 20) AS i, dbm.row_history('long', jsonb_build_object('id', i))}), 20, 'each by its key');
# Ranges of pages get their summaries while rows are added to them: what is added later, and what is being added, is in them.
sql('CREATE TABLE ranged (id int PRIMARY KEY, t text); SELECT dbm.install_audit_trigger($$ranged$$)');
my $open = $node->background_psql('postgres', on_error_stop => 1);
$open->query_safe("BEGIN; INSERT INTO ranged SELECT i, repeat('x', 500) FROM generate_series(1, 1500) i");
my $summarise = q{SELECT brin_summarize_new_values(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
	WHERE a.amname = 'brin' AND i.indrelid = (SELECT tableoid FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1)};
sql($summarise);
$open->query_safe("INSERT INTO ranged SELECT i, repeat('x', 500) FROM generate_series(1501, 1700) i; COMMIT");
sql("INSERT INTO ranged VALUES ($_, 'x')") for 1701 .. 1710;
sql("INSERT INTO ranged SELECT i, repeat('x', 500) FROM generate_series(1711, 2500) i");
sql($summarise);
sql("INSERT INTO ranged VALUES (2501, 'x')");
$open->quit;
is(sql(q{SET enable_seqscan = off; SELECT count(*) FROM generate_series(1, 2501, 60) AS i, dbm.row_history('ranged', jsonb_build_object('id', i))}), 42, 'all are found by summaries');
is(sql(q{SET enable_seqscan = off; SELECT count(*) FROM generate_series(1695, 1715) AS i, dbm.row_history('ranged', jsonb_build_object('id', i))}), 21, 'also those around them');
sql('DROP TABLE ranged');
sql(q{ALTER TABLE long ADD COLUMN n int});
sql(q{BEGIN; INSERT INTO long VALUES (100, 'x'); PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'; INSERT INTO long VALUES (101, 'y')});
is(sql(q{SELECT count(*) FROM dbm.changes('long') WHERE key = '{"id": 101}'}), 1, 'what came after is told');
sql(q{DROP TABLE long});

# --- A watched table becomes a partition of a watched one, and is one no more

sql(q{CREATE SCHEMA pair; CREATE TABLE pair.o (id int, at date) PARTITION BY RANGE (at); SELECT count(*) FROM dbm.install_audit_triggers('{pair}')});
sql(q{CREATE TABLE pair.o1 (LIKE pair.o); INSERT INTO pair.o1 VALUES (1, '2026-01-01')});
sql(q{ALTER TABLE pair.o ATTACH PARTITION pair.o1 FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')});
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');
sql(q{INSERT INTO pair.o VALUES (2, '2026-01-02'); UPDATE pair.o1 SET id = 3 WHERE id = 2; TRUNCATE pair.o1});
is(sql("SELECT string_agg(operation::text, '' ORDER BY change_id) FROM dbm_trail.change WHERE change_id > $seen"), 'IUT', 'each change is there once');
is(sql(q{SELECT string_agg(table_name || coalesce(problem, ''), ' ') FROM dbm.audit_triggers() WHERE table_name ~ '^pair'}), 'pair.o', 'the partitioned table is what is watched');
sql(q{ALTER TABLE pair.o DETACH PARTITION pair.o1});
is(refused('TRUNCATE pair.o1'), 'not refused', 'what was detached is free');
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');

# --- What a session remembers of the log and of roles, while they change under it

# Nor is the month to end meanwhile.
$node->poll_query_until('postgres', q{SELECT date_trunc('month', now() AT TIME ZONE 'UTC') = date_trunc('month', now() AT TIME ZONE 'UTC' + interval '2 minutes')}) or die 'the month does not end';
my $month = sql("SELECT 'dbm_trail.change_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')");
is(sql(<<"SQL"), "dbm_trail.change_default\n$month", 'rows go to the partition that takes them now');
BEGIN;
UPDATE item SET note = 'here';
ALTER TABLE dbm_trail.change DETACH PARTITION $month;
UPDATE item SET note = 'elsewhere';
SELECT tableoid::regclass FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1;
ROLLBACK;
UPDATE item SET note = 'here again';
SELECT tableoid::regclass FROM dbm_trail.change ORDER BY change_id DESC LIMIT 1;
SQL
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');
is(sql(<<"SQL"), "${month}: plain", 'an index of somebody is told of new rows');
CREATE UNIQUE INDEX plain ON $month (change_id);
INSERT INTO item SELECT i, 'many' FROM generate_series(1000, 1250) i;
SET enable_seqscan = off; SET enable_bitmapscan = off;
SELECT '$month: ' || CASE WHEN count(*) = 251 THEN 'plain' ELSE count(*)::text END FROM $month WHERE change_id > $seen;
DROP INDEX dbm_trail.plain;
SQL
like(refused("CREATE INDEX bad ON $month ((old->>'x')); UPDATE item SET note = 1"), qr/^55000: cannot write to \Q$month\E, which is not as dbmastery made it$/,
	'but one on an expression is not put up with');
sql('DROP INDEX dbm_trail.bad');
is(sql(<<'SQL'), 'after, before', 'a role has the name that it has now');
CREATE ROLE before; GRANT ALL ON item TO before;
SET ROLE before; UPDATE item SET note = 'before'; RESET ROLE;
ALTER ROLE before RENAME TO after;
SET ROLE after; UPDATE item SET note = 'after'; RESET ROLE;
SELECT string_agg(outer_user_name, ', ') FROM (SELECT * FROM dbm_trail.activity ORDER BY activity_id DESC LIMIT 2) a;
SQL
sql('DELETE FROM item WHERE id >= 1000; DROP OWNED BY after; DROP ROLE after');
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');

# --- The log itself

is(sql("SELECT string_agg(parent::text || ' ' || every, ', ' ORDER BY 1) FROM dbm.partition_set"), 'dbm_trail.activity 1 month, dbm_trail.change 1 month', 'its partitions are kept');
like(refused('ALTER TABLE dbm_trail.change RENAME new TO new2; UPDATE item SET note = 1'), qr/^55000: cannot write to dbm_trail.change, which is not as dbmastery made it$/, 'a log that was changed is not written');
sql('ALTER TABLE dbm_trail.change RENAME new2 TO new');
like(refused(q{CREATE INDEX bad ON dbm_trail.change_default ((old->>'x')); UPDATE item SET note = 1}), qr/^(55000|0A000)|not refused/, 'an index on an expression');
sql('DROP INDEX IF EXISTS dbm_trail.bad');
sql("DROP TABLE dbm_trail.change_" . sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')"));
$seen = 0;
sql("UPDATE item SET note = 'late'");
is(sql("SELECT new->>'note' FROM dbm_trail.change_default"), 'late', 'without its partition a change goes into the default one');
sql('ALTER TABLE dbm_trail.change DETACH PARTITION dbm_trail.change_default');
like(refused('UPDATE item SET note = id'), qr/^55000: cannot write to dbm_trail.change/, 'without that the write is refused');
is(sql('SELECT note FROM item'), 'late', 'and changes nothing');

done_testing();
