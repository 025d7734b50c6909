//! One process at a time is at a set.

use crate::catalog::Oid;
use crate::pg::claim::{self, Class, Held, holders};

/// The set is ours until this is dropped, or until the transaction ends where it was taken for that.
pub struct Claim {
    _held: Option<Held>,
}

fn claim_of(parent: Oid) -> claim::Claim {
    claim::Claim::here(Class::Set, parent.into())
}

impl Claim {
    /// For a worker, over its transactions; `None` where another process has it.
    pub fn for_process(parent: Oid) -> Option<Self> {
        claim_of(parent).hold().map(|held| Self { _held: Some(held) })
    }

    /// For the transaction that is open.
    pub fn for_transaction(parent: Oid) -> Option<Self> {
        claim_of(parent).take_for_transaction().then_some(Self { _held: None })
    }
}

/// The process that is at a set now.
pub fn holder_of(parent: Oid) -> Option<i32> {
    holders(Class::Set).into_iter().find(|&(key, _)| key == i64::from(parent)).map(|(_, process)| process)
}
