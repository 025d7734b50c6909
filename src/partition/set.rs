//! A set as it is (facts) and as it is wanted (policy).

use super::key::{KeyKind, Position};
use super::name_pattern::Pattern;
use crate::catalog::Oid;
pub use crate::catalog::partition::{FENCE, Partition, Set, Shape, ShapePart, StoredPolicy, Strategy};

/// What is wanted of a set: a row of `dbm.partition_set`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// What the values are.
    pub key: KeyKind,
    /// How wide a partition is.
    pub every: Every,
    /// The zone in which calendar units are cut; `UTC` where the key belongs to no zone.
    pub time_zone: String,
    /// A boundary from which all others are counted, on the line of the key.
    pub origin: Position,
    /// How many partitions have to be there after the one of now.
    pub premake: u32,
    /// What is older than this goes; `None`: nothing does.
    pub retention: Option<Distance>,
    /// How it goes.
    pub retention_action: RetentionAction,
    /// How long a detached partition is kept before it is dropped; microseconds.
    pub drop_delay: i64,
    /// What becomes of rows that no partition takes.
    pub on_missing: OnMissing,
    /// How many partitions one pass may create.
    pub max_create: u32,
    /// Which share of the partitions one pass may retire, 0..1.
    pub max_retire: f64,
    /// A table from which a new partition takes what it does not inherit; the newest partition's if `None`.
    pub template: Option<Oid>,
    /// Whether grants of the parent are repeated on partitions.
    pub copy_privileges: bool,
    /// How names of partitions are made: see `name`.
    pub name_style: NameStyle,
}

/// How wide a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Months of the calendar; months are never mixed with the others.
    Months(u32),
    /// Days of the calendar; a week is seven, cut on the weekday of the origin.
    Days(u32),
    /// Microseconds, counted in UTC.
    Microseconds(u64),
    /// Numbers.
    Step(u64),
}

/// How far back something may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// A span of the calendar, as an interval has it.
    Time {
        /// Months.
        months: i32,
        /// Days.
        days: i32,
        /// Microseconds.
        microseconds: i64,
    },
    /// Numbers behind the greatest.
    Number(u64),
}

/// What becomes of a partition that is too old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetentionAction {
    /// Detached, then dropped.
    Drop,
    /// Detached and kept where it is.
    Keep,
    /// Detached and moved into this schema.
    Archive(String),
}

/// What becomes of rows that no partition takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMissing {
    /// They go into a default partition, whose price is a scan or a CHECK at each attach and no concurrent detach.
    Default,
    /// The INSERT fails.
    Error,
}

/// How names of partitions are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameStyle {
    /// `orders_2026_11`, `orders_2026_11_25`, `orders_2026_w48`, `orders_2026_q4`, `orders_2026`, `orders_2026_11_25_14`.
    House,
    /// As pg_partman 5 does: `orders_p20261125`, `orders_p20261125_140000`.
    Partman,
    /// As pg_partman 4 does, by its `datetime_string`: `orders_p2026_11_25`, `orders_p2026w48`.
    PartmanPattern(Pattern),
}
