//! From what rules said to numbers.
//!
//! A rule fails by **density**: unsuppressed findings over objects examined (but at least 10), at most 1, for each
//! severity on its own.
//! It loses `weight(severity) * sqrt(density)`, and a dimension scores `10 * exp(-sum of losses)`, at most 3.9 while a
//! critical finding stands.
//!
//! Why so:
//! * *Density, not counts*: a sum of findings is 0 for every large database; a share means the same at every size.
//! * *At least 10 objects*: the one `json` column of a database of 200 tables is no database where everything is `json`.
//! * *A square root*: the first mistakes of a kind say most about a design. One table of 35 without a primary key
//!   costs a sixth of what it costs to have none at all, not a 35th.
//! * *A sum under an exponential*: each rule multiplies the score by a factor of its own. Nothing goes below 0, no
//!   rule is worth more because others are bad, and a rule is capped at `exp(-weight)` for each severity: one that
//!   fails on every object leaves 95 % of the score when it is `info`, 78 % for `warning`, 37 % for `error` and 14 %
//!   for `critical`.
//!
//! The weights (0.05, 0.25, 1, 2) were set so that three databases land where an engineer would put them (tests below):
//! a shop of 35 tables with 40 mistakes spread over 38 rules is between 25 and 45 overall; a well-kept application of
//! 100 tables that has one habit wrong everywhere, and a few indexes missing, is between 65 and 80; one without
//! findings has 100.
//!
//! A rule that broke or could judge nothing adds nothing to the score: it shows in the **coverage**, the mean share of
//! what a dimension's rules look at that could be judged. A rule that had nothing to look at is judged and sound.

use std::cmp::Ordering;

use super::engine::{Audit, RuleOutcome};
use crate::finding::{Dimension, Severity};

/// The most that a dimension scores while a critical finding stands: below 4.0, where `critical risk` ends.
pub const CRITICAL_CAP: f64 = 3.9;

/// How many objects a rule must have looked at before failing on all of them means failing everywhere.
const FEWEST_OBJECTS: u64 = 10;

/// What a severity loses where a rule fails on every object that it looks at.
fn weight(severity: Severity) -> f64 {
    match severity {
        Severity::Info => 0.05,
        Severity::Warning => 0.25,
        Severity::Error => 1.0,
        Severity::Critical => 2.0,
    }
}

/// What one rule said, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The rule's id.
    pub rule: &'static str,
    /// The rule's dimension.
    pub dimension: Dimension,
    /// Whether the rule is run.
    pub enabled: bool,
    /// Whether it broke.
    pub broken: bool,
    /// How many objects it judged.
    pub examined: u64,
    /// How many it could not judge.
    pub unknown: u64,
    /// Its findings that nobody suppressed, by severity, mildest first.
    pub findings: [u64; 4],
}

impl Tally {
    /// Counts what a rule said.
    pub fn of(outcome: &RuleOutcome) -> Self {
        let mut findings = [0; 4];
        for judged in outcome.findings.iter().filter(|judged| judged.suppression.is_none()) {
            findings[judged.severity as usize] += 1;
        }
        Self {
            rule: outcome.rule.id,
            dimension: outcome.rule.dimension,
            enabled: outcome.enabled,
            broken: outcome.error.is_some(),
            examined: outcome.examined,
            unknown: outcome.unknowns.iter().map(|unknown| unknown.objects).sum(),
            findings,
        }
    }

    /// The share of what it looks at that could be judged.
    fn coverage(&self) -> f64 {
        if self.broken {
            return 0.0;
        }
        match self.examined.saturating_add(self.unknown) {
            0 => 1.0,
            objects => self.examined as f64 / objects as f64,
        }
    }

    /// What `count` findings of one severity lose.
    fn loss_of(&self, severity: Severity, count: u64) -> f64 {
        weight(severity) * (count as f64 / self.examined.max(FEWEST_OBJECTS) as f64).min(1.0).sqrt()
    }

    /// What all its findings lose.
    fn loss(&self) -> f64 {
        Severity::ALL.into_iter().map(|severity| self.loss_of(severity, self.count(severity))).sum()
    }

    /// Its unsuppressed findings of one severity.
    pub fn count(&self, severity: Severity) -> u64 {
        self.findings[severity as usize]
    }
}

/// The numbers of one dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DimensionScore {
    /// The dimension.
    pub dimension: Dimension,
    /// How many rules it has in this version, disabled ones included.
    pub rules: usize,
    /// How many of them are run.
    pub enabled: usize,
    /// The mean coverage of those that are run, 0 to 1; 0 where there are none.
    pub coverage: f64,
    /// Unsuppressed findings.
    pub findings: u64,
    /// Those among them that are critical.
    pub criticals: u64,
    /// The sum of what its rules lose.
    loss: f64,
}

impl DimensionScore {
    /// Sums up the tallies of one dimension, whatever their order.
    pub fn of(dimension: Dimension, tallies: &[Tally]) -> Self {
        let mut own: Vec<&Tally> = tallies.iter().filter(|tally| tally.dimension == dimension).collect();
        // Sums of floats depend on their order.
        own.sort_by_key(|tally| tally.rule);
        let rules = own.len();
        own.retain(|tally| tally.enabled);
        let coverage: f64 = own.iter().map(|tally| tally.coverage()).sum();
        Self {
            dimension,
            rules,
            enabled: own.len(),
            coverage: if own.is_empty() { 0.0 } else { coverage / own.len() as f64 },
            findings: own.iter().flat_map(|tally| tally.findings).sum(),
            criticals: own.iter().map(|tally| tally.count(Severity::Critical)).sum(),
            loss: own.iter().map(|tally| tally.loss()).sum(),
        }
    }

    /// 0 to 10, not rounded; `None` where nothing could be judged.
    pub fn score(&self) -> Option<f64> {
        (self.coverage > 0.0).then(|| capped(self.loss, self.criticals))
    }

    /// Whether the score would be higher but for critical findings.
    pub fn is_capped(&self) -> bool {
        self.criticals > 0 && uncapped(self.loss) > CRITICAL_CAP
    }
}

fn uncapped(loss: f64) -> f64 {
    10.0 * (-loss).exp()
}

fn capped(loss: f64, criticals: u64) -> f64 {
    if criticals > 0 { uncapped(loss).min(CRITICAL_CAP) } else { uncapped(loss) }
}

/// 0 to 100, not rounded: the mean of the dimensions that could be judged, by their weights.
pub fn overall(dimensions: &[DimensionScore]) -> Option<f64> {
    let judged = || dimensions.iter().filter_map(|score| Some((score.score()?, score.dimension.weight())));
    let weights: u32 = judged().map(|(_, weight)| weight).sum();
    let sum: f64 = judged().map(|(score, weight)| score * f64::from(weight)).sum();
    (weights > 0).then(|| (10.0 * sum / f64::from(weights)).min(100.0))
}

/// What repairing one finding gains; the same for all of a rule and severity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gain {
    /// Points of its dimension's score.
    pub points: f64,
    /// Points that the score would gain if nothing capped it; tells which of two repairs leads further.
    pub uncapped: f64,
}

impl Gain {
    /// In points of the overall score, when `judged_weight` is the sum of the weights that make it up.
    pub fn of_overall(self, dimension: Dimension, judged_weight: u32) -> Self {
        let share = 10.0 * f64::from(dimension.weight()) / f64::from(judged_weight.max(1));
        Self { points: self.points * share, uncapped: self.uncapped * share }
    }

    /// Orders by points, then by what they would be without the cap.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.points.total_cmp(&other.points).then_with(|| self.uncapped.total_cmp(&other.uncapped))
    }
}

/// What repairing one finding of a rule and severity gains its dimension.
pub fn gain(dimension: &DimensionScore, tally: &Tally, severity: Severity) -> Gain {
    let count = tally.count(severity);
    if count == 0 {
        return Gain::default();
    }
    let saved = tally.loss_of(severity, count) - tally.loss_of(severity, count - 1);
    let loss = (dimension.loss - saved).max(0.0);
    let criticals = dimension.criticals - u64::from(severity == Severity::Critical);
    Gain {
        points: (capped(loss, criticals) - capped(dimension.loss, dimension.criticals)).max(0.0),
        uncapped: uncapped(loss) - uncapped(dimension.loss),
    }
}

/// The tallies of an audit and what they come to, dimension by dimension.
pub fn sums(audit: &Audit) -> (Vec<Tally>, [DimensionScore; 7]) {
    let tallies: Vec<Tally> = audit.outcomes.iter().map(Tally::of).collect();
    let dimensions = Dimension::ALL.map(|dimension| DimensionScore::of(dimension, &tallies));
    (tallies, dimensions)
}

/// How much a repair is worth, by severity, for the order of rows: points of the overall score that no cap hides.
#[derive(Clone, Copy, Debug)]
pub struct Worth([f64; 4]);

impl Worth {
    /// That of one finding.
    pub fn of(&self, severity: Severity) -> f64 {
        self.0[severity as usize]
    }
}

/// The worth of repairs, one entry for each of the audit's outcomes.
pub fn worths(audit: &Audit) -> Vec<Worth> {
    let (tallies, dimensions) = sums(audit);
    let worth = |tally: &Tally| {
        let dimension = &dimensions[tally.dimension as usize];
        let weight = f64::from(tally.dimension.weight());
        Worth(Severity::ALL.map(|severity| gain(dimension, tally, severity).uncapped * weight))
    };
    tallies.iter().map(worth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Severity::{Critical, Error, Info, Warning};

    fn tally(dimension: Dimension, examined: u64, severity: Severity, count: u64) -> Tally {
        let mut findings = [0; 4];
        findings[severity as usize] = count;
        Tally { rule: "any.rule", dimension, enabled: true, broken: false, examined, unknown: 0, findings }
    }

    /// `(severity, findings, examined)` of each rule, in schema and in indexing.
    fn overall_of(schema: &[(Severity, u64, u64)], indexing: &[(Severity, u64, u64)]) -> f64 {
        let score = |dimension, rules: &[(Severity, u64, u64)]| {
            let tallies: Vec<Tally> = rules
                .iter()
                .map(|&(severity, count, examined)| tally(dimension, examined, severity, count))
                .collect();
            DimensionScore::of(dimension, &tallies)
        };
        overall(&[score(Dimension::Schema, schema), score(Dimension::Indexing, indexing)]).unwrap()
    }

    /// Of `rules` rules of one severity: each has one finding, every other one among tables, the rest among columns.
    fn spread(severity: Severity, rules: usize, tables: u64, columns: u64) -> Vec<(Severity, u64, u64)> {
        (0..rules).map(|rule| (severity, 1, if rule % 2 == 0 { tables } else { columns })).collect()
    }

    #[test]
    fn a_shop_with_forty_mistakes_needs_work() {
        let mut schema = spread(Info, 15, 35, 250);
        schema.extend(spread(Warning, 10, 35, 250));
        schema.extend(spread(Error, 5, 35, 250));
        let mut indexing = vec![(Warning, 1, 35); 6];
        indexing.extend([(Error, 1, 35), (Error, 3, 35)]);
        let score = overall_of(&schema, &indexing);
        assert!((25.0..45.0).contains(&score), "{score}");
        schema.push((Critical, 1, 35));
        let with_critical = overall_of(&schema, &indexing);
        assert!((25.0..45.0).contains(&with_critical) && with_critical < score, "{with_critical}");
    }

    #[test]
    fn a_well_kept_application_with_one_bad_habit_is_solid() {
        let schema = [
            (Warning, 200, 200),
            (Warning, 3, 100),
            (Warning, 1, 100),
            (Warning, 2, 1_200),
            (Info, 300, 1_200),
            (Info, 20, 100),
            (Error, 0, 100),
            (Error, 0, 1_200),
        ];
        let indexing = [(Error, 4, 120), (Warning, 5, 100), (Info, 10, 100), (Error, 0, 100)];
        let score = overall_of(&schema, &indexing);
        assert!((65.0..80.0).contains(&score), "{score}");
    }

    #[test]
    fn without_findings_it_is_a_hundred() {
        assert_eq!(overall_of(&[(Error, 0, 100), (Warning, 0, 0)], &[(Critical, 0, 5)]), 100.0);
    }

    #[test]
    fn a_rule_that_fails_everywhere_leaves_what_the_doc_says() {
        for (severity, left) in [(Info, 9.5), (Warning, 7.8), (Error, 3.7), (Critical, 1.4)] {
            for examined in [FEWEST_OBJECTS, 1_000] {
                let tally = tally(Dimension::Schema, examined, severity, examined * 3);
                let score = DimensionScore::of(Dimension::Schema, &[tally]).score().unwrap();
                assert!((score - left).abs() < 0.05, "{severity:?} {score}");
            }
        }
    }

    #[test]
    fn a_rule_that_fails_on_the_only_object_it_looked_at_loses_less_than_one_that_fails_everywhere() {
        let score = |examined, count| {
            let tally = tally(Dimension::Schema, examined, Error, count);
            DimensionScore::of(Dimension::Schema, &[tally]).score().unwrap()
        };
        assert!(score(1, 1) > score(10, 10) && score(1, 1) < score(35, 1));
    }

    #[test]
    fn a_gain_is_what_the_score_rises_by() {
        for severity in Severity::ALL {
            for count in [1, 2, 7] {
                let before = [
                    tally(Dimension::Schema, 20, severity, count),
                    Tally { rule: "other", ..tally(Dimension::Schema, 9, Warning, 2) },
                ];
                let mut after = before;
                after[0].findings[severity as usize] -= 1;
                let score = |tallies: &[Tally]| DimensionScore::of(Dimension::Schema, tallies);
                let rise = score(&after).score().unwrap() - score(&before).score().unwrap();
                let gain = gain(&score(&before), &before[0], severity);
                assert!((gain.points - rise).abs() < 1e-9, "{severity:?} {count}");
                assert!(gain.uncapped > 0.0);
            }
        }
    }

    #[test]
    fn a_rule_without_anything_to_look_at_is_judged_and_sound() {
        let score = DimensionScore::of(Dimension::Schema, &[tally(Dimension::Schema, 0, Warning, 0)]);
        assert_eq!((score.coverage, score.score()), (1.0, Some(10.0)));
    }

    #[test]
    fn a_disabled_rule_is_left_out_and_a_broken_one_is_not() {
        let sound = tally(Dimension::Schema, 10, Warning, 0);
        let disabled = Tally { enabled: false, examined: 0, ..tally(Dimension::Schema, 0, Warning, 0) };
        let broken = Tally { broken: true, ..disabled };
        let score = |other| DimensionScore::of(Dimension::Schema, &[sound, other]);
        assert_eq!((score(disabled).rules, score(disabled).enabled, score(disabled).coverage), (2, 1, 1.0));
        assert_eq!(score(Tally { enabled: true, ..broken }).coverage, 0.5);
        let none = DimensionScore::of(Dimension::Schema, &[disabled]);
        assert_eq!((none.coverage, none.score()), (0.0, None));
    }
}
