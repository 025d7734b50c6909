//! An index definition in terms of the relation that would have a file of it.

use pgrx::pg_sys;

use super::key::Column;
use super::specification::Specification;

/// Columns, expressions and predicate in terms of one relation: a partition may count its columns differently.
pub struct Local {
    pub columns: Vec<Column>,
    pub key_count: usize,
    pub expressions: *mut pg_sys::List,
    pub predicate: *mut pg_sys::List,
}

impl Local {
    /// Of a relation that is the specification's or one of its partitions, locked.
    pub fn of(specification: &Specification, relation: pg_sys::Oid) -> Self {
        let mut columns = specification.columns.clone();
        let key_count = specification.key_count;
        if relation == specification.relation {
            let Specification { expressions, predicate, .. } = *specification;
            return Self { columns, key_count, expressions, predicate };
        }
        // SAFETY: both relations are locked, and the map covers every column of the parent.
        unsafe {
            let parent = pg_sys::relation_open(specification.relation, pg_sys::NoLock as _);
            let child = pg_sys::relation_open(relation, pg_sys::NoLock as _);
            #[cfg(feature = "pg15")]
            let map = pg_sys::build_attrmap_by_name((*child).rd_att, (*parent).rd_att);
            #[cfg(not(feature = "pg15"))]
            let map = pg_sys::build_attrmap_by_name((*child).rd_att, (*parent).rd_att, false);
            pg_sys::relation_close(child, pg_sys::NoLock as _);
            pg_sys::relation_close(parent, pg_sys::NoLock as _);
            for column in columns.iter_mut().filter(|column| column.attribute > 0) {
                column.attribute = *(*map).attnums.add(usize::try_from(column.attribute - 1).unwrap_or(0));
            }
            let mapped = |nodes: *mut pg_sys::List| {
                let mut has_whole_row = false;
                pg_sys::map_variable_attnos(
                    nodes.cast(),
                    1,
                    0,
                    map,
                    pg_sys::InvalidOid,
                    &raw mut has_whole_row,
                )
                .cast::<pg_sys::List>()
            };
            Self {
                columns,
                key_count,
                expressions: mapped(specification.expressions),
                predicate: mapped(specification.predicate),
            }
        }
    }
}
