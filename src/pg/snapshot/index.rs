//! `pg_index`.

use pgrx::pg_sys;

use super::relation::Found;
use crate::catalog::{FileLocation, Index, IndexKey, Oid, Sequence, Snapshot};
use crate::pg::scan::CatalogScan;
use crate::syntax::node_tree;

/// Bits of `indoption` (`INDOPTION_DESC`, `INDOPTION_NULLS_FIRST`).
const DESCENDING: i16 = 1;
const NULLS_FIRST: i16 = 2;

/// The indexes of the relations that the snapshot keeps. Hands back the sequences, which wait for their own catalog.
pub fn read(snapshot: &mut Snapshot, found: Found) -> Vec<Sequence> {
    let Found { indexes: mut relations, sequences, toast_indexes, toast_owners } = found;
    let mut scan = CatalogScan::open(pg_sys::IndexRelationId.to_u32());
    let oid = scan.attribute(c"indexrelid");
    let table = scan.attribute(c"indrelid");
    let key_count = scan.attribute(c"indnkeyatts");
    let is_unique = scan.attribute(c"indisunique");
    let nulls_not_distinct = scan.attribute(c"indnullsnotdistinct");
    let is_primary = scan.attribute(c"indisprimary");
    let is_exclusion = scan.attribute(c"indisexclusion");
    let is_immediate = scan.attribute(c"indimmediate");
    let is_clustered = scan.attribute(c"indisclustered");
    let is_valid = scan.attribute(c"indisvalid");
    let is_ready = scan.attribute(c"indisready");
    let is_live = scan.attribute(c"indislive");
    let is_replica_identity = scan.attribute(c"indisreplident");
    let columns = scan.attribute(c"indkey");
    let collations = scan.attribute(c"indcollation");
    let opclasses = scan.attribute(c"indclass");
    let sort_options = scan.attribute(c"indoption");
    let expressions = scan.attribute(c"indexprs");
    let predicate = scan.attribute(c"indpred");
    while let Some(row) = scan.next_row() {
        // The server's own and TOAST indexes were left out with their schemas.
        let Some(relation) = relations.remove(&row.oid(oid)) else {
            if let Some(&file) = toast_indexes.get(&row.oid(oid)) {
                note_toast_index(snapshot, toast_owners.get(&row.oid(table)), file);
            }
            continue;
        };
        let (collations, opclasses, options) =
            (row.oid_array(collations), row.oid_array(opclasses), row.int2_array(sort_options));
        let keys = row
            .int2_array(columns)
            .into_iter()
            .enumerate()
            .map(|(position, column)| {
                // INCLUDE columns have no operator class, collation or option.
                let option = options.get(position).copied().unwrap_or(0);
                IndexKey {
                    column,
                    opclass: opclasses.get(position).copied().unwrap_or(0),
                    collation: collations.get(position).copied().unwrap_or(0),
                    descending: option & DESCENDING != 0,
                    nulls_first: option & NULLS_FIRST != 0,
                }
            })
            .collect();
        snapshot.indexes.push(Index {
            oid: row.oid(oid),
            table: row.oid(table),
            name: relation.name,
            access_method: relation.access_method,
            is_partitioned: relation.is_partitioned,
            is_partition: relation.is_partition,
            persistence: relation.persistence,
            is_unique: row.bool(is_unique),
            nulls_not_distinct: row.bool(nulls_not_distinct),
            is_primary: row.bool(is_primary),
            is_exclusion: row.bool(is_exclusion),
            is_immediate: row.bool(is_immediate),
            is_clustered: row.bool(is_clustered),
            is_valid: row.bool(is_valid),
            is_ready: row.bool(is_ready),
            is_live: row.bool(is_live),
            is_replica_identity: row.bool(is_replica_identity),
            key_count: u16::try_from(row.int2(key_count)).unwrap_or(0),
            keys,
            expressions: row
                .text(expressions)
                .map_or_else(Box::default, |tree| node_tree::normalized_members(&tree).into()),
            predicate: row.text(predicate).map(|tree| node_tree::normalize(&tree).into()),
            pages: relation.pages,
            rows: relation.rows,
            file: relation.file,
            options: relation.options,
            has_expression_statistics: false,
            statistics: None,
        });
    }
    sequences
}

/// `snapshot.relations` is sorted by OID when indexes are read.
fn note_toast_index(snapshot: &mut Snapshot, owner: Option<&Oid>, file: FileLocation) {
    let position =
        owner.and_then(|owner| snapshot.relations.binary_search_by_key(owner, |relation| relation.oid).ok());
    if let Some(position) = position {
        snapshot.relations[position].toast_index_file = file;
    }
}
