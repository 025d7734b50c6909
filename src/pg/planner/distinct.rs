//! Different values of keys and the bytes that they take, from a sample of the table that a session keeps.
//!
//! ANALYZE counts each column alone, takes rows that were written together for a value that is frequent everywhere, and
//! writes down the mean width of a column as a whole number; the size of an index depends on how many different keys
//! there are and on how wide each is, so we look ourselves.

use std::cell::RefCell;
use std::hash::Hasher;

use pgrx::pg_sys;
use rustc_hash::{FxHashMap, FxHasher};

use super::key;
use super::list::new_node;
use super::measure::Measure;
use super::permission;
use super::sampling::{self, Values, Wanted};
use crate::catalog::sampled::{SampledKey, SampledRow};

/// Columns that a session keeps samples of, 300 kB each at the default statistics target; then it forgets other tables.
const KEPT_COLUMNS: usize = 200;

/// The longest value, its header included, whose header is one byte, so that it needs no alignment.
const SHORT_VALUE: u16 = 127;

/// Stands for NULL among hashes.
const NULL: u64 = 0x6e75_6c6c;

/// What tells whether a table is still as it was.
#[derive(Clone, Copy, PartialEq)]
struct Stamp {
    file: u32,
    pages: u64,
    tuples: u64,
    /// Rows that were to be sampled.
    rows: u64,
}

/// One column of the rows of one sample.
pub struct Column {
    hashes: Vec<u64>,
    /// Bytes of each value as an index stores it; empty for a type of fixed width.
    widths: Vec<u16>,
    /// `typlen`, and what longer values are aligned to.
    length: i16,
    alignment: u16,
}

/// The rows of one sample.
struct Sampled {
    stamp: Stamp,
    pages: Vec<u32>,
    columns: FxHashMap<pg_sys::AttrNumber, Column>,
    /// What was asked before of columns in this order: indexes differ more often in what they include than in what they
    /// hold.
    answers: RefCell<FxHashMap<(Question, Vec<pg_sys::AttrNumber>), f64>>,
}

impl Sampled {
    fn columns(&self, attributes: &[pg_sys::AttrNumber]) -> Option<Vec<&Column>> {
        attributes.iter().map(|attribute| self.columns.get(attribute)).collect()
    }
}

/// What can be asked of a sample.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Question {
    Combinations,
    TupleBytes,
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
    // Keys that differ in the order of their columns are as many.
    let mut sorted = attributes.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    answer(Question::Combinations, relation, &sorted, measure, |columns, pages| {
        let hashes: Vec<&Vec<u64>> = columns.iter().map(|column| &column.hashes).collect();
        joined(&hashes, pages).distinct(measure.tuples(), measure.pages())
    })
}

/// Mean bytes of an index tuple of these columns, aligned; `None` where the caller may not see all rows or where there
/// are none, and where all are of one width, which is known without looking.
pub fn tuple_bytes(
    relation: pg_sys::Oid,
    attributes: &[pg_sys::AttrNumber],
    measure: &Measure,
) -> Option<f64> {
    // SAFETY: look-ups in the catalogs.
    let varies = |attribute: &pg_sys::AttrNumber| unsafe {
        pg_sys::get_typlen(pg_sys::get_atttype(relation, *attribute)) < 0
    };
    if !attributes.iter().any(varies) {
        return None;
    }
    answer(Question::TupleBytes, relation, attributes, measure, |columns, pages| {
        let total: usize = (0..pages.len()).map(|row| tuple_width(columns, row)).sum();
        total as f64 / pages.len() as f64
    })
    .filter(|mean| mean.is_finite())
}

/// What a sample says of an index on some of the rows, or on expressions.
#[derive(Clone, Copy)]
pub struct Counted {
    /// Different keys.
    pub distinct: f64,
    /// Mean bytes of a tuple, aligned.
    pub tuple_bytes: f64,
}

/// Counts among these rows, or all, of a sample whose columns are the index's, the leading `key_count` of them keys;
/// `tuples` rows are to be in the index. `None` where there are no rows.
pub fn counted(
    columns: &[&Column],
    key_count: usize,
    pages: &[u32],
    rows: Option<&[usize]>,
    tuples: f64,
) -> Option<Counted> {
    let hashes: Vec<&Vec<u64>> = columns.iter().take(key_count).map(|column| &column.hashes).collect();
    let mut key = joined(&hashes, pages);
    let all: Vec<usize>;
    let rows = if let Some(rows) = rows {
        key.rows = rows.iter().filter_map(|&row| key.rows.get(row).copied()).collect();
        rows
    } else {
        all = (0..pages.len()).collect();
        &all
    };
    if rows.is_empty() {
        return None;
    }
    let mut met_pages: Vec<u32> = key.rows.iter().map(|row| row.page).collect();
    met_pages.dedup();
    let count = rows.len() as f64;
    let growth = (tuples / count).max(1.0);
    let bytes: usize = rows.iter().map(|&row| tuple_width(columns, row)).sum();
    Some(Counted {
        distinct: key.distinct(tuples, met_pages.len() as f64 * growth),
        tuple_bytes: bytes as f64 / count,
    })
}

/// As index_form_tuple() lays a row out.
fn tuple_width(columns: &[&Column], row: usize) -> usize {
    /// Header of an index tuple, without and with the bitmap of NULLs.
    const HEADER: usize = 8;
    const HEADER_WITH_NULLS: usize = 16;
    let (mut end, mut has_null) = (0_usize, false);
    for column in columns {
        if column.hashes[row] == NULL {
            has_null = true;
            continue;
        }
        let width = column.widths.get(row).map_or(column.length.unsigned_abs(), |&width| width);
        let is_short = column.length == -1 && width <= SHORT_VALUE;
        if !is_short {
            end = end.next_multiple_of(usize::from(column.alignment));
        }
        end += usize::from(width);
    }
    (end + if has_null { HEADER_WITH_NULLS } else { HEADER }).next_multiple_of(8)
}

/// What `compute` makes of these columns of the session's sample, given with the page of each row; what was asked before
/// is remembered.
fn answer(
    question: Question,
    relation: pg_sys::Oid,
    attributes: &[pg_sys::AttrNumber],
    measure: &Measure,
    compute: impl FnOnce(&[&Column], &[u32]) -> f64,
) -> Option<f64> {
    with_sampled(relation, attributes, measure, |sampled| {
        let asked = (question, attributes.to_vec());
        if let Some(&known) = sampled.answers.borrow().get(&asked) {
            return Some(known);
        }
        let found = compute(&sampled.columns(attributes)?, &sampled.pages);
        sampled.answers.borrow_mut().insert(asked, found);
        Some(found)
    })
}

/// What `compute` makes of these columns of the session's sample, given with the page of each row.
pub fn with_columns<T>(
    relation: pg_sys::Oid,
    attributes: &[pg_sys::AttrNumber],
    measure: &Measure,
    compute: impl FnOnce(&[&Column], &[u32]) -> Option<T>,
) -> Option<T> {
    with_sampled(relation, attributes, measure, |sampled| {
        compute(&sampled.columns(attributes)?, &sampled.pages)
    })
}

/// Hands the session's sample of a table with these columns to `read`; samples first where they are not there or the
/// table is not as it was.
fn with_sampled<T>(
    relation: pg_sys::Oid,
    attributes: &[pg_sys::AttrNumber],
    measure: &Measure,
    read: impl FnOnce(&Sampled) -> Option<T>,
) -> Option<T> {
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
    KEPT.with_borrow(|kept| read(kept.get(&relation.to_u32())?))
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
    let nulls =
        |row: usize| columns.iter().fold(0, |bits: u64, column| bits << 1 | u64::from(column[row] == NULL));
    let rows = pages.iter().enumerate();
    SampledKey {
        rows: rows.map(|(row, &page)| SampledRow { nulls: nulls(row), value: value(row), page }).collect(),
    }
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
    Stamp {
        file,
        pages: measure.pages().to_bits(),
        tuples: measure.tuples().to_bits(),
        rows: sampling::rows_for_statistics().to_bits(),
    }
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
        let columns = attributes.iter().enumerate().map(|(number, &attribute)| {
            (attribute, column_of(relation, attribute, sample.column(number + 1)))
        });
        Sampled {
            stamp,
            columns: columns.collect(),
            pages: pages(sample.column(0)),
            answers: RefCell::default(),
        }
    })
}

/// The row's place in the table.
pub fn place() -> *mut pg_sys::Node {
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

/// The page of each row, from its place.
pub fn pages(values: Values) -> Vec<u32> {
    (0..values.count)
        .map(|row| {
            // SAFETY: a row always has a place; the arrays are as long as the sample.
            let pointer = unsafe { &*(*values.datums.add(row)).cast_mut_ptr::<pg_sys::ItemPointerData>() };
            (u32::from(pointer.ip_blkid.bi_hi) << 16) | u32::from(pointer.ip_blkid.bi_lo)
        })
        .collect()
}

fn column_of(relation: pg_sys::Oid, attribute: pg_sys::AttrNumber, values: Values) -> Column {
    // SAFETY: a look-up in the catalogs.
    column(unsafe { pg_sys::get_atttype(relation, attribute) }, values)
}

/// Hashes the stored bytes; values that are equal and look different count twice, as they do in an index that shares
/// no tuples among them.
pub fn column(type_oid: pg_sys::Oid, values: Values) -> Column {
    let (mut length, mut by_value, mut alignment) = (0_i16, false, 0);
    // SAFETY: a look-up in the catalogs.
    unsafe {
        pg_sys::get_typlenbyvalalign(type_oid, &raw mut length, &raw mut by_value, &raw mut alignment);
    }
    let mut column = Column {
        hashes: Vec::with_capacity(values.count),
        widths: Vec::new(),
        length,
        alignment: u16::from(key::alignment(alignment)),
    };
    for row in 0..values.count {
        // SAFETY: the arrays are as long as the sample; the type says what a datum is.
        let (hash, width) = unsafe {
            if *values.nulls.add(row) { (NULL, 0) } else { hashed(*values.datums.add(row), length, by_value) }
        };
        column.hashes.push(hash);
        if length < 0 {
            column.widths.push(width);
        }
    }
    column
}

/// The hash of a value, and its bytes in an index.
///
/// # Safety
/// `datum` must be of a type of that length and passing.
unsafe fn hashed(datum: pg_sys::Datum, length: i16, by_value: bool) -> (u64, u16) {
    let mut hasher = FxHasher::default();
    // SAFETY: as the caller vouches.
    let bytes = unsafe {
        if by_value {
            hasher.write_u64(datum.value() as u64);
            return (hasher.finish(), 0);
        } else if let Ok(length) = usize::try_from(length) {
            std::slice::from_raw_parts(datum.cast_mut_ptr::<u8>(), length)
        } else if length == -1 {
            pgrx::varlena_to_byte_slice(pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr()))
        } else {
            std::ffi::CStr::from_ptr(datum.cast_mut_ptr()).to_bytes()
        }
    };
    hasher.write(bytes);
    // A value that is short enough gets a header of one byte, another one of four.
    let header = if bytes.len() < usize::from(SHORT_VALUE) { 1 } else { 4 };
    (hasher.finish(), u16::try_from(bytes.len() + header).unwrap_or(u16::MAX))
}
