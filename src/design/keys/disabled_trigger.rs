//! Triggers that are switched off.

use rustc_hash::FxHashMap;

use crate::catalog::{Constraint, ConstraintKind, Oid, Relation, Snapshot, Trigger, TriggerState};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

use super::foreign_keys::constraint_object;

/// `schema.disabled_trigger`: a trigger that never fires; critical where the server keeps a constraint by it.
pub const DISABLED_TRIGGER: Rule = Rule {
    id: "schema.disabled_trigger",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Trigger switched off",
    why: "A bulk load that ended without ENABLE TRIGGER leaves every later row unchecked. Of a foreign key's own triggers \
          the catalog still says that the constraint is there and valid.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DISABLE-ENABLE-TRIGGER",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let mut of_constraints: FxHashMap<Oid, Vec<&Trigger>> = FxHashMap::default();
    for table in snapshot.judged_tables_and_partitions() {
        (facts.interrupt)();
        verdicts.examine(u64::from(!table.is_partition));
        for trigger in snapshot.triggers_of(table.oid) {
            if trigger.state != TriggerState::Disabled {
                continue;
            }
            if trigger.is_internal {
                of_constraints.entry(trigger.constraint).or_default().push(trigger);
            } else if !is_off_above(snapshot, table, trigger) {
                verdicts.find(describe_user_trigger(snapshot, table, trigger));
            }
        }
    }
    if of_constraints.is_empty() {
        return;
    }
    let constraints: FxHashMap<Oid, &Constraint> =
        snapshot.constraints.iter().map(|constraint| (constraint.oid, constraint)).collect();
    // What a partition does for its parent's constraint is told with the parent's.
    let mut of_topmost: FxHashMap<Oid, Vec<&Trigger>> = FxHashMap::default();
    for (oid, triggers) in of_constraints {
        of_topmost.entry(topmost(&constraints, oid)).or_default().extend(triggers);
    }
    for (oid, triggers) in of_topmost {
        if let Some(finding) = describe_constraint(snapshot, constraints.get(&oid).copied(), triggers) {
            verdicts.find(finding);
        }
    }
}

/// Whether the trigger of the same name is off on a parent too, of which this one is the copy.
fn is_off_above(snapshot: &Snapshot, table: &Relation, trigger: &Trigger) -> bool {
    table.is_partition
        && snapshot.parents.get(&table.oid).is_some_and(|&parent| {
            snapshot
                .triggers_of(parent)
                .iter()
                .any(|above| above.name == trigger.name && above.state == TriggerState::Disabled)
        })
}

fn topmost(constraints: &FxHashMap<Oid, &Constraint>, oid: Oid) -> Oid {
    let mut current = oid;
    for _ in 0..64 {
        match constraints.get(&current) {
            Some(constraint) if constraint.parent != 0 && constraints.contains_key(&constraint.parent) => {
                current = constraint.parent;
            }
            _ => break,
        }
    }
    current
}

/// The triggers of this name that are off on the table and, down from it without a gap, on its partitions.
fn off_below<'a>(snapshot: &'a Snapshot, table: &Relation, trigger: &'a Trigger) -> Vec<&'a Trigger> {
    let mut off = vec![trigger];
    let mut open = vec![table.oid];
    while let Some(parent) = open.pop() {
        for &child in snapshot.children_of(parent) {
            let below = snapshot
                .triggers_of(child)
                .iter()
                .find(|below| below.name == trigger.name && below.state == TriggerState::Disabled);
            if let Some(below) = below.filter(|_| table.partitioning.is_some()) {
                off.push(below);
                open.push(child);
            }
        }
    }
    off
}

/// `ALTER TABLE … ENABLE TRIGGER …;` for each trigger, one a line.
///
/// ONLY, because the server would otherwise give all partitions the parent's new state, whatever theirs was.
fn switch(snapshot: &Snapshot, triggers: &[&Trigger], verb: &str) -> String {
    let statements: Vec<String> = triggers
        .iter()
        .map(|trigger| {
            let is_partitioned =
                snapshot.relation(trigger.table).is_some_and(|table| table.partitioning.is_some());
            format!(
                "ALTER TABLE {}{} {verb} TRIGGER {};",
                if is_partitioned { "ONLY " } else { "" },
                snapshot.relation_name(trigger.table),
                quote_identifier(&trigger.name)
            )
        })
        .collect();
    statements.join("\n")
}

fn describe_user_trigger(snapshot: &Snapshot, table: &Relation, trigger: &Trigger) -> Finding {
    let object = format!("{} on {}", quote_identifier(&trigger.name), snapshot.relation_name(table.oid));
    let message = format!("trigger {object} is switched off: what it does is not done, and nothing says so");
    let triggers = off_below(snapshot, table, trigger);
    Finding::new(object, snapshot.schema_name(table.schema), message)
        .fix(switch(snapshot, &triggers, "ENABLE"), switch(snapshot, &triggers, "DISABLE"))
}

fn describe_constraint(
    snapshot: &Snapshot,
    constraint: Option<&Constraint>,
    mut triggers: Vec<&Trigger>,
) -> Option<Finding> {
    triggers.sort_unstable_by_key(|trigger| (snapshot.relation_name(trigger.table), &trigger.name));
    let first = triggers.first()?;
    let table = constraint.map_or(first.table, |constraint| constraint.table);
    let object = match constraint {
        Some(constraint) => constraint_object(snapshot, constraint),
        None => format!("{} on {}", quote_identifier(&first.name), snapshot.relation_name(table)),
    };
    let what = match constraint.map(|constraint| constraint.kind) {
        Some(ConstraintKind::ForeignKey) => "foreign key",
        Some(_) => "constraint",
        None => "system trigger",
    };
    let message = format!(
        "{what} {object} is switched off ({} of its triggers): rows are written unchecked, though the catalog calls it valid",
        triggers.len()
    );
    let mut tables: Vec<String> =
        triggers.iter().map(|trigger| snapshot.relation_name(trigger.table)).collect();
    tables.dedup();
    let all = |verb| switch(snapshot, &triggers, verb);
    Some(
        Finding::new(object, snapshot.schema_of(table), message)
            .severity(Severity::Critical)
            .evidence("triggers", triggers.len() as u64)
            .evidence("tables", tables)
            .evidence("rights", "superuser: these are the server's own triggers")
            .evidence(
                "then",
                "rows written meanwhile stay unchecked: look for orphans, or drop the constraint and add it again",
            )
            .fix(all("ENABLE"), all("DISABLE")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    fn off(sample: &mut Sample, trigger: Oid) {
        sample.edit_trigger(trigger, |trigger| trigger.state = TriggerState::Disabled);
    }

    #[test]
    fn a_users_trigger_is_a_warning_with_a_fix() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        let trigger = sample.trigger(table, "Touch", 0);
        off(&mut sample, trigger);
        let (found, _, examined) = run(&DISABLED_TRIGGER, &sample.finish());
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!((&*found[0].object, found[0].severity), ("\"Touch\" on public.orders", None));
        assert_eq!(found[0].fix.as_deref(), Some("ALTER TABLE public.orders ENABLE TRIGGER \"Touch\";"));
        assert_eq!(found[0].undo.as_deref(), Some("ALTER TABLE public.orders DISABLE TRIGGER \"Touch\";"));
    }

    #[test]
    fn a_foreign_key_that_is_off_is_one_critical_finding() {
        let mut sample = Sample::new();
        let orders = sample.keyed_table("orders");
        let lines = sample.keyed_table("lines");
        sample.column(lines, "order_id", builtin::INT8);
        let key = sample.foreign_key(lines, &["order_id"], orders, &["id"]);
        sample.edit_constraint(key, |constraint| constraint.name = "fk_lines_orders".into());
        for (table, name) in [
            (lines, "RI_ConstraintTrigger_c_1"),
            (lines, "RI_ConstraintTrigger_c_2"),
            (orders, "RI_ConstraintTrigger_a_3"),
        ] {
            let trigger = sample.trigger(table, name, key);
            off(&mut sample, trigger);
        }
        let (found, _, _) = run(&DISABLED_TRIGGER, &sample.finish());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].severity, Some(Severity::Critical));
        assert_eq!(found[0].object, "fk_lines_orders on public.lines");
        let fix = found[0].fix.as_deref().unwrap();
        assert_eq!(fix.lines().count(), 3);
        assert!(
            fix.contains("ALTER TABLE public.orders ENABLE TRIGGER \"RI_ConstraintTrigger_a_3\";"),
            "{fix}"
        );
    }

    #[test]
    fn other_states_and_extensions_are_right() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        for (name, state) in
            [("a", TriggerState::Origin), ("b", TriggerState::Always), ("c", TriggerState::Replica)]
        {
            let trigger = sample.trigger(table, name, 0);
            sample.edit_trigger(trigger, |trigger| trigger.state = state);
        }
        let foreign = sample.keyed_table("of_an_extension");
        let trigger = sample.trigger(foreign, "d", 0);
        off(&mut sample, trigger);
        sample.snapshot.extension_members.insert((crate::catalog::RELATION_CLASS, foreign));
        assert!(run(&DISABLED_TRIGGER, &sample.finish()).0.is_empty());
    }

    #[test]
    fn partitions_are_told_with_their_parent() {
        let mut sample = Sample::new();
        let orders = sample.keyed_table("orders");
        let (parent, leaf) = (sample.keyed_table("events"), sample.keyed_table("events_1"));
        sample.partition(parent, leaf);
        let mut keys = Vec::new();
        for table in [parent, leaf] {
            sample.column(table, "order_id", builtin::INT8);
            let key = sample.foreign_key(table, &["order_id"], orders, &["id"]);
            let own = sample.trigger(table, "touch", 0);
            let internal = sample.trigger(table, &format!("RI_ConstraintTrigger_c_{table}"), key);
            off(&mut sample, own);
            off(&mut sample, internal);
            keys.push(key);
        }
        sample.edit_constraint(keys[1], |constraint| constraint.parent = keys[0]);
        let (found, _, examined) = run(&DISABLED_TRIGGER, &sample.finish());
        assert_eq!((found.len(), examined), (2, 2), "{found:?}");
    }

    #[test]
    fn partitions_keep_the_state_they_had() {
        let mut sample = Sample::new();
        let parent = sample.keyed_table("events");
        let leaves = ["events_1", "events_2"].map(|name| sample.keyed_table(name));
        for leaf in leaves {
            sample.partition(parent, leaf);
        }
        for table in [parent, leaves[0]] {
            let trigger = sample.trigger(table, "touch", 0);
            off(&mut sample, trigger);
        }
        let always = sample.trigger(leaves[1], "touch", 0);
        sample.edit_trigger(always, |trigger| trigger.state = TriggerState::Always);
        let (found, _, _) = run(&DISABLED_TRIGGER, &sample.finish());
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].undo.as_deref(),
            Some(
                "ALTER TABLE ONLY public.events DISABLE TRIGGER touch;\n\
                 ALTER TABLE public.events_1 DISABLE TRIGGER touch;"
            )
        );
    }
}
