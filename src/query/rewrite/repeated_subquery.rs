//! The same subquery twice, which is executed twice.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{ExpressionKind, Place, Scope, SubLinkKind};
use crate::finding::Severity;

use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.repeated_subquery", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    // A WITH of the statement's own could be what the subquery reads, or be hidden by ours.
    if !matches!(scope.place, Place::Top) {
        return;
    }
    let mut has_common_tables = false;
    scope.query.each_query(&mut |query| has_common_tables |= !query.common_tables.is_empty());
    if has_common_tables {
        return;
    }
    let mut seen: Vec<(String, Vec<u32>)> = Vec::new();
    for expression in scope.query.expressions() {
        expression.each(&mut |part| {
            let ExpressionKind::SubLink(link) = &part.kind else { return };
            if link.kind != SubLinkKind::Scalar || link.query.is_correlated() || link.query.is_volatile() {
                return;
            }
            let text = context.texts.query(link.query.id, &[]);
            match seen.iter_mut().find(|(other, _)| *other == text) {
                Some((_, places)) => places.push(part.id),
                None => seen.push((text, vec![part.id])),
            }
        });
    }
    for (text, places) in seen.into_iter().filter(|(_, places)| places.len() > 1) {
        let name = context.texts.new_alias(1);
        let mut edits =
            vec![Edit::AddCommonTable { name: name.clone(), sql: format!("SELECT ({text}) AS value") }];
        edits.extend(places.iter().map(|&expression| Edit::ReplaceExpression {
            expression,
            sql: format!("(SELECT {name}.value FROM {name})"),
        }));
        proposals.push(
            Proposal::advice(
                RULE.id,
                Severity::Info,
                format!(
                    "the same subquery stands {} times and is executed as often; WITH executes it once",
                    places.len()
                ),
            )
            .evidence("subquery", text.split_whitespace().collect::<Vec<_>>().join(" "))
            .edits(edits, Condition::Proven),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::catalog::query::edit::{Edit, Texts};
    use crate::catalog::query::sample::{column, equal, expression, select, sublink, table};
    use crate::catalog::query::{
        CommonTable, ExpressionKind, Query, RangeTableEntry, Statement, SubLinkKind,
    };
    use crate::query::rewrite::propose_by;

    /// Prints every subquery alike.
    struct Alike;

    impl Texts for Alike {
        fn text(&self, _: u32) -> String {
            String::new()
        }
        fn column(&self, _: u32, _: usize, _: i16) -> String {
            String::new()
        }
        fn query(&self, _: u32, _: &[Edit]) -> String {
            "SELECT 1".to_owned()
        }
    }

    fn query(levels_up: u32) -> Query {
        let link = |id, query_id| {
            let inner =
                select(query_id, vec![column(id + 1, levels_up, 0, 1)], vec![table("u", &[true], &[])]);
            sublink(id, SubLinkKind::Scalar, None, inner)
        };
        let mut query = select(0, vec![column(1, 0, 0, 1)], vec![table("t", &[true], &[])]);
        let parts = vec![equal(2, column(3, 0, 0, 1), link(4, 1)), equal(6, column(7, 0, 0, 1), link(8, 2))];
        query.condition = Some(expression(10, 16, ExpressionKind::And(parts)));
        query
    }

    fn edits(query: Query) -> Vec<Edit> {
        let statement = Statement { query, server: 15, ..Statement::default() };
        propose_by(&RULE, &statement, &Alike).into_iter().flat_map(|proposal| proposal.edits).collect()
    }

    #[test]
    fn what_stands_twice_is_computed_once() {
        let said = edits(query(0));
        assert_eq!(said.len(), 3);
        assert!(matches!(&said[0], Edit::AddCommonTable { sql, .. } if sql == "SELECT (SELECT 1) AS value"));
    }

    #[test]
    fn not_what_depends_on_the_row() {
        assert!(edits(query(1)).is_empty());
        let mut with = query(0);
        with.common_tables.push(CommonTable {
            name: "w".to_owned(),
            query: Query { relations: vec![RangeTableEntry::default()], id: 9, ..Query::default() },
            is_recursive: false,
            references: 1,
            materialized: None,
        });
        assert!(edits(with).is_empty());
    }
}
