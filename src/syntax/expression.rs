//! Expressions as the server writes them.

use sqlparser::ast::Expr;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

/// Bytes of a longer expression are not read: a parse tree is as deep as a chain of operators is long, and so is the stack of
/// whoever walks it.
pub const LONGEST: usize = 16_384;

/// An expression; `None` for one that is too long, or that cannot be read.
pub fn parsed(text: &str) -> Option<Expr> {
    if text.len() > LONGEST {
        return None;
    }
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).ok()?;
    let expression = parser.parse_expr().ok()?;
    (parser.peek_token().token == Token::EOF).then_some(expression)
}
