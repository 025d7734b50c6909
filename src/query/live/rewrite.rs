//! Rewrites, each planned before it is shown.

use crate::pg::isolation::isolated;
use crate::pg::planner::query_tree::QueryTree;
use crate::pg::planner::{self, Analysis, Configuration};
use crate::query::rewrite::{self, Gain, Proposal};

/// A rewrite that is cheaper by less is not worth reading.
const LEAST_GAIN: f64 = 0.01;

/// A proposal with the text that it leads to.
pub struct Rewritten {
    /// What a rule proposes.
    pub proposal: Proposal,
    /// The new text of the query; `None` for advice without one.
    pub sql: Option<String>,
    /// The planner's cost of the new text.
    pub cost_after: Option<f64>,
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
                found.push(Rewritten { proposal, sql: None, cost_after: None });
                continue;
            }
            let mut planned = None;
            // What cannot be printed, parsed or planned is not shown.
            let outcome = isolated(&mut || planned = planned_again(&tree, &proposal));
            debug_assert!(outcome.is_ok() && planned.is_some(), "{}: {outcome:?}", rule.id);
            if let Some((sql, cost_after)) = planned
                && (proposal.gain == Gain::Always || cost_after < cost_before * (1.0 - LEAST_GAIN))
            {
                found.push(Rewritten { proposal, sql: Some(sql), cost_after: Some(cost_after) });
            }
        }
    }
    found
}

/// The new text and its cost; `None` where the edits cannot be made, or what comes out has other columns.
fn planned_again(tree: &QueryTree, proposal: &Proposal) -> Option<(String, f64)> {
    let sql = tree.rewritten(&proposal.edits)?;
    if !tree.has_same_shape(&QueryTree::of(&sql)) {
        return None;
    }
    let planned = planner::plan(&Analysis::of(&sql), &Configuration::default());
    Some((sql, planned.cost))
}
