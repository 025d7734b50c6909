//! The audit's rules about partition sets, whether we keep them or somebody else does.

mod ends_soon;
mod gap;
mod overdue;
mod set_failing;
mod too_many;

pub use ends_soon::PARTITION_ENDS_SOON;
pub use gap::PARTITION_GAP;
pub use overdue::RETENTION_OVERDUE;
pub use set_failing::PARTITION_SET_FAILING;
pub use too_many::TOO_MANY_PARTITIONS;

use super::set::{Set, StoredPolicy};
use super::status::{Status, Subject, status};
use super::zone::Utc;
use crate::catalog::{EPOCH_DIFFERENCE, Relation, Snapshot};
use crate::finding::{Facts, Rule};
use crate::text::quote_literal;

/// All rules of this room.
pub const RULES: &[Rule] =
    &[PARTITION_ENDS_SOON, PARTITION_GAP, TOO_MANY_PARTITIONS, RETENTION_OVERDUE, PARTITION_SET_FAILING];

/// Microseconds since 2000-01-01 00:00 UTC.
fn now(snapshot: &Snapshot) -> i64 {
    snapshot.server.now.saturating_sub(EPOCH_DIFFERENCE)
}

/// Looks at each partitioned table that is the users' own.
fn each_set<'a>(facts: &Facts<'a>, mut look: impl FnMut(&'a Relation, &'a Set, Option<&'a StoredPolicy>)) {
    let snapshot = facts.snapshot;
    for table in snapshot.judged_tables_and_partitions() {
        (facts.interrupt)();
        if table.partitioning.is_none() {
            continue;
        }
        let sets = &snapshot.partition_sets;
        let Ok(place) = sets.binary_search_by_key(&table.oid, |set| set.parent) else { continue };
        let policies = &snapshot.partition_policies;
        let policy = policies.binary_search_by_key(&table.oid, |policy| policy.parent).ok();
        look(table, &sets[place], policy.and_then(|place| policies.get(place)));
    }
}

/// How a set stands. Zones are left aside: they move an edge by hours, and these rules speak of days.
fn standing(snapshot: &Snapshot, set: &Set, stored: Option<&StoredPolicy>) -> Status {
    status(&Subject { set, stored, now: now(snapshot), zone: Some(&Utc), default_rows: None })
}

/// The repair of what upkeep will repair.
fn maintain(set: &Set) -> String {
    format!("SELECT * FROM dbm.partition_maintain({});", quote_literal(&set.qualified()))
}

#[cfg(test)]
mod sample {
    use crate::catalog::sample::Sample;
    use crate::partition::key::KeyKind;
    use crate::partition::sample::{set_of, stored};
    use crate::partition::set::{Set, StoredPolicy};

    /// Noon of day 100 after 2000-01-01.
    pub const TODAY: i64 = 100;

    /// A sample whose clock shows noon of [`TODAY`], with a table `events` cut into these days.
    pub fn days(ranges: &[(i64, i64)]) -> (Sample, Set) {
        let mut sample = Sample::new();
        sample.snapshot.server.now = super::EPOCH_DIFFERENCE + TODAY * 86_400_000_000 + 43_200_000_000;
        let parent = sample.keyed_table("events");
        sample.edit_table(parent, |table| {
            table.partitioning.get_or_insert_default().strategy = 'r';
        });
        let mut set = set_of("events", KeyKind::Date, ranges);
        set.parent = parent;
        (sample, set)
    }

    /// How it is kept: by days, four ahead, and last yesterday.
    pub fn kept(set: &Set) -> StoredPolicy {
        StoredPolicy {
            parent: set.parent,
            last_run: Some(super::EPOCH_DIFFERENCE + (TODAY - 1) * 86_400_000_000),
            ..stored("date", "1 day", "2000-01-01")
        }
    }

    /// Days from one up to another.
    pub fn run_of_days(from: i64, to: i64) -> Vec<(i64, i64)> {
        (from..to).map(|day| (day, day + 1)).collect()
    }

    /// The messages of a rule on one set.
    pub fn messages(
        rule: &crate::finding::Rule,
        sample: Sample,
        set: Set,
        policy: Option<StoredPolicy>,
    ) -> Vec<String> {
        findings(rule, sample, set, policy).into_iter().map(|finding| finding.message).collect()
    }

    /// The findings of a rule on one set.
    pub fn findings(
        rule: &crate::finding::Rule,
        mut sample: Sample,
        set: Set,
        policy: Option<StoredPolicy>,
    ) -> Vec<crate::finding::Finding> {
        sample.snapshot.partition_sets.push(set);
        sample.snapshot.partition_policies.extend(policy);
        crate::catalog::sample::run(rule, &sample.finish()).0
    }
}
