//! Functional dependencies from `pg_statistic_ext` and `pg_statistic_ext_data`.

use rustc_hash::FxHashMap;

use crate::catalog::{ExtendedStatistics, Oid, Snapshot};
use crate::pg::scan::CatalogScan;

const STATISTIC_EXT: u32 = 3381;
const STATISTIC_EXT_DATA: u32 = 3429;

/// Reads statistics objects and what ANALYZE measured of dependencies (which holds column numbers, no values).
pub fn read(snapshot: &mut Snapshot) {
    let mut positions: FxHashMap<Oid, usize> = FxHashMap::default();
    let mut scan = CatalogScan::open(STATISTIC_EXT);
    let oid = scan.attribute(c"oid");
    let table = scan.attribute(c"stxrelid");
    let name = scan.attribute(c"stxname");
    let columns = scan.attribute(c"stxkeys");
    while let Some(row) = scan.next_row() {
        positions.insert(row.oid(oid), snapshot.extended_statistics.len());
        snapshot.extended_statistics.push(ExtendedStatistics {
            oid: row.oid(oid),
            name: row.name(name),
            table: row.oid(table),
            columns: row.int2_array(columns).into(),
            dependencies: Vec::new(),
        });
    }
    drop(scan);
    if !snapshot.server.sees_statistics {
        return;
    }

    let mut scan = CatalogScan::open(STATISTIC_EXT_DATA);
    let oid = scan.attribute(c"stxoid");
    let dependencies = scan.attribute(c"stxddependencies");
    while let Some(row) = scan.next_row() {
        let Some(&position) = positions.get(&row.oid(oid)) else {
            continue;
        };
        if let Some(bytes) = row.bytes(dependencies) {
            snapshot.extended_statistics[position].dependencies = parse(&bytes);
        }
    }
}

/// Takes apart the serialised form (`statext_dependencies_serialize`): magic, type and count as 32-bit numbers, then
/// per dependency its degree as a double, its number of columns and the columns as 16-bit numbers, the last of them
/// being the determined one; unaligned.
fn parse(bytes: &[u8]) -> crate::catalog::Dependencies {
    let mut found = Vec::new();
    let mut rest = bytes.get(8..).unwrap_or(&[]);
    let mut take = |length: usize| -> Option<&[u8]> {
        let (head, tail) = rest.split_at_checked(length)?;
        rest = tail;
        Some(head)
    };
    let count = take(4).and_then(|head| head.try_into().ok()).map_or(0, u32::from_ne_bytes);
    for _ in 0..count {
        let Some(degree) = take(8).and_then(|head| head.try_into().ok()).map(f64::from_ne_bytes) else {
            break;
        };
        let Some(columns) = take(2).and_then(|head| head.try_into().ok()).map(i16::from_ne_bytes) else {
            break;
        };
        let numbers: Vec<i16> = (0..columns)
            .map_while(|_| take(2).and_then(|head| head.try_into().ok()).map(i16::from_ne_bytes))
            .collect();
        if let Some((&determined, determining)) = numbers.split_last() {
            found.push((determining.into(), determined, degree));
        }
    }
    found
}
