//! Roles with the least privileges for what they do, as plans: what is there, and what will be made later.

#[cfg(feature = "postgres")]
pub mod live;

mod requires;

use requires::requires;

use crate::catalog::LockMode;
use crate::change::plan::{Phase, Plan, Risk, Step};
use crate::text::{quote_identifier, quote_literal};

/// What a role is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An application: reads and writes rows.
    Application,
    /// An analyst: reads.
    ReadOnly,
    /// A deployment: makes and changes objects, as the role that owns them.
    Migrator,
    /// A watcher: sees what the server does, and no row.
    Monitor,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 4] = [Self::Application, Self::ReadOnly, Self::Migrator, Self::Monitor];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::ReadOnly => "read_only",
            Self::Migrator => "migrator",
            Self::Monitor => "monitor",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What was asked for, and what is there.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What the role is for.
    pub kind: Kind,
    /// The role's name.
    pub role: String,
    /// The schemas in which it works.
    pub schemas: Vec<SchemaFacts>,
    /// The database.
    pub database: String,
    /// Whether it logs in.
    pub logs_in: bool,
    /// Whether it is granted what is made later, too.
    pub later: bool,
    /// For a migrator, the role that owns what it makes.
    pub owner: Option<OwnerFacts>,
    /// Whether schema dbm is there, for a watcher.
    pub has_dbm: bool,
    /// From 16 on: memberships say whether they are inherited.
    pub version: i32,
}

/// A schema as it is.
#[derive(Clone, Debug, Default)]
pub struct SchemaFacts {
    /// Its name.
    pub name: String,
    /// Tables, views and the like, qualified and quoted.
    pub tables: Vec<String>,
    /// Views and materialized views, which are read only.
    pub views: Vec<String>,
    /// Sequences.
    pub sequences: Vec<String>,
    /// The role that owns the schema.
    pub owner: String,
    /// The roles that own a table, view or sequence there.
    pub owning: Vec<String>,
    /// These, and those that own the schema or may make something there: what they make later is granted too.
    pub owners: Vec<String>,
    /// Others that may make something there, for whom whoever plans may not say what is granted; `PUBLIC` among them.
    pub others: Vec<String>,
    /// Of USAGE and CREATE, what the role that will own what a migrator makes has there already: its own or by membership.
    pub owner_has: Vec<&'static str>,
}

/// The role that owns what a migrator makes.
#[derive(Clone, Debug, Default)]
pub struct OwnerFacts {
    /// Its name.
    pub name: String,
    /// Whether it is there already.
    pub exists: bool,
    /// The roles whose tables and the like it may not change, each with the schema where they are.
    pub not_its_own: Vec<(String, String)>,
    /// What others are granted of what is made in these schemas, but not of what it makes: statements that grant it.
    pub not_granted: Vec<String>,
}

/// The plan.
pub fn plan(asked: &Asked) -> Plan {
    let role = quote_identifier(&asked.role);
    let mut steps = vec![create(&asked.role, asked.logs_in)];
    steps.push(connect(asked, &role));
    match asked.kind {
        Kind::Application => asked.schemas.iter().for_each(|schema| {
            steps.extend(use_schema(schema, asked, true));
        }),
        Kind::ReadOnly => {
            asked.schemas.iter().for_each(|schema| steps.extend(use_schema(schema, asked, false)));
            steps.push(read_only(&asked.role));
        }
        Kind::Migrator => steps.extend(migrator(asked, &role)),
        Kind::Monitor => steps.extend(monitor(asked, &role)),
    }
    let schemas: Vec<String> = asked.schemas.iter().map(|schema| quote_identifier(&schema.name)).collect();
    let place = if schemas.is_empty() { String::new() } else { format!(" in {}", schemas.join(", ")) };
    Plan {
        title: format!("role {role} for {}{place}", words(asked.kind)),
        change: format!(
            "least-privilege role {role} of kind {}{place}{}",
            asked.kind.name(),
            if asked.later { "" } else { ", without what is made later" }
        ),
        risk: Risk::Low,
        requires: requires(asked, &role),
        seconds: Some((0.0, 5.0)),
        search_path: String::new(),
        steps,
        verify: vec![exists(&asked.role)],
    }
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Application => "an application that reads and writes rows",
        Kind::ReadOnly => "reading",
        Kind::Migrator => "changing the schema",
        Kind::Monitor => "watching the server",
    }
}

fn exists(role: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) {}::pg_catalog.name)",
        quote_literal(role)
    )
}

fn create(role: &str, logs_in: bool) -> Step {
    let quoted = quote_identifier(role);
    let login = if logs_in { "LOGIN" } else { "NOLOGIN" };
    Step::new(
        Phase::Expand,
        format!("CREATE ROLE {quoted} {login} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT"),
    )
    .undo(format!("DROP ROLE {quoted}"))
    .verify(exists(role))
    .note("it has no password yet, so that nobody comes in by one")
}

fn connect(asked: &Asked, role: &str) -> Step {
    let database = quote_identifier(&asked.database);
    Step::new(Phase::Expand, format!("GRANT CONNECT ON DATABASE {database} TO {role}"))
        .undo(format!("REVOKE CONNECT ON DATABASE {database} FROM {role}"))
        .note("so that it stays in when CONNECT is taken from PUBLIC")
}

/// What grants on a schema: for what is there by name, and for what its owners will make.
fn use_schema(schema: &SchemaFacts, asked: &Asked, writes: bool) -> Vec<Step> {
    let (name, quoted) = (quote_identifier(&schema.name), quote_identifier(&asked.role));
    let rows = if writes { "SELECT, INSERT, UPDATE, DELETE" } else { "SELECT" };
    let mut first = Step::new(Phase::Expand, format!("GRANT USAGE ON SCHEMA {name} TO {quoted}"))
        .undo(format!("REVOKE USAGE ON SCHEMA {name} FROM {quoted}"));
    // The first step is taken back last. What was made meanwhile grants to the role, and a role that is granted something
    // cannot be dropped.
    let kinds: &[&str] = if writes { &["TABLES", "SEQUENCES"] } else { &["TABLES"] };
    for kind in kinds {
        first = first.undo(format!("REVOKE ALL ON ALL {kind} IN SCHEMA {name} FROM {quoted}"));
    }
    let mut steps = vec![first];
    if !schema.tables.is_empty() {
        let tables = schema.tables.join(", ");
        steps.push(
            Step::new(Phase::Expand, format!("GRANT {rows} ON TABLE {tables} TO {quoted}"))
                .undo(format!("REVOKE {rows} ON TABLE {tables} FROM {quoted}"))
                .lock(LockMode::AccessShare)
                .note("no TRUNCATE, REFERENCES or TRIGGER: no policy looks at them"),
        );
    }
    if !schema.views.is_empty() {
        let views = schema.views.join(", ");
        steps.push(
            Step::new(Phase::Expand, format!("GRANT SELECT ON TABLE {views} TO {quoted}"))
                .undo(format!("REVOKE SELECT ON TABLE {views} FROM {quoted}"))
                .note("views that are there are read; one that is written into is granted by hand"),
        );
    }
    if writes && !schema.sequences.is_empty() {
        let sequences = schema.sequences.join(", ");
        steps.push(
            Step::new(Phase::Expand, format!("GRANT USAGE ON SEQUENCE {sequences} TO {quoted}"))
                .undo(format!("REVOKE USAGE ON SEQUENCE {sequences} FROM {quoted}"))
                .note("nextval and currval; no setval"),
        );
    }
    for owner in schema.owners.iter().filter(|_| asked.later) {
        let alter = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {name}", quote_identifier(owner));
        let mut step = Step::new(Phase::Expand, format!("{alter} GRANT {rows} ON TABLES TO {quoted}"))
            .note("what this role makes there later, views and partitions among it");
        step = step.undo(format!("{alter} REVOKE {rows} ON TABLES FROM {quoted}"));
        if writes {
            step = step
                .and(format!("{alter} GRANT USAGE ON SEQUENCES TO {quoted}"))
                .undo(format!("{alter} REVOKE USAGE ON SEQUENCES FROM {quoted}"));
        }
        steps.push(step);
    }
    steps
}

/// What keeps an analyst's mistakes small.
fn read_only(role: &str) -> Step {
    let quoted = quote_identifier(role);
    let settings = [
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "5min"),
        ("idle_in_transaction_session_timeout", "1min"),
    ];
    let mut step =
        Step::new(Phase::Expand, format!("ALTER ROLE {quoted} SET {} = '{}'", settings[0].0, settings[0].1));
    for (name, value) in &settings[1..] {
        step = step.and(format!("ALTER ROLE {quoted} SET {name} = '{value}'"));
    }
    for (name, _) in settings {
        step = step.undo(format!("ALTER ROLE {quoted} RESET {name}"));
    }
    step.note("what a role sets for itself it may set otherwise: these are against mistakes, the privileges against intent")
}

fn migrator(asked: &Asked, role: &str) -> Vec<Step> {
    let Some(owner) = &asked.owner else { return Vec::new() };
    let quoted = quote_identifier(&owner.name);
    let mut steps = Vec::new();
    if !owner.exists {
        let mut step = create(&owner.name, false).note("nobody logs in as the role that owns");
        // What it owns by then stays, and is whose who takes the plan back.
        step.undo = vec![format!("REASSIGN OWNED BY {quoted} TO CURRENT_USER;\nDROP ROLE {quoted}")];
        steps.push(step);
    }
    for schema in &asked.schemas {
        let name = quote_identifier(&schema.name);
        let missing: Vec<&str> = ["USAGE", "CREATE"]
            .into_iter()
            .filter(|privilege| !(owner.exists && schema.owner_has.contains(privilege)))
            .collect();
        // What it has already is not granted again: the way back would take it away.
        if missing.is_empty() {
            continue;
        }
        let missing = missing.join(", ");
        steps.push(
            Step::new(Phase::Expand, format!("GRANT {missing} ON SCHEMA {name} TO {quoted}"))
                .undo(format!("REVOKE {missing} ON SCHEMA {name} FROM {quoted}")),
        );
    }
    // Without inheriting, nothing happens by mistake; what it makes belongs to the owner, whoever deploys.
    let grant = if asked.version >= 160_000 {
        format!("GRANT {quoted} TO {role} WITH INHERIT FALSE, SET TRUE")
    } else {
        format!("GRANT {quoted} TO {role}")
    };
    let mut step = Step::new(Phase::Expand, grant).undo(format!("REVOKE {quoted} FROM {role}"));
    let database = quote_identifier(&asked.database);
    for (name, value) in [("role", &*owner.name), ("lock_timeout", "5s")] {
        step = step
            .and(format!("ALTER ROLE {role} IN DATABASE {database} SET {name} = {}", quote_literal(value)))
            .undo(format!("ALTER ROLE {role} IN DATABASE {database} RESET {name}"));
    }
    steps.push(step.note(
        "each session of it acts as the owner from its first statement, so that what it makes is the owner's",
    ));
    steps
}

fn monitor(asked: &Asked, role: &str) -> Vec<Step> {
    let mut steps = vec![
        Step::new(Phase::Expand, format!("GRANT pg_monitor TO {role}"))
            .undo(format!("REVOKE pg_monitor FROM {role}"))
            .note("all statistics, settings and queries; no row of any table"),
    ];
    if asked.has_dbm {
        steps.push(
            Step::new(Phase::Expand, format!("GRANT USAGE ON SCHEMA dbm TO {role}"))
                .undo(format!("REVOKE USAGE ON SCHEMA dbm FROM {role}"))
                .note("what dbmastery's reading functions need beside pg_monitor"),
        );
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn asked(kind: Kind) -> Asked {
        Asked {
            kind,
            role: "App 1".into(),
            schemas: vec![SchemaFacts {
                name: "shop".into(),
                tables: vec!["shop.orders".into(), "shop.\"Lines\"".into()],
                views: vec!["shop.totals".into()],
                sequences: vec!["shop.orders_id_seq".into()],
                owners: vec!["shop_owner".into()],
                ..SchemaFacts::default()
            }],
            database: "shop".into(),
            logs_in: true,
            later: true,
            owner: None,
            has_dbm: true,
            version: 160_000,
        }
    }

    fn sql(asked: &Asked) -> Vec<String> {
        plan(asked).steps.into_iter().flat_map(|step| step.sql).collect()
    }

    #[test]
    fn an_application_has_rows_and_nothing_else() {
        assert_eq!(
            sql(&asked(Kind::Application)),
            [
                "CREATE ROLE \"App 1\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT",
                "GRANT CONNECT ON DATABASE shop TO \"App 1\"",
                "GRANT USAGE ON SCHEMA shop TO \"App 1\"",
                "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE shop.orders, shop.\"Lines\" TO \"App 1\"",
                "GRANT SELECT ON TABLE shop.totals TO \"App 1\"",
                "GRANT USAGE ON SEQUENCE shop.orders_id_seq TO \"App 1\"",
                "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA shop GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO \"App 1\"",
                "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA shop GRANT USAGE ON SEQUENCES TO \"App 1\"",
            ]
        );
    }

    #[test]
    fn a_reader_writes_nothing_and_a_watcher_sees_no_row() {
        for kind in [Kind::ReadOnly, Kind::Monitor] {
            let all = sql(&asked(kind)).join("\n");
            assert!(!all.contains("INSERT") && !all.contains("SEQUENCE"), "{all}");
        }
        assert!(!sql(&asked(Kind::Monitor)).join("\n").contains("shop.orders"));
    }

    #[test]
    fn a_migrator_acts_as_an_owner_that_nobody_logs_in_as() {
        let mut asked = asked(Kind::Migrator);
        asked.owner = Some(OwnerFacts { name: "shop_owner".into(), exists: false, ..OwnerFacts::default() });
        let all = sql(&asked);
        assert!(all.iter().any(|sql| sql.starts_with("CREATE ROLE shop_owner NOLOGIN")));
        assert!(all.contains(&"GRANT shop_owner TO \"App 1\" WITH INHERIT FALSE, SET TRUE".to_owned()));
        asked.version = 150_000;
        assert!(sql(&asked).contains(&"GRANT shop_owner TO \"App 1\"".to_owned()));
    }

    #[test]
    fn the_way_back_takes_nothing_that_was_there_and_everything_that_came() {
        let undo = |asked: &Asked| {
            plan(asked).steps.into_iter().flat_map(|step| step.undo).collect::<Vec<_>>().join("\n")
        };
        let mut asked = asked(Kind::Migrator);
        asked.owner = Some(OwnerFacts { name: "shop_owner".into(), exists: true, ..OwnerFacts::default() });
        assert!(undo(&asked).contains("REVOKE USAGE, CREATE ON SCHEMA shop FROM shop_owner"));
        asked.schemas[0].owner_has = vec!["USAGE"];
        assert!(undo(&asked).contains("REVOKE CREATE ON SCHEMA shop FROM shop_owner"));
        asked.schemas[0].owner_has = vec!["USAGE", "CREATE"];
        assert!(!undo(&asked).contains("ON SCHEMA"), "{}", undo(&asked));
        asked.owner = Some(OwnerFacts { name: "new_owner".into(), exists: false, ..OwnerFacts::default() });
        assert!(undo(&asked).contains("REASSIGN OWNED BY new_owner TO CURRENT_USER;\nDROP ROLE new_owner"));
        asked.kind = Kind::Application;
        assert!(undo(&asked).contains(
            "REVOKE ALL ON ALL TABLES IN SCHEMA shop FROM \"App 1\"\nREVOKE ALL ON ALL SEQUENCES IN SCHEMA shop FROM \"App 1\""
        ));
    }

    #[test]
    fn every_step_has_a_way_back() {
        for kind in Kind::ALL {
            let mut asked = asked(kind);
            asked.owner =
                Some(OwnerFacts { name: "shop_owner".into(), exists: true, ..OwnerFacts::default() });
            for step in plan(&asked).steps {
                assert!(!step.undo.is_empty(), "{:?}", step.sql);
            }
        }
    }
}
