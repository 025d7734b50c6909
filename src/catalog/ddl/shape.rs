//! The shape of what a change stands on, as far as a plan has to know it: all the parts that have to be built anew,
//! kept or brought back. Definitions are the server's own words, with every name that is not in `pg_catalog` qualified.

use rustc_hash::FxHashSet;
use serde::Deserialize;

use super::remove::Dependent;
use super::session::Rates;
use super::touched::TouchedKind;
use super::view::ViewShape;
use crate::catalog::Oid;
use crate::text::identifier::quote_qualified;

/// The sequence behind a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ColumnSequence {
    /// Schema and name, quoted.
    pub name: String,
    /// `ALWAYS` or `BY DEFAULT` of an identity column; `None` where the column only owns it.
    pub identity: Option<String>,
    /// Its options as CREATE SEQUENCE takes them, its type and its name apart: `START WITH 1 INCREMENT BY 1 …`. Bounds
    /// that are those of its type are left out.
    pub options: String,
    /// Its type.
    pub type_name: String,
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ColumnShape {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: i16,
    /// Its type, qualified where it is not in `pg_catalog`.
    pub type_name: String,
    /// Its collation, quoted and qualified, where it is not that of its type.
    pub collation: Option<String>,
    /// NOT NULL.
    pub is_not_null: bool,
    /// The NOT NULL constraint's name, from 18 on.
    pub not_null_name: Option<String>,
    /// Its default.
    pub default: Option<String>,
    /// The expression of a generated column.
    pub generated: Option<String>,
    /// Whether that is stored.
    pub is_generated_stored: bool,
    /// The sequence that it owns or takes its identity from.
    pub sequence: Option<ColumnSequence>,
    /// Its comment.
    pub comment: Option<String>,
    /// `attstattarget`, where it was set.
    pub statistics: Option<i32>,
    /// How its values are stored: `PLAIN`, `EXTERNAL`, `MAIN`, `EXTENDED`.
    pub storage: String,
    /// How they are compressed: `pglz`, `lz4`, `default`.
    pub compression: String,
    /// `attoptions`, as ALTER COLUMN … SET takes them; empty for none.
    pub options: String,
    /// Privileges on this column alone: what, to whom (quoted), whether with grant option.
    pub privileges: Vec<(String, String, bool)>,
    /// Whether the table is partitioned by it.
    pub is_partition_key: bool,
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IndexShape {
    /// The schema in which it lies.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `CREATE INDEX …` as the server writes it, without its tablespace.
    pub definition: String,
    /// Its tablespace, quoted, where it is not the database's.
    pub tablespace: Option<String>,
    /// The numbers of the columns that it uses anywhere, expressions and predicate included.
    pub columns: Vec<i16>,
    /// How many of them, from the first on, are plain key columns.
    pub key_columns: Vec<i16>,
    /// UNIQUE.
    pub is_unique: bool,
    /// Whether it has a predicate.
    pub is_partial: bool,
    /// Whether it is ready for queries.
    pub is_valid: bool,
    /// Whether it is on a partitioned table.
    pub is_partitioned: bool,
    /// The constraint that it serves.
    pub constraint: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
    /// Whether the table is clustered by it.
    pub is_clustered: bool,
    /// Whether it is the replica identity.
    pub is_replica_identity: bool,
}

impl IndexShape {
    /// Schema and name, quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }
}

/// A constraint.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ConstraintShape {
    /// Its name.
    pub name: String,
    /// `pg_constraint.contype`: `c`, `f`, `p`, `u`, `x`, `n`, `t`.
    pub kind: char,
    /// Its definition as ADD CONSTRAINT takes it.
    pub definition: String,
    /// The numbers of its own table's columns.
    pub columns: Vec<i16>,
    /// Whether all rows are known to meet it.
    pub is_valid: bool,
    /// Whether it comes from a parent.
    pub is_inherited: bool,
    /// Its own table, quoted.
    pub table: String,
    /// The table to which a foreign key points, quoted.
    pub referenced: Option<String>,
    /// The columns to which a foreign key points, by number.
    pub referenced_columns: Vec<i16>,
    /// Its comment.
    pub comment: Option<String>,
}

/// A partition, of any depth.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PartitionShape {
    /// The schema in which it lies.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The parent, quoted.
    pub parent: String,
    /// Whether it is partitioned itself.
    pub is_partitioned: bool,
    /// `FOR VALUES …` or `DEFAULT`.
    pub bound: String,
    /// What holds for each of its rows by its bound, its parents' bounds included.
    pub condition: Option<String>,
    /// Names that are taken in its schema: see [`TableShape::taken`].
    pub taken: FxHashSet<String>,
}

impl PartitionShape {
    /// Schema and name, quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }
}

/// A trigger, a rule or a policy of a table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PartShape {
    /// Its name.
    pub name: String,
    /// What makes it.
    pub definition: String,
    /// Its comment.
    pub comment: Option<String>,
    /// Whether and when it works, as `pg_trigger.tgenabled` says it: `O`, `D`, `R`, `A`.
    pub state: Option<char>,
}

impl PartShape {
    /// Whether and when it works, as ALTER TABLE says it; `None` where that is how it is made.
    pub fn state_words(&self) -> Option<&'static str> {
        match self.state {
            Some('D') => Some("DISABLE"),
            Some('R') => Some("ENABLE REPLICA"),
            Some('A') => Some("ENABLE ALWAYS"),
            _ => None,
        }
    }
}

/// A table with everything that is part of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TableShape {
    /// Its OID.
    pub oid: Oid,
    /// The schema in which it lies.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(skip)]
    pub kind: TouchedKind,
    /// Its columns, by number.
    pub columns: Vec<ColumnShape>,
    /// Its indexes.
    pub indexes: Vec<IndexShape>,
    /// Its constraints.
    pub constraints: Vec<ConstraintShape>,
    /// Foreign keys of other tables, and its own, that point to it.
    pub referencing: Vec<ConstraintShape>,
    /// Its triggers, those of foreign keys apart.
    pub triggers: Vec<PartShape>,
    /// Its rules.
    pub rules: Vec<PartShape>,
    /// Its policies.
    pub policies: Vec<PartShape>,
    /// Its partitions of all depths, parents first.
    pub partitions: Vec<PartitionShape>,
    /// The parent of which it is a partition, or from which it inherits, quoted.
    pub parent: Option<String>,
    /// Its bound as a partition.
    pub bound: Option<String>,
    /// Whether ordinary tables inherit from it.
    pub has_children: bool,
    /// `PARTITION BY` behind which it stands.
    pub partition_key: Option<String>,
    /// Its owner, quoted.
    pub owner: String,
    /// Privileges on it, those of its owner apart: what, to whom (quoted), whether with grant option.
    pub privileges: Vec<(String, String, bool)>,
    /// Whether row-level security is enabled.
    pub has_row_security: bool,
    /// Whether it holds for the owner, too.
    pub forces_row_security: bool,
    /// `reloptions`, as SET takes them; empty for none.
    pub options: String,
    /// What stands behind REPLICA IDENTITY.
    pub replica_identity: String,
    /// Names of relations, types and constraints in its schema that a name chosen here could meet: those that begin as
    /// the table does, and those that a plan made.
    pub taken: FxHashSet<String>,
    /// What depends on one of its columns and is neither index nor constraint of it: column number and dependent.
    #[serde(skip)]
    pub dependents: Vec<(i16, Dependent)>,
}

impl TableShape {
    /// Schema and name, quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnShape> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The constraint of that name.
    pub fn constraint(&self, name: &str) -> Option<&ConstraintShape> {
        self.constraints.iter().find(|constraint| constraint.name == name)
    }

    /// The primary key.
    pub fn primary_key(&self) -> Option<&ConstraintShape> {
        self.constraints.iter().find(|constraint| constraint.kind == 'p')
    }

    /// The index behind a constraint.
    pub fn index_of(&self, constraint: &str) -> Option<&IndexShape> {
        self.indexes.iter().find(|index| index.constraint.as_deref() == Some(constraint))
    }

    /// Whether rows can be told apart by columns that are never NULL, so that they can be filled in batches.
    pub fn has_key(&self) -> bool {
        self.indexes.iter().any(|index| {
            index.is_unique
                && index.is_valid
                && !index.is_partial
                && !index.key_columns.is_empty()
                && index.key_columns.iter().all(|number| {
                    self.columns.iter().any(|column| column.number == *number && column.is_not_null)
                })
        })
    }
}

/// An enum type.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct EnumShape {
    /// Its OID.
    pub oid: Oid,
    /// Schema and name, quoted.
    pub name: String,
    /// Its values, in order.
    pub values: Vec<String>,
    /// Columns of it: table and column, quoted.
    pub columns: Vec<(String, String)>,
}

/// A domain.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DomainShape {
    /// Schema and name, quoted.
    pub name: String,
    /// The type below it.
    pub base_type: String,
    /// NOT NULL.
    pub is_not_null: bool,
    /// Its default.
    pub default: Option<String>,
    /// Its CHECK constraints: name and definition, in which the value is `VALUE`.
    pub checks: Vec<(String, String)>,
    /// Columns of it: table and column, quoted.
    pub columns: Vec<(String, String)>,
    /// The schema's names of constraints, by which a new one could be called.
    pub taken: FxHashSet<String>,
}

/// What is told of a table beside its [`TableShape`].
#[derive(Deserialize)]
struct Told {
    relkind: char,
    #[serde(default)]
    dependents: Vec<(i16, String, String, bool)>,
}

/// The words that a dependent's kind can be.
const DEPENDENT_KINDS: [&str; 8] = [
    "view",
    "materialized view",
    "function",
    "policy",
    "trigger",
    "statistics object",
    "generated column",
    "publication",
];

impl TableShape {
    /// From the document that `pg::ddl::shape` asks the server for.
    pub fn from_document(document: &str) -> Result<Self, serde_json::Error> {
        let told: Told = serde_json::from_str(document)?;
        let mut shape: Self = serde_json::from_str(document)?;
        shape.kind = match told.relkind {
            'p' => TouchedKind::PartitionedTable,
            'v' => TouchedKind::View,
            'm' => TouchedKind::MaterializedView,
            'S' => TouchedKind::Sequence,
            'f' => TouchedKind::ForeignTable,
            'c' => TouchedKind::CompositeType,
            _ => TouchedKind::Table,
        };
        shape.dependents = told
            .dependents
            .into_iter()
            .map(|(column, kind, name, is_dropped_by_cascade)| {
                let kind = DEPENDENT_KINDS.into_iter().find(|known| *known == kind).unwrap_or("object");
                (column, Dependent { kind, name, is_dropped_by_cascade })
            })
            .collect();
        Ok(shape)
    }
}

/// What stands around a change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// `server_version_num`.
    pub server_version: i32,
    /// The schemas in which the caller's names are looked up, quoted, in order: what `current_schemas(false)` says.
    pub search_path: String,
    /// How fast this server is.
    pub rates: Rates,
    /// Every table that the change names or to which it leads; of an index, its table.
    pub tables: Vec<TableShape>,
    /// Enum types that it names.
    pub enums: Vec<EnumShape>,
    /// Domains that it names.
    pub domains: Vec<DomainShape>,
    /// Views on a column whose type it changes, each behind those on which it stands.
    pub views: Vec<ViewShape>,
}

impl Surroundings {
    /// The table of that OID.
    pub fn table(&self, oid: Oid) -> Option<&TableShape> {
        self.tables.iter().find(|table| table.oid == oid)
    }

    /// The table of that name, quoted.
    pub fn named(&self, qualified: &str) -> Option<&TableShape> {
        self.tables.iter().find(|table| table.qualified() == qualified)
    }

    /// The index of that name, quoted, with its table.
    pub fn index(&self, qualified: &str) -> Option<(&TableShape, &IndexShape)> {
        self.tables.iter().find_map(|table| {
            table.indexes.iter().find(|index| index.qualified() == qualified).map(|index| (table, index))
        })
    }
}
