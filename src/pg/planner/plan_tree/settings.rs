//! Settings that shape a plan.

use pgrx::pg_sys;

use crate::catalog::plan::Settings;

/// The settings of this session.
pub fn read() -> Settings {
    // SAFETY: plain variables of this backend.
    unsafe {
        let work_mem = f64::from(pg_sys::work_mem) * 1024.0;
        let switches = [
            ("enable_seqscan", pg_sys::enable_seqscan),
            ("enable_indexscan", pg_sys::enable_indexscan),
            ("enable_indexonlyscan", pg_sys::enable_indexonlyscan),
            ("enable_bitmapscan", pg_sys::enable_bitmapscan),
            ("enable_tidscan", pg_sys::enable_tidscan),
            ("enable_sort", pg_sys::enable_sort),
            ("enable_incremental_sort", pg_sys::enable_incremental_sort),
            ("enable_hashagg", pg_sys::enable_hashagg),
            ("enable_nestloop", pg_sys::enable_nestloop),
            ("enable_material", pg_sys::enable_material),
            ("enable_memoize", pg_sys::enable_memoize),
            ("enable_mergejoin", pg_sys::enable_mergejoin),
            ("enable_hashjoin", pg_sys::enable_hashjoin),
            ("enable_gathermerge", pg_sys::enable_gathermerge),
            ("enable_parallel_append", pg_sys::enable_parallel_append),
            ("enable_parallel_hash", pg_sys::enable_parallel_hash),
            ("enable_partition_pruning", pg_sys::enable_partition_pruning),
        ];
        Settings {
            work_mem,
            hash_mem: work_mem * pg_sys::hash_mem_multiplier,
            disabled: switches.iter().filter(|(_, on)| !on).map(|(name, _)| (*name).to_owned()).collect(),
            parallel_workers: pg_sys::max_parallel_workers_per_gather,
            parallel_scan_pages: f64::from(pg_sys::min_parallel_table_scan_size),
            random_page_cost: pg_sys::random_page_cost,
            seq_page_cost: pg_sys::seq_page_cost,
            cache_pages: f64::from(pg_sys::effective_cache_size),
        }
    }
}
