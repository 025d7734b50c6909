//! As whom a role may act beside itself: by SET ROLE, and by granting itself what it may grant to anybody.

use rustc_hash::FxHashSet;

use super::{DATABASE_OWNER, Rights, Way, leads, path};
use crate::catalog::Oid;
use crate::catalog::security::{ObjectKind, privilege};

/// Another role as which one acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// That role.
    pub role: Oid,
    /// What it takes: `SET ROLE near`, or `grants itself owner`, or several of them in order.
    pub steps: String,
    /// Whether a grant is among them.
    pub is_granted: bool,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Each once, by the shortest way.
    pub roles: Vec<Reached>,
    /// Until 15, where CREATEROLE is among them: what it takes for every role that is no superuser's.
    pub every_role: Option<String>,
}

fn and_then(steps: &str, step: String) -> String {
    if steps.is_empty() { step } else { format!("{steps}, {step}") }
}

/// What a role can use, whatever it does for it first.
#[derive(Clone, Debug, Default)]
pub struct Usable {
    /// The roles whose rights it has, or has as one as whom it acts; itself included.
    pub roles: FxHashSet<Oid>,
    /// Until 15: whether it grants itself every role that is no superuser's.
    pub is_every: bool,
}

impl Rights<'_> {
    /// How the option to grant a role comes: from 16 on it counts only where the rights of who has it are inherited.
    fn granting_way(&self) -> Way {
        if self.version >= 160_000 { Way::Inheriting } else { Way::Belonging }
    }

    /// Whose rights a role can use: what [`Rights::reach`] tells with its steps, and what is inherited there, in one walk.
    pub fn usable(&self, role: Oid) -> Usable {
        let way = self.granting_way();
        let memberships = |member: &Oid| self.memberships.get(member).into_iter().flatten();
        let (mut acting, mut holding) = (FxHashSet::from_iter([role]), FxHashSet::default());
        let (mut actors, mut holders) = (vec![role], Vec::new());
        let mut is_every = false;
        while let Some(actor) = actors.pop() {
            let becomes = memberships(&actor).filter(|membership| membership.sets).map(|one| one.role);
            actors.extend(becomes.filter(|&other| acting.insert(other)));
            // A superuser needs no grant.
            if self.is_superuser(actor) {
                continue;
            }
            is_every |= self.grants_every_role(actor);
            holders.extend(holding.insert(actor).then_some(actor));
            while let Some(holder) = holders.pop() {
                for membership in memberships(&holder) {
                    if membership.is_admin && !self.is_superuser(membership.role) {
                        actors.extend(acting.insert(membership.role).then_some(membership.role));
                    }
                    if leads(membership, way) {
                        holders.extend(holding.insert(membership.role).then_some(membership.role));
                    }
                }
            }
        }
        let (mut roles, mut left) = (acting.clone(), acting.into_iter().collect::<Vec<Oid>>());
        while let Some(member) = left.pop() {
            let inherited = memberships(&member).filter(|membership| membership.inherits).map(|one| one.role);
            left.extend(inherited.filter(|&other| roles.insert(other)));
        }
        Usable { roles, is_every }
    }

    /// As whom a role acts beside itself.
    pub fn reach(&self, role: Oid) -> Reach {
        let mut reach = Reach::default();
        if self.is_superuser(role) {
            return reach;
        }
        for other in self.becomes(role).into_iter().skip(1) {
            let steps = format!("SET ROLE {}", self.name(other));
            reach.roles.push(Reached { role: other, steps, is_granted: false });
        }
        let mut next = 0;
        let (mut actor, mut before) = (role, String::new());
        loop {
            // A superuser needs no grant.
            if !self.is_superuser(actor) {
                if self.grants_every_role(actor) && reach.every_role.is_none() {
                    reach.every_role = Some(and_then(&before, "CREATEROLE".to_owned()));
                }
                for (granted, _) in self.grants(actor) {
                    self.add_granted(&mut reach, role, granted, &before);
                }
            }
            let Some(reached) = reach.roles.get(next) else { return reach };
            (actor, before) = (reached.role, reached.steps.clone());
            next += 1;
        }
    }

    fn add_granted(&self, reach: &mut Reach, role: Oid, granted: Oid, before: &str) {
        let is_known =
            |reach: &Reach, other| other == role || reach.roles.iter().any(|known| known.role == other);
        if is_known(reach, granted) {
            return;
        }
        let steps = and_then(before, format!("grants itself {}", self.name(granted)));
        for other in self.becomes(granted) {
            if is_known(reach, other) {
                continue;
            }
            let steps = if other == granted {
                steps.clone()
            } else {
                and_then(&steps, format!("SET ROLE {}", self.name(other)))
            };
            reach.roles.push(Reached { role: other, steps, is_granted: true });
        }
    }

    /// The roles that a role grants to whom it likes, itself included, each with how the option to do so came. A superuser's
    /// role is granted by superusers alone.
    pub fn grants(&self, role: Oid) -> Vec<(Oid, String)> {
        let reached = self.reached(role, self.granting_way());
        let mut found = Vec::new();
        for (with_option, _) in &reached {
            for membership in self.memberships.get(with_option).into_iter().flatten() {
                if !membership.is_admin || self.is_superuser(membership.role) {
                    continue;
                }
                let through = path(&reached, *with_option).unwrap_or_default();
                let granted = format!("granted by {}", self.name(membership.grantor));
                let told = if through.is_empty() {
                    granted
                } else {
                    format!("{}: {granted}", self.members(&through))
                };
                if !found.contains(&(membership.role, told.clone())) {
                    found.push((membership.role, told));
                }
            }
        }
        found
    }

    /// Whether a role grants every role that is no superuser's: until 15 CREATEROLE was as much.
    pub fn grants_every_role(&self, role: Oid) -> bool {
        self.version < 160_000 && self.role(role).is_some_and(|role| role.creates_roles)
    }

    /// The role to be in for what another role has, where that may be granted: in `pg_database_owner` nobody is by a grant.
    pub fn grantable_for(&self, role: Oid) -> Option<Oid> {
        let role = if role == DATABASE_OWNER { self.database_owner } else { role };
        (role != 0 && !self.is_superuser(role)).then_some(role)
    }

    /// A superuser that some other role is in and becomes, with that role.
    pub fn superuser_with_member(&self) -> Option<(Oid, Oid)> {
        let mut found: Vec<(Oid, Oid)> = self
            .memberships
            .iter()
            .filter(|(member, _)| !self.is_superuser(**member))
            .flat_map(|(member, memberships)| memberships.iter().map(|membership| (membership, *member)))
            .filter(|(membership, _)| membership.sets && self.is_superuser(membership.role))
            .map(|(membership, member)| (membership.role, member))
            .collect();
        found.sort_unstable();
        found.first().copied()
    }

    /// Predefined roles that have a privilege on every object of a kind.
    pub fn predefined_for(&self, kind: ObjectKind) -> Vec<Oid> {
        let possible = kind.privileges(self.version);
        let mut found: Vec<Oid> = privilege::NAMES
            .iter()
            .filter(|(bit, _)| possible & bit != 0)
            .flat_map(|(bit, _)| self.predefined(kind, *bit))
            .map(|(role, _)| role)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Membership, Role};

    fn roles() -> Vec<Role> {
        let names = [(20, "owner"), (21, "deputy"), (22, "near"), (23, "far"), (24, "maker")];
        let mut roles: Vec<Role> = names
            .into_iter()
            .map(|(oid, name)| Role { oid, name: name.into(), inherits: true, ..Role::default() })
            .collect();
        roles.push(Role { oid: 10, name: "root".into(), is_superuser: true, ..Role::default() });
        roles
    }

    fn member(role: Oid, member: Oid, is_admin: bool, inherits: bool, sets: bool) -> Membership {
        Membership { role, member, is_admin, grantor: 10, inherits, sets }
    }

    fn steps(rights: &Rights<'_>, role: Oid) -> Vec<String> {
        rights.reach(role).roles.into_iter().map(|reached| reached.steps).collect()
    }

    #[test]
    fn who_may_grant_a_role_may_be_in_it() {
        let roles = roles();
        // The deputy may do nothing as the owner, until he grants himself that; the owner becomes far, and a superuser.
        let memberships = [
            member(20, 21, true, false, false),
            member(23, 20, false, false, true),
            member(10, 23, false, false, true),
        ];
        let rights = Rights::new(160_000, &roles, &memberships, 0);
        assert_eq!(
            steps(&rights, 21),
            [
                "grants itself owner",
                "grants itself owner, SET ROLE far",
                "grants itself owner, SET ROLE root"
            ]
        );
        assert_eq!(rights.grants(21), [(20, "granted by root".to_owned())]);
        assert!(rights.becomes(21) == [21] && rights.reach(21).roles.iter().all(|other| other.is_granted));
    }

    #[test]
    fn the_option_of_others_takes_their_rights() {
        let roles = roles();
        for (inherits, sets, expected) in [
            (true, false, vec!["grants itself owner"]),
            (false, true, vec!["SET ROLE near", "SET ROLE near, grants itself owner"]),
            (false, false, vec![]),
        ] {
            let memberships = [member(22, 21, false, inherits, sets), member(20, 22, true, false, false)];
            assert_eq!(steps(&Rights::new(160_000, &roles, &memberships, 0), 21), expected);
        }
        let memberships = [member(22, 21, false, true, false), member(20, 22, true, false, false)];
        let rights = Rights::new(160_000, &roles, &memberships, 0);
        assert_eq!(rights.grants(21), [(20, "member of near: granted by root".to_owned())]);
    }

    #[test]
    fn a_superuser_is_granted_by_superusers() {
        let roles = roles();
        let memberships = [member(10, 21, true, false, false)];
        assert!(steps(&Rights::new(160_000, &roles, &memberships, 0), 21).is_empty());
    }

    #[test]
    fn who_made_roles_until_15_granted_every_one() {
        let mut roles = roles();
        roles.iter_mut().filter(|role| role.oid == 24).for_each(|role| role.creates_roles = true);
        let memberships = [member(24, 21, false, false, true), member(10, 20, false, true, true)];
        let every = |version, role| Rights::new(version, &roles, &memberships, 0).reach(role).every_role;
        assert_eq!(every(150_000, 24).as_deref(), Some("CREATEROLE"));
        assert_eq!(every(150_000, 21).as_deref(), Some("SET ROLE maker, CREATEROLE"));
        assert_eq!(every(160_000, 24), None);
        let rights = Rights::new(150_000, &roles, &memberships, 20);
        assert_eq!(rights.superuser_with_member(), Some((10, 20)));
        assert_eq!(rights.grantable_for(DATABASE_OWNER), Some(20));
        assert_eq!(rights.grantable_for(10), None);
    }

    #[test]
    fn what_is_usable_is_what_is_reached_and_inherited_there() {
        let mut roles = roles();
        roles.iter_mut().filter(|role| role.oid == 24).for_each(|role| role.creates_roles = true);
        let memberships = [
            member(22, 21, false, true, false),
            member(20, 22, true, false, false),
            member(23, 20, false, true, false),
            member(10, 23, true, false, false),
            member(24, 23, false, false, true),
        ];
        for version in [150_000, 160_000] {
            let rights = Rights::new(version, &roles, &memberships, 0);
            for role in [20, 21, 22, 23, 24, 10] {
                let (reach, usable) = (rights.reach(role), rights.usable(role));
                let actors = reach.roles.iter().map(|reached| reached.role).chain([role]);
                let expected: FxHashSet<Oid> = actors.flat_map(|actor| rights.rights_of(actor)).collect();
                assert_eq!(usable.roles, expected, "{role}");
                assert_eq!(usable.is_every, reach.every_role.is_some(), "{role}");
            }
            // Near is inherited, so the owner is granted, whose rights take those of far.
            let mut all: Vec<Oid> = rights.usable(21).roles.into_iter().collect();
            all.sort_unstable();
            assert_eq!(all, [20, 21, 22, 23]);
        }
    }
}
