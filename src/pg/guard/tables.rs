//! What the judge needs of our own tables, read without SPI and without waiting: this happens at each DDL statement.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::{presence, rates};
use crate::catalog::ddl::Measured;
use crate::pg::scan::CatalogScan;

/// A row of `dbm.rule_setting`.
pub struct RuleRow {
    /// The rule's id.
    pub rule: String,
    /// Whether it is on.
    pub enabled: bool,
    /// Its severity, where it was changed.
    pub severity: Option<String>,
    /// The thresholds that were changed.
    pub thresholds: serde_json::Value,
}

/// The rows of `dbm.rule_setting`, whoever asks; none while somebody holds the table locked.
pub fn rule_rows() -> Vec<RuleRow> {
    let mut rows = Vec::new();
    let Some(mut scan) = unlocked(c"rule_setting") else { return rows };
    let [rule, enabled, severity, thresholds] =
        [c"rule", c"enabled", c"severity", c"thresholds"].map(|name| scan.attribute(name));
    while let Some(row) = scan.next_row() {
        rows.push(RuleRow {
            rule: row.text(rule).map(Into::into).unwrap_or_default(),
            enabled: row.bool(enabled),
            severity: row.text(severity).map(Into::into),
            thresholds: row.json(thresholds).unwrap_or_default(),
        });
    }
    rows
}

/// The rows of `dbm.ddl_measurement`, oldest first; none while somebody holds the table locked.
pub fn measurements() -> Vec<Measured> {
    let mut rows: Vec<(i64, Measured)> = Vec::new();
    let Some(mut scan) = unlocked(c"ddl_measurement") else { return Vec::new() };
    let [at, work, bytes, seconds] = [c"at", c"work", c"bytes", c"seconds"].map(|name| scan.attribute(name));
    while let Some(row) = scan.next_row() {
        let seconds = f64::from_bits(row.int8(seconds).unwrap_or(0).cast_unsigned());
        let work = row.text(work).unwrap_or_default();
        let measured = rates::measured(&work, row.int8(bytes).unwrap_or(0), seconds);
        rows.extend(measured.map(|measured| (row.int8(at).unwrap_or(0), measured)));
    }
    rows.sort_by_key(|(at, _)| *at);
    rows.into_iter().map(|(_, measured)| measured).collect()
}

/// Whether one of our tables can be written at once; otherwise somebody holds it, and who judges must not wait. What this
/// locks stays locked until the transaction ends, as what is written does.
pub fn can_write(name: &CStr) -> bool {
    let mode = pg_sys::RowExclusiveLock.cast_signed();
    // SAFETY: a lock that is not waited for.
    presence::table(name).is_some_and(|table| unsafe { pg_sys::ConditionalLockRelationOid(table, mode) })
}

/// A scan of one of our tables, unless somebody has it locked.
fn unlocked(name: &CStr) -> Option<CatalogScan> {
    let table = presence::table(name)?;
    let mode = pg_sys::AccessShareLock.cast_signed();
    // SAFETY: a lock that is not waited for; the scan takes its own.
    unsafe { pg_sys::ConditionalLockRelationOid(table, mode) }.then(|| {
        let scan = CatalogScan::open(table.to_u32());
        // SAFETY: taken above.
        unsafe { pg_sys::UnlockRelationOid(table, mode) };
        scan
    })
}
