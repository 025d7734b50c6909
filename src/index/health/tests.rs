use super::*;
use crate::catalog::sample::{Sample, run};
use crate::catalog::types::builtin;
use crate::catalog::{ColumnStatistics, ConstraintKind, IndexStatistics, Snapshot, TableStatistics, Type};
use crate::index::health::bloat::expected_pages;
use crate::index::rules::{BLOATED_INDEX, INVALID_INDEX, LOW_CARDINALITY_INDEX, TOO_MANY_INDEXES};
use crate::index::testing::*;

fn rows(snapshot: &Snapshot) -> Vec<IndexHealth> {
    ask(snapshot, |facts| index_health(facts, &Limits::default()))
}

fn one(snapshot: &Snapshot) -> IndexHealth {
    let mut rows = rows(snapshot);
    assert_eq!(rows.len(), 1, "{rows:#?}");
    rows.remove(0)
}

fn break_index(sample: &mut Sample, index: Oid) {
    sample.edit_index(index, |index| index.is_valid = false);
}

#[test]
fn a_broken_index_is_rebuilt() {
    let (mut sample, t) = one_table();
    let index = sample.index(t, "i", &["a"]);
    break_index(&mut sample, index);
    let snapshot = sample.finish();
    let row = one(&snapshot);
    assert_eq!(
        (row.problem.name(), row.certainty, row.severity),
        ("invalid", Certainty::Measured, Severity::Error)
    );
    assert_eq!(row.fix.as_deref(), Some("REINDEX INDEX CONCURRENTLY public.i;"));
    assert_eq!(row.wasted_bytes, Some(5 * 8192));
    let (findings, _, examined) = run(&INVALID_INDEX, &snapshot);
    assert_eq!((findings.len(), examined, &*findings[0].object), (1, 1, "public.i"));
}

#[test]
fn a_broken_index_whose_work_another_does_is_dropped() {
    for (columns, unique_twin, is_unique, is_dropped) in [
        (&["a"][..], false, false, true),
        (&["a", "b"], false, false, true),
        (&["a"], true, true, true),
        (&["a"], false, true, false),
        (&["a", "b"], true, true, false),
    ] {
        let (mut sample, t) = one_table();
        let twin = sample.index(t, "twin", columns);
        sample.edit_index(twin, |index| index.is_unique = unique_twin);
        let index = sample.index(t, "broken", &["a"]);
        sample.edit_index(index, |index| index.is_unique = is_unique);
        break_index(&mut sample, index);
        let row = one(&sample.finish());
        let is_drop = row.fix.as_deref() == Some("DROP INDEX CONCURRENTLY public.broken;");
        assert_eq!(is_drop, is_dropped, "{columns:?} {unique_twin} {is_unique}: {}", row.reason);
    }
}

#[test]
fn leftovers_are_dropped_by_their_name() {
    for (name, is_leftover) in [
        ("i_ccnew", true),
        ("i_ccnew12", true),
        ("i_ccold", true),
        ("i_ccold3", true),
        ("i_ccnewer", false),
        ("ccnew_i", false),
    ] {
        let (mut sample, t) = one_table();
        let index = sample.index(t, name, &["a"]);
        break_index(&mut sample, index);
        let row = one(&sample.finish());
        let expected = if is_leftover { "DROP INDEX" } else { "REINDEX INDEX" };
        assert!(row.fix.unwrap().starts_with(expected), "{name}");
    }
}

#[test]
fn a_constraint_s_index_is_rebuilt_whatever_its_name() {
    let (mut sample, t) = one_table();
    let index = sample.keyed_constraint(t, "uq_ccnew", &["a"], ConstraintKind::Unique);
    break_index(&mut sample, index);
    let row = one(&sample.finish());
    assert_eq!(row.fix.as_deref(), Some("REINDEX INDEX CONCURRENTLY public.uq_ccnew;"));
    // REINDEX CONCURRENTLY refuses exclusion constraints.
    let (mut sample, t) = one_table();
    let index = sample.keyed_constraint(t, "no_overlap", &["a"], ConstraintKind::Exclusion);
    break_index(&mut sample, index);
    assert_eq!(one(&sample.finish()).fix, None);
}

#[test]
fn unfinished_builds_and_drops_are_told_apart() {
    let (mut sample, t) = one_table();
    let unfinished = sample.index(t, "unfinished", &["a"]);
    sample.edit_index(unfinished, |index| (index.is_valid, index.is_ready) = (false, false));
    let dying = sample.index(t, "dying", &["b"]);
    sample.edit_index(dying, |index| (index.is_valid, index.is_live) = (false, false));
    let snapshot = sample.finish();
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 2);
    let of = |name: &str| rows.iter().find(|row| row.index_name.as_deref() == Some(name)).unwrap();
    assert_eq!(of("public.unfinished").problem, Problem::NotReady);
    assert!(of("public.dying").fix.as_deref().unwrap().starts_with("DROP INDEX"));
}

#[test]
fn a_broken_unique_index_is_not_rebuilt_over_duplicates() {
    for (is_ready, fix) in [(false, Some("DROP INDEX CONCURRENTLY public.i;")), (true, None)] {
        let (mut sample, t) = one_table();
        let index = sample.index(t, "i", &["a"]);
        sample.edit_index(index, |index| {
            (index.is_valid, index.is_ready, index.is_unique) = (false, is_ready, true);
        });
        let row = one(&sample.finish());
        assert_eq!(row.fix.as_deref(), fix, "{}", row.reason);
        assert!(row.reason.contains("duplicate values"), "{}", row.reason);
    }
}

#[test]
fn a_rebuild_that_would_make_another_superfluous_is_left_to_people() {
    let (mut sample, t) = one_table();
    let used = sample.index(t, "short", &["a"]);
    sample.edit_index(used, |index| {
        index.statistics = Some(IndexStatistics { scans: 5, ..Default::default() })
    });
    let index = sample.index(t, "long", &["a", "b"]);
    break_index(&mut sample, index);
    let row = one(&sample.finish());
    assert_eq!(row.fix, None);
    assert!(row.reason.contains("public.short"));
}

fn partitioned_with_a_gap() -> Sample {
    let (mut sample, t) = one_table();
    let top = sample.index(t, "i", &["a"]);
    let partitions = ["p1", "p2", "p3"].map(|name| plain_table(&mut sample, name));
    partition_with_indexes(&mut sample, t, partitions[0], "p1");
    for partition in &partitions[1..] {
        sample.partition(t, *partition);
    }
    sample.index(partitions[2], "p3_own", &["a"]);
    break_index(&mut sample, top);
    sample
}

#[test]
fn a_partitioned_index_with_gaps_is_completed() {
    let mut sample = partitioned_with_a_gap();
    // The member that exists is sound.
    let member = sample.snapshot.indexes.iter().find(|index| &*index.name == "p1_i").unwrap().oid;
    sample.edit_index(member, |index| index.is_valid = true);
    let row = one(&sample.finish());
    assert!(row.reason.ends_with("2 partitions lack it, public.p2 for one: create it there and attach it"));
    assert_eq!(
        row.fix.as_deref(),
        Some(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_p2_a ON public.p2 USING btree (a);\n\
             ALTER INDEX public.i ATTACH PARTITION public.idx_p2_a;\n\
             ALTER INDEX public.i ATTACH PARTITION public.p3_own;"
        )
    );
    assert_eq!(
        row.undo.as_deref(),
        Some(
            "DROP INDEX public.i;\n\
             CREATE INDEX i ON ONLY public.t USING btree (a);\n\
             CREATE INDEX CONCURRENTLY p1_i ON public.p1 USING btree (a);\n\
             ALTER INDEX public.i ATTACH PARTITION public.p1_i;\n\
             CREATE INDEX CONCURRENTLY p3_own ON public.p3 USING btree (a);"
        )
    );
}

/// A table of 300,000 rows as a PostgreSQL 15 server analysed it, with the pages that its fresh indexes took there.
fn measured_table() -> (Sample, Oid) {
    let mut sample = Sample::new();
    let t = sample.table("b");
    sample.edit_table(t, |table| table.rows = 300_000.0);
    for (name, type_oid, width, distinct, nulls) in [
        ("id", builtin::INT8, 8, -1.0, 0.0),
        ("i4", builtin::INT4, 4, -1.0, 0.0),
        ("low", builtin::INT4, 4, 100.0, 0.0),
        ("txt", builtin::TEXT, 33, -1.0, 0.0),
        ("u", builtin::UUID, 16, -1.0, 0.0),
        ("n", builtin::NUMERIC, 6, -1.0, 0.0),
        ("b", builtin::BOOL, 1, 2.0, 0.0),
        ("nul", builtin::INT8, 8, -0.5, 0.5),
    ] {
        sample.column(t, name, type_oid);
        sample.edit_column(t, name, |column| {
            column.statistics = Some(ColumnStatistics { null_fraction: nulls, distinct, width });
        });
    }
    (sample, t)
}

fn pages_of(sample: &mut Sample, index: Oid, pages: u32) {
    sample.edit_index(index, |index| {
        index.pages = pages;
        index.rows = 300_000.0;
        index.statistics = Some(IndexStatistics { scans: 1_000, entries_read: 1_000, ..Default::default() });
    });
}

#[test]
fn a_fresh_index_is_reckoned_as_large_as_the_server_builds_it() {
    let (mut sample, t) = measured_table();
    for (name, columns, pages) in [
        ("b_id", &["id"][..], 825),
        ("b_i4", &["i4"], 825),
        ("b_low", &["low"], 260),
        ("b_txt", &["txt"], 2165),
        ("b_u", &["u"], 1158),
        ("b_n", &["n"], 825),
        ("b_b", &["b"], 257),
        ("b_nul", &["nul"], 542),
        ("b_low_id", &["low", "id"], 1158),
        ("b_i4low", &["i4", "low"], 825),
        ("b_low_off", &["low"], 827),
        ("b_id50", &["id"], 1494),
    ] {
        let index = sample.index(t, name, columns);
        pages_of(&mut sample, index, pages);
        sample.edit_index(index, |index| {
            index.is_unique = name == "b_id";
            index.options = match name {
                "b_low_off" => ["deduplicate_items=off".into()].into(),
                "b_id50" => ["fillfactor=50".into()].into(),
                _ => [].into(),
            };
        });
    }
    let including = index_including(&mut sample, t, "b_low_incl", &["low", "id"], 1);
    pages_of(&mut sample, including, 1158);
    let snapshot = sample.finish();
    for index in &snapshot.indexes {
        let expected = expected_pages(&snapshot, index).unwrap();
        let error = (expected / f64::from(index.pages) - 1.0).abs();
        assert!(error < 0.03, "{}: {expected} for {}", index.name, index.pages);
    }
    assert!(rows(&snapshot).iter().all(|row| row.problem != Problem::Bloated));
}

#[test]
fn a_deduplicated_index_twice_its_size_is_suspected_and_measured() {
    let (mut sample, t) = measured_table();
    // As large as it would be without deduplication, which a rule unaware of that takes for sound.
    let low = sample.index(t, "b_low", &["low"]);
    pages_of(&mut sample, low, 8_000);
    let snapshot = sample.finish();
    let row = one(&snapshot);
    assert_eq!((row.problem, row.certainty), (Problem::Bloated, Certainty::Estimated));
    assert_eq!(row.fix.as_deref(), Some("REINDEX INDEX CONCURRENTLY public.b_low;"));

    let mut definitions = Deparse::new(&snapshot);
    definitions.fills.insert("b_low", 0.3);
    let rows = ask_with(&definitions, |facts| index_health(facts, &Limits::default()));
    assert_eq!(rows[0].certainty, Certainty::Measured);
    // A third of the nine tenths that a build fills.
    assert!((rows[0].evidence["bloat_share"].as_f64().unwrap() - 0.67).abs() < 0.01);
    assert_eq!(rows[0].wasted_bytes, Some((8_000.0 * 8192.0 * (1.0 - 0.3 / 0.9)) as u64));

    // The measurement clears a false suspicion.
    definitions.fills.insert("b_low", 0.85);
    assert!(ask_with(&definitions, |facts| index_health(facts, &Limits::default())).is_empty());
}

#[test]
fn an_index_filled_in_random_order_is_sound() {
    let (mut sample, t) = measured_table();
    let index = sample.index(t, "b_u", &["u"]);
    pages_of(&mut sample, index, (1158.0 * 0.9 / 0.69) as u32);
    assert!(rows(&sample.finish()).is_empty());
}

#[test]
fn what_cannot_be_reckoned_is_measured_or_unknown() {
    let (mut sample, t) = measured_table();
    let index = index_on_expression_of(&mut sample, t);
    pages_of(&mut sample, index, 8_000);
    let snapshot = sample.finish();
    let row = one(&snapshot);
    assert_eq!((row.certainty, row.wasted_bytes, &row.fix), (Certainty::Unknown, None, &None));
    let (findings, unknowns, examined) = run(&BLOATED_INDEX, &snapshot);
    assert_eq!((findings.len(), unknowns.len(), examined), (0, 1, 0));
    assert_eq!(unknowns[0].object, "public.lower_txt");

    let mut definitions = Deparse::new(&snapshot);
    definitions.fills.insert("lower_txt", 0.2);
    let rows = ask_with(&definitions, |facts| index_health(facts, &Limits::default()));
    assert_eq!(rows[0].certainty, Certainty::Measured);
}

fn index_on_expression_of(sample: &mut Sample, t: Oid) -> Oid {
    let index = sample.index(t, "lower_txt", &["txt"]);
    sample.edit_index(index, |index| {
        index.keys[0].column = 0;
        index.expressions = ["{ LOWER }".into()].into();
    });
    index
}

#[test]
fn statistics_that_are_hidden_make_bloat_unknown_not_absent() {
    let (mut sample, t) = measured_table();
    let index = sample.index(t, "b_id", &["id"]);
    pages_of(&mut sample, index, 8_000);
    sample.edit_column(t, "id", |column| column.statistics = None);
    sample.snapshot.server.sees_statistics = false;
    let row = one(&sample.finish());
    assert_eq!(row.certainty, Certainty::Unknown);
    assert!(row.reason.contains("may not see the statistics"));
}

#[test]
fn types_whose_equal_values_differ_in_image_are_not_deduplicated() {
    let (mut sample, t) = measured_table();
    sample.snapshot.types.insert(
        1186,
        Type { oid: 1186, name: "interval".into(), category: 'T', length: 16, ..Type::default() },
    );
    let low = ColumnStatistics { null_fraction: 0.0, distinct: 100.0, width: 8 };
    for (name, type_oid) in
        [("f", builtin::FLOAT8), ("iv", 1186), ("code", builtin::BPCHAR), ("stamp", builtin::TIMESTAMPTZ)]
    {
        sample.column(t, name, type_oid);
        sample.edit_column(t, name, |column| column.statistics = Some(low));
        let index = sample.index(t, name, &[name]);
        pages_of(&mut sample, index, 100);
    }
    let snapshot = sample.finish();
    let pages = |name: &str| {
        expected_pages(&snapshot, snapshot.indexes.iter().find(|index| &*index.name == name).unwrap())
            .unwrap()
    };
    assert!(pages("f") > 2.0 * pages("stamp"));
    assert!(pages("iv") > 2.0 * pages("stamp"));
    assert!(pages("code") > 2.0 * pages("stamp"));
}

#[test]
fn a_partition_tree_s_bloat_is_one_row() {
    let (mut sample, t) = measured_table();
    let top = sample.index(t, "b_id", &["id"]);
    pages_of(&mut sample, top, 0);
    for (name, pages) in [("p1", 5_000), ("p2", 825)] {
        let partition = sample.table(name);
        sample.column(partition, "id", builtin::INT8);
        partition_with_indexes(&mut sample, t, partition, name);
        let member = sample.snapshot.indexes.last().unwrap().oid;
        pages_of(&mut sample, member, pages);
    }
    let row = one(&sample.finish());
    assert_eq!(row.index_name.as_deref(), Some("public.b_id"));
    assert_eq!(row.fix.as_deref(), Some("REINDEX INDEX CONCURRENTLY public.p1_b_id;"));
    assert_eq!(row.size_bytes, 5_000 * 8192);
}

fn crowded(indexes: usize, writes: i64, scans: i64) -> (Sample, Oid) {
    let mut sample = Sample::new();
    let t = sample.keyed_table("t");
    for number in 1..indexes {
        let column = format!("c{number}");
        sample.column(t, &column, builtin::INT8);
        sample.index(t, &format!("i{number}"), &[&column]);
    }
    sample.edit_table(t, |table| {
        table.statistics = Some(Box::new(TableStatistics {
            sequential_scans: scans,
            inserted: writes,
            ..Default::default()
        }));
    });
    (sample, t)
}

#[test]
fn many_indexes_on_a_table_that_is_mostly_written() {
    let (sample, _) = crowded(9, 5_000, 1_000);
    let snapshot = sample.finish();
    let row = one(&snapshot);
    assert_eq!((row.problem.name(), &row.index_name, &row.fix), ("too_many_indexes", &None, &None));
    assert_eq!(row.evidence["indexes"], 9);
    let (findings, _, examined) = run(&TOO_MANY_INDEXES, &snapshot);
    assert_eq!((findings.len(), examined, &*findings[0].object), (1, 1, "public.t"));
    for (sample, _) in [crowded(8, 5_000, 1_000), crowded(9, 5_000, 1_001), crowded(9, 999, 0)] {
        assert!(rows(&sample.finish()).is_empty());
    }
}

#[test]
fn an_index_that_a_foreign_key_needs_is_not_one_too_many() {
    let (mut sample, t) = crowded(9, 5_000, 0);
    let parent = sample.keyed_table("parent");
    sample.foreign_key(t, &["c3"], parent, &["id"]);
    assert!(rows(&sample.finish()).is_empty());
}

/// A table of 50,000 rows whose boolean column `flag` and text column `state` of 3 values are indexed.
fn coarse_table() -> (Sample, Oid) {
    let mut sample = Sample::new();
    let t = sample.keyed_table("t");
    sample.edit_table(t, |table| table.rows = 50_000.0);
    sample.column(t, "flag", builtin::BOOL);
    sample.edit_column(t, "flag", |column| column.statistics = None);
    sample.column(t, "state", builtin::TEXT);
    sample.edit_column(t, "state", |column| {
        column.statistics = Some(ColumnStatistics { null_fraction: 0.0, distinct: 3.0, width: 8 });
    });
    sample.index(t, "t_flag", &["flag"]);
    sample.index(t, "t_state", &["state"]);
    (sample, t)
}

#[test]
fn few_distinct_values_hardly_narrow_a_search() {
    let snapshot = coarse_table().0.finish();
    let (findings, unknowns, examined) = run(&LOW_CARDINALITY_INDEX, &snapshot);
    let objects: Vec<&str> = findings.iter().map(|finding| &*finding.object).collect();
    assert_eq!((objects, unknowns.len(), examined), (vec!["public.t_flag", "public.t_state"], 0, 1));
    let certainty: Vec<Certainty> = rows(&snapshot).iter().map(|row| row.certainty).collect();
    assert_eq!(certainty, [Certainty::Measured, Certainty::Estimated]);
}

#[test]
fn what_serves_a_rare_value_or_a_foreign_key_or_small_tables_is_well() {
    let edits: [fn(&mut Sample, Oid); 5] = [
        |sample, t| sample.edit_table(t, |table| table.rows = 9_999.0),
        |sample, t| {
            let used = IndexStatistics { scans: 10, entries_read: 10 * 2_499, ..Default::default() };
            for index in sample.snapshot.indexes.iter_mut().filter(|index| index.table == t) {
                index.statistics = Some(used);
            }
        },
        |sample, _| {
            sample.snapshot.indexes.iter_mut().for_each(|index| index.predicate = Some("{ X }".into()))
        },
        |sample, t| {
            for column in ["flag", "state"] {
                let parent = sample.table("parent");
                let type_oid = if column == "flag" { builtin::BOOL } else { builtin::TEXT };
                sample.column(parent, column, type_oid);
                sample.foreign_key(t, &[column], parent, &[column]);
            }
        },
        |sample, _| sample.snapshot.indexes.iter_mut().for_each(|index| index.access_method = 2742),
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let (mut sample, t) = coarse_table();
        edit(&mut sample, t);
        let snapshot = sample.finish();
        assert!(run(&LOW_CARDINALITY_INDEX, &snapshot).0.is_empty(), "{number}");
    }
}

#[test]
fn a_table_never_analysed_is_unknown() {
    let (mut sample, t) = coarse_table();
    sample.edit_table(t, |table| table.rows = -1.0);
    let (findings, unknowns, examined) = run(&LOW_CARDINALITY_INDEX, &sample.finish());
    assert_eq!((findings.len(), unknowns.len(), examined), (0, 1, 0));
}

#[test]
fn unused_wins_over_coarse_and_bloated() {
    let (mut sample, _) = coarse_table();
    sample.snapshot.indexes.iter_mut().for_each(|index| index.pages = 10_000);
    let snapshot = sample.finish();
    let problems: Vec<Problem> = rows(&snapshot).iter().map(|row| row.problem).collect();
    // The primary key's index is kept, so its bloat counts.
    assert_eq!(problems, [Problem::Bloated]);
}
