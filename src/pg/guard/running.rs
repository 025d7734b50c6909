//! The statements that run now, the innermost last: what the judge knows of each, and what the event triggers saw it do.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use super::record::{Entry, Verdict};
use super::{Decision, Drops};
use crate::catalog::Oid;
use crate::catalog::ddl::{Statement, Touched, WorkKind};

/// So many objects are named of what a statement did; the rest is counted.
const MOST_DEEDS: usize = 40;
/// So many tables are looked at as they are dropped.
const MOST_TABLES: usize = 1000;

/// A statement that was judged and runs.
pub struct Running {
    /// What it is.
    pub statement: Statement,
    /// What takes long, and on how many bytes.
    pub work: Option<(WorkKind, u64)>,
    /// Since when.
    pub started: Instant,
    knows_rewrite: bool,
    drops: Drops,
    /// Of the first finding for which it would have been refused, if the guard enforced or nobody had allowed it.
    let_through: Option<Entry>,
    /// Tables with rows that it dropped though the judge had not foreseen it, as they were before.
    dropped: Vec<Touched>,
    deeds: Vec<String>,
    more_deeds: usize,
    is_opened_by_event: bool,
}

/// At which of them the server is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Current {
    /// At one of which the judge knows nothing.
    #[default]
    NotJudged,
    /// At one that is let through whatever it does.
    LetThrough,
    /// At this one, counted from 0.
    At(usize),
}

thread_local! {
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
    static CURRENT: Cell<Current> = const { Cell::new(Current::NotJudged) };
}

/// At which statement the server is.
pub fn current() -> Current {
    CURRENT.get()
}

/// It is at this one from now on.
pub fn set_current(current: Current) {
    CURRENT.set(current);
}

/// Forgets what an ERROR left behind.
pub fn clear() {
    RUNNING.with_borrow_mut(Vec::clear);
}

/// Adds a statement that is about to run, and returns its place.
pub fn push(statement: Statement, decision: &Decision) -> usize {
    let is_let_through = |verdict| matches!(verdict, Verdict::Warned | Verdict::Overridden);
    let record = decision.records.iter().find(|record| is_let_through(record.verdict));
    let let_through = record.map(|record| Entry::new(&statement, record));
    RUNNING.with_borrow_mut(|running| {
        running.push(Running {
            statement,
            work: decision.work,
            started: Instant::now(),
            knows_rewrite: decision.knows_rewrite,
            drops: decision.drops.clone(),
            let_through,
            dropped: Vec::new(),
            deeds: Vec::new(),
            more_deeds: 0,
            is_opened_by_event: false,
        });
        running.len() - 1
    })
}

/// Takes out the one at this place. What an ERROR left above it is forgotten.
pub fn pop(place: usize) -> Option<Running> {
    RUNNING.with_borrow_mut(|running| {
        running.truncate(place + 1);
        if running.len() == place + 1 { running.pop() } else { None }
    })
}

fn at_current<T>(work: impl FnOnce(&mut Running) -> T) -> Option<T> {
    let Current::At(place) = CURRENT.get() else { return None };
    RUNNING.with_borrow_mut(|running| running.get_mut(place).map(work))
}

/// The event trigger at its end has to finish the statement, as no hook will.
pub fn open_by_event() {
    at_current(|running| running.is_opened_by_event = true);
}

/// Whether it has to.
pub fn is_opened_by_event() -> bool {
    at_current(|running| running.is_opened_by_event).unwrap_or(false)
}

/// Whether the judge knew that the statement writes a table anew, or nobody is to ask.
pub fn knows_rewrite() -> bool {
    CURRENT.get() == Current::LetThrough || at_current(|running| running.knows_rewrite).unwrap_or(false)
}

/// Whether the judge had not foreseen that this table is dropped, and it is one of the first of that kind.
pub fn is_unforeseen_drop(table: Oid) -> bool {
    let is_unforeseen = at_current(|running| match &running.drops {
        Drops::Whatever => false,
        Drops::Only(known) => running.dropped.len() < MOST_TABLES && !known.contains(&table),
    });
    is_unforeseen.unwrap_or(false)
}

/// Notes a table with rows that is dropped now and that nobody had foreseen.
pub fn note_dropped(table: Touched) {
    at_current(|running| running.dropped.push(table));
}

/// Whether any was noted.
pub fn has_dropped_tables() -> bool {
    at_current(|running| !running.dropped.is_empty()).unwrap_or(false)
}

/// What was dropped and the judge had not foreseen; forgotten with that.
pub fn unforeseen_drops() -> Vec<Touched> {
    at_current(|running| std::mem::take(&mut running.dropped)).unwrap_or_default()
}

/// Whether the statement was found unsafe and runs all the same, so that what it does is kept.
pub fn is_let_through() -> bool {
    at_current(|running| running.let_through.is_some()).unwrap_or(false)
}

/// Notes what the statement did.
pub fn note_deeds(deeds: Vec<String>, more: usize) {
    at_current(|running| {
        let room = MOST_DEEDS.saturating_sub(running.deeds.len());
        running.more_deeds += more + deeds.len().saturating_sub(room);
        running.deeds.extend(deeds.into_iter().take(room));
    });
}

/// The record of what it did, taken out; none where it was safe or did nothing that anybody saw.
pub fn take_done() -> Option<Entry> {
    at_current(|running| {
        let mut deeds = std::mem::take(&mut running.deeds);
        if running.more_deeds > 0 {
            deeds.push(format!("{} more", running.more_deeds));
        }
        let entry = running.let_through.take().filter(|_| !deeds.is_empty())?;
        Some(entry.done(deeds))
    })
    .flatten()
}

/// The tag and the text of the statement, for what is said of it.
pub fn tag_and_text() -> Option<(String, String)> {
    at_current(|running| (running.statement.tag.clone(), running.statement.text.clone()))
}
