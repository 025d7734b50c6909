//! What holds for all rules about types, keys and tables together.

use super::*;
use crate::catalog::sample::{Sample, run};
use crate::catalog::types::builtin;
use crate::catalog::{LastValue, Oid, Snapshot, TriggerState};
use crate::finding::Finding;

/// The rules that this file speaks of.
fn structural_rules() -> impl Iterator<Item = &'static Rule> {
    types::RULES.iter().chain(keys::RULES).chain(tables::RULES)
}

type Table = fn(&mut Sample);

/// Tables with mistakes of every kind, each on its own, so that their order can be changed.
const TABLES: [Table; 12] = [
    |sample| {
        let table = sample.table("products");
        sample.column(table, "id", builtin::INT4);
        sample.primary_key(table, &["id"]);
        let sequence = sample.serial(table, "id", "products_id_seq");
        sample.edit_sequence(sequence, |sequence| {
            sequence.owned_by = None;
            sequence.last_value = LastValue::At(2_100_000_000);
        });
        sample.edit_table(table, |table| table.rows = 2e6);
        sample.column(table, "price", builtin::FLOAT8);
        sample.column(table, "cost", builtin::MONEY);
    },
    |sample| {
        let table = sample.keyed_table("visits");
        sample.column(table, "seen_at", builtin::TIMESTAMP);
        sample.column(table, "details", builtin::JSON);
        sample.column(table, "agent", builtin::BPCHAR);
        sample.edit_column(table, "agent", |column| column.type_modifier = 54);
    },
    |sample| {
        let table = sample.keyed_table("people");
        sample.column(table, "full_name", builtin::VARCHAR);
        sample.edit_column(table, "full_name", |column| column.type_modifier = 259);
        let mood = sample.enum_type("mood");
        sample.column(table, "mood", mood);
    },
    |sample| {
        let table = sample.table("log_lines");
        sample.column(table, "line", builtin::TEXT);
        sample.publication("all_changes", &[table]);
    },
    |sample| {
        let table = sample.keyed_table("orders");
        sample.column(table, "status", builtin::TEXT);
        sample.measured(table, "status", 0.0, 4.0);
        sample.column(table, "is_paid", builtin::BOOL);
        sample.measured(table, "is_paid", 0.0, 2.0);
        let check = sample.check(table, "chk_orders_is_paid", &["is_paid", "id"]);
        sample.edit_constraint(check, |constraint| constraint.is_validated = false);
    },
    |sample| {
        let (parent, child) = (sample.keyed_table("owners"), sample.keyed_table("pets"));
        for (name, type_oid) in [("owner_id", builtin::INT4), ("second_owner_id", builtin::NUMERIC)] {
            sample.column(child, name, type_oid);
            sample.measured(child, name, 0.0, -0.5);
            for number in 0..2 {
                let key = sample.foreign_key(child, &[name], parent, &["id"]);
                let name = format!("fk_{name}_{number}");
                sample.edit_constraint(key, |constraint| constraint.name = name.into());
            }
        }
    },
    |sample| {
        let table = sample.keyed_table("categories");
        sample.column(table, "parent_id", builtin::INT8);
        let key = sample.foreign_key(table, &["parent_id"], table, &["id"]);
        sample.edit_constraint(key, |constraint| constraint.name = "fk_categories_parent".into());
        let trigger = sample.trigger(table, "RI_ConstraintTrigger_c_1", key);
        sample.edit_trigger(trigger, |trigger| trigger.state = TriggerState::Disabled);
    },
    |sample| {
        let table = sample.keyed_table("comments");
        sample.column(table, "subject_id", builtin::INT8);
        sample.column(table, "subject_type", builtin::TEXT);
        let trigger = sample.trigger(table, "touch", 0);
        sample.edit_trigger(trigger, |trigger| trigger.state = TriggerState::Disabled);
    },
    |sample| {
        let table = sample.keyed_table("surveys");
        for number in 0..60 {
            sample.column(table, &format!("answer_{number}"), builtin::TEXT);
        }
    },
    |sample| {
        let table = sample.keyed_table("addresses");
        for (name, distinct) in [("zip", 50.0), ("city", 20.0)] {
            sample.column(table, name, builtin::TEXT);
            sample.measured(table, name, 0.0, distinct);
        }
        sample.dependency(table, "zip", "city", 1.0);
    },
    |sample| {
        for number in 0..6 {
            let table = sample.keyed_table(&format!("dated_{number}"));
            for column in ["a", "b", "c", "created_at"] {
                sample.column(table, column, builtin::TIMESTAMPTZ);
            }
            let other = sample.keyed_table(&format!("parent_{number}"));
            sample.column(table, "other_id", builtin::INT8);
            let key = sample.foreign_key(table, &["other_id"], other, &["id"]);
            sample.edit_constraint(key, |constraint| constraint.name = format!("fk_dated_{number}").into());
        }
    },
    |sample| {
        let table = sample.table("shared_keys");
        sample.column(table, "id", builtin::INT8);
        sample.edit_column(table, "id", |column| column.not_null = true);
        let index = sample.index(table, "idx_shared_keys_id", &["id"]);
        sample.edit_index(index, |index| index.is_unique = true);
    },
];

fn database(tables: impl Iterator<Item = Table>, first_oid: Oid) -> Snapshot {
    let mut sample = Sample::new();
    while sample.oid() < first_oid {}
    tables.for_each(|table| table(&mut sample));
    sample.finish()
}

/// Everything that is said, in an order of its own. Definitions written by the sample hold OIDs and are left out.
fn said(snapshot: &Snapshot) -> Vec<String> {
    let mut said = Vec::new();
    for rule in structural_rules() {
        let (findings, unknowns, examined) = run(rule, snapshot);
        let describe = |finding: &Finding| {
            format!(
                "{} {} {:?} {} {} {}",
                rule.id,
                finding.object,
                finding.severity,
                finding.message,
                finding
                    .evidence
                    .iter()
                    .filter(|(name, _)| *name != "definition")
                    .map(|pair| format!("{pair:?}"))
                    .collect::<String>(),
                finding.fix.as_deref().unwrap_or("")
            )
        };
        said.extend(findings.iter().map(describe));
        said.extend(unknowns.iter().map(|unknown| format!("{} {unknown:?}", rule.id)));
        said.push(format!("{} examined {examined}", rule.id));
    }
    said.sort_unstable();
    said
}

#[test]
fn neither_order_nor_oids_matter() {
    let forth = said(&database(TABLES.into_iter(), 0));
    let back = said(&database(TABLES.into_iter().rev(), 70_000));
    for (first, second) in forth.iter().zip(&back) {
        assert_eq!(first, second);
    }
    assert_eq!(forth.len(), back.len());
}

#[test]
fn the_database_of_mistakes_meets_every_rule() {
    let snapshot = database(TABLES.into_iter(), 0);
    let silent: Vec<&str> =
        structural_rules().filter(|rule| run(rule, &snapshot).0.is_empty()).map(|rule| rule.id).collect();
    assert_eq!(silent, Vec::<&str>::new());
}

#[test]
fn objects_are_unique_within_a_rule_and_fixes_come_with_undo() {
    let snapshot = database(TABLES.into_iter(), 0);
    for rule in structural_rules() {
        let (findings, _, examined) = run(rule, &snapshot);
        let mut objects: Vec<&str> = findings.iter().map(|finding| &*finding.object).collect();
        objects.sort_unstable();
        objects.dedup();
        assert_eq!(objects.len(), findings.len(), "{}", rule.id);
        assert!(examined >= findings.len() as u64, "{}", rule.id);
        for finding in &findings {
            assert_eq!(finding.fix.is_some(), finding.undo.is_some(), "{}", rule.id);
            let statements = finding.fix.iter().chain(&finding.undo);
            assert!(
                statements.into_iter().all(|text| text.lines().all(|line| line.ends_with(';'))),
                "{}",
                rule.id
            );
            assert!(
                !finding.message.ends_with('.') && !finding.message.contains('\n'),
                "{}",
                finding.message
            );
        }
    }
}

#[test]
fn ids_are_unique_and_thresholds_lie_in_their_range() {
    let mut ids: Vec<&str> = rules().map(|rule| rule.id).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    for rule in rules() {
        assert!(rule.id.starts_with("schema."), "{}", rule.id);
        for threshold in rule.thresholds {
            let (least, greatest) = threshold.range;
            assert!((least..=greatest).contains(&threshold.default), "{} {}", rule.id, threshold.name);
        }
    }
}

#[test]
fn an_empty_database_is_judged_in_silence() {
    let snapshot = Sample::new().finish();
    for rule in structural_rules() {
        let (findings, unknowns, examined) = run(rule, &snapshot);
        assert_eq!((findings.len(), unknowns.len(), examined), (0, 0, 0), "{}", rule.id);
    }
}
