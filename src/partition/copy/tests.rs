//! Statements of copies as text.

use super::drain::{Drain, Piece, definition};
use super::job::{Back, Definition, JournalColumn, Phase};
use super::journal::Part;
use super::rows::{self, Key};
use super::{journal, record};

fn column(name: &str, sql_type: &str, is_key: bool) -> JournalColumn {
    JournalColumn {
        name: name.into(),
        sql_type: sql_type.into(),
        collation: None,
        operator_schema: "pg_catalog".into(),
        is_key,
    }
}

fn drain() -> Definition {
    definition(&Drain {
        parent: "s.\"T\"".into(),
        parent_number: 7,
        schema: "s".into(),
        by: "RANGE (ts)".into(),
        default: "s.d".into(),
        columns: vec!["id".into(), "ts".into(), "Note".into()],
        journal: vec![column("id", "pg_catalog.int8", true), column("ts", "pg_catalog.date", false)],
        pieces: vec![Piece {
            table: "s.p1".into(),
            bounds: "FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')".into(),
            inside: "ts >= '2020-01-01' AND ts < '2020-02-01'".into(),
            beside: vec!["CREATE TABLE s.p1 (LIKE s.\"T\")".into()],
            tables: vec!["s.p1".into()],
            open: vec!["GRANT SELECT ON TABLE s.p1 TO r".into()],
            after: vec!["ALTER PUBLICATION p ADD TABLE s.p1".into()],
        }],
        most_in_swap: 0,
        is_referenced: false,
        asked_by: "r".into(),
    })
}

fn key(values: &[Option<&str>]) -> Key {
    values.iter().map(|value| value.map(str::to_owned)).collect()
}

#[test]
fn phases_have_names_and_an_order() {
    for name in [
        "planned",
        "prepared",
        "copying",
        "catching_up",
        "ready",
        "swapped",
        "verified",
        "cleaned",
        "aborted",
    ] {
        assert_eq!(Phase::parse(name).map(Phase::name), Some(name));
    }
    assert_eq!(Phase::parse("done"), None);
    assert!(!Phase::Ready.is_swapped() && Phase::Swapped.is_swapped() && Phase::Verified.is_swapped());
    assert!(Phase::Cleaned.is_over() && Phase::Aborted.is_over() && !Phase::Verified.is_over());
}

#[test]
fn a_batch_takes_blocks_without_the_rows_that_wait() {
    let wanted = drain();
    assert_eq!(
        rows::copy(&wanted, 0, Some(100), &[]),
        "INSERT INTO s.dbm_staging_7 (id, ts, \"Note\") OVERRIDING SYSTEM VALUE SELECT s.id, s.ts, s.\"Note\" FROM ONLY \
         s.d AS s WHERE s.ctid >= '(0,0)'::pg_catalog.tid AND s.ctid < '(100,0)'::pg_catalog.tid"
    );
    let sql = rows::copy(&wanted, 100, None, &[key(&[Some("5"), Some("2020-01-05")]), key(&[None, None])]);
    assert!(
        sql.ends_with(
            "WHERE s.ctid >= '(100,0)'::pg_catalog.tid AND NOT EXISTS (SELECT FROM ROWS FROM \
             (pg_catalog.unnest('{\"5\"}'::pg_catalog.int8[]), pg_catalog.unnest('{\"2020-01-05\"}'::pg_catalog.date[])) AS k (k0, k1) WHERE s.id \
             OPERATOR(pg_catalog.=) k.k0)"
        ),
        "{sql}"
    );
}

#[test]
fn a_row_is_deleted_where_the_journal_says_it_was_and_inserted_where_it_is() {
    let wanted = drain();
    let keys = [
        key(&[Some("5"), Some("2020-01-05")]),
        key(&[Some("5"), Some("2020-01-06")]),
        key(&[Some("6"), None]),
        key(&[None, None]),
    ];
    let alone = rows::alone(&wanted, &keys);
    let deletes = rows::delete(&wanted, &keys, &alone);
    assert_eq!(deletes.len(), 2, "{deletes:?}");
    assert!(deletes[0].ends_with("t.id OPERATOR(pg_catalog.=) k.k0 AND t.ts OPERATOR(pg_catalog.=) k.k1"));
    assert!(
        deletes[1].contains("'{\"6\"}'")
            && deletes[1].ends_with("WHERE t.id OPERATOR(pg_catalog.=) k.k0 AND t.ts IS NULL"),
        "a row of the same key in another partition is another row: {deletes:?}"
    );
    let inserts = rows::insert_again(&wanted, &alone, Some(40));
    assert_eq!(inserts.len(), 1, "each key once: {inserts:?}");
    assert!(
        inserts[0].contains(
            "'{\"5\",\"6\"}'::pg_catalog.int8[]), pg_catalog.unnest('{NULL,NULL}'::pg_catalog.date[])"
        ),
        "{inserts:?}"
    );
    assert!(inserts[0].ends_with("AND s.ctid < '(40,0)'::pg_catalog.tid"));
    assert!(
        inserts[0].contains(" SELECT DISTINCT ON (s.tableoid, s.ctid) s.id, "),
        "each row once: {inserts:?}"
    );
    assert!(rows::is_gap(&keys[3]) && !rows::is_gap(&keys[2]));
}

#[test]
fn a_row_is_deleted_also_where_it_is_now() {
    let wanted = drain();
    let keys =
        [key(&[Some("5"), Some("2020-01-05")]), key(&[Some("5"), Some("2020-01-06")]), key(&[None, None])];
    let deletes = rows::delete_current(&wanted, &rows::alone(&wanted, &keys));
    assert_eq!(deletes.len(), 2, "{deletes:?}");
    assert!(
        deletes[0].contains("pg_catalog.unnest('{\"5\"}'::pg_catalog.int8[])"),
        "each key once: {deletes:?}"
    );
    assert!(
        deletes[0].ends_with(
            "ONLY s.d AS s WHERE s.id OPERATOR(pg_catalog.=) k.k0 AND t.id OPERATOR(pg_catalog.=) s.id AND t.ts \
             OPERATOR(pg_catalog.=) s.ts"
        ),
        "{deletes:?}"
    );
    assert!(
        deletes[1].ends_with("AND (s.ts IS NULL) AND t.id OPERATOR(pg_catalog.=) s.id AND t.ts IS NULL"),
        "{deletes:?}"
    );
    let mut whole = drain();
    whole.journal = vec![column("id", "pg_catalog.int8", true), column("ts", "pg_catalog.date", true)];
    assert!(
        rows::delete_current(&whole, &rows::alone(&whole, &keys)).is_empty(),
        "the key tells the partition"
    );
}

#[test]
fn keys_of_any_text_come_back_as_they_were() {
    let mut wanted = drain();
    wanted.journal = vec![column("note", "pg_catalog.text", true)];
    let sql = rows::delete(&wanted, &[key(&[Some("it's {a}, \"b\" \\ NULL")])], &[]).join("");
    assert!(
        sql.contains(r#"E'{"it''s {a}, \\"b\\" \\\\ NULL"}'"#)
            || sql.contains(r#"{"it''s {a}, \\\"b\\\" \\\\\\\\ NULL"}"#),
        "{sql}"
    );
    let many: Vec<Key> = (0..rows::CHUNK + 1).map(|id| vec![Some(id.to_string())]).collect();
    assert_eq!(rows::delete(&wanted, &many, &[]).len(), 2);
}

#[test]
fn a_drain_hands_its_tables_over_under_one_lock() {
    let wanted = drain();
    assert_eq!(wanted.locks, ["ONLY s.\"T\"", "ONLY s.d"]);
    assert_eq!(
        wanted.swap,
        [
            "TRUNCATE ONLY s.d",
            "ALTER TABLE s.\"T\" ATTACH PARTITION s.p1 FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')",
            "ALTER PUBLICATION p ADD TABLE s.p1",
            "INSERT INTO s.d (id, ts, \"Note\") OVERRIDING SYSTEM VALUE SELECT id, ts, \"Note\" FROM s.dbm_rest_7",
        ]
    );
    let handover = wanted.handover.as_ref().expect("it is taken apart first");
    assert_eq!(
        wanted.before,
        ["GRANT SELECT ON TABLE s.p1 TO r", "ALTER TABLE s.dbm_staging_7 DETACH PARTITION s.p1"],
        "what is made is open to nobody until the swap"
    );
    assert_eq!(wanted.closed, ["s.dbm_staging_7", "s.dbm_rest_7", "s.dbm_hold_7", "s.p1"]);
    assert_eq!(wanted.told, "rows of s.d were moved into s.p1, for r: they are rows of s.\"T\" as before");
    assert_eq!((&*handover.hold, &*handover.into), ("s.dbm_hold_7", "s.\"T\""));
    assert_eq!(
        wanted.clean,
        [
            "DROP TABLE IF EXISTS s.dbm_staging_7, s.dbm_hold_7",
            "ALTER TABLE IF EXISTS s.p1 DROP CONSTRAINT IF EXISTS dbm_bound"
        ]
    );
    assert!(wanted.complete[0].ends_with(
        "INCLUDING GENERATED INCLUDING INDEXES) PARTITION BY RANGE (ts);\nALTER TABLE s.dbm_staging_7 ENABLE ROW LEVEL \
         SECURITY, FORCE ROW LEVEL SECURITY"
    ));
    assert!(!wanted.prepare[0].sql.contains("INDEXES"));
    // What takes it back, takes back only what was made.
    assert!(wanted.prepare.iter().all(|statement| statement.undo.starts_with("DROP TABLE IF EXISTS")));
}

#[test]
fn after_a_swap_only_parts_of_ours_are_touched() {
    let wanted = drain();
    let into = wanted.handover.as_ref().map(|handover| handover.into.clone()).unwrap_or_default();
    let into = Definition { target: into, ..wanted };
    let keys = [key(&[Some("5"), Some("2020-01-05")])];
    let deletes = rows::delete(&into, &keys, &rows::alone(&into, &keys));
    assert!(
        deletes[0].contains(
            "unnest(ARRAY[pg_catalog.to_regclass('s.p1'), pg_catalog.to_regclass('s.d')]) AS x (part)"
        ),
        "{deletes:?}"
    );
}

#[test]
fn a_definition_comes_back_from_its_record() {
    let wanted = drain();
    let json = serde_json::to_string(&wanted).expect("it can be written");
    assert_eq!(serde_json::from_str::<Definition>(&json).expect("it can be read"), wanted);
    assert!(record::create(&wanted, 5, 10).contains("VALUES ('drain', 5, 's.d', 's.dbm_staging_7', 10, "));
}

#[test]
fn journals_belong_to_the_extension_and_triggers_fire_always() {
    let statements = journal::create(3, &drain());
    assert!(statements[0].starts_with(
        "CREATE TABLE dbm.partition_journal_3_a WITH (autovacuum_enabled = false) AS SELECT id, ts"
    ));
    assert!(
        statements.iter().any(|sql| sql == "ALTER EXTENSION dbmastery ADD TABLE dbm.partition_journal_3_b")
    );
    assert!(
        statements
            .iter()
            .any(|sql| sql.contains("FOR EACH ROW EXECUTE FUNCTION dbm.partition_journal('3', 'id', 'ts')"))
    );
    assert!(statements.last().is_some_and(|sql| sql.contains("ENABLE ALWAYS TRIGGER dbm_journal_3,")));
}

#[test]
fn the_way_back_copies_what_changed_to_where_it_came_from() {
    let mut wanted = drain();
    assert!(wanted.backwards().is_none(), "a drain has none");
    wanted.back = Some(Back {
        table: "s.t".into(),
        old: "s.t_old".into(),
        locks: vec!["s.t".into()],
        swap: vec!["ALTER TABLE s.t RENAME TO n".into()],
    });
    let back = wanted.backwards().expect("there is a way back");
    let keys = [key(&[Some("5"), Some("2020-01-05")]), key(&[Some("5"), Some("2020-01-06")])];
    let alone = rows::alone(&back, &keys);
    let deletes = rows::delete(&back, &keys, &alone);
    assert_eq!(deletes.len(), 1, "by the key alone: {deletes:?}");
    assert!(
        deletes[0].starts_with("DELETE FROM s.t_old AS t")
            && deletes[0].ends_with("t.id OPERATOR(pg_catalog.=) k.k0")
    );
    assert!(rows::delete_current(&back, &alone).is_empty());
    let inserts = rows::insert_again(&back, &alone, None);
    assert!(inserts[0].contains(", s.t AS s WHERE"), "with all partitions: {inserts:?}");
    assert!(back.before.is_empty() && back.handover.is_none());
    assert_eq!(back.prepare, wanted.prepare, "what was made is taken away by the same statements");
}

#[test]
fn journals_are_read_in_parts() {
    let wanted = drain();
    assert!(journal::keys(3, &['a', 'b'], &wanted, Part::UpTo(11)).ends_with("_b LIMIT 11"));
    let page = journal::keys(3, &['b'], &wanted, Part::Blocks(0, 256));
    assert!(page.starts_with("SELECT DISTINCT CASE"), "{page}");
    assert!(page.ends_with("ctid >= '(0,0)'::pg_catalog.tid AND ctid < '(256,0)'::pg_catalog.tid"), "{page}");
    assert!(!journal::keys(3, &['a', 'b'], &wanted, Part::All).contains("LIMIT"));
}
