//! `pg_attribute` and the part of `pg_statistic` that holds no values.

use pgrx::pg_sys;
use rustc_hash::FxHashSet;

use crate::catalog::{Column, ColumnStatistics, Identity, Oid, Snapshot};
use crate::pg::scan::{CatalogScan, text_of_name};

/// The user columns of the relations that the snapshot keeps.
pub fn read(snapshot: &mut Snapshot) {
    let relations: FxHashSet<Oid> = snapshot.relations.iter().map(|relation| relation.oid).collect();
    let mut scan = CatalogScan::open(pg_sys::AttributeRelationId.to_u32());
    let acl = scan.attribute(c"attacl");
    // SAFETY: pgrx's struct is this major's C layout of the catalog's fixed part.
    while let Some(form) = unsafe { scan.next_struct::<pg_sys::FormData_pg_attribute>() } {
        let relation = form.attrelid.to_u32();
        if form.attnum <= 0 || form.attisdropped || !relations.contains(&relation) {
            continue;
        }
        let column = Column {
            relation,
            number: form.attnum,
            not_null: form.attnotnull,
            has_default: form.atthasdef,
            is_generated: form.attgenerated != 0,
            is_inherited: form.attinhcount > 0,
            identity: match form.attidentity as u8 {
                b'a' => Some(Identity::Always),
                b'd' => Some(Identity::ByDefault),
                _ => None,
            },
            name: text_of_name(&form.attname),
            type_oid: form.atttypid.to_u32(),
            type_modifier: form.atttypmod,
            collation: form.attcollation.to_u32(),
            statistics: None,
            acl: None,
        };
        snapshot.columns.push(Column { acl: scan.acl_of_current(acl), ..column });
    }
    snapshot.columns.sort_unstable_by_key(|column| (column.relation, column.number));
}

/// The fixed part of `pg_statistic` (the same in every supported major).
#[repr(C)]
struct FormStatistic {
    relation: pg_sys::Oid,
    column: i16,
    inherited: bool,
    null_fraction: f32,
    width: i32,
    distinct: f32,
}

/// What ANALYZE knows of columns and of index expressions.
///
/// Only for a caller who may see statistics of tables that it cannot read; the three numbers hold no values.
pub fn read_statistics(snapshot: &mut Snapshot) {
    if !snapshot.server.sees_statistics {
        return;
    }
    let mut expression_indexes: FxHashSet<Oid> = FxHashSet::default();
    let mut scan = CatalogScan::open(pg_sys::StatisticRelationId.to_u32());
    // SAFETY: the first six attributes are fixed and never null; `FormStatistic` is their layout.
    while let Some(form) = unsafe { scan.next_struct::<FormStatistic>() } {
        let (relation, number) = (form.relation.to_u32(), form.column);
        let position = snapshot
            .columns
            .binary_search_by_key(&(relation, number), |column| (column.relation, column.number));
        let Ok(position) = position else {
            expression_indexes.insert(relation);
            continue;
        };
        let column = &mut snapshot.columns[position];
        // A partitioned table has only the inherited row; an inheritance parent has both, and its own one counts.
        if column.statistics.is_none() || !form.inherited {
            column.statistics = Some(ColumnStatistics {
                null_fraction: form.null_fraction,
                distinct: form.distinct,
                width: form.width,
            });
        }
    }
    for index in &mut snapshot.indexes {
        index.has_expression_statistics = expression_indexes.contains(&index.oid);
    }
}
