//! Roles, memberships and grants.

use super::{Moment, Oid};

/// A role.
#[derive(Clone, Debug, Default)]
pub struct Role {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
    /// SUPERUSER.
    pub is_superuser: bool,
    /// INHERIT.
    pub inherits: bool,
    /// CREATEROLE.
    pub creates_roles: bool,
    /// CREATEDB.
    pub creates_databases: bool,
    /// LOGIN.
    pub logs_in: bool,
    /// REPLICATION.
    pub replicates: bool,
    /// BYPASSRLS.
    pub bypasses_row_security: bool,
    /// CONNECTION LIMIT, -1 for none.
    pub connection_limit: i32,
    /// VALID UNTIL of the password.
    pub valid_until: Option<Moment>,
}

/// `role` is granted to `member`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Membership {
    /// The granted role.
    pub role: Oid,
    /// Who has it.
    pub member: Oid,
    /// WITH ADMIN OPTION.
    pub is_admin: bool,
    /// Who gave it.
    pub grantor: Oid,
    /// WITH INHERIT; until 15 what the member is created with.
    pub inherits: bool,
    /// WITH SET; until 15 always.
    pub sets: bool,
}

/// A set of privileges, in the bits of `AclMode`.
pub type Privileges = u64;

/// One item of an access control list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Who has the privileges; 0 is PUBLIC.
    pub grantee: Oid,
    /// Who gave them.
    pub grantor: Oid,
    /// Which; the upper half says which WITH GRANT OPTION.
    pub privileges: Privileges,
}

/// What `ALTER ROLE … SET` and `ALTER DATABASE … SET` have set.
#[derive(Clone, Debug, Default)]
pub struct RoleSetting {
    /// The role, 0 for all.
    pub role: Oid,
    /// Whether it holds in this database only, rather than in all.
    pub is_for_database: bool,
    /// `name=value`, one each.
    pub settings: Box<[Box<str>]>,
}

impl RoleSetting {
    /// The value that it gives a setting.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.settings
            .iter()
            .find_map(|setting| setting.split_once('=').filter(|(own, _)| *own == name))
            .map(|pair| pair.1)
    }
}
