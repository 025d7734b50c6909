//! Plans for hand-made tables.

use super::*;
use crate::change::plan::{Runs, runs_alone};
use crate::security::tenancy::facts::{
    Column, ForeignKey, Function, Held, Incoming, Index, Partition, Policy, View,
};

fn column(name: &str, type_name: &str) -> Column {
    Column { name: name.to_owned(), type_name: type_name.to_owned(), is_not_null: true, ..Column::default() }
}

fn key(name: &str, kind: Option<char>, columns: &[&str]) -> Index {
    let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
    Index {
        schema: "shop".to_owned(),
        name: name.to_owned(),
        tail: format!("USING btree ({})", columns.join(", ")),
        first: columns.first().cloned(),
        columns: Some(columns),
        method: "btree".to_owned(),
        is_unique: true,
        is_valid: true,
        constraint: kind.map(|_| name.to_owned()),
        constraint_kind: kind,
        ..Index::default()
    }
}

fn table(oid: u32, name: &str, columns: Vec<Column>, indexes: Vec<Index>) -> Table {
    Table {
        version: 150_000,
        oid,
        schema: "shop".to_owned(),
        name: name.to_owned(),
        kind: 'r',
        persistence: 'p',
        owner: "alice".to_owned(),
        is_own: true,
        columns,
        indexes,
        ..Table::default()
    }
}

fn orders() -> Table {
    let held = Held {
        grantee: 5,
        grantee_name: "app".to_owned(),
        is_of_owner: true,
        privilege: "TRUNCATE".to_owned(),
        ..Held::default()
    };
    Table {
        incoming: vec![Incoming {
            table: 2,
            table_name: "shop.lines".to_owned(),
            name: "lines_fkey".to_owned(),
            referenced_columns: vec!["id".to_owned()],
        }],
        beyond: vec![held],
        ..table(
            1,
            "orders",
            vec![column("id", "bigint"), column("account", "bigint")],
            vec![key("orders_pkey", Some('p'), &["id"]), key("orders_code", None, &["code"])],
        )
    }
}

fn lines() -> Table {
    let columns = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    Table {
        foreign_keys: vec![ForeignKey {
            name: "lines_fkey".to_owned(),
            referenced: 1,
            referenced_name: "shop.orders".to_owned(),
            columns: columns(&["order_id"]),
            referenced_columns: columns(&["id"]),
            definition: "FOREIGN KEY (order_id) REFERENCES shop.orders(id) ON DELETE SET NULL".to_owned(),
            is_valid: true,
            r#match: 's',
            on_update: 'a',
            on_delete: 'n',
            ..ForeignKey::default()
        }],
        ..table(2, "lines", vec![column("order_id", "bigint")], Vec::new())
    }
}

const ALL: Accept = Accept {
    primary_key: true,
    unique: true,
    foreign_keys: true,
    views: true,
    materialized_views: true,
    functions: true,
    policies: true,
};

fn given(oid: u32) -> Option<Given> {
    (oid == 1).then(|| Given::Expression("account".to_owned()))
}

fn wish(tables: Vec<Table>, accept: Accept) -> Wish {
    Wish {
        targets: targets(tables, "tenant_id", given).unwrap(),
        column: "tenant_id".to_owned(),
        type_name: "bigint".to_owned(),
        equality: "=".to_owned(),
        tenants: Some(("shop.tenants".to_owned(), "id".to_owned())),
        accept,
        asked: String::new(),
        search_path: "public".to_owned(),
    }
}

fn text(plan: &Plan) -> String {
    plan.steps.iter().flat_map(|step| step.sql.clone()).collect::<Vec<_>>().join("\n")
}

#[test]
fn children_come_after_their_parents() {
    let wish = wish(vec![lines(), orders()], ALL);
    let names: Vec<&str> = wish.targets.iter().map(|target| &*target.table.name).collect();
    assert_eq!(names, ["orders", "lines"]);
    assert!(matches!(wish.targets[1].source, Source::Parent(_)));
    assert_eq!(refusal(&wish), None);
}

#[test]
fn what_fills_the_column_acts_as_the_owner_of_both_tables() {
    let owned =
        |table: Table, owner: &str, oid: u32| Table { owner: owner.to_owned(), owner_oid: oid, ..table };
    let one = wish(vec![owned(orders(), "shop_owner", 7), owned(lines(), "shop_owner", 7)], ALL);
    assert_eq!(refusal(&one), None);
    let text = text(&plan(&one));
    let (definer, owner) = (text.find("SECURITY DEFINER"), text.find("() OWNER TO shop_owner"));
    assert!(definer.is_some() && definer < owner, "{text}");
    let two = wish(vec![owned(orders(), "somebody", 8), owned(lines(), "shop_owner", 7)], ALL);
    let refused = refusal(&two).unwrap();
    assert_eq!(refused.message, "shop.lines gets its tenants from shop.orders, which has another owner");
}

#[test]
fn the_steps_of_a_plan() {
    let plan = plan(&wish(vec![orders(), lines()], ALL));
    let text = text(&plan);
    for part in [
        "ALTER TABLE shop.orders ADD COLUMN tenant_id bigint, ALTER COLUMN tenant_id SET DEFAULT dbm.current_tenant(NULL::bigint)",
        "CALL dbm.backfill('shop.lines'::pg_catalog.regclass, 'tenant_id = tenant_id', 'tenant_id IS NULL')",
        "CREATE UNIQUE INDEX CONCURRENTLY orders_pkey_dbm_tenant ON shop.orders USING btree (tenant_id, id)",
        "CREATE INDEX CONCURRENTLY lines_tenant_id_idx ON shop.lines (tenant_id)",
        "ADD CONSTRAINT lines_fkey_dbm_tenant FOREIGN KEY (tenant_id, order_id) REFERENCES shop.orders (tenant_id, id) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED NOT VALID",
        "ADD CONSTRAINT lines_fkey FOREIGN KEY (tenant_id, order_id) REFERENCES shop.orders (tenant_id, id) ON DELETE SET NULL (order_id) NOT VALID",
        "FOREIGN KEY (tenant_id) REFERENCES shop.tenants (id) NOT VALID",
        "ADD CONSTRAINT orders_pkey PRIMARY KEY USING INDEX orders_pkey_dbm_tenant",
        "ALTER INDEX shop.orders_code_dbm_tenant RENAME TO orders_code",
        "AS RESTRICTIVE USING (tenant_id = dbm.current_tenant(NULL::bigint))",
        "FORCE ROW LEVEL SECURITY",
        "REVOKE TRUNCATE ON shop.orders FROM app",
        "SELECT dbm_row.tenant_id FROM shop.orders AS dbm_row WHERE dbm_row.id = NEW.order_id",
        "DROP TRIGGER IF EXISTS zz_lines_tenant_id_dbm_tenant ON shop.lines",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let by_hand = plan.steps.iter().position(|step| step.runs == Runs::ByHand).unwrap();
    for (place, step) in plan.steps.iter().enumerate() {
        let changes_promises =
            step.sql.iter().any(|sql| sql.contains("POLICY") || sql.contains("DROP CONSTRAINT lines_fkey"));
        assert!(!changes_promises || place > by_hand, "{step:?}");
        assert_eq!(step.runs == Runs::Alone, step.sql.first().is_some_and(|sql| runs_alone(sql)), "{step:?}");
    }
    let [.., tests, looks] = &plan.steps[..] else { panic!("{text}") };
    assert!(tests.sql[0].contains("dbm.tenant_leak_test"));
    assert!(looks.runs == Runs::ByHand && looks.asks_if.is_some(), "{looks:?}");
}

#[test]
fn on_the_way_back_the_policies_go_last() {
    let plan = plan(&wish(vec![orders(), lines()], ALL));
    let place = |part: &str| plan.steps.iter().position(|step| step.sql.iter().any(|sql| sql.contains(part)));
    let last_policy = plan.steps.iter().rposition(|step| step.sql.iter().any(|sql| sql.contains("POLICY")));
    // What is done later is taken back earlier.
    for of_keys in ["DROP CONSTRAINT orders_pkey", "DROP INDEX CONCURRENTLY IF EXISTS shop.orders_code"] {
        assert!(place(of_keys) > last_policy, "{of_keys}");
    }
}

#[test]
fn rows_that_point_to_one_that_is_moved_go_along_before_they_are_filled() {
    let plan = plan(&wish(vec![orders(), lines()], ALL));
    let place = |part: &str| plan.steps.iter().position(|step| step.sql.iter().any(|sql| sql.contains(part)));
    let guard = place("ADD CONSTRAINT lines_fkey_dbm_tenant");
    assert!(guard.is_some() && guard < place("CALL dbm.backfill('shop.lines'"));
    assert!(guard > place("CREATE UNIQUE INDEX CONCURRENTLY orders_pkey_dbm_tenant"));
    assert!(place("VALIDATE CONSTRAINT lines_fkey_dbm_tenant") > place("CALL dbm.backfill('shop.lines'"));
    let validate = plan
        .steps
        .iter()
        .position(|step| step.sql[..] == ["ALTER TABLE shop.lines VALIDATE CONSTRAINT lines_fkey"]);
    assert!(validate > place("DROP CONSTRAINT lines_fkey_dbm_tenant"), "{validate:?}");
}

#[test]
fn what_changes_is_accepted_first() {
    let refused = refusal(&wish(vec![orders(), lines()], Accept::default())).unwrap();
    assert_eq!(refused.hint, "If that is meant: accept => '{foreign_keys,primary_key,unique}'.");
    assert!(refused.detail.contains("primary key orders_pkey of shop.orders gains tenant_id."));
    assert_eq!(Accept::parse(["views", "everything"]).unwrap_err().kind, Kind::Invalid);
}

#[test]
fn whose_rows_are_has_to_be_known() {
    let mut nullable = lines();
    nullable.columns[0].is_not_null = false;
    let refused = targets(vec![orders(), nullable], "tenant_id", given).unwrap_err();
    assert!(refused.message.contains("shop.lines"), "{refused:?}");
    let refused =
        targets(vec![lines()], "tenant_id", |_| Some(Given::Via("nothing".to_owned()))).unwrap_err();
    assert_eq!(refused.kind, Kind::Missing);
}

#[test]
fn what_there_is_no_way_for() {
    let refused = |change: &dyn Fn(&mut Table)| {
        let mut table = orders();
        change(&mut table);
        refusal(&wish(vec![table, lines()], ALL)).map(|refused| refused.kind)
    };
    assert_eq!(refused(&|_| ()), None);
    assert_eq!(refused(&|table| table.kind = 'p'), Some(Kind::Unsupported));
    assert_eq!(refused(&|table| table.is_partition = true), Some(Kind::Unsupported));
    assert_eq!(refused(&|table| table.is_own = false), Some(Kind::Privilege));
    let partition = |is_own| Partition { is_partition: true, is_own, ..Partition::default() };
    let partitioned = |is_own| refused(&move |table| table.partitions.push(partition(is_own)));
    assert_eq!((partitioned(true), partitioned(false)), (None, Some(Kind::Privilege)));
    assert_eq!(refused(&|table| table.persistence = 't'), Some(Kind::Unsupported));
    assert_eq!(
        refused(&|table| table.indexes[0].needed_by.push("shop.v".to_owned())),
        Some(Kind::Unsupported)
    );
    assert_eq!(refused(&|table| table.indexes[0].is_replica_identity = true), Some(Kind::Prerequisite));
    assert_eq!(refused(&|table| table.incoming[0].table = 9), Some(Kind::Prerequisite));
    assert_eq!(
        refused(&|table| (table.has_row_security, table.forces_row_security) = (true, true)),
        Some(Kind::Prerequisite)
    );
    // The rows are as they are, and still a foreign key cannot be checked over them.
    let mut hidden = lines();
    hidden.columns.push(column("tenant_id", "bigint"));
    (hidden.has_row_security, hidden.forces_row_security) = (true, true);
    assert_eq!(refusal(&wish(vec![orders(), hidden], ALL)).unwrap().kind, Kind::Prerequisite);
    let mut full = lines();
    full.foreign_keys[0].r#match = 'f';
    assert_eq!(refusal(&wish(vec![orders(), full], ALL)), None, "its columns are NOT NULL");
    let mut set_null = lines();
    set_null.foreign_keys[0].on_update = 'n';
    assert_eq!(refusal(&wish(vec![orders(), set_null], ALL)).unwrap().kind, Kind::Unsupported);
}

#[test]
fn views_and_functions_are_named() {
    let mut table = orders();
    table.views.push(View { oid: 7, name: "shop.all".to_owned(), kind: 'v', ..View::default() });
    table.views.push(View {
        oid: 8,
        name: "shop.sums".to_owned(),
        kind: 'm',
        grants: vec![5],
        ..View::default()
    });
    table.functions.push(Function {
        oid: 9,
        signature: "shop.f()".to_owned(),
        owner_passes: true,
        ..Function::default()
    });
    let plan = plan(&wish(vec![table.clone(), lines()], ALL));
    assert!(text(&plan).contains("ALTER VIEW shop.all SET (security_invoker = true)"));
    assert!(text(&plan).contains("REVOKE ALL ON shop.sums"));
    assert!(plan.requires.iter().any(|line| line.contains("shop.f()")));
    let refused = refusal(&wish(
        vec![table, lines()],
        Accept { functions: false, views: false, materialized_views: false, ..ALL },
    ));
    assert_eq!(refused.unwrap().hint, "If that is meant: accept => '{functions,materialized_views,views}'.");
}

#[test]
fn no_cast_cuts_a_tenant() {
    let wish = |type_name: &str| Wish { type_name: type_name.to_owned(), ..wish(vec![orders()], ALL) };
    assert_eq!(wish("character varying(8)").current(), "dbm.current_tenant(NULL::text)");
    assert_eq!(wish("character(8)").current(), "dbm.current_tenant(NULL::pg_catalog.bpchar)");
    assert_eq!(wish("uuid").current(), "dbm.current_tenant(NULL::uuid)");
}

fn policy(name: &str, is_permissive: bool, command: char, using: &str) -> Policy {
    Policy {
        name: name.to_owned(),
        is_permissive,
        command,
        is_for_all: true,
        is_for_owner: true,
        using: Some(using.to_owned()),
        ..Policy::default()
    }
}

#[test]
fn who_saw_rows_before_goes_on_seeing_them() {
    let admitted = |change: &dyn Fn(&mut Table)| {
        let mut table = orders();
        change(&mut table);
        let text = text(&plan(&wish(vec![table, lines()], ALL)));
        let rest =
            |line: &str| line.strip_prefix("CREATE POLICY tenant_access ON shop.orders").map(str::to_owned);
        text.lines().find_map(rest)
    };
    let everybody = Some(" USING (true) WITH CHECK (true)".to_owned());
    let owner = Some(" TO alice USING (true) WITH CHECK (true)".to_owned());
    assert_eq!(admitted(&|_| ()), everybody);
    // Nobody asked them as long as row level security was off.
    for asleep in [policy("p", true, 'r', "true"), policy("p", true, '*', "(id < 5)")] {
        assert_eq!(admitted(&|table| table.policies.push(asleep.clone())), everybody);
    }
    let for_one = Policy { is_for_all: false, ..policy("p", true, '*', "true") };
    assert_eq!(admitted(&|table| table.policies.push(for_one.clone())), everybody);
    let of_all = policy("p", true, '*', "true");
    assert_eq!(admitted(&|table| table.policies.push(of_all.clone())), None);
    // They were asked, but not of the owner.
    assert_eq!(admitted(&|table| table.has_row_security = true), owner);
    assert_eq!(
        admitted(&|table| {
            table.has_row_security = true;
            table.policies.push(of_all.clone());
        }),
        None
    );
    assert_eq!(admitted(&|table| (table.has_row_security, table.owner_passes) = (true, true)), None);
}

#[test]
fn what_narrows_anew_is_accepted_first() {
    let narrowed = |policy: Policy, change: &dyn Fn(&mut Table)| {
        let mut table = orders();
        table.columns.push(column("tenant_id", "bigint"));
        table.policies.push(policy);
        change(&mut table);
        refusal(&wish(vec![table, lines()], Accept { policies: false, ..ALL })).map(|why| why.detail)
    };
    let off = |_: &mut Table| ();
    let on = |table: &mut Table| table.has_row_security = true;
    let hides = || policy("p", false, '*', "(NOT hidden)");
    assert_eq!(
        narrowed(hides(), &off).as_deref(),
        Some("restrictive policy p of shop.orders comes into force.")
    );
    assert_eq!(
        narrowed(hides(), &on).as_deref(),
        Some("restrictive policy p of shop.orders applies to its owner alice too.")
    );
    assert_eq!(narrowed(Policy { is_for_owner: false, ..hides() }, &on), None);
    assert_eq!(narrowed(policy("p", true, '*', "(NOT hidden)"), &off), None);
    let own = policy("p", false, '*', "(tenant_id = dbm.current_tenant(NULL::bigint))");
    assert_eq!(narrowed(own, &off), None);
}
