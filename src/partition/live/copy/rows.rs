//! Rows: copied in batches, copied again, compared.

use std::time::Instant;

use pgrx::PgSqlErrorCode;

use super::{Engine, PATIENCE, Source, field, number};
use crate::change::batch::pace::Batch;
use crate::partition::copy::job::Phase;
use crate::partition::copy::journal::Part;
use crate::partition::copy::rows::{self, Key};
use crate::partition::copy::{journal, record};
use crate::pg::backfill::conversation::Conversation;
use crate::pg::error::raise;
use crate::pg::partition::copy::session::{
    Sees, as_extension, as_role, by_index, fault, giving_way, lock_journal, silently, unfiltered,
};
use crate::pg::planner::Refusal;
use crate::pg::progress;

/// More keys than this are replayed before the next batch.
const MOST_EXCLUDED: usize = 20_000;
/// More keys than this are replayed before rows are compared.
const MOST_APART: usize = 50_000;
/// So many blocks of a journal are read at once: about 50,000 keys.
const PAGE: u64 = 256;

/// What became of a transaction.
pub(super) enum Became {
    Done,
    /// The source was truncated or rewritten.
    Anew,
    /// So many keys wait that they have to be replayed first.
    TooMany,
}

impl Engine<'_> {
    /// The keys that wait in journals.
    fn keys(&self, talk: &Conversation, which: &[char], part: Part) -> Vec<Key> {
        as_extension(|| talk.run(&journal::keys(self.job.id, which, &self.job.wanted, part)))
    }

    /// Those of both, if there are no more than so many; else so many and one more.
    pub(super) fn keys_up_to(&self, talk: &Conversation, most: usize) -> Vec<Key> {
        self.keys(talk, &journal::BOTH, Part::UpTo(most + 1))
    }

    /// Locks the source against those who would rewrite it, and looks whether it is still the one that was begun.
    fn hold_source(&self, talk: &Conversation) -> Source {
        let sql = format!("LOCK TABLE {} IN ACCESS SHARE MODE", self.job.wanted.from());
        as_role(self.job.owner, || drop(talk.run(&sql)));
        // Before anything is seen: whoever makes a rule, or turns one on, locks the table more strongly.
        self.lock_against_rules(talk, &[&self.job.wanted.target]);
        let source = as_extension(|| Source::of(talk, self.job.source)).check(&self.job);
        self.refuse_rules(talk, &[&self.job.wanted.target]);
        source
    }

    pub(super) fn lock_against_rules(&self, talk: &Conversation, tables: &[&str]) {
        as_role(self.job.owner, || {
            for table in tables {
                talk.run(&format!("LOCK TABLE ONLY {table} IN ROW EXCLUSIVE MODE"));
            }
        });
    }

    /// Ends the transaction where a rule that fires always would add to what is written to one of the tables: that would be as
    /// silent as the copy itself, and with the rights of whoever made the rule.
    pub(super) fn refuse_rules(&self, talk: &Conversation, tables: &[&str]) {
        let found = as_extension(|| talk.run(&rows::always_ruled(tables)));
        if let Some(rule) = found.first() {
            raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                &format!("rule {} of {} fires always, for a copy, too", field(rule, 0), field(rule, 1)),
                "Rows that are copied are in the table already: no rule may see them.",
                &format!("ALTER TABLE {} ENABLE RULE {}", field(rule, 1), field(rule, 0)),
            );
        }
    }

    /// Copies all batches, then does what is to be done then.
    pub(super) fn copy(&mut self) -> Result<(), Refusal> {
        while let Some(first) = self.job.next_block {
            let started = Instant::now();
            let blocks = (self.pace.rows() as f64 / self.rows_per_block).max(1.0) as u64;
            let copied = self.patiently(progress::COPY_COPYING, |engine| engine.batch(first, blocks))?;
            match copied {
                (Became::Anew, ..) => self.begin_anew()?,
                (Became::TooMany, ..) => {
                    self.find_by_key()?;
                    self.replay()?;
                    fault("copy:kept_up");
                }
                (Became::Done, count, next) => {
                    let batch =
                        Batch { seen: count, changed: count, took: started.elapsed(), ..Batch::default() };
                    self.pace.succeeded(&batch);
                    if next.is_some() {
                        let per_block = count as f64 / blocks as f64;
                        self.rows_per_block = (self.rows_per_block + per_block).max(1.0) / 2.0;
                    }
                    self.job.next_block = next;
                    fault("copy:batch");
                }
            }
        }
        self.find_no_more()?;
        let statements = self.job.wanted.complete.clone();
        self.statements(&statements, progress::COPY_COMPLETING)?;
        self.enter(Phase::CatchingUp)
    }

    /// Indexes are built over all rows once they are copied. Where so much is written meanwhile that journals have to be replayed
    /// before, an index on the key comes first: each page of a journal would else be a look at all rows, and whoever writes
    /// faster than that would never be caught up with.
    ///
    /// Where that cannot be, it goes on without.
    fn find_by_key(&self) -> Result<(), Refusal> {
        let (wanted, owner) = (&self.job.wanted, self.job.owner);
        let indexed = self.transaction(Sees::Newest, |talk| {
            let row = as_extension(|| talk.row(&rows::is_indexed(wanted, &wanted.target)));
            if field(&row, 0) != "t" {
                giving_way(PATIENCE / 4, || {
                    as_role(owner, || drop(talk.run(&rows::create_index(self.job.id, wanted))));
                });
            }
        });
        match indexed {
            // A lock of somebody else's, or a type without an order.
            Err(refusal) if matches!(&*refusal.sqlstate, "55P03" | "40P01" | "42704") => Ok(()),
            other => other,
        }
    }

    /// Takes that index away.
    fn find_no_more(&mut self) -> Result<(), Refusal> {
        self.patiently("to take away the index on the key of the copy", |engine| {
            let (wanted, owner) = (&engine.job.wanted, engine.job.owner);
            engine.transaction(Sees::Newest, |talk| {
                let drops = as_extension(|| talk.run(&rows::drop_index(engine.job.id, wanted)));
                giving_way(PATIENCE / 4, || {
                    as_role(owner, || drops.iter().for_each(|row| drop(talk.run(field(row, 0)))));
                });
            })
        })
    }

    /// One batch: what became of it, how many rows it copied, where the next one begins.
    fn batch(&self, first: u64, blocks: u64) -> Result<(Became, u64, Option<u64>), Refusal> {
        let (wanted, id, owner) = (&self.job.wanted, self.job.id, self.job.owner);
        self.transaction(Sees::One, |talk| {
            let source = self.hold_source(talk);
            if source.file != self.job.file {
                return (Became::Anew, 0, None);
            }
            let keys = self.keys_up_to(talk, MOST_EXCLUDED);
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
    pub(super) fn begin_anew(&mut self) -> Result<(), Refusal> {
        if self.is_backwards() {
            return Err(Refusal {
                hint: format!(
                    "CALL dbm.partition_copy({}) ends it, and drops what was there before.",
                    self.job.id
                ),
                ..Refusal::new(
                    PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!(
                        "{} was truncated since it took its place: there is no way back",
                        self.job.wanted.source
                    ),
                )
            });
        }
        let journals: Vec<u32> = self.journals.iter().map(|&(_, number)| number).collect();
        let (id, owner, source) = (self.job.id, self.job.owner, self.job.source);
        let empty_target = format!("TRUNCATE {}", self.job.wanted.target);
        self.patiently("to begin anew", |engine| {
            engine.session.transaction(Sees::Newest, engine.limits.lock_timeout, |talk| {
                // Whoever wrote to them has ended, so that every batch will see what he did.
                journals.iter().for_each(|&journal| lock_journal(journal));
                as_role(owner, || drop(talk.run(&empty_target)));
                as_extension(|| {
                    talk.run(&journal::empty(id));
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
            let count = self.replay_pages(talk, if self.has_other_keys { &both } else { &both[..1] })?;
            as_extension(|| {
                talk.run(&format!("TRUNCATE {}", journal::name(id, which)));
                talk.run(&record::replayed(id, count));
            });
            Some(count)
        })
    }

    /// Copies the rows again whose keys are in journals, so many at a time that they fit in memory; how many keys there were,
    /// `None` where one tells of a TRUNCATE.
    fn replay_pages(&self, talk: &Conversation, which: &[char]) -> Option<usize> {
        let sizes = as_extension(|| talk.row(&journal::sizes(self.job.id)));
        let blocks = |which: char| number::<u64>(&sizes, if which == 'a' { 1 } else { 3 });
        let pages: Vec<(&[char], Part)> = if which.iter().map(|&which| blocks(which)).sum::<u64>() <= PAGE {
            vec![(which, Part::All)]
        } else {
            let firsts = |one: char| (0..blocks(one)).step_by(PAGE as usize);
            which
                .chunks(1)
                .flat_map(|one| firsts(one[0]).map(move |first| (one, Part::Blocks(first, first + PAGE))))
                .collect()
        };
        // A row can be in the way of one that stands in an earlier page: then all go before any comes.
        let is_two_fold = self.has_other_keys && pages.len() > 1;
        let mut count = 0;
        for is_first in [true, false].into_iter().filter(|is_first| !is_first || is_two_fold) {
            for (place, &(which, part)) in pages.iter().enumerate() {
                let keys = self.keys(talk, which, part);
                if keys.iter().any(rows::is_gap) {
                    return None;
                }
                self.progress.report(progress::COPY_CATCHING_UP, place, pages.len());
                self.copy_again(talk, &keys, !(is_first && is_two_fold));
                count += if is_first { 0 } else { keys.len() };
            }
        }
        Some(count)
    }

    /// Runs `work`, which looks rows of a table up by their keys and writes them.
    pub(super) fn by_index<T>(&self, talk: &Conversation, table: &str, work: impl FnOnce() -> T) -> T {
        let row = as_extension(|| talk.row(&rows::is_indexed(&self.job.wanted, table)));
        // Without an index each would be a look at all rows.
        if field(&row, 0) == "t" { silently(|| by_index(work)) } else { silently(work) }
    }

    /// Takes rows away from the copy and, if they are to be there, copies them again as they are now.
    pub(super) fn copy_again(&self, talk: &Conversation, keys: &[Key], are_there: bool) {
        let wanted = &self.job.wanted;
        let alone = rows::alone(wanted, keys);
        self.by_index(talk, &wanted.target, || {
            as_role(self.job.owner, || {
                rows::delete(wanted, keys, &alone).iter().for_each(|sql| drop(talk.run(sql)));
                rows::delete_current(wanted, &alone).iter().for_each(|sql| drop(talk.run(sql)));
                if are_there {
                    let again = rows::insert_again(wanted, &alone, self.job.next_block);
                    again.iter().for_each(|sql| drop(talk.run(sql)));
                }
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
    pub(super) fn compare_all(&mut self) -> Result<Became, Refusal> {
        self.catch_up(1_000)?;
        self.patiently(progress::COPY_COMPARING, |engine| {
            engine.compare_by(true).or_else(|refusal| match &*refusal.sqlstate {
                // A type without hashes.
                "42883" => engine.compare_by(false),
                _ => Err(refusal),
            })
        })
    }

    /// Compares, before the swap.
    pub(super) fn compare(&mut self) -> Result<(), Refusal> {
        match self.compare_all()? {
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
            let keys = self.keys_up_to(talk, MOST_APART);
            if keys.iter().any(rows::is_gap) {
                return Became::Anew;
            }
            if keys.len() > MOST_APART {
                return Became::TooMany;
            }
            self.progress.report(progress::COPY_COMPARING, 0, 0);
            let sql = rows::compared(wanted, &keys, by_hash);
            let row = unfiltered(|| as_role(owner, || talk.row(&sql)));
            let (ours, theirs): (u64, u64) = (number(&row, 0), number(&row, 1));
            if ours != theirs || field(&row, 2) != "t" {
                let numbers = format!("{ours} rows and {theirs} were compared; {} keys waited.", keys.len());
                if wanted.is_backwards {
                    raise(
                        PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                        &format!("{} and {} are not the same any more: there is no way back", wanted.source, wanted.target),
                        &format!("{numbers} Rows go that no journal names where a partition is truncated, detached or dropped."),
                        &format!("CALL dbm.partition_copy({id}) ends it, and drops {}.", wanted.target),
                    );
                }
                raise(
                    PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                    &format!("the copy of {} is not the same as the table", wanted.source),
                    &numbers,
                    &format!("CALL dbm.partition_copy({id}, 'aborted') takes everything back."),
                );
            }
            as_extension(|| drop(talk.run(&record::verified(id, ours))));
            Became::Done
        })
    }
}
