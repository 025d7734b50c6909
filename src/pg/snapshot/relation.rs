//! `pg_namespace`, `pg_class`, `pg_inherits`, `pg_partitioned_table`.

use pgrx::pg_sys;
use rustc_hash::FxHashMap;

use crate::catalog::{
    FileLocation, Namespace, Oid, Partitioning, Persistence, Relation, RelationKind, ReplicaIdentity,
    Sequence, Snapshot,
};
use crate::pg::scan::{CatalogScan, Row};

const INHERITS: u32 = 2611;
const PARTITIONED_TABLE: u32 = 3350;

/// What `pg_class` says of an index; the rest stands in `pg_index`.
pub struct IndexRelation {
    pub name: Box<str>,
    pub access_method: Oid,
    pub is_partitioned: bool,
    pub is_partition: bool,
    pub persistence: Persistence,
    pub pages: u32,
    pub rows: f32,
    pub file: FileLocation,
    pub options: Box<[Box<str>]>,
}

/// The rows of `pg_class` that become something else than a [`Relation`].
#[derive(Default)]
pub struct Found {
    /// Where the indexes of TOAST tables lie.
    pub toast_indexes: FxHashMap<Oid, FileLocation>,
    /// The table that each TOAST table belongs to.
    pub toast_owners: FxHashMap<Oid, Oid>,
    pub indexes: FxHashMap<Oid, IndexRelation>,
    pub sequences: Vec<Sequence>,
}

/// Reads schemas, relations and their trees.
pub fn read(snapshot: &mut Snapshot) -> Found {
    snapshot.namespaces = namespaces();
    let found = read_relations(snapshot);
    read_inheritance(snapshot);
    read_partitioning(snapshot);
    found
}

/// All schemas by OID.
pub fn namespaces() -> FxHashMap<Oid, Namespace> {
    let mut scan = CatalogScan::open(pg_sys::NamespaceRelationId.to_u32());
    let (oid, name, owner, acl) = (
        scan.attribute(c"oid"),
        scan.attribute(c"nspname"),
        scan.attribute(c"nspowner"),
        scan.attribute(c"nspacl"),
    );
    let mut found = FxHashMap::default();
    while let Some(row) = scan.next_row() {
        let oid = row.oid(oid);
        found.insert(oid, Namespace { oid, name: row.name(name), owner: row.oid(owner), acl: row.acl(acl) });
    }
    found
}

pub fn persistence_of(code: char) -> Persistence {
    match code {
        'u' => Persistence::Unlogged,
        't' => Persistence::Temporary,
        _ => Persistence::Permanent,
    }
}

fn read_relations(snapshot: &mut Snapshot) -> Found {
    let mut scan = CatalogScan::open(pg_sys::RelationRelationId.to_u32());
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"relname");
    let schema = scan.attribute(c"relnamespace");
    let row_type = scan.attribute(c"reltype");
    let of_type = scan.attribute(c"reloftype");
    let owner = scan.attribute(c"relowner");
    let access_method = scan.attribute(c"relam");
    let file_number = scan.attribute(c"relfilenode");
    let tablespace = scan.attribute(c"reltablespace");
    let pages = scan.attribute(c"relpages");
    let column_numbers = scan.attribute(c"relnatts");
    let rows = scan.attribute(c"reltuples");
    let toast = scan.attribute(c"reltoastrelid");
    let persistence = scan.attribute(c"relpersistence");
    let kind = scan.attribute(c"relkind");
    let row_security = scan.attribute(c"relrowsecurity");
    let force_row_security = scan.attribute(c"relforcerowsecurity");
    let replica_identity = scan.attribute(c"relreplident");
    let is_partition = scan.attribute(c"relispartition");
    let acl = scan.attribute(c"relacl");
    let options = scan.attribute(c"reloptions");

    let page_count = |row: &Row<'_>| u32::try_from(row.int4(pages)).unwrap_or(0);
    let file_of =
        |row: &Row<'_>| FileLocation { tablespace: row.oid(tablespace), number: row.oid(file_number) };
    let mut found = Found::default();
    let mut toast_tables: FxHashMap<Oid, (u32, FileLocation)> = FxHashMap::default();
    let mut toast_of: Vec<(usize, Oid)> = Vec::new();
    while let Some(row) = scan.next_row() {
        let code = row.char(kind);
        if code == 't' {
            toast_tables.insert(row.oid(oid), (page_count(&row), file_of(&row)));
            continue;
        }
        let is_system =
            snapshot.namespaces.get(&row.oid(schema)).is_none_or(crate::catalog::Namespace::is_system);
        if is_system {
            if code == 'i' && row.oid(schema) == pg_sys::PG_TOAST_NAMESPACE {
                found.toast_indexes.insert(row.oid(oid), file_of(&row));
            }
            continue;
        }
        let persistence = persistence_of(row.char(persistence));
        let kind = match code {
            'i' | 'I' => {
                found.indexes.insert(
                    row.oid(oid),
                    IndexRelation {
                        name: row.name(name),
                        access_method: row.oid(access_method),
                        is_partitioned: code == 'I',
                        is_partition: row.bool(is_partition),
                        persistence,
                        pages: page_count(&row),
                        rows: row.float4(rows),
                        file: file_of(&row),
                        options: row.text_array(options),
                    },
                );
                continue;
            }
            'S' => {
                found.sequences.push(Sequence {
                    oid: row.oid(oid),
                    name: row.name(name),
                    schema: row.oid(schema),
                    owner: row.oid(owner),
                    persistence,
                    file: file_of(&row),
                    acl: row.acl(acl),
                    ..Sequence::default()
                });
                continue;
            }
            'r' => RelationKind::Table,
            'p' => RelationKind::PartitionedTable,
            'v' => RelationKind::View,
            'm' => RelationKind::MaterializedView,
            'f' => RelationKind::ForeignTable,
            'c' => RelationKind::CompositeType,
            _ => continue,
        };
        if row.oid(toast) != 0 {
            toast_of.push((snapshot.relations.len(), row.oid(toast)));
            found.toast_owners.insert(row.oid(toast), row.oid(oid));
        }
        snapshot.relations.push(Relation {
            oid: row.oid(oid),
            name: row.name(name),
            schema: row.oid(schema),
            owner: row.oid(owner),
            kind,
            persistence,
            column_numbers: row.int2(column_numbers),
            pages: page_count(&row),
            rows: row.float4(rows),
            toast_pages: 0,
            file: file_of(&row),
            toast_file: FileLocation::default(),
            toast_index_file: FileLocation::default(),
            replica_identity: match row.char(replica_identity) {
                'n' => ReplicaIdentity::Nothing,
                'f' => ReplicaIdentity::Full,
                'i' => ReplicaIdentity::Index,
                _ => ReplicaIdentity::Default,
            },
            row_security: row.bool(row_security),
            force_row_security: row.bool(force_row_security),
            is_partition: row.bool(is_partition),
            row_type: row.oid(row_type),
            of_type: row.oid(of_type),
            options: row.text_array(options),
            acl: row.acl(acl),
            partitioning: None,
            statistics: None,
        });
    }
    for (position, toast) in toast_of {
        if let Some(&(pages, file)) = toast_tables.get(&toast) {
            snapshot.relations[position].toast_pages = pages;
            snapshot.relations[position].toast_file = file;
        }
    }
    snapshot.relations.sort_unstable_by_key(|relation| relation.oid);
    found
}

fn read_inheritance(snapshot: &mut Snapshot) {
    let mut scan = CatalogScan::open(INHERITS);
    let (child, parent, sequence) =
        (scan.attribute(c"inhrelid"), scan.attribute(c"inhparent"), scan.attribute(c"inhseqno"));
    let is_detaching = scan.attribute(c"inhdetachpending");
    while let Some(row) = scan.next_row() {
        // A table that inherits from several (never a partition) keeps its first parent.
        if row.int4(sequence) == 1 {
            snapshot.parents.insert(row.oid(child), row.oid(parent));
        }
        if row.bool(is_detaching) {
            snapshot.detaching.insert(row.oid(child));
        }
        snapshot.children.entry(row.oid(parent)).or_default().push(row.oid(child));
    }
}

fn read_partitioning(snapshot: &mut Snapshot) {
    let mut scan = CatalogScan::open(PARTITIONED_TABLE);
    let table = scan.attribute(c"partrelid");
    let strategy = scan.attribute(c"partstrat");
    let default_partition = scan.attribute(c"partdefid");
    let columns = scan.attribute(c"partattrs");
    while let Some(row) = scan.next_row() {
        let partitioned = row.oid(table);
        if let Ok(position) = snapshot.relations.binary_search_by_key(&partitioned, |relation| relation.oid) {
            snapshot.relations[position].partitioning = Some(Box::new(Partitioning {
                strategy: row.char(strategy),
                columns: row.int2_array(columns).into(),
                default_partition: row.oid(default_partition),
            }));
        }
    }
}
