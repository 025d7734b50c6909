//! What stands on a column, by `pg_depend`.

use pgrx::pg_sys;

use super::cache::{class, relation_name};
use super::column;
use super::constraint;
use crate::catalog::ddl::Dependent;
use crate::pg::scan::{CatalogScan, in_scratch_memory, text_of_c_string};
use crate::text::identifier::quote_qualified;

const DEPEND: u32 = 2608;
/// `pg_depend_reference_index`.
const DEPEND_BY_REFERENCE: u32 = 2674;
const ATTRIBUTE_DEFAULT: u32 = 2604;
const REWRITE: u32 = 2618;
/// `pg_rewrite_oid_index`.
const REWRITE_BY_OID: u32 = 2692;
const POLICY: u32 = 3256;
const PUBLICATION_RELATION: u32 = 6106;
const EXTENDED_STATISTICS: u32 = 3381;

/// An entry of `pg_depend`.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The catalog of what depends.
    pub class: u32,
    /// What depends.
    pub object: u32,
    /// A column of it, or 0.
    pub column: i32,
    /// The column on which it depends, or 0.
    pub on_column: i32,
    /// How, by its letter.
    pub letter: char,
}

/// What depends on a relation or on any of its columns.
pub fn entries(relation: pg_sys::Oid) -> Vec<Entry> {
    let keys = [(4, pg_sys::RelationRelationId.to_u32()), (5, relation.to_u32())];
    let mut scan = CatalogScan::keyed(DEPEND, DEPEND_BY_REFERENCE, &keys);
    let (class, object) = (scan.attribute(c"classid"), scan.attribute(c"objid"));
    let (column, on_column) = (scan.attribute(c"objsubid"), scan.attribute(c"refobjsubid"));
    let letter = scan.attribute(c"deptype");
    let mut found = Vec::new();
    while let Some(row) = scan.next_row() {
        found.push(Entry {
            class: row.oid(class),
            object: row.oid(object),
            column: row.int4(column),
            on_column: row.int4(on_column),
            letter: row.char(letter),
        });
    }
    found
}

/// What depends on one column, of what depends on its relation.
pub fn of_column(relation: pg_sys::Oid, number: i16, entries: &[Entry]) -> Vec<Dependent> {
    let mut found: Vec<Dependent> = Vec::new();
    for &entry in entries.iter().filter(|entry| entry.on_column == i32::from(number)) {
        if let Some(dependent) = described(relation, number, entry)
            && !found.contains(&dependent)
        {
            found.push(dependent);
        }
    }
    found
}

fn described(relation: pg_sys::Oid, number: i16, entry: Entry) -> Option<Dependent> {
    let functions = pg_sys::ProcedureRelationId.to_u32();
    let triggers = pg_sys::TriggerRelationId.to_u32();
    let relations = pg_sys::RelationRelationId.to_u32();
    let (kind, name) = match entry.class {
        REWRITE => {
            let view = pg_sys::Oid::from(relation_of_rule(entry.object)?);
            let kind = match class(view, |form| form.relkind as u8)? {
                b'v' => "view",
                b'm' => "materialized view",
                _ => "rule",
            };
            let name = if kind == "rule" { identity(entry)? } else { qualified(view)? };
            (kind, name)
        }
        constraint::CONSTRAINT => {
            let known = constraint::of(entry.object)?;
            let kind = match known.letter {
                'f' => "foreign key",
                'c' => "check constraint",
                'p' => "primary key",
                'u' => "unique constraint",
                'n' => return None,
                _ => "constraint",
            };
            (kind, identity(entry)?)
        }
        ATTRIBUTE_DEFAULT => {
            let (table, column) = column::of_default(entry.object)?;
            if (table, column) == (relation, number) {
                // Its own default goes with it and is nobody else's concern.
                return None;
            }
            let column = column::numbered(table, column)?;
            let kind = if column.generated == 0 { "default" } else { "generated column" };
            let name = format!("{}.{}", qualified(table)?, crate::text::quote_identifier(&column.name));
            (kind, name)
        }
        POLICY => ("policy", identity(entry)?),
        PUBLICATION_RELATION => ("publication", identity(entry)?),
        EXTENDED_STATISTICS => ("statistics", identity(entry)?),
        class_oid if class_oid == functions => ("function", identity(entry)?),
        class_oid if class_oid == triggers => {
            // The triggers of a foreign key stand for the constraint.
            if entry.letter == 'i' {
                return None;
            }
            ("trigger", identity(entry)?)
        }
        class_oid if class_oid == relations => {
            let oid = pg_sys::Oid::from(entry.object);
            let kind = match class(oid, |form| form.relkind as u8)? {
                b'i' | b'I' => "index",
                b'S' => "sequence",
                _ => "table",
            };
            (kind, qualified(oid)?)
        }
        _ => ("object", identity(entry)?),
    };
    Some(Dependent { kind, name, is_dropped_by_cascade: true })
}

/// The views that read a column and the views on those, which CASCADE drops.
pub fn views_on(relation: pg_sys::Oid, number: i16) -> Vec<pg_sys::Oid> {
    let direct = entries(relation).into_iter().filter(|entry| entry.on_column == i32::from(number));
    let mut found = views(direct);
    let mut position = 0;
    while let Some(&view) = found.get(position) {
        position += 1;
        for other in views(entries(view).into_iter()) {
            if !found.contains(&other) {
                found.push(other);
            }
        }
    }
    found
}

fn views(entries: impl Iterator<Item = Entry>) -> Vec<pg_sys::Oid> {
    let mut found = Vec::new();
    for entry in entries.filter(|entry| entry.class == REWRITE && entry.letter == 'n') {
        let view = relation_of_rule(entry.object).map(pg_sys::Oid::from);
        let is_view = |&view: &pg_sys::Oid| {
            class(view, |form| matches!(form.relkind as u8, b'v' | b'm')).unwrap_or(false)
        };
        if let Some(view) = view.filter(is_view)
            && !found.contains(&view)
        {
            found.push(view);
        }
    }
    found
}

fn qualified(relation: pg_sys::Oid) -> Option<String> {
    relation_name(relation).map(|(schema, name)| quote_qualified(&schema, &name))
}

fn relation_of_rule(rule: u32) -> Option<u32> {
    let mut scan = CatalogScan::keyed(REWRITE, REWRITE_BY_OID, &[(1, rule)]);
    let relation = scan.attribute(c"ev_class");
    scan.next_row().map(|row| row.oid(relation))
}

/// The name of an object as the server identifies it, quoted; `None` where it is gone.
pub fn identity(entry: Entry) -> Option<String> {
    let address = pg_sys::ObjectAddress {
        classId: pg_sys::Oid::from(entry.class),
        objectId: pg_sys::Oid::from(entry.object),
        objectSubId: entry.column,
    };
    // SAFETY: reads catalogs only; null for what is gone.
    in_scratch_memory(|| unsafe { text_of_c_string(pg_sys::getObjectIdentity(&raw const address, true)) })
        .map(String::from)
}
