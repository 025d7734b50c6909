//! Partition sets from the catalogs: no lock on a table, nothing written, also on a standby.

use pgrx::pg_sys;
use rustc_hash::{FxHashMap, FxHashSet};

use super::bound::{self, Bound};
use super::constraint;
use crate::catalog::partition::key::{Edge, KeyKind, Range};
use crate::catalog::partition::{Partition, Set, Shape, ShapePart, Strategy};
use crate::catalog::{FileLocation, Oid};
use crate::pg::ddl::cache::{relation_name, row as cached, schema_name};
use crate::pg::file;
use crate::pg::scan::{CatalogScan, in_scratch_memory, text_of_c_string};

/// `pg_class_oid_index`.
const CLASS_BY_OID: u32 = 2662;
/// `pg_inherits`.
const INHERITS: u32 = 2611;
/// `pg_inherits_parent_index`.
const INHERITS_BY_PARENT: u32 = 2187;
/// `pg_partitioned_table`.
const PARTITIONED_TABLE: u32 = 3350;
/// `pg_partitioned_table_partrelid_index`.
const PARTITIONED_BY_TABLE: u32 = 3351;
/// The collations "C" and "POSIX"; both compare bytes.
const BYTE_COLLATIONS: [u32; 2] = [950, 951];
/// The collation of the database.
const DEFAULT_COLLATION: u32 = 100;

/// With more sets than this, one pass over each catalog is cheaper than look-ups.
const FEW: usize = 20;

/// The set of this table; `None` for what is gone or no partitioned table.
pub fn set(parent: Oid) -> Option<Set> {
    sets(&[parent]).pop()
}

/// The sets of these tables in their order, without those that are gone or no partitioned tables.
pub fn sets(parents: &[Oid]) -> Vec<Set> {
    let wanted: FxHashSet<Oid> = parents.iter().copied().collect();
    let mut keys = read_keys(&wanted);
    let children = read_children(&wanted);
    let mut relations: FxHashSet<Oid> = children.values().flatten().map(|child| child.relation).collect();
    relations.extend(keys.keys());
    let kinds: FxHashMap<Oid, Option<KeyKind>> = children
        .iter()
        .filter_map(|(parent, children)| Some((keys.get(parent)?.kind, children)))
        .flat_map(|(kind, children)| children.iter().map(move |child| (child.relation, kind)))
        .collect();
    let mut classes = read_classes(&relations, &kinds);
    let is_default = |class: &Class| matches!(class.bound, Some(Bound::Default));
    let defaults =
        classes.iter().filter(|(_, class)| is_default(class)).map(|(relation, _)| *relation).collect();
    let mut constraints = constraint::of(&wanted, &defaults);
    let mut schemas = FxHashMap::default();
    parents
        .iter()
        .filter_map(|&parent| {
            let key = keys.remove(&parent)?;
            let class = classes.remove(&parent)?;
            let children = children.get(&parent).map_or(&[][..], Vec::as_slice);
            let found = children
                .iter()
                .filter_map(|child| Some((*child, classes.remove(&child.relation)?)))
                .collect();
            let (partitions, bound_rest) = partitions(found, key.kind, &mut schemas);
            let fences = partitions
                .iter()
                .filter_map(|partition| constraints.fences.remove(&partition.relation))
                .next()
                .unwrap_or_default();
            Some(Set {
                parent,
                schema: schema_of(&mut schemas, class.schema)?,
                name: class.name.into(),
                owner: class.owner,
                strategy: key.strategy,
                key_columns: key.columns,
                key_type: key.type_name,
                key: key.kind,
                partitions,
                references: constraints.references.remove(&parent).unwrap_or_default(),
                referenced_by: constraints.referenced_by.remove(&parent).unwrap_or_default(),
                bound_rest,
                fences,
            })
        })
        .collect()
}

/// What `pg_partitioned_table` says.
struct Key {
    strategy: Strategy,
    columns: Vec<Option<String>>,
    type_name: String,
    kind: Option<KeyKind>,
}

fn read_keys(parents: &FxHashSet<Oid>) -> FxHashMap<Oid, Key> {
    let mut found = FxHashMap::default();
    let mut read = |mut scan: CatalogScan| {
        let (table, strategy) = (scan.attribute(c"partrelid"), scan.attribute(c"partstrat"));
        let (columns, collations) = (scan.attribute(c"partattrs"), scan.attribute(c"partcollation"));
        while let Some(row) = scan.next_row() {
            if !parents.contains(&row.oid(table)) {
                continue;
            }
            let parent = row.oid(table);
            let numbers = row.int2_array(columns);
            let names = numbers.iter().map(|&number| column_name(parent, number)).collect();
            let (type_name, kind) = numbers.first().map_or_else(Default::default, |&number| {
                key_type(parent, number, row.oid_array(collations).first().copied().unwrap_or(0))
            });
            let strategy = match row.char(strategy) {
                'l' => Strategy::List,
                'h' => Strategy::Hash,
                _ => Strategy::Range,
            };
            found.insert(parent, Key { strategy, columns: names, type_name, kind });
        }
    };
    if parents.len() > FEW {
        read(CatalogScan::keyed(PARTITIONED_TABLE, PARTITIONED_BY_TABLE, &[]));
    } else {
        for &parent in parents {
            read(CatalogScan::keyed(PARTITIONED_TABLE, PARTITIONED_BY_TABLE, &[(1, parent)]));
        }
    }
    found
}

fn column_name(table: Oid, number: i16) -> Option<String> {
    if number <= 0 {
        return None;
    }
    // SAFETY: null where there is no such column.
    unsafe { text_of_c_string(pg_sys::get_attname(table.into(), number, true)) }.map(String::from)
}

/// The type of a column as the server writes it, and what its values are.
fn key_type(table: Oid, number: i16, collation: Oid) -> (String, Option<KeyKind>) {
    if number <= 0 {
        return Default::default();
    }
    let (mut column_type, mut modifier, mut column_collation) = (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
    // SAFETY: the partition key cannot lose its column; all three are written. The type's name is built in the current
    // memory context.
    let (name, base) = unsafe {
        pg_sys::get_atttypetypmodcoll(
            table.into(),
            number,
            &raw mut column_type,
            &raw mut modifier,
            &raw mut column_collation,
        );
        let name =
            pg_sys::format_type_extended(column_type, modifier, pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN as _);
        (text_of_c_string(name), pg_sys::getBaseType(column_type))
    };
    let kind = match base {
        pg_sys::DATEOID => Some(KeyKind::Date),
        pg_sys::TIMESTAMPOID => Some(KeyKind::Timestamp),
        pg_sys::TIMESTAMPTZOID => Some(KeyKind::TimestampWithTimeZone),
        pg_sys::INT2OID => Some(KeyKind::Integer { bytes: 2 }),
        pg_sys::INT4OID => Some(KeyKind::Integer { bytes: 4 }),
        pg_sys::INT8OID => Some(KeyKind::Integer { bytes: 8 }),
        pg_sys::UUIDOID => Some(KeyKind::UuidV7),
        pg_sys::TEXTOID | pg_sys::VARCHAROID if compares_bytes(collation) => Some(KeyKind::Ulid),
        _ => None,
    };
    (name.map(String::from).unwrap_or_default(), kind)
}

/// Whether texts in this collation lie in the order of their bytes.
fn compares_bytes(collation: Oid) -> bool {
    if collation != DEFAULT_COLLATION {
        return BYTE_COLLATIONS.contains(&collation);
    }
    let cache = pg_sys::SysCacheIdentifier::DATABASEOID;
    // SAFETY: a constant of this backend.
    let database = unsafe { pg_sys::MyDatabaseId };
    cached(cache, &[database.into()], |tuple| {
        let is_provider = |provider: u8| {
            // SAFETY: the fixed part of the row of this cache.
            let form = unsafe { &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>() };
            form.datlocprovider.cast_unsigned() == provider
        };
        let named = |attribute: u32| {
            let mut is_null = false;
            // SAFETY: an attribute of the row of this cache, of type text.
            let name = unsafe {
                let value = pg_sys::SysCacheGetAttr(
                    cache as _,
                    tuple,
                    attribute as pg_sys::AttrNumber,
                    &raw mut is_null,
                );
                (!is_null).then(|| text_of_c_string(pg_sys::text_to_cstring(value.cast_mut_ptr()))).flatten()
            };
            matches!(name.as_deref(), Some("C" | "POSIX"))
        };
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        if is_provider(pg_sys::COLLPROVIDER_BUILTIN) {
            // What the server has built in compares bytes, whatever it thinks of letters.
            return true;
        }
        is_provider(pg_sys::COLLPROVIDER_LIBC) && named(pg_sys::Anum_pg_database_datcollate)
    })
    .unwrap_or(false)
}

#[derive(Clone, Copy)]
struct Child {
    relation: Oid,
    is_detach_pending: bool,
}

fn read_children(parents: &FxHashSet<Oid>) -> FxHashMap<Oid, Vec<Child>> {
    let mut found: FxHashMap<Oid, Vec<Child>> = FxHashMap::default();
    let mut read = |mut scan: CatalogScan| {
        let (child, parent) = (scan.attribute(c"inhrelid"), scan.attribute(c"inhparent"));
        let is_detaching = scan.attribute(c"inhdetachpending");
        while let Some(row) = scan.next_row() {
            if parents.contains(&row.oid(parent)) {
                found
                    .entry(row.oid(parent))
                    .or_default()
                    .push(Child { relation: row.oid(child), is_detach_pending: row.bool(is_detaching) });
            }
        }
    };
    if parents.len() > FEW {
        read(CatalogScan::keyed(INHERITS, INHERITS_BY_PARENT, &[]));
    } else {
        for &parent in parents {
            read(CatalogScan::keyed(INHERITS, INHERITS_BY_PARENT, &[(2, parent)]));
        }
    }
    found
}

/// What `pg_class` says.
struct Class {
    schema: Oid,
    name: Box<str>,
    owner: Oid,
    kind: char,
    rows: f32,
    file: FileLocation,
    /// `None` for what is no partition.
    bound: Option<Bound>,
}

/// The rows of these relations; bounds are read as the kind of their parent's key says.
fn read_classes(
    relations: &FxHashSet<Oid>,
    kinds: &FxHashMap<Oid, Option<KeyKind>>,
) -> FxHashMap<Oid, Class> {
    let mut found = FxHashMap::default();
    let mut read = |mut scan: CatalogScan| {
        let (oid, name, schema) =
            (scan.attribute(c"oid"), scan.attribute(c"relname"), scan.attribute(c"relnamespace"));
        let (owner, kind, rows) =
            (scan.attribute(c"relowner"), scan.attribute(c"relkind"), scan.attribute(c"reltuples"));
        let (file, tablespace) = (scan.attribute(c"relfilenode"), scan.attribute(c"reltablespace"));
        let bound = scan.attribute(c"relpartbound");
        while let Some(row) = scan.next_row() {
            let relation = row.oid(oid);
            if !relations.contains(&relation) {
                continue;
            }
            let bound = kinds
                .get(&relation)
                .and_then(|&kind| bound::of(&in_scratch_memory(|| row.bytes(bound))?, kind));
            let class = Class {
                schema: row.oid(schema),
                name: row.name(name),
                owner: row.oid(owner),
                kind: row.char(kind),
                rows: row.float4(rows),
                file: FileLocation { tablespace: row.oid(tablespace), number: row.oid(file) },
                bound,
            };
            found.insert(relation, class);
        }
    };
    let class = pg_sys::RelationRelationId.to_u32();
    if relations.len() > FEW * 10 {
        read(CatalogScan::keyed(class, CLASS_BY_OID, &[]));
    } else {
        for &relation in relations {
            read(CatalogScan::keyed(class, CLASS_BY_OID, &[(1, relation)]));
        }
    }
    found
}

fn schema_of(schemas: &mut FxHashMap<Oid, Option<String>>, schema: Oid) -> Option<String> {
    schemas.entry(schema).or_insert_with(|| schema_name(schema.into())).clone()
}

/// The partitions by their lower edge, the default last, and what stands behind the moment in their bounds.
fn partitions(
    found: Vec<(Child, Class)>,
    key: Option<KeyKind>,
    schemas: &mut FxHashMap<Oid, Option<String>>,
) -> (Vec<Partition>, String) {
    let newest = found
        .iter()
        .filter_map(|(_, class)| match &class.bound {
            Some(Bound::Range(_, high)) => Some((order(&high.edge), high.rest.clone()?)),
            _ => None,
        })
        .max_by(|left, right| left.0.cmp(&right.0));
    let usual = match key {
        Some(KeyKind::UuidV7) => "-0000-0000-000000000000",
        Some(KeyKind::Ulid) => "0000000000000000",
        _ => "",
    };
    let rest = newest.map_or_else(|| usual.to_owned(), |(_, rest)| rest);
    let mut partitions: Vec<Partition> = found
        .into_iter()
        .filter_map(|(child, class)| {
            // What lost its bound meanwhile is no partition any more.
            let bound = class.bound?;
            let is_default = matches!(bound, Bound::Default);
            let range = match bound {
                Bound::Range(low, high) => Some(Range { low: low.within(&rest), high: high.within(&rest) }),
                _ => None,
            };
            // Asking the operating system for each of ten thousand is a third of all the work.
            let is_size_wanted = is_default || key.is_some_and(|key| !key.is_time());
            let blocks = is_size_wanted
                .then(|| file::bytes(class.file))
                .flatten()
                .map_or(0, |bytes| bytes / u64::from(pg_sys::BLCKSZ));
            Some(Partition {
                relation: child.relation,
                schema: schema_of(schemas, class.schema)?,
                name: class.name.into(),
                owner: class.owner,
                range,
                is_default,
                is_detach_pending: child.is_detach_pending,
                is_partitioned: class.kind == 'p',
                is_foreign: class.kind == 'f',
                rows: f64::from(class.rows),
                blocks,
            })
        })
        .collect();
    partitions.sort_by_cached_key(|partition| {
        let low = partition.range.as_ref().map(|range| order(&range.low));
        (partition.is_default, low, partition.name.clone())
    });
    (partitions, rest)
}

/// Where an edge stands among others.
fn order(edge: &Edge) -> (u8, i64) {
    match edge {
        Edge::MinValue => (0, 0),
        Edge::Other(text) if text == "-infinity" => (1, 0),
        Edge::At(position) => (2, *position),
        Edge::Other(_) => (3, 0),
        Edge::MaxValue => (4, 0),
    }
}

/// How a partition is itself partitioned. Those below are told of unless they are ranges of `column`, by which the
/// table above is cut too.
pub fn shape(table: Oid, column: Option<&str>) -> Option<Shape> {
    let wanted = FxHashSet::from_iter([table]);
    let key = read_keys(&wanted).remove(&table)?;
    // SAFETY: the function takes one OID and answers with a text or, for what is no partitioned table, NULL, which the
    // row just read excludes.
    let by = in_scratch_memory(|| unsafe {
        let definition = pg_sys::OidFunctionCall1Coll(
            pg_sys::F_PG_GET_PARTKEYDEF.into(),
            pg_sys::InvalidOid,
            pg_sys::Oid::from(table).into(),
        );
        text_of_c_string(pg_sys::text_to_cstring(definition.cast_mut_ptr()))
    })?;
    let is_same_line = key.strategy == Strategy::Range && key.columns.first()?.as_deref() == column;
    let parts = if is_same_line { Vec::new() } else { shape_parts(table, column) };
    Some(Shape { by: by.into(), parts })
}

fn shape_parts(table: Oid, column: Option<&str>) -> Vec<ShapePart> {
    let children = read_children(&FxHashSet::from_iter([table])).remove(&table).unwrap_or_default();
    let mut parts: Vec<ShapePart> = children
        .into_iter()
        .filter(|child| !child.is_detach_pending)
        .filter_map(|child| {
            let (_, name) = relation_name(child.relation.into())?;
            Some(ShapePart { name, bound: bound_text(child.relation)?, shape: shape(child.relation, column) })
        })
        .collect();
    parts.sort_by(|left, right| left.name.cmp(&right.name));
    parts
}

/// `FOR VALUES …` of a partition, as the server writes it. There are no columns in it, so no table is looked at.
fn bound_text(partition: Oid) -> Option<String> {
    let cache = pg_sys::SysCacheIdentifier::RELOID;
    cached(cache, &[pg_sys::Oid::from(partition).into()], |tuple| {
        let mut is_null = false;
        // SAFETY: an attribute of the row of this cache; the function takes it and an OID and answers with a text.
        in_scratch_memory(|| unsafe {
            let attribute = pg_sys::Anum_pg_class_relpartbound as pg_sys::AttrNumber;
            let bound = pg_sys::SysCacheGetAttr(cache as _, tuple, attribute, &raw mut is_null);
            if is_null {
                return None;
            }
            let text = pg_sys::OidFunctionCall2Coll(
                pg_sys::F_PG_GET_EXPR_PG_NODE_TREE_OID,
                pg_sys::InvalidOid,
                bound,
                pg_sys::InvalidOid.into(),
            );
            text_of_c_string(pg_sys::text_to_cstring(text.cast_mut_ptr())).map(String::from)
        })
    })
    .flatten()
}
