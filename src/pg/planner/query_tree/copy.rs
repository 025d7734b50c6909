//! A copy of an analysed query that may be changed and printed.

use std::ffi::CString;
use std::ptr;

use pgrx::pg_sys;

use super::convert::{Converter, Place, QueryPlace};
use super::nodes::{self, Hook, string};
use crate::catalog::query::{ExpressionId, QueryId};
use crate::pg::local_settings::with_settings;
use crate::pg::planner::list::{self, new_node, tag};

/// A copy, and what hangs where in it.
pub struct WorkingCopy {
    /// The statement.
    pub root: *mut pg_sys::Query,
    places: Vec<Place>,
    queries: Vec<QueryPlace>,
}

impl WorkingCopy {
    /// A copy whose parameters say their type where the query around them does not.
    pub fn of(root: *mut pg_sys::Query) -> Self {
        let root = list::copy(root);
        let mut converter = Converter::default();
        // SAFETY: a copy of what the analysis made. Numbers are given in one order, so that they are those of the
        // original.
        legibly(|| unsafe { converter.query(root) });
        let copy = Self { root, places: converter.places, queries: converter.queries };
        copy.type_parameters();
        copy
    }

    /// Where an expression is.
    pub fn place(&self, expression: ExpressionId) -> Option<&Place> {
        self.places.get(usize::try_from(expression).ok()?)
    }

    /// Where every expression is, by number.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Where a query is.
    pub fn query(&self, query: QueryId) -> Option<&QueryPlace> {
        self.queries.get(usize::try_from(query).ok()?)
    }

    /// The statement as the server prints it.
    pub fn print(&self) -> String {
        // SAFETY: the copy is whole.
        legibly(|| unsafe { string(pg_sys::pg_get_querydef(self.root, true)) })
    }

    /// Has every column printed with its relation in front, also where there is only one.
    pub fn name_relations(&mut self) {
        // SAFETY: one more entry in the range table of our copy, to which nothing refers.
        unsafe {
            let entry = new_node::<pg_sys::RangeTblEntry>(pg_sys::NodeTag::T_RangeTblEntry);
            (*entry).rtekind = pg_sys::RTEKind::RTE_RESULT;
            (*entry).eref = pg_sys::makeAlias(c"*RESULT*".as_ptr(), ptr::null_mut());
            (*self.root).rtable = pg_sys::lappend((*self.root).rtable, entry.cast());
        }
    }

    /// Casts parameters to the types that the analysis found for them: printed without, `$1::bigint + 1` would come
    /// back as an integer. Beside a value of the same type the analysis finds it again.
    fn type_parameters(&self) {
        let mut plain: Vec<Hook> = Vec::new();
        // SAFETY: nodes of our copy; the tags say what they are.
        unsafe {
            for place in self.places.iter().filter(|place| tag(place.node) == pg_sys::NodeTag::T_OpExpr) {
                let cells = nodes::cells((*place.node.cast::<pg_sys::OpExpr>()).args);
                if let [left, right] = cells.as_slice() {
                    let same_type = pg_sys::exprType(**left) == pg_sys::exprType(**right);
                    if same_type && !(is_parameter(**left) && is_parameter(**right)) {
                        plain.extend([*left, *right]);
                    }
                }
            }
            for place in self.places.iter().filter(|place| is_parameter(place.node)) {
                if let Some(hook) = place.hook.filter(|hook| !plain.contains(hook)) {
                    *hook = with_type(place.node);
                }
            }
        }
    }
}

/// Prints literals so that every session reads them as the same values: in the styles of their own session, '03/04' is
/// two days, CDT two zones, and a number may have lost digits.
pub fn legibly<T>(work: impl FnOnce() -> T) -> T {
    let settings = [(c"datestyle", c"ISO"), (c"intervalstyle", c"postgres"), (c"extra_float_digits", c"3")];
    with_settings(&settings, work)
}

/// Whether a node is `$1` or the like.
pub fn is_parameter(node: *mut pg_sys::Node) -> bool {
    // SAFETY: the tag says what the node is.
    tag(node) == pg_sys::NodeTag::T_Param
        && unsafe { (*node.cast::<pg_sys::Param>()).paramkind } == pg_sys::ParamKind::PARAM_EXTERN
}

/// An expression with a cast to its own type.
///
/// # Safety
/// `node` must be an expression.
pub unsafe fn with_type(node: *mut pg_sys::Node) -> *mut pg_sys::Node {
    let cast = new_node::<pg_sys::RelabelType>(pg_sys::NodeTag::T_RelabelType);
    // SAFETY: the new node is ours.
    unsafe {
        (*cast).arg = node.cast();
        (*cast).resulttype = pg_sys::exprType(node);
        (*cast).resulttypmod = -1;
        (*cast).resultcollid = pg_sys::exprCollation(node);
        (*cast).relabelformat = pg_sys::CoercionForm::COERCE_EXPLICIT_CAST;
        (*cast).location = -1;
    }
    cast.cast()
}

/// A parameter that holds a place.
pub fn parameter(number: i32, type_oid: pg_sys::Oid) -> *mut pg_sys::Node {
    let parameter = new_node::<pg_sys::Param>(pg_sys::NodeTag::T_Param);
    // SAFETY: the new node is ours.
    unsafe {
        (*parameter).paramkind = pg_sys::ParamKind::PARAM_EXTERN;
        (*parameter).paramid = number;
        (*parameter).paramtype = type_oid;
        (*parameter).paramtypmod = -1;
        (*parameter).location = -1;
    }
    parameter.cast()
}

/// A string in the server's memory.
pub fn server_string(text: &str) -> *mut std::ffi::c_char {
    let text = CString::new(text).unwrap_or_default();
    // SAFETY: copies a C string.
    unsafe { pg_sys::pstrdup(text.as_ptr()) }
}
