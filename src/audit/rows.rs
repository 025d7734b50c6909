//! The rows of `dbm.audit()`: what was said, in the order in which to read it.

use serde_json::{Map, Value};

use super::engine::{Audit, Judged, RuleOutcome};
use super::filter::Filter;
use super::score::worths;
use super::suppression::moment_text;
use crate::finding::{Dimension, Severity, Unknown, fingerprint};

/// What kind of answer a row is, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Something is wrong.
    Finding,
    /// The rule broke.
    Error,
    /// It could not be judged.
    Unknown,
    /// Something is wrong, and somebody decided to live with it.
    Suppressed,
}

impl Status {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finding => "finding",
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::Suppressed => "suppressed",
        }
    }
}

/// One row of `dbm.audit()`.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// What kind of answer it is.
    pub status: Status,
    /// How bad it is; for what broke or could not be judged, how bad a finding would be.
    pub severity: Severity,
    /// The rule's dimension.
    pub dimension: Dimension,
    /// The rule's id.
    pub rule: &'static str,
    /// The object; `None` where the row is about the whole rule.
    pub object: Option<String>,
    /// One sentence.
    pub message: String,
    /// A JSON object.
    pub evidence: Value,
    /// SQL that repairs it.
    pub fix: Option<String>,
    /// SQL that takes the repair back.
    pub undo: Option<String>,
    /// The same in every audit that says the same of the same object.
    pub fingerprint: String,
}

impl Audit {
    /// The rows that `filter` shows: most severe first; findings before errors, unknowns and what is suppressed; then
    /// what gains the most points when repaired; then by name.
    ///
    /// Errors are always shown: nobody knows which schemas and severities a broken rule would have spoken of. So are
    /// unknowns about a whole rule, whatever the schema.
    pub fn into_rows(self, filter: &Filter) -> Vec<AuditRow> {
        let worths = worths(&self);
        let mut ranked: Vec<(f64, AuditRow)> = Vec::new();
        for (outcome, worth) in self.outcomes.into_iter().zip(worths) {
            let shows = |severity: Severity, schema: &str| {
                severity >= filter.min_severity && filter.shows_schema(schema)
            };
            ranked.extend(error_row(&outcome).map(|row| (0.0, row)));
            let RuleOutcome { rule, severity, findings, unknowns, .. } = outcome;
            for judged in findings {
                if shows(judged.severity, &judged.finding.schema) {
                    let points = if judged.suppression.is_some() { 0.0 } else { worth.of(judged.severity) };
                    ranked.push((points, finding_row(rule.id, rule.dimension, judged)));
                }
            }
            for unknown in unknowns {
                let is_whole_rule = unknown.object.is_empty() && severity >= filter.min_severity;
                if is_whole_rule || shows(severity, &unknown.schema) {
                    ranked.push((0.0, unknown_row(rule.id, rule.dimension, severity, unknown)));
                }
            }
        }
        ranked.sort_by(|(left_gain, left), (right_gain, right)| {
            (right.severity.cmp(&left.severity))
                .then_with(|| left.status.cmp(&right.status))
                .then_with(|| right_gain.total_cmp(left_gain))
                .then_with(|| left.rule.cmp(right.rule))
                .then_with(|| left.object.cmp(&right.object))
                .then_with(|| left.message.cmp(&right.message))
        });
        ranked.into_iter().map(|(_, row)| row).collect()
    }
}

fn finding_row(rule: &'static str, dimension: Dimension, judged: Judged) -> AuditRow {
    let Judged { finding, severity, suppression } = judged;
    let mut evidence = finding.evidence;
    if let Some(suppression) = &suppression {
        let mut decision = Map::new();
        decision.insert("reason".to_owned(), suppression.reason.clone().into());
        decision.insert("expires".to_owned(), suppression.expires.map(moment_text).into());
        evidence.insert("suppressed".to_owned(), decision.into());
    }
    AuditRow {
        status: if suppression.is_some() { Status::Suppressed } else { Status::Finding },
        severity,
        dimension,
        rule,
        fingerprint: fingerprint(rule, &finding.object),
        object: Some(finding.object),
        message: finding.message,
        evidence: evidence.into(),
        fix: finding.fix,
        undo: finding.undo,
    }
}

fn unknown_row(rule: &'static str, dimension: Dimension, severity: Severity, unknown: Unknown) -> AuditRow {
    let mut evidence = Map::new();
    evidence.insert("objects".to_owned(), unknown.objects.into());
    AuditRow {
        status: Status::Unknown,
        severity,
        dimension,
        rule,
        fingerprint: fingerprint(rule, &unknown.object),
        object: (!unknown.object.is_empty()).then_some(unknown.object),
        message: unknown.reason,
        evidence: evidence.into(),
        fix: None,
        undo: None,
    }
}

fn error_row(outcome: &RuleOutcome) -> Option<AuditRow> {
    let message = outcome.error.as_ref()?;
    Some(AuditRow {
        status: Status::Error,
        severity: outcome.severity,
        dimension: outcome.rule.dimension,
        rule: outcome.rule.id,
        object: None,
        message: format!("the rule broke, so that nothing it looks for is known: {message}"),
        evidence: Map::new().into(),
        fix: None,
        undo: None,
        fingerprint: fingerprint(outcome.rule.id, ""),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::probe::{BROKEN, LIMITED, PLAIN, UNSURE, audit, audit_with};
    use crate::audit::settings::RuleSettings;
    use crate::audit::suppression::{Suppression, Suppressions};

    fn shown(rows: &[AuditRow]) -> Vec<String> {
        rows.iter()
            .map(|row| {
                let object = row.object.as_deref().unwrap_or("-");
                format!("{} {} {} {object}", row.severity.name(), row.status.name(), row.rule)
            })
            .collect()
    }

    #[test]
    fn most_severe_first_then_status_then_names() {
        let rows = audit(&[&UNSURE, &BROKEN, &PLAIN]).into_rows(&Filter::default());
        assert_eq!(
            shown(&rows),
            [
                "error finding schema.plain public.b",
                "error unknown schema.unsure -",
                "error unknown schema.unsure sales.c",
                "warning finding schema.plain public.a",
                "warning finding schema.plain sales.c",
                "info error schema.broken -",
            ]
        );
        assert_eq!(rows[1].message, "no privilege");
        assert_eq!(rows[1].evidence, json!({"objects": 4}));
        assert_eq!(rows[3].fix.as_deref(), Some("FIX a;\nMORE a;"));
        assert_eq!(rows[4].evidence, json!({"rows": 7}));
        assert!(rows[5].message.ends_with("out of luck"));
    }

    #[test]
    fn suppressed_rows_come_last_of_their_severity_with_reason_and_expiry() {
        let decision = |object: &str, expires| Suppression {
            rule: PLAIN.id.to_owned(),
            object: object.to_owned(),
            reason: "agreed".to_owned(),
            expires,
        };
        let decisions = [decision("public.a", Some(1_700_000_000_000_000)), decision("public.b", None)];
        let suppressions = Suppressions::in_force(decisions, 0);
        let audit =
            audit_with(&[&PLAIN, &UNSURE], &Filter::default(), &RuleSettings::default(), &suppressions);
        let rows = audit.into_rows(&Filter::default());
        assert_eq!(
            shown(&rows),
            [
                "error unknown schema.unsure -",
                "error unknown schema.unsure sales.c",
                "error suppressed schema.plain public.b",
                "warning finding schema.plain sales.c",
                "warning suppressed schema.plain public.a",
            ]
        );
        assert_eq!(
            rows[4].evidence,
            json!({"suppressed": {"reason": "agreed", "expires": "2023-11-14T22:13:20Z"}})
        );
        assert_eq!(rows[2].evidence["suppressed"]["expires"], Value::Null);
    }

    #[test]
    fn a_filter_hides_other_schemas_and_milder_findings_but_never_errors() {
        let sales = Filter { schemas: Some(["sales".to_owned()].into_iter().collect()), ..Filter::default() };
        assert_eq!(
            shown(&audit(&[&UNSURE, &BROKEN, &PLAIN]).into_rows(&sales)),
            [
                "error unknown schema.unsure -",
                "error unknown schema.unsure sales.c",
                "warning finding schema.plain sales.c",
                "info error schema.broken -",
            ]
        );
        let worse = Filter { min_severity: Severity::Critical, ..Filter::default() };
        assert_eq!(
            shown(&audit(&[&UNSURE, &BROKEN, &PLAIN]).into_rows(&worse)),
            ["info error schema.broken -"]
        );
    }

    #[test]
    fn what_gains_more_comes_first_among_equals() {
        // Of two rules of one severity, the one with fewer objects loses more by each failure.
        let mut audit = audit(&[&PLAIN, &LIMITED]);
        for outcome in &mut audit.outcomes {
            outcome.findings.truncate(1);
        }
        let mut few = audit.outcomes.pop().expect("plain");
        let mut many = few.clone();
        (few.examined, many.examined) = (2, 200);
        few.rule = &UNSURE;
        audit.outcomes = vec![many, few];
        assert_eq!(
            shown(&audit.into_rows(&Filter::default())),
            ["warning finding schema.unsure public.a", "warning finding schema.plain public.a"]
        );
    }

    #[test]
    fn fingerprints_name_rule_and_object() {
        let rows = audit(&[&PLAIN]).into_rows(&Filter::default());
        assert_eq!(rows[0].fingerprint, fingerprint("schema.plain", "public.b"));
    }
}
