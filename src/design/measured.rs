//! What ANALYZE and the counters say of a table, partitions included.

use crate::catalog::{Column, Relation, Snapshot};

/// Why a column's statistics are missing, and what would bring them.
pub fn why_unmeasured(snapshot: &Snapshot) -> String {
    if snapshot.server.sees_statistics {
        "never analyzed: run ANALYZE".to_owned()
    } else {
        format!(
            "role {} may not see column statistics: grant it pg_monitor, or SELECT on the tables",
            snapshot.server.role
        )
    }
}

/// Share of a column's rows that are NULL. Of a partitioned table without statistics of its own it is the share in
/// its partitions, provided that all with rows are measured.
pub fn null_fraction(snapshot: &Snapshot, table: &Relation, column: &Column) -> Option<f64> {
    if let Some(statistics) = column.statistics {
        return Some(f64::from(statistics.null_fraction));
    }
    table.partitioning.as_ref()?;
    let (mut rows, mut nulls) = (0.0, 0.0);
    for leaf in leaves(snapshot, table) {
        if leaf.rows == 0.0 {
            continue;
        }
        let same = snapshot.columns_of(leaf.oid).iter().find(|candidate| candidate.name == column.name)?;
        let fraction = same.statistics?.null_fraction;
        if leaf.rows < 0.0 {
            return None;
        }
        rows += f64::from(leaf.rows);
        nulls += f64::from(leaf.rows) * f64::from(fraction);
    }
    (rows > 0.0).then(|| nulls / rows)
}

/// The tables that hold the rows: the table itself, or its partitions without partitions of their own.
pub fn leaves<'a>(snapshot: &'a Snapshot, table: &'a Relation) -> impl Iterator<Item = &'a Relation> {
    let tree = if table.partitioning.is_some() { snapshot.tree(table.oid) } else { vec![table.oid] };
    tree.into_iter()
        .filter_map(|oid| snapshot.relation(oid))
        .filter(|relation| relation.partitioning.is_none())
}

/// Rows inserted and updated since the counters began; `None` when nothing was ever counted.
pub fn inserted_and_updated(snapshot: &Snapshot, table: &Relation) -> Option<(i64, i64)> {
    leaves(snapshot, table)
        .filter_map(|leaf| leaf.statistics.as_deref())
        .map(|counters| (counters.inserted, counters.updated))
        .reduce(|sum, leaf| (sum.0.saturating_add(leaf.0), sum.1.saturating_add(leaf.1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::Sample;
    use crate::catalog::types::builtin;

    #[test]
    fn partitions_speak_for_their_parent_when_all_are_measured() {
        let mut sample = Sample::new();
        let parent = sample.keyed_table("events");
        sample.column(parent, "note", builtin::TEXT);
        sample.edit_column(parent, "note", |column| column.statistics = None);
        for (name, nulls) in [("events_1", 0.0), ("events_2", 0.5)] {
            let leaf = sample.keyed_table(name);
            sample.column(leaf, "note", builtin::TEXT);
            sample.edit_column(leaf, "note", |column| {
                column.statistics = column.statistics.map(|mut known| {
                    known.null_fraction = nulls;
                    known
                });
            });
            sample.partition(parent, leaf);
        }
        let mut snapshot = sample.finish();
        let fraction = |snapshot: &Snapshot| {
            let table = snapshot.relation(parent)?;
            null_fraction(snapshot, table, snapshot.column(parent, 2)?)
        };
        assert_eq!(fraction(&snapshot), Some(0.25));
        let counted = inserted_and_updated(&snapshot, snapshot.relation(parent).unwrap());
        assert_eq!(counted, Some((2_000, 10_000)));
        snapshot.columns.iter_mut().for_each(|column| column.statistics = None);
        assert_eq!(fraction(&snapshot), None);
    }
}
