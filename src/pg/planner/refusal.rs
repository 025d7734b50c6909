//! What is refused, and what to do instead.

use pgrx::PgSqlErrorCode;

use crate::pg::error::raise;

/// Not an error of the user's, but more than we can do.
pub fn unsupported(message: &str, detail: &str, hint: &str) -> ! {
    raise(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, message, detail, hint)
}

/// An index definition that CREATE INDEX would refuse as well.
pub fn invalid_definition(message: &str) -> ! {
    raise(PgSqlErrorCode::ERRCODE_INVALID_OBJECT_DEFINITION, message, "", "")
}

/// The object is of another kind than is needed here.
pub fn wrong_object(message: &str, hint: &str) -> ! {
    raise(PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE, message, "", hint)
}
