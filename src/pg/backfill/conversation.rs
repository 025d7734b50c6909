//! SPI over several transactions. Every value comes back as text.

use std::ffi::CStr;

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::pg::checks_itself;
use crate::pg::encoding;
use crate::pg::error::raise;
use crate::pg::planner::server_text;

/// A row, each column as text.
pub type Row = Vec<Option<String>>;

/// One connection to SPI, open over commits.
pub struct Conversation(());

impl Conversation {
    /// Begins it. One at a time; the call must be one that may commit.
    pub fn open() -> Self {
        // SAFETY: opens a connection that `drop` closes, and the server too, at the end of the statement.
        if unsafe { pg_sys::SPI_connect_ext(pg_sys::SPI_OPT_NONATOMIC as i32) }
            != pg_sys::SPI_OK_CONNECT as i32
        {
            raise(
                PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
                "the server opened no connection of its own",
                "",
                "",
            );
        }
        Self(())
    }

    /// Runs a statement and returns its rows.
    pub fn run(&self, sql: &str) -> Vec<Row> {
        let text = server_text(sql);
        // SAFETY: a C string that outlives the call; the table that comes back is read and freed before anything else
        // is run.
        unsafe {
            let code = pg_sys::SPI_execute(text.as_ptr(), false, 0);
            if code < 0 {
                let message = format!("the server refused a statement of ours with code {code}");
                raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, &message, sql, "");
            }
            let table = pg_sys::SPI_tuptable;
            if table.is_null() {
                return Vec::new();
            }
            let descriptor = (*table).tupdesc;
            let count = usize::try_from((*table).numvals).unwrap_or(0);
            let rows = (0..count)
                .map(|row| {
                    let tuple = *(*table).vals.add(row);
                    (1..=(*descriptor).natts).map(|column| value(tuple, descriptor, column)).collect()
                })
                .collect();
            pg_sys::SPI_freetuptable(table);
            rows
        }
    }

    /// Runs a statement and returns how many rows it had to do with.
    pub fn execute(&self, sql: &str) -> u64 {
        self.run(sql);
        // SAFETY: reads what the statement has left.
        unsafe { pg_sys::SPI_processed }
    }

    /// Runs a statement of which one row is expected; that row.
    pub fn row(&self, sql: &str) -> Row {
        self.run(sql).into_iter().next().unwrap_or_default()
    }

    /// Ends the transaction and begins the next.
    pub fn commit(&self) {
        // SAFETY: the connection is not atomic and no subtransaction is open.
        unsafe { pg_sys::SPI_commit() };
    }

    /// Tells the statistics system what was changed since, which the server itself does at the end of a statement
    /// only: autovacuum would not see a table that is changed for hours. Nothing must have been done in this
    /// transaction.
    pub fn report_statistics(&self) {
        // Such a server takes it for a mistake that a transaction has begun.
        if !checks_itself() {
            // SAFETY: no change is pending in this transaction. The second transaction forgets the moment that the
            // report took for its end.
            unsafe { pg_sys::pgstat_report_stat(true) };
            self.commit();
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // SAFETY: closes what `open` opened; nothing is done where the server has closed it.
        unsafe { pg_sys::SPI_finish() };
    }
}

/// # Safety
/// A tuple of that descriptor, which has that column.
unsafe fn value(tuple: pg_sys::HeapTuple, descriptor: pg_sys::TupleDesc, column: i32) -> Option<String> {
    // SAFETY: as the caller vouches; the text is the server's copy.
    unsafe {
        let text = pg_sys::SPI_getvalue(tuple, descriptor, column);
        if text.is_null() {
            return None;
        }
        let copy = encoding::from_server(CStr::from_ptr(text).to_bytes()).into_owned();
        pg_sys::pfree(text.cast());
        Some(copy)
    }
}
