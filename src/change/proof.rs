//! Queries that show what has been done: one boolean each, cheap, fully qualified, false where the object is not there.

use crate::text::{quote_identifier, quote_literal};

fn regclass(qualified: &str) -> String {
    format!("pg_catalog.to_regclass({})", quote_literal(qualified))
}

fn constraint(table: &str, name: &str, further: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = {} AND conname = {}{further})",
        regclass(table),
        quote_literal(name)
    )
}

/// The table has that constraint.
pub fn has_constraint(table: &str, name: &str) -> String {
    format!("SELECT {}", constraint(table, name, ""))
}

/// The table has that constraint, and all rows are known to meet it.
pub fn has_valid_constraint(table: &str, name: &str) -> String {
    format!("SELECT {}", constraint(table, name, " AND convalidated"))
}

/// The table has no such constraint.
pub fn lacks_constraint(table: &str, name: &str) -> String {
    format!("SELECT NOT {}", constraint(table, name, ""))
}

/// The relation is there.
pub fn has_relation(qualified: &str) -> String {
    format!("SELECT {} IS NOT NULL", regclass(qualified))
}

/// The relation is not there.
pub fn lacks_relation(qualified: &str) -> String {
    format!("SELECT {} IS NULL", regclass(qualified))
}

fn column(table: &str, name: &str, further: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attname = {} AND NOT attisdropped{further})",
        regclass(table),
        quote_literal(name)
    )
}

/// The table has that column.
pub fn has_column(table: &str, name: &str) -> String {
    format!("SELECT {}", column(table, name, ""))
}

/// The table has no such column.
pub fn lacks_column(table: &str, name: &str) -> String {
    format!("SELECT NOT {}", column(table, name, ""))
}

/// The column is NOT NULL.
pub fn is_not_null(table: &str, name: &str) -> String {
    format!("SELECT {}", column(table, name, " AND attnotnull"))
}

/// The column may be NULL.
pub fn is_nullable(table: &str, name: &str) -> String {
    format!("SELECT {}", column(table, name, " AND NOT attnotnull"))
}

/// The column is an identity.
pub fn is_identity(table: &str, name: &str) -> String {
    format!("SELECT {}", column(table, name, " AND attidentity <> ''"))
}

/// The column has a default.
pub fn has_default(table: &str, name: &str) -> String {
    format!("SELECT {}", column(table, name, " AND atthasdef"))
}

/// The column has no default.
pub fn lacks_default(table: &str, name: &str) -> String {
    format!("SELECT {}", column(table, name, " AND NOT atthasdef"))
}

/// The index is there and can be used.
pub fn has_valid_index(index: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = {} AND indisvalid AND indisready)",
        regclass(index)
    )
}

/// The index is there, but a build or a drop of it was interrupted.
pub fn has_invalid_index(index: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = {} AND NOT (indisvalid AND indisready))",
        regclass(index)
    )
}

/// The index of a partition is attached to that of its parent.
pub fn is_attached(parent: &str, child: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = {} AND inhrelid = {} AND NOT inhdetachpending)",
        regclass(parent),
        regclass(child)
    )
}

/// The partition stands alone.
pub fn is_detached(parent: &str, child: &str) -> String {
    format!(
        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = {} AND inhrelid = {})",
        regclass(parent),
        regclass(child)
    )
}

/// A DETACH CONCURRENTLY was interrupted.
pub fn is_half_detached(parent: &str, child: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = {} AND inhrelid = {} AND inhdetachpending)",
        regclass(parent),
        regclass(child)
    )
}

/// The table has that trigger.
pub fn has_trigger(table: &str, name: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = {} AND tgname = {})",
        regclass(table),
        quote_literal(name)
    )
}

/// No row meets the condition.
pub fn no_row(table: &str, condition: &str) -> String {
    format!("SELECT NOT EXISTS (SELECT FROM {table} WHERE {condition})")
}

/// The relation is a view.
pub fn is_view(qualified: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = {} AND relkind = 'v')",
        regclass(qualified)
    )
}

/// The relation is a table.
pub fn is_table(qualified: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = {} AND relkind IN ('r', 'p'))",
        regclass(qualified)
    )
}

/// The enum type has that value.
pub fn has_value(type_name: &str, value: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_enum WHERE enumtypid = pg_catalog.to_regtype({}) AND enumlabel = {})",
        quote_literal(type_name),
        quote_literal(value)
    )
}

/// The domain has that constraint; `is_valid`: and all values are known to meet it.
pub fn has_domain_constraint(domain: &str, name: &str, is_valid: bool) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE contypid = pg_catalog.to_regtype({}) AND conname = {}{})",
        quote_literal(domain),
        quote_literal(name),
        if is_valid { " AND convalidated" } else { "" }
    )
}

/// `ALTER TABLE … DROP CONSTRAINT IF EXISTS`, the usual way back.
pub fn drop_constraint(table: &str, name: &str) -> String {
    format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {}", quote_identifier(name))
}
