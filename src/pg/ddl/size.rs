//! How big a relation is, from its files and from what the server noted, without a lock.

use pgrx::pg_sys;

use super::cache::{class, row};
use crate::catalog::FileLocation;
use crate::pg::scan::CatalogScan;
use crate::pg::{file, snapshot::statistics};

const BLOCK: u64 = pg_sys::BLCKSZ as u64;
/// What a page and a row cost beside the values.
const PAGE_HEADER: f64 = 24.0;
const ROW_HEADER: f64 = 28.0;

/// Of a relation and what is below it.
#[derive(Default)]
pub struct Size {
    pub rows: Option<f64>,
    pub bytes: u64,
    pub index_bytes: u64,
    /// Of the relation itself.
    pub indexes: u32,
    /// Relations that have no partitions themselves, the relation itself apart.
    pub leaves: u32,
    pub is_empty: bool,
    pub uses: Option<i64>,
}

/// What `pg_class` says of one relation.
struct Member {
    oid: pg_sys::Oid,
    kind: u8,
    file: FileLocation,
    is_own_temporary: bool,
    pages: i32,
    rows: f32,
    columns: i16,
    toast: pg_sys::Oid,
    has_indexes: bool,
}

impl Member {
    fn of(oid: pg_sys::Oid) -> Option<Self> {
        class(oid, |form| Self {
            oid,
            kind: form.relkind as u8,
            file: FileLocation { tablespace: form.reltablespace.to_u32(), number: form.relfilenode.to_u32() },
            // SAFETY: compares with this session's own schemas.
            is_own_temporary: form.relpersistence as u8 == b't'
                && unsafe { pg_sys::isTempOrTempToastNamespace(form.relnamespace) },
            pages: form.relpages,
            rows: form.reltuples,
            columns: form.relnatts,
            toast: form.reltoastrelid,
            has_indexes: form.relhasindex,
        })
    }

    fn has_storage(&self) -> bool {
        matches!(self.kind, b'r' | b'm' | b'i' | b'S' | b't')
    }

    /// The bytes of its main fork; what VACUUM noted where the file is being replaced just now.
    fn bytes(&self) -> u64 {
        let bytes = if self.is_own_temporary {
            file::bytes_of_own_temporary(self.file)
        } else {
            file::bytes(self.file)
        };
        bytes.unwrap_or_else(|| u64::try_from(self.pages).unwrap_or(0) * BLOCK)
    }

    /// The greatest of what VACUUM noted, what the statistics counted, and what the file has room for.
    fn estimated_rows(&self, bytes: u64, counted: Option<i64>) -> f64 {
        let pages = (bytes / BLOCK) as f64;
        let by_size = if self.rows >= 0.0 && self.pages > 0 {
            f64::from(self.rows) / f64::from(self.pages) * pages
        } else {
            let width = f64::from(self.width());
            (pages * ((BLOCK as f64 - PAGE_HEADER) / (width + ROW_HEADER)).max(1.0)).round()
        };
        let noted = f64::from(self.rows).max(0.0);
        noted.max(counted.unwrap_or(0) as f64).max(by_size).round()
    }

    /// The average bytes of a row's values, from the statistics or from the types.
    fn width(&self) -> i32 {
        let mut width = 0;
        for number in 1..=self.columns {
            let keys = [pg_sys::Datum::from(self.oid), pg_sys::Datum::from(number)];
            let column = row(pg_sys::SysCacheIdentifier::ATTNUM, &keys, |tuple| {
                // SAFETY: the row of pg_attribute.
                let form = unsafe { &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_attribute>() };
                (!form.attisdropped).then_some((form.atttypid, form.atttypmod))
            });
            if let Some(Some((type_oid, modifier))) = column {
                // SAFETY: look-ups of a column and a type that are there.
                width += unsafe {
                    match pg_sys::get_attavgwidth(self.oid, number) {
                        known if known > 0 => known,
                        _ => pg_sys::get_typavgwidth(type_oid, modifier),
                    }
                };
            }
        }
        width
    }
}

/// Of a relation with its tree, itself included.
pub fn of(relation: pg_sys::Oid, tree: &[pg_sys::Oid]) -> Size {
    let mut size = Size { is_empty: true, ..Size::default() };
    for member in tree.iter().filter_map(|&oid| Member::of(oid)) {
        add(&mut size, &member, member.oid == relation);
    }
    size
}

fn add(size: &mut Size, member: &Member, is_root: bool) {
    let has_partitions = matches!(member.kind, b'p' | b'I');
    if !is_root && !has_partitions {
        size.leaves += 1;
    }
    if member.has_storage() {
        let bytes = member.bytes();
        size.is_empty &= bytes == 0;
        size.bytes += bytes;
        let counted = statistics::of(member.oid.to_u32());
        if member.kind != b'S' {
            let live = counted.as_ref().map(|counted| counted.live);
            size.rows = Some(size.rows.unwrap_or(0.0) + member.estimated_rows(bytes, live));
        }
        if let Some(counted) = counted {
            let uses = counted.sequential_scans + counted.inserted + counted.updated + counted.deleted;
            size.uses = Some(size.uses.unwrap_or(0) + uses);
        }
        if let Some(toast) = Some(member.toast).filter(|&toast| toast != pg_sys::InvalidOid) {
            size.bytes += Member::of(toast).map_or(0, |toast| toast.bytes());
        }
    } else if !has_partitions {
        // A view or a foreign table: nobody knows what is behind it.
        size.is_empty = false;
    }
    if member.has_indexes && matches!(member.kind, b'r' | b'm' | b'p') {
        for index in indexes(member.oid) {
            if is_root {
                size.indexes += 1;
            }
            let Some(index) = Member::of(index).filter(Member::has_storage) else {
                continue;
            };
            size.index_bytes += index.bytes();
            if let Some(counted) = statistics::of(index.oid.to_u32()) {
                size.uses = Some(size.uses.unwrap_or(0) + counted.sequential_scans);
            }
        }
    }
}

/// The indexes of a table.
pub fn indexes(table: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let keys = [(pg_sys::Anum_pg_index_indrelid as pg_sys::AttrNumber, table.to_u32())];
    let mut scan = CatalogScan::keyed(
        pg_sys::IndexRelationId.to_u32(),
        pg_sys::Oid::from(pg_sys::IndexIndrelidIndexId).to_u32(),
        &keys,
    );
    let mut found = Vec::new();
    // SAFETY: the fixed part of pg_index begins with the index.
    while let Some(form) = unsafe { scan.next_struct::<pg_sys::FormData_pg_index>() } {
        found.push(form.indexrelid);
    }
    found
}
