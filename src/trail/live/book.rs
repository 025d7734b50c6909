//! The log as a caller may read it: which tables were watched, in which shapes, and what of them he may see.

use std::collections::{HashMap, HashSet};

use pgrx::PgSqlErrorCode;

use super::lineage::lineage_of;
use super::partitions::kept_above;
use super::parts;
use crate::catalog::Oid;
use crate::pg::error::raise;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::trail::home;
use crate::pg::trail::reading::access::{Visible, must_owner, sees_everything, visible};
use crate::pg::trail::reading::table::{Table, with_partitions};
use crate::pg::trail::reading::{Argument, Cursor, Rows, rows};
use crate::pg::upkeep::name_of;
use crate::text::{quote_literal, quote_qualified};
use crate::trail::read::change::{Change, Operation};
use crate::trail::read::document::members;
use crate::trail::read::holders::Holder;
use crate::trail::read::lineage::{LIVE, Lineage, Shape};
use crate::trail::stretch::{Stretch, stretches};
use crate::trail::survey::{OID, is_of};

/// The log.
pub struct Book {
    /// Whose it is.
    pub owner: Oid,
    /// Whether the caller sees all of it.
    pub sees_everything: bool,
}

/// A table that is or was watched.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Its number in the log.
    pub id: i32,
    /// The table, unless it is gone.
    pub table: Option<Oid>,
    /// Its qualified name, as it is called now or was called last.
    pub name: String,
    /// Whether it still is.
    pub is_watched: bool,
    /// From when to when, the first first; the last lasts where it is watched.
    pub stretches: Vec<Stretch>,
}

/// A shape, and of which table.
#[derive(Clone, Debug)]
pub struct LoggedShape {
    /// The number of the table in the log.
    pub relation: i32,
    /// The shape itself.
    pub shape: Shape,
}

/// The numbers of those that changes may have.
pub fn of_changes(shapes: &[LoggedShape]) -> Vec<i32> {
    shapes.iter().map(|found| &found.shape).filter(|shape| !shape.is_noted).map(|shape| shape.id).collect()
}

/// A value of a row.
pub fn text(row: &[Option<String>], place: usize) -> Option<&str> {
    row.get(place).and_then(Option::as_deref)
}

/// A number of a row.
pub fn number<T: std::str::FromStr + Default>(row: &[Option<String>], place: usize) -> T {
    text(row, place).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// A list of numbers, for `string_to_array($1, ',')::int4[]`: the server makes that an array when it plans. What it is to read as an
/// array itself, `$1::int4[]`, it reads anew for every row.
pub fn list<T: std::fmt::Display>(numbers: impl IntoIterator<Item = T>) -> Argument {
    let numbers: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    Some(numbers.join(","))
}

/// So many shapes are looked for in the index of changes at most.
const MOST_IN_INDEX: usize = 32;

/// The condition that a change is of one of these shapes, which are the parameter. For many the index is not asked: it would be
/// gone through once for each, and thousands of partitions have one each.
pub fn of_shapes(count: usize, parameter: usize) -> String {
    let shape = if count > MOST_IN_INDEX { "c.shape_id + 0" } else { "c.shape_id" };
    format!("{shape} = ANY (pg_catalog.string_to_array(${parameter}, ',')::pg_catalog.int4[])")
}

/// Microseconds of a moment in SQL. Infinities are at the ends: nobody writes one but who tampers with the log, and that is
/// to be told, not to fail.
pub fn micros(expression: &str) -> String {
    format!(
        "CASE {expression} WHEN 'infinity'::pg_catalog.timestamptz THEN '{}'::pg_catalog.int8
             WHEN '-infinity'::pg_catalog.timestamptz THEN '{}'::pg_catalog.int8
             ELSE (extract(epoch FROM {expression}) * 1000000)::pg_catalog.int8 END",
        i64::MAX,
        i64::MIN
    )
}

/// The moment of microseconds in a parameter.
pub fn moment(parameter: usize) -> String {
    format!(
        "('epoch'::pg_catalog.timestamptz + ${parameter}::pg_catalog.int8 * '1 microsecond'::pg_catalog.interval)"
    )
}

/// Whether the row `r` of the registry is of a table, in SQL, found by the indexes. `$1`: the database.
fn is_that(table: Oid) -> String {
    let oid = format!("{table}::pg_catalog.oid");
    let named = |what: &str| {
        format!(
            "(SELECT {what} FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace s ON s.oid = t.relnamespace
              WHERE t.oid = {oid})"
        )
    };
    is_of(&oid, &named("s.nspname"), &named("t.relname"))
}

impl Book {
    /// Of this database; an ERROR where there is none.
    pub fn open() -> Self {
        let owner = must_owner();
        Self { owner, sees_everything: sees_everything(owner) }
    }

    /// Asks the log with its owner's rights.
    pub fn rows(&self, sql: &str, arguments: &[Argument]) -> Rows {
        rows(Some(self.owner), sql, arguments)
    }

    /// The tables that are or were watched: those that this table is, or all.
    pub fn watched(&self, table: Option<Oid>) -> Vec<Watched> {
        let sql = format!(
            "SELECT r.relation_id, w.oid, coalesce(n.nspname::pg_catalog.text, r.schema_name),
                    coalesce(c.relname::pg_catalog.text, r.table_name), {}, {}
             FROM dbm_trail.relation r
             CROSS JOIN LATERAL (SELECT {OID} AS oid) w
             LEFT JOIN pg_catalog.pg_class c ON c.oid = w.oid
             LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             -- Of some tables that never were it is remembered what is kept back.
             WHERE {} AND (r.removed_at IS NULL OR r.installed_at < r.removed_at)
             ORDER BY r.relation_id",
            micros("r.installed_at"),
            micros("r.removed_at"),
            table.map_or_else(|| "true".to_owned(), is_that)
        );
        let found = self.rows(&sql, &[Some(home())]);
        // Nobody asks that of all tables at once.
        let events = table.map_or_else(Vec::new, |_| {
            self.beginnings_and_ends(&found.iter().map(|row| number(row, 0)).collect::<Vec<_>>())
        });
        let mut watched: Vec<Watched> = Vec::with_capacity(found.len());
        for row in &found {
            let (id, until) = (number(row, 0), text(row, 5).and_then(|moment| moment.parse().ok()));
            let own = events.iter().filter(|event| event.0 == id).map(|&(_, begins, at)| (begins, at));
            watched.push(Watched {
                id,
                table: text(row, 1).and_then(|oid| oid.parse().ok()),
                name: quote_qualified(text(row, 2).unwrap_or(""), text(row, 3).unwrap_or("")),
                is_watched: until.is_none(),
                stretches: stretches(own, number(row, 4), until),
            });
        }
        watched
    }

    /// When the watching of tables began and ended: the number in the log, whether it began, the moment. The registry knows
    /// the last of it alone.
    fn beginnings_and_ends(&self, relations: &[i32]) -> Vec<(i32, bool, i64)> {
        if !self.has_events() {
            return Vec::new();
        }
        let sql = format!(
            "SELECT relation_id, kind = 'installed', {} FROM dbm_trail.event
             WHERE relation_id = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.int4[]) AND kind IN ('installed', 'joined', 'removed')
             ORDER BY event_id",
            micros("happened_at")
        );
        let found = self.rows(&sql, &[list(relations)]);
        found.iter().map(|row| (number(row, 0), text(row, 1) == Some("t"), number(row, 2))).collect()
    }

    /// Whether the log has its table of events, with those columns: it is not read for anything else.
    pub fn has_events(&self) -> bool {
        let found = self.rows(
            "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = 'dbm_trail' AND c.relname = 'event' AND c.relkind = 'r' AND c.relowner = n.nspowner",
            &[],
        );
        !found.is_empty()
    }

    /// The shapes of those tables.
    pub fn shapes(&self, watched: &[Watched]) -> Vec<LoggedShape> {
        let sql = format!(
            "SELECT shape_id, relation_id, {}, schema_name, table_name, attributes, pg_catalog.to_json(key), relid, home,
                 fingerprint = 0
             FROM dbm_trail.shape WHERE relation_id = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.int4[])",
            micros("seen_at")
        );
        let found = self.rows(&sql, &[list(watched.iter().map(|each| each.id))]);
        found
            .iter()
            .map(|row| LoggedShape {
                relation: number(row, 1),
                shape: Shape {
                    id: number(row, 0),
                    seen_at: number(row, 2),
                    attributes: parsed(text(row, 5)),
                    key: text(row, 6).map(|key| parsed(Some(key))).unwrap_or_default(),
                    holder: Holder {
                        home: text(row, 8).unwrap_or("").to_owned(),
                        relid: number(row, 7),
                        name: quote_qualified(text(row, 3).unwrap_or(""), text(row, 4).unwrap_or("")),
                    },
                    is_noted: text(row, 9) == Some("t"),
                },
            })
            .collect()
    }

    /// The key of a shape, its columns in the order in which the key has them.
    pub fn key_of_shape(&self, shape: i32) -> Vec<String> {
        let sql = "SELECT pg_catalog.unnest(key) FROM dbm_trail.shape WHERE shape_id = $1::pg_catalog.int4";
        self.rows(sql, &[Some(shape.to_string())]).into_iter().flatten().flatten().collect()
    }

    /// What the caller may see of the changes of a table.
    pub fn visible(&self, table: Option<Oid>) -> Visible {
        visible(table, self.sees_everything)
    }
}

fn parsed<T: serde::de::DeserializeOwned>(document: Option<&str>) -> Vec<T> {
    serde_json::from_str(document.unwrap_or("[]")).unwrap_or_else(|error| {
        raise(
            PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
            "a row of dbm_trail.shape cannot be read",
            &error.to_string(),
            "",
        )
    })
}

/// One table, all its shapes and what the caller may see of it.
pub struct Subject {
    /// The table as it is now.
    pub table: Table,
    /// Its partitions that hold rows, at whatever depth.
    pub partitions: Vec<Table>,
    /// When it was watched, the first first.
    pub watched: Vec<Watched>,
    /// Its columns through time.
    pub lineage: Lineage,
    /// The numbers of its shapes in the log.
    pub shapes: Vec<i32>,
    /// What the table, or the partition, was called that had each of them.
    pub names: HashMap<i32, String>,
    /// What the caller may see.
    pub visible: Visible,
}

impl Subject {
    /// The table of that number; an ERROR where it was never watched, or where the caller may not see it.
    pub fn new(book: &Book, target: Oid) -> Self {
        let mut tables = with_partitions(target);
        if tables.is_empty() {
            raise_no_table(target);
        }
        let table = tables.remove(0);
        let watched = book.watched(Some(target));
        let visible = must_be_told(book, target, &watched);
        let logged = book.shapes(&watched);
        let shapes = of_changes(&logged);
        let logged: Vec<Shape> = logged.into_iter().map(|found| found.shape).collect();
        let names = logged.iter().map(|shape| (shape.id, shape.holder.name.clone())).collect();
        let mut lineage = lineage_of(book, &watched, &table, &tables, logged);
        if table.is_partitioned {
            parts::hold(&mut lineage, &table);
        }
        tables.retain(|partition| !partition.is_partitioned);
        Self { table, partitions: tables, watched, lineage, shapes, names, visible }
    }

    /// What tells rows apart in the shape that was seen last, by which the log finds them.
    pub fn last_shape(&self) -> Option<i32> {
        self.shapes.iter().copied().max()
    }

    /// The columns that the caller may see, by what they are called in a shape; `None` for all.
    pub fn seen_columns(&self, shape: i32) -> Option<HashSet<String>> {
        seen_columns(&self.lineage, &self.visible, shape)
    }
}

fn raise_no_table(target: Oid) -> ! {
    match name_of(target) {
        Some(name) => raise(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            &format!("{name} is not a table"),
            "The audit trail keeps the changes of tables and of partitioned tables.",
            "",
        ),
        None => raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            &format!("table with OID {target} does not exist"),
            "",
            "",
        ),
    }
}

/// What the caller may see of a table; an ERROR where that is nothing, or where it was never watched.
pub fn must_be_told(book: &Book, target: Oid, watched: &[Watched]) -> Visible {
    let name = || match with_partitions(target).first() {
        Some(table) => table.qualified(),
        None => raise_no_table(target),
    };
    let visible = book.visible(Some(target));
    if visible == Visible::Nothing {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            &format!("permission denied for the changes of {}", name()),
            "Whoever may SELECT a table, and is bound by no row-level security there, may see its changes.",
            "",
        );
    }
    if watched.is_empty() {
        let name = name();
        // The other queries of this room bring a search_path of their own.
        let hint = match with_pinned_search_path(|| kept_above(target)) {
            Some(above) => {
                format!("It is a partition: SELECT * FROM dbm.changes({});", quote_literal(&above))
            }
            None => {
                format!("SELECT dbm.install_audit_trigger({}) watches it from now on.", quote_literal(&name))
            }
        };
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            &format!("table {name} is not in the audit log"),
            "",
            &hint,
        );
    }
    visible
}

/// The columns that the caller may see, by what they are called in a shape; `None` for all.
pub fn seen_columns(lineage: &Lineage, visible: &Visible, shape: i32) -> Option<HashSet<String>> {
    let numbers = match visible {
        Visible::All => return None,
        Visible::Table => None,
        Visible::Columns(numbers) => Some(numbers),
        Visible::Nothing => return Some(HashSet::new()),
    };
    let (Some(live), Some(names)) = (lineage.names(LIVE), lineage.names(shape)) else {
        return Some(HashSet::new());
    };
    let is_seen = |id| {
        live.attribute(id)
            .is_some_and(|attribute| numbers.is_none_or(|numbers| numbers.contains(&attribute.number)))
    };
    Some(
        names
            .columns
            .iter()
            // What a column of a table that is gone was nobody has granted, where its name alone tells.
            .filter(|(id, attribute)| !attribute.is_guessed && is_seen(*id))
            .map(|(_, attribute)| attribute.name.clone())
            .collect(),
    )
}

/// The place of a change among all, to be ordered by before `statement_no` and `change_id`: where a trigger of somebody's
/// changed a row again, that was logged before the statement which set it off, and the commands tell the order. After a
/// restore transactions count anew: when one began tells two of the same number apart.
pub const PLACE: &str =
    "min(c.change_id) OVER (PARTITION BY c.transaction_id, c.transaction_started_at, c.key_hash
     ORDER BY c.statement_no DESC, c.change_id DESC ROWS UNBOUNDED PRECEDING)";

/// Change and activity together, as `c` and `a`.
pub const CHANGES: &str = "dbm_trail.change c
     LEFT JOIN dbm_trail.activity a ON a.activity_id = c.activity_id";

/// The columns of a change in a query, for [`change`]: `c` is the table.
pub fn change_columns() -> String {
    format!(
        "c.change_id, {}, c.transaction_id, c.shape_id, c.operation, c.key, c.old, c.new, c.statement_no",
        micros("c.changed_at")
    )
}

/// A change from the columns of [`change_columns`]; `None` where it cannot be read.
pub fn change(row: &[Option<String>]) -> Option<Change> {
    let document = |place| text(row, place).map_or_else(|| Some(Vec::new()), members);
    Some(Change {
        id: number(row, 0),
        at: number(row, 1),
        transaction: number(row, 2),
        statement: number(row, 8),
        shape: number(row, 3),
        operation: Operation::of_letter(text(row, 4)?)?,
        key: document(5)?,
        old: document(6)?,
        new: document(7)?,
    })
}

/// As [`change`], or an ERROR.
pub fn must_change(row: &[Option<String>]) -> Change {
    change(row).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
            &format!("change {} of the audit log cannot be read", text(row, 0).unwrap_or("?")),
            "",
            "SELECT * FROM dbm.verify_audit_log() tells whether it was altered.",
        )
    })
}

/// Changes as they are read, one by one.
pub fn cursor(book: &Book, sql: &str, arguments: &[Argument]) -> impl Iterator<Item = Change> + use<> {
    Cursor::open(Some(book.owner), sql, arguments).map(|row| must_change(&row))
}
