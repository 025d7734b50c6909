//! Triggers, rules and views: locks that are held for a moment, and what they protect.

use super::words::{alteration, moment, stored, under_mode};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Alteration, DroppedKind, Kind, TriggerScope};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::quote_identifier;

/// CREATE TRIGGER.
pub const CREATE: DdlRule = DdlRule {
    id: "ddl.create_trigger",
    severity: Severity::Warning,
    title: "A trigger is created",
    why: "Writers wait while the statement queues for SHARE ROW EXCLUSIVE; from then on each write does what the trigger does.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-createtrigger.html",
    exempt: Exempt::Private,
    check: create,
};

/// DROP TRIGGER.
pub const DROP: DdlRule = DdlRule {
    id: "ddl.drop_trigger",
    severity: Severity::Warning,
    title: "A trigger is dropped",
    why: "Readers and writers wait while the statement queues for ACCESS EXCLUSIVE; what the trigger kept right is not kept any more.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-droptrigger.html",
    exempt: Exempt::Private,
    check: drop,
};

/// DISABLE TRIGGER.
pub const DISABLE: DdlRule = DdlRule {
    id: "ddl.disable_trigger",
    severity: Severity::Warning,
    title: "Triggers are disabled",
    why: "For every session, not only for this one: rows written meanwhile are never looked at again; ALL disables foreign keys, too.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DISABLE-ENABLE-TRIGGER",
    exempt: Exempt::Private,
    check: disable,
};

/// CREATE RULE, CREATE POLICY, DROP of either, ENABLE RULE, DISABLE RULE.
pub const RULE_OR_POLICY: DdlRule = DdlRule {
    id: "ddl.change_rule_or_policy",
    severity: Severity::Warning,
    title: "A rule or a policy of a table changes",
    why: "Readers and writers wait while the statement queues for ACCESS EXCLUSIVE; queries of the table mean something else from then on.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-rowsecurity.html",
    exempt: Exempt::Private,
    check: rule_or_policy,
};

/// CREATE OR REPLACE VIEW.
pub const REPLACE_VIEW: DdlRule = DdlRule {
    id: "ddl.create_or_replace_view",
    severity: Severity::Info,
    title: "A view is replaced",
    why: "Whoever queries the view waits while the statement queues for ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-createview.html",
    exempt: Exempt::Private,
    check: replace_view,
};

fn create(asked: &Asked<'_>) -> Option<Found> {
    let Kind::CreateTrigger { name, .. } = &asked.action.kind else { return None };
    let table = asked.target()?;
    let mode = asked.action.lock_mode().unwrap_or(LockMode::ShareRowExclusive);
    let message = format!(
        "the trigger {} is created on {} {}",
        quote_identifier(name),
        table.qualified(),
        under_mode(mode)
    );
    Some(moment(asked, message))
}

fn drop(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Drop(dropped) = &asked.action.kind else { return None };
    if dropped.kind != DroppedKind::Trigger || !dropped.is_there {
        return None;
    }
    let table = asked.target()?;
    let mode = asked.action.lock_mode().unwrap_or(LockMode::AccessExclusive);
    let message =
        format!("the trigger {} is dropped {} on {}", dropped.name, under_mode(mode), table.qualified());
    Some(moment(asked, message))
}

fn disable(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::Trigger { scope, is_enabled: false } = alteration(asked)? else { return None };
    let table = stored(asked).or_else(|| asked.target())?.qualified();
    let what = match scope {
        TriggerScope::Named(name) => format!("the trigger {} of {table} is", quote_identifier(name)),
        TriggerScope::User => format!("all triggers of users on {table} are"),
        TriggerScope::All => format!("all triggers of {table}, those that keep foreign keys included, are"),
    };
    let mut found = Found::new(
        Effect::Breaks,
        format!("{what} disabled for every session: rows written meanwhile are never looked at again"),
    );
    if *scope == TriggerScope::All {
        found.severity = Some(Severity::Error);
    }
    Some(
        found.safe("SET LOCAL session_replication_role = 'replica'").note(
            "that disables triggers for one transaction alone; it takes a superuser or SET ON PARAMETER",
        ),
    )
}

fn rule_or_policy(asked: &Asked<'_>) -> Option<Found> {
    let is_changed = match &asked.action.kind {
        Kind::CreateRuleOrPolicy | Kind::Alter(Alteration::Rule) => true,
        Kind::Drop(dropped) => dropped.kind == DroppedKind::RuleOrPolicy && dropped.is_there,
        _ => false,
    };
    let target = asked.target().filter(|_| is_changed)?;
    let mode = asked.action.lock_mode().unwrap_or(LockMode::AccessExclusive);
    Some(moment(asked, format!("a rule or a policy of {} changes {}", target.qualified(), under_mode(mode))))
}

fn replace_view(asked: &Asked<'_>) -> Option<Found> {
    if asked.action.kind != (Kind::CreateView { replaces: true }) {
        return None;
    }
    let view = asked.target()?;
    let mode = asked.action.lock_mode().unwrap_or(LockMode::AccessExclusive);
    Some(moment(asked, format!("{} is replaced {}", view.qualified(), under_mode(mode))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ddl::DropObject;
    use crate::migration::judge::sample::{Case, new_table, relation, table};

    #[test]
    fn writers_wait_for_a_new_trigger() {
        let kind = Kind::CreateTrigger { name: "tr".into(), is_constraint: false, is_replace: false };
        let case =
            Case::new(kind).on(table("acct"), LockMode::ShareRowExclusive).text("", "CREATE TRIGGER tr …");
        let found = case.fires(CREATE.id);
        assert_eq!(
            found.message,
            "the trigger tr is created on public.acct under SHARE ROW EXCLUSIVE: writers wait"
        );
        assert!(found.safe.is_empty());
        let unset = case.clone().within(|session| session.timeouts.lock = 0).fires(CREATE.id);
        assert_eq!(unset.safe, ["SET lock_timeout = '2s'", "CREATE TRIGGER tr …"]);
        case.on(new_table("acct"), LockMode::ShareRowExclusive).is_silent(CREATE.id);
    }

    fn dropped(kind: DroppedKind, is_there: bool) -> Case {
        Case::new(Kind::Drop(DropObject { is_there, ..DropObject::new(kind, "tr") }))
            .on(table("acct"), LockMode::AccessExclusive)
    }

    #[test]
    fn a_trigger_that_is_there_is_dropped() {
        dropped(DroppedKind::Trigger, true).fires(DROP.id);
        dropped(DroppedKind::Trigger, false).is_silent(DROP.id);
        dropped(DroppedKind::RuleOrPolicy, true).is_silent(DROP.id);
    }

    #[test]
    fn disabling_all_is_worse() {
        let set = |scope, is_enabled| Case::alter(Alteration::Trigger { scope, is_enabled });
        let named = set(TriggerScope::Named("tr".into()), false);
        assert_eq!(named.severity(DISABLE.id), Some(Severity::Warning));
        assert_eq!(set(TriggerScope::All, false).severity(DISABLE.id), Some(Severity::Error));
        set(TriggerScope::User, false).fires(DISABLE.id);
        set(TriggerScope::All, true).is_silent(DISABLE.id);
    }

    #[test]
    fn rules_and_policies() {
        dropped(DroppedKind::RuleOrPolicy, true).fires(RULE_OR_POLICY.id);
        Case::alter(Alteration::Rule).fires(RULE_OR_POLICY.id);
        Case::new(Kind::CreateRuleOrPolicy)
            .on(table("acct"), LockMode::AccessExclusive)
            .fires(RULE_OR_POLICY.id);
        dropped(DroppedKind::Trigger, true).is_silent(RULE_OR_POLICY.id);
    }

    #[test]
    fn a_view_that_is_there_is_replaced() {
        use crate::catalog::ddl::TouchedKind;
        let create = |replaces| {
            Case::new(Kind::CreateView { replaces })
                .on(relation("av", TouchedKind::View), LockMode::AccessExclusive)
        };
        create(true).fires(REPLACE_VIEW.id);
        create(false).is_silent(REPLACE_VIEW.id);
    }
}
