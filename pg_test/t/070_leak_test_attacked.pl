# Who tests another's table for leaks runs what its owner has put into triggers and functions: it must not run as whoever
# calls, nor as a role that reaches out of the database, nor end anybody's session.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Audit qw(utf8_locale);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('leak_test_attacked');
$node->init(extra => utf8_locale());
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off");
$node->start;
my $traces = $node->basedir . '/traces';
my $me = $node->safe_psql('postgres', 'SELECT current_user');

# What mallory's code leaves behind whatever is rolled back: a file with the name of who ran it, where he may write one; and who
# might have ended sessions is told by the server's log.
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION dbmastery;
CREATE ROLE mallory LOGIN; CREATE ROLE app; CREATE ROLE strong; GRANT pg_execute_server_program TO strong;
CREATE SCHEMA lures AUTHORIZATION mallory; GRANT USAGE ON SCHEMA lures TO PUBLIC;
SET ROLE mallory;
CREATE FUNCTION lures.strike() RETURNS trigger LANGUAGE plpgsql AS \$f\$
BEGIN
	RAISE LOG 'struck as %, who may end sessions: %', current_user, pg_has_role(current_user, 'pg_signal_backend', 'USAGE');
	BEGIN
		EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'cat > /dev/null; echo ' || current_user || ' >> $traces');
	EXCEPTION WHEN insufficient_privilege THEN NULL;
	END;
	RETURN NEW;
END \$f\$;
CREATE TABLE lures.later (i int);
CREATE CONSTRAINT TRIGGER strike AFTER INSERT ON lures.later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lures.strike();
ALTER TABLE lures.later ENABLE ALWAYS TRIGGER strike;
CREATE FUNCTION lures.put_off() RETURNS trigger LANGUAGE plpgsql AS \$f\$
BEGIN
	SET CONSTRAINTS ALL DEFERRED;
	INSERT INTO lures.later VALUES (1);
	RETURN NEW;
END \$f\$;
ALTER FUNCTION lures.put_off() SECURITY DEFINER;
CREATE TABLE lures.t (id int PRIMARY KEY, tenant_id int NOT NULL, v text);
CREATE TRIGGER a BEFORE INSERT OR UPDATE ON lures.t FOR EACH ROW EXECUTE FUNCTION lures.put_off();
CREATE TRIGGER b BEFORE INSERT OR UPDATE ON lures.t FOR EACH ROW EXECUTE FUNCTION lures.strike();
ALTER TABLE lures.t ENABLE ALWAYS TRIGGER a; ALTER TABLE lures.t ENABLE ALWAYS TRIGGER b;
GRANT SELECT, INSERT, UPDATE, DELETE ON lures.t TO app, strong, PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON lures.t TO "$me";
SQL

sub struck { return -e $traces ? slurp_file($traces) : '' }

# The lure is one: a superuser who writes there by himself runs it.
$node->safe_psql('postgres', q{INSERT INTO lures.t VALUES (1, 1, 'x')});
like(struck(), qr/^\Q$me\E$/m, 'a superuser who writes to the table runs its triggers');
unlink $traces;
$node->safe_psql('postgres', 'TRUNCATE lures.t, lures.later');

# What its triggers do while it is tested, and what is told.
sub tested
{
	my $from = -s $node->logfile;
	my $lines = $node->safe_psql('postgres', q{SELECT string_agg(format('%s|%s|%s', check_name, status, detail), E'\n') FROM dbm.tenant_leak_test('{lures.t}')});
	my $log = slurp_file($node->logfile, $from);
	is(struck(), '', 'who tests it for leaks does not, nor does anybody who could do as much');
	unlike($log, qr/who may end sessions: t/, 'nor anybody who may end sessions');
	return ($lines, sort keys %{{ map { $_ => 1 } $log =~ /struck as (\S+),/g }});
}

# What is put off would be run when it is not the role's place any more: the server refuses that, and it is said.
my ($lines, @as) = tested();
is("@as", '', 'what is put off is not run');
like($lines, qr/^insert\|unknown\|.*cannot fire deferred trigger/m, 'and the table is told as untried');

$node->safe_psql('postgres', 'DROP TRIGGER a ON lures.t');
($lines, @as) = tested();
isnt("@as", '', "others are run (as @as)");
is(scalar(grep { $_ eq $me || $_ eq 'strong' } @as), 0, 'as neither of these');
like($lines, qr/\|unknown\|.*strong may do anything to the server, and what mallory put into triggers, views and functions would be run as it/m,
	'it is said who was not tried');

$node->stop;
done_testing();
