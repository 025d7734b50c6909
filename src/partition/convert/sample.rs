//! Hand-made facts for tests.

use super::facts::{Around, Column, Constraint, Incoming, Index, Rebuilt, Table, Trigger};
use super::{Partition, Wish};

fn column(number: i16, name: &str, type_name: &str) -> Column {
    Column {
        name: name.to_owned(),
        number,
        type_name: type_name.to_owned(),
        is_not_null: name == "id",
        ..Column::default()
    }
}

/// `shop.orders (id bigint primary key, at date, customer bigint references shop.customers)`.
pub fn table() -> Table {
    Table {
        version: 150_000,
        oid: 1,
        schema: "shop".to_owned(),
        name: "orders".to_owned(),
        kind: 'r',
        owner: "keeper".to_owned(),
        is_own: true,
        is_owner_me: true,
        may_create: true,
        may_owner_create: true,
        replica_identity: 'd',
        columns: vec![column(1, "id", "bigint"), column(2, "at", "date"), column(3, "customer", "bigint")],
        constraints: vec![
            Constraint {
                name: "orders_customer_fkey".to_owned(),
                kind: 'f',
                definition: "FOREIGN KEY (customer) REFERENCES shop.customers(id)".to_owned(),
                is_valid: true,
                is_enforced: true,
                referenced: Some("shop.customers".to_owned()),
                may_lock: true,
                may_owner_lock: true,
                may_owner_refer: true,
                ..Constraint::default()
            },
            Constraint {
                name: "orders_pkey".to_owned(),
                kind: 'p',
                definition: "PRIMARY KEY (id)".to_owned(),
                is_valid: true,
                is_enforced: true,
                ..Constraint::default()
            },
        ],
        indexes: vec![
            Index {
                schema: "shop".to_owned(),
                name: "orders_customer_idx".to_owned(),
                tail: "USING btree (customer)".to_owned(),
                key_columns: vec!["customer".to_owned()],
                is_valid: true,
                ..Index::default()
            },
            Index {
                schema: "shop".to_owned(),
                name: "orders_pkey".to_owned(),
                tail: "USING btree (id)".to_owned(),
                key_columns: vec!["id".to_owned()],
                is_unique: true,
                is_valid: true,
                constraint: Some("orders_pkey".to_owned()),
                constraint_kind: Some('p'),
                ..Index::default()
            },
        ],
        triggers: vec![Trigger {
            name: "touch".to_owned(),
            definition:
                "CREATE TRIGGER touch BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.touch()"
                    .to_owned(),
            enabled: 'A',
            is_row: true,
            is_before: true,
            may_owner_make: true,
            ..Trigger::default()
        }],
        taken: vec!["orders".to_owned(), "orders_pkey".to_owned(), "orders_customer_idx".to_owned()],
        print: "0".to_owned(),
        ..Table::default()
    }
}

/// A view of it, and `shop.lines (order_id bigint references shop.orders)`.
pub fn around() -> Around {
    Around {
        incoming: vec![Incoming {
            schema: "shop".to_owned(),
            table: "lines".to_owned(),
            is_plain: true,
            is_own: true,
            is_of_owner: true,
            is_same_owner: true,
            name: "lines_order_id_fkey".to_owned(),
            definition: "FOREIGN KEY (order_id) REFERENCES shop.orders(id) ON DELETE CASCADE".to_owned(),
            is_valid: true,
            r#match: 's',
            on_update: 'a',
            on_delete: 'c',
            columns: vec!["order_id".to_owned()],
            referenced_columns: vec!["id".to_owned()],
            has_key: true,
            ..Incoming::default()
        }],
        rebuilt: vec![Rebuilt {
            kind: "view".to_owned(),
            name: "shop.open_orders".to_owned(),
            is_own: true,
            is_of_owner: true,
            sql: "CREATE OR REPLACE VIEW shop.open_orders AS SELECT id FROM shop.orders".to_owned(),
        }],
        ..Around::default()
    }
}

/// By `at`, monthly.
pub fn wish() -> Wish {
    Wish {
        key: "at".to_owned(),
        cutoff: "'2027-01-01'".to_owned(),
        partitions: vec![Partition {
            name: "orders_2027_01".to_owned(),
            bounds: "FROM ('2027-01-01') TO ('2027-02-01')".to_owned(),
            inside: "at >= '2027-01-01' AND at < '2027-02-01'".to_owned(),
        }],
        asked: "by hand".to_owned(),
        manage: "SELECT dbm.partition_manage('shop.orders')".to_owned(),
        manage_all: None,
        search_path: "public".to_owned(),
    }
}
