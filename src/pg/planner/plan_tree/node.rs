//! One node after the other.

use pgrx::pg_sys;

#[cfg(feature = "pg18")]
use super::parts::children_of;
use super::parts::{is_partial, members, subplans_of};
use super::{Builder, kind};
use crate::catalog::plan::{Node, Role};
use crate::pg::planner::list::{self, tag};

/// What the planner of 15 to 17 adds to the cost of what a setting forbids.
#[cfg(not(feature = "pg18"))]
const DISABLE_COST: f64 = 1.0e10;

impl Builder {
    /// Adds a node and all below it; returns its position.
    ///
    /// # Safety
    /// `node` must be a node of the plan, and `ancestors` those around it.
    pub(super) unsafe fn node(
        &mut self,
        node: *mut pg_sys::Plan,
        parent: Option<usize>,
        role: Role,
        processes: f64,
    ) -> usize {
        let position = self.plan.nodes.len();
        // SAFETY: as the caller vouches; the tag says what the node is.
        unsafe {
            self.plan.nodes.push(Node {
                position,
                parent,
                role,
                kind: kind::kind(tag(node)),
                startup_cost: (*node).startup_cost,
                total_cost: (*node).total_cost,
                rows: (*node).plan_rows,
                width: f64::from((*node).plan_width),
                processes: if is_partial(node) { processes } else { 1.0 },
                ..Node::default()
            });
            if let Some(parent) = parent {
                self.plan.nodes[parent].children.push(position);
            }
            // EXPLAIN prints no expression of it, and its target list is that of a table.
            if tag(node) != pg_sys::NodeTag::T_ModifyTable {
                self.print_for(node);
                self.expressions(node, position);
            }
            self.ancestors.push(node.cast());
            self.children(node, position, processes);
            self.ancestors.pop();
            self.mark_disabled(node, position);
        }
        position
    }

    /// # Safety
    /// As for [`Builder::node`].
    unsafe fn children(&mut self, node: *mut pg_sys::Plan, position: usize, processes: f64) {
        use pg_sys::NodeTag as Tag;
        // SAFETY: as the caller vouches; the tag says what the node is.
        unsafe {
            for subplan in list::pointers::<pg_sys::SubPlan>((*node).initPlan) {
                self.subplan(subplan, position, Role::InitPlan);
            }
            for member in members(node) {
                self.node(member, Some(position), Role::Member, processes);
            }
            if tag(node) == Tag::T_SubqueryScan {
                let inner = (*node.cast::<pg_sys::SubqueryScan>()).subplan;
                self.node(inner, Some(position), Role::Subquery, processes);
            }
            let processes = match tag(node) {
                Tag::T_Gather => of_workers((*node.cast::<pg_sys::Gather>()).num_workers),
                Tag::T_GatherMerge => of_workers((*node.cast::<pg_sys::GatherMerge>()).num_workers),
                _ => processes,
            };
            if !(*node).lefttree.is_null() {
                self.node((*node).lefttree, Some(position), Role::Outer, processes);
            }
            if !(*node).righttree.is_null() {
                self.node((*node).righttree, Some(position), Role::Inner, processes);
            }
            for subplan in subplans_of(node) {
                self.subplan(subplan, position, Role::SubPlan);
            }
        }
    }

    /// Adds the plan of a subquery, once.
    ///
    /// # Safety
    /// `subplan` must be one of the node that is the nearest ancestor.
    unsafe fn subplan(&mut self, subplan: *mut pg_sys::SubPlan, position: usize, role: Role) {
        // SAFETY: as the caller vouches.
        unsafe {
            let number = (*subplan).plan_id;
            let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            let plan = place.and_then(|place| self.subplans.get(place).copied());
            let Some(plan) = plan.filter(|plan| !plan.is_null()) else { return };
            if self.subplan_nodes.contains_key(&number) {
                return;
            }
            self.ancestors.push(subplan.cast());
            let top = self.node(plan, Some(position), role, 1.0);
            self.ancestors.pop();
            self.subplan_nodes.insert(number, top);
        }
    }

    /// Whether the node itself is of a kind that a setting forbids; takes the penalty out of the costs.
    #[cfg(not(feature = "pg18"))]
    fn mark_disabled(&mut self, _: *mut pg_sys::Plan, position: usize) {
        if self.plan.settings.disabled.is_empty() {
            return;
        }
        let node = &mut self.plan.nodes[position];
        if node.total_cost < DISABLE_COST {
            return;
        }
        node.total_cost %= DISABLE_COST;
        node.startup_cost %= DISABLE_COST;
        node.is_disabled = true;
        let children = node.children.clone();
        // The penalty adds up; the lowest nodes that have it are those that earned it.
        if children.iter().any(|&child| self.carries_penalty(child)) {
            self.plan.nodes[position].is_disabled = false;
        }
    }

    #[cfg(not(feature = "pg18"))]
    fn carries_penalty(&self, position: usize) -> bool {
        let node = &self.plan.nodes[position];
        node.is_disabled || node.children.iter().any(|&child| self.carries_penalty(child))
    }

    /// Whether the node itself is of a kind that a setting forbids: each counts those below it too.
    #[cfg(feature = "pg18")]
    fn mark_disabled(&mut self, node: *mut pg_sys::Plan, position: usize) {
        // SAFETY: a node of the plan.
        let own = unsafe {
            let below: i32 = children_of(node).into_iter().map(|child| (*child).disabled_nodes).sum();
            (*node).disabled_nodes > below
        };
        self.plan.nodes[position].is_disabled = own;
    }
}

/// Among how many processes the planner divides rows: the leader gives some of its time.
fn of_workers(workers: i32) -> f64 {
    let workers = f64::from(workers);
    // SAFETY: a plain variable of this backend.
    let leader = if unsafe { pg_sys::parallel_leader_participation } { 1.0 - 0.3 * workers } else { 0.0 };
    (workers + leader.max(0.0)).max(1.0)
}
