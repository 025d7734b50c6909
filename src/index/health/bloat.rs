//! B-tree indexes much of whose file holds nothing.
//!
//! First reckoned: how many pages the entries would take if the index were built anew, from ANALYZE's statistics and
//! with B-tree deduplication in mind. What then looks suspicious is measured, by reading a sample of its leaf pages.

use serde_json::{Map, Value};

use super::{Certainty, IndexHealth, Problem, is_to_be_dropped};
use crate::catalog::types::builtin;
use crate::catalog::{Index, Snapshot, Type, TypeKind};
use crate::change::index_ddl;
use crate::finding::{Facts, Severity};
use crate::index::duty::Duties;
use crate::index::family::{Family, Tree, bytes};
use crate::index::limits::limit;
use crate::index::rules;
use crate::text::size::pretty_bytes;

/// What counts as bloat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BloatLimits {
    /// The share of the file that a rebuild would free.
    pub share: f64,
    /// The bytes that it would free, over a partition tree.
    pub wasted_bytes: f64,
    /// From what size on a suspect is measured rather than reckoned.
    pub measured_bytes: f64,
}

impl BloatLimits {
    /// The limits in force, by the names of the thresholds of `indexing.bloated_index`.
    pub fn from_settings(settings: &dyn Fn(&str) -> Option<f64>) -> Self {
        let value = |name| limit(&rules::BLOATED_INDEX, settings, name);
        Self {
            share: value("bloat_share"),
            wasted_bytes: value("wasted_bytes"),
            measured_bytes: value("measured_bytes"),
        }
    }
}

/// How far the reckoned share may be from the truth before measuring is not worth it.
const MARGIN: f64 = 0.15;

/// What was found on one tree.
pub struct Bloat {
    /// The bloated indexes, and those that could not be judged.
    pub rows: Vec<IndexHealth>,
    /// Whether any index was judged, or there was none to judge.
    pub is_judged: bool,
}

/// What is known of one file.
enum State {
    Sound,
    Bloated { share: f64, wasted_bytes: u64, certainty: Certainty },
    Unknown,
}

/// The bloated indexes of a tree, each with its partition indexes as one.
pub fn bloat<'a>(facts: &Facts<'a>, duties: &Duties<'a>, limits: &BloatLimits, tree: &Tree<'a>) -> Bloat {
    let snapshot = facts.snapshot;
    let block = f64::from(snapshot.server.block_size);
    let mut found = Bloat { rows: Vec::new(), is_judged: false };
    let mut has_unknown = false;
    for family in &tree.families {
        let is_btree = snapshot.access_method_name(family.top.access_method) == "btree";
        // Less than that cannot be wasted in a smaller file.
        if !is_btree || family.pages() as f64 * block < limits.wasted_bytes {
            continue;
        }
        let states: Vec<(&Index, State)> = family
            .stored()
            .filter(|member| member.is_usable())
            .map(|member| (member, state(facts, limits, member)))
            .collect();
        let (bloated, others): (Vec<_>, Vec<_>) =
            states.into_iter().partition(|(_, state)| matches!(state, State::Bloated { .. }));
        let waste: u64 = bloated.iter().map(|(_, state)| wasted(state)).sum();
        let is_bloated = waste as f64 >= limits.wasted_bytes && !bloated.is_empty();
        let unknown: u64 = others
            .iter()
            .filter(|(_, state)| matches!(state, State::Unknown))
            .map(|(member, _)| u64::from(member.pages))
            .sum();
        let is_unknown = !is_bloated && unknown as f64 * block >= limits.wasted_bytes;
        found.is_judged |= !is_unknown;
        if !(is_bloated || is_unknown) || is_to_be_dropped(facts, duties, tree, family.top.oid) {
            continue;
        }
        has_unknown |= is_unknown;
        found.rows.push(if is_bloated {
            row(facts, family, &bloated, waste)
        } else {
            unknown_row(facts, family)
        });
    }
    found.is_judged |= !has_unknown;
    found
}

fn wasted(state: &State) -> u64 {
    match state {
        State::Bloated { wasted_bytes, .. } => *wasted_bytes,
        _ => 0,
    }
}

fn state(facts: &Facts<'_>, limits: &BloatLimits, index: &Index) -> State {
    let block = f64::from(facts.snapshot.server.block_size);
    let reckoned = expected_pages(facts.snapshot, index)
        .map(|expected| (1.0 - expected / f64::from(index.pages.max(1))).max(0.0));
    if reckoned.is_some_and(|share| share < limits.share - MARGIN) {
        return State::Sound;
    }
    let is_worth_measuring = f64::from(index.pages) * block >= limits.measured_bytes;
    let measured = if is_worth_measuring { facts.definitions.leaf_density(index) } else { None };
    let (share, pages, certainty) = match (measured, reckoned) {
        (Some(density), _) => {
            let share = (1.0 - density.fill / fill_factor(index)).clamp(0.0, 1.0);
            (share, f64::from(density.pages), Certainty::Measured)
        }
        (None, Some(share)) => (share, f64::from(index.pages), Certainty::Estimated),
        (None, None) => return State::Unknown,
    };
    if share < limits.share {
        return State::Sound;
    }
    State::Bloated { share, wasted_bytes: (share * pages * block) as u64, certainty }
}

/// The value of a storage option.
fn option<'a>(index: &'a Index, name: &str) -> Option<&'a str> {
    index.options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
}

/// The share of a leaf page that a build fills; 90 % unless set.
fn fill_factor(index: &Index) -> f64 {
    option(index, "fillfactor").and_then(|value| value.parse::<f64>().ok()).unwrap_or(90.0).clamp(10.0, 100.0)
        / 100.0
}

/// Whether equal values of the type are always equal images, so that a B-tree may store them once.
///
/// "B-Tree Deduplication" in the manual lists most that are not; `bt_metap()` shows the same of char(n), tsvector and
/// tsquery. Collations that are not deterministic we cannot see here.
fn is_equal_image(found: &Type) -> bool {
    !matches!(
        found.oid,
        builtin::NUMERIC | builtin::FLOAT4 | builtin::FLOAT8 | builtin::JSONB | builtin::BPCHAR
    ) && !matches!(found.kind, TypeKind::Range | TypeKind::Multirange | TypeKind::Composite)
        && found.category != 'A'
        && !matches!(&*found.name, "interval" | "tsvector" | "tsquery")
}

fn is_deduplicated(snapshot: &Snapshot, index: &Index) -> bool {
    let is_off = option(index, "deduplicate_items")
        .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "off" | "false" | "no" | "0"));
    let is_equal = |column| {
        snapshot
            .column(index.table, column)
            .and_then(|column| snapshot.base_type(column.type_oid))
            .is_some_and(is_equal_image)
    };
    // A unique index deduplicates only dead versions, which a rebuild drops.
    !is_off
        && !index.is_unique
        && index.included_columns().is_empty()
        && index.key_columns().iter().all(|key| is_equal(key.column))
}

fn aligned(bytes: f64) -> f64 {
    (bytes / 8.0).ceil() * 8.0
}

/// The pages that a freshly built B-tree with these entries would take; `None` without statistics of every column.
///
/// Sizes as in `nbtree.h`, `itup.h` and `bufpage.h`: 24 bytes of page header, 16 of special space, 4 for each line
/// pointer, 8 for a tuple's header (16 with NULLs), 6 for each row in a posting list, whose size a build holds to a
/// tenth of a page.
pub fn expected_pages(snapshot: &Snapshot, index: &Index) -> Option<f64> {
    let rows = f64::from(index.rows);
    if rows < 0.0 {
        return None;
    }
    let mut data = 0.0;
    let mut without_null = 1.0;
    let mut distinct = 1.0_f64;
    let mut null_rows = 0.0;
    for (position, key) in index.keys.iter().enumerate() {
        let column = snapshot.column(index.table, key.column).filter(|_| key.column > 0)?;
        let statistics = column.statistics?;
        let null_share = f64::from(statistics.null_fraction).clamp(0.0, 1.0);
        let length = snapshot.base_type(column.type_oid).map_or(-1, |found| found.length);
        let width = f64::from(statistics.width.max(1));
        if length > 0 {
            let alignment = f64::from(length.min(8)).max(1.0);
            // 16-byte types such as uuid are aligned to bytes; no 3-, 5- or 7-byte type needs more.
            let alignment = if matches!(length, 2 | 4 | 8) { alignment } else { 1.0 };
            data = (data / alignment).ceil() * alignment;
        }
        data += width * (1.0 - null_share);
        without_null *= 1.0 - null_share;
        if position < usize::from(index.key_count) {
            let nulls = if null_share > 0.0 { 1.0 } else { 0.0 };
            distinct *= (statistics.distinct_values(rows) + nulls).max(1.0);
            null_rows = null_share * rows;
        }
    }
    let distinct = distinct.clamp(1.0, rows.max(1.0));
    let tuple = aligned(8.0 + 8.0 * (1.0 - without_null) + data);
    let block = f64::from(snapshot.server.block_size);
    let usable = block - 24.0 - 16.0;
    let leaf_bytes = if is_deduplicated(snapshot, index) && rows > distinct {
        let posting = (block / 10.0 - tuple).max(6.0);
        let extra = rows - distinct;
        let tuples = distinct.max(6.0 * rows / posting);
        // A list rounds up to 8 bytes: 4 lost on average, in each group that has one. All NULLs are one group.
        let lone_nulls = if index.key_count == 1 { null_rows } else { 0.0 };
        let lists = tuples.min((extra - lone_nulls).max(0.0));
        tuples * (tuple + 4.0) + 6.0 * extra + 4.0 * lists
    } else {
        rows * (tuple + 4.0)
    };
    // Each leaf page but the last holds a high key.
    let per_leaf = (usable * fill_factor(index) - tuple - 4.0).max(tuple);
    let leaves = (leaf_bytes / per_leaf).ceil().max(1.0);
    // Inner pages hold one entry for each page below and are filled to 70 %.
    let fanout = (usable * 0.7 / (tuple + 4.0)).max(2.0);
    let mut pages = leaves + 1.0;
    let mut level = leaves;
    while level > 1.0 {
        level = (level / fanout).ceil();
        pages += level;
    }
    Some(pages)
}

fn row(facts: &Facts<'_>, family: &Family<'_>, bloated: &[(&Index, State)], waste: u64) -> IndexHealth {
    let snapshot = facts.snapshot;
    let name = snapshot.index_name(family.top);
    let size_bytes: u64 = bloated.iter().map(|(member, _)| bytes(facts, member)).sum();
    let is_estimated = |(_, state): &(&Index, State)| {
        matches!(state, State::Bloated { certainty: Certainty::Estimated, .. })
    };
    let certainty = if bloated.iter().any(is_estimated) { Certainty::Estimated } else { Certainty::Measured };
    let share = bloated
        .iter()
        .map(|(_, state)| if let State::Bloated { share, .. } = state { *share } else { 0.0 })
        .fold(0.0, f64::max);
    let mut evidence = Map::new();
    for (key, value) in [
        ("bloat_share", Value::from((share * 100.0).round() / 100.0)),
        ("wasted_bytes", Value::from(waste)),
        ("size_bytes", Value::from(size_bytes)),
        ("indexes", Value::from(bloated.len())),
        ("certainty", Value::from(certainty.name())),
    ] {
        evidence.insert(key.to_owned(), value);
    }
    let fixes: Vec<String> = bloated.iter().map(|(member, _)| index_ddl::rebuild(snapshot, member)).collect();
    let partitions = if family.top.is_partitioned {
        format!(" in {} of its partition indexes", bloated.len())
    } else {
        String::new()
    };
    IndexHealth {
        table_name: snapshot.relation_name(family.top.table),
        reason: format!(
            "{name} wastes {} of {} ({certainty}){partitions}: rebuild it",
            pretty_bytes(waste),
            pretty_bytes(size_bytes),
            certainty = certainty.name()
        ),
        index_name: Some(name),
        problem: Problem::Bloated,
        certainty,
        size_bytes,
        wasted_bytes: Some(waste),
        evidence,
        fix: Some(fixes.join("\n")),
        undo: None,
        severity: Severity::Warning,
        table: family.top.table,
        index: family.top.oid,
    }
}

fn unknown_row(facts: &Facts<'_>, family: &Family<'_>) -> IndexHealth {
    let snapshot = facts.snapshot;
    let name = snapshot.index_name(family.top);
    let why = if family.top.keys.iter().any(|key| key.column == 0) {
        "it indexes an expression, and its pages could not be read now"
    } else if snapshot.server.sees_statistics {
        "its table was never analysed, and its pages could not be read now"
    } else {
        "this role may not see the statistics of its table, and its pages could not be read"
    };
    IndexHealth {
        table_name: snapshot.relation_name(family.top.table),
        reason: format!("{name} may be bloated: {why}"),
        index_name: Some(name),
        problem: Problem::Bloated,
        certainty: Certainty::Unknown,
        size_bytes: family.bytes(facts),
        wasted_bytes: None,
        evidence: Map::new(),
        fix: None,
        undo: None,
        severity: Severity::Info,
        table: family.top.table,
        index: family.top.oid,
    }
}
