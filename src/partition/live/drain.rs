//! The drain of a default partition: an action of upkeep, and a door of its own.

use std::time::Duration;

use pgrx::PgSqlErrorCode;

use super::act::{Outcome, Turn};
use super::record::{self, Status, Told};
use super::survey::{self, Scope};
use super::{copy, demand};
use crate::catalog::Oid;
use crate::partition::upkeep::Action;
use crate::pg;
use crate::pg::background::{Errand, run_and_wait};
use crate::pg::error::raise;
use crate::pg::random;
use crate::pg::run::{Failure, caught, transaction};
use crate::pg::settings;
use crate::pg::upkeep::{self, Claim, Place};

/// Moves rows out of the default partition into partitions of their own.
pub fn drain(turn: &Turn<'_>) -> Result<Outcome, Failure> {
    if turn.place == Place::Session {
        let reason =
            "rows are moved in several transactions, which needs a background worker: none was to be had";
        return Ok(Outcome::new(Status::Skipped, reason));
    }
    let surveyed = turn.surveyed;
    let drained = survey::with_cuts(&surveyed.set, &surveyed.policy, |cuts| {
        copy::drain::drain(surveyed, cuts, turn.lock_timeout)
    });
    Ok(Outcome::new(Status::Done, drained?.text()))
}

/// Drains one set for a session: what was done, as a run of upkeep writes it down.
pub fn drain_now(parent: Oid, at: i64) -> Vec<Told> {
    if pg::is_standby() {
        raise(
            PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
            "partitions cannot be kept on a standby",
            "",
            "Run dbm.partition_drain() on the primary.",
        );
    }
    demand(parent);
    let (run, role) = (random::number(), upkeep::caller());
    let payload = format!("{run} {parent} {at} {role} {}", settings::upkeep_lock_timeout().as_millis());
    let errand = Errand {
        kind: "drain",
        payload: &payload,
        login: Default::default(),
        name: "drain of a default partition",
    };
    if let Err(none) = run_and_wait(&errand) {
        none.raise("a drain");
    }
    record::of_run(run)
}

/// The errand of a session that waits for a drain: `run parent at role lock_timeout`.
pub fn drain_errand(payload: &str) {
    let mut words = payload.split(' ').map(str::parse::<i64>);
    let mut next = || words.next().and_then(Result::ok);
    let (Some(run), Some(parent), Some(at), Some(role), Some(limit)) =
        (next(), next(), next(), next(), next())
    else {
        return;
    };
    let (Ok(parent), Ok(role)) = (Oid::try_from(parent), Oid::try_from(role)) else { return };
    let limit = Duration::from_millis(u64::try_from(limit).unwrap_or(1));
    let drained = upkeep::asynchronously(|| {
        drain_one(run, Scope { parent: Some(parent), role, is_impatient: true }, at, limit)
    });
    if let Err(failure) = drained {
        failure.raise();
    }
}

fn drain_one(run: i64, scope: Scope, at: i64, lock_timeout: Duration) -> Result<(), Failure> {
    let Some(surveyed) = transaction(|| survey::one(scope, at))? else { return Ok(()) };
    let Some(_claim) = caught(|| Claim::for_process(surveyed.set.parent))? else {
        return Err(Failure {
            sqlstate: "55006".to_owned(),
            message: format!("another process keeps {} now", surveyed.set.qualified()),
            ..Failure::default()
        });
    };
    let place = Place::Worker { is_awaited: true };
    let turn = Turn { place, role: scope.role, run, lock_timeout, surveyed: &surveyed };
    turn.carry_out(&Action::Drain).map(drop)
}
