//! NOT NULL, set without a long lock.

use crate::catalog::{Column, ConstraintKind, Relation, Snapshot};
use crate::finding::Facts;
use crate::text::identifier::unused_name;
use crate::text::quote_identifier;

/// The statements that make columns NOT NULL, and those that take it back.
///
/// A CHECK that is added NOT VALID and validated afterwards proves the absence of NULL under a lock that lets reads
/// and writes pass; SET NOT NULL then believes it instead of scanning the table under ACCESS EXCLUSIVE.
///
/// `None` when a child of the table has such a NOT NULL of its own already: taking ours back would take its too.
pub fn set_not_null(snapshot: &Snapshot, table: &Relation, columns: &[&Column]) -> Option<(String, String)> {
    if columns.is_empty() || has_stricter_child(snapshot, table, columns) {
        return None;
    }
    let taken =
        |name: &str| snapshot.constraints_of(table.oid).iter().any(|constraint| &*constraint.name == name);
    let check = match columns {
        [only] => unused_name(&["chk", &table.name, &only.name, "not_null"], taken),
        _ => unused_name(&["chk", &table.name, "not_null"], taken),
    };
    let (table_name, check) = (snapshot.relation_name(table.oid), quote_identifier(&check));
    let each = |write: &dyn Fn(&str) -> String, separator: &str| {
        let written: Vec<String> =
            columns.iter().map(|column| write(&quote_identifier(&column.name))).collect();
        written.join(separator)
    };
    let condition = each(&|column| format!("{column} IS NOT NULL"), " AND ");
    let set = each(&|column| format!("ALTER COLUMN {column} SET NOT NULL"), ", ");
    let unset = each(&|column| format!("ALTER COLUMN {column} DROP NOT NULL"), ", ");
    Some((
        format!(
            "ALTER TABLE {table_name} ADD CONSTRAINT {check} CHECK ({condition}) NOT VALID;\n\
             ALTER TABLE {table_name} VALIDATE CONSTRAINT {check};\n\
             ALTER TABLE {table_name} {set};\n\
             ALTER TABLE {table_name} DROP CONSTRAINT {check};"
        ),
        format!("ALTER TABLE {table_name} {unset};"),
    ))
}

/// Whether a partition or inheritance child refuses NULL where the table does not.
fn has_stricter_child(snapshot: &Snapshot, table: &Relation, columns: &[&Column]) -> bool {
    let mut descendants = snapshot.children_of(table.oid).to_vec();
    let mut next = 0;
    while let Some(&child) = descendants.get(next) {
        next += 1;
        let is_stricter = snapshot
            .columns_of(child)
            .iter()
            .any(|column| column.not_null && columns.iter().any(|wanted| wanted.name == column.name));
        if is_stricter {
            return true;
        }
        descendants.extend_from_slice(snapshot.children_of(child));
    }
    false
}

/// Whether a validated CHECK of the form `column IS NOT NULL` already refuses NULL.
///
/// Asks the server for definitions, so ask only of what is about to become a finding.
pub fn is_proven_by_check(facts: &Facts<'_>, column: &Column) -> bool {
    let expected = format!("CHECK (({} IS NOT NULL))", quote_identifier(&column.name));
    facts
        .snapshot
        .constraints_of(column.relation)
        .iter()
        .filter(|constraint| {
            constraint.kind == ConstraintKind::Check
                && constraint.is_validated
                && *constraint.columns == [column.number]
        })
        .any(|constraint| facts.definitions.constraint(constraint.oid).is_some_and(|text| text == expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::Sample;
    use crate::catalog::types::builtin;

    #[test]
    fn one_scan_serves_all_columns() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        for name in ["state", "Total"] {
            sample.column(table, name, builtin::TEXT);
        }
        sample.check(table, "chk_orders_not_null", &["state"]);
        let snapshot = sample.finish();
        let relation = snapshot.relation(table).unwrap();
        let columns: Vec<&Column> = snapshot.columns_of(table)[1..].iter().collect();
        let (fix, undo) = set_not_null(&snapshot, relation, &columns).unwrap();
        assert_eq!(
            fix,
            "ALTER TABLE public.orders ADD CONSTRAINT chk_orders_not_null_1 \
             CHECK (state IS NOT NULL AND \"Total\" IS NOT NULL) NOT VALID;\n\
             ALTER TABLE public.orders VALIDATE CONSTRAINT chk_orders_not_null_1;\n\
             ALTER TABLE public.orders ALTER COLUMN state SET NOT NULL, ALTER COLUMN \"Total\" SET NOT NULL;\n\
             ALTER TABLE public.orders DROP CONSTRAINT chk_orders_not_null_1;"
        );
        assert_eq!(
            undo,
            "ALTER TABLE public.orders ALTER COLUMN state DROP NOT NULL, ALTER COLUMN \"Total\" DROP NOT NULL;"
        );
    }

    #[test]
    fn a_stricter_partition_forbids_it() {
        let mut sample = Sample::new();
        let parent = sample.keyed_table("events");
        let leaf = sample.keyed_table("events_1");
        for table in [parent, leaf] {
            sample.column(table, "state", builtin::TEXT);
        }
        sample.partition(parent, leaf);
        sample.edit_column(leaf, "state", |column| column.not_null = true);
        let snapshot = sample.finish();
        let column = snapshot.column(parent, 2).unwrap();
        assert_eq!(set_not_null(&snapshot, snapshot.relation(parent).unwrap(), &[column]), None);
    }
}
