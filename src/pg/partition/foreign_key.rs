//! Foreign keys from and to partitioned tables.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::catalog::Oid;
use crate::pg::ddl::cache::relation_name;
use crate::pg::scan::CatalogScan;
use crate::text::quote_qualified;

/// `pg_constraint`.
const CONSTRAINT: u32 = 2606;
/// `pg_constraint_conrelid_contypid_conname_index`.
const BY_TABLE: u32 = 2665;
/// `pg_constraint_oid_index`.
const BY_OID: u32 = 2667;
/// `pg_depend`.
const DEPEND: u32 = 2608;
/// `pg_depend_reference_index`.
const BY_REFERENCE: u32 = 2674;

/// With more tables than this, one pass over the catalog is cheaper than a look-up for each.
const FEW: usize = 20;

#[derive(Clone, Copy)]
struct Key {
    oid: Oid,
    table: Oid,
    referenced: Oid,
    parent: Oid,
}

/// The tables to which each of these points, and those that point to it, qualified and quoted.
#[derive(Default)]
pub struct ForeignKeys {
    pub references: FxHashMap<Oid, Vec<String>>,
    pub referenced_by: FxHashMap<Oid, Vec<String>>,
}

/// Of these tables. Copies of a key for the partitions of the other side are not told of.
pub fn of(tables: &FxHashSet<Oid>) -> ForeignKeys {
    let keys =
        if tables.len() <= FEW { few(tables) } else { read(CatalogScan::keyed(CONSTRAINT, BY_OID, &[])) };
    let by_oid: FxHashMap<Oid, Key> = keys.iter().map(|key| (key.oid, *key)).collect();
    let mut found = ForeignKeys::default();
    for key in &keys {
        let parent = by_oid.get(&key.parent);
        if tables.contains(&key.table) && parent.is_none_or(|parent| parent.table != key.table) {
            add(&mut found.references, key.table, key.referenced);
        }
        if tables.contains(&key.referenced) && parent.is_none_or(|parent| parent.referenced != key.referenced)
        {
            add(&mut found.referenced_by, key.referenced, key.table);
        }
    }
    found
}

fn add(names: &mut FxHashMap<Oid, Vec<String>>, table: Oid, other: Oid) {
    let Some((schema, name)) = relation_name(other.into()) else { return };
    let (name, names) = (quote_qualified(&schema, &name), names.entry(table).or_default());
    if let Err(place) = names.binary_search(&name) {
        names.insert(place, name);
    }
}

/// The keys of few tables, through indexes; for keys that point to a table the catalog has none, so that they are found
/// by what depends on it.
fn few(tables: &FxHashSet<Oid>) -> Vec<Key> {
    // SAFETY: the catalog has this attribute in every version, at another place from 18 on.
    let number = unsafe { pgrx::pg_sys::get_attnum(CONSTRAINT.into(), c"conrelid".as_ptr()) };
    let mut keys = Vec::new();
    let mut seen = FxHashSet::default();
    for &table in tables {
        let own = read(CatalogScan::keyed(CONSTRAINT, BY_TABLE, &[(number, table)]));
        let pointing = dependents(table)
            .into_iter()
            .flat_map(|constraint| read(CatalogScan::keyed(CONSTRAINT, BY_OID, &[(1, constraint)])));
        for key in own.into_iter().chain(pointing) {
            if !seen.insert(key.oid) {
                continue;
            }
            keys.push(key);
            if key.parent != 0 && seen.insert(key.parent) {
                keys.extend(read(CatalogScan::keyed(CONSTRAINT, BY_OID, &[(1, key.parent)])));
            }
        }
    }
    keys
}

/// The constraints that depend on a table.
fn dependents(table: Oid) -> FxHashSet<Oid> {
    let relation_class = pgrx::pg_sys::RelationRelationId.to_u32();
    let mut scan = CatalogScan::keyed(DEPEND, BY_REFERENCE, &[(4, relation_class), (5, table)]);
    let (class, object) = (scan.attribute(c"classid"), scan.attribute(c"objid"));
    let mut found = FxHashSet::default();
    while let Some(row) = scan.next_row() {
        if row.oid(class) == CONSTRAINT {
            found.insert(row.oid(object));
        }
    }
    found
}

fn read(mut scan: CatalogScan) -> Vec<Key> {
    let (oid, kind, table) =
        (scan.attribute(c"oid"), scan.attribute(c"contype"), scan.attribute(c"conrelid"));
    let (referenced, parent) = (scan.attribute(c"confrelid"), scan.attribute(c"conparentid"));
    let mut keys = Vec::new();
    while let Some(row) = scan.next_row() {
        if row.char(kind) == 'f' {
            keys.push(Key {
                oid: row.oid(oid),
                table: row.oid(table),
                referenced: row.oid(referenced),
                parent: row.oid(parent),
            });
        }
    }
    keys
}
