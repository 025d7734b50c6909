//! What takes back a statement that is run as it stands, read from its own words and from the shape of its table.

use super::words::{dollar_quoted, find, outside, qualified_length, span, words};
use crate::catalog::ddl::{PartShape, TableShape};
use crate::syntax::tokens::{Kind, Token};
use crate::text::{quote_identifier, quote_literal};

/// A way back, and a query that tells whether the statement has anything to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Back {
    /// What takes it back.
    pub undo: String,
    /// True where it does nothing because of IF NOT EXISTS.
    pub is_there: Option<String>,
}

/// The way back from a statement; `None` where its words do not tell one. `schema`: where the relation is, where that is
/// not written.
pub fn of(text: &str, schema: Option<&str>) -> Option<Back> {
    let text = text.trim().trim_end_matches(';').trim_end();
    created(text).or_else(|| renamed(text, schema).map(|undo| Back { undo, is_there: None }))
}

/// Words that may stand between CREATE and what is created.
const MODIFIERS: [&str; 5] = ["TEMP", "TEMPORARY", "UNLOGGED", "RECURSIVE", "CONSTRAINT"];

fn created(text: &str) -> Option<Back> {
    let tokens = words(text);
    if !tokens.first()?.is("CREATE") {
        return None;
    }
    let mut place = 1;
    while tokens.get(place)?.is_any(&MODIFIERS) {
        place += 1;
    }
    let kind = kind_at(&tokens, place)?;
    place += kind.split(' ').count();
    let may_be_there = tokens.get(place)?.is("IF");
    if may_be_there {
        place += 3;
    }
    let first = tokens.get(place)?;
    let is_name = matches!(first.kind, Kind::Word | Kind::Quoted) && !first.is_any(&["ON", "AUTHORIZATION"]);
    let name = span(text, tokens.get(place..place + qualified_length(&tokens, place))?);
    let behind = |word: &str| {
        let start = find(&tokens, &[word])? + 1;
        Some(span(text, tokens.get(start..start + qualified_length(&tokens, start))?))
    };
    let literal = quote_literal(name);
    let (undo, is_there) = match kind {
        "TRIGGER" | "POLICY" => (format!("DROP {kind} IF EXISTS {name} ON {}", behind("ON")?), None),
        "RULE" => (format!("DROP RULE IF EXISTS {name} ON {}", behind("TO")?), None),
        "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "SEQUENCE" => (
            format!("DROP {kind} IF EXISTS {name}"),
            Some(format!("SELECT pg_catalog.to_regclass({literal}) IS NOT NULL")),
        ),
        "SCHEMA" => (
            format!("DROP SCHEMA IF EXISTS {name}"),
            Some(format!("SELECT pg_catalog.to_regnamespace({literal}) IS NOT NULL")),
        ),
        "TYPE" | "DOMAIN" | "STATISTICS" | "PUBLICATION" => (format!("DROP {kind} IF EXISTS {name}"), None),
        _ => return None,
    };
    // What may have been there before must never be taken for ours.
    let is_there = is_there.filter(|_| may_be_there);
    (is_name && may_be_there == is_there.is_some()).then_some(Back { undo, is_there })
}

/// What is spoken of, in one word or two.
fn kind_at(tokens: &[Token<'_>], place: usize) -> Option<&'static str> {
    const KINDS: [&str; 22] = [
        "MATERIALIZED VIEW",
        "FOREIGN TABLE",
        "EVENT TRIGGER",
        "TABLE",
        "VIEW",
        "SEQUENCE",
        "SCHEMA",
        "TYPE",
        "DOMAIN",
        "STATISTICS",
        "PUBLICATION",
        "TRIGGER",
        "RULE",
        "POLICY",
        "INDEX",
        "FUNCTION",
        "PROCEDURE",
        "ROUTINE",
        "AGGREGATE",
        "COLLATION",
        "SERVER",
        "ROLE",
    ];
    KINDS.into_iter().find(|kind| {
        kind.split(' ')
            .enumerate()
            .all(|(offset, word)| tokens.get(place + offset).is_some_and(|token| token.is(word)))
    })
}

/// RENAME and SET SCHEMA the other way round. `schema`: where the relation is, where that is not written.
fn renamed(text: &str, schema: Option<&str>) -> Option<String> {
    let tokens = words(text);
    if !tokens.first()?.is("ALTER") {
        return None;
    }
    let kind = kind_at(&tokens, 1)?;
    let mut start = 1 + kind.split(' ').count();
    while tokens.get(start)?.is_any(&["IF", "EXISTS", "ONLY"]) {
        start += 1;
    }
    let end = start + qualified_length(&tokens, start);
    let last = tokens.get(end - 1)?;
    let join = |parts: [&str; 3]| parts.concat();
    if let Some(place) = find(&tokens, &["SET", "SCHEMA"]) {
        let to = tokens.get(place + 2)?;
        let from =
            if end - start > 1 { tokens.get(start)?.text.to_owned() } else { quote_identifier(schema?) };
        return Some(format!(
            "{}{}.{}{}{from}",
            &text[..tokens[start].start],
            to.text,
            last.text,
            &text[last.end()..to.start]
        ));
    }
    let rename = outside(&tokens, 0).into_iter().rev().find(|&place| tokens[place].is("RENAME"))?;
    let to = outside(&tokens, rename).into_iter().find(|&place| tokens[place].is("TO"))?;
    let new = tokens.get(to + 1)?;
    if to == rename + 1 {
        let head = join([&text[..last.start], new.text, &text[last.end()..new.start]]);
        return Some(format!("{head}{}{}", last.text, &text[new.end()..]));
    }
    let old = tokens.get(to - 1)?;
    let head = join([&text[..old.start], new.text, &text[old.end()..new.start]]);
    Some(format!("{head}{}{}", old.text, &text[new.end()..]))
}

/// The sub-command of ALTER TABLE that takes this one back; `None` where the shape does not tell one.
pub fn of_clause(table: &TableShape, text: &str) -> Option<String> {
    let tokens = words(text);
    let is = |place: usize, word: &str| tokens.get(place).is_some_and(|token| token.is(word));
    if is(0, "ALTER") && !is(1, "CONSTRAINT") {
        let place = 1 + usize::from(is(1, "COLUMN"));
        return of_column(table, text, &tokens, place);
    }
    if is(0, "ALTER") {
        let constraint = table.constraint(&tokens.get(2)?.name())?;
        let has = |sequence: &[&str]| find(&words(&constraint.definition), sequence).is_some();
        let deferrable = if has(&["DEFERRABLE"]) { "DEFERRABLE" } else { "NOT DEFERRABLE" };
        let initially = if has(&["INITIALLY", "DEFERRED"]) { "DEFERRED" } else { "IMMEDIATE" };
        let name = quote_identifier(&constraint.name);
        return Some(format!("ALTER CONSTRAINT {name} {deferrable} INITIALLY {initially}"));
    }
    if find(&tokens, &["ROW", "LEVEL", "SECURITY"]).is_some() {
        let state = if is(0, "FORCE") || is(0, "NO") {
            if table.forces_row_security { "FORCE" } else { "NO FORCE" }
        } else if table.has_row_security {
            "ENABLE"
        } else {
            "DISABLE"
        };
        return Some(format!("{state} ROW LEVEL SECURITY"));
    }
    if is(0, "REPLICA") {
        return Some(format!("REPLICA IDENTITY {}", table.replica_identity));
    }
    if is(0, "CLUSTER") || find(&tokens, &["WITHOUT", "CLUSTER"]).is_some() {
        let index = table.indexes.iter().find(|index| index.is_clustered);
        return Some(index.map_or_else(
            || "SET WITHOUT CLUSTER".to_owned(),
            |index| format!("CLUSTER ON {}", quote_identifier(&index.name)),
        ));
    }
    // Only what is so already comes here.
    if is(0, "SET") && (is(1, "LOGGED") || is(1, "UNLOGGED")) {
        return Some(text.to_owned());
    }
    if (is(0, "SET") || is(0, "RESET")) && tokens.get(1)?.is_sign("(") {
        return options(text, &table.options, "");
    }
    None
}

fn of_column(table: &TableShape, text: &str, tokens: &[Token<'_>], place: usize) -> Option<String> {
    let column = table.column(&tokens.get(place)?.name())?;
    let name = quote_identifier(&column.name);
    let is = |offset: usize, word: &str| tokens.get(place + offset).is_some_and(|token| token.is(word));
    let sets = |what: &str| is(1, "SET") && is(2, what);
    if sets("STATISTICS") {
        return Some(format!("ALTER COLUMN {name} SET STATISTICS {}", column.statistics.unwrap_or(-1)));
    }
    if sets("STORAGE") {
        return Some(format!("ALTER COLUMN {name} SET STORAGE {}", column.storage));
    }
    if sets("COMPRESSION") {
        return Some(format!("ALTER COLUMN {name} SET COMPRESSION {}", column.compression));
    }
    if sets("GENERATED")
        && let Some(how) = column.sequence.as_ref().and_then(|sequence| sequence.identity.as_ref())
        && tokens.len() <= place + 5
    {
        return Some(format!("ALTER COLUMN {name} SET GENERATED {how}"));
    }
    // Nothing was done.
    if is(1, "DROP") && is(2, "NOT") && !column.is_not_null {
        return Some(text.to_owned());
    }
    if (is(1, "SET") || is(1, "RESET")) && tokens.get(place + 2)?.is_sign("(") {
        return options(text, &column.options, &format!("ALTER COLUMN {name} "));
    }
    None
}

/// Options as they were: set to their former values, or reset.
fn options(text: &str, former: &str, prefix: &str) -> Option<String> {
    let (_, inner, _) = super::column_text::list(text)?;
    let former: Vec<(&str, &str)> = former.split(", ").filter_map(|option| option.split_once('=')).collect();
    let mut set = Vec::new();
    let mut reset = Vec::new();
    for option in super::words::divided(inner) {
        let tokens = words(option);
        let name = span(option, tokens.get(..qualified_length(&tokens, 0))?);
        match former.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, value)) => set.push(format!("{name} = {}", quote_literal(value))),
            None => reset.push(name.to_owned()),
        }
    }
    let mut clauses = Vec::new();
    if !set.is_empty() {
        clauses.push(format!("{prefix}SET ({})", set.join(", ")));
    }
    if !reset.is_empty() {
        clauses.push(format!("{prefix}RESET ({})", reset.join(", ")));
    }
    (!clauses.is_empty()).then(|| clauses.join(", "))
}

/// What makes a trigger, a rule or a policy anew; `kind` as SQL calls it.
pub fn part(table: &str, kind: &str, part: &PartShape) -> String {
    let name = quote_identifier(&part.name);
    let mut sql = vec![part.definition.clone()];
    sql.extend(part.state_words().map(|state| format!("ALTER TABLE {table} {state} {kind} {name}")));
    if let Some(comment) = &part.comment {
        sql.push(format!("COMMENT ON {kind} {name} ON {table} IS {}", quote_literal(comment)));
    }
    sql.join(";\n")
}

/// A way back that fails and says why.
pub fn never(why: &str) -> String {
    let message = quote_literal(why);
    format!(
        "DO {}",
        dollar_quoted(&format!("BEGIN RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = {message}; END"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_created_is_dropped() {
        for (sql, undo) in [
            ("CREATE VIEW s.v (a) AS SELECT 1 -- x", "DROP VIEW IF EXISTS s.v"),
            ("create materialized view v as select 1", "DROP MATERIALIZED VIEW IF EXISTS v"),
            ("CREATE UNLOGGED TABLE s.\"A b\" (a int)", "DROP TABLE IF EXISTS s.\"A b\""),
            ("CREATE TYPE s.e AS ENUM ('ON')", "DROP TYPE IF EXISTS s.e"),
            (
                "CREATE CONSTRAINT TRIGGER x AFTER UPDATE OF a ON s.t FOR EACH ROW EXECUTE FUNCTION f()",
                "DROP TRIGGER IF EXISTS x ON s.t",
            ),
            ("CREATE RULE r AS ON INSERT TO s.t DO ALSO NOTHING", "DROP RULE IF EXISTS r ON s.t"),
            ("CREATE POLICY \"P\" ON t USING (true)", "DROP POLICY IF EXISTS \"P\" ON t"),
        ] {
            assert_eq!(created(sql), Some(Back { undo: undo.to_owned(), is_there: None }), "{sql}");
        }
    }

    #[test]
    fn what_may_have_been_there_is_not_dropped() {
        for sql in [
            "CREATE OR REPLACE VIEW v AS SELECT 1",
            "CREATE SCHEMA AUTHORIZATION x",
            "CREATE STATISTICS ON a, b FROM t",
            "CREATE STATISTICS IF NOT EXISTS x ON a, b FROM t",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "ALTER TABLE t ADD a int",
        ] {
            assert_eq!(created(sql), None, "{sql}");
        }
        assert_eq!(
            created("CREATE TABLE IF NOT EXISTS s.t (a int)"),
            Some(Back {
                undo: "DROP TABLE IF EXISTS s.t".to_owned(),
                is_there: Some("SELECT pg_catalog.to_regclass('s.t') IS NOT NULL".to_owned())
            })
        );
    }

    #[test]
    fn names_go_back() {
        for (sql, undo) in [
            ("ALTER TYPE s.a RENAME TO \"B\"", "ALTER TYPE s.\"B\" RENAME TO a"),
            ("ALTER TRIGGER a ON s.t RENAME TO b", "ALTER TRIGGER b ON s.t RENAME TO a"),
            ("ALTER FUNCTION s.f(int) RENAME TO g", "ALTER FUNCTION s.g(int) RENAME TO f"),
            ("ALTER VIEW v RENAME COLUMN a TO b", "ALTER VIEW v RENAME COLUMN b TO a"),
            ("ALTER TYPE v RENAME ATTRIBUTE a TO b CASCADE", "ALTER TYPE v RENAME ATTRIBUTE b TO a CASCADE"),
            ("ALTER SEQUENCE s.q SET SCHEMA o", "ALTER SEQUENCE o.q SET SCHEMA s"),
            ("ALTER VIEW IF EXISTS q SET SCHEMA o", "ALTER VIEW IF EXISTS o.q SET SCHEMA \"Here\""),
        ] {
            assert_eq!(renamed(sql, Some("Here")).as_deref(), Some(undo), "{sql}");
        }
        assert_eq!(renamed("ALTER TYPE a SET SCHEMA o", None), None);
    }

    #[test]
    fn options_go_back_to_what_they_were() {
        let table = TableShape { options: "fillfactor=70, a.b=x".to_owned(), ..TableShape::default() };
        assert_eq!(
            of_clause(&table, "SET (fillfactor = 50, autovacuum_enabled = off)").as_deref(),
            Some("SET (fillfactor = '70'), RESET (autovacuum_enabled)")
        );
        assert_eq!(of_clause(&table, "RESET (fillfactor)").as_deref(), Some("SET (fillfactor = '70')"));
        assert_eq!(of_clause(&table, "INHERIT p"), None);
    }
}
