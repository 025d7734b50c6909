//! Names as long as a name can be.

use super::constraint::rename_constraint;
use super::index::rename_index;
use crate::catalog::{Constraint, ConstraintKind, Index, Oid, Relation, Snapshot};
use crate::change::names::census::Style;
use crate::change::names::constraint_style::{self, is_server_made};
use crate::change::names::{Names, index_style, judged_indexes};
use crate::design::designed::designed_tables_with_columns;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::identifier::MAXIMUM_BYTES;
use crate::text::quote_identifier;
use crate::text::words::{last_word, snake_case};

/// A name has exactly as many bytes as the server keeps, so that it was probably cut.
pub const NAME_AT_LENGTH_LIMIT: Rule = Rule {
    id: "schema.name_at_length_limit",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Name is 63 bytes long and was probably cut",
    why: "PostgreSQL cuts longer names and says so only in a NOTICE: the name in the migration is not the name in the \
          catalog, so that comparing tools see a difference for ever, and two names that differ only in their end \
          collide.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let mut names = Names::learn(snapshot);
    let mut examined = 0;
    for (table, columns) in designed_tables_with_columns(facts) {
        examined += 1;
        if is_at_limit(&table.name) {
            let object = snapshot.relation_name(table.oid);
            let message = message("table", &object);
            verdicts.find(Finding::new(object, snapshot.schema_name(table.schema), message));
        }
        for column in columns.iter().filter(|column| !column.is_inherited) {
            examined += 1;
            if is_at_limit(&column.name) {
                let object = snapshot.column_name(column);
                let message = message("column", &object);
                verdicts.find(Finding::new(object, snapshot.schema_name(table.schema), message));
            }
        }
        check_indexes(snapshot, verdicts, &mut names, table);
        check_constraints(snapshot, verdicts, &mut names, table);
    }
    verdicts.examine(examined);
}

fn check_indexes<'a>(
    snapshot: &'a Snapshot,
    verdicts: &mut Verdicts<'_>,
    names: &mut Names<'a>,
    table: &'a Relation,
) {
    if !snapshot.indexes_of(table.oid).iter().any(|index| is_at_limit(&index.name)) {
        return;
    }
    let is_cut = |index: &Index, style: Style| {
        let is_made = style == index_style::HASHED || is_server_made(&index.name);
        is_at_limit(&index.name) && !is_made && !is_whole(snapshot, &index.name, table.oid)
    };
    let mut cut: Vec<&Index> = judged_indexes(snapshot, table)
        .filter(|(index, style)| is_cut(index, style))
        .map(|(index, _)| index)
        .collect();
    cut.sort_by_key(|index| &*index.name);
    for index in cut {
        let object = snapshot.index_name(index);
        let message = message("index", &object);
        let finding = Finding::new(object, snapshot.schema_name(table.schema), message);
        verdicts.find(match names.renamed_index(index) {
            Some(name) => rename_index(finding, snapshot, index, &name),
            None => finding,
        });
    }
}

fn check_constraints<'a>(
    snapshot: &'a Snapshot,
    verdicts: &mut Verdicts<'_>,
    names: &mut Names<'a>,
    table: &Relation,
) {
    let is_cut = |constraint: &&Constraint| {
        is_at_limit(&constraint.name)
            && !matches!(constraint.kind, ConstraintKind::NotNull | ConstraintKind::Trigger)
            && constraint.parent == 0
            && !constraint.is_inherited
            && !is_server_made(&constraint.name)
            && !is_whole(snapshot, &constraint.name, table.oid)
            && constraint_style::style_of(constraint.kind, &constraint.name, &snake_case(&table.name))
                != Some(constraint_style::HASHED)
    };
    let mut cut: Vec<&Constraint> = snapshot.constraints_of(table.oid).iter().filter(is_cut).collect();
    cut.sort_by_key(|constraint| &*constraint.name);
    for constraint in cut {
        let owner = snapshot.relation_name(table.oid);
        let object = format!("{} on {owner}", quote_identifier(&constraint.name));
        let message = message("constraint", &object);
        let finding = Finding::new(object, snapshot.schema_name(table.schema), message);
        verdicts.find(match names.renamed_constraint(constraint) {
            Some(name) => rename_constraint(finding, constraint, &owner, &name),
            None => finding,
        });
    }
}

fn is_at_limit(name: &str) -> bool {
    name.len() == MAXIMUM_BYTES
}

/// Whether the name of an index or constraint ends with a whole column, or with a whole word of one, and so was not cut.
fn is_whole(snapshot: &Snapshot, name: &str, table: Oid) -> bool {
    let name = snake_case(name);
    let glued = |name: &str| name.replace('_', "");
    let (last, joined) = (last_word(&name), glued(&name));
    snapshot.columns_of(table).iter().any(|column| {
        let column = snake_case(&column.name);
        column.split('_').any(|word| word == last) || joined.ends_with(&glued(&column))
    })
}

fn message(what: &str, object: &str) -> String {
    format!(
        "the name of {what} {object} is {MAXIMUM_BYTES} bytes long, where the server cuts names with no more than a NOTICE: it was probably cut"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    fn long(start: &str) -> String {
        format!("{start}{}", "x".repeat(MAXIMUM_BYTES - start.len()))
    }

    #[test]
    fn names_of_63_bytes_are_found_and_renamed_where_nobody_calls_them() {
        let mut sample = Sample::new();
        sample.keyed_table(&long("t"));
        let table = sample.keyed_table("orders");
        sample.column(table, &long("c"), builtin::TEXT);
        sample.column(table, "state", builtin::TEXT);
        sample.index(table, &long("idx_orders_state_"), &["state"]);
        sample.check(table, &long("chk_orders_state_"), &["state"]);
        let (findings, unknowns, examined) = run(&NAME_AT_LENGTH_LIMIT, &sample.finish());
        assert!(unknowns.is_empty());
        assert_eq!(examined, 2 + 4);
        assert_eq!(findings.len(), 4);
        let fixes: Vec<bool> = findings.iter().map(|finding| finding.fix.is_some()).collect();
        // The proper name of the CHECK would be cut again.
        assert_eq!(fixes, [false, false, true, false]);
        assert!(findings[2].fix.as_deref().is_some_and(|fix| fix.ends_with("RENAME TO idx_orders_state;")));
    }

    #[test]
    fn shorter_whole_and_generated_names_are_left_alone() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        let column = "s".repeat(MAXIMUM_BYTES - "index_orders_on_".len());
        sample.column(table, &column, builtin::TEXT);
        sample.index(table, &format!("index_orders_on_{column}"), &[&column]);
        sample.index(table, &format!("{}_idx", "o".repeat(MAXIMUM_BYTES - 4)), &[&column]);
        sample.check(table, &format!("{}_check", "o".repeat(MAXIMUM_BYTES - 6)), &[&column]);
        sample.check(table, &"o".repeat(MAXIMUM_BYTES - 1), &[&column]);
        let not_null = sample.check(table, &"n".repeat(MAXIMUM_BYTES), &[&column]);
        sample.edit_constraint(not_null, |constraint| constraint.kind = ConstraintKind::NotNull);
        let parent = sample.keyed_table("events");
        let child = sample.keyed_table(&long("events_"));
        sample.partition(parent, child);
        assert!(run(&NAME_AT_LENGTH_LIMIT, &sample.finish()).0.is_empty());
    }
}
