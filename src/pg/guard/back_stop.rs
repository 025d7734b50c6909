//! The back-stop: what statements really do, where the judge could not foresee it. A table may be filled between judging
//! and locking, and the server drops more than a name tells.
//!
//! Nothing of this happens before the lock. What could leave an index behind that is not valid is never refused here.

use std::cell::Cell;

use pgrx::{pg_guard, pg_sys};

use super::hook::{self, Ticket};
use super::{presence, running};
use crate::catalog::ddl::{Action, Kind, SeenAct, Statement, Touched};
use crate::pg::ddl::{self, touched};
use crate::pg::isolation::isolated;
use crate::pg::query;
use crate::pg::value::Text;

/// So many objects are asked for.
const MOST_OBJECTS: i64 = 40;

thread_local! {
    static NEXT: Cell<pg_sys::object_access_hook_type> = const { Cell::new(None) };
    static IS_INSTALLED: Cell<bool> = const { Cell::new(false) };
}

/// Begins to watch what is dropped, with the first statement of the session that is judged: whoever sends none pays
/// nothing.
pub fn install() {
    if !IS_INSTALLED.replace(true) {
        // SAFETY: the server reads this pointer from this one thread.
        unsafe {
            NEXT.set(pg_sys::object_access_hook);
            pg_sys::object_access_hook = Some(accessed);
        }
    }
}

// Not guarded: this frame owns nothing with a destructor, so a longjmp may cross it and others' ERRORs stay whole.
unsafe extern "C-unwind" fn accessed(
    access: pg_sys::ObjectAccessType::Type,
    class: pg_sys::Oid,
    object: pg_sys::Oid,
    part: std::ffi::c_int,
    argument: *mut std::ffi::c_void,
) {
    // SAFETY: the server's own arguments, handed on.
    unsafe {
        if let Some(next) = NEXT.get() {
            next(access, class, object, part, argument);
        }
        let is_relation =
            access == pg_sys::ObjectAccessType::OAT_DROP && class == pg_sys::RelationRelationId && part == 0;
        if is_relation && running::is_unforeseen_drop(object.to_u32()) && presence::is_on_duty() {
            dropping(object, argument.cast());
        }
    }
}

/// A relation is about to be dropped: the last moment at which its size can be asked for.
#[pg_guard]
unsafe extern "C-unwind" fn dropping(relation: pg_sys::Oid, argument: *const pg_sys::ObjectAccessDrop) {
    // SAFETY: the argument is the server's own for this kind of access.
    let is_internal = unsafe {
        !argument.is_null() && (*argument).dropflags & pg_sys::PERFORM_DELETION_INTERNAL.cast_signed() != 0
    };
    if is_internal || !ddl::is_lasting_table(relation) {
        return;
    }
    let table = ddl::touched_alone(relation);
    let is_of_interest =
        |table: &Touched| !table.is_private() && !table.is_empty && !table.is_extension_member;
    if let Some(table) = table.filter(is_of_interest) {
        running::note_dropped(table);
    }
}

/// What the server hands to an event trigger, as far as it matters here.
pub struct Event {
    /// The statement.
    pub node: *mut pg_sys::Node,
    /// Its tag.
    pub tag: String,
}

/// A table is about to be written anew.
///
/// # Safety
/// To be called inside that event alone.
pub unsafe fn rewriting(event: &Event) -> Ticket {
    // SAFETY: as the caller vouches.
    unsafe {
        if running::knows_rewrite() || !may_be_refused(event.node) {
            return Ticket::default();
        }
        let datum = pgrx::direct_function_call_as_datum(pg_sys::pg_event_trigger_table_rewrite_oid, &[]);
        let relation = datum.map_or(0, |datum| datum.value() as u32);
        let table = touched(pg_sys::Oid::from(relation));
        judged(event, SeenAct::Rewrite, table.into_iter().collect())
    }
}

/// The statement has dropped something.
///
/// # Safety
/// To be called inside that event alone.
pub unsafe fn dropped(event: &Event) -> Ticket {
    // SAFETY: as the caller vouches.
    unsafe {
        let tables = running::unforeseen_drops();
        if !may_be_refused(event.node) {
            return Ticket::default();
        }
        if running::is_let_through() {
            // What goes with its owner, as the type of a table's rows and the rule of a view do, needs no word.
            note(
                "SELECT pg_catalog.concat('dropped ', d.object_type, ' ', d.object_identity),
                        pg_catalog.count(*) OVER ()
                 FROM pg_catalog.pg_event_trigger_dropped_objects() AS d
                 WHERE (d.original OR d.normal) AND d.object_type OPERATOR(pg_catalog.<>) 'rule'",
            );
        }
        if tables.is_empty() { Ticket::default() } else { judged(event, SeenAct::Drop, tables) }
    }
}

/// The statement has come to its end.
///
/// # Safety
/// To be called inside that event alone.
pub unsafe fn ended(event: &Event) {
    // SAFETY: as the caller vouches.
    let may_ask = unsafe { may_be_refused(event.node) };
    let is_its = running::tag_and_text().is_some_and(|(tag, _)| tag == event.tag);
    // A cancel while we ask or write would be as bad as a refusal.
    if !may_ask || !is_its {
        return;
    }
    note(
        "SELECT pg_catalog.concat(c.command_tag, ' ', c.object_identity),
                pg_catalog.count(*) OVER ()
         FROM pg_catalog.pg_event_trigger_ddl_commands() AS c
         WHERE c.object_identity IS NOT NULL",
    );
    if let Some(entry) = running::take_done() {
        entry.keep_done();
    }
}

/// Whether an ERROR now takes back all that the statement did. One of several transactions does not.
///
/// # Safety
/// The node must be a parse tree.
unsafe fn may_be_refused(node: *mut pg_sys::Node) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { !ddl::is_concurrent(node) }
}

/// Keeps what such a query says of what the statement did. Never fails but for a cancel.
fn note(sql: &str) {
    let (mut deeds, mut all) = (Vec::new(), 0_i64);
    let limited = format!("{sql} LIMIT {MOST_OBJECTS}");
    let noted = isolated(&mut || {
        let found = query::rows(&limited, &[], |row| Ok((row.get::<Text>(1)?, row.get::<i64>(2)?)));
        all = found.first().and_then(|(_, count)| *count).unwrap_or(0);
        deeds = found.into_iter().filter_map(|(deed, _)| deed.map(Text::into_string)).collect();
    });
    if noted.is_ok() && !deeds.is_empty() {
        let more = usize::try_from(all).unwrap_or(0).saturating_sub(deeds.len());
        running::note_deeds(deeds, more);
    }
}

/// Asks the judge what becomes of it.
fn judged(event: &Event, act: SeenAct, tables: Vec<Touched>) -> Ticket {
    let (_, text) = running::tag_and_text().unwrap_or_default();
    // Without its lock: that is held, so that the rules about waiting for it have nothing to say.
    let action =
        |table: Touched| Action { target: Some(table), is_qualified: true, ..Action::new(Kind::Seen(act)) };
    let statement = Statement {
        tag: event.tag.clone(),
        text,
        actions: tables.into_iter().map(action).collect(),
        ..Statement::default()
    };
    hook::judged(&mut || statement.clone()).closed()
}
