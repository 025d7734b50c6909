//! The guard that does not stand at its door.

use crate::catalog::TriggerState;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// The event trigger by which the guard comes into sessions that did not preload it.
const EVENT_TRIGGER: &str = "dbmastery_ddl_guard";

/// `migration.guard_off`: unsafe DDL is neither refused nor warned of.
pub const GUARD_OFF: Rule = Rule {
    id: "migration.guard_off",
    dimension: Dimension::Migration,
    severity: Severity::Warning,
    title: "The DDL guard is off",
    why: "A DDL statement that rewrites a table or stops its writers runs without a word.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    // Older versions of the library have no guard, and then nobody has turned it off.
    let Some(guard) = snapshot.setting("dbm.ddl_guard") else { return };
    verdicts.examine(1);
    let database = quote_identifier(&snapshot.server.database);
    if guard == "off" {
        let message = format!("dbm.ddl_guard is off in database {database}: unsafe DDL runs without a word");
        verdicts.find(Finding::new(database.clone(), "", message).fix(
            format!("ALTER DATABASE {database} SET dbm.ddl_guard = 'warn';"),
            format!("ALTER DATABASE {database} RESET dbm.ddl_guard;"),
        ));
        return;
    }
    let trigger = snapshot.event_triggers.iter().find(|trigger| &*trigger.name == EVENT_TRIGGER);
    if !trigger.is_some_and(|trigger| matches!(trigger.state, TriggerState::Disabled | TriggerState::Replica))
    {
        return;
    }
    let Some(libraries) = snapshot.setting("shared_preload_libraries") else {
        let reason = format!(
            "event trigger {EVENT_TRIGGER} is disabled, and role {} may not see whether the library is preloaded: GRANT \
             pg_read_all_settings TO it",
            snapshot.server.role
        );
        return verdicts.unknown(EVENT_TRIGGER, "", reason);
    };
    if !is_preloaded(libraries) {
        let message = format!(
            "event trigger {EVENT_TRIGGER} of database {database} is disabled, and the library is not preloaded: the guard \
             sees no DDL"
        );
        verdicts.find(Finding::new(EVENT_TRIGGER, "", message).fix(
            format!("ALTER EVENT TRIGGER {EVENT_TRIGGER} ENABLE;"),
            format!("ALTER EVENT TRIGGER {EVENT_TRIGGER} DISABLE;"),
        ));
    }
}

fn is_preloaded(libraries: &str) -> bool {
    libraries.split(',').any(|library| library.trim().trim_matches('"').ends_with("dbmastery"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::{EventTrigger, Setting};

    fn judge(guard: Option<&str>, libraries: &str, state: Option<TriggerState>) -> Vec<Finding> {
        let mut sample = Sample::new();
        if let Some(guard) = guard {
            sample.snapshot.settings.insert("dbm.ddl_guard".into(), Setting { value: guard.into() });
        }
        sample
            .snapshot
            .settings
            .insert("shared_preload_libraries".into(), Setting { value: libraries.into() });
        if let Some(state) = state {
            sample.snapshot.event_triggers.push(EventTrigger {
                name: EVENT_TRIGGER.into(),
                state,
                ..EventTrigger::default()
            });
        }
        run(&GUARD_OFF, &sample.finish()).0
    }

    #[test]
    fn a_guard_that_is_off_or_shut_out_is_found() {
        assert_eq!(judge(Some("off"), "dbmastery", None)[0].object, "shop");
        let found = judge(Some("warn"), "", Some(TriggerState::Disabled));
        assert_eq!(found[0].fix.as_deref(), Some("ALTER EVENT TRIGGER dbmastery_ddl_guard ENABLE;"));
    }

    #[test]
    fn a_guard_that_sees_ddl_is_right() {
        for (guard, libraries, state) in [
            (None, "", None),
            (Some("warn"), "", Some(TriggerState::Origin)),
            (Some("enforce"), "", Some(TriggerState::Always)),
            (Some("warn"), "pg_stat_statements, dbmastery", Some(TriggerState::Disabled)),
            (Some("warn"), "", None),
        ] {
            assert!(judge(guard, libraries, state).is_empty(), "{guard:?} {libraries} {state:?}");
        }
    }
}
