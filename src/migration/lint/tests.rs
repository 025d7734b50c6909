//! The cases of `pg_test/cases/`, and what holds for every rule.

use rustc_hash::FxHashSet;

use super::*;

/// The rules that a case expects, each once, sorted.
fn expected(cell: &str) -> Vec<String> {
    let mut rules: Vec<String> =
        cell.split_whitespace().filter(|&rule| rule != "-").map(str::to_owned).collect();
    rules.sort();
    rules
}

fn found(sql: &str, dialect: Dialect) -> Vec<String> {
    let mut rules: Vec<String> = lint(sql, dialect).into_iter().map(|finding| finding.rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

/// The SQL of a case: a line break is written `\n`, and a backslash `\\`. So that no case must name the rule which asks
/// for a timeout, one is set before it, unless it begins with `~`.
fn sql_of(cell: &str, dialect: Dialect) -> String {
    let text = cell.replace("\\\\", "\u{0}").replace("\\n", "\n").replace('\u{0}', "\\");
    match (text.strip_prefix('~'), dialect) {
        (Some(text), _) => text.to_owned(),
        (None, Dialect::MySql) => format!("SET SESSION lock_wait_timeout = 5;\n{text}"),
        (None, Dialect::Sqlite) => format!("PRAGMA busy_timeout = 5000;\n{text}"),
    }
}

/// Runs all cases of a file.
fn run(cases: &str, dialect: Dialect) {
    let (mut wrong, mut fires, mut silent) = (Vec::new(), FxHashSet::default(), FxHashSet::default());
    let mut count = 0;
    for line in cases.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let &[number, sql, rules, note] = cells.as_slice() else { panic!("not four cells: {line}") };
        assert!(!note.is_empty(), "{line}");
        let (expected, found) = (expected(rules), found(&sql_of(sql, dialect), dialect));
        for rule in super::rules(dialect) {
            if found.iter().any(|id| id == rule.id) { &mut fires } else { &mut silent }.insert(rule.id);
        }
        if expected != found {
            wrong.push(format!("{number}: {sql}\n  expected {expected:?}\n  found    {found:?}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 60, "{count}");
    for rule in super::rules(dialect) {
        assert!(fires.contains(rule.id), "{} fires nowhere", rule.id);
        assert!(silent.contains(rule.id), "{} is silent nowhere", rule.id);
    }
}

#[test]
fn mysql_is_judged_as_its_manual_says() {
    run(include_str!("../../../pg_test/cases/mysql.tsv"), Dialect::MySql);
}

#[test]
fn sqlite_is_judged_as_its_manual_says() {
    run(include_str!("../../../pg_test/cases/sqlite.tsv"), Dialect::Sqlite);
}

#[test]
fn rules_explain_themselves() {
    for dialect in [Dialect::MySql, Dialect::Sqlite] {
        let mut seen = FxHashSet::default();
        for rule in rules(dialect) {
            assert!(seen.insert(rule.id), "{} stands twice", rule.id);
            assert!(rule.id.starts_with(&format!("{}.", dialect.name())), "{}", rule.id);
            assert!(rule.reference.starts_with("https://"), "{}", rule.id);
            assert!(
                !rule.title.is_empty() && !rule.title.ends_with('.') && rule.why.ends_with('.'),
                "{}",
                rule.id
            );
        }
    }
}

#[test]
fn messages_begin_in_lower_case_and_hold_no_line_break() {
    for (cases, dialect) in [
        (include_str!("../../../pg_test/cases/mysql.tsv"), Dialect::MySql),
        (include_str!("../../../pg_test/cases/sqlite.tsv"), Dialect::Sqlite),
    ] {
        for line in cases.lines().skip(1) {
            let sql = line.split('\t').nth(1).unwrap_or_default();
            for finding in lint(&sql_of(sql, dialect), dialect) {
                let message = &finding.message;
                let word = message.split(' ').next().unwrap_or_default();
                let is_name = word.chars().skip(1).any(char::is_uppercase);
                assert!(is_name || message.starts_with(char::is_lowercase), "{message}");
                assert!(!message.contains('\n') && !message.ends_with('.'), "{message}");
            }
        }
    }
}

#[test]
fn dialects_go_by_their_names() {
    for (name, dialect) in [
        ("mysql", Some(Dialect::MySql)),
        ("MariaDB", Some(Dialect::MySql)),
        ("SQLite", Some(Dialect::Sqlite)),
        ("postgresql", None),
        ("", None),
    ] {
        assert_eq!(Dialect::parse(name), dialect);
    }
}

#[test]
fn nothing_that_is_written_breaks_it() {
    use proptest::prelude::*;
    let word = prop::sample::select(vec![
        "ALTER",
        "TABLE",
        "t",
        "ADD",
        "COLUMN",
        "a",
        "INT",
        "(",
        ")",
        ",",
        ";",
        "DROP",
        "CREATE",
        "INDEX",
        "ON",
        "NOT",
        "NULL",
        "DEFAULT",
        "'x'",
        "\"y\"",
        "`z`",
        "[w]",
        "3",
        "-",
        "--",
        "/*",
        "*/",
        "/*!",
        "#",
        "\n",
        "MODIFY",
        "ENUM",
        "CHECK",
        "REFERENCES",
        "PRIMARY",
        "KEY",
        "RENAME",
        "TO",
        "PARTITION",
        "BY",
        "BEGIN",
        "END",
        "DELIMITER",
        "$$",
        "CASE",
        "TRIGGER",
        "SELECT",
        "WITH",
        "UPDATE",
        "SET",
        "=",
        "é",
        "'",
        "\\",
        ".read x",
        "CONSTRAINT",
        "AS",
        "FIRST",
        "ALGORITHM",
        "INPLACE",
        "LOCK",
        "NONE",
        "DELETE",
        "FROM",
        "INSERT",
        "INTO",
        "CONVERT",
        "CHARACTER",
        "PRAGMA",
    ]);
    proptest!(|(words in prop::collection::vec(word, 0..24))| {
        for separator in [" ", ""] {
            let sql = words.join(separator);
            for dialect in [Dialect::MySql, Dialect::Sqlite] {
                for finding in lint(&sql, dialect) {
                    prop_assert!(finding.line >= 1 && sql.contains(&finding.statement));
                }
            }
        }
    });
}

#[test]
fn nonsense_is_reported_and_breaks_nothing() {
    for dialect in [Dialect::MySql, Dialect::Sqlite] {
        for sql in
            ["ALTER", "ALTER TABLE", "ALTER TABLE t ADD", "CREATE TABLE", "CREATE INDEX ON", "DROP", "FROB t"]
        {
            let found = lint(sql, dialect);
            assert!(found.iter().any(|finding| finding.rule.ends_with(".not_parsed")), "{sql}: {found:?}");
        }
        assert!(lint("", dialect).is_empty() && lint(" ;; -- x\n", dialect).is_empty());
    }
}
