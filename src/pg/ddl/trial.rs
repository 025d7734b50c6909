//! What a CREATE TABLE would make: it is run and taken back at once, so that the server itself says what it means.

use pgrx::datum::DatumWithOid;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::{only_statement, shape};
use crate::catalog::ddl::{Action, Kind, TableShape};
use crate::pg::error::raise;
use crate::pg::local_settings::with_settings;
use crate::pg::planner::rolled_back;
use crate::pg::query::{rows, write};
use crate::pg::value::Text;

/// The table of that name and that definition, as CREATE TABLE would make it here, with the caller's rights; the server's own
/// ERROR where it cannot be made. Nothing of it stays, and nobody is waited for longer than a moment.
pub fn table(target: &str, definition: &str) -> TableShape {
    let statement = format!("CREATE TABLE {target} (\n{definition}\n)");
    let read = only_statement(&statement);
    let [Action { kind: Kind::CreateTable(facts), .. }] = &*read.actions else { refuse() };
    if facts.partition_of.is_some() || facts.is_from_query || facts.is_temporary {
        refuse()
    }
    let made = rolled_back(|| {
        with_settings(&[(c"lock_timeout", c"1s"), (c"client_min_messages", c"warning")], || {
            write(&statement, &[]);
            let name = DatumWithOid::from(Text::from(target));
            let found = rows("SELECT pg_catalog.to_regclass($1)::pg_catalog.oid", &[name], |row| {
                row.get::<pg_sys::Oid>(1)
            });
            found.into_iter().flatten().next().and_then(|oid| shape::of(oid.to_u32()))
        })
    });
    made.unwrap_or_else(|| refuse())
}

fn refuse() -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_SYNTAX_ERROR,
        "the definition of a table must be what stands between the parentheses of CREATE TABLE",
        "",
        "For example: 'id bigint NOT NULL, created_at timestamptz NOT NULL', or 'LIKE other_table INCLUDING ALL'.",
    )
}
