//! Something stands over an indexed column, so that the index is of no use (P04, P05).

use super::words::{percent, rounded, shortened};
use crate::catalog::plan::{Clause, Comparison, IndexFacts, Key, NodeKind, Wrapper};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::{Scan, Weighed};

/// A condition with a wrapped column, and the index on that column that it keeps idle.
struct Idle<'a> {
    scan: &'a Scan<'a>,
    clause: &'a Clause,
    key: &'a Key,
    wrapper: &'a Wrapper,
    index: &'a IndexFacts,
}

fn idle<'a>(scans: &'a [Scan<'a>]) -> Vec<Idle<'a>> {
    let mut found = Vec::new();
    for scan in scans.iter().filter(|scan| scan.matters()) {
        // What an index has already found is filtered cheaply.
        if scan.node.kind != NodeKind::SeqScan && scan.read <= 2.0 * scan.kept {
            continue;
        }
        for clause in &scan.node.filters {
            let Some(key) = &clause.key else { continue };
            let Some(wrapper) = &key.wrapper else { continue };
            // An index on the expression itself: that it is not used has another reason.
            if clause.fits.iter().any(|fit| fit.position == 0 && fit.obstacle.is_none()) {
                continue;
            }
            // The bare column would not be searched either.
            if !matches!(clause.comparison, Comparison::Equality | Comparison::Range | Comparison::AnyOf) {
                continue;
            }
            let leads = |index: &&IndexFacts| {
                index.is_valid
                    && index.method == "btree"
                    && index.keys.first().is_some_and(|first| first.column == key.column.column)
            };
            if let Some(index) = scan.table.indexes.iter().find(leads) {
                found.push(Idle { scan, clause, key, wrapper, index });
            }
        }
    }
    found
}

fn advice(idle: &Idle, rule: &'static str, message: String) -> Advice {
    Advice::new(Kind::RedFlag, Severity::Warning, rule, message)
        .evidence("table", idle.scan.name)
        .evidence("column", idle.key.column.name.clone())
        .evidence("condition", idle.clause.text.clone())
        .evidence("index", idle.index.name.clone())
        .evidence("cost_share", rounded(idle.scan.share))
}

pub fn wrapped(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let scans = weighed.scans();
    idle(&scans)
        .iter()
        .filter_map(|idle| {
            let column = &idle.key.column.name;
            let (what, remedy) = match idle.wrapper {
                Wrapper::ImplicitCast { .. } => return None,
                Wrapper::Function(name) => (
                    format!("{name}() stands over column {column}"),
                    format!("index the expression {}, or compare the bare column", idle.key.text),
                ),
                Wrapper::Cast(to) => (
                    format!("column {column} is cast to {to}"),
                    "cast what it is compared with instead".to_owned(),
                ),
                Wrapper::Operator(operator) => (
                    format!("operator {operator} stands over column {column}"),
                    match operator.as_str() {
                        "+" | "-" | "*" | "/" => "do the sum on the other side of the comparison".to_owned(),
                        _ => format!("index the expression {}", idle.key.text),
                    },
                ),
                Wrapper::Other => (
                    format!("an expression stands over column {column}"),
                    "compare the bare column".to_owned(),
                ),
            };
            let message = format!(
                "{} of {} cannot be searched by index {} because {what}, {} of the query's cost: {remedy}",
                shortened(&idle.clause.text),
                idle.scan.name,
                idle.index.name,
                percent(idle.scan.share),
            );
            Some(advice(idle, rule, message))
        })
        .collect()
}

pub fn implicit_cast(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let scans = weighed.scans();
    idle(&scans)
        .iter()
        .filter_map(|idle| {
            let Wrapper::ImplicitCast { from, to } = idle.wrapper else { return None };
            let message = format!(
                "column {}.{} is of type {from} but compared as {to} ({}), so that index {} is of no use, {} of the \
                 query's cost: give the value as {from}",
                idle.scan.name,
                idle.key.column.name,
                shortened(&idle.clause.text),
                idle.index.name,
                percent(idle.scan.share),
            );
            Some(advice(idle, rule, message).evidence("column_type", from.clone()).evidence("compared_as", to.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::plan::sample::{Sample, index, table, wrapped as over};
    use crate::catalog::plan::{Fit, Plan};
    use crate::query::red_flag::testing::{flagged, silent};

    const WRAPPED: &str = "query.column_wrapped";
    const CAST: &str = "query.implicit_cast";

    fn plan(columns: &[&str], clause: Clause) -> Plan {
        let mut people = table("public.people", 2_000.0, 100_000.0);
        people.indexes.push(index("public.by_name", columns));
        Sample::scan(people, 500.0, 2_500.0).filter(clause).done()
    }

    #[test]
    fn a_function_over_an_indexed_column() {
        let clause = over("name", "lower(name)", Wrapper::Function("lower".to_owned()));
        let advice = flagged(&plan(&["name"], clause.clone()), WRAPPED);
        assert!(advice.message.contains("because lower() stands over column name"), "{}", advice.message);
        silent(&plan(&["name"], clause.clone()), CAST);
        silent(&plan(&["town", "name"], clause), WRAPPED);
    }

    #[test]
    fn an_index_on_the_expression_is_another_matter() {
        let mut clause = over("name", "lower(name)", Wrapper::Function("lower".to_owned()));
        clause.fits.push(Fit { index: 1, position: 0, obstacle: None });
        silent(&plan(&["name"], clause), WRAPPED);
    }

    #[test]
    fn a_cast_that_nobody_wrote() {
        let cast = Wrapper::ImplicitCast { from: "bigint".to_owned(), to: "numeric".to_owned() };
        let advice = flagged(&plan(&["id"], over("id", "(id)::numeric", cast.clone())), CAST);
        assert!(advice.message.ends_with("give the value as bigint"), "{}", advice.message);
        silent(&plan(&["id"], over("id", "(id)::numeric", cast.clone())), WRAPPED);
        silent(&plan(&["name"], over("id", "(id)::numeric", cast)), CAST);
    }
}
