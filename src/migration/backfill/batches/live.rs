//! Runs batches: each its own transaction, tried again in smaller ones where somebody is in the way, slowed down where
//! the server or its standbys do not keep up.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;
use serde_json::Value;

use crate::change::batch::pace::{Batch, Pace, rest, told_of_wal};
use crate::change::batch::setback::{Response, back_off, response};
use crate::migration::backfill::lag::Positions;
use crate::migration::backfill::live::{Job, State, Wanted, new_part};
use crate::migration::backfill::range::{Change, Place};
use crate::migration::backfill::record::{self, Recorded};
use crate::migration::backfill::target::live::{Leaf, number, text};
use crate::pg::backfill::attempt::attempt;
use crate::pg::backfill::conversation::{Conversation, Row};
use crate::pg::backfill::owner::as_owner;
use crate::pg::error::raise;
use crate::pg::local_settings::with_settings;
use crate::pg::planner::Refusal;
use crate::pg::progress::{self, Progress};
use crate::pg::sleep::sleep;

/// Keys are written so that they are read again as they were, and found by the index even where it seems dear.
const EXACT: [(&std::ffi::CStr, &std::ffi::CStr); 6] = [
    (c"DateStyle", c"ISO"),
    (c"IntervalStyle", c"postgres"),
    (c"bytea_output", c"hex"),
    (c"extra_float_digits", c"1"),
    (c"enable_seqscan", c"off"),
    (c"enable_bitmapscan", c"off"),
];
/// A batch is ended when it takes so much longer than it should, and at least so long.
const OVERTIME: u32 = 4;
const SHORTEST_LIMIT: Duration = Duration::from_secs(5);
/// How often to look again while waiting.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often the statistics system is told.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// The request that ends a job for good.
const CANCEL: &str = "cancel";

/// How a pass ends.
pub enum Flow {
    /// All parts are through.
    Done,
    /// Somebody asked to pause or to cancel.
    Stopped(&'static str),
}

/// A job under way.
pub struct Run<'a> {
    /// The conversation with the server.
    pub talk: &'a Conversation,
    /// The target's name.
    pub name: &'a str,
    /// The job.
    pub job: Job,
    wanted: &'a Wanted,
    change: Change<'a>,
    states: Vec<State>,
    pace: Pace,
    positions: Positions,
    progress: Progress,
    started: Instant,
    reported: Instant,
    /// Since when nothing was got done, and how often it was tried.
    stuck: Option<(Instant, u32)>,
}

/// A batch that was made and not yet committed.
struct Made {
    batch: Batch,
    upto: Place,
    is_last: bool,
    repeats: bool,
    request: Option<String>,
}

impl<'a> Run<'a> {
    /// Before its first batch.
    pub fn new(
        talk: &'a Conversation,
        wanted: &'a Wanted,
        name: &'a str,
        change: Change<'a>,
        job: Job,
        states: Vec<State>,
    ) -> Self {
        let now = Instant::now();
        Self {
            talk,
            name,
            job,
            wanted,
            change,
            states,
            pace: Pace::new(wanted.batch_rows, wanted.batch_time),
            positions: Positions::default(),
            progress: Progress::begin(&progress::BACKFILL),
            started: now,
            reported: now,
            stuck: None,
        }
    }

    /// Goes over all parts that are not done.
    pub fn pass(&mut self) -> Flow {
        self.show(if self.job.pass == 1 { progress::BACKFILL_CHANGING } else { progress::BACKFILL_CHECKING });
        for position in 0..self.states.len() {
            while !self.states[position].is_done {
                if let Some(request) = self.wait_for_others(position) {
                    return Flow::Stopped(request);
                }
                let step = if self.states[position].bound.is_some() {
                    self.step(position)
                } else {
                    self.bound(position)
                };
                if let Some(request) = step {
                    return Flow::Stopped(request);
                }
            }
        }
        Flow::Done
    }

    /// Begins to go over everything again, partitions that came since included.
    pub fn next_pass(&mut self, leaves: Vec<Leaf>) {
        as_owner(|| {
            self.talk.run(&record::next_pass(self.job.id));
            for leaf in &leaves {
                self.talk.run(&new_part(self.job.id, leaf));
            }
        });
        self.talk.commit();
        self.job.pass += 1;
        self.job.changed_in_pass = 0;
        self.states = leaves.into_iter().map(State::new).collect();
    }

    /// Says up to where this pass goes in a part: what is beyond was not there when it began.
    fn bound(&mut self, position: usize) -> Option<&'static str> {
        let part = self.states[position].leaf.part.clone();
        let result = attempt(self.wanted.lock_timeout, self.limit(), || {
            let bound = with_settings(&EXACT, || self.talk.run(&part.last())).into_iter().next().map(place);
            as_owner(|| self.talk.run(&record::bounded(self.job.id, &part.name, bound.as_ref())));
            bound
        });
        match result {
            Ok(bound) => {
                self.talk.commit();
                self.stuck = None;
                let state = &mut self.states[position];
                state.is_done = bound.is_none();
                state.bound = bound;
                None
            }
            Err(refusal) => self.setback(position, &refusal, None),
        }
    }

    /// One batch; what is asked of the job, if anything.
    fn step(&mut self, position: usize) -> Option<&'static str> {
        let started = Instant::now();
        // Up to where the batch would have gone, for whoever looks for the row that is to blame.
        let reached = RefCell::new(None);
        let made = attempt(self.wanted.lock_timeout, self.limit(), || self.make(position, started, &reached));
        match made {
            Ok(made) => self.made(position, started, made),
            Err(refusal) => self.setback(position, &refusal, reached.into_inner()),
        }
    }

    /// Changes the rows of a batch and records it.
    fn make(&self, position: usize, started: Instant, reached: &RefCell<Option<Place>>) -> Made {
        let state = &self.states[position];
        let (part, after) = (&state.leaf.part, state.after.as_ref());
        let (rows, bound) = (self.pace.rows(), state.bound.clone().unwrap_or_default());
        let next = with_settings(&EXACT, || self.talk.run(&part.boundary(after, &bound, rows)));
        let (upto, seen, is_last) = match next.into_iter().next() {
            Some(row) => (place(row), rows, false),
            None => {
                let left = with_settings(&EXACT, || self.talk.row(&part.count(after, &bound)));
                (bound, number(&left, 0), true)
            }
        };
        reached.replace(Some(upto.clone()));
        let before = self.talk.row(record::WAL);
        let counts = self.talk.row(&part.update(&self.change, after, &upto));
        // What is checked at the end of a transaction is checked here, where it does not end the procedure.
        self.talk.run("SET CONSTRAINTS ALL IMMEDIATE");
        let (changed, left): (u64, u64) = (number(&counts, 0), number(&counts, 1));
        let after_it = as_owner(|| self.talk.row(record::AFTERMATH));
        let batch = Batch {
            seen,
            changed,
            took: started.elapsed(),
            wal_bytes: wal(&after_it).saturating_sub(wal(&before)),
            victims: number(&after_it, 1),
        };
        let recorded =
            Recorded { job: self.job.id, part: &part.name, after, upto: &upto, is_last, repeats: left > 0 };
        let row = as_owner(|| self.talk.row(&record::batch(&recorded, &batch)));
        if number::<u64>(&row, 0) != 1 {
            raise(
                PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
                &format!("job {} was moved on by another session", self.job.id),
                &format!("Its cursor in {} is not where this session left it.", part.name),
                "Call it again to go on from there.",
            );
        }
        let request = row.get(1).cloned().flatten();
        Made { batch, upto, is_last, repeats: left > 0, request }
    }

    /// Commits a batch, learns from it and rests.
    fn made(&mut self, position: usize, started: Instant, made: Made) -> Option<&'static str> {
        self.talk.commit();
        let batch = Batch { took: started.elapsed(), ..made.batch };
        self.pace.succeeded(&batch);
        self.stuck = None;
        self.job.repeats |= made.repeats;
        self.job.changed_in_pass += batch.changed;
        let state = &mut self.states[position];
        state.seen += batch.seen;
        state.after = Some(made.upto);
        state.is_done = made.is_last;
        if let Some(request) = asked(made.request.as_deref()) {
            return Some(request);
        }
        if self.reported.elapsed() >= REPORT_EVERY {
            self.talk.report_statistics();
            self.reported = Instant::now();
        }
        self.show(if self.job.pass == 1 { progress::BACKFILL_CHANGING } else { progress::BACKFILL_CHECKING });
        let rest = rest(&batch, self.wanted.duty, self.wanted.max_wal_per_second);
        // The next batch takes the word back.
        let told = self.wanted.max_wal_per_second.filter(|_| rest.is_for_wal && rest.duration > LOOK_AGAIN);
        if let Some(most) = told
            && let Some(request) = self.say(Some(&told_of_wal(&batch, most)))
        {
            return Some(request);
        }
        self.rest(rest.duration)
    }

    /// Rests; what is asked of the job meanwhile, if anything.
    fn rest(&self, duration: Duration) -> Option<&'static str> {
        let end = Instant::now() + duration;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            sleep(left.min(LOOK_AGAIN));
            if left <= LOOK_AGAIN {
                return None;
            }
            let row = as_owner(|| self.talk.row(&record::request(self.job.id)));
            // Not one long transaction, and no snapshot.
            self.talk.commit();
            if let Some(request) = asked(row.first().and_then(Option::as_deref)) {
                return Some(request);
            }
        }
    }

    /// What to do after an attempt that was rolled back; what is asked of the job, if anything.
    fn setback(
        &mut self,
        position: usize,
        refusal: &Refusal,
        reached: Option<Place>,
    ) -> Option<&'static str> {
        match response(&refusal.sqlstate) {
            Response::GiveUp => self.fail(refusal, &format!("job {} stopped", self.job.id)),
            Response::Split => {
                if !self.pace.failed() {
                    let part = &self.states[position].leaf.part;
                    let key =
                        reached.map_or_else(String::new, |place| format!(" with {}", part.told(&place)));
                    let message = format!("job {} stopped at the row of {}{key}", self.job.id, part.name);
                    self.fail(refusal, &message);
                }
                None
            }
            Response::Retry => {
                self.pace.failed();
                let now = Instant::now();
                let (since, attempts) = self.stuck.unwrap_or((now, 0));
                self.stuck = Some((since, attempts + 1));
                let left = self.wanted.give_up_after.saturating_sub(since.elapsed());
                if left.is_zero() {
                    let state = &self.states[position];
                    let part = &state.leaf.part;
                    let place = match &state.after {
                        Some(after) => format!("than {} of {}", part.told(after), part.name),
                        None => format!("than the beginning of {}", part.name),
                    };
                    let seconds = since.elapsed().as_secs();
                    self.fail(
                        refusal,
                        &format!("job {} got no further {place} for {seconds} s", self.job.id),
                    );
                }
                let reason = obstacle(refusal, self.limit());
                let asked = self.say(Some(&reason));
                if asked.is_none() {
                    let chance = f64::from(now.elapsed().subsec_nanos() % 1_000) / 1_000.0;
                    sleep(back_off(attempts, chance).min(left));
                }
                asked
            }
        }
    }

    /// Records why the job ends, and ends it.
    fn fail(&self, refusal: &Refusal, message: &str) -> ! {
        let full = format!("{message}: {}", refusal.message);
        as_owner(|| self.talk.run(&record::stopped(self.job.id, "failed", Some(&full))));
        self.talk.commit();
        let hint = if refusal.hint.is_empty() {
            "What was done is kept. Mend it and call the same again to go on."
        } else {
            &refusal.hint
        };
        Refusal { message: full, hint: hint.to_owned(), ..refusal.clone() }.raise()
    }

    /// Waits until nothing speaks against the next batch; what is asked of the job meanwhile, if anything.
    fn wait_for_others(&mut self, position: usize) -> Option<&'static str> {
        let began = Instant::now();
        let mut said = None;
        loop {
            let relation = self.states[position].leaf.oid;
            let row = as_owner(|| self.talk.row(&record::surroundings(relation)));
            let reason = self.reason(&row);
            let Some(reason) = reason else {
                if said.is_some() {
                    // Whoever is stuck is judged by its own attempts, not by what it waited for of its own accord.
                    self.stuck = self.stuck.map(|(since, attempts)| (since + began.elapsed(), attempts));
                    return self.say(None);
                }
                return None;
            };
            if said.as_ref() != Some(&reason) {
                self.show(progress::BACKFILL_WAITING);
            }
            let asked = self.say(Some(&reason));
            said = Some(reason);
            if asked.is_some() {
                return asked;
            }
            sleep(LOOK_AGAIN);
        }
    }

    /// Why the next batch has to wait, if it has.
    fn reason(&mut self, row: &Row) -> Option<String> {
        let now = self.started.elapsed();
        self.positions.remember(now, wal(row));
        if let Some(most) = self.wanted.max_lag {
            let standbys: Vec<Vec<Value>> = serde_json::from_str(text(row, 1)).unwrap_or_default();
            let slowest = standbys
                .iter()
                .map(|standby| {
                    let position = standby.get(1).and_then(Value::as_u64).unwrap_or(u64::MAX);
                    let ours = self.positions.lag(now, position);
                    let told = standby.get(2).and_then(Value::as_f64).unwrap_or(0.0).max(0.0);
                    let told = if position >= wal(row) { 0.0 } else { told };
                    let name = standby.first().and_then(Value::as_str).unwrap_or_default();
                    (ours.max(Duration::try_from_secs_f64(told).unwrap_or_default()), name)
                })
                .max();
            if let Some((lag, name)) = slowest.filter(|(lag, _)| *lag > most) {
                return Some(format!(
                    "standby {name} is {:.1} s behind, more than {:.1} s",
                    lag.as_secs_f64(),
                    most.as_secs_f64()
                ));
            }
        }
        let vacuum = text(row, 2);
        (self.wanted.waits_for_autovacuum && !vacuum.is_empty())
            .then(|| format!("autovacuum of the table by process {vacuum}"))
    }

    /// Says what the job waits for, and returns what is asked of it.
    fn say(&self, reason: Option<&str>) -> Option<&'static str> {
        let result = attempt(self.wanted.lock_timeout, self.limit(), || {
            as_owner(|| self.talk.row(&record::waits(self.job.id, reason)))
        });
        // Somebody holds the row of the job itself: it is said the next time.
        self.talk.commit();
        result.ok().and_then(|row| asked(row.first().and_then(Option::as_deref)))
    }

    fn limit(&self) -> Duration {
        (self.wanted.batch_time * OVERTIME).max(SHORTEST_LIMIT)
    }

    fn show(&self, step: &str) {
        let reached: u64 = self
            .states
            .iter()
            .map(|state| if state.is_done { state.leaf.rows.max(state.seen) } else { state.seen })
            .sum();
        let total: u64 = self.states.iter().map(|state| state.leaf.rows.max(state.seen)).sum();
        let size = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        self.progress.report(step, size(reached), size(total));
    }
}

/// What was in the way of a batch.
fn obstacle(refusal: &Refusal, limit: Duration) -> String {
    match &*refusal.sqlstate {
        "55P03" => "a lock of another session".to_owned(),
        "57014" => format!("the next, smaller batch: the last took longer than {} s", limit.as_secs()),
        _ => format!("another session: {}", refusal.message),
    }
}

fn asked(request: Option<&str>) -> Option<&'static str> {
    request.map(|request| if request == CANCEL { CANCEL } else { "pause" })
}

fn place(row: Row) -> Place {
    row.into_iter().map(Option::unwrap_or_default).collect()
}

fn wal(row: &Row) -> u64 {
    number(row, 0)
}
