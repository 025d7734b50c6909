//! The log of the audit trail, which is evidence as long as its owner alone writes it.

use super::grant_chain::dependent;
use super::words::{OnRelation, given, grantees, kind_of, listed, revoked, rights, together};
use crate::catalog::security::privilege;
use crate::catalog::trail::layout::SCHEMA as LOG;
use crate::catalog::{Grant, Namespace, Oid, Privileges, Relation, Sequence, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::security::rights::{BOOTSTRAP, Rights};
use crate::text::quote_identifier;

/// `security.audit_log_open`: somebody else writes the log, or owns a part of it.
pub const AUDIT_LOG_OPEN: Rule = Rule {
    id: "security.audit_log_open",
    dimension: Dimension::Security,
    severity: Severity::Critical,
    title: "Audit log that others write, or own a part of",
    why: "Triggers write the log for whoever changes a row: nobody needs a privilege on it. Who has one, or owns a part of it, changes what \
          is known of himself; seals tell of it only afterwards. Who reads the secret of redaction can try what was redacted.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-grant.html",
    check,
};

/// The table whose secret hashes what is redacted.
const SECRET: &str = "redaction";

/// What writes, or lets code in that does.
const WRITES: Privileges = privilege::INSERT
    | privilege::UPDATE
    | privilege::DELETE
    | privilege::TRUNCATE
    | privilege::REFERENCES
    | privilege::TRIGGER;

/// A part of the log: what it is called in words and after ALTER, and whose it is.
struct Part<'a> {
    name: String,
    kind: &'static str,
    alter: &'static str,
    owner: Oid,
    snapshot: &'a Snapshot,
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    let Some(schema) = snapshot.namespaces.values().find(|schema| &*schema.name == LOG) else { return };
    of_schema(snapshot, &rights, schema, verdicts);
    for relation in snapshot.relations.iter().filter(|relation| relation.schema == schema.oid) {
        (facts.interrupt)();
        of_relation(snapshot, &rights, relation, verdicts);
    }
    for sequence in snapshot.sequences.iter().filter(|sequence| sequence.schema == schema.oid) {
        (facts.interrupt)();
        of_sequence(snapshot, &rights, sequence, verdicts);
    }
}

fn of_schema(snapshot: &Snapshot, rights: &Rights<'_>, schema: &Namespace, verdicts: &mut Verdicts<'_>) {
    let (name, owner) = (quote_identifier(&schema.name), schema.owner);
    let acl = schema.acl.as_deref().unwrap_or_default();
    let taken = given(acl, privilege::CREATE, |grantee| is_other(rights, owner, grantee));
    let statements = revoked(rights, &format!("SCHEMA {name}"), owner, &with_dependent(acl, &taken, owner));
    Part { name, kind: "schema", alter: "SCHEMA", owner, snapshot }
        .judge(rights, &taken, statements, verdicts);
}

fn of_relation(snapshot: &Snapshot, rights: &Rights<'_>, relation: &Relation, verdicts: &mut Verdicts<'_>) {
    let (name, owner) = (snapshot.relation_name(relation.oid), relation.owner);
    let secret = if &*relation.name == SECRET { privilege::SELECT } else { 0 };
    let taken =
        OnRelation::given(snapshot, relation, WRITES | secret, |grantee| is_other(rights, owner, grantee));
    let statements = taken.revoked(rights, &format!("TABLE {name}"), owner);
    let part = Part { name, kind: kind_of(relation), alter: "TABLE", owner, snapshot };
    part.judge(rights, &taken.grants(), statements, verdicts);
}

fn of_sequence(snapshot: &Snapshot, rights: &Rights<'_>, sequence: &Sequence, verdicts: &mut Verdicts<'_>) {
    let (name, owner) = (snapshot.qualified(sequence.schema, &sequence.name), sequence.owner);
    let acl = sequence.acl.as_deref().unwrap_or_default();
    let taken = given(acl, privilege::USAGE | privilege::UPDATE, |grantee| is_other(rights, owner, grantee));
    let statements = revoked(rights, &format!("SEQUENCE {name}"), owner, &with_dependent(acl, &taken, owner));
    let part = Part { name, kind: "sequence", alter: "SEQUENCE", owner, snapshot };
    part.judge(rights, &taken, statements, verdicts);
}

/// What is taken, and what even those have from it who are right to have it: the server takes nothing from whom they have it.
fn with_dependent(acl: &[Grant], taken: &[Grant], owner: Oid) -> Vec<Grant> {
    let mut all = taken.to_vec();
    all.extend(dependent(acl, taken, owner));
    all
}

fn is_other(rights: &Rights<'_>, owner: Oid, grantee: Oid) -> bool {
    grantee != owner && !rights.is_superuser(grantee)
}

impl Part<'_> {
    fn judge(
        self,
        rights: &Rights<'_>,
        taken: &[Grant],
        (mut fix, mut undo): (String, String),
        verdicts: &mut Verdicts<'_>,
    ) {
        verdicts.examine(1);
        let Self { name, kind, alter, owner, snapshot } = self;
        let is_others = !rights.is_superuser(owner);
        let mut reasons = Vec::new();
        if is_others {
            let was = rights.name(owner);
            reasons.push(format!("belongs to {was}"));
            // Once it is another's, grants of its owner are those of the other, and are taken back by him.
            let give = |to: &str| format!("ALTER {alter} {name} OWNER TO {to};");
            let separator = if fix.is_empty() { "" } else { "\n" };
            fix = format!("{fix}{separator}{}", give(&rights.name(owner_of_log(snapshot, rights))));
            undo = format!("{}{separator}{undo}", give(&was));
        }
        let set = together(taken);
        if set != 0 {
            let whom = grantees(rights, taken);
            reasons.push(format!("grants {} to {}", privilege::names(set), listed(&whom)));
        }
        if reasons.is_empty() {
            return;
        }
        let message = format!("{kind} {name} of the audit log {}", reasons.join(" and "));
        // Who only adds rows, or tries what was redacted, takes nothing away from what is known.
        let is_mild =
            !is_others && set & !(privilege::INSERT | privilege::SELECT | privilege::REFERENCES) == 0;
        verdicts.find(
            Finding::new(name, LOG, message)
                .severity(if is_mild { Severity::Error } else { Severity::Critical })
                .evidence(
                    "then",
                    "SELECT * FROM dbm.verify_audit_log() says whether what was sealed is still so",
                )
                .fix(fix, undo),
        );
    }
}

/// Whose the log is to be: the extension's owner, who runs what writes it.
fn owner_of_log(snapshot: &Snapshot, rights: &Rights<'_>) -> Oid {
    snapshot
        .extensions
        .iter()
        .find(|extension| &*extension.name == "dbmastery" && rights.is_superuser(extension.owner))
        .map_or(BOOTSTRAP, |extension| extension.owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    const APP: Oid = 20_000;

    fn sample() -> (Sample, Oid) {
        let mut sample = Sample::with_roles(&[(APP, "app")]);
        let schema = sample.schema(LOG);
        let table = sample.table_in(schema, "change");
        (sample, table)
    }

    fn found(sample: Sample) -> Vec<Finding> {
        run(&AUDIT_LOG_OPEN, &sample.finish()).0
    }

    #[test]
    fn readers_are_right_and_writers_are_found() {
        for (privileges, severity) in [
            (privilege::SELECT, None),
            (privilege::INSERT, Some(Severity::Error)),
            (privilege::DELETE, Some(Severity::Critical)),
            (privilege::SELECT | privilege::TRIGGER, Some(Severity::Critical)),
        ] {
            let (mut sample, table) = sample();
            sample.edit_table(table, |table| {
                table.acl = Some([Grant { grantee: APP, grantor: 10, privileges }].into());
            });
            assert_eq!(found(sample).first().and_then(|finding| finding.severity), severity);
        }
    }

    const SUB: Oid = 20_001;
    const FURTHER: Oid = 20_002;

    /// What the owner gave app, app gave sub, and sub gave another and a superuser; the list has them in no order.
    fn chain(bit: Privileges) -> Option<Box<[Grant]>> {
        let option = bit | bit << 32;
        Some(
            [
                Grant { grantee: FURTHER, grantor: SUB, privileges: bit },
                Grant { grantee: APP, grantor: 10, privileges: option },
                Grant { grantee: 10, grantor: SUB, privileges: bit },
                Grant { grantee: SUB, grantor: APP, privileges: option },
            ]
            .into(),
        )
    }

    fn as_role(role: &str, statement: &str) -> String {
        format!("SET ROLE {role};\n{statement}\nRESET ROLE;")
    }

    fn chain_statements(take: &str, give: &str) -> (Option<String>, Option<String>) {
        let option = "WITH GRANT OPTION;";
        let fix = [
            as_role("sub", &format!("{take} FROM further;")),
            as_role("sub", &format!("{take} FROM postgres;")),
            as_role("app", &format!("{take} FROM sub;")),
            format!("{take} FROM app;"),
        ];
        let undo = [
            format!("{give} TO app {option}"),
            as_role("app", &format!("{give} TO sub {option}")),
            as_role("sub", &format!("{give} TO further;")),
            as_role("sub", &format!("{give} TO postgres;")),
        ];
        (Some(fix.join("\n")), Some(undo.join("\n")))
    }

    #[test]
    fn a_chain_of_grants_is_taken_from_its_end_and_given_back_from_its_start() {
        let new = || {
            let mut sample = Sample::with_roles(&[(APP, "app"), (SUB, "sub"), (FURTHER, "further")]);
            let schema = sample.schema(LOG);
            let table = sample.table_in(schema, "change");
            (sample, schema, table)
        };
        let statements = |sample: Sample| {
            let first = found(sample).into_iter().next().unwrap();
            (first.fix, first.undo)
        };
        let (mut sample, schema, _) = new();
        sample.snapshot.namespaces.entry(schema).and_modify(|schema| schema.acl = chain(privilege::CREATE));
        assert_eq!(
            statements(sample),
            chain_statements("REVOKE CREATE ON SCHEMA dbm_trail", "GRANT CREATE ON SCHEMA dbm_trail")
        );
        let (mut sample, _, table) = new();
        sample.edit_table(table, |table| table.acl = chain(privilege::UPDATE));
        assert_eq!(
            statements(sample),
            chain_statements(
                "REVOKE UPDATE ON TABLE dbm_trail.change",
                "GRANT UPDATE ON TABLE dbm_trail.change"
            )
        );
        // What app has on all of it, sub may have on a column.
        let (mut sample, _, table) = new();
        let option = privilege::UPDATE | privilege::UPDATE << 32;
        sample.column(table, "row", crate::catalog::types::builtin::TEXT);
        sample.edit_column(table, "row", |column| {
            column.acl = Some([Grant { grantee: SUB, grantor: APP, privileges: privilege::UPDATE }].into());
        });
        sample.edit_table(table, |table| {
            table.acl = Some([Grant { grantee: APP, grantor: 10, privileges: option }].into());
        });
        let fix = statements(sample).0.unwrap();
        assert!(fix.starts_with("SET ROLE app;\nREVOKE UPDATE (\"row\") ON TABLE"), "{fix}");
    }

    #[test]
    fn who_owns_a_part_of_it_gives_it_back() {
        let (mut sample, table) = sample();
        sample.edit_table(table, |table| {
            table.owner = APP;
            table.acl = Some([Grant { grantee: 0, grantor: APP, privileges: privilege::UPDATE }].into());
        });
        let findings = found(sample);
        assert_eq!(
            findings[0].message,
            "table dbm_trail.change of the audit log belongs to app and grants UPDATE to PUBLIC"
        );
        assert_eq!(
            findings[0].fix.as_deref(),
            Some(
                "REVOKE UPDATE ON TABLE dbm_trail.change FROM PUBLIC;\nALTER TABLE dbm_trail.change OWNER TO postgres;"
            )
        );
        assert_eq!(
            findings[0].undo.as_deref(),
            Some(
                "ALTER TABLE dbm_trail.change OWNER TO app;\nGRANT UPDATE ON TABLE dbm_trail.change TO PUBLIC;"
            )
        );
    }

    #[test]
    fn the_secret_of_redaction_is_for_nobody() {
        let (mut sample, table) = sample();
        sample.edit_table(table, |table| {
            table.name = SECRET.into();
            table.acl = Some([Grant { grantee: APP, grantor: 10, privileges: privilege::SELECT }].into());
        });
        assert_eq!(found(sample)[0].severity, Some(Severity::Error));
    }

    #[test]
    fn where_there_is_no_log_nothing_is_said() {
        let (found, unknown, examined) = run(&AUDIT_LOG_OPEN, &Sample::new().finish());
        assert_eq!((found.len(), unknown.len(), examined), (0, 0, 0));
    }
}
