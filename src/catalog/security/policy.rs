//! What a policy's expressions do.

use super::super::{ColumnNumber, Oid, Policy, Volatility};

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
    /// USING and WITH CHECK as SQL with every name qualified, where a function is bare or [`are_to_be_printed`] says so; `None` also
    /// where the table was locked, or other tables are asked.
    pub text: Option<PolicyText>,
}

impl PolicyExpression {
    /// Whether WITH CHECK asks for columns, but for none of those that rows are chosen by.
    pub fn check_forgets(&self, chosen_by: &[ColumnNumber]) -> bool {
        // One that looks at no column is about who writes, not about what.
        let checked =
            self.check_columns.as_ref().filter(|checked| !checked.is_empty() && !self.check_is_true);
        !chosen_by.is_empty()
            && checked.is_some_and(|checked| !checked.iter().any(|column| chosen_by.contains(column)))
    }
}

/// Whether the expressions of the policies of one table are wanted as SQL: some WITH CHECK forgets what its own USING chooses by or,
/// being for INSERT, what another policy's does, which may have to be added to it.
pub fn are_to_be_printed(policies: &[(&Policy, &PolicyExpression)]) -> bool {
    policies.iter().any(|(policy, expression)| {
        policy.is_permissive
            && match policy.command {
                'a' => policies.iter().any(|(_, other)| expression.check_forgets(&other.columns)),
                _ => expression.check_forgets(&expression.columns),
            }
    })
}

/// The expressions of a policy as SQL; `None` for one that it does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyText {
    /// USING.
    pub using: Option<Box<str>>,
    /// WITH CHECK.
    pub check: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command of a policy and the columns of its USING and its WITH CHECK.
    type Said = (char, &'static [ColumnNumber], Option<&'static [ColumnNumber]>);

    fn are_printed(said: &[Said]) -> bool {
        let policies: Vec<(Policy, PolicyExpression)> = said
            .iter()
            .map(|&(command, using, check)| {
                let policy = Policy { command, is_permissive: true, ..Policy::default() };
                let expression = PolicyExpression {
                    columns: using.to_vec(),
                    check_columns: check.map(<[ColumnNumber]>::to_vec),
                    ..PolicyExpression::default()
                };
                (policy, expression)
            })
            .collect();
        let policies: Vec<_> = policies.iter().map(|(policy, expression)| (policy, expression)).collect();
        are_to_be_printed(&policies)
    }

    #[test]
    fn a_check_is_held_against_its_own_using_and_for_insert_against_each_other_one() {
        let forgetful = ('w', &[2][..], Some(&[3][..]));
        assert!(are_printed(&[forgetful]));
        // That another policy chooses by what this one checks does not mend it.
        assert!(are_printed(&[('r', &[3], None), forgetful]));
        let insert = ('a', &[][..], Some(&[3][..]));
        assert!(are_printed(&[('r', &[2, 3], None), ('w', &[2], None), insert]));
        assert!(!are_printed(&[('r', &[2, 3], None), ('w', &[3], None), insert]));
        assert!(!are_printed(&[('r', &[2], None), ('w', &[3], Some(&[3]))]));
        assert!(!are_printed(&[('*', &[2], None), ('a', &[], Some(&[]))]));
    }
}
