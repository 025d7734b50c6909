//! Privileges that everybody has, or that mean more than they say.

use super::words::{ANY, OnRelation, given, grantees, kind_of, listed, revoked, rights, together};
use crate::catalog::security::{ObjectKind, privilege};
use crate::catalog::{Grant, Oid, Persistence, Privileges, Relation};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::security::rights::{BOOTSTRAP, acl_or_default};
use crate::text::quote_identifier;

/// What changes rows.
const WRITES: Privileges = privilege::INSERT | privilege::UPDATE | privilege::DELETE | privilege::TRUNCATE;

const DEFAULTS: &str = "https://www.postgresql.org/docs/current/ddl-priv.html";

fn is_public(grantee: Oid) -> bool {
    grantee == 0
}

/// `security.public_creates_in_schema`: every role may put objects where others look names up.
pub const PUBLIC_CREATES_IN_SCHEMA: Rule = Rule {
    id: "security.public_creates_in_schema",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Schema in which everybody creates",
    why: "Whoever has a login plants a function, an operator or a table of a common name, and the next unqualified call of a \
          superuser runs it (CVE-2018-1058). Until PostgreSQL 14 public was made so, and pg_upgrade keeps it.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATTERNS",
    check: public_creates,
};

fn public_creates(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for schema in snapshot.namespaces.values().filter(|schema| !schema.is_system()) {
        (facts.interrupt)();
        verdicts.examine(1);
        let taken = given(schema.acl.as_deref().unwrap_or_default(), privilege::CREATE, is_public);
        if taken.is_empty() {
            continue;
        }
        let name = quote_identifier(&schema.name);
        let (fix, undo) = revoked(&rights, &format!("SCHEMA {name}"), schema.owner, &taken);
        let message = format!("every role may create in schema {name}, and what it creates others run");
        verdicts.find(Finding::new(name, &*schema.name, message).fix(fix, undo));
    }
}

/// `security.public_database_privilege`: every role of the cluster may connect, and make temporary tables.
pub const PUBLIC_DATABASE_PRIVILEGE: Rule = Rule {
    id: "security.public_database_privilege",
    dimension: Dimension::Security,
    severity: Severity::Info,
    title: "Database that every role may use",
    why: "Each new database is open to every role of the cluster, those of other applications among them. The fix grants CONNECT \
          and TEMPORARY to the roles that are there, so that nobody loses anything, and to no role that comes later.",
    thresholds: &[],
    reference: DEFAULTS,
    check: public_database,
};

/// With more logins than this no fix is written: it would be a page long.
const MOST_LOGINS: usize = 100;

fn public_database(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    let database = &snapshot.security.database;
    if database.oid == 0 {
        return;
    }
    verdicts.examine(1);
    (facts.interrupt)();
    let acl = rights.acl(database);
    let taken = given(&acl, privilege::CONNECT | privilege::TEMPORARY, is_public);
    let [public] = taken.as_slice() else { return };
    let names = privilege::names(public.privileges);
    let name = &database.name;
    let message = format!("every role of the cluster has {names} on database {name}");
    let logins: Vec<_> = snapshot
        .roles
        .iter()
        .filter(|role| role.logs_in && !role.is_superuser && role.oid != database.owner)
        .collect();
    let mut finding = Finding::new(&**name, "", message).evidence("logins", logins.len());
    if logins.len() <= MOST_LOGINS && public.grantor == database.owner {
        let (mut fix, mut undo) = (Vec::new(), Vec::new());
        for role in &logins {
            let own = acl.iter().filter(|grant| grant.grantee == role.oid);
            let missing = public.privileges & !own.fold(0, |all, grant| all | grant.privileges) & ANY;
            if missing != 0 {
                let missing = privilege::names(missing);
                let role = quote_identifier(&role.name);
                fix.push(format!("GRANT {missing} ON DATABASE {name} TO {role};"));
                undo.push(format!("REVOKE {missing} ON DATABASE {name} FROM {role};"));
            }
        }
        fix.push(format!("REVOKE {names} ON DATABASE {name} FROM PUBLIC;"));
        undo.insert(0, format!("GRANT {names} ON DATABASE {name} TO PUBLIC;"));
        finding = finding.fix(fix.join("\n"), undo.join("\n"));
    } else {
        finding = finding.evidence(
            "no_simple_fix_because",
            "REVOKE from PUBLIC shuts out whoever has nothing of its own: grant it to the roles that connect here first",
        );
    }
    verdicts.find(finding);
}

/// `security.public_table_privilege`: every role reads or writes a table, view or sequence.
pub const PUBLIC_TABLE_PRIVILEGE: Rule = Rule {
    id: "security.public_table_privilege",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Table that everybody reads or writes",
    why: "What PUBLIC may do, every role may that exists or ever will, and no REVOKE from a role takes it away.",
    thresholds: &[],
    reference: DEFAULTS,
    check: public_table,
};

fn public_table(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for relation in snapshot.judged_relations() {
        (facts.interrupt)();
        verdicts.examine(1);
        let taken = OnRelation::whole(snapshot, relation, ANY, is_public);
        if taken.is_empty() {
            continue;
        }
        let name = snapshot.relation_name(relation.oid);
        let set = together(taken.on_whole());
        let (fix, undo) = taken.revoked(&rights, &format!("TABLE {name}"), relation.owner);
        verdicts.find(
            Finding::new(
                name.clone(),
                snapshot.schema_name(relation.schema),
                format!("every role has {} on {} {name}", privilege::names(set), kind_of(relation)),
            )
            .severity(if set & WRITES != 0 { Severity::Error } else { Severity::Warning })
            .fix(fix, undo),
        );
    }
    for sequence in &snapshot.sequences {
        (facts.interrupt)();
        let Some(acl) = &sequence.acl else { continue };
        let is_own = sequence.persistence != Persistence::Temporary
            && !snapshot.is_extension_member(crate::catalog::RELATION_CLASS, sequence.oid);
        let taken = given(acl, ANY, is_public);
        if !is_own || taken.is_empty() {
            continue;
        }
        let name = snapshot.qualified(sequence.schema, &sequence.name);
        let set = together(&taken);
        let (fix, undo) = revoked(&rights, &format!("SEQUENCE {name}"), sequence.owner, &taken);
        verdicts.examine(1);
        verdicts.find(
            Finding::new(
                name.clone(),
                snapshot.schema_name(sequence.schema),
                format!("every role has {} on sequence {name}", privilege::names(set)),
            )
            .fix(fix, undo),
        );
    }
}

/// `security.public_column_privilege`: every role reads or writes a column, which the table's own list does not show.
pub const PUBLIC_COLUMN_PRIVILEGE: Rule = Rule {
    id: "security.public_column_privilege",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Column that everybody reads or writes",
    why: "A grant on a column stands beside the table's: REVOKE on the table leaves it, and most tools do not show it.",
    thresholds: &[],
    reference: DEFAULTS,
    check: public_column,
};

fn public_column(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for relation in snapshot.judged_relations() {
        (facts.interrupt)();
        verdicts.examine(1);
        for column in snapshot.columns_of(relation.oid) {
            let Some(acl) = column.acl.as_deref() else { continue };
            let taken = OnRelation::on_column(&column.name, given(acl, ANY, is_public));
            if taken.is_empty() {
                continue;
            }
            let (name, table) = (snapshot.column_name(column), snapshot.relation_name(relation.oid));
            let set = together(&taken.grants());
            let (fix, undo) = taken.revoked(&rights, &format!("TABLE {table}"), relation.owner);
            let message = format!("every role has {} on column {name}", privilege::names(set));
            verdicts.find(
                Finding::new(name, snapshot.schema_name(relation.schema), message)
                    .severity(if set & WRITES != 0 { Severity::Error } else { Severity::Warning })
                    .fix(fix, undo),
            );
        }
    }
}

/// `security.public_default_privilege`: what will be made is open to everybody.
pub const PUBLIC_DEFAULT_PRIVILEGE: Rule = Rule {
    id: "security.public_default_privilege",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "New objects that everybody may use",
    why: "Each table, sequence or function that the role makes from now on is open to every role of the cluster.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html",
    check: public_default,
};

fn public_default(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    verdicts.examine(snapshot.roles.len().max(1) as u64);
    for default in &snapshot.security.default_acls {
        (facts.interrupt)();
        let (kind, objects) = match default.kind {
            'r' => (ObjectKind::Table, "TABLES"),
            'S' => (ObjectKind::Sequence, "SEQUENCES"),
            'f' => (ObjectKind::Function, "ROUTINES"),
            'T' => (ObjectKind::Type, "TYPES"),
            'n' => (ObjectKind::Schema, "SCHEMAS"),
            _ => continue,
        };
        // What PUBLIC is born with stands in a list for all schemas as soon as there is one.
        let born_with = if default.schema == 0 { kind.public_default() } else { 0 };
        let set = together(&given(&default.acl, ANY & !born_with, is_public));
        if set == 0 {
            continue;
        }
        let (role, names) = (rights.name(default.role), privilege::names(set));
        let (within, place) = match default.schema {
            0 => (String::new(), String::new()),
            schema => {
                let schema = quote_identifier(snapshot.schema_name(schema));
                (format!(" IN SCHEMA {schema}"), format!(" in schema {schema}"))
            }
        };
        let objects_in_words = objects.to_lowercase();
        let message =
            format!("every role will have {names} on all {objects_in_words} that role {role} makes{place}");
        let alter = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {role}{within}");
        verdicts.find(
            Finding::new(
                format!("{objects_in_words} of {role}{place}"),
                if default.schema == 0 { "" } else { snapshot.schema_name(default.schema) },
                message,
            )
            .severity(if set & WRITES != 0 { Severity::Error } else { Severity::Warning })
            .fix(
                format!("{alter} REVOKE {names} ON {objects} FROM PUBLIC;"),
                format!("{alter} GRANT {names} ON {objects} TO PUBLIC;"),
            ),
        );
    }
}

/// Settings with which a role stops what guards the data, or leaves the database.
const CRITICAL_PARAMETERS: [&str; 12] = [
    "archive_command",
    "archive_library",
    "dynamic_library_path",
    "local_preload_libraries",
    "log_statement",
    "recovery_end_command",
    "restore_command",
    "session_preload_libraries",
    "session_replication_role",
    "shared_preload_libraries",
    "ssl_passphrase_command",
    "allow_system_table_mods",
];

/// `security.parameter_granted`: a role may set what only a superuser should.
pub const PARAMETER_GRANTED: Rule = Rule {
    id: "security.parameter_granted",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Setting that a role may change",
    why: "With session_replication_role a role turns off triggers, foreign keys and every audit trail; with ALTER SYSTEM on some \
          settings it has the server run programs.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-grant.html",
    check: parameter_granted,
};

fn parameter_granted(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    verdicts.examine(snapshot.roles.len().max(1) as u64);
    for (name, acl) in &snapshot.security.parameters {
        (facts.interrupt)();
        // The server grants none by itself: what one of its own roles has, its members were given.
        let taken = given(acl, ANY, |grantee| grantee != BOOTSTRAP && !rights.is_superuser(grantee));
        if taken.is_empty() {
            continue;
        }
        let set = together(&taken);
        let is_critical = CRITICAL_PARAMETERS.contains(&&**name);
        let severity = match (is_critical, set & privilege::ALTER_SYSTEM != 0) {
            (true, _) => Severity::Critical,
            (false, true) => Severity::Error,
            (false, false) => Severity::Warning,
        };
        let (fix, undo) = revoked(&rights, &format!("PARAMETER {name}"), BOOTSTRAP, &taken);
        let whom = grantees(&rights, &taken);
        verdicts.find(
            Finding::new(
                &**name,
                "",
                format!(
                    "{} may change {name}, which a superuser sets ({})",
                    listed(&whom),
                    privilege::names(set)
                ),
            )
            .severity(severity)
            .evidence("roles", whom)
            .fix(fix, undo),
        );
    }
}

/// `security.owner_logs_in`: the role of an application owns its tables.
pub const OWNER_LOGS_IN: Rule = Rule {
    id: "security.owner_logs_in",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Tables owned by a login",
    why: "An owner drops, alters and truncates, grants to whom it likes and is bound by no policy: an injected statement of the \
          application can too. Let a role own that nobody logs in as, and the application have what it uses.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-priv.html",
    check: owner_logs_in,
};

fn owner_logs_in(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let mut owners: Vec<(Oid, Vec<&Relation>)> = Vec::new();
    for table in snapshot.judged_tables() {
        (facts.interrupt)();
        verdicts.examine(1);
        match owners.iter_mut().find(|(owner, _)| *owner == table.owner) {
            Some((_, tables)) => tables.push(table),
            None => owners.push((table.owner, vec![table])),
        }
    }
    for (owner, tables) in owners {
        let Some(role) = snapshot.roles.iter().find(|role| role.oid == owner) else { continue };
        if !role.logs_in || role.is_superuser {
            continue;
        }
        let name = quote_identifier(&role.name);
        let mut names: Vec<String> = tables.iter().map(|table| snapshot.relation_name(table.oid)).collect();
        names.sort();
        let what = if names.len() == 1 { "table" } else { "tables" };
        let message = format!("role {name} logs in and owns {} {what}: {}", names.len(), listed(&names));
        verdicts.find(Finding::new(name, "", message).evidence("tables", names.len()).evidence(
            "no_simple_fix_because",
            "what the application needs then is to be granted: dbm.role_plan('application', …)",
        ));
    }
}

/// The privileges of a function, those that it is born with included.
pub fn acl_of_function(function: &crate::catalog::Function, version: i32) -> Vec<Grant> {
    acl_or_default(function.acl.as_deref(), ObjectKind::Function, function.owner, version).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::security::{DefaultAcl, Protected};

    fn sample() -> Sample {
        Sample::with_roles(&[(20_000, "app"), (20_001, "Bob")])
    }

    fn grant(grantee: Oid, privileges: Privileges) -> Grant {
        Grant { grantee, grantor: 10, privileges }
    }

    #[test]
    fn what_public_may_do_with_a_table_is_taken_away_and_given_back() {
        let mut sample = sample();
        let table = sample.keyed_table("orders");
        sample.edit_table(table, |table| {
            table.acl = Some([grant(10, 0x7f), grant(0, privilege::SELECT | privilege::INSERT)].into());
        });
        let found = run(&PUBLIC_TABLE_PRIVILEGE, &sample.finish()).0;
        assert_eq!(found[0].message, "every role has SELECT, INSERT on table public.orders");
        assert_eq!(found[0].severity, Some(Severity::Error));
        assert_eq!(
            found[0].fix.as_deref(),
            Some("REVOKE SELECT, INSERT ON TABLE public.orders FROM PUBLIC;")
        );
        assert_eq!(found[0].undo.as_deref(), Some("GRANT SELECT, INSERT ON TABLE public.orders TO PUBLIC;"));
    }

    #[test]
    fn a_grant_of_another_role_is_taken_back_by_that_role() {
        let mut sample = sample();
        let table = sample.keyed_table("orders");
        sample.edit_table(table, |table| {
            table.acl = Some([Grant { grantee: 0, grantor: 20_001, privileges: privilege::SELECT }].into());
        });
        let found = run(&PUBLIC_TABLE_PRIVILEGE, &sample.finish()).0;
        assert_eq!(
            found[0].fix.as_deref(),
            Some("SET ROLE \"Bob\";\nREVOKE SELECT ON TABLE public.orders FROM PUBLIC;\nRESET ROLE;")
        );
    }

    #[test]
    fn columns_are_named_in_the_repair() {
        let mut sample = sample();
        let table = sample.keyed_table("orders");
        sample.edit_column(table, "id", |column| {
            column.acl = Some([grant(0, privilege::SELECT | privilege::UPDATE)].into());
        });
        let found = run(&PUBLIC_COLUMN_PRIVILEGE, &sample.finish()).0;
        assert_eq!(
            found[0].fix.as_deref(),
            Some("REVOKE SELECT (id), UPDATE (id) ON TABLE public.orders FROM PUBLIC;")
        );
    }

    #[test]
    fn what_functions_are_born_with_is_no_default_of_somebodys() {
        let mut sample = sample();
        let default =
            |kind, schema, acl: &[Grant]| DefaultAcl { role: 20_000, schema, kind, acl: acl.into() };
        sample.snapshot.security.default_acls = vec![
            default('f', 0, &[grant(0, privilege::EXECUTE), grant(20_001, privilege::EXECUTE)]),
            default('r', 2_200, &[grant(0, privilege::SELECT)]),
        ];
        let found = run(&PUBLIC_DEFAULT_PRIVILEGE, &sample.finish()).0;
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].fix.as_deref(),
            Some(
                "ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public REVOKE SELECT ON TABLES FROM PUBLIC;"
            )
        );
    }

    #[test]
    fn nobody_loses_the_database() {
        let mut sample = sample();
        sample.snapshot.security.database = Protected {
            oid: 5,
            kind: ObjectKind::Database,
            name: "shop".into(),
            owner: 10,
            ..Protected::default()
        };
        let found = run(&PUBLIC_DATABASE_PRIVILEGE, &sample.finish()).0;
        assert_eq!(
            found[0].fix.as_deref(),
            Some(
                "GRANT CONNECT, TEMPORARY ON DATABASE shop TO app;\nGRANT CONNECT, TEMPORARY ON DATABASE shop TO \"Bob\";\n\
                 REVOKE CONNECT, TEMPORARY ON DATABASE shop FROM PUBLIC;"
            )
        );
    }

    #[test]
    fn a_login_that_owns_is_told_once() {
        let mut sample = sample();
        for name in ["b", "a"] {
            let table = sample.keyed_table(name);
            sample.edit_table(table, |table| table.owner = 20_000);
        }
        sample.keyed_table("c");
        let found = run(&OWNER_LOGS_IN, &sample.finish()).0;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "role app logs in and owns 2 tables: public.a and public.b");
    }
}
