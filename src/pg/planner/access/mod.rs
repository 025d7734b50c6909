//! What a query asks of each table, noted while the server plans it.
//!
//! The planner has by then expanded views, pulled subqueries up, pushed conditions down to the tables that they are
//! about and found out which columns are equal; nobody knows better what an index could be asked.

mod clause;
mod existing;
mod join;
mod order;
mod profile;
mod support;
mod text;

use std::ffi::CStr;

use pgrx::pg_sys;

use super::analysis::Analysis;
use super::list;
use super::names::qualified_name;
use super::{Configuration, Planned, hook};
use crate::catalog::access::{Access, Clause};
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::scan::text_of;
pub(super) use profile::profile_of;
pub(super) use support::class_named;
pub(super) use text::about_table as text_about;

pub use existing::{Existing, ExistingKey, existing_indexes};

/// One relation of a query that is being planned.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub root: *mut pg_sys::PlannerInfo,
    pub relation: *mut pg_sys::RelOptInfo,
    pub oid: pg_sys::Oid,
    /// Its number in the range table.
    pub variable: i32,
    /// Whether it stands for a partition tree.
    pub is_partitioned: bool,
    /// Rows of the table.
    pub tuples: f64,
}

/// Plans the query with the indexes that there are, and tells what it asks of which table.
pub fn accesses(query: &Analysis) -> (Planned, Vec<Access>) {
    let mut found = Vec::new();
    let planned = hook::noting(&mut found, || super::plan(query, &Configuration::default()));
    (planned, found)
}

/// Notes what the query asks of a relation, if an index could be made for it.
///
/// # Safety
/// To be called from `set_rel_pathlist_hook` with its arguments.
pub(super) unsafe fn note(
    found: &mut Vec<Access>,
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    entry: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: as the caller vouches; the relation is locked, so that look-ups find it.
    unsafe {
        let Some(place) = place(root, relation, entry) else { return };
        with_pinned_search_path(|| {
            let alias = text_of(CStr::from_ptr((*(*entry).eref).aliasname).to_bytes());
            let plain = Access {
                relation: place.oid.to_u32(),
                name: qualified_name(place.oid),
                alias: alias.into(),
                rows: place.tuples,
                pages: pages(&place),
                rows_after: (*relation).rows,
                columns: profile::columns(&place),
                reads_whole_row: profile::reads_whole_row(&place),
                clauses: Vec::new(),
                joins: join::joins(&place),
                orders: order::orders(&place),
            };
            for (clauses, share) in alternatives(&place) {
                let rows_after = if share < 1.0 { place.tuples * share } else { plain.rows_after };
                let access = Access { clauses, rows_after, ..plain.clone() };
                if !found.contains(&access) {
                    found.push(access);
                }
            }
        });
    }
}

/// # Safety
/// As for [`note`].
unsafe fn place(
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    entry: *mut pg_sys::RangeTblEntry,
) -> Option<Place> {
    // SAFETY: as the caller vouches.
    unsafe {
        if (*entry).rtekind != pg_sys::RTEKind::RTE_RELATION
            || (*entry).relid.to_u32() < pg_sys::FirstNormalObjectId
        {
            return None;
        }
        let kind = (*entry).relkind as u8;
        let is_partitioned = kind == pg_sys::RELKIND_PARTITIONED_TABLE;
        let takes_index =
            is_partitioned || matches!(kind, pg_sys::RELKIND_RELATION | pg_sys::RELKIND_MATVIEW);
        // The parent of an inheritance tree comes once more, as the child that it is also; an index holds one
        // table's rows.
        let is_inherited = (*entry).inh && !is_partitioned;
        if !takes_index || is_inherited || is_partition(root, relation) {
            return None;
        }
        let variable = i32::try_from((*relation).relid).ok()?;
        let mut place = Place {
            root,
            relation,
            oid: (*entry).relid,
            variable,
            is_partitioned,
            tuples: (*relation).tuples,
        };
        if is_partitioned {
            place.tuples = members(&place).iter().map(|&member| (*member).tuples).sum();
        }
        Some(place)
    }
}

/// Whether the relation is in the query only as a partition of another.
///
/// # Safety
/// As for [`note`].
unsafe fn is_partition(root: *const pg_sys::PlannerInfo, relation: *const pg_sys::RelOptInfo) -> bool {
    // SAFETY: the array is as long as the range table; what UNION ALL brings has no parent relation.
    unsafe {
        if (*root).append_rel_array.is_null() {
            return false;
        }
        let info = *(*root).append_rel_array.add((*relation).relid as usize);
        if info.is_null() || (*info).parent_reloid == pg_sys::InvalidOid {
            return false;
        }
        pg_sys::get_rel_relkind((*info).parent_reloid) as u8 == pg_sys::RELKIND_PARTITIONED_TABLE
    }
}

/// The partitions that the query reads, those of partitions included.
///
/// # Safety
/// As for [`note`].
unsafe fn members(place: &Place) -> Vec<*mut pg_sys::RelOptInfo> {
    let mut parents = vec![u32::try_from(place.variable).unwrap_or(0)];
    let mut found = Vec::new();
    // SAFETY: as the caller vouches; a child without an entry was pruned.
    unsafe {
        let infos = list::pointers::<pg_sys::AppendRelInfo>((*place.root).append_rel_list);
        while let Some(parent) = parents.pop() {
            for &info in infos.iter().filter(|&&info| (*info).parent_relid == parent) {
                let child = *(*place.root).simple_rel_array.add((*info).child_relid as usize);
                if child.is_null() {
                    continue;
                }
                parents.push((*info).child_relid);
                let entry = *(*place.root).simple_rte_array.add((*info).child_relid as usize);
                if (*entry).relkind as u8 != pg_sys::RELKIND_PARTITIONED_TABLE {
                    found.push(child);
                }
            }
        }
    }
    found
}

/// # Safety
/// As for [`note`].
unsafe fn pages(place: &Place) -> f64 {
    // SAFETY: as the caller vouches.
    unsafe {
        if place.is_partitioned {
            members(place).iter().map(|&member| f64::from((*member).pages)).sum()
        } else {
            f64::from((*place.relation).pages)
        }
    }
}

/// The conditions on the relation, and, for each arm of an OR among them, the same with the arm in its place: an index
/// may serve each arm of its own. With the share of rows that the arm and the conditions beside it leave.
///
/// # Safety
/// As for [`note`].
unsafe fn alternatives(place: &Place) -> Vec<(Vec<Clause>, f64)> {
    // SAFETY: as the caller vouches.
    unsafe {
        let conditions = list::pointers::<pg_sys::RestrictInfo>((*place.relation).baserestrictinfo);
        let mut simple = Vec::new();
        let mut arms = Vec::new();
        for condition in conditions {
            match clause::arms((*condition).clause.cast()) {
                Some(of_this) => {
                    arms.extend(of_this);
                    simple.push(clause::opaque(place, condition));
                }
                None => simple.push(clause::clause(
                    place,
                    (*condition).clause.cast(),
                    clause::selectivity(place, condition.cast()),
                )),
            }
        }
        let beside: Vec<Clause> = simple.iter().filter(|clause| clause.key.is_some()).cloned().collect();
        let mut all = vec![(simple, 1.0)];
        for arm in arms {
            let mut clauses = beside.clone();
            for conjunct in clause::conjuncts(arm) {
                clauses.push(clause::clause(place, conjunct, clause::selectivity(place, conjunct)));
            }
            let share = clauses.iter().map(|clause| clause.selectivity).product();
            all.push((clauses, share));
        }
        all
    }
}
