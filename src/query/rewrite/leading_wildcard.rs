//! `LIKE '%abc%'` and ILIKE: no B-tree finds what may stand anywhere; an index of trigrams does.

use crate::catalog::query::Scope;
use crate::finding::Severity;
use crate::text::identifier::{quote_identifier, quote_literal, quote_qualified};

use super::filter::{TableColumn, in_filters, is_large, is_text, literal};
use super::pattern::{Element, longest_word, parse, reversed};
use super::{Context, Proposal, Rule};

/// The rule.
pub const RULE: Rule = Rule { id: "query.leading_wildcard", check };

fn check(scope: &Scope<'_>, context: &Context<'_>, proposals: &mut Vec<Proposal>) {
    for part in in_filters(scope.query) {
        let Some((call, left, right)) = part.as_operator() else { continue };
        let folds_case = call.is_builtin("~~*");
        if !folds_case && !call.is_builtin("~~") {
            continue;
        }
        let Some(column) = TableColumn::of(scope, left.without_relabels()) else { continue };
        let Some(text) = literal(right) else { continue };
        let Some(pattern) = parse(text) else { continue };
        let is_open = matches!(pattern.first(), Some(Element::Any | Element::One));
        // What stands at the end alone is `query.suffix_pattern`; where nothing but wildcards is asked for, all is found.
        let is_suffix = !folds_case && is_text(left.without_relabels()) && reversed(text).is_some();
        let asks_nothing = pattern.iter().all(|&element| element == Element::Any);
        if !(is_open || folds_case) || is_suffix || asks_nothing {
            continue;
        }
        if !is_large(column.table) || column.has_operator_family(&["gin", "gist"], "trgm") {
            continue;
        }
        let name = format!("{}.{}", column.table.name, quote_identifier(&column.column.name));
        let condition =
            format!("{name} {} {}", if folds_case { "ILIKE" } else { "LIKE" }, quote_literal(text));
        if longest_word(&pattern) < 3 {
            proposals.push(Proposal::advice(
                RULE.id,
                Severity::Info,
                format!(
                    "{condition} reads all of {}: no index finds fewer than three letters in a row",
                    column.table.name
                ),
            ));
            continue;
        }
        let why = if is_open { "what may stand anywhere in it" } else { "upper and lower case alike" };
        let create = |schema: &str| {
            format!(
                "CREATE INDEX CONCURRENTLY ON {} USING gin ({} {})",
                column.table.name,
                quote_identifier(&column.column.name),
                quote_qualified(schema, "gin_trgm_ops")
            )
        };
        let trigrams = &context.statement.trigrams;
        let proposal = |rest: &str| {
            Proposal::advice(
                RULE.id,
                Severity::Warning,
                format!("{condition} cannot use a B-tree index, which does not find {why}; {rest}"),
            )
        };
        proposals.push(match (&trigrams.schema, trigrams.is_available) {
            (Some(schema), _) => proposal("an index of its trigrams does").statement(create(schema)),
            (None, true) => {
                proposal("an index of its trigrams does, once the extension pg_trgm is installed")
                    .statement(format!("CREATE EXTENSION pg_trgm SCHEMA public;\n{};", create("public")))
            }
            (None, false) => proposal(
                "an index of its trigrams would, but the server has no files of the extension pg_trgm",
            ),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        operator, propose, text_column, text_literal, text_table, where_of, with_rows,
    };
    use super::RULE;
    use crate::catalog::query::{Extension, IndexedColumn, Statement};

    fn said(
        symbol: &str,
        pattern: &str,
        change: impl FnOnce(&mut Statement),
    ) -> Vec<(String, Option<String>)> {
        let condition = operator(1, symbol, text_column(2, 1), text_literal(3, pattern));
        let mut statement = Statement {
            query: where_of(condition, vec![with_rows(text_table("t"), 1e6)]),
            server: 15,
            trigrams: Extension { schema: None, is_available: true },
        };
        change(&mut statement);
        propose(&RULE, &statement)
            .into_iter()
            .map(|proposal| (proposal.message, proposal.statement))
            .collect()
    }

    #[test]
    fn what_may_stand_anywhere_wants_trigrams() {
        for (symbol, pattern, expected) in [
            ("~~", "%abc%", 1),
            ("~~*", "abc%", 1),
            ("~~", "_bc%def", 1),
            ("~~", "abc%", 0),
            ("~~", "%abc", 0),
            ("~~", "%", 0),
        ] {
            assert_eq!(said(symbol, pattern, |_| ()).len(), expected, "{pattern}");
        }
    }

    #[test]
    fn the_statement_fits_what_is_installed() {
        let [(_, Some(sql))] = &said("~~", "%abc%", |_| ())[..] else { panic!() };
        assert!(sql.starts_with("CREATE EXTENSION pg_trgm SCHEMA public;\nCREATE INDEX CONCURRENTLY ON public.t USING gin (c1 public.gin_trgm_ops)"));
        let installed = |statement: &mut Statement| statement.trigrams.schema = Some("x".to_owned());
        let [(_, Some(sql))] = &said("~~", "%abc%", installed)[..] else { panic!() };
        assert_eq!(sql, "CREATE INDEX CONCURRENTLY ON public.t USING gin (c1 x.gin_trgm_ops)");
        let missing = |statement: &mut Statement| statement.trigrams.is_available = false;
        assert!(matches!(&said("~~", "%abc%", missing)[..], [(_, None)]));
        // Two letters make no trigram.
        assert!(matches!(&said("~~", "%ab%", |_| ())[..], [(_, None)]));
    }

    #[test]
    fn an_index_of_trigrams_that_is_there_is_enough() {
        let indexed = |statement: &mut Statement| {
            if let crate::catalog::query::RelationSource::Table(table) =
                &mut statement.query.relations[0].source
            {
                table.indexed_columns.push(IndexedColumn {
                    column: 1,
                    method: "gin".to_owned(),
                    operator_family: "gin_trgm_ops".to_owned(),
                });
            }
        };
        assert!(said("~~", "%abc%", indexed).is_empty());
    }
}
