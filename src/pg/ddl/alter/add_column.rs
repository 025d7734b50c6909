//! ADD COLUMN, as far as the server will have to touch rows for it.

use pgrx::pg_sys;

use super::foreign_key;
use super::{Further, Subject, strings};
use crate::catalog::LockMode;
use crate::catalog::ddl::{AddColumn, ColumnDefault, ColumnDefinition, Generated};
use crate::pg::ddl::attempt::attempt;
use crate::pg::ddl::column::{self, type_name};
use crate::pg::planner::list;
use crate::pg::scan::text_of_c_string;

use super::expression;

/// The words for which the parser makes a sequence, and the types that they mean.
const SERIAL: [(&str, pg_sys::Oid); 6] = [
    ("smallserial", pg_sys::INT2OID),
    ("serial2", pg_sys::INT2OID),
    ("serial", pg_sys::INT4OID),
    ("serial4", pg_sys::INT4OID),
    ("bigserial", pg_sys::INT8OID),
    ("serial8", pg_sys::INT8OID),
];

/// # Safety
/// The command must be one of the parser, of this kind.
pub unsafe fn facts(
    subject: &Subject,
    command: *mut pg_sys::AlterTableCmd,
    further: &mut Further,
) -> AddColumn {
    // SAFETY: as the caller vouches: the definition is one of a column.
    unsafe {
        let definition = (*command).def.cast::<pg_sys::ColumnDef>();
        let name = text_of_c_string((*definition).colname).map(String::from).unwrap_or_default();
        let serial = serial((*definition).typeName);
        let resolved = match serial {
            Some((_, type_oid)) => Some((type_oid, -1)),
            None => resolve((*definition).typeName),
        };
        let mut facts = AddColumn {
            column: ColumnDefinition {
                name,
                type_name: written_type((*definition).typeName),
                is_not_null: serial.is_some(),
                serial: serial.map(|(word, _)| word.to_owned()),
                ..ColumnDefinition::default()
            },
            if_not_exists: (*command).missing_ok,
            is_there: column::named(subject.oid, (*definition).colname).is_some(),
            ..AddColumn::default()
        };
        if let Some((type_oid, modifier)) = resolved {
            facts.column.type_name = type_name(type_oid, modifier);
            if attempt(|| pg_sys::DomainHasConstraints(type_oid)) == Some(true) {
                facts.constrained_domain = Some(type_name(type_oid, -1));
            }
        }
        let mut has_own_default = serial.is_some();
        for constraint in list::pointers::<pg_sys::Constraint>((*definition).constraints) {
            if list::tag(constraint) == pg_sys::NodeTag::T_Constraint {
                has_own_default |= gives_value((*constraint).contype);
                add(&mut facts, subject, constraint, definition, resolved, further);
            }
        }
        if let Some((type_oid, _)) = resolved.filter(|_| !has_own_default) {
            facts.default = expression::default_of_type(type_oid);
        }
        facts
    }
}

/// Whether a column with such a clause takes no default from its type.
fn gives_value(contype: pg_sys::ConstrType::Type) -> bool {
    use pg_sys::ConstrType as Type;
    matches!(contype, Type::CONSTR_DEFAULT | Type::CONSTR_IDENTITY | Type::CONSTR_GENERATED)
}

/// # Safety
/// The constraint must be one of this column's definition.
unsafe fn add(
    facts: &mut AddColumn,
    subject: &Subject,
    constraint: *mut pg_sys::Constraint,
    definition: *mut pg_sys::ColumnDef,
    resolved: Option<(pg_sys::Oid, i32)>,
    further: &mut Further,
) {
    use pg_sys::ConstrType as Type;
    // SAFETY: as the caller vouches.
    unsafe {
        match (*constraint).contype {
            Type::CONSTR_NOTNULL => facts.column.is_not_null = true,
            Type::CONSTR_DEFAULT => {
                facts.default = match resolved {
                    Some((type_oid, modifier)) => {
                        expression::default((*constraint).raw_expr, type_oid, modifier, (*definition).colname)
                    }
                    None => ColumnDefault::Unknown,
                };
            }
            Type::CONSTR_IDENTITY => {
                facts.column.is_identity = true;
                facts.column.is_not_null = true;
            }
            Type::CONSTR_GENERATED => facts.generated = Some(generated(constraint)),
            Type::CONSTR_CHECK => facts.has_check = true,
            Type::CONSTR_PRIMARY => {
                facts.column.is_primary_key = true;
                facts.column.is_not_null = true;
            }
            Type::CONSTR_UNIQUE => facts.is_unique = true,
            Type::CONSTR_FOREIGN => {
                let columns = [(facts.column.name.clone(), resolved)];
                let found = foreign_key::facts(subject, constraint, &columns);
                if let Some(referenced) = &found.referenced {
                    further.add(referenced, LockMode::ShareRowExclusive);
                }
                facts.references = Some(found);
            }
            _ => {}
        }
    }
}

/// # Safety
/// The constraint must be one of the parser.
#[cfg(not(feature = "pg18"))]
unsafe fn generated(_constraint: *mut pg_sys::Constraint) -> Generated {
    Generated::Stored
}

/// # Safety
/// The constraint must be one of the parser.
#[cfg(feature = "pg18")]
unsafe fn generated(constraint: *mut pg_sys::Constraint) -> Generated {
    // SAFETY: as the caller vouches.
    match unsafe { (*constraint).generated_kind } as u8 {
        b'v' => Generated::Virtual,
        _ => Generated::Stored,
    }
}

/// A type and its modifier; `None` where there is no such type yet.
///
/// # Safety
/// The type must be one of the parser, or null.
pub unsafe fn resolve(name: *mut pg_sys::TypeName) -> Option<(pg_sys::Oid, i32)> {
    if name.is_null() {
        return None;
    }
    // SAFETY: as the caller vouches; the copy keeps the statement's own tree as it is.
    attempt(|| unsafe {
        let (mut type_oid, mut modifier) = (pg_sys::InvalidOid, -1);
        let copy = list::copy(name);
        pg_sys::typenameTypeIdAndMod(std::ptr::null_mut(), copy, &raw mut type_oid, &raw mut modifier);
        (type_oid, modifier)
    })
}

/// # Safety
/// The type must be one of the parser, or null.
unsafe fn serial(name: *mut pg_sys::TypeName) -> Option<(&'static str, pg_sys::Oid)> {
    // SAFETY: as the caller vouches.
    unsafe {
        if name.is_null() || (*name).pct_type || !(*name).arrayBounds.is_null() {
            return None;
        }
        match strings((*name).names).as_slice() {
            [word] => SERIAL.into_iter().find(|(known, _)| known == word),
            _ => None,
        }
    }
}

/// # Safety
/// The type must be one of the parser, or null.
pub unsafe fn written_type(name: *mut pg_sys::TypeName) -> String {
    // SAFETY: as the caller vouches.
    if name.is_null() { String::new() } else { unsafe { strings((*name).names) }.join(".") }
}
