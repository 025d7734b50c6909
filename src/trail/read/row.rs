//! Rows as the log has them, by column whatever its name.

use std::rc::Rc;

use super::change::Change;
use super::document::{Members, NULL, input};
use super::lineage::{ColumnId, Logged, Names};

/// The values of a row by column: JSON text, `None` where nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row(Vec<Option<Rc<str>>>);

impl Row {
    /// Of which nothing is known.
    pub fn unknown(width: usize) -> Self {
        Self(vec![None; width])
    }

    /// From what a shape calls the columns.
    pub fn of(width: usize, names: &Names, members: &Members) -> Self {
        let mut row = Self::unknown(width);
        row.overlay(names, members);
        row
    }

    /// The value of a column.
    pub fn get(&self, column: ColumnId) -> Option<&str> {
        self.0.get(column).and_then(Option::as_deref)
    }

    /// Sets the value of a column.
    pub fn set(&mut self, column: ColumnId, value: &str) {
        if let Some(place) = self.0.get_mut(column) {
            *place = Some(value.into());
        }
    }

    /// Nobody knows the value of this column.
    pub fn forget(&mut self, column: ColumnId) {
        if let Some(place) = self.0.get_mut(column) {
            *place = None;
        }
    }

    /// Takes these values over.
    pub fn overlay(&mut self, names: &Names, members: &Members) {
        for (name, value) in members {
            if let Some(column) = names.id(name) {
                self.set(column, value);
            }
        }
    }

    /// Takes over what the other knows.
    pub fn overlay_row(&mut self, other: &Self) {
        for (own, others) in self.0.iter_mut().zip(&other.0) {
            if others.is_some() {
                own.clone_from(others);
            }
        }
    }

    /// Takes over what only the other knows.
    pub fn complete(&mut self, other: &Self) {
        for (own, others) in self.0.iter_mut().zip(&other.0) {
            if own.is_none() {
                own.clone_from(others);
            }
        }
    }

    /// What tells the row apart, as one text. A number and a string of the same characters are alike, since a key may
    /// have got another type meanwhile. A column of a whole row that is not in the log tells nothing.
    pub fn key(&self, columns: &[ColumnId]) -> Key {
        let mut text = String::new();
        for &column in columns {
            match self.get(column).unwrap_or(NULL) {
                NULL => text.push('n'),
                value => {
                    let value = input(value).unwrap_or_default();
                    text.push_str(&format!("{}:{value}", value.len()));
                }
            }
        }
        Key(text.into())
    }

    /// The members that a shape gives it: what is logged and known, by the names that it has there.
    pub fn members<'a>(&'a self, names: &'a Names) -> impl Iterator<Item = (&'a str, &'a str)> {
        names.columns.iter().filter_map(|(column, attribute)| {
            let value = self.get(*column).filter(|_| attribute.logged != Logged::No)?;
            Some((&*attribute.name, value))
        })
    }
}

/// A row as the text of a composite, which record_in reads.
pub fn literal(values: impl Iterator<Item = Option<String>>) -> String {
    let values: Vec<String> = values
        .map(|value| {
            value.map_or_else(String::new, |text| {
                format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\""))
            })
        })
        .collect();
    format!("({})", values.join(","))
}

/// What tells a row apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Rc<str>);

/// The columns that tell rows apart: those of the key, or all that are logged as they are.
pub fn key_columns(names: &Names) -> Vec<ColumnId> {
    let is_logged =
        |column: &ColumnId| names.attribute(*column).is_some_and(|found| found.logged == Logged::Yes);
    names.key.iter().copied().filter(is_logged).collect()
}

/// A change's row before and after it.
pub fn images(change: &Change, names: &Names, width: usize) -> (Row, Row) {
    let key = Row::of(width, names, &change.key);
    let (mut before, mut after) = (key.clone(), key);
    before.overlay(names, &change.old);
    after.overlay(names, &change.new);
    (before, after)
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn a_composite_keeps_its_values() {
        let values = [Some(r#"a"b\c,("#), None, Some(""), Some("1.0")].map(|value| value.map(str::to_owned));
        assert_eq!(literal(values.into_iter()), r#"("a""b\\c,(",,"","1.0")"#);
    }
}
