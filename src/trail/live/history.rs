//! `dbm.row_history()`: what became of one row, the first first, also while it had another key.

use std::collections::HashMap;
use std::rc::Rc;

use super::book::{Book, Subject, change_columns, cursor, list, of_shapes};
use super::changes::{Entry, View, entry, select};
use super::{doubts, keys, part_history, retained};
use crate::catalog::{Moment, Oid};
use crate::pg::trail::reading::Argument;
use crate::trail::read::change::{Change, Operation, settle};
use crate::trail::read::document::{Members, members, object};
use crate::trail::read::lineage::{ColumnId, LIVE};

/// The log's changes of one row, found by one key.
pub struct Teller<'a> {
    /// The log.
    pub book: &'a Book,
    /// The table.
    pub subject: &'a Subject,
    /// What the caller sees of its shapes.
    pub views: Rc<HashMap<i32, View>>,
    /// The shapes in which the row is told apart by that key.
    pub shapes: Vec<i32>,
    /// The columns of the key; of the whole row, those that the caller named.
    pub columns: Vec<ColumnId>,
    /// Whether it is found by values that others may have as well.
    pub is_among_others: bool,
    /// The truncations of the table and its partitions.
    pub truncates: Vec<Entry>,
    /// What was read before.
    pub read: Rc<Read>,
}

/// What the log has of some shapes under a key, by them; of one of which it has nothing, that.
type OfShapes = HashMap<i32, Vec<Entry>>;

/// What the log has under a key that is asked for in many partitions: read once for all of them.
#[derive(Default)]
pub struct Read {
    /// What the caller sees of the shapes.
    pub views: Rc<HashMap<i32, View>>,
    /// By the key, and whether that is found among others.
    under: HashMap<(String, bool), OfShapes>,
    /// Changes that gave rows that key.
    arrivals: HashMap<String, OfShapes>,
    /// The truncations.
    truncates: OfShapes,
}

/// What is found of some shapes in what was read; `None` where it was not.
fn read(read: Option<&OfShapes>, shapes: &[i32]) -> Option<Vec<Entry>> {
    let of_each: Option<Vec<&Vec<Entry>>> = shapes.iter().map(|shape| read?.get(shape)).collect();
    Some(of_each?.into_iter().flatten().cloned().collect())
}

impl Read {
    /// Reads for a table: keys, whether they are found among others, and the shapes that call them so.
    pub fn of(book: &Book, subject: &Subject, keys: HashMap<(String, bool), Vec<i32>>) -> Self {
        let shapes: Vec<i32> = subject.lineage.logged().map(|(shape, _)| shape).collect();
        let views = Rc::new(views(subject));
        let by_shape = |shapes: &[i32], entries: Vec<Entry>| {
            let mut of: OfShapes = shapes.iter().map(|&shape| (shape, Vec::new())).collect();
            for entry in entries {
                of.entry(entry.shape).or_default().push(entry);
            }
            of
        };
        let all = |condition: &str, shapes: &[i32], arguments: &[Argument]| {
            by_shape(shapes, found(book, &views, condition, shapes, arguments))
        };
        let mut read = Self { truncates: all(TRUNCATES, &shapes, &[]), ..Self::default() };
        for ((key, is_among_others), shapes) in keys {
            if !is_among_others {
                let arrivals = all(&arrives("true"), &shapes, &[Some(key.clone())]);
                read.arrivals.insert(key.clone(), arrivals);
            }
            let under = all(is_under(is_among_others), &shapes, &[Some(key.clone())]);
            read.under.insert((key, is_among_others), under);
        }
        Self { views, ..read }
    }

    /// Whether something was found of one of these shapes.
    pub fn has(&self, shapes: &[i32]) -> bool {
        let mut of_all = self.under.values().chain(self.arrivals.values());
        of_all.any(|of| shapes.iter().any(|shape| of.get(shape).is_some_and(|of| !of.is_empty())))
    }
}

/// What the caller sees of the shapes of a table.
fn views(subject: &Subject) -> HashMap<i32, View> {
    let view = |shape| View { table: subject.table.qualified(), columns: subject.seen_columns(shape) };
    subject.lineage.logged().map(|(shape, _)| (shape, view(shape))).collect()
}

const TRUNCATES: &str = "c.operation = 'T' AND c.key_hash IS NULL";

/// That a change found the row under the key `$2`.
fn is_under(is_among_others: bool) -> &'static str {
    if is_among_others {
        "(c.key @> $2::pg_catalog.jsonb OR c.flags & 4 <> 0 AND c.key || c.new @> $2::pg_catalog.jsonb)"
    } else {
        "c.key_hash = pg_catalog.jsonb_hash_extended($2::pg_catalog.jsonb, 0) AND c.key = $2::pg_catalog.jsonb"
    }
}

/// That a change gave a row the key `$2`.
fn arrives(condition: &str) -> String {
    format!(
        "c.flags & 4 <> 0 AND c.operation = 'U' AND c.key || c.new @> $2::pg_catalog.jsonb
         AND NOT c.key @> $2::pg_catalog.jsonb AND {condition}"
    )
}

/// Changes of the shapes that meet a condition, `$1` being these.
fn found(
    book: &Book,
    views: &HashMap<i32, View>,
    condition: &str,
    shapes: &[i32],
    arguments: &[Argument],
) -> Vec<Entry> {
    let mut all: Vec<Argument> = vec![list(shapes)];
    all.extend_from_slice(arguments);
    let of_shapes = of_shapes(shapes.len(), 1);
    let sql = format!("{} WHERE {of_shapes} AND {condition} ORDER BY c.change_id", select());
    book.rows(&sql, &all).iter().filter_map(|row| entry(row, views)).collect()
}

/// What tells the row apart: a value for each column.
pub type Values = Vec<(ColumnId, String)>;

/// The changes of a row, the first first.
pub fn row_history(target: Oid, key: &str) -> Vec<Entry> {
    let book = Book::open();
    let subject = Subject::new(&book, target);
    let told = entries(&book, &subject, key, Moment::MIN);
    // Of a row that came since, nothing is gone.
    let is_whole = told.first().is_some_and(|entry| entry.operation == Operation::Insert.name());
    let gone = if is_whole { None } else { retained::cut(&book, &subject).map(retained::told) };
    doubts::say_with(&book, &subject, (Moment::MIN, Moment::MAX), gone);
    told
}

/// The same since a moment, of a table of which the caller sees all, as they are in the log; so many at most.
pub fn row_changes(book: &Book, subject: &Subject, key: &str, since: Moment, most: usize) -> Vec<Change> {
    let told = entries(book, subject, key, since).into_iter().filter(|entry| entry.changed_at > since);
    let ids: Vec<i64> = told.map(|entry| entry.id).take(most).collect();
    let places: HashMap<i64, usize> = ids.iter().enumerate().map(|(place, &id)| (id, place)).collect();
    let sql = format!(
        "SELECT {} FROM dbm_trail.change c
         WHERE c.change_id = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.int8[]) ORDER BY c.change_id",
        change_columns()
    );
    let mut changes: Vec<Change> = cursor(book, &sql, &[list(&ids)]).collect();
    changes.sort_by_key(|change| places.get(&change.id));
    changes
}

/// The values of a key that the caller gives, as the log has them.
pub fn key_values(subject: &Subject, key: &str) -> Values {
    let keys = keys::all(subject);
    if keys.is_empty() { Vec::new() } else { keys::asked(subject, &keys, key).1 }
}

/// The changes of a row, of which those since a moment matter.
fn entries(book: &Book, subject: &Subject, key: &str, since: Moment) -> Vec<Entry> {
    if subject.lineage.is_held() {
        part_history::entries(book, subject, key, since)
    } else {
        of_table(book, subject, key)
    }
}

/// The changes of a row of a table of which all rows are told apart by the same, or of one partition alone.
pub fn of_table(book: &Book, subject: &Subject, key: &str) -> Vec<Entry> {
    let keys = keys::all(subject);
    if keys.is_empty() {
        return Vec::new();
    }
    let (asked, values) = keys::asked(subject, &keys, key);
    let read = Read { views: Rc::new(views(subject)), ..Read::default() };
    by_keys(book, subject, key, (&keys, asked, &values), &Rc::new(read))
}

/// The same by the keys that the table had, by that which is asked for and its values.
pub fn by_keys(
    book: &Book,
    subject: &Subject,
    key: &str,
    (keys, asked, values): (&[keys::Keyed], &keys::Keyed, &Values),
    read: &Rc<Read>,
) -> Vec<Entry> {
    // Of a partition, with those in which the table above it was truncated.
    let shapes: Vec<i32> = subject.lineage.logged().map(|(shape, _)| shape).collect();
    let mut teller = Teller {
        book,
        subject,
        views: Rc::clone(&read.views),
        shapes: asked.shapes.clone(),
        columns: values.iter().map(|&(id, _)| id).collect(),
        is_among_others: asked.is_whole_row,
        truncates: Vec::new(),
        read: Rc::clone(read),
    };
    teller.truncates =
        self::read(Some(&read.truncates), &shapes).unwrap_or_else(|| teller.entries(TRUNCATES, &shapes, &[]));
    teller.truncates.sort_by_key(|entry| entry.id);
    let told = teller.tell(values, i64::MAX);
    keys::with_others(&teller, keys, asked, values, key, told)
}

/// The key as these shapes of a table call it: each way, and the shapes that have it.
pub fn documents(subject: &Subject, shapes: &[i32], values: &Values) -> Vec<(String, Vec<i32>)> {
    let mut documents: Vec<(String, Vec<i32>)> = Vec::new();
    for &shape in shapes {
        let Some(names) = subject.lineage.names(shape) else { continue };
        // As the log has them in that shape, whatever length the type has by now.
        let named: Option<Vec<(&str, String)>> = values
            .iter()
            .map(|(id, value)| {
                names.attribute(*id).map(|attribute| (&*attribute.name, attribute.filled(value)))
            })
            .collect();
        let Some(named) = named else { continue };
        let key = object(named.iter().map(|(name, value)| (*name, &**value)));
        match documents.iter_mut().find(|(known, _)| *known == key) {
            Some((_, shapes)) => shapes.push(shape),
            None => documents.push((key, vec![shape])),
        }
    }
    documents
}

impl Teller<'_> {
    /// Changes that meet a condition, `$1` being the shapes.
    fn entries(&self, condition: &str, shapes: &[i32], arguments: &[Argument]) -> Vec<Entry> {
        found(self.book, &self.views, condition, shapes, arguments)
    }

    /// The key as the shapes call it: each way, and the shapes that have it.
    fn keys(&self, values: &Values) -> Vec<(String, Vec<i32>)> {
        documents(self.subject, &self.shapes, values)
    }

    /// The changes that found the row under this key.
    fn under(&self, values: &Values, before: i64) -> Vec<Entry> {
        let condition = format!("{} AND c.change_id < $3::pg_catalog.int8", is_under(self.is_among_others));
        let mut found: Vec<Entry> = Vec::new();
        for (key, shapes) in self.keys(values) {
            let known = self.read.under.get(&(key.clone(), self.is_among_others));
            found.extend(read(known, &shapes).unwrap_or_else(|| {
                self.entries(&condition, &shapes, &[Some(key), Some(before.to_string())])
            }));
        }
        found.retain(|entry| entry.id < before);
        found.sort_by_key(|entry| entry.id);
        settle(&mut found, |entry| ((entry.transaction, entry.began), entry.statement, entry.id));
        found
    }

    /// The last change that gave a row this key, between two changes.
    fn arrival(&self, values: &Values, after: i64, before: i64) -> Option<Entry> {
        let condition = arrives("c.change_id > $3::pg_catalog.int8 AND c.change_id < $4::pg_catalog.int8");
        let mut found: Vec<Entry> = Vec::new();
        for (key, shapes) in self.keys(values) {
            let known = self.read.arrivals.get(&key);
            found.extend(read(known, &shapes).unwrap_or_else(|| {
                let arguments = [Some(key), Some(after.to_string()), Some(before.to_string())];
                self.entries(&condition, &shapes, &arguments)
            }));
        }
        found.into_iter().filter(|entry| after < entry.id && entry.id < before).max_by_key(|entry| entry.id)
    }

    /// The values of the key that a change found.
    pub fn values_of(&self, entry: &Entry) -> Option<Values> {
        let names = self.subject.lineage.names(entry.shape)?;
        let key = members(entry.key.as_deref()?)?;
        let value = |&id: &ColumnId| {
            let name = &names.attribute(id)?.name;
            let (_, value) = key.iter().find(|(found, _)| found == name)?;
            Some((id, self.subject.lineage.told(id, value)))
        };
        self.columns.iter().map(value).collect()
    }

    /// Whether a change took this key from the row.
    pub fn is_leaving(&self, entry: &Entry) -> bool {
        let names = self.subject.lineage.names(entry.shape);
        let changed = entry.new.as_deref().and_then(members).unwrap_or_default();
        let key = entry.key.as_deref().and_then(members).unwrap_or_default();
        self.columns.iter().any(|&id| {
            let Some(name) = names.and_then(|names| names.attribute(id)).map(|attribute| &attribute.name)
            else {
                return false;
            };
            let value_in = |members: &Members| {
                members.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
            };
            value_in(&changed).is_some_and(|new| Some(new) != value_in(&key))
        })
    }

    /// All that the log has of rows with this key before a change, the first first.
    pub fn tell(&self, values: &Values, before: i64) -> Vec<Entry> {
        let own = self.under(values, before);
        let mut told: Vec<Entry> = Vec::with_capacity(own.len());
        let mut is_there = false;
        // The change after which no row had this key.
        let mut end = 0;
        let mut truncates = self.truncates.iter().filter(|entry| entry.id < before).peekable();
        let lineage = &self.subject.lineage;
        // Whether a TRUNCATE took the row that was last seen in that shape.
        let takes = |truncate: &Entry, shape: i32| {
            lineage.is_whole_table(truncate.shape) || lineage.is_same_holder(truncate.shape, shape)
        };
        // The shape in which it was last seen, when, and by which change.
        let (mut shape, mut seen_at, mut seen) = (LIVE, Moment::MIN, 0);
        // Whether it went with its partition by then.
        let went = |shape, seen_at, until| lineage.went_between(shape, seen_at, until);
        for entry in own {
            while let Some(truncate) = truncates.next_if(|truncate| truncate.id < entry.id) {
                if is_there && went(shape, seen_at, truncate.changed_at) {
                    (is_there, end) = (false, seen);
                }
                if is_there && takes(truncate, shape) {
                    told.push(truncate.clone());
                    (is_there, end) = (false, truncate.id);
                }
            }
            if is_there && went(shape, seen_at, entry.changed_at) {
                (is_there, end) = (false, seen);
            }
            (shape, seen_at, seen) = (entry.shape, entry.changed_at, entry.id);
            if entry.operation != Operation::Insert.name() && !is_there {
                told.extend(self.before_it_came(values, end, entry.id));
            }
            is_there = match entry.operation {
                "DELETE" => false,
                "UPDATE" => !self.is_leaving(&entry),
                _ => true,
            };
            if !is_there {
                end = entry.id;
            }
            told.push(entry);
        }
        for truncate in truncates {
            if is_there && went(shape, seen_at, truncate.changed_at) {
                (is_there, end) = (false, seen);
            }
            if is_there && takes(truncate, shape) {
                told.push(truncate.clone());
                (is_there, end) = (false, truncate.id);
            }
        }
        if is_there && before == i64::MAX && went(shape, seen_at, Moment::MAX) {
            (is_there, end) = (false, seen);
        }
        if !is_there {
            told.extend(self.before_it_came(values, end, before));
        }
        told
    }

    /// What a row had been through that came to this key by a change of its key, that change included.
    fn before_it_came(&self, values: &Values, after: i64, before: i64) -> Vec<Entry> {
        if self.is_among_others {
            return Vec::new();
        }
        let Some(arrival) = self.arrival(values, after, before) else { return Vec::new() };
        let Some(earlier) = self.values_of(&arrival) else { return vec![arrival] };
        let mut told = self.tell(&earlier, arrival.id + 1);
        // Rows that had the earlier key before this one are none of it.
        let ends = |entry: &Entry| {
            matches!(entry.operation, "DELETE" | "TRUNCATE")
                || (entry.operation == "UPDATE"
                    && self.is_leaving(entry)
                    && self.values_of(entry).as_ref() == Some(&earlier))
        };
        let own = told.len().saturating_sub(1);
        if let Some(place) = told[..own].iter().rposition(ends) {
            told.drain(..=place);
        }
        told
    }
}
