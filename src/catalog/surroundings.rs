//! One table with what stands around it, for whoever plans a change of all of that: keys, foreign keys from both sides,
//! policies, privileges, partitions, views, functions. The fields are the keys of the document that `pg::surroundings` asks
//! for; definitions are the server's own words with every name qualified.

use serde::Deserialize;

use super::Oid;
use crate::text::{quote_identifier, quote_qualified};

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Table {
    /// `server_version_num`.
    pub version: i32,
    /// Its OID.
    pub oid: Oid,
    /// Its schema, as it is.
    pub schema: String,
    /// Its name, as it is.
    pub name: String,
    /// `pg_class.relkind`.
    pub kind: char,
    /// `pg_class.relpersistence`.
    pub persistence: char,
    /// Whether it is a partition.
    pub is_partition: bool,
    /// Whether it is part of an extension.
    pub extension: bool,
    /// Its owner, quoted.
    pub owner: String,
    /// Its owner's OID.
    pub owner_oid: Oid,
    /// Whether no policy applies to its owner: a superuser, or BYPASSRLS.
    pub owner_passes: bool,
    /// Whether the caller has the owner's rights.
    pub is_own: bool,
    /// ENABLE ROW LEVEL SECURITY.
    pub has_row_security: bool,
    /// FORCE ROW LEVEL SECURITY.
    pub forces_row_security: bool,
    /// Its size without indexes.
    pub bytes: i64,
    /// Its columns, by number.
    pub columns: Vec<Column>,
    /// Its indexes.
    pub indexes: Vec<Index>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Foreign keys that point to it.
    pub incoming: Vec<Incoming>,
    /// Its policies.
    pub policies: Vec<Policy>,
    /// Who has which rights, but its owner.
    pub grants: Vec<Grant>,
    /// TRUNCATE, REFERENCES and TRIGGER of others than its owner, as they were granted.
    pub beyond: Vec<Held>,
    /// Its partitions and those that inherit from it.
    pub partitions: Vec<Partition>,
    /// Views and materialized views that read it, also by way of others.
    pub views: Vec<View>,
    /// Functions with their owner's rights that name it.
    pub functions: Vec<Function>,
    /// Publications that send its rows, quoted.
    pub publications: Vec<String>,
    /// Names that are taken around it.
    pub taken: Vec<String>,
}

impl Table {
    /// Whether something around it has that name.
    pub fn is_taken(&self, name: &str) -> bool {
        self.taken.iter().any(|taken| taken == name)
    }

    /// Schema and name, quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether an index that can be used begins with the column.
    pub fn is_indexed_by(&self, column: &str) -> bool {
        self.indexes.iter().any(|index| {
            index.is_valid
                && !index.is_partial
                && index.method == "btree"
                && index.first.as_deref() == Some(column)
        })
    }
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_name: String,
    /// That type's OID.
    pub r#type: Oid,
    /// What says that two of its values are equal, qualified: `OPERATOR(pg_catalog.=)`. `None` where nothing does.
    pub equality: Option<String>,
    /// The name of its type, or of that below its domain.
    pub base: String,
    /// `pg_type.typcategory`.
    pub category: char,
    /// The first label of its enum.
    pub label: Option<String>,
    /// How many characters it takes, where that is limited.
    pub length: Option<i32>,
    /// NOT NULL.
    pub is_not_null: bool,
    /// GENERATED ALWAYS AS.
    pub is_generated: bool,
    /// A default or an identity.
    pub has_default: bool,
    /// Its default.
    pub default: Option<String>,
    /// Its collation, where that is not the default.
    pub collation: Option<String>,
}

impl Column {
    /// What says that two of its values are equal, as a statement writes it that is run without a search_path.
    pub fn equals(&self) -> &str {
        self.equality.as_deref().map_or("=", bare)
    }

    /// The same as a statement writes it that may be run with any search_path.
    pub fn equals_anywhere(&self) -> &str {
        self.equality.as_deref().unwrap_or(EQUALS)
    }
}

/// The server's own, qualified.
pub const EQUALS: &str = "OPERATOR(pg_catalog.=)";

/// An operator as a statement writes it that is run without a search_path: by its bare name where that is found anyway.
pub fn bare(operator: &str) -> &str {
    operator.strip_prefix("OPERATOR(pg_catalog.").and_then(|rest| rest.strip_suffix(')')).unwrap_or(operator)
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Index {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its key columns; `None` where one of them is an expression.
    pub columns: Option<Vec<String>>,
    /// Its first column, if that is one.
    pub first: Option<String>,
    /// Whether the tenant column is part of its key.
    pub holds_tenant: bool,
    /// Its access method.
    pub method: String,
    /// What follows the table in CREATE INDEX.
    pub tail: String,
    /// UNIQUE.
    pub is_unique: bool,
    /// Whether an exclusion constraint stands on it.
    pub is_exclusion: bool,
    /// Whether it has a predicate.
    pub is_partial: bool,
    /// Whether it is ready for queries.
    pub is_valid: bool,
    /// Whether it is the replica identity.
    pub is_replica_identity: bool,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// The constraint that it serves.
    pub constraint: Option<String>,
    /// The kind of that constraint.
    pub constraint_kind: Option<char>,
    /// Whether that is DEFERRABLE.
    pub is_deferrable: bool,
    /// Whether that is INITIALLY DEFERRED.
    pub is_deferred: bool,
    /// Views that stand on that constraint.
    pub needed_by: Vec<String>,
}

impl Index {
    /// Schema and name, quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    /// Whether it says that a value is there which somebody else has: unique, or exclusive, without the tenant.
    pub fn tells(&self) -> bool {
        (self.is_unique || self.is_exclusion) && !self.holds_tenant
    }

    /// What it is called in words.
    pub fn described(&self) -> String {
        match self.constraint_kind {
            Some('p') => format!("primary key {}", quote_identifier(&self.name)),
            Some('u') => format!("unique constraint {}", quote_identifier(&self.name)),
            Some('x') => format!("exclusion constraint {}", quote_identifier(&self.name)),
            _ => format!("unique index {}", quote_identifier(&self.name)),
        }
    }
}

/// A foreign key.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// The table to which it points.
    pub referenced: Oid,
    /// That table's name, quoted.
    pub referenced_name: String,
    /// Whether that table has the tenant column.
    pub referenced_has_tenant: bool,
    /// Its columns.
    pub columns: Vec<String>,
    /// Those to which they point.
    pub referenced_columns: Vec<String>,
    /// What says that the column to which it points is equal to its own, for each of them, qualified.
    pub equalities: Vec<String>,
    /// As ADD CONSTRAINT takes it.
    pub definition: String,
    /// Whether all rows are known to meet it.
    pub is_valid: bool,
    /// DEFERRABLE.
    pub is_deferrable: bool,
    /// INITIALLY DEFERRED.
    pub is_deferred: bool,
    /// `pg_constraint.confmatchtype`.
    pub r#match: char,
    /// `pg_constraint.confupdtype`.
    pub on_update: char,
    /// `pg_constraint.confdeltype`.
    pub on_delete: char,
}

/// A foreign key that points here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Incoming {
    /// Whose it is.
    pub table: Oid,
    /// That table's name, quoted.
    pub table_name: String,
    /// Its name.
    pub name: String,
    /// The columns here to which it points.
    pub referenced_columns: Vec<String>,
}

/// A policy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Whether it lets in, rather than keeps out.
    pub is_permissive: bool,
    /// `pg_policy.polcmd`.
    pub command: char,
    /// Whether it is for everybody.
    pub is_for_all: bool,
    /// Those for whom it is.
    pub roles: Vec<Oid>,
    /// Whether it is for the table's owner, as one of them or by being in one of them.
    pub is_for_owner: bool,
    /// Which rows it is about.
    pub using: Option<String>,
    /// Which rows may be written.
    pub check: Option<String>,
}

/// The rights of one role on the table or on columns of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Grant {
    /// Whose; 0 for everybody.
    pub role: Oid,
    /// The role's name, quoted.
    pub name: String,
    /// Which.
    pub privileges: Vec<String>,
}

/// A privilege as it was granted, with which a REVOKE takes and a GRANT gives it back.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Held {
    /// Who has it; 0 for everybody.
    pub grantee: Oid,
    /// That role's name, quoted.
    pub grantee_name: String,
    /// Who gave it.
    pub grantor: Oid,
    /// That role's name, as it is.
    pub grantor_name: String,
    /// Whether that is the owner.
    pub is_of_owner: bool,
    /// Which, as GRANT writes it.
    pub privilege: String,
    /// WITH GRANT OPTION.
    pub is_grantable: bool,
    /// The column on which it is; `None` for the whole table.
    pub column: Option<String>,
}

/// A partition, or a table that inherits.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Partition {
    /// Its name, quoted.
    pub name: String,
    /// Its OID.
    pub oid: Oid,
    /// Whether it is a partition.
    pub is_partition: bool,
    /// ENABLE ROW LEVEL SECURITY.
    pub has_row_security: bool,
    /// Its owner, quoted.
    pub owner: String,
    /// Whether whoever asks has the rights of its owner.
    pub is_own: bool,
    /// Whether that is neither the table's nor a superuser.
    pub is_of_another: bool,
    /// Who has rights on it, but its owner.
    pub grantees: Vec<Oid>,
    /// TRUNCATE, REFERENCES and TRIGGER of others than its owner, as they were granted.
    pub beyond: Vec<Held>,
}

/// A view that reads the table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct View {
    /// Its OID.
    pub oid: Oid,
    /// Its name, quoted.
    pub name: String,
    /// `v`, or `m` for a materialized one.
    pub kind: char,
    /// `security_invoker`.
    pub is_invoker: bool,
    /// Whether rows come to it by the rights of somebody to whom no policy applies, or out of a materialized view.
    pub passes: bool,
    /// Whether the caller has its owner's rights.
    pub is_own: bool,
    /// Its owner, quoted.
    pub owner: String,
    /// Whether it has the tenant column.
    pub has_tenant: bool,
    /// Who may use it, but its owner.
    pub grants: Vec<Oid>,
}

/// A function that runs with its owner's rights and names the table, or a view that reads it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Function {
    /// Its name with arguments.
    pub signature: String,
    /// Its OID.
    pub oid: Oid,
    /// Its owner, quoted.
    pub owner: String,
    /// Whether no policy applies to its owner, even if it is forced: a superuser, or BYPASSRLS.
    pub owner_passes: bool,
    /// Whether rows come to it to which no policy was applied: by its owner's rights, or by those on the way.
    pub passes: bool,
    /// Whether it is a trigger function.
    pub is_trigger: bool,
    /// Whether it takes no argument, changes nothing and answers rows with the tenant column.
    pub is_askable: bool,
    /// Who may call it, but its owner; 0 for everybody.
    pub grants: Vec<Oid>,
}
