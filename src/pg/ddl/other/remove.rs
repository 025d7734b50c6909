//! DROP, one action an object.

use pgrx::pg_sys;
use pgrx::pg_sys::ObjectType as Object;

use super::dependents::Together;
use super::names::{Named, find_type, pointers, quoted, range_variable, strings, type_identity};
use super::whole::table_of;
use super::{also_locks, also_locks_below, constraint, dependents, function, remove_whole, uses};
use crate::catalog::LockMode;
use crate::catalog::ddl::{
    Action, Dependent, DropObject, DroppedKind, Kind, MOST_LOCKS_NAMED, RecentUse, Touched, TouchedKind,
};
use crate::pg::ddl::alter::default_partition;
use crate::pg::ddl::{cache, touched};
use crate::pg::facts::stop_if_cancelled;
use crate::pg::scan::CatalogScan;
use crate::text::{quote_identifier, quote_qualified};

/// DROP of one or several objects.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn actions(statement: *mut pg_sys::DropStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let mut shared = None;
        let objects = pointers::<pg_sys::Node>((*statement).objects);
        let object = |object: *mut pg_sys::Node| {
            stop_if_cancelled();
            match (*statement).removeType {
                Object::OBJECT_TABLE
                | Object::OBJECT_FOREIGN_TABLE
                | Object::OBJECT_VIEW
                | Object::OBJECT_MATVIEW
                | Object::OBJECT_SEQUENCE => {
                    let shared = shared.get_or_insert_with(|| Shared::of(statement));
                    relation(statement, object.cast(), shared)
                }
                Object::OBJECT_INDEX => index(statement, object.cast()),
                Object::OBJECT_TRIGGER => part_of_relation(statement, object.cast(), DroppedKind::Trigger),
                Object::OBJECT_RULE | Object::OBJECT_POLICY => {
                    part_of_relation(statement, object.cast(), DroppedKind::RuleOrPolicy)
                }
                Object::OBJECT_TYPE | Object::OBJECT_DOMAIN => type_or_domain(statement, object.cast()),
                Object::OBJECT_FUNCTION
                | Object::OBJECT_PROCEDURE
                | Object::OBJECT_ROUTINE
                | Object::OBJECT_AGGREGATE => routine(statement, object.cast()),
                Object::OBJECT_SCHEMA => remove_whole::schema(statement, object),
                Object::OBJECT_EXTENSION => remove_whole::extension(statement, object),
                _ => remove_whole::other(statement, object),
            }
        };
        objects.into_iter().map(object).collect()
    }
}

/// So many names are looked for faster one by one.
const FEW: usize = 3;

/// What is looked up once for all relations that a statement drops.
struct Shared {
    together: Together,
    /// Where there are several; a single name is looked for without further ado.
    uses: Option<uses::Uses>,
}

impl Shared {
    /// # Safety
    /// The node must live through the call.
    unsafe fn of(statement: *const pg_sys::DropStmt) -> Self {
        // SAFETY: as the caller vouches.
        let names = unsafe { pointers::<pg_sys::List>((*statement).objects) };
        let uses = (names.len() > FEW).then(uses::Uses::default);
        // SAFETY: as the caller vouches.
        let relations =
            names.into_iter().filter_map(|names| unsafe { touched::find(range_variable(names, false)?) });
        Self { together: Together::of(pg_sys::RelationRelationId, relations), uses }
    }

    fn functions(&self, relation: &Touched) -> Vec<Dependent> {
        match &self.uses {
            Some(uses) => uses.functions(&relation.name),
            None => uses::functions(&[&relation.name]),
        }
    }

    fn recent(&self, relation: &Touched) -> Vec<RecentUse> {
        match &self.uses {
            Some(uses) => uses.recent(relation, &relation.name),
            None => uses::recent(Some(relation), &[&relation.name]),
        }
    }
}

/// # Safety
/// The node must live through the call.
pub unsafe fn dropped(statement: *const pg_sys::DropStmt, kind: DroppedKind, name: String) -> DropObject {
    // SAFETY: as the caller vouches.
    unsafe {
        DropObject {
            is_there: false,
            is_concurrent: (*statement).concurrent,
            is_cascade: (*statement).behavior == pg_sys::DropBehavior::DROP_CASCADE,
            ..DropObject::new(kind, &name)
        }
    }
}

/// An action on something that is no relation.
pub fn without_relation(object: DropObject, is_qualified: bool) -> Action {
    let missing = (!object.is_there).then(|| object.name.clone());
    let mut action = Action::new(Kind::Drop(object));
    action.is_qualified = is_qualified;
    action.missing = missing;
    action
}

/// A list that cannot be a relation's name.
fn unresolved(mut object: DropObject, names: *mut pg_sys::List) -> Action {
    object.name = quoted(&strings(names));
    without_relation(object, true)
}

fn kind_of(touched: &Touched) -> DroppedKind {
    match touched.kind {
        TouchedKind::View => DroppedKind::View,
        TouchedKind::MaterializedView => DroppedKind::MaterializedView,
        TouchedKind::Sequence => DroppedKind::Sequence,
        TouchedKind::Index | TouchedKind::PartitionedIndex => DroppedKind::Index,
        TouchedKind::CompositeType => DroppedKind::Type,
        TouchedKind::Table | TouchedKind::PartitionedTable | TouchedKind::ForeignTable => DroppedKind::Table,
    }
}

/// # Safety
/// Nodes that live through the call.
unsafe fn relation(statement: *const pg_sys::DropStmt, names: *mut pg_sys::List, shared: &Shared) -> Action {
    // SAFETY: as the caller vouches.
    unsafe {
        let asked = match (*statement).removeType {
            Object::OBJECT_VIEW => DroppedKind::View,
            Object::OBJECT_MATVIEW => DroppedKind::MaterializedView,
            Object::OBJECT_SEQUENCE => DroppedKind::Sequence,
            _ => DroppedKind::Table,
        };
        let Some(named) = Named::of_list(names, false) else {
            return unresolved(dropped(statement, asked, String::new()), names);
        };
        let mut object = dropped(statement, asked, named.name());
        let mode = LockMode::AccessExclusive;
        let Some((relation, oid)) = named.touched.clone().zip(named.oid()) else {
            return named.action(Kind::Drop(object), mode);
        };
        // DROP VIEW of a table is refused: there is no such view.
        if kind_of(&relation) != asked {
            return Named { touched: None, ..named }.action(Kind::Drop(object), mode);
        }
        object.is_there = true;
        let closure = dependents::of(pg_sys::RelationRelationId, oid, &shared.together);
        object.dependents = closure.named;
        if asked != DroppedKind::Sequence && !relation.is_private() {
            object.dependents.extend(shared.functions(&relation));
            object.recent_uses = shared.recent(&relation);
        }
        let referenced = if asked == DroppedKind::Table { references_of(oid) } else { Vec::new() };
        object.referenced = referenced.iter().filter_map(|&table| qualified(table)).collect();
        let is_cascade = object.is_cascade;
        let mut action = named.action(Kind::Drop(object), mode);
        for table in referenced {
            also_locks(&mut action, table, mode);
        }
        if asked == DroppedKind::Table {
            if pg_sys::get_rel_relispartition(oid)
                && let Some(parent) = touched::parent(oid)
            {
                also_locks(&mut action, parent, mode);
                if let Some(default) = default_partition(parent).filter(|&default| default != oid) {
                    also_locks(&mut action, default, mode);
                }
            }
            if relation.kind == TouchedKind::PartitionedTable {
                also_locks_below(&mut action, oid, mode);
            }
        }
        if is_cascade {
            also_lock_all(&mut action, &closure.relations);
        }
        action
    }
}

/// Locks on the first of the relations that CASCADE changes.
pub fn also_lock_all(action: &mut Action, relations: &[pg_sys::Oid]) {
    for &relation in relations.iter().take(MOST_LOCKS_NAMED) {
        also_locks(action, relation, LockMode::AccessExclusive);
    }
}

/// The tables to which foreign keys of a table or of its partitions point.
fn references_of(table: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let members = touched::tree(table);
    let mut found = Vec::new();
    for &member in &members {
        for referenced in constraint::referenced_by(member) {
            if !members.contains(&referenced) && !found.contains(&referenced) {
                found.push(referenced);
            }
        }
    }
    found
}

fn qualified(relation: pg_sys::Oid) -> Option<String> {
    cache::relation_name(relation).map(|(schema, name)| quote_qualified(&schema, &name))
}

/// # Safety
/// Nodes that live through the call.
unsafe fn index(statement: *const pg_sys::DropStmt, names: *mut pg_sys::List) -> Action {
    // SAFETY: as the caller vouches.
    unsafe {
        let Some(named) = Named::of_list(names, false) else {
            return unresolved(dropped(statement, DroppedKind::Index, String::new()), names);
        };
        let mut object = dropped(statement, DroppedKind::Index, named.name());
        let mode =
            if object.is_concurrent { LockMode::ShareUpdateExclusive } else { LockMode::AccessExclusive };
        let Some((relation, oid)) = named.touched.clone().zip(named.oid()) else {
            return named.action(Kind::Drop(object), mode);
        };
        object.is_there = kind_of(&relation) == DroppedKind::Index;
        if object.is_there {
            let owner = pg_sys::get_index_constraint(oid);
            object.constraint = constraint::get(owner).map(|found| found.name);
            object.dependents = dependents::of(pg_sys::RelationRelationId, oid, &Together::default()).named;
        }
        let is_there = object.is_there;
        let mut action = named.action(Kind::Drop(object), mode);
        if is_there {
            for member in touched::tree(oid).into_iter().take(MOST_LOCKS_NAMED) {
                if let Some(table) = table_of(member) {
                    also_locks(&mut action, table, mode);
                }
                also_locks(&mut action, member, mode);
            }
        }
        action
    }
}

/// A trigger, a rule or a policy: the last of the names is its own.
///
/// # Safety
/// Nodes that live through the call.
unsafe fn part_of_relation(
    statement: *const pg_sys::DropStmt,
    names: *mut pg_sys::List,
    kind: DroppedKind,
) -> Action {
    // SAFETY: as the caller vouches.
    unsafe {
        let own = strings(names).pop().unwrap_or_default();
        let mut object = dropped(statement, kind, quote_identifier(&own));
        let Some(named) = Named::of_list(names, true) else {
            return unresolved(object, names);
        };
        let removes_policy = (*statement).removeType == Object::OBJECT_POLICY;
        object.is_there = named.oid().zip(cache::c_name(&own)).is_some_and(|(table, name)| {
            if kind == DroppedKind::Trigger {
                pg_sys::get_trigger_oid(table, name.as_ptr(), true) != pg_sys::InvalidOid
            } else if removes_policy {
                has_policy(table, &own)
            } else {
                let keys = [pg_sys::Datum::from(table), pg_sys::Datum::from(name.as_ptr())];
                cache::row(pg_sys::SysCacheIdentifier::RULERELNAME, &keys, |_| ()).is_some()
            }
        });
        let oid = named.oid();
        let is_there = object.is_there;
        // The table is locked as by a query until the server has found what it is to drop.
        let mode = if is_there { LockMode::AccessExclusive } else { LockMode::AccessShare };
        let mut action = named.action(Kind::Drop(object), mode);
        let is_partitioned =
            action.target.as_ref().is_some_and(|target| target.kind == TouchedKind::PartitionedTable);
        if let Some(oid) = oid.filter(|_| is_there && is_partitioned && kind == DroppedKind::Trigger) {
            also_locks_below(&mut action, oid, mode);
        }
        action
    }
}

fn has_policy(table: pg_sys::Oid, name: &str) -> bool {
    const POLICY: u32 = 3256;
    /// `pg_policy_polrelid_polname_index`.
    const BY_RELATION: u32 = 3258;
    let mut scan = CatalogScan::keyed(POLICY, BY_RELATION, &[(3, table.to_u32())]);
    let own = scan.attribute(c"polname");
    while let Some(row) = scan.next_row() {
        if &*row.name(own) == name {
            return true;
        }
    }
    false
}

/// # Safety
/// Nodes that live through the call.
unsafe fn type_or_domain(statement: *const pg_sys::DropStmt, name: *mut pg_sys::TypeName) -> Action {
    // SAFETY: as the caller vouches.
    unsafe {
        let names = strings((*name).names);
        let found = find_type(name);
        let written = found.and_then(type_identity).unwrap_or_else(|| quoted(&names));
        let mut object = dropped(statement, DroppedKind::Type, written);
        let mut relations = Vec::new();
        if let Some(found) = found {
            object.is_there = true;
            let closure = dependents::of(pg_sys::TypeRelationId, found, &Together::default());
            object.dependents = closure.named;
            relations = closure.relations;
            if let Some(own) = names.last() {
                object.dependents.extend(uses::functions(&[own]));
            }
        }
        let is_cascade = object.is_cascade;
        let mut action = without_relation(object, names.len() > 1);
        if is_cascade {
            also_lock_all(&mut action, &relations);
        }
        action
    }
}

/// # Safety
/// Nodes that live through the call.
unsafe fn routine(statement: *const pg_sys::DropStmt, name: *mut pg_sys::ObjectWithArgs) -> Action {
    // SAFETY: as the caller vouches.
    unsafe {
        let found = function::find(name);
        let written = match found.as_slice() {
            [only] => function::identity(*only),
            _ => None,
        };
        let written = written.unwrap_or_else(|| function::written(name));
        let mut object = dropped(statement, DroppedKind::Function, written);
        let names = strings((*name).objname);
        let mut relations = Vec::new();
        // With several of the name, the server refuses.
        if let [only] = found.as_slice() {
            object.is_there = true;
            let closure = dependents::of(pg_sys::ProcedureRelationId, *only, &Together::default());
            object.dependents = closure.named;
            relations = closure.relations;
            if let Some(own) = names.last() {
                let itself = object.name.clone();
                let mentions = uses::functions(&[own]);
                object.dependents.extend(mentions.into_iter().filter(|other| other.name != itself));
            }
        }
        let is_cascade = object.is_cascade;
        let mut action = without_relation(object, names.len() > 1);
        if is_cascade {
            also_lock_all(&mut action, &relations);
        }
        action
    }
}
