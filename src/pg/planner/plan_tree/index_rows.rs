//! How many rows an index alone lets through: the plan of an index scan tells only what is left after its filter.

use super::super::analysis::Analysis;
use super::super::{Configuration, plan, walk};
use crate::catalog::plan::{Clause, Comparison, NodeKind, Plan, Role, TableFacts};
use crate::pg::isolation::isolated;

/// Fills `index_rows` of the index scans that have a filter; a scan of the bitmap of one index gets what that index
/// says.
pub fn fill(plan: &mut Plan) {
    for position in 0..plan.nodes.len() {
        let node = &plan.nodes[position];
        if node.kind == NodeKind::BitmapHeapScan {
            let bitmap =
                plan.child(node, Role::Outer).filter(|child| child.kind == NodeKind::BitmapIndexScan);
            if let Some(bitmap) = bitmap.cloned() {
                let heap = &mut plan.nodes[position];
                heap.index = bitmap.index;
                heap.index_rows = bitmap.index_rows;
                heap.index_conditions = bitmap.index_conditions;
            }
            continue;
        }
        if !matches!(node.kind, NodeKind::IndexScan | NodeKind::IndexOnlyScan) || node.filters.is_empty() {
            continue;
        }
        let Some(table) = plan.table(node) else { continue };
        let predicate = node.index.as_ref().and_then(|used| table.index(used.oid)?.predicate.as_deref());
        plan.nodes[position].index_rows = rows(table, &node.index_conditions, predicate);
    }
}

/// Rows that meet the conditions and that the index has.
fn rows(table: &TableFacts, conditions: &[Clause], predicate: Option<&str>) -> Option<f64> {
    let (joined, own): (Vec<&Clause>, Vec<&Clause>) =
        conditions.iter().partition(|clause| clause.has_parameter);
    let texts: Vec<&str> = own.iter().map(|clause| clause.text.as_str()).chain(predicate).collect();
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
