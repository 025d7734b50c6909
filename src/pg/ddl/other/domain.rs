//! CREATE DOMAIN and ALTER DOMAIN.

use pgrx::pg_sys;

use super::dependents::direct;
use super::names::{find_type, pointers, quoted, strings, tag, text, type_identity, type_name};
use super::{also_locks, constraint};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, DomainChange, Kind};
use crate::pg::ddl::cache;

/// CREATE DOMAIN.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn create(statement: *mut pg_sys::CreateDomainStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let names = strings((*statement).domainname);
        let has_constraints =
            pointers::<pg_sys::Constraint>((*statement).constraints).into_iter().any(|found| {
                matches!(
                    (*found).contype,
                    pg_sys::ConstrType::CONSTR_CHECK | pg_sys::ConstrType::CONSTR_NOTNULL
                )
            });
        let kind = Kind::Domain { name: quoted(&names), change: DomainChange::Create { has_constraints } };
        let mut action = Action::new(kind);
        action.is_qualified = names.len() > 1;
        vec![action]
    }
}

/// ALTER DOMAIN. What has to look at the values locks every table that has any, in SHARE mode, in all versions.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn alter(statement: *mut pg_sys::AlterDomainStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let names = strings((*statement).typeName);
        let found = find_type(type_name((*statement).typeName));
        let change = change(statement, found);
        let looks_at_values = match change {
            DomainChange::AddConstraint { is_not_valid } => !is_not_valid,
            // The server looks once more where it is valid already.
            DomainChange::ValidateConstraint { .. } | DomainChange::SetNotNull => true,
            DomainChange::Create { .. } | DomainChange::Other => false,
        };
        let name = found.and_then(type_identity).unwrap_or_else(|| quoted(&names));
        let mut action = Action::new(Kind::Domain { name: name.clone(), change });
        action.is_qualified = names.len() > 1;
        match found {
            Some(domain) if looks_at_values => {
                for table in tables_with(domain) {
                    also_locks(&mut action, table, LockMode::Share);
                }
            }
            Some(_) => {}
            None => action.missing = Some(name),
        }
        vec![action]
    }
}

/// # Safety
/// The node must live through the call.
unsafe fn change(statement: *mut pg_sys::AlterDomainStmt, domain: Option<pg_sys::Oid>) -> DomainChange {
    // SAFETY: as the caller vouches.
    unsafe {
        match (*statement).subtype as u8 {
            b'C' => {
                let definition = (*statement).def.cast::<pg_sys::Constraint>();
                let is_not_null = tag(definition) == pg_sys::NodeTag::T_Constraint
                    && (*definition).contype == pg_sys::ConstrType::CONSTR_NOTNULL;
                if is_not_null {
                    set_not_null(domain)
                } else {
                    DomainChange::AddConstraint { is_not_valid: (*definition).skip_validation }
                }
            }
            b'V' => {
                let name = text((*statement).name);
                let constraints = domain.map(constraint::of_domain).unwrap_or_default();
                let is_already = constraints.iter().any(|found| found.name == name && found.is_validated);
                DomainChange::ValidateConstraint { is_already }
            }
            b'O' => set_not_null(domain),
            _ => DomainChange::Other,
        }
    }
}

/// Nothing where it is so already.
fn set_not_null(domain: Option<pg_sys::Oid>) -> DomainChange {
    // SAFETY: the layout is of this catalog.
    let is_already = domain.and_then(|domain| unsafe {
        cache::form(pg_sys::SysCacheIdentifier::TYPEOID, domain, |form: &pg_sys::FormData_pg_type| {
            form.typnotnull
        })
    });
    if is_already == Some(true) { DomainChange::Other } else { DomainChange::SetNotNull }
}

/// The tables that have columns of a domain or of a domain over it, each once. A column that has it inside of an array
/// or a composite type makes the server refuse the change before it looks at any table.
fn tables_with(domain: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let mut found = Vec::new();
    let mut domains = vec![domain];
    let mut position = 0;
    while let Some(&domain) = domains.get(position) {
        position += 1;
        for depending in direct(pg_sys::TypeRelationId, domain) {
            if depending.class == pg_sys::TypeRelationId {
                // SAFETY: a look-up in the catalogs.
                let letter = unsafe { pg_sys::get_typtype(depending.object) } as u8;
                if letter == pg_sys::TYPTYPE_DOMAIN && !domains.contains(&depending.object) {
                    domains.push(depending.object);
                }
            } else if depending.class == pg_sys::RelationRelationId && depending.column > 0 {
                let letter = cache::class(depending.object, |form| form.relkind as u8);
                if matches!(letter, Some(b'r' | b'm')) && !found.contains(&depending.object) {
                    found.push(depending.object);
                }
            }
        }
    }
    found
}
