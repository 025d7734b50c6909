//! Cuts a file into statements, as psql does: strings, comments, parentheses and bodies of functions stay whole,
//! meta-commands and the data of COPY are passed over.
//!
//! Does not judge whether a statement is right, so that one that is wrong does not hide the rest.

use crate::syntax::tokens::end_of_comment;

/// One statement of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Its text from its first word on, without the semicolon and without comments before or behind it.
    pub text: &'a str,
    /// The line on which it begins, 1-based.
    pub line: usize,
}

/// What may stand in the bytes of one statement.
#[derive(Default)]
struct Statement {
    /// The byte of its first word.
    start: Option<usize>,
    /// The byte behind its last word.
    end: usize,
    parentheses: usize,
    /// CASE and BEGIN without their END, in the body of a function written in SQL.
    blocks: usize,
    /// Its first words in lower case, as many as are asked for.
    words: Vec<String>,
    /// Whether `FROM STDIN` was the last that was read.
    is_from_stdin: bool,
}

impl Statement {
    /// Whether it makes a function, so that `BEGIN ATOMIC … END` may hold semicolons.
    fn makes_routine(&self) -> bool {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let rest = match words.as_slice() {
            ["create", "or", "replace", rest @ ..] | ["create", rest @ ..] => rest,
            _ => return false,
        };
        matches!(rest.first(), Some(&"function" | &"procedure"))
    }

    fn word(&mut self, word: &str) {
        let lower = word.to_lowercase();
        if self.makes_routine() {
            match &*lower {
                "begin" => self.blocks += 1,
                "case" if self.blocks > 0 => self.blocks += 1,
                "end" => self.blocks = self.blocks.saturating_sub(1),
                _ => {}
            }
        }
        let copies = self.words.first().is_some_and(|first| first == "copy");
        self.is_from_stdin = copies && lower == "stdin" || self.is_from_stdin && lower != "from";
        if self.words.len() < 4 {
            self.words.push(lower);
        }
    }
}

/// The statements of a file, in order.
pub fn split(file: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut current = Statement::default();
    let mut position = 0;
    let mut line = LineCounter { file, position: 0, line: 1 };
    while let Some(character) = file[position..].chars().next() {
        let rest = &file[position..];
        let mut length = character.len_utf8();
        let mut is_word_of_statement = true;
        if character.is_whitespace() {
            is_word_of_statement = false;
        } else if rest.starts_with("--") {
            length = rest.find('\n').unwrap_or(rest.len());
            is_word_of_statement = false;
        } else if rest.starts_with("/*") {
            length = end_of_comment(rest.as_bytes());
            is_word_of_statement = false;
        } else if character == '\\' {
            let end = rest.find('\n').unwrap_or(rest.len());
            if rest.starts_with("\\;") {
                length = 2;
            } else {
                // \g and its kin send what was read so far.
                if rest.starts_with("\\g") {
                    finish(&mut pieces, &mut current, &mut line);
                }
                length = end;
                is_word_of_statement = false;
            }
        } else if character == ';' && current.parentheses == 0 && current.blocks == 0 {
            let reads_data = current.is_from_stdin;
            finish(&mut pieces, &mut current, &mut line);
            if reads_data {
                length = data(rest);
            }
            is_word_of_statement = false;
        } else if character == '\'' {
            length = quoted(rest, '\'', false);
        } else if character == '"' {
            length = quoted(rest, '"', false);
        } else if character == '$' {
            length = dollar_quoted(rest).unwrap_or(1);
        } else if character.is_alphanumeric() || character == '_' {
            length = word_length(rest);
            let word = &rest[..length];
            let next = rest[length..].chars().next();
            if word.eq_ignore_ascii_case("e") && next == Some('\'') {
                length += quoted(&rest[length..], '\'', true);
            } else {
                current.word(word);
            }
        } else if character == '(' {
            current.parentheses += 1;
        } else if character == ')' {
            current.parentheses = current.parentheses.saturating_sub(1);
        }
        if is_word_of_statement {
            current.start.get_or_insert(position);
            current.end = position + length;
        }
        position += length;
    }
    finish(&mut pieces, &mut current, &mut line);
    pieces
}

/// Ends the statement that was being read, if any.
fn finish<'a>(pieces: &mut Vec<Piece<'a>>, current: &mut Statement, line: &mut LineCounter<'a>) {
    let finished = std::mem::take(current);
    if let Some(start) = finished.start {
        pieces.push(Piece { text: &line.file[start..finished.end], line: line.of(start) });
    }
}

/// Lines of positions that grow.
struct LineCounter<'a> {
    file: &'a str,
    position: usize,
    line: usize,
}

impl LineCounter<'_> {
    fn of(&mut self, position: usize) -> usize {
        self.line += self.file[self.position..position].matches('\n').count();
        self.position = position;
        self.line
    }
}

/// How long a string or a quoted name is; the quote written twice is part of it.
fn quoted(rest: &str, quote: char, has_escapes: bool) -> usize {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((position, character)) = characters.next() {
        if has_escapes && character == '\\' {
            characters.next();
        } else if character == quote {
            if characters.peek().is_some_and(|&(_, next)| next == quote) {
                characters.next();
            } else {
                return position + character.len_utf8();
            }
        }
    }
    rest.len()
}

/// How long a string between `$tag$` is; `None` where none begins here.
fn dollar_quoted(rest: &str) -> Option<usize> {
    let tag_end = rest[1..].find('$')? + 2;
    let tag = &rest[..tag_end];
    let name = &tag[1..tag_end - 1];
    let is_name = name.chars().all(|character| character.is_alphanumeric() || character == '_');
    if !is_name || name.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    Some(rest[tag_end..].find(tag).map_or(rest.len(), |end| tag_end + end + tag.len()))
}

fn word_length(rest: &str) -> usize {
    // A dollar is part of a word, unless a word begins with it.
    rest.find(|character: char| !(character.is_alphanumeric() || character == '_' || character == '$'))
        .unwrap_or(rest.len())
}

/// How long the semicolon of a COPY … FROM STDIN and its data are.
fn data(rest: &str) -> usize {
    let Some(first) = rest.find('\n') else { return rest.len() };
    let mut position = first + 1;
    for line in rest[position..].split_inclusive('\n') {
        position += line.len();
        if line.trim_end() == "\\." {
            break;
        }
    }
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(file: &str) -> Vec<&str> {
        split(file).into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn semicolons_end_statements() {
        assert_eq!(texts("SELECT 1; SELECT 2"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(texts(";; ;"), Vec::<&str>::new());
        assert_eq!(texts("  -- nothing\n/* here */"), Vec::<&str>::new());
    }

    #[test]
    fn semicolons_in_strings_comments_and_parentheses_do_not() {
        for whole in [
            "SELECT ';'",
            "SELECT 'it''s;'",
            "SELECT E'a\\';b'",
            "SELECT \"a;\"\"b\"",
            "SELECT $$;$$",
            "SELECT $a$ $$;$$ $a$",
            "SELECT 1 /* ; /* ; */ ; */ + 1",
            "SELECT 1 -- ;\n + 1",
            "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 ELSE 2 END; END",
            "DO $do$ BEGIN PERFORM 1; END $do$",
        ] {
            assert_eq!(texts(&format!("{whole}; SELECT 2;")), [whole, "SELECT 2"], "{whole}");
        }
        assert_eq!(texts("PREPARE p AS SELECT $1; SELECT $2;"), ["PREPARE p AS SELECT $1", "SELECT $2"]);
        assert_eq!(texts("BEGIN; SELECT 1; END; SELECT 2"), ["BEGIN", "SELECT 1", "END", "SELECT 2"]);
    }

    #[test]
    fn comments_around_a_statement_are_not_part_of_it() {
        assert_eq!(texts("-- why\nSELECT 1 -- because\n; -- end"), ["SELECT 1"]);
    }

    #[test]
    fn what_does_not_end_is_the_rest() {
        for open in ["SELECT 'a; b", "SELECT $a$ ; b", "/* ; b", "SELECT \"a; b", "SELECT (1; b"] {
            assert!(texts(open).len() <= 1, "{open}");
        }
    }

    #[test]
    fn meta_commands_are_passed_over() {
        assert_eq!(
            texts("\\set ON_ERROR_STOP on\nSELECT 1;\n\\echo it's; here\nSELECT 2 \\gset\nSELECT 3"),
            ["SELECT 1", "SELECT 2", "SELECT 3"]
        );
    }

    #[test]
    fn data_of_copy_is_passed_over() {
        let file =
            "COPY t (a) FROM stdin WITH (FORMAT csv);\n1;'\n\\.\nSELECT 1;\nCOPY t FROM '/x';\nSELECT 2;";
        assert_eq!(
            texts(file),
            ["COPY t (a) FROM stdin WITH (FORMAT csv)", "SELECT 1", "COPY t FROM '/x'", "SELECT 2"]
        );
    }

    #[test]
    fn lines_are_those_of_the_first_words() {
        let pieces = split("-- first\nSELECT 1;\n\n/* two\nlines */ SELECT\n2;");
        let lines: Vec<usize> = pieces.iter().map(|piece| piece.line).collect();
        assert_eq!(lines, [2, 5]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_cut_without_harm(file in "[a-z;'\"$\\\\\n(){}ä*/ -]{0,60}") {
            for piece in split(&file) {
                assert!(!piece.text.is_empty());
                assert!(piece.line <= file.matches('\n').count() + 1);
            }
        }
    }
}
