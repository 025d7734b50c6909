//! The audit's rules about indexes.

mod bloat;
mod coarse;
mod crowd;
mod duplicate;
mod foreign_key;
mod invalid;
mod sequential_scan;
mod unused;

pub use bloat::BLOATED_INDEX;
pub use coarse::LOW_CARDINALITY_INDEX;
pub use crowd::TOO_MANY_INDEXES;
pub use duplicate::{DUPLICATE_INDEX, REDUNDANT_INDEX};
pub use foreign_key::{FOREIGN_KEY_PARTLY_INDEXED, FOREIGN_KEY_WITHOUT_INDEX};
pub use invalid::INVALID_INDEX;
pub use sequential_scan::MANY_SEQUENTIAL_SCANS;
pub use unused::UNUSED_INDEX;

use super::health::IndexHealth;
use crate::catalog::Snapshot;
use crate::finding::{Finding, Rule};

/// All rules of this room.
pub const RULES: &[Rule] = &[
    DUPLICATE_INDEX,
    REDUNDANT_INDEX,
    UNUSED_INDEX,
    FOREIGN_KEY_WITHOUT_INDEX,
    FOREIGN_KEY_PARTLY_INDEXED,
    MANY_SEQUENTIAL_SCANS,
    INVALID_INDEX,
    BLOATED_INDEX,
    TOO_MANY_INDEXES,
    LOW_CARDINALITY_INDEX,
];

/// A row of `index_health()` as a finding.
fn finding_of(snapshot: &Snapshot, row: IndexHealth) -> Finding {
    let object = row.index_name.unwrap_or(row.table_name);
    let mut finding = Finding::new(object, snapshot.schema_of(row.table), row.reason).severity(row.severity);
    finding.evidence = row.evidence;
    finding.fix = row.fix;
    finding.undo = row.undo;
    finding
}
