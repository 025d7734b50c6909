//! How much disk each table takes, a partition tree counting as one table.

use crate::catalog::{FileLocation, Index, Relation, RelationKind, Snapshot};
use crate::finding::Facts;

/// The disk that a table or materialised view takes. All sizes in bytes, all forks included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableSize {
    /// `schema.table`.
    pub table_name: String,
    /// Everything together.
    pub total_bytes: u64,
    /// The heap.
    pub table_bytes: u64,
    /// TOAST and its index.
    pub toast_bytes: u64,
    /// All indexes.
    pub index_bytes: u64,
    /// Estimated live rows; `None` when nothing was ever measured.
    pub rows: Option<i64>,
    /// Estimated dead rows.
    pub dead_rows: Option<i64>,
    /// How many partitions with storage, 0 for a plain table.
    pub partitions: u64,
}

/// The largest tables first; at most `most` of them.
pub fn table_sizes(facts: &Facts<'_>, most: usize) -> Vec<TableSize> {
    let snapshot = facts.snapshot;
    let mut sizes: Vec<TableSize> = snapshot
        .relations
        .iter()
        .filter(|relation| {
            has_storage_or_parts(relation) && !relation.is_partition && snapshot.is_judged(relation)
        })
        .map(|relation| {
            (facts.interrupt)();
            size_of(facts, relation)
        })
        .collect();
    sizes.sort_by(|left, right| {
        right.total_bytes.cmp(&left.total_bytes).then_with(|| left.table_name.cmp(&right.table_name))
    });
    sizes.truncate(most);
    sizes
}

fn has_storage_or_parts(relation: &Relation) -> bool {
    relation.kind.is_table() || relation.kind == RelationKind::MaterializedView
}

fn size_of(facts: &Facts<'_>, relation: &Relation) -> TableSize {
    let snapshot = facts.snapshot;
    // A file that went between the catalog read and now takes no more room.
    let bytes = |file: FileLocation| facts.definitions.relation_bytes(file).unwrap_or(0);
    let mut size = TableSize { table_name: snapshot.relation_name(relation.oid), ..TableSize::default() };
    for oid in snapshot.tree(relation.oid) {
        let Some(part) = snapshot.relation(oid) else {
            continue;
        };
        size.table_bytes += bytes(part.file);
        size.toast_bytes += bytes(part.toast_file) + bytes(part.toast_index_file);
        size.index_bytes +=
            snapshot.indexes_of(oid).iter().map(|index: &Index| bytes(index.file)).sum::<u64>();
        if part.partitioning.is_none() {
            size.partitions += u64::from(oid != relation.oid);
            add_rows(&mut size, snapshot, part);
        }
    }
    size.total_bytes = size.table_bytes + size.toast_bytes + size.index_bytes;
    size
}

/// The running counters are fresher than the last ANALYZE, which is fresher than nothing.
fn add_rows(size: &mut TableSize, snapshot: &Snapshot, part: &Relation) {
    let measured = snapshot.rows(part).map(|rows| rows as i64);
    let counted = part.statistics.as_ref();
    let live = counted.map(|counters| counters.live).filter(|&live| live > 0).or(measured);
    if let Some(live) = live {
        *size.rows.get_or_insert(0) += live;
    }
    if let Some(counters) = counted {
        *size.dead_rows.get_or_insert(0) += counters.dead;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, SampleDefinitions};

    fn sizes(snapshot: &Snapshot, most: usize) -> Vec<TableSize> {
        let facts = Facts { snapshot, definitions: &SampleDefinitions, interrupt: &|| {} };
        table_sizes(&facts, most)
    }

    #[test]
    fn a_partition_tree_is_one_table() {
        let mut sample = Sample::new();
        let parent = sample.keyed_table("events");
        for name in ["events_1", "events_2"] {
            let child = sample.keyed_table(name);
            sample.partition(parent, child);
        }
        sample.edit_table(parent, |relation| relation.file.number = 0);
        sample.keyed_table("orders");
        let snapshot = sample.finish();
        let found = sizes(&snapshot, 10);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].table_name, "public.events");
        assert_eq!((found[0].partitions, found[0].rows), (2, Some(2_000)));
        assert!(found[0].table_bytes > found[1].table_bytes);
    }

    #[test]
    fn the_largest_come_first_and_the_rest_is_cut() {
        let mut sample = Sample::new();
        let large = sample.keyed_table("large");
        sample.index(large, "idx_large_id", &["id"]);
        sample.keyed_table("small");
        let found = sizes(&sample.finish(), 1);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].table_name, "public.large");
        assert_eq!(found[0].total_bytes, found[0].table_bytes + found[0].index_bytes);
    }

    #[test]
    fn a_table_that_nobody_measured_has_no_rows_rather_than_none() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("fresh");
        sample.edit_table(table, |relation| {
            relation.rows = -1.0;
            relation.statistics = None;
        });
        let found = sizes(&sample.finish(), 10);
        assert_eq!((found[0].rows, found[0].dead_rows), (None, None));
    }
}
