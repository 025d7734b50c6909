//! A query's constants replaced by parameters, so that queries that differ by constants alone have one text.
//!
//! Works on bytes: the server's parser counts in them, and every encoding of a server has ASCII where ASCII is.

use super::tokens::end_of_comment;

/// A constant that the analysis of a query found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Where it begins, in bytes from the beginning of the text.
    pub position: usize,
    /// What its type may be called in front of a literal, e.g. `timestamptz` and `timestamp with time zone`.
    pub type_names: Vec<String>,
}

/// A query with parameters for constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameterised {
    /// The text.
    pub text: Vec<u8>,
    /// The constants that became parameters, as positions in what was given, in the order of their numbers.
    pub replaced: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    QuotedIdentifier,
    String,
    Number,
    Other,
}

#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// What a type may be called in front of a literal, by its name in the catalog and the one that SQL has for it.
pub fn spellings(catalog_name: &str, sql_name: &str) -> Vec<String> {
    let others: &[&str] = match sql_name {
        "integer" => &["int"],
        "numeric" => &["decimal", "dec"],
        "double precision" => &["float"],
        "boolean" => &["bool"],
        "character" => &["char", "nchar", "national character", "national char"],
        "character varying" => &["char varying", "nchar varying", "national character varying"],
        "timestamp without time zone" => &["timestamp"],
        "time without time zone" => &["time"],
        _ => &[],
    };
    let mut names = vec![catalog_name.to_owned()];
    names.extend(std::iter::once(sql_name).chain(others.iter().copied()).map(str::to_owned));
    names.dedup();
    names
}

/// Where the query that PREPARE or DECLARE CURSOR holds begins; nought for a query itself.
pub fn start_of_held_query(text: &[u8], backslash_escapes: bool) -> usize {
    let tokens = tokens(text, backslash_escapes);
    let begins = |word: &str| tokens.first().is_some_and(|token| is_word(text, token, word));
    let before = if begins("prepare") {
        "as"
    } else if begins("declare") {
        "for"
    } else {
        return 0;
    };
    // Not the name itself, which may be called so.
    let found = tokens.iter().skip(2).position(|token| is_word(text, token, before));
    found.and_then(|place| tokens.get(place + 3)).map_or(0, |token| token.start)
}

/// Replaces constants by parameters, the first of which is `$first`. What stands where no parameter may, as the field
/// of `extract`, stays. `backslash_escapes`: whether plain strings have them (standard_conforming_strings is off).
pub fn parameterise(
    text: &[u8],
    constants: &[Constant],
    first: usize,
    backslash_escapes: bool,
) -> Parameterised {
    let tokens = tokens(text, backslash_escapes);
    let mut order: Vec<usize> = (0..constants.len()).collect();
    order.sort_by_key(|&index| constants[index].position);
    order.dedup_by_key(|index| constants[*index].position);
    let mut result = Parameterised { text: Vec::with_capacity(text.len()), replaced: Vec::new() };
    let mut copied = 0;
    for index in order {
        let constant = &constants[index];
        let Ok(place) = tokens.binary_search_by_key(&constant.position, |token| token.start) else {
            continue;
        };
        let Some((start, end)) = extent(text, &tokens, place, &constant.type_names) else { continue };
        if start < copied {
            continue;
        }
        result.text.extend_from_slice(&text[copied..start]);
        let number = first + result.replaced.len();
        result.text.extend_from_slice(format!("${number}").as_bytes());
        result.replaced.push(index);
        copied = end;
    }
    result.text.extend_from_slice(&text[copied..]);
    result
}

/// From where to where a constant reaches whose token is at `place`, its type's name included; `None` where no
/// parameter may stand.
fn extent(text: &[u8], tokens: &[Token], place: usize, type_names: &[String]) -> Option<(usize, usize)> {
    let token = tokens[place];
    match token.kind {
        Kind::Number => Some((token.start, token.end)),
        Kind::Word => {
            let is_literal = ["true", "false", "null"].iter().any(|word| is_word(text, &token, word));
            is_literal.then_some((token.start, token.end))
        }
        // The parser makes one constant of a minus sign and its number.
        Kind::Other if text[token.start] == b'-' => {
            let number = tokens.get(place + 1).filter(|next| next.kind == Kind::Number)?;
            Some((token.start, number.end))
        }
        Kind::String => {
            let is_field = place >= 2
                && is_byte(text, &tokens[place - 1], b'(')
                && is_word(text, &tokens[place - 2], "extract");
            if is_field {
                return None;
            }
            let prefix =
                type_names.iter().filter_map(|name| type_name_before(text, tokens, place, name)).min();
            match prefix {
                Some(first) => Some((tokens[first].start, end_of_typed(text, tokens, place, type_names))),
                None => Some((token.start, token.end)),
            }
        }
        Kind::Other | Kind::QuotedIdentifier => None,
    }
}

/// The token with which `name`, standing before the token at `place`, begins; a schema and a precision included.
fn type_name_before(text: &[u8], tokens: &[Token], place: usize, name: &str) -> Option<usize> {
    let mut next = place;
    for word in name.split(' ').rev() {
        next = before_precision(text, tokens, next);
        next = next.checked_sub(1)?;
        let token = &tokens[next];
        let is_same = match token.kind {
            Kind::Word => is_word(text, token, word),
            Kind::QuotedIdentifier => {
                text.get(token.start + 1..token.end - 1).is_some_and(|name| name == word.as_bytes())
            }
            _ => false,
        };
        if !is_same {
            return None;
        }
    }
    let is_name = |token: &Token| matches!(token.kind, Kind::Word | Kind::QuotedIdentifier);
    if next >= 2 && is_byte(text, &tokens[next - 1], b'.') && is_name(&tokens[next - 2]) {
        next -= 2;
    }
    Some(next)
}

/// The place of the parenthesis that opens `(3)` or `(5, 2)` if that stands before `place`.
fn before_precision(text: &[u8], tokens: &[Token], place: usize) -> usize {
    let mut next = place;
    if next == 0 || !is_byte(text, &tokens[next - 1], b')') {
        return place;
    }
    next -= 1;
    while next > 0 {
        next -= 1;
        let token = &tokens[next];
        if is_byte(text, token, b'(') {
            return next;
        }
        if token.kind != Kind::Number && !is_byte(text, token, b',') {
            return place;
        }
    }
    place
}

/// Where a literal after its type's name ends: an interval's fields may follow.
fn end_of_typed(text: &[u8], tokens: &[Token], place: usize, type_names: &[String]) -> usize {
    let is_field = |place: usize| {
        tokens.get(place).is_some_and(|token| {
            ["year", "month", "day", "hour", "minute", "second"]
                .iter()
                .any(|field| is_word(text, token, field))
        })
    };
    let mut last = place;
    if type_names.iter().any(|name| name == "interval") && is_field(last + 1) {
        last += 1;
        if tokens.get(last + 1).is_some_and(|token| is_word(text, token, "to")) && is_field(last + 2) {
            last += 2;
        }
        let is = |place: usize, byte| tokens.get(place).is_some_and(|token| is_byte(text, token, byte));
        if is(last + 1, b'(') && is(last + 3, b')') {
            last += 3;
        }
    }
    tokens[last].end
}

fn is_word(text: &[u8], token: &Token, word: &str) -> bool {
    token.kind == Kind::Word && text[token.start..token.end].eq_ignore_ascii_case(word.as_bytes())
}

fn is_byte(text: &[u8], token: &Token, byte: u8) -> bool {
    token.kind == Kind::Other && text[token.start] == byte
}

/// Splits SQL into tokens, without white space and comments. Never fails: what the parser refused does not come here.
fn tokens(text: &[u8], backslash_escapes: bool) -> Vec<Token> {
    let at = |position: usize| text.get(position).copied().unwrap_or(0);
    let mut tokens = Vec::new();
    let mut position = 0;
    while position < text.len() {
        let start = position;
        let byte = at(position);
        let next = at(position + 1);
        let (kind, end) = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {
                position += 1;
                continue;
            }
            b'-' if next == b'-' => {
                position = skip(text, position, |byte| byte != b'\n' && byte != b'\r');
                continue;
            }
            b'/' if next == b'*' => {
                position += end_of_comment(&text[position..]);
                continue;
            }
            b'\'' => (Kind::String, end_of_string(text, position + 1, backslash_escapes)),
            b'e' | b'E' if next == b'\'' => (Kind::String, end_of_string(text, position + 2, true)),
            b'n' | b'N' if next == b'\'' => {
                (Kind::String, end_of_string(text, position + 2, backslash_escapes))
            }
            b'b' | b'B' | b'x' | b'X' if next == b'\'' => {
                (Kind::String, end_of_string(text, position + 2, false))
            }
            b'u' | b'U' if next == b'&' && at(position + 2) == b'\'' => {
                let end = end_of_string(text, position + 3, false);
                (Kind::String, after_escape_clause(text, end))
            }
            b'u' | b'U' if next == b'&' && at(position + 2) == b'"' => {
                (Kind::QuotedIdentifier, end_of_identifier(text, position + 3))
            }
            b'"' => (Kind::QuotedIdentifier, end_of_identifier(text, position + 1)),
            b'$' => match end_of_dollar_quote(text, position) {
                Some(end) => (Kind::String, end),
                None => (Kind::Other, skip(text, position + 1, |byte| byte.is_ascii_digit())),
            },
            b'0'..=b'9' => (Kind::Number, end_of_number(text, position)),
            b'.' if next.is_ascii_digit() => (Kind::Number, end_of_number(text, position)),
            _ if is_letter(byte) => {
                let is_part = |byte: u8| is_letter(byte) || byte.is_ascii_digit() || byte == b'$';
                (Kind::Word, skip(text, position, is_part))
            }
            _ => (Kind::Other, position + 1),
        };
        position = end.clamp(start + 1, text.len());
        tokens.push(Token { kind, start, end: position });
    }
    tokens
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn skip(text: &[u8], from: usize, while_true: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|&&byte| while_true(byte)).count()
}

/// The end of a string whose content begins at `position`; one goes on after a line break.
fn end_of_string(text: &[u8], mut position: usize, backslash_escapes: bool) -> usize {
    while let Some(&byte) = text.get(position) {
        position += 1;
        if byte == b'\\' && backslash_escapes {
            position += 1;
        } else if byte == b'\'' {
            if text.get(position) == Some(&b'\'') {
                position += 1;
                continue;
            }
            let next = skip(text, position, is_space);
            let breaks = text[position..next].iter().any(|byte| matches!(byte, b'\n' | b'\r'));
            if !breaks || text.get(next) != Some(&b'\'') {
                return position;
            }
            position = next + 1;
        }
    }
    text.len()
}

/// Behind the `UESCAPE '!'` that may follow a string, or where it would begin.
fn after_escape_clause(text: &[u8], end: usize) -> usize {
    let start = skip(text, end, is_space);
    let word_end = skip(text, start, is_letter);
    let is_clause = text.get(start..word_end).is_some_and(|word| word.eq_ignore_ascii_case(b"uescape"));
    let quote = skip(text, word_end, is_space);
    if is_clause && text.get(quote) == Some(&b'\'') { end_of_string(text, quote + 1, false) } else { end }
}

fn end_of_identifier(text: &[u8], mut position: usize) -> usize {
    while let Some(&byte) = text.get(position) {
        position += 1;
        if byte == b'"' {
            if text.get(position) != Some(&b'"') {
                return position;
            }
            position += 1;
        }
    }
    text.len()
}

/// The end of `$tag$ … $tag$`; `None` for `$1` and the like.
fn end_of_dollar_quote(text: &[u8], start: usize) -> Option<usize> {
    let after = skip(text, start + 1, |byte| is_letter(byte) || byte.is_ascii_digit());
    if text.get(after) != Some(&b'$') || text.get(start + 1).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let tag = &text[start..=after];
    let rest = &text[after + 1..];
    let length = rest.windows(tag.len()).position(|window| window == tag);
    Some(length.map_or(text.len(), |length| after + 1 + length + tag.len()))
}

fn end_of_number(text: &[u8], start: usize) -> usize {
    let at = |position: usize| text.get(position).copied().unwrap_or(0);
    if at(start) == b'0' && matches!(at(start + 1), b'x' | b'X' | b'o' | b'O' | b'b' | b'B') {
        return skip(text, start + 2, |byte| byte.is_ascii_hexdigit() || byte == b'_');
    }
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    let mut end = skip(text, start, is_digit);
    // `1..10` is a range of PL/pgSQL, not a number with a point.
    if at(end) == b'.' && at(end + 1) != b'.' {
        end = skip(text, end + 1, is_digit);
    }
    if matches!(at(end), b'e' | b'E') {
        let sign = usize::from(matches!(at(end + 1), b'+' | b'-'));
        if at(end + 1 + sign).is_ascii_digit() {
            end = skip(text, end + 1 + sign, is_digit);
        }
    }
    end
}

#[cfg(test)]
mod tests;
