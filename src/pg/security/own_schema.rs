//! The schema of the extension, as it was before the extension.

use pgrx::PgSqlErrorCode;

use crate::catalog::security::OwnSchema;
use crate::pg::error::raise;
use crate::pg::local_settings::with_settings;
use crate::pg::query::rows;
use crate::pg::value::Text;

const LOOK: &str = include_str!("own_schema.sql");

/// Whose it is, who may create in it and what is in it. What is in the schema is not called: the script of an extension
/// runs with the schema in its search_path.
pub fn read() -> OwnSchema {
    let found = with_settings(&[(c"search_path", c"pg_catalog, pg_temp")], || {
        rows(LOOK, &[], |row| {
            let text =
                |place| row.get::<Text>(place).map(|text| text.map(Text::into_string).unwrap_or_default());
            Ok(OwnSchema {
                owner: text(1)?,
                is_of_superuser: row.get::<bool>(2)?.unwrap_or(false),
                creators: text(3)?,
                contents: text(4)?,
                installer: text(5)?,
            })
        })
    });
    found.into_iter().next().unwrap_or_else(|| {
        raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "schema \"dbm\" does not exist", "", "")
    })
}
