//! An index that does not exist, on one table or partition: measured, sized, named and numbered.

use std::ffi::CString;
use std::ptr;
use std::rc::Rc;

use pgrx::pg_sys;
use rustc_hash::FxHashMap;

use super::key::Column;
use super::measure::{ColumnFacts, Measure, facts};
use super::sampling::{self, Wanted};
use super::specification::Specification;
use super::{SizeModel, access, distinct, elements, list, names, server, statistics};
use crate::catalog::hypothetical::{HypotheticalIndex, IndexSize, Method, StoredColumn};

/// What stands before the planner. Lists live as long as the memory context in which the instance was made.
pub struct Instance {
    /// Made up; no relation has it.
    pub oid: pg_sys::Oid,
    pub schema: pg_sys::Oid,
    pub name: CString,
    /// The table or partition.
    pub relation: pg_sys::Oid,
    /// Which of the caller's definitions this is.
    pub position: usize,
    pub method: Method,
    pub method_oid: pg_sys::Oid,
    pub unique: bool,
    pub tablespace: pg_sys::Oid,
    /// With the attribute numbers of this relation.
    pub columns: Vec<Column>,
    pub key_count: usize,
    /// Variable number 1 is this relation.
    pub expressions: *mut pg_sys::List,
    pub predicate: *mut pg_sys::List,
    pub size: IndexSize,
    /// Rows that it has entries for.
    pub tuples: f64,
    /// A row of pg_statistic for each column that is an expression; null where there is none.
    pub statistics: Vec<pg_sys::HeapTuple>,
}

/// What was learnt from samples of rows, by the text of what was asked: many indexes have the same predicate or the same
/// expression. Lives no longer than the memory context in which it was filled.
#[derive(Default)]
pub struct Samples {
    remainders: FxHashMap<String, Rc<Remainder>>,
    statistics: FxHashMap<String, Vec<pg_sys::HeapTuple>>,
}

/// The index on its table, or on each partition that holds rows.
pub fn instantiate(
    specification: &Specification,
    position: usize,
    size: SizeModel,
    instances: &mut Vec<Rc<Instance>>,
    samples: &mut Samples,
) {
    for relation in relations(specification) {
        pgrx::check_for_interrupts!();
        let instance = instance(specification, relation, position, size, instances, samples);
        instances.push(Rc::new(instance));
    }
}

/// The relations that would have a file of the index, locked.
fn relations(specification: &Specification) -> Vec<pg_sys::Oid> {
    if !specification.is_partitioned {
        return vec![specification.relation];
    }
    let share = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: the parent is locked; its partitions get locked here.
    let all = list::oids(unsafe { server::find_all_inheritors(specification.relation, share) });
    all.into_iter()
        // SAFETY: a look-up in the catalogs.
        .filter(|&relation| unsafe { pg_sys::get_rel_relkind(relation) } as u8 == pg_sys::RELKIND_RELATION)
        .collect()
}

fn instance(
    specification: &Specification,
    relation: pg_sys::Oid,
    position: usize,
    size: SizeModel,
    others: &[Rc<Instance>],
    samples: &mut Samples,
) -> Instance {
    let local = Local::of(specification, relation);
    let measure = Measure::of(relation);
    let remainder = remainder(&local, relation, &measure, samples);
    let fraction = remainder.fraction;
    let tuples = (measure.tuples() * fraction).clamp(0.0, measure.tuples());
    let statistics = expression_statistics(&local, relation, &measure, fraction, samples);
    let known = known_columns(&local, &measure, &statistics, remainder.null_fractions.as_deref());
    let index = profile(specification, &local, &measure, tuples, &known, relation);
    // SAFETY: a look-up in the catalogs.
    let schema = unsafe { pg_sys::get_rel_namespace(relation) };
    Instance {
        oid: unused_oid(others),
        schema,
        name: names::index_name(specification, relation, others),
        relation,
        position,
        method: specification.method,
        method_oid: specification.method_oid,
        unique: specification.unique,
        tablespace: specification.tablespace,
        columns: local.columns,
        key_count: specification.key_count,
        expressions: local.expressions,
        predicate: local.predicate,
        size: size(&index),
        tuples,
        statistics,
    }
}

/// The largest number that nobody has: real ones are handed out from below.
fn unused_oid(others: &[Rc<Instance>]) -> pg_sys::Oid {
    let mut number = others.last().map_or(u32::MAX, |last| last.oid.to_u32()) - 1;
    // SAFETY: a look-up in the catalogs.
    while unsafe { pg_sys::get_rel_relkind(pg_sys::Oid::from(number)) } != 0 {
        number -= 1;
    }
    pg_sys::Oid::from(number)
}

/// Columns, expressions and predicate in terms of one relation: a partition may count its columns differently.
struct Local {
    columns: Vec<Column>,
    expressions: *mut pg_sys::List,
    predicate: *mut pg_sys::List,
}

impl Local {
    fn of(specification: &Specification, relation: pg_sys::Oid) -> Self {
        let mut columns = specification.columns.clone();
        if relation == specification.relation {
            let Specification { expressions, predicate, .. } = *specification;
            return Self { columns, expressions, predicate };
        }
        // SAFETY: both relations are locked, and the map covers every column of the parent.
        unsafe {
            let parent = pg_sys::relation_open(specification.relation, pg_sys::NoLock as _);
            let child = pg_sys::relation_open(relation, pg_sys::NoLock as _);
            #[cfg(feature = "pg15")]
            let map = pg_sys::build_attrmap_by_name((*child).rd_att, (*parent).rd_att);
            #[cfg(not(feature = "pg15"))]
            let map = pg_sys::build_attrmap_by_name((*child).rd_att, (*parent).rd_att, false);
            pg_sys::relation_close(child, pg_sys::NoLock as _);
            pg_sys::relation_close(parent, pg_sys::NoLock as _);
            for column in columns.iter_mut().filter(|column| column.attribute > 0) {
                column.attribute = *(*map).attnums.add(usize::try_from(column.attribute - 1).unwrap_or(0));
            }
            let mapped = |nodes: *mut pg_sys::List| {
                let mut has_whole_row = false;
                pg_sys::map_variable_attnos(
                    nodes.cast(),
                    1,
                    0,
                    map,
                    pg_sys::InvalidOid,
                    &raw mut has_whole_row,
                )
                .cast::<pg_sys::List>()
            };
            Self {
                columns,
                expressions: mapped(specification.expressions),
                predicate: mapped(specification.predicate),
            }
        }
    }
}

/// What the predicate leaves.
struct Remainder {
    /// The share of rows that meets it.
    fraction: f64,
    /// Of each column, the share of NULLs among those; `None` where statistics have to do.
    null_fractions: Option<Vec<f64>>,
}

/// Counts in a sample, as ANALYZE does for a real index. Where the sample holds no row that meets the predicate, the
/// planner's estimate, but less than one row of the sample.
fn remainder(
    local: &Local,
    relation: pg_sys::Oid,
    measure: &Measure,
    samples: &mut Samples,
) -> Rc<Remainder> {
    if local.predicate.is_null() || measure.tuples() < 1.0 {
        return Rc::new(Remainder { fraction: 1.0, null_fractions: None });
    }
    // SAFETY: a list of conditions.
    let condition: *mut pg_sys::Node = unsafe { pg_sys::make_ands_explicit(local.predicate) }.cast();
    let may_be_null = |column: &Column| {
        column.attribute != 0
            && measure.column(column.attribute).is_none_or(|facts| facts.null_fraction > 0.0)
    };
    let mut nodes = vec![condition];
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
            return Remainder { fraction: if is_all { 0.0 } else { estimate }, null_fractions: None };
        }
        let count = met.len() as f64;
        let null_fraction = |column: usize| sample.column(column).nulls_among(&met) as f64 / count;
        Remainder {
            fraction: count / seen,
            null_fractions: (nodes.len() > 1).then(|| (1..nodes.len()).map(null_fraction).collect()),
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
fn expression_statistics(
    local: &Local,
    relation: pg_sys::Oid,
    measure: &Measure,
    fraction: f64,
    samples: &mut Samples,
) -> Vec<pg_sys::HeapTuple> {
    let mut rows = vec![ptr::null_mut(); local.columns.len()];
    let expressions = list::pointers::<pg_sys::Node>(local.expressions);
    if expressions.is_empty() {
        return rows;
    }
    let collations: Vec<pg_sys::Oid> =
        local.columns.iter().filter(|column| column.attribute == 0).map(|column| column.collation).collect();
    let key = format!("{}\n{collations:?}", asked(relation, &expressions, local.predicate));
    let found = samples.statistics.entry(key).or_insert_with(|| {
        let wanted = Wanted { tuples: measure.tuples(), fraction, rows: sampling::rows_for_statistics() };
        sampling::with_sample(relation, &expressions, local.predicate, &wanted, |sample| {
            let of = |(number, &expression): (usize, &*mut pg_sys::Node)| {
                let collation = collations.get(number).copied().unwrap_or(pg_sys::InvalidOid);
                statistics::gather(expression, collation, sample.column(number), measure.tuples() * fraction)
            };
            expressions.iter().enumerate().map(of).collect()
        })
    });
    let places = local.columns.iter().zip(&mut rows).filter(|(column, _)| column.attribute == 0);
    for ((_, place), &row) in places.zip(found.iter()) {
        *place = row;
    }
    rows
}

/// What is known of each column among the rows of the index.
fn known_columns(
    local: &Local,
    measure: &Measure,
    statistics: &[pg_sys::HeapTuple],
    null_fractions: Option<&[f64]>,
) -> Vec<Option<ColumnFacts>> {
    let of = |(number, (column, &row)): (usize, (&Column, &pg_sys::HeapTuple))| {
        if column.attribute == 0 {
            // SAFETY: a row of pg_statistic made by `statistics::gather`.
            return (!row.is_null()).then(|| unsafe { facts(row) });
        }
        let mut known = measure.column(column.attribute)?;
        if let Some(&counted) = null_fractions.and_then(|fractions| fractions.get(number)) {
            known.null_fraction = counted;
        }
        Some(known)
    };
    local.columns.iter().zip(statistics).enumerate().map(of).collect()
}

/// All that the size depends on.
fn profile(
    specification: &Specification,
    local: &Local,
    measure: &Measure,
    tuples: f64,
    known: &[Option<ColumnFacts>],
    relation: pg_sys::Oid,
) -> HypotheticalIndex {
    let keys = local.columns.get(..specification.key_count).unwrap_or_default();
    let is_plain = specification.key_count == local.columns.len();
    HypotheticalIndex {
        method: specification.method,
        tuples,
        table_tuples: measure.tuples(),
        table_pages: measure.pages(),
        columns: local.columns.iter().zip(known).map(|(column, facts)| stored(column, *facts)).collect(),
        key_count: specification.key_count,
        distinct_keys: distinct_keys(relation, keys, known, measure, tuples),
        deduplicates: specification.options.deduplicate_items
            && is_plain
            && !specification.unique
            && keys.iter().all(|column| column.equal_image),
        fillfactor: specification.options.fillfactor,
        elements: if specification.method == Method::Gin {
            let fraction = tuples / measure.tuples().max(1.0);
            elements::estimate(relation, keys, local.expressions, local.predicate, measure.tuples(), fraction)
        } else {
            Vec::new()
        },
    }
}

fn stored(column: &Column, facts: Option<ColumnFacts>) -> StoredColumn {
    let is_converted = column.stored_type != pg_sys::InvalidOid && column.stored_type != column.type_oid;
    let type_oid = if is_converted { column.stored_type } else { column.type_oid };
    let (mut length, mut by_value, mut alignment) = (0_i16, false, 0);
    // SAFETY: look-ups in the catalogs.
    let usual_width = unsafe {
        pg_sys::get_typlenbyvalalign(type_oid, &raw mut length, &raw mut by_value, &raw mut alignment);
        f64::from(pg_sys::get_typavgwidth(type_oid, if is_converted { -1 } else { column.type_modifier }))
    };
    StoredColumn {
        length,
        alignment: match alignment as u8 {
            b'd' => 8,
            b'i' => 4,
            b's' => 2,
            _ => 1,
        },
        width: facts.map_or(usual_width, |facts| facts.width),
        null_fraction: facts.map_or(0.0, |facts| facts.null_fraction),
    }
}

/// Different key combinations among the rows of the index; where nothing is known, all are taken to differ.
fn distinct_keys(
    relation: pg_sys::Oid,
    keys: &[Column],
    known: &[Option<ColumnFacts>],
    measure: &Measure,
    tuples: f64,
) -> f64 {
    let all = measure.tuples();
    if let Some(distinct) = counted_keys(relation, keys, known, measure) {
        return among(distinct, all, tuples);
    }
    let mut product = 1.0;
    for (column, facts) in keys.iter().zip(known) {
        let Some(facts) = facts.filter(|facts| facts.distinct != 0.0 || facts.null_fraction >= 1.0) else {
            return tuples;
        };
        // Statistics of an expression were gathered on the rows of the index, those of a column on all.
        let rows = if column.attribute == 0 { tuples } else { all };
        let values = if facts.distinct < 0.0 { -facts.distinct * rows } else { facts.distinct };
        let groups = values + if facts.null_fraction > 0.0 { 1.0 } else { 0.0 };
        product *= if column.attribute == 0 { groups } else { among(groups, all, tuples) };
    }
    product.min(tuples)
}

/// Different key combinations of the whole table, where the keys are columns and somebody counted: a statistics object,
/// ANALYZE that looked at every row, or we in a sample. Of two counts in samples the larger is nearer.
fn counted_keys(
    relation: pg_sys::Oid,
    keys: &[Column],
    known: &[Option<ColumnFacts>],
    measure: &Measure,
) -> Option<f64> {
    let attributes: Vec<pg_sys::AttrNumber> = keys.iter().map(|column| column.attribute).collect();
    if attributes.contains(&0) {
        return None;
    }
    let all = measure.tuples();
    let absolute = |distinct: f64| if distinct < 0.0 { -distinct * all } else { distinct };
    if keys.len() > 1
        && let Some(distinct) = measure.combinations(&attributes)
    {
        return Some(absolute(distinct));
    }
    let of_column = known.first().copied().flatten().filter(|facts| keys.len() == 1 && facts.distinct != 0.0);
    let of_column =
        of_column.map(|facts| absolute(facts.distinct) + if facts.null_fraction > 0.0 { 1.0 } else { 0.0 });
    if of_column.is_some() && all <= sampling::rows_for_statistics() {
        return of_column;
    }
    let of_sample = distinct::combinations(relation, &attributes, measure)?;
    Some(of_column.map_or(of_sample, |distinct| distinct.max(of_sample)))
}

/// How many of `distinct` values are met in `chosen` of `all` rows.
fn among(distinct: f64, all: f64, chosen: f64) -> f64 {
    if chosen >= all || distinct <= 0.0 {
        return distinct.min(chosen);
    }
    (distinct * (1.0 - (1.0 - chosen / all).powf(all / distinct))).min(chosen)
}
