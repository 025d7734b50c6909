//! Seals made on the server, by whoever asks and by the worker.

use std::iter::Peekable;

use pgrx::PgSqlErrorCode;

use super::book::number;
use super::hashing::{columns, hashes};
use super::retiring::forget_retired;
use super::seals::{self, NumbersOf, has_seals, has_target, keep, kept, present, ranges};
use crate::catalog::Oid;
use crate::pg::claim::{Claim, Class};
use crate::pg::closed::close;
use crate::pg::error::raise;
use crate::pg::local_settings::with_settings;
use crate::pg::progress::{self, Progress};
use crate::pg::run::{Failure, transaction};
use crate::pg::settings;
use crate::pg::trail::home;
use crate::pg::trail::reading::access::{must_owner, owner};
use crate::pg::trail::reading::next_transaction;
use crate::pg::trail::reading::{Cursor, rows, write};
use crate::pg::upkeep::{as_role, see_own_writes, with_latest_snapshot};
use crate::pg::{is_standby, moment};
use crate::trail::seal::layout;
use crate::trail::seal::leaves::{Leaf, root_of};
use crate::trail::seal::record::{KINDS, Kind, Numbers, Part, Seal};
use crate::trail::seal::sealed::Sealed;
use crate::trail::seal::sweep::Sweep;
use crate::trail::seal::windows::Windows;

pub use seals::{hex_digest, seals};

/// Seals what transactions that are over have left in the log.
pub fn seal() -> Vec<Seal> {
    let owner = must_owner();
    if is_standby() {
        raise(
            PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
            "the audit log cannot be sealed on a standby",
            "",
            "Run it on the primary.",
        );
    }
    if !Claim::here(Class::Seal, 0).take_for_transaction() {
        refuse_second();
    }
    let progress = Progress::begin(&progress::SEAL);
    prepare(owner);
    let mut sealed = Vec::new();
    loop {
        let swept = sweep(owner, usize::MAX, &progress);
        sealed.extend(swept.sealed);
        // What somebody else began reached no further than it did then.
        if !swept.was_begun {
            with_latest_snapshot(|| forget_retired(owner));
            return sealed;
        }
    }
}

fn refuse_second() -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
        "the audit log is being sealed by another process",
        "",
        "Wait until it is done.",
    )
}

/// Makes the table of seals, and what it has not had from the beginning.
fn prepare(owner: Oid) {
    if !has_seals(owner) {
        for statement in layout::statements() {
            write(Some(owner), &statement, &[]);
        }
        as_role(owner, || close(&["dbm_trail.seal".to_owned()]));
    } else if !has_target(owner) {
        for statement in layout::with_target() {
            write(Some(owner), &statement, &[]);
        }
    }
}

/// Where the log is.
struct Position {
    until: i64,
    next: i64,
    numbers: Numbers,
}

fn position(owner: Oid) -> Position {
    let found = rows(
        Some(owner),
        "SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text,
                CASE WHEN c.is_called THEN c.last_value ELSE 0 END,
                CASE WHEN e.is_called THEN e.last_value ELSE 0 END
         FROM dbm_trail.change_id c, dbm_trail.event_id e",
        &[],
    );
    let row = found.into_iter().next().unwrap_or_default();
    // After the numbers: whatever transaction comes next takes higher ones.
    let next = next_transaction();
    let numbers = Numbers { change: number(&row, 1), event: number(&row, 2) };
    Position { until: number(&row, 0), next, numbers }
}

/// What a sweep did, of which each seals all transactions below a number that were over when it was begun.
///
/// Only its last seal says so. Those before it are of use by themselves, and say where whoever goes on has to: below the last
/// row that they have nothing of these transactions is left.
struct Swept {
    sealed: Vec<Seal>,
    /// Whether others had begun it.
    was_begun: bool,
    /// Whether its last seal is made.
    is_through: bool,
}

/// Begins a sweep or goes on with one that was not brought to its end; makes so many seals at most.
fn sweep(owner: Oid, most: usize, progress: &Progress) -> Swept {
    see_own_writes();
    with_latest_snapshot(|| sweep_by_snapshot(owner, most, progress))
}

fn sweep_by_snapshot(owner: Oid, most: usize, progress: &Progress) -> Swept {
    let kept = kept(owner);
    let home = home();
    let now = position(owner);
    let plan = Sweep::of(&kept, &home, now.until);
    let rows = settings::rows_per_seal();
    // Whoever makes all of them reads all of the log at once.
    let wanted = (most < usize::MAX).then_some(rows);
    let mut waiting = Kind::ALL.map(|kind| unsealed(owner, kind, &plan, now.numbers, wanted).peekable());
    let is_empty =
        |waiting: &mut [Peekable<Unsealed>; KINDS]| waiting.iter_mut().all(|rows| rows.peek().is_none());
    let was_begun = !plan.begun.is_empty();
    let (mut id, mut previous) = kept.last().map_or((0, [0; 32]), |last| (last.seal.id, last.digest));
    let mut sealed: Vec<Seal> = Vec::new();
    // One that was begun is brought to its end, though nothing may be left that its last seal could have.
    let mut is_through = is_empty(&mut waiting) && !was_begun;
    while !is_through && sealed.len() < most {
        let parts: [Vec<Leaf>; KINDS] =
            Kind::ALL.map(|kind| batch(&mut waiting[kind.place()], rows, progress));
        // Whoever may make no more of them does not read on to see whether there is more: that is for who comes next.
        let is_full = parts.iter().any(|part| part.len() == rows);
        is_through = !(is_full && sealed.len() + 1 == most) && is_empty(&mut waiting);
        id = id.saturating_add(1);
        let seal = Seal {
            id,
            at: moment::now(),
            home: home.clone(),
            until: if is_through { plan.target } else { plan.before },
            next: now.next,
            numbers: now.numbers,
            parts: Kind::ALL.map(|kind| {
                let leaves = &parts[kind.place()];
                Part { count: i64::try_from(leaves.len()).unwrap_or(i64::MAX), root: root_of(leaves) }
            }),
            previous,
        };
        previous = seal.digest();
        keep(owner, &seal, (!is_through).then_some(plan.target), &parts);
        sealed.push(seal);
    }
    Swept { sealed, was_begun, is_through }
}

/// The next rows of a kind, so many at most.
fn batch(waiting: &mut Peekable<Unsealed>, rows: usize, progress: &Progress) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    while leaves.len() < rows {
        let Some((leaf, at)) = waiting.next() else { break };
        progress.report_row(leaves.len(), progress::SEAL_ROWS[at.kind.place()], at.done, at.total);
        leaves.push(leaf);
    }
    leaves
}

/// The rows of a table of the log that a sweep has to seal and no seal has. `wanted`: how many of them, if not all.
fn unsealed(owner: Oid, kind: Kind, sweep: &Sweep<'_>, numbers: Numbers, wanted: Option<usize>) -> Unsealed {
    let number_in = |seal: &Seal| seal.numbers.of(kind).unwrap_or(0);
    let from = sweep.mark.map_or(0, number_in);
    let ranges = ranges(owner, kind, from);
    let is_begun = |seal: i64| sweep.begun.iter().any(|each| each.seal.id == seal);
    let reached = ranges.iter().filter(|range| is_begun(range.seal)).map(|range| range.last).max();
    let from = reached.map_or(from, |reached| reached.max(from));
    let above = ranges.iter().filter(|range| range.last > from);
    let seals = above.map(|range| (range.first, range.seal)).collect();
    let (_, _, transaction) = columns(kind);
    let condition = match transaction.filter(|_| sweep.is_home) {
        Some(transaction) => {
            format!("r.{transaction} >= {} AND r.{transaction} < {}", sweep.before, sweep.target)
        }
        None => "true".to_owned(),
    };
    let end = numbers.of(kind);
    Unsealed {
        owner,
        kind,
        condition,
        windows: Windows::new(from, end.filter(|_| wanted.is_some()), wanted.unwrap_or(1)),
        from,
        end,
        open: None,
        found: 0,
        sealed: Sealed::new(seals, Box::new(move |seal| NumbersOf::new(owner, kind, seal))),
    }
}

/// How far the reading of a kind has come: of the numbers that were given out.
#[derive(Clone, Copy, Debug)]
struct At {
    kind: Kind,
    done: usize,
    total: usize,
}

/// The rows of a table of the log that no seal has, by number.
struct Unsealed {
    owner: Oid,
    kind: Kind,
    condition: String,
    windows: Windows,
    from: i64,
    end: Option<i64>,
    open: Option<Cursor>,
    /// How many rows were in the window that is open.
    found: usize,
    sealed: Sealed<NumbersOf, Box<dyn FnMut(i64) -> NumbersOf>>,
}

impl Unsealed {
    /// The next row of the log in the windows.
    fn row(&mut self) -> Option<Leaf> {
        loop {
            if let Some(row) = self.open.as_mut().and_then(Cursor::next) {
                self.found += 1;
                return Some(present(&row).leaf);
            }
            let (from, to) = self.windows.next(std::mem::take(&mut self.found))?;
            let (id, _, _) = columns(self.kind);
            let up_to = to.map_or_else(String::new, |to| format!(" AND r.{id} <= {to}"));
            let query = hashes(self.kind, &format!("WHERE r.{id} > {from}{up_to} AND {}", self.condition));
            let open = || Cursor::open(Some(self.owner), &query, &[]);
            // What lies between numbers the index tells, of which the planner may have no statistics.
            let is_all = from == 0 && to.is_none();
            self.open =
                Some(if is_all { open() } else { with_settings(&[(c"enable_seqscan", c"off")], open) });
        }
    }

    fn at(&self, id: i64) -> At {
        let count = |number: i64| usize::try_from(number.saturating_sub(self.from)).unwrap_or(0);
        let total = self.end.map_or(0, count);
        At { kind: self.kind, done: self.end.map_or(0, |_| count(id).min(total)), total }
    }
}

impl Iterator for Unsealed {
    type Item = (Leaf, At);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let leaf = self.row()?;
            if !self.sealed.has(leaf.id) {
                return Some((leaf, self.at(leaf.id)));
            }
        }
    }
}

/// The job of the worker: seals, where there is a log, each seal in a transaction of its own, so that what is sealed stays so
/// whatever becomes of it; returns what to say.
pub fn seal_if_any() -> Result<String, Failure> {
    let held = Claim::here(Class::Seal, 0).hold();
    let progress = Progress::begin(&progress::SEAL);
    let (mut changes, mut seals) = (0, 0);
    // Whether the sweep that is at work is one of ours.
    let mut is_own = false;
    loop {
        let swept = transaction(|| {
            let owner = owner()?;
            if held.is_none() {
                refuse_second();
            }
            prepare(owner);
            let swept = sweep(owner, 1, &progress);
            if swept.is_through {
                with_latest_snapshot(|| forget_retired(owner));
            }
            Some(swept)
        })?;
        let Some(swept) = swept else { break };
        changes += swept.sealed.iter().map(|seal| seal.part(Kind::Change).count).sum::<i64>();
        seals += swept.sealed.len();
        is_own |= !swept.was_begun;
        if swept.is_through && is_own {
            break;
        }
    }
    Ok(if seals == 0 { String::new() } else { format!("{changes} changes in {seals} seals") })
}
