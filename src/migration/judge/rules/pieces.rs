//! Pieces of a statement's text, and statements made of them: what the safe way keeps of what somebody wrote.

use crate::catalog::ddl::Touched;
use crate::syntax::tokens::{Token, tokens};
use crate::text::identifier::{quote_identifier, unused_name};

/// The words with which the next clause of a column definition or a constraint begins.
const CLAUSES: [&str; 14] = [
    "constraint",
    "not",
    "null",
    "check",
    "unique",
    "primary",
    "references",
    "default",
    "generated",
    "deferrable",
    "initially",
    "collate",
    "storage",
    "compression",
];

/// `ALTER TABLE` with that sub-command.
pub fn alter_table(table: &str, command: &str) -> String {
    format!("ALTER TABLE {table} {command}")
}

/// A name of these parts that fits into 63 bytes, not quoted.
pub fn name_of(parts: &[&str]) -> String {
    unused_name(parts, |_| false)
}

/// Columns as they stand between parentheses.
pub fn column_list(columns: &[String]) -> String {
    columns.iter().map(|column| quote_identifier(column)).collect::<Vec<_>>().join(", ")
}

/// The tokens that stand in no parentheses.
fn outer_tokens(text: &str) -> Vec<Token<'_>> {
    let mut depth = 0_i32;
    let mut outer = Vec::new();
    for token in tokens(text) {
        if token.is_sign(")") || token.is_sign("]") {
            depth -= 1;
        }
        if depth == 0 {
            outer.push(token);
        }
        if token.is_sign("(") || token.is_sign("[") {
            depth += 1;
        }
    }
    outer
}

/// What stands behind DEFAULT, up to the next clause.
pub fn default_expression(text: &str) -> Option<String> {
    let outer = outer_tokens(text);
    let place = outer.iter().position(|token| token.is("default"))?;
    let first = outer.get(place + 1)?;
    let end = outer[place + 2..].iter().find(|token| token.is_any(&CLAUSES));
    let end = end.map_or(text.len(), |token| token.start);
    Some(text[first.start..end].trim().to_owned())
}

/// What stands in the first parentheses behind that word.
pub fn in_parentheses(text: &str, word: &str) -> Option<String> {
    let outer = outer_tokens(text);
    let place = outer.iter().position(|token| token.is(word))?;
    let open = place + outer[place..].iter().position(|token| token.is_sign("("))?;
    let close = outer[open + 1..].iter().find(|token| token.is_sign(")"))?;
    Some(text[outer[open].end()..close.start].trim().to_owned())
}

/// Whether these words stand one after the other, in no parentheses.
pub fn says(text: &str, words: &[&str]) -> bool {
    outer_tokens(text)
        .windows(words.len())
        .any(|window| window.iter().zip(words).all(|(token, word)| token.is(word)))
}

/// The text with more behind the first such word; unchanged where the word is missing.
pub fn with_behind(text: &str, word: &str, more: &str) -> String {
    match outer_tokens(text).iter().find(|token| token.is(word)) {
        Some(token) => format!("{} {more}{}", &text[..token.end()], &text[token.end()..]),
        None => text.to_owned(),
    }
}

/// The text without the first such word.
pub fn without(text: &str, word: &str) -> String {
    match outer_tokens(text).iter().find(|token| token.is(word)) {
        Some(token) => format!("{}{}", text[..token.start].trim_end(), &text[token.end()..]),
        None => text.to_owned(),
    }
}

/// The text with another word in the place of the last such one.
pub fn with_instead(text: &str, word: &str, other: &str) -> Option<String> {
    let outer = outer_tokens(text);
    let token = outer.iter().rev().find(|token| token.is(word))?;
    Some(format!("{}{other}{}", &text[..token.start], &text[token.end()..]))
}

/// A constraint as it is written, with the name by which the next step calls it.
pub fn named_constraint(text: &str, name: &str) -> String {
    if outer_tokens(text).iter().any(|token| token.is("constraint")) {
        return text.to_owned();
    }
    with_behind(text, "add", &format!("CONSTRAINT {}", quote_identifier(name)))
}

/// `FOR VALUES …` or `DEFAULT`, the bounds of CREATE TABLE … PARTITION OF.
pub fn partition_bounds(text: &str) -> Option<String> {
    let outer = outer_tokens(text);
    let of = outer.windows(2).position(|pair| pair[0].is("partition") && pair[1].is("of"))?;
    let first = of + 2 + outer[of + 2..].iter().position(|token| token.is_any(&["for", "default"]))?;
    let end = outer[first..].iter().find(|token| token.is_any(&["partition", "with", "using", "tablespace"]));
    // WITH stands in the bounds of a hash partition, too, but between parentheses.
    let is_hash = outer.get(first + 2).is_some_and(|token| token.is("with"));
    let end = match end {
        Some(_) if is_hash => outer[first + 3..]
            .iter()
            .find(|token| token.is_any(&["partition", "with", "using", "tablespace"]))
            .map_or(text.len(), |token| token.start),
        Some(token) => token.start,
        None => text.len(),
    };
    Some(text[outer[first].start..end].trim().trim_end_matches(';').trim().to_owned())
}

/// ADD COLUMN with nothing but name and type.
pub fn add_bare_column(table: &str, column: &str, type_name: &str) -> String {
    alter_table(table, &format!("ADD COLUMN {} {type_name}", quote_identifier(column)))
}

/// The call that fills a column in batches.
pub fn backfill(table: &str, column: &str, expression: &str) -> String {
    use crate::text::identifier::quote_literal;
    let column = quote_identifier(column);
    format!(
        "CALL dbm.backfill({}, {}, {})",
        quote_literal(table),
        quote_literal(&format!("{column} = {expression}")),
        quote_literal(&format!("{column} IS NULL"))
    )
}

/// The call that writes the whole way as a plan.
pub fn migration_plan(statement: &str) -> String {
    use crate::text::identifier::quote_literal;
    format!("SELECT dbm.migration_plan({})", quote_literal(statement))
}

/// SET NOT NULL that reads the rows while everybody works. `known` is a constraint that says so and awaits VALIDATE.
pub fn not_null_steps(table: &Touched, column: &str, version: i32, known: Option<&str>) -> Vec<String> {
    let qualified = table.qualified();
    let quoted = quote_identifier(column);
    let set = alter_table(&qualified, &format!("ALTER COLUMN {quoted} SET NOT NULL"));
    let validate =
        |name: &str| alter_table(&qualified, &format!("VALIDATE CONSTRAINT {}", quote_identifier(name)));
    if let Some(name) = known {
        return vec![validate(name), set];
    }
    if version >= 180_000 {
        let name = name_of(&[&table.name, column, "not_null"]);
        let add = format!("ADD CONSTRAINT {} NOT NULL {quoted} NOT VALID", quote_identifier(&name));
        return vec![alter_table(&qualified, &add), validate(&name)];
    }
    let name = name_of(&["chk", &table.name, column, "not_null"]);
    let constraint = quote_identifier(&name);
    vec![
        alter_table(
            &qualified,
            &format!("ADD CONSTRAINT {constraint} CHECK ({quoted} IS NOT NULL) NOT VALID"),
        ),
        validate(&name),
        set,
        alter_table(&qualified, &format!("DROP CONSTRAINT {constraint}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::judge::sample::table;

    #[test]
    fn a_default_ends_at_the_next_clause() {
        for (text, expected) in [
            ("ADD COLUMN a uuid DEFAULT gen_random_uuid()", Some("gen_random_uuid()")),
            (
                "ADD a text DEFAULT concat('not null', random()) NOT NULL",
                Some("concat('not null', random())"),
            ),
            ("ADD a int DEFAULT NULL CHECK (a > 0)", Some("NULL")),
            ("ADD \"default\" int", None),
            ("ADD a int default (1 + random()) references b", Some("(1 + random())")),
        ] {
            assert_eq!(default_expression(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn parentheses_are_matched() {
        assert_eq!(in_parentheses("ADD CHECK ((a) > 0) NOT VALID", "check").as_deref(), Some("(a) > 0"));
        assert_eq!(in_parentheses("ADD a int DEFAULT f(1) CHECK (a > 0)", "check").as_deref(), Some("a > 0"));
        assert_eq!(in_parentheses("ADD a int", "check"), None);
    }

    #[test]
    fn words_are_put_in_and_taken_out() {
        assert_eq!(
            with_behind("create unique index i on t(a)", "index", "CONCURRENTLY"),
            "create unique index CONCURRENTLY i on t(a)"
        );
        assert_eq!(without("CREATE INDEX CONCURRENTLY i ON t(a)", "concurrently"), "CREATE INDEX i ON t(a)");
        assert_eq!(
            with_instead("ADD a int GENERATED ALWAYS AS (b) stored", "stored", "VIRTUAL").as_deref(),
            Some("ADD a int GENERATED ALWAYS AS (b) VIRTUAL")
        );
        assert!(says("ADD UNIQUE NULLS NOT DISTINCT (a)", &["nulls", "not", "distinct"]));
    }

    #[test]
    fn a_constraint_without_a_name_gets_one() {
        assert_eq!(named_constraint("ADD CHECK (a > 0)", "chk_t"), "ADD CONSTRAINT chk_t CHECK (a > 0)");
        assert_eq!(
            named_constraint("ADD CONSTRAINT b CHECK (a > 0)", "chk_t"),
            "ADD CONSTRAINT b CHECK (a > 0)"
        );
    }

    #[test]
    fn not_null_by_version_and_by_what_is_there() {
        let acct = table("acct");
        assert_eq!(
            not_null_steps(&acct, "City", 150_000, None),
            [
                "ALTER TABLE public.acct ADD CONSTRAINT \"chk_acct_City_not_null\" CHECK (\"City\" IS NOT NULL) NOT VALID",
                "ALTER TABLE public.acct VALIDATE CONSTRAINT \"chk_acct_City_not_null\"",
                "ALTER TABLE public.acct ALTER COLUMN \"City\" SET NOT NULL",
                "ALTER TABLE public.acct DROP CONSTRAINT \"chk_acct_City_not_null\"",
            ]
        );
        assert_eq!(
            not_null_steps(&acct, "city", 180_000, None),
            [
                "ALTER TABLE public.acct ADD CONSTRAINT acct_city_not_null NOT NULL city NOT VALID",
                "ALTER TABLE public.acct VALIDATE CONSTRAINT acct_city_not_null",
            ]
        );
        assert_eq!(not_null_steps(&acct, "city", 150_000, Some("nn")).len(), 2);
    }

    #[test]
    fn bounds_are_found() {
        for (text, expected) in [
            ("CREATE TABLE a PARTITION OF b DEFAULT", Some("DEFAULT")),
            (
                "create table a partition of b for values in (1, 2) partition by range (c)",
                Some("for values in (1, 2)"),
            ),
            (
                "CREATE TABLE a PARTITION OF b FOR VALUES WITH (MODULUS 4, REMAINDER 1) TABLESPACE t",
                Some("FOR VALUES WITH (MODULUS 4, REMAINDER 1)"),
            ),
            ("CREATE TABLE a (b int DEFAULT 1)", None),
        ] {
            assert_eq!(partition_bounds(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn calls_are_quoted() {
        assert_eq!(
            backfill("public.acct", "a", "'x'"),
            "CALL dbm.backfill('public.acct', 'a = ''x''', 'a IS NULL')"
        );
    }
}
