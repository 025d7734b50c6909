//! Copies at work: phase after phase, each transaction with what it did written down in it, so that whoever comes after a
//! crash goes on where it ended.

mod door;
pub mod drain;
mod rows;
mod swap;

use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;

pub use door::{Status, call, status};

use crate::change::batch::pace::Pace;
use crate::change::batch::setback::{Response, back_off, response};
use crate::partition::copy::job::{Definition, Job, Kind, Phase};
use crate::partition::copy::{journal, record, rows as text};
use crate::pg::backfill::conversation::{Conversation, Row};
use crate::pg::claim::{Claim, Class};
use crate::pg::closed::close;
use crate::pg::error::raise;
use crate::pg::file;
use crate::pg::partition::copy::session::{Sees, Session, as_extension, as_role, fault};
use crate::pg::planner::Refusal;
use crate::pg::progress::{self, Progress};
use crate::pg::query;
use crate::pg::sleep::sleep;
use crate::text::size::pretty_bytes;

/// How long a batch should take.
const BATCH_TIME: Duration = Duration::from_millis(250);
/// Rows of the first batch.
const BATCH_ROWS: u64 = 5_000;
/// After so many attempts pauses grow no longer: a bit more than a second.
const LONGEST_PAUSE: u32 = 6;
/// How long to wait for what stands in nobody's way: tables of ours, journals that writers leave.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long it waits for what keeps others waiting, and when it gives up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a lock that others wait behind.
    pub lock_timeout: Duration,
    /// Without getting any further.
    pub give_up_after: Duration,
}

/// A copy under way.
struct Engine<'a> {
    session: &'a Session,
    job: Job,
    limits: Limits,
    pace: Pace,
    /// Rows in a block, as batches found them.
    rows_per_block: f64,
    /// The letters and numbers of the journals.
    journals: Vec<(char, u32)>,
    /// Whether rows can be in each other's way by more than the key.
    has_other_keys: bool,
    progress: Progress,
}

/// Plans a copy in the transaction that is open; its number. `owner`: with whose rights it will work, the table's owner's.
pub fn store(wanted: &Definition, source: u32, owner: u32) -> i64 {
    let sql = record::create(wanted, source, owner);
    let numbers = as_extension(|| query::rows_mutable(&sql, &[], |row| row.get::<i64>(1)));
    numbers.into_iter().flatten().next().unwrap_or_default()
}

/// Reads a copy.
pub fn load(talk: &Conversation, id: i64) -> Job {
    let row = as_extension(|| talk.row(&record::load(id)));
    let wanted = serde_json::from_str(field(&row, 2)).ok();
    let (Some(wanted), Some(phase)) = (wanted, Phase::parse(field(&row, 3))) else {
        raise(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, &format!("there is no copy {id}"), "", "");
    };
    Job {
        id,
        source: number(&row, 0),
        owner: number(&row, 1),
        wanted,
        phase,
        done: number(&row, 4),
        next_block: row.get(5).and_then(Option::as_deref).and_then(|block| block.parse().ok()),
        file: number(&row, 6),
        shape: field(&row, 7).to_owned(),
    }
}

/// Carries a copy on to a phase, or as far as it gets; what fails is written down and comes back.
pub fn run(session: &Session, id: i64, upto: Phase, limits: Limits) -> Result<(), Refusal> {
    let Some(_held) = Claim::here(Class::Copy, id).hold() else {
        return Err(Refusal::new(
            PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
            format!("copy {id} is carried on by another process"),
        ));
    };
    let job = session.transaction(Sees::Newest, PATIENCE, |talk| load(talk, id))?;
    let mut engine = Engine {
        session,
        job,
        limits,
        pace: Pace::new(BATCH_ROWS, BATCH_TIME),
        rows_per_block: 50.0,
        journals: Vec::new(),
        has_other_keys: false,
        progress: Progress::begin(&progress::COPY),
    };
    let result = if upto == Phase::Aborted { engine.abort() } else { engine.go(upto) };
    if let Err(refusal) = &result {
        let error = refusal.reason();
        session.transaction(Sees::Newest, PATIENCE, |talk| {
            as_extension(|| talk.run(&record::failed(id, &error)));
        })?;
    }
    result
}

impl Engine<'_> {
    fn go(&mut self, upto: Phase) -> Result<(), Refusal> {
        let has_way_back = self.job.wanted.back.is_some();
        if self.job.phase == Phase::Aborted && has_way_back {
            // The plan that it belongs to was taken back, and is applied again.
            self.enter(Phase::Planned)?;
        }
        if self.job.phase >= Phase::Prepared && !self.job.phase.is_over() {
            self.look_at_source()?;
        }
        if self.job.phase == Phase::Ready && !self.job.wanted.journal.is_empty() {
            // It was compared by another run. Since then the server may have crashed, which empties unlogged tables.
            let sql = text::is_emptied_by_crash(&self.job.wanted.target);
            let row = self.transaction(Sees::Newest, |talk| as_extension(|| talk.row(&sql)))?;
            if field(&row, 0) == "t" {
                self.enter(Phase::CatchingUp)?;
            }
        }
        if has_way_back && self.job.phase == Phase::Verified && upto == Phase::Verified {
            // Once more, which keeps the journal small.
            return self.verify();
        }
        while self.job.phase < upto && !self.job.phase.is_over() {
            match self.job.phase {
                Phase::Planned => self.prepare()?,
                Phase::Prepared => self.enter(Phase::Copying)?,
                Phase::Copying => self.copy()?,
                Phase::CatchingUp => self.compare()?,
                Phase::Ready => self.swap()?,
                Phase::Swapped if has_way_back => self.verify()?,
                Phase::Swapped | Phase::Verified => self.clean()?,
                Phase::Cleaned | Phase::Aborted => {}
            }
            fault(&format!("copy:{}", self.job.phase.name()));
        }
        Ok(())
    }

    /// One transaction.
    fn transaction<T>(&self, sees: Sees, work: impl FnOnce(&Conversation) -> T) -> Result<T, Refusal> {
        let result = self.session.transaction(sees, PATIENCE, work);
        self.progress.again();
        result
    }

    /// Tries again while somebody is in the way, until nothing was got done for too long.
    fn patiently<T>(
        &mut self,
        what: &str,
        mut attempt: impl FnMut(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let (since, mut attempts) = (Instant::now(), 0);
        loop {
            let refusal = match attempt(self) {
                Ok(result) => return Ok(result),
                Err(refusal) => refusal,
            };
            let is_passing = response(&refusal.sqlstate) == Response::Retry && refusal.sqlstate != "57014";
            if !is_passing || since.elapsed() >= self.limits.give_up_after {
                return Err(refusal);
            }
            if attempts == 2 {
                let is_lock = matches!(&*refusal.sqlstate, "55P03" | "40P01");
                let who = if is_lock { "a lock of another session" } else { &*refusal.message };
                self.say(&format!("{who}, {what}"))?;
            }
            let chance = f64::from(since.elapsed().subsec_nanos() % 1_000) / 1_000.0;
            sleep(back_off(attempts.min(LONGEST_PAUSE), chance));
            attempts += 1;
        }
    }

    fn say(&self, reason: &str) -> Result<(), Refusal> {
        let sql = record::waits(self.job.id, reason);
        self.transaction(Sees::Newest, |talk| as_extension(|| drop(talk.run(&sql))))
    }

    fn enter(&mut self, phase: Phase) -> Result<(), Refusal> {
        let sql = record::phase(self.job.id, phase);
        self.transaction(Sees::Newest, |talk| as_extension(|| drop(talk.run(&sql))))?;
        self.entered(phase);
        Ok(())
    }

    fn entered(&mut self, phase: Phase) {
        self.job.phase = phase;
        self.job.done = 0;
    }

    /// Runs statements that are not done yet, each in its own transaction with what is done.
    fn statements(&mut self, statements: &[String], step: &str) -> Result<(), Refusal> {
        let closed = self.closed();
        for place in self.job.done..statements.len() {
            self.progress.report(step, place, statements.len());
            self.patiently(step, |engine| {
                let (owner, id, sql) = (engine.job.owner, engine.job.id, &statements[place]);
                engine.session.transaction(Sees::Newest, engine.limits.lock_timeout, |talk| {
                    // What is built over the rows is of the parent as it is now.
                    if engine.job.phase == Phase::Copying {
                        as_extension(|| drop(Source::of(talk, engine.job.source).check(&engine.job)));
                    }
                    as_role(owner, || {
                        talk.run(sql);
                        close(&closed);
                    });
                    as_extension(|| drop(talk.run(&record::done(id, place + 1))));
                })
            })?;
            self.job.done = place + 1;
            fault(&format!("copy:{}:{}", self.job.phase.name(), place + 1));
        }
        Ok(())
    }

    /// The tables that nobody but the owner may touch in this phase.
    fn closed(&self) -> Vec<String> {
        let Definition { kind, target, closed, .. } = &self.job.wanted;
        match self.job.phase {
            // What it is made anew as is what the table will be, with its rights.
            Phase::Copying if *kind == Kind::Convert => {
                closed.iter().filter(|table| *table != target).cloned().collect()
            }
            Phase::Planned | Phase::Copying => closed.clone(),
            _ => Vec::new(),
        }
    }

    /// Makes the tables, then the journal; from then on every change is known.
    fn prepare(&mut self) -> Result<(), Refusal> {
        if self.job.wanted.kind == Kind::Convert {
            self.look_for_room()?;
        }
        let statements: Vec<String> = self.job.wanted.prepare.iter().map(|one| one.sql.clone()).collect();
        self.statements(&statements, progress::COPY_PREPARING)?;
        if self.job.wanted.journal.is_empty() {
            return self.enter(Phase::Ready);
        }
        let (id, source) = (self.job.id, self.job.source);
        let create = journal::create(id, &self.job.wanted);
        self.patiently("to create the trigger", |engine| {
            engine.session.transaction(Sees::Newest, engine.limits.lock_timeout, |talk| {
                as_extension(|| {
                    create.iter().for_each(|sql| drop(talk.run(sql)));
                    close(&journal::BOTH.map(|which| journal::name(id, which)));
                    let seen = Source::of(talk, source);
                    talk.run(&record::begun(id, seen.file, &seen.shape, false));
                    talk.run(&record::phase(id, Phase::Prepared));
                });
            })
        })?;
        self.entered(Phase::Prepared);
        self.look_at_source()
    }

    /// Ends where it is known that the disk has no room for the copy.
    fn look_for_room(&self) -> Result<(), Refusal> {
        let source = self.job.source;
        self.transaction(Sees::Newest, |talk| {
            let row = as_extension(|| talk.row(&text::size(source)));
            let (bytes, tablespace): (u64, u32) = (number(&row, 0), number(&row, 1));
            if let Some(free) = file::free_bytes(tablespace).filter(|free| *free < bytes) {
                raise(
                    PgSqlErrorCode::ERRCODE_DISK_FULL,
                    &format!("there is no room for a copy of {}", self.job.wanted.source),
                    &format!("It takes {}, and {} are free.", pretty_bytes(bytes), pretty_bytes(free)),
                    "Make room in its tablespace; then the copy goes on.",
                );
            }
        })
    }

    /// Whether the copy is in its place, and works on the way back.
    fn is_backwards(&self) -> bool {
        self.job.wanted.is_backwards
    }

    /// What later phases need to know.
    fn look_at_source(&mut self) -> Result<(), Refusal> {
        let (id, source) = (self.job.id, self.job.source);
        let (job, journals, has_other_keys) = self.transaction(Sees::Newest, |talk| {
            let job = load(talk, id);
            let journals = as_extension(|| talk.run(&journal::numbers(id)));
            let other = as_extension(|| talk.row(&text::has_other_keys(source)));
            (job, journals, field(&other, 0) == "t")
        })?;
        self.journals = journals
            .iter()
            .map(|row| (field(row, 0).chars().next().unwrap_or_default(), number(row, 1)))
            .collect();
        self.has_other_keys = has_other_keys;
        self.job = job;
        if self.job.phase.is_swapped()
            && let Some(back) = self.job.wanted.backwards()
        {
            let row = self
                .transaction(Sees::Newest, |talk| as_extension(|| talk.row(&text::number(&back.source))))?;
            self.job.source = number(&row, 0);
            self.job.wanted = back;
        }
        let is_needed = self.job.phase < Phase::Swapped || self.is_backwards();
        if !self.job.wanted.journal.is_empty() && is_needed && self.journals.len() != 2 {
            return Err(Refusal::new(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("the journal of copy {id} is gone: it cannot go on"),
            ));
        }
        Ok(())
    }
}

/// What the source is in a moment.
struct Source {
    file: u32,
    blocks: u64,
    shape: String,
}

impl Source {
    fn of(talk: &Conversation, source: u32) -> Self {
        let row = talk.row(&text::source(source));
        if row.get(2).cloned().flatten().is_none() {
            raise(
                PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
                "the table that is being copied is gone",
                &format!("Its number was {source}."),
                "",
            );
        }
        Self { file: number(&row, 0), blocks: number(&row, 1), shape: field(&row, 2).to_owned() }
    }

    /// Ends the transaction where the table has other columns than when copying began.
    fn check(self, job: &Job) -> Self {
        if self.shape != job.shape {
            raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                &format!("columns of {} changed while it was copied", job.wanted.source),
                "",
                &format!("CALL dbm.partition_copy({}, 'aborted'), and begin anew.", job.id),
            );
        }
        self
    }
}

/// The text of a column; empty for NULL.
fn field(row: &Row, column: usize) -> &str {
    row.get(column).and_then(Option::as_deref).unwrap_or_default()
}

/// The number in a column; the type's zero for NULL.
fn number<T: std::str::FromStr + Default>(row: &Row, column: usize) -> T {
    field(row, column).parse().unwrap_or_default()
}
