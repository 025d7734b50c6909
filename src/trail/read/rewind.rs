//! Tables as they were: back from what is there now, or forward from where nothing was there.
//!
//! Back is right for rows that were there before the table was watched, and asks for the changes since then alone. Only
//! TRUNCATE bars the way, since the log does not hold the rows that it removed; before it, forward is the way, from
//! the TRUNCATE before or from the beginning, and [`Replay::strangers`] tells of rows that the log met without knowing
//! where they came from.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::change::{Change, Operation};
use super::held::Identities;
use super::lineage::{ColumnId, LIVE, Lineage, Names, Telling};
use super::row::{Identity, Key, Row, images};

/// Why a table cannot be told as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// The change has a shape that the log does not have.
    NoShape(i64),
    /// Rows were told apart by other columns then.
    OtherKey(i64),
    /// TRUNCATE removed rows.
    Truncate(i64),
}

/// A row whose key at the moment that was reached is known.
enum Source {
    /// It is in the table, with that key, and had these values.
    Live(Key, Row),
    /// It is not, or not as it was.
    Restored(Row),
}

/// What becomes of a row of the table.
enum Fate {
    /// It was not there.
    Gone,
    /// It was there, with these values.
    Was(Row),
}

/// Changes taken back, the last first. Where the key got other columns on the way, a row is told by those of now in the
/// changes since and by those of then in the ones before: one stage follows the other, and each takes the rows as the one
/// before it left them.
pub struct Rewind {
    lineage: Rc<Lineage>,
    /// At least one; the last is that of the changes that are being taken back.
    stages: Vec<Stage>,
}

/// So many times the key of a table, or of a partition, may have changed.
const MOST_STAGES: usize = 16;

/// Changes during which the same columns told the rows of each partition apart.
#[derive(Default)]
struct Stage {
    keys: Identities,
    reached: HashMap<Key, Vec<Source>>,
    fates: HashMap<Key, Vec<Fate>>,
    /// Rows that came back and are not in the table, or not so.
    restored: Vec<Row>,
    left: Left,
}

/// What is left of a key of which columns are gone by now tells rows apart as long as the changes are of one row for each of what
/// is left: where two rows were alike in it at the same time, nobody knows which of them is the one that is there.
#[derive(Default)]
struct Left {
    /// The columns of the whole key.
    of: Vec<ColumnId>,
    /// The whole keys of the rows that are being followed, by what is left of them.
    whole: HashMap<Key, Key>,
}

impl Left {
    /// Takes one change back; whether its row is the one that was followed until here.
    fn undo(
        &mut self,
        whole: &Identity,
        left: &Identity,
        change: Operation,
        before: &Row,
        after: &Row,
    ) -> bool {
        if self.of != whole.columns {
            self.of.clone_from(&whole.columns);
            self.whole.clear();
        }
        let found = if change == Operation::Delete { before } else { after };
        let (place, key) = (left.key(found), whole.key(found));
        let is_it = self.whole.remove(&place).is_none_or(|known| known == key);
        if change != Operation::Insert {
            self.whole.insert(left.key(before), whole.key(before));
        }
        is_it
    }
}

impl Stage {
    fn take(&mut self, key: Key, columns: &Rc<[Telling]>) -> Source {
        let found = self.reached.get_mut(&key).and_then(Vec::pop);
        found.unwrap_or_else(|| Source::Live(key, Row::unknown(columns)))
    }

    fn put(&mut self, key: Key, source: Source) {
        self.reached.entry(key).or_default().push(source);
    }

    /// Its changes were all taken back.
    fn end(&mut self) {
        for source in std::mem::take(&mut self.reached).into_values().flatten() {
            match source {
                Source::Live(live, values) => {
                    self.fates.entry(live).or_default().push(Fate::Was(values));
                }
                Source::Restored(row) => self.restored.push(row),
            }
        }
    }

    /// What a row was before its changes; `None` where it was not there.
    fn was(&mut self, mut row: Row) -> Option<Row> {
        let fates = &mut self.fates;
        match self.keys.of_row(row.holder).find_map(|identity| fates.get_mut(&identity.key(&row))?.pop()) {
            None => Some(row),
            Some(Fate::Gone) => None,
            Some(Fate::Was(values)) => {
                row.overlay_row(&values);
                Some(row)
            }
        }
    }
}

impl Rewind {
    /// From now.
    pub fn new(lineage: &Rc<Lineage>) -> Self {
        Self { lineage: Rc::clone(lineage), stages: vec![Stage::default()] }
    }

    /// What tells rows of a shape apart in the table of now: its key, or what is left of that, if what tells rows apart later is
    /// among it.
    fn left_of(&self, whole: &Identity, names: &Names) -> Identity {
        let Some(live) = self.lineage.names(LIVE) else { return whole.clone() };
        let columns: Vec<ColumnId> =
            whole.columns.iter().copied().filter(|&column| live.attribute(column).is_some()).collect();
        let known = self.stages.last().and_then(|stage| stage.keys.of(names.holder));
        let later = known.map_or(&live.key, |identity| &identity.columns);
        let is_told = !live.is_whole_row && later.iter().all(|column| columns.contains(column));
        if names.is_whole_row || whole.holder.is_some() || later.is_empty() || !is_told {
            return whole.clone();
        }
        Identity { columns, holder: None }
    }

    /// The stage in which this tells the rows of that partition apart.
    fn stage(&mut self, names: &Names, identity: &Identity, change: &Change) -> Result<&mut Stage, Barred> {
        let known = self.stages.last().and_then(|stage| stage.keys.of(names.holder));
        if known != Some(identity) {
            let is_first = known.is_none();
            // Rows of now have values for columns that they have now.
            let live = self.lineage.names(LIVE);
            let is_there = |&column: &ColumnId| live.is_some_and(|live| live.attribute(column).is_some());
            let is_once_too_often = !is_first && self.stages.len() == MOST_STAGES;
            if is_once_too_often || !identity.columns.iter().all(is_there) {
                return Err(Barred::OtherKey(change.id));
            }
            if !is_first {
                if let Some(last) = self.stages.last_mut() {
                    last.end();
                }
                self.stages.push(Stage::default());
            }
            if let Some(last) = self.stages.last_mut() {
                last.keys.set(names.holder, identity.clone());
            }
        }
        self.stages.last_mut().ok_or(Barred::OtherKey(change.id))
    }

    /// Takes one change back.
    pub fn undo(&mut self, change: &Change) -> Result<(), Barred> {
        if change.operation == Operation::Truncate {
            return Err(Barred::Truncate(change.at));
        }
        let lineage = Rc::clone(&self.lineage);
        let columns = &lineage.columns;
        let names = lineage.names(change.shape).ok_or(Barred::NoShape(change.id))?;
        let whole = Identity::of(names);
        if !names.is_whole_row && names.key.len() != whole.columns.len() {
            return Err(Barred::OtherKey(change.id));
        }
        let identity = self.left_of(&whole, names);
        let (before, after) = images(change, names, columns);
        let (old_key, new_key) = (identity.key(&before), identity.key(&after));
        let stage = self.stage(names, &identity, change)?;
        if identity != whole && !stage.left.undo(&whole, &identity, change.operation, &before, &after) {
            return Err(Barred::OtherKey(change.id));
        }
        match change.operation {
            Operation::Insert => {
                if let Source::Live(live, _) = stage.take(new_key, columns) {
                    stage.fates.entry(live).or_default().push(Fate::Gone);
                }
            }
            Operation::Update => {
                let source = match stage.take(new_key, columns) {
                    Source::Live(live, mut values) => {
                        values.overlay_row(&before);
                        Source::Live(live, values)
                    }
                    Source::Restored(mut row) => {
                        row.overlay_row(&before);
                        Source::Restored(row)
                    }
                };
                stage.put(old_key, source);
            }
            Operation::Delete => stage.put(old_key, Source::Restored(before)),
            Operation::Truncate => {}
        }
        Ok(())
    }

    /// All columns that told rows apart on the way.
    pub fn key_columns(&self) -> impl Iterator<Item = ColumnId> {
        self.stages.iter().flat_map(|stage| stage.keys.columns())
    }

    /// All changes were taken back: the rows that are no longer in the table.
    pub fn finish(&mut self) -> Vec<Row> {
        let mut restored: Vec<Row> = Vec::new();
        for stage in &mut self.stages {
            stage.end();
            restored = restored.into_iter().filter_map(|row| stage.was(row)).collect();
            restored.append(&mut stage.restored);
        }
        restored
    }

    /// What a row of the table was then; `None` where it was not there.
    pub fn was(&mut self, row: Row) -> Option<Row> {
        self.stages.iter_mut().try_fold(row, |row, stage| stage.was(row))
    }

    /// How many rows the log has that the table does not: it was changed while nobody watched.
    pub fn missing(&self) -> usize {
        self.stages.iter().flat_map(|stage| stage.fates.values()).map(Vec::len).sum()
    }
}

/// A row that is there.
struct Held {
    row: Row,
    /// The shape in which it was written last.
    shape: i32,
    /// When that was.
    at: i64,
}

impl Held {
    fn of(row: Row, change: &Change) -> Self {
        Self { row, shape: change.shape, at: change.at }
    }
}

/// Changes made again, the first first. Rows of partitions that went are gone with them.
pub struct Replay {
    lineage: Rc<Lineage>,
    /// The rows by key.
    rows: BTreeMap<Key, Vec<Held>>,
    /// The keys of the rows of each table or partition; it may have none of some of them any more.
    keys_of: HashMap<usize, BTreeSet<Key>>,
    /// What tells rows apart, by the table or partition that holds them; and how often that changed.
    keys: Identities,
    key_changes: HashMap<usize, usize>,
    /// How many rows were met of which the log does not know where they came from.
    pub strangers: usize,
    begins_empty: bool,
}

impl Replay {
    /// From nothing.
    pub fn new(lineage: &Rc<Lineage>) -> Self {
        Self {
            lineage: Rc::clone(lineage),
            rows: BTreeMap::new(),
            keys_of: HashMap::new(),
            keys: Identities::default(),
            key_changes: HashMap::new(),
            strangers: 0,
            begins_empty: false,
        }
    }

    /// What tells the rows of a change apart; where other columns did before, the rows are told by these from now on.
    fn key(&mut self, change: &Change, names: &Names) -> Result<Identity, Barred> {
        let key = Identity::of(names);
        let is_first = match self.keys.of(names.holder) {
            Some(known) if *known == key => return Ok(key),
            known => known.is_none(),
        };
        self.keys.set(names.holder, key.clone());
        if is_first {
            return Ok(key);
        }
        let changes = self.key_changes.entry(names.holder).or_default();
        *changes += 1;
        if *changes == MOST_STAGES {
            return Err(Barred::OtherKey(change.id));
        }
        for held in self.take_all(names.holder) {
            if !names.is_whole_row && key.columns.iter().any(|&column| held.row.get(column).is_none()) {
                return Err(Barred::OtherKey(change.id));
            }
            self.put(key.key(&held.row), held);
        }
        Ok(key)
    }

    fn put(&mut self, key: Key, held: Held) {
        if let Some(holder) = held.row.holder {
            self.keys_of.entry(holder).or_default().insert(key.clone());
        }
        self.rows.entry(key).or_default().push(held);
    }

    /// The rows that one holds, taken out: of thousands, others are not looked at.
    fn take_all(&mut self, holder: usize) -> Vec<Held> {
        let mut taken = Vec::new();
        for key in self.keys_of.remove(&holder).unwrap_or_default() {
            let Some(rows) = self.rows.remove(&key) else { continue };
            let (own, others): (Vec<Held>, Vec<Held>) =
                rows.into_iter().partition(|held| held.row.holder == Some(holder));
            taken.extend(own);
            if !others.is_empty() {
                self.rows.insert(key, others);
            }
        }
        taken
    }

    /// The row that a change found: one of its own partition, if the log knows where it was.
    fn take(&mut self, key: &Key, change: &Change) -> Row {
        let lineage = &self.lineage;
        let found = self.rows.get_mut(key).and_then(|rows| {
            rows.retain(|held| !lineage.went_between(held.shape, held.at, change.at));
            let own = rows.iter().rposition(|held| lineage.is_same_holder(held.shape, change.shape));
            own.or(rows.len().checked_sub(1)).map(|place| rows.remove(place))
        });
        found.map(|held| held.row).unwrap_or_else(|| {
            self.strangers += 1;
            Row::unknown(&self.lineage.columns)
        })
    }

    /// All changes up to a moment were made: rows of partitions that went by then are gone.
    pub fn end(&mut self, at: i64) {
        let lineage = &self.lineage;
        for rows in self.rows.values_mut() {
            rows.retain(|held| !lineage.went_between(held.shape, held.at, at));
        }
    }

    /// Makes one change.
    pub fn apply(&mut self, change: &Change) -> Result<(), Barred> {
        if change.operation == Operation::Truncate {
            if self.lineage.is_whole_table(change.shape) {
                self.rows.clear();
                self.keys_of.clear();
                self.strangers = 0;
                self.begins_empty = true;
            } else if let Some(holder) = self.lineage.names(change.shape).map(|names| names.holder) {
                drop(self.take_all(holder));
            }
            return Ok(());
        }
        let lineage = Rc::clone(&self.lineage);
        let names = lineage.names(change.shape).ok_or(Barred::NoShape(change.id))?;
        let key = self.key(change, names)?;
        let (before, after) = images(change, names, &lineage.columns);
        match change.operation {
            Operation::Insert => {
                self.put(key.key(&after), Held::of(after, change));
            }
            Operation::Update => {
                let mut row = self.take(&key.key(&before), change);
                // What the change tells of the row before it counts as well: a stranger is known by it.
                row.complete(&before);
                row.overlay_row(&after);
                row.holder = after.holder;
                self.put(key.key(&after), Held::of(row, change));
            }
            Operation::Delete => drop(self.take(&key.key(&before), change)),
            Operation::Truncate => {}
        }
        Ok(())
    }

    /// Whether a TRUNCATE was among the changes: then nothing can have been there before.
    pub fn begins_empty(&self) -> bool {
        self.begins_empty
    }

    /// The rows that are there, taken out.
    pub fn into_rows(self) -> Vec<Row> {
        self.rows.into_values().flatten().map(|held| held.row).collect()
    }

    /// The rows that are there.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().flatten().map(|held| &held.row)
    }

    /// The row that is there and is told apart by the same values as this one.
    pub fn row_like(&self, like: &Row) -> Option<&Row> {
        self.keys.of_row(like.holder).find_map(|key| self.found(key, like))
    }

    /// Those that may be it, the likeliest first: a row may have come from one partition to another.
    pub fn rows_like<'a>(&'a self, like: &'a Row) -> impl Iterator<Item = &'a Row> {
        self.keys.of_row(like.holder).filter_map(|key| self.found(key, like))
    }

    fn found(&self, key: &Identity, like: &Row) -> Option<&Row> {
        self.rows.get(&key.key(like))?.last().map(|held| &held.row)
    }
}

#[cfg(test)]
pub(super) mod tests;
