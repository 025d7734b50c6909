//! Enum types.

use pgrx::pg_sys;

use super::names::{find_type, quoted, strings, text, type_identity, type_name};
use crate::catalog::ddl::{Action, Kind, Renamed};
use crate::pg::ddl::cache;

/// CREATE TYPE … AS ENUM.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn create_enum(statement: *mut pg_sys::CreateEnumStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    let names = unsafe { strings((*statement).typeName) };
    let mut action = Action::new(Kind::CreateEnum { name: quoted(&names) });
    action.is_qualified = names.len() > 1;
    vec![action]
}

/// ALTER TYPE … ADD VALUE, RENAME VALUE.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn alter_enum(statement: *mut pg_sys::AlterEnumStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let names = strings((*statement).typeName);
        let found = find_type(type_name((*statement).typeName));
        let name = found.and_then(type_identity).unwrap_or_else(|| quoted(&names));
        let value = text((*statement).newVal);
        let kind = if (*statement).oldVal.is_null() {
            Kind::AddEnumValue {
                type_oid: found.map(pg_sys::Oid::to_u32),
                name: name.clone(),
                is_there: found.is_some_and(|found| has_value(found, &value)),
                value,
                has_position: !(*statement).newValNeighbor.is_null(),
            }
        } else {
            Kind::Rename(Renamed {
                kind: "enum value",
                from: text((*statement).oldVal),
                to: value,
                is_moved: false,
                dependents: Vec::new(),
                recent_uses: Vec::new(),
            })
        };
        let mut action = Action::new(kind);
        action.is_qualified = names.len() > 1;
        if found.is_none() {
            action.missing = Some(name);
        }
        vec![action]
    }
}

fn has_value(type_oid: pg_sys::Oid, value: &str) -> bool {
    let Some(label) = cache::c_name(value) else {
        return false;
    };
    // The cache compares names, which the server fills up with zeros.
    let keys = [pg_sys::Datum::from(type_oid), pg_sys::Datum::from(label.as_ptr())];
    cache::row(pg_sys::SysCacheIdentifier::ENUMTYPOIDNAME, &keys, |_| ()).is_some()
}
