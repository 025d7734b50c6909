//! What statistics say of a table, seen as the planner sees it.

use pgrx::pg_sys;

use super::list::{self, new_node};
use super::server::{MultivariateDistinct, MultivariateDistinctItem, statext_ndistinct_load};
use super::width::mean_width;

/// `STATS_EXT_NDISTINCT` of pg_statistic_ext.h.
const DISTINCT_COUNTS: u8 = b'd';

/// A relation before a planner that plans nothing.
pub struct Measure {
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    oid: pg_sys::Oid,
}

/// What pg_statistic says of a column.
#[derive(Clone, Copy)]
pub struct ColumnFacts {
    pub null_fraction: f64,
    pub width: f64,
    /// Different values, as pg_statistic writes it: negative for a share of the rows; 0 for unknown.
    pub distinct: f64,
}

impl Measure {
    /// The relation must be locked. Builds what plan_cluster_use_sort() builds.
    pub fn of(oid: pg_sys::Oid) -> Self {
        // SAFETY: nodes of this memory context, filled as the planner expects for a query of one table.
        unsafe {
            let query: *mut pg_sys::Query = new_node(pg_sys::NodeTag::T_Query);
            (*query).commandType = pg_sys::CmdType::CMD_SELECT;
            let entry: *mut pg_sys::RangeTblEntry = new_node(pg_sys::NodeTag::T_RangeTblEntry);
            (*entry).rtekind = pg_sys::RTEKind::RTE_RELATION;
            (*entry).relid = oid;
            (*entry).relkind = pg_sys::RELKIND_RELATION as _;
            (*entry).rellockmode = pg_sys::AccessShareLock as _;
            (*entry).inFromCl = true;
            (*query).rtable = list::list_of(&[entry]);
            #[cfg(not(feature = "pg15"))]
            {
                let permission = pg_sys::addRTEPermissionInfo(&raw mut (*query).rteperminfos, entry);
                (*permission).requiredPerms = pg_sys::ACL_SELECT as _;
            }
            let root: *mut pg_sys::PlannerInfo = new_node(pg_sys::NodeTag::T_PlannerInfo);
            (*root).parse = query;
            (*root).glob = new_node(pg_sys::NodeTag::T_PlannerGlobal);
            (*root).query_level = 1;
            (*root).planner_cxt = pg_sys::CurrentMemoryContext;
            (*root).wt_param_id = -1;
            pg_sys::setup_simple_rel_arrays(root);
            let relation = pg_sys::build_simple_rel(root, 1, std::ptr::null_mut());
            Self { root, relation, oid }
        }
    }

    /// Rows, as the planner estimates them.
    pub fn tuples(&self) -> f64 {
        // SAFETY: built above.
        unsafe { (*self.relation).tuples }
    }

    /// Pages.
    pub fn pages(&self) -> f64 {
        // SAFETY: built above.
        f64::from(unsafe { (*self.relation).pages })
    }

    /// The share of rows that meet all conditions, whose variable number 1 is the relation.
    pub fn selectivity(&self, conditions: *mut pg_sys::List) -> f64 {
        if conditions.is_null() {
            return 1.0;
        }
        // SAFETY: the planner may scribble on what it estimates, so it gets a copy.
        unsafe {
            pg_sys::clauselist_selectivity(
                self.root,
                list::copy(conditions),
                0,
                pg_sys::JoinType::JOIN_INNER,
                std::ptr::null_mut(),
            )
        }
    }

    /// What pg_statistic says of a column; `None` where it was never analysed.
    pub fn column(&self, attribute: pg_sys::AttrNumber) -> Option<ColumnFacts> {
        // SAFETY: the row is pinned while its fields are copied out.
        unsafe {
            let row = pg_sys::SearchSysCache3(
                pg_sys::SysCacheIdentifier::STATRELATTINH as i32,
                pg_sys::Datum::from(self.oid),
                pg_sys::Datum::from(attribute),
                pg_sys::Datum::from(false),
            );
            if row.is_null() {
                return None;
            }
            let facts = facts(row);
            pg_sys::ReleaseSysCache(row);
            Some(facts)
        }
    }

    /// Different combinations of these columns, where a statistics object counts exactly them.
    pub fn combinations(&self, attributes: &[pg_sys::AttrNumber]) -> Option<f64> {
        // SAFETY: what get_relation_info() found; an object that is gone since is an ERROR.
        unsafe {
            for object in list::pointers::<pg_sys::StatisticExtInfo>((*self.relation).statlist) {
                let holds_all = (*object).kind as u8 == DISTINCT_COUNTS
                    && !(*object).inherit
                    && attributes
                        .iter()
                        .all(|&attribute| pg_sys::bms_is_member(i32::from(attribute), (*object).keys));
                if holds_all {
                    let counts = statext_ndistinct_load((*object).statOid, false);
                    if let Some(distinct) = item(counts, attributes) {
                        return Some(distinct);
                    }
                }
            }
        }
        None
    }
}

/// # Safety
/// `row` must be a row of pg_statistic.
pub unsafe fn facts(row: pg_sys::HeapTuple) -> ColumnFacts {
    // SAFETY: as the caller vouches; these fields come before the first that may be NULL.
    unsafe {
        let form = &*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_statistic>();
        ColumnFacts {
            null_fraction: f64::from(form.stanullfrac),
            width: mean_width(row),
            distinct: f64::from(form.stadistinct),
        }
    }
}

/// # Safety
/// `counts` must come from `statext_ndistinct_load`.
unsafe fn item(counts: *const MultivariateDistinct, attributes: &[pg_sys::AttrNumber]) -> Option<f64> {
    // SAFETY: the items follow their header, aligned as a double.
    unsafe {
        let first = counts.byte_add(size_of::<MultivariateDistinct>().next_multiple_of(8));
        let items = std::slice::from_raw_parts(
            first.cast::<MultivariateDistinctItem>(),
            usize::try_from((*counts).count).ok()?,
        );
        items
            .iter()
            .find(|item| {
                let count = usize::try_from(item.attribute_count).unwrap_or(0);
                let own = std::slice::from_raw_parts(item.attributes, count);
                count == attributes.len() && attributes.iter().all(|attribute| own.contains(attribute))
            })
            .map(|item| item.distinct)
    }
}
