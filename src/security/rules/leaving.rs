//! What leaves the server, and with which password.

use super::words::{listed, unseen};
use crate::catalog::{Publication, Relation, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// `security.publication_ignores_row_security`: every tenant's rows go out.
pub const PUBLICATION_IGNORES_ROW_SECURITY: Rule = Rule {
    id: "security.publication_ignores_row_security",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Publication that sends the rows of every tenant",
    why: "Logical replication asks no policy: whoever subscribes gets all rows. FOR ALL TABLES sends those of tables that are made \
          later too.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/logical-replication-security.html",
    check: publications,
};

fn publications(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for publication in &snapshot.publications {
        (facts.interrupt)();
        verdicts.examine(1);
        let unfiltered = |table: &Relation| {
            snapshot.security.published.iter().any(|published| {
                published.publication == publication.oid
                    && published.table == table.oid
                    && !published.has_row_filter
            })
        };
        let guarded: Vec<&Relation> = snapshot
            .judged_tables_and_partitions()
            .filter(|table| table.row_security)
            .filter(|table| {
                publication.is_for_all_tables
                    || publication.schemas.contains(&table.schema)
                    || unfiltered(table)
            })
            .collect();
        if guarded.is_empty() {
            continue;
        }
        verdicts.find(describe(snapshot, publication, &guarded));
    }
}

fn describe(snapshot: &Snapshot, publication: &Publication, guarded: &[&Relation]) -> Finding {
    let name = quote_identifier(&publication.name);
    let mut tables: Vec<String> = guarded.iter().map(|table| snapshot.relation_name(table.oid)).collect();
    tables.sort();
    let message = format!("publication {name} sends every row of {}, past its policies", listed(&tables));
    let finding = Finding::new(name.clone(), "", message).evidence("tables", tables.clone());
    let by_schema = guarded.iter().any(|table| publication.schemas.contains(&table.schema));
    if publication.is_for_all_tables || by_schema {
        return finding.evidence(
            "no_simple_fix_because",
            "it names no tables: make one that does, with a row filter for these, and have subscribers change over",
        );
    }
    let mut back: Vec<String> = guarded.iter().map(|table| published(snapshot, publication, table)).collect();
    back.sort();
    finding.evidence("or", "SET TABLE with a WHERE for what the subscriber may have").fix(
        format!("ALTER PUBLICATION {name} DROP TABLE {};", tables.join(", ")),
        format!("ALTER PUBLICATION {name} ADD TABLE {};", back.join(", ")),
    )
}

/// A table as a publication holds it: with the list of its columns, where it has one.
fn published(snapshot: &Snapshot, publication: &Publication, table: &Relation) -> String {
    let name = snapshot.relation_name(table.oid);
    let columns: Vec<String> = snapshot
        .security
        .published
        .iter()
        .filter(|published| published.publication == publication.oid && published.table == table.oid)
        .flat_map(|published| &published.columns)
        .filter_map(|&number| Some(quote_identifier(&snapshot.column(table.oid, number)?.name)))
        .collect();
    if columns.is_empty() { name } else { format!("{name} ({})", columns.join(", ")) }
}

/// `security.subscription_password`: a password in a connection string.
pub const SUBSCRIPTION_PASSWORD: Rule = Rule {
    id: "security.subscription_password",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Password in a subscription",
    why: "The publisher's password stands in the catalog, in every dump and in every base backup.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-createsubscription.html",
    check: subscriptions,
};

fn subscriptions(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let Some(subscriptions) = &snapshot.security.subscriptions else {
        let reason = unseen(snapshot, "connection strings of subscriptions", "a superuser may");
        return verdicts.unknown_all(1, reason);
    };
    for subscription in subscriptions {
        (facts.interrupt)();
        verdicts.examine(1);
        if subscription.has_password {
            let name = quote_identifier(&subscription.name);
            let message = format!("subscription {name} holds the publisher's password");
            verdicts.find(Finding::new(name, "", message).evidence(
                "no_simple_fix_because",
                "the connection string is not shown here: put passfile=… or service=… in place of password=…",
            ));
        }
    }
}

/// `security.user_mapping_unsafe`: a way to a foreign server that too many have.
pub const USER_MAPPING_UNSAFE: Rule = Rule {
    id: "security.user_mapping_unsafe",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "User mapping that lends a login",
    why: "A mapping for PUBLIC lets every role act at the other server as one. password_required=false lets a role in with the \
          server's own certificates or files. A password in it stands in dumps and backups.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/postgres-fdw.html",
    check: user_mappings,
};

fn user_mappings(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let Some(mappings) = &snapshot.security.user_mappings else {
        let reason = unseen(snapshot, "what user mappings hold", "a superuser may");
        return verdicts.unknown_all(1, reason);
    };
    let rights = super::words::rights(snapshot);
    for mapping in mappings {
        (facts.interrupt)();
        verdicts.examine(1);
        let (server, role) = (quote_identifier(&mapping.server), rights.name(mapping.role));
        let is_superusers = mapping.role != 0 && rights.is_superuser(mapping.role);
        let object = format!("{role} at {server}");
        let alter = format!("ALTER USER MAPPING FOR {role} SERVER {server} OPTIONS");
        let (severity, what) = if mapping.password_not_required && !is_superusers {
            (Severity::Error, format!("lets {role} in at server {server} without a password of its own"))
        } else if mapping.role == 0 {
            (Severity::Error, format!("lets every role act at server {server} as one"))
        } else if mapping.has_password {
            (Severity::Info, format!("holds the password of {role} at server {server}"))
        } else {
            continue;
        };
        let mut finding =
            Finding::new(object, "", format!("user mapping for {role} {what}")).severity(severity);
        finding = if mapping.password_not_required && !is_superusers {
            finding.fix(
                format!("{alter} (DROP password_required);"),
                format!("{alter} (ADD password_required 'false');"),
            )
        } else {
            finding.evidence(
                "no_simple_fix_because",
                "its options are not shown here: make one for each role that needs it, with a login of its own",
            )
        };
        verdicts.find(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::security::{PublishedTable, Subscription, UserMapping};

    #[test]
    fn guarded_tables_without_filter_are_found() {
        for (filter, guarded, found) in [(false, true, 1), (true, true, 0), (false, false, 0)] {
            let mut sample = Sample::new();
            let table = sample.keyed_table("orders");
            sample.edit_table(table, |table| table.row_security = guarded);
            sample.publication("stream", &[table]);
            let publication = sample.snapshot.publications[0].oid;
            let published = PublishedTable { publication, table, has_row_filter: filter, columns: vec![1] };
            sample.snapshot.security.published.push(published);
            let findings = run(&PUBLICATION_IGNORES_ROW_SECURITY, &sample.finish()).0;
            assert_eq!(findings.len(), found);
            for finding in findings {
                assert_eq!(
                    finding.undo.as_deref(),
                    Some("ALTER PUBLICATION stream ADD TABLE public.orders (id);")
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_seen_is_unknown() {
        let snapshot = Sample::new().finish();
        for rule in [&SUBSCRIPTION_PASSWORD, &USER_MAPPING_UNSAFE] {
            assert_eq!(run(rule, &snapshot).1.len(), 1);
        }
    }

    #[test]
    fn mappings_are_judged_by_whom_they_let_in() {
        let mut sample = Sample::new();
        sample.snapshot.security.subscriptions =
            Some(vec![Subscription { name: "s".into(), has_password: true }]);
        let mapping = |role, has_password, password_not_required| UserMapping {
            server: "far".into(),
            role,
            has_password,
            password_not_required,
        };
        sample.snapshot.security.user_mappings = Some(vec![
            mapping(0, false, false),
            mapping(20, true, false),
            mapping(21, false, true),
            mapping(22, false, false),
        ]);
        let snapshot = sample.finish();
        let found = run(&USER_MAPPING_UNSAFE, &snapshot).0;
        let severities: Vec<_> = found.iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, [Some(Severity::Error), Some(Severity::Info), Some(Severity::Error)]);
        assert!(found[2].fix.is_some());
        assert_eq!(run(&SUBSCRIPTION_PASSWORD, &snapshot).0.len(), 1);
    }
}
