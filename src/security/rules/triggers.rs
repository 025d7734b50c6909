//! Triggers whose code somebody else decides, and those that guard and are off.

use super::third_party::ThirdParties;
use super::words::rights;
use crate::catalog::{Snapshot, TriggerState};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// `security.trigger_function_of_others`: writing into a table runs a third role's code.
pub const TRIGGER_FUNCTION_OF_OTHERS: Rule = Rule {
    id: "security.trigger_function_of_others",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Trigger whose function belongs to a third role",
    why: "Whoever writes a row runs the function with his own rights. Its owner may replace the body at any time, and waits for \
          somebody with more rights to write.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-createtrigger.html",
    check: of_others,
};

fn of_others(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    let third = ThirdParties::new(snapshot, &rights, facts.interrupt);
    for table in snapshot.judged_tables_and_partitions() {
        (facts.interrupt)();
        verdicts.examine(u64::from(!table.is_partition));
        for trigger in snapshot.triggers_of(table.oid).iter().filter(|trigger| !trigger.is_internal) {
            let Some(function) = snapshot.function(trigger.function) else { continue };
            let is_above = table.is_partition
                && snapshot.parents.get(&table.oid).is_some_and(|&parent| {
                    snapshot.triggers_of(parent).iter().any(|above| above.name == trigger.name)
                });
            if is_above || !third.is_third(function, table.owner) {
                continue;
            }
            let Some(logins) = third.logins(function) else { continue };
            let name = facts
                .definitions
                .function_signature(function.oid)
                .unwrap_or_else(|| snapshot.qualified(function.schema, &function.name));
            let object =
                format!("{} on {}", quote_identifier(&trigger.name), snapshot.relation_name(table.oid));
            let (owner, other) = (rights.name(table.owner), rights.name(function.owner));
            let message = format!(
                "trigger {object} runs {name} of role {other}, who neither owns the table nor is a superuser, as whoever writes"
            );
            let finding = Finding::new(object, snapshot.schema_name(table.schema), message)
                .severity(ThirdParties::severity(&logins))
                .evidence("logins", logins);
            verdicts.find(third.given_to(finding, function, &name, &owner));
        }
    }
}

/// `security.event_trigger_unsafe`: an event trigger that is off, or whose function a role may replace.
pub const EVENT_TRIGGER_UNSAFE: Rule = Rule {
    id: "security.event_trigger_unsafe",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Event trigger that is off, or that a role may replace",
    why: "It runs with the rights of whoever changes the schema, superusers among them: who owns its function runs what he likes. \
          One that is off guards nothing.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/event-triggers.html",
    check: event_trigger,
};

fn event_trigger(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for trigger in &snapshot.event_triggers {
        (facts.interrupt)();
        // The guard's own has a rule of its own, migration.guard_off.
        if &*trigger.name == "dbmastery_ddl_guard" {
            continue;
        }
        verdicts.examine(1);
        let name = quote_identifier(&trigger.name);
        let function = snapshot.function(trigger.function);
        if let Some(function) = function.filter(|function| !rights.is_superuser(function.owner)) {
            let signature = facts
                .definitions
                .function_signature(function.oid)
                .unwrap_or_else(|| snapshot.qualified(function.schema, &function.name));
            let owner = rights.name(function.owner);
            let to = superuser(snapshot);
            let message = format!(
                "event trigger {name} runs {signature}, which role {owner} may replace, as whoever changes the schema"
            );
            verdicts.find(Finding::new(name, "", message).fix(
                format!("ALTER FUNCTION {signature} OWNER TO {to};"),
                format!("ALTER FUNCTION {signature} OWNER TO {owner};"),
            ));
        } else if let Some((severity, why)) = out_of_force(&trigger.name, trigger.state) {
            let to = if is_of_trail(&trigger.name) { "ENABLE ALWAYS" } else { "ENABLE" };
            let message = format!("event trigger {name} {why}");
            verdicts.find(Finding::new(name.clone(), "", message).severity(severity).fix(
                format!("ALTER EVENT TRIGGER {name} {to};"),
                format!("ALTER EVENT TRIGGER {name} {};", trigger.state.action()),
            ));
        }
    }
}

/// The audit trail's own, which have to see what replication does, too.
fn is_of_trail(name: &str) -> bool {
    name.starts_with("dbmastery_audit_trail")
}

/// Why an event trigger does not do what it is there for, and how bad that is.
fn out_of_force(name: &str, state: TriggerState) -> Option<(Severity, &'static str)> {
    match state {
        TriggerState::Disabled if is_of_trail(name) => Some((
            Severity::Error,
            "is disabled: tables can be made, or leave the audit trail, and nobody is told",
        )),
        TriggerState::Disabled => {
            Some((Severity::Warning, "is disabled: what it guards or records goes past it"))
        }
        TriggerState::Replica => Some((
            if is_of_trail(name) { Severity::Error } else { Severity::Warning },
            "fires for replication alone: what everybody else does goes past it",
        )),
        TriggerState::Origin if is_of_trail(name) => Some((
            Severity::Warning,
            "does not fire under session_replication_role = replica: triggers of the audit trail can be dropped unseen",
        )),
        TriggerState::Origin | TriggerState::Always => None,
    }
}

/// The superuser that the cluster was made by, or the first there is.
fn superuser(snapshot: &Snapshot) -> String {
    let mut superusers: Vec<_> = snapshot.roles.iter().filter(|role| role.is_superuser).collect();
    superusers.sort_by_key(|role| role.oid);
    superusers.first().map_or_else(|| "CURRENT_USER".to_owned(), |role| quote_identifier(&role.name))
}

/// `security.audit_trigger_off`: changes that the audit trail does not see.
pub const AUDIT_TRIGGER_OFF: Rule = Rule {
    id: "security.audit_trigger_off",
    dimension: Dimension::Security,
    severity: Severity::Critical,
    title: "Audit trigger that is switched off",
    why: "Changes are made and nothing records them, while everybody believes that the trail is whole.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DISABLE-ENABLE-TRIGGER",
    check: audit_trigger,
};

/// `pg_proc`'s OID.
const FUNCTION_CLASS: u32 = 1255;

fn audit_trigger(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let own = snapshot.namespaces.values().find(|schema| &*schema.name == "dbm").map(|schema| schema.oid);
    for table in snapshot.judged_tables_and_partitions() {
        (facts.interrupt)();
        verdicts.examine(u64::from(!table.is_partition));
        for trigger in snapshot.triggers_of(table.oid) {
            // The trail's are made so that they fire for whoever writes, replication included.
            if trigger.is_internal || trigger.state == TriggerState::Always {
                continue;
            }
            let Some(function) = snapshot.function(trigger.function) else { continue };
            let writes_trail = Some(function.schema) == own
                && snapshot.is_extension_member(FUNCTION_CLASS, function.oid)
                && (function.name.contains("trail") || function.name.contains("audit"));
            if !writes_trail {
                continue;
            }
            let (name, quoted) = (snapshot.relation_name(table.oid), quote_identifier(&trigger.name));
            let only = if table.partitioning.is_some() { "ONLY " } else { "" };
            let was = trigger.state.action();
            let (severity, what) = match trigger.state {
                TriggerState::Disabled => (Severity::Critical, "is switched off: changes go past the trail"),
                TriggerState::Replica => (
                    Severity::Critical,
                    "fires for replication alone: what people change goes past the trail",
                ),
                _ => (
                    Severity::Error,
                    "does not fire where session_replication_role is replica: what comes so goes past the trail",
                ),
            };
            let message = format!("audit trigger {quoted} on {name} {what}");
            verdicts.find(
                Finding::new(format!("{quoted} on {name}"), snapshot.schema_name(table.schema), message)
                    .severity(severity)
                    .evidence("then", "what was written meanwhile is in no log")
                    .fix(
                        format!("ALTER TABLE {only}{name} ENABLE ALWAYS TRIGGER {quoted};"),
                        format!("ALTER TABLE {only}{name} {was} TRIGGER {quoted};"),
                    ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::{EventTrigger, Function, Membership, Role};

    fn sample(owner: u32) -> Sample {
        let mut sample = Sample::new();
        for (oid, name, is_superuser) in
            [(10, "postgres", true), (20_000, "app", false), (20_001, "owner", false)]
        {
            let role = Role {
                oid,
                name: name.into(),
                inherits: true,
                is_superuser,
                logs_in: oid == 20_000,
                ..Role::default()
            };
            sample.snapshot.roles.push(role);
        }
        let may_create = crate::catalog::Grant {
            grantee: 0,
            grantor: 10,
            privileges: crate::catalog::security::privilege::CREATE,
        };
        sample.snapshot.namespaces.entry(2200).and_modify(|public| public.acl = Some([may_create].into()));
        let table = sample.keyed_table("orders");
        sample.edit_table(table, |table| table.owner = 20_001);
        let trigger = sample.trigger(table, "touch", 0);
        sample.edit_trigger(trigger, |trigger| trigger.function = 30_000);
        sample.snapshot.functions.push(Function {
            oid: 30_000,
            name: "audit_row".into(),
            schema: 2200,
            owner,
            ..Function::default()
        });
        sample
    }

    #[test]
    fn a_third_role_is_found_and_owner_superuser_and_members_are_right() {
        let found = run(&TRIGGER_FUNCTION_OF_OTHERS, &sample(20_000).finish()).0;
        assert_eq!(found[0].fix.as_deref(), Some("ALTER ROUTINE public.f30000(integer) OWNER TO owner;"));
        for owner in [10, 20_001] {
            assert!(run(&TRIGGER_FUNCTION_OF_OTHERS, &sample(owner).finish()).0.is_empty());
        }
        let mut member = sample(20_000);
        member.snapshot.memberships.push(Membership {
            role: 20_001,
            member: 20_000,
            inherits: true,
            sets: true,
            ..Membership::default()
        });
        assert!(run(&TRIGGER_FUNCTION_OF_OTHERS, &member.finish()).0.is_empty());
        // Whoever owns one that lends its owner's rights can have it take the writer's; where nobody acts as the owner, nobody does.
        for (logs_in, is_definer, found) in [(true, true, 1), (false, true, 0), (false, false, 1)] {
            let mut definer = sample(20_000);
            definer.snapshot.functions[0].is_security_definer = is_definer;
            definer.snapshot.roles[1].logs_in = logs_in;
            let findings = run(&TRIGGER_FUNCTION_OF_OTHERS, &definer.finish()).0;
            assert_eq!(findings.len(), found);
            for finding in findings {
                assert_eq!(finding.fix.is_some(), !is_definer);
                assert_eq!(finding.severity == Some(Severity::Error), logs_in);
            }
        }
    }

    #[test]
    fn event_triggers_belong_to_superusers_and_are_on() {
        let found = |name: &str, owner: u32, state: TriggerState| {
            let mut sample = sample(owner);
            let function = 30_000;
            sample.snapshot.event_triggers.push(EventTrigger { name: name.into(), state, function });
            run(&EVENT_TRIGGER_UNSAFE, &sample.finish()).0
        };
        for (owner, state, severity) in [
            (20_000, TriggerState::Origin, Some(None)),
            (10, TriggerState::Disabled, Some(Some(Severity::Warning))),
            (10, TriggerState::Replica, Some(Some(Severity::Warning))),
            (10, TriggerState::Origin, None),
            (10, TriggerState::Always, None),
        ] {
            let found = found("watch", owner, state);
            assert_eq!(found.first().map(|finding| finding.severity), severity);
        }
        for (state, severity, undo) in [
            (TriggerState::Disabled, Severity::Error, "DISABLE"),
            (TriggerState::Replica, Severity::Error, "ENABLE REPLICA"),
            (TriggerState::Origin, Severity::Warning, "ENABLE"),
        ] {
            let found = found("dbmastery_audit_trail_drop", 10, state);
            let action = |to: &str| Some(format!("ALTER EVENT TRIGGER dbmastery_audit_trail_drop {to};"));
            assert_eq!(found[0].severity, Some(severity));
            assert_eq!(
                (found[0].fix.clone(), found[0].undo.clone()),
                (action("ENABLE ALWAYS"), action(undo))
            );
        }
        assert!(found("dbmastery_audit_trail_drop", 10, TriggerState::Always).is_empty());
    }

    #[test]
    fn the_trails_triggers_are_on() {
        for (state, severity) in [
            (TriggerState::Disabled, Some(Severity::Critical)),
            (TriggerState::Replica, Some(Severity::Critical)),
            (TriggerState::Origin, Some(Severity::Error)),
            (TriggerState::Always, None),
        ] {
            let mut sample = sample(10);
            let dbm = sample.schema("dbm");
            sample.snapshot.functions[0].schema = dbm;
            sample.snapshot.extension_members.insert((FUNCTION_CLASS, 30_000));
            sample.snapshot.triggers[0].state = state;
            let found = run(&AUDIT_TRIGGER_OFF, &sample.finish()).0;
            assert_eq!(found.first().and_then(|finding| finding.severity), severity);
            for finding in found {
                assert_eq!(
                    finding.fix.as_deref(),
                    Some("ALTER TABLE public.orders ENABLE ALWAYS TRIGGER touch;")
                );
            }
        }
    }
}
