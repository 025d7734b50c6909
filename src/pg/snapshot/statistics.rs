//! The cumulative statistics, read in process.

use pgrx::pg_sys;

use crate::catalog::{IndexStatistics, Moment, Snapshot, TableStatistics};
use crate::pg::moment::from_timestamp;

/// Reads entries straight from shared memory instead of through the session's cache, which would keep a copy of
/// every entry until the transaction ends.
struct Uncached(i32);

impl Uncached {
    fn begin() -> Self {
        // SAFETY: a plain variable of this backend; `drop` puts the user's value back, also while unwinding.
        unsafe {
            let before = pg_sys::pgstat_fetch_consistency;
            pg_sys::pgstat_fetch_consistency =
                pg_sys::PgStat_FetchConsistency::PGSTAT_FETCH_CONSISTENCY_NONE as _;
            Self(before)
        }
    }
}

impl Drop for Uncached {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { pg_sys::pgstat_fetch_consistency = self.0 as _ };
    }
}

/// Counters of the tables and indexes that the snapshot keeps.
pub fn read(snapshot: &mut Snapshot) {
    let _uncached = Uncached::begin();
    for relation in &mut snapshot.relations {
        if relation.kind.is_table() || relation.kind == crate::catalog::RelationKind::MaterializedView {
            relation.statistics = entry(relation.oid).map(|entry| Box::new(table_statistics(&entry)));
        }
    }
    for index in &mut snapshot.indexes {
        if !index.is_partitioned {
            index.statistics = entry(index.oid).map(|entry| index_statistics(&entry));
        }
    }
}

/// Counters of one table or index, whatever the session's cache has of it; for an index, only the scans mean anything.
pub fn of(relation: u32) -> Option<TableStatistics> {
    let _uncached = Uncached::begin();
    entry(relation).map(|entry| table_statistics(&entry))
}

fn entry(oid: u32) -> Option<pg_sys::PgStat_StatTabEntry> {
    // SAFETY: returns null or a copy of the entry in the current memory context; it is copied once more and freed.
    unsafe {
        let found = pg_sys::pgstat_fetch_stat_tabentry(pg_sys::Oid::from(oid));
        if found.is_null() {
            return None;
        }
        let copy = *found;
        pg_sys::pfree(found.cast());
        Some(copy)
    }
}

fn later(first: pg_sys::TimestampTz, second: pg_sys::TimestampTz) -> Option<Moment> {
    let last = first.max(second);
    (last != 0).then(|| from_timestamp(last))
}

fn table_statistics(entry: &pg_sys::PgStat_StatTabEntry) -> TableStatistics {
    TableStatistics {
        sequential_scans: entry.numscans,
        sequential_rows: entry.tuples_returned,
        inserted: entry.tuples_inserted,
        updated: entry.tuples_updated,
        hot_updated: entry.tuples_hot_updated,
        deleted: entry.tuples_deleted,
        ..renamed_fields(entry)
    }
}

/// The fields that PostgreSQL 16 renamed.
fn renamed_fields(entry: &pg_sys::PgStat_StatTabEntry) -> TableStatistics {
    #[cfg(feature = "pg15")]
    return TableStatistics {
        live: entry.n_live_tuples,
        dead: entry.n_dead_tuples,
        changed_since_analyze: entry.changes_since_analyze,
        last_vacuum: later(entry.vacuum_timestamp, entry.autovac_vacuum_timestamp),
        last_analyze: later(entry.analyze_timestamp, entry.autovac_analyze_timestamp),
        ..TableStatistics::default()
    };
    #[cfg(not(feature = "pg15"))]
    return TableStatistics {
        live: entry.live_tuples,
        dead: entry.dead_tuples,
        changed_since_analyze: entry.mod_since_analyze,
        last_vacuum: later(entry.last_vacuum_time, entry.last_autovacuum_time),
        last_analyze: later(entry.last_analyze_time, entry.last_autoanalyze_time),
        ..TableStatistics::default()
    };
}

fn index_statistics(entry: &pg_sys::PgStat_StatTabEntry) -> IndexStatistics {
    #[cfg(feature = "pg15")]
    let last_scan = None;
    #[cfg(not(feature = "pg15"))]
    let last_scan = later(entry.lastscan, 0);
    IndexStatistics { scans: entry.numscans, entries_read: entry.tuples_returned, last_scan }
}
