//! What is due of which set now: policies, catalogs and the clock; no lock is taken, no row is read but the greatest number
//! of a set that is kept by numbers.

use std::time::Duration;

use super::record;
use crate::catalog::partition::StoredPolicy;
use crate::catalog::{Moment, Oid};
use crate::partition::grid::Grid;
use crate::partition::key::{Edge, Position, Range};
use crate::partition::line;
use crate::partition::name;
use crate::partition::set::{Distance, OnMissing, Partition, Policy, Set};
use crate::partition::upkeep::{Action, Cuts, Detached, Now, due, left_undone, moment_before, number_cutoff};
use crate::partition::{ddl, policy as policies};
use crate::pg::partition::{policy, set};
use crate::pg::upkeep::{can_act_for, is_taken, name_of};
use crate::pg::zone::ServerZone;
use crate::pg::{moment, query};
use crate::text::{quote_identifier, quote_qualified};

/// How often it is written down that nothing was due of a set; microseconds.
const NOTED_EVERY: Moment = 3_600_000_000;

/// Whose sets are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// One set; `None`: all of the database.
    pub parent: Option<Oid>,
    /// Whoever asks, or the role in whose name the worker works.
    pub role: Oid,
    /// Whether those count that are not to be tried again yet.
    pub is_impatient: bool,
}

/// A set of which something is due.
#[derive(Debug)]
pub struct Surveyed {
    pub set: Set,
    pub policy: Policy,
    /// How often it failed in a row.
    pub failures: i32,
    /// Where the line of the key is now.
    pub position: Option<Position>,
    /// What lies wholly before this is too old.
    pub cutoff: Option<Position>,
    pub actions: Vec<Action>,
}

/// What came of a set.
#[derive(Debug)]
pub enum Found {
    Due(Box<Surveyed>),
    /// Another's.
    Foreign {
        name: String,
        owner: Oid,
    },
    /// Its policy cannot be followed.
    Broken {
        parent: Oid,
        name: String,
        owner: Oid,
        reason: String,
        sqlstate: &'static str,
        failures: i32,
    },
    /// Its policy is not committed yet, so that no other process can see it.
    Uncommitted {
        name: String,
    },
    /// Nothing is due of it, which is to be written down.
    Idle {
        parent: Oid,
    },
}

/// Where a set is cut, with the names of its partitions.
struct Line<'a> {
    grid: Grid<'a>,
    set: &'a Set,
    policy: &'a Policy,
}

impl Cuts for Line<'_> {
    fn at_or_before(&self, position: Position) -> Position {
        match self.grid.range_of(position).low {
            Edge::At(low) => low,
            _ => Position::MIN,
        }
    }

    fn after(&self, position: Position) -> Option<Position> {
        match self.grid.next(position)?.high {
            Edge::At(high) => Some(high),
            _ => None,
        }
    }

    fn name(&self, range: &Range) -> String {
        let taken = |name: &str| is_taken(&self.set.schema, name);
        name::name(&self.set.name, range, &self.grid, self.policy.name_style, &taken)
    }

    fn name_of_default(&self) -> String {
        let taken = |name: &str| is_taken(&self.set.schema, name);
        name::name_of_default(&self.set.name, self.policy.name_style, &taken)
    }

    fn text(&self, position: Position) -> String {
        line::text(self.policy.key, position)
    }
}

/// What is due at a moment, given in microseconds since 2000-01-01 00:00 UTC. Needs a transaction.
pub fn survey(scope: Scope, at: i64) -> Vec<Found> {
    let stored: Vec<StoredPolicy> = match scope.parent {
        Some(parent) => policy::of(parent).into_iter().collect(),
        None => policy::all().into_iter().filter(|stored| stored.is_enabled || is_watched(stored)).collect(),
    };
    let now = moment::now();
    let stored: Vec<StoredPolicy> = stored
        .into_iter()
        .filter(|stored| scope.is_impatient || stored.not_before.is_none_or(|moment| moment <= now))
        .collect();
    if stored.is_empty() {
        return Vec::new();
    }
    let parents: Vec<Oid> = stored.iter().map(|stored| stored.parent).collect();
    let mut sets = set::sets(&parents).into_iter().peekable();
    let over = record::over();
    let mut found = Vec::new();
    for stored in &stored {
        // In the same order, without those that are gone.
        let Some(set) = sets.next_if(|set| set.parent == stored.parent) else { continue };
        if is_watched(stored) && left_undone(&set).is_empty() {
            continue;
        }
        if !can_act_for(scope.role, set.owner) {
            found.push(Found::Foreign { name: set.qualified(), owner: set.owner });
            continue;
        }
        if stored.is_uncommitted {
            found.push(Found::Uncommitted { name: set.qualified() });
            continue;
        }
        let over: Vec<Detached> =
            over.iter().filter(|(parent, _)| *parent == set.parent).map(|(_, table)| table.clone()).collect();
        if is_watched(stored) {
            found.extend(undone(&set, stored));
            continue;
        }
        let parent = set.parent;
        match of_set(set, stored, at, over) {
            Ok(surveyed) if !surveyed.actions.is_empty() => found.push(Found::Due(Box::new(surveyed))),
            Ok(_) if is_to_be_noted(stored, now) => found.push(Found::Idle { parent }),
            Ok(_) => {}
            Err(broken) => {
                let (set, broken) = *broken;
                found.extend(undone(&set, stored));
                found.push(broken);
            }
        }
    }
    found
}

/// Whether a set is looked at only: by list, by hash, or as somebody wished.
fn is_watched(stored: &StoredPolicy) -> bool {
    stored.key_kind == policies::WATCHED
}

/// What was left half done of a set whose policy does nothing else.
fn undone(set: &Set, stored: &StoredPolicy) -> Option<Found> {
    let actions = left_undone(set);
    (!actions.is_empty()).then(|| {
        Found::Due(Box::new(Surveyed {
            policy: policies::watching(set),
            set: set.clone(),
            failures: stored.failures,
            position: None,
            cutoff: None,
            actions,
        }))
    })
}

/// Whether it has to be written down that nothing is due of a set: at most every hour, so that what is at rest writes next to
/// nothing, but at once where the last pass went wrong.
fn is_to_be_noted(stored: &StoredPolicy, now: Moment) -> bool {
    stored.failures > 0
        || stored.not_before.is_some()
        || stored.last_run.is_none_or(|run| run > now || now - run >= NOTED_EVERY)
}

/// One set, whether something is due of it or not; `None` where its policy cannot be followed.
pub fn one(scope: Scope, at: i64) -> Option<Surveyed> {
    let parent = scope.parent?;
    let stored = policy::of(parent)?;
    let set = set::sets(&[parent]).pop().filter(|set| can_act_for(scope.role, set.owner))?;
    if is_watched(&stored) {
        return None;
    }
    of_set(set, &stored, at, Vec::new()).ok()
}

/// Runs `work` with where the set is cut.
pub fn with_cuts<T>(set: &Set, policy: &Policy, work: impl FnOnce(&dyn Cuts) -> T) -> T {
    let zone = ServerZone::named(&policy.time_zone);
    work(&Line { grid: Grid::of(policy, &zone), set, policy })
}

/// What is due of one set; it comes back with the reason where its policy cannot be followed.
fn of_set(
    set: Set,
    stored: &StoredPolicy,
    at: i64,
    over: Vec<Detached>,
) -> Result<Surveyed, Box<(Set, Found)>> {
    let broken = |set: Set, reason: String| {
        let found = Found::Broken {
            parent: set.parent,
            name: set.qualified(),
            owner: set.owner,
            reason,
            sqlstate: "22023",
            failures: stored.failures,
        };
        Box::new((set, found))
    };
    let policy = match policies::checked(stored, &set) {
        Ok(policy) => policy,
        Err(refusal) => return Err(broken(set, refusal.message)),
    };
    let Some(zone) = ServerZone::find(&policy.time_zone) else {
        return Err(broken(set, format!("time zone \"{}\" is not known", policy.time_zone)));
    };
    let position = if policy.key.is_time() {
        line::position_of_moment(policy.key, at, &zone)
    } else {
        greatest_number(&set, &policy)
    };
    let last_position = stored
        .last_now
        .and_then(|last| line::position_of_moment(policy.key, moment::to_timestamp(last), &zone));
    let cutoff = match policy.retention {
        Some(Distance::Number(_)) => number_cutoff(policy.retention, position),
        Some(distance) => moment_before(at, distance, &zone)
            .and_then(|moment| line::position_of_moment(policy.key, moment, &zone)),
        None => None,
    };
    let actions = {
        let cuts = Line { grid: Grid::of(&policy, &zone), set: &set, policy: &policy };
        let mut now = Now { position, cutoff, last_position, has_rows_to_drain: false, over };
        if policy.on_missing == OnMissing::Default {
            now.has_rows_to_drain = has_rows_to_drain(&set, &policy, &now, &cuts);
        }
        due(&set, &policy, &now, &cuts)
    };
    Ok(Surveyed { failures: stored.failures, position, cutoff, actions, set, policy })
}

/// The greatest number that is known: the lower edge of the newest partition with anything in it, what its sequence last
/// gave out, and, where retention depends on it and an index has it, the greatest in that partition.
fn greatest_number(set: &Set, policy: &Policy) -> Option<Position> {
    let newest = set.ranges().rfind(|(partition, _)| partition.may_hold_rows());
    let low = newest.and_then(|(_, range)| match range.low {
        Edge::At(low) => Some(low),
        _ => None,
    });
    let column = set.key_columns.first()?.as_deref()?;
    let greatest = || {
        let in_partition = newest
            .filter(|(partition, _)| policy.retention.is_some() && !partition.is_partitioned)
            .and_then(|(partition, _)| greatest_in(partition, column));
        let given_out = query::rows(
            "SELECT pg_catalog.max(pg_catalog.pg_sequence_last_value(d.objid))
             FROM pg_catalog.pg_depend d
                  JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) d.refobjid
                      AND a.attnum OPERATOR(pg_catalog.=) d.refobjsubid
             WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
               AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
               AND d.refobjid OPERATOR(pg_catalog.=) $1::pg_catalog.int8::pg_catalog.oid
               AND a.attname OPERATOR(pg_catalog.=) $2 AND d.deptype OPERATOR(pg_catalog.=) ANY ('{a,i}'::\"char\"[])
               AND EXISTS (SELECT FROM pg_catalog.pg_class s WHERE s.oid OPERATOR(pg_catalog.=) d.objid
                   AND s.relkind OPERATOR(pg_catalog.=) 'S')",
            &[i64::from(set.parent).into(), crate::pg::value::Text::from(column).into()],
            |row| row.get::<i64>(1),
        );
        in_partition.max(given_out.into_iter().flatten().next())
    };
    // What cannot be read tells nothing.
    let known = crate::pg::upkeep::probed(set.owner, greatest).unwrap_or(None);
    low.max(known)
}

/// By an index whose first column it is, or not at all.
fn greatest_in(partition: &Partition, column: &str) -> Option<Position> {
    let table = quote_qualified(&partition.schema, &partition.name);
    let has_index = query::rows(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i
             JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
                 AND a.attnum OPERATOR(pg_catalog.=) i.indkey[0]
             JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
             JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) x.relam
             WHERE i.indrelid OPERATOR(pg_catalog.=) $1::pg_catalog.int8::pg_catalog.oid AND i.indisvalid
               AND i.indpred IS NULL AND a.attname OPERATOR(pg_catalog.=) $2 AND m.amname OPERATOR(pg_catalog.=) 'btree')",
        &[i64::from(partition.relation).into(), crate::pg::value::Text::from(column).into()],
        |row| row.get::<bool>(1),
    );
    if has_index != [Some(true)] {
        return None;
    }
    let sql =
        format!("SELECT pg_catalog.max({})::pg_catalog.int8 FROM ONLY {table}", quote_identifier(column));
    query::rows(&sql, &[], |row| row.get::<i64>(1)).into_iter().flatten().next()
}

/// Whether the default partition holds a row that is not too old and not further ahead than partitions are made.
fn has_rows_to_drain(set: &Set, policy: &Policy, now: &Now, cuts: &Line<'_>) -> bool {
    // What is kept on another server is not asked for every pass.
    let may_be_drained = |default: &&Partition| !default.is_foreign && default.may_hold_rows();
    let Some(default) = set.default_partition().filter(may_be_drained) else { return false };
    let Some(here) = now.position else { return false };
    let mut high = here;
    for _ in 0..=policy.premake {
        high = cuts.after(high).unwrap_or(high);
    }
    let low = now.cutoff.map_or(Edge::MinValue, Edge::At);
    let Some(inside) = ddl::inside(set, policy.key, &Range { low, high: Edge::At(high) }) else {
        return false;
    };
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {} WHERE {inside})",
        quote_qualified(&default.schema, &default.name)
    );
    let look = || query::rows(&sql, &[], |row| row.get::<bool>(1)) == [Some(true)];
    crate::pg::upkeep::probed(set.owner, look).unwrap_or(false)
}

/// How long an action waits for each of its locks, so that together they keep nobody waiting longer than the limit: who waits
/// behind us waits for what we then do, too, for which a fifth of it is left.
pub fn share_of(limit: Duration, action: &Action, set: &Set) -> Duration {
    (limit * 4 / 5 / ddl::strong_waits(action, set).max(1)).max(Duration::from_millis(1))
}

/// The name of a set, whatever has become of it.
pub fn name_or_number(parent: Oid) -> String {
    name_of(parent).unwrap_or_else(|| parent.to_string())
}
