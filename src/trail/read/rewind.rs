//! Tables as they were: back from what is there now, or forward from where nothing was there.
//!
//! Back is right for rows that were there before the table was watched, and asks for the changes since then alone. Only
//! TRUNCATE bars the way, since the log does not hold the rows that it removed; before it, forward is the way, from
//! the TRUNCATE before or from the beginning, and [`Replay::strangers`] tells of rows that the log met without knowing
//! where they came from.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::change::{Change, Operation};
use super::lineage::{ColumnId, LIVE, Lineage, Names};
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

/// Changes taken back, the last first. Where the key got other columns on the way, a row is told by those of now in the
/// changes since and by those of then in the ones before: one stage follows the other, and each takes the rows as the one
/// before it left them.
pub struct Rewind {
    lineage: Rc<Lineage>,
    /// At least one; the last is that of the changes that are being taken back.
    stages: Vec<Stage>,
}

/// So many times a key may have changed: partitions of which each has a key of its own are not followed.
const MOST_STAGES: usize = 16;

/// Changes during which the same columns told rows apart.
struct Stage {
    key: Vec<ColumnId>,
    reached: HashMap<Key, Vec<Source>>,
    fates: HashMap<Key, Vec<Fate>>,
    /// Rows that came back and are not in the table, or not so.
    restored: Vec<Row>,
}

impl Stage {
    fn new(key: Vec<ColumnId>) -> Self {
        Self { key, reached: HashMap::new(), fates: HashMap::new(), restored: Vec::new() }
    }

    fn take(&mut self, key: Key, width: usize) -> Source {
        let found = self.reached.get_mut(&key).and_then(Vec::pop);
        found.unwrap_or_else(|| Source::Live(key, Row::unknown(width)))
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
        match self.fates.get_mut(&row.key(&self.key)).and_then(Vec::pop) {
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
    /// From now, where these columns tell rows apart.
    pub fn new(lineage: &Rc<Lineage>, key: Vec<ColumnId>) -> Self {
        Self { lineage: Rc::clone(lineage), stages: vec![Stage::new(key)] }
    }

    /// The stage in which these columns tell rows apart.
    fn stage(&mut self, key: Vec<ColumnId>, change: &Change) -> Result<&mut Stage, Barred> {
        let is_other = self.stages.last().is_none_or(|stage| stage.key != key);
        if is_other {
            // Rows of now have values for columns that they have now.
            let live = self.lineage.names(LIVE);
            let is_there = |&column: &ColumnId| live.is_some_and(|live| live.attribute(column).is_some());
            let is_whole = self
                .lineage
                .names(change.shape)
                .is_some_and(|names| names.is_whole_row || names.key.len() == key.len());
            if self.stages.len() == MOST_STAGES || !is_whole || !key.iter().all(is_there) {
                return Err(Barred::OtherKey(change.id));
            }
            if let Some(last) = self.stages.last_mut() {
                last.end();
            }
            self.stages.push(Stage::new(key));
        }
        self.stages.last_mut().ok_or(Barred::OtherKey(change.id))
    }

    /// Takes one change back.
    pub fn undo(&mut self, change: &Change) -> Result<(), Barred> {
        if change.operation == Operation::Truncate {
            return Err(Barred::Truncate(change.at));
        }
        let width = self.lineage.width;
        let names = self.lineage.names(change.shape).ok_or(Barred::NoShape(change.id))?;
        let key = key_columns(names);
        let (before, after) = images(change, names, width);
        let (old_key, new_key) = (before.key(&key), after.key(&key));
        let stage = self.stage(key, change)?;
        match change.operation {
            Operation::Insert => {
                if let Source::Live(live, _) = stage.take(new_key, width) {
                    stage.fates.entry(live).or_default().push(Fate::Gone);
                }
            }
            Operation::Update => {
                let source = match stage.take(new_key, width) {
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
        self.stages.iter().flat_map(|stage| stage.key.iter().copied())
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
    /// What tells rows apart, with a shape of the table or partition that holds them; and how often that changed.
    keys: Vec<(i32, Vec<ColumnId>)>,
    key_changes: usize,
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
            keys: Vec::new(),
            key_changes: 0,
            strangers: 0,
            begins_empty: false,
        }
    }

    /// What tells the rows of a change apart; where other columns did before, the rows are told by these from now on.
    fn key(&mut self, change: &Change, names: &Names) -> Result<Vec<ColumnId>, Barred> {
        let key = key_columns(names);
        let lineage = Rc::clone(&self.lineage);
        let known = self.keys.iter_mut().find(|(shape, _)| lineage.is_same_holder(*shape, change.shape));
        match known {
            Some((_, known)) if *known == key => return Ok(key),
            Some((_, known)) => known.clone_from(&key),
            None => {
                self.keys.push((change.shape, key.clone()));
                return Ok(key);
            }
        }
        self.key_changes += 1;
        if self.key_changes == MOST_STAGES {
            return Err(Barred::OtherKey(change.id));
        }
        let mut rows: BTreeMap<Key, Vec<Held>> = BTreeMap::new();
        for (old, of_it) in std::mem::take(&mut self.rows) {
            for held in of_it {
                let place = if !lineage.is_same_holder(held.shape, change.shape) {
                    old.clone()
                } else if names.is_whole_row || key.iter().all(|&column| held.row.get(column).is_some()) {
                    held.row.key(&key)
                } else {
                    return Err(Barred::OtherKey(change.id));
                };
                rows.entry(place).or_default().push(held);
            }
        }
        self.rows = rows;
        Ok(key)
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
            Row::unknown(self.lineage.width)
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
                self.strangers = 0;
                self.begins_empty = true;
            } else {
                let lineage = &self.lineage;
                for rows in self.rows.values_mut() {
                    rows.retain(|held| !lineage.is_same_holder(held.shape, change.shape));
                }
            }
            return Ok(());
        }
        let lineage = Rc::clone(&self.lineage);
        let names = lineage.names(change.shape).ok_or(Barred::NoShape(change.id))?;
        let key = self.key(change, names)?;
        let (before, after) = images(change, names, lineage.width);
        match change.operation {
            Operation::Insert => {
                self.rows.entry(after.key(&key)).or_default().push(Held::of(after, change));
            }
            Operation::Update => {
                let mut row = self.take(&before.key(&key), change);
                // What the change tells of the row before it counts as well: a stranger is known by it.
                row.complete(&before);
                row.overlay_row(&after);
                self.rows.entry(after.key(&key)).or_default().push(Held::of(row, change));
            }
            Operation::Delete => drop(self.take(&before.key(&key), change)),
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
        let found = |key: &[ColumnId]| self.rows.get(&like.key(key)).and_then(|rows| rows.last());
        self.keys.iter().find_map(|(_, key)| found(key)).map(|held| &held.row)
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::Change;
    use super::super::document::{Members, members};
    use super::super::holders::{Event, Holder, Passages, Presence};
    use super::super::lineage::sample::shape;
    use super::super::lineage::{LIVE, Lineage, Shape};
    use super::*;

    fn lineage_of(shapes: Vec<Shape>) -> Lineage {
        Lineage::new(shapes, &Passages::default())
    }

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
        Rc::new(lineage_of(vec![
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
        let of = |holder: &str, id| Shape {
            holder: super::super::lineage::sample::holder(holder),
            ..shape(id, 10, &[(1, "id")])
        };
        let lineage = Rc::new(lineage_of(vec![of("a", 1), of("b", 2), of("t", 3), of("t", LIVE)]));
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
    fn rows_go_with_their_partition() {
        let of = |relid, id| Shape {
            holder: Holder { home: "a".to_owned(), relid, name: "p".to_owned() },
            ..shape(id, i64::from(id), &[(1, "id"), (2, "v")])
        };
        let itself = (0, Event::Itself("a".to_owned(), 5));
        let passages = Passages::new([itself, (25, Event::Went(7, "p".to_owned()))]);
        let lineage =
            Rc::new(Lineage::new(vec![of(7, 1), of(8, 2), of(5, LIVE), of(8, LIVE - 1)], &passages));
        let mut replay = Replay::new(&lineage);
        replay.apply(&change(1, 1, "I", r#"{"id": 1}"#, "{}", r#"{"id": 1, "v": "old"}"#)).unwrap();
        replay.apply(&change(2, 1, "I", r#"{"id": 2}"#, "{}", r#"{"id": 2, "v": "old"}"#)).unwrap();
        // Another has its key, and nobody saw that come.
        replay.apply(&change(3, 2, "U", r#"{"id": 1}"#, r#"{"v": "x"}"#, r#"{"v": "y"}"#)).unwrap();
        assert_eq!(replay.strangers, 1);
        replay.end(30);
        let rows = replay.into_rows();
        assert_eq!(texts(&lineage, 2, rows), [r#"{"id": 1, "v": "y"}"#]);
        assert!(lineage.is_gone(1) && !lineage.is_gone(2));
        assert_eq!((lineage.presence(1, 24), lineage.presence(1, 25)), (Presence::Ended, Presence::Absent));
    }

    /// A table that got a tenant, of which the key then begins.
    fn tenants() -> Rc<Lineage> {
        let keyed = |shape: Shape| Shape { key: vec!["tenant".to_owned(), "id".to_owned()], ..shape };
        let columns = [(1, "id"), (2, "v"), (3, "tenant")];
        Rc::new(lineage_of(vec![
            shape(1, 10, &[(1, "id"), (2, "v")]),
            shape(2, 20, &columns),
            keyed(shape(3, 40, &columns)),
            keyed(shape(LIVE, 99, &columns)),
        ]))
    }

    #[test]
    fn rows_are_followed_through_keys() {
        let lineage = tenants();
        let changes = [
            change(1, 1, "I", r#"{"id": 1}"#, "{}", r#"{"id": 1, "v": "a"}"#),
            change(2, 1, "I", r#"{"id": 2}"#, "{}", r#"{"id": 2, "v": "b"}"#),
            change(3, 2, "U", r#"{"id": 1}"#, r#"{"tenant": null}"#, r#"{"tenant": 7}"#),
            change(4, 2, "U", r#"{"id": 2}"#, r#"{"tenant": null}"#, r#"{"tenant": 8}"#),
            change(5, 2, "U", r#"{"id": 1}"#, r#"{"v": "a"}"#, r#"{"v": "A"}"#),
            change(6, 3, "I", r#"{"id": 1, "tenant": 8}"#, "{}", r#"{"id": 1, "tenant": 8, "v": "c"}"#),
            change(7, 3, "U", r#"{"id": 1, "tenant": 7}"#, r#"{"v": "A"}"#, r#"{"v": "AA"}"#),
            change(8, 3, "D", r#"{"id": 2, "tenant": 8}"#, r#"{"id": 2, "tenant": 8, "v": "b"}"#, "{}"),
        ];
        let names = lineage.names(LIVE).unwrap();
        let live = [r#"{"id": 1, "tenant": 7, "v": "AA"}"#, r#"{"id": 1, "tenant": 8, "v": "c"}"#];
        for (until, shape, expected) in [
            (7, 3, vec![live[0], live[1], r#"{"id": 2, "tenant": 8, "v": "b"}"#]),
            (4, 2, vec![r#"{"id": 1, "v": "a", "tenant": 7}"#, r#"{"id": 2, "v": "b", "tenant": 8}"#]),
            (2, 1, vec![r#"{"id": 1, "v": "a"}"#, r#"{"id": 2, "v": "b"}"#]),
            (1, 1, vec![r#"{"id": 1, "v": "a"}"#]),
        ] {
            let mut rewind = Rewind::new(&lineage, key_columns(names));
            for change in changes.iter().rev().filter(|change| change.id > until) {
                rewind.undo(change).unwrap();
            }
            let mut rows = rewind.finish();
            rows.extend(live.iter().filter_map(|text| rewind.was(Row::of(lineage.width, names, &of(text)))));
            assert_eq!(rewind.missing(), 0);
            let mut replay = Replay::new(&lineage);
            for change in changes.iter().filter(|change| change.id <= until) {
                replay.apply(change).unwrap();
            }
            assert_eq!(replay.strangers, 0);
            let mut expected: Vec<Row> = expected
                .iter()
                .map(|text| Row::of(lineage.width, lineage.names(shape).unwrap(), &of(text)))
                .collect();
            let order =
                |rows: &mut Vec<Row>| rows.sort_by_key(|row| texts(&lineage, shape, vec![row.clone()]));
            let mut forward: Vec<Row> = replay.rows().cloned().collect();
            for rows in [&mut rows, &mut forward, &mut expected] {
                order(rows);
            }
            let shown = |rows: &[Row]| texts(&lineage, shape, rows.to_vec());
            assert_eq!(shown(&rows), shown(&expected), "back to {until}");
            assert_eq!(shown(&forward), shown(&expected), "forward to {until}");
        }
    }

    #[test]
    fn a_key_whose_columns_are_gone_is_not_followed() {
        let lineage = Rc::new(lineage_of(vec![
            shape(1, 10, &[(1, "old"), (2, "id")]),
            shape(2, 20, &[(2, "id")]),
            shape(LIVE, 99, &[(2, "id")]),
        ]));
        let key = key_columns(lineage.names(LIVE).unwrap());
        let insert = change(1, 1, "I", r#"{"old": 1}"#, "{}", r#"{"old": 1, "id": 2}"#);
        assert_eq!(Rewind::new(&lineage, key).undo(&insert), Err(Barred::OtherKey(1)));
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
        let live = Shape { id: LIVE, ..whole.clone() };
        let lineage = Rc::new(lineage_of(vec![whole, live]));
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
