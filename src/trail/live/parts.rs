//! Partitions that have keys of their own, of which the table above them has none: which partition holds a row, and each as a
//! table by itself.

use std::collections::HashMap;

use pgrx::PgSqlErrorCode;

use super::as_of::when;
use super::book::{Book, Subject, list, micros, number};
use crate::catalog::Moment;
use crate::pg::error::raise;
use crate::pg::trail::reading::access::Visible;
use crate::pg::trail::reading::table::{Table, cut_by, unique};
use crate::text::quote_identifier;
use crate::trail::read::lineage::{ColumnId, LIVE, Lineage};

/// Sees which keys tell rows apart in one partition alone.
pub fn hold(lineage: &mut Lineage, table: &Table) {
    let Some(live) = lineage.names(LIVE).cloned() else { return };
    let of_number = |number: &i32| {
        let found = live.columns.iter().find(|(_, attribute)| attribute.number == *number);
        found.map(|&(id, _)| id)
    };
    let unique: Vec<Vec<ColumnId>> =
        unique(table.oid).iter().filter_map(|numbers| numbers.iter().map(of_number).collect()).collect();
    let cut_by: Option<Vec<ColumnId>> =
        cut_by(table.oid).and_then(|names| names.iter().map(|name| live.id(name)).collect());
    lineage.hold(&unique, cut_by.as_deref());
}

/// Refuses where rows may have come to other partitions without a change of them: nobody knows any more what told them apart.
pub fn must_be_where_they_were(book: &Book, subject: &Subject, from: Moment, until: Moment) {
    let Some(at) = moved(book, subject, from, until) else { return };
    raise(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        &format!("table {} cannot be told as it was then", subject.table.qualified()),
        &format!(
            "Its partitions have keys of their own, and rows were moved out of one of them at {}, which no change of them tells.",
            when(at)
        ),
        "",
    );
}

/// When rows first came to other partitions without a change of them, between two moments, where that matters.
pub fn moved(book: &Book, subject: &Subject, from: Moment, until: Moment) -> Option<Moment> {
    if !subject.lineage.is_held() || !book.has_events() {
        return None;
    }
    let sql = format!(
        "SELECT {} FROM dbm_trail.event WHERE relation_id = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.int4[]) AND kind = 'moved' ORDER BY 1",
        micros("happened_at")
    );
    let found = book.rows(&sql, &[list(subject.watched.iter().map(|each| each.id))]);
    found.iter().map(|row| number(row, 0)).find(|&at| from < at && at <= until)
}

/// A partition as if it were the table; one that is gone has no rows any more.
pub fn alone(subject: &Subject, holder: usize) -> Subject {
    let part = live(subject, holder).map_or(0, |partition| partition.oid);
    let lineage = subject.lineage.of_holder(holder);
    Subject {
        table: Table { part: Some(part), ..subject.table.clone() },
        partitions: Vec::new(),
        watched: subject.watched.clone(),
        shapes: subject.lineage.shapes_of(holder).collect(),
        names: HashMap::new(),
        visible: subject.visible.clone(),
        lineage,
    }
}

/// The partition, unless it is gone.
pub fn live(subject: &Subject, holder: usize) -> Option<&Table> {
    let place = LIVE - subject.lineage.live_shape(holder)?;
    subject.partitions.get(usize::try_from(place).ok()?.checked_sub(1)?)
}

/// What a partition is called, or was called last.
pub fn name(subject: &Subject, holder: usize) -> String {
    match live(subject, holder) {
        Some(partition) => partition.qualified(),
        None => {
            let last = subject.lineage.shapes_of(holder).next_back();
            last.and_then(|shape| subject.names.get(&shape)).cloned().unwrap_or_default()
        }
    }
}

/// Whether the caller may see in which partition a row is.
pub fn are_seen(subject: &Subject) -> bool {
    !matches!(subject.visible, Visible::Columns(_))
}

/// Where rows are told apart by their partitions, the caller has to be allowed to see these.
pub fn must_be_seen(subject: &Subject) {
    if !are_seen(subject) {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            &format!("permission denied for column \"tableoid\" of {}", subject.table.qualified()),
            "Its partitions have keys of their own: its rows are told apart by it.",
            "",
        );
    }
}

/// The partition that a caller names, by its name or its OID; an ERROR where the log knows none.
pub fn named(subject: &Subject, partition: &str) -> usize {
    let holders = subject.lineage.holders();
    let is_named = |holder: &&usize| {
        let Some(table) = live(subject, **holder) else { return name(subject, **holder) == partition };
        partition == table.qualified()
            || partition == quote_identifier(&table.name)
            || partition == table.oid.to_string()
    };
    // One that is gone may have the name of one that is there.
    let (there, gone): (Vec<usize>, Vec<usize>) =
        holders.iter().partition(|&&holder| live(subject, holder).is_some());
    let alike: Vec<&usize> = there.iter().filter(is_named).collect();
    if alike.len() > 1 {
        let names: Vec<String> = alike.iter().map(|&&holder| name(subject, holder)).collect();
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("several partitions of {} are called {partition}", subject.table.qualified()),
            &names.join(", "),
            "Name it with its schema.",
        );
    }
    alike.first().copied().or_else(|| gone.iter().find(is_named)).copied().unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!(
                "{partition} is no partition of {} with rows in the audit log",
                subject.table.qualified()
            ),
            "",
            "",
        )
    })
}

/// Which partitions of a table hold its rows.
pub struct Holders(HashMap<String, usize>);

impl Holders {
    /// Those that are there now.
    pub fn new(subject: &Subject) -> Self {
        let of = |(place, partition): (i32, &Table)| {
            let names = subject.lineage.names(LIVE - place)?;
            Some((partition.oid.to_string(), names.holder))
        };
        Self((1..).zip(&subject.partitions).filter_map(of).collect())
    }

    /// The one of that OID.
    pub fn of(&self, partition: Option<&str>) -> Option<usize> {
        self.0.get(partition?).copied()
    }
}
