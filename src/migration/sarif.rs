//! Findings in SARIF 2.1.0, which code review tools read.

use serde_json::{Value, json};

use super::judge::rules;
use super::lint::{self, Dialect, LintFinding};
use crate::finding::Severity;

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Warning => "warning",
        Severity::Error | Severity::Critical => "error",
    }
}

/// One run with the rules that were broken and one result a finding.
pub fn sarif(findings: &[LintFinding], version: &str) -> Value {
    let mut ids: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let described: Vec<Value> = ids.iter().map(|id| rule(id)).collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let text = match finding.fix.as_str() {
                "" => finding.message.clone(),
                fix => format!("{}\n\nInstead:\n{fix}", finding.message),
            };
            json!({
                "ruleId": finding.rule,
                "ruleIndex": ids.binary_search(&finding.rule.as_str()).unwrap_or(0),
                "level": level(finding.severity),
                "message": {"text": text},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": "migration.sql"},
                    "region": {"startLine": finding.line.max(1), "snippet": {"text": finding.statement}},
                }}],
                "properties": {
                    "statement": finding.statement_no,
                    "severity": finding.severity.name(),
                    "lockMode": finding.lock_mode,
                },
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "dbmastery", "version": version, "rules": described}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(id: &str) -> Value {
    let described = |title: &str, why: &str, reference: &str, severity| {
        json!({
            "id": id,
            "shortDescription": {"text": title},
            "fullDescription": {"text": why},
            "help": {"text": reference},
            "defaultConfiguration": {"level": level(severity)},
        })
    };
    if let Some(rule) = rules::find(id) {
        return described(rule.title, rule.why, rule.reference, rule.severity);
    }
    let mut others = [Dialect::MySql, Dialect::Sqlite].into_iter().flat_map(|dialect| lint::rules(dialect));
    match others.find(|rule| rule.id == id) {
        Some(rule) => described(rule.title, rule.why, rule.reference, rule.severity),
        None => json!({"id": id}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_point_to_their_rule_and_line() {
        let finding = |rule: &str, line| LintFinding {
            statement_no: 1,
            line,
            rule: rule.to_owned(),
            severity: Severity::Error,
            message: "m".into(),
            statement: "s".into(),
            lock_mode: String::new(),
            fix: "f".into(),
        };
        let document = sarif(&[finding("b", 3), finding("a", 1), finding("b", 9)], "1");
        let run = &document["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"].as_array().map(Vec::len), Some(2));
        for result in run["results"].as_array().into_iter().flatten() {
            let index = result["ruleIndex"].as_u64().unwrap_or(9) as usize;
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
        assert_eq!(run["results"][2]["locations"][0]["physicalLocation"]["region"]["startLine"], 9);
        assert_eq!(run["results"][0]["level"], "error");
    }

    #[test]
    fn nothing_found_is_an_empty_run() {
        assert_eq!(sarif(&[], "1")["runs"][0]["results"], json!([]));
    }
}
