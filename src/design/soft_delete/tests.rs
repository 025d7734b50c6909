//! Plans for hand-made tables.

use super::*;
use crate::catalog::surroundings::{Column, Incoming};

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
        "WHERE dbm_row.id = OLD.id AND dbm_row.deleted_at IS NULL",
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
}
