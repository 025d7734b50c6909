//! Conditions, taken apart as far as a judgement needs it.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::{Builder, c_text, expression, is};
use crate::catalog::plan::{Clause, Comparison, Fit, Key, Obstacle, Wrapper, bare};
use crate::pg::planner::list::tag;
use crate::pg::scan::text_of_name;
use crate::text::quote_identifier;

/// Operator families whose order is that of bytes: `text_pattern_ops` and `bpchar_pattern_ops` of B-trees.
const BYTE_ORDER_FAMILIES: [u32; 2] = [2095, 2097];
/// The collation "C".
const C_COLLATION: u32 = 950;
/// `BOOL_BTREE_FAM_OID`
const BOOLEAN_FAMILY: u32 = 424;

/// How an index is searched by a condition.
enum Search {
    /// By an operator, the key on its left, with a collation.
    Operator(pg_sys::Oid, pg_sys::Oid),
    /// By whether the key is NULL.
    Null,
    /// By whether the key is true.
    Boolean,
}

/// The name of a function; that of its schema too where it is not the server's own.
///
/// # Safety
/// `function` must be the OID of a function.
pub unsafe fn function_name(function: pg_sys::Oid) -> String {
    // SAFETY: look-ups in the catalogs; either may find nothing.
    unsafe {
        let name = c_text(pg_sys::get_func_name(function)).unwrap_or_default();
        let name = quote_identifier(&name);
        let schema = pg_sys::get_func_namespace(function);
        if schema.to_u32() == pg_sys::PG_CATALOG_NAMESPACE {
            return name;
        }
        let schema = c_text(pg_sys::get_namespace_name(schema)).unwrap_or_default();
        format!("{}.{name}", quote_identifier(&schema))
    }
}

/// # Safety
/// `type_oid` must be a type.
unsafe fn type_name(type_oid: pg_sys::Oid) -> String {
    // SAFETY: a look-up in the catalogs.
    unsafe { c_text(pg_sys::format_type_be(type_oid)).unwrap_or_default() }
}

impl Builder {
    /// A list of conditions, as EXPLAIN prints them; `entry` is the one that the node scans.
    ///
    /// # Safety
    /// `list` must be one of the node's, for which expressions are printed.
    pub(super) unsafe fn clauses(
        &mut self,
        node: *mut pg_sys::Plan,
        list: *mut pg_sys::List,
        entry: Option<u32>,
        qualified: bool,
    ) -> Vec<Clause> {
        expression::conditions(list)
            .into_iter()
            // SAFETY: as the caller vouches.
            .map(|condition| unsafe { self.clause(node, condition, entry, qualified) })
            .collect()
    }

    /// # Safety
    /// As for [`Builder::clauses`].
    unsafe fn clause(
        &mut self,
        node: *mut pg_sys::Plan,
        condition: *mut pg_sys::Node,
        entry: Option<u32>,
        qualified: bool,
    ) -> Clause {
        use pg_sys::NodeTag as Tag;
        // SAFETY: as the caller vouches; the tag says what the node is.
        unsafe {
            let mut clause = Clause {
                text: self.print(condition, qualified, false),
                is_volatile: pg_sys::contain_volatile_functions(condition),
                has_parameter: expression::has_parameter(condition),
                ..Clause::default()
            };
            for variable in expression::variables(condition) {
                if let Some(column) = self.reference(node, variable)
                    && !clause.columns.contains(&column)
                {
                    clause.columns.push(column);
                }
            }
            match tag(condition) {
                Tag::T_OpExpr | Tag::T_DistinctExpr => {
                    self.comparison(node, condition.cast(), entry, &mut clause);
                    if tag(condition) == Tag::T_DistinctExpr {
                        clause.comparison = Comparison::NotEqual;
                        clause.fits.clear();
                    }
                }
                Tag::T_ScalarArrayOpExpr => self.any_of(node, condition.cast(), entry, &mut clause),
                Tag::T_NullTest => {
                    let test = condition.cast::<pg_sys::NullTest>();
                    clause.comparison = if (*test).nulltesttype == pg_sys::NullTestType::IS_NULL {
                        Comparison::IsNull
                    } else {
                        Comparison::IsNotNull
                    };
                    clause.key = self.key(node, (*test).arg.cast(), entry);
                    self.fit(&mut clause, &Search::Null);
                }
                Tag::T_BooleanTest => {
                    clause.comparison = Comparison::Boolean;
                    let test = condition.cast::<pg_sys::BooleanTest>();
                    clause.key = self.key(node, (*test).arg.cast(), entry);
                    self.fit(&mut clause, &Search::Boolean);
                }
                Tag::T_Var => {
                    clause.comparison = Comparison::Boolean;
                    clause.key = self.key(node, condition, entry);
                    self.fit(&mut clause, &Search::Boolean);
                }
                Tag::T_BoolExpr => {
                    let logic = condition.cast::<pg_sys::BoolExpr>();
                    let parts = (*logic).args;
                    let first = expression::nth(parts, 0);
                    if (*logic).boolop == pg_sys::BoolExprType::NOT_EXPR && is(first, Tag::T_Var) {
                        clause.comparison = Comparison::Boolean;
                        clause.key = self.key(node, first, entry);
                        self.fit(&mut clause, &Search::Boolean);
                    } else {
                        clause.comparison = match (*logic).boolop {
                            pg_sys::BoolExprType::OR_EXPR => Comparison::Or,
                            pg_sys::BoolExprType::NOT_EXPR => Comparison::Not,
                            _ => Comparison::Other,
                        };
                        clause.parts = self.clauses(node, parts, entry, qualified);
                    }
                }
                _ => {}
            }
            clause
        }
    }

    /// # Safety
    /// As for [`Builder::clauses`].
    unsafe fn comparison(
        &mut self,
        node: *mut pg_sys::Plan,
        condition: *mut pg_sys::OpExpr,
        entry: Option<u32>,
        clause: &mut Clause,
    ) {
        // SAFETY: as the caller vouches; an operator has one or two arguments.
        unsafe {
            let name = c_text(pg_sys::get_opname((*condition).opno)).unwrap_or_default();
            clause.comparison = match name.as_str() {
                "=" => Comparison::Equality,
                "<" | "<=" | ">" | ">=" => Comparison::Range,
                "<>" | "!~~" | "!~~*" | "!~" | "!~*" => Comparison::NotEqual,
                "~~" | "~~*" | "~" | "~*" => Comparison::Pattern,
                _ => Comparison::Other,
            };
            clause.operator = Some(name);
            clause.is_builtin = (*condition).opno.to_u32() < pg_sys::FirstNormalObjectId;
            let left = expression::nth((*condition).args, 0);
            let right = expression::nth((*condition).args, 1);
            if left.is_null() || right.is_null() {
                return;
            }
            if entry.is_none() {
                clause.key = self.key(node, left, entry);
                clause.other_key = self.key(node, right, entry);
                return;
            }
            let (key, value, operator) = match (self.key(node, left, entry), self.key(node, right, entry)) {
                (Some(key), None) => (key, right, (*condition).opno),
                (None, Some(key)) => (key, left, pg_sys::get_commutator((*condition).opno)),
                _ => return,
            };
            clause.key = Some(key);
            if is(value, pg_sys::NodeTag::T_Const) {
                clause.value = Some(self.print(value, false, true));
                if clause.comparison == Comparison::Pattern {
                    clause.pattern = constant_text(value.cast());
                }
            }
            if clause.comparison != Comparison::NotEqual && operator != pg_sys::InvalidOid {
                self.fit(clause, &Search::Operator(operator, (*condition).inputcollid));
            }
        }
    }

    /// # Safety
    /// As for [`Builder::clauses`].
    unsafe fn any_of(
        &mut self,
        node: *mut pg_sys::Plan,
        condition: *mut pg_sys::ScalarArrayOpExpr,
        entry: Option<u32>,
        clause: &mut Clause,
    ) {
        use pg_sys::NodeTag as Tag;
        // SAFETY: as the caller vouches; such an operator has two arguments.
        unsafe {
            clause.operator = c_text(pg_sys::get_opname((*condition).opno));
            let is_equality = clause.operator.as_deref() == Some("=");
            clause.comparison = match ((*condition).useOr, is_equality) {
                (true, true) => Comparison::AnyOf,
                (false, _) => Comparison::NotEqual,
                (true, false) => Comparison::Other,
            };
            let values = expression::nth((*condition).args, 1);
            clause.list_length = if is(values, Tag::T_Const) {
                array_length(values.cast())
            } else if is(values, Tag::T_ArrayExpr) {
                Some(expression::conditions((*values.cast::<pg_sys::ArrayExpr>()).elements).len())
            } else {
                None
            };
            // In `value = ANY (column)` the column is the list.
            clause.key = self.key(node, expression::nth((*condition).args, 0), entry);
            if clause.comparison == Comparison::AnyOf {
                self.fit(clause, &Search::Operator((*condition).opno, (*condition).inputcollid));
            }
        }
    }

    /// One side of a comparison, if it is about a table: the scanned one, or any where the node scans none.
    ///
    /// # Safety
    /// As for [`Builder::clauses`].
    unsafe fn key(
        &mut self,
        node: *mut pg_sys::Plan,
        side: *mut pg_sys::Node,
        entry: Option<u32>,
    ) -> Option<Key> {
        use pg_sys::NodeTag as Tag;
        // SAFETY: as the caller vouches; the tag says what the node is.
        unsafe {
            let variable = expression::variables(side).first().copied()?;
            let column = self.reference(node, variable)?;
            let mut inner = side;
            // What does not change the bytes does not keep an index from matching.
            while is(inner, Tag::T_RelabelType) {
                inner = (*inner.cast::<pg_sys::RelabelType>()).arg.cast();
            }
            if is(inner, Tag::T_Var) {
                return Some(Key { text: column.name.clone(), column, wrapper: None, is_immutable: true });
            }
            Some(Key {
                text: self.print(inner, entry.is_none(), true),
                column,
                wrapper: Some(wrapper(inner, variable)),
                is_immutable: !pg_sys::contain_mutable_functions(inner) && subplan_free(inner),
            })
        }
    }

    /// Finds the indexes that have the clause's key.
    ///
    /// # Safety
    /// The operator must exist.
    unsafe fn fit(&self, clause: &mut Clause, search: &Search) {
        let Some(key) = &clause.key else { return };
        let Some(table) = self.plan.tables.get(key.column.table) else { return };
        for index in &table.indexes {
            let place = index.keys.iter().position(|other| match &key.wrapper {
                None => other.column == key.column.column,
                Some(_) => other.column == 0 && bare(&other.text) == bare(&key.text),
            });
            let Some(position) = place else { continue };
            let parts = self.index_keys.get(&index.oid).and_then(|keys| keys.get(position));
            let Some(&(family, collation)) = parts else { continue };
            // SAFETY: as the caller vouches.
            let obstacle = unsafe { obstacle(search, clause.comparison, family, collation, &index.method) };
            clause.fits.push(Fit { index: index.oid, position, obstacle });
        }
    }
}

/// Why a key of that operator family and collation cannot be searched by.
///
/// # Safety
/// Operator and family must exist.
unsafe fn obstacle(
    search: &Search,
    comparison: Comparison,
    family: pg_sys::Oid,
    collation: pg_sys::Oid,
    method: &str,
) -> Option<Obstacle> {
    // SAFETY: as the caller vouches; look-ups in the catalogs.
    unsafe {
        match *search {
            Search::Null if matches!(method, "btree" | "brin" | "gist" | "spgist") => None,
            Search::Boolean if family.to_u32() == BOOLEAN_FAMILY => None,
            Search::Null | Search::Boolean => Some(Obstacle::OperatorClass(family_name(family))),
            Search::Operator(operator, wanted) => {
                if comparison == Comparison::Pattern && method == "btree" {
                    if BYTE_ORDER_FAMILIES.contains(&family.to_u32()) || sorts_bytes(collation) {
                        return None;
                    }
                    return Some(Obstacle::Collation(collation_name(collation)));
                }
                if !pg_sys::op_in_opfamily(operator, family) {
                    return Some(Obstacle::OperatorClass(family_name(family)));
                }
                (collation != pg_sys::InvalidOid && collation != wanted)
                    .then(|| Obstacle::Collation(collation_name(collation)))
            }
        }
    }
}

/// Whether a collation sorts text as bytes.
unsafe fn sorts_bytes(collation: pg_sys::Oid) -> bool {
    if collation.to_u32() == C_COLLATION {
        return true;
    }
    // SAFETY: the row of the current database always exists.
    collation.to_u32() == pg_sys::DEFAULT_COLLATION_OID.to_u32()
        && unsafe { super::table::database_sorts_bytes() }
}

/// # Safety
/// `collation` must be a collation or none.
unsafe fn collation_name(collation: pg_sys::Oid) -> String {
    // SAFETY: a look-up in the catalogs.
    unsafe { c_text(pg_sys::get_collation_name(collation)).unwrap_or_default() }
}

/// # Safety
/// `family` must be an operator family.
unsafe fn family_name(family: pg_sys::Oid) -> String {
    // SAFETY: a look-up in the catalogs; the row is released after it was read.
    unsafe {
        let row = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::OPFAMILYOID as i32, family.into());
        if row.is_null() {
            return family.to_u32().to_string();
        }
        let name = text_of_name(&(*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_opfamily>()).opfname);
        pg_sys::ReleaseSysCache(row);
        name.into()
    }
}

/// What stands over a column.
///
/// # Safety
/// `node` must be an expression that holds `variable`.
unsafe fn wrapper(node: *mut pg_sys::Node, variable: *mut pg_sys::Var) -> Wrapper {
    use pg_sys::NodeTag as Tag;
    let cast = |to: pg_sys::Oid, form: pg_sys::CoercionForm::Type| {
        // SAFETY: as the caller vouches.
        let (from, to) = unsafe { (type_name((*variable).vartype), type_name(to)) };
        if form == pg_sys::CoercionForm::COERCE_IMPLICIT_CAST {
            Wrapper::ImplicitCast { from, to }
        } else {
            Wrapper::Cast(to)
        }
    };
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        match tag(node) {
            Tag::T_FuncExpr => {
                let call = node.cast::<pg_sys::FuncExpr>();
                match (*call).funcformat {
                    pg_sys::CoercionForm::COERCE_IMPLICIT_CAST
                    | pg_sys::CoercionForm::COERCE_EXPLICIT_CAST => {
                        let argument = expression::nth((*call).args, 0);
                        if is(argument, Tag::T_Var) || is(argument, Tag::T_RelabelType) {
                            cast((*call).funcresulttype, (*call).funcformat)
                        } else {
                            wrapper(argument, variable)
                        }
                    }
                    _ => Wrapper::Function(function_name((*call).funcid)),
                }
            }
            Tag::T_CoerceViaIO => {
                let call = node.cast::<pg_sys::CoerceViaIO>();
                cast((*call).resulttype, (*call).coerceformat)
            }
            Tag::T_OpExpr => {
                let operator = pg_sys::get_opname((*node.cast::<pg_sys::OpExpr>()).opno);
                Wrapper::Operator(c_text(operator).unwrap_or_default())
            }
            Tag::T_CoalesceExpr => Wrapper::Function("coalesce".to_owned()),
            _ => Wrapper::Other,
        }
    }
}

/// # Safety
/// `node` must be an expression.
unsafe fn subplan_free(node: *mut pg_sys::Node) -> bool {
    let mut free = true;
    // SAFETY: as the caller vouches.
    unsafe {
        expression::visit(node, &mut |part| {
            free &= !matches!(tag(part), pg_sys::NodeTag::T_SubPlan | pg_sys::NodeTag::T_Param);
            free
        });
    }
    free
}

/// The text of a constant that is a text.
///
/// # Safety
/// `constant` must be a constant.
unsafe fn constant_text(constant: *mut pg_sys::Const) -> Option<String> {
    // SAFETY: as the caller vouches; the value is of its type.
    unsafe {
        if (*constant).constisnull {
            return None;
        }
        let (mut output, mut is_varlena) = (pg_sys::InvalidOid, false);
        pg_sys::getTypeOutputInfo((*constant).consttype, &raw mut output, &raw mut is_varlena);
        let text = pg_sys::OidOutputFunctionCall(output, (*constant).constvalue);
        Some(crate::pg::scan::text_of(CStr::from_ptr(text).to_bytes()).into())
    }
}

/// # Safety
/// `constant` must be a constant of an array type.
unsafe fn array_length(constant: *mut pg_sys::Const) -> Option<usize> {
    // SAFETY: as the caller vouches; the sizes of the dimensions follow the header.
    unsafe {
        if (*constant).constisnull {
            return None;
        }
        let array =
            pg_sys::pg_detoast_datum((*constant).constvalue.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
        let sizes = array.cast::<u8>().add(size_of::<pg_sys::ArrayType>()).cast::<i32>();
        let dimensions = usize::try_from((*array).ndim).unwrap_or(0);
        if dimensions == 0 {
            return Some(0);
        }
        usize::try_from((0..dimensions).map(|place| i64::from(*sizes.add(place))).product::<i64>()).ok()
    }
}
