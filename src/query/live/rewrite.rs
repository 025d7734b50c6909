//! Rewrites, each planned before it is shown.

use crate::pg::isolation::isolated;
use crate::pg::planner::query_tree::QueryTree;
use crate::pg::planner::{self, Analysis, Configuration};
use crate::query::advice::{Advice, Kind};
use crate::query::rewrite::{self, Condition, Gain, Proposal};
use crate::query::whatif::size;

/// A rewrite that is cheaper by less is not worth reading.
const LEAST_GAIN: f64 = 0.01;

/// A proposal with the text that it leads to.
pub struct Rewritten {
    /// What a rule proposes.
    pub proposal: Proposal,
    /// The new text of the query; `None` for advice without one.
    pub sql: Option<String>,
    /// The planner's cost of the new text, or of the old one, with the index that is proposed.
    pub cost_after: Option<f64>,
}

/// Advice to write a query otherwise; none where it cannot be taken apart.
pub fn advice(analysis: &Analysis, cost_before: f64) -> Vec<Advice> {
    let mut found = Vec::new();
    // What was made plannable by guessing types may not be understood without.
    let outcome = isolated(&mut || found = rewrites(&analysis.text(), cost_before));
    if outcome.is_err() {
        return Vec::new();
    }
    found.into_iter().map(|rewritten| worded(rewritten, cost_before)).collect()
}

fn worded(rewritten: Rewritten, cost_before: f64) -> Advice {
    let Rewritten { proposal, sql, cost_after } = rewritten;
    let mut advice = Advice::new(Kind::Rewrite, proposal.severity, proposal.rule, proposal.message);
    advice.evidence = proposal.evidence;
    let is_rewritten = sql.is_some();
    if let (true, Some(statement)) = (is_rewritten, &proposal.statement) {
        advice.evidence.insert("with".to_owned(), statement.as_str().into());
    }
    advice.sql = sql.map(|sql| sql.trim_start().to_owned()).or(proposal.statement);
    if is_rewritten {
        advice.cost_before = Some(cost_before);
        advice.cost_after = cost_after;
        match proposal.condition {
            Condition::Proven => {
                advice.evidence.insert("same_rows".to_owned(), "proven".into());
                advice.proven = cost_after.is_some_and(|after| is_gain(cost_before, after));
            }
            Condition::Unless(condition) => {
                advice.evidence.insert("same_rows_if".to_owned(), condition.into());
            }
        }
    } else if let Some(after) = cost_after {
        advice.cost_before = Some(cost_before);
        advice.cost_after = Some(after);
    }
    advice
}

fn is_gain(before: f64, after: f64) -> bool {
    after < before * (1.0 - LEAST_GAIN)
}

/// What the rules propose for a query, each new text parsed, compared in what it puts out, and planned.
///
/// Takes locks until the end of the subtransaction and allocates in the current memory context: the caller provides
/// both.
pub fn rewrites(query: &str, cost_before: f64) -> Vec<Rewritten> {
    let tree = QueryTree::of(query);
    let printer = tree.printer();
    let mut found = Vec::new();
    for rule in rewrite::RULES {
        let mut proposals = Vec::new();
        // A rule that breaks is no reason to keep what the others found.
        let outcome = isolated(&mut || proposals = rewrite::propose_by(rule, tree.statement(), &printer));
        debug_assert!(outcome.is_ok(), "{}: {outcome:?}", rule.id);
        for proposal in proposals {
            if proposal.edits.is_empty() {
                let mut cost_after = None;
                // An index that cannot be planned with is advice without a number.
                let _ = isolated(&mut || {
                    cost_after = index(&proposal).map(|definition| {
                        planner::plan(&Analysis::of(query), &with_index(Some(definition))).cost
                    });
                });
                if cost_after.is_none_or(|after| is_gain(cost_before, after)) {
                    found.push(Rewritten { proposal, sql: None, cost_after });
                }
                continue;
            }
            let mut planned = None;
            // What cannot be printed, parsed or planned is not shown.
            let outcome = isolated(&mut || planned = planned_again(&tree, &proposal));
            debug_assert!(outcome.is_ok(), "{}: {outcome:?}", rule.id);
            if let Some((sql, cost_after)) = planned
                && (proposal.gain == Gain::Always || is_gain(cost_before, cost_after))
            {
                found.push(Rewritten { proposal, sql: Some(sql), cost_after: Some(cost_after) });
            }
        }
    }
    found
}

/// The new text and its cost, with the index that goes with it; `None` where the edits cannot be made, or what comes
/// out has other columns.
fn planned_again(tree: &QueryTree, proposal: &Proposal) -> Option<(String, f64)> {
    let sql = tree.rewritten(&proposal.edits)?;
    if !tree.has_same_shape(&QueryTree::of(&sql)) {
        return None;
    }
    let planned = planner::plan(&Analysis::of(&sql), &with_index(index(proposal)));
    Some((sql, planned.cost))
}

/// The index that a proposal would have created.
fn index(proposal: &Proposal) -> Option<&String> {
    proposal.statement.as_ref().filter(|statement| statement.starts_with("CREATE INDEX"))
}

fn with_index(definition: Option<&String>) -> Configuration {
    match definition {
        Some(definition) => Configuration::with_indexes(std::slice::from_ref(definition), size::size),
        None => Configuration::default(),
    }
}
