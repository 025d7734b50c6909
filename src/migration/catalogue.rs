//! The judge's rules as rows and as JSON.

use serde_json::{Map, Value, json};

use super::judge::{DdlRule, Policy};
use crate::finding::Threshold;

/// The thresholds of a rule as they are in force.
pub fn thresholds(rule: &DdlRule, policy: &dyn Policy) -> Map<String, Value> {
    let describe = |threshold: &Threshold| {
        let (least, greatest) = threshold.range;
        let description = json!({
            "value": policy.threshold(rule, threshold.name),
            "default": threshold.default,
            "min": least,
            "max": greatest,
            "meaning": threshold.meaning,
        });
        (threshold.name.to_owned(), description)
    };
    rule.thresholds.iter().map(describe).collect()
}
