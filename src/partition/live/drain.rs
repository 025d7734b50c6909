//! The drain of a default partition: an action of upkeep, and a door of its own.

use pgrx::PgSqlErrorCode;

use super::act::{Outcome, Turn};
use super::commission::Commission;
use super::record::{self, Status, Told};
use super::survey;
use super::{copy, demand};
use crate::catalog::Oid;
use crate::partition::upkeep::Action;
use crate::pg;
use crate::pg::background::{Errand, run_and_wait};
use crate::pg::error::raise;
use crate::pg::run::{Failure, caught, transaction};
use crate::pg::upkeep::{self, Claim, Place};

/// Moves rows out of the default partition into partitions of their own.
pub fn drain(turn: &Turn<'_>) -> Result<Outcome, Failure> {
    if turn.place == Place::Session {
        let reason =
            "rows are moved in several transactions, which needs a background worker: none was to be had";
        return Ok(Outcome::new(Status::Skipped, reason));
    }
    let surveyed = turn.surveyed;
    // Who waits behind the swap waits until it is done, too: some milliseconds for each new partition.
    let limit = turn.lock_timeout * 3 / 5;
    let drained = survey::with_cuts(&surveyed.set, &surveyed.policy, |cuts| {
        copy::drain::drain(surveyed, cuts, limit, turn.role)
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
    let commission = Commission::of_session(Some(parent), at);
    let payload = commission.write();
    let errand = Errand {
        kind: "drain",
        payload: &payload,
        login: Default::default(),
        name: "drain of a default partition",
    };
    if let Err(none) = run_and_wait(&errand) {
        none.raise("a drain");
    }
    record::of_run(commission.run)
}

/// The errand of a session that waits for a drain.
pub fn drain_errand(payload: &str) {
    let Some(commission) = Commission::read(payload) else { return };
    if let Err(failure) = upkeep::asynchronously(|| drain_one(commission)) {
        failure.raise();
    }
}

fn drain_one(commission: Commission) -> Result<(), Failure> {
    let Commission { run, scope, at, lock_timeout } = commission;
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
