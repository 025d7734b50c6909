//! The leak test: what lets a tenant see, touch or guess what belongs to another.
//!
//! Part of it is read from the catalogs ([`judge`]); the rest is tried, with the rights of the roles that use the table
//! and rows of two tenants, in a subtransaction of which nothing stays ([`probe`] writes the statements).

pub mod inserting;
pub mod judge;
#[cfg(feature = "postgres")]
pub mod live;
pub mod pointing;
pub mod policy;
pub mod probe;
pub mod values;

#[cfg(test)]
mod tests;

use super::facts::Table;

/// How a check ended; the worst comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Something of another tenant comes through.
    Leak,
    /// Nothing comes through, but a single further step would let it.
    Weak,
    /// It could not be judged.
    Unknown,
    /// Nothing comes through.
    Ok,
}

impl Status {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Weak => "weak",
            Self::Unknown => "unknown",
            Self::Ok => "ok",
        }
    }
}

/// What is checked, in the order in which it is told, and whether it is tried with rows.
pub const CHECKS: [(&str, bool); 24] = [
    ("policy", false),
    ("force", false),
    ("role", false),
    ("context", true),
    ("no_context", true),
    ("read", true),
    ("insert", true),
    ("update", true),
    ("delete", true),
    ("move", true),
    ("on_conflict", true),
    ("merge", true),
    ("row_security_off", true),
    ("copy", true),
    ("truncate", false),
    ("privileges", false),
    ("partition", true),
    ("unique", true),
    ("foreign_key", false),
    ("view", false),
    ("materialized_view", false),
    ("function", false),
    ("publication", false),
    ("not_null", false),
];

/// All that needs rows, where nothing could be tried.
pub fn untried(table: &Table, why: &str) -> Vec<Line> {
    // Where there is none there is nothing to try.
    let is_there = |check: &str| match check {
        "foreign_key" => table.foreign_keys.iter().any(|key| key.referenced_has_tenant),
        "view" => table.views.iter().any(|view| view.kind == 'v'),
        _ => false,
    };
    CHECKS
        .iter()
        .filter(|(check, is_tried)| *is_tried || is_there(check))
        .map(|(check, _)| Line::new(check, Status::Unknown, why))
        .collect()
}

/// One check of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which, of [`CHECKS`].
    pub check: &'static str,
    /// How it ended.
    pub status: Status,
    /// What was seen.
    pub detail: String,
}

impl Line {
    /// A line.
    pub fn new(check: &'static str, status: Status, detail: impl Into<String>) -> Self {
        Self { check, status, detail: detail.into() }
    }
}

/// The worst of each check, in their order. Where several are equally bad, all are told.
pub fn worst(lines: Vec<Line>) -> Vec<Line> {
    CHECKS
        .iter()
        .filter_map(|(check, _)| {
            let of_check: Vec<&Line> = lines.iter().filter(|line| line.check == *check).collect();
            let status = of_check.iter().map(|line| line.status).min()?;
            let mut details: Vec<&str> = Vec::new();
            for line in of_check.iter().filter(|line| line.status == status) {
                if !details.contains(&&*line.detail) {
                    details.push(&line.detail);
                }
            }
            Some(Line::new(check, status, details.join("; ")))
        })
        .collect()
}
