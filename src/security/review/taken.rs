//! What one role has on an object by itself, and what by acting as others.

use std::cell::{OnceCell, RefCell};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::catalog::security::{Protected, ProtectedColumn, privilege};
use crate::catalog::{Grant, Oid, Privileges};
use crate::security::rights::reach::{Reach, Reached};
use crate::security::rights::{Held, Rights};

/// A privilege that a role has, or takes, in one way.
pub struct Taken {
    /// Its bit.
    pub privilege: Privileges,
    /// Whether the role may grant it.
    pub is_grantable: bool,
    /// Whether everybody has it so.
    pub is_of_public: bool,
    /// Whether it takes SET ROLE first, or a grant to itself.
    pub needs_set_role: bool,
    /// What the role does for it first; nothing where it has it.
    steps: String,
    path: String,
    /// What is missing for a use of it.
    missing: String,
}

impl Taken {
    /// How it came. `place` is what stands before the path, say `on the column: `.
    pub fn told(&self, place: &str) -> String {
        let steps = if self.steps.is_empty() { String::new() } else { format!("{}: ", self.steps) };
        format!("{steps}{place}{}{}", self.path, self.missing)
    }
}

/// What one role has by itself and by acting as others.
pub struct Reviewed<'r, 'a> {
    /// Roles and who is in them.
    pub rights: &'r Rights<'a>,
    schemas: &'r FxHashMap<Oid, Protected>,
    role: Oid,
    /// The roles whose rights it has without doing anything.
    pub own: Vec<Oid>,
    /// Those as which it acts.
    pub reach: Reach,
    /// By a role, which of these have its rights, beside those whose rights it has anyhow: an object is asked of them alone, whatever
    /// else is reached. Places in `reach`, in order.
    reached_by: FxHashMap<Oid, Vec<usize>>,
    /// Likewise those that have every right.
    superusers: Vec<usize>,
    /// Whether a role has USAGE on a schema, as far as it was asked.
    usage: RefCell<FxHashMap<(Oid, Oid), bool>>,
}

impl<'r, 'a> Reviewed<'r, 'a> {
    /// Of this role. `schemas` are those of objects, by OID.
    pub fn of(rights: &'r Rights<'a>, schemas: &'r FxHashMap<Oid, Protected>, role: Oid) -> Self {
        let (own, reach) = (rights.rights_of(role), rights.reach(role));
        let (mut reached_by, mut superusers) = (FxHashMap::<Oid, Vec<usize>>::default(), Vec::new());
        let known: FxHashSet<Oid> = own.iter().copied().collect();
        for (place, other) in reach.roles.iter().enumerate() {
            if known.contains(&other.role) {
                continue;
            }
            if rights.is_superuser(other.role) {
                superusers.push(place);
                continue;
            }
            for role in rights.rights_of(other.role) {
                reached_by.entry(role).or_default().push(place);
            }
        }
        Self { rights, schemas, role, own, reach, reached_by, superusers, usage: RefCell::default() }
    }

    /// What it has or takes on an object. Columns are not looked at.
    pub fn on_object(&self, object: &Protected) -> Vec<Taken> {
        let acl = self.rights.acl(object);
        self.taken(object, &acl, &|role| self.rights.held(role, object))
    }

    /// What it has or takes on a column by the column's own privileges.
    pub fn on_column(&self, table: &Protected, column: &ProtectedColumn) -> Vec<Taken> {
        self.taken(table, &column.acl, &|role| self.rights.held_on_column(role, table.owner, &column.acl))
    }

    /// What it has on an object with that list of privileges, or takes. `held` is what a role has there.
    fn taken(&self, object: &Protected, acl: &[Grant], held: &dyn Fn(Oid) -> Vec<Held>) -> Vec<Taken> {
        let taken = |held: Held, steps: &str, missing: &str| Taken {
            privilege: held.privilege,
            is_grantable: held.is_grantable,
            is_of_public: held.is_of_public,
            needs_set_role: !steps.is_empty(),
            steps: steps.to_owned(),
            path: held.path,
            missing: missing.to_owned(),
        };
        let own = held(self.role);
        let missing = if own.is_empty() { String::new() } else { self.missing(object, &[self.role]) };
        let mut found: Vec<Taken> = own.into_iter().map(|held| taken(held, "", &missing)).collect();
        if self.rights.is_superuser(self.role) {
            return found;
        }
        let granted_too = OnceCell::new();
        for other in self.others(object, acl) {
            // What everybody has needs no other role.
            let more: Vec<Held> = held(other.role).into_iter().filter(|held| !held.is_of_public).collect();
            if more.is_empty() {
                continue;
            }
            // What it grants itself it has beside what else it has; as another role it has that one's alone.
            let missing = if other.is_granted {
                granted_too
                    .get_or_init(|| {
                        let granted = self.reach.roles.iter().filter(|other| other.is_granted);
                        let all: Vec<Oid> = granted.map(|other| other.role).chain([self.role]).collect();
                        self.missing(object, &all)
                    })
                    .clone()
            } else {
                self.missing(object, &[other.role])
            };
            found.extend(more.into_iter().map(|held| taken(held, &other.steps, &missing)));
        }
        if let Some(every) = &self.reach.every_role {
            let more = self.of_every_role(object, acl, held);
            found.extend(more.into_iter().map(|(role, held)| {
                let steps = format!("{every}, grants itself {}", self.rights.name(role));
                taken(held, &steps, "")
            }));
        }
        found
    }

    /// Those that it acts as and that may have something on an object with that list: its owner's rights, a grantee's, or those of a
    /// role that has them on every object.
    fn others(&self, object: &Protected, acl: &[Grant]) -> impl Iterator<Item = &Reached> {
        let mut places = self.superusers.clone();
        if !self.reached_by.is_empty() {
            let grantees = acl.iter().map(|grant| grant.grantee);
            let have = grantees.chain([object.owner]).chain(self.rights.predefined_for(object.kind));
            places.extend(have.filter_map(|role| self.reached_by.get(&role)).flatten());
        }
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|place| self.reach.roles.get(place))
    }

    /// Of a role that may grant itself every other one: each privilege by one of those that have it, the owner first.
    fn of_every_role(
        &self,
        object: &Protected,
        acl: &[Grant],
        held: &dyn Fn(Oid) -> Vec<Held>,
    ) -> Vec<(Oid, Held)> {
        let grantees = acl.iter().map(|grant| grant.grantee);
        let candidates = [object.owner]
            .into_iter()
            .chain(grantees)
            .chain(self.rights.predefined_for(object.kind))
            .filter_map(|role| self.rights.grantable_for(role));
        let (mut asked, mut found): (Vec<Oid>, Vec<(Oid, Held)>) = (Vec::new(), Vec::new());
        for role in candidates {
            let is_other =
                !self.own.contains(&role) && !self.reach.roles.iter().any(|other| other.role == role);
            if !is_other || asked.contains(&role) {
                continue;
            }
            asked.push(role);
            for held in held(role).into_iter().filter(|held| !held.is_of_public) {
                if !found.iter().any(|(_, other)| other.privilege == held.privilege) {
                    found.push((role, held));
                }
            }
        }
        found
    }

    /// That none of these roles may look into the object's schema, where it is so: then no statement of theirs finds it by its
    /// name.
    fn missing(&self, object: &Protected, actors: &[Oid]) -> String {
        let Some(schema) = self.schemas.get(&object.schema) else { return String::new() };
        let mut usage = self.usage.borrow_mut();
        let mut may = |role: Oid| {
            *usage
                .entry((role, schema.oid))
                .or_insert_with(|| self.rights.may(role, schema, privilege::USAGE))
        };
        if actors.iter().any(|&role| may(role)) {
            return String::new();
        }
        format!(" (needs USAGE on schema {})", schema.name)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::catalog::{Membership, Role};

    const DEPLOY: Oid = 20_000;

    /// What deploy takes on a table that the last of so many tenants owns, whose roles it may grant, and of how many roles that
    /// is asked.
    fn taken(tenants: Oid, acl: &[Grant]) -> (Vec<String>, usize) {
        let role =
            |oid: Oid, name: String| Role { oid, name: name.into(), inherits: true, ..Role::default() };
        let mut roles = vec![role(DEPLOY, "deploy".to_owned()), role(30_000, "readers".to_owned())];
        let mut memberships = Vec::new();
        for tenant in 1..=tenants {
            roles.push(role(DEPLOY + tenant, format!("t{tenant}")));
            memberships.push(Membership {
                role: DEPLOY + tenant,
                member: DEPLOY,
                is_admin: true,
                ..Membership::default()
            });
        }
        // The first has what it has by inheritance.
        memberships.push(Membership {
            role: 30_000,
            member: DEPLOY + 1,
            inherits: true,
            ..Membership::default()
        });
        let (rights, schemas) = (Rights::new(160_000, &roles, &memberships, 0), FxHashMap::default());
        let reviewed = Reviewed::of(&rights, &schemas, DEPLOY);
        assert_eq!(reviewed.reach.roles.len(), tenants as usize);
        let table =
            Protected { owner: DEPLOY + tenants, acl: Some(acl.to_vec().into()), ..Protected::default() };
        let asked = Cell::new(0);
        let found = reviewed.taken(&table, acl, &|role| {
            asked.set(asked.get() + 1);
            rights.held(role, &table)
        });
        (found.iter().map(|taken| taken.told("")).collect(), asked.get())
    }

    #[test]
    fn of_those_that_are_reached_only_those_are_asked_that_may_have_something() {
        let select = |grantee: Oid| Grant { grantee, grantor: DEPLOY + 100, privileges: privilege::SELECT };
        let (told, asked) = taken(100, &[select(30_000), select(0), select(DEPLOY + 100)]);
        assert_eq!(
            told,
            [
                "granted to PUBLIC by t100",
                "grants itself t1: member of readers: granted by t100",
                "grants itself t100: owner"
            ]
        );
        // Itself, the first and the last.
        assert_eq!(asked, 3);
    }
}
