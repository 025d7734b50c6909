# What a statement really does to the tables that were there: which it locks, which it writes anew, which it reads.

package DdlTruth;

use strict;
use warnings FATAL => 'all';

use Audit qw(decode_rows);
use DdlCases;
use Exporter 'import';
use Test::More;

our @EXPORT_OK = qw(can_be_watched truth strength);

my @modes = (
	'ACCESS SHARE', 'ROW SHARE', 'ROW EXCLUSIVE', 'SHARE UPDATE EXCLUSIVE',
	'SHARE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE');
my %strength = map { $modes[$_] => $_ + 1 } 0 .. $#modes;

# How strong a lock is, 1 to 8; 0 for none.
sub strength { return $_[0] ? $strength{ $_[0] } : 0 }

# Whether a case can run in one transaction that is looked at from inside, and is about DDL alone.
sub can_be_watched
{
	my ($case) = @_;
	my $sql = $case->{statement};
	return 0 if $sql =~ /\bCONCURRENTLY\b/i && $sql !~ /REFRESH MATERIALIZED VIEW CONCURRENTLY|CONCURRENTLY false/;
	return 0 if $sql =~ /\b(?:VACUUM|REINDEX (?:SCHEMA|DATABASE|SYSTEM)|DATABASE|ALTER SYSTEM|ROLLBACK)\b/;
	# Such a table is read because somebody wants its rows.
	return 0 if $sql =~ /\b(?:INSERT|UPDATE|DELETE|COPY)\b|\bAS SELECT\b|\bSELECT .* FROM\b/ && $sql !~ /CREATE (?:OR REPLACE )?(?:VIEW|RULE|TRIGGER)/;
	return 1;
}

# Says beforehand, then does and looks: { said => rows of dbm.explain_ddl(), error, rewritten, read, built, locks }.
sub truth
{
	my ($node, $database, $case) = @_;
	DdlCases::setup($node, $database, $case);
	my $inside = $case->{statement};
	$inside =~ s/\b(?:BEGIN|COMMIT)\s*;//g;
	$inside =~ s/([^;])\s*$/$1;/ if $inside !~ /;\s*$/;
	my ($status, $out, $error) = $node->psql($database, <<"SQL", on_error_stop => 1);
SET client_min_messages = error;
SET dbm.ddl_guard = off;
SELECT json_agg(e) FROM dbm.explain_ddl(\$ddl_case\$$case->{statement}\$ddl_case\$) AS e;
\\echo ======
CREATE TEMP TABLE before_it AS
SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relkind AS kind, pg_relation_filenode(c.oid) AS file
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'dbm') AND n.nspname !~ '^pg_' AND c.relkind <> 't';
CREATE TEMP VIEW after_it AS
SELECT b.name, b.kind,
       b.file IS DISTINCT FROM pg_relation_filenode(b.oid) AND c.oid IS NOT NULL AS is_new,
       coalesce(s.seq_tup_read, 0) AS read,
       (SELECT json_agg(l.mode) FROM pg_locks AS l
         WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation = b.oid AND l.database <> 0) AS modes
  FROM before_it AS b
  LEFT JOIN pg_class AS c ON c.oid = b.oid
  LEFT JOIN pg_stat_xact_all_tables AS s ON s.relid = b.oid;
BEGIN;
SELECT count(*) FROM after_it \\g /dev/null
$inside
SELECT json_agg(a) FROM after_it AS a;
ROLLBACK;
SQL
	my ($said_rows, $done) = split /^======\n?/m, $out, 2;
	my %truth = (said => [ decode_rows($said_rows // '') ], error => $error, rewritten => [], read => [], built => [], locks => {});
	return \%truth if $status != 0;
	my ($json) = ($done // '') =~ /(^\[\{.*)\z/ms;
	for my $row (decode_rows($json // ''))
	{
		my $is_index = $row->{kind} =~ /[iI]/;
		push @{ $truth{ $is_index ? 'built' : 'rewritten' } }, $row->{name} if $row->{is_new};
		push @{ $truth{read} }, $row->{name} if $row->{read} > 0;
		for my $mode (@{ $row->{modes} // [] })
		{
			(my $name = $mode) =~ s/Lock$//;
			$name =~ s/(?<=[a-z])(?=[A-Z])/ /g;
			$name = uc $name;
			my $locks = $truth{locks};
			$locks->{ $row->{name} } = $name if strength($name) > strength($locks->{ $row->{name} });
		}
	}
	return \%truth;
}

1;
