//! The planner guesses: a column of a condition has no statistics, or old ones (P17).

use std::collections::HashMap;

use super::words::{count, percent, rounded, rows};
use crate::catalog::plan::{Clause, TableFacts};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::{WORTH_A_WORD, Weighed};

/// Tables so small need no statistics.
const SMALL: f64 = 1000.0;
/// Changed rows that make statistics old: as a share of the table, and in any case.
const CHANGED_SHARE: f64 = 0.1;
const CHANGED_ROWS: f64 = 1000.0;

/// A table whose columns some condition names.
struct Asked<'a> {
    table: &'a TableFacts,
    /// The columns, each once.
    columns: Vec<i16>,
    share: f64,
    tables: usize,
}

/// The tables that conditions are about, those of joins too, each once, partitions together.
fn asked<'a>(weighed: &Weighed<'a>) -> Vec<Asked<'a>> {
    let plan = weighed.plan;
    let mut found: Vec<Asked<'a>> = Vec::new();
    let mut places: HashMap<u32, usize> = HashMap::new();
    for node in &plan.nodes {
        let lists = [&node.filters, &node.index_conditions, &node.join_filters, &node.join_conditions];
        let clauses: Vec<&Clause> = lists.into_iter().flatten().collect();
        for column in clauses.iter().flat_map(|clause| &clause.columns) {
            let Some(table) = plan.tables.get(column.table).filter(|table| !table.is_system) else {
                continue;
            };
            let oid = table.root.as_ref().map_or(table.oid, |(oid, _)| *oid);
            let place = *places.entry(oid).or_insert_with(|| {
                found.push(Asked { table, columns: Vec::new(), share: 0.0, tables: 0 });
                found.len() - 1
            });
            let asked = &mut found[place];
            // Partitions may number their columns differently; the first one speaks for all.
            if asked.table.oid == table.oid && !asked.columns.contains(&column.column) {
                asked.columns.push(column.column);
            }
        }
    }
    for scan in weighed.scans() {
        let oid = scan.table.root.as_ref().map_or(scan.table.oid, |(oid, _)| *oid);
        if let Some(&place) = places.get(&oid) {
            found[place].share += scan.share;
            found[place].tables = scan.tables;
        }
    }
    found.retain(|asked| asked.share >= WORTH_A_WORD && asked.table.tuples > SMALL);
    found
}

pub fn missing(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    asked(weighed)
        .into_iter()
        .filter_map(|asked| {
            let table = asked.table;
            let columns: Vec<String> = asked
                .columns
                .iter()
                .filter_map(|&number| table.column(number))
                .filter(|column| !column.is_analysed)
                .map(|column| column.name.clone())
                .collect();
            if columns.is_empty() {
                return None;
            }
            let name = table.known_as();
            let (message, sql) = if table.is_analysed {
                let list = columns.join(", ");
                (
                    format!(
                        "there are no statistics of {} ({list}), which the query's conditions name: the planner guesses",
                        name
                    ),
                    format!("ANALYZE {name} ({list});"),
                )
            } else {
                (
                    format!(
                        "{name}, about {}, was never analysed: the planner guesses how many rows meet the query's \
                         conditions",
                        rows(table.tuples)
                    ),
                    format!("ANALYZE {name};"),
                )
            };
            Some(
                Advice::new(Kind::Statistics, Severity::Warning, rule, message)
                    .evidence("table", name)
                    .evidence("columns", columns)
                    .evidence("ever_analysed", table.is_analysed)
                    .evidence("cost_share", rounded(asked.share))
                    .sql(sql),
            )
        })
        .collect()
}

pub fn stale(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    asked(weighed)
        .into_iter()
        .filter_map(|asked| {
            let table = asked.table;
            let changed = table.changed_since_analyze?;
            if !table.is_analysed || changed <= CHANGED_SHARE * table.tuples + CHANGED_ROWS {
                return None;
            }
            let share = changed / table.tuples;
            Some(
                Advice::new(
                    Kind::Statistics,
                    Severity::Warning,
                    rule,
                    format!(
                        "{} changes were made to {} since it was last analysed, {} of its rows: the planner's estimates \
                         are of another table",
                        count(changed),
                        table.name,
                        percent(share.min(1.0)),
                    ),
                )
                .evidence("table", table.name.clone())
                .evidence("changed_since_analyze", changed)
                .evidence("rows", table.tuples)
                .evidence("cost_share", rounded(asked.share))
                .sql(format!("ANALYZE {};", table.name)),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::plan::Plan;
    use crate::catalog::plan::sample::{Sample, equals, table};
    use crate::query::red_flag::testing::{flagged, silent};

    const MISSING: &str = "query.statistics_missing";
    const STALE: &str = "query.statistics_stale";

    fn plan(change: impl FnOnce(&mut TableFacts)) -> Plan {
        Sample::scan(table("public.orders", 500.0, 50_000.0), 250.0, 900.0)
            .filter(equals("state", "'new'"))
            .plan(|plan| change(&mut plan.tables[0]))
            .done()
    }

    #[test]
    fn a_column_without_statistics() {
        let advice = flagged(&plan(|table| table.columns[0].is_analysed = false), MISSING);
        assert_eq!(advice.kind, Kind::Statistics);
        assert_eq!(advice.sql.as_deref(), Some("ANALYZE public.orders (state);"));
        silent(&plan(|_| ()), MISSING);
    }

    #[test]
    fn a_table_never_analysed() {
        let never = plan(|table| {
            table.columns[0].is_analysed = false;
            table.is_analysed = false;
        });
        assert_eq!(flagged(&never, MISSING).sql.as_deref(), Some("ANALYZE public.orders;"));
        silent(&never, STALE);
    }

    #[test]
    fn many_changes_since() {
        let advice = flagged(&plan(|table| table.changed_since_analyze = Some(30_000.0)), STALE);
        assert!(advice.message.contains("60 % of its rows"), "{}", advice.message);
        silent(&plan(|table| table.changed_since_analyze = Some(5_500.0)), STALE);
    }

    #[test]
    fn a_small_table_needs_none() {
        let small = plan(|table| {
            table.columns[0].is_analysed = false;
            table.tuples = 900.0;
        });
        silent(&small, MISSING);
    }
}
