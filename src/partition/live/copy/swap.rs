//! The swap, what follows it, and the way back before it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;

use super::rows as rows_at_work;
use super::{Engine, Source, number};
use crate::partition::copy::job::{Definition, Phase};
use crate::partition::copy::{journal, record, rows};
use crate::pg::error::raise;
use crate::pg::partition::copy::session::{
    Sees, as_extension, as_role, fault, giving_way, silently, unfiltered, waiting_no_longer_than,
};
use crate::pg::planner::Refusal;
use crate::pg::progress;
use crate::pg::trail;

/// No more keys than this are copied again while everybody waits.
const MOST_IN_SWAP: usize = 1_000;
/// So few keys are worth an attempt.
const FEW: usize = 100;

/// What became of an attempt.
enum Became {
    Swapped,
    /// Too many keys came in while the lock was waited for.
    TooMany,
    /// The source was truncated.
    Anew,
    /// It was rewritten: without a word in the journal its rows may be others.
    Rewritten,
}

impl Engine<'_> {
    /// Catches up, locks, copies the rest and swaps; lets go and tries again where that would take long. On the way back the
    /// same with the two tables exchanged.
    pub(super) fn swap(&mut self) -> Result<(), Refusal> {
        let phase = self.job.phase;
        let is_journaled = !self.job.wanted.journal.is_empty();
        let held = self.patiently("to swap", |engine| {
            if is_journaled {
                engine.catch_up(FEW)?;
                if engine.job.phase != phase {
                    // It had to begin anew, and is to be compared anew.
                    return Ok(None);
                }
            }
            engine.progress.report(progress::COPY_SWAPPING, 0, 0);
            let mut locked = None;
            let again = |what: &str| {
                Err(Refusal::new(
                    PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
                    format!("{} {what}", engine.job.wanted.source),
                ))
            };
            match engine.try_swap(&mut locked)? {
                Became::Swapped => {
                    Ok(Some(locked.map_or(Duration::ZERO, |moment: Instant| moment.elapsed())))
                }
                Became::TooMany => again("changes faster than it can be copied"),
                Became::Anew => again("was truncated"),
                Became::Rewritten => {
                    engine.begin_anew()?;
                    Ok(None)
                }
            }
        })?;
        let Some(held) = held else { return Ok(()) };
        let sql = record::held(self.job.id, held.as_micros());
        self.transaction(Sees::Newest, |talk| as_extension(|| drop(talk.run(&sql))))?;
        self.look_at_source()
    }

    fn try_swap(&self, locked: &mut Option<Instant>) -> Result<Became, Refusal> {
        let (wanted, id, owner) = (&self.job.wanted, self.job.id, self.job.owner);
        let is_journaled = !wanted.journal.is_empty();
        let total = self.limits.lock_timeout;
        let back = wanted.back.as_ref().filter(|_| !wanted.is_backwards);
        // An attempt that gives up ends with an ERROR, so that nothing of it stays.
        let gave_up = Cell::new(None);
        let give_up = |why: Became| -> ! {
            gave_up.set(Some(why));
            raise(PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE, "the swap was given up", "", "")
        };
        let result = self.session.transaction(Sees::Newest, total, |talk| {
            if back.is_some() {
                // While nobody waits; what copies the last keys fires none of them.
                as_extension(|| {
                    let triggers = journal::create_triggers(id, wanted, &wanted.target);
                    triggers.iter().for_each(|sql| drop(talk.run(sql)));
                });
            }
            as_role(owner, || wanted.before.iter().for_each(|sql| drop(talk.run(sql))));
            // All of them together no longer than the limit. An autovacuum is asked to end before the wait is over: what it
            // works on is about to be emptied, or to get another name.
            let since = Instant::now();
            giving_way(total / 4, || {
                as_role(owner, || {
                    for table in &wanted.locks {
                        let left = total.saturating_sub(since.elapsed());
                        waiting_no_longer_than(left, || {
                            talk.run(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
                        });
                        locked.get_or_insert_with(Instant::now);
                    }
                });
            });
            if let Some((query, otherwise)) = &wanted.holds {
                let row = as_extension(|| talk.row(query));
                if super::field(&row, 0) != "t" {
                    raise(
                        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                        otherwise,
                        "",
                        &format!("CALL dbm.partition_copy({id}, 'aborted') takes the copy away."),
                    );
                }
            }
            let mut written: Vec<&str> = vec![&wanted.source, &wanted.target];
            written.extend(wanted.handover.iter().flat_map(|handover| [&*handover.hold, &*handover.into]));
            self.lock_against_rules(talk, &written);
            self.refuse_rules(talk, &written);
            let mut late = Vec::new();
            if is_journaled {
                let source = as_extension(|| Source::of(talk, self.job.source)).check(&self.job);
                if !wanted.is_backwards && source.file != self.job.file {
                    give_up(Became::Rewritten);
                }
                as_extension(|| {
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
                let keys = self.keys_up_to(talk, MOST_IN_SWAP);
                if keys.iter().any(rows::is_gap) {
                    give_up(Became::Anew);
                }
                if keys.len() > MOST_IN_SWAP {
                    give_up(Became::TooMany);
                }
                match &wanted.handover {
                    Some(handover) => {
                        let held = Definition { target: handover.hold.clone(), ..wanted.clone() };
                        let again = rows::insert_again(&held, &rows::alone(wanted, &keys), None);
                        silently(|| as_role(owner, || again.iter().for_each(|sql| drop(talk.run(sql)))));
                        late = keys;
                    }
                    None => self.copy_again(talk, &keys, true),
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
                let rows: u64 = unfiltered(|| as_role(owner, || number(&talk.row(&count), 0)));
                if rows > wanted.most_in_swap {
                    raise(
                        PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                        &format!("{} has more than {} rows by now", wanted.source, wanted.most_in_swap),
                        "So many cannot be moved while everybody waits.",
                        "",
                    );
                }
                silently(|| as_role(owner, || talk.execute(&rows::copy_all(wanted))));
            }
            // A statement that needs a lock beside those is not to keep everybody waiting for it.
            waiting_no_longer_than(total / 4, || {
                silently(|| as_role(owner, || wanted.swap.iter().for_each(|sql| drop(talk.run(sql)))));
            });
            if let Some(handover) = wanted.handover.as_ref().filter(|_| !late.is_empty()) {
                self.by_index(talk, &handover.into, || {
                    as_role(owner, || {
                        let alone = rows::alone(wanted, &late);
                        let into = Definition { target: handover.into.clone(), ..wanted.clone() };
                        rows::delete(&into, &late, &alone).iter().for_each(|sql| drop(talk.run(sql)));
                        let held = Definition { source: handover.hold.clone(), ..into };
                        rows::delete_current(&held, &alone).iter().for_each(|sql| drop(talk.run(sql)));
                        talk.run(&rows::pour(wanted, &handover.hold, &handover.into));
                    });
                });
            }
            as_extension(|| {
                if !wanted.told.is_empty() {
                    trail::note_of_part(self.job.source, "moved", &wanted.told);
                }
                if let Some(back) = back {
                    talk.run(&journal::empty(id));
                    talk.run(&journal::enable_triggers(id, &back.table));
                }
                // Once it is back, only the copy is left to be taken away.
                let phase = if wanted.is_backwards { Phase::Ready } else { Phase::Swapped };
                talk.run(&record::phase(id, phase));
            });
            fault(if wanted.is_backwards { "copy:back_uncommitted" } else { "copy:uncommitted" });
            Became::Swapped
        });
        self.progress.again();
        match (result, gave_up.take()) {
            (Err(_), Some(why)) => Ok(why),
            (result, _) => result,
        }
    }

    /// Compares once more, after the swap: nothing was lost in it, and the way back is open.
    pub(super) fn verify(&mut self) -> Result<(), Refusal> {
        match self.compare_all()? {
            rows_at_work::Became::Done => self.enter(Phase::Verified),
            // Called again.
            rows_at_work::Became::TooMany => Ok(()),
            rows_at_work::Became::Anew => self.replay().map(drop),
        }
    }

    /// Takes away what is left over.
    pub(super) fn clean(&mut self) -> Result<(), Refusal> {
        self.progress.report(progress::COPY_CLEANING, 0, 0);
        if self.is_backwards() {
            self.drop_triggers()?;
        }
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

    /// Takes the journal's triggers off the table that is written to, where they and it are still there.
    fn drop_triggers(&mut self) -> Result<(), Refusal> {
        let (id, source, name) = (self.job.id, self.job.source, self.job.wanted.source.clone());
        self.patiently("to drop the trigger", |engine| {
            engine.session.transaction(Sees::Newest, engine.limits.lock_timeout, |talk| {
                as_extension(|| {
                    let is_there = talk.row(&rows::source(source)).get(2).cloned().flatten().is_some();
                    if is_there {
                        for sql in journal::drop_triggers(id, &name) {
                            talk.run(&sql);
                        }
                    }
                });
            })
        })
    }

    /// What was written since the swap goes to where it came from, which gets its place back.
    fn go_back(&mut self) -> Result<(), Refusal> {
        self.look_at_source()?;
        while self.job.phase.is_swapped() {
            match self.compare_all()? {
                rows_at_work::Became::Done => self.swap()?,
                rows_at_work::Became::TooMany => {}
                rows_at_work::Became::Anew => drop(self.replay()?),
            }
        }
        fault("copy:back");
        Ok(())
    }

    /// Takes everything back; the source is as if nothing had been.
    pub(super) fn abort(&mut self) -> Result<(), Refusal> {
        if self.job.phase == Phase::Aborted {
            return Ok(());
        }
        if self.job.phase.is_swapped() && self.job.wanted.back.is_some() {
            self.go_back()?;
        }
        if self.job.phase >= Phase::Swapped {
            return Err(Refusal::new(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("copy {} is {}: it cannot be given up any more", self.job.id, self.job.phase.name()),
            ));
        }
        let id = self.job.id;
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
        if self.job.phase > Phase::Planned {
            self.drop_triggers()?;
        }
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
