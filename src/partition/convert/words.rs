//! Statements and parts of them.

use super::facts::Privilege;
pub use crate::change::words::{alter, validate};
use crate::syntax::tokens::{closing, words};
use crate::text::{dollar_quoted, quote_identifier, quote_literal, quote_qualified};

/// `ALTER TABLE … DROP CONSTRAINT`.
pub fn drop_constraint(table: &str, name: &str) -> String {
    alter(table, &format!("DROP CONSTRAINT {}", quote_identifier(name)))
}

/// `ALTER TABLE … ADD CONSTRAINT`.
pub fn add_constraint(table: &str, name: &str, definition: &str) -> String {
    alter(table, &format!("ADD CONSTRAINT {} {definition}", quote_identifier(name)))
}

/// `ALTER kind schema.from RENAME TO to`.
pub fn rename(kind: &str, schema: &str, from: &str, to: &str) -> String {
    format!("ALTER {kind} {} RENAME TO {}", quote_qualified(schema, from), quote_identifier(to))
}

/// `COMMENT ON what IS '…'`, where there is one.
pub fn comment(what: &str, text: Option<&String>) -> Option<String> {
    text.map(|text| format!("COMMENT ON {what} IS {}", quote_literal(text)))
}

/// `GRANT … ON what TO …`.
pub fn grants<'a>(what: &'a str, privileges: &'a [Privilege]) -> impl Iterator<Item = String> + 'a {
    privileges.iter().map(move |(rights, whom, is_grantable)| {
        let option = if *is_grantable { " WITH GRANT OPTION" } else { "" };
        format!("GRANT {rights} ON {what} TO {whom}{option}")
    })
}

/// A block of PL/pgSQL.
pub fn block(declarations: &str, body: &str) -> String {
    let declare = if declarations.is_empty() { String::new() } else { format!("DECLARE\n{declarations}") };
    format!("DO {}", dollar_quoted(&format!("\n{declare}BEGIN\n{body}END\n")))
}

/// The text with one more column, quoted, in its first list: `USING btree (a) WHERE b` as `USING btree (a, k) WHERE b`.
pub fn with_column(text: &str, column: &str) -> Option<String> {
    let tokens = words(text);
    let open = tokens.iter().position(|token| token.is_sign("("))?;
    let place = tokens.get(closing(&tokens, open)?)?.start;
    Some(format!("{}, {column}{}", &text[..place], &text[place..]))
}

/// What follows the table in CREATE INDEX with its tablespace, which stands before WHERE.
pub fn with_tablespace(tail: &str, tablespace: Option<&String>) -> String {
    let Some(tablespace) = tablespace else { return tail.to_owned() };
    let tokens = words(tail);
    let mut place = 0;
    while let Some(token) = tokens.get(place) {
        if token.is("WHERE") {
            return format!("{}TABLESPACE {tablespace} {}", &tail[..token.start], &tail[token.start..]);
        }
        if token.is_sign("(") {
            place = closing(&tokens, place).unwrap_or(place);
        }
        place += 1;
    }
    format!("{tail} TABLESPACE {tablespace}")
}

/// `regclass` of a name, null where it is not there.
pub fn to_regclass(qualified: &str) -> String {
    format!("pg_catalog.to_regclass({})", quote_literal(qualified))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gets_one_column_more() {
        assert_eq!(
            with_column("USING btree (lower(a), \"b)\") INCLUDE (c) WHERE (d > 0)", "k").as_deref(),
            Some("USING btree (lower(a), \"b)\", k) INCLUDE (c) WHERE (d > 0)")
        );
        assert_eq!(with_column("PRIMARY KEY (id)", "\"K\"").as_deref(), Some("PRIMARY KEY (id, \"K\")"));
        assert_eq!(with_column("nothing", "k"), None);
    }

    #[test]
    fn the_tablespace_stands_before_the_predicate() {
        let fast = "fast".to_owned();
        assert_eq!(
            with_tablespace("USING btree (a) WHERE (b = 'WHERE')", Some(&fast)),
            "USING btree (a) TABLESPACE fast WHERE (b = 'WHERE')"
        );
        assert_eq!(with_tablespace("USING btree (a)", Some(&fast)), "USING btree (a) TABLESPACE fast");
        assert_eq!(with_tablespace("USING btree (a)", None), "USING btree (a)");
    }
}
