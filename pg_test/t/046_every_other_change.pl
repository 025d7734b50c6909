# Every kind of DDL but that on columns and tables, asked for as a plan: there is one whose end is that of the statement itself and which leads back,
# or it is said why not. Never an internal error, never another end without a word.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use Every qw(other_changes start_node try_changes);
use Test::More;

my $node = start_node();
try_changes($node, other_changes());
$node->stop;
done_testing();
