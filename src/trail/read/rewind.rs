//! Tables as they were: back from what is there now, or forward from where nothing was there.
//!
//! Back is right for rows that were there before the table was watched, and asks for the changes since then alone. Only
//! TRUNCATE bars the way, since the log does not hold the rows that it removed; before it, forward is the way, from
//! the TRUNCATE before or from the beginning, and [`Replay::strangers`] tells of rows that the log met without knowing
//! where they came from.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::change::{Change, Operation};
use super::held::Identities;
use super::lineage::{ColumnId, LIVE, Lineage, Names};
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
}

impl Stage {
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

    /// The stage in which this tells the rows of that partition apart.
    fn stage(&mut self, names: &Names, identity: &Identity, change: &Change) -> Result<&mut Stage, Barred> {
        let known = self.stages.last().and_then(|stage| stage.keys.of(names.holder));
        if known != Some(identity) {
            let is_first = known.is_none();
            // Rows of now have values for columns that they have now.
            let live = self.lineage.names(LIVE);
            let is_there = |&column: &ColumnId| live.is_some_and(|live| live.attribute(column).is_some());
            let is_whole = names.is_whole_row || names.key.len() == identity.columns.len();
            let is_once_too_often = !is_first && self.stages.len() == MOST_STAGES;
            if is_once_too_often || !is_whole || !identity.columns.iter().all(is_there) {
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
        let width = self.lineage.width;
        let lineage = Rc::clone(&self.lineage);
        let names = lineage.names(change.shape).ok_or(Barred::NoShape(change.id))?;
        let identity = Identity::of(names);
        let (before, after) = images(change, names, width);
        let (old_key, new_key) = (identity.key(&before), identity.key(&after));
        let stage = self.stage(names, &identity, change)?;
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

/// Changes made again, the first first.
pub struct Replay {
    lineage: Rc<Lineage>,
    /// The rows by key.
    rows: BTreeMap<Key, Vec<Row>>,
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
        let mut rows: BTreeMap<Key, Vec<Row>> = BTreeMap::new();
        for (old, of_it) in std::mem::take(&mut self.rows) {
            for row in of_it {
                let place = if row.holder != Some(names.holder) {
                    old.clone()
                } else if names.is_whole_row || key.columns.iter().all(|&column| row.get(column).is_some()) {
                    key.key(&row)
                } else {
                    return Err(Barred::OtherKey(change.id));
                };
                rows.entry(place).or_default().push(row);
            }
        }
        self.rows = rows;
        Ok(key)
    }

    fn take(&mut self, key: &Key) -> Row {
        let found = self.rows.get_mut(key).and_then(Vec::pop);
        found.unwrap_or_else(|| {
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
                let holder = self.lineage.names(change.shape).map(|names| names.holder);
                for rows in self.rows.values_mut() {
                    rows.retain(|row| row.holder != holder);
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
                self.rows.entry(key.key(&after)).or_default().push(after);
            }
            Operation::Update => {
                let mut row = self.take(&key.key(&before));
                // What the change tells of the row before it counts as well: a stranger is known by it.
                row.complete(&before);
                row.overlay_row(&after);
                row.holder = after.holder;
                self.rows.entry(key.key(&after)).or_default().push(row);
            }
            Operation::Delete => drop(self.take(&key.key(&before))),
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
        self.rows.into_values().flatten().collect()
    }

    /// The rows that are there.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().flatten()
    }

    /// The row that is there and is told apart by the same values as this one.
    pub fn row_like(&self, like: &Row) -> Option<&Row> {
        self.keys.of_row(like.holder).find_map(|key| self.rows.get(&key.key(like))?.last())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::change::Change;
    use super::super::document::{Members, members};
    use super::super::lineage::sample::shape;
    use super::super::lineage::{LIVE, Lineage};
    use super::*;

    pub fn of(text: &str) -> Members {
        members(text).unwrap()
    }

    pub fn change(id: i64, shape: i32, operation: &str, key: &str, old: &str, new: &str) -> Change {
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

    pub fn texts(lineage: &Lineage, shape: i32, rows: Vec<Row>) -> Vec<String> {
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
        let mut rewind = Rewind::new(lineage);
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
        let mut rewind = Rewind::new(&lineage);
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

    /// A table that got a tenant, of which the key then begins.
    fn tenants() -> Rc<Lineage> {
        let keyed = |shape: super::super::lineage::Shape| super::super::lineage::Shape {
            key: vec!["tenant".to_owned(), "id".to_owned()],
            ..shape
        };
        let columns = [(1, "id"), (2, "v"), (3, "tenant")];
        Rc::new(Lineage::new(vec![
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
            let mut rewind = Rewind::new(&lineage);
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
        let lineage = Rc::new(Lineage::new(vec![
            shape(1, 10, &[(1, "old"), (2, "id")]),
            shape(2, 20, &[(2, "id")]),
            shape(LIVE, 99, &[(2, "id")]),
        ]));
        let insert = change(1, 1, "I", r#"{"old": 1}"#, "{}", r#"{"old": 1, "id": 2}"#);
        assert_eq!(Rewind::new(&lineage).undo(&insert), Err(Barred::OtherKey(1)));
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
        let mut rewind = Rewind::new(&lineage);
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
        let insert = |id| change(id, 1, "I", "{}", "{}", r#"{"a": 1, "b": 2}"#);
        let mut rewind = Rewind::new(&lineage);
        rewind.undo(&insert(2)).unwrap();
        assert!(rewind.finish().is_empty());
        let row = || Row::of(lineage.width, names, &of(r#"{"a": 1, "b": 2}"#));
        let rows: Vec<Row> = [row(), row()].into_iter().filter_map(|row| rewind.was(row)).collect();
        assert_eq!((rows.len(), rewind.missing()), (1, 0));
    }
}
