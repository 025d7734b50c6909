//! Each reason on a plan made by hand, with a planner that answers what the test wants.

use super::*;
use crate::catalog::plan::sample::{Sample, compares, equals, index, table, wrapped};
use crate::catalog::plan::{Comparison, Fit, IndexFacts, Obstacle, Wrapper};

/// A planner that has its answers ready.
#[derive(Default)]
struct Planner {
    /// The answer with indexes thought there.
    with_index: Outcome,
    /// The answer without sequential scans.
    forced: Outcome,
    /// The answer with index scans allowed.
    allowed: Outcome,
    asked: Vec<Vec<String>>,
}

impl WhatIf for Planner {
    fn plan(&mut self, indexes: &[String], switches: Switches) -> Option<Outcome> {
        self.asked.push(indexes.to_vec());
        Some(match switches {
            Switches::AsTheyAre => self.with_index.clone(),
            Switches::NoSequentialScan => self.forced.clone(),
            Switches::IndexScansAllowed => self.allowed.clone(),
        })
    }
}

fn helpful() -> Planner {
    Planner {
        with_index: Outcome { cost: 8.0, uses_new: true, bytes: 81_920, existing: vec![] },
        ..Planner::default()
    }
}

/// A scan of 1,000,000 rows that keeps so many.
fn scanned(kept: f64, indexes: Vec<IndexFacts>, clause: Clause) -> Sample {
    let mut orders = table("public.orders", 20_000.0, 1_000_000.0);
    orders.indexes = indexes;
    Sample::scan(orders, kept, 25_000.0).filter(clause)
}

fn only(sample: Sample, planner: &mut Planner) -> Explanation {
    let mut found = explain(&sample.done(), planner);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn fitted(index: &IndexFacts, position: usize, obstacle: Option<Obstacle>) -> Clause {
    Clause { fits: vec![Fit { index: index.oid, position, obstacle }], ..equals("customer_id", "5") }
}

#[test]
fn no_index_is_there() {
    let mut planner = helpful();
    let why = only(scanned(12.0, vec![], equals("customer_id", "5")), &mut planner);
    assert_eq!(
        why.reason,
        "there is no index on (customer_id); with one (80.0 kB) the query would cost 8 instead of 25,000"
    );
    assert_eq!(planner.asked, [["CREATE INDEX ON public.orders (customer_id)"]]);
    assert_eq!((why.rows_read, why.rows_kept), (1_000_000.0, 12.0));
}

#[test]
fn too_many_rows() {
    let mut planner = Planner {
        with_index: Outcome { cost: 25_000.0, ..Outcome::default() },
        forced: Outcome { cost: 50_000.0, uses_new: true, ..Outcome::default() },
        ..Planner::default()
    };
    let why = only(scanned(600_000.0, vec![], equals("state", "'done'")), &mut planner);
    assert_eq!(
        why.reason,
        "an index on (state) would not be used: state = 'done' keeps 60 % of the rows, 600,000 of 1,000,000, and the \
         query would cost 50,000 with the index instead of 25,000; it would pay below about 1.6 %"
    );
    assert_eq!(why.evidence["break_even_share"], 0.0155);
}

#[test]
fn an_index_is_there_and_declined() {
    let known = index("public.by_customer", &["customer_id"]);
    let mut planner = Planner {
        forced: Outcome { cost: 40_000.0, existing: vec![known.oid], ..Outcome::default() },
        ..Planner::default()
    };
    let clause = fitted(&known, 0, None);
    let why = only(scanned(500_000.0, vec![known], clause), &mut planner);
    assert!(why.reason.starts_with("index public.by_customer could be used, but customer_id = 5 keeps 50 %"));
}

#[test]
fn indexes_that_do_not_serve() {
    let say = |change: fn(&mut IndexFacts), position: usize, obstacle: Option<Obstacle>| {
        let mut known =
            index("public.known", if position == 0 { &["customer_id"] } else { &["day", "customer_id"] });
        change(&mut known);
        let clause = fitted(&known, position, obstacle);
        only(scanned(12.0, vec![known], clause), &mut helpful()).reason
    };
    assert!(say(|index| index.is_valid = false, 0, None).starts_with("index public.known is not valid"));
    let partial = |index: &mut IndexFacts| {
        index.is_implied = false;
        index.predicate = Some("(state = 'new'::text)".to_owned());
    };
    assert!(say(partial, 0, None).starts_with(
        "index public.known has only the rows with state = 'new'::text, which the query's conditions"
    ));
    assert!(
        say(|_| (), 1, None)
            .starts_with("index public.known begins with day, on which the query has no condition")
    );
    assert!(
        say(|_| (), 0, Some(Obstacle::Collation("de_DE".to_owned())))
            .contains("by collation \"de_DE\", which does not serve")
    );
    assert!(say(|_| (), 0, Some(Obstacle::OperatorClass("x".to_owned()))).contains("by operator family x"));
}

#[test]
fn conditions_that_cannot_be_searched_by() {
    let say = |clause: Clause| only(scanned(12.0, vec![], clause), &mut Planner::default()).reason;
    let over = |wrapper: Wrapper| say(wrapped("name", "f(name)", wrapper));
    assert!(over(Wrapper::Function("lower".to_owned())).contains("lower() stands over column name"));
    let cast = Wrapper::ImplicitCast { from: "integer".to_owned(), to: "numeric".to_owned() };
    assert!(over(cast).contains("column name is of type integer and is cast to numeric"));
    assert!(say(compares("name", "<>", "'x'", Comparison::NotEqual)).contains("which rows are not wanted"));
    let like =
        Clause { pattern: Some("%x".to_owned()), ..compares("name", "~~", "'%x'", Comparison::Pattern) };
    assert!(say(like).contains("its pattern begins with a wildcard"));
    assert!(say(Clause { is_volatile: true, ..equals("name", "random()") }).contains("a volatile function"));
    let or = Clause {
        parts: vec![equals("a", "1"), compares("b", "<>", "1", Comparison::NotEqual)],
        comparison: Comparison::Or,
        ..Clause::default()
    };
    assert!(say(or).contains("of its sides joined by OR, (b <> 1) cannot be searched by"));
}

#[test]
fn an_index_on_the_expression_would_do() {
    let mut planner = helpful();
    let clause = wrapped("name", "lower(name)", Wrapper::Function("lower".to_owned()));
    let why = only(scanned(12.0, vec![], clause), &mut planner);
    assert!(
        why.reason
            .ends_with("with an index on the expression (80.0 kB) the query would cost 8 instead of 25,000")
    );
    assert_eq!(planner.asked, [["CREATE INDEX ON public.orders ((lower(name)))"]]);
}

#[test]
fn an_or_wants_an_index_for_each_side() {
    let mut planner = helpful();
    let or = Clause {
        text: "((a = 1) OR (b = 2))".to_owned(),
        parts: vec![equals("a", "1"), equals("b", "2")],
        comparison: Comparison::Or,
        ..Clause::default()
    };
    let why = only(scanned(12.0, vec![], or), &mut planner);
    assert!(why.reason.starts_with("there is no index on (a) and none on (b)"), "{}", why.reason);
    assert_eq!(planner.asked[0].len(), 2);
}

#[test]
fn settings_keep_it_away() {
    let known = index("public.by_customer", &["customer_id"]);
    let mut planner = Planner {
        allowed: Outcome { cost: 8.0, existing: vec![known.oid], ..Outcome::default() },
        ..Planner::default()
    };
    let clause = fitted(&known, 0, None);
    let sample = scanned(12.0, vec![known], clause).plan(|plan| {
        plan.settings.disabled = vec!["enable_indexscan".to_owned(), "enable_nestloop".to_owned()]
    });
    let why = only(sample, &mut planner);
    assert_eq!(
        why.reason,
        "enable_indexscan is off in this session: otherwise index public.by_customer is used, and the query costs 8 \
         instead of 25,000"
    );
}

#[test]
fn a_small_table() {
    let mut planner = Planner {
        with_index: Outcome { cost: 2.0, ..Outcome::default() },
        forced: Outcome { cost: 8.0, uses_new: true, ..Outcome::default() },
        ..Planner::default()
    };
    let sample = Sample::scan(table("public.kinds", 1.0, 40.0), 1.0, 2.0).filter(equals("name", "'x'"));
    let why = only(sample, &mut planner);
    assert!(why.reason.contains("public.kinds has only 1 page"), "{}", why.reason);
}

#[test]
fn no_condition_at_all() {
    let sample = Sample::scan(table("public.orders", 20_000.0, 1_000_000.0), 1_000_000.0, 25_000.0);
    let why = only(sample, &mut Planner::default());
    assert_eq!(why.reason, "the query has no condition on public.orders: it asks for all 1,000,000 rows");
}

#[test]
fn an_index_scan_that_filters_much() {
    let mut orders = table("public.orders", 20_000.0, 1_000_000.0);
    orders.indexes.push(index("public.by_customer", &["customer_id"]));
    let scan = |found: f64| {
        Sample::index_scan(orders.clone(), "public.by_customer", 10.0, 5_000.0)
            .index_condition(equals("customer_id", "5"))
            .filter(equals("state", "'new'"))
            .with(|node| node.index_rows = Some(found))
            .done()
    };
    let mut planner = helpful();
    let found = explain(&scan(4_000.0), &mut planner);
    assert!(
        found[0].reason.starts_with(
            "index public.by_customer finds 4,000 rows of which 10 remain; there is no index on (customer_id, state)"
        ),
        "{}",
        found[0].reason
    );
    assert_eq!(explain(&scan(50.0), &mut planner), []);
}
