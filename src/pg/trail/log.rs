//! The tables of the log, written and read without SQL. Since nobody checks what is written this way, a table must be
//! exactly what it was made as, or nothing is written.

use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::ptr::null_mut;

use pgrx::{PgSqlErrorCode, pg_sys};
use rustc_hash::FxHashSet;

use super::column::Value;
use super::descriptor::{attribute, count, name_bytes};
use super::{bare, indexes, place, redaction};
use crate::catalog::trail::layout::{SCHEMA, TABLES, Table};
use crate::pg::error::raise;
use crate::pg::run::owner::owner;

thread_local! {
    /// Tables that were found to be as they should.
    static VERIFIED: RefCell<FxHashSet<pg_sys::Oid>> = RefCell::default();
    /// Relations of the log that were found.
    static FOUND: RefCell<Vec<(Box<str>, pg_sys::Oid)>> = const { RefCell::new(Vec::new()) };
    /// Grows when something may have become stale.
    static CHANGES: Cell<u64> = const { Cell::new(0) };
}

/// A table changed; 0: any may have.
pub fn forget(relation: pg_sys::Oid) {
    CHANGES.set(CHANGES.get() + 1);
    place::forget(relation);
    indexes::forget(relation);
    FOUND.with_borrow_mut(|found| {
        if relation == pg_sys::InvalidOid {
            found.clear();
        } else {
            found.retain(|&(_, oid)| oid != relation);
        }
    });
    VERIFIED.with_borrow_mut(|verified| {
        if relation == pg_sys::InvalidOid {
            verified.clear();
            redaction::forget();
        } else if verified.remove(&relation) {
            // It may be another log by now.
            redaction::forget();
        }
    });
}

/// Grows whenever something remembered may have become stale.
pub fn changes() -> u64 {
    CHANGES.get()
}

/// Whether a schema is that of the log.
pub fn is_ours(schema: &str) -> bool {
    schema == SCHEMA
}

/// A table is not as it was made.
pub fn refuse(name: &str, why: &str) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        &format!("cannot write to {SCHEMA}.{name}, which is not as dbmastery made it"),
        why,
        "Put it back, or take the audit triggers away with dbm.remove_audit_trigger().",
    )
}

/// The number of a relation of the log; 0 where there is none.
///
/// # Safety
/// Within a transaction.
unsafe fn find(name: &str) -> pg_sys::Oid {
    let known =
        FOUND.with_borrow(|found| found.iter().find(|(known, _)| **known == *name).map(|&(_, oid)| oid));
    if let Some(oid) = known {
        return oid;
    }
    let before = CHANGES.get();
    let schema = CString::new(SCHEMA).unwrap_or_default();
    let relation = CString::new(name).unwrap_or_default();
    // SAFETY: look-ups of C strings.
    let oid = unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        if schema == pg_sys::InvalidOid {
            return pg_sys::InvalidOid;
        }
        pg_sys::get_relname_relid(relation.as_ptr(), schema)
    };
    if oid != pg_sys::InvalidOid && CHANGES.get() == before {
        FOUND.with_borrow_mut(|found| found.push((name.into(), oid)));
    }
    oid
}

/// The number of a relation of the log, which must be there.
pub fn find_or_raise(name: &str) -> pg_sys::Oid {
    // SAFETY: within a transaction.
    let found = unsafe { find(name) };
    if found == pg_sys::InvalidOid {
        missing(name);
    }
    found
}

/// The number of a relation of the log, and whose it is.
pub fn find_with_owner(name: &str) -> Option<(pg_sys::Oid, pg_sys::Oid)> {
    // SAFETY: within a transaction; look-ups.
    unsafe {
        let found = find(name);
        let owner =
            owner_of(pg_sys::SysCacheIdentifier::RELOID, found, |class: &pg_sys::FormData_pg_class| {
                class.relowner
            })?;
        Some((found, owner))
    }
}

fn missing(name: &str) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
        &format!("{SCHEMA}.{name}, a part of the log of the audit trail, does not exist"),
        "A change that the log does not have must not be.",
        "Restore the log from a backup, or take the audit triggers away with dbm.remove_audit_trigger().",
    )
}

/// A relation of the log that is open. The lock stays to the end of the transaction.
pub struct Open {
    pub relation: pg_sys::Relation,
}

impl Drop for Open {
    fn drop(&mut self) {
        // While an ERROR unwinds, the resource owner closes it.
        if !std::thread::panicking() {
            // SAFETY: opened by us, closed once.
            unsafe { bare::close(self.relation) };
        }
    }
}

/// Which rows are looked for.
pub struct Key<'a> {
    /// The index, which may be gone.
    pub index: &'static str,
    /// Of its columns, the first first: the number in the table, what tells that values are equal, and the value.
    pub columns: &'a [(pg_sys::AttrNumber, u32, pg_sys::Datum)],
}

impl Open {
    /// Opens a table of the log.
    pub fn by_name(name: &str, lock: pg_sys::LOCKMODE) -> Self {
        Self::if_there(name, lock).unwrap_or_else(|| missing(name))
    }

    /// As [`Self::by_name`]; `None` where there is none.
    pub fn if_there(name: &str, lock: pg_sys::LOCKMODE) -> Option<Self> {
        // SAFETY: within a transaction.
        unsafe {
            let found = find(name);
            if found == pg_sys::InvalidOid {
                return None;
            }
            Some(Self::by_oid(found, lock))
        }
    }

    /// # Safety
    /// The number of a relation of the log.
    pub unsafe fn by_oid(oid: pg_sys::Oid, lock: pg_sys::LOCKMODE) -> Self {
        // SAFETY: as the caller vouches.
        unsafe { Self { relation: pg_sys::table_open(oid, lock) } }
    }

    /// Reads rows as they are now. What `see` is shown lives until it returns.
    ///
    /// # Safety
    /// `see` reads the columns as what they are.
    pub unsafe fn scan(&self, key: Option<Key<'_>>, mut see: impl FnMut(&[Value])) {
        // SAFETY: the relation is open; the key is copied by the scan.
        unsafe {
            let mut keys: Vec<pg_sys::ScanKeyData> = Vec::new();
            let mut index = pg_sys::InvalidOid;
            if let Some(key) = key {
                for &(attribute, equality, value) in key.columns {
                    let mut wanted = pg_sys::ScanKeyData::default();
                    pg_sys::ScanKeyInit(
                        &raw mut wanted,
                        attribute,
                        pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                        pg_sys::Oid::from(equality),
                        value,
                    );
                    keys.push(wanted);
                }
                index = find(key.index);
            }
            let scan = pg_sys::systable_beginscan(
                self.relation,
                index,
                index != pg_sys::InvalidOid,
                null_mut(),
                keys.len() as i32,
                keys.as_mut_ptr(),
            );
            let descriptor = (*self.relation).rd_att;
            let columns = count(descriptor);
            let mut values = vec![pg_sys::Datum::null(); columns];
            let mut nulls = vec![true; columns];
            loop {
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() {
                    break;
                }
                pg_sys::heap_deform_tuple(tuple, descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
                let row: Vec<Value> =
                    values.iter().zip(&nulls).map(|(&value, &is_null)| (!is_null).then_some(value)).collect();
                see(&row);
            }
            pg_sys::systable_endscan(scan);
        }
    }
}

fn type_oid(name: &str) -> pg_sys::Oid {
    match name {
        "bigint" => pg_sys::INT8OID,
        "integer" => pg_sys::INT4OID,
        "oid" => pg_sys::OIDOID,
        "text" => pg_sys::TEXTOID,
        "text[]" => pg_sys::TEXTARRAYOID,
        "timestamp with time zone" => pg_sys::TIMESTAMPTZOID,
        "jsonb" => pg_sys::JSONBOID,
        "inet" => pg_sys::INETOID,
        "\"char\"" => pg_sys::CHAROID,
        _ => pg_sys::InvalidOid,
    }
}

/// Raises unless the relation, the table itself or a partition of it, is as it was made.
///
/// # Safety
/// It is open.
pub unsafe fn verify(relation: pg_sys::Relation, table: &Table) {
    // SAFETY: as the caller vouches.
    unsafe {
        let oid = (*relation).rd_id;
        if VERIFIED.with_borrow(|verified| verified.contains(&oid)) {
            return;
        }
        let class = &*(*relation).rd_rel;
        let name = String::from_utf8_lossy(name_bytes(&class.relname)).into_owned();
        if class.relowner != owner() {
            refuse(&name, "It belongs to somebody else than dbmastery does.");
        }
        let kind = class.relkind as u8;
        let is_parent = kind == pg_sys::RELKIND_PARTITIONED_TABLE && table.partitioned_by.is_some();
        if !is_parent && kind != pg_sys::RELKIND_RELATION {
            refuse(&name, "It is no table.");
        }
        if !is_parent && class.relam != pg_sys::HEAP_TABLE_AM_OID {
            refuse(&name, "Its access method is not heap.");
        }
        if class.relpersistence as u8 != pg_sys::RELPERSISTENCE_PERMANENT {
            refuse(&name, "It would not outlive a crash.");
        }
        let descriptor = (*relation).rd_att;
        for (place, column) in table.columns.iter().enumerate() {
            let is_right = place < count(descriptor) && {
                let attribute = attribute(descriptor, place);
                !attribute.attisdropped
                    && name_bytes(&attribute.attname) == column.name.as_bytes()
                    && attribute.atttypid == type_oid(column.type_name)
                    && attribute.attgenerated == 0
            };
            if !is_right {
                refuse(
                    &name,
                    &format!("Column {} should be {} of type {}.", place + 1, column.name, column.type_name),
                );
            }
        }
        for place in table.columns.len()..count(descriptor) {
            let attribute = attribute(descriptor, place);
            if !attribute.attisdropped && attribute.attnotnull {
                refuse(&name, "It has a column more, which must not be null.");
            }
        }
        VERIFIED.with_borrow_mut(|verified| verified.insert(oid));
    }
}

/// Whether there is a log, made by the extension's owner. Statements of ours on it run with that owner's rights: on tables
/// of somebody else they would run whatever those have for triggers.
pub fn is_there() -> bool {
    // SAFETY: look-ups in the system caches.
    unsafe {
        let registry = find(TABLES[0].name);
        if registry == pg_sys::InvalidOid {
            return false;
        }
        let owner = owner();
        let schema = pg_sys::get_rel_namespace(registry);
        owner_of(pg_sys::SysCacheIdentifier::RELOID, registry, |class: &pg_sys::FormData_pg_class| {
            class.relowner
        }) == Some(owner)
            && owner_of(
                pg_sys::SysCacheIdentifier::NAMESPACEOID,
                schema,
                |schema: &pg_sys::FormData_pg_namespace| schema.nspowner,
            ) == Some(owner)
    }
}

/// # Safety
/// `T` must be what the rows of that cache are.
unsafe fn owner_of<T>(
    cache: pg_sys::SysCacheIdentifier::Type,
    oid: pg_sys::Oid,
    owner: impl Fn(&T) -> pg_sys::Oid,
) -> Option<pg_sys::Oid> {
    // SAFETY: as the caller vouches; the tuple is released after it was read.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(cache as i32, oid.into());
        if tuple.is_null() {
            return None;
        }
        let owner = owner(&*pg_sys::GETSTRUCT(tuple).cast::<T>());
        pg_sys::ReleaseSysCache(tuple);
        Some(owner)
    }
}
