//! A function of one's own in WHERE that is VOLATILE, as it is where nobody said otherwise: called for every row, and
//! no index, no partition and no estimate helps.

use crate::catalog::Volatility;
use crate::catalog::query::{ExpressionKind, FIRST_NORMAL_OID, Scope};
use crate::finding::Severity;

use super::filter::in_filters;
use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.volatile_function_per_row", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let mut said: Vec<u32> = Vec::new();
    for part in in_filters(scope.query) {
        let ExpressionKind::Function(call) = &part.kind else { continue };
        let is_own =
            call.function.oid >= FIRST_NORMAL_OID && call.function.volatility == Volatility::Volatile;
        if !is_own || said.contains(&call.function.oid) {
            continue;
        }
        said.push(call.function.oid);
        let name = &call.function.name;
        proposals.push(Proposal::advice(
            RULE.id,
            Severity::Warning,
            format!(
                "{} is called for every row, because the function {name} is VOLATILE; if it only reads, declare it STABLE, and if it only computes, IMMUTABLE",
                context.texts.text(part.id)
            ),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, count, volatile, where_};
    use super::RULE;
    use crate::catalog::query::sample::{column, equal, integer};
    use crate::catalog::query::{Expression, ExpressionKind};

    fn own(mut call: Expression) -> Expression {
        if let ExpressionKind::Function(call) = &mut call.kind {
            call.function.oid = 20_000;
        }
        call
    }

    #[test]
    fn one_s_own_volatile_function_is_called_for_every_row() {
        let call = || call(2, "rank_of", vec![column(3, 0, 0, 1)]);
        let said = |call| count(&RULE, &where_(equal(1, call, integer(4, 1))));
        assert_eq!(said(own(volatile(call()))), 1);
        assert_eq!(said(own(call())), 0);
        assert_eq!(said(volatile(call())), 0);
    }
}
