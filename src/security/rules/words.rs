//! What several rules share: privileges taken away and given back, names, and why something could not be seen.

use crate::catalog::security::privilege;
use crate::catalog::{Grant, Oid, Privileges, Relation, RelationKind, Snapshot};
use crate::security::rights::Rights;
use crate::text::quote_identifier;

/// Every privilege there is, without the options to grant them.
pub const ANY: Privileges = 0xffff_ffff;

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
    format!("role {} may not see {what}: {grant}", quote_identifier(&snapshot.server.role))
}

/// What takes privileges away, and what gives them back. `on` is what stands after ON, say `TABLE shop.orders`.
///
/// A grant is taken back by who gave it; a superuser's REVOKE stands for the owner's.
pub fn revoked(rights: &Rights<'_>, on: &str, owner: Oid, taken: &[Grant]) -> (String, String) {
    let (mut fix, mut undo) = (Vec::new(), Vec::new());
    for grant in taken {
        revoke(rights, on, owner, grant, &privilege::names, &mut fix, &mut undo);
    }
    (fix.join("\n"), undo.join("\n"))
}

fn revoke(
    rights: &Rights<'_>,
    on: &str,
    owner: Oid,
    grant: &Grant,
    names: &dyn Fn(Privileges) -> String,
    fix: &mut Vec<String>,
    undo: &mut Vec<String>,
) {
    let grantee = rights.name(grant.grantee);
    let plain = grant.privileges & !(grant.privileges >> 32) & ANY;
    let grantable = grant.privileges & (grant.privileges >> 32) & ANY;
    let mut back = Vec::new();
    for (set, option) in [(plain, ""), (grantable, " WITH GRANT OPTION")] {
        if set != 0 {
            back.push(format!("GRANT {} ON {on} TO {grantee}{option};", names(set)));
        }
    }
    let take = format!("REVOKE {} ON {on} FROM {grantee};", names(grant.privileges));
    if grant.grantor == owner {
        fix.push(take);
        undo.extend(back);
    } else {
        let grantor = rights.name(grant.grantor);
        fix.push(format!("SET ROLE {grantor};\n{take}\nRESET ROLE;"));
        undo.push(format!("SET ROLE {grantor};\n{}\nRESET ROLE;", back.join("\n")));
    }
}

/// Privileges on a relation: those on all of it, and those on columns, which no list of the relation's shows.
#[derive(Clone, Debug, Default)]
pub struct OnRelation {
    /// On all of it.
    whole: Vec<Grant>,
    /// On columns: equal grants with the names of their columns, quoted.
    columns: Vec<(Grant, Vec<String>)>,
}

impl OnRelation {
    /// The privileges among `wanted` of whom `whom` names.
    pub fn given(
        snapshot: &Snapshot,
        relation: &Relation,
        wanted: Privileges,
        whom: impl Fn(Oid) -> bool,
    ) -> Self {
        let whole = given(relation.acl.as_deref().unwrap_or_default(), wanted, &whom);
        let mut columns: Vec<(Grant, Vec<String>)> = Vec::new();
        for column in snapshot.columns_of(relation.oid) {
            let Some(acl) = column.acl.as_deref() else { continue };
            for grant in given(acl, wanted, &whom) {
                let name = quote_identifier(&column.name);
                match columns.iter_mut().find(|(other, _)| *other == grant) {
                    Some((_, names)) => names.push(name),
                    None => columns.push((grant, vec![name])),
                }
            }
        }
        Self { whole, columns }
    }

    /// What goes and comes back with privileges on all of a relation: REVOKE takes the same ones on its columns along.
    pub fn whole(
        snapshot: &Snapshot,
        relation: &Relation,
        wanted: Privileges,
        whom: impl Fn(Oid) -> bool,
    ) -> Self {
        if given(relation.acl.as_deref().unwrap_or_default(), wanted, &whom).is_empty() {
            return Self::default();
        }
        let mut found = Self::given(snapshot, relation, wanted, whom);
        let Self { whole, columns } = &mut found;
        for (grant, _) in columns.iter_mut() {
            let along = whole
                .iter()
                .filter(|whole| (whole.grantee, whole.grantor) == (grant.grantee, grant.grantor))
                .fold(0, |all, whole| all | (whole.privileges & ANY));
            grant.privileges &= along | along << 32;
        }
        columns.retain(|(grant, _)| grant.privileges & ANY != 0);
        found
    }

    /// Those on one column.
    pub fn on_column(column: &str, grants: Vec<Grant>) -> Self {
        let columns = grants.into_iter().map(|grant| (grant, vec![quote_identifier(column)])).collect();
        Self { whole: Vec::new(), columns }
    }

    /// Whether nobody has any.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.columns.is_empty()
    }

    /// All of them.
    pub fn grants(&self) -> Vec<Grant> {
        self.whole.iter().copied().chain(self.columns.iter().map(|(grant, _)| *grant)).collect()
    }

    /// Those on all of it.
    pub fn on_whole(&self) -> &[Grant] {
        &self.whole
    }

    /// What takes them away, and what gives them back. `on` is what stands after ON.
    pub fn revoked(&self, rights: &Rights<'_>, on: &str, owner: Oid) -> (String, String) {
        let (mut fix, mut undo) = (Vec::new(), Vec::new());
        for grant in &self.whole {
            revoke(rights, on, owner, grant, &privilege::names, &mut fix, &mut undo);
        }
        for (grant, columns) in &self.columns {
            let list = columns.join(", ");
            let names = |set: Privileges| {
                let names: Vec<String> = privilege::NAMES
                    .iter()
                    .filter(|(bit, _)| set & bit != 0)
                    .map(|(_, name)| format!("{name} ({list})"))
                    .collect();
                names.join(", ")
            };
            revoke(rights, on, owner, grant, &names, &mut fix, &mut undo);
        }
        (fix.join("\n"), undo.join("\n"))
    }
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
    grants.iter().fold(0, |all, grant| all | (grant.privileges & ANY))
}

/// The names of the logins that act as a role, in order; superusers act as every one.
pub fn logins_as(snapshot: &Snapshot, rights: &Rights<'_>, role: Oid) -> Vec<String> {
    let mut logins: Vec<String> = snapshot
        .roles
        .iter()
        .filter(|login| login.logs_in && !login.is_superuser)
        .filter(|login| rights.can_use(login.oid, role))
        .map(|login| quote_identifier(&login.name))
        .collect();
    logins.sort();
    logins
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
