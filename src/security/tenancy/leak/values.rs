//! Rows made for a test: a value of each type, as few columns as a row needs.

use crate::security::tenancy::facts::{Column, Table};
use crate::text::{quote_identifier, quote_literal};

/// A value of the column's type that hardly anybody has; another for each number from 1 to 9. `None` where nobody knows.
pub fn value(column: &Column, number: u8) -> Option<String> {
    let text = match &*column.base {
        "int2" => format!("{}", -30_000 - i32::from(number)),
        "int4" | "int8" | "float4" | "float8" => format!("{}", -1_000_000 - i32::from(number)),
        "numeric" => format!("-{number}"),
        "oid" | "xid" => format!("{}", 4_000_000_000_u32 + u32::from(number)),
        "money" => format!("{number}"),
        "bool" => if number % 2 == 1 { "true" } else { "false" }.to_owned(),
        "uuid" => format!("db000000-0000-4000-8000-00000000000{number}"),
        "date" | "timestamp" | "timestamptz" => format!("1900-01-0{number}"),
        "time" | "timetz" => format!("00:00:0{number}"),
        "interval" => format!("{number} seconds"),
        "bytea" => format!("\\xdb0{number}"),
        "json" | "jsonb" => format!("{{\"dbm\": {number}}}"),
        "inet" => format!("192.0.2.{number}"),
        "cidr" => format!("192.0.2.{number}/32"),
        "macaddr" => format!("02:00:00:00:00:0{number}"),
        "macaddr8" => format!("02:00:00:00:00:00:00:0{number}"),
        "point" => format!("({number},{number})"),
        "tsvector" | "tsquery" | "xml" | "ltree" => format!("dbm{number}"),
        "hstore" => format!("dbm=>{number}"),
        _ => match column.category {
            'E' => column.label.clone()?,
            'S' => characters(column.length, number),
            'A' => "{}".to_owned(),
            'R' => "empty".to_owned(),
            _ => return None,
        },
    };
    Some(text)
}

/// Whether the text can be a value of the column's type; where nobody knows, it is not tried.
pub fn may_be(column: &Column, text: &str) -> bool {
    match &*column.base {
        "int2" => text.parse::<i16>().is_ok(),
        "int4" => text.parse::<i32>().is_ok(),
        "int8" => text.parse::<i64>().is_ok(),
        "numeric" | "float4" | "float8" => text.parse::<f64>().is_ok_and(f64::is_finite),
        "uuid" => {
            text.len() == 36
                && text.char_indices().all(|(place, character)| match place {
                    8 | 13 | 18 | 23 => character == '-',
                    _ => character.is_ascii_hexdigit(),
                })
        }
        _ => {
            let length = column.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
            column.category == 'S' && text.chars().count() <= length
        }
    }
}

fn characters(length: Option<i32>, number: u8) -> String {
    let room = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
    let whole = format!("{number}-dbm-probe");
    whole.chars().take(room.max(1)).collect()
}

/// A column of a row that is made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The column.
    pub column: String,
    /// Its value.
    pub text: String,
    /// Its type.
    pub type_name: String,
}

impl Cell {
    /// The value as SQL writes it.
    pub fn literal(&self) -> String {
        format!("{}::{}", quote_literal(&self.text), self.type_name)
    }
}

/// Columns and values, each between commas.
pub fn listed(cells: &[Cell]) -> (String, String) {
    let columns: Vec<String> = cells.iter().map(|cell| quote_identifier(&cell.column)).collect();
    let values: Vec<String> = cells.iter().map(Cell::literal).collect();
    (columns.join(", "), values.join(", "))
}

/// A row for `tenant`: its columns and its values, between commas. Keys are written too, so that they are known; `key` is
/// the number of theirs.
pub fn row(table: &Table, tenant_column: &str, tenant: &str, key: u8) -> Result<(String, String), String> {
    cells(table, tenant_column, tenant, key, &[]).map(|cells| listed(&cells))
}

/// The same in parts; `given`: columns and what is in them.
pub fn cells(
    table: &Table,
    tenant_column: &str,
    tenant: &str,
    key: u8,
    given: &[(String, String)],
) -> Result<Vec<Cell>, String> {
    let mut cells = Vec::new();
    for column in &table.columns {
        if column.is_generated {
            continue;
        }
        let in_key = table.indexes.iter().any(|index| {
            index.is_unique && index.columns.as_ref().is_some_and(|columns| columns.contains(&column.name))
        });
        let text = if let Some((_, text)) = given.iter().find(|(name, _)| *name == column.name) {
            text.clone()
        } else if column.name == tenant_column {
            tenant.to_owned()
        } else if in_key || column.is_not_null && !column.has_default {
            value(column, key).ok_or_else(|| {
                format!(
                    "no row can be made up: nobody knows a value of type {} for {}",
                    column.type_name,
                    quote_identifier(&column.name)
                )
            })?
        } else {
            continue;
        };
        cells.push(Cell { column: column.name.clone(), text, type_name: column.type_name.clone() });
    }
    Ok(cells)
}
