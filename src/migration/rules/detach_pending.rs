//! Partitions that are half detached.

use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};

/// `migration.detach_pending`: a DETACH CONCURRENTLY that was begun and not finished.
pub const DETACH_PENDING: Rule = Rule {
    id: "migration.detach_pending",
    dimension: Dimension::Migration,
    severity: Severity::Error,
    title: "Partition half detached",
    why: "New queries of the parent do not see its rows any more, and no other partition of the parent can be detached \
          concurrently until it is finished.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for table in snapshot.judged_tables() {
        (facts.interrupt)();
        verdicts.examine(u64::from(table.partitioning.is_some()));
    }
    let mut detaching: Vec<_> = snapshot.detaching.iter().copied().collect();
    detaching.sort_unstable();
    for oid in detaching {
        let Some(partition) = snapshot.relation(oid).filter(|partition| snapshot.is_judged(partition)) else {
            continue;
        };
        let Some(&parent) = snapshot.parents.get(&oid) else { continue };
        let (name, parent) = (snapshot.relation_name(oid), snapshot.relation_name(parent));
        let message =
            format!("partition {name} of {parent} is half detached: DETACH CONCURRENTLY was interrupted");
        let mut finding = Finding::new(name.clone(), snapshot.schema_name(partition.schema), message);
        finding.fix = Some(format!("ALTER TABLE {parent} DETACH PARTITION {name} FINALIZE;"));
        verdicts.find(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    #[test]
    fn what_is_half_detached_is_found_and_can_be_finished() {
        let mut sample = Sample::new();
        let (parent, first, second) =
            (sample.keyed_table("events"), sample.keyed_table("events_1"), sample.keyed_table("events_2"));
        sample.partition(parent, first);
        sample.partition(parent, second);
        sample.snapshot.detaching.insert(first);
        let (found, _, examined) = run(&DETACH_PENDING, &sample.finish());
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!(
            found[0].fix.as_deref(),
            Some("ALTER TABLE public.events DETACH PARTITION public.events_1 FINALIZE;")
        );
    }

    #[test]
    fn partitions_and_tables_are_right() {
        let mut sample = Sample::new();
        let (parent, first) = (sample.keyed_table("events"), sample.keyed_table("events_1"));
        sample.partition(parent, first);
        assert!(run(&DETACH_PENDING, &sample.finish()).0.is_empty());
    }
}
