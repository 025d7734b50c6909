//! One process at a time is at a set.

use crate::catalog::Oid;
use crate::pg::claim::{self, Class, holders};

/// The set is ours until this is dropped, or until the transaction ends where it was taken for that.
pub struct Claim {
    claim: claim::Claim,
    is_for_process: bool,
}

fn claim_of(parent: Oid) -> claim::Claim {
    claim::Claim::here(Class::Set, parent.into())
}

impl Claim {
    /// For a worker, over its transactions; `None` where another process has it.
    pub fn for_process(parent: Oid) -> Option<Self> {
        let claim = claim_of(parent);
        claim.take().then_some(Self { claim, is_for_process: true })
    }

    /// For the transaction that is open.
    pub fn for_transaction(parent: Oid) -> Option<Self> {
        let claim = claim_of(parent);
        claim.take_for_transaction().then_some(Self { claim, is_for_process: false })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.is_for_process {
            self.claim.release();
        }
    }
}

/// The process that is at a set now.
pub fn holder_of(parent: Oid) -> Option<i32> {
    holders(Class::Set).into_iter().find(|&(key, _)| key == i64::from(parent)).map(|(_, process)| process)
}
