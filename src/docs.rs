//! The generated pages of `docs/`, compared with what they are made from. `cargo xtask docs` writes them anew.

use std::path::Path;

/// Fails when the page differs from `content`; writes it instead when UPDATE_DOCS=1.
fn assert_current(page: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, content).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == content, "docs/{page} is stale: run cargo xtask docs");
}

/// One `COMMENT ON FUNCTION`, or PROCEDURE, of the installation script.
struct Comment {
    signature: String,
    text: String,
}

fn comments(script: &str) -> Vec<Comment> {
    let mut found = Vec::new();
    let script = script.replace("COMMENT ON PROCEDURE ", "COMMENT ON FUNCTION ");
    for statement in script.split("COMMENT ON FUNCTION ").skip(1) {
        let (signature, rest) = statement.split_once(" IS\n").unwrap();
        let text = rest.trim_start().strip_prefix('\'').unwrap();
        let text = text.rsplit_once("';").unwrap().0.replace("''", "'");
        found.push(Comment { signature: signature.to_owned(), text });
    }
    found
}

/// `docs/functions.md`: what `\df+ dbm.*` shows.
fn functions_page(script: &str) -> String {
    let mut page = String::from(
        "# Functions\n\n\
         <!-- Generated from sql/schema/80_comments.sql: change it there, then run `cargo xtask docs`. -->\n\n\
         `\\df+ dbm.*` in psql shows the same. A member of `pg_monitor` may call what reads; what writes takes the \
         privilege that it names.\n",
    );
    for Comment { signature, text } in comments(script) {
        let paragraphs: Vec<&str> = text.lines().collect();
        page.push_str(&format!("\n## {signature}\n\n{}\n", paragraphs.join("\n\n")));
    }
    page
}

/// `docs/settings.md`: the settings that `src/pg/settings.rs` registers, with the words that it registers them with.
fn settings_page(source: &str) -> String {
    let mut page = String::from(
        "# Settings\n\n\
         <!-- Generated from src/pg/settings.rs: change it there, then run `cargo xtask docs`. -->\n",
    );
    for definition in source.split("GucRegistry::define_").skip(1) {
        let mut literals = definition.split("c\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        let [name, short, long] = [(); 3].map(|()| literals.next().unwrap());
        let context = definition.split("GucContext::").nth(1).unwrap();
        let who = match context.split(',').next().unwrap().trim() {
            "Userset" => "anybody, in the session",
            "Suset" => "a superuser, in the session",
            "Sighup" => "the configuration file, at reload",
            "Postmaster" => "the configuration file, at server start",
            other => panic!("no words for GucContext::{other}"),
        };
        page.push_str(&format!("\n## {name}\n\n{short} {long}\n\nChanged by: {who}.\n"));
    }
    page
}

/// The first sentence or paragraph that a source file says of itself, in one line.
fn head_of(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn source(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/query").join(path)).unwrap()
}

/// `docs/advice.md`: what `dbm.advise()` may say, with the words that the source says it in.
fn advice_page() -> String {
    let mut page = String::from(
        "# What dbm.advise() may say\n\n\
         <!-- Generated from src/query/rewrite and src/query/red_flag: run `cargo xtask docs`. -->\n\n\
         [advisor.md](advisor.md) says how to read it. Beside these there is `query.missing_index`: an index that the \
         planner would use.\n\n\
         ## Rewrites\n\nOf these, `proven` says that the rewritten query returns the same rows and costs less.\n\n\
         | rule | what it is about |\n|---|---|\n",
    );
    let modules = source("rewrite/mod.rs");
    let mut rows: Vec<(String, String)> = Vec::new();
    for line in modules.lines() {
        let Some(module) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) else {
            continue;
        };
        let text = source(&format!("rewrite/{module}.rs"));
        for rest in text.split("Rule { id: \"").skip(1) {
            rows.push((rest.split('"').next().unwrap().to_owned(), head_of(&text)));
        }
    }
    rows.sort();
    assert_eq!(rows.len(), crate::query::rewrite::RULES.len());
    for (rule, title) in &rows {
        page.push_str(&format!("| `{rule}` | {title} |\n"));
    }
    page.push_str("\n## Red flags of a plan\n\n| rule | what it is about |\n|---|---|\n");
    let flags = source("red_flag/mod.rs");
    for rest in flags.split("Flag { rule: \"").skip(1) {
        let (rule, rest) = rest.split_once('"').unwrap();
        let module = rest.split("judge: ").nth(1).unwrap().split("::").next().unwrap();
        page.push_str(&format!("| `{rule}` | {} |\n", head_of(&source(&format!("red_flag/{module}.rs")))));
    }
    page
}

#[test]
fn docs_of_advice_are_current() {
    let page = advice_page();
    assert!(page.contains("| `query.cartesian_product` |") && page.contains("| `query.union_without_all` |"));
    assert_current("advice.md", &page);
}

#[test]
fn docs_of_rules_are_current() {
    assert_current("rules.md", &crate::audit::catalogue::markdown());
    assert_current("lint.md", &crate::migration::lint::catalogue::markdown());
}

#[test]
fn docs_of_ddl_rules_are_current() {
    assert_current("ddl.md", &crate::migration::judge::page::markdown());
}

#[test]
fn docs_of_functions_are_current() {
    let page = functions_page(include_str!("../sql/schema/80_comments.sql"));
    assert!(page.contains("\n## dbm.audit(") && page.matches("\n## ").count() >= 12);
    assert_current("functions.md", &page);
}

#[test]
fn docs_of_settings_are_current() {
    let page = settings_page(include_str!("pg/settings.rs"));
    assert!(page.contains("\n## dbm.rule_timeout\n"));
    assert_current("settings.md", &page);
}

#[test]
fn quotes_and_paragraphs_survive() {
    let page = functions_page("COMMENT ON FUNCTION dbm.f(text) IS\n    'It''s one.\nTwo; three.';\n");
    assert!(page.ends_with("\n## dbm.f(text)\n\nIt's one.\n\nTwo; three.\n"));
}
