//! How large an index would be, from what the access methods write when they build one.
//!
//! Nothing here is fitted to measurements: each term is a structure on a page. What remains wrong comes from the
//! statistics, above all from the number of different values.

mod leaves;

use crate::catalog::hypothetical::{GistBuild, HypotheticalIndex, IndexSize, Method, StoredColumn};

/// Bytes of a page.
const PAGE: f64 = 8192.0;
/// Header of every page.
const PAGE_HEADER: f64 = 24.0;
/// The special space of a B-tree, hash or GiST page.
const SPECIAL: f64 = 16.0;
/// What a page offers to tuples and their line pointers.
const USABLE: f64 = PAGE - PAGE_HEADER - SPECIAL;
/// Line pointer of a tuple.
const LINE_POINTER: f64 = 4.0;
/// Header of an index tuple, without and with the bitmap of NULLs.
const TUPLE_HEADER: f64 = 8.0;
const TUPLE_HEADER_WITH_NULLS: f64 = 16.0;
/// A tuple identifier in a posting list of a B-tree.
const TUPLE_IDENTIFIER: f64 = 6.0;
/// Percent to which inner B-tree pages are filled.
const INNER_FILLFACTOR: f64 = 0.70;
/// The longest value whose header is one byte, so that it needs no alignment.
const SHORT_VALUE: f64 = 126.0;

/// The size of the index once it is built on the rows there are.
pub fn size(index: &HypotheticalIndex) -> IndexSize {
    match index.method {
        Method::Btree => btree(index),
        Method::Hash => IndexSize { pages: pages(hash(index)), tree_height: -1 },
        Method::Brin => IndexSize { pages: pages(brin(index)), tree_height: -1 },
        Method::Gin => IndexSize { pages: pages(gin(index)), tree_height: -1 },
        Method::Gist => IndexSize { pages: pages(gist(index)), tree_height: -1 },
    }
}

fn pages(count: f64) -> u32 {
    // Saturates; NaN, which no caller produces, would become 0.
    count.ceil() as u32
}

/// Rounds up to the strictest alignment; a mean between two lengths is a mix of both.
fn aligned(bytes: f64) -> f64 {
    let up = |bytes: f64| (bytes / 8.0).ceil() * 8.0;
    let (whole, longer) = (bytes.floor(), bytes.fract());
    (1.0 - longer) * up(whole) + longer * up(whole + 1.0)
}

/// Mean bytes of a leaf tuple: measured, or computed from what statistics say of each column.
fn leaf_tuple(index: &HypotheticalIndex) -> f64 {
    index.measured_tuple.unwrap_or_else(|| tuple(&index.columns))
}

/// Mean bytes of an index tuple: one without a NULL needs no bitmap of them, one with a NULL leaves it out.
fn tuple(columns: &[StoredColumn]) -> f64 {
    let complete: f64 = columns.iter().map(|column| 1.0 - column.null_fraction).product();
    let whole = aligned(TUPLE_HEADER + data(columns, |_| 1.0));
    if complete >= 1.0 {
        return whole;
    }
    // Given that some column is NULL, each is so more often than among all rows.
    let present = |column: &StoredColumn| (1.0 - column.null_fraction - complete) / (1.0 - complete);
    let with_null = aligned(TUPLE_HEADER_WITH_NULLS + data(columns, present));
    complete * whole + (1.0 - complete) * with_null
}

/// Bytes of values side by side, each weighed by how often it is there.
fn data(columns: &[StoredColumn], share: impl Fn(&StoredColumn) -> f64) -> f64 {
    columns.iter().fold(0.0, |offset, column| {
        let is_short = column.length < 0 && column.width <= SHORT_VALUE;
        let start = if is_short {
            offset
        } else {
            let alignment = f64::from(column.alignment.max(1));
            (offset / alignment).ceil() * alignment
        };
        let width = if column.length > 0 { f64::from(column.length) } else { column.width };
        offset + (start + width - offset) * share(column)
    })
}

fn btree(index: &HypotheticalIndex) -> IndexSize {
    if index.tuples < 0.5 {
        // Nothing but the metapage is written before the first entry.
        return IndexSize { pages: 1, tree_height: 0 };
    }
    let leaf_tuple = leaf_tuple(index);
    let leaves = if index.deduplicates {
        shared_leaves(index, leaf_tuple)
    } else {
        leaves::single(index.tuples, leaf_tuple, index.fillfactor)
    };
    let leaves = leaves.ceil().max(1.0);
    let pivot = pivot_tuple(index) + LINE_POINTER;
    let fan = (USABLE * INNER_FILLFACTOR / pivot).max(2.0);
    let (mut level, mut total, mut tree_height) = (leaves, leaves, 0);
    while level > 1.0 {
        level = (level / fan).ceil();
        total += level;
        tree_height += 1;
    }
    IndexSize { pages: pages(total + 1.0), tree_height }
}

/// Leaves where equal keys share tuples. The NULLs of an only column are one large group.
fn shared_leaves(index: &HypotheticalIndex, leaf_tuple: f64) -> f64 {
    match index.columns.as_slice() {
        [only] if only.null_fraction > 0.0 => {
            let nulls = index.tuples * only.null_fraction;
            let whole = aligned(TUPLE_HEADER + data(&index.columns, |_| 1.0));
            let values = index.tuples - nulls;
            let present = if values > 0.5 {
                leaves::shared(values, index.distinct_keys - 1.0, whole, index.fillfactor)
            } else {
                0.0
            };
            present + leaves::shared(nulls, 1.0, TUPLE_HEADER_WITH_NULLS, index.fillfactor)
        }
        _ => leaves::shared(index.tuples, index.distinct_keys, leaf_tuple, index.fillfactor),
    }
}

/// What stands in inner pages: the leading columns that tell neighbours apart.
fn pivot_tuple(index: &HypotheticalIndex) -> f64 {
    let keys = index.columns.get(..index.key_count).unwrap_or(&index.columns);
    // Keys that occur often are told apart by a tuple identifier behind them.
    let tie_breaker = if index.distinct_keys < index.tuples * 0.99 { 8.0 } else { 0.0 };
    tuple(keys) + tie_breaker
}

/// `_hash_init` and the overflow of buckets that got more than a page of entries.
fn hash(index: &HypotheticalIndex) -> f64 {
    const ENTRY: f64 = 16.0 + LINE_POINTER;
    // Hash codes of NULLs are not stored.
    let present = 1.0 - index.columns.first().map_or(0.0, |column| column.null_fraction);
    let stored = index.tuples * present;
    let wanted = (PAGE * f64::from(index.fillfactor) / 100.0 / ENTRY).floor().max(10.0);
    let buckets = total_buckets((index.tuples / wanted).max(2.0));
    let per_page = (USABLE / ENTRY).floor();
    let overflow = buckets * overflow_per_bucket(stored, index.distinct_keys.max(1.0), buckets, per_page);
    let bitmaps = (overflow / ((PAGE - PAGE_HEADER - SPECIAL) * 8.0)).ceil().max(1.0);
    1.0 + buckets + overflow + bitmaps
}

/// How many buckets are allocated when `wanted` are: whole powers of two at first, then quarters of them.
fn total_buckets(wanted: f64) -> f64 {
    const WHOLE_POWERS: i32 = 10;
    let exponent = wanted.log2().ceil() as i32;
    if exponent < WHOLE_POWERS {
        return 2_f64.powi(exponent.max(1));
    }
    let lower = 2_f64.powi(exponent - 1);
    let quarter = lower / 4.0;
    lower + ((wanted - lower) / quarter).ceil() * quarter
}

/// Pages beyond the first that a bucket needs on average, the values falling into buckets by chance.
fn overflow_per_bucket(tuples: f64, distinct: f64, buckets: f64, per_page: f64) -> f64 {
    let rows_of_value = tuples / distinct;
    let mean = distinct / buckets;
    let furthest = (mean + 12.0 * mean.sqrt() + 20.0) as u32;
    let mut logarithm = -mean;
    let mut expected = 0.0;
    for values in 0..=furthest {
        if values > 0 {
            logarithm += mean.ln() - f64::from(values).ln();
        }
        let needed = (f64::from(values) * rows_of_value / per_page).ceil();
        expected += logarithm.exp() * (needed - 1.0).max(0.0);
    }
    expected
}

/// A summary of every 128 pages; the planner knows no other range for an index that does not exist.
fn brin(index: &HypotheticalIndex) -> f64 {
    const PAGES_PER_RANGE: f64 = 128.0;
    const RANGES_PER_MAP_PAGE: f64 = 1360.0;
    const SUMMARY_HEADER: f64 = 8.0;
    let ranges = (index.table_pages / PAGES_PER_RANGE).ceil().max(1.0);
    let lowest_and_highest: Vec<StoredColumn> =
        index.columns.iter().flat_map(|column| [*column, *column]).collect();
    let summary = aligned(SUMMARY_HEADER + data(&lowest_and_highest, |_| 1.0)) + LINE_POINTER;
    let per_page = ((USABLE + SPECIAL - 8.0) / summary).floor().max(1.0);
    1.0 + (ranges / RANGES_PER_MAP_PAGE).ceil() + (ranges / per_page).ceil()
}

/// Keys with short posting lists in the entry tree, long ones in trees of their own.
fn gin(index: &HypotheticalIndex) -> f64 {
    const LONGEST_ENTRY: f64 = 2712.0;
    /// The first place of a posting list is stored whole, with the length of the rest.
    const FIRST_POSTING: f64 = 8.0;
    /// A build inserts keys in order and splits in the middle, so that pages stay half full.
    const ENTRY_FILL: f64 = 0.5;
    let (mut entry_bytes, mut keys, mut posting_pages) = (0.0, 0.0, 0.0);
    for elements in &index.elements {
        let key = TUPLE_HEADER + elements.key_width;
        let further = (elements.rows_of_key - 1.0).max(0.0);
        let list = FIRST_POSTING
            + further * posting_bytes(index.table_pages.max(1.0), elements.rows_of_key.max(1.0));
        keys += elements.keys;
        if aligned(key + list) <= LONGEST_ENTRY {
            entry_bytes += elements.keys * (aligned(key + list) + LINE_POINTER);
        } else {
            let pages = (list / USABLE).ceil();
            entry_bytes += elements.keys * (aligned(key) + LINE_POINTER);
            posting_pages += elements.keys * (pages + if pages > 1.0 { 1.0 } else { 0.0 });
        }
    }
    // The metapage, and an entry tree that is never without a root.
    let leaves = if entry_bytes <= USABLE { 1.0 } else { (entry_bytes / (USABLE * ENTRY_FILL)).ceil() };
    let fan = (USABLE * ENTRY_FILL * keys / entry_bytes.max(1.0)).max(2.0);
    let (mut level, mut total) = (leaves, leaves);
    while level > 1.0 {
        level = (level / fan).ceil();
        total += level;
    }
    1.0 + total + posting_pages
}

/// Bytes of one row's place in a list where each is stored as the distance from the one before, seven bits a byte.
fn posting_bytes(table_pages: f64, rows: f64) -> f64 {
    const OFFSETS_PER_PAGE: f64 = 2048.0;
    if rows >= table_pages {
        return 1.0 + table_pages / rows;
    }
    let distance = table_pages / rows * OFFSETS_PER_PAGE;
    (distance.log2() / 7.0).ceil().clamp(1.0, 6.0)
}

/// Entries on pages that were split as they filled.
fn gist(index: &HypotheticalIndex) -> f64 {
    /// Pages that split in the middle are 69 % full on average; ranges and boxes are split unevenly where that keeps
    /// the halves apart, and entries that come in order leave halves behind: from 49 % to 79 % were measured.
    const FILL: f64 = 0.6;
    /// A sorted build fills four pages at a time and splits those.
    const FILL_SORTED: f64 = 0.74;
    /// Ranges in order are split so that nearly nothing stays free: 80 % to 98 % were measured on PostgreSQL 18.
    const FILL_SORTED_RANGES: f64 = 0.95;
    let fill = match index.gist_build {
        GistBuild::Inserting => FILL,
        GistBuild::Sorted => FILL_SORTED,
        GistBuild::SortedRanges => FILL_SORTED_RANGES,
    };
    let reserve = PAGE * (100.0 - f64::from(index.fillfactor)) / 100.0;
    let entry = tuple(&index.columns) + LINE_POINTER;
    let per_page = ((USABLE - reserve) * fill / entry).max(1.0);
    let (mut level, mut total) = (0.0, 0.0);
    if index.tuples * entry <= USABLE {
        return 1.0;
    }
    while level != 1.0 {
        let below = if total == 0.0 { index.tuples } else { level };
        level = (below / per_page).ceil().max(1.0);
        total += level;
    }
    total
}

#[cfg(test)]
mod tests;
