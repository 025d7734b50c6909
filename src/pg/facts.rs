//! The facts of the running server, ready for rules.

use crate::catalog::{Oid, Snapshot};
use crate::finding::Facts;
use crate::pg::definitions::LiveDefinitions;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::{partition, snapshot, workload};

/// Takes a snapshot and hands it to `judge`; `interrupt` is called wherever rules offer to stop.
pub fn with_interrupt<T>(interrupt: &dyn Fn(), judge: impl FnOnce(&Facts<'_>) -> T) -> T {
    judged(snapshot::take(), interrupt, judge)
}

/// The same with what was counted of queries, which costs a subtransaction, and with what only rules of security ask for, where
/// what was chosen by the catalogs has such rules.
pub fn with_statements<C, E, T>(
    interrupt: &dyn Fn(),
    choose: impl FnOnce(&Snapshot) -> Result<C, E>,
    asks_security: impl FnOnce(&C) -> bool,
    judge: impl FnOnce(&Facts<'_>, C) -> T,
) -> Result<T, E> {
    let mut snapshot = snapshot::take();
    let chosen = choose(&snapshot)?;
    snapshot.statements = workload::counted();
    read_partition_sets(&mut snapshot);
    if asks_security(&chosen) {
        snapshot::security::read(&mut snapshot);
    }
    Ok(judged(snapshot, interrupt, |facts| judge(facts, chosen)))
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
    with_pinned_search_path(|| judge(&Facts { snapshot: &snapshot, definitions: &definitions, interrupt }))
}

/// Ends the statement if somebody wants it to end.
pub fn stop_if_cancelled() {
    pgrx::check_for_interrupts!();
}

/// The same, stopping only for a cancel or a shutdown.
pub fn with<T>(judge: impl FnOnce(&Facts<'_>) -> T) -> T {
    with_interrupt(&stop_if_cancelled, judge)
}
