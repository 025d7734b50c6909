//! Single rows of catalogs from the server's caches. No lock is taken on what they describe.

use std::ffi::CString;

use pgrx::pg_sys;

use crate::pg::scan::text_of_c_string;

/// A cache of the server.
pub type Cache = pg_sys::SysCacheIdentifier::Type;

/// Hands the row with these keys to `read`; `None` where there is none.
pub fn row<T>(cache: Cache, keys: &[pg_sys::Datum], read: impl FnOnce(pg_sys::HeapTuple) -> T) -> Option<T> {
    let key = |place: usize| keys.get(place).copied().unwrap_or(pg_sys::Datum::from(0));
    // SAFETY: a look-up with as many keys as the cache has; the row is released after it was read. Should `read`
    // raise, the resource owner releases it.
    unsafe {
        let tuple = pg_sys::SearchSysCache(cache as _, key(0), key(1), key(2), key(3));
        if tuple.is_null() {
            return None;
        }
        let found = read(tuple);
        pg_sys::ReleaseSysCache(tuple);
        Some(found)
    }
}

/// Hands the fixed part of the row with this OID to `read`.
///
/// # Safety
/// `F` must be the C layout of the beginning of the rows of this cache.
pub unsafe fn form<F, T>(cache: Cache, oid: pg_sys::Oid, read: impl FnOnce(&F) -> T) -> Option<T> {
    // SAFETY: as the caller vouches.
    row(cache, &[pg_sys::Datum::from(oid)], |tuple| read(unsafe { &*pg_sys::GETSTRUCT(tuple).cast::<F>() }))
}

/// The row of `pg_class`.
pub fn class<T>(relation: pg_sys::Oid, read: impl FnOnce(&pg_sys::FormData_pg_class) -> T) -> Option<T> {
    // SAFETY: the layout is of this catalog.
    unsafe { form(pg_sys::SysCacheIdentifier::RELOID, relation, read) }
}

/// A name as the server's functions take it.
pub fn c_name(name: &str) -> Option<CString> {
    CString::new(&*crate::pg::encoding::to_server(name)).ok()
}

/// The name of a schema.
pub fn schema_name(schema: pg_sys::Oid) -> Option<String> {
    // SAFETY: null where there is none.
    unsafe { text_of_c_string(pg_sys::get_namespace_name(schema)) }.map(String::from)
}

/// Schema and name of a relation.
pub fn relation_name(relation: pg_sys::Oid) -> Option<(String, String)> {
    let (schema, name) = class(relation, |form| {
        (form.relnamespace, String::from(crate::pg::scan::text_of_name(&form.relname)))
    })?;
    Some((schema_name(schema)?, name))
}
