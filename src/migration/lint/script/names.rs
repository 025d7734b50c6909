//! Names as they are written in a dialect.

use crate::migration::lint::Dialect;

/// Whether two names are the same: case does not matter, for neither server can be asked how its file system sees it.
pub fn same_name(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}

/// A name, qualified or not, as SQL of the dialect; quoted only where it must be.
pub fn quote(name: &str, dialect: Dialect) -> String {
    let parts: Vec<String> = name.split('.').map(|part| quote_part(part, dialect)).collect();
    parts.join(".")
}

fn quote_part(part: &str, dialect: Dialect) -> String {
    let is_plain = part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !RESERVED.contains(&part.to_ascii_uppercase().as_str());
    match dialect {
        _ if is_plain => part.to_owned(),
        Dialect::MySql => format!("`{}`", part.replace('`', "``")),
        Dialect::Sqlite => format!("\"{}\"", part.replace('"', "\"\"")),
    }
}

/// Words that people take as names and that both servers, or one of them, reserve.
const RESERVED: &[&str] = &[
    "CHECK",
    "COLUMN",
    "CONDITION",
    "DEFAULT",
    "DESC",
    "FROM",
    "GROUP",
    "GROUPS",
    "INDEX",
    "INTERVAL",
    "KEY",
    "KEYS",
    "LIMIT",
    "ORDER",
    "RANGE",
    "RANK",
    "READ",
    "REFERENCES",
    "RELEASE",
    "SELECT",
    "SYSTEM",
    "TABLE",
    "TO",
    "TRANSACTION",
    "TRIGGER",
    "UNIQUE",
    "UPDATE",
    "USING",
    "VALUES",
    "WHERE",
    "WINDOW",
    "WRITE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_only_where_they_must_be() {
        for (name, mysql, sqlite) in [
            ("orders", "orders", "orders"),
            ("shop.order", "shop.`order`", "shop.\"order\""),
            ("a b", "`a b`", "\"a b\""),
            ("1a", "`1a`", "\"1a\""),
            ("a`\"", "`a``\"`", "\"a`\"\"\""),
        ] {
            assert_eq!(quote(name, Dialect::MySql), mysql);
            assert_eq!(quote(name, Dialect::Sqlite), sqlite);
        }
        assert!(same_name("Orders", "oRDERS") && !same_name("a", "b"));
    }
}
