//! How many leaf pages the build of a B-tree writes: they are filled here tuple by tuple as the server does it.
//!
//! Computed from mean sizes alone, an index whose keys are shared came out 3 to 5 percent too small. A list of row
//! places is rounded up to eight bytes, so that values of unequal frequency take more than equally many rows of one
//! frequency would; and the last tuple of a full page moves to the next, which wastes the more the longer tuples are.

use super::{LINE_POINTER, PAGE, PAGE_HEADER, SPECIAL, TUPLE_IDENTIFIER, aligned};
use crate::query::chance::Chance;

/// What a new leaf offers to the first tuple: the line pointers of the high key and of the tuple are taken.
const FREE: f64 = PAGE - PAGE_HEADER - SPECIAL - 2.0 * LINE_POINTER;
/// The longest posting-list tuple that a build makes: a tenth of a page less a line pointer, and aligned.
const LONGEST_POSTING_TUPLE: f64 = 808.0;
/// What must remain for a tuple identifier in the high key.
const TIE_BREAKER: f64 = 8.0;
/// Tuples that are laid out; the rest of the index is like them.
const LAID_OUT: usize = 2000;

/// The leaves, as a fraction too, of `rows` rows that have so many different `values` and tuples of so many bytes.
pub fn shared(rows: f64, values: f64, tuple: f64, fillfactor: u8) -> f64 {
    let values = values.clamp(1.0, rows.max(1.0));
    if rows <= values {
        return single(rows, tuple, fillfactor);
    }
    let most = ((LONGEST_POSTING_TUPLE - tuple) / TUPLE_IDENTIFIER).floor().max(1.0);
    let mut leaves = Leaves::new(fillfactor);
    let mut chance = Chance::new(0);
    let mut value = 0.0;
    while value < values && leaves.tuples < LAID_OUT {
        value += 1.0;
        // Each value has one row, and the others fall on values by chance.
        let mut left = 1.0 + chance.poisson(rows / values - 1.0);
        while left > 0.0 && leaves.tuples < LAID_OUT {
            let held = left.min(most);
            let size = if held > 1.0 { aligned(tuple + TUPLE_IDENTIFIER * held) } else { tuple };
            leaves.add(size, size - tuple, held);
            left -= held;
        }
    }
    leaves.for_rows(rows)
}

/// The same of rows that have a tuple each.
pub fn single(rows: f64, tuple: f64, fillfactor: u8) -> f64 {
    let entry = tuple + LINE_POINTER;
    let filled = (FREE - reserve(fillfactor)) / entry;
    // Tuples of one size are cut off at the same place on every page, others at any.
    let held = if tuple % 8.0 == 0.0 { filled.floor() } else { filled - 0.5 };
    rows / held.max(1.0)
}

fn reserve(fillfactor: u8) -> f64 {
    (PAGE * (100.0 - f64::from(fillfactor)) / 100.0).floor()
}

/// A tuple on a page.
#[derive(Clone, Copy, Default)]
struct Tuple {
    size: f64,
    /// What is cut off when it becomes the high key.
    cut: f64,
    rows: f64,
}

/// Pages as they fill.
struct Leaves {
    reserve: f64,
    free: f64,
    on_page: usize,
    rows_on_page: f64,
    last: Tuple,
    tuples: usize,
    full_pages: f64,
    rows_on_full_pages: f64,
}

impl Leaves {
    fn new(fillfactor: u8) -> Self {
        Self {
            reserve: reserve(fillfactor),
            free: FREE,
            on_page: 0,
            rows_on_page: 0.0,
            last: Tuple::default(),
            tuples: 0,
            full_pages: 0.0,
            rows_on_full_pages: 0.0,
        }
    }

    /// As `_bt_buildadd()` does: a page is full when the reserve is reached or the tuple does not fit; its last tuple
    /// becomes the high key, in short, and the first tuple of the next page.
    fn add(&mut self, size: f64, cut: f64, rows: f64) {
        let is_full =
            self.free < size + TIE_BREAKER || (self.free + self.last.cut < self.reserve && self.on_page > 1);
        if is_full && self.on_page > 1 {
            self.full_pages += 1.0;
            self.rows_on_full_pages += self.rows_on_page - self.last.rows;
            self.free = FREE - self.last.size - LINE_POINTER;
            self.on_page = 1;
            self.rows_on_page = self.last.rows;
        }
        self.free -= size + LINE_POINTER;
        self.on_page += 1;
        self.rows_on_page += rows;
        self.last = Tuple { size, cut, rows };
        self.tuples += 1;
    }

    fn for_rows(&self, rows: f64) -> f64 {
        if self.full_pages > 0.0 {
            rows * self.full_pages / self.rows_on_full_pages
        } else {
            // All is on one page, of which this part is filled.
            (FREE - self.free) / FREE
        }
    }
}
