//! Expressions.

use super::{FIRST_NORMAL_OID, Query, RelationIndex};
use crate::catalog::types::builtin;
use crate::catalog::{ColumnNumber, Oid, Volatility};

/// The number of an expression within its statement.
pub type ExpressionId = u32;

/// One expression.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expression {
    /// Its number within the statement.
    pub id: ExpressionId,
    /// Its type; 0 where it has none.
    pub type_oid: Oid,
    /// Its type's name with its modifier, as a cast would write it.
    pub type_name: String,
    /// The collation of its value; 0 where its type knows none.
    pub collation: Oid,
    /// Whether values that are equal there are the same bytes; true where its type knows no collation.
    pub is_deterministic: bool,
    /// What it is.
    pub kind: ExpressionKind,
}

/// What an expression is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ExpressionKind {
    /// A column of a relation.
    Column(ColumnReference),
    /// A literal.
    Constant(Constant),
    /// `$1`
    Parameter(i32),
    /// In the test of a sublink: this column of the subquery, counted from 1.
    SubLinkColumn(i32),
    /// `a + b`, `a = b`, `- a`
    Operator(OperatorCall),
    /// `a IS DISTINCT FROM b`; the operator is the equality.
    DistinctFrom(OperatorCall),
    /// `NULLIF(a, b)`; the operator is the equality.
    NullIf(OperatorCall),
    /// `a = ANY (array)`, `a IN (1, 2)`, `a <> ALL (array)`
    ArrayComparison(ArrayComparison),
    /// A function, or a cast done by one.
    Function(FunctionCall),
    /// A cast not done by a function.
    Cast(Cast),
    /// AND
    And(Vec<Expression>),
    /// OR
    Or(Vec<Expression>),
    /// NOT
    Not(Box<Expression>),
    /// A subquery in an expression.
    SubLink(SubLink),
    /// `a IS NULL`, `a IS NOT NULL`
    NullTest {
        /// What is tested.
        argument: Box<Expression>,
        /// IS NULL, otherwise IS NOT NULL.
        is_null: bool,
        /// Whether each field of a row is tested instead of the row.
        is_row: bool,
    },
    /// `a IS TRUE` and the like.
    BooleanTest {
        /// What is tested.
        argument: Box<Expression>,
        /// How.
        test: BooleanTest,
    },
    /// CASE
    Case(Case),
    /// COALESCE
    Coalesce(Vec<Expression>),
    /// GREATEST, otherwise LEAST.
    Extreme {
        /// GREATEST
        is_greatest: bool,
        /// Its arguments.
        arguments: Vec<Expression>,
    },
    /// `ARRAY[...]`, and the list of an IN whose elements are no literals.
    Array(Vec<Expression>),
    /// `ROW(...)`
    Row(Vec<Expression>),
    /// `(a, b) < (c, d)`
    RowComparison(RowComparison),
    /// An aggregate function.
    Aggregate(Aggregate),
    /// A window function.
    Window(WindowCall),
    /// CURRENT_DATE and the like: stable, without arguments.
    SqlValue,
    /// What rules know nothing of.
    Other {
        /// What is in it.
        children: Vec<Expression>,
        /// The most volatile function that it calls itself.
        volatility: Volatility,
    },
    /// Nothing at all.
    #[default]
    Absent,
}

/// A column of a relation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnReference {
    /// 0 for a relation of the query itself, 1 for one of the query around it …
    pub levels_up: u32,
    /// Which relation; for a column of a join, the side that it comes from where that is one column alone.
    pub relation: RelationIndex,
    /// Which column: 0 for the whole row, negative for a system column.
    pub column: ColumnNumber,
    /// Its name; empty for the whole row.
    pub name: String,
}

/// A literal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constant {
    /// Its value as its type prints it; `None` for NULL.
    pub text: Option<String>,
}

impl Constant {
    /// The value, where it is a whole number.
    pub fn integer(&self) -> Option<i64> {
        self.text.as_ref()?.parse().ok()
    }

    /// Whether it is NULL.
    pub fn is_null(&self) -> bool {
        self.text.is_none()
    }
}

/// What the catalogs say of a function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FunctionFacts {
    /// Its OID.
    pub oid: Oid,
    /// Its name, not qualified.
    pub name: String,
    /// How freely calls may be folded.
    pub volatility: Volatility,
    /// Whether it returns NULL whenever an argument is NULL.
    pub is_strict: bool,
    /// Whether it returns a set.
    pub returns_set: bool,
}

impl FunctionFacts {
    /// Whether it is the server's own function of that name.
    pub fn is_builtin(&self, name: &str) -> bool {
        self.oid != 0 && self.oid < FIRST_NORMAL_OID && self.name == name
    }
}

/// How a function is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FunctionForm {
    /// `f(a)`, or SQL's own syntax such as EXTRACT
    #[default]
    Call,
    /// `a::type`
    ExplicitCast,
    /// A cast that nobody wrote.
    ImplicitCast,
}

/// A function with its arguments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FunctionCall {
    /// Which.
    pub function: FunctionFacts,
    /// How it is called; a cast to a type with a modifier has that as further arguments.
    pub form: FunctionForm,
    /// Its arguments.
    pub arguments: Vec<Expression>,
}

/// What a comparison operator of a B-tree says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
    /// `<>`
    NotEqual,
}

impl Comparison {
    /// The same said with the sides exchanged.
    pub fn commuted(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Greater => Self::Less,
            Self::Equal | Self::NotEqual => self,
        }
    }

    /// How it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
            Self::NotEqual => "<>",
        }
    }
}

/// An operator with its arguments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperatorCall {
    /// Its OID.
    pub oid: Oid,
    /// Its name, not qualified.
    pub name: String,
    /// The function behind it.
    pub function: FunctionFacts,
    /// What it says as a member of a B-tree operator family; `None` where it is none.
    pub comparison: Option<Comparison>,
    /// The operator with its sides exchanged; 0 where there is none.
    pub commutator: Oid,
    /// The operator that says the contrary; 0 where there is none.
    pub negator: Oid,
    /// The collation that it compares by; 0 for none.
    pub collation: Oid,
    /// Whether that collation tells all different strings apart.
    pub is_deterministic: bool,
    /// One or two arguments.
    pub arguments: Vec<Expression>,
}

impl OperatorCall {
    /// Whether it is the server's own operator of that name.
    pub fn is_builtin(&self, name: &str) -> bool {
        self.oid != 0 && self.oid < FIRST_NORMAL_OID && self.name == name
    }

    /// Its two sides.
    pub fn sides(&self) -> Option<(&Expression, &Expression)> {
        match self.arguments.as_slice() {
            [left, right] => Some((left, right)),
            _ => None,
        }
    }
}

/// A comparison with every element of an array.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArrayComparison {
    /// The operator and its two sides, of which the right one is the array.
    pub operator: OperatorCall,
    /// ANY, otherwise ALL.
    pub any: bool,
}

/// How a cast is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CastForm {
    /// `a::type`
    #[default]
    Explicit,
    /// Nobody wrote it.
    Implicit,
}

/// How a cast is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CastKind {
    /// The same bytes under another type.
    #[default]
    Relabel,
    /// By way of the text that the value prints as.
    Text,
    /// To a domain, whose constraints are checked.
    Domain,
    /// Element by element, or field by field.
    Parts,
}

/// A cast not done by a function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cast {
    /// How it is written.
    pub form: CastForm,
    /// How it is done.
    pub kind: CastKind,
    /// What is cast.
    pub argument: Box<Expression>,
}

/// What a sublink asks of its subquery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubLinkKind {
    /// `EXISTS (SELECT ...)`
    Exists,
    /// `a <operator> ALL (SELECT ...)`, `a NOT IN (SELECT ...)` is `NOT (a = ANY (SELECT ...))`
    All,
    /// `a IN (SELECT ...)`, `a <operator> ANY (SELECT ...)`
    Any,
    /// `(a, b) < (SELECT ...)`
    RowCompare,
    /// `(SELECT ...)`
    #[default]
    Scalar,
    /// `(a, b) = (SELECT ...)` of an UPDATE
    Multiple,
    /// `ARRAY(SELECT ...)`
    Array,
}

/// A subquery in an expression.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubLink {
    /// What is asked.
    pub kind: SubLinkKind,
    /// The comparison for ANY and ALL: one operator, or an AND or OR of them for rows; the subquery's columns are
    /// [`ExpressionKind::SubLinkColumn`].
    pub test: Option<Box<Expression>>,
    /// The subquery.
    pub query: Box<Query>,
}

/// `IS TRUE` and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BooleanTest {
    /// IS TRUE
    IsTrue,
    /// IS NOT TRUE
    IsNotTrue,
    /// IS FALSE
    IsFalse,
    /// IS NOT FALSE
    IsNotFalse,
    /// IS UNKNOWN
    IsUnknown,
    /// IS NOT UNKNOWN
    IsNotUnknown,
}

/// CASE.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Case {
    /// What is compared, in `CASE a WHEN ...`.
    pub argument: Option<Box<Expression>>,
    /// WHEN ... THEN ...
    pub whens: Vec<When>,
    /// ELSE
    pub otherwise: Option<Box<Expression>>,
}

/// One arm of a CASE.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// The condition.
    pub condition: Expression,
    /// The result.
    pub result: Expression,
}

/// `(a, b) < (c, d)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowComparison {
    /// How.
    pub comparison: Option<Comparison>,
    /// The left row.
    pub left: Vec<Expression>,
    /// The right row.
    pub right: Vec<Expression>,
}

/// An aggregate function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aggregate {
    /// Which.
    pub function: FunctionFacts,
    /// Its arguments, direct ones first.
    pub arguments: Vec<Expression>,
    /// `count(*)`
    pub is_star: bool,
    /// DISTINCT
    pub is_distinct: bool,
    /// Whether it has an ORDER BY of its own.
    pub is_ordered: bool,
    /// FILTER
    pub filter: Option<Box<Expression>>,
    /// 0 where it is of this query, 1 where of the query around it …
    pub levels_up: u32,
}

/// A window function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowCall {
    /// Which.
    pub function: FunctionFacts,
    /// Its arguments.
    pub arguments: Vec<Expression>,
    /// `count(*)`
    pub is_star: bool,
    /// FILTER
    pub filter: Option<Box<Expression>>,
    /// Which of [`Query::windows`], counted from 0.
    pub window: usize,
}

impl Expression {
    /// The conditions that must all hold for it to hold.
    pub fn conjuncts(&self) -> Vec<&Self> {
        match &self.kind {
            ExpressionKind::And(parts) => parts.iter().flat_map(Self::conjuncts).collect(),
            _ => vec![self],
        }
    }

    /// The column that it is.
    pub fn as_column(&self) -> Option<&ColumnReference> {
        match &self.kind {
            ExpressionKind::Column(column) => Some(column),
            _ => None,
        }
    }

    /// The column of the query itself that it is.
    pub fn as_own_column(&self) -> Option<&ColumnReference> {
        self.as_column().filter(|column| column.levels_up == 0)
    }

    /// The literal that it is.
    pub fn as_constant(&self) -> Option<&Constant> {
        match &self.kind {
            ExpressionKind::Constant(constant) => Some(constant),
            _ => None,
        }
    }

    /// The operator that it is, with its two sides.
    pub fn as_operator(&self) -> Option<(&OperatorCall, &Self, &Self)> {
        match &self.kind {
            ExpressionKind::Operator(call) => {
                let (left, right) = call.sides()?;
                Some((call, left, right))
            }
            _ => None,
        }
    }

    /// The comparison that it is, with its two sides.
    pub fn as_comparison(&self) -> Option<(Comparison, &Self, &Self)> {
        let (call, left, right) = self.as_operator()?;
        Some((call.comparison?, left, right))
    }

    /// The same as it is written, and the other way round.
    pub fn as_comparison_either_way(&self) -> Option<[(Comparison, &Self, &Self); 2]> {
        let (comparison, left, right) = self.as_comparison()?;
        Some([(comparison, left, right), (comparison.commuted(), right, left)])
    }

    /// The sublink that it is.
    pub fn as_sublink(&self) -> Option<&SubLink> {
        match &self.kind {
            ExpressionKind::SubLink(link) => Some(link),
            _ => None,
        }
    }

    /// The call of the server's own function of that name that it is.
    pub fn as_builtin_call(&self, name: &str) -> Option<&FunctionCall> {
        match &self.kind {
            ExpressionKind::Function(call) if call.function.is_builtin(name) => Some(call),
            _ => None,
        }
    }

    /// The whole number that it is, written as a literal of some type of numbers or cast to one that holds it exactly.
    pub fn as_whole_number(&self) -> Option<i64> {
        match &self.kind {
            ExpressionKind::Constant(constant) => constant.integer(),
            ExpressionKind::Function(call)
                if call.form != FunctionForm::Call
                    && call.arguments.len() == 1
                    && ["int8", "numeric", "float8"].iter().any(|name| call.function.is_builtin(name)) =>
            {
                let argument = call.arguments.first()?;
                let number = argument.as_whole_number()?;
                // Beyond, a float has gaps.
                (number.unsigned_abs() < 1 << 53 && is_whole(argument.type_oid)).then_some(number)
            }
            _ => None,
        }
    }

    /// Itself without casts that change no byte.
    pub fn without_relabels(&self) -> &Self {
        match &self.kind {
            ExpressionKind::Cast(cast) if cast.kind == CastKind::Relabel => cast.argument.without_relabels(),
            _ => self,
        }
    }
}

fn is_whole(type_oid: Oid) -> bool {
    matches!(type_oid, builtin::INT2 | builtin::INT4 | builtin::INT8)
}
