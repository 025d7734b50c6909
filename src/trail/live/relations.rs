//! What `relation` says of the watched tables, held against the events.

use super::book::{micros, number, text};
use crate::catalog::Oid;
use crate::catalog::trail::state;
use crate::pg::trail::reading::rows;
use crate::trail::seal::relation::{Relation, Said, wrong_with};
use crate::trail::seal::verify::Found;

pub use crate::trail::seal::relation::TABLE;

/// What is wrong with it.
pub fn wrong(owner: Oid) -> Vec<Found> {
    // Who changes a row holds its lock from before the event to the end: the last event is that of the last change.
    let sql = format!(
        "SELECT COALESCE(r.relation_id, s.relation_id), r.state, s.event_id, s.state, {}
         FROM (SELECT r.relation_id, {} AS state FROM dbm_trail.relation r) r
         FULL JOIN (SELECT DISTINCT ON (e.relation_id) e.relation_id, e.event_id, e.state, e.happened_at
             FROM dbm_trail.event e WHERE e.state IS NOT NULL AND e.relation_id IS NOT NULL
             ORDER BY e.relation_id, e.event_id DESC) s ON s.relation_id = r.relation_id
         ORDER BY 1",
        micros("s.happened_at"),
        state::of_relation()
    );
    let relations: Vec<Relation> = rows(Some(owner), &sql, &[])
        .iter()
        .map(|row| Relation {
            id: number(row, 0),
            state: text(row, 1).map(str::to_owned),
            said: text(row, 3).map(|state| Said {
                event: number(row, 2),
                at: number(row, 4),
                state: state.to_owned(),
            }),
        })
        .collect();
    wrong_with(&relations)
}
