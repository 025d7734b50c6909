//! A file as statements: strings, comments, DELIMITER lines, and bodies of triggers and routines kept whole.

use super::token::{Kind, Next, Token, next};
use crate::migration::lint::Dialect;

/// One statement of a file.
#[derive(Clone, Debug)]
pub struct Piece<'a> {
    /// The line on which it begins, 1-based.
    pub line: usize,
    /// As it is written, without its semicolon.
    pub text: &'a str,
    /// Its tokens, without comments.
    pub tokens: Vec<Token<'a>>,
}

/// The statements of a file, in order; those that hold nothing are left out.
pub fn statements(sql: &str, dialect: Dialect) -> Vec<Piece<'_>> {
    let mut splitter =
        Splitter { sql, dialect, delimiter: ";".to_owned(), found: Vec::new(), tokens: Vec::new(), depth: 0 };
    splitter.run();
    let mut line = 1;
    let mut counted = 0;
    for piece in &mut splitter.found {
        let start = piece.tokens.first().map_or(counted, |token| token.start);
        line += sql[counted..start].matches('\n').count();
        counted = start;
        piece.line = line;
    }
    splitter.found
}

struct Splitter<'a> {
    sql: &'a str,
    dialect: Dialect,
    delimiter: String,
    found: Vec<Piece<'a>>,
    tokens: Vec<Token<'a>>,
    /// How many blocks of a trigger's or routine's body are open.
    depth: usize,
}

impl<'a> Splitter<'a> {
    fn run(&mut self) {
        let mut start = 0;
        let mut is_versioned = false;
        while start < self.sql.len() {
            let rest = &self.sql[start..];
            if self.tokens.is_empty()
                && let Some(length) = self.client_command(start)
            {
                start += length;
                continue;
            }
            if let Some(length) = self.terminator(rest) {
                start += length;
                self.finish();
                continue;
            }
            if is_versioned && rest.starts_with("*/") {
                is_versioned = false;
                start += 2;
                continue;
            }
            match next(rest, self.dialect) {
                Next::Nothing(length) => start += length,
                Next::OpensVersioned(length) => {
                    is_versioned = true;
                    start += length;
                }
                Next::Token(kind, length) => {
                    let length = self.cut(&rest[..length], kind);
                    self.push(Token { kind, raw: &rest[..length], start });
                    start += length;
                }
            }
        }
        self.finish();
    }

    /// The length of what ends a statement here, if something does.
    fn terminator(&self, rest: &str) -> Option<usize> {
        if self.dialect == Dialect::MySql && ["\\G", "\\g"].iter().any(|&end| rest.starts_with(end)) {
            return Some(2);
        }
        if !rest.starts_with(&self.delimiter) || (self.delimiter == ";" && self.depth > 0) {
            return None;
        }
        Some(self.delimiter.len())
    }

    /// The length of a token that ends where a delimiter of the file's own begins: `END$$`.
    fn cut(&self, raw: &str, kind: Kind) -> usize {
        let is_cut = self.delimiter != ";" && matches!(kind, Kind::Word | Kind::Number);
        let end = if is_cut { raw.find(&self.delimiter) } else { None };
        end.filter(|&end| end > 0).unwrap_or(raw.len())
    }

    /// A line for the client that stands where a statement would begin: its length, once it was dealt with.
    fn client_command(&mut self, start: usize) -> Option<usize> {
        let line = &self.sql[start..];
        let line = &line[..line.find('\n').unwrap_or(line.len())];
        let is_line_start =
            self.sql[..start].rsplit('\n').next().is_some_and(|before| before.trim().is_empty());
        if !is_line_start {
            return None;
        }
        let word = line.split_whitespace().next().unwrap_or_default();
        match self.dialect {
            Dialect::MySql if word.eq_ignore_ascii_case("delimiter") && line.starts_with(word) => {
                let delimiter = line[word.len()..].split_whitespace().next().unwrap_or(";");
                delimiter.clone_into(&mut self.delimiter);
            }
            Dialect::MySql if line.starts_with("\\.") || word.eq_ignore_ascii_case("source") => {
                if !line.starts_with(word) {
                    return None;
                }
                self.whole_line(start, line);
            }
            Dialect::Sqlite if line.starts_with('.') => self.whole_line(start, line),
            _ => return None,
        }
        Some(line.len())
    }

    fn whole_line(&mut self, start: usize, line: &'a str) {
        let line = line.trim_end().trim_end_matches(';');
        self.tokens.push(Token { kind: Kind::Sign, raw: line, start });
        self.finish();
    }

    fn push(&mut self, token: Token<'a>) {
        let previous = self.tokens.last().copied();
        self.tokens.push(token);
        if self.delimiter == ";" && self.has_body() {
            let is_after_end = previous.is_some_and(|previous| previous.is("END"));
            if token.is("BEGIN") || (token.is("CASE") && !is_after_end) {
                self.depth += 1;
            } else if token.is("END") {
                self.depth = self.depth.saturating_sub(1);
            } else if is_after_end && ["IF", "LOOP", "WHILE", "REPEAT"].iter().any(|word| token.is(word)) {
                // It closed a block that was never counted.
                self.depth += 1;
            }
        }
    }

    /// Whether the statement creates something whose body holds semicolons.
    fn has_body(&self) -> bool {
        self.tokens.first().is_some_and(|first| first.is("CREATE"))
            && self
                .tokens
                .iter()
                .skip(1)
                .take(12)
                .take_while(|token| !token.is_sign('('))
                .any(|token| ["TRIGGER", "PROCEDURE", "FUNCTION", "EVENT"].iter().any(|word| token.is(word)))
    }

    fn finish(&mut self) {
        self.depth = 0;
        let tokens = std::mem::take(&mut self.tokens);
        if let (Some(first), Some(last)) = (tokens.first(), tokens.last()) {
            let text = &self.sql[first.start..last.end()];
            self.found.push(Piece { line: 0, text, tokens });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str, dialect: Dialect) -> Vec<(usize, String)> {
        statements(sql, dialect).iter().map(|piece| (piece.line, piece.text.to_owned())).collect()
    }

    fn check(sql: &str, dialect: Dialect, expected: &[(usize, &str)]) {
        let expected: Vec<(usize, String)> =
            expected.iter().map(|&(line, text)| (line, text.to_owned())).collect();
        assert_eq!(texts(sql, dialect), expected, "{sql}");
    }

    #[test]
    fn semicolons_in_strings_and_comments_end_nothing() {
        check(
            "-- a;\nSELECT 'x;\\';', \"y;\", `z;` /* ; */ # ;\n;\n\nSELECT 2",
            Dialect::MySql,
            &[(2, "SELECT 'x;\\';', \"y;\", `z;`"), (5, "SELECT 2")],
        );
        check("SELECT 'a\\';SELECT [b;c];", Dialect::Sqlite, &[(1, "SELECT 'a\\'"), (1, "SELECT [b;c]")]);
        check("SELECT 5--1;\n--\nSELECT 1;--", Dialect::MySql, &[(1, "SELECT 5--1"), (3, "SELECT 1")]);
    }

    #[test]
    fn versioned_comments_are_executed() {
        let found = statements("/*!40101 SET NAMES utf8 */;\n/*M!100301 SELECT 1*/", Dialect::MySql);
        let words: Vec<&str> =
            found.iter().flat_map(|piece| piece.tokens.iter().map(|token| token.raw)).collect();
        assert_eq!((found.len(), words), (2, vec!["SET", "NAMES", "utf8", "SELECT", "1"]));
        assert!(statements("/* SELECT 1 */;", Dialect::MySql).is_empty());
        assert!(statements("/*! SELECT 1 */;", Dialect::Sqlite).is_empty());
    }

    #[test]
    fn delimiter_lines_and_bodies_keep_routines_whole() {
        check(
            "DELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT 1; END$$\nDELIMITER ;\nSELECT 2;",
            Dialect::MySql,
            &[(2, "CREATE PROCEDURE p() BEGIN SELECT 1; END"), (4, "SELECT 2")],
        );
        let body = "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2; END";
        for dialect in [Dialect::MySql, Dialect::Sqlite] {
            check(&format!("{body};\nSELECT 3;"), dialect, &[(1, body), (2, "SELECT 3")]);
        }
        let body = "CREATE PROCEDURE p() BEGIN IF a THEN SELECT 1; END IF; END";
        check(&format!("{body};SELECT 3;"), Dialect::MySql, &[(1, body), (1, "SELECT 3")]);
        check("BEGIN; SELECT 1; END;", Dialect::Sqlite, &[(1, "BEGIN"), (1, "SELECT 1"), (1, "END")]);
    }

    #[test]
    fn lines_for_the_client_stand_alone() {
        check(".read a.sql\nSELECT 1;", Dialect::Sqlite, &[(1, ".read a.sql"), (2, "SELECT 1")]);
        check(
            "\\. a.sql\nSELECT 1\\G\nSELECT 2;",
            Dialect::MySql,
            &[(1, "\\. a.sql"), (2, "SELECT 1"), (3, "SELECT 2")],
        );
    }

    #[test]
    fn what_is_not_closed_goes_to_the_end() {
        for sql in [
            "SELECT 'a",
            "/* a",
            "SELECT `a",
            "SELECT [a",
            "'\\",
            "/*!4",
            "CREATE TRIGGER BEGIN ;;",
            "é'é\\é",
        ] {
            for dialect in [Dialect::MySql, Dialect::Sqlite] {
                assert!(statements(sql, dialect).len() <= 3, "{sql}");
            }
        }
    }
}
