//! Extensions, triggers, functions, policies and publications.

use pgrx::pg_sys;
use rustc_hash::FxHashSet;

use crate::catalog::{
    EventTrigger, Extension, Function, FunctionKind, Oid, Policy, Publication, Snapshot, Trigger,
    TriggerState, Volatility,
};
use crate::pg::file;
use crate::pg::scan::CatalogScan;

const EVENT_TRIGGER: u32 = 3466;
const POLICY: u32 = 3256;
const PUBLICATION: u32 = 6104;
const PUBLICATION_RELATION: u32 = 6106;
const PUBLICATION_NAMESPACE: u32 = 6237;

/// Reads them all.
pub fn read(snapshot: &mut Snapshot) {
    read_extensions(snapshot);
    let relations: FxHashSet<Oid> = snapshot.relations.iter().map(|relation| relation.oid).collect();
    read_triggers(snapshot, &relations);
    read_event_triggers(snapshot);
    read_policies(snapshot, &relations);
    read_functions(snapshot);
    read_publications(snapshot);
}

fn read_extensions(snapshot: &mut Snapshot) {
    let mut scan = CatalogScan::open(pg_sys::ExtensionRelationId.to_u32());
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"extname");
    let owner = scan.attribute(c"extowner");
    let schema = scan.attribute(c"extnamespace");
    let version = scan.attribute(c"extversion");
    while let Some(row) = scan.next_row() {
        let name = row.name(name);
        snapshot.extensions.push(Extension {
            oid: row.oid(oid),
            available: file::default_version(&name),
            name,
            version: row.text(version).unwrap_or_default(),
            schema: row.oid(schema),
            owner: row.oid(owner),
        });
    }
}

fn read_triggers(snapshot: &mut Snapshot, relations: &FxHashSet<Oid>) {
    let mut scan = CatalogScan::open(pg_sys::TriggerRelationId.to_u32());
    let oid = scan.attribute(c"oid");
    let table = scan.attribute(c"tgrelid");
    let name = scan.attribute(c"tgname");
    let function = scan.attribute(c"tgfoid");
    let kind = scan.attribute(c"tgtype");
    let state = scan.attribute(c"tgenabled");
    let is_internal = scan.attribute(c"tgisinternal");
    let constraint = scan.attribute(c"tgconstraint");
    while let Some(row) = scan.next_row() {
        if !relations.contains(&row.oid(table)) {
            continue;
        }
        snapshot.triggers.push(Trigger {
            oid: row.oid(oid),
            table: row.oid(table),
            name: row.name(name),
            function: row.oid(function),
            state: state_of(row.char(state)),
            is_internal: row.bool(is_internal),
            constraint: row.oid(constraint),
            kind: row.int2(kind),
        });
    }
}

fn state_of(letter: char) -> TriggerState {
    match letter {
        'A' => TriggerState::Always,
        'R' => TriggerState::Replica,
        'D' => TriggerState::Disabled,
        _ => TriggerState::Origin,
    }
}

fn read_event_triggers(snapshot: &mut Snapshot) {
    let mut scan = CatalogScan::open(EVENT_TRIGGER);
    let name = scan.attribute(c"evtname");
    let state = scan.attribute(c"evtenabled");
    let function = scan.attribute(c"evtfoid");
    while let Some(row) = scan.next_row() {
        snapshot.event_triggers.push(EventTrigger {
            name: row.name(name),
            state: state_of(row.char(state)),
            function: row.oid(function),
        });
    }
}

fn read_policies(snapshot: &mut Snapshot, relations: &FxHashSet<Oid>) {
    let mut scan = CatalogScan::open(POLICY);
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"polname");
    let table = scan.attribute(c"polrelid");
    let command = scan.attribute(c"polcmd");
    let is_permissive = scan.attribute(c"polpermissive");
    let roles = scan.attribute(c"polroles");
    let using = scan.attribute(c"polqual");
    let with_check = scan.attribute(c"polwithcheck");
    while let Some(row) = scan.next_row() {
        if !relations.contains(&row.oid(table)) {
            continue;
        }
        snapshot.policies.push(Policy {
            oid: row.oid(oid),
            name: row.name(name),
            table: row.oid(table),
            command: row.char(command),
            is_permissive: row.bool(is_permissive),
            roles: row.oid_array(roles).into(),
            has_using: row.has(using),
            has_with_check: row.has(with_check),
        });
    }
}

fn read_functions(snapshot: &mut Snapshot) {
    let mut scan = CatalogScan::open(pg_sys::ProcedureRelationId.to_u32());
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"proname");
    let schema = scan.attribute(c"pronamespace");
    let owner = scan.attribute(c"proowner");
    let language = scan.attribute(c"prolang");
    let kind = scan.attribute(c"prokind");
    let is_security_definer = scan.attribute(c"prosecdef");
    let is_leakproof = scan.attribute(c"proleakproof");
    let volatility = scan.attribute(c"provolatile");
    let return_type = scan.attribute(c"prorettype");
    let argument_types = scan.attribute(c"proargtypes");
    let settings = scan.attribute(c"proconfig");
    let acl = scan.attribute(c"proacl");
    while let Some(row) = scan.next_row() {
        if snapshot.namespaces.get(&row.oid(schema)).is_none_or(crate::catalog::Namespace::is_system) {
            continue;
        }
        snapshot.functions.push(Function {
            oid: row.oid(oid),
            name: row.name(name),
            schema: row.oid(schema),
            owner: row.oid(owner),
            language: row.oid(language),
            kind: match row.char(kind) {
                'p' => FunctionKind::Procedure,
                'a' => FunctionKind::Aggregate,
                'w' => FunctionKind::Window,
                _ => FunctionKind::Function,
            },
            is_security_definer: row.bool(is_security_definer),
            is_leakproof: row.bool(is_leakproof),
            volatility: match row.char(volatility) {
                'i' => Volatility::Immutable,
                's' => Volatility::Stable,
                _ => Volatility::Volatile,
            },
            return_type: row.oid(return_type),
            argument_types: row.oid_array(argument_types).into(),
            settings: row.text_array(settings),
            acl: row.acl(acl),
        });
    }
}

fn read_publications(snapshot: &mut Snapshot) {
    let mut scan = CatalogScan::open(PUBLICATION);
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"pubname");
    let is_for_all_tables = scan.attribute(c"puballtables");
    let publishes_update = scan.attribute(c"pubupdate");
    let publishes_delete = scan.attribute(c"pubdelete");
    while let Some(row) = scan.next_row() {
        snapshot.publications.push(Publication {
            oid: row.oid(oid),
            name: row.name(name),
            is_for_all_tables: row.bool(is_for_all_tables),
            publishes_update: row.bool(publishes_update),
            publishes_delete: row.bool(publishes_delete),
            tables: Vec::new(),
            schemas: Vec::new(),
        });
    }
    drop(scan);

    for (publication, relation) in pairs(PUBLICATION_RELATION, c"prpubid", c"prrelid") {
        if let Some(found) = snapshot.publications.iter_mut().find(|found| found.oid == publication) {
            found.tables.push(relation);
        }
    }
    for (publication, schema) in pairs(PUBLICATION_NAMESPACE, c"pnpubid", c"pnnspid") {
        if let Some(found) = snapshot.publications.iter_mut().find(|found| found.oid == publication) {
            found.schemas.push(schema);
        }
    }
}

/// Two OID columns of a catalog that links two others.
fn pairs(catalog: u32, first: &std::ffi::CStr, second: &std::ffi::CStr) -> FxHashSet<(Oid, Oid)> {
    let mut scan = CatalogScan::open(catalog);
    let (first, second) = (scan.attribute(first), scan.attribute(second));
    let mut found = FxHashSet::default();
    while let Some(row) = scan.next_row() {
        found.insert((row.oid(first), row.oid(second)));
    }
    found
}
