//! What an index is to the planner, so that two can be compared.

use crate::catalog::{ColumnNumber, Index, Oid, Snapshot};

/// One key column as the planner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key<'a> {
    column: ColumnNumber,
    expression: Option<&'a str>,
    /// For B-tree and hash the operator family and the type, for others the operator class itself and 0.
    operators: (Oid, Oid),
    collation: Oid,
    descending: bool,
    nulls_first: bool,
}

/// An index without its name, its uniqueness and its storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape<'a> {
    access_method: Oid,
    is_btree: bool,
    keys: Vec<Key<'a>>,
    /// INCLUDE columns, sorted: their order means nothing.
    included: Vec<ColumnNumber>,
    predicate: Option<&'a str>,
    /// What splits indexes of equal keys: the options of a BRIN index decide how coarse it is.
    options: &'a [Box<str>],
    /// Whether all directions were turned round, because a B-tree reads both ways.
    pub is_reversed: bool,
}

impl<'a> Shape<'a> {
    /// The shape of an index, turned so that its first key ascends.
    pub fn of(snapshot: &'a Snapshot, index: &'a Index) -> Self {
        let method = snapshot.access_method_name(index.access_method);
        let is_btree = method == "btree";
        let is_reversed = is_btree && index.keys.first().is_some_and(|key| key.descending);
        let mut expressions = index.expressions.iter();
        let keys = index
            .key_columns()
            .iter()
            .map(|key| Key {
                column: key.column,
                expression: if key.column == 0 { expressions.next().map(|text| &**text) } else { None },
                operators: match snapshot.operator_classes.get(&key.opclass) {
                    // varchar_ops is text_ops by another name: same family, same type.
                    Some(class) if is_btree || method == "hash" => (class.family, class.input_type),
                    _ => (key.opclass, 0),
                },
                collation: key.collation,
                descending: is_btree && key.descending != is_reversed,
                nulls_first: is_btree && key.nulls_first != is_reversed,
            })
            .collect();
        let mut included: Vec<ColumnNumber> = index.included_columns().iter().map(|key| key.column).collect();
        included.sort_unstable();
        Self {
            access_method: index.access_method,
            is_btree,
            keys,
            included,
            predicate: index.predicate.as_deref(),
            options: if method == "brin" { &index.options } else { &[] },
            is_reversed,
        }
    }

    /// Whether the planner cannot tell the two apart, uniqueness aside.
    pub fn is_same(&self, other: &Self) -> bool {
        self.access_method == other.access_method
            && self.keys == other.keys
            && self.included == other.included
            && self.predicate == other.predicate
            && self.options == other.options
    }

    /// Whether every scan of this B-tree can be a scan of `longer`, which has more keys after the same ones.
    pub fn is_prefix_of(&self, longer: &Self) -> bool {
        self.is_btree
            && longer.is_btree
            && self.keys.len() < longer.keys.len()
            && longer.keys.starts_with(&self.keys)
            && self.predicate == longer.predicate
            && self.included.iter().all(|&column| {
                longer.included.binary_search(&column).is_ok()
                    || longer.keys.iter().any(|key| key.column == column)
            })
    }

    /// How many key columns it has.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Whether it is a B-tree over all rows whose keys are the first of `columns`, but not all of them.
    pub fn is_plain_prefix_of(&self, columns: &[ColumnNumber]) -> bool {
        self.is_btree
            && self.predicate.is_none()
            && self.keys.len() < columns.len()
            && self.included.iter().all(|column| columns.contains(column))
            && self.keys.iter().zip(columns).all(|(key, &column)| {
                key.column == column && key.column != 0 && !key.descending && !key.nulls_first
            })
    }

    /// Whether two indexes on different tables of one partition tree differ at most in their columns' numbers.
    ///
    /// True only when nothing in them is an expression: those mention columns by number too.
    pub fn is_like(&self, other: &Self) -> bool {
        let is_plain =
            |shape: &Self| shape.predicate.is_none() && shape.keys.iter().all(|key| key.column != 0);
        is_plain(self)
            && is_plain(other)
            && self.is_reversed == other.is_reversed
            && self.access_method == other.access_method
            && self.included.len() == other.included.len()
            && self.keys.len() == other.keys.len()
            && self
                .keys
                .iter()
                .zip(&other.keys)
                .all(|(left, right)| Key { column: 0, ..*left } == Key { column: 0, ..*right })
    }
}
