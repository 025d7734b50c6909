//! DROP of what has other objects in it, and of the rest.

use pgrx::pg_sys;

use super::dependents;
use super::names::{pointers, quoted, strings, tag, text};
use super::remove::{also_lock_all, dropped, without_relation};
use crate::catalog::ddl::{Action, Dependent, DropObject, DroppedKind, Kind};
use crate::pg::ddl::cache;
use crate::pg::scan::{CatalogScan, text_of_c_string};
use crate::text::quote_identifier;

const SHARED_DEPEND: u32 = 1214;
/// `pg_shdepend_reference_index`.
const SHARED_DEPEND_BY_REFERENCE: u32 = 1233;

/// # Safety
/// Nodes that live through the call.
unsafe fn string_of(object: *mut pg_sys::Node) -> String {
    // SAFETY: the tag says what the node is.
    unsafe {
        if tag(object) == pg_sys::NodeTag::T_String {
            text((*object.cast::<pg_sys::String>()).sval)
        } else {
            String::new()
        }
    }
}

/// # Safety
/// Nodes that live through the call.
pub unsafe fn schema(statement: *const pg_sys::DropStmt, object: *mut pg_sys::Node) -> Action {
    // SAFETY: as the caller vouches.
    unsafe {
        let name = string_of(object);
        let dropped = dropped(statement, DroppedKind::Schema, quote_identifier(&name));
        let found = cache::c_name(&name)
            .map(|name| pg_sys::get_namespace_oid(name.as_ptr(), true))
            .filter(|&found| found != pg_sys::InvalidOid);
        let Some(found) = found else {
            return without_relation(dropped, true);
        };
        contents(dropped, pg_sys::NamespaceRelationId, found)
    }
}

/// # Safety
/// Nodes that live through the call.
pub unsafe fn extension(statement: *const pg_sys::DropStmt, object: *mut pg_sys::Node) -> Action {
    // SAFETY: as the caller vouches.
    unsafe {
        let name = string_of(object);
        let dropped = dropped(statement, DroppedKind::Extension, quote_identifier(&name));
        let found = cache::c_name(&name)
            .map(|name| pg_sys::get_extension_oid(name.as_ptr(), true))
            .filter(|&found| found != pg_sys::InvalidOid);
        match found {
            Some(found) => contents(dropped, pg_sys::ExtensionRelationId, found),
            None => without_relation(dropped, true),
        }
    }
}

/// An object that is there, with what is in it.
fn contents(mut object: DropObject, class: pg_sys::Oid, found: pg_sys::Oid) -> Action {
    object.is_there = true;
    let closure = dependents::of(class, found, &dependents::Together::default());
    object.dependents = closure.named;
    let is_cascade = object.is_cascade;
    let mut action = without_relation(object, true);
    if is_cascade {
        also_lock_all(&mut action, &closure.relations);
    }
    action
}

/// Anything else: nobody looks whether it is there.
///
/// # Safety
/// Nodes that live through the call.
pub unsafe fn other(statement: *const pg_sys::DropStmt, object: *mut pg_sys::Node) -> Action {
    // SAFETY: as the caller vouches.
    unsafe {
        let name = match tag(object) {
            pg_sys::NodeTag::T_List => quoted(&strings(object.cast())),
            pg_sys::NodeTag::T_String => quote_identifier(&string_of(object)),
            _ => String::new(),
        };
        let mut object = dropped(statement, DroppedKind::Other, name);
        object.is_there = !(*statement).missing_ok;
        let mut action = Action::new(Kind::Drop(object));
        action.is_qualified = true;
        action
    }
}

/// DROP DATABASE.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn database(statement: *mut pg_sys::DropdbStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let name = quote_identifier(&text((*statement).dbname));
        let object = DropObject {
            is_there: pg_sys::get_database_oid((*statement).dbname, true) != pg_sys::InvalidOid,
            ..DropObject::new(DroppedKind::Database, &name)
        };
        vec![without_relation(object, true)]
    }
}

/// DROP OWNED, one action a role.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn owned(statement: *mut pg_sys::DropOwnedStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches; a role may not be there.
    unsafe {
        let is_cascade = (*statement).behavior == pg_sys::DropBehavior::DROP_CASCADE;
        pointers::<pg_sys::RoleSpec>((*statement).roles)
            .into_iter()
            .filter(|&role| (*role).roletype != pg_sys::RoleSpecType::ROLESPEC_PUBLIC)
            .map(|role| {
                let found = pg_sys::get_rolespec_oid(role, true);
                let name = text_of_c_string(pg_sys::GetUserNameFromId(found, true)).map(String::from);
                let name = name.unwrap_or_else(|| text((*role).rolename));
                let is_there = found != pg_sys::InvalidOid;
                let (dependents, relations) = if is_there { owned_by(found) } else { Default::default() };
                let object = DropObject {
                    is_there,
                    is_cascade,
                    dependents,
                    ..DropObject::new(DroppedKind::Owned, &quote_identifier(&name))
                };
                let mut action = without_relation(object, true);
                also_lock_all(&mut action, &relations);
                action
            })
            .collect()
    }
}

/// What a role owns in this database, named up to a bound and then counted; and which of it are relations.
fn owned_by(role: pg_sys::Oid) -> (Vec<Dependent>, Vec<pg_sys::Oid>) {
    let keys = [(5, pg_sys::AuthIdRelationId.to_u32()), (6, role.to_u32())];
    let mut scan = CatalogScan::keyed(SHARED_DEPEND, SHARED_DEPEND_BY_REFERENCE, &keys);
    let (database, class, object, kind) = (
        scan.attribute(c"dbid"),
        scan.attribute(c"classid"),
        scan.attribute(c"objid"),
        scan.attribute(c"deptype"),
    );
    // SAFETY: a constant of this backend.
    let here = unsafe { pg_sys::MyDatabaseId }.to_u32();
    let mut objects = Vec::new();
    while let Some(row) = scan.next_row() {
        if row.oid(database) == here && row.char(kind) == 'o' {
            objects.push(dependents::Depending {
                class: row.oid(class).into(),
                object: row.oid(object).into(),
                column: 0,
                referenced_column: 0,
                kind: b'n',
            });
        }
    }
    drop(scan);
    let relations =
        objects.iter().filter(|found| found.class == pg_sys::RelationRelationId).map(|found| found.object);
    let relations = relations.collect();
    let mut named: Vec<Dependent> =
        objects.iter().take(dependents::MOST_NAMED).filter_map(dependents::described).collect();
    if objects.len() > dependents::MOST_NAMED {
        named.push(dependents::more(objects.len() - dependents::MOST_NAMED));
    }
    (named, relations)
}
