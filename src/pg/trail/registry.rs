//! Which relations are watched, and how: the table dbm_trail.relation, read by the trigger itself, since whoever writes has
//! no right on it.
//!
//! OIDs are of one database, and of one making: in a copy that pg_restore made they are others', also where it made the
//! copy in the same place. There a relation is found by its name, and its row is put right.

use std::cell::RefCell;

use pgrx::{FromDatum, IntoDatum, PgSqlErrorCode, pg_sys};

use super::column::Value;
use super::log::{self, Key, Open};
use super::note::note_change;
use crate::pg::encoding;
use crate::pg::error::raise;
use crate::pg::run::owner;
use crate::pg::scan::text_of_c_string;
use crate::pg::value::{Document, JsonText, Text};
use crate::text::quote_qualified;

thread_local! {
    static HOME: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Where the OIDs of this database are right.
pub fn home() -> String {
    if let Some(home) = HOME.with_borrow(Clone::clone) {
        return home;
    }
    // SAFETY: reads two constants of this process.
    let home = unsafe { format!("{}/{}", pg_sys::GetSystemIdentifier(), pg_sys::MyDatabaseId.to_u32()) };
    HOME.with_borrow_mut(|remembered| *remembered = Some(home.clone()));
    home
}

/// A relation that is watched.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Its number in the log.
    pub relation_id: i32,
    /// Whether whole rows are kept.
    pub is_full: bool,
    /// The names of the columns that alone are logged.
    pub only: Option<Vec<String>>,
    /// The names of those that are not.
    pub exclude: Vec<String>,
    /// The names of those of which a hash is kept.
    pub redact: Vec<String>,
    /// Whether the text of queries is kept.
    pub keeps_query: bool,
}

fn text(value: Value) -> String {
    // SAFETY: a column of type text, as verified where it is written.
    unsafe { value.and_then(|datum| Text::from_datum(datum, false)) }
        .map_or_else(String::new, Text::into_string)
}

fn integer(value: Value) -> i32 {
    value.map_or(0, |datum| datum.value() as i32)
}

/// The names that columns of a relation have now, of which the settings know the numbers.
fn names(list: &serde_json::Value, relid: pg_sys::Oid) -> Option<Vec<String>> {
    let columns = list.as_array()?;
    Some(
        columns
            .iter()
            .filter_map(|column| {
                let number = column.get("number")?.as_i64()?;
                let number = pg_sys::AttrNumber::try_from(number).ok()?;
                // SAFETY: a look-up; returns a C string or null.
                unsafe { text_of_c_string(pg_sys::get_attname(relid, number, true)) }.map(String::from)
            })
            .collect(),
    )
}

fn registered(row: &[Value], relid: pg_sys::Oid) -> Registered {
    let at = |place: usize| row.get(place).copied().flatten();
    // SAFETY: a column of type jsonb.
    let settings = unsafe { at(9).and_then(|datum| JsonText::from_datum(datum, false)) };
    let settings = settings.map_or(serde_json::Value::Null, |settings| settings.value());
    let list = |name: &str| settings.get(name).and_then(|list| names(list, relid));
    Registered {
        relation_id: integer(at(0)),
        is_full: text(at(8)) == "full",
        only: list("only"),
        exclude: list("exclude").unwrap_or_default(),
        redact: list("redact").unwrap_or_default(),
        keeps_query: settings.get("query").and_then(serde_json::Value::as_bool).unwrap_or(false),
    }
}

/// The watched relation of this OID.
pub fn find(relid: pg_sys::Oid) -> Option<Registered> {
    let open = Open::if_there("relation", pg_sys::AccessShareLock as pg_sys::LOCKMODE)?;
    let home = home();
    let mut found = None;
    let key = Key { index: "idx_relation_relid", columns: &[(2, pg_sys::F_OIDEQ, relid.into())] };
    // SAFETY: reads the columns as what they are.
    unsafe {
        open.scan(Some(key), |row| {
            let is_active = row.get(5).is_some_and(Option::is_none);
            if is_active && text(row.get(10).copied().flatten()) == home {
                found = Some(registered(row, relid));
            }
        });
    }
    found
}

/// Whether there is a relation of that OID.
fn is_there(relid: Option<pg_sys::Datum>) -> bool {
    let Some(relid) = relid else { return false };
    // SAFETY: a look-up in the system cache, of which only whether it found something is used.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::RELOID as i32;
        let zero = pg_sys::Datum::null();
        pg_sys::SearchSysCacheExists(cache, relid, zero, zero, zero)
    }
}

/// Puts the row of a watched table right, which a restore has made anew; whether there was one. One that cannot be is left
/// as it is: whoever runs DDL has nothing to do with it.
pub fn adopt(relid: u32, schema: &str, name: &str) -> bool {
    put_right(relid.into(), schema, name, |_| ()).is_some()
}

/// The watched relation of this name whose row is of another database, or of a table that is there no more, put right.
/// Only for a table that has a trigger of ours: nobody else's is meant.
pub fn find_by_name(relid: pg_sys::Oid, schema: &str, name: &str) -> Option<Registered> {
    put_right(relid, schema, name, |column| {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            &format!(
                "the audit trail of this table has a setting for column \"{column}\", which does not exist"
            ),
            "The table was restored from a dump that knows no such column.",
            "Call dbm.install_audit_trigger() again.",
        )
    })
}

/// `on_missing` is told of a column that has a setting and is gone; where it returns, the row stays as it is.
fn put_right(relid: pg_sys::Oid, schema: &str, name: &str, on_missing: fn(&str)) -> Option<Registered> {
    let open = Open::if_there("relation", pg_sys::ShareRowExclusiveLock as pg_sys::LOCKMODE)?;
    // Somebody else may have put it right while we waited.
    if let Some(found) = find(relid) {
        return Some(found);
    }
    let home = home();
    let is_meant = |row: &[Value]| {
        let at = |place: usize| row.get(place).copied().flatten();
        at(5).is_none()
            && text(at(2)) == schema
            && text(at(3)) == name
            && (text(at(10)) != home || !is_there(at(1)))
    };
    // SAFETY: the log's own table, of which the relation and its rows are used while both are open.
    let changed = unsafe { rewrite(&open, is_meant, relid, &home, on_missing) };
    let found = changed.then(|| find(relid)).flatten()?;
    if !log::is_there() {
        log::refuse("relation", "It belongs to somebody else than dbmastery does.");
    }
    // Whoever writes has no right on the log.
    owner::as_owner(|| {
        let detail = format!("{} was found by its name", quote_qualified(schema, name));
        note_change(found.relation_id, "adopted", &detail);
    });
    Some(found)
}

/// # Safety
/// The registry is open and locked against other writers.
unsafe fn rewrite(
    open: &Open,
    is_meant: impl Fn(&[Value]) -> bool,
    relid: pg_sys::Oid,
    home: &str,
    on_missing: fn(&str),
) -> bool {
    // SAFETY: as the caller vouches; the tuple is copied before it is changed.
    unsafe {
        let descriptor = (*open.relation).rd_att;
        let columns = super::descriptor::count(descriptor);
        let scan = pg_sys::systable_beginscan(
            open.relation,
            pg_sys::InvalidOid,
            false,
            std::ptr::null_mut(),
            0,
            std::ptr::null_mut(),
        );
        let mut values = vec![pg_sys::Datum::null(); columns];
        let mut nulls = vec![true; columns];
        let mut is_changed = false;
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            pg_sys::heap_deform_tuple(tuple, descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
            let row: Vec<Value> =
                values.iter().zip(&nulls).map(|(&value, &is_null)| (!is_null).then_some(value)).collect();
            if !is_meant(&row) {
                continue;
            }
            let mut replace = vec![false; columns];
            replace[1] = true;
            values[1] = relid.into();
            replace[10] = true;
            values[10] = Text::from(home).into_datum().unwrap_or(pg_sys::Datum::null());
            if let Some(settings) =
                row.get(9).copied().flatten().and_then(|datum| JsonText::from_datum(datum, false))
            {
                let settings = match renumbered(settings.value(), relid) {
                    Ok(settings) => settings,
                    Err(column) => {
                        on_missing(&column);
                        continue;
                    }
                };
                replace[9] = true;
                values[9] = Document::from(settings).into_datum().unwrap_or(pg_sys::Datum::null());
            }
            let changed = pg_sys::heap_modify_tuple(
                tuple,
                descriptor,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
                replace.as_mut_ptr(),
            );
            pg_sys::CatalogTupleUpdate(open.relation, &raw mut (*changed).t_self, changed);
            is_changed = true;
            break;
        }
        pg_sys::systable_endscan(scan);
        if is_changed {
            pg_sys::CommandCounterIncrement();
        }
        is_changed
    }
}

/// Columns have other numbers after a restore, where some had been dropped. The name of one that is gone is the error.
fn renumbered(mut settings: serde_json::Value, relid: pg_sys::Oid) -> Result<serde_json::Value, String> {
    for list in ["only", "exclude", "redact"] {
        let Some(columns) = settings.get_mut(list).and_then(serde_json::Value::as_array_mut) else {
            continue;
        };
        for column in columns {
            let Some(name) = column.get("name").and_then(serde_json::Value::as_str) else { continue };
            let Ok(name_for_server) = std::ffi::CString::new(encoding::to_server(name).into_owned()) else {
                continue;
            };
            // SAFETY: a look-up of a C string.
            let number = unsafe { pg_sys::get_attnum(relid, name_for_server.as_ptr()) };
            if number > 0 {
                column["number"] = number.into();
            } else {
                return Err(name.to_owned());
            }
        }
    }
    Ok(settings)
}
