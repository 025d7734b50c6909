//! Indexes that no query scans, and whether they can go.

use rustc_hash::FxHashSet;

use super::duty::Duties;
use super::family::{Family, Tree, indexed_relations};
use super::limits::limit;
use super::rules;
use crate::catalog::{Constraint, DAY, Moment, Oid, Server, Snapshot, Standbys};
use crate::change::index_ddl;
use crate::finding::Facts;
use crate::foreign_key_cover::cover_sets;
use crate::text::quote_identifier;
use crate::text::size::grouped;

/// What to do with an index that nothing scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It can go.
    Drop,
    /// The counters do not prove enough; somebody has to look.
    Review,
    /// It is needed though nothing scans it.
    Keep,
}

impl Verdict {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Review => "review",
            Self::Keep => "keep",
        }
    }
}

/// A row of `dbm.unused_indexes()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedIndex {
    /// The table, qualified and quoted.
    pub table_name: String,
    /// The index, qualified and quoted; for a partition tree the topmost one.
    pub index_name: String,
    /// Scans since the statistics were reset, over the tree.
    pub scans: i64,
    /// Bytes on disk, over the tree.
    pub size_bytes: u64,
    /// For how long no scan would have gone unnoticed, in microseconds; `None` when unknown.
    pub watched: Option<Moment>,
    /// What to do.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
    /// Drops it; `None` when it has to stay.
    pub drop_sql: Option<String>,
    /// Brings it back after that.
    pub recreate_sql: Option<String>,
    /// The topmost index's OID.
    pub index: Oid,
    /// Its table's OID.
    pub table: Oid,
}

/// What counts as proof that an index is not used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The least size that is worth a word, in bytes.
    pub minimum_bytes: u64,
    /// For how many days the index must have been watched.
    pub minimum_days: f64,
    /// How many scans of its table count as use of the table.
    pub table_scans: f64,
    /// How many writes to its table count as use of the table.
    pub table_writes: f64,
}

impl Limits {
    /// The limits in force, by the names of the thresholds of `indexing.unused_index`.
    pub fn from_settings(settings: &dyn Fn(&str) -> Option<f64>) -> Self {
        let value = |name| limit(&rules::UNUSED_INDEX, settings, name);
        Self {
            minimum_bytes: value("minimum_bytes") as u64,
            minimum_days: value("minimum_days"),
            table_scans: value("table_scans"),
            table_writes: value("table_writes"),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::from_settings(&|_| None)
    }
}

/// Why the scan counters of the whole server prove nothing; `None` when they can be trusted.
pub(super) fn blind_spot(server: &Server, limits: &Limits) -> Option<String> {
    match server.standbys {
        Standbys::IsStandby => {
            return Some("this server is a standby, and the primary's scans are not counted here".to_owned());
        }
        Standbys::Connected(count) => {
            let standbys = if count == 1 { "1 standby" } else { &format!("{count} standbys") };
            return Some(format!("there is {standbys}, whose scans are not counted here: ask there too"));
        }
        Standbys::None => {}
    }
    let Some(watched) = server.watched() else {
        return Some("it is not known since when scans have been counted".to_owned());
    };
    if watched >= days(limits.minimum_days) {
        return None;
    }
    let watched = age(watched);
    let needed = limits.minimum_days;
    Some(if server.statistics_lost {
        format!("a crash lost the scan counters {watched} ago; {needed} days are needed")
    } else {
        format!("scans have been counted for {watched} only; {needed} days are needed")
    })
}

fn days(days: f64) -> Moment {
    (days * DAY as f64) as Moment
}

/// A length of time in days, or in hours below two days.
fn age(time: Moment) -> String {
    let hour = DAY / 24;
    match time {
        time if time >= 2 * DAY => format!("{} days", time / DAY),
        time if time >= 2 * hour => format!("{} hours", time / hour),
        _ => "less than 2 hours".to_owned(),
    }
}

/// What is thought of one unscanned index.
pub(super) struct Judgement<'t, 'a> {
    pub family: &'t Family<'a>,
    pub verdict: Verdict,
    pub reason: String,
    pub watched: Option<Moment>,
    /// Whether it is the table, not the index, of which too little is known.
    pub is_table_idle: bool,
}

/// Sets of families, at least one of each of which a foreign key needs; with the foreign key's name.
fn needs<'a>(
    snapshot: &'a Snapshot,
    tree: &Tree<'a>,
    is_met: &dyn Fn(&Constraint) -> bool,
) -> Vec<(&'a str, Vec<usize>)> {
    let mut sets = Vec::new();
    let foreign_keys = tree.tables.iter().flat_map(|&table| snapshot.foreign_keys_of(table));
    for constraint in foreign_keys.filter(|constraint| constraint.is_enforced && !is_met(constraint)) {
        for set in cover_sets(snapshot, constraint) {
            let position = |index: Oid| tree.families.iter().position(|family| family.contains(index));
            let mut families: Vec<usize> = set.iter().filter_map(|index| position(index.oid)).collect();
            families.sort_unstable();
            families.dedup();
            if !families.is_empty() {
                sets.push((&*constraint.name, families));
            }
        }
    }
    // The first name is the one that a reason quotes; it must not depend on OIDs.
    sets.sort_unstable_by_key(|&(name, _)| name);
    sets
}

/// The age of the oldest file of a family; `None` when no file tells.
fn file_age(facts: &Facts<'_>, family: &Family<'_>) -> Option<Moment> {
    let created = family.stored().filter_map(|member| facts.definitions.file_created(member.file)).min();
    created.map(|created| (facts.snapshot.server.now - created).max(0))
}

/// Judges every usable index of a tree that was never scanned.
pub(super) fn judge<'t, 'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    limits: &Limits,
    tree: &'t Tree<'a>,
) -> Vec<Judgement<'t, 'a>> {
    judge_if(facts, duties, limits, tree, &|_| false)
}

/// The same, as if the foreign keys that `is_met` accepts needed nothing of what there is now.
fn judge_if<'t, 'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    limits: &Limits,
    tree: &'t Tree<'a>,
    is_met: &dyn Fn(&Constraint) -> bool,
) -> Vec<Judgement<'t, 'a>> {
    let snapshot = facts.snapshot;
    let is_candidate =
        |family: &Family<'_>| family.top.is_usable() && !family.top.is_partition && family.scans() == 0;
    if !tree.families.iter().any(is_candidate) {
        return Vec::new();
    }
    let needs = needs(snapshot, tree, is_met);
    let only_cover = |position: usize, gone: &FxHashSet<usize>| {
        needs.iter().find_map(|(name, set)| {
            let is_last =
                set.contains(&position) && set.iter().all(|other| *other == position || gone.contains(other));
            is_last.then_some(*name)
        })
    };
    let blind_spot = blind_spot(&snapshot.server, limits);
    let idle = idle_table(snapshot, limits, tree);
    let none_gone = FxHashSet::default();
    let mut judgements = Vec::new();
    let mut candidates: Vec<(usize, usize)> = Vec::new();
    for (position, family) in tree.families.iter().enumerate().filter(|(_, family)| is_candidate(family)) {
        let mut judgement = Judgement {
            family,
            verdict: Verdict::Keep,
            reason: String::new(),
            watched: snapshot.server.watched(),
            is_table_idle: false,
        };
        if let Some(duty) = duties.of(family) {
            judgement.reason = format!("it {}", duty.reason());
        } else if let Some(name) = only_cover(position, &none_gone) {
            judgement.reason = last_cover(name);
        } else if let Some(reason) = &blind_spot {
            judgement.verdict = Verdict::Review;
            judgement.reason.clone_from(reason);
        } else if let Some(reason) = &idle {
            judgement.verdict = Verdict::Review;
            judgement.reason.clone_from(reason);
            judgement.is_table_idle = true;
        } else {
            let age_of_file = file_age(facts, family);
            judgement.watched = [judgement.watched, age_of_file].into_iter().flatten().min();
            match age_of_file.filter(|&age| age < days(limits.minimum_days)) {
                Some(young) => {
                    judgement.verdict = Verdict::Review;
                    judgement.reason =
                        format!("it was built {} ago; {} days are needed", age(young), limits.minimum_days);
                }
                None => candidates.push((position, judgements.len())),
            }
        }
        judgements.push(judgement);
    }
    // Of several unscanned indexes that cover one foreign key the best one stays: the worst are let go first.
    candidates.sort_unstable_by(|&(left, _), &(right, _)| {
        let order = |position: usize| {
            let family = &tree.families[position];
            (family.pages(), family.top.keys.len(), &family.top.name, snapshot.schema_of(family.top.table))
        };
        order(right).cmp(&order(left))
    });
    let mut gone = FxHashSet::default();
    for (position, place) in candidates {
        let Some(judgement) = judgements.get_mut(place) else { continue };
        match only_cover(position, &gone) {
            Some(name) => judgement.reason = last_cover(name),
            None => {
                gone.insert(position);
                judgement.verdict = Verdict::Drop;
                judgement.reason = match judgement.watched {
                    Some(watched) => format!("no scan in {} while its table was in use", age(watched)),
                    None => "no scan while its table was in use".to_owned(),
                };
            }
        }
    }
    judgements
}

fn last_cover(foreign_key: &str) -> String {
    format!("it is the last index that covers foreign key {}", quote_identifier(foreign_key))
}

/// Why zero scans of any index of this table prove nothing: the table itself is hardly used.
fn idle_table(snapshot: &Snapshot, limits: &Limits, tree: &Tree<'_>) -> Option<String> {
    let statistics = tree.statistics(snapshot).unwrap_or_default();
    let scans = statistics.sequential_scans + tree.index_scans();
    let writes = statistics.writes();
    let is_idle = (scans as f64) < limits.table_scans && (writes as f64) < limits.table_writes;
    is_idle.then(|| {
        format!(
            "its table is hardly used ({} scans, {} rows written), so zero scans prove nothing",
            grouped(scans),
            grouped(writes)
        )
    })
}

/// The unscanned indexes that only stay because foreign keys need them, and could go once `is_met` needs them no more.
pub(super) fn freed<'t, 'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    tree: &'t Tree<'a>,
    is_met: &dyn Fn(&Constraint) -> bool,
) -> Vec<&'t Family<'a>> {
    let limits = Limits::default();
    let droppable = |judgements: Vec<Judgement<'t, 'a>>| {
        judgements
            .into_iter()
            .filter(|judgement| judgement.verdict == Verdict::Drop)
            .map(|judgement| judgement.family)
            .filter(|family| family.bytes(facts) >= limits.minimum_bytes)
            .collect::<Vec<_>>()
    };
    let now = droppable(judge(facts, duties, &limits, tree));
    let mut then = droppable(judge_if(facts, duties, &limits, tree, is_met));
    then.retain(|family| now.iter().all(|other| other.top.oid != family.top.oid));
    then
}

/// The row for one judgement.
pub(super) fn row(facts: &Facts<'_>, judgement: &Judgement<'_, '_>, size_bytes: u64) -> UnusedIndex {
    let snapshot = facts.snapshot;
    let top = judgement.family.top;
    let may_go = judgement.verdict != Verdict::Keep;
    UnusedIndex {
        table_name: snapshot.relation_name(top.table),
        index_name: snapshot.index_name(top),
        scans: judgement.family.scans(),
        size_bytes,
        watched: judgement.watched,
        verdict: judgement.verdict,
        reason: judgement.reason.clone(),
        drop_sql: may_go.then(|| index_ddl::drop(snapshot, top)),
        recreate_sql: if may_go {
            index_ddl::recreate(snapshot, facts.definitions, &judgement.family.members)
        } else {
            None
        },
        index: top.oid,
        table: top.table,
    }
}

/// Every index without scans that takes at least `limits.minimum_bytes`: those that can go first, the largest first.
pub fn unused_indexes(facts: &Facts<'_>, limits: &Limits) -> Vec<UnusedIndex> {
    let duties = Duties::learn(facts.snapshot);
    let mut rows = Vec::new();
    for root in indexed_relations(facts.snapshot) {
        (facts.interrupt)();
        let tree = Tree::of(facts.snapshot, root);
        for judgement in judge(facts, &duties, limits, &tree) {
            let size_bytes = judgement.family.bytes(facts);
            if size_bytes >= limits.minimum_bytes {
                rows.push(row(facts, &judgement, size_bytes));
            }
        }
    }
    rows.sort_by(|left, right| {
        let order = |row: &UnusedIndex| (row.verdict, std::cmp::Reverse(row.size_bytes));
        order(left).cmp(&order(right)).then_with(|| left.index_name.cmp(&right.index_name))
    });
    rows
}

#[cfg(test)]
mod tests;
