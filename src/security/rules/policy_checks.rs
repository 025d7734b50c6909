//! Policies under which rows are written that they would not let be read: whoever writes gives them to another tenant.

use super::policies::{is_about, object, policies};
use super::words::rights;
use crate::catalog::security::PolicyExpression;
use crate::catalog::{ColumnNumber, Oid, Policy, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::security::rights::Rights;
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
    let rights = rights(snapshot);
    for (table, policy, expression) in policies(facts, verdicts) {
        if !policy.is_permissive || expression.check_columns.is_none() {
            continue;
        }
        let forgotten = roles(snapshot, &rights, policy).into_iter().find_map(|role| {
            let chosen_by = chosen_by(snapshot, &rights, policy, expression, role);
            (expression.check_forgets(&chosen_by)
                && !is_restricted(snapshot, &rights, policy, role, &chosen_by))
            .then_some(chosen_by)
        });
        let Some(chosen_by) = forgotten else { continue };
        let object = object(snapshot, table, policy);
        let columns = snapshot.column_names(table.oid, &chosen_by);
        let message = format!(
            "policy {object} lets rows be written whatever they have in {}, by which rows are chosen to be read",
            snapshot.column_list(table.oid, &chosen_by)
        );
        let finding =
            Finding::new(object, snapshot.schema_name(table.schema), message).evidence("columns", columns);
        verdicts.find(match checked_as_well(snapshot, &rights, policy, expression, &chosen_by) {
            Ok((becomes, is)) => {
                let (name, on) = (quote_identifier(&policy.name), snapshot.relation_name(table.oid));
                let alter = |check: &str| format!("ALTER POLICY {name} ON {on} WITH CHECK ({check});");
                let finding = finding.fix(alter(&becomes), alter(is)).evidence("check_becomes", becomes);
                match chosen_by.len() {
                    1 => finding,
                    _ => finding.evidence(
                        "check",
                        "all of USING is asked of what is written then: right where no row is to leave it by one of these columns",
                    ),
                }
            }
            Err(why) => finding.evidence("no_simple_fix_because", why),
        });
    }
}

fn expression_of<'a>(snapshot: &'a Snapshot, policy: &Policy) -> Option<&'a PolicyExpression> {
    snapshot.security.policies.get(&policy.oid)
}

/// Whether a policy binds a role: it is for everybody, or for a role whose rights that one has. 0 is who has no policy of his own.
fn binds(rights: &Rights<'_>, policy: &Policy, role: Oid) -> bool {
    let has_rights_of = |&other: &Oid| other == 0 || role != 0 && rights.has_rights_of(role, other);
    policy.roles.iter().any(has_rights_of)
}

/// The roles that a policy binds and whose rows may be chosen each by other policies: its own, and those of other policies.
fn roles(snapshot: &Snapshot, rights: &Rights<'_>, policy: &Policy) -> Vec<Oid> {
    let mut roles = policy.roles.to_vec();
    let others = snapshot.policies_of(policy.table).iter().flat_map(|other| other.roles.iter().copied());
    for role in others {
        if !roles.contains(&role) && binds(rights, policy, role) {
            roles.push(role);
        }
    }
    roles
}

/// The permissive policies by which the rows of a role are chosen.
fn choosing<'a>(
    snapshot: &'a Snapshot,
    rights: &Rights<'_>,
    table: Oid,
    role: Oid,
) -> Vec<(&'a Policy, &'a PolicyExpression)> {
    snapshot
        .policies_of(table)
        .iter()
        // Without USING a permissive policy lets nothing be seen.
        .filter(|other| other.is_permissive && other.has_using && binds(rights, other, role))
        .filter_map(|other| Some((other, expression_of(snapshot, other)?)))
        .collect()
}

/// The columns by which the rows are chosen that a policy lets a role write: its own USING's; of one for INSERT, which has none, those
/// that every other policy for that role chooses by, if one of them is for writing.
fn chosen_by(
    snapshot: &Snapshot,
    rights: &Rights<'_>,
    policy: &Policy,
    expression: &PolicyExpression,
    role: Oid,
) -> Vec<ColumnNumber> {
    if policy.command != 'a' {
        return expression.columns.clone();
    }
    let others = choosing(snapshot, rights, policy.table, role);
    if !others.iter().any(|(other, _)| other.command != 'r') {
        return Vec::new();
    }
    let mut others = others.into_iter().map(|(_, expression)| &expression.columns);
    let first = others.next().cloned().unwrap_or_default();
    others.fold(first, |mut common, columns| {
        common.retain(|column| columns.contains(column));
        common
    })
}

/// Whether restrictive policies see to it for a role, for each command that the policy is about.
fn is_restricted(
    snapshot: &Snapshot,
    rights: &Rights<'_>,
    policy: &Policy,
    role: Oid,
    chosen_by: &[ColumnNumber],
) -> bool {
    ['a', 'w'].into_iter().filter(|&command| is_about(policy, command)).all(|command| {
        snapshot.policies_of(policy.table).iter().any(|other| {
            !other.is_permissive
                && is_about(other, command)
                && binds(rights, other, role)
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
    })
}

/// WITH CHECK with what rows are chosen by asked for as well, and as it is; or why that is not simply done.
fn checked_as_well<'a>(
    snapshot: &'a Snapshot,
    rights: &Rights<'_>,
    policy: &Policy,
    expression: &'a PolicyExpression,
    chosen_by: &[ColumnNumber],
) -> Result<(String, &'a str), &'static str> {
    let choosing = match policy.command {
        'a' => choosing_for_insert(snapshot, rights, policy, expression, chosen_by)?,
        _ => expression,
    };
    let using = choosing.text.as_ref().and_then(|text| text.using.as_deref());
    let check = expression.text.as_ref().and_then(|text| text.check.as_deref());
    let (using, check) = using.zip(check).ok_or(UNREAD)?;
    Ok((format!("({using}) AND ({check})"), check))
}

const UNREAD: &str = "ALTER POLICY … WITH CHECK (…) takes the whole expression, which reads other tables or could not be read now";

/// The one USING that says whose a row is that a policy for INSERT lets be written, and nothing else.
fn choosing_for_insert<'a>(
    snapshot: &'a Snapshot,
    rights: &Rights<'_>,
    policy: &Policy,
    expression: &PolicyExpression,
    chosen_by: &[ColumnNumber],
) -> Result<&'a PolicyExpression, &'static str> {
    let is_other = |role| self::chosen_by(snapshot, rights, policy, expression, role) != chosen_by;
    if roles(snapshot, rights, policy).into_iter().any(is_other) {
        return Err("other roles that the policy is for have their rows chosen otherwise: \
                    what is right for one would refuse what another may write");
    }
    // What may be deleted, or only read, says nothing of what may be made.
    let found: Vec<&PolicyExpression> =
        choosing(snapshot, rights, policy.table, policy.roles.first().copied().unwrap_or_default())
            .into_iter()
            .filter(|(other, using)| is_about(other, 'w') && using.columns == chosen_by)
            .filter(|(other, _)| policy.roles.iter().all(|&role| binds(rights, other, role)))
            .map(|(_, using)| using)
            .collect();
    let Some(&first) = found.first() else {
        return Err(
            "no policy for UPDATE chooses by these columns alone: its whole USING would refuse more than what is another's",
        );
    };
    let using = |expression: &&'a PolicyExpression| expression.text.as_ref()?.using.as_deref();
    if found.iter().any(|expression| using(expression).is_none()) {
        return Err(UNREAD);
    }
    if found.iter().any(|expression| using(expression) != using(&first)) {
        return Err(
            "several policies choose by these columns, each otherwise: which of them new rows belong to is not known here",
        );
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::security::PolicyText;

    /// A policy: whether it is permissive, its command, and the columns of USING and of WITH CHECK.
    type Said = (bool, char, &'static [ColumnNumber], Option<&'static [ColumnNumber]>);

    fn said((is_permissive, command, using, check): Said) -> (Policy, PolicyExpression) {
        let policy = Policy {
            command,
            is_permissive,
            roles: [0].into(),
            has_using: command != 'a',
            has_with_check: check.is_some(),
            ..Policy::default()
        };
        let expression = PolicyExpression {
            columns: using.to_vec(),
            check_columns: check.map(<[ColumnNumber]>::to_vec),
            text: Some(PolicyText {
                using: policy.has_using.then(|| "tenant = 1".into()),
                check: check.map(|_| "amount > 0".into()),
            }),
            ..PolicyExpression::default()
        };
        (policy, expression)
    }

    fn to(roles: &[Oid], said: Said) -> (Policy, PolicyExpression) {
        let (policy, expression) = self::said(said);
        (Policy { roles: roles.into(), ..policy }, expression)
    }

    /// With another USING, or none of which the text could be read.
    fn using(text: Option<&str>, said: Said) -> (Policy, PolicyExpression) {
        let (policy, mut expression) = self::said(said);
        expression.text = text.map(|using| PolicyText { using: Some(using.into()), check: None });
        (policy, expression)
    }

    fn sample(policies: Vec<(Policy, PolicyExpression)>) -> Sample {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        for name in ["tenant", "amount", "status"] {
            sample.column(table, name, crate::catalog::types::builtin::INT8);
        }
        for (number, (policy, expression)) in (1..).zip(policies) {
            let oid = sample.oid();
            sample.snapshot.policies.push(Policy { oid, name: format!("p{number}").into(), table, ..policy });
            sample.snapshot.security.policies.insert(oid, expression);
        }
        sample
    }

    fn found_among(policies: Vec<(Policy, PolicyExpression)>) -> Vec<Finding> {
        run(&POLICY_CHECK_FORGETS_TENANT, &sample(policies).finish()).0
    }

    fn found(policies: &[Said]) -> Vec<Finding> {
        found_among(policies.iter().copied().map(said).collect())
    }

    /// What WITH CHECK becomes, or why that is not simply done.
    fn mended(policies: Vec<(Policy, PolicyExpression)>) -> String {
        let findings = found_among(policies);
        assert_eq!(findings.len(), 1);
        let told =
            |key: &str| findings[0].evidence.get(key).and_then(|told| told.as_str()).unwrap_or_default();
        let (becomes, why) = (told("check_becomes"), told("no_simple_fix_because"));
        assert_eq!(findings[0].fix.is_some(), why.is_empty());
        assert!(findings[0].fix.iter().all(|fix| fix.contains(&format!("WITH CHECK ({becomes});"))));
        format!("{becomes}{why}")
    }

    const INSERT: Said = (true, 'a', &[], Some(&[3]));
    const TENANT_AND_AMOUNT: &str = "(tenant = 1) AND (amount > 0)";

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

    #[test]
    fn a_policy_for_insert_is_held_against_what_is_for_the_same_role() {
        let (app, admin) = (41, 42);
        let beside = |insert: &[Oid], chosen: &[Oid], all: &[Oid]| {
            vec![
                to(chosen, (true, 'r', &[2], None)),
                to(chosen, (true, 'w', &[2], None)),
                to(insert, INSERT),
                to(all, (true, '*', &[], None)),
            ]
        };
        assert_eq!(mended(beside(&[app], &[app], &[admin])), TENANT_AND_AMOUNT);
        assert!(found_among(beside(&[app], &[app], &[0])).is_empty());
        assert!(found_among(beside(&[app], &[app], &[app, admin])).is_empty());
        assert!(found_among(beside(&[admin], &[app], &[admin])).is_empty());
        // For everybody: app is one of them, and an admin's rows are not to be refused.
        for insert in [&[0][..], &[app, admin]] {
            assert!(
                mended(beside(insert, &[app], &[admin])).starts_with("other roles that the policy is for")
            );
        }
        // Who is in a role is bound by what is for that role.
        let mut sample = sample(beside(&[app], &[40], &[admin]));
        sample.snapshot.memberships.push(crate::catalog::Membership {
            role: 40,
            member: app,
            is_admin: false,
            grantor: 10,
            inherits: true,
            sets: true,
        });
        assert_eq!(run(&POLICY_CHECK_FORGETS_TENANT, &sample.finish()).0.len(), 1);
    }

    #[test]
    fn restrictive_policies_are_asked_for_each_command_and_role() {
        let forgetful = (true, '*', &[2][..], Some(&[3][..]));
        let (insert, update) = ((false, 'a', &[][..], Some(&[2][..])), (false, 'w', &[][..], Some(&[2][..])));
        assert!(found(&[forgetful, insert, update]).is_empty());
        assert_eq!(found(&[forgetful, insert]).len(), 1);
        assert_eq!(found(&[forgetful, update]).len(), 1);
        assert!(found(&[(true, 'w', &[2], Some(&[3])), update]).is_empty());
        let (bound, forgetful) = ((false, '*', &[2][..], None), to(&[41, 42], forgetful));
        assert_eq!(found_among(vec![forgetful.clone(), to(&[41], bound)]).len(), 1);
        assert!(found_among(vec![forgetful, to(&[41], bound), to(&[42], bound)]).is_empty());
    }

    #[test]
    fn only_what_says_whose_a_row_is_and_nothing_else_is_asked_for_as_well() {
        let drafts = Some("tenant = 1 AND status = 'draft'");
        let delete = using(drafts, (true, 'd', &[2, 4], None));
        let update = (true, 'w', &[2][..], None);
        assert_eq!(mended(vec![delete, said(update), said(INSERT)]), TENANT_AND_AMOUNT);
        let update_drafts = using(drafts, (true, 'w', &[2, 4], None));
        assert_eq!(mended(vec![update_drafts.clone(), said(update), said(INSERT)]), TENANT_AND_AMOUNT);
        for other in ['r', 'd'] {
            let why = mended(vec![said((true, other, &[2], None)), update_drafts.clone(), said(INSERT)]);
            assert!(why.starts_with("no policy for UPDATE chooses by these columns alone"), "{why}");
        }
        let why = mended(vec![said(update), using(Some("tenant = 3"), update), said(INSERT)]);
        assert!(why.starts_with("several policies choose by these columns"), "{why}");
        assert_eq!(mended(vec![using(None, update), said(INSERT)]), UNREAD);
    }

    #[test]
    fn a_using_of_several_columns_is_told_of_where_all_of_it_is_asked_for() {
        let told = |using| found(&[(true, 'w', using, Some(&[3]))])[0].evidence.contains_key("check");
        assert!(told(&[2, 4]));
        assert!(!told(&[2]));
    }
}
