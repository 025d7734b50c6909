//! What one role may do, and who may do one thing, each with the path by which the right came.

use super::rights::{Held, Rights};
use crate::catalog::security::{ObjectKind, Protected, ProtectedColumn, privilege};
use crate::catalog::{Membership, Oid, Privileges, Role};

/// A row of `dbm.access_review()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// What kind of object.
    pub kind: &'static str,
    /// The object.
    pub object: String,
    /// The privilege.
    pub privilege: &'static str,
    /// Whether the role may grant it.
    pub is_grantable: bool,
    /// Whether it takes SET ROLE first.
    pub needs_set_role: bool,
    /// How it came.
    pub path: String,
}

/// A row of `dbm.who_can()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The role.
    pub role: String,
    /// Whether it logs in.
    pub logs_in: bool,
    /// The privilege.
    pub privilege: &'static str,
    /// Whether it may grant it.
    pub is_grantable: bool,
    /// Whether it takes SET ROLE first.
    pub needs_set_role: bool,
    /// How it came.
    pub path: String,
}

fn name_of(privilege: Privileges) -> &'static str {
    privilege::NAMES.iter().find(|(bit, _)| *bit == privilege).map_or("", |(_, name)| name)
}

/// What a role holds by itself, and what by becoming another one.
fn all_held(rights: &Rights<'_>, role: Oid, held: impl Fn(Oid) -> Vec<Held>) -> Vec<(Held, bool)> {
    let mut found: Vec<(Held, bool)> = held(role).into_iter().map(|held| (held, false)).collect();
    if rights.is_superuser(role) {
        return found;
    }
    let own = rights.rights_of(role);
    for other in rights.becomes(role).into_iter().filter(|other| !own.contains(other)) {
        // What everybody has needs no other role.
        let more = held(other).into_iter().filter(|held| !is_of_public(&held.path));
        found.extend(more.map(|held| {
            let path = format!("SET ROLE {}: {}", rights.name(other), held.path);
            (Held { path, ..held }, true)
        }));
    }
    found
}

fn is_of_public(path: &str) -> bool {
    matches!(path, "PUBLIC by default" | "lo_compat_privileges is on")
        || path.starts_with("granted to PUBLIC ")
}

/// Everything that a role may do with these objects, by kind, name and privilege. What everybody may do with the server's own
/// is left out.
pub fn access_review(
    rights: &Rights<'_>,
    role: &Role,
    memberships: &[Membership],
    objects: &[Protected],
    interrupt: &dyn Fn(),
) -> Vec<Access> {
    let mut found = attributes(rights, role, memberships);
    if role.is_superuser {
        return found;
    }
    let mut add = |kind: ObjectKind, object: &str, (held, needs_set_role): (Held, bool)| {
        found.push(Access {
            kind: kind.name(),
            object: object.to_owned(),
            privilege: name_of(held.privilege),
            is_grantable: held.is_grantable,
            needs_set_role,
            path: held.path,
        });
    };
    for object in objects {
        interrupt();
        for held in all_held(rights, role.oid, |role| rights.held(role, object)) {
            if !(object.is_system && is_of_public(&held.0.path)) {
                add(object.kind, &object.name, held);
            }
        }
        for column in &object.columns {
            let name = format!("{}.{}", object.name, column.name);
            for held in all_held(rights, role.oid, |role| on_column(rights, role, object, column)) {
                if !(object.is_system && is_of_public(&held.0.path)) {
                    add(ObjectKind::Column, &name, held);
                }
            }
        }
    }
    let key = |row: &Access| {
        // What the role is comes before what it may do.
        let general = ["everything", "attribute", "role"].iter().position(|kind| *kind == row.kind);
        let place = ObjectKind::ALL
            .iter()
            .position(|kind| kind.name() == row.kind)
            .map_or(general.unwrap_or(0), |place| place + 3);
        let privilege = privilege::NAMES.iter().position(|(_, name)| *name == row.privilege);
        (place, row.object.clone(), privilege, row.needs_set_role, row.path.clone())
    };
    found.sort_by_cached_key(key);
    found
}

fn on_column(rights: &Rights<'_>, role: Oid, table: &Protected, column: &ProtectedColumn) -> Vec<Held> {
    rights.held_on_column(role, table.owner, &column.acl)
}

/// What a role is, and which others it is in.
fn attributes(rights: &Rights<'_>, role: &Role, memberships: &[Membership]) -> Vec<Access> {
    let row = |kind, object: String, privilege, is_grantable, needs_set_role, path: &str| Access {
        kind,
        object,
        privilege,
        is_grantable,
        needs_set_role,
        path: path.to_owned(),
    };
    let own = rights.name(role.oid);
    let mut found: Vec<Access> = [
        (role.is_superuser, "SUPERUSER"),
        (role.bypasses_row_security, "BYPASSRLS"),
        (role.creates_roles, "CREATEROLE"),
        (role.creates_databases, "CREATEDB"),
        (role.replicates, "REPLICATION"),
        (role.logs_in, "LOGIN"),
    ]
    .into_iter()
    .filter(|(has, _)| *has)
    .map(|(_, attribute)| row("attribute", own.clone(), attribute, false, false, "attribute of the role"))
    .collect();
    if role.is_superuser {
        found.insert(0, row("everything", "*".to_owned(), "ALL", true, false, "superuser"));
        return found;
    }
    let with_rights = rights.rights_of(role.oid);
    for other in rights.becomes(role.oid).into_iter().skip(1) {
        let path: Vec<String> = rights
            .path_to_become(role.oid, other)
            .unwrap_or_default()
            .iter()
            .map(|&oid| format!("member of {}", rights.name(oid)))
            .collect();
        let is_admin = memberships.iter().any(|membership| {
            membership.role == other && membership.member == role.oid && membership.is_admin
        });
        let needs_set_role = !with_rights.contains(&other);
        found.push(row("role", rights.name(other), "SET ROLE", is_admin, needs_set_role, &path.join(", ")));
        if rights.is_superuser(other) {
            let path = format!("SET ROLE {}: superuser", rights.name(other));
            found.insert(0, row("everything", "*".to_owned(), "ALL", true, true, &path));
        }
    }
    found
}

/// Who has one of these privileges on an object, or on one of its columns; superusers too.
pub fn who_can(
    rights: &Rights<'_>,
    roles: &[Role],
    object: &Protected,
    column: Option<&ProtectedColumn>,
    wanted: Privileges,
    interrupt: &dyn Fn(),
) -> Vec<Holder> {
    let mut found = Vec::new();
    for role in roles {
        interrupt();
        let held = all_held(rights, role.oid, |role| {
            let mut held = rights.held(role, object);
            if let Some(column) = column {
                held.retain(|held| held.privilege & ObjectKind::Column.privileges(0) != 0);
                if !rights.is_superuser(role) {
                    let own = on_column(rights, role, object, column);
                    held.extend(
                        own.into_iter()
                            .map(|held| Held { path: format!("on the column: {}", held.path), ..held }),
                    );
                }
            }
            held
        });
        found.extend(held.into_iter().filter(|(held, _)| held.privilege & wanted != 0).map(
            |(held, needs_set_role)| Holder {
                role: rights.name(role.oid),
                logs_in: role.logs_in,
                privilege: name_of(held.privilege),
                is_grantable: held.is_grantable,
                needs_set_role,
                path: held.path,
            },
        ));
    }
    found.sort_by_cached_key(|row| {
        let privilege = privilege::NAMES.iter().position(|(_, name)| *name == row.privilege);
        (privilege, !row.logs_in, row.role.clone(), row.needs_set_role, row.path.clone())
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Grant;

    #[test]
    fn what_takes_set_role_is_told_apart() {
        let role = |oid, name: &str, inherits| Role { oid, name: name.into(), inherits, ..Role::default() };
        let roles = [role(20, "owner", true), role(21, "app", false)];
        let memberships =
            [Membership { role: 20, member: 21, inherits: false, sets: true, ..Membership::default() }];
        let rights = Rights::new(150_000, &roles, &memberships, 0);
        let grant = |grantee, privileges| Grant { grantee, grantor: 20, privileges };
        let table = Protected {
            name: "shop.orders".into(),
            owner: 20,
            acl: Some([grant(20, privilege::SELECT | privilege::DELETE), grant(0, privilege::SELECT)].into()),
            ..Protected::default()
        };
        let rows = access_review(&rights, &roles[1], &memberships, std::slice::from_ref(&table), &|| {});
        let rows: Vec<String> = rows
            .iter()
            .map(|row| format!("{} {} {} {}", row.kind, row.privilege, row.needs_set_role, row.path))
            .collect();
        assert_eq!(
            rows,
            [
                "role SET ROLE true member of owner",
                "table SELECT false granted to PUBLIC by owner",
                "table SELECT true SET ROLE owner: owner",
                "table DELETE true SET ROLE owner: owner",
            ]
        );
        let holders = who_can(&rights, &roles, &table, None, privilege::DELETE, &|| {});
        let names: Vec<(&str, bool)> = holders.iter().map(|row| (&*row.role, row.needs_set_role)).collect();
        assert_eq!(names, [("app", true), ("owner", false)]);
    }
}
