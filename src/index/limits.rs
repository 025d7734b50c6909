//! Where the numbers come from that the functions of this room compare with.

use crate::finding::Rule;

/// The value in force of a rule's threshold: what `settings` says, else the rule's own default.
pub fn limit(rule: &Rule, settings: &dyn Fn(&str) -> Option<f64>, name: &str) -> f64 {
    settings(name).or_else(|| rule.default_threshold(name)).unwrap_or(f64::INFINITY)
}
