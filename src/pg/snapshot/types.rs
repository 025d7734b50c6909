//! Types, access methods, operator classes and the operators that indexes can search by.

use pgrx::pg_sys;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::catalog::{AccessMethod, Oid, OperatorClass, Snapshot, Type, TypeKind};
use crate::pg::scan::CatalogScan;

/// Reads everything about types that an index or a column refers to.
pub fn read(snapshot: &mut Snapshot) {
    read_types(snapshot);
    read_enum_labels(snapshot);
    read_access_methods(snapshot);
    read_operator_classes(snapshot);
    let equality = read_equality_operators(snapshot);
    read_commutators(snapshot, &equality);
}

fn read_types(snapshot: &mut Snapshot) {
    let mut scan = CatalogScan::open(pg_sys::TypeRelationId.to_u32());
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"typname");
    let schema = scan.attribute(c"typnamespace");
    let length = scan.attribute(c"typlen");
    let kind = scan.attribute(c"typtype");
    let category = scan.attribute(c"typcategory");
    let relation = scan.attribute(c"typrelid");
    let element = scan.attribute(c"typelem");
    let base = scan.attribute(c"typbasetype");
    let mut row_types: FxHashSet<Oid> = FxHashSet::default();
    let mut arrays: Vec<Oid> = Vec::new();
    while let Some(row) = scan.next_row() {
        if row.oid(relation) != 0 {
            // Every table brings a row type and an array of it; no column rule needs them.
            row_types.insert(row.oid(oid));
            continue;
        }
        if row.char(category) == 'A' {
            arrays.push(row.oid(oid));
        }
        let kind = match row.char(kind) {
            'c' => TypeKind::Composite,
            'd' => TypeKind::Domain,
            'e' => TypeKind::Enum,
            'p' => TypeKind::Pseudo,
            'r' => TypeKind::Range,
            'm' => TypeKind::Multirange,
            _ => TypeKind::Base,
        };
        let found = Type {
            oid: row.oid(oid),
            name: row.name(name),
            schema: row.oid(schema),
            kind,
            category: row.char(category),
            base: row.oid(base),
            element: row.oid(element),
            length: row.int2(length),
            labels: 0,
        };
        snapshot.types.insert(found.oid, found);
    }
    for array in arrays {
        if snapshot.types.get(&array).is_some_and(|found| row_types.contains(&found.element)) {
            snapshot.types.remove(&array);
        }
    }
}

fn read_enum_labels(snapshot: &mut Snapshot) {
    let mut scan = CatalogScan::open(pg_sys::EnumRelationId.to_u32());
    let type_oid = scan.attribute(c"enumtypid");
    while let Some(row) = scan.next_row() {
        if let Some(found) = snapshot.types.get_mut(&row.oid(type_oid)) {
            found.labels += 1;
        }
    }
}

fn read_access_methods(snapshot: &mut Snapshot) {
    let mut scan = CatalogScan::open(pg_sys::AccessMethodRelationId.to_u32());
    let (oid, name) = (scan.attribute(c"oid"), scan.attribute(c"amname"));
    while let Some(row) = scan.next_row() {
        let method = AccessMethod { oid: row.oid(oid), name: row.name(name) };
        snapshot.access_methods.insert(method.oid, method);
    }
}

fn read_operator_classes(snapshot: &mut Snapshot) {
    let mut scan = CatalogScan::open(pg_sys::OperatorClassRelationId.to_u32());
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"opcname");
    let method = scan.attribute(c"opcmethod");
    let family = scan.attribute(c"opcfamily");
    let input_type = scan.attribute(c"opcintype");
    let is_default = scan.attribute(c"opcdefault");
    while let Some(row) = scan.next_row() {
        let class = OperatorClass {
            oid: row.oid(oid),
            name: row.name(name),
            access_method: row.oid(method),
            family: row.oid(family),
            input_type: row.oid(input_type),
            is_default: row.bool(is_default),
        };
        snapshot.operator_classes.insert(class.oid, class);
    }
}

/// The search operators of every family that mean equality: by their names, since strategy numbers mean something
/// else in each access method.
fn read_equality_operators(snapshot: &mut Snapshot) -> FxHashSet<Oid> {
    let mut named_equal: FxHashSet<Oid> = FxHashSet::default();
    let mut scan = CatalogScan::open(pg_sys::OperatorRelationId.to_u32());
    let (oid, name) = (scan.attribute(c"oid"), scan.attribute(c"oprname"));
    while let Some(row) = scan.next_row() {
        if &*row.name(name) == "=" {
            named_equal.insert(row.oid(oid));
        }
    }
    drop(scan);

    let mut scan = CatalogScan::open(pg_sys::AccessMethodOperatorRelationId.to_u32());
    let family = scan.attribute(c"amopfamily");
    let operator = scan.attribute(c"amopopr");
    let purpose = scan.attribute(c"amoppurpose");
    while let Some(row) = scan.next_row() {
        if row.char(purpose) == 's' && named_equal.contains(&row.oid(operator)) {
            snapshot.equality_operators.insert((row.oid(family), row.oid(operator)));
        }
    }
    named_equal
}

fn read_commutators(snapshot: &mut Snapshot, operators: &FxHashSet<Oid>) {
    let mut commutators: FxHashMap<Oid, Oid> = FxHashMap::default();
    let mut scan = CatalogScan::open(pg_sys::OperatorRelationId.to_u32());
    let (oid, commutator) = (scan.attribute(c"oid"), scan.attribute(c"oprcom"));
    while let Some(row) = scan.next_row() {
        if operators.contains(&row.oid(oid)) && row.oid(commutator) != 0 {
            commutators.insert(row.oid(oid), row.oid(commutator));
        }
    }
    snapshot.commutators = commutators;
}
