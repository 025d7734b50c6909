//! What is new.

use super::touched::Touched;

/// What already bears the name of a new object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameName {
    /// Nothing.
    #[default]
    None,
    /// Something that is whole.
    Whole,
    /// An index that a failed CREATE INDEX CONCURRENTLY left behind.
    InvalidIndex,
}

/// CREATE INDEX.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateIndex {
    /// The name that it would get; empty where the server chooses one.
    pub name: String,
    /// CONCURRENTLY.
    pub is_concurrent: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// What has the name already.
    pub same_name: SameName,
    /// ON ONLY.
    pub is_only: bool,
    /// UNIQUE.
    pub is_unique: bool,
    /// The access method.
    pub method: String,
    /// How many key columns.
    pub key_columns: u32,
    /// How many INCLUDE columns.
    pub included_columns: u32,
    /// An index, quoted, that already has the same keys, method, predicate and uniqueness.
    pub twin: Option<String>,
    /// Other builds of indexes that run on the same table now: process and index.
    pub builds_running: Vec<(i32, String)>,
}

/// A column as it is declared, for what can be said of it before it is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnDefinition {
    /// Its name as it is written, longer than 63 bytes perhaps.
    pub name: String,
    /// Its type as the server writes it, `bigint`, `character varying(20)`; as it is written where it is unknown.
    pub type_name: String,
    /// `serial`, `bigserial` or `smallserial`, as it is written.
    pub serial: Option<String>,
    /// GENERATED … AS IDENTITY.
    pub is_identity: bool,
    /// PRIMARY KEY, here or as a constraint of the table.
    pub is_primary_key: bool,
    /// NOT NULL, here or by a primary key.
    pub is_not_null: bool,
}

/// CREATE TABLE, CREATE TABLE AS, SELECT INTO.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateTable {
    /// The name as it is written.
    pub name: String,
    /// Whether a schema stands before it.
    pub is_qualified: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// What has the name already.
    pub same_name: SameName,
    /// TEMPORARY.
    pub is_temporary: bool,
    /// Its columns.
    pub columns: Vec<ColumnDefinition>,
    /// Whether it has a primary key.
    pub has_primary_key: bool,
    /// PARTITION OF: the parent.
    pub partition_of: Option<Touched>,
    /// The parent's default partition, which is scanned for rows that belong into the new one.
    pub default_partition: Option<Touched>,
    /// Whether a validated constraint of the default partition shows that none do.
    pub default_is_excluded: bool,
    /// The tables to which its foreign keys point.
    pub referenced: Vec<Touched>,
    /// Whether it is filled from a query.
    pub is_from_query: bool,
    /// The planner's estimate of the rows of that query, where it was asked.
    pub query_rows: Option<f64>,
}
