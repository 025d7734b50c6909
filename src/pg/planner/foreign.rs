//! Planning other people's queries: with their rights, and without a trace.
//!
//! Planning runs code: immutable functions of constants, stable ones for estimates, the CHECKs of domains, expressions
//! of indexes. A query of somebody else's is therefore planned as that role, in a security-restricted operation, in a
//! subtransaction that cannot write and is always rolled back, and within a limit of time. What it raises is a reason in
//! a row, not the end of the statement.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::time::Duration;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::analysis::server_text;
use super::caught::{Refusal, refusable_in_time};
use super::deadline::Deadline;
use super::{position, rollback, search_path, trust};
use crate::catalog::Oid;
use crate::pg::encoding;
use crate::pg::scan::in_scratch_memory;

/// Whose query it is.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// Who ran it, or who asked that it be looked at.
    pub role: pg_sys::Oid,
    /// The `search_path` with which it ran; `None` where nobody knows.
    pub search_path: Option<&'a str>,
    /// How long its planning may take, code that it runs included.
    pub limit: Duration,
    /// How long to wait for the lock on a table.
    pub lock_wait: Duration,
}

impl<'a> Author<'a> {
    /// Somebody whose query may take two seconds: the slowest of TPC-DS is planned in less than a tenth of one.
    pub fn new(role: Oid, search_path: Option<&'a str>) -> Self {
        Self {
            role: role.into(),
            search_path,
            limit: Duration::from_secs(2),
            lock_wait: Duration::from_millis(500),
        }
    }

    /// Whether it is the caller.
    pub fn is_caller(&self) -> bool {
        // SAFETY: whose rights are in force.
        self.role == unsafe { pg_sys::GetUserId() }
    }

    /// Whether the role could do anything to the server.
    pub fn is_powerful(&self) -> bool {
        trust::is_powerful(self.role)
    }
}

thread_local! {
    /// Whose query is being planned.
    static CURRENT: Cell<Option<pg_sys::Oid>> = const { Cell::new(None) };
    /// What was left out of his search_path, and why.
    static LEFT_OUT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Whose query is being planned, where it is somebody else's.
pub fn current_author() -> Option<pg_sys::Oid> {
    CURRENT.get()
}

/// Restores what was before; also when an ERROR unwinds.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// What is set while a foreign query is read and planned, so that neither the caller's session nor the query decides it.
const SETTINGS: [(&CStr, &CStr); 8] = [
    (c"row_security", c"on"),
    // How a text is read must not depend on the session that plans it.
    (c"standard_conforming_strings", c"on"),
    (c"backslash_quote", c"safe_encoding"),
    (c"escape_string_warning", c"off"),
    (c"transform_null_equals", c"off"),
    (c"session_replication_role", c"origin"),
    // Nobody ran it, so nobody counts it.
    (c"compute_query_id", c"off"),
    // What its code has to say is not the caller's.
    (c"client_min_messages", c"error"),
];

/// Changes a setting until the subtransaction ends.
pub fn set(name: &CStr, value: &CStr) {
    set_as(name, value, pg_sys::GucAction::GUC_ACTION_SAVE);
}

fn set_as(name: &CStr, value: &CStr, action: pg_sys::GucAction::Type) {
    // SAFETY: two C strings; the change is undone with the subtransaction.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
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

/// Runs `work`, which plans what `author` wrote, with the author's rights and settings. Whatever it does is undone.
///
/// An ERROR in it comes back as its reason; a cancel goes on.
pub fn planned_as<T>(author: &Author<'_>, work: impl FnOnce() -> T) -> Result<T, Refusal> {
    // The scratch memory lies outside, so that it goes when the work fails as well.
    in_scratch_memory(|| within_rights(author, || rollback::rolled_back(|| as_author(author, work))))
}

/// The same for work whose result is planned later: its memory is the caller's, and what it locks stays locked until the
/// caller's own (sub)transaction ends.
pub fn analysed_as<T>(author: &Author<'_>, work: impl FnOnce() -> T) -> Result<T, Refusal> {
    within_rights(author, || {
        rollback::kept(|| {
            // SAFETY: gives the role back that was; where the work fails, the end of the subtransaction does.
            unsafe {
                let (mut role, mut context) = (pg_sys::InvalidOid, 0);
                pg_sys::GetUserIdAndSecContext(&raw mut role, &raw mut context);
                // What is kept must not keep a SET that the query's code ran.
                let level = pg_sys::NewGUCNestLevel();
                let result = as_author(author, work);
                pg_sys::AtEOXact_GUC(false, level);
                pg_sys::SetUserIdAndSecContext(role, context);
                result
            }
        })
    })
}

fn within_rights<T>(author: &Author<'_>, work: impl FnOnce() -> T) -> Result<T, Refusal> {
    if CURRENT.get().is_some() {
        return Err(Refusal::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "it asks to plan other people's queries while it is itself being planned",
        ));
    }
    // SAFETY: a look-up in the catalogs, null where the role is gone.
    if unsafe { pg_sys::GetUserNameFromId(author.role, true) }.is_null() {
        return Err(Refusal::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("the role that ran it, with OID {}, no longer exists", author.role.to_u32()),
        ));
    }
    position::forget();
    LEFT_OUT.replace(None);
    refusable_in_time(work).map_err(explained)
}

/// To be called in a subtransaction, which gives settings and rights back when it ends.
fn as_author<T>(author: &Author<'_>, work: impl FnOnce() -> T) -> T {
    let _deadline = Deadline::start(author.limit);
    become_author(author);
    CURRENT.set(Some(author.role));
    let _restore = Restore;
    work()
}

/// Takes the author's rights, and no more than those, until the subtransaction ends.
fn become_author(author: &Author<'_>) {
    let default_path = author.search_path.is_none().then(|| search_path::default_of(author.role));
    let (mut role, mut context) = (pg_sys::InvalidOid, 0);
    let limits = (pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION) as i32;
    for (name, value) in SETTINGS {
        set(name, value);
    }
    // Nobody may set this until a function ends, so it is set until the transaction does; whoever runs this takes it back.
    set_as(c"transaction_read_only", c"on", pg_sys::GucAction::GUC_ACTION_LOCAL);
    // Zero would stand for ever.
    set(c"lock_timeout", &server_text(&format!("{}ms", author.lock_wait.as_millis().max(1))));
    // SAFETY: the subtransaction gives back both when it ends.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&raw mut role, &raw mut context);
        pg_sys::SetUserIdAndSecContext(author.role, context | limits);
    }
    match (author.search_path, default_path) {
        (Some(path), _) => set_search_path(path),
        (None, path) => {
            set_search_path(&path.unwrap_or_default());
            let trusted = search_path::without_strangers(author.role);
            set_search_path(&trusted.path);
            LEFT_OUT.replace(trusted.left_out);
        }
    }
}

/// Sets the path with the session's temporary objects last, which are the caller's and not the author's.
fn set_search_path(path: &str) {
    let separator = if path.trim().is_empty() { "" } else { ", " };
    set(c"search_path", &server_text(&format!("{path}{separator}pg_temp")));
}

/// The search_path in force.
pub fn current_search_path() -> Option<String> {
    // SAFETY: a setting that always is; a C string that is copied at once.
    unsafe {
        let value = pg_sys::GetConfigOption(c"search_path".as_ptr(), true, false);
        (!value.is_null()).then(|| encoding::from_server(CStr::from_ptr(value).to_bytes()).into_owned())
    }
}

/// Where a name was not found that may stand in a schema which was left out, says so.
fn explained(mut refusal: Refusal) -> Refusal {
    let is_missing = matches!(refusal.sqlstate.as_str(), "42P01" | "42883" | "42704");
    if let Some(left_out) = LEFT_OUT.take().filter(|_| is_missing) {
        refusal.detail = Some(match refusal.detail {
            Some(detail) => format!("{detail} {left_out}"),
            None => left_out,
        });
    }
    refusal
}

/// Name of a role, for people.
pub fn role_name(role: impl Into<pg_sys::Oid>) -> String {
    let role = role.into();
    // SAFETY: null where the role is gone, else a C string.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        if name.is_null() {
            format!("with OID {}", role.to_u32())
        } else {
            let name = CStr::from_ptr(pg_sys::quote_identifier(name));
            encoding::from_server(name.to_bytes()).into_owned()
        }
    }
}

/// The OID of a role by its bare name.
pub fn role_by_name(name: &str) -> Option<pg_sys::Oid> {
    let name = server_text(name);
    // SAFETY: a C string; answers 0 where there is none.
    let role = unsafe { pg_sys::get_role_oid(name.as_ptr(), true) };
    (role != pg_sys::InvalidOid).then_some(role)
}
