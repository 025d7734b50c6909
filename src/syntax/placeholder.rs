//! Placeholders in SQL that the server printed: where they are, what stands there instead.

/// What takes a placeholder's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The placeholder alone, each time that it is there: ORDER BY repeats what the select list says.
    Itself,
    /// The placeholder with the parentheses directly around it, if there are any.
    Wrapped,
    /// All that is within the parentheses around it.
    Parentheses,
    /// The whole text.
    All,
    /// The relation that it is, with its alias and the comma before it: `, CAST($n AS text) name(column)`.
    Relation,
}

/// One placeholder to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The number of the parameter that holds the place.
    pub number: i32,
    /// How much is replaced.
    pub extent: Extent,
    /// By what.
    pub sql: String,
}

/// The name and the column of a relation that holds a place.
pub const RELATION_COLUMN: &str = "c";

/// The name of the relation that holds a place.
pub fn relation_name(number: i32) -> String {
    format!("place_{number}")
}

/// The text between two placeholders, with the commas that part it from them: `$a, text, $b`.
pub fn between(sql: &str, first: i32, second: i32) -> Option<&str> {
    let found = places(sql);
    let (_, start) =
        found.iter().find(|place| place.number == first).map(|place| (place.start, place.end))?;
    let end = found.iter().find(|place| place.number == second)?.start;
    let inner = sql.get(start..end)?.trim();
    Some(inner.strip_prefix(',')?.strip_suffix(',')?.trim())
}

/// Replaces every placeholder; `None` where one is not there, or not as it must be.
pub fn replace(sql: &str, replacements: &[Replacement]) -> Option<String> {
    let found = places(sql);
    let mut spans = Vec::new();
    for replacement in replacements {
        let of_it: Vec<&Place> = found.iter().filter(|place| place.number == replacement.number).collect();
        if replacement.extent == Extent::Itself && !of_it.is_empty() {
            spans.extend(of_it.iter().map(|place| ((place.start, place.end), &replacement.sql)));
            continue;
        }
        let [place] = of_it.as_slice() else { return None };
        let span = match replacement.extent {
            Extent::Itself => (place.start, place.end),
            Extent::Wrapped => match place.parentheses {
                Some((start, end)) if (start, end) == (place.start, place.end) => (start - 1, end + 1),
                _ => (place.start, place.end),
            },
            Extent::Parentheses => place.parentheses?,
            Extent::All => (0, sql.len()),
            Extent::Relation => relation(sql, place)?,
        };
        spans.push((span, &replacement.sql));
    }
    spans.sort_by_key(|(span, _)| *span);
    let mut result = String::with_capacity(sql.len());
    let mut done = 0;
    for ((start, end), text) in spans {
        result.push_str(sql.get(done..start)?);
        result.push_str(text);
        done = end;
    }
    result.push_str(sql.get(done..)?);
    Some(result)
}

/// The comma, the cast and the alias around a placeholder that is a relation.
fn relation(sql: &str, place: &Place) -> Option<(usize, usize)> {
    let before = sql.get(..place.start)?.strip_suffix("CAST(")?.trim_end();
    let before = before.strip_suffix("LATERAL").unwrap_or(before).trim_end().strip_suffix(',')?;
    let after = format!(" AS text) {}({RELATION_COLUMN})", relation_name(place.number));
    sql.get(place.end..)?.starts_with(&after).then_some((before.len(), place.end + after.len()))
}

/// A parameter in a text.
struct Place {
    number: i32,
    start: usize,
    end: usize,
    /// From behind the innermost parenthesis around it up to where it closes.
    parentheses: Option<(usize, usize)>,
}

/// The parameters in a text, those in literals and quoted names left out.
fn places(sql: &str) -> Vec<Place> {
    let bytes = sql.as_bytes();
    let mut found: Vec<Place> = Vec::new();
    // Each open parenthesis: where it is, and the parameters directly within it.
    let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            // A doubled quote within ends one literal and begins another, which comes to the same.
            b'\'' | b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|&next| next != byte) {
                    at += 1;
                }
            }
            b'(' => open.push((at + 1, Vec::new())),
            b')' => {
                if let Some((start, inside)) = open.pop() {
                    for place in inside {
                        if let Some(place) = found.get_mut(place) {
                            place.parentheses = Some((start, at));
                        }
                    }
                }
            }
            b'$' => {
                let end = (at + 1..).find(|&next| !bytes.get(next).is_some_and(u8::is_ascii_digit));
                let end = end.unwrap_or(at + 1);
                if let Some(number) = sql.get(at + 1..end).and_then(|digits| digits.parse().ok()) {
                    if let Some((_, inside)) = open.last_mut() {
                        inside.push(found.len());
                    }
                    found.push(Place { number, start: at, end, parentheses: None });
                    at = end;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(sql: &str, extent: Extent) -> Option<String> {
        replace(sql, &[Replacement { number: 900, extent, sql: "new".to_owned() }])
    }

    #[test]
    fn literals_and_names_hold_no_placeholder() {
        assert_eq!(
            replaced("SELECT '$900 ''$900', \"$900\" FROM t WHERE $900", Extent::Itself).as_deref(),
            Some("SELECT '$900 ''$900', \"$900\" FROM t WHERE new")
        );
        assert_eq!(replaced("SELECT $9001, $90", Extent::Itself), None);
        assert_eq!(
            replaced("SELECT $900 ORDER BY ($900)", Extent::Itself).as_deref(),
            Some("SELECT new ORDER BY (new)")
        );
        assert_eq!(replaced("SELECT f($900, $900)", Extent::Parentheses), None);
        assert_eq!(
            replaced("SELECT 1 ORDER BY ($900)", Extent::Wrapped).as_deref(),
            Some("SELECT 1 ORDER BY new")
        );
        assert_eq!(
            replaced("SELECT 1 ORDER BY $900", Extent::Wrapped).as_deref(),
            Some("SELECT 1 ORDER BY new")
        );
    }

    #[test]
    fn what_is_in_the_parentheses_around() {
        assert_eq!(
            replaced("SELECT (1) FROM ( SELECT\n WHERE $900 AND f(')')) s WHERE (2)", Extent::Parentheses)
                .as_deref(),
            Some("SELECT (1) FROM (new) s WHERE (2)")
        );
        assert_eq!(replaced("SELECT $900", Extent::Parentheses), None);
    }

    #[test]
    fn a_relation_with_its_comma() {
        assert_eq!(
            replaced("FROM a,\n LATERAL CAST($900 AS text) place_900(c)\n WHERE x", Extent::Relation)
                .as_deref(),
            Some("FROM anew\n WHERE x")
        );
        assert_eq!(replaced("FROM CAST($900 AS text) place_900(c)", Extent::Relation), None);
    }

    #[test]
    fn what_stands_between() {
        assert_eq!(between("LIMIT ARRAY[$1, f(a, '$2'), $2]", 1, 2), Some("f(a, '$2')"));
        assert_eq!(between("LIMIT ARRAY[$1]", 1, 2), None);
    }
}
