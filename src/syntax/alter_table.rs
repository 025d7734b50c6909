//! The text of ALTER TABLE and its like, cut into sub-commands.

use super::tokens::{Kind, Token, tokens};

/// The sub-commands as they are written, without the commas between them; `None` where the text is none of an ALTER of
/// a relation.
pub fn sub_commands(text: &str) -> Option<Vec<&str>> {
    let tokens = significant(text);
    let mut rest = behind_name(&tokens)?;
    let mut commands = Vec::new();
    loop {
        let length = end_of_command(rest);
        let (first, last) = (rest.first()?, rest[..length].last()?);
        commands.push(&text[first.start..last.end()]);
        match rest.get(length) {
            Some(comma) if comma.is_sign(",") => rest = &rest[length + 1..],
            _ => return Some(commands),
        }
    }
}

/// What stands behind these words, which follow one another outside of parentheses: `USING` for what TYPE converts by.
pub fn behind<'a>(command: &'a str, words: &[&str]) -> Option<&'a str> {
    let tokens = significant(command);
    let mut depth = 0_usize;
    for (position, token) in tokens.iter().enumerate() {
        depth = depth_behind(depth, token);
        let follows = || {
            words
                .iter()
                .enumerate()
                .all(|(ahead, word)| tokens.get(position + ahead).is_some_and(|t| t.is(word)))
        };
        if depth == 0 && follows() {
            let first = tokens.get(position + words.len())?;
            let last = tokens.last()?;
            return Some(&command[first.start..last.end()]);
        }
    }
    None
}

fn significant(text: &str) -> Vec<Token<'_>> {
    tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect()
}

fn depth_behind(depth: usize, token: &Token<'_>) -> usize {
    if token.is_sign("(") || token.is_sign("[") {
        depth + 1
    } else if token.is_sign(")") || token.is_sign("]") {
        depth.saturating_sub(1)
    } else {
        depth
    }
}

/// How many tokens stand before the next comma or semicolon outside of parentheses.
fn end_of_command(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0;
    for (position, token) in tokens.iter().enumerate() {
        depth = depth_behind(depth, token);
        if depth == 0 && (token.is_sign(",") || token.is_sign(";")) {
            return position;
        }
    }
    tokens.len()
}

/// What follows the relation's name.
fn behind_name<'a, 'b>(tokens: &'b [Token<'a>]) -> Option<&'b [Token<'a>]> {
    let mut rest = tokens;
    expect(&mut rest, "ALTER").then_some(())?;
    let is_known = if expect(&mut rest, "MATERIALIZED") {
        expect(&mut rest, "VIEW")
    } else if expect(&mut rest, "FOREIGN") {
        expect(&mut rest, "TABLE")
    } else {
        ["TABLE", "INDEX", "VIEW", "SEQUENCE", "TYPE"].into_iter().any(|word| expect(&mut rest, word))
    };
    is_known.then_some(())?;
    if rest.first().is_some_and(|token| token.is("IF")) && rest.get(1).is_some_and(|token| token.is("EXISTS"))
    {
        rest = &rest[2..];
    }
    // ONLY is reserved: a relation of that name stands in quotes.
    expect(&mut rest, "ONLY");
    let is_in_parentheses = expect_sign(&mut rest, "(");
    loop {
        let name = rest.first().filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted))?;
        let may_be_escaped = name.kind == Kind::Quoted;
        rest = &rest[1..];
        if may_be_escaped && expect(&mut rest, "UESCAPE") {
            rest = rest.get(1..)?;
        }
        if !expect_sign(&mut rest, ".") {
            break;
        }
    }
    if is_in_parentheses {
        expect_sign(&mut rest, ")").then_some(())?;
    }
    expect_sign(&mut rest, "*");
    Some(rest)
}

fn expect(tokens: &mut &[Token<'_>], word: &str) -> bool {
    step(tokens, |token| token.is(word))
}

fn expect_sign(tokens: &mut &[Token<'_>], sign: &str) -> bool {
    step(tokens, |token| token.is_sign(sign))
}

fn step(tokens: &mut &[Token<'_>], is_it: impl Fn(&Token<'_>) -> bool) -> bool {
    match tokens.split_first() {
        Some((first, rest)) if is_it(first) => {
            *tokens = rest;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        sub_commands(text).unwrap_or_default()
    }

    #[test]
    fn commas_inside_of_something_part_nothing() {
        assert_eq!(
            split(
                "alter table if exists only \"a.b\".\"t,\"\"x\" * /* , */ ADD COLUMN a numeric(10,2) DEFAULT f(1, 2), \
                 -- a comment, with a comma\n  DROP \"c,d\" , ADD e text DEFAULT $q$x,y$q$ ,ALTER f TYPE int[] USING ARRAY[1,2], \
                 add g text default 'it''s, so';"
            ),
            [
                "ADD COLUMN a numeric(10,2) DEFAULT f(1, 2)",
                "DROP \"c,d\"",
                "ADD e text DEFAULT $q$x,y$q$",
                "ALTER f TYPE int[] USING ARRAY[1,2]",
                "add g text default 'it''s, so'",
            ]
        );
    }

    #[test]
    fn every_kind_of_relation() {
        for head in [
            "ALTER TABLE t",
            "ALTER TABLE ONLY (s.t)",
            "ALTER TABLE db.s.t",
            "ALTER TABLE U&\"d!0061t\" UESCAPE '!'",
            "ALTER INDEX IF EXISTS s.i",
            "ALTER VIEW v",
            "ALTER MATERIALIZED VIEW v",
            "ALTER SEQUENCE s",
            "ALTER FOREIGN TABLE f",
            "/* why */ ALTER TYPE y",
        ] {
            assert_eq!(split(&format!("{head} OWNER TO me")), ["OWNER TO me"], "{head}");
        }
        for other in [
            "",
            "ALTER",
            "ALTER TABLE",
            "ALTER TABLE t",
            "ALTER TABLE t ADD a int,",
            "DROP TABLE t",
            "ALTER ROLE r",
        ] {
            assert_eq!(sub_commands(other), None, "{other}");
        }
    }

    #[test]
    fn finds_what_follows_words() {
        let command = "ALTER a TYPE t(using) USING (b + 1) /* behind */";
        assert_eq!(behind(command, &["USING"]), Some("(b + 1)"));
        assert_eq!(behind("ALTER a SET DEFAULT now() - 'x'", &["SET", "DEFAULT"]), Some("now() - 'x'"));
        assert_eq!(behind("ALTER a TYPE int", &["USING"]), None);
    }
}
