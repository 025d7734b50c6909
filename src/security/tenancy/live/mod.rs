//! Tenancy on the running server.

pub mod leak;
pub mod plan;

use pgrx::PgSqlErrorCode;

use super::facts::Table;
use crate::catalog::Oid;
use crate::pg::error::raise;
use crate::pg::tenancy;

/// What the catalogs say of a table, or an ERROR.
pub fn table(oid: Oid, tenant_column: &str) -> Table {
    let Some(document) = tenancy::document(oid, tenant_column) else {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            &format!("relation with OID {oid} does not exist"),
            "",
            "",
        )
    };
    read(&document)
}

/// A document as what it is.
pub fn read<'a, T: serde::Deserialize<'a>>(document: &'a str) -> T {
    serde_json::from_str(document).unwrap_or_else(|error| {
        raise(
            PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
            "the catalogs could not be read for tenants",
            &error.to_string(),
            "",
        )
    })
}
