//! Which access methods know an operator, and by which operator class.

use std::ffi::CStr;

use pgrx::pg_sys;

use crate::catalog::access::{ClauseKind, Support};
use crate::catalog::hypothetical::Method;
use crate::pg::planner::server;
use crate::pg::scan::text_of;
use crate::text::identifier::{quote_identifier, quote_qualified};

/// Strategies of a B-tree (stratnum.h).
const EQUAL: i16 = 3;

/// The rows of a list of the system cache that match these keys.
struct CacheList(*mut pg_sys::CatCList);

impl CacheList {
    fn of(cache: pg_sys::SysCacheIdentifier::Type, key: pg_sys::Oid) -> Self {
        let none = pg_sys::Datum::null();
        // SAFETY: a cache whose first key is an OID.
        Self(unsafe { pg_sys::SearchSysCacheList(cache as i32, 1, pg_sys::Datum::from(key), none, none) })
    }

    /// Copies what `read` takes of each row.
    ///
    /// # Safety
    /// `Form` must be the form of the cache's rows.
    unsafe fn map<Form, T>(&self, read: impl Fn(&Form) -> T) -> Vec<T> {
        // SAFETY: as the caller vouches; the list is pinned until it is dropped.
        unsafe {
            let count = usize::try_from((*self.0).n_members).unwrap_or(0);
            let members = (*self.0).members.as_slice(count);
            members
                .iter()
                .map(|&member| read(&*pg_sys::GETSTRUCT(&raw mut (*member).tuple).cast::<Form>()))
                .collect()
        }
    }
}

impl Drop for CacheList {
    fn drop(&mut self) {
        // SAFETY: found above; on ERROR the resource owner would have done it, but nothing in between raises.
        unsafe { pg_sys::ReleaseCatCacheList(self.0) };
    }
}

/// One way to search by an operator.
struct Strategy {
    method: pg_sys::Oid,
    family: pg_sys::Oid,
    left_type: pg_sys::Oid,
    number: i16,
}

fn strategies(operator: pg_sys::Oid) -> Vec<Strategy> {
    if operator == pg_sys::InvalidOid {
        return Vec::new();
    }
    let rows = CacheList::of(pg_sys::SysCacheIdentifier::AMOPOPID, operator);
    // SAFETY: the rows are of pg_amop.
    let all = unsafe {
        rows.map(|row: &pg_sys::FormData_pg_amop| {
            let strategy = Strategy {
                method: row.amopmethod,
                family: row.amopfamily,
                left_type: row.amoplefttype,
                number: row.amopstrategy,
            };
            (row.amoppurpose as u8 == b's').then_some(strategy)
        })
    };
    all.into_iter().flatten().collect()
}

/// How an operator compares, as a B-tree sees it.
pub fn kind(operator: pg_sys::Oid) -> ClauseKind {
    let of_btree = strategies(operator).into_iter().find(|strategy| strategy.method == pg_sys::BTREE_AM_OID);
    match of_btree {
        Some(strategy) if strategy.number == EQUAL => ClauseKind::Equality,
        Some(_) => ClauseKind::Range,
        None => ClauseKind::Other,
    }
}

/// An access method that can be sized.
pub fn method(oid: pg_sys::Oid) -> Option<Method> {
    match oid {
        pg_sys::BTREE_AM_OID => Some(Method::Btree),
        pg_sys::HASH_AM_OID => Some(Method::Hash),
        pg_sys::BRIN_AM_OID => Some(Method::Brin),
        pg_sys::GIN_AM_OID => Some(Method::Gin),
        pg_sys::GIST_AM_OID => Some(Method::Gist),
        _ => None,
    }
}

/// The access methods that can search `compared operator value`. Where a B-tree can, the inverted and the generalised
/// trees that can as well are left out: they are larger and slower at it.
pub fn of(operator: pg_sys::Oid, compared: *mut pg_sys::Node, collation: pg_sys::Oid) -> Vec<Support> {
    // SAFETY: an expression of the planner.
    let (key_type, own_collation) = unsafe { (pg_sys::exprType(compared), pg_sys::exprCollation(compared)) };
    let collation = (collation != own_collation && collation != pg_sys::InvalidOid)
        .then(|| collation_name(collation))
        .flatten();
    let mut found = Vec::new();
    for strategy in strategies(operator) {
        let Some(method) = method(strategy.method) else { continue };
        let Some(operator_class) = class(&strategy, key_type) else { continue };
        found.push(Support { method, operator_class, collation: collation.clone() });
    }
    let is_plain = |support: &Support| support.method == Method::Btree && support.operator_class.is_none();
    if found.iter().any(is_plain) {
        found.retain(|support| {
            support.operator_class.is_none()
                && matches!(support.method, Method::Btree | Method::Hash | Method::Brin)
        });
    }
    found.sort();
    found.dedup();
    found
}

/// The B-tree that IS NULL and booleans are searched by; none where the type has no order.
pub fn default_btree(compared: *mut pg_sys::Node) -> Vec<Support> {
    // SAFETY: an expression of the planner; a look-up in the catalogs.
    let class = unsafe { pg_sys::GetDefaultOpClass(pg_sys::exprType(compared), pg_sys::BTREE_AM_OID) };
    if class == pg_sys::InvalidOid {
        return Vec::new();
    }
    vec![Support { method: Method::Btree, operator_class: None, collation: None }]
}

/// Whether the key's own collation compares byte by byte.
pub fn compares_bytes(compared: *mut pg_sys::Node) -> bool {
    // SAFETY: an expression of the planner; a look-up in the catalogs.
    unsafe {
        let collation = pg_sys::exprCollation(compared);
        collation != pg_sys::InvalidOid && server::compares_bytes(collation)
    }
}

/// The operator class that brings a key of this type into the family: `Some(None)` for the default one, `None` for
/// none.
fn class(strategy: &Strategy, key_type: pg_sys::Oid) -> Option<Option<String>> {
    // SAFETY: look-ups in the catalogs.
    unsafe {
        let default = pg_sys::GetDefaultOpClass(key_type, strategy.method);
        if default != pg_sys::InvalidOid && pg_sys::get_opclass_family(default) == strategy.family {
            return Some(None);
        }
        let name = class_name(strategy.method, strategy.family, strategy.left_type)?;
        pg_sys::IsBinaryCoercible(key_type, strategy.left_type).then_some(Some(name))
    }
}

/// The operator class of a family and input type, qualified and quoted; `None` for the default one of the key's type.
pub fn class_of_family(
    method: pg_sys::Oid,
    family: pg_sys::Oid,
    input_type: pg_sys::Oid,
    key_type: pg_sys::Oid,
) -> Option<String> {
    // SAFETY: look-ups in the catalogs.
    let is_default = unsafe {
        let default = pg_sys::GetDefaultOpClass(key_type, method);
        default != pg_sys::InvalidOid && pg_sys::get_opclass_family(default) == family
    };
    if is_default { None } else { class_name(method, family, input_type) }
}

/// An operator class by its bare name, qualified and quoted.
pub fn class_named(method: pg_sys::Oid, wanted: &str) -> Option<String> {
    let rows = CacheList::of(pg_sys::SysCacheIdentifier::CLAAMNAMENSP, method);
    // SAFETY: the rows are of pg_opclass.
    let named = unsafe {
        rows.map(|row: &pg_sys::FormData_pg_opclass| {
            let name = text_of(CStr::from_ptr(row.opcname.data.as_ptr()).to_bytes());
            (&*name == wanted).then_some(row.opcnamespace)
        })
    };
    named.into_iter().flatten().next().map(|namespace| qualified(wanted, namespace))
}

fn class_name(method: pg_sys::Oid, family: pg_sys::Oid, input_type: pg_sys::Oid) -> Option<String> {
    let rows = CacheList::of(pg_sys::SysCacheIdentifier::CLAAMNAMENSP, method);
    // SAFETY: the rows are of pg_opclass.
    let named = unsafe {
        rows.map(|row: &pg_sys::FormData_pg_opclass| {
            let fits = row.opcfamily == family && row.opcintype == input_type;
            let name = text_of(CStr::from_ptr(row.opcname.data.as_ptr()).to_bytes());
            fits.then_some((name, row.opcnamespace))
        })
    };
    let (name, namespace) = named.into_iter().flatten().next()?;
    Some(qualified(&name, namespace))
}

fn qualified(name: &str, namespace: pg_sys::Oid) -> String {
    if namespace.to_u32() == pg_sys::PG_CATALOG_NAMESPACE {
        return quote_identifier(name);
    }
    // SAFETY: a look-up in the catalogs that may find nothing.
    let schema = unsafe {
        let schema = pg_sys::get_namespace_name(namespace);
        if schema.is_null() {
            return quote_identifier(name);
        }
        text_of(CStr::from_ptr(schema).to_bytes())
    };
    quote_qualified(&schema, name)
}

/// A collation's name, qualified and quoted.
pub fn collation_name(collation: pg_sys::Oid) -> Option<String> {
    // SAFETY: the row is pinned while its fields are copied out.
    unsafe {
        let row = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::COLLOID as i32,
            pg_sys::Datum::from(collation),
        );
        if row.is_null() {
            return None;
        }
        let form = &*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_collation>();
        let name = text_of(CStr::from_ptr(form.collname.data.as_ptr()).to_bytes());
        let namespace = form.collnamespace;
        pg_sys::ReleaseSysCache(row);
        Some(qualified(&name, namespace))
    }
}
