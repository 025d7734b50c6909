//! The page `docs/ddl.md`, made from the rules themselves.

use std::fmt::Write;

use super::rule::{DdlRule, Exempt};
use super::rules::ALL;

/// The page.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Rules for changes\n\n\
         <!-- Generated from src/migration/judge/rules: change them there, then run `cargo xtask docs`. -->\n\n\
         What the guard, `dbm.explain_ddl()` and `dbm.lint_migration()` look at. An `error` is refused where \
         `dbm.ddl_guard` is `enforce`; a `warning` warns;\n`info` is shown by the two functions only. Where the severity \
         of one finding differs, its rule says so. A row in `dbm.rule_setting` switches a\nrule off, gives it another \
         severity or moves its thresholds. [ddl-contested.md](ddl-contested.md) says where other tools judge \
         otherwise.\n\n\
         | rule | severity | what it finds |\n|---|---|---|\n",
    );
    for rule in ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "| [`{0}`](#{1}) | {2} | {3} |",
            rule.id,
            anchor(rule),
            rule.severity.name(),
            rule.title
        );
    }
    for rule in ALL {
        let _ =
            write!(page, "\n## {}\n\n{}. {}\n\n{}\n", rule.id, rule.title, rule.why, silence(rule.exempt));
        for threshold in rule.thresholds {
            let _ = write!(page, "\n- `{}`, {}: {}.\n", threshold.name, threshold.default, threshold.meaning);
        }
        let _ = write!(page, "\n<{}>\n", rule.reference);
    }
    page
}

/// As renderers of Markdown make it of a heading.
fn anchor(rule: &DdlRule) -> String {
    rule.id.replace('.', "")
}

fn silence(exempt: Exempt) -> &'static str {
    match exempt {
        Exempt::Small => {
            "Silent on tables that are temporary, made by the same transaction, empty, or smaller than \
             `dbm.ddl_small_table`."
        }
        Exempt::Private => {
            "Silent on tables that are temporary or made by the same transaction, as nobody else sees them."
        }
        Exempt::Nothing => "However small the table is.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_line_and_a_section() {
        let page = markdown();
        assert_eq!(page.matches("\n## ddl.").count(), ALL.len());
        assert!(page.contains("| [`ddl.set_not_null`](#ddlset_not_null) | error |"));
        assert!(page.contains("- `idle_seconds`, 0:"));
    }
}
