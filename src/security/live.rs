//! Reviews and role plans on the running server.

use pgrx::PgSqlErrorCode;
use pgrx::datum::DatumWithOid;

use super::review::{Access, Holder, access_review, who_can};
use super::role_plan::{Asked, Kind, OwnerFacts, SchemaFacts, plan};
use super::rules::words::rights;
use super::target::{parse, privileges};
use crate::catalog::security::{ObjectKind, Protected, ProtectedColumn, privilege};
use crate::catalog::{Oid, Role, Snapshot};
use crate::pg::error::raise;
use crate::pg::local_settings::with_empty_search_path;
use crate::pg::security::{objects, roles};
use crate::pg::value::Text;
use crate::pg::{facts, query, run};
use crate::text::quote_identifier;

fn role_of<'a>(snapshot: &'a Snapshot, name: &str) -> &'a Role {
    match snapshot.roles.iter().find(|role| *role.name == *name) {
        Some(role) => role,
        None => raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            &format!("role {} does not exist", quote_identifier(name)),
            "",
            "\\du shows the roles of the cluster. A name is given as it is, without quotes around it.",
        ),
    }
}

/// What a role may do in this database.
pub fn review(role: &str) -> Vec<Access> {
    let snapshot = roles();
    let role = role_of(&snapshot, role);
    let objects = objects::read(&ObjectKind::ALL, false, &|_, _| true);
    access_review(&rights(&snapshot), role, &snapshot.memberships, &objects, &facts::stop_if_cancelled)
}

/// Who may do something with an object.
pub fn holders(target: &str, wanted: Option<&str>) -> Vec<Holder> {
    let snapshot = roles();
    let (kind, name) = parse(target);
    let (object, column) = resolve(kind, name);
    let kind = if column.is_some() { ObjectKind::Column } else { object.kind };
    let wanted = match privileges(wanted, kind, snapshot.server.version) {
        Ok(wanted) => wanted,
        Err(word) => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("a {} has no privilege \"{word}\"", kind.name()),
            &format!("It has: {}.", privilege::names(kind.privileges(snapshot.server.version))),
            "Several are divided by commas; null is all of them.",
        ),
    };
    who_can(&rights(&snapshot), &snapshot.roles, &object, column.as_ref(), wanted, &facts::stop_if_cancelled)
}

fn unknown(kind: ObjectKind, name: &str) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
        &format!("{} {name} does not exist", kind.name()),
        "",
        "Put the kind before the name where it is no table: 'schema shop', 'function shop.f(integer)', 'column shop.orders.id', \
         'database shop', 'parameter log_statement'.",
    )
}

fn number(sql: &str, name: &str) -> Option<Oid> {
    let found = query::rows(sql, &[Text::from(name).into()], |row| row.get::<i64>(1));
    found.into_iter().flatten().next().and_then(|oid| Oid::try_from(oid).ok())
}

fn one(kind: ObjectKind, name: &str, kinds: &[ObjectKind], oid: Oid) -> Protected {
    match objects::read(kinds, true, &|_, other| other == oid).into_iter().next() {
        Some(object) => object,
        None => unknown(kind, name),
    }
}

/// The object of that name, with the column where one is meant. Names are looked up as the session does.
fn resolve(kind: ObjectKind, name: &str) -> (Protected, Option<ProtectedColumn>) {
    let relation =
        |name: &str| number("SELECT pg_catalog.to_regclass($1)::pg_catalog.oid::pg_catalog.int8", name);
    let by_number = |found: Option<Oid>, kinds: &[ObjectKind]| match found {
        Some(oid) => one(kind, name, kinds, oid),
        None => unknown(kind, name),
    };
    let object = match kind {
        ObjectKind::Column => return column(name),
        ObjectKind::Table | ObjectKind::Sequence => {
            by_number(relation(name), &[ObjectKind::Table, ObjectKind::Sequence])
        }
        ObjectKind::Function => {
            let sql = if name.contains('(') {
                "SELECT pg_catalog.to_regprocedure($1)::pg_catalog.oid::pg_catalog.int8"
            } else {
                "SELECT pg_catalog.to_regproc($1)::pg_catalog.oid::pg_catalog.int8"
            };
            by_number(number(sql, name), &[kind])
        }
        ObjectKind::Schema => by_number(
            number("SELECT pg_catalog.to_regnamespace($1)::pg_catalog.oid::pg_catalog.int8", name),
            &[kind],
        ),
        ObjectKind::Type => by_number(
            number("SELECT pg_catalog.to_regtype($1)::pg_catalog.oid::pg_catalog.int8", name),
            &[kind],
        ),
        ObjectKind::Parameter => parameter(name),
        _ => {
            let quoted = quote_identifier(name);
            let found = objects::read(&[kind], true, &|_, _| true);
            match found.into_iter().find(|object| *object.name == *name || *object.name == *quoted) {
                Some(object) => object,
                None => unknown(kind, name),
            }
        }
    };
    (object, None)
}

/// A setting that nobody was granted has no row of its own.
fn parameter(name: &str) -> Protected {
    let lower = name.to_ascii_lowercase();
    let known = query::rows(
        "SELECT true FROM pg_catalog.pg_settings s WHERE pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) $1",
        &[Text::from(&*lower).into()],
        |row| row.get::<bool>(1),
    );
    let granted = objects::read(&[ObjectKind::Parameter], true, &|_, _| true);
    match granted.into_iter().find(|object| *object.name == *lower) {
        Some(object) => object,
        None if known.is_empty() => unknown(ObjectKind::Parameter, name),
        None => Protected {
            kind: ObjectKind::Parameter,
            name: lower.into(),
            owner: crate::pg::security::BOOTSTRAP,
            acl: Some(Box::default()),
            ..Protected::default()
        },
    }
}

/// `schema.table.column` or `table.column`.
fn column(name: &str) -> (Protected, Option<ProtectedColumn>) {
    let parts = query::rows("SELECT pg_catalog.parse_ident($1)", &[Text::from(name).into()], |row| {
        row.get::<Vec<Option<Text>>>(1)
    });
    let mut parts: Vec<String> =
        parts.into_iter().flatten().flatten().flatten().map(Text::into_string).collect();
    let Some(last) = parts.pop().filter(|_| !parts.is_empty()) else { unknown(ObjectKind::Column, name) };
    let table: Vec<String> = parts.iter().map(|part| quote_identifier(part)).collect();
    let (table, _) = resolve(ObjectKind::Table, &table.join("."));
    let quoted = quote_identifier(&last);
    let exists = query::rows(
        "SELECT true FROM pg_catalog.pg_attribute a WHERE a.attrelid::pg_catalog.int8 OPERATOR(pg_catalog.=) $1 AND NOT a.attisdropped
            AND a.attname OPERATOR(pg_catalog.=) $2::pg_catalog.name",
        &[i64::from(table.oid).into(), Text::from(&*last).into()],
        |row| row.get::<bool>(1),
    );
    if exists.is_empty() {
        unknown(ObjectKind::Column, name);
    }
    let own = table.columns.iter().find(|column| *column.name == *quoted).cloned();
    let column = own.unwrap_or_else(|| ProtectedColumn { name: quoted.into(), ..ProtectedColumn::default() });
    (table, Some(column))
}

/// What `dbm.role_plan()` was given.
pub struct Request {
    /// What the role is for.
    pub kind: String,
    /// Its name.
    pub role: String,
    /// The schemas, or all that are the users'.
    pub schemas: Option<Vec<String>>,
    /// Whether it logs in.
    pub logs_in: bool,
    /// For a migrator, the role that owns.
    pub owner: Option<String>,
}

const SCHEMAS: &str = "SELECT n.nspname::pg_catalog.text, pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text
     FROM pg_catalog.pg_namespace n
     WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'dbm', 'dbm_trail')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                       WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.objid = n.oid AND d.deptype = 'e')
     ORDER BY n.nspname";

const RELATIONS: &str = "SELECT c.relkind::pg_catalog.text, pg_catalog.format('%I.%I', n.nspname, c.relname),
            pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT c.relispartition
       AND c.relpersistence <> 't'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                       WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                         AND (d.deptype = 'e' OR (c.relkind = 'S' AND d.deptype = 'i')))
     ORDER BY 2";

/// Makes the plan and returns its number.
pub fn role_plan(request: Request) -> i64 {
    let Some(kind) = Kind::parse(&request.kind) else {
        let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("there is no kind of role \"{}\"", request.kind),
            &format!("There are: {}.", kinds.join(", ")),
            "For example: SELECT dbm.role_plan('application', 'shop_app', '{shop}').",
        )
    };
    let snapshot = roles();
    refuse_name(&snapshot, &request.role);
    let schemas = with_empty_search_path(|| schemas(request.schemas.as_deref(), kind));
    let owner = (kind == Kind::Migrator).then(|| owner(&snapshot, &request, &schemas));
    let mut schemas = schemas;
    if let Some(owner) = owner.as_ref().filter(|owner| owner.exists) {
        for schema in &mut schemas {
            schema.owner_has = with_empty_search_path(|| held_on_schema(&owner.name, &schema.name));
        }
    }
    let has_dbm = kind == Kind::Monitor;
    let asked = Asked {
        kind,
        role: request.role,
        schemas,
        database: query::rows("SELECT pg_catalog.current_database()::pg_catalog.text", &[], |row| {
            row.get::<Text>(1)
        })
        .into_iter()
        .flatten()
        .next()
        .map(Text::into_string)
        .unwrap_or_default(),
        logs_in: request.logs_in,
        owner,
        has_dbm,
        version: snapshot.server.version,
    };
    run::store(&plan(&asked))
}

/// What a role has of USAGE and CREATE on a schema, by whatever way.
fn held_on_schema(role: &str, schema: &str) -> Vec<&'static str> {
    ["USAGE", "CREATE"]
        .into_iter()
        .filter(|&privilege| {
            query::rows(
                "SELECT pg_catalog.has_schema_privilege($1::pg_catalog.name, $2, $3)",
                &[Text::from(role).into(), Text::from(schema).into(), Text::from(privilege).into()],
                |row| row.get::<bool>(1),
            )
            .into_iter()
            .flatten()
            .any(|has| has)
        })
        .collect()
}

fn refuse_name(snapshot: &Snapshot, role: &str) {
    let quoted = quote_identifier(role);
    if snapshot.roles.iter().any(|other| *other.name == *role) {
        raise(
            PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT,
            &format!("role {quoted} exists already"),
            "What it may do already would stay beside the least that it needs.",
            &format!(
                "Choose another name and have the logins change over. SELECT * FROM dbm.access_review('{role}') shows what it may do."
            ),
        );
    }
    let is_reserved = role.starts_with("pg_") || matches!(role, "public" | "none" | "");
    if is_reserved || role.len() > crate::text::identifier::MAXIMUM_BYTES {
        raise(
            PgSqlErrorCode::ERRCODE_RESERVED_NAME,
            &format!("role name \"{role}\" cannot be used"),
            "Names are 1 to 63 bytes long; those that begin with pg_, public and none are the server's own.",
            "",
        );
    }
}

fn schemas(wanted: Option<&[String]>, kind: Kind) -> Vec<SchemaFacts> {
    if kind == Kind::Monitor {
        return Vec::new();
    }
    let text = |text: Option<Text>| text.map(Text::into_string).unwrap_or_default();
    let all = query::rows(SCHEMAS, &[], |row| Ok((text(row.get(1)?), text(row.get(2)?))));
    if let Some(missing) =
        wanted.unwrap_or_default().iter().find(|name| !all.iter().any(|(own, _)| own == *name))
    {
        let names: Vec<String> = all.iter().map(|(name, _)| quote_identifier(name)).collect();
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME,
            &format!("schema \"{missing}\" does not exist, or is not the users' own"),
            &format!("There are: {}.", names.join(", ")),
            "",
        );
    }
    let wanted_ones = all.into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted.contains(name)));
    wanted_ones.map(|(name, owner)| contents(name, owner)).collect()
}

fn contents(name: String, owner: String) -> SchemaFacts {
    let text = |text: Option<Text>| text.map(Text::into_string).unwrap_or_default();
    let argument: DatumWithOid<'_> = Text::from(&*name).into();
    let relations = query::rows(RELATIONS, &[argument], |row| {
        Ok((text(row.get(1)?), text(row.get(2)?), text(row.get(3)?)))
    });
    // public belongs to a role in which nobody makes anything.
    let mut facts = SchemaFacts { name, ..SchemaFacts::default() };
    if owner != "pg_database_owner" {
        facts.owners.push(owner);
    }
    for (kind, relation, owner) in relations {
        match &*kind {
            "S" => facts.sequences.push(relation),
            "v" | "m" => facts.views.push(relation),
            _ => facts.tables.push(relation),
        }
        facts.owners.push(owner);
    }
    facts.owners.sort();
    facts.owners.dedup();
    facts
}

/// The role that owns what a migrator makes: as asked for, the one that owns already and does not log in, or a new one.
fn owner(snapshot: &Snapshot, request: &Request, schemas: &[SchemaFacts]) -> OwnerFacts {
    let existing = |name: &str| snapshot.roles.iter().find(|role| *role.name == *name);
    let name = request.owner.clone().or_else(|| {
        let mut owners: Vec<&String> = schemas.iter().flat_map(|schema| &schema.owners).collect();
        owners.sort();
        owners.dedup();
        match owners.as_slice() {
            [one] if existing(one).is_some_and(|role| !role.logs_in && !role.is_superuser) => {
                Some((*one).clone())
            }
            _ => None,
        }
    });
    let name = name.unwrap_or_else(|| {
        crate::text::identifier::unused_name(&[&request.role, "owner"], |name| existing(name).is_some())
    });
    let found = existing(&name);
    if found.is_some_and(|role| role.is_superuser) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!(
                "role {} is a superuser: a migrator that acts as it could do anything",
                quote_identifier(&name)
            ),
            "",
            "Give another one as owner, or none for a new one.",
        );
    }
    OwnerFacts { exists: found.is_some(), name }
}
