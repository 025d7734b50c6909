//! A partition that goes.

use crate::text::quote_identifier;

/// Detaches a partition; both names are qualified and quoted. Concurrently nobody waits; else everybody who uses the
/// parent does, for an instant.
pub fn detach(parent: &str, partition: &str, concurrently: bool) -> String {
    let how = if concurrently { " CONCURRENTLY" } else { "" };
    format!("ALTER TABLE {parent} DETACH PARTITION {partition}{how}")
}

/// Ends a DETACH CONCURRENTLY that was left half done.
pub fn finalize(parent: &str, partition: &str) -> String {
    format!("ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE")
}

/// Drops a constraint, as each foreign key of a table that is going to be dropped: each locks another table, and so no
/// two are locked at once.
pub fn drop_constraint(table: &str, constraint: &str) -> String {
    format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {}", quote_identifier(constraint))
}

/// Drops a detached table.
pub fn drop_table(table: &str, is_foreign: bool) -> String {
    format!("DROP {}TABLE IF EXISTS {table}", if is_foreign { "FOREIGN " } else { "" })
}

/// Drops a partition that is attached. The parent and its default partition are locked first, as a detaching does.
pub fn drop_attached(parent: &str, default: Option<&str>, partition: &str, is_foreign: bool) -> String {
    let default = default.map_or_else(String::new, |default| format!(", ONLY {default}"));
    let drop = drop_table(partition, is_foreign);
    format!("LOCK TABLE ONLY {parent}{default} IN ACCESS EXCLUSIVE MODE;\n{drop}")
}

/// Moves a detached table to another schema.
pub fn archive(table: &str, schema: &str) -> String {
    format!("ALTER TABLE {table} SET SCHEMA {}", quote_identifier(schema))
}
