//! Tables as they were: back from what is there now, or forward from where nothing was there.
//!
//! Back is right for rows that were there before the table was watched, and asks for the changes since then alone. Only
//! TRUNCATE bars the way, since the log does not hold the rows that it removed; before it, forward is the way, from
//! the TRUNCATE before or from the beginning, and [`Replay::strangers`] tells of rows that the log met without knowing
//! where they came from.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::change::{Change, Operation};
use super::lineage::{ColumnId, Lineage};
use super::row::{Key, Row, images, key_columns};

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

/// Changes taken back, the last first.
pub struct Rewind {
    lineage: Rc<Lineage>,
    /// What tells the table's rows apart now.
    key: Vec<ColumnId>,
    reached: HashMap<Key, Vec<Source>>,
    fates: HashMap<Key, Vec<Fate>>,
}

impl Rewind {
    /// From now, where these columns tell rows apart.
    pub fn new(lineage: &Rc<Lineage>, key: Vec<ColumnId>) -> Self {
        Self { lineage: Rc::clone(lineage), key, reached: HashMap::new(), fates: HashMap::new() }
    }

    fn take(&mut self, key: Key) -> Source {
        let found = self.reached.get_mut(&key).and_then(Vec::pop);
        found.unwrap_or_else(|| Source::Live(key, Row::unknown(self.lineage.width)))
    }

    fn put(&mut self, key: Key, source: Source) {
        self.reached.entry(key).or_default().push(source);
    }

    /// Takes one change back.
    pub fn undo(&mut self, change: &Change) -> Result<(), Barred> {
        if change.operation == Operation::Truncate {
            return Err(Barred::Truncate(change.at));
        }
        let names = self.lineage.names(change.shape).ok_or(Barred::NoShape(change.id))?;
        let key = key_columns(names);
        if key != self.key {
            return Err(Barred::OtherKey(change.id));
        }
        let (before, after) = images(change, names, self.lineage.width);
        let (old_key, new_key) = (before.key(&key), after.key(&key));
        match change.operation {
            Operation::Insert => {
                if let Source::Live(live, _) = self.take(new_key) {
                    self.fates.entry(live).or_default().push(Fate::Gone);
                }
            }
            Operation::Update => {
                let source = match self.take(new_key) {
                    Source::Live(live, mut values) => {
                        values.overlay_row(&before);
                        Source::Live(live, values)
                    }
                    Source::Restored(mut row) => {
                        row.overlay_row(&before);
                        Source::Restored(row)
                    }
                };
                self.put(old_key, source);
            }
            Operation::Delete => self.put(old_key, Source::Restored(before)),
            Operation::Truncate => {}
        }
        Ok(())
    }

    /// All changes were taken back: the rows that are no longer in the table.
    pub fn finish(&mut self) -> Vec<Row> {
        let mut restored = Vec::new();
        for source in std::mem::take(&mut self.reached).into_values().flatten() {
            match source {
                Source::Live(live, values) => {
                    self.fates.entry(live).or_default().push(Fate::Was(values));
                }
                Source::Restored(row) => restored.push(row),
            }
        }
        restored
    }

    /// What a row of the table was then; `None` where it was not there.
    pub fn was(&mut self, mut row: Row) -> Option<Row> {
        match self.fates.get_mut(&row.key(&self.key)).and_then(Vec::pop) {
            None => Some(row),
            Some(Fate::Gone) => None,
            Some(Fate::Was(values)) => {
                row.overlay_row(&values);
                Some(row)
            }
        }
    }

    /// How many rows the log has that the table does not: it was changed while nobody watched.
    pub fn missing(&self) -> usize {
        self.fates.values().map(Vec::len).sum()
    }
}

/// Changes made again, the first first.
pub struct Replay {
    lineage: Rc<Lineage>,
    /// The rows by key, each with the shape in which it was written last.
    rows: BTreeMap<Key, Vec<(Row, i32)>>,
    /// How many rows were met of which the log does not know where they came from.
    pub strangers: usize,
    begins_empty: bool,
}

impl Replay {
    /// From nothing.
    pub fn new(lineage: &Rc<Lineage>) -> Self {
        Self { lineage: Rc::clone(lineage), rows: BTreeMap::new(), strangers: 0, begins_empty: false }
    }

    fn take(&mut self, key: &Key) -> Row {
        let found = self.rows.get_mut(key).and_then(Vec::pop);
        found.map(|(row, _)| row).unwrap_or_else(|| {
            self.strangers += 1;
            Row::unknown(self.lineage.width)
        })
    }

    /// Makes one change.
    pub fn apply(&mut self, change: &Change) -> Result<(), Barred> {
        if change.operation == Operation::Truncate {
            if self.lineage.is_whole_table(change.shape) {
                self.rows.clear();
                self.strangers = 0;
                self.begins_empty = true;
            } else {
                let lineage = &self.lineage;
                for rows in self.rows.values_mut() {
                    rows.retain(|&(_, shape)| !lineage.is_same_holder(shape, change.shape));
                }
            }
            return Ok(());
        }
        let names = self.lineage.names(change.shape).ok_or(Barred::NoShape(change.id))?;
        let key = key_columns(names);
        let (before, after) = images(change, names, self.lineage.width);
        match change.operation {
            Operation::Insert => {
                self.rows.entry(after.key(&key)).or_default().push((after, change.shape));
            }
            Operation::Update => {
                let mut row = self.take(&before.key(&key));
                // What the change tells of the row before it counts as well: a stranger is known by it.
                row.complete(&before);
                row.overlay_row(&after);
                self.rows.entry(after.key(&key)).or_default().push((row, change.shape));
            }
            Operation::Delete => drop(self.take(&before.key(&key))),
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
        self.rows.into_values().flatten().map(|(row, _)| row).collect()
    }

    /// The rows that are there.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().flatten().map(|(row, _)| row)
    }

    /// The row of that key that is there.
    pub fn row(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key).and_then(|rows| rows.last()).map(|(row, _)| row)
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::Change;
    use super::super::document::{Members, members};
    use super::super::lineage::sample::shape;
    use super::super::lineage::{LIVE, Lineage};
    use super::*;

    fn of(text: &str) -> Members {
        members(text).unwrap()
    }

    fn change(id: i64, shape: i32, operation: &str, key: &str, old: &str, new: &str) -> Change {
        Change {
            id,
            at: id * 10,
            transaction: id,
            statement: 0,
            shape,
            operation: Operation::of_letter(operation).unwrap(),
            key: of(key),
            old: of(old),
            new: of(new),
        }
    }

    /// One table: a column renamed, one dropped, one added, on the way.
    fn lineage() -> Rc<Lineage> {
        Rc::new(Lineage::new(vec![
            shape(1, 10, &[(1, "id"), (2, "name"), (3, "size")]),
            shape(2, 40, &[(1, "id"), (2, "label"), (4, "price")]),
            shape(LIVE, 99, &[(1, "id"), (2, "label"), (4, "price")]),
        ]))
    }

    fn history() -> Vec<Change> {
        vec![
            change(1, 1, "I", r#"{"id": 1}"#, "{}", r#"{"id": 1, "name": "a", "size": 1.0}"#),
            change(2, 1, "I", r#"{"id": 2}"#, "{}", r#"{"id": 2, "name": "b", "size": null}"#),
            change(3, 1, "U", r#"{"id": 1}"#, r#"{"size": 1.0}"#, r#"{"size": 1.00}"#),
            change(4, 2, "U", r#"{"id": 2}"#, r#"{"id": 2, "label": "b"}"#, r#"{"id": 3, "label": "c"}"#),
            change(5, 2, "D", r#"{"id": 1}"#, r#"{"id": 1, "label": "a", "price": 5}"#, "{}"),
            change(6, 2, "I", r#"{"id": 1}"#, "{}", r#"{"id": 1, "label": "z", "price": 6}"#),
        ]
    }

    fn texts(lineage: &Lineage, shape: i32, rows: Vec<Row>) -> Vec<String> {
        let names = lineage.names(shape).unwrap();
        let mut texts: Vec<String> =
            rows.iter().map(|row| super::super::document::object(row.members(names))).collect();
        texts.sort();
        texts
    }

    fn live(lineage: &Lineage) -> Vec<Row> {
        let names = lineage.names(LIVE).unwrap();
        [r#"{"id": 1, "label": "z", "price": 6}"#, r#"{"id": 3, "label": "c", "price": null}"#]
            .iter()
            .map(|text| Row::of(lineage.width, names, &of(text)))
            .collect()
    }

    fn back(lineage: &Rc<Lineage>, until: i64) -> Vec<Row> {
        let key = key_columns(lineage.names(LIVE).unwrap());
        let mut rewind = Rewind::new(lineage, key);
        for change in history().iter().rev().filter(|change| change.id > until) {
            rewind.undo(change).unwrap();
        }
        let mut rows = rewind.finish();
        rows.extend(live(lineage).into_iter().filter_map(|row| rewind.was(row)));
        assert_eq!(rewind.missing(), 0);
        rows
    }

    fn forward(lineage: &Rc<Lineage>, until: i64) -> Vec<Row> {
        let mut replay = Replay::new(lineage);
        for change in history().iter().filter(|change| change.id <= until) {
            replay.apply(change).unwrap();
        }
        assert_eq!(replay.strangers, 0);
        replay.rows().cloned().collect()
    }

    #[test]
    fn both_ways_lead_to_the_same_rows() {
        let lineage = lineage();
        for (until, shape, expected) in [
            (0, 1, vec![]),
            (1, 1, vec![r#"{"id": 1, "name": "a", "size": 1.0}"#]),
            (6, 2, vec![r#"{"id": 1, "label": "z", "price": 6}"#, r#"{"id": 3, "label": "c"}"#]),
        ] {
            assert_eq!(texts(&lineage, shape, forward(&lineage, until)), expected, "forward to {until}");
        }
        assert!(back(&lineage, 0).is_empty());
        // What the price was before the column was there is what the table says; the shape of then leaves it out.
        assert_eq!(texts(&lineage, 2, back(&lineage, 5)), [r#"{"id": 3, "label": "c", "price": null}"#],);
        // The size, which is gone, is told by the changes alone.
        assert_eq!(
            texts(&lineage, 1, back(&lineage, 2)),
            [r#"{"id": 1, "name": "a", "size": 1.0}"#, r#"{"id": 2, "name": "b"}"#]
        );
    }

    #[test]
    fn truncate_bars_the_way_back_and_begins_the_way_forward() {
        let lineage = lineage();
        let truncate = change(7, 2, "T", "{}", "{}", "{}");
        let mut rewind = Rewind::new(&lineage, vec![0]);
        assert_eq!(rewind.undo(&truncate), Err(Barred::Truncate(70)));
        let mut replay = Replay::new(&lineage);
        for change in &history() {
            replay.apply(change).unwrap();
        }
        replay.apply(&truncate).unwrap();
        assert_eq!(replay.rows().count(), 0);
    }

    #[test]
    fn truncate_of_a_partition_leaves_the_others() {
        let of = |holder: &str, id| super::super::lineage::Shape {
            holder: super::super::lineage::sample::holder(holder),
            ..shape(id, 10, &[(1, "id")])
        };
        let lineage = Rc::new(Lineage::new(vec![of("a", 1), of("b", 2), of("t", 3), of("t", LIVE)]));
        let mut replay = Replay::new(&lineage);
        replay.apply(&change(1, 1, "I", r#"{"id": 1}"#, "{}", r#"{"id": 1}"#)).unwrap();
        replay.apply(&change(2, 2, "I", r#"{"id": 2}"#, "{}", r#"{"id": 2}"#)).unwrap();
        replay.apply(&change(3, 1, "T", "{}", "{}", "{}")).unwrap();
        assert_eq!(texts(&lineage, 1, replay.rows().cloned().collect()), [r#"{"id": 2}"#]);
        assert!(!replay.begins_empty());
        replay.apply(&change(4, 3, "T", "{}", "{}", "{}")).unwrap();
        assert_eq!((replay.rows().count(), replay.begins_empty()), (0, true));
    }

    #[test]
    fn rows_that_nobody_saw_coming_are_counted() {
        let lineage = lineage();
        let mut replay = Replay::new(&lineage);
        replay.apply(&change(1, 1, "U", r#"{"id": 9}"#, r#"{"size": 1}"#, r#"{"size": 2}"#)).unwrap();
        replay.apply(&change(2, 1, "D", r#"{"id": 8}"#, r#"{"id": 8, "name": "x"}"#, "{}")).unwrap();
        assert_eq!(replay.strangers, 2);
        let rows = replay.rows().cloned().collect();
        assert_eq!(texts(&lineage, 1, rows), [r#"{"id": 9, "size": 2}"#]);
        // A row that the log has and the table has not.
        let mut rewind = Rewind::new(&lineage, vec![0]);
        rewind.undo(&change(3, 1, "I", r#"{"id": 9}"#, "{}", r#"{"id": 9, "name": "x"}"#)).unwrap();
        rewind.finish();
        assert_eq!(rewind.missing(), 1);
    }

    #[test]
    fn equal_rows_without_a_key_are_as_many_as_they_were() {
        let mut whole = shape(1, 10, &[(1, "a"), (2, "b")]);
        whole.key.clear();
        let live = super::super::lineage::Shape { id: LIVE, ..whole.clone() };
        let lineage = Rc::new(Lineage::new(vec![whole, live]));
        let names = lineage.names(LIVE).unwrap();
        let key = key_columns(names);
        let insert = |id| change(id, 1, "I", "{}", "{}", r#"{"a": 1, "b": 2}"#);
        let mut rewind = Rewind::new(&lineage, key);
        rewind.undo(&insert(2)).unwrap();
        assert!(rewind.finish().is_empty());
        let row = || Row::of(lineage.width, names, &of(r#"{"a": 1, "b": 2}"#));
        let rows: Vec<Row> = [row(), row()].into_iter().filter_map(|row| rewind.was(row)).collect();
        assert_eq!((rows.len(), rewind.missing()), (1, 0));
    }
}
