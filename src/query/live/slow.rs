//! What is slow here, and what could be done about each.

use std::time::Duration;

use super::advise;
use crate::catalog::workload::{Source, Statements};
use crate::pg::planner::{self, Analysis, Author, Configuration, Refusal, planned_as, role_name};
use crate::pg::{facts, workload};
use crate::query::load::loads;
use crate::query::lookup::single_row_lookups;
use crate::query::rules::lookups;
use crate::query::slow::{SlowQuery, slowest};

/// One row of `dbm.slow_queries()`.
pub struct Judged {
    /// The query with its numbers.
    pub query: SlowQuery,
    /// Who ran it, by name.
    pub role_name: String,
    /// What advice there is, by rule.
    pub rules: Vec<&'static str>,
    /// Why it could not be planned.
    pub problem: Option<String>,
}

/// The slowest queries, each planned as the role that ran it; or why nobody knows them.
pub fn slow_queries(most: usize) -> Result<Vec<Judged>, String> {
    let statements = workload::counted();
    if let Statements::Missing(_) = &statements
        && let Err(missing) = workload::workload(Source::PgStatStatements.name())
    {
        return Err(missing.reason());
    }
    let mut rows: Vec<Judged> = slowest(&statements, most).into_iter().map(judged).collect();
    let loads = loads(&statements);
    facts::with(|facts| {
        for row in &mut rows {
            let text = row.query.text.as_deref();
            let load = loads.iter().find(|load| Some(load.text) == text);
            let found = load
                .and_then(|load| single_row_lookups(load, &loads, facts.snapshot, &lookups::DEFAULT_LIMITS));
            if found.is_some() {
                row.rules.push(lookups::MANY_SINGLE_ROW_LOOKUPS.id);
            }
        }
    });
    Ok(rows)
}

/// How long advice on one query may take: as long as it takes by itself, and a second for reading the catalogs.
const LIMIT: Duration = Duration::from_secs(6);

fn judged(query: SlowQuery) -> Judged {
    let outcome = match &query.text {
        None => Err("you may not see its text: GRANT pg_read_all_stats to the role that asks".to_owned()),
        Some(text) => rules_of(&Author::new(query.role, None), text).map_err(|refusal| refusal.reason()),
    };
    let (rules, problem) = match outcome {
        Ok(rules) => (rules, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    Judged { role_name: role_name(query.role), query, rules, problem }
}

/// What there is to say of one query.
fn rules_of(author: &Author<'_>, text: &str) -> Result<Vec<&'static str>, Refusal> {
    // A query whose planning takes long, as if it slept, is found out within the shorter limit.
    planned_as(author, || {
        planner::plan(&Analysis::of_normalised(text), &Configuration::default());
    })?;
    let patient = Author { limit: LIMIT, ..*author };
    let mut rules = planned_as(&patient, || {
        advise::advise(text).into_iter().map(|advice| advice.rule).collect::<Vec<_>>()
    })?;
    rules.sort_unstable();
    rules.dedup();
    Ok(rules)
}
