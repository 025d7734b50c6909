//! What users changed about rules: the rows of `dbm.rule_setting`.

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::filter::parse_severity;
use super::refusal::Refusal;
use crate::finding::{Rule, Severity, Threshold};
use crate::migration::judge::{DdlRule, rules};

/// One row of `dbm.rule_setting`.
#[derive(Clone, Debug)]
pub struct SettingRow {
    /// The rule's id.
    pub rule: String,
    /// Whether the rule is run.
    pub enabled: bool,
    /// The severity of all its findings; `None` leaves it to the rule.
    pub severity: Option<String>,
    /// An object of threshold names and numbers.
    pub thresholds: Value,
}

#[derive(Clone, Debug)]
struct Setting {
    enabled: bool,
    severity: Option<Severity>,
    thresholds: FxHashMap<String, f64>,
}

/// The settings in force, by rule; a rule without a row runs as it is written.
#[derive(Clone, Debug, Default)]
pub struct RuleSettings {
    by_rule: FxHashMap<String, Setting>,
}

impl RuleSettings {
    /// Reads the table.
    ///
    /// [`validate`] kept out what is wrong when a row was written, perhaps by another version; what this version
    /// does not understand is passed over rather than stopping every audit.
    pub fn from_rows(rows: impl IntoIterator<Item = SettingRow>) -> Self {
        let by_rule = rows
            .into_iter()
            .map(|row| {
                let thresholds = row.thresholds.as_object().into_iter().flatten();
                let setting = Setting {
                    enabled: row.enabled,
                    severity: row.severity.as_deref().and_then(Severity::parse),
                    thresholds: thresholds
                        .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
                        .collect(),
                };
                (row.rule, setting)
            })
            .collect();
        Self { by_rule }
    }

    /// Whether the rule is run.
    pub fn is_enabled(&self, rule: &Rule) -> bool {
        self.by_rule.get(rule.id).is_none_or(|setting| setting.enabled)
    }

    /// The severity that a user gave to everything that the rule finds.
    pub fn severity_override(&self, rule: &Rule) -> Option<Severity> {
        self.by_rule.get(rule.id)?.severity
    }

    /// The severity of the rule, and of its findings unless they carry one of their own.
    pub fn severity(&self, rule: &Rule) -> Severity {
        self.severity_override(rule).unwrap_or(rule.severity)
    }

    /// The value in force of a threshold; `None` where the rule declares none of that name.
    pub fn threshold(&self, rule: &Rule, name: &str) -> Option<f64> {
        let declared = rule.thresholds.iter().find(|threshold| threshold.name == name)?;
        let changed = self.by_rule.get(rule.id).and_then(|setting| setting.thresholds.get(name));
        Some(declared.in_force(changed.copied()))
    }
}

/// Refuses a row of `dbm.rule_setting` that would have no effect or make no sense.
///
/// `enabled` needs no check: both of its values are valid for every rule.
pub fn validate(rule: &str, severity: Option<&str>, thresholds: &Value) -> Result<(), Refusal> {
    if super::RETIRED_RULES.contains(&rule) {
        return Ok(());
    }
    let (id, declared) = match rule.starts_with("ddl.") {
        true => judges_rule(rule).map(|rule| (rule.id, rule.thresholds))?,
        false => known_rule(rule).map(|rule| (rule.id, rule.thresholds))?,
    };
    if let Some(severity) = severity {
        parse_severity(severity)?;
    }
    validate_thresholds(id, declared, thresholds)
}

/// The rule of that id, or the refusal that lists all.
pub fn known_rule(id: &str) -> Result<&'static Rule, Refusal> {
    super::rule(id).ok_or_else(|| {
        let valid = super::rules().map(|rule| rule.id);
        Refusal::unknown_name("rule", id, valid, "SELECT rule, title FROM dbm.rules() shows all rules.")
    })
}

/// The rule of the DDL judge of that id, or the refusal that lists all.
fn judges_rule(id: &str) -> Result<&'static DdlRule, Refusal> {
    rules::find(id).ok_or_else(|| {
        let valid = rules::ALL.iter().map(|rule| rule.id);
        Refusal::unknown_name("rule", id, valid, "SELECT rule, title FROM dbm.ddl_rules() shows all rules.")
    })
}

fn validate_thresholds(rule: &str, declared: &[Threshold], thresholds: &Value) -> Result<(), Refusal> {
    let Some(thresholds) = thresholds.as_object() else {
        return Err(Refusal {
            message: format!("the thresholds of rule \"{}\" are no JSON object", rule),
            detail: describe_thresholds(declared),
            hint: "Write them as {\"name\": number}, or {} to keep the defaults.".to_owned(),
        });
    };
    for (name, value) in thresholds {
        let Some(threshold) = declared.iter().find(|threshold| threshold.name == name) else {
            let valid = declared.iter().map(|threshold| threshold.name);
            return Err(Refusal {
                message: format!("rule \"{}\" has no threshold \"{name}\"", rule),
                detail: describe_thresholds(declared),
                hint: Refusal::unknown_name("threshold", name, valid, "Leave out what stays as it is.").hint,
            });
        };
        let (least, greatest) = threshold.range;
        if !value.as_f64().is_some_and(|value| (least..=greatest).contains(&value)) {
            return Err(Refusal {
                message: format!("threshold \"{name}\" of rule \"{}\" cannot be {value}", rule),
                detail: describe_thresholds(declared),
                hint: format!("Choose a number from {least} to {greatest}."),
            });
        }
    }
    Ok(())
}

fn describe_thresholds(declared: &[Threshold]) -> String {
    let describe = |threshold: &Threshold| {
        let (least, greatest) = threshold.range;
        format!("{} ({least} to {greatest}, default {})", threshold.name, threshold.default)
    };
    let all: Vec<String> = declared.iter().map(describe).collect();
    if all.is_empty() {
        "The rule has no thresholds.".to_owned()
    } else {
        format!("Its thresholds: {}.", all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::probe::{LIMITED, PLAIN};
    use crate::audit::rules;

    fn settings(severity: Option<&str>, thresholds: Value) -> RuleSettings {
        let row = |rule: &Rule| SettingRow {
            rule: rule.id.to_owned(),
            enabled: false,
            severity: severity.map(str::to_owned),
            thresholds: thresholds.clone(),
        };
        RuleSettings::from_rows([row(&LIMITED)])
    }

    #[test]
    fn a_rule_without_a_row_runs_as_written() {
        let settings = settings(Some("critical"), json!({"limit": 3}));
        assert!(settings.is_enabled(&PLAIN));
        assert_eq!(settings.severity(&PLAIN), PLAIN.severity);
        assert_eq!(RuleSettings::default().threshold(&LIMITED, "limit"), Some(5.0));
    }

    #[test]
    fn a_row_changes_one_rule() {
        let settings = settings(Some("critical"), json!({"limit": 3}));
        assert!(!settings.is_enabled(&LIMITED));
        assert_eq!(settings.severity_override(&LIMITED), Some(Severity::Critical));
        assert_eq!(settings.threshold(&LIMITED, "limit"), Some(3.0));
        assert_eq!(settings.threshold(&LIMITED, "nosuch"), None);
    }

    #[test]
    fn what_another_version_wrote_does_no_harm() {
        let settings = settings(Some("fatal"), json!({"limit": 1e9, "gone": 1, "text": "x"}));
        assert_eq!(settings.severity_override(&LIMITED), None);
        assert_eq!(settings.threshold(&LIMITED, "limit"), Some(10.0));
        assert_eq!(settings.threshold(&LIMITED, "gone"), None);
        assert!(!RuleSettings::from_rows([]).by_rule.contains_key(LIMITED.id));
    }

    #[test]
    fn thresholds_are_checked_by_name_type_and_range() {
        for valid in [json!({}), json!({"limit": 0}), json!({"limit": 10.0, "share": 0.5})] {
            assert_eq!(validate_thresholds(LIMITED.id, LIMITED.thresholds, &valid), Ok(()), "{valid}");
        }
        for (wrong, words) in [
            (json!([]), "no JSON object"),
            (json!(null), "no JSON object"),
            (json!({"limitt": 1}), "no threshold \"limitt\""),
            (json!({"limit": "5"}), "cannot be \"5\""),
            (json!({"limit": 10.5}), "cannot be 10.5"),
            (json!({"limit": -1}), "cannot be -1"),
            (json!({"limit": null}), "cannot be null"),
        ] {
            let refusal = validate_thresholds(LIMITED.id, LIMITED.thresholds, &wrong).unwrap_err();
            assert!(refusal.message.contains(words), "{refusal}");
            assert!(refusal.detail.contains("limit (0 to 10, default 5)"), "{refusal}");
        }
        let refusal = validate_thresholds(LIMITED.id, LIMITED.thresholds, &json!({"limitt": 1})).unwrap_err();
        assert!(refusal.hint.starts_with("Perhaps you meant \"limit\"."), "{refusal}");
        assert!(
            validate_thresholds(PLAIN.id, PLAIN.thresholds, &json!({"x": 1}))
                .unwrap_err()
                .detail
                .contains("no thresholds")
        );
    }

    #[test]
    fn every_rule_accepts_its_own_defaults_and_severity() {
        for rule in rules() {
            let defaults: serde_json::Map<String, Value> = rule
                .thresholds
                .iter()
                .map(|threshold| (threshold.name.to_owned(), threshold.default.into()))
                .collect();
            assert_eq!(validate(rule.id, Some(rule.severity.name()), &Value::Object(defaults)), Ok(()));
        }
    }

    #[test]
    fn an_unknown_rule_or_severity_is_refused_with_the_valid_ones() {
        let rule = rules().next().expect("this version has rules");
        let refusal = validate(&format!("{}x", rule.id), None, &json!({})).unwrap_err();
        assert!(refusal.hint.starts_with(&format!("Perhaps you meant \"{}\".", rule.id)), "{refusal}");
        for rule in rules() {
            assert!(refusal.detail.contains(rule.id));
        }
        assert!(validate(rule.id, Some("eror"), &json!({})).unwrap_err().hint.contains("\"error\""));
    }
}
