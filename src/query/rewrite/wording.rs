//! Names in messages, and small pieces of SQL.

use crate::catalog::query::{ColumnReference, RangeTableEntry, RelationSource, Scope};
use crate::text::identifier::quote_identifier;

/// `schema.table.column`, or `alias.column` where it is no table's.
pub fn column_name(scope: &Scope<'_>, column: &ColumnReference) -> String {
    let name = if column.name.is_empty() { "*".to_owned() } else { quote_identifier(&column.name) };
    match scope.relation(column) {
        Some(entry) => format!("{}.{name}", relation_name(entry)),
        None => name,
    }
}

/// `schema.table`, or the alias where it is no table.
pub fn relation_name(entry: &RangeTableEntry) -> String {
    match &entry.source {
        RelationSource::Table(facts) => facts.name.clone(),
        RelationSource::CommonTable { name, .. } => quote_identifier(name),
        _ => quote_identifier(&entry.alias),
    }
}

/// A whole number as an operand.
pub fn signed(value: i64) -> String {
    if value < 0 { format!("({value})") } else { value.to_string() }
}

/// Words joined as in a sentence: `a`, `a and b`, `a, b and c`.
pub fn listed(words: &[String], conjunction: &str) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let words = |all: &[&str]| all.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        assert_eq!(listed(&words(&["a"]), "and"), "a");
        assert_eq!(listed(&words(&["a", "b", "c"]), "or"), "a, b or c");
    }
}
