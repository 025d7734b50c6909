//! A foreign key that is about to be added.

use pgrx::pg_sys;

use super::{Subject, strings};
use crate::catalog::ddl::{ForeignKeyFacts, TouchedKind};
use crate::pg::ddl::cache::form;
use crate::pg::ddl::column;
use crate::pg::ddl::{constraint, size, touched};
use crate::pg::scan::CatalogScan;

/// A column of the referencing table: its name, and its type where that is known.
pub type Own = (String, Option<(pg_sys::Oid, i32)>);

/// Of a constraint with these columns of its own.
///
/// # Safety
/// The constraint must be a foreign key of the parser.
pub unsafe fn facts(
    subject: &Subject,
    constraint: *mut pg_sys::Constraint,
    columns: &[Own],
) -> ForeignKeyFacts {
    // SAFETY: as the caller vouches.
    let (referenced, mut referenced_columns) =
        unsafe { (touched::named((*constraint).pktable), strings((*constraint).pk_attrs)) };
    let referenced_oid = referenced.as_ref().map_or(pg_sys::InvalidOid, |found| pg_sys::Oid::from(found.oid));
    if referenced_columns.is_empty() {
        referenced_columns = primary_key(referenced_oid);
    }
    let type_mismatches = columns
        .iter()
        .zip(&referenced_columns)
        .filter_map(|((own, own_type), theirs)| {
            let ((type_oid, modifier), their) = ((*own_type)?, column::by_name(referenced_oid, theirs)?);
            // SAFETY: look-ups of types that exist.
            let differs = unsafe { pg_sys::getBaseType(type_oid) != pg_sys::getBaseType(their.type_oid) };
            let own_type = || column::type_name(type_oid, modifier);
            differs.then(|| (own.clone(), own_type(), theirs.clone(), their.type_name()))
        })
        .collect();
    let numbers: Option<Vec<i16>> = columns
        .iter()
        .map(|(name, _)| column::by_name(subject.oid, name).map(|column| column.number))
        .collect();
    ForeignKeyFacts {
        has_index: numbers.is_some_and(|numbers| has_index(subject.oid, &numbers)),
        columns: columns.iter().map(|(name, _)| name.clone()).collect(),
        referenced,
        referenced_columns,
        type_mismatches,
        is_on_partitioned_table: subject.kind() == Some(TouchedKind::PartitionedTable),
    }
}

/// The names of the columns of a table's primary key.
fn primary_key(table: pg_sys::Oid) -> Vec<String> {
    let constraints = constraint::of_table(table);
    let key = constraints.iter().find(|known| known.letter == 'p');
    let numbers = key.map_or(&[][..], |key| &key.columns);
    numbers.iter().filter_map(|&number| Some(column::numbered(table, number)?.name)).collect()
}

/// Whether a valid index without a predicate begins with these columns, in whatever order.
pub fn has_index(table: pg_sys::Oid, columns: &[i16]) -> bool {
    size::indexes(table).into_iter().any(|index| {
        key_columns(index).is_some_and(|(keys, is_valid, has_predicate)| {
            is_valid
                && !has_predicate
                && keys.len() >= columns.len()
                && columns.iter().all(|column| keys[..columns.len()].contains(column))
        })
    })
}

/// The key columns of an index, 0 for an expression; whether it is valid, and whether it has a predicate.
pub fn key_columns(index: pg_sys::Oid) -> Option<(Vec<i16>, bool, bool)> {
    /// `pg_index_indexrelid_index`.
    const BY_INDEX: u32 = 2679;
    let mut scan = CatalogScan::keyed(pg_sys::IndexRelationId.to_u32(), BY_INDEX, &[(1, index.to_u32())]);
    let (keys, count) = (scan.attribute(c"indkey"), scan.attribute(c"indnkeyatts"));
    let (is_valid, predicate) = (scan.attribute(c"indisvalid"), scan.attribute(c"indpred"));
    let row = scan.next_row()?;
    let mut columns = row.int2_array(keys);
    columns.truncate(usize::try_from(row.int2(count)).unwrap_or(0));
    Some((columns, row.bool(is_valid), row.has(predicate)))
}

/// The access method of an index.
pub fn access_method(index: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: the layout is of this catalog.
    unsafe { form(pg_sys::SysCacheIdentifier::RELOID, index, |form: &pg_sys::FormData_pg_class| form.relam) }
}
