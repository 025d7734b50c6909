//! What becomes of a query of which the server tells us: when it is analysed, and when it is run.
//!
//! A query that was seen before costs a look-up and some additions without a lock. Only what a client asked for
//! itself counts, not what functions run on its behalf; no state is kept for telling the two apart, which an ERROR
//! might leave behind wrong.

use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::ptr;
use std::time::Instant;

use pgrx::{pg_guard, pg_sys};

use super::describe::{self, Description};
use super::memory::{self, Shared};
use super::{IGNORED, prepared, sample};
use crate::catalog::captured::table::Key;
use crate::pg::settings::{self, Constants};

/// The server's own symbols, without pgrx's barrier: an ERROR has to pass as it is.
mod raw {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn GetUserId() -> pg_sys::Oid;
        pub fn GetCurrentStatementStartTimestamp() -> pg_sys::TimestampTz;
        pub fn GetPortalByName(name: *const std::ffi::c_char) -> pg_sys::Portal;
    }
}

thread_local! {
    static NEXT_ANALYZE: Cell<pg_sys::post_parse_analyze_hook_type> = const { Cell::new(None) };
}

/// Puts our hooks before those of others, and asks the server for what tells queries apart.
pub fn install() {
    // SAFETY: the server reads these pointers from this one thread.
    unsafe {
        NEXT_ANALYZE.set(pg_sys::post_parse_analyze_hook);
        pg_sys::post_parse_analyze_hook = Some(analyzed);
        pg_sys::EnableQueryId();
    }
}

/// The table, if this session's queries are to be captured.
fn active() -> Option<Shared> {
    let shared = memory::shared()?;
    // SAFETY: reads a variable of this backend.
    let is_client = unsafe { pg_sys::MyBackendType } == pg_sys::BackendType::B_BACKEND;
    (is_client && settings::captures() && !IGNORED.get()).then_some(shared)
}

/// What tells a query apart.
#[cfg(not(feature = "pg18"))]
fn unsigned(id: u64) -> u64 {
    id
}

/// What tells a query apart.
#[cfg(feature = "pg18")]
fn unsigned(id: i64) -> u64 {
    id.cast_unsigned()
}

/// The key of a query of this session.
fn key(query: u64) -> Key {
    // SAFETY: both read variables of this backend.
    let (database, role) = unsafe { (pg_sys::MyDatabaseId, raw::GetUserId()) };
    Key { query, database: database.to_u32(), role: role.to_u32() }
}

/// The moment at which the client's request came.
fn now() -> i64 {
    // SAFETY: reads a variable of this backend.
    unsafe { raw::GetCurrentStatementStartTimestamp() }
}

// Not guarded: this frame owns nothing with a destructor, so a longjmp may cross it and others' ERRORs stay whole.
unsafe extern "C-unwind" fn analyzed(
    state: *mut pg_sys::ParseState,
    query: *mut pg_sys::Query,
    jumble: *mut pg_sys::JumbleState,
) {
    // SAFETY: the server's own arguments, handed on.
    unsafe {
        if let Some(next) = NEXT_ANALYZE.get() {
            next(state, query, jumble);
        }
        let Some(shared) = active() else { return };
        let id = unsigned((*query).queryId);
        if id == 0
            || (*query).commandType == pg_sys::CmdType::CMD_UTILITY
            || !is_asked_for_by_client((*state).p_sourcetext)
        {
            return;
        }
        // What was prepared runs again without being analysed: also after it was given up or reset.
        let may_run_again = (*state).p_paramref_hook.is_some() && !prepared::has(id);
        let entry = shared.table.find(key(id));
        let is_wanted = match entry {
            None => true,
            Some(entry) => {
                settings::capture_constants() == Constants::Sample
                    && sample::is_due(shared.table.sighted(entry), now())
            }
        };
        if may_run_again || is_wanted {
            keep(state, query);
        }
    }
}

/// Whether what is being analysed is what the client sent, not what runs on its behalf: nothing runs yet, or it is
/// the query that PREPARE holds, or from 18 on DECLARE CURSOR, which has their text.
///
/// # Safety
/// `text` must be the text being analysed.
unsafe fn is_asked_for_by_client(text: *const c_char) -> bool {
    // SAFETY: the portal that runs, if any, is alive; its statements are planned ones.
    unsafe {
        let portal = pg_sys::ActivePortal;
        portal.is_null()
            || (ptr::eq((*portal).sourceText, text)
                && matches!(
                    utility_in(portal),
                    Some(pg_sys::NodeTag::T_PrepareStmt | pg_sys::NodeTag::T_DeclareCursorStmt)
                ))
    }
}

/// What kind of utility statement a portal runs.
///
/// # Safety
/// `portal` must be alive.
unsafe fn utility_in(portal: pg_sys::Portal) -> Option<pg_sys::NodeTag> {
    // SAFETY: as the caller vouches; the statements of a portal are planned ones.
    unsafe {
        let statements = (*portal).stmts;
        if statements.is_null() || (*statements).length < 1 {
            return None;
        }
        let first = (*(*statements).elements).ptr_value.cast::<pg_sys::PlannedStmt>();
        let utility = (*first).utilityStmt;
        (!utility.is_null()).then(|| (*utility).type_)
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn keep(state: *mut pg_sys::ParseState, query: *mut pg_sys::Query) {
    let Some(shared) = memory::shared() else { return };
    // SAFETY: the arguments of the server's hook.
    unsafe {
        let id = unsigned((*query).queryId);
        let Description { record, constants, bound } = describe::describe(state, query);
        let bytes = record.encoded(shared.table.room());
        let key = key(id);
        if shared.table.find(key).is_none() {
            let now = now();
            shared.changing(|table| table.insert(key, &bytes, now));
        }
        let is_prepared = (*state).p_paramref_hook.is_some();
        if bound == 0 {
            sample::keep(&shared, key, constants);
            if is_prepared {
                prepared::remember(id, bytes, Vec::new());
            }
        } else if is_prepared {
            // The other values come with each run.
            prepared::remember(id, bytes, constants.unwrap_or_default());
        }
    }
}

/// Whether a query that is run is one that the client asked for.
///
/// Its plan then belongs to the portal that runs. That portal is the client's own, or the one that EXECUTE or FETCH
/// runs for it; portals that functions loop over are not.
///
/// # Safety
/// `description` must be a query that the executor is given.
unsafe fn is_run_for_client(description: *const pg_sys::QueryDesc) -> bool {
    // SAFETY: the portal that runs, if any, is alive; its statements are planned ones and it has a name.
    unsafe {
        let portal = pg_sys::ActivePortal;
        if portal.is_null() || (*portal).stmts.is_null() {
            return false;
        }
        let statements = (*portal).stmts;
        let count = usize::try_from((*statements).length).unwrap_or(0);
        let statement = (*description).plannedstmt;
        let is_in = |place| ptr::addr_eq((*(*statements).elements.add(place)).ptr_value, statement);
        if !(0..count).any(is_in) {
            return false;
        }
        if *(*portal).name == 0 {
            return true;
        }
        let unnamed = raw::GetPortalByName(c"".as_ptr());
        if !unnamed.is_null() && (*unnamed).status == pg_sys::PortalStatus::PORTAL_ACTIVE {
            let utility = utility_in(unnamed);
            return matches!(utility, Some(pg_sys::NodeTag::T_ExecuteStmt | pg_sys::NodeTag::T_FetchStmt));
        }
        !CStr::from_ptr((*portal).name).to_bytes().starts_with(b"<unnamed portal ")
    }
}

/// The clock of one part of a run; counts nothing unless it was started.
#[derive(Clone, Copy, Default)]
pub struct Watch {
    started: Option<Instant>,
    is_new_run: bool,
}

impl Watch {
    /// Starts it, if the query is one that is to be counted.
    ///
    /// # Safety
    /// `description` must be a query that the executor is given.
    pub unsafe fn start(description: *const pg_sys::QueryDesc) -> Self {
        // SAFETY: as the caller vouches.
        unsafe {
            let statement = (*description).plannedstmt;
            if (*statement).queryId == 0 || active().is_none() || !is_run_for_client(description) {
                return Self::default();
            }
            // A cursor runs in parts; a rule makes several statements of one.
            let is_new_run = !(*description).already_executed && (*statement).canSetTag;
            Self { started: Some(Instant::now()), is_new_run }
        }
    }

    /// For the end of a run, where triggers run: what only reads has none.
    ///
    /// # Safety
    /// `description` must be a query that the executor is given.
    pub unsafe fn start_of_finish(description: *const pg_sys::QueryDesc) -> Self {
        // SAFETY: as the caller vouches.
        unsafe {
            if (*description).operation == pg_sys::CmdType::CMD_SELECT {
                return Self::default();
            }
            Self { is_new_run: false, ..Self::start(description) }
        }
    }

    /// Counts what it took.
    ///
    /// # Safety
    /// `description` must be the query for which the clock was started.
    pub unsafe fn stop(self, description: *const pg_sys::QueryDesc) {
        let (Some(started), Some(shared)) = (self.started, memory::shared()) else { return };
        let nanoseconds = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // SAFETY: as the caller vouches.
        unsafe {
            let id = unsigned((*(*description).plannedstmt).queryId);
            let key = key(id);
            match shared.table.find(key) {
                Some(entry) => shared.table.count(entry, self.is_new_run, nanoseconds, now()),
                None => count_forgotten(id, self.is_new_run, nanoseconds),
            }
            if self.is_new_run && sample::wants_bound((*description).params) && prepared::has(id) {
                sample_bound(id, (*description).params);
            }
        }
    }
}

/// Counts a query that was given up or reset since this session analysed it.
#[pg_guard]
unsafe extern "C-unwind" fn count_forgotten(id: u64, is_new_run: bool, nanoseconds: u64) {
    let (Some(shared), Some(bytes)) = (memory::shared(), prepared::record(id)) else { return };
    let (key, now) = (key(id), now());
    shared.changing(|table| {
        if let Some(entry) = table.insert(key, &bytes, now) {
            table.count(entry, is_new_run, nanoseconds, now);
        }
    });
}

/// Keeps the values with which a prepared query was run, if it is their turn.
#[pg_guard]
unsafe extern "C-unwind" fn sample_bound(id: u64, parameters: pg_sys::ParamListInfo) {
    let Some(shared) = memory::shared() else { return };
    let key = key(id);
    let Some(entry) = shared.table.find(key) else { return };
    if sample::is_due(shared.table.sighted(entry), now())
        // SAFETY: the parameters of the query that was run.
        && let Some(mut values) = unsafe { sample::bound(parameters) }
    {
        values.extend(prepared::constants(id));
        sample::keep(&shared, key, Some(values));
    }
}
