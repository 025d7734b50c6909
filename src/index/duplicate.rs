//! Indexes that another index makes superfluous.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::duty::Duties;
use super::family::{Family, Tree, indexed_relations};
use super::shape::Shape;
use super::unused::{self, Limits, Verdict};
use crate::catalog::{Constraint, ConstraintKind, Index, Oid};
use crate::change::index_ddl::{self, constraint_behind};
use crate::finding::Facts;

/// How an index is superfluous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The planner cannot tell the two apart.
    Duplicate,
    /// Its keys are the first keys of the other.
    Redundant,
}

impl Kind {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Redundant => "redundant",
        }
    }
}

/// A row of `dbm.duplicate_indexes()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateIndex {
    /// The table, qualified and quoted.
    pub table_name: String,
    /// The index that stays; never itself the `drop_index` of another row.
    pub keep_index: String,
    /// The index that can go.
    pub drop_index: String,
    /// How it is superfluous.
    pub kind: Kind,
    /// Why, in words.
    pub reason: String,
    /// Bytes that dropping it frees, over its partition tree.
    pub size_bytes: u64,
    /// Drops it, and its constraint where it has one.
    pub drop_sql: String,
    /// Brings it back; `None` when the server would not tell its definition now.
    pub recreate_sql: Option<String>,
    /// OID of the table.
    pub table: Oid,
    /// OID of the index that stays.
    pub keep: Oid,
    /// OID of the index that can go.
    pub drop: Oid,
}

/// An index that can go and the one that does its work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'t, 'a> {
    pub kind: Kind,
    pub drop: &'t Family<'a>,
    /// On the same table as the top of `drop`; where that is a partition, perhaps a member of a larger family.
    pub keep: &'a Index,
    pub keep_family: &'t Family<'a>,
    /// Whether the other one is to be dropped as well, because nothing scans either.
    is_keep_unused: bool,
    is_reversed: bool,
}

/// An index that is compared on one table.
struct Entry<'t, 'a> {
    family: &'t Family<'a>,
    index: &'a Index,
    shape: Shape<'a>,
    constraint: Option<&'a Constraint>,
    is_bound: bool,
    /// Whether it is to be dropped because nothing scans it.
    is_unused: bool,
}

impl<'a> Entry<'_, 'a> {
    /// What decides which of two equal indexes stays; the least stays.
    fn rank(&self, duties: &Duties<'a>) -> impl Ord + use<'a> {
        let class = match self.constraint.map(|constraint| constraint.kind) {
            _ if self.index.is_partition => 0,
            Some(ConstraintKind::PrimaryKey) => 1,
            Some(ConstraintKind::Exclusion) => 2,
            Some(_) if self.is_bound => 3,
            Some(_) => 4,
            None if duties.reference(self.index).is_some() => 5,
            None if self.index.is_replica_identity => 6,
            None if self.index.is_clustered => 7,
            None if self.index.is_unique => 8,
            None => 9,
        };
        // Of two that are equal but for it, the one that checks at once does more.
        let is_late = !self.index.is_immediate;
        (class, is_late, self.is_unused, Reverse(self.family.scans()), self.family.pages(), &*self.index.name)
    }

    /// Whether all that this index does, `other` does too, given that the planner sees no difference between them.
    fn can_give_way_to(&self, other: &Self) -> bool {
        let keeps_unique = !self.index.is_unique
            || (other.index.is_unique
                && other.index.nulls_not_distinct == self.index.nulls_not_distinct
                && (other.index.is_immediate || !self.index.is_immediate));
        // A constraint may be named in ON CONFLICT or in documentation: only another constraint stands for it.
        let keeps_constraint = self.constraint.is_none()
            || other.constraint.is_some_and(|constraint| constraint.kind != ConstraintKind::Exclusion);
        keeps_unique && keeps_constraint && self.may_go() && self.does_not_lean_on(other)
    }

    fn may_go(&self) -> bool {
        !self.is_bound && !self.index.is_partition
    }

    /// An index that stays must not give way to one that goes because nothing scans it.
    fn does_not_lean_on(&self, other: &Self) -> bool {
        self.is_unused || !other.is_unused
    }
}

/// The indexes of each table of a tree, members of families above it included; parents before children.
fn by_table<'t, 'a>(tree: &'t Tree<'a>) -> BTreeMap<usize, Vec<(&'t Family<'a>, &'a Index)>> {
    let place: FxHashMap<Oid, usize> =
        tree.tables.iter().enumerate().map(|(place, &table)| (table, place)).collect();
    let mut tables: BTreeMap<usize, Vec<(&'t Family<'a>, &'a Index)>> = BTreeMap::new();
    for family in &tree.families {
        for &member in &family.members {
            if let Some(&place) = place.get(&member.table) {
                tables.entry(place).or_default().push((family, member));
            }
        }
    }
    tables
}

/// All pairs of a tree. What is dropped in one pair is not kept in another.
pub(super) fn pairs<'t, 'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    limits: &Limits,
    tree: &'t Tree<'a>,
) -> Vec<Pair<'t, 'a>> {
    let unused = OnceCell::new();
    let mut found: Vec<Pair<'t, 'a>> = Vec::new();
    for (_, mut here) in by_table(tree) {
        here.retain(|(family, index)| {
            index.is_usable() && found.iter().all(|pair| pair.drop.top.oid != family.top.oid)
        });
        if here.len() < 2 || here.iter().all(|(_, index)| index.is_partition) {
            continue;
        }
        // Only indexes that begin with the same column by the same method can make each other superfluous.
        let start = |index: &Index| (index.access_method, index.keys.first().map(|key| key.column));
        here.sort_by_key(|(_, index)| start(index));
        for run in here.chunk_by(|(_, left), (_, right)| start(left) == start(right)) {
            if run.len() > 1 {
                found.extend(pairs_among(facts, duties, limits, tree, run, &unused));
            }
        }
    }
    found
}

/// The pairs among indexes of one table that begin with the same column.
fn pairs_among<'t, 'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    limits: &Limits,
    tree: &'t Tree<'a>,
    indexes: &[(&'t Family<'a>, &'a Index)],
    unused: &OnceCell<FxHashSet<Oid>>,
) -> Vec<Pair<'t, 'a>> {
    let shapes: Vec<Shape<'a>> = indexes.iter().map(|(_, index)| Shape::of(facts.snapshot, index)).collect();
    let is_kin = |left: &Shape<'_>, right: &Shape<'_>| left.is_same(right) || left.is_prefix_of(right);
    let has_kin = shapes.iter().enumerate().any(|(position, left)| {
        shapes.iter().enumerate().any(|(other, right)| position != other && is_kin(left, right))
    });
    if !has_kin {
        return Vec::new();
    }
    let unused = unused.get_or_init(|| unused_among(facts, duties, limits, tree));
    let mut entries: Vec<Entry<'t, 'a>> = indexes
        .iter()
        .zip(shapes)
        .map(|(&(family, index), shape)| Entry {
            family,
            index,
            shape,
            constraint: constraint_behind(facts.snapshot, index),
            is_bound: duties.binds(family),
            is_unused: unused.contains(&family.top.oid),
        })
        .collect();
    entries.sort_by(|left, right| left.rank(duties).cmp(&right.rank(duties)));

    let mut gives_way: Vec<Option<(Kind, usize)>> = vec![None; entries.len()];
    for position in 1..entries.len() {
        let (before, after) = entries.split_at(position);
        let Some(entry) = after.first() else { break };
        let better = before.iter().enumerate().find(|(other, candidate)| {
            gives_way[*other].is_none()
                && entry.shape.is_same(&candidate.shape)
                && entry.can_give_way_to(candidate)
        });
        gives_way[position] = better.map(|(other, _)| (Kind::Duplicate, other));
    }
    // The longest first, so that whatever a shorter one leans on is known to stay.
    let mut by_length: Vec<usize> = (0..entries.len()).collect();
    by_length.sort_by_key(|&position| Reverse(entries[position].shape.key_count()));
    for position in by_length {
        let entry = &entries[position];
        if gives_way[position].is_some()
            || entry.index.is_unique
            || entry.constraint.is_some()
            || !entry.may_go()
        {
            continue;
        }
        let longer = entries.iter().enumerate().filter(|(other, candidate)| {
            gives_way[*other].is_none()
                && entry.shape.is_prefix_of(&candidate.shape)
                && entry.does_not_lean_on(candidate)
        });
        let nearest = longer
            .min_by_key(|(other, candidate)| (candidate.is_unused, candidate.shape.key_count(), *other));
        gives_way[position] = nearest.map(|(other, _)| (Kind::Redundant, other));
    }
    let mut found = Vec::new();
    for (entry, way) in entries.iter().zip(&gives_way) {
        let Some((mut kind, mut keep)) = *way else { continue };
        // A duplicate of what is itself the beginning of a longer index gives way to the longer one.
        if let Some((next, further)) = gives_way[keep] {
            (kind, keep) = (next, further);
        }
        let kept = &entries[keep];
        found.push(Pair {
            kind,
            drop: entry.family,
            keep: kept.index,
            keep_family: kept.family,
            is_keep_unused: kept.is_unused,
            is_reversed: entry.shape.is_reversed != kept.shape.is_reversed,
        });
    }
    found
}

/// The indexes of a tree that are told as unused.
fn unused_among<'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    limits: &Limits,
    tree: &Tree<'a>,
) -> FxHashSet<Oid> {
    unused::judge(facts, duties, limits, tree)
        .into_iter()
        .filter(|judgement| judgement.verdict == Verdict::Drop)
        .filter(|judgement| judgement.family.bytes(facts) >= limits.minimum_bytes)
        .map(|judgement| judgement.family.top.oid)
        .collect()
}

/// The pairs of a tree apart from those of which `indexing.unused_index` reports both indexes.
pub(super) fn reported<'t, 'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    limits: &Limits,
    tree: &'t Tree<'a>,
) -> Vec<Pair<'t, 'a>> {
    let mut pairs = pairs(facts, duties, limits, tree);
    pairs.retain(|pair| !pair.is_keep_unused);
    pairs
}

/// The row for one pair.
pub(super) fn row(facts: &Facts<'_>, duties: &Duties<'_>, pair: &Pair<'_, '_>) -> DuplicateIndex {
    let snapshot = facts.snapshot;
    let top = pair.drop.top;
    let keep_index = snapshot.index_name(pair.keep);
    let mut reason = match (pair.kind, pair.is_reversed) {
        (Kind::Duplicate, false) => format!("the planner sees no difference to {keep_index}"),
        (Kind::Duplicate, true) => format!("it is {keep_index} read backwards"),
        (Kind::Redundant, false) => format!("its keys are the first keys of {keep_index}"),
        (Kind::Redundant, true) => format!("its keys are the first keys of {keep_index} read backwards"),
    };
    if let Some(duty) = duties.of(pair.keep_family) {
        reason.push_str(", which ");
        reason.push_str(&duty.deed());
    }
    DuplicateIndex {
        table_name: snapshot.relation_name(top.table),
        keep_index,
        drop_index: snapshot.index_name(top),
        kind: pair.kind,
        reason,
        size_bytes: pair.drop.bytes(facts),
        drop_sql: index_ddl::drop(snapshot, top),
        recreate_sql: index_ddl::recreate(snapshot, facts.definitions, &pair.drop.members),
        table: top.table,
        keep: pair.keep.oid,
        drop: top.oid,
    }
}

/// Every index that another one makes superfluous, the largest first.
///
/// An index that stays does not give way to one that [`unused::unused_indexes`] would drop under `limits`: with the
/// same limits both functions can be followed at once.
pub fn duplicate_indexes(facts: &Facts<'_>, limits: &Limits) -> Vec<DuplicateIndex> {
    let duties = Duties::learn(facts.snapshot);
    let mut rows = Vec::new();
    for root in indexed_relations(facts.snapshot) {
        (facts.interrupt)();
        let tree = Tree::of(facts.snapshot, root);
        rows.extend(pairs(facts, &duties, limits, &tree).iter().map(|pair| row(facts, &duties, pair)));
    }
    rows.sort_by(|left, right| {
        right.size_bytes.cmp(&left.size_bytes).then_with(|| left.drop_index.cmp(&right.drop_index))
    });
    rows
}

#[cfg(test)]
mod tests;
