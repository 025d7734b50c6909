//! Sets that upkeep cannot keep, or that nobody keeps though somebody should.

use super::{each_set, maintain, standing};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::partition::status::span;

const HOUR: f64 = 3_600_000_000.0;

/// `schema.partition_set_failing`: passes fail one after the other, or none are made.
pub const PARTITION_SET_FAILING: Rule = Rule {
    id: "schema.partition_set_failing",
    dimension: Dimension::Schema,
    severity: Severity::Error,
    title: "Partition set whose upkeep fails",
    why: "No partitions are made and none go, and nobody notices until the last partition ends.",
    thresholds: &[
        Threshold {
            name: "failures",
            default: 3.0,
            range: (1.0, 1_000.0),
            meaning: "passes that failed in a row from which it is told of; one or two may have met a lock",
        },
        Threshold {
            name: "hours",
            default: 24.0,
            range: (1.0, 10_000.0),
            meaning: "hours that something has been due without anybody trying from which it is told of",
        },
    ],
    reference: "https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let most = verdicts.threshold("failures") as i32;
    let longest = (verdicts.threshold("hours") * HOUR) as i64;
    each_set(facts, |table, set, stored| {
        let Some(stored) = stored.filter(|stored| stored.is_enabled) else { return };
        verdicts.examine(1);
        let name = snapshot.relation_name(table.oid);
        let unattended = standing(snapshot, set, Some(stored)).unattended.filter(|&time| time >= longest);
        let message = if stored.failures >= most {
            let why = stored.last_result.as_deref().unwrap_or("no reason was written down");
            format!("upkeep of {name} failed {} times in a row: {why}", stored.failures)
        } else if let Some(time) = unattended {
            format!("upkeep of {name} has been due for {} and nobody tried: no worker runs", span(time))
        } else {
            return;
        };
        let mut finding = Finding::new(name, snapshot.schema_name(table.schema), message)
            .evidence("failures", stored.failures);
        finding.fix = Some(maintain(set));
        verdicts.find(finding);
    });
}

#[cfg(test)]
mod tests {
    use super::super::sample::{TODAY, days, kept, messages, run_of_days};
    use super::*;
    use crate::partition::set::StoredPolicy;

    #[test]
    fn failures_in_a_row_and_a_dead_worker_are_found() {
        let (sample, set) = days(&run_of_days(90, TODAY + 5));
        let policy =
            StoredPolicy { failures: 3, last_result: Some("permission denied".to_owned()), ..kept(&set) };
        assert_eq!(
            messages(&PARTITION_SET_FAILING, sample, set, Some(policy)),
            ["upkeep of public.events failed 3 times in a row: permission denied"]
        );
        let (sample, set) = days(&run_of_days(90, TODAY + 2));
        let policy = StoredPolicy { last_run: Some(0), ..kept(&set) };
        // Four ahead were last there on day 97.
        let found = messages(&PARTITION_SET_FAILING, sample, set, Some(policy));
        assert_eq!(
            found,
            ["upkeep of public.events has been due for 2 days and nobody tried: no worker runs"]
        );
    }

    #[test]
    fn one_failure_and_what_is_not_due_are_right() {
        let (sample, set) = days(&run_of_days(90, TODAY + 5));
        let policy = StoredPolicy { failures: 1, ..kept(&set) };
        assert!(messages(&PARTITION_SET_FAILING, sample, set, Some(policy)).is_empty());
        let (sample, set) = days(&run_of_days(90, TODAY + 5));
        let policy = StoredPolicy { last_run: Some(0), ..kept(&set) };
        assert!(messages(&PARTITION_SET_FAILING, sample, set, Some(policy)).is_empty());
        let (sample, set) = days(&run_of_days(90, TODAY + 1));
        let policy = StoredPolicy { is_enabled: false, failures: 9, ..kept(&set) };
        assert!(messages(&PARTITION_SET_FAILING, sample, set, Some(policy)).is_empty());
    }
}
