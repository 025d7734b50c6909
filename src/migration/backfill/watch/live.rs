//! What dbm.backfill_status() shows, and what dbm.backfill_pause() and dbm.backfill_cancel() ask.

use pgrx::PgSqlErrorCode;
use pgrx::datum::{Interval, TimestampWithTimeZone};

use crate::migration::backfill::live::refuse_stranger;
use crate::migration::backfill::record;
use crate::migration::backfill::target::live::{number, text};
use crate::pg::backfill::conversation::Conversation;
use crate::pg::backfill::lock::{CLASS, is_free_until_commit};
use crate::pg::backfill::owner::as_owner;
use crate::pg::error::raise;
use crate::pg::planner::role_by_name;
use crate::pg::value::Text;
use crate::pg::{query, roles};

/// One job.
pub struct Status {
    /// Its number.
    pub job: i64,
    /// The table.
    pub target: Text,
    /// What stands between SET and WHERE.
    pub assignment: Text,
    /// Which rows.
    pub predicate: Option<Text>,
    /// Who began it.
    pub creator: Text,
    /// Running, interrupted, paused, failed, done or cancelled.
    pub state: Text,
    /// The process at work.
    pub pid: Option<i32>,
    /// The pass.
    pub pass: i32,
    /// How much of this pass is done, 0 to 1.
    pub share: Option<f64>,
    /// Rows changed in all passes.
    pub rows_changed: i64,
    /// Rows gone over in this pass.
    pub rows_seen: Option<i64>,
    /// Out of about so many.
    pub estimated_rows: Option<i64>,
    /// Rows gone over in a second, pauses included.
    pub rows_per_second: Option<f64>,
    /// How long this pass will take.
    pub eta: Option<Interval>,
    /// Rows of the last batch.
    pub batch_rows: Option<i64>,
    /// The table of the last batch.
    pub part: Option<Text>,
    /// The key up to which it went.
    pub last_key: Option<Text>,
    /// Why it waits.
    pub waits_for: Option<Text>,
    /// Why it failed.
    pub error: Option<Text>,
    /// When it was begun.
    pub created_at: TimestampWithTimeZone,
    /// When it last did something.
    pub updated_at: TimestampWithTimeZone,
}

/// The jobs of roles that the caller may watch.
pub fn status() -> Vec<Status> {
    let rows = as_owner(|| {
        query::rows(&record::status(CLASS), &[], |row| {
            let words = |place: usize| row.get::<Text>(place).map(|text| text.unwrap_or_else(|| "".into()));
            let moment = |place: usize| {
                row.get::<TimestampWithTimeZone>(place)
                    .map(|moment| moment.unwrap_or_else(TimestampWithTimeZone::positive_infinity))
            };
            Ok(Status {
                job: row.get(1)?.unwrap_or_default(),
                target: words(2)?,
                assignment: words(3)?,
                predicate: row.get(4)?,
                creator: words(5)?,
                state: words(6)?,
                pid: row.get(7)?,
                pass: row.get(8)?.unwrap_or_default(),
                share: row.get(9)?,
                rows_changed: row.get(10)?.unwrap_or_default(),
                rows_seen: row.get(11)?,
                estimated_rows: row.get(12)?,
                rows_per_second: row.get(13)?,
                eta: row.get(14)?,
                batch_rows: row.get(15)?,
                part: row.get(16)?,
                last_key: row.get(17)?,
                waits_for: row.get(18)?,
                error: row.get(19)?,
                created_at: moment(20)?,
                updated_at: moment(21)?,
            })
        })
    });
    rows.into_iter()
        .filter(|row| roles::may_see_statistics_of(role_by_name(row.creator.as_str()).unwrap_or_default()))
        .collect()
}

/// Asks a job to stop after its batch, or stops it where it is not at work. False where there is nothing to stop.
pub fn ask(job: i64, request: &str) -> bool {
    let talk = Conversation::open();
    let row = as_owner(|| talk.row(&record::known(job)));
    if row.is_empty() {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            &format!("there is no backfill {job}"),
            "",
            "See dbm.backfill_status().",
        );
    }
    refuse_stranger(&talk, job, text(&row, 0));
    let is_cancel = request == "cancel";
    let state = text(&row, 1);
    if matches!(state, "done" | "cancelled") || (!is_cancel && state != "running") {
        return false;
    }
    let sql = if is_free_until_commit(number(&row, 2)) {
        record::stopped(job, if is_cancel { "cancelled" } else { "paused" }, None)
    } else {
        record::requested(job, request)
    };
    as_owner(|| talk.run(&sql));
    true
}
