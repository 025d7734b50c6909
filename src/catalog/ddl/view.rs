//! A view that stands on a column: what makes it anew as it is.

use serde::Deserialize;

use super::shape::PartShape;

/// What [`ViewShape::rights`] is, of a view `c` in pg_class, to be asked with nothing but `pg_catalog` to look names up in.
pub const VIEW_RIGHTS: &str = "md5(concat_ws('|', c.relacl::text, c.reloptions::text, pg_get_userbyid(c.relowner), \
                               (SELECT string_agg(a.attname || a.attacl::text, '|' ORDER BY a.attnum) \
                               FROM pg_attribute a WHERE a.attrelid = c.oid)))";

/// A column of a view.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ViewColumn {
    /// Its name.
    pub name: String,
    /// Its comment.
    pub comment: Option<String>,
    /// Its default, which INSERTs through the view get.
    pub default: Option<String>,
    /// Privileges on this column alone: what, to whom (quoted), whether with grant option.
    pub privileges: Vec<(String, String, bool)>,
}

/// A view.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ViewShape {
    /// Schema and name, quoted.
    pub name: String,
    /// `pg_class.relkind`: `v` or `m`.
    pub kind: char,
    /// Its query, as the server writes it.
    pub definition: String,
    /// Its options, as WITH takes them; empty for none.
    pub options: String,
    /// Its owner, quoted.
    pub owner: String,
    /// Whether whoever asks has the owner's rights.
    pub owned_here: bool,
    /// What its privileges, options and owner come to, by which a change of them is seen.
    pub rights: String,
    /// Its comment.
    pub comment: Option<String>,
    /// Its columns, in order.
    pub columns: Vec<ViewColumn>,
    /// Whether its owner's privileges are others than owners have.
    pub has_own_acl: bool,
    /// Privileges on it: what, to whom (quoted), whether with grant option.
    pub privileges: Vec<(String, String, bool)>,
    /// Roles, quoted, to whom default privileges would give something on a new one.
    pub given_by_default: Vec<String>,
    /// Rules but that of its query.
    pub rules: Vec<PartShape>,
    /// Triggers.
    pub triggers: Vec<PartShape>,
    /// Security labels: provider and label.
    pub labels: Vec<(String, String)>,
    /// What else stands on it and is no view, for people.
    pub others: Vec<String>,
}

impl ViewShape {
    /// Whether it holds rows of its own.
    pub fn is_materialized(&self) -> bool {
        self.kind == 'm'
    }
}
