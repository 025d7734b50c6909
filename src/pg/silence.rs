//! Silence: rows that are in the database already are written again by a statement of ours, and nobody hears of it. No
//! trigger fires, no rule applies, no foreign key is looked up, and the audit trail of a table of which the rows stay rows
//! notes nothing.
//!
//! Only what we write ourselves is silent. A function of the table's owner that such a statement calls, in a CHECK, a
//! generated column, an index, finds the session as it was before: what it writes elsewhere fires triggers and is looked up
//! and noted like everything else. The server tells us where a function begins and ends.
//!
//! Nothing in SQL leads in here but the statements of a copy, which dbmastery writes.

use std::cell::Cell;

use pgrx::{pg_guard, pg_sys};

use super::local_settings::with_protected_settings;

/// What a session is silent by.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Its role in replication before.
    role: i32,
    /// Whether policies filtered before.
    filters: bool,
    /// In how many functions of others it is.
    depth: u32,
}

thread_local! {
    static STATE: Cell<Option<State>> = const { Cell::new(None) };
    static NEXT_NEEDS: Cell<pg_sys::needs_fmgr_hook_type> = const { Cell::new(None) };
    static NEXT: Cell<pg_sys::fmgr_hook_type> = const { Cell::new(None) };
}

/// Puts our hooks before those of others. Called once, when the library is loaded.
pub fn install() {
    // SAFETY: the server reads these pointers from this one thread.
    unsafe {
        NEXT_NEEDS.set(pg_sys::needs_fmgr_hook);
        pg_sys::needs_fmgr_hook = Some(needs);
        NEXT.set(pg_sys::fmgr_hook);
        pg_sys::fmgr_hook = Some(around);
    }
}

/// Runs `work`, whose own statements are silent; row security that would hide rows from them is an ERROR.
pub fn silently<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(Option<State>);
    impl Drop for Restore {
        fn drop(&mut self) {
            STATE.set(self.0);
        }
    }
    let before = STATE.get();
    let _restore = Restore(before);
    // SAFETY: reads two settings.
    let (role, filters) = unsafe { (pg_sys::SessionReplicationRole, pg_sys::row_security) };
    STATE.set(Some(match before {
        Some(state) => State { depth: 0, ..state },
        None => State { role, filters, depth: 0 },
    }));
    with_protected_settings(&[(c"session_replication_role", c"replica"), (c"row_security", c"off")], work)
}

/// Whether what is written now is written silently by a statement of ours.
pub fn is_ours() -> bool {
    STATE.get().is_some_and(|state| state.depth == 0)
}

/// Whether the function is one that may write: neither the server's own nor one in C, which only a superuser can make.
fn may_write(function: pg_sys::Oid) -> bool {
    const INTERNAL: u32 = 12;
    const C: u32 = 13;
    // SAFETY: a look-up in a system cache; the tuple is released before its copy is used.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::PROCOID as i32, function.into());
        if tuple.is_null() {
            return false;
        }
        let language = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>()).prolang.to_u32();
        pg_sys::ReleaseSysCache(tuple);
        !matches!(language, INTERNAL | C)
    }
}

/// Whether the server is to tell us of calls of a function. It is then not inlined, either.
///
/// # Safety
/// Called by the server alone.
#[pg_guard]
unsafe extern "C-unwind" fn needs(function: pg_sys::Oid) -> bool {
    if STATE.get().is_some() && may_write(function) {
        return true;
    }
    // SAFETY: whoever was there before us.
    NEXT_NEEDS.get().is_some_and(|next| unsafe { next(function) })
}

/// A function begins, ends, or ends with an ERROR.
///
/// # Safety
/// Called by the server alone.
#[pg_guard]
unsafe extern "C-unwind" fn around(
    event: pg_sys::FmgrHookEventType::Type,
    function: *mut pg_sys::FmgrInfo,
    private: *mut pg_sys::Datum,
) {
    if let Some(state) = STATE.get() {
        if event == pg_sys::FmgrHookEventType::FHET_START {
            enter(state);
        } else {
            leave(state);
        }
    }
    if let Some(next) = NEXT.get() {
        // SAFETY: whoever was there before us.
        unsafe { next(event, function, private) };
    }
}

fn enter(state: State) {
    STATE.set(Some(State { depth: state.depth + 1, ..state }));
    if state.depth == 0 {
        put(state.role, state.filters);
    }
}

fn leave(state: State) {
    let depth = state.depth.saturating_sub(1);
    STATE.set(Some(State { depth, ..state }));
    if state.depth == 1 {
        put(pg_sys::SESSION_REPLICATION_ROLE_REPLICA as i32, false);
    }
}

/// Writes the settings themselves: to set them as a user does would make every plan of the session anew at each call.
fn put(role: i32, filters: bool) {
    // SAFETY: values that they can have. What the server remembers of the settings before is not touched, so that they end as
    // they would have.
    unsafe {
        pg_sys::SessionReplicationRole = role;
        pg_sys::row_security = filters;
    }
}
