//! Queries that return far more rows than anybody reads.

use super::{FEWEST_CALLS, REFERENCE, whole};
use crate::finding::{Dimension, Facts, Rule, Severity, Threshold, Verdicts};
use crate::query::load::judge_each;
use crate::syntax::tokens::{Token, tokens};

/// A SELECT without LIMIT that returns very many rows each time.
pub const RETURNS_MANY_ROWS: Rule = Rule {
    id: "query.returns_many_rows",
    dimension: Dimension::Query,
    severity: Severity::Info,
    title: "A query returns very many rows each time",
    why: "They are read, sent and held by the application, and it takes longer with every row that is added.",
    thresholds: &[
        Threshold {
            name: "rows_per_call",
            default: 100_000.0,
            range: (1.0, 1e12),
            meaning: "rows that a run returns on average: more than a page of any kind shows; an export may mean it",
        },
        FEWEST_CALLS,
    ],
    reference: REFERENCE,
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    judge_each(facts, verdicts, |load, _, verdicts| {
        let is_many = load.rows_per_call() >= verdicts.threshold("rows_per_call")
            && load.calls >= verdicts.threshold("fewest_calls")
            && is_unlimited(load.text);
        is_many.then(|| {
            load.finding(format!(
                "query {} returns {} rows on average ({} runs): give it a LIMIT and go on from the last row, or aggregate here",
                load.name(),
                whole(load.rows_per_call()),
                whole(load.calls)
            ))
        })
    });
}

/// Whether it is a SELECT that ends where its tables end.
fn is_unlimited(text: &str) -> bool {
    let all: Vec<Token<'_>> = tokens(text);
    all.first().is_some_and(|token| token.is_any(&["select", "with", "table", "values"]))
        && !all.iter().any(|token| token.is_any(&["limit", "fetch", "insert", "update", "delete", "merge"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::Sample;
    use crate::query::load::testing::{findings, statement};

    #[test]
    fn unlimited_results_are_found() {
        let large = |text: &str| statement(text, |statement| statement.rows = 200_000_000.0);
        let found = findings(
            &RETURNS_MANY_ROWS,
            Sample::new(),
            vec![
                large("SELECT * FROM t"),
                large("SELECT * FROM t LIMIT $1"),
                large("INSERT INTO t SELECT * FROM u"),
                statement("SELECT * FROM u", |_| ()),
            ],
        );
        assert_eq!(
            found,
            [
                "query SELECT * FROM t returns 200,000 rows on average (1,000 runs): give it a LIMIT and go on from the last row, or aggregate here"
            ]
        );
    }
}
