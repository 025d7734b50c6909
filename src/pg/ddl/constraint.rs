//! Constraints, looked up without a lock.

use pgrx::pg_sys;

use crate::catalog::ddl::ConstraintType;
use crate::pg::definitions::while_locked;
use crate::pg::scan::{CatalogScan, in_scratch_memory, text_of_c_string};

/// `pg_constraint`.
pub const CONSTRAINT: u32 = 2606;
/// `pg_constraint_conrelid_contypid_conname_index`.
const BY_TABLE: u32 = 2665;
/// `pg_constraint_oid_index`.
const BY_OID: u32 = 2667;

/// A constraint of a table.
#[derive(Clone, Debug)]
pub struct Known {
    pub oid: u32,
    pub name: String,
    /// Its letter in `pg_constraint`.
    pub letter: char,
    pub table: u32,
    pub is_validated: bool,
    pub is_enforced: bool,
    pub columns: Vec<i16>,
    /// The index behind it; of a foreign key, the one of the referenced table.
    pub index: u32,
    /// Of a foreign key: the table to which it points.
    pub referenced: u32,
    /// The condition of a CHECK, as the server keeps it.
    pub condition: Option<Box<str>>,
}

impl Known {
    /// What it is.
    pub fn constraint_type(&self) -> ConstraintType {
        match self.letter {
            'f' => ConstraintType::ForeignKey,
            'u' => ConstraintType::Unique,
            'p' => ConstraintType::PrimaryKey,
            'x' => ConstraintType::Exclusion,
            'n' => ConstraintType::NotNull,
            't' => ConstraintType::Trigger,
            _ => ConstraintType::Check,
        }
    }
}

/// The constraints of a table, by name.
pub fn of_table(table: pg_sys::Oid) -> Vec<Known> {
    // SAFETY: the catalog has this attribute in every version, at another place from 18 on.
    let number = unsafe { pg_sys::get_attnum(pg_sys::Oid::from(CONSTRAINT), c"conrelid".as_ptr()) };
    read(CatalogScan::keyed(CONSTRAINT, BY_TABLE, &[(number, table.to_u32())]))
}

/// A constraint of a table by its name.
pub fn named(table: pg_sys::Oid, name: &str) -> Option<Known> {
    of_table(table).into_iter().find(|known| known.name == name)
}

/// A constraint by its OID.
pub fn of(constraint: u32) -> Option<Known> {
    read(CatalogScan::keyed(CONSTRAINT, BY_OID, &[(1, constraint)])).pop()
}

/// The foreign keys that point to a table. Reads all of `pg_constraint`, which has no index for that.
pub fn pointing_to(table: pg_sys::Oid) -> Vec<Known> {
    let mut known = read(CatalogScan::keyed(CONSTRAINT, BY_OID, &[]));
    known.retain(|known| known.letter == 'f' && known.referenced == table.to_u32());
    known
}

fn read(mut scan: CatalogScan) -> Vec<Known> {
    let (oid, name, letter) =
        (scan.attribute(c"oid"), scan.attribute(c"conname"), scan.attribute(c"contype"));
    let (table, index) = (scan.attribute(c"conrelid"), scan.attribute(c"conindid"));
    let (is_validated, is_enforced) = (scan.attribute(c"convalidated"), scan.find(c"conenforced"));
    let columns = scan.attribute(c"conkey");
    let (referenced, condition) = (scan.attribute(c"confrelid"), scan.attribute(c"conbin"));
    let mut found = Vec::new();
    while let Some(row) = scan.next_row() {
        found.push(Known {
            oid: row.oid(oid),
            name: row.name(name).into(),
            letter: row.char(letter),
            table: row.oid(table),
            is_validated: row.bool(is_validated),
            is_enforced: is_enforced.is_none_or(|attribute| row.bool(attribute)),
            columns: row.int2_array(columns),
            index: row.oid(index),
            referenced: row.oid(referenced),
            condition: row.text(condition),
        });
    }
    found
}

/// Its definition as the server writes it; `None` where its table is locked, since the server would wait for it.
pub fn definition(known: &Known) -> Option<String> {
    while_locked(known.table, || {
        of(known.oid)?;
        // SAFETY: the constraint exists and cannot go while its table is locked; the function takes one OID.
        in_scratch_memory(|| unsafe {
            let definition = pg_sys::OidFunctionCall1Coll(
                pg_sys::F_PG_GET_CONSTRAINTDEF_OID,
                pg_sys::InvalidOid,
                pg_sys::Datum::from(pg_sys::Oid::from(known.oid)),
            );
            text_of_c_string(pg_sys::text_to_cstring(definition.cast_mut_ptr()))
        })
        .map(String::from)
    })
}
