//! Plans that make all rows in a range of keys what they were.

use std::collections::{HashMap, HashSet};

use pgrx::PgSqlErrorCode;

use super::as_of::{must_be_watched, when};
use super::book::{Book, CHANGES, PLACE, Subject, change_columns, cursor, list, moment, number, of_shapes};
use super::doubts;
use super::history::key_values;
use super::reverting::{MOST, must_see_all, refuse, store};
use super::targets::Targets;
use crate::catalog::trail::layout::FLAG_KEY_CHANGED;
use crate::catalog::{Moment, Oid};
use crate::pg::error::raise;
use crate::pg::progress::{self, Progress};
use crate::pg::trail::reading::table::{Column, owner, within};
use crate::text::quote_literal;
use crate::trail::read::change::{Change, Operation};
use crate::trail::read::document::NULL;
use crate::trail::read::lineage::{ColumnId, LIVE};
use crate::trail::read::row::{Identity, Key, Row, images, key_columns};
use crate::trail::revert::Undone;
use crate::trail::revert::range::{Way, of_rows_with};

/// So many changes are followed at most to tell which rows had a key of the range.
const FOLLOWED: usize = 10 * MOST;

/// The server is asked about so many keys at once.
const ASKED: usize = 2_000;

/// Plans to make all rows with keys from one to another what they were; returns the number of the plan.
pub fn of_range(target: Oid, from: &str, to: &str, at: Moment) -> i64 {
    let book = Book::open();
    let progress = Progress::begin(&progress::REVERT);
    let subject = Subject::new(&book, target);
    must_see_all(&subject);
    must_be_watched(&book, &subject, at);
    let shapes = subject.shapes.clone();
    let changed = changed(&book, &shapes, at);
    let range = Range::new(&book, &subject, &changed, from, to);
    doubts::say(&book, &subject, at, Moment::MAX);
    let name = subject.table.qualified();
    let targets = Targets::of(subject, &changed);
    let changes = changes(&book, (&targets, &shapes, &name), &range, at, &progress);
    if changes.is_empty() {
        refuse(
            &format!("no row of {name} in this range was changed since, as far as the log tells"),
            "",
            &format!(
                "SELECT * FROM dbm.changes({}, since => {}) tells what the table has.",
                quote_literal(&name),
                quote_literal(&when(at))
            ),
        );
    }
    let undone: Vec<Undone> = changes.iter().map(|change| targets.undone(change)).collect();
    let when = when(at);
    let call = format!(
        "dbm.revert_plan({}, {}, {}, {})",
        quote_literal(&name),
        quote_literal(from),
        quote_literal(to),
        quote_literal(&when)
    );
    progress.report(progress::WRITING_PLAN, 0, 0);
    store(
        format!("make rows {from} to {to} of {name} what they were at {when}"),
        call,
        targets.tables,
        &undone,
    )
}

/// Of these shapes those of which the log has changes since then.
fn changed(book: &Book, shapes: &[i32], at: Moment) -> HashSet<i32> {
    let sql = format!(
        "SELECT DISTINCT c.shape_id FROM dbm_trail.change c
         WHERE {} AND c.changed_at > {}",
        of_shapes(shapes.len(), 1),
        moment(2)
    );
    book.rows(&sql, &[list(shapes), Some(at.to_string())]).iter().map(|row| number(row, 0)).collect()
}

/// A range of keys, both ends included.
struct Range {
    /// The columns, as the key has them in order.
    order: Vec<ColumnId>,
    columns: Vec<Column>,
    /// Whose the table is.
    owner: Option<Oid>,
    low: Vec<String>,
    high: Vec<String>,
}

impl Range {
    fn new(book: &Book, subject: &Subject, changed: &HashSet<i32>, from: &str, to: &str) -> Self {
        let name = subject.table.qualified();
        // Partitions may have other keys, to which nothing was done.
        let parts = changed.iter().copied().filter(|&shape| !subject.lineage.is_whole_table(shape)).max();
        let last = parts.filter(|_| subject.lineage.is_held()).or_else(|| subject.last_shape());
        let names = last.and_then(|shape| subject.lineage.names(shape));
        let (Some(last), Some(names)) = (last, names.filter(|names| !names.is_whole_row)) else {
            refuse(
                &format!("the rows of {name} have no keys to be ordered by"),
                "They are told apart by all their values.",
                "Take single transactions back: SELECT dbm.revert_plan(transaction).",
            );
        };
        let order: Vec<ColumnId> =
            book.key_of_shape(last).iter().filter_map(|column| names.id(column)).collect();
        let live = subject.lineage.names(LIVE);
        let columns: Vec<Column> = order
            .iter()
            .filter_map(|id| subject.table.column(&live?.attribute(*id)?.name).cloned())
            .collect();
        let values = |key: &str| -> Vec<String> {
            let given = key_values(subject, key);
            let value = |id| given.iter().find(|&&(found, _)| found == id).map(|(_, value)| value.clone());
            order.iter().map(|&id| value(id).unwrap_or_else(|| NULL.to_owned())).collect()
        };
        let owner = owner(subject.table.oid);
        let range = Self { low: values(from), high: values(to), columns, owner, order };
        if range.low.iter().chain(&range.high).any(|value| value == NULL) {
            invalid("a key has no NULL", "");
        }
        if range.within(&[texts(&range.low)]).is_empty() {
            invalid(
                "the range is empty: its first key comes after its last",
                &format!("They are {from} and {to}."),
            );
        }
        range
    }

    /// The places of those keys that are in it.
    fn within(&self, keys: &[Vec<&str>]) -> Vec<usize> {
        let columns: Vec<&Column> = self.columns.iter().collect();
        within(self.owner, &columns, keys, &texts(&self.low), &texts(&self.high))
    }
}

fn texts(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

fn invalid(message: &str, detail: &str) -> ! {
    raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message, detail, "")
}

/// Changes as they are read, of which it is asked together whether their keys are in the range.
struct Sieve<'a> {
    targets: &'a Targets,
    name: &'a str,
    range: &'a Range,
    /// Keys to which and from which rows went.
    passed: HashSet<Key>,
    within: HashSet<Key>,
    found: Vec<(Change, Way)>,
    waiting: Vec<(Change, Way, [Row; 2])>,
    count: usize,
}

impl Sieve<'_> {
    fn way(&self, change: &Change) -> (Way, [Row; 2]) {
        let (place, lineage, key) = self.targets.past(change);
        let Some(names) = lineage.names(change.shape) else {
            refuse(&format!("change {} of {} cannot be read", change.id, self.name), "", "");
        };
        let is_in_order = |key: &[ColumnId]| {
            key.len() == self.range.order.len() && key.iter().all(|column| self.range.order.contains(column))
        };
        if key_columns(names) != key || !is_in_order(key) {
            refuse(
                &format!("rows of {} cannot be taken back by a range of keys", self.name),
                &format!("At change {} its rows were told apart by other columns than now.", change.id),
                "",
            );
        }
        let (before, after) = images(change, names, &lineage.columns);
        // Rows of several partitions may have the same key.
        let identity = Identity { columns: key.to_vec(), holder: Some(place) };
        let way = Way {
            from: (change.operation != Operation::Insert).then(|| identity.key(&before)),
            to: (change.operation != Operation::Delete).then(|| identity.key(&after)),
        };
        (way, [before, after])
    }

    fn add(&mut self, change: Change) {
        // Which rows it removed nobody knows: this refuses.
        if change.operation == Operation::Truncate {
            self.targets.undone(&change);
        }
        let (way, rows) = self.way(&change);
        self.waiting.push((change, way, rows));
        if self.waiting.len() >= ASKED {
            self.ask();
        }
    }

    fn ask(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let mut asked: HashMap<&Key, &Row> = HashMap::new();
        for (_, way, [before, after]) in &waiting {
            asked.extend(way.from.iter().map(|key| (key, before)));
            asked.extend(way.to.iter().map(|key| (key, after)));
        }
        let asked: Vec<(&Key, &Row)> = asked.into_iter().collect();
        let keys: Vec<Vec<&str>> = asked
            .iter()
            .map(|(_, row)| self.range.order.iter().map(|&id| row.get(id).unwrap_or(NULL)).collect())
            .collect();
        let within: HashSet<Key> =
            self.range.within(&keys).into_iter().map(|place| asked[place].0.clone()).collect();
        for (change, way, _) in waiting {
            let has_one_of = |keys: &HashSet<Key>| {
                [&way.from, &way.to].into_iter().flatten().any(|key| keys.contains(key))
            };
            let is_within = has_one_of(&within);
            self.count += usize::from(is_within);
            if is_within || has_one_of(&self.passed) {
                self.found.push((change, way));
            }
        }
        self.within.extend(within);
        if self.count > MOST {
            too_often();
        }
        if self.found.len() > FOLLOWED {
            too_many_keys(self.name);
        }
    }
}

fn too_often() -> ! {
    refuse(
        &format!("rows of this range were changed more than {MOST} times, too often for a plan"),
        "",
        "Ask for smaller ranges.",
    )
}

fn too_many_keys(name: &str) -> ! {
    refuse(
        &format!("too many rows of {name} got other keys since to tell which were in this range"),
        &format!("Of such rows at most {FOLLOWED} changes are followed."),
        "Ask for a later moment, or take single rows or transactions back.",
    )
}

/// The changes since then of rows that had a key in the range at any time, the first first.
fn changes(
    book: &Book,
    (targets, shapes, name): (&Targets, &[i32], &str),
    range: &Range,
    at: Moment,
    progress: &Progress,
) -> Vec<Change> {
    let arguments = [list(shapes), Some(at.to_string())];
    let since = format!("{} AND c.changed_at > {}", of_shapes(shapes.len(), 1), moment(2));
    let mut sieve = Sieve {
        targets,
        name,
        range,
        passed: HashSet::new(),
        within: HashSet::new(),
        found: Vec::new(),
        waiting: Vec::new(),
        count: 0,
    };
    let sql = format!(
        "SELECT {} FROM dbm_trail.change c
         WHERE {since} AND c.operation = 'U' AND c.flags & {FLAG_KEY_CHANGED} <> 0",
        change_columns()
    );
    for change in cursor(book, &sql, &arguments) {
        let (way, _) = sieve.way(&change);
        sieve.passed.extend([way.from, way.to].into_iter().flatten());
        if sieve.passed.len() > FOLLOWED {
            too_many_keys(name);
        }
    }
    let sql = format!(
        "SELECT {} FROM {CHANGES} WHERE {since} ORDER BY {PLACE}, c.statement_no, c.change_id",
        change_columns()
    );
    for (read, change) in cursor(book, &sql, &arguments).enumerate() {
        progress.report_row(read, progress::READING_CHANGES, read, 0);
        sieve.add(change);
    }
    sieve.ask();
    let within = std::mem::take(&mut sieve.within);
    let (changes, ways): (Vec<Change>, Vec<Way>) = sieve.found.into_iter().unzip();
    let belongs = of_rows_with(&ways, |key| within.contains(key));
    let own: Vec<Change> =
        changes.into_iter().zip(belongs).filter_map(|(change, belongs)| belongs.then_some(change)).collect();
    if own.len() > MOST {
        too_often();
    }
    own
}
