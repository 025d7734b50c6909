//! Triggers, functions, policies, publications and extended statistics.

use super::{ColumnNumber, Grant, Oid};

/// When a trigger fires (`pg_trigger.tgenabled`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TriggerState {
    /// In origin and local mode.
    #[default]
    Origin,
    /// Always.
    Always,
    /// On replicas only.
    Replica,
    /// Never.
    Disabled,
}

impl TriggerState {
    /// What ALTER … TRIGGER says to bring it about.
    pub fn action(self) -> &'static str {
        match self {
            Self::Origin => "ENABLE",
            Self::Always => "ENABLE ALWAYS",
            Self::Replica => "ENABLE REPLICA",
            Self::Disabled => "DISABLE",
        }
    }
}

/// A trigger.
#[derive(Clone, Debug, Default)]
pub struct Trigger {
    /// Its OID.
    pub oid: Oid,
    /// Its table.
    pub table: Oid,
    /// Its name.
    pub name: Box<str>,
    /// The function it calls.
    pub function: Oid,
    /// When it fires.
    pub state: TriggerState,
    /// Whether the server made it to enforce a constraint.
    pub is_internal: bool,
    /// That constraint, 0 if none.
    pub constraint: Oid,
    /// `pg_trigger.tgtype`: level, moment and events as bits.
    pub kind: i16,
}

/// An event trigger.
#[derive(Clone, Debug, Default)]
pub struct EventTrigger {
    /// Its name.
    pub name: Box<str>,
    /// When it fires.
    pub state: TriggerState,
    /// Its function.
    pub function: Oid,
}

/// How freely a function's calls may be folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Volatility {
    /// IMMUTABLE.
    Immutable,
    /// STABLE.
    Stable,
    /// VOLATILE.
    #[default]
    Volatile,
}

/// What `pg_proc.prokind` says it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FunctionKind {
    /// A function.
    #[default]
    Function,
    /// A procedure.
    Procedure,
    /// An aggregate.
    Aggregate,
    /// A window function.
    Window,
}

/// A function, procedure or aggregate outside the system schemas.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
    /// Its schema.
    pub schema: Oid,
    /// The owning role.
    pub owner: Oid,
    /// Its language.
    pub language: Oid,
    /// What it is.
    pub kind: FunctionKind,
    /// SECURITY DEFINER.
    pub is_security_definer: bool,
    /// LEAKPROOF.
    pub is_leakproof: bool,
    /// Its volatility.
    pub volatility: Volatility,
    /// What it returns.
    pub return_type: Oid,
    /// The types of its input arguments.
    pub argument_types: Box<[Oid]>,
    /// Its own settings, `name=value`.
    pub settings: Box<[Box<str>]>,
    /// Its privileges; `None` means the built-in default.
    pub acl: Option<Box<[Grant]>>,
}

/// A row-level security policy.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
    /// Its table.
    pub table: Oid,
    /// `r`, `a`, `w`, `d` or `*`, as `pg_policy.polcmd`.
    pub command: char,
    /// PERMISSIVE rather than RESTRICTIVE.
    pub is_permissive: bool,
    /// The roles it binds; 0 is PUBLIC.
    pub roles: Box<[Oid]>,
    /// Whether it has USING.
    pub has_using: bool,
    /// Whether it has WITH CHECK.
    pub has_with_check: bool,
}

/// A publication of logical replication.
#[derive(Clone, Debug, Default)]
pub struct Publication {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
    /// FOR ALL TABLES.
    pub is_for_all_tables: bool,
    /// Publishes UPDATE.
    pub publishes_update: bool,
    /// Publishes DELETE.
    pub publishes_delete: bool,
    /// The tables named in it.
    pub tables: Vec<Oid>,
    /// The schemas named in it.
    pub schemas: Vec<Oid>,
}

/// A functional dependency measured by ANALYZE: the determining columns, the determined one, and its degree 0 to 1.
pub type Dependencies = Vec<(Box<[ColumnNumber]>, ColumnNumber, f64)>;

/// A statistics object made by CREATE STATISTICS.
#[derive(Clone, Debug, Default)]
pub struct ExtendedStatistics {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
    /// Its table.
    pub table: Oid,
    /// Its columns.
    pub columns: Box<[ColumnNumber]>,
    /// What ANALYZE measured, empty when it has not yet.
    pub dependencies: Dependencies,
}
