//! The statements that give a foreign key its index.

use rustc_hash::FxHashSet;

use super::gap::column_set;
use crate::catalog::{Column, ColumnNumber, Constraint, Index, Oid, Relation, Snapshot};
use crate::change::index_ddl::{self, Change, constraint_behind};
use crate::change::names::Names;
use crate::finding::Facts;
use crate::foreign_key_cover::cover;
use crate::index::duplicate;
use crate::index::duty::Duties;
use crate::index::family::{Family, Tree};
use crate::index::shape::Shape;
use crate::index::unused::{self, freed};

/// Statements that close a gap: the new index, and the end of those that it makes superfluous.
pub(super) fn closing<'a>(
    facts: &Facts<'a>,
    duties: &Duties<'a>,
    names: &mut Names<'a>,
    child: &'a Relation,
    columns: &[ColumnNumber],
) -> Option<Change> {
    let snapshot = facts.snapshot;
    let new = index_ddl::create(snapshot, facts.definitions, names, child.oid, columns)?;
    let mut apply = vec![new.apply];
    let mut undo = Vec::new();
    let tree = Tree::of(snapshot, child);
    let is_met =
        |constraint: &Constraint| constraint.table == child.oid && meets(snapshot, columns, constraint);
    let freed = freed(facts, duties, &tree, &is_met);
    let mut ending: FxHashSet<Oid> = freed.iter().map(|family| family.top.oid).collect();
    let beginnings =
        tree.families.iter().filter(|family| is_beginning(snapshot, duties, child, family, columns));
    ending.extend(beginnings.map(|family| family.top.oid));
    if !ending.is_empty() {
        // What gives way to an index that goes now has nothing left to give way to.
        for pair in duplicate::reported(facts, duties, &unused::Limits::default(), &tree) {
            if ending.contains(&pair.keep_family.top.oid) {
                ending.insert(pair.drop.top.oid);
            }
        }
    }
    let mut families: Vec<&Family<'a>> =
        tree.families.iter().filter(|family| ending.contains(&family.top.oid)).collect();
    families.sort_unstable_by_key(|family| &family.top.name);
    for family in families {
        apply.push(index_ddl::drop(snapshot, family.top));
        undo.push(index_ddl::recreate(snapshot, facts.definitions, &family.members)?);
    }
    undo.push(new.undo);
    Some(Change { apply: apply.join("\n"), undo: undo.join("\n") })
}

/// Whether the index that `CREATE INDEX` makes unasked can be searched by the foreign key's equality operators.
///
/// Not where the server has to convert the referencing column first, as an integer that refers to a numeric key.
pub(super) fn can_be_indexed(snapshot: &Snapshot, constraint: &Constraint) -> bool {
    let Some(foreign_key) = constraint.foreign_key.as_deref() else { return false };
    constraint.columns.iter().zip(&*foreign_key.equality).all(|(&number, &operator)| {
        let column = snapshot.column(constraint.table, number);
        let Some(base) = column.and_then(|column| snapshot.base_type(column.type_oid)) else { return true };
        let own = snapshot.operator_classes.values().find(|class| {
            class.is_default
                && class.input_type == base.oid
                && snapshot.access_method_name(class.access_method) == "btree"
        });
        // A type without a class of its own is indexed as another one, which the server found the operator for.
        own.is_none_or(|class| snapshot.supports_equality(class.oid, operator))
    })
}

/// Whether a foreign key is covered by a new index on `columns` at least as well as by what there is.
fn meets(snapshot: &Snapshot, columns: &[ColumnNumber], constraint: &Constraint) -> bool {
    let leading = columns.iter().take_while(|column| constraint.columns.contains(column)).count();
    leading == column_set(constraint).len() || (leading > 0 && !cover(snapshot, constraint).is_full())
}

/// Whether an index becomes superfluous as the beginning of a new one on `columns`.
fn is_beginning<'a>(
    snapshot: &'a Snapshot,
    duties: &Duties<'a>,
    child: &Relation,
    family: &Family<'a>,
    columns: &[ColumnNumber],
) -> bool {
    let top = family.top;
    top.table == child.oid
        && top.is_usable()
        && !top.is_unique
        && !duties.binds(family)
        && constraint_behind(snapshot, top).is_none()
        && has_default_operators(snapshot, top)
        && Shape::of(snapshot, top).is_plain_prefix_of(columns)
}

/// Whether every key has what `CREATE INDEX` gives it unasked: the type's operator class, the column's collation.
fn has_default_operators(snapshot: &Snapshot, index: &Index) -> bool {
    index.key_columns().iter().all(|key| {
        snapshot.operator_classes.get(&key.opclass).is_some_and(|class| class.is_default)
            && snapshot
                .column(index.table, key.column)
                .is_some_and(|column: &Column| column.collation == key.collation)
    })
}
