//! What somebody means by `table shop.orders`, `shop.orders`, `schema shop` or `function shop.f(integer)`.

use crate::catalog::Privileges;
use crate::catalog::security::{ObjectKind, privilege};

/// Kinds by the words that people write, the longer ones first.
const WORDS: [(&str, ObjectKind); 23] = [
    ("foreign data wrapper", ObjectKind::ForeignDataWrapper),
    ("materialized view", ObjectKind::Table),
    ("foreign server", ObjectKind::ForeignServer),
    ("foreign table", ObjectKind::Table),
    ("large object", ObjectKind::LargeObject),
    ("fdw", ObjectKind::ForeignDataWrapper),
    ("tablespace", ObjectKind::Tablespace),
    ("parameter", ObjectKind::Parameter),
    ("procedure", ObjectKind::Function),
    ("database", ObjectKind::Database),
    ("function", ObjectKind::Function),
    ("language", ObjectKind::Language),
    ("relation", ObjectKind::Table),
    ("sequence", ObjectKind::Sequence),
    ("setting", ObjectKind::Parameter),
    ("routine", ObjectKind::Function),
    ("column", ObjectKind::Column),
    ("domain", ObjectKind::Type),
    ("schema", ObjectKind::Schema),
    ("server", ObjectKind::ForeignServer),
    ("table", ObjectKind::Table),
    ("type", ObjectKind::Type),
    ("view", ObjectKind::Table),
];

/// The kind that the text begins with, and the name. Without a kind, a function where there are parentheses, else a table.
pub fn parse(text: &str) -> (ObjectKind, &str) {
    let text = text.trim();
    for (words, kind) in WORDS {
        let begins = text.get(..words.len()).is_some_and(|start| start.eq_ignore_ascii_case(words));
        if begins && text[words.len()..].starts_with(char::is_whitespace) {
            return (kind, text[words.len()..].trim());
        }
    }
    (if text.ends_with(')') { ObjectKind::Function } else { ObjectKind::Table }, text)
}

/// The privileges that a text names, of those that there are on the kind; what is wrong with it otherwise.
pub fn privileges(text: Option<&str>, kind: ObjectKind, version: i32) -> Result<Privileges, String> {
    let possible = kind.privileges(version);
    let Some(text) = text.map(str::trim).filter(|text| !text.eq_ignore_ascii_case("all")) else {
        return Ok(possible);
    };
    let mut found = 0;
    for word in text.split(',').map(str::trim) {
        let word = if word.eq_ignore_ascii_case("temp") { "TEMPORARY" } else { word };
        let bit =
            privilege::NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(word)).map(|(bit, _)| *bit);
        match bit {
            Some(bit) if possible & bit != 0 => found |= bit,
            _ => return Err(word.to_owned()),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_words() {
        assert_eq!(parse("shop.orders"), (ObjectKind::Table, "shop.orders"));
        assert_eq!(parse(" Schema  shop "), (ObjectKind::Schema, "shop"));
        assert_eq!(parse("large object 16401"), (ObjectKind::LargeObject, "16401"));
        assert_eq!(parse("foreign data wrapper w"), (ObjectKind::ForeignDataWrapper, "w"));
        assert_eq!(parse("shop.f(integer)"), (ObjectKind::Function, "shop.f(integer)"));
        assert_eq!(parse("table_of_views"), (ObjectKind::Table, "table_of_views"));
        assert_eq!(parse("übersicht"), (ObjectKind::Table, "übersicht"));
    }

    #[test]
    fn privileges_are_those_of_the_kind() {
        let of = |text, kind| privileges(text, kind, 150_000);
        assert_eq!(of(Some("select, Insert"), ObjectKind::Table), Ok(privilege::SELECT | privilege::INSERT));
        assert_eq!(of(None, ObjectKind::Function), Ok(privilege::EXECUTE));
        assert_eq!(of(Some("temp"), ObjectKind::Database), Ok(privilege::TEMPORARY));
        assert_eq!(of(Some("execute"), ObjectKind::Table), Err("execute".to_owned()));
        assert_eq!(of(Some("maintain"), ObjectKind::Table), Err("maintain".to_owned()));
    }
}
