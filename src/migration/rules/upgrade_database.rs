//! Databases that `pg_upgrade` cannot enter.

use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// `migration.database_blocks_upgrade`: a database of the cluster that lets nobody in.
pub const DATABASE_BLOCKS_UPGRADE: Rule = Rule {
    id: "migration.database_blocks_upgrade",
    dimension: Dimension::Migration,
    severity: Severity::Info,
    title: "Database that pg_upgrade cannot enter",
    why: "pg_upgrade dumps every database but template0 and refuses a cluster in which one allows no connections or was left \
          half dropped by an interrupted DROP DATABASE.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/pgupgrade.html#PGUPGRADE-NOTES",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    verdicts.examine(1);
    for (name, is_invalid) in &facts.snapshot.server.closed_databases {
        let quoted = quote_identifier(name);
        let finding = if *is_invalid {
            let message =
                format!("database {quoted} is half dropped: nothing but DROP DATABASE can be done with it");
            let mut finding = Finding::new(quoted.clone(), "", message);
            finding.fix = Some(format!("DROP DATABASE {quoted};"));
            finding
        } else {
            let message = format!("database {quoted} allows no connections: pg_upgrade refuses the cluster");
            Finding::new(quoted.clone(), "", message).fix(
                format!("ALTER DATABASE {quoted} ALLOW_CONNECTIONS true;"),
                format!("ALTER DATABASE {quoted} ALLOW_CONNECTIONS false;"),
            )
        };
        verdicts.find(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    #[test]
    fn closed_and_half_dropped_databases_are_found() {
        let mut sample = Sample::new();
        sample.snapshot.server.closed_databases = vec![("Old".into(), false), ("gone".into(), true)];
        let found = run(&DATABASE_BLOCKS_UPGRADE, &sample.finish()).0;
        assert_eq!(found[0].fix.as_deref(), Some("ALTER DATABASE \"Old\" ALLOW_CONNECTIONS true;"));
        assert_eq!((found[1].fix.as_deref(), &found[1].undo), (Some("DROP DATABASE gone;"), &None));
        assert!(run(&DATABASE_BLOCKS_UPGRADE, &Sample::new().finish()).0.is_empty());
    }
}
