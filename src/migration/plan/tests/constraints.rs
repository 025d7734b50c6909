//! ADD and DROP CONSTRAINT.

use super::super::sample::{partitioned, planned, table};
use super::{constraint, expect, shown};
use crate::catalog::ddl::{
    AddConstraint, Alteration, ConstraintShape, ConstraintType, DropConstraint, ForeignKeyFacts, Touched,
    UsingIndex,
};

#[test]
fn added() {
    let mut text = String::new();
    let mut bare = table();
    bare.constraints.clear();
    bare.indexes.clear();
    bare.taken.clear();
    for (sub_command, facts, shape) in [
        ("ADD CHECK (a > 0)", constraint(ConstraintType::Check), table()),
        (
            "ADD CONSTRAINT k CHECK (a > 0) NO INHERIT NOT VALID",
            AddConstraint { is_not_valid: true, ..constraint(ConstraintType::Check) },
            table(),
        ),
        ("ADD CONSTRAINT t_pkey CHECK (a > 0)", constraint(ConstraintType::Check), table()),
        (
            "ADD UNIQUE NULLS NOT DISTINCT (a, b) INCLUDE (id) WITH (fillfactor=70) USING INDEX TABLESPACE x DEFERRABLE",
            constraint(ConstraintType::Unique),
            table(),
        ),
        ("ADD UNIQUE (id)", constraint(ConstraintType::Unique), partitioned()),
        (
            "ADD PRIMARY KEY (a)",
            AddConstraint {
                nullable_columns: vec!["a".to_owned()],
                ..constraint(ConstraintType::PrimaryKey)
            },
            bare,
        ),
        ("ADD PRIMARY KEY (a)", constraint(ConstraintType::PrimaryKey), table()),
        (
            "ADD UNIQUE USING INDEX t_a_idx",
            AddConstraint {
                using_index: Some(UsingIndex {
                    index: "public.t_a_idx".to_owned(),
                    nullable_columns: Vec::new(),
                    is_valid: true,
                }),
                ..constraint(ConstraintType::Unique)
            },
            table(),
        ),
        ("ADD EXCLUDE USING gist (a WITH =)", constraint(ConstraintType::Exclusion), table()),
    ] {
        text.push_str(&shown(
            sub_command,
            &planned(15, &shape, Alteration::AddConstraint(facts), sub_command),
        ));
    }
    let facts = AddConstraint { columns: vec!["a".to_owned()], ..constraint(ConstraintType::NotNull) };
    let plan = planned(18, &table(), Alteration::AddConstraint(facts), "ADD CONSTRAINT k NOT NULL a");
    text.push_str(&shown("ADD CONSTRAINT k NOT NULL a", &plan));
    expect("add_constraint.txt", &text);
}

#[test]
fn foreign_keys() {
    let facts = AddConstraint {
        foreign_key: Some(ForeignKeyFacts {
            columns: vec!["a".to_owned()],
            referenced: Some(Touched { schema: "o".to_owned(), name: "R".to_owned(), ..Touched::default() }),
            type_mismatches: vec![(
                "a".to_owned(),
                "integer".to_owned(),
                "x".to_owned(),
                "bigint".to_owned(),
            )],
            ..ForeignKeyFacts::default()
        }),
        ..constraint(ConstraintType::ForeignKey)
    };
    let sub_command = "ADD FOREIGN KEY (a) REFERENCES \"R\" ON DELETE CASCADE";
    let mut text = String::new();
    for (name, version, shape) in [
        ("on a table", 15, table()),
        ("on a partitioned table", 15, partitioned()),
        ("the same on 18", 18, partitioned()),
    ] {
        text.push_str(&shown(
            name,
            &planned(version, &shape, Alteration::AddConstraint(facts.clone()), sub_command),
        ));
    }
    let missing = AddConstraint { foreign_key: Some(ForeignKeyFacts::default()), ..facts };
    text.push_str(&shown("nowhere", &planned(15, &table(), Alteration::AddConstraint(missing), sub_command)));
    expect("foreign_key.txt", &text);
}

#[test]
fn dropped() {
    let mut shape = table();
    let own = |name: &str, kind, definition: &str| ConstraintShape {
        name: name.to_owned(),
        kind,
        definition: definition.to_owned(),
        columns: vec![2],
        is_valid: true,
        table: "public.t".to_owned(),
        ..ConstraintShape::default()
    };
    shape.constraints.push(own("k", 'c', "CHECK ((a > 0))"));
    shape.constraints.push(own("f", 'f', "FOREIGN KEY (a) REFERENCES public.o(x)"));
    let mut text = String::new();
    for (name, kind) in [
        ("k", Some(ConstraintType::Check)),
        ("f", Some(ConstraintType::ForeignKey)),
        ("t_pkey", Some(ConstraintType::PrimaryKey)),
        ("nothing", None),
    ] {
        let facts =
            DropConstraint { name: name.to_owned(), constraint_type: kind, ..DropConstraint::default() };
        let plan = planned(15, &shape, Alteration::DropConstraint(facts), "DROP CONSTRAINT");
        text.push_str(&shown(name, &plan));
    }
    expect("drop_constraint.txt", &text);
}
