//! The tables that held the rows of a partitioned table: which shapes are of the same one, and when it was a partition.
//!
//! A table is itself by its OID, as it is where it is watched by itself: what gets the name of a partition that is gone is
//! another. Only a restore makes all of them anew, in another database or, where the partitioned table itself has another OID
//! than before, in the same; from then on each is the one that had its name when the dump was made, unless that was none of
//! the table's any more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound::{Excluded, Unbounded};

use super::lineage::{FIRST_LIVE, Shape};

/// Which table held rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// The server and the database in which it has its OID.
    pub home: String,
    /// That OID.
    pub relid: u32,
    /// Its qualified name, by which it is found again after a restore.
    pub name: String,
}

impl Holder {
    fn origin(&self) -> (&str, u32) {
        (&self.home, self.relid)
    }
}

/// What an event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The partitioned table was there, in that database by that OID.
    Itself(String, u32),
    /// A table came under it, of that name.
    Came(u32, String),
    /// A table is none of it any more.
    Went(u32, String),
    /// A partition has another name.
    Named(u32, String),
}

/// A partition came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Passage {
    home: String,
    relid: u32,
    name: String,
    at: i64,
    comes: bool,
}

/// What the log tells of the partitions of a table beside changes.
#[derive(Clone, Debug, Default)]
pub struct Passages {
    /// Each OID that the partitioned table had, and since when.
    making: Vec<(i64, String, u32)>,
    passages: Vec<Passage>,
    /// The places of those of each OID, and of each name: a table may have thousands of partitions.
    of_relid: HashMap<u32, Vec<usize>>,
    of_name: HashMap<String, Vec<usize>>,
    /// What tables were called last, and since when, by their OIDs and where they are.
    names: HashMap<u32, HashMap<String, (i64, String)>>,
}

impl Passages {
    /// From events and when they happened, the first first.
    pub fn new(events: impl IntoIterator<Item = (i64, Event)>) -> Self {
        let mut all = Self::default();
        for (at, event) in events {
            match event {
                Event::Itself(home, relid) => all.is_there(at, home, relid),
                Event::Came(relid, name) => all.pass(at, relid, name, true),
                Event::Went(relid, name) => all.pass(at, relid, name, false),
                Event::Named(relid, name) => {
                    let home = all.home();
                    all.names.entry(relid).or_default().insert(home, (at, name));
                }
            }
        }
        all
    }

    /// The partitioned table is, or was, there by that OID.
    pub fn is_there(&mut self, at: i64, home: String, relid: u32) {
        let is_known = self.making.last().is_some_and(|(_, known, last)| *known == home && *last == relid);
        if !is_known {
            self.making.push((at, home, relid));
        }
    }

    /// A partition came or went where the partitioned table was last.
    pub fn pass(&mut self, at: i64, relid: u32, name: String, comes: bool) {
        let place = self.passages.len();
        self.of_relid.entry(relid).or_default().push(place);
        self.of_name.entry(name.clone()).or_default().push(place);
        self.passages.push(Passage { home: self.home(), relid, name, at, comes });
    }

    /// Where the partitioned table was last.
    fn home(&self) -> String {
        self.making.last().map(|(_, home, _)| home.clone()).unwrap_or_default()
    }

    /// What a table was called in the end that had this shape last.
    fn name<'a>(&'a self, last: &'a Shape) -> &'a str {
        let Holder { home, relid, name } = &last.holder;
        match self.names.get(relid).and_then(|names| names.get(home)) {
            Some((at, renamed)) if *at > last.seen_at => renamed,
            _ => name,
        }
    }

    /// How often the partitioned table had been made by then: by a restore it is made once more, and its columns have other numbers.
    pub fn making(&self, at: i64) -> usize {
        self.making.partition_point(|(since, _, _)| *since <= at)
    }

    fn at<'a>(&'a self, places: Option<&'a Vec<usize>>) -> impl DoubleEndedIterator<Item = &'a Passage> {
        places.into_iter().flatten().map(|&place| &self.passages[place])
    }

    fn of<'a>(&'a self, holder: &'a Holder) -> impl DoubleEndedIterator<Item = &'a Passage> {
        self.at(self.of_relid.get(&holder.relid)).filter(|passage| passage.home == holder.home)
    }

    fn has_gone(&self, holder: &Holder) -> bool {
        self.of(holder).next_back().is_some_and(|last| !last.comes)
    }

    /// What became of the table that a restore made of the one that had this shape last, where it has none of its own.
    fn of_heir(&self, last: &Shape, known: &HashSet<(String, u32)>) -> Vec<(i64, bool)> {
        let (making, name) = (self.making(last.seen_at), self.name(last));
        let is_heir = |passage: &&Passage| {
            (passage.home != last.holder.home || self.making(passage.at) > making)
                && !known.contains(&(passage.home.clone(), passage.relid))
        };
        let of_name = self.at(self.of_name.get(name));
        of_name.filter(is_heir).map(|passage| (passage.at, passage.comes)).collect()
    }

    /// What became of the table that held the rows of these shapes, the last first. `known`: those that have shapes.
    pub fn fate(&self, chain: &[Shape], known: &HashSet<(String, u32)>) -> Fate {
        let Some(last) = chain.first() else { return Fate::default() };
        let is_live = last.id >= FIRST_LIVE;
        let mut origins: Vec<&Holder> = Vec::new();
        for shape in chain.iter().rev() {
            if origins.last().is_none_or(|known| known.origin() != shape.holder.origin()) {
                origins.push(&shape.holder);
            }
        }
        let mut passages: Vec<(i64, bool)> = origins
            .into_iter()
            .flat_map(|holder| self.of(holder))
            .map(|passage| (passage.at, passage.comes))
            .collect();
        if !is_live && passages.last().is_none_or(|&(_, comes)| comes) {
            passages.extend(self.of_heir(last, known));
        }
        Fate {
            is_gone: !is_live && passages.last().is_some_and(|(_, comes)| !comes),
            live: is_live.then_some(last.holder.relid),
            seen_at: chain.last().map_or(i64::MAX, |first| first.seen_at),
            passages,
        }
    }
}

/// What became of a table that held rows.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    /// When it came (`true`) and went, the first first.
    passages: Vec<(i64, bool)>,
    is_gone: bool,
    /// Its OID, where it is a partition now.
    live: Option<u32>,
    /// When the log has the first change of it.
    seen_at: i64,
}

/// Whether a table was a partition at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It was none.
    Absent,
    /// It was, and is.
    Lasting,
    /// It was, and is no more.
    Ended,
}

impl Fate {
    /// Whether it is none any more.
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Whether it is one now.
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Whether it was a partition then.
    pub fn at(&self, moment: i64) -> Presence {
        let place = self.passages.partition_point(|(at, _)| *at <= moment);
        let was_there = match (place.checked_sub(1), self.passages.first()) {
            (Some(last), _) => self.passages[last].1,
            // Who came first was there before only if nobody saw it go.
            (None, Some(&(at, true))) => self.seen_at < at,
            (None, _) => true,
        };
        match (was_there, self.is_gone) {
            (false, _) => Presence::Absent,
            (true, false) => Presence::Lasting,
            (true, true) => Presence::Ended,
        }
    }

    /// Whether it went after the one moment and by the other, with whatever rows it had.
    pub fn went_between(&self, from: i64, until: i64) -> bool {
        self.passages.iter().any(|&(at, comes)| !comes && from < at && at <= until)
    }

    /// The OID of one that is a partition now and was none then.
    pub fn came_after(&self, moment: i64) -> Option<u32> {
        self.live.filter(|_| self.at(moment) == Presence::Absent)
    }
}

/// The shapes of each table that held rows, the last first. The shapes come the last first.
pub fn chains(shapes: Vec<Shape>, passages: &Passages) -> Vec<Vec<Shape>> {
    let mut chains: Vec<Vec<Shape>> = Vec::new();
    let mut places: HashMap<(String, u32), usize> = HashMap::new();
    // By what was called so last in one making.
    let mut last: HashMap<(String, usize, String), (i32, u32)> = HashMap::new();
    for shape in shapes {
        let Holder { home, relid, name } = &shape.holder;
        let making = passages.making(shape.seen_at);
        last.entry((home.clone(), making, name.clone())).or_insert((shape.id, *relid));
        let place = *places.entry((home.clone(), *relid)).or_insert_with(|| {
            chains.push(Vec::new());
            chains.len() - 1
        });
        chains[place].push(shape);
    }
    let is_followed = |shape: &Shape| {
        let holder = &shape.holder;
        let key = (holder.home.clone(), passages.making(shape.seen_at), passages.name(shape).to_owned());
        passages.has_gone(holder) || last.get(&key).is_some_and(|&(_, relid)| relid != holder.relid)
    };
    let mut firsts = Firsts::new();
    for (place, chain) in chains.iter().enumerate() {
        put_first(&mut firsts, chain, place);
    }
    // Each goes to the one that follows on it, the one after which nothing followed first.
    for place in 0..chains.len() {
        let later = chains[place]
            .first()
            .filter(|shape| shape.id < FIRST_LIVE && !is_followed(shape))
            .and_then(|shape| next(shape, &firsts, &chains, passages))
            .filter(|&later| later != place);
        if let Some(later) = later {
            let earlier = std::mem::take(&mut chains[place]);
            take_first(&mut firsts, &chains[later]);
            put_first(&mut firsts, &earlier, later);
            chains[later].extend(earlier);
        }
    }
    chains.retain(|chain| !chain.is_empty());
    chains
}

/// The places of chains by what they were called first, and the numbers of the shapes that they had first: each of
/// thousands is looked for.
type Firsts = HashMap<String, BTreeMap<i32, usize>>;

fn put_first(firsts: &mut Firsts, chain: &[Shape], place: usize) {
    if let Some(first) = chain.last() {
        firsts.entry(first.holder.name.clone()).or_default().insert(first.id, place);
    }
}

fn take_first(firsts: &mut Firsts, chain: &[Shape]) {
    if let Some(first) = chain.last()
        && let Some(places) = firsts.get_mut(&first.holder.name)
    {
        places.remove(&first.id);
    }
}

/// The table that a restore made of the one that had this shape last.
fn next(last: &Shape, firsts: &Firsts, chains: &[Vec<Shape>], passages: &Passages) -> Option<usize> {
    let is_restored = |first: &Shape| {
        last.holder.home != first.holder.home
            || passages.making(last.seen_at) < passages.making(first.seen_at)
    };
    let later = firsts.get(passages.name(last))?.range((Excluded(last.id), Unbounded));
    later.map(|(_, &place)| place).find(|&place| chains[place].last().is_some_and(is_restored))
}

#[cfg(test)]
mod tests {
    use super::super::lineage::LIVE;
    use super::super::lineage::sample::shape;
    use super::*;

    fn of(home: &str, relid: u32, name: &str, id: i32) -> Shape {
        let seen_at = if id >= FIRST_LIVE { i64::MAX } else { i64::from(id) * 10 };
        let holder = Holder { home: home.to_owned(), relid, name: name.to_owned() };
        Shape { holder, ..shape(id, seen_at, &[(1, "id")]) }
    }

    fn passage(relid: u32, comes: bool) -> Event {
        let name = "p".to_owned();
        if comes { Event::Came(relid, name) } else { Event::Went(relid, name) }
    }

    fn itself(home: &str, relid: u32) -> Event {
        Event::Itself(home.to_owned(), relid)
    }

    /// The numbers of the shapes of each.
    fn told(mut shapes: Vec<Shape>, passages: &Passages) -> Vec<Vec<i32>> {
        shapes.sort_by_key(|shape| std::cmp::Reverse(shape.id));
        let chains = chains(shapes, passages);
        chains.iter().map(|chain| chain.iter().map(|shape| shape.id).collect()).collect()
    }

    #[test]
    fn another_of_its_name_is_another() {
        let passages = Passages::new([(0, itself("a", 5))]);
        let shapes =
            || vec![of("a", 7, "p", 1), of("a", 8, "p", 2), of("a", 8, "p", LIVE - 1), of("a", 5, "t", LIVE)];
        assert_eq!(told(shapes(), &passages), [vec![LIVE], vec![LIVE - 1, 2], vec![1]]);
        // The same where nothing was written to it, and where nobody knows of events.
        let shapes = vec![of("a", 7, "p", 1), of("a", 8, "p", LIVE - 1)];
        assert_eq!(told(shapes.clone(), &passages), [vec![LIVE - 1], vec![1]]);
        assert_eq!(told(shapes, &Passages::default()), [vec![LIVE - 1], vec![1]]);
    }

    #[test]
    fn a_restore_goes_on_with_the_last_of_that_name() {
        let shapes = vec![
            of("a", 7, "p", 1),
            of("a", 8, "p", 2),
            of("b", 9, "p", 3),
            of("b", 9, "p", LIVE - 1),
            // Another that is called so since.
            of("b", 4, "p", LIVE - 2),
        ];
        let passages = Passages::new([(0, itself("a", 5)), (25, itself("b", 5))]);
        assert_eq!(told(shapes, &passages), [vec![LIVE - 1, 3, 2], vec![LIVE - 2], vec![1]]);
    }

    #[test]
    fn what_was_dropped_is_not_restored() {
        let shapes = vec![of("a", 7, "p", 1), of("b", 9, "p", LIVE - 1)];
        let made = [(0, itself("a", 5)), (5, passage(7, true)), (50, itself("b", 5))];
        assert_eq!(told(shapes.clone(), &Passages::new(made.clone())), [vec![LIVE - 1, 1]]);
        let [first, second, last] = made;
        let gone = Passages::new([first.clone(), second, (20, passage(7, false)), last.clone()]);
        assert_eq!(told(shapes.clone(), &gone), [vec![LIVE - 1], vec![1]]);
        // In the other database that OID is another's.
        let other = Passages::new([first, last, (60, passage(7, false))]);
        assert_eq!(told(shapes, &other), [vec![LIVE - 1, 1]]);
    }

    #[test]
    fn a_restore_in_its_place_makes_the_partitioned_table_anew() {
        let shapes = vec![of("a", 7, "p", 1), of("a", 9, "p", 3), of("a", 9, "p", LIVE - 1)];
        let passages = Passages::new([(0, itself("a", 5)), (20, itself("a", 6))]);
        assert_eq!(told(shapes.clone(), &passages), [vec![LIVE - 1, 3, 1]]);
        let mut unseen = Passages::new([(0, itself("a", 5))]);
        assert_eq!(told(shapes.clone(), &unseen), [vec![LIVE - 1, 3], vec![1]]);
        unseen.is_there(i64::MAX, "a".to_owned(), 6);
        assert_eq!(told(vec![shapes[0].clone(), shapes[2].clone()], &unseen), [vec![LIVE - 1, 1]]);
    }

    #[test]
    fn a_restore_goes_on_by_the_name_of_the_end() {
        let shapes = vec![
            of("a", 7, "p", 1),
            of("a", 8, "p", 2),
            of("b", 9, "q", LIVE - 1),
            of("b", 4, "p", LIVE - 2),
        ];
        let made = [(0, itself("a", 5)), (15, Event::Named(7, "q".to_owned())), (25, itself("b", 5))];
        assert_eq!(
            told(shapes.clone(), &Passages::new(made.clone())),
            [vec![LIVE - 1, 1], vec![LIVE - 2, 2]]
        );
        // That one got its name back since is told by its shape.
        let [first, second, last] = made;
        let back = Passages::new([first, (5, second.1), last]);
        assert_eq!(told(shapes, &back), [vec![LIVE - 1], vec![LIVE - 2, 2], vec![1]]);
    }

    #[test]
    fn when_it_was_a_partition() {
        let fate = |shapes: &[Shape], events: &[(i64, Event)]| {
            let first = (0, itself("a", 5));
            Passages::new(std::iter::once(first).chain(events.iter().cloned())).fate(shapes, &HashSet::new())
        };
        let (logged, live) = (of("a", 7, "p", 1), of("a", 7, "p", LIVE - 1));
        let there = fate(&[live.clone(), logged.clone()], &[]);
        assert_eq!(there.at(5), Presence::Lasting);
        let gone = fate(std::slice::from_ref(&logged), &[(30, passage(7, false))]);
        assert_eq!([5, 29, 30, 31].map(|at| gone.at(at)), {
            use Presence::{Absent, Ended};
            [Ended, Ended, Absent, Absent]
        });
        assert!(gone.went_between(10, 30) && !gone.went_between(30, 99) && !gone.went_between(10, 29));
        let back = fate(&[live.clone(), logged], &[(30, passage(7, false)), (50, passage(7, true))]);
        assert_eq!([29, 30, 49, 50].map(|at| back.at(at)), {
            use Presence::{Absent, Lasting};
            [Lasting, Absent, Absent, Lasting]
        });
        assert_eq!((back.came_after(40), back.came_after(20), back.came_after(60)), (Some(7), None, None));
        // A restore made another of it, which went without a change.
        let restored = [(20, itself("b", 5)), (30, passage(9, false))];
        assert!(fate(std::slice::from_ref(&live), &restored).live.is_some());
        let heir = Passages::new(restored.clone());
        let shapes = [of("a", 7, "p", 1)];
        assert!(heir.fate(&shapes, &HashSet::new()).is_gone());
        assert!(!heir.fate(&shapes, &HashSet::from([("b".to_owned(), 9)])).is_gone());
        assert!(!heir.fate(&[of("a", 7, "q", 1)], &HashSet::new()).is_gone());
        let came = fate(&[live], &[(50, passage(7, true))]);
        assert_eq!([49, 50].map(|at| came.at(at)), [Presence::Absent, Presence::Lasting]);
    }

    #[test]
    fn thousands_are_restored() {
        let count = 20_000;
        let name = |number: u32| format!("p{number}");
        let mut events = vec![(0, itself("a", 5))];
        events.extend((0..count).map(|number| (1, Event::Came(100 + number, name(number)))));
        events.push((i64::from(count) * 10 + 5, itself("b", 5)));
        let here = (0..count).map(|number| of("a", 100 + number, &name(number), number as i32 + 1));
        let there = (0..count)
            .map(|number| of("b", 900_000 + count - number, &name(number), LIVE - 1 - number as i32));
        let found = told(here.chain(there).collect(), &Passages::new(events));
        assert_eq!(found.len(), count as usize);
        assert!((0..).zip(&found).all(|(place, chain)| *chain == [LIVE - 1 - place, place + 1]));
    }
}
