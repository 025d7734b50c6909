//! An index as people see it: with all the partition indexes attached to it, as one thing.

use rustc_hash::FxHashMap;

use crate::catalog::{Index, Oid, Relation, RelationKind, Snapshot, TableStatistics};
use crate::finding::Facts;

/// The users' relations that can have indexes, each partition tree once by its topmost table.
pub fn indexed_relations(snapshot: &Snapshot) -> impl Iterator<Item = &Relation> {
    snapshot.relations.iter().filter(|relation| {
        (relation.kind.is_table() || relation.kind == RelationKind::MaterializedView)
            && !relation.is_partition
            && snapshot.is_judged(relation)
    })
}

/// An index and everything attached to it.
#[derive(Clone, Debug)]
pub struct Family<'a> {
    /// The index that is not itself attached to another one of the tree.
    pub top: &'a Index,
    /// It and what is attached to it, parents before children.
    pub members: Vec<&'a Index>,
}

impl<'a> Family<'a> {
    /// The members that have storage.
    pub fn stored(&self) -> impl Iterator<Item = &'a Index> {
        self.members.iter().copied().filter(|member| !member.is_partitioned)
    }

    /// Scans since the statistics were last reset.
    pub fn scans(&self) -> i64 {
        self.members
            .iter()
            .filter_map(|member| member.statistics.as_ref())
            .map(|counters| counters.scans)
            .sum()
    }

    /// Index entries that those scans returned.
    pub fn entries_read(&self) -> i64 {
        let counters = self.members.iter().filter_map(|member| member.statistics.as_ref());
        counters.map(|counters| counters.entries_read).sum()
    }

    /// Pages at the last VACUUM or ANALYZE.
    pub fn pages(&self) -> u64 {
        self.members.iter().map(|member| u64::from(member.pages)).sum()
    }

    /// Bytes on disk now; as of the last VACUUM or ANALYZE where the server would not tell.
    pub fn bytes(&self, facts: &Facts<'_>) -> u64 {
        self.stored().map(|member| bytes(facts, member)).sum()
    }

    /// Whether this index or one attached to it is of that OID.
    pub fn contains(&self, index: Oid) -> bool {
        self.members.iter().any(|member| member.oid == index)
    }
}

/// Bytes of one index on disk now; as of the last VACUUM or ANALYZE where the server would not tell.
pub fn bytes(facts: &Facts<'_>, index: &Index) -> u64 {
    facts
        .definitions
        .file_bytes(index.file)
        .unwrap_or(u64::from(index.pages) * u64::from(facts.snapshot.server.block_size))
}

/// A table or materialised view with its partitions and all their indexes.
pub struct Tree<'a> {
    /// The topmost table.
    pub root: &'a Relation,
    /// It and its partitions, parents before children.
    pub tables: Vec<Oid>,
    /// Their indexes.
    pub families: Vec<Family<'a>>,
}

impl<'a> Tree<'a> {
    /// Collects the tree below `root`.
    pub fn of(snapshot: &'a Snapshot, root: &'a Relation) -> Self {
        if root.partitioning.is_none() {
            let families =
                snapshot.indexes_of(root.oid).iter().map(|top| Family { top, members: vec![top] }).collect();
            return Self { root, tables: vec![root.oid], families };
        }
        let tables = snapshot.tree(root.oid);
        let mut families: Vec<Family<'a>> = Vec::new();
        let mut family_of: FxHashMap<Oid, usize> = FxHashMap::default();
        for index in tables.iter().flat_map(|&table| snapshot.indexes_of(table)) {
            let above = snapshot.parents.get(&index.oid).and_then(|parent| family_of.get(parent)).copied();
            let position = above.filter(|_| index.is_partition).unwrap_or(families.len());
            match families.get_mut(position) {
                Some(family) => family.members.push(index),
                None => families.push(Family { top: index, members: vec![index] }),
            }
            if index.is_partitioned {
                family_of.insert(index.oid, position);
            }
        }
        Self { root, tables, families }
    }

    /// Counters of the whole tree; `None` when nothing was ever counted.
    pub fn statistics(&self, snapshot: &Snapshot) -> Option<TableStatistics> {
        let counted = self
            .tables
            .iter()
            .filter_map(|&table| snapshot.relation(table))
            .filter_map(|relation| relation.statistics.as_deref());
        counted.fold(None, |sum: Option<TableStatistics>, one| {
            let mut sum = sum.unwrap_or_default();
            sum.sequential_scans += one.sequential_scans;
            sum.sequential_rows += one.sequential_rows;
            sum.inserted += one.inserted;
            sum.updated += one.updated;
            sum.hot_updated += one.hot_updated;
            sum.deleted += one.deleted;
            sum.live += one.live;
            sum.dead += one.dead;
            Some(sum)
        })
    }

    /// Scans of all indexes of the tree since the statistics were last reset.
    pub fn index_scans(&self) -> i64 {
        self.families.iter().map(Family::scans).sum()
    }
}
