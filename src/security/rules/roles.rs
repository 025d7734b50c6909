//! Roles that can do more than anybody meant.

use super::logins::Logins;
use super::words::{OnRelation, listed, rights, unseen};
use crate::catalog::security::privilege;
use crate::catalog::{Oid, Privileges, Role, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::security::rights::{BOOTSTRAP, FIRST_OWN_ROLE, Rights};
use crate::text::quote_identifier;

/// `security.extra_superuser`: another superuser than the one of the cluster logs in, or a role can become one.
pub const EXTRA_SUPERUSER: Rule = Rule {
    id: "security.extra_superuser",
    dimension: Dimension::Security,
    severity: Severity::Critical,
    title: "Login with the rights of a superuser",
    why: "Nothing is refused to a superuser: it reads every database, runs programs as the server's operating system user and \
          turns every protocol off. Each login that is one, or becomes one by SET ROLE, is another password to the whole server.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/role-attributes.html",
    check: extra_superuser,
};

fn extra_superuser(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    verdicts.examine(snapshot.roles.len() as u64);
    for role in snapshot.roles.iter().filter(|role| role.logs_in && role.oid != BOOTSTRAP) {
        (facts.interrupt)();
        let name = quote_identifier(&role.name);
        if role.is_superuser {
            let message =
                format!("role {name} logs in and is a superuser: nothing on this server is refused to it");
            verdicts.find(
                Finding::new(name.clone(), "", message)
                    .fix(format!("ALTER ROLE {name} NOSUPERUSER;"), format!("ALTER ROLE {name} SUPERUSER;")),
            );
            continue;
        }
        let mut superusers: Vec<Oid> =
            rights.becomes(role.oid).into_iter().filter(|&other| rights.is_superuser(other)).collect();
        superusers.sort_by_key(|&other| rights.name(other));
        let Some(&superuser) = superusers.first() else { continue };
        let path = rights.path_to_become(role.oid, superuser).unwrap_or_default();
        let Some(&first) = path.first() else { continue };
        let message = format!(
            "role {name} becomes superuser {} by SET ROLE: nothing on this server is refused to it",
            rights.name(superuser)
        );
        let through: Vec<String> = path.iter().map(|&oid| rights.name(oid)).collect();
        let (fix, undo) = membership(snapshot, &rights, first, role.oid);
        verdicts.find(Finding::new(name, "", message).evidence("through", through).fix(fix, undo));
    }
}

/// What takes a membership away, and what gives it back as it was.
fn membership(snapshot: &Snapshot, rights: &Rights<'_>, role: Oid, member: Oid) -> (String, String) {
    let (role_name, member_name) = (rights.name(role), rights.name(member));
    let of: Vec<_> = snapshot
        .memberships
        .iter()
        .filter(|membership| membership.role == role && membership.member == member)
        .collect();
    if snapshot.server.version < 160_000 {
        let admin = if of.iter().any(|membership| membership.is_admin) { " WITH ADMIN OPTION" } else { "" };
        return (
            format!("REVOKE {role_name} FROM {member_name};"),
            format!("GRANT {role_name} TO {member_name}{admin};"),
        );
    }
    let (mut fix, mut undo) = (Vec::new(), Vec::new());
    for membership in of {
        let by = rights.name(membership.grantor);
        fix.push(format!("REVOKE {role_name} FROM {member_name} GRANTED BY {by};"));
        undo.push(format!(
            "GRANT {role_name} TO {member_name} WITH ADMIN {}, INHERIT {}, SET {} GRANTED BY {by};",
            membership.is_admin, membership.inherits, membership.sets
        ));
    }
    (fix.join("\n"), undo.join("\n"))
}

/// `security.role_bypasses_row_security`: a role that no policy binds.
pub const ROLE_BYPASSES_ROW_SECURITY: Rule = Rule {
    id: "security.role_bypasses_row_security",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Role that no policy binds",
    why: "With BYPASSRLS a role sees and writes the rows of every tenant in every table that it may use at all.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-rowsecurity.html",
    check: bypasses,
};

fn bypasses(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    verdicts.examine(snapshot.roles.len() as u64);
    let guarded = snapshot.relations.iter().any(|relation| relation.row_security);
    for role in own_roles(snapshot).filter(|role| role.bypasses_row_security && !role.is_superuser) {
        (facts.interrupt)();
        let name = quote_identifier(&role.name);
        let message = format!("role {name} has BYPASSRLS: it sees the rows of every tenant");
        let severity = if guarded && role.logs_in { Severity::Error } else { Severity::Warning };
        verdicts.find(
            Finding::new(name.clone(), "", message)
                .severity(severity)
                .evidence("who_may_keep_it", "the role of pg_dump, which needs it for complete dumps")
                .fix(format!("ALTER ROLE {name} NOBYPASSRLS;"), format!("ALTER ROLE {name} BYPASSRLS;")),
        );
    }
}

fn own_roles(snapshot: &Snapshot) -> impl Iterator<Item = &Role> {
    snapshot.roles.iter().filter(|role| role.oid >= FIRST_OWN_ROLE)
}

/// `security.role_creates_roles`: CREATEROLE, which until 15 is as good as superuser.
pub const ROLE_CREATES_ROLES: Rule = Rule {
    id: "security.role_creates_roles",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Role that makes roles",
    why: "Until PostgreSQL 15 a role with CREATEROLE may grant itself pg_execute_server_program, and with it the server's \
          operating system user. From 16 on it rules over the roles that it made, and no others.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/role-attributes.html",
    check: creates_roles,
};

fn creates_roles(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    verdicts.examine(snapshot.roles.len() as u64);
    let is_old = snapshot.server.version < 160_000;
    for role in own_roles(snapshot).filter(|role| role.creates_roles && !role.is_superuser) {
        (facts.interrupt)();
        let name = quote_identifier(&role.name);
        let message = if is_old {
            format!(
                "role {name} has CREATEROLE: in this version it grants itself pg_execute_server_program and runs programs on \
                 the server"
            )
        } else {
            format!("role {name} has CREATEROLE: it makes logins and rules over the roles that it made")
        };
        let severity = if is_old { Severity::Critical } else { Severity::Warning };
        verdicts.find(
            Finding::new(name.clone(), "", message)
                .severity(severity)
                .fix(format!("ALTER ROLE {name} NOCREATEROLE;"), format!("ALTER ROLE {name} CREATEROLE;")),
        );
    }
}

/// `security.role_replicates`: a login that copies the whole cluster.
pub const ROLE_REPLICATES: Rule = Rule {
    id: "security.role_replicates",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Login that may copy the cluster",
    why: "With REPLICATION a role streams every database, passwords included, past every privilege and policy.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/role-attributes.html",
    check: replicates,
};

fn replicates(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let replicating: Vec<&Role> =
        own_roles(snapshot).filter(|role| role.replicates && role.logs_in && !role.is_superuser).collect();
    let Some(lines) = &snapshot.security.hba else {
        if replicating.is_empty() {
            verdicts.examine(snapshot.roles.len() as u64);
            return;
        }
        let reason = unseen(
            snapshot,
            "pg_hba.conf, which says from where a role with REPLICATION comes in",
            "GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO it",
        );
        return verdicts.unknown_all(replicating.len() as u64, reason);
    };
    verdicts.examine(snapshot.roles.len() as u64);
    let rights = rights(snapshot);
    for role in replicating {
        (facts.interrupt)();
        let Some(line) =
            super::hba::reachable(&rights, lines, role, "replication").find(|line| !is_one_host(line))
        else {
            continue;
        };
        let name = quote_identifier(&role.name);
        let message = format!(
            "role {name} copies the whole cluster, from more than one host: line {} of pg_hba.conf lets it in",
            line.number
        );
        let severity = if line.address.is_some() { Severity::Error } else { Severity::Info };
        verdicts.find(
            Finding::new(name.clone(), "", message)
                .severity(severity)
                .evidence("line", line.text())
                .fix(format!("ALTER ROLE {name} NOREPLICATION;"), format!("ALTER ROLE {name} REPLICATION;"))
                .evidence("or", "a line for each standby's address; fix only where no standby uses the role"),
        );
    }
}

/// Whether a line means one machine: a standby as it should be.
fn is_one_host(line: &crate::catalog::security::HbaLine) -> bool {
    use crate::catalog::security::HbaAddress;
    match &line.address {
        Some(HbaAddress::Network(address, bits)) => *bits == if address.is_ipv4() { 32 } else { 128 },
        Some(HbaAddress::Name(name)) => !name.starts_with('.'),
        Some(HbaAddress::SameHost) => true,
        _ => false,
    }
}

/// A predefined role, what having it means, and how bad that is.
pub const PREDEFINED: [(&str, &str, Severity); 9] = [
    ("pg_execute_server_program", "runs programs as the server's operating system user", Severity::Critical),
    ("pg_write_server_files", "writes the server's files, its configuration among them", Severity::Critical),
    ("pg_read_server_files", "reads every file of the server, all data among them", Severity::Critical),
    ("pg_write_all_data", "writes every table of every database", Severity::Error),
    ("pg_create_subscription", "has the server connect to hosts of its choice", Severity::Warning),
    ("pg_maintain", "rebuilds, locks and refreshes every table", Severity::Warning),
    ("pg_read_all_data", "reads every table of every database", Severity::Warning),
    ("pg_signal_backend", "ends other roles' sessions", Severity::Info),
    ("pg_monitor", "sees the queries of all other roles", Severity::Info),
];

/// `security.dangerous_membership`: a role in a predefined role that reaches further than its name says.
pub const DANGEROUS_MEMBERSHIP: Rule = Rule {
    id: "security.dangerous_membership",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Member of a predefined role that reaches far",
    why: "Three predefined roles are as good as superuser through the operating system, and others read or write all data. \
          Whoever is in a member has them too.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/predefined-roles.html",
    check: dangerous_membership,
};

fn dangerous_membership(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    let logins = Logins::new(snapshot, &rights, facts.interrupt);
    verdicts.examine(snapshot.roles.len() as u64);
    let mut told: Vec<(Oid, Oid)> = Vec::new();
    for membership in &snapshot.memberships {
        (facts.interrupt)();
        let (Some(role), Some(member)) = (rights.role(membership.role), rights.role(membership.member))
        else {
            continue;
        };
        let Some((_, what, severity)) = PREDEFINED.iter().find(|(name, ..)| **name == *role.name) else {
            continue;
        };
        if member.is_superuser || member.oid < FIRST_OWN_ROLE || told.contains(&(role.oid, member.oid)) {
            continue;
        }
        // From 16 on one may be a member without anything that this is good for.
        if !(membership.inherits || membership.sets || membership.is_admin) {
            continue;
        }
        // Who does nothing but watch is what pg_monitor was made for.
        if &*role.name == "pg_monitor" && !writes_anything(snapshot, &rights, member.oid) {
            continue;
        }
        told.push((role.oid, member.oid));
        let logins = logins.of(member.oid);
        let severity = if logins.is_empty() { Severity::Info } else { *severity };
        let name = quote_identifier(&member.name);
        let mut message = format!("role {name} is a member of {}: it {what}", role.name);
        let others: Vec<String> = logins.iter().filter(|&login| *login != name).cloned().collect();
        if !others.is_empty() {
            message.push_str(&format!("; so do logins {}", listed(&others)));
        }
        let (fix, undo) = self::membership(snapshot, &rights, role.oid, member.oid);
        verdicts.find(
            Finding::new(format!("{name} in {}", role.name), "", message)
                .severity(severity)
                .evidence("logins", logins)
                .fix(fix, undo),
        );
    }
}

const WRITES: Privileges = privilege::INSERT | privilege::UPDATE | privilege::DELETE;

fn writes_anything(snapshot: &Snapshot, rights: &Rights<'_>, role: Oid) -> bool {
    // What it does not inherit it takes by SET ROLE.
    let has: Vec<Oid> = rights.becomes(role).into_iter().flat_map(|own| rights.rights_of(own)).collect();
    snapshot.judged_tables().any(|table| {
        let held = |grantee: Oid| grantee != 0 && has.contains(&grantee);
        has.contains(&table.owner) || !OnRelation::given(snapshot, table, WRITES, held).is_empty()
    })
}

/// `security.search_path_writable`: what a role's search_path begins with, others may create in.
pub const SEARCH_PATH_WRITABLE: Rule = Rule {
    id: "security.search_path_writable",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "search_path through a schema that others write",
    why: "Whoever may create in a schema of somebody's search_path puts a function or an operator there that is run with that \
          role's rights, at its next unqualified call.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATTERNS",
    check: search_path_writable,
};

fn search_path_writable(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    verdicts.examine(snapshot.roles.len() as u64);
    for setting in &snapshot.role_settings {
        (facts.interrupt)();
        let Some(path) = setting.value("search_path") else { continue };
        let unsafe_schemas: Vec<String> = super::functions::schemas_of(path)
            .into_iter()
            .filter_map(|name| snapshot.namespaces.values().find(|schema| *schema.name == *name))
            .filter(|schema| {
                let writers = super::functions::creators(snapshot, &rights, schema);
                // PUBLIC's right to create in a schema has a rule of its own.
                writers.iter().any(|&writer| writer != 0 && writer != setting.role)
            })
            .map(|schema| quote_identifier(&schema.name))
            .collect();
        if unsafe_schemas.is_empty() {
            continue;
        }
        let database = quote_identifier(&snapshot.server.database);
        let whose = match (setting.role, setting.is_for_database) {
            (0, true) => format!("DATABASE {database}"),
            (0, false) => "ROLE ALL".to_owned(),
            (role, true) => format!("ROLE {} IN DATABASE {database}", rights.name(role)),
            (role, false) => format!("ROLE {}", rights.name(role)),
        };
        let message = format!(
            "the search_path of {} goes through {}, in which other roles create",
            whose
                .replacen("ROLE", "role", 1)
                .replacen("DATABASE", "database", 1)
                .replace("IN DATABASE", "in database"),
            listed(&unsafe_schemas)
        );
        verdicts.find(
            Finding::new(whose.clone(), "", message)
                .severity(if setting.role == 0 || rights.is_superuser(setting.role) {
                    Severity::Error
                } else {
                    Severity::Warning
                })
                .evidence("schemas", unsafe_schemas)
                .fix(
                    format!("ALTER {whose} RESET search_path;"),
                    format!("ALTER {whose} SET search_path = {path};"),
                ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Membership;
    use crate::catalog::sample::{Sample, run};

    fn role(oid: Oid, name: &str) -> Role {
        Role { oid, name: name.into(), logs_in: true, inherits: true, ..Role::default() }
    }

    fn sample() -> Sample {
        let mut sample = Sample::new();
        sample.snapshot.roles = vec![
            Role { is_superuser: true, ..role(BOOTSTRAP, "postgres") },
            role(20_000, "app"),
            Role { logs_in: false, is_superuser: true, ..role(20_001, "dba") },
            Role { logs_in: false, ..role(4_571, "pg_execute_server_program") },
            Role { logs_in: false, ..role(3_373, "pg_monitor") },
        ];
        sample
    }

    fn join(sample: &mut Sample, role: Oid, member: Oid, sets: bool) {
        sample.snapshot.memberships.push(Membership {
            role,
            member,
            inherits: true,
            sets,
            grantor: 10,
            ..Membership::default()
        });
    }

    #[test]
    fn a_login_that_becomes_a_superuser_is_one() {
        let mut sample = sample();
        join(&mut sample, 20_001, 20_000, true);
        let found = run(&EXTRA_SUPERUSER, &sample.finish()).0;
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].message,
            "role app becomes superuser dba by SET ROLE: nothing on this server is refused to it"
        );
        assert_eq!(found[0].fix.as_deref(), Some("REVOKE dba FROM app;"));
    }

    #[test]
    fn who_cannot_become_it_and_who_does_not_log_in_is_right() {
        let mut sample = sample();
        join(&mut sample, 20_001, 20_000, false);
        assert!(run(&EXTRA_SUPERUSER, &sample.finish()).0.is_empty());
    }

    #[test]
    fn createrole_means_more_before_16() {
        for (version, severity) in [(150_000, Severity::Critical), (160_000, Severity::Warning)] {
            let mut sample = sample();
            sample.snapshot.server.version = version;
            sample.snapshot.roles[1].creates_roles = true;
            assert_eq!(run(&ROLE_CREATES_ROLES, &sample.finish()).0[0].severity, Some(severity));
        }
    }

    #[test]
    fn members_of_far_reaching_roles_are_found_and_watchers_are_not() {
        let mut sample = sample();
        join(&mut sample, 4_571, 20_000, true);
        join(&mut sample, 3_373, 20_000, true);
        let found = run(&DANGEROUS_MEMBERSHIP, &sample.finish()).0;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].object, "app in pg_execute_server_program");
        assert_eq!(found[0].severity, Some(Severity::Critical));
    }

    #[test]
    fn a_watcher_that_becomes_who_writes_is_none() {
        for (sets, found) in [(true, 1), (false, 0)] {
            let mut sample = sample();
            sample.snapshot.roles.push(Role { logs_in: false, ..role(20_005, "writers") });
            let table = sample.table("orders");
            sample.edit_table(table, |table| table.owner = 20_005);
            join(&mut sample, 3_373, 20_000, true);
            join(&mut sample, 20_005, 20_000, sets);
            if let Some(last) = sample.snapshot.memberships.last_mut() {
                last.inherits = false;
            }
            assert_eq!(run(&DANGEROUS_MEMBERSHIP, &sample.finish()).0.len(), found);
        }
    }

    #[test]
    fn a_login_that_inherits_without_set_role_has_the_rights_too() {
        let mut sample = sample();
        sample.snapshot.roles.push(Role { logs_in: false, ..role(20_005, "loaders") });
        join(&mut sample, 4_571, 20_005, true);
        // WITH INHERIT TRUE, SET FALSE.
        join(&mut sample, 20_005, 20_000, false);
        let found = run(&DANGEROUS_MEMBERSHIP, &sample.finish()).0;
        assert_eq!(found[0].severity, Some(Severity::Critical));
        assert!(found[0].message.ends_with("; so do logins app"), "{}", found[0].message);
    }

    #[test]
    fn replication_is_unknown_where_the_file_cannot_be_read() {
        let mut sample = sample();
        sample.snapshot.roles[1].replicates = true;
        let (found, unknown, _) = run(&ROLE_REPLICATES, &sample.finish());
        assert_eq!((found.len(), unknown.len()), (0, 1));
    }
}
