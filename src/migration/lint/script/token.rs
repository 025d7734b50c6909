//! SQL of MySQL and SQLite as tokens: enough to find words, names, strings and parentheses.

use crate::migration::lint::Dialect;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bare word: a keyword or a name.
    Word,
    /// A quoted name.
    Quoted,
    /// A string.
    Text,
    /// A number.
    Number,
    /// Any other character.
    Sign,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it is written.
    pub raw: &'a str,
    /// The byte at which it begins in the file.
    pub start: usize,
}

impl Token<'_> {
    /// The byte behind it.
    pub fn end(&self) -> usize {
        self.start + self.raw.len()
    }

    /// Whether it is that bare word, whatever its case.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.raw.eq_ignore_ascii_case(word)
    }

    /// Whether it is that sign.
    pub fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign && self.raw.starts_with(sign)
    }

    /// The name it stands for, or the text of a string.
    pub fn value(&self) -> String {
        let Some(quote) = self.raw.chars().next().filter(|_| matches!(self.kind, Kind::Quoted | Kind::Text))
        else {
            return self.raw.to_owned();
        };
        let (open, close) = if quote == '[' { ('[', ']') } else { (quote, quote) };
        let inner = self.raw.strip_prefix(open).unwrap_or(self.raw);
        let inner = inner.strip_suffix(close).unwrap_or(inner);
        inner.replace(&format!("{close}{close}"), &close.to_string())
    }

    /// Whether a name may stand here as this token.
    pub fn is_name(&self, dialect: Dialect) -> bool {
        match self.kind {
            Kind::Word | Kind::Quoted => true,
            // SQLite takes a string where only a name makes sense.
            Kind::Text => dialect == Dialect::Sqlite,
            Kind::Number | Kind::Sign => false,
        }
    }
}

/// What stands at the beginning of a text.
pub(super) enum Next {
    /// A token of that kind and length.
    Token(Kind, usize),
    /// White space or a comment of that length.
    Nothing(usize),
    /// The opening of a comment that MySQL executes: its content is SQL.
    OpensVersioned(usize),
}

/// Reads the token at the beginning of `text`, which is not empty; what is not closed goes to the end.
pub(super) fn next(text: &str, dialect: Dialect) -> Next {
    let mut characters = text.chars();
    let first = characters.next().unwrap_or(' ');
    let second = characters.next().unwrap_or(' ');
    let is_mysql = dialect == Dialect::MySql;
    match first {
        _ if first.is_whitespace() || first == '\u{feff}' => Next::Nothing(first.len_utf8()),
        '#' if is_mysql => Next::Nothing(line_length(text)),
        // MySQL wants white space behind its two dashes, or `5--1` would be a comment.
        '-' if second == '-'
            && (!is_mysql || text.len() == 2 || text[2..].starts_with(char::is_whitespace)) =>
        {
            Next::Nothing(line_length(text))
        }
        '/' if second == '*' => comment(text, is_mysql),
        '\'' => Next::Token(Kind::Text, string_length(text, '\'', is_mysql)),
        '"' if is_mysql => Next::Token(Kind::Text, string_length(text, '"', true)),
        '"' | '`' => Next::Token(Kind::Quoted, string_length(text, first, false)),
        '[' if !is_mysql => Next::Token(Kind::Quoted, text.find(']').map_or(text.len(), |end| end + 1)),
        _ if first.is_ascii_digit() => Next::Token(Kind::Number, number_length(text)),
        _ if is_word(first) => {
            let length = text.find(|character| !is_word(character)).unwrap_or(text.len());
            Next::Token(Kind::Word, length)
        }
        _ => Next::Token(Kind::Sign, first.len_utf8()),
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$' | '@')
}

fn line_length(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

fn comment(text: &str, is_mysql: bool) -> Next {
    let opening = if text.starts_with("/*M!") { 4 } else { 3 };
    if is_mysql && (text.starts_with("/*!") || text.starts_with("/*M!")) {
        let digits = text[opening..].bytes().take_while(u8::is_ascii_digit).count();
        return Next::OpensVersioned(opening + digits);
    }
    Next::Nothing(text[2..].find("*/").map_or(text.len(), |end| end + 4))
}

/// From quote to quote; a doubled quote, and where `escapes` a backslash, keeps it open.
fn string_length(text: &str, quote: char, escapes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((position, character)) = characters.next() {
        if character == '\\' && escapes {
            characters.next();
        } else if character == quote {
            if characters.peek().is_some_and(|&(_, next)| next == quote) {
                characters.next();
            } else {
                return position + quote.len_utf8();
            }
        }
    }
    text.len()
}

fn number_length(text: &str) -> usize {
    // A name may begin with a digit in MySQL: letters that follow belong to it either way.
    text.find(|character: char| !is_word(character) && character != '.').unwrap_or(text.len())
}
