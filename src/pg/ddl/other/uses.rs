//! Who names an object in a text that the server does not look into before it runs it.

use std::cell::OnceCell;

use pgrx::pg_sys;

use crate::catalog::ddl::{Dependent, RecentUse, Touched};
use crate::catalog::workload::WorkloadQuery;
use crate::pg::ddl::other::dependents::identity;
use crate::pg::scan::CatalogScan;
use crate::pg::workload::workload;
use crate::syntax::mention::{Searched, mentions};

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

/// The functions and the counted statements, read once for many names that are looked for in them.
#[derive(Default)]
pub struct Uses {
    functions: OnceCell<Vec<(pg_sys::Oid, Searched)>>,
    counted: OnceCell<Vec<(RecentUse, Searched)>>,
    /// Only those that have this word.
    with: Option<String>,
}

impl Uses {
    /// Of what belongs to the object of that name.
    pub fn with(word: &str) -> Self {
        Self { with: Some(word.to_owned()), ..Self::default() }
    }

    fn is_asked(&self, text: &str) -> bool {
        self.with.as_deref().is_none_or(|word| mentions(text, word))
    }

    /// As [`functions`].
    pub fn functions(&self, word: &str) -> Vec<Dependent> {
        let functions = self.functions.get_or_init(|| {
            let mut found = Vec::new();
            each_text(|oid, text| {
                if self.is_asked(text) {
                    found.push((oid, Searched::new(text.to_owned())));
                }
                true
            });
            found
        });
        let found = functions.iter().filter(|(_, text)| text.mentions(word)).map(|&(oid, _)| oid);
        described(found.take(MOST_NAMED).collect())
    }

    /// As [`recent`].
    pub fn recent(&self, target: &Touched, word: &str) -> Vec<RecentUse> {
        if !may_be_used(Some(target)) {
            return Vec::new();
        }
        let counted = self.counted.get_or_init(|| {
            let asked = counted().into_iter().filter(|query| self.is_asked(&query.text));
            asked.map(|query| (shown(&query), Searched::new(query.text))).collect()
        });
        let found = counted.iter().filter(|(_, text)| text.mentions(word)).map(|(shown, _)| shown.clone());
        found.take(MOST_USES).collect()
    }
}

/// Counted statements that have all of these words, if anybody but this session can use the relation at all; most
/// time first.
pub fn recent(target: Option<&Touched>, words: &[&str]) -> Vec<RecentUse> {
    if !may_be_used(target) {
        return Vec::new();
    }
    let counted = counted();
    let found = counted.iter().filter(|query| words.iter().all(|word| mentions(&query.text, word)));
    found.take(MOST_USES).map(shown).collect()
}

/// Whether anybody but this session can use the relation, and it can be told who did.
fn may_be_used(target: Option<&Touched>) -> bool {
    // Reading what others counted needs a snapshot, which not every statement has.
    // SAFETY: reads a variable of this backend.
    let has_snapshot = unsafe { pg_sys::ActiveSnapshotSet() };
    has_snapshot && target.is_some_and(|target| !target.is_private() && !target.is_empty)
}

fn counted() -> Vec<WorkloadQuery> {
    ["capture", "pg_stat_statements"]
        .into_iter()
        .find_map(|source| workload(source).ok().filter(|queries| !queries.is_empty()))
        .unwrap_or_default()
}

fn shown(query: &WorkloadQuery) -> RecentUse {
    RecentUse { query: query.text.chars().take(MOST_CHARACTERS).collect(), calls: query.calls as i64 }
}
