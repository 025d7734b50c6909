//! The audit: collects every room's rules, runs them, scores what they say, and keeps what somebody decided about it.
//!
//! [`engine`] runs rules on facts and isolates each, [`rows`] puts the answer in order, [`score`] turns it into
//! numbers and [`scoreboard`] into words. [`settings`] and [`suppression`] hold the users' decisions;
//! [`catalogue`] describes the rules. All of it is pure; the server comes in through `live.rs` and `api.rs`.

#[cfg(feature = "postgres")]
pub mod api;
#[cfg(feature = "postgres")]
pub mod live;

pub mod catalogue;
pub mod engine;
pub mod filter;
pub mod refusal;
pub mod rows;
pub mod score;
pub mod scoreboard;
pub mod settings;
pub mod suppression;

#[cfg(test)]
mod every_rule;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod score_properties;

use crate::finding::Rule;

/// Every rule of this version, room by room.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    crate::design::rules()
        .chain(crate::index::RULES)
        .chain(crate::query::rules::RULES)
        .chain(crate::migration::rules::RULES)
        .chain(crate::partition::rules::RULES)
        .chain(crate::security::rules::RULES)
}

/// The rule of that id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.id == id)
}

/// Ids that once were rules. They are not used again, and what a dump still says of them is accepted and ignored:
/// otherwise retiring a rule would make a database impossible to restore.
pub const RETIRED_RULES: &[&str] = &[];
