//! CREATE of what is neither a table nor an index.

use pgrx::pg_sys;

use super::names::{Named, pointers, text};
use super::{also_locks, also_locks_below};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Kind, TouchedKind};
use crate::pg::ddl::touched;

/// CREATE VIEW.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn view(statement: *mut pg_sys::ViewStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let named = Named::of((*statement).view);
        let is_view = named.touched.as_ref().is_some_and(|touched| touched.kind == TouchedKind::View);
        let replaces = (*statement).replace && is_view;
        if replaces {
            return vec![named.action(Kind::CreateView { replaces }, LockMode::AccessExclusive)];
        }
        let mut action = Action::new(Kind::CreateView { replaces });
        action.is_qualified = named.is_qualified;
        vec![action]
    }
}

/// CREATE TRIGGER.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn trigger(statement: *mut pg_sys::CreateTrigStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let kind = Kind::CreateTrigger {
            name: text((*statement).trigname),
            is_constraint: (*statement).isconstraint,
            is_replace: (*statement).replace,
        };
        let named = Named::of((*statement).relation);
        let oid = named.oid();
        let mode = LockMode::ShareRowExclusive;
        let mut action = named.action(kind, mode);
        // A trigger for rows is cloned to every partition.
        if let Some(oid) = oid.filter(|_| (*statement).row)
            && action.target.as_ref().is_some_and(|target| target.kind == TouchedKind::PartitionedTable)
        {
            also_locks_below(&mut action, oid, mode);
        }
        if !(*statement).constrrel.is_null()
            && let Some(other) = touched::find((*statement).constrrel)
        {
            also_locks(&mut action, other, LockMode::AccessShare);
        }
        vec![action]
    }
}

/// CREATE RULE, CREATE POLICY and ALTER POLICY.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn rule(relation: *mut pg_sys::RangeVar) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe { vec![Named::of(relation).action(Kind::CreateRuleOrPolicy, LockMode::AccessExclusive)] }
}

/// CREATE SCHEMA with what it creates in it.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn schema(statement: *mut pg_sys::CreateSchemaStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    let elements = unsafe { pointers::<pg_sys::Node>((*statement).schemaElts) };
    let mut actions = vec![Action::new(Kind::Other)];
    for element in elements {
        // SAFETY: a node of the same tree.
        actions.extend(unsafe { super::of(element) });
    }
    actions
}
