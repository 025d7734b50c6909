//! `pg_depend`: extension members, sequence owners and users, and columns that something stands on.

use pgrx::pg_sys;
use rustc_hash::FxHashMap;

use crate::catalog::{ColumnNumber, Oid, Snapshot};
use crate::pg::scan::CatalogScan;

/// The catalog.
pub const DEPEND: u32 = 2608;
const ATTRIBUTE_DEFAULT: u32 = 2604;
const REWRITE: u32 = 2618;
const POLICY: u32 = 3256;
const PUBLICATION_RELATION: u32 = 6106;

/// `pg_depend` as a whole: seven fixed attributes, never null.
#[repr(C)]
pub struct FormDepend {
    /// The catalog of what depends.
    pub class: pg_sys::Oid,
    /// What depends.
    pub object: pg_sys::Oid,
    object_column: i32,
    /// The catalog of what it depends on.
    pub referenced_class: pg_sys::Oid,
    /// What it depends on.
    pub referenced: pg_sys::Oid,
    referenced_column: i32,
    kind: u8,
}

/// The fixed part of `pg_attrdef`.
#[repr(C)]
struct FormAttributeDefault {
    oid: pg_sys::Oid,
    relation: pg_sys::Oid,
    column: i16,
}

/// The column that each default or generation expression belongs to.
pub fn read_defaults() -> FxHashMap<Oid, (Oid, ColumnNumber)> {
    let mut defaults = FxHashMap::default();
    let mut scan = CatalogScan::open(ATTRIBUTE_DEFAULT);
    // SAFETY: the first three attributes are fixed and never null; the struct is their layout.
    while let Some(form) = unsafe { scan.next_struct::<FormAttributeDefault>() } {
        defaults.insert(form.oid.to_u32(), (form.relation.to_u32(), form.column));
    }
    defaults
}

/// Reads `pg_depend` once for everything that rules ask of it.
pub fn read(snapshot: &mut Snapshot, defaults: &FxHashMap<Oid, (Oid, ColumnNumber)>) {
    let sequences: FxHashMap<Oid, usize> =
        snapshot.sequences.iter().enumerate().map(|(position, sequence)| (sequence.oid, position)).collect();
    let relation_class = pg_sys::RelationRelationId;
    let stands_on_columns = [
        REWRITE,
        POLICY,
        PUBLICATION_RELATION,
        pg_sys::ProcedureRelationId.to_u32(),
        pg_sys::TriggerRelationId.to_u32(),
    ];
    let mut scan = CatalogScan::open(DEPEND);
    // SAFETY: every attribute is fixed and never null; the struct is their layout.
    while let Some(form) = unsafe { scan.next_struct::<FormDepend>() } {
        let class = form.class.to_u32();
        let object = form.object.to_u32();
        if form.kind == b'e' && form.referenced_class == pg_sys::ExtensionRelationId {
            snapshot.extension_members.insert((class, object));
            continue;
        }
        if form.referenced_class != relation_class {
            continue;
        }
        let referenced = form.referenced.to_u32();
        let number = ColumnNumber::try_from(form.referenced_column).unwrap_or(0);
        if class == relation_class.to_u32() {
            if matches!(form.kind, b'a' | b'i')
                && number > 0
                && let Some(&position) = sequences.get(&object)
            {
                snapshot.sequences[position].owned_by = Some((referenced, number));
                snapshot.sequences[position].is_identity = form.kind == b'i';
            }
        } else if class == ATTRIBUTE_DEFAULT {
            let Some(&own) = defaults.get(&object) else {
                continue;
            };
            if let Some(&position) = sequences.get(&referenced) {
                snapshot.sequences[position].used_by.push(own);
            } else if number > 0 && own != (referenced, number) {
                snapshot.depended_columns.insert((referenced, number));
            }
        } else if number > 0 && stands_on_columns.contains(&class) {
            snapshot.depended_columns.insert((referenced, number));
        }
    }
}
