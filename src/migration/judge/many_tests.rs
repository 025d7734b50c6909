//! Statements of thousands of parts: what it costs to judge them grows with them and no faster.

use super::judge_all;
use super::sample::{Case, Defaults, table};
use crate::catalog::LockMode;
use crate::catalog::ddl::{
    AddColumn, AddConstraint, Alteration, ColumnDefinition, ConstraintType, CreateTable, DropColumn,
    DropConstraint, DropObject, DroppedKind, Kind, LockTaken, SetNotNull,
};
use crate::syntax::tokens::BYTES_READ;

/// A statement of so many parts.
fn of_parts(count: usize, part: impl Fn(usize) -> (Kind, String)) -> Case {
    let parts: Vec<(Kind, String)> = (0..count).map(part).collect();
    let texts: Vec<&str> = parts.iter().map(|(_, text)| &**text).collect();
    let text = format!("ALTER TABLE public.acct {}", texts.join(", "));
    let mut case = Case::alter(Alteration::Owner);
    let one = case.statement.actions.remove(0);
    case.statement.actions = parts
        .into_iter()
        .map(|(kind, text)| {
            let mut action = one.clone();
            (action.kind, action.text) = (kind, text);
            action.locks = vec![LockTaken { relation: table("acct"), mode: LockMode::AccessExclusive }];
            action
        })
        .collect();
    case.statement.text = text;
    case
}

/// How many bytes of text are read to judge it.
fn bytes(case: &Case) -> usize {
    BYTES_READ.set(0);
    judge_all(&case.statement, &case.session, &Defaults);
    BYTES_READ.get()
}

#[test]
fn each_part_is_read_a_few_times() {
    let name = |place: usize| format!("c{place}");
    let parts: [(&str, &dyn Fn(usize) -> (Kind, String)); 6] = [
        ("DROP COLUMN", &|place| {
            let facts = DropColumn { column: name(place), ..DropColumn::default() };
            (Kind::Alter(Alteration::DropColumn(facts)), format!("DROP COLUMN c{place}"))
        }),
        ("ADD COLUMN", &|place| {
            let column = ColumnDefinition { name: name(place), ..ColumnDefinition::default() };
            let facts = AddColumn { column, ..AddColumn::default() };
            (Kind::Alter(Alteration::AddColumn(facts)), format!("ADD COLUMN c{place} integer NOT NULL"))
        }),
        ("SET NOT NULL", &|place| {
            let facts = SetNotNull { column: name(place), is_there: true, ..SetNotNull::default() };
            (Kind::Alter(Alteration::SetNotNull(facts)), format!("ALTER c{place} SET NOT NULL"))
        }),
        ("ADD CHECK", &|place| {
            let facts = AddConstraint { constraint_type: ConstraintType::Check, ..AddConstraint::default() };
            (Kind::Alter(Alteration::AddConstraint(facts)), format!("ADD CHECK (c{place} > 0)"))
        }),
        ("DROP CONSTRAINT", &|place| {
            let facts = DropConstraint { name: name(place), ..DropConstraint::default() };
            (Kind::Alter(Alteration::DropConstraint(facts)), format!("DROP CONSTRAINT c{place}"))
        }),
        ("DROP", &|place| {
            let facts = DropObject::new(DroppedKind::View, &name(place));
            (Kind::Drop(facts), format!("c{place}"))
        }),
    ];
    for (what, part) in parts {
        let (few, many) = (bytes(&of_parts(1_000, part)), bytes(&of_parts(4_000, part)));
        assert!(many <= few * 5, "{what}: {many} against {few} bytes");
    }
}

#[test]
fn a_table_of_many_columns_is_read_a_few_times() {
    let create = |count: usize| {
        let columns: Vec<ColumnDefinition> = (0..count)
            .map(|place| ColumnDefinition {
                name: format!("c{place}"),
                type_name: "integer".to_owned(),
                ..ColumnDefinition::default()
            })
            .collect();
        let texts: Vec<String> = columns.iter().map(|column| format!("{} integer", column.name)).collect();
        let text = format!("CREATE TABLE box ({})", texts.join(", "));
        Case::new(Kind::CreateTable(CreateTable { name: "box".into(), columns, ..CreateTable::default() }))
            .text(&text, &text)
    };
    let (few, many) = (bytes(&create(400)), bytes(&create(1_600)));
    assert!(many <= few * 5, "{many} against {few} bytes");
}
