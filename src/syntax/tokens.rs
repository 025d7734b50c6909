//! SQL text as tokens: enough to find where a word, a parameter or a parenthesis stands, in any of the server's ways of
//! writing strings and comments.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bare word: a keyword or a name.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A number.
    Number,
    /// A string in any notation.
    Text,
    /// `$1`
    Parameter(usize),
    /// A comment.
    Comment,
    /// An operator, a comma, a parenthesis …
    Sign,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it is written.
    pub text: &'a str,
    /// The byte at which it begins.
    pub start: usize,
}

impl Token<'_> {
    /// The byte behind it.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is that bare word, whatever its case.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is one of these bare words, whatever its case.
    pub fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    /// Whether it is that sign.
    pub fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    /// The name that it stands for.
    pub fn name(&self) -> String {
        match self.kind {
            // Only the outermost quotes are none of the name: it may begin with one of its own.
            Kind::Quoted => {
                let opened = self.text.split_once('"').map_or("", |(_, behind)| behind);
                opened.strip_suffix('"').unwrap_or(opened).replace("\"\"", "\"")
            }
            _ => self.text.to_lowercase(),
        }
    }
}

/// The signs that operators are made of.
const OPERATOR: &str = "+-*/<>=~!@#%^&|`?";

/// The tokens of a text without its comments.
pub fn words(text: &str) -> Vec<Token<'_>> {
    tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect()
}

/// The place of the token that closes what the one at `open` opens.
pub fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate().skip(open) {
        if token.is_sign("(") || token.is_sign("[") {
            depth += 1;
        } else if token.is_sign(")") || token.is_sign("]") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return Some(place);
            }
        }
    }
    None
}

#[cfg(test)]
thread_local! {
    /// How many bytes this thread has split, so that tests see what is read more often than it has to be.
    pub static BYTES_READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Splits a text into tokens; what is not closed goes to the end.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    #[cfg(test)]
    BYTES_READ.set(BYTES_READ.get() + text.len());
    let mut found = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        if first.is_whitespace() {
            start += first.len_utf8();
            continue;
        }
        let (kind, length) = next(&text[start..], first);
        found.push(Token { kind, text: &text[start..start + length], start });
        start += length;
    }
    found
}

/// The kind and the length of the token with which the text begins.
fn next(text: &str, first: char) -> (Kind, usize) {
    if text.starts_with("--") {
        return (Kind::Comment, text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return (Kind::Comment, end_of_comment(text.as_bytes()));
    }
    match first {
        '\'' => (Kind::Text, end_of_string(text, 1, '\'', false)),
        '"' => (Kind::Quoted, end_of_string(text, 1, '"', false)),
        '$' => dollar(text),
        _ if first.is_ascii_digit()
            || (first == '.' && text[1..].starts_with(|c: char| c.is_ascii_digit())) =>
        {
            (Kind::Number, end_of_number(text))
        }
        _ if is_letter(first) => word(text),
        _ if text.starts_with("::") || text.starts_with(":=") => (Kind::Sign, 2),
        _ if OPERATOR.contains(first) => (Kind::Sign, end_of_operator(text)),
        _ => (Kind::Sign, first.len_utf8()),
    }
}

fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_' || !character.is_ascii()
}

/// The end of the comment with which a text begins, which may hold others.
pub fn end_of_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut position) = (0_usize, 0);
    while position + 1 < bytes.len() {
        match &bytes[position..position + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                position += 1;
                continue;
            }
        }
        position += 2;
        if depth == 0 {
            return position;
        }
    }
    bytes.len()
}

/// The end of what `quote` opened before `from`; a doubled quote stands for itself, and in E'' so does what follows a
/// backslash.
fn end_of_string(text: &str, from: usize, quote: char, has_escapes: bool) -> usize {
    let mut characters = text[from..].char_indices().peekable();
    while let Some((position, character)) = characters.next() {
        if has_escapes && character == '\\' {
            characters.next();
        } else if character == quote {
            if characters.peek().is_some_and(|&(_, following)| following == quote) {
                characters.next();
            } else {
                return from + position + 1;
            }
        }
    }
    text.len()
}

/// `$1`, or `$tag$ … $tag$`.
fn dollar(text: &str) -> (Kind, usize) {
    let digits = text[1..].bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        let number = text[1..=digits].parse().unwrap_or(0);
        return (Kind::Parameter(number), digits + 1);
    }
    let tag = text[1..].find(|character: char| !is_letter(character) && !character.is_ascii_digit());
    match tag {
        Some(length) if text[length + 1..].starts_with('$') => {
            let opening = &text[..length + 2];
            let closing = text[opening.len()..].find(opening);
            (Kind::Text, closing.map_or(text.len(), |position| position + 2 * opening.len()))
        }
        _ => (Kind::Sign, 1),
    }
}

fn end_of_number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut position = 0;
    while let Some(&byte) = bytes.get(position) {
        let is_exponent_sign = (byte == b'+' || byte == b'-')
            && position > 0
            && bytes[position - 1].eq_ignore_ascii_case(&b'e')
            && bytes.get(position + 1).is_some_and(u8::is_ascii_digit);
        // `1..2` does not occur in SQL but in slices of what is not SQL.
        if !(byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || is_exponent_sign) {
            break;
        }
        position += 1;
    }
    position.max(1)
}

fn word(text: &str) -> (Kind, usize) {
    let end = text.find(|c: char| !is_letter(c) && !c.is_ascii_digit() && c != '$').unwrap_or(text.len());
    let prefix = &text[..end];
    let quoted = &text[end..];
    if quoted.starts_with('\'') && matches!(prefix, "e" | "E" | "b" | "B" | "x" | "X" | "n" | "N") {
        let has_escapes = matches!(prefix, "e" | "E");
        return (Kind::Text, end_of_string(text, end + 1, '\'', has_escapes));
    }
    if matches!(prefix, "u" | "U") && quoted.starts_with("&'") {
        return (Kind::Text, end_of_string(text, end + 2, '\'', false));
    }
    if matches!(prefix, "u" | "U") && quoted.starts_with("&\"") {
        return (Kind::Quoted, end_of_string(text, end + 2, '"', false));
    }
    (Kind::Word, end)
}

/// An operator ends before a comment.
fn end_of_operator(text: &str) -> usize {
    let all = text.find(|character: char| !OPERATOR.contains(character)).unwrap_or(text.len());
    let comment = ["--", "/*"].iter().filter_map(|opening| text[..all].find(opening)).min();
    comment.filter(|&position| position > 0).unwrap_or(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        tokens(text).into_iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn strings_hide_what_is_in_them() {
        use Kind::{Comment, Parameter, Quoted, Text, Word};
        assert_eq!(
            kinds("a 'b''$1' E'c\\'$2' \"d\"\"e\" $x$ ' $3 $x$ $4 -- $5\n/* $6 /* */ */ U&'f'"),
            [
                (Word, "a"),
                (Text, "'b''$1'"),
                (Text, "E'c\\'$2'"),
                (Quoted, "\"d\"\"e\""),
                (Text, "$x$ ' $3 $x$"),
                (Parameter(4), "$4"),
                (Comment, "-- $5"),
                (Comment, "/* $6 /* */ */"),
                (Text, "U&'f'"),
            ]
        );
    }

    #[test]
    fn a_name_may_begin_and_end_with_a_quote() {
        let names = tokens("\"\"\"a\"\"\" \"b\" U&\"c\" \"d").into_iter().map(|token| token.name());
        assert_eq!(names.collect::<Vec<_>>(), ["\"a\"", "b", "c", "d"]);
    }

    #[test]
    fn signs_stand_alone_or_together() {
        use Kind::{Number, Parameter, Sign, Word};
        assert_eq!(
            kinds("a.b>=1.5e-3::x-$12||(c)"),
            [
                (Word, "a"),
                (Sign, "."),
                (Word, "b"),
                (Sign, ">="),
                (Number, "1.5e-3"),
                (Sign, "::"),
                (Word, "x"),
                (Sign, "-"),
                (Parameter(12), "$12"),
                (Sign, "||"),
                (Sign, "("),
                (Word, "c"),
                (Sign, ")"),
            ]
        );
    }

    #[test]
    fn what_is_not_closed_ends_with_the_text() {
        for text in ["'a", "\"a", "/* a", "$a$ b", "E'a\\", "$", "é", "1e", "--", "U&'", "."] {
            let all = tokens(text);
            assert_eq!(all.last().map(Token::end), Some(text.len()), "{text}");
        }
        assert!(tokens(" \n").is_empty());
    }
}
