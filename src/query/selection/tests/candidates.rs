//! What is thought of for an access, and what is not.

use super::super::candidate::{Candidate, CandidateKey};
use super::super::candidates::candidates;
use super::super::mock::{existing, on, table};
use super::super::workload::Options;
use crate::catalog::access::{Access, Clause, ClauseKind, Key, Support};
use crate::catalog::hypothetical::Method;

fn of(access: Access) -> Vec<Candidate> {
    candidates(&[access], &[], &Options::default())
}

fn support(method: Method, class: Option<&str>) -> Support {
    Support { method, operator_class: class.map(str::to_owned), collation: None }
}

fn with_supports(mut access: Access, supports: Vec<Support>) -> Access {
    if let Some(clause) = access.clauses.last_mut() {
        clause.supports = supports;
    }
    access
}

#[test]
fn a_small_table_gets_none() {
    assert!(of(table(1, 700.0, &[1]).equals(1, 0.001)).is_empty());
    assert!(!of(table(1, 900.0, &[1]).equals(1, 0.001)).is_empty());
}

#[test]
fn the_most_selective_equality_comes_first() {
    let found = of(table(1, 100_000.0, &[1, 2, 3]).equals(1, 0.1).equals(2, 0.001).within(3, 0.1));
    for wanted in [on(1, &[1]), on(1, &[2]), on(1, &[3]), on(1, &[2, 1]), on(1, &[2, 1, 3])] {
        assert!(found.contains(&wanted), "{wanted:?}");
    }
    assert!(!found.contains(&on(1, &[1, 2, 3])));
}

#[test]
fn no_index_has_more_keys_than_allowed() {
    let mut access = table(1, 100_000.0, &[1, 2, 3, 4, 5, 6]).ordered(&[5, 6]);
    for column in 1..=4 {
        access = access.equals(column, 0.1);
    }
    for longest in 1..=4 {
        let options = Options { max_columns: longest, ..Options::default() };
        let found = candidates(std::slice::from_ref(&access), &[], &options);
        assert_eq!(found.iter().map(|shape| shape.keys.len()).max(), Some(longest));
    }
}

#[test]
fn a_key_stands_once() {
    let access = table(1, 100_000.0, &[1, 2]).equals(1, 0.1).within(1, 0.1).joined(1, 0.1).ordered(&[1, 2]);
    for shape in of(access) {
        let mut keys: Vec<&Key> = shape.keys.iter().map(|key| &key.key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), shape.keys.len(), "{shape:?}");
    }
}

#[test]
fn an_existing_index_takes_its_place() {
    let access = table(1, 100_000.0, &[1, 2]).equals(1, 0.1).within(2, 0.1);
    let found =
        candidates(std::slice::from_ref(&access), &[existing(9, on(1, &[1, 2]))], &Options::default());
    assert!(!found.contains(&on(1, &[1])) && !found.contains(&on(1, &[1, 2])));
    assert!(found.contains(&on(1, &[2])));
    let partial = Candidate { predicate: Some("x".into()), ..on(1, &[1]) };
    let found = candidates(&[access], &[existing(9, partial)], &Options::default());
    assert!(found.contains(&on(1, &[1])));
}

#[test]
fn a_wide_key_gets_no_btree() {
    let mut access = table(1, 100_000.0, &[1]).equals(1, 0.001);
    access.columns[0].width = 400.0;
    let access = with_supports(access, vec![support(Method::Btree, None), support(Method::Hash, None)]);
    let found = of(access.clone());
    assert_eq!(found, [Candidate { method: Method::Hash, ..on(1, &[1]) }]);
    let options = Options { methods: vec![Method::Btree], ..Options::default() };
    assert!(candidates(&[access], &[], &options).is_empty());
}

#[test]
fn a_prefix_names_its_operator_class() {
    let access = table(1, 100_000.0, &[1]).clause(1, ClauseKind::Prefix, 0.001);
    let found = of(with_supports(access, vec![support(Method::Btree, Some("text_pattern_ops"))]));
    let mut key = CandidateKey::plain(Key::Column(1));
    key.operator_class = Some("text_pattern_ops".into());
    assert_eq!(found, [Candidate::btree(1, vec![key])]);
}

#[test]
fn block_ranges_need_a_large_table_in_order() {
    let brin = |rows: f64, correlation: f64| {
        let mut access = table(1, rows, &[1]).within(1, 0.01);
        access.columns[0].correlation = Some(correlation);
        let access = with_supports(access, vec![support(Method::Btree, None), support(Method::Brin, None)]);
        of(access).iter().any(|shape| shape.method == Method::Brin)
    };
    assert!(brin(1e6, 0.99) && brin(1e6, -0.99));
    assert!(!brin(1e6, 0.5) && !brin(1e5, 0.99));
}

#[test]
fn containment_gets_an_inverted_index_and_equality_does_not() {
    let supports = || vec![support(Method::Gin, Some("jsonb_path_ops"))];
    let access = table(1, 100_000.0, &[1]).clause(1, ClauseKind::Other, 0.001);
    let found = of(with_supports(access, supports()));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].method, found[0].keys[0].operator_class.as_deref()),
        (Method::Gin, Some("jsonb_path_ops"))
    );
    let mut both = supports();
    both.push(support(Method::Btree, None));
    let access = table(1, 100_000.0, &[1]).equals(1, 0.001);
    assert!(of(with_supports(access, both)).iter().all(|shape| shape.method == Method::Btree));
}

#[test]
fn a_predicate_is_fixed_and_rare_and_not_the_only_key() {
    let predicates = |access: Access| -> Vec<Candidate> {
        of(access).into_iter().filter(|shape| shape.predicate.is_some()).collect()
    };
    let state = |share| table(1, 100_000.0, &[1, 2]).within(1, 0.1).equals(2, share);
    assert!(predicates(state(0.1)).is_empty());
    assert!(predicates(state(0.5).fixed()).is_empty());
    assert!(predicates(table(1, 100_000.0, &[2]).equals(2, 0.01).fixed()).is_empty());
    let found = predicates(state(0.1).fixed());
    assert_eq!(found, [Candidate { predicate: Some("(c2 Equality)".into()), ..on(1, &[1]) }]);
}

#[test]
fn an_expression_is_a_key_like_a_column() {
    let mut access = table(1, 100_000.0, &[1]);
    let key = Key::Expression("lower(name)".into());
    access.clauses.push(Clause {
        key: Some(key.clone()),
        kind: ClauseKind::Equality,
        selectivity: 0.001,
        text: String::new(),
        is_fixed: false,
        supports: vec![support(Method::Btree, None)],
    });
    assert_eq!(of(access), [Candidate::btree(1, vec![CandidateKey::plain(key)])]);
}

#[test]
fn what_serves_without_an_expression_is_tried_too() {
    let mut access = table(1, 100_000.0, &[1]);
    let condition = |key: Key| Clause {
        key: Some(key),
        kind: ClauseKind::Equality,
        selectivity: 0.001,
        text: String::new(),
        is_fixed: false,
        supports: vec![support(Method::Btree, None)],
    };
    access.clauses.push(condition(Key::Expression("(10 / v)".into())));
    access.clauses.push(condition(Key::Column(1)));
    // The server refuses an index on the expression where some row makes it fail.
    assert!(of(access).contains(&on(1, &[1])));
}

#[test]
fn a_wide_table_may_be_read_from_a_narrow_index() {
    let access = table(1, 100_000.0, &[3]).narrow();
    assert_eq!(of(access), [on(1, &[3])]);
    assert!(of(table(1, 100_000.0, &[3])).is_empty());
}
