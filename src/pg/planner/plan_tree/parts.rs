//! What belongs to a node of the server's plan.

use pgrx::pg_sys;

use super::{expression, is};
use crate::pg::planner::list::{self, tag};

/// The nodes of a node that has several of one kind.
///
/// # Safety
/// `node` must be a node of a plan.
pub unsafe fn members(node: *mut pg_sys::Plan) -> Vec<*mut pg_sys::Plan> {
    use pg_sys::NodeTag as Tag;
    // SAFETY: as the caller vouches; the tag says what the node is.
    list::pointers(unsafe {
        match tag(node) {
            Tag::T_Append => (*node.cast::<pg_sys::Append>()).appendplans,
            Tag::T_MergeAppend => (*node.cast::<pg_sys::MergeAppend>()).mergeplans,
            Tag::T_BitmapAnd => (*node.cast::<pg_sys::BitmapAnd>()).bitmapplans,
            Tag::T_BitmapOr => (*node.cast::<pg_sys::BitmapOr>()).bitmapplans,
            Tag::T_CustomScan => (*node.cast::<pg_sys::CustomScan>()).custom_plans,
            _ => std::ptr::null_mut(),
        }
    })
}

/// The nodes below a node, subqueries in expressions left out.
///
/// # Safety
/// `node` must be a node of a plan.
#[cfg(feature = "pg18")]
pub unsafe fn children_of(node: *mut pg_sys::Plan) -> Vec<*mut pg_sys::Plan> {
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        let mut children = members(node);
        if tag(node) == pg_sys::NodeTag::T_SubqueryScan {
            children.push((*node.cast::<pg_sys::SubqueryScan>()).subplan);
        }
        children.extend([(*node).lefttree, (*node).righttree]);
        children.retain(|child| !child.is_null());
        children
    }
}

/// Whether each process returns a part of the node's rows only.
///
/// # Safety
/// `node` must be a node of a plan or null.
pub unsafe fn is_partial(node: *mut pg_sys::Plan) -> bool {
    use pg_sys::NodeTag as Tag;
    if node.is_null() || matches!(tag(node), Tag::T_Gather | Tag::T_GatherMerge) {
        return false;
    }
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        if (*node).parallel_aware {
            return true;
        }
        match tag(node) {
            Tag::T_Append | Tag::T_MergeAppend => members(node).into_iter().any(|member| is_partial(member)),
            Tag::T_SubqueryScan => is_partial((*node.cast::<pg_sys::SubqueryScan>()).subplan),
            _ => is_partial((*node).lefttree),
        }
    }
}

/// The lists in which a node may have expressions.
///
/// # Safety
/// `node` must be a node of a plan.
pub unsafe fn expressions_of(node: *mut pg_sys::Plan) -> Vec<*mut pg_sys::Node> {
    use pg_sys::NodeTag as Tag;
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        let mut lists = vec![(*node).targetlist, (*node).qual];
        match tag(node) {
            Tag::T_IndexScan => lists.push((*node.cast::<pg_sys::IndexScan>()).indexqualorig),
            Tag::T_IndexOnlyScan => lists.push((*node.cast::<pg_sys::IndexOnlyScan>()).indexqual),
            Tag::T_BitmapIndexScan => lists.push((*node.cast::<pg_sys::BitmapIndexScan>()).indexqualorig),
            Tag::T_NestLoop => lists.push((*node.cast::<pg_sys::Join>()).joinqual),
            Tag::T_HashJoin => {
                lists.push((*node.cast::<pg_sys::Join>()).joinqual);
                lists.push((*node.cast::<pg_sys::HashJoin>()).hashclauses);
            }
            Tag::T_MergeJoin => {
                lists.push((*node.cast::<pg_sys::Join>()).joinqual);
                lists.push((*node.cast::<pg_sys::MergeJoin>()).mergeclauses);
            }
            Tag::T_Result => lists.push((*node.cast::<pg_sys::Result>()).resconstantqual.cast()),
            _ => {}
        }
        lists.into_iter().filter(|list| !list.is_null()).map(<*mut pg_sys::List>::cast).collect()
    }
}

/// # Safety
/// `list` must be expressions of a plan.
pub unsafe fn subplans_in(list: *mut pg_sys::Node) -> Vec<*mut pg_sys::SubPlan> {
    let mut found = Vec::new();
    // SAFETY: as the caller vouches.
    unsafe {
        expression::visit(list, &mut |part| {
            if tag(part) == pg_sys::NodeTag::T_SubPlan {
                found.push(part.cast());
            }
            true
        });
    }
    found
}

/// The subqueries in a node's expressions, each once.
///
/// # Safety
/// `node` must be a node of a plan.
pub unsafe fn subplans_of(node: *mut pg_sys::Plan) -> Vec<*mut pg_sys::SubPlan> {
    let mut found: Vec<*mut pg_sys::SubPlan> = Vec::new();
    if tag(node) == pg_sys::NodeTag::T_ModifyTable {
        return found;
    }
    // SAFETY: as the caller vouches.
    unsafe {
        for list in expressions_of(node) {
            for subplan in subplans_in(list) {
                if found.iter().all(|&other| (*other).plan_id != (*subplan).plan_id) {
                    found.push(subplan);
                }
            }
        }
    }
    found
}

/// Whether the subquery is that of a NOT IN.
///
/// # Safety
/// `subplan` must be one of the node's.
pub unsafe fn is_not_in(node: *mut pg_sys::Plan, subplan: *mut pg_sys::SubPlan) -> bool {
    use pg_sys::NodeTag as Tag;
    let mut found = false;
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        for list in expressions_of(node) {
            expression::visit(list, &mut |part| {
                if tag(part) == Tag::T_BoolExpr {
                    let expression = part.cast::<pg_sys::BoolExpr>();
                    if (*expression).boolop == pg_sys::BoolExprType::NOT_EXPR {
                        let inner = expression::nth((*expression).args, 0);
                        found |= is(inner, Tag::T_SubPlan)
                            && (*inner.cast::<pg_sys::SubPlan>()).plan_id == (*subplan).plan_id
                            && (*subplan).subLinkType == pg_sys::SubLinkType::ANY_SUBLINK;
                    }
                }
                true
            });
        }
    }
    found
}
