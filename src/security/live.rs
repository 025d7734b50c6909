//! Reviews on the running server.

use pgrx::PgSqlErrorCode;
use rustc_hash::FxHashMap;

use super::review::{Access, Holder, access_review, who_can};
use super::rules::words::rights;
use super::target::{parse, privileges};
use crate::catalog::security::{ObjectKind, Protected, ProtectedColumn, privilege};
use crate::catalog::{Oid, Role, Snapshot};
use crate::pg::error::raise;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::security::{objects, roles};
use crate::pg::value::Text;
use crate::pg::{facts, query};
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
    access_review(&rights(&snapshot), role, &schemas_of_objects(), &objects, &facts::stop_if_cancelled)
}

/// Every schema by its OID. Of temporary ones it is not asked who may look into them: each session into its own.
fn schemas_of_objects() -> FxHashMap<Oid, Protected> {
    let schemas = objects::read(&[ObjectKind::Schema], true, &|_, _| true).into_iter();
    schemas.filter(|schema| !schema.name.starts_with("pg_temp_")).map(|schema| (schema.oid, schema)).collect()
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
    let (rights, schemas) = (rights(&snapshot), schemas_of_objects());
    who_can(&rights, &snapshot.roles, &schemas, &object, column.as_ref(), wanted, &facts::stop_if_cancelled)
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
            let found = number(sql, name);
            if found.is_none() {
                refuse_several(name);
            }
            by_number(found, &[kind])
        }
        ObjectKind::Schema => by_number(
            number("SELECT pg_catalog.to_regnamespace($1)::pg_catalog.oid::pg_catalog.int8", name),
            &[kind],
        ),
        ObjectKind::Type => {
            let found = number("SELECT pg_catalog.to_regtype($1)::pg_catalog.oid::pg_catalog.int8", name);
            by_number(found.map(granted_for), &[kind])
        }
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

/// The type whose privileges are those of a type: an array's elements and, from 17 on, a multirange's range.
fn granted_for(found: Oid) -> Oid {
    let sql = "SELECT COALESCE(r.rngtypid, e.oid)::pg_catalog.int8
         FROM (SELECT CASE WHEN t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc THEN t.typelem ELSE t.oid END AS oid
               FROM pg_catalog.pg_type t WHERE t.oid::pg_catalog.int8 = $1) e
         LEFT JOIN pg_catalog.pg_range r
           ON r.rngmultitypid = e.oid AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 170000";
    let resolved = with_pinned_search_path(|| {
        query::rows(sql, &[i64::from(found).into()], |row| row.get::<i64>(1)).into_iter().flatten().next()
    });
    resolved.and_then(|oid| Oid::try_from(oid).ok()).unwrap_or(found)
}

/// Refuses the name that several functions have.
fn refuse_several(name: &str) {
    let signatures = query::rows(
        "SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text
         FROM (SELECT pg_catalog.parse_ident($1) AS parts) n, pg_catalog.pg_proc p
         WHERE p.proname OPERATOR(pg_catalog.=) n.parts[pg_catalog.cardinality(n.parts)]::pg_catalog.name
           AND CASE WHEN pg_catalog.cardinality(n.parts) OPERATOR(pg_catalog.=) 1 THEN pg_catalog.pg_function_is_visible(p.oid)
                    ELSE p.pronamespace OPERATOR(pg_catalog.=)
                         pg_catalog.to_regnamespace(pg_catalog.quote_ident(n.parts[pg_catalog.cardinality(n.parts) OPERATOR(pg_catalog.-) 1]))::pg_catalog.oid END
         ORDER BY 1",
        &[Text::from(name).into()],
        |row| row.get::<Text>(1),
    );
    let signatures: Vec<String> = signatures.into_iter().flatten().map(Text::into_string).collect();
    if let [first, _, ..] = signatures.as_slice() {
        raise(
            PgSqlErrorCode::ERRCODE_AMBIGUOUS_FUNCTION,
            &format!("there are {} functions {name}", signatures.len()),
            &format!("They are: {}.", signatures.join("; ")),
            &format!("Say which one: 'function {first}'."),
        );
    }
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
