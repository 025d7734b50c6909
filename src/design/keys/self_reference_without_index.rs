//! Trees whose branches cannot be found.

use rustc_hash::FxHashMap;

use crate::catalog::{ColumnNumber, Constraint, Oid, Relation, Snapshot};
use crate::change::index_ddl::{self, Change};
use crate::change::names::Names;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::foreign_key_cover::{Cover, cover};
use crate::text::quote_identifier;

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
    // Two foreign keys on the same columns need one index, not two; each keeps its finding until there is one,
    // whichever of them is dropped.
    let mut changes: FxHashMap<(Oid, Vec<ColumnNumber>), Option<Change>> = FxHashMap::default();
    for (table, constraint, key) in foreign_keys(facts) {
        let cover = cover(snapshot, constraint);
        if key.table != table.oid || cover.is_full() {
            continue;
        }
        let mut columns = constraint.columns.to_vec();
        columns.sort_unstable();
        let change = changes.entry((table.oid, columns)).or_insert_with(|| {
            let names = names.get_or_insert_with(|| Names::learn(snapshot));
            index_ddl::create(snapshot, facts.definitions, names, table.oid, &constraint.columns)
        });
        let finding = describe(snapshot, (table, constraint), cover, verdicts.threshold("rows"));
        verdicts.find(match change {
            Some(change) => finding.fix(&*change.apply, &*change.undo),
            None => finding,
        });
    }
}

fn describe(
    snapshot: &Snapshot,
    (table, constraint): (&Relation, &Constraint),
    cover: Cover<'_>,
    few_rows: f64,
) -> Finding {
    let object = constraint_object(snapshot, constraint);
    let rows = snapshot.rows(table);
    let (helper, cost) = match cover {
        Cover::Partly { index, .. } => (
            format!("index {} helps with some of its columns only", quote_identifier(&index.name)),
            "reads all rows that agree in those",
        ),
        _ => ("no index helps".to_owned(), "reads the whole table"),
    };
    let message = format!(
        "foreign key {object} refers to its own table and {helper}: every level of a tree and every DELETE {cost}"
    );
    let is_mild = matches!(cover, Cover::Partly { .. }) || rows.is_some_and(|rows| rows < few_rows);
    Finding::new(object, snapshot.schema_name(table.schema), message)
        .severity(if is_mild { Severity::Info } else { Severity::Warning })
        .evidence("columns", snapshot.column_names(table.oid, &constraint.columns))
        .evidence("rows", rows)
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

    #[test]
    fn two_on_the_same_columns_share_one_index() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("categories");
        sample.column(table, "parent_id", builtin::INT8);
        for _ in 0..2 {
            sample.foreign_key(table, &["parent_id"], table, &["id"]);
        }
        let (found, _, examined) = run(&SELF_REFERENCE_WITHOUT_INDEX, &sample.finish());
        assert_eq!((found.len(), examined), (2, 1));
        assert_eq!(found[0].fix, found[1].fix);
    }

    #[test]
    fn an_index_on_some_of_the_columns_makes_it_info() {
        let mut sample = Sample::new();
        let table = sample.table("categories");
        for name in ["shop_id", "id", "parent_id"] {
            sample.column(table, name, builtin::INT8);
        }
        sample.primary_key(table, &["shop_id", "id"]);
        sample.foreign_key(table, &["shop_id", "parent_id"], table, &["shop_id", "id"]);
        let (found, _, _) = run(&SELF_REFERENCE_WITHOUT_INDEX, &sample.finish());
        assert_eq!(found[0].severity, Some(Severity::Info));
        assert!(found[0].message.contains("index categories_pkey helps with some"), "{}", found[0].message);
    }
}
