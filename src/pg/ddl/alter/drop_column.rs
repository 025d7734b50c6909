//! DROP COLUMN, and what goes or breaks with it.

use pgrx::pg_sys;

use super::{Further, Subject};
use crate::catalog::LockMode;
use crate::catalog::ddl::DropColumn;
use crate::pg::ddl::{column, constraint, dependents, touched};
use crate::pg::scan::text_of_c_string;

/// # Safety
/// The command must be one of the parser, of this kind.
pub unsafe fn facts(
    subject: &Subject,
    command: *mut pg_sys::AlterTableCmd,
    further: &mut Further,
) -> DropColumn {
    // SAFETY: as the caller vouches.
    let (name, known, is_cascade) = unsafe {
        (
            text_of_c_string((*command).name).map(String::from).unwrap_or_default(),
            column::named(subject.oid, (*command).name),
            (*command).behavior == pg_sys::DropBehavior::DROP_CASCADE,
        )
    };
    let mut facts = DropColumn { column: name, is_cascade, ..DropColumn::default() };
    let Some(known) = known else {
        return facts;
    };
    facts.is_there = true;
    facts.type_name = known.type_name();
    facts.dependents = dependents::of_column(subject.oid, known.number, subject.entries());
    if let Some(table) = subject.touched.as_ref() {
        for function in subject.uses.functions(&known.name) {
            if !facts.dependents.iter().any(|dependent| dependent.name == function.name) {
                facts.dependents.push(function);
            }
        }
        facts.recent_uses = subject.uses.recent(table, &known.name);
    }
    lock_foreign_keys(subject, known.number, is_cascade, further);
    if is_cascade {
        for view in dependents::views_on(subject.oid, known.number).into_iter().filter_map(touched::alone) {
            further.add(&view, LockMode::AccessExclusive);
        }
    }
    facts
}

/// Dropping a foreign key drops its triggers on the other table, for which the server locks that one.
fn lock_foreign_keys(subject: &Subject, number: i16, is_cascade: bool, further: &mut Further) {
    let table = subject.oid.to_u32();
    for entry in subject.entries() {
        if entry.class != constraint::CONSTRAINT || entry.on_column != i32::from(number) {
            continue;
        }
        let Some(known) = constraint::of(entry.object).filter(|known| known.letter == 'f') else {
            continue;
        };
        let other = if known.table == table { known.referenced } else { known.table };
        if other != table
            && (known.table == table || is_cascade)
            && let Some(other) = touched::of(pg_sys::Oid::from(other))
        {
            further.add(&other, LockMode::AccessExclusive);
        }
    }
}
