//! Missing indexes, from whatever tells of them: the catalogs, which know foreign keys and scans, and the queries that
//! run here.

use std::time::Duration;

use serde_json::Value;

use crate::index::missing::{self, MissingIndex, Source};
use crate::index::{FOREIGN_KEY_WITHOUT_INDEX, MANY_SEQUENTIAL_SCANS};
use crate::pg::{facts, thresholds};
use crate::query::live::workload::{Lacking, lacking_indexes};

/// How long the workload is looked at; `dbm.advise_workload()` takes longer and finds more.
const LIMIT: Duration = Duration::from_secs(3);

/// A row of `dbm.missing_indexes()`.
pub struct Missing {
    /// The table, qualified and quoted.
    pub table_name: String,
    /// The columns to index, in order; empty when nobody can tell.
    pub columns: Vec<String>,
    /// `foreign_key`, `workload` or `seq_scan`.
    pub source: &'static str,
    /// Why it hurts, in words.
    pub reason: String,
    /// The numbers behind it.
    pub evidence: Value,
    /// Creates it; `None` when nobody can tell what to create.
    pub create_sql: Option<String>,
}

/// Foreign keys first, then what queries ask for, then scans of tables of which no query tells more.
pub fn missing_indexes() -> Vec<Missing> {
    let limits = missing::Limits {
        foreign_key: missing::ForeignKeyLimits::from_settings(&thresholds::of(&FOREIGN_KEY_WITHOUT_INDEX)),
        scan: missing::ScanLimits::from_settings(&thresholds::of(&MANY_SEQUENTIAL_SCANS)),
    };
    let told_by_catalogs = facts::with(|facts| missing::missing_indexes(facts, &limits));
    let (mut foreign_keys, mut scans): (Vec<Missing>, Vec<Missing>) = (Vec::new(), Vec::new());
    for row in told_by_catalogs {
        let rows = if row.source == Source::ForeignKey { &mut foreign_keys } else { &mut scans };
        rows.push(row.into());
    }
    let mut workload: Vec<Missing> = Vec::new();
    for lacking in lacking_indexes(LIMIT) {
        let is_same =
            |row: &&mut Missing| row.table_name == lacking.table_name && row.columns == lacking.columns;
        match foreign_keys.iter_mut().find(is_same) {
            // One index serves both.
            Some(row) => row.evidence["workload"] = lacking.evidence,
            None => workload.push(lacking.into()),
        }
    }
    let is_told = |scan: &Missing| workload.iter().any(|row| row.table_name == scan.table_name);
    scans.retain(|scan| !is_told(scan));
    foreign_keys.into_iter().chain(workload).chain(scans).collect()
}

impl From<MissingIndex> for Missing {
    fn from(row: MissingIndex) -> Self {
        Self {
            table_name: row.table_name,
            columns: row.columns,
            source: row.source.name(),
            reason: row.reason,
            evidence: Value::Object(row.evidence),
            create_sql: row.create_sql,
        }
    }
}

impl From<Lacking> for Missing {
    fn from(row: Lacking) -> Self {
        Self {
            table_name: row.table_name,
            columns: row.columns,
            source: "workload",
            reason: row.reason,
            evidence: row.evidence,
            create_sql: Some(row.create_sql),
        }
    }
}
