//! `pg_constraint`, row by row.

use pgrx::pg_sys;

use crate::pg::ddl::cache;
use crate::pg::scan::{CatalogScan, text_of_name};

const CONSTRAINT: u32 = 2606;
/// `pg_constraint_conrelid_contypid_conname_index`.
const BY_RELATION: u32 = 2665;
/// `pg_constraint_contypid_index`.
const BY_TYPE: u32 = 2666;

// The attribute numbers of the two keys, which moved with 18.
#[cfg(not(feature = "pg18"))]
const RELATION: pg_sys::AttrNumber = 8;
#[cfg(feature = "pg18")]
const RELATION: pg_sys::AttrNumber = 9;
const DOMAIN: pg_sys::AttrNumber = RELATION + 1;

/// The fixed part of the catalog, as far as it is of use here.
#[repr(C)]
struct Form {
    oid: pg_sys::Oid,
    name: pg_sys::NameData,
    schema: pg_sys::Oid,
    kind: u8,
    is_deferrable: bool,
    is_deferred: bool,
    #[cfg(feature = "pg18")]
    is_enforced: bool,
    is_validated: bool,
    relation: pg_sys::Oid,
    domain: pg_sys::Oid,
    index: pg_sys::Oid,
    parent: pg_sys::Oid,
    referenced: pg_sys::Oid,
}

/// A constraint.
#[derive(Clone, Debug)]
pub struct Constraint {
    pub oid: pg_sys::Oid,
    pub name: String,
    /// Its letter in the catalog.
    pub kind: u8,
    pub is_validated: bool,
    /// The table; 0 for one of a domain.
    pub relation: pg_sys::Oid,
    /// The table to which a foreign key points; 0 for others.
    pub referenced: pg_sys::Oid,
}

impl Form {
    fn copied(&self) -> Constraint {
        Constraint {
            oid: self.oid,
            name: text_of_name(&self.name).into(),
            kind: self.kind,
            is_validated: self.is_validated,
            relation: self.relation,
            referenced: self.referenced,
        }
    }
}

/// By its OID.
pub fn get(oid: pg_sys::Oid) -> Option<Constraint> {
    // SAFETY: the struct is the layout of the fixed part.
    unsafe { cache::form(pg_sys::SysCacheIdentifier::CONSTROID, oid, Form::copied) }
}

/// Those of a table.
pub fn of_relation(relation: pg_sys::Oid) -> Vec<Constraint> {
    scan(BY_RELATION, RELATION, relation)
}

/// Those of a domain.
pub fn of_domain(domain: pg_sys::Oid) -> Vec<Constraint> {
    scan(BY_TYPE, DOMAIN, domain)
}

/// The tables to which foreign keys of a table point, itself apart, each once.
pub fn referenced_by(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let mut found = Vec::new();
    for constraint in of_relation(relation) {
        if constraint.kind == b'f'
            && constraint.referenced != relation
            && !found.contains(&constraint.referenced)
        {
            found.push(constraint.referenced);
        }
    }
    found
}

fn scan(index: u32, attribute: pg_sys::AttrNumber, key: pg_sys::Oid) -> Vec<Constraint> {
    let mut scan = CatalogScan::keyed(CONSTRAINT, index, &[(attribute, key.to_u32())]);
    let mut found = Vec::new();
    // SAFETY: the struct is the layout of the fixed part.
    while let Some(form) = unsafe { scan.next_struct::<Form>() } {
        found.push(form.copied());
    }
    found
}
