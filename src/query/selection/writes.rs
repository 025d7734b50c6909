//! What indexes cost where rows are written.
//!
//! The unit is the planner's: one page read in order. Making one index entry is taken to cost
//! [`Options::entry_cost`](super::workload::Options::entry_cost), by default 1: the descent and the share of a page that
//! has to be written come to five to twenty microseconds, which is about what a page read in order takes. A wider entry
//! costs in addition the share of a page that it fills. Where no rates are known, nothing is charged.

use rustc_hash::FxHashMap;

use super::candidate::Candidate;
use super::pool::Item;
use super::workload::{Options, Workload, WriteRates};
use crate::catalog::hypothetical::Method;
use crate::catalog::{ColumnNumber, Oid};

/// Bytes of a page.
const PAGE: f64 = 8192.0;
/// Rows of which a partial index has entries, at most: others are not proposed.
const PARTIAL_SHARE: f64 = 0.3;

/// How many entries of a B-tree one row's entries are worth.
fn effort(method: Method) -> f64 {
    match method {
        Method::Btree | Method::Hash => 1.0,
        // A summary of many pages, which most rows leave as it is.
        Method::Brin => 0.05,
        // Several pages are looked at on the way down, and enlarged.
        Method::Gist => 1.5,
        // An entry for each element.
        Method::Gin => 4.0,
    }
}

/// Whether an index on a column keeps updates of the column from being HOT.
fn hinders_hot(method: Method) -> bool {
    method != Method::Brin
}

/// One table that is written.
#[derive(Debug)]
struct Written<'a> {
    rates: &'a WriteRates,
    rows: f64,
    existing: Vec<(Oid, &'a Candidate, f64)>,
}

/// The tables that are written.
#[derive(Debug)]
pub struct Writes<'a> {
    tables: Vec<Written<'a>>,
    entry_cost: f64,
}

impl<'a> Writes<'a> {
    /// What the workload says of writing.
    pub fn of(workload: &'a Workload, options: &Options) -> Self {
        let mut rows: FxHashMap<Oid, f64> = FxHashMap::default();
        for access in workload.queries.iter().flat_map(|query| &query.accesses) {
            let known = rows.entry(access.relation).or_insert(access.rows);
            *known = known.max(access.rows);
        }
        let mut tables: Vec<Written<'a>> = Vec::new();
        for rates in &workload.writes {
            let rows = rows.get(&rates.relation).copied().unwrap_or(0.0);
            let existing =
                workload.existing.iter().filter(|index| index.shape.relation == rates.relation).map(
                    |index| {
                        (index.oid, &index.shape, entry(&index.shape, index.bytes, rows, options.entry_cost))
                    },
                );
            tables.push(Written { rates, rows, existing: existing.collect() });
        }
        tables.sort_by_key(|table| table.rates.relation);
        Self { tables, entry_cost: options.entry_cost }
    }

    /// The cost of all index entries that are made in the unit of time.
    pub fn cost(&self, chosen: &[&Item], hidden: &[Oid]) -> f64 {
        self.tables.iter().map(|table| table.cost(chosen, hidden, self.entry_cost)).sum()
    }
}

/// The cost of a row's entries in an index.
fn entry(shape: &Candidate, bytes: u64, rows: f64, entry_cost: f64) -> f64 {
    let share = if shape.predicate.is_some() { PARTIAL_SHARE } else { 1.0 };
    let pages = bytes as f64 / PAGE / rows.max(1.0);
    share * effort(shape.method) * entry_cost + pages * entry_cost
}

impl Written<'_> {
    fn cost(&self, chosen: &[&Item], hidden: &[Oid], entry_cost: f64) -> f64 {
        let new = chosen.iter().filter(|item| item.shape.relation == self.rates.relation);
        let mut of_a_row = 0.0;
        let mut lost: Vec<ColumnNumber> = Vec::new();
        for item in new {
            of_a_row += entry(&item.shape, item.bytes, self.rows, entry_cost);
            if hinders_hot(item.shape.method) {
                lost.extend(item.shape.key_columns().chain(item.shape.included.iter().copied()));
            }
        }
        for (oid, shape, cost) in &self.existing {
            if !hidden.contains(oid) {
                of_a_row += cost;
            }
            // What is indexed today is not HOT today.
            if hinders_hot(shape.method) {
                lost.retain(|&column| !shape.holds(column));
            }
        }
        let lost: f64 = self
            .rates
            .hot_updates_of
            .iter()
            .filter(|(column, _)| lost.contains(column))
            .map(|(_, rate)| rate)
            .sum();
        (self.rates.inserts + self.rates.updates + lost.min(self.rates.hot_updates)) * of_a_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::access::{Access, Key};
    use crate::query::selection::candidate::{CandidateKey, ExistingIndex};
    use crate::query::selection::workload::WeightedQuery;

    fn on(column: ColumnNumber, method: Method) -> Candidate {
        Candidate { method, ..Candidate::btree(1, vec![CandidateKey::plain(Key::Column(column))]) }
    }

    fn workload(rates: WriteRates) -> Workload {
        let existing = ExistingIndex {
            oid: 50,
            name: "public.a".into(),
            shape: on(1, Method::Btree),
            bytes: 0,
            is_unique: false,
            kept_by: None,
        };
        let access = Access { relation: 1, rows: 1000.0, ..Access::default() };
        Workload {
            queries: vec![WeightedQuery { label: "q".into(), weight: 1.0, accesses: vec![access] }],
            existing: vec![existing],
            writes: vec![rates],
        }
    }

    #[test]
    fn each_insert_makes_an_entry_in_each_index() {
        let workload =
            workload(WriteRates { relation: 1, inserts: 10.0, updates: 5.0, ..WriteRates::default() });
        let writes = Writes::of(&workload, &Options::default());
        let new = Item { shape: on(2, Method::Btree), bytes: 0 };
        assert_eq!(writes.cost(&[], &[]), 15.0);
        assert_eq!(writes.cost(&[&new], &[]), 30.0);
        assert_eq!(writes.cost(&[&new], &[50]), 15.0);
        let elsewhere = Item { shape: Candidate { relation: 2, ..on(2, Method::Btree) }, bytes: 0 };
        assert_eq!(writes.cost(&[&elsewhere], &[]), 15.0);
    }

    #[test]
    fn an_index_on_an_updated_column_makes_entries_in_all_indexes() {
        let rates = WriteRates {
            relation: 1,
            hot_updates: 100.0,
            hot_updates_of: vec![(1, 30.0), (2, 40.0)],
            ..WriteRates::default()
        };
        let workload = workload(rates);
        let writes = Writes::of(&workload, &Options::default());
        let cost = |column, method| writes.cost(&[&Item { shape: on(column, method), bytes: 0 }], &[]);
        assert_eq!(writes.cost(&[], &[]), 0.0);
        assert_eq!(cost(2, Method::Btree), 80.0);
        // Column 1 is indexed already, column 3 is never updated, and BRIN hinders nothing.
        assert_eq!(cost(1, Method::Btree), 0.0);
        assert_eq!(cost(3, Method::Btree), 0.0);
        assert_eq!(cost(2, Method::Brin), 0.0);
    }

    #[test]
    fn without_rates_nothing_is_charged() {
        let workload = Workload { writes: Vec::new(), ..workload(WriteRates::default()) };
        let writes = Writes::of(&workload, &Options::default());
        assert_eq!(writes.cost(&[&Item { shape: on(2, Method::Btree), bytes: 8192 }], &[]), 0.0);
    }
}
