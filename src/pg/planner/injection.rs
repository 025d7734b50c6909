//! What the planner knows of a relation, with other indexes.

use std::ptr;

use pgrx::pg_sys;

use super::Configuration;
use super::instance::Instance;
use super::list::{self, new_array, new_node};
use crate::catalog::hypothetical::Method;

/// Takes hidden indexes out of a relation's list and puts made-up ones before the rest, as the newest stand.
///
/// # Safety
/// To be called from `get_relation_info_hook` with its arguments.
pub unsafe fn change(
    configuration: &Configuration,
    relation: pg_sys::Oid,
    is_parent: bool,
    info: *mut pg_sys::RelOptInfo,
) {
    // SAFETY: as the caller vouches; the relation is open and locked.
    unsafe {
        if !configuration.hidden.is_empty() {
            let indexes = list::pointers::<pg_sys::IndexOptInfo>((*info).indexlist);
            let shown: Vec<_> = indexes
                .into_iter()
                .filter(|&index| !configuration.hidden.contains(&(*index).indexoid))
                .collect();
            (*info).indexlist = list::list_of(&shown);
        }
        // The parent of an inheritance tree is planned a second time as one of its own children.
        if is_parent {
            return;
        }
        for instance in configuration.instances.iter().filter(|instance| instance.relation == relation) {
            let index = index_info(instance, info);
            (*info).indexlist = pg_sys::lcons(index.cast(), (*info).indexlist);
        }
    }
}

/// As get_relation_info() fills it for a real index.
///
/// # Safety
/// As for [`change`].
unsafe fn index_info(instance: &Instance, relation: *mut pg_sys::RelOptInfo) -> *mut pg_sys::IndexOptInfo {
    // SAFETY: as the caller vouches; arrays are as long as the counts beside them.
    unsafe {
        let columns = instance.columns.len();
        let keys = instance.key_count;
        let index: *mut pg_sys::IndexOptInfo = new_node(pg_sys::NodeTag::T_IndexOptInfo);
        (*index).indexoid = instance.oid;
        (*index).reltablespace = instance.tablespace;
        (*index).rel = relation;
        (*index).pages = instance.size.pages;
        (*index).tuples = instance.tuples.min((*relation).tuples);
        (*index).tree_height = instance.size.tree_height;
        (*index).ncolumns = i32::try_from(columns).unwrap_or(0);
        (*index).nkeycolumns = i32::try_from(keys).unwrap_or(0);
        (*index).indexkeys = new_array(columns);
        (*index).canreturn = new_array(columns);
        (*index).indexcollations = new_array(keys);
        (*index).opfamily = new_array(keys);
        (*index).opcintype = new_array(keys);
        // Some access methods look into it without asking whether it is there.
        (*index).opclassoptions = new_array(columns);
        for (number, column) in instance.columns.iter().enumerate() {
            *(*index).indexkeys.add(number) = i32::from(column.attribute);
            *(*index).canreturn.add(number) = column.can_return;
            if number < keys {
                *(*index).indexcollations.add(number) = column.collation;
                *(*index).opfamily.add(number) = column.operator_family;
                *(*index).opcintype.add(number) = column.input_type;
            }
        }
        set_order(instance, index);
        set_abilities(instance, index);
        // The planner scribbles on what it gets.
        (*index).indexprs = list::copy(instance.expressions);
        (*index).indpred = list::copy(instance.predicate);
        let variable = i32::try_from((*relation).relid).unwrap_or(0);
        if variable != 1 {
            pg_sys::ChangeVarNodes((*index).indexprs.cast(), 1, variable, 0);
            pg_sys::ChangeVarNodes((*index).indpred.cast(), 1, variable, 0);
        }
        (*index).indextlist = target_list(instance, index, variable);
        (*index).unique = instance.unique;
        (*index).immediate = true;
        (*index).hypothetical = true;
        index
    }
}

/// # Safety
/// As for [`change`].
unsafe fn set_order(instance: &Instance, index: *mut pg_sys::IndexOptInfo) {
    if instance.method != Method::Btree {
        return;
    }
    // SAFETY: arrays as long as the keys.
    unsafe {
        (*index).sortopfamily = (*index).opfamily;
        (*index).reverse_sort = new_array(instance.key_count);
        (*index).nulls_first = new_array(instance.key_count);
        for (number, column) in instance.columns.iter().take(instance.key_count).enumerate() {
            *(*index).reverse_sort.add(number) = column.descending;
            *(*index).nulls_first.add(number) = column.nulls_first;
        }
    }
}

/// What the access method can do, and whether the table's can follow a bitmap.
///
/// # Safety
/// As for [`change`].
unsafe fn set_abilities(instance: &Instance, index: *mut pg_sys::IndexOptInfo) {
    // SAFETY: as the caller vouches; the relation is locked by the planner.
    unsafe {
        let routine = pg_sys::GetIndexAmRoutineByAmId(instance.method_oid, false);
        (*index).relam = instance.method_oid;
        (*index).amcanorderbyop = (*routine).amcanorderbyop;
        (*index).amoptionalkey = (*routine).amoptionalkey;
        (*index).amsearcharray = (*routine).amsearcharray;
        (*index).amsearchnulls = (*routine).amsearchnulls;
        (*index).amcanparallel = (*routine).amcanparallel;
        (*index).amhasgettuple = (*routine).amgettuple.is_some();
        (*index).amhasgetbitmap = (*routine).amgetbitmap.is_some() && table_follows_bitmap(instance.relation);
        (*index).amcanmarkpos = (*routine).ammarkpos.is_some() && (*routine).amrestrpos.is_some();
        #[cfg(feature = "pg15")]
        {
            // The field's type there is that of a function of no known arguments.
            (*index).amcostestimate = std::mem::transmute::<
                pg_sys::amcostestimate_function,
                Option<unsafe extern "C-unwind" fn()>,
            >((*routine).amcostestimate);
        }
        #[cfg(not(feature = "pg15"))]
        {
            (*index).amcostestimate = (*routine).amcostestimate;
        }
    }
}

/// # Safety
/// The relation must be locked.
unsafe fn table_follows_bitmap(relation: pg_sys::Oid) -> bool {
    // SAFETY: as the caller vouches.
    unsafe {
        let table = pg_sys::table_open(relation, pg_sys::NoLock as _);
        let methods = (*table).rd_tableam;
        #[cfg(feature = "pg18")]
        let follows = !methods.is_null() && (*methods).scan_bitmap_next_tuple.is_some();
        #[cfg(not(feature = "pg18"))]
        let follows = !methods.is_null() && (*methods).scan_bitmap_next_block.is_some();
        pg_sys::table_close(table, pg_sys::NoLock as _);
        follows
    }
}

/// As build_index_tlist() does.
///
/// # Safety
/// As for [`change`].
unsafe fn target_list(
    instance: &Instance,
    index: *mut pg_sys::IndexOptInfo,
    variable: i32,
) -> *mut pg_sys::List {
    // SAFETY: as the caller vouches; expressions stand in the order of their columns.
    unsafe {
        let mut expressions = list::pointers::<pg_sys::Expr>((*index).indexprs).into_iter();
        let mut targets = ptr::null_mut();
        for (number, column) in instance.columns.iter().enumerate() {
            let expression: *mut pg_sys::Expr = if column.attribute == 0 {
                expressions.next().unwrap_or(ptr::null_mut())
            } else {
                let (mut type_oid, mut modifier, mut collation) =
                    (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
                pg_sys::get_atttypetypmodcoll(
                    instance.relation,
                    column.attribute,
                    &raw mut type_oid,
                    &raw mut modifier,
                    &raw mut collation,
                );
                pg_sys::makeVar(variable, column.attribute, type_oid, modifier, collation, 0).cast()
            };
            let place = pg_sys::AttrNumber::try_from(number + 1).unwrap_or(0);
            let target = pg_sys::makeTargetEntry(expression, place, ptr::null_mut(), false);
            targets = pg_sys::lappend(targets, target.cast());
        }
        targets
    }
}
