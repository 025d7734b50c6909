//! The door of safe change: its SQL functions.

use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::allowance::Allowance;
use super::judge::{Policy, rules};
use super::lint::{Dialect, LintFinding};
use super::live::policy::InForce;
use super::live::{allowance, explain, lint};
use super::{catalogue, sarif};
use crate::pg::error::raise;
use crate::pg::guard::{login_role, ring_records, user_role};
use crate::pg::moment;
use crate::pg::value::{Document, Text};

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn some(text: String) -> Option<Text> {
    (!text.is_empty()).then(|| Text::from(text))
}

/// `dbm.explain_ddl()`: what statements would do to this database now, without running them.
#[pg_extern(stable, parallel_unsafe)]
fn explain_ddl(
    sql: Text,
) -> TableIterator<
    'static,
    (
        name!(statement_no, i32),
        name!(statement, Text),
        name!(verdict, &'static str),
        name!(rule, Option<&'static str>),
        name!(severity, Option<&'static str>),
        name!(lock_mode, Option<&'static str>),
        name!(target, Option<Text>),
        name!(rewrites, bool),
        name!(scans, bool),
        name!(rows, Option<i64>),
        name!(bytes, Option<i64>),
        name!(seconds_low, Option<f64>),
        name!(seconds_high, Option<f64>),
        name!(blockers, Option<Document>),
        name!(message, Text),
        name!(safe_sql, Option<Text>),
    ),
> {
    TableIterator::new(explain::explain(sql.as_str()).into_iter().map(|row| {
        (
            number(row.statement_no),
            Text::from(row.statement.as_str()),
            row.verdict,
            row.rule,
            row.severity.map(crate::finding::Severity::name),
            row.lock_mode(),
            some(row.assessment.target.clone()),
            row.assessment.rewrites,
            row.assessment.scans,
            row.assessment.rows,
            row.assessment.bytes,
            row.assessment.seconds.map(|(low, _)| low),
            row.assessment.seconds.map(|(_, high)| high),
            row.blockers().map(Document::from),
            Text::from(row.message.as_str()),
            row.safe_sql.map(Text::from),
        )
    }))
}

/// The findings of a file in one of the dialects.
fn linted(sql: &str, dialect: &str) -> Vec<LintFinding> {
    match dialect.to_ascii_lowercase().as_str() {
        "postgresql" | "postgres" => lint::lint(sql),
        other => match Dialect::parse(other) {
            Some(other) => super::lint::lint(sql, other),
            None => raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                &format!("the dialect \"{dialect}\" does not exist"),
                "Valid: postgresql, mysql, sqlite.",
                "",
            ),
        },
    }
}

/// `dbm.lint_migration()`: what is unsafe in a migration file, read without being run.
#[pg_extern(stable, parallel_unsafe)]
fn lint_migration(
    sql: Text,
    dialect: default!(Text, "'postgresql'"),
) -> TableIterator<
    'static,
    (
        name!(statement_no, i32),
        name!(line, i32),
        name!(rule, Text),
        name!(severity, &'static str),
        name!(message, Text),
        name!(statement, Text),
        name!(lock_mode, Option<Text>),
        name!(fix, Option<Text>),
    ),
> {
    TableIterator::new(linted(sql.as_str(), dialect.as_str()).into_iter().map(|finding| {
        (
            number(finding.statement_no),
            number(finding.line),
            Text::from(finding.rule),
            finding.severity.name(),
            Text::from(finding.message),
            Text::from(finding.statement),
            some(finding.lock_mode),
            some(finding.fix),
        )
    }))
}

/// `dbm.lint_migration_sarif()`: the same as one SARIF 2.1.0 document.
#[pg_extern(stable, parallel_unsafe)]
fn lint_migration_sarif(sql: Text, dialect: default!(Text, "'postgresql'")) -> Document {
    sarif::sarif(&linted(sql.as_str(), dialect.as_str()), env!("CARGO_PKG_VERSION")).into()
}

/// `dbm.ddl_rules()`: every rule of the judge with the severity and the thresholds in force.
#[pg_extern(stable, parallel_restricted)]
fn ddl_rules() -> TableIterator<
    'static,
    (
        name!(rule, &'static str),
        name!(severity, &'static str),
        name!(title, &'static str),
        name!(why, &'static str),
        name!(thresholds, Document),
        name!(reference, &'static str),
        name!(enabled, bool),
    ),
> {
    let policy = InForce::now();
    let rows: Vec<_> = rules::ALL
        .iter()
        .map(|rule| {
            let severity = policy.severity(rule);
            (
                rule.id,
                severity.unwrap_or(rule.severity).name(),
                rule.title,
                rule.why,
                Document::from(catalogue::thresholds(rule, &policy)),
                rule.reference,
                severity.is_some(),
            )
        })
        .collect();
    TableIterator::new(rows)
}

/// `dbm.allow_ddl()`: lets the caller's role run statements in spite of a rule, for a while and with a reason.
///
/// Errors: 22023 for an unknown rule, an empty reason, a span that is no moment to a week, or fewer than one use.
#[pg_extern(volatile, parallel_unsafe)]
fn allow_ddl(
    rule: Text,
    reason: Text,
    ttl: default!(Interval, "'10 min'"),
    uses: default!(i32, "1"),
) -> Text {
    let seconds = ttl.as_micros() as f64 / 1e6;
    let allowance = Allowance { rule: rule.into_string(), reason: reason.into_string(), seconds, uses };
    if let Err(invalid) = allowance.check() {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &invalid.message,
            &invalid.detail,
            &invalid.hint,
        );
    }
    let role = user_role();
    allowance::allow(&allowance, &role, &login_role());
    let statements = if uses == 1 { "one statement".to_owned() } else { format!("{uses} statements") };
    format!("{} is let pass for {statements} of {role}, for {:.0} s", allowance.rule, allowance.seconds)
        .into()
}

/// `dbm.pending_ddl_records()`: records that are in shared memory and not in `dbm.ddl_record` yet.
#[pg_extern(volatile, parallel_restricted)]
fn pending_ddl_records() -> TableIterator<
    'static,
    (
        name!(at, TimestampWithTimeZone),
        name!(login_role, Text),
        name!(user_role, Text),
        name!(pid, i32),
        name!(application, Text),
        name!(tag, Text),
        name!(statement, Text),
        name!(rule, Text),
        name!(object, Text),
        name!(verdict, &'static str),
        name!(reason, Option<Text>),
        name!(lock_mode, Option<Text>),
        name!(rows, Option<i64>),
        name!(bytes, Option<i64>),
        name!(done, Option<Vec<Text>>),
    ),
> {
    TableIterator::new(ring_records().into_iter().map(|entry| {
        (
            moment::timestamp(entry.at),
            Text::from(entry.login_role),
            Text::from(entry.user_role),
            entry.pid,
            Text::from(entry.application),
            Text::from(entry.tag),
            Text::from(entry.statement),
            Text::from(entry.rule),
            Text::from(entry.object),
            entry.verdict.name(),
            some(entry.reason),
            some(entry.lock),
            entry.rows,
            entry.bytes,
            (!entry.done.is_empty()).then(|| entry.done.into_iter().map(Text::from).collect()),
        )
    }))
}
