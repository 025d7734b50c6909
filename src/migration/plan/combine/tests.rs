//! Tests.
use super::super::sample::*;
use crate::catalog::ddl::*;

fn show(name: &str, plan: Result<crate::change::plan::Plan, super::NoPlan>) {
    println!("##### {name}");
    match plan {
        Ok(plan) => {
            for r in &plan.requires {
                println!("  requires {r}");
            }
            println!("{}", lines(&plan).join("\n"));
            println!("  -- undo");
            println!("{}", undo_lines(&plan).join("\n"));
            println!("  -- verify\n{}", plan.verify.join("\n"));
        }
        Err(no) => println!("NO {no:?}"),
    }
}

#[test]
fn dump() {
    for version in [15, 18] {
        show(
            "set not null",
            planned(
                version,
                &table(),
                Alteration::SetNotNull(SetNotNull {
                    column: "a".into(),
                    is_there: true,
                    ..Default::default()
                }),
                "ALTER COLUMN a SET NOT NULL",
            ),
        );
    }
    let fk = |text: &str, shape: &TableShape, version| {
        planned(
            version,
            shape,
            Alteration::AddConstraint(AddConstraint {
                constraint_type: ConstraintType::ForeignKey,
                columns: vec!["a".into()],
                foreign_key: Some(ForeignKeyFacts {
                    columns: vec!["a".into()],
                    referenced: Some(Touched { schema: "o".into(), name: "R".into(), ..Default::default() }),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            text,
        )
    };
    show("fk", fk("ADD FOREIGN KEY (a) REFERENCES R ON DELETE CASCADE", &table(), 15));
    show("fk part", fk("ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES R", &partitioned(), 15));
    let add = |text: &str, shape: &TableShape, t, nullable: &[&str]| {
        planned(
            15,
            shape,
            Alteration::AddConstraint(AddConstraint {
                constraint_type: t,
                nullable_columns: nullable.iter().map(|s| s.to_string()).collect(),
                ..Default::default()
            }),
            text,
        )
    };
    show("check", add("ADD CHECK (a > 0)", &table(), ConstraintType::Check, &[]));
    show(
        "unique",
        add(
            "ADD UNIQUE NULLS NOT DISTINCT (a, b) INCLUDE (id) WITH (fillfactor=70) USING INDEX TABLESPACE x DEFERRABLE INITIALLY DEFERRED",
            &table(),
            ConstraintType::Unique,
            &[],
        ),
    );
    show("unique part", add("ADD UNIQUE (id)", &partitioned(), ConstraintType::Unique, &[]));
    let mut bare = table();
    bare.constraints.clear();
    bare.indexes.clear();
    show("pk", add("ADD PRIMARY KEY (a)", &bare, ConstraintType::PrimaryKey, &["a"]));
    for (text, facts) in [
        (
            "ADD COLUMN u uuid DEFAULT gen_random_uuid() NOT NULL UNIQUE",
            AddColumn {
                column: ColumnDefinition { name: "u".into(), ..Default::default() },
                default: ColumnDefault::Volatile(vec![]),
                ..Default::default()
            },
        ),
        (
            "ADD n serial",
            AddColumn {
                column: ColumnDefinition {
                    name: "n".into(),
                    serial: Some("serial".into()),
                    ..Default::default()
                },
                ..Default::default()
            },
        ),
        (
            "ADD n bigint GENERATED ALWAYS AS IDENTITY (START 5)",
            AddColumn {
                column: ColumnDefinition { name: "n".into(), is_identity: true, ..Default::default() },
                ..Default::default()
            },
        ),
        (
            "ADD c int NOT NULL CHECK (c > 0)",
            AddColumn {
                column: ColumnDefinition { name: "c".into(), ..Default::default() },
                has_check: true,
                ..Default::default()
            },
        ),
        (
            "ADD c int NOT NULL DEFAULT 5 CHECK (c > 0) REFERENCES t",
            AddColumn {
                column: ColumnDefinition { name: "c".into(), ..Default::default() },
                has_check: true,
                default: ColumnDefault::Stored,
                references: Some(ForeignKeyFacts {
                    referenced: Some(touched(&table())),
                    ..Default::default()
                }),
                ..Default::default()
            },
        ),
        (
            "ADD c text GENERATED ALWAYS AS (lower(b)) STORED",
            AddColumn {
                column: ColumnDefinition { name: "c".into(), ..Default::default() },
                generated: Some(Generated::Stored),
                ..Default::default()
            },
        ),
    ] {
        show(text, planned(15, &table(), Alteration::AddColumn(facts), text));
    }
    for (column, to, using) in [("id", "bigint", None), ("a", "text", None), ("a", "text", Some("to_hex(a)"))]
    {
        let mut t = table();
        t.columns[0].type_name = "integer".into();
        t.columns[1].default = Some("5".into());
        t.columns[0].sequence = Some(ColumnSequence {
            name: "public.t_id_seq".into(),
            identity: Some("BY DEFAULT".into()),
            options: "START WITH 1".into(),
            type_name: "integer".into(),
        });
        t.constraints.push(ConstraintShape {
            name: "t_a_check".into(),
            kind: 'c',
            definition: "CHECK ((a > 0))".into(),
            columns: vec![2],
            is_valid: true,
            table: "public.t".into(),
            ..Default::default()
        });
        t.referencing.push(ConstraintShape {
            name: "k_t_id_fkey".into(),
            kind: 'f',
            definition: "FOREIGN KEY (t_id) REFERENCES public.t(id) ON DELETE CASCADE".into(),
            columns: vec![2],
            is_valid: true,
            table: "public.k".into(),
            referenced: Some("public.t".into()),
            referenced_columns: vec![1],
            ..Default::default()
        });
        show(
            "type",
            planned(
                15,
                &t,
                Alteration::ColumnType(TypeChange {
                    column: column.into(),
                    is_there: true,
                    from: "integer".into(),
                    to: to.into(),
                    rewrites: Some(true),
                    using: using.map(str::to_owned),
                    ..Default::default()
                }),
                &format!("ALTER {column} TYPE {to}"),
            ),
        );
    }
    let ci = |text: &str, shape: &TableShape| {
        super::plan(
            &other(text, vec![action(shape, Kind::CreateIndex(CreateIndex::default()), "")]),
            &around(15, &[shape.clone()]),
        )
    };
    show(
        "index",
        ci("CREATE INDEX ON t USING gin (lower(b) gin_trgm_ops, (a + 1)) INCLUDE (id) WHERE a > 0", &table()),
    );
    show("index part", ci("create unique index if not exists X on p (id)", &partitioned()));
    let ren = |shape: &TableShape, kind, from: &str, to: &str| {
        super::plan(
            &other(
                "ALTER TABLE ... RENAME",
                vec![action(
                    shape,
                    Kind::Rename(Renamed {
                        kind,
                        from: from.into(),
                        to: to.into(),
                        is_moved: false,
                        dependents: vec![],
                        recent_uses: vec![],
                    }),
                    "",
                )],
            ),
            &around(15, &[shape.clone()]),
        )
    };
    show("rename column", ren(&table(), "column", "a", "\"New\""));
    show("rename table", ren(&table(), "table", "public.t", "u"));
    show(
        "drop column",
        planned(
            15,
            &table(),
            Alteration::DropColumn(DropColumn { column: "b".into(), is_there: true, ..Default::default() }),
            "DROP b",
        ),
    );
    show(
        "attach",
        planned(
            15,
            &partitioned(),
            Alteration::AttachPartition(AttachPartition {
                partition: Some(touched(&table())),
                condition: Some("id >= 20 AND id < 30".into()),
                ..Default::default()
            }),
            "ATTACH PARTITION t FOR VALUES FROM (20) TO (30)",
        ),
    );
    show(
        "detach",
        planned(
            15,
            &partitioned(),
            Alteration::DetachPartition {
                partition: Some(Touched { schema: "public".into(), name: "p1".into(), ..Default::default() }),
                is_concurrent: false,
                is_finalize: false,
                has_default: false,
            },
            "DETACH PARTITION p1",
        ),
    );
    show(
        "part of",
        super::plan(
            &other(
                "CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30) WITH (fillfactor=50)",
                vec![action(
                    &partitioned(),
                    Kind::CreateTable(CreateTable {
                        name: "p3".into(),
                        partition_of: Some(touched(&partitioned())),
                        ..Default::default()
                    }),
                    "",
                )],
            ),
            &around(15, &[partitioned()]),
        ),
    );
}
