//! Hand-made facts for tests.

use super::recipe::NoPlan;
use crate::catalog::LockMode;
use crate::catalog::ddl::{
    Action, Alteration, ColumnShape, ConstraintShape, IndexShape, Kind, LockTaken, PartitionShape, Statement,
    Surroundings, TableShape, Touched, TouchedKind,
};
use crate::change::plan::{Plan, Runs};

/// A column; `type_name` may end with ` not null`.
pub fn column(number: i16, name: &str, type_name: &str) -> ColumnShape {
    let is_not_null = type_name.ends_with(" not null");
    ColumnShape {
        name: name.to_owned(),
        number,
        type_name: type_name.trim_end_matches(" not null").to_owned(),
        is_not_null,
        ..ColumnShape::default()
    }
}

/// `public.t (id bigint primary key, a integer, b text not null)`, with an index on `a`.
pub fn table() -> TableShape {
    TableShape {
        oid: 1,
        schema: "public".to_owned(),
        name: "t".to_owned(),
        columns: vec![
            column(1, "id", "bigint not null"),
            column(2, "a", "integer"),
            column(3, "b", "text not null"),
        ],
        indexes: vec![
            IndexShape {
                schema: "public".to_owned(),
                name: "t_pkey".to_owned(),
                definition: "CREATE UNIQUE INDEX t_pkey ON public.t USING btree (id)".to_owned(),
                columns: vec![1],
                key_columns: vec![1],
                is_unique: true,
                is_valid: true,
                constraint: Some("t_pkey".to_owned()),
                ..IndexShape::default()
            },
            IndexShape {
                schema: "public".to_owned(),
                name: "t_a_idx".to_owned(),
                definition: "CREATE INDEX t_a_idx ON public.t USING btree (a)".to_owned(),
                columns: vec![2],
                key_columns: vec![2],
                is_valid: true,
                ..IndexShape::default()
            },
        ],
        constraints: vec![ConstraintShape {
            name: "t_pkey".to_owned(),
            kind: 'p',
            definition: "PRIMARY KEY (id)".to_owned(),
            columns: vec![1],
            is_valid: true,
            table: "public.t".to_owned(),
            ..ConstraintShape::default()
        }],
        owner: "keeper".to_owned(),
        taken: ["t", "t_pkey", "t_a_idx"].map(str::to_owned).into_iter().collect(),
        ..TableShape::default()
    }
}

/// `public.p` partitioned by `id`, with the partitions `p1` and `p2`.
pub fn partitioned() -> TableShape {
    let part = |name: &str, bound: &str| PartitionShape {
        schema: "public".to_owned(),
        name: name.to_owned(),
        parent: "public.p".to_owned(),
        bound: bound.to_owned(),
        condition: Some(format!("((id IS NOT NULL) AND ({name}))")),
        ..PartitionShape::default()
    };
    TableShape {
        oid: 2,
        schema: "public".to_owned(),
        name: "p".to_owned(),
        kind: TouchedKind::PartitionedTable,
        columns: vec![column(1, "id", "bigint not null"), column(2, "a", "integer")],
        partitions: vec![
            part("p1", "FOR VALUES FROM ('0') TO ('10')"),
            part("p2", "FOR VALUES FROM ('10') TO ('20')"),
        ],
        partition_key: Some("RANGE (id)".to_owned()),
        owner: "keeper".to_owned(),
        ..TableShape::default()
    }
}

/// The table as a target.
pub fn touched(shape: &TableShape) -> Touched {
    Touched {
        oid: shape.oid,
        schema: shape.schema.clone(),
        name: shape.name.clone(),
        kind: shape.kind,
        ..Touched::default()
    }
}

/// Around these tables on a server of that version.
pub fn around(version: i32, tables: &[TableShape]) -> Surroundings {
    Surroundings {
        server_version: version * 10_000,
        search_path: "public".to_owned(),
        tables: tables.to_vec(),
        ..Surroundings::default()
    }
}

/// One action on a table.
pub fn action(shape: &TableShape, kind: Kind, text: &str) -> Action {
    let target = touched(shape);
    Action {
        target: Some(target.clone()),
        text: text.to_owned(),
        locks: vec![LockTaken { relation: target, mode: LockMode::AccessExclusive }],
        ..Action::new(kind)
    }
}

/// A sub-command on a table.
pub fn alteration(shape: &TableShape, alteration: Alteration, text: &str) -> Action {
    action(shape, Kind::Alter(alteration), text)
}

/// `ALTER TABLE` with these actions.
pub fn statement(actions: Vec<Action>) -> Statement {
    let texts: Vec<&str> = actions.iter().map(|action| &*action.text).collect();
    let text = format!("ALTER TABLE t {}", texts.join(", "));
    Statement { tag: "ALTER TABLE".to_owned(), text, actions, ..Statement::default() }
}

/// Any other statement.
pub fn other(text: &str, actions: Vec<Action>) -> Statement {
    let tag = text.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Statement { tag, text: text.to_owned(), actions, ..Statement::default() }
}

/// The plan of one sub-command.
pub fn planned(version: i32, shape: &TableShape, kind: Alteration, text: &str) -> Result<Plan, NoPlan> {
    let statement = statement(vec![alteration(shape, kind, text)]);
    super::plan(&statement, &around(version, std::slice::from_ref(shape)), &|| {})
}

/// Its steps as lines: `phase: sql; sql`, `phase*: sql` for what runs alone, `phase by hand`.
pub fn lines(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| match step.runs {
            Runs::InTransaction => format!("{}: {}", step.phase.name(), step.sql.join("; ")),
            Runs::Alone => format!("{}*: {}", step.phase.name(), step.sql.join("; ")),
            Runs::ByHand => format!("{} by hand", step.phase.name()),
        })
        .collect()
}

/// The ways back of its steps, as they would be run.
pub fn undo_lines(plan: &Plan) -> Vec<String> {
    plan.steps.iter().rev().flat_map(|step| step.undo.clone()).collect()
}
