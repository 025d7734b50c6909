//! LOCK TABLE.

use pgrx::pg_sys;

use super::names::{Named, pointers};
use super::{also_locks, also_locks_below, dependents};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Kind};
use crate::pg::ddl::cache;

/// So many relations behind a view are named.
const MOST_RELATIONS: usize = 64;

/// One action a table.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn actions(statement: *mut pg_sys::LockStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let Some(mode) = LockMode::from_number((*statement).mode) else {
            return Vec::new();
        };
        pointers::<pg_sys::RangeVar>((*statement).relations)
            .into_iter()
            .map(|name| {
                let named = Named::of(name);
                let oid = named.oid();
                let mut action = named.action(Kind::LockTable { mode }, mode);
                if let Some(oid) = oid {
                    if (*name).inh {
                        also_locks_below(&mut action, oid, mode);
                    }
                    for relation in behind(oid) {
                        also_locks(&mut action, relation, mode);
                    }
                }
                action
            })
            .collect()
    }
}

/// What a view reads, directly or through other views; nothing behind a table.
fn behind(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let letter = |relation| cache::class(relation, |form| form.relkind as u8);
    let mut found = vec![relation];
    let mut position = 0;
    while let Some(&next) = found.get(position) {
        position += 1;
        if letter(next) != Some(b'v') || found.len() > MOST_RELATIONS {
            continue;
        }
        for other in dependents::read_by(next) {
            if matches!(letter(other), Some(b'v' | b'r' | b'p')) && !found.contains(&other) {
                found.push(other);
            }
        }
    }
    found.split_off(1)
}
