//! `a.x = 1 OR b.y = 2`: no index serves both; each alternative as a query of its own can have one.
//!
//! The second query leaves out what the first has already, so that UNION ALL returns each row as often as before. Where
//! both columns are of one table and have indexes, the planner joins these by itself, and the rewrite is no cheaper.

use super::{Condition, Context, Proposal, Rule};
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Expression, ExpressionKind, Place, Scope};
use crate::finding::Severity;
use crate::query::rewrite::wording::{column_name, listed};

/// The rule.
pub const RULE: Rule = Rule { id: "query.or_over_columns", check };

/// With more, the text gets longer than it is worth.
const MOST_ALTERNATIVES: usize = 3;

fn check(scope: &Scope<'_>, context: &Context<'_>, found: &mut Vec<Proposal>) {
    let query = scope.query;
    // A branch of a set operation would need parentheses that nobody prints.
    let is_branch = match (scope.place, scope.parent) {
        (Place::From(_), Some(parent)) => parent.query.set_operation.is_some(),
        (Place::SubLink(..), _) => true,
        _ => false,
    };
    if !query.is_plain() || is_branch || !query.order_by.is_empty() || !query.common_tables.is_empty() {
        return;
    }
    for condition in query.conditions() {
        let ExpressionKind::Or(parts) = &condition.kind else { continue };
        if parts.len() > MOST_ALTERNATIVES || query.is_volatile() {
            continue;
        }
        let Some(names) = different_columns(scope, parts) else { continue };
        let texts: Vec<String> = parts.iter().map(|part| context.texts.text(part.id)).collect();
        let branches: Vec<String> = texts
            .iter()
            .enumerate()
            .map(|(position, own)| {
                let mut sql = format!("({own})");
                for earlier in texts.iter().take(position) {
                    sql.push_str(&format!(" AND ({earlier}) IS NOT TRUE"));
                }
                context.texts.query(query.id, &[Edit::ReplaceExpression { expression: condition.id, sql }])
            })
            .collect();
        let names = listed(&names, "and");
        found.push(
            Proposal::advice(
                RULE.id,
                Severity::Warning,
                format!("OR over {names} can use no index for both; UNION ALL of one query each can"),
            )
            .evidence("columns", names)
            .edits(
                vec![Edit::ReplaceQuery { query: query.id, sql: branches.join("\nUNION ALL\n") }],
                Condition::Proven,
            ),
        );
    }
}

/// The columns that the alternatives are about, one each, if these differ and each alternative is a simple condition.
fn different_columns(scope: &Scope<'_>, parts: &[Expression]) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for part in parts {
        if part.has(|inner| matches!(inner.kind, ExpressionKind::SubLink(_))) {
            return None;
        }
        let columns = part.own_columns();
        let [column] = columns.as_slice() else { return None };
        let name = column_name(scope, column);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    (names.len() == parts.len()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::query::sample::{Numbers, column, equal, expression, integer, select, table};
    use crate::catalog::query::{Distinct, Query, Statement};
    use crate::catalog::types::builtin;
    use crate::query::rewrite::propose_by;

    fn two_tables() -> Query {
        let relations = vec![table("a", &[true], &[]), table("b", &[true], &[])];
        let mut query = select(0, vec![column(1, 0, 0, 1)], relations);
        let parts =
            vec![equal(3, column(4, 0, 0, 1), integer(5, 1)), equal(6, column(7, 0, 1, 1), integer(8, 2))];
        query.condition = Some(expression(2, builtin::BOOL, ExpressionKind::Or(parts)));
        query
    }

    fn count(query: Query) -> usize {
        propose_by(&RULE, &Statement { query, server: 15, ..Statement::default() }, &Numbers).len()
    }

    #[test]
    fn each_alternative_becomes_a_query_without_the_rows_of_those_before() {
        let proposals = propose_by(
            &RULE,
            &Statement { query: two_tables(), server: 15, ..Statement::default() },
            &Numbers,
        );
        let [Edit::ReplaceQuery { query: 0, sql }] = &*proposals[0].edits else { panic!("{proposals:?}") };
        assert!(sql.contains("(<6>) AND (<3>) IS NOT TRUE"), "{sql}");
    }

    #[test]
    fn what_looks_at_rows_together_is_left_alone() {
        assert_eq!(count(Query { distinct: Distinct::All, ..two_tables() }), 0);
        assert_eq!(count(Query { has_aggregates: true, ..two_tables() }), 0);
        assert_eq!(count(Query { limit: Some(integer(9, 1)), ..two_tables() }), 0);
    }
}
