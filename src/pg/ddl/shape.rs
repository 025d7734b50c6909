//! What stands around a change, asked of the catalogs with the caller's rights: the facts that a plan needs.
//!
//! Deparsing takes ACCESS SHARE on the tables: plans are made when somebody has time, unlike the judge's verdicts.

use pgrx::datum::DatumWithOid;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::Oid;
use crate::catalog::ddl::{
    Alteration, DomainShape, EnumShape, Kind, Session, Statement, Surroundings, TableShape, Touched,
    VIEW_RIGHTS, ViewShape,
};
use crate::pg::error::raise;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::query::rows;
use crate::pg::search_path;
use crate::pg::value::Text;

/// A table as a JSON document, whose keys are the fields of `TableShape`.
const TABLE: &str = include_str!("shape/table.sql");
/// An enum type, likewise.
const ENUM: &str = include_str!("shape/enum.sql");
/// A domain, likewise.
const DOMAIN: &str = include_str!("shape/domain.sql");
/// The views on a column, likewise.
const VIEW: &str = include_str!("shape/view.sql");
/// Everything around a statement.
pub fn around(statement: &Statement, session: &Session) -> Surroundings {
    let search_path = search_path::of_caller();
    with_pinned_search_path(|| Surroundings {
        server_version: session.server_version,
        search_path,
        rates: session.rates,
        tables: tables(statement),
        enums: documents::<EnumShape>(ENUM, &enums(statement)),
        domains: documents::<DomainShape>(DOMAIN, &domains(statement)),
        views: views(statement),
    })
}

/// A table by its OID; `None` where it is gone.
pub fn of(oid: Oid) -> Option<TableShape> {
    with_pinned_search_path(|| table(oid))
}

fn texts(sql: &str, arguments: &[DatumWithOid<'_>]) -> Vec<String> {
    rows(sql, arguments, |row| row.get::<Text>(1)).into_iter().flatten().map(Text::into_string).collect()
}

/// What one query says of each of these names.
fn documents<T: for<'a> serde::Deserialize<'a>>(sql: &str, names: &[String]) -> Vec<T> {
    names
        .iter()
        .flat_map(|name| texts(sql, &[DatumWithOid::from(Text::from(name.as_str()))]))
        .map(|document| serde_json::from_str(&document).unwrap_or_else(|error| refuse(&error)))
        .collect()
}

fn refuse(error: &serde_json::Error) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        "the catalogs could not be read for a plan",
        &error.to_string(),
        "",
    )
}

fn tables(statement: &Statement) -> Vec<TableShape> {
    let mut wanted: Vec<Oid> = Vec::new();
    let mut want = |touched: Option<&Touched>| {
        if let Some(touched) = touched
            && !wanted.contains(&touched.oid)
        {
            wanted.push(touched.oid);
        }
    };
    for action in &statement.actions {
        want(action.target.as_ref());
        match &action.kind {
            Kind::Alter(Alteration::AttachPartition(facts)) => {
                want(facts.partition.as_ref());
                want(facts.default_partition.as_ref());
            }
            Kind::Alter(Alteration::DetachPartition { partition, .. }) => want(partition.as_ref()),
            Kind::CreateTable(facts) => want(facts.partition_of.as_ref()),
            _ => {}
        }
    }
    let mut found: Vec<TableShape> = Vec::new();
    for oid in wanted {
        let oid = table_of(oid);
        if !found.iter().any(|shape| shape.oid == oid) {
            found.extend(table(oid));
        }
    }
    found
}

/// The table of an index; everything else is itself.
fn table_of(relation: Oid) -> Oid {
    // SAFETY: a syscache look-up; 0 for what is no index.
    let table = unsafe { pg_sys::IndexGetRelation(pg_sys::Oid::from(relation), true) };
    if table == pg_sys::InvalidOid { relation } else { table.to_u32() }
}

fn table(oid: Oid) -> Option<TableShape> {
    let document = texts(TABLE, &[DatumWithOid::from(pg_sys::Oid::from(oid))]).into_iter().next()?;
    Some(TableShape::from_document(&document).unwrap_or_else(|error| refuse(&error)))
}

/// The views on the column whose type is changed.
fn views(statement: &Statement) -> Vec<ViewShape> {
    let changed = statement.actions.iter().find_map(|action| match (&action.kind, &action.target) {
        (Kind::Alter(Alteration::ColumnType(facts)), Some(target)) => Some((target.oid, &facts.column)),
        _ => None,
    });
    let Some((table, column)) = changed else { return Vec::new() };
    let arguments =
        [DatumWithOid::from(pg_sys::Oid::from(table)), DatumWithOid::from(Text::from(column.as_str()))];
    texts(&VIEW.replace("{rights}", VIEW_RIGHTS), &arguments)
        .iter()
        .map(|document| serde_json::from_str(document).unwrap_or_else(|error| refuse(&error)))
        .collect()
}

fn enums(statement: &Statement) -> Vec<String> {
    let named = statement.actions.iter().filter_map(|action| match &action.kind {
        Kind::AddEnumValue { name, .. } => Some(name.clone()),
        _ => None,
    });
    named.collect()
}

fn domains(statement: &Statement) -> Vec<String> {
    let named = statement.actions.iter().filter_map(|action| match &action.kind {
        Kind::Domain { name, .. } => Some(name.clone()),
        Kind::Alter(Alteration::AddColumn(facts)) => facts.constrained_domain.clone(),
        _ => None,
    });
    named.collect()
}
