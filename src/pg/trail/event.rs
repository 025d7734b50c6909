//! The event triggers that notice what is done to watched tables, and new tables that are to be watched.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::{pg_guard, pg_sys};

use super::log;
use super::statement::{Ddl, Stage, makes_triggers};

static VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };

/// What is done at a moment of a statement.
pub type Handler = fn(&Ddl);

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

/// `dbm.on_audit_trail_ddl()`, an event trigger at ddl_command_start, sql_drop and ddl_command_end.
///
/// # Safety
/// Called by the server alone.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn dbmastery_audit_trail_ddl(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the server's own frame; the names of an event and of a tag are constants.
    unsafe {
        let context = (*call).context;
        if !context.is_null() && (*context).type_ == pg_sys::NodeTag::T_EventTriggerData {
            let event = &*context.cast::<pg_sys::EventTriggerData>();
            let stage = match CStr::from_ptr(event.event).to_bytes() {
                b"ddl_command_start" => Stage::Start,
                b"sql_drop" => Stage::Drop,
                _ => Stage::End,
            };
            noticed(stage, event);
        }
    }
    pg_sys::Datum::null()
}

/// A statement begins, dropped something or ended. What we do ourselves meanwhile is passed over.
///
/// # Safety
/// What the server hands to an event trigger.
unsafe fn noticed(stage: Stage, event: &pg_sys::EventTriggerData) {
    let Some(handler) = HANDLER.get() else { return };
    // SAFETY: reads a flag and a number; a look-up that may find nothing.
    let is_script_of_ours = unsafe {
        pg_sys::creating_extension
            && pg_sys::CurrentExtensionObject == pg_sys::get_extension_oid(c"dbmastery".as_ptr(), true)
    };
    if is_script_of_ours {
        // What it is to work with may not be there yet.
        return;
    }
    if IS_AT_WORK.get() {
        return;
    }
    // SAFETY: the name of a tag is a constant.
    let tag = unsafe { CStr::from_ptr(pg_sys::GetCommandTagName(event.tag)) }.to_string_lossy().into_owned();
    if !makes_triggers(stage, &tag) && !log::is_there() {
        return;
    }
    // SAFETY: as the caller vouches.
    let ddl = unsafe { Ddl::read(stage, tag, event.parsetree) };
    unnoticed(|| handler(&ddl));
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
