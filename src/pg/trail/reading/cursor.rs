//! A query whose rows are fetched by and by, also between two calls of a function that returns rows.

use std::ffi::CString;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::rows::{Argument, Parameters, Rows, fetched, pinned};
use crate::catalog::Oid;
use crate::pg::error::raise;
use crate::pg::planner::server_text;

/// How many rows are fetched at a time.
const PAGE: usize = 500;

/// A name that nobody guesses: FETCH by name asks for no right again, and here are rows that the caller is not to see whole.
fn hidden_name() -> CString {
    let mut secret = [0_u8; 16];
    // SAFETY: fills so many bytes of ours.
    if !unsafe { pg_sys::pg_strong_random(secret.as_mut_ptr().cast(), secret.len()) } {
        raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "could not generate random values", "", "");
    }
    CString::new(format!("dbmastery {:032x}", u128::from_ne_bytes(secret))).unwrap_or_default()
}

/// An open query. One that is not read to its end ends with the transaction.
pub struct Cursor {
    role: Option<Oid>,
    name: Option<CString>,
    page: std::vec::IntoIter<Vec<Option<String>>>,
}

impl Cursor {
    /// Opens it as that role, or as the caller, by the snapshot that is active.
    pub fn open(role: Option<Oid>, sql: &str, arguments: &[Argument]) -> Self {
        let text = server_text(sql);
        let name = hidden_name();
        let hidden = &name;
        pinned(role, || {
            // SAFETY: the server's own way to open a cursor, which outlives the connection; on ERROR the end of the
            // (sub)transaction clears up.
            unsafe {
                pg_sys::SPI_connect();
                let mut parameters = Parameters::new(arguments);
                let portal = pg_sys::SPI_cursor_open_with_args(
                    hidden.as_ptr(),
                    text.as_ptr(),
                    parameters.count(),
                    parameters.types.as_mut_ptr(),
                    parameters.values.as_mut_ptr(),
                    parameters.nulls.as_ptr(),
                    true,
                    0,
                );
                (*portal).visible = false;
                pg_sys::SPI_finish();
            }
        });
        Self { role, name: Some(name), page: Vec::new().into_iter() }
    }

    fn fetch(&mut self) {
        let Some(name) = self.name.take() else { return };
        let page: Rows = pinned(self.role, || {
            // SAFETY: as above; a portal is asked for by its name, since it may be gone.
            unsafe {
                pg_sys::SPI_connect();
                let portal = pg_sys::SPI_cursor_find(name.as_ptr());
                if portal.is_null() {
                    raise(
                        PgSqlErrorCode::ERRCODE_INVALID_CURSOR_STATE,
                        "a query of the audit trail is gone",
                        "",
                        "",
                    );
                }
                pg_sys::SPI_cursor_fetch(portal, true, PAGE as _);
                let page = fetched();
                if page.len() < PAGE {
                    pg_sys::SPI_cursor_close(portal);
                }
                pg_sys::SPI_finish();
                page
            }
        });
        if page.len() == PAGE {
            self.name = Some(name);
        }
        self.page = page.into_iter();
    }
}

impl Iterator for Cursor {
    type Item = Vec<Option<String>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0 {
            self.fetch();
        }
        self.page.next()
    }
}
