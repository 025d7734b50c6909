//! Whether the parser knows a text: what our own reading of tokens does not understand must at least be SQL.

use sqlparser::dialect::{MySqlDialect, SQLiteDialect};
use sqlparser::parser::{Parser, ParserOptions};

use super::token::Token;
use super::words::text_of;
use crate::migration::lint::Dialect;

/// Longer statements are not parsed: a chain of operators becomes a tree as deep as it is long, and taking such a tree
/// down needs more stack than a server has.
const MOST_TOKENS: usize = 2000;

/// As deep as expressions may be nested: each level takes about 60 kB of stack, and a backend shares its stack with the
/// server.
const DEEPEST: usize = 12;

/// Whether the parser understands the tokens, put between two texts.
pub fn is_known(before: &str, tokens: &[Token<'_>], after: &str, dialect: Dialect) -> bool {
    if tokens.len() > MOST_TOKENS {
        return false;
    }
    let text = format!("{before}{}{after}", text_of(tokens));
    let dialect: &dyn sqlparser::dialect::Dialect = match dialect {
        Dialect::MySql => &MySqlDialect {},
        Dialect::Sqlite => &SQLiteDialect {},
    };
    Parser::new(dialect)
        .with_recursion_limit(DEEPEST)
        .with_options(ParserOptions::new())
        .try_with_sql(&text)
        .and_then(|mut parser| parser.parse_statements())
        .is_ok_and(|statements| statements.len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::lint::script::statements;

    fn is_sql(sql: &str) -> bool {
        statements(sql, Dialect::MySql).iter().all(|piece| is_known("", &piece.tokens, "", Dialect::MySql))
    }

    #[test]
    fn sql_is_told_from_what_is_not() {
        assert!(
            is_sql("SELECT a FROM t WHERE b = 'it''s' AND c = \"x\"") && is_sql("CREATE VIEW v AS SELECT 1")
        );
        assert!(!is_sql("SELEKT 1") && !is_sql("ALTER TABLE t ADD COLUMN a int NOT NUL"));
    }

    #[test]
    fn deep_and_long_statements_are_refused_and_break_nothing() {
        let deep = format!("SELECT {}1{}", "(".repeat(900), ")".repeat(900));
        let long = format!("SELECT 1{}", "+1".repeat(100_000));
        assert!(!is_sql(&deep) && !is_sql(&long));
        assert!(is_sql(&format!("SELECT 1{}", "+1".repeat(900))));
        assert!(!is_sql(&format!("SELECT {}1", "NOT ".repeat(1900))));
    }
}
