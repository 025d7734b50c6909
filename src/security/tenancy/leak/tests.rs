//! The catalogs' part of the leak test, and the reading of answers, on hand-made facts.

use super::judge::judge;
use super::probe::{Answer, Pair, Probe, Reading, probes, read};
use super::values::{row, value};
use super::{Line, Status, worst};
use crate::security::tenancy::facts::{
    Column, ForeignKey, Function, Index, OnPartition, Partition, Policy, Role, Table, View, ViewColumns,
};

fn column(name: &str, base: &str, is_not_null: bool) -> Column {
    let type_name = if base == "int8" { "bigint" } else { base };
    Column {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        base: base.to_owned(),
        is_not_null,
        ..Column::default()
    }
}

/// A table from which nothing leaks.
pub fn tight() -> Table {
    Table {
        schema: "shop".to_owned(),
        name: "orders".to_owned(),
        kind: 'r',
        owner: "shop_owner".to_owned(),
        has_row_security: true,
        forces_row_security: true,
        columns: vec![
            column("tenant_id", "int8", true),
            column("id", "int8", true),
            column("note", "text", false),
        ],
        indexes: vec![Index {
            schema: "shop".to_owned(),
            name: "orders_pkey".to_owned(),
            columns: Some(vec!["tenant_id".to_owned(), "id".to_owned()]),
            first: Some("tenant_id".to_owned()),
            holds_tenant: true,
            method: "btree".to_owned(),
            is_unique: true,
            is_valid: true,
            constraint: Some("orders_pkey".to_owned()),
            constraint_kind: Some('p'),
            ..Index::default()
        }],
        policies: vec![
            Policy {
                name: "tenant".to_owned(),
                command: '*',
                is_for_all: true,
                using: Some("(tenant_id = dbm.current_tenant(NULL::bigint))".to_owned()),
                ..Policy::default()
            },
            Policy {
                name: "everybody".to_owned(),
                is_permissive: true,
                command: '*',
                is_for_all: true,
                using: Some("true".to_owned()),
                ..Policy::default()
            },
        ],
        ..Table::default()
    }
}

fn app() -> Role {
    let privileges = ["SELECT", "INSERT", "UPDATE", "DELETE"].map(str::to_owned).to_vec();
    Role { oid: 7, name: "app".to_owned(), privileges, ..Role::default() }
}

fn on_partition(table: &mut Table, role: &mut Role, privilege: &str) {
    table.partitions.push(Partition {
        oid: 9,
        name: "shop.p".to_owned(),
        has_row_security: true,
        ..Partition::default()
    });
    role.on_partitions.push(OnPartition { partition: 9, privilege: privilege.to_owned() });
}

fn found(table: &Table, role: &Role, status: Status) -> Vec<&'static str> {
    worst(judge(table, std::slice::from_ref(role), "tenant_id"))
        .into_iter()
        .filter(|line| line.status == status)
        .map(|line| line.check)
        .collect()
}

#[test]
fn a_tight_table_is_silent() {
    assert_eq!(found(&tight(), &app(), Status::Leak), Vec::<&str>::new());
    assert_eq!(found(&tight(), &app(), Status::Weak), Vec::<&str>::new());
}

#[test]
fn each_hole_is_named() {
    let holes: [(&str, fn(&mut Table, &mut Role)); 20] = [
        ("policy", |table, _| table.policies[0].check = Some("true".to_owned())),
        ("policy", |table, _| table.has_row_security = false),
        ("policy", |table, _| {
            table.policies[0].using =
                Some("(tenant_id = (current_setting('app.tenant'))::bigint)".to_owned());
        }),
        ("force", |table, _| table.forces_row_security = false),
        ("role", |_, role| role.passes = true),
        ("role", |_, role| role.owns = true),
        ("role", |_, role| role.becomes_owner = Some("alice".to_owned())),
        ("role", |_, role| role.becomes_passing = Some("batch".to_owned())),
        ("role", |_, role| role.grants_itself = Some("alice".to_owned())),
        ("context", |_, role| role.may_set = true),
        ("truncate", |_, role| role.privileges.push("TRUNCATE".to_owned())),
        ("privileges", |_, role| role.privileges.push("REFERENCES".to_owned())),
        ("partition", |table, role| {
            table.partitions.push(Partition { oid: 9, name: "shop.p".to_owned(), ..Partition::default() });
            role.partitions.push(9);
        }),
        ("truncate", |table, role| on_partition(table, role, "TRUNCATE")),
        ("privileges", |table, role| on_partition(table, role, "TRIGGER")),
        ("partition", |table, _| {
            let partition = Partition { is_of_another: true, has_row_security: true, ..Partition::default() };
            table.partitions.push(partition);
        }),
        ("unique", |table, _| table.indexes[0].holds_tenant = false),
        ("foreign_key", |table, _| {
            table.foreign_keys.push(ForeignKey {
                columns: vec!["order_id".to_owned()],
                referenced_columns: vec!["id".to_owned()],
                referenced_has_tenant: true,
                ..ForeignKey::default()
            });
        }),
        ("view", |table, role| {
            table.views.push(View {
                oid: 5,
                name: "shop.v".to_owned(),
                kind: 'v',
                passes: true,
                ..View::default()
            });
            role.views.push(5);
        }),
        ("function", |table, role| {
            table.functions.push(Function { oid: 6, passes: true, ..Function::default() });
            role.functions.push(6);
        }),
    ];
    for (check, open) in holes {
        let (mut table, mut role) = (tight(), app());
        open(&mut table, &mut role);
        let leaks = found(&table, &role, Status::Leak);
        if check == "policy" && !table.has_row_security {
            assert!(leaks.contains(&check), "{check}: {leaks:?}");
        } else {
            assert_eq!(leaks, [check]);
        }
    }
}

#[test]
fn what_could_leak_is_weak() {
    let mut table = tight();
    table.policies.remove(0);
    table.views.push(View { oid: 5, name: "shop.m".to_owned(), kind: 'm', ..View::default() });
    table.columns[0].is_not_null = false;
    table.publications.push("all_of_it".to_owned());
    assert_eq!(
        found(&table, &app(), Status::Weak),
        ["policy", "materialized_view", "publication", "not_null"]
    );
}

fn probe(reading: Reading) -> Probe {
    Probe {
        check: "insert",
        tenant: "1".to_owned(),
        is_open: false,
        sql: String::new(),
        then: None,
        around: None,
        reading,
    }
}

fn status(reading: Reading, answer: &Answer) -> Status {
    read(&probe(reading), "app", answer).status
}

#[test]
fn answers_are_read() {
    let denied =
        Err(("42501".to_owned(), "new row violates row-level security policy for table \"t\"".to_owned()));
    let put_off = Err((
        "42501".to_owned(),
        "cannot fire deferred trigger within security-restricted operation".to_owned(),
    ));
    let constraint = Err(("23503".to_owned(), "violates foreign key".to_owned()));
    let twice = Err(("23505".to_owned(), "duplicate key".to_owned()));
    let row = |text: &str| Ok(vec![Some(text.to_owned())]);
    assert_eq!(status(Reading::Denied("writes", None), &denied), Status::Ok);
    assert_eq!(status(Reading::Denied("writes", None), &put_off), Status::Unknown);
    assert_eq!(status(Reading::Denied("writes", None), &constraint), Status::Leak);
    assert_eq!(status(Reading::Denied("writes", Some("2".to_owned())), &row("2")), Status::Leak);
    assert_eq!(status(Reading::Denied("writes", Some("2".to_owned())), &row("1")), Status::Ok);
    assert_eq!(status(Reading::NotDuplicate("guesses"), &twice), Status::Leak);
    assert_eq!(status(Reading::NotDuplicate("guesses"), &constraint), Status::Ok);
    assert_eq!(status(Reading::NotTrue("reads"), &row("true")), Status::Leak);
    assert_eq!(status(Reading::NotTrue("reads"), &row("false")), Status::Ok);
    assert_eq!(status(Reading::NoRow("deletes"), &row("row")), Status::Leak);
    assert_eq!(status(Reading::NoRow("deletes"), &Ok(Vec::new())), Status::Ok);
    let points = || Reading::Constrained("points", "lines_fkey".to_owned());
    let by = |name: &str| Err(("23503".to_owned(), format!("violates foreign key constraint \"{name}\"")));
    assert_eq!(status(points(), &by("lines_fkey")), Status::Ok);
    assert_eq!(status(points(), &by("others_fkey")), Status::Unknown);
    assert_eq!(status(points(), &denied), Status::Ok);
    assert_eq!(status(points(), &row("row")), Status::Leak);
    let answers = |texts: [&str; 3]| Ok(texts.map(|text| Some(text.to_owned())).to_vec());
    assert_eq!(status(Reading::Same("sees"), &answers(["1", "1", "1"])), Status::Ok);
    assert_eq!(status(Reading::Same("sees"), &answers(["1", "2", "1"])), Status::Leak);
    assert_eq!(status(Reading::Same("sees"), &answers(["1", "2", "2"])), Status::Unknown);
}

#[test]
fn truncate_is_tried_where_it_is_refused() {
    let pair = Pair { own: "1".to_owned(), other: "2".to_owned() };
    let mut table = tight();
    table.partitions.push(Partition { oid: 9, name: "shop.p".to_owned(), ..Partition::default() });
    let mut role = app();
    role.privileges.push("TRUNCATE".to_owned());
    let tried: Vec<String> = probes(&table, "tenant_id", &pair, &role)
        .into_iter()
        .filter(|probe| probe.check == "truncate")
        .map(|probe| probe.sql)
        .collect();
    assert_eq!(tried, ["TRUNCATE shop.p"]);
}

#[test]
fn a_view_without_the_tenant_is_compared() {
    let pair = Pair { own: "1".to_owned(), other: "2".to_owned() };
    let mut table = tight();
    table.views.push(View { oid: 5, name: "shop.v".to_owned(), kind: 'v', ..View::default() });
    let role = Role {
        view_columns: vec![ViewColumns { view: 5, columns: vec!["id".to_owned(), "Note".to_owned()] }],
        ..app()
    };
    let probes = probes(&table, "tenant_id", &pair, &role);
    let probe = probes.iter().find(|probe| probe.check == "view").unwrap();
    assert!(probe.sql.contains("ROW(v.id, v.\"Note\")") && probe.sql.ends_with("FROM shop.v AS v"));
    assert!(probe.around.as_ref().is_some_and(|sql| sql.starts_with("DELETE FROM shop.orders AS x")));
}

#[test]
fn what_was_written_is_looked_for() {
    let pair = Pair { own: "1".to_owned(), other: "2".to_owned() };
    let probes = probes(&tight(), "tenant_id", &pair, &app());
    let insert = probes.iter().find(|probe| probe.check == "insert").unwrap();
    assert_eq!(
        insert.then.as_deref(),
        Some(
            "SELECT (EXISTS (SELECT FROM shop.orders AS x WHERE x.tenant_id OPERATOR(pg_catalog.=) '-1000003'::bigint))::pg_catalog.text"
        )
    );
    let constraint: Answer = Err(("23503".to_owned(), "violates foreign key".to_owned()));
    assert_eq!(read(insert, "app", &constraint).status, Status::Leak);
    assert_eq!(read(insert, "app", &Ok(vec![Some("false".to_owned())])).status, Status::Ok);
}

#[test]
fn whom_a_policy_names_is_tried() {
    let pair = Pair { own: "1".to_owned(), other: "2".to_owned() };
    let mut table = tight();
    table.policies[0].check =
        Some("((tenant_id = dbm.current_tenant(NULL::bigint)) OR (tenant_id = ANY (ARRAY[(42)::bigint, 1])) OR (note = 'x'::text))".to_owned());
    let probes = probes(&table, "tenant_id", &pair, &app());
    let named: Vec<&Probe> = probes.iter().filter(|probe| format!("{probe:?}").contains("'42'")).collect();
    let [insert, read] = named[..] else { panic!("{named:?}") };
    assert_eq!((insert.tenant.as_str(), read.tenant.as_str()), ("1", "42"));
    assert!(insert.then.as_ref().unwrap().ends_with(
        "x.tenant_id OPERATOR(pg_catalog.=) '42'::bigint AND x.id::pg_catalog.text OPERATOR(pg_catalog.=) ('-1000003'::bigint)::pg_catalog.text))::pg_catalog.text"
    ));
    assert_eq!(found(&table, &app(), Status::Weak), ["policy"]);
}

#[test]
fn what_is_written_without_reading_is_tried_too() {
    let pair = Pair { own: "1".to_owned(), other: "2".to_owned() };
    let statement = |updates: &[&str]| {
        let updates = updates.iter().map(|&name| name.to_owned()).collect();
        let role = Role { updates, ..app() };
        let probes = probes(&tight(), "tenant_id", &pair, &role);
        let of = |start: &str| {
            probes
                .iter()
                .find(|probe| probe.sql.starts_with(start) && probe.sql.contains("dbm_probe.rows"))
                .map(|probe| (probe.tenant.clone(), probe.sql.split(" WHERE ").next().map(str::to_owned)))
        };
        assert_eq!(
            of("DELETE FROM shop.orders WHERE").map(|(tenant, _)| tenant).as_deref(),
            Some("-1000003")
        );
        of("UPDATE").and_then(|(_, sql)| sql)
    };
    assert_eq!(
        statement(&["id", "tenant_id"]).as_deref(),
        Some("UPDATE shop.orders SET tenant_id = '-1000003'::bigint")
    );
    assert_eq!(statement(&["note"]).as_deref(), Some("UPDATE shop.orders SET note = DEFAULT"));
    assert_eq!(statement(&[]), None);
    let zero: Answer = Err(("22012".to_owned(), "division by zero".to_owned()));
    assert_eq!(status(Reading::Untouched("deletes"), &zero), Status::Leak);
    assert_eq!(status(Reading::Untouched("deletes"), &Ok(vec![Some("row".to_owned())])), Status::Leak);
    assert_eq!(status(Reading::Untouched("deletes"), &Ok(Vec::new())), Status::Ok);
}

#[test]
fn who_passes_by_being_in_a_role_is_told_of() {
    let member = Role { is_member: true, passes: true, ..app() };
    assert!(found(&tight(), &member, Status::Weak).contains(&"role"));
    assert!(found(&tight(), &member, Status::Leak).is_empty());
}

#[test]
fn rows_are_made_up() {
    assert_eq!(
        row(&tight(), "tenant_id", "4", 2),
        Ok(("tenant_id, id".to_owned(), "'4'::bigint, '-1000002'::bigint".to_owned()))
    );
    let short = Column { category: 'S', length: Some(2), ..Column::default() };
    assert_eq!(value(&short, 3), Some("3-".to_owned()));
    assert_eq!(value(&Column { base: "polygon".to_owned(), ..Column::default() }, 1), None);
    let mut table = tight();
    table.columns.push(column("area", "polygon", true));
    assert!(row(&table, "tenant_id", "4", 2).unwrap_err().contains("polygon"));
}

#[test]
fn the_worst_is_told_once() {
    let lines = vec![
        Line::new("read", Status::Ok, "a"),
        Line::new("read", Status::Leak, "b"),
        Line::new("read", Status::Leak, "b"),
        Line::new("force", Status::Ok, "c"),
    ];
    assert_eq!(worst(lines), [Line::new("force", Status::Ok, "c"), Line::new("read", Status::Leak, "b")]);
}
