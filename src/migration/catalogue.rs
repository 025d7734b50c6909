//! The judge's rules as rows and as JSON.

use serde_json::{Map, Value};

use super::judge::{DdlRule, Policy};
use crate::finding::Threshold;

/// The thresholds of a rule as they are in force.
pub fn thresholds(rule: &DdlRule, policy: &dyn Policy) -> Map<String, Value> {
    let describe = |threshold: &Threshold| {
        let value = policy.threshold(rule, threshold.name);
        (threshold.name.to_owned(), threshold.described(value))
    };
    rule.thresholds.iter().map(describe).collect()
}
