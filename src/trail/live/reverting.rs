//! Plans that take changes back, made on the server.

use std::collections::{HashMap, HashSet};

use pgrx::PgSqlErrorCode;

use super::book::{Book, Subject, Watched, change_columns, cursor, list, moment, of_shapes, text};
use super::history::row_changes;
use super::part_history::refuse_halves;
use super::revert_facts::{Facts, Triggers};
use super::targets::Targets;
use crate::catalog::{Moment, Oid};
use crate::pg::encoding::message_to_server;
use crate::pg::error::raise;
use crate::pg::progress::{self, Progress};
use crate::pg::trail::reading::access::Visible;
use crate::pg::trail::reading::rows;
use crate::pg::{run, search_path};
use crate::text::quote_literal;
use crate::trail::read::change::{Change, Operation, settle};
use crate::trail::read::document::object;
use crate::trail::read::lineage::{ColumnId, LIVE, Logged};
use crate::trail::read::row::{Key, Row, images, key_columns};
use crate::trail::revert::order::ForeignKey;
use crate::trail::revert::{Asked, Column, Done, Table, Undone, Values, plan, told_of_triggers};

/// How many changes one plan takes back at most: each is a statement of it.
pub const MOST: usize = 10_000;

/// How many changes a refusal names.
const NAMED: usize = 10;

/// What was asked cannot be done as things are.
pub fn refuse(message: &str, detail: &str, hint: &str) -> ! {
    raise(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message, detail, hint)
}

/// Nobody knows any more what it removed.
pub fn refuse_truncate(table: &str) -> ! {
    refuse(
        &format!("TRUNCATE of {table} cannot be taken back by a plan"),
        "The log does not hold the rows that it removed.",
        &format!(
            "SELECT dbm.as_of({}, …) tells them as far as they were written while the table was watched.",
            quote_literal(table)
        ),
    )
}

/// A table with what a plan has to know of it.
pub struct Revertible {
    /// The table and its past.
    pub subject: Subject,
    /// The table, for the plan.
    pub table: Table,
    /// The columns that tell its rows apart.
    pub key: Vec<ColumnId>,
}

impl Revertible {
    /// A table of which the caller has to see everything.
    pub fn new(subject: Subject, facts: &Facts) -> Self {
        let names = subject.last_shape().and_then(|shape| subject.lineage.names(shape));
        let live = subject.lineage.names(LIVE);
        let name_now = |id: &usize| live.and_then(|live| live.attribute(*id)).map(|found| found.name.clone());
        let is_whole_row = names.is_none_or(|names| names.is_whole_row);
        let key = names.map(key_columns).unwrap_or_default();
        let is_logged = |name: &str| {
            let found = live.and_then(|live| live.columns.iter().find(|(_, column)| column.name == name));
            found.is_some_and(|(_, column)| column.logged == Logged::Yes)
        };
        let is_told_apart = names.is_none_or(|names| {
            let wanted = if names.is_whole_row { subject.table.columns.len() } else { names.key.len() };
            let logged = if names.is_whole_row {
                subject
                    .table
                    .columns
                    .iter()
                    .filter(|column| column.is_generated || is_logged(&column.name))
                    .count()
            } else {
                key.len()
            };
            logged == wanted
        });
        if !is_told_apart {
            refuse(
                &format!("changes of {} cannot be taken back", subject.table.qualified()),
                "What tells its rows apart is not in the log as it is, so that others could be changed.",
                "",
            );
        }
        if !is_whole_row && !facts.is_unique(&subject, &key) {
            refuse(
                &format!("changes of {} cannot be taken back", subject.table.qualified()),
                "No unique index is on the columns by which the log tells its rows apart, so that others could be changed.",
                "",
            );
        }
        let Triggers { triggers, kept } = facts.triggers(subject.table.oid);
        let columns = subject.table.columns.iter().map(|column| Column {
            name: column.name.clone(),
            // What a value has lost to a narrower type is lost without a word in a cast, but not in an assignment.
            type_name: column.bare_type.clone(),
            held_as: (column.type_name != column.bare_type && column.is_of_system())
                .then(|| column.type_name.clone()),
            is_jsonb: column.is_jsonb(),
            is_comparable: column.is_of_system(),
            is_generated: column.is_generated,
            is_logged: is_logged(&column.name),
            is_version: kept.contains(&column.name),
        });
        let table = Table {
            name: subject.table.qualified(),
            is_partitioned: subject.table.is_partitioned,
            columns: columns.collect(),
            key: if is_whole_row { Vec::new() } else { key.iter().filter_map(name_now).collect() },
            references: facts.references(subject.table.oid),
            goes_along: facts.goes_along(subject.table.oid),
            triggers,
        };
        Self { table, key, subject }
    }

    /// The values of a change's row by the names of now, without those that the log has something else for.
    fn values(&self, change: &Change, row: &Row) -> Values {
        let Some(live) = self.subject.lineage.names(LIVE) else { return Vec::new() };
        row.members(live)
            .filter(|(name, _)| self.was_logged(change, name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// A change's row before and after it.
    pub fn images(&self, change: &Change) -> (Row, Row) {
        let Some(names) = self.subject.lineage.names(change.shape) else {
            refuse(&format!("change {} of {} cannot be read", change.id, self.table.name), "", "");
        };
        images(change, names, &self.subject.lineage.columns)
    }

    /// A change to be taken back, as the table of that place.
    pub fn undone(&self, change: &Change, place: usize) -> Undone {
        if self.subject.lineage.is_gone(change.shape) {
            refuse(
                &format!("change {} of {} cannot be taken back", change.id, self.table.name),
                "It was made in a partition that is none of the table any more: what has its key now is another row.",
                "",
            );
        }
        let (before, after) = self.images(change);
        let done = match change.operation {
            Operation::Insert => Done::Inserted,
            Operation::Update => Done::Updated,
            Operation::Delete => Done::Deleted,
            Operation::Truncate => refuse_truncate(&self.table.name),
        };
        let is_kept_back = |name: &str| !self.was_logged(change, name);
        if done == Done::Deleted
            && let Some(column) = self
                .table
                .columns
                .iter()
                .find(|column| !column.is_generated && (!column.is_logged || is_kept_back(&column.name)))
        {
            refuse(
                &format!("change {} of {} cannot be taken back", change.id, self.table.name),
                &format!("It deleted a row, and column \"{}\" is not in the log.", column.name),
                "",
            );
        }
        let known = if done == Done::Inserted { &after } else { &before };
        let names = self.subject.lineage.names(change.shape);
        let is_known = |column: ColumnId| {
            let logged = names.and_then(|names| names.attribute(column)).map(|found| found.logged);
            logged == Some(Logged::Yes) && known.get(column).is_some()
        };
        if !self.key.iter().all(|&column| is_known(column)) {
            refuse(
                &format!("change {} of {} cannot be taken back", change.id, self.table.name),
                "Rows were told apart by other columns then, so that others could be changed.",
                "",
            );
        }
        let set_back = self.subject.table.columns.iter().find(|column| {
            let Some(live) = self.subject.lineage.names(LIVE) else { return false };
            column.is_identity && live.id(&column.name).is_some_and(|id| before.get(id) != after.get(id))
        });
        if done == Done::Updated
            && let Some(column) = set_back
        {
            refuse(
                &format!("change {} of {} cannot be taken back", change.id, self.table.name),
                &format!("It changed column \"{}\", to which no UPDATE can give a value.", column.name),
                "It is GENERATED ALWAYS AS IDENTITY: make it BY DEFAULT first.",
            );
        }
        Undone {
            change: change.id,
            table: place,
            done,
            before: if done == Done::Inserted { Vec::new() } else { self.values(change, &before) },
            after: if done == Done::Deleted { Vec::new() } else { self.values(change, &after) },
        }
    }

    /// Whether a change's values of the column that is called so now are in the log as they are; also where there was no
    /// such column.
    fn was_logged(&self, change: &Change, name: &str) -> bool {
        let id = self.subject.lineage.names(LIVE).and_then(|live| live.id(name));
        let names = self.subject.lineage.names(change.shape);
        id.and_then(|id| names?.attribute(id)).is_none_or(|found| found.logged == Logged::Yes)
    }
}

/// The foreign keys between these tables.
pub fn foreign_keys(tables: &[Revertible]) -> Vec<ForeignKey> {
    let found = rows(
        None,
        "SELECT k.oid, k.conrelid, k.confrelid, theirs.attname, ours.attname, k.confupdtype IN ('c', 'n', 'd')
         FROM pg_catalog.pg_constraint k
         CROSS JOIN LATERAL pg_catalog.generate_subscripts(k.conkey, 1) place
         JOIN pg_catalog.pg_attribute theirs ON theirs.attrelid = k.conrelid AND theirs.attnum = k.conkey[place]
         JOIN pg_catalog.pg_attribute ours ON ours.attrelid = k.confrelid AND ours.attnum = k.confkey[place]
         WHERE k.contype = 'f' AND k.conrelid = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.oid[]) AND k.confrelid = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.oid[])
         ORDER BY k.oid, place",
        &[list(tables.iter().map(|table| table.subject.table.oid))],
    );
    let places: HashMap<Oid, usize> =
        tables.iter().enumerate().rev().map(|(place, table)| (table.subject.table.oid, place)).collect();
    let place_of = |oid: Option<&str>| places.get(&oid?.parse::<Oid>().ok()?).copied();
    let mut keys: Vec<(String, ForeignKey)> = Vec::new();
    for row in &found {
        let part = |place| text(row, place).unwrap_or_default().to_owned();
        if keys.last().is_none_or(|(oid, _)| *oid != part(0))
            && let (Some(child), Some(parent)) = (place_of(text(row, 1)), place_of(text(row, 2)))
        {
            let follows_updates = part(5) == "t";
            keys.push((part(0), ForeignKey { child, parent, columns: Vec::new(), follows_updates }));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push((part(3), part(4)));
        }
    }
    keys.into_iter().map(|(_, key)| key).collect()
}

/// The tables of these changes, of which the caller has to see everything.
fn targets(book: &Book, shapes: &HashSet<i32>) -> Targets {
    let watched: Vec<Watched> = book.watched(None);
    let mut targets = Targets::default();
    let mut known: HashSet<Oid> = HashSet::new();
    let logged = book.shapes(&watched);
    for found in logged.iter().filter(|found| shapes.contains(&found.shape.id)) {
        let Some(table) = watched.iter().find(|each| each.id == found.relation) else { continue };
        let Some(oid) = table.table else {
            refuse(&format!("table {} is gone, and nothing of it can be taken back", table.name), "", "");
        };
        if known.insert(oid) {
            let subject = Subject::new(book, oid);
            must_see_all(&subject);
            targets.add(subject, shapes);
        }
    }
    targets
}

/// An ERROR for whoever may not see all of the table.
pub fn must_see_all(subject: &Subject) {
    if !matches!(subject.visible, Visible::All | Visible::Table) {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            &format!("permission denied for columns of {}", subject.table.qualified()),
            "Whoever takes a row back has to see all of it.",
            "",
        );
    }
}

/// Plans to take a transaction back; returns the number of the plan.
pub fn of_transaction(transaction: i64) -> i64 {
    let book = Book::open();
    let progress = Progress::begin(&progress::REVERT);
    let sql = format!(
        "SELECT {} FROM dbm_trail.change c
         WHERE c.transaction_id = $1::pg_catalog.int8
           -- After a restore transactions count anew: of two with this number the last is meant.
           AND c.transaction_started_at = (SELECT pg_catalog.max(b.transaction_started_at) FROM dbm_trail.change b
                                           WHERE b.transaction_id = $1::pg_catalog.int8)
         ORDER BY c.change_id",
        change_columns()
    );
    if transaction < 0 {
        no_such(transaction);
    }
    let mut changes: Vec<Change> =
        cursor(&book, &sql, &[Some(transaction.to_string())]).take(MOST + 1).collect();
    if changes.is_empty() {
        no_such(transaction);
    }
    if changes.len() > MOST {
        refuse(
            &format!(
                "transaction {transaction} made more than {MOST} changes, which are too many for a plan"
            ),
            "",
            "SELECT dbm.as_of(…) tells the tables as they were before it.",
        );
    }
    let shapes: HashSet<i32> = changes.iter().map(|change| change.shape).collect();
    let targets = targets(&book, &shapes);
    settle_rows(&mut changes, |change| {
        let table = targets.table(change);
        (targets.place(change), table.images(change).0.key(&table.key))
    });
    let undone: Vec<Undone> = changes.iter().map(|change| targets.undone(change)).collect();
    refuse_later(&book, transaction, &changes, &targets, &progress);
    let title = format!("take back transaction {transaction}");
    progress.report(progress::WRITING_PLAN, 0, 0);
    store(title, format!("dbm.revert_plan({transaction})"), targets.tables, &undone)
}

/// Makes the plan, and returns its number.
pub fn store(title: String, call: String, tables: Vec<Revertible>, undone: &[Undone]) -> i64 {
    let keys = foreign_keys(&tables);
    let tables: Vec<Table> = tables.into_iter().map(|table| table.table).collect();
    for told in tables.iter().filter_map(told_of_triggers) {
        pgrx::notice!("{}", message_to_server(&told));
    }
    let asked = Asked { title, call, search_path: search_path::of_caller() };
    run::store(&plan(asked, &tables, &keys, undone))
}

/// Puts the changes of each row in the order of their commands, in the places that they have among all.
fn settle_rows(changes: &mut [Change], row: impl Fn(&Change) -> (usize, Key)) {
    let mut rows: HashMap<(usize, Key), Vec<usize>> = HashMap::new();
    for (place, change) in changes.iter().enumerate() {
        rows.entry(row(change)).or_default().push(place);
    }
    for places in rows.into_values() {
        let mut own: Vec<Change> = places.iter().map(|&place| changes[place].clone()).collect();
        settle(&mut own, |change| (change.transaction, change.statement, change.id));
        for (place, change) in places.into_iter().zip(own) {
            changes[place] = change;
        }
    }
}

fn no_such(transaction: i64) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
        &format!("transaction {transaction} is not in the audit log"),
        "",
        "SELECT DISTINCT transaction_id FROM dbm.changes(since => now() - interval '1 hour') lists the last.",
    )
}

/// Refuses where rows that the transaction changed were changed since, and says by which changes.
fn refuse_later(book: &Book, transaction: i64, changes: &[Change], targets: &Targets, progress: &Progress) {
    let tables = &targets.tables;
    // The first change of each row, and of each table: from then on nobody else could change it until the transaction
    // was over. What others did before that they did not lose.
    let mut touched: HashMap<(usize, Key), i64> = HashMap::new();
    let mut first_of_table: HashMap<usize, i64> = HashMap::new();
    for change in changes {
        let (place, table) = (targets.place(change), targets.table(change));
        let (before, after) = table.images(change);
        for row in [before, after] {
            let key = row.key(&table.key);
            touched.entry((place, key)).and_modify(|id| *id = change.id.min(*id)).or_insert(change.id);
        }
        first_of_table.entry(place).and_modify(|id| *id = change.id.min(*id)).or_insert(change.id);
    }
    let is_after = |first: Option<&i64>, id: i64| first.is_some_and(|&first| id > first);
    let first = changes.iter().map(|change| change.id).min().unwrap_or(0);
    let sql = format!(
        "SELECT {} FROM dbm_trail.change c
         WHERE {} AND c.change_id > $2::pg_catalog.int8
           AND c.transaction_id <> $3::pg_catalog.int8 AND c.changed_at >= {}
         ORDER BY c.change_id",
        change_columns(),
        of_shapes(targets.shapes().count(), 1),
        moment(4)
    );
    // A moment before the first change: clocks may differ by what a transaction takes.
    let since = changes.iter().map(|change| change.at).min().unwrap_or(0).saturating_sub(1_000_000);
    let arguments = [
        list(targets.shapes()),
        Some(first.to_string()),
        Some(transaction.to_string()),
        Some(since.to_string()),
    ];
    progress.report(progress::LATER_CHANGES, 0, 0);
    let mut later = Vec::new();
    let mut count = 0_usize;
    // The partitions of a table are truncated with it.
    let truncated = |change: &Change| {
        let mut places = targets.with_past(change.shape).iter().copied();
        places.find(|place| is_after(first_of_table.get(place), change.id))
    };
    for (read, change) in cursor(book, &sql, &arguments).enumerate() {
        progress.report_row(read, progress::LATER_CHANGES, read, 0);
        let is_truncate = change.operation == Operation::Truncate;
        let place = if is_truncate { truncated(&change) } else { targets.place_of_shape(change.shape) };
        let Some(place) = place else { continue };
        let table = &tables[place];
        let is_later = is_truncate || {
            let (before, after) = table.images(&change);
            [before, after].iter().any(|row| is_after(touched.get(&(place, row.key(&table.key))), change.id))
        };
        if is_later {
            count += 1;
            if later.len() < NAMED {
                let key = object(change.key.iter().map(|(name, value)| (&**name, &**value)));
                let what = if change.key.is_empty() { String::new() } else { format!(" {key}") };
                later.push(format!(
                    "change {}, {} of {}{what} by transaction {}",
                    change.id,
                    change.operation.name(),
                    table.table.name,
                    change.transaction
                ));
            }
        }
    }
    if count > 0 {
        let more =
            if count > later.len() { format!(", and {} more", count - later.len()) } else { String::new() };
        refuse(
            &format!("transaction {transaction} cannot be taken back: {count} later changes would be lost"),
            &format!("{}{more}.", later.join("; ")),
            "Take the later transactions back first, or single rows by dbm.revert_plan(target, key, at).",
        );
    }
}

/// Plans to make one row what it was; returns the number of the plan.
pub fn of_row(target: Oid, key: &str, at: Moment) -> i64 {
    let book = Book::open();
    let progress = Progress::begin(&progress::REVERT);
    let subject = Subject::new(&book, target);
    must_see_all(&subject);
    super::as_of::must_be_watched(&book, &subject, at);
    let name = subject.table.qualified();
    let changes = row_changes(&book, &subject, key, at, MOST + 1);
    if changes.len() > MOST {
        refuse(
            &format!("this row of {name} was changed more than {MOST} times since, too often for a plan"),
            "",
            "Ask for a later moment.",
        );
    }
    if changes.is_empty() {
        refuse(
            &format!("this row of {name} was not changed since, as far as the log tells"),
            "",
            &format!(
                "SELECT * FROM dbm.row_history({}, {}) tells what it has.",
                quote_literal(&name),
                quote_literal(key)
            ),
        );
    }
    if subject.lineage.is_held() {
        refuse_halves(&book, &subject, &changes);
    }
    super::doubts::say(&book, &subject, at, Moment::MAX);
    let targets = Targets::of(subject, &changes.iter().map(|change| change.shape).collect());
    let undone: Vec<Undone> = changes.iter().map(|change| targets.undone(change)).collect();
    let when = super::as_of::when(at);
    let call = format!(
        "dbm.revert_plan({}, {}, {})",
        quote_literal(&name),
        quote_literal(key),
        quote_literal(&when)
    );
    progress.report(progress::WRITING_PLAN, 0, 0);
    store(format!("make row {key} of {name} what it was at {when}"), call, targets.tables, &undone)
}
