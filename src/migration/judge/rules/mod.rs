//! The rules of the judge, one file a subject.

use super::DdlRule;

/// All of them.
pub const ALL: &[DdlRule] = &[];

/// The rule of that id.
pub fn find(id: &str) -> Option<&'static DdlRule> {
    ALL.iter().find(|rule| rule.id == id)
}
