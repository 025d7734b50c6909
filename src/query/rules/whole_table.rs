//! Queries that read a table whole for a few of its rows.

use super::{REFERENCE, whole};
use crate::finding::{Dimension, Facts, Rule, Severity, Threshold, Verdicts};
use crate::query::load::{Load, judge_each};
use crate::syntax::tokens::tokens;

/// A frequent query that reads about as many blocks as its largest table has, and returns few of its rows.
pub const READS_WHOLE_TABLE: Rule = Rule {
    id: "query.reads_whole_table",
    dimension: Dimension::Query,
    severity: Severity::Warning,
    title: "A frequent query reads a whole table for a few rows",
    why: "It takes longer with every row that is added, and pushes out of memory what other queries need.",
    thresholds: &[
        Threshold {
            name: "calls",
            default: 100.0,
            range: (1.0, 1e12),
            meaning: "runs from which on a query is frequent (as many scans as indexing.many_sequential_scans asks for)",
        },
        Threshold {
            name: "pages",
            default: 1_000.0,
            range: (1.0, 1e9),
            meaning: "pages of the table from which on reading all of it matters (8 MB)",
        },
        Threshold {
            name: "returned_share",
            default: 0.01,
            range: (0.0, 1.0),
            meaning: "share of the table's rows that the query returns at most; for more, reading all of it may be right",
        },
    ],
    reference: REFERENCE,
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    judge_each(facts, verdicts, |load, _, verdicts| {
        if load.calls < verdicts.threshold("calls") || !is_selective(load) {
            return None;
        }
        let tables = load.tables(snapshot);
        let table = tables.into_iter().max_by_key(|table| (table.pages, table.oid))?;
        let pages = f64::from(table.pages);
        let is_whole = pages >= verdicts.threshold("pages") && load.blocks_per_call() >= 0.9 * pages;
        let returned = load.rows_per_call() / f64::from(table.rows).max(1.0);
        if !is_whole || returned > verdicts.threshold("returned_share") {
            return None;
        }
        let message = format!(
            "query {} reads {} blocks on average, as many as {} has ({}), for {} of its rows ({} runs): dbm.advise() says which index would help",
            load.name(),
            whole(load.blocks_per_call()),
            snapshot.relation_name(table.oid),
            whole(pages),
            whole(load.rows_per_call()),
            whole(load.calls)
        );
        Some(load.finding(message).evidence("blocks_per_call", load.blocks_per_call().round()))
    });
}

/// Whether a condition chooses rows, and nothing needs all of those that it leaves to make few of them.
fn is_selective(load: &Load<'_>) -> bool {
    const GATHERS: [&str; 8] = ["group", "distinct", "count", "sum", "avg", "min", "max", "having"];
    let all = tokens(load.text);
    all.iter().any(|token| token.is("where")) && !all.iter().any(|token| token.is_any(&GATHERS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::Sample;
    use crate::query::load::testing::{findings, statement};

    fn sample() -> Sample {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        sample.edit_table(table, |table| (table.pages, table.rows) = (5_000, 1_000_000.0));
        sample.keyed_table("kinds");
        sample
    }

    #[test]
    fn a_table_read_for_a_few_rows_is_found() {
        let reads = |text: &str| statement(text, |statement| statement.blocks_hit = 5_100_000.0);
        let found = findings(
            &READS_WHOLE_TABLE,
            sample(),
            vec![
                reads("SELECT o.id FROM orders o, kinds WHERE o.name = $1"),
                reads("SELECT count(*) FROM orders WHERE name = $1"),
                reads("SELECT * FROM orders"),
                reads("SELECT * FROM kinds WHERE name = $1"),
                statement("SELECT * FROM orders WHERE id = $1", |_| ()),
                statement("SELECT * FROM orders WHERE kind = $1", |statement| {
                    (statement.blocks_hit, statement.rows) = (5_100_000.0, 500_000_000.0);
                }),
            ],
        );
        assert_eq!(
            found,
            [
                "query SELECT o.id FROM orders o, kinds WHERE o.name = $1 reads 5,100 blocks on average, as many as public.orders has (5,000), for 1 of its rows (1,000 runs): dbm.advise() says which index would help"
            ]
        );
    }
}
