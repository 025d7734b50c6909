//! Queries that sort or hash more than work_mem holds.

use super::{FEWEST_CALLS, whole};
use crate::finding::{Dimension, Facts, Rule, Severity, Threshold, Verdicts};
use crate::query::load::judge_each;
use crate::text::size::pretty_bytes;

/// A query that writes temporary files each time it runs.
pub const SPILLS_TO_DISK: Rule = Rule {
    id: "query.spills_to_disk",
    dimension: Dimension::Query,
    severity: Severity::Warning,
    title: "A query writes temporary files each time it runs",
    why: "It sorts or hashes more than work_mem holds, so that the disk does what memory would do many times faster.",
    thresholds: &[
        Threshold {
            name: "spilled_bytes",
            default: 1_048_576.0,
            range: (0.0, 1e15),
            meaning: "bytes of temporary files that a run writes on average (1 MB; the server's default work_mem is 4 MB)",
        },
        FEWEST_CALLS,
    ],
    reference: "https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-WORK-MEM",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let block = f64::from(facts.snapshot.server.block_size);
    judge_each(facts, verdicts, |load, _, verdicts| {
        let bytes = load.spilled * block / load.calls.max(1.0);
        if bytes < verdicts.threshold("spilled_bytes").max(1.0)
            || load.calls < verdicts.threshold("fewest_calls")
        {
            return None;
        }
        let message = format!(
            "query {} wrote {} of temporary files in each of {} runs: it needs less to sort or hash (an index in its order, fewer columns), or more work_mem",
            load.name(),
            pretty_bytes(bytes as u64),
            whole(load.calls)
        );
        Some(load.finding(message).evidence("spilled_bytes_per_call", bytes.round()))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::Sample;
    use crate::query::load::testing::{findings, statement};

    #[test]
    fn what_spills_in_each_run_is_found() {
        let found = findings(
            &SPILLS_TO_DISK,
            Sample::new(),
            vec![
                statement("SELECT a FROM t ORDER BY a", |statement| statement.blocks_spilled = 1_280_000.0),
                statement("SELECT b FROM t ORDER BY b", |statement| statement.blocks_spilled = 1_000.0),
                statement("SELECT once", |statement| {
                    (statement.blocks_spilled, statement.calls) = (1e6, 1.0)
                }),
            ],
        );
        assert_eq!(
            found,
            [
                "query SELECT a FROM t ORDER BY a wrote 10.0 MB of temporary files in each of 1,000 runs: it needs less to sort or hash (an index in its order, fewer columns), or more work_mem"
            ]
        );
    }
}
