//! A plan of the server as plain facts, expressions printed by the server's own functions as EXPLAIN does.

mod clause;
mod correlation;
mod details;
mod expression;
mod index_rows;
mod kind;
mod node;
mod parts;
mod resolve;
mod settings;
mod table;

use std::collections::HashMap;
use std::ffi::CStr;
use std::ptr;

use pgrx::pg_sys;

use super::analysis::Analysis;
use super::list::{self, tag};
use super::{Configuration, plan};
use crate::catalog::plan::{Command, Cte, NodeKind, Plan, Role};
use crate::pg::scan::text_of;
use crate::text::quote_identifier;
pub(super) use expression::{variables, visit};

/// The plans of a query, one for each statement that rules made of it.
///
/// To be called where locks and memory are given back, as all of this module.
pub fn plan_tree(query: &Analysis, configuration: &Configuration) -> Vec<Plan> {
    let statements = plan::plan(query, configuration);
    let mut plans: Vec<Plan> = statements
        .into_iter()
        .zip(&query.queries)
        // SAFETY: a statement of the planner and the query that it is the plan of.
        .map(|(statement, &query)| unsafe { Builder::new(statement, query).build() })
        .collect();
    for plan in &mut plans {
        index_rows::fill(plan);
        correlation::fill(plan);
    }
    plans
}

/// A plan in the making.
struct Builder {
    statement: *mut pg_sys::PlannedStmt,
    query: *mut pg_sys::Query,
    entries: Vec<*mut pg_sys::RangeTblEntry>,
    /// What EXPLAIN calls the entries.
    names: Vec<String>,
    subplans: Vec<*mut pg_sys::Plan>,
    /// For the server's printing of expressions.
    context: *mut pg_sys::List,
    /// The nodes around the one at work, the nearest last; subqueries in expressions stand among them.
    ancestors: Vec<*mut pg_sys::Node>,
    /// Where the top node of a subplan stands, by its number.
    subplan_nodes: HashMap<i32, usize>,
    /// Subqueries in expressions: the node, the place among its subplans, and their number.
    subplan_uses: Vec<(usize, usize, i32)>,
    /// Nodes that read WITH queries: the node, the number of the subplan, and that of the entry.
    cte_scans: Vec<(usize, i32, u32)>,
    /// Where an entry of the range table stands among the tables.
    tables: HashMap<u32, usize>,
    /// Operator families and collations of the indexes' keys.
    index_keys: HashMap<u32, Vec<(pg_sys::Oid, pg_sys::Oid)>>,
    /// Whether names of columns are qualified where EXPLAIN qualifies them only among several tables.
    qualifies: bool,
    plan: Plan,
}

impl Builder {
    /// # Safety
    /// `statement` must come from the planner, and be the plan of `query`.
    unsafe fn new(statement: *mut pg_sys::PlannedStmt, query: *mut pg_sys::Query) -> Self {
        // SAFETY: as the caller vouches.
        unsafe {
            let entries = list::pointers::<pg_sys::RangeTblEntry>((*statement).rtable);
            let subplans = list::pointers::<pg_sys::Plan>((*statement).subplans);
            let mut used = ptr::null_mut();
            super::walk::visit(statement, &mut |node| used = expression::scanned_entries(node, used));
            let names = pg_sys::select_rtable_names_for_explain((*statement).rtable, used);
            let context = pg_sys::deparse_context_for_plan_tree(statement, names);
            let names = list::pointers::<std::ffi::c_char>(names)
                .into_iter()
                .map(|name| c_text(name).unwrap_or_default())
                .collect();
            let qualifies = entries.len() > 1;
            let settings = settings::read();
            let command = match (*statement).commandType {
                pg_sys::CmdType::CMD_INSERT => Command::Insert,
                pg_sys::CmdType::CMD_UPDATE => Command::Update,
                pg_sys::CmdType::CMD_DELETE => Command::Delete,
                pg_sys::CmdType::CMD_MERGE => Command::Merge,
                _ => Command::Select,
            };
            Self {
                statement,
                query,
                entries,
                names,
                subplans,
                context,
                ancestors: Vec::new(),
                subplan_nodes: HashMap::new(),
                subplan_uses: Vec::new(),
                cte_scans: Vec::new(),
                tables: HashMap::new(),
                index_keys: HashMap::new(),
                qualifies,
                plan: Plan { command, settings, ..Plan::default() },
            }
        }
    }

    /// # Safety
    /// As for [`Builder::new`].
    unsafe fn build(mut self) -> Plan {
        // SAFETY: as the caller vouches.
        unsafe {
            self.node((*self.statement).planTree, None, Role::Outer, 1.0);
            self.resolve_subplans();
            let hazard = pg_sys::max_parallel_hazard(self.query) as u8;
            self.plan.is_parallel_unsafe = hazard == pg_sys::PROPARALLEL_UNSAFE;
        }
        self.plan
    }

    /// What is known only once all nodes stand: where subqueries and WITH queries are.
    fn resolve_subplans(&mut self) {
        for (node, place, number) in std::mem::take(&mut self.subplan_uses) {
            self.plan.nodes[node].subplans[place].node = self.subplan_nodes.get(&number).copied();
        }
        let mut known: HashMap<i32, usize> = HashMap::new();
        for (scan, number, entry) in std::mem::take(&mut self.cte_scans) {
            let Some(&top) = self.subplan_nodes.get(&number) else { continue };
            let cte = *known.entry(number).or_insert_with(|| {
                let cte = self.cte(entry, top);
                self.plan.ctes.push(cte);
                self.plan.ctes.len() - 1
            });
            self.plan.ctes[cte].scans.push(scan);
            self.plan.nodes[scan].cte = Some(cte);
        }
    }

    /// The WITH query that an entry of the range table reads.
    fn cte(&self, entry: u32, top: usize) -> Cte {
        let name = self.cte_name(entry).unwrap_or_default();
        let kind = self.plan.nodes[top].kind;
        Cte {
            // SAFETY: the query that was planned.
            says_materialized: unsafe { expression::says_materialized(self.query, &name) },
            name: quote_identifier(&name),
            node: top,
            is_recursive: kind == NodeKind::RecursiveUnion,
            writes: kind == NodeKind::ModifyTable,
            scans: Vec::new(),
        }
    }

    fn cte_name(&self, entry: u32) -> Option<String> {
        let entry = self.entry(entry)?;
        // SAFETY: an entry of the range table.
        unsafe { c_text((*entry).ctename) }
    }

    /// An entry of the range table by its number, counted from 1.
    fn entry(&self, number: u32) -> Option<*mut pg_sys::RangeTblEntry> {
        let position = usize::try_from(number).ok()?.checked_sub(1)?;
        self.entries.get(position).copied()
    }

    /// Makes `node` the one that expressions are printed for.
    ///
    /// # Safety
    /// `node` must be a node of the plan, and `ancestors` those around it.
    unsafe fn print_for(&mut self, node: *mut pg_sys::Plan) {
        let nearest_first: Vec<*mut pg_sys::Node> = self.ancestors.iter().rev().copied().collect();
        // SAFETY: as the caller vouches.
        unsafe {
            self.context =
                pg_sys::set_deparse_context_plan(self.context, node, list::list_of(&nearest_first));
        }
    }

    /// An expression as EXPLAIN prints it; the node must have been named by `print_for`.
    ///
    /// # Safety
    /// `expression` must be one of the node's.
    unsafe fn print(&self, expression: *mut pg_sys::Node, qualified: bool, shows_casts: bool) -> String {
        // SAFETY: as the caller vouches.
        unsafe {
            let text = pg_sys::deparse_expression(expression, self.context, qualified, shows_casts);
            c_text(text).unwrap_or_default()
        }
    }
}

/// # Safety
/// `text` must be null or a C string.
unsafe fn c_text(text: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: as the caller vouches.
    (!text.is_null()).then(|| text_of(unsafe { CStr::from_ptr(text) }.to_bytes()).into())
}

/// Whether a node is of that kind; null is of none.
fn is<T>(node: *const T, kind: pg_sys::NodeTag) -> bool {
    !node.is_null() && tag(node) == kind
}
