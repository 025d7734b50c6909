//! What is kept of a query that was just analysed: its text, and of each constant the type and perhaps the value.

use std::ffi::{CStr, c_void};

use pgrx::{pg_guard, pg_sys};

use super::{owned, sample};
use crate::catalog::captured::ParameterType;
use crate::catalog::captured::record::Record;
use crate::pg::encoding;
use crate::pg::settings::{self, Constants};
use crate::syntax::constants::{self, Constant};

/// A text is looked at up to so many times what is kept of it: parameters are shorter than what they stand for.
const WINDOW: usize = 4;

/// The first number that users' objects have.
const FIRST_OF_USERS: u32 = pg_sys::FirstNormalObjectId;

/// What there is to say of a query.
pub struct Description {
    /// What goes into the shared table.
    pub record: Record,
    /// The values of the constants that became parameters, if values are sampled and all of them can be told.
    pub constants: Option<Vec<Option<String>>>,
    /// How many parameters the query has of its own.
    pub bound: usize,
}

/// What the walk through a query found.
struct Found {
    /// Which part of the text is looked at.
    start: usize,
    end: usize,
    constants: Vec<*mut pg_sys::Const>,
    parameters: Vec<(usize, pg_sys::Oid)>,
    /// Domains that something is made: their literals are constants of the type below.
    domains: Vec<pg_sys::Oid>,
}

/// Describes a query.
///
/// # Safety
/// Both must come from the server's hook after analysis.
pub unsafe fn describe(state: *const pg_sys::ParseState, query: *mut pg_sys::Query) -> Description {
    // SAFETY: as the caller vouches.
    let (source, start, end, backslash_escapes) = unsafe {
        let source = CStr::from_ptr((*state).p_sourcetext).to_bytes();
        let (location, length) = place(query);
        let start = usize::try_from(location).unwrap_or(0).min(source.len());
        let length = usize::try_from(length).unwrap_or(0);
        let end = if length == 0 { source.len() } else { (start + length).min(source.len()) };
        (source, start, end, !pg_sys::standard_conforming_strings)
    };
    let (window_end, is_cut) = match WINDOW * settings::capture_query_bytes() {
        window if end - start <= window => (end, false),
        window => (start + whole_characters(&source[start..end], window), true),
    };
    let start = start + constants::start_of_held_query(&source[start..window_end], backslash_escapes);
    let mut found =
        Found { start, end: window_end, constants: Vec::new(), parameters: Vec::new(), domains: Vec::new() };
    // SAFETY: the walk ends before `found` is used again.
    unsafe { visit(query.cast(), (&raw mut found).cast()) };
    let domains: Vec<String> = found.domains.iter().flat_map(|&domain| spellings(domain)).collect();
    let mut known: Vec<(pg_sys::Oid, Vec<String>)> = Vec::new();
    let mut constants: Vec<Constant> = Vec::new();
    for &constant in &found.constants {
        // SAFETY: constants of the query, in the part of the text that is looked at.
        let (location, of) = unsafe { ((*constant).location, (*constant).consttype) };
        let place = known.iter().position(|(known, _)| *known == of).unwrap_or_else(|| {
            known.push((of, [spellings(of), domains.clone()].concat()));
            known.len() - 1
        });
        let position = usize::try_from(location).unwrap_or(0) - start;
        constants.push(Constant { position, type_names: known[place].1.clone() });
    }
    let bound = found.parameters.iter().map(|&(number, _)| number).max().unwrap_or(0);
    let text = source[start..window_end].trim_ascii_end();
    let lead = text.len() - text.trim_ascii_start().len();
    let mut replaced = constants::parameterise(text, &constants, bound + 1, backslash_escapes);
    replaced.text.drain(..lead);

    let mode = settings::capture_constants();
    let mut types: Vec<pg_sys::Oid> = vec![pg_sys::TEXTOID; bound];
    for &(number, of) in &found.parameters {
        types[number - 1] = of;
    }
    let chosen: Vec<*mut pg_sys::Const> =
        replaced.replaced.iter().map(|&place| found.constants[place]).collect();
    // SAFETY: constants of the query.
    types.extend(chosen.iter().map(|&constant| unsafe { (*constant).consttype }));
    let is_kept = mode != Constants::Off && !is_cut;
    let record = Record {
        query: encoding::from_server(&replaced.text).into_owned(),
        is_truncated: is_cut,
        parameter_types: if is_kept { types.into_iter().map(parameter_type).collect() } else { Vec::new() },
        samples: Vec::new(),
        // SAFETY: the setting's value.
        search_path: unsafe { owned(pg_sys::namespace_search_path) }.unwrap_or_default(),
    };
    // SAFETY: constants of the query.
    let values = (mode == Constants::Sample && is_kept).then(|| unsafe { sample::values(&chosen) }).flatten();
    Description { record, constants: values, bound }
}

/// How many bytes of a text make whole characters and are at most so many.
fn whole_characters(text: &[u8], most: usize) -> usize {
    let length = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
    // SAFETY: the text, in the database's encoding, and its length.
    let clipped = unsafe { pg_sys::pg_mbcliplen(text.as_ptr().cast(), length(text.len()), length(most)) };
    usize::try_from(clipped).unwrap_or(0).min(text.len())
}

/// Where the statement stands in the text, and its length; 0 for the rest of it.
///
/// # Safety
/// The query must come from the server's hook after analysis.
unsafe fn place(query: *const pg_sys::Query) -> (i32, i32) {
    // SAFETY: as the caller vouches; a portal that runs has planned statements.
    unsafe {
        let portal = pg_sys::ActivePortal;
        if portal.is_null() || (*portal).stmts.is_null() || (*(*portal).stmts).length < 1 {
            return ((*query).stmt_location, (*query).stmt_len);
        }
        // What DECLARE CURSOR holds does not know its place before 18.
        let outer = (*(*(*portal).stmts).elements).ptr_value.cast::<pg_sys::PlannedStmt>();
        ((*outer).stmt_location, (*outer).stmt_len)
    }
}

/// Collects constants that stand in the text, and parameters.
#[pg_guard]
unsafe extern "C-unwind" fn visit(node: *mut pg_sys::Node, found: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a node of an analysed query, told by its tag; `found` is what `describe` handed in.
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_Const => {
                let constant = node.cast::<pg_sys::Const>();
                let found = &mut *found.cast::<Found>();
                let location = usize::try_from((*constant).location);
                if location.is_ok_and(|place| (found.start..found.end).contains(&place)) {
                    found.constants.push(constant);
                }
                false
            }
            pg_sys::NodeTag::T_Param => {
                let parameter = node.cast::<pg_sys::Param>();
                let number = usize::try_from((*parameter).paramid).unwrap_or(0);
                if (*parameter).paramkind == pg_sys::ParamKind::PARAM_EXTERN && number > 0 {
                    (*found.cast::<Found>()).parameters.push((number, (*parameter).paramtype));
                }
                false
            }
            pg_sys::NodeTag::T_CoerceToDomain => {
                let domain = (*node.cast::<pg_sys::CoerceToDomain>()).resulttype;
                let domains = &mut (*found.cast::<Found>()).domains;
                if !domains.contains(&domain) {
                    domains.push(domain);
                }
                pg_sys::expression_tree_walker(node, Some(visit), found)
            }
            pg_sys::NodeTag::T_Query => pg_sys::query_tree_walker(node.cast(), Some(visit), found, 0),
            _ => pg_sys::expression_tree_walker(node, Some(visit), found),
        }
    }
}

/// What a type may be called in front of a literal.
fn spellings(of: pg_sys::Oid) -> Vec<String> {
    // SAFETY: looks a row up and releases it; a row that is there has a name.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::TYPEOID as _, of.into());
        if tuple.is_null() {
            return Vec::new();
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_type>();
        let name = owned(form.typname.data.as_ptr()).unwrap_or_default();
        pg_sys::ReleaseSysCache(tuple);
        constants::spellings(&name, &owned(pg_sys::format_type_be(of)).unwrap_or_default())
    }
}

fn parameter_type(of: pg_sys::Oid) -> ParameterType {
    // SAFETY: looks a name up; a type that is gone is called "???".
    let name = unsafe {
        owned(if of.to_u32() < FIRST_OF_USERS {
            pg_sys::format_type_be(of)
        } else {
            pg_sys::format_type_be_qualified(of)
        })
    };
    ParameterType { oid: of.to_u32(), name: name.unwrap_or_default() }
}
