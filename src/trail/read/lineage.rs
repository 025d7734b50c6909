//! The columns of a table through time: what a change calls a column may have another name today, or be gone.
//!
//! A column keeps its number as long as it lives, whatever its name, and no other gets the number; so the number tells
//! which column of two shapes is the same one. But a restored table is made anew and counts from 1 without gaps: a
//! shape that has a number which the one before had passed over is such a one, and there names tell.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A column of a table, as long as it lives.
pub type ColumnId = usize;

/// Whether the values of a column are in the log.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Logged {
    /// As they are.
    #[default]
    Yes,
    /// Left out.
    No,
    /// Something else in their place.
    Redacted,
}

/// A column as one shape has it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Attribute {
    /// Its number.
    pub number: i32,
    /// Its name.
    pub name: String,
    /// Whether it is computed from others.
    #[serde(default)]
    pub generated: bool,
    /// Whether its values are logged.
    #[serde(default)]
    pub logged: Logged,
}

/// A table as changes found it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Its number; the live table has [`LIVE`].
    pub id: i32,
    /// When the first change of this shape was made, in microseconds.
    pub seen_at: i64,
    /// Its columns.
    pub attributes: Vec<Attribute>,
    /// The names of the columns that tell its rows apart; none where the whole row does.
    pub key: Vec<String>,
}

/// The number of the shape that the table has now.
pub const LIVE: i32 = i32::MAX;

/// What a shape calls the columns.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Its columns in order: which one, and how it is called.
    pub columns: Vec<(ColumnId, Attribute)>,
    /// Those of the key.
    pub key: Vec<ColumnId>,
    seen_at: i64,
}

impl Names {
    /// Which column that name means.
    pub fn id(&self, name: &str) -> Option<ColumnId> {
        self.columns.iter().find(|(_, attribute)| attribute.name == name).map(|&(id, _)| id)
    }

    /// The column, if the shape has it.
    pub fn attribute(&self, id: ColumnId) -> Option<&Attribute> {
        self.columns.iter().find(|&&(found, _)| found == id).map(|(_, attribute)| attribute)
    }
}

/// The columns of a table in all its shapes.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    shapes: BTreeMap<i32, Names>,
    /// How many columns there ever were.
    pub width: usize,
}

impl Lineage {
    /// From the shapes of one table, in any order.
    pub fn new(mut shapes: Vec<Shape>) -> Self {
        shapes.sort_by_key(|shape| shape.id);
        let mut lineage = Self::default();
        let mut before: Vec<(ColumnId, Attribute)> = Vec::new();
        for shape in shapes {
            let is_restored = is_restored(&before, &shape.attributes);
            let mut columns = Vec::with_capacity(shape.attributes.len());
            for attribute in shape.attributes {
                let same = before.iter().find(|(_, old)| {
                    if is_restored { old.name == attribute.name } else { old.number == attribute.number }
                });
                let id = same.map_or(lineage.width, |&(id, _)| id);
                lineage.width = lineage.width.max(id + 1);
                columns.push((id, attribute));
            }
            let names = Names { columns, key: Vec::new(), seen_at: shape.seen_at };
            let key = if shape.key.is_empty() {
                names.columns.iter().map(|&(id, _)| id).collect()
            } else {
                shape.key.iter().filter_map(|name| names.id(name)).collect()
            };
            before.clone_from(&names.columns);
            lineage.shapes.insert(shape.id, Names { key, ..names });
        }
        lineage
    }

    /// What that shape calls them.
    pub fn names(&self, shape: i32) -> Option<&Names> {
        self.shapes.get(&shape)
    }

    /// What the shape that the table had at a moment calls them: the last that was seen by then, or else the first.
    /// A new shape is seen with the first change after it was made; so the live one, which nothing has changed yet, is
    /// that of `now` only.
    pub fn names_at(&self, moment: i64, now: i64) -> Option<&Names> {
        if moment >= now
            && let Some(live) = self.shapes.get(&LIVE)
        {
            return Some(live);
        }
        let seen = self.shapes.iter().filter(|&(&id, _)| id != LIVE).map(|(_, names)| names);
        let by_then = seen.clone().rfind(|names| names.seen_at <= moment);
        by_then.or_else(|| seen.clone().next()).or_else(|| self.shapes.values().next())
    }

    /// What the table calls them now, or called them last.
    pub fn last(&self) -> Option<&Names> {
        self.shapes.values().next_back()
    }
}

/// Whether the table was made anew between two shapes: one has a number that the other had passed over.
fn is_restored(before: &[(ColumnId, Attribute)], after: &[Attribute]) -> bool {
    let highest = before.iter().map(|(_, attribute)| attribute.number).max().unwrap_or(0);
    after.iter().any(|attribute| {
        attribute.number < highest && before.iter().all(|(_, old)| old.number != attribute.number)
    })
}

#[cfg(test)]
pub mod sample {
    use super::*;

    /// A shape from `number name` words; the first column is the key.
    pub fn shape(id: i32, seen_at: i64, columns: &[(i32, &str)]) -> Shape {
        let attributes = columns
            .iter()
            .map(|&(number, name)| Attribute {
                number,
                name: name.to_owned(),
                generated: false,
                logged: Logged::Yes,
            })
            .collect::<Vec<_>>();
        let key = columns.first().map(|&(_, name)| name.to_owned()).into_iter().collect();
        Shape { id, seen_at, attributes, key }
    }
}

#[cfg(test)]
mod tests {
    use super::sample::shape;
    use super::*;

    fn id(lineage: &Lineage, shape: i32, name: &str) -> ColumnId {
        lineage.names(shape).unwrap().id(name).unwrap()
    }

    #[test]
    fn a_renamed_column_is_the_same_one() {
        let lineage = Lineage::new(vec![
            shape(2, 20, &[(1, "id"), (2, "label"), (4, "name")]),
            shape(1, 10, &[(1, "id"), (2, "name"), (3, "gone")]),
        ]);
        assert_eq!(id(&lineage, 1, "name"), id(&lineage, 2, "label"));
        assert_ne!(id(&lineage, 1, "name"), id(&lineage, 2, "name"));
        assert_eq!(lineage.width, 4);
        assert_eq!(lineage.names_at(15, 99).unwrap().id("label"), None);
        assert!(lineage.names_at(25, 99).unwrap().id("label").is_some());
        assert!(lineage.names_at(5, 99).unwrap().id("gone").is_some());
    }

    #[test]
    fn a_restored_table_counts_anew() {
        let lineage = Lineage::new(vec![
            shape(1, 10, &[(1, "id"), (3, "a"), (5, "b")]),
            shape(LIVE, 20, &[(1, "id"), (2, "a"), (3, "b")]),
        ]);
        for name in ["id", "a", "b"] {
            assert_eq!(id(&lineage, 1, name), id(&lineage, LIVE, name), "{name}");
        }
        assert_eq!(lineage.width, 3);
    }

    #[test]
    fn a_new_column_is_another_one() {
        let lineage =
            Lineage::new(vec![shape(1, 10, &[(1, "id"), (2, "a")]), shape(2, 20, &[(1, "id"), (3, "a")])]);
        assert_ne!(id(&lineage, 1, "a"), id(&lineage, 2, "a"));
    }
}
