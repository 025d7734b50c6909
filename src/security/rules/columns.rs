//! Columns that look as if they held what nobody should read.

use super::columns_hidden::ColumnsHidden;
use super::words::{given, grantees, listed, rights};
use crate::catalog::security::privilege;
use crate::catalog::types::builtin;
use crate::catalog::{Column, ColumnNumber, Grant, Oid, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};

/// `security.sensitive_column_readable`: a secret in plain text that somebody was granted.
pub const SENSITIVE_COLUMN_READABLE: Rule = Rule {
    id: "security.sensitive_column_readable",
    dimension: Dimension::Security,
    severity: Severity::Info,
    title: "Column that sounds secret, and who reads it",
    why: "Only the name speaks for it. If it holds what it says, it should be a hash or encrypted, and granted by column to those \
          who need it.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/encryption-options.html",
    check,
};

/// Names, without underscores.
const SENSITIVE: [&str; 20] = [
    "accesstoken",
    "apikey",
    "apitoken",
    "bankaccount",
    "cardnumber",
    "creditcard",
    "creditcardnumber",
    "cvc",
    "cvv",
    "iban",
    "passwd",
    "password",
    "pin",
    "privatekey",
    "pwd",
    "refreshtoken",
    "secret",
    "socialsecuritynumber",
    "ssn",
    "token",
];

fn has_readers(acl: Option<&[Grant]>) -> bool {
    acl.is_some_and(|acl| acl.iter().any(|grant| grant.privileges & privilege::SELECT != 0))
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for table in snapshot.judged_tables() {
        (facts.interrupt)();
        verdicts.examine(1);
        let read_whole = has_readers(table.acl.as_deref());
        let is_reader = |role: Oid| role != table.owner && !rights.is_superuser(role);
        let reads = |acl: Option<&[Grant]>| given(acl.unwrap_or_default(), privilege::SELECT, is_reader);
        let mut found: Vec<(&Column, Vec<Grant>)> = Vec::new();
        for column in snapshot.columns_of(table.oid).iter().filter(|column| !column.is_inherited) {
            // What nobody was granted is not looked at further: that is nearly all there is.
            if (!read_whole && !has_readers(column.acl.as_deref())) || !sounds_secret(snapshot, column) {
                continue;
            }
            let mut readers = reads(table.acl.as_deref());
            readers.extend(reads(column.acl.as_deref()));
            if !readers.is_empty() {
                found.push((column, readers));
            }
        }
        if found.is_empty() {
            continue;
        }
        let secret: Vec<ColumnNumber> = found.iter().map(|(column, _)| column.number).collect();
        let (fix, undo) = ColumnsHidden::new(snapshot, table, &secret, is_reader).statements(&rights);
        for (column, readers) in &found {
            let whom = grantees(&rights, readers);
            let is_open = readers.iter().any(|grant| grant.grantee == 0);
            let name = snapshot.column_name(column);
            let message = format!("{name} sounds secret and is text that {} may read", listed(&whom));
            let mut finding = Finding::new(name, snapshot.schema_name(table.schema), message)
                .severity(if is_open { Severity::Warning } else { Severity::Info })
                .evidence("readers", whom)
                .evidence(
                    "check",
                    "whether it is a hash already is not known here. Those who had the whole table are granted its other columns: \
                     SELECT * fails for them then, and a new column has to be granted",
                );
            // One grant of a whole table gives all of them: taken one by one, each fix would give the others back.
            if secret.len() > 1 && read_whole {
                finding = finding.evidence("hides", snapshot.column_names(table.oid, &secret));
            }
            verdicts.find(finding.fix(fix.clone(), undo.clone()));
        }
    }
}

fn sounds_secret(snapshot: &Snapshot, column: &Column) -> bool {
    let bare: String =
        column.name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let is_text = || {
        snapshot
            .base_type(column.type_oid)
            .is_some_and(|found| matches!(found.oid, builtin::TEXT | builtin::VARCHAR | builtin::BPCHAR))
    };
    SENSITIVE.contains(&&*bare) && is_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::{Grant, Role};

    #[test]
    fn a_secret_that_somebody_reads_is_found_and_a_hash_or_a_hidden_one_is_right() {
        for (name, type_oid, granted, found) in [
            ("api_key", builtin::TEXT, true, 1),
            ("api_key", builtin::TEXT, false, 0),
            ("password_hash", builtin::TEXT, true, 0),
            ("token", builtin::UUID, true, 0),
        ] {
            let mut sample = Sample::new();
            sample.snapshot.roles.push(Role { oid: 20_000, name: "app".into(), ..Role::default() });
            let table = sample.keyed_table("users");
            sample.column(table, name, type_oid);
            if granted {
                sample.edit_table(table, |table| {
                    let grant = Grant { grantee: 20_000, grantor: 10, privileges: privilege::SELECT };
                    table.acl = Some([grant].into());
                });
            }
            assert_eq!(run(&SENSITIVE_COLUMN_READABLE, &sample.finish()).0.len(), found, "{name}");
        }
    }
}
