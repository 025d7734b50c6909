//! What this transaction and this session did before, as far as nobody else remembers it.

use std::cell::{Cell, RefCell};

use pgrx::{pg_guard, pg_sys};

use super::cache;
use super::other::constraint;
use crate::catalog::Oid;
use crate::catalog::ddl::{Alteration, DroppedKind, Kind, Statement};

/// So many entries are kept; what comes after is forgotten.
const MOST: usize = 10_000;

/// What is remembered to the end of the transaction.
#[derive(Clone, Debug, PartialEq)]
enum Deed {
    /// A statement altered this table.
    Altered(Oid),
    /// It added this constraint NOT VALID.
    AddedNotValid(Oid, String),
    /// It added a value to this enum type.
    ExtendedEnum(Oid),
    /// It dropped the index of this schema and name.
    DroppedIndex(String, String),
    /// It created an index of this schema and name.
    CreatedIndex(String, String),
}

#[derive(Default)]
struct Memory {
    /// Of the current transaction, with the subtransaction.
    deeds: Vec<(pg_sys::SubTransactionId, Deed)>,
    /// Of the session, committed: schema and name.
    dropped_indexes: Vec<(String, String)>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
    static IS_INSTALLED: Cell<bool> = const { Cell::new(false) };
}

/// Begins to watch the ends of transactions; once is enough.
pub fn install() {
    if !IS_INSTALLED.replace(true) {
        // SAFETY: registers functions that live as long as the backend.
        unsafe {
            pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(at_end_of_subtransaction), std::ptr::null_mut());
        }
    }
}

/// Notes what a statement did; to be called after it ran.
pub fn note(statement: &Statement) {
    let mut deeds = Vec::new();
    for action in &statement.actions {
        let target = action.target.as_ref();
        match &action.kind {
            Kind::Alter(alteration) => {
                let Some(table) = target.map(|target| target.oid) else {
                    continue;
                };
                if !deeds.contains(&Deed::Altered(table)) {
                    deeds.push(Deed::Altered(table));
                }
                if let Alteration::AddConstraint(added) = alteration
                    && added.is_not_valid
                {
                    let added = if added.name.is_empty() {
                        new_not_valid(table)
                    } else {
                        vec![Deed::AddedNotValid(table, added.name.clone())]
                    };
                    for deed in added {
                        if !deeds.contains(&deed) {
                            deeds.push(deed);
                        }
                    }
                }
            }
            Kind::AddEnumValue { type_oid: Some(type_oid), is_there: false, .. } => {
                deeds.push(Deed::ExtendedEnum(*type_oid));
            }
            Kind::Drop(dropped) if dropped.kind == DroppedKind::Index && dropped.is_there => {
                deeds.extend(
                    target.map(|target| Deed::DroppedIndex(target.schema.clone(), target.name.clone())),
                );
            }
            Kind::CreateIndex(index) if !index.name.is_empty() => {
                deeds.extend(
                    target.map(|target| Deed::CreatedIndex(target.schema.clone(), index.name.clone())),
                );
            }
            _ => {}
        }
    }
    if deeds.is_empty() {
        return;
    }
    install();
    // SAFETY: reads the state of the transaction. CREATE INDEX CONCURRENTLY leaves another transaction behind, to whose
    // end the note lasts, too.
    let subtransaction = unsafe { pg_sys::GetCurrentSubTransactionId() };
    MEMORY.with_borrow_mut(|memory| {
        let room = MOST.saturating_sub(memory.deeds.len());
        memory.deeds.extend(deeds.into_iter().take(room).map(|deed| (subtransaction, deed)));
    });
}

/// Constraints of the table that are not valid and that this transaction wrote, for those whose name the server chose.
fn new_not_valid(table: Oid) -> Vec<Deed> {
    constraint::of_relation(table.into())
        .into_iter()
        .filter(|found| !found.is_validated && is_written_here(found.oid))
        .map(|found| Deed::AddedNotValid(table, found.name))
        .collect()
}

fn is_written_here(constraint: pg_sys::Oid) -> bool {
    let keys = [pg_sys::Datum::from(constraint)];
    let is_written_here = cache::row(pg_sys::SysCacheIdentifier::CONSTROID, &keys, |tuple| {
        // SAFETY: a row of a catalog.
        unsafe { super::created::is_written_here(tuple) }
    });
    is_written_here == Some(true)
}

/// What is remembered, as the session's facts have it.
#[derive(Default)]
pub struct Remembered {
    /// Tables, once a statement that altered them.
    pub altered: Vec<Oid>,
    /// Table and constraint.
    pub added_not_valid: Vec<(Oid, String)>,
    /// Types.
    pub extended_enums: Vec<Oid>,
    /// Schema and index.
    pub dropped_indexes: Vec<(String, String)>,
}

/// What is remembered now.
pub fn remembered() -> Remembered {
    MEMORY.with_borrow(|memory| {
        let mut found =
            Remembered { dropped_indexes: memory.dropped_indexes.clone(), ..Remembered::default() };
        for (_, deed) in &memory.deeds {
            match deed {
                Deed::Altered(table) => found.altered.push(*table),
                Deed::AddedNotValid(table, name) => found.added_not_valid.push((*table, name.clone())),
                Deed::ExtendedEnum(type_oid) => found.extended_enums.push(*type_oid),
                Deed::DroppedIndex(..) | Deed::CreatedIndex(..) => keep(&mut found.dropped_indexes, deed),
            }
        }
        found
    })
}

/// Adds an index that was dropped, takes out one that is there again.
fn keep(indexes: &mut Vec<(String, String)>, deed: &Deed) {
    match deed {
        Deed::DroppedIndex(schema, name) if indexes.len() < MOST => {
            indexes.push((schema.clone(), name.clone()));
        }
        Deed::CreatedIndex(schema, name) => {
            indexes.retain(|(known_schema, known)| (known_schema, known) != (schema, name));
        }
        _ => {}
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end(event: pg_sys::XactEvent::Type, _argument: *mut std::ffi::c_void) {
    let is_kept = match event {
        pg_sys::XactEvent::XACT_EVENT_COMMIT | pg_sys::XactEvent::XACT_EVENT_PREPARE => true,
        pg_sys::XactEvent::XACT_EVENT_ABORT => false,
        _ => return,
    };
    MEMORY.with_borrow_mut(|memory| {
        let deeds = std::mem::take(&mut memory.deeds);
        if is_kept {
            for (_, deed) in &deeds {
                keep(&mut memory.dropped_indexes, deed);
            }
        }
    });
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end_of_subtransaction(
    event: pg_sys::SubXactEvent::Type,
    own: pg_sys::SubTransactionId,
    parent: pg_sys::SubTransactionId,
    _argument: *mut std::ffi::c_void,
) {
    MEMORY.with_borrow_mut(|memory| match event {
        pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => memory.deeds.retain(|(of, _)| *of != own),
        pg_sys::SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => {
            for (of, _) in memory.deeds.iter_mut().filter(|(of, _)| *of == own) {
                *of = parent;
            }
        }
        _ => {}
    });
}
