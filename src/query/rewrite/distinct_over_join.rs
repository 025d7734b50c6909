//! DISTINCT over a join whose other side only filters: rows are multiplied first and thrown away afterwards.

use super::wording::{listed, relation_name};
use super::{Condition, Context, Proposal, Rule};
use crate::catalog::ColumnNumber;
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{
    ColumnReference, Command, Distinct, Expression, FromItem, JoinKind, Query, RelationIndex, Scope,
};
use crate::finding::Severity;
use crate::syntax::operand::operand;

/// The rule.
pub const RULE: Rule = Rule { id: "query.distinct_over_join", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, found: &mut Vec<Proposal>) {
    let query = scope.query;
    let is_simple = query.command == Command::Select
        && query.distinct == Distinct::All
        && query.set_operation.is_none()
        && !query.groups()
        && !query.has_window_functions
        && !query.returns_sets
        && query.row_locks.is_empty()
        && query.from.iter().all(is_inner);
    if !is_simple || query.is_volatile() {
        return;
    }
    let Some(kept) = only_relation_put_out(query) else { return };
    let filters: Vec<RelationIndex> =
        query.from.iter().flat_map(FromItem::relations).filter(|&relation| relation != kept).collect();
    if filters.is_empty() || uses_elsewhere(query, &filters) {
        return;
    }
    let Some(from) =
        filters.iter().map(|&filter| from_item(query, context, filter)).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let moved: Vec<&Expression> =
        query.inner_conditions().into_iter().filter(|condition| mentions(condition, &filters)).collect();
    let conditions: Vec<String> = moved
        .iter()
        .map(|condition| {
            let text = context.texts.text(condition.id);
            if moved.len() == 1 { text } else { operand(&text) }
        })
        .collect();
    let mut exists = format!("EXISTS (SELECT 1 FROM {}", from.join(", "));
    if !conditions.is_empty() {
        exists.push_str(" WHERE ");
        exists.push_str(&conditions.join(" AND "));
    }
    exists.push(')');
    let mut edits: Vec<Edit> =
        moved.iter().map(|condition| Edit::RemoveCondition { expression: condition.id }).collect();
    edits.extend(filters.iter().map(|&relation| Edit::RemoveRelation { query: query.id, relation }));
    edits.push(Edit::AddCondition { query: query.id, sql: exists });
    let columns: Vec<ColumnNumber> = query
        .output()
        .filter_map(|target| target.expression.as_own_column())
        .map(|column| column.column)
        .collect();
    let name = |index: RelationIndex| query.relation(index).map(relation_name).unwrap_or_default();
    if scope.is_unique(kept, &columns) {
        edits.push(Edit::DropDistinct { query: query.id });
    }
    let others = listed(&filters.iter().map(|&filter| name(filter)).collect::<Vec<_>>(), "and");
    found.push(
        Proposal::advice(
            RULE.id,
            Severity::Warning,
            format!("DISTINCT takes away the rows of {} that the join with {others} doubles; EXISTS does not double them", name(kept)),
        )
        .edits(edits, Condition::Proven),
    );
}

/// Whether it is a relation, or inner joins whose columns have no names of their own.
fn is_inner(item: &FromItem) -> bool {
    match item {
        FromItem::Relation(_) => true,
        FromItem::Join(join) => {
            join.kind == JoinKind::Inner
                && !join.merges_columns
                && is_inner(&join.left)
                && is_inner(&join.right)
        }
    }
}

/// The relation from which all that is put out comes.
fn only_relation_put_out(query: &Query) -> Option<RelationIndex> {
    let mut columns: Vec<ColumnReference> = Vec::new();
    for target in &query.targets {
        columns.extend(target.expression.own_columns());
    }
    let first = columns.first()?.relation;
    columns.iter().all(|column| column.relation == first).then_some(first)
}

/// Whether these relations are used in FROM itself: a LATERAL subquery or function may refer to them.
fn uses_elsewhere(query: &Query, filters: &[RelationIndex]) -> bool {
    query.relations.iter().any(|entry| entry.is_lateral)
        || query.relations.iter().enumerate().any(|(index, entry)| {
            matches!(entry.source, crate::catalog::query::RelationSource::Function(_))
                && (filters.contains(&index) || entry.is_used)
        })
}

fn mentions(expression: &Expression, relations: &[RelationIndex]) -> bool {
    expression.own_columns().iter().any(|column| relations.contains(&column.relation))
}

/// The relation as FROM names it, by the alias that it is printed with.
fn from_item(query: &Query, context: &Context<'_>, index: RelationIndex) -> Option<String> {
    let entry = query.relation(index)?;
    let facts = entry.table()?;
    if entry.is_sampled {
        return None;
    }
    let whole = context.texts.column(query.id, index, 0);
    let alias = whole.strip_suffix(".*")?;
    let only = if entry.is_only { "ONLY " } else { "" };
    // FROM t AS a(b, c) renames columns, which the name alone would undo.
    let renamed = entry.columns.iter().any(|column| column.is_renamed);
    (!renamed).then(|| format!("{only}{} AS {alias}", facts.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::query::Statement;
    use crate::catalog::query::edit::Texts;
    use crate::catalog::query::sample::{column, equal, select, table};
    use crate::query::rewrite::propose_by;

    struct Aliases;

    impl Texts for Aliases {
        fn text(&self, expression: u32) -> String {
            format!("e{expression}")
        }
        fn column(&self, _: u32, relation: RelationIndex, _: ColumnNumber) -> String {
            format!("r{relation}.*")
        }
        fn query(&self, _: u32, _: &[Edit]) -> String {
            String::new()
        }
    }

    fn proposed(keys: &[&[ColumnNumber]], change: impl Fn(&mut Query)) -> Vec<Vec<Edit>> {
        let relations = vec![table("a", &[true, false], keys), table("b", &[true], &[])];
        let mut query = select(0, vec![column(1, 0, 0, 1)], relations);
        query.distinct = Distinct::All;
        query.condition = Some(equal(2, column(3, 0, 1, 1), column(4, 0, 0, 2)));
        change(&mut query);
        let found = propose_by(&RULE, &Statement { query, server: 15, ..Statement::default() }, &Aliases);
        found.into_iter().map(|proposal| proposal.edits).collect()
    }

    #[test]
    fn the_other_side_goes_into_exists() {
        let mut expected = vec![
            Edit::RemoveCondition { expression: 2 },
            Edit::RemoveRelation { query: 0, relation: 1 },
            Edit::AddCondition { query: 0, sql: "EXISTS (SELECT 1 FROM public.b AS r1 WHERE e2)".to_owned() },
        ];
        assert_eq!(proposed(&[], |_| {}), [expected.clone()]);
        expected.push(Edit::DropDistinct { query: 0 });
        assert_eq!(proposed(&[&[1]], |_| {}), [expected]);
    }

    #[test]
    fn a_side_that_is_put_out_stays() {
        let other = |query: &mut Query| {
            query.targets.push(crate::catalog::query::sample::target(2, column(9, 0, 1, 1)))
        };
        assert_eq!(proposed(&[], other), Vec::<Vec<Edit>>::new());
        assert_eq!(proposed(&[], |query| query.distinct = Distinct::No), Vec::<Vec<Edit>>::new());
    }
}
