//! What the tests of the flags ask.

use super::judge;
use crate::catalog::plan::Plan;
use crate::query::advice::Advice;

/// The only advice of a rule; fails where there is none or more than one.
pub fn flagged(plan: &Plan, rule: &str) -> Advice {
    let mut found: Vec<Advice> = judge(plan).into_iter().filter(|advice| advice.rule == rule).collect();
    assert_eq!(found.len(), 1, "{rule}: {found:?}");
    found.remove(0)
}

/// Fails where a rule has something to say.
pub fn silent(plan: &Plan, rule: &str) {
    let found: Vec<Advice> = judge(plan).into_iter().filter(|advice| advice.rule == rule).collect();
    assert_eq!(found, [], "{rule}");
}
