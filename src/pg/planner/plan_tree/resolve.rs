//! Which column of which table a Var of a plan is.

use pgrx::pg_sys;

use super::{Builder, is};
use crate::catalog::plan::ColumnReference;
use crate::pg::planner::list::{self, tag};

/// A column of an entry of the range table.
type Column = (u32, pg_sys::AttrNumber);

/// The column that a Var of this node stands for, followed down through the nodes that hand it up; `None` where it is
/// computed on the way.
///
/// # Safety
/// `variable` must be in an expression of `node`, a node of the plan.
pub unsafe fn column(
    builder: &Builder,
    node: *mut pg_sys::Plan,
    variable: *mut pg_sys::Var,
) -> Option<Column> {
    use pg_sys::NodeTag as Tag;
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        if (*variable).varlevelsup > 0 || node.is_null() {
            return None;
        }
        let (below, targets) = match (*variable).varno {
            pg_sys::OUTER_VAR => {
                let below = outer(node);
                (below, if below.is_null() { return None } else { (*below).targetlist })
            }
            pg_sys::INNER_VAR => {
                let below = (*node).righttree;
                (below, if below.is_null() { return None } else { (*below).targetlist })
            }
            pg_sys::INDEX_VAR if tag(node) == Tag::T_IndexOnlyScan => {
                (node, (*node.cast::<pg_sys::IndexOnlyScan>()).indextlist)
            }
            number if number > 0 => {
                let number = u32::try_from(number).ok()?;
                let entry = builder.entry(number)?;
                if (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION {
                    return ((*variable).varattno > 0).then_some((number, (*variable).varattno));
                }
                if !is(node, Tag::T_SubqueryScan) {
                    return None;
                }
                let below = (*node.cast::<pg_sys::SubqueryScan>()).subplan;
                (below, (*below).targetlist)
            }
            _ => return None,
        };
        let target = list::pointers::<pg_sys::TargetEntry>(targets)
            .into_iter()
            .find(|&target| (*target).resno == (*variable).varattno)?;
        let expression = (*target).expr;
        if is(expression, Tag::T_Var) { column(builder, below, expression.cast()) } else { None }
    }
}

/// The input whose columns OUTER_VAR counts.
///
/// # Safety
/// `node` must be a node of a plan.
unsafe fn outer(node: *mut pg_sys::Plan) -> *mut pg_sys::Plan {
    use pg_sys::NodeTag as Tag;
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        let members = match tag(node) {
            Tag::T_Append => (*node.cast::<pg_sys::Append>()).appendplans,
            Tag::T_MergeAppend => (*node.cast::<pg_sys::MergeAppend>()).mergeplans,
            _ => return (*node).lefttree,
        };
        list::pointers(members).first().copied().unwrap_or(std::ptr::null_mut())
    }
}

impl Builder {
    /// A Var as a column of a table of the plan.
    ///
    /// # Safety
    /// As for [`column`].
    pub(super) unsafe fn reference(
        &mut self,
        node: *mut pg_sys::Plan,
        variable: *mut pg_sys::Var,
    ) -> Option<ColumnReference> {
        // SAFETY: as the caller vouches.
        unsafe {
            let (entry, number) = column(self, node, variable)?;
            let table = self.table(entry)?;
            Some(ColumnReference { table, column: number, name: self.column(table, number)? })
        }
    }
}
