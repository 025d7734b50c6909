//! The rows of `dbm.score()`: seven dimensions and `overall`, each with a verdict and the repair to begin with.

use std::cmp::Ordering;

use super::engine::{Audit, Judged, RuleOutcome};
use super::score::{DimensionScore, Gain, gain, overall, sums};
use crate::finding::{Dimension, Severity};

/// The name of the last row.
pub const OVERALL: &str = "overall";

/// Below this share of what could be judged, a verdict says that it holds only for that share.
const WELL_COVERED: f64 = 0.9;

/// The longest repair shown, in characters: what fits beside the other columns of a wide terminal.
const SHOWN_CHARACTERS: usize = 100;

/// One row of `dbm.score()`.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreRow {
    /// A dimension's name, or `overall`.
    pub dimension: &'static str,
    /// Its weight; of `overall`, the sum of the weights that it is made of.
    pub weight: u32,
    /// 0 to 10 (`overall`: 0 to 100), rounded to one place; `None` where nothing could be judged.
    pub score: Option<f64>,
    /// The share of its rules that could be judged, 0 to 1, rounded to two places.
    pub coverage: f64,
    /// Findings that nobody suppressed.
    pub findings: u64,
    /// The score in words.
    pub verdict: String,
    /// What gains the most points when it is repaired.
    pub best_next_fix: Option<String>,
}

/// The eight rows for an audit of all dimensions.
pub fn scoreboard(audit: &Audit) -> Vec<ScoreRow> {
    let (tallies, scores) = sums(audit);
    let judged_weight = scores.iter().filter(|score| score.score().is_some()).map(weight).sum();
    let mut best: [Option<Repair<'_>>; 7] = [const { None }; 7];
    for (outcome, tally) in audit.outcomes.iter().zip(&tallies) {
        let position = outcome.rule.dimension as usize;
        let (score, slot) = (&scores[position], &mut best[position]);
        for severity in Severity::ALL {
            let repair = first_to_repair(outcome, severity).map(|judged| Repair {
                gain: gain(score, tally, severity),
                caps: if severity == Severity::Critical && score.is_capped() { score.criticals } else { 0 },
                outcome,
                judged,
            });
            *slot = better(slot.take(), repair);
        }
    }
    let mut rows: Vec<ScoreRow> =
        scores.iter().zip(&best).map(|(score, best)| dimension_row(score, best.as_ref())).collect();
    let best_overall = best.into_iter().flatten().fold(None, |best, repair| {
        let gain = repair.gain.of_overall(repair.outcome.rule.dimension, judged_weight);
        better(best, Some(Repair { gain, ..repair }))
    });
    rows.push(overall_row(&scores, judged_weight, best_overall.as_ref()));
    rows
}

fn weight(score: &DimensionScore) -> u32 {
    score.dimension.weight()
}

fn dimension_row(score: &DimensionScore, best: Option<&Repair<'_>>) -> ScoreRow {
    let shown = score.score().map(|value| shown_score(value, 10.0, score.findings));
    let verdict = match shown {
        _ if score.rules == 0 => "no rules in this version".to_owned(),
        _ if score.enabled == 0 => "every rule is disabled".to_owned(),
        None => "unknown: none of its rules could judge anything".to_owned(),
        Some(value) => covered(band(value * 10.0), score.coverage),
    };
    ScoreRow {
        dimension: score.dimension.name(),
        weight: score.dimension.weight(),
        score: shown,
        coverage: shown_coverage(score.coverage),
        findings: score.findings,
        verdict,
        best_next_fix: best.map(Repair::text),
    }
}

fn overall_row(scores: &[DimensionScore; 7], judged_weight: u32, best: Option<&Repair<'_>>) -> ScoreRow {
    let findings = scores.iter().map(|score| score.findings).sum();
    let ruled = || scores.iter().filter(|score| score.enabled > 0);
    let ruled_weight: u32 = ruled().map(weight).sum();
    let coverage: f64 = ruled().map(|score| score.coverage * f64::from(weight(score))).sum();
    let coverage = if ruled_weight == 0 { 0.0 } else { coverage / f64::from(ruled_weight) };
    let judged = scores.iter().filter(|score| score.score().is_some()).count();
    let shown = overall(scores).map(|value| shown_score(value, 100.0, findings));
    let verdict = shown.map_or_else(|| "unknown".to_owned(), |value| covered(band(value), coverage));
    ScoreRow {
        dimension: OVERALL,
        weight: judged_weight,
        score: shown,
        coverage: shown_coverage(coverage),
        findings,
        verdict: match judged {
            7 => verdict,
            _ => format!("{verdict} ({judged} of {} dimensions judged)", Dimension::ALL.len()),
        },
        best_next_fix: best.map(Repair::text),
    }
}

/// The band of a score out of 100. To be asked of the value that is printed, so that the two never contradict.
fn band(percent: f64) -> &'static str {
    match percent {
        percent if percent < 40.0 => "critical risk",
        percent if percent < 60.0 => "needs work",
        percent if percent < 80.0 => "solid",
        percent if percent < 90.0 => "professional",
        _ => "expert",
    }
}

fn covered(band: &str, coverage: f64) -> String {
    if coverage < WELL_COVERED { format!("{band}, as far as it could be judged") } else { band.to_owned() }
}

/// Rounded to one place; full marks only where nothing at all was found.
fn shown_score(value: f64, most: f64, findings: u64) -> f64 {
    let rounded = (value * 10.0).round() / 10.0;
    if findings > 0 { rounded.min(most - 0.1) } else { rounded }
}

/// Rounded to two places; 1 and 0 only where all or nothing could be judged.
fn shown_coverage(value: f64) -> f64 {
    let rounded = (value * 100.0).round() / 100.0;
    if value <= 0.0 || value >= 1.0 { value } else { rounded.clamp(0.01, 0.99) }
}

/// The finding of one severity to begin with: the first that comes with its repair, otherwise the first.
fn first_to_repair(outcome: &RuleOutcome, severity: Severity) -> Option<&Judged> {
    let open = || {
        outcome.findings.iter().filter(|judged| judged.severity == severity && judged.suppression.is_none())
    };
    open().find(|judged| judged.finding.fix.is_some()).or_else(|| open().next())
}

/// A repair that could come next.
struct Repair<'a> {
    gain: Gain,
    /// How many critical findings cap the score, when this is one of them; otherwise 0.
    caps: u64,
    outcome: &'a RuleOutcome,
    judged: &'a Judged,
}

/// The better of two, whatever the order in which they come.
fn better<'a>(left: Option<Repair<'a>>, right: Option<Repair<'a>>) -> Option<Repair<'a>> {
    match (left, right) {
        (Some(left), Some(right)) => Some(if left.compare(&right).is_lt() { right } else { left }),
        (left, right) => left.or(right),
    }
}

impl Repair<'_> {
    /// What caps the score goes first, since nothing else moves it; then what gains most.
    fn compare(&self, other: &Self) -> Ordering {
        let unlocks = |repair: &Self| repair.caps > 0;
        (unlocks(self).cmp(&unlocks(other)))
            .then_with(|| self.effective_gain().compare(&other.effective_gain()))
            .then_with(|| self.judged.severity.cmp(&other.judged.severity))
            .then_with(|| other.outcome.rule.id.cmp(self.outcome.rule.id))
            .then_with(|| other.judged.finding.object.cmp(&self.judged.finding.object))
    }

    /// A repair that is not yet written down takes longer, and counts half.
    fn effective_gain(&self) -> Gain {
        let factor = if self.judged.finding.fix.is_some() { 1.0 } else { 0.5 };
        Gain { points: self.gain.points * factor, uncapped: self.gain.uncapped * factor }
    }

    /// `+0.8: rule on object: first line of the repair`; without a repair, what is wrong.
    fn text(&self) -> String {
        let gained = match self.caps {
            count if count > 1 => format!("1 of {count} critical findings that cap the score"),
            _ if self.gain.points >= 0.05 => format!("+{:.1}", self.gain.points),
            _ => "less than +0.1".to_owned(),
        };
        let finding = &self.judged.finding;
        let deed = finding.fix.as_deref().unwrap_or(&finding.message);
        let rule = self.outcome.rule.id;
        format!("{gained}: {rule} on {}: {}", finding.object, first_line(deed))
    }
}

/// The first line, cut where it would not fit; ` ...` stands for all that is left out.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut shown: String = line.chars().take(SHOWN_CHARACTERS).collect();
    if shown.len() < text.trim_end().len() {
        shown.push_str(" ...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::filter::Filter;
    use crate::audit::probe::{BROKEN, LIMITED, PLAIN, UNSURE, audit, audit_with};
    use crate::audit::settings::{RuleSettings, SettingRow};
    use crate::audit::suppression::Suppressions;
    use crate::finding::Rule;

    fn rows(rules: &[&'static Rule]) -> Vec<ScoreRow> {
        scoreboard(&audit(rules))
    }

    fn row<'a>(rows: &'a [ScoreRow], dimension: &str) -> &'a ScoreRow {
        rows.iter().find(|row| row.dimension == dimension).unwrap()
    }

    /// Changes the findings of [`PLAIN`], the first outcome.
    fn edited(rules: &[&'static Rule], edit: impl FnOnce(&mut RuleOutcome)) -> Vec<ScoreRow> {
        let mut audit = audit(rules);
        let plain = audit.outcomes.iter_mut().find(|outcome| outcome.rule.id == PLAIN.id).unwrap();
        edit(plain);
        scoreboard(&audit)
    }

    #[test]
    fn seven_dimensions_and_overall_in_their_order() {
        let rows = rows(&[&PLAIN, &LIMITED]);
        let names: Vec<&str> = rows.iter().map(|row| row.dimension).collect();
        assert_eq!(
            names,
            ["schema", "indexing", "query", "migration", "security", "monitoring", "backup", "overall"]
        );
        let weights: Vec<u32> = rows.iter().map(|row| row.weight).collect();
        assert_eq!(weights, [20, 15, 20, 10, 15, 10, 10, 35]);
    }

    #[test]
    fn a_dimension_without_rules_says_so_and_weighs_nothing() {
        let rows = rows(&[&PLAIN, &LIMITED]);
        let query = row(&rows, "query");
        assert_eq!((query.score, query.coverage, query.findings), (None, 0.0, 0));
        assert_eq!((&*query.verdict, &query.best_next_fix), ("no rules in this version", &None));
        let (schema, overall) = (row(&rows, "schema"), row(&rows, "overall"));
        assert_eq!(row(&rows, "indexing").score, Some(10.0));
        assert_eq!(overall.coverage, 1.0);
        assert!(overall.verdict.ends_with(" (2 of 7 dimensions judged)"), "{}", overall.verdict);
        let mean = (schema.score.unwrap() * 20.0 + 10.0 * 15.0) / 3.5;
        assert!((overall.score.unwrap() - mean).abs() < 1.5);
    }

    #[test]
    fn all_that_cannot_be_judged_has_no_score() {
        let nothing = rows(&[&BROKEN]);
        assert_eq!((row(&nothing, "schema").score, row(&nothing, "schema").coverage), (None, 0.0));
        assert!(row(&nothing, "schema").verdict.starts_with("unknown"));
        let overall = row(&nothing, "overall");
        assert_eq!((overall.score, overall.weight), (None, 0));
        assert_eq!(overall.verdict, "unknown (0 of 7 dimensions judged)");
        let half = rows(&[&UNSURE]);
        assert_eq!(row(&half, "schema").coverage, 0.5);
        assert_eq!(row(&half, "schema").verdict, "expert, as far as it could be judged");
    }

    #[test]
    fn a_dimension_whose_rules_are_all_disabled_says_so() {
        let off = SettingRow {
            rule: PLAIN.id.to_owned(),
            enabled: false,
            severity: None,
            thresholds: serde_json::json!({}),
        };
        let settings = RuleSettings::from_rows([off]);
        let audit = audit_with(&[&PLAIN, &LIMITED], &Filter::default(), &settings, &Suppressions::default());
        let rows = scoreboard(&audit);
        assert_eq!(row(&rows, "schema").verdict, "every rule is disabled");
        assert_eq!(row(&rows, "overall").score, Some(100.0));
        assert_eq!(row(&rows, "overall").weight, 15);
    }

    #[test]
    fn the_printed_score_never_contradicts_the_band() {
        for (value, percent, words) in [
            (39.94, 39.9, "critical risk"),
            (39.96, 40.0, "needs work"),
            (59.96, 60.0, "solid"),
            (79.96, 80.0, "professional"),
            (89.96, 90.0, "expert"),
            (99.96, 99.9, "expert"),
        ] {
            let shown = shown_score(value, 100.0, 1);
            assert_eq!((shown, band(shown)), (percent, words));
        }
        assert_eq!(shown_score(100.0, 100.0, 0), 100.0);
        assert_eq!(
            (shown_coverage(0.999_99), shown_coverage(0.000_01), shown_coverage(1.0)),
            (0.99, 0.01, 1.0)
        );
    }

    #[test]
    fn every_band_of_a_dimension_is_ten_times_its_score() {
        for tenth in 0..=100 {
            let shown = shown_score(f64::from(tenth) / 10.0, 10.0, 0);
            let exact = match tenth {
                0..40 => "critical risk",
                40..60 => "needs work",
                60..80 => "solid",
                80..90 => "professional",
                _ => "expert",
            };
            assert_eq!(band(shown * 10.0), exact, "{shown}");
        }
    }

    #[test]
    fn the_best_next_fix_names_gain_rule_object_and_first_line() {
        let rows = edited(&[&PLAIN], |plain| plain.findings.truncate(1));
        let text = row(&rows, "schema").best_next_fix.as_deref().unwrap();
        assert_eq!(text, "+0.8: schema.plain on public.a: FIX a; ...");
        assert!(row(&rows, "overall").best_next_fix.as_deref().unwrap().starts_with("+7.6: "));
    }

    /// [`PLAIN`]'s repairable warning among `examined` objects, and a warning of another rule without a repair among 5.
    fn with_and_without_repair(examined: u64) -> String {
        let mut audit = audit(&[&PLAIN, &UNSURE]);
        audit.outcomes[0].findings.truncate(1);
        audit.outcomes[0].examined = examined;
        let mut other = audit.outcomes[0].findings[0].clone();
        other.finding.fix = None;
        audit.outcomes[1].findings.push(other);
        row(&scoreboard(&audit), "schema").best_next_fix.clone().unwrap()
    }

    #[test]
    fn a_finding_with_a_repair_is_preferred_unless_another_gains_twice_as_much() {
        assert!(with_and_without_repair(10).contains("schema.plain on public.a: FIX a;"));
        assert!(with_and_without_repair(100).contains("schema.unsure on public.a: a is wrong"));
        // Within one rule and severity, whichever comes with its repair.
        let even = edited(&[&PLAIN], |plain| {
            plain.findings.swap(0, 2);
            plain.findings[1].severity = Severity::Warning;
        });
        let text = row(&even, "schema").best_next_fix.clone().unwrap();
        assert!(text.contains("public.a: FIX a;"), "{text}");
    }

    #[test]
    fn critical_findings_cap_and_come_first() {
        let one = edited(&[&PLAIN], |plain| plain.findings[2].severity = Severity::Critical);
        let schema = row(&one, "schema");
        assert!(schema.score.unwrap() <= 3.9 && schema.verdict == "critical risk");
        assert!(schema.best_next_fix.as_deref().unwrap().contains("sales.c"));
        // They come first even where another finding moves the sum of losses more.
        let mut audit = audit(&[&PLAIN, &UNSURE]);
        let [plain, unsure] = audit.outcomes.as_mut_slice() else { panic!("two rules were run") };
        plain.examined = 1_000_000;
        unsure.findings.push(plain.findings.remove(0));
        plain.findings.iter_mut().for_each(|judged| judged.severity = Severity::Critical);
        let two = scoreboard(&audit);
        let schema = row(&two, "schema");
        assert_eq!(schema.score, Some(3.9), "{schema:?}");
        let text = schema.best_next_fix.as_deref().unwrap();
        assert!(
            text.starts_with("1 of 2 critical findings that cap the score: schema.plain on public.b"),
            "{text}"
        );
    }

    #[test]
    fn suppressed_findings_are_neither_counted_nor_repaired() {
        let rows = edited(&[&PLAIN], |plain| {
            let decision = crate::audit::suppression::Suppression {
                rule: PLAIN.id.to_owned(),
                object: "*".to_owned(),
                reason: "known".to_owned(),
                expires: None,
            };
            for judged in &mut plain.findings {
                judged.suppression = Some(std::rc::Rc::new(decision.clone()));
            }
        });
        let schema = row(&rows, "schema");
        assert_eq!((schema.score, schema.findings, &schema.best_next_fix), (Some(10.0), 0, &None));
    }

    #[test]
    fn long_repairs_are_cut_at_a_character() {
        let long = "ö".repeat(300);
        let cut = first_line(&long);
        assert_eq!(cut.chars().count(), SHOWN_CHARACTERS + " ...".len());
        assert_eq!(first_line("one;\n"), "one;");
        assert_eq!(first_line("one;\ntwo;"), "one; ...");
        assert_eq!(first_line(""), "");
    }
}
