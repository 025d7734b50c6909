//! The facts of the running server, ready for rules.

use crate::catalog::{Oid, Snapshot};
use crate::finding::Facts;
use crate::pg::definitions::LiveDefinitions;
use crate::pg::local_settings::with_empty_search_path;
use crate::pg::{partition, snapshot, workload};

/// Takes a snapshot and hands it to `judge`; `interrupt` is called wherever rules offer to stop.
pub fn with_interrupt<T>(interrupt: &dyn Fn(), judge: impl FnOnce(&Facts<'_>) -> T) -> T {
    judged(snapshot::take(), interrupt, judge)
}

/// The same with what was counted of queries, which costs a subtransaction and is read only where somebody asks for it.
pub fn with_statements<T>(interrupt: &dyn Fn(), judge: impl FnOnce(&Facts<'_>) -> T) -> T {
    let mut snapshot = snapshot::take();
    snapshot.statements = workload::counted();
    read_partition_sets(&mut snapshot);
    snapshot::security::read(&mut snapshot);
    judged(snapshot, interrupt, judge)
}

/// The bounds of all partitions and the policies of sets, which only rules about them ask for.
fn read_partition_sets(snapshot: &mut Snapshot) {
    let parents: Vec<Oid> = snapshot
        .relations
        .iter()
        .filter(|relation| relation.partitioning.is_some())
        .map(|relation| relation.oid)
        .collect();
    if !parents.is_empty() {
        snapshot.partition_sets = partition::set::sets(&parents);
        snapshot.partition_policies = partition::policy::all();
    }
}

fn judged<T>(snapshot: Snapshot, interrupt: &dyn Fn(), judge: impl FnOnce(&Facts<'_>) -> T) -> T {
    let definitions = LiveDefinitions::new(&snapshot);
    with_empty_search_path(|| judge(&Facts { snapshot: &snapshot, definitions: &definitions, interrupt }))
}

/// Ends the statement if somebody wants it to end.
pub fn stop_if_cancelled() {
    pgrx::check_for_interrupts!();
}

/// The same, stopping only for a cancel or a shutdown.
pub fn with<T>(judge: impl FnOnce(&Facts<'_>) -> T) -> T {
    with_interrupt(&stop_if_cancelled, judge)
}
