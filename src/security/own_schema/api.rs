//! The look at the schema before anything of the extension is put into it.

use pgrx::prelude::*;

use crate::pg::error::raise;
use crate::pg::security::own_schema;

/// Refuses a schema that is not the extension's alone. The script of the extension makes it, calls it and drops it before
/// it makes anything else: no function of a language that somebody may have dropped is needed for that.
#[pg_extern(sql = false)]
fn look_at_own_schema() {
    if let Some(refused) = super::refused(&own_schema::read()) {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            &refused.message,
            &refused.detail,
            &refused.hint,
        );
    }
}
