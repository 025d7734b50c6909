//! The indexes of a table of the log, and the entries that its new rows get in them.

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::log::refuse;
use crate::pg::planner::list::oids;

mod raw {
    use pgrx::pg_sys;

    pub enum BrinRevmap {}

    #[cfg(any(feature = "pg15", feature = "pg16"))]
    mod versioned {
        use pgrx::pg_sys;

        unsafe extern "C-unwind" {
            pub fn brinRevmapInitialize(
                index: pg_sys::Relation,
                pages_per_range: *mut pg_sys::BlockNumber,
                snapshot: pg_sys::Snapshot,
            ) -> *mut super::BrinRevmap;
            pub fn brinGetTupleForHeapBlock(
                map: *mut super::BrinRevmap,
                block: pg_sys::BlockNumber,
                buffer: *mut pg_sys::Buffer,
                offset: *mut pg_sys::OffsetNumber,
                size: *mut pg_sys::Size,
                mode: i32,
                snapshot: pg_sys::Snapshot,
            ) -> *mut std::ffi::c_void;
        }
    }

    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    mod versioned {
        use pgrx::pg_sys;

        unsafe extern "C-unwind" {
            pub fn brinRevmapInitialize(
                index: pg_sys::Relation,
                pages_per_range: *mut pg_sys::BlockNumber,
            ) -> *mut super::BrinRevmap;
            pub fn brinGetTupleForHeapBlock(
                map: *mut super::BrinRevmap,
                block: pg_sys::BlockNumber,
                buffer: *mut pg_sys::Buffer,
                offset: *mut pg_sys::OffsetNumber,
                size: *mut pg_sys::Size,
                mode: i32,
            ) -> *mut std::ffi::c_void;
        }
    }

    unsafe extern "C-unwind" {
        pub fn brinRevmapTerminate(map: *mut BrinRevmap);
    }

    /// Opens the map of an index, and tells how many pages a range of it has.
    pub unsafe fn open(index: pg_sys::Relation) -> (*mut BrinRevmap, pg_sys::BlockNumber) {
        let mut pages = 0;
        // SAFETY: the index is open.
        unsafe {
            #[cfg(any(feature = "pg15", feature = "pg16"))]
            let map = versioned::brinRevmapInitialize(index, &raw mut pages, std::ptr::null_mut());
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            let map = versioned::brinRevmapInitialize(index, &raw mut pages);
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
            let summary = versioned::brinGetTupleForHeapBlock(
                map,
                block,
                buffer,
                &raw mut offset,
                &raw mut size,
                mode,
                std::ptr::null_mut(),
            );
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            let summary =
                versioned::brinGetTupleForHeapBlock(map, block, buffer, &raw mut offset, &raw mut size, mode);
            if summary.is_null() {
                return false;
            }
            pg_sys::LockBuffer(*buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
            true
        }
    }
}

/// An index that is open.
struct Index {
    relation: pg_sys::Relation,
    /// What the access method keeps between two entries.
    information: *mut pg_sys::IndexInfo,
    /// The columns of the table that it has, from 1.
    columns: Vec<usize>,
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
    pub unsafe fn open(table: pg_sys::Relation, name: &str) -> Self {
        // SAFETY: as the caller vouches; the list is ours.
        unsafe {
            let mut indexes = Vec::new();
            for oid in oids(pg_sys::RelationGetIndexList(table)) {
                let relation = pg_sys::index_open(oid, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
                let method = (*(*relation).rd_rel).relam;
                let is_brin = method == pg_sys::BRIN_AM_OID;
                let is_plain = (*relation).rd_indextuple.is_null()
                    || (pg_sys::RelationGetIndexExpressions(relation).is_null()
                        && pg_sys::RelationGetIndexPredicate(relation).is_null());
                if !is_plain || !(is_brin || method == pg_sys::BTREE_AM_OID) {
                    refuse(
                        name,
                        "It has an index that is neither btree nor brin, or on an expression, or partial.",
                    );
                }
                let form = &*(*relation).rd_index;
                if !form.indisready {
                    // One that is being built concurrently sees to it itself.
                    pg_sys::index_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
                    continue;
                }
                let count = usize::try_from(form.indnatts).unwrap_or(0);
                let numbers = form.indkey.values.as_ptr();
                // Cleared memory of the call, as the server allocates it.
                let information = pg_sys::palloc0(size_of::<pg_sys::IndexInfo>()).cast::<pg_sys::IndexInfo>();
                (*information).type_ = pg_sys::NodeTag::T_IndexInfo;
                (*information).ii_NumIndexAttrs = count as i32;
                (*information).ii_NumIndexKeyAttrs = i32::from(form.indnkeyatts);
                (*information).ii_Unique = form.indisunique;
                (*information).ii_ReadyForInserts = true;
                (*information).ii_Am = method;
                (*information).ii_Context = pg_sys::CurrentMemoryContext;
                indexes.push(Index {
                    relation,
                    information,
                    columns: (0..count)
                        .map(|place| usize::try_from(*numbers.add(place)).unwrap_or(0))
                        .collect(),
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
                let mut ranges = index.is_brin.then(|| Ranges::open(index.relation));
                for (row, at) in rows.clone() {
                    if ranges.as_mut().is_none_or(|ranges| ranges.needs(&at)) {
                        index.add(table, row, at);
                    }
                }
                if let Some(ranges) = ranges {
                    ranges.close();
                }
            }
        }
    }

    /// Closes them. The locks stay to the end of the transaction.
    pub fn close(self) {
        for index in self.0 {
            // SAFETY: opened by us, closed once.
            unsafe {
                #[cfg(not(any(feature = "pg15", feature = "pg16")))]
                if !(*index.information).ii_AmCache.is_null() {
                    pg_sys::index_insert_cleanup(index.relation, index.information);
                }
                pg_sys::index_close(index.relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            }
        }
    }
}

impl Index {
    /// # Safety
    /// A row of the table, and where it is in it.
    unsafe fn add(&self, table: pg_sys::Relation, row: pg_sys::HeapTuple, mut at: pg_sys::ItemPointerData) {
        const MOST: usize = 32;
        let (mut values, mut nulls) = ([pg_sys::Datum::null(); MOST], [true; MOST]);
        let (mut keys, mut null_keys) = ([pg_sys::Datum::null(); MOST], [true; MOST]);
        // SAFETY: as the caller vouches. The writer refuses tables of more columns, and an index has no more than that.
        unsafe {
            pg_sys::heap_deform_tuple(row, (*table).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
            for (place, &column) in self.columns.iter().enumerate().take(MOST) {
                let value = |column: usize| Some((*values.get(column)?, *nulls.get(column)?));
                if let Some((value, is_null)) = column.checked_sub(1).and_then(value) {
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
                self.information,
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
    map: *mut raw::BrinRevmap,
    pages: pg_sys::BlockNumber,
    buffer: pg_sys::Buffer,
    without_summary: Option<pg_sys::BlockNumber>,
}

impl Ranges {
    /// # Safety
    /// The index is open, and BRIN. All rows that will be asked about are in the table.
    unsafe fn open(index: pg_sys::Relation) -> Self {
        // SAFETY: as the caller vouches. Nothing to be dropped.
        let (map, pages) = unsafe { pg_guard_ffi_boundary(|| raw::open(index)) };
        Self { map, pages: pages.max(1), buffer: 0, without_summary: None }
    }

    /// Whether the index must be told of the row at that place.
    ///
    /// # Safety
    /// The map is open.
    unsafe fn needs(&mut self, at: &pg_sys::ItemPointerData) -> bool {
        let block = (u32::from(at.ip_blkid.bi_hi) << 16) | u32::from(at.ip_blkid.bi_lo);
        let range = block / self.pages;
        if at.ip_posid == 1 && block == range * self.pages {
            // With the first row of a range the server asks for a summary of the range before it.
            return true;
        }
        if self.without_summary == Some(range) {
            return false;
        }
        // SAFETY: as the caller vouches. Nothing to be dropped.
        let is_summarised = unsafe {
            let (map, buffer) = (self.map, &raw mut self.buffer);
            pg_guard_ffi_boundary(|| raw::is_summarised(map, block, buffer))
        };
        if !is_summarised {
            self.without_summary = Some(range);
        }
        is_summarised
    }

    /// # Safety
    /// Once.
    unsafe fn close(self) {
        // SAFETY: opened by us; the page is pinned and no longer locked.
        unsafe {
            if self.buffer != 0 {
                pg_sys::ReleaseBuffer(self.buffer);
            }
            pg_guard_ffi_boundary(|| raw::brinRevmapTerminate(self.map));
        }
    }
}
