//! Indexes, names, partitions, enums, domains, DROP, and what has no online way.

use super::super::sample::{partitioned, planned, table, touched};
use super::{expect, shown, whole};
use crate::catalog::ddl::{
    Alteration, AttachPartition, ConstraintShape, CreateIndex, CreateTable, Dependent, DomainChange,
    DropObject, DroppedKind, Kind, ReindexScope, Renamed, SameName, Touched, WrittenTable,
};

#[test]
fn indexes() {
    let mut text = String::new();
    let index = CreateIndex::default;
    for (sql, facts, shape) in [
        (
            "CREATE INDEX ON t USING gin (lower(b) gin_trgm_ops, (a + 1)) INCLUDE (id) WHERE a > 0",
            index(),
            table(),
        ),
        (
            "create unique index if not exists \"X\" on only t (a)",
            CreateIndex { is_unique: true, ..index() },
            table(),
        ),
        ("CREATE INDEX CONCURRENTLY x ON p (id)", index(), partitioned()),
        ("CREATE INDEX x ON t (a)", CreateIndex { same_name: SameName::Whole, ..index() }, table()),
        (
            "CREATE INDEX x ON t (a)",
            CreateIndex { twin: Some("public.t_a_idx".to_owned()), ..index() },
            table(),
        ),
    ] {
        text.push_str(&shown(sql, &whole(&shape, Kind::CreateIndex(facts), sql)));
    }
    for (sql, facts) in [
        ("DROP INDEX t_a_idx", DropObject::new(DroppedKind::Index, "public.t_a_idx")),
        (
            "DROP INDEX t_pkey",
            DropObject {
                constraint: Some("t_pkey".to_owned()),
                ..DropObject::new(DroppedKind::Index, "public.t_pkey")
            },
        ),
    ] {
        text.push_str(&shown(sql, &whole(&table(), Kind::Drop(facts), sql)));
    }
    for (sql, scope) in [
        ("REINDEX INDEX t", ReindexScope::Index),
        ("REINDEX TABLE t", ReindexScope::Table),
        ("REINDEX SCHEMA public", ReindexScope::Schema),
        ("REINDEX SYSTEM x", ReindexScope::System),
    ] {
        text.push_str(&shown(sql, &whole(&table(), Kind::Reindex { scope, is_concurrent: false }, sql)));
    }
    expect("index.txt", &text);
}

#[test]
fn names() {
    let mut text = String::new();
    let renamed = |kind, from: &str, to: &str, is_moved| Renamed {
        kind,
        from: from.to_owned(),
        to: to.to_owned(),
        is_moved,
        dependents: Vec::new(),
        recent_uses: Vec::new(),
    };
    let mut shape = table();
    shape.privileges = vec![("SELECT, INSERT".to_owned(), "reader".to_owned(), true)];
    for (sql, facts) in [
        ("ALTER TABLE t RENAME a TO \"New\"", renamed("column", "a", "New", false)),
        ("ALTER TABLE t RENAME TO u", renamed("table", "public.t", "u", false)),
        ("ALTER TABLE t SET SCHEMA s", renamed("table", "public.t", "s", true)),
        ("ALTER TABLE t RENAME CONSTRAINT t_pkey TO k", renamed("constraint", "t_pkey", "k", false)),
        ("ALTER SCHEMA public RENAME TO x", renamed("schema", "public", "x", false)),
        ("ALTER TYPE s.mood RENAME VALUE 'sad' TO 'blue'", renamed("enum value", "sad", "blue", false)),
    ] {
        text.push_str(&shown(sql, &whole(&shape, Kind::Rename(facts), sql)));
    }
    expect("rename.txt", &text);
}

#[test]
fn partitions() {
    let mut text = String::new();
    let mut parent = partitioned();
    parent.indexes = vec![crate::catalog::ddl::IndexShape {
        schema: "public".to_owned(),
        name: "p_a_idx".to_owned(),
        definition: "CREATE INDEX p_a_idx ON ONLY public.p USING btree (a)".to_owned(),
        key_columns: vec![2],
        is_partitioned: true,
        is_valid: true,
        ..crate::catalog::ddl::IndexShape::default()
    }];
    let attach = AttachPartition {
        partition: Some(touched(&table())),
        condition: Some("id >= 20".to_owned()),
        default_partition: Some(Touched {
            oid: 9,
            schema: "public".to_owned(),
            name: "d".to_owned(),
            ..Touched::default()
        }),
        default_condition: Some("NOT (id >= 20)".to_owned()),
        ..AttachPartition::default()
    };
    let sub_command = "ATTACH PARTITION t FOR VALUES FROM (20) TO (30)";
    let plan = planned(15, &parent, Alteration::AttachPartition(attach.clone()), sub_command);
    text.push_str(&shown(sub_command, &plan));
    let unknown = AttachPartition { condition: None, ..attach };
    text.push_str(&shown(
        "unknown bound",
        &planned(15, &parent, Alteration::AttachPartition(unknown), sub_command),
    ));
    for has_default in [false, true] {
        let facts = Alteration::DetachPartition {
            partition: Some(Touched {
                schema: "public".to_owned(),
                name: "p1".to_owned(),
                ..Touched::default()
            }),
            is_concurrent: false,
            is_finalize: false,
            has_default,
        };
        text.push_str(&shown("DETACH PARTITION p1", &planned(15, &parent, facts, "DETACH PARTITION p1")));
    }
    let of =
        CreateTable { name: "p3".to_owned(), partition_of: Some(touched(&parent)), ..CreateTable::default() };
    for sql in [
        "CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30) WITH (fillfactor=50)",
        "CREATE TABLE IF NOT EXISTS s.p3 PARTITION OF p DEFAULT PARTITION BY LIST (a)",
        "CREATE TABLE p3 PARTITION OF p FOR VALUES WITH (modulus 4, remainder 1)",
        "CREATE TABLE p3 PARTITION OF p (a DEFAULT 5) FOR VALUES IN (1)",
    ] {
        text.push_str(&shown(sql, &whole(&parent, Kind::CreateTable(of.clone()), sql)));
    }
    expect("partition.txt", &text);
}

#[test]
fn tables_that_go() {
    let mut shape = table();
    let foreign_key = |name: &str, table: &str, definition: &str, referenced: &str| ConstraintShape {
        name: name.to_owned(),
        kind: 'f',
        definition: definition.to_owned(),
        is_valid: true,
        table: table.to_owned(),
        referenced: Some(referenced.to_owned()),
        ..ConstraintShape::default()
    };
    shape.constraints.push(foreign_key(
        "t_a_fkey",
        "public.t",
        "FOREIGN KEY (a) REFERENCES public.o(x)",
        "public.o",
    ));
    let facts = DropObject::new(DroppedKind::Table, "public.t");
    let mut text = shown("DROP TABLE t", &whole(&shape, Kind::Drop(facts.clone()), "DROP TABLE t"));
    shape.referencing.push(foreign_key(
        "k_fkey",
        "public.k",
        "FOREIGN KEY (t_id) REFERENCES public.t(id)",
        "public.t",
    ));
    text.push_str(&shown("others point to it", &whole(&shape, Kind::Drop(facts.clone()), "DROP TABLE t")));
    let view = Dependent { kind: "view", name: "public.v".to_owned(), is_dropped_by_cascade: true };
    let cascade = DropObject { is_cascade: true, dependents: vec![view], ..facts };
    text.push_str(&shown("CASCADE", &whole(&shape, Kind::Drop(cascade), "DROP TABLE t CASCADE")));
    expect("drop_table.txt", &text);
}

#[test]
fn types_and_domains() {
    let mut text = String::new();
    let value = Kind::AddEnumValue {
        type_oid: None,
        name: "public.mood".to_owned(),
        value: "so-so".to_owned(),
        has_position: false,
        is_there: false,
    };
    let sql = "ALTER TYPE mood ADD VALUE 'so-so'";
    text.push_str(&shown(sql, &whole(&table(), value, sql)));
    for (sql, change) in [
        ("ALTER DOMAIN d ADD CHECK (VALUE > 0)", DomainChange::AddConstraint { is_not_valid: false }),
        (
            "ALTER DOMAIN d ADD CONSTRAINT k CHECK (VALUE > 0) NOT VALID",
            DomainChange::AddConstraint { is_not_valid: true },
        ),
        ("ALTER DOMAIN d VALIDATE CONSTRAINT k", DomainChange::ValidateConstraint { is_already: false }),
        ("ALTER DOMAIN d SET NOT NULL", DomainChange::SetNotNull),
        ("ALTER DOMAIN d SET DEFAULT 5", DomainChange::Other),
    ] {
        let kind = Kind::Domain { name: "public.d".to_owned(), change };
        text.push_str(&shown(sql, &whole(&table(), kind, sql)));
    }
    expect("types.txt", &text);
}

#[test]
fn no_online_way_or_none_needed() {
    let mut text = String::new();
    for (sub_command, kind) in [
        ("SET UNLOGGED", Alteration::SetPersistence { is_logged: false, is_already: false }),
        ("SET LOGGED", Alteration::SetPersistence { is_logged: true, is_already: true }),
        ("SET ACCESS METHOD x", Alteration::SetAccessMethod { method: "x".to_owned(), is_already: false }),
        ("SET TABLESPACE x", Alteration::SetTablespace { tablespace: "x".to_owned(), is_already: false }),
        (
            "ALTER a SET EXPRESSION AS (b)",
            Alteration::SetExpression { column: "a".to_owned(), is_stored: true },
        ),
        (
            "ALTER CONSTRAINT k ENFORCED",
            Alteration::AlterConstraint { name: "k".to_owned(), becomes_enforced: true },
        ),
        ("OWNER TO somebody", Alteration::Owner),
        ("ENABLE ROW LEVEL SECURITY", Alteration::RowSecurity { is_enabled: true, policies: 0 }),
        ("ALTER a SET STATISTICS 5", Alteration::Harmless { name: "SET STATISTICS" }),
        ("SOMETHING NEW", Alteration::Unknown { number: 99 }),
    ] {
        text.push_str(&shown(sub_command, &planned(15, &table(), kind, sub_command)));
    }
    let refresh = |is_populated, has_unique_index| Kind::Refresh {
        is_concurrent: false,
        is_without_data: false,
        is_populated,
        has_unique_index,
    };
    for (sql, kind) in [
        ("VACUUM FULL t", Kind::VacuumFull),
        ("CLUSTER t", Kind::Cluster),
        ("TRUNCATE t", Kind::Truncate { is_cascade: false, referencing: Vec::new() }),
        (
            "UPDATE t SET a = 1",
            Kind::Write(WrittenTable { is_update: true, has_no_condition: true, is_always_true: false }),
        ),
        ("REFRESH MATERIALIZED VIEW t", refresh(true, true)),
        ("REFRESH MATERIALIZED VIEW t", refresh(true, false)),
        ("CREATE TABLE s.x (a int)", Kind::CreateTable(CreateTable::default())),
        (
            "CREATE TRIGGER x",
            Kind::CreateTrigger { name: "x".to_owned(), is_constraint: false, is_replace: false },
        ),
        ("DO 'x'", Kind::Unchecked { reason: "dynamic SQL".to_owned() }),
    ] {
        text.push_str(&shown(sql, &whole(&table(), kind, sql)));
    }
    expect("no_plan_or_direct.txt", &text);
}
