//! ADD COLUMN, DROP COLUMN, NOT NULL, defaults.

use super::super::sample::{partitioned, planned, table, touched};
use super::{expect, set_not_null, shown, waits};
use crate::catalog::ddl::{
    AddColumn, Alteration, ColumnDefault, ColumnDefinition, DomainShape, DropColumn, ForeignKeyFacts,
    Generated, SetNotNull,
};

fn named(name: &str) -> AddColumn {
    AddColumn {
        column: ColumnDefinition { name: name.to_owned(), ..ColumnDefinition::default() },
        ..AddColumn::default()
    }
}

#[test]
fn not_null() {
    let mut text = String::new();
    for version in [15, 18] {
        let plan =
            planned(version, &table(), Alteration::SetNotNull(set_not_null("a")), "ALTER a SET NOT NULL");
        text.push_str(&shown(&format!("SET NOT NULL on {version}"), &plan));
    }
    for (name, facts) in [
        ("proved", SetNotNull { implied_by: Some("k".to_owned()), ..set_not_null("a") }),
        ("can be proved", SetNotNull { would_be_implied_by: Some("k".to_owned()), ..set_not_null("a") }),
        ("already", SetNotNull { is_already: true, ..set_not_null("b") }),
        ("missing", SetNotNull { is_there: false, ..set_not_null("x") }),
    ] {
        let plan = planned(15, &table(), Alteration::SetNotNull(facts), "ALTER a SET NOT NULL");
        text.push_str(&shown(name, &plan));
    }
    let facts = Alteration::DropNotNull { column: "b".to_owned() };
    text.push_str(&shown("DROP NOT NULL", &planned(15, &table(), facts, "ALTER b DROP NOT NULL")));
    let facts = Alteration::ColumnDefault { column: "a".to_owned(), expression: None };
    text.push_str(&shown("DROP DEFAULT", &planned(15, &table(), facts, "ALTER a DROP DEFAULT")));
    expect("not_null.txt", &text);
}

#[test]
fn added() {
    let references = ForeignKeyFacts { referenced: Some(touched(&table())), ..ForeignKeyFacts::default() };
    let serial = |word: &str| {
        let mut facts = named("n");
        facts.column.serial = Some(word.to_owned());
        facts
    };
    let mut text = String::new();
    for (sub_command, facts) in [
        ("ADD COLUMN c int", named("c")),
        ("ADD c int DEFAULT 5 NOT NULL", AddColumn { default: ColumnDefault::Stored, ..named("c") }),
        (
            "ADD c uuid DEFAULT gen_random_uuid()",
            AddColumn { default: ColumnDefault::Volatile(Vec::new()), ..named("c") },
        ),
        (
            "ADD c uuid DEFAULT gen_random_uuid() CONSTRAINT k NOT NULL UNIQUE",
            AddColumn { default: ColumnDefault::Volatile(Vec::new()), ..named("c") },
        ),
        ("ADD n bigserial PRIMARY KEY", serial("bigserial")),
        ("ADD n bigint GENERATED ALWAYS AS IDENTITY (START 5)", named("n")),
        ("ADD c int NOT NULL CHECK (c > 0)", AddColumn { has_check: true, ..named("c") }),
        ("ADD c int REFERENCES t", AddColumn { references: Some(references.clone()), ..named("c") }),
        (
            "ADD c int DEFAULT 5 CHECK (c > 0) REFERENCES t",
            AddColumn { default: ColumnDefault::Stored, references: Some(references), ..named("c") },
        ),
        (
            "ADD c text GENERATED ALWAYS AS (lower(b)) STORED",
            AddColumn { generated: Some(Generated::Stored), ..named("c") },
        ),
        (
            "ADD c text GENERATED ALWAYS AS (lower(b)) VIRTUAL",
            AddColumn { generated: Some(Generated::Virtual), ..named("c") },
        ),
        ("ADD a int", named("a")),
        ("ADD IF NOT EXISTS a int", AddColumn { is_there: true, if_not_exists: true, ..named("a") }),
    ] {
        let plan = planned(15, &table(), Alteration::AddColumn(facts), sub_command);
        text.push_str(&shown(sub_command, &plan));
    }
    let facts = AddColumn { default: ColumnDefault::Volatile(Vec::new()), ..named("c") };
    let plan =
        planned(15, &partitioned(), Alteration::AddColumn(facts), "ADD c uuid DEFAULT gen_random_uuid()");
    text.push_str(&shown("without a key", &plan));
    expect("add_column.txt", &text);
}

#[test]
fn of_a_domain_with_constraints() {
    let shape = table();
    let facts = AddColumn { constrained_domain: Some("public.positive".to_owned()), ..named("c") };
    let statement = super::super::sample::statement(vec![super::super::sample::alteration(
        &shape,
        Alteration::AddColumn(facts),
        "ADD c positive",
    )]);
    let mut around = super::super::sample::around(15, &[shape]);
    let mut text = shown("unknown domain", &super::super::plan(&statement, &around, &|| {}));
    around.domains.push(DomainShape {
        name: "public.positive".to_owned(),
        base_type: "integer".to_owned(),
        checks: vec![("positive_check".to_owned(), "CHECK ((VALUE > 0))".to_owned())],
        ..DomainShape::default()
    });
    text.push_str(&shown("ADD c positive", &super::super::plan(&statement, &around, &|| {})));
    expect("domain_column.txt", &text);
}

#[test]
fn dropped() {
    let facts = DropColumn { column: "b".to_owned(), is_there: true, ..DropColumn::default() };
    let plan = planned(15, &table(), Alteration::DropColumn(facts), "DROP b");
    assert!(plan.as_ref().is_ok_and(waits));
    let text = shown("DROP COLUMN", &plan);
    let facts = DropColumn { column: "x".to_owned(), ..DropColumn::default() };
    let text = text + &shown("missing", &planned(15, &table(), Alteration::DropColumn(facts), "DROP x"));
    expect("drop_column.txt", &text);
}
