use super::*;
use crate::catalog::sample::{BRIN, BTREE, GIST, HASH, Sample};
use crate::catalog::types::builtin;

const A_NOT_NULL: &str =
    "{NULLTEST :arg {VAR :varno 1 :varattno 1 :vartype 20} :nulltesttype 1 :argisrow false :location 9}";

/// A table `child` of columns `a`, `b`, `z` and text `s`, with a foreign key on `columns`.
fn child(columns: &[&str]) -> (Sample, Oid, Oid) {
    let mut sample = Sample::new();
    let parent = sample.table("parent");
    let child = sample.table("child");
    for table in [parent, child] {
        for column in ["a", "b", "z"] {
            sample.column(table, column, builtin::INT8);
        }
        sample.column(table, "s", builtin::TEXT);
    }
    let key = sample.foreign_key(child, columns, parent, columns);
    (sample, child, key)
}

/// What covers the foreign key, in short.
fn verdict(sample: Sample, key: Oid) -> String {
    let snapshot = sample.finish();
    let constraint = snapshot.constraints.iter().find(|constraint| constraint.oid == key).unwrap();
    match cover(&snapshot, constraint) {
        Cover::Full(index) => format!("full {}", index.name),
        Cover::Partly { index, columns } => format!("{columns} by {}", index.name),
        Cover::None { nearest: Some((index, obstacle)) } => format!("{} {}", index.name, obstacle.reason()),
        Cover::None { nearest: None } => "none".to_owned(),
    }
}

#[test]
fn plain_columns_in_any_order_at_the_start() {
    for (columns, keys, expected) in [
        (&["a"][..], &[][..], "none"),
        (&["a"], &["a", "b"], "full i"),
        (&["a"], &["b", "a"], "i starts with another column"),
        (&["a", "b"], &["b", "a"], "full i"),
        (&["a", "b"], &["a", "b", "z"], "full i"),
        (&["a", "b"], &["a", "z", "b"], "1 by i"),
        (&["a", "b"], &["a"], "1 by i"),
        (&["a", "b"], &["b"], "1 by i"),
        (&["a", "b"], &["z", "a", "b"], "i starts with another column"),
        (&["a"], &["z"], "none"),
    ] {
        let (mut sample, child, key) = child(columns);
        if !keys.is_empty() {
            sample.index(child, "i", keys);
        }
        assert_eq!(verdict(sample, key), expected, "{columns:?} {keys:?}");
    }
}

#[test]
fn the_access_method_has_to_find_rows() {
    for (method, keys, expected) in [
        (HASH, &["a"][..], "full i"),
        (BRIN, &["a"], "i has an access method that cannot look up single rows"),
        // Without btree_gist no operator class of GiST knows bigint's equality.
        (GIST, &["a"], "i has an operator class without the foreign key's equality operator"),
    ] {
        let (mut sample, child, key) = child(&["a"]);
        sample.index_by(child, "i", keys, method);
        assert_eq!(verdict(sample, key), expected);
    }
}

#[test]
fn gist_covers_where_its_family_knows_equality() {
    let (mut sample, child, key) = child(&["a"]);
    sample.index_by(child, "i", &["a", "b"], GIST);
    let class = Sample::opclass(GIST, builtin::INT8);
    sample.snapshot.operator_classes.insert(
        class,
        crate::catalog::OperatorClass {
            oid: class,
            access_method: GIST,
            family: 4_711,
            ..Default::default()
        },
    );
    sample.snapshot.equality_operators.insert((4_711, Sample::equality(builtin::INT8)));
    assert_eq!(verdict(sample, key), "full i");
}

#[test]
fn the_commutator_serves_too() {
    let (mut sample, child, key) = child(&["a"]);
    sample.index(child, "i", &["a"]);
    // A key of another integer type: the index knows integer = bigint, the constraint says bigint = integer.
    sample.edit_constraint(key, |constraint| {
        constraint.foreign_key.as_mut().unwrap().equality = [9_416].into();
    });
    sample.snapshot.commutators.insert(9_416, Sample::equality(builtin::INT8));
    assert_eq!(verdict(sample, key), "full i");
}

#[test]
fn a_partial_index_covers_only_if_it_leaves_no_match_out() {
    for (predicate, expected) in [
        (A_NOT_NULL, "full i"),
        ("{VAR :varno 1 :varattno 3 :vartype 16}", "i is partial"),
        (&*A_NOT_NULL.replace(":varattno 1", ":varattno 3"), "i is partial"),
        (&*A_NOT_NULL.replace(":nulltesttype 1", ":nulltesttype 0"), "i is partial"),
    ] {
        let (mut sample, child, key) = child(&["a"]);
        let index = sample.index(child, "i", &["a"]);
        sample.edit_index(index, |index| index.predicate = Some(predicate.into()));
        assert_eq!(verdict(sample, key), expected);
    }
}

#[test]
fn what_the_planner_cannot_use_does_not_cover() {
    type Edit = fn(&mut Index);
    let edits: [(Edit, &str); 6] = [
        (|index| index.is_valid = false, "i is not valid"),
        (|index| index.is_ready = false, "i is not valid"),
        (|index| index.is_live = false, "i is not valid"),
        (|index| index.keys[0].column = 0, "none"),
        (|index| index.keys[0].collation = 950, "i has another collation than the column"),
        (
            |index| index.keys[0].opclass = 1,
            "i has an operator class without the foreign key's equality operator",
        ),
    ];
    for (edit, expected) in edits {
        let (mut sample, child, key) = child(&["s"]);
        let index = sample.index(child, "i", &["s"]);
        sample.edit_index(index, edit);
        assert_eq!(verdict(sample, key), expected);
    }
}

#[test]
fn include_columns_are_payload() {
    for (columns, keys, expected) in [
        (&["a", "b"][..], &["a", "b"][..], "1 by i"),
        (&["b"], &["a", "b"], "i has the column only as INCLUDE"),
    ] {
        let (mut sample, child, key) = child(columns);
        let index = sample.index(child, "i", keys);
        sample.edit_index(index, |index| index.key_count = 1);
        assert_eq!(verdict(sample, key), expected);
    }
}

#[test]
fn a_unique_index_on_some_columns_is_enough() {
    let (mut sample, child, key) = child(&["a", "b"]);
    let index = sample.index(child, "i", &["b"]);
    sample.edit_index(index, |index| index.is_unique = true);
    assert_eq!(verdict(sample, key), "full i");
}

#[test]
fn text_and_varchar_share_their_operators() {
    let mut sample = Sample::new();
    let (parent, child) = (sample.table("parent"), sample.table("child"));
    sample.column(parent, "code", builtin::TEXT);
    sample.column(child, "code", builtin::VARCHAR);
    let key = sample.foreign_key(child, &["code"], parent, &["code"]);
    sample.index(child, "i", &["code"]);
    assert_eq!(verdict(sample, key), "full i");
}

/// A partitioned child of two partitions, the second with its columns in another order.
fn partitioned() -> (Sample, Oid, [Oid; 2], Oid) {
    let (mut sample, child, key) = child(&["a"]);
    let partitions = ["p1", "p2"].map(|name| sample.table(name));
    for column in ["a", "b"] {
        sample.column(partitions[0], column, builtin::INT8);
    }
    for column in ["b", "a"] {
        sample.column(partitions[1], column, builtin::INT8);
    }
    for partition in partitions {
        sample.partition(child, partition);
    }
    (sample, child, partitions, key)
}

#[test]
fn a_partitioned_table_is_judged_at_the_parent_or_on_every_partition() {
    let (sample, ..) = partitioned();
    let key = sample.snapshot.constraints[0].oid;
    assert_eq!(verdict(sample, key), "none");

    let (mut sample, child, _, key) = partitioned();
    sample.index(child, "whole", &["a"]);
    assert_eq!(verdict(sample, key), "full whole");

    let (mut sample, _, partitions, key) = partitioned();
    sample.index(partitions[0], "p1_a", &["a"]);
    assert_eq!(verdict(sample, key), "p1_a exists on some of the partitions only");

    let (mut sample, _, partitions, key) = partitioned();
    sample.index(partitions[0], "p1_a", &["a"]);
    sample.index(partitions[1], "p2_a", &["a"]);
    let snapshot = sample.finish();
    let constraint = snapshot.constraints.iter().find(|constraint| constraint.oid == key).unwrap();
    assert!(cover(&snapshot, constraint).is_full());
    let sets = cover_sets(&snapshot, constraint);
    assert_eq!(sets.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn the_sets_hold_all_that_can_stand_for_each_other() {
    let (mut sample, child, key) = child(&["a", "b"]);
    sample.index(child, "i1", &["a"]);
    sample.index(child, "i2", &["b", "z"]);
    let names = |sample: Sample| -> Vec<Vec<String>> {
        let snapshot = sample.finish();
        let constraint = snapshot.constraints.iter().find(|constraint| constraint.oid == key).unwrap();
        cover_sets(&snapshot, constraint)
            .iter()
            .map(|set| set.iter().map(|index| index.name.to_string()).collect())
            .collect()
    };
    assert_eq!(names(sample), [["i1", "i2"]]);

    let (mut sample, child, _) = self::child(&["a", "b"]);
    sample.index(child, "i1", &["a"]);
    sample.index(child, "i3", &["b", "a"]);
    assert_eq!(names(sample), [["i3"]]);
}

#[test]
fn the_narrowest_full_cover_is_named_whatever_the_order() {
    for names in [["wide", "narrow"], ["narrow", "wide"]] {
        let (mut sample, child, key) = child(&["a"]);
        for name in names {
            let columns: &[&str] = if name == "wide" { &["a", "b"] } else { &["a"] };
            sample.index_by(child, name, columns, BTREE);
        }
        assert_eq!(verdict(sample, key), "full narrow");
    }
}

#[test]
fn a_check_constraint_is_not_covered() {
    let (mut sample, child, _) = child(&["a"]);
    let check = sample.check(child, "chk", &["a"]);
    sample.index(child, "i", &["a"]);
    assert_eq!(verdict(sample, check), "none");
}
