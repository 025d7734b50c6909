//! Procedures, which may end the transaction in which they were called.

use pgrx::pg_sys;

/// The call of a procedure, as the server hands it to a function in C.
pub type Call = pg_sys::FunctionCallInfo;

/// Whether the procedure may commit: it was not called in a transaction block, nor by a function.
#[expect(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "only the server makes such a frame, and pgrx hands it on for as long as the call runs"
)]
pub fn may_commit(call: Call) -> bool {
    // SAFETY: the server's own frame of a call that is under way; a procedure's context says what kind of call it is.
    unsafe {
        let context = (*call).context;
        !context.is_null()
            && (*context).type_ == pg_sys::NodeTag::T_CallContext
            && !(*context.cast::<pg_sys::CallContext>()).atomic
    }
}
