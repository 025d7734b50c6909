//! Who is tried, as the document has it that `pg::tenancy` asks for; the tables are those of [`crate::catalog::surroundings`].

use serde::Deserialize;

use crate::catalog::Oid;

pub use crate::catalog::surroundings::*;

/// A role that is tried.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Role {
    /// Its OID.
    pub oid: Oid,
    /// Its name, quoted.
    pub name: String,
    /// Whether it is a superuser or has BYPASSRLS.
    pub passes: bool,
    /// Whether it may set `dbm.tenant` as a setting.
    pub may_set: bool,
    /// Whether it has the owner's rights.
    pub owns: bool,
    /// TRUNCATE, REFERENCES, TRIGGER and what else of the table it has, by whatever way.
    pub privileges: Vec<String>,
    /// The views that it can read.
    pub views: Vec<Oid>,
    /// The partitions on which it has rights.
    pub partitions: Vec<Oid>,
    /// The functions that it can call.
    pub functions: Vec<Oid>,
    /// The columns that it may change.
    pub updates: Vec<String>,
    /// Whether it was granted nothing itself, and has all of it by being in other roles.
    #[serde(skip)]
    pub is_member: bool,
}
