//! The queries that take the most time.

use crate::catalog::Oid;
use crate::catalog::workload::Statements;

/// One query, as `dbm.slow_queries()` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowQuery {
    /// Its text; `None` where the caller may not see it.
    pub text: Option<String>,
    /// Who ran it.
    pub role: Oid,
    /// How often.
    pub calls: f64,
    /// Milliseconds of all runs together.
    pub total_ms: f64,
    /// Milliseconds of a run on average.
    pub mean_ms: f64,
    /// Rows that all runs returned or wrote.
    pub rows: f64,
    /// Blocks of temporary files that all runs wrote.
    pub spilled_blocks: f64,
    /// The share of the time that all queries took, 0..1.
    pub share: f64,
}

/// The `most` queries that took the most time together, most first.
pub fn slowest(statements: &Statements, most: usize) -> Vec<SlowQuery> {
    let total = statements.total_ms();
    let mut all: Vec<SlowQuery> = statements
        .all()
        .iter()
        .map(|statement| SlowQuery {
            text: statement.text.as_deref().map(str::to_owned),
            role: statement.role,
            calls: statement.calls,
            total_ms: statement.total_ms,
            mean_ms: statement.mean_ms(),
            rows: statement.rows,
            spilled_blocks: statement.blocks_spilled,
            share: if total > 0.0 { statement.total_ms / total } else { 0.0 },
        })
        .collect();
    all.sort_by(|one, other| {
        other
            .total_ms
            .total_cmp(&one.total_ms)
            .then_with(|| one.text.cmp(&other.text))
            .then(one.role.cmp(&other.role))
    });
    all.truncate(most);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::workload::Statement;

    #[test]
    fn most_time_comes_first_and_shares_are_of_all() {
        let statement = |text: Option<&str>, total_ms| Statement {
            text: text.map(Into::into),
            total_ms,
            calls: 2.0,
            ..Statement::default()
        };
        let statements = Statements::Counted {
            statements: Box::new([
                statement(Some("a"), 1.0),
                statement(None, 5.0),
                statement(Some("b"), 4.0),
                statement(Some("c"), 0.0),
            ]),
            since: None,
        };
        let slowest = slowest(&statements, 3);
        let shown: Vec<_> =
            slowest.iter().map(|query| (query.text.as_deref(), query.share, query.mean_ms)).collect();
        assert_eq!(shown, [(None, 0.5, 2.5), (Some("b"), 0.4, 2.0), (Some("a"), 0.1, 0.5)]);
        assert!(super::slowest(&Statements::NotRead, 3).is_empty());
    }
}
