//! Orders in which the query wants the rows of a relation.

use pgrx::pg_sys;

use super::{Place, clause};
use crate::catalog::access::OrderKey;
use crate::pg::planner::list;

/// Each leading part, of this relation alone, of an order that some step of the query wants.
///
/// # Safety
/// As for [`super::note`].
pub unsafe fn orders(place: &Place) -> Vec<Vec<OrderKey>> {
    // SAFETY: as the caller vouches.
    let wanted = unsafe {
        let root = &*place.root;
        [
            root.query_pathkeys,
            root.group_pathkeys,
            root.window_pathkeys,
            root.distinct_pathkeys,
            root.sort_pathkeys,
        ]
    };
    let mut found: Vec<Vec<OrderKey>> = Vec::new();
    for pathkeys in wanted {
        let keys: Vec<OrderKey> = list::pointers::<pg_sys::PathKey>(pathkeys)
            .into_iter()
            // SAFETY: as the caller vouches.
            .map_while(|pathkey| unsafe { order_key(place, pathkey) })
            .collect();
        if !keys.is_empty() && !found.contains(&keys) {
            found.push(keys);
        }
    }
    found
}

/// # Safety
/// As for [`orders`].
unsafe fn order_key(place: &Place, pathkey: *const pg_sys::PathKey) -> Option<OrderKey> {
    // SAFETY: as the caller vouches; classes that were merged point to the one that holds their members.
    unsafe {
        let mut class = (*pathkey).pk_eclass;
        while !(*class).ec_merged.is_null() {
            class = (*class).ec_merged;
        }
        let members = list::pointers::<pg_sys::EquivalenceMember>((*class).ec_members);
        let key = members
            .into_iter()
            .filter(|&member| pg_sys::bms_equal((*member).em_relids, (*place.relation).relids))
            .find_map(|member| clause::key(place, (*member).em_expr.cast()))?;
        Some(OrderKey { key, descending: is_descending(&*pathkey), nulls_first: (*pathkey).pk_nulls_first })
    }
}

#[cfg(not(feature = "pg18"))]
fn is_descending(pathkey: &pg_sys::PathKey) -> bool {
    pathkey.pk_strategy == pg_sys::BTGreaterStrategyNumber as i32
}

#[cfg(feature = "pg18")]
fn is_descending(pathkey: &pg_sys::PathKey) -> bool {
    pathkey.pk_cmptype == pg_sys::CompareType::COMPARE_GT
}
