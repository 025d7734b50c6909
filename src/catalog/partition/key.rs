//! The key of a set: which kinds of values can be cut into ranges, and where a value lies on their line.

/// A place on the line of a key's values, in the unit of its kind ([`KeyKind`]).
pub type Position = i64;

/// What the values of a partition key are, and so what a [`Position`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// `date`: days since 2000-01-01, as the server counts.
    Date,
    /// `timestamp`: microseconds since 2000-01-01 00:00 of the clock on the wall; belongs to no zone.
    Timestamp,
    /// `timestamptz`: microseconds since 2000-01-01 00:00 UTC.
    TimestampWithTimeZone,
    /// `smallint`, `integer` or `bigint` that count: the value itself.
    Integer {
        /// 2, 4 or 8.
        bytes: u8,
    },
    /// An integer that tells the time since 1970-01-01 00:00 UTC: the value itself.
    Epoch {
        /// 4 or 8.
        bytes: u8,
        /// What it counts.
        unit: EpochUnit,
    },
    /// `uuid` of version 7: the milliseconds since 1970-01-01 00:00 UTC in its first 48 bits.
    UuidV7,
    /// A ULID as text in collation "C": the milliseconds since 1970-01-01 00:00 UTC in its first ten characters.
    Ulid,
}

/// What an integer that tells the time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EpochUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl KeyKind {
    /// Whether a value is a moment or a day, so that intervals cut it; else it is a number, and numbers cut it.
    pub fn is_time(self) -> bool {
        !matches!(self, Self::Integer { .. })
    }
}

/// One side of the range of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// MINVALUE.
    MinValue,
    /// A value: for the lower side the first inside, for the upper side the first outside.
    At(Position),
    /// MAXVALUE.
    MaxValue,
    /// A value that has no place on our line (`infinity`, a hand-made uuid, a key of several columns), as the server
    /// writes it.
    Other(String),
}

/// The range of a partition: from `low` up to but without `high`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The first value inside.
    pub low: Edge,
    /// The first value outside.
    pub high: Edge,
}

impl Range {
    /// Between two positions.
    pub fn between(low: Position, high: Position) -> Self {
        Self { low: Edge::At(low), high: Edge::At(high) }
    }
}
