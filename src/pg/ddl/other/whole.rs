//! What is done to a table as a whole.

use pgrx::pg_sys;

use super::names::{Named, option, pointers, text};
use super::{also_locks, also_locks_below, constraint, create_index, dependents};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Kind, LockTaken, ReindexScope, TouchedKind};
use crate::pg::ddl::{cache, size, touched};
use crate::pg::scan::CatalogScan;
use crate::text::quote_qualified;

/// So many relations of a schema or a tablespace are named among the locks.
const MOST_RELATIONS: usize = 64;

/// TRUNCATE, one action a table.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn truncate(statement: *mut pg_sys::TruncateStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let is_cascade = (*statement).behavior == pg_sys::DropBehavior::DROP_CASCADE;
        let relations = pointers::<pg_sys::RangeVar>((*statement).relations);
        let named: Vec<pg_sys::Oid> = relations.iter().filter_map(|&name| touched::find(name)).collect();
        relations
            .into_iter()
            .map(|name| {
                let relation = Named::of(name);
                let oid = relation.oid();
                let mode = LockMode::AccessExclusive;
                let mut action =
                    relation.action(Kind::Truncate { is_cascade, referencing: Vec::new() }, mode);
                let Some(oid) = oid else {
                    return action;
                };
                if (*name).inh {
                    also_locks_below(&mut action, oid, mode);
                }
                if is_cascade {
                    let others = referencing(oid, &named);
                    for &other in &others {
                        also_locks(&mut action, other, mode);
                    }
                    let names = others
                        .into_iter()
                        .filter_map(cache::relation_name)
                        .map(|(schema, name)| quote_qualified(&schema, &name))
                        .collect();
                    action.kind = Kind::Truncate { is_cascade, referencing: names };
                }
                action
            })
            .collect()
    }
}

/// The tables that have foreign keys to a table or to one that has, those apart that are `named` themselves.
fn referencing(table: pg_sys::Oid, named: &[pg_sys::Oid]) -> Vec<pg_sys::Oid> {
    let mut found: Vec<pg_sys::Oid> = vec![table];
    let mut position = 0;
    while let Some(&referenced) = found.get(position) {
        position += 1;
        for member in touched::tree(referenced) {
            for depending in dependents::direct(pg_sys::RelationRelationId, member) {
                if depending.class.to_u32() != dependents::CONSTRAINT {
                    continue;
                }
                let Some(key) = constraint::get(depending.object) else {
                    continue;
                };
                if key.kind == b'f' && key.referenced == member && !found.contains(&key.relation) {
                    found.push(key.relation);
                }
            }
        }
        if found.len() > MOST_RELATIONS {
            break;
        }
    }
    found.retain(|relation| *relation != table && !named.contains(relation));
    found
}

/// REINDEX.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn reindex(statement: *mut pg_sys::ReindexStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let is_concurrent = option((*statement).params, "concurrently") == Some(true);
        let scope = match (*statement).kind {
            pg_sys::ReindexObjectType::REINDEX_OBJECT_INDEX => ReindexScope::Index,
            pg_sys::ReindexObjectType::REINDEX_OBJECT_TABLE => ReindexScope::Table,
            pg_sys::ReindexObjectType::REINDEX_OBJECT_SCHEMA => ReindexScope::Schema,
            pg_sys::ReindexObjectType::REINDEX_OBJECT_SYSTEM => ReindexScope::System,
            _ => ReindexScope::Database,
        };
        let (on_table, on_index) = if is_concurrent {
            (LockMode::ShareUpdateExclusive, LockMode::ShareUpdateExclusive)
        } else {
            (LockMode::Share, LockMode::AccessExclusive)
        };
        let kind = Kind::Reindex { scope, is_concurrent };
        let action = match scope {
            ReindexScope::Index => {
                let named = Named::of((*statement).relation);
                let oid = named.oid();
                let mut action = named.action(kind, on_index);
                for index in oid.map(touched::tree).unwrap_or_default() {
                    if let Some(table) = table_of(index) {
                        also_locks(&mut action, table, on_table);
                    }
                    also_locks(&mut action, index, on_index);
                }
                action
            }
            ReindexScope::Table => {
                let named = Named::of((*statement).relation);
                let oid = named.oid();
                let mut action = named.action(kind, on_table);
                for table in oid.map(touched::tree).unwrap_or_default().into_iter().take(MOST_RELATIONS) {
                    also_locks(&mut action, table, on_table);
                    for index in size::indexes(table) {
                        also_locks(&mut action, index, on_index);
                    }
                }
                action
            }
            ReindexScope::Schema => {
                let mut action = Action::new(kind);
                match touched::usable_schema((*statement).name) {
                    Some(schema) => {
                        for table in tables_of(schema) {
                            also_locks(&mut action, table, on_table);
                        }
                    }
                    None => action.missing = Some(text((*statement).name)),
                }
                action
            }
            ReindexScope::Database | ReindexScope::System => Action::new(kind),
        };
        vec![action]
    }
}

/// The table of an index.
pub fn table_of(index: pg_sys::Oid) -> Option<pg_sys::Oid> {
    create_index::index_form(index, |form| form.indrelid)
}

/// Ordinary tables and materialised views of a schema, the first of them.
fn tables_of(schema: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    dependents::direct(pg_sys::NamespaceRelationId, schema)
        .into_iter()
        .filter(|found| found.class == pg_sys::RelationRelationId)
        .map(|found| found.object)
        .filter(|&relation| matches!(cache::class(relation, |form| form.relkind as u8), Some(b'r' | b'm')))
        .take(MOST_RELATIONS)
        .collect()
}

/// VACUUM FULL, one action a table; nothing for another VACUUM and for ANALYZE.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn vacuum(statement: *mut pg_sys::VacuumStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        if !(*statement).is_vacuumcmd || option((*statement).options, "full") != Some(true) {
            return Vec::new();
        }
        let relations = pointers::<pg_sys::VacuumRelation>((*statement).rels);
        if relations.is_empty() {
            return vec![Action::new(Kind::VacuumFull)];
        }
        let mode = LockMode::AccessExclusive;
        relations
            .into_iter()
            .filter(|&relation| !(*relation).relation.is_null())
            .map(|relation| {
                let named = Named::of((*relation).relation);
                let oid = named.oid();
                let mut action = named.action(Kind::VacuumFull, mode);
                let is_partitioned =
                    action.target.as_ref().is_some_and(|target| target.kind == TouchedKind::PartitionedTable);
                if let Some(oid) = oid.filter(|_| is_partitioned) {
                    also_locks_below(&mut action, oid, mode);
                }
                action
            })
            .collect()
    }
}

/// CLUSTER, one action a table: without a name, each that was clustered before and that the caller may cluster.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn cluster(statement: *mut pg_sys::ClusterStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        if (*statement).relation.is_null() {
            return clustered()
                .into_iter()
                .filter_map(touched::of)
                .map(|table| Action {
                    target: Some(table.clone()),
                    is_qualified: true,
                    locks: vec![LockTaken { relation: table, mode: LockMode::AccessExclusive }],
                    ..Action::new(Kind::Cluster)
                })
                .collect();
        }
        vec![Named::of((*statement).relation).action(Kind::Cluster, LockMode::AccessExclusive)]
    }
}

/// Tables that were clustered before and that the caller may cluster, the first of them.
fn clustered() -> Vec<pg_sys::Oid> {
    let mut scan = CatalogScan::open(pg_sys::IndexRelationId.to_u32());
    let (table, is_clustered) = (scan.attribute(c"indrelid"), scan.attribute(c"indisclustered"));
    let mut found = Vec::new();
    while let Some(row) = scan.next_row() {
        if row.bool(is_clustered) && found.len() < MOST_RELATIONS {
            found.push(pg_sys::Oid::from(row.oid(table)));
        }
    }
    found.retain(|&table| {
        // SAFETY: looks into the system caches.
        let may = |owner| unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), owner) };
        cache::class(table, |form| form.relowner).is_some_and(may)
    });
    found
}

/// REFRESH MATERIALIZED VIEW.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn refresh(statement: *mut pg_sys::RefreshMatViewStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let named = Named::of((*statement).relation);
        let oid = named.oid();
        let kind = Kind::Refresh {
            is_concurrent: (*statement).concurrent,
            is_without_data: (*statement).skipData,
            is_populated: oid.and_then(|oid| cache::class(oid, |form| form.relispopulated)) == Some(true),
            has_unique_index: oid.is_some_and(|oid| size::indexes(oid).into_iter().any(is_usable)),
        };
        let mode = if (*statement).concurrent { LockMode::Exclusive } else { LockMode::AccessExclusive };
        vec![named.action(kind, mode)]
    }
}

/// Whether REFRESH … CONCURRENTLY can tell rows apart by this index: unique, at once, over all rows, columns only.
fn is_usable(index: pg_sys::Oid) -> bool {
    let keys = [pg_sys::Datum::from(index)];
    let is_usable = cache::row(pg_sys::SysCacheIdentifier::INDEXRELID, &keys, |tuple| {
        // SAFETY: the row of pg_index.
        let form = unsafe { &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_index>() };
        let count = usize::try_from(form.indnatts).unwrap_or(0);
        // SAFETY: a vector of as many elements as the row says.
        let columns = unsafe { form.indkey.values.as_slice(count) };
        form.indisunique
            && form.indimmediate
            && form.indisvalid
            && count > 0
            && columns.iter().all(|&column| column > 0)
            && create_index::attribute_of(tuple, pg_sys::Anum_pg_index_indpred).is_none()
    });
    is_usable == Some(true)
}

/// ALTER TABLE ALL IN TABLESPACE … SET TABLESPACE.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn move_all(statement: *mut pg_sys::AlterTableMoveAllStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches; a role or a tablespace may not be there.
    unsafe {
        let tablespace = text((*statement).new_tablespacename);
        let mut action = Action::new(Kind::MoveAll { tablespace });
        let from = pg_sys::get_tablespace_oid((*statement).orig_tablespacename, true);
        if from == pg_sys::InvalidOid {
            action.missing = Some(text((*statement).orig_tablespacename));
            return vec![action];
        }
        let roles: Vec<u32> = pointers::<pg_sys::RoleSpec>((*statement).roles)
            .into_iter()
            .map(|role| pg_sys::get_rolespec_oid(role, true).to_u32())
            .collect();
        let letters: &[char] = match (*statement).objtype {
            pg_sys::ObjectType::OBJECT_INDEX => &['i', 'I'],
            pg_sys::ObjectType::OBJECT_MATVIEW => &['m'],
            _ => &['r', 'p'],
        };
        for relation in in_tablespace(from, letters, &roles) {
            also_locks(&mut action, relation, LockMode::AccessExclusive);
        }
        vec![action]
    }
}

/// Relations of these kinds and owners in a tablespace, the first of them.
fn in_tablespace(tablespace: pg_sys::Oid, letters: &[char], roles: &[u32]) -> Vec<pg_sys::Oid> {
    // The catalog has 0 for the tablespace of the database.
    // SAFETY: a constant of this backend.
    let is_default = tablespace == unsafe { pg_sys::MyDatabaseTableSpace };
    let wanted = if is_default { 0 } else { tablespace.to_u32() };
    let mut scan = CatalogScan::open(pg_sys::RelationRelationId.to_u32());
    let (oid, kind, owner, place) = (
        scan.attribute(c"oid"),
        scan.attribute(c"relkind"),
        scan.attribute(c"relowner"),
        scan.attribute(c"reltablespace"),
    );
    let schema = scan.attribute(c"relnamespace");
    let mut found = Vec::new();
    while let Some(row) = scan.next_row() {
        let is_meant = row.oid(place) == wanted
            && letters.contains(&row.char(kind))
            && (roles.is_empty() || roles.contains(&row.oid(owner)))
            && row.oid(oid) >= pg_sys::FirstNormalObjectId
            && row.oid(schema) != pg_sys::PG_TOAST_NAMESPACE;
        if is_meant {
            found.push(pg_sys::Oid::from(row.oid(oid)));
            if found.len() >= MOST_RELATIONS {
                break;
            }
        }
    }
    found
}
