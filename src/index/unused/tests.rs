use super::*;
use crate::catalog::sample::{Sample, run};
use crate::catalog::{ConstraintKind, IndexStatistics, Snapshot, TableStatistics};
use crate::index::rules::UNUSED_INDEX;
use crate::index::testing::*;

fn everything() -> Limits {
    Limits { minimum_bytes: 0, ..Limits::default() }
}

fn rows(snapshot: &Snapshot) -> Vec<UnusedIndex> {
    ask(snapshot, |facts| unused_indexes(facts, &everything()))
}

/// `(index, verdict, reason)` of every row.
fn said(sample: Sample) -> Vec<(String, &'static str, String)> {
    let snapshot = sample.finish();
    rows(&snapshot).into_iter().map(|row| (row.index_name, row.verdict.name(), row.reason)).collect()
}

fn one(sample: Sample) -> (&'static str, String) {
    let mut said = said(sample);
    assert_eq!(said.len(), 1, "{said:?}");
    let (_, verdict, reason) = said.remove(0);
    (verdict, reason)
}

#[test]
fn an_unscanned_index_of_a_busy_table_can_go() {
    let (mut sample, t) = one_table();
    sample.index(t, "idle", &["a"]);
    let used = sample.index(t, "used", &["b"]);
    sample.edit_index(used, |index| {
        index.statistics = Some(IndexStatistics { scans: 1, ..Default::default() })
    });
    let snapshot = sample.finish();
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.verdict, &*row.reason), (Verdict::Drop, "no scan in 40 days while its table was in use"));
    assert_eq!((row.scans, row.size_bytes, row.watched), (0, 5 * 8192, Some(40 * DAY)));
    assert_eq!(row.drop_sql.as_deref(), Some("DROP INDEX CONCURRENTLY public.idle;"));
    assert_eq!(
        row.recreate_sql.as_deref(),
        Some("CREATE INDEX CONCURRENTLY idle ON public.t USING btree (a);")
    );
}

#[test]
fn what_is_needed_without_scans_is_kept() {
    type Make = fn(&mut Sample, Oid);
    let cases: [(Make, &str); 6] = [
        (
            |sample, t| {
                sample.primary_key(t, &["a"]);
            },
            "it backs the primary key t_pkey",
        ),
        (
            |sample, t| {
                sample.keyed_constraint(t, "x", &["a"], ConstraintKind::Exclusion);
            },
            "it backs the exclusion constraint x",
        ),
        (
            |sample, t| {
                let index = sample.index(t, "i", &["a"]);
                sample.edit_index(index, |index| index.is_unique = true);
            },
            "it keeps values unique, which its scans do not count",
        ),
        (
            |sample, t| {
                let index = sample.index(t, "i", &["a"]);
                sample.edit_index(index, |index| index.is_replica_identity = true);
            },
            "it is the replica identity of its table",
        ),
        (
            |sample, t| {
                let index = sample.index(t, "i", &["a"]);
                sample.edit_index(index, |index| index.is_clustered = true);
            },
            "it is the one that CLUSTER orders its table by",
        ),
        (
            |sample, t| {
                let index = index_on_expression(sample, t, "i", "{ LOWER }", &[]);
                sample.edit_index(index, |index| index.has_expression_statistics = true);
            },
            "it gives the planner statistics of its expression, which its scans do not count",
        ),
    ];
    for (make, reason) in cases {
        let (mut sample, t) = one_table();
        make(&mut sample, t);
        let snapshot = sample.finish();
        let rows = rows(&snapshot);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].verdict, &*rows[0].reason), (Verdict::Keep, reason));
        assert_eq!((&rows[0].drop_sql, &rows[0].recreate_sql), (&None, &None));
    }
}

#[test]
fn a_plain_unique_index_that_a_foreign_key_refers_to_is_kept_for_it() {
    let (mut sample, t) = one_table();
    let index = sample.index(t, "i", &["a"]);
    sample.edit_index(index, |index| index.is_unique = true);
    let child = plain_table(&mut sample, "child");
    let key = sample.foreign_key(child, &["a"], t, &["a"]);
    sample.edit_constraint(key, |constraint| constraint.name = "fk_child".into());
    assert_eq!(one(sample), ("keep", "it backs the columns that foreign key fk_child refers to".to_owned()));
}

#[test]
fn the_last_cover_of_a_foreign_key_is_kept_and_of_two_one_can_go() {
    let (mut sample, t) = one_table();
    let parent = sample.keyed_table("parent");
    let key = sample.foreign_key(t, &["a"], parent, &["id"]);
    sample.edit_constraint(key, |constraint| constraint.name = "fk_t".into());
    sample.index(t, "narrow", &["a"]);
    let wide = sample.index(t, "wide", &["a", "b"]);
    sample.edit_index(wide, |index| index.pages = 50);
    let snapshot = sample.finish();
    let rows = rows(&snapshot);
    let verdict = |name: &str| rows.iter().find(|row| row.index_name == name).unwrap();
    assert_eq!(verdict("public.wide").verdict, Verdict::Drop);
    assert_eq!(verdict("public.narrow").verdict, Verdict::Keep);
    assert_eq!(verdict("public.narrow").reason, "it is the last index that covers foreign key fk_t");
    assert_eq!(verdict("public.parent_pkey").verdict, Verdict::Keep);
}

#[test]
fn young_or_blind_counters_ask_for_review() {
    type Edit = fn(&mut Server);
    let cases: [(Edit, &str); 6] = [
        (|server| server.statistics_since = None, "it is not known since when scans have been counted"),
        (
            |server| server.statistics_since = Some(server.now - DAY),
            "scans have been counted for 24 hours only; 30 days are needed",
        ),
        (
            |server| {
                server.statistics_since = Some(server.now - 3 * DAY);
                server.statistics_lost = true;
            },
            "a crash lost the scan counters 3 days ago; 30 days are needed",
        ),
        (
            |server| server.standbys = Standbys::Connected(1),
            "there is 1 standby, whose scans are not counted here: ask there too",
        ),
        (
            |server| server.standbys = Standbys::Connected(2),
            "there is 2 standbys, whose scans are not counted here: ask there too",
        ),
        (
            |server| server.standbys = Standbys::IsStandby,
            "this server is a standby, and the primary's scans are not counted here",
        ),
    ];
    for (edit, reason) in cases {
        let (mut sample, t) = one_table();
        sample.index(t, "i", &["a"]);
        edit(&mut sample.snapshot.server);
        let snapshot = sample.finish();
        let row = &rows(&snapshot)[0];
        assert_eq!((row.verdict, &*row.reason), (Verdict::Review, reason));
        assert!(row.drop_sql.is_some() && row.recreate_sql.is_some());
        let (findings, unknowns, examined) = run(&UNUSED_INDEX, &snapshot);
        assert_eq!((findings.len(), unknowns.len(), examined), (0, 1, 0));
        assert!(unknowns[0].reason.ends_with(reason));
    }
}

#[test]
fn a_crash_long_ago_is_forgiven() {
    let (mut sample, t) = one_table();
    sample.index(t, "i", &["a"]);
    sample.snapshot.server.statistics_lost = true;
    assert_eq!(one(sample).0, "drop");
}

#[test]
fn a_young_file_or_an_idle_table_asks_for_review() {
    let (mut sample, t) = one_table();
    sample.index(t, "i", &["a"]);
    let snapshot = sample.finish();
    let mut definitions = Deparse::new(&snapshot);
    definitions.ages.insert("i".to_owned(), 3);
    let rows = ask_with(&definitions, |facts| unused_indexes(facts, &everything()));
    assert_eq!(
        (rows[0].verdict, &*rows[0].reason, rows[0].watched),
        (Verdict::Review, "it was built 3 days ago; 30 days are needed", Some(3 * DAY))
    );

    let (mut sample, t) = one_table();
    sample.index(t, "i", &["a"]);
    sample.edit_table(t, |table| {
        table.statistics =
            Some(Box::new(TableStatistics { sequential_scans: 3, inserted: 999, ..Default::default() }));
    });
    let snapshot = sample.finish();
    let row = &self::rows(&snapshot)[0];
    assert_eq!(row.verdict, Verdict::Review);
    assert_eq!(
        row.reason,
        "its table is hardly used (3 scans, 999 rows written), so zero scans prove nothing"
    );
    let (findings, unknowns, examined) = run(&UNUSED_INDEX, &snapshot);
    assert_eq!((findings.len(), unknowns.len(), examined), (0, 1, 0));
}

#[test]
fn a_partition_tree_is_one_row_and_a_scan_of_any_part_is_a_scan() {
    let tree = || {
        let (mut sample, t) = one_table();
        sample.index(t, "i", &["a"]);
        for name in ["p1", "p2"] {
            let partition = plain_table(&mut sample, name);
            partition_with_indexes(&mut sample, t, partition, name);
        }
        sample
    };
    let snapshot = tree().finish();
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 1);
    assert_eq!((&*rows[0].index_name, rows[0].size_bytes), ("public.i", 2 * 5 * 8192));
    assert_eq!(rows[0].drop_sql.as_deref(), Some("DROP INDEX public.i;"));

    let mut sample = tree();
    let part = sample.snapshot.indexes.iter().find(|index| &*index.name == "p2_i").unwrap().oid;
    sample.edit_index(part, |index| {
        index.statistics = Some(IndexStatistics { scans: 1, ..Default::default() })
    });
    assert!(said(sample).is_empty());
}

#[test]
fn an_invalid_index_is_not_unused() {
    let (mut sample, t) = one_table();
    let index = sample.index(t, "i", &["a"]);
    sample.edit_index(index, |index| index.is_valid = false);
    assert!(said(sample).is_empty());
}

#[test]
fn rows_go_from_droppable_to_needed_and_from_large_to_small() {
    let (mut sample, t) = one_table();
    sample.primary_key(t, &["a"]);
    for (name, pages) in [("small", 5), ("large", 500)] {
        let index = sample.index(t, name, &["b"]);
        sample.edit_index(index, |index| index.pages = pages);
    }
    let said = said(sample);
    let order: Vec<&str> = said.iter().map(|(name, ..)| &**name).collect();
    assert_eq!(order, ["public.large", "public.small", "public.t_pkey"]);
}

#[test]
fn the_rule_reports_what_can_go_and_is_large_enough() {
    let (mut sample, t) = one_table();
    for (name, column, pages) in [("small", "a", 5), ("large", "b", 500)] {
        let index = sample.index(t, name, &[column]);
        sample.edit_index(index, |index| index.pages = pages);
    }
    let snapshot = sample.finish();
    ask(&snapshot, |facts| {
        let thresholds = |name: &str| UNUSED_INDEX.default_threshold(name);
        let mut verdicts = crate::finding::Verdicts::new(&thresholds);
        (UNUSED_INDEX.check)(facts, &mut verdicts);
        assert_eq!(verdicts.findings.len(), 1);
        let finding = &verdicts.findings[0];
        assert_eq!(finding.object, "public.large");
        assert_eq!(
            finding.message,
            "public.large (3.9 MB) is unused: no scan in 40 days while its table was in use"
        );
        assert!(finding.fix.is_some() && finding.undo.is_some());
    });
}

#[test]
fn what_was_said_of_an_index_comes_back_with_it() {
    let (mut sample, t) = one_table();
    let index = sample.index(t, "Odd", &["a", "s"]);
    sample.edit_index(index, |index| {
        index.keys[1].column = 0;
        index.expressions = ["{ VAR :varattno 6 }".into()].into();
    });
    let snapshot = sample.finish();
    let mut definitions = Deparse::new(&snapshot);
    definitions.comments.insert(index, "it's \\ \n odd");
    let rows = ask_with(&definitions, |facts| unused_indexes(facts, &everything()));
    let recreate =
        rows.iter().find(|row| row.index_name == "public.\"Odd\"").unwrap().recreate_sql.clone().unwrap();
    let (create, rest) = recreate.split_once('\n').unwrap();
    assert!(create.starts_with("CREATE INDEX CONCURRENTLY \"Odd\" "), "{create}");
    assert_eq!(
        rest,
        "ALTER INDEX public.\"Odd\" ALTER COLUMN 2 SET STATISTICS 502;\n\
         COMMENT ON INDEX public.\"Odd\" IS E'it''s \\\\ \n odd';"
    );
}

#[test]
fn what_another_rule_reports_is_left_to_it_unless_both_can_go() {
    let reported = |keeper_days: i64| {
        let (mut sample, t) = one_table();
        for name in ["one", "two"] {
            let index = sample.index(t, name, &["a"]);
            sample.edit_index(index, |index| index.pages = 500);
        }
        let snapshot = sample.finish();
        let mut definitions = Deparse::new(&snapshot);
        definitions.ages.insert("one".to_owned(), keeper_days);
        definitions.ages.insert("two".to_owned(), 10);
        ask_with(&definitions, |facts| {
            // By the defaults both are too young, so that they are told as duplicates.
            let thresholds = |name: &str| {
                if name == "minimum_days" { Some(5.0) } else { UNUSED_INDEX.default_threshold(name) }
            };
            let mut verdicts = crate::finding::Verdicts::new(&thresholds);
            (UNUSED_INDEX.check)(facts, &mut verdicts);
            verdicts.findings.into_iter().map(|finding| finding.object).collect::<Vec<_>>()
        })
    };
    assert_eq!(reported(10), ["public.one", "public.two"]);
    assert!(reported(1).is_empty(), "the duplicate is the other rule's");
}
