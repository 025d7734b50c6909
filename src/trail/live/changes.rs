//! `dbm.changes()`: what was changed, the last first.

use std::collections::{HashMap, HashSet};

use pgrx::PgSqlErrorCode;

use super::book::{
    Book, CHANGES, LoggedShape, Watched, list, micros, moment, must_be_told, number, of_changes, of_shapes,
    seen_columns, text,
};
use super::lineage::lineage_of;
use crate::catalog::{Moment, Oid};
use crate::pg::error::raise;
use crate::pg::local_settings::with_settings;
use crate::pg::trail::reading::access::Visible;
use crate::pg::trail::reading::table::with_partitions;
use crate::pg::trail::reading::{Argument, Cursor, Rows};
use crate::trail::read::change::Operation;
use crate::trail::read::document::{members, object};

/// What is wanted.
pub struct Asked {
    /// Of which table; `None`: of all.
    pub target: Option<Oid>,
    /// From then on, in microseconds.
    pub since: Option<Moment>,
    /// Before then.
    pub until: Option<Moment>,
    /// By whom.
    pub actor: Option<String>,
    /// At most so many.
    pub max_rows: Option<i64>,
}

/// One change, for people.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The number of the change.
    pub id: i64,
    /// The shape that its table had.
    pub shape: i32,
    /// When.
    pub changed_at: Moment,
    /// By whom: who had logged in.
    pub actor: Option<String>,
    /// What was done.
    pub operation: &'static str,
    /// Its table, by the name that it has now.
    pub table: String,
    /// The key.
    pub key: Option<String>,
    /// Values before.
    pub old: Option<String>,
    /// Values after.
    pub new: Option<String>,
    /// Its transaction.
    pub transaction: i64,
    /// The command within it.
    pub statement: i32,
    /// What the application said of itself.
    pub context: Option<String>,
    /// When its transaction began.
    pub began: Moment,
}

/// What the caller sees of a shape's changes.
#[derive(Clone)]
pub struct View {
    /// The table.
    pub table: String,
    /// Its columns that he sees; `None`: all.
    pub columns: Option<HashSet<String>>,
}

/// The start of the query for [`entry`].
pub fn select() -> String {
    format!(
        "SELECT c.change_id, {}, c.operation, c.shape_id, c.transaction_id, c.statement_no, c.key, c.old, c.new,
                a.session_user_name, a.context, {}
         FROM {CHANGES} ",
        micros("c.changed_at"),
        micros("c.transaction_started_at")
    )
}

/// A row of that query, as far as the caller sees it.
pub fn entry(row: &[Option<String>], views: &HashMap<i32, View>) -> Option<Entry> {
    let shape = number(row, 3);
    let view = views.get(&shape)?;
    let seen = |place: usize| -> Option<String> {
        let document = text(row, place)?;
        let Some(columns) = &view.columns else { return Some(document.to_owned()) };
        let members = members(document)?;
        let seen = members.iter().filter(|(name, _)| columns.contains(name));
        Some(object(seen.map(|(name, value)| (&**name, &**value))))
    };
    Some(Entry {
        id: number(row, 0),
        shape,
        changed_at: number(row, 1),
        actor: text(row, 9).map(str::to_owned),
        operation: Operation::of_letter(text(row, 2)?)?.name(),
        table: view.table.clone(),
        key: seen(6),
        old: seen(7),
        new: seen(8),
        transaction: number(row, 4),
        statement: number(row, 5),
        context: text(row, 10).map(str::to_owned),
        began: number(row, 11),
    })
}

/// What the caller sees of the changes of these tables, by shape.
fn views(book: &Book, watched: &[Watched]) -> HashMap<i32, View> {
    let mut shapes: HashMap<i32, Vec<LoggedShape>> = HashMap::new();
    for found in book.shapes(watched) {
        shapes.entry(found.relation).or_default().push(found);
    }
    let mut views = HashMap::new();
    for each in watched {
        let visible = book.visible(each.table);
        if visible == Visible::Nothing {
            continue;
        }
        let of_it = shapes.remove(&each.id).unwrap_or_default();
        let ids = of_changes(&of_it);
        let lineage = match (&visible, each.table) {
            (Visible::Table | Visible::Columns(_), Some(oid)) => {
                let mut tables = with_partitions(oid);
                (!tables.is_empty()).then(|| {
                    let table = tables.remove(0);
                    lineage_of(
                        book,
                        std::slice::from_ref(each),
                        &table,
                        &tables,
                        of_it.into_iter().map(|found| found.shape).collect(),
                    )
                })
            }
            _ => None,
        };
        for id in ids {
            let columns = match &lineage {
                _ if visible == Visible::All => None,
                Some(lineage) => seen_columns(lineage, &visible, id),
                None => Some(HashSet::new()),
            };
            views.insert(id, View { table: each.name.clone(), columns });
        }
    }
    views
}

/// The changes, the last first.
pub fn changes(asked: &Asked) -> Box<dyn Iterator<Item = Entry>> {
    if asked.max_rows.is_some_and(|count| count < 0) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_ROW_COUNT_IN_LIMIT_CLAUSE,
            "max_rows must not be negative",
            "",
            "",
        );
    }
    let book = Book::open();
    let watched = book.watched(asked.target);
    if let Some(target) = asked.target {
        // Silence would read as if nothing had been changed.
        must_be_told(&book, target, &watched);
    }
    let views = views(&book, &watched);
    let mut condition = of_shapes(views.len(), 1);
    let mut arguments: Vec<Argument> = vec![list(views.keys())];
    if let Some(actor) = &asked.actor {
        arguments.push(Some(actor.clone()));
        condition.push_str(&format!(" AND a.session_user_name = ${}", arguments.len()));
    }
    for (operator, when) in [(">=", asked.since), ("<", asked.until)] {
        let Some(when) = when else { continue };
        let place = arguments.len() + 1;
        let (value, moment) = match when {
            Moment::MAX => ("infinity".to_owned(), format!("${place}::pg_catalog.timestamptz")),
            Moment::MIN => ("-infinity".to_owned(), format!("${place}::pg_catalog.timestamptz")),
            finite => (finite.to_string(), moment(place)),
        };
        arguments.push(Some(value));
        condition.push_str(&format!(" AND c.changed_at {operator} {moment}"));
    }
    let select = select();
    if let Some(count) = asked.max_rows.filter(|&count| count <= MOST_FROM_END) {
        let count = usize::try_from(count).unwrap_or(0);
        // Who it was is looked up for the changes that are told alone.
        let is_looked_up = asked.actor.is_none();
        let sql = |condition: &str, limit: &str| {
            if is_looked_up {
                let last = format!("(SELECT * FROM dbm_trail.change c WHERE {condition} {ORDER} {limit}) c");
                format!("{} {ORDER}", select.replacen("dbm_trail.change c", &last, 1))
            } else {
                format!("{select} WHERE {condition} {ORDER} {limit}")
            }
        };
        let found = last_changes(&book, sql, &condition, &arguments, count);
        let entries: Vec<Entry> = found.iter().filter_map(|row| entry(row, &views)).collect();
        return Box::new(entries.into_iter());
    }
    let limit = asked.max_rows.map_or_else(String::new, |count| {
        arguments.push(Some(count.to_string()));
        format!(" LIMIT ${}::pg_catalog.int8", arguments.len())
    });
    let sql = format!("{select} WHERE {condition} {ORDER}{limit}");
    Box::new(Cursor::open(Some(book.owner), &sql, &arguments).filter_map(move |row| entry(&row, &views)))
}

const ORDER: &str = "ORDER BY c.change_id DESC";

/// So many changes are looked for from the end of the log on; more are read in one go.
const MOST_FROM_END: i64 = 10_000;

/// The last changes that meet a condition. Their numbers are in the order in which they lie there, so that the index tells
/// where the last are: first so many as are wanted, and where these are others', further and further back.
fn last_changes(
    book: &Book,
    sql: impl Fn(&str, &str) -> String,
    condition: &str,
    arguments: &[Argument],
    count: usize,
) -> Rows {
    let last = book.rows("SELECT last_value FROM dbm_trail.change_id", &[]);
    let last: i64 = last.first().map_or(0, |row| number(row, 0));
    let mut reach = i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(4).max(4_096);
    let mut above = last.saturating_sub(reach);
    let mut up_to = None;
    let mut found = Rows::new();
    while found.len() < count {
        let mut arguments = arguments.to_vec();
        let mut condition = condition.to_owned();
        if above > 0 {
            arguments.push(Some(above.to_string()));
            condition.push_str(&format!(" AND c.change_id > ${}::pg_catalog.int8", arguments.len()));
        }
        if let Some(up_to) = up_to {
            arguments.push(Some(i64::to_string(&up_to)));
            condition.push_str(&format!(" AND c.change_id <= ${}::pg_catalog.int8", arguments.len()));
        }
        arguments.push(Some((count - found.len()).to_string()));
        let sql = sql(&condition, &format!("LIMIT ${}::pg_catalog.int8", arguments.len()));
        // The planner thinks an index dear that it has no statistics of.
        found.extend(with_settings(&[(c"enable_seqscan", c"off")], || book.rows(&sql, &arguments)));
        if above <= 0 {
            break;
        }
        up_to = Some(above);
        reach = reach.saturating_mul(8);
        above = above.saturating_sub(reach);
    }
    found
}
