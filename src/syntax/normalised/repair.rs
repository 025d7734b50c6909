//! What the grammar alone tells: places where it takes a string and no expression.

use crate::syntax::tokens::{Kind, Token, tokens};

/// The text repaired, the likeliest form first. Each keeps the numbers of the parameters.
pub fn variants(text: &str) -> Vec<String> {
    let mut found = vec![repaired(text, true), repaired(text, false), text.to_owned()];
    found.dedup();
    found
}

/// Types that may stand before a string to say what it is, besides those that end in more words.
const TYPES: [&str; 59] = [
    "bigint",
    "bit",
    "bool",
    "boolean",
    "box",
    "bpchar",
    "bytea",
    "char",
    "character",
    "cidr",
    "circle",
    "citext",
    "date",
    "daterange",
    "dec",
    "decimal",
    "float",
    "float4",
    "float8",
    "geography",
    "geometry",
    "hstore",
    "inet",
    "int",
    "int2",
    "int4",
    "int4range",
    "int8",
    "int8range",
    "integer",
    "interval",
    "json",
    "jsonb",
    "jsonpath",
    "line",
    "lseg",
    "ltree",
    "macaddr",
    "money",
    "name",
    "numeric",
    "numrange",
    "oid",
    "point",
    "polygon",
    "real",
    "smallint",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "tsquery",
    "tsrange",
    "tstzrange",
    "tsvector",
    "uuid",
    "varchar",
    "xml",
];

/// Units that may follow an interval.
const UNITS: [&str; 6] = ["year", "month", "day", "hour", "minute", "second"];

/// A piece of the text and what takes its place.
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

fn repaired(text: &str, opens_lists: bool) -> String {
    let all = tokens(text);
    let bare: Vec<Token<'_>> = all.iter().copied().filter(|token| token.kind != Kind::Comment).collect();
    let mut edits: Vec<Edit> = Vec::new();
    for position in 0..bare.len() {
        if matches!(bare[position].kind, Kind::Parameter(_)) {
            edits.extend(typed_literal(text, &bare, position));
        }
        edits.extend(extract(&bare, position));
        edits.extend(normalize(&bare, position));
    }
    if opens_lists {
        edits.extend((0..all.len()).filter_map(|position| shortened_list(&all, position)).flatten());
    }
    apply(text, edits)
}

fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.start);
    let mut result = String::with_capacity(text.len() + 16 * edits.len());
    let mut done = 0;
    for edit in edits.iter().filter(|edit| edit.start <= edit.end) {
        if edit.start < done {
            continue;
        }
        result.push_str(&text[done..edit.start]);
        result.push_str(&edit.text);
        done = edit.end;
    }
    result.push_str(&text[done..]);
    result
}

/// `interval $1 day` → `CAST($1 AS interval day)`, and so for every type.
fn typed_literal(text: &str, tokens: &[Token<'_>], parameter: usize) -> Option<Edit> {
    let (first, last) = type_before(tokens, parameter)?;
    let name = &text[tokens[first].start..tokens[last].end()];
    let mut end = parameter;
    let mut qualifier = String::new();
    if tokens[first].is("interval") {
        end = end_of_units(tokens, parameter);
        if end > parameter {
            qualifier = format!(" {}", &text[tokens[parameter + 1].start..tokens[end].end()]);
        }
    }
    Some(Edit {
        start: tokens[first].start,
        end: tokens[end].end(),
        text: format!("CAST({} AS {name}{qualifier})", tokens[parameter].text),
    })
}

/// The first and the last token of the type that stands before the parameter.
fn type_before(tokens: &[Token<'_>], parameter: usize) -> Option<(usize, usize)> {
    let last = parameter.checked_sub(1)?;
    let mut first = last;
    // timestamp (3) with time zone
    if tokens[first].is("zone") && first >= 2 && tokens[first - 1].is("time") {
        first = first.checked_sub(3)?;
        if !tokens[first + 1].is_any(&["with", "without"]) {
            return None;
        }
        first = before_modifier(tokens, first)?;
        return tokens[first].is_any(&["time", "timestamp"]).then_some((first, last));
    }
    first = before_modifier(tokens, first)?;
    let word = &tokens[first];
    if word.is("precision") {
        first = first.checked_sub(1)?;
        return tokens[first].is("double").then_some((first, last));
    }
    if word.is("varying") {
        first = first.checked_sub(1)?;
        return tokens[first].is_any(&["character", "char", "bit"]).then_some((first, last));
    }
    let is_qualified = first >= 2 && tokens[first - 1].is_sign(".");
    if is_qualified && matches!(word.kind, Kind::Word | Kind::Quoted) {
        return Some((first - 2, last));
    }
    // After AT TIME ZONE and the like it would have been told above; a column of that name cannot stand here.
    (word.is_any(&TYPES)).then_some((first, last))
}

/// Steps back over `(3)` or `(10, 2)`.
fn before_modifier(tokens: &[Token<'_>], position: usize) -> Option<usize> {
    if !tokens[position].is_sign(")") {
        return Some(position);
    }
    let mut open = position;
    while !tokens[open].is_sign("(") {
        open = open.checked_sub(1)?;
        if !(tokens[open].kind == Kind::Number || tokens[open].is_sign(",") || tokens[open].is_sign("(")) {
            return None;
        }
    }
    open.checked_sub(1)
}

/// The last token of `day`, `year to month`, `second (3)` behind the parameter; the parameter itself where there is
/// none.
fn end_of_units(tokens: &[Token<'_>], parameter: usize) -> usize {
    let is = |position: usize, words: &[&str]| tokens.get(position).is_some_and(|token| token.is_any(words));
    let mut end = parameter;
    if is(end + 1, &UNITS) {
        end += 1;
        if is(end + 1, &["to"]) && is(end + 2, &UNITS) {
            end += 2;
        }
        let has_precision = tokens.get(end + 1).is_some_and(|token| token.is_sign("("))
            && tokens.get(end + 2).is_some_and(|token| token.kind == Kind::Number)
            && tokens.get(end + 3).is_some_and(|token| token.is_sign(")"));
        if has_precision && tokens[end].is("second") {
            end += 3;
        }
    }
    end
}

/// `extract($1 FROM x)` → `pg_catalog.extract($1, x)`
fn extract(tokens: &[Token<'_>], position: usize) -> Vec<Edit> {
    let [word, open, field, from, ..] = &tokens[position..] else { return Vec::new() };
    let is_ours = word.is("extract")
        && open.is_sign("(")
        && matches!(field.kind, Kind::Parameter(_))
        && from.is("from");
    if !is_ours || position.checked_sub(1).is_some_and(|before| tokens[before].is_sign(".")) {
        return Vec::new();
    }
    vec![
        Edit { start: word.start, end: word.end(), text: "pg_catalog.extract".to_owned() },
        Edit { start: field.end(), end: from.end(), text: ",".to_owned() },
    ]
}

/// `normalize(x, $1)` → `pg_catalog.normalize(x, $1)`
fn normalize(tokens: &[Token<'_>], position: usize) -> Option<Edit> {
    let word = &tokens[position];
    let is_call = word.is("normalize") && tokens.get(position + 1).is_some_and(|token| token.is_sign("("));
    if !is_call || position.checked_sub(1).is_some_and(|before| tokens[before].is_sign(".")) {
        return None;
    }
    let close = closing(tokens, position + 1)?;
    let form = &tokens[close - 1];
    let is_form = matches!(form.kind, Kind::Parameter(_)) && tokens[close - 2].is_sign(",");
    is_form.then(|| Edit { start: word.start, end: word.end(), text: "pg_catalog.normalize".to_owned() })
}

/// The token that closes what the one at `open` opens.
pub fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (position, token) in tokens.iter().enumerate().skip(open) {
        if token.is_sign("(") || token.is_sign("[") {
            depth += 1;
        } else if token.is_sign(")") || token.is_sign("]") {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(position);
            }
        }
    }
    None
}

/// The token that opens what the one at `close` closes.
pub fn opening(tokens: &[Token<'_>], close: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for position in (0..=close).rev() {
        if tokens[position].is_sign(")") || tokens[position].is_sign("]") {
            depth += 1;
        } else if tokens[position].is_sign("(") || tokens[position].is_sign("[") {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(position);
            }
        }
    }
    None
}

/// PostgreSQL 18 writes `IN ($1 /*, ... */)` for a list of any length: `= ANY ($1)`, an array of unknown length, is
/// planned as what it was and not as one value.
fn shortened_list(tokens: &[Token<'_>], position: usize) -> Option<Vec<Edit>> {
    let [word, open, parameter, mark, close, ..] = &tokens[position..] else { return None };
    let is_list = word.is("in")
        && open.is_sign("(")
        && matches!(parameter.kind, Kind::Parameter(_))
        && mark.text == "/*, ... */"
        && close.is_sign(")");
    if !is_list {
        return None;
    }
    let before = position.checked_sub(1).map(|before| &tokens[before]);
    let (start, comparison) = match before {
        Some(not) if not.is("not") => (not.start, "<> ALL"),
        _ => (word.start, "= ANY"),
    };
    Some(vec![Edit { start, end: close.end(), text: format!("{comparison} ({})", parameter.text) }])
}
