//! What several rules share: privileges taken away and given back, names, and why something could not be seen.

use std::cmp::Reverse;

use super::grant_chain::{self, depths, handed_on};
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
    let all: Vec<(Grant, &[String])> = taken.iter().map(|grant| (*grant, [].as_slice())).collect();
    chain_revoked(rights, on, owner, &all)
}

/// The same of privileges on all of something, or on the columns that stand beside them.
fn chain_revoked(
    rights: &Rights<'_>,
    on: &str,
    owner: Oid,
    taken: &[(Grant, &[String])],
) -> (String, String) {
    let comes_from = |one: usize, other: usize| {
        let ((grant, columns), (by, by_columns)) = (taken[one], taken[other]);
        let covers = || by_columns.is_empty() || columns.iter().any(|column| by_columns.contains(column));
        handed_on(&grant, &by, owner) != 0 && covers()
    };
    let depths = depths(taken.len(), comes_from);
    let mut order: Vec<usize> = (0..taken.len()).collect();
    let statements = |order: &[usize], which: &dyn Fn((String, String)) -> String| {
        let all: Vec<String> = order
            .iter()
            .map(|&place| which(revoke(rights, on, owner, &taken[place].0, taken[place].1)))
            .collect();
        all.join("\n")
    };
    order.sort_by_key(|&place| depths[place]);
    let undo = statements(&order, &|(_, undo)| undo);
    order.sort_by_key(|&place| Reverse(depths[place]));
    (statements(&order, &|(fix, _)| fix), undo)
}

fn revoke(rights: &Rights<'_>, on: &str, owner: Oid, grant: &Grant, columns: &[String]) -> (String, String) {
    let names = |set: Privileges| {
        if columns.is_empty() {
            return privilege::names(set);
        }
        let list = columns.join(", ");
        let names: Vec<String> = privilege::NAMES
            .iter()
            .filter(|(bit, _)| set & bit != 0)
            .map(|(_, name)| format!("{name} ({list})"))
            .collect();
        names.join(", ")
    };
    let grantee = rights.name(grant.grantee);
    let plain = grant.privileges & !(grant.privileges >> 32) & ANY;
    let grantable = grant.privileges & (grant.privileges >> 32) & ANY;
    let mut back = Vec::new();
    for (set, option) in [(plain, ""), (grantable, " WITH GRANT OPTION")] {
        if set != 0 {
            back.push(format!("GRANT {} ON {on} TO {grantee}{option};", names(set)));
        }
    }
    let (take, back) =
        (format!("REVOKE {} ON {on} FROM {grantee};", names(grant.privileges)), back.join("\n"));
    (as_grantor(rights, grant.grantor, owner, take), as_grantor(rights, grant.grantor, owner, back))
}

/// Statements as whoever granted: a grant is given and taken back by who gave it. A superuser's stands for the owner's.
pub fn as_grantor(rights: &Rights<'_>, grantor: Oid, owner: Oid, statements: String) -> String {
    if statements.is_empty() || grantor == owner {
        return statements;
    }
    format!("SET ROLE {};\n{statements}\nRESET ROLE;", rights.name(grantor))
}

/// Privileges on a relation: those on all of it, and those on columns, which no list of the relation's shows.
#[derive(Clone, Debug, Default)]
pub struct OnRelation {
    /// On all of it.
    whole: Vec<Grant>,
    /// On columns: equal grants with the names of their columns, quoted.
    columns: Vec<(Grant, Vec<String>)>,
    /// What others have with the option of these, on all of it or on one column: it goes and comes back with them.
    dependent: Vec<(Grant, Vec<String>)>,
}

impl OnRelation {
    /// The privileges among `wanted` of whom `whom` names.
    pub fn given(
        snapshot: &Snapshot,
        relation: &Relation,
        wanted: Privileges,
        whom: impl Fn(Oid) -> bool,
    ) -> Self {
        let acl = relation.acl.as_deref().unwrap_or_default();
        let whole = given(acl, wanted, &whom);
        let mut columns: Vec<(Grant, Vec<String>)> = Vec::new();
        let mut dependent: Vec<(Grant, Vec<String>)> = grant_chain::dependent(acl, &whole, relation.owner)
            .into_iter()
            .map(|grant| (grant, Vec::new()))
            .collect();
        for column in snapshot.columns_of(relation.oid) {
            let Some(acl) = column.acl.as_deref() else { continue };
            let name = quote_identifier(&column.name);
            let given = given(acl, wanted, &whom);
            let others = grant_chain::dependent(acl, &given, relation.owner);
            dependent.extend(others.into_iter().map(|grant| (grant, vec![name.clone()])));
            for grant in given {
                let name = name.clone();
                match columns.iter_mut().find(|(other, _)| *other == grant) {
                    Some((_, names)) => names.push(name),
                    None => columns.push((grant, vec![name])),
                }
            }
        }
        Self { whole, columns, dependent }
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
        let Self { whole, columns, .. } = &mut found;
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
        Self { columns, ..Self::default() }
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
        let whole = self.whole.iter().map(|grant| (*grant, [].as_slice()));
        let on_columns = self.columns.iter().chain(&self.dependent);
        let all: Vec<(Grant, &[String])> =
            whole.chain(on_columns.map(|(grant, columns)| (*grant, columns.as_slice()))).collect();
        chain_revoked(rights, on, owner, &all)
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
