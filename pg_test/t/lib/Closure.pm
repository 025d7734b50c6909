# Tries what the audit of a database proposes: fix, look, undo, look.

package Closure;

use strict;
use warnings FATAL => 'all';

use Audit qw(none);
use IPC::Run;
use Session;
use Test::More;

# Opens its sessions and looks at the database as it is.
sub new
{
	my ($class, $node, $database) = @_;
	my $self = bless {
		node     => $node,
		database => $database,
		# Who reads: with the search_path that everybody has.
		reader => Session->new($node, $database),
		# Who repairs: with one under which only what is qualified is found.
		mender => Session->new($node, $database),
	}, $class;
	$self->{mender}->must("SET search_path = ''");
	# What brings a mistake back is no safe change.
	$self->{mender}->must('SET dbm.ddl_guard = off');
	# A float that was a numeric for a while comes back with its 15 digits, and without the noise behind them: that is
	# what was wrong with it.
	$self->{reader}->must('SET extra_float_digits = 0');
	$self->{contents} = { map { $_->{name} => $self->content_of($_->{name}) } $self->files };
	$self->refresh;
	return $self;
}

# Takes the database as it is now for what an undo has to bring back.
sub refresh
{
	my ($self) = @_;
	$self->{now}  = $self->look;
	$self->{dump} = $self->dump;
	return;
}

# Tries every finding with a fix that the predicate lets pass. One test a finding; it says each step that failed.
sub try_all
{
	my ($self, $is_wanted) = @_;
	my @findings = grep { defined $_->{fix} && $is_wanted->($_) } values %{ $self->{now}{findings} };
	@findings = sort { "$a->{rule}: $a->{object}" cmp "$b->{rule}: $b->{object}" } @findings;
	for my $finding (@findings)
	{
		my @faults = $self->try_one($finding);
		none(\@faults, "$self->{database}: $finding->{rule}: $finding->{object}")
		  or diag("fix:\n$finding->{fix}\nundo:\n" . ($finding->{undo} // '(none)'));
	}
	ok(scalar @findings, "$self->{database}: there were fixes to try");
	return;
}

# Returns what went wrong, each with its step.
sub try_one
{
	my ($self, $finding) = @_;
	my $before = $self->{now};
	my %files  = map { $_->{name} => $_->{file} } $self->files;

	my (undef, $error) = $self->{mender}->run($finding->{fix});
	my $fixed  = $self->look;
	my @faults = $error eq '' ? () : ("fix: $error");
	push @faults, "fix: it is still there, as $_->{status}: $_->{message}"
	  for grep { $_->{fingerprint} eq $finding->{fingerprint} } @{ $fixed->{rows} };
	push @faults, map { "fix: $_" } $self->surplus($before, $fixed), errors($fixed), fallen($before, $fixed);

	if (defined $finding->{undo})
	{
		(undef, $error) = $self->{mender}->run($finding->{undo});
		push @faults, "undo: $error" if $error ne '';
	}
	my $undone = $self->look;
	my $dump   = $self->dump;
	push @faults, map { "undo: $_" } errors($undone);
	# What has no undo must not have changed the catalog, and does not come back.
	if (defined $finding->{undo})
	{
		push @faults, map { "undo: $_" } $self->surplus($before, $undone);
		push @faults, map { "undo: does not come back: $_" } keys_missing($before, $undone);
	}
	# An index that was invalid is left out by pg_dump, and nothing leads back to it.
	push @faults, map { "undo: catalog: $_" } differences($self->{dump}, $dump)
	  unless $finding->{rule} eq 'indexing.invalid_index' && !defined $finding->{undo};
	push @faults, map { "undo: sequence: $_" } differences($before->{sequences}, $undone->{sequences});
	for my $now ($self->files)
	{
		my $name = $now->{name};
		next if defined $files{$name} && $files{$name} eq $now->{file};
		my $content = $self->content_of($name);
		# jsonb keeps neither blanks nor the order of keys; the finding's evidence says so.
		push @faults, "undo: the rows of $name are not what they were"
		  if defined $self->{contents}{$name} && $content ne $self->{contents}{$name}
		  && $finding->{rule} ne 'schema.json_type';
		$self->{contents}{$name} = $content;
	}
	# From here on this is what has to come back, whether or not it is as it was.
	$self->{now}  = $undone;
	$self->{dump} = $dump;
	return @faults;
}

# The audit, the scores, the names of what can be renamed, and where the sequences stand.
sub look
{
	my ($self) = @_;
	my $reader = $self->{reader};
	my @rows   = $reader->rows('SELECT * FROM dbm.audit()');
	return {
		rows      => \@rows,
		findings  => { map { $_->{fingerprint} => $_ } grep { $_->{status} eq 'finding' } @rows },
		scores    => [ $reader->rows('SELECT dimension, score FROM dbm.score()') ],
		names     => { map { $_->{id} => $_->{name} } $reader->rows(<<'SQL') },
SELECT 'i' || c.oid AS id, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('i', 'I')
UNION ALL
SELECT 'c' || c.oid, pg_catalog.format('%I on %I.%I', c.conname, n.nspname, t.relname)
  FROM pg_catalog.pg_constraint AS c
  JOIN pg_catalog.pg_class AS t ON t.oid = c.conrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
SQL
		sequences => join("\n", map { "$_->{name} at " . ($_->{last_value} // 'its start') } $reader->rows(<<'SQL')),
SELECT pg_catalog.format('%I.%I', schemaname, sequencename) AS name, last_value FROM pg_catalog.pg_sequences ORDER BY 1
SQL
	};
}

# Findings that were not there. One about an object that was only renamed is not new.
sub surplus
{
	my ($self, $before, $after) = @_;
	my %renamed;
	for my $id (keys %{ $after->{names} })
	{
		my $old = $before->{names}{$id};
		$renamed{ $after->{names}{$id} } = $old if defined $old && $old ne $after->{names}{$id};
	}
	my %known = map { $_ => 1 } map { subject($_, {}) } values %{ $before->{findings} };
	my @unknown = grep { !$known{ subject($_, {}) } && !$known{ subject($_, \%renamed) } } values %{ $after->{findings} };
	return sort map { "new: $_->{rule}: $_->{object}: $_->{message}" } @unknown;
}

# What a finding is about. Of two equal indexes the name decides which one is to go, so that a new name may change that;
# what is wrong is still that there are these two.
sub subject
{
	my ($finding, $renamed) = @_;
	my @objects = ($finding->{object}, $finding->{evidence}{keep_index} // ());
	return "$finding->{rule}: " . join(' and ', sort map { $renamed->{$_} // $_ } @objects);
}

sub keys_missing
{
	my ($before, $after) = @_;
	return sort map { "$before->{findings}{$_}{rule}: $before->{findings}{$_}{object}" }
	  grep { !$after->{findings}{$_} } keys %{ $before->{findings} };
}

sub errors
{
	my ($look) = @_;
	return map { "broken rule: $_->{rule}: $_->{message}" } grep { $_->{status} eq 'error' } @{ $look->{rows} };
}

sub fallen
{
	my ($before, $after) = @_;
	my %before = map { $_->{dimension} => $_->{score} } @{ $before->{scores} };
	return map { "score of $_->{dimension} fell from $before{$_->{dimension}} to " . ($_->{score} // 'nothing') }
	  grep { defined $before{ $_->{dimension} } && (!defined $_->{score} || $_->{score} < $before{ $_->{dimension} }) }
	  @{ $after->{scores} };
}

# pg_dump's idea of the catalog.
sub dump
{
	my ($self) = @_;
	my ($out, $error) = ('', '');
	my @command = (
		$self->{node}->installed_command('pg_dump'), '--schema-only',
		'-d', $self->{node}->connstr($self->{database}));
	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$error) or die "pg_dump failed: $error";
	# The key of psql's restricted mode is new in each dump, whatever is in the database.
	$out =~ s/^\\(un)?restrict .*\n//mg;
	return $out;
}

# The lines in which two texts differ.
sub differences
{
	my ($old, $new) = @_;
	return () if $old eq $new;
	my (%old, %new);
	$old{$_}++ for split /\n/, $old;
	$new{$_}++ for split /\n/, $new;
	my @lost  = map { "lost: $_" } grep { $old{$_} > ($new{$_} // 0) } sort keys %old;
	my @added = map { "added: $_" } grep { $new{$_} > ($old{$_} // 0) } sort keys %new;
	return @lost || @added ? (@lost, @added) : ('the same lines in another order');
}

# Tables with the files that hold their rows: a table that was written anew has another file.
sub files
{
	my ($self) = @_;
	return $self->{reader}->rows(<<'SQL');
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, c.relfilenode AS file
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema$|dbm$)'
SQL
}

# A digest of a table's rows.
sub content_of
{
	my ($self, $table) = @_;
	return $self->{reader}->must(
		"SELECT pg_catalog.md5(pg_catalog.string_agg(t::text, E'\\n' ORDER BY t::text)) FROM ONLY $table AS t");
}

# Ends the sessions.
sub quit
{
	my ($self) = @_;
	$self->{$_}->quit for 'reader', 'mender';
	return;
}

1;
