//! Everything that carries privileges, read in one pass a catalog.

use std::ffi::CStr;

use pgrx::pg_sys;
use rustc_hash::FxHashMap;

use crate::catalog::security::{ObjectKind, Protected, ProtectedColumn};
use crate::catalog::{Grant, Namespace, Oid};
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::scan::{CatalogScan, in_scratch_memory};
use crate::pg::snapshot::relation::namespaces;
use crate::pg::snapshot::security::signature;
use crate::text::{quote_identifier, quote_qualified};

const TABLESPACE: u32 = 1213;
const DATABASE: u32 = 1262;
const FOREIGN_SERVER: u32 = 1417;
const FOREIGN_DATA_WRAPPER: u32 = 2328;
const LANGUAGE: u32 = 2612;
const LARGE_OBJECT_METADATA: u32 = 2995;
const PARAMETER_ACL: u32 = 6243;

/// The function that true arrays, and nothing else, have for their elements.
const ARRAY_SUBSCRIPT_HANDLER: Oid = 6179;

/// Objects below this OID were made with the cluster and cannot be dropped.
const FIRST_UNPINNED: Oid = 12_000;
/// Objects from this OID on were made by people.
const FIRST_NORMAL: Oid = 16_384;

/// A catalog whose objects are in no schema.
struct Plain {
    catalog: u32,
    kind: ObjectKind,
    name: &'static CStr,
    owner: &'static CStr,
    acl: &'static CStr,
}

const PLAIN: [Plain; 5] = [
    Plain {
        catalog: LANGUAGE,
        kind: ObjectKind::Language,
        name: c"lanname",
        owner: c"lanowner",
        acl: c"lanacl",
    },
    Plain {
        catalog: DATABASE,
        kind: ObjectKind::Database,
        name: c"datname",
        owner: c"datdba",
        acl: c"datacl",
    },
    Plain {
        catalog: FOREIGN_DATA_WRAPPER,
        kind: ObjectKind::ForeignDataWrapper,
        name: c"fdwname",
        owner: c"fdwowner",
        acl: c"fdwacl",
    },
    Plain {
        catalog: FOREIGN_SERVER,
        kind: ObjectKind::ForeignServer,
        name: c"srvname",
        owner: c"srvowner",
        acl: c"srvacl",
    },
    Plain {
        catalog: TABLESPACE,
        kind: ObjectKind::Tablespace,
        name: c"spcname",
        owner: c"spcowner",
        acl: c"spcacl",
    },
];

/// Every object of these kinds that `wanted` lets in by its kind and OID; no catalog is read for another kind. What is the
/// server's own and as it was made is left out, unless `with_system`.
pub fn read(
    kinds: &[ObjectKind],
    with_system: bool,
    wanted: &dyn Fn(ObjectKind, Oid) -> bool,
) -> Vec<Protected> {
    let mut found = Vec::new();
    let is_asked = |kind: ObjectKind| kinds.contains(&kind);
    in_scratch_memory(|| {
        let schemas = namespaces();
        for schema in schemas.values().filter(|_| is_asked(ObjectKind::Schema)) {
            let is_system = schema.is_system();
            if wanted(ObjectKind::Schema, schema.oid) && (with_system || !is_system) {
                found.push(Protected {
                    oid: schema.oid,
                    kind: ObjectKind::Schema,
                    name: quote_identifier(&schema.name).into(),
                    owner: schema.owner,
                    acl: schema.acl.clone(),
                    is_system,
                    ..Protected::default()
                });
            }
        }
        if is_asked(ObjectKind::Table) || is_asked(ObjectKind::Sequence) {
            let wanted = |kind, oid| is_asked(kind) && wanted(kind, oid);
            read_relations(&schemas, with_system, &wanted, &mut found);
        }
        if is_asked(ObjectKind::Function) {
            read_functions(&schemas, with_system, wanted, &mut found);
        }
        if is_asked(ObjectKind::Type) {
            read_types(&schemas, with_system, wanted, &mut found);
        }
        for plain in PLAIN.iter().filter(|plain| is_asked(plain.kind)) {
            read_plain(plain, with_system, wanted, &mut found);
        }
        if is_asked(ObjectKind::Parameter) {
            read_parameters(wanted, &mut found);
        }
        if is_asked(ObjectKind::LargeObject) {
            read_large_objects(wanted, &mut found);
        }
    });
    found
}

fn is_system(schemas: &FxHashMap<Oid, Namespace>, schema: Oid) -> bool {
    schemas.get(&schema).is_none_or(Namespace::is_system)
}

fn qualified(schemas: &FxHashMap<Oid, Namespace>, schema: Oid, name: &str) -> Box<str> {
    quote_qualified(schemas.get(&schema).map_or("?", |schema| &schema.name), name).into()
}

fn read_relations(
    schemas: &FxHashMap<Oid, Namespace>,
    with_system: bool,
    wanted: &dyn Fn(ObjectKind, Oid) -> bool,
    found: &mut Vec<Protected>,
) {
    let first = found.len();
    let mut scan = CatalogScan::open(pg_sys::RelationRelationId.to_u32());
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"relname");
    let schema = scan.attribute(c"relnamespace");
    let owner = scan.attribute(c"relowner");
    let kind = scan.attribute(c"relkind");
    let acl = scan.attribute(c"relacl");
    while let Some(row) = scan.next_row() {
        let code = row.char(kind);
        let kind = match code {
            'r' | 'p' | 'v' | 'm' | 'f' => ObjectKind::Table,
            'S' => ObjectKind::Sequence,
            _ => continue,
        };
        let (oid, schema) = (row.oid(oid), row.oid(schema));
        let is_system = is_system(schemas, schema);
        let acl = row.acl(acl);
        if !wanted(kind, oid) || (is_system && !with_system && acl.is_none()) {
            continue;
        }
        found.push(Protected {
            oid,
            kind,
            name: qualified(schemas, schema, &row.name(name)),
            schema,
            owner: row.oid(owner),
            acl,
            columns: Vec::new(),
            is_catalog: oid < FIRST_UNPINNED && code != 'v',
            is_system,
        });
    }
    drop(scan);
    read_columns(&mut found[first..]);
}

fn read_columns(tables: &mut [Protected]) {
    if tables.is_empty() {
        return;
    }
    let places: FxHashMap<Oid, usize> =
        tables.iter().enumerate().map(|(place, table)| (table.oid, place)).collect();
    let mut scan = CatalogScan::open(pg_sys::AttributeRelationId.to_u32());
    let acl = scan.attribute(c"attacl");
    // SAFETY: pgrx's struct is this major's C layout of the catalog's fixed part.
    while let Some(form) = unsafe { scan.next_struct::<pg_sys::FormData_pg_attribute>() } {
        let Some(&place) = places.get(&form.attrelid.to_u32()) else { continue };
        if form.attisdropped {
            continue;
        }
        let (number, name) = (form.attnum, crate::pg::scan::text_of_name(&form.attname));
        if let Some(acl) = scan.acl_of_current(acl) {
            let name = quote_identifier(&name).into();
            tables[place].columns.push(ProtectedColumn { number, name, acl });
        }
    }
    for table in tables {
        table.columns.sort_by_key(|column| column.number);
    }
}

fn read_functions(
    schemas: &FxHashMap<Oid, Namespace>,
    with_system: bool,
    wanted: &dyn Fn(ObjectKind, Oid) -> bool,
    found: &mut Vec<Protected>,
) {
    let mut scan = CatalogScan::open(pg_sys::ProcedureRelationId.to_u32());
    let oid = scan.attribute(c"oid");
    let schema = scan.attribute(c"pronamespace");
    let owner = scan.attribute(c"proowner");
    let acl = scan.attribute(c"proacl");
    let first = found.len();
    while let Some(row) = scan.next_row() {
        let (oid, schema) = (row.oid(oid), row.oid(schema));
        let is_system = is_system(schemas, schema);
        let acl = row.acl(acl);
        if !wanted(ObjectKind::Function, oid) || (is_system && !with_system && acl.is_none()) {
            continue;
        }
        found.push(Protected {
            oid,
            kind: ObjectKind::Function,
            schema,
            owner: row.oid(owner),
            acl,
            is_system,
            ..Protected::default()
        });
    }
    drop(scan);
    with_pinned_search_path(|| {
        for function in &mut found[first..] {
            function.name = signature(function.oid).unwrap_or_default();
        }
    });
}

fn read_types(
    schemas: &FxHashMap<Oid, Namespace>,
    with_system: bool,
    wanted: &dyn Fn(ObjectKind, Oid) -> bool,
    found: &mut Vec<Protected>,
) {
    let mut scan = CatalogScan::open(pg_sys::TypeRelationId.to_u32());
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"typname");
    let schema = scan.attribute(c"typnamespace");
    let owner = scan.attribute(c"typowner");
    let kind = scan.attribute(c"typtype");
    let element = scan.attribute(c"typelem");
    let subscripting = scan.attribute(c"typsubscript");
    let relation = scan.attribute(c"typrelid");
    let acl = scan.attribute(c"typacl");
    while let Some(row) = scan.next_row() {
        let code = row.char(kind);
        // The rights of an array are those of its elements, and from 17 on those of a multirange its range's: on neither can
        // anything be granted. A domain over an array is a type like others.
        let is_array = row.oid(element) != 0 && row.oid(subscripting) == ARRAY_SUBSCRIPT_HANDLER;
        let is_granted_on = match code {
            'b' | 'c' | 'd' | 'e' | 'r' => !is_array,
            'm' => pg_sys::PG_VERSION_NUM < 170_000,
            _ => false,
        };
        let (oid, schema) = (row.oid(oid), row.oid(schema));
        if !is_granted_on || !wanted(ObjectKind::Type, oid) {
            continue;
        }
        let is_system = is_system(schemas, schema);
        let acl = row.acl(acl);
        // Every table comes with the type of its rows, which says something only where somebody granted or revoked.
        let is_plain = acl.is_none() && (is_system || is_of_table(row.oid(relation)));
        if is_plain && !with_system {
            continue;
        }
        found.push(Protected {
            oid,
            kind: ObjectKind::Type,
            name: qualified(schemas, schema, &row.name(name)),
            schema,
            owner: row.oid(owner),
            acl,
            is_system,
            ..Protected::default()
        });
    }
}

/// Whether the relation of a composite type is a table or the like, of whose rows it is the type.
fn is_of_table(relation: Oid) -> bool {
    // SAFETY: asks the server's cache; a relation that is gone has kind 0.
    relation != 0
        && unsafe { pg_sys::get_rel_relkind(relation.into()) } as u8 != pg_sys::RELKIND_COMPOSITE_TYPE
}

fn read_plain(
    plain: &Plain,
    with_system: bool,
    wanted: &dyn Fn(ObjectKind, Oid) -> bool,
    found: &mut Vec<Protected>,
) {
    let mut scan = CatalogScan::open(plain.catalog);
    let oid = scan.attribute(c"oid");
    let (name, owner, acl) =
        (scan.attribute(plain.name), scan.attribute(plain.owner), scan.attribute(plain.acl));
    while let Some(row) = scan.next_row() {
        let oid = row.oid(oid);
        let acl = row.acl(acl);
        let is_system = plain.kind == ObjectKind::Language && oid < FIRST_NORMAL;
        if !wanted(plain.kind, oid) || (is_system && !with_system && acl.is_none()) {
            continue;
        }
        found.push(Protected {
            oid,
            kind: plain.kind,
            name: quote_identifier(&row.name(name)).into(),
            owner: row.oid(owner),
            acl,
            is_system,
            ..Protected::default()
        });
    }
}

/// Where `lo_compat_privileges` is on, the server asks for no right: everybody has what there is.
fn read_large_objects(wanted: &dyn Fn(ObjectKind, Oid) -> bool, found: &mut Vec<Protected>) {
    let kind = ObjectKind::LargeObject;
    let privileges = kind.privileges(0);
    // SAFETY: a setting that every server has and everybody sees; its value lives until the next such call.
    let is_open = unsafe {
        let value = pg_sys::GetConfigOption(c"lo_compat_privileges".as_ptr(), true, false);
        !value.is_null() && CStr::from_ptr(value) == c"on"
    };
    let mut scan = CatalogScan::open(LARGE_OBJECT_METADATA);
    let (oid, owner, acl) = (scan.attribute(c"oid"), scan.attribute(c"lomowner"), scan.attribute(c"lomacl"));
    while let Some(row) = scan.next_row() {
        let (oid, owner, mut acl) = (row.oid(oid), row.oid(owner), row.acl(acl));
        if !wanted(kind, oid) {
            continue;
        }
        if is_open {
            let mut grants = acl.take().map_or_else(
                || vec![Grant { grantee: owner, grantor: owner, privileges }],
                |grants| grants.into_vec(),
            );
            grants.push(Grant { grantee: 0, grantor: 0, privileges });
            acl = Some(grants.into());
        }
        found.push(Protected { oid, kind, name: oid.to_string().into(), owner, acl, ..Protected::default() });
    }
}

fn read_parameters(wanted: &dyn Fn(ObjectKind, Oid) -> bool, found: &mut Vec<Protected>) {
    let mut scan = CatalogScan::open(PARAMETER_ACL);
    let (oid, name, acl) = (scan.attribute(c"oid"), scan.attribute(c"parname"), scan.attribute(c"paracl"));
    while let Some(row) = scan.next_row() {
        let oid = row.oid(oid);
        if wanted(ObjectKind::Parameter, oid) {
            found.push(Protected {
                oid,
                kind: ObjectKind::Parameter,
                name: row.text(name).unwrap_or_default(),
                owner: crate::pg::security::BOOTSTRAP,
                acl: row.acl(acl),
                ..Protected::default()
            });
        }
    }
}
