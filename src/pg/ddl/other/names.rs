//! Names and options as they stand in a parse tree, copied out.

use std::ffi::c_char;

use pgrx::{PgList, pg_sys};

use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Kind, LockTaken, Touched};
use crate::pg::ddl::{cache, touched};
use crate::pg::scan::text_of_c_string;
use crate::text::quote_identifier;

/// The pointers of a list.
pub fn pointers<T>(list: *mut pg_sys::List) -> Vec<*mut T> {
    // SAFETY: a list of the parser, or none; only its cells are copied.
    unsafe { PgList::<T>::from_pg(list) }.iter_ptr().collect()
}

/// The tag of a node; `T_Invalid` of none.
pub fn tag<T>(node: *const T) -> pg_sys::NodeTag {
    if node.is_null() {
        return pg_sys::NodeTag::T_Invalid;
    }
    // SAFETY: every node begins with its tag.
    unsafe { (*node.cast::<pg_sys::Node>()).type_ }
}

/// A string of the tree; empty where there is none.
///
/// # Safety
/// Null or a C string.
pub unsafe fn text(pointer: *const c_char) -> String {
    // SAFETY: as the caller vouches.
    unsafe { text_of_c_string(pointer) }.map(String::from).unwrap_or_default()
}

/// The strings of a list; what is no string is left out.
pub fn strings(list: *mut pg_sys::List) -> Vec<String> {
    string_pointers(list)
        .into_iter()
        .map(|pointer| {
            // SAFETY: the value of a string node.
            unsafe { text(pointer) }
        })
        .collect()
}

fn string_pointers(list: *mut pg_sys::List) -> Vec<*mut c_char> {
    pointers::<pg_sys::String>(list)
        .into_iter()
        .filter(|&node| tag(node) == pg_sys::NodeTag::T_String)
        // SAFETY: a node with that tag.
        .map(|node| unsafe { (*node).sval })
        .collect()
}

/// Names joined by dots, each quoted where needed.
pub fn quoted(names: &[String]) -> String {
    names.iter().map(|name| quote_identifier(name)).collect::<Vec<_>>().join(".")
}

/// A relation's name as it is written, quoted where needed.
///
/// # Safety
/// A node of the parser.
pub unsafe fn written(name: *const pg_sys::RangeVar) -> String {
    // SAFETY: as the caller vouches; its names are C strings or null.
    let names = unsafe { [text((*name).catalogname), text((*name).schemaname), text((*name).relname)] };
    quoted(&names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>())
}

/// A list of names as the name of a relation, whose last part is left out where `without_last` says so: DROP TRIGGER
/// has the trigger there. `None` where there are too many or too few.
pub fn range_variable(list: *mut pg_sys::List, without_last: bool) -> Option<*mut pg_sys::RangeVar> {
    let mut names = string_pointers(list);
    if without_last {
        names.pop();
    }
    let relation = names.pop()?;
    let schema = names.pop().unwrap_or(std::ptr::null_mut());
    let database = names.pop().unwrap_or(std::ptr::null_mut());
    if !names.is_empty() {
        return None;
    }
    // SAFETY: C strings of the tree, which outlives what is made here.
    unsafe {
        let made = pg_sys::makeRangeVar(schema, relation, -1);
        (*made).catalogname = database;
        Some(made)
    }
}

/// A list of names as the name of a type.
pub fn type_name(list: *mut pg_sys::List) -> *mut pg_sys::TypeName {
    // SAFETY: a list of names of the parser.
    unsafe { pg_sys::makeTypeNameFromNameList(list) }
}

/// Whether the names of a list can be looked up at all: the server raises an ERROR for too many, for another database,
/// and for a schema into which the caller may not look.
pub fn can_be_looked_up(list: *mut pg_sys::List) -> bool {
    let mut names = string_pointers(list);
    names.pop();
    let schema = names.pop();
    // SAFETY: a C string of the tree.
    names.is_empty() && schema.is_none_or(|schema| unsafe { touched::usable_schema(schema) }.is_some())
}

/// The OID of a type by its name, without a lock; `None` where it is not there.
pub fn find_type(name: *const pg_sys::TypeName) -> Option<pg_sys::Oid> {
    // SAFETY: a node of the parser.
    unsafe {
        if name.is_null() || (*name).setof || (*name).pct_type {
            return None;
        }
        if !(*name).names.is_null() && !can_be_looked_up((*name).names) {
            return None;
        }
        let row =
            pg_sys::LookupTypeNameExtended(std::ptr::null_mut(), name, std::ptr::null_mut(), true, true);
        if row.is_null() {
            return None;
        }
        let found = pg_sys::typeTypeId(row);
        pg_sys::ReleaseSysCache(row);
        Some(found)
    }
}

/// A type, schema and name quoted.
pub fn type_identity(type_oid: pg_sys::Oid) -> Option<String> {
    // SAFETY: the layout is of this catalog.
    let (schema, name) = unsafe {
        cache::form(pg_sys::SysCacheIdentifier::TYPEOID, type_oid, |form: &pg_sys::FormData_pg_type| {
            (form.typnamespace, String::from(crate::pg::scan::text_of_name(&form.typname)))
        })
    }?;
    Some(quoted(&[cache::schema_name(schema)?, name]))
}

/// An option in parentheses, `VACUUM (FULL false)`: `None` where it is not given.
pub fn option(options: *mut pg_sys::List, name: &str) -> Option<bool> {
    let mut found = None;
    for element in pointers::<pg_sys::DefElem>(options) {
        // SAFETY: the elements of an option list.
        unsafe {
            if text((*element).defname).eq_ignore_ascii_case(name) {
                found = Some(is_on((*element).arg));
            }
        }
    }
    found
}

/// As `defGetBoolean` has it; what that refuses is off.
fn is_on(argument: *mut pg_sys::Node) -> bool {
    // SAFETY: the tag says what the node is.
    unsafe {
        match tag(argument) {
            pg_sys::NodeTag::T_Invalid => true,
            pg_sys::NodeTag::T_Integer => (*argument.cast::<pg_sys::Integer>()).ival == 1,
            pg_sys::NodeTag::T_Boolean => (*argument.cast::<pg_sys::Boolean>()).boolval,
            pg_sys::NodeTag::T_String => {
                let word = text((*argument.cast::<pg_sys::String>()).sval);
                word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("on")
            }
            _ => false,
        }
    }
}

/// A relation as it is named in the tree, and what was found of it.
pub struct Named {
    pub touched: Option<Touched>,
    pub written: String,
    pub is_qualified: bool,
}

impl Named {
    /// # Safety
    /// A node of the parser.
    pub unsafe fn of(name: *const pg_sys::RangeVar) -> Self {
        // SAFETY: as the caller vouches.
        unsafe {
            Self {
                touched: touched::named(name),
                written: written(name),
                is_qualified: !(*name).schemaname.is_null(),
            }
        }
    }

    /// Of a list of names that makes the name of a relation.
    pub fn of_list(list: *mut pg_sys::List, without_last: bool) -> Option<Self> {
        // SAFETY: made just now.
        range_variable(list, without_last).map(|name| unsafe { Self::of(name) })
    }

    /// Its OID.
    pub fn oid(&self) -> Option<pg_sys::Oid> {
        self.touched.as_ref().map(|touched| touched.oid.into())
    }

    /// Schema and name where it is there; otherwise as it is written.
    pub fn name(&self) -> String {
        self.touched.as_ref().map_or_else(|| self.written.clone(), Touched::qualified)
    }

    /// What is done to it, under this lock.
    pub fn action(self, kind: Kind, mode: LockMode) -> Action {
        let mut action = Action::new(kind);
        action.is_qualified = self.is_qualified;
        match self.touched {
            Some(relation) => {
                action.locks.push(LockTaken { relation: relation.clone(), mode });
                action.target = Some(relation);
            }
            None => action.missing = Some(self.written),
        }
        action
    }
}
