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
}

const fn baseline(
    name: &'static str,
    wrong: &'static [&'static str],
    severity: Severity,
    what: &'static str,
    right: &'static str,
) -> Baseline {
    Baseline { name, wrong, severity, what, right }
}

const BASELINES: [Baseline; 17] = [
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
    baseline(
        "allow_system_table_mods",
        &["on"],
        Severity::Critical,
        "superusers change the catalogs by hand",
        "off",
    ),
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
        "log_checkpoints",
        &["off"],
        Severity::Info,
        "the log does not say when the server wrote everything out, nor why",
        "on",
    ),
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
    if let Some(ssl) = settings.get("ssl") {
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
    listens_everywhere(snapshot, verdicts);
}

/// `listen_addresses = '*'` is as bad as what pg_hba.conf makes of it: with lines for certain networks it is those that bound who
/// comes in; with one for every address nothing does; with none for anybody else it listens for nobody.
fn listens_everywhere(snapshot: &Snapshot, verdicts: &mut Verdicts<'_>) {
    const NAME: &str = "listen_addresses";
    let Some(setting) = snapshot.security.settings.get(NAME) else { return };
    let is_every = setting.value.split(',').any(|address| matches!(address.trim(), "*" | "0.0.0.0" | "::"));
    let Some(lines) = snapshot.security.hba.as_ref().filter(|_| is_every) else {
        if is_every {
            let wanted = "pg_hba.conf, which says who comes in by the addresses that the server listens on";
            let reason =
                super::words::unseen(snapshot, wanted, "GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO it");
            verdicts.unknown(NAME, "", reason);
        } else {
            verdicts.examine(1);
        }
        return;
    };
    verdicts.examine(1);
    let mut open = lines.iter().filter(|line| &*line.method != "reject" && line.address.is_some());
    if let Some(line) = open.clone().find(|line| line.address.as_ref().is_some_and(HbaAddress::is_anywhere)) {
        let message = format!(
            "{NAME} is {}, and line {} of pg_hba.conf is for every address there is: nothing but a firewall says from which \
             network somebody comes in",
            setting.value, line.number
        );
        verdicts.find(Finding::new(NAME, "", message).evidence("line", line.text()).evidence(
            "no_simple_fix_because",
            "the addresses by which your applications come are not known here; a restart takes new ones into use",
        ));
    } else if !open.any(|line| line.address.as_ref().is_some_and(|address| !address.is_own())) {
        let message = format!(
            "{NAME} is {}, but pg_hba.conf lets in nobody from another machine: the port answers for nothing",
            setting.value
        );
        let set = |value: &str| format!("ALTER SYSTEM SET {NAME} = {};", quote_literal(value));
        verdicts.find(
            Finding::new(NAME, "", message)
                .severity(Severity::Info)
                .evidence("takes_effect", "at a restart")
                .fix(set("localhost"), set(&setting.value)),
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
    let set = |value: &str| {
        let value = quote_literal(value);
        format!("ALTER SYSTEM SET {} = {value};\nSELECT pg_catalog.pg_reload_conf();", baseline.name)
    };
    finding.fix(set(baseline.right), set(value))
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
    fn listening_everywhere_is_as_bad_as_who_is_let_in() {
        let line = |address: &str, netmask| HbaLine {
            connection: HbaConnection::HostSsl,
            address: Some(HbaAddress::parse(address, netmask)),
            method: "scram-sha-256".into(),
            ..HbaLine::default()
        };
        let of = |listens, lines| {
            let found = found(&[("listen_addresses", listens)], lines);
            found.into_iter().next().map(|finding| (finding.severity, finding.fix))
        };
        let world = || vec![line("10.0.0.1", None), line("0.0.0.0", Some("0.0.0.0"))];
        assert_eq!(of("*", world()), Some((None, None)));
        assert_eq!(of("127.0.0.1, ::", world()), Some((None, None)));
        assert_eq!(of("10.0.0.2", world()), None);
        assert_eq!(of("*", vec![line("10.0.0.1", None)]), None);
        let fix = "ALTER SYSTEM SET listen_addresses = 'localhost';".to_owned();
        assert_eq!(of("*", vec![line("127.0.0.1", None)]), Some((Some(Severity::Info), Some(fix))));
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
            let found = found(&[("ssl", "off"), ("listen_addresses", listens)], vec![line(address)]);
            found.iter().filter(|finding| &*finding.object == "ssl").count()
        };
        assert_eq!(off("*", "10.0.0.1"), 1);
        assert_eq!(off("localhost", "10.0.0.1"), 0);
        assert_eq!(off("*", "127.0.0.1"), 0);
        assert_eq!(off("", "10.0.0.1"), 0);
    }
}
