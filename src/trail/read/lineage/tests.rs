use super::sample::{holder, shape};
use super::*;

fn new(shapes: Vec<Shape>) -> Lineage {
    Lineage::new(shapes, &Passages::default())
}

fn id(lineage: &Lineage, shape: i32, name: &str) -> ColumnId {
    lineage.names(shape).unwrap().id(name).unwrap()
}

#[test]
fn a_renamed_column_is_the_same_one() {
    let lineage = new(vec![
        shape(2, 20, &[(1, "id"), (2, "label"), (4, "name")]),
        shape(1, 10, &[(1, "id"), (2, "name"), (3, "gone")]),
    ]);
    assert_eq!(id(&lineage, 1, "name"), id(&lineage, 2, "label"));
    assert_ne!(id(&lineage, 1, "name"), id(&lineage, 2, "name"));
    assert_eq!(lineage.columns.len(), 4);
    assert_eq!(lineage.names_at(15, 99).unwrap().id("label"), None);
    assert!(lineage.names_at(25, 99).unwrap().id("label").is_some());
    assert!(lineage.names_at(5, 99).unwrap().id("gone").is_some());
}

#[test]
fn a_renamed_column_is_logged_as_before() {
    let mut last = shape(1, 10, &[(1, "id"), (2, "secret"), (3, "note")]);
    last.attributes[1].logged = Logged::Redacted;
    let live = shape(LIVE, 20, &[(1, "id"), (2, "note"), (3, "text"), (4, "secret")]);
    let lineage = new(vec![last, live]);
    let logged = |name| {
        let names = lineage.names(LIVE).unwrap();
        names.attribute(names.id(name).unwrap()).unwrap().logged
    };
    assert_eq!(["note", "text", "secret"].map(logged), [Logged::Redacted, Logged::Yes, Logged::Yes]);
}

#[test]
fn a_restored_table_counts_anew() {
    let lineage = new(vec![
        shape(1, 10, &[(1, "id"), (3, "a"), (5, "b")]),
        shape(LIVE, 20, &[(1, "id"), (2, "a"), (3, "b")]),
    ]);
    for name in ["id", "a", "b"] {
        assert_eq!(id(&lineage, 1, name), id(&lineage, LIVE, name), "{name}");
    }
    assert_eq!(lineage.columns.len(), 3);
}

#[test]
fn partitions_count_each_for_itself() {
    let of = |name: &str, shape: Shape| Shape { holder: holder(name), ..shape };
    let lineage = new(vec![
        of("a", shape(1, 10, &[(1, "id"), (2, "name"), (3, "size")])),
        of("b", shape(2, 20, &[(2, "id"), (1, "size"), (4, "label")])),
        of("t", shape(LIVE, 99, &[(1, "id"), (2, "label")])),
        of("a", shape(LIVE - 1, 99, &[(1, "id"), (2, "label")])),
        of("b", shape(LIVE - 2, 99, &[(2, "id"), (4, "label")])),
    ]);
    assert_eq!(id(&lineage, 1, "name"), id(&lineage, LIVE, "label"));
    assert_eq!(id(&lineage, 2, "label"), id(&lineage, LIVE, "label"));
    assert_eq!(id(&lineage, 1, "size"), id(&lineage, 2, "size"));
    assert_eq!(lineage.columns.len(), 3);
}

#[test]
fn a_partition_is_itself_by_any_name() {
    let of = |home: &str, relid, name: &str, shape: Shape| Shape {
        holder: Holder { home: home.to_owned(), relid, name: name.to_owned() },
        ..shape
    };
    let lineage = new(vec![
        of("old", 7, "p1", shape(1, 10, &[(1, "id"), (3, "name")])),
        of("new", 8, "p1", shape(2, 20, &[(1, "id"), (2, "name")])),
        of("new", 8, "q1", shape(3, 30, &[(1, "id"), (2, "label")])),
        of("new", 5, "t", shape(LIVE, 99, &[(1, "id"), (2, "text")])),
        of("new", 8, "r1", shape(LIVE - 1, 99, &[(1, "id"), (2, "text")])),
        // Another that is called as the one was.
        of("new", 9, "p1", shape(LIVE - 2, 99, &[(1, "id"), (2, "text")])),
    ]);
    for (shape, name) in [(1, "name"), (2, "name"), (3, "label")] {
        assert_eq!(id(&lineage, shape, name), id(&lineage, LIVE, "text"), "{shape}");
        assert!(lineage.is_same_holder(shape, LIVE - 1), "{shape}");
    }
    assert!(!lineage.is_same_holder(1, LIVE - 2));
    assert!(!lineage.is_whole_table(3));
}

#[test]
fn a_partition_that_is_gone_had_the_names_of_then() {
    let of = |relid, shape: Shape| Shape {
        holder: Holder { home: "a".to_owned(), relid, name: "p".to_owned() },
        ..shape
    };
    let lineage = new(vec![
        of(7, shape(1, 10, &[(1, "id"), (2, "name"), (3, "note")])),
        of(8, shape(2, 20, &[(1, "id"), (2, "name"), (3, "note")])),
        // Since, what was a name is a label, and a note the name; then one came that has them in another order.
        of(8, shape(3, 30, &[(1, "id"), (2, "label"), (3, "name")])),
        of(5, shape(LIVE, 99, &[(1, "id"), (2, "label"), (3, "name")])),
        of(9, shape(LIVE - 1, 99, &[(1, "id"), (2, "name"), (3, "label")])),
        of(8, shape(LIVE - 2, 99, &[(1, "id"), (2, "label"), (3, "name")])),
    ]);
    for (name, now) in [("name", "label"), ("note", "name")] {
        assert_eq!(id(&lineage, 1, name), id(&lineage, LIVE, now), "{name}");
        assert_eq!(id(&lineage, 2, name), id(&lineage, LIVE - 1, now), "{name}");
    }
    assert_eq!(lineage.columns.len(), 3);
}

#[test]
fn a_new_column_is_another_one() {
    let lineage = new(vec![shape(1, 10, &[(1, "id"), (2, "a")]), shape(2, 20, &[(1, "id"), (3, "a")])]);
    assert_ne!(id(&lineage, 1, "a"), id(&lineage, 2, "a"));
}

/// Names of columns of a shape that are guessed.
fn guessed(lineage: &Lineage, shape: i32) -> Vec<&str> {
    let columns = &lineage.names(shape).unwrap().columns;
    columns
        .iter()
        .filter(|(_, attribute)| attribute.is_guessed)
        .map(|(_, attribute)| &*attribute.name)
        .collect()
}

#[test]
fn a_column_that_has_the_name_of_one_that_is_gone_is_another() {
    let of = |relid, shape: Shape| Shape {
        holder: Holder { home: "a".to_owned(), relid, name: "p".to_owned() },
        ..shape
    };
    let now = [
        of(5, shape(LIVE, 99, &[(1, "id"), (3, "secret")])),
        of(9, shape(LIVE - 1, 99, &[(1, "id"), (2, "secret")])),
    ];
    let logged = [
        of(7, shape(1, 10, &[(1, "id"), (2, "secret")])),
        of(9, shape(2, 20, &[(1, "id"), (2, "secret")])),
        of(8, shape(3, 30, &[(1, "id"), (2, "secret")])),
    ];
    // By its name alone it is taken for it, and not told to whoever may not see all; what came after one that had it is it.
    let lineage = new(logged.iter().chain(&now).cloned().collect());
    assert_eq!(id(&lineage, 1, "secret"), id(&lineage, LIVE, "secret"));
    assert_eq!((guessed(&lineage, 1), guessed(&lineage, 3)), (vec!["id", "secret"], vec![]));
    // Where the partition says which number it had in the table, that tells.
    let above = |mut shape: Shape, numbers: [i32; 2]| {
        for (attribute, number) in shape.attributes.iter_mut().zip(numbers) {
            attribute.above = Some(number);
        }
        shape
    };
    let logged = logged.map(|shape| {
        let numbers = if shape.id == 1 { [1, 2] } else { [1, 3] };
        above(shape, numbers)
    });
    let lineage = new(logged.into_iter().chain(now).collect());
    assert_eq!(id(&lineage, 1, "id"), id(&lineage, LIVE, "id"));
    assert_ne!(id(&lineage, 1, "secret"), id(&lineage, LIVE, "secret"));
    assert_eq!(id(&lineage, 3, "secret"), id(&lineage, LIVE, "secret"));
    assert!([1, 2, 3].iter().all(|&shape| guessed(&lineage, shape).is_empty()));
}

#[test]
fn columns_that_the_table_has_had_from_the_first_are_not_guessed() {
    let of = |relid, shape: Shape| Shape {
        holder: Holder { home: "a".to_owned(), relid, name: "p".to_owned() },
        ..shape
    };
    let lineage = new(vec![
        of(7, shape(1, 10, &[(1, "id"), (2, "v")])),
        of(5, shape(LIVE, 99, &[(1, "id"), (2, "v"), (3, "w")])),
    ]);
    assert!(guessed(&lineage, 1).is_empty());
    assert_eq!(id(&lineage, 1, "v"), id(&lineage, LIVE, "v"));
}

#[test]
fn a_key_is_told_whatever_length_its_type_has() {
    let of = |id, type_name: &str| {
        let mut shape = shape(id, i64::from(id), &[(1, "a")]);
        shape.attributes[0].type_name = Some(type_name.to_owned());
        shape
    };
    let lineage = new(vec![of(1, "character(5)"), of(LIVE, "character(9)")]);
    assert_eq!(lineage.told(0, "\"ab   \""), "\"ab\"");
    assert_eq!(lineage.names(1).unwrap().attribute(0).unwrap().filled("\"ab\""), "\"ab   \"");
    let lineage = new(vec![of(1, "numeric"), of(LIVE, "numeric(12,4)")]);
    assert_eq!(["1.5000", "20", "3.000"].map(|value| lineage.told(0, value)), ["1.5", "20", "3"]);
    for earlier in ["numeric", "numeric(4,2)", "character(4)"] {
        let lineage = new(vec![of(1, earlier), of(2, "numeric(4,2)"), of(LIVE, "text")]);
        assert_eq!(["1.50", "\"a \""].map(|value| lineage.told(0, value)), ["1.50", "\"a \""], "{earlier}");
    }
}
