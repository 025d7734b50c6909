//! Arguments of functions that are called on null input, since others of theirs may be null.

use pgrx::PgSqlErrorCode;

use super::encoding;
use super::error::raise;
use super::value::Text;
use crate::text::identifier::MAXIMUM_BYTES;

/// One that must not be null.
pub fn given<T>(argument: Option<T>, name: &str) -> T {
    given_or(argument, name, "")
}

/// One that must not be null, with what to do instead.
pub fn given_or<T>(argument: Option<T>, name: &str, hint: &str) -> T {
    argument.unwrap_or_else(|| {
        raise(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, &format!("{name} must not be null"), "", hint)
    })
}

/// The elements of an array of which none may be null.
pub fn elements<T>(array: Vec<Option<T>>, name: &str) -> Vec<T> {
    let count = array.len();
    let present: Vec<T> = array.into_iter().flatten().collect();
    if present.len() < count {
        raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            &format!("{name} must not contain nulls"),
            "",
            "",
        );
    }
    present
}

/// The name of something that a plan makes or looks for: the server would cut a longer one, and the plan not find it again.
pub fn identifier(argument: Option<Text>, name: &str) -> String {
    let identifier = given(argument, name).into_string();
    if identifier.is_empty() {
        raise(PgSqlErrorCode::ERRCODE_INVALID_NAME, &format!("{name} must not be empty"), "", "");
    }
    if encoding::to_server(&identifier).len() > MAXIMUM_BYTES {
        raise(
            PgSqlErrorCode::ERRCODE_NAME_TOO_LONG,
            &format!("{name} is longer than a name may be"),
            &format!("A name has at most {MAXIMUM_BYTES} bytes."),
            "",
        );
    }
    identifier
}
