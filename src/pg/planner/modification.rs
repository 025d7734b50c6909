//! What a query changes, so that its share in the cost of keeping indexes is known.

use pgrx::pg_sys;

use super::analysis::Analysis;
use super::{Configuration, list, plan, walk};
use crate::catalog::{ColumnNumber, Oid};

/// Rows of one table that one run of a query changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Modification {
    /// The table.
    pub relation: Oid,
    /// Rows inserted, as the planner estimates.
    pub inserted: f64,
    /// Rows updated.
    pub updated: f64,
    /// The columns that the update sets.
    pub columns: Vec<ColumnNumber>,
}

/// What one run of the query changes; nothing for a query that only reads.
pub fn modifications(query: &Analysis) -> Vec<Modification> {
    plan::plan(query, &Configuration::default())
        .into_iter()
        // SAFETY: statements of the planner.
        .flat_map(|statement| unsafe { of_statement(statement) })
        .collect()
}

/// # Safety
/// `statement` must be one of the planner's.
unsafe fn of_statement(statement: *mut pg_sys::PlannedStmt) -> Vec<Modification> {
    let mut found = Vec::new();
    // SAFETY: as the caller vouches; the tag says what a node is.
    walk::visit(statement, &mut |plan| unsafe {
        if list::tag(plan) != pg_sys::NodeTag::T_ModifyTable {
            return;
        }
        let node = &*plan.cast::<pg_sys::ModifyTable>();
        let entries = list::pointers::<pg_sys::RangeTblEntry>((*statement).rtable);
        let number = if node.nominalRelation > 0 { node.nominalRelation } else { 1 };
        let Some(&entry) = entries.get(number as usize - 1) else { return };
        let below = (*plan).lefttree;
        let rows = if below.is_null() { 1.0 } else { (*below).plan_rows };
        let mut modification = Modification { relation: (*entry).relid.to_u32(), ..Modification::default() };
        match node.operation {
            pg_sys::CmdType::CMD_INSERT => modification.inserted = rows,
            pg_sys::CmdType::CMD_UPDATE => {
                modification.updated = rows;
                modification.columns = updated_columns(statement, entry);
            }
            _ => return,
        }
        found.push(modification);
    });
    found
}

/// # Safety
/// `entry` must stand in the statement's range table.
unsafe fn updated_columns(
    statement: *mut pg_sys::PlannedStmt,
    entry: *mut pg_sys::RangeTblEntry,
) -> Vec<ColumnNumber> {
    // SAFETY: as the caller vouches.
    let set = unsafe { updated_set(statement, entry) };
    let mut columns = Vec::new();
    let mut member = -1;
    loop {
        // SAFETY: a set of the server, or null.
        member = unsafe { pg_sys::bms_next_member(set, member) };
        if member < 0 {
            return columns;
        }
        let number = ColumnNumber::try_from(member + pg_sys::FirstLowInvalidHeapAttributeNumber);
        columns.extend(number.ok().filter(|&number| number > 0));
    }
}

#[cfg(feature = "pg15")]
unsafe fn updated_set(
    _: *mut pg_sys::PlannedStmt,
    entry: *mut pg_sys::RangeTblEntry,
) -> *mut pg_sys::Bitmapset {
    // SAFETY: an entry of the planner's range table.
    unsafe { (*entry).updatedCols }
}

#[cfg(not(feature = "pg15"))]
unsafe fn updated_set(
    statement: *mut pg_sys::PlannedStmt,
    entry: *mut pg_sys::RangeTblEntry,
) -> *mut pg_sys::Bitmapset {
    // SAFETY: an entry of the planner's range table; its permissions stand in the list beside it.
    unsafe {
        let permissions = list::pointers::<pg_sys::RTEPermissionInfo>((*statement).permInfos);
        match ((*entry).perminfoindex as usize).checked_sub(1).and_then(|place| permissions.get(place)) {
            Some(&permission) => (*permission).updatedCols,
            None => std::ptr::null_mut(),
        }
    }
}
