# Random work on fifteen tables of all kinds: the log, played from nothing, gives the tables back byte for byte, and
# dbm.as_of() gives what snapshots on the way had. TRAIL_STATEMENTS says how many statements, TRAIL_SEED from which seed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $statements = $ENV{TRAIL_STATEMENTS} // 10_000;
my $seed = $ENV{TRAIL_SEED} // 20261126;
my $snapshots = 6;
srand $seed;

my $node = PostgreSQL::Test::Cluster->new('truth');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nmax_worker_processes = 16");
$node->start;

sub sql { return $node->safe_psql('postgres', @_) }

# Runs a script, whose statements may fail; returns what was complained of.
sub script
{
	my ($script) = @_;
	my ($out, $error) = ('', '');
	IPC::Run::run([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres') ], '<', \$script, '>', \$out, '2>', \$error);
	return $error;
}

# Not every server knows XML.
my $has_xml = ($node->psql('postgres', q{SELECT '<a/>'::xml}))[0] == 0;
my $xml = $has_xml ? ', xm xml, xms xml[]' : '';
note('this server has no xml') if !$has_xml;
sql(<<'SQL' =~ s/, XML/$xml/r);
CREATE EXTENSION dbmastery;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'hap"py');
CREATE TYPE pair AS (a int, b text);
CREATE TYPE moods AS RANGE (subtype = mood);
CREATE DOMAIN small AS int CHECK (VALUE < 1000000);
CREATE TABLE plain (id int PRIMARY KEY, a int, b text);
CREATE TABLE types (id int PRIMARY KEY, i2 smallint, i8 bigint, f4 real, f8 double precision, n numeric, n4 numeric(12, 4),
	b boolean, c char(5), v varchar(20), t text, y bytea, d date, h time, hz timetz, s timestamp, sz timestamptz, iv interval,
	u uuid, ip inet, mac macaddr, bits bit(5), vb bit varying, j json, jb jsonb, ints int[], texts text[], r int4range,
	p point, m money, e mood, k pair, sm small, l pg_lsn, w tsvector, o oid, nm name,
	ir int4multirange, nr nummultirange, tr tstzmultirange, dr datemultirange, br int8range, nur numrange, tsr tsrange, tsz tstzrange, der daterange, er moods,
	li line, ls lseg, bx box, pa path, po polygon, ci circle, cn cidr, m8 macaddr8, tq tsquery, jp jsonpath, ch "char", chs "char"[], x8 xid8, xi xid, sn pg_snapshot, ti tid,
	rc regclass, rt regtype, rp regproc, rpd regprocedure, ro regoper, rod regoperator, rn regnamespace, rr regrole, rcf regconfig, rd regdictionary, rcl regcollation,
	jbs jsonb[], js json[], fs float8[], szs timestamptz[], es mood[], ks pair[], ips inet[], pts point[], rcs regclass[], XML);
CREATE TABLE composite (a int, b text, c timestamptz, v text, PRIMARY KEY (a, b, c));
CREATE TABLE keyless (a int, b text);
CREATE TABLE parted (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (50);
CREATE TABLE parted_2 (v text, gone int, k int NOT NULL, id int NOT NULL);
ALTER TABLE parted_2 DROP COLUMN gone;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (50) TO (101);
CREATE TABLE parent (id int PRIMARY KEY, v text);
CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, v text);
CREATE TABLE computed (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED);
CREATE TABLE touched (id int PRIMARY KEY, v text, n int);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.n := coalesce(NEW.n, 0) + 1; RETURN NEW; END$$;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON touched FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE counters (k text PRIMARY KEY, n int);
CREATE TABLE again (id int PRIMARY KEY, v text, n int);
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	IF NEW.n IS NULL OR NEW.n % 5 <> 0 THEN UPDATE again SET n = 5 * (coalesce(n, 0) / 5) WHERE id = NEW.id; END IF; RETURN NULL; END$$;
CREATE TRIGGER again AFTER INSERT OR UPDATE ON again FOR EACH ROW EXECUTE FUNCTION again();
CREATE TABLE "Odd ""name""" ("id" int PRIMARY KEY, "a'b" text, "select" int);
CREATE TABLE big (id int PRIMARY KEY, body text);
CREATE TABLE fully (id int PRIMARY KEY, a int, b text, f float8, d jsonb);
CREATE TABLE rowwise (id int PRIMARY KEY, a int, b text, f float8, d jsonb);
SQL
my @tables = ('plain', 'types', 'composite', 'keyless', 'parted', 'parent', 'child', 'computed', 'touched', 'counters', 'again', '"Odd ""name"""', 'big', 'fully', 'rowwise');
my %how = (fully => q{, store => 'full'}, rowwise => q{, mode => 'row'});
sql("SELECT dbm.install_audit_trigger('$_'" . ($how{$_} // '') . ')') for @tables;
is(sql(q{SELECT string_agg(table_name || ' ' || level || ' ' || store, ', ' ORDER BY 1) FROM dbm.audit_triggers() WHERE table_name ~ 'fully|rowwise|plain'}),
	'public.fully statement full, public.plain statement diff, public.rowwise row diff', 'in all ways that there are');

my @texts = (q{'a'}, q{'it''s "q" \\ {,}'}, q{''}, q{E'line\nline\ttab'}, q{'ä€𝄞'}, 'NULL', q{'null'}, q{'1.0'});
sub any { return $_[ int rand @_ ] }
sub id { return int rand 40 }
sub text { return any(@texts) }

my %values = (
	i2 => [ -32768, 7, 'NULL' ], i8 => [ '9223372036854775807', '-9223372036854775808', 'NULL' ],
	f4 => [ q{'NaN'}, 0.1, q{'-0'}, '1e-30', q{'Infinity'}, 'NULL' ],
	f8 => [ '0.1234567890123456', q{'-0'}, q{'-Infinity'}, '1e300', '5e-324', q{'NaN'}, 'NULL' ],
	n => [ '1.0', '1.00', '1e40', '0.000000000000000000001', q{'NaN'}, q{'Infinity'}, 'NULL' ], n4 => [ '12345.6789', '1', 'NULL' ],
	b => [ 'true', 'false', 'NULL' ], c => [ q{'ab'}, q{''}, 'NULL' ], v => [ q{'v'}, 'NULL' ], t => \@texts,
	y => [ q{'\x00ff'}, q{''}, 'NULL' ], d => [ q{'2026-02-28'}, q{'infinity'}, q{'0044-03-15 BC'}, 'NULL' ],
	h => [ q{'23:59:59.999999'}, q{'24:00'}, 'NULL' ], hz => [ q{'12:00+05:30'}, 'NULL' ],
	s => [ q{'2026-11-26 01:02:03.456789'}, q{'-infinity'}, 'NULL' ], sz => [ q{'2026-11-26 01:02:03+13'}, q{'infinity'}, 'NULL' ],
	iv => [ q{'1 year -2 months 3 days -04:05:06.7'}, q{'0'}, 'NULL' ], u => [ q{'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'}, 'NULL' ],
	ip => [ q{'10.0.0.1/8'}, q{'::1'}, 'NULL' ], mac => [ q{'08:00:2b:01:02:03'}, 'NULL' ], bits => [ q{B'10101'}, 'NULL' ], vb => [ q{B''}, q{B'1'}, 'NULL' ],
	j => [ q('{"b": 1,  "a": [1.0], "b": 2}'), q{'"text"'}, 'NULL' ], jb => [ q('{"b": 1.00, "a": [null]}'), q{'"text"'}, q{'5'}, 'NULL' ],
	ints => [ q('{1,NULL,3}'), q('{}'), q('[0:1]={1,2}'), 'NULL' ], texts => [ q('{"a,b",NULL,"null","c\"d"}'), 'NULL' ],
	r => [ q{'[1,5)'}, q{'empty'}, 'NULL' ], p => [ q{'(1.5,-2)'}, 'NULL' ], m => [ q{'1234.50'}, 'NULL' ], e => [ q{'hap"py'}, 'NULL' ],
	k => [ q{ROW(1, 'x,"y')}, q{ROW(NULL, NULL)}, 'NULL' ], sm => [ 5, 'NULL' ], l => [ q{'16/B374D848'}, 'NULL' ], w => [ q{'a:1A b'}, 'NULL' ],
	o => [ '4294967295', 'NULL' ], nm => [ q{'name'}, 'NULL' ],
	ir => [ q|'{[1,3),[5,9)}'|, q('{}'), 'NULL' ], nr => [ q('{[1.0,1.50],(7,)}'), 'NULL' ], tr => [ q|'{[2026-01-01 00:00+02,2026-01-02 00:00+02)}'|, 'NULL' ], dr => [ q|'{[2026-01-01,infinity)}'|, 'NULL' ],
	br => [ q{'(,5]'}, 'NULL' ], nur => [ q{'[1.10,1.1]'}, 'NULL' ], tsr => [ q{'[-infinity,2026-01-01]'}, q{'["2026-01-01 01:02:03.4",)'}, 'NULL' ], tsz => [ q{'(,"2026-01-01 00:00:00-05"]'}, 'NULL' ],
	der => [ q{'[0044-03-15 BC,2026-01-01)'}, 'NULL' ], er => [ q{'[sad,"hap\"py"]'}, 'NULL' ],
	li => [ q('{1,-1,0.1}'), 'NULL' ], ls => [ q{'[(0.1,0),(1e300,-0)]'}, 'NULL' ], bx => [ q{'((1,2.5),(-1,0))'}, 'NULL' ], pa => [ q{'[(0,0),(1,1)]'}, q{'((0,0),(1,1))'}, 'NULL' ], po => [ q{'((0,0),(1,0),(1,NaN))'}, 'NULL' ],
	ci => [ q{'<(0.1,0.2),3>'}, 'NULL' ], cn => [ q{'10.1.0.0/16'}, q{'2001:db8::/32'}, 'NULL' ], m8 => [ q{'08:00:2b:01:02:03:04:05'}, 'NULL' ], tq => [ q{'a & !b:*'}, q{''}, 'NULL' ],
	jp => [ q{'$."a b"[*] ? (@ > 1.50)'}, 'NULL' ], ch => [ q{'z'}, q{''}, q{'"'}, 'NULL' ], chs => [ q('{a,NULL," "}'), 'NULL' ], x8 => [ q{'18446744073709551615'}, 'NULL' ], xi => [ q{'4294967295'}, 'NULL' ],
	sn => [ q{'10:20:10,14,15'}, 'NULL' ], ti => [ q{'(4294967295,65535)'}, 'NULL' ],
	rc => [ q{'plain'}, q{'"Odd ""name"""'}, q{'pg_class'}, q{'-'}, '4000000000', 'NULL' ], rt => [ q{'mood'}, q{'timestamp with time zone'}, q{'"char"'}, 'NULL' ], rp => [ q{'now'}, q{'touch'}, q{'-'}, 'NULL' ],
	rpd => [ q{'touch()'}, q{'pg_catalog.int4pl(int,int)'}, 'NULL' ], ro => [ q{'pg_catalog.||/'}, 'NULL' ], rod => [ q{'+(int,int)'}, 'NULL' ], rn => [ q{'public'}, q{'pg_catalog'}, 'NULL' ], rr => [ q{'pg_monitor'}, 'NULL' ],
	rcf => [ q{'simple'}, 'NULL' ], rd => [ q{'simple'}, 'NULL' ], rcl => [ q{'"C"'}, q{'"default"'}, 'NULL' ],
	jbs => [ q('{"{\"a\": 1.00}",NULL,"null"}'), 'NULL' ], js => [ q('{"{\"a\":1,  \"a\": 2}"}'), 'NULL' ], fs => [ q('{NaN,-0,0.1,5e-324,-Infinity}'), 'NULL' ], szs => [ q('{infinity,2026-01-01 00:00:00.5+13}'), 'NULL' ],
	es => [ q('{sad,"hap\"py"}'), 'NULL' ], ks => [ q('{"(1,\"x,y\")",NULL}'), 'NULL' ], ips => [ q('{10.0.0.1/8,::1}'), 'NULL' ], pts => [ q('{"(1,2)","(0.1,-0)"}'), 'NULL' ], rcs => [ q('{plain,"\"Odd \"\"name\"\"\""}'), 'NULL' ],
	$has_xml ? (xm => [ q{'<a b="c">d &amp; e</a>'}, q{'text'}, q{'<?xml version="1.0"?><a/>'}, 'NULL' ], xms => [ q('{"<a b=\"c\"/>",NULL}'), 'NULL' ]) : (),
);
my @columns = sort keys %values;

sub typed_insert
{
	my @some = grep { rand() < 0.5 } @columns;
	my @its = map { any(@{ $values{$_} }) } @some;
	return 'INSERT INTO types (' . join(', ', 'id', @some) . ') VALUES (' . join(', ', id(), @its) . ')';
}

sub typed_update
{
	my @some = grep { rand() < 0.15 } @columns;
	@some = ('t') unless @some;
	return 'UPDATE types SET ' . join(', ', map { "$_ = " . any(@{ $values{$_} }) } @some) . ' WHERE id ' . any('=', '<') . ' ' . id();
}

my @makers = (
	sub { 'INSERT INTO plain VALUES (' . id() . ', ' . id() . ', ' . text() . ')' },
	sub { 'UPDATE plain SET a = a + 1, b = ' . text() . ' WHERE id < ' . id() },
	sub { 'UPDATE plain SET id = id + 40 WHERE id = ' . id() },
	sub { 'UPDATE plain SET id = id - 40 WHERE id = 40 + ' . id() },
	sub { 'DELETE FROM plain WHERE id = ' . id() },
	\&typed_insert, \&typed_insert, \&typed_update, \&typed_update,
	sub { 'DELETE FROM types WHERE id = ' . id() },
	sub { 'INSERT INTO composite VALUES (' . int(rand 3) . ', ' . any(q{'x'}, q{'y"'}) . ", '2026-01-01'::timestamptz + " . id() . " * interval '1 hour', " . text() . ')' },
	sub { 'UPDATE composite SET b = ' . any(q{'x'}, q{'z'}) . ', v = ' . text() . ' WHERE a = ' . int(rand 3) . " AND c < '2026-01-02'" },
	sub { 'DELETE FROM composite WHERE a = ' . int(rand 3) . ' AND b = ' . any(q{'x'}, q{'z'}) },
	sub { 'INSERT INTO keyless VALUES (' . int(rand 3) . ', ' . text() . '), (1, NULL)' },
	sub { 'UPDATE keyless SET b = ' . text() . ' WHERE a = ' . int(rand 3) },
	sub { 'DELETE FROM keyless WHERE ctid = (SELECT min(ctid) FROM keyless)' },
	sub { 'INSERT INTO parted VALUES (' . id() . ', ' . int(rand 100) . ', ' . text() . ')' },
	sub { 'UPDATE parted SET k = (k + 37) % 100, v = ' . text() . ' WHERE id < ' . id() },
	sub { 'INSERT INTO parted_2 (id, k, v) VALUES (' . id() . ', ' . (50 + int rand 50) . ', ' . text() . ')' },
	sub { 'DELETE FROM parted_1 WHERE id = ' . id() },
	sub { 'INSERT INTO parent VALUES (' . id() . ', ' . text() . ')' },
	sub { 'INSERT INTO child VALUES (' . id() . ', (SELECT min(id) FROM parent WHERE id > ' . id() . '), ' . text() . ')' },
	sub { 'UPDATE parent SET id = id + 100 WHERE id = ' . id() },
	sub { 'DELETE FROM parent WHERE id = ' . any(id(), 100 + id()) },
	sub { 'INSERT INTO computed (a) SELECT i FROM generate_series(1, ' . int(rand 5) . ') i' },
	sub { 'UPDATE computed SET a = a + 1 WHERE id % 3 = ' . int(rand 3) },
	sub { 'DELETE FROM computed WHERE id % 7 = ' . int(rand 7) },
	sub { 'INSERT INTO touched VALUES (' . id() . ', ' . text() . ')' },
	sub { 'UPDATE touched SET v = ' . text() . ' WHERE id < ' . id() },
	sub { q{INSERT INTO counters VALUES ('c} . int(rand 6) . q{', 1) ON CONFLICT (k) DO UPDATE SET n = counters.n + } . int(rand 2) },
	sub { q{INSERT INTO counters VALUES ('c} . int(rand 6) . q{', 1) ON CONFLICT DO NOTHING} },
	sub { 'INSERT INTO again VALUES (' . id() . ', ' . text() . ', ' . int(rand 20) . ')' },
	sub { 'UPDATE again SET n = n + 7, v = ' . text() . ' WHERE id < ' . id() },
	sub { 'MERGE INTO plain p USING (SELECT i, i % 4 AS w FROM generate_series(' . id() . ', 45) i) s ON p.id = s.i WHEN MATCHED AND w = 0 THEN DELETE '
			. 'WHEN MATCHED THEN UPDATE SET a = w WHEN NOT MATCHED AND w = 1 THEN INSERT VALUES (s.i, w, ' . text() . ')' },
	sub { q{INSERT INTO "Odd ""name""" VALUES (} . id() . ', ' . text() . ', 1)' },
	sub { q{UPDATE "Odd ""name""" SET "a'b" = } . text() . q{, "select" = "select" + 1 WHERE id < } . id() },
	sub { 'INSERT INTO big VALUES (' . id() . q{, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, } . any(10, 2000) . ') i))' },
	sub { 'UPDATE big SET body = body || ' . text() . ' WHERE id < ' . id() },
	(map {
		my $table = $_;
		(sub { "INSERT INTO $table VALUES (" . join(', ', id(), id(), text(), any(@{ $values{f8} }), any(@{ $values{jb} })) . ')' },
			sub { "UPDATE $table SET a = a + 1, b = " . text() . ', f = ' . any(@{ $values{f8} }) . ' WHERE id < ' . id() },
			sub { "UPDATE $table SET d = " . any(@{ $values{jb} }) . ', id = id + 40 * ' . any(0, 1, -1) . ' WHERE id = ' . any(id(), 40 + id()) },
			sub { "DELETE FROM $table WHERE id = " . id() })
	} 'fully', 'rowwise'),
	# One statement that does all of it, where rows move between partitions, where triggers go off for each row, and where
	# triggers of others change what is written.
	sub { 'MERGE INTO parted p USING (SELECT DISTINCT ON (id, k) * FROM (SELECT i AS id, (i * 17 + ' . int(rand 100) . ') % 100 AS k, ' . int(rand 4) . ' AS w FROM generate_series(' . id() . ', 45) i UNION ALL SELECT id, k, (id + k) % 4 FROM parted WHERE id < ' . id() . ') every) s '
			. 'ON (p.id, p.k) = (s.id, s.k) WHEN MATCHED AND w = 0 THEN DELETE WHEN MATCHED AND w = 1 THEN UPDATE SET k = (p.k + 50) % 101, v = ' . text() . ' WHEN MATCHED AND w = 2 THEN DO NOTHING '
			. 'WHEN MATCHED THEN UPDATE SET v = ' . text() . ' WHEN NOT MATCHED AND s.id % 3 = 0 THEN INSERT VALUES (s.id, s.k, ' . text() . ')' },
	sub { 'MERGE INTO parted p USING (SELECT i FROM generate_series(0, ' . id() . ') i) s ON p.id = s.i AND p.k < 50 WHEN MATCHED AND p.k % 3 = 0 THEN UPDATE SET k = 99 - p.k WHEN MATCHED AND p.k % 3 = 1 THEN DELETE' },
	sub { 'INSERT INTO parted SELECT i, (i + ' . int(rand 4) . ') % 101, ' . text() . ' FROM generate_series(' . id() . ', 60, 7) i ON CONFLICT (id, k) DO UPDATE SET v = excluded.v || parted.k WHERE parted.id % 2 = ' . int(rand 2) },
	sub { 'INSERT INTO parted_1 (id, k, v) VALUES (' . id() . ', 1, ' . text() . ') ON CONFLICT DO NOTHING' },
	sub { "COPY parted (v, k, id) FROM STDIN;\n" . join('', map { any('copy', '\\N', 'c\\tt') . "\t" . int(rand 101) . "\t" . (100 + int rand 1000) . "\n" } 1 .. 3) . '\.' },
	sub { "COPY parted_2 (k, id, v) FROM STDIN;\n" . (50 + int rand 50) . "\t" . (100 + int rand 1000) . "\tcopy\n\\." },
	sub { 'UPDATE parted p SET k = (s.k + 50) % 100 FROM (SELECT id, k FROM parted_1 WHERE id < ' . id() . ') s WHERE (p.id, p.k) = (s.id, s.k)' },
	sub { 'WITH gone AS (DELETE FROM parted WHERE id = ' . id() . ' RETURNING *) INSERT INTO parted SELECT id + 2000, 100 - k, v FROM gone ON CONFLICT DO NOTHING' },
	(map {
		my $table = $_;
		my $places = $table =~ /^(?:touched|again)$/ ? 'id, v, n' : 'id, b, a';
		my (undef, $words, $number) = split /, /, $places;
		(sub { "MERGE INTO $table t USING (SELECT i, (i + " . int(rand 4) . ') % 4 AS w FROM generate_series(' . id() . ", 45) i) s ON t.id = s.i WHEN MATCHED AND w = 0 THEN DELETE "
					. "WHEN MATCHED AND w = 1 THEN UPDATE SET $words = " . text() . ", $number = $number + 3 WHEN MATCHED AND w = 2 THEN UPDATE SET id = t.id + 1000 WHEN NOT MATCHED AND w < 2 THEN INSERT ($places) VALUES (s.i, " . text() . ', w)' },
			sub { "INSERT INTO $table ($places) SELECT i, " . text() . ', ' . int(rand 20) . ' FROM generate_series(' . id() . ", 50, 5) i ON CONFLICT (id) DO UPDATE SET $number = $table.$number + excluded.$number, $words = excluded.$words" . any('', " WHERE $table.id % 3 = 0") },
			sub { "INSERT INTO $table ($places) VALUES (" . id() . ', ' . text() . ', 1), (' . id() . ', ' . text() . ', 2) ON CONFLICT DO NOTHING' },
			sub { "COPY $table ($places) FROM STDIN;\n" . join('', map { (100 + int rand 900) . "\t" . any('copy', '\\N') . "\t" . int(rand 20) . "\n" } 1 .. 2) . '\.' },
			sub { "DELETE FROM $table WHERE id > " . (100 + int rand 2000) })
	} 'fully', 'rowwise', 'touched', 'again'),
	sub { 'UPDATE big SET id = id + 50 WHERE id = ' . id() },
	sub { 'BEGIN; INSERT INTO plain VALUES (' . id() . q{, 1, 'lost'); ROLLBACK} },
	sub { 'BEGIN; UPDATE plain SET a = 0; SAVEPOINT s; DELETE FROM plain; INSERT INTO parent VALUES (' . id() . ", 's'); ROLLBACK TO s; UPDATE touched SET v = 's' WHERE id = " . id() . '; COMMIT' },
	sub { 'DO $$BEGIN UPDATE counters SET n = n + 1; UPDATE counters SET n = n * 2 WHERE n < 1000; DELETE FROM counters WHERE n > 500; END$$' },
	sub { "COPY keyless FROM STDIN;\n1\tcopy\n2\t\\N\n\\." },
	sub { 'WITH gone AS (DELETE FROM plain WHERE id = ' . id() . " RETURNING *) INSERT INTO keyless SELECT a, b FROM gone" },
);
my @rare = ('TRUNCATE parent CASCADE', 'TRUNCATE keyless', 'TRUNCATE big, counters', 'TRUNCATE parted', 'TRUNCATE computed RESTART IDENTITY');

my %moment;
for my $round (1 .. $snapshots)
{
	# As hostile as a session can be to what it logs.
	my $script = round_settings($round);
	for (1 .. $statements / $snapshots)
	{
		# Those before the last snapshots only, so that both ways back are tried.
		my $statement = $round < 4 && rand() < 0.01 ? any(@rare) : any(@makers)->();
		$script .= $statement . ($statement =~ /\\\.\z/ ? "\n" : ";\n");
	}
	my $error = script($script);
	my @strange = grep { /ERROR|FATAL|PANIC/ && !/duplicate key|violates|cannot be null/ } split /\n/, $error;
	is(join("\n", @strange), '', "round $round runs");
	$moment{$round} = sql('SELECT clock_timestamp()');
	sql(join '', map { 'CREATE TABLE "snapshot' . $round . '_' . plain_name($_) . qq{" AS SELECT whole::text COLLATE "C" AS row FROM $_ whole;} } @tables);
}

sub round_settings
{
	my ($round) = @_;
	return '' if $round % 2;
	return "SET extra_float_digits = -10; SET DateStyle = 'German'; SET IntervalStyle = sql_standard; SET TimeZone = 'Asia/Kathmandu'; SET bytea_output = escape; SET search_path = public;\n";
}

sub plain_name { return $_[0] =~ s/\W/_/gr }

# The log played from nothing, by nothing of ours: a value is what its text is under settled settings.
sql(<<'SQL');
CREATE FUNCTION played(source regclass, copy regclass) RETURNS bigint LANGUAGE plpgsql
	SET "DateStyle" = 'ISO, YMD' SET "IntervalStyle" = 'postgres' SET "TimeZone" = 'UTC' SET lc_monetary = 'C' AS $$
DECLARE
	change record;
	count bigint := 0;
	columns text;
	vals text;
	sets text;
	matches text;
BEGIN
	FOR change IN
		SELECT c.*, s.key AS key_columns FROM dbm_trail.change c JOIN dbm_trail.shape s USING (shape_id)
		JOIN dbm_trail.relation r USING (relation_id) WHERE r.relid = source
		-- A trigger that changes a row again is logged before what set it off.
		ORDER BY min(change_id) OVER (PARTITION BY transaction_id, key_hash ORDER BY statement_no DESC, change_id DESC ROWS UNBOUNDED PRECEDING),
			statement_no, change_id
	LOOP
		count := count + 1;
		IF change.operation = 'T' THEN
			EXECUTE format('TRUNCATE %s', copy);
			CONTINUE;
		END IF;
		SELECT string_agg(quote_ident(attname), ', ') FILTER (WHERE change.new ? attname AND attgenerated = ''),
			string_agg(value_of(change.new, a), ', ') FILTER (WHERE change.new ? attname AND attgenerated = ''),
			string_agg(format('%I = %s', attname, value_of(change.new, a)), ', ') FILTER (WHERE change.new ? attname AND attgenerated = ''),
			format('ROW(%s)::record *= ROW(%s)::record', string_agg('c.' || quote_ident(attname), ', ') FILTER (WHERE change.key ? attname),
				string_agg(value_of(change.key, a), ', ') FILTER (WHERE change.key ? attname))
		INTO columns, vals, sets, matches
		FROM pg_attribute a WHERE attrelid = copy AND attnum > 0 AND NOT attisdropped;
		IF change.operation = 'I' THEN
			EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE VALUES (%s)', copy, columns, vals);
			CONTINUE;
		END IF;
		matches := format('(tableoid, ctid) = (SELECT tableoid, ctid FROM %s c WHERE %s LIMIT 1)', copy, matches);
		IF change.operation = 'D' THEN
			EXECUTE format('DELETE FROM %s WHERE %s', copy, matches);
		ELSIF sets IS NOT NULL THEN
			EXECUTE format('UPDATE %s SET %s WHERE %s', copy, sets, matches);
		ELSE
			CONTINUE;
		END IF;
		DECLARE hit bigint; BEGIN
			GET DIAGNOSTICS hit = ROW_COUNT;
			IF hit <> 1 THEN RAISE EXCEPTION 'change % of % meets % rows', change.change_id, source, hit; END IF;
		END;
	END LOOP;
	RETURN count;
END
$$;
CREATE FUNCTION value_of(document jsonb, a pg_attribute) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN document -> a.attname = 'null' THEN 'NULL'
		WHEN a.atttypid = 'jsonb'::regtype THEN quote_literal((document -> a.attname)::text)
		ELSE quote_literal(document #>> ARRAY[a.attname::text]) END || '::' || format_type(a.atttypid, a.atttypmod)
$$;
SQL

my $changes = 0;
for my $table (@tables)
{
	my $copy = 'copy_' . plain_name($table);
	sql(qq{CREATE TABLE "$copy" (LIKE $table INCLUDING GENERATED)});
	my $count = sql(qq{SELECT played('$table', '"$copy"')});
	$changes += $count;
	my $different = sql(qq{SELECT count(*) FROM ((SELECT whole::text FROM $table whole EXCEPT ALL SELECT whole::text FROM "$copy" whole)
		UNION ALL (SELECT whole::text FROM "$copy" whole EXCEPT ALL SELECT whole::text FROM $table whole)) d});
	is($different, 0, "$table comes out of its log of $count changes as it is");
}
note("$changes changes of $statements statements");
is(sql('SELECT count(*) FROM dbm_trail.change WHERE key_hash IS DISTINCT FROM jsonb_hash_extended(key, 0)'), 0, 'rows are found by the hash that the server has of their keys');

# As it was: typed, and as JSON, in a session that is no kinder.
for my $round (1 .. $snapshots)
{
	for my $table (@tables)
	{
		my $snapshot = 'snapshot' . $round . '_' . plain_name($table);
		my ($out, $error) = ('', '');
		my $question = qq{SELECT count(*) FROM ((SELECT row FROM "$snapshot" EXCEPT ALL
			SELECT whole::text COLLATE "C" FROM dbm.rows_as_of(NULL::$table, '$moment{$round}') whole) UNION ALL
			(SELECT whole::text COLLATE "C" FROM dbm.rows_as_of(NULL::$table, '$moment{$round}') whole EXCEPT ALL SELECT row FROM "$snapshot")) d};
		$out = sql($question);
		is($out, 0, "$table was in round $round what it was");
	}
}
# As JSON, asked by a session that is no kinder; each document made a row again by the names and types of the table.
sql(<<'SQL');
CREATE FUNCTION rows_of(documents regclass, of anyelement) RETURNS SETOF anyelement LANGUAGE plpgsql
	SET "DateStyle" = 'ISO, YMD' SET "IntervalStyle" = 'postgres' SET "TimeZone" = 'UTC' SET lc_monetary = 'C' AS $$
DECLARE
	vals text;
BEGIN
	SELECT string_agg(format('(CASE WHEN d -> %L = ''null'' THEN NULL ELSE %s END)::%s', attname,
		CASE type WHEN 'jsonb' THEN format('(d -> %L)', attname)
			-- The cast from text takes a number for a name.
			WHEN 'regclass' THEN format('regclassin(textout(d #>> ARRAY[%L]))', attname) ELSE format('(d #>> ARRAY[%L])::%s', attname, type) END, type), ', ' ORDER BY attnum) INTO vals
	FROM (SELECT attname, attnum, format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = pg_typeof(of)::text::regclass AND attnum > 0 AND NOT attisdropped) a;
	RETURN QUERY EXECUTE format('SELECT %s FROM %s', vals, documents);
END
$$;
SQL
for my $round (1 .. $snapshots)
{
	my %asked = map { $_ => 'asof' . $round . '_' . plain_name($_) } @tables;
	my $said = script(round_settings(2) . join('', map { qq{CREATE TABLE public."$asked{$_}" AS SELECT d FROM dbm.as_of('$_', '$moment{$round}') d;\n} } @tables));
	unlike($said, qr/ERROR|FATAL|PANIC/, "as JSON in round $round");
	for my $table (@tables)
	{
		my $snapshot = 'snapshot' . $round . '_' . plain_name($table);
		my $rows = qq{SELECT whole::text COLLATE "C" FROM rows_of('"$asked{$table}"', NULL::$table) whole};
		is(sql(qq{SELECT count(*) FROM ((SELECT row FROM "$snapshot" EXCEPT ALL $rows) UNION ALL ($rows EXCEPT ALL SELECT row FROM "$snapshot")) d}), 0, "$table was in round $round what it was, as JSON");
		is(sql(qq{SELECT count(*) FROM "$asked{$table}" WHERE (SELECT count(*) FROM jsonb_object_keys(d)) <> (SELECT count(*) FROM pg_attribute WHERE attrelid = '$table'::regclass AND attnum > 0)}), 0, 'with its columns and no more');
	}
}
cmp_ok(sql('SELECT count(*) FROM asof4_types'), '>', 10, 'of many rows');

# A table that had rows before it was watched, and whose columns change.
sql(<<'SQL');
CREATE TABLE older (id int PRIMARY KEY, name text, size numeric, gone text);
INSERT INTO older SELECT i, 'n' || i, i, 'g' || i FROM generate_series(1, 5) i;
SELECT dbm.install_audit_trigger('older');
SQL
my $before = sql('SELECT clock_timestamp()');
sql(q{UPDATE older SET size = size + 0.50, gone = 'h' WHERE id = 2; DELETE FROM older WHERE id = 3; INSERT INTO older VALUES (6, 'six', 6, 'g6')});
my $between = sql('SELECT clock_timestamp()');
sql(<<'SQL');
ALTER TABLE older RENAME name TO label;
ALTER TABLE older DROP COLUMN gone;
ALTER TABLE older ADD COLUMN name int DEFAULT 7;
UPDATE older SET label = 'two', name = 8 WHERE id = 2;
UPDATE older SET id = 60 WHERE id = 6;
SQL
is(sql("SELECT string_agg(d::text, E'\\n' ORDER BY d->>'id') FROM dbm.as_of('older', '$between') d"), <<'ROWS' =~ s/\n\z//r, 'by the names of then, with the column that is gone as far as the log has it');
{"id": 1, "name": "n1", "size": 1}
{"id": 2, "gone": "h", "name": "n2", "size": 2.50}
{"id": 4, "name": "n4", "size": 4}
{"id": 5, "name": "n5", "size": 5}
{"id": 6, "gone": "g6", "name": "six", "size": 6}
ROWS
is(sql("SELECT string_agg(r::text, E'\\n' ORDER BY id) FROM dbm.rows_as_of(NULL::older, '$before') r"), <<'ROWS' =~ s/\n\z//r, 'before the first change, as rows of today');
(1,n1,1,)
(2,n2,2,)
(3,n3,3,)
(4,n4,4,)
(5,n5,5,)
ROWS
is(sql(q{SELECT string_agg(concat_ws('|', operation, key, old, new), E'\n') FROM dbm.row_history('older', '{"id": "60"}')}), <<'ROWS' =~ s/\n\z//r, 'a row is followed through its keys, the first change first');
INSERT|{"id": 6}|{"id": 6, "gone": "g6", "name": "six", "size": 6}
UPDATE|{"id": 6}|{"id": 6}|{"id": 60}
ROWS
my ($code, $out, $error) = $node->psql('postgres', q{SELECT * FROM dbm.row_history('older', '{"label": "x"}')});
like($error, qr/this is no key of public\.older.*told apart by id/s, 'a key that is none');
($code, $out, $error) = $node->psql('postgres', q{SELECT * FROM dbm.as_of('older', '2020-01-01')});
like($error, qr/table public\.older was not watched at 2020-01-01.*It was watched since/s, 'a moment before');
is(sql(q{SELECT string_agg(concat_ws('|', actor = session_user, operation, table_name), ',') FROM dbm.changes('older', max_rows => 2)}),
	't|UPDATE|public.older,t|UPDATE|public.older', 'the last changes come first');
is(sql("SELECT count(*) FROM dbm.changes('older', since => '$between')"), 2, 'since');
is(sql("SELECT count(*) FROM dbm.changes('older', until => '$between')"), 3, 'until');
is(sql(q{SELECT count(*) FROM dbm.changes(actor => 'nobody')}), 0, 'by nobody');

# Who may see what.
sql(<<'SQL');
CREATE ROLE clerk LOGIN;
GRANT USAGE ON SCHEMA dbm TO clerk;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA dbm TO clerk;
SQL
sub clerk_sees
{
	my ($code, $out, $error) = $node->psql('postgres', "SET SESSION AUTHORIZATION clerk; $_[0]");
	return "$out$error";
}
is(clerk_sees('SELECT count(*) FROM dbm.changes()'), '0', 'whoever may SELECT nothing sees nothing');
like(clerk_sees("SELECT * FROM dbm.as_of('older', now())"), qr/permission denied for the changes of public\.older/, 'nor as it was');
like(clerk_sees('SELECT * FROM dbm_trail.change'), qr/permission denied/, 'nor in the log itself');
sql('GRANT SELECT (id, label) ON older TO clerk');
is(clerk_sees(q{SELECT string_agg(concat_ws('|', operation, key, old, new), E'\n') FROM dbm.changes('older')}), <<'ROWS' =~ s/\n\z//r, 'columns that he may SELECT, whatever they were called');
UPDATE|{"id": 6}|{"id": 6}|{"id": 60}
UPDATE|{"id": 2}|{"label": "n2"}|{"label": "two"}
INSERT|{"id": 6}|{"id": 6, "name": "six"}
DELETE|{"id": 3}|{"id": 3, "name": "n3"}
UPDATE|{"id": 2}|{}|{}
ROWS
is(clerk_sees("SELECT string_agg(r::text, ' ' ORDER BY id) FROM dbm.rows_as_of(NULL::older, '$before') r"),
	'(1,n1,,) (2,n2,,) (3,n3,,) (4,n4,,) (5,n5,,)', 'and as it was');
sql('GRANT SELECT ON older TO clerk');
unlike(clerk_sees(q{SELECT string_agg(concat_ws('|', key, old, new), E'\n') FROM dbm.changes('older')}), qr/gone|"h"|g6/, 'whoever may SELECT the table sees no columns that are gone');
like(clerk_sees(q{SELECT string_agg(concat_ws('|', key, old, new), E'\n') FROM dbm.changes()}), qr/^(?!.*gone).*"name": "six"/s, 'also where he asks for all');
unlike(clerk_sees("SELECT string_agg(d::text, ' ') FROM dbm.as_of('older', '$between') d") . clerk_sees(q{SELECT string_agg(h::text, ' ') FROM dbm.row_history('older', '{"id": 2}') h}), qr/gone|"h"|g6/, 'nor as it was, nor in a history');
like(sql("SELECT string_agg(d::text, ' ') FROM dbm.as_of('older', '$between') d"), qr/"gone": "h"/, 'the owner of the log does');
sql('ALTER ROLE clerk BYPASSRLS; ALTER TABLE older ENABLE ROW LEVEL SECURITY; CREATE POLICY nobody ON older USING (false)');
like(clerk_sees(q{SELECT count(*) > 0 FROM dbm.changes('older')}), qr/^t$/, 'whoever bypasses policies is bound by none here');
sql('ALTER ROLE clerk NOBYPASSRLS; DROP POLICY nobody ON older');
sql('ALTER TABLE older ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON older USING (id < 3)');
like(clerk_sees(q{SELECT count(*) FROM dbm.changes('older')}), qr/permission denied for the changes of public\.older/, 'a policy that binds him hides all');
like(clerk_sees(q{SELECT count(*) FROM dbm.changes()}), qr/^0$/, 'also where he asks for all');

# Keys that the server writes in more than one way.
sql(q{CREATE TABLE clock (at timetz PRIMARY KEY, v int); SELECT dbm.install_audit_trigger('clock'); INSERT INTO clock VALUES ('12:00+02', 1), ('12:00-03:30', 1), ('12:00+01:02:03', 1), ('12:00+00', 1)});
my $noon = sql('SELECT clock_timestamp()');
sql('UPDATE clock SET v = 2');
is(sql("SELECT count(*), sum(v) FROM dbm.rows_as_of(NULL::clock, '$noon')"), '4|4', 'a time with its zone tells rows apart');
is(sql(q{SELECT string_agg(n::text, ' ') FROM (SELECT (SELECT count(*) FROM dbm.row_history('clock', jsonb_build_object('at', at))) AS n FROM clock) x}), '2 2 2 2', 'and finds them');

# From the end: as many as are wanted, also where they lie far back.
sql(q{CREATE TABLE rare (id int PRIMARY KEY); CREATE TABLE often (id int PRIMARY KEY, n int);
	SELECT dbm.install_audit_trigger('rare'), dbm.install_audit_trigger('often'); INSERT INTO rare SELECT generate_series(1, 3); INSERT INTO often SELECT i, 0 FROM generate_series(1, 9000) i; INSERT INTO rare VALUES (4); INSERT INTO often SELECT i, 0 FROM generate_series(9001, 50000) i});
is(sql(q{SELECT string_agg(key->>'id', ' ') FROM dbm.changes('rare', max_rows => 3)}), '4 3 2', 'the last changes, however far back');
is(sql(q{SELECT count(*) FROM dbm.changes('rare', max_rows => 30)}), 4, 'no more than there are');
is(sql(q{SELECT string_agg(key->>'id', ' ') FROM dbm.changes(max_rows => 2)}), '50000 49999', 'of all');
is(sql(q{SELECT count(*), count(DISTINCT key), min((key->>'id')::int) FROM dbm.changes('often', max_rows => 9999)}), '9999|9999|40002', 'many');
is(sql(q{SELECT count(*), min((key->>'id')::int) FROM dbm.changes('often', max_rows => 10001)}), '10001|40000', 'in one go');
is(sql(q{SELECT count(*) FROM dbm.changes('often', max_rows => 0)}), 0, 'none');
is(sql(q{SELECT count(*) FROM dbm.changes('rare', actor => session_user::text, max_rows => 4)}), 4, 'of somebody');

# What stays open between two rows is out of his reach.
sql(q{CREATE TABLE many (id int PRIMARY KEY, secret text); SELECT dbm.install_audit_trigger('many');
	INSERT INTO many SELECT i, 'secret' FROM generate_series(1, 1100) AS i; GRANT SELECT (id) ON many TO clerk});
my $hidden = clerk_sees(q{BEGIN; SELECT count(*) FROM (SELECT dbm.changes('many') LIMIT 1) x; SELECT count(*) FROM pg_cursors; FETCH ALL FROM "<unnamed portal 1>"});
like($hidden, qr/^1\n0\n?.*cursor "<unnamed portal 1>" does not exist/s, 'it has no name that can be known');
unlike($hidden, qr/secret/, 'and tells nothing');

done_testing();
