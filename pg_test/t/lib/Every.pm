# A database in which there is something of each kind, and every kind of DDL on it: what dbm.migration_plan() makes of it.

package Every;

use strict;
use warnings FATAL => 'all';

use Audit qw(rows utf8_locale);
use Changes qw(call carry difference direct sorted);
use Exporter 'import';
use Plan qw(literal schema_of statuses);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT_OK = qw(changes_of_tables other_changes start_node try_changes);

# Makes the database whole, which belongs to alice.
sub make_everything
{
	my ($node) = @_;
	$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN; CREATE ROLE reader; CREATE ROLE "odd one"; GRANT reader, "odd one" TO alice; CREATE DATABASE whole');
	$node->safe_psql('whole', <<'SQL');
CREATE EXTENSION dbmastery;
CREATE EXTENSION btree_gist;
GRANT USAGE ON SCHEMA dbm TO alice;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO alice;
GRANT CREATE ON DATABASE whole TO alice;
CREATE FOREIGN DATA WRAPPER nothing;
GRANT USAGE ON FOREIGN DATA WRAPPER nothing TO alice;
SET ROLE alice;
CREATE SCHEMA s;
GRANT USAGE, CREATE ON SCHEMA s TO reader, "odd one";
CREATE SCHEMA other;
SET search_path = s;
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN code AS text;
CREATE DOMAIN checked AS int CHECK (VALUE > 0);
CREATE SEQUENCE numbers;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION plus(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1';
CREATE TABLE other_rows (id int PRIMARY KEY, note text);
INSERT INTO other_rows SELECT i FROM generate_series(0, 99) AS i;
-- Views of each kind stand on amount.
CREATE TABLE t (id int PRIMARY KEY, amount int NOT NULL DEFAULT 3, note text, other_id int, mood mood, code code, free int,
	during tsrange, tags text[], short varchar(20), body int, at timestamptz DEFAULT '2025-01-01', CONSTRAINT amount_positive CHECK (amount >= 0));
INSERT INTO t (id, amount, note, other_id, mood, code, free, during) SELECT i, i % 77, 'n' || i, i % 100, 'sad', 'c' || i, i, tsrange('2025-01-01'::timestamp + i * interval '1 h', '2025-01-01'::timestamp + (i + 1) * interval '1 h') FROM generate_series(1, 2000) AS i;
CREATE INDEX t_note ON t (note);
CREATE INDEX t_amount ON t (amount, id) WHERE amount > 5;
ALTER TABLE t ADD CONSTRAINT t_other FOREIGN KEY (other_id) REFERENCES other_rows;
ALTER TABLE t ADD CONSTRAINT free_not_valid CHECK (free > -5) NOT VALID;
CREATE TRIGGER t_touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();
CREATE POLICY mine ON t FOR SELECT TO reader USING (other_id > 0);
COMMENT ON TABLE t IS 'the table';
GRANT SELECT, INSERT ON t TO reader;
GRANT UPDATE (amount) ON t TO reader WITH GRANT OPTION;
CREATE VIEW sums AS SELECT other_id, sum(amount) AS total FROM t GROUP BY other_id;
CREATE VIEW plain WITH (security_barrier) AS SELECT id, amount, note FROM t WHERE amount > 1 WITH LOCAL CHECK OPTION;
COMMENT ON VIEW plain IS 'the plain view';
COMMENT ON COLUMN plain.amount IS 'how much';
ALTER VIEW plain ALTER COLUMN amount SET DEFAULT 5;
CREATE VIEW over AS SELECT p.id, p.amount * 2 AS twice, s.total FROM plain p, sums s WHERE s.other_id = p.id;
CREATE VIEW wider AS SELECT o.*, t.amount AS "The Amount" FROM over o JOIN t USING (id);
GRANT SELECT ON plain, over TO reader WITH GRANT OPTION;
GRANT SELECT (id), UPDATE (amount, note) ON plain TO "odd one";
GRANT INSERT ON plain TO PUBLIC;
ALTER VIEW over OWNER TO reader;
GRANT SELECT ON plain, sums TO reader;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER over_write INSTEAD OF INSERT ON sums FOR EACH ROW EXECUTE FUNCTION instead();
COMMENT ON TRIGGER over_write ON sums IS 'nothing is written';
CREATE RULE no_delete AS ON DELETE TO sums DO INSTEAD NOTHING;
CREATE VIEW shorter AS SELECT short FROM t;
CREATE FUNCTION bodies() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT sum(body) FROM t; END;
CREATE VIEW apart AS SELECT note FROM t;
CREATE MATERIALIZED VIEW kept AS SELECT free, count(*) FROM t GROUP BY free;
CREATE UNIQUE INDEX kept_free ON kept (free);
CREATE TABLE bare (a int, b text);
INSERT INTO bare SELECT i, 'b' || i FROM generate_series(1, 500) AS i;
-- Partitions, one of them partitioned again.
CREATE TABLE p (id bigint NOT NULL, at date NOT NULL, amount int NOT NULL DEFAULT 1, note text, CONSTRAINT p_amount CHECK (amount > -9), PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2025-02-01') TO ('2025-03-01') PARTITION BY HASH (id);
CREATE TABLE p2a PARTITION OF p2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE p2b PARTITION OF p2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX p_note ON p (note);
CREATE INDEX p_amount_at ON p (amount, at DESC) WHERE amount > 0;
CREATE INDEX p1_own ON p1 (amount);
CREATE VIEW p_view AS SELECT at, sum(amount) AS total FROM p GROUP BY at;
INSERT INTO p (id, at, amount, note) SELECT i, '2025-01-01'::date + i % 59, i % 9, 'n' || i FROM generate_series(1, 2000) AS i;
CREATE TABLE p3 (LIKE p INCLUDING ALL);
CREATE TABLE parent (id int PRIMARY KEY, a int);
CREATE TABLE child (b int) INHERITS (parent);
CREATE TABLE ided (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, n serial, g int GENERATED ALWAYS AS (7) STORED);
CREATE TABLE booked (room int, during tsrange, EXCLUDE USING gist (room WITH =, during WITH &&));
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE far (a int) SERVER nowhere;
CREATE TABLE guarded (a int PRIMARY KEY);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY lone ON guarded AS RESTRICTIVE TO reader, "odd one" USING (a > 0);
COMMENT ON POLICY lone ON guarded IS 'the only one';
COMMENT ON TRIGGER t_touch ON t IS 'touched';
ALTER TABLE t ENABLE ALWAYS TRIGGER t_touch;
CREATE STATISTICS t_stat ON note, code FROM t;
RESET ROLE;
CREATE PUBLICATION pub FOR TABLE s.bare;
ALTER PUBLICATION pub OWNER TO alice;
ALTER TABLE s.bare REPLICA IDENTITY FULL;
VACUUM ANALYZE;
SQL
	return;
}

# Each: the change as alice makes it; then what may be so:
#   refused    there is no plan: what the error says
#   fails      the server refuses the change itself: what it says; so there is no plan, or it fails like that
#   views      the server refuses the change because of these views: dropped and made anew it is what is wanted
#   people     what people do when the plan waits for them, and with the change itself
#   ends       the end is another than that of the change: what the plan says of that in what it requires
#   warns      what the plan says of the change in what it requires
#   order      columns stand in another order
#   no_undo    cannot be taken back, which is said
#   since      from this version on
sub changes_of_tables
{
	return (
		# Columns
		[ 'ALTER TABLE s.t ADD COLUMN x int' ],
		[ 'ALTER TABLE s.t ADD COLUMN IF NOT EXISTS amount int' ],
		[ 'ALTER TABLE s.t ADD COLUMN x int DEFAULT 5 NOT NULL CHECK (x > 0)' ],
		[ 'ALTER TABLE s.t ADD COLUMN x timestamptz DEFAULT clock_timestamp()', random => 'x' ],
		[ 'ALTER TABLE s.t ADD COLUMN x serial', random => 'x' ],
		[ 'ALTER TABLE s.t ADD COLUMN x bigint GENERATED ALWAYS AS IDENTITY', random => 'x' ],
		[ 'ALTER TABLE s.t ADD COLUMN x int REFERENCES s.other_rows' ],
		[ 'ALTER TABLE s.t ADD COLUMN x int UNIQUE' ],
		[ 'ALTER TABLE s.t ADD COLUMN x int GENERATED ALWAYS AS (amount * 2) STORED', ends => 'ordinary column' ],
		[ 'ALTER TABLE s.t ADD COLUMN x s.checked', ends => 'constraints' ],
		[ 'ALTER TABLE s.t ADD COLUMN x s.code' ],
		[ 'ALTER TABLE s.t ADD COLUMN x text COLLATE "C" STORAGE EXTERNAL', since => 16 ],
		[ 'ALTER TABLE s.t ADD COLUMN x s.pair' ],
		[ 'ALTER TABLE s.p ADD COLUMN x int' ],
		[ 'ALTER TABLE s.p ADD COLUMN x uuid DEFAULT gen_random_uuid()', random => 'x' ],
		[ 'ALTER TABLE s.parent ADD COLUMN x int' ],
		[ 'ALTER TABLE s.far ADD COLUMN x int' ],
		[ 'ALTER TABLE s.t DROP COLUMN code', no_undo => 1 ],
		[ 'ALTER TABLE s.t DROP COLUMN amount', fails => 'other objects depend on it' ],
		[ 'ALTER TABLE s.t DROP COLUMN amount CASCADE', no_undo => 1 ],
		[ 'ALTER TABLE s.t DROP COLUMN IF EXISTS nothing' ],
		[ 'ALTER TABLE s.t ALTER COLUMN free TYPE bigint', order => 1, no_undo_check => 1, people => 'DROP MATERIALIZED VIEW IF EXISTS s.kept', warns => 'materialized view s.kept has to be filled anew' ],
		[ 'ALTER TABLE s.t ALTER COLUMN code TYPE varchar(20)', refused => 'statistics object' ],
		[ 'ALTER TABLE s.t ALTER COLUMN amount TYPE bigint', views => [ 's.sums', 's.plain', 's.over', 's.wider' ], order => 1 ],
		[ 'ALTER TABLE s.t ALTER COLUMN amount TYPE numeric(12,2) USING amount / 2', views => [ 's.sums', 's.plain', 's.over', 's.wider' ], order => 1, no_undo => 1 ],
		[ 'ALTER TABLE s.t ALTER COLUMN short TYPE varchar(40)', views => ['s.shorter'] ],
		[ 'ALTER TABLE s.t ALTER COLUMN short TYPE text', views => ['s.shorter'] ],
		[ 'ALTER TABLE s.t ALTER COLUMN body TYPE bigint', order => 1, people => 'DROP FUNCTION IF EXISTS s.bodies', no_undo_check => 1, warns => 's.bodies' ],
		[ 'ALTER TABLE s.t ALTER COLUMN tags TYPE varchar[]', order => 1 ],
		[ 'ALTER TABLE s.p ALTER COLUMN amount TYPE bigint', refused => 'part of a tree of tables' ],
		[ 'ALTER TABLE s.p ALTER COLUMN note TYPE varchar(30)', refused => 'part of a tree of tables' ],
		[ 'ALTER TABLE s.p ALTER COLUMN at TYPE timestamp', fails => 'partition key' ],
		[ 'ALTER TABLE s.p1 ALTER COLUMN amount TYPE bigint', fails => 'inherited column' ],
		[ 'ALTER TABLE s.t ALTER COLUMN at TYPE timestamptz(3)', order => 1 ],
		[ 'ALTER TABLE s.t ALTER COLUMN note SET DEFAULT $$none$$' ],
		[ 'ALTER TABLE s.t ALTER COLUMN amount DROP DEFAULT' ],
		[ 'ALTER TABLE s.t ALTER COLUMN amount SET DEFAULT 9' ],
		[ 'ALTER TABLE s.plain ALTER COLUMN amount SET DEFAULT 6' ],
		[ 'ALTER VIEW s.plain ALTER COLUMN amount DROP DEFAULT' ],
		[ 'ALTER TABLE s.t ALTER COLUMN other_id SET NOT NULL' ],
		[ 'ALTER TABLE s.t ALTER COLUMN amount DROP NOT NULL' ],
		[ 'ALTER TABLE s.t ALTER COLUMN free DROP NOT NULL' ],
		[ 'ALTER TABLE s.t ALTER COLUMN id DROP NOT NULL', fails => 'primary key' ],
		[ 'ALTER TABLE s.p ALTER COLUMN note SET NOT NULL' ],
		[ 'ALTER TABLE s.t ALTER COLUMN note SET STATISTICS 500' ],
		[ 'ALTER TABLE s.t ALTER COLUMN note SET (n_distinct = -0.5)' ],
		[ 'ALTER TABLE s.t ALTER COLUMN note RESET (n_distinct)' ],
		[ 'ALTER TABLE s.t ALTER COLUMN note SET STORAGE EXTERNAL' ],
		[ 'ALTER TABLE s.t ALTER COLUMN note SET COMPRESSION pglz' ],
		[ 'ALTER TABLE s.ided ALTER COLUMN id SET GENERATED ALWAYS' ],
		[ 'ALTER TABLE s.ided ALTER COLUMN id DROP IDENTITY', no_undo => 1 ],
		[ 'ALTER TABLE s.ided ALTER COLUMN g DROP EXPRESSION', no_undo => 1 ],
		[ 'ALTER TABLE s.ided ALTER COLUMN id SET INCREMENT BY 5', no_undo => 1 ],
		[ 'ALTER TABLE s.t RENAME COLUMN code TO "New Code"' ],
		[ 'ALTER TABLE s.t RENAME COLUMN amount TO sum' ],
		[ 'ALTER TABLE s.p RENAME COLUMN note TO remark' ],
		[ 'ALTER VIEW s.apart RENAME COLUMN note TO remark' ],
		[ 'ALTER TYPE s.pair RENAME ATTRIBUTE a TO z' ],
		# Tables
		[ 'ALTER TABLE s.bare RENAME TO "Bare"' ],
		[ 'ALTER TABLE s.t RENAME TO u' ],
		[ 'ALTER TABLE s.bare SET SCHEMA other' ],
		[ 'ALTER TABLE s.t SET SCHEMA other' ],
		[ 'ALTER TABLE s.p RENAME TO q' ],
		[ 'ALTER VIEW s.apart RENAME TO apart2' ],
		[ 'ALTER VIEW s.apart SET SCHEMA other' ],
		[ 'ALTER MATERIALIZED VIEW s.kept RENAME TO kept2' ],
		[ 'ALTER SEQUENCE s.numbers RENAME TO numbers2' ],
		[ 'ALTER SEQUENCE s.numbers SET SCHEMA other' ],
		[ 'ALTER SEQUENCE s.numbers INCREMENT BY 7', no_undo => 1 ],
		[ 'ALTER INDEX s.t_note RENAME TO t_note2' ],
		[ 'ALTER INDEX s.t_note SET (fillfactor = 70)', no_undo => 1 ],
		[ 'ALTER TABLE s.t RENAME CONSTRAINT amount_positive TO amount_fine' ],
		[ 'ALTER TABLE s.t OWNER TO reader', no_undo => 1 ],
		[ 'ALTER TABLE s.bare OWNER TO reader' ],
		[ 'ALTER TABLE s.t SET (fillfactor = 70)' ],
		[ 'ALTER TABLE s.t SET (autovacuum_vacuum_scale_factor = 0.1), ALTER COLUMN free SET DEFAULT 4' ],
		[ 'ALTER TABLE s.bare SET UNLOGGED', refused => 'ACCESS EXCLUSIVE' ],
		[ 'ALTER TABLE s.bare SET LOGGED' ],
		[ 'ALTER TABLE s.bare REPLICA IDENTITY DEFAULT' ],
		[ 'ALTER TABLE s.t CLUSTER ON t_note' ],
		[ 'ALTER TABLE s.t DISABLE TRIGGER t_touch' ],
		[ 'ALTER TABLE s.t DISABLE TRIGGER USER', no_undo => 1 ],
		[ 'ALTER TABLE s.child NO INHERIT s.parent', no_undo => 1 ],
		[ 'DROP TABLE s.booked', no_undo => 1 ],
		[ 'DROP TABLE s.other_rows', refused => 'foreign keys point to s.other_rows' ],
		[ 'DROP TABLE s.other_rows CASCADE', no_undo => 1 ],
		[ 'DROP TABLE IF EXISTS s.nothing' ],
		[ 'DROP TABLE s.p', no_undo => 1, fails => 'depend' ],
		[ 'DROP TABLE s.p1', no_undo => 1 ],
		[ 'DROP VIEW s.apart', no_undo => 1 ],
		[ 'DROP SEQUENCE s.numbers', no_undo => 1 ],
		[ 'DROP FUNCTION s.plus(int)', no_undo => 1 ],
		[ 'DROP TYPE s.pair', no_undo => 1 ],
		[ 'DROP SCHEMA other', refused => 'many things' ],
		[ 'TRUNCATE s.bare', refused => 'nothing brings the rows back' ],
		[ 'CREATE TABLE s.fresh (id int PRIMARY KEY, a text REFERENCES nowhere)', fails => 'nowhere' ],
		[ 'CREATE TABLE s.fresh (id int PRIMARY KEY, a int)' ],
		[ 'CREATE TABLE s.fresh (id int PRIMARY KEY, o int REFERENCES s.other_rows)' ],
		[ 'CREATE TABLE s.fresh AS SELECT * FROM s.bare' ],
		[ 'SELECT * INTO s.fresh FROM s.bare', refused => 'reads or changes rows' ],
		[ 'CREATE TABLE s.fresh (LIKE s.t INCLUDING ALL)' ],
		[ 'CREATE VIEW s.fresh AS SELECT * FROM s.bare' ],
		[ 'CREATE OR REPLACE VIEW s.apart AS SELECT note, id FROM s.t', no_undo => 1 ],
		[ 'CREATE MATERIALIZED VIEW s.fresh AS SELECT * FROM s.bare' ],
		[ 'CREATE SEQUENCE s.fresh' ],
		[ 'CREATE SCHEMA fresh' ],
		[ 'CREATE TABLE IF NOT EXISTS s.bare (id int PRIMARY KEY)' ],
		[ 'CREATE TABLE IF NOT EXISTS s.fresh (id int PRIMARY KEY)' ],
		[ 'CREATE SEQUENCE IF NOT EXISTS s.numbers' ],
	);
}

sub other_changes
{
	return (
		# Constraints
		[ 'ALTER TABLE s.t ADD CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&)', warns => 'readers and writers of s.t wait .* by this server.s rates' ],
		[ 'ALTER TABLE s.t ADD EXCLUDE USING gist (other_id WITH =, during WITH &&)' ],
		[ 'ALTER TABLE s.p ADD CONSTRAINT x EXCLUDE USING gist (at WITH =, id WITH =)', since => 17 ],
		[ 'ALTER TABLE s.t ADD CHECK (amount < 1000)' ],
		[ 'ALTER TABLE s.p ADD CONSTRAINT p_check CHECK (amount < 1000)' ],
		[ 'ALTER TABLE s.parent ADD CHECK (a < 1000)' ],
		[ 'ALTER TABLE s.t ADD UNIQUE (note)' ],
		[ 'ALTER TABLE s.t ADD UNIQUE NULLS NOT DISTINCT (note) INCLUDE (amount)' ],
		[ 'ALTER TABLE s.p ADD CONSTRAINT p_unique UNIQUE (at, id, note)' ],
		[ 'ALTER TABLE s.bare ADD PRIMARY KEY (a)' ],
		[ 'ALTER TABLE s.t ADD FOREIGN KEY (free) REFERENCES s.t (id) NOT VALID' ],
		[ 'ALTER TABLE s.bare ADD FOREIGN KEY (a) REFERENCES s.t' ],
		[ 'ALTER TABLE s.p ADD CONSTRAINT p_fk FOREIGN KEY (id) REFERENCES s.t' ],
		[ 'ALTER TABLE s.t VALIDATE CONSTRAINT free_not_valid' ],
		[ 'ALTER TABLE s.t DROP CONSTRAINT amount_positive' ],
		[ 'ALTER TABLE s.t DROP CONSTRAINT t_other' ],
		[ 'ALTER TABLE s.t DROP CONSTRAINT t_pkey' ],
		[ 'ALTER TABLE s.t DROP CONSTRAINT IF EXISTS nothing' ],
		[ 'ALTER TABLE s.p DROP CONSTRAINT p_amount' ],
		[ 'ALTER TABLE s.booked DROP CONSTRAINT booked_room_during_excl' ],
		[ 'ALTER TABLE s.t ALTER CONSTRAINT t_other DEFERRABLE' ],
		# Indexes
		[ 'CREATE INDEX ON s.t (free)' ],
		[ 'CREATE UNIQUE INDEX t_u ON s.t (note, free)' ],
		[ 'CREATE INDEX ON s.t USING gist (during)' ],
		[ 'CREATE INDEX ON s.p (note, id)' ],
		[ 'CREATE INDEX ON s.kept (count)' ],
		[ 'DROP INDEX s.t_note' ],
		[ 'DROP INDEX s.p_note', no_undo => 1 ],
		[ 'DROP INDEX s.t_pkey', refused => 'belongs to the constraint' ],
		[ 'REINDEX TABLE s.t' ],
		[ 'REINDEX INDEX s.t_note' ],
		# Partitions
		[ q{CREATE TABLE s.p4 PARTITION OF s.p FOR VALUES FROM ('2025-04-01') TO ('2025-05-01')} ],
		[ q{ALTER TABLE s.p ATTACH PARTITION s.p3 FOR VALUES FROM ('2025-03-01') TO ('2025-04-01')} ],
		[ 'ALTER TABLE s.p DETACH PARTITION s.p1' ],
		# Policies, rights, comments
		[ 'CREATE POLICY fresh ON s.t FOR UPDATE USING (amount > 0) WITH CHECK (free > 0)', warns => 'row-level security of s.t is off' ],
		[ 'CREATE POLICY fresh ON s.bare' ],
		[ 'ALTER POLICY mine ON s.t USING (other_id > 7)' ],
		[ 'ALTER POLICY mine ON s.t RENAME TO ours' ],
		[ 'ALTER POLICY mine ON s.t TO PUBLIC' ],
		[ 'DROP POLICY mine ON s.t' ],
		[ 'DROP POLICY lone ON s.guarded', warns => 'nobody but its owner sees a row' ],
		[ 'DROP POLICY IF EXISTS nothing ON s.t' ],
		[ 'ALTER POLICY lone ON s.guarded USING (a > 1) WITH CHECK (a > 2)' ],
		[ 'ALTER TABLE s.guarded DISABLE ROW LEVEL SECURITY', warns => 'sees every row' ],
		[ 'ALTER TABLE s.guarded FORCE ROW LEVEL SECURITY' ],
		[ 'ALTER TABLE s.t ENABLE ROW LEVEL SECURITY' ],
		[ 'ALTER TABLE s.bare ENABLE ROW LEVEL SECURITY', warns => 'nobody but its owner sees a row' ],
		[ 'ALTER TABLE s.bare DISABLE ROW LEVEL SECURITY' ],
		[ 'ALTER TABLE s.t FORCE ROW LEVEL SECURITY' ],
		[ 'GRANT UPDATE ON s.t TO reader', no_undo => 1 ],
		[ 'REVOKE SELECT ON s.t FROM reader', no_undo => 1 ],
		[ 'COMMENT ON TABLE s.t IS NULL', no_undo => 1 ],
		[ 'ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO reader', no_undo => 1 ],
		# Types
		[ q{ALTER TYPE s.mood ADD VALUE 'so-so'}, no_undo => 1 ],
		[ q{ALTER TYPE s.mood ADD VALUE IF NOT EXISTS 'sad'} ],
		[ q{ALTER TYPE s.mood ADD VALUE 'first' BEFORE 'sad'}, no_undo => 1 ],
		[ q{ALTER TYPE s.mood RENAME VALUE 'sad' TO 'blue'} ],
		[ 'ALTER TYPE s.mood RENAME TO feeling' ],
		[ 'ALTER TYPE s.mood SET SCHEMA other' ],
		[ 'ALTER TYPE s.pair ADD ATTRIBUTE c int' ],
		[ 'ALTER TYPE s.pair ALTER ATTRIBUTE a TYPE bigint' ],
		[ 'ALTER DOMAIN s.code ADD CHECK (length(VALUE) < 20)' ],
		[ 'ALTER DOMAIN s.code SET DEFAULT $$c$$', no_undo => 1 ],
		[ 'ALTER DOMAIN s.code SET NOT NULL', refused => 'unproved' ],
		[ 'ALTER DOMAIN s.checked DROP CONSTRAINT checked_check', no_undo => 1 ],
		[ 'ALTER DOMAIN s.code RENAME TO code2' ],
		[ 'CREATE DOMAIN s.fresh AS int CHECK (VALUE > 3)' ],
		[ q{CREATE TYPE s.fresh AS ENUM ('a')} ],
		# Others
		[ 'CREATE TRIGGER fresh AFTER INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.touch()' ],
		[ 'DROP TRIGGER t_touch ON s.t' ],
		[ 'DROP TRIGGER IF EXISTS nothing ON s.t' ],
		[ 'DROP RULE no_delete ON s.sums' ],
		[ 'ALTER TRIGGER t_touch ON s.t RENAME TO t_touch2' ],
		[ 'CREATE RULE fresh AS ON INSERT TO s.bare DO ALSO NOTHING' ],
		[ 'CREATE FUNCTION s.fresh() RETURNS int LANGUAGE sql AS $$SELECT 1$$', no_undo => 1 ],
		[ 'CREATE OR REPLACE FUNCTION s.plus(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT $1 + 2$$', no_undo => 1 ],
		[ 'CREATE STATISTICS s.fresh ON amount, free FROM s.t' ],
		[ 'DROP STATISTICS s.t_stat', no_undo => 1 ],
		[ 'ALTER STATISTICS s.t_stat SET STATISTICS 50', no_undo => 1 ],
		[ 'REFRESH MATERIALIZED VIEW s.kept' ],
		[ 'ALTER PUBLICATION pub ADD TABLE s.t', no_undo => 1 ],
		[ 'ALTER SCHEMA other RENAME TO others', refused => 'no view can lend' ],
	);
}

# A server with that database.
sub start_node
{
	my $node = PostgreSQL::Test::Cluster->new('every');
	$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', 'alice' ]);
	$node->append_conf('postgresql.conf',
		"autovacuum = off\nmax_worker_processes = 16\nfsync = off\nfull_page_writes = off\nwal_level = logical\ndbm.ddl_guard = off");
	$node->start;
	make_everything($node);
	return $node;
}

# A fresh copy of the database.
sub fresh
{
	my ($node, $name) = @_;
	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $name WITH (FORCE)");
	$node->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE whole");
	# What a template does not hand on.
	$node->safe_psql('postgres', "GRANT CREATE ON DATABASE $name TO alice");
	return;
}

# Asks for the plan of each change, applies it, compares its end with that of the change itself, and takes it back.
sub try_changes
{
	my ($node, @cases) = @_;
	my $major  = int($node->safe_psql('postgres', 'SHOW server_version_num') / 10000);
	my $before = schema_of($node, 'whole');
	# To try some of them: EVERY='a pattern'.
	my $only = $ENV{EVERY} // '.';

	my ($plans, $is_clean) = (0, 0);
	for my $case (@cases)
	{
		my ($change, %may) = @$case;
		next if $change !~ /$only/ or ($may{since} // 0) > $major;
		fresh($node, 'planned') unless $is_clean;
		$is_clean = 0;
		my ($error, $number) = call($node, 'planned', 'SELECT dbm.migration_plan(' . literal($change) . ')');
		chomp $number;
		unlike($error, qr/panicked|internal|unexpected|cache lookup/, "$change: no error of ours");
		if ($may{refused})
		{
			like($error, qr/ERROR: .*$may{refused}/, "$change: there is no plan, and it is said why");
			$is_clean = 1;
			next;
		}
		fresh($node, 'direct');
		my $refusal = direct($node, $change, %may);
		if ($may{fails})
		{
			like($refusal, qr/$may{fails}/, "$change: the server refuses it");
			$error = carry($node, 'planned', $number, 'apply') if $error eq '';
			like($error, qr/ERROR: /, "$change: there is no plan, or it fails, too");
			next;
		}
		is($refusal, '', "$change: as it stands");
		if ($error ne '') { fail("$change: there is no plan: $error"); next }
		$plans++;
		my ($row) = rows($node, 'planned', "SELECT risk, array_to_string(requires, E'\n') AS requires FROM dbm.plan WHERE plan = $number");
		like($row->{requires}, qr/$may{warns}/, "$change: with a warning") if $may{warns};
		is(carry($node, 'planned', $number, 'apply', people => $may{people}), '', "$change: applied");
		my ($got, $expected) = map { schema_of($node, $_) } 'planned', 'direct';
		($got, $expected) = map { sorted($_) } $got, $expected if $may{order};
		my $difference = difference($got, $expected);
		if ($may{ends}) { like($row->{requires}, qr/$may{ends}/, "$change: what is different in the end is said before") }
		else            { is($difference, '', "$change: the end is that of the change itself") }
		next if $may{no_undo_check};
		my $back = carry($node, 'planned', $number, 'undo');
		if ($may{no_undo})
		{
			like($back, qr/cannot be taken back|no way back|check constraint .* is violated/, "$change: there is no way back, which is said");
			next;
		}
		is($back, '', "$change: taken back");
		$got = schema_of($node, 'planned');
		$difference = difference(map { $may{order} ? sorted($_) : $_ } $got, $before);
		is($difference, '', "$change: to where it was");
		$is_clean = $got eq $before;
	}
	diag("$plans plans");
	return;
}

1;
