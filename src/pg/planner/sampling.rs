//! Values of expressions in a sample of a table's rows, read with the caller's rights.

use std::ffi::CStr;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::analysis::server_text;
use super::list::new_array;
use super::names::qualified_name;
use crate::pg::error::raise;
use crate::pg::local_settings::with_settings;
use crate::pg::scan::text_of;

/// Rows of which the keys of an inverted index are extracted.
pub const ROWS_FOR_ELEMENTS: f64 = 10_000.0;
/// Rows that are read at the most, however few of them meet the predicate.
const ROWS_READ: f64 = 300_000.0;

/// Rows that ANALYZE samples for a column without a target of its own.
pub fn rows_for_statistics() -> f64 {
    // SAFETY: a setting of the server.
    300.0 * f64::from(unsafe { pg_sys::default_statistics_target })
}

/// Runs `work` so that what it samples is of five times as many rows as usual: the number of different keys is then right
/// to about a percent.
pub fn closely<T>(work: impl FnOnce() -> T) -> T {
    const TARGET: i32 = 500;
    // SAFETY: a setting of the server.
    if unsafe { pg_sys::default_statistics_target } >= TARGET {
        return work();
    }
    with_settings(&[(c"default_statistics_target", c"500")], work)
}

/// How much to sample.
pub struct Wanted {
    /// Rows of the table.
    pub tuples: f64,
    /// The share of them that meets the predicate.
    pub fraction: f64,
    /// Rows wanted.
    pub rows: f64,
}

/// The values of one expression, row by row.
#[derive(Clone, Copy)]
pub struct Values {
    pub datums: *mut pg_sys::Datum,
    pub nulls: *mut bool,
    pub count: usize,
}

impl Values {
    /// The rows in which this boolean is true.
    pub fn true_rows(&self) -> Vec<usize> {
        // SAFETY: the arrays are as long as the sample.
        let is_true =
            |&row: &usize| unsafe { !*self.nulls.add(row) && (*self.datums.add(row)).value() as u8 != 0 };
        (0..self.count).filter(is_true).collect()
    }

    /// In how many of these rows the value is NULL.
    pub fn nulls_among(&self, rows: &[usize]) -> usize {
        // SAFETY: as above; the rows are of the same sample.
        rows.iter().filter(|&&row| unsafe { *self.nulls.add(row) }).count()
    }
}

/// The values of all expressions.
pub struct Sample {
    columns: Vec<Values>,
}

impl Sample {
    /// The values of the expression of that number.
    pub fn column(&self, number: usize) -> Values {
        self.columns[number]
    }
}

/// Samples rows that meet the predicate and hands the values to `read`, which must keep none of them: they go after.
pub fn with_sample<T>(
    relation: pg_sys::Oid,
    expressions: &[*mut pg_sys::Node],
    predicate: *mut pg_sys::List,
    wanted: &Wanted,
    read: impl FnOnce(&Sample) -> T,
) -> T {
    let sql = server_text(&statement(relation, expressions, predicate, wanted));
    // SAFETY: connected and finished here; on ERROR the end of the subtransaction finishes it. `read` allocates in the
    // caller's memory context.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        pg_sys::SPI_connect();
        let answer = in_physical_order(|| pg_sys::SPI_execute(sql.as_ptr(), true, 0));
        if answer != pg_sys::SPI_OK_SELECT as i32 {
            raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "could not sample rows", "", "");
        }
        let sample = collect(expressions.len());
        pg_sys::MemoryContextSwitchTo(context);
        let result = read(&sample);
        pg_sys::SPI_finish();
        pg_sys::MemoryContextSwitchTo(context);
        result
    }
}

/// What keeps a scan from returning rows in another order than they are stored in. An index-only scan is the planner's
/// first choice where an index has all columns that an expression reads.
const PHYSICAL_ORDER: [(&CStr, &CStr); 5] = [
    (c"synchronize_seqscans", c"off"),
    (c"max_parallel_workers_per_gather", c"0"),
    (c"enable_seqscan", c"on"),
    (c"enable_indexscan", c"off"),
    (c"enable_indexonlyscan", c"off"),
];

/// Runs `work` so that a scan begins at the first page and one process reads all in turn: correlation is measured by
/// the order of rows.
fn in_physical_order<T>(work: impl FnOnce() -> T) -> T {
    with_settings(&PHYSICAL_ORDER, work)
}

/// # Safety
/// SPI must hold the answer to a SELECT of that many columns.
unsafe fn collect(columns: usize) -> Sample {
    // SAFETY: as the caller vouches; rows and their descriptor live until SPI finishes.
    unsafe {
        let table = pg_sys::SPI_tuptable;
        let count = usize::try_from(pg_sys::SPI_processed).unwrap_or(0);
        let columns = (0..columns)
            .map(|column| {
                let values = Values { datums: new_array(count), nulls: new_array(count), count };
                for row in 0..count {
                    *values.datums.add(row) = pg_sys::SPI_getbinval(
                        *(*table).vals.add(row),
                        (*table).tupdesc,
                        i32::try_from(column + 1).unwrap_or(0),
                        values.nulls.add(row),
                    );
                }
                values
            })
            .collect();
        Sample { columns }
    }
}

fn statement(
    relation: pg_sys::Oid,
    expressions: &[*mut pg_sys::Node],
    predicate: *mut pg_sys::List,
    wanted: &Wanted,
) -> String {
    // SAFETY: the relation is locked and exists; the expressions are about it alone.
    let context = unsafe { pg_sys::deparse_context_for(pg_sys::get_rel_name(relation), relation) };
    let text = |node: *mut pg_sys::Node| {
        // SAFETY: an expression about the relation of the context; the text is a C string.
        unsafe { text_of(CStr::from_ptr(pg_sys::deparse_expression(node, context, false, false)).to_bytes()) }
    };
    let targets: Vec<String> = expressions.iter().map(|&node| format!("({})", text(node))).collect();
    let mut sql = format!("SELECT {} FROM ONLY {}", targets.join(", "), qualified_name(relation));
    let meeting = (wanted.tuples * wanted.fraction).max(1.0);
    let share = (wanted.rows / meeting).min(ROWS_READ / wanted.tuples.max(1.0));
    if share < 1.0 {
        sql.push_str(&format!(" TABLESAMPLE SYSTEM ({}) REPEATABLE (0)", share * 100.0));
    }
    if !predicate.is_null() {
        // SAFETY: a list of conditions.
        let condition = unsafe { pg_sys::make_ands_explicit(predicate) };
        sql.push_str(&format!(" WHERE {}", text(condition.cast())));
    }
    sql.push_str(&format!(" LIMIT {}", wanted.rows * 2.0));
    sql
}
