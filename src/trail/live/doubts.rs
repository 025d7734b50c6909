//! What the log cannot know of a table: what was done while its triggers were out of force, and rows that came and went with
//! partitions. It is said wherever something is told that depends on it.

use super::as_of::when;
use super::book::{Book, Subject, list, micros, number, text};
use crate::catalog::Moment;
use crate::pg::error::warn;
use crate::pg::trail::reading::rows;
use crate::pg::trail::{ATTACHED, DETACHED, home};
use crate::trail::stretch::gaps;
use crate::trail::survey::{SILENT, last_known, short_of_triggers};

/// So many are named.
const NAMED: usize = 3;

/// Says what is not known of what happened to a table after `from` and up to `until`.
pub fn say(book: &Book, subject: &Subject, from: Moment, until: Moment) {
    say_with(book, subject, (from, until), None);
}

/// The same, and something more.
pub fn say_with(book: &Book, subject: &Subject, (from, until): (Moment, Moment), more: Option<String>) {
    let mut doubts = Doubts::default();
    for told in more.into_iter().chain(lost_by_crashes(subject)) {
        doubts.add(|| told);
    }
    add_silences(book, subject, (from, until), &mut doubts);
    if doubts.count == 0 {
        return;
    }
    let more = doubts.count.saturating_sub(NAMED);
    let mut detail = doubts.named.join("; ");
    if more > 0 {
        detail.push_str(&format!("; and {more} more"));
    }
    warn(
        &format!("not all that was done to {} is in the audit log", subject.table.qualified()),
        &format!("{detail}."),
        "",
    );
}

/// What is not known, as far as it is named: of thousands of partitions the moments are not asked for.
#[derive(Default)]
struct Doubts {
    count: usize,
    named: Vec<String>,
}

impl Doubts {
    fn add(&mut self, told: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(told());
        }
    }
}

fn add_silences(book: &Book, subject: &Subject, (from, until): (Moment, Moment), doubts: &mut Doubts) {
    if !book.has_events() {
        return;
    }
    let sql = format!(
        "SELECT {}, kind, detail, {} FROM dbm_trail.event
         WHERE relation_id = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.int4[])
           AND kind IN ('installed', {SILENT}, 'enabled', 'joined', 'removed', '{ATTACHED}', '{DETACHED}')
         ORDER BY event_id",
        micros("happened_at"),
        micros("since")
    );
    let events = book.rows(&sql, &[list(subject.watched.iter().map(|each| each.id))]);
    let mut silent: Option<Moment> = None;
    let end_of_silence = |silent: &mut Option<Moment>, at: Option<Moment>, doubts: &mut Doubts| {
        let Some(since) = silent.take() else { return };
        if since <= until && at.is_none_or(|at| at > from) {
            doubts.add(|| match at {
                Some(at) => format!("its triggers were out of force from {} to {}", when(since), when(at)),
                None => format!("its triggers are out of force since {}", when(since)),
            });
        }
    };
    for event in &events {
        let at: Moment = number(event, 0);
        let detail = text(event, 2).unwrap_or_default();
        let is_between = from < at && at <= until;
        match text(event, 1).unwrap_or_default() {
            "disabled" | "dropped" => silent = silent.or(Some(at)),
            // Nobody saw when.
            "missing" => silent = silent.or(text(event, 3).and_then(|since| since.parse().ok())).or(Some(at)),
            ATTACHED if is_between => {
                doubts.add(|| {
                    format!("rows came with partition {detail} at {}, which no change tells", when(at))
                });
            }
            DETACHED if is_between => {
                doubts.add(|| {
                    format!("rows went with partition {detail} at {}, which no change tells", when(at))
                });
            }
            ATTACHED | DETACHED => {}
            _ => end_of_silence(&mut silent, Some(at), doubts),
        }
    }
    if silent.is_none() {
        silent = unseen(book, subject);
    }
    end_of_silence(&mut silent, None, doubts);
    for (gone, back) in subject.watched.iter().flat_map(|each| gaps(&each.stretches)) {
        if gone <= until && back > from {
            doubts.add(|| format!("it was not watched from {} to {}", when(gone), when(back)));
        }
    }
}

/// What a crash empties, of which no change tells.
fn lost_by_crashes(subject: &Subject) -> Option<String> {
    let found = rows(
        None,
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relpersistence = 'u' AND c.oid = ANY (ARRAY(
             SELECT $1::pg_catalog.oid UNION SELECT p.relid::pg_catalog.oid
             FROM pg_catalog.pg_partition_tree($1::pg_catalog.oid::pg_catalog.regclass) p))
         ORDER BY 1 LIMIT 1",
        &[Some(subject.table.oid.to_string())],
    );
    let name = found.first().and_then(|row| text(row, 0))?;
    Some(format!("a crash of the server empties {name}, which is unlogged, and no change tells"))
}

/// Since when triggers of the table may be out of force of which no event tells: whoever reads writes none.
fn unseen(book: &Book, subject: &Subject) -> Option<Moment> {
    let watched = subject.watched.iter().find(|each| each.is_watched)?;
    let sql = short_of_triggers(&format!("r.relation_id = {}", watched.id));
    if book.rows(&sql, &[Some(home())]).is_empty() {
        return None;
    }
    let known = format!("SELECT {}", micros(&last_known().replace("$1", &watched.id.to_string())));
    book.rows(&known, &[]).first().map(|row| number(row, 0))
}
