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
    /// A role with the owner's rights that it can become by SET ROLE, quoted.
    pub becomes_owner: Option<String>,
    /// A role to which no policy applies, with rights on the table, that it can become by SET ROLE, quoted.
    pub becomes_passing: Option<String>,
    /// Such a role that it can grant to itself, quoted.
    pub grants_itself: Option<String>,
    /// The search_path with which its sessions begin, where something but the server's own says so.
    pub search_path: Option<String>,
    /// TRUNCATE, REFERENCES, TRIGGER and what else of the table it has, by whatever way.
    pub privileges: Vec<String>,
    /// The views that it can read.
    pub views: Vec<Oid>,
    /// The columns that it can read of each view.
    pub view_columns: Vec<ViewColumns>,
    /// The partitions on which it has rights.
    pub partitions: Vec<Oid>,
    /// TRUNCATE, REFERENCES and TRIGGER that it has on partitions.
    pub on_partitions: Vec<OnPartition>,
    /// The functions that it can call.
    pub functions: Vec<Oid>,
    /// The columns that it may change.
    pub updates: Vec<String>,
    /// Whether it was granted nothing itself, and has all of it by being in other roles.
    #[serde(skip)]
    pub is_member: bool,
}

/// What of a view a role can read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ViewColumns {
    /// The view.
    pub view: Oid,
    /// Its columns.
    pub columns: Vec<String>,
}

/// A privilege of a role on a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct OnPartition {
    /// The partition.
    pub partition: Oid,
    /// Which.
    pub privilege: String,
}
