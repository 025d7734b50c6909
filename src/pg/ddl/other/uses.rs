//! Who names an object in a text that the server does not look into before it runs it.

use std::cell::OnceCell;

use pgrx::pg_sys;

use crate::catalog::ddl::{Dependent, RecentUse, Touched};
use crate::catalog::workload::WorkloadQuery;
use crate::pg::ddl::other::dependents::identity;
use crate::pg::scan::CatalogScan;
use crate::pg::workload::workload;
use crate::syntax::mention::mentions;

/// So many functions are looked into, and so many bytes of them.
const MOST_FUNCTIONS: usize = 5000;
const MOST_BYTES: usize = 8 << 20;
const MOST_NAMED: usize = 20;
const MOST_USES: usize = 5;
const MOST_CHARACTERS: usize = 200;

/// `INTERNALlanguageId` and `ClanguageId`.
const WITHOUT_TEXT: [u32; 2] = [12, 13];

/// Functions whose text has all of these words. The server knows of no such use: nothing refuses the change, and the
/// function breaks when it is called. A body in standard SQL (`BEGIN ATOMIC`) has no text, and does not break.
pub fn functions(words: &[&str]) -> Vec<Dependent> {
    let mut found = Vec::new();
    each_text(|oid, text| {
        if words.iter().all(|word| mentions(text, word)) {
            found.push(oid);
        }
        found.len() < MOST_NAMED
    });
    described(found)
}

/// Hands the text of each function to `look` until that has enough.
fn each_text(mut look: impl FnMut(pg_sys::Oid, &str) -> bool) {
    let mut scan = CatalogScan::keyed_from(
        pg_sys::ProcedureRelationId.to_u32(),
        pg_sys::ProcedureOidIndexId,
        (1, pg_sys::FirstNormalObjectId),
    );
    let (oid, language, source) =
        (scan.attribute(c"oid"), scan.attribute(c"prolang"), scan.attribute(c"prosrc"));
    let (mut seen, mut bytes) = (0, 0);
    while let Some(row) = scan.next_row() {
        if WITHOUT_TEXT.contains(&row.oid(language)) {
            continue;
        }
        let Some(text) = row.text(source) else {
            continue;
        };
        seen += 1;
        bytes += text.len();
        let goes_on = look(pg_sys::Oid::from(row.oid(oid)), &text);
        if seen >= MOST_FUNCTIONS || bytes >= MOST_BYTES || !goes_on {
            break;
        }
    }
}

fn described(functions: Vec<pg_sys::Oid>) -> Vec<Dependent> {
    let describe = |function| {
        let name = identity(pg_sys::ProcedureRelationId, function)?;
        Some(Dependent { kind: "function", name, is_dropped_by_cascade: false })
    };
    functions.into_iter().filter_map(describe).collect()
}

/// The functions and the counted statements that name a table, read once for all of its columns.
#[derive(Default)]
pub struct OfTable {
    functions: OnceCell<Vec<(pg_sys::Oid, String)>>,
    counted: Counted,
}

impl OfTable {
    /// Those of the functions that name the column, too.
    pub fn functions(&self, table: &str, column: &str) -> Vec<Dependent> {
        let functions = self.functions.get_or_init(|| {
            let mut found = Vec::new();
            each_text(|oid, text| {
                if mentions(text, table) {
                    found.push((oid, text.to_owned()));
                }
                true
            });
            found
        });
        let found = functions.iter().filter(|(_, text)| mentions(text, column)).map(|&(oid, _)| oid);
        described(found.take(MOST_NAMED).collect())
    }

    /// Those of the counted statements that name the column, too.
    pub fn recent(&self, table: &Touched, column: &str) -> Vec<RecentUse> {
        self.counted.recent(Some(table), &[&table.name, column])
    }
}

/// Counted statements that have all of these words, if anybody but this session can use the relation at all; most
/// time first.
pub fn recent(target: Option<&Touched>, words: &[&str]) -> Vec<RecentUse> {
    Counted::default().recent(target, words)
}

/// The counted statements, read when they are first asked for.
#[derive(Default)]
pub struct Counted(OnceCell<Vec<WorkloadQuery>>);

impl Counted {
    /// As [`recent`].
    pub fn recent(&self, target: Option<&Touched>, words: &[&str]) -> Vec<RecentUse> {
        // Reading what others counted needs a snapshot, which not every statement has.
        // SAFETY: reads a variable of this backend.
        let has_snapshot = unsafe { pg_sys::ActiveSnapshotSet() };
        if target.is_none_or(|target| target.is_private() || target.is_empty) || !has_snapshot {
            return Vec::new();
        }
        let counted = self.0.get_or_init(|| {
            ["capture", "pg_stat_statements"]
                .into_iter()
                .find_map(|source| workload(source).ok().filter(|queries| !queries.is_empty()))
                .unwrap_or_default()
        });
        counted
            .iter()
            .filter(|query| words.iter().all(|word| mentions(&query.text, word)))
            .take(MOST_USES)
            .map(|query| RecentUse {
                query: query.text.chars().take(MOST_CHARACTERS).collect(),
                calls: query.calls as i64,
            })
            .collect()
    }
}
