//! CREATE TABLE, CREATE TABLE AS, SELECT INTO.

use pgrx::pg_sys;
use pgrx::pg_sys::NodeTag as Tag;

use super::create_index::of_that_name;
use super::names::{pointers, strings, tag, text, written};
use super::{also_locks, column, constraint};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, CreateTable, Kind, SameName};
use crate::pg::ddl::alter::{default_condition, default_partition};
use crate::pg::ddl::touched;

/// CREATE TABLE.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn actions(statement: *mut pg_sys::CreateStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let mut table = new_table((*statement).relation);
        table.if_not_exists = (*statement).if_not_exists;
        let mut referenced = Vec::new();
        let mut key_columns = Vec::new();
        let mut not_null_columns = Vec::new();
        for element in pointers::<pg_sys::Node>((*statement).tableElts) {
            match tag(element) {
                Tag::T_ColumnDef => {
                    let definition = element.cast::<pg_sys::ColumnDef>();
                    let own = column::of(definition);
                    table.has_primary_key |= own.is_primary_key;
                    table.columns.push(own);
                    for constraint in pointers::<pg_sys::Constraint>((*definition).constraints) {
                        referenced.extend(referenced_by(constraint));
                    }
                }
                Tag::T_Constraint => {
                    let constraint = element.cast::<pg_sys::Constraint>();
                    referenced.extend(referenced_by(constraint));
                    match (*constraint).contype {
                        pg_sys::ConstrType::CONSTR_PRIMARY => {
                            table.has_primary_key = true;
                            key_columns = strings((*constraint).keys);
                        }
                        // As a constraint of the table from 18 on.
                        pg_sys::ConstrType::CONSTR_NOTNULL => {
                            not_null_columns.extend(strings((*constraint).keys));
                        }
                        _ => {}
                    }
                }
                Tag::T_TableLikeClause => {
                    table.has_primary_key |= copies_primary_key(element.cast());
                }
                _ => {}
            }
        }
        for own in &mut table.columns {
            if key_columns.contains(&own.name) {
                own.is_primary_key = true;
                own.is_not_null = true;
            }
            own.is_not_null |= not_null_columns.contains(&own.name);
        }
        let mut locks = Vec::new();
        for parent in pointers::<pg_sys::RangeVar>((*statement).inhRelations) {
            let Some(parent) = touched::find(parent) else {
                continue;
            };
            if (*statement).partbound.is_null() {
                locks.push((parent, LockMode::ShareUpdateExclusive));
                continue;
            }
            locks.push((parent, LockMode::AccessExclusive));
            table.partition_of = touched::of(parent);
            table.has_primary_key |= has_primary_key(parent);
            // The parent's foreign keys are made once more for the partition.
            referenced.extend(constraint::referenced_by(parent));
            if let Some(default) = default_partition(parent) {
                locks.push((default, LockMode::AccessExclusive));
                table.default_partition = touched::of(default);
                table.default_is_excluded = default_condition(parent, (*statement).partbound)
                    .is_some_and(|(is_excluded, _)| is_excluded);
            }
        }
        let mut known: Vec<pg_sys::Oid> = Vec::new();
        for table_oid in referenced {
            if !known.contains(&table_oid) {
                known.push(table_oid);
                table.referenced.extend(touched::of(table_oid));
                locks.push((table_oid, LockMode::ShareRowExclusive));
            }
        }
        vec![creation(table, &locks)]
    }
}

/// Whether LIKE … INCLUDING INDEXES brings a primary key along.
///
/// # Safety
/// The node must live through the call.
unsafe fn copies_primary_key(clause: *const pg_sys::TableLikeClause) -> bool {
    // SAFETY: as the caller vouches.
    unsafe {
        (*clause).options & pg_sys::TableLikeOption::CREATE_TABLE_LIKE_INDEXES != 0
            && touched::find((*clause).relation).is_some_and(has_primary_key)
    }
}

fn has_primary_key(table: pg_sys::Oid) -> bool {
    constraint::of_relation(table).iter().any(|found| found.kind == b'p')
}

/// CREATE TABLE AS and CREATE MATERIALIZED VIEW.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn from_query(statement: *mut pg_sys::CreateTableAsStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        if (*statement).objtype != pg_sys::ObjectType::OBJECT_TABLE {
            let mut action = Action::new(Kind::Other);
            action.is_qualified = !(*(*(*statement).into).rel).schemaname.is_null();
            return vec![action];
        }
        let mut table = into((*statement).into);
        table.if_not_exists = (*statement).if_not_exists;
        vec![creation(table, &[])]
    }
}

/// SELECT INTO; nothing for a SELECT without it.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn select_into(statement: *mut pg_sys::SelectStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches. Of a UNION, the leftmost has the INTO.
    unsafe {
        let mut leftmost = statement;
        while !(*leftmost).larg.is_null() {
            leftmost = (*leftmost).larg;
        }
        let clause = (*leftmost).intoClause;
        if clause.is_null() { Vec::new() } else { vec![creation(into(clause), &[])] }
    }
}

/// # Safety
/// The node must live through the call.
unsafe fn into(clause: *mut pg_sys::IntoClause) -> CreateTable {
    // SAFETY: as the caller vouches.
    unsafe { CreateTable { is_from_query: !(*clause).skipData, ..new_table((*clause).rel) } }
}

/// # Safety
/// The node must live through the call.
unsafe fn new_table(name: *mut pg_sys::RangeVar) -> CreateTable {
    // SAFETY: as the caller vouches.
    unsafe {
        CreateTable {
            name: written(name),
            is_qualified: !(*name).schemaname.is_null(),
            same_name: same_name(name),
            is_temporary: (*name).relpersistence as u8 == pg_sys::RELPERSISTENCE_TEMP,
            ..CreateTable::default()
        }
    }
}

/// What has the name already where the table would come to lie.
///
/// # Safety
/// A node of the parser.
unsafe fn same_name(name: *const pg_sys::RangeVar) -> SameName {
    // SAFETY: as the caller vouches.
    unsafe {
        if (*name).relpersistence as u8 == pg_sys::RELPERSISTENCE_TEMP || !(*name).catalogname.is_null() {
            return SameName::None;
        }
        let schema = if (*name).schemaname.is_null() {
            creation_schema()
        } else {
            touched::usable_schema((*name).schemaname)
        };
        schema.map_or(SameName::None, |schema| of_that_name(schema, &text((*name).relname)))
    }
}

/// The schema in which a new object without a schema comes to lie, if there is any: the first of the search path that
/// is there.
pub fn creation_schema() -> Option<pg_sys::Oid> {
    // SAFETY: returns a list of the current memory context.
    let path = unsafe { pg_sys::fetch_search_path(false) };
    // SAFETY: a list of object identifiers, which the server keeps in its cells.
    let first = unsafe { (!path.is_null() && (*path).length > 0).then(|| (*(*path).elements).oid_value) };
    first.filter(|&schema| schema != pg_sys::InvalidOid)
}

/// The table to which a constraint points, if it is a foreign key and the table is there.
///
/// # Safety
/// A node of the parser.
unsafe fn referenced_by(constraint: *const pg_sys::Constraint) -> Option<pg_sys::Oid> {
    // SAFETY: as the caller vouches.
    unsafe {
        let is_foreign_key = tag(constraint) == Tag::T_Constraint
            && (*constraint).contype == pg_sys::ConstrType::CONSTR_FOREIGN;
        if is_foreign_key { touched::find((*constraint).pktable) } else { None }
    }
}

fn creation(table: CreateTable, locks: &[(pg_sys::Oid, LockMode)]) -> Action {
    let is_nothing = table.if_not_exists && table.same_name != SameName::None;
    let is_qualified = table.is_qualified;
    let mut action = Action::new(Kind::CreateTable(table));
    action.is_qualified = is_qualified;
    if !is_nothing {
        for &(relation, mode) in locks {
            also_locks(&mut action, relation, mode);
        }
    }
    action
}
