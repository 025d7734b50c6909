//! Upper and lower case, spaces and signs.

use super::style::{Kind, Lesson, Named, THRESHOLDS, judge, own_columns};
use super::suggestion::{Suggestions, plain};
use crate::change::names::census::{Convention, Prevailing, Style};
use crate::design::designed::designed_tables;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::identifier::is_plain;
use crate::text::words::{camel_case, pascal_case, snake_case};

/// A table's name needs quotes because of its letters.
pub const TABLE_NAME_CASE: Rule = Rule {
    id: "schema.table_name_case",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Table name is not in snake_case",
    why: "PostgreSQL folds names without quotes to lower case, so that a table with capitals, spaces or signs in its \
          name must be quoted in every query for ever, and whoever forgets gets \"relation does not exist\".",
    thresholds: THRESHOLDS,
    reference: "https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS",
    check: check_tables,
};

/// A column's name needs quotes because of its letters.
pub const COLUMN_NAME_CASE: Rule = Rule {
    id: "schema.column_name_case",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Column name is not in snake_case",
    why: "PostgreSQL folds names without quotes to lower case, so that a column with capitals, spaces or signs in its \
          name must be quoted in every query for ever, and whoever forgets gets \"column does not exist\".",
    thresholds: THRESHOLDS,
    reference: "https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS",
    check: check_columns,
};

const SNAKE: Style = "snake_case";
const CAMEL: Style = "camelCase";
const PASCAL: Style = "PascalCase";
const UPPER: Style = "UPPER_CASE";
const SIGNS: Style = "spaces or signs";
const FOREIGN: Style = "letters beyond ASCII";

const CONVENTION: Convention = Convention { house: &[SNAKE], tolerated: &[] };

/// The style of a name; `None` for a single word in lower case, which is at home in every style.
fn style_of(name: &str) -> Option<Style> {
    let has = |test: fn(&u8) -> bool| name.bytes().any(|byte| test(&byte));
    if !name.is_ascii() {
        // The server takes small letters beyond ASCII without quotes and leaves them as they are.
        let is_small = |letter: char| letter.is_alphabetic() && !letter.is_uppercase();
        let is_plain =
            name.chars().all(|letter| is_small(letter) || letter.is_ascii_digit() || letter == '_')
                && !name.starts_with(|first: char| first.is_ascii_digit());
        return if is_plain { has(|byte| *byte == b'_').then_some(SNAKE) } else { Some(FOREIGN) };
    }
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if !begins_well || has(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_') {
        return Some(SIGNS);
    }
    if !has(u8::is_ascii_uppercase) {
        return has(|byte| *byte == b'_').then_some(SNAKE);
    }
    if !has(u8::is_ascii_lowercase) {
        return Some(UPPER);
    }
    Some(if name.trim_start_matches('_').starts_with(|first: char| first.is_ascii_uppercase()) {
        PASCAL
    } else {
        CAMEL
    })
}

fn check_tables(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let mut examined = 0;
    let mut names = Vec::new();
    for table in designed_tables(facts) {
        examined += 1;
        names.extend(style_of(&table.name).map(|style| Named { style, name: &table.name, subject: table }));
    }
    let snapshot = facts.snapshot;
    let suggestions = Suggestions::new(snapshot);
    let kind = Kind { what: "table names", convention: CONVENTION };
    judge(verdicts, &kind, examined, &names, |named, lesson| {
        let table = named.subject;
        let object = snapshot.relation_name(table.oid);
        let message = message("table", &object, named.name, lesson)?;
        let finding =
            Finding::new(object, snapshot.schema_name(table.schema), message).severity(severity(named.name));
        Some(suggestions.table(finding, table, in_style(named.name, lesson.expected)))
    });
}

fn check_columns(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let mut examined = 0;
    let mut names = Vec::new();
    for (table, column) in own_columns(facts) {
        examined += 1;
        names.extend(style_of(&column.name).map(|style| Named {
            style,
            name: &column.name,
            subject: (table, column),
        }));
    }
    let snapshot = facts.snapshot;
    let suggestions = Suggestions::new(snapshot);
    let kind = Kind { what: "column names", convention: CONVENTION };
    judge(verdicts, &kind, examined, &names, |named, lesson| {
        let (table, column) = named.subject;
        let object = snapshot.column_name(column);
        let message = message("column", &object, named.name, lesson)?;
        let finding =
            Finding::new(object, snapshot.schema_name(table.schema), message).severity(severity(named.name));
        Some(suggestions.column(finding, table.oid, in_style(named.name, lesson.expected)))
    });
}

/// What is wrong; nothing with a name that needs no quotes where others need them for worse than their case.
fn message(what: &str, object: &str, name: &str, lesson: &Lesson) -> Option<String> {
    match lesson.prevailing {
        Prevailing::Learned(SIGNS | FOREIGN) => None,
        Prevailing::Learned(style) => Some(format!("{what} {object} is not in {style}, {}", lesson.reason())),
        _ if is_plain(name) => None,
        _ => Some(format!(
            "{what} {object} is not in {}: it must be quoted wherever it is named",
            lesson.expected
        )),
    }
}

fn severity(name: &str) -> Severity {
    if is_plain(name) { Severity::Info } else { Severity::Warning }
}

fn in_style(name: &str, style: Style) -> Option<String> {
    match style {
        CAMEL => Some(camel_case(name)),
        PASCAL => Some(pascal_case(name)),
        UPPER => Some(snake_case(name).to_uppercase()),
        _ => plain(snake_case(name).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    fn tables(names: &[&str]) -> Vec<Finding> {
        let mut sample = Sample::new();
        for name in names {
            sample.keyed_table(name);
        }
        let (findings, unknowns, examined) = run(&TABLE_NAME_CASE, &sample.finish());
        assert!(unknowns.is_empty() && examined > 0);
        findings
    }

    fn columns(names: &[&str]) -> Vec<Finding> {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        for name in names {
            sample.column(table, name, builtin::TEXT);
        }
        run(&COLUMN_NAME_CASE, &sample.finish()).0
    }

    #[test]
    fn a_name_in_another_case_is_an_outlier() {
        let findings = tables(&[
            "order_items",
            "order_lines",
            "user_roles",
            "audit_logs",
            "OrderNotes",
            "users",
            "_private",
        ]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].object, "public.\"OrderNotes\"");
        assert_eq!(findings[0].severity, Some(Severity::Warning));
        assert_eq!(findings[0].evidence["suggested_name"], "order_notes");
        assert!(findings[0].fix.is_none());
    }

    #[test]
    fn spaces_signs_and_foreign_letters_need_quotes() {
        let findings =
            columns(&["first_name", "last_name", "unit price", "50%", "Straße", "a\"b;drop table x"]);
        assert_eq!(findings.len(), 1, "three of seven are no majority of anything: {findings:?}");
        let findings = columns(&[
            "a_a",
            "b_b",
            "c_c",
            "d_d",
            "e_e",
            "f_f",
            "unit price",
            "50%",
            "Straße",
            "a\"b;drop table x",
        ]);
        let objects: Vec<&str> = findings.iter().map(|finding| &*finding.object).collect();
        assert_eq!(
            objects,
            [
                "public.orders.\"unit price\"",
                "public.orders.\"50%\"",
                "public.orders.\"Straße\"",
                "public.orders.\"a\"\"b;drop table x\"",
            ]
        );
        assert_eq!(findings[0].evidence["suggested_name"], "unit_price");
        assert!(!findings[2].evidence.contains_key("suggested_name"));
    }

    #[test]
    fn small_letters_of_any_alphabet_need_no_quotes() {
        for (name, style) in [
            ("größe", None),
            ("größe_in_cm", Some(SNAKE)),
            ("價格", None),
            ("Größe", Some(FOREIGN)),
            ("grÖße", Some(FOREIGN)),
            ("preis_€", Some(FOREIGN)),
        ] {
            assert_eq!(style_of(name), style, "{name}");
        }
    }

    #[test]
    fn another_case_throughout_is_told_once() {
        let findings =
            columns(&["createdAt", "updatedAt", "userId", "orderId", "isPaid", "name", "total", "email"]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].object, "database");
        assert_eq!(findings[0].severity, Some(Severity::Info));
        assert!(findings[0].message.starts_with("5 of 5 column names follow the style camelCase"));
        let findings = columns(&["createdAt", "updatedAt", "userId", "orderId", "isPaid", "paid_at"]);
        assert_eq!(findings.len(), 2);
        assert_eq!(findings[1].object, "public.orders.paid_at");
        assert_eq!(findings[1].severity, Some(Severity::Info));
        assert_eq!(findings[1].evidence["suggested_name"], "paidAt");
    }

    #[test]
    fn few_names_are_judged_by_the_convention() {
        let findings = tables(&["Order", "OrderItem"]);
        assert_eq!(findings.len(), 2);
        // `order` is reserved: no better.
        assert!(!findings[0].evidence.contains_key("suggested_name"));
    }

    #[test]
    fn no_majority_is_told_once() {
        let findings = tables(&["a_a", "b_b", "c_c", "CamelA", "CamelB", "CamelC"]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("no one convention"));
        assert!(findings[0].message.contains("3 PascalCase (for example CamelA)"), "{}", findings[0].message);
    }

    #[test]
    fn tools_and_partitions_are_left_alone() {
        let mut sample = Sample::new();
        let parent = sample.keyed_table("events");
        let child = sample.keyed_table("Events_2024");
        sample.partition(parent, child);
        sample.keyed_table("__EFMigrationsHistory");
        let (findings, _, examined) = run(&TABLE_NAME_CASE, &sample.finish());
        assert!(findings.is_empty());
        assert_eq!(examined, 1);
    }
}
