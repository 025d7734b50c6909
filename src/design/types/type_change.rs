//! Changing a column's type in one statement, where that is harmless.
//!
//! Such a change rewrites the table under ACCESS EXCLUSIVE, so it is offered for small tables only, and only where
//! nothing else hangs on the column. Everything larger needs a new column, a backfill and a switch.

use std::cell::OnceCell;

use rustc_hash::FxHashSet;

use crate::catalog::types::builtin;
use crate::catalog::{Column, ColumnNumber, ConstraintKind, Oid, Relation, TypeKind};
use crate::design::measured::leaves;
use crate::finding::{Facts, Finding};
use crate::syntax::node_tree;
use crate::text::quote_identifier;

/// Up to this size a rewrite takes well under a second.
const SMALL_BYTES: u64 = 8 * 1024 * 1024;

/// `pg_collation`'s OID of the database's default collation.
const DEFAULT_COLLATION: Oid = 100;

/// Knows what hangs on which column. Make one for a rule run, not one for a finding.
pub struct TypeChanges<'a> {
    facts: &'a Facts<'a>,
    referenced: OnceCell<FxHashSet<(Oid, ColumnNumber)>>,
    types_of_columns: OnceCell<FxHashSet<Oid>>,
}

impl<'a> TypeChanges<'a> {
    /// Looks at nothing before it is asked.
    pub fn new(facts: &'a Facts<'a>) -> Self {
        Self { facts, referenced: OnceCell::new(), types_of_columns: OnceCell::new() }
    }

    /// Adds to the finding the statements that give the columns these types, or, where that is not harmless, the
    /// evidence why there are none.
    pub fn repair(&self, finding: Finding, table: &Relation, changes: &[(&Column, &str)]) -> Finding {
        match self.statements(table, changes) {
            Ok((fix, undo)) => finding.fix(fix, undo),
            Err(obstacle) => finding.evidence("no_simple_fix_because", obstacle),
        }
    }

    /// The statements that give columns of a table new types, and those that take it back; or what forbids it.
    pub fn statements(
        &self,
        table: &Relation,
        changes: &[(&Column, &str)],
    ) -> Result<(String, String), &'static str> {
        self.table_obstacle(table).map_or(Ok(()), Err)?;
        let snapshot = self.facts.snapshot;
        let (mut there, mut back, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for &(column, new_type) in changes {
            self.column_obstacle(table, column).map_or(Ok(()), Err)?;
            let old_type = self
                .facts
                .definitions
                .type_name(column.type_oid, column.type_modifier)
                .ok_or("the present type could not be read")?;
            let name = quote_identifier(&column.name);
            there.push(format!("ALTER COLUMN {name} TYPE {new_type}"));
            back.push(format!("ALTER COLUMN {name} TYPE {old_type}"));
            names.push(name);
        }
        // The change throws the columns' statistics away. Extended ones are measured of all columns or, with a warning,
        // not at all.
        let has_extended =
            snapshot.tree(table.oid).iter().any(|&leaf| !snapshot.extended_statistics_of(leaf).is_empty());
        let table = snapshot.relation_name(table.oid);
        let columns = if has_extended { String::new() } else { format!(" ({})", names.join(", ")) };
        let analyze = format!("ANALYZE {table}{columns};");
        Ok((
            format!("ALTER TABLE {table} {};\n{analyze}", there.join(", ")),
            format!("ALTER TABLE {table} {};\n{analyze}", back.join(", ")),
        ))
    }

    fn table_obstacle(&self, table: &Relation) -> Option<&'static str> {
        let snapshot = self.facts.snapshot;
        if leaves(snapshot, table).any(|leaf| leaf.rows < 0.0) {
            return Some("the table was never analyzed, so that its size is not known");
        }
        let is_large_now = || {
            let bytes =
                leaves(snapshot, table).filter_map(|leaf| self.facts.definitions.file_bytes(leaf.file));
            bytes.sum::<u64>() > SMALL_BYTES
        };
        if snapshot.heap_bytes(table) > SMALL_BYTES || is_large_now() {
            return Some(
                "the table is large and would be rewritten under ACCESS EXCLUSIVE: expand and contract",
            );
        }
        if table.partitioning.is_none() && !snapshot.children_of(table.oid).is_empty() {
            return Some("other tables inherit from it");
        }
        if table.of_type != 0 {
            return Some("its columns are those of a type, which has to be changed instead");
        }
        // The server refuses to change a column that a generation expression reads, and we do not know which it reads.
        if snapshot.columns_of(table.oid).iter().any(|column| column.is_generated) {
            return Some("the table has generated columns");
        }
        self.is_type_of_a_column(table.row_type).then_some("its row type is the type of another column")
    }

    fn column_obstacle(&self, table: &Relation, column: &Column) -> Option<&'static str> {
        let snapshot = self.facts.snapshot;
        let tree = snapshot.tree(table.oid);
        let same_column =
            |oid: Oid| snapshot.columns_of(oid).iter().find(|candidate| candidate.name == column.name);
        let anywhere = |judge: &dyn Fn(Oid, &Column) -> bool| {
            tree.iter().any(|&oid| same_column(oid).is_some_and(|found| judge(oid, found)))
        };
        if column.is_inherited {
            return Some("the column is inherited");
        }
        if snapshot.types.get(&column.type_oid).is_none_or(|found| found.kind == TypeKind::Domain) {
            return Some("the column's type is a domain");
        }
        if !matches!(column.collation, 0 | DEFAULT_COLLATION) {
            return Some("the column has a collation of its own");
        }
        if anywhere(&|oid, found| snapshot.depended_columns.contains(&(oid, found.number))) {
            return Some("views, rules, policies or functions depend on the column");
        }
        // The server gives the column what the new type is stored and compressed by, and forgets what was set.
        if anywhere(&|oid, found| self.facts.definitions.has_own_storage(oid, found.number)) {
            return Some(
                "the column has a storage or compression setting of its own, which the change would undo",
            );
        }
        if anywhere(&|oid, found| self.is_compared_by_type(oid, found)) {
            return Some("a CHECK compares the column as what it is");
        }
        // The change makes them anew, without the comment and the target that they may have.
        let is_measured = |oid: Oid, found: &Column| {
            snapshot.extended_statistics_of(oid).iter().any(|object| object.columns.contains(&found.number))
        };
        if anywhere(&is_measured) {
            return Some("extended statistics are kept of the column");
        }
        if anywhere(&|oid, found| self.is_partition_key(oid, found)) {
            return Some("the column is part of the partition key");
        }
        if anywhere(&|oid, found| self.is_in_foreign_key(oid, found)) {
            return Some("the column is part of a foreign key");
        }
        anywhere(&|oid, found| self.is_in_special_index(oid, found)).then_some(
            "an index uses the column in an expression, a predicate or with an operator class of its own",
        )
    }

    fn is_partition_key(&self, table: Oid, column: &Column) -> bool {
        let partitioning =
            self.facts.snapshot.relation(table).and_then(|relation| relation.partitioning.as_ref());
        // A key that is an expression (0) may read any column.
        partitioning.is_some_and(|found| found.columns.iter().any(|&key| key == column.number || key == 0))
    }

    fn is_in_foreign_key(&self, table: Oid, column: &Column) -> bool {
        let snapshot = self.facts.snapshot;
        let references = snapshot.constraints_of(table).iter().any(|constraint| {
            constraint.foreign_key.is_some() && constraint.columns.contains(&column.number)
        });
        references
            || self
                .referenced
                .get_or_init(|| {
                    snapshot
                        .constraints
                        .iter()
                        .filter_map(|constraint| constraint.foreign_key.as_deref())
                        .flat_map(|key| key.columns.iter().map(|&number| (key.table, number)))
                        .collect()
                })
                .contains(&(table, column.number))
    }

    /// Whether a CHECK on the column may mean something else, or nothing, for another type.
    ///
    /// What holds for double precision is written the same for numeric, and what holds for varchar for text.
    fn is_compared_by_type(&self, table: Oid, column: &Column) -> bool {
        let snapshot = self.facts.snapshot;
        !matches!(column.type_oid, builtin::FLOAT8 | builtin::VARCHAR)
            && snapshot.constraints_of(table).iter().any(|constraint| {
                constraint.kind == ConstraintKind::Check && constraint.columns.contains(&column.number)
            })
    }

    fn is_in_special_index(&self, table: Oid, column: &Column) -> bool {
        let snapshot = self.facts.snapshot;
        snapshot.indexes_of(table).iter().any(|index| {
            let has_own_class = index.key_columns().iter().any(|key| {
                key.column == column.number
                    && snapshot.operator_classes.get(&key.opclass).is_none_or(|class| !class.is_default)
            });
            let trees = index.expressions.iter().chain(index.predicate.as_ref());
            has_own_class
                || index.is_exclusion && index.keys.iter().any(|key| key.column == column.number)
                || trees.into_iter().any(|tree| node_tree::columns(tree).contains(&column.number))
        })
    }

    fn is_type_of_a_column(&self, row_type: Oid) -> bool {
        let snapshot = self.facts.snapshot;
        row_type != 0
            && self
                .types_of_columns
                .get_or_init(|| {
                    let element = |oid: Oid| snapshot.types.get(&oid).map_or(0, |found| found.element);
                    snapshot
                        .columns
                        .iter()
                        .flat_map(|column| [column.type_oid, element(column.type_oid)])
                        .collect()
                })
                .contains(&row_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, SampleDefinitions};
    use crate::catalog::{ExtendedStatistics, IndexKey, Snapshot};

    /// What forbids to change `orders.price` after an edit of the sample.
    fn obstacle(edit: impl FnOnce(&mut Sample, Oid)) -> Option<&'static str> {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        sample.column(table, "price", builtin::FLOAT8);
        edit(&mut sample, table);
        let snapshot = sample.finish();
        statements(&snapshot, table).err()
    }

    fn statements(snapshot: &Snapshot, table: Oid) -> Result<(String, String), &'static str> {
        let facts = Facts { snapshot, definitions: &SampleDefinitions, interrupt: &|| {} };
        let column = snapshot.columns_of(table).iter().find(|column| &*column.name == "price").unwrap();
        let changes = TypeChanges::new(&facts);
        changes.statements(snapshot.relation(table).unwrap(), &[(column, "numeric")])
    }

    #[test]
    fn writes_the_way_there_and_back() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("Orders");
        sample.column(table, "price", builtin::FLOAT8);
        sample.index(table, "idx_orders_price", &["price"]);
        let (fix, undo) = statements(&sample.finish(), table).unwrap();
        assert_eq!(
            fix,
            "ALTER TABLE public.\"Orders\" ALTER COLUMN price TYPE numeric;\nANALYZE public.\"Orders\" (price);"
        );
        assert_eq!(
            undo,
            "ALTER TABLE public.\"Orders\" ALTER COLUMN price TYPE type701;\nANALYZE public.\"Orders\" (price);"
        );
    }

    #[test]
    fn whatever_hangs_on_the_column_forbids_it() {
        assert_eq!(obstacle(|_, _| ()), None);
        let large = obstacle(|sample, table| sample.edit_table(table, |table| table.pages = 2_000));
        assert!(large.unwrap().contains("large"));
        let unmeasured = obstacle(|sample, table| sample.edit_table(table, |table| table.rows = -1.0));
        assert!(unmeasured.unwrap().contains("never analyzed"));
        let view = obstacle(|sample, table| {
            sample.snapshot.depended_columns.insert((table, 2));
        });
        assert!(view.unwrap().contains("views"));
        let referenced = obstacle(|sample, table| {
            let child = sample.keyed_table("lines");
            sample.column(child, "price", builtin::FLOAT8);
            sample.foreign_key(child, &["price"], table, &["price"]);
        });
        assert!(referenced.unwrap().contains("foreign key"));
        let predicate = obstacle(|sample, table| {
            let index = sample.index(table, "i", &["id"]);
            sample.edit_index(index, |index| index.predicate = Some("{ VAR :varattno 2 }".into()));
        });
        assert!(predicate.unwrap().contains("predicate"));
        let class = obstacle(|sample, table| {
            let index = sample.index(table, "i", &["id"]);
            sample.edit_index(index, |index| {
                index.keys = [IndexKey { column: 2, opclass: 1, ..IndexKey::default() }].into();
            });
        });
        assert!(class.unwrap().contains("operator class"));
        let generated =
            obstacle(|sample, table| sample.edit_column(table, "id", |id| id.is_generated = true));
        assert!(generated.unwrap().contains("generated"));
        let domain = obstacle(|sample, table| {
            let domain = sample.domain("price", builtin::FLOAT8);
            sample.edit_column(table, "price", |column| column.type_oid = domain);
        });
        assert!(domain.unwrap().contains("domain"));
        let row_type = obstacle(|sample, table| {
            sample.edit_table(table, |table| table.row_type = 77);
            let other = sample.keyed_table("others");
            sample.column(other, "whole", 77);
        });
        assert!(row_type.unwrap().contains("row type"));
        let typed = obstacle(|sample, table| sample.edit_table(table, |table| table.of_type = 78));
        assert!(typed.unwrap().contains("those of a type"));
        let checked = obstacle(|sample, table| {
            sample.edit_column(table, "price", |column| column.type_oid = builtin::FLOAT4);
            sample.check(table, "chk_orders_price", &["price"]);
        });
        assert!(checked.unwrap().contains("CHECK"));
        let measured = obstacle(|sample, table| keep_statistics(sample, table, &[1, 2]));
        assert!(measured.unwrap().contains("extended statistics"));
    }

    fn keep_statistics(sample: &mut Sample, table: Oid, columns: &[ColumnNumber]) {
        sample.snapshot.extended_statistics.push(ExtendedStatistics {
            oid: 9_000,
            name: "st_orders".into(),
            table,
            columns: columns.into(),
            dependencies: [].into(),
        });
    }

    #[test]
    fn a_check_of_double_precision_and_statistics_of_other_columns_do_not() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        sample.column(table, "price", builtin::FLOAT8);
        sample.check(table, "chk_orders_price", &["price"]);
        keep_statistics(&mut sample, table, &[1, 3]);
        let (fix, _) = statements(&sample.finish(), table).unwrap();
        assert!(fix.ends_with("ANALYZE public.orders;"), "{fix}");
    }

    #[test]
    fn a_partition_key_and_a_large_partition_forbid_it() {
        let key = obstacle(|sample, table| {
            let leaf = sample.keyed_table("orders_1");
            sample.column(leaf, "price", builtin::FLOAT8);
            sample.partition(table, leaf);
            sample.edit_table(table, |table| {
                table.partitioning.as_mut().unwrap().columns = [2].into();
            });
        });
        assert!(key.unwrap().contains("partition key"));
        let large = obstacle(|sample, table| {
            let leaf = sample.keyed_table("orders_1");
            sample.partition(table, leaf);
            sample.edit_table(leaf, |leaf| leaf.pages = 5_000);
        });
        assert!(large.unwrap().contains("large"));
    }
}
