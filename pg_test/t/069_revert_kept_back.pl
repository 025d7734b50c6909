# What a plan that takes changes back must not write: what the log keeps back, cut values, other rows than those that were
# changed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Trail qw(apply refused sql start transaction);

my $node = start('kept_back', 'fsync = off');

sub plan_of { my ($transaction) = @_; return sql("SELECT dbm.revert_plan($transaction)") }

sql('CREATE EXTENSION dbmastery');

# Whether a value is in the log is said by the shape that its change had, whatever is logged now.
for my $way ('redact', 'exclude')
{
	my $table = "person_$way";
	sql("CREATE TABLE $table (id int PRIMARY KEY, ssn text DEFAULT 'none', note text); INSERT INTO $table SELECT i, 'secret ' || i, 'n' FROM generate_series(1, 4) i;
		SELECT dbm.install_audit_trigger('$table', $way => '{ssn}')");
	my $deleted = transaction("DELETE FROM $table WHERE id = 1");
	my $updated = transaction("UPDATE $table SET ssn = 'other', note = 'm' WHERE id = 2");
	my $inserted = transaction("INSERT INTO $table VALUES (9, 'nine', 'n')");
	sql("SELECT dbm.install_audit_trigger('$table', $way => '{}'); UPDATE $table SET note = 'later' WHERE id = 4");
	like(refused("SELECT dbm.revert_plan($deleted)"), qr/cannot be taken back.*deleted a row, and column "ssn" is not in the log/s, "$way: a row of which a value was not logged does not come back");
	like(refused(qq{SELECT dbm.revert_plan('$table', '{"id": 1}', now() - interval '1 second' * 0)}), qr/was not changed since/, "$way: nothing to take back");
	is(sql("SELECT count(*) FROM $table WHERE id = 1"), 0, "$way: and it is not there");
	is(apply(plan_of($updated)), 'done', "$way: an update is taken back");
	is(sql("SELECT ssn, note FROM $table WHERE id = 2"), 'other|n', "$way: as far as it is in the log");
	is(apply(plan_of($inserted)), 'done', "$way: an insert is taken back");
	is(sql("SELECT count(*) FROM $table WHERE id = 9"), 0, "$way: the row is gone");
	$deleted = transaction("DELETE FROM $table WHERE id = 4");
	is(apply(plan_of($deleted)), 'done', "$way: what was deleted since comes back");
	is(sql("SELECT ssn, note FROM $table WHERE id = 4"), 'secret 4|later', "$way: as it was");

	# A column is itself by any name.
	sql("SELECT dbm.install_audit_trigger('$table', $way => '{ssn}')");
	$deleted = transaction("DELETE FROM $table WHERE id = 3");
	sql("ALTER TABLE $table RENAME ssn TO tax");
	like(refused("SELECT dbm.revert_plan($deleted)"), qr/cannot be taken back.*deleted a row, and column "tax" is not in the log/s, "$way: nor where the column was renamed");
	# A new one of that name is another: it has its default.
	sql("ALTER TABLE $table DROP tax; ALTER TABLE $table ADD ssn text DEFAULT 'new'");
	is(apply(plan_of($deleted)), 'done', "$way: where the column is gone, the rest comes back");
	is(sql("SELECT note, ssn FROM $table WHERE id = 3"), 'n|new', "$way: beside a new column");
}

# A key of which a value was not logged tells no row.
sql(q{CREATE TABLE keyed (id text PRIMARY KEY, v int); INSERT INTO keyed VALUES ('a', 1), ('b', 2); SELECT dbm.install_audit_trigger('keyed', redact => '{id}')});
my $keyed = transaction(q{UPDATE keyed SET v = 3 WHERE id = 'a'});
sql(q{SELECT dbm.install_audit_trigger('keyed', redact => '{}'); UPDATE keyed SET v = 4 WHERE id = 'b'});
like(refused("SELECT dbm.revert_plan($keyed)"), qr/cannot be taken back.*Rows were told apart by other columns then/s, 'a key that was redacted');

# What told rows apart tells them apart no more.
for my $case ([ 'a column of the key is gone', 'ALTER TABLE pair DROP COLUMN a' ], [ 'the key is gone', 'ALTER TABLE pair DROP CONSTRAINT pair_pkey' ],
	[ 'the key may be null', 'ALTER TABLE pair DROP CONSTRAINT pair_pkey; ALTER TABLE pair ALTER b DROP NOT NULL; ALTER TABLE pair ADD UNIQUE (a, b)' ],
	[ 'the key is one of some rows', 'ALTER TABLE pair DROP CONSTRAINT pair_pkey; CREATE UNIQUE INDEX ON pair (a, b) WHERE a > 0' ])
{
	my ($name, $alter) = @$case;
	sql(q{DROP TABLE IF EXISTS pair; CREATE TABLE pair (a int, b int, x text, PRIMARY KEY (a, b)); SELECT dbm.install_audit_trigger('pair'); INSERT INTO pair VALUES (1, 1, 'p'), (2, 1, 'q')});
	my $transaction = transaction(q{UPDATE pair SET x = 'q' WHERE a = 1});
	sql($alter);
	like(refused("SELECT dbm.revert_plan($transaction)"), qr/changes of public\.pair cannot be taken back.*No unique index/s, "$name: refused");
	is(sql('SELECT string_agg(x, \',\') FROM pair'), 'q,q', "$name: nothing is changed");
}
for my $case ([ 'another index', 'ALTER TABLE pair DROP CONSTRAINT pair_pkey; CREATE UNIQUE INDEX ON pair (b, a) INCLUDE (x)' ], [ 'a shorter key', 'ALTER TABLE pair DROP CONSTRAINT pair_pkey; ALTER TABLE pair ADD PRIMARY KEY (a)' ],
	[ 'other names', 'ALTER TABLE pair RENAME a TO c' ])
{
	my ($name, $alter) = @$case;
	sql(q{DROP TABLE IF EXISTS pair; CREATE TABLE pair (a int, b int, x text, PRIMARY KEY (a, b)); SELECT dbm.install_audit_trigger('pair'); INSERT INTO pair VALUES (1, 1, 'p'), (2, 1, 'q')});
	my $transaction = transaction(q{UPDATE pair SET x = 'q' WHERE a = 1});
	sql($alter);
	is(apply(plan_of($transaction)), 'done', "$name: taken back");
	is(sql('SELECT string_agg(x, \',\' ORDER BY x) FROM pair'), 'p,q', "$name: that row alone");
}

# A value that the column has no more place for is not cut.
for my $case ([ 'character varying', 'varchar(9)', 'varchar(5)', 'abcdefgh' ], [ 'character', 'char(9)', 'char(5)', 'abcdefgh' ], [ 'bits', 'bit varying(9)', 'bit varying(3)', '10101' ],
	[ 'an array', 'varchar(9)[]', 'varchar(5)[]', '{abcdefgh}' ])
{
	my ($name, $wide, $narrow, $value) = @$case;
	sql("DROP TABLE IF EXISTS narrow; CREATE TABLE narrow (id int PRIMARY KEY, v $wide); SELECT dbm.install_audit_trigger('narrow'); INSERT INTO narrow VALUES (1, '$value'), (2, '$value'), (3, NULL)");
	my $deleted = transaction('DELETE FROM narrow WHERE id = 1');
	my $updated = transaction('UPDATE narrow SET v = NULL WHERE id = 2');
	my $same = transaction('DELETE FROM narrow WHERE id = 3');
	my $now = sql('SELECT clock_timestamp()');
	sql("ALTER TABLE narrow ALTER v TYPE $narrow");
	for my $transaction ($deleted, $updated)
	{
		my $plan = plan_of($transaction);
		like(refused("CALL dbm.apply($plan)"), qr/too long/, "$name: it does not fit");
	}
	is(apply(plan_of($same)), 'done', "$name: others come back");
	is(sql('SELECT string_agg(id || coalesce(v::text, \'-\'), \',\' ORDER BY id) FROM narrow'), '2-,3-', "$name: nothing is cut");
	sql("ALTER TABLE narrow ALTER v TYPE $wide");
	is(apply(plan_of($deleted)), 'done', "$name: it comes back where it fits");
	is(sql("SELECT v = '$value' FROM narrow WHERE id = 1"), 't', "$name: whole");
}

# A value is what it was, however the column's length or scale writes it by now; also where triggers have a say. What that has
# cost something, and what somebody has given since, is not.
sql(q{CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.touched := clock_timestamp(); RETURN NEW; END'});
for my $case ([ 'a smaller scale', 'numeric(12, 4)', 'numeric(12, 2)', '1.5', '2.25', '3', '1.5555' ], [ 'a larger scale', 'numeric(12, 2)', 'numeric(14, 4)', '1.5', '2.25', '3' ],
	[ 'any scale', 'numeric(12, 2)', 'numeric', '1.5', '2.25', '3' ], [ 'a scale where there was none', 'numeric', 'numeric(12, 2)', '1.5', '2', '3', '1.5555' ],
	[ 'shorter characters', 'char(9)', 'char(5)', 'abc', '', 'd' ], [ 'longer characters', 'char(5)', 'char(9)', 'abc', '', 'd' ],
	[ 'seconds alone', 'timestamp', 'timestamp(0)', '2026-01-02 03:04:05', '2026-01-02', 'infinity', '2026-01-02 03:04:05.6' ],
	[ 'scales in an array', 'numeric(12, 4)[]', 'numeric(12, 2)[]', '{1.5,NULL}', '{}', '{2}', '{1.5555}' ])
{
	my ($name, $first, $then, $one, $two, $theirs, $cut) = @$case;
	for my $with_trigger (0, 1)
	{
		my $what = $with_trigger ? "$name, with a trigger" : $name;
		sql("DROP TABLE IF EXISTS held; CREATE TABLE held (id int PRIMARY KEY, v $first, touched timestamptz); SELECT dbm.install_audit_trigger('held')");
		sql('CREATE TRIGGER touched BEFORE INSERT OR UPDATE ON held FOR EACH ROW EXECUTE FUNCTION touched()') if $with_trigger;
		sql("INSERT INTO held VALUES (1, '$one'), (2, '$one'), (4, '$one')");
		my %of = (deleted => transaction('DELETE FROM held WHERE id = 1'), updated => transaction("UPDATE held SET v = '$two' WHERE id = 2"),
			inserted => transaction("INSERT INTO held VALUES (3, '$one')"), changed => transaction("UPDATE held SET v = '$two' WHERE id = 4"));
		my %cut = !defined $cut ? () : (updated => transaction("INSERT INTO held VALUES (5, '$two'); UPDATE held SET v = '$cut' WHERE id = 5"), inserted => transaction("INSERT INTO held VALUES (6, '$cut')"),
			deleted => transaction("INSERT INTO held VALUES (7, '$cut')") && transaction('DELETE FROM held WHERE id = 7'), 'updated from' => transaction("INSERT INTO held VALUES (8, '$cut')") && transaction("UPDATE held SET v = '$two' WHERE id = 8"));
		sql("ALTER TABLE held ALTER v TYPE $then");
		my $before = sql('SELECT id, v FROM held ORDER BY id');
		my $plan = plan_of($of{changed});
		sql("UPDATE held SET v = '$theirs' WHERE id = 4");
		like(refused("CALL dbm.apply($plan)"), qr/the row is not what the change made of it/, "$what: what somebody has given it since stops it");
		sql("UPDATE held SET v = '$two' WHERE id = 4");
		is(apply($plan), 'done', "$what: the same value does not");
		sql("CALL dbm.undo($plan)");
		for my $kind (sort keys %cut)
		{
			my $plan = plan_of($cut{$kind});
			like(refused("CALL dbm.apply($plan)"), $kind =~ /deleted|from/ ? qr/column v has no place for all of its value/ : qr/the row is not what the change made of it/, "$what: a value that was rounded is another, $kind");
		}
		is(sql('SELECT id, v FROM held ORDER BY id'), $before, "$what: nothing is changed");
		my %plan;
		for my $kind (qw(deleted updated inserted))
		{
			my ($code, $out, $said) = $node->psql('postgres', "CALL dbm.apply(" . ($plan{$kind} = plan_of($of{$kind})) . ')');
			is($code, 0, "$what: what was $kind is taken back");
		}
		is(sql("SELECT string_agg(id::text, ',' ORDER BY id), bool_and(v = '$one'::$then) FROM held WHERE id < 4"), '1,2|t', "$what: all is as it was");
		sql("CALL dbm.undo($plan{$_})") for qw(inserted updated deleted);
		is(sql('SELECT id, v FROM held ORDER BY id'), $before, "$what: and back again");
	}
}
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/gave columns values of their own: [^\n]*held\.v/, 'and no trigger is taken for its author');

# A value for which the column has no digits any more is refused, and it is said whose.
for my $with_trigger (0, 1)
{
	my $what = $with_trigger ? 'with a trigger' : 'without triggers';
	sql(q{DROP TABLE IF EXISTS digits; CREATE TABLE digits (id int PRIMARY KEY, n numeric(8, 2), l numeric(8, 2)[], touched timestamptz); SELECT dbm.install_audit_trigger('digits')});
	sql('CREATE TRIGGER touched BEFORE INSERT OR UPDATE ON digits FOR EACH ROW EXECUTE FUNCTION touched()') if $with_trigger;
	sql(q{INSERT INTO digits VALUES (1, 12345.67, NULL), (2, 54321, NULL), (3, 999.999, NULL), (4, 1, '{12345}')});
	my %of = (deleted => transaction('DELETE FROM digits WHERE id = 1'), updated => transaction('UPDATE digits SET n = 1 WHERE id = 2'),
		'of an array' => transaction(q{UPDATE digits SET l = '{1}' WHERE id = 4}));
	sql('UPDATE digits SET n = 5 WHERE id = 3; ALTER TABLE digits ALTER n TYPE numeric(5, 2), ALTER l TYPE numeric(5, 2)[]');
	my $fits = transaction('UPDATE digits SET n = 999.99 WHERE id = 3');
	sql('SELECT dbm.install_audit_trigger(\'digits\')');
	my $before = sql('SELECT id, n, l FROM digits ORDER BY id');
	for my $kind (sort keys %of)
	{
		my $plan = plan_of($of{$kind});
		my $column = $kind eq 'of an array' ? 'l' : 'n';
		like(refused("CALL dbm.apply($plan)"), qr/change \d+ of public\.digits cannot be taken back: column $column has no place for its value/, "$what: a value that is too large, $kind");
	}
	is(sql('SELECT id, n, l FROM digits ORDER BY id'), $before, "$what: nothing is changed");
	is(apply(plan_of($fits)), 'done', "$what: what fits is taken back");
}

# Computed columns are computed, stored or not, in the log or not.
{
	my @kinds = ('STORED', $node->pg_version >= 18 ? 'VIRTUAL' : ());
	for my $kind (@kinds)
	{
		sql("CREATE TABLE computed_$kind (id int PRIMARY KEY, v int, twice int GENERATED ALWAYS AS (v * 2) $kind); SELECT dbm.install_audit_trigger('computed_$kind'); INSERT INTO computed_$kind VALUES (1, 1)");
		my $deleted = transaction("DELETE FROM computed_$kind");
		is(apply(plan_of($deleted)), 'done', "$kind: a row comes back");
		is(sql("SELECT * FROM computed_$kind"), '1|1|2', "$kind: as it was");
	}
}

# More changes than a plan takes.
sql('CREATE TABLE busy (id int PRIMARY KEY, v int); SELECT dbm.install_audit_trigger(\'busy\'); INSERT INTO busy VALUES (500, 0), (1, 0)');
{
	my $at = sql('SELECT clock_timestamp()');
	sql('DO $$BEGIN FOR i IN 1..10001 LOOP UPDATE busy SET v = i WHERE id = 500; IF i % 100 = 0 THEN COMMIT; END IF; END LOOP; END$$');
	my $then = sql('SELECT clock_timestamp()');
	sql('UPDATE busy SET id = 5 WHERE id = 500; UPDATE busy SET v = -1 WHERE id = 5');
	like(refused(qq{SELECT dbm.revert_plan('busy', '{"id": 5}', '$at')}), qr/this row of public\.busy was changed more than 10000 times since, too often for a plan/, 'a row');
	like(refused(qq{SELECT dbm.revert_plan('busy', '{"id": 1}', '{"id": 10}', '$at')}), qr/rows of this range were changed more than 10000 times, too often for a plan/, 'a range into which such a row came');
	is(apply(sql(qq{SELECT dbm.revert_plan('busy', '{"id": 5}', '$then')})), 'done', 'the last of them can be taken back');
	is(sql('SELECT id, v FROM busy ORDER BY id'), "1|0\n500|10001", 'the row is what it was');
}

# Names of schemas outside of ASCII, in a database that writes them otherwise than we do.
$node->safe_psql('postgres', q{CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0});
{
	local $ENV{PGCLIENTENCODING} = 'UTF8';
	my $latin = sub { return $node->safe_psql('latin', @_) };
	$latin->(<<'SQL');
CREATE EXTENSION dbmastery;
CREATE SCHEMA "bücher";
CREATE TABLE noted (id int PRIMARY KEY, v int);
CREATE TABLE "bücher".diary (what text);
INSERT INTO noted VALUES (1, 1);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO diary VALUES ('called'); RETURN NULL; END$$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON noted FOR EACH ROW EXECUTE FUNCTION note();
SELECT dbm.install_audit_trigger('noted');
SQL
	my $path = 'SET search_path = "bücher", public';
	my $transaction = (split /\n/, $latin->("$path; BEGIN; UPDATE noted SET v = 2; SELECT pg_current_xact_id(); COMMIT"))[-1];
	my $plan = $latin->("$path; SELECT dbm.revert_plan($transaction)");
	$latin->("CALL dbm.apply($plan)");
	is($latin->('SELECT v, (SELECT count(*) FROM "bücher".diary) FROM noted'), '1|2', 'LATIN1: a trigger finds its table');
	$latin->(q{CREATE TABLE "bücher"."größe" (id int PRIMARY KEY, "länge" int); SELECT dbm.install_audit_trigger('"bücher"."größe"'); INSERT INTO "bücher"."größe" VALUES (1, 1)});
	is($latin->(q{SELECT table_name, new FROM dbm.changes('"bücher"."größe"')}), '"bücher"."größe"|{"id": 1, "länge": 1}', 'LATIN1: a table of such a name is watched');
	# Each in a session of its own, which knows nothing of what another has written.
	$latin->(q{INSERT INTO "bücher"."größe" VALUES (2, 2)});
	is($latin->('SELECT count(DISTINCT shape_id), count(*) FROM dbm_trail.change c JOIN dbm_trail.shape s USING (shape_id) WHERE s.table_name = $$größe$$'), '1|2', 'LATIN1: its shape is found again');
	$latin->(q{SELECT dbm.install_audit_trigger('"bücher"."größe"', exclude => '{länge}')});
	$latin->(q{INSERT INTO "bücher"."größe" VALUES (3, 3)});
	is($latin->(q{SELECT new FROM dbm.changes('"bücher"."größe"') ORDER BY changed_at DESC LIMIT 1}), '{"id": 3}', 'LATIN1: a column of such a name is kept back');
	is($latin->(q{SELECT excluded FROM dbm.audit_triggers() WHERE table_name = '"bücher"."größe"'}), '{länge}', 'LATIN1: which is told');
	$latin->(q{ALTER TABLE "bücher"."größe" RENAME "länge" TO "höhe"});
	is($latin->(q{SELECT excluded FROM dbm.audit_triggers() WHERE table_name = '"bücher"."größe"'}), '{höhe}', 'LATIN1: also by another name');
}

done_testing();
