//! Constraints: foreign keys from and to partitioned tables, and what upkeep left on default partitions.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::catalog::Oid;
use crate::catalog::partition::FENCE;
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

/// What is said of each table.
#[derive(Default)]
pub struct Constraints {
    /// The tables to which it points, qualified and quoted.
    pub references: FxHashMap<Oid, Vec<String>>,
    /// Those that point to it.
    pub referenced_by: FxHashMap<Oid, Vec<String>>,
    /// The constraints of a default partition that upkeep made and did not come to take away.
    pub fences: FxHashMap<Oid, Vec<String>>,
}

/// Of these tables and their default partitions. Copies of a foreign key for the partitions of the other side are not told
/// of.
pub fn of(tables: &FxHashSet<Oid>, defaults: &FxHashSet<Oid>) -> Constraints {
    let mut found = Constraints::default();
    let mut keys = Vec::new();
    if tables.len() <= FEW {
        few(tables, &mut keys, &mut found.fences);
        for &default in defaults {
            let scan = CatalogScan::keyed(CONSTRAINT, BY_TABLE, &[(table_attribute(), default)]);
            read(scan, defaults, &mut Vec::new(), &mut found.fences);
        }
    } else {
        read(CatalogScan::keyed(CONSTRAINT, BY_OID, &[]), defaults, &mut keys, &mut found.fences);
    }
    let by_oid: FxHashMap<Oid, Key> = keys.iter().map(|key| (key.oid, *key)).collect();
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

/// The number of `conrelid`, which stands at another place from 18 on.
fn table_attribute() -> i16 {
    // SAFETY: the catalog has this attribute in every version.
    unsafe { pgrx::pg_sys::get_attnum(CONSTRAINT.into(), c"conrelid".as_ptr()) }
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
fn few(tables: &FxHashSet<Oid>, keys: &mut Vec<Key>, fences: &mut FxHashMap<Oid, Vec<String>>) {
    let mut seen = FxHashSet::default();
    let mut read = |column, oid| {
        let index = if column == 1 { BY_OID } else { BY_TABLE };
        let mut found = Vec::new();
        let scan = CatalogScan::keyed(CONSTRAINT, index, &[(column, oid)]);
        read(scan, &FxHashSet::default(), &mut found, fences);
        found
    };
    for &table in tables {
        let own = read(table_attribute(), table);
        let pointing: Vec<Key> =
            dependents(table).into_iter().flat_map(|constraint| read(1, constraint)).collect();
        for key in own.into_iter().chain(pointing) {
            if !seen.insert(key.oid) {
                continue;
            }
            keys.push(key);
            if key.parent != 0 && seen.insert(key.parent) {
                keys.extend(read(1, key.parent));
            }
        }
    }
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

/// Adds the foreign keys among these constraints, and the fences of default partitions.
fn read(
    mut scan: CatalogScan,
    defaults: &FxHashSet<Oid>,
    keys: &mut Vec<Key>,
    fences: &mut FxHashMap<Oid, Vec<String>>,
) {
    let (oid, kind, table) =
        (scan.attribute(c"oid"), scan.attribute(c"contype"), scan.attribute(c"conrelid"));
    let (referenced, parent) = (scan.attribute(c"confrelid"), scan.attribute(c"conparentid"));
    let name = scan.attribute(c"conname");
    while let Some(row) = scan.next_row() {
        match row.char(kind) {
            'f' => keys.push(Key {
                oid: row.oid(oid),
                table: row.oid(table),
                referenced: row.oid(referenced),
                parent: row.oid(parent),
            }),
            'c' if defaults.contains(&row.oid(table)) => {
                let name = row.name(name);
                if name.starts_with(FENCE) {
                    fences.entry(row.oid(table)).or_default().push(name.into());
                }
            }
            _ => {}
        }
    }
}
