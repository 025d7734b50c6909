//! Where the planner asks us: only in our own planning is there an answer; in any other the hooks do nothing.
//!
//! Our own is told by the parameter list that it was given, whose address the planner keeps for all levels of a query.
//! A query that a function runs while ours is planned has another one, and so has whatever is cached.

use std::cell::Cell;
use std::ffi::c_char;
use std::ptr;
use std::rc::Rc;

use pgrx::{pg_guard, pg_sys};

use super::instance::Instance;
use super::{Configuration, access, injection};
use crate::catalog::access::Access;

/// One planning, or one EXPLAIN of its result.
#[derive(Clone, Copy)]
struct Current {
    parameters: pg_sys::ParamListInfo,
    configuration: *const Configuration,
}

thread_local! {
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
    static FOUND: Cell<*mut Vec<Access>> = const { Cell::new(ptr::null_mut()) };
    static NEXT_RELATION: Cell<pg_sys::get_relation_info_hook_type> = const { Cell::new(None) };
    static NEXT_PATHS: Cell<pg_sys::set_rel_pathlist_hook_type> = const { Cell::new(None) };
    static NEXT_NAME: Cell<pg_sys::explain_get_index_name_hook_type> = const { Cell::new(None) };
    static NEXT_STATISTICS: Cell<pg_sys::get_index_stats_hook_type> = const { Cell::new(None) };
}

/// Puts our hooks before those of others. Called once, when the library is loaded.
pub fn install() {
    // SAFETY: the server reads these pointers from this one thread.
    unsafe {
        NEXT_RELATION.set(pg_sys::get_relation_info_hook);
        pg_sys::get_relation_info_hook = Some(relation_info);
        NEXT_PATHS.set(pg_sys::set_rel_pathlist_hook);
        pg_sys::set_rel_pathlist_hook = Some(relation_paths);
        NEXT_NAME.set(pg_sys::explain_get_index_name_hook);
        pg_sys::explain_get_index_name_hook = Some(index_name);
        NEXT_STATISTICS.set(pg_sys::get_index_stats_hook);
        pg_sys::get_index_stats_hook = Some(index_statistics);
    }
}

/// Restores what was current before; also when an ERROR unwinds.
struct Restore(Option<Current>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Runs `work` while the planner sees the configuration in plannings that were given these parameters.
pub fn with_configuration<T>(
    configuration: &Configuration,
    parameters: pg_sys::ParamListInfo,
    work: impl FnOnce() -> T,
) -> T {
    let _restore = Restore(CURRENT.replace(Some(Current { parameters, configuration })));
    work()
}

/// Stops noting what was noted for; also when an ERROR unwinds.
struct StopNoting(*mut Vec<Access>);

impl Drop for StopNoting {
    fn drop(&mut self) {
        FOUND.set(self.0);
    }
}

/// Runs `work`, a planning of ours, and notes in `found` what the query asks of each table.
pub fn noting<T>(found: &mut Vec<Access>, work: impl FnOnce() -> T) -> T {
    let _stop = StopNoting(FOUND.replace(found));
    work()
}

/// The configuration, if `root` belongs to our planning.
///
/// # Safety
/// `root` must be a planner's.
unsafe fn ours(root: *const pg_sys::PlannerInfo) -> Option<*const Configuration> {
    let current = CURRENT.get()?;
    // SAFETY: as the caller vouches.
    unsafe {
        let glob = (*root).glob;
        (!glob.is_null() && (*glob).boundParams == current.parameters).then_some(current.configuration)
    }
}

// Not guarded: this frame owns nothing with a destructor, so a longjmp may cross it and others' ERRORs stay whole.
unsafe extern "C-unwind" fn relation_info(
    root: *mut pg_sys::PlannerInfo,
    relation: pg_sys::Oid,
    is_parent: bool,
    info: *mut pg_sys::RelOptInfo,
) {
    // SAFETY: the planner's own arguments, handed on; the configuration outlives the planning.
    unsafe {
        if let Some(next) = NEXT_RELATION.get() {
            next(root, relation, is_parent, info);
        }
        if let Some(configuration) = ours(root) {
            change(configuration, relation, is_parent, info);
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn change(
    configuration: *const Configuration,
    relation: pg_sys::Oid,
    is_parent: bool,
    info: *mut pg_sys::RelOptInfo,
) {
    // SAFETY: as the hook's caller vouches.
    unsafe { injection::change(&*configuration, relation, is_parent, info) };
}

// Not guarded, as above.
unsafe extern "C-unwind" fn relation_paths(
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    variable: pg_sys::Index,
    entry: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: the planner's own arguments, handed on; what is found outlives the planning.
    unsafe {
        if let Some(next) = NEXT_PATHS.get() {
            next(root, relation, variable, entry);
        }
        let found = FOUND.get();
        if !found.is_null() && ours(root).is_some() {
            note(found, root, relation, entry);
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn note(
    found: *mut Vec<Access>,
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    entry: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: as the hook's caller vouches.
    unsafe { access::note(&mut *found, root, relation, entry) };
}

// Not guarded, as above.
unsafe extern "C-unwind" fn index_name(index: pg_sys::Oid) -> *const c_char {
    if let Some(current) = CURRENT.get() {
        // SAFETY: the configuration outlives the EXPLAIN, and so do the names in it.
        let instances = unsafe { &(*current.configuration).instances };
        if let Some(instance) = instances.iter().find(|instance| instance.oid == index) {
            return instance.name.as_ptr();
        }
    }
    match NEXT_NAME.get() {
        // SAFETY: the server's own argument, handed on.
        Some(next) => unsafe { next(index) },
        None => ptr::null(),
    }
}

/// Rows are freed with the memory context in which they were made.
unsafe extern "C-unwind" fn keep(_: pg_sys::HeapTuple) {}

// Not guarded, as above.
unsafe extern "C-unwind" fn index_statistics(
    root: *mut pg_sys::PlannerInfo,
    index: pg_sys::Oid,
    column: pg_sys::AttrNumber,
    data: *mut pg_sys::VariableStatData,
) -> bool {
    // SAFETY: the planner's own arguments; the configuration and its rows outlive the planning.
    unsafe {
        if let Some(configuration) = ours(root) {
            let number = usize::try_from(column - 1).unwrap_or(usize::MAX);
            // For selectivity, where it says which expression it is about, the planner does not take the statistics of a
            // partial index, which are about a part of the rows; for correlation it does.
            let is_selectivity = !(*data).var.is_null();
            let is_asked = |instance: &&Rc<Instance>| {
                instance.oid == index && (instance.predicate.is_null() || !is_selectivity)
            };
            let instance = (*configuration).instances.iter().find(is_asked);
            let row = instance.and_then(|instance| instance.statistics.get(number).copied());
            if let Some(row) = row.filter(|row| !row.is_null()) {
                (*data).statsTuple = row;
                (*data).freefunc = Some(keep);
                // The caller's own rights read the rows that it was made from.
                (*data).acl_ok = true;
                return true;
            }
        }
        NEXT_STATISTICS.get().is_some_and(|next| next(root, index, column, data))
    }
}
