//! Why a scan of a query uses no index, or not the right one: proved by asking the planner again, under other
//! settings and with the index that one would think of.

mod break_even;
mod existing;
mod obvious;
mod searchable;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::plan_shares::{Scan, Weighed};
use super::red_flag::words::{count, counted, percent, rounded, rows, shortened};
use crate::catalog::Oid;
use crate::catalog::plan::{Clause, NodeKind, Plan, Wrapper};
use crate::text::size::pretty_bytes;

/// How many times more rows an index scan must find than its filter keeps.
const TIMES: f64 = 10.0;
/// A plan that saves less is not worth an index.
const GAIN: f64 = 0.05;
/// Pages up to which a table is small.
const SMALL: f64 = 10.0;

/// Under which settings to plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switches {
    /// As they are.
    AsTheyAre,
    /// Sequential scans forbidden.
    NoSequentialScan,
    /// Every kind of index scan allowed.
    IndexScansAllowed,
}

/// What one planning showed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The planner's cost of the query.
    pub cost: f64,
    /// Whether the plan scans any of the indexes thought there.
    pub uses_new: bool,
    /// Bytes of the indexes thought there.
    pub bytes: u64,
    /// The existing indexes that the plan scans.
    pub existing: Vec<Oid>,
}

/// The what-if planner as this judgement sees it.
pub trait WhatIf {
    /// Plans the query with these indexes thought there; `None` where the server refuses one.
    fn plan(&mut self, indexes: &[String], switches: Switches) -> Option<Outcome>;
}

/// What is said of one scan.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The table, qualified.
    pub table: String,
    /// What the query calls it.
    pub alias: String,
    /// The conditions on it.
    pub condition: String,
    /// Rows that are looked at.
    pub rows_read: f64,
    /// Rows that remain.
    pub rows_kept: f64,
    /// Why.
    pub reason: String,
    /// The numbers behind it.
    pub evidence: Map<String, Value>,
}

/// Explains each sequential scan, and each index scan whose filter throws most rows away; the dearest first.
pub fn explain(plan: &Plan, what_if: &mut dyn WhatIf) -> Vec<Explanation> {
    let weighed = Weighed::of(plan);
    let scans = weighed.scans();
    scans
        .iter()
        .filter(|scan| match scan.node.kind {
            NodeKind::SeqScan => true,
            _ if scan.node.index.is_none() => false,
            _ => !scan.node.filters.is_empty() && scan.read > TIMES * scan.kept.max(1.0),
        })
        .map(|scan| Case::new(&weighed, scan).explain(what_if))
        .collect()
}

/// One scan, and what the query asks of it.
struct Case<'a> {
    weighed: &'a Weighed<'a>,
    scan: &'a Scan<'a>,
    /// Its own conditions, or, where it has none, those that join it.
    clauses: Vec<Clause>,
    is_join: bool,
    evidence: Map<String, Value>,
}

impl<'a> Case<'a> {
    fn new(weighed: &'a Weighed<'a>, scan: &'a Scan<'a>) -> Self {
        let own = &scan.node.filters;
        let joins = joins(weighed.plan, scan);
        let is_join = own.is_empty() && !joins.is_empty();
        let clauses = if is_join { joins } else { own.clone() };
        let mut evidence = Map::new();
        evidence.insert("cost_share".to_owned(), rounded(scan.share).into());
        evidence.insert("pages".to_owned(), scan.pages.into());
        evidence.insert("cost_now".to_owned(), cost(weighed.total()).into());
        Self { weighed, scan, clauses, is_join, evidence }
    }

    fn explain(mut self, what_if: &mut dyn WhatIf) -> Explanation {
        let reason = self.reason(what_if);
        Explanation {
            table: self.scan.name.to_owned(),
            alias: self.scan.alias.to_owned(),
            condition: Clause::joined(&self.clauses),
            rows_read: self.scan.read.round(),
            rows_kept: self.scan.kept.round(),
            reason,
            evidence: self.evidence,
        }
    }

    /// Share of the rows that remain.
    fn share_kept(&self) -> f64 {
        if self.scan.read > 0.0 { (self.scan.kept / self.scan.read).min(1.0) } else { 1.0 }
    }

    fn reason(&mut self, what_if: &mut dyn WhatIf) -> String {
        if let Some(reason) = self.forbidden(what_if) {
            return reason;
        }
        if self.clauses.is_empty() {
            return format!(
                "the query has no condition on {}: it asks for all {}",
                self.scan.name,
                rows(self.scan.tuples)
            );
        }
        let clauses = self.clauses.clone();
        let (found, obstacles) = searchable::sort(&clauses);
        if !obstacles.is_empty() {
            let listed: Vec<Value> = obstacles
                .iter()
                .map(|(clause, why)| json!({"condition": clause.text, "obstacle": why.clone()}))
                .collect();
            self.evidence.insert("not_searchable".to_owned(), listed.into());
        }
        if found.is_empty() {
            return self.unsearchable(&obstacles, what_if);
        }
        let idle = existing::idle(self.scan.table, &found);
        if !idle.is_empty() {
            let listed: Vec<Value> = idle
                .iter()
                .map(|(index, why)| json!({"index": index.name, "obstacle": why.clone()}))
                .collect();
            self.evidence.insert("existing_indexes".to_owned(), listed.into());
        }
        if self.scan.node.kind == NodeKind::SeqScan
            && let Some(index) = existing::usable(self.scan.table, &found)
        {
            return self.declined(&index.name.clone(), what_if);
        }
        let why = idle.first().map(|(_, why)| why.clone());
        self.missing(&found, why, what_if)
    }

    /// Settings that keep the planner from an index that it would take.
    fn forbidden(&mut self, what_if: &mut dyn WhatIf) -> Option<String> {
        let off: Vec<&str> = self
            .weighed
            .plan
            .settings
            .disabled
            .iter()
            .map(String::as_str)
            .filter(|name| matches!(*name, "enable_indexscan" | "enable_indexonlyscan" | "enable_bitmapscan"))
            .collect();
        if off.is_empty() || self.scan.node.kind != NodeKind::SeqScan {
            return None;
        }
        let outcome = what_if.plan(&[], Switches::IndexScansAllowed)?;
        let index = self.scan.table.indexes.iter().find(|index| outcome.existing.contains(&index.oid))?;
        self.evidence.insert("settings_off".to_owned(), off.clone().into());
        self.evidence.insert("cost_with_index".to_owned(), cost(outcome.cost).into());
        let are = if off.len() == 1 { "is" } else { "are" };
        Some(format!(
            "{} {are} off in this session: otherwise index {} is used, and the query costs {} instead of {}",
            off.join(" and "),
            index.name,
            count(outcome.cost),
            count(self.weighed.total()),
        ))
    }

    /// No condition can be searched by any index on a column.
    fn unsearchable(&mut self, obstacles: &[(&Clause, String)], what_if: &mut dyn WhatIf) -> String {
        let Some((clause, why)) = obstacles.first() else {
            return format!("no condition on {} can be searched by an index", self.scan.name);
        };
        let reason = format!("no index on a column finds {}: {why}", shortened(&clause.text));
        if let Some(Wrapper::ImplicitCast { from, .. }) =
            clause.key.as_ref().and_then(|key| key.wrapper.as_ref())
        {
            return format!("{reason}; give the value as {from}");
        }
        let Some(definition) = obvious::expression(self.scan.name, clause) else { return reason };
        let Some(outcome) = what_if.plan(std::slice::from_ref(&definition), Switches::AsTheyAre) else {
            return reason;
        };
        if !self.helps(&outcome) {
            return format!("{reason}; an index on the expression would not be used either");
        }
        self.proposed(&[definition], &outcome);
        format!("{reason}; {}", self.gain("an index on the expression", &outcome))
    }

    /// An index is there and could be used, and the planner does not.
    fn declined(&mut self, index: &str, what_if: &mut dyn WhatIf) -> String {
        let Some(forced) = what_if.plan(&[], Switches::NoSequentialScan) else {
            return format!(
                "the planner expects more from reading {} whole than from index {index}",
                self.scan.name
            );
        };
        let tables = &self.weighed.plan.tables;
        let is_alone = tables.iter().filter(|table| table.oid == self.scan.table.oid).count() == 1;
        // Of another scan of the same table it tells nothing.
        let used = self
            .scan
            .table
            .indexes
            .iter()
            .find(|known| forced.existing.contains(&known.oid) && (is_alone || known.name == index));
        let Some(used) = used else {
            return format!(
                "index {index} could be used, but the planner finds no plan in which it would help this scan"
            );
        };
        let index = used.name.clone();
        self.evidence.insert("index".to_owned(), index.clone().into());
        format!("index {index} could be used, but {}", self.too_dear(&forced))
    }

    /// Why reading all is cheaper, in numbers; `with_index` is the plan that may not.
    fn too_dear(&mut self, with_index: &Outcome) -> String {
        let now = self.weighed.total();
        self.evidence.insert("cost_with_index".to_owned(), cost(with_index.cost).into());
        if self.scan.pages <= SMALL {
            return format!(
                "{} has only {}: reading it whole costs {}, and the query with the index {}",
                self.scan.name,
                counted(self.scan.pages, "page", "pages"),
                count(now),
                count(with_index.cost),
            );
        }
        if self.is_join {
            return format!(
                "the join needs all {} of {}: looking them up one by one would cost {} instead of {}",
                rows(self.scan.tuples),
                self.scan.name,
                count(with_index.cost),
                count(now),
            );
        }
        let share = self.share_kept();
        let table = break_even::Table {
            pages: self.scan.pages,
            tuples: self.scan.tuples,
            settings: &self.weighed.plan.settings,
        };
        let mut pays = String::new();
        if let Some(break_even) = table.break_even(share, with_index.cost, now) {
            self.evidence.insert("break_even_share".to_owned(), rounded(break_even).into());
            pays = format!("; it would pay below about {}", percent(break_even));
        }
        format!(
            "{} keeps {} of the rows, {} of {}, and the query would cost {} with the index instead of {}{pays}",
            shortened(&Clause::joined(&self.clauses)),
            percent(share),
            count(self.scan.kept),
            count(self.scan.read),
            count(with_index.cost),
            count(now),
        )
    }

    /// The index that one would think of is not there.
    fn missing(&mut self, found: &[&Clause], why: Option<String>, what_if: &mut dyn WhatIf) -> String {
        let before = why.map_or_else(String::new, |why| format!("{why}; "));
        let wanted = obvious::indexes(self.scan, found);
        let label = wanted.label();
        let Some(outcome) = (!wanted.definitions.is_empty())
            .then(|| what_if.plan(&wanted.definitions, Switches::AsTheyAre))
            .flatten()
        else {
            return format!(
                "{before}no index on {} serves {}",
                self.scan.name,
                shortened(&Clause::joined(&self.clauses))
            );
        };
        if self.helps(&outcome) {
            self.proposed(&wanted.definitions, &outcome);
            let there = if self.scan.node.kind == NodeKind::SeqScan {
                String::new()
            } else {
                let index = self.scan.node.index.as_ref().map_or("", |index| index.name.as_str());
                format!(
                    "index {index} finds {} of which {} remain; ",
                    rows(self.scan.read),
                    count(self.scan.kept)
                )
            };
            return format!(
                "{before}{there}there is no index on {label}; {}",
                self.gain(if wanted.definitions.len() > 1 { "them" } else { "one" }, &outcome)
            );
        }
        let forced = what_if.plan(&wanted.definitions, Switches::NoSequentialScan);
        match forced.filter(|forced| forced.uses_new) {
            Some(forced) => {
                format!("{before}an index on {label} would not be used: {}", self.too_dear(&forced))
            }
            None => format!(
                "{before}an index on {label} would not be used: the query would cost {} with it and costs {} now",
                count(outcome.cost),
                count(self.weighed.total()),
            ),
        }
    }

    fn helps(&self, outcome: &Outcome) -> bool {
        outcome.uses_new && outcome.cost < self.weighed.total() * (1.0 - GAIN)
    }

    fn proposed(&mut self, definitions: &[String], outcome: &Outcome) {
        self.evidence.insert("index_sql".to_owned(), definitions.to_vec().into());
        self.evidence.insert("index_bytes".to_owned(), outcome.bytes.into());
        self.evidence.insert("cost_with_index".to_owned(), cost(outcome.cost).into());
    }

    fn gain(&self, what: &str, outcome: &Outcome) -> String {
        format!(
            "with {what} ({}) the query would cost {} instead of {}",
            pretty_bytes(outcome.bytes),
            count(outcome.cost),
            count(self.weighed.total()),
        )
    }
}

/// A cost as EXPLAIN prints it.
fn cost(cost: f64) -> f64 {
    (cost * 100.0).round() / 100.0
}

/// The conditions that join the scanned table with others, its side as their key.
fn joins(plan: &Plan, scan: &Scan) -> Vec<Clause> {
    let Some(table) = scan.node.table else { return Vec::new() };
    let mut found = Vec::new();
    let mut above = plan.parent(scan.node);
    while let Some(node) = above {
        for clause in node.join_conditions.iter().chain(&node.join_filters) {
            let sides = [&clause.key, &clause.other_key];
            let own = sides.into_iter().flatten().find(|key| key.column.table == table);
            if let Some(key) = own {
                let mut clause = clause.clone();
                let mut key = key.clone();
                if key.wrapper.is_none() {
                    key.text = key.column.name.clone();
                }
                clause.key = Some(key);
                clause.other_key = None;
                clause.has_parameter = true;
                found.push(clause);
            }
        }
        above = plan.parent(node);
    }
    found
}
