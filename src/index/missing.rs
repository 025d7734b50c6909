//! Indexes that are missing: under foreign keys, and where large tables are read whole again and again.

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value};

use super::duplicate;
use super::duty::Duties;
use super::family::{Family, Tree, indexed_relations};
use super::limits::limit;
use super::rules;
use super::shape::Shape;
use super::unused::{self, freed};
use crate::catalog::{Column, ColumnNumber, Constraint, Index, Oid, ReferentialAction, Relation, Snapshot};
use crate::change::index_ddl::{self, Change, constraint_behind};
use crate::change::names::Names;
use crate::finding::{Facts, Severity};
use crate::foreign_key_cover::{Cover, Obstacle, cover};
use crate::text::quote_identifier;
use crate::text::size::grouped;

/// What says that an index is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A foreign key whose referencing rows cannot be found fast.
    ForeignKey,
    /// Sequential scans of a large table.
    SequentialScan,
}

impl Source {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::ForeignKey => "foreign_key",
            Self::SequentialScan => "seq_scan",
        }
    }
}

/// A row of `dbm.missing_indexes()`.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingIndex {
    /// The table, qualified and quoted.
    pub table_name: String,
    /// The bare names of the columns to index, in order; empty when the catalogs cannot tell.
    pub columns: Vec<String>,
    /// What says so.
    pub source: Source,
    /// Why it hurts, in words.
    pub reason: String,
    /// The numbers behind it.
    pub evidence: Map<String, Value>,
    /// Creates it; `None` when the catalogs cannot tell what to create.
    pub create_sql: Option<String>,
    /// Takes that back.
    pub undo_sql: Option<String>,
    /// How much it hurts.
    pub severity: Severity,
    /// OID of the table.
    pub table: Oid,
    /// The foreign keys that the index would serve.
    pub foreign_keys: Vec<Oid>,
}

/// What makes a missing index under a foreign key hurt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForeignKeyLimits {
    /// From how many rows on a referencing table is large.
    pub large_rows: f64,
    /// Below how many rows it is small.
    pub small_rows: f64,
}

/// What counts as reading a large table whole again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScanLimits {
    /// Sequential scans since the reset.
    pub sequential_scans: f64,
    /// Rows that one of them reads on average.
    pub rows_per_scan: f64,
    /// Their share among all scans of the table.
    pub sequential_share: f64,
}

/// The limits of [`missing_indexes`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// For foreign keys.
    pub foreign_key: ForeignKeyLimits,
    /// For sequential scans.
    pub scan: ScanLimits,
}

impl ForeignKeyLimits {
    /// The limits in force, by the names of the thresholds of `indexing.foreign_key_without_index`.
    pub fn from_settings(settings: &dyn Fn(&str) -> Option<f64>) -> Self {
        let value = |name| limit(&rules::FOREIGN_KEY_WITHOUT_INDEX, settings, name);
        Self { large_rows: value("large_rows"), small_rows: value("small_rows") }
    }
}

impl ScanLimits {
    /// The limits in force, by the names of the thresholds of `indexing.many_sequential_scans`.
    pub fn from_settings(settings: &dyn Fn(&str) -> Option<f64>) -> Self {
        let value = |name| limit(&rules::MANY_SEQUENTIAL_SCANS, settings, name);
        Self {
            sequential_scans: value("sequential_scans"),
            rows_per_scan: value("rows_per_scan"),
            sequential_share: value("sequential_share"),
        }
    }
}

impl Limits {
    /// The limits in force, by the names of the thresholds of both rules.
    pub fn from_settings(settings: &dyn Fn(&str) -> Option<f64>) -> Self {
        Self {
            foreign_key: ForeignKeyLimits::from_settings(settings),
            scan: ScanLimits::from_settings(settings),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::from_settings(&|_| None)
    }
}

/// A set of columns that one index should serve for one or more foreign keys.
pub(super) struct Gap<'a> {
    /// The foreign keys of exactly these columns, by name; never empty.
    pub constraints: Vec<&'a Constraint>,
    /// Foreign keys of fewer columns that the same index serves, grouped likewise.
    pub merged: Vec<Vec<&'a Constraint>>,
    /// The columns in the order that the index should have.
    pub columns: Vec<ColumnNumber>,
    /// What there is: never [`Cover::Full`].
    pub cover: Cover<'a>,
}

impl<'a> Gap<'a> {
    /// All foreign keys that the index serves.
    fn all(&self) -> impl Iterator<Item = &'a Constraint> + '_ {
        self.constraints.iter().chain(self.merged.iter().flatten()).copied()
    }

    /// Whether no index helps at all.
    fn is_open(&self) -> bool {
        matches!(self.cover, Cover::None { .. })
    }
}

/// A foreign key's columns as a set.
fn column_set(constraint: &Constraint) -> Vec<ColumnNumber> {
    let mut columns = constraint.columns.to_vec();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The enforced foreign keys of a table that `wanted` accepts, grouped by their columns as a set.
pub(super) fn groups<'a>(
    snapshot: &'a Snapshot,
    table: Oid,
    wanted: &dyn Fn(&Constraint) -> bool,
) -> Vec<(Vec<ColumnNumber>, Vec<&'a Constraint>)> {
    let mut groups: FxHashMap<Vec<ColumnNumber>, Vec<&'a Constraint>> = FxHashMap::default();
    let foreign_keys = snapshot.foreign_keys_of(table);
    for constraint in foreign_keys.filter(|constraint| constraint.is_enforced && wanted(constraint)) {
        groups.entry(column_set(constraint)).or_default().push(constraint);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    for (_, constraints) in &mut groups {
        constraints.sort_by(|left, right| left.name.cmp(&right.name));
    }
    groups.sort_by(|(left, _), (right, _)| left.len().cmp(&right.len()).then_with(|| left.cmp(right)));
    groups
}

/// The foreign keys of a table that lack an index, those whose columns another one's include merged into that.
pub(super) fn gaps<'a>(
    snapshot: &'a Snapshot,
    table: Oid,
    wanted: &dyn Fn(&Constraint) -> bool,
) -> Vec<Gap<'a>> {
    let mut gaps: Vec<Gap<'a>> = Vec::new();
    // Fewer columns first, so that a larger set can begin with a smaller one.
    for (columns, constraints) in groups(snapshot, table, wanted) {
        // Foreign keys on the same columns can differ in their operators.
        let covers = constraints.iter().map(|constraint| cover(snapshot, constraint));
        let Some(worst) = covers.filter(|cover| !cover.is_full()).max_by_key(|cover| match cover {
            Cover::Full(_) => 0,
            Cover::Partly { .. } => 1,
            Cover::None { .. } => 2,
        }) else {
            continue;
        };
        let own_order = constraints.first().map_or(&[][..], |constraint| &*constraint.columns);
        let mut order: Vec<ColumnNumber> = Vec::new();
        let mut merged = Vec::new();
        match worst {
            Cover::Partly { index, columns: count } => {
                order.extend(index.key_columns().iter().map(|key| key.column).take(count));
            }
            _ => {
                let is_inside = |gap: &Gap<'_>| {
                    matches!(gap.cover, Cover::None { .. })
                        && gap.columns.len() < columns.len()
                        && gap.columns.iter().all(|column| columns.contains(column))
                };
                // The last that fits is the largest.
                if let Some(position) = gaps.iter().rposition(is_inside) {
                    let smaller = gaps.remove(position);
                    order.extend(smaller.columns);
                    merged.extend(smaller.merged);
                    merged.push(smaller.constraints);
                }
            }
        }
        let rest: Vec<ColumnNumber> =
            own_order.iter().copied().filter(|column| !order.contains(column)).collect();
        order.extend(rest);
        order.retain(|column| columns.contains(column));
        gaps.push(Gap { constraints, merged, columns: order, cover: worst });
    }
    begin_apart(&mut gaps);
    gaps
}

/// Lets each new index begin with a column that no other gap has, where there is one.
///
/// For the foreign key itself the order is all one; but an index that begins with a column of another foreign key
/// turns that one from not indexed into indexed in part.
fn begin_apart(gaps: &mut [Gap<'_>]) {
    let sets: Vec<Vec<ColumnNumber>> = gaps.iter().map(|gap| gap.columns.clone()).collect();
    for (position, gap) in gaps.iter_mut().enumerate() {
        if !gap.is_open() || !gap.merged.is_empty() {
            continue;
        }
        let is_shared = |column: &ColumnNumber| {
            sets.iter().enumerate().any(|(other, set)| other != position && set.contains(column))
        };
        // A stable sort: apart from that the foreign key's own order stays.
        gap.columns.sort_by_key(is_shared);
    }
}

/// The gaps that an index for the gap at `start` would close in part, and those that their indexes would, and so on.
fn companions(gaps: &[Gap<'_>], start: usize) -> Vec<usize> {
    let mut found = vec![start];
    let mut next = 0;
    while let Some(gap) = found.get(next).and_then(|&position| gaps.get(position)) {
        next += 1;
        let first = gap.columns.first();
        for (position, other) in gaps.iter().enumerate() {
            let is_touched = other.is_open() && first.is_some_and(|first| other.columns.contains(first));
            if is_touched && !found.contains(&position) {
                found.push(position);
            }
        }
    }
    found
}

/// What the parents and the child of a gap tell about its weight.
struct Weight {
    /// Rows deleted from the referenced tables, and updated there if the foreign key follows updates.
    parent_changes: i64,
    /// Rows of the referencing table, `None` when never measured.
    child_rows: Option<f64>,
    /// Its bytes.
    child_bytes: u64,
}

impl Weight {
    fn of(snapshot: &Snapshot, child: &Relation, gap: &Gap<'_>) -> Self {
        let mut parent_changes = 0;
        for constraint in gap.all() {
            let Some(foreign_key) = constraint.foreign_key.as_deref() else { continue };
            let Some(parent) = snapshot.relation(foreign_key.table) else { continue };
            let tables =
                if parent.partitioning.is_some() { snapshot.tree(parent.oid) } else { vec![parent.oid] };
            let counted = tables
                .into_iter()
                .filter_map(|table| snapshot.relation(table))
                .filter_map(|relation| relation.statistics.as_deref());
            for statistics in counted {
                parent_changes += statistics.deleted;
                // A key is indexed, so an update that stayed in its page cannot have changed it.
                if foreign_key.on_update != ReferentialAction::NoAction {
                    parent_changes += (statistics.updated - statistics.hot_updated).max(0);
                }
            }
        }
        Self { parent_changes, child_rows: snapshot.rows(child), child_bytes: snapshot.heap_bytes(child) }
    }

    fn severity(&self, limits: &ForeignKeyLimits, cover: &Cover<'_>) -> Severity {
        if matches!(cover, Cover::Partly { .. }) {
            return Severity::Info;
        }
        match self.child_rows {
            Some(rows) if rows < limits.small_rows => Severity::Info,
            Some(rows) if rows >= limits.large_rows && self.parent_changes > 0 => Severity::Error,
            _ => Severity::Warning,
        }
    }

    /// Rows that were, or soon will be, read in vain.
    fn cost(&self) -> f64 {
        self.parent_changes as f64 * self.child_rows.unwrap_or(0.0).max(1.0)
    }
}

fn action_name(action: ReferentialAction) -> &'static str {
    match action {
        ReferentialAction::NoAction => "NO ACTION",
        ReferentialAction::Restrict => "RESTRICT",
        ReferentialAction::Cascade => "CASCADE",
        ReferentialAction::SetNull => "SET NULL",
        ReferentialAction::SetDefault => "SET DEFAULT",
    }
}

/// Statements that close a gap: the new index, and the end of those that it makes superfluous.
fn closing<'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    names: &mut Names<'a>,
    child: &'a Relation,
    columns: &[ColumnNumber],
) -> Option<Change> {
    let snapshot = facts.snapshot;
    let new = index_ddl::create(snapshot, facts.definitions, names, child.oid, columns)?;
    let mut apply = vec![new.apply];
    let mut undo = Vec::new();
    let tree = Tree::of(snapshot, child);
    let is_met =
        |constraint: &Constraint| constraint.table == child.oid && meets(snapshot, columns, constraint);
    let freed = freed(facts, duties, &tree, &is_met);
    let mut ending: FxHashSet<Oid> = freed.iter().map(|family| family.top.oid).collect();
    let beginnings =
        tree.families.iter().filter(|family| is_beginning(snapshot, duties, child, family, columns));
    ending.extend(beginnings.map(|family| family.top.oid));
    if !ending.is_empty() {
        // What gives way to an index that goes now has nothing left to give way to.
        for pair in duplicate::reported(facts, duties, &unused::Limits::default(), &tree) {
            if ending.contains(&pair.keep_family.top.oid) {
                ending.insert(pair.drop.top.oid);
            }
        }
    }
    let mut families: Vec<&Family<'a>> =
        tree.families.iter().filter(|family| ending.contains(&family.top.oid)).collect();
    families.sort_unstable_by_key(|family| &family.top.name);
    for family in families {
        apply.push(index_ddl::drop(snapshot, family.top));
        undo.push(index_ddl::recreate(snapshot, facts.definitions, &family.members)?);
    }
    undo.push(new.undo);
    Some(Change { apply: apply.join("\n"), undo: undo.join("\n") })
}

/// Whether a foreign key is covered by a new index on `columns` at least as well as by what there is.
fn meets(snapshot: &Snapshot, columns: &[ColumnNumber], constraint: &Constraint) -> bool {
    let leading = columns.iter().take_while(|column| constraint.columns.contains(column)).count();
    leading == column_set(constraint).len() || (leading > 0 && !cover(snapshot, constraint).is_full())
}

/// Whether an index becomes superfluous as the beginning of a new one on `columns`.
fn is_beginning<'a>(
    snapshot: &'a Snapshot,
    duties: &Duties<'a>,
    child: &Relation,
    family: &Family<'a>,
    columns: &[ColumnNumber],
) -> bool {
    let top = family.top;
    top.table == child.oid
        && top.is_usable()
        && !top.is_unique
        && !duties.binds(family)
        && constraint_behind(snapshot, top).is_none()
        && has_default_operators(snapshot, top)
        && Shape::of(snapshot, top).is_plain_prefix_of(columns)
}

/// Whether every key has what `CREATE INDEX` gives it unasked: the type's operator class, the column's collation.
fn has_default_operators(snapshot: &Snapshot, index: &Index) -> bool {
    index.key_columns().iter().all(|key| {
        snapshot.operator_classes.get(&key.opclass).is_some_and(|class| class.is_default)
            && snapshot
                .column(index.table, key.column)
                .is_some_and(|column: &Column| column.collation == key.collation)
    })
}

/// A gap as a row, with what it weighs.
pub(super) struct WeighedGap<'a> {
    pub row: MissingIndex,
    pub gap: Gap<'a>,
    cost: f64,
    child_bytes: u64,
}

/// The foreign keys of one table that lack an index, each set of columns as one row.
pub(super) fn weigh<'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    names: &mut Option<Names<'a>>,
    limits: &ForeignKeyLimits,
    table: &'a Relation,
    wanted: &dyn Fn(&Constraint) -> bool,
) -> Vec<WeighedGap<'a>> {
    let snapshot = facts.snapshot;
    let gaps = gaps(snapshot, table.oid, wanted);
    if gaps.is_empty() {
        return Vec::new();
    }
    // Names are learned from all indexes, so only once there is something to name.
    let names = names.get_or_insert_with(|| Names::learn(snapshot));
    let alone: Vec<Option<Change>> =
        gaps.iter().map(|gap| closing(facts, duties, names, table, &gap.columns)).collect();
    let changes: Vec<Option<Change>> = (0..gaps.len())
        .map(|position| {
            // Whoever closes this gap closes those with it that would otherwise be left half closed.
            let together = companions(&gaps, position).into_iter().map(|other| alone.get(other)?.as_ref());
            Change::join(together.collect::<Option<Vec<_>>>()?)
        })
        .collect();
    let mut weighed = Vec::new();
    for (gap, change) in gaps.into_iter().zip(changes) {
        let weight = Weight::of(snapshot, table, &gap);
        let row = MissingIndex {
            table_name: snapshot.relation_name(table.oid),
            columns: snapshot.column_names(table.oid, &gap.columns),
            source: Source::ForeignKey,
            reason: reason(snapshot, table, &gap, &weight),
            evidence: evidence(snapshot, &gap, &weight),
            create_sql: change.as_ref().map(|change| change.apply.clone()),
            undo_sql: change.map(|change| change.undo),
            severity: weight.severity(limits, &gap.cover),
            table: table.oid,
            foreign_keys: gap.all().map(|constraint| constraint.oid).collect(),
        };
        weighed.push(WeighedGap { row, gap, cost: weight.cost(), child_bytes: weight.child_bytes });
    }
    weighed
}

/// The bare names of all foreign keys of a gap, quoted.
fn constraint_names(gap: &Gap<'_>) -> Vec<String> {
    gap.all().map(|constraint| quote_identifier(&constraint.name)).collect()
}

fn reason(snapshot: &Snapshot, table: &Relation, gap: &Gap<'_>, weight: &Weight) -> String {
    let names = constraint_names(gap);
    let kind = if names.len() == 1 { "foreign key" } else { "foreign keys" };
    let parent = gap.constraints.first().and_then(|constraint| constraint.foreign_key.as_deref());
    let parent = parent.map_or_else(String::new, |parent| snapshot.relation_name(parent.table));
    let rows = match weight.child_rows {
        Some(rows) => format!("all {} rows", grouped(rows as i64)),
        None => "all rows".to_owned(),
    };
    let columns = snapshot.column_list(table.oid, &gap.columns);
    let mut reason = format!("{kind} {} on ({columns})", names.join(", "));
    match &gap.cover {
        Cover::Partly { index, columns } => {
            reason.push_str(&format!(
                " is searched by {columns} of {} columns only, with {}",
                gap.columns.len(),
                snapshot.index_name(index)
            ));
        }
        _ => {
            let verb = if names.len() == 1 { "has" } else { "have" };
            reason.push_str(&format!(
                " {verb} no index: each delete from {parent} reads {rows} of {}",
                snapshot.relation_name(table.oid)
            ));
        }
    }
    if let Cover::None { nearest: Some((index, obstacle)) } = &gap.cover {
        reason.push_str(&format!(" ({} {})", snapshot.index_name(index), obstacle.reason()));
    }
    reason
}

fn evidence(snapshot: &Snapshot, gap: &Gap<'_>, weight: &Weight) -> Map<String, Value> {
    let mut evidence = Map::new();
    let mut put = |name: &str, value: Value| {
        evidence.insert(name.to_owned(), value);
    };
    put("foreign_keys", Value::from(constraint_names(gap)));
    if let Some(foreign_key) =
        gap.constraints.first().and_then(|constraint| constraint.foreign_key.as_deref())
    {
        put("references", Value::from(snapshot.relation_name(foreign_key.table)));
        put("on_delete", Value::from(action_name(foreign_key.on_delete)));
        put("on_update", Value::from(action_name(foreign_key.on_update)));
    }
    put("parent_changes", Value::from(weight.parent_changes));
    put("rows", weight.child_rows.map_or(Value::Null, |rows| Value::from(rows as i64)));
    put("table_bytes", Value::from(weight.child_bytes));
    match &gap.cover {
        Cover::Partly { index, columns } => {
            put("index", Value::from(snapshot.index_name(index)));
            put("columns_searched", Value::from(*columns));
        }
        Cover::None { nearest: Some((index, obstacle)) } => {
            put("index", Value::from(snapshot.index_name(index)));
            put("obstacle", Value::from(Obstacle::reason(*obstacle)));
        }
        _ => {}
    }
    evidence
}

/// A table that is read whole again and again; `None` when it is not.
pub(super) fn scanned_whole(facts: &Facts<'_>, limits: &ScanLimits, tree: &Tree<'_>) -> Option<MissingIndex> {
    let snapshot = facts.snapshot;
    let statistics = tree.statistics(snapshot)?;
    let scans = statistics.sequential_scans;
    let index_scans = tree.index_scans();
    if scans <= 0 || (scans as f64) < limits.sequential_scans {
        return None;
    }
    let rows_per_scan = statistics.sequential_rows as f64 / scans as f64;
    let share = scans as f64 / (scans + index_scans) as f64;
    if rows_per_scan < limits.rows_per_scan || share < limits.sequential_share {
        return None;
    }
    let table_name = snapshot.relation_name(tree.root.oid);
    let mut evidence = Map::new();
    for (name, value) in [
        ("sequential_scans", Value::from(scans)),
        ("rows_per_scan", Value::from(rows_per_scan.round() as i64)),
        ("index_scans", Value::from(index_scans)),
        ("table_bytes", Value::from(snapshot.heap_bytes(tree.root))),
    ] {
        evidence.insert(name.to_owned(), value);
    }
    Some(MissingIndex {
        reason: format!(
            "{table_name} was read whole {} times, {} rows each time, and by an index {} times: look at the queries that scan it",
            grouped(scans),
            grouped(rows_per_scan.round() as i64),
            grouped(index_scans)
        ),
        table_name,
        columns: Vec::new(),
        source: Source::SequentialScan,
        evidence,
        create_sql: None,
        undo_sql: None,
        severity: Severity::Warning,
        table: tree.root.oid,
        foreign_keys: Vec::new(),
    })
}

/// Every index that is missing: under foreign keys first, those that cost most first, then whole-table reads.
pub fn missing_indexes(facts: &Facts<'_>, limits: &Limits) -> Vec<MissingIndex> {
    let snapshot = facts.snapshot;
    let duties = Duties::learn(snapshot);
    let mut names = None;
    let mut gaps: Vec<WeighedGap<'_>> = Vec::new();
    let mut scanned: Vec<MissingIndex> = Vec::new();
    for root in indexed_relations(snapshot) {
        (facts.interrupt)();
        let tree = Tree::of(snapshot, root);
        for table in tree.tables.iter().filter_map(|&table| snapshot.relation(table)) {
            gaps.extend(weigh(facts, &duties, &mut names, &limits.foreign_key, table, &|_| true));
        }
        scanned.extend(scanned_whole(facts, &limits.scan, &tree));
    }
    gaps.sort_by(|left, right| {
        let order = |gap: &WeighedGap<'_>| {
            let is_partly = matches!(gap.gap.cover, Cover::Partly { .. });
            (is_partly, Reverse(gap.cost.to_bits()), Reverse(gap.child_bytes))
        };
        order(left)
            .cmp(&order(right))
            .then_with(|| left.row.table_name.cmp(&right.row.table_name))
            .then_with(|| left.row.columns.cmp(&right.row.columns))
    });
    let read = |row: &MissingIndex| row.evidence.get("rows_per_scan").and_then(Value::as_i64).unwrap_or(0);
    scanned.sort_by(|left, right| {
        read(right).cmp(&read(left)).then_with(|| left.table_name.cmp(&right.table_name))
    });
    gaps.into_iter().map(|gap| gap.row).chain(scanned).collect()
}

#[cfg(test)]
mod tests;
