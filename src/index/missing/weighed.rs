//! Foreign keys without an index, as rows that say what it costs.

use serde_json::{Map, Value};

use super::closing::{can_be_indexed, closing};
use super::gap::{Gap, companions, gaps};
use super::{ForeignKeyLimits, MissingIndex, Source};
use crate::catalog::{Constraint, ReferentialAction, Relation, Snapshot};
use crate::change::index_ddl::Change;
use crate::change::names::Names;
use crate::finding::{Facts, Severity};
use crate::foreign_key_cover::{Cover, Obstacle};
use crate::index::duty::Duties;
use crate::text::quote_identifier;
use crate::text::size::grouped;

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

/// A gap as a row, with what it weighs.
pub(in crate::index) struct WeighedGap<'a> {
    pub row: MissingIndex,
    pub gap: Gap<'a>,
    pub(super) cost: f64,
    pub(super) child_bytes: u64,
}

/// The foreign keys of one table that lack an index, each set of columns that `is_told` accepts as one row.
///
/// `is_told` has to accept all open gaps or none: one index may close several of them.
pub(in crate::index) fn weigh<'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    names: &mut Option<Names<'a>>,
    limits: &ForeignKeyLimits,
    table: &'a Relation,
    wanted: &dyn Fn(&Constraint) -> bool,
    is_told: &dyn Fn(&Gap<'_>) -> bool,
) -> Vec<WeighedGap<'a>> {
    let snapshot = facts.snapshot;
    let mut gaps = gaps(snapshot, table.oid, wanted);
    gaps.retain(is_told);
    if gaps.is_empty() {
        return Vec::new();
    }
    // Names are learned from all indexes, so only once there is something to name.
    let names = names.get_or_insert_with(|| Names::learn(snapshot));
    let alone: Vec<Option<Change>> = gaps
        .iter()
        .map(|gap| {
            let is_closed = gap.all().all(|constraint| can_be_indexed(snapshot, constraint));
            if is_closed { closing(facts, duties, names, table, &gap.columns) } else { None }
        })
        .collect();
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
    let child = snapshot.relation_name(table.oid);
    let harm = match weight.child_rows {
        // What is empty now costs nothing now.
        Some(rows) if rows < 1.0 => format!("will read all of {child}, which is empty so far"),
        Some(rows) if rows < 2.0 => format!("reads all of {child}"),
        Some(rows) => format!("reads all {} rows of {child}", grouped(rows as i64)),
        None => format!("reads all of {child}"),
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
            reason.push_str(&format!(" {verb} no index: each delete from {parent} {harm}"));
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
