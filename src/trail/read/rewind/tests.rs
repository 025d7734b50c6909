//! Tables told as they were, from changes made by hand.

use super::super::change::Change;
use super::super::document::{Members, members};
use super::super::holders::{Event, Holder, Passages, Presence};
use super::super::lineage::sample::shape;
use super::super::lineage::{LIVE, Lineage, Shape};
use super::*;

pub fn lineage_of(shapes: Vec<Shape>) -> Lineage {
    Lineage::new(shapes, &Passages::default())
}

pub fn of(text: &str) -> Members {
    members(text).unwrap()
}

pub fn change(id: i64, shape: i32, operation: &str, key: &str, old: &str, new: &str) -> Change {
    Change {
        id,
        at: id * 10,
        transaction: id,
        statement: 0,
        shape,
        operation: Operation::of_letter(operation).unwrap(),
        key: of(key),
        old: of(old),
        new: of(new),
    }
}

/// One table: a column renamed, one dropped, one added, on the way.
fn lineage() -> Rc<Lineage> {
    Rc::new(lineage_of(vec![
        shape(1, 10, &[(1, "id"), (2, "name"), (3, "size")]),
        shape(2, 40, &[(1, "id"), (2, "label"), (4, "price")]),
        shape(LIVE, 99, &[(1, "id"), (2, "label"), (4, "price")]),
    ]))
}

fn history() -> Vec<Change> {
    vec![
        change(1, 1, "I", r#"{"id": 1}"#, "{}", r#"{"id": 1, "name": "a", "size": 1.0}"#),
        change(2, 1, "I", r#"{"id": 2}"#, "{}", r#"{"id": 2, "name": "b", "size": null}"#),
        change(3, 1, "U", r#"{"id": 1}"#, r#"{"size": 1.0}"#, r#"{"size": 1.00}"#),
        change(4, 2, "U", r#"{"id": 2}"#, r#"{"id": 2, "label": "b"}"#, r#"{"id": 3, "label": "c"}"#),
        change(5, 2, "D", r#"{"id": 1}"#, r#"{"id": 1, "label": "a", "price": 5}"#, "{}"),
        change(6, 2, "I", r#"{"id": 1}"#, "{}", r#"{"id": 1, "label": "z", "price": 6}"#),
    ]
}

pub fn texts(lineage: &Lineage, shape: i32, rows: Vec<Row>) -> Vec<String> {
    let names = lineage.names(shape).unwrap();
    let mut texts: Vec<String> =
        rows.iter().map(|row| super::super::document::object(row.members(names))).collect();
    texts.sort();
    texts
}

fn live(lineage: &Lineage) -> Vec<Row> {
    let names = lineage.names(LIVE).unwrap();
    [r#"{"id": 1, "label": "z", "price": 6}"#, r#"{"id": 3, "label": "c", "price": null}"#]
        .iter()
        .map(|text| Row::of(&lineage.columns, names, &of(text)))
        .collect()
}

fn back(lineage: &Rc<Lineage>, until: i64) -> Vec<Row> {
    let mut rewind = Rewind::new(lineage);
    for change in history().iter().rev().filter(|change| change.id > until) {
        rewind.undo(change).unwrap();
    }
    let mut rows = rewind.finish();
    rows.extend(live(lineage).into_iter().filter_map(|row| rewind.was(row)));
    assert_eq!(rewind.missing(), 0);
    rows
}

fn forward(lineage: &Rc<Lineage>, until: i64) -> Vec<Row> {
    let mut replay = Replay::new(lineage);
    for change in history().iter().filter(|change| change.id <= until) {
        replay.apply(change).unwrap();
    }
    assert_eq!(replay.strangers, 0);
    replay.rows().cloned().collect()
}

#[test]
fn both_ways_lead_to_the_same_rows() {
    let lineage = lineage();
    for (until, shape, expected) in [
        (0, 1, vec![]),
        (1, 1, vec![r#"{"id": 1, "name": "a", "size": 1.0}"#]),
        (6, 2, vec![r#"{"id": 1, "label": "z", "price": 6}"#, r#"{"id": 3, "label": "c"}"#]),
    ] {
        assert_eq!(texts(&lineage, shape, forward(&lineage, until)), expected, "forward to {until}");
    }
    assert!(back(&lineage, 0).is_empty());
    // What the price was before the column was there is what the table says; the shape of then leaves it out.
    assert_eq!(texts(&lineage, 2, back(&lineage, 5)), [r#"{"id": 3, "label": "c", "price": null}"#],);
    // The size, which is gone, is told by the changes alone.
    assert_eq!(
        texts(&lineage, 1, back(&lineage, 2)),
        [r#"{"id": 1, "name": "a", "size": 1.0}"#, r#"{"id": 2, "name": "b"}"#]
    );
}

#[test]
fn truncate_bars_the_way_back_and_begins_the_way_forward() {
    let lineage = lineage();
    let truncate = change(7, 2, "T", "{}", "{}", "{}");
    let mut rewind = Rewind::new(&lineage);
    assert_eq!(rewind.undo(&truncate), Err(Barred::Truncate(70)));
    let mut replay = Replay::new(&lineage);
    for change in &history() {
        replay.apply(change).unwrap();
    }
    replay.apply(&truncate).unwrap();
    assert_eq!(replay.rows().count(), 0);
}

#[test]
fn truncate_of_a_partition_leaves_the_others() {
    let of = |holder: &str, id| Shape {
        holder: super::super::lineage::sample::holder(holder),
        ..shape(id, 10, &[(1, "id")])
    };
    let lineage = Rc::new(lineage_of(vec![of("a", 1), of("b", 2), of("t", 3), of("t", LIVE)]));
    let mut replay = Replay::new(&lineage);
    replay.apply(&change(1, 1, "I", r#"{"id": 1}"#, "{}", r#"{"id": 1}"#)).unwrap();
    replay.apply(&change(2, 2, "I", r#"{"id": 2}"#, "{}", r#"{"id": 2}"#)).unwrap();
    replay.apply(&change(3, 1, "T", "{}", "{}", "{}")).unwrap();
    assert_eq!(texts(&lineage, 1, replay.rows().cloned().collect()), [r#"{"id": 2}"#]);
    assert!(!replay.begins_empty());
    replay.apply(&change(4, 3, "T", "{}", "{}", "{}")).unwrap();
    assert_eq!((replay.rows().count(), replay.begins_empty()), (0, true));
}

#[test]
fn rows_go_with_their_partition() {
    let of = |relid, id| Shape {
        holder: Holder { home: "a".to_owned(), relid, name: "p".to_owned() },
        ..shape(id, i64::from(id), &[(1, "id"), (2, "v")])
    };
    let itself = (0, Event::Itself("a".to_owned(), 5));
    let passages = Passages::new([itself, (25, Event::Went(7, "p".to_owned()))]);
    let lineage = Rc::new(Lineage::new(vec![of(7, 1), of(8, 2), of(5, LIVE), of(8, LIVE - 1)], &passages));
    let mut replay = Replay::new(&lineage);
    replay.apply(&change(1, 1, "I", r#"{"id": 1}"#, "{}", r#"{"id": 1, "v": "old"}"#)).unwrap();
    replay.apply(&change(2, 1, "I", r#"{"id": 2}"#, "{}", r#"{"id": 2, "v": "old"}"#)).unwrap();
    // Another has its key, and nobody saw that come.
    replay.apply(&change(3, 2, "U", r#"{"id": 1}"#, r#"{"v": "x"}"#, r#"{"v": "y"}"#)).unwrap();
    assert_eq!(replay.strangers, 1);
    replay.end(30);
    let rows = replay.into_rows();
    assert_eq!(texts(&lineage, 2, rows), [r#"{"id": 1, "v": "y"}"#]);
    assert!(lineage.is_gone(1) && !lineage.is_gone(2));
    assert_eq!((lineage.presence(1, 24), lineage.presence(1, 25)), (Presence::Ended, Presence::Absent));
}

/// A table that got a tenant, of which the key then begins.
fn tenants() -> Rc<Lineage> {
    let keyed = |shape: Shape| Shape { key: vec!["tenant".to_owned(), "id".to_owned()], ..shape };
    let columns = [(1, "id"), (2, "v"), (3, "tenant")];
    Rc::new(lineage_of(vec![
        shape(1, 10, &[(1, "id"), (2, "v")]),
        shape(2, 20, &columns),
        keyed(shape(3, 40, &columns)),
        keyed(shape(LIVE, 99, &columns)),
    ]))
}

#[test]
fn rows_are_followed_through_keys() {
    let lineage = tenants();
    let changes = [
        change(1, 1, "I", r#"{"id": 1}"#, "{}", r#"{"id": 1, "v": "a"}"#),
        change(2, 1, "I", r#"{"id": 2}"#, "{}", r#"{"id": 2, "v": "b"}"#),
        change(3, 2, "U", r#"{"id": 1}"#, r#"{"tenant": null}"#, r#"{"tenant": 7}"#),
        change(4, 2, "U", r#"{"id": 2}"#, r#"{"tenant": null}"#, r#"{"tenant": 8}"#),
        change(5, 2, "U", r#"{"id": 1}"#, r#"{"v": "a"}"#, r#"{"v": "A"}"#),
        change(6, 3, "I", r#"{"id": 1, "tenant": 8}"#, "{}", r#"{"id": 1, "tenant": 8, "v": "c"}"#),
        change(7, 3, "U", r#"{"id": 1, "tenant": 7}"#, r#"{"v": "A"}"#, r#"{"v": "AA"}"#),
        change(8, 3, "D", r#"{"id": 2, "tenant": 8}"#, r#"{"id": 2, "tenant": 8, "v": "b"}"#, "{}"),
    ];
    let names = lineage.names(LIVE).unwrap();
    let live = [r#"{"id": 1, "tenant": 7, "v": "AA"}"#, r#"{"id": 1, "tenant": 8, "v": "c"}"#];
    for (until, shape, expected) in [
        (7, 3, vec![live[0], live[1], r#"{"id": 2, "tenant": 8, "v": "b"}"#]),
        (4, 2, vec![r#"{"id": 1, "v": "a", "tenant": 7}"#, r#"{"id": 2, "v": "b", "tenant": 8}"#]),
        (2, 1, vec![r#"{"id": 1, "v": "a"}"#, r#"{"id": 2, "v": "b"}"#]),
        (1, 1, vec![r#"{"id": 1, "v": "a"}"#]),
    ] {
        let mut rewind = Rewind::new(&lineage);
        for change in changes.iter().rev().filter(|change| change.id > until) {
            rewind.undo(change).unwrap();
        }
        let mut rows = rewind.finish();
        rows.extend(live.iter().filter_map(|text| rewind.was(Row::of(&lineage.columns, names, &of(text)))));
        assert_eq!(rewind.missing(), 0);
        let mut replay = Replay::new(&lineage);
        for change in changes.iter().filter(|change| change.id <= until) {
            replay.apply(change).unwrap();
        }
        assert_eq!(replay.strangers, 0);
        let mut expected: Vec<Row> = expected
            .iter()
            .map(|text| Row::of(&lineage.columns, lineage.names(shape).unwrap(), &of(text)))
            .collect();
        let order = |rows: &mut Vec<Row>| rows.sort_by_key(|row| texts(&lineage, shape, vec![row.clone()]));
        let mut forward: Vec<Row> = replay.rows().cloned().collect();
        for rows in [&mut rows, &mut forward, &mut expected] {
            order(rows);
        }
        let shown = |rows: &[Row]| texts(&lineage, shape, rows.to_vec());
        assert_eq!(shown(&rows), shown(&expected), "back to {until}");
        assert_eq!(shown(&forward), shown(&expected), "forward to {until}");
    }
}

#[test]
fn a_key_whose_columns_are_gone_is_not_followed() {
    let lineage = Rc::new(lineage_of(vec![
        shape(1, 10, &[(1, "old"), (2, "id")]),
        shape(2, 20, &[(2, "id")]),
        shape(LIVE, 99, &[(2, "id")]),
    ]));
    let insert = change(1, 1, "I", r#"{"old": 1}"#, "{}", r#"{"old": 1, "id": 2}"#);
    assert_eq!(Rewind::new(&lineage).undo(&insert), Err(Barred::OtherKey(1)));
}

/// The same, of which the tenant went again.
fn without_tenants() -> Rc<Lineage> {
    let columns = [(1, "id"), (2, "v"), (3, "tenant")];
    let keyed = Shape { key: vec!["tenant".to_owned(), "id".to_owned()], ..shape(2, 40, &columns) };
    let first = shape(1, 10, &[(1, "id"), (2, "v")]);
    Rc::new(lineage_of(vec![first, keyed, shape(LIVE, 99, &[(1, "id"), (2, "v")])]))
}

#[test]
fn rows_are_followed_through_what_is_left_of_their_key() {
    let lineage = without_tenants();
    let changes = [
        change(1, 1, "U", r#"{"id": 1}"#, r#"{"v": "a"}"#, r#"{"v": "b"}"#),
        change(2, 2, "U", r#"{"id": 1, "tenant": 7}"#, r#"{"v": "b"}"#, r#"{"v": "c"}"#),
        change(3, 2, "I", r#"{"id": 2, "tenant": 7}"#, "{}", r#"{"id": 2, "tenant": 7, "v": "x"}"#),
        change(4, 2, "U", r#"{"id": 2, "tenant": 7}"#, r#"{"tenant": 7}"#, r#"{"tenant": 8}"#),
        change(5, 2, "D", r#"{"id": 2, "tenant": 8}"#, r#"{"id": 2, "tenant": 8, "v": "x"}"#, "{}"),
        change(6, 2, "D", r#"{"id": 3, "tenant": 7}"#, r#"{"id": 3, "tenant": 7, "v": "y"}"#, "{}"),
    ];
    let live = Row::of(&lineage.columns, lineage.names(LIVE).unwrap(), &of(r#"{"id": 1, "v": "c"}"#));
    for (until, expected) in [
        (5, vec![r#"{"id": 1, "v": "c"}"#, r#"{"id": 3, "v": "y"}"#]),
        (4, vec![r#"{"id": 1, "v": "c"}"#, r#"{"id": 2, "v": "x"}"#, r#"{"id": 3, "v": "y"}"#]),
        (2, vec![r#"{"id": 1, "v": "c"}"#, r#"{"id": 3, "v": "y"}"#]),
        (0, vec![r#"{"id": 1, "v": "a"}"#, r#"{"id": 3, "v": "y"}"#]),
    ] {
        let mut rewind = Rewind::new(&lineage);
        for change in changes.iter().rev().filter(|change| change.id > until) {
            rewind.undo(change).unwrap();
        }
        let mut rows = rewind.finish();
        rows.extend(rewind.was(live.clone()));
        assert_eq!(
            (texts(&lineage, 1, rows), rewind.missing()),
            (expected.iter().map(|&text| text.to_owned()).collect(), 0),
            "{until}"
        );
    }
}

#[test]
fn two_rows_that_were_alike_in_what_is_left_of_their_key_are_not_followed() {
    let lineage = without_tenants();
    let deleted = change(9, 2, "D", r#"{"id": 1, "tenant": 8}"#, r#"{"id": 1, "tenant": 8, "v": "x"}"#, "{}");
    let updated = |id| change(id, 2, "U", r#"{"id": 1, "tenant": 7}"#, r#"{"v": "b"}"#, r#"{"v": "c"}"#);
    for two in [[updated(10), deleted.clone()], [deleted, updated(8)]] {
        let mut rewind = Rewind::new(&lineage);
        rewind.undo(&two[0]).unwrap();
        assert_eq!(rewind.undo(&two[1]), Err(Barred::OtherKey(two[1].id)));
    }
}

#[test]
fn rows_that_nobody_saw_coming_are_counted() {
    let lineage = lineage();
    let mut replay = Replay::new(&lineage);
    replay.apply(&change(1, 1, "U", r#"{"id": 9}"#, r#"{"size": 1}"#, r#"{"size": 2}"#)).unwrap();
    replay.apply(&change(2, 1, "D", r#"{"id": 8}"#, r#"{"id": 8, "name": "x"}"#, "{}")).unwrap();
    assert_eq!(replay.strangers, 2);
    let rows = replay.rows().cloned().collect();
    assert_eq!(texts(&lineage, 1, rows), [r#"{"id": 9, "size": 2}"#]);
    // A row that the log has and the table has not.
    let mut rewind = Rewind::new(&lineage);
    rewind.undo(&change(3, 1, "I", r#"{"id": 9}"#, "{}", r#"{"id": 9, "name": "x"}"#)).unwrap();
    rewind.finish();
    assert_eq!(rewind.missing(), 1);
}

#[test]
fn equal_rows_without_a_key_are_as_many_as_they_were() {
    let mut whole = shape(1, 10, &[(1, "a"), (2, "b")]);
    whole.key.clear();
    let live = Shape { id: LIVE, ..whole.clone() };
    let lineage = Rc::new(lineage_of(vec![whole, live]));
    let names = lineage.names(LIVE).unwrap();
    let insert = |id| change(id, 1, "I", "{}", "{}", r#"{"a": 1, "b": 2}"#);
    let mut rewind = Rewind::new(&lineage);
    rewind.undo(&insert(2)).unwrap();
    assert!(rewind.finish().is_empty());
    let row = || Row::of(&lineage.columns, names, &of(r#"{"a": 1, "b": 2}"#));
    let rows: Vec<Row> = [row(), row()].into_iter().filter_map(|row| rewind.was(row)).collect();
    assert_eq!((rows.len(), rewind.missing()), (1, 0));
}
