//! Who is in the way now: the risk that no text shows.

use super::words::who_waits;
use crate::catalog::LockMode;
use crate::catalog::ddl::{Blocker, LockTaken};
use crate::finding::{Severity, Threshold};
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};

/// Somebody holds what the statement needs, and will for a while.
pub const CONVOY: DdlRule = DdlRule {
    id: "ddl.lock_convoy_risk",
    severity: Severity::Error,
    title: "Somebody is in the way of a strong lock now",
    why: "The statement would wait for that session, and everybody who comes later would wait behind the statement, however quick it is.",
    thresholds: &[
        Threshold {
            name: "seconds",
            default: 5.0,
            range: (0.0, 86_400.0),
            meaning: "a transaction in the way that has been open for so many seconds will hardly end soon",
        },
        Threshold {
            name: "idle_seconds",
            default: 0.0,
            range: (0.0, 86_400.0),
            meaning: "the same of one whose client has sent nothing further: nobody knows when it will",
        },
    ],
    reference: "https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES",
    exempt: Exempt::Private,
    check: convoy,
};

/// The lock that the action takes on the relation on which somebody is in the way.
fn awaited<'a>(asked: &Asked<'a>, blocker: &Blocker) -> Option<&'a LockTaken> {
    let locks = &asked.action.locks;
    locks.iter().find(|lock| lock.relation.qualified() == blocker.relation).or_else(|| locks.first())
}

/// Why somebody will not be gone in a moment.
fn stays(asked: &Asked<'_>, blocker: &Blocker) -> Option<String> {
    let age = blocker.seconds.map_or_else(String::new, |seconds| format!(" for {seconds:.0} s"));
    if let Some(prepared) = &blocker.prepared {
        return Some(format!("the prepared transaction '{prepared}' holds a lock{age}"));
    }
    let who = match blocker.application.as_str() {
        "" => format!("process {}", blocker.pid),
        application => format!("process {} ({application})", blocker.pid),
    };
    if blocker.is_waiting {
        return Some(format!("{who} waits for a lock already{age}"));
    }
    if blocker.prevents_wraparound {
        return Some(format!(
            "{who}, an autovacuum that prevents wraparound and does not yield, has worked{age}"
        ));
    }
    // Any other autovacuum worker yields.
    if blocker.backend_type == "autovacuum worker" {
        return None;
    }
    let seconds = blocker.seconds.unwrap_or(0.0);
    if blocker.state.starts_with("idle in transaction") && seconds >= (asked.threshold)("idle_seconds") {
        return Some(format!("{who} has been idle in a transaction{age}"));
    }
    (seconds >= (asked.threshold)("seconds")).then(|| format!("{who} has had a transaction open{age}"))
}

fn convoy(asked: &Asked<'_>) -> Option<Found> {
    let blocks = |blocker: &&Blocker| awaited(asked, blocker).is_some_and(|lock| lock.mode.blocks_writes());
    let mut staying = asked
        .action
        .blockers
        .iter()
        .filter(blocks)
        .filter_map(|blocker| Some((blocker, stays(asked, blocker)?)));
    let (blocker, why) = staying.next()?;
    let lock = awaited(asked, blocker);
    let mode = lock.map_or(LockMode::AccessExclusive, |lock| lock.mode);
    let more = match staying.count() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let message = format!(
        "{why} on {}{more}: the statement would queue for {}, and {} behind it",
        blocker.relation,
        mode.name(),
        who_waits(mode)
    );
    let mut found = Found::new(Effect::Lock, message);
    found.lock = Some(mode);
    found.victim = lock.map(|lock| lock.relation.clone());
    if blocker.pid != 0 && blocker.state.starts_with("idle in transaction") {
        found = found.safe(format!("SELECT pg_terminate_backend({})", blocker.pid));
    } else if let Some(prepared) = &blocker.prepared {
        found = found.safe(format!("ROLLBACK PREPARED {}", crate::text::identifier::quote_literal(prepared)));
    }
    Some(found.note(
        "wait until it has ended and try again, with a lock_timeout; end it only if you know whose it is",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ddl::{Alteration, CreateIndex, Kind};
    use crate::migration::judge::sample::{Case, empty_table, new_table, table};

    fn blocker(change: impl FnOnce(&mut Blocker)) -> Blocker {
        let mut facts = Blocker {
            pid: 4711,
            relation: "public.acct".into(),
            mode: Some(LockMode::AccessShare),
            state: "active".into(),
            backend_type: "client backend".into(),
            seconds: Some(0.2),
            ..Blocker::default()
        };
        change(&mut facts);
        facts
    }

    fn quick() -> Case {
        Case::alter(Alteration::Owner)
    }

    #[test]
    fn who_stays_is_named() {
        let old = quick().blocked_by(blocker(|facts| {
            facts.seconds = Some(720.0);
            facts.application = "pg_dump".into();
        }));
        assert_eq!(
            old.fires(CONVOY.id).message,
            "process 4711 (pg_dump) has had a transaction open for 720 s on public.acct: the statement would queue for \
             ACCESS EXCLUSIVE, and readers and writers wait behind it"
        );
        let idle = quick().blocked_by(blocker(|facts| facts.state = "idle in transaction".into()));
        assert_eq!(idle.fires(CONVOY.id).safe, ["SELECT pg_terminate_backend(4711)"]);
        quick().blocked_by(blocker(|facts| facts.is_waiting = true)).fires(CONVOY.id);
        let prepared = quick().blocked_by(blocker(|facts| {
            facts.pid = 0;
            facts.prepared = Some("gid".into());
        }));
        assert_eq!(prepared.fires(CONVOY.id).safe, ["ROLLBACK PREPARED 'gid'"]);
    }

    #[test]
    fn who_is_soon_gone_is_not() {
        quick().is_silent(CONVOY.id);
        quick().blocked_by(blocker(|_| ())).is_silent(CONVOY.id);
        let vacuum = |prevents_wraparound| {
            quick().blocked_by(blocker(|facts| {
                facts.seconds = Some(900.0);
                facts.backend_type = "autovacuum worker".into();
                facts.prevents_wraparound = prevents_wraparound;
            }))
        };
        vacuum(false).is_silent(CONVOY.id);
        vacuum(true).fires(CONVOY.id);
    }

    #[test]
    fn a_small_table_queues_as_well_as_a_large_one() {
        let old = || blocker(|facts| facts.seconds = Some(60.0));
        quick().on(empty_table("acct"), LockMode::AccessExclusive).blocked_by(old()).fires(CONVOY.id);
        quick().on(new_table("acct"), LockMode::AccessExclusive).blocked_by(old()).is_silent(CONVOY.id);
        let index = CreateIndex { is_concurrent: true, ..CreateIndex::default() };
        Case::new(Kind::CreateIndex(index))
            .on(table("acct"), LockMode::ShareUpdateExclusive)
            .blocked_by(old())
            .is_silent(CONVOY.id);
    }

    #[test]
    fn the_lock_is_that_of_the_relation_in_question() {
        let old = blocker(|facts| {
            facts.seconds = Some(60.0);
            facts.relation = "public.grp".into();
        });
        let found = quick().locks(table("grp"), LockMode::ShareRowExclusive).blocked_by(old).fires(CONVOY.id);
        assert_eq!((found.lock, found.victim), (Some(LockMode::ShareRowExclusive), Some(table("grp"))));
    }
}
