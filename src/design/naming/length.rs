//! Names as long as a name can be.

use super::constraint::renamed;
use crate::catalog::{ConstraintKind, Oid, Snapshot};
use crate::change::names::constraint_style::{self, is_server_made};
use crate::change::names::{Names, index_style, judged_indexes};
use crate::design::designed::{designed_columns, designed_tables};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::identifier::MAXIMUM_BYTES;
use crate::text::words::{last_word, snake_case};
use crate::text::{quote_identifier, quote_qualified};

/// A name has exactly as many bytes as the server keeps, so that it was probably cut.
pub const NAME_AT_LENGTH_LIMIT: Rule = Rule {
    id: "schema.name_at_length_limit",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "name is 63 bytes long and was probably cut",
    why: "PostgreSQL cuts longer names and says so only in a NOTICE: the name in the migration is not the name in the \
          catalog, so that comparing tools see a difference for ever, and two names that differ only in their end \
          collide.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let mut examined = 0;
    let mut findings = Vec::new();
    // Learned only when there is something to rename.
    let names = std::cell::OnceCell::new();
    let learn = || names.get_or_init(|| std::cell::RefCell::new(Names::learn(snapshot)));
    for table in designed_tables(facts) {
        examined += 1;
        let schema = snapshot.schema_name(table.schema);
        if is_at_limit(&table.name) {
            let object = snapshot.relation_name(table.oid);
            let message = message("table", &object);
            findings.push(Finding::new(object, schema, message));
        }
        for (index, style) in judged_indexes(snapshot, table.oid) {
            let is_made = style == index_style::HASHED || is_server_made(&index.name);
            if is_at_limit(&index.name) && !is_made && !is_whole(snapshot, &index.name, table.oid) {
                let object = snapshot.index_name(index);
                let finding = Finding::new(&*object, schema, message("index", &object));
                findings.push(match learn().borrow_mut().renamed_index(index) {
                    Some(name) => finding.fix(
                        format!("ALTER INDEX {object} RENAME TO {};", quote_identifier(&name)),
                        format!(
                            "ALTER INDEX {} RENAME TO {};",
                            quote_qualified(schema, &name),
                            quote_identifier(&index.name)
                        ),
                    ),
                    None => finding,
                });
            }
        }
        for constraint in snapshot.constraints_of(table.oid) {
            let is_given = !matches!(constraint.kind, ConstraintKind::NotNull | ConstraintKind::Trigger)
                && constraint.parent == 0
                && !constraint.is_inherited
                && !is_server_made(&constraint.name)
                && constraint_style::style_of(constraint.kind, &constraint.name, &table.name)
                    != Some(constraint_style::HASHED);
            if is_at_limit(&constraint.name) && is_given && !is_whole(snapshot, &constraint.name, table.oid) {
                let owner = snapshot.relation_name(table.oid);
                let object = format!("{} on {owner}", quote_identifier(&constraint.name));
                let message = message("constraint", &object);
                let finding = Finding::new(object, schema, message);
                findings.push(match learn().borrow_mut().renamed_constraint(constraint) {
                    Some(name) => renamed(finding, constraint, &owner, &name),
                    None => finding,
                });
            }
        }
    }
    for (table, column, _) in designed_columns(facts) {
        examined += 1;
        if is_at_limit(&column.name) {
            let object = snapshot.column_name(column);
            let message = message("column", &object);
            findings.push(Finding::new(object, snapshot.schema_name(table.schema), message));
        }
    }
    verdicts.examine(examined);
    for finding in findings {
        verdicts.find(finding.evidence("bytes", MAXIMUM_BYTES));
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
        "the name of {what} {object} is {MAXIMUM_BYTES} bytes long, where the server cuts names without an error"
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
        assert_eq!(fixes, [false, true, true, false]);
        assert!(findings[1].fix.as_deref().is_some_and(|fix| fix.ends_with("RENAME TO idx_orders_state;")));
        let new = findings[2].fix.as_deref().and_then(|fix| fix.split(" TO ").nth(1)).unwrap();
        assert!(new.len() <= MAXIMUM_BYTES && new.starts_with("chk_orders_state_xx"), "{new}");
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
