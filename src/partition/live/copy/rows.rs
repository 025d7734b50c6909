//! Rows: copied in batches, copied again, compared.

use std::time::Instant;

use pgrx::PgSqlErrorCode;

use super::{Engine, Source, field, number};
use crate::change::batch::pace::Batch;
use crate::partition::copy::job::Phase;
use crate::partition::copy::rows::{self, Key};
use crate::partition::copy::{journal, record};
use crate::pg::backfill::conversation::Conversation;
use crate::pg::partition::copy::session::{
    Sees, as_extension, as_role, by_index, fault, lock_journal, silently,
};
use crate::pg::planner::Refusal;
use crate::pg::progress;

/// More keys than this are replayed before the next batch.
const MOST_EXCLUDED: usize = 20_000;
/// More keys than this are replayed before rows are compared.
const MOST_APART: usize = 50_000;

/// What became of a transaction.
enum Became {
    Done,
    /// The source was truncated or rewritten.
    Anew,
    /// So many keys wait that they have to be replayed first.
    TooMany,
}

impl Engine<'_> {
    /// The keys that wait in journals.
    pub(super) fn keys(&self, talk: &Conversation, which: &[char]) -> Vec<Key> {
        as_extension(|| talk.run(&journal::keys(self.job.id, which, &self.job.wanted)))
    }

    /// Locks the source against those who would rewrite it, and looks whether it is still the one that was begun.
    fn hold_source(&self, talk: &Conversation) -> Source {
        let sql = format!("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", self.job.wanted.source);
        as_role(self.job.owner, || drop(talk.run(&sql)));
        as_extension(|| Source::of(talk, self.job.source)).check(&self.job)
    }

    /// Copies all batches, then does what is to be done then.
    pub(super) fn copy(&mut self) -> Result<(), Refusal> {
        while let Some(first) = self.job.next_block {
            let started = Instant::now();
            let blocks = (self.pace.rows() as f64 / self.rows_per_block).max(1.0) as u64;
            let copied = self.patiently(progress::COPY_COPYING, |engine| engine.batch(first, blocks))?;
            match copied {
                (Became::Anew, ..) => self.begin_anew()?,
                (Became::TooMany, ..) => drop(self.replay()?),
                (Became::Done, count, next) => {
                    let batch =
                        Batch { seen: count, changed: count, took: started.elapsed(), ..Batch::default() };
                    self.pace.succeeded(&batch);
                    if next.is_some() {
                        let per_block = count as f64 / blocks as f64;
                        self.rows_per_block = (self.rows_per_block + per_block).max(1.0) / 2.0;
                    }
                    self.job.next_block = next;
                    self.outcome.copied += count;
                    fault("copy:batch");
                }
            }
        }
        let statements = self.job.wanted.complete.clone();
        self.statements(&statements, progress::COPY_COMPLETING)?;
        self.enter(Phase::CatchingUp)
    }

    /// One batch: what became of it, how many rows it copied, where the next one begins.
    fn batch(&self, first: u64, blocks: u64) -> Result<(Became, u64, Option<u64>), Refusal> {
        let (wanted, id, owner) = (&self.job.wanted, self.job.id, self.job.owner);
        self.transaction(Sees::One, |talk| {
            let source = self.hold_source(talk);
            if source.file != self.job.file {
                return (Became::Anew, 0, None);
            }
            let keys = self.keys(talk, &journal::BOTH);
            if keys.iter().any(rows::is_gap) {
                return (Became::Anew, 0, None);
            }
            if keys.len() > MOST_EXCLUDED {
                return (Became::TooMany, 0, None);
            }
            let size = |blocks: u64| usize::try_from(blocks).unwrap_or(usize::MAX);
            self.progress.report(progress::COPY_COPYING, size(first), size(source.blocks));
            let end = Some(first + blocks).filter(|&end| end < source.blocks);
            let sql = rows::copy(wanted, first, end, &keys);
            let count = silently(|| as_role(owner, || talk.execute(&sql)));
            as_extension(|| drop(talk.run(&record::copied(id, end, count))));
            (Became::Done, count, end)
        })
    }

    /// Empties copy and journals and begins with the first block, because rows went that no journal names.
    fn begin_anew(&mut self) -> Result<(), Refusal> {
        let journals: Vec<u32> = self.journals.iter().map(|&(_, number)| number).collect();
        let (id, owner, source) = (self.job.id, self.job.owner, self.job.source);
        let names: Vec<String> = journal::BOTH.iter().map(|&which| journal::name(id, which)).collect();
        let empty_target = format!("TRUNCATE {}", self.job.wanted.target);
        self.patiently("to begin anew", |engine| {
            engine.session.transaction(Sees::Newest, engine.limits.lock_timeout, |talk| {
                // Whoever wrote to them has ended, so that every batch will see what he did.
                journals.iter().for_each(|&journal| lock_journal(journal));
                as_role(owner, || drop(talk.run(&empty_target)));
                as_extension(|| {
                    talk.run(&format!("TRUNCATE {}", names.join(", ")));
                    let seen = Source::of(talk, source);
                    talk.run(&record::begun(id, seen.file, &seen.shape, true));
                    if engine.job.phase > Phase::Copying {
                        talk.run(&record::phase(id, Phase::Copying));
                        // Indexes and what else was done then are there.
                        talk.run(&record::done(id, engine.job.wanted.complete.len()));
                    }
                });
            })
        })?;
        self.look_at_source()
    }

    /// Copies the rows again whose keys wait in one of the journals; how many keys there were.
    pub(super) fn replay(&mut self) -> Result<usize, Refusal> {
        let id = self.job.id;
        let sizes = self.transaction(Sees::Newest, |talk| as_extension(|| talk.row(&journal::sizes(id))))?;
        let mut waiting: Vec<(u64, char, u32)> = self
            .journals
            .iter()
            .enumerate()
            .filter(|(position, _)| field(&sizes, 2 * position) == "t")
            .map(|(position, &(which, journal))| (number(&sizes, 2 * position + 1), which, journal))
            .collect();
        waiting.sort_unstable_by(|one, other| other.cmp(one));
        if waiting.is_empty() {
            return Ok(0);
        }
        let mut turn = 0;
        let replayed = self.patiently("to read the journal", |engine| {
            let (_, which, journal) = waiting[turn % waiting.len()];
            turn += 1;
            engine.replay_one(which, journal)
        })?;
        fault("copy:replayed");
        let Some(count) = replayed else {
            self.begin_anew()?;
            // Not small, so that whoever waits for little to be left goes on.
            return Ok(usize::MAX);
        };
        self.outcome.replayed += count as u64;
        Ok(count)
    }

    /// Empties a journal; how many keys were in it, `None` where copying has to begin anew.
    fn replay_one(&self, which: char, journal: u32) -> Result<Option<usize>, Refusal> {
        let id = self.job.id;
        self.transaction(Sees::One, |talk| {
            // First of all: what is seen from now on holds all that was written to this journal.
            lock_journal(journal);
            let source = self.hold_source(talk);
            if self.job.next_block.is_some() && source.file != self.job.file {
                return None;
            }
            // By another key a row can be in the way of one whose key waits in the other journal.
            let both = [which, if which == 'a' { 'b' } else { 'a' }];
            let keys = self.keys(talk, if self.has_other_keys { &both } else { &both[..1] });
            if keys.iter().any(rows::is_gap) {
                return None;
            }
            self.progress.report(progress::COPY_CATCHING_UP, 0, keys.len());
            self.copy_again(talk, &keys);
            as_extension(|| {
                talk.run(&format!("TRUNCATE {}", journal::name(id, which)));
                talk.run(&record::replayed(id, keys.len()));
            });
            Some(keys.len())
        })
    }

    /// Runs `work`, which looks rows of a table up by their keys and writes them.
    pub(super) fn by_index<T>(&self, talk: &Conversation, table: &str, work: impl FnOnce() -> T) -> T {
        let row = as_extension(|| talk.row(&rows::is_indexed(&self.job.wanted, table)));
        // Without an index each would be a look at all rows.
        if field(&row, 0) == "t" { silently(|| by_index(work)) } else { silently(work) }
    }

    /// Copies rows again as they are now.
    pub(super) fn copy_again(&self, talk: &Conversation, keys: &[Key]) {
        let wanted = &self.job.wanted;
        self.by_index(talk, &wanted.target, || {
            as_role(self.job.owner, || {
                rows::delete(wanted, keys).iter().for_each(|sql| drop(talk.run(sql)));
                rows::delete_current(wanted, keys).iter().for_each(|sql| drop(talk.run(sql)));
                let again = rows::insert_again(wanted, keys, self.job.next_block);
                again.iter().for_each(|sql| drop(talk.run(sql)));
            });
        });
    }

    /// Replays until at most so many keys were left, or little is gained by going on.
    pub(super) fn catch_up(&mut self, few: usize) -> Result<(), Refusal> {
        let mut before = usize::MAX;
        for _ in 0..100 {
            let count = self.replay()?;
            if self.job.phase == Phase::Copying {
                // It had to begin anew.
                self.copy()?;
                continue;
            }
            if count <= few || (count < 10 * few && count >= before) {
                return Ok(());
            }
            before = count;
        }
        Ok(())
    }

    /// Compares all rows of both tables but those whose keys wait, as they are in one moment.
    pub(super) fn compare(&mut self) -> Result<(), Refusal> {
        self.catch_up(1_000)?;
        let compared = self.patiently(progress::COPY_COMPARING, |engine| {
            engine.compare_by(true).or_else(|refusal| match &*refusal.sqlstate {
                // A type without hashes.
                "42883" => engine.compare_by(false),
                _ => Err(refusal),
            })
        })?;
        match compared {
            Became::Done => self.enter(Phase::Ready),
            Became::TooMany => Ok(()),
            Became::Anew => {
                self.begin_anew()?;
                self.copy()
            }
        }
    }

    fn compare_by(&self, by_hash: bool) -> Result<Became, Refusal> {
        let (wanted, id, owner) = (&self.job.wanted, self.job.id, self.job.owner);
        self.transaction(Sees::One, |talk| {
            self.hold_source(talk);
            let keys = self.keys(talk, &journal::BOTH);
            if keys.iter().any(rows::is_gap) {
                return Became::Anew;
            }
            if keys.len() > MOST_APART {
                return Became::TooMany;
            }
            self.progress.report(progress::COPY_COMPARING, 0, 0);
            let sql = rows::compared(wanted, &keys, by_hash);
            let row = silently(|| as_role(owner, || talk.row(&sql)));
            let (ours, theirs): (u64, u64) = (number(&row, 0), number(&row, 1));
            if ours != theirs || field(&row, 2) != "t" {
                crate::pg::error::raise(
                    PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                    &format!("the copy of {} is not the same as the table", wanted.source),
                    &format!("{ours} rows and {theirs} were compared; {} keys waited.", keys.len()),
                    &format!("CALL dbm.partition_copy({id}, 'aborted') takes everything back."),
                );
            }
            as_extension(|| drop(talk.run(&record::verified(id, ours))));
            Became::Done
        })
    }
}
