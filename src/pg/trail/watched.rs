//! What the trigger knows of a table: read once, and again when the table changes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pgrx::{PgSqlErrorCode, pg_sys};
use rustc_hash::FxHashMap;
use serde_json::{Value as Json, json};

use super::activity::hash;
use super::column::{Column, Form};
use super::descriptor::{attribute, count, name_bytes};
use super::pinned::{depends_on_settings, pinned};
use super::registry::{self, Registered};
use crate::catalog::trail::jsonb::{Beginning, key_order};
use crate::pg::error::raise;
use crate::pg::planner::list::oids;
use crate::pg::scan::{text_of_c_string, text_of_name};

/// Columns that are written together.
#[derive(Clone)]
pub struct Logged {
    /// In the order of JSON's keys.
    pub columns: Vec<Column>,
    /// Their names, as an object begins with them.
    pub beginning: Beginning,
}

impl Logged {
    fn new(mut columns: Vec<Column>) -> Self {
        columns.sort_by(|one, other| key_order(&one.name, &other.name));
        let beginning = Beginning::new(columns.iter().map(|column| &*column.name));
        Self { columns, beginning }
    }
}

/// A table that is watched.
pub struct Watched {
    /// The columns that are logged.
    pub columns: Logged,
    /// The columns of the key.
    pub key: Logged,
    /// Whether it has a key; else the key is the whole row.
    pub has_key: bool,
    /// Whether whole rows are kept.
    pub is_full: bool,
    /// Whether the text of queries is kept.
    pub keeps_query: bool,
    /// Whether texts of values depend on settings.
    pub needs_pinning: bool,
    /// How many columns a row has.
    pub width: usize,
    /// Whether it is a part of the table that is watched: its rows are rows of that, wherever in it they lie.
    pub is_part: bool,
    pub(super) relation_id: i32,
    pub(super) relid: pg_sys::Oid,
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) attributes: Json,
    pub(super) key_names: Option<Vec<String>>,
    pub(super) fingerprint: i64,
    pub(super) shape: Cell<Option<i32>>,
    /// Whether the shape was written in this transaction, which may be rolled back.
    is_fresh: Cell<bool>,
}

thread_local! {
    static WATCHED: RefCell<FxHashMap<pg_sys::Oid, Rc<Watched>>> = RefCell::default();
    /// Grows when something may have become stale.
    static CHANGES: Cell<u64> = const { Cell::new(0) };
    /// Whether some shape may have been written in this transaction: a session knows thousands of tables.
    static HAS_FRESH: Cell<bool> = const { Cell::new(false) };
}

/// A table changed; 0: any may have.
pub fn forget(relation: pg_sys::Oid) {
    CHANGES.set(CHANGES.get() + 1);
    WATCHED.with_borrow_mut(|watched| {
        if relation == pg_sys::InvalidOid {
            watched.clear();
        } else {
            watched.remove(&relation);
        }
    });
}

/// A transaction ended, or a subtransaction was rolled back: what it wrote is there, or gone.
pub fn settle(is_committed: bool) {
    if !HAS_FRESH.replace(false) {
        return;
    }
    WATCHED.with_borrow(|watched| {
        for watched in watched.values().filter(|watched| watched.is_fresh.get()) {
            watched.is_fresh.set(false);
            if !is_committed {
                watched.shape.set(None);
            }
        }
    });
}

/// A shape was written in this transaction, or may have been.
pub fn be_fresh(watched: &Watched) {
    watched.is_fresh.set(true);
    HAS_FRESH.set(true);
}

/// What is known of the table of a trigger.
///
/// # Safety
/// The relation is open.
pub unsafe fn watched(relation: pg_sys::Relation) -> Rc<Watched> {
    // SAFETY: as the caller vouches.
    unsafe {
        let oid = (*relation).rd_id;
        if let Some(found) = WATCHED.with_borrow(|watched| watched.get(&oid).map(Rc::clone)) {
            return found;
        }
        let before = CHANGES.get();
        // Names of types are not to depend on the session.
        let built = Rc::new(pinned(true, || build(relation)));
        if CHANGES.get() == before {
            WATCHED.with_borrow_mut(|watched| watched.insert(oid, Rc::clone(&built)));
        }
        built
    }
}

fn text_of(name: &pg_sys::NameData) -> String {
    text_of_name(name).into()
}

fn schema_of(namespace: pg_sys::Oid) -> String {
    // SAFETY: a look-up; returns a C string or null.
    unsafe { text_of_c_string(pg_sys::get_namespace_name(namespace)) }.map_or_else(String::new, String::from)
}

/// The relation itself, or the partitioned table above it that is watched, and that one's number.
///
/// # Safety
/// The relation is open.
unsafe fn registered(
    relation: pg_sys::Relation,
    schema: &str,
    table: &str,
) -> Option<(Registered, Option<pg_sys::Oid>)> {
    // SAFETY: as the caller vouches.
    unsafe {
        let oid = (*relation).rd_id;
        let itself = |found| Some((found, None));
        if let Some(found) = registry::find(oid) {
            return itself(found);
        }
        let ancestors = ancestors(relation);
        let found = |&ancestor: &pg_sys::Oid| Some((registry::find(ancestor)?, Some(ancestor)));
        if let Some(found) = ancestors.iter().find_map(found) {
            return Some(found);
        }
        // Restored elsewhere?
        registry::find_by_name(oid, schema, table).and_then(itself).or_else(|| {
            ancestors.iter().find_map(|&ancestor| {
                let name = text_of_c_string(pg_sys::get_rel_name(ancestor))?;
                let schema = schema_of(pg_sys::get_rel_namespace(ancestor));
                Some((registry::find_by_name(ancestor, &schema, &name)?, Some(ancestor)))
            })
        })
    }
}

mod raw {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn get_partition_parent(relation: pg_sys::Oid, even_if_detached: bool) -> pg_sys::Oid;
        pub fn PartitionHasPendingDetach(partition: pg_sys::Oid) -> bool;
    }
}

/// The table above a partition, also of one that is half detached.
///
/// # Safety
/// It is a partition.
unsafe fn parent_of(partition: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: what is a partition has a row in pg_inherits.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| raw::get_partition_parent(partition, true)) }
}

/// # Safety
/// It is a partition.
unsafe fn is_half_detached(partition: pg_sys::Oid) -> bool {
    // SAFETY: what is a partition has a row in pg_inherits.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| raw::PartitionHasPendingDetach(partition)) }
}

/// The partitioned tables above a partition, the nearest first: also those from which it, or one of them, is half detached,
/// since it has their triggers as long as it is.
///
/// # Safety
/// The relation is open.
unsafe fn ancestors(relation: pg_sys::Relation) -> Vec<pg_sys::Oid> {
    // SAFETY: as the caller vouches; what is a partition has a row in pg_inherits.
    unsafe {
        let mut above = Vec::new();
        let mut part = ((*relation).rd_id, (*(*relation).rd_rel).relispartition);
        while part.1 {
            let parent = parent_of(part.0);
            above.push(parent);
            part = (parent, pg_sys::get_rel_relispartition(parent));
        }
        above
    }
}

/// Whether no partition between a relation and the table above it is half detached: columns of one that is are altered on their
/// own, and may be called as others of the table above it.
///
/// # Safety
/// The relation is open, and a partition.
unsafe fn is_below(relation: pg_sys::Relation, above: pg_sys::Oid) -> bool {
    // SAFETY: as the caller vouches.
    unsafe {
        let mut part = (*relation).rd_id;
        while part != above && pg_sys::get_rel_relispartition(part) && !is_half_detached(part) {
            part = parent_of(part);
        }
        part == above
    }
}

/// # Safety
/// The relation is open.
unsafe fn build(relation: pg_sys::Relation) -> Watched {
    // SAFETY: as the caller vouches.
    unsafe {
        let class = &*(*relation).rd_rel;
        let (schema, table) = (schema_of(class.relnamespace), text_of(&class.relname));
        let Some((registered, above)) = registered(relation, &schema, &table) else {
            raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                &format!(
                    "table {schema}.{table} has an audit trigger, but is not registered in the audit trail"
                ),
                "A trigger of dbmastery writes for tables that dbm.install_audit_trigger() knows, and for no other.",
                &format!("SELECT dbm.install_audit_trigger('{schema}.{table}'), or drop its triggers."),
            )
        };
        let descriptor = (*relation).rd_att;
        let width = count(descriptor);
        let key_numbers = key_of(relation);
        let described_by = above.filter(|&above| is_below(relation, above));
        let (mut columns, mut key, mut attributes) = (Vec::new(), Vec::new(), Vec::new());
        let mut needs_pinning = false;
        for place in 0..width {
            let attribute = attribute(descriptor, place);
            if attribute.attisdropped {
                continue;
            }
            let name = text_of(&attribute.attname);
            let is_among = |list: &[String]| list.contains(&name);
            // A virtual column holds nothing.
            let is_logged = registered.only.as_deref().is_none_or(is_among)
                && !is_among(&registered.exclude)
                && attribute.attgenerated as u8 != b'v';
            let is_redacted = is_among(&registered.redact);
            let mut column = Column {
                place,
                name: name_bytes(&attribute.attname).into(),
                form: Form::of(attribute.atttypid),
                is_redacted,
                is_by_value: attribute.attbyval,
                length: attribute.attlen,
            };
            let is_key = key_numbers.as_ref().is_some_and(|key| key.contains(&(place + 1)));
            if (is_logged || is_key)
                && let Form::Other(base) = column.form
            {
                needs_pinning |= depends_on_settings(base);
            }
            if is_logged {
                columns.push(column.clone());
            }
            if is_key {
                // What shall not be logged is not logged as a key either, and yet tells rows apart.
                column.is_redacted |= !is_logged;
                key.push(column);
            }
            let mut described = described(attribute, place + 1, &name, is_logged, is_redacted);
            if let Some(above) = described_by {
                // By it a column of a partition that is gone is known.
                let number = pg_sys::get_attnum(above, (&raw const attribute.attname.data).cast());
                if number > 0 {
                    described["above"] = number.into();
                }
            }
            attributes.push(described);
        }
        let columns = Logged::new(columns);
        let key_names: Option<Vec<String>> = key_numbers.map(|numbers| {
            numbers
                .iter()
                .map(|&number| text_of(&super::descriptor::attribute(descriptor, number - 1).attname))
                .collect()
        });
        let has_key = key_names.is_some();
        let key = if has_key { Logged::new(key) } else { columns.clone() };
        let attributes = Json::Array(attributes);
        let relid = (*relation).rd_id;
        let identity = format!(
            "{}\n{}\n{schema}\n{table}\n{key_names:?}\n{attributes}",
            registered.relation_id,
            relid.to_u32()
        );
        Watched {
            columns,
            key,
            has_key,
            is_full: registered.is_full,
            keeps_query: registered.keeps_query,
            needs_pinning,
            width,
            is_part: above.is_some(),
            relation_id: registered.relation_id,
            relid,
            schema,
            table,
            attributes,
            key_names,
            // 0 is that of shapes which no change has.
            fingerprint: hash(identity.as_bytes()).max(1) as i64,
            shape: Cell::new(None),
            is_fresh: Cell::new(false),
        }
    }
}

fn described(
    attribute: &pg_sys::FormData_pg_attribute,
    number: usize,
    name: &str,
    is_logged: bool,
    is_redacted: bool,
) -> Json {
    let letter = |letter: std::ffi::c_char| char::from(letter as u8);
    // SAFETY: look-ups; they return C strings or null.
    unsafe {
        let flags = pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY;
        let shown =
            pg_sys::format_type_extended(attribute.atttypid, attribute.atttypmod, flags as pg_sys::bits16);
        let type_name = text_of_c_string(shown);
        let collation = (attribute.attcollation != pg_sys::InvalidOid)
            .then(|| text_of_c_string(pg_sys::get_collation_name(attribute.attcollation)))
            .flatten();
        json!({
            "number": number,
            "name": name,
            "type": type_name.as_deref(),
            "type_schema": type_schema(attribute.atttypid),
            "typmod": attribute.atttypmod,
            "collation": collation.as_deref(),
            "not_null": attribute.attnotnull,
            "generated": attribute.attgenerated != 0,
            "identity": if attribute.attidentity == 0 { String::new() } else { letter(attribute.attidentity).to_string() },
            "logged": match (is_logged, is_redacted) {
                (false, _) => "no",
                (true, true) => "redacted",
                (true, false) => "yes",
            },
        })
    }
}

fn type_schema(type_oid: pg_sys::Oid) -> Option<String> {
    // SAFETY: a look-up in the system cache; the tuple is released before its copy is used.
    let namespace = unsafe {
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::TYPEOID as i32, type_oid.into());
        if tuple.is_null() {
            return None;
        }
        let namespace = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_type>()).typnamespace;
        pg_sys::ReleaseSysCache(tuple);
        namespace
    };
    Some(schema_of(namespace))
}

/// The columns of the key, in its order: the primary key, else the replica identity, else the first unique index in which
/// nothing can be null.
///
/// # Safety
/// The relation is open.
unsafe fn key_of(relation: pg_sys::Relation) -> Option<Vec<usize>> {
    // SAFETY: as the caller vouches; the list is ours.
    unsafe {
        let mut indexes = oids(pg_sys::RelationGetIndexList(relation));
        indexes.sort_unstable_by_key(|index| index.to_u32());
        // Up to 16 the server does not call one that is checked late the primary key of its relation.
        let primary = indexes.iter().copied().find(|&index| is_primary(index));
        let identity = Some((*relation).rd_replidindex).filter(|&index| index != pg_sys::InvalidOid);
        let first = [primary, identity].into_iter().flatten();
        first.chain(indexes).find_map(|index| unique_key(relation, index))
    }
}

fn is_primary(index: pg_sys::Oid) -> bool {
    // SAFETY: a look-up in the system cache; what is read is copied before the tuple is released.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::INDEXRELID as i32, index.into());
        if tuple.is_null() {
            return false;
        }
        let is_primary = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_index>()).indisprimary;
        pg_sys::ReleaseSysCache(tuple);
        is_primary
    }
}

/// # Safety
/// The relation is open, and the index one of it.
unsafe fn unique_key(relation: pg_sys::Relation, index: pg_sys::Oid) -> Option<Vec<usize>> {
    // SAFETY: as the caller vouches; what is read is copied before the tuple is released.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::INDEXRELID as i32, index.into());
        if tuple.is_null() {
            return None;
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_index>();
        let is_usable = form.indisunique
            && form.indisvalid
            && (form.indimmediate || form.indisprimary)
            && pg_sys::heap_attisnull(tuple, pg_sys::Anum_pg_index_indpred as i32, std::ptr::null_mut());
        let count = usize::try_from(form.indnkeyatts).unwrap_or(0);
        let numbers: Vec<i16> = (0..count).map(|place| *form.indkey.values.as_ptr().add(place)).collect();
        pg_sys::ReleaseSysCache(tuple);
        if !is_usable {
            return None;
        }
        let descriptor = (*relation).rd_att;
        numbers
            .into_iter()
            .map(|number| {
                let number = usize::try_from(number).ok().filter(|&number| number > 0)?;
                attribute(descriptor, number - 1).attnotnull.then_some(number)
            })
            .collect()
    }
}
