//! A policy as it is stored, checked against the set as it is.

use super::epoch;
use super::every;
use super::key::{EpochUnit, KeyKind};
use super::line;
use super::name_pattern::Pattern;
use super::refusal::Refusal;
use super::set::{
    Distance, Every, NameStyle, OnMissing, Policy, RetentionAction, Set, StoredPolicy, Strategy,
};
use crate::catalog::DAY;
use crate::text::quote_literal;

/// `every` and `key_kind` of a set that is looked at and never changed.
pub const WATCHED: &str = "watched";

/// Days in a month, as far as a time of grace goes.
const MONTH_DAYS: i64 = 30;

/// The word for a kind in `dbm.partition_set.key_kind`.
pub fn key_kind_name(key: KeyKind) -> &'static str {
    match key {
        KeyKind::Date => "date",
        KeyKind::Timestamp => "timestamp",
        KeyKind::TimestampWithTimeZone => "timestamptz",
        KeyKind::Integer { .. } => "integer",
        KeyKind::Epoch { unit, .. } => match unit {
            EpochUnit::Seconds => "epoch seconds",
            EpochUnit::Milliseconds => "epoch milliseconds",
            EpochUnit::Microseconds => "epoch microseconds",
            EpochUnit::Nanoseconds => "epoch nanoseconds",
        },
        KeyKind::UuidV7 => "uuidv7",
        KeyKind::Ulid => "ulid",
    }
}

/// What the values of the set's key are, if they still are what the policy was made for.
fn key_kind(name: &str, set: &Set) -> Option<KeyKind> {
    let own = set.key?;
    match (name.strip_prefix("epoch "), own) {
        (Some(unit), KeyKind::Integer { bytes }) if bytes > 2 => {
            Some(KeyKind::Epoch { bytes, unit: epoch::unit(unit)? })
        }
        (None, own) if key_kind_name(own) == name => Some(own),
        _ => None,
    }
}

/// Why a set cannot be extended, whatever the policy; `None` where it can.
pub fn why_not_extended(set: &Set) -> Option<Refusal> {
    let name = set.qualified();
    let hint = format!(
        "To have it watched only: SELECT dbm.partition_manage({}, '{WATCHED}');",
        quote_literal(&name)
    );
    let strategy = match set.strategy {
        Strategy::Range => None,
        Strategy::List => Some("list"),
        Strategy::Hash => Some("hash"),
    };
    if let Some(strategy) = strategy {
        let message =
            format!("table {name} is partitioned by {strategy}: such sets are watched, not extended");
        return Some(Refusal::new(message, hint));
    }
    if set.key_columns.len() != 1 {
        let message = format!("the partition key of table {name} has {} columns", set.key_columns.len());
        return Some(Refusal::new(message, hint).detail("Ranges of one column are kept."));
    }
    if set.key_columns.first().is_none_or(Option::is_none) {
        let message = format!("the partition key of table {name} is an expression");
        return Some(Refusal::new(message, hint).detail("Ranges of a plain column are kept."));
    }
    if set.key.is_none() {
        let message = format!("the partition key of table {name} is of type {}", set.key_type);
        return Some(Refusal::new(message, hint).detail(
            "Kept are date, timestamp, timestamp with time zone, smallint, integer, bigint, uuid of version 7, and text \
             in collation \"C\" that holds ULIDs.",
        ));
    }
    None
}

/// The policy, or why it cannot be followed.
pub fn checked(stored: &StoredPolicy, set: &Set) -> Result<Policy, Refusal> {
    if let Some(refusal) = why_not_extended(set) {
        return Err(refusal);
    }
    let again = || {
        let name = quote_literal(&set.qualified());
        format!("Say again how it is to be kept: SELECT dbm.partition_manage({name}, …);")
    };
    if stored.key_kind == WATCHED {
        return Err(Refusal::new(format!("table {} is watched only", set.qualified()), again()));
    }
    let wrong = |what: &str, value: &str| {
        Refusal::new(
            format!("the policy of table {} cannot be followed: its {what} is \"{value}\"", set.qualified()),
            again(),
        )
    };
    let key = key_kind(&stored.key_kind, set).ok_or_else(|| {
        wrong("kind of key", &stored.key_kind).detail(format!("The key is of type {} now.", set.key_type))
    })?;
    let every = every::parse(&stored.every, key).map_err(|_| wrong("width", &stored.every))?;
    let origin =
        line::position_of_text(key, &stored.origin).ok_or_else(|| wrong("origin", &stored.origin))?;
    let retention = match (stored.retention, stored.retention_number) {
        (Some((months, days, microseconds)), _) if key.is_time() => {
            Some(Distance::Time { months, days, microseconds })
        }
        (_, Some(number)) if !key.is_time() => Some(Distance::Number(
            u64::try_from(number).map_err(|_| wrong("retention", &number.to_string()))?,
        )),
        (None, None) => None,
        _ => return Err(wrong("retention", "of another kind than its key")),
    };
    let retention_action = match (stored.retention_action.as_str(), &stored.archive_schema) {
        ("drop", _) => RetentionAction::Drop,
        ("keep", _) => RetentionAction::Keep,
        ("archive", Some(schema)) => RetentionAction::Archive(schema.clone()),
        (other, _) => return Err(wrong("retention_action", other)),
    };
    Ok(Policy {
        key,
        every,
        time_zone: stored.time_zone.clone(),
        origin,
        premake: u32::try_from(stored.premake).map_err(|_| wrong("premake", &stored.premake.to_string()))?,
        retention,
        retention_action,
        drop_delay: microseconds_of(stored.drop_delay),
        on_missing: match stored.on_missing.as_str() {
            "default" => OnMissing::Default,
            _ => OnMissing::Error,
        },
        max_create: u32::try_from(stored.max_create.max(1)).unwrap_or(1),
        max_retire: stored.max_retire.clamp(0.0, 1.0),
        template: stored.template,
        copy_privileges: stored.copy_privileges,
        name_style: name_style(&stored.name_style).ok_or_else(|| wrong("name_style", &stored.name_style))?,
    })
}

/// The policy of a set that is watched only, or whose own cannot be followed: nothing is made, and nothing goes.
pub fn watching(set: &Set) -> Policy {
    Policy {
        key: set.key.unwrap_or(KeyKind::Date),
        every: Every::Step(1),
        time_zone: "UTC".to_owned(),
        origin: 0,
        premake: 0,
        retention: None,
        retention_action: RetentionAction::Keep,
        drop_delay: 0,
        on_missing: OnMissing::Error,
        max_create: 1,
        max_retire: 0.0,
        template: None,
        copy_privileges: false,
        name_style: NameStyle::House,
    }
}

/// The style of that name.
pub fn name_style(name: &str) -> Option<NameStyle> {
    match name {
        "house" => Some(NameStyle::House),
        "partman" => Some(NameStyle::Partman),
        _ => Pattern::parse(name.strip_prefix("partman ")?).map(NameStyle::PartmanPattern),
    }
}

/// The name of a style, as [`name_style`] reads it.
pub fn name_of_style(style: NameStyle) -> String {
    match style {
        NameStyle::House => "house".to_owned(),
        NameStyle::Partman => "partman".to_owned(),
        NameStyle::PartmanPattern(pattern) => format!("partman {}", pattern.text()),
    }
}

/// A time of grace in microseconds; a month is 30 days.
fn microseconds_of((months, days, microseconds): (i32, i32, i64)) -> i64 {
    let days = i64::from(months) * MONTH_DAYS + i64::from(days);
    days.saturating_mul(DAY).saturating_add(microseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::sample::{set, stored};

    #[test]
    fn a_stored_policy_is_read() {
        let dates = set("events", KeyKind::Date);
        let row = StoredPolicy {
            retention: Some((1, 2, 3)),
            retention_action: "archive".to_owned(),
            archive_schema: Some("old".to_owned()),
            drop_delay: (1, 1, 1),
            ..stored("date", "1 month", "2000-01-01")
        };
        let policy = checked(&row, &dates).expect("a good policy");
        assert_eq!(policy.every, Every::Months(1));
        assert_eq!(policy.origin, 0);
        assert_eq!(policy.retention, Some(Distance::Time { months: 1, days: 2, microseconds: 3 }));
        assert_eq!(policy.retention_action, RetentionAction::Archive("old".to_owned()));
        assert_eq!(policy.drop_delay, 31 * DAY + 1);
    }

    #[test]
    fn a_key_that_became_another_is_told_of() {
        let numbers = set("events", KeyKind::Integer { bytes: 8 });
        let refusal = checked(&stored("date", "1 month", "2000-01-01"), &numbers).expect_err("another key");
        assert!(refusal.message.contains("kind of key is \"date\""), "{}", refusal.message);
        let epoch = checked(&stored("epoch seconds", "1 day", "946684800"), &numbers).expect("an epoch key");
        assert_eq!(epoch.key, KeyKind::Epoch { bytes: 8, unit: EpochUnit::Seconds });
    }

    #[test]
    fn what_is_not_extended_says_why() {
        let mut lists = set("events", KeyKind::Date);
        lists.strategy = Strategy::List;
        let refusal = why_not_extended(&lists).expect("by list");
        assert_eq!(
            refusal.message,
            "table public.events is partitioned by list: such sets are watched, not extended"
        );
        let mut pairs = set("events", KeyKind::Date);
        pairs.key_columns.push(Some("region".to_owned()));
        assert!(why_not_extended(&pairs).is_some_and(|refusal| refusal.message.ends_with("has 2 columns")));
        pairs.key_columns = vec![None];
        assert!(
            why_not_extended(&pairs).is_some_and(|refusal| refusal.message.ends_with("is an expression"))
        );
        assert_eq!(why_not_extended(&set("events", KeyKind::Date)), None);
    }

    #[test]
    fn styles_are_read_as_they_are_written() {
        for name in ["house", "partman", "partman YYYY_MM_DD", "partman IYYY\"w\"IW"] {
            assert_eq!(name_style(name).map(name_of_style).as_deref(), Some(name));
        }
        for name in ["", "House", "partman ", "partman TMMonth"] {
            assert_eq!(name_style(name), None);
        }
    }
}
