//! Queries on our own tables, with the caller's rights.

use pgrx::datum::DatumWithOid;
use pgrx::spi::SpiHeapTupleData;
use pgrx::{PgSqlErrorCode, Spi};

use super::error::raise;

/// Reads rows without assigning a transaction id, so that it works on a standby.
pub fn rows<T>(
    sql: &str,
    arguments: &[DatumWithOid<'_>],
    mut read: impl FnMut(&SpiHeapTupleData<'_>) -> Result<T, pgrx::spi::SpiError>,
) -> Vec<T> {
    let result = Spi::connect(|client| {
        client
            .select(sql, None, arguments)?
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
            .update(sql, None, arguments)?
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
    let result = Spi::connect_mut(|client| client.update(sql, None, arguments).map(|table| table.len()));
    match result {
        Ok(count) => count,
        Err(error) => raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, &error.to_string(), "", ""),
    }
}

/// Writes to our own tables.
pub fn write(sql: &str, arguments: &[DatumWithOid<'_>]) {
    rows_writing(sql, arguments);
}
