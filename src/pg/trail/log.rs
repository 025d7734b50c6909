//! The tables of the log, written and read without SQL. Since nobody checks what is written this way, a table must be
//! exactly what it was made as, or nothing is written.

use std::cell::RefCell;
use std::ffi::CString;
use std::ptr::null_mut;

use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::{PgSqlErrorCode, pg_sys};
use rustc_hash::FxHashSet;

use super::column::Value;
use super::descriptor::{attribute, count, name_bytes};
use super::redaction;
use crate::catalog::trail::layout::{SCHEMA, TABLES, Table};
use crate::pg::error::raise;
use crate::pg::planner::list::oids;
use crate::pg::run::owner::owner;

mod raw {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn nextval_internal(relation: pg_sys::Oid, check_permissions: bool) -> i64;
    }
}

/// So many rows are written at once, as COPY does.
const MOST_ROWS: usize = 1_000;
/// And no more than about so many bytes.
const MOST_BYTES: usize = 65_535;
/// A longer row may be stored out of line, as a copy whose place the server does not tell when many are written at once:
/// indexes would point nowhere. A little less than the server's limit.
const LONGEST_TOGETHER: usize = 2_000;

thread_local! {
    /// Tables that were found to be as they should.
    static VERIFIED: RefCell<FxHashSet<pg_sys::Oid>> = RefCell::default();
}

/// A table changed; 0: any may have.
pub fn forget(relation: pg_sys::Oid) {
    VERIFIED.with_borrow_mut(|verified| {
        if relation == pg_sys::InvalidOid {
            verified.clear();
            redaction::forget();
        } else if verified.remove(&relation) {
            // It may be another log by now.
            redaction::forget();
        }
    });
}

/// Whether a schema is that of the log.
pub fn is_ours(schema: &str) -> bool {
    schema == SCHEMA
}

fn refuse(name: &str, why: &str) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        &format!("cannot write to {SCHEMA}.{name}, which is not as dbmastery made it"),
        why,
        "Put it back, or take the audit triggers away with dbm.remove_audit_trigger().",
    )
}

/// The number of a relation of the log.
///
/// # Safety
/// Within a transaction.
unsafe fn find(name: &str) -> pg_sys::Oid {
    let schema = CString::new(SCHEMA).unwrap_or_default();
    let relation = CString::new(name).unwrap_or_default();
    // SAFETY: look-ups of C strings.
    unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        if schema == pg_sys::InvalidOid {
            return pg_sys::InvalidOid;
        }
        pg_sys::get_relname_relid(relation.as_ptr(), schema)
    }
}

/// The next number of one of the log's sequences, whoever asks.
pub fn next(sequence: &str) -> i64 {
    Sequence::find(sequence).next()
}

fn missing(name: &str) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
        &format!("{SCHEMA}.{name}, a part of the log of the audit trail, does not exist"),
        "A change that the log does not have must not be.",
        "Restore the log from a backup, or take the audit triggers away with dbm.remove_audit_trigger().",
    )
}

/// A sequence of the log, looked up once.
pub struct Sequence(pg_sys::Oid);

impl Sequence {
    /// Looks it up.
    pub fn find(name: &str) -> Self {
        // SAFETY: within a transaction.
        let found = unsafe { find(name) };
        if found == pg_sys::InvalidOid {
            missing(name);
        }
        Self(found)
    }

    /// Its next number.
    pub fn next(&self) -> i64 {
        // SAFETY: a relation of the log; it raises where that is no sequence. One call, nothing to be dropped.
        unsafe { pg_guard_ffi_boundary(|| raw::nextval_internal(self.0, false)) }
    }
}

/// A relation of the log that is open. The lock stays to the end of the transaction.
pub struct Open {
    pub relation: pg_sys::Relation,
}

impl Drop for Open {
    fn drop(&mut self) {
        // While an ERROR unwinds, the resource owner closes it.
        if !std::thread::panicking() {
            // SAFETY: opened by us, closed once.
            unsafe { pg_sys::relation_close(self.relation, pg_sys::NoLock as pg_sys::LOCKMODE) };
        }
    }
}

/// Which rows are looked for.
pub struct Key {
    /// The index, which may be gone.
    pub index: &'static str,
    /// The column, from 1.
    pub attribute: pg_sys::AttrNumber,
    /// What tells that values are equal.
    pub equality: u32,
    pub value: pg_sys::Datum,
}

impl Open {
    /// Opens a table of the log.
    pub fn by_name(name: &str, lock: pg_sys::LOCKMODE) -> Self {
        Self::if_there(name, lock).unwrap_or_else(|| missing(name))
    }

    /// As [`Self::by_name`]; `None` where there is none.
    pub fn if_there(name: &str, lock: pg_sys::LOCKMODE) -> Option<Self> {
        // SAFETY: within a transaction.
        unsafe {
            let found = find(name);
            if found == pg_sys::InvalidOid {
                return None;
            }
            Some(Self::by_oid(found, lock))
        }
    }

    /// # Safety
    /// The number of a relation of the log.
    unsafe fn by_oid(oid: pg_sys::Oid, lock: pg_sys::LOCKMODE) -> Self {
        // SAFETY: as the caller vouches.
        unsafe { Self { relation: pg_sys::table_open(oid, lock) } }
    }

    /// Reads rows as they are now. What `see` is shown lives until it returns.
    ///
    /// # Safety
    /// `see` reads the columns as what they are.
    pub unsafe fn scan(&self, key: Option<Key>, mut see: impl FnMut(&[Value])) {
        // SAFETY: the relation is open; the key is copied by the scan.
        unsafe {
            let mut keys = [pg_sys::ScanKeyData::default()];
            let mut index = pg_sys::InvalidOid;
            let mut wanted = 0;
            if let Some(key) = key {
                pg_sys::ScanKeyInit(
                    &raw mut keys[0],
                    key.attribute,
                    pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                    pg_sys::Oid::from(key.equality),
                    key.value,
                );
                index = find(key.index);
                wanted = 1;
            }
            let scan = pg_sys::systable_beginscan(
                self.relation,
                index,
                index != pg_sys::InvalidOid,
                null_mut(),
                wanted,
                keys.as_mut_ptr(),
            );
            let descriptor = (*self.relation).rd_att;
            let columns = count(descriptor);
            let mut values = vec![pg_sys::Datum::null(); columns];
            let mut nulls = vec![true; columns];
            loop {
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() {
                    break;
                }
                pg_sys::heap_deform_tuple(tuple, descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
                let row: Vec<Value> =
                    values.iter().zip(&nulls).map(|(&value, &is_null)| (!is_null).then_some(value)).collect();
                see(&row);
            }
            pg_sys::systable_endscan(scan);
        }
    }
}

fn type_oid(name: &str) -> pg_sys::Oid {
    match name {
        "bigint" => pg_sys::INT8OID,
        "integer" => pg_sys::INT4OID,
        "oid" => pg_sys::OIDOID,
        "text" => pg_sys::TEXTOID,
        "text[]" => pg_sys::TEXTARRAYOID,
        "timestamp with time zone" => pg_sys::TIMESTAMPTZOID,
        "jsonb" => pg_sys::JSONBOID,
        "inet" => pg_sys::INETOID,
        "xid8" => pg_sys::XID8OID,
        "\"char\"" => pg_sys::CHAROID,
        _ => pg_sys::InvalidOid,
    }
}

/// Raises unless the relation, the table itself or a partition of it, is as it was made.
///
/// # Safety
/// It is open.
unsafe fn verify(relation: pg_sys::Relation, table: &Table) {
    // SAFETY: as the caller vouches.
    unsafe {
        let oid = (*relation).rd_id;
        if VERIFIED.with_borrow(|verified| verified.contains(&oid)) {
            return;
        }
        let class = &*(*relation).rd_rel;
        let name = String::from_utf8_lossy(name_bytes(&class.relname)).into_owned();
        if class.relowner != owner() {
            refuse(&name, "It belongs to somebody else than dbmastery does.");
        }
        let kind = class.relkind as u8;
        let is_parent = kind == pg_sys::RELKIND_PARTITIONED_TABLE && table.partitioned_by.is_some();
        if !is_parent && kind != pg_sys::RELKIND_RELATION {
            refuse(&name, "It is no table.");
        }
        if !is_parent && class.relam != pg_sys::HEAP_TABLE_AM_OID {
            refuse(&name, "Its access method is not heap.");
        }
        if class.relpersistence as u8 != pg_sys::RELPERSISTENCE_PERMANENT {
            refuse(&name, "It would not outlive a crash.");
        }
        let descriptor = (*relation).rd_att;
        for (place, column) in table.columns.iter().enumerate() {
            let is_right = place < count(descriptor) && {
                let attribute = attribute(descriptor, place);
                !attribute.attisdropped
                    && name_bytes(&attribute.attname) == column.name.as_bytes()
                    && attribute.atttypid == type_oid(column.type_name)
                    && attribute.attgenerated == 0
            };
            if !is_right {
                refuse(
                    &name,
                    &format!("Column {} should be {} of type {}.", place + 1, column.name, column.type_name),
                );
            }
        }
        for place in table.columns.len()..count(descriptor) {
            let attribute = attribute(descriptor, place);
            if !attribute.attisdropped && attribute.attnotnull {
                refuse(&name, "It has a column more, which must not be null.");
            }
        }
        if !is_parent {
            verify_indexes(relation, &name);
        }
        VERIFIED.with_borrow_mut(|verified| verified.insert(oid));
    }
}

/// An index on an expression would run somebody's function with the rights of whoever writes.
///
/// # Safety
/// The relation is open.
unsafe fn verify_indexes(relation: pg_sys::Relation, name: &str) {
    // SAFETY: as the caller vouches; the list is ours.
    unsafe {
        for index in oids(pg_sys::RelationGetIndexList(relation)) {
            let open = pg_sys::index_open(index, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
            let method = (*(*open).rd_rel).relam;
            let is_known = method == pg_sys::BTREE_AM_OID || method == pg_sys::BRIN_AM_OID;
            let is_plain = (*open).rd_indextuple.is_null()
                || (pg_sys::RelationGetIndexExpressions(open).is_null()
                    && pg_sys::RelationGetIndexPredicate(open).is_null());
            pg_sys::index_close(open, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
            if !is_known || !is_plain {
                refuse(
                    name,
                    "It has an index that is neither btree nor brin, or on an expression, or partial.",
                );
            }
        }
    }
}

/// Which partition takes rows of a moment.
///
/// # Safety
/// The parent is open and locked.
unsafe fn partition_for(parent: pg_sys::Relation, at: i64, name: &str) -> pg_sys::Oid {
    // SAFETY: as the caller vouches. Bounds are of one timestamptz each, as verified by the table's layout.
    unsafe {
        let partitions = &*pg_sys::RelationGetPartitionDesc(parent, true);
        if partitions.nparts == 0 || partitions.boundinfo.is_null() {
            refuse(name, "It has no partition.");
        }
        let bounds = &*partitions.boundinfo;
        if bounds.strategy as u8 != b'r' {
            refuse(name, "It is not partitioned by ranges.");
        }
        // How many bounds are not above the moment.
        let (mut low, mut high) = (0, usize::try_from(bounds.ndatums).unwrap_or(0));
        while low < high {
            let middle = (low + high) / 2;
            let is_at_or_below = match *(*bounds.kind.add(middle)) {
                pg_sys::PartitionRangeDatumKind::PARTITION_RANGE_DATUM_MINVALUE => true,
                pg_sys::PartitionRangeDatumKind::PARTITION_RANGE_DATUM_MAXVALUE => false,
                _ => (*(*bounds.datums.add(middle))).value() as i64 <= at,
            };
            if is_at_or_below {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut place = *bounds.indexes.add(low);
        if place < 0 {
            place = bounds.default_index;
        }
        let Ok(place) = usize::try_from(place) else {
            refuse(name, "It has no partition for this moment, and no default partition.")
        };
        if !*partitions.is_leaf.add(place) {
            refuse(name, "Its partition is itself partitioned.");
        }
        *partitions.oids.add(place)
    }
}

/// Rows on their way into a table of the log.
pub struct Writer {
    open: Open,
    indexes: pg_sys::CatalogIndexState,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    filled: usize,
    bytes: usize,
    columns: usize,
    /// What lives until the rows are written.
    batch: pg_sys::MemoryContext,
    /// What lives as long as this.
    around: pg_sys::MemoryContext,
}

impl Writer {
    /// Begins to write rows of the moment `at`, the server's.
    pub fn open(table: &'static Table, at: i64) -> Self {
        let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
        let mut open = Open::by_name(table.name, lock);
        // SAFETY: the relations are open, and stay locked.
        unsafe {
            verify(open.relation, table);
            if table.partitioned_by.is_some() {
                let leaf = partition_for(open.relation, at, table.name);
                open = Open::by_oid(leaf, lock);
                verify(open.relation, table);
            }
            let columns = count((*open.relation).rd_att);
            let around = pg_sys::CurrentMemoryContext;
            let batch = pg_sys::AllocSetContextCreateInternal(
                around,
                c"dbmastery audit trail".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            Self {
                indexes: pg_sys::CatalogOpenIndexes(open.relation),
                open,
                slots: Vec::new(),
                filled: 0,
                bytes: 0,
                columns,
                batch,
                around,
            }
        }
    }

    /// Runs `work`, whose allocations live until the rows are written.
    pub fn in_batch<T>(&self, work: impl FnOnce() -> T) -> T {
        // SAFETY: a context of ours; an ERROR puts the right one back.
        let before = unsafe { pg_sys::MemoryContextSwitchTo(self.batch) };
        let result = work();
        // SAFETY: as it was.
        unsafe { pg_sys::MemoryContextSwitchTo(before) };
        result
    }

    /// Adds a row: a value for each column that the table was made with.
    ///
    /// # Safety
    /// Values of the types of the columns.
    pub unsafe fn add(&mut self, row: &[Value]) {
        let mut values = [pg_sys::Datum::null(); 32];
        let mut nulls = [true; 32];
        let columns = self.columns.min(32);
        for ((value, is_null), given) in values.iter_mut().zip(&mut nulls).zip(row) {
            if let Some(given) = *given {
                *value = given;
                *is_null = false;
            }
        }
        // SAFETY: as the caller vouches; the table was verified, and further columns may be null.
        unsafe {
            if columns < self.columns {
                refuse("change", "It has too many columns.");
            }
            let descriptor = (*self.open.relation).rd_att;
            let tuple = self
                .in_batch(|| pg_sys::heap_form_tuple(descriptor, values.as_mut_ptr(), nulls.as_mut_ptr()));
            self.bytes += (*tuple).t_len as usize;
            if (*tuple).t_len as usize > LONGEST_TOGETHER {
                let (relation, indexes) = (self.open.relation, self.indexes);
                self.in_batch(|| pg_sys::CatalogTupleInsertWithInfo(relation, tuple, indexes));
                if self.bytes >= MOST_BYTES {
                    self.flush();
                }
                return;
            }
            if self.filled == self.slots.len() {
                let before = pg_sys::MemoryContextSwitchTo(self.around);
                self.slots
                    .push(pg_sys::MakeSingleTupleTableSlot(descriptor, &raw const pg_sys::TTSOpsHeapTuple));
                pg_sys::MemoryContextSwitchTo(before);
            }
            // The slot owns it, so that it is not copied once more.
            pg_sys::ExecStoreHeapTuple(tuple, self.slots[self.filled], true);
            self.filled += 1;
        }
        if self.filled >= MOST_ROWS || self.bytes >= MOST_BYTES {
            self.flush();
        }
    }

    /// Writes what is on its way.
    pub fn flush(&mut self) {
        if self.filled == 0 && self.bytes == 0 {
            return;
        }
        // SAFETY: the table and its indexes are open and locked; the slots hold rows of it.
        unsafe {
            self.in_batch(|| {
                if self.filled == 0 {
                    // All were long.
                } else if self.filled == 1 {
                    let tuple = pg_sys::ExecFetchSlotHeapTuple(self.slots[0], false, null_mut());
                    pg_sys::CatalogTupleInsertWithInfo(self.open.relation, tuple, self.indexes);
                } else {
                    pg_sys::CatalogTuplesMultiInsertWithInfo(
                        self.open.relation,
                        self.slots.as_ptr().cast_mut(),
                        self.filled as i32,
                        self.indexes,
                    );
                }
            });
            for &slot in &self.slots[..self.filled] {
                if let Some(clear) = (*(*slot).tts_ops).clear {
                    clear(slot);
                }
            }
            pg_sys::MemoryContextReset(self.batch);
        }
        self.filled = 0;
        self.bytes = 0;
    }

    /// Writes what is on its way and ends.
    pub fn close(mut self) {
        self.flush();
        // SAFETY: made by us, given back once.
        unsafe {
            for &slot in &self.slots {
                pg_sys::ExecDropSingleTupleTableSlot(slot);
            }
            pg_sys::CatalogCloseIndexes(self.indexes);
            pg_sys::MemoryContextDelete(self.batch);
        }
    }
}

/// Writes one row.
///
/// # Safety
/// Values of the types of the columns.
pub unsafe fn write_one(table: &'static Table, at: i64, row: &[Value]) {
    let mut writer = Writer::open(table, at);
    // SAFETY: as the caller vouches.
    unsafe { writer.add(row) };
    writer.close();
}

/// Whether there is a log, made by the extension's owner. Statements of ours on it run with that owner's rights: on tables
/// of somebody else they would run whatever those have for triggers.
pub fn is_there() -> bool {
    // SAFETY: look-ups in the system caches.
    unsafe {
        let registry = find(TABLES[0].name);
        if registry == pg_sys::InvalidOid {
            return false;
        }
        let owner = owner();
        let schema = pg_sys::get_rel_namespace(registry);
        owner_of(pg_sys::SysCacheIdentifier::RELOID, registry, |class: &pg_sys::FormData_pg_class| {
            class.relowner
        }) == Some(owner)
            && owner_of(
                pg_sys::SysCacheIdentifier::NAMESPACEOID,
                schema,
                |schema: &pg_sys::FormData_pg_namespace| schema.nspowner,
            ) == Some(owner)
    }
}

/// # Safety
/// `T` must be what the rows of that cache are.
unsafe fn owner_of<T>(
    cache: pg_sys::SysCacheIdentifier::Type,
    oid: pg_sys::Oid,
    owner: impl Fn(&T) -> pg_sys::Oid,
) -> Option<pg_sys::Oid> {
    // SAFETY: as the caller vouches; the tuple is released after it was read.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(cache as i32, oid.into());
        if tuple.is_null() {
            return None;
        }
        let owner = owner(&*pg_sys::GETSTRUCT(tuple).cast::<T>());
        pg_sys::ReleaseSysCache(tuple);
        Some(owner)
    }
}
