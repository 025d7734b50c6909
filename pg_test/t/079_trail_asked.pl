# What is asked of the audit trail that it cannot tell or do: it says so, and does not answer as if all were well.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Trail qw(refused sql start);

my $node = start('asked', "timezone = 'UTC'\ndbm.ddl_guard = off");

# What was complained of by a statement that was begun, once it is over.
sub finished
{
	my ($session) = @_;
	my (undef, $error) = $session->run('SELECT 1');
	return $error;
}

sql(<<'SQL');
CREATE EXTENSION dbmastery;
CREATE ROLE attacker LOGIN;
GRANT USAGE ON SCHEMA dbm TO attacker;
GRANT EXECUTE ON FUNCTION dbm.install_audit_trigger, dbm.remove_audit_trigger TO attacker;
CREATE TABLE secret (id int PRIMARY KEY, ssn text, note text);
SELECT dbm.install_audit_trigger('secret', redact => '{ssn}', exclude => '{note}');
INSERT INTO secret VALUES (1, '123', 'n');
SQL

# --- Arguments that mean nothing

for my $case (
	[ q{dbm.install_audit_trigger(NULL)}, 'target must not be null' ],
	[ q{dbm.remove_audit_trigger(NULL)}, 'target must not be null' ],
	[ q{dbm.install_audit_triggers(NULL)}, 'schemas must not be null' ],
	[ q{dbm.install_audit_triggers('{public}', NULL)}, 'include_new must not be null' ],
	[ q{dbm.install_audit_triggers('{public,NULL}')}, 'schemas must not contain nulls' ],
	[ q{dbm.install_audit_triggers('{pg_catalog}')}, 'tables of schema pg_catalog cannot have an audit trail' ],
	[ q{dbm.install_audit_triggers('{dbm_trail}')}, 'tables of schema dbm_trail cannot have an audit trail' ],
	[ q{dbm.install_audit_trigger('secret', redact => ARRAY[(SELECT 'ssn' WHERE false)])}, 'redact must not contain nulls' ],
	[ q{dbm.install_audit_trigger('secret', exclude => '{NULL}')}, 'exclude must not contain nulls' ],
	[ q{dbm.install_audit_trigger('secret', columns => '{id,NULL}')}, 'columns must not contain nulls' ],
	[ q{dbm.changes(max_rows => -1)}, 'max_rows must not be negative' ],
	[ q{dbm.row_history('secret', NULL)}, 'key must not be null' ],
	[ q{dbm.row_history(NULL, '{}')}, 'target must not be null' ],
	[ q{dbm.as_of('secret', NULL)}, 'at must not be null' ],
	[ q{dbm.rows_as_of(NULL::secret, NULL)}, 'at must not be null' ],
	[ q{dbm.as_of('secret', now() + interval '1 hour')}, 'nobody knows yet what table public.secret will be at ' ],
	[ q{dbm.rows_as_of(NULL::secret, 'infinity')}, 'nobody knows yet what table public.secret will be at infinity' ],
	[ q{dbm.revert_plan('secret', '{"id": 1}', now() + interval '1 hour')}, 'nobody knows yet what table public.secret will be at ' ],
	[ q{dbm.set_context(NULL, 'x')}, 'key must not be null' ])
{
	my ($call, $complaint) = @$case;
	like(refused("SELECT * FROM $call"), qr/ERROR:  \Q$complaint\E/, $call);
}
is(sql('SELECT count(*) FROM dbm.audit_schema'), 0, 'no schema is watched');
sql(q{UPDATE secret SET ssn = '456', note = 'm'});
is(sql(q{SELECT count(*) FROM dbm.changes('secret') WHERE concat(old, new) ~ '456|"m"'}), 0, 'what was redacted and left out is so still');
is(sql(q{SELECT count(*) FROM dbm.changes('secret', max_rows => 0)}), 0, 'no rows asked for are none');
is(sql(q{SELECT count(*) FROM dbm.as_of('secret', clock_timestamp())}), 1, 'of this moment is no future');

# --- A context that nobody will see

like(refused(q{SELECT dbm.set_context('user', 'mira')}), qr/WARNING:  the context is of this statement only/, 'a context outside of a transaction block');
unlike(refused(q{BEGIN; SELECT dbm.set_context('user', 'mira'); COMMIT}), qr/WARNING/, 'within one');
unlike(refused(q{SELECT dbm.set_context('user', NULL)}), qr/WARNING/, 'taken back');
sql(q{CREATE FUNCTION change() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM dbm.set_context('user', 'mira'); UPDATE secret SET note = 'o', ssn = '7'; END$$});
unlike(refused('SELECT change()'), qr/WARNING/, 'within a function that goes on to change rows');
is(sql(q{SELECT context ->> 'user' FROM dbm.changes('secret', max_rows => 1)}), 'mira', 'and they have it');

# --- Partitions of a watched table

sql(<<'SQL');
CREATE TABLE part (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
CREATE TABLE part_1a PARTITION OF part_1 FOR VALUES FROM (0) TO (5);
SELECT dbm.install_audit_trigger('part');
INSERT INTO part VALUES (1, 1);
SQL
my $triggers = q{SELECT string_agg(tgname || tgenabled::text, ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'part_1a'::regclass};
my $before = sql($triggers);
for my $function ('install', 'remove')
{
	like(refused("SELECT dbm.${function}_audit_trigger('part_1a')"), qr/ERROR:  public\.part_1a is watched as a partition of public\.part\n/, "$function of a partition alone");
}
is(sql($triggers), $before, 'its triggers are as they were');
sql('TRUNCATE part_1a');
is(sql(q{SELECT operation FROM dbm.changes('part', max_rows => 1)}), 'TRUNCATE', 'that of TRUNCATE among them');
like(refused(q{SELECT * FROM dbm.changes('part_1a')}), qr/HINT: .*It is a partition: SELECT \* FROM dbm\.changes\('public\.part'\);/, 'and who asks for its changes is told where they are');

# --- Another gets the name while who installs waits

sql(<<'SQL');
CREATE SCHEMA shared;
GRANT ALL ON SCHEMA shared TO attacker;
CREATE SCHEMA bank;
CREATE TABLE bank.account (id int);
CREATE TABLE shared.mine (id int PRIMARY KEY);
ALTER TABLE shared.mine OWNER TO attacker;
GRANT USAGE ON SCHEMA bank TO attacker;
SQL
my ($swapping, $installing) = (Session->new($node, 'postgres'), Session->new($node, 'postgres', role => 'attacker'));
# A busy machine takes its time to look whether it waits.
$installing->must(q{SET lock_timeout = '1min'});
my $waits = q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'attacker' AND wait_event_type = 'Lock')};
$swapping->must('BEGIN');
$swapping->must('SET ROLE attacker');
$swapping->must('ALTER TABLE shared.mine RENAME TO other');
$swapping->must('CREATE VIEW shared.mine AS SELECT * FROM bank.account');
$installing->must('BEGIN');
$installing->begin(q{SELECT dbm.install_audit_trigger('shared.mine');});
ok($node->poll_query_until('postgres', $waits), 'who installs waits');
$swapping->must('COMMIT');
finished($installing);
is(sql(q{SELECT count(*) FROM pg_locks WHERE relation = 'bank.account'::regclass}), 0, 'no lock on what the new thing of that name reads');
is(sql(q{SELECT string_agg(DISTINCT relation::regclass::text, ' ') FROM pg_locks WHERE mode = 'ShareRowExclusiveLock' AND relation::regclass::text LIKE 'shared.%'}), 'shared.other', 'the table that was meant is locked');
$installing->must('COMMIT');
is(sql(q{SELECT table_name FROM dbm.audit_triggers() WHERE table_name LIKE 'shared.%'}), 'shared.other', 'and watched');

# Or another owner.
for my $function ('install', 'remove')
{
	sql("ALTER TABLE shared.other OWNER TO attacker");
	$swapping->must('RESET ROLE');
	$swapping->must('BEGIN');
	$swapping->must('ALTER TABLE shared.other OWNER TO ' . sql('SELECT current_user'));
	$installing->begin("SELECT dbm.${function}_audit_trigger('shared.other');");
	ok($node->poll_query_until('postgres', $waits), 'who is owner yet waits');
	$swapping->must('COMMIT');
	my $error = finished($installing);
	like($error, qr/must be owner of table shared\.other/, "$function is refused to who was owner");
}
is(sql(q{SELECT table_name FROM dbm.audit_triggers() WHERE table_name LIKE 'shared.%'}), 'shared.other', 'what was watched is');

# Whatever the snapshot shows that he took before.
sql('ALTER TABLE shared.other OWNER TO attacker');
$installing->must('BEGIN ISOLATION LEVEL REPEATABLE READ');
$installing->must('SELECT pg_current_xact_id() FROM pg_class LIMIT 1');
sql('ALTER TABLE shared.other OWNER TO CURRENT_USER');
like(($installing->run(q{SELECT dbm.remove_audit_trigger('shared.other')}))[1], qr/must be owner of table shared\.other/, 'nor is it his to remove by an old snapshot');
$installing->must('ROLLBACK');
sql('ALTER TABLE shared.other OWNER TO attacker');
$installing->must('BEGIN ISOLATION LEVEL REPEATABLE READ');
$installing->must('SELECT pg_current_xact_id() FROM pg_class LIMIT 1');
sql('ALTER TABLE shared.other RENAME TO third');
like(($installing->run(q{SELECT dbm.remove_audit_trigger('shared.third')}))[1], qr/table shared\.other was altered meanwhile/, 'by which another may have its name');
$installing->must('ROLLBACK');
# What became of it since needs other triggers.
sql('CREATE TABLE above (id int) PARTITION BY RANGE (id); CREATE TABLE below (id int)');
$swapping->must('RESET ROLE');
$swapping->must('BEGIN ISOLATION LEVEL REPEATABLE READ');
$swapping->must('SELECT pg_current_xact_id() FROM pg_class LIMIT 1');
sql('ALTER TABLE above ATTACH PARTITION below FOR VALUES FROM (0) TO (9)');
like(($swapping->run(q{SELECT dbm.install_audit_trigger('below')}))[1], qr/table public\.below was altered meanwhile/, 'nor is it watched by statements that miss rows');
$swapping->must('ROLLBACK');
$_->quit for $swapping, $installing;

# --- A log of which the oldest part is gone

sql(<<'SQL');
CREATE TABLE aged (id int PRIMARY KEY, v text);
SELECT dbm.install_audit_trigger('aged');
INSERT INTO aged VALUES (1, 'a'), (2, 'b');
UPDATE aged SET v = 'c' WHERE id = 1;
INSERT INTO aged VALUES (3, 'd');
SQL
my $this_month = sql(q{SELECT date_trunc('month', now())});
my $moment = sub { my ($back) = @_; return "'$this_month'::timestamptz - interval '$back months' + interval '10 days'" };
my @changes = split /\n/, sql(q{SELECT change_id FROM dbm_trail.change WHERE shape_id IN (SELECT shape_id FROM dbm_trail.shape WHERE relation_id = (SELECT relation_id FROM dbm_trail.relation WHERE table_name = 'aged')) ORDER BY 1});
is(scalar @changes, 4, 'four changes');
for my $back (1 .. 4)
{
	my $lower = sql("SELECT '$this_month'::timestamptz - interval '$back months'");
	my $upper = sql("SELECT '$this_month'::timestamptz - interval '" . ($back - 1) . " months'");
	sql("CREATE TABLE dbm_trail.change_back_$back PARTITION OF dbm_trail.change FOR VALUES FROM ('$lower') TO ('$upper')");
}
my @back = (4, 4, 2, 1);
sql("UPDATE dbm_trail.change SET changed_at = " . $moment->($back[$_]) . ", transaction_started_at = " . $moment->($back[$_]) . " WHERE change_id = $changes[$_]") for 0 .. 3;
sql("UPDATE dbm_trail.relation SET installed_at = " . $moment->(4) . " - interval '1 day' WHERE table_name = 'aged'; UPDATE dbm_trail.event SET happened_at = " . $moment->(4) . " - interval '1 day' WHERE kind = 'installed' AND relation_id = (SELECT relation_id FROM dbm_trail.relation WHERE table_name = 'aged')");
my $told = sub { my ($back) = @_; return sql("SELECT string_agg(id || v, ' ' ORDER BY id) FROM dbm.rows_as_of(NULL::aged, " . $moment->($back) . " + interval '1 day')") };
is(join('; ', map { $told->($_) } 4, 3, 2, 1), '1a 2b; 1a 2b; 1c 2b; 1c 2b 3d', 'as it was, month by month');
my $history = q{SELECT FROM dbm.row_history('aged', '{"id": %d}')};
is(refused(sprintf $history, 1), '', 'one row, all of whose changes are there');

sql('DROP TABLE dbm_trail.change_back_4, dbm_trail.change_back_3');
is(join('; ', map { $told->($_) } 2, 1), '1c 2b; 1c 2b 3d', 'what is left tells of its time as before');
my $since = sql("SELECT '$this_month'::timestamptz - interval '2 months'");
for my $call ("as_of('aged', @{[$moment->(3)]})", "rows_as_of(NULL::aged, @{[$moment->(4)]} + interval '1 day')", "revert_plan('aged', '{\"id\": 1}', @{[$moment->(3)]})", "revert_plan('aged', '{\"id\": 1}', '{\"id\": 2}', @{[$moment->(3)]})")
{
	my $error = refused("SELECT * FROM dbm.$call");
	like($error, qr/ERROR:  table public\.aged cannot be told as it was at /, "dbm.$call");
	like($error, qr/DETAIL:  What was logged before \Q$since\E is gone by retention\./, 'and why');
}
like(refused(sprintf $history, 1), qr/WARNING: .*\n.*what was logged before \Q$since\E is gone by retention/, 'the history of a row that was there before says so');
is(refused(sprintf $history, 3), '', 'that of one that came since does not');
# Where TRUNCATE bars the way back, rows are made again from what is left.
sql('TRUNCATE aged');
my ($code, $out, $error) = $node->psql('postgres', "SELECT string_agg(id || coalesce(v, '?'), ' ' ORDER BY id) FROM dbm.rows_as_of(NULL::aged, " . $moment->(1) . " + interval '1 day')");
is($out, '1c 3d', 'what the log that is left tells of rows');
like($error, qr/WARNING:  1 rows of public\.aged were there before \Q$since\E, and only what changed of them is known/, 'and what it does not know');

# --- A table that a crash empties

like(refused(q{CREATE UNLOGGED TABLE brief (id int PRIMARY KEY); SELECT dbm.install_audit_trigger('brief')}), qr/WARNING:  public\.brief is unlogged/, 'an unlogged table is watched with a warning');
sql('CREATE TABLE whole (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE UNLOGGED TABLE whole_1 PARTITION OF whole FOR VALUES FROM (0) TO (9)');
sql(q{SELECT dbm.install_audit_trigger('whole'); INSERT INTO brief VALUES (1); INSERT INTO whole VALUES (1)});
is(sql(q{SELECT count(*) FROM dbm.audit_triggers() WHERE table_name IN ('public.brief', 'public.whole') AND problem ~ 'unlogged'}), 2, 'it is a problem, also of a partition');
my $full = sql('SELECT clock_timestamp()');
$node->stop('immediate');
$node->start;
for my $table ('brief', 'whole')
{
	like(refused("SELECT * FROM dbm.as_of('$table', '$full')"), qr/WARNING: .*\n.*a crash of the server empties public\.$table(_1)?, which is unlogged/, "as_of of $table after a crash says what it cannot know");
}

done_testing();
