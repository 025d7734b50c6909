//! Statements and parts of them, from which plans are made.

use crate::catalog::LockMode;
use crate::change::plan::{Phase, Step};
use crate::change::proof;
use crate::syntax::tokens::{closing, words};
use crate::text::{quote_identifier, quote_qualified};

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

/// The place of the WHERE of what follows the table in CREATE INDEX, where it has one; `None` where it is none of that.
fn filter(tail: &str) -> Option<Option<usize>> {
    let tokens = words(tail);
    let open = tokens.iter().position(|token| token.is_sign("("))?;
    let end = tokens.get(closing(&tokens, open)?)?.end();
    let filter = tokens.iter().find(|token| token.start >= end && token.is("WHERE"));
    Some(filter.map(|token| token.end()))
}

/// The condition of what follows the table in CREATE INDEX.
pub fn condition(tail: &str) -> Option<&str> {
    tail.get(filter(tail)??..).map(str::trim)
}

/// What follows the table in CREATE INDEX with one more condition: `USING btree (a) WHERE (b)` as `… WHERE ((b) AND c)`.
pub fn with_condition(tail: &str, condition: &str) -> Option<String> {
    match filter(tail)? {
        None => Some(format!("{tail} WHERE {condition}")),
        Some(end) => {
            let (before, after) = tail.split_at_checked(end)?;
            Some(format!("{before} ({} AND {condition})", after.trim()))
        }
    }
}

/// `CREATE INDEX CONCURRENTLY` as a step. `tail`: what follows the table.
pub fn concurrently(schema: &str, table: &str, name: &str, is_unique: bool, tail: &str) -> Step {
    let own = quote_qualified(schema, name);
    let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {own}");
    let unique = if is_unique { "UNIQUE " } else { "" };
    Step::alone(
        Phase::Expand,
        format!("CREATE {unique}INDEX CONCURRENTLY {} ON {table} {tail}", quote_identifier(name)),
    )
    .lock(LockMode::ShareUpdateExclusive)
    .undo(drop.clone())
    .verify(proof::has_valid_index(&own))
    .leftover(proof::has_invalid_index(&own), drop)
    .note("waits for transactions that are older than it; reads the table twice while others read and write")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_of_indexes() {
        assert_eq!(
            with_first_column("USING btree (lower(a), b) WHERE c", "t").as_deref(),
            Some("USING btree (t, lower(a), b) WHERE c")
        );
        assert_eq!(
            with_condition("USING btree (a)", "d IS NULL").as_deref(),
            Some("USING btree (a) WHERE d IS NULL")
        );
        assert_eq!(
            with_condition("USING btree (a) INCLUDE (b) WITH (fillfactor='60') WHERE (c > 0)", "d IS NULL")
                .as_deref(),
            Some("USING btree (a) INCLUDE (b) WITH (fillfactor='60') WHERE ((c > 0) AND d IS NULL)")
        );
        assert_eq!(condition("USING btree (lower(a)) WHERE (c > 0)"), Some("(c > 0)"));
        assert_eq!(condition("USING btree (lower('WHERE (c)'))"), None);
    }

    #[test]
    fn types_without_their_length() {
        assert_eq!(without_modifier("character varying(40)"), "character varying");
        assert_eq!(without_modifier("timestamp(3) with time zone"), "timestamp with time zone");
        assert_eq!(without_modifier("bigint"), "bigint");
    }
}
