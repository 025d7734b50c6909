//! Who decides what a function does that others run with their own rights, and whether that one is a third party to them.

use std::cell::OnceCell;

use rustc_hash::FxHashSet;

use super::functions::creators;
use super::logins::Logins;
use crate::catalog::security::privilege;
use crate::catalog::{Function, Oid, Snapshot};
use crate::finding::{Finding, Severity};
use crate::security::rights::Rights;
use crate::security::rights::reach::Usable;

/// The owners of functions, as those see them whose tables have these called.
pub struct ThirdParties<'a> {
    rights: &'a Rights<'a>,
    /// The logins that may create in some schema, or make one. Worked out when the first function is found.
    creating: Logins<'a>,
}

impl<'a> ThirdParties<'a> {
    /// Of this cluster. `interrupt` is called where it takes long.
    pub fn new(snapshot: &'a Snapshot, rights: &'a Rights<'a>, interrupt: &'a dyn Fn()) -> Self {
        let creators = OnceCell::new();
        let may_create = move |login: &Usable| {
            may_create(rights, creators.get_or_init(|| all_creators(snapshot, rights)), login)
        };
        Self { rights, creating: Logins::with(snapshot, rights, interrupt, may_create) }
    }

    /// Whether the function's owner has not the rights of that role anyhow.
    pub fn is_third(&self, function: &Function, to: Oid) -> bool {
        !self.rights.is_superuser(function.owner) && !self.rights.has_rights_of(function.owner, to)
    }

    /// The logins that can replace the function: they act as its owner, and create in its schema or in another, into which they
    /// move it. `None` where there is none and it lends its owner's rights, so that it takes none of who runs it.
    pub fn logins(&self, function: &Function) -> Option<Vec<String>> {
        let logins = self.creating.of(function.owner);
        (!function.is_security_definer || !logins.is_empty()).then_some(logins)
    }

    /// How bad it is that these may replace the function; where nobody can today, it is up to who comes next.
    pub fn severity(logins: &[String]) -> Severity {
        if logins.is_empty() { Severity::Warning } else { Severity::Error }
    }

    /// With what gives the function to a role that is no third party.
    pub fn given_to(&self, finding: Finding, function: &Function, name: &str, to: &str) -> Finding {
        if function.is_security_definer {
            return finding.evidence(
                "no_simple_fix_because",
                "it lends its owner's rights, which another owner would not have: but its owner may say SECURITY INVOKER. Have it \
                 owned by a role that nobody logs in as",
            );
        }
        let from = self.rights.name(function.owner);
        finding.evidence("check", "what it does now: its owner wrote it, and may have waited already").fix(
            format!("ALTER ROUTINE {name} OWNER TO {to};"),
            format!("ALTER ROUTINE {name} OWNER TO {from};"),
        )
    }
}

/// Whether one of those who may create is among the roles whose rights a login can use.
fn may_create(rights: &Rights<'_>, creators: &FxHashSet<Oid>, login: &Usable) -> bool {
    creators.contains(&0)
        || login.roles.iter().any(|role| creators.contains(role))
        || login.is_every && creators.iter().any(|&creator| rights.grantable_for(creator).is_some())
}

/// Who may create in some schema, or make one; 0 is everybody.
fn all_creators(snapshot: &Snapshot, rights: &Rights<'_>) -> FxHashSet<Oid> {
    let schemas = snapshot.namespaces.values().filter(|schema| !schema.is_system());
    let mut found: FxHashSet<Oid> = schemas.flat_map(|schema| creators(snapshot, rights, schema)).collect();
    let database = &snapshot.security.database;
    let acl = rights.acl(database);
    let on_database = acl.iter().filter(|grant| grant.privileges & privilege::CREATE != 0);
    found.extend(on_database.map(|grant| grant.grantee));
    found
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::words;
    use super::*;
    use crate::catalog::sample::Sample;
    use crate::catalog::{Grant, Membership};

    const DEPLOY: Oid = 20_000;
    const OTHER: Oid = 20_001;
    const FN_OWNER: Oid = 20_002;

    /// The logins deploy and other, and a role that nobody logs in as and that only deploy may grant; everybody creates.
    fn sample(version: i32) -> Sample {
        let mut sample = Sample::with_roles(&[(DEPLOY, "deploy"), (OTHER, "other"), (FN_OWNER, "fn_owner")]);
        sample.snapshot.server.version = version;
        sample
            .snapshot
            .roles
            .iter_mut()
            .filter(|role| role.oid == FN_OWNER)
            .for_each(|role| role.logs_in = false);
        sample.snapshot.namespaces.entry(2200).and_modify(|public| {
            public.acl = Some([Grant { grantee: 0, grantor: 10, privileges: privilege::CREATE }].into());
        });
        sample
    }

    fn deploy_may_grant(sample: &mut Sample) {
        sample.snapshot.memberships.push(Membership {
            role: FN_OWNER,
            member: DEPLOY,
            is_admin: true,
            grantor: 10,
            ..Membership::default()
        });
    }

    fn logins(sample: Sample, interrupt: &dyn Fn()) -> Option<Vec<String>> {
        let snapshot = sample.finish();
        let rights = words::rights(&snapshot);
        let third = ThirdParties::new(&snapshot, &rights, interrupt);
        let function = Function { owner: FN_OWNER, is_security_definer: true, ..Function::default() };
        assert_eq!(third.logins(&function), third.logins(&function));
        third.logins(&function)
    }

    #[test]
    fn who_grants_himself_the_owners_role_replaces_the_function() {
        assert_eq!(logins(sample(160_000), &|| {}), None);
        for only_he_creates in [false, true] {
            let mut sample = sample(160_000);
            deploy_may_grant(&mut sample);
            if only_he_creates {
                // He creates as that role alone.
                sample.snapshot.namespaces.entry(2200).and_modify(|public| {
                    let privileges = privilege::CREATE;
                    public.acl = Some([Grant { grantee: FN_OWNER, grantor: 10, privileges }].into());
                });
            }
            assert_eq!(logins(sample, &|| {}), Some(vec!["deploy".to_owned()]));
        }
    }

    #[test]
    fn until_15_who_makes_roles_grants_himself_each() {
        for (version, expected) in [(150_000, Some(vec!["other".to_owned()])), (160_000, None)] {
            let mut sample = sample(version);
            let roles = sample.snapshot.roles.iter_mut();
            roles.filter(|role| role.oid == OTHER).for_each(|role| role.creates_roles = true);
            assert_eq!(logins(sample, &|| {}), expected);
        }
    }

    #[test]
    fn each_login_is_looked_at_once_and_a_cancel_is_heard() {
        let heard = Cell::new(0);
        let mut sample = sample(160_000);
        deploy_may_grant(&mut sample);
        logins(sample, &|| heard.set(heard.get() + 1));
        assert_eq!(heard.get(), 2);
    }
}
