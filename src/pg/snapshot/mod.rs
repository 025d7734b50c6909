//! Fills a [`Snapshot`] from the catalogs in one pass; one file a family of catalogs.

mod ahead;
mod column;
mod constraint;
mod dependency;
mod dependents;
mod extended_statistics;
mod index;
mod other;
mod progress;
pub(in crate::pg) mod relation;
pub mod role;
pub mod security;
mod sequence;
mod server;
pub mod statistics;
mod types;

use crate::catalog::Snapshot;
use crate::pg::scan::in_scratch_memory;

/// Reads everything as the calling statement's snapshot sees it.
///
/// Takes AccessShareLock on the catalogs and waits for no lock on a user's object. Raises only what reading a catalog
/// raises (a cancel, out of memory, a damaged catalog).
pub fn take() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let steps: [&dyn Fn(&mut Snapshot); 12] = [
        &server::read,
        &role::read,
        &types::read,
        &|snapshot| {
            let found = relation::read(snapshot);
            column::read(snapshot);
            let attribute_defaults = dependency::read_defaults();
            let sequences = index::read(snapshot, found);
            sequence::read(snapshot, sequences);
            dependency::read(snapshot, &attribute_defaults);
        },
        &constraint::read,
        &other::read,
        &extended_statistics::read,
        &column::read_statistics,
        &statistics::read,
        &progress::read,
        &sequence::read_last_values,
        &ahead::read,
    ];
    for step in steps {
        in_scratch_memory(|| step(&mut snapshot));
    }
    snapshot.seal();
    snapshot
}
