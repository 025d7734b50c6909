//! `pg_hba.conf`, read as the server reads it: for each role the first line that fits decides.

use super::words::unseen;
use crate::catalog::Role;
use crate::catalog::security::{HbaAddress, HbaConnection, HbaLine};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::security::rights::Rights;

const REFERENCE: &str = "https://www.postgresql.org/docs/current/auth-pg-hba-conf.html";
const HOW_TO_SEE: &str = "GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO it";

/// The lines, with a report where they cannot be seen.
fn lines<'a>(facts: &Facts<'a>, verdicts: &mut Verdicts<'_>) -> Option<&'a [HbaLine]> {
    match &facts.snapshot.security.hba {
        Some(lines) => {
            verdicts.examine(lines.len().max(1) as u64);
            Some(lines)
        }
        None => {
            verdicts.unknown_all(1, unseen(facts.snapshot, "pg_hba.conf", HOW_TO_SEE));
            None
        }
    }
}

/// A role with the names of those that it is in.
struct Person<'a> {
    role: &'a Role,
    groups: Vec<&'a str>,
}

impl<'a> Person<'a> {
    fn of(rights: &Rights<'a>, role: &'a Role) -> Self {
        // A membership counts here whether or not it is inherited or lets SET ROLE.
        let groups = rights.groups_of(role.oid).into_iter();
        Self { role, groups: groups.filter_map(|oid| rights.role(oid)).map(|role| &*role.name).collect() }
    }

    /// Whether one of a line's words means the role: a name, `all`, `+group`.
    fn is_named(&self, user: &str) -> bool {
        match user.strip_prefix('+') {
            Some(group) => self.groups.contains(&group),
            None => user == "all" || *user == *self.role.name,
        }
    }

    /// Whether a line may be about the role: a pattern is taken to match.
    fn may_be_meant(&self, line: &HbaLine) -> bool {
        line.users.iter().any(|user| user.starts_with('/') || self.is_named(user))
    }

    /// Whether it is about the role for certain.
    fn is_meant(&self, line: &HbaLine) -> bool {
        line.users.iter().any(|user| !user.starts_with('/') && self.is_named(user))
    }

    /// Whether the line at a place lets the role into a database: it fits, and no earlier one decides.
    fn comes_in(&self, lines: &[HbaLine], place: usize, database: &str) -> bool {
        let Some(line) = lines.get(place) else { return false };
        let fits = line.error.is_none()
            && &*line.method != "reject"
            && self.may_be_meant(line)
            && is_for_database(line, database);
        fits && !lines[..place].iter().any(|earlier| {
            earlier.error.is_none()
                && earlier.connection.includes(line.connection)
                && self.is_meant(earlier)
                && is_surely_for_database(earlier, database)
                && match (&earlier.address, &line.address) {
                    (Some(wide), Some(narrow)) => wide.includes(narrow),
                    (None, None) => true,
                    _ => false,
                }
        })
    }
}

fn is_for_database(line: &HbaLine, database: &str) -> bool {
    line.databases.iter().any(|own| {
        if database == "replication" {
            return &**own == "replication";
        }
        matches!(&**own, "all" | "sameuser" | "samerole" | "samegroup")
            || **own == *database
            || own.starts_with('/')
    })
}

fn is_surely_for_database(line: &HbaLine, database: &str) -> bool {
    line.databases.iter().any(|own| (&**own == "all" && database != "replication") || **own == *database)
}

/// The lines that let a role into a database: those before which no other one decides.
pub fn reachable<'l>(
    rights: &Rights<'_>,
    lines: &'l [HbaLine],
    role: &Role,
    database: &str,
) -> impl Iterator<Item = &'l HbaLine> {
    let person = Person::of(rights, role);
    let open: Vec<&HbaLine> = (0..lines.len())
        .filter(|&place| person.comes_in(lines, place, database))
        .map(|place| &lines[place])
        .collect();
    open.into_iter()
}

/// Where a line stands and what it says.
fn object(line: &HbaLine) -> String {
    match &line.file {
        Some(file) => format!("{file} line {}", line.number),
        None => format!("pg_hba.conf line {}", line.number),
    }
}

fn finding(line: &HbaLine, message: String) -> Finding {
    Finding::new(object(line), "", message).evidence("line", line.text())
}

/// The lines by which some role of the cluster comes in, to this database, to one that they name, or for replication.
fn open_lines<'l>(facts: &Facts<'_>, lines: &'l [HbaLine]) -> Vec<&'l HbaLine> {
    let snapshot = facts.snapshot;
    let rights = super::words::rights(snapshot);
    let mut open = vec![false; lines.len()];
    for role in snapshot.roles.iter().filter(|role| role.logs_in) {
        (facts.interrupt)();
        let person = Person::of(&rights, role);
        for (place, line) in lines.iter().enumerate().filter(|(_, line)| line.error.is_none()) {
            open[place] = open[place]
                || line.databases.iter().any(|own| {
                    let database = match &**own {
                        "all" | "sameuser" | "samerole" | "samegroup" => &*snapshot.server.database,
                        other => other,
                    };
                    let may = database != "replication" || role.replicates || role.is_superuser;
                    may && person.comes_in(lines, place, database)
                });
        }
        if open.iter().all(|&is_open| is_open) {
            break;
        }
    }
    lines.iter().zip(open).filter(|(_, is_open)| *is_open).map(|(line, _)| line).collect()
}

/// `security.superuser_over_network`: a line lets a superuser in over TCP/IP.
pub const SUPERUSER_OVER_NETWORK: Rule = Rule {
    id: "security.superuser_over_network",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Superuser let in from the network",
    why: "One password, guessed or leaked, and the server with its operating system user is somebody else's. On the server \
          itself the Unix socket is enough for a superuser.",
    thresholds: &[],
    reference: REFERENCE,
    check: superuser_over_network,
};

fn superuser_over_network(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let Some(lines) = lines(facts, verdicts) else { return };
    let rights = super::words::rights(snapshot);
    for role in snapshot.roles.iter().filter(|role| role.is_superuser && role.logs_in) {
        (facts.interrupt)();
        let open: Vec<&HbaLine> = reachable(&rights, lines, role, &snapshot.server.database)
            .filter(|line| line.address.as_ref().is_some_and(|address| !address.is_own()))
            .collect();
        let Some(first) = open.first() else { continue };
        let name = rights.name(role.oid);
        let message = format!(
            "superuser {name} may log in over the network: line {} of pg_hba.conf lets it in by {}",
            first.number, first.method
        );
        let rejecting = format!("host all {name} all reject");
        verdicts.find(
            Finding::new(name, "", message)
                .evidence("lines", open.iter().map(|line| line.text()).collect::<Vec<_>>())
                .evidence("write_before_it", rejecting)
                .evidence(
                    "no_simple_fix_because",
                    "the file is edited on the server; then SELECT pg_reload_conf()",
                ),
        );
    }
}

/// `security.hba_weak_method`: who comes in proves nothing, or shows the password on the way.
pub const HBA_WEAK_METHOD: Rule = Rule {
    id: "security.hba_weak_method",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Line of pg_hba.conf that asks for little",
    why: "trust asks for nothing, ident believes the client's machine, password sends the word as it is, and md5 keeps and sends \
          what can be replayed.",
    thresholds: &[],
    reference: REFERENCE,
    check: weak_method,
};

fn weak_method(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let Some(lines) = lines(facts, verdicts) else { return };
    for line in open_lines(facts, lines) {
        (facts.interrupt)();
        let is_remote = line.address.as_ref().is_some_and(|address| !address.is_own());
        let (severity, what) = match (&*line.method, is_remote) {
            ("trust", true) => {
                (Severity::Critical, "lets anybody on that network in as any role, without a password")
            }
            ("trust", false) => {
                (Severity::Warning, "lets whoever is on the server in as any role, without a password")
            }
            ("ident", true) => (Severity::Error, "believes what the client's machine says of its user"),
            ("password", true) if line.connection != HbaConnection::HostSsl => {
                (Severity::Error, "has passwords sent as they are, for everybody on the way to read")
            }
            ("md5", true) => (Severity::Warning, "accepts MD5, whose hash opens without the password"),
            _ => continue,
        };
        let message = format!("line {} of pg_hba.conf {what}", line.number);
        let mut better = line.clone();
        better.method = "scram-sha-256".into();
        better.options = Box::default();
        verdicts.find(
            finding(line, message).severity(severity).evidence("write_instead", better.text()).evidence(
                "no_simple_fix_because",
                "the file is edited on the server; then SELECT pg_reload_conf()",
            ),
        );
    }
}

/// `security.hba_open_to_world`: a line for every address there is.
pub const HBA_OPEN_TO_WORLD: Rule = Rule {
    id: "security.hba_open_to_world",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Line of pg_hba.conf for every address",
    why: "Passwords are tried from wherever the server is reached; a firewall's mistake is then the only thing in between.",
    thresholds: &[],
    reference: REFERENCE,
    check: open_to_world,
};

fn open_to_world(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let Some(lines) = lines(facts, verdicts) else { return };
    for line in open_lines(facts, lines) {
        (facts.interrupt)();
        let is_open = line.address.as_ref().is_some_and(HbaAddress::is_anywhere);
        if !is_open || &*line.method == "cert" {
            continue;
        }
        let message = format!("line {} of pg_hba.conf is for every address there is", line.number);
        verdicts.find(
            finding(line, message)
                .evidence("no_simple_fix_because", "the networks of your applications are not known here"),
        );
    }
}

/// `security.hba_unencrypted`: a line that takes connections without TLS from elsewhere.
pub const HBA_UNENCRYPTED: Rule = Rule {
    id: "security.hba_unencrypted",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Line of pg_hba.conf that takes unencrypted connections",
    why: "Everything that is read and written passes every machine on the way in the clear, and can be changed there.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ssl-tcp.html",
    check: unencrypted,
};

fn unencrypted(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let Some(lines) = lines(facts, verdicts) else { return };
    for line in open_lines(facts, lines) {
        (facts.interrupt)();
        let is_remote = line.address.as_ref().is_some_and(|address| !address.is_own());
        if !is_remote || !line.connection.takes_plain() {
            continue;
        }
        let mut better = line.clone();
        better.connection = HbaConnection::HostSsl;
        let message =
            format!("line {} of pg_hba.conf takes connections from elsewhere without TLS", line.number);
        verdicts.find(finding(line, message).evidence("write_instead", better.text()).evidence(
            "no_simple_fix_because",
            "the file is edited on the server; then SELECT pg_reload_conf()",
        ));
    }
}

/// `security.hba_error`: a line that the server does not understand, so that no later version of the file is loaded.
pub const HBA_ERROR: Rule = Rule {
    id: "security.hba_error",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Line of pg_hba.conf that the server does not understand",
    why: "At a reload the server keeps the old file as a whole: what was locked out stays in. At a restart it does not start.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/view-pg-hba-file-rules.html",
    check: error,
};

fn error(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let Some(lines) = lines(facts, verdicts) else { return };
    for line in lines {
        (facts.interrupt)();
        let Some(error) = &line.error else { continue };
        // What was parsed and cannot match, say hostssl without ssl, keeps nothing from being loaded.
        let (severity, what) = if line.method.is_empty() {
            (Severity::Error, "is not understood")
        } else {
            (Severity::Info, "never matches")
        };
        let message = format!("line {} of pg_hba.conf {what}: {error}", line.number);
        verdicts.find(
            Finding::new(object(line), "", message)
                .severity(severity)
                .evidence("no_simple_fix_because", "the file is edited on the server"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    fn line(number: i32, text: &str) -> HbaLine {
        let words: Vec<&str> = text.split(' ').collect();
        let connection = HbaConnection::parse(words[0]).unwrap();
        let list = |word: &str| word.split(',').map(Into::into).collect();
        let address = connection.is_network().then(|| match words[3].split_once('/') {
            Some((address, bits)) => HbaAddress::Network(address.parse().unwrap(), bits.parse().unwrap()),
            None => HbaAddress::parse(words[3], None),
        });
        HbaLine {
            number,
            connection,
            databases: list(words[1]),
            users: list(words[2]),
            address,
            method: (*words.last().unwrap()).into(),
            ..HbaLine::default()
        }
    }

    fn found(rule: &Rule, lines: &[&str]) -> Vec<String> {
        let mut sample = Sample::new();
        let role = |oid, name: &str, is_superuser| Role {
            oid,
            name: name.into(),
            logs_in: true,
            is_superuser,
            ..Role::default()
        };
        sample.snapshot.roles = vec![role(10, "postgres", true), role(20_000, "app", false)];
        sample.snapshot.security.hba =
            Some(lines.iter().zip(1..).map(|(text, number)| line(number, text)).collect());
        run(rule, &sample.finish()).0.into_iter().map(|finding| finding.object).collect()
    }

    #[test]
    fn the_first_line_that_fits_decides() {
        let open = "host all all 10.0.0.0/8 scram-sha-256";
        assert_eq!(found(&SUPERUSER_OVER_NETWORK, &[open]), ["postgres"]);
        assert!(found(&SUPERUSER_OVER_NETWORK, &["host all postgres all reject", open]).is_empty());
        assert!(found(&SUPERUSER_OVER_NETWORK, &["host all all 0.0.0.0/0 reject", open]).is_empty());
        // Only part of the network, another database, another role, or only without TLS.
        for before in [
            "host all postgres 10.1.0.0/16 reject",
            "host other postgres all reject",
            "host all app all reject",
            "hostnossl all postgres all reject",
            "host all /^post all reject",
        ] {
            assert_eq!(found(&SUPERUSER_OVER_NETWORK, &[before, open]), ["postgres"], "{before}");
        }
        assert!(found(&SUPERUSER_OVER_NETWORK, &["host all app 10.0.0.0/8 scram-sha-256"]).is_empty());
        assert!(found(&SUPERUSER_OVER_NETWORK, &["host all all 127.0.0.1/32 trust"]).is_empty());
    }

    #[test]
    fn a_group_is_whoever_is_in_it_however() {
        let mut sample = Sample::new();
        let role = |oid, name: &str| Role { oid, name: name.into(), logs_in: true, ..Role::default() };
        sample.snapshot.roles = vec![role(20_000, "app"), role(20_001, "people")];
        // GRANT people TO app WITH INHERIT FALSE, SET FALSE.
        sample.snapshot.memberships.push(crate::catalog::Membership {
            role: 20_001,
            member: 20_000,
            ..crate::catalog::Membership::default()
        });
        sample.snapshot.security.hba = Some(vec![line(1, "host all +people 10.0.0.0/8 trust")]);
        let snapshot = sample.finish();
        let rights = crate::security::rules::words::rights(&snapshot);
        let app = snapshot.roles.iter().find(|role| &*role.name == "app").unwrap();
        let lines = snapshot.security.hba.as_deref().unwrap();
        assert_eq!(reachable(&rights, lines, app, "shop").count(), 1);
    }

    #[test]
    fn weak_methods_count_where_somebody_comes_in_by_them() {
        let trust = "host all all 10.0.0.0/8 trust";
        assert_eq!(found(&HBA_WEAK_METHOD, &[trust]), ["pg_hba.conf line 1"]);
        assert!(found(&HBA_WEAK_METHOD, &["host all all all scram-sha-256", trust]).is_empty());
        assert_eq!(found(&HBA_WEAK_METHOD, &["host all postgres all reject", trust]), ["pg_hba.conf line 2"]);
        assert!(found(&HBA_WEAK_METHOD, &["host all nobody 10.0.0.0/8 trust"]).is_empty());
        assert!(found(&HBA_WEAK_METHOD, &["local all all peer"]).is_empty());
        assert!(found(&HBA_WEAK_METHOD, &["hostssl all all all password"]).is_empty());
    }

    #[test]
    fn the_world_and_the_clear_are_found() {
        assert_eq!(found(&HBA_OPEN_TO_WORLD, &["hostssl all all 0.0.0.0/0 scram-sha-256"]).len(), 1);
        assert!(found(&HBA_OPEN_TO_WORLD, &["hostssl all all 10.0.0.0/8 scram-sha-256"]).is_empty());
        assert_eq!(found(&HBA_UNENCRYPTED, &["host all all 10.0.0.0/8 scram-sha-256"]).len(), 1);
        assert!(found(&HBA_UNENCRYPTED, &["hostssl all all 10.0.0.0/8 scram-sha-256"]).is_empty());
    }
}
