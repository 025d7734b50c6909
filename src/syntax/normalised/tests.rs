use super::*;
use crate::catalog::types::builtin;

fn repaired(text: &str) -> String {
    variants(text).swap_remove(0)
}

#[test]
fn literals_with_a_type_become_casts() {
    for (text, wanted) in [
        ("SELECT interval $1", "SELECT CAST($1 AS interval)"),
        ("SELECT d - INTERVAL $1 day (3)", "SELECT d - CAST($1 AS INTERVAL day) (3)"),
        ("SELECT interval $1 year to month + x", "SELECT CAST($1 AS interval year to month) + x"),
        ("SELECT interval $1 second(3)", "SELECT CAST($1 AS interval second(3))"),
        ("SELECT interval(3) $1", "SELECT CAST($1 AS interval(3))"),
        ("WHERE d >= date $2 AND e", "WHERE d >= CAST($2 AS date) AND e"),
        ("timestamp(3) with time zone $1", "CAST($1 AS timestamp(3) with time zone)"),
        ("timestamp without time zone $1", "CAST($1 AS timestamp without time zone)"),
        ("double precision $1", "CAST($1 AS double precision)"),
        ("character varying (10) $1", "CAST($1 AS character varying (10))"),
        ("numeric(10, 2) $1", "CAST($1 AS numeric(10, 2))"),
        ("SELECT app.colour $1", "SELECT CAST($1 AS app.colour)"),
        ("SELECT /* a */ date /* b */ $1", "SELECT /* a */ CAST($1 AS date)"),
    ] {
        assert_eq!(repaired(text), wanted, "{text}");
    }
}

#[test]
fn what_only_looks_like_a_typed_literal_stays() {
    for text in [
        "SELECT a AT TIME ZONE $1",
        "SELECT a FROM t WHERE b BETWEEN $1 AND $2 LIMIT $3",
        "SELECT a OPERATOR(pg_catalog.+) $1",
        "SELECT f(b) OVER (ROWS $1 PRECEDING)",
        "SELECT 'date $1', \"date\"",
        "FETCH FIRST $1 ROWS ONLY",
        "SELECT x'1f'",
        "SELECT a LIKE $1 ESCAPE $2",
        "SELECT CAST($1 AS date)",
        "SELECT time FROM t",
        "SELECT xmlparse(DOCUMENT $1)",
    ] {
        assert_eq!(variants(text), [text], "{text}");
    }
}

#[test]
fn fields_and_forms_become_arguments() {
    assert_eq!(repaired("SELECT extract($1 FROM a + b)"), "SELECT pg_catalog.extract($1, a + b)");
    assert_eq!(
        repaired("SELECT EXTRACT( $1 from date $2)"),
        "SELECT pg_catalog.extract( $1, CAST($2 AS date))"
    );
    assert_eq!(repaired("SELECT extract(year FROM a)"), "SELECT extract(year FROM a)");
    assert_eq!(repaired("SELECT normalize(a, $1)"), "SELECT pg_catalog.normalize(a, $1)");
    assert_eq!(repaired("SELECT normalize(a)"), "SELECT normalize(a)");
    assert_eq!(repaired("SELECT substring(a from $1 for $2)"), "SELECT substring(a from $1 for $2)");
}

#[test]
fn shortened_lists_become_arrays() {
    assert_eq!(repaired("WHERE a IN ($1 /*, ... */) AND b"), "WHERE a = ANY ($1) AND b");
    assert_eq!(repaired("WHERE a NOT IN ($1 /*, ... */)"), "WHERE a <> ALL ($1)");
    for text in ["WHERE a IN ($1)", "WHERE (a, b) IN (($1, $2) /*, ... */)", "SELECT ARRAY[$1 /*, ... */]"] {
        assert_eq!(variants(text), [text], "{text}");
    }
    // Should the grammar not take it, the list is still there.
    assert!(variants("WHERE a IN ($1 /*, ... */)").contains(&"WHERE a IN ($1 /*, ... */)".to_owned()));
}

#[test]
fn no_text_breaks_it() {
    for text in [
        "",
        "$",
        "$1",
        "interval",
        "extract(",
        "extract($1 from",
        "in ($1 /*, ... */",
        ") $1",
        "(3) $1",
        "zone $1",
        "time zone $1",
        "with time zone $1",
        "precision $1",
        "varying $1",
        ". a $1",
        "normalize(",
        "é $1",
        "normalize($1)",
        "date $99999999999999999999",
    ] {
        for variant in variants(text) {
            for sqlstate in ["42725", "42P18", "42883"] {
                for position in [None, Some(1), Some(2), Some(1000)] {
                    let failure = Failure { sqlstate: sqlstate.to_owned(), position };
                    let _ = types::choices(&variant, &failure, &[]);
                }
            }
        }
        subject_of(text);
    }
}

/// The choices where the server stops at `mark` in the text.
fn choices(text: &str, sqlstate: &str, mark: &str) -> Vec<types::Choice> {
    let position = text.find(mark).map(|byte| text[..byte].chars().count() + 1);
    types::choices(text, &Failure { sqlstate: sqlstate.to_owned(), position }, &[])
}

#[test]
fn operands_get_types() {
    let first = |text, mark| choices(text, "42725", mark).swap_remove(0);
    assert_eq!(first("SELECT é, $1 + $2", "+"), [(1, builtin::INT4), (2, builtin::INT4)]);
    assert_eq!(first("SELECT d + $1", "+"), [(1, builtin::INT4)]);
    assert_eq!(first("SELECT - $1", "-"), [(1, builtin::INT4)]);
    assert_eq!(first("SELECT ($1) * -($2)", "*"), [(1, builtin::INT4), (2, builtin::INT4)]);
    // What a cast decides is decided.
    assert_eq!(first("SELECT $1::date + $2", "+"), [(2, builtin::INT4)]);
    assert_eq!(first("SELECT CAST($1 AS date) + $2", "+"), [(2, builtin::INT4)]);
    assert!(choices("SELECT CASE WHEN a THEN $1 ELSE $2 END / $3", "42725", "/").contains(&vec![
        (1, builtin::NUMERIC),
        (2, builtin::NUMERIC),
        (3, builtin::NUMERIC)
    ]));
}

#[test]
fn arguments_get_types() {
    for (text, values) in [
        ("SELECT sum(CASE WHEN a = $1 THEN $2 ELSE $3 END)", [2, 3]),
        ("SELECT sum(CASE WHEN a IN ($1, $2) THEN $3 ELSE $4 * b END)", [3, 4]),
        ("SELECT sum(CASE WHEN a BETWEEN $1 AND $2 OR b <> $3 THEN $4 ELSE $5 END)", [4, 5]),
    ] {
        let sum = choices(text, "42883", "sum");
        assert_eq!(sum[0], values.map(|parameter| (parameter, builtin::NUMERIC)), "{text}");
    }
    let series = choices("SELECT * FROM generate_series($1, $2)", "42725", "generate_series");
    assert_eq!(series[0], [(1, builtin::INT4), (2, builtin::INT4)]);
    let part = choices("SELECT substr($1, $2)", "42725", "substr");
    assert!(part.contains(&vec![(1, builtin::TEXT), (2, builtin::INT4)]));
}

#[test]
fn names_lead_to_what_they_stand_for() {
    let text =
        "SELECT sum(s.net) FROM (SELECT a, CASE WHEN b THEN $1 ELSE $2 END AS net FROM t WHERE c = $3) s";
    assert_eq!(choices(text, "42883", "sum")[0], [(1, builtin::NUMERIC), (2, builtin::NUMERIC)]);
    let text = "WITH RECURSIVE r (m, n) AS (SELECT $1, $2 + f($3, $4) UNION ALL SELECT m, n + a FROM r) SELECT m FROM r";
    assert_eq!(choices(text, "42883", "+ a")[0], [2, 3, 4].map(|parameter| (parameter, builtin::NUMERIC)));
}

/// A server that knows `$1 + $2` only for numerics.
fn picky(text: &str, known: &[Oid], asked: &mut usize) -> Result<String, Failure> {
    *asked += 1;
    if known.iter().filter(|&&oid| oid == builtin::NUMERIC).count() == 2 {
        Ok(text.to_owned())
    } else {
        Err(Failure { sqlstate: "42725".to_owned(), position: text.find('+').map(|byte| byte + 1) })
    }
}

#[test]
fn the_search_finds_what_there_is_and_ends_where_there_is_nothing() {
    let mut asked = 0;
    let found =
        analysed("SELECT $1 + $2", &mut |text, known| picky(text, known, &mut asked), &Failure::clone);
    assert_eq!(found.as_deref(), Ok("SELECT $1 + $2"));
    assert_eq!(asked, 3);

    let (mut asked, mut place) = (0, 0);
    let never = |_: &str, _: &[Oid]| -> Result<(), Failure> {
        asked += 1;
        place = place % 9 + 8;
        Err(Failure { sqlstate: "42725".to_owned(), position: Some(place) })
    };
    let refused = analysed("SELECT $1 + $2 - $3 * $4 / $5 + $6", &mut { never }, &Failure::clone);
    assert!(refused.is_err());
    assert!(asked <= MOST_ATTEMPTS + 1, "{asked}");
}

#[test]
fn a_list_that_the_grammar_does_not_take_stays_a_list() {
    let text = "SELECT a = b IN ($1 /*, ... */)";
    let found = analysed(
        text,
        &mut |text, _| if text.contains("ANY") { Err(syntax()) } else { Ok(text.to_owned()) },
        &Failure::clone,
    );
    assert_eq!(found.as_deref(), Ok(text));
}

fn syntax() -> Failure {
    Failure { sqlstate: "42601".to_owned(), position: Some(1) }
}

#[test]
fn subjects_are_told_apart() {
    for (text, subject) in [
        ("SELECT * FROM orders WHERE id = $1", Subject::Data),
        ("(SELECT 1)", Subject::Data),
        ("SELECT f($1)", Subject::Data),
        ("SELECT pg_catalog.pg_stat_reset()", Subject::Catalogs),
        ("SELECT pg_sleep($1) FROM orders", Subject::Data),
        ("SELECT * FROM pg_class c JOIN orders o ON true", Subject::Data),
        ("SELECT * FROM pg_class, orders", Subject::Data),
        ("INSERT INTO orders SELECT * FROM pg_class", Subject::Data),
        ("UPDATE orders SET a = $1", Subject::Data),
        ("WITH x AS (SELECT * FROM orders) SELECT * FROM x, pg_class", Subject::Data),
        ("WITH x AS (SELECT * FROM pg_class) SELECT * FROM x", Subject::Catalogs),
        ("SELECT * FROM pg_catalog.pg_class c LEFT JOIN pg_namespace n ON true", Subject::Catalogs),
        ("select relname from pg_stat_user_tables where a is distinct from b", Subject::Catalogs),
        ("SELECT * FROM information_schema.tables", Subject::Catalogs),
        ("SELECT * FROM dbm.audit()", Subject::Ourselves),
        ("SELECT dbm . score()", Subject::Ourselves),
        ("SELECT 'dbm.audit'", Subject::Data),
        ("BEGIN", Subject::Utility),
        ("/* a */ VACUUM orders", Subject::Utility),
        ("EXPLAIN SELECT 1", Subject::Utility),
        ("", Subject::Utility),
        ("-- only a comment", Subject::Utility),
        ("VALUES (1)", Subject::Data),
        ("MERGE INTO orders USING pg_class ON true WHEN MATCHED THEN DELETE", Subject::Data),
    ] {
        assert_eq!(subject_of(text), subject, "{text}");
    }
}
