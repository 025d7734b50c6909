//! What each node of a plan costs by itself, and the scans that a person sees as one.

use crate::catalog::plan::{Clause, Node, NodeKind, Plan, Role, TableFacts};

/// A node cheaper than this share of the whole query is not worth a word.
pub const WORTH_A_WORD: f64 = 0.10;

/// A plan with the cost of each node by itself.
pub struct Weighed<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// How often each node is carried out, in units of its total cost.
    executions: Vec<f64>,
    /// What each costs without those below it, all executions together.
    own: Vec<f64>,
}

impl<'a> Weighed<'a> {
    /// Weighs a plan.
    pub fn of(plan: &'a Plan) -> Self {
        let mut executions = vec![1.0; plan.nodes.len()];
        for node in &plan.nodes {
            for child in plan.children(node) {
                executions[child.position] = executions[node.position] * executions_of(plan, node, child);
            }
        }
        // What is run once, before all else, is run once wherever it hangs.
        for node in &plan.nodes {
            if node.role == Role::InitPlan {
                executions[node.position] = executions[node.position].max(1.0);
            }
        }
        let own = plan
            .nodes
            .iter()
            .map(|node| {
                let below: f64 =
                    plan.children(node).map(|child| child.total_cost * executions[child.position]).sum();
                (node.total_cost * executions[node.position] - below).max(0.0)
            })
            .collect();
        Self { plan, executions, own }
    }

    /// The cost of the whole query.
    pub fn total(&self) -> f64 {
        self.plan.nodes.first().map_or(0.0, |top| top.total_cost)
    }

    /// The node's own share of the cost of the query, 0..1.
    pub fn share(&self, node: &Node) -> f64 {
        self.own.get(node.position).map_or(0.0, |&own| self.of_total(own))
    }

    /// The share of the node and all below it.
    pub fn share_below(&self, node: &Node) -> f64 {
        self.of_total(node.total_cost * self.executions.get(node.position).copied().unwrap_or(1.0))
    }

    fn of_total(&self, cost: f64) -> f64 {
        let total = self.total();
        if total > 0.0 { (cost / total).min(1.0) } else { 0.0 }
    }

    /// Whether the node's own cost is worth a word.
    pub fn matters(&self, node: &Node) -> bool {
        self.share(node) >= WORTH_A_WORD
    }

    /// How often the node is carried out.
    pub fn executions(&self, node: &Node) -> f64 {
        self.executions.get(node.position).copied().unwrap_or(1.0)
    }

    /// Scans of tables, those of the partitions of one table together, dearest first.
    pub fn scans(&self) -> Vec<Scan<'a>> {
        let mut scans: Vec<Scan<'a>> = Vec::new();
        for node in &self.plan.nodes {
            let is_scan = matches!(
                node.kind,
                NodeKind::SeqScan | NodeKind::IndexScan | NodeKind::IndexOnlyScan | NodeKind::BitmapHeapScan
            );
            let Some(table) = self.plan.table(node).filter(|_| is_scan) else { continue };
            // A bitmap is part of the scan that reads it.
            let share =
                if node.kind == NodeKind::BitmapHeapScan { self.share_below(node) } else { self.share(node) };
            let known = scans.iter_mut().find(|scan| {
                let root = table.root.as_ref().map(|(oid, _)| *oid);
                root.is_some()
                    && scan.table.root.as_ref().map(|(oid, _)| *oid) == root
                    && scan.node.kind == node.kind
                    && scan.node.parent == node.parent
            });
            match known {
                Some(scan) => scan.add(node, table, share),
                None => scans.push(Scan::new(node, table, share)),
            }
        }
        scans.sort_by(|one, other| other.share.total_cmp(&one.share));
        scans
    }
}

/// How often `child` is carried out for one execution of `node`.
fn executions_of(plan: &Plan, node: &Node, child: &Node) -> f64 {
    let affordable = if child.total_cost > 0.0 { node.total_cost / child.total_cost } else { f64::INFINITY };
    let times = match child.role {
        // A query of WITH that writes may cost more than what reads it.
        Role::InitPlan => return 1.0,
        Role::SubPlan => calls(plan, node, child),
        Role::Inner if node.kind == NodeKind::NestLoop => {
            let outer = plan.child(node, Role::Outer);
            let rest = node.total_cost - outer.map_or(0.0, |outer| outer.total_cost);
            let afforded = if child.total_cost > 0.0 { rest / child.total_cost } else { f64::INFINITY };
            afforded.max(0.0).min(outer.map_or(1.0, |outer| outer.rows.max(1.0)))
        }
        _ => 1.0,
    };
    times.min(affordable)
}

/// How often a subquery in an expression of `node` is computed.
fn calls(plan: &Plan, node: &Node, child: &Node) -> f64 {
    let used = node.subplans.iter().find(|subplan| subplan.node == Some(child.position));
    match used {
        Some(subplan) if subplan.is_correlated => rows_looked_at(plan, node, subplan.is_in_condition),
        _ => 1.0,
    }
}

/// Rows for which the node computes its conditions, or what it returns.
pub fn rows_looked_at(plan: &Plan, node: &Node, in_condition: bool) -> f64 {
    if !in_condition {
        return node.rows.max(1.0);
    }
    let read = plan.table(node).map(|table| node.index_rows.unwrap_or(table.tuples));
    let given = plan.child(node, Role::Outer).map(|input| input.rows);
    read.or(given).unwrap_or(node.rows).max(node.rows).max(1.0)
}

/// A scan of a table, its partitions together.
pub struct Scan<'a> {
    /// The scan, of several the first.
    pub node: &'a Node,
    /// The table, of several the first.
    pub table: &'a TableFacts,
    /// The table's name, as a person knows it.
    pub name: &'a str,
    /// What the query calls it.
    pub alias: &'a str,
    /// How many tables are scanned: 1, or the number of partitions.
    pub tables: usize,
    /// Pages of all.
    pub pages: f64,
    /// Rows of all.
    pub tuples: f64,
    /// Rows that are looked at, once.
    pub read: f64,
    /// Rows that remain, once.
    pub kept: f64,
    /// Its share of the cost of the query.
    pub share: f64,
}

impl<'a> Scan<'a> {
    fn new(node: &'a Node, table: &'a TableFacts, share: f64) -> Self {
        let mut scan = Self {
            node,
            table,
            name: table.known_as(),
            alias: alias(table),
            tables: 0,
            pages: 0.0,
            tuples: 0.0,
            read: 0.0,
            kept: 0.0,
            share: 0.0,
        };
        scan.add(node, table, share);
        scan
    }

    fn add(&mut self, node: &Node, table: &TableFacts, share: f64) {
        self.tables += 1;
        self.pages += table.pages;
        self.tuples += table.tuples;
        self.read += match node.kind {
            NodeKind::SeqScan => table.tuples,
            _ => node.index_rows.unwrap_or_else(|| node.all_rows()),
        }
        .max(node.all_rows());
        self.kept += node.all_rows();
        self.share += share;
    }

    /// Whether its cost is worth a word.
    pub fn matters(&self) -> bool {
        self.share >= WORTH_A_WORD
    }

    /// Its conditions as EXPLAIN prints them.
    pub fn condition(&self) -> String {
        Clause::joined(&self.node.filters)
    }
}

/// What the query calls the table; the server numbers the partitions of one.
fn alias(table: &TableFacts) -> &str {
    if table.root.is_none() {
        return &table.alias;
    }
    match table.alias.rsplit_once('_') {
        Some((alias, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            alias
        }
        _ => &table.alias,
    }
}
