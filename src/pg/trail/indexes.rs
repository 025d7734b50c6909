//! The indexes of a table of the log, and the entries that its new rows get in them.

use std::cell::RefCell;
use std::ptr::null_mut;

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::bare;
use super::descriptor::name_bytes;
use super::log::refuse;
use crate::pg::planner::list::{length, oid_at};

mod raw {
    use pgrx::pg_sys;

    pub enum BrinRevmap {}

    unsafe extern "C-unwind" {
        fn brinRevmapInitialize(
            index: pg_sys::Relation,
            pages_per_range: *mut pg_sys::BlockNumber,
            #[cfg(any(feature = "pg15", feature = "pg16"))] snapshot: pg_sys::Snapshot,
        ) -> *mut BrinRevmap;
        fn brinGetTupleForHeapBlock(
            map: *mut BrinRevmap,
            block: pg_sys::BlockNumber,
            buffer: *mut pg_sys::Buffer,
            offset: *mut pg_sys::OffsetNumber,
            size: *mut pg_sys::Size,
            mode: i32,
            #[cfg(any(feature = "pg15", feature = "pg16"))] snapshot: pg_sys::Snapshot,
        ) -> *mut std::ffi::c_void;
        pub fn brinRevmapTerminate(map: *mut BrinRevmap);
    }

    /// Opens the map of an index, and tells how many pages a range of it has.
    pub unsafe fn open(index: pg_sys::Relation) -> (*mut BrinRevmap, pg_sys::BlockNumber) {
        let mut pages = 0;
        // SAFETY: the index is open.
        unsafe {
            #[cfg(any(feature = "pg15", feature = "pg16"))]
            let map = brinRevmapInitialize(index, &raw mut pages, std::ptr::null_mut());
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            let map = brinRevmapInitialize(index, &raw mut pages);
            (map, pages)
        }
    }

    /// Whether the range of a page has a summary.
    pub unsafe fn is_summarised(
        map: *mut BrinRevmap,
        block: pg_sys::BlockNumber,
        buffer: *mut pg_sys::Buffer,
    ) -> bool {
        let (mut offset, mut size) = (0, 0);
        let mode = pg_sys::BUFFER_LOCK_SHARE as i32;
        // SAFETY: the map is open. Where there is a summary, its page comes locked.
        unsafe {
            #[cfg(any(feature = "pg15", feature = "pg16"))]
            let summary = brinGetTupleForHeapBlock(
                map,
                block,
                buffer,
                &raw mut offset,
                &raw mut size,
                mode,
                std::ptr::null_mut(),
            );
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            let summary = brinGetTupleForHeapBlock(map, block, buffer, &raw mut offset, &raw mut size, mode);
            if summary.is_null() {
                return false;
            }
            pg_sys::LockBuffer(*buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
            true
        }
    }
}

thread_local! {
    /// Indexes that were found to be of a known kind and on plain columns.
    static PLAIN: RefCell<Vec<pg_sys::Oid>> = const { RefCell::new(Vec::new()) };
}

/// An index changed; 0: any may have.
pub fn forget(relation: pg_sys::Oid) {
    PLAIN.with_borrow_mut(|plain| plain.retain(|&index| index != relation && relation != pg_sys::InvalidOid));
}

/// A table of the log has no more columns, unless somebody adds some, and no index has.
pub const MOST_COLUMNS: usize = 32;

/// So many indexes are opened at once.
const FEW: usize = 4;

/// An index that is open.
struct Index {
    relation: pg_sys::Relation,
    /// What the access method keeps between two entries.
    information: pg_sys::IndexInfo,
    /// The columns of the table that it has, from 1, and how many.
    columns: [u8; MOST_COLUMNS],
    count: usize,
    is_brin: bool,
    uniqueness: pg_sys::IndexUniqueCheck::Type,
}

/// The indexes of a table.
pub struct Indexes(Vec<Index>);

impl Indexes {
    /// Opens them. An index on an expression would run somebody's function with the rights of whoever writes.
    ///
    /// # Safety
    /// The table is open, and locked for writing.
    pub unsafe fn open(table: pg_sys::Relation) -> Self {
        const LOCK: pg_sys::LOCKMODE = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
        // SAFETY: as the caller vouches; the list is ours. Nothing to be dropped under the guard.
        unsafe {
            let mut few = [null_mut(); FEW];
            let list = pg_guard_ffi_boundary(|| {
                let list = bare::RelationGetIndexList(table);
                for (place, relation) in few.iter_mut().enumerate().take(length(list)) {
                    *relation = bare::index_open(oid_at(list, place), LOCK);
                }
                list
            });
            let count = length(list);
            let more = (FEW..count).map(|place| pg_sys::index_open(oid_at(list, place), LOCK));
            let mut indexes = Vec::with_capacity(count);
            for relation in few.into_iter().take(count).chain(more) {
                let oid = (*relation).rd_id;
                let method = (*(*relation).rd_rel).relam;
                let is_brin = method == pg_sys::BRIN_AM_OID;
                if !PLAIN.with_borrow(|plain| plain.contains(&oid)) {
                    let is_plain = (*relation).rd_indextuple.is_null()
                        || (pg_sys::RelationGetIndexExpressions(relation).is_null()
                            && pg_sys::RelationGetIndexPredicate(relation).is_null());
                    if !is_plain || !(is_brin || method == pg_sys::BTREE_AM_OID) {
                        let name = name_bytes(&(*(*table).rd_rel).relname);
                        refuse(
                            &String::from_utf8_lossy(name),
                            "It has an index that is neither btree nor brin, or on an expression, or partial.",
                        );
                    }
                    PLAIN.with_borrow_mut(|plain| plain.push(oid));
                }
                let form = &*(*relation).rd_index;
                if !form.indisready {
                    // One that is being built concurrently sees to it itself.
                    bare::close(relation);
                    continue;
                }
                let count = usize::try_from(form.indnatts).unwrap_or(0).min(MOST_COLUMNS);
                let numbers = form.indkey.values.as_ptr();
                // What access methods look at when they insert: the rest is for who builds.
                let information = pg_sys::IndexInfo {
                    type_: pg_sys::NodeTag::T_IndexInfo,
                    ii_NumIndexAttrs: count as i32,
                    ii_NumIndexKeyAttrs: i32::from(form.indnkeyatts),
                    ii_Unique: form.indisunique,
                    ii_ReadyForInserts: true,
                    ii_Am: method,
                    ii_Context: pg_sys::CurrentMemoryContext,
                    ..Default::default()
                };
                let mut columns = [0; MOST_COLUMNS];
                for (place, column) in columns.iter_mut().enumerate().take(count) {
                    *column = u8::try_from(*numbers.add(place)).unwrap_or(0);
                }
                indexes.push(Index {
                    relation,
                    information,
                    columns,
                    count,
                    is_brin,
                    uniqueness: if form.indisunique {
                        pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES
                    } else {
                        pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO
                    },
                });
            }
            Self(indexes)
        }
    }

    /// Gives rows their entries. All of them are in the table already.
    ///
    /// # Safety
    /// Rows of the table, and where they are in it.
    pub unsafe fn add(
        &mut self,
        table: pg_sys::Relation,
        rows: impl Iterator<Item = (pg_sys::HeapTuple, pg_sys::ItemPointerData)> + Clone,
    ) {
        for index in &mut self.0 {
            // SAFETY: as the caller vouches; the index is open.
            unsafe {
                let mut ranges = index.is_brin.then(|| Ranges::of(index.relation));
                for (row, at) in rows.clone() {
                    if ranges.as_mut().is_none_or(|ranges| ranges.needs(&at)) {
                        index.add(table, row, at);
                    }
                }
                if let Some(ranges) = ranges {
                    ranges.close();
                }
                // The map of a BRIN index is as it was when it was opened: kept over a whole statement, it could send rows
                // to a summary that somebody has made anew elsewhere meanwhile.
                #[cfg(not(any(feature = "pg15", feature = "pg16")))]
                index.let_go();
            }
        }
    }

    /// Closes them. The locks stay to the end of the transaction.
    pub fn close(self) {
        for index in self.0 {
            // SAFETY: opened by us, closed once.
            unsafe { bare::close(index.relation) };
        }
    }
}

impl Index {
    /// Lets go of what the access method keeps between two entries.
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    fn let_go(&mut self) {
        if !self.information.ii_AmCache.is_null() {
            // SAFETY: the index is open; what it keeps is its own.
            unsafe { pg_sys::index_insert_cleanup(self.relation, &raw mut self.information) };
            self.information.ii_AmCache = null_mut();
        }
    }

    /// # Safety
    /// A row of the table, and where it is in it.
    unsafe fn add(
        &mut self,
        table: pg_sys::Relation,
        row: pg_sys::HeapTuple,
        mut at: pg_sys::ItemPointerData,
    ) {
        let (mut values, mut nulls) = ([pg_sys::Datum::null(); MOST_COLUMNS], [true; MOST_COLUMNS]);
        let (mut keys, mut null_keys) = ([pg_sys::Datum::null(); MOST_COLUMNS], [true; MOST_COLUMNS]);
        // SAFETY: as the caller vouches. The writer refuses tables of more columns, and an index has no more than that.
        unsafe {
            bare::deform(row, (*table).rd_att, &mut values, &mut nulls);
            for (place, &column) in self.columns.iter().enumerate().take(self.count) {
                let value = |column: usize| Some((*values.get(column)?, *nulls.get(column)?));
                if let Some((value, is_null)) = usize::from(column).checked_sub(1).and_then(value) {
                    keys[place] = value;
                    null_keys[place] = is_null;
                }
            }
            pg_sys::index_insert(
                self.relation,
                keys.as_mut_ptr(),
                null_keys.as_mut_ptr(),
                &raw mut at,
                table,
                self.uniqueness,
                false,
                &raw mut self.information,
            );
        }
    }
}

/// The ranges of a BRIN index. Most rows are added to one that has no summary yet, at the end of the table, where the
/// index has nothing to learn of them.
///
/// Whoever makes a summary puts a mark first and reads the pages then, also rows whose transaction is not over. So where
/// there is neither summary nor mark after rows were put into the table, who comes will see them: one look is enough for
/// all of them.
struct Ranges {
    index: pg_sys::Relation,
    /// Null until it is needed.
    map: *mut raw::BrinRevmap,
    pages: pg_sys::BlockNumber,
    buffer: pg_sys::Buffer,
    without_summary: Option<pg_sys::BlockNumber>,
}

impl Ranges {
    /// # Safety
    /// The index is open, and BRIN. All rows that will be asked about are in the table.
    unsafe fn of(index: pg_sys::Relation) -> Self {
        Self { index, map: null_mut(), pages: 1, buffer: 0, without_summary: None }
    }

    /// Whether the index must be told of the row at that place.
    ///
    /// # Safety
    /// The index is open.
    unsafe fn needs(&mut self, at: &pg_sys::ItemPointerData) -> bool {
        let block = (u32::from(at.ip_blkid.bi_hi) << 16) | u32::from(at.ip_blkid.bi_lo);
        if self.map.is_null() {
            let (index, buffer) = (self.index, &raw mut self.buffer);
            // SAFETY: as the caller vouches. Nothing to be dropped.
            let (map, pages, is_summarised) = unsafe {
                pg_guard_ffi_boundary(|| {
                    // What `index_insert` asks, also for rows of which the index is not told: serializable readers that
                    // came by it lock it as a whole.
                    bare::CheckForSerializableConflictIn(index, null_mut(), pg_sys::InvalidBlockNumber);
                    let (map, pages) = raw::open(index);
                    (map, pages, raw::is_summarised(map, block, buffer))
                })
            };
            (self.map, self.pages) = (map, pages.max(1));
            self.without_summary = (!is_summarised).then(|| block / self.pages);
        }
        let range = block / self.pages;
        if at.ip_posid == 1 && block == range * self.pages {
            // With the first row of a range the server asks for a summary of the range before it.
            return true;
        }
        if self.without_summary == Some(range) {
            return false;
        }
        let (map, buffer) = (self.map, &raw mut self.buffer);
        // SAFETY: the map is open. Nothing to be dropped.
        let is_summarised = unsafe { pg_guard_ffi_boundary(|| raw::is_summarised(map, block, buffer)) };
        if !is_summarised {
            self.without_summary = Some(range);
        }
        is_summarised
    }

    /// # Safety
    /// Once.
    unsafe fn close(self) {
        let (map, buffer) = (self.map, self.buffer);
        // SAFETY: opened by us; the page is pinned and no longer locked. Both let go of pages and memory, and raise nothing.
        unsafe {
            if buffer != 0 {
                bare::release_page(buffer);
            }
            if !map.is_null() {
                raw::brinRevmapTerminate(map);
            }
        }
    }
}
