//! Who decides what a function does that others run with their own rights, and whether that one is a third party to them.

use std::cell::{OnceCell, RefCell};

use rustc_hash::FxHashMap;

use super::functions::creators;
use super::words::logins_as;
use crate::catalog::security::privilege;
use crate::catalog::{Function, Oid, Snapshot};
use crate::finding::{Finding, Severity};
use crate::security::rights::Rights;

/// The owners of functions, as those see them whose tables have these called.
pub struct ThirdParties<'a> {
    snapshot: &'a Snapshot,
    rights: &'a Rights<'a>,
    /// The logins that may create in some schema, or make one; `None` where everybody may. Worked out when the first function is
    /// found, as what follows.
    creating: OnceCell<Option<Vec<String>>>,
    /// Those of them that act as a role, by that role: thousands of triggers may call functions of one.
    acting: RefCell<FxHashMap<Oid, Vec<String>>>,
}

impl<'a> ThirdParties<'a> {
    /// Of this cluster.
    pub fn new(snapshot: &'a Snapshot, rights: &'a Rights<'a>) -> Self {
        Self { snapshot, rights, creating: OnceCell::new(), acting: RefCell::default() }
    }

    /// Whether the function's owner has not the rights of that role anyhow.
    pub fn is_third(&self, function: &Function, to: Oid) -> bool {
        !self.rights.is_superuser(function.owner) && !self.rights.has_rights_of(function.owner, to)
    }

    /// The logins that can replace the function: they act as its owner, and create in its schema or in another, into which they
    /// move it. `None` where there is none and it lends its owner's rights, so that it takes none of who runs it.
    pub fn logins(&self, function: &Function) -> Option<Vec<String>> {
        let mut acting = self.acting.borrow_mut();
        let logins = acting.entry(function.owner).or_insert_with(|| {
            let mut logins = logins_as(self.snapshot, self.rights, function.owner);
            if let Some(creating) = self.creating.get_or_init(|| self.creating()) {
                logins.retain(|login| creating.contains(login));
            }
            logins
        });
        (!function.is_security_definer || !logins.is_empty()).then(|| logins.clone())
    }

    fn creating(&self) -> Option<Vec<String>> {
        let creators = self.creators();
        let may = |role: Oid| creators.iter().any(|&creator| self.rights.can_use(role, creator));
        let logins = self.snapshot.roles.iter().filter(|role| role.logs_in && may(role.oid));
        (!creators.contains(&0)).then(|| logins.map(|role| self.rights.name(role.oid)).collect())
    }

    /// Who may create in some schema, or make one; 0 is everybody.
    fn creators(&self) -> Vec<Oid> {
        let schemas = self.snapshot.namespaces.values().filter(|schema| !schema.is_system());
        let mut found: Vec<Oid> =
            schemas.flat_map(|schema| creators(self.snapshot, self.rights, schema)).collect();
        let database = &self.snapshot.security.database;
        let acl = self.rights.acl(database);
        let on_database = acl.iter().filter(|grant| grant.privileges & privilege::CREATE != 0);
        found.extend(on_database.map(|grant| grant.grantee));
        found.sort_unstable();
        found.dedup();
        found
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
