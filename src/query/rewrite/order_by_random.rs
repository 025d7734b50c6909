//! `ORDER BY random() LIMIT n`: numbers and sorts every row to return a few.

use crate::catalog::query::{Expression, ExpressionKind, Scope};
use crate::finding::Severity;

use super::filter::is_large;
use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.order_by_random", check };

fn check(scope: &Scope<'_>, _: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    let is_random = |expression: &Expression| {
        expression.has(|part| match &part.kind {
            ExpressionKind::Function(call) => {
                call.function.is_builtin("random") || call.function.is_builtin("gen_random_uuid")
            }
            _ => false,
        })
    };
    let sorts_by_chance = query
        .order_by
        .first()
        .and_then(|key| query.targets.get(key.target))
        .is_some_and(|target| is_random(&target.expression));
    if !sorts_by_chance || query.limit.is_none() {
        return;
    }
    let Some(table) = query.from.iter().flat_map(|item| item.relations()).find_map(|index| {
        query.relation(index).and_then(|entry| entry.table()).filter(|table| is_large(table))
    }) else {
        return;
    };
    proposals.push(Proposal::advice(
        RULE.id,
        Severity::Warning,
        format!(
            "every row is read and sorted by a random number to return a few; TABLESAMPLE on {}, or a range of its key that begins at random, reads those few alone, but does not choose as evenly",
            table.name
        ),
    ));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, count, volatile, with_rows};
    use super::RULE;
    use crate::catalog::query::sample::{column, integer, select, table};
    use crate::catalog::query::{Query, SortKey};

    fn query(by_chance: bool, limited: bool, rows: f64) -> Query {
        let key = if by_chance { volatile(call(2, "random", vec![])) } else { column(2, 0, 0, 1) };
        let mut query =
            select(0, vec![column(1, 0, 0, 1), key], vec![with_rows(table("t", &[true], &[]), rows)]);
        query.targets[1].is_hidden = true;
        query.order_by = vec![SortKey { target: 1, is_default: true, ..SortKey::default() }];
        query.limit = limited.then(|| integer(3, 5));
        query
    }

    #[test]
    fn a_few_rows_by_chance_cost_them_all() {
        assert_eq!(count(&RULE, &query(true, true, 1e6)), 1);
        assert_eq!(count(&RULE, &query(false, true, 1e6)), 0);
        assert_eq!(count(&RULE, &query(true, false, 1e6)), 0);
        assert_eq!(count(&RULE, &query(true, true, 10.0)), 0);
    }
}
