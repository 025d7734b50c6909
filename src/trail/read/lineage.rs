//! The columns of a table through time: what a change calls a column may have another name today, or be gone.
//!
//! A column keeps its number as long as it lives, whatever its name, and no other gets the number; so the number tells
//! which column of two shapes is the same one. But a restored table is made anew and counts from 1 without gaps: a
//! shape that has a number which the one before had passed over is such a one, and there names tell. Partitions count
//! their columns each for itself, and have the names of the parent at all times: so each is followed back from what it
//! is called now, and one that is gone from what others called theirs when it was changed last.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Excluded, Unbounded};

use serde::Deserialize;

use super::holders::{Fate, Holder, Passages, Presence, chains};

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
    /// Which table held the rows: the same for all shapes of a table, another for each of its partitions.
    pub holder: Holder,
}

/// The number of the shape that the table has now; those of its partitions are below it, from [`FIRST_LIVE`].
pub const LIVE: i32 = i32::MAX;

/// No shape in the log has this number or a higher one.
pub const FIRST_LIVE: i32 = i32::MAX - 1_000_000;

/// What a shape calls the columns.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Its columns in order: which one, and how it is called.
    pub columns: Vec<(ColumnId, Attribute)>,
    /// Those of the key.
    pub key: Vec<ColumnId>,
    /// Whether that is the whole row, for want of a key.
    pub is_whole_row: bool,
    /// Whether the key tells rows apart within the partition alone that held them.
    pub is_held: bool,
    /// Which table held the rows: one of the holders of the lineage.
    pub holder: usize,
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
    pub(super) shapes: BTreeMap<i32, Names>,
    /// What became of the tables that held the rows.
    fates: Vec<Fate>,
    /// How many columns there ever were.
    pub width: usize,
}

impl Lineage {
    /// From the shapes of one table, with those of its partitions and with the live ones, in any order.
    pub fn new(mut shapes: Vec<Shape>, passages: &Passages) -> Self {
        // The live shape of the table itself comes first: what the columns are called now holds for all.
        shapes.sort_by_key(|shape| std::cmp::Reverse((shape.id == LIVE, shape.id)));
        let mut builder = Builder::default();
        let mut fates = Vec::new();
        let known = shapes.iter().map(|shape| (shape.holder.home.clone(), shape.holder.relid)).collect();
        for (holder, chain) in chains(shapes, passages).into_iter().enumerate() {
            fates.push(passages.fate(&chain, &known));
            builder.follow(holder, chain);
        }
        let mut lineage = Self { shapes: builder.shapes, fates, width: builder.width };
        lineage.log_as_before();
        lineage
    }

    /// Whether values are logged now: as in the shape that was seen last, whatever a column is called since. A new column is
    /// logged.
    fn log_as_before(&mut self) {
        let last = self.shapes.range(..FIRST_LIVE).next_back();
        let logged: HashMap<ColumnId, Logged> = last
            .map(|(_, names)| names.columns.iter().map(|(id, attribute)| (*id, attribute.logged)).collect())
            .unwrap_or_default();
        for (_, names) in self.shapes.range_mut(FIRST_LIVE..) {
            for (id, attribute) in &mut names.columns {
                attribute.logged = logged.get(id).copied().unwrap_or_default();
            }
        }
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
        let seen = self.shapes.range(..FIRST_LIVE).map(|(_, names)| names);
        let by_then = seen.clone().rfind(|names| names.seen_at <= moment);
        by_then.or_else(|| seen.clone().next()).or_else(|| self.shapes.values().next())
    }

    /// Whether a TRUNCATE that found this shape emptied the table as a whole, and not one of its partitions.
    pub fn is_whole_table(&self, shape: i32) -> bool {
        let own = self.shapes.get(&LIVE).map(|names| names.holder);
        self.shapes.get(&shape).is_none_or(|names| own.is_none_or(|own| own == names.holder))
    }

    /// Whether two shapes are of the same table or partition.
    pub fn is_same_holder(&self, one: i32, other: i32) -> bool {
        let holder = |shape| self.shapes.get(&shape).map(|names: &Names| names.holder);
        holder(one) == holder(other)
    }

    fn fate(&self, shape: i32) -> Option<&Fate> {
        self.fates.get(self.shapes.get(&shape)?.holder)
    }

    /// Whether the table that held rows of this shape was, and is, a partition; the partitioned table itself always is.
    pub fn presence(&self, shape: i32, at: i64) -> Presence {
        self.fate(shape).map_or(Presence::Lasting, |fate| fate.at(at))
    }

    /// Whether the table that held rows of this shape has gone since a moment, be it that it came again.
    pub fn went_since(&self, shape: i32, at: i64) -> bool {
        self.went_between(shape, at, i64::MAX)
    }

    /// Whether the table that held rows of this shape is no partition any more.
    pub fn is_gone(&self, shape: i32) -> bool {
        self.fate(shape).is_some_and(Fate::is_gone)
    }

    /// Whether the table that held rows of this shape, with them, ceased to be a partition after the one moment and by the
    /// other.
    pub fn went_between(&self, shape: i32, from: i64, until: i64) -> bool {
        self.fate(shape).is_some_and(|fate| fate.went_between(from, until))
    }

    /// Whether the table that held rows of this shape is a partition now.
    pub fn is_live(&self, shape: i32) -> bool {
        self.fate(shape).is_some_and(Fate::is_live)
    }

    /// The partitions that came after a moment: their OIDs.
    pub fn came_after(&self, at: i64) -> Vec<u32> {
        self.fates.iter().filter_map(|fate| fate.came_after(at)).collect()
    }

    /// What the table calls them now, or called them last.
    pub fn last(&self) -> Option<&Names> {
        self.shapes.values().next_back()
    }
}

/// Gives columns their ids, from now back to the first shape.
#[derive(Default)]
struct Builder {
    shapes: BTreeMap<i32, Names>,
    width: usize,
    /// The columns by the names that they have at the end, and those that were gone before it: by name, the last first.
    last: HashMap<String, ColumnId>,
    gone: HashMap<(String, usize), ColumnId>,
}

impl Builder {
    fn new_column(&mut self) -> ColumnId {
        self.width += 1;
        self.width - 1
    }

    /// What columns of these names were when a shape was seen that is the last of a table which is gone: as of the shape next to
    /// it that has the same.
    fn beside(&self, last: &Shape) -> HashMap<String, ColumnId> {
        let is_same = |names: &&Names| {
            names.columns.len() == last.attributes.len()
                && last.attributes.iter().all(|attribute| names.id(&attribute.name).is_some())
        };
        let logged = |from, to| self.shapes.range((from, to)).map(|(_, names)| names);
        let before = logged(Unbounded, Excluded(last.id)).rfind(is_same);
        let after = logged(Excluded(last.id), Excluded(FIRST_LIVE)).find(is_same);
        before.or(after).map_or_else(HashMap::new, |names| {
            names.columns.iter().map(|(id, attribute)| (attribute.name.clone(), *id)).collect()
        })
    }

    /// The shapes of one table, the last first.
    fn follow(&mut self, holder: usize, chain: Vec<Shape>) {
        let mut later: Option<Vec<(ColumnId, Attribute)>> = None;
        let beside = match chain.first() {
            Some(last) if last.id < FIRST_LIVE => self.beside(last),
            _ => HashMap::new(),
        };
        let mut gone_here: HashMap<String, usize> = HashMap::new();
        for shape in chain {
            let is_restored = later.as_ref().is_some_and(|later| is_restored(&shape.attributes, later));
            let mut columns = Vec::with_capacity(shape.attributes.len());
            for attribute in shape.attributes {
                let id = match &later {
                    None => beside
                        .get(&attribute.name)
                        .or(self.last.get(&attribute.name))
                        .copied()
                        .unwrap_or_else(|| {
                            let id = self.new_column();
                            self.last.insert(attribute.name.clone(), id);
                            id
                        }),
                    Some(later) => {
                        let same = later.iter().find(|(_, new)| {
                            if is_restored {
                                new.name == attribute.name
                            } else {
                                new.number == attribute.number
                            }
                        });
                        match same {
                            Some(&(id, _)) => id,
                            None => {
                                let nth = gone_here.entry(attribute.name.clone()).or_default();
                                *nth += 1;
                                let name = (attribute.name.clone(), *nth);
                                self.gone.get(&name).copied().unwrap_or_else(|| {
                                    let id = self.new_column();
                                    self.gone.insert(name, id);
                                    id
                                })
                            }
                        }
                    }
                };
                columns.push((id, attribute));
            }
            later = Some(columns.clone());
            let is_whole_row = shape.key.is_empty();
            let names = Names { columns, is_whole_row, holder, seen_at: shape.seen_at, ..Names::default() };
            let mut key: Vec<ColumnId> = if shape.key.is_empty() {
                names.columns.iter().map(|&(id, _)| id).collect()
            } else {
                shape.key.iter().filter_map(|name| names.id(name)).collect()
            };
            key.sort_unstable();
            self.shapes.insert(shape.id, Names { key, ..names });
        }
    }
}

/// Whether the table was made anew between two shapes: the later has a number that the earlier had passed over.
fn is_restored(earlier: &[Attribute], later: &[(ColumnId, Attribute)]) -> bool {
    let highest = earlier.iter().map(|attribute| attribute.number).max().unwrap_or(0);
    later.iter().any(|(_, attribute)| {
        attribute.number < highest && earlier.iter().all(|old| old.number != attribute.number)
    })
}

#[cfg(test)]
pub mod sample {
    //! Hand-made shapes.

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
        Shape { id, seen_at, attributes, key, holder: holder("t") }
    }

    /// A table that is known by its name.
    pub fn holder(name: &str) -> Holder {
        Holder { home: name.to_owned(), relid: 0, name: name.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::sample::{holder, shape};
    use super::*;

    fn new(shapes: Vec<Shape>) -> Lineage {
        Lineage::new(shapes, &Passages::default())
    }

    fn id(lineage: &Lineage, shape: i32, name: &str) -> ColumnId {
        lineage.names(shape).unwrap().id(name).unwrap()
    }

    #[test]
    fn a_renamed_column_is_the_same_one() {
        let lineage = new(vec![
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
    fn a_renamed_column_is_logged_as_before() {
        let mut last = shape(1, 10, &[(1, "id"), (2, "secret"), (3, "note")]);
        last.attributes[1].logged = Logged::Redacted;
        let live = shape(LIVE, 20, &[(1, "id"), (2, "note"), (3, "text"), (4, "secret")]);
        let lineage = new(vec![last, live]);
        let logged = |name| {
            let names = lineage.names(LIVE).unwrap();
            names.attribute(names.id(name).unwrap()).unwrap().logged
        };
        assert_eq!(["note", "text", "secret"].map(logged), [Logged::Redacted, Logged::Yes, Logged::Yes]);
    }

    #[test]
    fn a_restored_table_counts_anew() {
        let lineage = new(vec![
            shape(1, 10, &[(1, "id"), (3, "a"), (5, "b")]),
            shape(LIVE, 20, &[(1, "id"), (2, "a"), (3, "b")]),
        ]);
        for name in ["id", "a", "b"] {
            assert_eq!(id(&lineage, 1, name), id(&lineage, LIVE, name), "{name}");
        }
        assert_eq!(lineage.width, 3);
    }

    #[test]
    fn partitions_count_each_for_itself() {
        let of = |name: &str, shape: Shape| Shape { holder: holder(name), ..shape };
        let lineage = new(vec![
            of("a", shape(1, 10, &[(1, "id"), (2, "name"), (3, "size")])),
            of("b", shape(2, 20, &[(2, "id"), (1, "size"), (4, "label")])),
            of("t", shape(LIVE, 99, &[(1, "id"), (2, "label")])),
            of("a", shape(LIVE - 1, 99, &[(1, "id"), (2, "label")])),
            of("b", shape(LIVE - 2, 99, &[(2, "id"), (4, "label")])),
        ]);
        assert_eq!(id(&lineage, 1, "name"), id(&lineage, LIVE, "label"));
        assert_eq!(id(&lineage, 2, "label"), id(&lineage, LIVE, "label"));
        assert_eq!(id(&lineage, 1, "size"), id(&lineage, 2, "size"));
        assert_eq!(lineage.width, 3);
    }

    #[test]
    fn a_partition_is_itself_by_any_name() {
        let of = |home: &str, relid, name: &str, shape: Shape| Shape {
            holder: Holder { home: home.to_owned(), relid, name: name.to_owned() },
            ..shape
        };
        let lineage = new(vec![
            of("old", 7, "p1", shape(1, 10, &[(1, "id"), (3, "name")])),
            of("new", 8, "p1", shape(2, 20, &[(1, "id"), (2, "name")])),
            of("new", 8, "q1", shape(3, 30, &[(1, "id"), (2, "label")])),
            of("new", 5, "t", shape(LIVE, 99, &[(1, "id"), (2, "text")])),
            of("new", 8, "r1", shape(LIVE - 1, 99, &[(1, "id"), (2, "text")])),
            // Another that is called as the one was.
            of("new", 9, "p1", shape(LIVE - 2, 99, &[(1, "id"), (2, "text")])),
        ]);
        for (shape, name) in [(1, "name"), (2, "name"), (3, "label")] {
            assert_eq!(id(&lineage, shape, name), id(&lineage, LIVE, "text"), "{shape}");
            assert!(lineage.is_same_holder(shape, LIVE - 1), "{shape}");
        }
        assert!(!lineage.is_same_holder(1, LIVE - 2));
        assert!(!lineage.is_whole_table(3));
    }

    #[test]
    fn a_partition_that_is_gone_had_the_names_of_then() {
        let of = |relid, shape: Shape| Shape {
            holder: Holder { home: "a".to_owned(), relid, name: "p".to_owned() },
            ..shape
        };
        let lineage = new(vec![
            of(7, shape(1, 10, &[(1, "id"), (2, "name"), (3, "note")])),
            of(8, shape(2, 20, &[(1, "id"), (2, "name"), (3, "note")])),
            // Since, what was a name is a label, and a note the name; then one came that has them in another order.
            of(8, shape(3, 30, &[(1, "id"), (2, "label"), (3, "name")])),
            of(5, shape(LIVE, 99, &[(1, "id"), (2, "label"), (3, "name")])),
            of(9, shape(LIVE - 1, 99, &[(1, "id"), (2, "name"), (3, "label")])),
            of(8, shape(LIVE - 2, 99, &[(1, "id"), (2, "label"), (3, "name")])),
        ]);
        for (name, now) in [("name", "label"), ("note", "name")] {
            assert_eq!(id(&lineage, 1, name), id(&lineage, LIVE, now), "{name}");
            assert_eq!(id(&lineage, 2, name), id(&lineage, LIVE - 1, now), "{name}");
        }
        assert_eq!(lineage.width, 3);
    }

    #[test]
    fn a_new_column_is_another_one() {
        let lineage = new(vec![shape(1, 10, &[(1, "id"), (2, "a")]), shape(2, 20, &[(1, "id"), (3, "a")])]);
        assert_ne!(id(&lineage, 1, "a"), id(&lineage, 2, "a"));
    }
}
