//! A plan of the server's planner as plain facts: what EXPLAIN shows, and what it does not show but a judgement needs.
//!
//! Filled by `pg::planner`, or by hand in a test. One [`Plan`] for each statement that rules made of the query.

mod clause;
mod node;
#[cfg(test)]
pub mod sample;
mod table;

pub use clause::{Clause, ColumnReference, Comparison, Fit, Key, Obstacle, Wrapper, bare};
pub use node::{
    AggregateStrategy, Bound, Child, Cte, IndexUse, JoinKind, Node, NodeKind, Role, SortKey, SubplanUse,
};
pub use table::{ColumnFacts, Correlation, IndexFacts, IndexKeyFacts, TableFacts};

/// What kind of statement is planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// SELECT or VALUES.
    #[default]
    Select,
    /// INSERT
    Insert,
    /// UPDATE
    Update,
    /// DELETE
    Delete,
    /// MERGE
    Merge,
}

/// Settings of the session that shape the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Bytes that one sort may take before it goes to disk.
    pub work_mem: f64,
    /// Bytes that one hash table may take.
    pub hash_mem: f64,
    /// `enable_...` settings that are off though the server's default is on.
    pub disabled: Vec<String>,
    /// `max_parallel_workers_per_gather`
    pub parallel_workers: i32,
    /// Pages from which on a table is scanned in parallel.
    pub parallel_scan_pages: f64,
    /// `random_page_cost`
    pub random_page_cost: f64,
    /// `seq_page_cost`
    pub seq_page_cost: f64,
    /// `effective_cache_size` in pages.
    pub cache_pages: f64,
}

impl Default for Settings {
    /// What a new server has.
    fn default() -> Self {
        Self {
            work_mem: 4.0 * 1024.0 * 1024.0,
            hash_mem: 8.0 * 1024.0 * 1024.0,
            disabled: Vec::new(),
            parallel_workers: 2,
            parallel_scan_pages: 1024.0,
            random_page_cost: 4.0,
            seq_page_cost: 1.0,
            cache_pages: 524_288.0,
        }
    }
}

/// One plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What it is a plan of.
    pub command: Command,
    /// Its nodes, each after the one that it belongs to; the first is the top.
    pub nodes: Vec<Node>,
    /// The tables that it scans, one entry a scan of the query.
    pub tables: Vec<TableFacts>,
    /// Its WITH queries that were not merged into the rest.
    pub ctes: Vec<Cte>,
    /// The settings under which it was made.
    pub settings: Settings,
    /// Whether something in the query keeps the server from running any of it in parallel.
    pub is_parallel_unsafe: bool,
    /// Functions of the query that are marked PARALLEL UNSAFE.
    pub parallel_unsafe_functions: Vec<String>,
}

impl Plan {
    /// The nodes that belong to this one directly.
    pub fn children(&self, node: &Node) -> impl Iterator<Item = &Node> {
        node.children.iter().filter_map(|&position| self.nodes.get(position))
    }

    /// The node that this one belongs to.
    pub fn parent(&self, node: &Node) -> Option<&Node> {
        self.nodes.get(node.parent?)
    }

    /// The child in that role.
    pub fn child(&self, node: &Node, role: Role) -> Option<&Node> {
        self.children(node).find(|child| child.role == role)
    }

    /// The node and all below it, subplans not included.
    pub fn below<'a>(&'a self, node: &'a Node) -> Vec<&'a Node> {
        let mut found = vec![node];
        let mut next = 0;
        while let Some(&node) = found.get(next) {
            next += 1;
            found.extend(
                self.children(node).filter(|child| !matches!(child.role, Role::InitPlan | Role::SubPlan)),
            );
        }
        found
    }

    /// The table that a node scans.
    pub fn table(&self, node: &Node) -> Option<&TableFacts> {
        self.tables.get(node.table?)
    }

    /// What the node's input is called in EXPLAIN, skipping nodes that only hand rows on.
    pub fn input<'a>(&'a self, node: &'a Node) -> Option<&'a Node> {
        let mut input = self.child(node, Role::Outer)?;
        while input.kind.hands_on() {
            input = self.child(input, Role::Outer)?;
        }
        Some(input)
    }
}
