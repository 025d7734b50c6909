//! Plans run by psql against a server: the end is that of the direct DDL as pg_dump prints it, and the way back leads to
//! where it began. Run by hand: `PGHOST=… PGPORT=… cargo test --no-default-features plan::live -- --ignored`.
//! The facts are made by hand here; the shape is asked of the server with the query that the extension uses.

use std::process::Command;

use super::sample::{action, alteration, around, statement, touched};
use crate::catalog::ddl::{
    AddColumn, AddConstraint, Alteration, AttachPartition, ColumnDefault, ColumnDefinition, ConstraintType,
    CreateIndex, CreateTable, DropColumn, DropObject, DroppedKind, ForeignKeyFacts, Kind, Renamed,
    SetNotNull, Statement, Surroundings, TableShape, TypeChange,
};
use crate::change::plan::{Runs, runs_alone};

const TABLE: &str = include_str!("../../pg/ddl/shape/table.sql");

const STUB: &str = "CREATE SCHEMA dbm; CREATE PROCEDURE dbm.backfill(t regclass, a text, p text) LANGUAGE plpgsql AS \
                    'BEGIN EXECUTE format(''UPDATE %s SET %s WHERE %s'', t, a, p); END';";

fn psql(database: &str, commands: &[&str]) -> Result<String, String> {
    let mut command = Command::new("psql");
    command.args(["-U", "postgres", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-d", database]);
    for sql in commands {
        command.args(["-c", sql]);
    }
    let output = command.output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).chars().take(900).collect())
    }
}

fn dump(database: &str) -> String {
    let program = std::env::var("PG_DUMP").unwrap_or_else(|_| "pg_dump".to_owned());
    let output =
        Command::new(program).args(["-U", "postgres", "-s", "-N", "dbm", "-d", database]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| !line.starts_with("--") && !line.starts_with("\\") && !line.is_empty())
        .map(|line| line.trim_end_matches(',').to_owned() + "\n")
        .collect()
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn shape(database: &str, table: &str) -> TableShape {
    let sql = TABLE.replace("$1", &format!("'public.{table}'::regclass"));
    let document = psql(database, &["SET search_path = ''", &sql]).unwrap();
    let document = document.lines().skip(1).collect::<Vec<_>>().join("\n");
    TableShape::from_document(&document).unwrap()
}

fn version() -> i32 {
    psql("postgres", &["SHOW server_version_num"]).unwrap().trim().parse::<i32>().unwrap() / 10_000
}

struct Case {
    name: &'static str,
    setup: &'static str,
    direct: &'static str,
    tables: &'static [&'static str],
    make: fn(&[TableShape]) -> Statement,
    by_hand: &'static str,
    has_undo: bool,
}

fn fresh(database: &str, setup: &str) {
    psql(
        "postgres",
        &[&format!("DROP DATABASE IF EXISTS {database}"), &format!("CREATE DATABASE {database}")],
    )
    .unwrap();
    psql(database, &[STUB, setup]).unwrap();
}

fn check(case: &Case, version: i32) -> Result<(), String> {
    fresh("dbm_direct", case.setup);
    psql("dbm_direct", &[case.direct])?;
    fresh("dbm_plan", case.setup);
    let before = dump("dbm_plan");
    let shapes: Vec<TableShape> = case.tables.iter().map(|table| shape("dbm_plan", table)).collect();
    let surroundings: Surroundings = around(version, &shapes);
    let plan = super::plan(&(case.make)(&shapes), &surroundings).map_err(|no| format!("{no:?}"))?;
    for step in &plan.steps {
        match step.runs {
            Runs::ByHand => {
                if !case.by_hand.is_empty() {
                    psql("dbm_plan", &[case.by_hand])?;
                }
            }
            Runs::Alone => {
                psql("dbm_plan", &[&step.sql[0]])?;
            }
            Runs::InTransaction => {
                let whole =
                    format!("BEGIN; SET LOCAL search_path TO public; {}; COMMIT", step.sql.join(";\n"));
                psql("dbm_plan", &[&whole])?;
            }
        }
        if let Some(query) = &step.verify {
            let answer = psql("dbm_plan", &[query])?;
            if answer.trim() != "t" {
                return Err(format!("{} is {answer} after {:?}", query, step.sql));
            }
        }
        if let Some((query, _)) = &step.leftover {
            let answer = psql("dbm_plan", &[query])?;
            if answer.trim() != "f" {
                return Err(format!("{query} is {answer}"));
            }
        }
    }
    for query in &plan.verify {
        let answer = psql("dbm_plan", &[query])?;
        if answer.trim() != "t" {
            return Err(format!("at the end {query} is {answer}"));
        }
    }
    compare("the end", &dump("dbm_direct"), &dump("dbm_plan"))?;
    if case.has_undo {
        for step in plan.steps.iter().rev() {
            for sql in &step.undo {
                if runs_alone(sql) {
                    psql("dbm_plan", &[sql])?;
                } else {
                    psql("dbm_plan", &[&format!("BEGIN; SET LOCAL search_path TO public; {sql}; COMMIT")])?;
                }
            }
        }
        compare("the way back", &before, &dump("dbm_plan"))?;
    }
    let text = super::file(&plan);
    assert!(text.contains("-- UP") && text.contains("-- DOWN") && text.contains("-- VERIFY"));
    Ok(())
}

fn compare(what: &str, wanted: &str, found: &str) -> Result<(), String> {
    if sorted(wanted) == sorted(found) {
        return Ok(());
    }
    let (wanted, found) = (sorted(wanted), sorted(found));
    let missing: Vec<&String> = wanted.iter().filter(|line| !found.contains(line)).collect();
    let extra: Vec<&String> = found.iter().filter(|line| !wanted.contains(line)).collect();
    Err(format!("{what} differs\n  missing {missing:#?}\n  extra {extra:#?}"))
}

fn one(shapes: &[TableShape], kind: Alteration, text: &str) -> Statement {
    statement(vec![alteration(&shapes[0], kind, text)])
}

fn other(shapes: &[TableShape], kind: Kind, text: &str) -> Statement {
    Statement { text: text.to_owned(), actions: vec![action(&shapes[0], kind, "")], ..Statement::default() }
}

fn constraint(kind: ConstraintType) -> AddConstraint {
    AddConstraint { constraint_type: kind, ..AddConstraint::default() }
}

fn added(name: &str) -> AddColumn {
    AddColumn {
        column: ColumnDefinition { name: name.to_owned(), ..ColumnDefinition::default() },
        ..AddColumn::default()
    }
}

fn retyped(column: &str, from: &str, to: &str) -> TypeChange {
    TypeChange {
        column: column.to_owned(),
        is_there: true,
        from: from.to_owned(),
        to: to.to_owned(),
        rewrites: Some(true),
        ..TypeChange::default()
    }
}

fn foreign_key(referenced: &TableShape, columns: &[&str]) -> ForeignKeyFacts {
    ForeignKeyFacts {
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        referenced: Some(touched(referenced)),
        ..ForeignKeyFacts::default()
    }
}

const T: &str = "CREATE TABLE t (id int PRIMARY KEY, a int, b text NOT NULL DEFAULT 'x', u int UNIQUE, CHECK (a > 0)); \
                 INSERT INTO t SELECT i, i, 'b', i FROM generate_series(1, 1000) i; CREATE INDEX ON t (a); \
                 CREATE INDEX ON t (lower(b), a) WHERE a > 5; CREATE TABLE o (x int PRIMARY KEY); INSERT INTO o SELECT generate_series(1, 1000)";

const P: &str = "CREATE TABLE p (id int NOT NULL, a int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); \
                 CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id); CREATE TABLE p21 PARTITION OF p2 FOR VALUES \
                 FROM (10) TO (15); INSERT INTO p SELECT i, i FROM generate_series(0, 14) i; CREATE TABLE o (x int PRIMARY KEY); \
                 INSERT INTO o SELECT generate_series(0, 1000)";

const KEYED: &str = "CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY (START 7) PRIMARY KEY, n serial UNIQUE, a int CHECK (a > 0) NOT NULL, \
                     r int REFERENCES t); CREATE TABLE k (t_id int REFERENCES t ON DELETE CASCADE, n int REFERENCES t (n)); INSERT INTO t (a) \
                     SELECT i FROM generate_series(1, 500) i; INSERT INTO k SELECT id, n FROM t; COMMENT ON COLUMN t.id IS 'its'; \
                     COMMENT ON COLUMN t.a IS 'words'; CREATE INDEX ON t (a, n) INCLUDE (id); CREATE UNIQUE INDEX x ON t ((a + 1)) WHERE a > 3; \
                     DO $$BEGIN CREATE ROLE dbm_reader_of_t; EXCEPTION WHEN duplicate_object THEN NULL; END$$; GRANT SELECT (a) ON t TO dbm_reader_of_t; ALTER TABLE t ALTER a SET STATISTICS 7";

fn cases() -> Vec<Case> {
    let case = |name, setup, direct, tables, make| Case {
        name,
        setup,
        direct,
        tables,
        make,
        by_hand: "",
        has_undo: true,
    };
    vec![
        case("set not null", T, "ALTER TABLE t ALTER a SET NOT NULL", &["t"], |s| {
            let facts = SetNotNull { column: "a".into(), is_there: true, ..SetNotNull::default() };
            one(s, Alteration::SetNotNull(facts), "ALTER a SET NOT NULL")
        }),
        case(
            "check",
            T,
            "ALTER TABLE t ADD CHECK (u > 0), ADD CHECK (u > a OR a IS NULL OR true)",
            &["t"],
            |s| {
                statement(
                    ["ADD CHECK (u > 0)", "ADD CHECK (u > a OR a IS NULL OR true)"]
                        .map(|text| {
                            alteration(
                                &s[0],
                                Alteration::AddConstraint(constraint(ConstraintType::Check)),
                                text,
                            )
                        })
                        .to_vec(),
                )
            },
        ),
        case(
            "foreign key",
            T,
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o ON DELETE SET NULL DEFERRABLE",
            &["t", "o"],
            |s| {
                let facts = AddConstraint {
                    foreign_key: Some(foreign_key(&s[1], &["a"])),
                    ..constraint(ConstraintType::ForeignKey)
                };
                one(
                    s,
                    Alteration::AddConstraint(facts),
                    "ADD FOREIGN KEY (a) REFERENCES o ON DELETE SET NULL DEFERRABLE",
                )
            },
        ),
        case(
            "foreign key of partitions",
            P,
            "ALTER TABLE p ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES o",
            &["p", "o"],
            |s| {
                let facts = AddConstraint {
                    foreign_key: Some(foreign_key(&s[1], &["a"])),
                    ..constraint(ConstraintType::ForeignKey)
                };
                one(s, Alteration::AddConstraint(facts), "ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES o")
            },
        ),
        case(
            "unique",
            T,
            "ALTER TABLE t ADD UNIQUE NULLS NOT DISTINCT (a, b) INCLUDE (u) WITH (fillfactor=70) DEFERRABLE INITIALLY DEFERRED",
            &["t"],
            |s| {
                one(
                    s,
                    Alteration::AddConstraint(constraint(ConstraintType::Unique)),
                    "ADD UNIQUE NULLS NOT DISTINCT (a, b) INCLUDE (u) WITH (fillfactor=70) DEFERRABLE INITIALLY DEFERRED",
                )
            },
        ),
        case("unique of partitions", P, "ALTER TABLE p ADD UNIQUE (id, a)", &["p"], |s| {
            one(s, Alteration::AddConstraint(constraint(ConstraintType::Unique)), "ADD UNIQUE (id, a)")
        }),
        case(
            "primary key",
            "CREATE TABLE t (a int, b int)",
            "ALTER TABLE t ADD PRIMARY KEY (a, b)",
            &["t"],
            |s| {
                let facts = AddConstraint {
                    nullable_columns: vec!["a".into(), "b".into()],
                    ..constraint(ConstraintType::PrimaryKey)
                };
                one(s, Alteration::AddConstraint(facts), "ADD PRIMARY KEY (a, b)")
            },
        ),
        case(
            "volatile default",
            T,
            "ALTER TABLE t ADD c uuid DEFAULT gen_random_uuid() NOT NULL UNIQUE CHECK (c <> '00000000-0000-0000-0000-000000000000')",
            &["t"],
            |s| {
                let facts = AddColumn { default: ColumnDefault::Volatile(Vec::new()), ..added("c") };
                one(
                    s,
                    Alteration::AddColumn(facts),
                    "ADD c uuid DEFAULT gen_random_uuid() NOT NULL UNIQUE CHECK (c <> '00000000-0000-0000-0000-000000000000')",
                )
            },
        ),
        case("serial", T, "ALTER TABLE t ADD c bigserial", &["t"], |s| {
            let mut facts = added("c");
            facts.column.serial = Some("bigserial".into());
            one(s, Alteration::AddColumn(facts), "ADD c bigserial")
        }),
        case(
            "identity",
            T,
            "ALTER TABLE t ADD c int GENERATED ALWAYS AS IDENTITY (START WITH 5 INCREMENT 2)",
            &["t"],
            |s| {
                one(
                    s,
                    Alteration::AddColumn(added("c")),
                    "ADD c int GENERATED ALWAYS AS IDENTITY (START WITH 5 INCREMENT 2)",
                )
            },
        ),
        Case {
            by_hand: "UPDATE t SET c = 1",
            ..case(
                "not null by hand",
                T,
                "ALTER TABLE t ADD c int; UPDATE t SET c = 1; ALTER TABLE t ALTER c SET NOT NULL",
                &["t"],
                |s| one(s, Alteration::AddColumn(added("c")), "ADD COLUMN c int NOT NULL"),
            )
        },
        case(
            "constant default",
            T,
            "ALTER TABLE t ADD c int NOT NULL DEFAULT 5 CHECK (c > 0) REFERENCES o",
            &["t", "o"],
            |s| {
                let facts = AddColumn {
                    default: ColumnDefault::Stored,
                    references: Some(foreign_key(&s[1], &["c"])),
                    ..added("c")
                };
                one(
                    s,
                    Alteration::AddColumn(facts),
                    "ADD c int NOT NULL DEFAULT 5 CHECK (c > 0) REFERENCES o",
                )
            },
        ),
        case(
            "primary key in column",
            "CREATE TABLE t (a int NOT NULL UNIQUE); INSERT INTO t SELECT generate_series(1, 10)",
            "ALTER TABLE t ADD id bigserial PRIMARY KEY",
            &["t"],
            |s| {
                let mut facts = added("id");
                facts.column.serial = Some("bigserial".into());
                one(s, Alteration::AddColumn(facts), "ADD id bigserial PRIMARY KEY")
            },
        ),
        case("type", T, "ALTER TABLE t ALTER a TYPE bigint", &["t"], |s| {
            one(s, Alteration::ColumnType(retyped("a", "integer", "bigint")), "ALTER a TYPE bigint")
        }),
        Case {
            by_hand: "",
            ..case("type of text", T, "ALTER TABLE t ALTER b TYPE varchar(20)", &["t"], |s| {
                one(
                    s,
                    Alteration::ColumnType(retyped("b", "text", "character varying(20)")),
                    "ALTER b TYPE varchar(20)",
                )
            })
        },
        Case {
            has_undo: false,
            ..case("type using", T, "ALTER TABLE t ALTER u TYPE text USING to_hex(u)", &["t"], |s| {
                let facts = TypeChange { using: Some("to_hex(u)".into()), ..retyped("u", "integer", "text") };
                one(s, Alteration::ColumnType(facts), "ALTER u TYPE text USING to_hex(u)")
            })
        },
        case("type of the primary key", KEYED, "ALTER TABLE t ALTER id TYPE bigint", &["t"], |s| {
            one(s, Alteration::ColumnType(retyped("id", "integer", "bigint")), "ALTER id TYPE bigint")
        }),
        case("type of a serial", KEYED, "ALTER TABLE t ALTER n TYPE bigint", &["t"], |s| {
            one(s, Alteration::ColumnType(retyped("n", "integer", "bigint")), "ALTER n TYPE bigint")
        }),
        case("type with everything", KEYED, "ALTER TABLE t ALTER a TYPE numeric(12,2)", &["t"], |s| {
            one(
                s,
                Alteration::ColumnType(retyped("a", "integer", "numeric(12,2)")),
                "ALTER a TYPE numeric(12,2)",
            )
        }),
        case(
            "index",
            T,
            "CREATE UNIQUE INDEX ON t USING btree (upper(b), (u + 1), a DESC) INCLUDE (id) WHERE a > 0",
            &["t"],
            |s| {
                other(
                    s,
                    Kind::CreateIndex(CreateIndex { is_unique: true, ..CreateIndex::default() }),
                    "CREATE UNIQUE INDEX ON t USING btree (upper(b), (u + 1), a DESC) INCLUDE (id) WHERE a > 0",
                )
            },
        ),
        case("index of partitions", P, "CREATE INDEX ON p (a, (id + 1))", &["p"], |s| {
            other(s, Kind::CreateIndex(CreateIndex::default()), "CREATE INDEX ON p (a, (id + 1))")
        }),
        case(
            "rename column",
            "DO $$BEGIN CREATE ROLE dbm_reader_of_r; EXCEPTION WHEN duplicate_object THEN NULL; END$$; CREATE TABLE t (id int PRIMARY KEY, a int); GRANT SELECT, INSERT ON t TO dbm_reader_of_r",
            "ALTER TABLE t RENAME a TO \"New\"",
            &["t"],
            |s| {
                other(s, Kind::Rename(renamed("column", "a", "\"New\"")), "ALTER TABLE t RENAME a TO \"New\"")
            },
        ),
        case("rename table", T, "ALTER TABLE t RENAME TO w", &["t"], |s| {
            other(s, Kind::Rename(renamed("table", "public.t", "w")), "ALTER TABLE t RENAME TO w")
        }),
        Case {
            has_undo: false,
            ..case("drop column", T, "ALTER TABLE t DROP a", &["t"], |s| {
                one(
                    s,
                    Alteration::DropColumn(DropColumn {
                        column: "a".into(),
                        is_there: true,
                        ..DropColumn::default()
                    }),
                    "DROP a",
                )
            })
        },
        Case {
            has_undo: false,
            ..case(
                "drop table",
                "CREATE TABLE o (x int PRIMARY KEY); CREATE TABLE t (a int REFERENCES o, b int REFERENCES o)",
                "DROP TABLE t",
                &["t"],
                |s| {
                    other(
                        s,
                        Kind::Drop(DropObject {
                            kind: DroppedKind::Table,
                            name: "public.t".into(),
                            is_there: true,
                            is_concurrent: false,
                            is_cascade: false,
                            constraint: None,
                            referenced: vec![],
                            dependents: vec![],
                            recent_uses: vec![],
                        }),
                        "DROP TABLE t",
                    )
                },
            )
        },
        case("drop index", T, "DROP INDEX t_lower_a_idx", &["t"], |s| {
            other(
                s,
                Kind::Drop(DropObject {
                    kind: DroppedKind::Index,
                    name: "public.t_lower_a_idx".into(),
                    is_there: true,
                    is_concurrent: false,
                    is_cascade: false,
                    constraint: None,
                    referenced: vec![],
                    dependents: vec![],
                    recent_uses: vec![],
                }),
                "DROP INDEX t_lower_a_idx",
            )
        }),
        case(
            "attach",
            "CREATE TABLE p (id int PRIMARY KEY, a int) PARTITION BY RANGE (id); CREATE INDEX ON p (a); CREATE TABLE t (id int NOT NULL, a int); INSERT INTO t SELECT generate_series(1, 9)",
            "ALTER TABLE p ATTACH PARTITION t FOR VALUES FROM (1) TO (10)",
            &["p", "t"],
            |s| {
                let facts = AttachPartition {
                    partition: Some(touched(&s[1])),
                    condition: Some("id IS NOT NULL AND id >= 1 AND id < 10".into()),
                    ..AttachPartition::default()
                };
                one(s, Alteration::AttachPartition(facts), "ATTACH PARTITION t FOR VALUES FROM (1) TO (10)")
            },
        ),
        case("detach", P, "ALTER TABLE p DETACH PARTITION p1", &["p", "p1"], |s| {
            one(
                s,
                Alteration::DetachPartition {
                    partition: Some(touched(&s[1])),
                    is_concurrent: false,
                    is_finalize: false,
                    has_default: false,
                },
                "DETACH PARTITION p1",
            )
        }),
        case(
            "partition of",
            "CREATE TABLE o (x int PRIMARY KEY); CREATE TABLE p (id int PRIMARY KEY, a int DEFAULT 5 CHECK (a > 0) REFERENCES o) PARTITION BY RANGE (id); CREATE INDEX ON p (a)",
            "CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30) WITH (fillfactor=50)",
            &["p"],
            |s| {
                other(
                    s,
                    Kind::CreateTable(CreateTable {
                        name: "p3".into(),
                        partition_of: Some(touched(&s[0])),
                        ..CreateTable::default()
                    }),
                    "CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30) WITH (fillfactor=50)",
                )
            },
        ),
    ]
}

fn renamed(kind: &'static str, from: &str, to: &str) -> Renamed {
    Renamed {
        kind,
        from: from.to_owned(),
        to: to.to_owned(),
        is_moved: false,
        dependents: Vec::new(),
        recent_uses: Vec::new(),
    }
}

#[test]
#[ignore = "needs a server: PGHOST and PGPORT"]
fn plans_end_where_the_direct_way_ends_and_lead_back() {
    let version = version();
    let mut failures = Vec::new();
    for case in cases() {
        if let Err(failure) = check(&case, version) {
            failures.push(format!("{}: {failure}", case.name));
        }
        let roles = "DROP DATABASE IF EXISTS dbm_plan; DROP DATABASE IF EXISTS dbm_direct; DROP ROLE IF EXISTS dbm_reader_of_t, dbm_reader_of_r";
        for command in roles.split("; ") {
            psql("postgres", &[command]).unwrap();
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
