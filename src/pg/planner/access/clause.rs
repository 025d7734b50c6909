//! One condition: what it compares, how, and which access methods can search by it.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::super::trust;
use super::{Place, support, text};
use crate::catalog::access::{Clause, ClauseKind, Key, Support};
use crate::catalog::hypothetical::Method;
use crate::pg::planner::list::{self, tag};
use crate::pg::scan::text_of;

/// `~~` on text and on char(n), and `^@`: operators by which an index that compares bytes can search for a prefix.
const TEXT_LIKE: u32 = 1209;
const CHARACTER_LIKE: u32 = 1211;
const STARTS_WITH: u32 = 3877;

/// What a condition is about, before its text and selectivity are added.
struct Shape {
    key: Option<Key>,
    kind: ClauseKind,
    supports: Vec<Support>,
}

const OPAQUE: Shape = Shape { key: None, kind: ClauseKind::Other, supports: Vec::new() };

/// The share of rows that meet a condition.
///
/// # Safety
/// As for [`super::note`]; the condition must be one of this planning.
pub unsafe fn selectivity(place: &Place, condition: *mut pg_sys::Node) -> f64 {
    // SAFETY: as the caller vouches.
    unsafe {
        pg_sys::clause_selectivity(
            place.root,
            condition,
            0,
            pg_sys::JoinType::JOIN_INNER,
            std::ptr::null_mut(),
        )
    }
}

/// The arms of an OR; `None` for any other condition.
///
/// # Safety
/// `condition` must be a condition of the planner.
pub unsafe fn arms(condition: *mut pg_sys::Node) -> Option<Vec<*mut pg_sys::Node>> {
    // SAFETY: its tag says what it is.
    unsafe { operands(condition, pg_sys::BoolExprType::OR_EXPR) }
}

/// The conditions that an AND joins; a condition that is none stands for itself.
///
/// # Safety
/// As for [`arms`].
pub unsafe fn conjuncts(condition: *mut pg_sys::Node) -> Vec<*mut pg_sys::Node> {
    // SAFETY: as the caller vouches.
    unsafe { operands(condition, pg_sys::BoolExprType::AND_EXPR) }.unwrap_or_else(|| vec![condition])
}

/// # Safety
/// As for [`arms`].
unsafe fn operands(
    condition: *mut pg_sys::Node,
    operation: pg_sys::BoolExprType::Type,
) -> Option<Vec<*mut pg_sys::Node>> {
    // SAFETY: its tag says what it is.
    unsafe {
        let expression = condition.cast::<pg_sys::BoolExpr>();
        (tag(condition) == pg_sys::NodeTag::T_BoolExpr && (*expression).boolop == operation)
            .then(|| list::pointers((*expression).args))
    }
}

/// A condition by which no index can search as a whole.
///
/// # Safety
/// As for [`selectivity`].
pub unsafe fn opaque(place: &Place, condition: *mut pg_sys::RestrictInfo) -> Clause {
    // SAFETY: as the caller vouches.
    unsafe { finish(place, (*condition).clause.cast(), selectivity(place, condition.cast()), OPAQUE) }
}

/// Understands a condition on the relation alone.
///
/// # Safety
/// As for [`selectivity`].
pub unsafe fn clause(place: &Place, condition: *mut pg_sys::Node, selectivity: f64) -> Clause {
    // SAFETY: as the caller vouches.
    unsafe { finish(place, condition, selectivity, shape(place, condition)) }
}

/// # Safety
/// As for [`selectivity`].
unsafe fn finish(place: &Place, condition: *mut pg_sys::Node, selectivity: f64, shape: Shape) -> Clause {
    let text = text::of(place, condition).unwrap_or_default();
    // A parameter is printed with a dollar sign; a constant with one is lost for predicates, which harms nobody.
    // SAFETY: a condition of the planner.
    let is_fixed = !text.is_empty()
        && !text.contains('$')
        && !unsafe { pg_sys::contain_mutable_functions(condition) }
        && !trust::is_unfit_for_index_of(place.oid, condition);
    Clause { key: shape.key, kind: shape.kind, selectivity, text, is_fixed, supports: shape.supports }
}

/// # Safety
/// As for [`selectivity`].
unsafe fn shape(place: &Place, condition: *mut pg_sys::Node) -> Shape {
    use pg_sys::NodeTag as Tag;
    // SAFETY: the tag says what the node is.
    unsafe {
        match tag(condition) {
            Tag::T_OpExpr => operator(place, &*condition.cast::<pg_sys::OpExpr>()),
            Tag::T_ScalarArrayOpExpr => any_of(place, &*condition.cast::<pg_sys::ScalarArrayOpExpr>()),
            Tag::T_NullTest => null_test(place, &*condition.cast::<pg_sys::NullTest>()),
            Tag::T_RowCompareExpr => row_comparison(place, &*condition.cast::<pg_sys::RowCompareExpr>()),
            Tag::T_Var => boolean(place, condition),
            Tag::T_BooleanTest => boolean(place, (*condition.cast::<pg_sys::BooleanTest>()).arg.cast()),
            Tag::T_BoolExpr => {
                let expression = condition.cast::<pg_sys::BoolExpr>();
                match list::pointers::<pg_sys::Node>((*expression).args).as_slice() {
                    [only] if (*expression).boolop == pg_sys::BoolExprType::NOT_EXPR => boolean(place, *only),
                    _ => OPAQUE,
                }
            }
            _ => OPAQUE,
        }
    }
}

/// The key that an expression could be, without the relabelling of binary-compatible types.
pub fn key(place: &Place, expression: *mut pg_sys::Node) -> Option<Key> {
    let bare = without_relabelling(expression);
    if !text::is_about(place, bare) {
        return None;
    }
    if tag(bare) == pg_sys::NodeTag::T_Var {
        // SAFETY: its tag says what it is.
        return Some(Key::Column(unsafe { (*bare.cast::<pg_sys::Var>()).varattno }));
    }
    // SAFETY: an expression of the planner.
    if unsafe { pg_sys::contain_mutable_functions(bare) }
        || text::has_parameter(bare)
        || trust::is_unfit_for_index_of(place.oid, bare)
    {
        return None;
    }
    text::of(place, bare).map(|text| Key::Expression(text::key(&text)))
}

/// An expression below its RelabelType nodes.
pub fn without_relabelling(expression: *mut pg_sys::Node) -> *mut pg_sys::Node {
    let mut bare = expression;
    while tag(bare) == pg_sys::NodeTag::T_RelabelType {
        // SAFETY: its tag says what it is.
        bare = unsafe { (*bare.cast::<pg_sys::RelabelType>()).arg }.cast();
    }
    bare
}

/// Whether an expression has one value for the whole scan.
fn is_value(expression: *mut pg_sys::Node) -> bool {
    // SAFETY: an expression of the planner.
    text::variables(expression).is_empty() && !unsafe { pg_sys::contain_volatile_functions(expression) }
}

/// # Safety
/// The expression must be of the planner.
unsafe fn operator(place: &Place, expression: &pg_sys::OpExpr) -> Shape {
    let [left, right] = list::pointers::<pg_sys::Node>(expression.args)[..] else { return OPAQUE };
    let (compared, value, operator) = if is_value(right) {
        (left, right, expression.opno)
    } else if is_value(left) {
        // SAFETY: a look-up in the catalogs.
        (right, left, unsafe { pg_sys::get_commutator(expression.opno) })
    } else {
        return OPAQUE;
    };
    let Some(key) = key(place, compared) else { return OPAQUE };
    if let Some(supports) = prefix_supports(expression, compared, value) {
        return Shape { key: Some(key), kind: ClauseKind::Prefix, supports };
    }
    let supports = support::of(operator, without_relabelling(compared), expression.inputcollid);
    Shape { key: Some(key), kind: support::kind(operator), supports }
}

/// Access methods that can search by `LIKE 'abc%'`; `None` where the condition is no search for a known prefix.
fn prefix_supports(
    expression: &pg_sys::OpExpr,
    compared: *mut pg_sys::Node,
    value: *mut pg_sys::Node,
) -> Option<Vec<Support>> {
    let operator = expression.opno.to_u32();
    let (class, is_pattern) = match operator {
        TEXT_LIKE => ("text_pattern_ops", true),
        CHARACTER_LIKE => ("bpchar_pattern_ops", true),
        STARTS_WITH => ("text_pattern_ops", false),
        _ => return None,
    };
    let text = constant_text(value)?;
    if text.is_empty() || (is_pattern && text.starts_with(['%', '_'])) {
        return None;
    }
    let bare = without_relabelling(compared);
    let mut supports = vec![Support {
        method: Method::Btree,
        operator_class: (!support::compares_bytes(bare)).then(|| class.to_owned()),
        collation: None,
    }];
    supports.extend(support::of(expression.opno, bare, expression.inputcollid));
    Some(supports)
}

/// A constant text.
fn constant_text(value: *mut pg_sys::Node) -> Option<String> {
    let bare = without_relabelling(value);
    if tag(bare) != pg_sys::NodeTag::T_Const {
        return None;
    }
    // SAFETY: its tag says what it is; only texts are read as such.
    unsafe {
        let constant = &*bare.cast::<pg_sys::Const>();
        let is_text = matches!(constant.consttype, pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID);
        if !is_text || constant.constisnull {
            return None;
        }
        let text = pg_sys::text_to_cstring(constant.constvalue.cast_mut_ptr());
        Some(text_of(CStr::from_ptr(text).to_bytes()).into())
    }
}

/// # Safety
/// As for [`operator`].
unsafe fn any_of(place: &Place, expression: &pg_sys::ScalarArrayOpExpr) -> Shape {
    let [compared, values] = list::pointers::<pg_sys::Node>(expression.args)[..] else { return OPAQUE };
    if !expression.useOr || !is_value(values) {
        return OPAQUE;
    }
    let Some(key) = key(place, compared) else { return OPAQUE };
    let kind = match support::kind(expression.opno) {
        ClauseKind::Equality => ClauseKind::AnyOf,
        kind => kind,
    };
    let mut supports = support::of(expression.opno, without_relabelling(compared), expression.inputcollid);
    // Of these methods only a B-tree is searched once for each value; a bitmap scan of a hash index does it as well.
    supports.retain(|support| matches!(support.method, Method::Btree | Method::Hash));
    Shape { key: Some(key), kind, supports }
}

/// # Safety
/// As for [`operator`].
unsafe fn null_test(place: &Place, test: &pg_sys::NullTest) -> Shape {
    if test.argisrow {
        return OPAQUE;
    }
    let kind = match test.nulltesttype {
        pg_sys::NullTestType::IS_NULL => ClauseKind::IsNull,
        _ => ClauseKind::IsNotNull,
    };
    let compared = test.arg.cast();
    Shape { key: key(place, compared), kind, supports: support::default_btree(without_relabelling(compared)) }
}

/// A comparison of rows searches a B-tree by its first column at least.
///
/// # Safety
/// As for [`operator`].
unsafe fn row_comparison(place: &Place, comparison: &pg_sys::RowCompareExpr) -> Shape {
    let left = list::pointers::<pg_sys::Node>(comparison.largs);
    let right = list::pointers::<pg_sys::Node>(comparison.rargs);
    let operators = list::oids(comparison.opnos);
    let (Some(&compared), Some(&operator)) = (left.first(), operators.first()) else { return OPAQUE };
    if !right.into_iter().all(is_value) {
        return OPAQUE;
    }
    let bare = without_relabelling(compared);
    // SAFETY: an expression of the planner.
    let collation = unsafe { pg_sys::exprCollation(bare) };
    Shape {
        key: key(place, compared),
        kind: ClauseKind::Range,
        supports: support::of(operator, bare, collation),
    }
}

/// # Safety
/// As for [`operator`].
unsafe fn boolean(place: &Place, expression: *mut pg_sys::Node) -> Shape {
    // SAFETY: an expression of the planner.
    if unsafe { pg_sys::exprType(expression) } != pg_sys::BOOLOID {
        return OPAQUE;
    }
    let Some(key) = key(place, expression) else { return OPAQUE };
    Shape { key: Some(key), kind: ClauseKind::Boolean, supports: support::default_btree(expression) }
}
