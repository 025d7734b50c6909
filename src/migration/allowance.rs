//! An exception that somebody asks for: what makes one valid.

use super::judge::rules;

/// The word for every rule.
pub const ALL_RULES: &str = "all";

/// The longest time for which an exception may stand, in seconds: a week. What has to stay is a setting of the rule.
const LONGEST: f64 = 7.0 * 86_400.0;

/// An exception.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowance {
    /// The rule's id, or [`ALL_RULES`].
    pub rule: String,
    /// Why.
    pub reason: String,
    /// For how long.
    pub seconds: f64,
    /// For how many statements.
    pub uses: i32,
}

/// Why an exception is none: message, detail and hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong.
    pub message: String,
    /// What would be valid.
    pub detail: String,
    /// What to do.
    pub hint: String,
}

impl Allowance {
    /// Whether it can be made.
    pub fn check(&self) -> Result<(), Invalid> {
        let invalid = |message: String, detail: &str, hint: &str| {
            Err(Invalid { message, detail: detail.to_owned(), hint: hint.to_owned() })
        };
        if self.rule != ALL_RULES && rules::find(&self.rule).is_none() {
            return invalid(
                format!("rule \"{}\" does not exist", self.rule),
                "",
                "SELECT rule, title FROM dbm.ddl_rules() shows all rules; 'all' stands for every one.",
            );
        }
        if self.reason.trim().is_empty() {
            return invalid(
                format!("the exception from {} has no reason", self.rule),
                "Whoever reads the records later has nothing but the reason.",
                "Say why it has to be, and where it was decided.",
            );
        }
        if !(self.seconds > 0.0 && self.seconds <= LONGEST) {
            return invalid(
                format!("an exception from {} cannot stand for {} seconds", self.rule, self.seconds),
                "It has to end, within a week.",
                "What is to stay belongs into dbm.rule_setting.",
            );
        }
        if self.uses < 1 {
            return invalid(
                format!("an exception from {} cannot be for {} statements", self.rule, self.uses),
                "",
                "Choose how many statements it is for, 1 or more.",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance() -> Allowance {
        Allowance { rule: ALL_RULES.into(), reason: "ticket 12".into(), seconds: 600.0, uses: 1 }
    }

    #[test]
    fn a_reason_an_end_and_a_number_are_asked_for() {
        assert_eq!(allowance().check(), Ok(()));
        for wrong in [
            Allowance { reason: " \t".into(), ..allowance() },
            Allowance { seconds: 0.0, ..allowance() },
            Allowance { seconds: -1.0, ..allowance() },
            Allowance { seconds: f64::INFINITY, ..allowance() },
            Allowance { seconds: f64::NAN, ..allowance() },
            Allowance { uses: 0, ..allowance() },
            Allowance { rule: "ddl.nosuch".into(), ..allowance() },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
