//! ALTER COLUMN … TYPE.

use super::super::sample::{alteration, around, partitioned, planned, statement, table};
use super::{expect, shown};
use crate::catalog::ddl::{
    Alteration, ColumnSequence, ConstraintShape, Dependent, IndexShape, PartShape, Surroundings, TableShape,
    TypeChange, ViewColumn, ViewShape,
};

fn change(column: &str, to: &str) -> TypeChange {
    TypeChange {
        column: column.to_owned(),
        is_there: true,
        from: "integer".to_owned(),
        to: to.to_owned(),
        rewrites: Some(true),
        ..TypeChange::default()
    }
}

/// With everything that a column can have.
fn full() -> TableShape {
    let mut shape = table();
    shape.columns[0].type_name = "integer".to_owned();
    shape.columns[0].comment = Some("its key".to_owned());
    shape.columns[0].sequence = Some(ColumnSequence {
        name: "public.t_id_seq".to_owned(),
        identity: Some("BY DEFAULT".to_owned()),
        options: "START WITH 1 INCREMENT BY 1 CACHE 1".to_owned(),
        type_name: "integer".to_owned(),
    });
    shape.columns[1].default = Some("5".to_owned());
    shape.columns[1].privileges = vec![("SELECT, UPDATE".to_owned(), "reader".to_owned(), false)];
    let constraint = |name: &str, kind, definition: &str, table: &str| ConstraintShape {
        name: name.to_owned(),
        kind,
        definition: definition.to_owned(),
        columns: vec![2],
        is_valid: true,
        table: table.to_owned(),
        ..ConstraintShape::default()
    };
    shape.constraints.push(constraint("t_a_check", 'c', "CHECK ((a > 0))", "public.t"));
    shape.constraints.push(constraint("t_a_key", 'u', "UNIQUE (a) DEFERRABLE", "public.t"));
    shape.indexes.push(IndexShape {
        schema: "public".to_owned(),
        name: "t_a_key".to_owned(),
        definition: "CREATE UNIQUE INDEX t_a_key ON public.t USING btree (a) WHERE (a > 0)".to_owned(),
        tablespace: Some("fast".to_owned()),
        columns: vec![2],
        key_columns: vec![2],
        is_unique: true,
        is_valid: true,
        constraint: Some("t_a_key".to_owned()),
        ..IndexShape::default()
    });
    shape.referencing.push(ConstraintShape {
        referenced: Some("public.t".to_owned()),
        referenced_columns: vec![1],
        ..constraint(
            "k_t_id_fkey",
            'f',
            "FOREIGN KEY (t_id) REFERENCES public.t(id) ON DELETE CASCADE",
            "public.k",
        )
    });
    shape
}

#[test]
fn by_a_second_column() {
    let mut text = String::new();
    for (name, version, facts) in [
        ("a primary key with identity and a foreign key to it", 15, change("id", "bigint")),
        ("a column with default, index, unique constraint and CHECK", 15, change("a", "bigint")),
        ("USING", 15, TypeChange { using: Some("to_hex(a)".to_owned()), ..change("a", "text") }),
        (
            "USING a plain cast",
            15,
            TypeChange { using: Some("a::bigint".to_owned()), ..change("a", "bigint") },
        ),
        ("18, NOT NULL with its name", 18, change("b", "character varying(20)")),
    ] {
        let mut shape = full();
        shape.columns[2].not_null_name = (version == 18).then(|| "t_b_not_null".to_owned());
        let sub_command = format!("ALTER {} TYPE {}", facts.column, facts.to);
        text.push_str(&shown(name, &planned(version, &shape, Alteration::ColumnType(facts), &sub_command)));
    }
    expect("column_type.txt", &text);
}

/// Views on the column `a`: one on another.
fn views() -> Vec<ViewShape> {
    let view = |name: &str, definition: &str| ViewShape {
        name: name.to_owned(),
        kind: 'v',
        definition: definition.to_owned(),
        owner: "shop".to_owned(),
        owned_here: true,
        ..ViewShape::default()
    };
    vec![
        ViewShape {
            options: "security_barrier=true, check_option=local".to_owned(),
            comment: Some("it's plain".to_owned()),
            rights: "d41d".to_owned(),
            columns: vec![ViewColumn {
                name: "A".to_owned(),
                comment: Some("first".to_owned()),
                default: Some("5".to_owned()),
                privileges: vec![("SELECT, UPDATE".to_owned(), "reader".to_owned(), true)],
            }],
            privileges: vec![
                ("SELECT".to_owned(), "PUBLIC".to_owned(), false),
                ("INSERT".to_owned(), "shop".to_owned(), false),
            ],
            given_by_default: vec!["reader".to_owned()],
            rules: vec![PartShape {
                name: "r".to_owned(),
                definition: "CREATE RULE r AS ON DELETE TO public.plain DO INSTEAD NOTHING".to_owned(),
                ..PartShape::default()
            }],
            triggers: vec![PartShape {
                name: "g".to_owned(),
                definition:
                    "CREATE TRIGGER g INSTEAD OF INSERT ON public.plain FOR EACH ROW EXECUTE FUNCTION f()"
                        .to_owned(),
                comment: Some("writes".to_owned()),
                state: Some('D'),
            }],
            ..view("public.plain", " SELECT a AS \"A\" FROM public.t")
        },
        view("public.over", " SELECT \"A\" FROM public.plain"),
    ]
}

fn with_views(version: i32, shape: &TableShape, facts: TypeChange, views: Vec<ViewShape>) -> String {
    let sub_command = format!("ALTER {} TYPE {}", facts.column, facts.to);
    let statement = statement(vec![alteration(shape, Alteration::ColumnType(facts), &sub_command)]);
    let around = Surroundings { views, ..around(version, std::slice::from_ref(shape)) };
    shown(&sub_command, &crate::migration::plan::plan(&statement, &around, &|| {}))
}

#[test]
fn beside_views() {
    let mut shape = table();
    shape
        .dependents
        .push((2, Dependent { kind: "view", name: "public.plain".to_owned(), is_dropped_by_cascade: true }));
    let mut text = with_views(15, &shape, change("a", "bigint"), views());
    let cheap = TypeChange { rewrites: Some(false), ..change("a", "numeric") };
    text.push_str(&with_views(15, &shape, cheap.clone(), views()));
    // What the plan cannot make anew is left to people, or refused where there is no time for them.
    let mut filled = views();
    filled[1].kind = 'm';
    text.push_str(&with_views(15, &shape, change("a", "bigint"), filled.clone()));
    text.push_str(&with_views(15, &shape, cheap.clone(), filled));
    let mut used = views();
    used[1].others = vec!["policy p on public.o".to_owned()];
    text.push_str(&with_views(15, &shape, cheap.clone(), used));
    let mut foreign = views();
    foreign[0].owned_here = false;
    text.push_str(&with_views(15, &shape, change("a", "bigint"), foreign));
    expect("column_type_views.txt", &text);
}

#[test]
fn in_place() {
    let mut text = String::new();
    let cheap = TypeChange { rewrites: Some(false), ..change("a", "numeric") };
    let rechecked = TypeChange { rechecked_constraints: vec!["t_a_check".to_owned()], ..cheap.clone() };
    for (name, facts) in [("nothing to do", cheap), ("constraints are tested afterwards", rechecked)] {
        text.push_str(&shown(
            name,
            &planned(15, &full(), Alteration::ColumnType(facts), "ALTER a TYPE numeric"),
        ));
    }
    expect("column_type_in_place.txt", &text);
}

#[test]
fn refused() {
    let mut text = String::new();
    let mut generated = full();
    generated.dependents.push((
        2,
        Dependent {
            kind: "generated column",
            name: "column c of table t".to_owned(),
            is_dropped_by_cascade: true,
        },
    ));
    let mut keyless = full();
    keyless.indexes.clear();
    for (name, shape, facts) in [
        ("partitioned", partitioned(), change("a", "bigint")),
        ("a generated column stands on it", generated, change("a", "bigint")),
        ("a foreign key that cannot compare", full(), change("id", "text")),
        ("no key", keyless, change("a", "bigint")),
        ("missing", full(), change("x", "bigint")),
    ] {
        text.push_str(&shown(
            name,
            &planned(15, &shape, Alteration::ColumnType(facts), "ALTER a TYPE bigint"),
        ));
    }
    expect("column_type_refused.txt", &text);
}
