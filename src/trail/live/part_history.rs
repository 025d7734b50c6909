//! The history of a row whose key other partitions may have as well: each partition is asked by itself, and rows are followed
//! from one to another.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use pgrx::PgSqlErrorCode;

use super::as_of::when;
use super::book::{Book, Subject, list, number, of_shapes};
use super::changes::{Entry, View, entry, select};
use super::history::{Read, Values, by_keys, documents, of_table};
use super::{keys, parts};
use crate::catalog::Moment;
use crate::pg::error::{raise, warn};
use crate::text::quote_literal;
use crate::trail::read::change::{Change, Operation, settle};
use crate::trail::read::document::{Members, input, member, members, object, string};
use crate::trail::read::held::{Step, are_together};
use crate::trail::read::lineage::{ColumnId, LIVE};

/// What a key calls the partition, as the server calls that column of every row.
const TABLEOID: &str = "tableoid";

/// A row goes so many times from one partition to another at most, as far as it is followed.
const MOST_MOVES: usize = 1_000;

/// What the log has of a row of some key in one partition.
struct OfPart {
    holder: usize,
    values: Values,
    told: Vec<Entry>,
}

/// The changes of a row, the first first. Where several partitions have a row of that key, the caller has to say which he
/// means, if more than one was changed since that moment.
pub fn entries(book: &Book, subject: &Subject, key: &str, since: Moment) -> Vec<Entry> {
    let mut given: Members = members(key).unwrap_or_default();
    let partition = member(&given, TABLEOID).and_then(input);
    given.retain(|(name, _)| name != TABLEOID);
    let key = written(&given);
    let asked = partition.map(|partition| {
        parts::must_be_seen(subject);
        parts::named(subject, &partition)
    });
    let holders = asked.map_or_else(|| subject.lineage.holders(), |holder| vec![holder]);
    let of_parts = of_parts(book, subject, holders, asked.is_some(), &key);
    if of_parts.is_empty() {
        return of_table(book, subject, &key);
    }
    let mut several: Vec<&OfPart> = of_parts.iter().collect();
    several.retain(|part| part.told.iter().any(|entry| entry.changed_at > since));
    if several.len() > 1 && is_ambiguous(subject, &several, since) {
        ambiguous(book, subject, several.iter().map(|part| part.holder).collect(), &given);
    }
    let mut told: Vec<Entry> = of_parts.into_iter().flat_map(|part| part.told).collect();
    let mut known: HashSet<i64> = told.iter().map(|entry| entry.id).collect();
    let mut place = 0;
    let mut moves = 0;
    while place < told.len() && moves < MOST_MOVES {
        if told[place].operation == Operation::Insert.name() {
            let before = before_it_moved(book, subject, &told[place]);
            moves += usize::from(!before.is_empty());
            told.extend(before.into_iter().filter(|entry| known.insert(entry.id)));
        }
        place += 1;
    }
    told.sort_by_key(|entry| entry.id);
    told.dedup_by_key(|entry| entry.id);
    settle(&mut told, |entry| ((entry.transaction, entry.began), entry.statement, entry.id));
    if let (Some(first), Some(_)) = (told.first(), parts::moved(book, subject, Moment::MIN, Moment::MAX))
        && first.operation != Operation::Insert.name()
    {
        warn(
            &format!("not all changes of this row of {} may be told", subject.table.qualified()),
            "Rows were moved from one of its partitions to others, which have keys of their own, and no change tells which.",
            "SELECT * FROM dbm.changes(…) has all changes of the table.",
        );
    }
    told
}

/// What the log has of the row in each of these partitions that can have one of that key; all, where that `is_asked`. The log is
/// asked once for all of them, but where one had other keys.
fn of_parts(book: &Book, subject: &Subject, holders: Vec<usize>, is_asked: bool, key: &str) -> Vec<OfPart> {
    let given = members(key).unwrap_or_default();
    let mut of_columns: HashMap<(Vec<ColumnId>, bool), Values> = HashMap::new();
    let mut wanted: HashMap<(String, bool), Vec<i32>> = HashMap::new();
    let mut has_others: HashSet<usize> = HashSet::new();
    let mut of_parts: Vec<OfPart> = Vec::new();
    for holder in holders {
        let part = parts::alone(subject, holder);
        let keys = keys::all(&part);
        let mut values = Values::new();
        match keys::found(&part, &keys, &given) {
            // Another partition may have another key.
            None if !is_asked => continue,
            None if keys.is_empty() => {}
            found => {
                let columns = found.map(|found| (found.columns.clone(), found.is_whole_row));
                let known = columns.as_ref().and_then(|columns| of_columns.get(columns));
                let (asked, given) = match (found, known) {
                    (Some(found), Some(known)) => (found, known.clone()),
                    _ => keys::asked(&part, &keys, key),
                };
                if !keys::others(&keys, asked).is_empty() {
                    has_others.insert(holder);
                }
                for (document, shapes) in documents(&part, &asked.shapes, &given) {
                    wanted.entry((document, asked.is_whole_row)).or_default().extend(shapes);
                }
                of_columns
                    .entry((asked.columns.clone(), asked.is_whole_row))
                    .or_insert_with(|| given.clone());
                values = given;
            }
        }
        of_parts.push(OfPart { holder, values, told: Vec::new() });
    }
    let read = Rc::new(Read::of(book, subject, wanted));
    for OfPart { holder, values, told } in &mut of_parts {
        let shapes: Vec<i32> = subject.lineage.shapes_of(*holder).collect();
        if !has_others.contains(holder) && !read.has(&shapes) {
            continue;
        }
        let part = parts::alone(subject, *holder);
        let keys = keys::all(&part);
        if let Some(asked) = keys::found(&part, &keys, &given) {
            *told = by_keys(book, &part, key, (&keys, asked, values), &read);
        }
    }
    of_parts
}

fn written(members: &Members) -> String {
    object(members.iter().map(|(name, value)| (&**name, &**value)))
}

/// What a change did to the row that has these values.
fn step(subject: &Subject, holder: usize, entry: &Entry, values: &Values) -> Step {
    let names = subject.lineage.names(entry.shape);
    let has_all = |documents: &[Option<&str>]| {
        let documents: Vec<Members> = documents.iter().flatten().filter_map(|text| members(text)).collect();
        values.iter().all(|(id, value)| {
            let name = names.and_then(|names| names.attribute(*id)).map(|attribute| &*attribute.name);
            let found = name.and_then(|name| documents.iter().find_map(|document| member(document, name)));
            found.is_some_and(|found| subject.lineage.told(*id, found) == *value)
        })
    };
    let (key, old, new) = (entry.key.as_deref(), entry.old.as_deref(), entry.new.as_deref());
    let comes = match entry.operation {
        "INSERT" => Some(true),
        // It may have had another key before.
        "UPDATE" if has_all(&[new, old, key]) || !has_all(&[old, key]) => None,
        _ => Some(false),
    };
    Step { holder, statement: (entry.transaction, entry.statement), at: entry.changed_at, comes }
}

/// Whether rows of that key were there in two partitions at once, at a moment since then.
fn is_ambiguous(subject: &Subject, several: &[&OfPart], since: Moment) -> bool {
    let mut steps: Vec<(i64, Step)> = Vec::new();
    for OfPart { holder, values, told } in several {
        steps.extend(told.iter().map(|entry| (entry.id, step(subject, *holder, entry, values))));
        // What a partition still had when it went, it took along.
        if let (None, Some(last)) = (parts::live(subject, *holder), told.last()) {
            let end = step(subject, *holder, last, values);
            steps.push((last.id, Step { comes: Some(false), ..end }));
        }
    }
    steps.sort_by_key(|(id, _)| *id);
    let steps: Vec<Step> = steps.into_iter().map(|(_, step)| step).collect();
    are_together(&steps, since)
}

fn ambiguous(book: &Book, subject: &Subject, holders: Vec<usize>, given: &Members) -> ! {
    let table = subject.table.qualified();
    let message = format!("several rows of {table} have this key");
    if !parts::are_seen(subject) {
        let why = "Its partitions have keys of their own, and several have, or had, such a row.";
        raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, &message, why, "");
    }
    let names: Vec<String> = holders.iter().map(|&holder| parts::name(subject, holder)).collect();
    let mut key = given.clone();
    let first = names.first().map_or_else(String::new, |name| string(name));
    key.insert(0, (TABLEOID.to_owned(), first));
    let moved = parts::moved(book, subject, Moment::MIN, Moment::MAX).map_or_else(String::new, |at| {
        format!(" Rows were moved out of one of them at {}: they may be one.", when(at))
    });
    raise(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        &message,
        &format!(
            "Its partitions have keys of their own, and each of these has, or had, such a row: {}.{moved}",
            names.join(", ")
        ),
        &format!("The key may say which is meant: {}", quote_literal(&written(&key))),
    )
}

/// What a row had been through that came from another partition by this INSERT, its DELETE there included: by the same command,
/// and under the key that it had there.
fn before_it_moved(book: &Book, subject: &Subject, came: &Entry) -> Vec<Entry> {
    let holder = |shape: i32| subject.lineage.names(shape).map(|names| names.holder);
    let shapes: Vec<i32> =
        subject.shapes.iter().copied().filter(|&shape| holder(shape) != holder(came.shape)).collect();
    let view = View { table: subject.table.qualified(), columns: None };
    let views = shapes.iter().map(|&shape| (shape, view.clone())).collect();
    let sql = format!(
        "{} WHERE {} AND c.transaction_id = $2::pg_catalog.int8
           AND c.statement_no = $3::pg_catalog.int4 AND c.change_id < $4::pg_catalog.int8 AND c.operation = 'D'
         ORDER BY c.change_id DESC",
        select(),
        of_shapes(shapes.len(), 1)
    );
    let arguments = [
        list(shapes),
        Some(came.transaction.to_string()),
        Some(came.statement.to_string()),
        Some(came.id.to_string()),
    ];
    let went = book.rows(&sql, &arguments).iter().filter_map(|row| entry(row, &views)).find(|went| {
        went.began == came.began && key_there(subject, went).is_some_and(|key| is_of(subject, came, &key))
    });
    let Some((went, key)) = went.and_then(|went| key_there(subject, &went).map(|key| (went, key))) else {
        return Vec::new();
    };
    let Some(holder) = holder(went.shape) else { return Vec::new() };
    let part = parts::alone(subject, holder);
    let key = written(&key);
    if keys::found(&part, &keys::all(&part), &members(&key).unwrap_or_default()).is_none() {
        return Vec::new();
    }
    let mut told = of_table(book, &part, &key);
    let Some(end) = told.iter().position(|entry| entry.id == went.id) else { return Vec::new() };
    told.truncate(end + 1);
    // Rows that had the key before this one are none of it.
    let ends = |entry: &Entry| matches!(entry.operation, "DELETE" | "TRUNCATE");
    if let Some(place) = told[..end].iter().rposition(ends) {
        told.drain(..=place);
    }
    told
}

/// Refuses changes of a row of which one is half of a move, while its other half is not among them: the row would be there twice,
/// or not at all.
pub fn refuse_halves(book: &Book, subject: &Subject, changes: &[Change]) {
    let holder = |shape: i32| subject.lineage.names(shape).map(|names| names.holder);
    let command = |change: &Change| (change.transaction, change.statement);
    for change in changes {
        let other = match change.operation {
            Operation::Insert => Operation::Delete,
            Operation::Delete => Operation::Insert,
            _ => continue,
        };
        if changes.iter().any(|found| found.operation == other && command(found) == command(change)) {
            continue;
        }
        let elsewhere = subject.shapes.iter().filter(|&&shape| holder(shape) != holder(change.shape));
        let sql = format!(
            "SELECT c.shape_id FROM dbm_trail.change c
             WHERE {} AND c.transaction_id = $2::pg_catalog.int8
               AND c.statement_no = $3::pg_catalog.int4 AND c.operation = $4
               AND pg_catalog.sign((c.change_id - $5::pg_catalog.int8)::pg_catalog.float8) = $6::pg_catalog.float8 LIMIT 1",
            of_shapes(subject.shapes.len(), 1)
        );
        let is_delete = change.operation == Operation::Delete;
        let arguments = [
            list(elsewhere),
            Some(change.transaction.to_string()),
            Some(change.statement.to_string()),
            Some(if is_delete { "I" } else { "D" }.to_owned()),
            Some(change.id.to_string()),
            Some(if is_delete { "1" } else { "-1" }.to_owned()),
        ];
        let found = book.rows(&sql, &arguments);
        let Some(shape) = found.first().map(|row| number::<i32>(row, 0)) else {
            continue;
        };
        let partition = holder(shape).map_or_else(String::new, |holder| parts::name(subject, holder));
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            &format!("change {} may be half of a move that this key does not tell", change.id),
            &format!(
                "The same command {} {partition}.",
                if is_delete { "put a row into" } else { "took a row out of" }
            ),
            &format!("SELECT dbm.revert_plan({}) takes the transaction back as a whole.", change.transaction),
        );
    }
}

/// The key by which a change found a row, by the names of now.
fn key_there(subject: &Subject, entry: &Entry) -> Option<Members> {
    let (names, live) = (subject.lineage.names(entry.shape)?, subject.lineage.names(LIVE)?);
    let key = members(entry.key.as_deref()?)?;
    key.into_iter()
        .map(|(name, value)| Some((live.attribute(names.id(&name)?)?.name.clone(), value)))
        .collect()
}

/// Whether a row that came has these values.
fn is_of(subject: &Subject, came: &Entry, key: &Members) -> bool {
    let (Some(names), Some(live)) = (subject.lineage.names(came.shape), subject.lineage.names(LIVE)) else {
        return false;
    };
    let new = came.new.as_deref().and_then(members).unwrap_or_default();
    let own = came.key.as_deref().and_then(members).unwrap_or_default();
    key.iter().all(|(name, value)| {
        let then = live.id(name).and_then(|id| names.attribute(id)).map(|attribute| &attribute.name);
        then.is_some_and(|then| member(&new, then).or(member(&own, then)) == Some(value))
    })
}
