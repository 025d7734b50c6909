//! What somebody asks for a set, made into a policy that can be kept, or a refusal that says what to do instead.

#[cfg(feature = "postgres")]
pub mod live;
#[cfg(test)]
mod tests;

use super::epoch;
use super::every;
use super::grid::{Grid, default_origin, origin_through};
use super::key::{Edge, KeyKind, Position};
use super::line;
use super::name;
use super::policy::{WATCHED, key_kind_name, name_of_style, name_style, why_not_extended};
use super::refusal::Refusal;
use super::set::{Every, NameStyle, Set, StoredPolicy};
use super::zone::Zone;
use crate::text::quote_literal;

/// The most partitions that are made ahead.
const MOST_AHEAD: u32 = 10_000;

/// What is asked, as far as the set alone does not tell; what is `None` is kept as it was or found by looking.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// How wide a partition is.
    pub every: String,
    /// How many are made ahead.
    pub premake: i32,
    /// Months, days and microseconds after which a partition goes.
    pub retention: Option<(i32, i32, i64)>,
    /// The same in numbers.
    pub retention_number: Option<i64>,
    /// `drop`, `keep` or `archive`.
    pub retention_action: String,
    /// Where to.
    pub archive_schema: Option<String>,
    /// Months, days and microseconds that a detached partition is kept.
    pub drop_delay: (i32, i32, i64),
    /// `default` or `error`.
    pub on_missing: Option<String>,
    /// How many one pass may create.
    pub max_create: i32,
    /// Which share one pass may retire.
    pub max_retire: f64,
    /// A table that has what new partitions do not inherit.
    pub template: Option<crate::catalog::Oid>,
    /// Whether they get the grants of the parent.
    pub copy_privileges: bool,
    /// How they are named.
    pub name_style: Option<String>,
    /// The unit of an integer that tells the time.
    pub epoch: Option<String>,
}

/// An example of the call, for hints.
fn call(set: &Set, further: &str) -> String {
    format!("SELECT dbm.partition_manage({}, {further});", quote_literal(&set.qualified()))
}

fn invalid(argument: &str, value: &str, hint: &str) -> Refusal {
    Refusal::new(format!("{argument} cannot be \"{value}\""), hint)
}

/// What the values of the key are to be taken for.
pub fn key(set: &Set, epoch: Option<&str>) -> Result<KeyKind, Refusal> {
    if let Some(refusal) = why_not_extended(set) {
        return Err(refusal);
    }
    let own = set.key.unwrap_or(KeyKind::Date);
    let Some(epoch) = epoch else { return Ok(own) };
    let column = set.key_columns.first().cloned().flatten().unwrap_or_default();
    epoch::kind(own, epoch, &format!("the key \"{column}\" of table {}", set.qualified()), &set.key_type)
}

/// How many partitions are made ahead.
pub fn premake(asked: i32) -> Result<u32, Refusal> {
    u32::try_from(asked).ok().filter(|&premake| premake <= MOST_AHEAD).ok_or_else(|| {
        let hint =
            format!("It is how many partitions have to be there after the one of now: 0 to {MOST_AHEAD}.");
        invalid("premake", &asked.to_string(), &hint)
    })
}

/// Whether a time after which partitions go is one, and `key` one that tells the time; `table` is qualified and quoted.
pub fn retention_span(span: (i32, i32, i64), key: KeyKind, table: &str) -> Result<(), Refusal> {
    if !key.is_time() {
        return Err(Refusal::new(
            format!("retention is a span of time, but the key of table {table} counts numbers"),
            "dbm.partition_manage() takes it in numbers, as a distance from the greatest: retention_number => 10000000.",
        ));
    }
    let (months, days, microseconds) = span;
    if months < 0 || days < 0 || microseconds < 0 || span == (0, 0, 0) {
        return Err(Refusal::new(
            "retention must be above zero",
            "Say how long partitions are kept: retention => '90 days'; leave it out to keep them for ever.",
        ));
    }
    Ok(())
}

/// Where the boundaries of the set are counted from. `asked` is an origin that somebody gave, `before` the one of the
/// policy so far: it stays while the newest partition ends at a boundary of it. Otherwise the next partition begins
/// where the newest ends.
pub fn origin(
    set: &Set,
    key: KeyKind,
    every: Every,
    asked: Option<Position>,
    before: Option<Position>,
    zone: &dyn Zone,
) -> Position {
    if let Some(asked) = asked {
        return asked;
    }
    let Some(edge) = set.newest_high() else {
        return before.unwrap_or_else(|| default_origin(key, every, 1, zone));
    };
    match before {
        Some(before) if Grid::new(key, every, before, zone).is_boundary(edge) => before,
        _ => origin_through(key, every, edge, zone),
    }
}

/// How many of the boundaries that are there are boundaries of the grid too.
pub fn agreement(set: &Set, key: KeyKind, every: Every, zone: &dyn Zone) -> usize {
    let Some(edge) = set.newest_high() else { return 0 };
    let origin = origin_through(key, every, edge, zone);
    // A grid that begins at the edge itself fits by definition.
    if origin == edge {
        return 0;
    }
    let grid = Grid::new(key, every, origin, zone);
    set.ranges()
        .flat_map(|(_, range)| [&range.low, &range.high])
        .filter(|edge| matches!(edge, Edge::At(position) if grid.is_boundary(*position)))
        .count()
}

/// How the partitions that are there are named, if the newest is named so.
fn style_of(set: &Set, grid: &Grid<'_>) -> NameStyle {
    let is_named = |style| {
        set.ranges().next_back().is_some_and(|(newest, range)| {
            name::name(&set.name, range, grid, style, &|_| false) == newest.name
        })
    };
    if is_named(NameStyle::Partman) { NameStyle::Partman } else { NameStyle::House }
}

/// The policy of a set that is only watched.
pub fn watched(set: &Set) -> StoredPolicy {
    StoredPolicy {
        parent: set.parent,
        key_kind: WATCHED.to_owned(),
        every: WATCHED.to_owned(),
        time_zone: "UTC".to_owned(),
        retention_action: "keep".to_owned(),
        on_missing: on_missing_of(set).to_owned(),
        max_create: 100,
        max_retire: 0.5,
        name_style: "house".to_owned(),
        ..StoredPolicy::default()
    }
}

fn on_missing_of(set: &Set) -> &'static str {
    if set.default_partition().is_some() { "default" } else { "error" }
}

/// The width that was asked for.
pub fn every(asked: &Asked, set: &Set, key: KeyKind) -> Result<Every, Refusal> {
    every::parse(&asked.every, key).map_err(|mut refusal| {
        if matches!(key, KeyKind::Integer { .. })
            && !asked.every.trim().starts_with(|first: char| first.is_ascii_digit())
        {
            refusal.hint = format!(
                "Give a number, or say in which unit the key tells the time: {}",
                call(set, &format!("{}, epoch => 'seconds'", quote_literal(&asked.every)))
            );
        }
        refusal
    })
}

/// The policy that is asked for.
pub fn policy(
    asked: &Asked,
    set: &Set,
    grid: &Grid<'_>,
    time_zone: &str,
    before: Option<&StoredPolicy>,
) -> Result<StoredPolicy, Refusal> {
    let key = grid.kind;
    premake(asked.premake)?;
    if asked.max_create < 1 {
        return Err(invalid(
            "max_create",
            &asked.max_create.to_string(),
            "It is how many partitions one pass may create: at least 1.",
        ));
    }
    if !(0.0..=1.0).contains(&asked.max_retire) {
        let hint = "It is the share of the partitions that one pass may retire: 0 to 1.";
        return Err(invalid("max_retire", &asked.max_retire.to_string(), hint));
    }
    retention(asked, set, key)?;
    let on_missing = match asked.on_missing.as_deref() {
        None => before.map_or_else(|| on_missing_of(set), |before| &before.on_missing),
        Some(known @ ("default" | "error")) => known,
        Some(other) => {
            let hint = "It is default (rows that no partition takes go into a default partition) or error (they are refused).";
            return Err(invalid("on_missing", other, hint));
        }
    };
    let name_style = match (&asked.name_style, before) {
        (Some(name), _) => name_style(name)
            .map(name_of_style)
            .ok_or_else(|| invalid("name_style", name, "It is house or partman."))?,
        (None, Some(before)) if before.key_kind != WATCHED => before.name_style.clone(),
        (None, _) => name_of_style(style_of(set, grid)),
    };
    Ok(StoredPolicy {
        parent: set.parent,
        key_kind: key_kind_name(key).to_owned(),
        every: every::render(grid.every),
        time_zone: time_zone.to_owned(),
        origin: line::text(key, grid.origin),
        premake: asked.premake,
        retention: asked.retention,
        retention_number: asked.retention_number,
        retention_action: asked.retention_action.clone(),
        archive_schema: asked.archive_schema.clone(),
        drop_delay: asked.drop_delay,
        on_missing: on_missing.to_owned(),
        max_create: asked.max_create,
        max_retire: asked.max_retire,
        template: asked.template,
        copy_privileges: asked.copy_privileges,
        name_style,
        is_enabled: true,
        ..StoredPolicy::default()
    })
}

fn retention(asked: &Asked, set: &Set, key: KeyKind) -> Result<(), Refusal> {
    let actions = "It is drop (detached, then dropped), keep (detached and left where it is) or archive (detached and moved to archive_schema).";
    match (asked.retention_action.as_str(), &asked.archive_schema) {
        ("drop" | "keep", None) | ("archive", Some(_)) => {}
        ("archive", None) => {
            return Err(Refusal::new(
                "retention_action is archive, but archive_schema is not given",
                "Name the schema into which old partitions are moved: archive_schema => 'archive'.",
            ));
        }
        ("drop" | "keep", Some(schema)) => {
            return Err(Refusal::new(
                format!("archive_schema is \"{schema}\", but retention_action is {}", asked.retention_action),
                "Say retention_action => 'archive', or leave archive_schema out.",
            ));
        }
        (other, _) => return Err(invalid("retention_action", other, actions)),
    }
    if let Some(span) = asked.retention {
        retention_span(span, key, &set.qualified())?;
    }
    if let Some(number) = asked.retention_number {
        if key.is_time() {
            return Err(Refusal::new(
                format!("retention_number is given, but the key of table {} tells the time", set.qualified()),
                "Say how long partitions are kept: retention => '90 days'.",
            ));
        }
        if number < 0 {
            return Err(invalid(
                "retention_number",
                &number.to_string(),
                "It is a distance from the greatest number: 0 or more.",
            ));
        }
    }
    let (months, days, microseconds) = asked.drop_delay;
    if months < 0 || days < 0 || microseconds < 0 {
        return Err(Refusal::new(
            "drop_delay must not be below zero",
            "It is how long a detached partition is kept before it is dropped: '0' or '7 days'.",
        ));
    }
    Ok(())
}

/// What is told of a set that is kept from now on.
pub fn told(policy: &StoredPolicy, set: &Set, ends: Option<&str>, due: &str) -> String {
    let name = set.qualified();
    let count = set.partitions.iter().filter(|partition| !partition.is_default).count();
    let there = match (count, ends) {
        (0, _) => "no partition yet".to_owned(),
        (1, Some(ends)) => format!("1 partition, up to {ends}"),
        (_, Some(ends)) => format!("{count} partitions, up to {ends}"),
        (1, None) => "1 partition".to_owned(),
        (_, None) => format!("{count} partitions"),
    };
    let zone = if policy.every.ends_with(|last: char| last.is_ascii_digit()) || policy.time_zone == "UTC" {
        String::new()
    } else {
        format!(" in time zone {}", policy.time_zone)
    };
    let kept = match policy.retention_action.as_str() {
        _ if policy.retention.is_none() && policy.retention_number.is_none() => {
            "partitions are kept for ever".to_owned()
        }
        "archive" => {
            format!("old ones are moved to schema {}", policy.archive_schema.as_deref().unwrap_or_default())
        }
        "keep" => "old ones are detached and kept".to_owned(),
        _ => "old ones are dropped".to_owned(),
    };
    format!("{name} is kept by {}{zone}, {} ahead: {there}; {kept}; {due}", policy.every, policy.premake)
}
