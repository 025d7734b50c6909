//! A timestamp compared with a timestamptz: what it says depends on the time zone of the session.

use crate::catalog::query::Scope;
use crate::catalog::types::builtin;
use crate::finding::Severity;

use super::filter::{TableColumn, in_filters};
use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.mixed_time_zones", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    for part in in_filters(scope.query) {
        let Some((_, left, right)) = part.as_comparison() else { continue };
        let is_mixed = |one: u32, another: u32| one == builtin::TIMESTAMP && another == builtin::TIMESTAMPTZ;
        let (one, another) = (left.type_oid, right.type_oid);
        let is_column = TableColumn::of(scope, left).is_some() || TableColumn::of(scope, right).is_some();
        if !is_column || !(is_mixed(one, another) || is_mixed(another, one)) {
            continue;
        }
        proposals.push(Proposal::advice(
            RULE.id,
            Severity::Warning,
            format!(
                "{} compares a timestamp with a timestamp with time zone: which moment the former is depends on each session's TimeZone; AT TIME ZONE says it",
                context.texts.text(part.id)
            ),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{count, where_};
    use super::RULE;
    use crate::catalog::query::sample::{column, compare};
    use crate::catalog::query::{Comparison, Expression};
    use crate::catalog::types::builtin;

    #[test]
    fn one_with_and_one_without() {
        for (one, another, expected) in [
            (builtin::TIMESTAMP, builtin::TIMESTAMPTZ, 1),
            (builtin::TIMESTAMPTZ, builtin::TIMESTAMP, 1),
            (builtin::TIMESTAMPTZ, builtin::TIMESTAMPTZ, 0),
            (builtin::TIMESTAMPTZ, builtin::DATE, 0),
        ] {
            let of = |id, type_oid| Expression { type_oid, ..column(id, 0, 0, 1) };
            let condition = compare(1, Comparison::Less, of(2, one), of(3, another));
            assert_eq!(count(&RULE, &where_(condition)), expected);
        }
    }
}
