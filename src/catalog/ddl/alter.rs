//! The sub-commands of ALTER TABLE.

use super::remove::{Dependent, DropColumn};
use super::touched::Touched;

/// How a new column's default is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ColumnDefault {
    /// There is none.
    #[default]
    None,
    /// NULL, a constant, or something immutable or stable: noted in the catalog.
    Stored,
    /// Volatile: computed for every row. Names the functions.
    Volatile(Vec<String>),
    /// Nobody knows, because it names something that is not there yet.
    Unknown,
}

/// A generated column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generated {
    /// STORED.
    Stored,
    /// VIRTUAL, from 18 on.
    Virtual,
}

/// A foreign key that is added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForeignKeyFacts {
    /// Its own columns.
    pub columns: Vec<String>,
    /// The table to which it points; `None` where it is not there.
    pub referenced: Option<Touched>,
    /// The columns to which it points.
    pub referenced_columns: Vec<String>,
    /// Whether an index of its own table begins with its columns, valid and not partial.
    pub has_index: bool,
    /// Pairs of columns whose types differ: own, its type, referenced, its type.
    pub type_mismatches: Vec<(String, String, String, String)>,
    /// Whether the own table is partitioned.
    pub is_on_partitioned_table: bool,
}

/// ADD COLUMN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddColumn {
    /// The column; name, type, serial, identity, NOT NULL, PRIMARY KEY.
    pub column: super::create::ColumnDefinition,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Whether a column of that name is there already.
    pub is_there: bool,
    /// Its default, serial and identity apart.
    pub default: ColumnDefault,
    /// GENERATED ALWAYS AS (…).
    pub generated: Option<Generated>,
    /// The domain with constraints of which it is, quoted: written for every row up to 18.
    pub constrained_domain: Option<String>,
    /// UNIQUE.
    pub is_unique: bool,
    /// CHECK.
    pub has_check: bool,
    /// REFERENCES.
    pub references: Option<ForeignKeyFacts>,
}

/// ALTER COLUMN … TYPE.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypeChange {
    /// The column.
    pub column: String,
    /// Whether it is there.
    pub is_there: bool,
    /// Its type now.
    pub from: String,
    /// Its type then.
    pub to: String,
    /// Whether every row is written anew, by the server's own test; `None` where the test could not be made.
    pub rewrites: Option<bool>,
    /// Whether the rows are read because the type is a domain with constraints.
    pub scans: bool,
    /// Whether only the session's TimeZone not being UTC makes it rewrite.
    pub depends_on_time_zone: bool,
    /// Indexes, quoted, that are built anew although the rows stay.
    pub rebuilt_indexes: Vec<String>,
    /// CHECK constraints and foreign keys that are tested on every row again.
    pub rechecked_constraints: Vec<String>,
    /// Views and others that make the server refuse the change.
    pub dependents: Vec<Dependent>,
    /// USING as it is written.
    pub using: Option<String>,
    /// Whether there is a default that has to be converted.
    pub has_default: bool,
    /// The identity or owned sequence behind it, quoted.
    pub sequence: Option<String>,
}

/// ALTER COLUMN … SET NOT NULL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetNotNull {
    /// The column.
    pub column: String,
    /// Whether it is there.
    pub is_there: bool,
    /// Whether it is so already.
    pub is_already: bool,
    /// A validated constraint that implies it, by the server's own proof.
    pub implied_by: Option<String>,
    /// A constraint that would imply it, were it validated.
    pub would_be_implied_by: Option<String>,
}

/// What a constraint is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConstraintType {
    /// CHECK.
    #[default]
    Check,
    /// FOREIGN KEY.
    ForeignKey,
    /// UNIQUE.
    Unique,
    /// PRIMARY KEY.
    PrimaryKey,
    /// EXCLUDE.
    Exclusion,
    /// NOT NULL as a constraint with a name, from 18 on.
    NotNull,
    /// A constraint trigger.
    Trigger,
}

/// UNIQUE or PRIMARY KEY USING INDEX.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UsingIndex {
    /// The index, quoted.
    pub index: String,
    /// Its columns that may hold NULL, which a primary key has to look for.
    pub nullable_columns: Vec<String>,
    /// Whether it is valid.
    pub is_valid: bool,
}

/// ADD CONSTRAINT, and constraints that stand in ADD COLUMN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddConstraint {
    /// What it is.
    pub constraint_type: ConstraintType,
    /// Its name; empty where the server chooses one.
    pub name: String,
    /// Whether the table has a constraint of that name.
    pub is_there: bool,
    /// NOT VALID.
    pub is_not_valid: bool,
    /// NOT ENFORCED, from 18 on.
    pub is_not_enforced: bool,
    /// Its columns, where it lists columns.
    pub columns: Vec<String>,
    /// Those of its columns that may hold NULL, for a primary key or NOT NULL.
    pub nullable_columns: Vec<String>,
    /// USING INDEX.
    pub using_index: Option<UsingIndex>,
    /// Of a foreign key.
    pub foreign_key: Option<ForeignKeyFacts>,
    /// A validated constraint by which no row has to be read, for NOT NULL.
    pub implied_by: Option<String>,
}

/// VALIDATE CONSTRAINT.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValidateConstraint {
    /// The constraint.
    pub name: String,
    /// What it is; `None` where there is none of that name.
    pub constraint_type: Option<ConstraintType>,
    /// Whether it is valid already.
    pub is_already: bool,
    /// Of a foreign key: the table to which it points.
    pub referenced: Option<Touched>,
}

/// DROP CONSTRAINT.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DropConstraint {
    /// The constraint.
    pub name: String,
    /// What it is; `None` where there is none of that name.
    pub constraint_type: Option<ConstraintType>,
    /// Of a foreign key: the table to which it points, which is locked, too.
    pub referenced: Option<Touched>,
    /// CASCADE.
    pub is_cascade: bool,
    /// Its definition as the server writes it; for the way back.
    pub definition: String,
    /// Foreign keys that stand on it.
    pub dependents: Vec<Dependent>,
}

/// ATTACH PARTITION.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttachPartition {
    /// The table that becomes a partition; `None` where it is not there.
    pub partition: Option<Touched>,
    /// Whether a validated constraint shows that all its rows fit.
    pub is_implied: bool,
    /// The condition that every row has to meet, as SQL: what a CHECK constraint has to say.
    pub condition: Option<String>,
    /// The parent's default partition.
    pub default_partition: Option<Touched>,
    /// Whether a validated constraint shows that it has no row for the new one.
    pub default_is_excluded: bool,
    /// The condition that every row of the default partition has to meet then, as SQL.
    pub default_condition: Option<String>,
}

/// Which triggers are enabled or disabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerScope {
    /// One.
    Named(String),
    /// ALL: those that keep foreign keys, too.
    All,
    /// USER.
    User,
}

/// A sub-command.
#[derive(Clone, Debug, PartialEq)]
pub enum Alteration {
    /// ADD COLUMN.
    AddColumn(AddColumn),
    /// DROP COLUMN.
    DropColumn(DropColumn),
    /// ALTER COLUMN TYPE.
    ColumnType(TypeChange),
    /// SET NOT NULL.
    SetNotNull(SetNotNull),
    /// DROP NOT NULL.
    DropNotNull {
        /// The column.
        column: String,
    },
    /// SET DEFAULT or DROP DEFAULT.
    ColumnDefault {
        /// The column.
        column: String,
        /// The expression as it is written; `None` for DROP.
        expression: Option<String>,
    },
    /// SET EXPRESSION of a generated column.
    SetExpression {
        /// The column.
        column: String,
        /// Whether it is stored, so that every row is written.
        is_stored: bool,
    },
    /// ADD GENERATED … AS IDENTITY, SET GENERATED, DROP IDENTITY, DROP EXPRESSION.
    Identity {
        /// The column.
        column: String,
    },
    /// ADD CONSTRAINT.
    AddConstraint(AddConstraint),
    /// VALIDATE CONSTRAINT.
    ValidateConstraint(ValidateConstraint),
    /// ALTER CONSTRAINT.
    AlterConstraint {
        /// The constraint.
        name: String,
        /// ENFORCED, where it was not, from 18 on.
        becomes_enforced: bool,
    },
    /// DROP CONSTRAINT.
    DropConstraint(DropConstraint),
    /// SET LOGGED or SET UNLOGGED.
    SetPersistence {
        /// LOGGED.
        is_logged: bool,
        /// Whether it is so already.
        is_already: bool,
    },
    /// SET ACCESS METHOD.
    SetAccessMethod {
        /// The method.
        method: String,
        /// Whether it is so already.
        is_already: bool,
    },
    /// SET TABLESPACE.
    SetTablespace {
        /// The tablespace.
        tablespace: String,
        /// Whether it is so already.
        is_already: bool,
    },
    /// ATTACH PARTITION.
    AttachPartition(AttachPartition),
    /// DETACH PARTITION.
    DetachPartition {
        /// The partition; `None` where it is not there.
        partition: Option<Touched>,
        /// CONCURRENTLY.
        is_concurrent: bool,
        /// FINALIZE.
        is_finalize: bool,
        /// Whether the parent has a default partition, with which CONCURRENTLY is refused.
        has_default: bool,
    },
    /// ENABLE or DISABLE TRIGGER.
    Trigger {
        /// Which.
        scope: TriggerScope,
        /// ENABLE, in any of its forms.
        is_enabled: bool,
    },
    /// ENABLE, DISABLE, FORCE or NO FORCE ROW LEVEL SECURITY.
    RowSecurity {
        /// ENABLE or FORCE.
        is_enabled: bool,
        /// How many policies the table has.
        policies: u32,
    },
    /// INHERIT or NO INHERIT, OF or NOT OF.
    Inheritance,
    /// OWNER TO.
    Owner,
    /// REPLICA IDENTITY.
    ReplicaIdentity,
    /// ENABLE or DISABLE RULE.
    Rule,
    /// SET STATISTICS, SET (…), CLUSTER ON and the like: nobody waits long, nothing is read.
    Harmless {
        /// The words of the sub-command.
        name: &'static str,
    },
    /// A sub-command of a composite type with CASCADE: typed tables are written anew.
    TypedTables {
        /// The tables.
        tables: Vec<Touched>,
        /// Whether their rows are written anew.
        rewrites: bool,
    },
    /// What this version of dbmastery does not know.
    Unknown {
        /// The server's number of the sub-command.
        number: i32,
    },
}
