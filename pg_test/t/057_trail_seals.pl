# Seals: whatever is altered, removed or added behind the log's back is found and named; nothing else is. Through
# transactions that take long, crashes, partitions that go, and a restore into another cluster.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Seals qw(digest_of_seal hash_of_event);
use Session;
use Test::More;
use Trail qw(copied_elsewhere found sql start tampered);

my $node = start('seals', "max_prepared_transactions = 2\nrestart_after_crash = on");
sub seal { return sql('SELECT coalesce(sum(changes), -1) FROM dbm.seal_audit_log()') }

sql(<<'SQL');
CREATE EXTENSION dbmastery;
CREATE TABLE account (id int PRIMARY KEY, owner text, balance numeric);
SELECT dbm.install_audit_trigger('account');
INSERT INTO account SELECT i, 'o' || i, i FROM generate_series(1, 20) i;
UPDATE account SET balance = balance + 1 WHERE id <= 10;
SQL
is(found(), '', 'without a seal nothing is wrong');
is(seal(), 30, 'what is there is sealed');
is(seal(), -1, 'nothing is new, and no seal is made');
is(found(), '', 'all is as it was');
# Now that all of the log is there. Partitions of months are the upkeep's.
is(sql(<<'SQL'), '', 'each table, column and sequence of the log says what it is for');
SELECT string_agg(concat_ws('.', c.relname, a.attname), ', ' ORDER BY c.relname, a.attnum)
FROM pg_class c
LEFT JOIN LATERAL (SELECT NULL::name AS attname, 0 AS attnum
	UNION ALL SELECT attname, attnum FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND c.relkind <> 'S' AND NOT c.relispartition) a ON true
WHERE c.relnamespace = 'dbm_trail'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S', 'f', 'm') AND c.relname !~ '_\d{4}_\d{2}$'
	AND coalesce(trim(CASE a.attnum WHEN 0 THEN obj_description(c.oid, 'pg_class') ELSE col_description(c.oid, a.attnum) END), '') = ''
SQL
is(sql(q{SELECT count(*) FROM pg_description d JOIN pg_class c ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid WHERE c.relnamespace = 'dbm_trail'::regnamespace AND c.relname IN ('change', 'activity', 'event', 'relation', 'shape', 'redaction', 'seal') AND d.objsubid = 0}), 7, 'all seven tables of it');
isnt(sql(q{SELECT obj_description('dbm_trail'::regnamespace, 'pg_namespace')}), '', 'and so does its schema');
my ($low, $middle, $high) = split /\|/, sql('SELECT min(change_id), min(change_id) + 7, max(change_id) FROM dbm_trail.change');
my $activity = sql('SELECT min(activity_id) FROM dbm_trail.activity');

is(tampered("UPDATE dbm_trail.change SET new = jsonb_set(new, '{balance}', '1.0') WHERE change_id = $low"), "altered|change|$low", 'a digit that changes nothing but how it is written');
is(tampered("UPDATE dbm_trail.change SET changed_at = changed_at + interval '1 microsecond' WHERE change_id = $middle"), "altered|change|$middle", 'a microsecond');
is(tampered("UPDATE dbm_trail.change SET changed_at = 'infinity' WHERE change_id = $middle"), "altered|change|$middle", 'all eternity');
is(tampered("UPDATE dbm_trail.activity SET happened_at = '-infinity' WHERE activity_id = $activity"), "altered|activity|$activity", 'or before all time');
is(sql("BEGIN; UPDATE dbm_trail.change SET transaction_started_at = 'infinity', changed_at = 'infinity' WHERE change_id = $middle; SELECT happened_at FROM dbm.verify_audit_log(); ROLLBACK"), 'infinity', 'which is told');
is(tampered("DELETE FROM dbm_trail.change WHERE change_id = $middle"), "removed|change|$middle", 'a row that is removed');
is(tampered("DELETE FROM dbm_trail.change WHERE change_id = $high"), "removed|change|$high", 'the last row');
is(tampered("UPDATE dbm_trail.change SET change_id = CASE change_id WHEN $low THEN $middle ELSE $low END WHERE change_id IN ($low, $middle)"),
	"altered|change|$low,altered|change|$middle", 'two rows whose order is swapped');
is(tampered("INSERT INTO dbm_trail.change SELECT * FROM dbm_trail.change WHERE change_id = $low"), "added|change|$low", 'a row that is doubled');
my $next = sql("SELECT nextval('dbm_trail.change_id')");
is(tampered("INSERT INTO dbm_trail.change SELECT $next, changed_at, activity_id, transaction_id, transaction_started_at, shape_id, statement_no, operation, flags, key, key_hash, old, new FROM dbm_trail.change WHERE change_id = $low"), "added|change|$next", 'a row that is added to a transaction that is over');
is(tampered("UPDATE dbm_trail.activity SET session_user_name = 'mallory' WHERE activity_id = $activity"), "altered|activity|$activity", 'who it was');
is(tampered("UPDATE dbm_trail.shape SET attributes = jsonb_set(attributes, '{1,name}', '\"x\"') WHERE fingerprint <> 0"), 'altered|shape|' . sql('SELECT shape_id FROM dbm_trail.shape WHERE fingerprint <> 0'), 'what a column was called');
like(tampered('DELETE FROM dbm_trail.change'), qr/removed\|change\|$low,/, 'the whole log');
is(sql('SELECT count(*), bool_and(digest = ' . digest_of_seal() . ') FROM dbm_trail.seal s'), '1|t', 'a digest can be had by SQL alone');
is(sql("SELECT count(*) FROM dbm_trail.event e, dbm_trail.seal s WHERE substr(s.event_leaves, 17, 32) = " . hash_of_event()), 1, 'and the hash of a row');

# What became of the watching: who takes its trace away leaves another.
sql(<<'SQL');
ALTER TABLE account DISABLE TRIGGER USER;
UPDATE account SET owner = 'nobody saw it' WHERE id = 20;
SELECT dbm.install_audit_trigger('account');
UPDATE account SET owner = 'o20' WHERE id = 20;
SQL
is(seal(), 1, 'events are sealed with what was changed meanwhile');
is(found(), '', 'all is as it was');
my $off = sql(q{SELECT min(event_id) FROM dbm_trail.event WHERE kind = 'disabled'});
is(tampered(q{DELETE FROM dbm_trail.event WHERE kind = 'disabled'}), sql(q{SELECT string_agg('removed|event|' || event_id, ',' ORDER BY event_id) FROM dbm_trail.event WHERE kind = 'disabled'}), 'that a trigger was off, taken out of the log');
is(tampered(qq{UPDATE dbm_trail.event SET happened_at = happened_at + interval '1 second' WHERE event_id = $off}), "altered|event|$off", 'or moved');
is(tampered(qq{UPDATE dbm_trail.event SET session_user_name = 'somebody' WHERE event_id = $off}), "altered|event|$off", 'or blamed on another');
is(tampered(qq{UPDATE dbm_trail.event SET relation_id = NULL WHERE event_id = $off}), "altered|event|$off", 'or made that of no table');
my $free_event = sql(q{SELECT nextval('dbm_trail.event_id')});
my $forged = sub { my ($id, $transaction) = @_; return "INSERT INTO dbm_trail.event SELECT $id, happened_at, $transaction, session_user_name, relation_id, 'enabled', detail FROM dbm_trail.event WHERE event_id = $off" };
is(tampered($forged->($free_event, 'transaction_id')), "added|event|$free_event", 'one that is added to a transaction that is over');
is(tampered($forged->($free_event, 999999999)), "added|event|$free_event", 'or to one that is yet to come');
is(tampered($forged->(0, 'pg_current_xact_id()::text::bigint')), 'added|event|0', 'or by a number that was taken before');
is(sql(qq{BEGIN; DELETE FROM dbm_trail.event WHERE event_id = $off; SELECT problem, table_name, message FROM dbm.verify_audit_log(); ROLLBACK}), "removed||event $off was sealed and is gone", 'what is gone');
is(sql(qq{BEGIN; UPDATE dbm_trail.event SET detail = '' WHERE event_id = $off; SELECT problem, table_name, message FROM dbm.verify_audit_log(); ROLLBACK}), "altered|public.account|event $off is not what it was when it was sealed", 'and what is another, with the table that it is about');

# What relation says of a table is what the last event says.
my $relation = sql('SELECT relation_id FROM dbm_trail.relation');
is(tampered(q{UPDATE dbm_trail.relation SET settings = jsonb_set(settings, '{exclude}', '[{"number": 3, "name": "balance"}]')}), "altered|relation|$relation", 'a column that is left out from now on');
is(tampered(q{UPDATE dbm_trail.relation SET removed_at = now()}), "altered|relation|$relation", 'a table that is watched no more');
is(tampered(q{UPDATE dbm_trail.relation SET installed_at = installed_at - interval '1 year'}), "altered|relation|$relation", 'or since it was not');
is(tampered(q{UPDATE dbm_trail.relation SET relid = 'pg_class'::regclass}), "altered|relation|$relation", 'another table');
is(tampered(q{DELETE FROM dbm_trail.relation}), "removed|relation|$relation", 'one that is gone');
is(tampered(q{INSERT INTO dbm_trail.relation SELECT 77, 1, schema_name, 'other', installed_at, removed_at, mode, level, store, settings, home FROM dbm_trail.relation}), 'added|relation|77', 'one that nobody asked for');
is(tampered(q{ALTER TABLE dbm_trail.relation DROP CONSTRAINT relation_pkey; INSERT INTO dbm_trail.relation SELECT * FROM dbm_trail.relation}), "added|relation|$relation", 'one that is there twice');
is(sql(q{BEGIN; UPDATE dbm_trail.relation SET store = 'full', mode = 'row'; SELECT problem, table_name, message FROM dbm.verify_audit_log(); ROLLBACK}), "altered|public.account|relation $relation has another mode, store than event " . sql('SELECT max(event_id) FROM dbm_trail.event WHERE state IS NOT NULL') . ' says', 'it is said what of it');
is(tampered("UPDATE dbm_trail.relation SET store = 'full'; UPDATE dbm_trail.event SET state = jsonb_set(state, '{store}', '\"full\"') WHERE event_id = (SELECT max(event_id) FROM dbm_trail.event WHERE state IS NOT NULL)"), 'altered|event|' . sql('SELECT max(event_id) FROM dbm_trail.event WHERE state IS NOT NULL'), 'and if the event says the same, that is not what it was');
like(tampered("TRUNCATE dbm_trail.seal"), qr/^$/, 'without any seal there is nothing to go by');
is(sql("SELECT table_name FROM dbm.verify_audit_log()"), '', 'nothing is left of it');

# Whatever changes relation by right is no tampering.
my %rightly = (
	'a table that is renamed' => q{ALTER TABLE named RENAME TO renamed; ALTER TABLE renamed RENAME TO named},
	'a schema that is' => q{ALTER SCHEMA plain RENAME TO odd; ALTER SCHEMA odd RENAME TO plain},
	'a table that goes to another' => q{ALTER TABLE named SET SCHEMA public; ALTER TABLE public.named SET SCHEMA plain},
	'columns in settings that are renamed' => q{ALTER TABLE named RENAME secret TO hidden},
	'or dropped' => q{ALTER TABLE named DROP COLUMN hidden},
	'another mode, as a row trigger of somebody comes' => q{CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$; CREATE TRIGGER other AFTER UPDATE ON named FOR EACH ROW EXECUTE FUNCTION nothing()},
	'and goes' => q{DROP TRIGGER other ON named; SELECT dbm.install_audit_trigger('named', store => 'full')},
	'what is taken out' => q{SELECT dbm.remove_audit_trigger('named')},
	'and put back' => q{SELECT dbm.install_audit_trigger('named', exclude => '{v}', query => true)},
	'what becomes a partition' => q{ALTER TABLE whole ATTACH PARTITION part FOR VALUES FROM (0) TO (10)},
	'and is none any more' => q{ALTER TABLE whole DETACH PARTITION part},
	'and is watched again' => q{SELECT dbm.install_audit_trigger('part')},
	'what is dropped' => q{DROP TABLE part},
	'what is renamed in a transaction that is rolled back' => q{BEGIN; ALTER TABLE named RENAME TO renamed; SAVEPOINT s; ALTER TABLE renamed RENAME TO again; ROLLBACK TO s; ROLLBACK; ALTER TABLE named RENAME TO n; ALTER TABLE n RENAME TO named},
);
sql(q{CREATE SCHEMA plain; SET search_path = plain; CREATE TABLE named (id int PRIMARY KEY, v text, secret text); SELECT dbm.install_audit_trigger('named', exclude => '{secret}');
	CREATE TABLE whole (id int, k int) PARTITION BY RANGE (k); CREATE TABLE part (id int, k int); SELECT dbm.install_audit_trigger('whole'), dbm.install_audit_trigger('part')});
for my $what ('a table that is renamed', 'a schema that is', 'a table that goes to another', 'columns in settings that are renamed', 'or dropped', 'another mode, as a row trigger of somebody comes', 'and goes',
	'what is taken out', 'and put back', 'what becomes a partition', 'and is none any more', 'and is watched again', 'what is dropped', 'what is renamed in a transaction that is rolled back')
{
	my $last = sql('SELECT max(event_id) FROM dbm_trail.event');
	sql("SET search_path = plain; SET client_min_messages = error; $rightly{$what}");
	is(found(), '', "$what is no tampering");
	cmp_ok(sql("SELECT count(*) FROM dbm_trail.event WHERE event_id > $last"), '>', 0, "$what: there is an event") unless $what eq 'and is none any more';
}
# An event beside one that is not over yet says nothing of it.
{
	my ($renames, $attaches) = map { Session->new($node, 'postgres') } 1, 2;
	sql(q{CREATE TABLE plain.full_one AS SELECT 1 AS id, 15 AS k});
	$_->must(q{SET client_min_messages = error}) for $renames, $attaches;
	$renames->must('BEGIN'); $renames->must('UPDATE dbm_trail.relation SET mode = mode'); $renames->must('ALTER TABLE plain.named RENAME TO beside');
	$attaches->must('ALTER TABLE plain.whole ATTACH PARTITION plain.full_one FOR VALUES FROM (10) TO (20)');
	$renames->must('COMMIT');
	is(found(), '', 'two at a time are none');
}
sql('DROP SCHEMA plain CASCADE');
seal();
is(found(), '', 'sealed as well');

# A transaction that takes long is sealed when it is over, and is no addition.
my $slow = Session->new($node, 'postgres');
$slow->must(q{BEGIN}); $slow->must(q{UPDATE account SET owner = 'slow' WHERE id = 1});
sql(q{UPDATE account SET owner = 'fast' WHERE id = 2});
is(seal(), -1, 'what is younger than a transaction that goes on is not sealed');
is(found(), '', 'and is no addition');
sql(q{BEGIN; UPDATE account SET owner = 'two' WHERE id = 3; PREPARE TRANSACTION 'two'});
$slow->must(q{UPDATE account SET owner = 'slower' WHERE id = 4}); $slow->must(q{COMMIT});
is(seal(), 3, 'both are sealed, but for what follows the prepared one');
is(found(), '', 'all is as it was');
sql(q{COMMIT PREPARED 'two'});
is(found(), '', 'what is not sealed yet is no addition');
is(seal(), 1, 'the prepared one comes last');
is(found(), '', 'all is as it was');
# One after the other at once.
{
	my $one = Session->new($node, 'postgres');
	$one->must('BEGIN'); $one->must('SELECT count(*) FROM dbm.seal_audit_log()');
	my ($code, $out, $error) = $node->psql('postgres', 'SELECT * FROM dbm.seal_audit_log()');
	like($error, qr/is being sealed by another process/, 'one seals at a time');
	$one->must('ROLLBACK');
}

# What no transaction can have written: of one that has not begun, or by a number that was taken before.
{
	my $copy = sub { my ($id, $transaction) = @_; return "INSERT INTO dbm_trail.change SELECT $id, changed_at, activity_id, $transaction, transaction_started_at, shape_id, statement_no, operation, flags, key, key_hash, old, new FROM dbm_trail.change WHERE change_id = $low" };
	my $free = sql("SELECT nextval('dbm_trail.change_id')");
	is(tampered($copy->($free, 999999999)), "added|change|$free", 'a row of a transaction that is yet to come');
	is(tampered($copy->($free, 'pg_current_xact_id()::text::bigint')), '', 'one of a transaction that goes on is none');
	sql(q{UPDATE account SET owner = 'sealed' WHERE id = 9});
	is(seal(), 1, 'another seal');
	is(tampered($copy->($free, 'pg_current_xact_id()::text::bigint')), "added|change|$free", 'a row by a number that was taken before the last seal');
	my $slow = Session->new($node, 'postgres');
	$slow->must('BEGIN'); $slow->must(q{UPDATE account SET owner = 'slow' WHERE id = 10});
	sql(q{UPDATE account SET owner = 'quick' WHERE id = 11});
	$slow->must('COMMIT');
	is(found(), '', 'and nothing else is');
	seal();
}

# The chain, and digests that were kept elsewhere.
sql(q{UPDATE account SET balance = 0 WHERE id = 5});
seal();
my $digests = "'" . sql('SELECT jsonb_object_agg(seal_id, digest) FROM dbm.audit_log_digests()') . "'";
my $rows = "(SELECT jsonb_agg(d) FROM dbm.audit_log_digests() d)";
is(found($digests), '', 'the log fits the digests');
is(found($rows), '', 'as rows too');
my $last = sql('SELECT max(seal_id) FROM dbm_trail.seal');
is(tampered("UPDATE dbm_trail.seal SET until = until + 1 WHERE seal_id = 1"), 'seal altered|seal|1', 'a seal that is altered');
is(tampered("UPDATE dbm_trail.seal SET $_ = 0 WHERE seal_id = 2"), 'seal altered|seal|2', "or of which $_ is, by which rows that are put in front are found") for qw(next change_number event_number);
like(tampered("DELETE FROM dbm_trail.seal WHERE seal_id = 1"), qr/seal removed\|seal\|1$/, 'a seal that is removed');
like(tampered("DELETE FROM dbm_trail.seal WHERE seal_id = $last", $digests), qr/seal removed\|seal\|$last/, 'the last seal, by the digests');
like(tampered("UPDATE dbm_trail.seal SET change_leaves = change_leaves || '\\x00' WHERE seal_id = 1"), qr/^$|seal altered\|seal\|1/, 'leaves');
like(tampered("UPDATE dbm_trail.seal SET change_leaves = overlay(change_leaves placing '\\xff' from 20) WHERE seal_id = 1"), qr/seal altered\|seal\|1/, 'leaves that are altered');
like(tampered("UPDATE dbm_trail.seal SET shape_leaves = NULL WHERE seal_id = 1"), qr/seal altered\|seal\|1/, 'leaves of shapes, which nothing retires');
# Whoever may write can forge all: then only the digests tell.
my $forge = "UPDATE dbm_trail.change SET old = '{}' WHERE change_id = $high; TRUNCATE dbm_trail.seal; SELECT count(*) FROM dbm.seal_audit_log()";
{
	my ($out) = sql("BEGIN; $forge; SELECT 'wrong: ' || count(*) FROM dbm.verify_audit_log(); SELECT 'kept: ' || (count(*) > 0) FROM dbm.verify_audit_log($digests); ROLLBACK");
	like($out, qr/wrong: 0.*kept: true/s, 'a log that is forged and sealed anew is told by the digests alone');
}
my ($code, $out, $error) = $node->psql('postgres', q{SELECT * FROM dbm.verify_audit_log('"x"')});
like($error, qr/these are no digests of the audit log/, 'what are no digests');

# On a standby's terms, and after a crash in the middle of work and of sealing.
{
	my $writer = Session->new($node, 'postgres');
	$writer->must('BEGIN'); $writer->must(q{UPDATE account SET balance = balance + 100});
	my $sealer = Session->new($node, 'postgres');
	$sealer->must('BEGIN'); $sealer->must('SELECT count(*) FROM dbm.seal_audit_log()');
	$node->stop('immediate');
	$node->start;
	is(found($digests), '', 'after a crash all is as it was');
	sql(q{UPDATE account SET balance = 1 WHERE id = 6});
	is(seal(), 1, 'and goes on');
	is(found($digests), '', 'all is as it was');
}

# Into another cluster, where transactions count from the beginning.
sql(q{UPDATE account SET balance = 77 WHERE id = 7});
my $unsealed = sql('SELECT max(change_id) FROM dbm_trail.change');
my $other = copied_elsewhere('');
my $verify = qq{SELECT count(*) FROM dbm.verify_audit_log($digests)};
is($other->safe_psql('postgres', $verify), 0, 'elsewhere all is as it was');
$other->safe_psql('postgres', q{UPDATE account SET balance = 78 WHERE id = 8});
is($other->safe_psql('postgres', $verify), 0, 'also after more work');
is($other->safe_psql('postgres', q{SELECT string_agg(detail, ' ') FROM dbm_trail.event WHERE kind = 'adopted'}), 'public.account was found by its name', 'the table is known again, which an event says');
$other->safe_psql('postgres', 'ALTER TABLE account RENAME TO accounts; ALTER TABLE accounts RENAME TO account');
is($other->safe_psql('postgres', $verify), 0, 'under another name, too');
is($other->safe_psql('postgres', "BEGIN; UPDATE dbm_trail.relation SET store = 'full' WHERE table_name = 'account'; SELECT string_agg(problem || log_table, ',') FROM dbm.verify_audit_log($digests); ROLLBACK"), 'alteredrelation', 'and tampering with what is said of it is found');
is($other->safe_psql('postgres', 'SELECT sum(changes) FROM dbm.seal_audit_log()'), 2, 'what came unsealed is sealed with what is new');
is($other->safe_psql('postgres', $verify), 0, 'all is as it was');
$other->safe_psql('postgres', q{UPDATE account SET balance = 79 WHERE id = 9});
$other->safe_psql('postgres', 'SELECT * FROM dbm.seal_audit_log()');
is($other->safe_psql('postgres', "BEGIN; UPDATE dbm_trail.change SET flags = 64 WHERE change_id = $unsealed; SELECT string_agg(problem || id, ',') FROM dbm.verify_audit_log($digests); ROLLBACK"), "altered$unsealed", 'and tampering is found there');
$other->stop;

# Partitions that go by policy are no tampering.
sql(<<'SQL');
BEGIN;
SET LOCAL session_replication_role = replica;
CREATE TABLE dbm_trail.change_old PARTITION OF dbm_trail.change FOR VALUES FROM ('2001-01-01 00:00:00+00') TO ('2001-02-01 00:00:00+00');
INSERT INTO dbm_trail.change SELECT nextval('dbm_trail.change_id'), '2001-01-15', activity_id, pg_current_xact_id()::text::bigint, now(), shape_id, statement_no, operation, flags, key, key_hash, old, new FROM dbm_trail.change LIMIT 5;
COMMIT;
SQL
seal();
is(found(), '', 'old rows are sealed as well');
sql('DROP TABLE dbm_trail.change_old');
is(found(), '', 'and are not missed once their partition is gone');
like(tampered("DELETE FROM dbm_trail.change WHERE change_id = $low"), qr/removed\|change\|$low/, 'others are');

# Rows that are too long for one value of JSON.
sql(q{CREATE TABLE long (id int PRIMARY KEY, t text, j jsonb); SELECT dbm.install_audit_trigger('long', store => 'full')});
sql(q{INSERT INTO long VALUES (1, repeat('x', 140000000)); UPDATE long SET t = repeat('y', 140000000)});
is(seal(), 2, 'long rows are sealed');
is(found(), '', 'and are as they were');
my $long = sql('SELECT max(change_id) FROM dbm_trail.change');
is(tampered(qq{UPDATE dbm_trail.change SET new = new || '{"id": 2}' WHERE change_id = $long}), "altered|change|$long", 'or not');
like(($node->psql('postgres', q{INSERT INTO long SELECT 2, 'x', jsonb_agg(n) FROM (SELECT '1e131071'::numeric AS n FROM generate_series(1, 10000)) x}))[2],
	qr/a row is too long for the audit trail.*could be neither dumped nor sealed/s, 'what has no text that could be read is refused');

# The worker does it on schedule.
sql(q{UPDATE account SET balance = 3 WHERE id = 3});
is(sql(q{SELECT count(*) FROM dbm.schedule('seal', '1 minute')}), 1, 'it can be scheduled');
my $seals = sql('SELECT count(*) FROM dbm_trail.seal');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dbmastery'\ndbm.discovery_interval = 1s");
$node->restart;
my $sealed = "SELECT count(*) > $seals FROM dbm_trail.seal";
# It is due in a minute, and may be late.
ok($node->poll_query_until('postgres', $sealed) || $node->poll_query_until('postgres', $sealed), 'the worker seals');
is(found(), '', 'and all is as it was');

done_testing();
