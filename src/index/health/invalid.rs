//! Indexes that a failed CREATE INDEX or REINDEX CONCURRENTLY left behind, and partitioned indexes with gaps.

use serde_json::{Map, Value};

use super::{Certainty, IndexHealth, Problem};
use crate::catalog::{Constraint, ConstraintKind, Index, Snapshot};
use crate::change::index_ddl::{self, Change, constraint_behind};
use crate::change::names::Names;
use crate::finding::{Facts, Severity};
use crate::foreign_key_cover::{Cover, Help, cover, help_if_rebuilt};
use crate::index::duty::Duties;
use crate::index::family::{Family, Tree, bytes};
use crate::index::shape::Shape;
use crate::index::unused::freed;
use crate::text::quote_identifier;

/// What is to be done with an index that queries cannot use.
struct Remedy {
    /// What to do, in words that go after a colon.
    advice: String,
    fix: Option<String>,
    undo: Option<String>,
    severity: Severity,
}

/// The indexes of a tree that queries cannot use, unless they are just being built.
pub fn invalid<'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    names: &mut Option<Names<'a>>,
    tree: &Tree<'a>,
) -> Vec<IndexHealth> {
    let mut rows = Vec::new();
    for family in &tree.families {
        let is_unfinished =
            |member: &&&Index| !member.is_usable() && !facts.snapshot.index_builds.contains(&member.table);
        for &index in family.members.iter().filter(is_unfinished) {
            let remedy = if index.is_partitioned {
                // A part of an index that has gaps elsewhere is told with the whole.
                if index.is_partition {
                    continue;
                }
                with_gaps(facts, names, tree, family)
            } else {
                alone(facts, duties, tree, index)
            };
            rows.push(row(facts, index, remedy));
        }
    }
    rows
}

fn row(facts: &Facts<'_>, index: &Index, remedy: Remedy) -> IndexHealth {
    let snapshot = facts.snapshot;
    let name = snapshot.index_name(index);
    let problem = if index.is_ready { Problem::Invalid } else { Problem::NotReady };
    let state = match (index.is_live, index.is_ready) {
        (false, _) => "is half dropped",
        (true, false) => "was never finished: queries do not use it and writes do not maintain it",
        (true, true) => "is invalid: writes maintain it, but queries do not use it",
    };
    let mut evidence = Map::new();
    for (key, value) in [
        ("is_valid", index.is_valid),
        ("is_ready", index.is_ready),
        ("is_live", index.is_live),
        ("is_unique", index.is_unique),
    ] {
        evidence.insert(key.to_owned(), Value::from(value));
    }
    let size_bytes = if index.is_partitioned { 0 } else { bytes(facts, index) };
    IndexHealth {
        table_name: snapshot.relation_name(index.table),
        reason: format!("{name} {state}; {}", remedy.advice),
        index_name: Some(name),
        problem,
        certainty: Certainty::Measured,
        size_bytes,
        wasted_bytes: Some(size_bytes),
        evidence,
        fix: remedy.fix,
        undo: remedy.undo,
        severity: remedy.severity,
        table: index.table,
        index: index.oid,
    }
}

/// Whether a name is what REINDEX CONCURRENTLY gives its working copies: `_ccnew` or `_ccold`, perhaps with a number.
fn is_leftover_of_reindex(name: &str) -> bool {
    let stem = name.trim_end_matches(|character: char| character.is_ascii_digit());
    stem.ends_with("_ccnew") || stem.ends_with("_ccold")
}

/// The valid index that does all that the broken one would do.
fn stand_in<'a>(snapshot: &'a Snapshot, tree: &Tree<'a>, broken: &Index) -> Option<&'a Index> {
    let shape = Shape::of(snapshot, broken);
    let replaces = |other: &&Index| {
        let other_shape = Shape::of(snapshot, other);
        let keeps_unique = !broken.is_unique
            || (other.is_unique
                && other.nulls_not_distinct == broken.nulls_not_distinct
                && other.is_immediate);
        other.is_usable()
            && ((shape.is_same(&other_shape) && keeps_unique)
                || (!broken.is_unique && shape.is_prefix_of(&other_shape)))
    };
    let on_table = tree.families.iter().flat_map(|family| family.members.iter().copied());
    on_table
        .filter(|index| index.table == broken.table && index.oid != broken.oid)
        .filter(replaces)
        .min_by(|left, right| left.name.cmp(&right.name))
}

/// A valid index that would become superfluous if the broken one were valid.
fn would_displace<'a>(
    snapshot: &'a Snapshot,
    duties: &Duties<'a>,
    tree: &Tree<'a>,
    broken: &Index,
) -> Option<&'a Index> {
    let shape = Shape::of(snapshot, broken);
    let gives_way = |family: &&Family<'a>| {
        let top = family.top;
        top.table == broken.table
            && top.is_usable()
            && !duties.binds(family)
            && constraint_behind(snapshot, top).is_none()
            && !top.is_unique
            && (Shape::of(snapshot, top).is_prefix_of(&shape) || Shape::of(snapshot, top).is_same(&shape))
    };
    tree.families
        .iter()
        .filter(gives_way)
        .map(|family| family.top)
        .min_by(|left, right| left.name.cmp(&right.name))
}

fn alone<'a>(facts: &Facts<'a>, duties: &Duties<'a>, tree: &Tree<'a>, index: &'a Index) -> Remedy {
    let snapshot = facts.snapshot;
    let drop = |advice: String| Remedy {
        advice,
        fix: Some(format!("DROP INDEX CONCURRENTLY {};", snapshot.index_name(index))),
        undo: None,
        severity: Severity::Warning,
    };
    let decide = |advice: String| Remedy { advice, fix: None, undo: None, severity: Severity::Error };
    if index.is_partition {
        return decide("rebuild it with REINDEX INDEX CONCURRENTLY, then attach it again so that the partitioned index becomes valid".to_owned());
    }
    let constraint = constraint_behind(snapshot, index);
    match constraint {
        Some(constraint) if constraint.kind == ConstraintKind::Exclusion => {
            return decide(format!(
                "it backs exclusion constraint {}, which only a blocking REINDEX INDEX can rebuild",
                quote_identifier(&constraint.name)
            ));
        }
        Some(_) => {}
        None if !index.is_live => {
            return drop("an unfinished DROP INDEX CONCURRENTLY left it: drop it again".to_owned());
        }
        None if is_leftover_of_reindex(&index.name) => {
            return drop(
                "an unfinished REINDEX CONCURRENTLY left it (unless one is running now): drop it".to_owned(),
            );
        }
        None => {
            if let Some(other) = stand_in(snapshot, tree, index) {
                return drop(format!("{} does its work: drop it", snapshot.index_name(other)));
            }
            // What stopped a unique index is mostly duplicate values, and they stop every rebuild too.
            if index.is_unique && !index.is_ready {
                return drop(
                    "nothing is lost with it: drop it, remove the duplicate values that stopped it, and create it again"
                        .to_owned(),
                );
            }
            if index.is_unique {
                return decide(
                    "new rows are held unique by it, old ones may not be: remove duplicate values, then REINDEX INDEX CONCURRENTLY"
                        .to_owned(),
                );
            }
        }
    }
    if let Some(other) = would_displace(snapshot, duties, tree, index) {
        return decide(format!(
            "rebuild it with REINDEX INDEX CONCURRENTLY and drop {}, which it replaces, or drop it",
            snapshot.index_name(other)
        ));
    }
    let half_covered = snapshot
        .foreign_keys_of(index.table)
        .filter(|constraint| matches!(cover(snapshot, constraint), Cover::None { .. }))
        .filter(|constraint| help_if_rebuilt(snapshot, constraint, index) == Help::Partly)
        .min_by(|left, right| left.name.cmp(&right.name));
    if let Some(constraint) = half_covered {
        return decide(format!(
            "foreign key {} needs more columns than it has: create an index on all of them and drop this one",
            quote_identifier(&constraint.name)
        ));
    }
    let is_met = |constraint: &Constraint| {
        constraint.table == index.table
            && match help_if_rebuilt(snapshot, constraint, index) {
                Help::Full => true,
                Help::Partly => !cover(snapshot, constraint).is_full(),
                Help::None => false,
            }
    };
    if let Some(other) = freed(facts, duties, tree, &is_met).first() {
        return decide(format!(
            "rebuild it with REINDEX INDEX CONCURRENTLY and drop {}, which then nothing needs, or drop it",
            snapshot.index_name(other.top)
        ));
    }
    let advice = match constraint {
        Some(constraint) => format!("it backs constraint {}: rebuild it", quote_identifier(&constraint.name)),
        None => "rebuild it".to_owned(),
    };
    Remedy { advice, fix: Some(index_ddl::rebuild(snapshot, index)), undo: None, severity: Severity::Error }
}

/// A partitioned index that some partitions lack.
fn with_gaps<'a>(
    facts: &Facts<'a>,
    names: &mut Option<Names<'a>>,
    tree: &Tree<'a>,
    family: &Family<'a>,
) -> Remedy {
    let snapshot = facts.snapshot;
    let top = family.top;
    let lacks = |table: &&crate::catalog::Oid| {
        snapshot.relation(**table).is_some_and(|relation| relation.partitioning.is_none())
            && snapshot.tree(top.table).contains(table)
            && family.members.iter().all(|member| member.table != **table)
    };
    let mut without: Vec<String> =
        tree.tables.iter().filter(lacks).map(|&table| snapshot.relation_name(table)).collect();
    without.sort_unstable();
    let shape = Shape::of(snapshot, top);
    let is_same = |index: &Index| {
        index.is_usable()
            && index.is_unique == top.is_unique
            && index.nulls_not_distinct == top.nulls_not_distinct
            && column_names(snapshot, index) == column_names(snapshot, top)
            && Shape::of(snapshot, index).is_like(&shape)
    };
    let names = names.get_or_insert_with(|| Names::learn(snapshot));
    let change: Option<Change> = index_ddl::complete(snapshot, facts.definitions, names, top, &is_same);
    let advice = match without.as_slice() {
        [] => "one of its partition indexes is invalid: rebuild that and attach it again".to_owned(),
        [only] => format!("partition {only} lacks it: create it there and attach it"),
        [first, ..] => {
            format!("{} partitions lack it, {first} for one: create it there and attach it", without.len())
        }
    };
    Remedy {
        advice,
        fix: change.as_ref().map(|change| change.apply.clone()),
        undo: change.map(|change| change.undo),
        severity: Severity::Error,
    }
}

/// The names of an index's columns, which are the same on all partitions while their numbers may differ.
fn column_names<'a>(snapshot: &'a Snapshot, index: &Index) -> Vec<Option<&'a str>> {
    index
        .keys
        .iter()
        .map(|key| snapshot.column(index.table, key.column).map(|column| &*column.name))
        .collect()
}
