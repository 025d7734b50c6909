use super::statement::{Known, literal};
use super::*;

fn back(table: &Table, undone: &Undone) -> String {
    super::statement::back(table, undone, &mut Known::default())
}

fn again(table: &Table, undone: &Undone) -> String {
    super::statement::again(table, undone, &mut Known::default())
}

fn column(name: &str, type_name: &str) -> Column {
    Column {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        held_as: None,
        is_jsonb: type_name == "jsonb",
        is_comparable: true,
        is_generated: name == "total",
        is_logged: name != "secret",
        is_version: name == "version",
    }
}

fn orders() -> Table {
    Table {
        name: "shop.orders".to_owned(),
        is_partitioned: false,
        columns: [
            ("id", "bigint"),
            ("note", "text"),
            ("doc", "jsonb"),
            ("total", "numeric"),
            ("secret", "text"),
        ]
        .map(|(name, type_name)| column(name, type_name))
        .to_vec(),
        key: vec!["id".to_owned()],
        references: vec![Reference {
            table: "shop.items".to_owned(),
            columns: vec![Referring {
                theirs: "order_id".to_owned(),
                ours: "id".to_owned(),
                equals: "OPERATOR(pg_catalog.=)".to_owned(),
            }],
        }],
        goes_along: false,
        triggers: Vec::new(),
    }
}

fn values(members: &[(&str, &str)]) -> Values {
    members.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn undone(done: Done, before: &[(&str, &str)], after: &[(&str, &str)]) -> Undone {
    Undone { change: 7, table: 0, done, before: values(before), after: values(after) }
}

#[test]
fn an_insert_is_deleted_where_it_is_still_what_it_was() {
    let inserted = undone(
        Done::Inserted,
        &[],
        &[("id", "1"), ("note", r#""it's""#), ("doc", r#""a""#), ("total", "2.0")],
    );
    let text = back(&orders(), &inserted);
    assert!(
        text.contains(
            "IF EXISTS (SELECT FROM shop.items r WHERE '1'::bigint OPERATOR(pg_catalog.=) r.order_id) THEN"
        ),
        "{text}"
    );
    assert!(
        text.contains(
            "DELETE FROM ONLY shop.orders t WHERE t.id OPERATOR(pg_catalog.=) '1'::bigint AND \
             ROW(t.id, t.note, t.doc, t.total)::pg_catalog.record OPERATOR(pg_catalog.*=) \
             ROW('1'::bigint, 'it''s'::text, '\"a\"'::jsonb, '2.0'::numeric)::pg_catalog.record;"
        ),
        "{text}"
    );
    assert!(
        again(&orders(), &inserted).contains(
            "INSERT INTO shop.orders AS t (id, note, doc) OVERRIDING SYSTEM VALUE VALUES ('1'::bigint, 'it''s'::text, '\"a\"'::jsonb);"
        )
    );
}

#[test]
fn an_update_sets_back_what_changed() {
    let updated = undone(
        Done::Updated,
        &[("id", "1"), ("note", "null"), ("total", "1"), ("secret", "\"x\"")],
        &[("id", "2"), ("note", "\"b\""), ("total", "2"), ("secret", "\"y\"")],
    );
    let text = back(&orders(), &updated);
    assert!(
        text.contains(
            "UPDATE ONLY shop.orders t SET id = '1'::bigint, note = NULL::text WHERE t.id OPERATOR(pg_catalog.=) '2'::bigint"
        ),
        "{text}"
    );
    // Another row may have the key by now, unless a foreign key gave it to this one.
    assert!(text.contains("IF NOT FOUND THEN"), "{text}");
    let mut led = Known { may_be_led: true, ..Known::default() };
    let text = super::statement::back(&orders(), &updated, &mut led);
    assert!(text.contains("IF NOT FOUND AND NOT EXISTS (SELECT FROM ONLY shop.orders t WHERE"), "{text}");
    assert!(!text.contains("secret"));
}

#[test]
fn a_value_is_compared_as_the_column_holds_it_and_written_as_it_was() {
    let mut table = orders();
    for (name, held_as) in [("id", None), ("note", Some("character varying(5)"))] {
        let column = table.columns.iter_mut().find(|column| column.name == name).unwrap();
        column.held_as = held_as.map(str::to_owned);
    }
    let held = "CASE WHEN 'b'::text::character varying(5) OPERATOR(pg_catalog.=) 'b'::text \
                THEN 'b'::text::character varying(5) ELSE 'b'::text END";
    let updated = undone(Done::Updated, &[("id", "1"), ("note", "\"a\"")], &[("id", "1"), ("note", "\"b\"")]);
    let text = back(&table, &updated);
    assert!(text.contains("SET note = 'a'::text WHERE"), "{text}");
    assert!(text.contains(&format!("ROW('1'::bigint, {held})::pg_catalog.record")), "{text}");
    assert!(
        text.contains("IF NOT 'a'::text::character varying(5) OPERATOR(pg_catalog.=) 'a'::text THEN"),
        "{text}"
    );
    let nothing = undone(Done::Deleted, &[("id", "1"), ("note", "null")], &[]);
    let text = back(&table, &nothing);
    assert!(!text.contains("character varying"), "{text}");
    // A trigger's own value is told from one that the column only holds otherwise.
    let triggers = touched().triggers;
    let text = back(&Table { triggers, ..table }, &updated);
    assert!(
        text.contains(&format!(
            "NOT ROW(dbm_was.note)::pg_catalog.record OPERATOR(pg_catalog.*=) ROW({held})"
        )),
        "{text}"
    );
}

#[test]
fn one_of_several_equal_rows_goes() {
    let table = Table { key: Vec::new(), references: Vec::new(), ..orders() };
    let text = back(&table, &undone(Done::Inserted, &[], &[("id", "1")]));
    assert!(
        text.contains(
            "(t.tableoid, t.ctid) OPERATOR(pg_catalog.=) (SELECT t.tableoid, t.ctid FROM ONLY shop.orders t WHERE ROW(t.id)"
        ),
        "{text}"
    );
}

#[test]
fn a_value_cannot_end_the_block() {
    let text = back(&orders(), &undone(Done::Deleted, &[("id", "1"), ("note", r#""$dbm$; DROP""#)], &[]));
    assert!(text.starts_with("DO $dbm_$\n") && text.ends_with("$dbm_$"), "{text}");
    assert_eq!(literal("a\n'\\"), r"E'a\n''\\'");
}

#[test]
fn all_in_one_transaction_the_last_first() {
    let changes = [
        undone(Done::Inserted, &[], &[("id", "1"), ("note", "\"a\"")]),
        Undone {
            change: 8,
            ..undone(Done::Updated, &[("id", "1"), ("note", "\"a\"")], &[("id", "1"), ("note", "\"b\"")])
        },
        Undone { change: 9, ..undone(Done::Deleted, &[("id", "5"), ("note", "\"z\"")], &[]) },
    ];
    let plan = plan(asked(), &[orders()], &[], &changes);
    let [step] = &plan.steps[..] else { panic!("one step") };
    let places: Vec<usize> = ["INSERT INTO", "UPDATE ONLY", "DELETE FROM"]
        .iter()
        .map(|word| step.sql.iter().position(|sql| sql.contains(word)).unwrap())
        .collect();
    assert_eq!(places, [1, 2, 3]);
    // Row 1 is to be gone, whatever it was in between; row 5 is to be back.
    let [.., check] = &step.sql[..] else { panic!("a check") };
    assert_eq!(check.matches("EXISTS").count(), 2, "{check}");
    assert!(check.contains("IF NOT (NOT EXISTS"), "{check}");
}

fn asked() -> Asked {
    Asked {
        title: "take back".to_owned(),
        call: "dbm.revert_plan(7)".to_owned(),
        search_path: "shop".to_owned(),
    }
}

fn touched() -> Table {
    let mut table = orders();
    table.columns.push(column("version", "bigint"));
    table.triggers = vec![Trigger { name: "touch".to_owned(), on_insert: true, on_update: true }];
    table
}

#[test]
fn triggers_have_their_columns() {
    let updated = undone(
        Done::Updated,
        &[("id", "1"), ("note", "null"), ("version", "1")],
        &[("id", "1"), ("note", "\"b\""), ("version", "2")],
    );
    let text = back(&touched(), &updated);
    // A version is left alone; what is found must be what the change made of it, or what it is to be.
    assert!(text.contains("UPDATE ONLY shop.orders t SET note = NULL::text WHERE"), "{text}");
    assert!(
        text.contains("NOT ROW(dbm_was.note)::pg_catalog.record OPERATOR(pg_catalog.*=) ROW('b'::text)"),
        "{text}"
    );
    assert!(
        text.contains("ROW(dbm_now.version)::pg_catalog.record OPERATOR(pg_catalog.*=) ROW(dbm_was.version)"),
        "{text}"
    );
    // Each column is looked at once; of a row that is to go all are at once.
    let other = undone(
        Done::Updated,
        &[("id", "1"), ("note", "\"z\""), ("doc", "0")],
        &[("id", "1"), ("note", "null"), ("doc", "1")],
    );
    let found = values(&[("id", "1"), ("note", "\"z\""), ("doc", "1")]);
    for goes in [false, true] {
        let mut row = Known { goes, found: found.clone(), ..Known::default() };
        let text = super::statement::back(&touched(), &updated, &mut row);
        assert!(
            text.contains("NOT ROW(dbm_was.note)::pg_catalog.record OPERATOR(pg_catalog.*=) ROW('b'"),
            "{text}"
        );
        let of_doc = "NOT ROW(dbm_was.doc)::pg_catalog.record OPERATOR(pg_catalog.*=) ROW('1'";
        assert_eq!(text.contains(of_doc), goes, "{text}");
        let text = super::statement::back(&touched(), &other, &mut row);
        assert!(!text.contains("NOT ROW(dbm_was.note)"), "{text}");
        assert_eq!(text.contains(of_doc), !goes, "{text}");
    }
    // One that sets nothing has looked at nothing.
    let nothing = undone(Done::Updated, &[("id", "1"), ("version", "1")], &[("id", "1"), ("version", "2")]);
    let mut row = Known { goes: true, ..Known::default() };
    super::statement::back(&touched(), &nothing, &mut row);
    assert!(!row.is_ours && row.looked_at.is_empty());
}

#[test]
fn a_row_of_which_a_part_was_looked_at_does_not_go_by_its_key() {
    let mut table = touched();
    table.triggers[0].on_update = false;
    let inserted = undone(Done::Inserted, &[], &[("id", "1"), ("note", "\"a\""), ("doc", "1")]);
    let updated = undone(Done::Updated, &[("id", "1"), ("note", "\"a\"")], &[("id", "1"), ("note", "\"b\"")]);
    let deleted = undone(Done::Deleted, &[("id", "1"), ("note", "\"b\""), ("doc", "1")], &[]);
    let mut row = Known { goes: true, ..Known::default() };
    super::statement::back(&table, &updated, &mut row);
    let text = super::statement::back(&table, &inserted, &mut row);
    assert!(text.contains("ROW('1'::bigint, 'a'::text, '1'::jsonb)"), "{text}");
    let mut row = Known { goes: true, ..Known::default() };
    super::statement::again(&table, &updated, &mut row);
    let text = super::statement::again(&table, &deleted, &mut row);
    assert!(text.contains("NOT ROW(dbm_was.doc)"), "{text}");
    assert!(text.contains("IF NOT FOUND AND EXISTS"), "{text}");
    // What we have put in ourselves does, if it is still there.
    let mut row = Known::default();
    super::statement::again(&table, &inserted, &mut row);
    let text = super::statement::again(&table, &deleted, &mut row);
    assert!(!text.contains("dbm_was") && text.contains("IF NOT FOUND AND EXISTS"), "{text}");
}

#[test]
fn what_happens_to_be_so_skips_nothing() {
    let inserted = undone(Done::Inserted, &[], &[("id", "1"), ("note", "\"a\"")]);
    let updated = undone(Done::Updated, &[("id", "2"), ("note", "\"a\"")], &[("id", "2"), ("note", "\"b\"")]);
    let keyless = Table { key: Vec::new(), name: "shop.log".to_owned(), ..orders() };
    let of_keyless = Undone { table: 1, ..inserted.clone() };
    for (tables, changes) in [
        (vec![orders()], vec![inserted.clone(), updated.clone()]),
        (vec![touched()], vec![updated]),
        (vec![orders(), keyless], vec![inserted.clone(), of_keyless]),
        (
            vec![orders()],
            (0..300)
                .map(|place| Undone { after: values(&[("id", &place.to_string())]), ..inserted.clone() })
                .collect(),
        ),
    ] {
        let plan = plan(asked(), &tables, &[], &changes);
        assert_eq!(plan.steps[0].verify, None);
        let sql = plan.steps[0].sql.join("\n");
        assert!(sql.contains("not all rows are what they were before"), "{sql}");
    }
}

#[test]
fn the_check_knows_all_columns_that_the_changes_touch() {
    let changes = [
        undone(Done::Updated, &[("id", "1"), ("note", "\"a\"")], &[("id", "1"), ("note", "\"b\"")]),
        undone(Done::Updated, &[("id", "1"), ("doc", "1")], &[("id", "2"), ("doc", "2")]),
        undone(Done::Updated, &[("id", "2"), ("note", "\"b\"")], &[("id", "2"), ("note", "\"a\"")]),
    ];
    let plan = plan(asked(), &[orders()], &[], &changes);
    let [.., check] = &plan.steps[0].sql[..] else { panic!("a check") };
    assert!(check.contains("ROW('1'::bigint, 'a'::text, '1'::jsonb)"), "{check}");
    assert_eq!(check.matches("EXISTS").count(), 1, "{check}");
}
