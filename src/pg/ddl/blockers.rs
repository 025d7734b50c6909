//! Who is in the way.

use crate::catalog::LockMode;
use crate::catalog::ddl::Blocker;

/// The sessions and prepared transactions whose locks on this relation conflict with `mode`, and those that wait for
/// one there, oldest first.
pub fn of(_relation: u32, _mode: LockMode) -> Vec<Blocker> {
    Vec::new()
}
