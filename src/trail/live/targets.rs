//! The tables in which changes are taken back: a table as a whole, or each partition by itself, where nothing tells rows of the
//! whole table apart.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::book::Subject;
use super::parts;
use super::revert_facts::{Facts, tells_apart};
use super::reverting::{Revertible, refuse, refuse_truncate};
use crate::trail::read::change::{Change, Operation};
use crate::trail::read::lineage::{ColumnId, Lineage, Names};
use crate::trail::read::row::key_columns;
use crate::trail::revert::Undone;

/// Tables, and which of them each shape is of.
#[derive(Default)]
pub struct Targets {
    /// The tables.
    pub tables: Vec<Revertible>,
    places: HashMap<i32, usize>,
    /// The tables in the past of which each shape is: that of a table is in those of all its partitions.
    pasts: HashMap<i32, Vec<usize>>,
    /// Shapes of which there is no table any more.
    gone: HashMap<i32, Rc<Gone>>,
}

/// What there is no table of any more.
struct Gone {
    /// The table above it.
    table: String,
    /// The partition, where it is one.
    partition: Option<Partition>,
}

/// A partition that is gone.
struct Partition {
    name: String,
    /// No place of a table, and no other's.
    place: usize,
    /// Its columns through time, and the key that told its rows apart in the end.
    lineage: Lineage,
    key: Vec<ColumnId>,
}

impl Targets {
    /// Those of a table to which changes of these shapes were made.
    pub fn of(subject: Subject, shapes: &HashSet<i32>) -> Self {
        let mut targets = Self::default();
        targets.add(subject, shapes);
        targets
    }

    /// Adds those of one more table.
    pub fn add(&mut self, subject: Subject, shapes: &HashSet<i32>) {
        if !are_apart(&subject, shapes) {
            self.places.extend(subject.shapes.iter().map(|&shape| (shape, self.tables.len())));
            let facts = Facts::of(&[subject.table.oid]);
            self.push(subject, &facts);
            return;
        }
        let name = subject.table.qualified();
        let table = Rc::new(Gone { table: name.clone(), partition: None });
        self.gone.extend(subject.shapes.iter().map(|&shape| (shape, Rc::clone(&table))));
        let mut there: Vec<(Vec<i32>, Subject)> = Vec::new();
        for holder in subject.lineage.holders() {
            let own: Vec<i32> = subject.lineage.shapes_of(holder).collect();
            if !own.iter().any(|shape| shapes.contains(shape)) {
                continue;
            }
            let Some(partition) = parts::live(&subject, holder) else {
                let lineage = parts::alone(&subject, holder).lineage;
                let last = own.last().and_then(|&shape| lineage.names(shape));
                let partition = Partition {
                    name: parts::name(&subject, holder),
                    place: usize::MAX - holder,
                    key: last.map(key_columns).unwrap_or_default(),
                    lineage,
                };
                let gone = Rc::new(Gone { table: name.clone(), partition: Some(partition) });
                self.gone.extend(own.into_iter().map(|shape| (shape, Rc::clone(&gone))));
                continue;
            };
            there.push((own, Subject { table: partition.clone(), ..parts::alone(&subject, holder) }));
        }
        let facts = Facts::of(&there.iter().map(|(_, part)| part.table.oid).collect::<Vec<_>>());
        for (own, part) in there {
            self.places.extend(own.into_iter().map(|shape| (shape, self.tables.len())));
            self.push(part, &facts);
        }
    }

    fn push(&mut self, subject: Subject, facts: &Facts) {
        for (shape, _) in subject.lineage.logged() {
            self.pasts.entry(shape).or_default().push(self.tables.len());
        }
        self.tables.push(Revertible::new(subject, facts));
    }

    /// The place of the table to which rows of that shape belong.
    pub fn place_of_shape(&self, shape: i32) -> Option<usize> {
        self.places.get(&shape).copied()
    }

    /// The places of the tables in the past of which that shape is.
    pub fn with_past(&self, shape: i32) -> &[usize] {
        self.pasts.get(&shape).map_or(&[], Vec::as_slice)
    }

    /// All shapes in the past of any of the tables.
    pub fn shapes(&self) -> impl Iterator<Item = i32> + '_ {
        self.pasts.keys().copied()
    }

    /// The place of the table of a change; an ERROR where there is none.
    pub fn place(&self, change: &Change) -> usize {
        if let Some(&place) = self.places.get(&change.shape) {
            return place;
        }
        let Some(gone) = self.gone.get(&change.shape) else {
            refuse(&format!("change {} cannot be read", change.id), "Its row of dbm_trail.shape is gone.", "")
        };
        let Gone { table, partition } = &**gone;
        if change.operation == Operation::Truncate {
            refuse_truncate(table);
        }
        let message = format!("change {} of {table} cannot be taken back", change.id);
        match partition {
            Some(partition) => refuse(
                &message,
                &format!("It changed a row of {}, which is no partition of it any more.", partition.name),
                "",
            ),
            None => refuse(
                &message,
                "Rows were told apart by other columns then, so that others could be changed.",
                "",
            ),
        }
    }

    /// Where a change found its row, as a number, the columns there through time, and the key that tells rows apart there: also in
    /// a partition that is gone. An ERROR where nobody knows.
    pub fn past(&self, change: &Change) -> (usize, &Lineage, &[ColumnId]) {
        match self.gone.get(&change.shape).and_then(|gone| gone.partition.as_ref()) {
            Some(partition) if !self.places.contains_key(&change.shape) => {
                (partition.place, &partition.lineage, &partition.key)
            }
            _ => {
                let (place, table) = (self.place(change), self.table(change));
                (place, &table.subject.lineage, &table.key)
            }
        }
    }

    /// The table of a change.
    pub fn table(&self, change: &Change) -> &Revertible {
        &self.tables[self.place(change)]
    }

    /// A change to be taken back.
    pub fn undone(&self, change: &Change) -> Undone {
        let place = self.place(change);
        self.tables[place].undone(change, place)
    }
}

/// Whether the rows of these shapes are found in their partitions alone: nothing tells them apart in the table as a whole, or
/// not the same in all of them.
fn are_apart(subject: &Subject, shapes: &HashSet<i32>) -> bool {
    if !subject.table.is_partitioned {
        return false;
    }
    let lineage = &subject.lineage;
    let is_held = |shape: &i32| lineage.names(*shape).is_some_and(|names| names.is_held);
    if shapes.iter().any(is_held) {
        return true;
    }
    let is_wanted = |holder: &usize| lineage.shapes_of(*holder).any(|shape| shapes.contains(&shape));
    let lasts = lineage.holders().into_iter().filter(is_wanted);
    let lasts: Vec<&Names> =
        lasts.filter_map(|holder| lineage.names(lineage.shapes_of(holder).next_back()?)).collect();
    let Some((first, others)) = lasts.split_first() else { return false };
    let is_other = |names: &&Names| {
        names.is_whole_row != first.is_whole_row || !first.is_whole_row && names.key != first.key
    };
    others.iter().any(is_other) || !first.is_whole_row && !tells_apart(subject, &key_columns(first))
}
