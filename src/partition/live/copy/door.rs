//! What the procedure does, and what is shown of copies.

use pgrx::PgSqlErrorCode;
use pgrx::datum::{Interval, TimestampWithTimeZone};

use super::{Limits, load, run};
use crate::partition::copy::job::Phase;
use crate::partition::copy::record;
use crate::pg::claim::{Class, holders};
use crate::pg::error::raise;
use crate::pg::partition::copy::session::{Sees, Session, as_extension, current_role, has_rights_of};
use crate::pg::planner::role_name;
use crate::pg::query;
use crate::pg::roles;
use crate::pg::value::Text;

/// Carries a copy on for a session, with the rights of the table's owner, whose member the caller must be.
pub fn call(id: i64, upto: Phase, limits: Limits) {
    let session = Session::open();
    let job = session
        .transaction(Sees::Newest, limits.lock_timeout, |talk| load(talk, id))
        .unwrap_or_else(|refusal| refusal.raise());
    if !has_rights_of(current_role(), job.owner) {
        let owner = role_name(job.owner);
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            &format!("permission denied to carry copy {id} on"),
            &format!("The table {} belongs to role \"{owner}\".", job.wanted.source),
            "",
        );
    }
    if let Err(refusal) = run(&session, id, upto, limits) {
        refusal.raise();
    }
}

/// One copy.
pub struct Status {
    /// Its number.
    pub job: i64,
    /// What it is for.
    pub kind: Text,
    /// The table.
    pub source: Text,
    /// The copy.
    pub target: Text,
    /// How far it is.
    pub phase: Text,
    /// The process at work.
    pub pid: Option<i32>,
    /// Rows copied in batches.
    pub rows_copied: i64,
    /// Keys copied again.
    pub rows_replayed: i64,
    /// Rows that were the same on both sides.
    pub rows_verified: Option<i64>,
    /// How long the swap held its locks.
    pub lock_held: Option<Interval>,
    /// Why it waits.
    pub waits_for: Option<Text>,
    /// Why it stopped.
    pub error: Option<Text>,
    /// When it was planned.
    pub created_at: TimestampWithTimeZone,
    /// When it last did something.
    pub updated_at: TimestampWithTimeZone,
}

/// The copies of tables whose owner the caller may watch.
pub fn status() -> Vec<Status> {
    let at_work = holders(Class::Copy);
    let rows = as_extension(|| {
        query::rows(record::STATUS, &[], |row| {
            let words = |place: usize| row.get::<Text>(place).map(|text| text.unwrap_or_else(|| "".into()));
            let moment = |place: usize| {
                row.get::<TimestampWithTimeZone>(place)
                    .map(|moment| moment.unwrap_or_else(TimestampWithTimeZone::positive_infinity))
            };
            let owner = row.get::<i64>(1)?.and_then(|owner| u32::try_from(owner).ok()).unwrap_or_default();
            let job = row.get(2)?.unwrap_or_default();
            Ok((
                owner,
                Status {
                    job,
                    kind: words(3)?,
                    source: words(4)?,
                    target: words(5)?,
                    phase: words(6)?,
                    pid: at_work.iter().find(|(key, _)| *key == job).map(|&(_, process)| process),
                    rows_copied: row.get(7)?.unwrap_or_default(),
                    rows_replayed: row.get(8)?.unwrap_or_default(),
                    rows_verified: row.get(9)?,
                    lock_held: row.get(10)?,
                    waits_for: row.get(11)?,
                    error: row.get(12)?,
                    created_at: moment(13)?,
                    updated_at: moment(14)?,
                },
            ))
        })
    });
    rows.into_iter()
        .filter(|(owner, _)| roles::may_see_statistics_of((*owner).into()))
        .map(|(_, status)| status)
        .collect()
}
