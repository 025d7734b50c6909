//! Sub-commands about where and how a relation is stored, about row security, and those of no consequence.

use pgrx::pg_sys;

use super::{Further, Subject, text_of, type_change};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Alteration, Touched};
use crate::pg::ddl::cache::class;
use crate::pg::ddl::touched;
use crate::pg::scan::CatalogScan;

const POLICY: u32 = 3256;
/// `pg_policy_polrelid_polname_index`.
const POLICY_BY_TABLE: u32 = 3258;
/// `pg_class_oid_index`.
const CLASS_BY_OID: u32 = 2662;

/// `None` for what is none of these.
///
/// # Safety
/// The command must be one of the parser.
pub unsafe fn alteration(subject: &Subject, command: *mut pg_sys::AlterTableCmd) -> Option<Alteration> {
    use pg_sys::AlterTableType as T;
    // SAFETY: as the caller vouches.
    let subtype = unsafe { (*command).subtype };
    Some(match subtype {
        T::AT_SetLogged | T::AT_SetUnLogged => {
            let is_logged = subtype == T::AT_SetLogged;
            let wanted = if is_logged { b'p' } else { b'u' };
            let is_already = class(subject.oid, |form| form.relpersistence as u8) == Some(wanted);
            Alteration::SetPersistence { is_logged, is_already }
        }
        // SAFETY: as above.
        T::AT_SetAccessMethod => unsafe { access_method(subject, command) },
        // SAFETY: as above.
        T::AT_SetTableSpace => unsafe { tablespace(subject, command) },
        T::AT_EnableRowSecurity | T::AT_ForceRowSecurity => {
            Alteration::RowSecurity { is_enabled: true, policies: policies(subject.oid) }
        }
        T::AT_DisableRowSecurity | T::AT_NoForceRowSecurity => {
            Alteration::RowSecurity { is_enabled: false, policies: policies(subject.oid) }
        }
        _ => return None,
    })
}

/// # Safety
/// The command must be one of the parser, of this kind.
unsafe fn access_method(subject: &Subject, command: *mut pg_sys::AlterTableCmd) -> Alteration {
    // SAFETY: as the caller vouches; without a name, the default is meant, from 17 on.
    unsafe {
        let name = (*command).name;
        let name = if name.is_null() { pg_sys::default_table_access_method } else { name };
        let method = pg_sys::get_am_oid(name, true);
        let is_already =
            method != pg_sys::InvalidOid && class(subject.oid, |form| form.relam) == Some(method);
        Alteration::SetAccessMethod { method: text_of(name), is_already }
    }
}

/// # Safety
/// The command must be one of the parser, of this kind.
unsafe fn tablespace(subject: &Subject, command: *mut pg_sys::AlterTableCmd) -> Alteration {
    // SAFETY: as the caller vouches; the database's own tablespace stands as 0 in the catalog.
    unsafe {
        let wanted = pg_sys::get_tablespace_oid((*command).name, true);
        let is_already = wanted != pg_sys::InvalidOid
            && class(subject.oid, |form| match form.reltablespace {
                pg_sys::InvalidOid => pg_sys::MyDatabaseTableSpace,
                tablespace => tablespace,
            }) == Some(wanted);
        Alteration::SetTablespace { tablespace: text_of((*command).name), is_already }
    }
}

fn policies(table: pg_sys::Oid) -> u32 {
    let mut scan = CatalogScan::keyed(POLICY, POLICY_BY_TABLE, &[(3, table.to_u32())]);
    let mut count = 0;
    while scan.next_row().is_some() {
        count += 1;
    }
    count
}

/// A composite type's change that goes on to the tables made of it.
///
/// # Safety
/// The command must be one of the parser that adds, drops or retypes an attribute.
pub unsafe fn typed_tables(
    subject: &Subject,
    command: *mut pg_sys::AlterTableCmd,
    further: &mut Further,
) -> Alteration {
    // SAFETY: as the caller vouches.
    let rewrites = unsafe {
        (*command).subtype == pg_sys::AlterTableType::AT_AlterColumnType
            && type_change::changes_rows(subject, command)
    };
    let tables = tables_of(subject.oid);
    for table in &tables {
        further.add(table, LockMode::AccessExclusive);
    }
    Alteration::TypedTables { tables, rewrites }
}

/// The tables that were made OF a composite type.
fn tables_of(composite: pg_sys::Oid) -> Vec<Touched> {
    let Some(row_type) = class(composite, |form| form.reltype.to_u32()).filter(|&row_type| row_type != 0)
    else {
        return Vec::new();
    };
    let mut scan = CatalogScan::keyed(pg_sys::RelationRelationId.to_u32(), CLASS_BY_OID, &[]);
    let mut tables = Vec::new();
    // SAFETY: the fixed part of pg_class.
    while let Some(form) = unsafe { scan.next_struct::<pg_sys::FormData_pg_class>() } {
        if form.reloftype.to_u32() == row_type {
            tables.push(form.oid);
        }
    }
    drop(scan);
    tables.into_iter().filter_map(touched::of).collect()
}

/// What is left: noted in the catalogs, and nothing is read.
pub fn harmless(subtype: pg_sys::AlterTableType::Type) -> Alteration {
    use pg_sys::AlterTableType as T;
    let name = match subtype {
        T::AT_SetStatistics => "SET STATISTICS",
        T::AT_SetOptions => "SET of a column's options",
        T::AT_ResetOptions => "RESET of a column's options",
        T::AT_SetStorage => "SET STORAGE",
        T::AT_SetCompression => "SET COMPRESSION",
        T::AT_AlterColumnGenericOptions | T::AT_GenericOptions => "OPTIONS",
        T::AT_ClusterOn => "CLUSTER ON",
        T::AT_DropCluster => "SET WITHOUT CLUSTER",
        T::AT_DropOids => "SET WITHOUT OIDS",
        T::AT_SetRelOptions | T::AT_ReplaceRelOptions => "SET of storage parameters",
        T::AT_ResetRelOptions => "RESET of storage parameters",
        other => return Alteration::Unknown { number: other as i32 },
    };
    Alteration::Harmless { name }
}
