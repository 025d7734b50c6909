//! The event trigger that notices what is done to watched tables, and new tables that are to be watched.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::{pg_guard, pg_sys};

use super::log;

static VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };

/// What is done at the end of a statement of that tag.
pub type Handler = fn(&str);

thread_local! {
    static HANDLER: Cell<Option<Handler>> = const { Cell::new(None) };
    static IS_AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// Says what is to be done. Called once, when the library is loaded.
pub fn install_handler(handler: Handler) {
    HANDLER.set(Some(handler));
}

/// What the server asks for the calling convention of the function below.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_dbmastery_audit_trail_ddl() -> &'static pg_sys::Pg_finfo_record {
    &VERSION_1
}

/// `dbm.on_audit_trail_ddl()`, an event trigger at ddl_command_end.
///
/// # Safety
/// Called by the server alone.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn dbmastery_audit_trail_ddl(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the server's own frame; the name of a tag is a constant.
    unsafe {
        let context = (*call).context;
        if !context.is_null() && (*context).type_ == pg_sys::NodeTag::T_EventTriggerData {
            let event = &*context.cast::<pg_sys::EventTriggerData>();
            let tag = CStr::from_ptr(pg_sys::GetCommandTagName(event.tag)).to_string_lossy();
            end_of_ddl(&tag);
        }
    }
    pg_sys::Datum::null()
}

/// A statement of that tag ended. What we do ourselves meanwhile is passed over.
pub fn end_of_ddl(tag: &str) {
    struct Done;
    impl Drop for Done {
        fn drop(&mut self) {
            IS_AT_WORK.set(false);
        }
    }
    let Some(handler) = HANDLER.get() else { return };
    // SAFETY: reads a flag.
    if unsafe { pg_sys::creating_extension } {
        // What it is to work with may not be there yet.
        return;
    }
    if !log::is_there() || IS_AT_WORK.replace(true) {
        return;
    }
    let _done = Done;
    handler(tag);
}

/// Runs `work`, whose statements are passed over.
pub fn unnoticed<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            IS_AT_WORK.set(self.0);
        }
    }
    let _restore = Restore(IS_AT_WORK.replace(true));
    work()
}
