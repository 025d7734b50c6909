//! The what-if planner as index selection sees it: queries analysed once, candidates sized once, priced together as
//! often as wanted.

use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::catalog::Oid;
use crate::catalog::access::Access;
use crate::pg::facts::stop_if_cancelled;
use crate::pg::isolation::isolated;
use crate::pg::planner::{self, Analysis, Author, Existing, IndexFamily, Pool};
use crate::pg::progress::Progress;
use crate::pg::scan::in_scratch_memory;
use crate::query::selection::candidate::{Candidate, CandidateKey, ExistingIndex, Priced, Pricing};
use crate::query::selection::sql::{AccessNames, statement};
use crate::query::whatif::size::size;

/// A query that is planned again and again.
pub struct Prepared {
    /// Parsed and analysed.
    pub analysis: Analysis,
    /// What it asks of each table.
    pub accesses: Vec<Access>,
    /// What it costs with the indexes that there are.
    pub cost: f64,
    /// Whose query it is; `None` for the caller's own.
    pub author: Option<Signature>,
}

/// With whose rights and settings a query is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The role.
    pub role: Oid,
    /// The search_path; `None` for the role's own.
    pub search_path: Option<String>,
}

impl Signature {
    /// For the planner.
    pub fn author(&self) -> Author<'_> {
        Author::new(self.role, self.search_path.as_deref())
    }
}

/// What index selection asks.
pub struct Engine<'a> {
    queries: &'a [Prepared],
    names: AccessNames,
    pool: Pool,
    /// The number in the pool of each candidate met; `None` where the server refuses it.
    known: FxHashMap<Candidate, Option<usize>>,
    /// Existing indexes by their number.
    families: FxHashMap<Oid, &'a IndexFamily>,
    /// The topmost index of each existing index or partition of one.
    tops: FxHashMap<Oid, Oid>,
    deadline: Option<Instant>,
    progress: Option<&'a Progress>,
    /// When a closer look at sizes is no longer to begin; later than `deadline`.
    sizing_deadline: Option<Instant>,
}

impl<'a> Engine<'a> {
    /// An engine for these queries, which read tables that have these indexes.
    pub fn new(queries: &'a [Prepared], existing: &'a [Existing], deadline: Option<Instant>) -> Self {
        let sizing_deadline = deadline;
        let families = existing.iter().map(|index| &index.family);
        Self {
            queries,
            names: AccessNames::of(queries.iter().flat_map(|query| &query.accesses)),
            pool: Pool::default(),
            known: FxHashMap::default(),
            tops: families
                .clone()
                .flat_map(|family| family.members().map(|member| (member, family.oid())))
                .collect(),
            families: families.map(|family| (family.oid(), family)).collect(),
            deadline,
            progress: None,
            sizing_deadline,
        }
    }

    /// The same, telling whoever watches how far it is.
    pub fn watched(mut self, progress: &'a Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Leaves time for a closer look at the sizes of what is chosen: that may go on until then.
    pub fn with_time_for_sizes(mut self, deadline: Instant) -> Self {
        self.sizing_deadline = Some(deadline);
        self
    }

    /// The candidate's number in the pool.
    fn number(&mut self, candidate: &Candidate) -> Option<usize> {
        if let Some(known) = self.known.get(candidate) {
            return *known;
        }
        let number = added(&mut self.pool, candidate, self.queries, &self.names);
        self.known.insert(candidate.clone(), number);
        number
    }
}

/// Adds a candidate to a pool; its number there, `None` where the server refuses it.
/// Sized with the rights of a role whose query computes the same: an index on an expression is sized by computing it, and
/// one role's expression must not run with another's rights.
fn added(pool: &mut Pool, candidate: &Candidate, queries: &[Prepared], names: &AccessNames) -> Option<usize> {
    let definition = statement(candidate, names);
    // A mixture of what several roles compute is nobody's.
    let query = queries.iter().find(|query| candidate.computes_only_what(&query.accesses))?;
    let author = query.author.clone();
    // What the server refuses (a type without the operator class, a row too wide) is no candidate.
    match author {
        Some(signature) => planner::analysed_as(&signature.author(), || pool.add(&definition, size)).ok(),
        None => {
            let mut number = None;
            let outcome = isolated(&mut || number = Some(pool.add(&definition, size)));
            outcome.ok().and(number)
        }
    }
}

impl Pricing for Engine<'_> {
    fn bytes(&mut self, candidate: &Candidate) -> Option<u64> {
        self.number(candidate).map(|number| self.pool.bytes(number))
    }

    fn bytes_closely(&mut self, candidate: &Candidate) -> Option<u64> {
        stop_if_cancelled();
        if self.sizing_deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return None;
        }
        // Without INCLUDE only: with it, keys are not shared, and the number of different ones does not matter.
        if candidate.predicate.is_none() && !candidate.included.is_empty() {
            return self.bytes(candidate);
        }
        planner::closely(|| {
            in_scratch_memory(|| {
                let mut pool = Pool::default();
                let number = added(&mut pool, candidate, self.queries, &self.names)?;
                Some(pool.bytes(number))
            })
        })
    }

    fn price(&mut self, query: usize, candidates: &[&Candidate], hidden: &[Oid]) -> Priced {
        stop_if_cancelled();
        let numbers: Vec<Option<usize>> = candidates.iter().map(|candidate| self.number(candidate)).collect();
        let present: Vec<usize> = numbers.iter().flatten().copied().collect();
        let hidden = hidden.iter().filter_map(|index| self.families.get(index).copied());
        let configuration = self.pool.configuration(&present, hidden);
        let prepared = &self.queries[query];
        let plan = || planner::plan(&prepared.analysis, &configuration);
        let planned = match &prepared.author {
            Some(signature) => {
                let planned = planner::planned_as(&signature.author(), plan).ok();
                if let Some(progress) = self.progress {
                    progress.again();
                }
                planned
            }
            None => Some(in_scratch_memory(plan)),
        };
        // A query that can suddenly not be planned gains nothing by any index.
        let Some(planned) = planned else { return Priced { cost: prepared.cost, ..Priced::default() } };
        let used = numbers
            .iter()
            .enumerate()
            .filter(|(_, number)| number.is_some_and(|number| self.pool.is_scanned(number, &planned)));
        let mut used_existing: Vec<Oid> =
            planned.scanned().filter_map(|index| self.tops.get(&index).copied()).collect();
        used_existing.sort_unstable();
        used_existing.dedup();
        Priced { cost: planned.cost, used: used.map(|(position, _)| position).collect(), used_existing }
    }

    fn is_over(&mut self) -> bool {
        stop_if_cancelled();
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn report(&mut self, step: &'static str, done: u64, total: u64) {
        if let Some(progress) = self.progress {
            progress.report(step, done as usize, total as usize);
        }
    }
}

/// The indexes of the tables that these queries read.
pub fn existing(queries: &[Prepared]) -> (Vec<Existing>, Vec<ExistingIndex>) {
    let mut tables: Vec<Oid> =
        queries.iter().flat_map(|query| &query.accesses).map(|access| access.relation).collect();
    tables.sort_unstable();
    tables.dedup();
    let (mut existing, mut described) = (Vec::new(), Vec::new());
    for table in tables {
        for index in planner::existing_indexes(table.into()) {
            described.push(describe(table, &index));
            existing.push(index);
        }
    }
    (existing, described)
}

/// Describes an existing index as selection wants it.
fn describe(table: Oid, index: &Existing) -> ExistingIndex {
    let key = |key: &planner::ExistingKey| CandidateKey {
        key: key.key.clone(),
        descending: key.descending,
        nulls_first: key.nulls_first,
        operator_class: key.operator_class.clone(),
        collation: key.collation.clone(),
    };
    ExistingIndex {
        oid: index.family.oid(),
        name: index.family.name.clone(),
        shape: Candidate {
            relation: table,
            method: index.method,
            keys: index.keys.iter().map(key).collect(),
            included: index.included.clone(),
            predicate: index.predicate.clone(),
        },
        bytes: index.family.bytes,
        is_unique: index.is_unique,
        kept_by: index.kept_by.map(str::to_owned),
    }
}
