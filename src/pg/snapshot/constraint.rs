//! `pg_constraint`.

use rustc_hash::FxHashSet;

use crate::catalog::{Constraint, ConstraintKind, ForeignKey, MatchType, Oid, ReferentialAction, Snapshot};
use crate::pg::scan::CatalogScan;

const CONSTRAINT: u32 = 2606;

fn action_of(code: char) -> ReferentialAction {
    match code {
        'r' => ReferentialAction::Restrict,
        'c' => ReferentialAction::Cascade,
        'n' => ReferentialAction::SetNull,
        'd' => ReferentialAction::SetDefault,
        _ => ReferentialAction::NoAction,
    }
}

fn kind_of(code: char) -> Option<ConstraintKind> {
    Some(match code {
        'c' => ConstraintKind::Check,
        'f' => ConstraintKind::ForeignKey,
        'n' => ConstraintKind::NotNull,
        'p' => ConstraintKind::PrimaryKey,
        'u' => ConstraintKind::Unique,
        't' => ConstraintKind::Trigger,
        'x' => ConstraintKind::Exclusion,
        _ => return None,
    })
}

/// The constraints of the relations that the snapshot keeps.
pub fn read(snapshot: &mut Snapshot) {
    let relations: FxHashSet<Oid> = snapshot.relations.iter().map(|relation| relation.oid).collect();
    let mut scan = CatalogScan::open(CONSTRAINT);
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"conname");
    let kind = scan.attribute(c"contype");
    let is_deferrable = scan.attribute(c"condeferrable");
    let is_validated = scan.attribute(c"convalidated");
    let is_enforced = scan.find(c"conenforced");
    let table = scan.attribute(c"conrelid");
    let index = scan.attribute(c"conindid");
    let parent = scan.attribute(c"conparentid");
    let referenced = scan.attribute(c"confrelid");
    let on_update = scan.attribute(c"confupdtype");
    let on_delete = scan.attribute(c"confdeltype");
    let match_type = scan.attribute(c"confmatchtype");
    let is_local = scan.attribute(c"conislocal");
    let columns = scan.attribute(c"conkey");
    let referenced_columns = scan.attribute(c"confkey");
    let equality = scan.attribute(c"conpfeqop");
    while let Some(row) = scan.next_row() {
        let Some(kind) = kind_of(row.char(kind)) else {
            continue;
        };
        if !relations.contains(&row.oid(table)) {
            continue;
        }
        let foreign_key = (kind == ConstraintKind::ForeignKey).then(|| {
            Box::new(ForeignKey {
                table: row.oid(referenced),
                columns: row.int2_array(referenced_columns).into(),
                equality: row.oid_array(equality).into(),
                on_delete: action_of(row.char(on_delete)),
                on_update: action_of(row.char(on_update)),
                match_type: match row.char(match_type) {
                    'f' => MatchType::Full,
                    'p' => MatchType::Partial,
                    _ => MatchType::Simple,
                },
            })
        });
        snapshot.constraints.push(Constraint {
            oid: row.oid(oid),
            name: row.name(name),
            table: row.oid(table),
            kind,
            is_validated: row.bool(is_validated),
            is_enforced: is_enforced.is_none_or(|attribute| row.bool(attribute)),
            is_deferrable: row.bool(is_deferrable),
            parent: row.oid(parent),
            is_inherited: !row.bool(is_local),
            index: row.oid(index),
            columns: row.int2_array(columns).into(),
            foreign_key,
        });
    }
}
