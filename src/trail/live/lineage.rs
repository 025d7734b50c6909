//! The columns of a table through time, and its partitions: what the log has of both, and what they are now.

use super::book::{Book, Watched, list, micros, number, text};
use crate::catalog::Moment;
use crate::pg;
use crate::pg::trail::reading::table::{Table, half_detached};
use crate::pg::trail::{ATTACHED, CAME, DETACHED, DROPPED, NAMED, WENT, home};
use crate::trail::read::holders::{Event, Holder, Passages};
use crate::trail::read::lineage::{Attribute, LIVE, Lineage, Logged, Shape};

/// The columns of a table through time: those shapes of the log, and what it and its partitions are now.
pub fn lineage_of(
    book: &Book,
    watched: &[Watched],
    table: &Table,
    partitions: &[Table],
    mut logged: Vec<Shape>,
) -> Lineage {
    let home = home();
    let passages = if table.is_partitioned {
        passages(book, watched, table, &home)
    } else {
        for shape in &mut logged {
            shape.holder = Holder::default();
        }
        Passages::default()
    };
    let live = |id: i32, of: &Table| Shape {
        id,
        seen_at: i64::MAX,
        attributes: of
            .columns
            .iter()
            .map(|column| Attribute {
                number: column.number,
                name: column.name.clone(),
                generated: column.is_generated,
                // As the last shape of the log has it.
                logged: Logged::default(),
                type_name: Some(column.type_name.clone()),
                above: None,
                is_guessed: false,
            })
            .collect(),
        key: of.columns.iter().filter(|column| column.is_key).map(|column| column.name.clone()).collect(),
        holder: if table.is_partitioned {
            Holder { home: home.clone(), relid: of.oid, name: of.qualified() }
        } else {
            Holder::default()
        },
        is_noted: false,
    };
    let mut shapes = logged;
    shapes.push(live(LIVE, table));
    if table.is_partitioned {
        let leaves = partitions.iter().filter(|leaf| !leaf.is_partitioned);
        shapes.extend(leaves.zip(1..).map(|(leaf, place)| live(LIVE - place, leaf)));
    }
    Lineage::new(shapes, &passages)
}

/// When partitions of a table came and went.
fn passages(book: &Book, watched: &[Watched], table: &Table, home: &str) -> Passages {
    let mut passages = if book.has_events() {
        let sql = format!(
            "SELECT {}, kind, relid, state->>'home', state->>'relid', detail FROM dbm_trail.event
             WHERE relation_id = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.int4[])
               AND (state IS NOT NULL
                    OR kind IN ('{ATTACHED}', '{DETACHED}', '{CAME}', '{WENT}', '{NAMED}') AND relid IS NOT NULL)
             ORDER BY event_id",
            micros("happened_at")
        );
        let events = book.rows(&sql, &[list(watched.iter().map(|each| each.id))]);
        Passages::new(events.iter().map(|event| {
            let relid = number(event, 2);
            let name = || {
                let detail = text(event, 5).unwrap_or_default();
                detail.strip_suffix(DROPPED).unwrap_or(detail).to_owned()
            };
            let told = match (text(event, 3), text(event, 1)) {
                (Some(home), _) => Event::Itself(home.to_owned(), number(event, 4)),
                (None, Some(ATTACHED | CAME)) => Event::Came(relid, name()),
                (None, Some(NAMED)) => Event::Named(relid, name()),
                _ => Event::Went(relid, name()),
            };
            (number(event, 0), told)
        }))
    } else {
        Passages::default()
    };
    // A restore that nobody has written to yet.
    passages.is_there(Moment::MAX, home.to_owned(), table.oid);
    for partition in half_detached(table.oid) {
        passages.pass(pg::moment::now(), partition, String::new(), false);
    }
    passages
}
