//! The rules described: the rows of `dbm.rules()` and the page `docs/rules.md`, both from the rules themselves.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::settings::RuleSettings;
use crate::finding::{Dimension, Rule, Severity};

/// One row of `dbm.rules()`.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogueRow {
    /// Its id.
    pub rule: &'static str,
    /// The dimension whose score it moves.
    pub dimension: Dimension,
    /// The severity in force.
    pub severity: Severity,
    /// One line.
    pub title: &'static str,
    /// What it costs to ignore.
    pub why: &'static str,
    /// By name: `value` (in force), `default`, `min`, `max`, `meaning`.
    pub thresholds: Value,
    /// Where to read more.
    pub reference: &'static str,
    /// Whether it is run.
    pub enabled: bool,
}

/// Every rule under the settings in force, by dimension and id.
pub fn rows(settings: &RuleSettings) -> Vec<CatalogueRow> {
    sorted_rules()
        .into_iter()
        .map(|rule| CatalogueRow {
            rule: rule.id,
            dimension: rule.dimension,
            severity: settings.severity(rule),
            title: rule.title,
            why: rule.why,
            thresholds: thresholds(rule, settings),
            reference: rule.reference,
            enabled: settings.is_enabled(rule),
        })
        .collect()
}

fn sorted_rules() -> Vec<&'static Rule> {
    let mut rules: Vec<&Rule> = super::rules().collect();
    rules.sort_by_key(|rule| (rule.dimension, rule.id));
    rules
}

fn thresholds(rule: &Rule, settings: &RuleSettings) -> Value {
    let described = rule.thresholds.iter().map(|threshold| {
        let value = settings.threshold(rule, threshold.name).unwrap_or(threshold.default);
        (threshold.name.to_owned(), threshold.described(value))
    });
    described.collect::<Map<String, Value>>().into()
}

/// The page `docs/rules.md`.
pub fn markdown() -> String {
    markdown_of(&sorted_rules())
}

fn markdown_of(rules: &[&Rule]) -> String {
    let mut page = String::from(
        "# Rules\n\n\
         <!-- Generated from the rules in src/: change them there, then run `cargo xtask docs`. -->\n\n\
         Every rule that `dbm.audit()` runs. `SELECT * FROM dbm.rules()` shows the same with the settings of your \
         database.\nA row in `dbm.rule_setting` switches a rule off, gives its findings another severity or moves its \
         thresholds;\n`dbm.suppress(rule, object, reason, expires)` takes a single finding out of the score.\n",
    );
    for dimension in Dimension::ALL {
        let own: Vec<&Rule> = rules.iter().copied().filter(|rule| rule.dimension == dimension).collect();
        if !own.is_empty() {
            write_dimension(&mut page, dimension, &own);
        }
    }
    page
}

fn write_dimension(page: &mut String, dimension: Dimension, rules: &[&Rule]) {
    put(page, format_args!("\n## {} (weight {})\n\n", dimension.name(), dimension.weight()));
    page.push_str("| rule | severity | what it finds |\n|---|---|---|\n");
    for rule in rules {
        let anchor = rule.id.replace('.', "");
        let title = plain(rule.title);
        put(page, format_args!("| [`{}`](#{anchor}) | {} | {title} |\n", rule.id, rule.severity.name()));
    }
    for rule in rules {
        write_rule(page, rule);
    }
}

fn write_rule(page: &mut String, rule: &Rule) {
    put(page, format_args!("\n### {}\n\n", rule.id));
    put(page, format_args!("{} ({})\n\n{}\n", plain(rule.title), rule.severity.name(), plain(rule.why)));
    if !rule.thresholds.is_empty() {
        page.push_str("\n| threshold | default | from | to | meaning |\n|---|---|---|---|---|\n");
    }
    for threshold in rule.thresholds {
        let (least, greatest) = threshold.range;
        let (name, default, meaning) = (threshold.name, threshold.default, plain(threshold.meaning));
        put(page, format_args!("| `{name}` | {default} | {least} | {greatest} | {meaning} |\n"));
    }
    put(page, format_args!("\nRead more: {}\n", plain(rule.reference)));
}

fn put(page: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = page.write_fmt(arguments);
}

/// Text that Markdown shows as it is written; what stands between backticks is code and stays.
fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut in_code = false;
    let is_address = |position: usize| {
        let word = text[..position].rsplit(char::is_whitespace).next().unwrap_or_default();
        word.starts_with("https://")
    };
    for (position, character) in text.char_indices() {
        in_code ^= character == '`';
        let special = match character {
            '|' => true,
            '_' | '*' | '<' | '[' | ']' => !in_code && !is_address(position),
            _ => false,
        };
        if special {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use rustc_hash::FxHashSet;

    use super::*;
    use crate::audit::probe::LIMITED;
    use crate::audit::settings::SettingRow;
    use crate::audit::{RETIRED_RULES, rules};

    #[test]
    fn ids_are_unique_snake_case_and_begin_with_their_dimension() {
        let mut seen = FxHashSet::default();
        for rule in rules() {
            assert!(seen.insert(rule.id), "{} stands twice", rule.id);
            let name = rule.id.strip_prefix(rule.dimension.name()).and_then(|rest| rest.strip_prefix('.'));
            let name = name.unwrap_or_else(|| panic!("{} does not begin with its dimension", rule.id));
            assert!(is_snake_case(name), "{}", rule.id);
            assert!(!RETIRED_RULES.contains(&rule.id), "{} was retired", rule.id);
        }
        assert!(!seen.is_empty());
    }

    fn is_snake_case(name: &str) -> bool {
        name.split('_').all(|word| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        }) && name.starts_with(|first: char| first.is_ascii_lowercase())
    }

    #[test]
    fn snake_case_is_told_from_what_only_looks_like_it() {
        assert!(is_snake_case("no_primary_key") && is_snake_case("utf8"));
        for wrong in ["", "_a", "a_", "a__b", "A", "a-b", "1a"] {
            assert!(!is_snake_case(wrong), "{wrong}");
        }
    }

    #[test]
    fn every_rule_explains_itself() {
        for rule in rules() {
            for text in [rule.title, rule.why, rule.reference] {
                assert!(
                    !text.trim().is_empty() && text.trim() == text && !text.contains('\n'),
                    "{}",
                    rule.id
                );
            }
            assert!(!rule.title.ends_with('.'), "{}: a title is no sentence", rule.id);
        }
    }

    #[test]
    fn thresholds_have_their_default_within_their_range() {
        for rule in rules() {
            let mut seen = FxHashSet::default();
            for threshold in rule.thresholds {
                let (least, greatest) = threshold.range;
                let place = format!("{} {}", rule.id, threshold.name);
                assert!(seen.insert(threshold.name) && is_snake_case(threshold.name), "{place}");
                assert!(least < greatest && (least..=greatest).contains(&threshold.default), "{place}");
                assert!(!threshold.meaning.trim().is_empty(), "{place}");
            }
        }
    }

    #[test]
    fn rows_show_what_is_in_force() {
        let rule = rules().find(|rule| !rule.thresholds.is_empty()).expect("a rule has a threshold");
        let threshold = &rule.thresholds[0];
        let changed = SettingRow {
            rule: rule.id.to_owned(),
            enabled: false,
            severity: Some("critical".to_owned()),
            thresholds: json!({ threshold.name: threshold.range.1 }),
        };
        let rows = rows(&RuleSettings::from_rows([changed]));
        assert_eq!(rows.len(), rules().count());
        assert!(rows.is_sorted_by_key(|row| (row.dimension, row.rule)));
        let row = rows.iter().find(|row| row.rule == rule.id).unwrap();
        assert_eq!((row.enabled, row.severity), (false, Severity::Critical));
        let shown = &row.thresholds[threshold.name];
        assert_eq!(shown["value"], json!(threshold.range.1));
        assert_eq!(shown["default"], json!(threshold.default));
    }

    #[test]
    fn the_page_holds_what_a_rule_declares() {
        let page = markdown_of(&[&LIMITED]);
        for words in [
            "## indexing (weight 15)",
            "| [`indexing.limited`](#indexinglimited) | info | probe |",
            "### indexing.limited",
            "| `limit` | 5 | 0 | 10 | how large is too large |",
            "Read more: probe",
        ] {
            assert!(page.contains(words), "{words}\n{page}");
        }
        assert!(!page.contains("## schema"));
    }

    #[test]
    fn markdown_shows_text_as_written() {
        assert_eq!(plain("a | b_c `d_e` <f>"), "a \\| b\\_c `d_e` \\<f>");
        assert_eq!(plain("see https://example.org/a_b and c_d"), "see https://example.org/a_b and c\\_d");
    }
}
