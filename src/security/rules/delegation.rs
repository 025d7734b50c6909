//! Privileges that a role may hand on: who has them tomorrow is not up to the owner.

use super::functions::{judged, name_of};
use super::logins::Logins;
use super::words::{ANY, as_grantor, grantees, kind_of, listed, rights, together};
use crate::catalog::security::privilege;
use crate::catalog::{Grant, Membership, Oid, Privileges, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::security::rights::{FIRST_OWN_ROLE, Rights};
use crate::text::quote_identifier;

/// `security.role_with_admin_option`: a login decides who else is in a role.
pub const ROLE_WITH_ADMIN_OPTION: Rule = Rule {
    id: "security.role_with_admin_option",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Login that puts others into a role",
    why: "WITH ADMIN OPTION a member grants the role to whom it likes, itself included, and takes it from others. Who is in the role is then \
          as safe as that login's password.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-grant.html#SQL-GRANT-DESCRIPTION-ROLES",
    check: admin_option,
};

fn admin_option(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    let logins = Logins::new(snapshot, &rights, facts.interrupt);
    verdicts.examine(snapshot.roles.len() as u64);
    for membership in snapshot.memberships.iter().filter(|membership| membership.is_admin) {
        (facts.interrupt)();
        let (Some(role), Some(member)) = (rights.role(membership.role), rights.role(membership.member))
        else {
            continue;
        };
        // From 16 on whoever makes a role is given it so: that he makes roles has a rule of its own.
        if member.is_superuser || member.creates_roles || member.oid < FIRST_OWN_ROLE {
            continue;
        }
        let logins = logins.of(member.oid);
        if logins.is_empty() {
            continue;
        }
        let (role_name, member_name) = (quote_identifier(&role.name), quote_identifier(&member.name));
        let reaches_far = role.is_superuser || role.oid < FIRST_OWN_ROLE;
        let mut message = format!("role {member_name} grants role {role_name} to whom it likes");
        if logins != [member_name.clone()] {
            message.push_str(&format!(", and so do those who act as it: {}", listed(&logins)));
        }
        let (fix, undo) = without_option(&rights, snapshot, membership, &role_name, &member_name);
        verdicts.find(
            Finding::new(format!("{member_name} over {role_name}"), "", message)
                .severity(if reaches_far { Severity::Error } else { Severity::Warning })
                .evidence("logins", logins)
                .fix(fix, undo),
        );
    }
}

fn without_option(
    rights: &Rights<'_>,
    snapshot: &Snapshot,
    membership: &Membership,
    role: &str,
    member: &str,
) -> (String, String) {
    if snapshot.server.version < 160_000 {
        return (
            format!("REVOKE ADMIN OPTION FOR {role} FROM {member};"),
            format!("GRANT {role} TO {member} WITH ADMIN OPTION;"),
        );
    }
    let by = rights.name(membership.grantor);
    (
        format!("REVOKE ADMIN OPTION FOR {role} FROM {member} GRANTED BY {by};"),
        format!("GRANT {role} TO {member} WITH ADMIN TRUE GRANTED BY {by};"),
    )
}

/// `security.grant_option`: privileges that others than the owner hand on.
pub const GRANT_OPTION: Rule = Rule {
    id: "security.grant_option",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Privilege that is granted WITH GRANT OPTION",
    why: "Whoever has it so gives it to anybody, PUBLIC included, and a REVOKE from him fails as long as somebody has it from him. Who may \
          use an object should be up to its owner.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-grant.html",
    check: grant_option,
};

/// What may carry such a privilege.
struct Object<'a> {
    name: String,
    schema: &'a str,
    /// What it is called in words, and what stands after ON.
    kind: &'static str,
    on: &'static str,
    owner: Oid,
    acl: &'a [Grant],
}

fn grant_option(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for relation in snapshot.judged_relations() {
        (facts.interrupt)();
        verdicts.examine(1);
        if let Some(acl) = relation.acl.as_deref().filter(|acl| hands_on(acl)) {
            let object = Object {
                name: snapshot.relation_name(relation.oid),
                schema: snapshot.schema_name(relation.schema),
                kind: kind_of(relation),
                on: "TABLE",
                owner: relation.owner,
                acl,
            };
            tell(&rights, object, verdicts);
        }
    }
    for schema in snapshot.namespaces.values().filter(|schema| !schema.is_system()) {
        (facts.interrupt)();
        verdicts.examine(1);
        if let Some(acl) = schema.acl.as_deref().filter(|acl| hands_on(acl)) {
            let name = quote_identifier(&schema.name);
            let (kind, on) = ("schema", "SCHEMA");
            let object = Object { name, schema: &schema.name, kind, on, owner: schema.owner, acl };
            tell(&rights, object, verdicts);
        }
    }
    for function in judged(facts, false) {
        verdicts.examine(1);
        if let Some(acl) = function.acl.as_deref().filter(|acl| hands_on(acl)) {
            let object = Object {
                name: name_of(facts, function),
                schema: snapshot.schema_name(function.schema),
                kind: "function",
                on: "ROUTINE",
                owner: function.owner,
                acl,
            };
            tell(&rights, object, verdicts);
        }
    }
}

fn options(grant: &Grant) -> Privileges {
    (grant.privileges >> 32) & grant.privileges & ANY
}

/// Whether a list has the option to grant at all, the owner's aside, which it seldom writes down.
fn hands_on(acl: &[Grant]) -> bool {
    acl.iter().any(|grant| options(grant) != 0)
}

fn tell(rights: &Rights<'_>, object: Object<'_>, verdicts: &mut Verdicts<'_>) {
    let Object { name, schema, kind, on, owner, acl } = object;
    let found: Vec<Grant> = acl
        .iter()
        .filter(|grant| options(grant) != 0 && grant.grantee != owner && !rights.is_superuser(grant.grantee))
        .map(|grant| Grant { privileges: options(grant), ..*grant })
        .collect();
    if found.is_empty() {
        return;
    }
    let whom = grantees(rights, &found);
    let may = if whom.len() == 1 { "gives" } else { "give" };
    let message = format!(
        "{} {may} {} on {kind} {name} to whom it likes",
        listed(&whom),
        privilege::names(together(&found))
    );
    let mut finding = Finding::new(name.clone(), schema, message).evidence("granted_to", whom);
    let given_on: Vec<Grant> =
        acl.iter().filter(|grant| found.iter().any(|own| own.grantee == grant.grantor)).copied().collect();
    if given_on.is_empty() {
        let (mut fix, mut undo) = (Vec::new(), Vec::new());
        for grant in &found {
            let (names, grantee) = (privilege::names(grant.privileges), rights.name(grant.grantee));
            let as_grantor = |statement| as_grantor(rights, grant.grantor, owner, statement);
            fix.push(as_grantor(format!("REVOKE GRANT OPTION FOR {names} ON {on} {name} FROM {grantee};")));
            undo.push(as_grantor(format!("GRANT {names} ON {on} {name} TO {grantee} WITH GRANT OPTION;")));
        }
        finding = finding.fix(fix.join("\n"), undo.join("\n"));
    } else {
        finding = finding.evidence("given_on_to", grantees(rights, &given_on)).evidence(
            "no_simple_fix_because",
            "what was given on goes with it: let the owner grant it to those who need it first",
        );
    }
    verdicts.find(finding);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Role;
    use crate::catalog::sample::{Sample, run};

    fn sample() -> Sample {
        let mut sample = Sample::new();
        for (oid, name, is_superuser) in [
            (10, "postgres", true),
            (20_000, "app", false),
            (20_001, "people", false),
            (20_002, "bob", false),
        ] {
            let logs_in = oid != 20_001;
            let role = Role { oid, name: name.into(), logs_in, is_superuser, ..Role::default() };
            sample.snapshot.roles.push(role);
        }
        sample
    }

    fn join(sample: &mut Sample, role: Oid, member: Oid, is_admin: bool) {
        let membership = Membership { role, member, is_admin, grantor: 10, ..Membership::default() };
        sample.snapshot.memberships.push(membership);
    }

    #[test]
    fn who_puts_others_into_a_role_is_found_and_who_is_only_in_it_is_right() {
        let mut sample = sample();
        join(&mut sample, 20_001, 20_000, true);
        join(&mut sample, 20_001, 20_002, false);
        sample.snapshot.server.version = 160_000;
        let found = run(&ROLE_WITH_ADMIN_OPTION, &sample.finish()).0;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "role app grants role people to whom it likes");
        assert_eq!(
            found[0].fix.as_deref(),
            Some("REVOKE ADMIN OPTION FOR people FROM app GRANTED BY postgres;")
        );
    }

    #[test]
    fn who_makes_roles_and_what_nobody_acts_as_is_right() {
        let mut maker = sample();
        maker.snapshot.roles[1].creates_roles = true;
        join(&mut maker, 20_001, 20_000, true);
        assert!(run(&ROLE_WITH_ADMIN_OPTION, &maker.finish()).0.is_empty());
        let mut idle = sample();
        join(&mut idle, 20_002, 20_001, true);
        assert!(run(&ROLE_WITH_ADMIN_OPTION, &idle.finish()).0.is_empty());
    }

    #[test]
    fn what_others_hand_on_is_found() {
        let with = |grants: &[Grant]| {
            let mut sample = sample();
            let table = sample.keyed_table("orders");
            let acl: Box<[Grant]> = grants.into();
            sample.edit_table(table, |table| table.acl = Some(acl));
            run(&GRANT_OPTION, &sample.finish()).0
        };
        let grant = |grantee, grantor, privileges| Grant { grantee, grantor, privileges };
        let select = privilege::SELECT;
        assert!(with(&[grant(20_000, 10, select | privilege::INSERT)]).is_empty());
        let found = with(&[grant(20_000, 10, select | privilege::INSERT | select << 32)]);
        assert_eq!(found[0].message, "app gives SELECT on table public.orders to whom it likes");
        assert_eq!(
            found[0].fix.as_deref(),
            Some("REVOKE GRANT OPTION FOR SELECT ON TABLE public.orders FROM app;")
        );
        assert_eq!(
            found[0].undo.as_deref(),
            Some("GRANT SELECT ON TABLE public.orders TO app WITH GRANT OPTION;")
        );
        // What he gave on would have to go.
        let found = with(&[grant(20_000, 10, select | select << 32), grant(20_002, 20_000, select)]);
        assert!(found[0].fix.is_none());
    }
}
