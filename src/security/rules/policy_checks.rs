//! Policies under which rows are written that they would not let be read: whoever writes gives them to another tenant.

use super::policies::{object, policies};
use crate::catalog::security::PolicyExpression;
use crate::catalog::{ColumnNumber, Policy, Relation, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// `security.policy_check_forgets_tenant`: WITH CHECK asks for none of the columns by which rows are chosen.
pub const POLICY_CHECK_FORGETS_TENANT: Rule = Rule {
    id: "security.policy_check_forgets_tenant",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Policy that checks anything but the tenant of a new row",
    why: "USING says which rows are seen, WITH CHECK alone which ones are written. Where it does not ask for the column that USING chooses by, \
          one tenant writes rows into another's, who then reads them as his own.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-createpolicy.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for (table, policy, expression) in policies(facts, verdicts) {
        let Some(checked) = expression.check_columns.as_ref() else { continue };
        if !policy.is_permissive || expression.check_is_true {
            continue;
        }
        let chosen_by = chosen_by(snapshot, table, policy, expression, checked);
        if chosen_by.is_empty() || checked.iter().any(|column| chosen_by.contains(column)) {
            continue;
        }
        if is_restricted(snapshot, table, policy, &chosen_by) {
            continue;
        }
        let object = object(snapshot, table, policy);
        let columns = snapshot.column_names(table.oid, &chosen_by);
        let message = format!(
            "policy {object} lets rows be written whatever they have in {}, by which rows are chosen to be read",
            snapshot.column_list(table.oid, &chosen_by)
        );
        let finding =
            Finding::new(object, snapshot.schema_name(table.schema), message).evidence("columns", columns);
        verdicts.find(match checked_as_well(snapshot, table, policy, expression) {
            Some((fix, undo)) => finding.fix(fix, undo),
            None => finding.evidence(
                "no_simple_fix_because",
                "ALTER POLICY … WITH CHECK (…) takes the whole expression, which reads other tables or could not be read now",
            ),
        });
    }
}

fn expression_of<'a>(snapshot: &'a Snapshot, policy: &Policy) -> Option<&'a PolicyExpression> {
    snapshot.security.policies.get(&policy.oid)
}

/// Other policies of the table by which its rows are chosen, permissive or not.
fn choosing<'a>(
    snapshot: &'a Snapshot,
    table: &Relation,
    is_permissive: bool,
) -> impl Iterator<Item = (&'a Policy, &'a PolicyExpression)> {
    snapshot
        .policies_of(table.oid)
        .iter()
        .filter(move |other| other.is_permissive == is_permissive && other.command != 'a')
        .filter_map(|other| Some((other, expression_of(snapshot, other)?)))
}

/// The columns by which the rows are chosen that a policy lets be written: its own USING's; of one for INSERT, which has none, those that
/// every other policy of the table chooses by, if one of them is for writing.
fn chosen_by(
    snapshot: &Snapshot,
    table: &Relation,
    policy: &Policy,
    expression: &PolicyExpression,
    checked: &[ColumnNumber],
) -> Vec<ColumnNumber> {
    // One that looks at no column is about who writes, not about what.
    if checked.is_empty() {
        return Vec::new();
    }
    if policy.command != 'a' {
        return expression.columns.clone();
    }
    if !choosing(snapshot, table, true).any(|(other, _)| other.command != 'r') {
        return Vec::new();
    }
    let mut others = choosing(snapshot, table, true).map(|(_, expression)| &expression.columns);
    let first = others.next().cloned().unwrap_or_default();
    others.fold(first, |mut common, columns| {
        common.retain(|column| columns.contains(column));
        common
    })
}

/// Whether a restrictive policy sees to it.
fn is_restricted(snapshot: &Snapshot, table: &Relation, policy: &Policy, chosen_by: &[ColumnNumber]) -> bool {
    snapshot.policies_of(table.oid).iter().any(|other| {
        let is_for_it = other.command == '*' || other.command == policy.command;
        let is_for_all =
            other.roles.contains(&0) || policy.roles.iter().all(|role| other.roles.contains(role));
        !other.is_permissive
            && is_for_it
            && is_for_all
            && expression_of(snapshot, other).is_some_and(|expression| {
                // WITH CHECK is USING where it is not given; one of which nobody knows what it asks may ask for it.
                let checked = match (other.has_with_check, &expression.check_columns) {
                    (true, None) => return true,
                    (true, Some(checked)) => checked,
                    (false, _) => &expression.columns,
                };
                checked.iter().any(|column| chosen_by.contains(column))
            })
    })
}

/// The policy with what rows are chosen by checked as well, and as it is.
fn checked_as_well(
    snapshot: &Snapshot,
    table: &Relation,
    policy: &Policy,
    expression: &PolicyExpression,
) -> Option<(String, String)> {
    let own = expression.text.as_ref()?;
    let check = own.check.as_deref()?;
    let using = match policy.command {
        'a' => choosing(snapshot, table, true)
            .filter(|(other, _)| {
                other.command != 'r' && (other.roles.contains(&0) || other.roles == policy.roles)
            })
            .find_map(|(_, other)| other.text.as_ref()?.using.as_deref())?,
        _ => own.using.as_deref()?,
    };
    let alter = |check: &str| {
        let (name, table) = (quote_identifier(&policy.name), snapshot.relation_name(table.oid));
        format!("ALTER POLICY {name} ON {table} WITH CHECK ({check});")
    };
    Some((alter(&format!("({using}) AND ({check})")), alter(check)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::security::PolicyText;

    /// A policy: whether it is permissive, its command, and the columns of USING and of WITH CHECK.
    type Said = (bool, char, &'static [ColumnNumber], Option<&'static [ColumnNumber]>);

    fn found(policies: &[Said]) -> Vec<Finding> {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        for name in ["tenant", "amount"] {
            sample.column(table, name, crate::catalog::types::builtin::INT8);
        }
        for (number, &(is_permissive, command, using, check)) in (1..).zip(policies) {
            let oid = sample.oid();
            sample.snapshot.policies.push(Policy {
                oid,
                name: format!("p{number}").into(),
                table,
                command,
                is_permissive,
                roles: [0].into(),
                has_using: !using.is_empty(),
                has_with_check: check.is_some(),
            });
            let expression = PolicyExpression {
                columns: using.to_vec(),
                check_columns: check.map(<[ColumnNumber]>::to_vec),
                text: Some(PolicyText {
                    using: (!using.is_empty()).then(|| "tenant = 1".into()),
                    check: check.map(|_| "amount > 0".into()),
                }),
                ..PolicyExpression::default()
            };
            sample.snapshot.security.policies.insert(oid, expression);
        }
        run(&POLICY_CHECK_FORGETS_TENANT, &sample.finish()).0
    }

    #[test]
    fn a_check_that_forgets_what_using_chooses_by_is_found_and_asks_for_it_then() {
        for command in ['*', 'w'] {
            let findings = found(&[(true, command, &[2], Some(&[3]))]);
            assert_eq!(
                findings[0].message,
                "policy p1 on public.orders lets rows be written whatever they have in tenant, by which rows are chosen to be read"
            );
            assert_eq!(
                findings[0].fix.as_deref(),
                Some("ALTER POLICY p1 ON public.orders WITH CHECK ((tenant = 1) AND (amount > 0));")
            );
            assert_eq!(
                findings[0].undo.as_deref(),
                Some("ALTER POLICY p1 ON public.orders WITH CHECK (amount > 0);")
            );
        }
    }

    #[test]
    fn a_policy_for_insert_is_held_against_what_all_others_choose_by() {
        let insert = (true, 'a', &[][..], Some(&[3][..]));
        assert_eq!(found(&[(true, '*', &[2], None), insert]).len(), 1);
        assert_eq!(found(&[(true, 'r', &[2], None), (true, 'w', &[2], None), insert]).len(), 1);
        // What everybody reads is not what is his.
        assert!(found(&[(true, 'r', &[1], None), (true, 'w', &[3], None), insert]).is_empty());
        assert!(found(&[(true, 'r', &[2], None), insert]).is_empty());
        // One about who writes.
        assert!(found(&[(true, '*', &[2], None), (true, 'a', &[], Some(&[]))]).is_empty());
    }

    #[test]
    fn what_asks_for_it_or_is_bound_otherwise_is_right() {
        assert!(found(&[(true, '*', &[2], Some(&[2, 3]))]).is_empty());
        assert!(found(&[(true, '*', &[2], None)]).is_empty());
        assert!(found(&[(true, '*', &[2], Some(&[]))]).is_empty());
        assert!(found(&[(true, '*', &[], Some(&[3]))]).is_empty());
        let forgetful = (true, '*', &[2][..], Some(&[3][..]));
        assert!(found(&[forgetful, (false, '*', &[2], None)]).is_empty());
        assert!(found(&[forgetful, (false, '*', &[3], Some(&[2]))]).is_empty());
        assert_eq!(found(&[forgetful, (false, 'r', &[2], None)]).len(), 1);
        assert_eq!(found(&[forgetful, (false, '*', &[2], Some(&[3]))]).len(), 1);
    }
}
