# A default partition is drained beside writers and readers: no row is lost, none is seen twice, none is out of sight, and
# whoever is killed in the middle leaves nothing that the next one could not go on with.
# Runs alone: it measures how long writers wait.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(rows utf8_locale);
use Partitions qw(keep maintain partitions statuses_of);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server qw(fault_at wait_for_restart wait_for_server);
use Session;
use Test::More;
use Time::HiRes qw(time usleep);
use Writers;

my $node = PostgreSQL::Test::Cluster->new('drain');
$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice' ]);
$node->append_conf('postgresql.conf',
	"restart_after_crash = on\ntimezone = 'UTC'\nmax_wal_size = 4GB\nshared_buffers = 256MB\nmax_worker_processes = 16");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION dbmastery;
CREATE ROLE alice LOGIN;
GRANT USAGE ON SCHEMA dbm TO alice;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO alice;
CREATE SCHEMA shop AUTHORIZATION alice;
CREATE TABLE shop.fired (what text);
GRANT ALL ON shop.fired TO alice;
SQL

sub sql { return $node->safe_psql('postgres', @_) }

sub fault { return fault_at($node, @_) }

# What dbm.partition_drain() says.
sub drain
{
	my ($table, %options) = @_;
	return rows($node, 'postgres', "SELECT * FROM dbm.partition_drain('$table')", %options);
}

# Drains a table whose rows have a function called that writes to shop.seen, at least so many times: that is not silent, and the
# copy is.
sub is_heard
{
	my ($name, $drained, $least, $called) = @_;
	is(statuses_of(drain("shop.$name")), 'drain done', $drained);
	cmp_ok(sql('SELECT count(*) FROM shop.seen'), '>=', $least, $called);
	is(sql(q{SELECT count(*) FROM shop.fired WHERE what = 'seen'}), sql('SELECT count(*) FROM shop.seen'), 'each row that it wrote fired its triggers');
	is(sql('SELECT string_agg(DISTINCT role, $$ $$) FROM shop.seen'), 'originon', 'it finds the settings of the session');
	is(sql(q{SELECT count(*) FROM shop.fired WHERE what = 'INSERT'}), 0, 'and those of the table did not fire');
	is_same($name, 'all rows are there');
	sql("DROP TABLE shop.$name, shop.${name}_mirror");
	return;
}

# What is left of copies.
sub leftovers
{
	return sql(<<'SQL');
SELECT count(*) FROM (
    SELECT relname FROM pg_class WHERE relname LIKE 'partition\_journal\_%' OR relname LIKE 'dbm\_staging%' OR relname LIKE 'dbm\_rest%' OR relname LIKE 'dbm\_hold%'
    UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE 'dbm\_journal%'
    UNION ALL SELECT conname FROM pg_constraint WHERE conname = 'dbm_bound') AS x
SQL
}

# A set whose default holds so many rows of ten days, with all that a table can have, and a plain table with the same rows.
sub make
{
	my ($name, $rows, $key) = @_;
	$key //= 'PRIMARY KEY (id, at)';
	$node->safe_psql('postgres', <<"SQL");
SET ROLE alice;
CREATE TABLE shop.$name (gone int, id bigint NOT NULL, at timestamptz, n int, twice int GENERATED ALWAYS AS (n * 2) STORED,
    note text, body text, $key) PARTITION BY RANGE (at);
ALTER TABLE shop.$name DROP COLUMN gone;
ALTER TABLE shop.$name ALTER body SET STORAGE EXTERNAL;
CREATE INDEX ON shop.$name (n);
CREATE TABLE shop.${name}_2026_03_20 PARTITION OF shop.$name FOR VALUES FROM ('2026-03-20') TO ('2026-03-21');
CREATE TABLE shop.${name}_default PARTITION OF shop.$name DEFAULT;
CREATE OR REPLACE FUNCTION shop.${name}_fires() RETURNS trigger LANGUAGE plpgsql AS
    \$\$ BEGIN IF coalesce(NEW.note, OLD.note) = 'old' AND TG_OP <> 'UPDATE' THEN INSERT INTO shop.fired VALUES (TG_OP); END IF; RETURN NULL; END \$\$;
ALTER TABLE shop.$name ENABLE ROW LEVEL SECURITY;
INSERT INTO shop.$name (id, at, n, note, body) SELECT i, '2026-03-01'::timestamptz + i % 14400 * interval '1 minute', i % 1000, 'old',
    CASE WHEN i % 1000 = 0 THEN repeat(md5(i::text), 100) ELSE 'short' END FROM generate_series(1, $rows) AS i;
CREATE TRIGGER fires AFTER INSERT OR UPDATE OR DELETE ON shop.$name FOR EACH ROW EXECUTE FUNCTION shop.${name}_fires();
CREATE TABLE shop.${name}_mirror AS SELECT * FROM shop.$name;
CREATE INDEX ON shop.${name}_mirror (id);
GRANT SELECT ON shop.$name TO PUBLIC;
SQL
	keep($node, 'postgres', "shop.$name", on_missing => 'default', premake => 1);
	sql("VACUUM ANALYZE shop.$name, shop.${name}_mirror");
	return;
}

# Whether the set and its mirror hold the same rows, each once.
sub is_same
{
	my ($name, $message) = @_;
	my $columns = 'id, at, n, twice, note, body';
	is(sql(<<"SQL"), '0 0 0', $message);
SELECT (SELECT count(*) FROM (SELECT $columns FROM shop.$name EXCEPT ALL SELECT $columns FROM shop.${name}_mirror) x) || ' ' ||
       (SELECT count(*) FROM (SELECT $columns FROM shop.${name}_mirror EXCEPT ALL SELECT $columns FROM shop.$name) x) || ' ' ||
       (SELECT count(*) FROM (SELECT id FROM shop.$name GROUP BY id HAVING count(*) > 1) x)
SQL
	return;
}

# --- A few rows: moved in the swap itself; whatever has no place stays

make('small', 500);
sql(<<'SQL');
ALTER TABLE shop.small DROP CONSTRAINT small_pkey;
ALTER TABLE shop.small ALTER at DROP NOT NULL;
INSERT INTO shop.small (id, at, n) VALUES (1001, NULL, 1), (1002, 'infinity', 1), (1003, '-infinity', 1), (1004, '2126-01-01', 1);
ALTER TABLE shop.small_default ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY nothing ON shop.small_default USING (id < 0);
INSERT INTO shop.small_mirror (id, at, n, twice) VALUES (1001, NULL, 1, 2), (1002, 'infinity', 1, 2), (1003, '-infinity', 1, 2), (1004, '2126-01-01', 1, 2);
SQL
sql('CREATE RULE gone AS ON INSERT TO shop.small_default DO INSTEAD NOTHING; ALTER TABLE shop.small_default ENABLE ALWAYS RULE gone');
my @done = drain('shop.small', role => 'alice');
is(statuses_of(@done), 'drain failed', 'a rule that fires even for a copy is refused');
like($done[0]->{detail}, qr/rule gone of shop\.small_default fires always, for a copy, too/, 'and it is said which');
is_same('small', 'it took no row');
is(leftovers(), 0, 'nothing is left over');
sql('DROP RULE gone ON shop.small_default');
@done = drain('shop.small', role => 'alice');
is(statuses_of(@done), 'drain done', 'a small default partition is drained') or diag explain \@done;
like($done[0]->{detail}, qr/^500 rows moved into shop\.small_2026_03_01; 0 changed meanwhile; everybody waited \d+ ms$/, 'which is said');
is_same('small', 'all rows are there');
is(sql('SELECT count(*) FROM ONLY shop.small_default'), 4, 'those without a day stay');
is(leftovers(), 0, 'nothing is left over');
is(sql("SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE tablename ~ '^small_2026'"), 'alice', 'the owner of the parent owns what was made');
is(statuses_of(drain('shop.small')), 'drain done', 'a second time it does no harm');

# --- Many rows beside writers and readers

my $began = time();
my $writing = <<'SQL';
\set id random(1, 200000)
\set n random(1, 1000)
\set new random(1000000, 900000000000000)
\set minute random(0, 14399)
\set kind random(1, 100)
BEGIN;
\if :kind <= 40
INSERT INTO shop.busy (id, at, n, note) VALUES (:new, '2026-03-01'::timestamptz + :minute * interval '1 minute', :n, 'new') ON CONFLICT DO NOTHING;
INSERT INTO shop.busy_mirror SELECT id, at, n, twice, note, body FROM shop.busy b WHERE id = :new AND NOT EXISTS (SELECT FROM shop.busy_mirror m WHERE m.id = :new);
\elif :kind <= 75
UPDATE shop.busy SET n = :n WHERE id = :id;
UPDATE shop.busy_mirror SET n = :n, twice = :n * 2 WHERE id = :id;
\elif :kind <= 90
DELETE FROM shop.busy WHERE id = :id AND id % 10 = 1;
DELETE FROM shop.busy_mirror WHERE id = :id AND id % 10 = 1;
\else
UPDATE shop.busy SET at = '2026-03-01'::timestamptz + :minute * interval '1 minute', note = 'moved' WHERE id = :id AND id % 10 = 2;
UPDATE shop.busy_mirror SET at = '2026-03-01'::timestamptz + :minute * interval '1 minute', note = 'moved' WHERE id = :id AND id % 10 = 2;
\endif
COMMIT;
SQL
my ($took, $longest, $transactions, $errors, $looks, $dips);
# Writers wait, too, while the machine stands still: the best of three.
for my $try (1 .. 3)
{
	make('busy', 200_000);
	sql('DELETE FROM shop.fired');
	my $writers = Writers::start($node, 'postgres', $writing, 3);
	# A third of the rows is never changed in number: each reader has to see them all, always.
	my $reading = 'SELECT 1 / (CASE WHEN count(*) = 180000 THEN 1 ELSE 0 END) FROM shop.busy WHERE id <= 200000 AND id % 10 <> 1;';
	my $readers = Writers::start($node, 'postgres', $reading, 1);
	usleep(500_000);
	my $start = time();
	@done = drain('shop.busy');
	$took = time() - $start;
	usleep(500_000);
	($longest, $transactions, $errors) = Writers::stop($writers);
	(undef, $looks, $dips) = Writers::stop($readers);
	last if $longest < 1_000 || $errors ne '' || $dips ne '' || statuses_of(@done) ne 'drain done' || $try == 3;
	sql('DROP TABLE shop.busy, shop.busy_mirror; DROP FUNCTION shop.busy_fires()');
}
is(statuses_of(@done), 'drain done', 'beside writers a default partition is drained') or diag explain \@done;
is($errors, '', 'no writer meets an error');
is($dips, '', 'and no reader misses a row');
cmp_ok($transactions, '>', 100, 'writers did write');
cmp_ok($looks, '>', 3, 'and readers read');
is_same('busy', 'each row is there as the writers left it, once');
is(sql('SELECT count(*) FROM ONLY shop.busy_default'), 0, 'the default partition is empty');
is(scalar(partitions($node, 'postgres', 'shop.busy')), 12, 'a partition for each day') or diag join ', ', partitions($node, 'postgres', 'shop.busy');
is(leftovers(), 0, 'nothing is left over');
is(sql("SELECT count(*) FROM shop.fired WHERE what = 'INSERT'"), 0, 'no trigger of the table saw the rows move');
is(sql(<<'SQL'), 't', 'each partition has the indexes of the parent, attached and valid');
SELECT bool_and(n = 2) FROM (SELECT i.indrelid, count(h.inhparent) AS n FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid WHERE c.relname ~ '^busy_(2026|default)' AND i.indisvalid GROUP BY 1) x
SQL
my ($copy) = rows($node, 'postgres', 'SELECT * FROM dbm.partition_copy_status() ORDER BY job DESC LIMIT 1');
is($copy->{phase}, 'cleaned', 'its copy is done');
cmp_ok($copy->{rows_verified}, '>', 150_000, 'and was compared');
cmp_ok($longest, '<', 1_000, 'no writer waited longer than a second');
diag(sprintf '200000 rows beside %d transactions: %.1f s, %s keys replayed, lock held %s, longest transaction of a writer %.0f ms; %s',
	$transactions, $took, $copy->{rows_replayed}, $copy->{lock_held}, $longest, $done[0]->{detail});

# --- Killed in each phase, beside writers: the next one goes on

for my $place ('prepared', 'batch', 'copying:2', 'catching_up', 'replayed', 'ready', 'uncommitted', 'swapped', 'verified')
{
	my $name = "killed_$place" =~ s/\W/_/r;
	make($name, 30_000);
	my $script = $writing =~ s/busy/$name/gr =~ s/200000/30000/gr;
	my $beside = Writers::start($node, 'postgres', $script, 2);
	usleep(200_000);
	fault("copy:$place");
	my $log = -s $node->logfile;
	my $is_cut_off = $node->psql('postgres', "SELECT dbm.partition_drain('shop.$name')") == 2;
	eval { Writers::stop($beside) };
	$is_cut_off ? wait_for_restart($node, $log) : wait_for_server($node);
	fault('');
	is_same($name, "killed at $place: all rows are there");
	$beside = Writers::start($node, 'postgres', $script, 2);
	@done = drain("shop.$name");
	(undef, undef, $errors) = Writers::stop($beside);
	is(statuses_of(@done), 'drain done', "killed at $place: the next one ends it") or diag explain \@done;
	is($errors, '', "killed at $place: no writer meets an error afterwards");
	is_same($name, "killed at $place: and all rows are there");
	@done = drain("shop.$name");
	is(sql("SELECT count(*) FROM ONLY shop.${name}_default"), 0, "killed at $place: the default partition is empty");
	is(leftovers(), 0, "killed at $place: nothing is left over");
	sql("DROP TABLE shop.$name, shop.${name}_mirror");
}

# --- Truncated, rewritten, altered while it is copied

{
	make('odd', 30_000);
	fault('copy:copying:1');
	$node->psql('postgres', "SELECT dbm.partition_drain('shop.odd')");
	wait_for_server($node);
	fault('');
	sql('TRUNCATE shop.odd_default; TRUNCATE shop.odd_mirror');
	sql("INSERT INTO shop.odd (id, at, n, note) SELECT i, '2026-03-02', i, 'again' FROM generate_series(1, 5000) i; INSERT INTO shop.odd_mirror SELECT * FROM shop.odd");
	is(statuses_of(drain('shop.odd')), 'drain done', 'truncated in the middle: it begins anew');
	is_same('odd', 'and only what came afterwards is there');
	sql('DROP TABLE shop.odd, shop.odd_mirror; DROP FUNCTION shop.odd_fires()');

	make('odd', 30_000);
	fault('copy:batch');
	$node->psql('postgres', "SELECT dbm.partition_drain('shop.odd')");
	wait_for_server($node);
	fault('');
	sql('DELETE FROM shop.odd WHERE id % 3 = 0; DELETE FROM shop.odd_mirror WHERE id % 3 = 0');
	sql('VACUUM FULL shop.odd_default');
	is(statuses_of(drain('shop.odd')), 'drain done', 'rewritten in the middle: it begins anew');
	is_same('odd', 'and no row is lost or doubled');
	sql('DROP TABLE shop.odd, shop.odd_mirror; DROP FUNCTION shop.odd_fires()');

	make('odd', 30_000);
	fault('copy:copying:1');
	$node->psql('postgres', "SELECT dbm.partition_drain('shop.odd')");
	wait_for_server($node);
	fault('');
	sql('ALTER TABLE shop.odd ADD COLUMN late int');
	@done = drain('shop.odd');
	is(statuses_of(@done), 'drain failed', 'altered in the middle: it stops');
	like($done[0]->{detail}, qr/columns of shop\.odd_default changed while it was copied/, 'and says why');
	is(leftovers(), 0, 'and takes all back');
	is(statuses_of(drain('shop.odd')), 'drain done', 'the next one begins anew');
	is(sql('SELECT count(*) FROM ONLY shop.odd_default'), 0, 'and ends');
	sql('DROP TABLE shop.odd, shop.odd_mirror; DROP FUNCTION shop.odd_fires()');
}

# --- Somebody who holds the parent: nobody waits behind us longer than the limit, and it is done once he lets go

{
	my $wait;
	# The best of three.
	for my $try (1 .. 3)
	{
		my $name = "held_$try";
		make($name, 30_000);
		my $holder = Session->new($node, 'postgres');
		$holder->must("BEGIN; SELECT count(*) FROM shop.$name WHERE id < 0");
		my $reads = Writers::start($node, 'postgres', "SELECT count(*) FROM shop.$name WHERE at = '2026-03-20'", 1);
		my $psql = $node->background_psql('postgres', on_error_stop => 0);
		$psql->query_until(qr/sent/, "\\echo sent\nSELECT status FROM dbm.partition_drain('shop.$name');\n");
		$node->poll_query_until('postgres', "SELECT waits_for IS NOT NULL FROM dbm.partition_copy_status() WHERE source = 'shop.${name}_default'")
		  or die 'it does not say that it waits';
		$holder->must('COMMIT');
		$psql->quit;
		($wait) = Writers::stop($reads);
		is(sql("SELECT count(*) FROM ONLY shop.${name}_default"), 0, 'it is done once he lets go');
		is_same($name, 'with all rows');
		$holder->quit;
		last if $wait < 1_000;
	}
	cmp_ok($wait, '<', 1_000, sprintf 'a reader waited %.0f ms at most', $wait);
}

# Begins a drain and waits until it is at its swap, which a lock of the session holds up; its other end.
sub held_at_swap
{
	my ($holder, $name) = @_;
	$holder->must("BEGIN; SELECT count(*) FROM shop.$name WHERE id < 0");
	my $psql = $node->background_psql('postgres', on_error_stop => 0);
	$psql->query_until(qr/sent/, "\\echo sent\nSELECT status || ' ' || detail FROM dbm.partition_drain('shop.$name');\n");
	$node->poll_query_until('postgres', "SELECT waits_for IS NOT NULL FROM dbm.partition_copy_status() WHERE source = 'shop.${name}_default'")
	  or die 'it does not say that it waits';
	return $psql;
}

# --- Privileges by default: what is made for the time between shows rows to nobody, and the partitions to whom the others do

{
	sql('CREATE ROLE bob; CREATE ROLE carol; GRANT USAGE ON SCHEMA shop, dbm TO bob');
	make('closed', 30_000);
	sql('REVOKE ALL ON shop.closed FROM PUBLIC; GRANT SELECT ON shop.closed_2026_03_20 TO carol');
	sql('ALTER DEFAULT PRIVILEGES FOR ROLE alice GRANT SELECT ON TABLES TO bob; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO bob');
	my $open_to = sub { sql("SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class WHERE relkind IN ('r', 'p') AND has_table_privilege('$_[0]', oid, 'SELECT, INSERT, UPDATE, DELETE')
		AND relname ~ '^(closed|dbm_|partition_journal)'") };
	my $holder = Session->new($node, 'postgres');
	my $psql = held_at_swap($holder, 'closed');
	cmp_ok(sql(q{SELECT count(*) FROM pg_class WHERE relname ~ '^(closed_2026_03_[01]|dbm_staging|dbm_rest|dbm_hold|partition_journal)' AND relkind IN ('r', 'p')}), '>=', 15, 'all is made');
	is($open_to->('bob'), '', 'privileges by default open none of what is made for the time between');
	is($open_to->('carol'), 'closed_2026_03_20', 'nor are the partitions open yet to whom they will be');
	$holder->must('COMMIT');
	$psql->quit;
	is($open_to->('bob'), '', 'afterwards they open nothing either');
	is(sql(q{SELECT count(*) FROM pg_class WHERE relname ~ '^closed_2026' AND has_table_privilege('carol', oid, 'SELECT')}), 11, 'the partitions are open as those before');
	maintain($node, 'postgres', 'shop.closed', at => '2026-03-21', before => q{SET dbm.upkeep_lock_timeout = '1min'});
	cmp_ok(scalar(partitions($node, 'postgres', 'shop.closed')), '>', 12, 'upkeep makes more');
	is($open_to->('bob'), '', 'which are closed, too');
	sql('ALTER DEFAULT PRIVILEGES FOR ROLE alice REVOKE SELECT ON TABLES FROM bob; ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM bob');
	$holder->quit;
}

# --- A function of the owner's that the copy calls: what it writes elsewhere is not silent

{
	make('checked', 3_000);
	sql(<<'SQL');
SET ROLE alice;
CREATE TABLE shop.known (id bigint PRIMARY KEY);
INSERT INTO shop.known SELECT generate_series(0, 9);
CREATE TABLE shop.seen (id bigint REFERENCES shop.known, role text);
CREATE FUNCTION shop.seen_fires() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO shop.fired VALUES ('seen'); RETURN NULL; END $$;
CREATE TRIGGER fires AFTER INSERT ON shop.seen FOR EACH ROW EXECUTE FUNCTION shop.seen_fires();
CREATE FUNCTION shop.sees(bigint) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO shop.seen VALUES ($1 % 10, pg_catalog.current_setting('session_replication_role') || pg_catalog.current_setting('row_security')); RETURN true; END $$;
CREATE FUNCTION shop.sees_inlined(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT shop.sees($1)';
ALTER TABLE shop.checked ADD CHECK (shop.sees_inlined(id));
DELETE FROM shop.seen;
DELETE FROM shop.fired;
SQL
	is_heard('checked', 'rows are checked by a function that writes', 3_000, 'it was called for each');
	make('orphan', 3_000);
	sql(q{SET ROLE alice; ALTER TABLE shop.orphan ADD CHECK (shop.sees(id)); ALTER TABLE shop.seen DROP CONSTRAINT seen_id_fkey; DELETE FROM shop.known WHERE id = 7;
		DELETE FROM shop.seen; ALTER TABLE shop.seen ADD FOREIGN KEY (id) REFERENCES shop.known});
	@done = drain('shop.orphan');
	is(statuses_of(@done), 'drain failed', 'a foreign key of what it writes holds');
	like($done[0]->{detail}, qr/violates foreign key constraint "seen_id_fkey"/, 'and says so');
	is(leftovers(), 0, 'nothing is left over');
	sql('DROP TABLE shop.orphan, shop.orphan_mirror');
}

# --- So is what an index calls: the server looks the function of a range type up once, whoever asks first

{
	make('spans', 30_000);
	sql(<<'SQL');
SET ROLE alice;
DELETE FROM shop.seen;
INSERT INTO shop.known VALUES (7);
-- It has to be called immutable, and then may not write itself.
CREATE FUNCTION shop.apart(float8, float8) RETURNS float8 IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM shop.sees(7); RETURN $1 - $2; END $$;
CREATE TYPE shop.span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = shop.apart);
ALTER TABLE shop.spans ADD COLUMN span shop.span;
UPDATE shop.spans SET span = shop.span(id, id + n);
CREATE INDEX ON shop.spans USING gist (span);
DELETE FROM shop.seen;
DELETE FROM shop.fired;
SQL
	is_heard('spans', 'rows go into an index whose function writes', 101, 'it was called');
}

# --- The key is one of the default partition alone: rows of the same key elsewhere are others

{
	make('alone', 30_000, 'CHECK (true)');
	sql(<<'SQL');
CREATE UNIQUE INDEX ON shop.alone_default (id);
UPDATE shop.alone SET at = NULL WHERE id <= 500;
INSERT INTO shop.alone (id, at, n, note) SELECT i, '2026-03-20', -1, 'other' FROM generate_series(1, 500) AS i;
SQL
	my $beside = Writers::start($node, 'postgres', "\\set id random(1, 500)\nUPDATE shop.alone SET n = n + 1 WHERE id = :id AND at IS NULL;\n", 3);
	usleep(300_000);
	@done = drain('shop.alone');
	(undef, undef, $errors) = Writers::stop($beside);
	is(statuses_of(@done) . $errors, 'drain done', 'rows whose key is null stay') or diag explain \@done;
	is(sql(q{SELECT count(*) FILTER (WHERE at IS NULL) || ' ' || count(*) FILTER (WHERE note = 'other') || ' ' || count(*) FROM shop.alone}), '500 500 30500',
		'and none of another partition goes with the same key');
	sql('DROP TABLE shop.alone, shop.alone_mirror');
}

# --- The default partition was taken away meanwhile: its rows are not given to the table that was its

{
	make('apart', 30_000);
	my $holder = Session->new($node, 'postgres');
	my $psql = held_at_swap($holder, 'apart');
	$holder->must("SET client_min_messages = error; ALTER TABLE shop.apart DETACH PARTITION shop.apart_default; COMMIT");
	my $said = $psql->query('SELECT 1');
	$psql->quit;
	is(sql('SELECT count(*) FROM shop.apart') . ' ' . sql('SELECT count(*) FROM shop.apart_default'), '0 30000', 'a default partition that was detached keeps its rows');
	is(sql(q{SELECT detail FROM dbm.upkeep_log WHERE parent = 'shop.apart' ORDER BY id DESC LIMIT 1}) =~ /^shop\.apart_default is not the default partition of shop\.apart any more/, 1, 'which is said');
	is(leftovers(), 0, 'nothing is left over');
	$holder->quit;
	sql('DROP TABLE shop.apart, shop.apart_default, shop.apart_mirror');
}

# --- Under the audit trail: rows that move are rows of the table as before

{
	make('trailed', 30_000);
	sql(q{INSERT INTO shop.trailed (id, at, n, note) SELECT i, '2126-01-01', 1, 'old' FROM generate_series(100001, 100003) AS i;
		INSERT INTO shop.trailed_mirror SELECT * FROM shop.trailed WHERE id > 100000});
	sql(q{SELECT dbm.install_audit_trigger('shop.trailed')}, extra_params => [ '-U', 'alice' ]);
	my $then = sql('SELECT clock_timestamp()');
	my $rows_of = sub { sql("SELECT count(*) || ' ' || sum(hashtextextended((r - 'body')::text, 0)::numeric) FROM dbm.as_of('shop.trailed', '$then') AS r") };
	my $before = $rows_of->();
	like($before, qr/^30003 /, 'the table as it was');
	my $beside = Writers::start($node, 'postgres', $writing =~ s/busy/trailed/gr =~ s/200000/30000/gr, 2);
	usleep(300_000);
	@done = drain('shop.trailed', role => 'alice');
	usleep(300_000);
	(undef, undef, $errors) = Writers::stop($beside);
	is(statuses_of(@done) . $errors, 'drain done', 'drained beside writers') or diag explain \@done;
	is_same('trailed', 'no row is lost');
	is($rows_of->(), $before, 'and before it the table was what it was');
	is(sql(q{SELECT count(*) FROM (SELECT key FROM dbm.changes('shop.trailed') WHERE operation = 'I' GROUP BY key HAVING count(*) > 1) x}), 0, 'no row came a second time');
	my ($event) = rows($node, 'postgres', q{SELECT * FROM dbm_trail.event WHERE kind = 'moved'});
	like($event->{detail}, qr/^rows of shop\.trailed_default were moved into shop\.trailed_2026_03_01, .*, for alice: they are rows of shop\.trailed as before$/, 'the log is told what was moved, and for whom');
	is(sql(q{SELECT count(*) FROM dbm_trail.event WHERE kind = 'moved'}), 1, 'once');
	is(sql(q{SELECT count(*) FROM dbm_trail.event WHERE kind IN ('attached', 'detached')}), 0, 'and nothing of rows that came or went, for none did');
	# What the copy moves is exempt, and nothing else.
	my $logged = sql('SELECT count(*) FROM dbm_trail.change');
	sql(q{INSERT INTO shop.trailed (id, at, n, note) VALUES (700001, '2026-03-02', 1, 'after'); UPDATE shop.trailed SET at = '2026-03-03' WHERE id = 700001; SET session_replication_role = replica; DELETE FROM shop.trailed WHERE id = 700001});
	cmp_ok(sql('SELECT count(*) FROM dbm_trail.change') - $logged, '>=', 3, 'what is written afterwards is logged');
	sql(q{SELECT dbm.remove_audit_trigger('shop.trailed')});
}

# --- What cannot be drained says why

{
	make('keyless', 30_000, 'CHECK (true)');
	@done = drain('shop.keyless');
	is(statuses_of(@done), 'drain failed', 'many rows without a key are refused');
	like($done[0]->{detail}, qr/more than 20000 rows and no key/, 'and it is said why');
	is(leftovers(), 0, 'nothing is left over');
	my (undef, undef, $error) = $node->psql('postgres', "SELECT dbm.partition_drain('shop.fired')");
	like($error, qr/is not a partitioned table/, 'a plain table is refused');
	(undef, undef, $error) = $node->psql('postgres', 'SELECT dbm.partition_drain(NULL)');
	like($error, qr/must not be null/, 'and nothing');
}

# --- Foreign keys, both ways

{
	sql(<<'SQL');
CREATE TABLE shop.customer (id int PRIMARY KEY);
INSERT INTO shop.customer SELECT generate_series(1, 100);
CREATE TABLE shop.bound (id int, at date, customer int REFERENCES shop.customer, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE shop.bound_default PARTITION OF shop.bound DEFAULT;
INSERT INTO shop.bound SELECT i, '2026-03-01'::date + i % 5, i % 100 + 1 FROM generate_series(1, 5000) i;
CREATE TABLE shop.item (id int, at date, FOREIGN KEY (id, at) REFERENCES shop.bound);
INSERT INTO shop.item SELECT id, at FROM shop.bound;
SQL
	keep($node, 'postgres', 'shop.bound', key_kind => 'date', origin => '2000-01-01', on_missing => 'default', premake => 1);
	@done = drain('shop.bound');
	is(statuses_of(@done), 'drain done', 'foreign keys from and to the set') or diag explain \@done;
	is(sql('SELECT count(*) FROM shop.bound') . ' ' . sql('SELECT count(*) FROM ONLY shop.bound_default'), '5000 0', 'all rows moved');
	my (undef, undef, $error) = $node->psql('postgres', 'DELETE FROM shop.bound WHERE id = 7');
	like($error, qr/violates foreign key constraint/, 'the one to it holds');
	(undef, undef, $error) = $node->psql('postgres', 'DELETE FROM shop.customer WHERE id = 7');
	like($error, qr/violates foreign key constraint/, 'and the one from it');
}

diag(sprintf 'all: %.0f s', time() - $began);
$node->stop;
done_testing();
