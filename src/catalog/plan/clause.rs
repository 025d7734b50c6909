//! Conditions of a plan.

use crate::catalog::{ColumnNumber, Oid};

/// A column of a scanned table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnReference {
    /// Position in [`super::Plan::tables`].
    pub table: usize,
    /// Its number.
    pub column: ColumnNumber,
    /// Its name, quoted where needed.
    pub name: String,
}

/// How a condition compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equality,
    /// `<` and the like
    Range,
    /// `= ANY (...)`, `IN (...)`
    AnyOf,
    /// `<>`, `<> ALL (...)`, `NOT LIKE`, `IS DISTINCT FROM`
    NotEqual,
    /// `LIKE`, `~` and the like
    Pattern,
    /// `IS NULL`
    IsNull,
    /// `IS NOT NULL`
    IsNotNull,
    /// A boolean column, or its negation
    Boolean,
    /// `a OR b`
    Or,
    /// `NOT (...)` of something that has no opposite
    Not,
    /// Anything else
    #[default]
    Other,
}

/// What stands over a column, so that an index on the column does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrapper {
    /// A function of that name.
    Function(String),
    /// A cast that the query does not write, to a type.
    ImplicitCast {
        /// The column's type.
        from: String,
        /// The type of what it is compared with.
        to: String,
    },
    /// A cast that the query writes, to a type.
    Cast(String),
    /// An operator, as `+`.
    Operator(String),
    /// CASE, COALESCE or the like.
    Other,
}

/// The side of a condition that is about the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// As an index would have it: a column's name or an expression, names not qualified.
    pub text: String,
    /// The first column in it.
    pub column: ColumnReference,
    /// What stands over the column; `None` where the key is the column itself.
    pub wrapper: Option<Wrapper>,
    /// Whether it could be indexed as an expression.
    pub is_immutable: bool,
}

/// Why an index has the key of a condition and cannot search by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its operator class does not know the operator.
    OperatorClass(String),
    /// It sorts by another collation.
    Collation(String),
}

/// An index that has the key of a condition among its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The index.
    pub index: Oid,
    /// Which of its columns, from 0.
    pub position: usize,
    /// What keeps it from searching by the condition.
    pub obstacle: Option<Obstacle>,
}

/// One condition; all conditions of a list must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clause {
    /// As EXPLAIN prints it.
    pub text: String,
    /// How it compares.
    pub comparison: Comparison,
    /// The operator's name.
    pub operator: Option<String>,
    /// The side that is about the scanned table, if exactly one side is; where nothing is scanned, the left side.
    pub key: Option<Key>,
    /// The other side, of a condition that joins two tables; [`Clause::key`] is its left side then.
    pub other_key: Option<Key>,
    /// Every column in it.
    pub columns: Vec<ColumnReference>,
    /// The pattern that it compares with, if that is a constant.
    pub pattern: Option<String>,
    /// The constant that it compares with, as EXPLAIN prints it.
    pub value: Option<String>,
    /// How many elements its list has.
    pub list_length: Option<usize>,
    /// Whether its operator is the server's own.
    pub is_builtin: bool,
    /// Whether a VOLATILE function is in it.
    pub is_volatile: bool,
    /// Whether it compares with something of another table, or of an outer query.
    pub has_parameter: bool,
    /// The conditions of an OR, or the one of a NOT.
    pub parts: Vec<Clause>,
    /// Indexes that have its key among their columns.
    pub fits: Vec<Fit>,
}

impl Clause {
    /// Whether the pattern begins with something that matches any text.
    pub fn has_leading_wildcard(&self) -> bool {
        let Some(pattern) = &self.pattern else { return false };
        match self.operator.as_deref() {
            Some("~" | "~*") => !pattern.starts_with('^'),
            _ => pattern.starts_with(['%', '_']),
        }
    }

    /// Whether upper and lower case count as the same.
    pub fn ignores_case(&self) -> bool {
        matches!(self.operator.as_deref(), Some("~~*" | "~*"))
    }

    /// The column that it is about, if nothing stands over it.
    pub fn plain_column(&self) -> Option<&ColumnReference> {
        self.key.as_ref().filter(|key| key.wrapper.is_none()).map(|key| &key.column)
    }

    /// Conditions joined by AND, as EXPLAIN prints them.
    pub fn joined(clauses: &[Self]) -> String {
        match clauses {
            [one] => one.text.clone(),
            _ => {
                let texts: Vec<&str> = clauses.iter().map(|clause| clause.text.as_str()).collect();
                if texts.is_empty() { String::new() } else { format!("({})", texts.join(" AND ")) }
            }
        }
    }
}

/// An expression without the parentheses around it.
pub fn bare(text: &str) -> &str {
    let mut text = text.trim();
    while let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        let mut depth = 0_i32;
        if inner.chars().any(|character| {
            depth += match character {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth < 0
        }) {
            break;
        }
        text = inner.trim();
    }
    text
}
