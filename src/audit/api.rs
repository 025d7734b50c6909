//! The door of the audit: its SQL functions.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use pgrx::{AnyNumeric, JsonB};

use super::filter::Filter;
use super::refusal::Refusal;
use super::suppression::{self, Suppression};
use super::{catalogue, live, scoreboard, settings};
use crate::pg::error::raise;
use crate::pg::value::{Document, Text, rounded};
use crate::pg::{facts, moment};

/// Raises a refusal as invalid_parameter_value (22023).
fn refuse(refusal: &Refusal) -> ! {
    raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, &refusal.message, &refusal.detail, &refusal.hint)
}

fn accepted<T>(result: Result<T, Refusal>) -> T {
    result.unwrap_or_else(|refusal| refuse(&refusal))
}

/// `dbm.audit()`: everything that the rules find, cannot judge, or break on; most severe first.
///
/// Errors: 22023 for a dimension, schema or severity that does not exist, with the list of those that do.
/// Parallel unsafe, as `dbm.score()`, because rules run in subtransactions.
#[pg_extern(stable, parallel_unsafe)]
fn audit(
    dimension: default!(Option<Text>, "NULL"),
    schemas: default!(Option<Vec<Option<Text>>>, "NULL"),
    min_severity: default!(Option<Text>, "'info'"),
) -> TableIterator<
    'static,
    (
        name!(status, &'static str),
        name!(severity, &'static str),
        name!(dimension, &'static str),
        name!(rule, &'static str),
        name!(object, Option<Text>),
        name!(message, Text),
        name!(evidence, Document),
        name!(fix, Option<Text>),
        name!(undo, Option<Text>),
        name!(fingerprint, String),
    ),
> {
    let schemas = schemas.map(|names| names.into_iter().map(|name| name.map(Text::into_string)).collect());
    let (dimension, least) = (dimension.as_ref().map(Text::as_str), min_severity.as_ref().map(Text::as_str));
    let (audit, filter) =
        accepted(live::audit(|snapshot| Filter::parse(dimension, schemas, least, snapshot)));
    TableIterator::new(audit.into_rows(&filter).into_iter().map(|row| {
        (
            row.status.name(),
            row.severity.name(),
            row.dimension.name(),
            row.rule,
            row.object.map(Text::from),
            row.message.into(),
            row.evidence.into(),
            row.fix.map(Text::from),
            row.undo.map(Text::from),
            row.fingerprint,
        )
    }))
}

/// `dbm.score()`: the seven dimensions from 0 to 10 and the database from 0 to 100, with what was judged.
#[pg_extern(stable, parallel_unsafe)]
fn score() -> TableIterator<
    'static,
    (
        name!(dimension, &'static str),
        name!(weight, i32),
        name!(score, Option<AnyNumeric>),
        name!(coverage, AnyNumeric),
        name!(findings, i64),
        name!(verdict, String),
        name!(best_next_fix, Option<Text>),
    ),
> {
    let (audit, _) = accepted(live::audit(|_| Ok(Filter::default())));
    TableIterator::new(scoreboard::scoreboard(&audit).into_iter().map(|row| {
        (
            row.dimension,
            i32::try_from(row.weight).unwrap_or(0),
            row.score.map(|score| rounded(score, 1)),
            rounded(row.coverage, 2),
            i64::try_from(row.findings).unwrap_or(i64::MAX),
            row.verdict,
            row.best_next_fix.map(Text::from),
        )
    }))
}

/// `dbm.rules()`: every rule with the severity and the thresholds in force.
#[pg_extern(stable, parallel_restricted)]
fn rules() -> TableIterator<
    'static,
    (
        name!(rule, &'static str),
        name!(dimension, &'static str),
        name!(severity, &'static str),
        name!(title, &'static str),
        name!(why, &'static str),
        name!(thresholds, Document),
        name!(reference, &'static str),
        name!(enabled, bool),
    ),
> {
    TableIterator::new(catalogue::rows(&live::rule_settings()).into_iter().map(|row| {
        (
            row.rule,
            row.dimension.name(),
            row.severity.name(),
            row.title,
            row.why,
            row.thresholds.into(),
            row.reference,
            row.enabled,
        )
    }))
}

/// `dbm.check_rule_setting()`: true for a row that `dbm.rule_setting` may hold; raises 22023 for any other.
#[pg_extern(immutable, parallel_safe)]
fn check_rule_setting(
    rule: Text,
    enabled: Option<bool>,
    severity: Option<Text>,
    thresholds: Option<JsonB>,
) -> bool {
    // Both values of `enabled` are valid for every rule; a missing one is the column's NOT NULL to refuse.
    let _ = enabled;
    let thresholds = thresholds.map_or_else(|| serde_json::json!({}), |json| json.0);
    accepted(settings::validate(rule.as_str(), severity.as_ref().map(Text::as_str), &thresholds));
    true
}

/// `dbm.suppress()`: keeps a finding out of the score, with a reason and perhaps an end. Returns its fingerprint.
///
/// Errors: 22023 for an unknown rule, an empty object or reason, or an end that has passed; 42501 without INSERT and
/// UPDATE on `dbm.suppression`.
#[pg_extern(volatile, parallel_unsafe)]
fn suppress(
    rule: Text,
    object: Text,
    reason: Text,
    expires: default!(Option<TimestampWithTimeZone>, "NULL"),
) -> String {
    let decision = Suppression {
        rule: rule.into_string(),
        object: object.into_string(),
        reason: reason.into_string(),
        expires: expires.map(live::expiry),
    };
    accepted(suppression::validate(&decision, moment::now()));
    live::suppress(&decision, expires);
    crate::finding::fingerprint(&decision.rule, &decision.object)
}

/// `dbm.unsuppress()`: takes a suppression back; false when there was none.
///
/// Errors: 22023 for an unknown rule; 42501 without DELETE on `dbm.suppression`.
#[pg_extern(volatile, parallel_unsafe)]
fn unsuppress(rule: Text, object: Text) -> bool {
    accepted(settings::known_rule(rule.as_str()).map(|_| ()));
    live::unsuppress(rule, object)
}

/// `dbm.catalog_summary()`: how many objects of each kind the audit sees, so that one can check what it looked at.
#[pg_extern(stable, parallel_restricted)]
fn catalog_summary() -> TableIterator<'static, (name!(kind, &'static str), name!(objects, i64))> {
    TableIterator::new(facts::with(|facts| facts.snapshot.summary()))
}

/// `dbm.version()`: the version of the loaded library.
#[pg_extern(immutable, parallel_safe)]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// `dbm.missing_indexes()`: indexes that foreign keys, the queries of the workload or sequential scans ask for, the most
/// useful of each first.
#[pg_extern(stable, parallel_unsafe)]
fn missing_indexes() -> TableIterator<
    'static,
    (
        name!(table_name, Text),
        name!(columns, Option<Vec<Text>>),
        name!(source, &'static str),
        name!(reason, Text),
        name!(evidence, Document),
        name!(create_sql, Option<Text>),
    ),
> {
    TableIterator::new(live::missing::missing_indexes().into_iter().map(|row| {
        (
            row.table_name.into(),
            (!row.columns.is_empty()).then(|| row.columns.into_iter().map(Text::from).collect()),
            row.source,
            row.reason.into(),
            row.evidence.into(),
            row.create_sql.map(Text::from),
        )
    }))
}
