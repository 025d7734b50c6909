//! Names of boolean columns.

use super::style::{Kind, Named, THRESHOLDS, judge, own_columns};
use super::suggestion::{Suggestions, plain};
use crate::catalog::types::builtin;
use crate::change::names::census::{Convention, Style};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::identifier::is_reserved_word;
use crate::text::words::snake_case;

/// A boolean column's name does not read as a statement where the others do, or the other way round.
pub const BOOLEAN_NAME: Rule = Rule {
    id: "schema.boolean_name",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Boolean column name breaks the convention",
    why: "is_paid can only be true or false; paid may as well be an amount, a date or a person. Where both are found, \
          neither can be trusted.",
    thresholds: THRESHOLDS,
    reference: "https://www.postgresql.org/docs/current/datatype-boolean.html",
    check,
};

const STATEMENT: Style = "is_/has_/can_{state}";
const BARE: Style = "{state}";
const FLAG: Style = "{state}_flag";

/// Verbs that make a statement of what follows as well as `is` does.
const OTHER_VERBS: &[&str] = &[
    "accept",
    "accepts",
    "allow",
    "allows",
    "are",
    "contains",
    "did",
    "disable",
    "disables",
    "disallow",
    "do",
    "does",
    "enable",
    "enables",
    "exclude",
    "excludes",
    "force",
    "had",
    "have",
    "hide",
    "hides",
    "ignore",
    "ignores",
    "include",
    "includes",
    "inherit",
    "inherits",
    "keep",
    "keeps",
    "may",
    "must",
    "need",
    "needs",
    "no",
    "not",
    "notify",
    "prevent",
    "prevents",
    "receive",
    "receives",
    "require",
    "requires",
    "restrict",
    "restricts",
    "send",
    "sends",
    "should",
    "show",
    "shows",
    "skip",
    "skips",
    "support",
    "supports",
    "use",
    "uses",
    "want",
    "wants",
    "was",
    "were",
    "will",
    "with",
];

/// The style of a boolean's name; `None` where it reads as a statement in words of its own.
fn style_of(name: &str) -> Option<Style> {
    let snake = snake_case(name);
    let first = snake.split_once('_').map(|(first, _)| first);
    match first {
        Some("is" | "has" | "can") => Some(STATEMENT),
        Some(verb) if OTHER_VERBS.binary_search(&verb).is_ok() => None,
        _ if without_flag(&snake).is_some() => Some(FLAG),
        _ => Some(BARE),
    }
}

/// The state without the word that says that it is one; `activebool` is written so too.
fn without_flag(snake: &str) -> Option<&str> {
    ["_flag", "_flg", "_yn", "_bool", "bool"]
        .iter()
        .find_map(|suffix| snake.strip_suffix(suffix))
        .filter(|state| !state.is_empty())
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let mut examined = 0;
    let mut names = Vec::new();
    for (table, column) in own_columns(facts) {
        if snapshot.base_type(column.type_oid).is_none_or(|base| base.oid != builtin::BOOL) {
            continue;
        }
        examined += 1;
        let named = |style| Named { style, name: &column.name, subject: (table, column) };
        names.extend(style_of(&column.name).map(named));
    }
    let suggestions = Suggestions::new(snapshot);
    let convention = Convention { house: &[STATEMENT], tolerated: &[] };
    let kind = Kind { what: "boolean column names", convention };
    judge(verdicts, &kind, examined, &names, |named, lesson| {
        let (table, column) = named.subject;
        // A statement cannot be misread, whatever the others do.
        if named.style == STATEMENT {
            return None;
        }
        let other = renamed(named.name, named.style, lesson.expected);
        // States that are reserved words cannot be said without a verb.
        if lesson.expected == BARE && other.as_deref().is_none_or(is_reserved_word) {
            return None;
        }
        let object = snapshot.column_name(column);
        let message =
            format!("boolean column {object} is not named {}, {}", lesson.expected, lesson.reason());
        let finding = Finding::new(object, snapshot.schema_name(table.schema), message);
        Some(suggestions.column(finding, table.oid, other))
    });
}

fn renamed(name: &str, style: Style, expected: Style) -> Option<String> {
    let snake = snake_case(name);
    let state = match style {
        FLAG => without_flag(&snake)?,
        _ => &*snake,
    };
    match expected {
        STATEMENT => plain(format!("is_{state}")),
        FLAG => plain(format!("{state}_flag")),
        _ => plain(state.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    fn judged(names: &[&str]) -> Vec<Finding> {
        let mut sample = Sample::new();
        let table = sample.keyed_table("users");
        sample.column(table, "deleted", builtin::TEXT);
        for name in names {
            sample.column(table, name, builtin::BOOL);
        }
        let (findings, unknowns, examined) = run(&BOOLEAN_NAME, &sample.finish());
        assert!(unknowns.is_empty());
        // A database without a convention has one decision to take.
        assert!(examined == names.len() as u64 || examined == 1);
        findings
    }

    fn objects(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| &*finding.object).collect()
    }

    #[test]
    fn verbs_are_sorted_for_binary_search() {
        assert!(OTHER_VERBS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_bare_adjective_is_an_outlier_among_statements() {
        let findings = judged(&[
            "is_active",
            "has_logo",
            "can_post",
            "is_paid",
            "enabled",
            "vip_flag",
            "isAdmin",
            "oldbool",
            "can_go",
        ]);
        assert_eq!(
            objects(&findings),
            ["public.users.enabled", "public.users.vip_flag", "public.users.oldbool"]
        );
        assert_eq!(findings[2].evidence["suggested_name"], "is_old");
        assert_eq!(findings[0].evidence["suggested_name"], "is_enabled");
        assert_eq!(findings[1].evidence["suggested_name"], "is_vip");
    }

    #[test]
    fn statements_in_other_words_are_left_alone() {
        let names =
            ["is_a", "is_b", "is_c", "allow_login", "should_notify", "send_news", "uses_tls", "was_seen"];
        assert_eq!(objects(&judged(&names)), [""; 0]);
        assert_eq!(objects(&judged(&["island", "hash", "candidate"])).len(), 3, "no verbs");
    }

    #[test]
    fn adjectives_throughout_are_told_once() {
        let names =
            ["enabled", "admin", "visible", "public", "active", "is_default", "is_locked", "vip_flag"];
        let findings = judged(&names);
        // A statement stays one.
        assert_eq!(objects(&findings), ["database", "public.users.vip_flag"]);
        assert_eq!(findings[1].evidence["suggested_name"], "vip");
    }

    #[test]
    fn no_majority_is_told_once() {
        assert_eq!(objects(&judged(&["is_a", "is_b", "is_c", "x", "y", "z"])), ["database"]);
    }
}
