//! What samples of rows say of an index: how many rows it has, and what its entries are like.

use std::ptr;
use std::rc::Rc;

use pgrx::pg_sys;
use rustc_hash::FxHashMap;

use super::distinct::Counted;
use super::key::Column;
use super::local::Local;
use super::measure::Measure;
use super::sampling::{self, Wanted};
use super::{access, distinct, list, statistics};

/// What was learnt from samples of rows, by the text of what was asked: many indexes have the same predicate or the same
/// expression. Lives no longer than the memory context in which it was filled.
#[derive(Default)]
pub struct Samples {
    remainders: FxHashMap<String, Rc<Remainder>>,
    expressions: FxHashMap<String, Rc<Expressions>>,
}

/// What the predicate leaves.
pub struct Remainder {
    /// The share of rows that meets it.
    pub fraction: f64,
    /// Of each column, the share of NULLs among those; `None` where statistics have to do.
    pub null_fractions: Option<Vec<f64>>,
    /// Which rows of the sample meet it, and the page of each row.
    met: Vec<usize>,
    pages: Vec<u32>,
}

impl Remainder {
    fn uncounted(fraction: f64) -> Self {
        Self { fraction, null_fractions: None, met: Vec::new(), pages: Vec::new() }
    }
}

/// What a sample says of the expressions of an index.
#[derive(Default)]
pub struct Expressions {
    /// A row of pg_statistic for each.
    statistics: Vec<pg_sys::HeapTuple>,
    /// Their values, and the page of each row.
    columns: Vec<distinct::Column>,
    pages: Vec<u32>,
}

/// Counts in a sample, as ANALYZE does for a real index. Where the sample holds no row that meets the predicate, the
/// planner's estimate, but less than one row of the sample.
pub fn remainder(
    local: &Local,
    relation: pg_sys::Oid,
    measure: &Measure,
    samples: &mut Samples,
) -> Rc<Remainder> {
    if local.predicate.is_null() || measure.tuples() < 1.0 {
        return Rc::new(Remainder::uncounted(1.0));
    }
    // SAFETY: a list of conditions.
    let condition: *mut pg_sys::Node = unsafe { pg_sys::make_ands_explicit(local.predicate) }.cast();
    let may_be_null = |column: &Column| {
        column.attribute != 0
            && measure.column(column.attribute).is_none_or(|facts| facts.null_fraction > 0.0)
    };
    let mut nodes = vec![condition, distinct::place()];
    // Where nothing is NULL, nothing has to be counted, and one sample serves all indexes with this predicate.
    if local.columns.iter().any(may_be_null) {
        let value = |column: &Column| if column.attribute == 0 { condition } else { column.variable() };
        nodes.extend(local.columns.iter().map(value));
    }
    let key = asked(relation, &nodes, ptr::null_mut());
    if let Some(known) = samples.remainders.get(&key) {
        return Rc::clone(known);
    }
    let wanted = Wanted { tuples: measure.tuples(), fraction: 1.0, rows: sampling::rows_for_statistics() };
    let found = sampling::with_sample(relation, &nodes, ptr::null_mut(), &wanted, |sample| {
        let (met, seen) = (sample.column(0).true_rows(), sample.column(0).count as f64);
        if met.is_empty() {
            let is_all = seen >= measure.tuples();
            let estimate = measure.selectivity(local.predicate).min(1.0 / seen.max(1.0));
            return Remainder::uncounted(if is_all { 0.0 } else { estimate });
        }
        let count = met.len() as f64;
        let null_fraction = |column: usize| sample.column(column).nulls_among(&met) as f64 / count;
        Remainder {
            fraction: count / seen,
            null_fractions: (nodes.len() > 2).then(|| (2..nodes.len()).map(null_fraction).collect()),
            pages: distinct::pages(sample.column(1)),
            met,
        }
    });
    let found = Rc::new(found);
    samples.remainders.insert(key, Rc::clone(&found));
    found
}

/// Tells what is asked of the rows of a relation apart from anything else that could be.
fn asked(relation: pg_sys::Oid, nodes: &[*mut pg_sys::Node], predicate: *mut pg_sys::List) -> String {
    // SAFETY: expressions about the relation, which is locked.
    let text = |&node: &*mut pg_sys::Node| unsafe { access::text_about(relation, node) };
    let mut key = relation.to_u32().to_string();
    for text in nodes.iter().map(text) {
        key.push('\n');
        key.push_str(&text);
    }
    if !predicate.is_null() {
        // SAFETY: a list of conditions.
        let condition: *mut pg_sys::Node = unsafe { pg_sys::make_ands_explicit(predicate) }.cast();
        key.push_str("\nWHERE ");
        key.push_str(&text(&condition));
    }
    key
}

/// Statistics such as ANALYZE would gather for the expressions once the index is there, from a sample of rows.
pub fn expressions(
    local: &Local,
    relation: pg_sys::Oid,
    measure: &Measure,
    fraction: f64,
    samples: &mut Samples,
) -> Rc<Expressions> {
    let expressions = list::pointers::<pg_sys::Node>(local.expressions);
    if expressions.is_empty() {
        return Rc::default();
    }
    let columns: Vec<&Column> = local.columns.iter().filter(|column| column.attribute == 0).collect();
    let collations: Vec<pg_sys::Oid> = columns.iter().map(|column| column.collation).collect();
    let key = format!("{}\n{collations:?}", asked(relation, &expressions, local.predicate));
    let sampled = || {
        let mut nodes = expressions.clone();
        nodes.push(distinct::place());
        let wanted = Wanted { tuples: measure.tuples(), fraction, rows: sampling::rows_for_statistics() };
        sampling::with_sample(relation, &nodes, local.predicate, &wanted, |sample| {
            let statistics = |(number, &expression): (usize, &*mut pg_sys::Node)| {
                let collation = collations.get(number).copied().unwrap_or(pg_sys::InvalidOid);
                statistics::gather(expression, collation, sample.column(number), measure.tuples() * fraction)
            };
            let values = |(number, column): (usize, &&Column)| {
                distinct::column(column.type_oid, sample.column(number))
            };
            Rc::new(Expressions {
                statistics: expressions.iter().enumerate().map(statistics).collect(),
                columns: columns.iter().enumerate().map(values).collect(),
                pages: distinct::pages(sample.column(expressions.len())),
            })
        })
    };
    Rc::clone(samples.expressions.entry(key).or_insert_with(sampled))
}

/// A row of pg_statistic for each column of the index that is an expression; null for the others.
pub fn expression_statistics(local: &Local, expressions: &Expressions) -> Vec<pg_sys::HeapTuple> {
    let mut rows = expressions.statistics.iter();
    let row = |column: &Column| {
        let row = if column.attribute == 0 { rows.next().copied() } else { None };
        row.unwrap_or(ptr::null_mut())
    };
    local.columns.iter().map(row).collect()
}

/// What the entries are like, counted in samples. `None` where no sample has all columns of a row, and where the index is
/// on all rows and on columns only, of which statistics and the session's sample tell.
pub fn counted(
    local: &Local,
    relation: pg_sys::Oid,
    measure: &Measure,
    remainder: &Remainder,
    expressions: &Expressions,
    tuples: f64,
) -> Option<Counted> {
    let plain: Vec<pg_sys::AttrNumber> =
        local.columns.iter().map(|column| column.attribute).filter(|&attribute| attribute != 0).collect();
    if expressions.columns.is_empty() {
        if local.predicate.is_null() || remainder.met.is_empty() {
            return None;
        }
        return distinct::with_columns(relation, &plain, measure, |columns, pages| {
            // The same rows, unless the table has changed in between.
            let is_same = pages == remainder.pages;
            is_same
                .then(|| distinct::counted(columns, local.key_count, pages, Some(&remainder.met), tuples))
                .flatten()
        });
    }
    if plain.is_empty() {
        let columns: Vec<&distinct::Column> = expressions.columns.iter().collect();
        return distinct::counted(&columns, local.key_count, &expressions.pages, None, tuples);
    }
    if !local.predicate.is_null() {
        return None;
    }
    distinct::with_columns(relation, &plain, measure, |columns, pages| {
        if pages != expressions.pages {
            return None;
        }
        let (mut plain, mut computed) = (columns.iter().copied(), expressions.columns.iter());
        let next = |column: &Column| if column.attribute == 0 { computed.next() } else { plain.next() };
        let all: Option<Vec<&distinct::Column>> = local.columns.iter().map(next).collect();
        distinct::counted(&all?, local.key_count, pages, None, tuples)
    })
}
