//! The thresholds in force of one rule.

use pgrx::JsonB;

use crate::finding::Rule;
use crate::pg::query;

/// Reads what users changed; what they left alone keeps the rule's default.
pub fn of(rule: &'static Rule) -> impl Fn(&str) -> Option<f64> {
    let changed = query::rows(
        "SELECT s.thresholds FROM dbm.rule_setting s WHERE s.rule OPERATOR(pg_catalog.=) $1",
        &[rule.id.into()],
        |row| row.get::<JsonB>(1),
    );
    let changed = changed.into_iter().flatten().next().map(|thresholds| thresholds.0);
    move |name| {
        let declared = rule.thresholds.iter().find(|threshold| threshold.name == name)?;
        let chosen = changed.as_ref().and_then(|changed| changed.get(name)?.as_f64());
        Some(declared.in_force(chosen))
    }
}
