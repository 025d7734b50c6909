//! Findings that somebody decided to live with: the rows of `dbm.suppression`.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::refusal::Refusal;
use super::settings::known_rule;
use crate::catalog::{DAY, Moment};
use crate::text::date::iso_date;

/// Stands for every object of a rule.
pub const EVERY_OBJECT: &str = "*";

/// One decision. It ends by itself, so that what is forgotten comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// The rule's id.
    pub rule: String,
    /// The object exactly as the audit names it, or `*` for every object of the rule.
    pub object: String,
    /// Why somebody decided so.
    pub reason: String,
    /// From when on it no longer holds; `None` for never.
    pub expires: Option<Moment>,
}

/// The decisions that hold at one moment.
#[derive(Clone, Debug, Default)]
pub struct Suppressions {
    by_rule: FxHashMap<String, FxHashMap<String, Rc<Suppression>>>,
}

impl Suppressions {
    /// Those of the table's rows that have not expired at `now`.
    pub fn in_force(rows: impl IntoIterator<Item = Suppression>, now: Moment) -> Self {
        let mut by_rule: FxHashMap<String, FxHashMap<String, Rc<Suppression>>> = FxHashMap::default();
        for row in rows.into_iter().filter(|row| row.expires.is_none_or(|expires| expires > now)) {
            by_rule.entry(row.rule.clone()).or_default().insert(row.object.clone(), Rc::new(row));
        }
        Self { by_rule }
    }

    /// What was decided about an object of a rule; the object's own decision goes before one for all.
    pub fn matching(&self, rule: &str, object: &str) -> Option<&Rc<Suppression>> {
        let of_rule = self.by_rule.get(rule)?;
        of_rule.get(object).or_else(|| of_rule.get(EVERY_OBJECT))
    }
}

/// Refuses a suppression that would never match, or that nobody could account for later.
pub fn validate(suppression: &Suppression, now: Moment) -> Result<(), Refusal> {
    known_rule(&suppression.rule)?;
    if suppression.object.trim().is_empty() {
        return Err(Refusal {
            message: format!("no object given to suppress rule \"{}\" for", suppression.rule),
            detail: "An object is written exactly as the column object of dbm.audit() shows it.".to_owned(),
            hint: "Write '*' to suppress every finding of the rule.".to_owned(),
        });
    }
    if suppression.reason.trim().is_empty() {
        return Err(Refusal {
            message: format!("no reason given to suppress rule \"{}\"", suppression.rule),
            detail: "A suppressed finding is shown with its reason; whoever reads it later has nothing else."
                .to_owned(),
            hint: "Say in a few words why the finding may stay.".to_owned(),
        });
    }
    match suppression.expires {
        Some(expires) if expires <= now => Err(Refusal {
            message: format!("the suppression of rule \"{}\" would already have expired", suppression.rule),
            detail: format!("It would end at {}; now it is {}.", moment_text(expires), moment_text(now)),
            hint: "Give a later moment, or null for no end.".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// A moment in UTC as ISO 8601 writes it, to the second.
pub fn moment_text(moment: Moment) -> String {
    if moment == Moment::MAX {
        return "infinity".to_owned();
    }
    let second = moment.rem_euclid(DAY) / 1_000_000;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", iso_date(moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = 1_700_000_000_000_000;

    fn suppression(object: &str, expires: Option<Moment>) -> Suppression {
        Suppression {
            rule: crate::audit::rules().next().expect("this version has rules").id.to_owned(),
            object: object.to_owned(),
            reason: "kept for the old importer".to_owned(),
            expires,
        }
    }

    #[test]
    fn matches_its_object_or_every_object_until_it_expires() {
        let rule = suppression("", None).rule;
        let one = Suppressions::in_force([suppression("public.t", Some(NOW + 1))], NOW);
        assert!(one.matching(&rule, "public.t").is_some());
        assert!(one.matching(&rule, "public.t2").is_none());
        assert!(one.matching("other.rule", "public.t").is_none());
        let expired = Suppressions::in_force([suppression("public.t", Some(NOW))], NOW);
        assert!(expired.matching(&rule, "public.t").is_none());
        let all =
            Suppressions::in_force([suppression("*", None), suppression("public.t", Some(NOW + 1))], NOW);
        assert_eq!(all.matching(&rule, "anything").unwrap().object, "*");
        assert_eq!(all.matching(&rule, "public.t").unwrap().object, "public.t");
    }

    #[test]
    fn an_expired_decision_does_not_hide_one_for_all() {
        let rule = suppression("", None).rule;
        let held = Suppressions::in_force([suppression("*", None), suppression("public.t", Some(NOW))], NOW);
        assert_eq!(held.matching(&rule, "public.t").unwrap().object, "*");
    }

    #[test]
    fn nothing_is_suppressed_without_rule_object_reason_and_future() {
        assert_eq!(validate(&suppression("public.t", Some(NOW + 1)), NOW), Ok(()));
        assert_eq!(validate(&suppression("*", None), NOW), Ok(()));
        let refused = |edit: fn(&mut Suppression)| {
            let mut wrong = suppression("public.t", None);
            edit(&mut wrong);
            validate(&wrong, NOW).unwrap_err().message
        };
        assert!(refused(|wrong| wrong.rule = "no.rule".into()).contains("\"no.rule\" does not exist"));
        assert!(refused(|wrong| wrong.object = " ".into()).contains("no object"));
        assert!(refused(|wrong| wrong.reason = "\t".into()).contains("no reason"));
        assert!(refused(|wrong| wrong.expires = Some(NOW)).contains("already have expired"));
    }

    #[test]
    fn moments_are_written_to_the_second() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
        ] {
            assert_eq!(moment_text(seconds * 1_000_000), text);
        }
    }
}
