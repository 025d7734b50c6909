//! How full the leaf pages of a B-tree are, measured on a spread sample of its pages.

use pgrx::pg_sys;

use crate::catalog::{Index, Persistence};
use crate::finding::LeafDensity;
use crate::pg::definitions::while_locked;
use crate::pg::file;

/// Pages read of one index at the most. At 400 pages the standard error of a mean that lies between 0 and 1 is below
/// 2.5 points.
const SAMPLE: u32 = 400;

/// Flags of `BTPageOpaqueData.btpo_flags` (nbtree.h).
const LEAF: u16 = 1;
const DELETED: u16 = 1 << 2;
const META: u16 = 1 << 3;
const HALF_DEAD: u16 = 1 << 4;

/// The special space of a B-tree page (`BTPageOpaqueData`).
#[repr(C)]
struct Opaque {
    previous: u32,
    next: u32,
    level: u32,
    flags: u16,
    cycle: u16,
}

/// Reads a sample of an index's pages; `None` where it is not a B-tree with storage or cannot be locked at once.
pub fn sample(index: &Index) -> Option<LeafDensity> {
    let is_btree = index.access_method == pg_sys::BTREE_AM_OID.to_u32();
    if !is_btree
        || index.is_partitioned
        || index.file.number == 0
        || index.persistence == Persistence::Temporary
    {
        return None;
    }
    while_locked(index.oid, || {
        if !file::is_current(pg_sys::Oid::from(index.oid), index.file) {
            return None;
        }
        let pages = u32::try_from(file::bytes(index.file)? / u64::from(pg_sys::BLCKSZ)).ok()?;
        if pages < 2 {
            return None;
        }
        let data_pages = pages - 1;
        let wanted = data_pages.min(SAMPLE);
        let (mut sampled, mut filled) = (0_u32, 0.0);
        for position in 0..wanted {
            pgrx::check_for_interrupts!();
            // Page 0 is the metapage; the rest is sampled at even distances.
            let page =
                1 + u32::try_from(u64::from(position) * u64::from(data_pages) / u64::from(wanted)).ok()?;
            // SAFETY: the lock is held, the file is the index's own, and the page lies inside it.
            if let Some(fill) = unsafe { leaf_fill(index, page) } {
                sampled += 1;
                filled += fill;
            }
        }
        (sampled > 0).then(|| LeafDensity {
            sampled_pages: sampled,
            pages,
            fill: filled / f64::from(sampled),
        })
    })
}

/// The filled share of a leaf page, 0 for a page that is empty or deleted; `None` for an inner page.
///
/// # Safety
/// The index's lock must be held, its file location current, and the page inside the file.
unsafe fn leaf_fill(index: &Index, page: u32) -> Option<f64> {
    // SAFETY: the page is pinned and share-locked while its header and special space are read.
    unsafe {
        let buffer = pg_sys::ReadBufferWithoutRelcache(
            file::locator(index.file),
            pg_sys::ForkNumber::MAIN_FORKNUM,
            page,
            pg_sys::ReadBufferMode::RBM_NORMAL,
            std::ptr::null_mut(),
            index.persistence == Persistence::Permanent,
        );
        pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as _);
        let content = pg_sys::BufferGetPage(buffer);
        let fill = if pg_sys::PageIsNew(content) {
            Some(0.0)
        } else {
            let opaque = &*pg_sys::PageGetSpecialPointer(content).cast::<Opaque>();
            if opaque.flags & META != 0 {
                None
            } else if opaque.flags & (DELETED | HALF_DEAD) != 0 {
                Some(0.0)
            } else if opaque.flags & LEAF == 0 {
                None
            } else {
                let free = pg_sys::PageGetExactFreeSpace(content) as f64;
                let usable = pg_sys::PageGetPageSize(content)
                    - pg_sys::SizeOfPageHeaderData()
                    - usize::from(pg_sys::PageGetSpecialSize(content));
                Some((1.0 - free / usable as f64).clamp(0.0, 1.0))
            }
        };
        pg_sys::UnlockReleaseBuffer(buffer);
        fill
    }
}
