//! Every recipe, exactly: what it makes of hand-made facts is written down in `expected/`, a file a subject. Run with
//! `DBM_WRITE_EXPECTED=1` to write the files anew, and read what changed.

mod columns;
mod constraints;
mod many;
mod others;
mod types;

use std::fmt::Write;
use std::path::Path;

use super::recipe::NoPlan;
use super::sample::{alteration, around, lines, planned, statement, table, touched, undo_lines};
use crate::catalog::ddl::{
    AddConstraint, Alteration, ColumnDefault, ConstraintType, Kind, SetNotNull, Statement, Surroundings,
};
use crate::change::plan::{Phase, Plan, Risk, Runs};

/// A plan as a person reads it.
fn shown(name: &str, plan: &Result<Plan, NoPlan>) -> String {
    let mut text = format!("#### {name}\n");
    match plan {
        Err(no) => {
            let _ = writeln!(text, "no plan: {}\ninstead: {}", no.reason, no.instead);
        }
        Ok(plan) => {
            let _ = writeln!(text, "risk {}", plan.risk.name());
            for requires in &plan.requires {
                let _ = writeln!(text, "requires {requires}");
            }
            for (line, step) in lines(plan).iter().zip(&plan.steps) {
                let lock = step.lock.map_or("", crate::catalog::LockMode::name);
                let _ = writeln!(text, "{line}\n    [{lock}] {}", step.note);
                if let Some(query) = &step.verify {
                    let _ = writeln!(text, "    verify {query}");
                }
                if let Some((query, removal)) = &step.leftover {
                    let _ = writeln!(text, "    leftover {query}\n    removal {removal}");
                }
            }
            for line in undo_lines(plan) {
                let _ = writeln!(text, "undo {line}");
            }
            for line in &plan.verify {
                let _ = writeln!(text, "at the end {line}");
            }
        }
    }
    text.push('\n');
    text
}

/// Compares with what is written down.
fn expect(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/migration/plan/tests/expected").join(name);
    if std::env::var_os("DBM_WRITE_EXPECTED").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (number, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(expected, found, "{name}, line {}", number + 1);
    }
    assert_eq!(expected.lines().count(), found.lines().count(), "{name}");
}

fn check(text: &str) -> (Alteration, &str) {
    (Alteration::AddConstraint(AddConstraint::default()), text)
}

#[test]
fn phases_are_in_order_and_no_step_is_without_its_proof() {
    let plan =
        planned(15, &table(), Alteration::SetNotNull(set_not_null("a")), "ALTER a SET NOT NULL").unwrap();
    let phases: Vec<Phase> = plan.steps.iter().map(|step| step.phase).collect();
    assert!(phases.is_sorted());
    assert!(plan.steps.iter().all(|step| step.verify.is_some() && step.lock.is_some()));
    assert_eq!(plan.risk, Risk::Low);
}

#[test]
fn sub_commands_that_cost_nothing_become_one_statement() {
    let table = table();
    let set = |column: &str| Alteration::ColumnDefault {
        column: column.to_owned(),
        expression: Some("1".to_owned()),
    };
    let actions = vec![
        alteration(&table, set("a"), "ALTER a SET DEFAULT 1"),
        alteration(&table, check("ADD CHECK (a > 0)").0, "ADD CHECK (a > 0)"),
        alteration(&table, set("b"), "ALTER b SET DEFAULT 'x'"),
    ];
    let plan = super::plan(&statement(actions), &around(15, std::slice::from_ref(&table)), &|| {}).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "expand: ALTER TABLE public.t ALTER a SET DEFAULT 1",
            "expand: ALTER TABLE public.t ADD CONSTRAINT t_a_check CHECK (a > 0) NOT VALID",
            "expand: ALTER TABLE public.t ALTER b SET DEFAULT 'x'",
            "validate: ALTER TABLE public.t VALIDATE CONSTRAINT t_a_check",
        ]
    );
    let actions = vec![
        alteration(&table, set("a"), "ALTER a SET DEFAULT 1"),
        alteration(&table, set("b"), "ALTER b SET DEFAULT 'x'"),
    ];
    let plan = super::plan(&statement(actions), &around(15, std::slice::from_ref(&table)), &|| {}).unwrap();
    assert_eq!(lines(&plan), ["expand: ALTER TABLE public.t ALTER a SET DEFAULT 1, ALTER b SET DEFAULT 'x'"]);
    assert_eq!(
        undo_lines(&plan),
        ["ALTER TABLE public.t ALTER COLUMN b DROP DEFAULT, ALTER COLUMN a DROP DEFAULT"]
    );
}

#[test]
fn two_constraints_without_a_name_get_two_names() {
    let table = table();
    let (kind, text) = check("ADD CHECK (a > 0)");
    let actions = vec![alteration(&table, kind.clone(), text), alteration(&table, kind, "ADD CHECK (a < 9)")];
    let plan = super::plan(&statement(actions), &around(15, std::slice::from_ref(&table)), &|| {}).unwrap();
    let text = lines(&plan).join("\n");
    assert!(text.contains("t_a_check CHECK (a > 0)") && text.contains("t_a_check1 CHECK (a < 9)"), "{text}");
}

#[test]
fn parts_that_deal_with_one_column_are_asked_one_by_one() {
    let table = table();
    let actions = vec![
        alteration(
            &table,
            Alteration::ColumnType(crate::catalog::ddl::TypeChange {
                column: "a".to_owned(),
                ..Default::default()
            }),
            "ALTER a TYPE bigint",
        ),
        alteration(
            &table,
            Alteration::ColumnDefault { column: "a".to_owned(), expression: Some("1".to_owned()) },
            "ALTER a SET DEFAULT 1",
        ),
    ];
    let no = super::plan(&statement(actions), &around(15, &[table]), &|| {}).unwrap_err();
    assert!(no.reason.contains("column a"), "{}", no.reason);
}

#[test]
fn what_nobody_else_can_see_needs_no_plan() {
    let table = table();
    let mut action = alteration(&table, Alteration::SetNotNull(set_not_null("a")), "ALTER a SET NOT NULL");
    if let Some(target) = &mut action.target {
        target.is_created_here = true;
    }
    let plan = super::plan(&statement(vec![action]), &around(15, &[table]), &|| {}).unwrap();
    assert_eq!(lines(&plan), ["expand: ALTER TABLE t ALTER a SET NOT NULL"]);
}

#[test]
fn time_is_estimated_from_the_rates() {
    let table = table();
    let mut action = alteration(&table, check("").0, "ADD CHECK (a > 0)");
    if let Some(target) = &mut action.target {
        target.bytes = 2_000_000_000;
    }
    let plan = super::plan(&statement(vec![action]), &around(15, &[table]), &|| {}).unwrap();
    assert_eq!(plan.seconds, Some((1.0, 20.0)));
}

#[test]
fn what_is_not_there_has_no_plan() {
    let missing = crate::catalog::ddl::Action {
        missing: Some("nowhere".to_owned()),
        text: "ALTER a SET NOT NULL".to_owned(),
        ..crate::catalog::ddl::Action::new(Kind::Alter(Alteration::SetNotNull(set_not_null("a"))))
    };
    let no = super::plan(&statement(vec![missing]), &Surroundings::default(), &|| {}).unwrap_err();
    assert_eq!(no.reason, "nowhere is not there");
}

#[test]
fn a_file_marks_what_runs_outside_a_transaction_and_by_hand() {
    let facts = crate::catalog::ddl::AddColumn {
        column: crate::catalog::ddl::ColumnDefinition { name: "u".to_owned(), ..Default::default() },
        default: ColumnDefault::Volatile(Vec::new()),
        ..Default::default()
    };
    let plan = planned(
        15,
        &table(),
        Alteration::AddColumn(facts),
        "ADD u uuid DEFAULT gen_random_uuid() NOT NULL UNIQUE",
    );
    let by_hand = planned(
        15,
        &table(),
        Alteration::DropColumn(crate::catalog::ddl::DropColumn {
            column: "b".to_owned(),
            ..Default::default()
        }),
        "DROP b",
    );
    let text = format!("{}\n{}", super::file(&plan.unwrap()), super::file(&by_hand.unwrap()));
    expect("files.sql", &text);
}

fn set_not_null(column: &str) -> SetNotNull {
    SetNotNull { column: column.to_owned(), is_there: true, ..SetNotNull::default() }
}

fn constraint(kind: ConstraintType) -> AddConstraint {
    AddConstraint { constraint_type: kind, ..AddConstraint::default() }
}

/// The plan of any statement about one table.
fn whole(shape: &crate::catalog::ddl::TableShape, kind: Kind, text: &str) -> Result<Plan, NoPlan> {
    let statement: Statement = super::sample::other(text, vec![super::sample::action(shape, kind, "")]);
    super::plan(&statement, &around(15, std::slice::from_ref(shape)), &|| {})
}

/// Whether a step waits for people.
fn waits(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| step.runs == Runs::ByHand) && touched(&table()).oid == 1
}
