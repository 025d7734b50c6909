//! Which column of which shape is which: each has a number of its own, from now back to the first shape.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::attribute::Family;
use super::holders::Passages;
use super::lineage::{Attribute, ColumnId, FIRST_LIVE, LIVE, Names, Shape, Telling};

/// Gives columns their ids, from now back to the first shape.
#[derive(Default)]
pub struct Builder {
    /// What each shape calls them.
    pub shapes: BTreeMap<i32, Names>,
    /// Of each column what tells its values apart.
    pub columns: Vec<Telling>,
    /// Of each column the family of all types that it had.
    families: Vec<Option<Family>>,
    /// The columns by the names that they have at the end, and those that were gone before it: by name, the last first.
    last: HashMap<String, ColumnId>,
    gone: HashMap<(String, usize), ColumnId>,
    /// The shapes of the log by the names of their columns.
    alike: HashMap<String, BTreeSet<i32>>,
    /// The first shape in which a column certainly had a name.
    named: HashMap<(String, ColumnId), i32>,
    /// The columns by the making of the table itself and the numbers that they had there then.
    above: HashMap<(usize, i32), ColumnId>,
    /// The numbers and the names that the columns of the table itself have now.
    now: Vec<(i32, String)>,
}

/// The names of columns, in whatever order, as one text.
fn all_names<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> String {
    let mut names: Vec<&str> = attributes.map(|attribute| &*attribute.name).collect();
    names.sort_unstable();
    // No name has such a byte.
    names.join("\0")
}

impl Builder {
    fn new_column(&mut self) -> ColumnId {
        self.columns.push(Telling::Whole);
        self.families.push(None);
        self.columns.len() - 1
    }

    /// Takes over what tells the values of a column apart by a type that it has or had. Where it was of another family of types,
    /// all of each value does: two that are alike as numbers may be two as texts.
    fn tell(&mut self, column: ColumnId, type_name: &str) {
        let family = Family::of(type_name);
        match self.families[column] {
            Some(known) if known != family => {
                self.families[column] = Some(Family::Other);
                self.columns[column] = Telling::Whole;
            }
            known => {
                self.families[column] = known.or(Some(family));
                let telling = Telling::of(type_name);
                if telling != Telling::Whole {
                    self.columns[column] = telling;
                }
            }
        }
    }

    /// What columns of these names were when a shape was seen that is the last of a table which is gone: as of the shape next to
    /// it that has the same.
    fn beside(&self, last: &Shape) -> HashMap<String, ColumnId> {
        let alike = self.alike.get(&all_names(last.attributes.iter()));
        let beside = alike
            .and_then(|alike| alike.range(..last.id).next_back().or_else(|| alike.range(last.id..).next()));
        beside.and_then(|shape| self.shapes.get(shape)).map_or_else(HashMap::new, |names| {
            names.columns.iter().map(|(id, attribute)| (attribute.name.clone(), *id)).collect()
        })
    }

    /// Whether the columns that the table had when a shape was seen, which is the last of a table that is gone, are those of now,
    /// none more and none less: the first that it ever got, of which none is gone, have these names.
    fn are_first(&self, last: &Shape) -> bool {
        let count = last.attributes.len();
        let mut first = self
            .now
            .iter()
            .filter(|(number, _)| usize::try_from(*number).is_ok_and(|number| number <= count));
        let is_there = |name: &String| last.attributes.iter().any(|attribute| attribute.name == *name);
        first.clone().count() == count && first.all(|(_, name)| is_there(name))
    }

    /// Which column was meant by the last shape of a table that is gone, by its number in the table above; `None` where nobody
    /// knows. `is_of_now`: whether that has been made anew since.
    fn by_above(&mut self, making: usize, attribute: &Attribute, is_of_now: bool) -> Option<ColumnId> {
        let key = (making, attribute.above?);
        if let Some(&id) = self.above.get(&key) {
            return Some(id);
        }
        // It is none of the columns of now.
        is_of_now.then(|| {
            let id = self.new_column();
            self.above.insert(key, id);
            id
        })
    }

    /// Which column a partition's was by its number in the table above it, as far as that one's own shapes tell.
    fn known_above(&self, making: usize, attribute: &Attribute) -> Option<ColumnId> {
        self.above.get(&(making, attribute.above?)).copied()
    }

    /// The shapes of one table, the last first.
    pub fn follow(&mut self, holder: usize, chain: Vec<Shape>, passages: &Passages) {
        let mut later: Option<Vec<(ColumnId, Attribute)>> = None;
        let beside = match chain.first() {
            Some(last) if last.id < FIRST_LIVE => self.beside(last),
            _ => HashMap::new(),
        };
        let mut gone_here: HashMap<String, usize> = HashMap::new();
        let is_gone = chain.first().is_some_and(|last| last.id < FIRST_LIVE);
        let is_itself = chain.first().is_some_and(|last| last.id == LIVE);
        let now = passages.making(i64::MAX);
        let is_of_now = chain.first().is_some_and(|last| passages.making(last.seen_at) == now);
        let are_first = is_gone && is_of_now && chain.first().is_some_and(|last| self.are_first(last));
        for shape in chain {
            let making = passages.making(shape.seen_at);
            if shape.id == LIVE {
                let name = |attribute: &Attribute| (attribute.number, attribute.name.clone());
                self.now = shape.attributes.iter().map(name).collect();
            }
            let is_restored = later.as_ref().is_some_and(|later| is_restored(&shape.attributes, later));
            let mut columns = Vec::with_capacity(shape.attributes.len());
            for mut attribute in shape.attributes {
                let by_above = match &later {
                    None if is_gone => self.by_above(making, &attribute, is_of_now),
                    _ => None,
                };
                let id = match &later {
                    None if by_above.is_some() => by_above.unwrap_or_default(),
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
                            Some((id, new)) => {
                                attribute.is_guessed = new.is_guessed;
                                *id
                            }
                            None => self.known_above(making, &attribute).unwrap_or_else(|| {
                                let nth = gone_here.entry(attribute.name.clone()).or_default();
                                *nth += 1;
                                let name = (attribute.name.clone(), *nth);
                                self.gone.get(&name).copied().unwrap_or_else(|| {
                                    let id = self.new_column();
                                    self.gone.insert(name, id);
                                    id
                                })
                            }),
                        }
                    }
                };
                if later.is_none() && is_gone && by_above.is_none() {
                    let is_own = are_first && self.last.get(&attribute.name) == Some(&id);
                    let named = self.named.get(&(attribute.name.clone(), id));
                    attribute.is_guessed = !is_own && named.is_none_or(|&first| first > shape.id);
                }
                let above = attribute.above.or(is_itself.then_some(attribute.number));
                if let Some(above) = above.filter(|_| !attribute.is_guessed) {
                    self.above.entry((making, above)).or_insert(id);
                }
                if !attribute.is_guessed && shape.id < FIRST_LIVE {
                    let first = self.named.entry((attribute.name.clone(), id)).or_insert(shape.id);
                    *first = shape.id.min(*first);
                }
                if let Some(type_name) = &attribute.type_name {
                    self.tell(id, type_name);
                }
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
            if shape.id < FIRST_LIVE {
                let alike = all_names(names.columns.iter().map(|(_, attribute)| attribute));
                self.alike.entry(alike).or_default().insert(shape.id);
            }
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
