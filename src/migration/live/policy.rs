//! What holds in this database, whatever the rules' defaults are.

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::finding::Severity;
use crate::migration::judge::{DdlRule, Policy};
use crate::pg::facts::stop_if_cancelled;
use crate::pg::{guard, settings};

struct Setting {
    is_enabled: bool,
    severity: Option<Severity>,
    thresholds: Value,
}

/// The rows of `dbm.rule_setting` that are about the judge's rules, and the settings of the server.
pub struct InForce {
    by_rule: FxHashMap<String, Setting>,
    small_table_bytes: u64,
}

impl InForce {
    /// As it is now.
    pub fn now() -> Self {
        let rows = guard::rule_rows().into_iter().filter(|row| row.rule.starts_with("ddl."));
        let setting = |row: guard::RuleRow| {
            let setting = Setting {
                is_enabled: row.enabled,
                severity: row.severity.as_deref().and_then(Severity::parse),
                thresholds: row.thresholds,
            };
            (row.rule, setting)
        };
        Self { by_rule: rows.map(setting).collect(), small_table_bytes: settings::ddl_small_table() }
    }

    /// The same where no size is taken into account: every table is large.
    pub fn regardless_of_size() -> Self {
        Self { small_table_bytes: 0, ..Self::now() }
    }
}

impl Policy for InForce {
    fn severity(&self, rule: &DdlRule) -> Option<Severity> {
        match self.by_rule.get(rule.id) {
            Some(setting) => setting.is_enabled.then(|| setting.severity.unwrap_or(rule.severity)),
            None => Some(rule.severity),
        }
    }

    fn is_severity_chosen(&self, rule: &DdlRule) -> bool {
        self.by_rule.get(rule.id).is_some_and(|setting| setting.severity.is_some())
    }

    fn threshold(&self, rule: &DdlRule, name: &str) -> f64 {
        let Some(declared) = rule.thresholds.iter().find(|threshold| threshold.name == name) else {
            panic!("the rule {} asks for a threshold \"{name}\" that it does not declare", rule.id)
        };
        let chosen = self.by_rule.get(rule.id).and_then(|setting| setting.thresholds.get(name)?.as_f64());
        declared.in_force(chosen)
    }

    fn small_table_bytes(&self) -> u64 {
        self.small_table_bytes
    }

    fn interrupt(&self) {
        stop_if_cancelled();
    }
}
