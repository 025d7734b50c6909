//! How many rows an index alone lets through: the plan of an index scan tells only what is left after its filter.

use super::super::analysis::Analysis;
use super::super::{Configuration, plan, walk};
use crate::catalog::plan::{Clause, Comparison, NodeKind, Plan, TableFacts};
use crate::pg::isolation::isolated;

/// Fills `index_rows` of the index scans that have a filter.
pub fn fill(plan: &mut Plan) {
    for position in 0..plan.nodes.len() {
        let node = &plan.nodes[position];
        if !matches!(node.kind, NodeKind::IndexScan | NodeKind::IndexOnlyScan) || node.filters.is_empty() {
            continue;
        }
        let Some(table) = plan.table(node) else { continue };
        plan.nodes[position].index_rows = rows(table, &node.index_conditions);
    }
}

fn rows(table: &TableFacts, conditions: &[Clause]) -> Option<f64> {
    let (joined, own): (Vec<&Clause>, Vec<&Clause>) =
        conditions.iter().partition(|clause| clause.has_parameter);
    let texts: Vec<&str> = own.iter().map(|clause| clause.text.as_str()).collect();
    let mut rows = if texts.is_empty() { table.tuples } else { planned(&table.name, &texts.join(" AND "))? };
    for clause in joined {
        // One value of the other side at a time.
        let column = clause.plain_column().filter(|_| clause.comparison == Comparison::Equality)?;
        rows /= table.column(column.column)?.distinct?;
    }
    Some(rows)
}

/// What the planner thinks that so many rows meet a condition; `None` where the caller may not ask.
fn planned(table: &str, condition: &str) -> Option<f64> {
    let text = format!("SELECT FROM {table} WHERE {condition}");
    let mut rows = None;
    let outcome = isolated(&mut || {
        let statements = plan::plan(&Analysis::of(&text), &Configuration::default());
        rows = statements.first().map(|&statement| walk::rows(statement));
    });
    outcome.ok().and(rows)
}
