//! Through expressions and queries of the server.

use std::ffi::c_void;
use std::ptr;

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::{c_text, is};
use crate::pg::planner::list::{self, tag};
use crate::pg::planner::walkers;

/// Called by the server for each part of an expression.
unsafe extern "C-unwind" fn collect(node: *mut pg_sys::Node, found: *mut c_void) -> bool {
    if !node.is_null() {
        // SAFETY: `parts` hands its own list over and waits.
        unsafe { (*found.cast::<Vec<*mut pg_sys::Node>>()).push(node) };
    }
    false
}

/// The parts of an expression, not the parts of parts.
///
/// # Safety
/// `node` must be an expression or a list of them.
pub unsafe fn parts(node: *mut pg_sys::Node) -> Vec<*mut pg_sys::Node> {
    let mut found: Vec<*mut pg_sys::Node> = Vec::new();
    let context: *mut c_void = (&raw mut found).cast();
    // SAFETY: as the caller vouches; one C call inside the boundary, and the callback raises nothing.
    unsafe {
        pg_guard_ffi_boundary(|| walkers::expression(node, collect, context));
    }
    found
}

/// Calls `each` on an expression and all its parts; where it says false, not on the parts below.
///
/// # Safety
/// As for [`parts`].
pub unsafe fn visit(node: *mut pg_sys::Node, each: &mut dyn FnMut(*mut pg_sys::Node) -> bool) {
    if node.is_null() || !each(node) {
        return;
    }
    // SAFETY: as the caller vouches.
    unsafe {
        for part in parts(node) {
            visit(part, each);
        }
    }
}

/// The Vars in an expression.
///
/// # Safety
/// As for [`parts`].
pub unsafe fn variables(node: *mut pg_sys::Node) -> Vec<*mut pg_sys::Var> {
    let mut found = Vec::new();
    // SAFETY: as the caller vouches.
    unsafe {
        visit(node, &mut |part| {
            if tag(part) == pg_sys::NodeTag::T_Var {
                found.push(part.cast());
            }
            true
        });
    }
    found
}

/// Whether an expression holds a value that the executor computes elsewhere: of the other side of a join, or of an
/// outer query.
///
/// # Safety
/// As for [`parts`].
pub unsafe fn has_parameter(node: *mut pg_sys::Node) -> bool {
    let mut found = false;
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        visit(node, &mut |part| {
            if tag(part) == pg_sys::NodeTag::T_Param {
                found |= (*part.cast::<pg_sys::Param>()).paramkind == pg_sys::ParamKind::PARAM_EXEC;
            }
            true
        });
    }
    found
}

/// The functions that an expression calls, those of operators and aggregates too.
///
/// # Safety
/// As for [`parts`].
pub unsafe fn functions(node: *mut pg_sys::Node) -> Vec<pg_sys::Oid> {
    use pg_sys::NodeTag as Tag;
    let mut found = Vec::new();
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        visit(node, &mut |part| {
            match tag(part) {
                Tag::T_FuncExpr => found.push((*part.cast::<pg_sys::FuncExpr>()).funcid),
                Tag::T_OpExpr => found.push((*part.cast::<pg_sys::OpExpr>()).opfuncid),
                Tag::T_Aggref => found.push((*part.cast::<pg_sys::Aggref>()).aggfnoid),
                Tag::T_WindowFunc => found.push((*part.cast::<pg_sys::WindowFunc>()).winfnoid),
                _ => {}
            }
            true
        });
    }
    found
}

/// The entries of the range table that EXPLAIN names because this node scans them, added to `used`.
pub fn scanned_entries(node: *mut pg_sys::Plan, used: *mut pg_sys::Bitmapset) -> *mut pg_sys::Bitmapset {
    use pg_sys::NodeTag as Tag;
    // SAFETY: a node of a plan; the tag says what it is.
    unsafe {
        match tag(node) {
            Tag::T_SeqScan
            | Tag::T_SampleScan
            | Tag::T_IndexScan
            | Tag::T_IndexOnlyScan
            | Tag::T_BitmapHeapScan
            | Tag::T_TidScan
            | Tag::T_TidRangeScan
            | Tag::T_SubqueryScan
            | Tag::T_FunctionScan
            | Tag::T_TableFuncScan
            | Tag::T_ValuesScan
            | Tag::T_CteScan
            | Tag::T_NamedTuplestoreScan
            | Tag::T_WorkTableScan => {
                let number = (*node.cast::<pg_sys::Scan>()).scanrelid;
                pg_sys::bms_add_member(used, i32::try_from(number).unwrap_or(0))
            }
            Tag::T_ForeignScan => {
                #[cfg(feature = "pg15")]
                let scanned = (*node.cast::<pg_sys::ForeignScan>()).fs_relids;
                #[cfg(not(feature = "pg15"))]
                let scanned = (*node.cast::<pg_sys::ForeignScan>()).fs_base_relids;
                pg_sys::bms_add_members(used, scanned)
            }
            Tag::T_CustomScan => {
                pg_sys::bms_add_members(used, (*node.cast::<pg_sys::CustomScan>()).custom_relids)
            }
            Tag::T_ModifyTable => {
                let modify = node.cast::<pg_sys::ModifyTable>();
                let mut used =
                    pg_sys::bms_add_member(used, i32::try_from((*modify).nominalRelation).unwrap_or(0));
                if (*modify).exclRelRTI > 0 {
                    used = pg_sys::bms_add_member(used, i32::try_from((*modify).exclRelRTI).unwrap_or(0));
                }
                used
            }
            Tag::T_Append => pg_sys::bms_add_members(used, (*node.cast::<pg_sys::Append>()).apprelids),
            Tag::T_MergeAppend => {
                pg_sys::bms_add_members(used, (*node.cast::<pg_sys::MergeAppend>()).apprelids)
            }
            _ => used,
        }
    }
}

/// Whether the query says MATERIALIZED of the WITH query of that name.
///
/// # Safety
/// `query` must be one of the rewriter's, or null.
pub unsafe fn says_materialized(query: *mut pg_sys::Query, name: &str) -> bool {
    if query.is_null() {
        return false;
    }
    // SAFETY: as the caller vouches.
    unsafe {
        list::pointers::<pg_sys::CommonTableExpr>((*query).cteList).into_iter().any(|cte| {
            let is_meant = c_text((*cte).ctename).as_deref() == Some(name)
                && (*cte).ctematerialized == pg_sys::CTEMaterialize::CTEMaterializeAlways;
            let inner = (*cte).ctequery;
            is_meant
                || is(inner, pg_sys::NodeTag::T_Query)
                    && says_materialized(inner.cast::<pg_sys::Query>(), name)
        }) || list::pointers::<pg_sys::RangeTblEntry>((*query).rtable)
            .into_iter()
            .any(|entry| says_materialized((*entry).subquery, name))
    }
}

/// The list of an AND, or the one condition.
pub fn conditions(list: *mut pg_sys::List) -> Vec<*mut pg_sys::Node> {
    list::pointers(list)
}

/// An expression of the server's list, or null where the list is shorter.
pub fn nth(list: *mut pg_sys::List, position: usize) -> *mut pg_sys::Node {
    list::pointers(list).get(position).copied().unwrap_or(ptr::null_mut())
}
