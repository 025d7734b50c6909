//! Foreign keys as they are tried: a row of ours that points to one of another tenant.

#[cfg(feature = "postgres")]
pub mod live;

use super::probe::{Pair, Probe, Reading, one_row};
use crate::security::tenancy::facts::Table;
use crate::text::quote_literal;

/// A row of a foreign key: what is written into the columns that point somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointing {
    /// The foreign key's name, as it is.
    pub key: String,
    /// Columns and values of a row that points to another tenant's.
    pub row: (String, String),
    /// What makes a row that is there do so: `order_id = '5'::bigint`, between commas.
    pub set: String,
}

/// Rows that point to those of another tenant: one that is made up, and one that is there, where that one cannot be written.
pub fn pointing_to_others(table: &Table, tenant_column: &str, pair: &Pair, to: &Pointing) -> [Probe; 2] {
    let name = table.qualified();
    let type_name = table.column(tenant_column).map_or("text", |column| &column.type_name);
    let own = format!("{}::{type_name}", quote_literal(&pair.own));
    let (columns, values) = &to.row;
    let probe = |sql: String| Probe {
        check: "foreign_key",
        tenant: pair.own.clone(),
        is_open: false,
        sql,
        then: None,
        around: None,
        reading: Reading::Constrained("writes a row that points to one of another tenant", to.key.clone()),
    };
    [
        probe(format!(
            "INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values}) RETURNING 'row'::pg_catalog.text"
        )),
        probe(format!(
            "UPDATE {name} AS x SET {} WHERE {} RETURNING 'row'::pg_catalog.text",
            to.set,
            one_row(table, tenant_column, &own)
        )),
    ]
}
