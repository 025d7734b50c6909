//! Definitions in the server's own words, asked for one at a time and without ever waiting for a lock.

use std::cell::OnceCell;

use pgrx::pg_sys;
use rustc_hash::FxHashMap;

use crate::catalog::{ColumnNumber, FileLocation, Index, Moment, Oid, Snapshot};
use crate::finding::{Definitions, LeafDensity};
use crate::pg::scan::{in_scratch_memory, text_of_c_string};
use crate::pg::{file, leaf_density};
use crate::text::quote_identifier;

/// Asks the running server.
pub struct LiveDefinitions<'a> {
    snapshot: &'a Snapshot,
    /// The table of every index and constraint, made when the first one is asked for.
    tables: OnceCell<FxHashMap<(Kind, Oid), Oid>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Index,
    Constraint,
}

impl<'a> LiveDefinitions<'a> {
    /// For the objects of this snapshot.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, tables: OnceCell::new() }
    }

    fn table_of(&self, kind: Kind, object: Oid) -> Option<Oid> {
        let tables = self.tables.get_or_init(|| {
            let indexes = self.snapshot.indexes.iter().map(|index| ((Kind::Index, index.oid), index.table));
            let constraints = self.snapshot.constraints.iter();
            let constraints = constraints.map(|found| ((Kind::Constraint, found.oid), found.table));
            indexes.chain(constraints).collect()
        });
        tables.get(&(kind, object)).copied()
    }
}

/// Runs `ask` with AccessShareLock on a relation if that can be had at once and the relation still exists.
///
/// Deparsing an expression opens its table; without this it would queue behind an ALTER TABLE.
pub fn while_locked<T>(relation: Oid, ask: impl FnOnce() -> Option<T>) -> Option<T> {
    let oid = pg_sys::Oid::from(relation);
    let mode = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: the lock is released below; on ERROR the (sub)transaction releases it.
    if !unsafe { pg_sys::ConditionalLockRelationOid(oid, mode) } {
        return None;
    }
    let answer = if exists(pg_sys::SysCacheIdentifier::RELOID, relation) { ask() } else { None };
    // SAFETY: taken above.
    unsafe { pg_sys::UnlockRelationOid(oid, mode) };
    answer
}

fn exists(cache: pg_sys::SysCacheIdentifier::Type, oid: Oid) -> bool {
    let none = pg_sys::Datum::from(0);
    // SAFETY: a syscache look-up by OID.
    unsafe {
        pg_sys::SearchSysCacheExists(
            cache as _,
            pg_sys::Datum::from(pg_sys::Oid::from(oid)),
            none,
            none,
            none,
        )
    }
}

/// Hands the cached row of a column to `read`; `None` when there is no such column.
fn of_attribute<T>(
    relation: Oid,
    column: ColumnNumber,
    read: impl FnOnce(pg_sys::HeapTuple) -> T,
) -> Option<T> {
    // SAFETY: a syscache look-up, released after it was read.
    unsafe {
        let tuple = pg_sys::SearchSysCache2(
            pg_sys::SysCacheIdentifier::ATTNUM as _,
            pg_sys::Datum::from(pg_sys::Oid::from(relation)),
            pg_sys::Datum::from(column),
        );
        if tuple.is_null() {
            return None;
        }
        let found = read(tuple);
        pg_sys::ReleaseSysCache(tuple);
        Some(found)
    }
}

impl Definitions for LiveDefinitions<'_> {
    fn index(&self, index: Oid) -> Option<String> {
        let table = self.table_of(Kind::Index, index)?;
        let known = self.snapshot.indexes_of(table).iter().find(|known| known.oid == index)?;
        if let Some(definition) = self.snapshot.plain_index_definition(known) {
            return Some(definition);
        }
        while_locked(table, || {
            if !exists(pg_sys::SysCacheIdentifier::INDEXRELID, index) {
                return None;
            }
            // SAFETY: the index exists and cannot go while its table is locked.
            let definition = in_scratch_memory(|| unsafe {
                text_of_c_string(pg_sys::pg_get_indexdef_string(pg_sys::Oid::from(index)))
            })?;
            if known.is_partitioned {
                // The server writes it as it would be created on the whole tree.
                let name = quote_identifier(&known.name);
                let whole = format!("INDEX {name} ON ");
                return Some(definition.replacen(&whole, &format!("{whole}ONLY "), 1));
            }
            Some(String::from(definition))
        })
    }

    fn constraint(&self, constraint: Oid) -> Option<String> {
        let table = self.table_of(Kind::Constraint, constraint)?;
        while_locked(table, || {
            if !exists(pg_sys::SysCacheIdentifier::CONSTROID, constraint) {
                return None;
            }
            // SAFETY: the constraint exists and cannot go while its table is locked; the function takes one OID.
            in_scratch_memory(|| unsafe {
                let definition = pg_sys::OidFunctionCall1Coll(
                    pg_sys::F_PG_GET_CONSTRAINTDEF_OID,
                    pg_sys::InvalidOid,
                    pg_sys::Datum::from(pg_sys::Oid::from(constraint)),
                );
                text_of_c_string(pg_sys::text_to_cstring(definition.cast_mut_ptr()))
            })
            .map(String::from)
        })
    }

    fn type_name(&self, type_oid: Oid, modifier: i32) -> Option<String> {
        // SAFETY: an unknown type comes back as "???"; nothing is opened.
        in_scratch_memory(|| unsafe {
            text_of_c_string(pg_sys::format_type_with_typemod(pg_sys::Oid::from(type_oid), modifier))
        })
        .map(String::from)
        .filter(|name| !name.contains("???"))
    }

    fn comment(&self, class: Oid, object: Oid) -> Option<String> {
        // SAFETY: scans pg_description; null where there is no comment.
        in_scratch_memory(|| unsafe {
            text_of_c_string(pg_sys::GetComment(pg_sys::Oid::from(object), pg_sys::Oid::from(class), 0))
        })
        .map(String::from)
    }

    fn statistics_target(&self, relation: Oid, column: ColumnNumber) -> Option<i16> {
        let target = of_attribute(relation, column, |tuple| {
            let mut is_null = false;
            // SAFETY: the tuple is of this cache. Four bytes wide until 15 and two from 16 on; it is never above 10,000.
            let target = unsafe {
                pg_sys::SysCacheGetAttr(
                    pg_sys::SysCacheIdentifier::ATTNUM as _,
                    tuple,
                    pg_sys::Anum_pg_attribute_attstattarget as pg_sys::AttrNumber,
                    &raw mut is_null,
                )
            };
            (!is_null).then_some(target.value() as i16)
        })?;
        target.filter(|&target| target >= 0)
    }

    fn has_own_storage(&self, table: Oid, column: ColumnNumber) -> bool {
        of_attribute(table, column, |tuple| {
            // SAFETY: the tuple is of this cache; the type's storage is looked up in another one.
            unsafe {
                let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_attribute>();
                form.attcompression != 0 || form.attstorage != pg_sys::get_typstorage(form.atttypid)
            }
        })
        .unwrap_or(false)
    }

    fn file_bytes(&self, file: FileLocation) -> Option<u64> {
        file::bytes(file)
    }

    fn relation_bytes(&self, file: FileLocation) -> Option<u64> {
        file::bytes_of_all_forks(file)
    }

    fn leaf_density(&self, index: &Index) -> Option<LeafDensity> {
        leaf_density::sample(index)
    }

    fn function_signature(&self, function: Oid) -> Option<String> {
        in_scratch_memory(|| crate::pg::snapshot::security::signature(function)).map(String::from)
    }

    fn password_is(&self, role: Oid, word: &str) -> Option<bool> {
        crate::pg::security::password::opens(role, word)
    }

    fn file_created(&self, file: FileLocation) -> Option<Moment> {
        file::made(file)
    }
}
