//! Whose code a planning would run, and whether a role that may do anything to the server may run it.
//!
//! A superuser's query was once run by the superuser, who then trusted what it names. Planning it again runs what its
//! functions have become since. For all others that is their own concern; with a superuser's rights it is everybody's.

use std::ffi::c_void;

use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::foreign::{current_author, role_name};
use super::names::qualified_name;
use super::{list, server, walkers};
use crate::pg::encoding;
use crate::pg::error::raise;
use crate::pg::roles;
use crate::pg::scan::CatalogScan;

/// `pg_statistic_ext`.
const EXTENDED_STATISTICS: u32 = 3381;
/// `pg_partitioned_table`.
const PARTITIONED_TABLE: u32 = 3350;

/// Whether the role could do anything to the server: a superuser, or one who may run programs or reach files there.
pub fn is_powerful(role: pg_sys::Oid) -> bool {
    const REACH: [u32; 3] = [
        pg_sys::ROLE_PG_EXECUTE_SERVER_PROGRAM,
        pg_sys::ROLE_PG_WRITE_SERVER_FILES,
        pg_sys::ROLE_PG_READ_SERVER_FILES,
    ];
    REACH.into_iter().map(pg_sys::Oid::from).any(|reach| {
        // SAFETY: looks memberships up in the catalogs.
        let has = unsafe { pg_sys::has_privs_of_role(role, reach) };
        // Code that is run as the role can switch to what it does not inherit.
        has || roles::can_become(role, reach)
    })
}

/// Whether `other` may do all that `role` may, so that running its code gives it nothing.
pub fn acts_as(other: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    // SAFETY: looks memberships up in the catalogs.
    unsafe { pg_sys::superuser_arg(other) || pg_sys::has_privs_of_role(other, role) }
}

/// What a query names that may hold code.
#[derive(Default)]
struct Named {
    relations: Vec<pg_sys::Oid>,
    functions: Vec<pg_sys::Oid>,
    domains: Vec<pg_sys::Oid>,
}

// Not guarded, as the next: both frames own nothing with a destructor, so a longjmp may cross them.
unsafe extern "C-unwind" fn note_function(function: pg_sys::Oid, context: *mut c_void) -> bool {
    // SAFETY: the context is the one given below.
    unsafe { (*context.cast::<Named>()).functions.push(function) };
    false
}

unsafe extern "C-unwind" fn note(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a node of an analysed query, and the context given below.
    unsafe {
        let named = context.cast::<Named>();
        match (*node).type_ {
            pg_sys::NodeTag::T_Query => return walkers::query(node.cast(), note, context),
            pg_sys::NodeTag::T_RangeTblEntry => {
                let entry = node.cast::<pg_sys::RangeTblEntry>();
                if (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION {
                    (*named).relations.push((*entry).relid);
                }
                return false;
            }
            pg_sys::NodeTag::T_CoerceToDomain => {
                (*named).domains.push((*node.cast::<pg_sys::CoerceToDomain>()).resulttype);
            }
            _ => {}
        }
        walkers::functions(node, note_function, context);
        walkers::expression(node, note, context)
    }
}

fn named_by(queries: &[*mut pg_sys::Query]) -> Named {
    let mut named = Named::default();
    let context: *mut c_void = (&raw mut named).cast();
    for &query in queries {
        // SAFETY: an analysed query; an ERROR in a look-up becomes a panic here.
        unsafe { pg_guard_ffi_boundary(|| note(query.cast(), context)) };
    }
    for list in [&mut named.relations, &mut named.functions, &mut named.domains] {
        list.sort_unstable_by_key(|oid| oid.to_u32());
        list.dedup();
    }
    named
}

/// Ends with an ERROR where the rewritten query is somebody else's and planning it could run code that its author did not
/// mean. Nothing of it has run so far.
pub fn check(queries: &[*mut pg_sys::Query]) {
    let Some(author) = current_author() else { return };
    let named = named_by(queries);
    for &relation in &named.relations {
        // SAFETY: looks the relation up in the catalogs.
        if unsafe { pg_sys::get_rel_persistence(relation) } as u8 == b't' {
            refuse(
                &format!("it reads temporary table {}", qualified_name(relation)),
                "A temporary table belongs to a session: this one is not that of the query.",
            );
        }
    }
    if is_powerful(author) {
        check_code(author, &named);
    }
}

/// Whether an expression of the planner would bring code into an index which somebody may change who may less than the
/// owner of the table. Who builds the index runs that code as the owner.
pub fn is_unfit_for_index_of(table: pg_sys::Oid, expression: *mut pg_sys::Node) -> bool {
    let mut functions: Vec<pg_sys::Oid> = Vec::new();
    let context: *mut c_void = (&raw mut functions).cast();
    // SAFETY: an expression of the planner; an ERROR in a look-up becomes a panic here.
    unsafe { pg_guard_ffi_boundary(|| note_functions(expression, context)) };
    let owner = owner_of_relation(table);
    functions.into_iter().any(|function| stranger(function, owner, owner_of_function).is_some())
}

// Not guarded, as the next: both frames own nothing with a destructor, so a longjmp may cross them.
unsafe extern "C-unwind" fn note_bare(function: pg_sys::Oid, context: *mut c_void) -> bool {
    // SAFETY: the context is the one given above.
    unsafe { (*context.cast::<Vec<pg_sys::Oid>>()).push(function) };
    false
}

unsafe extern "C-unwind" fn note_functions(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a node of the planner, and the context given above.
    unsafe {
        walkers::functions(node, note_bare, context);
        walkers::expression(node, note_functions, context)
    }
}

/// Ends with an ERROR where planning the query would run code of somebody who may less than its author.
fn check_code(author: pg_sys::Oid, named: &Named) {
    for &function in &named.functions {
        if let Some(owner) = stranger(function, author, owner_of_function) {
            refuse_code(author, owner, &format!("function {}", function_name(function)));
        }
    }
    for &domain in &named.domains {
        if let Some(owner) = stranger(domain, author, owner_of_type) {
            refuse_code(author, owner, &format!("domain {}", type_name(domain)));
        }
    }
    let mut tables = Vec::new();
    for &relation in &named.relations {
        // SAFETY: the analysis locked it; what inherits from it is locked as planning would.
        tables.extend(list::oids(unsafe {
            server::find_all_inheritors(relation, pg_sys::AccessShareLock as _)
        }));
    }
    for table in tables {
        let Some(owner) = stranger(table, author, owner_of_relation) else { continue };
        if let Some(place) = code_of(table) {
            refuse_code(author, owner, &format!("{place} of {}", qualified_name(table)));
        }
    }
}

/// The owner of an object that initdb did not make, where the owner may less than the author.
fn stranger(
    object: pg_sys::Oid,
    author: pg_sys::Oid,
    owner_of: fn(pg_sys::Oid) -> pg_sys::Oid,
) -> Option<pg_sys::Oid> {
    if object.to_u32() < pg_sys::FirstNormalObjectId {
        return None;
    }
    let owner = owner_of(object);
    (!acts_as(owner, author)).then_some(owner)
}

fn refuse(message: &str, detail: &str) -> ! {
    raise(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message, detail, "")
}

fn refuse_code(author: pg_sys::Oid, owner: pg_sys::Oid, what: &str) -> ! {
    refuse(
        &format!("planning it would run {what}, which {} may change", role_name(owner)),
        &format!("It is a query of {}, with whose rights that code would run.", role_name(author)),
    )
}

fn owner_of_function(function: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: a row of pg_proc, released after its fixed part was read.
    unsafe {
        let row = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::PROCOID as i32, function.into());
        if row.is_null() {
            return pg_sys::InvalidOid;
        }
        let owner = (*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_proc>()).proowner;
        pg_sys::ReleaseSysCache(row);
        owner
    }
}

fn owner_of_type(type_oid: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: a row of pg_type, released after its fixed part was read.
    unsafe {
        let row = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::TYPEOID as i32, type_oid.into());
        if row.is_null() {
            return pg_sys::InvalidOid;
        }
        let owner = (*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_type>()).typowner;
        pg_sys::ReleaseSysCache(row);
        owner
    }
}

fn owner_of_relation(relation: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: a row of pg_class, released after its fixed part was read.
    unsafe {
        let row = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as i32, relation.into());
        if row.is_null() {
            return pg_sys::InvalidOid;
        }
        let owner = (*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_class>()).relowner;
        pg_sys::ReleaseSysCache(row);
        owner
    }
}

fn function_name(function: pg_sys::Oid) -> String {
    // SAFETY: a C string made by the server; with flag 0 it says so where the function is gone.
    unsafe {
        let name = pg_sys::format_procedure_qualified(function);
        encoding::from_server(std::ffi::CStr::from_ptr(name).to_bytes()).into_owned()
    }
}

fn type_name(type_oid: pg_sys::Oid) -> String {
    // SAFETY: a C string made by the server.
    unsafe {
        let name = pg_sys::format_type_be_qualified(type_oid);
        encoding::from_server(std::ffi::CStr::from_ptr(name).to_bytes()).into_owned()
    }
}

/// What of a table the planner computes: it knows neither rows nor triggers, but conditions and expressions.
fn code_of(table: pg_sys::Oid) -> Option<&'static str> {
    // SAFETY: the table is locked; its descriptor is read and closed again, the lock stays.
    unsafe {
        match pg_sys::get_rel_relkind(table) as u8 {
            b'v' => return None,
            b'f' => return Some("the server"),
            _ => {}
        }
        let relation = pg_sys::table_open(table, pg_sys::NoLock as _);
        let constraints = (*(*relation).rd_att).constr;
        let has_check = !constraints.is_null() && (*constraints).num_check > 0;
        let indexes = list::oids(pg_sys::RelationGetIndexList(relation));
        pg_sys::table_close(relation, pg_sys::NoLock as _);
        if has_check {
            return Some("a CHECK");
        }
        for index in indexes {
            let row = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::INDEXRELID as i32, index.into());
            if row.is_null() {
                continue;
            }
            let is_plain = [pg_sys::Anum_pg_index_indexprs, pg_sys::Anum_pg_index_indpred]
                .into_iter()
                .all(|attribute| pg_sys::heap_attisnull(row, attribute as i32, std::ptr::null_mut()));
            pg_sys::ReleaseSysCache(row);
            if !is_plain {
                return Some("an index");
            }
        }
    }
    if has_expression(EXTENDED_STATISTICS, c"stxrelid", c"stxexprs", table) {
        return Some("extended statistics");
    }
    has_expression(PARTITIONED_TABLE, c"partrelid", c"partexprs", table).then_some("the partition key")
}

/// Whether a row of the catalog about that table has something in that attribute.
fn has_expression(
    catalog: u32,
    about: &std::ffi::CStr,
    expression: &std::ffi::CStr,
    table: pg_sys::Oid,
) -> bool {
    let mut scan = CatalogScan::open(catalog);
    let (about, expression) = (scan.attribute(about), scan.attribute(expression));
    let mut found = false;
    while let Some(row) = scan.next_row() {
        found |= row.oid(about) == table.to_u32() && row.has(expression);
    }
    found
}
