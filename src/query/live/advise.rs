//! Advice on one query: which indexes, proven by the server's own planner.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::engine::{Engine, Prepared, existing};
use super::{prepare, rewrite, without_trace};
use crate::catalog::Snapshot;
use crate::change::names::Names;
use crate::finding::{Facts, Severity};
use crate::pg::facts;
use crate::pg::isolation::isolated;
use crate::pg::planner::{self, Configuration};
use crate::query::advice::{Advice, Kind};
use crate::query::red_flag;
use crate::query::red_flag::words::count;
use crate::query::selection::Deed;
use crate::query::selection::one::{Alone, ForQuery, best_for_query, options};
use crate::query::selection::sql::{brief, create};
use crate::query::selection::workload::{Drops, Options, WeightedQuery, Workload};
use crate::query::tidy::{GIVES_COLUMN_BACK, MISSING_INDEX, tidied};

/// Nobody waits longer for advice on one query; what was found by then is the answer.
const LIMIT: Duration = Duration::from_secs(5);

/// All advice on a query, given with constants, with `$1` and the like, or as pg_stat_statements has it.
pub fn advise(query: &str) -> Vec<Advice> {
    without_trace(|| {
        let deadline = Instant::now() + LIMIT;
        let prepared = prepare::own(query);
        let mut advice = index_advice(&prepared, deadline);
        let plans = planner::plan_tree(&prepared.analysis, &Configuration::default());
        advice.extend(plans.iter().flat_map(red_flag::judge));
        let mut rewrites = rewrite::advice(&prepared.analysis, prepared.cost);
        for rewrite in &mut rewrites {
            find_index_for(rewrite, deadline);
        }
        advice.extend(rewrites);
        let rows = plans.iter().flat_map(|plan| plan.nodes.first()).map(|top| top.rows).sum();
        tidied(advice, rows)
    })
}

/// A rewrite that only gives a column back to its indexes is worth something once there is one: finds it, and says so.
fn find_index_for(rewrite: &mut Advice, deadline: Instant) {
    let is_idle = !rewrite.proven
        && GIVES_COLUMN_BACK.contains(&rewrite.rule)
        && rewrite.evidence.get("same_rows").is_some_and(|value| value == "proven");
    let (true, Some(sql), Some(before)) = (is_idle, rewrite.sql.clone(), rewrite.cost_before) else { return };
    let mut found = Vec::new();
    // A text that cannot be taken for a query of its own keeps what is known of it.
    let _ = isolated(&mut || found = index_advice(&prepare::own(&sql), deadline));
    let best = found.into_iter().next().filter(|index| index.cost_after.is_some_and(|after| after < before));
    match best {
        Some(Advice { sql: Some(index), cost_after: Some(after), evidence, .. }) => {
            let shape = evidence.get("index").and_then(Value::as_str).unwrap_or("its table");
            rewrite.message.push_str(&format!(
                "; with an index on {shape} the new text costs {} instead of {}",
                cost(after),
                cost(before)
            ));
            rewrite.evidence.insert("with".to_owned(), index.into());
            rewrite.severity = severity(1.0 - after / before, before).min(Severity::Warning);
            rewrite.cost_after = Some(after);
            rewrite.proven = true;
        }
        // Neither now nor with an index does it save anything.
        _ => rewrite.severity = Severity::Info,
    }
}

fn index_advice(prepared: &Prepared, deadline: Instant) -> Vec<Advice> {
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
    let mut engine = Engine::new(prepared, &indexes, Some(deadline));
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
            MISSING_INDEX,
            format!(
                "an index on {shape}{beside} lowers the plan's cost from {} to {}",
                cost(action.cost_before),
                cost(action.cost_after)
            ),
        )
        .evidence("table", facts.snapshot.relation_name(candidate.relation))
        .evidence("index", shape)
        .evidence("estimated_bytes", action.bytes)
        .evidence("share_saved", rounded(1.0 - action.cost_after / action.cost_before));
        // The first is alone anyway.
        if let Some(alone) = found.alone.get(number).filter(|_| found.alone.len() > 1) {
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
    if cost < 100.0 { format!("{cost:.2}") } else { count(cost) }
}

fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
