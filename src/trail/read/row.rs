//! Rows as the log has them, by column whatever its name.

use std::rc::Rc;

use super::change::Change;
use super::document::{Members, NULL, input};
use super::lineage::{ColumnId, Logged, Names, Telling};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What tells values of each column apart.
    columns: Rc<[Telling]>,
    /// Its values by column: JSON text, `None` where nobody knows.
    values: Vec<Option<Rc<str>>>,
    /// The table or partition that holds it; `None` where nobody knows.
    pub holder: Option<usize>,
}

impl Row {
    /// Of which nothing is known.
    pub fn unknown(columns: &Rc<[Telling]>) -> Self {
        Self { columns: Rc::clone(columns), values: vec![None; columns.len()], holder: None }
    }

    /// From what a shape calls the columns.
    pub fn of(columns: &Rc<[Telling]>, names: &Names, members: &Members) -> Self {
        let mut row = Self { holder: Some(names.holder), ..Self::unknown(columns) };
        row.overlay(names, members);
        row
    }

    /// The value of a column.
    pub fn get(&self, column: ColumnId) -> Option<&str> {
        self.values.get(column).and_then(Option::as_deref)
    }

    /// Sets the value of a column.
    pub fn set(&mut self, column: ColumnId, value: &str) {
        if let Some(place) = self.values.get_mut(column) {
            *place = Some(value.into());
        }
    }

    /// Nobody knows the value of this column.
    pub fn forget(&mut self, column: ColumnId) {
        if let Some(place) = self.values.get_mut(column) {
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
        for (own, others) in self.values.iter_mut().zip(&other.values) {
            if others.is_some() {
                own.clone_from(others);
            }
        }
    }

    /// Takes over what only the other knows.
    pub fn complete(&mut self, other: &Self) {
        for (own, others) in self.values.iter_mut().zip(&other.values) {
            if own.is_none() {
                own.clone_from(others);
            }
        }
    }

    /// What tells the row apart by these columns, as one text. A number and a string of the same characters are alike, since a key may
    /// have got another type meanwhile. A column of a whole row that is not in the log tells nothing.
    pub fn key(&self, columns: &[ColumnId]) -> Key {
        let mut text = String::new();
        self.write_key(columns, &mut text);
        Key(text.into())
    }

    fn write_key(&self, columns: &[ColumnId], text: &mut String) {
        for &column in columns {
            match self.get(column).unwrap_or(NULL) {
                NULL => text.push('n'),
                value => {
                    let value = input(value).unwrap_or_default();
                    let value = self.columns.get(column).copied().unwrap_or_default().told(&value);
                    text.push_str(&format!("{}:{value}", value.len()));
                }
            }
        }
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

/// What tells rows apart, in the table or in one of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The columns.
    pub columns: Vec<ColumnId>,
    /// The partition, where the columns tell its rows apart alone.
    pub holder: Option<usize>,
}

impl Identity {
    /// What told rows apart in that shape.
    pub fn of(names: &Names) -> Self {
        Self { columns: key_columns(names), holder: names.is_held.then_some(names.holder) }
    }

    /// What tells the row apart; no row is told so by other columns, or in another partition.
    pub fn key(&self, row: &Row) -> Key {
        let mut text = format!("{:?}{:?}", self.holder, self.columns);
        row.write_key(&self.columns, &mut text);
        Key(text.into())
    }
}

/// The columns that tell rows apart: those of the key, or all that are logged as they are.
pub fn key_columns(names: &Names) -> Vec<ColumnId> {
    let is_logged =
        |column: &ColumnId| names.attribute(*column).is_some_and(|found| found.logged == Logged::Yes);
    names.key.iter().copied().filter(is_logged).collect()
}

/// A change's row before and after it.
pub fn images(change: &Change, names: &Names, columns: &Rc<[Telling]>) -> (Row, Row) {
    let key = Row::of(columns, names, &change.key);
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
