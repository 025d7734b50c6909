//! `dbm.as_of()`: a table as it was.

use std::collections::HashSet;
use std::rc::Rc;

use pgrx::PgSqlErrorCode;

use super::book::{
    Book, CHANGES, PLACE, Subject, Watched, change_columns, cursor, list, moment, of_changes, of_shapes, text,
};
use super::told::Told;
use super::{doubts, parts, retained};
use crate::catalog::{Moment, Oid};
use crate::pg;
use crate::pg::error::raise;
use crate::pg::trail::reading::access::Visible;
use crate::pg::trail::reading::table::Column;
use crate::trail::read::document::{NULL, input, object};
use crate::trail::read::holders::Presence;
use crate::trail::read::lineage::{ColumnId, LIVE, Lineage, Logged, Names};
use crate::trail::read::rewind::{Barred, Replay, Rewind};
use crate::trail::read::row::{Row, key_columns, literal};
use crate::trail::stretch::Stretch;

/// The rows of a table as they were, each as JSON by the names that its columns had then.
pub fn as_of(target: Oid, at: Moment) -> Box<dyn Iterator<Item = String>> {
    let book = Book::open();
    let told = Told::begin();
    let subject = Subject::new(&book, target);
    let Then { names, rows } = rows_at(&book, &subject, at, told);
    Box::new(rows.map(move |row| object(row.members(&names))))
}

/// The rows of a table as they were, as rows of the table as it is now: what has come since is NULL, what is gone is left
/// out. Each as the text that the type's input function reads.
pub fn as_of_typed(target: Oid, at: Moment) -> Box<dyn Iterator<Item = String>> {
    let book = Book::open();
    let told = Told::begin();
    let subject = Subject::new(&book, target);
    let Then { names, rows } = rows_at(&book, &subject, at, told);
    let live = subject.lineage.names(LIVE).cloned().unwrap_or_default();
    let columns: Vec<(ColumnId, bool)> = live
        .columns
        .iter()
        .map(|(id, attribute)| (*id, subject.table.column(&attribute.name).is_some_and(Column::is_jsonb)))
        .collect();
    Box::new(rows.map(move |row| {
        let values = columns.iter().map(|&(id, is_jsonb)| {
            let value = row.get(id).filter(|_| names.attribute(id).is_some())?;
            if is_jsonb && value != NULL { Some(value.to_owned()) } else { input(value) }
        });
        literal(values)
    }))
}

/// Refuses a moment at which the table was not watched, of which the log is gone, or that has not come.
pub fn must_be_watched(book: &Book, subject: &Subject, at: Moment) {
    stretch(book, subject, at);
}

/// Rows as they were, and what the columns were called.
struct Then {
    /// The names.
    names: Rc<Names>,
    /// The rows; what the caller may not see is unknown.
    rows: Box<dyn Iterator<Item = Row>>,
}

/// A moment as people read it.
pub fn when(at: Moment) -> String {
    match at {
        Moment::MAX => return "infinity".to_owned(),
        Moment::MIN => return "-infinity".to_owned(),
        _ => {}
    }
    let found = pg::trail::reading::rows(None, &format!("SELECT {}", moment(1)), &[Some(at.to_string())]);
    found.first().and_then(|row| text(row, 0)).unwrap_or_default().to_owned()
}

/// The stretch of watching in which the moment lies, whose it is, and whether the table is watched now.
fn stretch(book: &Book, subject: &Subject, at: Moment) -> (Watched, Stretch, bool) {
    let name = subject.table.qualified();
    if at > pg::moment::now() {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("nobody knows yet what table {name} will be at {}", when(at)),
            "",
            "",
        );
    }
    let last = subject.watched.last().map(|each| each.id);
    let found = subject
        .watched
        .iter()
        .rev()
        .find_map(|each| Some((each, each.stretches.iter().rev().find(|stretch| stretch.has(at))?)));
    let Some((each, found)) = found else {
        let stretches: Vec<String> = subject
            .watched
            .iter()
            .flat_map(|each| &each.stretches)
            .map(|stretch| match stretch.until {
                Some(until) => format!("from {} to {}", when(stretch.from), when(until)),
                None => format!("since {}", when(stretch.from)),
            })
            .collect();
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            &format!("table {name} was not watched at {}", when(at)),
            &format!("It was watched {}.", stretches.join(", ")),
            "",
        )
    };
    let mut found = *found;
    if let Some(since) = retained::cut(book, subject) {
        if at < since {
            raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                &format!("table {name} cannot be told as it was at {}", when(at)),
                &format!("What was logged before {} is gone by retention.", when(since)),
                "",
            );
        }
        found.from = found.from.max(since);
    }
    (each.clone(), found, each.is_watched && Some(each.id) == last)
}

fn bar(name: &str, barred: Barred) -> ! {
    let (message, detail) = match barred {
        Barred::NoShape(id) => (
            format!("change {id} of {name} cannot be read"),
            "Its row of dbm_trail.shape is gone.".to_owned(),
        ),
        Barred::OtherKey(id) => (
            format!("table {name} cannot be told as it was then"),
            format!(
                "At change {id} its rows were told apart by other columns than later, which do not tell all of them apart now."
            ),
        ),
        Barred::Truncate(at) => {
            (format!("table {name} cannot be told as it was before TRUNCATE at {}", when(at)), String::new())
        }
    };
    raise(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, &message, &detail, "")
}

/// The rows of a table as they were.
fn rows_at(book: &Book, subject: &Subject, at: Moment, told: Rc<Told>) -> Then {
    let (watched, stretch, lasts) = stretch(book, subject, at);
    let now = pg::moment::now();
    let lineage = Rc::new(subject.lineage.clone());
    let names = Rc::new(lineage.names_at(at, now).cloned().unwrap_or_default());
    let shapes = of_changes(&book.shapes(std::slice::from_ref(&watched)));
    let way = Way { book, subject, lineage: &lineage, shapes: &shapes, from: stretch.from, at, told: &told };
    if way.lineage.is_held() {
        parts::must_be_seen(way.subject);
    }
    let rows = match if lasts { way.back(&names) } else { None } {
        Some(rows) => {
            parts::must_be_where_they_were(book, subject, at, Moment::MAX);
            doubts::say(book, subject, at, Moment::MAX);
            rows
        }
        None => {
            parts::must_be_where_they_were(book, subject, stretch.from, at);
            doubts::say(book, subject, stretch.from, at);
            Box::new(way.forward().into_rows().into_iter())
        }
    };
    let unseen: Vec<ColumnId> = match &subject.visible {
        Visible::All => Vec::new(),
        _ => {
            let live = lineage.names(LIVE).cloned().unwrap_or_default();
            let seen = subject.seen_columns(LIVE).unwrap_or_default();
            let is_seen = |id| live.attribute(id).is_some_and(|attribute| seen.contains(&attribute.name));
            (0..lineage.columns.len()).filter(|&id| !is_seen(id)).collect()
        }
    };
    let sees_all = matches!(subject.visible, Visible::All);
    let rows = rows.map(move |mut row| {
        told.row();
        for &column in &unseen {
            row.forget(column);
        }
        if let Some(holder) = row.holder.filter(|_| !sees_all) {
            lineage.guessed(holder).for_each(|column| row.forget(column));
        }
        row
    });
    Then { names, rows: Box::new(rows) }
}

/// Rows of partitions that have gone.
struct Gone {
    /// Those that the log saw coming.
    seen: Replay,
    /// Others.
    left: Vec<Row>,
    /// The partitions of which no other row of the table could have the key of one of theirs.
    unique: HashSet<usize>,
}

struct Way<'a> {
    book: &'a Book,
    subject: &'a Subject,
    lineage: &'a Rc<Lineage>,
    shapes: &'a [i32],
    /// When the stretch of watching began: what was logged before it is not followed forward, since rows may have gone while
    /// nobody watched.
    from: Moment,
    at: Moment,
    told: &'a Told,
}

impl Way<'_> {
    fn name(&self) -> String {
        self.subject.table.qualified()
    }

    /// What tells rows apart for the log now.
    fn key(&self) -> Vec<ColumnId> {
        let last = self.shapes.iter().max().copied().unwrap_or(LIVE);
        let Some(names) = self.lineage.names(last) else { return Vec::new() };
        let key = key_columns(names);
        if !names.is_whole_row && key.len() != names.key.len() {
            raise(
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                &format!("table {} cannot be told as it was", self.name()),
                "A column of its key is not in the log as it is.",
                "",
            );
        }
        key
    }

    /// The shapes of tables that were partitions then, or of the table itself: those that still are, or those that are gone.
    fn shapes_of(&self, presence: Presence) -> Vec<i32> {
        let is_such = |shape: &i32| self.lineage.presence(*shape, self.at) == presence;
        self.shapes.iter().copied().filter(is_such).collect()
    }

    /// Takes back the changes of these shapes since then.
    fn rewind(&self, shapes: &[i32]) -> Result<Rewind, Barred> {
        let mut rewind = Rewind::new(self.lineage);
        let sql = format!(
            "SELECT {} FROM {CHANGES}
             WHERE {} AND c.changed_at > {}
             ORDER BY {PLACE} DESC, c.statement_no DESC, c.change_id DESC",
            change_columns(),
            of_shapes(shapes.len(), 1),
            moment(2)
        );
        for change in cursor(self.book, &sql, &[list(shapes), Some(self.at.to_string())]) {
            self.told.change();
            rewind.undo(&change)?;
        }
        Ok(rewind)
    }

    /// The rows of partitions that have gone since: what the log saw coming, and of those that did not come again what left
    /// them before they went. What became of rows while they were away no change tells, and another may have got their keys.
    fn gone(&self) -> Option<Gone> {
        let unique = self.lineage.with_keys();
        let is_unique = |shape| self.lineage.names(shape).is_some_and(|names| unique.contains(&names.holder));
        let went = |&shape: &i32| match self.lineage.presence(shape, self.at) {
            Presence::Ended => true,
            Presence::Lasting => is_unique(shape) && self.lineage.went_since(shape, self.at),
            Presence::Absent => false,
        };
        let shapes: Vec<i32> = self.shapes.iter().copied().filter(went).collect();
        if shapes.is_empty() {
            return None;
        }
        let seen = self.forward_of(&shapes).unwrap_or_else(|barred| bar(&self.name(), barred));
        let ended = self.rewind(&self.shapes_of(Presence::Ended));
        let mut left = ended.map_or_else(|_| Vec::new(), |mut rewind| rewind.finish());
        left.retain(|row| seen.row_like(row).is_none());
        Some(Gone { seen, left, unique })
    }

    /// From now back; `None` where TRUNCATE bars the way.
    fn back(&self, names: &Names) -> Option<Box<dyn Iterator<Item = Row>>> {
        let key = self.key();
        // Whoever may read some columns only may not ask in which partition a row is: rows that came with one since are told as
        // they were before the first change of them.
        let is_told_apart = !matches!(self.subject.visible, Visible::Columns(_));
        let is_followed = |&shape: &i32| match self.lineage.presence(shape, self.at) {
            Presence::Lasting => true,
            Presence::Absent => !is_told_apart && self.lineage.is_live(shape),
            Presence::Ended => false,
        };
        let followed: Vec<i32> = self.shapes.iter().copied().filter(is_followed).collect();
        let mut rewind = match self.rewind(&followed) {
            Ok(rewind) => rewind,
            Err(Barred::Truncate(_)) => return None,
            Err(barred) => bar(&self.name(), barred),
        };
        let live = self.lineage.names(LIVE)?;
        let seen = self.subject.seen_columns(LIVE);
        let mut columns: Vec<&Column> = Vec::new();
        let mut ids = Vec::new();
        for (id, attribute) in &live.columns {
            let is_seen = seen.as_ref().is_none_or(|seen| seen.contains(&attribute.name));
            if attribute.logged == Logged::Yes && is_seen {
                columns.extend(self.subject.table.column(&attribute.name));
                ids.push(*id);
            }
        }
        let unseen = rewind.key_columns().chain(key).find(|id| !ids.contains(id));
        let unseen = unseen.and_then(|id| live.attribute(id));
        if let Some(attribute) = unseen {
            raise(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                &format!("permission denied for column \"{}\" of {}", attribute.name, self.name()),
                "Its rows are told apart by it.",
                "",
            );
        }
        // Columns that are gone are in the log alone.
        let is_gone = |id: ColumnId| live.attribute(id).is_none();
        let earlier = names
            .columns
            .iter()
            .any(|(id, attribute)| is_gone(*id) && attribute.logged != Logged::No)
            .then(|| match self.forward_quietly() {
                Ok(replay) => Some(replay),
                Err(Barred::OtherKey(_)) => {
                    pgrx::warning!(
                        "values of columns of {} that are gone are left out: rows were told apart by others meanwhile",
                        self.name()
                    );
                    None
                }
                Err(barred) => bar(&self.name(), barred),
            })
            .flatten();
        let all = Rc::clone(&self.lineage.columns);
        let mut restored = rewind.finish().into_iter();
        let mut gone = self.gone();
        let mut of_gone = Vec::new().into_iter();
        let table = self.name();
        let holders = self.lineage.is_held().then(|| parts::Holders::new(self.subject));
        let without = if is_told_apart { self.lineage.came_after(self.at) } else { Vec::new() };
        let mut rest = Some(self.subject.table.read(&columns, holders.is_some(), &without));
        let rows = std::iter::from_fn(move || {
            let mut found = None;
            while let Some(cursor) = &mut rest {
                let Some(values) = cursor.next() else {
                    rest = None;
                    if rewind.missing() > 0 {
                        pgrx::warning!(
                            "{} rows that the log has are not in {table}: it was changed while nobody watched",
                            rewind.missing()
                        );
                    }
                    break;
                };
                let mut row = Row::unknown(&all);
                if let Some(holders) = &holders {
                    row.holder = holders.of(values.last().and_then(Option::as_deref));
                }
                for (id, value) in ids.iter().zip(&values) {
                    if let Some(value) = value {
                        row.set(*id, value);
                    }
                }
                found = rewind.was(row);
                if found.is_some() {
                    break;
                }
            }
            let Some(mut row) = found.or_else(|| restored.next()) else {
                if let Some(Gone { seen, left, .. }) = gone.take() {
                    of_gone = [seen.into_rows(), left].concat().into_iter();
                }
                return of_gone.next().map(Some);
            };
            let is_of_gone = gone.as_ref().is_some_and(|Gone { seen, unique, .. }| {
                seen.rows_like(&row).any(|known| known.holder.is_some_and(|holder| unique.contains(&holder)))
            });
            if is_of_gone {
                return Some(None);
            }
            if let Some(known) = earlier.as_ref().and_then(|earlier| earlier.row_like(&row)) {
                row.complete(known);
            }
            Some(Some(row))
        });
        let rows = rows.flatten();
        Some(Box::new(rows))
    }

    /// From the last TRUNCATE by then, or from the beginning, up to that moment.
    fn forward_quietly(&self) -> Result<Replay, Barred> {
        self.forward_of(self.shapes)
    }

    /// The same, of these shapes and of the table as a whole.
    fn forward_of(&self, shapes: &[i32]) -> Result<Replay, Barred> {
        let mut replay = Replay::new(self.lineage);
        let sql = format!(
            "SELECT {} FROM {CHANGES}
             WHERE {} AND c.changed_at <= {}
               AND c.changed_at >= {}
               AND c.change_id >= coalesce((
                   SELECT max(t.change_id) FROM dbm_trail.change t
                   WHERE t.shape_id = ANY (pg_catalog.string_to_array($3, ',')::pg_catalog.int4[]) AND t.operation = 'T' AND t.key_hash IS NULL
                     AND t.changed_at <= {}), 0)
             ORDER BY {PLACE}, c.statement_no, c.change_id",
            change_columns(),
            of_shapes(shapes.len(), 1),
            moment(2),
            moment(4),
            moment(2)
        );
        let whole = self.shapes.iter().filter(|&&shape| self.lineage.is_whole_table(shape));
        let arguments = [
            list(shapes.iter().chain(whole.clone())),
            Some(self.at.to_string()),
            list(whole),
            Some(self.from.to_string()),
        ];
        for change in cursor(self.book, &sql, &arguments) {
            self.told.change();
            replay.apply(&change)?;
        }
        replay.end(self.at);
        Ok(replay)
    }

    /// The same, saying what is not known.
    fn forward(&self) -> Replay {
        let replay = self.forward_quietly().unwrap_or_else(|barred| bar(&self.name(), barred));
        if replay.begins_empty() {
            return replay;
        }
        if replay.strangers > 0 {
            pgrx::warning!(
                "{} rows of {} were there before {}, and only what changed of them is known",
                replay.strangers,
                self.name(),
                when(self.from)
            );
        } else {
            pgrx::notice!(
                "rows of {} that were there before {} and were not changed until then are not known",
                self.name(),
                when(self.from)
            );
        }
        replay
    }
}
