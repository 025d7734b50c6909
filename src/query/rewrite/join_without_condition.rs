//! `FROM a, b` with nothing that joins them: each row of one meets each row of the other.
//!
//! Whoever writes CROSS JOIN, or ON true, means it.

use crate::catalog::query::{Command, ExpressionKind, FromItem, Query, RelationSource, Scope};
use crate::finding::Severity;

use super::filter::filters;
use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.join_without_condition", check };

fn check(scope: &Scope<'_>, _: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    // What INSERT reads is joined to nothing, and MERGE cannot do without ON.
    if query.set_operation.is_some() || matches!(query.command, Command::Insert | Command::Merge) {
        return;
    }
    let mut items: Vec<Vec<usize>> = query.from.iter().map(FromItem::relations).collect();
    if let Some(changed) = query.changed
        && !items.iter().flatten().any(|&index| index == changed)
        && !items.is_empty()
    {
        items.insert(0, vec![changed]);
    }
    // Those that hold one row at most, or are there to multiply, are no mistake.
    items.retain(|item| item.iter().any(|&index| may_be_many(scope, index)));
    let mut groups = Groups::new(items.len());
    let place = |relation: usize| items.iter().position(|item| item.contains(&relation));
    for filter in filters(query) {
        for condition in filter.conjuncts() {
            // A condition on a column of the query around joins as well: by way of it.
            let places: Vec<usize> =
                condition.own_columns().iter().filter_map(|column| place(column.relation)).collect();
            groups.join(&places);
            if condition.refers_up() {
                places.iter().for_each(|&place| groups.join_outside(place));
            }
        }
    }
    for (index, relation) in query.relations.iter().enumerate().filter(|(_, relation)| relation.is_lateral) {
        let mut places: Vec<usize> = place(index).into_iter().collect();
        places.extend(lateral_references(&relation.source).into_iter().filter_map(place));
        groups.join(&places);
    }
    same_values(query, &place, &mut groups);
    let Some((one, another)) = groups.apart() else { return };
    let name = |item: usize| {
        let index = items.get(item).and_then(|item| item.first()).copied().unwrap_or_default();
        query.relation(index).map(|entry| entry.alias.clone()).unwrap_or_default()
    };
    let (one, another) = (name(one), name(another));
    proposals.push(Proposal::advice(
        RULE.id,
        Severity::Warning,
        format!("nothing joins {one} and {another}: each row of {one} meets each row of {another}; where that is meant, CROSS JOIN says so"),
    ));
}

/// Whether it can have more rows than one, and is neither a function nor a list of values.
fn may_be_many(scope: &Scope<'_>, index: usize) -> bool {
    match scope.query.relation(index).map(|entry| &entry.source) {
        Some(RelationSource::Table(table)) => {
            !table.rows.is_some_and(|rows| (0.0..=1.0).contains(&rows))
                && !scope.is_unique(index, &fixed_columns(scope.query, index))
        }
        Some(RelationSource::Subquery(query)) => !query.returns_one_row_at_most(),
        // A WITH query is often one row of parameters.
        _ => false,
    }
}

/// The columns of a relation that are equated to something fixed.
fn fixed_columns(query: &Query, relation: usize) -> Vec<i16> {
    constants(query)
        .into_iter()
        .filter(|(index, ..)| *index == relation)
        .map(|(_, column, _)| column)
        .collect()
}

/// What is equated to something fixed: relation, column, and what it is, as text.
fn constants(query: &Query) -> Vec<(usize, i16, String)> {
    let mut found = Vec::new();
    for condition in query.inner_conditions() {
        let Some((crate::catalog::query::Comparison::Equal, left, right)) = condition.as_comparison() else {
            continue;
        };
        for (one, another) in [(left, right), (right, left)] {
            let Some(column) = one.without_relabels().as_own_column() else { continue };
            let value = match &another.without_relabels().kind {
                ExpressionKind::Constant(constant) => constant.text.clone().unwrap_or_default(),
                ExpressionKind::Parameter(number) => format!("${number}"),
                _ => continue,
            };
            found.push((column.relation, column.column, value));
        }
    }
    found
}

/// Relations that are filtered by the same value are joined by it.
fn same_values(query: &Query, place: &dyn Fn(usize) -> Option<usize>, groups: &mut Groups) {
    let constants = constants(query);
    for (index, (relation, _, value)) in constants.iter().enumerate() {
        for (other, _, another) in constants.iter().skip(index + 1) {
            if value == another {
                let places: Vec<usize> = [*relation, *other].into_iter().filter_map(place).collect();
                groups.join(&places);
            }
        }
    }
}

/// The relations of the query that a LATERAL item refers to.
fn lateral_references(source: &RelationSource) -> Vec<usize> {
    let mut found = Vec::new();
    let RelationSource::Subquery(query) = source else { return found };
    query.each_expression(&mut |part, depth| {
        if let ExpressionKind::Column(column) = &part.kind
            && column.levels_up == depth + 1
        {
            found.push(column.relation);
        }
    });
    found
}

/// Elements of FROM that are joined, directly or by way of others.
struct Groups {
    /// Of each, the group that it is in; the last one stands for what is outside the query.
    group: Vec<usize>,
}

impl Groups {
    fn new(count: usize) -> Self {
        Self { group: (0..=count).collect() }
    }

    fn join(&mut self, places: &[usize]) {
        for pair in places.windows(2) {
            let &[one, another] = pair else { continue };
            let (Some(&to), Some(&from)) = (self.group.get(one), self.group.get(another)) else { continue };
            self.group.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
        }
    }

    fn join_outside(&mut self, place: usize) {
        let outside = self.group.len() - 1;
        self.join(&[place, outside]);
    }

    /// Two elements that nothing joins.
    fn apart(&self) -> Option<(usize, usize)> {
        let elements = self.group.len() - 1;
        (1..elements)
            .find(|&element| self.group.get(element) != self.group.first())
            .map(|element| (0, element))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::count;
    use super::RULE;
    use crate::catalog::query::sample::{column, equal, expression, integer, select, table};
    use crate::catalog::query::{Command, Expression, ExpressionKind, Query, RelationSource};

    fn query(conditions: Vec<Expression>) -> Query {
        let tables = ["a", "b", "c"].map(|name| table(name, &[true, false], &[&[1]])).to_vec();
        let mut query = select(0, vec![column(1, 0, 0, 1)], tables);
        query.condition = Some(expression(2, 16, ExpressionKind::And(conditions)));
        query
    }

    fn join(one: usize, another: usize) -> Expression {
        equal(3, column(4, 0, one, 2), column(5, 0, another, 2))
    }

    #[test]
    fn everything_must_hang_together() {
        assert_eq!(count(&RULE, &query(vec![join(0, 1)])), 1);
        assert_eq!(count(&RULE, &query(vec![join(0, 1), join(1, 2)])), 0);
        assert_eq!(count(&RULE, &query(vec![join(0, 2), join(1, 2)])), 0);
    }

    #[test]
    fn what_is_changed_is_joined_but_not_what_is_inserted_into() {
        for (command, expected) in
            [(Command::Update, 1), (Command::Delete, 1), (Command::Insert, 0), (Command::Merge, 0)]
        {
            let mut change = query(vec![join(1, 2)]);
            change.command = command;
            change.changed = Some(0);
            change.from.remove(0);
            assert_eq!(count(&RULE, &change), expected, "{command:?}");
        }
    }

    #[test]
    fn one_row_multiplies_nothing() {
        // By its key.
        let fixed = equal(6, column(7, 0, 2, 1), integer(8, 5));
        assert_eq!(count(&RULE, &query(vec![join(0, 1), fixed])), 0);
        let other = equal(6, column(7, 0, 2, 2), integer(8, 5));
        assert_eq!(count(&RULE, &query(vec![join(0, 1), other])), 1);
        let mut function = query(vec![join(0, 1)]);
        function.relations[2].source = RelationSource::Function(vec![]);
        assert_eq!(count(&RULE, &function), 0);
    }

    #[test]
    fn the_same_value_joins() {
        let fixed = |relation| equal(6, column(7, 0, relation, 2), integer(8, 5));
        assert_eq!(count(&RULE, &query(vec![join(0, 1), fixed(1), fixed(2)])), 0);
        // As does a column of the query around.
        let outer = |relation| equal(6, column(7, 0, relation, 2), column(8, 1, 0, 1));
        assert_eq!(count(&RULE, &query(vec![join(0, 1), outer(1), outer(2)])), 0);
    }
}
