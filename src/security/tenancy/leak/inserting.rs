//! Tries that write a row: for another tenant, or with the keys of one that is another's.

use super::policy::constants;
use super::probe::{Pair, Probe, Reading, equality, foreign};
use super::values::{Cell, cells, listed, may_be, row};
use crate::security::tenancy::facts::Table;
use crate::text::{quote_identifier, quote_literal};

/// A row that is written for another tenant. `has_rows`: whether there may be rows of that one already.
pub fn inserting(table: &Table, tenant_column: &str, me: &str, other: &str, has_rows: bool) -> Option<Probe> {
    let cells = cells(table, tenant_column, other, 3, &[]).ok()?;
    let (columns, values) = listed(&cells);
    let type_name = &table.column(tenant_column)?.type_name;
    let (name, column, equals) =
        (table.qualified(), quote_identifier(tenant_column), equality(table, tenant_column));
    // Known by the tenant alone where he has no other rows: a trigger may have changed all else.
    let made_up = cells.iter().filter(|cell| has_rows && cell.column != tenant_column);
    let told_apart: String = made_up
        .map(|cell| {
            format!(
                " AND x.{}::pg_catalog.text OPERATOR(pg_catalog.=) ({})::pg_catalog.text",
                quote_identifier(&cell.column),
                cell.literal()
            )
        })
        .collect();
    // Of few values another row has the same.
    let is_telling = |cell: &Cell| {
        table
            .column(&cell.column)
            .is_some_and(|column| column.base != "bool" && !matches!(column.category, 'E' | 'A' | 'R'))
    };
    if has_rows && !cells.iter().any(|cell| cell.column != tenant_column && is_telling(cell)) {
        return None;
    }
    // Not RETURNING, which would ask whether the row may be read. A trigger may have given it another tenant.
    let there = format!(
        "SELECT (EXISTS (SELECT FROM {name} AS x WHERE x.{column} {equals} {}::{type_name}{told_apart}))::pg_catalog.text",
        quote_literal(other)
    );
    Some(Probe {
        check: "insert",
        tenant: me.to_owned(),
        is_open: false,
        sql: format!("INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})"),
        then: Some(there),
        around: None,
        reading: Reading::NotTrue("writes a row for another tenant"),
    })
}

/// What policies name may be a tenant who is let through, or for whom others are: what only he can do, and what can be done to
/// him alone.
pub fn of_constants(table: &Table, tenant_column: &str, pair: &Pair) -> Vec<Probe> {
    let Some(column) = table.column(tenant_column) else { return Vec::new() };
    let name = table.qualified();
    let mut probes = Vec::new();
    for tenant in constants(table, |constant| may_be(column, constant)) {
        let me = if tenant == pair.own { &pair.other } else { &pair.own };
        probes.extend(inserting(table, tenant_column, me, &tenant, true));
        probes.push(Probe {
            check: "read",
            tenant: tenant.clone(),
            is_open: false,
            sql: foreign(table, tenant_column, &tenant, &name),
            then: None,
            around: None,
            reading: Reading::NotTrue("reads rows of other tenants as the tenant that a policy names"),
        });
    }
    probes
}

/// A row of ours with the keys of one that another tenant has.
pub fn of_keys(table: &Table, tenant_column: &str, pair: &Pair, name: &str, column: &str) -> Vec<Probe> {
    let Ok((columns, values)) = row(table, tenant_column, &pair.own, 2) else { return Vec::new() };
    let insert = format!("INSERT INTO {name} AS x ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})");
    let mut probes = vec![Probe {
        check: "unique",
        tenant: pair.own.clone(),
        is_open: false,
        sql: format!("{insert} RETURNING 'row'::pg_catalog.text"),
        then: None,
        around: None,
        reading: Reading::NotDuplicate("is told by a duplicate that another tenant has the value"),
    }];
    for index in table.indexes.iter().filter(|index| {
        index.is_unique && index.tells() && index.is_valid && !index.is_partial && !index.is_deferrable
    }) {
        let Some(keys) = &index.columns else { continue };
        let keys: Vec<String> = keys.iter().map(|key| quote_identifier(key)).collect();
        probes.push(Probe {
            check: "on_conflict",
            tenant: pair.own.clone(),
            is_open: false,
            sql: format!(
                "{insert} ON CONFLICT ({}) DO UPDATE SET {column} = EXCLUDED.{column} RETURNING (x.xmax OPERATOR(pg_catalog.<>) '0'::pg_catalog.xid)::pg_catalog.text",
                keys.join(", ")
            ),
            then: None,
            around: None,
            reading: Reading::NotTrue("takes over a row of another tenant by ON CONFLICT"),
        });
    }
    probes
}
