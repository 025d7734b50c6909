//! Indexes that are broken, swollen, too many, or too coarse to help.

mod bloat;
mod coarse;
mod crowd;
mod invalid;

use serde_json::{Map, Value};

pub use bloat::BloatLimits;
pub(super) use bloat::bloat;
pub use coarse::CoarseLimits;
pub(super) use coarse::coarse;
pub use crowd::CrowdLimits;
pub(super) use crowd::crowd;
pub(super) use invalid::invalid;

use super::duplicate;
use super::duty::Duties;
use super::family::{Tree, indexed_relations};
use super::unused;
use crate::catalog::Oid;
use crate::finding::{Facts, Severity};

/// What is wrong with an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// Queries cannot use it.
    Invalid,
    /// Queries cannot use it, and writes do not maintain it.
    NotReady,
    /// Much of its file holds nothing.
    Bloated,
    /// The table has many more indexes than its reads justify.
    TooManyIndexes,
    /// It has so few distinct values that it hardly narrows a search.
    LowCardinality,
}

impl Problem {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotReady => "not_ready",
            Self::Bloated => "bloated",
            Self::TooManyIndexes => "too_many_indexes",
            Self::LowCardinality => "low_cardinality",
        }
    }
}

/// How sure we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Read from the catalogs, the counters or the index itself.
    Measured,
    /// Reckoned from ANALYZE's statistics.
    Estimated,
    /// It could not be judged; the reason says why.
    Unknown,
}

impl Certainty {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Estimated => "estimated",
            Self::Unknown => "unknown",
        }
    }
}

/// A row of `dbm.index_health()`.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexHealth {
    /// The table, qualified and quoted.
    pub table_name: String,
    /// The index, qualified and quoted; `None` when all indexes of the table are meant.
    pub index_name: Option<String>,
    /// What is wrong.
    pub problem: Problem,
    /// How sure we are.
    pub certainty: Certainty,
    /// Bytes on disk; of all indexes where all are meant.
    pub size_bytes: u64,
    /// Bytes that the repair would free; `None` when unknown.
    pub wasted_bytes: Option<u64>,
    /// What is wrong and what to do, in words that begin with the object's name.
    pub reason: String,
    /// The numbers behind it.
    pub evidence: Map<String, Value>,
    /// SQL that repairs it; `None` where somebody has to decide first.
    pub fix: Option<String>,
    /// SQL that takes the repair back; `None` where there is nothing to take back.
    pub undo: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// OID of the table.
    pub table: Oid,
    /// OID of the index; 0 when all are meant.
    pub index: Oid,
}

/// The limits of [`index_health`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// For bloat.
    pub bloat: BloatLimits,
    /// For too many indexes.
    pub crowd: CrowdLimits,
    /// For low cardinality.
    pub coarse: CoarseLimits,
}

impl Limits {
    /// The limits in force, by the names of the thresholds of the three rules.
    pub fn from_settings(settings: &dyn Fn(&str) -> Option<f64>) -> Self {
        Self {
            bloat: BloatLimits::from_settings(settings),
            crowd: CrowdLimits::from_settings(settings),
            coarse: CoarseLimits::from_settings(settings),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::from_settings(&|_| None)
    }
}

/// Whether another rule already wants the index gone, so that nothing else need be said of it.
pub(super) fn is_to_be_dropped<'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    tree: &Tree<'a>,
    top: Oid,
) -> bool {
    let limits = unused::Limits::default();
    duplicate::reported(facts, duties, &limits, tree).iter().any(|pair| pair.drop.top.oid == top)
        || unused::judge(facts, duties, &limits, tree).iter().any(|judgement| {
            judgement.verdict == unused::Verdict::Drop
                && judgement.family.top.oid == top
                && judgement.family.bytes(facts) >= limits.minimum_bytes
        })
}

/// Everything that is wrong with indexes apart from being superfluous: the broken first, then the largest.
pub fn index_health(facts: &Facts<'_>, limits: &Limits) -> Vec<IndexHealth> {
    let duties = Duties::learn(facts.snapshot);
    let mut names = None;
    let mut rows = Vec::new();
    for root in indexed_relations(facts.snapshot) {
        (facts.interrupt)();
        let tree = Tree::of(facts.snapshot, root);
        rows.extend(invalid(facts, &duties, &mut names, &tree));
        rows.extend(bloat(facts, &duties, &limits.bloat, &tree).rows);
        rows.extend(crowd(facts, &limits.crowd, &tree));
        rows.extend(coarse(facts, &duties, &limits.coarse, &tree).rows);
    }
    rows.sort_by(|left, right| {
        let order = |row: &IndexHealth| (row.problem, row.certainty, std::cmp::Reverse(row.size_bytes));
        order(left)
            .cmp(&order(right))
            .then_with(|| left.table_name.cmp(&right.table_name))
            .then_with(|| left.index_name.cmp(&right.index_name))
    });
    rows
}

#[cfg(test)]
mod tests;
