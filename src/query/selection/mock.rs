//! A planner that can be seen through, for tests: a query costs the sum of its scans, and a scan costs what the best
//! index for it leaves.

use super::candidate::{Candidate, CandidateKey, ExistingIndex, Priced, Pricing};
use super::workload::{WeightedQuery, Workload};
use crate::catalog::access::{Access, Clause, ClauseKind, ColumnProfile, Key, OrderKey, Support};
use crate::catalog::hypothetical::Method;
use crate::catalog::{ColumnNumber, Oid};

/// Cost of going down an index.
const DESCENT: f64 = 4.0;
/// How often the inner side of a join is looked up.
const LOOPS: f64 = 50.0;

/// The planner and what it was asked.
pub struct Mock {
    workload: Workload,
    /// How often it planned.
    pub calls: u64,
    /// After how many plans its time is over.
    pub patience: u64,
    /// How much larger than at first an index is from a closer look.
    pub growth: f64,
    /// What was asked, to find questions asked twice.
    pub asked: Vec<(usize, Vec<Candidate>, Vec<Oid>)>,
    /// Steps that were told of.
    pub steps: Vec<&'static str>,
}

impl Mock {
    pub fn new(workload: &Workload) -> Self {
        Self {
            workload: workload.clone(),
            calls: 0,
            patience: u64::MAX,
            growth: 1.0,
            asked: Vec::new(),
            steps: Vec::new(),
        }
    }

    fn scan(&self, access: &Access, candidates: &[&Candidate], hidden: &[Oid]) -> (f64, Option<Source>) {
        let sort = if access.orders.is_empty() {
            0.0
        } else {
            0.02 * access.rows_after * access.rows_after.max(2.0).log2()
        };
        let mut best = (access.pages + 0.01 * access.rows + sort, None);
        let existing = self.workload.existing.iter().filter(|index| !hidden.contains(&index.oid));
        let indexes = existing
            .map(|index| (Source::Existing(index.oid), &index.shape))
            .chain(candidates.iter().enumerate().map(|(place, shape)| (Source::Candidate(place), *shape)));
        for (source, shape) in indexes {
            if let Some(cost) = index_scan(access, shape, sort)
                && cost < best.0
            {
                best = (cost, Some(source));
            }
        }
        best
    }
}

#[derive(Clone, Copy)]
enum Source {
    Existing(Oid),
    Candidate(usize),
}

fn is_equal(clause: &Clause, key: &Key) -> bool {
    clause.key.as_ref() == Some(key) && clause.kind == ClauseKind::Equality
}

fn index_scan(access: &Access, shape: &Candidate, sort: f64) -> Option<f64> {
    if access.relation != shape.relation || shape.method != Method::Btree {
        return None;
    }
    let mut share = 1.0;
    if let Some(predicate) = &shape.predicate {
        share *= access.clauses.iter().find(|clause| clause.text == *predicate)?.selectivity;
    }
    let mut loops = 1.0;
    let mut searched = 0;
    for key in &shape.keys {
        if let Some(clause) = access.clauses.iter().find(|clause| is_equal(clause, &key.key)) {
            share *= clause.selectivity;
        } else if let Some(clause) = access.joins.iter().find(|clause| is_equal(clause, &key.key)) {
            share *= clause.selectivity;
            loops = LOOPS;
        } else {
            break;
        }
        searched += 1;
    }
    let is_sorted = access.orders.iter().any(|order| {
        let rest = &shape.keys[searched..];
        let matches = |backwards: bool| {
            rest.len() >= order.len()
                && rest.iter().zip(order).all(|(own, wanted)| {
                    own.key == wanted.key
                        && (own.descending != wanted.descending) == backwards
                        && (own.nulls_first != wanted.nulls_first) == backwards
                })
        };
        matches(false) || matches(true)
    });
    let ranged = shape.keys.get(searched).and_then(|key| {
        let is_range =
            |clause: &&Clause| clause.key.as_ref() == Some(&key.key) && clause.kind == ClauseKind::Range;
        access.clauses.iter().find(is_range)
    });
    if let Some(clause) = ranged {
        share *= clause.selectivity;
    }
    let is_covering =
        !access.reads_whole_row && access.columns.iter().all(|column| shape.holds(column.number));
    if share == 1.0 && !is_sorted && !is_covering {
        return None;
    }
    let fetch = if is_covering { 0.02 } else { 1.0 };
    let sort = if is_sorted { 0.0 } else { sort };
    Some(loops * (DESCENT + share * access.rows * fetch) + sort)
}

impl Pricing for Mock {
    fn bytes(&mut self, candidate: &Candidate) -> Option<u64> {
        let accesses = || {
            let all = self.workload.queries.iter().flat_map(|query| &query.accesses);
            all.filter(|access| access.relation == candidate.relation)
        };
        let rows = accesses().map(|access| access.rows).fold(0.0, f64::max);
        let share = candidate.predicate.as_ref().map_or(1.0, |predicate| {
            let mut clauses = accesses().flat_map(|access| &access.clauses);
            clauses.find(|clause| clause.text == *predicate).map_or(1.0, |clause| clause.selectivity)
        });
        let columns = (candidate.keys.len() + candidate.included.len()) as f64;
        Some((8192.0 + rows * share * (12.0 + 8.0 * columns)) as u64)
    }

    fn bytes_closely(&mut self, candidate: &Candidate) -> Option<u64> {
        self.bytes(candidate).map(|bytes| (bytes as f64 * self.growth) as u64)
    }

    fn price(&mut self, query: usize, candidates: &[&Candidate], hidden: &[Oid]) -> Priced {
        self.calls += 1;
        self.asked.push((query, candidates.iter().map(|&shape| shape.clone()).collect(), hidden.to_vec()));
        let mut priced = Priced::default();
        for access in &self.workload.queries[query].accesses {
            let (cost, source) = self.scan(access, candidates, hidden);
            priced.cost += cost;
            match source {
                Some(Source::Candidate(place)) => priced.used.push(place),
                Some(Source::Existing(oid)) => priced.used_existing.push(oid),
                None => {}
            }
        }
        priced
    }

    fn is_over(&mut self) -> bool {
        self.calls >= self.patience
    }

    fn report(&mut self, step: &'static str, done: u64, total: u64) {
        assert!(done <= total);
        if self.steps.last() != Some(&step) {
            self.steps.push(step);
        }
    }
}

/// A table of so many rows, eighty on a page, of which a query reads these columns.
pub fn table(relation: Oid, rows: f64, columns: &[ColumnNumber]) -> Access {
    Access {
        relation,
        name: format!("public.t{relation}"),
        alias: format!("t{relation}"),
        rows,
        pages: rows / 80.0,
        rows_after: rows,
        columns: columns
            .iter()
            .map(|&number| ColumnProfile {
                number,
                name: format!("c{number}"),
                width: 8.0,
                distinct: Some(5.0),
                ..ColumnProfile::default()
            })
            .collect(),
        reads_whole_row: true,
        ..Access::default()
    }
}

impl Access {
    pub(super) fn clause(mut self, column: ColumnNumber, kind: ClauseKind, selectivity: f64) -> Self {
        self.rows_after *= selectivity;
        self.clauses.push(clause(column, kind, selectivity));
        self
    }

    pub(super) fn equals(self, column: ColumnNumber, selectivity: f64) -> Self {
        self.clause(column, ClauseKind::Equality, selectivity)
    }

    pub(super) fn within(self, column: ColumnNumber, selectivity: f64) -> Self {
        self.clause(column, ClauseKind::Range, selectivity)
    }

    pub(super) fn joined(mut self, column: ColumnNumber, selectivity: f64) -> Self {
        self.joins.push(clause(column, ClauseKind::Equality, selectivity));
        self
    }

    /// Ordered by columns, downwards where the number is negative.
    pub(super) fn ordered(mut self, columns: &[ColumnNumber]) -> Self {
        let key = |&column: &ColumnNumber| OrderKey {
            key: Key::Column(column.abs()),
            descending: column < 0,
            nulls_first: column < 0,
        };
        self.orders.push(columns.iter().map(key).collect());
        self
    }

    pub(super) fn narrow(mut self) -> Self {
        self.reads_whole_row = false;
        self
    }

    /// The last condition compares with a literal.
    pub(super) fn fixed(mut self) -> Self {
        if let Some(clause) = self.clauses.last_mut() {
            clause.is_fixed = true;
        }
        self
    }
}

pub fn clause(column: ColumnNumber, kind: ClauseKind, selectivity: f64) -> Clause {
    Clause {
        key: Some(Key::Column(column)),
        kind,
        selectivity,
        text: format!("(c{column} {kind:?})"),
        is_fixed: false,
        supports: vec![Support { method: Method::Btree, operator_class: None, collation: None }],
    }
}

pub fn query(label: &str, weight: f64, accesses: Vec<Access>) -> WeightedQuery {
    WeightedQuery { label: label.into(), weight, accesses }
}

pub fn workload(queries: Vec<WeightedQuery>) -> Workload {
    Workload { queries, ..Workload::default() }
}

pub fn on(relation: Oid, columns: &[ColumnNumber]) -> Candidate {
    Candidate::btree(
        relation,
        columns
            .iter()
            .map(|&column| CandidateKey {
                descending: column < 0,
                nulls_first: column < 0,
                ..CandidateKey::plain(Key::Column(column.abs()))
            })
            .collect(),
    )
}

pub fn existing(oid: Oid, shape: Candidate) -> ExistingIndex {
    ExistingIndex {
        oid,
        name: format!("public.i{oid}"),
        shape,
        bytes: 1_000_000,
        is_unique: false,
        kept_by: None,
    }
}
