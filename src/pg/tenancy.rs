//! Tenants on the server: whose rows a transaction may see, and what is asked of the catalogs and of the tables about it.
//!
//! The tenant is kept in the setting `dbm.tenant`, which the server hands on to parallel workers and takes back with a
//! transaction. Only a superuser may set it as a setting; everybody else by the functions of the extension, for which
//! they need to be granted. A session that gave the setting a value before the library was loaded loses it then.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::time::{Duration, Instant};

use pgrx::datum::DatumWithOid;
pub use pgrx::pg_sys::FunctionCallInfo;
use pgrx::{AnyElement, FromDatum, PgSqlErrorCode, pg_sys};

use super::encoding;
use super::error::raise;
use super::guard::local_transaction;
use super::local_settings::{PINNED_SEARCH_PATH, with_pinned_search_path};
use super::planner::{Refusal, acts_as, is_powerful, refusable, rolled_back};
use super::query::rows;
use super::roles;
use super::run::owner::Identity;
use super::settings;
use super::surroundings::equality;
use super::value::Text;
use crate::catalog::Oid;
use crate::catalog::surroundings::bare;
use crate::change::words::without_modifier;

const ROLE: &str = include_str!("tenancy/role.sql");
const MEMBERS: &str = include_str!("tenancy/members.sql");

/// By which word `pg_has_role()` tells whether a role can become another by SET ROLE, whatever it inherits.
#[cfg(feature = "pg15")]
const BECOMES: &str = "MEMBER";
#[cfg(not(feature = "pg15"))]
const BECOMES: &str = "SET";

thread_local! {
    /// The transaction that has a tenant, and which.
    static OF_TRANSACTION: RefCell<Option<(u32, String)>> = const { RefCell::new(None) };
}

/// The tenant of the transaction; `None` where there is none.
pub fn current() -> Option<String> {
    let value = asked_for()?;
    Some(encoding::from_server(value.to_bytes()).into_owned())
}

/// The setting, for somebody who goes by it. From here on the transaction belongs to that tenant, also where the session has
/// had him before it began: nobody goes by one first and by another then.
fn asked_for<'a>() -> Option<&'a CStr> {
    let value = settings::tenant()?;
    let transaction = local_transaction();
    let is_bound =
        OF_TRANSACTION.with_borrow(|of| of.as_ref().is_some_and(|(number, _)| *number == transaction));
    if !is_bound {
        OF_TRANSACTION.replace(Some((transaction, encoding::from_server(value.to_bytes()).into_owned())));
    }
    Some(value)
}

/// The tenant as a value of a type, kept by the call that asks for it: for each row of a scan it is asked again.
#[repr(C)]
struct Typed {
    /// As the setting has it.
    text: *mut c_char,
    /// As a value.
    value: pg_sys::Datum,
    /// Of this type.
    type_oid: pg_sys::Oid,
}

/// The tenant of the transaction as a value of the type that the call's first argument has; `None` where there is none.
#[expect(clippy::not_unsafe_ptr_arg_deref, reason = "pgrx hands the frame of its own call")]
pub fn current_typed(call: FunctionCallInfo) -> Option<AnyElement> {
    let text = asked_for()?;
    // SAFETY: the frame of the call that we are in. What it keeps was put there by an earlier call by the same frame, in memory
    // that lives as long as the frame's function.
    unsafe {
        let function = (*call).flinfo;
        let mut kept = (*function).fn_extra.cast::<Typed>();
        if kept.is_null() || CStr::from_ptr((*kept).text) != text {
            let type_oid = pg_sys::get_fn_expr_argtype(function, 0);
            let (mut input, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
            pg_sys::getTypeInputInfo(type_oid, &raw mut input, &raw mut parameter);
            let before = pg_sys::MemoryContextSwitchTo((*function).fn_mcxt);
            let copy = pg_sys::pstrdup(text.as_ptr());
            let value = pg_sys::OidInputFunctionCall(input, copy, parameter, -1);
            // What was kept for another tenant may still be looked at: it goes with the function.
            kept = pg_sys::palloc(size_of::<Typed>()).cast::<Typed>();
            kept.write(Typed { text: copy, value, type_oid });
            (*function).fn_extra = kept.cast();
            pg_sys::MemoryContextSwitchTo(before);
        }
        AnyElement::from_polymorphic_datum((*kept).value, false, (*kept).type_oid)
    }
}

/// Sets the tenant, until the transaction ends or for the rest of the session.
///
/// Within one transaction there is one tenant, whatever is reset or rolled back in it: whoever gets a statement into
/// somebody's transaction cannot go on to the rows of another tenant in it. A superuser may.
pub fn set(tenant: &str, is_local: bool) {
    let transaction = local_transaction();
    // SAFETY: reads variables of this process.
    let (is_superuser, is_alone) = unsafe { (pg_sys::superuser(), !pg_sys::IsTransactionBlock()) };
    let before = OF_TRANSACTION.with_borrow(|of| {
        of.as_ref().filter(|(number, _)| *number == transaction).map(|(_, tenant)| tenant.clone())
    });
    if let Some(before) = before.filter(|before| before != tenant)
        && !is_superuser
    {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            &format!("this transaction belongs to tenant \"{before}\""),
            "A transaction has one tenant.",
            "Begin another transaction for another tenant.",
        );
    }
    let Ok(value) = CString::new(encoding::to_server(tenant).as_ref()) else {
        raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "a tenant cannot contain a zero byte", "", "");
    };
    if is_local && is_alone && !tenant.is_empty() {
        pgrx::warning!(
            "the tenant is set until the end of this statement only: no transaction has been begun"
        );
    }
    put(
        &value,
        if is_local { pg_sys::GucAction::GUC_ACTION_LOCAL } else { pg_sys::GucAction::GUC_ACTION_SET },
    );
    if !tenant.is_empty() {
        OF_TRANSACTION.replace(Some((transaction, tenant.to_owned())));
    }
}

fn put(value: &CStr, action: pg_sys::GucAction::Type) {
    // SAFETY: two C strings; the end of the (sub)transaction takes back what belongs to it.
    unsafe {
        pg_sys::set_config_option(
            c"dbm.tenant".as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_SESSION,
            action,
            true,
            0,
            false,
        );
    }
}

/// What a role can do to a table, its views, partitions and functions, as a JSON document; `None` where there is no such
/// role.
pub fn role_document(
    table: Oid,
    name: &str,
    views: &[Oid],
    partitions: &[Oid],
    functions: &[Oid],
) -> Option<String> {
    let numbers = |oids: &[Oid]| oids.iter().map(|&oid| pg_sys::Oid::from(oid)).collect::<Vec<_>>();
    with_pinned_search_path(|| {
        let arguments = [
            DatumWithOid::from(pg_sys::Oid::from(table)),
            Text::from(name).into(),
            numbers(views).into(),
            numbers(partitions).into(),
            numbers(functions).into(),
            Text::from(BECOMES).into(),
        ];
        rows(ROLE, &arguments, |row| row.get::<Text>(1)).into_iter().flatten().map(Text::into_string).next()
    })
}

/// Who has what these roles were granted by being in them, one role of each kind; 0 is everybody.
pub fn members(table: Oid, of: &[Oid]) -> Vec<String> {
    let of: Vec<pg_sys::Oid> = of.iter().map(|&oid| oid.into()).collect();
    with_pinned_search_path(|| {
        let arguments = [DatumWithOid::from(pg_sys::Oid::from(table)), of.into(), Text::from(BECOMES).into()];
        rows(MEMBERS, &arguments, |row| row.get::<Text>(1))
            .into_iter()
            .flatten()
            .map(Text::into_string)
            .collect()
    })
}

/// The tables of users that have the column, by name.
pub fn tables_with(column: &str) -> Vec<Oid> {
    with_pinned_search_path(|| {
        rows(
            "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
                AND n.nspname NOT IN ('information_schema') AND n.nspname !~ '^pg_'
                AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
                AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = $1 AND NOT a.attisdropped)
              ORDER BY n.nspname, c.relname",
            &[Text::from(column).into()],
            |row| row.get::<pg_sys::Oid>(1),
        )
    })
    .into_iter()
    .flatten()
    .map(|oid| oid.to_u32())
    .collect()
}

/// The relation of that name, as it is written.
pub fn relation_named(name: &str) -> Option<Oid> {
    named("SELECT pg_catalog.to_regclass($1)::pg_catalog.oid", name, |row| row.get::<pg_sys::Oid>(1))
        .map(|oid| oid.to_u32())
}

/// The type of that name, as the server writes it.
pub fn type_named(name: &str) -> Option<String> {
    with_pinned_search_path(|| {
        named(
            "SELECT pg_catalog.format_type(t, NULL) || coalesce(pg_catalog.substring($1, '\\([0-9, ]+\\)$'), '')
               FROM (SELECT pg_catalog.to_regtype(pg_catalog.regexp_replace($1, '\\([0-9, ]+\\)$', ''))::pg_catalog.oid) AS x(t) WHERE t IS NOT NULL",
            name,
            |row| row.get::<Text>(1),
        )
    })
    .map(Text::into_string)
}

/// What says that two values of the type of that name, as the server writes it, are equal; for statements that are run without a
/// search_path.
pub fn equality_of(type_name: &str) -> String {
    let bare_type = without_modifier(type_name);
    with_pinned_search_path(|| {
        named("SELECT pg_catalog.to_regtype($1)::pg_catalog.oid", &bare_type, |row| row.get::<pg_sys::Oid>(1))
    })
    .and_then(equality)
    .map_or_else(|| "=".to_owned(), |operator| bare(&operator).to_owned())
}

fn named<T>(
    sql: &str,
    name: &str,
    read: impl FnMut(&pgrx::spi::SpiHeapTupleData<'_>) -> Result<Option<T>, pgrx::spi::SpiError>,
) -> Option<T> {
    rows(sql, &[Text::from(name).into()], read).into_iter().flatten().next()
}

/// Whether the caller can run that; nothing of it stays.
pub fn tried_by_caller(sql: &str) -> Result<(), Refusal> {
    refusable(|| {
        rolled_back(|| {
            with_pinned_search_path(|| {
                rows(sql, &[], |row| row.get::<Text>(1));
            });
        });
    })
}

/// The search_path with which a session begins that neither a role nor a database has another for. Only superusers may read
/// the server's files; for others it is the one that the server is made with.
pub fn search_path_of_server() -> String {
    const MADE_WITH: &str = "\"$user\", public";
    // SAFETY: a look-up in the catalogs of roles.
    if !unsafe { pg_sys::superuser() } {
        return MADE_WITH.to_owned();
    }
    let of_files = with_pinned_search_path(|| {
        rows(
            "SELECT setting FROM pg_file_settings WHERE name = 'search_path' AND applied ORDER BY seqno DESC LIMIT 1",
            &[],
            |row| row.get::<Text>(1),
        )
    });
    of_files.into_iter().flatten().map(Text::into_string).next().unwrap_or_else(|| MADE_WITH.to_owned())
}

/// In whose place a probe is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As<'a> {
    /// The table's owner, for whom neither policies nor triggers nor foreign keys are in the way.
    Owner(Oid),
    /// Somebody with his own rights and no more.
    Role {
        /// Who.
        role: Oid,
        /// Whether he switches row security off.
        is_open: bool,
        /// Where his sessions look names up, so that triggers and functions find what they find there.
        search_path: &'a str,
    },
}

/// Takes rights, settings and tenant until the subtransaction ends. `patience`: how long it waits for a lock.
fn take_place_of(who: As<'_>, tenant: &str, patience: &CStr) {
    let restricted = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
    let c_text = |text: &str| CString::new(encoding::to_server(text).as_ref()).unwrap_or_default();
    let (role, limits, replication, row_security, path) = match who {
        As::Owner(role) => {
            // What runs with the owner's rights finds nothing that somebody else could have put there.
            let path = PINNED_SEARCH_PATH.to_owned();
            (role, restricted | pg_sys::SECURITY_NOFORCE_RLS, c"replica", c"on", path)
        }
        As::Role { role, is_open, search_path } => {
            // Temporary objects of this session are none of his.
            let path = if search_path.is_empty() { String::new() } else { format!("{search_path}, ") };
            let path = c_text(&format!("{path}pg_temp"));
            (role, restricted, c"origin", if is_open { c"off" } else { c"on" }, path)
        }
    };
    let value = c_text(tenant);
    let settings: [(&CStr, &CStr); 9] = [
        (c"search_path", &path),
        (c"row_security", row_security),
        // A row that somebody is at is not waited for.
        (c"lock_timeout", patience),
        // Denials are told by their words.
        (c"lc_messages", c"C"),
        (c"session_replication_role", replication),
        (c"client_min_messages", c"error"),
        (c"DateStyle", c"ISO, YMD"),
        (c"TimeZone", c"UTC"),
        (c"dbm.tenant", &value),
    ];
    // SAFETY: C strings, and a role that exists; the subtransaction gives all of it back when it ends.
    unsafe {
        for (name, value) in settings {
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_LOCAL,
                true,
                0,
                false,
            );
        }
        pg_sys::SetUserIdAndSecContext(role.into(), limits as i32);
    }
}

/// Runs one statement in somebody's place, in a subtransaction that is taken back; the first column of each row as
/// text, or why it could not be run.
pub fn probed(who: As<'_>, tenant: &str, sql: &str) -> Result<Vec<Option<String>>, Refusal> {
    refusable(|| rolled_back(|| asked(who, tenant, sql)))
}

/// The same, and what another statement then says in the place of another; both are taken back.
pub fn probed_then(
    who: As<'_>,
    tenant: &str,
    sql: &str,
    owner: As<'_>,
    then: &str,
) -> Result<Vec<Option<String>>, Refusal> {
    refusable(|| {
        rolled_back(|| {
            asked(who, tenant, sql);
            asked(owner, "", then)
        })
    })
}

/// How long a statement may take for whose sake rows are kept from everybody else.
const LONGEST_BESIDE_A_CHANGE: Duration = Duration::from_secs(1);

/// How often it is tried to find a moment in which nobody else changes what is read.
const TRIES: u8 = 3;

/// What a statement answers in somebody's place, what it answers after the owner's `change`, which is taken back at once, and
/// what it answers then. Whose first and last answer differ was changed by somebody else meanwhile, and says nothing.
pub fn probed_around(
    who: As<'_>,
    tenant: &str,
    sql: &str,
    owner: As<'_>,
    change: &str,
) -> Result<Vec<Option<String>>, Refusal> {
    let answer = || asked(who, tenant, sql).into_iter().next().flatten();
    let started = Instant::now();
    let mut first = refusable(|| rolled_back(answer))?;
    if started.elapsed() > LONGEST_BESIDE_A_CHANGE {
        return Err(Refusal::new(
            PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
            "it takes longer than a second, and rows would be kept locked meanwhile",
        ));
    }
    let mut tries = 0;
    loop {
        tries += 1;
        let changed = refusable(|| {
            rolled_back(|| {
                asked(owner, "", change);
                answer()
            })
        })?;
        let last = refusable(|| rolled_back(answer))?;
        if first == last || tries == TRIES {
            return Ok(vec![first, changed, last]);
        }
        first = last;
    }
}

/// Runs a statement in somebody's place within the subtransaction of [`beside`], which takes it back.
pub fn prepared(who: As<'_>, tenant: &str, sql: &str) -> Result<Vec<Option<String>>, Refusal> {
    refusable(|| super::planner::kept(|| asked(who, tenant, sql)))
}

/// Runs `work`, of which nothing stays, nor whose the transaction was in it.
pub fn beside<T>(work: impl FnOnce() -> T) -> T {
    struct Before(Option<(u32, String)>);
    impl Drop for Before {
        fn drop(&mut self) {
            OF_TRANSACTION.replace(self.0.take());
        }
    }
    let _before = Before(OF_TRANSACTION.take());
    rolled_back(|| {
        // Before there is anybody else's: what the caller has put off is his.
        nothing_is_put_off();
        work()
    })
}

/// What a statement answers in somebody's place, which is given back afterwards: its first column, or else a word for each row
/// that it changed.
fn asked(who: As<'_>, tenant: &str, sql: &str) -> Vec<Option<String>> {
    // TRUNCATE would have everybody wait behind it; where it is tried it is to be refused before it asks for a lock.
    let patience = if sql.starts_with("TRUNCATE ") { c"10ms" } else { c"1s" };
    let _before = Identity::current();
    take_place_of(who, tenant, patience);
    let answer = if sql.starts_with("SELECT ") || sql.contains(" RETURNING ") {
        super::query::rows_mutable(sql, &[], |row| row.get::<Text>(1))
            .into_iter()
            .map(|text| text.map(Text::into_string))
            .collect()
    } else {
        vec![Some("row".to_owned()); super::query::rows_writing(sql, &[])]
    };
    nothing_is_put_off();
    answer
}

/// Whatever checks and triggers were put off are run now, in whose place this is: later they would be in another's.
fn nothing_is_put_off() {
    super::query::write("SET CONSTRAINTS ALL IMMEDIATE", &[]);
}

/// Whether code of a table's owner may be run as this role: it must not be one that reaches out of the database, unless the
/// owner is one as well.
pub fn may_be_given_code_of(role: Oid, owner: Oid) -> bool {
    !is_powerful(role.into()) || acts_as(owner.into(), role.into())
}

/// Whether whoever calls may act as this role: by SET ROLE.
pub fn may_act_as(role: Oid) -> bool {
    // SAFETY: reads whose rights are in force.
    let is_superuser = unsafe { pg_sys::superuser() };
    is_superuser || roles::can_become(roles::current(), role.into())
}
