//! What is slow here, and what could be done about each.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::workload::{Source, Statements};
use crate::pg::error::raise;
use crate::pg::planner::{self, Analysis, Author, Configuration, planned_as, role_name};
use crate::pg::workload;
use crate::query::slow::{SlowQuery, slowest};

/// One row of `dbm.slow_queries()`.
pub struct Judged {
    /// The query with its numbers.
    pub query: SlowQuery,
    /// Who ran it, by name.
    pub role_name: String,
    /// What advice there is, by rule.
    pub rules: Vec<String>,
    /// Why it could not be planned.
    pub problem: Option<String>,
}

/// The slowest queries, each planned as the role that ran it.
pub fn slow_queries(most: usize) -> Vec<Judged> {
    let statements = workload::counted();
    if let Statements::Missing(_) = &statements
        && let Err(missing) = workload::workload(Source::PgStatStatements.name())
    {
        raise(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, &missing.message, "", &missing.hint);
    }
    slowest(&statements, most).into_iter().map(judged).collect()
}

fn judged(query: SlowQuery) -> Judged {
    let role = pg_sys::Oid::from(query.role);
    let outcome = match &query.text {
        None => Err("you may not see its text: GRANT pg_read_all_stats to the role that asks".to_owned()),
        Some(text) => {
            planned_as(&Author::new(role, None), || rules_of(text)).map_err(|refusal| refusal.reason())
        }
    };
    let (rules, problem) = match outcome {
        Ok(rules) => (rules, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    Judged { role_name: role_name(role), query, rules, problem }
}

/// What there is to say of one query.
fn rules_of(text: &str) -> Vec<String> {
    let query = Analysis::of_normalised(text);
    planner::plan(&query, &Configuration::default());
    Vec::new()
}
