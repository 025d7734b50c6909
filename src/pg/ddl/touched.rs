//! Relations that a statement touches, looked up without a lock.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::cache::{class, relation_name, row, schema_name};
use super::created::is_created_here;
use super::size;
use crate::catalog::Persistence;
use crate::catalog::ddl::{Touched, TouchedKind};
use crate::pg::roles::may_see_statistics_of;
use crate::pg::scan::{CatalogScan, text_of_name};

const INHERITS: u32 = 2611;
/// `pg_inherits_relid_seqno_index`.
const INHERITS_BY_CHILD: u32 = 2680;
/// `pg_inherits_parent_index`.
const INHERITS_BY_PARENT: u32 = 2187;

/// A relation by its name as it is written; `None` where it is not there, or where the caller may not look into the
/// schema: of that, the server will speak. ONLY before the name leaves its partitions and children out.
///
/// # Safety
/// The name must be a node of the parser.
pub unsafe fn named(name: *const pg_sys::RangeVar) -> Option<Touched> {
    // SAFETY: as the caller vouches.
    unsafe {
        let relation = find(name)?;
        if (*name).inh { of(relation) } else { alone(relation) }
    }
}

/// The OID of a relation by its name as it is written, found as the server finds it, without a lock and without an
/// error.
///
/// # Safety
/// The name must be a node of the parser.
pub unsafe fn find(name: *const pg_sys::RangeVar) -> Option<pg_sys::Oid> {
    // SAFETY: the caller vouches for the node, whose names are C strings or null.
    unsafe {
        if name.is_null() || (*name).relname.is_null() {
            return None;
        }
        // What others committed since this statement began; the server asks when it locks, and we do not lock.
        pg_sys::AcceptInvalidationMessages();
        let is_elsewhere = !(*name).catalogname.is_null() && {
            let database = pg_sys::get_database_name(pg_sys::MyDatabaseId);
            database.is_null() || CStr::from_ptr(database) != CStr::from_ptr((*name).catalogname)
        };
        if is_elsewhere {
            return None;
        }
        let relation = if (*name).schemaname.is_null() {
            pg_sys::RelnameGetRelid((*name).relname)
        } else {
            pg_sys::get_relname_relid((*name).relname, usable_schema((*name).schemaname)?)
        };
        (relation != pg_sys::InvalidOid).then_some(relation)
    }
}

/// A schema by its name, if it is there and the caller may look into it.
///
/// # Safety
/// The name must be a C string.
pub unsafe fn usable_schema(name: *const std::ffi::c_char) -> Option<pg_sys::Oid> {
    // SAFETY: as the caller vouches.
    let schema = unsafe { pg_sys::LookupNamespaceNoError(name) };
    (schema != pg_sys::InvalidOid && may_use_schema(schema)).then_some(schema)
}

fn may_use_schema(schema: pg_sys::Oid) -> bool {
    let usage = pg_sys::ACL_USAGE as pg_sys::AclMode;
    // SAFETY: looks privileges up in the catalogs.
    let answer = unsafe {
        #[cfg(feature = "pg15")]
        let answer = pg_sys::pg_namespace_aclcheck(schema, pg_sys::GetUserId(), usage);
        #[cfg(not(feature = "pg15"))]
        let answer = pg_sys::object_aclcheck(pg_sys::NamespaceRelationId, schema, pg_sys::GetUserId(), usage);
        answer
    };
    answer == pg_sys::AclResult::ACLCHECK_OK
}

/// A relation by its OID, with its partitions and children; `None` where it is gone.
pub fn of(relation: pg_sys::Oid) -> Option<Touched> {
    described(relation, &tree(relation))
}

/// The same twice: with its partitions and children, and without.
pub fn of_and_alone(relation: pg_sys::Oid) -> Option<(Touched, Touched)> {
    let members = tree(relation);
    let whole = described(relation, &members)?;
    if members.len() == 1 {
        return Some((whole.clone(), whole));
    }
    let mut by_itself = described(relation, &[relation])?;
    if by_itself.kind == TouchedKind::PartitionedTable {
        by_itself.is_empty = whole.is_empty;
    }
    Some((whole, by_itself))
}

/// A relation by its OID, without its partitions and children.
pub fn alone(relation: pg_sys::Oid) -> Option<Touched> {
    let mut touched = described(relation, &[relation])?;
    if touched.kind == TouchedKind::PartitionedTable {
        // It holds nothing itself, and is empty only if all its partitions are.
        touched.is_empty = size::of(relation, &tree(relation)).is_empty;
    }
    Some(touched)
}

fn described(relation: pg_sys::Oid, members: &[pg_sys::Oid]) -> Option<Touched> {
    let keys = [pg_sys::Datum::from(relation)];
    let (mut touched, owner, may_inherit) = row(pg_sys::SysCacheIdentifier::RELOID, &keys, |tuple| {
        // SAFETY: the row of pg_class.
        let (form, is_created_here) = unsafe {
            let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>();
            (form, is_created_here(relation, tuple))
        };
        let touched = Touched {
            oid: relation.to_u32(),
            schema: schema_name(form.relnamespace)?,
            name: text_of_name(&form.relname).into(),
            kind: kind_of(form.relkind),
            persistence: persistence_of(form.relpersistence),
            is_created_here,
            is_partition: form.relispartition,
            ..Touched::default()
        };
        Some((touched, form.relowner, form.relispartition || form.relkind as u8 == b'r'))
    })??;
    let size = size::of(relation, members);
    touched.bytes = size.bytes;
    touched.index_bytes = size.index_bytes;
    touched.indexes = size.indexes;
    touched.is_empty = size.is_empty;
    touched.hides_size = !may_see_statistics_of(owner);
    if !touched.hides_size {
        touched.rows = size.rows;
        touched.uses = size.uses;
    }
    if matches!(touched.kind, TouchedKind::PartitionedTable | TouchedKind::PartitionedIndex) {
        touched.partitions = size.leaves;
    }
    if may_inherit {
        touched.parent = parent(relation).and_then(relation_name);
    }
    // SAFETY: a look-up in pg_depend.
    let extension = unsafe { pg_sys::getExtensionOfObject(pg_sys::RelationRelationId, relation) };
    touched.is_extension_member = extension != pg_sys::InvalidOid;
    Some(touched)
}

/// A kind by its letter in `pg_class`.
pub fn kind_of(letter: std::ffi::c_char) -> TouchedKind {
    match letter as u8 {
        b'p' => TouchedKind::PartitionedTable,
        b'i' => TouchedKind::Index,
        b'I' => TouchedKind::PartitionedIndex,
        b'v' => TouchedKind::View,
        b'm' => TouchedKind::MaterializedView,
        b'S' => TouchedKind::Sequence,
        b'f' => TouchedKind::ForeignTable,
        b'c' => TouchedKind::CompositeType,
        _ => TouchedKind::Table,
    }
}

fn persistence_of(letter: std::ffi::c_char) -> Persistence {
    match letter as u8 {
        b'u' => Persistence::Unlogged,
        b't' => Persistence::Temporary,
        _ => Persistence::Permanent,
    }
}

/// A relation and all partitions and children below it, the relation first.
pub fn tree(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let mut members = vec![relation];
    let mut position = 0;
    while let Some(&member) = members.get(position) {
        position += 1;
        let may_have_children =
            class(member, |form| form.relhassubclass || form.relkind as u8 == b'I').unwrap_or(false);
        if may_have_children {
            for child in children(member) {
                // A table may inherit from two parents of one tree.
                if !members.contains(&child) {
                    members.push(child);
                }
            }
        }
    }
    members
}

/// The direct partitions or children.
pub fn children(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let mut scan = CatalogScan::keyed(INHERITS, INHERITS_BY_PARENT, &[(2, relation.to_u32())]);
    let child = scan.attribute(c"inhrelid");
    let mut found = Vec::new();
    while let Some(row) = scan.next_row() {
        found.push(pg_sys::Oid::from(row.oid(child)));
    }
    found
}

/// The first parent.
pub fn parent(relation: pg_sys::Oid) -> Option<pg_sys::Oid> {
    let mut scan = CatalogScan::keyed(INHERITS, INHERITS_BY_CHILD, &[(1, relation.to_u32())]);
    let parent = scan.attribute(c"inhparent");
    scan.next_row().map(|row| pg_sys::Oid::from(row.oid(parent)))
}
