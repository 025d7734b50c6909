# By which columns the audit trail tells the rows of a table apart: the primary key, else the replica identity, else a unique
# index in which nothing is null; and by the whole row where any index there is would have two rows for one.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('keys');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nmax_worker_processes = 16");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION dbmastery');

sub sql { return $node->safe_psql('postgres', @_) }

# The keys of the last changes of a table, the first of them first.
sub keys_of_last
{
	my ($table, $count) = @_;
	return sql("SELECT string_agg(key::text, ' ' ORDER BY ordinality DESC) FROM dbm.changes('$table', max_rows => $count) WITH ORDINALITY c");
}

# Each table has the columns a and b, which cannot be null, and v, which can; a row is written, changed and deleted. What makes the
# table, and by which of them its rows are told apart.
my $whole = 'a b v';
my $invalid = sub { "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '$_[0]'::regclass" };
my @tables = (
	[ primarily        => 'a',     'ALTER TABLE % ADD PRIMARY KEY (a)', 'the primary key' ],
	[ primary_after    => 'b',     'CREATE UNIQUE INDEX ON % (a); ALTER TABLE % ADD PRIMARY KEY (b)', 'the primary key, though an older index would do' ],
	[ primary_first    => 'a',     'ALTER TABLE % ADD PRIMARY KEY (a); CREATE UNIQUE INDEX %_b ON % (b); ALTER TABLE % REPLICA IDENTITY USING INDEX %_b', 'the primary key before the replica identity' ],
	[ primary_late     => 'b',     'ALTER TABLE % ADD PRIMARY KEY (b) DEFERRABLE', 'a primary key that is checked late' ],
	[ primary_two      => 'b',     'CREATE UNIQUE INDEX ON % (a); ALTER TABLE % ADD PRIMARY KEY (b) DEFERRABLE', 'also where an older index would do' ],
	[ identity         => 'b',     'CREATE UNIQUE INDEX ON % (a); CREATE UNIQUE INDEX %_b ON % (b); ALTER TABLE % REPLICA IDENTITY USING INDEX %_b', 'the replica identity, though an older index would do' ],
	[ identity_two     => 'b a',   'CREATE UNIQUE INDEX %_i ON % (b, a); ALTER TABLE % REPLICA IDENTITY USING INDEX %_i', 'of two columns, in the order of the index' ],
	[ identity_full    => 'b',     'CREATE UNIQUE INDEX ON % (b); ALTER TABLE % REPLICA IDENTITY FULL', 'a unique index, where the replica identity is the whole row' ],
	[ identity_nothing => 'b',     'CREATE UNIQUE INDEX ON % (b); ALTER TABLE % REPLICA IDENTITY NOTHING', 'or nothing' ],
	[ identity_gone    => $whole,  'CREATE UNIQUE INDEX %_b ON % (b); ALTER TABLE % REPLICA IDENTITY USING INDEX %_b; DROP INDEX %_b', 'a replica identity that was dropped is none' ],
	[ uniquely         => 'b',     'CREATE UNIQUE INDEX ON % (b)', 'a unique index' ],
	[ constrained      => 'b',     'ALTER TABLE % ADD UNIQUE (b)', 'a unique constraint' ],
	[ including        => 'b',     'CREATE UNIQUE INDEX ON % (b) INCLUDE (a, v)', 'without the columns that an index only carries' ],
	[ first_of_two     => 'b',     'CREATE UNIQUE INDEX ON % (b); CREATE UNIQUE INDEX ON % (a)', 'the first of two' ],
	[ one_will_do      => 'a b',   'CREATE UNIQUE INDEX ON % (v); CREATE UNIQUE INDEX ON % (b) WHERE b > 0; CREATE UNIQUE INDEX ON % ((a + 1)); CREATE UNIQUE INDEX ON % (a, b)', 'the first that will do' ],
	[ descending       => 'b',     'CREATE UNIQUE INDEX ON % (b DESC NULLS FIRST)', 'in whatever order an index is' ],
	[ plain_index      => $whole,  'CREATE INDEX ON % (a)', 'an index that is not unique tells nothing apart' ],
	[ partial          => $whole,  'CREATE UNIQUE INDEX ON % (a) WHERE v IS NULL', 'nor does one of some rows' ],
	[ partial_of_all   => 'a',     'CREATE UNIQUE INDEX ON % (a) WHERE true', 'but one that says it is of some rows and is of all' ],
	[ checked_late     => $whole,  'ALTER TABLE % ADD UNIQUE (a) DEFERRABLE', 'nor one that is checked late' ],
	[ checked_last     => $whole,  'ALTER TABLE % ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED', 'or last' ],
	[ expression       => $whole,  'CREATE UNIQUE INDEX ON % ((a + 1))', 'nor an expression' ],
	[ and_expression   => $whole,  'CREATE UNIQUE INDEX ON % (a, (b + 1))', 'beside a column' ],
	[ nullable         => $whole,  'CREATE UNIQUE INDEX ON % (v)', 'nor a column that may be null' ],
	[ and_nullable     => $whole,  'CREATE UNIQUE INDEX ON % (a, v)', 'beside one that may not' ],
	[ nulls_alike      => $whole,  'CREATE UNIQUE INDEX ON % (a, v) NULLS NOT DISTINCT', 'even if there is one null only' ],
	[ checked          => $whole,  'CREATE UNIQUE INDEX ON % (v); ALTER TABLE % ADD CHECK (v IS NOT NULL) NOT VALID', 'or a constraint forbids it' ],
	[ invalid          => $whole,  'CREATE UNIQUE INDEX %_a ON % (a); ' . $invalid->('%_a'), 'nor one whose building did not succeed' ],
	[ invalid_first    => 'b',     'CREATE UNIQUE INDEX %_a ON % (a); CREATE UNIQUE INDEX ON % (b); ' . $invalid->('%_a'), 'but the next' ],
	[ excluding        => $whole,  'ALTER TABLE % ADD EXCLUDE (a WITH =)', 'nor a constraint that excludes' ],
	[ without_any      => $whole,  '', 'and without any index the row is it' ],
);
for my $case (@tables)
{
	my ($table, $key, $made, $what) = @$case;
	$made =~ s/%/$table/g;
	sql("CREATE TABLE $table (a int NOT NULL, b int NOT NULL, v text)");
	sql($made) if $made;
	sql("SELECT dbm.install_audit_trigger('$table')");
	sql("INSERT INTO $table VALUES (1, 2, 'x'), (3, 4, 'y'); UPDATE $table SET v = 'z' WHERE a = 1; DELETE FROM $table WHERE b = 2");
	my $document = sub { my (%row) = @_; return '{' . join(', ', map { qq{"$_": $row{$_}} } grep { " $key " =~ / $_ / } split / /, $whole) . '}' };
	is(keys_of_last($table, 4), join(' ', map { $document->(@$_) } [ a => 1, b => 2, v => '"x"' ], [ a => 3, b => 4, v => '"y"' ], [ a => 1, b => 2, v => '"x"' ], [ a => 1, b => 2, v => '"z"' ]), "$table: $what");
	is(sql("SELECT coalesce(array_to_string(key, ' '), '$whole') FROM dbm_trail.shape WHERE table_name = '$table' AND fingerprint <> 0"), $key, 'so its shape says');
}

# Nothing is found twice or not at all by such keys.
is(sql(q{SELECT string_agg(operation || ' ' || coalesce(new->>'v', ''), ', ') FROM dbm.row_history('identity', '{"b": 2}')}), 'INSERT x, UPDATE z, DELETE ', 'a row is followed by its replica identity');
is(sql(q{SELECT string_agg(operation || ' ' || coalesce(new->>'v', ''), ', ') FROM dbm.row_history('uniquely', '{"b": 2}')}), 'INSERT x, UPDATE z, DELETE ', 'and by a unique index');
my ($code, $out, $error) = $node->psql('postgres', q{SELECT * FROM dbm.row_history('uniquely', '{"a": 1}')});
like($error, qr/this is no key of public\.uniquely/, 'but not by what is none');
sql("INSERT INTO partial VALUES (1, 1, 'p'), (1, 1, 'q')");
my $two = sql('SELECT clock_timestamp()');
sql("DELETE FROM partial WHERE v = 'p'");
is(sql(q{SELECT string_agg(v, ' ' ORDER BY v) FROM dbm.rows_as_of(NULL::partial, '} . $two . q{') WHERE a = 1}), 'p q', 'where two rows have the same columns, both are told');

# What becomes of the index while the table is watched and a session has written to it already. Each time the key of one UPDATE.
sql(q{CREATE TABLE turns (a int NOT NULL, b int NOT NULL, v int); INSERT INTO turns VALUES (1, 2, 0); SELECT dbm.install_audit_trigger('turns')});
my @turns = (
	[ '', '{"a": 1, "b": 2, "v": 0}' ],
	[ 'CREATE UNIQUE INDEX turns_a ON turns (a)', '{"a": 1}' ],
	[ 'ALTER TABLE turns ALTER a DROP NOT NULL', '{"a": 1, "b": 2, "v": 2}' ],
	[ 'ALTER TABLE turns ALTER a SET NOT NULL', '{"a": 1}' ],
	[ 'CREATE UNIQUE INDEX turns_b ON turns (b); ALTER TABLE turns REPLICA IDENTITY USING INDEX turns_b', '{"b": 2}' ],
	[ 'ALTER TABLE turns REPLICA IDENTITY DEFAULT', '{"a": 1}' ],
	[ 'ALTER INDEX turns_a RENAME TO turns_other', '{"a": 1}' ],
	[ 'DROP INDEX turns_other', '{"b": 2}' ],
	[ 'ALTER TABLE turns RENAME b TO c', '{"c": 2}' ],
	[ 'ALTER TABLE turns ADD PRIMARY KEY (a)', '{"a": 1}' ],
	[ 'ALTER TABLE turns DROP CONSTRAINT turns_pkey; DROP INDEX turns_b', '{"a": 1, "c": 2, "v": 10}' ],
	[ 'CREATE UNIQUE INDEX CONCURRENTLY turns_late ON turns (a)', '{"a": 1}' ],
);
my $session = $node->background_psql('postgres', on_error_stop => 1);
# What the guard says of the statements is not the subject.
$session->query_safe("SET dbm.ddl_guard = 'off'; SET client_min_messages = error;");
for my $turn (@turns)
{
	my ($change, $key) = @$turn;
	$session->query_safe("$_;") for split /; /, $change;
	$session->query_safe('UPDATE turns SET v = v + 1;');
	is(keys_of_last('turns', 1), $key, $change eq '' ? 'a session that writes' : "in the same session, after $change");
}
# Another session is told as well.
sql('DROP INDEX turns_late');
$session->query_safe('UPDATE turns SET v = v + 1;');
is(keys_of_last('turns', 1), '{"a": 1, "c": 2, "v": 12}', 'in a session that did not change it itself');
$session->quit;
# In one transaction, and taken back.
sql(<<'SQL');
BEGIN;
UPDATE turns SET v = 100;
SAVEPOINT s;
CREATE UNIQUE INDEX turns_brief ON turns (c);
UPDATE turns SET v = 101;
ROLLBACK TO s;
UPDATE turns SET v = 102;
COMMIT;
SQL
is(keys_of_last('turns', 2), '{"a": 1, "c": 2, "v": 13} {"a": 1, "c": 2, "v": 100}', 'an index that was rolled back tells nothing apart');

# What tells rows apart and shall not be logged is not logged as their key either: a hash of it is.
for my $case ([ 'identity', q{exclude => '{b}'} ], [ 'uniquely', q{columns => '{v}'} ], [ 'constrained', q{redact => '{b}'} ])
{
	my ($table, $how) = @$case;
	sql("SELECT dbm.install_audit_trigger('$table', $how)");
	sql("INSERT INTO $table VALUES (5, 4711, 'x'), (6, 4712, 'y'); UPDATE $table SET v = 'z' WHERE b = 4711");
	my $written = sql("SELECT string_agg(concat_ws('|', key, old, new), ' ' ORDER BY ordinality DESC) FROM dbm.changes('$table', max_rows => 3) WITH ORDINALITY c");
	like($written, qr/^\{"b": "(redacted:\w{32})"\}\|.* \{"b": "(?!\1)redacted:\w{32}"\}\|.* \{"b": "\1"\}\|/, "$table: of a key that is kept back a hash is logged");
	unlike($written, qr/471[12]/, 'and nowhere what it was');
}

# A key whose type got another length or scale is the same one.
for my $case ([ 'char(5)', 'char(9)', 'ab', 'cd' ], [ 'char(9)', 'char(5)', 'ab', 'cd' ], [ 'numeric(10, 2)', 'numeric(12, 4)', '1.5', '20' ],
	[ 'numeric', 'numeric(12, 2)', '1.5', '20' ], [ 'numeric(12, 2)', 'numeric', '1.5', '20' ], [ 'int', 'numeric(12, 2)', '7', '20' ])
{
	my ($first, $then, $one, $two) = @$case;
	my $what = "$first, then $then";
	sql("CREATE TABLE typed (a $first PRIMARY KEY, v text); SELECT dbm.install_audit_trigger('typed'); INSERT INTO typed VALUES ('$one', '1'), ('$two', '1'); UPDATE typed SET v = '2' WHERE a = '$one'");
	my $at = sql('SELECT clock_timestamp()');
	my $transaction = (split /\n/, sql("BEGIN; UPDATE typed SET v = '3' WHERE a = '$one'; SELECT pg_current_xact_id(); COMMIT"))[-1];
	sql("DELETE FROM typed WHERE a = '$two'; ALTER TABLE typed ALTER a TYPE $then; UPDATE typed SET v = '4' WHERE a = '$one'");
	is(sql(qq{SELECT string_agg(operation || (new->>'v'), ' ') FROM dbm.row_history('typed', '{"a": "$one"}')}), 'INSERT1 UPDATE2 UPDATE3 UPDATE4', "$what: the history of a row has all of it");
	is(sql(qq{SELECT string_agg(operation, ' ') FROM dbm.row_history('typed', '{"a": "$two"}')}), 'INSERT DELETE', "$what: also of one that is gone");
	my ($code, $out, $error) = $node->psql('postgres', "SELECT string_agg(v, ' ' ORDER BY a) FROM dbm.rows_as_of(NULL::typed, '$at')");
	is("$out$error", '2 1', "$what: the table is what it was");
	is(sql("SELECT count(*) FROM dbm.as_of('typed', '$at') d WHERE d->>'v' IN ('2', '1')"), 2, "$what: also as JSON");
	($code, $out, $error) = $node->psql('postgres', "SELECT dbm.revert_plan($transaction)");
	like($error, qr/transaction $transaction cannot be taken back: 1 later changes would be lost/, "$what: what came later is seen");
	# From nothing on.
	sql('TRUNCATE typed');
	is(sql("SELECT string_agg(v, ' ' ORDER BY a) FROM dbm.rows_as_of(NULL::typed, '$at')"), '2 1', "$what: also before a TRUNCATE");
	sql('DROP TABLE typed');
}

# One whose type became another: what was alike as numbers, or but for blanks, is two.
for my $case ([ 'numeric(4, 2)', '1.10', '1.1' ], [ 'char(4)', 'AB', 'AB ' ])
{
	my ($first, $one, $two) = @$case;
	sql("CREATE TABLE turned (a $first PRIMARY KEY, v text); SELECT dbm.install_audit_trigger('turned'); INSERT INTO turned VALUES ('$one', 'a'); ALTER TABLE turned ALTER a TYPE text; INSERT INTO turned VALUES ('$two', 'b')");
	my $at = sql('SELECT clock_timestamp()');
	sql("UPDATE turned SET v = 'x' WHERE a = '$two'");
	my ($code, $out, $error) = $node->psql('postgres', "SELECT string_agg(v, ' ' ORDER BY a = '$two') FROM dbm.rows_as_of(NULL::turned, '$at')");
	is("$out$error", 'a b', "$first, then text: each row is what it was");
	# As long as blanks told nothing apart, the one had the other's key.
	my $before = $first =~ /char/ ? 'INSERTa ' : '';
	is(sql(qq{SELECT string_agg(operation || (new->>'v'), ' ') FROM dbm.row_history('turned', '{"a": "$two"}')}), $before . 'INSERTb UPDATEx', "$first, then text: and has the history of its key");
	sql('DROP TABLE turned');
}

# Filled up to more characters than a format can.
sql(q{CREATE TABLE long (a char(70000)); SELECT dbm.install_audit_trigger('long'); INSERT INTO long VALUES ('x')});
is(sql(q{SELECT string_agg(operation, ' ') FROM dbm.row_history('long', '{"a": "x"}')}), 'INSERT', 'the history of a very long string');

done_testing();
