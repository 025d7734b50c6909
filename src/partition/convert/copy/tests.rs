use super::super::references::references;
use super::super::sample::{around, table, wish};
use super::super::{Conversion, Method, Wish};
use super::refusals::{MOST, refusal};
use super::{definition, lines, plan};
use crate::change::plan::{Plan, Runs, runs_alone};
use crate::partition::copy::job::{Definition, JournalColumn};

fn wanted() -> (Definition, Plan) {
    let (table, around) = (table(), around());
    let wish = Wish { manage_all: Some("SELECT dbm.partition_manage('all')".to_owned()), ..wish() };
    let conversion = Conversion::new(&table, &around, &wish, Method::Copy).expect("the key is there");
    let column = |name: &str, sql_type: &str, is_key| JournalColumn {
        name: name.to_owned(),
        sql_type: sql_type.to_owned(),
        collation: None,
        operator_schema: "pg_catalog".to_owned(),
        is_key,
    };
    let journal = vec![column("id", "pg_catalog.int8", true), column("at", "pg_catalog.date", false)];
    let references = references(&conversion);
    (definition(&conversion, &references, journal, "print"), plan(&conversion, &references, 7, None))
}

fn in_order(statements: &[String], order: &[&str]) {
    let text = statements.join(";\n");
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} is not in {text}"));
    assert!(order.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{text}");
}

#[test]
fn the_switch_makes_no_row_of_the_old_table_count() {
    let (wanted, plan) = wanted();
    assert_eq!(wanted.locks, ["ONLY shop.orders", "shop.lines", "shop.customers"]);
    in_order(
        &wanted.swap,
        &[
            "IS DISTINCT FROM 'print'",
            "ALTER TABLE shop.lines DROP CONSTRAINT lines_order_id_fkey",
            "ALTER TABLE shop.orders DROP CONSTRAINT orders_customer_fkey",
            "DROP TRIGGER touch ON shop.orders",
            "ALTER TABLE shop.orders RENAME TO orders_old",
            "ALTER INDEX shop.orders_pkey RENAME TO orders_old_pkey",
            "ALTER TABLE shop.orders_dbm_new RENAME TO orders",
            "CREATE TRIGGER touch",
            "REFERENCES shop.orders (id, at) ON UPDATE CASCADE ON DELETE CASCADE NOT VALID",
            "CREATE OR REPLACE VIEW shop.open_orders",
        ],
    );
    assert_eq!(
        wanted.before,
        [
            "ALTER TABLE shop.orders_2027_01 ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES shop.customers(id) NOT VALID"
        ]
    );
    // What the plan adds, and the switch takes away, have one name.
    assert!(wanted.swap.iter().any(|sql| sql.ends_with("DROP CONSTRAINT lines_order_id_fkey_dbm_fkey")));
    assert!(
        plan.steps.iter().any(|step| step.sql[0].contains("ADD CONSTRAINT lines_order_id_fkey_dbm_fkey "))
    );
    assert_eq!(wanted.clean, ["DROP TABLE IF EXISTS shop.orders_old"]);
}

#[test]
fn the_way_back_leads_to_where_it_was() {
    let (wanted, _) = wanted();
    let back = wanted.back.expect("there is one");
    assert_eq!((&*back.table, &*back.old), ("shop.orders", "shop.orders_old"));
    assert_eq!(back.locks, ["shop.orders", "shop.lines", "shop.customers"]);
    in_order(
        &back.swap,
        &[
            "ALTER TABLE shop.lines DROP CONSTRAINT lines_order_id_fkey",
            "ALTER TABLE shop.orders DROP CONSTRAINT IF EXISTS orders_customer_fkey",
            "ALTER TABLE shop.orders RENAME TO orders_dbm_new",
            "ALTER TABLE shop.orders_old RENAME TO orders",
            "ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES shop.customers(id) NOT VALID",
            "ENABLE ALWAYS TRIGGER touch",
            "ADD CONSTRAINT lines_order_id_fkey FOREIGN KEY (order_id) REFERENCES shop.orders(id) ON DELETE CASCADE NOT VALID",
            "CREATE OR REPLACE VIEW shop.open_orders",
        ],
    );
}

#[test]
fn a_partition_is_attached_without_being_read() {
    let (wanted, _) = wanted();
    in_order(
        &wanted.prepare.iter().map(|one| one.sql.clone()).collect::<Vec<_>>(),
        &[
            "CREATE TABLE shop.orders_dbm_new (LIKE shop.orders INCLUDING GENERATED) PARTITION BY RANGE (at)",
            "CREATE TABLE shop.orders_2027_01 (LIKE shop.orders",
            "DROP CONSTRAINT IF EXISTS orders_dbm_cutoff",
            "ALTER COLUMN at SET NOT NULL",
            "ADD CONSTRAINT dbm_bound CHECK (at IS NOT NULL AND at >= '2027-01-01' AND at < '2027-02-01')",
            "ATTACH PARTITION shop.orders_2027_01 FOR VALUES FROM ('2027-01-01') TO ('2027-02-01')",
        ],
    );
    in_order(
        &wanted.complete,
        &[
            "DETACH PARTITION shop.orders_2027_01",
            "DROP TABLE shop.orders_dbm_new",
            "PARTITION BY RANGE (at)",
            "PRIMARY KEY (id, at)",
            "ATTACH PARTITION shop.orders_2027_01",
            "DROP CONSTRAINT dbm_bound",
        ],
    );
    assert!(wanted.prepare.iter().all(|one| one.undo.starts_with("DROP TABLE IF EXISTS")));
}

#[test]
fn the_old_table_goes_only_when_somebody_says_so() {
    let (_, plan) = wanted();
    let called =
        |what: &str| plan.steps.iter().position(|step| step.sql.iter().any(|sql| sql.contains(what)));
    let asked = plan.steps.iter().position(|step| step.runs == Runs::ByHand).expect("people are asked");
    let (swapped, verified) = (called("(7, 'swapped')").expect("it"), called("(7, 'verified')").expect("it"));
    let cleaned = called("(7, 'cleaned')").expect("it");
    assert!(swapped < verified && verified + 1 == asked && asked + 1 == cleaned, "{:?}", plan.steps);
    assert_eq!(
        plan.steps[verified].undo,
        ["CALL dbm.partition_copy(7, 'verified')"],
        "looked at before anything is undone"
    );
    // Interrupted, the copy is no step that was done: what takes it back stands with the step before.
    let copied = called("(7, 'ready')").expect("it");
    assert_eq!(plan.steps[copied - 1].undo, ["CALL dbm.partition_copy(7, 'aborted')"]);
    // No partition goes before that, which would close the way back.
    assert!(called("partition_manage('all')").is_some_and(|place| place < asked));
    assert_eq!(called("partition_manage('shop.orders')"), Some(cleaned + 1));
    assert!(plan.steps[swapped].undo[0].contains("'aborted'"));
    assert!(plan.steps[cleaned].undo.is_empty());
    for step in &plan.steps {
        assert!(step.runs != Runs::Alone || runs_alone(&step.sql[0]), "{:?}", step.sql);
    }
}

#[test]
fn what_the_conversion_adds_itself_is_not_looked_at() {
    let (table, around, wish) = (table(), around(), wish());
    let conversion = Conversion::new(&table, &around, &wish, Method::Copy).expect("the key is there");
    let lines = lines(&conversion);
    assert!(
        lines.contains("<> ALL (ARRAY['orders_dbm_cutoff', 'orders_dbm_pkey']::pg_catalog.name[])"),
        "{lines}"
    );
    assert!(!lines.contains("{table}") && !lines.contains("{names}"));
}

#[test]
fn the_owner_needs_the_rights_and_the_disk_the_room() {
    let (mut table, mut around) = (table(), around());
    table.all_bytes = 10_000_000;
    let of = |table: &_, around: &_, has_key, count, free| {
        refusal(table, around, has_key, count, free).map(|why| why.refusal.message)
    };
    assert_eq!(of(&table, &around, true, MOST, Some(10_000_000)), None);
    assert_eq!(of(&table, &around, true, 1, None), None);
    assert!(of(&table, &around, false, 1, None).is_some_and(|text| text.contains("no key")));
    assert!(of(&table, &around, true, MOST + 1, None).is_some_and(|text| text.contains("1001 partitions")));
    assert_eq!(
        of(&table, &around, true, 1, Some(9_999_999)).as_deref(),
        Some("there is no room for a copy of shop.orders")
    );
    around.rebuilt[0].is_of_owner = false;
    assert_eq!(
        of(&table, &around, true, 1, None).as_deref(),
        Some(
            "keeper, the owner of shop.orders, has no rights to make the view shop.open_orders again, which reads it"
        )
    );
}
