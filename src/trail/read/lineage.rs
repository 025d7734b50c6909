//! The columns of a table through time: what a change calls a column may have another name today, or be gone.
//!
//! A column keeps its number as long as it lives, whatever its name, and no other gets the number; so the number tells
//! which column of two shapes is the same one. But a restored table is made anew and counts from 1 without gaps: a
//! shape that has a number which the one before had passed over is such a one, and there names tell. Partitions count
//! their columns each for itself, and have the names of the parent at all times: so each is followed back from what it
//! is called now, and one that is gone from what others called theirs when it was changed last.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::document::{input, string};
use super::holders::{Fate, Holder, Passages, Presence, chains};
use super::identify::Builder;

pub use super::attribute::{Attribute, Logged, Telling};

/// A column of a table, as long as it lives.
pub type ColumnId = usize;

/// A table as changes found it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Its number; the live table has [`LIVE`].
    pub id: i32,
    /// When it was seen first: by the installation or the statement that made it, or by the first change; in microseconds.
    pub seen_at: i64,
    /// Its columns.
    pub attributes: Vec<Attribute>,
    /// The names of the columns that tell its rows apart; none where the whole row does.
    pub key: Vec<String>,
    /// Which table held the rows: the same for all shapes of a table, another for each of its partitions.
    pub holder: Holder,
    /// Whether it was noted when the table was watched, or altered: no change has it.
    pub is_noted: bool,
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
    /// When it was seen first.
    pub seen_at: i64,
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
    /// Those that no change has: what the columns were called from then on.
    pub(super) noted: BTreeMap<i32, Names>,
    /// The shapes in the log of each table that held rows, the first first, and the one that each has now.
    pub(super) logged_of: HashMap<usize, Vec<i32>>,
    pub(super) live_of: HashMap<usize, i32>,
    /// What became of the tables that held the rows.
    pub(super) fates: Rc<[Fate]>,
    /// Of each column that there ever was, by its number, what tells its values apart.
    pub columns: Rc<[Telling]>,
}

impl Lineage {
    /// From the shapes of one table, with those of its partitions and with the live ones, in any order.
    pub fn new(mut shapes: Vec<Shape>, passages: &Passages) -> Self {
        // The live shape of the table itself comes first: what the columns are called now holds for all.
        shapes.sort_by_key(|shape| std::cmp::Reverse((shape.id == LIVE, shape.id)));
        let mut builder = Builder::default();
        let noted: HashSet<i32> =
            shapes.iter().filter(|shape| shape.is_noted).map(|shape| shape.id).collect();
        let mut fates = Vec::new();
        let known = shapes.iter().map(|shape| (shape.holder.home.clone(), shape.holder.relid)).collect();
        for (holder, chain) in chains(shapes, passages).into_iter().enumerate() {
            fates.push(passages.fate(&chain, &known));
            builder.follow(holder, chain, passages);
        }
        let (noted, shapes) = builder.shapes.into_iter().partition(|(shape, _)| noted.contains(shape));
        let mut lineage =
            Self { shapes, noted, fates: fates.into(), columns: builder.columns.into(), ..Self::default() };
        lineage.log_as_before();
        lineage.index();
        lineage
    }

    /// Whether values are logged now: as in the shape that was seen last, whatever a column is called since. A new column is
    /// logged.
    fn log_as_before(&mut self) {
        let logged = self.shapes.range(..FIRST_LIVE);
        let last = logged.chain(&self.noted).max_by_key(|&(shape, _)| shape);
        let logged: HashMap<ColumnId, Logged> = last
            .map(|(_, names)| names.columns.iter().map(|(id, attribute)| (*id, attribute.logged)).collect())
            .unwrap_or_default();
        for (_, names) in self.shapes.range_mut(FIRST_LIVE..) {
            for (id, attribute) in &mut names.columns {
                attribute.logged = logged.get(id).copied().unwrap_or_default();
            }
        }
    }

    /// Which shapes are of which table.
    pub(super) fn index(&mut self) {
        for (&id, names) in &self.shapes {
            if id < FIRST_LIVE {
                self.logged_of.entry(names.holder).or_default().push(id);
            } else {
                self.live_of.insert(names.holder, id);
            }
        }
    }

    /// What that shape calls them.
    pub fn names(&self, shape: i32) -> Option<&Names> {
        self.shapes.get(&shape)
    }

    /// What the shape that the table had at a moment calls them: the last that was seen by then, or else the first. The live one
    /// is that of `now` only: where nobody saw the statement that made it, it is known from the first change after that.
    pub fn names_at(&self, moment: i64, now: i64) -> Option<&Names> {
        if moment >= now
            && let Some(live) = self.shapes.get(&LIVE)
        {
            return Some(live);
        }
        let seen = || self.shapes.range(..FIRST_LIVE).chain(&self.noted);
        let by_then = seen().filter(|(_, names)| names.seen_at <= moment).max_by_key(|&(shape, _)| shape);
        let found = by_then.or_else(|| seen().min_by_key(|&(shape, _)| shape)).map(|(_, names)| names);
        found.or_else(|| self.shapes.values().next())
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

    /// The columns of a table that is gone of which it is not certain which of those of now they were.
    pub fn guessed(&self, holder: usize) -> impl Iterator<Item = ColumnId> + '_ {
        let shapes = self.logged_of.get(&holder).into_iter().flatten().filter_map(|&shape| self.names(shape));
        let columns = shapes.flat_map(|names| &names.columns);
        columns.filter(|(_, attribute)| attribute.is_guessed).map(|(id, _)| *id)
    }

    /// A value of a column, as JSON, without what does not tell it apart.
    pub fn told(&self, column: ColumnId, value: &str) -> String {
        let telling = self.columns.get(column).copied().unwrap_or_default();
        match (telling, input(value)) {
            (Telling::Unpadded, Some(text)) if value.starts_with('"') => string(telling.told(&text)),
            (Telling::Unscaled, _) if !value.starts_with('"') => telling.told(value).to_owned(),
            _ => value.to_owned(),
        }
    }

    /// What the table calls them now, or called them last.
    pub fn last(&self) -> Option<&Names> {
        self.shapes.values().next_back()
    }
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
                type_name: None,
                above: None,
                is_guessed: false,
            })
            .collect::<Vec<_>>();
        let key = columns.first().map(|&(_, name)| name.to_owned()).into_iter().collect();
        Shape { id, seen_at, attributes, key, holder: holder("t"), is_noted: false }
    }

    /// A table that is known by its name.
    pub fn holder(name: &str) -> Holder {
        Holder { home: name.to_owned(), relid: 0, name: name.to_owned() }
    }
}

#[cfg(test)]
mod tests;
