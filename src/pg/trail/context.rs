//! What an application says of itself, for one transaction: kept in the process, not in a setting, so that nobody can put
//! it there but by the function.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use pgrx::{PgSqlErrorCode, pg_sys};
use serde_json::{Map, Value};

use crate::pg::error::{raise, warn};

/// The longest key, in bytes.
const LONGEST_KEY: usize = 63;
/// The most that all keys and values may have, in bytes.
const LARGEST: usize = 8_192;

#[derive(Default)]
struct State {
    entries: BTreeMap<String, String>,
    /// What it was before a subtransaction of that depth changed it.
    before: Vec<(i32, BTreeMap<String, String>)>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
    /// Grows with each change; 0: nothing was said.
    static VERSION: Cell<u64> = const { Cell::new(0) };
    static LAST_VERSION: Cell<u64> = const { Cell::new(0) };
}

/// Tells one context from another within a transaction.
pub fn version() -> u64 {
    VERSION.get()
}

/// What was said, as JSON.
pub fn context() -> Map<String, Value> {
    STATE.with_borrow(|state| {
        state.entries.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect()
    })
}

/// Says something for the rest of the transaction, or takes it back.
pub fn set_context(key: &str, value: Option<&str>) {
    if key.is_empty() || key.len() > LONGEST_KEY {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("the key of a context must have 1 to {LONGEST_KEY} bytes"),
            &format!("This one has {}.", key.len()),
            "SELECT dbm.set_context('user', 'mira');",
        );
    }
    // SAFETY: reads variables of this process. Within a function other statements of it may follow.
    let is_lost = unsafe { !pg_sys::IsTransactionBlock() && pg_sys::error_context_stack.is_null() };
    if is_lost && value.is_some() {
        warn(
            "the context is of this statement only: no transaction has been begun",
            "What is said of who acts holds until the end of the transaction.",
            "BEGIN first, and say it in the transaction that makes the changes.",
        );
    }
    let size = STATE.with_borrow(|state| {
        let others = state.entries.iter().filter(|(other, _)| *other != key);
        others.map(|(key, value)| key.len() + value.len()).sum::<usize>()
    }) + value.map_or(0, |value| key.len() + value.len());
    if size > LARGEST {
        raise(
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            &format!("the context of a transaction must not have more than {LARGEST} bytes"),
            &format!("With \"{key}\" it would have {size}."),
            "Keep who and why in it, and what is larger in a table of yours.",
        );
    }
    // SAFETY: reads the depth of this process.
    let level = unsafe { pg_sys::GetCurrentTransactionNestLevel() };
    STATE.with_borrow_mut(|state| {
        if level > 1 && state.before.last().is_none_or(|&(last, _)| last < level) {
            let before = state.entries.clone();
            state.before.push((level, before));
        }
        match value {
            Some(value) => state.entries.insert(key.to_owned(), value.to_owned()),
            None => state.entries.remove(key),
        };
    });
    changed();
}

fn changed() {
    let next = LAST_VERSION.get() + 1;
    LAST_VERSION.set(next);
    VERSION.set(next);
}

/// The transaction is over.
pub fn clear() {
    if VERSION.replace(0) != 0 {
        STATE.with_borrow_mut(|state| *state = State::default());
    }
}

/// A subtransaction of that depth was rolled back.
pub fn roll_back(level: i32) {
    STATE.with_borrow_mut(|state| {
        while let Some((_, before)) = state.before.pop_if(|&mut (last, _)| last >= level) {
            state.entries = before;
            changed();
        }
    });
}

/// A subtransaction of that depth ended well: what it did is its parent's.
pub fn keep(level: i32) {
    STATE.with_borrow_mut(|state| {
        while let Some((_, before)) = state.before.pop_if(|&mut (last, _)| last >= level) {
            let parent = level - 1;
            if parent > 1 && state.before.last().is_none_or(|&(last, _)| last < parent) {
                state.before.push((parent, before));
                break;
            }
        }
    });
}
