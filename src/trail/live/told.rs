//! What `dbm.as_of()` is at, for whoever looks from outside.

use std::cell::Cell;
use std::rc::Rc;

use crate::pg::progress::{self, Progress};

/// How far it has come; under way until the last row is told or nobody asks for more.
pub struct Told {
    progress: Progress,
    changes: Cell<usize>,
    rows: Cell<usize>,
}

impl Told {
    /// Begins.
    pub fn begin() -> Rc<Self> {
        let progress = Progress::begin(&progress::AS_OF);
        Rc::new(Self { progress, changes: Cell::new(0), rows: Cell::new(0) })
    }

    fn one_more(&self, step: &str, count: &Cell<usize>) {
        self.progress.report_row(count.get(), step, count.get(), 0);
        count.set(count.get() + 1);
    }

    /// A change of the log is read.
    pub fn change(&self) {
        self.one_more(progress::READING_CHANGES, &self.changes);
    }

    /// A row of the table is told.
    pub fn row(&self) {
        self.one_more(progress::READING_TABLE, &self.rows);
    }
}
