//! Where the names of a query stand whose `search_path` nobody noted.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::foreign::role_name;
use super::list;
use super::trust::{acts_as, is_powerful};
use crate::catalog::{Grant, Oid};
use crate::pg::encoding;
use crate::pg::scan::CatalogScan;

/// `pg_db_role_setting`.
const ROLE_SETTING: u32 = 2964;

/// What the server uses where nobody set anything.
const BUILT_IN: &str = "\"$user\", public";

/// The path with which a session of that role would begin here: what ALTER ROLE and ALTER DATABASE say, the more
/// special first.
pub fn default_of(role: pg_sys::Oid) -> String {
    // SAFETY: the database that this session is in.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    let mut scan = CatalogScan::open(ROLE_SETTING);
    let (of_database, of_role) = (scan.attribute(c"setdatabase"), scan.attribute(c"setrole"));
    let settings = scan.attribute(c"setconfig");
    let mut best: Option<(u8, String)> = None;
    while let Some(row) = scan.next_row() {
        let rank = match (row.oid(of_database), row.oid(of_role)) {
            (found, owner) if found == database && owner == role.to_u32() => 4,
            (0, owner) if owner == role.to_u32() => 3,
            (found, 0) if found == database => 2,
            (0, 0) => 1,
            _ => continue,
        };
        let entries = row.text_array(settings);
        let path = entries.iter().find_map(|entry| entry.strip_prefix("search_path="));
        if let Some(path) = path.filter(|_| best.as_ref().is_none_or(|(known, _)| *known < rank)) {
            best = Some((rank, path.to_owned()));
        }
    }
    best.map_or_else(|| BUILT_IN.to_owned(), |(_, path)| path)
}

/// A path without schemas in which strangers could have put a function of the name that a query means.
pub struct Trusted {
    /// The path.
    pub path: String,
    /// A sentence about what was left out.
    pub left_out: Option<String>,
}

/// One schema and who may create in it.
struct Schema {
    oid: Oid,
    name: String,
    owner: Oid,
    grants: Option<Box<[Grant]>>,
}

/// The path in force without the schemas in which others than their owner may create objects: with the author's rights
/// we would run what they put there. For one who could do anything to the server, the owner is such another, too.
pub fn without_strangers(role: pg_sys::Oid) -> Trusted {
    // SAFETY: a list of OIDs of the schemas in the path that exist.
    let wanted = list::oids(unsafe { pg_sys::fetch_search_path(false) });
    let schemas = schemas();
    let (mut path, mut left_out) = (Vec::new(), Vec::new());
    for oid in wanted {
        let Some(schema) = schemas.iter().find(|schema| schema.oid == oid.to_u32()) else { continue };
        match stranger(schema, role) {
            None => path.push(schema.name.clone()),
            Some(who) => left_out.push(format!(
                "The search_path of the query is not known, and schema {} was left out of it because {who} may create objects there.",
                schema.name
            )),
        }
    }
    Trusted { path: path.join(", "), left_out: (!left_out.is_empty()).then(|| left_out.join(" ")) }
}

fn schemas() -> Vec<Schema> {
    let mut scan = CatalogScan::open(pg_sys::NamespaceRelationId.to_u32());
    let (oid, name) = (scan.attribute(c"oid"), scan.attribute(c"nspname"));
    let (owner, acl) = (scan.attribute(c"nspowner"), scan.attribute(c"nspacl"));
    let mut found = Vec::new();
    while let Some(row) = scan.next_row() {
        found.push(Schema {
            oid: row.oid(oid),
            name: quoted(&row.name(name)),
            owner: row.oid(owner),
            grants: row.acl(acl),
        });
    }
    found
}

fn quoted(name: &str) -> String {
    let name = super::analysis::server_text(name);
    // SAFETY: a C string; the answer is one too.
    let quoted = unsafe { CStr::from_ptr(pg_sys::quote_identifier(name.as_ptr())) };
    encoding::from_server(quoted.to_bytes()).into_owned()
}

/// Somebody who may create objects in the schema and is not to be trusted by that role.
fn stranger(schema: &Schema, role: pg_sys::Oid) -> Option<String> {
    let owner = real_owner(schema.owner);
    if is_powerful(role) && !acts_as(owner, role) {
        return Some(role_name(owner));
    }
    let create = u64::from(pg_sys::ACL_CREATE);
    schema.grants.iter().flatten().filter(|grant| grant.privileges & create != 0).find_map(|grant| {
        let grantee = pg_sys::Oid::from(grant.grantee);
        if grant.grantee == 0 {
            return Some("everybody".to_owned());
        }
        let grantee = real_owner(grantee.to_u32());
        (grantee != owner && !acts_as(grantee, role)).then(|| role_name(grantee))
    })
}

/// The owner of the database stands for `pg_database_owner`.
fn real_owner(owner: Oid) -> pg_sys::Oid {
    let owner = pg_sys::Oid::from(owner);
    if owner != pg_sys::Oid::from(pg_sys::ROLE_PG_DATABASE_OWNER) {
        return owner;
    }
    let mut scan = CatalogScan::open(pg_sys::DatabaseRelationId.to_u32());
    let (oid, database_owner) = (scan.attribute(c"oid"), scan.attribute(c"datdba"));
    // SAFETY: the database that this session is in.
    let own = unsafe { pg_sys::MyDatabaseId }.to_u32();
    let mut found = owner;
    while let Some(row) = scan.next_row() {
        if row.oid(oid) == own {
            found = pg_sys::Oid::from(row.oid(database_owner));
        }
    }
    found
}
