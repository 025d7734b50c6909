//! Runs rules on facts, each on its own: one that breaks says so and takes nothing else down.

use std::rc::Rc;

use super::filter::Filter;
use super::settings::RuleSettings;
use super::suppression::{Suppression, Suppressions};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Unknown, Verdicts};

/// Runs the body for a rule and turns whatever breaks in it into the message of an error.
///
/// A cancelled query is no failure of the rule: the guard lets it through, and the audit ends.
pub type Guard<'g> = dyn Fn(&Rule, &mut dyn FnMut()) -> Result<(), String> + 'g;

/// A finding with what the users' settings and decisions make of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What the rule said.
    pub finding: Finding,
    /// The severity in force.
    pub severity: Severity,
    /// Why it is not counted, if somebody decided so.
    pub suppression: Option<Rc<Suppression>>,
}

/// What one rule said.
#[derive(Clone, Debug)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: &'static Rule,
    /// The severity in force.
    pub severity: Severity,
    /// Whether it was run at all.
    pub enabled: bool,
    /// How many objects it judged.
    pub examined: u64,
    /// What is wrong, in the order of the objects' names.
    pub findings: Vec<Judged>,
    /// What could not be judged, in the order of the objects' names.
    pub unknowns: Vec<Unknown>,
    /// Why it broke; then it says nothing else.
    pub error: Option<String>,
}

/// What all rules said, in the order of their ids.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// One entry a rule of the dimensions that were asked for, disabled rules included.
    pub outcomes: Vec<RuleOutcome>,
}

/// Runs every rule that `filter` and `settings` leave.
pub fn run(
    facts: &Facts<'_>,
    filter: &Filter,
    settings: &RuleSettings,
    suppressions: &Suppressions,
    guard: &Guard<'_>,
) -> Audit {
    run_rules(super::rules(), facts, filter, settings, suppressions, guard)
}

/// How many rules [`run`] would run.
pub fn count(filter: &Filter, settings: &RuleSettings) -> usize {
    super::rules().filter(|rule| filter.lets_run(rule) && settings.is_enabled(rule)).count()
}

/// Whether [`run`] would run a rule of a dimension.
pub fn asks(dimension: Dimension, filter: &Filter, settings: &RuleSettings) -> bool {
    super::rules()
        .any(|rule| rule.dimension == dimension && filter.lets_run(rule) && settings.is_enabled(rule))
}

/// [`run`] with the rules as an argument.
pub fn run_rules(
    rules: impl Iterator<Item = &'static Rule>,
    facts: &Facts<'_>,
    filter: &Filter,
    settings: &RuleSettings,
    suppressions: &Suppressions,
    guard: &Guard<'_>,
) -> Audit {
    let mut outcomes: Vec<RuleOutcome> = rules
        .filter(|rule| filter.lets_run(rule))
        .map(|rule| run_rule(rule, facts, settings, suppressions, guard))
        .collect();
    outcomes.sort_by_key(|outcome| outcome.rule.id);
    Audit { outcomes }
}

fn run_rule(
    rule: &'static Rule,
    facts: &Facts<'_>,
    settings: &RuleSettings,
    suppressions: &Suppressions,
    guard: &Guard<'_>,
) -> RuleOutcome {
    let mut outcome = RuleOutcome {
        rule,
        severity: settings.severity(rule),
        enabled: settings.is_enabled(rule),
        examined: 0,
        findings: Vec::new(),
        unknowns: Vec::new(),
        error: None,
    };
    if !outcome.enabled {
        return outcome;
    }
    let mut said = None;
    let guarded = guard(rule, &mut || said = Some(ask(rule, facts, settings)));
    match (guarded, said) {
        (Ok(()), Some(said)) => {
            outcome.examined = said.examined;
            outcome.unknowns = said.unknowns;
            outcome.findings = said
                .findings
                .into_iter()
                .map(|finding| Judged {
                    severity: severity_in_force(rule, &finding, settings),
                    suppression: suppressions.matching(rule.id, &finding.object).cloned(),
                    finding,
                })
                .collect();
        }
        (Err(message), _) => outcome.error = Some(message),
        (Ok(()), None) => outcome.error = Some("the rule was not run".to_owned()),
    }
    outcome
}

/// What a rule said, sorted, before anything the users decided.
struct Said {
    examined: u64,
    findings: Vec<Finding>,
    unknowns: Vec<Unknown>,
}

/// Calls the rule. A finding out of order is a mistake in the rule: an `error` row where assertions are on.
fn ask(rule: &Rule, facts: &Facts<'_>, settings: &RuleSettings) -> Said {
    let thresholds = |name: &str| settings.threshold(rule, name);
    let mut verdicts = Verdicts::new(&thresholds);
    (rule.check)(facts, &mut verdicts);
    let Verdicts { examined, mut findings, mut unknowns, .. } = verdicts;
    sort_findings(rule, &mut findings);
    unknowns.sort_by(|left, right| (&left.object, &left.reason).cmp(&(&right.object, &right.reason)));
    let reported = findings.len();
    findings.dedup_by(|later, earlier| later.object == earlier.object);
    debug_assert_eq!(reported, findings.len(), "{} reports one object twice", rule.id);
    debug_assert!(examined > 0 || findings.is_empty(), "{} finds what it did not examine", rule.id);
    findings.iter_mut().for_each(withhold_what_cannot_be_written);
    // What fails was looked at, whatever the rule counted.
    let examined = examined.max(u64::from(!findings.is_empty()));
    Said { examined, findings, unknowns }
}

/// Takes statements away that name something by bytes which mean nothing in the database's encoding, as SQL_ASCII lets
/// in: they would miss their object, or meet another one.
fn withhold_what_cannot_be_written(finding: &mut Finding) {
    let is_illegible = |text: &Option<String>| {
        text.as_deref().is_some_and(|text| text.contains(char::REPLACEMENT_CHARACTER))
    };
    if is_illegible(&finding.fix) || is_illegible(&finding.undo) {
        finding.fix = None;
        finding.undo = None;
        let reason = "a name holds bytes that mean nothing in the database's encoding";
        finding.evidence.insert("no_simple_fix_because".to_owned(), reason.into());
    }
}

/// By object; of two about the same one, the worse first, which is the one that stays.
fn sort_findings(rule: &Rule, findings: &mut [Finding]) {
    let severity = |finding: &Finding| finding.severity.unwrap_or(rule.severity);
    findings.sort_by(|left, right| {
        left.object
            .cmp(&right.object)
            .then_with(|| severity(right).cmp(&severity(left)))
            .then_with(|| left.message.cmp(&right.message))
            .then_with(|| left.fix.cmp(&right.fix))
    });
}

/// A user's word goes before the finding's own, and that before the rule's.
fn severity_in_force(rule: &Rule, finding: &Finding, settings: &RuleSettings) -> Severity {
    settings.severity_override(rule).or(finding.severity).unwrap_or(rule.severity)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::probe::{self, BROKEN, CARELESS, LIMITED, PLAIN, REPEATING, UNSURE, audit, audit_with};
    use crate::audit::settings::SettingRow;
    use crate::finding::Dimension;

    fn setting(
        rule: &Rule,
        enabled: bool,
        severity: Option<&str>,
        thresholds: serde_json::Value,
    ) -> RuleSettings {
        let severity = severity.map(str::to_owned);
        RuleSettings::from_rows([SettingRow { rule: rule.id.to_owned(), enabled, severity, thresholds }])
    }

    fn objects(outcome: &RuleOutcome) -> Vec<&str> {
        outcome.findings.iter().map(|judged| judged.finding.object.as_str()).collect()
    }

    #[test]
    fn outcomes_and_findings_come_in_the_order_of_their_names() {
        let forth = audit(&[&PLAIN, &LIMITED, &UNSURE]);
        let back = audit(&[&UNSURE, &LIMITED, &PLAIN]);
        assert_eq!(format!("{forth:?}"), format!("{back:?}"));
        let ids: Vec<&str> = forth.outcomes.iter().map(|outcome| outcome.rule.id).collect();
        assert!(ids.is_sorted() && ids.len() == 3);
        assert_eq!(objects(probe::outcome(&forth, &PLAIN)), ["public.a", "public.b", "sales.c"]);
    }

    #[test]
    fn a_broken_rule_says_that_it_broke_and_nothing_else() {
        let audit = audit(&[&BROKEN, &PLAIN]);
        let broken = probe::outcome(&audit, &BROKEN);
        assert!(broken.error.as_ref().unwrap().contains("out of luck"));
        assert!(broken.findings.is_empty() && broken.unknowns.is_empty() && broken.examined == 0);
        let sound = probe::outcome(&audit, &PLAIN);
        assert!(sound.error.is_none() && sound.findings.len() == 3);
    }

    #[test]
    fn a_rule_that_asks_for_an_undeclared_threshold_is_broken() {
        let audit = audit(&[&CARELESS]);
        assert!(audit.outcomes[0].error.as_ref().unwrap().contains("does not declare"));
    }

    #[test]
    fn a_guard_that_runs_nothing_is_no_clean_bill() {
        let facts = probe::Place::new();
        let audit = run_rules(
            [&PLAIN].into_iter(),
            &facts.facts(),
            &Filter::default(),
            &RuleSettings::default(),
            &Suppressions::default(),
            &|_, _| Ok(()),
        );
        assert!(audit.outcomes[0].error.is_some());
    }

    #[test]
    #[cfg_attr(not(debug_assertions), ignore = "assertions are off")]
    fn an_object_reported_twice_is_an_error_where_assertions_are_on() {
        let audit = audit(&[&REPEATING]);
        assert!(audit.outcomes[0].error.as_ref().unwrap().contains("reports one object twice"));
    }

    #[test]
    fn what_cannot_be_named_is_not_mended() {
        let finding = |fix: &str| Finding::new("public.t", "public", "it is wrong").fix(fix, "UNDO t;");
        let mut legible = finding("FIX größe;");
        withhold_what_cannot_be_written(&mut legible);
        assert!(legible.fix.is_some() && legible.undo.is_some() && legible.evidence.is_empty());
        let mut illegible = finding("FIX gr\u{fffd}\u{fffd}e;");
        withhold_what_cannot_be_written(&mut illegible);
        assert!(illegible.fix.is_none() && illegible.undo.is_none());
        assert!(illegible.evidence.contains_key("no_simple_fix_because"));
    }

    #[test]
    fn of_two_findings_about_one_object_the_worse_comes_first() {
        let finding = |severity, message| Finding::new("public.t", "public", message).severity(severity);
        let mild = finding(Severity::Info, "a");
        let worse = finding(Severity::Error, "z");
        for mut findings in [vec![mild.clone(), worse.clone()], vec![worse, mild]] {
            sort_findings(&PLAIN, &mut findings);
            assert_eq!(findings[0].message, "z");
        }
    }

    #[test]
    fn only_the_dimension_asked_for_is_run() {
        let filter = Filter { dimension: Some(Dimension::Indexing), ..Filter::default() };
        let audit =
            audit_with(&[&PLAIN, &LIMITED], &filter, &RuleSettings::default(), &Suppressions::default());
        assert_eq!(audit.outcomes.len(), 1);
        assert_eq!(audit.outcomes[0].rule.dimension, Dimension::Indexing);
    }

    #[test]
    fn settings_switch_off_and_move_thresholds_and_severities() {
        let with =
            |settings| audit_with(&[&LIMITED], &Filter::default(), &settings, &Suppressions::default());
        let off = with(setting(&LIMITED, false, None, json!({})));
        assert!(
            !off.outcomes[0].enabled && off.outcomes[0].findings.is_empty() && off.outcomes[0].examined == 0
        );
        assert!(objects(&with(RuleSettings::default()).outcomes[0]).is_empty());
        let strict = with(setting(&LIMITED, true, Some("critical"), json!({"limit": 2})));
        assert_eq!(objects(&strict.outcomes[0]), ["public.a"]);
        assert_eq!(strict.outcomes[0].findings[0].severity, Severity::Critical);
    }

    #[test]
    fn a_users_severity_goes_before_the_findings_own() {
        let own = audit(&[&PLAIN]);
        let severities: Vec<Severity> =
            own.outcomes[0].findings.iter().map(|judged| judged.severity).collect();
        assert_eq!(severities, [Severity::Warning, Severity::Error, Severity::Warning]);
        let settings = setting(&PLAIN, true, Some("info"), json!({}));
        let changed = audit_with(&[&PLAIN], &Filter::default(), &settings, &Suppressions::default());
        assert!(changed.outcomes[0].findings.iter().all(|judged| judged.severity == Severity::Info));
    }

    #[test]
    fn a_suppressed_finding_carries_the_decision() {
        let suppressions = Suppressions::in_force(
            [Suppression {
                rule: PLAIN.id.to_owned(),
                object: "public.b".to_owned(),
                reason: "old".to_owned(),
                expires: None,
            }],
            0,
        );
        let audit = audit_with(&[&PLAIN], &Filter::default(), &RuleSettings::default(), &suppressions);
        let suppressed: Vec<bool> =
            audit.outcomes[0].findings.iter().map(|judged| judged.suppression.is_some()).collect();
        assert_eq!(suppressed, [false, true, false]);
    }
}
