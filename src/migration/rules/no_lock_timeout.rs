//! Roles whose DDL waits for ever.

use rustc_hash::FxHashMap;

use crate::catalog::{Oid, Relation, Role, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::quote_identifier;
use crate::text::size::pretty_bytes;

/// `migration.no_lock_timeout`: a role that may change a table of some size, and no timeout while it waits.
pub const NO_LOCK_TIMEOUT: Rule = Rule {
    id: "migration.no_lock_timeout",
    dimension: Dimension::Migration,
    severity: Severity::Warning,
    title: "DDL without lock_timeout",
    why: "A DDL statement that waits for one long query makes every later query on the table wait behind it. With a \
          lock_timeout it gives up instead, and is tried again.",
    thresholds: &[Threshold {
        name: "table_bytes",
        default: 104_857_600.0,
        range: (0.0, 1e15),
        meaning: "bytes of the heap (TOAST included) from which a table counts; below 100 MB few queries run long enough to \
                  be waited for",
    }],
    reference: "https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT",
    check,
};

/// The largest table that a role may change, and how many there are.
#[derive(Clone, Copy)]
struct Owned<'a> {
    largest: &'a Relation,
    bytes: u64,
    tables: usize,
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let least = verdicts.threshold("table_bytes") as u64;
    let mut owners: FxHashMap<Oid, Option<Owned<'_>>> = FxHashMap::default();
    for table in snapshot.judged_tables() {
        (facts.interrupt)();
        let owned = owners.entry(table.owner).or_default();
        let bytes = snapshot.heap_bytes(table);
        if bytes < least {
            continue;
        }
        let name = |table: &Relation| snapshot.relation_name(table.oid);
        *owned = Some(match *owned {
            // Of two of the same size the first by name is shown, whatever their OIDs are.
            Some(known)
                if known.bytes > bytes || (known.bytes == bytes && name(known.largest) < name(table)) =>
            {
                Owned { tables: known.tables + 1, ..known }
            }
            known => Owned { largest: table, bytes, tables: known.map_or(1, |known| known.tables + 1) },
        });
    }
    verdicts.examine(owners.len() as u64);
    if is_limited_by_guard(snapshot) {
        return;
    }
    let mut owners: Vec<(Oid, Owned<'_>)> =
        owners.into_iter().filter_map(|(owner, owned)| owned.map(|owned| (owner, owned))).collect();
    owners.sort_by_cached_key(|(_, owned)| {
        (std::cmp::Reverse(owned.bytes), snapshot.relation_name(owned.largest.oid))
    });
    let mut told: Vec<Oid> = Vec::new();
    for (owner, owned) in owners {
        for role in those_who_act_as(snapshot, owner) {
            if told.contains(&role.oid) {
                continue;
            }
            told.push(role.oid);
            match waits_for_ever(snapshot, role) {
                Some(true) => verdicts.find(describe(snapshot, role, owned)),
                Some(false) => (),
                None => verdicts.unknown(
                    quote_identifier(&role.name),
                    "",
                    format!(
                        "role {} has the lock_timeout of the server's configuration, which role {} cannot see past its \
                         own setting",
                        quote_identifier(&role.name),
                        quote_identifier(&snapshot.server.role)
                    ),
                ),
            }
        }
    }
}

/// Whether the guard puts a timeout on DDL itself.
fn is_limited_by_guard(snapshot: &Snapshot) -> bool {
    let Some(guard) = snapshot.setting("dbm.ddl_guard").filter(|&guard| guard != "off") else { return false };
    match snapshot.setting("dbm.ddl_lock_timeout") {
        None | Some("0") => false,
        Some(own) if own.starts_with('-') => guard == "enforce",
        Some(_) => true,
    }
}

/// The roles that log in and may change what the owner owns: the owner itself, and those who are in it.
fn those_who_act_as(snapshot: &Snapshot, owner: Oid) -> Vec<&Role> {
    let mut all = vec![owner];
    let mut next = 0;
    while let Some(&role) = all.get(next) {
        next += 1;
        for membership in snapshot.memberships.iter().filter(|membership| membership.role == role) {
            if !all.contains(&membership.member) {
                all.push(membership.member);
            }
        }
    }
    let mut roles: Vec<&Role> =
        snapshot.roles.iter().filter(|role| role.logs_in && all.contains(&role.oid)).collect();
    roles.sort_by(|left, right| left.name.cmp(&right.name));
    roles
}

/// Whether a new session of the role has no timeout; `None` where the server's configuration decides and cannot be seen.
fn waits_for_ever(snapshot: &Snapshot, role: &Role) -> Option<bool> {
    let set = |wanted: Oid, here: bool| {
        snapshot
            .role_settings
            .iter()
            .filter(|own| own.role == wanted && own.is_for_database == here)
            .find_map(|own| own.value("lock_timeout"))
    };
    let own = set(role.oid, true)
        .or_else(|| set(role.oid, false))
        .or_else(|| set(0, true))
        .or_else(|| set(0, false));
    if let Some(value) = own {
        return Some(is_zero(value));
    }
    // What this session began with is the server's value, unless something was set for its own role.
    let caller = snapshot.roles.iter().find(|other| *other.name == *snapshot.server.role)?;
    let is_own = set(caller.oid, true).or_else(|| set(caller.oid, false)).is_some();
    if is_own { None } else { snapshot.setting("lock_timeout").map(is_zero) }
}

/// `0`, `0ms`, `0 s`.
fn is_zero(value: &str) -> bool {
    let digits = value.trim().trim_end_matches(|last: char| last.is_ascii_alphabetic() || last == ' ');
    digits.parse::<f64>().is_ok_and(|number| number == 0.0)
}

fn describe(snapshot: &Snapshot, role: &Role, owned: Owned<'_>) -> Finding {
    let (name, database) = (quote_identifier(&role.name), quote_identifier(&snapshot.server.database));
    let table = snapshot.relation_name(owned.largest.oid);
    let message = format!(
        "role {name} may change {table} ({}) and has no lock_timeout: its DDL waits for any long query, and all others \
         behind it",
        pretty_bytes(owned.bytes)
    );
    Finding::new(name.clone(), "", message)
        .evidence("tables", owned.tables)
        .evidence("largest_table", table)
        .fix(
            format!("ALTER ROLE {name} IN DATABASE {database} SET lock_timeout = '5s';"),
            format!("ALTER ROLE {name} IN DATABASE {database} RESET lock_timeout;"),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::{Membership, RoleSetting, Setting};

    const OWNER: Oid = 100;
    const MEMBER: Oid = 101;

    fn role(oid: Oid, name: &str, logs_in: bool) -> Role {
        Role { oid, name: name.into(), logs_in, ..Role::default() }
    }

    fn sample() -> Sample {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        sample.edit_table(table, |table| (table.owner, table.pages) = (OWNER, 20_000));
        sample.snapshot.roles =
            vec![role(10, "postgres", true), role(OWNER, "shop", true), role(MEMBER, "deploy", true)];
        sample.snapshot.settings.insert("lock_timeout".into(), Setting { value: "0".into() });
        sample
    }

    fn names(sample: Sample) -> Vec<String> {
        run(&NO_LOCK_TIMEOUT, &sample.finish()).0.into_iter().map(|finding| finding.object).collect()
    }

    fn set(role: Oid, is_for_database: bool, value: &str) -> RoleSetting {
        RoleSetting { role, is_for_database, settings: [format!("lock_timeout={value}").into()].into() }
    }

    #[test]
    fn an_owner_without_timeout_is_found_with_its_repair() {
        let found = run(&NO_LOCK_TIMEOUT, &sample().finish()).0;
        assert_eq!((found.len(), found[0].object.as_str()), (1, "shop"));
        assert_eq!(
            found[0].fix.as_deref(),
            Some("ALTER ROLE shop IN DATABASE shop SET lock_timeout = '5s';")
        );
        assert_eq!(found[0].undo.as_deref(), Some("ALTER ROLE shop IN DATABASE shop RESET lock_timeout;"));
    }

    #[test]
    fn a_timeout_of_role_database_or_server_is_enough_and_the_narrowest_counts() {
        for right in
            [set(OWNER, true, "5s"), set(OWNER, false, "5000"), set(0, true, "5s"), set(0, false, "1min")]
        {
            let mut sample = sample();
            sample.snapshot.role_settings.push(right);
            assert!(names(sample).is_empty());
        }
        let mut at_server = sample();
        at_server.snapshot.settings.insert("lock_timeout".into(), Setting { value: "5000".into() });
        assert!(names(at_server).is_empty());
        let mut sample = sample();
        sample.snapshot.role_settings = vec![set(0, true, "5s"), set(OWNER, true, "0")];
        assert_eq!(names(sample), ["shop"]);
    }

    #[test]
    fn those_who_are_in_the_owner_act_for_it() {
        let mut sample = sample();
        sample.snapshot.roles[1].logs_in = false;
        sample.snapshot.memberships.push(Membership { role: OWNER, member: MEMBER, ..Membership::default() });
        assert_eq!(names(sample), ["deploy"]);
    }

    #[test]
    fn small_tables_and_a_guard_with_a_timeout_are_right() {
        let mut small = sample();
        small.snapshot.relations[0].pages = 10;
        assert!(names(small).is_empty());
        for (guard, timeout, found) in [
            ("enforce", "-1", 0),
            ("warn", "-1", 1),
            ("warn", "2s", 0),
            ("off", "2s", 1),
            ("enforce", "0", 1),
        ] {
            let mut sample = sample();
            for (name, value) in [("dbm.ddl_guard", guard), ("dbm.ddl_lock_timeout", timeout)] {
                sample.snapshot.settings.insert(name.into(), Setting { value: value.into() });
            }
            assert_eq!(names(sample).len(), found, "{guard} {timeout}");
        }
    }

    #[test]
    fn a_caller_with_a_setting_of_its_own_cannot_see_the_servers() {
        let mut sample = sample();
        sample.snapshot.role_settings.push(set(10, false, "9s"));
        let (found, unknown, _) = run(&NO_LOCK_TIMEOUT, &sample.finish());
        assert_eq!((found.len(), unknown.len()), (0, 1));
    }
}
