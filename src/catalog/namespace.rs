//! Schemas and extensions.

use super::{Grant, Oid};

/// A schema.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
    /// The owning role.
    pub owner: Oid,
    /// Its privileges; `None` means the built-in default.
    pub acl: Option<Box<[Grant]>>,
}

impl Namespace {
    /// Whether the server itself owns what lives here: catalogs, TOAST and temporary schemas.
    pub fn is_system(&self) -> bool {
        matches!(&*self.name, "pg_catalog" | "information_schema" | "pg_toast")
            || self.name.starts_with("pg_toast_temp_")
            || self.name.starts_with("pg_temp_")
    }
}

/// An installed extension.
#[derive(Clone, Debug, Default)]
pub struct Extension {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
    /// The installed version.
    pub version: Box<str>,
    /// The version that CREATE EXTENSION would install now; `None` where its control file was not found.
    pub available: Option<Box<str>>,
    /// The schema that holds its objects.
    pub schema: Oid,
    /// The owning role.
    pub owner: Oid,
}
