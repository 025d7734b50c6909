//! What the log cannot know of a table: what was done while its triggers were out of force, and rows that came and went with
//! partitions. It is said wherever something is told that depends on it.

use super::as_of::when;
use super::book::{Book, Subject, list, micros, number, text};
use crate::catalog::Moment;
use crate::pg::error::warn;
use crate::pg::trail::{ATTACHED, DETACHED};

/// So many are named.
const NAMED: usize = 3;

/// Says what is not known of what happened to a table after `from` and up to `until`.
pub fn say(book: &Book, subject: &Subject, from: Moment, until: Moment) {
    let doubts = doubts(book, subject, from, until);
    if doubts.is_empty() {
        return;
    }
    let more = doubts.len().saturating_sub(NAMED);
    let mut detail = doubts[..doubts.len().min(NAMED)].join("; ");
    if more > 0 {
        detail.push_str(&format!("; and {more} more"));
    }
    warn(
        &format!("not all that was done to {} is in the audit log", subject.table.qualified()),
        &format!("{detail}."),
        "",
    );
}

fn doubts(book: &Book, subject: &Subject, from: Moment, until: Moment) -> Vec<String> {
    if !has_events(book) {
        return Vec::new();
    }
    let sql = format!(
        "SELECT {}, kind, detail FROM dbm_trail.event
         WHERE relation_id = ANY ($1::pg_catalog.int4[])
           AND kind IN ('installed', 'disabled', 'dropped', 'enabled', 'removed', '{ATTACHED}', '{DETACHED}')
         ORDER BY event_id",
        micros("happened_at")
    );
    let events = book.rows(&sql, &[list(subject.watched.iter().map(|each| each.id))]);
    let mut doubts = Vec::new();
    let mut silent: Option<Moment> = None;
    let end_of_silence = |silent: &mut Option<Moment>, at: Option<Moment>, doubts: &mut Vec<String>| {
        let Some(since) = silent.take() else { return };
        if since <= until && at.is_none_or(|at| at > from) {
            doubts.push(match at {
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
            ATTACHED if is_between => {
                doubts.push(format!(
                    "rows came with partition {detail} at {}, which no change tells",
                    when(at)
                ));
            }
            DETACHED if is_between => {
                doubts.push(format!(
                    "rows went with partition {detail} at {}, which no change tells",
                    when(at)
                ));
            }
            ATTACHED | DETACHED => {}
            _ => end_of_silence(&mut silent, Some(at), &mut doubts),
        }
    }
    end_of_silence(&mut silent, None, &mut doubts);
    doubts
}

/// Whether the log has its table of events, with those columns: it is not read for anything else.
fn has_events(book: &Book) -> bool {
    let found = book.rows(
        "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'dbm_trail' AND c.relname = 'event' AND c.relkind = 'r' AND c.relowner = n.nspowner",
        &[],
    );
    !found.is_empty()
}
