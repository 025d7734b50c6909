//! What indexes are called, those that exist and those that do not.

use std::ffi::{CStr, CString};
use std::rc::Rc;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::instance::Instance;
use super::refusal::wrong_object;
use super::specification::Specification;
use super::{IndexFamily, list, server};
use crate::pg::error::raise;
use crate::pg::scan::text_of;
use crate::text::identifier::quote_qualified;

/// A relation's name, qualified and quoted; its number where it is gone.
pub fn qualified_name(relation: pg_sys::Oid) -> String {
    // SAFETY: look-ups in the catalogs; either may find nothing.
    let (schema, name) = unsafe {
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        let name = pg_sys::get_rel_name(relation);
        if schema.is_null() || name.is_null() {
            return relation.to_u32().to_string();
        }
        (text_of(CStr::from_ptr(schema).to_bytes()), text_of(CStr::from_ptr(name).to_bytes()))
    };
    quote_qualified(&schema, &name)
}

/// An existing index with its partitions, locked.
pub fn family(index: pg_sys::Oid) -> IndexFamily {
    let share = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: locks by number, then looks the index up.
    let kind = unsafe {
        pg_sys::LockRelationOid(index, share);
        pg_sys::get_rel_relkind(index) as u8
    };
    match kind {
        pg_sys::RELKIND_INDEX | pg_sys::RELKIND_PARTITIONED_INDEX => {}
        0 => raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            &format!("there is no index with OID {}", index.to_u32()),
            "",
            "",
        ),
        _ => wrong_object(&format!("{} is not an index", qualified_name(index)), "Name an index."),
    }
    // SAFETY: the index is locked; its partitions get locked here.
    let members = list::oids(unsafe { server::find_all_inheritors(index, share) });
    let bytes = members.iter().map(|&member| bytes_on_disk(member)).sum();
    IndexFamily::new(members, qualified_name(index), bytes)
}

fn bytes_on_disk(index: pg_sys::Oid) -> u64 {
    // SAFETY: the function takes an OID; it answers NULL for what is gone, and 0 for what has no file.
    let bytes: Option<i64> = unsafe {
        pgrx::direct_function_call(pg_sys::pg_total_relation_size, &[Some(pg_sys::Datum::from(index))])
    };
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
}

/// The name that the index would get on this relation; an ERROR where the definition gives one that is taken.
pub fn index_name(specification: &Specification, relation: pg_sys::Oid, others: &[Rc<Instance>]) -> CString {
    // SAFETY: look-ups in the catalogs; the relation is locked, so that it has a name.
    let (table, schema) = unsafe { (pg_sys::get_rel_name(relation), pg_sys::get_rel_namespace(relation)) };
    let is_taken = |name: &CStr| {
        // SAFETY: a look-up by a C string.
        let exists = unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) } != pg_sys::InvalidOid;
        exists || others.iter().any(|other| other.schema == schema && other.name.as_c_str() == name)
    };
    if let Some(name) = specification.name.as_ref().filter(|_| relation == specification.relation) {
        if is_taken(name) {
            raise(
                PgSqlErrorCode::ERRCODE_DUPLICATE_TABLE,
                &format!("relation \"{}\" already exists", text_of(name.to_bytes())),
                "",
                "Give another name, or none.",
            );
        }
        return name.clone();
    }
    let columns = column_names(specification);
    let mut number = 0;
    loop {
        let label = if number == 0 {
            c"idx".to_owned()
        } else {
            CString::new(format!("idx{number}")).unwrap_or_default()
        };
        // SAFETY: C strings; the result is one of the current memory context.
        let name = unsafe {
            CStr::from_ptr(pg_sys::makeObjectName(table, columns.as_ptr(), label.as_ptr())).to_owned()
        };
        if !is_taken(&name) {
            return name;
        }
        number += 1;
    }
}

/// What the server calls a column of an index that has no name for it.
///
/// # Safety
/// `element` must come from an analysed CREATE INDEX.
pub unsafe fn column_name(element: *const pg_sys::IndexElem) -> CString {
    // SAFETY: as the caller vouches; the analysis names expressions after their outermost function.
    unsafe {
        let given = if (*element).indexcolname.is_null() { (*element).name } else { (*element).indexcolname };
        if given.is_null() { c"expr".to_owned() } else { CStr::from_ptr(given).to_owned() }
    }
}

/// The columns' names as ChooseIndexNameAddition joins them.
fn column_names(specification: &Specification) -> CString {
    let joined =
        specification.column_names.iter().map(|name| name.to_bytes()).collect::<Vec<_>>().join(&b'_');
    let end = joined.len().min(pg_sys::NAMEDATALEN as usize);
    CString::new(&joined[..end]).unwrap_or_default()
}
