//! What guards the data, beyond what the other facts hold: who may come in, what each object grants, what leaves the server.
//!
//! Read for the audit alone. What the caller may not see is `None`, which no rule takes for nothing.

mod expression;
mod hba;
mod object;
mod own_schema;
mod policy;

pub use expression::{ExpressionKind, KeptExpression};
pub use hba::{HbaAddress, HbaConnection, HbaLine};
pub use object::{ObjectKind, Protected, ProtectedColumn, privilege};
pub use own_schema::OwnSchema;
pub use policy::{CalledFunction, PolicyExpression, PolicyText, are_to_be_printed};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{ColumnNumber, Grant, Oid, Setting};

/// How a role's password is kept; never the password itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// As an MD5 hash of password and name.
    Md5,
    /// By SCRAM-SHA-256, with that many rounds.
    Scram(u32),
    /// In some other form.
    Other,
}

/// A language in which functions are written.
#[derive(Clone, Debug, Default)]
pub struct Language {
    /// Its name.
    pub name: Box<str>,
    /// Whether functions in it keep to the rights of SQL.
    pub is_trusted: bool,
}

/// What new objects will grant.
#[derive(Clone, Debug, Default)]
pub struct DefaultAcl {
    /// Whose new objects.
    pub role: Oid,
    /// In which schema, 0 for all.
    pub schema: Oid,
    /// Of which kind: `r` tables, `S` sequences, `f` functions, `T` types, `n` schemas, `L` large objects.
    pub kind: char,
    /// The privileges.
    pub acl: Box<[Grant]>,
}

/// A function of the server whose privileges somebody changed.
#[derive(Clone, Debug, Default)]
pub struct SystemFunction {
    /// `name(types)`, quoted.
    pub signature: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its privileges.
    pub acl: Box<[Grant]>,
}

/// With what a role logs in at a foreign server.
#[derive(Clone, Debug, Default)]
pub struct UserMapping {
    /// The foreign server.
    pub server: Box<str>,
    /// The role, 0 for PUBLIC.
    pub role: Oid,
    /// Whether it holds a password.
    pub has_password: bool,
    /// Whether it lets a role in that gives no password of its own.
    pub password_not_required: bool,
}

/// A subscription of logical replication of this database.
#[derive(Clone, Debug, Default)]
pub struct Subscription {
    /// Its name.
    pub name: Box<str>,
    /// Whether its connection string holds a password.
    pub has_password: bool,
}

/// A table in a publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishedTable {
    /// The publication.
    pub publication: Oid,
    /// The table.
    pub table: Oid,
    /// Whether only some rows are published.
    pub has_row_filter: bool,
    /// The columns that are published, where not all are.
    pub columns: Vec<ColumnNumber>,
}

/// Everything that only rules of security ask for.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// The database: its owner and privileges.
    pub database: Protected,
    /// How each role's password is kept, of those that have one; `None` where the caller may not know.
    pub passwords: Option<FxHashMap<Oid, Password>>,
    /// The lines of pg_hba.conf in order; `None` where the caller may not read them.
    pub hba: Option<Vec<HbaLine>>,
    /// Default privileges.
    pub default_acls: Vec<DefaultAcl>,
    /// Languages by OID.
    pub languages: FxHashMap<Oid, Language>,
    /// Functions whose body was parsed when they were made, so that no search_path changes its meaning.
    pub parsed_functions: FxHashSet<Oid>,
    /// `(name, number of arguments)` of the server's own functions.
    pub system_names: FxHashSet<(Box<str>, usize)>,
    /// Functions of the server with privileges of their own.
    pub system_functions: Vec<SystemFunction>,
    /// Settings that somebody was granted, with their privileges.
    pub parameters: Vec<(Box<str>, Box<[Grant]>)>,
    /// User mappings; `None` where the caller may not see what they hold.
    pub user_mappings: Option<Vec<UserMapping>>,
    /// Subscriptions; `None` where the caller may not see their connection strings.
    pub subscriptions: Option<Vec<Subscription>>,
    /// Tables in publications.
    pub published: Vec<PublishedTable>,
    /// What each view reads: `(view, relation)`.
    pub views: FxHashSet<(Oid, Oid)>,
    /// Expressions of relations and types that call a function of some role that is no superuser.
    pub expressions: Vec<KeptExpression>,
    /// The expressions of policies, by policy.
    pub policies: FxHashMap<Oid, PolicyExpression>,
    /// The server's settings that matter here, by name; those that the caller may not see are left out.
    pub settings: FxHashMap<Box<str>, Setting>,
}
