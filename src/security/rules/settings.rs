//! Settings of the server under which it protects less, or tells nobody what happened.

use crate::catalog::Snapshot;
use crate::catalog::security::HbaAddress;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_literal;

/// `security.server_setting`: one setting, one finding.
pub const SERVER_SETTING: Rule = Rule {
    id: "security.server_setting",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Server setting that protects less than it could",
    why: "Each is told with what it leaves open. What is written to the log alone decides whether anybody can say afterwards who \
          did what.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/runtime-config.html",
    check,
};

/// A setting, the values that are wrong, what they mean, and a right one.
struct Baseline {
    name: &'static str,
    wrong: &'static [&'static str],
    severity: Severity,
    what: &'static str,
    right: &'static str,
    /// Whether a restart is needed.
    restarts: bool,
}

const fn baseline(
    name: &'static str,
    wrong: &'static [&'static str],
    severity: Severity,
    what: &'static str,
    right: &'static str,
) -> Baseline {
    Baseline { name, wrong, severity, what, right, restarts: false }
}

const fn restarting(baseline: Baseline) -> Baseline {
    Baseline { restarts: true, ..baseline }
}

const BASELINES: [Baseline; 16] = [
    baseline(
        "password_encryption",
        &["md5"],
        Severity::Error,
        "new passwords are kept as MD5",
        "scram-sha-256",
    ),
    baseline(
        "row_security",
        &["off"],
        Severity::Warning,
        "queries that policies would filter fail instead",
        "on",
    ),
    restarting(baseline(
        "allow_system_table_mods",
        &["on"],
        Severity::Critical,
        "superusers change the catalogs by hand",
        "off",
    )),
    baseline(
        "lo_compat_privileges",
        &["on"],
        Severity::Error,
        "every role reads and writes all large objects",
        "off",
    ),
    baseline(
        "event_triggers",
        &["off"],
        Severity::Error,
        "no event trigger fires, those that guard and audit among them",
        "on",
    ),
    baseline(
        "ssl_min_protocol_version",
        &["TLSv1", "TLSv1.1", ""],
        Severity::Warning,
        "encryption that has been broken is accepted",
        "TLSv1.2",
    ),
    baseline(
        "ignore_checksum_failure",
        &["on"],
        Severity::Error,
        "damaged pages are read as if they were sound",
        "off",
    ),
    baseline(
        "zero_damaged_pages",
        &["on"],
        Severity::Critical,
        "damaged pages are emptied without a word",
        "off",
    ),
    baseline("fsync", &["off"], Severity::Critical, "a crash of the machine loses the cluster", "on"),
    baseline("full_page_writes", &["off"], Severity::Error, "a crash of the machine leaves torn pages", "on"),
    baseline(
        "data_checksums",
        &["off"],
        Severity::Info,
        "nothing tells a page that the disk has changed",
        "",
    ),
    baseline(
        "debug_print_parse",
        &["on"],
        Severity::Warning,
        "queries with all their constants go to the log",
        "off",
    ),
    baseline("log_connections", &["off", ""], Severity::Info, "the log does not say who came", "on"),
    baseline("log_disconnections", &["off"], Severity::Info, "the log does not say who went", "on"),
    baseline(
        "log_statement",
        &["none"],
        Severity::Info,
        "the log does not say who changed the schema",
        "ddl",
    ),
    baseline(
        "log_min_error_statement",
        &["fatal", "panic", "log"],
        Severity::Info,
        "the log does not say which statements failed, as attacks do first",
        "error",
    ),
];

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let settings = &snapshot.security.settings;
    if settings.is_empty() {
        return;
    }
    for baseline in &BASELINES {
        (facts.interrupt)();
        let Some(setting) = settings.get(baseline.name) else {
            // Older versions have no event_triggers.
            if baseline.name != "event_triggers" {
                let reason =
                    super::words::unseen(snapshot, baseline.name, "GRANT pg_read_all_settings TO it");
                verdicts.unknown(baseline.name, "", reason);
            }
            continue;
        };
        verdicts.examine(1);
        if !baseline.wrong.contains(&&*setting.value) {
            continue;
        }
        let finding = Finding::new(
            baseline.name,
            "",
            format!("{} is {}: {}", baseline.name, shown(&setting.value), baseline.what),
        )
        .severity(baseline.severity);
        verdicts.find(mended(finding, baseline, &setting.value));
    }
    let Some(ssl) = settings.get("ssl") else { return };
    verdicts.examine(1);
    if &*ssl.value == "off" && is_reached(snapshot) {
        verdicts.find(
            Finding::new(
                "ssl",
                "",
                "ssl is off: all that goes over the network can be read and changed on the way",
            )
            .severity(Severity::Error)
            .evidence(
                "no_simple_fix_because",
                "it takes a certificate and a key: ssl_cert_file, ssl_key_file",
            ),
        );
    }
}

fn shown(value: &str) -> String {
    if value.is_empty() { "empty".to_owned() } else { value.to_owned() }
}

fn mended(finding: Finding, baseline: &Baseline, value: &str) -> Finding {
    if baseline.right.is_empty() {
        return finding
            .evidence("no_simple_fix_because", "the server has to be stopped for it: pg_checksums --enable");
    }
    let set = |value: &str| format!("ALTER SYSTEM SET {} = {};", baseline.name, quote_literal(value));
    let (reload, finding) = if baseline.restarts {
        ("", finding.evidence("takes_effect", "at a restart"))
    } else {
        ("\nSELECT pg_catalog.pg_reload_conf();", finding)
    };
    finding.fix(format!("{}{reload}", set(baseline.right)), format!("{}{reload}", set(value)))
}

/// Whether anybody else than the machine itself may come in.
fn is_reached(snapshot: &Snapshot) -> bool {
    let security = &snapshot.security;
    let listens = security
        .settings
        .get("listen_addresses")
        .is_none_or(|setting| setting.value.split(',').any(|address| !is_own(address.trim())));
    let lets_in = security.hba.as_ref().is_none_or(|lines| {
        lines.iter().any(|line| {
            line.address.as_ref().is_some_and(|address| !address.is_own()) && &*line.method != "reject"
        })
    });
    listens && lets_in
}

fn is_own(address: &str) -> bool {
    address.is_empty() || HbaAddress::parse(address, None).is_own()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Setting;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::security::{HbaConnection, HbaLine};

    fn found(settings: &[(&str, &str)], lines: Vec<HbaLine>) -> Vec<Finding> {
        let mut sample = Sample::new();
        for (name, value) in settings {
            let setting = Setting { value: (*value).into() };
            sample.snapshot.security.settings.insert((*name).into(), setting);
        }
        sample.snapshot.security.hba = Some(lines);
        run(&SERVER_SETTING, &sample.finish()).0
    }

    #[test]
    fn values_below_the_baseline_are_found() {
        let found =
            found(&[("password_encryption", "md5"), ("fsync", "on"), ("log_statement", "none")], Vec::new());
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0].fix.as_deref(),
            Some(
                "ALTER SYSTEM SET password_encryption = 'scram-sha-256';\nSELECT pg_catalog.pg_reload_conf();"
            )
        );
        assert!(
            found[0].undo.as_deref().unwrap().starts_with("ALTER SYSTEM SET password_encryption = 'md5';")
        );
    }

    #[test]
    fn encryption_counts_where_somebody_else_comes_in() {
        let line = |address: &str| HbaLine {
            connection: HbaConnection::Host,
            address: Some(HbaAddress::parse(address, None)),
            method: "scram-sha-256".into(),
            ..HbaLine::default()
        };
        let off = |listens, address| {
            found(&[("ssl", "off"), ("listen_addresses", listens)], vec![line(address)]).len()
        };
        assert_eq!(off("*", "10.0.0.1"), 1);
        assert_eq!(off("localhost", "10.0.0.1"), 0);
        assert_eq!(off("*", "127.0.0.1"), 0);
        assert_eq!(off("", "10.0.0.1"), 0);
    }
}
