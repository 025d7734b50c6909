//! What one role may do, and who may do one thing, each with the path by which the right came.

mod taken;

use rustc_hash::FxHashMap;

use taken::{Reviewed, Taken};

use super::rights::Rights;
use crate::catalog::security::{ObjectKind, Protected, ProtectedColumn, privilege};
use crate::catalog::{Oid, Privileges, Role};

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
    /// Whether it takes SET ROLE first, or a grant to itself.
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
    /// Whether it takes SET ROLE first, or a grant to itself.
    pub needs_set_role: bool,
    /// How it came.
    pub path: String,
}

fn name_of(privilege: Privileges) -> &'static str {
    privilege::NAMES.iter().find(|(bit, _)| *bit == privilege).map_or("", |(_, name)| name)
}

/// Everything that a role may do with these objects, by kind, name and privilege. What everybody may do with the server's own
/// is left out. `schemas` are those in which they are, by OID.
pub fn access_review(
    rights: &Rights<'_>,
    role: &Role,
    schemas: &FxHashMap<Oid, Protected>,
    objects: &[Protected],
    interrupt: &dyn Fn(),
) -> Vec<Access> {
    let reviewed = Reviewed::of(rights, schemas, role.oid);
    let mut found = attributes(&reviewed, role);
    if role.is_superuser {
        return found;
    }
    let mut add = |kind: ObjectKind, name: &str, is_system: bool, taken: Vec<Taken>| {
        let shown = taken.into_iter().filter(|taken| !(is_system && taken.is_of_public));
        found.extend(shown.map(|taken| Access {
            kind: kind.name(),
            object: name.to_owned(),
            privilege: name_of(taken.privilege),
            is_grantable: taken.is_grantable,
            needs_set_role: taken.needs_set_role,
            path: taken.told(""),
        }));
    };
    for object in objects {
        interrupt();
        add(object.kind, &object.name, object.is_system, reviewed.on_object(object));
        for column in &object.columns {
            let name = format!("{}.{}", object.name, column.name);
            add(ObjectKind::Column, &name, object.is_system, reviewed.on_column(object, column));
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

/// What a role is, which others it is in, and whom it puts into which.
fn attributes(reviewed: &Reviewed<'_, '_>, role: &Role) -> Vec<Access> {
    let rights = reviewed.rights;
    let row = |kind, object: String, privilege, is_grantable, needs_set_role, path: String| Access {
        kind,
        object,
        privilege,
        is_grantable,
        needs_set_role,
        path,
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
    .map(|(_, name)| row("attribute", own.clone(), name, false, false, "attribute of the role".to_owned()))
    .collect();
    let everything =
        |needs_set_role, path| row("everything", "*".to_owned(), "ALL", true, needs_set_role, path);
    if role.is_superuser {
        found.insert(0, everything(false, "superuser".to_owned()));
        return found;
    }
    let granted_by_itself = rights.grants(role.oid);
    for other in &reviewed.reach.roles {
        let path = if other.is_granted {
            other.steps.clone()
        } else {
            let through = rights.path_to_become(role.oid, other.role).unwrap_or_default();
            let names: Vec<String> =
                through.iter().map(|&oid| format!("member of {}", rights.name(oid))).collect();
            names.join(", ")
        };
        let is_admin = granted_by_itself.iter().any(|(granted, _)| *granted == other.role);
        let needs_set_role = !reviewed.own.contains(&other.role);
        found.push(row("role", rights.name(other.role), "SET ROLE", is_admin, needs_set_role, path));
        if rights.is_superuser(other.role) {
            found.push(everything(true, format!("{}: superuser", other.steps)));
        }
    }
    let admin = |granted: Oid, steps: &str, path: &str| {
        let path = if steps.is_empty() { path.to_owned() } else { format!("{steps}: {path}") };
        row("role", rights.name(granted), "ADMIN OPTION", true, !steps.is_empty(), path)
    };
    found.extend(granted_by_itself.iter().map(|(granted, path)| admin(*granted, "", path)));
    for other in reviewed.reach.roles.iter().filter(|other| !reviewed.own.contains(&other.role)) {
        let more = rights.grants(other.role).into_iter();
        let more = more.filter(|more| !granted_by_itself.iter().any(|own| own.0 == more.0));
        found.extend(more.map(|(granted, path)| admin(granted, &other.steps, &path)));
    }
    if let Some(every) = &reviewed.reach.every_role {
        let steps = every.strip_suffix("CREATEROLE").unwrap_or_default().trim_end_matches(", ");
        let path = "CREATEROLE: every role that is no superuser";
        let path = if steps.is_empty() { path.to_owned() } else { format!("{steps}: {path}") };
        found.push(row("role", "*".to_owned(), "ADMIN OPTION", true, !steps.is_empty(), path));
        if let Some((superuser, member)) = rights.superuser_with_member() {
            let (superuser, member) = (rights.name(superuser), rights.name(member));
            found.push(everything(
                true,
                format!("{every}, grants itself {member}, SET ROLE {superuser}: superuser"),
            ));
        }
    }
    found
}

/// Who has one of these privileges on an object, or on one of its columns; superusers too. Of a whole table, who has them on
/// some of its columns is told as well. `schemas` are those of objects, by OID.
pub fn who_can(
    rights: &Rights<'_>,
    roles: &[Role],
    schemas: &FxHashMap<Oid, Protected>,
    object: &Protected,
    column: Option<&ProtectedColumn>,
    wanted: Privileges,
    interrupt: &dyn Fn(),
) -> Vec<Holder> {
    let mut found = Vec::new();
    for role in roles {
        interrupt();
        let reviewed = Reviewed::of(rights, schemas, role.oid);
        let mut add = |taken: &Taken, path: String| {
            found.push(Holder {
                role: rights.name(role.oid),
                logs_in: role.logs_in,
                privilege: name_of(taken.privilege),
                is_grantable: taken.is_grantable,
                needs_set_role: taken.needs_set_role,
                path,
            });
        };
        let of_columns = ObjectKind::Column.privileges(0);
        let possible = if column.is_some() { wanted & of_columns } else { wanted };
        let taken = reviewed.on_object(object);
        taken
            .iter()
            .filter(|taken| taken.privilege & possible != 0)
            .for_each(|taken| add(taken, taken.told("")));
        if role.is_superuser {
            continue;
        }
        match column {
            Some(column) => {
                let taken = reviewed.on_column(object, column);
                let taken = taken.iter().filter(|taken| taken.privilege & possible != 0);
                taken.for_each(|taken| add(taken, taken.told("on the column: ")));
            }
            None => {
                for (taken, columns) in by_columns(&reviewed, object, wanted) {
                    let word = if columns.len() == 1 { "column" } else { "columns" };
                    let place = format!("on {word} {}: ", columns.join(", "));
                    add(&taken, taken.told(&place));
                }
            }
        }
    }
    found.sort_by_cached_key(|row| {
        let privilege = privilege::NAMES.iter().position(|(_, name)| *name == row.privilege);
        (privilege, !row.logs_in, row.role.clone(), row.needs_set_role, row.path.clone())
    });
    found
}

/// What a role has on single columns of a table, with the columns on which it has it in the same way.
fn by_columns(
    reviewed: &Reviewed<'_, '_>,
    table: &Protected,
    wanted: Privileges,
) -> Vec<(Taken, Vec<String>)> {
    let mut found: Vec<(Taken, Vec<String>)> = Vec::new();
    for column in &table.columns {
        for taken in reviewed.on_column(table, column) {
            if taken.privilege & wanted == 0 {
                continue;
            }
            let same = found.iter_mut().find(|(other, _)| {
                (other.privilege, other.is_grantable) == (taken.privilege, taken.is_grantable)
                    && other.told("") == taken.told("")
            });
            match same {
                Some((_, columns)) => columns.push(column.name.to_string()),
                None => found.push((taken, vec![column.name.to_string()])),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Grant, Membership};

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
        let rows =
            access_review(&rights, &roles[1], &FxHashMap::default(), std::slice::from_ref(&table), &|| {});
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
        let holders =
            who_can(&rights, &roles, &FxHashMap::default(), &table, None, privilege::DELETE, &|| {});
        let names: Vec<(&str, bool)> = holders.iter().map(|row| (&*row.role, row.needs_set_role)).collect();
        assert_eq!(names, [("app", true), ("owner", false)]);
    }

    #[test]
    fn columns_and_a_closed_schema_are_told() {
        let role = |oid, name: &str| Role { oid, name: name.into(), inherits: true, ..Role::default() };
        let roles = [role(20, "owner"), role(21, "app"), role(22, "temp")];
        let rights = Rights::new(150_000, &roles, &[], 0);
        let grant = |grantee, privileges| Grant { grantee, grantor: 20, privileges };
        let column = |name: &str, grants: &[Grant]| ProtectedColumn {
            name: name.into(),
            acl: grants.into(),
            ..ProtectedColumn::default()
        };
        let schema = Protected {
            oid: 5,
            kind: ObjectKind::Schema,
            name: "secret".into(),
            owner: 20,
            acl: Some([grant(20, privilege::USAGE), grant(22, privilege::USAGE)].into()),
            ..Protected::default()
        };
        let table = Protected {
            name: "secret.t".into(),
            schema: 5,
            owner: 20,
            acl: Some([grant(21, privilege::SELECT)].into()),
            columns: vec![
                column("id", &[grant(22, privilege::SELECT), grant(21, privilege::UPDATE)]),
                column("name", &[]),
                column("ssn", &[grant(22, privilege::SELECT | privilege::SELECT << 32)]),
                column("email", &[grant(22, privilege::SELECT)]),
            ],
            ..Protected::default()
        };
        let schemas = FxHashMap::from_iter([(5, schema)]);
        let told = |wanted| {
            who_can(&rights, &roles, &schemas, &table, None, wanted, &|| {})
                .into_iter()
                .map(|row| format!("{} {} {}: {}", row.role, row.privilege, row.is_grantable, row.path))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(privilege::SELECT),
            [
                "app SELECT false: granted by owner (needs USAGE on schema secret)",
                "temp SELECT true: on column ssn: granted by owner",
                "temp SELECT false: on columns id, email: granted by owner",
            ]
        );
        assert_eq!(
            told(privilege::UPDATE),
            ["app UPDATE false: on column id: granted by owner (needs USAGE on schema secret)"]
        );
    }

    #[test]
    fn who_may_grant_himself_a_role_has_what_it_has() {
        let role = |oid, name: &str| Role { oid, name: name.into(), inherits: true, ..Role::default() };
        let mut roles = [role(20, "owner"), role(21, "deputy"), role(22, "maker")];
        roles[2].creates_roles = true;
        let memberships =
            [Membership { role: 20, member: 21, is_admin: true, grantor: 20, ..Membership::default() }];
        let table = Protected { name: "t".into(), owner: 20, ..Protected::default() };
        let told = |version| {
            let rights = Rights::new(version, &roles, &memberships, 0);
            who_can(&rights, &roles, &FxHashMap::default(), &table, None, privilege::DELETE, &|| {})
                .into_iter()
                .map(|row| format!("{} {}: {}", row.role, row.needs_set_role, row.path))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(160_000), ["deputy true: grants itself owner: owner", "owner false: owner"]);
        assert!(told(150_000).contains(&"maker true: CREATEROLE, grants itself owner: owner".to_owned()));
        let rights = Rights::new(160_000, &roles, &memberships, 0);
        let rows: Vec<String> = access_review(&rights, &roles[1], &FxHashMap::default(), &[], &|| {})
            .into_iter()
            .map(|row| format!("{} {} {}: {}", row.object, row.privilege, row.needs_set_role, row.path))
            .collect();
        assert_eq!(
            rows,
            ["owner ADMIN OPTION false: granted by owner", "owner SET ROLE true: grants itself owner"]
        );
    }
}
