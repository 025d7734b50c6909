use super::refusals::Kind;
use super::sample::{around, table, wish};
use super::{Accept, Conversion, Cuts, Method, cuts, plan, ranges_of_all, refusal};
use crate::change::plan::{Plan, Runs, runs_alone};
use crate::partition::grid::{Grid, MONDAY, default_origin};
use crate::partition::key::{KeyKind, Range};
use crate::partition::set::Every;
use crate::partition::zone::Zone;

struct Utc;

impl Zone for Utc {
    fn wall(&self, moment: i64) -> i64 {
        moment
    }

    fn moment(&self, wall: i64) -> i64 {
        wall
    }
}

fn planned() -> Plan {
    let (table, around, wish) = (table(), around(), wish());
    plan(&Conversion::new(&table, &around, &wish, Method::Attach).expect("the key is there"))
}

#[test]
fn what_reads_rows_comes_before_the_switch_or_after_it() {
    let plan = planned();
    let switch = plan
        .steps
        .iter()
        .position(|step| step.sql.iter().any(|sql| sql.contains("ATTACH PARTITION")))
        .expect("there is a switch");
    for (place, step) in plan.steps.iter().enumerate() {
        let reads = step.sql.iter().any(|sql| {
            sql.contains("VALIDATE CONSTRAINT") || sql.contains("CONCURRENTLY") || sql.starts_with("CALL")
        });
        assert!(!reads || place != switch, "{:?}", step.sql);
        assert!(step.runs != Runs::Alone || runs_alone(&step.sql[0]), "{:?}", step.sql);
    }
    let swap = plan.steps[switch].sql.join(";\n");
    let place = |what: &str| swap.find(what).unwrap_or_else(|| panic!("{what} is not in {swap}"));
    let order = [
        "LOCK TABLE shop.customers IN SHARE ROW EXCLUSIVE MODE",
        "LOCK TABLE shop.orders IN ACCESS EXCLUSIVE MODE",
        "LOCK TABLE shop.lines IN ACCESS EXCLUSIVE MODE",
        "ALTER TABLE shop.lines DROP CONSTRAINT lines_order_id_fkey",
        "ALTER TABLE shop.orders DROP CONSTRAINT orders_pkey",
        "ALTER TABLE shop.orders RENAME TO orders_history",
        "ALTER TABLE shop.orders_dbm_new RENAME TO orders",
        "CREATE TRIGGER touch",
        "ENABLE ALWAYS TRIGGER touch",
        "ATTACH PARTITION shop.orders_history FOR VALUES FROM (MINVALUE) TO ('2027-01-01')",
        "ADD CONSTRAINT lines_order_id_fkey FOREIGN KEY (order_id, orders_at) REFERENCES shop.orders (id, at) ON UPDATE CASCADE ON DELETE CASCADE NOT VALID",
        "CREATE OR REPLACE VIEW shop.open_orders",
    ];
    assert!(order.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{swap}");
}

#[test]
fn every_step_that_adds_something_has_a_way_back() {
    for step in planned().steps {
        let adds = step.sql.iter().any(|sql| sql.contains("CREATE ") || sql.contains(" ADD "));
        assert!(!adds || !step.undo.is_empty(), "{:?}", step.sql);
    }
}

#[test]
fn changed_promises_have_to_be_accepted() {
    let refused =
        refusal(&table(), &around(), "at", Accept::default(), Method::Attach).expect("nothing is accepted");
    assert_eq!(refused.kind, Kind::Prerequisite);
    assert_eq!(refused.refusal.hint, "If that is meant: accept => ARRAY['primary_key', 'foreign_keys'].");
    assert_eq!(refused.refusal.detail.lines().count(), 2);
    let accept = Accept::parse(["primary_key", "foreign_keys"]).expect("both are words");
    assert_eq!(refusal(&table(), &around(), "at", accept, Method::Attach), None);
    assert_eq!(Accept::parse(["all"]).expect_err("no word").kind, Kind::Invalid);
}

#[test]
fn the_cutoff_is_the_boundary_after_the_next() {
    let (kind, every) = (KeyKind::Date, Every::Days(10));
    let origin = default_origin(kind, every, MONDAY, &Utc);
    let grid = Grid::new(kind, every, origin, &Utc);
    let now = origin + 105;
    let at = |premake| cuts(&grid, now, None, premake, "t").expect("there is room");
    assert_eq!(
        at(0),
        Cuts { cutoff: origin + 120, ranges: vec![Range::between(origin + 120, origin + 130)] }
    );
    assert_eq!(at(4).ranges.len(), 3);
    // A row lies ahead: the cutoff moves.
    let moved = cuts(&grid, now, Some(origin + 131), 4, "t").expect("there is room");
    assert_eq!(moved.cutoff, origin + 150);
    let refused = cuts(&grid, now, Some(origin + 10_000), 4, "t").expect_err("too far ahead");
    assert!(refused.message.contains("more than 100 partitions ahead"), "{}", refused.message);
}

#[test]
fn a_copy_has_a_range_for_every_row_and_for_what_comes_next() {
    let (kind, every) = (KeyKind::Date, Every::Days(10));
    let origin = default_origin(kind, every, MONDAY, &Utc);
    let grid = Grid::new(kind, every, origin, &Utc);
    let all = |oldest, premake| {
        ranges_of_all(&grid, origin + 105, oldest, Some(origin + 95), premake, 1_000, "t")
            .expect("there is room")
    };
    let ranges = all(Some(origin + 71), 4);
    assert_eq!(ranges.len(), 8);
    assert_eq!(ranges[0], Range::between(origin + 70, origin + 80));
    assert_eq!(ranges[7], Range::between(origin + 140, origin + 150));
    assert!(ranges.windows(2).all(|pair| pair[0].high == pair[1].low), "{ranges:?}");
    assert_eq!(all(None, 0).len(), 3, "this one and the two that come next");
    let many = ranges_of_all(&grid, origin + 105, Some(origin - 10_000_000), None, 1, 100, "t");
    assert_eq!(many.expect("there is room").len(), 103, "counting ends where nobody goes on");
}

/// A name is put into these queries, and a line break in it would end a comment: what follows would be run.
#[test]
fn no_comment_of_a_query_holds_a_name() {
    for query in [include_str!("print.sql"), include_str!("copy/whole.sql")] {
        let comments = query.lines().filter(|line| line.contains("--"));
        assert!(comments.clone().count() > 0 && comments.into_iter().all(|line| !line.contains('{')));
    }
}
