# Whatever the audit proposes has to work: run as it is printed, a fix clears its finding, brings no new one and lowers
# no score, and its undo brings the catalog back.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(leave_server_out rows set_thresholds utf8_locale);
use Closure;
use TestDatabase qw(load_demo load_traps);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('closure');
$node->init(extra => utf8_locale());
# Autovacuum would change statistics, and with them findings, while we compare.
$node->append_conf('postgresql.conf', "autovacuum = off\ntimezone = 'UTC'\nsynchronous_commit = off\ndbm.rule_timeout = '5min'");
$node->start;

load_demo($node, 'shop');
load_traps($node);

# Thresholds under which as much as possible is found, each with a fix of its own: small as they are, both databases have
# indexes to rebuild; no habit is so frequent that it would be told once for all; few tables make a convention.
sub strict
{
	my ($database) = @_;
	my %strict = (
		'indexing.bloated_index'       => { wasted_bytes   => 65536, measured_bytes => 65536 },
		'schema.missing_audit_columns' => { majority_share => 0.1 },
	);
	for my $rule (rows($node, $database, 'SELECT rule, thresholds FROM dbm.rules()'))
	{
		my $habit = $rule->{thresholds}{prevailing_tables} or next;
		$strict{ $rule->{rule} }{prevailing_tables} = $habit->{max} + 0;
	}
	return \%strict;
}

for my $database ('shop', 'traps')
{
	leave_server_out($node, $database);
	set_thresholds($node, $database, strict($database));
	my $closure = Closure->new($node, $database);
	$closure->try_all(sub { 1 });

	# What is unused can be told here only by waiting for nothing at all. With that, every index that an undo builds
	# anew would be called unused too, since nobody scanned it yet; so these come last and alone.
	set_thresholds($node, $database,
		{ 'indexing.unused_index' => { minimum_days => 0, minimum_bytes => 0, table_scans => 0, table_writes => 0 } });
	$closure->refresh;
	$closure->try_all(sub { $_[0]->{rule} eq 'indexing.unused_index' });
	$closure->quit;
}

$node->stop;
done_testing();
