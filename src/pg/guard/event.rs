//! The event triggers. They are the door where the library is not preloaded: the server calls them, which loads it, and
//! from the next statement on the hook sees everything.
//!
//! Written for the server's own calling convention, since an ERROR with our SQLSTATE has to leave them as it is.

use std::ffi::CStr;

use pgrx::{pg_guard, pg_sys};

use super::back_stop::{self, Event};
use super::hook::{self, Ticket};
use super::{presence, running, script};

/// What `PG_FUNCTION_INFO_V1` writes.
static VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };

macro_rules! event_trigger {
    ($name:ident, $information:ident, $body:ident) => {
        /// What the server asks for the calling convention of the function below.
        #[unsafe(no_mangle)]
        pub extern "C" fn $information() -> &'static pg_sys::Pg_finfo_record {
            &VERSION_1
        }

        /// The event trigger; see the module.
        ///
        /// # Safety
        /// Called by the server alone.
        // Not guarded: this frame owns nothing with a destructor, so a longjmp may cross it.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: the server's own argument.
            unsafe {
                let ticket = $body(call);
                hook::refuse(ticket);
            }
            pg_sys::Datum::null()
        }
    };
}

event_trigger!(dbmastery_ddl_command_start, pg_finfo_dbmastery_ddl_command_start, ddl_command_start);
event_trigger!(dbmastery_table_rewrite, pg_finfo_dbmastery_table_rewrite, table_rewrite);
event_trigger!(dbmastery_sql_drop, pg_finfo_dbmastery_sql_drop, sql_drop);
event_trigger!(dbmastery_ddl_command_end, pg_finfo_dbmastery_ddl_command_end, ddl_command_end);

/// What the server hands to an event trigger; `None` where somebody else called.
///
/// # Safety
/// `call` must be the frame of a call.
unsafe fn event<'a>(call: pg_sys::FunctionCallInfo) -> Option<&'a pg_sys::EventTriggerData> {
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        let context = (*call).context;
        let is_event = !context.is_null() && (*context).type_ == pg_sys::NodeTag::T_EventTriggerData;
        is_event.then(|| &*context.cast::<pg_sys::EventTriggerData>())
    }
}

/// Judges the statement which made the server load the library; every other one was judged by the hook.
#[pg_guard]
unsafe extern "C-unwind" fn ddl_command_start(call: pg_sys::FunctionCallInfo) -> Ticket {
    if hook::has_seen() || !presence::is_on_duty() {
        return Ticket::default();
    }
    // SAFETY: the server's own argument; the parse tree lives through the call.
    unsafe {
        let Some(event) = event(call) else { return Ticket::default() };
        let text = script::place_of(event.parsetree, pg_sys::debug_query_string);
        hook::judged_node(event.parsetree, text, false).opened()
    }
}

/// What the back-stop needs to know; `None` where it has nothing to do.
///
/// # Safety
/// `call` must be the frame of a call.
unsafe fn watched(call: pg_sys::FunctionCallInfo) -> Option<Event> {
    if !presence::is_on_duty() {
        return None;
    }
    // SAFETY: as the caller vouches; the name of a tag is a constant.
    unsafe {
        let event = event(call)?;
        let tag = CStr::from_ptr(pg_sys::GetCommandTagName(event.tag));
        Some(Event { node: event.parsetree, tag: tag.to_string_lossy().into_owned() })
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn table_rewrite(call: pg_sys::FunctionCallInfo) -> Ticket {
    // SAFETY: the server's own argument; asked inside the event that it is about.
    unsafe { watched(call).map_or_else(Ticket::default, |event| back_stop::rewriting(&event)) }
}

#[pg_guard]
unsafe extern "C-unwind" fn sql_drop(call: pg_sys::FunctionCallInfo) -> Ticket {
    // Most drops are of no interest, and this is asked at each.
    if !running::is_let_through() && !running::has_dropped_tables() {
        return Ticket::default();
    }
    // SAFETY: as above.
    unsafe { watched(call).map_or_else(Ticket::default, |event| back_stop::dropped(&event)) }
}

/// Never refuses: CREATE INDEX CONCURRENTLY has done its work by now, and an ERROR would leave an index that is not valid.
#[pg_guard]
unsafe extern "C-unwind" fn ddl_command_end(call: pg_sys::FunctionCallInfo) -> Ticket {
    if running::is_let_through() {
        // SAFETY: as above.
        unsafe {
            if let Some(event) = watched(call) {
                back_stop::ended(&event);
            }
        }
    }
    if running::is_opened_by_event() {
        hook::finish_at(running::current());
        running::set_current(running::Current::NotJudged);
    }
    Ticket::default()
}
