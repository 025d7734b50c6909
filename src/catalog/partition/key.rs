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

impl EpochUnit {
    /// All.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }
}

impl KeyKind {
    /// Its name in SQL: that of the type, and what it counts where that is a moment: `timestamptz`, `bigint`,
    /// `bigint milliseconds`, `uuid`, `ulid`.
    pub fn name(self) -> String {
        let integer = |bytes| match bytes {
            2 => "smallint",
            4 => "integer",
            _ => "bigint",
        };
        match self {
            Self::Date => "date".to_owned(),
            Self::Timestamp => "timestamp".to_owned(),
            Self::TimestampWithTimeZone => "timestamptz".to_owned(),
            Self::Integer { bytes } => integer(bytes).to_owned(),
            Self::Epoch { bytes, unit } => format!("{} {}", integer(bytes), unit.name()),
            Self::UuidV7 => "uuid".to_owned(),
            Self::Ulid => "ulid".to_owned(),
        }
    }

    /// The kind of that name, or of a type as `format_type()` writes it; text is a ULID.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase();
        let bytes = |name| match name {
            "smallint" | "int2" => Some(2),
            "integer" | "int" | "int4" => Some(4),
            "bigint" | "int8" => Some(8),
            _ => None,
        };
        if let Some(bytes) = bytes(&name) {
            return Some(Self::Integer { bytes });
        }
        if let Some((integer, counted)) = name.split_once(' ')
            && let Some(unit) = EpochUnit::ALL.into_iter().find(|unit| unit.name() == counted.trim())
        {
            return bytes(integer).filter(|&bytes| bytes > 2).map(|bytes| Self::Epoch { bytes, unit });
        }
        // The precision of a timestamp changes nothing.
        let plain = match (name.find('('), name.find(')')) {
            (Some(open), Some(close)) if open < close => format!("{}{}", &name[..open], &name[close + 1..]),
            _ => name,
        };
        match &*plain {
            "date" => Some(Self::Date),
            "timestamp" | "timestamp without time zone" => Some(Self::Timestamp),
            "timestamptz" | "timestamp with time zone" => Some(Self::TimestampWithTimeZone),
            "uuid" | "uuidv7" => Some(Self::UuidV7),
            "ulid" | "text" | "character varying" | "varchar" | "character" | "char" | "bpchar" => {
                Some(Self::Ulid)
            }
            _ => None,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_their_names() {
        let mut kinds = vec![
            KeyKind::Date,
            KeyKind::Timestamp,
            KeyKind::TimestampWithTimeZone,
            KeyKind::UuidV7,
            KeyKind::Ulid,
        ];
        kinds.extend([2, 4, 8].map(|bytes| KeyKind::Integer { bytes }));
        for bytes in [4, 8] {
            kinds.extend(EpochUnit::ALL.map(|unit| KeyKind::Epoch { bytes, unit }));
        }
        for kind in kinds {
            assert_eq!(KeyKind::of_name(&kind.name()), Some(kind));
        }
        for (name, kind) in [
            ("timestamp(3) with time zone", Some(KeyKind::TimestampWithTimeZone)),
            ("character(26)", Some(KeyKind::Ulid)),
            (" INT8  Seconds ", Some(KeyKind::Epoch { bytes: 8, unit: EpochUnit::Seconds })),
            ("smallint seconds", None),
            ("numeric", None),
            ("bigint fortnights", None),
            ("", None),
        ] {
            assert_eq!(KeyKind::of_name(name), kind, "{name}");
        }
    }
}
