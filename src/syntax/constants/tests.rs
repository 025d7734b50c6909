use proptest::prelude::*;

use super::*;

/// Replaces the constants that stand between « and »; what is behind | in them are names of their types.
fn replaced(marked: &str) -> String {
    let mut text = String::new();
    let mut constants = Vec::new();
    for (place, part) in marked.split('«').enumerate() {
        if place == 0 {
            text.push_str(part);
            continue;
        }
        let (constant, rest) = part.split_once('»').unwrap();
        let (literal, names) = constant.split_once('|').unwrap_or((constant, ""));
        let type_names = names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        constants.push(Constant { position: text.len(), type_names });
        text.push_str(literal);
        text.push_str(rest);
    }
    let result = parameterise(text.as_bytes(), &constants, 1, false);
    String::from_utf8(result.text).unwrap()
}

#[test]
fn literals_of_every_kind() {
    for (marked, expected) in [
        ("SELECT «1», «'a'», x", "SELECT $1, $2, x"),
        ("a = «'it''s'» AND b", "a = $1 AND b"),
        ("a = «E'it\\'s'» AND b", "a = $1 AND b"),
        ("a = «'\\'» AND b", "a = $1 AND b"),
        ("a = «$q$ it's $x$ $q$» AND b", "a = $1 AND b"),
        ("a = «$$it's$$»::date", "a = $1::date"),
        ("a = «U&'d!0061t' UESCAPE '!'» AND b", "a = $1 AND b"),
        ("a = «B'101'» AND b = «x'1F'» AND c = «N'n'»", "a = $1 AND b = $2 AND c = $3"),
        ("a > «-5» AND b > «- 5» AND c > d - «5»", "a > $1 AND b > $2 AND c > d - $3"),
        ("a > «1.5e-10» AND b < «.5» AND c < «1_000» LIMIT «10»", "a > $1 AND b < $2 AND c < $3 LIMIT $4"),
        ("a = «true» OR b = «NULL»", "a = $1 OR b = $2"),
        ("a = «'one'\n  'two'» AND b", "a = $1 AND b"),
        ("a /* '«'» */ = «1» -- 'x'\n AND b = «2»", "a /* '' */ = $1 -- 'x'\n AND b = $2"),
        ("\"it's\" = «1»", "\"it's\" = $1"),
        ("größe = «'größer'» AND b = «1»", "größe = $1 AND b = $2"),
    ] {
        let marked = marked.replace("'«'»", "''");
        assert_eq!(replaced(&marked), expected, "{marked}");
    }
}

#[test]
fn a_typed_literal_goes_with_its_type() {
    for (marked, expected) in [
        ("a < date «'2020-01-01'|date» + b", "a < $1 + b"),
        ("a < DATE «'2020-01-01'|date»", "a < $1"),
        ("a < pg_catalog.date «'2020-01-01'|date»", "a < $1"),
        ("now() - interval «'1 day'|interval»", "now() - $1"),
        ("now() - interval «'1'|interval» day AND x", "now() - $1 AND x"),
        ("now() - interval «'1 2'|interval» day to second (3) AND x", "now() - $1 AND x"),
        ("now() - interval (3) «'1'|interval» AND x", "now() - $1 AND x"),
        ("a < timestamp with time zone «'x'|timestamptz,timestamp with time zone»", "a < $1"),
        ("a < timestamp (3) with time zone «'x'|timestamptz,timestamp with time zone»", "a < $1"),
        ("a < timestamptz «'x'|timestamptz,timestamp with time zone»", "a < $1"),
        ("a < timestamp without time zone «'x'|timestamp,timestamp without time zone»", "a < $1"),
        ("a = numeric «'1.0'|numeric,decimal»", "a = $1"),
        ("a AT TIME ZONE «'UTC'|text»", "a AT TIME ZONE $1"),
        ("a LIKE «'x'|text» ESCAPE «'y'|text»", "a LIKE $1 ESCAPE $2"),
        ("date = «'2020-01-01'|date»", "date = $1"),
        ("CAST(«'2020-01-01'|date» AS date)", "CAST($1 AS date)"),
        ("a = «'1 day'|interval» day", "a = $1 day"),
        ("\"char\" «'x'|char»", "$1"),
    ] {
        assert_eq!(replaced(marked), expected, "{marked}");
    }
}

#[test]
fn what_no_parameter_can_stand_for_stays() {
    for text in ["extract(«'year'|text» FROM a)", "extract(«year|text» FROM a)", "normalize(a, «NFC|text»)"]
    {
        let plain = text.replace(['«', '»'], "").replace("|text", "");
        assert_eq!(replaced(text), plain);
    }
    assert_eq!(replaced("LIMIT «ALL»"), "LIMIT ALL");
}

#[test]
fn numbers_go_on_behind_the_parameters_that_are_there() {
    let constants = [7, 12, 12].map(|position| Constant { position, type_names: Vec::new() });
    let result = parameterise(b"SELECT 1, $1, 2", &constants, 2, false);
    assert_eq!(result.text, b"SELECT $2, $1, 2", "a place that is no token's is left alone");
    assert_eq!(result.replaced, [0]);
    let constants = [14, 7, 14].map(|position| Constant { position, type_names: Vec::new() });
    let result = parameterise(b"SELECT 1, $1, 2", &constants, 2, false);
    assert_eq!(result.text, b"SELECT $2, $1, $3");
    assert_eq!(result.replaced, [1, 0]);
}

#[test]
fn backslashes_escape_where_the_session_says_so() {
    let constants = [0, 7].map(|position| Constant { position, type_names: Vec::new() });
    assert_eq!(parameterise(br"'a\'b' 'c'", &constants, 1, true).text, b"$1 $2");
}

#[test]
fn the_query_that_another_statement_holds() {
    let held = |text: &str| text[start_of_held_query(text.as_bytes(), false)..].to_owned();
    assert_eq!(held("SELECT 1"), "SELECT 1");
    assert_eq!(held("PREPARE p AS SELECT 1"), "SELECT 1");
    assert_eq!(held("prepare as(int, text) AS SELECT a AS b FROM t"), "SELECT a AS b FROM t");
    assert_eq!(
        held("DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT a FROM t FOR UPDATE"),
        "SELECT a FROM t FOR UPDATE"
    );
    assert_eq!(held("PREPARE"), "PREPARE");
}

proptest! {
    #[test]
    fn no_text_breaks_it(text: Vec<u8>, positions in proptest::collection::vec(0usize..80, 0..8)) {
        let constants: Vec<Constant> = positions
            .into_iter()
            .map(|position| Constant { position, type_names: vec!["interval".to_owned()] })
            .collect();
        for backslash_escapes in [false, true] {
            let result = parameterise(&text, &constants, 1, backslash_escapes);
            prop_assert!(result.replaced.len() <= constants.len());
            start_of_held_query(&text, backslash_escapes);
        }
    }

    #[test]
    fn no_sql_like_text_breaks_it(text in "[a-z'\"$(),.;E\\\\ 0-9\n-]{0,40}", position in 0usize..40) {
        let constants = [Constant { position, type_names: vec!["a".to_owned()] }];
        parameterise(text.as_bytes(), &constants, 1, false);
        parameterise(text.as_bytes(), &constants, 1, true);
    }
}
