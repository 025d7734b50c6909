//! Statements and parts of them.

use crate::syntax::tokens::words;
use crate::text::quote_identifier;

/// `ALTER TABLE`, the name and one sub-command.
pub fn alter(table: &str, clause: &str) -> String {
    format!("ALTER TABLE {table} {clause}")
}

/// `ALTER TABLE … VALIDATE CONSTRAINT`.
pub fn validate(table: &str, name: &str) -> String {
    alter(table, &format!("VALIDATE CONSTRAINT {}", quote_identifier(name)))
}

/// Columns, quoted, between commas.
pub fn list<'a>(columns: impl IntoIterator<Item = &'a String>) -> String {
    columns.into_iter().map(|column| quote_identifier(column)).collect::<Vec<_>>().join(", ")
}

/// A type without its length or precision.
pub fn without_modifier(type_name: &str) -> String {
    match (type_name.find('('), type_name.find(')')) {
        (Some(open), Some(close)) if open < close && !type_name.starts_with('"') => {
            format!("{}{}", type_name[..open].trim_end(), &type_name[close + 1..])
        }
        _ => type_name.to_owned(),
    }
}

/// What follows the table in CREATE INDEX with one more column in front: `USING btree (a)` as `USING btree (t, a)`.
pub fn with_first_column(tail: &str, column: &str) -> Option<String> {
    let tokens = words(tail);
    let open = tokens.iter().find(|token| token.is_sign("("))?;
    let (before, after) = tail.split_at_checked(open.end())?;
    Some(format!("{before}{column}, {after}"))
}

/// Joins queries of one boolean.
pub fn all_of(queries: &[String]) -> String {
    let parts: Vec<String> = queries.iter().map(|query| format!("({query})")).collect();
    format!("SELECT {}", parts.join(" AND "))
}
