//! Who may have a trigger call the function of the trail: whoever makes partitions of watched tables, of which they take
//! the trigger over, and nobody for anything else. A trigger by which a table is known after a restore must be none that
//! anybody can make.

use pgrx::PgSqlErrorCode;

use super::install::run;
use crate::catalog::Oid;
use crate::pg::error::raise;
use crate::pg::partition::copy::session::as_extension;
use crate::pg::run::owner::owner;
use crate::pg::value::{RegClass, Text};
use crate::pg::{guard, query, roles};
use crate::text::quote_identifier;
use crate::trail::triggers::FUNCTION;

/// Gives whoever owns a watched partitioned table the right to have the trigger called, before a table comes under it: the
/// server asks for that as it makes the trigger there. Kept, for upkeep makes partitions again and again. `maker`: who makes what
/// comes, where that is not the caller.
pub fn let_take_over(parent: u32, maker: Option<Oid>) {
    let caller = maker.map_or_else(roles::current, Into::into);
    // Looked up as the extension: the caller need not have any right on its schema.
    let owner = as_extension(|| owner_to_ask(parent, caller.to_u32()));
    if !owner.is_some_and(|owner| roles::has_rights_of(caller, owner.into())) {
        return;
    }
    let Some(name) = roles::name(caller) else { return };
    as_extension(|| {
        guard::trusting(|| {
            // Two who come at once would change the same row of pg_proc, and one of them would fail.
            run("LOCK TABLE dbm.audit_schema IN SHARE ROW EXCLUSIVE MODE");
            if owner_to_ask(parent, caller.to_u32()).is_some() {
                run(&format!("GRANT EXECUTE ON FUNCTION {FUNCTION} TO {}", quote_identifier(&name)));
            }
        });
    });
}

/// The owner of a table whose row trigger is ours and would be refused to what comes under it.
fn owner_to_ask(parent: u32, caller: u32) -> Option<u32> {
    let sql = format!(
        "SELECT c.relowner FROM pg_catalog.pg_class c
         WHERE c.oid = {parent}
           AND EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgtype & 1 = 1
               AND t.tgfoid = '{FUNCTION}'::pg_catalog.regprocedure)
           AND NOT pg_catalog.has_function_privilege({caller}::pg_catalog.oid,
               '{FUNCTION}'::pg_catalog.regprocedure, 'EXECUTE')"
    );
    let found = query::rows(&sql, &[], |row| row.get::<RegClass>(1)).into_iter().flatten().next();
    found.map(|owner| owner.oid().to_u32())
}

/// Refuses triggers that the statement made and that call our function, but for those of the extension's owner.
pub fn refuse_triggers_of_others() {
    let sql = format!(
        "SELECT t.tgname::pg_catalog.text FROM pg_catalog.pg_event_trigger_ddl_commands() d
         JOIN pg_catalog.pg_trigger t ON t.oid = d.objid AND t.tgfoid = '{FUNCTION}'::pg_catalog.regprocedure
         WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass ORDER BY 1 LIMIT 1"
    );
    let made = as_extension(|| query::rows(&sql, &[], |row| row.get::<Text>(1)));
    let Some(made) = made.into_iter().flatten().next() else { return };
    if roles::is_member(owner()) {
        return;
    }
    raise(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        &format!("permission denied to make trigger {}", quote_identifier(made.as_str())),
        &format!("Triggers that call {FUNCTION} are made by dbm.install_audit_trigger() alone."),
        "",
    );
}
