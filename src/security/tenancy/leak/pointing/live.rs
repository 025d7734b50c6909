//! Rows to point to: for each foreign key one of another tenant, which a row of ours must not be able to reach.

use crate::catalog::Oid;
use crate::pg::surroundings::surroundings;
use crate::pg::tenancy::{self, As};
use crate::security::tenancy::facts::{ForeignKey, Table};
use crate::security::tenancy::leak::pointing::Pointing;
use crate::security::tenancy::leak::probe::{Pair, equality};
use crate::security::tenancy::leak::values::{Cell, cells, listed};
use crate::text::{quote_identifier, quote_literal};

/// Numbers of the values in rows that are made up here; those of the rows of the table itself are smaller.
const OTHERS: u8 = 4;
const CHILD: u8 = 5;
const OWN: u8 = 6;

/// The foreign keys to tables with tenants, each with a row by which it can be tried, or why there is none.
pub fn pointing(table: &Table, tenant_column: &str, pair: &Pair) -> Vec<Result<Pointing, String>> {
    table
        .foreign_keys
        .iter()
        .filter(|key| key.referenced_has_tenant)
        .map(|key| {
            along(table, tenant_column, pair, key).map_err(|why| {
                format!("foreign key {} could not be tried: {why}", quote_identifier(&key.name))
            })
        })
        .collect()
}

fn along(table: &Table, tenant_column: &str, pair: &Pair, key: &ForeignKey) -> Result<Pointing, String> {
    let target = Target { table, tenant_column, key };
    let mut given: Vec<(String, String)> = target
        .row(&pair.other, Some(&pair.own), OTHERS)?
        .into_iter()
        .filter(|(column, _)| column != tenant_column)
        .collect();
    let set: Vec<String> = given
        .iter()
        .filter_map(|(name, text)| {
            let type_name = &table.column(name)?.type_name;
            Some(format!("{} = {}::{type_name}", quote_identifier(name), quote_literal(text)))
        })
        .collect();
    if set.is_empty() {
        return Err("it has no column but the tenant".to_owned());
    }
    // The other foreign keys point to rows that are there, so that it is this one that refuses.
    let made = cells(table, tenant_column, &pair.own, CHILD, &given)?;
    for other in table.foreign_keys.iter().filter(|other| other.name != key.name) {
        let is_checked = other.columns.iter().all(|name| made.iter().any(|cell| cell.column == *name));
        let is_free = |name: &String| name != tenant_column && given.iter().all(|(known, _)| known != name);
        if is_checked {
            let row = Target { key: other, ..target }.row(&pair.own, None, OWN)?;
            let more: Vec<_> = row.into_iter().filter(|(name, _)| is_free(name)).collect();
            given.extend(more);
        }
    }
    let row = listed(&cells(table, tenant_column, &pair.own, CHILD, &given)?);
    Ok(Pointing { key: key.name.clone(), row, set: set.join(", ") })
}

/// Where a foreign key points.
#[derive(Clone, Copy)]
struct Target<'a> {
    table: &'a Table,
    tenant_column: &'a str,
    key: &'a ForeignKey,
}

impl Target<'_> {
    /// The columns of the foreign key and their values in a row of `tenant` to which it can point: one that is made up, else one
    /// that is there. `unless`: whose row with these values there must not be.
    fn row(&self, tenant: &str, unless: Option<&str>, number: u8) -> Result<Vec<(String, String)>, String> {
        let facts;
        let referenced = if self.key.referenced == self.table.oid {
            self.table
        } else {
            facts = surroundings(self.key.referenced, self.tenant_column);
            &facts
        };
        let owner = referenced.owner_oid;
        if !tenancy::may_act_as(owner) {
            return Err(format!(
                "only {} and superusers may prepare rows of {}",
                referenced.owner,
                referenced.qualified()
            ));
        }
        let texts = self
            .made(referenced, owner, tenant, number)
            .or_else(|why| self.there(referenced, owner, tenant, unless).unwrap_or(Err(why)))?;
        Ok(self.key.columns.iter().cloned().zip(texts).collect())
    }

    /// What the tenant column points to, where it is part of the foreign key.
    fn forced(&self, tenant: &str) -> Vec<(String, String)> {
        let pairs = self.key.columns.iter().zip(&self.key.referenced_columns);
        pairs
            .filter(|(own, _)| *own == self.tenant_column)
            .map(|(_, other)| (other.clone(), tenant.to_owned()))
            .collect()
    }

    fn made(&self, referenced: &Table, owner: Oid, tenant: &str, number: u8) -> Result<Vec<String>, String> {
        let made = cells(referenced, self.tenant_column, tenant, number, &self.forced(tenant))?;
        let (columns, values) = listed(&made);
        let insert = format!(
            "INSERT INTO {} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})",
            referenced.qualified()
        );
        tenancy::prepared(As::Owner(owner), tenant, &insert).map_err(|refusal| refusal.message)?;
        let of = |name: &String| {
            made.iter().find(|cell| cell.column == *name).map(|cell: &Cell| cell.text.clone())
        };
        self.key
            .referenced_columns
            .iter()
            .map(|name| of(name).ok_or_else(|| format!("{} has no value", quote_identifier(name))))
            .collect()
    }

    fn there(
        &self,
        referenced: &Table,
        owner: Oid,
        tenant: &str,
        unless: Option<&str>,
    ) -> Option<Result<Vec<String>, String>> {
        let equals = |name: &str| referenced.column(name).map_or("=", |column| column.equals());
        let typed = |name: &str, text: &str| {
            let type_name = referenced.column(name).map_or("text", |column| &column.type_name);
            format!("{}::{type_name}", quote_literal(text))
        };
        let mut conditions: Vec<String> = self
            .forced(tenant)
            .iter()
            .map(|(name, text)| {
                format!("x.{} {} {}", quote_identifier(name), equals(name), typed(name, text))
            })
            .collect();
        if referenced.column(self.tenant_column).is_some() {
            let column = quote_identifier(self.tenant_column);
            let same_tenant = equality(referenced, self.tenant_column);
            conditions.push(format!("x.{column} {same_tenant} {}", typed(self.tenant_column, tenant)));
            if let Some(unless) = unless {
                let same: Vec<String> = self
                    .key
                    .referenced_columns
                    .iter()
                    .filter(|name| *name != self.tenant_column)
                    .map(|name| format!("y.{0} {1} x.{0}", quote_identifier(name), equals(name)))
                    .collect();
                conditions.push(format!(
                    "NOT EXISTS (SELECT FROM {} AS y WHERE y.{column} {same_tenant} {} AND {})",
                    referenced.qualified(),
                    typed(self.tenant_column, unless),
                    same.join(" AND ")
                ));
            }
        }
        let columns: Vec<String> = self
            .key
            .referenced_columns
            .iter()
            .map(|name| format!("x.{}::pg_catalog.text", quote_identifier(name)))
            .collect();
        let sql = format!(
            "SELECT pg_catalog.json_build_array({})::pg_catalog.text FROM {} AS x {} LIMIT 1",
            columns.join(", "),
            referenced.qualified(),
            if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) }
        );
        let found = match tenancy::probed(As::Owner(owner), tenant, &sql) {
            Ok(rows) => rows.into_iter().flatten().next()?,
            Err(refusal) => return Some(Err(refusal.message)),
        };
        Some(serde_json::from_str::<Vec<String>>(&found).map_err(|_| "a value of its row is NULL".to_owned()))
    }
}
