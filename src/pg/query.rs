//! Queries on our own tables, with the caller's rights.

use std::cell::OnceCell;
use std::ffi::CString;
use std::thread::LocalKey;

use pgrx::datum::DatumWithOid;
use pgrx::spi::{OwnedPreparedStatement, SpiHeapTupleData};
use pgrx::{PgOid, PgSqlErrorCode, Spi};

use super::encoding;
use super::error::raise;

/// A statement as the server reads it: names in it are in the database's encoding.
fn for_server(sql: &str) -> CString {
    CString::new(encoding::to_server(sql).as_ref()).unwrap_or_else(|_| {
        raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "a statement has a zero byte in it", "", "")
    })
}

/// Reads rows without assigning a transaction id, so that it works on a standby.
pub fn rows<T>(
    sql: &str,
    arguments: &[DatumWithOid<'_>],
    mut read: impl FnMut(&SpiHeapTupleData<'_>) -> Result<T, pgrx::spi::SpiError>,
) -> Vec<T> {
    let result = Spi::connect(|client| {
        client
            .select(&*for_server(sql), None, arguments)?
            .map(|row| read(&row))
            .collect::<Result<Vec<T>, pgrx::spi::SpiError>>()
    });
    match result {
        Ok(rows) => rows,
        Err(error) => raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, &error.to_string(), "", ""),
    }
}

/// Writes to our own tables and reads what comes back from RETURNING.
pub fn rows_mutable<T>(
    sql: &str,
    arguments: &[DatumWithOid<'_>],
    mut read: impl FnMut(&SpiHeapTupleData<'_>) -> Result<T, pgrx::spi::SpiError>,
) -> Vec<T> {
    let result = Spi::connect_mut(|client| {
        client
            .update(&*for_server(sql), None, arguments)?
            .map(|row| read(&row))
            .collect::<Result<Vec<T>, pgrx::spi::SpiError>>()
    });
    match result {
        Ok(rows) => rows,
        Err(error) => raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, &error.to_string(), "", ""),
    }
}

/// Writes to our own tables and returns how many rows came back from RETURNING.
pub fn rows_writing(sql: &str, arguments: &[DatumWithOid<'_>]) -> usize {
    let result =
        Spi::connect_mut(|client| client.update(&*for_server(sql), None, arguments).map(|table| table.len()));
    match result {
        Ok(count) => count,
        Err(error) => raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, &error.to_string(), "", ""),
    }
}

/// Writes to our own tables.
pub fn write(sql: &str, arguments: &[DatumWithOid<'_>]) {
    rows_writing(sql, arguments);
}

/// A statement that this process plans once, for what is run many times in a row.
pub type Kept = OnceCell<OwnedPreparedStatement>;

/// As [`rows`], planned once.
pub fn rows_of_kept<T>(
    kept: &'static LocalKey<Kept>,
    sql: &str,
    arguments: &[DatumWithOid<'_>],
    mut read: impl FnMut(&SpiHeapTupleData<'_>) -> Result<T, pgrx::spi::SpiError>,
) -> Vec<T> {
    let result = Spi::connect(|client| {
        kept.with(|kept| {
            if kept.get().is_none() {
                let _ = kept.set(client.prepare(&*for_server(sql), &types_of(arguments))?.keep());
            }
            let Some(statement) = kept.get() else { return Ok(Vec::new()) };
            client
                .select(statement, None, arguments)?
                .map(|row| read(&row))
                .collect::<Result<Vec<T>, pgrx::spi::SpiError>>()
        })
    });
    match result {
        Ok(rows) => rows,
        Err(error) => raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, &error.to_string(), "", ""),
    }
}

/// As [`write`], planned once.
pub fn write_kept(kept: &'static LocalKey<Kept>, sql: &str, arguments: &[DatumWithOid<'_>]) {
    let result = Spi::connect_mut(|client| {
        kept.with(|kept| {
            if kept.get().is_none() {
                let _ = kept.set(client.prepare_mut(&*for_server(sql), &types_of(arguments))?.keep());
            }
            if let Some(statement) = kept.get() {
                client.update(statement, None, arguments)?;
            }
            Ok::<(), pgrx::spi::SpiError>(())
        })
    });
    if let Err(error) = result {
        raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, &error.to_string(), "", "");
    }
}

fn types_of(arguments: &[DatumWithOid<'_>]) -> Vec<PgOid> {
    arguments.iter().map(|argument| PgOid::from(argument.oid())).collect()
}
