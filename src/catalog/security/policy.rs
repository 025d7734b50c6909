//! What a policy's expressions do.

use super::super::{ColumnNumber, Oid, Volatility};

/// A function that an expression calls, by name or through an operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CalledFunction {
    /// Its OID.
    pub oid: Oid,
    /// `schema.name(types)`, quoted.
    pub signature: Box<str>,
    /// Whether it is the server's own.
    pub is_system: bool,
    /// Its volatility.
    pub volatility: Volatility,
    /// Whether it is called without arguments and outside of a subquery: for each row, with one and the same answer.
    pub is_bare: bool,
    /// Its language.
    pub language: Oid,
    /// The type of arrays, or a domain over one, that it returns, quoted; `None` where it returns no array.
    pub array_type: Option<Box<str>>,
}

/// USING and WITH CHECK of one policy.
#[derive(Clone, Debug, Default)]
pub struct PolicyExpression {
    /// USING is `true`.
    pub using_is_true: bool,
    /// WITH CHECK is `true`.
    pub check_is_true: bool,
    /// What they call, each once.
    pub functions: Vec<CalledFunction>,
    /// The table's own columns that USING asks for.
    pub columns: Vec<ColumnNumber>,
    /// Those that WITH CHECK asks for; `None` where it asks for the whole row or another table, so that nobody knows.
    pub check_columns: Option<Vec<ColumnNumber>>,
    /// USING and WITH CHECK as SQL with every name qualified, where a function is bare or some policy of the table checks none of the
    /// columns that rows are chosen by; `None` also where the table was locked, or other tables are asked.
    pub text: Option<PolicyText>,
}

/// The expressions of a policy as SQL; `None` for one that it does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyText {
    /// USING.
    pub using: Option<Box<str>>,
    /// WITH CHECK.
    pub check: Option<Box<str>>,
}
