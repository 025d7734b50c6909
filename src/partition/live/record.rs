//! What upkeep did, in `dbm.upkeep_log`; and what it has detached, in `dbm.partition_detached`. Both are written with the
//! rights of the extension's owner.

use std::time::Duration;

use crate::catalog::Oid;
use crate::partition::set::Set;
use crate::partition::upkeep::Detached;
use crate::pg::moment;
use crate::pg::query::{self, Kept};
use crate::pg::run::owner::as_owner;
use crate::pg::upkeep::latest_rows;
use crate::pg::value::Text;

/// How an action came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Done,
    /// Somebody or something was in the way; the next run tries again.
    Skipped,
    Failed,
    /// A guard was hit.
    Stopped,
    /// Not done here.
    Due,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Due => "due",
        }
    }
}

/// A row of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    pub parent_oid: Oid,
    pub parent: String,
    pub action: String,
    pub partition: Option<String>,
    pub status: Status,
    pub detail: String,
    pub elapsed: Duration,
    pub sqlstate: Option<String>,
}

thread_local! {
    static KEPT: Kept = const { Kept::new() };
}

/// Writes a row, in the transaction that is open.
pub fn write(run: i64, entry: &Entry) {
    let elapsed = i64::try_from(entry.elapsed.as_micros()).ok().and_then(moment::interval);
    as_owner(|| {
        query::write_kept(
            &KEPT,
            "INSERT INTO dbm.upkeep_log (run, parent_oid, parent, action, partition, status, detail, elapsed, sqlstate)
             VALUES ($1, $2::int8::oid, $3, $4, $5, $6, $7, $8, $9)",
            &[
                run.into(),
                i64::from(entry.parent_oid).into(),
                Text::from(&*entry.parent).into(),
                Text::from(&*entry.action).into(),
                entry.partition.as_deref().map(Text::from).into(),
                Text::from(entry.status.name()).into(),
                Text::from(&*entry.detail).into(),
                elapsed.into(),
                entry.sqlstate.as_deref().map(Text::from).into(),
            ],
        );
    });
}

/// A row of the answer.
#[derive(Clone, Debug)]
pub struct Told {
    /// The table that is kept.
    pub parent: String,
    /// What was done, or was to be.
    pub action: String,
    /// With which partition.
    pub partition: Option<String>,
    /// How it came out.
    pub status: String,
    /// What there is to say of it.
    pub detail: String,
    /// How long it took.
    pub elapsed: Option<Duration>,
}

/// What a run wrote, in its order.
pub fn of_run(run: i64) -> Vec<Told> {
    latest_rows(&format!(
        "SELECT l.parent, l.action, l.partition, l.status, l.detail,
                (pg_catalog.date_part('epoch', l.elapsed) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8
         FROM dbm.upkeep_log l WHERE l.run OPERATOR(pg_catalog.=) {run} ORDER BY l.id"
    ))
    .into_iter()
    .map(|row| {
        let mut row = row.into_iter();
        let mut next = || row.next().flatten();
        Told {
            parent: next().unwrap_or_default(),
            action: next().unwrap_or_default(),
            partition: next(),
            status: next().unwrap_or_default(),
            detail: next().unwrap_or_default(),
            elapsed: next().and_then(|micros| micros.parse().ok()).map(Duration::from_micros),
        }
    })
    .collect()
}

/// Takes away what is older than so many days.
pub fn forget(days: i32) {
    if days > 0 {
        as_owner(|| {
            query::write(
                "DELETE FROM dbm.upkeep_log l WHERE l.happened_at OPERATOR(pg_catalog.<)
                     (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => $1))",
                &[days.into()],
            );
        });
    }
}

/// Writes down that a partition is going to be no partition any more; `delay`: after how many microseconds it is dropped
/// then. Written before the detaching, so that a crash leaves no table behind that nobody knows of; what is still a
/// partition is not dropped.
pub fn detaching(set: &Set, relation: Oid, name: &str, delay: Option<i64>) {
    let delay = delay.and_then(moment::interval);
    as_owner(|| {
        query::write(
            "INSERT INTO dbm.partition_detached (relation, name, parent, parent_name, owner, drop_after)
             VALUES ($1::int8::oid, $2, $3::int8::oid, $4, $5::int8::oid,
                     pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) $6)
             ON CONFLICT (relation) DO UPDATE SET name = excluded.name, detached_at = pg_catalog.clock_timestamp(),
                 drop_after = excluded.drop_after",
            &[
                i64::from(relation).into(),
                Text::from(name).into(),
                i64::from(set.parent).into(),
                Text::from(set.qualified()).into(),
                i64::from(set.owner).into(),
                delay.into(),
            ],
        );
    });
}

/// Whether upkeep began to detach a table of that name, to be kept: it was nobody else, and it is not to be dropped in a while.
pub fn is_detached(relation: Oid, name: &str) -> bool {
    as_owner(|| {
        let sql = "SELECT EXISTS (SELECT FROM dbm.partition_detached d
                       WHERE d.relation OPERATOR(pg_catalog.=) $1::int8::oid AND d.name OPERATOR(pg_catalog.=) $2
                         AND d.drop_after IS NULL)";
        query::rows(sql, &[i64::from(relation).into(), Text::from(name).into()], |row| row.get::<bool>(1))
            == [Some(true)]
    })
}

/// Writes down where a detached table is now.
pub fn moved(relation: Oid, name: &str) {
    as_owner(|| {
        query::write(
            "UPDATE dbm.partition_detached d SET name = $2 WHERE d.relation OPERATOR(pg_catalog.=) $1::int8::oid",
            &[i64::from(relation).into(), Text::from(name).into()],
        );
    });
}

/// Forgets a detached table: it is gone, or a partition again.
pub fn gone(relation: Oid) {
    as_owner(|| {
        query::write(
            "DELETE FROM dbm.partition_detached d WHERE d.relation OPERATOR(pg_catalog.=) $1::int8::oid",
            &[i64::from(relation).into()],
        );
    });
}

/// Forgets what is a partition still, or again: the detaching came to nothing, or somebody wants it back.
pub fn forget_attached() {
    as_owner(|| {
        query::write(
            "DELETE FROM dbm.partition_detached d USING pg_catalog.pg_class c
             WHERE c.oid OPERATOR(pg_catalog.=) d.relation AND c.relispartition
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i
                   WHERE i.inhrelid OPERATOR(pg_catalog.=) c.oid AND i.inhdetachpending)",
            &[],
        );
    });
}

/// The detached tables whose time of grace is over, by the clock of the server, each with the set it was in. A table counts only if it still has the
/// number, the name and the owner of before and is no partition: after a restore a number may be anybody's.
pub fn over() -> Vec<(Oid, Detached)> {
    as_owner(|| {
        query::rows(
            "SELECT d.parent::pg_catalog.int8, d.relation::pg_catalog.int8, d.name
             FROM dbm.partition_detached d
                  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.relation
             WHERE d.drop_after OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()
               AND NOT c.relispartition AND c.relowner OPERATOR(pg_catalog.=) d.owner
               AND pg_catalog.to_regclass(d.name)::pg_catalog.oid OPERATOR(pg_catalog.=) d.relation
             ORDER BY d.drop_after, d.relation",
            &[],
            |row| {
                let number = |place| Ok::<_, pgrx::spi::SpiError>(row.get::<i64>(place)?.unwrap_or(0) as Oid);
                let name = row.get::<Text>(3)?.map(Text::into_string).unwrap_or_default();
                Ok((number(1)?, Detached { relation: number(2)?, name }))
            },
        )
    })
}
