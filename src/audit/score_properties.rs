//! What holds for the score of every audit, tried on random ones.

use proptest::prelude::*;

use super::score::{CRITICAL_CAP, DimensionScore, Tally, overall};
use crate::finding::{Dimension, Severity};

/// Rules of two dimensions, sound, broken, disabled and unsure ones among them.
const IDS: [&str; 6] = ["a.one", "a.two", "a.three", "b.one", "b.two", "b.three"];

fn any_tally(position: usize) -> impl Strategy<Value = Tally> {
    let findings = prop::array::uniform4(prop_oneof![3 => Just(0_u64), 2 => 0_u64..6, 1 => 0_u64..500]);
    let few_or_many = || prop_oneof![Just(0_u64), 1_u64..40, 1_u64..20_000];
    (findings, few_or_many(), few_or_many(), prop::bool::weighted(0.9), prop::bool::weighted(0.1)).prop_map(
        move |(findings, examined, unknown, enabled, breaks)| {
            let broken = enabled && breaks;
            // A rule that was not run or broke says nothing; one that finds something examined it.
            let says = enabled && !broken;
            let findings = if says { findings } else { [0; 4] };
            let examined = examined.max(u64::from(findings.iter().any(|&count| count > 0)));
            Tally {
                rule: IDS[position],
                dimension: if position < 3 { Dimension::Schema } else { Dimension::Indexing },
                enabled,
                broken,
                examined: if says { examined } else { 0 },
                unknown: if says { unknown } else { 0 },
                findings,
            }
        },
    )
}

fn any_audit() -> impl Strategy<Value = Vec<Tally>> {
    (any_tally(0), any_tally(1), any_tally(2), any_tally(3), any_tally(4), any_tally(5))
        .prop_map(|(a, b, c, d, e, f)| vec![a, b, c, d, e, f])
}

fn dimensions(tallies: &[Tally]) -> Vec<DimensionScore> {
    Dimension::ALL.map(|dimension| DimensionScore::of(dimension, tallies)).to_vec()
}

/// Every score, `overall` last.
fn scores(tallies: &[Tally]) -> Vec<Option<f64>> {
    let dimensions = dimensions(tallies);
    let mut scores: Vec<Option<f64>> = dimensions.iter().map(DimensionScore::score).collect();
    scores.push(overall(&dimensions));
    scores
}

/// A score that appears where none was is no lower one.
fn none_fell(before: &[Option<f64>], after: &[Option<f64>]) -> bool {
    before.iter().zip(after).all(|(before, after)| match (before, after) {
        (Some(before), Some(after)) => *after >= before - 1e-9,
        (Some(_), None) => false,
        (None, _) => true,
    })
}

proptest! {
    #[test]
    fn repairing_a_finding_never_lowers_a_score(tallies in any_audit()) {
        let before = scores(&tallies);
        for rule in 0..tallies.len() {
            for severity in 0..4 {
                let mut repaired = tallies.clone();
                if let Some(fewer) = repaired[rule].findings[severity].checked_sub(1) {
                    repaired[rule].findings[severity] = fewer;
                    prop_assert!(none_fell(&before, &scores(&repaired)));
                }
            }
        }
    }

    #[test]
    fn a_milder_finding_never_lowers_a_score(tallies in any_audit(), rule in 0_usize..6) {
        // The same finding at the next milder severity, alone in its rule: severities have densities of their own.
        for severity in 1..4 {
            let mut worse = tallies.clone();
            worse[rule].findings = [0; 4];
            let mut milder = worse.clone();
            if worse[rule].examined > 0 {
                worse[rule].findings[severity] = 1;
                milder[rule].findings[severity - 1] = 1;
            }
            prop_assert!(none_fell(&scores(&worse), &scores(&milder)));
        }
    }

    #[test]
    fn adding_a_clean_table_never_lowers_a_score(
        tallies in any_audit(),
        added in prop::array::uniform6(0_u64..30),
    ) {
        let mut larger = tallies.clone();
        for (tally, added) in larger.iter_mut().zip(added) {
            if tally.enabled && !tally.broken {
                tally.examined += added;
            }
        }
        prop_assert!(none_fell(&scores(&tallies), &scores(&larger)));
        let coverage = |tallies: &[Tally]| dimensions(tallies).iter().map(|score| score.coverage).sum::<f64>();
        prop_assert!(coverage(&larger) >= coverage(&tallies) - 1e-9);
    }

    #[test]
    fn the_order_of_rules_does_not_matter(tallies in any_audit().prop_shuffle()) {
        let mut sorted = tallies.clone();
        sorted.sort_by_key(|tally| tally.rule);
        prop_assert_eq!(scores(&tallies), scores(&sorted));
        prop_assert_eq!(dimensions(&tallies), dimensions(&sorted));
    }

    #[test]
    fn scores_and_coverage_stay_within_bounds(tallies in any_audit()) {
        let dimensions = dimensions(&tallies);
        for score in &dimensions {
            prop_assert!((0.0..=1.0).contains(&score.coverage));
            prop_assert_eq!(score.score().is_none(), score.coverage == 0.0);
            if let Some(value) = score.score() {
                prop_assert!((0.0..=10.0).contains(&value));
                prop_assert!(score.criticals == 0 || value <= CRITICAL_CAP);
                prop_assert!(score.findings > 0 || value == 10.0);
            }
        }
        prop_assert!(overall(&dimensions).is_none_or(|value| (0.0..=100.0).contains(&value)));
    }

    #[test]
    fn what_becomes_unknown_never_raises_coverage(tallies in any_audit(), rule in 0_usize..6) {
        let coverage = |tallies: &[Tally]| -> Vec<f64> {
            dimensions(tallies).iter().map(|score| score.coverage).collect()
        };
        let before = coverage(&tallies);
        for severity in 0..4 {
            let mut hidden = tallies.clone();
            let tally = &mut hidden[rule];
            if tally.findings[severity] == 0 {
                continue;
            }
            tally.findings[severity] -= 1;
            tally.examined -= 1;
            tally.unknown += 1;
            let after = coverage(&hidden);
            prop_assert!(before.iter().zip(&after).all(|(before, after)| after <= before));
        }
    }

    #[test]
    fn a_rule_with_only_unknowns_is_no_pass(tallies in any_audit(), rule in 0_usize..6, unknown in 1_u64..100) {
        let only = |examined, unknown| {
            let mut changed = tallies.clone();
            changed[rule] =
                Tally { enabled: true, broken: false, examined, unknown, findings: [0; 4], ..changed[rule] };
            let dimension = changed[rule].dimension;
            (DimensionScore::of(dimension, &changed), DimensionScore::of(dimension, &changed).coverage)
        };
        let (passed, unsure) = (only(unknown, 0), only(0, unknown));
        prop_assert!(unsure.1 < 1.0 && unsure.1 < passed.1);
        // Nor does it count as a failure: the score is that of the other rules.
        prop_assert!(unsure.0.score().is_none() || unsure.0.score() == passed.0.score());
    }
}

#[test]
fn every_severity_is_counted_apart() {
    let tally = Tally {
        rule: "a.one",
        dimension: Dimension::Schema,
        enabled: true,
        broken: false,
        examined: 100,
        unknown: 0,
        findings: [0; 4],
    };
    let with = |severity: Severity| {
        let mut findings = [0; 4];
        findings[severity as usize] = 5;
        scores(&[Tally { findings, ..tally }])[0]
    };
    assert!(Severity::ALL.map(with).is_sorted_by(|mild, worse| mild > worse));
}
