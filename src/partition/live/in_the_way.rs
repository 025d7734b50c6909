//! Who holds a lock that was not to be had, as far as the owner of the set may know.

use crate::catalog::ddl::Blocker;
use crate::catalog::{LockMode, Oid};
use crate::partition::set::Set;
use crate::partition::upkeep::Action;
use crate::pg::ddl::blockers;
use crate::pg::query;
use crate::pg::value::Text;

/// Who is in the way of an action.
pub fn of(set: &Set, action: &Action) -> Option<String> {
    let default = set.default_partition().map(|default| default.relation);
    let numbers =
        |names: &[String]| -> Vec<Oid> { names.iter().filter_map(|name| number_of(name)).collect() };
    let mut groups: Vec<(Vec<Oid>, LockMode)> = Vec::new();
    match action {
        Action::Create { .. } | Action::CreateDefault { .. } => {
            groups.push((vec![set.parent], LockMode::ShareUpdateExclusive));
            groups.push((default.into_iter().collect(), LockMode::AccessExclusive));
            groups.push((numbers(&set.references), LockMode::ShareRowExclusive));
        }
        Action::Retire { partition, concurrently: true, .. } | Action::Finalize { partition, .. } => {
            groups.push((vec![set.parent], LockMode::ShareUpdateExclusive));
            groups.push((vec![*partition], LockMode::AccessExclusive));
            groups.push((numbers(&set.referenced_by), LockMode::AccessExclusive));
        }
        Action::Retire { partition, .. } => {
            let mut tables = vec![set.parent, *partition];
            tables.extend(default);
            tables.extend(numbers(&set.referenced_by));
            groups.push((tables, LockMode::AccessExclusive));
        }
        Action::DropDetached { relation, .. } => {
            groups.push((vec![*relation], LockMode::AccessExclusive));
            groups.push((numbers(&set.references), LockMode::AccessExclusive));
        }
        Action::DropConstraint { .. } => {
            groups.push((default.into_iter().collect(), LockMode::AccessExclusive));
        }
        Action::Drain | Action::Stop { .. } => {
            groups.push((std::iter::once(set.parent).chain(default).collect(), LockMode::AccessExclusive));
        }
    }
    let found = groups.iter().flat_map(|(tables, mode)| blockers::among(tables, *mode));
    let found = found.filter(|blocker| !blocker.is_waiting).map(|blocker| described(&blocker)).next();
    match (found, action) {
        (None, Action::Finalize { .. }) => of_snapshots(),
        (found, _) => found,
    }
}

/// Who uses the parent in a transaction that a detaching waits for.
pub fn of_detach(set: &Set) -> Option<String> {
    let found = blockers::among(&[set.parent], LockMode::AccessExclusive);
    found.iter().find(|blocker| !blocker.is_waiting).map(described)
}

/// The session with the oldest snapshot.
fn of_snapshots() -> Option<String> {
    query::rows(
        "SELECT 'waits for the snapshot of process ' OPERATOR(pg_catalog.||) a.pid::pg_catalog.text
         FROM pg_catalog.pg_stat_get_activity(NULL) a
         WHERE a.backend_xmin IS NOT NULL AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
         ORDER BY pg_catalog.age(a.backend_xmin) DESC LIMIT 1",
        &[],
        |row| row.get::<Text>(1),
    )
    .into_iter()
    .flatten()
    .next()
    .map(Text::into_string)
}

fn number_of(name: &str) -> Option<Oid> {
    query::rows(
        "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid::pg_catalog.int8",
        &[Text::from(name).into()],
        |row| row.get::<i64>(1),
    )
    .into_iter()
    .flatten()
    .next()
    .and_then(|number| Oid::try_from(number).ok())
}

/// `locked by process 4711 (application "psql", idle in transaction, for 12 s)`.
fn described(blocker: &Blocker) -> String {
    if let Some(prepared) = &blocker.prepared {
        return format!("{} locked by prepared transaction \"{prepared}\"", blocker.relation);
    }
    let mut about = Vec::new();
    if !blocker.application.is_empty() {
        about.push(format!("application \"{}\"", blocker.application));
    } else if !blocker.backend_type.is_empty() && blocker.backend_type != "client backend" {
        about.push(blocker.backend_type.clone());
    }
    if !blocker.state.is_empty() {
        about.push(blocker.state.clone());
    }
    if let Some(seconds) = blocker.seconds {
        about.push(format!("for {seconds:.1} s"));
    }
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    format!("{} locked by process {}{about}", blocker.relation, blocker.pid)
}
