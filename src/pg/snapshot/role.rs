//! `pg_authid` (never the password), `pg_auth_members` and `pg_db_role_setting`.

use pgrx::pg_sys;
use rustc_hash::FxHashSet;

use crate::catalog::{Membership, Oid, Role, RoleSetting, Snapshot};
use crate::pg::moment::from_timestamp;
use crate::pg::scan::CatalogScan;

const AUTH_MEMBERS: u32 = 1261;
const ROLE_SETTING: u32 = 2964;

/// Reads roles and who is in them; all of it is public in `pg_roles` and `pg_auth_members`.
pub fn read(snapshot: &mut Snapshot) {
    let mut scan = CatalogScan::open(pg_sys::AuthIdRelationId.to_u32());
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"rolname");
    let is_superuser = scan.attribute(c"rolsuper");
    let inherits = scan.attribute(c"rolinherit");
    let creates_roles = scan.attribute(c"rolcreaterole");
    let creates_databases = scan.attribute(c"rolcreatedb");
    let logs_in = scan.attribute(c"rolcanlogin");
    let replicates = scan.attribute(c"rolreplication");
    let bypasses = scan.attribute(c"rolbypassrls");
    let connection_limit = scan.attribute(c"rolconnlimit");
    let valid_until = scan.attribute(c"rolvaliduntil");
    while let Some(row) = scan.next_row() {
        snapshot.roles.push(Role {
            oid: row.oid(oid),
            name: row.name(name),
            is_superuser: row.bool(is_superuser),
            inherits: row.bool(inherits),
            creates_roles: row.bool(creates_roles),
            creates_databases: row.bool(creates_databases),
            logs_in: row.bool(logs_in),
            replicates: row.bool(replicates),
            bypasses_row_security: row.bool(bypasses),
            connection_limit: row.int4(connection_limit),
            valid_until: row.int8(valid_until).map(from_timestamp),
        });
    }
    drop(scan);

    let mut scan = CatalogScan::open(AUTH_MEMBERS);
    let role = scan.attribute(c"roleid");
    let member = scan.attribute(c"member");
    let is_admin = scan.attribute(c"admin_option");
    let grantor = scan.attribute(c"grantor");
    // Both are properties of the membership from 16 on; before, of the member, and nobody could be kept from SET ROLE.
    let (inherits, sets) = (scan.find(c"inherit_option"), scan.find(c"set_option"));
    let inheriting: FxHashSet<Oid> =
        snapshot.roles.iter().filter(|role| role.inherits).map(|role| role.oid).collect();
    while let Some(row) = scan.next_row() {
        let member = row.oid(member);
        snapshot.memberships.push(Membership {
            role: row.oid(role),
            member,
            is_admin: row.bool(is_admin),
            grantor: row.oid(grantor),
            inherits: inherits.map_or_else(|| inheriting.contains(&member), |option| row.bool(option)),
            sets: sets.is_none_or(|option| row.bool(option)),
        });
    }
    drop(scan);

    // SAFETY: a constant of this backend.
    let here = unsafe { pg_sys::MyDatabaseId.to_u32() };
    let mut scan = CatalogScan::open(ROLE_SETTING);
    let database = scan.attribute(c"setdatabase");
    let role = scan.attribute(c"setrole");
    let settings = scan.attribute(c"setconfig");
    while let Some(row) = scan.next_row() {
        if row.oid(database) == 0 || row.oid(database) == here {
            snapshot.role_settings.push(RoleSetting {
                role: row.oid(role),
                is_for_database: row.oid(database) == here,
                settings: row.text_array(settings),
            });
        }
    }
}
