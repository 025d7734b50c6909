//! Facts for the tests of this room.

use rustc_hash::FxHashMap;

use crate::catalog::sample::{BTREE, Sample};
use crate::catalog::types::builtin;
use crate::catalog::{ColumnNumber, DAY, FileLocation, Index, Moment, Oid, Snapshot};
use crate::finding::{Definitions, Facts, LeafDensity};

/// Writes definitions as the server would, from a snapshot.
pub struct Deparse<'a> {
    pub snapshot: &'a Snapshot,
    /// How full an index's leaf pages are, by its name.
    pub fills: FxHashMap<&'static str, f64>,
    /// How many days ago an index was built, by its name; 40 unless said.
    pub ages: FxHashMap<String, i64>,
    /// What is said of an object, by its OID.
    pub comments: FxHashMap<Oid, &'static str>,
}

impl<'a> Deparse<'a> {
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            fills: FxHashMap::default(),
            ages: FxHashMap::default(),
            comments: FxHashMap::default(),
        }
    }

    fn find(&self, wanted: impl Fn(&Index) -> bool) -> Option<&Index> {
        self.snapshot.indexes.iter().find(|index| wanted(index))
    }
}

impl Definitions for Deparse<'_> {
    fn index(&self, index: Oid) -> Option<String> {
        let index = self.find(|candidate| candidate.oid == index)?;
        let numbers: Vec<i16> = index.keys.iter().map(|key| key.column).collect();
        Some(format!(
            "CREATE {}INDEX {} ON {}{} USING {} ({})",
            if index.is_unique { "UNIQUE " } else { "" },
            crate::text::quote_identifier(&index.name),
            if index.is_partitioned { "ONLY " } else { "" },
            self.snapshot.relation_name(index.table),
            self.snapshot.access_method_name(index.access_method),
            self.snapshot.column_list(index.table, &numbers)
        ))
    }

    fn constraint(&self, constraint: Oid) -> Option<String> {
        let constraint = self.snapshot.constraints.iter().find(|candidate| candidate.oid == constraint)?;
        let columns = self.snapshot.column_list(constraint.table, &constraint.columns);
        Some(format!(
            "UNIQUE ({columns}){}",
            if constraint.is_deferrable { " DEFERRABLE INITIALLY DEFERRED" } else { "" }
        ))
    }

    fn type_name(&self, _type_oid: Oid, _modifier: i32) -> Option<String> {
        None
    }

    fn comment(&self, _class: Oid, object: Oid) -> Option<String> {
        self.comments.get(&object).map(|&comment| comment.to_owned())
    }

    /// 500 plus its number for every expression.
    fn statistics_target(&self, relation: Oid, column: ColumnNumber) -> Option<i16> {
        let index = self.find(|index| index.oid == relation)?;
        let key = index.keys.get(usize::try_from(column - 1).ok()?)?;
        (key.column == 0).then_some(500 + column)
    }

    fn has_own_storage(&self, _table: Oid, _column: ColumnNumber) -> bool {
        false
    }

    fn file_bytes(&self, file: FileLocation) -> Option<u64> {
        self.find(|index| index.file == file).map(|index| u64::from(index.pages) * 8192)
    }

    fn relation_bytes(&self, file: FileLocation) -> Option<u64> {
        self.file_bytes(file)
    }

    fn leaf_density(&self, index: &Index) -> Option<LeafDensity> {
        let fill = *self.fills.get(&*index.name)?;
        Some(LeafDensity { sampled_pages: 30, pages: index.pages, fill })
    }

    fn function_signature(&self, _function: Oid) -> Option<String> {
        None
    }

    fn password_is(&self, _role: Oid, _word: &str) -> Option<bool> {
        None
    }

    fn file_created(&self, file: FileLocation) -> Option<Moment> {
        let index = self.find(|index| index.file == file)?;
        let days = self.ages.get(&*index.name).copied().unwrap_or(40);
        Some(self.snapshot.server.now - days * DAY)
    }
}

/// Asks a question of a snapshot.
pub fn ask<R>(snapshot: &Snapshot, question: impl FnOnce(&Facts<'_>) -> R) -> R {
    ask_with(&Deparse::new(snapshot), question)
}

/// Asks with definitions of one's own.
pub fn ask_with<R>(definitions: &Deparse<'_>, question: impl FnOnce(&Facts<'_>) -> R) -> R {
    question(&Facts { snapshot: definitions.snapshot, definitions, interrupt: &|| {} })
}

/// A sample with one table `t` of bigint columns `a` to `e`, and text columns `s` and `u`.
pub fn one_table() -> (Sample, Oid) {
    let mut sample = Sample::new();
    let table = plain_table(&mut sample, "t");
    (sample, table)
}

/// Such a table of another name.
pub fn plain_table(sample: &mut Sample, name: &str) -> Oid {
    let table = sample.table(name);
    for column in ["a", "b", "c", "d", "e"] {
        sample.column(table, column, builtin::INT8);
    }
    for column in ["s", "u"] {
        sample.column(table, column, builtin::TEXT);
    }
    table
}

/// A B-tree index of which the last `included` columns are INCLUDE columns.
pub fn index_including(
    sample: &mut Sample,
    table: Oid,
    name: &str,
    columns: &[&str],
    included: usize,
) -> Oid {
    let index = sample.index_by(table, name, columns, BTREE);
    sample.edit_index(index, |index| {
        let keys = columns.len() - included;
        index.key_count = u16::try_from(keys).unwrap();
        for key in &mut index.keys[keys..] {
            (key.opclass, key.collation) = (0, 0);
        }
    });
    index
}

/// A B-tree index whose first key is an expression.
pub fn index_on_expression(
    sample: &mut Sample,
    table: Oid,
    name: &str,
    expression: &str,
    further: &[&str],
) -> Oid {
    let mut columns = vec!["s"];
    columns.extend(further);
    let index = sample.index(table, name, &columns);
    sample.edit_index(index, |index| {
        index.keys[0].column = 0;
        index.expressions = [expression.into()].into();
    });
    index
}

/// Makes `child` a partition of `parent`, and gives it a member of each of the parent's indexes.
pub fn partition_with_indexes(sample: &mut Sample, parent: Oid, child: Oid, name: &str) {
    sample.partition(parent, child);
    let above: Vec<Index> =
        sample.snapshot.indexes.iter().filter(|index| index.table == parent).cloned().collect();
    for index in above {
        let oid = sample.oid();
        sample.edit_index(index.oid, |index| {
            index.is_partitioned = true;
            index.file = FileLocation::default();
            index.pages = 0;
        });
        sample.snapshot.indexes.push(Index {
            oid,
            table: child,
            name: format!("{name}_{}", index.name).into(),
            is_partition: true,
            is_partitioned: false,
            file: FileLocation { tablespace: 0, number: oid },
            pages: 5,
            ..index.clone()
        });
        sample.inherit(index.oid, oid);
    }
}
