//! Statements of thousands of parts: what a plan costs grows with them and no faster, and who waits for it can give up.

use std::cell::Cell;

use super::super::sample::{action, alteration, around, column, other, statement, table};
use super::{check, constraint, set_not_null};
use crate::catalog::ddl::{
    Action, AddColumn, Alteration, ColumnDefinition, ColumnShape, ConstraintType, DropColumn, DropObject,
    DroppedKind, Kind, PartitionShape, Statement, TableShape, TouchedKind,
};
use crate::change::plan::Plan;
use crate::syntax::tokens::BYTES_READ;

/// A table with so many columns more: `c0`, `c1` …
fn wide(count: usize) -> TableShape {
    let mut table = table();
    let further = (0..count).map(|place| ColumnShape {
        number: i16::try_from(place + 4).unwrap_or(i16::MAX),
        ..column(0, &format!("c{place}"), "integer")
    });
    table.columns.extend(further);
    table
}

/// What a plan cost: how often it could have been given up, and how many bytes of text were read for it.
struct Cost {
    interrupts: usize,
    bytes: usize,
    plan: Plan,
}

fn cost(statement: &Statement, table: &TableShape) -> Cost {
    let interrupts = Cell::new(0);
    BYTES_READ.set(0);
    let plan = super::super::plan(statement, &around(15, std::slice::from_ref(table)), &|| {
        interrupts.set(interrupts.get() + 1);
    });
    Cost { interrupts: interrupts.get(), bytes: BYTES_READ.get(), plan: plan.unwrap() }
}

/// Makes plans of 1,000 and of 4,000 parts: the second may cost little more than four times as much.
fn grows_with_the_parts(name: &str, make: impl Fn(usize) -> (Statement, TableShape)) -> Plan {
    let cost = |count| {
        let (statement, table) = make(count);
        cost(&statement, &table)
    };
    let (few, many) = (cost(1_000), cost(4_000));
    assert!(few.interrupts >= 1_000, "{name}: heard {} times", few.interrupts);
    assert!(many.interrupts >= 4_000, "{name}: heard {} times", many.interrupts);
    assert!(
        many.interrupts <= few.interrupts * 5,
        "{name}: {} against {} tries",
        many.interrupts,
        few.interrupts
    );
    assert!(many.bytes <= few.bytes * 5, "{name}: {} against {} bytes", many.bytes, few.bytes);
    many.plan
}

fn altered(
    count: usize,
    table: TableShape,
    part: impl Fn(usize) -> (Alteration, String),
) -> (Statement, TableShape) {
    let actions: Vec<Action> = (0..count)
        .map(|place| {
            let (kind, text) = part(place);
            alteration(&table, kind, &text)
        })
        .collect();
    (statement(actions), table)
}

#[test]
fn columns_that_go() {
    let plan = grows_with_the_parts("DROP COLUMN", |count| {
        altered(count, wide(count), |place| {
            let column = format!("c{place}");
            (
                Alteration::DropColumn(DropColumn { column: column.clone(), ..DropColumn::default() }),
                format!("DROP COLUMN {column}"),
            )
        })
    });
    assert_eq!(plan.steps.len(), 8_000);
    assert_eq!(plan.verify.len(), 4_000);
}

#[test]
fn columns_that_come() {
    let plan = grows_with_the_parts("ADD COLUMN", |count| {
        altered(count, table(), |place| {
            let column = format!("new{place}");
            (
                Alteration::AddColumn(AddColumn {
                    column: ColumnDefinition { name: column.clone(), ..ColumnDefinition::default() },
                    ..AddColumn::default()
                }),
                format!("ADD COLUMN {column} integer"),
            )
        })
    });
    assert_eq!(plan.steps.len(), 1);
}

#[test]
fn constraints_without_a_name() {
    let plan = grows_with_the_parts("ADD CHECK", |count| {
        altered(count, table(), |place| {
            let text = format!("ADD CHECK (a <> {place})");
            (check(&text).0, text.clone())
        })
    });
    assert!(plan.steps.iter().any(|step| step.sql[0].contains("t_a_check3999 CHECK (a <> 3999)")));
    let plan = grows_with_the_parts("ADD UNIQUE", |count| {
        altered(count, table(), |_| {
            (Alteration::AddConstraint(constraint(ConstraintType::Unique)), "ADD UNIQUE (a)".to_owned())
        })
    });
    assert_eq!(plan.steps.len(), 8_000);
}

#[test]
fn long_names_that_are_cut_alike() {
    let stem = "n".repeat(50);
    grows_with_the_parts("SET NOT NULL", |count| {
        let mut table = table();
        let named = |place: usize| format!("{stem}{place}");
        table.columns.extend((0..count).map(|place| column(0, &named(place), "integer")));
        altered(count, table, |place| {
            let column = named(place);
            (Alteration::SetNotNull(set_not_null(&column)), format!("ALTER {column} SET NOT NULL"))
        })
    });
}

#[test]
fn attributes_of_a_composite_type() {
    let plan = grows_with_the_parts("ADD ATTRIBUTE", |count| {
        let shape = TableShape { kind: TouchedKind::CompositeType, ..table() };
        altered(count, shape, |place| {
            let text = format!("ADD ATTRIBUTE x{place} integer");
            (Alteration::AddColumn(AddColumn::default()), text)
        })
    });
    assert_eq!(plan.steps.len(), 1);
}

#[test]
fn objects_dropped_together() {
    for (is_there, if_exists) in [(true, ""), (false, "IF EXISTS ")] {
        let plan = grows_with_the_parts("DROP VIEW", |count| {
            let table = table();
            let names: Vec<String> = (0..count).map(|place| format!("v{place}")).collect();
            let actions = names.iter().map(|name| {
                let facts = DropObject { is_there, ..DropObject::new(DroppedKind::View, name) };
                action(&table, Kind::Drop(facts), "")
            });
            let text = format!("DROP VIEW {if_exists}{}", names.join(", "));
            (other(&text, actions.collect()), table)
        });
        assert_eq!(plan.steps.len(), 1);
    }
}

#[test]
fn objects_granted_together() {
    let plan = grows_with_the_parts("GRANT", |count| {
        let table = table();
        let names: Vec<String> = (0..count).map(|place| format!("v{place}")).collect();
        let actions = names.iter().map(|_| action(&table, Kind::Other, ""));
        (other(&format!("GRANT SELECT ON {} TO a", names.join(", ")), actions.collect()), table)
    });
    assert_eq!(plan.steps.len(), 1);
}

#[test]
fn a_key_over_thousands_of_partitions() {
    for text in ["ADD UNIQUE (id)", "ADD PRIMARY KEY (id)"] {
        let plan = grows_with_the_parts(text, |count| {
            let mut table = super::super::sample::partitioned();
            let part = |place: usize| PartitionShape {
                schema: "public".to_owned(),
                name: format!("p{place}"),
                parent: "public.p".to_owned(),
                ..PartitionShape::default()
            };
            table.partitions = (0..count).map(part).collect();
            let kind =
                if text.contains("UNIQUE") { ConstraintType::Unique } else { ConstraintType::PrimaryKey };
            altered(1, table, |_| (Alteration::AddConstraint(constraint(kind)), text.to_owned()))
        });
        assert_eq!(plan.steps.len(), 12_001);
    }
}

#[test]
fn a_long_list_is_read_a_few_times() {
    let list = (0..100_000).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!("ADD CHECK (a IN ({list}))");
    let (statement, table) = altered(1, wide(1_600), |_| (check(&text).0, text.clone()));
    let cost = cost(&statement, &table);
    assert!(cost.bytes < text.len() * 20, "{} times", cost.bytes / text.len());
    assert!(cost.plan.steps[0].sql[0].contains("t_a_check"));
}

#[test]
fn parentheses_of_any_depth() {
    let text = format!("ADD CHECK ({}a > 0{})", "(".repeat(100_000), ")".repeat(100_000));
    let (statement, table) = altered(1, table(), |_| (check(&text).0, text.clone()));
    assert_eq!(cost(&statement, &table).plan.steps.len(), 2);
}
