//! UNION looks for equal rows; where there can be none, or where nobody minds, UNION ALL does not have to.

use super::{Condition, Context, Proposal, Rule};
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{
    Comparison, ExpressionKind, Place, Query, RelationIndex, Scope, SetOperator, SetTree, SubLinkKind,
};
use crate::catalog::types::builtin;
use crate::catalog::{ColumnNumber, Oid};
use crate::finding::Severity;

/// The rule.
pub const RULE: Rule = Rule { id: "query.union_without_all", check };

fn check(scope: &Scope<'_>, _: &Context<'_>, found: &mut Vec<Proposal>) {
    let query = scope.query;
    let Some(tree) = &query.set_operation else { return };
    let (mut branches, mut operations) = (Vec::new(), Vec::new());
    if !unions(tree, &mut branches, &mut operations) || operations.is_empty() {
        return;
    }
    let edits: Vec<Edit> =
        operations.iter().map(|&operation| Edit::KeepDuplicates { query: query.id, operation }).collect();
    let proposal = |message: &str, severity, condition| {
        Proposal::advice(RULE.id, severity, message)
            .evidence("branches", branches.len())
            .edits(edits.clone(), condition)
    };
    let is_test = matches!(
        scope.place,
        Place::SubLink(_, link) if matches!(link.kind, SubLinkKind::Any | SubLinkKind::All | SubLinkKind::Exists)
    );
    if is_test && query.limit.is_none() && query.offset.is_none() {
        let message =
            "UNION in a subquery that is only searched looks for equal rows in vain; UNION ALL does not";
        found.push(proposal(message, Severity::Warning, Condition::Proven));
        return;
    }
    // Without proof that each branch is free of duplicates, that UNION is there for them is the likelier reading.
    let all_unique = branches.iter().all(|&branch| {
        query.relation(branch).and_then(|entry| entry.subquery()).is_some_and(|inner| {
            let columns: Vec<ColumnNumber> = (1..).zip(inner.output()).map(|(number, _)| number).collect();
            scope.inner(inner, Place::From(branch)).output_is_unique(&columns)
        })
    });
    if !all_unique {
        return;
    }
    let are_disjoint = branches.iter().enumerate().all(|(position, &one)| {
        branches.iter().skip(position + 1).all(|&another| are_disjoint(query, one, another))
    });
    found.push(if are_disjoint {
        let message = "UNION looks for equal rows where there can be none; UNION ALL does not";
        proposal(message, Severity::Warning, Condition::Proven)
    } else {
        let message = "UNION looks for rows that several of its queries return; UNION ALL does not";
        let condition = Condition::Unless("no row comes from two of the queries".to_owned());
        proposal(message, Severity::Info, condition)
    });
}

/// The branches of a tree of UNIONs, and those of its operations that look for equal rows; false where something else
/// is in it.
fn unions(tree: &SetTree, branches: &mut Vec<RelationIndex>, operations: &mut Vec<usize>) -> bool {
    match tree {
        SetTree::Branch(index) => {
            branches.push(*index);
            true
        }
        SetTree::Operation { number, operator: SetOperator::Union, all, left, right } => {
            if !all {
                operations.push(*number);
            }
            unions(left, branches, operations) && unions(right, branches, operations)
        }
        SetTree::Operation { .. } => false,
    }
}

/// Whether some column has one fixed value in one branch and another one in the other.
fn are_disjoint(query: &Query, one: RelationIndex, another: RelationIndex) -> bool {
    let branch = |index: RelationIndex| query.relation(index).and_then(|entry| entry.subquery());
    let (Some(one), Some(another)) = (branch(one), branch(another)) else { return false };
    let columns = one.output().count();
    (0..columns).any(|position| match (fixed_value(one, position), fixed_value(another, position)) {
        (Some(left), Some(right)) => left.0 == right.0 && left.1 != right.1,
        _ => false,
    })
}

/// The one value that an output column can have, of a type whose values print differently where they differ and only
/// there.
fn fixed_value(query: &Query, position: usize) -> Option<(Oid, String)> {
    // A set operation within, or what groups into sets, says nothing of single rows.
    if query.set_operation.is_some() || query.has_grouping_sets {
        return None;
    }
    let expression = &query.output().nth(position)?.expression;
    let printable = |type_oid: Oid| {
        matches!(
            type_oid,
            builtin::BOOL
                | builtin::INT2
                | builtin::INT4
                | builtin::INT8
                | builtin::TEXT
                | builtin::VARCHAR
                | builtin::DATE
                | builtin::UUID
        )
    };
    if !expression.is_deterministic || !printable(expression.type_oid) {
        return None;
    }
    if let Some(constant) = expression.without_relabels().as_constant() {
        return Some((expression.type_oid, constant.text.clone()?));
    }
    let column = expression.without_relabels().as_own_column()?;
    query.inner_conditions().into_iter().find_map(|condition| {
        let (comparison, left, right) = condition.as_comparison()?;
        let ExpressionKind::Operator(call) = &condition.kind else { return None };
        if comparison != Comparison::Equal || !call.is_builtin("=") || !call.is_deterministic {
            return None;
        }
        let (one, value) = [(left, right), (right, left)]
            .into_iter()
            .find(|(one, _)| one.without_relabels().as_own_column() == Some(column))?;
        let constant = value.as_constant()?;
        // varchar is compared as text; between other types, the same value may print differently.
        let same_type = one.type_oid == value.type_oid && printable(value.type_oid);
        same_type.then(|| constant.text.clone().map(|text| (expression.type_oid, text)))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::query::sample::{Numbers, column, equal, integer, select, table};
    use crate::catalog::query::{RangeTableEntry, RelationSource, Statement};
    use crate::query::rewrite::propose_by;

    fn branch(id: u32, value: Option<i64>, keys: &[&[ColumnNumber]]) -> RangeTableEntry {
        let mut query =
            select(id, vec![column(1, 0, 0, 1), column(2, 0, 0, 2)], vec![table("a", &[true, true], keys)]);
        query.condition = value.map(|value| equal(3, column(4, 0, 0, 2), integer(5, value)));
        let source = RelationSource::Subquery(Box::new(query));
        RangeTableEntry { source, is_used: true, ..RangeTableEntry::default() }
    }

    fn proposed(left: RangeTableEntry, right: RangeTableEntry) -> Option<Condition> {
        let mut query = select(0, vec![], vec![left, right]);
        query.from.clear();
        query.set_operation = Some(SetTree::Operation {
            number: 0,
            operator: SetOperator::Union,
            all: false,
            left: Box::new(SetTree::Branch(0)),
            right: Box::new(SetTree::Branch(1)),
        });
        let found = propose_by(&RULE, &Statement { query, server: 15, ..Statement::default() }, &Numbers);
        found.into_iter().next().map(|proposal| proposal.condition)
    }

    #[test]
    fn proven_where_branches_are_unique_and_differ_in_a_fixed_value() {
        let keys: &[&[ColumnNumber]] = &[&[1]];
        assert_eq!(proposed(branch(1, Some(1), keys), branch(2, Some(2), keys)), Some(Condition::Proven));
        for (left, right) in [(Some(1), Some(1)), (Some(1), None)] {
            let found = proposed(branch(1, left, keys), branch(2, right, keys));
            assert!(matches!(found, Some(Condition::Unless(_))), "{found:?}");
        }
        assert_eq!(proposed(branch(1, Some(1), &[]), branch(2, Some(2), keys)), None);
    }
}
