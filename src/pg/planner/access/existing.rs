//! The indexes that a table has, described as candidates are.

use pgrx::pg_sys;

use super::{support, text};
use crate::catalog::access::Key;
use crate::catalog::hypothetical::Method;
use crate::pg::planner::IndexFamily;
use crate::pg::planner::list;
use crate::pg::planner::names::family;

/// One key column of an index that exists.
pub struct ExistingKey {
    /// The column or expression.
    pub key: Key,
    /// Sorted downwards.
    pub descending: bool,
    /// NULLs sort first.
    pub nulls_first: bool,
    /// Its operator class, qualified and quoted; `None` for the default one of the type.
    pub operator_class: Option<String>,
    /// Its collation; `None` for the column's own.
    pub collation: Option<String>,
}

/// An index that exists and that the planner may use.
pub struct Existing {
    /// The index with its partitions.
    pub family: IndexFamily,
    /// Its access method.
    pub method: Method,
    /// Its key columns.
    pub keys: Vec<ExistingKey>,
    /// Its INCLUDE columns.
    pub included: Vec<i16>,
    /// Its predicate as SQL.
    pub predicate: Option<String>,
    /// Whether it is UNIQUE.
    pub is_unique: bool,
    /// Why it must stay, whatever queries do.
    pub kept_by: Option<&'static str>,
}

/// The valid indexes of a table; none where it is locked by somebody, or for access methods that we cannot size.
pub fn existing_indexes(table: pg_sys::Oid) -> Vec<Existing> {
    // SAFETY: the table is locked here until the end of the (sub)transaction.
    unsafe {
        let share = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        let relation = pg_sys::try_table_open(table, share);
        if relation.is_null() {
            return Vec::new();
        }
        let indexes = list::oids(pg_sys::RelationGetIndexList(relation));
        let replica_identity = pg_sys::RelationGetReplicaIndex(relation);
        let found = indexes
            .into_iter()
            .filter_map(|index| describe(table, index, index == replica_identity))
            .collect();
        pg_sys::relation_close(relation, pg_sys::NoLock as _);
        found
    }
}

/// # Safety
/// The table must be locked.
unsafe fn describe(table: pg_sys::Oid, index: pg_sys::Oid, is_replica_identity: bool) -> Option<Existing> {
    // SAFETY: the index is opened and closed here; its description lives as long as it is open.
    unsafe {
        let relation = pg_sys::index_open(index, pg_sys::AccessShareLock as _);
        let form = &*(*relation).rd_index;
        let method = support::method((*(*relation).rd_rel).relam);
        let found = match method {
            Some(method) if form.indisvalid && form.indisready && form.indislive => {
                Some(description(table, relation, method, is_replica_identity))
            }
            _ => None,
        };
        pg_sys::index_close(relation, pg_sys::NoLock as _);
        found
    }
}

/// # Safety
/// The index must be open.
unsafe fn description(
    table: pg_sys::Oid,
    relation: pg_sys::Relation,
    method: Method,
    is_replica_identity: bool,
) -> Existing {
    // SAFETY: as the caller vouches; arrays are as long as the counts in pg_index.
    unsafe {
        let form = &*(*relation).rd_index;
        let columns = usize::try_from(form.indnatts).unwrap_or(0);
        let key_count = usize::try_from(form.indnkeyatts).unwrap_or(0);
        let numbers = form.indkey.values.as_slice(columns);
        let expressions = list::pointers::<pg_sys::Node>(pg_sys::RelationGetIndexExpressions(relation));
        let mut expressions = expressions.into_iter();
        let keys = (0..key_count)
            .map(|position| {
                let number = numbers[position];
                let (key, type_oid, collation) = if number == 0 {
                    let node = expressions.next().unwrap_or(std::ptr::null_mut());
                    let text = text::key(&text::about_table(table, node));
                    (Key::Expression(text), pg_sys::exprType(node), pg_sys::exprCollation(node))
                } else {
                    let (mut type_oid, mut modifier, mut collation) =
                        (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
                    pg_sys::get_atttypetypmodcoll(
                        table,
                        number,
                        &raw mut type_oid,
                        &raw mut modifier,
                        &raw mut collation,
                    );
                    (Key::Column(number), type_oid, collation)
                };
                let option = *(*relation).rd_indoption.add(position);
                let own = *(*relation).rd_indcollation.add(position);
                ExistingKey {
                    key,
                    descending: option & pg_sys::INDOPTION_DESC as i16 != 0,
                    nulls_first: option & pg_sys::INDOPTION_NULLS_FIRST as i16 != 0,
                    operator_class: support::class_of_family(
                        (*(*relation).rd_rel).relam,
                        *(*relation).rd_opfamily.add(position),
                        *(*relation).rd_opcintype.add(position),
                        type_oid,
                    ),
                    collation: (own != collation && own != pg_sys::InvalidOid)
                        .then(|| support::collation_name(own))
                        .flatten(),
                }
            })
            .collect();
        let predicate = pg_sys::RelationGetIndexPredicate(relation);
        let predicate = (!predicate.is_null())
            .then(|| text::about_table(table, pg_sys::make_ands_explicit(predicate).cast()));
        Existing {
            family: family(form.indexrelid),
            method,
            keys,
            included: numbers[key_count..].to_vec(),
            predicate,
            is_unique: form.indisunique,
            kept_by: kept_by(form, is_replica_identity),
        }
    }
}

fn kept_by(form: &pg_sys::FormData_pg_index, is_replica_identity: bool) -> Option<&'static str> {
    if form.indisprimary {
        return Some("it is the primary key");
    }
    if form.indisexclusion {
        return Some("it enforces an exclusion constraint");
    }
    if form.indisunique {
        return Some("it keeps values unique");
    }
    if is_replica_identity || form.indisreplident {
        return Some("it is the replica identity");
    }
    form.indisclustered.then_some("CLUSTER uses it")
}
