//! The utility hook: every statement that is no query passes here, whoever runs it, before it takes a lock.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};

use pgrx::pg_sys::NodeTag as Tag;
use pgrx::{pg_guard, pg_sys};

use super::lock_timeout::{self, Bound};
use super::report::{self, Message};
use super::running::{self, Current};
use super::{Decision, JUDGE, Told, back_stop, explained, presence, rates, record};
use crate::catalog::ddl::{Measured, Session, Statement};
use crate::pg::isolation::isolated;
use crate::pg::moment::from_timestamp;
use crate::pg::{ddl, encoding};

/// The server's own symbols, without pgrx's barrier: an ERROR has to pass as it is.
mod raw {
    use std::ffi::c_char;

    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn standard_ProcessUtility(
            planned: *mut pg_sys::PlannedStmt,
            text: *const c_char,
            read_only_tree: bool,
            context: pg_sys::ProcessUtilityContext::Type,
            parameters: pg_sys::ParamListInfo,
            environment: *mut pg_sys::QueryEnvironment,
            destination: *mut pg_sys::DestReceiver,
            completion: *mut pg_sys::QueryCompletion,
        );
    }
}

thread_local! {
    static NEXT: Cell<pg_sys::ProcessUtility_hook_type> = const { Cell::new(None) };
    /// Whether any statement passed here, so that each later one does.
    static HAS_SEEN: Cell<bool> = const { Cell::new(false) };
}

/// Puts our hook before those of others.
pub fn install() {
    // SAFETY: the server reads this pointer from this one thread.
    unsafe {
        NEXT.set(pg_sys::ProcessUtility_hook);
        pg_sys::ProcessUtility_hook = Some(utility);
    }
}

/// Whether statements of this session pass the hook: false only for the one that made the server load us.
pub fn has_seen() -> bool {
    HAS_SEEN.get()
}

/// What becomes of a statement. Owns nothing.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Ticket {
    refusal: Message,
    bound: Bound,
    /// Which of those that run it is.
    current: Current,
}

impl Ticket {
    /// One that ends the statement.
    pub fn refusing(message: Message) -> Self {
        Self { refusal: message, ..Self::default() }
    }

    /// Nobody will see the statement succeed: what has to be done then is done now.
    pub fn closed(self) -> Self {
        finish(self);
        Self { refusal: self.refusal, ..Self::default() }
    }

    /// The statement runs behind an event trigger and no hook: the event at its end finishes it.
    pub fn opened(self) -> Self {
        lock_timeout::unbind(self.bound);
        running::set_current(self.current);
        running::open_by_event();
        Self { refusal: self.refusal, ..Self::default() }
    }
}

// Not guarded: this frame owns nothing with a destructor, so a longjmp may cross it and others' ERRORs stay whole.
unsafe extern "C-unwind" fn utility(
    planned: *mut pg_sys::PlannedStmt,
    text: *const c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    parameters: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    destination: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: the server's own arguments, handed on.
    unsafe {
        HAS_SEEN.set(true);
        let node = (*planned).utilityStmt;
        // A part of a statement that was judged as a whole.
        let is_part = context == pg_sys::ProcessUtilityContext::PROCESS_UTILITY_SUBCOMMAND;
        let around = running::current();
        let mut ticket = Ticket::default();
        if !is_part {
            explained::note(node);
            if may_change((*node).type_) && presence::is_on_duty() {
                let is_nested = context != pg_sys::ProcessUtilityContext::PROCESS_UTILITY_TOPLEVEL;
                if !is_nested {
                    running::clear();
                }
                ticket = before(node, text, (*planned).stmt_location, (*planned).stmt_len, is_nested);
                refuse(ticket);
            }
            running::set_current(ticket.current);
        }
        match NEXT.get() {
            Some(next) => {
                next(planned, text, read_only_tree, context, parameters, environment, destination, completion)
            }
            None => raw::standard_ProcessUtility(
                planned,
                text,
                read_only_tree,
                context,
                parameters,
                environment,
                destination,
                completion,
            ),
        }
        if !is_part {
            running::set_current(around);
            explained::forget();
        }
        if ticket.current != Current::NotJudged {
            after(ticket);
        }
    }
}

/// Whether a statement of that kind can change a relation or wait for one. Everything else passes at the cost of this.
fn may_change(tag: Tag) -> bool {
    !matches!(
        tag,
        Tag::T_TransactionStmt
            | Tag::T_VariableSetStmt
            | Tag::T_VariableShowStmt
            | Tag::T_PrepareStmt
            | Tag::T_ExecuteStmt
            | Tag::T_DeallocateStmt
            | Tag::T_DeclareCursorStmt
            | Tag::T_FetchStmt
            | Tag::T_ClosePortalStmt
            | Tag::T_PlannedStmt
            | Tag::T_ExplainStmt
            | Tag::T_CopyStmt
            | Tag::T_CallStmt
            | Tag::T_DoStmt
            | Tag::T_NotifyStmt
            | Tag::T_ListenStmt
            | Tag::T_UnlistenStmt
            | Tag::T_DiscardStmt
            | Tag::T_CheckPointStmt
            | Tag::T_LoadStmt
            | Tag::T_ConstraintsSetStmt
            | Tag::T_GrantStmt
            | Tag::T_GrantRoleStmt
            | Tag::T_CommentStmt
            | Tag::T_SecLabelStmt
            | Tag::T_CreateExtensionStmt
            | Tag::T_AlterExtensionStmt
            | Tag::T_AlterSystemStmt
    )
}

/// Judges a statement; raises nothing but a cancel.
///
/// # Safety
/// The arguments must be those of the hook.
#[pg_guard]
unsafe extern "C-unwind" fn before(
    node: *mut pg_sys::Node,
    text: *const c_char,
    location: c_int,
    length: c_int,
    is_nested: bool,
) -> Ticket {
    // SAFETY: as the caller vouches.
    unsafe { judged_node(node, part(text, location, length), is_nested) }
}

/// Reads a statement off its parse tree and judges it.
///
/// # Safety
/// The node must be a raw parse tree that lives through the call.
pub unsafe fn judged_node(node: *mut pg_sys::Node, text: &[u8], is_nested: bool) -> Ticket {
    // SAFETY: as the caller vouches.
    if unsafe { is_way_out(node) } {
        return Ticket { current: Current::LetThrough, ..Ticket::default() };
    }
    let text = encoding::from_server(text);
    judged(&mut || {
        // SAFETY: as the caller vouches.
        let mut statement = unsafe { ddl::statement(node, text.trim_end_matches([';', ' ', '\n'])) };
        statement.is_nested = is_nested;
        if statement.tag.is_empty() && !statement.actions.is_empty() {
            // SAFETY: as the caller vouches.
            statement.tag = unsafe { tag_of(node) };
        }
        statement
    })
}

/// Judges a statement, says what there is to say, and bounds its wait. Raises nothing but a cancel.
pub fn judged(read: &mut dyn FnMut() -> Statement) -> Ticket {
    let Some(judge) = JUDGE.get().filter(|_| presence::is_created()) else { return Ticket::default() };
    // The subtransaction below would look like a transaction block.
    // SAFETY: reads the state of the transaction.
    let is_in_transaction_block = unsafe { pg_sys::IsTransactionBlock() };
    let mut outcome: Option<(Statement, Decision)> = None;
    let result = isolated(&mut || {
        let _snapshot = Snapshot::ensure();
        let mut statement = read();
        if statement.actions.is_empty() {
            return;
        }
        // SAFETY: reads a variable of this backend.
        statement.at = from_timestamp(unsafe { pg_sys::GetCurrentStatementStartTimestamp() });
        let mut session = Session { is_in_transaction_block, ..ddl::session() };
        // The event trigger's door is too late to bound anything.
        if has_seen() && lock_timeout::is_for(&statement) {
            session.timeouts.lock = lock_timeout::in_force(session.timeouts.lock);
        }
        let decision = judge(&statement, &mut session);
        outcome = Some((statement, decision));
    });
    if let Err(reason) = result {
        report::warn(&Told {
            message: "this statement could not be judged and goes on unguarded".to_owned(),
            detail: reason,
            ..Told::default()
        });
        return Ticket { current: Current::LetThrough, ..Ticket::default() };
    }
    let Some((statement, decision)) = outcome else { return Ticket::default() };
    record::keep(&statement, &decision);
    if let Some(refusal) = &decision.refusal {
        return Ticket::refusing(Message::new(refusal));
    }
    for warning in &decision.warnings {
        report::warn(warning);
    }
    let bound = if lock_timeout::is_for(&statement) { lock_timeout::bound() } else { Bound::default() };
    back_stop::install();
    let current = Current::At(running::push(statement, &decision));
    Ticket { bound, current, ..Ticket::default() }
}

/// Lets the statement's refusal go out, if there is one.
///
/// # Safety
/// As for [`report::refuse`].
pub unsafe fn refuse(ticket: Ticket) {
    if ticket.refusal.is_there() {
        // SAFETY: as the caller vouches.
        unsafe { report::refuse(ticket.refusal) };
    }
}

#[pg_guard]
extern "C-unwind" fn after(ticket: Ticket) {
    finish(ticket);
}

/// What has to be done when a statement has succeeded.
fn finish(ticket: Ticket) {
    lock_timeout::unbind(ticket.bound);
    finish_at(ticket.current);
}

/// The same for one of which nothing but its place is known.
pub fn finish_at(current: Current) {
    let Current::At(place) = current else { return };
    let Some(done) = running::pop(place) else { return };
    ddl::tracker::note(&done.statement);
    if let Some((kind, bytes)) = done.work {
        let seconds = done.started.elapsed().as_secs_f64();
        rates::note(Measured { kind, bytes: bytes as f64, seconds });
    }
}

/// Whether the statement takes the guard away, which must always be possible to who has the right to.
///
/// # Safety
/// The node must be a parse tree.
unsafe fn is_way_out(node: *mut pg_sys::Node) -> bool {
    // SAFETY: as the caller vouches; an extension is named by a string.
    unsafe {
        if (*node).type_ != Tag::T_DropStmt {
            return false;
        }
        let drop = node.cast::<pg_sys::DropStmt>();
        if (*drop).removeType != pg_sys::ObjectType::OBJECT_EXTENSION || (*drop).objects.is_null() {
            return false;
        }
        let objects = (*drop).objects;
        let count = usize::try_from((*objects).length).unwrap_or(0);
        count == 1 && {
            let name = (*(*objects).elements).ptr_value.cast::<pg_sys::String>();
            CStr::from_ptr((*name).sval) == c"dbmastery"
        }
    }
}

/// # Safety
/// The node must be a parse tree.
pub unsafe fn tag_of(node: *mut pg_sys::Node) -> String {
    // SAFETY: as the caller vouches; the name is a constant.
    unsafe {
        let tag = pg_sys::CreateCommandTag(node);
        CStr::from_ptr(pg_sys::GetCommandTagName(tag)).to_string_lossy().into_owned()
    }
}

/// The statement's own part of a text with several.
///
/// # Safety
/// The text must be a C string, and location and length those of a statement in it.
pub unsafe fn part<'a>(text: *const c_char, location: c_int, length: c_int) -> &'a [u8] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: as the caller vouches.
    let whole = unsafe { CStr::from_ptr(text) }.to_bytes();
    let start = usize::try_from(location).unwrap_or(0);
    let rest = whole.get(start..).unwrap_or_default();
    let length = usize::try_from(length).ok().filter(|&length| length > 0).unwrap_or(rest.len());
    rest.get(..length).unwrap_or(rest).trim_ascii()
}

/// The catalogs are read by the active snapshot, which LOCK TABLE and others run without.
struct Snapshot(bool);

impl Snapshot {
    fn ensure() -> Self {
        // SAFETY: a catalog snapshot does not become the transaction's, so that LOCK TABLE can still come first.
        unsafe {
            if pg_sys::ActiveSnapshotSet() {
                return Self(false);
            }
            pg_sys::PushActiveSnapshot(pg_sys::GetCatalogSnapshot(pg_sys::InvalidOid));
            Self(true)
        }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // While an ERROR unwinds, the end of the subtransaction pops it.
        if self.0 && !std::thread::panicking() {
            // SAFETY: pushed above.
            unsafe { pg_sys::PopActiveSnapshot() };
        }
    }
}
