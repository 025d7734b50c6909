//! Queries that take long, and much of the server's time.

use super::{FEWEST_CALLS, REFERENCE, whole};
use crate::finding::{Dimension, Facts, Rule, Severity, Threshold, Verdicts};
use crate::query::load::judge_each;

/// A query that takes long on average and a good part of the time that all queries take.
pub const SLOW_ON_AVERAGE: Rule = Rule {
    id: "query.slow_on_average",
    dimension: Dimension::Query,
    severity: Severity::Warning,
    title: "A query is slow and takes a good part of the server's time",
    why: "Somebody waits for it each time, and while it runs it keeps a connection, memory and old row versions.",
    thresholds: &[
        Threshold {
            name: "mean_ms",
            default: 500.0,
            range: (0.0, 1e9),
            meaning: "milliseconds of a run on average: half a second is where people begin to wait",
        },
        Threshold {
            name: "share",
            default: 0.05,
            range: (0.0, 1.0),
            meaning: "share of the time that all queries take together",
        },
        FEWEST_CALLS,
    ],
    reference: REFERENCE,
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    judge_each(facts, verdicts, |load, _, verdicts| {
        let is_slow = load.mean_ms() >= verdicts.threshold("mean_ms")
            && load.share >= verdicts.threshold("share")
            && load.calls >= verdicts.threshold("fewest_calls");
        is_slow.then(|| {
            load.finding(format!(
                "query {} takes {} ms on average ({} runs) and {:.0} % of the time of all queries: dbm.advise() says what would help",
                load.name(),
                whole(load.mean_ms()),
                whole(load.calls),
                load.share * 100.0
            ))
        })
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::Sample;
    use crate::query::load::testing::{findings, statement};

    #[test]
    fn what_is_slow_and_matters_is_found() {
        let found = findings(
            &SLOW_ON_AVERAGE,
            Sample::new(),
            vec![
                statement("SELECT slow", |statement| statement.total_ms = 900_000.0),
                statement("SELECT slow_but_rare", |statement| {
                    (statement.total_ms, statement.calls) = (9_000.0, 9.0);
                }),
                statement("SELECT fast", |statement| statement.total_ms = 91_000.0),
            ],
        );
        assert_eq!(
            found,
            [
                "query SELECT slow takes 900 ms on average (1,000 runs) and 90 % of the time of all queries: dbm.advise() says what would help"
            ]
        );
    }
}
