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
	# What runs is in the text.
	return 0 if $sql =~ /\b(?:DO|CALL)\b|SELECT [\w.]+\(\)/ || ($case->{doors} // '') eq 'hook';
	# Such a table is read because somebody wants its rows.
	return 0 if $sql =~ /\b(?:INSERT|UPDATE|DELETE|COPY)\b|\bAS SELECT\b|\bSELECT .* FROM\b/ && $sql !~ /CREATE (?:OR REPLACE )?(?:VIEW|RULE|TRIGGER)/;
	return 1;
}

# The statements of a text, each for a transaction of its own; those between BEGIN and COMMIT are one.
sub transactions
{
	my ($sql) = @_;
	my (@transactions, $open);
	for my $statement (grep { /\S/ } $sql =~ /((?:'[^']*'|\$\$.*?\$\$|[^;'])+)/g)
	{
		if ($statement =~ /^\s*BEGIN\s*$/) { $open = '' }
		elsif ($statement =~ /^\s*COMMIT\s*$/)
		{
			push @transactions, $open if $open =~ /\S/;
			undef $open;
		}
		elsif (defined $open) { $open .= "$statement;" }
		else { push @transactions, $statement }
	}
	return @transactions;
}

# Says beforehand, then does and looks: { said => rows of dbm.explain_ddl(), error, rewritten, read, built, locks,
# awaited => those of the locks that are on what holds rows }.
# Tables without rows do not count, and neither do tables that are read while nobody has to wait for it.
sub truth
{
	my ($node, $database, $case) = @_;
	DdlCases::setup($node, $database, $case);
	my $done = '';
	for my $transaction (transactions($case->{statement}))
	{
		$transaction =~ s/;?\s*\z/;/;
		$done .= $transaction =~ /^\s*SET\b(?!.*;.)/ ? "$transaction\n" : <<"SQL";
BEGIN;
SELECT count(*) FROM after_it \\g /dev/null
$transaction
SELECT json_agg(a) FROM after_it AS a;
\\echo ======
COMMIT;
SQL
	}
	my ($status, $out, $error) = $node->psql($database, <<"SQL", on_error_stop => 1);
SET client_min_messages = error;
SET dbm.ddl_guard = off;
SELECT json_agg(e) FROM dbm.explain_ddl(\$ddl_case\$$case->{statement}\$ddl_case\$) AS e;
\\echo ======
CREATE TEMP TABLE before_it AS
SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relkind AS kind, pg_relation_filenode(c.oid) AS file,
       c.relkind NOT IN ('r', 'm') OR pg_relation_size(c.oid) > 0 AS has_rows
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'dbm') AND n.nspname !~ '^pg_' AND c.relkind <> 't';
CREATE TEMP VIEW after_it AS
SELECT b.name, b.kind, b.has_rows,
       b.file IS DISTINCT FROM pg_relation_filenode(b.oid) AND c.oid IS NOT NULL AND b.has_rows AS is_new,
       coalesce(s.seq_tup_read, 0) AS read,
       (SELECT json_agg(l.mode) FROM pg_locks AS l
         WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation = b.oid AND l.database <> 0) AS modes
  FROM before_it AS b
  LEFT JOIN pg_class AS c ON c.oid = b.oid
  LEFT JOIN pg_stat_xact_all_tables AS s ON s.relid = b.oid;
$done
SQL
	my ($said, @seen) = split /^======\n?/m, $out;
	my %truth = (said => [ decode_rows($said // '') ], error => $error, locks => {}, awaited => {});
	return \%truth if $status != 0;
	my (%is, %read_before);
	# What the statement itself printed stands before it.
	for my $row (map { decode_rows(/(^\[\{.*)/ms ? $1 : '') } @seen)
	{
		my $name = $row->{name};
		$is{ $row->{kind} =~ /[iI]/ ? 'built' : 'rewritten' }{$name} = 1 if $row->{is_new};
		my $lock = '';
		for my $mode (@{ $row->{modes} // [] })
		{
			my $words = uc($mode =~ s/Lock$//r =~ s/(?<=[a-z])(?=[A-Z])/ /gr);
			$lock = $words if strength($words) > strength($lock);
		}
		$truth{locks}{$name} = $lock if strength($lock) > strength($truth{locks}{$name});
		$truth{awaited}{$name} = $truth{locks}{$name} if $row->{has_rows};
		# A materialized view has no writers but REFRESH.
		my $is_awaited = strength($lock) >= strength('SHARE') && !($row->{kind} eq 'm' && $lock eq 'EXCLUSIVE');
		my $read = $row->{read} - ($read_before{$name} // 0);
		$is{read}{$name} = 1 if $is_awaited && $read > 0;
		$read_before{$name} = $row->{read};
	}
	$truth{$_} = [ sort keys %{ $is{$_} // {} } ] for qw(rewritten built read);
	return \%truth;
}

1;
