//! The tables of a plan, as the catalogs and the statistics know them.

use pgrx::pg_sys;

use super::{Builder, c_text};
use crate::catalog::plan::{ColumnFacts, IndexFacts, IndexKeyFacts, TableFacts};
use crate::pg::planner::list;
use crate::pg::planner::names::qualified_name;
use crate::text::quote_identifier;

impl Builder {
    /// The table that a node scans, if it is one.
    ///
    /// # Safety
    /// `node` must scan that entry.
    pub(super) unsafe fn scanned_table(&mut self, entry: u32, node: *mut pg_sys::Plan) -> Option<usize> {
        let table = self.table(entry)?;
        // SAFETY: as the caller vouches.
        unsafe { self.imply(entry, table, (*node).qual) };
        Some(table)
    }

    /// Where the table of an entry stands; looked up at the first call.
    pub(super) fn table(&mut self, number: u32) -> Option<usize> {
        if let Some(&known) = self.tables.get(&number) {
            return Some(known);
        }
        let entry = self.entry(number)?;
        // SAFETY: an entry of the range table; the planner has locked its table.
        let facts = unsafe {
            if (*entry).rtekind != pg_sys::RTEKind::RTE_RELATION {
                return None;
            }
            self.facts(number, (*entry).relid)
        };
        let position = self.plan.tables.len();
        self.plan.tables.push(facts);
        self.tables.insert(number, position);
        Some(position)
    }

    /// The name of a column, quoted; the plan's facts of the table get the column.
    pub(super) fn column(&mut self, table: usize, number: pg_sys::AttrNumber) -> Option<String> {
        let facts = self.plan.tables.get_mut(table)?;
        if let Some(known) = facts.column(number) {
            return Some(known.name.clone());
        }
        // SAFETY: look-ups in the catalogs.
        let column = unsafe { column_facts(pg_sys::Oid::from(facts.oid), number, facts.tuples)? };
        let name = column.name.clone();
        facts.columns.push(column);
        Some(name)
    }

    /// # Safety
    /// The relation must be locked.
    unsafe fn facts(&mut self, entry: u32, oid: pg_sys::Oid) -> TableFacts {
        let place = usize::try_from(entry).unwrap_or(0).saturating_sub(1);
        let alias = self.names.get(place).cloned().unwrap_or_default();
        let mut facts = TableFacts {
            oid: oid.to_u32(),
            name: qualified_name(oid),
            alias,
            is_system: oid.to_u32() < pg_sys::FirstNormalObjectId,
            ..TableFacts::default()
        };
        // SAFETY: as the caller vouches; opened and closed in pairs.
        unsafe {
            let relation = pg_sys::table_open(oid, pg_sys::NoLock as _);
            let class = (*relation).rd_rel;
            facts.is_temporary = (*class).relpersistence as u8 == pg_sys::RELPERSISTENCE_TEMP;
            facts.is_analysed = (*class).reltuples >= 0.0;
            if matches!((*class).relkind as u8, pg_sys::RELKIND_RELATION | pg_sys::RELKIND_MATVIEW) {
                let mut pages = 0;
                pg_sys::estimate_rel_size(
                    relation,
                    std::ptr::null_mut(),
                    &raw mut pages,
                    &raw mut facts.tuples,
                    &raw mut facts.visible_share,
                );
                facts.pages = f64::from(pages);
                for index in list::oids(pg_sys::RelationGetIndexList(relation)) {
                    facts.indexes.push(self.index_facts(relation, index));
                }
                for statistics in list::oids(pg_sys::RelationGetStatExtList(relation)) {
                    facts.extended_statistics.extend(statistics_columns(statistics));
                }
            }
            pg_sys::table_close(relation, pg_sys::NoLock as _);
            facts.changed_since_analyze = changed_since_analyze(oid);
            self.find_root(entry, &mut facts);
        }
        facts
    }

    /// # Safety
    /// `relation` must be open.
    unsafe fn index_facts(&mut self, relation: pg_sys::Relation, oid: pg_sys::Oid) -> IndexFacts {
        // SAFETY: as the caller vouches; opened and closed in pairs; arrays are as long as the keys.
        unsafe {
            let index = pg_sys::index_open(oid, pg_sys::AccessShareLock as _);
            let row = (*index).rd_index;
            let context =
                pg_sys::deparse_context_for((*(*relation).rd_rel).relname.data.as_ptr(), (*relation).rd_id);
            let print = |node: *mut pg_sys::Node| {
                c_text(pg_sys::deparse_expression(node, context, false, false)).unwrap_or_default()
            };
            let mut expressions =
                list::pointers::<pg_sys::Node>(pg_sys::RelationGetIndexExpressions(index)).into_iter();
            let mut keys = Vec::new();
            let mut kinds = Vec::new();
            for place in 0..usize::try_from((*row).indnkeyatts).unwrap_or(0) {
                let column = *(*row).indkey.values.as_ptr().add(place);
                let text = if column == 0 {
                    expressions.next().map(print).unwrap_or_default()
                } else {
                    column_name((*relation).rd_id, column).unwrap_or_default()
                };
                let options = (*(*index).rd_indoption.add(place)) as u32;
                keys.push(IndexKeyFacts {
                    column,
                    text,
                    descending: options & pg_sys::INDOPTION_DESC != 0,
                    nulls_first: options & pg_sys::INDOPTION_NULLS_FIRST != 0,
                });
                kinds.push((*(*index).rd_opfamily.add(place), *(*index).rd_indcollation.add(place)));
            }
            self.index_keys.insert(oid.to_u32(), kinds);
            let predicate = pg_sys::RelationGetIndexPredicate(index);
            let facts = IndexFacts {
                oid: oid.to_u32(),
                name: qualified_name(oid),
                method: c_text(pg_sys::get_am_name((*(*index).rd_rel).relam)).unwrap_or_default(),
                keys,
                is_unique: (*row).indisunique,
                is_valid: (*row).indisvalid,
                predicate: (!predicate.is_null())
                    .then(|| print(pg_sys::make_ands_explicit(predicate).cast())),
                is_implied: predicate.is_null(),
            };
            pg_sys::index_close(index, pg_sys::AccessShareLock as _);
            facts
        }
    }

    /// Finds out which partial indexes have all rows that the conditions of a scan ask for.
    ///
    /// # Safety
    /// `conditions` must be those of a scan of the entry.
    unsafe fn imply(&mut self, entry: u32, table: usize, conditions: *mut pg_sys::List) {
        for index in &mut self.plan.tables[table].indexes {
            if index.is_implied || conditions.is_null() {
                continue;
            }
            // SAFETY: as the caller vouches; the list of predicates is a copy.
            unsafe {
                let relation = pg_sys::index_open(pg_sys::Oid::from(index.oid), pg_sys::AccessShareLock as _);
                let predicate = pg_sys::RelationGetIndexPredicate(relation);
                pg_sys::ChangeVarNodes(predicate.cast(), 1, i32::try_from(entry).unwrap_or(1), 0);
                index.is_implied = pg_sys::predicate_implied_by(predicate, conditions, false);
                pg_sys::index_close(relation, pg_sys::AccessShareLock as _);
            }
        }
    }

    /// The partitioned table that the query names, if the entry is a partition of one.
    ///
    /// # Safety
    /// The statement must be the planner's.
    unsafe fn find_root(&self, entry: u32, facts: &mut TableFacts) {
        // SAFETY: as the caller vouches.
        unsafe {
            let parents = list::pointers::<pg_sys::AppendRelInfo>((*self.statement).appendRelations);
            let mut at = entry;
            while let Some(link) = parents.iter().find(|&&link| (*link).child_relid == at) {
                at = (**link).parent_relid;
                let Some(parent) = self.entry(at) else { return };
                if (*parent).rtekind != pg_sys::RTEKind::RTE_RELATION
                    || (*parent).relkind as u8 != pg_sys::RELKIND_PARTITIONED_TABLE
                {
                    return;
                }
                let oid = (*parent).relid;
                facts.partition_keys.extend(partition_keys(oid));
                facts.root = Some((oid.to_u32(), qualified_name(oid)));
            }
        }
    }
}

/// # Safety
/// `relation` must be a relation.
unsafe fn column_name(relation: pg_sys::Oid, number: pg_sys::AttrNumber) -> Option<String> {
    // SAFETY: a look-up in the catalogs.
    let name = unsafe { c_text(pg_sys::get_attname(relation, number, true))? };
    Some(quote_identifier(&name))
}

/// # Safety
/// `relation` must be a relation.
unsafe fn column_facts(
    relation: pg_sys::Oid,
    number: pg_sys::AttrNumber,
    tuples: f64,
) -> Option<ColumnFacts> {
    // SAFETY: look-ups in the catalogs; rows are released after they were read.
    unsafe {
        let mut facts =
            ColumnFacts { number, name: column_name(relation, number)?, ..ColumnFacts::default() };
        let row = pg_sys::SearchSysCache2(
            pg_sys::SysCacheIdentifier::ATTNUM as i32,
            relation.into(),
            pg_sys::Datum::from(number),
        );
        if !row.is_null() {
            let attribute = pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_attribute>();
            facts.is_not_null = (*attribute).attnotnull;
            facts.type_name =
                c_text(pg_sys::format_type_with_typemod((*attribute).atttypid, (*attribute).atttypmod))
                    .unwrap_or_default();
            pg_sys::ReleaseSysCache(row);
        }
        let row = pg_sys::SearchSysCache3(
            pg_sys::SysCacheIdentifier::STATRELATTINH as i32,
            relation.into(),
            pg_sys::Datum::from(number),
            pg_sys::Datum::from(false),
        );
        if !row.is_null() {
            facts.is_analysed = true;
            let distinct =
                f64::from((*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_statistic>()).stadistinct);
            facts.distinct = match distinct {
                0.0 => None,
                share if share < 0.0 => Some((-share * tuples).max(1.0)),
                count => Some(count),
            };
            facts.most_common = share_of_most_common(row);
            pg_sys::ReleaseSysCache(row);
        }
        Some(facts)
    }
}

/// The share of the first of the most common values, which ANALYZE sorts by frequency.
///
/// # Safety
/// The row must be one of pg_statistic.
unsafe fn share_of_most_common(row: pg_sys::HeapTuple) -> Option<f64> {
    // SAFETY: the slot is filled by the server and freed after its first number was read.
    unsafe {
        let mut slot: pg_sys::AttStatsSlot = std::mem::zeroed();
        let is_there = pg_sys::get_attstatsslot(
            &raw mut slot,
            row,
            pg_sys::STATISTIC_KIND_MCV as i32,
            pg_sys::InvalidOid,
            pg_sys::ATTSTATSSLOT_NUMBERS as i32,
        );
        let share = (is_there && slot.nnumbers > 0).then(|| f64::from(*slot.numbers));
        pg_sys::free_attstatsslot(&raw mut slot);
        share
    }
}

/// The columns of an extended statistics object; `None` where it is of one expression.
///
/// # Safety
/// `oid` must be a statistics object.
unsafe fn statistics_columns(oid: pg_sys::Oid) -> Option<Vec<i16>> {
    /// `Anum_pg_statistic_ext_stxkeys`, which the bindings of 18 leave out with the whole catalog.
    const KEYS: pg_sys::AttrNumber = if cfg!(any(feature = "pg15", feature = "pg16")) { 7 } else { 6 };
    // SAFETY: a look-up in the catalogs; the row is released after it was read.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::STATEXTOID as i32;
        let row = pg_sys::SearchSysCache1(cache, oid.into());
        if row.is_null() {
            return None;
        }
        let mut is_null = false;
        // The column is never NULL.
        let datum = pg_sys::SysCacheGetAttr(cache, row, KEYS, &raw mut is_null);
        let keys = datum.cast_mut_ptr::<pg_sys::int2vector>();
        let count = usize::try_from((*keys).dim1).unwrap_or(0);
        let columns = (0..count).map(|place| *(*keys).values.as_ptr().add(place)).collect();
        pg_sys::ReleaseSysCache(row);
        Some(columns)
    }
}

/// # Safety
/// `oid` must be a partitioned table.
unsafe fn partition_keys(oid: pg_sys::Oid) -> Vec<String> {
    /// `Anum_pg_partitioned_table_partattrs`
    const ATTRIBUTES: pg_sys::AttrNumber = 5;
    // SAFETY: a look-up in the catalogs; the row is released after it was read.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::PARTRELID as i32;
        let row = pg_sys::SearchSysCache1(cache, oid.into());
        if row.is_null() {
            return Vec::new();
        }
        let mut is_null = false;
        let datum = pg_sys::SysCacheGetAttr(cache, row, ATTRIBUTES, &raw mut is_null);
        let mut names = Vec::new();
        if !is_null {
            let keys = datum.cast_mut_ptr::<pg_sys::int2vector>();
            for place in 0..usize::try_from((*keys).dim1).unwrap_or(0) {
                let number = *(*keys).values.as_ptr().add(place);
                names.extend((number > 0).then(|| column_name(oid, number)).flatten());
            }
        }
        pg_sys::ReleaseSysCache(row);
        names
    }
}

/// Rows written since the last ANALYZE, as the statistics system counted them.
fn changed_since_analyze(oid: pg_sys::Oid) -> Option<f64> {
    // SAFETY: null or a copy of the entry in the current memory context.
    unsafe {
        let entry = pg_sys::pgstat_fetch_stat_tabentry(oid);
        if entry.is_null() {
            return None;
        }
        #[cfg(feature = "pg15")]
        let changed = (*entry).changes_since_analyze;
        #[cfg(not(feature = "pg15"))]
        let changed = (*entry).mod_since_analyze;
        Some(changed as f64)
    }
}

/// Whether the database's own collation sorts text as bytes.
///
/// # Safety
/// To be called in a transaction.
pub unsafe fn database_sorts_bytes() -> bool {
    // SAFETY: as the caller vouches; the row of the current database always exists.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::DATABASEOID as i32;
        let row = pg_sys::SearchSysCache1(cache, pg_sys::MyDatabaseId.into());
        if row.is_null() {
            return false;
        }
        let mut is_null = false;
        let datum = pg_sys::SysCacheGetAttr(
            cache,
            row,
            pg_sys::Anum_pg_database_datcollate as pg_sys::AttrNumber,
            &raw mut is_null,
        );
        let sorts = !is_null && {
            let text = pg_sys::text_to_cstring(datum.cast_mut_ptr());
            matches!(c_text(text).as_deref(), Some("C" | "POSIX"))
        };
        pg_sys::ReleaseSysCache(row);
        sorts
    }
}
