//! Sequences that outlive their column.

use crate::catalog::Sequence;
use crate::design::sequences::{judged_sequences, only_drawing_column};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// `schema.unowned_sequence`: a sequence from which one column draws and which no column owns.
pub const UNOWNED_SEQUENCE: Rule = Rule {
    id: "schema.unowned_sequence",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Sequence without owner",
    why: "When the column or its table is dropped the sequence stays behind, TRUNCATE ... RESTART IDENTITY passes it by, \
          and pg_get_serial_sequence() does not find it, so that tools reset the wrong one or none.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altersequence.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    for sequence in judged_sequences(facts.snapshot) {
        (facts.interrupt)();
        verdicts.examine(1);
        if sequence.owned_by.is_none()
            && let Some(finding) = judge(facts, sequence)
        {
            verdicts.find(finding);
        }
    }
}

fn judge(facts: &Facts<'_>, sequence: &Sequence) -> Option<Finding> {
    let snapshot = facts.snapshot;
    let (table, number) = only_drawing_column(snapshot, sequence)?;
    let (table, column) = (snapshot.relation(table)?, snapshot.column(table, number)?);
    let name = snapshot.qualified(sequence.schema, &sequence.name);
    let message = format!(
        "sequence {name} feeds only {}, which does not own it: it stays when the table goes, and RESTART IDENTITY misses it",
        snapshot.column_name(column)
    );
    let finding = Finding::new(&name, snapshot.schema_name(sequence.schema), message)
        .evidence("column", snapshot.column_name(column));
    // The server lets a column own only sequences of the table's own owner and schema.
    if sequence.owner != table.owner || sequence.schema != table.schema {
        return Some(finding.evidence(
            "no_simple_fix_because",
            "sequence and table must have one owner and one schema: make them alike first",
        ));
    }
    let owner = format!("{}.{}", snapshot.relation_name(table.oid), quote_identifier(&column.name));
    Some(finding.fix(
        format!("ALTER SEQUENCE {name} OWNED BY {owner};"),
        format!("ALTER SEQUENCE {name} OWNED BY NONE;"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    fn judge(edit: impl FnOnce(&mut Sequence)) -> Vec<Finding> {
        let mut sample = Sample::new();
        let table = sample.table("Orders");
        sample.column(table, "id", builtin::INT8);
        let sequence = sample.serial(table, "id", "orders_id_seq");
        sample.edit_sequence(sequence, |sequence| {
            sequence.owned_by = None;
            edit(sequence);
        });
        let (found, _, examined) = run(&UNOWNED_SEQUENCE, &sample.finish());
        assert_eq!(examined, 1);
        found
    }

    #[test]
    fn the_only_column_should_own_it() {
        let found = judge(|_| ());
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].fix.as_deref(),
            Some("ALTER SEQUENCE public.orders_id_seq OWNED BY public.\"Orders\".id;")
        );
        assert_eq!(found[0].undo.as_deref(), Some("ALTER SEQUENCE public.orders_id_seq OWNED BY NONE;"));
    }

    #[test]
    fn another_owner_or_schema_leaves_no_simple_fix() {
        assert_eq!(judge(|sequence| sequence.owner = 77)[0].fix, None);
        let mut sample = Sample::new();
        let elsewhere = sample.schema("elsewhere");
        let table = sample.table("orders");
        sample.column(table, "id", builtin::INT8);
        let sequence = sample.serial(table, "id", "orders_id_seq");
        sample.edit_sequence(sequence, |sequence| (sequence.owned_by, sequence.schema) = (None, elsewhere));
        let (found, _, _) = run(&UNOWNED_SEQUENCE, &sample.finish());
        assert_eq!((found.len(), &found[0].fix), (1, &None));
    }

    #[test]
    fn owned_shared_and_free_sequences_are_right() {
        assert!(judge(|sequence| sequence.owned_by = sequence.used_by.first().copied()).is_empty());
        assert!(judge(|sequence| sequence.used_by.clear()).is_empty());
        let mut sample = Sample::new();
        let mut users = Vec::new();
        for name in ["a", "b"] {
            let table = sample.table(name);
            users.push((table, sample.column(table, "id", builtin::INT8)));
        }
        let sequence = sample.serial(users[0].0, "id", "shared_seq");
        sample.edit_sequence(sequence, |sequence| {
            sequence.owned_by = None;
            sequence.used_by = users;
        });
        assert!(run(&UNOWNED_SEQUENCE, &sample.finish()).0.is_empty());
    }
}
