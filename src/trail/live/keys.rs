//! The keys that a table had: which columns told its rows apart, and in which shapes. Where they became others, a row is
//! followed from the key of now to those of then: by the values of the other columns that the table and the log have.

use std::collections::HashMap;
use std::rc::Rc;

use pgrx::PgSqlErrorCode;

use super::book::Subject;
use super::changes::Entry;
use super::history::{Teller, Values};
use crate::pg::error::{raise, warn};
use crate::pg::trail::reading::table::Column;
use crate::text::quote_literal;
use crate::trail::read::change::{Operation, settle};
use crate::trail::read::document::{Members, members};
use crate::trail::read::lineage::{ColumnId, LIVE};
use crate::trail::read::lives::{Deed, Told, of_row};

/// What tells the rows of some shapes apart.
pub struct Keyed {
    /// The columns.
    pub columns: Vec<ColumnId>,
    /// Whether that is the whole row, for want of a key.
    pub is_whole_row: bool,
    /// The shapes.
    pub shapes: Vec<i32>,
}

/// All keys that a table had, that of now first, then the last first; none where the log has no shape of it.
pub fn all(subject: &Subject) -> Vec<Keyed> {
    let mut keys: Vec<Keyed> = Vec::new();
    let mut shapes = subject.shapes.clone();
    shapes.sort_unstable_by(|one, other| other.cmp(one));
    for shape in shapes {
        let Some(names) = subject.lineage.names(shape) else { continue };
        let same = keys.iter_mut().find(|key| {
            key.is_whole_row == names.is_whole_row && (names.is_whole_row || key.columns == names.key)
        });
        match same {
            Some(key) => key.shapes.push(shape),
            None => keys.push(Keyed {
                columns: names.key.clone(),
                is_whole_row: names.is_whole_row,
                shapes: vec![shape],
            }),
        }
    }
    // Nothing may have been changed since the table got its key.
    if let Some(live) = subject.lineage.names(LIVE).filter(|live| !live.is_whole_row && !keys.is_empty()) {
        match keys.iter().position(|key| !key.is_whole_row && key.columns == live.key) {
            Some(place) => keys[..=place].rotate_right(1),
            None => {
                let now = Keyed { columns: live.key.clone(), is_whole_row: false, shapes: Vec::new() };
                keys.insert(0, now);
            }
        }
    }
    keys
}

fn refuse(subject: &Subject, wanted: &[&str]) -> ! {
    let example: Vec<String> = wanted.iter().map(|name| format!("\"{name}\": …")).collect();
    let example = quote_literal(&format!("{{{}}}", example.join(", ")));
    raise(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        &format!("this is no key of {}", subject.table.qualified()),
        &format!("Its rows are told apart by {}.", wanted.join(", ")),
        &format!(
            "For example: SELECT * FROM dbm.row_history({}, {example})",
            quote_literal(&subject.table.qualified())
        ),
    )
}

/// The columns of a key by the names of now, as far as they are there.
fn named(subject: &Subject, keyed: &Keyed) -> Vec<(ColumnId, String)> {
    let live = subject.lineage.names(LIVE);
    let name = |&id: &ColumnId| Some((id, live?.attribute(id)?.name.clone()));
    keyed.columns.iter().filter_map(name).collect()
}

/// Which of the keys, that of now or one that the table had, has these members.
pub fn found<'a>(subject: &Subject, keys: &'a [Keyed], given: &Members) -> Option<&'a Keyed> {
    let is_given = |name: &String| given.iter().any(|(given, _)| given == name);
    let is_asked = |place: usize, keyed: &Keyed| {
        let names = named(subject, keyed);
        if keyed.is_whole_row {
            place == 0
                && !given.is_empty()
                && given.iter().all(|(given, _)| names.iter().any(|(_, name)| name == given))
        } else {
            names.len() == keyed.columns.len()
                && given.len() == names.len()
                && names.iter().all(|(_, name)| is_given(name))
        }
    };
    keys.iter().enumerate().find(|&(place, keyed)| is_asked(place, keyed)).map(|(_, keyed)| keyed)
}

/// By which key the caller asks for a row, that of now or one that the table had, and the values that tell the row apart, as
/// the log has them.
pub fn asked<'a>(subject: &Subject, keys: &'a [Keyed], key: &str) -> (&'a Keyed, Values) {
    let given: Members = members(key).unwrap_or_default();
    let is_given = |name: &String| given.iter().any(|(given, _)| given == name);
    let Some(asked) = found(subject, keys, &given) else {
        let names = keys.first().map(|keyed| named(subject, keyed)).unwrap_or_default();
        refuse(subject, &names.iter().map(|(_, name)| &**name).collect::<Vec<_>>())
    };
    let seen = subject.seen_columns(LIVE);
    let names = named(subject, asked);
    let columns: Vec<(ColumnId, &Column)> = names
        .iter()
        .filter(|(_, name)| is_given(name))
        .filter_map(|(id, name)| subject.table.column(name).map(|column| (*id, column)))
        .collect();
    if let Some((_, column)) =
        columns.iter().find(|(_, column)| seen.as_ref().is_some_and(|seen| !seen.contains(&column.name)))
    {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            &format!("permission denied for column \"{}\" of {}", column.name, subject.table.qualified()),
            "Its rows are found by it.",
            "",
        );
    }
    let plain: Vec<&Column> = columns.iter().map(|&(_, column)| column).collect();
    let logged = subject.table.as_logged(&plain, key);
    let told =
        |id: ColumnId, value: Option<String>| (id, subject.lineage.told(id, &value.unwrap_or_default()));
    let values = columns.iter().zip(logged).map(|(&(id, _), value)| told(id, value));
    (asked, values.collect())
}

/// The keys beside the one that was asked for, of which the log has shapes.
pub fn others<'a>(keys: &'a [Keyed], asked: &Keyed) -> Vec<&'a Keyed> {
    keys.iter().filter(|other| !std::ptr::eq(*other, asked) && !other.shapes.is_empty()).collect()
}

/// What is told of a row by the key that was asked for, with what the log has of it by the other keys that the table had.
pub fn with_others(
    teller: &Teller<'_>,
    keys: &[Keyed],
    asked: &Keyed,
    values: &Values,
    document: &str,
    mut told: Vec<Entry>,
) -> Vec<Entry> {
    let others = others(keys, asked);
    if others.is_empty() {
        return told;
    }
    let live = live_row(teller.subject, values, &others, document);
    let mut untold = Vec::new();
    for other in others {
        let is_more = !other.is_whole_row && teller.columns.iter().all(|id| other.columns.contains(id));
        let found = if is_more && !asked.is_whole_row {
            let wider = Teller { shapes: other.shapes.clone(), is_among_others: true, ..copy(teller) };
            Some(wider.tell(values, i64::MAX))
        } else {
            followed(teller, other, values, live.as_ref(), &told)
        };
        match found {
            Some(found) => told.extend(found),
            None => untold.push(names(teller.subject, other)),
        }
        told.sort_by_key(|entry| entry.id);
        told.dedup_by_key(|entry| entry.id);
    }
    settle(&mut told, |entry| ((entry.transaction, entry.began), entry.statement, entry.id));
    // What a key did not tell of may have been the end of the row, before a TRUNCATE took others.
    let mut was_there = true;
    told.retain(|entry| {
        let is_truncate = entry.operation == Operation::Truncate.name();
        let is_told = !is_truncate || was_there;
        was_there = entry.operation != Operation::Delete.name() && !is_truncate;
        is_told
    });
    if !untold.is_empty() {
        warn(
            &format!("not all changes of this row of {} are told", teller.subject.table.qualified()),
            &format!(
                "Before, rows were told apart by {}, which is not known of this one.",
                untold.join("; by ")
            ),
            "SELECT * FROM dbm.changes(…) has all changes of the table.",
        );
    }
    told
}

fn copy<'a>(teller: &Teller<'a>) -> Teller<'a> {
    Teller {
        book: teller.book,
        subject: teller.subject,
        views: Rc::clone(&teller.views),
        shapes: Vec::new(),
        columns: teller.columns.clone(),
        is_among_others: false,
        truncates: teller.truncates.clone(),
        read: Rc::clone(&teller.read),
    }
}

/// What the columns of a key were called last.
fn names(subject: &Subject, key: &Keyed) -> String {
    if key.is_whole_row {
        return "all their columns".to_owned();
    }
    let names = key.shapes.iter().max().and_then(|&shape| subject.lineage.names(shape));
    let name = |&id: &ColumnId| Some(names?.attribute(id)?.name.clone());
    key.columns.iter().filter_map(name).collect::<Vec<_>>().join(", ")
}

/// What the row has in the columns of these keys now; `None` where it is not there.
fn live_row(
    subject: &Subject,
    values: &Values,
    keys: &[&Keyed],
    document: &str,
) -> Option<HashMap<ColumnId, String>> {
    let live = subject.lineage.names(LIVE)?;
    let column = |id: ColumnId| subject.table.column(&live.attribute(id)?.name);
    let seen = subject.seen_columns(LIVE);
    let mut wanted: Vec<(ColumnId, &Column)> = Vec::new();
    for &id in keys.iter().flat_map(|key| &key.columns) {
        if let Some(column) = column(id)
            && seen.as_ref().is_none_or(|seen| seen.contains(&column.name))
            && wanted.iter().all(|&(known, _)| known != id)
        {
            wanted.push((id, column));
        }
    }
    let by: Vec<&Column> = values.iter().filter_map(|&(id, _)| column(id)).collect();
    let plain: Vec<&Column> = wanted.iter().map(|&(_, column)| column).collect();
    let row = subject.table.find(&by, document, &plain)?;
    let told = |(&(id, _), value): (&(ColumnId, &Column), Option<String>)| {
        Some((id, subject.lineage.told(id, &value?)))
    };
    Some(wanted.iter().zip(row).filter_map(told).collect())
}

/// What the log has of the row by another key; `None` where nobody knows what that was.
fn followed(
    teller: &Teller<'_>,
    other: &Keyed,
    values: &Values,
    live: Option<&HashMap<ColumnId, String>>,
    told: &[Entry],
) -> Option<Vec<Entry>> {
    if other.is_whole_row {
        return None;
    }
    // What the row was when the first change was made that is told.
    let mut row = live.cloned().unwrap_or_default();
    for entry in told.iter().rev() {
        row.extend(image(teller.subject, entry, &[entry.old.as_deref(), entry.key.as_deref()]));
    }
    row.extend(values.iter().cloned());
    let key: Values =
        other.columns.iter().map(|&id| Some((id, row.get(&id)?.clone()))).collect::<Option<_>>()?;
    let first = told.first().map_or(i64::MAX, |entry| entry.id);
    let mut by_other =
        Teller { shapes: other.shapes.clone(), columns: other.columns.clone(), ..copy(teller) };
    // What was truncated later was so while another key told of the row.
    by_other.truncates.retain(|entry| entry.id < first);
    let found = by_other.tell(&key, i64::MAX);
    let wanted: Vec<ColumnId> = values.iter().map(|&(id, _)| id).collect();
    let of_wanted = |mut values: Values| {
        values.retain(|(id, _)| wanted.contains(id));
        values
    };
    let changes: Vec<Told> = found
        .iter()
        .map(|entry| {
            let before = image(teller.subject, entry, &[entry.key.as_deref(), entry.old.as_deref()]);
            let after = [entry.key.as_deref(), entry.old.as_deref(), entry.new.as_deref()];
            let after = image(teller.subject, entry, &after);
            let is_gone = by_other.values_of(entry).as_ref() == Some(&key) && by_other.is_leaving(entry);
            match entry.operation {
                "INSERT" => Told { deed: Deed::Began, before: Vec::new(), after: of_wanted(after) },
                "UPDATE" => {
                    let deed = if is_gone { Deed::Ended } else { Deed::Went };
                    Told { deed, before: of_wanted(before), after: of_wanted(after) }
                }
                _ => Told { deed: Deed::Ended, before: of_wanted(before), after: Vec::new() },
            }
        })
        .collect();
    let end = found.last().map_or(0, |entry| entry.id);
    let stays = match told.iter().find(|entry| entry.id > end) {
        Some(next) => next.operation != Operation::Insert.name(),
        None => live.is_some(),
    };
    let own = of_row(&changes, values, stays);
    Some(own.into_iter().filter_map(|place| found.get(place).cloned()).collect())
}

/// The values in these documents of a change, the later ones in place of the earlier.
fn image(subject: &Subject, entry: &Entry, documents: &[Option<&str>]) -> Values {
    let Some(names) = subject.lineage.names(entry.shape) else { return Vec::new() };
    let mut values: HashMap<ColumnId, String> = HashMap::new();
    for document in documents.iter().flatten() {
        let members = members(document).unwrap_or_default();
        let told = |(name, value): (String, String)| {
            names.id(&name).map(|id| (id, subject.lineage.told(id, &value)))
        };
        values.extend(members.into_iter().filter_map(told));
    }
    values.into_iter().collect()
}
