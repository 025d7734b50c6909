# Tables that inherit from others, under the audit trail: each is a table of its own, whose rows are logged under its name and by its
# key, by whichever table above it a statement comes; and the triggers are those that see such rows, as tables begin to inherit and
# end it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('inheritance');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nmax_worker_processes = 16");
$node->start;
$node->safe_psql('postgres', q{CREATE EXTENSION dbmastery; ALTER DATABASE postgres SET dbm.ddl_guard = 'off'});

sub sql { return $node->safe_psql('postgres', @_) }

my $seen = 0;

# What was logged since the last call: table, operation, key, old and new.
sub logged
{
	my $rows = sql("SELECT concat_ws('|', table_name, operation, c.key, old, new) FROM dbm_trail.change c JOIN dbm_trail.shape USING (shape_id) WHERE change_id > $seen ORDER BY table_name, change_id");
	$seen = sql('SELECT coalesce(max(change_id), 0) FROM dbm_trail.change');
	return $rows;
}

# At which level tables are watched, and what is wrong with it.
sub levels { return sql(q{SELECT string_agg(concat_ws(' ', substr(table_name, 8), level, problem), ', ' ORDER BY table_name) FROM dbm.audit_triggers()}) }

# --- Both watched, first as strangers

sql(<<'SQL');
CREATE TABLE above (id int PRIMARY KEY, v text);
-- Another order of columns, one more, and one that is gone.
CREATE TABLE below (gone int, v text, extra int DEFAULT 7, id int PRIMARY KEY);
ALTER TABLE below DROP COLUMN gone;
SELECT dbm.install_audit_trigger('above'), dbm.install_audit_trigger('below');
SQL
is(levels(), 'above statement, below statement', 'two tables');
sql('ALTER TABLE below INHERIT above');
is(levels(), 'above row, below row', 'one of which begins to inherit are watched row by row');
sql(q{INSERT INTO above VALUES (1, 'a'); INSERT INTO below (id, v) VALUES (1, 'b'), (2, 'c')});
is(logged(), <<'ROWS' =~ s/\n\z//r, 'rows are of the table that they are in');
above|I|{"id": 1}|{"v": "a", "id": 1}
below|I|{"id": 1}|{"v": "b", "id": 1, "extra": 7}
below|I|{"id": 2}|{"v": "c", "id": 2, "extra": 7}
ROWS
sql(q{UPDATE above SET v = v || '!', id = id + 10 WHERE id = 1});
is(logged(), <<'ROWS' =~ s/\n\z//r, 'also those that a statement on the table above them changes');
above|U|{"id": 1}|{"v": "a", "id": 1}|{"v": "a!", "id": 11}
below|U|{"id": 1}|{"v": "b", "id": 1}|{"v": "b!", "id": 11}
ROWS
sql('UPDATE ONLY above SET v = NULL; UPDATE below SET extra = 8 WHERE id = 2');
is(logged(), <<'ROWS' =~ s/\n\z//r, 'and those of one of both');
above|U|{"id": 11}|{"v": "a!"}|{"v": null}
below|U|{"id": 2}|{"extra": 7}|{"extra": 8}
ROWS
my $moment = sql('SELECT clock_timestamp()');
my $deletion = sql(q{BEGIN; DELETE FROM above; SELECT pg_current_xact_id(); COMMIT});
is(logged(), <<'ROWS' =~ s/\n\z//r, 'deleted');
above|D|{"id": 11}|{"v": null, "id": 11}
below|D|{"id": 11}|{"v": "b!", "id": 11, "extra": 7}
below|D|{"id": 2}|{"v": "c", "id": 2, "extra": 8}
ROWS
is(sql("SELECT string_agg(r::text, ' ') FROM dbm.rows_as_of(NULL::above, '$moment') r"), '(11,)', 'a table was its own rows');
is(sql("SELECT string_agg(r::text, ' ' ORDER BY id) FROM dbm.rows_as_of(NULL::below, '$moment') r"), '(c,8,2) (b!,7,11)', 'and the other its own');
is(sql(q{SELECT string_agg(operation, ' ') FROM dbm.row_history('above', '{"id": 11}')}), 'INSERT UPDATE UPDATE DELETE', 'so is a history, though another row has that key');
sql("CALL dbm.apply(" . sql("SELECT dbm.revert_plan($deletion)") . ')');
is(sql(q{SELECT string_agg(tableoid::regclass || whole::text, ' ' ORDER BY tableoid::regclass::text, id) FROM (SELECT tableoid, above AS whole, id FROM above) x}), 'above(11,) below(2,c) below(11,b!)', 'what one statement took is given back to each');
logged();
sql('TRUNCATE above');
is(logged(), "above|T\nbelow|T", 'TRUNCATE takes both');
sql("INSERT INTO above VALUES (1, 'a'); INSERT INTO below (id) VALUES (2); TRUNCATE ONLY above");
is(logged() =~ s/\|.*//gmr, "above\nabove\nbelow", 'or one of them');
sql(<<'SQL');
MERGE INTO below USING (VALUES (2), (3)) AS s (no) ON id = no WHEN MATCHED THEN UPDATE SET v = 'm' WHEN NOT MATCHED THEN INSERT (id, v) VALUES (no, 'n');
INSERT INTO below (id, v) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET v = excluded.v;
WITH gone AS (DELETE FROM above WHERE id = 3 RETURNING id) INSERT INTO above SELECT id + 1, 'went' FROM gone;
SQL
is(logged(), <<'ROWS' =~ s/\n\z//r, 'however it is made');
above|I|{"id": 4}|{"v": "went", "id": 4}
below|U|{"id": 2}|{"v": null}|{"v": "m"}
below|I|{"id": 3}|{"v": "n", "id": 3, "extra": 7}
below|U|{"id": 3}|{"v": "n"}|{"v": "x"}
below|D|{"id": 3}|{"v": "x", "id": 3, "extra": 7}
ROWS

# In the transaction in which it begins or ends, changes before and after it are there once.
sql(<<'SQL');
ALTER TABLE below NO INHERIT above;
TRUNCATE above, below;
SQL
like(levels(), qr/^above (?:row|statement), below statement$/, 'who inherits no more is watched by statements');
logged();
sql(<<'SQL');
BEGIN;
INSERT INTO below (id, v) VALUES (1, 'before');
UPDATE above SET v = 'not below';
ALTER TABLE below INHERIT above;
UPDATE above SET v = 'by above';
SAVEPOINT s;
ALTER TABLE below NO INHERIT above;
UPDATE below SET v = 'lost';
ROLLBACK TO s;
UPDATE above SET v = 'still by above';
ALTER TABLE below NO INHERIT above;
UPDATE above SET v = 'not below';
UPDATE below SET v = 'after';
COMMIT;
SQL
is(logged(), <<'ROWS' =~ s/\n\z//r, 'it begins, is taken back and ends in one transaction');
below|I|{"id": 1}|{"v": "before", "id": 1, "extra": 7}
below|U|{"id": 1}|{"v": "before"}|{"v": "by above"}
below|U|{"id": 1}|{"v": "by above"}|{"v": "still by above"}
below|U|{"id": 1}|{"v": "still by above"}|{"v": "after"}
ROWS
is(sql(q{SELECT count(*) FROM dbm_trail.event WHERE kind NOT IN ('installed', 'changed')}), 0, 'and nobody is told that triggers went');

# --- What inherits from a watched table is not watched by that

sql('DROP TABLE below; ALTER TABLE above RENAME TO parent; CREATE TABLE unseen () INHERITS (parent)');
sql(q{INSERT INTO parent VALUES (1, 'a'); INSERT INTO unseen VALUES (2, 'b')});
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');
$moment = sql('SELECT clock_timestamp()');
sql(q{UPDATE parent SET v = 'z'; DELETE FROM parent WHERE id = 2});
is(logged(), 'parent|U|{"id": 1}|{"v": "a"}|{"v": "z"}', 'of who is not watched nothing is logged');
is(sql("SELECT string_agg(r::text, ' ') FROM dbm.rows_as_of(NULL::parent, '$moment') r"), '(1,a)', 'nor said to have been in the table above it');
my ($code, $out, $error) = $node->psql('postgres', "SELECT * FROM dbm.as_of('unseen', '$moment')");
like($error, qr/table public\.unseen is not in the audit log/, 'nor anything of itself');
unlike(sql('SELECT string_agg(table_name, $$ $$) FROM dbm.audit_triggers()'), qr/unseen/, 'and it is not among those that are');
($code, $out, $error) = $node->psql('postgres', q{SELECT dbm.install_audit_trigger('parent', mode => 'statement')});
like($error, qr/triggers for statements would miss changes of table public\.parent/, 'statements alone would not do for the table above it');
# In schemas that are watched as a whole, it is.
sql(q{CREATE SCHEMA family; CREATE TABLE family.parent (id int PRIMARY KEY, v text); SELECT count(*) FROM dbm.install_audit_triggers('{family}'); CREATE TABLE family.child () INHERITS (family.parent)});
sql(q{INSERT INTO family.child VALUES (1, 'a')});
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');
sql(q{UPDATE family.parent SET v = 'b'});
is(logged(), 'child|U|{"v": "a", "id": 1}|{"v": "a"}|{"v": "b"}', 'in a schema that is watched it is, by its whole row: it inherited no key');
is(sql(q{SELECT string_agg(concat_ws(' ', table_name, level, problem), ', ' ORDER BY table_name) FROM dbm.audit_triggers() WHERE table_name ~ '^family'}), 'family.child row, family.parent row', 'row by row, as its parent from then on');

# --- What is watched of a table that is not

sql(q{CREATE TABLE stranger (id int PRIMARY KEY, v text); CREATE TABLE heir (id int PRIMARY KEY, v text); SELECT dbm.install_audit_trigger('heir'); INSERT INTO heir VALUES (1, 'a')});
sql('ALTER TABLE heir INHERIT stranger');
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');
sql(q{UPDATE stranger SET v = 'b'; TRUNCATE stranger});
is(logged(), "heir|U|{\"id\": 1}|{\"v\": \"a\"}|{\"v\": \"b\"}\nheir|T", 'what comes by a table that is not watched is seen');
# Over two tables, and by two ways.
sql(q{CREATE TABLE great (id int, v text); ALTER TABLE stranger INHERIT great; CREATE TABLE uncle (id int, v text); ALTER TABLE heir INHERIT uncle; INSERT INTO heir VALUES (2, 'c')});
$seen = sql('SELECT max(change_id) FROM dbm_trail.change');
sql(q{UPDATE great SET v = 'd'; UPDATE uncle SET v = 'e'; DELETE FROM great});
is(logged(), <<'ROWS' =~ s/\n\z//r, 'by whichever table');
heir|U|{"id": 2}|{"v": "c"}|{"v": "d"}
heir|U|{"id": 2}|{"v": "d"}|{"v": "e"}
heir|D|{"id": 2}|{"v": "e", "id": 2}
ROWS
sql('ALTER TABLE heir NO INHERIT stranger');
like(levels(), qr/heir row(?:,|$)/, 'while one table is above it, it stays so');
sql('ALTER TABLE heir NO INHERIT uncle');
like(levels(), qr/heir statement(?:,|$)/, 'and with none it ends');

# Triggers that were asked for by their level are not changed, and it is told that they do not see all.
sql(q{SELECT dbm.install_audit_trigger('heir', mode => 'statement'); ALTER TABLE heir INHERIT uncle});
like(levels(), qr/heir statement rows come that its statement triggers do not see/, 'triggers for statements that were asked for stay, and it is told');
sql(q{SELECT dbm.install_audit_trigger('heir')});
like(levels(), qr/heir row(?:,|$)/, 'until they are asked for anew');
sql('ALTER TABLE heir NO INHERIT uncle');
like(levels(), qr/heir statement(?:,|$)/, 'from when on they follow');

done_testing();
