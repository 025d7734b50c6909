//! Sets whose retention is not kept.

use super::{each_set, maintain, standing};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};

/// `schema.retention_overdue`: what should be gone is still there.
pub const RETENTION_OVERDUE: Rule = Rule {
    id: "schema.retention_overdue",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Partitions older than their retention",
    why: "What was to be deleted is kept: the disk fills, and a promise to delete personal data is not held.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    each_set(facts, |table, set, stored| {
        let Some(stored) = stored.filter(|stored| stored.is_enabled) else { return };
        verdicts.examine(1);
        let overdue = standing(snapshot, set, Some(stored)).overdue;
        if overdue == 0 {
            return;
        }
        let name = snapshot.relation_name(table.oid);
        let many = if overdue == 1 { "1 partition".to_owned() } else { format!("{overdue} partitions") };
        let last = stored
            .last_result
            .as_deref()
            .map_or(String::new(), |result| format!("; the last pass: {result}"));
        let message = format!("{name} has {many} older than its retention{last}");
        let mut finding =
            Finding::new(name, snapshot.schema_name(table.schema), message).evidence("partitions", overdue);
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
    fn what_is_long_too_old_is_found() {
        let (sample, set) = days(&run_of_days(90, TODAY + 5));
        let policy = StoredPolicy { retention: Some((0, 5, 0)), ..kept(&set) };
        assert_eq!(
            messages(&RETENTION_OVERDUE, sample, set, Some(policy)),
            ["public.events has 4 partitions older than its retention"]
        );
    }

    #[test]
    fn what_is_just_due_and_what_is_kept_for_ever_is_right() {
        let (sample, set) = days(&run_of_days(TODAY - 6, TODAY + 5));
        let policy = StoredPolicy { retention: Some((0, 5, 0)), ..kept(&set) };
        assert!(messages(&RETENTION_OVERDUE, sample, set, Some(policy)).is_empty());
        let (sample, set) = days(&run_of_days(0, TODAY + 5));
        let policy = kept(&set);
        assert!(messages(&RETENTION_OVERDUE, sample, set, Some(policy)).is_empty());
        let (sample, set) = days(&run_of_days(0, TODAY + 5));
        assert!(messages(&RETENTION_OVERDUE, sample, set, None).is_empty());
    }
}
