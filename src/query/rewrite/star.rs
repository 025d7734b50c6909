//! `SELECT *`: every column is read and sent, whoever needs it.

use super::{Context, Proposal, Rule};
use crate::catalog::query::{Place, Scope, Target};
use crate::finding::Severity;
use crate::query::rewrite::wording::{listed, relation_name};

/// The rule.
pub const RULE: Rule = Rule { id: "query.select_star", check };

/// With fewer columns a list saves nothing.
const FEW_COLUMNS: usize = 8;

fn check(scope: &Scope<'_>, _: &Context<'_>, found: &mut Vec<Proposal>) {
    // Within a query the planner leaves out by itself what nobody uses.
    if !matches!(scope.place, Place::Top) || !scope.query.has_star {
        return;
    }
    let tables: Vec<String> = scope
        .query
        .relations
        .iter()
        .enumerate()
        .filter(|(position, entry)| entry.table().is_some() && is_put_out(scope, *position))
        .map(|(_, entry)| relation_name(entry))
        .collect();
    let columns = scope.query.output().count();
    if tables.is_empty() || columns < FEW_COLUMNS {
        return;
    }
    found.push(
        Proposal::advice(
            RULE.id,
            Severity::Info,
            format!(
                "the select list has a * that brings {columns} columns of {}: named columns let an index answer alone and send less",
                listed(&tables, "and"),
            ),
        )
        .evidence("columns", columns),
    );
}

/// Whether a column of the relation is among what is put out.
fn is_put_out(scope: &Scope<'_>, relation: usize) -> bool {
    let own =
        |target: &Target| target.expression.as_own_column().is_some_and(|column| column.relation == relation);
    scope.query.output().any(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::query::Statement;
    use crate::catalog::query::sample::{Numbers, column, select, table};
    use crate::query::rewrite::propose_by;

    #[test]
    fn many_columns_of_a_table() {
        let flags = [false; 9];
        let targets = (1..=9).map(|number| column(0, 0, 0, number)).collect();
        let mut statement = Statement {
            query: select(0, targets, vec![table("a", &flags, &[])]),
            server: 15,
            ..Statement::default()
        };
        assert_eq!(propose_by(&RULE, &statement, &Numbers), []);
        statement.query.has_star = true;
        assert_eq!(propose_by(&RULE, &statement, &Numbers).len(), 1);
        // A table that only filters is not named.
        statement.query.relations.push(table("b", &flags, &[]));
        let message = &propose_by(&RULE, &statement, &Numbers)[0].message;
        assert!(message.contains("9 columns of public.a: "), "{message}");
        statement.query.targets.truncate(3);
        assert_eq!(propose_by(&RULE, &statement, &Numbers), []);
    }
}
