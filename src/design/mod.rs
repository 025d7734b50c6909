//! Schema design: conventions, types, keys and constraints.

pub mod designed;
pub mod keys;
pub mod measured;
pub mod naming;
pub mod not_null;
pub mod prevalence;
pub mod sequences;
pub mod soft_delete;
pub mod tables;
pub mod types;
pub mod versioning;
pub mod words;

#[cfg(test)]
mod tests;

use crate::finding::Rule;

/// All rules of this room.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    naming::RULES.iter().chain(types::RULES).chain(keys::RULES).chain(tables::RULES)
}
