//! Whether an index lets the server find the referencing rows of a foreign key, judged as the planner would.
//!
//! When a referenced row is deleted or its key changes, the server looks for referencing rows by
//! `WHERE $1 = column AND …`. An index helps when each of those conditions can become an index condition.
//! Two rooms ask this (indexes and schema design), so it stands below both.

use crate::catalog::{ColumnNumber, Constraint, Index, Oid, Snapshot};
use crate::syntax::node_tree::not_null_columns;

/// How well a foreign key's referencing side is indexed.
#[derive(Clone, Copy, Debug)]
pub enum Cover<'a> {
    /// This index finds the referencing rows by all columns.
    Full(&'a Index),
    /// This index narrows the search by the first `columns` of the foreign key's columns only.
    Partly {
        /// The index that helps most.
        index: &'a Index,
        /// How many of the foreign key's columns it searches by.
        columns: usize,
    },
    /// Every look-up reads the whole table.
    None {
        /// An index that looks as if it helped, and why it does not.
        nearest: Option<(&'a Index, Obstacle)>,
    },
}

impl Cover<'_> {
    /// Whether nothing is missing.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

/// Why an index that mentions a foreign key's column does not cover it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// It is invalid, not ready or being dropped.
    NotUsable,
    /// Its predicate leaves rows out.
    Partial,
    /// Its access method cannot look up single rows.
    AccessMethod,
    /// It is sorted by another collation than the column's.
    Collation,
    /// Its operator class does not know the foreign key's equality operator.
    OperatorClass,
    /// Another column comes first.
    NotFirst,
    /// The column is only an INCLUDE column.
    IncludedOnly,
    /// Only some of the partitions have it.
    SomePartitions,
}

impl Obstacle {
    /// The reason in words that go after the index's name.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotUsable => "is not valid",
            Self::Partial => "is partial",
            Self::AccessMethod => "has an access method that cannot look up single rows",
            Self::Collation => "has another collation than the column",
            Self::OperatorClass => "has an operator class without the foreign key's equality operator",
            Self::NotFirst => "starts with another column",
            Self::IncludedOnly => "has the column only as INCLUDE",
            Self::SomePartitions => "exists on some of the partitions only",
        }
    }
}

/// What one index does for one foreign key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Full,
    Partly(usize),
    Obstructed(Obstacle),
    Unrelated,
}

/// The referencing columns of a foreign key on one table of its partition tree, each with its equality operator.
struct Wanted {
    columns: Vec<(ColumnNumber, Oid)>,
}

impl Wanted {
    /// The columns as `table` numbers them; `None` when it lacks one or the constraint is no foreign key.
    fn on(snapshot: &Snapshot, constraint: &Constraint, table: Oid) -> Option<Self> {
        let foreign_key = constraint.foreign_key.as_ref()?;
        let mut columns: Vec<(ColumnNumber, Oid)> = Vec::with_capacity(constraint.columns.len());
        for (position, &number) in constraint.columns.iter().enumerate() {
            let number = if table == constraint.table {
                number
            } else {
                // A partition may have been made apart and number its columns differently.
                let name = &snapshot.column(constraint.table, number)?.name;
                snapshot.columns_of(table).iter().find(|column| column.name == *name)?.number
            };
            if columns.iter().all(|&(seen, _)| seen != number) {
                columns.push((number, foreign_key.equality.get(position).copied().unwrap_or(0)));
            }
        }
        (!columns.is_empty()).then_some(Self { columns })
    }

    fn operator(&self, column: ColumnNumber) -> Option<Oid> {
        self.columns.iter().find(|&&(number, _)| number == column).map(|&(_, operator)| operator)
    }

    fn fit(&self, snapshot: &Snapshot, index: &Index) -> Fit {
        let Some(relevant) = self.relevance(index) else {
            return Fit::Unrelated;
        };
        let method = snapshot.access_method_name(index.access_method);
        if !index.is_usable() {
            return Fit::Obstructed(Obstacle::NotUsable);
        }
        // BRIN and bloom find blocks, not rows: every look-up reads a large part of the index.
        if matches!(method, "brin" | "bloom") {
            return Fit::Obstructed(Obstacle::AccessMethod);
        }
        if index.predicate.as_deref().is_some_and(|predicate| !self.implies(predicate)) {
            return Fit::Obstructed(Obstacle::Partial);
        }
        if let Some(obstacle) = relevant {
            return Fit::Obstructed(obstacle);
        }
        self.leading(snapshot, index, method)
    }

    /// `None` when no column of the foreign key is in the index; otherwise what its place alone tells.
    fn relevance(&self, index: &Index) -> Option<Option<Obstacle>> {
        let mentions = |keys: &[crate::catalog::IndexKey]| {
            keys.iter().any(|key| key.column != 0 && self.operator(key.column).is_some())
        };
        if mentions(index.key_columns()) {
            return Some(None);
        }
        mentions(index.included_columns()).then_some(Some(Obstacle::IncludedOnly))
    }

    /// Whether `$1 = column` for all columns proves the predicate: equality is strict, so it proves NOT NULL.
    fn implies(&self, predicate: &str) -> bool {
        not_null_columns(predicate)
            .is_some_and(|columns| columns.iter().all(|&column| self.operator(column).is_some()))
    }

    fn leading(&self, snapshot: &Snapshot, index: &Index, method: &str) -> Fit {
        let mut found: Vec<ColumnNumber> = Vec::with_capacity(self.columns.len());
        let mut obstacle = Obstacle::NotFirst;
        let mut reaches_end = true;
        for key in index.key_columns() {
            let operator = if key.column == 0 { None } else { self.operator(key.column) };
            let matches = operator.is_some_and(|operator| {
                let column = snapshot.column(index.table, key.column);
                if column.is_none_or(|column| column.collation != key.collation) {
                    obstacle = Obstacle::Collation;
                    return false;
                }
                if !snapshot.supports_equality(key.opclass, operator) {
                    obstacle = Obstacle::OperatorClass;
                    return false;
                }
                true
            });
            if matches {
                if !found.contains(&key.column) {
                    found.push(key.column);
                }
                continue;
            }
            reaches_end = false;
            // GIN looks up each column alone; everything else needs the leading ones.
            if method != "gin" {
                break;
            }
        }
        // A unique index on some of the columns leaves at most one row to look at.
        let is_one_row = index.is_unique && reaches_end;
        match found.len() {
            0 => Fit::Obstructed(obstacle),
            count if count == self.columns.len() || is_one_row => Fit::Full,
            count => Fit::Partly(count),
        }
    }
}

/// All indexes of one table with what they do for the foreign key.
fn fits<'a>(
    snapshot: &'a Snapshot,
    constraint: &Constraint,
    table: Oid,
) -> impl Iterator<Item = (&'a Index, Fit)> {
    let wanted = Wanted::on(snapshot, constraint, table);
    snapshot
        .indexes_of(table)
        .iter()
        .filter_map(move |index| wanted.as_ref().map(|wanted| (index, wanted.fit(snapshot, index))))
}

/// The partitions below the constraint's table that store rows.
fn leaves(snapshot: &Snapshot, constraint: &Constraint) -> Vec<Oid> {
    let is_partitioned =
        snapshot.relation(constraint.table).is_some_and(|table| table.partitioning.is_some());
    if !is_partitioned {
        return Vec::new();
    }
    let stores = |oid: &Oid| {
        snapshot
            .relation(*oid)
            .is_some_and(|relation| relation.partitioning.is_none() && relation.kind.is_table())
    };
    snapshot.tree(constraint.table).into_iter().filter(stores).collect()
}

fn full_covers_on<'a>(snapshot: &'a Snapshot, constraint: &Constraint, table: Oid) -> Vec<&'a Index> {
    fits(snapshot, constraint, table).filter(|(_, fit)| *fit == Fit::Full).map(|(index, _)| index).collect()
}

/// How the foreign key `constraint` is covered; [`Cover::None`] for any other constraint.
///
/// A partitioned table is judged at the parent; where the parent has no cover but every partition has one of its
/// own, it is covered.
pub fn cover<'a>(snapshot: &'a Snapshot, constraint: &Constraint) -> Cover<'a> {
    let mut full: Option<&Index> = None;
    let mut partly: Option<(&Index, usize)> = None;
    let mut nearest: Option<(&Index, Obstacle)> = None;
    for (index, fit) in fits(snapshot, constraint, constraint.table) {
        match fit {
            Fit::Full => {
                let order = |index: &Index| (index.keys.len(), index.name.clone());
                if full.is_none_or(|best| order(index) < order(best)) {
                    full = Some(index);
                }
            }
            Fit::Partly(columns) => {
                let is_better = |(best, most): (&Index, usize)| {
                    columns > most || (columns == most && index.name < best.name)
                };
                if partly.is_none_or(is_better) {
                    partly = Some((index, columns));
                }
            }
            Fit::Obstructed(obstacle) => {
                let is_nearer =
                    |(best, least): (&Index, Obstacle)| (obstacle, &index.name) < (least, &best.name);
                if nearest.is_none_or(is_nearer) {
                    nearest = Some((index, obstacle));
                }
            }
            Fit::Unrelated => {}
        }
    }
    if let Some(index) = full {
        return Cover::Full(index);
    }
    let leaves = leaves(snapshot, constraint);
    let mut local =
        leaves.iter().filter_map(|&leaf| full_covers_on(snapshot, constraint, leaf).first().copied());
    let first = local.next();
    if let Some(index) = first {
        if local.count() + 1 == leaves.len() {
            return Cover::Full(index);
        }
        nearest = nearest.or(Some((index, Obstacle::SomePartitions)));
    }
    match partly {
        Some((index, columns)) => Cover::Partly { index, columns },
        None => Cover::None { nearest },
    }
}

/// How much an index helps a foreign key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Help {
    /// Not at all.
    None,
    /// It searches by some of the columns.
    Partly,
    /// It covers it.
    Full,
}

/// How much an index that is broken now would help a foreign key once it is rebuilt.
pub fn help_if_rebuilt(snapshot: &Snapshot, constraint: &Constraint, broken: &Index) -> Help {
    let rebuilt = Index { is_valid: true, is_ready: true, is_live: true, ..broken.clone() };
    match Wanted::on(snapshot, constraint, broken.table).map(|wanted| wanted.fit(snapshot, &rebuilt)) {
        Some(Fit::Full) => Help::Full,
        Some(Fit::Partly(_)) => Help::Partly,
        _ => Help::None,
    }
}

/// Sets of indexes of each of which at least one has to stay, or the foreign key is covered worse than now.
///
/// Usually one set: all full covers, or, where there is none, all that cover it partly. For a partitioned table
/// covered by its partitions' own indexes it is one set for each partition.
pub fn cover_sets<'a>(snapshot: &'a Snapshot, constraint: &Constraint) -> Vec<Vec<&'a Index>> {
    let full = full_covers_on(snapshot, constraint, constraint.table);
    if !full.is_empty() {
        return vec![full];
    }
    let mut sets: Vec<Vec<&Index>> = leaves(snapshot, constraint)
        .into_iter()
        .map(|leaf| full_covers_on(snapshot, constraint, leaf))
        .filter(|set| !set.is_empty())
        .collect();
    let partly: Vec<&Index> = fits(snapshot, constraint, constraint.table)
        .filter(|(_, fit)| matches!(fit, Fit::Partly(_)))
        .map(|(index, _)| index)
        .collect();
    if !partly.is_empty() {
        sets.push(partly);
    }
    sets
}

#[cfg(test)]
mod tests;
