//! What this session analysed to run it again and again: such a query may outlive its place in the shared table.

use std::cell::RefCell;

use rustc_hash::FxHashMap;

/// Bytes of records that one session keeps; a session with more begins anew.
const MOST_BYTES: usize = 512 * 1024;

struct Prepared {
    record: Vec<u8>,
    constants: Vec<Option<String>>,
}

#[derive(Default)]
struct Memory {
    queries: FxHashMap<u64, Prepared>,
    bytes: usize,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Whether the query is known.
pub fn has(query: u64) -> bool {
    MEMORY.with_borrow(|memory| memory.queries.contains_key(&query))
}

/// Keeps what would be kept in the shared table, and the values of its constants where these are sampled.
pub fn remember(query: u64, record: Vec<u8>, constants: Vec<Option<String>>) {
    MEMORY.with_borrow_mut(|memory| {
        if memory.bytes > MOST_BYTES {
            *memory = Memory::default();
        }
        memory.bytes += record.len() + 100;
        if let Some(before) = memory.queries.insert(query, Prepared { record, constants }) {
            memory.bytes -= before.record.len() + 100;
        }
    });
}

/// The record of a query.
pub fn record(query: u64) -> Option<Vec<u8>> {
    MEMORY.with_borrow(|memory| memory.queries.get(&query).map(|prepared| prepared.record.clone()))
}

/// The values of a query's constants.
pub fn constants(query: u64) -> Vec<Option<String>> {
    MEMORY.with_borrow(|memory| {
        memory.queries.get(&query).map(|prepared| prepared.constants.clone()).unwrap_or_default()
    })
}
