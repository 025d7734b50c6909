//! Sets of columns under foreign keys that no index serves.

use rustc_hash::FxHashMap;

use crate::catalog::{ColumnNumber, Constraint, Oid, Snapshot};
use crate::foreign_key_cover::{Cover, cover};

/// A set of columns that one index should serve for one or more foreign keys.
pub(in crate::index) struct Gap<'a> {
    /// The foreign keys of exactly these columns, by name; never empty.
    pub constraints: Vec<&'a Constraint>,
    /// Foreign keys of fewer columns that the same index serves, grouped likewise.
    pub merged: Vec<Vec<&'a Constraint>>,
    /// The columns in the order that the index should have.
    pub columns: Vec<ColumnNumber>,
    /// What there is: never [`Cover::Full`].
    pub cover: Cover<'a>,
}

impl<'a> Gap<'a> {
    /// All foreign keys that the index serves.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Constraint> + '_ {
        self.constraints.iter().chain(self.merged.iter().flatten()).copied()
    }

    /// Whether no index helps at all.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.cover, Cover::None { .. })
    }
}

/// A foreign key's columns as a set.
pub(super) fn column_set(constraint: &Constraint) -> Vec<ColumnNumber> {
    let mut columns = constraint.columns.to_vec();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The enforced foreign keys of a table that `wanted` accepts, grouped by their columns as a set.
pub(in crate::index) fn groups<'a>(
    snapshot: &'a Snapshot,
    table: Oid,
    wanted: &dyn Fn(&Constraint) -> bool,
) -> Vec<(Vec<ColumnNumber>, Vec<&'a Constraint>)> {
    let mut groups: FxHashMap<Vec<ColumnNumber>, Vec<&'a Constraint>> = FxHashMap::default();
    let foreign_keys = snapshot.foreign_keys_of(table);
    for constraint in foreign_keys.filter(|constraint| constraint.is_enforced && wanted(constraint)) {
        groups.entry(column_set(constraint)).or_default().push(constraint);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    for (_, constraints) in &mut groups {
        constraints.sort_by(|left, right| left.name.cmp(&right.name));
    }
    groups.sort_by(|(left, _), (right, _)| left.len().cmp(&right.len()).then_with(|| left.cmp(right)));
    groups
}

/// The foreign keys of a table that lack an index, those whose columns another one's include merged into that.
pub(super) fn gaps<'a>(
    snapshot: &'a Snapshot,
    table: Oid,
    wanted: &dyn Fn(&Constraint) -> bool,
) -> Vec<Gap<'a>> {
    let mut gaps: Vec<Gap<'a>> = Vec::new();
    // Fewer columns first, so that a larger set can begin with a smaller one.
    for (columns, constraints) in groups(snapshot, table, wanted) {
        // Foreign keys on the same columns can differ in their operators.
        let covers = constraints.iter().map(|constraint| cover(snapshot, constraint));
        let Some(worst) = covers.filter(|cover| !cover.is_full()).max_by_key(|cover| match cover {
            Cover::Full(_) => 0,
            Cover::Partly { .. } => 1,
            Cover::None { .. } => 2,
        }) else {
            continue;
        };
        let own_order = constraints.first().map_or(&[][..], |constraint| &*constraint.columns);
        let mut order: Vec<ColumnNumber> = Vec::new();
        let mut merged = Vec::new();
        match worst {
            Cover::Partly { index, columns: count } => {
                order.extend(index.key_columns().iter().map(|key| key.column).take(count));
            }
            _ => {
                let is_inside = |gap: &Gap<'_>| {
                    matches!(gap.cover, Cover::None { .. })
                        && gap.columns.len() < columns.len()
                        && gap.columns.iter().all(|column| columns.contains(column))
                };
                // The last that fits is the largest.
                if let Some(position) = gaps.iter().rposition(is_inside) {
                    let smaller = gaps.remove(position);
                    order.extend(smaller.columns);
                    merged.extend(smaller.merged);
                    merged.push(smaller.constraints);
                }
            }
        }
        let rest: Vec<ColumnNumber> =
            own_order.iter().copied().filter(|column| !order.contains(column)).collect();
        order.extend(rest);
        order.retain(|column| columns.contains(column));
        gaps.push(Gap { constraints, merged, columns: order, cover: worst });
    }
    begin_apart(&mut gaps);
    gaps
}

/// Lets each new index begin with a column that no other gap has, where there is one.
///
/// For the foreign key itself the order is all one; but an index that begins with a column of another foreign key
/// turns that one from not indexed into indexed in part.
fn begin_apart(gaps: &mut [Gap<'_>]) {
    let sets: Vec<Vec<ColumnNumber>> = gaps.iter().map(|gap| gap.columns.clone()).collect();
    for (position, gap) in gaps.iter_mut().enumerate() {
        if !gap.is_open() || !gap.merged.is_empty() {
            continue;
        }
        let is_shared = |column: &ColumnNumber| {
            sets.iter().enumerate().any(|(other, set)| other != position && set.contains(column))
        };
        // A stable sort: apart from that the foreign key's own order stays.
        gap.columns.sort_by_key(is_shared);
    }
}

/// The gaps that an index for the gap at `start` would close in part, and those that their indexes would, and so on.
pub(super) fn companions(gaps: &[Gap<'_>], start: usize) -> Vec<usize> {
    let mut found = vec![start];
    let mut next = 0;
    while let Some(gap) = found.get(next).and_then(|&position| gaps.get(position)) {
        next += 1;
        let first = gap.columns.first();
        for (position, other) in gaps.iter().enumerate() {
            let is_touched = other.is_open() && first.is_some_and(|first| other.columns.contains(first));
            if is_touched && !found.contains(&position) {
                found.push(position);
            }
        }
    }
    found
}
