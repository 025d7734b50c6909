//! Trees whose branches cannot be found.

use crate::change::index_ddl;
use crate::change::names::Names;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::foreign_key_cover::{Cover, cover};

use super::foreign_keys::{constraint_object, count_referring_columns, foreign_keys};

/// `schema.self_reference_without_index`: a foreign key to its own table that no index helps.
pub const SELF_REFERENCE_WITHOUT_INDEX: Rule = Rule {
    id: "schema.self_reference_without_index",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Self-reference without index",
    why: "To find the children of a row, and to delete any row, the whole table is read; a recursive query reads it \
          once for every level, a DELETE of n rows n times.",
    thresholds: &[Threshold {
        name: "rows",
        default: 1_000.0,
        range: (0.0, 1e12),
        meaning: "rows below which it is info only (a few pages are read as quickly as an index)",
    }],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    verdicts.examine(count_referring_columns(facts));
    let mut names: Option<Names<'_>> = None;
    for (table, constraint, key) in foreign_keys(facts) {
        if key.table != table.oid || !matches!(cover(snapshot, constraint), Cover::None { .. }) {
            continue;
        }
        // Two foreign keys on the same columns need one index, not two.
        let repeats = snapshot.foreign_keys_of(table.oid).any(|other| {
            other.name < constraint.name
                && other.columns.iter().all(|number| constraint.columns.contains(number))
                && other.columns.len() == constraint.columns.len()
                && other.foreign_key.as_ref().is_some_and(|other| other.table == table.oid)
        });
        if repeats {
            continue;
        }
        let object = constraint_object(snapshot, constraint);
        let rows = snapshot.rows(table);
        let message = format!(
            "foreign key {object} refers to its own table and no index helps: every level of a tree and every DELETE reads \
             the whole table"
        );
        let is_short = rows.is_some_and(|rows| rows < verdicts.threshold("rows"));
        let finding = Finding::new(object, snapshot.schema_name(table.schema), message)
            .severity(if is_short { Severity::Info } else { Severity::Warning })
            .evidence("columns", snapshot.column_names(table.oid, &constraint.columns))
            .evidence("rows", rows);
        let names = names.get_or_insert_with(|| Names::learn(snapshot));
        let change = index_ddl::create(snapshot, facts.definitions, names, table.oid, &constraint.columns);
        verdicts.find(match change {
            Some(change) => finding.fix(change.apply, change.undo),
            None => finding,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    #[test]
    fn an_unindexed_tree_is_found_with_a_fix() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("categories");
        sample.column(table, "parent_id", builtin::INT8);
        sample.foreign_key(table, &["parent_id"], table, &["id"]);
        let (found, _, examined) = run(&SELF_REFERENCE_WITHOUT_INDEX, &sample.finish());
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!(found[0].severity, Some(Severity::Warning));
        let fix = found[0].fix.as_deref().unwrap();
        assert!(fix.starts_with("CREATE INDEX CONCURRENTLY") && fix.contains("(parent_id)"), "{fix}");
    }

    #[test]
    fn indexed_trees_and_other_tables_are_right() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("categories");
        sample.column(table, "parent_id", builtin::INT8);
        sample.foreign_key(table, &["parent_id"], table, &["id"]);
        sample.index(table, "idx_categories_parent_id", &["parent_id"]);
        let products = sample.keyed_table("products");
        sample.column(products, "category_id", builtin::INT8);
        sample.foreign_key(products, &["category_id"], table, &["id"]);
        let (found, _, examined) = run(&SELF_REFERENCE_WITHOUT_INDEX, &sample.finish());
        assert_eq!((found.len(), examined), (0, 2));
    }

    #[test]
    fn a_short_list_is_info() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("categories");
        sample.column(table, "parent_id", builtin::INT8);
        sample.foreign_key(table, &["parent_id"], table, &["id"]);
        sample.edit_table(table, |table| table.rows = 30.0);
        let (found, _, _) = run(&SELF_REFERENCE_WITHOUT_INDEX, &sample.finish());
        assert_eq!(found[0].severity, Some(Severity::Info));
    }
}
