//! What several rules share: privileges taken away and given back, names, and why something could not be seen.

use crate::catalog::security::privilege;
use crate::catalog::{Grant, Oid, Privileges, Relation, RelationKind, Snapshot};
use crate::security::rights::Rights;

/// The rights of this cluster, seen from this database.
pub fn rights(snapshot: &Snapshot) -> Rights<'_> {
    Rights::new(
        snapshot.server.version,
        &snapshot.roles,
        &snapshot.memberships,
        snapshot.security.database.owner,
    )
}

/// Why a fact that only some may see is not known.
pub fn unseen(snapshot: &Snapshot, what: &str, grant: &str) -> String {
    format!("role {} may not see {what}: {grant}", crate::text::quote_identifier(&snapshot.server.role))
}

/// What takes privileges away, and what gives them back. `on` is what stands after ON, say `TABLE shop.orders`.
///
/// A grant is taken back by who gave it; a superuser's REVOKE stands for the owner's.
pub fn revoked(rights: &Rights<'_>, on: &str, owner: Oid, taken: &[Grant]) -> (String, String) {
    let (mut fix, mut undo) = (Vec::new(), Vec::new());
    for grant in taken {
        let names = privilege::names(grant.privileges);
        let grantee = rights.name(grant.grantee);
        let plain = grant.privileges & !(grant.privileges >> 32) & 0xffff_ffff;
        let grantable = grant.privileges & (grant.privileges >> 32) & 0xffff_ffff;
        let mut back = Vec::new();
        for (set, option) in [(plain, ""), (grantable, " WITH GRANT OPTION")] {
            if set != 0 {
                back.push(format!("GRANT {} ON {on} TO {grantee}{option};", privilege::names(set)));
            }
        }
        let take = format!("REVOKE {names} ON {on} FROM {grantee};");
        if grant.grantor == owner {
            fix.push(take);
            undo.extend(back);
        } else {
            let grantor = rights.name(grant.grantor);
            fix.push(format!("SET ROLE {grantor};\n{take}\nRESET ROLE;"));
            undo.push(format!("SET ROLE {grantor};\n{}\nRESET ROLE;", back.join("\n")));
        }
    }
    (fix.join("\n"), undo.join("\n"))
}

/// The items of a list that give these privileges to whom `whom` names, cut down to them.
pub fn given(acl: &[Grant], wanted: Privileges, whom: impl Fn(Oid) -> bool) -> Vec<Grant> {
    acl.iter()
        .filter(|grant| grant.privileges & wanted != 0 && whom(grant.grantee))
        .map(|grant| Grant { privileges: grant.privileges & (wanted | wanted << 32), ..*grant })
        .collect()
}

/// The names of grantees, each once and in order.
pub fn grantees(rights: &Rights<'_>, grants: &[Grant]) -> Vec<String> {
    let mut names: Vec<String> = grants.iter().map(|grant| rights.name(grant.grantee)).collect();
    names.sort();
    names.dedup();
    names
}

/// The privileges of several grants together.
pub fn together(grants: &[Grant]) -> Privileges {
    grants.iter().fold(0, |all, grant| all | (grant.privileges & 0xffff_ffff))
}

/// What a relation is called.
pub fn kind_of(relation: &Relation) -> &'static str {
    match relation.kind {
        RelationKind::View => "view",
        RelationKind::MaterializedView => "materialized view",
        RelationKind::ForeignTable => "foreign table",
        _ => "table",
    }
}

/// `a`, `a and b`, `a, b and c`, `a, b and 4 more`.
pub fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first, second] => format!("{first} and {second}"),
        [first, second, third] => format!("{first}, {second} and {third}"),
        [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
    }
}
