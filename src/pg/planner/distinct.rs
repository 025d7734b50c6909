//! Different values of keys, counted in a sample of the table that a session keeps.
//!
//! ANALYZE counts each column alone, and takes rows that were written together for a value that is frequent
//! everywhere; the size of an index depends on how many different keys there are, so we look ourselves.

use std::cell::RefCell;
use std::hash::Hasher;

use pgrx::pg_sys;
use rustc_hash::{FxHashMap, FxHasher};

use super::list::new_node;
use super::measure::Measure;
use super::permission;
use super::sampling::{self, Values, Wanted};
use crate::catalog::sampled::SampledKey;

/// Columns that a session keeps samples of, 240 kB each at the default statistics target; then it forgets other tables.
const KEPT_COLUMNS: usize = 200;

/// Stands for NULL among hashes.
const NULL: u64 = 0x6e75_6c6c;

/// What tells whether a table is still as it was.
#[derive(Clone, Copy, PartialEq)]
struct Stamp {
    file: u32,
    pages: u64,
    tuples: u64,
}

/// Hashed columns of the rows of one sample.
struct Sampled {
    stamp: Stamp,
    pages: Vec<u32>,
    columns: FxHashMap<pg_sys::AttrNumber, Vec<u64>>,
    /// What was counted, by columns in order: indexes differ more often in the order of their columns and in what they
    /// include than in what they hold.
    counted: FxHashMap<Vec<pg_sys::AttrNumber>, f64>,
}

thread_local! {
    static KEPT: RefCell<FxHashMap<u32, Sampled>> = RefCell::new(FxHashMap::default());
}

/// Different combinations of these columns in the whole table; `None` where the caller may not see all rows.
pub fn combinations(
    relation: pg_sys::Oid,
    attributes: &[pg_sys::AttrNumber],
    measure: &Measure,
) -> Option<f64> {
    if attributes.is_empty() || measure.tuples() < 1.0 || !permission::sees_all_rows(relation, attributes) {
        return None;
    }
    let stamp = stamp(relation, measure);
    let missing: Vec<pg_sys::AttrNumber> = KEPT.with_borrow(|kept| {
        let known = kept.get(&relation.to_u32()).filter(|sampled| sampled.stamp == stamp);
        let lacks = |attribute: &&pg_sys::AttrNumber| {
            known.is_none_or(|sampled| !sampled.columns.contains_key(*attribute))
        };
        attributes.iter().filter(lacks).copied().collect()
    });
    if !missing.is_empty() {
        keep(relation, sample(relation, &missing, stamp, measure), |columns| {
            sample(relation, columns, stamp, measure)
        });
    }
    let mut attributes = attributes.to_vec();
    attributes.sort_unstable();
    attributes.dedup();
    KEPT.with_borrow_mut(|kept| {
        let sampled = kept.get_mut(&relation.to_u32())?;
        if let Some(&counted) = sampled.counted.get(&attributes) {
            return Some(counted);
        }
        let columns: Option<Vec<&Vec<u64>>> =
            attributes.iter().map(|attribute| sampled.columns.get(attribute)).collect();
        let key = joined(&columns?, &sampled.pages);
        let counted = key.distinct(measure.tuples(), measure.pages());
        sampled.counted.insert(attributes, counted);
        Some(counted)
    })
}

/// Adds a sample to what is kept. Pages are picked the same way every time, so that columns sampled later belong to the
/// same rows, unless rows have come or gone meanwhile: then all columns are sampled `anew`.
fn keep(relation: pg_sys::Oid, found: Sampled, anew: impl FnOnce(&[pg_sys::AttrNumber]) -> Sampled) {
    let relation = relation.to_u32();
    let known = KEPT.with_borrow_mut(|kept| {
        let columns: usize = kept.values().map(|sampled| sampled.columns.len()).sum();
        if columns > KEPT_COLUMNS {
            kept.retain(|&other, _| other == relation);
        }
        kept.remove(&relation).filter(|known| known.stamp == found.stamp)
    });
    let merged = match known {
        None => found,
        Some(mut known) if known.pages == found.pages => {
            known.columns.extend(found.columns);
            known
        }
        Some(known) => {
            let columns: Vec<_> = known.columns.into_keys().chain(found.columns.into_keys()).collect();
            anew(&columns)
        }
    };
    KEPT.with_borrow_mut(|kept| kept.insert(relation, merged));
}

fn joined(columns: &[&Vec<u64>], pages: &[u32]) -> SampledKey {
    let value = |row: usize| {
        if let [only] = columns {
            return only[row];
        }
        let mut hasher = FxHasher::default();
        columns.iter().for_each(|column| hasher.write_u64(column[row]));
        hasher.finish()
    };
    SampledKey { rows: pages.iter().enumerate().map(|(row, &page)| (value(row), page)).collect() }
}

fn stamp(relation: pg_sys::Oid, measure: &Measure) -> Stamp {
    // SAFETY: the relation is locked; the row is pinned while its field is copied out.
    let file = unsafe {
        let row =
            pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as i32, pg_sys::Datum::from(relation));
        if row.is_null() {
            0
        } else {
            let file = (*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_class>()).relfilenode;
            pg_sys::ReleaseSysCache(row);
            file.to_u32()
        }
    };
    Stamp { file, pages: measure.pages().to_bits(), tuples: measure.tuples().to_bits() }
}

fn sample(
    relation: pg_sys::Oid,
    attributes: &[pg_sys::AttrNumber],
    stamp: Stamp,
    measure: &Measure,
) -> Sampled {
    let mut nodes = vec![place()];
    nodes.extend(attributes.iter().map(|&attribute| variable(relation, attribute)));
    let wanted = Wanted { tuples: measure.tuples(), fraction: 1.0, rows: sampling::rows_for_statistics() };
    sampling::with_sample(relation, &nodes, std::ptr::null_mut(), &wanted, |sample| {
        let columns = attributes
            .iter()
            .enumerate()
            .map(|(number, &attribute)| (attribute, hashes(relation, attribute, sample.column(number + 1))));
        Sampled {
            stamp,
            columns: columns.collect(),
            pages: pages(sample.column(0)),
            counted: FxHashMap::default(),
        }
    })
}

/// The row's place in the table.
fn place() -> *mut pg_sys::Node {
    let number = pg_sys::SelfItemPointerAttributeNumber as pg_sys::AttrNumber;
    // SAFETY: a node of this memory context.
    unsafe { pg_sys::makeVar(1, number, pg_sys::TIDOID, -1, pg_sys::InvalidOid, 0).cast() }
}

fn variable(relation: pg_sys::Oid, attribute: pg_sys::AttrNumber) -> *mut pg_sys::Node {
    let variable: *mut pg_sys::Var = new_node(pg_sys::NodeTag::T_Var);
    // SAFETY: a node of this memory context; the column exists.
    unsafe {
        let made = pg_sys::makeVar(1, attribute, pg_sys::InvalidOid, -1, pg_sys::InvalidOid, 0);
        *variable = *made;
        pg_sys::get_atttypetypmodcoll(
            relation,
            attribute,
            &raw mut (*variable).vartype,
            &raw mut (*variable).vartypmod,
            &raw mut (*variable).varcollid,
        );
    }
    variable.cast()
}

fn pages(values: Values) -> Vec<u32> {
    (0..values.count)
        .map(|row| {
            // SAFETY: a row always has a place; the arrays are as long as the sample.
            let pointer = unsafe { &*(*values.datums.add(row)).cast_mut_ptr::<pg_sys::ItemPointerData>() };
            (u32::from(pointer.ip_blkid.bi_hi) << 16) | u32::from(pointer.ip_blkid.bi_lo)
        })
        .collect()
}

/// Hashes the stored bytes; values that are equal and look different count twice, as they do in an index that shares
/// no tuples among them.
fn hashes(relation: pg_sys::Oid, attribute: pg_sys::AttrNumber, values: Values) -> Vec<u64> {
    let (mut length, mut by_value) = (0_i16, false);
    // SAFETY: look-ups in the catalogs.
    unsafe {
        let type_oid = pg_sys::get_atttype(relation, attribute);
        pg_sys::get_typlenbyval(type_oid, &raw mut length, &raw mut by_value);
    }
    let hash = |row: usize| {
        // SAFETY: the arrays are as long as the sample; the type says what a datum is.
        unsafe {
            if *values.nulls.add(row) {
                return NULL;
            }
            let datum = *values.datums.add(row);
            let mut hasher = FxHasher::default();
            if by_value {
                hasher.write_u64(datum.value() as u64);
            } else if length > 0 {
                let bytes = std::slice::from_raw_parts(
                    datum.cast_mut_ptr::<u8>(),
                    usize::try_from(length).unwrap_or(0),
                );
                hasher.write(bytes);
            } else if length == -1 {
                let detoasted = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
                hasher.write(pgrx::varlena_to_byte_slice(detoasted));
            } else {
                hasher.write(std::ffi::CStr::from_ptr(datum.cast_mut_ptr()).to_bytes());
            }
            hasher.finish()
        }
    };
    (0..values.count).map(hash).collect()
}
