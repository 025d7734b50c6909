//! What has no online way: why, and what to do instead.

use super::asked::Asked;
use super::recipe::NoPlan;
use crate::text::quote_identifier;

/// SET LOGGED and SET UNLOGGED.
pub fn persistence(asked: &Asked<'_>, is_logged: bool) -> NoPlan {
    let word = if is_logged { "LOGGED" } else { "UNLOGGED" };
    NoPlan::new(
        format!(
            "SET {word} writes {} anew under ACCESS EXCLUSIVE, and there is no other way",
            asked.target_name()
        ),
        "run it while nobody needs the table, with lock_timeout set; or fill a new table that is right from the start and \
         exchange the two",
    )
}

/// SET ACCESS METHOD.
pub fn access_method(asked: &Asked<'_>, method: &str) -> NoPlan {
    NoPlan::new(
        format!(
            "SET ACCESS METHOD {} writes {} anew under ACCESS EXCLUSIVE",
            quote_identifier(method),
            asked.target_name()
        ),
        "fill a new table of that method and exchange the two, or run it while nobody needs the table",
    )
}

/// SET TABLESPACE.
pub fn tablespace(asked: &Asked<'_>, tablespace: &str) -> NoPlan {
    NoPlan::new(
        format!("SET TABLESPACE copies the files of {} under ACCESS EXCLUSIVE", asked.target_name()),
        format!(
            "pg_repack --tablespace={tablespace} copies beside the writers; an index can be built anew there CONCURRENTLY; or run it while \
             nobody needs the table"
        ),
    )
}

/// VACUUM FULL and CLUSTER.
pub fn rewritten(asked: &Asked<'_>, what: &str) -> NoPlan {
    NoPlan::new(
        format!("{what} writes {} anew under ACCESS EXCLUSIVE", asked.target_name()),
        "pg_repack or pg_squeeze do it beside the writers; plain VACUUM makes the room usable again",
    )
}

/// SET EXPRESSION of a stored generated column.
pub fn expression(asked: &Asked<'_>, column: &str) -> NoPlan {
    NoPlan::new(
        format!(
            "SET EXPRESSION of the stored column {} writes {} anew under ACCESS EXCLUSIVE",
            quote_identifier(column),
            asked.target_name()
        ),
        "add a second column, let a trigger and dbm.backfill fill it, and let the application go over to it",
    )
}

/// ALTER CONSTRAINT … ENFORCED.
pub fn enforced(asked: &Asked<'_>, constraint: &str) -> NoPlan {
    NoPlan::new(
        format!("ENFORCED makes the server read every row of {} under ACCESS EXCLUSIVE", asked.target_name()),
        format!(
            "ask for the plans of DROP CONSTRAINT {} and of ADD CONSTRAINT, which proves it beside the writers",
            quote_identifier(constraint)
        ),
    )
}

/// Typed tables behind a composite type.
pub fn typed_tables() -> NoPlan {
    NoPlan::new(
        "CASCADE writes every table of the type anew under ACCESS EXCLUSIVE",
        "NOT OF the tables first, change each by its own plan, and put them under the type again with OF",
    )
}

/// TRUNCATE.
pub fn truncate(asked: &Asked<'_>) -> NoPlan {
    NoPlan::new(
        format!(
            "TRUNCATE empties {} under ACCESS EXCLUSIVE, and nothing brings the rows back",
            asked.target_name()
        ),
        "DELETE in batches keeps nobody waiting; or run it with lock_timeout set, after a dump",
    )
}

/// UPDATE and DELETE.
pub fn write(asked: &Asked<'_>, is_update: bool) -> NoPlan {
    let name = asked.target_name();
    if is_update {
        return NoPlan::new(
            format!("UPDATE of {name} is no change of the schema"),
            "CALL dbm.backfill(table, assignment, predicate) does it in batches",
        );
    }
    NoPlan::new(
        format!("DELETE from {name} is no change of the schema"),
        "delete in batches by ranges of the key",
    )
}
