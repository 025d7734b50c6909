//! The caller's words taken apart: a sub-command at its clauses, an expression at its names. What the words mean is
//! the server's affair; it has parsed them before.

use rustc_hash::FxHashSet;

pub use crate::syntax::tokens::words;
use crate::syntax::tokens::{self, Kind, Token};
pub use crate::text::dollar_quoted;
use crate::text::quote_identifier;

/// The place of the token that closes what the one at `open` opens; the last place if nothing does.
pub fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    tokens::closing(tokens, open).unwrap_or(tokens.len().saturating_sub(1))
}

/// The text from the first to the last of these tokens.
pub fn span<'a>(text: &'a str, tokens: &[Token<'_>]) -> &'a str {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => text.get(first.start..last.end()).unwrap_or_default(),
        _ => "",
    }
}

/// Places of the tokens outside all parentheses, from `from` on.
pub fn outside(tokens: &[Token<'_>], from: usize) -> Vec<usize> {
    let mut places = Vec::new();
    let mut place = from;
    while place < tokens.len() {
        places.push(place);
        if tokens[place].is_sign("(") || tokens[place].is_sign("[") {
            place = closing(tokens, place);
        }
        place += 1;
    }
    places
}

/// The place outside parentheses at which these words stand one after the other.
pub fn find(tokens: &[Token<'_>], sequence: &[&str]) -> Option<usize> {
    outside(tokens, 0).into_iter().find(|&place| {
        sequence.iter().enumerate().all(|(offset, word)| {
            tokens.get(place + offset).is_some_and(|token| token.is(word) || token.is_sign(word))
        })
    })
}

/// How many tokens a name with dots takes from `from` on.
pub fn qualified_length(tokens: &[Token<'_>], from: usize) -> usize {
    let mut length = 1;
    while tokens.get(from + length).is_some_and(|token| token.is_sign(".")) {
        length += 2;
    }
    length
}

/// The texts between the commas outside parentheses.
pub fn divided(text: &str) -> Vec<&str> {
    let tokens = words(text);
    let mut found = Vec::new();
    let mut start = 0;
    for place in outside(&tokens, 0) {
        if tokens[place].is_sign(",") {
            found.push(span(text, &tokens[start..place]));
            start = place + 1;
        }
    }
    if let Some(rest) = tokens.get(start..).filter(|rest| !rest.is_empty()) {
        found.push(span(text, rest));
    }
    found
}

/// The name of the token at `place`, if it can be that of a column that stands for itself.
fn column_at(tokens: &[Token<'_>], place: usize) -> Option<String> {
    let token = tokens[place];
    if !matches!(token.kind, Kind::Word | Kind::Quoted) {
        return None;
    }
    let before = place.checked_sub(1).and_then(|place| tokens.get(place));
    let behind = tokens.get(place + 1);
    let is_call = behind.is_some_and(|next| next.is_sign("("));
    let is_qualifier = behind.is_some_and(|next| next.is_sign("."));
    let is_type = before.is_some_and(|token| token.is_sign("::"));
    let is_collation = before.is_some_and(|token| token.is("collate"));
    (!is_call && !is_qualifier && !is_type && !is_collation).then(|| token.name())
}

/// Whether the token at `place` is the name of that column.
fn is_column(tokens: &[Token<'_>], place: usize, name: &str) -> bool {
    column_at(tokens, place).is_some_and(|found| found == name)
}

/// Whether the text uses a column.
pub fn uses(text: &str, column: &str) -> bool {
    let tokens = words(text);
    (0..tokens.len()).any(|place| is_column(&tokens, place, column))
}

/// Every name in the text that can be one of a column.
pub fn names_used(text: &str) -> FxHashSet<String> {
    let tokens = words(text);
    (0..tokens.len()).filter_map(|place| column_at(&tokens, place)).collect()
}

/// The text with a column's name exchanged.
pub fn with_column(text: &str, from: &str, to: &str) -> String {
    let tokens = words(text);
    let mut result = String::with_capacity(text.len() + 16);
    let mut copied = 0;
    for (place, token) in tokens.iter().enumerate() {
        if is_column(&tokens, place, from) {
            result.push_str(&text[copied..token.start]);
            result.push_str(&quote_identifier(to));
            copied = token.end();
        }
    }
    result.push_str(&text[copied..]);
    result
}

/// Those of the columns that the text uses.
pub fn columns_used<'a>(text: &str, columns: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let used = names_used(text);
    columns.filter(|column| used.contains(*column)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exchanged_where_they_are_columns() {
        let text =
            r#"CHECK ((lower(lower) = "lower" AND x::lower <> 'lower' AND t.lower > 0 AND lower.y > 0))"#;
        assert_eq!(
            with_column(text, "lower", "New"),
            r#"CHECK ((lower("New") = "New" AND x::lower <> 'lower' AND t."New" > 0 AND lower.y > 0))"#
        );
        assert!(uses("a > 0 /* b */", "a") && !uses("a > 0 /* b */", "b"));
    }

    #[test]
    fn commas_divide_outside_parentheses() {
        assert_eq!(divided("a, lower(b, c) DESC, \"d,e\""), ["a", "lower(b, c) DESC", "\"d,e\""]);
        assert!(divided("").is_empty());
    }

    #[test]
    fn words_are_found_outside_parentheses() {
        let tokens = words("a CHECK (b NOT VALID) NOT VALID");
        assert_eq!(find(&tokens, &["NOT", "VALID"]), Some(7));
        assert_eq!(find(&tokens, &["USING"]), None);
    }

    #[test]
    fn dollar_quotes_do_not_end_early() {
        assert_eq!(dollar_quoted("a $dbm$ b"), "$dbm1$a $dbm$ b$dbm1$");
    }
}
