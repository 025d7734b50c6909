//! Passwords, and secrets kept where everybody reads them.

use super::words::unseen;
use crate::catalog::security::Password;
use crate::catalog::{DAY, Oid, Role, RoleSetting, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::date::iso_date;
use crate::text::quote_identifier;

const HOW_TO_SEE: &str = "a superuser may, or GRANT SELECT ON pg_authid TO it";

/// The roles with a password that log in; reports what cannot be seen.
pub(super) fn with_password<'a>(facts: &Facts<'a>, verdicts: &mut Verdicts<'_>) -> Vec<(&'a Role, Password)> {
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
    finding.evidence(
        "no_undo_because",
        "what would take it back is the secret itself, which is not written here",
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    pub fn sample(passwords: &[(Oid, Password)]) -> Sample {
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
    fn who_may_not_see_passwords_is_told_so() {
        let mut sample = sample(&[]);
        sample.snapshot.security.passwords = None;
        let snapshot = sample.finish();
        for rule in [&PASSWORD_MD5, &super::super::guessing::PASSWORD_GUESSABLE, &PASSWORD_NEVER_EXPIRES] {
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
