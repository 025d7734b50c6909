//! Partitions that have keys of their own: two rows of the table may have the same key, each in its own partition. There
//! the partition that holds a row tells it apart, too. A row that goes to another partition is logged as one that was deleted
//! here and one that was inserted there, and so is followed.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::lineage::{ColumnId, FIRST_LIVE, LIVE, Lineage, Names};
use super::row::Identity;

impl Lineage {
    /// The shapes that the log has.
    pub fn logged(&self) -> impl DoubleEndedIterator<Item = (i32, &Names)> {
        self.shapes.range(..FIRST_LIVE).map(|(&id, names)| (id, names))
    }

    /// Which keys of partitions do not tell the rows of the whole table apart, but those of one partition. `unique`: columns
    /// of which the table says so itself. `cut_by`: those by which it and what is below it are partitioned, where nothing
    /// else is; rows that are alike there are in the same partition.
    pub fn hold(&mut self, unique: &[Vec<ColumnId>], cut_by: Option<&[ColumnId]>) {
        let Some(own) = self.shapes.get(&LIVE).map(|names| names.holder) else { return };
        for names in self.shapes.values_mut() {
            let has_all = |columns: &[ColumnId]| columns.iter().all(|column| names.key.contains(column));
            let is_told = unique.iter().any(|columns| has_all(columns)) || cut_by.is_some_and(has_all);
            names.is_held = names.holder != own && !names.is_whole_row && !is_told;
        }
    }

    /// Whether any key in the log is one of a partition alone.
    pub fn is_held(&self) -> bool {
        self.logged().any(|(_, names)| names.is_held)
    }

    /// The partitions of which the log has rows, the one first of which it has a shape first.
    pub fn holders(&self) -> Vec<usize> {
        let own = self.shapes.get(&LIVE).map(|names| names.holder);
        let mut known: HashSet<usize> = own.into_iter().collect();
        self.logged().map(|(_, names)| names.holder).filter(|&holder| known.insert(holder)).collect()
    }

    /// The partitions of which no two rows of the table have the same key, as the log told them apart last: one that is held
    /// tells them apart with the partition.
    pub fn with_keys(&self) -> HashSet<usize> {
        let has_own = self.shapes.get(&LIVE).is_some_and(|names| !names.is_whole_row);
        let last = |holder| self.shapes_of(holder).next_back().and_then(|shape| self.names(shape));
        let has_key = |&holder: &usize| has_own || last(holder).is_some_and(|names| !names.is_whole_row);
        self.holders().into_iter().filter(has_key).collect()
    }

    /// The shapes of a partition in the log.
    pub fn shapes_of(&self, holder: usize) -> impl DoubleEndedIterator<Item = i32> + '_ {
        self.logged_of.get(&holder).into_iter().flatten().copied()
    }

    /// The shape that a partition has now, unless it is gone.
    pub fn live_shape(&self, holder: usize) -> Option<i32> {
        self.live_of.get(&holder).copied()
    }

    /// The same of one partition alone, as if it were the table. What was done to the table as a whole was done to it, too.
    pub fn of_holder(&self, holder: usize) -> Self {
        let own = self.shapes.get(&LIVE).map(|names| names.holder);
        let of_both = own.into_iter().chain([holder]).flat_map(|holder| self.shapes_of(holder));
        let wanted = of_both.chain(self.live_shape(holder)).chain([LIVE]);
        let mut of_it = Self {
            shapes: wanted.filter_map(|shape| Some((shape, self.names(shape)?.clone()))).collect(),
            noted: self.noted.clone(),
            fates: Rc::clone(&self.fates),
            columns: Rc::clone(&self.columns),
            ..Self::default()
        };
        let is_its = |names: &&Names| names.holder == holder;
        let now = of_it.shapes.values().rfind(is_its).map(|names| (names.key.clone(), names.is_whole_row));
        for names in of_it.shapes.values_mut() {
            (names.holder, names.is_held) = (holder, false);
        }
        if let (Some(live), Some((key, is_whole_row))) = (of_it.shapes.get_mut(&LIVE), now) {
            // The columns stay those of the table: rights are rights on these.
            (live.key, live.is_whole_row) = (key, is_whole_row);
        }
        of_it.index();
        of_it
    }
}

/// What tells rows apart, by the table or partition that holds them.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    of: HashMap<usize, Identity>,
    /// Those that tell the rows of all apart, each once.
    common: Vec<Identity>,
}

impl Identities {
    /// What tells the rows of that one apart.
    pub fn of(&self, holder: usize) -> Option<&Identity> {
        self.of.get(&holder)
    }

    /// This tells them apart.
    pub fn set(&mut self, holder: usize, identity: Identity) {
        if identity.holder.is_none() && !self.common.contains(&identity) {
            self.common.push(identity.clone());
        }
        self.of.insert(holder, identity);
    }

    /// By what a row that this one holds may be told apart: first by what tells those of its partition, then by what tells those of all. Without
    /// a change of it a row may have come from one partition to another.
    pub fn of_row(&self, holder: Option<usize>) -> impl Iterator<Item = &Identity> {
        let own = holder.and_then(|holder| self.of(holder));
        own.into_iter().chain(self.common.iter().filter(move |&identity| Some(identity) != own))
    }

    /// All columns that do.
    pub fn columns(&self) -> impl Iterator<Item = ColumnId> {
        self.of.values().flat_map(|identity| &identity.columns).copied()
    }
}

/// What a change did to a row of some key in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The partition.
    pub holder: usize,
    /// The transaction and the command in it: a row that goes to another partition goes and comes by the same.
    pub statement: (i64, i32),
    /// When, in microseconds.
    pub at: i64,
    /// Whether it came, or went; `None` where it was there and stayed.
    pub comes: Option<bool>,
}

/// Whether rows were there in two partitions at once, after a moment; of the changes the first first.
pub fn are_together(steps: &[Step], since: i64) -> bool {
    let mut met: HashSet<usize> = HashSet::new();
    // What was there when the log has the first change of it.
    let mut there: HashSet<usize> = steps
        .iter()
        .filter(|step| met.insert(step.holder) && step.comes != Some(true))
        .map(|step| step.holder)
        .collect();
    for command in steps.chunk_by(|one, next| one.statement == next.statement) {
        let is_since = command.iter().any(|step| step.at > since);
        if is_since && there.len() > 1 {
            return true;
        }
        for step in command.iter().filter(|step| step.comes == Some(false)) {
            there.remove(&step.holder);
        }
        for step in command.iter().filter(|step| step.comes != Some(false)) {
            there.insert(step.holder);
        }
        if is_since && there.len() > 1 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::document::members;
    use super::super::holders::{Event, Holder, Passages};
    use super::super::lineage::Shape;
    use super::super::lineage::sample::{holder, holder as sample_holder, shape};
    use super::super::rewind::tests::{change, lineage_of, of, texts};
    use super::super::rewind::{Replay, Rewind};
    use super::super::row::Row;
    use super::*;

    #[test]
    fn a_key_may_tell_rows_apart_in_one_partition_alone() {
        let of = |name: &str, key: &[&str], id: i32| Shape {
            holder: holder(name),
            key: key.iter().map(|&name| name.to_owned()).collect(),
            ..shape(id, 10, &[(1, "id"), (2, "k")])
        };
        let mut lineage = lineage_of(vec![
            of("a", &["id"], 1),
            of("b", &["id", "k"], 2),
            of("c", &[], 3),
            of("gone", &["id", "k"], 4),
            of("t", &["id"], 5),
            of("t", &[], LIVE),
            of("a", &["id"], LIVE - 1),
            of("b", &["id", "k"], LIVE - 2),
            of("c", &[], LIVE - 3),
        ]);
        let column = |name| lineage.names(LIVE).unwrap().id(name).unwrap();
        let (number, cut_by) = (column("id"), [column("k")]);
        let held = |lineage: &Lineage| -> Vec<i32> {
            lineage.logged().filter(|(_, names)| names.is_held).map(|(id, _)| id).collect()
        };
        lineage.hold(&[], Some(&cut_by));
        assert_eq!(held(&lineage), [1]);
        lineage.hold(&[], None);
        assert_eq!(held(&lineage), [1, 2, 4]);
        lineage.hold(&[vec![number, cut_by[0]]], None);
        assert_eq!(held(&lineage), [1]);
        lineage.hold(&[vec![number]], None);
        assert!(!lineage.is_held());
        // One of them on its own.
        let b = lineage.names(2).unwrap().holder;
        assert!(lineage.holders().len() == 4 && lineage.holders()[1] == b);
        let of_it = lineage.of_holder(b);
        assert_eq!(of_it.logged().map(|(id, _)| id).collect::<Vec<_>>(), [2, 5]);
        assert!(of_it.is_whole_table(2) && of_it.is_whole_table(5));
        assert_eq!(of_it.names(LIVE).unwrap().key, [number, cut_by[0]]);
    }

    #[test]
    fn a_row_that_moves_is_one() {
        let step = |holder: usize, command: i64, comes: Option<bool>| Step {
            holder,
            statement: (command, 1),
            at: command,
            comes,
        };
        let moved = [
            step(1, 1, Some(true)),
            step(1, 2, None),
            step(1, 3, Some(false)),
            step(2, 3, Some(true)),
            step(2, 4, None),
        ];
        assert!(!are_together(&moved, 0));
        // One of the same key came where it had been.
        let two: Vec<Step> = moved.iter().cloned().chain([step(1, 5, Some(true))]).collect();
        assert!(are_together(&two, 0) && are_together(&two, 4) && !are_together(&two, 5));
        // One was there all the time.
        assert!(are_together(&[step(1, 1, Some(true)), step(2, 2, None)], 0));
        assert!(!are_together(&[step(1, 1, None), step(1, 2, Some(false)), step(2, 3, Some(true))], 0));
    }

    /// A table whose partitions have keys of their own: two that tell rows apart by `id`, one by both, one by nothing.
    fn parts() -> Rc<Lineage> {
        let of = |holder: &str, key: &[&str], id| Shape {
            holder: sample_holder(holder),
            key: key.iter().map(|&name| name.to_owned()).collect(),
            ..shape(id, 10, &[(1, "id"), (2, "k"), (3, "v")])
        };
        let mut lineage = lineage_of(vec![
            of("a", &["id"], 1),
            of("b", &["id"], 2),
            of("c", &["id", "k"], 3),
            of("d", &[], 4),
            of("t", &[], LIVE),
            of("a", &["id"], LIVE - 1),
            of("b", &["id"], LIVE - 2),
            of("c", &["id", "k"], LIVE - 3),
            of("d", &[], LIVE - 4),
        ]);
        let k = lineage.names(LIVE).unwrap().id("k").unwrap();
        lineage.hold(&[], Some(&[k]));
        Rc::new(lineage)
    }

    #[test]
    fn the_same_key_in_several_partitions_is_several_rows() {
        let lineage = parts();
        let row = |id: u32, k: u32, v: &str| format!(r#"{{"id": {id}, "k": {k}, "v": "{v}"}}"#);
        let insert = |id, shape, key: &str, row: &str| change(id, shape, "I", key, "{}", row);
        let one = r#"{"id": 1}"#;
        let changes = [
            insert(1, 1, one, &row(1, 1, "a")),
            insert(2, 2, one, &row(1, 2, "b")),
            insert(3, 3, r#"{"id": 1, "k": 3}"#, &row(1, 3, "c")),
            insert(4, 4, &row(1, 4, "d"), &row(1, 4, "d")),
            change(5, 1, "U", one, r#"{"v": "a"}"#, r#"{"v": "A"}"#),
            change(6, 4, "U", &row(1, 4, "d"), r#"{"v": "d"}"#, r#"{"v": "D"}"#),
            // It goes from the second partition to the third, whose row has the same id.
            change(7, 2, "D", one, &row(1, 2, "b"), "{}"),
            insert(8, 3, r#"{"id": 1, "k": 30}"#, &row(1, 30, "b")),
            // And another from the first to the second.
            change(9, 1, "D", one, &row(1, 1, "A"), "{}"),
            insert(10, 2, one, &row(1, 20, "A")),
            change(11, 2, "U", one, r#"{"v": "A"}"#, r#"{"v": "AA"}"#),
            change(12, 3, "D", r#"{"id": 1, "k": 3}"#, &row(1, 3, "c"), "{}"),
        ];
        let then = |until: i64| -> Vec<String> {
            match until {
                0 => vec![],
                2 => vec![row(1, 1, "a"), row(1, 2, "b")],
                5 => vec![row(1, 1, "A"), row(1, 2, "b"), row(1, 3, "c"), row(1, 4, "d")],
                8 => vec![row(1, 1, "A"), row(1, 3, "c"), row(1, 30, "b"), row(1, 4, "D")],
                _ => vec![row(1, 20, "AA"), row(1, 30, "b"), row(1, 4, "D")],
            }
        };
        let live: Vec<Row> = [(LIVE - 2, 0), (LIVE - 3, 1), (LIVE - 4, 2)]
            .iter()
            .map(|&(shape, place): &(i32, usize)| {
                Row::of(&lineage.columns, lineage.names(shape).unwrap(), &of(&then(12)[place]))
            })
            .collect();
        for until in [0, 2, 5, 8, 12] {
            let mut rewind = Rewind::new(&lineage);
            for change in changes.iter().rev().filter(|change| change.id > until) {
                rewind.undo(change).unwrap();
            }
            let mut rows = rewind.finish();
            rows.extend(live.iter().filter_map(|row| rewind.was(row.clone())));
            assert_eq!((texts(&lineage, 1, rows), rewind.missing()), (then(until), 0), "back to {until}");
            let mut replay = Replay::new(&lineage);
            for change in changes.iter().filter(|change| change.id <= until) {
                replay.apply(change).unwrap();
            }
            assert_eq!(replay.strangers, 0);
            assert_eq!(texts(&lineage, 1, replay.into_rows()), then(until), "forward to {until}");
        }
    }

    #[test]
    fn rows_go_with_their_partition_and_not_those_of_the_same_key_in_others() {
        let of = |relid, key: &[&str], id| Shape {
            holder: Holder { home: "h".to_owned(), relid, name: format!("p{relid}") },
            key: key.iter().map(|&name| name.to_owned()).collect(),
            ..shape(id, i64::from(id), &[(1, "id"), (2, "v")])
        };
        let went = |at, relid| (at, Event::Went(relid, format!("p{relid}")));
        let came = |at, relid| (at, Event::Came(relid, format!("p{relid}")));
        let itself = (0, Event::Itself("h".to_owned(), 5));
        let passages = Passages::new([itself, went(25, 7), went(26, 8), came(27, 8), went(28, 6)]);
        let shapes = vec![
            of(7, &["id"], 1),
            of(8, &["id"], 2),
            of(9, &["id"], 3),
            of(6, &[], 4),
            of(5, &[], LIVE),
            of(8, &["id"], LIVE - 1),
            of(9, &["id"], LIVE - 2),
        ];
        let mut lineage = Lineage::new(shapes, &passages);
        lineage.hold(&[], None);
        let lineage = Rc::new(lineage);
        let holder = |shape| lineage.names(shape).unwrap().holder;
        assert_eq!(lineage.with_keys(), HashSet::from([1, 2, 3].map(holder)));
        let row = |v: &str| format!(r#"{{"id": 1, "v": "{v}"}}"#);
        let replay = |until: i64| {
            let mut replay = Replay::new(&lineage);
            for shape in [1, 2, 3] {
                let insert =
                    change(i64::from(shape), shape, "I", r#"{"id": 1}"#, "{}", &row(&shape.to_string()));
                replay.apply(&insert).unwrap();
            }
            replay.end(until);
            replay
        };
        for (until, left) in [(24, vec!["1", "2", "3"]), (25, vec!["2", "3"]), (27, vec!["3"])] {
            let left: Vec<String> = left.into_iter().map(row).collect();
            assert_eq!(texts(&lineage, 1, replay(until).into_rows()), left, "{until}");
        }
        // What is there now is no row of another partition.
        let live =
            |shape| Row::of(&lineage.columns, lineage.names(shape).unwrap(), &members(&row("2")).unwrap());
        let found = |until, shape| {
            let found = replay(until).rows_like(&live(shape)).cloned().collect();
            texts(&lineage, 1, found)
        };
        assert_eq!(found(24, LIVE - 1), [row("2")]);
        assert_eq!(found(24, LIVE - 2), [row("3")]);
        assert!(found(27, LIVE - 1).is_empty());
    }

    #[test]
    fn a_row_that_no_change_led_to_another_partition_is_found_by_a_key_of_all() {
        let lineage = parts();
        let mut rewind = Rewind::new(&lineage);
        let update = change(1, 3, "U", r#"{"id": 1, "k": 5}"#, r#"{"v": "x"}"#, r#"{"v": "y"}"#);
        rewind.undo(&update).unwrap();
        rewind.finish();
        let now = of(r#"{"id": 1, "k": 5, "v": "y"}"#);
        let row = Row::of(&lineage.columns, lineage.names(LIVE - 2).unwrap(), &now);
        let was = rewind.was(row).into_iter().collect();
        assert_eq!(texts(&lineage, 1, was), [r#"{"id": 1, "k": 5, "v": "x"}"#]);
    }
}
