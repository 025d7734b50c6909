//! What stands on an object, from `pg_depend`.

use std::collections::VecDeque;

use pgrx::pg_sys;
use rustc_hash::FxHashSet;

use super::constraint;
use crate::catalog::ddl::Dependent;
use crate::pg::ddl::cache;
use crate::pg::facts::stop_if_cancelled;
use crate::pg::scan::{CatalogScan, text_of_c_string};
use crate::text::{quote_identifier, quote_qualified};

const DEPEND: u32 = 2608;
/// `pg_depend_reference_index`.
const BY_REFERENCE: u32 = 2674;
/// `pg_depend_depender_index`.
const BY_DEPENDER: u32 = 2673;
const REFERENCED_CLASS: pg_sys::AttrNumber = 4;
const REFERENCED_OBJECT: pg_sys::AttrNumber = 5;

pub const CONSTRAINT: u32 = 2606;
const ATTRIBUTE_DEFAULT: u32 = 2604;
/// `pg_attrdef_oid_index`.
const ATTRIBUTE_DEFAULT_BY_OID: u32 = 2657;
const REWRITE: u32 = 2618;
/// `pg_rewrite_oid_index`.
const REWRITE_BY_OID: u32 = 2692;
/// `pg_rewrite_rel_rulename_index`.
const REWRITE_BY_RELATION: u32 = 2693;
const POLICY: u32 = 3256;
const PUBLICATION_RELATION: u32 = 6106;
const PUBLICATION_SCHEMA: u32 = 6237;
const EXTENDED_STATISTICS: u32 = 3381;

/// So many are named.
pub const MOST_NAMED: usize = 50;
/// So many objects are looked at.
const MOST_VISITED: usize = 2000;

/// `pg_depend` as a whole: seven fixed attributes, never null.
#[repr(C)]
struct Form {
    class: pg_sys::Oid,
    object: pg_sys::Oid,
    column: i32,
    referenced_class: pg_sys::Oid,
    referenced: pg_sys::Oid,
    referenced_column: i32,
    kind: u8,
}

/// One object that depends on another.
#[derive(Clone, Copy)]
pub struct Depending {
    pub class: pg_sys::Oid,
    pub object: pg_sys::Oid,
    pub column: i32,
    pub referenced_column: i32,
    /// `n` needs CASCADE; most others go without saying.
    pub kind: u8,
}

impl Depending {
    /// Whether it goes without CASCADE: an index of a table, the type of its rows, a sequence that a column owns.
    fn is_part(&self) -> bool {
        self.kind != b'n'
    }
}

/// What depends on one object directly.
pub fn direct(class: pg_sys::Oid, object: pg_sys::Oid) -> Vec<Depending> {
    let keys = [(REFERENCED_CLASS, class.to_u32()), (REFERENCED_OBJECT, object.to_u32())];
    let mut scan = CatalogScan::keyed(DEPEND, BY_REFERENCE, &keys);
    let mut found = Vec::new();
    // SAFETY: every attribute is fixed and never null; the struct is their layout.
    while let Some(form) = unsafe { scan.next_struct::<Form>() } {
        found.push(Depending {
            class: form.class,
            object: form.object,
            column: form.column,
            referenced_column: form.referenced_column,
            kind: form.kind,
        });
    }
    found
}

/// What stands on an object.
#[derive(Default)]
pub struct Closure {
    /// What DROP … CASCADE takes along, named up to a bound; the last one says how many more there are.
    pub named: Vec<Dependent>,
    /// The relations that this touches: views that go, tables that lose a column, a default or a foreign key.
    pub relations: Vec<pg_sys::Oid>,
}

/// An object or a column of one, by its class and its OID.
type Place = (pg_sys::Oid, pg_sys::Oid, i32);

/// What DROP … CASCADE of this object would take along, and what is more than a part of it: views on a table, foreign
/// keys of others, columns of a type; and what stands on those.
pub fn of(class: pg_sys::Oid, object: pg_sys::Oid, together: &Together) -> Closure {
    let mut visited = FxHashSet::from_iter([(class, object, 0)]);
    let mut waiting = VecDeque::from([(class, object, 0)]);
    let mut parts: FxHashSet<Place> = FxHashSet::default();
    let mut candidates: Vec<Depending> = Vec::new();
    while let Some(place) = waiting.pop_front() {
        for depending in standing_on(place) {
            let found = (depending.class, depending.object, depending.column);
            if depending.is_part() {
                parts.insert(found);
            }
            if visited.len() > MOST_VISITED || !visited.insert(found) {
                continue;
            }
            if !depending.is_part() {
                candidates.push(depending);
            }
            waiting.push_back(found);
        }
    }
    // What depends on one thing and is a part of another goes with that without a word.
    candidates.retain(|found| {
        let place = (found.class, found.object, found.column);
        !parts.contains(&place) && !together.0.contains(&place)
    });
    let mut closure = Closure::default();
    for found in &candidates {
        if let Some(relation) = relation_of(found).filter(|relation| !closure.relations.contains(relation)) {
            closure.relations.push(relation);
        }
    }
    closure.named.extend(candidates.iter().take(MOST_NAMED).filter_map(described));
    if candidates.len() > MOST_NAMED {
        closure.named.push(more(candidates.len() - MOST_NAMED));
    }
    closure
}

/// What stands on an object directly; a rule of a view stands for the view.
fn standing_on((class, object, column): Place) -> Vec<Depending> {
    let mut found = direct(class, object);
    found.retain(|depending| column == 0 || depending.referenced_column == column);
    for depending in &mut found {
        if depending.class.to_u32() == REWRITE
            && let Some(relation) = rewritten(depending.object)
        {
            depending.class = pg_sys::RelationRelationId;
            depending.object = relation;
            depending.column = 0;
        }
    }
    // A rule is a part of its relation, and depends on it, too.
    found.retain(|depending| (depending.class, depending.object, depending.column) != (class, object, 0));
    found
}

/// What one statement drops together, with all its parts: found once, however many objects there are.
#[derive(Default)]
pub struct Together(FxHashSet<Place>);

impl Together {
    /// Of these objects.
    pub fn of(class: pg_sys::Oid, objects: impl Iterator<Item = pg_sys::Oid>) -> Self {
        let mut parts = FxHashSet::default();
        for object in objects {
            stop_if_cancelled();
            parts_of((class, object, 0), &mut parts);
        }
        Self(parts)
    }
}

/// Notes an object with all its parts.
fn parts_of(object: Place, parts: &mut FxHashSet<Place>) {
    let most = parts.len() + MOST_VISITED;
    let mut waiting = vec![object];
    while let Some(place) = waiting.pop() {
        if parts.len() > most || !parts.insert(place) {
            continue;
        }
        let found = standing_on(place).into_iter().filter(Depending::is_part);
        waiting.extend(found.map(|part| (part.class, part.object, part.column)));
    }
}

/// The relation that changes when this goes.
fn relation_of(depending: &Depending) -> Option<pg_sys::Oid> {
    match depending.class.to_u32() {
        _ if depending.class == pg_sys::RelationRelationId => Some(depending.object),
        CONSTRAINT => constraint::get(depending.object).map(|found| found.relation),
        ATTRIBUTE_DEFAULT => column_of_default(depending.object).map(|(relation, _)| relation),
        _ => None,
    }
    .filter(|&relation| relation != pg_sys::InvalidOid)
}

/// What stands for objects that are not named.
pub fn more(count: usize) -> Dependent {
    Dependent { kind: "more", name: format!("{count} more objects"), is_dropped_by_cascade: true }
}

/// The relation whose rule this is.
fn rewritten(rule: pg_sys::Oid) -> Option<pg_sys::Oid> {
    let mut scan = CatalogScan::keyed(REWRITE, REWRITE_BY_OID, &[(1, rule.to_u32())]);
    let relation = scan.attribute(c"ev_class");
    scan.next_row().map(|row| row.oid(relation).into())
}

/// The relations that the rules of a relation read or write.
pub fn read_by(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let mut rules = CatalogScan::keyed(REWRITE, REWRITE_BY_RELATION, &[(3, relation.to_u32())]);
    let oid = rules.attribute(c"oid");
    let mut found = Vec::new();
    while let Some(rule) = rules.next_row().map(|row| row.oid(oid)) {
        let mut scan = CatalogScan::keyed(DEPEND, BY_DEPENDER, &[(1, REWRITE), (2, rule)]);
        // SAFETY: every attribute is fixed and never null; the struct is their layout.
        while let Some(form) = unsafe { scan.next_struct::<Form>() } {
            let is_new = form.referenced != relation && !found.contains(&form.referenced);
            if form.referenced_class == pg_sys::RelationRelationId && is_new {
                found.push(form.referenced);
            }
        }
    }
    found
}

/// An object as a person calls it.
pub fn described(depending: &Depending) -> Option<Dependent> {
    let Depending { class, object, column, .. } = *depending;
    let (kind, name) = match class.to_u32() {
        _ if class == pg_sys::RelationRelationId => relation(object, column)?,
        CONSTRAINT => {
            let found = constraint::get(object)?;
            let kind = if found.kind == b'f' { "foreign key" } else { "constraint" };
            let name = quote_identifier(&found.name);
            match cache::relation_name(found.relation) {
                Some((schema, table)) => (kind, format!("{name} on {}", quote_qualified(&schema, &table))),
                None => (kind, name),
            }
        }
        ATTRIBUTE_DEFAULT => default(object)?,
        POLICY => ("policy", identity(class, object)?),
        PUBLICATION_RELATION | PUBLICATION_SCHEMA => ("publication", identity(class, object)?),
        _ if class == pg_sys::ProcedureRelationId => ("function", identity(class, object)?),
        _ if class == pg_sys::TriggerRelationId => ("trigger", identity(class, object)?),
        EXTENDED_STATISTICS => ("statistics", identity(class, object)?),
        _ if class == pg_sys::ExtensionRelationId => ("extension", identity(class, object)?),
        _ if class == pg_sys::TypeRelationId => {
            // SAFETY: a look-up in the catalogs.
            let is_domain = unsafe { pg_sys::get_typtype(object) } as u8 == pg_sys::TYPTYPE_DOMAIN;
            (if is_domain { "domain" } else { "type" }, identity(class, object)?)
        }
        _ => ("object", identity(class, object)?),
    };
    Some(Dependent { kind, name, is_dropped_by_cascade: true })
}

/// What a relation is called, by its letter in `pg_class`.
pub fn relation_kind(letter: u8) -> &'static str {
    match letter {
        b'v' => "view",
        b'm' => "materialized view",
        b'i' | b'I' => "index",
        b'S' => "sequence",
        b'f' => "foreign table",
        b'c' => "type",
        _ => "table",
    }
}

fn relation(oid: pg_sys::Oid, column: i32) -> Option<(&'static str, String)> {
    let kind = relation_kind(cache::class(oid, |form| form.relkind as u8)?);
    let (schema, name) = cache::relation_name(oid)?;
    let name = quote_qualified(&schema, &name);
    match column_name(oid, column) {
        Some(column) => Some(("column", format!("{name}.{}", quote_identifier(&column)))),
        None => Some((kind, name)),
    }
}

fn column_name(relation: pg_sys::Oid, column: i32) -> Option<String> {
    let number = pg_sys::AttrNumber::try_from(column).ok().filter(|&number| number > 0)?;
    // SAFETY: null where there is none.
    unsafe { text_of_c_string(pg_sys::get_attname(relation, number, true)) }.map(String::from)
}

/// The column whose default it is.
fn column_of_default(oid: pg_sys::Oid) -> Option<(pg_sys::Oid, i16)> {
    let mut scan = CatalogScan::keyed(ATTRIBUTE_DEFAULT, ATTRIBUTE_DEFAULT_BY_OID, &[(1, oid.to_u32())]);
    let (relation, number) = (scan.attribute(c"adrelid"), scan.attribute(c"adnum"));
    scan.next_row().map(|row| (row.oid(relation).into(), row.int2(number)))
}

/// A default, or the expression of a generated column.
fn default(oid: pg_sys::Oid) -> Option<(&'static str, String)> {
    let (relation_oid, column) = column_of_default(oid)?;
    let keys = [pg_sys::Datum::from(relation_oid), pg_sys::Datum::from(column)];
    let is_generated = cache::row(pg_sys::SysCacheIdentifier::ATTNUM, &keys, |tuple| {
        // SAFETY: the row of pg_attribute.
        unsafe { (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_attribute>()).attgenerated != 0 }
    })?;
    let (_, name) = relation(relation_oid, i32::from(column))?;
    Some((if is_generated { "generated column" } else { "default" }, name))
}

/// The server's name of an object, in no language.
pub fn identity(class: pg_sys::Oid, object: pg_sys::Oid) -> Option<String> {
    let address = pg_sys::ObjectAddress { classId: class, objectId: object, objectSubId: 0 };
    // SAFETY: null where the object is gone.
    unsafe { text_of_c_string(pg_sys::getObjectIdentity(&raw const address, true)) }.map(String::from)
}
