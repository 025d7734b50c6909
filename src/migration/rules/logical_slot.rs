//! Logical slots that an upgrade leaves behind.

use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// `migration.logical_slot_lost_by_upgrade`: before 17, `pg_upgrade` takes no logical slot along.
pub const LOGICAL_SLOT_LOST_BY_UPGRADE: Rule = Rule {
    id: "migration.logical_slot_lost_by_upgrade",
    dimension: Dimension::Migration,
    severity: Severity::Info,
    title: "Logical replication slot that pg_upgrade leaves behind",
    why: "pg_upgrade takes logical slots along from PostgreSQL 17 on. From an older cluster they are lost, and what \
          follows them (a subscriber, a change data capture) must be set up and filled again.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/logical-replication-upgrade.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let server = &facts.snapshot.server;
    verdicts.examine(1);
    if server.major_version() >= 17 {
        return;
    }
    for slot in &server.logical_slots {
        let name = quote_identifier(slot);
        let message = format!(
            "logical slot {name} is lost by pg_upgrade from PostgreSQL {}: who follows it must be filled again",
            server.major_version()
        );
        verdicts.find(Finding::new(name, "", message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    #[test]
    fn slots_are_lost_before_seventeen_only() {
        for (version, expected) in [(150_018, 1), (160_000, 1), (170_000, 0)] {
            let mut sample = Sample::new();
            sample.snapshot.server.version = version;
            sample.snapshot.server.logical_slots.push("debezium".into());
            assert_eq!(run(&LOGICAL_SLOT_LOST_BY_UPGRADE, &sample.finish()).0.len(), expected);
        }
    }
}
