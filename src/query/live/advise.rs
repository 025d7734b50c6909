//! Advice on one query: which indexes, proven by the server's own planner.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::engine::{Engine, Prepared, existing};
use super::{prepare, rewrite, without_trace};
use crate::catalog::Snapshot;
use crate::change::names::Names;
use crate::finding::{Facts, Severity};
use crate::pg::facts;
use crate::pg::planner::{self, Configuration};
use crate::query::advice::{Advice, Kind};
use crate::query::red_flag;
use crate::query::selection::Deed;
use crate::query::selection::one::{Alone, ForQuery, best_for_query, options};
use crate::query::selection::sql::{brief, create};
use crate::query::selection::workload::{Drops, Options, WeightedQuery, Workload};

/// Nobody waits longer for advice on one query; what was found by then is the answer.
const LIMIT: Duration = Duration::from_secs(5);

/// All advice on a query, given with constants, with `$1` and the like, or as pg_stat_statements has it.
pub fn advise(query: &str) -> Vec<Advice> {
    without_trace(|| {
        let prepared = prepare::own(query);
        let mut advice = index_advice(&prepared);
        let plans = planner::plan_tree(&prepared.analysis, &Configuration::default());
        advice.extend(plans.iter().flat_map(red_flag::judge));
        advice.extend(rewrite::advice(&prepared.analysis, prepared.cost));
        order(&mut advice);
        advice
    })
}

/// What saves most first, then what is worst.
fn order(advice: &mut [Advice]) {
    let gain = |advice: &Advice| match (advice.cost_before, advice.cost_after) {
        (Some(before), Some(after)) if advice.proven && before > 0.0 => (before - after) / before,
        _ => 0.0,
    };
    advice.sort_by(|left, right| right.severity.cmp(&left.severity).then(gain(right).total_cmp(&gain(left))));
}

fn index_advice(prepared: &Prepared) -> Vec<Advice> {
    let prepared = std::slice::from_ref(prepared);
    let (indexes, described) = existing(prepared);
    let workload = Workload {
        queries: vec![WeightedQuery {
            label: String::new(),
            weight: 1.0,
            accesses: prepared[0].accesses.clone(),
        }],
        existing: described,
        writes: Vec::new(),
    };
    // What one query does not need, another may.
    let options = Options { drops: Drops::Never, ..options() };
    let mut engine = Engine::new(prepared, &indexes, Some(Instant::now() + LIMIT));
    let found = best_for_query(&workload, &options, &mut engine);
    if found.selection.actions.is_empty() {
        return Vec::new();
    }
    facts::with(|facts| worded(&found, facts))
}

fn worded(found: &ForQuery, facts: &Facts<'_>) -> Vec<Advice> {
    let mut names = Names::learn(facts.snapshot);
    let before = found.selection.cost_before;
    let mut advice = Vec::new();
    for (number, action) in found.selection.actions.iter().enumerate() {
        let Deed::Create(candidate) = &action.deed else { continue };
        let shape = brief(candidate, facts.snapshot);
        let Some(change) = create(candidate, facts.snapshot, facts.definitions, &mut names) else { continue };
        let saved = 1.0 - action.cost_after / before.max(f64::MIN_POSITIVE);
        let beside = if number > 0 { ", beside the indexes above," } else { "" };
        let mut one = Advice::new(
            Kind::Index,
            severity(saved, before),
            "query.missing_index",
            format!(
                "an index on {shape}{beside} lowers the plan's cost from {} to {}",
                cost(action.cost_before),
                cost(action.cost_after)
            ),
        )
        .evidence("estimated_bytes", action.bytes)
        .evidence("share_saved", rounded(1.0 - action.cost_after / action.cost_before));
        if let Some(alone) = found.alone.get(number) {
            one = one.evidence("cost_with_this_index_alone", rounded(alone.cost_after));
        }
        if !action.replaces.is_empty() {
            one = one.evidence("makes_superfluous", action.replaces.clone());
        }
        if number == 0 && !found.alternatives.is_empty() {
            one = one.evidence("alternatives", alternatives(&found.alternatives, facts.snapshot));
        }
        one.sql = Some(change.apply);
        one.cost_before = Some(action.cost_before);
        one.cost_after = Some(action.cost_after);
        one.proven = true;
        advice.push(one.evidence("undo", change.undo));
    }
    advice
}

fn alternatives(found: &[Alone], snapshot: &Snapshot) -> Value {
    let one = |other: &Alone| {
        json!({
            "index": brief(&other.index, snapshot),
            "estimated_bytes": other.bytes,
            "cost_after": rounded(other.cost_after),
        })
    };
    found.iter().map(one).collect()
}

/// How bad it is to go without, by the share of the cost that is saved and by what the query costs at all: a plan below
/// a thousand takes milliseconds.
fn severity(saved: f64, before: f64) -> Severity {
    match saved {
        saved if saved >= 0.9 && before >= 1000.0 => Severity::Error,
        saved if saved >= 0.3 => Severity::Warning,
        _ => Severity::Info,
    }
}

/// A cost for people: two decimals while it is small, none when it is large.
pub fn cost(cost: f64) -> String {
    if cost < 100.0 { format!("{cost:.2}") } else { grouped(cost) }
}

fn grouped(cost: f64) -> String {
    let digits = format!("{cost:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
