//! Advice on a whole workload: which indexes to create and which to drop, within a budget and a limit of time.

use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Value, json};

use super::engine::{Engine, Prepared, existing};
use super::{prepare, without_trace};
use crate::catalog::access::Key;
use crate::catalog::workload::{Source, WorkloadQuery};
use crate::catalog::{Oid, Snapshot};
use crate::change::index_ddl;
use crate::change::names::Names;
use crate::finding::Facts;
use crate::foreign_key_cover::cover_sets;
use crate::pg::error::raise;
use crate::pg::facts;
use crate::pg::planner::Modification;
use crate::pg::progress::{self, Progress};
use crate::pg::workload::workload;
use crate::query::selection::candidate::{CandidateKey, ExistingIndex};
use crate::query::selection::sql::{brief, create};
use crate::query::selection::workload::{Options, WeightedQuery, Workload, WriteRates};
use crate::query::selection::{Action, Deed, DropReason, QueryChange, Selection, select};

/// Queries that are looked at, those with most time first: the rest of a long tail changes no answer.
const MOST_QUERIES: usize = 500;
/// Whatever source there is.
pub const AUTO: &str = "auto";
/// The share of the time that reading and analysing the queries may take.
const PREPARING: f64 = 0.4;
/// How long to wait for a lock; and how long once a wait was in vain, so that one locked table does not take the time of
/// all queries.
const LOCK_WAIT: Duration = Duration::from_millis(500);
const NEXT_LOCK_WAIT: Duration = Duration::from_millis(10);
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// The share of the time after which the search ends.
const SEARCHING: f64 = 0.9;
/// The share after which no closer look at sizes begins.
const SIZING: f64 = 0.97;
/// Queries that the evidence of one index names.
const NAMED_QUERIES: usize = 5;
/// Characters of a query that the evidence shows.
const SHOWN: usize = 200;

/// What is wanted.
pub struct Wanted {
    /// Bytes that new indexes may take together.
    pub budget_bytes: Option<u64>,
    /// How many may be created.
    pub max_indexes: Option<usize>,
    /// How long it may take.
    pub limit: Duration,
    /// Where the queries come from.
    pub source: String,
}

/// One row of the answer.
pub struct Row {
    /// `create`, `drop`, or `unknown` for queries that could not be looked at.
    pub action: &'static str,
    /// What to run.
    pub sql: Option<String>,
    /// What takes it back.
    pub undo: Option<String>,
    /// Bytes that the index takes or frees.
    pub bytes: Option<u64>,
    /// The share of the workload's cost that this step saves.
    pub benefit_share: Option<f64>,
    /// The workload's cost before this step.
    pub cost_before: Option<f64>,
    /// The workload's cost after it.
    pub cost_after: Option<f64>,
    /// Queries that it helps, or that could not be looked at.
    pub queries: usize,
    /// What is behind it.
    pub evidence: Value,
}

impl Row {
    /// Says of so many queries that nothing can be said.
    fn unknown(queries: usize) -> Self {
        Self {
            action: "unknown",
            sql: None,
            undo: None,
            bytes: None,
            benefit_share: None,
            cost_before: None,
            cost_after: None,
            queries,
            evidence: Value::Null,
        }
    }
}

/// A query that could not be looked at.
struct Refused {
    text: String,
    calls: f64,
    reason: String,
}

/// The indexes to create and to drop, in an order of which every beginning is an answer too.
pub fn advise_workload(wanted: &Wanted) -> Vec<Row> {
    let start = Instant::now();
    without_trace(|| {
        let progress = Progress::begin(&progress::ADVISE_WORKLOAD);
        let queries = match workload(&wanted.source) {
            Ok(queries) => queries,
            // Whoever asks for no source in particular gets a reason, as for a query that cannot be planned.
            Err(missing) if wanted.source == AUTO => {
                return vec![Row {
                    evidence: json!({ "reason": missing.message, "hint": missing.hint }),
                    ..Row::unknown(0)
                }];
            }
            Err(missing) => raise(
                match Source::parse(&wanted.source) {
                    None if wanted.source != "auto" => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                    _ => PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                },
                &missing.message,
                "",
                &missing.hint,
            ),
        };
        let taken = Taken::of(queries, start + wanted.limit.mul_f64(PREPARING), &progress);
        let mut rows = Vec::new();
        if !taken.prepared.is_empty() {
            facts::with(|facts| {
                let (selection, labels) = taken.select(wanted, start, facts.snapshot, &progress);
                rows = told(&selection, &labels, facts);
                tell_of_search(&mut rows, &selection, start);
            });
        }
        rows.extend(unknown(&taken.refused));
        rows
    })
}

/// An index that queries of the workload lack.
pub struct Lacking {
    /// `schema.table`, quoted.
    pub table_name: String,
    /// Its key columns by their bare names; an expression as SQL.
    pub columns: Vec<String>,
    /// What it would do, in words.
    pub reason: String,
    /// The numbers behind it.
    pub evidence: Value,
    /// Creates it.
    pub create_sql: String,
}

/// The indexes that the best source of a workload asks for, those that save most first; none where nobody counts
/// queries.
pub fn lacking_indexes(limit: Duration) -> Vec<Lacking> {
    let start = Instant::now();
    without_trace(|| {
        let Ok(queries) = workload(AUTO) else { return Vec::new() };
        let wanted = Wanted { budget_bytes: None, max_indexes: None, limit, source: String::new() };
        let progress = Progress::begin(&progress::ADVISE_WORKLOAD);
        let taken = Taken::of(queries, start + limit.mul_f64(PREPARING), &progress);
        if taken.prepared.is_empty() {
            return Vec::new();
        }
        facts::with(|facts| {
            let (selection, labels) = taken.select(&wanted, start, facts.snapshot, &progress);
            let mut names = Names::learn(facts.snapshot);
            let lacking = |action| lacking(&selection, action, &labels, &mut names, facts);
            selection.actions.iter().filter_map(lacking).collect()
        })
    })
}

fn lacking(
    selection: &Selection,
    action: &Action,
    labels: &[Labelled],
    names: &mut Names<'_>,
    facts: &Facts<'_>,
) -> Option<Lacking> {
    let Deed::Create(candidate) = &action.deed else { return None };
    let row = row(selection, action, labels, names, facts)?;
    let column = |key: &CandidateKey| match &key.key {
        Key::Column(number) => facts.snapshot.column_names(candidate.relation, &[*number]).concat(),
        Key::Expression(expression) => expression.clone(),
    };
    let (saved, count) = (action.benefit_share * 100.0, action.helped.len());
    let queries = if count == 1 { "query" } else { "queries" };
    Some(Lacking {
        table_name: facts.snapshot.relation_name(candidate.relation),
        columns: candidate.keys.iter().map(column).collect(),
        reason: format!(
            "{count} {queries} of the workload would cost less, {saved:.1} % of all that it costs"
        ),
        evidence: row.evidence,
        create_sql: row.sql?,
    })
}

/// The queries that could be made ready, and those that could not.
struct Taken {
    queries: Vec<WorkloadQuery>,
    prepared: Vec<Prepared>,
    modifications: Vec<Vec<Modification>>,
    refused: Vec<Refused>,
}

impl Taken {
    fn of(queries: Vec<WorkloadQuery>, deadline: Instant, progress: &Progress) -> Self {
        let total = queries.len();
        let mut taken = Self {
            queries: Vec::new(),
            prepared: Vec::new(),
            modifications: Vec::new(),
            refused: Vec::new(),
        };
        let mut lock_wait = LOCK_WAIT;
        for (number, query) in queries.into_iter().enumerate() {
            facts::stop_if_cancelled();
            progress.report("reading the workload", number, total);
            // At least one query is looked at, however little time there is.
            let outcome = if number >= MOST_QUERIES {
                Err(format!("only the {MOST_QUERIES} queries that take most time are looked at"))
            } else if number > 0 && Instant::now() >= deadline {
                Err("the time was over before it was looked at: give a longer time_limit".to_owned())
            } else {
                prepare::of_workload(&query, lock_wait).map_err(|refusal| {
                    if refusal.sqlstate == LOCK_NOT_AVAILABLE {
                        lock_wait = NEXT_LOCK_WAIT;
                        return "another session keeps a table of it locked".to_owned();
                    }
                    refusal.reason()
                })
            };
            match outcome {
                Ok((prepared, modifications)) => {
                    taken.queries.push(query);
                    taken.prepared.push(prepared);
                    taken.modifications.push(modifications);
                }
                Err(reason) => {
                    taken.refused.push(Refused { text: query.text, calls: query.calls, reason });
                }
            }
        }
        taken
    }

    fn select(
        &self,
        wanted: &Wanted,
        start: Instant,
        snapshot: &Snapshot,
        progress: &Progress,
    ) -> (Selection, Vec<Labelled>) {
        let (indexes, mut described) = existing(&self.prepared);
        keep_foreign_keys(&mut described, snapshot);
        let weighted = self.queries.iter().zip(&self.prepared).map(|(query, prepared)| WeightedQuery {
            label: query.text.clone(),
            weight: query.calls,
            accesses: prepared.accesses.clone(),
        });
        let workload =
            Workload { queries: weighted.collect(), existing: described, writes: self.write_rates() };
        let options = Options {
            budget_bytes: wanted.budget_bytes,
            max_indexes: wanted.max_indexes,
            ..Options::default()
        };
        let deadline = start + wanted.limit.mul_f64(SEARCHING);
        let mut engine = Engine::new(&self.prepared, &indexes, Some(deadline))
            .with_time_for_sizes(start + wanted.limit.mul_f64(SIZING))
            .watched(progress);
        let selection = select(&workload, &options, &mut engine);
        let labelled =
            self.queries.iter().map(|query| Labelled { text: shown(&query.text), calls: query.calls });
        (selection, labelled.collect())
    }

    /// What the workload's own statements write. Every update is taken for one that could be a HOT update: whether an
    /// index makes it impossible is what selection asks.
    fn write_rates(&self) -> Vec<WriteRates> {
        let mut rates: FxHashMap<Oid, WriteRates> = FxHashMap::default();
        for (query, modifications) in self.queries.iter().zip(&self.modifications) {
            for modification in modifications {
                let rate = rates.entry(modification.relation).or_insert_with(|| WriteRates {
                    relation: modification.relation,
                    ..WriteRates::default()
                });
                rate.inserts += query.calls * modification.inserted;
                let updated = query.calls * modification.updated;
                rate.hot_updates += updated;
                let columns = modification.columns.iter();
                rate.hot_updates_of.extend(columns.map(|&column| (column, updated)));
            }
        }
        let mut rates: Vec<WriteRates> = rates.into_values().collect();
        rates.sort_by_key(|rate| rate.relation);
        rates
    }
}

/// How the answer speaks of a query.
struct Labelled {
    text: String,
    calls: f64,
}

fn shown(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text,
    }
}

/// Marks the indexes without which a foreign key would be worse covered than now.
fn keep_foreign_keys(existing: &mut [ExistingIndex], snapshot: &Snapshot) {
    let tables: FxHashSet<Oid> = existing.iter().map(|index| index.shape.relation).collect();
    for table in tables {
        for constraint in snapshot.foreign_keys_of(table) {
            for set in cover_sets(snapshot, constraint) {
                let [only] = set.as_slice() else { continue };
                if let Some(index) = existing.iter_mut().find(|index| index.oid == only.oid) {
                    let reason = format!("it is the only index of foreign key {}", constraint.name);
                    index.kept_by.get_or_insert(reason);
                }
            }
        }
    }
}

fn told(selection: &Selection, queries: &[Labelled], facts: &Facts<'_>) -> Vec<Row> {
    let mut names = Names::learn(facts.snapshot);
    selection.actions.iter().filter_map(|action| row(selection, action, queries, &mut names, facts)).collect()
}

/// How much work the answer was, which is the same for all of its rows.
fn tell_of_search(rows: &mut [Row], selection: &Selection, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    for row in rows {
        row.evidence["plannings"] = json!(selection.calls);
        row.evidence["seconds"] = json!((seconds * 1000.0).round() / 1000.0);
    }
}

fn row(
    selection: &Selection,
    action: &Action,
    queries: &[Labelled],
    names: &mut Names<'_>,
    facts: &Facts<'_>,
) -> Option<Row> {
    let (name, sql, undo, mut evidence) = match &action.deed {
        Deed::Create(candidate) => {
            let change = create(candidate, facts.snapshot, facts.definitions, names)?;
            let mut evidence = json!({ "index": brief(candidate, facts.snapshot) });
            if !action.replaces.is_empty() {
                evidence["makes_superfluous"] = json!(action.replaces);
            }
            ("create", change.apply, Some(change.undo), evidence)
        }
        Deed::Drop(existing, reason) => {
            let indexes = facts.snapshot.indexes_of(existing.shape.relation);
            let index = indexes.iter().find(|index| index.oid == existing.oid)?;
            let members = index_ddl::members(facts.snapshot, index);
            let evidence = json!({ "index": existing.name, "reason": reason_of(reason, selection, facts) });
            let undo = index_ddl::recreate(facts.snapshot, facts.definitions, &members);
            ("drop", index_ddl::drop(facts.snapshot, index), undo, evidence)
        }
    };
    if !action.helped.is_empty() {
        evidence["helps"] =
            action.helped.iter().take(NAMED_QUERIES).map(|query| change(query, queries)).collect();
    }
    if !action.regressions.is_empty() {
        evidence["makes_dearer"] =
            action.regressions.iter().take(NAMED_QUERIES).map(|query| change(query, queries)).collect();
    }
    let writes = action.writes_after - action.writes_before;
    if writes != 0.0 {
        evidence["write_cost"] = json!(rounded(writes));
    }
    if !selection.is_complete {
        evidence["search"] = json!("stopped by time_limit");
    }
    Some(Row {
        action: name,
        sql: Some(sql),
        undo,
        bytes: Some(action.bytes),
        benefit_share: Some(action.benefit_share),
        cost_before: Some(action.cost_before),
        cost_after: Some(action.cost_after),
        queries: action.helped.len(),
        evidence,
    })
}

fn reason_of(reason: &DropReason, selection: &Selection, facts: &Facts<'_>) -> String {
    match reason {
        DropReason::Duplicate(other) => format!("{other} does the same"),
        DropReason::Replaced(positions) => {
            let named =
                positions.iter().filter_map(|&position| match &selection.actions.get(position)?.deed {
                    Deed::Create(candidate) => Some(brief(candidate, facts.snapshot)),
                    Deed::Drop(..) => None,
                });
            format!("the new index on {} does the same", named.collect::<Vec<_>>().join(" and "))
        }
        DropReason::TakenOver => {
            "the queries that used it cost no more without it, beside the new indexes".into()
        }
        DropReason::Unused => "no query of the workload uses it".into(),
    }
}

fn change(query: &QueryChange, queries: &[Labelled]) -> Value {
    let (text, calls) =
        queries.get(query.query).map_or(("", 0.0), |labelled| (labelled.text.as_str(), labelled.calls));
    json!({
        "query": text,
        "calls": calls,
        "cost_before": rounded(query.cost_before),
        "cost_after": rounded(query.cost_after),
    })
}

/// One row for each reason.
fn unknown(refused: &[Refused]) -> Vec<Row> {
    let mut by_reason: Vec<(&str, Vec<&Refused>)> = Vec::new();
    for one in refused {
        match by_reason.iter_mut().find(|(reason, _)| *reason == one.reason) {
            Some((_, group)) => group.push(one),
            None => by_reason.push((&one.reason, vec![one])),
        }
    }
    by_reason
        .into_iter()
        .map(|(reason, group)| Row {
            evidence: json!({
                "reason": reason,
                "queries": group.iter().take(NAMED_QUERIES).map(|one| shown(&one.text)).collect::<Vec<_>>(),
                "calls": group.iter().map(|one| one.calls).sum::<f64>(),
            }),
            ..Row::unknown(group.len())
        })
        .collect()
}

fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
