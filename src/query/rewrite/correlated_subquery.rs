//! A subquery in the select list, or in a comparison, that is run once for each row.

use super::decorrelation::{Correlated, is_last_in_from};
use super::wording::{listed, relation_name};
use super::{Condition, Context, Proposal, Rule};
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{
    ColumnReference, Command, Comparison, Expression, ExpressionKind, FIRST_NORMAL_OID, FromItem, Place,
    Query, Scope, SubLink, SubLinkKind,
};
use crate::finding::Severity;
use crate::syntax::operand::operand;

/// The rule for subqueries in the select list and in comparisons.
pub const RULE: Rule = Rule { id: "query.correlated_subquery", check };

/// The rule for those that look for the latest row of a group.
pub const LATEST: Rule = Rule { id: "query.latest_per_group", check: check_latest };

fn check(scope: &Scope<'_>, context: &Context<'_>, found: &mut Vec<Proposal>) {
    if !may_be_joined(scope.query) {
        return;
    }
    for target in &scope.query.targets {
        target.expression.each(&mut |part| {
            if let Some((link, correlated)) = correlated(part) {
                found.extend(looked_up(scope, context, part, link, &correlated));
            }
        });
    }
    for condition in scope.query.conditions() {
        let Some((_, outer, part)) = compared(condition) else { continue };
        let Some((link, correlated)) = correlated(part) else { continue };
        if is_latest(scope, condition, &correlated) {
            continue;
        }
        let (message, edits, proof) = joined(scope, context, condition, (outer, part), (link, &correlated));
        found.extend(
            edits.map(|edits| Proposal::advice(RULE.id, Severity::Warning, message).edits(edits, proof)),
        );
    }
}

fn check_latest(scope: &Scope<'_>, context: &Context<'_>, found: &mut Vec<Proposal>) {
    if !may_be_joined(scope.query) {
        return;
    }
    for condition in scope.query.conditions() {
        let Some((_, outer, part)) = compared(condition) else { continue };
        let Some((link, correlated)) = correlated(part) else { continue };
        if !is_latest(scope, condition, &correlated) {
            continue;
        }
        let message = format!(
            "the {} for each group of {} is looked up once for each row; once for each group will do",
            correlated.aggregate.map_or("extreme", |aggregate| &aggregate.function.name),
            relations(link),
        );
        let (_, edits, proof) = joined(scope, context, condition, (outer, part), (link, &correlated));
        if let Some(edits) = distinct_on(scope, context, condition, outer, &correlated) {
            found.push(
                Proposal::advice(LATEST.id, Severity::Warning, message.clone())
                    .edits(edits, Condition::Proven),
            );
        }
        found.extend(
            edits.map(|edits| Proposal::advice(LATEST.id, Severity::Warning, message).edits(edits, proof)),
        );
    }
}

/// Whether a join may be put at the end of its FROM and a value of it into its select list.
fn may_be_joined(query: &Query) -> bool {
    query.command == Command::Select
        && query.set_operation.is_none()
        && !query.groups()
        && query.row_locks.is_empty()
        && !query.from.is_empty()
}

/// The correlated subquery that an expression is.
fn correlated(part: &Expression) -> Option<(&SubLink, Correlated<'_>)> {
    let link = part.as_sublink().filter(|link| link.kind == SubLinkKind::Scalar)?;
    Some((link, Correlated::of(&link.query)?))
}

/// A condition that compares something of the query's own with a subquery: how, what, the subquery.
fn compared(condition: &Expression) -> Option<(Comparison, &Expression, &Expression)> {
    let ExpressionKind::Operator(call) = &condition.kind else { return None };
    if call.oid >= FIRST_NORMAL_OID || !call.function.is_strict {
        return None;
    }
    let (comparison, left, right) = condition.as_comparison()?;
    let is_link = |side: &Expression| side.as_sublink().is_some();
    let has_link = |side: &Expression| side.has(is_link);
    if is_link(right) && !has_link(left) {
        return Some((comparison, left, right));
    }
    (is_link(left) && !has_link(right)).then_some((comparison.commuted(), right, left))
}

fn relations(link: &SubLink) -> String {
    let names: Vec<String> = link
        .query
        .from
        .iter()
        .flat_map(FromItem::relations)
        .filter_map(|index| link.query.relation(index).map(relation_name))
        .collect();
    listed(&names, "and")
}

fn proof(link: &SubLink, correlated: &Correlated<'_>) -> Condition {
    if correlated.is_harmless() {
        Condition::Proven
    } else {
        Condition::Unless(format!("no row of {} that the subquery leaves out makes it fail", relations(link)))
    }
}

/// A subquery in the select list: LEFT JOIN.
fn looked_up(
    scope: &Scope<'_>,
    context: &Context<'_>,
    part: &Expression,
    link: &SubLink,
    correlated: &Correlated<'_>,
) -> Option<Proposal> {
    let inner = scope.inner(&link.query, Place::SubLink(part, link));
    // Of several rows, the subquery makes an error and a join makes several rows.
    if correlated.aggregate.is_none() && !correlated.is_unique(&inner) {
        return None;
    }
    if !is_last_in_from(scope.query, &correlated.outer_columns()) {
        return None;
    }
    let alias = context.texts.new_alias(1);
    let join = format!(
        "LEFT JOIN {} ON {}",
        correlated.derived(context, &alias),
        correlated.matches(context, &alias)
    );
    let is_count = correlated.aggregate.is_some_and(|aggregate| aggregate.function.is_builtin("count"));
    let value = if is_count { format!("COALESCE({alias}.value, 0)") } else { format!("{alias}.value") };
    let edits = vec![
        Edit::AddJoin { query: scope.query.id, sql: join },
        Edit::ReplaceExpression { expression: part.id, sql: value },
    ];
    Some(
        Proposal::advice(
            RULE.id,
            Severity::Warning,
            format!(
                "a subquery on {} is run once for each row of the result; a join reads it once",
                relations(link)
            ),
        )
        .edits(edits, proof(link, correlated)),
    )
}

/// A subquery in a comparison: JOIN, since a comparison with NULL never holds. No text for count, which is 0 and not
/// NULL where there are no rows, and for what may be several rows.
fn joined(
    scope: &Scope<'_>,
    context: &Context<'_>,
    condition: &Expression,
    (outer, part): (&Expression, &Expression),
    (link, correlated): (&SubLink, &Correlated<'_>),
) -> (String, Option<Vec<Edit>>, Condition) {
    let message = format!("a subquery on {} is run once for each row; a join reads it once", relations(link));
    let inner = scope.inner(&link.query, Place::SubLink(part, link));
    let is_fit = match correlated.aggregate {
        Some(aggregate) => !aggregate.function.is_builtin("count"),
        None => correlated.is_unique(&inner),
    };
    let columns = correlated.outer_columns();
    if !is_fit || !is_last_in_from(scope.query, &columns) {
        return (message, None, Condition::Proven);
    }
    let Some((call, left, right)) = condition.as_operator() else {
        return (message, None, Condition::Proven);
    };
    let alias = context.texts.new_alias(1);
    let join =
        format!("JOIN {} ON {}", correlated.derived(context, &alias), correlated.matches(context, &alias));
    let side = |side: &Expression| {
        if side.id == part.id { format!("{alias}.value") } else { operand(&context.texts.text(outer.id)) }
    };
    let edits = vec![
        Edit::AddJoin { query: scope.query.id, sql: join },
        Edit::ReplaceExpression {
            expression: condition.id,
            sql: format!("{} {} {}", side(left), call.name, side(right)),
        },
    ];
    (message, Some(edits), proof(link, correlated))
}

/// Whether it is `t.moment = (SELECT max(u.moment) FROM t AS u WHERE u.key = t.key)`.
fn is_latest(scope: &Scope<'_>, condition: &Expression, correlated: &Correlated<'_>) -> bool {
    latest(scope, condition, correlated).is_some()
}

/// The outer column that is to be the extreme one.
fn latest<'a>(
    scope: &Scope<'_>,
    condition: &'a Expression,
    correlated: &Correlated<'_>,
) -> Option<&'a ColumnReference> {
    let aggregate = correlated.aggregate?;
    let (Comparison::Equal, outer, _) = compared(condition)? else { return None };
    if !(aggregate.function.is_builtin("max") || aggregate.function.is_builtin("min")) {
        return None;
    }
    let own = outer.without_relabels().as_own_column()?;
    let value = aggregate.arguments.first()?.without_relabels().as_own_column()?;
    let table = |query: &Query, index: usize| query.relation(index)?.table().map(|facts| facts.oid);
    let same_table = table(scope.query, own.relation)
        .is_some_and(|oid| table(correlated.query, value.relation) == Some(oid));
    let same_keys = correlated.keys.iter().all(|(_, inner, outer)| {
        match (inner.without_relabels().as_column(), outer.without_relabels().as_column()) {
            (Some(inner), Some(outer)) => inner.column == outer.column && outer.relation == own.relation,
            _ => false,
        }
    });
    let alone = correlated.query.only_relation().is_some();
    (same_table && same_keys && alone && own.column == value.column && aggregate.filter.is_none())
        .then_some(own)
}

/// The same as DISTINCT ON, where a group has one latest row and nothing else is asked of the rows.
fn distinct_on(
    scope: &Scope<'_>,
    context: &Context<'_>,
    condition: &Expression,
    outer: &Expression,
    correlated: &Correlated<'_>,
) -> Option<Vec<Edit>> {
    let query = scope.query;
    let own = latest(scope, condition, correlated)?;
    let columns = correlated.outer_columns();
    let mut unique: Vec<_> = columns.iter().map(|column| column.column).collect();
    unique.push(own.column);
    let is_alone = query.is_plain()
        && query.order_by.is_empty()
        && query.only_relation() == Some(own.relation)
        && query.conditions().len() == 1
        && correlated.rest.is_empty()
        && scope.unique_key(own.relation, &unique).is_some();
    // The key proves that its own columns are never NULL; the others must not be either.
    let never_null = columns.iter().chain([own]).all(|column| {
        query
            .relation(column.relation)
            .and_then(|entry| entry.column(column.column))
            .is_some_and(|column| column.is_not_null)
    });
    let is_default = outer.is_deterministic;
    if !is_alone || !never_null || !is_default {
        return None;
    }
    let keys: Vec<String> =
        columns.iter().map(|column| context.texts.column(query.id, column.relation, column.column)).collect();
    let targets: Vec<String> = query
        .output()
        .map(|target| {
            let name = crate::text::identifier::quote_identifier(&target.name);
            format!("{} AS {name}", context.texts.text(target.expression.id))
        })
        .collect();
    let direction = if correlated.aggregate?.function.is_builtin("max") { "DESC" } else { "ASC" };
    let keys = keys.join(", ");
    let latest = context.texts.column(query.id, own.relation, own.column);
    Some(vec![
        Edit::RemoveCondition { expression: condition.id },
        Edit::ReplaceTargets { query: query.id, sql: format!("DISTINCT ON ({keys}) {}", targets.join(", ")) },
        Edit::ReplaceSort { query: query.id, sql: format!("{keys}, {latest} {direction}") },
    ])
}
