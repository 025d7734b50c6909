//! SQL identifiers and literals: the one place where they are quoted and cut.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::keywords::{COLUMN_NAME, RESERVED, TYPE_OR_FUNCTION};

/// Every keyword that forces quotes somewhere, with whether it is reserved; every identifier shown is looked up here.
static KEYWORDS: LazyLock<FxHashMap<&str, bool>> = LazyLock::new(|| {
    let reserved = RESERVED.iter().chain(TYPE_OR_FUNCTION).map(|&word| (word, true));
    reserved.chain(COLUMN_NAME.iter().map(|&word| (word, false))).collect()
});

/// The longest identifier in bytes: PostgreSQL's `NAMEDATALEN - 1`.
pub const MAXIMUM_BYTES: usize = 63;

/// Quotes `name` where PostgreSQL would need it, as `quote_ident()` does.
pub fn quote_identifier(name: &str) -> String {
    if is_plain(name) && !is_keyword(name) {
        return name.to_owned();
    }
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for character in name.chars() {
        if character == '"' {
            quoted.push('"');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// `schema.name`, both parts quoted where needed.
pub fn quote_qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_identifier(schema), quote_identifier(name))
}

/// A string literal, as `quote_literal()` writes it.
pub fn quote_literal(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    if value.contains('\\') {
        quoted.push('E');
    }
    quoted.push('\'');
    for character in value.chars() {
        if character == '\'' || character == '\\' {
            quoted.push(character);
        }
        quoted.push(character);
    }
    quoted.push('\'');
    quoted
}

/// A string between dollar signs.
pub fn dollar_quoted(text: &str) -> String {
    let mut tag = String::from("$dbm$");
    let mut number = 0;
    while text.contains(&tag) {
        number += 1;
        tag = format!("$dbm{number}$");
    }
    format!("{tag}{text}{tag}")
}

/// Whether `name` can be written without quotes, keywords aside.
pub fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    matches!(bytes.next(), Some(b'a'..=b'z' | b'_'))
        && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// Whether `name` is a keyword that forces quotes somewhere (`catcode` R, T or C).
pub fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains_key(name)
}

/// Whether `name` is reserved as the name of a table or a column (`catcode` R or T).
pub fn is_reserved_word(name: &str) -> bool {
    KEYWORDS.get(name).copied().unwrap_or(false)
}

/// Cuts `name` to 63 bytes at a character boundary, as the server would.
pub fn truncate_identifier(name: &str) -> &str {
    if name.len() <= MAXIMUM_BYTES {
        return name;
    }
    let mut end = MAXIMUM_BYTES;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// A name of at most 63 bytes made of `parts` joined by `_`, not among those that `taken` accepts.
///
/// A name that would be cut or is taken gets a numbered end, so that two long names never meet in one.
pub fn unused_name(parts: &[&str], taken: impl Fn(&str) -> bool) -> String {
    let mut number = 0;
    loop {
        if let Some(name) = numbered_name(parts, number).filter(|name| !taken(name)) {
            return name;
        }
        number += 1;
    }
}

/// The name made of `parts` with that number at its end; 0 stands for the name without one, which there is only if it
/// is not cut.
pub fn numbered_name(parts: &[&str], number: u32) -> Option<String> {
    let whole = parts.join("_");
    if number == 0 {
        return (whole.len() <= MAXIMUM_BYTES).then_some(whole);
    }
    let ending = format!("_{number}");
    Some(format!("{}{ending}", cut(&whole, MAXIMUM_BYTES - ending.len())))
}

/// The first bytes of a text, whole characters.
pub fn cut(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A name for the time between two steps of a plan, told apart by what it is for.
pub fn between(name: &str, purpose: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let [stem, ending] = parts_between(name, purpose);
    unused_name(&[&stem, &ending], is_taken)
}

/// The parts of which [`between`] makes a name.
pub fn parts_between(name: &str, purpose: &str) -> [String; 2] {
    // Whatever is cut, the purpose stays: two of them must never become one.
    let ending = format!("dbm_{purpose}");
    let stem = cut(name, MAXIMUM_BYTES - ending.len() - 1 - 4);
    [stem.to_owned(), ending]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_what_the_server_quotes() {
        for (name, expected) in [
            ("orders", "orders"),
            ("Orders", "\"Orders\""),
            ("order", "\"order\""),
            ("a\"\"a;drop table x", "\"a\"\"\"\"a;drop table x\""),
            ("straße", "\"straße\""),
            ("2nd", "\"2nd\""),
            ("", "\"\""),
            ("between", "\"between\""),
            ("left", "\"left\""),
        ] {
            assert_eq!(quote_identifier(name), expected);
        }
    }

    #[test]
    fn literals_escape_backslashes_with_e() {
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\b"), "E'a\\\\b'");
    }

    #[test]
    fn no_keyword_stands_in_two_lists() {
        assert_eq!(KEYWORDS.len(), RESERVED.len() + TYPE_OR_FUNCTION.len() + COLUMN_NAME.len());
        assert!(is_keyword("between") && !is_reserved_word("between") && is_reserved_word("left"));
    }

    #[test]
    fn a_taken_or_cut_name_gets_a_number() {
        assert_eq!(unused_name(&["idx", "t", "a"], |_| false), "idx_t_a");
        assert_eq!(unused_name(&["idx", "t", "a"], |name| name == "idx_t_a"), "idx_t_a_1");
        let long = "x".repeat(80);
        let name = unused_name(&["idx", &long], |_| false);
        assert_eq!(name.len(), MAXIMUM_BYTES);
        assert!(name.ends_with("_1"));
    }

    proptest! {
        #[test]
        fn quoting_round_trips(name in "\\PC{0,40}") {
            let quoted = quote_identifier(&name);
            let read = match quoted.strip_prefix('"') {
                Some(rest) => rest[..rest.len() - 1].replace("\"\"", "\""),
                None => quoted.clone(),
            };
            prop_assert_eq!(read, name);
        }

        #[test]
        fn a_cut_name_fits_and_stays_a_prefix(name in "\\PC{0,90}") {
            let cut = truncate_identifier(&name);
            prop_assert!(cut.len() <= MAXIMUM_BYTES && name.starts_with(cut));
        }
    }
}
