//! What goes away, and what stands on it.

/// Something that depends on what a change removes, renames or retypes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependent {
    /// `view`, `materialized view`, `function`, `policy`, `index`, `foreign key`, `generated column`, `publication` …
    pub kind: &'static str,
    /// As the server describes it, quoted.
    pub name: String,
    /// Whether DROP … CASCADE would drop it, too. A function whose text mentions the name only breaks.
    pub is_dropped_by_cascade: bool,
}

/// A statement that pg_stat_statements or the capture counted and that uses what goes away.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentUse {
    /// The beginning of its text.
    pub query: String,
    /// How often it ran.
    pub calls: i64,
}

/// ALTER TABLE … DROP COLUMN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DropColumn {
    /// The column.
    pub column: String,
    /// Whether it is there.
    pub is_there: bool,
    /// CASCADE.
    pub is_cascade: bool,
    /// Its type as SQL; for the way back.
    pub type_name: String,
    /// What stands on it.
    pub dependents: Vec<Dependent>,
    /// Who used it lately.
    pub recent_uses: Vec<RecentUse>,
}

impl DropObject {
    /// An object that is there, of which nothing else is known.
    pub fn new(kind: DroppedKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            is_there: true,
            is_concurrent: false,
            is_cascade: false,
            constraint: None,
            referenced: Vec::new(),
            dependents: Vec::new(),
            recent_uses: Vec::new(),
        }
    }
}

/// What DROP removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DroppedKind {
    /// A table, also a foreign one.
    Table,
    /// A view.
    View,
    /// A materialised view.
    MaterializedView,
    /// A sequence.
    Sequence,
    /// An index.
    Index,
    /// A type or a domain.
    Type,
    /// A function, procedure or aggregate.
    Function,
    /// A trigger.
    Trigger,
    /// A rule or a row-level security policy.
    RuleOrPolicy,
    /// A schema.
    Schema,
    /// An extension.
    Extension,
    /// A database.
    Database,
    /// All that a role owns: DROP OWNED.
    Owned,
    /// Anything else.
    Other,
}

/// One object of a DROP.
#[derive(Clone, Debug, PartialEq)]
pub struct DropObject {
    /// What it is.
    pub kind: DroppedKind,
    /// Its name, quoted, as far as it can be resolved.
    pub name: String,
    /// Whether it is there; IF EXISTS makes the rest a no-op.
    pub is_there: bool,
    /// DROP INDEX CONCURRENTLY.
    pub is_concurrent: bool,
    /// CASCADE.
    pub is_cascade: bool,
    /// For an index: the constraint which owns it, so that only the constraint can be dropped.
    pub constraint: Option<String>,
    /// For a table: the tables to which its foreign keys point, which are locked, too.
    pub referenced: Vec<String>,
    /// What stands on it; for a schema or DROP OWNED, what is in it.
    pub dependents: Vec<Dependent>,
    /// Who used it lately.
    pub recent_uses: Vec<RecentUse>,
}
