//! Names that are reserved words.

use rustc_hash::FxHashSet;

use super::style::own_columns;
use super::suggestion::{Suggestions, plain};
use crate::catalog::Column;
use crate::catalog::types::builtin;
use crate::design::designed::designed_tables;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::identifier::is_reserved_word;
use crate::text::words::{last_word, snake_case};
use crate::text::{english, quote_identifier};

/// A schema, table or column is named with a word that cannot be written without quotes.
pub const RESERVED_WORD_NAME: Rule = Rule {
    id: "schema.reserved_word_name",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Name is a reserved word",
    why: "A reserved word must be quoted in every query. Without quotes it is a syntax error at best; user and \
          current_date are valid SQL that silently returns something else.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-keywords-appendix.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let suggestions = Suggestions::new(snapshot);
    let mut schemas = FxHashSet::default();
    let mut examined = 0;
    for table in designed_tables(facts) {
        examined += 1;
        let schema = snapshot.schema_name(table.schema);
        if schemas.insert(table.schema) {
            examined += 1;
            if is_reserved_word(schema) {
                let message = format!(
                    "schema {} is a reserved word: it must be quoted wherever it is named",
                    quote_identifier(schema)
                );
                verdicts.find(Finding::new(quote_identifier(schema), schema, message));
            }
        }
        if is_reserved_word(&table.name) {
            let object = snapshot.relation_name(table.oid);
            let message =
                format!("table {object} is a reserved word: it must be quoted wherever it is named");
            let suggested = english::plural(&table.name).filter(|plural| **plural != *table.name);
            verdicts.find(suggestions.table(Finding::new(object, schema, message), table, suggested));
        }
    }
    for (table, column) in own_columns(facts) {
        examined += 1;
        if is_reserved_word(&column.name) {
            let object = snapshot.column_name(column);
            let message =
                format!("column {object} is a reserved word: it must be quoted wherever it is named");
            let finding = Finding::new(object, snapshot.schema_name(table.schema), message);
            let is_boolean =
                snapshot.base_type(column.type_oid).is_some_and(|base| base.oid == builtin::BOOL);
            let suggested = plain(longer(column, &table.name, is_boolean));
            verdicts.find(suggestions.column(finding, table.oid, suggested));
        }
    }
    verdicts.examine(examined);
}

/// The word with another that makes it a name: `is_default`, `event_end`.
fn longer(column: &Column, table: &str, is_boolean: bool) -> String {
    match &*column.name {
        word if is_boolean => format!("is_{word}"),
        "desc" => "description".to_owned(),
        "order" => "position".to_owned(),
        word => format!("{}_{word}", english::singular(last_word(&snake_case(table)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    #[test]
    fn reserved_words_are_found_with_a_better_name() {
        let mut sample = Sample::new();
        sample.keyed_table("user");
        let events = sample.keyed_table("events");
        for (name, type_oid) in [
            ("end", builtin::TIMESTAMPTZ),
            ("order", builtin::INT4),
            ("default", builtin::BOOL),
            ("desc", builtin::TEXT),
            ("left", builtin::INT4),
        ] {
            sample.column(events, name, type_oid);
        }
        let schema = sample.schema("analyze");
        sample.table_in(schema, "reports");
        let (findings, unknowns, examined) = run(&RESERVED_WORD_NAME, &sample.finish());
        assert!(unknowns.is_empty());
        // Two schemas, three tables, seven columns.
        assert_eq!(examined, 12);
        let suggested: Vec<(&str, Option<&str>)> = findings
            .iter()
            .map(|finding| {
                let name = finding.evidence.get("suggested_name").and_then(|name| name.as_str());
                (&*finding.object, name)
            })
            .collect();
        assert_eq!(
            suggested,
            [
                ("public.\"user\"", Some("users")),
                ("\"analyze\"", None),
                ("public.events.\"end\"", Some("event_end")),
                ("public.events.\"order\"", Some("position")),
                ("public.events.\"default\"", Some("is_default")),
                ("public.events.\"desc\"", Some("description")),
                ("public.events.\"left\"", Some("event_left")),
            ]
        );
        assert!(findings.iter().all(|finding| finding.fix.is_none()));
    }

    #[test]
    fn words_that_need_no_quotes_are_left_alone() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("values");
        for name in [
            "name",
            "type",
            "value",
            "position",
            "timestamp",
            "status",
            "users",
            "User",
            "key",
            "year",
            "index",
        ] {
            sample.column(table, name, builtin::TEXT);
        }
        assert!(run(&RESERVED_WORD_NAME, &sample.finish()).0.is_empty());
    }
}
