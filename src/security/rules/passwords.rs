//! Passwords, and secrets kept where everybody reads them.

use super::words::unseen;
use crate::catalog::security::Password;
use crate::catalog::{DAY, Oid, Role, RoleSetting, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::date::iso_date;
use crate::text::quote_identifier;

const HOW_TO_SEE: &str = "a superuser may, or GRANT SELECT ON pg_authid TO it";

/// The roles with a password that log in; reports what cannot be seen.
fn with_password<'a>(facts: &Facts<'a>, verdicts: &mut Verdicts<'_>) -> Vec<(&'a Role, Password)> {
    let snapshot = facts.snapshot;
    let logins = snapshot.roles.iter().filter(|role| role.logs_in);
    let Some(passwords) = &snapshot.security.passwords else {
        let count = logins.count() as u64;
        if count > 0 {
            verdicts.unknown_all(count, unseen(snapshot, "how passwords are kept", HOW_TO_SEE));
        }
        return Vec::new();
    };
    verdicts.examine(snapshot.roles.len() as u64);
    logins.filter_map(|role| Some((role, *passwords.get(&role.oid)?))).collect()
}

/// `security.password_hash_weak`: a hash that is as good as the password.
pub const PASSWORD_MD5: Rule = Rule {
    id: "security.password_hash_weak",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Password kept as MD5",
    why: "Who reads the hash from a dump, a backup or a standby logs in with it as it is, and guesses the password at billions \
          of tries a second. From PostgreSQL 18 on it is deprecated.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/auth-password.html",
    check: md5,
};

fn md5(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    for (role, password) in with_password(facts, verdicts) {
        (facts.interrupt)();
        if password != Password::Md5 {
            continue;
        }
        let name = quote_identifier(&role.name);
        let message =
            format!("the password of role {name} is kept as MD5: its hash is as good as the password itself");
        verdicts.find(
            Finding::new(name.clone(), "", message)
                .severity(if role.is_superuser { Severity::Critical } else { Severity::Error })
                .evidence(
                    "no_simple_fix_because",
                    format!("only a new password is kept otherwise: SET password_encryption = 'scram-sha-256', then \\password {name}"),
                ),
        );
    }
}

/// `security.password_never_expires`: a login whose password is good for ever.
pub const PASSWORD_NEVER_EXPIRES: Rule = Rule {
    id: "security.password_never_expires",
    dimension: Dimension::Security,
    severity: Severity::Info,
    title: "Password without an end",
    why: "A password that leaked years ago still opens. Where something outside changes passwords, this is as it should be: \
          disable the rule or suppress the role.",
    thresholds: &[Threshold {
        name: "days",
        default: 90.0,
        range: (1.0, 36_500.0),
        meaning: "days that the proposed VALID UNTIL gives",
    }],
    reference: "https://www.postgresql.org/docs/current/sql-createrole.html",
    check: never_expires,
};

fn never_expires(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let days = verdicts.threshold("days") as i64;
    let until = iso_date(facts.snapshot.server.now.saturating_add(days.saturating_mul(DAY)));
    for (role, _) in with_password(facts, verdicts) {
        (facts.interrupt)();
        // Infinity is the greatest value that there is.
        if role.valid_until.is_some_and(|end| end < i64::MAX / 2) {
            continue;
        }
        let name = quote_identifier(&role.name);
        let message = format!("the password of role {name} has no end");
        verdicts.find(Finding::new(name.clone(), "", message).fix(
            format!("ALTER ROLE {name} VALID UNTIL '{until}';"),
            format!("ALTER ROLE {name} VALID UNTIL 'infinity';"),
        ));
    }
}

/// What people take first.
const COMMON: [&str; 10] = [
    "postgres",
    "password",
    "123456",
    "changeme",
    "secret",
    "admin",
    "Password1",
    "12345678",
    "qwerty",
    "test",
];

/// More rounds than this are somebody's own doing, and would take the audit's time.
const MOST_ROUNDS: u32 = 100_000;

/// `security.password_guessable`: the role's own name, or a word that everybody tries.
pub const PASSWORD_GUESSABLE: Rule = Rule {
    id: "security.password_guessable",
    dimension: Dimension::Security,
    severity: Severity::Critical,
    title: "Password that is guessed at once",
    why: "The role's own name is the first word that anybody tries, and a dozen others follow. Whoever reaches the server is in.",
    thresholds: &[Threshold {
        name: "milliseconds",
        default: 300.0,
        range: (0.0, 600_000.0),
        meaning: "milliseconds that guessing may take; one guess of a SCRAM password takes two to ten, and what was not reached is \
                  unknown",
    }],
    reference: "https://www.postgresql.org/docs/current/auth-password.html",
    check: guessable,
};

fn guessable(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let Some(passwords) = &snapshot.security.passwords else {
        with_password(facts, verdicts);
        return;
    };
    let budget = std::time::Duration::from_millis(verdicts.threshold("milliseconds") as u64);
    let started = std::time::Instant::now();
    let mut roles: Vec<(&Role, Password)> = snapshot
        .roles
        .iter()
        .filter(|role| role.logs_in)
        .filter_map(|role| Some((role, *passwords.get(&role.oid)?)))
        .collect();
    roles.sort_by(|left, right| {
        (!left.0.is_superuser, &left.0.name).cmp(&(!right.0.is_superuser, &right.0.name))
    });
    verdicts.examine((snapshot.roles.len() - roles.len()) as u64);
    let mut late = 0;
    let mut found: Vec<(&Role, &str)> = Vec::new();
    let mut open: Vec<&Role> = Vec::new();
    for (role, password) in roles {
        (facts.interrupt)();
        let name = quote_identifier(&role.name);
        match password {
            Password::Scram(rounds) if rounds > MOST_ROUNDS => verdicts.unknown(
                name.clone(),
                "",
                format!("the password of role {name} takes {rounds} rounds to try: too long for an audit"),
            ),
            Password::Other => {
                verdicts.unknown(
                    name.clone(),
                    "",
                    format!("the password of role {name} is kept in an unknown form"),
                );
            }
            _ if started.elapsed() > budget => late += 1,
            // The name itself comes first, for every role.
            _ if facts.definitions.password_is(role.oid, &role.name) == Some(true) => {
                verdicts.examine(1);
                found.push((role, "its name"));
            }
            _ => open.push(role),
        }
    }
    for role in open {
        (facts.interrupt)();
        let word = COMMON
            .iter()
            .take_while(|_| started.elapsed() <= budget)
            .find(|word| facts.definitions.password_is(role.oid, word) == Some(true));
        // That it is not its name is known by now.
        verdicts.examine(1);
        if word.is_some() {
            found.push((role, "one of the words that everybody tries"));
        }
    }
    if late > 0 {
        verdicts.unknown_all(
            late,
            "guessing took as long as the threshold milliseconds allows: raise it in dbm.rule_setting"
                .to_owned(),
        );
    }
    for (role, what) in found {
        verdicts.find(describe_guessed(role, what));
    }
}

fn describe_guessed(role: &Role, what: &str) -> Finding {
    let name = quote_identifier(&role.name);
    let kind = if role.is_superuser { "superuser" } else { "role" };
    let message = format!("the password of {kind} {name} is {what}: whoever reaches the server is in");
    Finding::new(name.clone(), "", message)
        .evidence(
            "then",
            format!("give it another one: \\password {name}; the fix shuts the role out until then"),
        )
        .fix(format!("ALTER ROLE {name} NOLOGIN;"), format!("ALTER ROLE {name} LOGIN;"))
}

/// Parts of names under which secrets are kept.
const SECRETS: [&str; 9] =
    ["passw", "secret", "token", "salt", "api_key", "apikey", "private", "credential", "encryption_key"];

/// Settings of the server itself that are named so and hold no secret.
const NO_SECRETS: [&str; 4] =
    ["password_encryption", "passwordcheck.", "auth_delay.", "passwordcheck_extra."];

/// `security.secret_in_setting`: a secret in ALTER ROLE … SET, which everybody reads.
pub const SECRET_IN_SETTING: Rule = Rule {
    id: "security.secret_in_setting",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Secret in a setting of a role or database",
    why: "pg_db_role_setting is readable by every role of the cluster, and current_setting() by every query that is injected.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/catalog-pg-db-role-setting.html",
    check: secret_in_setting,
};

fn secret_in_setting(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    verdicts.examine(snapshot.roles.len().max(1) as u64);
    for setting in &snapshot.role_settings {
        (facts.interrupt)();
        for (name, _) in setting.settings.iter().filter_map(|pair| pair.split_once('=')) {
            if is_secret(name) {
                verdicts.find(describe_secret(snapshot, setting, name));
            }
        }
    }
}

fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    SECRETS.iter().any(|part| lower.contains(part))
        && !NO_SECRETS.iter().any(|known| lower.starts_with(known))
}

fn describe_secret(snapshot: &Snapshot, setting: &RoleSetting, name: &str) -> Finding {
    let database = quote_identifier(&snapshot.server.database);
    let role = |oid: Oid| {
        snapshot
            .roles
            .iter()
            .find(|role| role.oid == oid)
            .map_or(oid.to_string(), |role| quote_identifier(&role.name))
    };
    let (whose, alter) = match (setting.role, setting.is_for_database) {
        (0, true) => (format!("database {database}"), format!("ALTER DATABASE {database}")),
        (0, false) => ("all roles".to_owned(), "ALTER ROLE ALL".to_owned()),
        (oid, true) => (
            format!("role {} in database {database}", role(oid)),
            format!("ALTER ROLE {} IN DATABASE {database}", role(oid)),
        ),
        (oid, false) => (format!("role {}", role(oid)), format!("ALTER ROLE {}", role(oid))),
    };
    // A setting's name is words divided by dots, each an identifier.
    let quoted: Vec<String> = name.split('.').map(quote_identifier).collect();
    let message =
        format!("setting {name} of {whose} looks like a secret: every role of the cluster reads it");
    let mut finding = Finding::new(format!("{name} of {whose}"), "", message).evidence(
        "then",
        "keep it outside of the database, and take another one: this one was readable by everybody",
    );
    finding.fix = Some(format!("{alter} RESET {};", quoted.join(".")));
    // What would take it back is the secret itself, which is not written here.
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    fn sample(passwords: &[(Oid, Password)]) -> Sample {
        let mut sample = Sample::new();
        for (oid, name) in [(10, "postgres"), (20_000, "guessed"), (20_001, "app")] {
            let role = Role { oid, name: name.into(), logs_in: true, ..Role::default() };
            sample.snapshot.roles.push(role);
        }
        sample.snapshot.security.passwords = Some(passwords.iter().copied().collect());
        sample
    }

    #[test]
    fn md5_is_found_and_scram_is_right() {
        let found =
            run(&PASSWORD_MD5, &sample(&[(20_000, Password::Md5), (20_001, Password::Scram(4096))]).finish())
                .0;
        assert_eq!(found.iter().map(|finding| &*finding.object).collect::<Vec<_>>(), ["guessed"]);
    }

    #[test]
    fn the_own_name_is_guessed_and_what_takes_too_long_is_unknown() {
        let (found, unknown, examined) = run(
            &PASSWORD_GUESSABLE,
            &sample(&[(20_000, Password::Scram(4096)), (20_001, Password::Scram(10_000_000))]).finish(),
        );
        assert_eq!((found.len(), unknown.len(), examined), (1, 1, 2));
        assert_eq!(
            found[0].message,
            "the password of role guessed is its name: whoever reaches the server is in"
        );
    }

    #[test]
    fn who_may_not_see_passwords_is_told_so() {
        let mut sample = sample(&[]);
        sample.snapshot.security.passwords = None;
        let snapshot = sample.finish();
        for rule in [&PASSWORD_MD5, &PASSWORD_GUESSABLE, &PASSWORD_NEVER_EXPIRES] {
            let (found, unknown, examined) = run(rule, &snapshot);
            assert_eq!((found.len(), unknown.len(), examined), (0, 1, 0), "{}", rule.id);
            assert_eq!(unknown[0].objects, 3);
        }
    }

    #[test]
    fn secrets_are_named_and_not_shown() {
        let mut sample = sample(&[]);
        sample.snapshot.role_settings.push(RoleSetting {
            role: 20_001,
            is_for_database: false,
            settings: ["app.api_key=hunter2".into(), "password_encryption=md5".into()].into(),
        });
        let found = run(&SECRET_IN_SETTING, &sample.finish()).0;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].fix.as_deref(), Some("ALTER ROLE app RESET app.api_key;"));
        assert!(!format!("{found:?}").contains("hunter2"));
    }
}
