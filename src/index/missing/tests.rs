use super::*;
use crate::catalog::Oid;
use crate::catalog::sample::{Sample, run};
use crate::catalog::types::builtin;
use crate::catalog::{IndexStatistics, Snapshot, TableStatistics};
use crate::index::rules::{FOREIGN_KEY_PARTLY_INDEXED, FOREIGN_KEY_WITHOUT_INDEX, MANY_SEQUENTIAL_SCANS};
use crate::index::testing::*;

fn rows(snapshot: &Snapshot) -> Vec<MissingIndex> {
    ask(snapshot, |facts| missing_indexes(facts, &Limits::default()))
}

/// A table `t` that refers to `parent` by the given sets of columns, each foreign key named after its columns.
fn referring(keys: &[&[&str]]) -> (Sample, Oid, Oid) {
    let (mut sample, t) = one_table();
    let parent = plain_table(&mut sample, "parent");
    for columns in keys {
        let key = sample.foreign_key(t, columns, parent, columns);
        sample.edit_constraint(key, |constraint| constraint.name = format!("fk_{}", columns.join("")).into());
    }
    (sample, t, parent)
}

#[test]
fn a_foreign_key_without_an_index_is_told_with_its_cost() {
    let (mut sample, t, parent) = referring(&[&["a"]]);
    sample.edit_table(t, |table| table.rows = 50_000.0);
    sample.edit_table(parent, |table| {
        table.statistics = Some(Box::new(TableStatistics { deleted: 12, ..Default::default() }));
    });
    let snapshot = sample.finish();
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        (&*row.table_name, &*row.columns, row.source.name()),
        ("public.t", &["a".to_owned()][..], "foreign_key")
    );
    assert_eq!(
        row.reason,
        "foreign key fk_a on (a) has no index: each delete from public.parent reads all 50,000 rows of public.t"
    );
    assert_eq!(
        row.create_sql.as_deref(),
        Some("CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_t_a ON public.t (a);")
    );
    assert_eq!(row.undo_sql.as_deref(), Some("DROP INDEX CONCURRENTLY IF EXISTS public.idx_t_a;"));
    assert_eq!((row.severity, row.evidence["parent_changes"].as_i64()), (Severity::Error, Some(12)));
    let (findings, _, examined) = run(&FOREIGN_KEY_WITHOUT_INDEX, &snapshot);
    assert_eq!((findings.len(), examined), (1, 1));
    assert_eq!((&*findings[0].object, findings[0].severity), ("fk_a on public.t", Some(Severity::Error)));
}

#[test]
fn an_empty_table_is_not_said_to_cost_anything_yet() {
    for (rows, harm) in [
        (0.0, "will read all of public.t, which is empty so far"),
        (1.0, "reads all of public.t"),
        (-1.0, "reads all of public.t"),
        (2.0, "reads all 2 rows of public.t"),
    ] {
        let (mut sample, t, _) = referring(&[&["a"]]);
        sample.edit_table(t, |table| table.rows = rows);
        let reason = &self::rows(&sample.finish())[0].reason;
        assert!(reason.ends_with(&format!("each delete from public.parent {harm}")), "{reason}");
    }
}

#[test]
fn size_only_sets_the_severity() {
    for (rows, expected) in [(10.0, Severity::Info), (1_000.0, Severity::Warning), (-1.0, Severity::Warning)]
    {
        let (mut sample, t, _) = referring(&[&["a"]]);
        sample.edit_table(t, |table| table.rows = rows);
        let snapshot = sample.finish();
        assert_eq!(self::rows(&snapshot)[0].severity, expected);
    }
}

#[test]
fn two_foreign_keys_on_the_same_columns_are_one_row() {
    let (mut sample, t, parent) = referring(&[&["a", "b"], &["b", "a"]]);
    let other = plain_table(&mut sample, "other");
    sample.foreign_key(t, &["a", "b"], other, &["a", "b"]);
    sample.foreign_key(t, &["c"], parent, &["c"]);
    let snapshot = sample.finish();
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows.iter().map(|row| row.foreign_keys.len()).sum::<usize>(), 4);
    let (findings, _, examined) = run(&FOREIGN_KEY_WITHOUT_INDEX, &snapshot);
    assert_eq!((findings.len(), examined), (2, 2));
}

#[test]
fn a_foreign_key_inside_another_is_merged_and_comes_first_in_the_index() {
    let (sample, ..) = referring(&[&["a", "b"], &["b"]]);
    let snapshot = sample.finish();
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].columns, ["b", "a"]);
    assert!(
        rows[0].reason.starts_with("foreign keys fk_ab, fk_b on (b, a) have no index"),
        "{}",
        rows[0].reason
    );
    // Each keeps a finding of its own, with the fix that serves both.
    let (findings, ..) = run(&FOREIGN_KEY_WITHOUT_INDEX, &snapshot);
    let objects: Vec<&str> = findings.iter().map(|finding| &*finding.object).collect();
    assert_eq!(objects, ["fk_ab on public.t", "fk_b on public.t"]);
    assert_eq!(findings[0].fix, findings[1].fix);
}

#[test]
fn a_part_is_completed_by_an_index_that_replaces_it() {
    let (mut sample, t, _) = referring(&[&["a", "b"]]);
    sample.index(t, "t_b", &["b"]);
    let snapshot = sample.finish();
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].columns, ["b", "a"]);
    assert_eq!(
        rows[0].create_sql.as_deref(),
        Some(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_t_b_a ON public.t (b, a);\nDROP INDEX CONCURRENTLY public.t_b;"
        )
    );
    assert_eq!(
        rows[0].undo_sql.as_deref(),
        Some(
            "CREATE INDEX CONCURRENTLY t_b ON public.t USING btree (b);\n\
             DROP INDEX CONCURRENTLY IF EXISTS public.idx_t_b_a;"
        )
    );
    assert!(run(&FOREIGN_KEY_WITHOUT_INDEX, &snapshot).0.is_empty());
    let (findings, _, examined) = run(&FOREIGN_KEY_PARTLY_INDEXED, &snapshot);
    assert_eq!((findings.len(), examined, findings[0].severity), (1, 1, Some(Severity::Info)));
}

#[test]
fn a_part_that_has_another_duty_stays() {
    let (mut sample, t, _) = referring(&[&["a", "b"]]);
    let clustered = sample.index(t, "t_a", &["a"]);
    sample.edit_index(clustered, |index| index.is_clustered = true);
    let snapshot = sample.finish();
    assert_eq!(
        rows(&snapshot)[0].create_sql.as_deref(),
        Some("CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_t_a_b ON public.t (a, b);")
    );
}

#[test]
fn an_unusable_look_alike_is_named() {
    let (mut sample, t, _) = referring(&[&["a"]]);
    let broken = sample.index(t, "broken", &["a"]);
    sample.edit_index(broken, |index| index.is_valid = false);
    let snapshot = sample.finish();
    let row = &rows(&snapshot)[0];
    assert!(row.reason.ends_with("(public.broken is not valid)"), "{}", row.reason);
    assert_eq!(row.evidence["obstacle"], "is not valid");
}

#[test]
fn a_reference_to_itself_is_a_row_but_another_rule_s_finding() {
    let (mut sample, t) = one_table();
    sample.foreign_key(t, &["a"], t, &["b"]);
    let snapshot = sample.finish();
    assert_eq!(rows(&snapshot).len(), 1);
    let (findings, _, examined) = run(&FOREIGN_KEY_WITHOUT_INDEX, &snapshot);
    assert_eq!((findings.len(), examined), (0, 0));
}

#[test]
fn a_foreign_key_that_is_not_enforced_needs_nothing() {
    let (mut sample, ..) = referring(&[&["a"]]);
    sample.snapshot.constraints[0].is_enforced = false;
    assert!(rows(&sample.finish()).is_empty());
}

#[test]
fn names_that_are_taken_or_hostile_are_handled() {
    let mut sample = Sample::new();
    let t = sample.table("a\"\";drop table x");
    sample.column(t, "order", crate::catalog::types::builtin::INT8);
    let parent = sample.keyed_table("parent");
    sample.foreign_key(t, &["order"], parent, &["id"]);
    let other = sample.table("other");
    sample.column(other, "x", crate::catalog::types::builtin::INT8);
    sample.index(other, "idx_a\"\";drop table x_order", &["x"]);
    let snapshot = sample.finish();
    assert_eq!(
        rows(&snapshot)[0].create_sql.as_deref(),
        Some(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS \"idx_a\"\"\"\";drop table x_order_1\" ON public.\"a\"\"\"\";drop table x\" (\"order\");"
        )
    );
}

#[test]
fn a_partition_tree_is_told_once_and_built_partition_by_partition() {
    let (mut sample, t, _) = referring(&[&["a"]]);
    let partitions = ["p1", "p2"].map(|name| plain_table(&mut sample, name));
    for partition in partitions {
        sample.partition(t, partition);
    }
    // One partition already has the index; it is attached, not built again.
    sample.index(partitions[1], "p2_own", &["a"]);
    let copy = sample.oid();
    let mut inherited = sample.snapshot.constraints[0].clone();
    (inherited.oid, inherited.table, inherited.parent) = (copy, partitions[0], inherited.oid);
    sample.snapshot.constraints.push(inherited);
    let snapshot = sample.finish();
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 1);
    assert_eq!(
        rows[0].create_sql.as_deref(),
        Some(
            "CREATE INDEX IF NOT EXISTS idx_t_a ON ONLY public.t (a);\n\
             CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_p1_a ON public.p1 (a);\n\
             ALTER INDEX public.idx_t_a ATTACH PARTITION public.idx_p1_a;\n\
             ALTER INDEX public.idx_t_a ATTACH PARTITION public.p2_own;"
        )
    );
    assert_eq!(
        rows[0].undo_sql.as_deref(),
        Some(
            "DROP INDEX IF EXISTS public.idx_t_a;\nCREATE INDEX CONCURRENTLY p2_own ON public.p2 USING btree (a);"
        )
    );
    assert_eq!(run(&FOREIGN_KEY_WITHOUT_INDEX, &snapshot).0.len(), 1);
}

#[test]
fn what_costs_most_comes_first() {
    let (mut sample, parent) = (Sample::new(), "parent");
    let quiet = sample.keyed_table("quiet");
    let busy = sample.keyed_table(parent);
    sample.edit_table(busy, |table| {
        table.statistics = Some(Box::new(TableStatistics { deleted: 1_000, ..Default::default() }));
    });
    for (name, target, pages) in [("big", quiet, 9_000), ("small", quiet, 10), ("hot", busy, 10)] {
        let t = plain_table(&mut sample, name);
        sample.edit_table(t, |table| table.pages = pages);
        sample.foreign_key(t, &["a"], target, &["id"]);
    }
    let snapshot = sample.finish();
    let order: Vec<String> = rows(&snapshot).into_iter().map(|row| row.table_name).collect();
    assert_eq!(order, ["public.hot", "public.big", "public.small"]);
}

#[test]
fn no_index_is_proposed_that_the_comparison_could_not_use() {
    let (mut sample, t) = one_table();
    let parent = plain_table(&mut sample, "parent");
    let key = sample.foreign_key(t, &["a"], parent, &["a"]);
    sample.edit_constraint(key, |constraint| {
        // The server compares the integer as a numeric.
        constraint.foreign_key.as_mut().unwrap().equality = [Sample::equality(builtin::NUMERIC)].into();
    });
    let rows = rows(&sample.finish());
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0].create_sql, &rows[0].undo_sql), (&None, &None));
}

fn read_whole(scans: i64, rows: i64, by_index: i64) -> Snapshot {
    let (mut sample, t) = one_table();
    sample.edit_table(t, |table| {
        table.statistics = Some(Box::new(TableStatistics {
            sequential_scans: scans,
            sequential_rows: scans * rows,
            ..Default::default()
        }));
    });
    let index = sample.index(t, "i", &["a"]);
    sample.edit_index(index, |index| {
        index.statistics = Some(IndexStatistics { scans: by_index, ..Default::default() })
    });
    sample.finish()
}

#[test]
fn a_large_table_read_whole_again_and_again_is_told() {
    let snapshot = read_whole(200, 30_000, 190);
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].source.name(), rows[0].columns.len(), &rows[0].create_sql), ("seq_scan", 0, &None));
    assert!(rows[0].reason.contains("200 times, 30,000 rows each time, and by an index 190 times"));
    let (findings, _, examined) = run(&MANY_SEQUENTIAL_SCANS, &snapshot);
    assert_eq!((findings.len(), examined, &*findings[0].object), (1, 1, "public.t"));
    for sound in [
        read_whole(99, 30_000, 0),
        read_whole(200, 9_999, 0),
        read_whole(200, 30_000, 201),
        read_whole(0, 0, 0),
    ] {
        assert!(self::rows(&sound).is_empty());
        assert_eq!(run(&MANY_SEQUENTIAL_SCANS, &sound).2, 1);
    }
}
