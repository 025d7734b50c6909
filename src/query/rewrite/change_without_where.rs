//! UPDATE or DELETE without WHERE: every row.

use crate::catalog::query::{Command, Scope};
use crate::finding::Severity;

use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.change_without_where", check };

fn check(scope: &Scope<'_>, _: &Context<'_>, proposals: &mut Vec<Proposal>) {
    let query = scope.query;
    let changes = match query.command {
        Command::Update => "changes",
        Command::Delete => "deletes",
        _ => return,
    };
    // What stands beside the changed table may filter by a join's ON; see `query.join_without_condition`.
    let is_alone =
        query.from.iter().flat_map(|item| item.relations()).all(|index| Some(index) == query.changed);
    let Some(table) = query.changed.and_then(|index| query.relation(index)).and_then(|entry| entry.table())
    else {
        return;
    };
    if query.condition.is_some() || !is_alone {
        return;
    }
    let rest =
        if query.command == Command::Delete { "; where that is meant, TRUNCATE does it at once" } else { "" };
    proposals.push(Proposal::advice(
        RULE.id,
        Severity::Warning,
        format!("without WHERE the statement {changes} every row of {}{rest}", table.name),
    ));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{count, where_};
    use super::RULE;
    use crate::catalog::query::Command;
    use crate::catalog::query::sample::{column, equal, integer};

    #[test]
    fn a_change_says_of_what() {
        for (command, has_where, expected) in [
            (Command::Update, false, 1),
            (Command::Delete, false, 1),
            (Command::Delete, true, 0),
            (Command::Select, false, 0),
        ] {
            let mut query = where_(equal(1, column(2, 0, 0, 1), integer(3, 1)));
            query.command = command;
            query.changed = Some(0);
            query.from.clear();
            if !has_where {
                query.condition = None;
            }
            assert_eq!(count(&RULE, &query), expected, "{command:?}");
        }
    }
}
