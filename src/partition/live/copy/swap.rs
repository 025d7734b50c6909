//! The swap, what follows it, and the way back before it.

use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;

use super::{Engine, Source, number};
use crate::change::batch::setback::back_off;
use crate::partition::copy::job::{Definition, Phase};
use crate::partition::copy::{journal, record, rows};
use crate::pg::error::raise;
use crate::pg::partition::copy::session::{Sees, as_extension, as_role, fault, giving_way, silently};
use crate::pg::planner::Refusal;
use crate::pg::progress;
use crate::pg::sleep::sleep;

/// No more keys than this are copied again while everybody waits.
const MOST_IN_SWAP: usize = 1_000;
/// So few keys are worth an attempt.
const FEW: usize = 100;

/// What became of an attempt.
enum Became {
    Swapped {
        copied: u64,
    },
    /// Too many keys came in while the lock was waited for.
    TooMany,
    /// The source was truncated.
    Anew,
}

impl Engine<'_> {
    /// Catches up, locks, copies the rest and swaps; lets go and tries again where that would take long.
    pub(super) fn swap(&mut self) -> Result<(), Refusal> {
        let (since, mut attempts) = (Instant::now(), 0);
        let is_journaled = !self.job.wanted.journal.is_empty();
        loop {
            if is_journaled {
                self.catch_up(FEW)?;
                if self.job.phase != Phase::Ready {
                    // It had to begin anew, and is to be compared anew.
                    return Ok(());
                }
            }
            self.progress.report(progress::COPY_SWAPPING, attempts as usize, 0);
            let mut locked = None;
            match self.try_swap(&mut locked) {
                Ok(Became::Swapped { copied }) => {
                    let held = locked.map_or(Duration::ZERO, |moment: Instant| moment.elapsed());
                    self.outcome.held = held;
                    self.outcome.copied += copied;
                    self.entered(Phase::Swapped);
                    let sql = record::held(self.job.id, held.as_micros());
                    return self.transaction(Sees::Newest, |talk| as_extension(|| drop(talk.run(&sql))));
                }
                Ok(Became::TooMany) => {}
                Ok(Became::Anew) => drop(self.replay()?),
                Err(refusal) if matches!(&*refusal.sqlstate, "55P03" | "40P01") => {
                    if since.elapsed() >= self.limits.give_up_after {
                        return Err(refusal);
                    }
                    if attempts == 2 {
                        self.say("a lock of another session, to swap")?;
                    }
                }
                Err(refusal) => return Err(refusal),
            }
            if since.elapsed() >= self.limits.give_up_after {
                return Err(Refusal::new(
                    PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
                    format!("more rows of {} change than can be copied", self.job.wanted.source),
                ));
            }
            let chance = f64::from(since.elapsed().subsec_nanos() % 1_000) / 1_000.0;
            sleep(back_off(attempts.min(6), chance));
            attempts += 1;
        }
    }

    fn try_swap(&self, locked: &mut Option<Instant>) -> Result<Became, Refusal> {
        let (wanted, id, owner) = (&self.job.wanted, self.job.id, self.job.owner);
        let is_journaled = !wanted.journal.is_empty();
        // Together no longer than the limit.
        let each = self.limits.lock_timeout / u32::try_from(wanted.locks.len().max(1)).unwrap_or(1);
        let each = each.max(Duration::from_millis(2));
        let result = self.session.transaction(Sees::Newest, each, |talk| {
            if let Some(handover) = &wanted.handover {
                as_role(owner, || handover.before.iter().for_each(|sql| drop(talk.run(sql))));
            }
            // An autovacuum is asked to end before the wait is over: what it works on is about to be emptied.
            giving_way(each / 2, || {
                as_role(owner, || {
                    for table in &wanted.locks {
                        talk.run(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
                        locked.get_or_insert_with(Instant::now);
                    }
                });
            });
            let (mut copied, mut late) = (0, Vec::new());
            if is_journaled {
                as_extension(|| {
                    Source::of(talk, self.job.source).check(&self.job);
                    let written = talk.row(&journal::is_written(id, self.job.source));
                    if super::field(&written, 0) != "t" {
                        raise(
                            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                            &format!("the trigger of copy {id} on {} is gone or disabled", wanted.source),
                            "Changes may be missing in the copy.",
                            &format!("CALL dbm.partition_copy({id}, 'aborted'), and begin anew."),
                        );
                    }
                });
                let keys = self.keys(talk, &journal::BOTH);
                if keys.iter().any(rows::is_gap) {
                    return Became::Anew;
                }
                if keys.len() > MOST_IN_SWAP {
                    return Became::TooMany;
                }
                match &wanted.handover {
                    Some(handover) => {
                        let held = Definition { target: handover.hold.clone(), ..wanted.clone() };
                        let again = rows::insert_again(&held, &keys, None);
                        silently(|| as_role(owner, || again.iter().for_each(|sql| drop(talk.run(sql)))));
                        late = keys;
                    }
                    None => self.copy_again(talk, &keys),
                }
                as_extension(|| {
                    for sql in journal::drop_triggers(id, &wanted.source) {
                        talk.run(&sql);
                    }
                });
            } else {
                let count = format!(
                    "SELECT pg_catalog.count(*) FROM (SELECT FROM ONLY {} LIMIT {}) AS x",
                    wanted.source,
                    wanted.most_in_swap + 1
                );
                let rows: u64 = silently(|| as_role(owner, || number(&talk.row(&count), 0)));
                if rows > wanted.most_in_swap {
                    raise(
                        PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                        &format!("{} has more than {} rows by now", wanted.source, wanted.most_in_swap),
                        "So many cannot be moved while everybody waits.",
                        "",
                    );
                }
                copied = silently(|| as_role(owner, || talk.execute(&rows::copy_all(wanted))));
            }
            silently(|| {
                as_role(owner, || {
                    for sql in &wanted.swap {
                        talk.run(sql);
                    }
                });
            });
            if let Some(handover) = wanted.handover.as_ref().filter(|_| !late.is_empty()) {
                self.by_index(talk, &handover.into, || {
                    as_role(owner, || {
                        let into = Definition { target: handover.into.clone(), ..wanted.clone() };
                        rows::delete(&into, &late).iter().for_each(|sql| drop(talk.run(sql)));
                        let held = Definition { source: handover.hold.clone(), ..into };
                        rows::delete_current(&held, &late).iter().for_each(|sql| drop(talk.run(sql)));
                        talk.run(&rows::pour(wanted, &handover.hold, &handover.into));
                    });
                });
            }
            as_extension(|| drop(talk.run(&record::phase(id, Phase::Swapped))));
            fault("copy:uncommitted");
            Became::Swapped { copied }
        });
        self.progress.again();
        result
    }

    /// Takes away what is left over.
    pub(super) fn clean(&mut self) -> Result<(), Refusal> {
        self.progress.report(progress::COPY_CLEANING, 0, 0);
        let statements = self.job.wanted.clean.clone();
        self.statements(&statements, progress::COPY_CLEANING)?;
        let (id, is_there) = (self.job.id, !self.journals.is_empty());
        self.patiently(progress::COPY_CLEANING, |engine| {
            engine.transaction(Sees::Newest, |talk| {
                as_extension(|| {
                    if is_there {
                        journal::drop(id).iter().for_each(|sql| drop(talk.run(sql)));
                    }
                    talk.run(&record::phase(id, Phase::Cleaned));
                });
            })
        })?;
        self.entered(Phase::Cleaned);
        Ok(())
    }

    /// Takes everything back; the source is as if nothing had been.
    pub(super) fn abort(&mut self) -> Result<(), Refusal> {
        if !self.job.phase.can_abort() {
            return Err(Refusal::new(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("copy {} is {}: it cannot be given up any more", self.job.id, self.job.phase.name()),
            ));
        }
        let (id, source) = (self.job.id, self.job.source);
        let undone = match self.job.phase {
            Phase::Planned => self.job.done,
            _ => self.job.wanted.prepare.len(),
        };
        let undo: Vec<String> = self.job.wanted.prepare[..undone.min(self.job.wanted.prepare.len())]
            .iter()
            .rev()
            .map(|statement| statement.undo.clone())
            .filter(|undo| !undo.is_empty())
            .collect();
        let owner = self.job.owner;
        let wanted_source = self.job.wanted.source.clone();
        self.patiently("to drop the trigger", |engine| {
            engine.session.transaction(Sees::Newest, engine.limits.lock_timeout, |talk| {
                as_extension(|| {
                    let is_there = talk.row(&rows::source(source)).get(2).cloned().flatten().is_some();
                    if is_there {
                        for sql in journal::drop_triggers(id, &wanted_source) {
                            talk.run(&sql);
                        }
                    }
                });
            })
        })?;
        self.patiently("to drop the copy", |engine| {
            engine.transaction(Sees::Newest, |talk| {
                as_extension(|| {
                    if !talk.run(&journal::numbers(id)).is_empty() {
                        journal::drop(id).iter().for_each(|sql| drop(talk.run(sql)));
                    }
                });
                as_role(owner, || undo.iter().for_each(|sql| drop(talk.run(sql))));
                as_extension(|| drop(talk.run(&record::phase(id, Phase::Aborted))));
            })
        })?;
        self.entered(Phase::Aborted);
        Ok(())
    }
}
