//! The event triggers. They are the door where the library is not preloaded: the server calls them, which loads it, and
//! from the next statement on the hook sees everything.
//!
//! Written for the server's own calling convention, since an ERROR with our SQLSTATE has to leave them as it is.

use pgrx::{pg_guard, pg_sys};

use super::hook::{self, Ticket};
use super::report::Message;
use super::{presence, script};
use crate::catalog::LockMode;
use crate::pg::settings::{self, Guard};

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
        hook::judged_node(event.parsetree, text, false).closed()
    }
}

/// The back-stop: a table is about to be written anew of which the judge did not know.
#[pg_guard]
unsafe extern "C-unwind" fn table_rewrite(call: pg_sys::FunctionCallInfo) -> Ticket {
    // SAFETY: the server's own argument; asked inside the event that it is about.
    unsafe {
        let is_enforced = settings::ddl_guard() == Guard::Enforce && presence::is_on_duty();
        if !is_enforced || hook::knows_rewrite() || event(call).is_none() || !presence::is_created() {
            return Ticket::default();
        }
        let datum = pgrx::direct_function_call_as_datum(pg_sys::pg_event_trigger_table_rewrite_oid, &[]);
        let relation = datum.map_or(0, |datum| datum.value() as u32);
        let Some(table) = crate::pg::ddl::touched(pg_sys::Oid::from(relation)) else {
            return Ticket::default();
        };
        if table.is_private() || table.is_empty || table.bytes < settings::ddl_small_table() {
            return Ticket::default();
        }
        let told = super::Told {
            message: format!("unsafe DDL refused: it writes every row of {} anew", table.qualified()),
            detail: format!(
                "It holds {} on the table meanwhile, and nothing in the statement showed that it would. {} has {} \
                 with indexes.",
                LockMode::AccessExclusive.name(),
                table.qualified(),
                crate::text::size::pretty_bytes(table.total_bytes())
            ),
            hint: "SELECT dbm.allow_ddl('all', 'why it has to be') lets one statement pass.".to_owned(),
            table: Some((table.schema.clone(), table.name.clone())),
        };
        Ticket::refusing(Message::new(&told))
    }
}
