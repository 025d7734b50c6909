//! Whether the values of columns go together, seen in a sample of the table, read with the caller's rights.

use pgrx::pg_sys;

use crate::catalog::plan::{Clause, Comparison, Correlation, Node, NodeKind, Plan, TableFacts};
use crate::pg::isolation::isolated;
use crate::pg::query;

/// Rows to sample.
const SAMPLE: f64 = 30_000.0;
/// Tables so small, and nodes of so small a share of the cost, are not worth it.
const SMALL: f64 = 1_000.0;
const CHEAP: f64 = 0.1;
/// Tables to sample for one query at the most.
const TABLES: usize = 4;

/// Fills `correlations` of the tables on which the query equates two columns or more with constants.
pub fn fill(plan: &mut Plan) {
    let total = plan.nodes.first().map_or(0.0, |top| top.total_cost);
    let mut sampled = 0;
    for position in 0..plan.nodes.len() {
        let node = &plan.nodes[position];
        let (Some(number), Some(table)) = (node.table, plan.table(node)) else { continue };
        if node.kind == NodeKind::BitmapIndexScan || node.total_cost < CHEAP * total || table.tuples <= SMALL
        {
            continue;
        }
        let clauses = equalities(plan, node, table);
        let columns: Vec<i16> =
            clauses.iter().filter_map(|clause| Some(clause.plain_column()?.column)).collect();
        let is_known =
            table.extended_statistics.iter().any(|known| columns.iter().all(|column| known.contains(column)));
        if columns.len() < 2 || is_known || table.is_system || table.root.is_some() || sampled >= TABLES {
            continue;
        }
        sampled += 1;
        if let Some(correlation) = measured(table, &clauses, columns) {
            plan.tables[number].correlations.push(correlation);
        }
    }
}

/// The conditions `column = constant` of a scan, one for each column, that call nothing of a user's.
fn equalities(plan: &Plan, node: &Node, table: &TableFacts) -> Vec<Clause> {
    let mut found: Vec<Clause> = Vec::new();
    let bitmaps = plan.below(node).into_iter().flat_map(|below| &below.index_conditions);
    for clause in node.filters.iter().chain(bitmaps) {
        let Some(column) = clause.plain_column() else { continue };
        // SAFETY: a look-up in the catalogs.
        let type_oid = unsafe { pg_sys::get_atttype(pg_sys::Oid::from(table.oid), column.column) };
        let is_new = found.iter().all(|known| known.plain_column() != Some(column));
        if clause.comparison == Comparison::Equality
            && clause.is_builtin
            && clause.value.is_some()
            && type_oid.to_u32() < pg_sys::FirstNormalObjectId
            && is_new
        {
            found.push(clause.clone());
        }
    }
    found
}

fn measured(table: &TableFacts, clauses: &[Clause], columns: Vec<i16>) -> Option<Correlation> {
    let percent = (100.0 * SAMPLE / table.tuples).clamp(0.0001, 100.0);
    let texts: Vec<&str> = clauses.iter().map(|clause| clause.text.as_str()).collect();
    let together = texts.join(" AND ");
    let counts: Vec<String> = std::iter::once(together.as_str())
        .chain(texts)
        .map(|condition| format!("(pg_catalog.count(*) FILTER (WHERE {condition}))::pg_catalog.float8"))
        .collect();
    let sql = format!(
        "SELECT pg_catalog.count(*)::pg_catalog.float8, {} FROM ONLY {} TABLESAMPLE pg_catalog.system ({percent}) \
         REPEATABLE (1)",
        counts.join(", "),
        table.name,
    );
    let mut answer: Vec<f64> = Vec::new();
    let outcome = isolated(&mut || {
        let count = clauses.len() + 2;
        let rows = query::rows(&sql, &[], |row| {
            (1..=count)
                .map(|place| Ok(row.get::<f64>(place)?.unwrap_or(0.0)))
                .collect::<Result<Vec<f64>, _>>()
        });
        answer = rows.into_iter().next().unwrap_or_default();
    });
    outcome.ok()?;
    let (&sampled, &together) = (answer.first()?, answer.get(1)?);
    if sampled <= 0.0 {
        return None;
    }
    let assumed = answer.iter().skip(2).map(|single| single / sampled).product();
    Some(Correlation { columns, measured: together / sampled, assumed, sampled })
}
