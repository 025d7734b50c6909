//! All that is due of one set, in its order.

use super::super::key::{Edge, Position, Range};
use super::super::set::{Distance, OnMissing, Policy, Set, Strategy};
use super::{Action, create, retire};
use crate::catalog::Oid;

/// Where a set is cut, as its policy has it.
pub trait Cuts {
    /// The boundary at or before a position.
    fn at_or_before(&self, position: Position) -> Position;
    /// The first boundary after a position; `None` where the line of the key ends.
    fn after(&self, position: Position) -> Option<Position>;
    /// The name of the partition of that range.
    fn name(&self, range: &Range) -> String;
    /// The name of the default partition.
    fn name_of_default(&self) -> String;
    /// The position as people read it.
    fn text(&self, position: Position) -> String;
}

/// What the moment adds to what is there and what is wanted.
#[derive(Clone, Debug, Default)]
pub struct Now {
    /// Where the line of the key is now: the time, or the greatest number that is known. `None`: no number is known yet.
    pub position: Option<Position>,
    /// What lies wholly before this is too old; `None` where nothing is.
    pub cutoff: Option<Position>,
    /// Where the line was when something was last done.
    pub last_position: Option<Position>,
    /// Whether the default partition holds rows for which there can be partitions.
    pub has_rows_to_drain: bool,
    /// Detached tables whose time of grace is over.
    pub over: Vec<Detached>,
}

/// A table that was a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Detached {
    /// The table.
    pub relation: Oid,
    /// Its qualified and quoted name.
    pub name: String,
}

/// What was left half done, whatever the policy: it comes first.
pub fn left_undone(set: &Set) -> Vec<Action> {
    let pending =
        set.partitions.iter().filter(|partition| partition.is_detach_pending).map(|partition| {
            Action::Finalize { partition: partition.relation, name: partition.name.clone() }
        });
    let fences = set.fences.iter().map(|name| Action::DropConstraint { constraint: name.clone() });
    fences.chain(pending).collect()
}

/// What is due, in its order: what was left half done, what writers will miss, what is too old.
pub fn due(set: &Set, policy: &Policy, now: &Now, cuts: &dyn Cuts) -> Vec<Action> {
    let mut actions = left_undone(set);
    if set.strategy == Strategy::Range {
        create::add(&mut actions, set, policy, now, cuts);
        if now.has_rows_to_drain && policy.on_missing == OnMissing::Default {
            actions.push(Action::Drain);
        }
        if policy.retention.is_some() {
            retire::add(&mut actions, set, policy, now, cuts);
        }
    }
    // After what it would keep from being detached concurrently.
    let is_pending = set.partitions.iter().any(|partition| partition.is_detach_pending);
    if policy.on_missing == OnMissing::Default && set.default_partition().is_none() && !is_pending {
        actions.push(Action::CreateDefault { name: cuts.name_of_default() });
    }
    actions.extend(
        now.over
            .iter()
            .map(|table| Action::DropDetached { relation: table.relation, name: table.name.clone() }),
    );
    actions
}

/// An edge on the line, whose ends stand for what has no end.
pub fn low_of(range: &Range) -> Option<Position> {
    match &range.low {
        Edge::MinValue => Some(Position::MIN),
        Edge::At(position) => Some(*position),
        Edge::MaxValue => Some(Position::MAX),
        Edge::Other(text) => infinity(text),
    }
}

/// The same for the upper edge.
pub fn high_of(range: &Range) -> Option<Position> {
    match &range.high {
        Edge::MinValue => Some(Position::MIN),
        Edge::At(position) => Some(*position),
        Edge::MaxValue => Some(Position::MAX),
        Edge::Other(text) => infinity(text),
    }
}

fn infinity(text: &str) -> Option<Position> {
    match text.trim_matches('\'') {
        "infinity" => Some(Position::MAX),
        "-infinity" => Some(Position::MIN),
        _ => None,
    }
}

/// The position before which everything is too old by a distance in numbers.
pub fn number_cutoff(retention: Option<Distance>, greatest: Option<Position>) -> Option<Position> {
    match (retention, greatest) {
        (Some(Distance::Number(number)), Some(greatest)) => {
            Some(greatest.saturating_sub(Position::try_from(number).unwrap_or(Position::MAX)))
        }
        _ => None,
    }
}
