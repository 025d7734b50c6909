//! ADD, VALIDATE, ALTER and DROP CONSTRAINT.

use pgrx::pg_sys;

use super::foreign_key;
use super::proof;
use super::{Further, Subject, strings};
use crate::catalog::LockMode;
use crate::catalog::ddl::{
    AddConstraint, ConstraintType, Dependent, DropConstraint, UsingIndex, ValidateConstraint,
};
use crate::pg::ddl::cache::class;
use crate::pg::ddl::column::{self, Column};
use crate::pg::ddl::constraint::{self, Known};
use crate::pg::ddl::dependents::{Entry, identity};
use crate::pg::ddl::touched;
use crate::pg::planner::list;
use crate::pg::scan::text_of_c_string;

/// # Safety
/// The command must be one of the parser, of this kind.
pub unsafe fn add(
    subject: &Subject,
    command: *mut pg_sys::AlterTableCmd,
    further: &mut Further,
) -> AddConstraint {
    use pg_sys::ConstrType as Type;
    // SAFETY: as the caller vouches: the definition is a constraint.
    unsafe {
        let definition = (*command).def.cast::<pg_sys::Constraint>();
        let name = text_of_c_string((*definition).conname).map(String::from).unwrap_or_default();
        let mut facts = AddConstraint {
            constraint_type: match (*definition).contype {
                Type::CONSTR_FOREIGN => ConstraintType::ForeignKey,
                Type::CONSTR_UNIQUE => ConstraintType::Unique,
                Type::CONSTR_PRIMARY => ConstraintType::PrimaryKey,
                Type::CONSTR_EXCLUSION => ConstraintType::Exclusion,
                Type::CONSTR_NOTNULL => ConstraintType::NotNull,
                _ => ConstraintType::Check,
            },
            is_there: !name.is_empty() && constraint::named(subject.oid, &name).is_some(),
            name,
            is_not_valid: (*definition).skip_validation,
            is_not_enforced: is_not_enforced(definition),
            ..AddConstraint::default()
        };
        match facts.constraint_type {
            ConstraintType::ForeignKey => {
                facts.columns = strings((*definition).fk_attrs);
                let own = facts.columns.iter().map(|name| {
                    let known = column::by_name(subject.oid, name);
                    (name.clone(), known.map(|known| (known.type_oid, known.modifier)))
                });
                let found = foreign_key::facts(subject, definition, &own.collect::<Vec<_>>());
                if let Some(referenced) = &found.referenced {
                    further.add(referenced, LockMode::ShareRowExclusive);
                }
                facts.foreign_key = Some(found);
            }
            ConstraintType::Exclusion => facts.columns = excluded((*definition).exclusions),
            ConstraintType::Unique | ConstraintType::PrimaryKey if !(*definition).indexname.is_null() => {
                let using = using_index(subject, definition);
                facts.columns = using.columns;
                facts.using_index = Some(using.facts);
            }
            ConstraintType::Check => {}
            _ => facts.columns = strings((*definition).keys),
        }
        if matches!(facts.constraint_type, ConstraintType::PrimaryKey | ConstraintType::NotNull) {
            let nullable = nullable(subject, &facts.columns);
            if facts.constraint_type == ConstraintType::NotNull
                && let Some(column) = nullable.first()
            {
                facts.implied_by = proof::not_null(subject.oid, column).implied_by;
            }
            facts.nullable_columns = nullable.into_iter().map(|column| column.name).collect();
        }
        if facts.constraint_type == ConstraintType::PrimaryKey {
            // What a validated CHECK shows to hold no NULL is not looked at.
            facts.nullable_columns.retain(|name| {
                column::by_name(subject.oid, name)
                    .is_some_and(|column| proof::not_null(subject.oid, &column).implied_by.is_none())
            });
            if let Some(using) = &mut facts.using_index {
                using.nullable_columns.clone_from(&facts.nullable_columns);
            }
        }
        facts
    }
}

/// # Safety
/// The constraint must be one of the parser.
#[cfg(not(feature = "pg18"))]
unsafe fn is_not_enforced(_constraint: *mut pg_sys::Constraint) -> bool {
    false
}

/// # Safety
/// The constraint must be one of the parser.
#[cfg(feature = "pg18")]
unsafe fn is_not_enforced(constraint: *mut pg_sys::Constraint) -> bool {
    // SAFETY: as the caller vouches. The parser says so of CHECK and foreign keys only.
    unsafe {
        !(*constraint).is_enforced
            && matches!(
                (*constraint).contype,
                pg_sys::ConstrType::CONSTR_CHECK | pg_sys::ConstrType::CONSTR_FOREIGN
            )
    }
}

/// Those of the named columns that are there and may hold NULL.
fn nullable(subject: &Subject, names: &[String]) -> Vec<Column> {
    let known = names.iter().filter_map(|name| column::by_name(subject.oid, name));
    known.filter(|column| !column.is_not_null).collect()
}

/// The columns of an exclusion constraint, expressions left out.
///
/// # Safety
/// The list must be one of the parser: of lists whose first element is one of an index.
unsafe fn excluded(exclusions: *mut pg_sys::List) -> Vec<String> {
    let mut names = Vec::new();
    for pair in list::pointers::<pg_sys::List>(exclusions) {
        if let Some(&element) = list::pointers::<pg_sys::IndexElem>(pair).first() {
            // SAFETY: as the caller vouches.
            names.extend(unsafe { text_of_c_string((*element).name) }.map(String::from));
        }
    }
    names
}

struct Using {
    facts: UsingIndex,
    columns: Vec<String>,
}

/// # Safety
/// The constraint must be one of the parser that names an index.
unsafe fn using_index(subject: &Subject, definition: *mut pg_sys::Constraint) -> Using {
    // The index lies in the schema of its table.
    let schema = class(subject.oid, |form| form.relnamespace).unwrap_or(pg_sys::InvalidOid);
    // SAFETY: as the caller vouches.
    let (index, name) = unsafe {
        let index = pg_sys::get_relname_relid((*definition).indexname, schema);
        (index, text_of_c_string((*definition).indexname).map(String::from).unwrap_or_default())
    };
    let known = foreign_key::key_columns(index);
    let (keys, is_valid) = known.map_or((Vec::new(), false), |(keys, is_valid, _)| (keys, is_valid));
    let columns = keys.into_iter().filter_map(|number| Some(column::numbered(subject.oid, number)?.name));
    let quoted =
        touched::alone(index).map_or_else(|| crate::text::quote_identifier(&name), |index| index.qualified());
    Using {
        columns: columns.collect(),
        facts: UsingIndex { index: quoted, is_valid, ..UsingIndex::default() },
    }
}

/// # Safety
/// The command must be one of the parser, of this kind.
unsafe fn named(subject: &Subject, command: *mut pg_sys::AlterTableCmd) -> (String, Option<Known>) {
    // SAFETY: as the caller vouches.
    let name = unsafe { text_of_c_string((*command).name) }.map(String::from).unwrap_or_default();
    let known = constraint::named(subject.oid, &name);
    (name, known)
}

fn referenced(known: &Known) -> Option<crate::catalog::ddl::Touched> {
    (known.letter == 'f').then(|| touched::of(pg_sys::Oid::from(known.referenced))).flatten()
}

/// # Safety
/// The command must be one of the parser, of this kind.
pub unsafe fn validate(
    subject: &Subject,
    command: *mut pg_sys::AlterTableCmd,
    further: &mut Further,
) -> ValidateConstraint {
    // SAFETY: as the caller vouches.
    let (name, known) = unsafe { named(subject, command) };
    let referenced = known.as_ref().and_then(referenced);
    let is_already = known.as_ref().is_some_and(|known| known.is_validated);
    if let Some(referenced) = &referenced
        && !is_already
    {
        further.add(referenced, LockMode::RowShare);
    }
    ValidateConstraint {
        name,
        constraint_type: known.as_ref().map(Known::constraint_type),
        is_already,
        referenced,
    }
}

/// # Safety
/// The command must be one of the parser, of this kind.
pub unsafe fn drop(
    subject: &Subject,
    command: *mut pg_sys::AlterTableCmd,
    further: &mut Further,
) -> DropConstraint {
    // SAFETY: as the caller vouches.
    let ((name, known), is_cascade) =
        unsafe { (named(subject, command), (*command).behavior == pg_sys::DropBehavior::DROP_CASCADE) };
    let mut facts = DropConstraint { name, is_cascade, ..DropConstraint::default() };
    let Some(known) = known else {
        return facts;
    };
    facts.constraint_type = Some(known.constraint_type());
    facts.definition = constraint::definition(&known).unwrap_or_default();
    facts.referenced = referenced(&known);
    if let Some(referenced) = &facts.referenced {
        further.add(referenced, LockMode::AccessExclusive);
    }
    if matches!(known.letter, 'p' | 'u') {
        for key in constraint::pointing_to(subject.oid) {
            if key.index != known.index {
                continue;
            }
            let entry = Entry {
                class: constraint::CONSTRAINT,
                object: key.oid,
                column: 0,
                on_column: 0,
                letter: 'n',
            };
            if let Some(name) = identity(entry) {
                facts.dependents.push(Dependent { kind: "foreign key", name, is_dropped_by_cascade: true });
            }
            if is_cascade && let Some(table) = touched::of(pg_sys::Oid::from(key.table)) {
                further.add(&table, LockMode::AccessExclusive);
            }
        }
    }
    facts
}

/// The name of the constraint that ALTER CONSTRAINT changes, and whether it becomes enforced.
///
/// # Safety
/// The command must be one of the parser, of this kind.
#[cfg(not(feature = "pg18"))]
pub unsafe fn alter(_subject: &Subject, command: *mut pg_sys::AlterTableCmd) -> (String, bool) {
    // SAFETY: as the caller vouches: the definition is a constraint.
    let name = unsafe { text_of_c_string((*(*command).def.cast::<pg_sys::Constraint>()).conname) };
    (name.map(String::from).unwrap_or_default(), false)
}

/// The name of the constraint that ALTER CONSTRAINT changes, and whether it becomes enforced.
///
/// # Safety
/// The command must be one of the parser, of this kind.
#[cfg(feature = "pg18")]
pub unsafe fn alter(subject: &Subject, command: *mut pg_sys::AlterTableCmd) -> (String, bool) {
    // SAFETY: as the caller vouches.
    let (name, enforces) = unsafe {
        let change = (*command).def.cast::<pg_sys::ATAlterConstraint>();
        let name = text_of_c_string((*change).conname).map(String::from).unwrap_or_default();
        (name, (*change).alterEnforceability && (*change).is_enforced)
    };
    let is_enforced = constraint::named(subject.oid, &name).is_none_or(|known| known.is_enforced);
    (name, enforces && !is_enforced)
}
