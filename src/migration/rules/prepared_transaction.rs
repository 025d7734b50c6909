//! Prepared transactions that nobody has ended.

use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::quote_literal;

const MINUTE: i64 = 60_000_000;

/// `migration.prepared_transaction`: PREPARE TRANSACTION, and nobody came back.
pub const PREPARED_TRANSACTION: Rule = Rule {
    id: "migration.prepared_transaction",
    dimension: Dimension::Migration,
    severity: Severity::Error,
    title: "Prepared transaction left behind",
    why: "It keeps its locks without a session, over a restart too: DDL on its tables waits until somebody ends it. VACUUM \
          removes no row that it might see, and pg_upgrade refuses the cluster.",
    thresholds: &[Threshold {
        name: "minutes",
        default: 60.0,
        range: (0.0, 525_600.0),
        meaning: "minutes since PREPARE TRANSACTION from which nobody is expected to come back; a transaction manager ends \
                  its own within seconds",
    }],
    reference: "https://www.postgresql.org/docs/current/sql-prepare-transaction.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let server = &facts.snapshot.server;
    verdicts.examine(1);
    let most = verdicts.threshold("minutes");
    for prepared in &server.prepared {
        let minutes = (server.now - prepared.at).max(0) / MINUTE;
        if (minutes as f64) < most {
            continue;
        }
        let name = quote_literal(&prepared.name);
        let age = match minutes {
            0..120 => format!("{minutes} minutes"),
            120..2880 => format!("{} hours", minutes / 60),
            _ => format!("{} days", minutes / 1440),
        };
        let message = format!(
            "transaction {name} of role {} was prepared {age} ago and holds its locks until COMMIT PREPARED or ROLLBACK PREPARED",
            prepared.owner
        );
        // Which of the two is right only its transaction manager knows.
        verdicts.find(Finding::new(&*prepared.name, "", message).evidence("minutes", minutes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Prepared;
    use crate::catalog::sample::{Sample, run};

    fn judge(minutes: i64) -> Vec<Finding> {
        let mut sample = Sample::new();
        let at = sample.snapshot.server.now - minutes * MINUTE;
        sample.snapshot.server.prepared = vec![Prepared { name: "it's".into(), owner: "app".into(), at }];
        run(&PREPARED_TRANSACTION, &sample.finish()).0
    }

    #[test]
    fn old_ones_are_found_and_new_ones_are_somebodys() {
        assert!(judge(59).is_empty());
        let found = judge(60);
        assert_eq!((found.len(), found[0].object.as_str(), &found[0].fix), (1, "it's", &None));
        assert!(found[0].message.starts_with("transaction 'it''s' of role app was prepared 60 minutes ago"));
        assert!(judge(60 * 24 * 3)[0].message.contains("3 days ago"));
    }
}
