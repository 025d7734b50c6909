//! Text as the server's parser reads it.

use std::ffi::{CString, c_char};

use pgrx::pg_sys;

use super::hook;
use crate::catalog::ddl::Statement;
use crate::pg::local_settings::with_settings;
use crate::pg::planner::{Refusal, refusable, rolled_back};
use crate::pg::{ddl, encoding};

/// Reads one statement, or says why the server's parser does not know it. Looks up what it is about, under these
/// settings, and runs nothing.
pub fn parse(text: &str, settings: &[(String, String)]) -> Result<Statement, Refusal> {
    if settings.is_empty() {
        return parse_here(text);
    }
    let c_string = |text: &str| CString::new(encoding::to_server(text).into_owned()).unwrap_or_default();
    let owned: Vec<_> = settings.iter().map(|(name, value)| (c_string(name), c_string(value))).collect();
    let borrowed: Vec<_> = owned.iter().map(|(name, value)| (name.as_c_str(), value.as_c_str())).collect();
    refusable(|| rolled_back(|| with_settings(&borrowed, || parse_here(text))))?
}

fn parse_here(text: &str) -> Result<Statement, Refusal> {
    let source = CString::new(encoding::to_server(text).into_owned()).unwrap_or_default();
    // SAFETY: the parser reads a C string and only allocates; what it makes lives in the current context.
    let node = refusable(|| unsafe { first(source.as_ptr()) })?;
    let Some(node) = node else { return Ok(Statement::default()) };
    // SAFETY: the parser made the node.
    Ok(unsafe {
        let mut statement = ddl::statement(node, text);
        if statement.tag.is_empty() {
            statement.tag = hook::tag_of(node);
        }
        statement
    })
}

/// The first statement of a text.
///
/// # Safety
/// The text must be a C string.
unsafe fn first(text: *const c_char) -> Option<*mut pg_sys::Node> {
    // SAFETY: as the caller vouches; the parser answers a list of raw statements.
    unsafe {
        let list = pg_sys::raw_parser(text, pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
        if list.is_null() || (*list).length < 1 {
            return None;
        }
        Some((*(*(*list).elements).ptr_value.cast::<pg_sys::RawStmt>()).stmt)
    }
}

/// The part of a text which this parse tree was made from; nothing where it is not there. The tree alone does not say.
///
/// # Safety
/// The node must be a parse tree, and the text null or a C string that the server parsed.
pub unsafe fn place_of<'a>(node: *mut pg_sys::Node, text: *const c_char) -> &'a [u8] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: as the caller vouches; the server parsed it before, so that it does not fail now.
    unsafe {
        let list = pg_sys::raw_parser(text, pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
        let count = if list.is_null() { 0 } else { usize::try_from((*list).length).unwrap_or(0) };
        for place in 0..count {
            let raw = (*(*list).elements.add(place)).ptr_value.cast::<pg_sys::RawStmt>();
            if count == 1 || pg_sys::equal((*raw).stmt.cast(), node.cast()) {
                return hook::part(text, (*raw).stmt_location, (*raw).stmt_len);
            }
        }
        &[]
    }
}
