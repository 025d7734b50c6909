//! What the server would answer to `has_…_privilege()`, worked out from roles, memberships and privileges, and by which path
//! each privilege came.

pub mod reach;

use rustc_hash::FxHashMap;

use crate::catalog::security::{ObjectKind, Protected, privilege};
use crate::catalog::{Grant, Membership, Oid, Privileges, Role};
use crate::text::quote_identifier;

/// `pg_database_owner`, of which the owner of the database is a member without any grant.
const DATABASE_OWNER: Oid = 6171;
/// `pg_read_all_data`.
pub const READ_ALL_DATA: Oid = 6181;
/// `pg_write_all_data`.
pub const WRITE_ALL_DATA: Oid = 6182;
/// `pg_maintain`, from 17 on.
pub const MAINTAIN: Oid = 6337;
/// Roles below this OID are the server's own, the one that it was made by among them.
pub const FIRST_OWN_ROLE: Oid = 16_384;
/// The role that the cluster was made by.
pub const BOOTSTRAP: Oid = 10;

/// Who granted what nobody did: the server asks for no right on large objects.
pub const NOBODY: Oid = 0;

/// The bits of a privilege's grant option.
const GRANT_OPTION: u32 = 32;

/// By which memberships one role stands for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Having its rights without doing anything.
    Inheriting,
    /// Becoming it by SET ROLE.
    Setting,
    /// Being a member at all, whatever that is good for.
    Belonging,
}

/// Roles and who is in them.
pub struct Rights<'a> {
    version: i32,
    roles: FxHashMap<Oid, &'a Role>,
    memberships: FxHashMap<Oid, Vec<Membership>>,
    database_owner: Oid,
}

/// A privilege that a role has, by one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its bit.
    pub privilege: Privileges,
    /// Whether the role may grant it.
    pub is_grantable: bool,
    /// How it came.
    pub path: String,
    /// Whether everybody has it so.
    pub is_of_public: bool,
}

impl<'a> Rights<'a> {
    /// Of a cluster of this version, seen from a database with that owner.
    pub fn new(version: i32, roles: &'a [Role], memberships: &[Membership], database_owner: Oid) -> Self {
        let mut by_member: FxHashMap<Oid, Vec<Membership>> = FxHashMap::default();
        for membership in memberships {
            by_member.entry(membership.member).or_default().push(*membership);
        }
        let roles: FxHashMap<Oid, &Role> = roles.iter().map(|role| (role.oid, role)).collect();
        if database_owner != 0 {
            let inherits = version >= 160_000 || roles.get(&database_owner).is_none_or(|role| role.inherits);
            by_member.entry(database_owner).or_default().push(Membership {
                role: DATABASE_OWNER,
                member: database_owner,
                inherits,
                sets: true,
                ..Membership::default()
            });
        }
        let name = |oid: Oid| roles.get(&oid).map_or("", |role| &*role.name);
        for memberships in by_member.values_mut() {
            memberships.sort_by(|left, right| {
                (name(left.role), !left.inherits, !left.sets).cmp(&(
                    name(right.role),
                    !right.inherits,
                    !right.sets,
                ))
            });
        }
        Self { version, roles, memberships: by_member, database_owner }
    }

    /// A role.
    pub fn role(&self, oid: Oid) -> Option<&'a Role> {
        self.roles.get(&oid).copied()
    }

    /// A role's name, quoted; `PUBLIC` for 0.
    pub fn name(&self, oid: Oid) -> String {
        match self.role(oid) {
            _ if oid == 0 => "PUBLIC".to_owned(),
            Some(role) => quote_identifier(&role.name),
            None => oid.to_string(),
        }
    }

    /// Whether a role is a superuser.
    pub fn is_superuser(&self, role: Oid) -> bool {
        self.role(role).is_some_and(|role| role.is_superuser)
    }

    /// Whether a role sees every row whatever policies say.
    pub fn bypasses_row_security(&self, role: Oid) -> bool {
        self.role(role).is_some_and(|role| role.is_superuser || role.bypasses_row_security)
    }

    /// Whether some session can act as the role: it logs in, or another role can become it.
    pub fn is_usable(&self, role: Oid) -> bool {
        self.role(role).is_some_and(|role| role.logs_in)
            || self.memberships.values().flatten().any(|membership| membership.role == role)
    }

    /// The roles that stand below a role by such memberships, itself first, each with the one through which it came.
    fn reached(&self, role: Oid, way: Way) -> Vec<(Oid, usize)> {
        let mut reached = vec![(role, 0)];
        let mut next = 0;
        while let Some(&(member, _)) = reached.get(next) {
            for membership in self.memberships.get(&member).into_iter().flatten() {
                if leads(membership, way) && !reached.iter().any(|(known, _)| *known == membership.role) {
                    reached.push((membership.role, next));
                }
            }
            next += 1;
        }
        reached
    }

    /// Every role whose rights this one has without doing anything, itself first.
    pub fn rights_of(&self, role: Oid) -> Vec<Oid> {
        self.reached(role, Way::Inheriting).into_iter().map(|(oid, _)| oid).collect()
    }

    /// Every role that this one can become by SET ROLE, itself first.
    pub fn becomes(&self, role: Oid) -> Vec<Oid> {
        self.reached(role, Way::Setting).into_iter().map(|(oid, _)| oid).collect()
    }

    /// Every role that this one is a member of, itself first: what `+group` in pg_hba.conf asks.
    pub fn groups_of(&self, role: Oid) -> Vec<Oid> {
        self.reached(role, Way::Belonging).into_iter().map(|(oid, _)| oid).collect()
    }

    /// Whether a role can use the rights of another: it has them, or it becomes a role that has them.
    pub fn can_use(&self, role: Oid, other: Oid) -> bool {
        self.becomes(role).into_iter().any(|own| self.rights_of(own).contains(&other))
    }

    /// The path by which a role becomes another: the roles between them and that one itself; `None` where it cannot.
    pub fn path_to_become(&self, role: Oid, other: Oid) -> Option<Vec<Oid>> {
        path(&self.reached(role, Way::Setting), other)
    }

    /// Whether a role has the rights of another, as `pg_has_role(…, 'USAGE')` answers.
    pub fn has_rights_of(&self, role: Oid, other: Oid) -> bool {
        role == other || self.is_superuser(role) || self.rights_of(role).contains(&other)
    }

    /// The privileges that an object carries, those that it is born with included.
    pub fn acl<'o>(&self, object: &'o Protected) -> std::borrow::Cow<'o, [Grant]> {
        acl_or_default(object.acl.as_deref(), object.kind, object.owner, self.version)
    }

    /// Whether a role has one of these privileges.
    pub fn may(&self, role: Oid, object: &Protected, wanted: Privileges) -> bool {
        self.held(role, object).iter().any(|held| held.privilege & wanted != 0)
    }

    /// Every privilege that a role has on an object, once for each path by which it came. Columns are not looked at.
    pub fn held(&self, role: Oid, object: &Protected) -> Vec<Held> {
        let possible = object.kind.privileges(self.version);
        let bits = || privilege::NAMES.iter().map(|(bit, _)| *bit).filter(move |bit| possible & bit != 0);
        if self.is_superuser(role) {
            let held = |privilege| Held {
                privilege,
                is_grantable: true,
                path: "superuser".to_owned(),
                is_of_public: false,
            };
            return bits().map(held).collect();
        }
        let reached = self.reached(role, Way::Inheriting);
        let owns = reached.iter().any(|(oid, _)| *oid == object.owner);
        let is_default = object.acl.is_none();
        let acl = self.acl(object);
        let mut found: Vec<Held> = Vec::new();
        for bit in bits() {
            let writes = privilege::INSERT
                | privilege::UPDATE
                | privilege::DELETE
                | privilege::TRUNCATE
                | privilege::USAGE;
            if object.is_catalog && bit & writes != 0 {
                continue;
            }
            let mut paths: Vec<(bool, String, bool)> = Vec::new();
            for grant in acl.iter().filter(|grant| grant.privileges & bit != 0) {
                let is_grantable = owns || grant.privileges & (bit << GRANT_OPTION) != 0;
                let of_role = || path(&reached, grant.grantee);
                let through = if grant.grantee == 0 { Some(Vec::new()) } else { of_role() };
                let Some(through) = through else { continue };
                let told = self.told(&through, grant, object, is_default);
                paths.push((is_grantable, told, grant.grantee == 0));
            }
            for (predefined, what) in self.predefined(object.kind, bit) {
                if let Some(through) = path(&reached, predefined) {
                    let path = match self.members(&through) {
                        itself if itself.is_empty() => what.to_owned(),
                        members => format!("{members}: {what}"),
                    };
                    paths.push((owns, path, false));
                }
            }
            paths.sort_by(|left, right| left.1.cmp(&right.1).then(right.0.cmp(&left.0)));
            paths.dedup_by(|later, earlier| later.1 == earlier.1);
            found.extend(paths.into_iter().map(|(is_grantable, path, is_of_public)| Held {
                privilege: bit,
                is_grantable,
                path,
                is_of_public,
            }));
        }
        found
    }

    /// What a role may do with a column by the column's own privileges.
    pub fn held_on_column(&self, role: Oid, owner: Oid, acl: &[Grant]) -> Vec<Held> {
        let column = Protected {
            kind: ObjectKind::Column,
            owner,
            acl: Some(acl.to_vec().into()),
            ..Protected::default()
        };
        self.held(role, &column)
    }

    /// Predefined roles that have a privilege on every object of a kind.
    fn predefined(&self, kind: ObjectKind, bit: Privileges) -> Vec<(Oid, &'static str)> {
        let writes = privilege::INSERT | privilege::UPDATE | privilege::DELETE;
        match kind {
            ObjectKind::Table | ObjectKind::Sequence if bit == privilege::SELECT => {
                vec![(READ_ALL_DATA, "reads all data")]
            }
            ObjectKind::Table | ObjectKind::Sequence if bit & writes != 0 => {
                vec![(WRITE_ALL_DATA, "writes all data")]
            }
            ObjectKind::Table if bit == privilege::MAINTAIN => {
                vec![(MAINTAIN, "maintains all tables")]
            }
            ObjectKind::Schema if bit == privilege::USAGE => {
                vec![(READ_ALL_DATA, "reads all data"), (WRITE_ALL_DATA, "writes all data")]
            }
            _ => Vec::new(),
        }
    }

    fn members(&self, through: &[Oid]) -> String {
        let names: Vec<String> = through.iter().map(|&oid| format!("member of {}", self.name(oid))).collect();
        names.join(", ")
    }

    fn told(&self, through: &[Oid], grant: &Grant, object: &Protected, is_default: bool) -> String {
        let end = if grant.grantor == NOBODY {
            "lo_compat_privileges is on".to_owned()
        } else if grant.grantee == 0 && is_default {
            "PUBLIC by default".to_owned()
        } else if grant.grantee == 0 {
            format!("granted to PUBLIC by {}", self.name(grant.grantor))
        } else if grant.grantee == object.owner {
            "owner".to_owned()
        } else {
            format!("granted by {}", self.name(grant.grantor))
        };
        if through.is_empty() { end } else { format!("{}: {end}", self.members(through)) }
    }
}

/// Whether a membership leads further that way.
fn leads(membership: &Membership, way: Way) -> bool {
    match way {
        Way::Inheriting => membership.inherits,
        Way::Setting => membership.sets,
        Way::Belonging => true,
    }
}

/// The privileges of an object, or those that it is born with.
pub fn acl_or_default(
    acl: Option<&[Grant]>,
    kind: ObjectKind,
    owner: Oid,
    version: i32,
) -> std::borrow::Cow<'_, [Grant]> {
    match acl {
        Some(acl) => acl.into(),
        None => {
            let grant = |grantee, privileges| Grant { grantee, grantor: owner, privileges };
            // Nobody owns a setting, and a column's rights are those of its table.
            let own = match kind {
                ObjectKind::Parameter | ObjectKind::Column => 0,
                _ => kind.privileges(version),
            };
            vec![grant(owner, own), grant(0, kind.public_default())].into()
        }
    }
}

/// The way from the first role that was reached to another: those after the first.
fn path(reached: &[(Oid, usize)], to: Oid) -> Option<Vec<Oid>> {
    let mut place = reached.iter().position(|(oid, _)| *oid == to)?;
    let mut path = Vec::new();
    while place != 0 {
        path.push(reached[place].0);
        place = reached[place].1;
    }
    path.reverse();
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(oid: Oid, name: &str) -> Role {
        Role { oid, name: name.into(), inherits: true, ..Role::default() }
    }

    fn member(role: Oid, member: Oid, inherits: bool) -> Membership {
        Membership { role, member, inherits, sets: true, ..Membership::default() }
    }

    fn grant(grantee: Oid, privileges: Privileges) -> Grant {
        Grant { grantee, grantor: 20, privileges }
    }

    fn paths(rights: &Rights<'_>, role: Oid, table: &Protected) -> Vec<String> {
        rights
            .held(role, table)
            .into_iter()
            .map(|held| format!("{} {}", privilege::names(held.privilege), held.path))
            .collect()
    }

    #[test]
    fn each_path_is_told() {
        let mut roles = vec![role(20, "owner"), role(21, "readers"), role(22, "ann"), role(23, "bob")];
        roles.push(Role { is_superuser: true, ..role(10, "postgres") });
        let rights = Rights::new(
            150_000,
            &roles,
            &[member(21, 22, true), member(21, 23, false), member(READ_ALL_DATA, 21, true)],
            0,
        );
        let table = Protected {
            owner: 20,
            acl: Some(
                [
                    grant(20, 0x7f),
                    grant(21, privilege::SELECT),
                    grant(0, privilege::INSERT),
                    grant(22, privilege::UPDATE | privilege::UPDATE << 32),
                ]
                .into(),
            ),
            ..Protected::default()
        };
        assert_eq!(
            paths(&rights, 22, &table),
            [
                "SELECT member of readers, member of 6181: reads all data",
                "SELECT member of readers: granted by owner",
                "INSERT granted to PUBLIC by owner",
                "UPDATE granted by owner"
            ]
        );
        assert!(
            rights
                .held(22, &table)
                .iter()
                .any(|held| held.privilege == privilege::UPDATE && held.is_grantable)
        );
        assert_eq!(paths(&rights, 23, &table), ["INSERT granted to PUBLIC by owner"]);
        assert_eq!(rights.becomes(23), [23, 21, READ_ALL_DATA]);
        assert_eq!(rights.held(10, &table).len(), 7);
        assert_eq!(rights.held(20, &table).len(), 8);
    }

    #[test]
    fn what_is_born_with_an_object_is_told_too() {
        let roles = vec![role(20, "owner"), role(22, "ann")];
        let rights = Rights::new(170_000, &roles, &[], 0);
        let function = Protected { kind: ObjectKind::Function, owner: 20, ..Protected::default() };
        assert_eq!(paths(&rights, 22, &function), ["EXECUTE PUBLIC by default"]);
        assert_eq!(paths(&rights, 20, &function), ["EXECUTE PUBLIC by default", "EXECUTE owner"]);
        let schema = Protected { kind: ObjectKind::Schema, owner: 20, ..Protected::default() };
        assert!(rights.held(22, &schema).is_empty());
        assert!(rights.may(20, &schema, privilege::CREATE));
    }

    #[test]
    fn the_owner_of_the_database_is_in_its_role() {
        let roles = vec![role(20, "owner"), role(DATABASE_OWNER, "pg_database_owner")];
        let rights = Rights::new(150_000, &roles, &[], 20);
        assert!(rights.has_rights_of(20, DATABASE_OWNER));
        let schema = Protected { kind: ObjectKind::Schema, owner: DATABASE_OWNER, ..Protected::default() };
        assert_eq!(paths(&rights, 20, &schema)[0], "USAGE member of pg_database_owner: owner");
    }

    #[test]
    fn catalogs_are_written_by_superusers_alone() {
        let roles = vec![role(20, "owner")];
        let rights = Rights::new(150_000, &roles, &[member(WRITE_ALL_DATA, 20, true)], 0);
        let catalog = Protected { owner: 20, is_catalog: true, ..Protected::default() };
        assert!(!rights.may(20, &catalog, privilege::INSERT) && rights.may(20, &catalog, privilege::SELECT));
    }
}
