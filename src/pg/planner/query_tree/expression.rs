//! Expressions: from the server's nodes to plain ones.

use pgrx::pg_sys;

use super::catalog;
use super::convert::Converter;
use super::nodes::{self, Hook};
use crate::catalog::Volatility;
use crate::catalog::query::{
    Aggregate, ArrayComparison, BooleanTest, Case, Cast, CastForm, CastKind, ColumnReference, Constant,
    Expression, ExpressionKind, FunctionCall, FunctionForm, OperatorCall, RowComparison, SubLink,
    SubLinkKind, When, WindowCall,
};
use crate::pg::planner::list::{self, tag};

/// How deep expressions may be within each other before the rest is left unknown.
const DEEPEST: usize = 500;

impl Converter {
    /// An expression that hangs somewhere, or nothing where nothing hangs there. `bare` says that it is a condition by
    /// itself: what takes its place needs no parentheses.
    ///
    /// # Safety
    /// `hook` must be a field or list cell of the query being converted.
    pub(super) unsafe fn hanging(&mut self, hook: Hook, bare: bool) -> Option<Expression> {
        // SAFETY: as the caller vouches.
        let node = unsafe { *hook };
        // SAFETY: the node hangs in the query.
        (!node.is_null()).then(|| unsafe { self.expression(node, Some(hook), bare) })
    }

    /// Every expression of a list.
    ///
    /// # Safety
    /// `list` must be a list of expressions in the query being converted.
    pub(super) unsafe fn all(&mut self, list: *mut pg_sys::List) -> Vec<Expression> {
        // SAFETY: as the caller vouches.
        unsafe { nodes::cells(list).into_iter().filter_map(|cell| self.hanging(cell, false)).collect() }
    }

    /// # Safety
    /// As of `hanging`.
    unsafe fn boxed<T>(&mut self, hook: *mut *mut T) -> Option<Box<Expression>> {
        // SAFETY: as the caller vouches; every node pointer is alike.
        unsafe { self.hanging(hook.cast(), false) }.map(Box::new)
    }

    /// # Safety
    /// As of `hanging`; something must hang there, as the grammar says.
    unsafe fn there<T>(&mut self, hook: *mut *mut T) -> Box<Expression> {
        // SAFETY: as the caller vouches.
        unsafe { self.boxed(hook) }.unwrap_or_default()
    }

    /// # Safety
    /// `node` must be an expression in the query being converted, hanging at `hook` where that is known.
    unsafe fn expression(&mut self, node: *mut pg_sys::Node, hook: Option<Hook>, bare: bool) -> Expression {
        let id = self.remember(node, hook, bare);
        self.depth += 1;
        // SAFETY: as the caller vouches; these functions take any expression.
        let expression = unsafe {
            let (type_oid, modifier, collation) =
                (pg_sys::exprType(node), pg_sys::exprTypmod(node), pg_sys::exprCollation(node));
            Expression {
                id,
                type_oid: type_oid.to_u32(),
                type_name: catalog::type_name(type_oid, modifier),
                collation: collation.to_u32(),
                is_deterministic: catalog::is_deterministic(collation),
                kind: if self.depth > DEEPEST {
                    ExpressionKind::Other { children: Vec::new(), volatility: Volatility::Volatile }
                } else {
                    self.kind(node, bare)
                },
            }
        };
        self.depth -= 1;
        expression
    }

    /// # Safety
    /// `node` must be an expression in the query being converted.
    unsafe fn kind(&mut self, node: *mut pg_sys::Node, bare: bool) -> ExpressionKind {
        use pg_sys::NodeTag as Tag;
        // SAFETY: the tag says what the node is.
        unsafe {
            match tag(node) {
                Tag::T_Var => self.column(node.cast()),
                Tag::T_Const => {
                    let constant = node.cast::<pg_sys::Const>();
                    let text = (!(*constant).constisnull).then(|| catalog::constant_text(constant));
                    ExpressionKind::Constant(Constant { text })
                }
                Tag::T_Param => {
                    let parameter = node.cast::<pg_sys::Param>();
                    match (*parameter).paramkind {
                        pg_sys::ParamKind::PARAM_EXTERN => ExpressionKind::Parameter((*parameter).paramid),
                        pg_sys::ParamKind::PARAM_SUBLINK => {
                            ExpressionKind::SubLinkColumn((*parameter).paramid)
                        }
                        _ => self.other(node),
                    }
                }
                Tag::T_OpExpr => ExpressionKind::Operator(self.operator(node)),
                Tag::T_DistinctExpr => ExpressionKind::DistinctFrom(self.operator(node)),
                Tag::T_NullIfExpr => ExpressionKind::NullIf(self.operator(node)),
                Tag::T_ScalarArrayOpExpr => {
                    let comparison = node.cast::<pg_sys::ScalarArrayOpExpr>();
                    let mut operator = catalog::operator((*comparison).opno, (*comparison).inputcollid);
                    operator.arguments = self.all((*comparison).args);
                    ExpressionKind::ArrayComparison(ArrayComparison { operator, any: (*comparison).useOr })
                }
                Tag::T_FuncExpr => self.function(node.cast()),
                Tag::T_BoolExpr => self.boolean(node.cast(), bare),
                Tag::T_SubLink => self.sublink(node.cast()),
                Tag::T_NullTest => {
                    let test = node.cast::<pg_sys::NullTest>();
                    ExpressionKind::NullTest {
                        argument: self.there(&raw mut (*test).arg),
                        is_null: (*test).nulltesttype == pg_sys::NullTestType::IS_NULL,
                        is_row: (*test).argisrow,
                    }
                }
                Tag::T_BooleanTest => {
                    use pg_sys::BoolTestType as Test;
                    let test = node.cast::<pg_sys::BooleanTest>();
                    ExpressionKind::BooleanTest {
                        argument: self.there(&raw mut (*test).arg),
                        test: match (*test).booltesttype {
                            Test::IS_TRUE => BooleanTest::IsTrue,
                            Test::IS_NOT_TRUE => BooleanTest::IsNotTrue,
                            Test::IS_FALSE => BooleanTest::IsFalse,
                            Test::IS_NOT_FALSE => BooleanTest::IsNotFalse,
                            Test::IS_UNKNOWN => BooleanTest::IsUnknown,
                            _ => BooleanTest::IsNotUnknown,
                        },
                    }
                }
                Tag::T_RelabelType => {
                    let cast = node.cast::<pg_sys::RelabelType>();
                    self.cast(&raw mut (*cast).arg, (*cast).relabelformat, CastKind::Relabel)
                }
                Tag::T_CoerceViaIO => {
                    let cast = node.cast::<pg_sys::CoerceViaIO>();
                    self.cast(&raw mut (*cast).arg, (*cast).coerceformat, CastKind::Text)
                }
                Tag::T_CoerceToDomain => {
                    let cast = node.cast::<pg_sys::CoerceToDomain>();
                    self.cast(&raw mut (*cast).arg, (*cast).coercionformat, CastKind::Domain)
                }
                Tag::T_ArrayCoerceExpr => {
                    let cast = node.cast::<pg_sys::ArrayCoerceExpr>();
                    self.cast(&raw mut (*cast).arg, (*cast).coerceformat, CastKind::Parts)
                }
                Tag::T_ConvertRowtypeExpr => {
                    let cast = node.cast::<pg_sys::ConvertRowtypeExpr>();
                    self.cast(&raw mut (*cast).arg, (*cast).convertformat, CastKind::Parts)
                }
                Tag::T_CaseExpr => self.case(node.cast()),
                Tag::T_CoalesceExpr => {
                    ExpressionKind::Coalesce(self.all((*node.cast::<pg_sys::CoalesceExpr>()).args))
                }
                Tag::T_MinMaxExpr => {
                    let extreme = node.cast::<pg_sys::MinMaxExpr>();
                    ExpressionKind::Extreme {
                        is_greatest: (*extreme).op == pg_sys::MinMaxOp::IS_GREATEST,
                        arguments: self.all((*extreme).args),
                    }
                }
                Tag::T_ArrayExpr => {
                    ExpressionKind::Array(self.all((*node.cast::<pg_sys::ArrayExpr>()).elements))
                }
                Tag::T_RowExpr => ExpressionKind::Row(self.all((*node.cast::<pg_sys::RowExpr>()).args)),
                Tag::T_RowCompareExpr => {
                    let comparison = node.cast::<pg_sys::RowCompareExpr>();
                    #[cfg(not(feature = "pg18"))]
                    let strategy = (*comparison).rctype;
                    #[cfg(feature = "pg18")]
                    let strategy = (*comparison).cmptype;
                    ExpressionKind::RowComparison(RowComparison {
                        comparison: catalog::comparison_of(strategy as _),
                        left: self.all((*comparison).largs),
                        right: self.all((*comparison).rargs),
                    })
                }
                Tag::T_Aggref => self.aggregate(node.cast()),
                Tag::T_WindowFunc => self.window(node.cast()),
                Tag::T_SQLValueFunction => ExpressionKind::SqlValue,
                _ => self.other(node),
            }
        }
    }

    /// # Safety
    /// `node` must be an operator with its arguments.
    unsafe fn operator(&mut self, node: *mut pg_sys::Node) -> OperatorCall {
        // SAFETY: as the caller vouches; DISTINCT FROM and NULLIF are laid out as an operator is.
        unsafe {
            let call = node.cast::<pg_sys::OpExpr>();
            let mut operator = catalog::operator((*call).opno, (*call).inputcollid);
            operator.arguments = self.all((*call).args);
            operator
        }
    }

    /// # Safety
    /// `call` must be a function call in the query being converted.
    unsafe fn function(&mut self, call: *mut pg_sys::FuncExpr) -> ExpressionKind {
        // SAFETY: as the caller vouches.
        unsafe {
            ExpressionKind::Function(FunctionCall {
                function: catalog::function((*call).funcid),
                form: match (*call).funcformat {
                    pg_sys::CoercionForm::COERCE_EXPLICIT_CAST => FunctionForm::ExplicitCast,
                    pg_sys::CoercionForm::COERCE_IMPLICIT_CAST => FunctionForm::ImplicitCast,
                    _ => FunctionForm::Call,
                },
                arguments: self.all((*call).args),
            })
        }
    }

    /// # Safety
    /// `boolean` must be in the query being converted.
    unsafe fn boolean(&mut self, boolean: *mut pg_sys::BoolExpr, bare: bool) -> ExpressionKind {
        // SAFETY: as the caller vouches.
        unsafe {
            let is_and = (*boolean).boolop == pg_sys::BoolExprType::AND_EXPR;
            let mut parts: Vec<Expression> = nodes::cells((*boolean).args)
                .into_iter()
                .filter_map(|cell| self.hanging(cell, bare && is_and))
                .collect();
            match (*boolean).boolop {
                pg_sys::BoolExprType::AND_EXPR => ExpressionKind::And(parts),
                pg_sys::BoolExprType::OR_EXPR => ExpressionKind::Or(parts),
                _ => ExpressionKind::Not(Box::new(parts.pop().unwrap_or_default())),
            }
        }
    }

    /// # Safety
    /// `link` must be in the query being converted.
    unsafe fn sublink(&mut self, link: *mut pg_sys::SubLink) -> ExpressionKind {
        use pg_sys::SubLinkType as Type;
        // SAFETY: as the caller vouches; after analysis the subquery is a query.
        unsafe {
            let kind = match (*link).subLinkType {
                Type::EXISTS_SUBLINK => SubLinkKind::Exists,
                Type::ALL_SUBLINK => SubLinkKind::All,
                Type::ANY_SUBLINK => SubLinkKind::Any,
                Type::ROWCOMPARE_SUBLINK => SubLinkKind::RowCompare,
                Type::MULTIEXPR_SUBLINK => SubLinkKind::Multiple,
                Type::ARRAY_SUBLINK => SubLinkKind::Array,
                _ => SubLinkKind::Scalar,
            };
            let test = self.boxed(&raw mut (*link).testexpr);
            let query = Box::new(self.query((*link).subselect.cast()));
            ExpressionKind::SubLink(SubLink { kind, test, query })
        }
    }

    /// # Safety
    /// `argument` must be a field of a cast in the query being converted.
    unsafe fn cast(
        &mut self,
        argument: *mut *mut pg_sys::Expr,
        form: pg_sys::CoercionForm::Type,
        kind: CastKind,
    ) -> ExpressionKind {
        let form = match form {
            pg_sys::CoercionForm::COERCE_IMPLICIT_CAST => CastForm::Implicit,
            _ => CastForm::Explicit,
        };
        // SAFETY: as the caller vouches.
        ExpressionKind::Cast(Cast { form, kind, argument: unsafe { self.there(argument) } })
    }

    /// # Safety
    /// `case` must be in the query being converted.
    unsafe fn case(&mut self, case: *mut pg_sys::CaseExpr) -> ExpressionKind {
        // SAFETY: as the caller vouches; the list is of arms.
        unsafe {
            let argument = self.boxed(&raw mut (*case).arg);
            let whens = list::pointers::<pg_sys::CaseWhen>((*case).args)
                .into_iter()
                .map(|when| When {
                    condition: *self.there(&raw mut (*when).expr),
                    result: *self.there(&raw mut (*when).result),
                })
                .collect();
            let otherwise = self.boxed(&raw mut (*case).defresult);
            ExpressionKind::Case(Case { argument, whens, otherwise })
        }
    }

    /// # Safety
    /// `call` must be in the query being converted.
    unsafe fn aggregate(&mut self, call: *mut pg_sys::Aggref) -> ExpressionKind {
        // SAFETY: as the caller vouches; the arguments are in target entries.
        unsafe {
            let mut arguments = self.all((*call).aggdirectargs);
            for entry in list::pointers::<pg_sys::TargetEntry>((*call).args) {
                let expression = self.hanging((&raw mut (*entry).expr).cast(), false);
                if !(*entry).resjunk {
                    arguments.extend(expression);
                }
            }
            ExpressionKind::Aggregate(Aggregate {
                function: catalog::function((*call).aggfnoid),
                arguments,
                is_star: (*call).aggstar,
                is_distinct: !(*call).aggdistinct.is_null(),
                is_ordered: !(*call).aggorder.is_null(),
                filter: self.boxed(&raw mut (*call).aggfilter),
                levels_up: (*call).agglevelsup,
            })
        }
    }

    /// # Safety
    /// `call` must be in the query being converted.
    unsafe fn window(&mut self, call: *mut pg_sys::WindowFunc) -> ExpressionKind {
        // SAFETY: as the caller vouches.
        unsafe {
            ExpressionKind::Window(WindowCall {
                function: catalog::function((*call).winfnoid),
                arguments: self.all((*call).args),
                is_star: (*call).winstar,
                filter: self.boxed(&raw mut (*call).aggfilter),
                window: self.window_index((*call).winref),
            })
        }
    }

    /// # Safety
    /// `node` must be an expression in the query being converted.
    unsafe fn other(&mut self, node: *mut pg_sys::Node) -> ExpressionKind {
        // SAFETY: as the caller vouches. What hangs where is not known of these, so that no edit reaches into them.
        unsafe {
            let is_volatile = pg_sys::contain_volatile_functions(node);
            let children = nodes::children(node)
                .into_iter()
                .filter(|&child| is_expression(child))
                .map(|child| self.expression(child, None, false))
                .collect();
            let volatility = if is_volatile { Volatility::Volatile } else { Volatility::Stable };
            ExpressionKind::Other { children, volatility }
        }
    }

    /// A column, found through joins and groupings that pass it on.
    ///
    /// # Safety
    /// `column` must be in the query being converted.
    unsafe fn column(&mut self, column: *mut pg_sys::Var) -> ExpressionKind {
        // SAFETY: as the caller vouches.
        unsafe {
            // OLD and NEW in RETURNING are other rows than the query's own.
            #[cfg(feature = "pg18")]
            if (*column).varreturningtype != pg_sys::VarReturningType::VAR_RETURNING_DEFAULT {
                return self.other(column.cast());
            }
            let levels_up = (*column).varlevelsup;
            match self.passed_on(column) {
                Some(source) if tag(source) == pg_sys::NodeTag::T_Var => {
                    let kind = self.at_level(levels_up, |converter| converter.column(source.cast()));
                    raised(kind, levels_up)
                }
                Some(source) if levels_up == 0 => self.kind(source, false),
                Some(_) => ExpressionKind::Other { children: Vec::new(), volatility: Volatility::Stable },
                None => ExpressionKind::Column(ColumnReference {
                    levels_up,
                    relation: usize::try_from((*column).varno - 1).unwrap_or(usize::MAX),
                    column: (*column).varattno,
                    name: self.column_name(column),
                }),
            }
        }
    }
}

/// A column as it is called from so many queries deeper.
fn raised(kind: ExpressionKind, levels: u32) -> ExpressionKind {
    match kind {
        ExpressionKind::Column(column) => {
            ExpressionKind::Column(ColumnReference { levels_up: column.levels_up + levels, ..column })
        }
        other => other,
    }
}

/// Whether a node has a type, as what stands in an expression has.
fn is_expression(node: *mut pg_sys::Node) -> bool {
    use pg_sys::NodeTag as Tag;
    matches!(
        tag(node),
        Tag::T_Var
            | Tag::T_Const
            | Tag::T_Param
            | Tag::T_OpExpr
            | Tag::T_DistinctExpr
            | Tag::T_NullIfExpr
            | Tag::T_ScalarArrayOpExpr
            | Tag::T_FuncExpr
            | Tag::T_BoolExpr
            | Tag::T_SubLink
            | Tag::T_NullTest
            | Tag::T_BooleanTest
            | Tag::T_RelabelType
            | Tag::T_CoerceViaIO
            | Tag::T_CoerceToDomain
            | Tag::T_ArrayCoerceExpr
            | Tag::T_ConvertRowtypeExpr
            | Tag::T_CaseExpr
            | Tag::T_CoalesceExpr
            | Tag::T_MinMaxExpr
            | Tag::T_ArrayExpr
            | Tag::T_RowExpr
            | Tag::T_RowCompareExpr
            | Tag::T_Aggref
            | Tag::T_WindowFunc
            | Tag::T_SQLValueFunction
            | Tag::T_SubscriptingRef
            | Tag::T_FieldSelect
            | Tag::T_CollateExpr
            | Tag::T_NamedArgExpr
            | Tag::T_XmlExpr
    )
}
