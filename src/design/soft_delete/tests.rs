//! Plans for hand-made tables.

use super::*;
use crate::catalog::surroundings::{Column, Incoming, Partition};

fn index(name: &str, kind: Option<char>, tail: &str, columns: &[&str]) -> Index {
    Index {
        schema: "shop".to_owned(),
        name: name.to_owned(),
        tail: tail.to_owned(),
        columns: Some(columns.iter().map(|&column| column.to_owned()).collect()),
        is_unique: true,
        is_valid: true,
        constraint: kind.map(|_| name.to_owned()),
        constraint_kind: kind,
        ..Index::default()
    }
}

fn table() -> Table {
    let column =
        |name: &str| Column { name: name.to_owned(), type_name: "bigint".to_owned(), ..Column::default() };
    Table {
        schema: "shop".to_owned(),
        name: "orders".to_owned(),
        kind: 'r',
        columns: vec![column("id"), column("code")],
        indexes: vec![
            index("orders_pkey", Some('p'), "USING btree (id)", &["id"]),
            index("orders_code_key", Some('u'), "USING btree (code)", &["code"]),
        ],
        incoming: vec![Incoming {
            table: 2,
            table_name: "shop.lines".to_owned(),
            name: "lines_fkey".to_owned(),
            referenced_columns: vec!["id".to_owned()],
        }],
        ..Table::default()
    }
}

fn wish() -> Wish {
    Wish {
        column: "deleted_at".to_owned(),
        view: "live_orders".to_owned(),
        accepts_unique: true,
        is_of_another: false,
        asked: String::new(),
    }
}

#[test]
fn the_steps_of_a_plan() {
    let plan = plan(&table(), &wish());
    let text = plan.steps.iter().flat_map(|step| step.sql.clone()).collect::<Vec<_>>().join("\n");
    for part in [
        "ALTER TABLE shop.orders ADD COLUMN deleted_at timestamp with time zone",
        "CREATE INDEX CONCURRENTLY orders_deleted_at_idx ON shop.orders (deleted_at) WHERE deleted_at IS NOT NULL",
        "CREATE UNIQUE INDEX CONCURRENTLY orders_code_key_dbm_live ON shop.orders USING btree (code) WHERE (deleted_at IS NULL)",
        "ALTER TABLE shop.orders DROP CONSTRAINT orders_code_key",
        "CREATE VIEW shop.live_orders WITH (security_invoker = true) AS SELECT id, code FROM shop.orders WHERE deleted_at IS NULL",
        "WHERE dbm_row.id OPERATOR(pg_catalog.=) OLD.id AND dbm_row.deleted_at IS NULL",
        "AND pg_catalog.record_image_eq(ROW(dbm_row.id, dbm_row.code), ROW(OLD.id, OLD.code))",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("orders_pkey"), "the primary key stays\n{text}");
    assert!(plan.requires.iter().any(|line| line.contains("shop.lines")));
}

#[test]
fn what_there_is_no_way_for() {
    let refused = |change: &dyn Fn(&mut Table, &mut Wish)| {
        let (mut table, mut wish) = (table(), wish());
        change(&mut table, &mut wish);
        refusal(&table, &wish).map(|refused| refused.is_to_be_accepted)
    };
    assert_eq!(refused(&|_, _| ()), None);
    assert_eq!(refused(&|_, wish| wish.accepts_unique = false), Some(true));
    let points_to_code =
        |table: &mut Table, _: &mut Wish| table.incoming[0].referenced_columns = vec!["code".to_owned()];
    assert_eq!(refused(&points_to_code), Some(false));
    assert_eq!(refused(&|table, _| table.kind = 'p'), Some(false));
    assert_eq!(refused(&|table, _| drop(table.indexes.remove(0))), Some(false));
    assert_eq!(refused(&|table, _| table.taken.push("live_orders".to_owned())), Some(false));
    assert_eq!(refused(&|_, wish| "code".clone_into(&mut wish.column)), Some(false));
    assert_eq!(refused(&|table, _| table.persistence = 't'), Some(false));
    assert_eq!(refused(&|table, _| table.partitions.push(Partition::default())), Some(false));
    let there = |default: bool, generated: bool| Column {
        name: "deleted_at".to_owned(),
        type_name: "timestamp with time zone".to_owned(),
        has_default: default,
        is_generated: generated,
        ..Column::default()
    };
    assert_eq!(refused(&|table, _| table.columns.push(there(false, false))), None);
    assert_eq!(refused(&|table, _| table.columns.push(there(true, false))), Some(false));
    assert_eq!(refused(&|table, _| table.columns.push(there(true, true))), Some(false));
}

#[test]
fn what_keeps_deleted_rows_in_the_way() {
    let excluding = |tail: &str| Index {
        is_unique: false,
        is_exclusion: true,
        ..index("orders_during", Some('x'), tail, &["during"])
    };
    let refused = |tail: &str| {
        let mut table = table();
        table.indexes.push(excluding(tail));
        refusal(&table, &wish())
    };
    let why = refused("USING gist (during)").unwrap();
    assert!(
        why.message.starts_with("exclusion constraint orders_during of shop.orders would go on"),
        "{why:?}"
    );
    assert_eq!(
        why.hint,
        "ALTER TABLE shop.orders ADD COLUMN deleted_at timestamp with time zone, DROP CONSTRAINT orders_during, ADD CONSTRAINT \
         orders_during … WHERE (deleted_at IS NULL) first, at a time when all may wait."
    );
    for tail in [
        "USING gist (during) WHERE (deleted_at IS NULL)",
        "USING gist (during) WHERE ((state = 'x'::text) AND (deleted_at IS NULL))",
    ] {
        assert_eq!(refused(tail), None, "{tail}");
    }
    for tail in [
        "USING gist (during) WHERE ((deleted_at IS NULL) OR (state = 'x'::text))",
        "USING gist (during) WHERE (deleted_at IS NOT NULL)",
        "USING gist (during) WHERE (not_deleted_at IS NULL)",
        "USING gist (during) WHERE (state = '(deleted_at IS NULL)'::text)",
    ] {
        assert!(refused(tail).is_some(), "{tail}");
    }
}

#[test]
fn what_is_of_live_rows_already_stays_as_it_is() {
    let mut table = table();
    table.indexes[1] =
        index("orders_code_key", None, "USING btree (code) WHERE (deleted_at IS NULL)", &["code"]);
    assert_eq!(refusal(&table, &Wish { accepts_unique: false, ..wish() }), None);
    let plan = plan(&table, &wish());
    assert!(plan.steps.iter().all(|step| step.sql.iter().all(|sql| !sql.contains("orders_code_key"))));
}
