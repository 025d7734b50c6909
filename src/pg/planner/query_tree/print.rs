//! Parts of a statement as SQL, for rules that make new text of them.

use std::cell::OnceCell;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::copy::{WorkingCopy, is_parameter, parameter, with_type};
use super::{FIRST_PLACE, edit};
use crate::catalog::ColumnNumber;
use crate::catalog::query::edit::{Edit, Texts};
use crate::catalog::query::{ExpressionId, QueryId, RelationIndex};
use crate::pg::error::raise;
use crate::pg::planner::list::{list_of, new_node};
use crate::syntax::placeholder;

/// The parameters between which a part is printed.
const MARKS: (i32, i32) = (FIRST_PLACE + 1, FIRST_PLACE + 2);

/// Prints parts of one statement.
pub struct Printer {
    root: *mut pg_sys::Query,
    unchanged: OnceCell<WorkingCopy>,
}

impl Printer {
    /// What prints parts of that statement, which is not changed.
    pub(super) fn new(root: *mut pg_sys::Query) -> Self {
        Self { root, unchanged: OnceCell::new() }
    }

    fn copy(&self) -> WorkingCopy {
        let mut copy = WorkingCopy::of(self.root);
        copy.name_relations();
        copy
    }

    fn unchanged(&self) -> &WorkingCopy {
        self.unchanged.get_or_init(|| self.copy())
    }
}

/// A rule asked for what is not there; it is the rule's mistake, and whoever runs rules goes on with the next.
fn missing(what: &str) -> ! {
    raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, &format!("the query has no such {what}"), "", "")
}

impl Texts for Printer {
    fn text(&self, expression: ExpressionId) -> String {
        let copy = self.unchanged();
        let Some(place) = copy.place(expression) else { missing("expression") };
        // SAFETY: the node, or what hangs in its place, is an expression of the copy.
        let node = unsafe {
            let node = place.hook.map_or(place.node, |hook| *hook);
            if is_parameter(node) { with_type(node) } else { node }
        };
        in_query(copy, place.query, node)
    }

    fn column(&self, query: QueryId, relation: RelationIndex, column: ColumnNumber) -> String {
        let variable = new_node::<pg_sys::Var>(pg_sys::NodeTag::T_Var);
        // SAFETY: the new node is ours.
        unsafe {
            (*variable).varno = i32::try_from(relation).unwrap_or(i32::MAX).saturating_add(1) as _;
            (*variable).varattno = column;
            (*variable).vartype = if column == 0 { pg_sys::RECORDOID } else { pg_sys::TEXTOID };
            (*variable).vartypmod = -1;
            (*variable).location = -1;
        }
        in_query(self.unchanged(), query, variable.cast())
    }

    fn query(&self, query: QueryId, edits: &[Edit]) -> String {
        let mut copy = self.copy();
        let Some(replacements) = edit::apply(&mut copy, edits) else { missing("part to change") };
        let text = match copy.query(query).map(|place| (place.query, place.parent)) {
            None => missing("subquery"),
            Some((_, None)) => copy.print(),
            Some((inner, Some(parent))) => {
                let link = new_node::<pg_sys::SubLink>(pg_sys::NodeTag::T_SubLink);
                // SAFETY: the new node is ours.
                unsafe {
                    (*link).subLinkType = pg_sys::SubLinkType::EXPR_SUBLINK;
                    (*link).subselect = inner.cast();
                    (*link).location = -1;
                }
                let text = in_query(&copy, parent, link.cast());
                text.strip_prefix('(')
                    .and_then(|text| text.strip_suffix(')'))
                    .unwrap_or(&text)
                    .trim()
                    .to_owned()
            }
        };
        placeholder::replace(&text, &replacements).unwrap_or_else(|| missing("place to put the change"))
    }
}

/// An expression printed as it would be within that query.
///
/// It is put where every query has room for an expression: in LIMIT, or in RETURNING of what changes data.
fn in_query(copy: &WorkingCopy, query: QueryId, node: *mut pg_sys::Node) -> String {
    let Some(place) = copy.query(query) else { missing("subquery") };
    let query = place.query;
    let array = new_node::<pg_sys::ArrayExpr>(pg_sys::NodeTag::T_ArrayExpr);
    // SAFETY: the copy is ours to change, and what is changed for the printing is put back.
    let text = unsafe {
        (*array).array_typeid = pg_sys::TEXTARRAYOID;
        (*array).element_typeid = pg_sys::TEXTOID;
        (*array).location = -1;
        (*array).elements =
            list_of(&[parameter(MARKS.0, pg_sys::TEXTOID), node, parameter(MARKS.1, pg_sys::TEXTOID)]);
        if (*query).commandType == pg_sys::CmdType::CMD_SELECT {
            let before = (*query).limitCount;
            (*query).limitCount = array.cast();
            let text = copy.print();
            (*query).limitCount = before;
            text
        } else {
            let before = (*query).returningList;
            let entry = pg_sys::makeTargetEntry(array.cast(), 1, std::ptr::null_mut(), false);
            (*query).returningList = list_of(&[entry]);
            let text = copy.print();
            (*query).returningList = before;
            text
        }
    };
    match placeholder::between(&text, MARKS.0, MARKS.1) {
        Some(part) => part.to_owned(),
        None => missing("part in print"),
    }
}
