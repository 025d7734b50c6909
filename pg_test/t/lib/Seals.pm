# Seals by SQL alone, as docs/trail.md says how they are made.

package Seals;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';

our @EXPORT_OK = qw(digest_of_seal hash_of_event);

# The digest of a row s of dbm_trail.seal.
sub digest_of_seal
{
	return <<'SQL';
sha256(convert_to(format(E'dbmastery seal 1\nid %s\nat %s\nhome %s\nuntil %s\nnext %s\nchange_number %s\nevent_number %s\nprevious %s\nshape %s %s\nactivity %s %s\nchange %s %s\nevent %s %s\n',
	s.seal_id, (extract(epoch FROM s.sealed_at) * 1000000)::bigint, s.home, s.until, s.next, s.change_number, s.event_number, encode(s.previous, 'hex'), s.shapes, encode(s.shape_root, 'hex'),
	s.activities, encode(s.activity_root, 'hex'), s.changes, encode(s.change_root, 'hex'), s.events, encode(s.event_root, 'hex')), 'UTF8'))
SQL
}

# The hash of a row e of dbm_trail.event.
sub hash_of_event
{
	return <<'SQL';
sha256('\x00' || convert_to(jsonb_build_array('event', e.event_id, (extract(epoch FROM e.happened_at) * 1000000)::bigint, e.transaction_id, e.session_user_name,
	e.relation_id, e.kind, e.detail, (extract(epoch FROM e.since) * 1000000)::bigint, e.relid::bigint, e.state::text)::text, 'UTF8'))
SQL
}

1;
