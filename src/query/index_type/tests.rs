use super::*;
use crate::catalog::access::ColumnProfile;
use crate::catalog::target::{Methods, Situation, Target, Values};

fn target(name: &str, type_name: &str, values: Values, methods: Methods) -> Target {
    Target {
        profile: ColumnProfile {
            number: 1,
            name: name.into(),
            width: 8.0,
            distinct: Some(500_000.0),
            correlation: Some(0.1),
            ..ColumnProfile::default()
        },
        type_name: type_name.into(),
        values,
        methods,
        compares_bytes: false,
        most_common_share: 0.0,
    }
}

const ORDERED: Methods =
    Methods { btree: true, hash: true, gin: false, gist: false, spgist: false, brin: true };

fn number(name: &str) -> Target {
    target(name, "bigint", Values::Ordered, ORDERED)
}

fn text(name: &str) -> Target {
    target(name, "text", Values::Text, Methods { spgist: true, ..ORDERED })
}

fn situation(columns: Vec<Target>) -> Situation {
    Situation {
        table: "public.t".into(),
        rows: 1_000_000.0,
        pages: 100_000.0,
        columns,
        trigram: None,
        has_trigram_package: true,
    }
}

fn best(situation: &Situation, purpose: Purpose) -> (Form, String) {
    let choices = choose(situation, purpose);
    let best = choices.first().expect("always a line");
    let count = choices.iter().filter(|choice| choice.verdict == Verdict::Best).count();
    assert_eq!((best.verdict, count), (Verdict::Best, 1), "{choices:#?}");
    (best.form, best.definition.clone().expect("what is best can be created"))
}

#[test]
fn numbers_get_a_btree() {
    let situation = situation(vec![number("id")]);
    assert_eq!(best(&situation, Purpose::Equality), (Form::Btree, "CREATE INDEX ON public.t (id)".into()));
    assert_eq!(
        best(&situation, Purpose::Unique),
        (Form::Btree, "CREATE UNIQUE INDEX ON public.t (id)".into())
    );
    assert_eq!(best(&situation, Purpose::Any).0, Form::Btree);
}

#[test]
fn a_large_table_in_order_gets_brin_for_ranges_only() {
    let mut in_order = number("placed_at");
    in_order.profile.correlation = Some(0.99);
    let large = situation(vec![in_order]);
    assert_eq!(best(&large, Purpose::Range).0, Form::Brin);
    assert_eq!(best(&large, Purpose::Sort).0, Form::Btree);
    let small = Situation { pages: 100.0, ..large };
    assert_eq!(best(&small, Purpose::Range).0, Form::Btree);
    assert_eq!(best(&situation(vec![number("placed_at")]), Purpose::Range).0, Form::Btree);
}

#[test]
fn prefixes_need_an_operator_class_unless_bytes_are_compared() {
    let mut name = text("name");
    assert_eq!(
        best(&situation(vec![name.clone()]), Purpose::Prefix).1,
        "CREATE INDEX ON public.t (name text_pattern_ops)"
    );
    name.compares_bytes = true;
    assert_eq!(best(&situation(vec![name]), Purpose::Prefix).1, "CREATE INDEX ON public.t (name)");
}

#[test]
fn patterns_need_trigrams() {
    let mut situation = situation(vec![text("name")]);
    let without = choose(&situation, Purpose::Pattern);
    assert!(without.iter().all(|choice| choice.verdict == Verdict::Unfit));
    assert!(without.iter().any(|choice| choice.reason.contains("CREATE EXTENSION pg_trgm")));
    situation.trigram = Some(("ext.gin_trgm_ops".into(), "ext.gist_trgm_ops".into()));
    assert_eq!(
        best(&situation, Purpose::Pattern),
        (Form::Gin, "CREATE INDEX ON public.t USING gin (name ext.gin_trgm_ops)".into())
    );
}

#[test]
fn values_with_parts_get_gin() {
    let gin = Methods { gin: true, ..ORDERED };
    let document = situation(vec![target("doc", "jsonb", Values::Jsonb, gin)]);
    assert_eq!(best(&document, Purpose::Any).1, "CREATE INDEX ON public.t USING gin (doc jsonb_path_ops)");
    let tags = situation(vec![target("tags", "text[]", Values::Array, gin)]);
    assert_eq!(best(&tags, Purpose::Contains).1, "CREATE INDEX ON public.t USING gin (tags)");
    let words =
        target("words", "tsvector", Values::SearchVector, Methods { gin: true, ..Methods::default() });
    assert_eq!(best(&situation(vec![words]), Purpose::Any).0, Form::Gin);
    let json = situation(vec![target("doc", "json", Values::Json, Methods::default())]);
    assert!(choose(&json, Purpose::Contains).iter().any(|choice| choice.reason.contains("jsonb first")));
}

#[test]
fn ranges_get_gist_and_the_other_tree_is_named() {
    let methods = Methods { gist: true, spgist: true, ..ORDERED };
    let during = situation(vec![target("during", "tstzrange", Values::Range, methods)]);
    assert_eq!(best(&during, Purpose::Overlaps).0, Form::Gist);
    let choices = choose(&during, Purpose::Overlaps);
    assert!(choices.iter().any(|choice| choice.form == Form::Spgist && choice.verdict == Verdict::Possible));
}

#[test]
fn mostly_null_columns_are_indexed_in_part() {
    let mut cancelled = number("cancelled_at");
    cancelled.profile.null_fraction = 0.97;
    let (form, definition) = {
        let choices = choose(&situation(vec![cancelled]), Purpose::Range);
        let partial = choices.into_iter().find(|choice| choice.form == Form::Partial).expect("offered");
        (partial.verdict, partial.definition.expect("with its SQL"))
    };
    assert_eq!(form, Verdict::Best);
    assert_eq!(definition, "CREATE INDEX ON public.t (cancelled_at) WHERE cancelled_at IS NOT NULL");
}

#[test]
fn values_too_long_for_a_btree_are_hashed() {
    let mut url = text("url");
    url.profile.width = 1800.0;
    let situation = situation(vec![url]);
    assert_eq!(best(&situation, Purpose::Equality).0, Form::Hash);
    assert!(
        choose(&situation, Purpose::Range)
            .iter()
            .all(|choice| choice.form != Form::Btree || choice.verdict == Verdict::Unfit)
    );
}

#[test]
fn several_columns_can_be_covered() {
    let choices = choose(&situation(vec![number("a"), number("b")]), Purpose::Equality);
    assert!(
        choices
            .iter()
            .any(|choice| choice.definition.as_deref() == Some("CREATE INDEX ON public.t (a) INCLUDE (b)"))
    );
    assert!(choices.iter().any(|choice| choice.form == Form::Hash && choice.verdict == Verdict::Unfit));
}

#[test]
fn purposes_are_known_by_name() {
    assert_eq!(Purpose::from_name(" Range "), Some(Purpose::Range));
    assert_eq!(Purpose::from_name("join"), Some(Purpose::Equality));
    assert_eq!(Purpose::from_name("speed"), None);
    assert!(Purpose::names().contains("full_text"));
}
