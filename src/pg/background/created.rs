//! Tells the launcher of a new extension: else it would be found when databases are looked through the next time.

use pgrx::{pg_guard, pg_sys};

use super::board;

/// What `PG_FUNCTION_INFO_V1` writes.
static VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };

/// What the server asks for the calling convention of the function below.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_dbmastery_extension_created() -> &'static pg_sys::Pg_finfo_record {
    &VERSION_1
}

/// Called by the script of CREATE EXTENSION, which keeps no function of it.
///
/// # Safety
/// Called by the server alone.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn dbmastery_extension_created(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    board::call_at_commit();
    // SAFETY: the server's own description of the call.
    unsafe { (*call).isnull = true };
    pg_sys::Datum::from(0)
}
