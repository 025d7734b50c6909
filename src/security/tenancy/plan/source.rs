//! Whose the rows are that are there: given by an expression, or by the row to which a foreign key points.

use super::refusals::{Kind, Refused};
use crate::catalog::Oid;
use crate::security::tenancy::facts::{ForeignKey, Table};
use crate::text::{quote_identifier, quote_literal};

/// What the caller says of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// An expression over the columns of the row.
    Expression(String),
    /// The name of a foreign key.
    Via(String),
}

/// How the tenant of a row is found.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The column is there and filled.
    There,
    /// By an expression over the columns of the row.
    Expression(String),
    /// It is that of the row to which this foreign key points.
    Parent(ForeignKey),
}

/// A table with its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The table.
    pub table: Table,
    /// How the tenant of its rows is found.
    pub source: Source,
}

/// The tables with their sources, each after the one from which its tenants come.
pub fn targets(
    tables: Vec<Table>,
    column: &str,
    given: impl Fn(Oid) -> Option<Given>,
) -> Result<Vec<Target>, Refused> {
    let mut known: Vec<Target> = Vec::new();
    let mut open: Vec<Table> = Vec::new();
    for table in tables {
        match given(table.oid) {
            Some(Given::Expression(expression)) => {
                known.push(Target { table, source: Source::Expression(expression) });
            }
            Some(Given::Via(name)) if !table.foreign_keys.iter().any(|key| key.name == name) => {
                return Err(Refused::new(
                    Kind::Missing,
                    format!("{} has no foreign key {}", table.qualified(), quote_identifier(&name)),
                    "",
                ));
            }
            Some(Given::Via(_)) => open.push(table),
            None if table.column(column).is_some() => known.push(Target { table, source: Source::There }),
            None => open.push(table),
        }
    }
    while !open.is_empty() {
        let next = open.iter().position(|table| parent(table, &known, &given).is_some());
        let Some(next) = next else { return Err(unknown(&open, column)) };
        let table = open.remove(next);
        let Some(key) = parent(&table, &known, &given) else { return Err(unknown(&open, column)) };
        known.push(Target { table, source: Source::Parent(key) });
    }
    Ok(known)
}

/// A foreign key to a table whose tenants are known, that every row has.
fn parent(table: &Table, known: &[Target], given: &impl Fn(Oid) -> Option<Given>) -> Option<ForeignKey> {
    let wanted = match given(table.oid) {
        Some(Given::Via(name)) => Some(name),
        _ => None,
    };
    table
        .foreign_keys
        .iter()
        .filter(|key| wanted.as_ref().is_none_or(|name| *name == key.name))
        .filter(|key| {
            key.referenced != table.oid && known.iter().any(|target| target.table.oid == key.referenced)
        })
        .find(|key| is_of_every_row(table, key))
        .cloned()
}

/// Whether every row points somewhere.
fn is_of_every_row(table: &Table, key: &ForeignKey) -> bool {
    key.is_valid && key.columns.iter().all(|name| table.column(name).is_some_and(|column| column.is_not_null))
}

fn unknown(open: &[Table], column: &str) -> Refused {
    let names: Vec<String> = open.iter().map(Table::qualified).collect();
    let first = names.first().cloned().unwrap_or_default();
    Refused::new(
        Kind::Prerequisite,
        format!("whose the rows of {} are is not known", names.join(", ")),
        format!(
            "Say it: source => jsonb_build_object({}, 'expression over its columns').",
            quote_literal(&first)
        ),
    )
    .detail(format!(
        "They have no column {}, and no validated foreign key to another of the tables whose columns are all NOT NULL.",
        quote_identifier(column)
    ))
}
