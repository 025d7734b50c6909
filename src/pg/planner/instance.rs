//! An index that does not exist, on one table or partition: measured, sized, named and numbered.

use std::ffi::CString;
use std::rc::Rc;

use pgrx::pg_sys;

use super::distinct::Counted;
use super::key::{self, Column};
use super::local::Local;
use super::measure::{ColumnFacts, Measure, facts};
use super::sampled::{Samples, counted, expression_statistics, expressions, remainder};
use super::sampling;
use super::specification::Specification;
use super::{SizeModel, distinct, elements, list, names, server};
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
    let expressions = expressions(&local, relation, &measure, fraction, samples);
    let statistics = expression_statistics(&local, &expressions);
    let known = known_columns(&local, &measure, &statistics, remainder.null_fractions.as_deref());
    let counted = counted(&local, relation, &measure, &remainder, &expressions, tuples);
    let index = profile(specification, &local, &measure, tuples, &known, counted, relation);
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
    counted: Option<Counted>,
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
        measured_tuple: match (specification.method, counted) {
            (Method::Btree, Some(counted)) => Some(counted.tuple_bytes),
            (Method::Btree, None) => measured_tuple(local, measure, relation),
            _ => None,
        },
        distinct_keys: counted.map_or_else(
            || distinct_keys(relation, keys, known, measure, tuples),
            |counted| counted.distinct,
        ),
        gist_build: key::gist_build(keys),
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

/// Mean bytes of a leaf tuple of a B-tree, from a sample, where its columns are all the table's.
fn measured_tuple(local: &Local, measure: &Measure, relation: pg_sys::Oid) -> Option<f64> {
    let attributes: Vec<pg_sys::AttrNumber> = local.columns.iter().map(|column| column.attribute).collect();
    if attributes.contains(&0) { None } else { distinct::tuple_bytes(relation, &attributes, measure) }
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
        alignment: key::alignment(alignment),
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
