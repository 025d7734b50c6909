//! What the catalogs say of the functions, operators and tables that a query names.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::nodes::string;
use crate::catalog::query::{
    Comparison, Extension, FunctionFacts, IndexedColumn, OperatorCall, RelationColumn, RelationFacts,
    UniqueKey,
};
use crate::catalog::{ColumnNumber, Volatility};
use crate::pg::planner::{list, names};
use crate::pg::scan::CatalogScan;

/// A function's facts.
pub fn function(oid: pg_sys::Oid) -> FunctionFacts {
    if oid == pg_sys::InvalidOid {
        return FunctionFacts::default();
    }
    // SAFETY: look-ups by OID in the catalogs.
    unsafe {
        FunctionFacts {
            oid: oid.to_u32(),
            name: string(pg_sys::get_func_name(oid)),
            volatility: volatility(pg_sys::func_volatile(oid) as u8),
            is_strict: pg_sys::func_strict(oid),
            returns_set: pg_sys::get_func_retset(oid),
        }
    }
}

fn volatility(letter: u8) -> Volatility {
    match letter {
        b'i' => Volatility::Immutable,
        b's' => Volatility::Stable,
        _ => Volatility::Volatile,
    }
}

/// An operator's facts, without its arguments.
pub fn operator(oid: pg_sys::Oid, collation: pg_sys::Oid) -> OperatorCall {
    // SAFETY: look-ups by OID in the catalogs.
    unsafe {
        OperatorCall {
            oid: oid.to_u32(),
            name: string(pg_sys::get_opname(oid)),
            function: function(pg_sys::get_opcode(oid)),
            comparison: comparison(oid),
            commutator: pg_sys::get_commutator(oid).to_u32(),
            negator: pg_sys::get_negator(oid).to_u32(),
            collation: collation.to_u32(),
            is_deterministic: is_deterministic(collation),
            arguments: Vec::new(),
        }
    }
}

/// Whether strings that are equal under the collation are the same.
pub fn is_deterministic(collation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up by OID in the catalogs.
    collation == pg_sys::InvalidOid || unsafe { pg_sys::get_collation_isdeterministic(collation) }
}

/// What the operator says in the B-tree families that have it.
fn comparison(oid: pg_sys::Oid) -> Option<Comparison> {
    // SAFETY: a look-up by OID in the catalogs; the list is of the structs named.
    #[cfg(not(feature = "pg18"))]
    let strategy = unsafe {
        let found = pg_sys::get_op_btree_interpretation(oid);
        list::pointers::<pg_sys::OpBtreeInterpretation>(found).first().map(|first| (**first).strategy as u32)
    };
    // SAFETY: as above.
    #[cfg(feature = "pg18")]
    let strategy = unsafe {
        let found = pg_sys::get_op_index_interpretation(oid);
        list::pointers::<pg_sys::OpIndexInterpretation>(found).first().map(|first| (**first).cmptype)
    };
    comparison_of(strategy?)
}

/// What a B-tree's strategy, or a comparison type, stands for.
pub fn comparison_of(strategy: u32) -> Option<Comparison> {
    Some(match strategy {
        1 => Comparison::Less,
        2 => Comparison::LessOrEqual,
        3 => Comparison::Equal,
        4 => Comparison::GreaterOrEqual,
        5 => Comparison::Greater,
        6 => Comparison::NotEqual,
        _ => return None,
    })
}

/// A relation's facts and its columns; it is locked.
pub fn relation(oid: pg_sys::Oid, is_alone: bool) -> (RelationFacts, Vec<RelationColumn>) {
    // SAFETY: the analysis locked the relation; it is closed before anything can fail here, or at the end of the
    // subtransaction.
    unsafe {
        let relation = pg_sys::relation_open(oid, pg_sys::NoLock as pg_sys::LOCKMODE);
        let form = (*relation).rd_rel;
        let kind = char::from((*form).relkind as u8);
        // Foreign servers enforce nothing of what is declared here, and children of a table need not share it.
        let is_sound = matches!(kind, 'r' | 'p' | 'm') && (is_alone || kind == 'p');
        let columns = columns(relation, is_sound);
        let mut facts = RelationFacts {
            oid: oid.to_u32(),
            kind,
            name: names::qualified_name(oid),
            rows: Some(f64::from((*form).reltuples)).filter(|rows| *rows >= 0.0),
            is_system: oid.to_u32() < crate::catalog::query::FIRST_NORMAL_OID,
            ..RelationFacts::default()
        };
        if matches!(kind, 'r' | 'p' | 'm') && (*form).relhasindex {
            for index in list::oids(pg_sys::RelationGetIndexList(relation)) {
                add_index(index, is_sound, &mut facts);
            }
        }
        pg_sys::relation_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        (facts, columns)
    }
}

/// # Safety
/// The relation must be open.
unsafe fn columns(relation: pg_sys::Relation, is_sound: bool) -> Vec<RelationColumn> {
    // SAFETY: as the caller vouches; attributes are counted from 1 up to natts.
    unsafe {
        let descriptor = (*relation).rd_att;
        let count = usize::try_from((*descriptor).natts).unwrap_or(0);
        (1..=count)
            .filter_map(|number| {
                let tuple = pg_sys::SearchSysCache2(
                    pg_sys::SysCacheIdentifier::ATTNUM as i32,
                    pg_sys::Datum::from((*relation).rd_id),
                    pg_sys::Datum::from(i16::try_from(number).ok()?),
                );
                if tuple.is_null() {
                    return None;
                }
                let attribute = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_attribute>();
                let column = (!(*attribute).attisdropped).then(|| RelationColumn {
                    number: (*attribute).attnum,
                    name: crate::pg::scan::text_of_name(&(*attribute).attname).into_string(),
                    type_oid: (*attribute).atttypid.to_u32(),
                    type_name: type_name((*attribute).atttypid, (*attribute).atttypmod),
                    is_not_null: is_sound && (*attribute).attnotnull && is_validated(descriptor, number),
                    is_renamed: false,
                    distinct: distinct((*relation).rd_id, (*attribute).attnum),
                });
                pg_sys::ReleaseSysCache(tuple);
                column
            })
            .collect()
    }
}

/// How many different values the statistics of a column, with those of its children, tell of.
fn distinct(table: pg_sys::Oid, column: ColumnNumber) -> Option<f64> {
    let of = |inherited: bool| {
        // SAFETY: a look-up by keys in the catalogs; the tuple is released.
        unsafe {
            let tuple = pg_sys::SearchSysCache3(
                pg_sys::SysCacheIdentifier::STATRELATTINH as i32,
                pg_sys::Datum::from(table),
                pg_sys::Datum::from(column),
                pg_sys::Datum::from(inherited),
            );
            if tuple.is_null() {
                return None;
            }
            let found = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_statistic>()).stadistinct;
            pg_sys::ReleaseSysCache(tuple);
            Some(f64::from(found)).filter(|distinct| *distinct != 0.0)
        }
    };
    of(true).or_else(|| of(false))
}

/// Whether a NOT NULL was checked for every row.
#[cfg(not(feature = "pg18"))]
fn is_validated(_: pg_sys::TupleDesc, _: usize) -> bool {
    true
}

/// Whether a NOT NULL was checked for every row.
#[cfg(feature = "pg18")]
fn is_validated(descriptor: pg_sys::TupleDesc, number: usize) -> bool {
    // SAFETY: the descriptor is that of an open relation and has so many attributes.
    unsafe {
        let count = usize::try_from((*descriptor).natts).unwrap_or(0);
        (*descriptor)
            .compact_attrs
            .as_slice(count)
            .get(number - 1)
            .is_some_and(|attribute| attribute.attnullability as u8 == pg_sys::ATTNULLABLE_VALID)
    }
}

/// Adds what an index tells of its table.
fn add_index(oid: pg_sys::Oid, is_sound: bool, facts: &mut RelationFacts) {
    // SAFETY: the table is locked, so that its indexes stay; the index is closed below.
    unsafe {
        let index = pg_sys::index_open(oid, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let form = (*index).rd_index;
        let key_count = usize::try_from((*form).indnkeyatts).unwrap_or(0);
        let keys: Vec<ColumnNumber> = (*form).indkey.values.as_slice(key_count).to_vec();
        let is_partial = !pg_sys::RelationGetIndexPredicate(index).is_null();
        let is_btree = (*(*index).rd_rel).relam == pg_sys::BTREE_AM_OID;
        if (*form).indisvalid {
            facts.has_expression_index |= keys.contains(&0);
            if !is_partial {
                facts.indexed_columns.extend(indexed_columns(index, &keys));
            }
            if is_btree && !is_partial {
                facts.index_columns.push(keys.iter().copied().take_while(|&key| key != 0).collect());
            }
        }
        let proves = is_sound
            && (*form).indisvalid
            && (*form).indisunique
            && (*form).indimmediate
            && !is_partial
            && !keys.contains(&0)
            && has_default_equality(index, &keys);
        if proves {
            facts.unique_keys.push(UniqueKey {
                columns: keys,
                nulls_not_distinct: (*form).indnullsnotdistinct,
                is_primary: (*form).indisprimary,
            });
        }
        pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
    }
}

/// The columns among the keys of an index.
///
/// # Safety
/// The index must be open and have so many key columns.
unsafe fn indexed_columns(index: pg_sys::Relation, keys: &[ColumnNumber]) -> Vec<IndexedColumn> {
    // SAFETY: as the caller vouches; there is an operator family for each key column, and what a look-up does not find
    // is null.
    unsafe {
        let method = string(pg_sys::get_am_name((*(*index).rd_rel).relam));
        keys.iter()
            .enumerate()
            .filter(|&(_, &column)| column != 0)
            .map(|(position, &column)| IndexedColumn {
                column,
                method: method.clone(),
                operator_family: operator_family(*(*index).rd_opfamily.add(position)),
            })
            .collect()
    }
}

/// An operator family's name, not qualified; empty where it is gone.
fn operator_family(oid: pg_sys::Oid) -> String {
    // SAFETY: a look-up by OID in the catalogs; the tuple is released.
    unsafe {
        let tuple =
            pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::OPFAMILYOID as i32, pg_sys::Datum::from(oid));
        if tuple.is_null() {
            return String::new();
        }
        let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_opfamily>();
        let name = crate::pg::scan::text_of_name(&(*form).opfname).into_string();
        pg_sys::ReleaseSysCache(tuple);
        name
    }
}

/// Whether an extension is there, or could be.
pub fn extension(name: &CStr) -> Extension {
    let mut scan = CatalogScan::open(pg_sys::ExtensionRelationId.to_u32());
    let (own_name, schema) = (scan.attribute(c"extname"), scan.attribute(c"extnamespace"));
    let mut found = None;
    while let Some(row) = scan.next_row() {
        if row.name(own_name).as_bytes() == name.to_bytes() {
            found = Some(pg_sys::Oid::from(row.oid(schema)));
        }
    }
    drop(scan);
    // SAFETY: looks for a file of the server's, and a name in the catalogs.
    unsafe {
        Extension {
            schema: found.map(|schema| string(pg_sys::get_namespace_name(schema))),
            is_available: found.is_some() || pg_sys::extension_file_exists(name.as_ptr()),
        }
    }
}

/// Whether the index takes for equal what `=` on its columns takes for equal.
///
/// # Safety
/// The index must be open and have so many key columns.
unsafe fn has_default_equality(index: pg_sys::Relation, keys: &[ColumnNumber]) -> bool {
    // SAFETY: as the caller vouches; both arrays have an element for each key column.
    unsafe {
        let table = (*(*index).rd_index).indrelid;
        keys.iter().enumerate().all(|(position, &number)| {
            let (mut type_oid, mut modifier, mut collation) = (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
            pg_sys::get_atttypetypmodcoll(
                table,
                number,
                &raw mut type_oid,
                &raw mut modifier,
                &raw mut collation,
            );
            let entry = pg_sys::lookup_type_cache(type_oid, pg_sys::TYPECACHE_BTREE_OPFAMILY as i32);
            // Whether strings are the same depends on the collation only where one takes different ones for equal.
            let own = *(*index).rd_indcollation.add(position);
            let same_collation = own == collation || (is_deterministic(own) && is_deterministic(collation));
            !entry.is_null() && (*entry).btree_opf == *(*index).rd_opfamily.add(position) && same_collation
        })
    }
}

/// Whether the order, or the equality, of a clause is the default one of the type; and whether it goes downwards.
///
/// # Safety
/// `clause` must be of an analysed query, for an expression of that type.
pub unsafe fn sort_order(clause: *const pg_sys::SortGroupClause, type_oid: pg_sys::Oid) -> (bool, bool) {
    let wanted = pg_sys::TYPECACHE_EQ_OPR | pg_sys::TYPECACHE_LT_OPR | pg_sys::TYPECACHE_GT_OPR;
    // SAFETY: as the caller vouches.
    unsafe {
        let entry = pg_sys::lookup_type_cache(type_oid, wanted as i32);
        if entry.is_null() {
            return (false, false);
        }
        let (equality, order) = ((*clause).eqop, (*clause).sortop);
        let descending = order == (*entry).gt_opr && order != pg_sys::InvalidOid;
        let ordered = order == pg_sys::InvalidOid || order == (*entry).lt_opr || descending;
        (equality == (*entry).eq_opr && ordered, descending)
    }
}

/// The text that a literal's type prints.
///
/// # Safety
/// `constant` must be a literal of an analysed query that is not NULL.
pub unsafe fn constant_text(constant: *const pg_sys::Const) -> String {
    let (mut output, mut varies) = (pg_sys::InvalidOid, false);
    // SAFETY: as the caller vouches.
    unsafe {
        pg_sys::getTypeOutputInfo((*constant).consttype, &raw mut output, &raw mut varies);
        string(pg_sys::OidOutputFunctionCall(output, (*constant).constvalue))
    }
}

/// A type's name with its modifier.
pub fn type_name(type_oid: pg_sys::Oid, modifier: i32) -> String {
    if type_oid == pg_sys::InvalidOid {
        return String::new();
    }
    // SAFETY: a look-up by OID in the catalogs.
    unsafe { string(pg_sys::format_type_with_typemod(type_oid, modifier)) }
}

/// Whether a table has, or once had, children that a scan of it reads as well.
pub fn has_children(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up by OID in the catalogs.
    unsafe {
        let tuple =
            pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as i32, pg_sys::Datum::from(relation));
        if tuple.is_null() {
            return true;
        }
        let found = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>()).relhassubclass;
        pg_sys::ReleaseSysCache(tuple);
        found
    }
}
