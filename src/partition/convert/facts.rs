//! What a conversion stands on, as the catalogs have it. Definitions are the server's own words with every name
//! qualified; `pg::partition::convert` asks for them as two documents whose keys are the fields here.

use serde::Deserialize;

use crate::catalog::Oid;
use crate::text::{quote_identifier, quote_qualified};

/// A right: what, to whom (quoted), whether it may be passed on.
pub type Privilege = (String, String, bool);

/// The table.
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
    /// UNLOGGED.
    pub is_unlogged: bool,
    /// TEMPORARY.
    pub is_temporary: bool,
    /// Whether it is a partition.
    pub is_partition: bool,
    /// Whether it was made OF a type.
    pub is_typed: bool,
    /// Its owner, quoted.
    pub owner: String,
    /// Whether the caller has the owner's rights.
    pub is_own: bool,
    /// Whether the caller is the owner.
    pub is_owner_me: bool,
    /// Whether the caller may create in its schema.
    pub may_create: bool,
    /// Whether the owner may.
    pub may_owner_create: bool,
    /// Its access method, quoted, where that is not heap.
    pub access_method: Option<String>,
    /// Its tablespace, quoted, where that is not the database's.
    pub tablespace: Option<String>,
    /// Its storage parameters, `fillfactor=70`.
    pub options: Vec<String>,
    /// Rows as of the last ANALYZE; negative if nobody counted.
    pub rows: f64,
    /// Its size without indexes.
    pub bytes: i64,
    /// Its size with them.
    pub all_bytes: i64,
    /// The number of its tablespace, 0 for that of the database.
    pub tablespace_number: Oid,
    /// Blocks of its file.
    pub blocks: i64,
    /// Whether it has rules of its own.
    pub has_rules: bool,
    /// ENABLE ROW LEVEL SECURITY.
    pub has_row_security: bool,
    /// FORCE ROW LEVEL SECURITY.
    pub forces_row_security: bool,
    /// `pg_class.relreplident`.
    pub replica_identity: char,
    /// Its comment.
    pub comment: Option<String>,
    /// The extension whose part it is.
    pub extension: Option<String>,
    /// Tables from which it inherits.
    pub parents: Vec<String>,
    /// Tables that inherit from it.
    pub children: Vec<String>,
    /// Its columns, by number.
    pub columns: Vec<Column>,
    /// Its constraints.
    pub constraints: Vec<Constraint>,
    /// Its indexes.
    pub indexes: Vec<Index>,
    /// Its extended statistics.
    pub statistics: Vec<Statistics>,
    /// Its triggers, those of foreign keys apart.
    pub triggers: Vec<Trigger>,
    /// Its policies.
    pub policies: Vec<Policy>,
    /// Whether its privileges were ever changed.
    pub has_privileges: bool,
    /// Privileges on it, also those of its owner.
    pub privileges: Vec<Privilege>,
    /// To whom a table that the caller makes is granted by default.
    pub default_grantees: Vec<String>,
    /// Sequences that its columns own.
    pub sequences: Vec<Sequence>,
    /// Names that are taken in its schema and that a name chosen here could meet.
    pub taken: Vec<String>,
    /// What hangs on it, as one number: see `print.sql`.
    pub print: String,
}

impl Table {
    /// Schema and name, quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    /// Something of that name in its schema, quoted.
    pub fn beside(&self, name: &str) -> String {
        quote_qualified(&self.schema, name)
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The index of the primary key.
    pub fn primary_key(&self) -> Option<&Index> {
        self.indexes.iter().find(|index| index.constraint_kind == Some('p'))
    }

    /// Its own foreign keys.
    pub fn foreign_keys(&self) -> impl Iterator<Item = &Constraint> {
        self.constraints.iter().filter(|constraint| constraint.kind == 'f')
    }

    /// Whether the server is of that version at least.
    pub fn is_version(&self, major: i32) -> bool {
        self.version >= major * 10_000
    }
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: i16,
    /// Its type.
    pub type_name: String,
    /// The name of its collation.
    pub collation: Option<String>,
    /// NOT NULL.
    pub is_not_null: bool,
    /// The name of its NOT NULL constraint, from 18 on.
    pub not_null: Option<String>,
    /// `attgenerated`, empty for none.
    pub generated: String,
    /// `attidentity`, empty for none.
    pub identity: String,
    /// `attstattarget`, where it was set.
    pub statistics: Option<i32>,
    /// `attoptions`, as ALTER COLUMN … SET takes them.
    pub options: String,
    /// Privileges on it alone, ready for GRANT.
    pub privileges: Vec<Privilege>,
}

impl Column {
    /// Its name, quoted.
    pub fn quoted(&self) -> String {
        quote_identifier(&self.name)
    }
}

/// A constraint.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Constraint {
    /// Its name.
    pub name: String,
    /// `pg_constraint.contype`.
    pub kind: char,
    /// As ADD CONSTRAINT takes it.
    pub definition: String,
    /// Whether all rows are known to meet it.
    pub is_valid: bool,
    /// Whether it is enforced.
    pub is_enforced: bool,
    /// NO INHERIT.
    pub is_no_inherit: bool,
    /// DEFERRABLE.
    pub is_deferrable: bool,
    /// INITIALLY DEFERRED.
    pub is_deferred: bool,
    /// The table to which a foreign key points, quoted.
    pub referenced: Option<String>,
    /// Whether the caller may lock that table by himself.
    pub may_lock: bool,
    /// Whether the owner of the table may.
    pub may_owner_lock: bool,
    /// Whether the owner of the table may point to that table.
    pub may_owner_refer: bool,
    /// Whether that is the table itself.
    pub is_self: bool,
    /// Its comment.
    pub comment: Option<String>,
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Index {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What follows the table in CREATE INDEX: `USING btree (a) …`.
    pub tail: String,
    /// Its tablespace, quoted, where it is not the database's.
    pub tablespace: Option<String>,
    /// Its key columns; empty where one of them is an expression.
    pub key_columns: Vec<String>,
    /// Its first column, if that is one.
    pub first_column: Option<String>,
    /// Whether it is a B-tree.
    pub is_btree: bool,
    /// UNIQUE.
    pub is_unique: bool,
    /// Whether it has a predicate.
    pub is_partial: bool,
    /// Whether it is ready for queries.
    pub is_valid: bool,
    /// Whether an exclusion constraint stands on it.
    pub is_exclusion: bool,
    /// Whether the table is clustered by it.
    pub is_clustered: bool,
    /// Whether it is the replica identity.
    pub is_replica_identity: bool,
    /// The constraint that it serves.
    pub constraint: Option<String>,
    /// The kind of that constraint.
    pub constraint_kind: Option<char>,
    /// Whether that is DEFERRABLE.
    pub constraint_is_deferrable: bool,
    /// Whether that is INITIALLY DEFERRED.
    pub constraint_is_deferred: bool,
    /// The comment of that constraint.
    pub constraint_comment: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
}

impl Index {
    /// Schema and name, quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    /// The name of its constraint.
    pub fn name_of_constraint(&self) -> String {
        self.constraint.clone().unwrap_or_else(|| self.name.clone())
    }

    /// ` DEFERRABLE …` of its constraint.
    pub fn deferrable(&self) -> &'static str {
        match (self.constraint_is_deferrable, self.constraint_is_deferred) {
            (_, true) => " DEFERRABLE INITIALLY DEFERRED",
            (true, false) => " DEFERRABLE",
            _ => "",
        }
    }
}

/// Extended statistics.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Statistics {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What stands between name and FROM: `(dependencies) ON a, b`.
    pub body: String,
    /// Its owner, quoted.
    pub owner: String,
    /// Whether the caller has the owner's rights.
    pub is_own: bool,
    /// Its target, where it was set.
    pub target: Option<i32>,
    /// Its comment.
    pub comment: Option<String>,
}

impl Statistics {
    /// Schema and name, quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }
}

/// A trigger.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// CREATE TRIGGER, on the table's own name.
    pub definition: String,
    /// `tgenabled`.
    pub enabled: char,
    /// FOR EACH ROW.
    pub is_row: bool,
    /// BEFORE.
    pub is_before: bool,
    /// Whether it has transition tables.
    pub has_transition_table: bool,
    /// Whether the owner of the table may make it.
    pub may_owner_make: bool,
    /// Its comment.
    pub comment: Option<String>,
}

/// A policy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// What follows the table in CREATE POLICY.
    pub body: String,
    /// Its comment.
    pub comment: Option<String>,
}

/// A sequence that a column owns.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Sequence {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The column.
    pub column: String,
    /// `ALWAYS` or `BY DEFAULT` of an identity; `None` where the column only owns it.
    pub identity: Option<String>,
    /// Its options, as CREATE SEQUENCE takes them.
    pub options: String,
    /// Privileges on it.
    pub privileges: Vec<Privilege>,
    /// What uses it, described.
    pub users: Vec<String>,
    /// Its comment.
    pub comment: Option<String>,
}

impl Sequence {
    /// Schema and name, quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }
}

/// What stands around the table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Around {
    /// Foreign keys of other tables to it.
    pub incoming: Vec<Incoming>,
    /// Views, rules, functions and policies that read it by its number and are made again in place.
    pub rebuilt: Vec<Rebuilt>,
    /// Materialized views of it, quoted.
    pub materialized_views: Vec<String>,
    /// What uses its row type, described.
    pub row_type_users: Vec<String>,
    /// What needs its primary key as it is, described: views that group by it.
    pub primary_key_users: Vec<String>,
    /// Publications that name it.
    pub publications: Vec<Publication>,
    /// Publications that publish it without naming it, and its partitions under their own names.
    pub wide_publications: Vec<String>,
    /// Logical replication slots of this database.
    pub slots: Vec<String>,
    /// How many subscriptions write to it.
    pub subscriptions: i64,
    /// How many security labels it and its columns have.
    pub labels: i64,
    /// Prepared transactions that hold a lock on it.
    pub prepared: Vec<String>,
    /// How long the oldest transaction that holds a lock on it has been open, in seconds.
    pub longest_transaction: Option<f64>,
}

/// A foreign key of another table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Incoming {
    /// The schema of the other table.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Whether it is an ordinary table and no partition.
    pub is_plain: bool,
    /// Whether the caller has its owner's rights.
    pub is_own: bool,
    /// Whether the owner of the table has.
    pub is_of_owner: bool,
    /// Whether it has the same owner as the table.
    pub is_same_owner: bool,
    /// FORCE ROW LEVEL SECURITY.
    pub forces_row_security: bool,
    /// The constraint.
    pub name: String,
    /// As ADD CONSTRAINT takes it.
    pub definition: String,
    /// Whether all rows are known to meet it.
    pub is_valid: bool,
    /// DEFERRABLE.
    pub is_deferrable: bool,
    /// `confmatchtype`.
    pub r#match: char,
    /// `confupdtype`.
    pub on_update: char,
    /// `confdeltype`.
    pub on_delete: char,
    /// Its columns.
    pub columns: Vec<String>,
    /// The columns to which they point.
    pub referenced_columns: Vec<String>,
    /// Whether the other table has a key by which its rows can be filled in batches.
    pub has_key: bool,
    /// Rows of the other table.
    pub rows: f64,
    /// Names of its columns, constraints and triggers.
    pub taken: Vec<String>,
    /// Its comment.
    pub comment: Option<String>,
}

impl Incoming {
    /// The other table, quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.table)
    }
}

/// Something that is made again in place by one statement.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Rebuilt {
    /// `view`, `rule`, `function`, `policy`.
    pub kind: String,
    /// Its name, quoted.
    pub name: String,
    /// Whether the caller may.
    pub is_own: bool,
    /// Whether the owner of the table may.
    pub is_of_owner: bool,
    /// The statement, which names the table.
    pub sql: String,
}

/// A publication that names the table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Publication {
    /// Its name, quoted.
    pub name: String,
    /// Whether the caller has its owner's rights.
    pub is_own: bool,
    /// Whether the owner of the table has.
    pub is_of_owner: bool,
    /// `publish_via_partition_root`.
    pub is_via_root: bool,
    /// The columns that it publishes, quoted, where not all.
    pub columns: Option<String>,
    /// The rows that it publishes, where not all.
    pub condition: Option<String>,
}
