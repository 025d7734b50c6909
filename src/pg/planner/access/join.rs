//! Conditions that compare a key of the relation with something of another.

use pgrx::pg_sys;

use super::{Place, clause, profile, support};
use crate::catalog::access::{Clause, ClauseKind, Key};
use crate::pg::planner::list::{self, tag};

/// The share of rows that one value of the other side finds where nothing is known (`DEFAULT_EQ_SEL` of selfuncs.h).
const UNKNOWN_SELECTIVITY: f64 = 0.005;

/// What the relation is joined by.
///
/// # Safety
/// As for [`super::note`].
pub unsafe fn joins(place: &Place) -> Vec<Clause> {
    let mut found: Vec<Clause> = Vec::new();
    // SAFETY: as the caller vouches.
    unsafe {
        for class in list::pointers::<pg_sys::EquivalenceClass>((*place.root).eq_classes) {
            if (*class).ec_has_const || (*class).ec_has_volatile {
                continue;
            }
            let members = list::pointers::<pg_sys::EquivalenceMember>((*class).ec_members);
            let is_own = |member: &*mut pg_sys::EquivalenceMember| {
                pg_sys::bms_equal((**member).em_relids, (*place.relation).relids)
            };
            let has_other = members.iter().any(|member| {
                !(**member).em_is_const
                    && !pg_sys::bms_overlap((**member).em_relids, (*place.relation).relids)
            });
            if !has_other {
                continue;
            }
            for &member in members.iter().filter(|member| is_own(member)) {
                let compared: *mut pg_sys::Node = (*member).em_expr.cast();
                let families = list::oids((*class).ec_opfamilies);
                let operator = families.iter().find_map(|&family| {
                    let datatype = (*member).em_datatype;
                    let operator = pg_sys::get_opfamily_member(family, datatype, datatype, 3);
                    (operator != pg_sys::InvalidOid).then_some(operator)
                });
                found.extend(
                    operator.and_then(|operator| join(place, compared, operator, (*class).ec_collation)),
                );
            }
        }
        for condition in list::pointers::<pg_sys::RestrictInfo>((*place.relation).joininfo) {
            found.extend(outer(place, (*condition).clause.cast()));
        }
    }
    let mut unique: Vec<Clause> = Vec::new();
    for join in found {
        if !unique.contains(&join) {
            unique.push(join);
        }
    }
    unique
}

/// A join condition that is in no equivalence class: that of an outer join, or one with another operator.
///
/// # Safety
/// As for [`joins`].
unsafe fn outer(place: &Place, condition: *mut pg_sys::Node) -> Option<Clause> {
    if tag(condition) != pg_sys::NodeTag::T_OpExpr {
        return None;
    }
    // SAFETY: its tag says what it is.
    unsafe {
        let expression = &*condition.cast::<pg_sys::OpExpr>();
        let [left, right] = list::pointers::<pg_sys::Node>(expression.args)[..] else { return None };
        let sides = [(left, right, expression.opno), (right, left, pg_sys::get_commutator(expression.opno))];
        sides.into_iter().find_map(|(compared, other, operator)| {
            let is_apart = !super::text::variables(other).is_empty()
                && !pg_sys::bms_overlap(pg_sys::pull_varnos(place.root, other), (*place.relation).relids);
            if !is_apart || operator == pg_sys::InvalidOid {
                return None;
            }
            join(place, compared, operator, expression.inputcollid)
        })
    }
}

/// # Safety
/// As for [`joins`].
unsafe fn join(
    place: &Place,
    compared: *mut pg_sys::Node,
    operator: pg_sys::Oid,
    collation: pg_sys::Oid,
) -> Option<Clause> {
    let key = clause::key(place, compared)?;
    let supports = support::of(operator, clause::without_relabelling(compared), collation);
    if supports.is_empty() {
        return None;
    }
    let distinct = match &key {
        // SAFETY: as the caller vouches.
        Key::Column(number) => unsafe { profile::column(place, *number) }.distinct,
        Key::Expression(_) => None,
    };
    let kind = support::kind(operator);
    let selectivity = match kind {
        ClauseKind::Equality => distinct.map_or(UNKNOWN_SELECTIVITY, |distinct| 1.0 / distinct.max(1.0)),
        // `DEFAULT_INEQ_SEL` of selfuncs.h.
        _ => 0.3333,
    };
    Some(Clause { key: Some(key), kind, selectivity, text: String::new(), is_fixed: false, supports })
}
