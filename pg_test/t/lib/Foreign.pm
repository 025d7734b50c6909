# A server on which several roles act, and the place where only a superuser's code could leave something.

package Foreign;

use strict;
use warnings FATAL => 'all';

use Audit qw(utf8_locale);
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(started as must traces);

my ($node, $traces);

# Starts a server with these settings on which these roles may log in. Returns it, and the folder for traces.
sub started
{
	my ($roles, $settings) = @_;
	$node = PostgreSQL::Test::Cluster->new('foreign');
	$node->init(extra => utf8_locale(), auth_extra => [ '--create-role', $roles ]);
	$node->append_conf('postgresql.conf', "autovacuum = off\n$settings\n");
	$node->start;
	$traces = PostgreSQL::Test::Utils::tempdir();
	chmod 0777, $traces or die $!;
	return ($node, $traces);
}

# Runs statements as a role, up to the first error.
sub as
{
	my ($role, $statements) = @_;
	my ($status, $out, $error) =
	  $node->psql('postgres', $statements, extra_params => [ '-U', $role ], on_error_stop => 1);
	return ($status, $out, $error);
}

# The same, which has to succeed.
sub must
{
	my ($role, $statements) = @_;
	my ($status, $out, $error) = as($role, $statements);
	$status == 0 or die "$role could not: $error\n$statements";
	return $out;
}

# The files that were left since it was asked last.
sub traces
{
	opendir my $folder, $traces or die $!;
	my @found = sort grep { !/^\./ } readdir $folder;
	unlink "$traces/$_" for @found;
	return "@found";
}

1;
