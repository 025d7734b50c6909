//! Through a plan, node by node.

use pgrx::pg_sys;

use super::list::{self, tag};

/// The planner's cost of the whole statement.
pub fn total_cost(statement: *const pg_sys::PlannedStmt) -> f64 {
    // SAFETY: a statement of the planner has a plan.
    unsafe { (*(*statement).planTree).total_cost }
}

/// The rows that the planner expects of the whole statement.
pub fn rows(statement: *const pg_sys::PlannedStmt) -> f64 {
    // SAFETY: as above.
    unsafe { (*(*statement).planTree).plan_rows }
}

/// The indexes that some node scans.
pub fn scanned_indexes(statement: *const pg_sys::PlannedStmt) -> Vec<pg_sys::Oid> {
    use pg_sys::NodeTag as Tag;
    let mut found = Vec::new();
    // SAFETY: the tag says what the node is.
    visit(statement, &mut |plan| unsafe {
        match tag(plan) {
            Tag::T_IndexScan => found.push((*plan.cast::<pg_sys::IndexScan>()).indexid),
            Tag::T_IndexOnlyScan => found.push((*plan.cast::<pg_sys::IndexOnlyScan>()).indexid),
            Tag::T_BitmapIndexScan => found.push((*plan.cast::<pg_sys::BitmapIndexScan>()).indexid),
            _ => {}
        }
    });
    found
}

/// Calls `each` on every node of a statement's plan and of its subplans.
pub fn visit(statement: *const pg_sys::PlannedStmt, each: &mut dyn FnMut(*mut pg_sys::Plan)) {
    // SAFETY: a statement of the planner; a subplan that was planned in vain is null.
    unsafe {
        descend((*statement).planTree, each);
        for subplan in list::pointers::<pg_sys::Plan>((*statement).subplans) {
            descend(subplan, each);
        }
    }
}

/// # Safety
/// `plan` must be a plan node or null.
unsafe fn descend(plan: *mut pg_sys::Plan, each: &mut dyn FnMut(*mut pg_sys::Plan)) {
    use pg_sys::NodeTag as Tag;
    if plan.is_null() {
        return;
    }
    each(plan);
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        let inner = match tag(plan) {
            Tag::T_Append => (*plan.cast::<pg_sys::Append>()).appendplans,
            Tag::T_MergeAppend => (*plan.cast::<pg_sys::MergeAppend>()).mergeplans,
            Tag::T_BitmapAnd => (*plan.cast::<pg_sys::BitmapAnd>()).bitmapplans,
            Tag::T_BitmapOr => (*plan.cast::<pg_sys::BitmapOr>()).bitmapplans,
            Tag::T_CustomScan => (*plan.cast::<pg_sys::CustomScan>()).custom_plans,
            _ => std::ptr::null_mut(),
        };
        for child in list::pointers::<pg_sys::Plan>(inner) {
            descend(child, each);
        }
        if tag(plan) == Tag::T_SubqueryScan {
            descend((*plan.cast::<pg_sys::SubqueryScan>()).subplan, each);
        }
        descend((*plan).lefttree, each);
        descend((*plan).righttree, each);
    }
}
