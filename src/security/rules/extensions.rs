//! Extensions that reach out of the database, are known to be broken, or stand where others create.

use super::functions::creators;
use super::words::{given, listed, revoked, rights};
use crate::catalog::security::privilege;
use crate::catalog::{Extension, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::{quote_identifier, quote_literal};

/// An extension, how bad it is to have it, and what it opens.
const REACHING: [(&str, Severity, &str); 16] = [
    ("adminpack", Severity::Error, "writes the server's files"),
    ("dblink", Severity::Warning, "has the server connect wherever a query says"),
    ("file_fdw", Severity::Warning, "reads the server's files and runs programs"),
    ("http", Severity::Warning, "has the server call whatever address a query says"),
    ("lo", Severity::Info, "deletes large objects by trigger"),
    ("pageinspect", Severity::Warning, "shows rows past every privilege and policy"),
    ("pg_visibility", Severity::Info, "truncates visibility maps"),
    ("pg_surgery", Severity::Error, "changes rows past every rule, beyond repair"),
    ("plperlu", Severity::Error, "runs code as the server's operating system user"),
    ("plpython3u", Severity::Error, "runs code as the server's operating system user"),
    ("plpythonu", Severity::Error, "runs code as the server's operating system user"),
    ("plsh", Severity::Critical, "runs shell scripts as the server's operating system user"),
    ("pltclu", Severity::Error, "runs code as the server's operating system user"),
    ("refint", Severity::Error, "builds its statements from what rows hold (CVE-2026-6637)"),
    ("pg_walinspect", Severity::Warning, "shows what was written past every privilege and policy"),
    ("xml2", Severity::Warning, "is superseded, and reads XML without the server's bounds"),
];

/// `security.extension_reaches_out`: an extension that opens more than the database.
pub const EXTENSION_REACHES_OUT: Rule = Rule {
    id: "security.extension_reaches_out",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Extension that reaches out of the database",
    why: "What it can do, one mistaken GRANT gives to others. Where nobody uses it, it should not be there.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/contrib.html",
    check: reaches_out,
};

fn extensions<'a>(facts: &Facts<'a>, verdicts: &mut Verdicts<'_>) -> Vec<&'a Extension> {
    let found: Vec<&Extension> = facts.snapshot.extensions.iter().inspect(|_| (facts.interrupt)()).collect();
    verdicts.examine(found.len() as u64);
    found
}

fn reaches_out(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for extension in extensions(facts, verdicts) {
        let Some((_, severity, what)) = REACHING.iter().find(|(name, ..)| **name == *extension.name) else {
            continue;
        };
        let name = quote_identifier(&extension.name);
        let schema = snapshot.schema_name(extension.schema);
        let message = format!("extension {name} is installed: it {what}");
        // A language's extension stands in pg_catalog, which cannot be named.
        let within = if schema == "pg_catalog" {
            String::new()
        } else {
            format!(" SCHEMA {}", quote_identifier(schema))
        };
        verdicts.find(
            Finding::new(name.clone(), schema, message)
                .severity(*severity)
                .evidence(
                    "check",
                    "DROP EXTENSION refuses where something uses it; then suppress this finding",
                )
                .fix(
                    format!("DROP EXTENSION {name};"),
                    format!("CREATE EXTENSION {name}{within} VERSION {};", quote_literal(&extension.version)),
                ),
        );
    }
}

/// An extension, the first version without the hole, and the hole.
const HOLES: [(&str, &str, &str); 5] = [
    ("pg_ivm", "1.5.1", "rows past policies, code by search_path (CVE-2023-22847, CVE-2023-23554)"),
    ("pg_partman", "4.5.1", "names run as code of a definer function (CVE-2021-33204)"),
    ("set_user", "3.0.0", "set_config() undoes what it blocks (CVE-2021-41558)"),
    ("supa_audit", "999", "its definer trigger runs a writer's function as the extension's owner"),
    ("timescaledb", "2.9.3", "its telemetry job runs a user's operators as superuser (CVE-2023-25149)"),
];

/// `security.extension_vulnerable`: a version with a hole that is known.
pub const EXTENSION_VULNERABLE: Rule = Rule {
    id: "security.extension_vulnerable",
    dimension: Dimension::Security,
    severity: Severity::Critical,
    title: "Extension with a known hole",
    why: "How to use the hole is published. The library and its objects both have to be updated: ALTER EXTENSION does the second.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-alterextension.html",
    check: vulnerable,
};

fn vulnerable(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for extension in extensions(facts, verdicts) {
        let Some((_, sound, hole)) = HOLES.iter().find(|(name, ..)| **name == *extension.name) else {
            continue;
        };
        if version(&extension.version) >= version(sound) {
            continue;
        }
        let name = quote_identifier(&extension.name);
        let message = format!("extension {name} {} has a known hole: {hole}", extension.version);
        let mut finding = Finding::new(name.clone(), snapshot.schema_name(extension.schema), message)
            .evidence("installed", &*extension.version);
        let is_mended =
            extension.available.as_ref().is_some_and(|available| version(available) >= version(sound));
        if is_mended {
            finding.fix = Some(format!("ALTER EXTENSION {name} UPDATE;"));
            finding =
                finding.evidence("no_undo_because", "no script leads back to a version with a known hole");
        } else {
            finding = finding.evidence(
                "no_simple_fix_because",
                "the server has no version without it: update its package",
            );
        }
        verdicts.find(finding);
    }
}

/// The numbers of a version.
fn version(text: &str) -> Vec<u64> {
    text.split(|character: char| !character.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// `security.extension_in_open_schema`: an extension whose objects others can shadow.
pub const EXTENSION_IN_OPEN_SCHEMA: Rule = Rule {
    id: "security.extension_in_open_schema",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Extension in a schema of others, or in which others create",
    why: "An extension's functions call one another through its schema. Who creates there puts a better match beside them, which \
          whoever uses the extension runs. Who owns it drops the extension with it.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/extend-extensions.html#EXTEND-EXTENSIONS-SECURITY",
    check: open_schema,
};

fn open_schema(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for extension in extensions(facts, verdicts) {
        let Some(schema) = snapshot.namespaces.get(&extension.schema).filter(|schema| !schema.is_system())
        else {
            continue;
        };
        let writers: Vec<u32> = creators(snapshot, &rights, schema)
            .into_iter()
            .filter(|&writer| writer != extension.owner)
            .collect();
        let name = quote_identifier(&schema.name);
        // Who owns the schema grants himself what he likes, and drops it with all that is in it. Whose public is, is up to
        // the database.
        let is_of_database = &*extension.name != "dbmastery"
            && rights.role(schema.owner).is_some_and(|role| &*role.name == "pg_database_owner");
        let is_others = writers.contains(&schema.owner) && !is_of_database;
        let taken = given(schema.acl.as_deref().unwrap_or_default(), privilege::CREATE, |grantee| {
            writers.contains(&grantee) && !(is_others && grantee == schema.owner)
        });
        let (mut fix, mut undo) = revoked(&rights, &format!("SCHEMA {name}"), schema.owner, &taken);
        let mut reasons = Vec::new();
        if is_others {
            let owner = rights.name(schema.owner);
            reasons.push(format!("which belongs to {owner}"));
            // Once it is another's, grants of its owner are those of the other, and are taken back by him.
            let give = |to: &str| format!("ALTER SCHEMA {name} OWNER TO {to};");
            let separator = if fix.is_empty() { "" } else { "\n" };
            fix = format!("{fix}{separator}{}", give(&rights.name(extension.owner)));
            undo = format!("{}{separator}{undo}", give(&owner));
        }
        if !taken.is_empty() {
            let whom = super::words::grantees(&rights, &taken);
            reasons.push(format!("in which {} may create", listed(&whom)));
        }
        if !reasons.is_empty() {
            verdicts.find(describe_open(snapshot, extension, &reasons, (fix, undo)));
        }
    }
}

fn describe_open(
    snapshot: &Snapshot,
    extension: &Extension,
    reasons: &[String],
    (fix, undo): (String, String),
) -> Finding {
    let name = quote_identifier(&extension.name);
    let schema = snapshot.schema_name(extension.schema);
    let message =
        format!("extension {name} is in schema {}, {}", quote_identifier(schema), reasons.join(" and "));
    // Ours stands under policies and triggers, which call it in everybody's statements.
    let severity = if &*extension.name == "dbmastery" { Severity::Critical } else { Severity::Warning };
    Finding::new(name, schema, message)
        .severity(severity)
        .evidence("or", "ALTER EXTENSION … SET SCHEMA, where it can be moved")
        .fix(fix, undo)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::{Grant, Role};

    fn sample(name: &str, installed: &str, available: &str) -> Sample {
        let mut sample = Sample::new();
        for (oid, name, is_superuser) in [(10, "postgres", true), (20_000, "app", false)] {
            sample.snapshot.roles.push(Role { oid, name: name.into(), is_superuser, ..Role::default() });
        }
        sample.snapshot.extensions.push(Extension {
            oid: 30_000,
            name: name.into(),
            version: installed.into(),
            available: Some(available.into()),
            schema: 2200,
            owner: 10,
        });
        sample
    }

    #[test]
    fn what_reaches_out_is_found_and_the_rest_is_right() {
        let found = run(&EXTENSION_REACHES_OUT, &sample("dblink", "1.2", "1.2").finish()).0;
        assert_eq!(found[0].undo.as_deref(), Some("CREATE EXTENSION dblink SCHEMA public VERSION '1.2';"));
        assert!(run(&EXTENSION_REACHES_OUT, &sample("citext", "1.6", "1.6").finish()).0.is_empty());
    }

    #[test]
    fn holes_are_told_by_version() {
        let fix = |installed, available| {
            let found = run(&EXTENSION_VULNERABLE, &sample("pg_partman", installed, available).finish()).0;
            found.first().map(|finding| finding.fix.is_some())
        };
        assert_eq!(fix("4.4.0", "4.7.1"), Some(true));
        assert_eq!(fix("4.4.0", "4.4.0"), Some(false));
        assert_eq!(fix("4.5.1", "4.5.1"), None);
        assert_eq!(fix("4.10.0", "4.10.0"), None);
    }

    #[test]
    fn an_extension_among_others_objects_is_found() {
        for (grantee, found) in [(0, 1), (20_000, 1), (10, 0)] {
            let mut sample = sample("citext", "1.6", "1.6");
            if let Some(public) = sample.snapshot.namespaces.get_mut(&2200) {
                public.acl = Some([Grant { grantee, grantor: 10, privileges: privilege::CREATE }].into());
            }
            assert_eq!(run(&EXTENSION_IN_OPEN_SCHEMA, &sample.finish()).0.len(), found);
        }
    }

    #[test]
    fn an_extension_in_anothers_schema_is_found() {
        for (owner, found) in [(20_000, 1), (10, 0)] {
            let mut sample = sample("dbmastery", "1", "1");
            if let Some(public) = sample.snapshot.namespaces.get_mut(&2200) {
                public.owner = owner;
                public.acl = None;
            }
            let findings = run(&EXTENSION_IN_OPEN_SCHEMA, &sample.finish()).0;
            assert_eq!(findings.len(), found);
            for finding in findings {
                assert_eq!(finding.severity, Some(Severity::Critical));
                assert_eq!(finding.message, "extension dbmastery is in schema public, which belongs to app");
                assert_eq!(finding.fix.as_deref(), Some("ALTER SCHEMA public OWNER TO postgres;"));
                assert_eq!(finding.undo.as_deref(), Some("ALTER SCHEMA public OWNER TO app;"));
            }
        }
    }
}
