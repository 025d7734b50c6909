//! `JOIN b ON b.x = a.i OR b.y = a.i`: neither hashed nor merged; two joins are.
//!
//! What the first alternative found must not be found again, and is not lost where it is NULL.

use crate::catalog::query::edit::Edit;
use crate::catalog::query::{Comparison, Expression, ExpressionKind, Scope};
use crate::finding::Severity;

use super::filter::is_branch;
use super::{Condition, Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.or_in_join", check };

/// More alternatives make a text that nobody reads.
const MOST_ALTERNATIVES: usize = 4;

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    let is_whole = query.is_plain()
        && query.order_by.is_empty()
        && query.common_tables.is_empty()
        && query.returning.is_empty()
        && !query.is_volatile()
        && !is_branch(scope);
    if !is_whole {
        return;
    }
    for condition in query.inner_conditions() {
        let ExpressionKind::Or(alternatives) = &condition.kind else { continue };
        let joins =
            |part: &Expression| part.conjuncts().iter().any(|condition| compares_relations(condition));
        if alternatives.len() > MOST_ALTERNATIVES || !alternatives.iter().all(joins) {
            continue;
        }
        let texts: Vec<String> = alternatives.iter().map(|part| context.texts.text(part.id)).collect();
        let branches: Vec<String> = texts
            .iter()
            .enumerate()
            .map(|(position, text)| {
                let earlier: Vec<String> =
                    texts.iter().take(position).map(|text| format!("({text}) IS NOT TRUE")).collect();
                let first = if earlier.is_empty() { text.clone() } else { format!("({text})") };
                let sql = std::iter::once(first).chain(earlier).collect::<Vec<_>>().join(" AND ");
                let edit = Edit::ReplaceExpression { expression: condition.id, sql };
                context.texts.query(query.id, &[edit])
            })
            .collect();
        proposals.push(
            Proposal::advice(
                RULE.id,
                Severity::Warning,
                format!(
                    "{} compares each row of one side with each of the other; a join for each alternative can be hashed",
                    context.texts.text(condition.id)
                ),
            )
            .edits(
                vec![Edit::ReplaceQuery { query: query.id, sql: branches.join(" UNION ALL ") }],
                Condition::Proven,
            ),
        );
        return;
    }
}

/// Whether it equates columns of two relations.
fn compares_relations(condition: &Expression) -> bool {
    let Some((Comparison::Equal, left, right)) = condition.as_comparison() else { return false };
    matches!(
        (left.without_relabels().as_own_column(), right.without_relabels().as_own_column()),
        (Some(one), Some(another)) if one.relation != another.relation
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::propose_for;
    use super::RULE;
    use crate::catalog::query::edit::Edit;
    use crate::catalog::query::sample::{column, equal, expression, integer, select, table};
    use crate::catalog::query::{Expression, ExpressionKind, FromItem, Join, JoinKind, Query};
    use crate::catalog::types::builtin;

    fn query(kind: JoinKind, second: Expression) -> Query {
        let tables = vec![table("a", &[true, false], &[]), table("b", &[true, false], &[])];
        let mut query = select(0, vec![column(1, 0, 0, 1)], tables);
        let or = ExpressionKind::Or(vec![equal(3, column(4, 0, 0, 1), column(5, 0, 1, 1)), second]);
        query.from = vec![FromItem::Join(Box::new(Join {
            relation: 2,
            kind,
            left: FromItem::Relation(0),
            right: FromItem::Relation(1),
            condition: Some(expression(2, builtin::BOOL, or)),
            merges_columns: false,
        }))];
        query
    }

    fn joined() -> Expression {
        equal(6, column(7, 0, 0, 2), column(8, 0, 1, 1))
    }

    #[test]
    fn alternatives_exclude_those_before() {
        let [proposal] = &propose_for(&RULE, query(JoinKind::Inner, joined()))[..] else { panic!() };
        let [Edit::ReplaceQuery { query: 0, sql }] = &proposal.edits[..] else { panic!() };
        let (one, another) = sql.split_once(" UNION ALL ").unwrap();
        assert!(one.contains("\"<3>\""), "{one}");
        assert!(another.contains("\"(<6>) AND (<3>) IS NOT TRUE\""), "{another}");
    }

    #[test]
    fn not_of_an_outer_join_nor_where_one_is_no_join() {
        assert!(propose_for(&RULE, query(JoinKind::Left, joined())).is_empty());
        let filter = equal(6, column(7, 0, 0, 2), integer(8, 1));
        assert!(propose_for(&RULE, query(JoinKind::Inner, filter)).is_empty());
        let mut limited = query(JoinKind::Inner, joined());
        limited.limit = Some(integer(20, 3));
        assert!(propose_for(&RULE, limited).is_empty());
    }
}
