//! `SELECT ... LIMIT 1 FOR UPDATE`: workers that take from a queue wait for each other.

use crate::catalog::query::Scope;
use crate::finding::Severity;

use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.queue_without_skip_locked", check };

fn check(scope: &Scope<'_>, _: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    let waits = query.row_locks.iter().find(|lock| lock.is_update && !lock.skips_locked && !lock.is_nowait);
    let Some(lock) = waits.filter(|_| query.limit.is_some()) else { return };
    let name = query.relation(lock.relation).map_or("", |entry| &entry.alias);
    proposals.push(Proposal::advice(
        RULE.id,
        Severity::Warning,
        format!(
            "LIMIT with FOR UPDATE waits for whoever locks the first rows of {name}, and may then find fewer than it asked for; a worker that takes from a queue wants SKIP LOCKED"
        ),
    ));
}

#[cfg(test)]
mod tests {
    use super::super::testing::count;
    use super::RULE;
    use crate::catalog::query::RowLock;
    use crate::catalog::query::sample::{column, integer, select, table};

    #[test]
    fn the_first_free_row_is_wanted() {
        for (is_limited, skips_locked, is_update, expected) in
            [(true, false, true, 1), (false, false, true, 0), (true, true, true, 0), (true, false, false, 0)]
        {
            let mut query = select(0, vec![column(1, 0, 0, 1)], vec![table("t", &[true], &[])]);
            query.limit = is_limited.then(|| integer(2, 1));
            query.row_locks = vec![RowLock { relation: 0, skips_locked, is_nowait: false, is_update }];
            assert_eq!(count(&RULE, &query), expected);
        }
    }
}
