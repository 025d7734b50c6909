//! Foreign keys declared twice.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::catalog::{ColumnNumber, Constraint, ForeignKey, Oid, Relation, TriggerState};
use crate::change::index_ddl::comment_on;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

use super::foreign_keys::{constraint_object, count_referring_columns, foreign_keys};

/// `schema.duplicate_foreign_key`: the same columns refer to the same columns of the same table more than once.
pub const DUPLICATE_FOREIGN_KEY: Rule = Rule {
    id: "schema.duplicate_foreign_key",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Duplicate foreign key",
    why: "Every INSERT, UPDATE and DELETE on either side checks the same thing again, and where the two differ in what \
          happens on DELETE nobody can say which of them acts.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
    check,
};

/// The referring table and the referred one, with their column pairs in one order.
type Reference = (Oid, Oid, Vec<(ColumnNumber, ColumnNumber)>);

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    verdicts.examine(count_referring_columns(facts));
    let mut groups: FxHashMap<Reference, Vec<(&Relation, &Constraint, &ForeignKey)>> = FxHashMap::default();
    for (table, constraint, key) in foreign_keys(facts) {
        let mut pairs: Vec<_> = constraint.columns.iter().copied().zip(key.columns.iter().copied()).collect();
        pairs.sort_unstable();
        groups.entry((table.oid, key.table, pairs)).or_default().push((table, constraint, key));
    }
    groups.retain(|_, group| group.len() > 1);
    if groups.is_empty() {
        return;
    }
    let switched_off: FxHashSet<Oid> = facts
        .snapshot
        .triggers
        .iter()
        .filter(|trigger| trigger.is_internal && trigger.state == TriggerState::Disabled)
        .map(|trigger| trigger.constraint)
        .collect();
    for mut group in groups.into_values() {
        // Keep the one that does most; of equals the one with the plainest name, not the oldest: after a restore
        // nobody knows which that was.
        group.sort_by_key(|(_, constraint, _)| {
            (
                switched_off.contains(&constraint.oid),
                !constraint.is_enforced,
                !constraint.is_validated,
                constraint.name.len(),
                constraint.name.clone(),
            )
        });
        let Some(((_, kept, kept_key), rest)) = group.split_first() else { continue };
        for (table, constraint, key) in rest {
            verdicts.find(describe(facts, table, (kept, kept_key), (constraint, key)));
        }
    }
}

fn describe(
    facts: &Facts<'_>,
    table: &Relation,
    (kept, kept_key): (&Constraint, &ForeignKey),
    (constraint, key): (&Constraint, &ForeignKey),
) -> Finding {
    let snapshot = facts.snapshot;
    let object = constraint_object(snapshot, constraint);
    let kept_name = quote_identifier(&kept.name);
    let finding = |message: String| {
        Finding::new(&object, snapshot.schema_name(table.schema), message)
            .evidence("same_as", &*kept.name)
            .evidence("columns", snapshot.column_names(table.oid, &constraint.columns))
            .evidence("referenced_table", snapshot.relation_name(key.table))
    };
    let acts_alike = (key.on_delete, key.on_update, key.match_type, constraint.is_deferrable)
        == (kept_key.on_delete, kept_key.on_update, kept_key.match_type, kept.is_deferrable);
    if !acts_alike {
        return finding(format!(
            "foreign key {object} repeats {kept_name} but acts otherwise on change or delete: decide which holds, drop the other"
        ));
    }
    let finding = finding(format!(
        "foreign key {object} repeats {kept_name}: every write on either side is checked twice"
    ));
    let Some(definition) = facts.definitions.constraint(constraint.oid) else { return finding };
    let (table_name, name) = (snapshot.relation_name(table.oid), quote_identifier(&constraint.name));
    let fix = format!("ALTER TABLE {table_name} DROP CONSTRAINT {name};");
    // The server cannot add one to a partitioned table without checking it at once.
    let is_checked_at_once =
        table.partitioning.is_some() || !constraint.is_validated || !constraint.is_enforced;
    let undo = if is_checked_at_once {
        format!("ALTER TABLE {table_name} ADD CONSTRAINT {name} {definition};")
    } else {
        format!(
            "ALTER TABLE {table_name} ADD CONSTRAINT {name} {definition} NOT VALID;\n\
             ALTER TABLE {table_name} VALIDATE CONSTRAINT {name};"
        )
    };
    let comment = comment_on(snapshot, facts.definitions, constraint);
    finding.fix(fix, [Some(undo), comment].into_iter().flatten().collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ReferentialAction;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    /// `lines.order_id → orders.id` twice, named `a_key` and `longer_key`, after an edit of the sample.
    fn judge(edit: impl FnOnce(&mut Sample, Oid, Oid)) -> Vec<Finding> {
        let mut sample = Sample::new();
        let orders = sample.keyed_table("orders");
        let lines = sample.keyed_table("lines");
        sample.column(lines, "order_id", builtin::INT8);
        let first = sample.foreign_key(lines, &["order_id"], orders, &["id"]);
        let second = sample.foreign_key(lines, &["order_id"], orders, &["id"]);
        sample.edit_constraint(first, |constraint| constraint.name = "longer_key".into());
        sample.edit_constraint(second, |constraint| constraint.name = "a_key".into());
        edit(&mut sample, first, second);
        let (found, _, examined) = run(&DUPLICATE_FOREIGN_KEY, &sample.finish());
        assert_eq!(examined, 1);
        found
    }

    #[test]
    fn the_longer_name_goes() {
        let found = judge(|_, _, _| ());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].object, "longer_key on public.lines");
        assert_eq!(found[0].fix.as_deref(), Some("ALTER TABLE public.lines DROP CONSTRAINT longer_key;"));
        let undo = found[0].undo.as_deref().unwrap();
        assert!(
            undo.contains(" NOT VALID;\nALTER TABLE public.lines VALIDATE CONSTRAINT longer_key;"),
            "{undo}"
        );
    }

    #[test]
    fn the_one_that_does_less_goes_first() {
        let found = judge(|sample, _, second| sample.edit_constraint(second, |c| c.is_validated = false));
        assert_eq!(found[0].object, "a_key on public.lines");
        assert!(!found[0].undo.as_deref().unwrap().contains("VALIDATE"));
        let found = judge(|sample, first, second| {
            let lines = 0;
            let trigger = sample.trigger(lines, "RI_ConstraintTrigger_c_1", second);
            sample.edit_trigger(trigger, |trigger| trigger.state = TriggerState::Disabled);
            assert!(first > 0);
        });
        assert_eq!(found[0].object, "a_key on public.lines");
    }

    #[test]
    fn two_that_act_otherwise_need_a_decision() {
        let found = judge(|sample, first, _| {
            sample.edit_constraint(first, |constraint| {
                constraint.foreign_key.as_mut().unwrap().on_delete = ReferentialAction::Cascade;
            });
        });
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].fix, None);
        assert!(found[0].message.contains("decide"));
    }

    #[test]
    fn other_columns_targets_and_pairings_are_no_duplicates() {
        let mut sample = Sample::new();
        let orders = sample.table("orders");
        let others = sample.keyed_table("others");
        for name in ["a", "b"] {
            sample.column(orders, name, builtin::INT8);
        }
        let lines = sample.keyed_table("lines");
        for name in ["x", "y"] {
            sample.column(lines, name, builtin::INT8);
        }
        sample.foreign_key(lines, &["x"], others, &["id"]);
        sample.foreign_key(lines, &["y"], others, &["id"]);
        sample.foreign_key(lines, &["x", "y"], orders, &["a", "b"]);
        sample.foreign_key(lines, &["x", "y"], orders, &["b", "a"]);
        let copy = sample.foreign_key(lines, &["x"], others, &["id"]);
        sample.edit_constraint(copy, |constraint| constraint.parent = 1);
        let (found, _, examined) = run(&DUPLICATE_FOREIGN_KEY, &sample.finish());
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(examined, 3);
    }

    #[test]
    fn the_same_pairs_in_another_order_are_duplicates() {
        let mut sample = Sample::new();
        let orders = sample.table("orders");
        let lines = sample.table("lines");
        for table in [orders, lines] {
            for name in ["a", "b"] {
                sample.column(table, name, builtin::INT8);
            }
        }
        sample.foreign_key(lines, &["a", "b"], orders, &["a", "b"]);
        sample.foreign_key(lines, &["b", "a"], orders, &["b", "a"]);
        assert_eq!(run(&DUPLICATE_FOREIGN_KEY, &sample.finish()).0.len(), 1);
    }
}
