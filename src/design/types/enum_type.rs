//! Enum types.

use rustc_hash::FxHashMap;

use crate::catalog::{ColumnNumber, ConstraintKind, Oid, Snapshot, TYPE_CLASS, Type, TypeKind};
use crate::design::prevalence::{PREVAILING_SHARE, PREVAILING_TABLES, Practice};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};

/// `schema.enum_type`: an enum type that columns use, one finding a type.
pub const ENUM_TYPE: Rule = Rule {
    id: "schema.enum_type",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Enum type",
    why: "A value of an enum can be added and renamed, never removed or reordered. VARCHAR with a \
          CHECK, or a lookup table, changes as the business does.",
    thresholds: &[PREVAILING_SHARE, PREVAILING_TABLES],
    reference: "https://www.postgresql.org/docs/current/datatype-enum.html",
    check,
};

/// The enum that a column of this type holds, itself or in an array.
fn enum_of<'a>(snapshot: &'a Snapshot, base: &'a Type) -> Option<&'a Type> {
    let element = if base.element == 0 { base } else { snapshot.base_type(base.element)? };
    (element.kind == TypeKind::Enum && !snapshot.is_extension_member(TYPE_CLASS, element.oid))
        .then_some(element)
}

/// Whether a CHECK speaks of the column alone, as one that lists its values does.
fn has_check(snapshot: &Snapshot, table: Oid, column: ColumnNumber) -> bool {
    snapshot
        .constraints_of(table)
        .iter()
        .any(|constraint| constraint.kind == ConstraintKind::Check && *constraint.columns == [column])
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let mut used: FxHashMap<Oid, Vec<String>> = FxHashMap::default();
    let practice = Practice::observe(facts, |table, column, base| {
        if let Some(found) = enum_of(snapshot, base) {
            used.entry(found.oid).or_default().push(snapshot.column_name(column));
            return Some(true);
        }
        (base.category == 'S' && has_check(snapshot, table.oid, column.number)).then_some(false)
    });
    let told_once = practice.report_habit(snapshot, verdicts, |extent| {
        format!(
            "lists of values are enums throughout ({extent}, {} types): a value can never be removed again",
            used.len()
        )
    });
    if told_once {
        return;
    }
    verdicts.examine(practice.kin);
    for (oid, mut columns) in used {
        let Some(found) = snapshot.types.get(&oid) else { continue };
        columns.sort_unstable();
        let object = snapshot.qualified(found.schema, &found.name);
        let message = format!(
            "enum {object} with {} values in {} column{}: a value can never be removed again; VARCHAR with CHECK can change",
            found.labels,
            columns.len(),
            if columns.len() == 1 { "" } else { "s" }
        );
        verdicts.find(
            Finding::new(object, snapshot.schema_name(found.schema), message)
                .evidence("values", found.labels)
                .evidence("columns", columns),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    #[test]
    fn one_finding_a_type_however_many_columns() {
        let mut sample = Sample::new();
        let mood = sample.enum_type("mood");
        for name in ["people", "pets"] {
            let table = sample.keyed_table(name);
            sample.column(table, "mood", mood);
        }
        let (found, _, examined) = run(&ENUM_TYPE, &sample.finish());
        assert_eq!((found.len(), examined), (1, 2));
        assert_eq!(found[0].object, "public.mood");
        assert!(found[0].message.contains("3 values in 2 columns"), "{}", found[0].message);
    }

    #[test]
    fn arrays_of_an_enum_count_too() {
        let mut sample = Sample::new();
        let mood = sample.enum_type("mood");
        let array = sample.oid();
        sample
            .snapshot
            .types
            .insert(array, Type { oid: array, element: mood, category: 'A', ..Type::default() });
        let table = sample.keyed_table("people");
        sample.column(table, "moods", array);
        let (found, _, _) = run(&ENUM_TYPE, &sample.finish());
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains(" in 1 column: "), "{}", found[0].message);
    }

    #[test]
    fn unused_types_extensions_and_checked_text_are_right() {
        let mut sample = Sample::new();
        sample.enum_type("unused");
        let foreign = sample.enum_type("of_an_extension");
        sample.snapshot.extension_members.insert((TYPE_CLASS, foreign));
        let table = sample.keyed_table("orders");
        sample.column(table, "kind", foreign);
        sample.column(table, "status", builtin::TEXT);
        sample.check(table, "chk_orders_status", &["status"]);
        let (found, _, examined) = run(&ENUM_TYPE, &sample.finish());
        assert_eq!((found.len(), examined), (0, 1));
    }

    #[test]
    fn a_habit_is_told_once() {
        let mut sample = Sample::new();
        for number in 0..12 {
            let kind = sample.enum_type(&format!("kind_{number}"));
            let table = sample.keyed_table(&format!("t{number}"));
            sample.column(table, "kind", kind);
        }
        let (found, _, _) = run(&ENUM_TYPE, &sample.finish());
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("12 types"));
    }
}
