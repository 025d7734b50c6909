//! All rows of a large table sent to the client.

use crate::catalog::query::{Command, Place, Scope};
use crate::finding::Severity;

use super::filter::has_rows;
use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.no_limit", check };

/// More rows are for no reader.
const MANY_ROWS: f64 = 100_000.0;

fn check(scope: &Scope<'_>, _: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    let Some(table) =
        query.only_relation().and_then(|index| query.relation(index)).and_then(|entry| entry.table())
    else {
        return;
    };
    let sends_all = matches!(scope.place, Place::Top)
        && query.command == Command::Select
        && query.is_plain()
        && query.condition.is_none();
    // Of a table that was never analysed nobody knows that it is large.
    let (true, Some(rows), true) = (sends_all, table.rows, has_rows(table, MANY_ROWS)) else { return };
    proposals.push(
        Proposal::advice(
            RULE.id,
            Severity::Info,
            format!(
                "the query sends all {rows:.0} rows of {} to the client; LIMIT, or a cursor that fetches some at a time, spares memory on both sides",
                table.name
            ),
        )
        .evidence("rows", rows),
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing::{count, where_, with_rows};
    use super::RULE;
    use crate::catalog::query::sample::{column, equal, integer, select, table};

    #[test]
    fn a_large_table_as_a_whole() {
        let whole =
            |rows| select(0, vec![column(1, 0, 0, 1)], vec![with_rows(table("t", &[true], &[]), rows)]);
        assert_eq!(count(&RULE, &whole(1e6)), 1);
        assert_eq!(count(&RULE, &whole(1e3)), 0);
        let mut limited = whole(1e6);
        limited.limit = Some(integer(5, 10));
        assert_eq!(count(&RULE, &limited), 0);
        assert_eq!(count(&RULE, &where_(equal(1, column(2, 0, 0, 1), integer(3, 1)))), 0);
    }
}
