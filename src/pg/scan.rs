//! Catalog scans: one catalog read row by row, without SPI and without the syscache.
//!
//! A scan sees what the calling statement's snapshot sees, takes AccessShareLock on the catalog and nothing else,
//! and bypasses access control: whoever reads something private checks rights itself.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr;

use pgrx::{FromDatum, pg_sys};

use crate::catalog::{Grant, Oid};
use crate::pg::encoding;
use crate::pg::value::JsonText;

/// A sequential scan of a catalog, closed when dropped.
pub struct CatalogScan {
    relation: pg_sys::Relation,
    scan: pg_sys::SysScanDesc,
    descriptor: pg_sys::TupleDesc,
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
    current: pg_sys::HeapTuple,
}

/// The position of an attribute in its catalog.
#[derive(Clone, Copy)]
pub struct Attribute(usize);

impl CatalogScan {
    /// Begins to read the catalog with that OID.
    pub fn open(catalog: u32) -> Self {
        // SAFETY: plain calls in a backend with an active snapshot; a failure raises before anything is owned here.
        unsafe {
            let relation = pg_sys::table_open(pg_sys::Oid::from(catalog), pg_sys::AccessShareLock as _);
            let scan = pg_sys::systable_beginscan(
                relation,
                pg_sys::InvalidOid,
                false,
                pg_sys::GetActiveSnapshot(),
                0,
                ptr::null_mut(),
            );
            Self::of(relation, scan)
        }
    }

    /// Begins to read the rows of a catalog in which these attributes, by their number, hold these OIDs, through one of
    /// the catalog's indexes that begins with them. Sees what is committed now and what this transaction did, also
    /// where no statement has a snapshot yet.
    pub fn keyed(catalog: u32, index: u32, keys: &[(pg_sys::AttrNumber, u32)]) -> Self {
        // SAFETY: plain calls in a transaction; the keys are copied by the scan. A failure raises before anything is
        // owned here.
        unsafe {
            let relation = pg_sys::table_open(pg_sys::Oid::from(catalog), pg_sys::AccessShareLock as _);
            let mut scan_keys = vec![pg_sys::ScanKeyData::default(); keys.len()];
            for (scan_key, &(attribute, oid)) in scan_keys.iter_mut().zip(keys) {
                pg_sys::ScanKeyInit(
                    scan_key,
                    attribute,
                    pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                    pg_sys::Oid::from(pg_sys::F_OIDEQ),
                    pg_sys::Datum::from(pg_sys::Oid::from(oid)),
                );
            }
            let scan = pg_sys::systable_beginscan(
                relation,
                pg_sys::Oid::from(index),
                true,
                ptr::null_mut(),
                i32::try_from(scan_keys.len()).unwrap_or(0),
                scan_keys.as_mut_ptr(),
            );
            Self::of(relation, scan)
        }
    }

    /// Begins to read the rows of a catalog in which this attribute holds this OID or a greater one, otherwise as
    /// [`Self::keyed`] does.
    pub fn keyed_from(catalog: u32, index: u32, (attribute, oid): (pg_sys::AttrNumber, u32)) -> Self {
        // SAFETY: as above.
        unsafe {
            let relation = pg_sys::table_open(pg_sys::Oid::from(catalog), pg_sys::AccessShareLock as _);
            let mut scan_key = pg_sys::ScanKeyData::default();
            pg_sys::ScanKeyInit(
                &raw mut scan_key,
                attribute,
                pg_sys::BTGreaterEqualStrategyNumber as pg_sys::StrategyNumber,
                pg_sys::Oid::from(pg_sys::F_OIDGE),
                pg_sys::Datum::from(pg_sys::Oid::from(oid)),
            );
            let scan = pg_sys::systable_beginscan(
                relation,
                pg_sys::Oid::from(index),
                true,
                ptr::null_mut(),
                1,
                &raw mut scan_key,
            );
            Self::of(relation, scan)
        }
    }

    /// # Safety
    /// The scan must be one of this open catalog.
    unsafe fn of(relation: pg_sys::Relation, scan: pg_sys::SysScanDesc) -> Self {
        // SAFETY: the relation is open.
        unsafe {
            let descriptor = (*relation).rd_att;
            let count = usize::try_from((*descriptor).natts).unwrap_or(0);
            Self {
                relation,
                scan,
                descriptor,
                values: vec![pg_sys::Datum::from(0); count],
                nulls: vec![true; count],
                current: ptr::null_mut(),
            }
        }
    }

    /// Where an attribute stands, found by name because positions move between majors; `None` where it does not exist.
    pub fn find(&self, name: &CStr) -> Option<Attribute> {
        // SAFETY: the relation is open; the name is a C string.
        let number = unsafe { pg_sys::get_attnum((*self.relation).rd_id, name.as_ptr()) };
        usize::try_from(number).ok().filter(|&position| position > 0).map(|position| Attribute(position - 1))
    }

    /// Where an attribute stands that every supported major has.
    pub fn attribute(&self, name: &CStr) -> Attribute {
        match self.find(name) {
            Some(attribute) => attribute,
            None => panic!("the catalog has no attribute {name:?} on this server version"),
        }
    }

    /// The next row with all attributes.
    pub fn next_row(&mut self) -> Option<Row<'_>> {
        let tuple = self.next_tuple()?;
        // SAFETY: the arrays are as long as the descriptor says; the tuple stays valid until the next call.
        unsafe {
            pg_sys::heap_deform_tuple(
                tuple,
                self.descriptor,
                self.values.as_mut_ptr(),
                self.nulls.as_mut_ptr(),
            );
        }
        Some(Row { values: &self.values, nulls: &self.nulls })
    }

    /// The fixed part of the next row, without the cost of taking the tuple apart.
    ///
    /// # Safety
    /// `T` must be the C layout of a prefix of the catalog's row in which no attribute is null or of variable length.
    pub unsafe fn next_struct<T>(&mut self) -> Option<&T> {
        let tuple = self.next_tuple()?;
        // SAFETY: the caller vouches for the layout; the tuple stays valid while `self` is borrowed.
        unsafe { Some(&*pg_sys::GETSTRUCT(tuple).cast::<T>()) }
    }

    fn next_tuple(&mut self) -> Option<pg_sys::HeapTuple> {
        // SAFETY: the scan is open.
        let tuple = unsafe { pg_sys::systable_getnext(self.scan) };
        self.current = tuple;
        (!tuple.is_null()).then_some(tuple)
    }

    /// The access control list of the row whose fixed part was read last: for what hardly any row has, found without taking
    /// the others apart.
    pub fn acl_of_current(&mut self, attribute: Attribute) -> Option<Box<[Grant]>> {
        let (byte, bit) = (attribute.0 / 8, attribute.0 % 8);
        // SAFETY: the tuple stays valid until the next call; where it has nulls, one bit an attribute follows its header.
        unsafe {
            if self.current.is_null() {
                return None;
            }
            let header = (*self.current).t_data;
            let has_nulls = u32::from((*header).t_infomask) & pg_sys::HEAP_HASNULL != 0;
            if has_nulls && *(&raw const (*header).t_bits).cast::<u8>().add(byte) & (1 << bit) == 0 {
                return None;
            }
            pg_sys::heap_deform_tuple(
                self.current,
                self.descriptor,
                self.values.as_mut_ptr(),
                self.nulls.as_mut_ptr(),
            );
        }
        Row { values: &self.values, nulls: &self.nulls }.acl(attribute)
    }
}

impl Drop for CatalogScan {
    fn drop(&mut self) {
        // While an ERROR unwinds, the resource owner closes both; a second failure here would abort the backend.
        if std::thread::panicking() {
            return;
        }
        // SAFETY: both were opened by `open` and are closed once.
        unsafe {
            pg_sys::systable_endscan(self.scan);
            pg_sys::table_close(self.relation, pg_sys::AccessShareLock as _);
        }
    }
}

/// One row of a catalog. What is read from it is copied.
pub struct Row<'a> {
    values: &'a [pg_sys::Datum],
    nulls: &'a [bool],
}

/// Text of the database as a Rust string.
pub fn text_of(bytes: &[u8]) -> Box<str> {
    encoding::from_server(bytes).into()
}

/// A C string of the server as text.
///
/// # Safety
/// `text` must be null or point to a C string.
pub unsafe fn text_of_c_string(text: *const std::ffi::c_char) -> Option<Box<str>> {
    // SAFETY: the caller vouches for the pointer.
    (!text.is_null()).then(|| text_of(unsafe { CStr::from_ptr(text) }.to_bytes()))
}

/// A name as the catalogs store it.
pub fn text_of_name(name: &pg_sys::NameData) -> Box<str> {
    // SAFETY: a name is always zero-terminated within its 64 bytes.
    text_of(unsafe { CStr::from_ptr(name.data.as_ptr()) }.to_bytes())
}

/// A one-dimensional array without nulls, detoasted.
struct Elements<'a, T> {
    data: *const T,
    count: usize,
    lifetime: PhantomData<&'a T>,
}

impl<T: Copy> Elements<'_, T> {
    fn to_vec(&self) -> Vec<T> {
        if self.count == 0 {
            return Vec::new();
        }
        // SAFETY: `elements` computed both from the array's own header.
        unsafe { std::slice::from_raw_parts(self.data, self.count) }.to_vec()
    }
}

impl Row<'_> {
    fn datum(&self, attribute: Attribute) -> Option<pg_sys::Datum> {
        (!self.nulls[attribute.0]).then(|| self.values[attribute.0])
    }

    /// An OID; 0 for NULL.
    pub fn oid(&self, attribute: Attribute) -> Oid {
        self.datum(attribute).map_or(0, |datum| datum.value() as u32)
    }

    /// A boolean; false for NULL.
    pub fn bool(&self, attribute: Attribute) -> bool {
        self.datum(attribute).is_some_and(|datum| datum.value() as u8 != 0)
    }

    /// A "char"; NUL for NULL.
    pub fn char(&self, attribute: Attribute) -> char {
        self.datum(attribute).map_or('\0', |datum| char::from(datum.value() as u8))
    }

    /// An int2; 0 for NULL.
    pub fn int2(&self, attribute: Attribute) -> i16 {
        self.datum(attribute).map_or(0, |datum| datum.value() as i16)
    }

    /// An int4; 0 for NULL.
    pub fn int4(&self, attribute: Attribute) -> i32 {
        self.datum(attribute).map_or(0, |datum| datum.value() as i32)
    }

    /// An int8 (or a moment); `None` for NULL.
    pub fn int8(&self, attribute: Attribute) -> Option<i64> {
        self.datum(attribute).map(|datum| datum.value() as i64)
    }

    /// A float4; 0 for NULL.
    pub fn float4(&self, attribute: Attribute) -> f32 {
        self.datum(attribute).map_or(0.0, |datum| f32::from_bits(datum.value() as u32))
    }

    /// Whether the attribute is not NULL.
    pub fn has(&self, attribute: Attribute) -> bool {
        !self.nulls[attribute.0]
    }

    /// A name.
    pub fn name(&self, attribute: Attribute) -> Box<str> {
        match self.datum(attribute) {
            // SAFETY: the attribute is of type name, so the datum points to one.
            Some(datum) => text_of_name(unsafe { &*datum.cast_mut_ptr::<pg_sys::NameData>() }),
            None => "".into(),
        }
    }

    /// A text or pg_node_tree.
    pub fn text(&self, attribute: Attribute) -> Option<Box<str>> {
        self.bytes(attribute).map(|bytes| text_of(&bytes))
    }

    /// A jsonb.
    pub fn json(&self, attribute: Attribute) -> Option<serde_json::Value> {
        // SAFETY: the attribute is a jsonb; detoasting copies where needed.
        self.datum(attribute)
            .and_then(|datum| unsafe { JsonText::from_datum(datum, false) })
            .and_then(|json| serde_json::from_str(&json.into_string()).ok())
    }

    /// The bytes of any varlena.
    pub fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>> {
        let datum = self.datum(attribute)?;
        // SAFETY: the attribute is a varlena; detoasting copies where needed, into the scratch context.
        unsafe {
            let detoasted = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
            Some(pgrx::varlena_to_byte_slice(detoasted).to_vec())
        }
    }

    /// The elements of an int2vector or int2[].
    pub fn int2_array(&self, attribute: Attribute) -> Vec<i16> {
        self.elements(attribute).map_or_else(Vec::new, |elements| elements.to_vec())
    }

    /// The elements of an oidvector or oid[].
    pub fn oid_array(&self, attribute: Attribute) -> Vec<Oid> {
        self.elements(attribute).map_or_else(Vec::new, |elements| elements.to_vec())
    }

    /// The elements of a text[], as for storage options and settings.
    pub fn text_array(&self, attribute: Attribute) -> Box<[Box<str>]> {
        let Some(datum) = self.datum(attribute) else {
            return Box::default();
        };
        let (mut elements, mut nulls, mut count) = (ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: the attribute is a text[]; the three results describe arrays of `count` elements.
        unsafe {
            let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
            pg_sys::deconstruct_array(
                array,
                pg_sys::TEXTOID,
                -1,
                false,
                b'i' as std::ffi::c_char,
                &mut elements,
                &mut nulls,
                &mut count,
            );
            (0..usize::try_from(count).unwrap_or(0))
                .filter(|&position| !*nulls.add(position))
                .map(|position| {
                    let element = (*elements.add(position)).cast_mut_ptr();
                    text_of(pgrx::varlena_to_byte_slice(pg_sys::pg_detoast_datum_packed(element)))
                })
                .collect()
        }
    }

    /// An access control list; `None` for NULL, which means the built-in default.
    pub fn acl(&self, attribute: Attribute) -> Option<Box<[Grant]>> {
        let items: Elements<'_, pg_sys::AclItem> = self.elements(attribute)?;
        Some(items.to_vec().into_iter().map(grant_of).collect())
    }

    fn elements<T>(&self, attribute: Attribute) -> Option<Elements<'_, T>> {
        let datum = self.datum(attribute)?;
        // SAFETY: the attribute is an array of `T` without nulls (the catalogs never store any), so that its data
        // begin right after the header, which for one dimension is 24 bytes long and already aligned.
        unsafe {
            let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
            if (*array).ndim != 1 {
                return Some(Elements { data: ptr::null(), count: 0, lifetime: PhantomData });
            }
            let header = std::mem::size_of::<pg_sys::ArrayType>();
            let dimension = *array.cast::<u8>().add(header).cast::<i32>();
            let data = array.cast::<u8>().add(header + 8).cast::<T>();
            Some(Elements { data, count: usize::try_from(dimension).unwrap_or(0), lifetime: PhantomData })
        }
    }
}

/// Splits the privilege bits of this major's `AclMode` so that the grant options are always the upper 32.
fn grant_of(item: pg_sys::AclItem) -> Grant {
    #[allow(clippy::unnecessary_cast, reason = "narrower before 16")]
    let bits = item.ai_privs as u64;
    #[cfg(feature = "pg15")]
    let privileges = (bits & 0xffff) | ((bits >> 16) << 32);
    #[cfg(not(feature = "pg15"))]
    let privileges = bits;
    Grant { grantee: item.ai_grantee.to_u32(), grantor: item.ai_grantor.to_u32(), privileges }
}

/// Runs `read` in a memory context of its own, so that what detoasting leaves behind goes at once.
pub fn in_scratch_memory<T>(read: impl FnOnce() -> T) -> T {
    // SAFETY: the context is a child of the current one: should `read` unwind, it goes with its parent.
    unsafe {
        let scratch = pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"dbmastery catalog scan".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        );
        let before = pg_sys::MemoryContextSwitchTo(scratch);
        let result = read();
        pg_sys::MemoryContextSwitchTo(before);
        pg_sys::MemoryContextDelete(scratch);
        result
    }
}
