//! What the rows of a table look like: a row of the log for each way that they ever did.

use pgrx::{FromDatum, IntoDatum, pg_sys};

use super::column::Value;
use super::log::{Key, Open};
use super::numbers::Sequence;
use super::registry;
use super::watched::{Watched, be_fresh, watched};
use super::writer::write_one;
use crate::catalog::trail::layout::SHAPE;
use crate::pg::value::{Document, JsonText, Text};

/// In place of the fingerprint of a shape that no change has: how readers tell what tells only of columns.
const NOTED: i64 = 0;

/// Writes the shape that a watched table has now where the log does not have it as its last. A table that somebody else has locked,
/// or that nobody watches any more, is passed over: whoever altered its columns has it locked himself.
pub fn note_shape(relid: u32) {
    const LOCK: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: locked without waiting, opened if it is still there, and closed again; on ERROR by the resource owner.
    unsafe {
        if !pg_sys::ConditionalLockRelationOid(relid.into(), LOCK) {
            return;
        }
        let relation = pg_sys::try_table_open(relid.into(), pg_sys::NoLock as pg_sys::LOCKMODE);
        if !relation.is_null() {
            if registry::find(relid.into()).is_some() {
                watched(relation).note_shape(pg_sys::GetCurrentTimestamp());
            }
            pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        }
        pg_sys::UnlockRelationOid(relid.into(), LOCK);
    }
}

/// The number in a row of the table of shapes.
fn number(row: &[Value]) -> Option<i32> {
    row.first().copied().flatten().map(|datum| datum.value() as i32)
}

impl Watched {
    /// The number of the shape of its rows; written if nobody did yet.
    pub fn shape(&self, at: i64) -> i32 {
        if let Some(shape) = self.shape.get() {
            return shape;
        }
        let shape = self.find_shape().unwrap_or_else(|| self.write_shape(at, self.fingerprint));
        self.shape.set(Some(shape));
        shape
    }

    /// Writes the shape where it is another than the last one of the table: from now on it is known what its columns are called,
    /// though no row changes.
    pub fn note_shape(&self, at: i64) {
        let open = Open::by_name(SHAPE.name, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let columns = [(9, pg_sys::F_OIDEQ, pg_sys::Datum::from(self.relid))];
        let key = Key { index: "idx_shape_relid", columns: &columns };
        let mut last: Option<(i32, bool)> = None;
        // SAFETY: reads the columns as what they are.
        unsafe {
            open.scan(Some(key), |row| {
                let Some(shape) = number(row) else { return };
                if self.is_of_it(row) && last.is_none_or(|(last, _)| last < shape) {
                    last = Some((shape, self.is_described(row)));
                }
            });
        }
        if !last.is_some_and(|(_, is_described)| is_described) {
            self.write_shape(at, NOTED);
        }
    }

    fn find_shape(&self) -> Option<i32> {
        let open = Open::by_name(SHAPE.name, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        // Each of thousands of partitions has a shape of the same relation.
        let columns = [
            (2, pg_sys::F_INT4EQ, pg_sys::Datum::from(self.relation_id)),
            (8, pg_sys::F_INT8EQ, pg_sys::Datum::from(self.fingerprint)),
        ];
        let key = Key { index: "idx_shape_relation_id", columns: &columns };
        let mut found = None;
        // SAFETY: reads the columns as what they are.
        unsafe {
            open.scan(Some(key), |row| {
                if self.is_described(row) {
                    found = number(row);
                }
            });
        }
        // Written by this transaction, it may be rolled back with it; by which is not looked at.
        be_fresh(self);
        found
    }

    /// Whether a row of the table of shapes is of this table, as part of the relation that is watched.
    ///
    /// # Safety
    /// A row of that table.
    unsafe fn is_of_it(&self, row: &[Value]) -> bool {
        let at = |place: usize| row.get(place).copied().flatten();
        // SAFETY: as the caller vouches: the columns are of these types.
        unsafe {
            at(1).is_some_and(|relation| relation.value() as i32 == self.relation_id)
                && at(8).is_some_and(|relid| relid.value() as u32 == self.relid.to_u32())
                && at(9).and_then(|home| Text::from_datum(home, false)).map(Text::into_string)
                    == Some(registry::home())
        }
    }

    /// Whether a row of the table of shapes says what is: fingerprints of two shapes may be alike.
    ///
    /// # Safety
    /// A row of that table.
    unsafe fn is_described(&self, row: &[Value]) -> bool {
        let at = |place: usize| row.get(place).copied().flatten();
        // SAFETY: as the caller vouches: the columns are of these types.
        unsafe {
            let text =
                |place| at(place).and_then(|datum| Text::from_datum(datum, false)).map(Text::into_string);
            let attributes = at(5).and_then(|datum| JsonText::from_datum(datum, false));
            let key = at(6).and_then(|datum| Vec::<Option<Text>>::from_datum(datum, false));
            let key: Option<Vec<String>> =
                key.map(|names| names.into_iter().flatten().map(Text::into_string).collect());
            self.is_of_it(row)
                && text(3).as_ref() == Some(&self.schema)
                && text(4).as_ref() == Some(&self.table)
                && attributes.is_some_and(|found| found.value() == self.attributes)
                && key == self.key_names
        }
    }

    fn write_shape(&self, at: i64, fingerprint: i64) -> i32 {
        let shape = Sequence::find("shape_id").next() as i32;
        let text = |text: &str| Text::from(text).into_datum();
        let key: Value = self.key_names.as_ref().and_then(|names| {
            let names: Vec<Text> = names.iter().map(|name| Text::from(name.as_str())).collect();
            text_array(names)
        });
        let row: [Value; 10] = [
            shape.into_datum(),
            self.relation_id.into_datum(),
            Some(pg_sys::Datum::from(at)),
            text(&self.schema),
            text(&self.table),
            Document::from(self.attributes.clone()).into_datum(),
            key,
            fingerprint.into_datum(),
            self.relid.into_datum(),
            text(&registry::home()),
        ];
        // SAFETY: values of the types of the columns.
        unsafe { write_one(&SHAPE, at, &row) };
        be_fresh(self);
        shape
    }
}

/// An array of texts in the database's encoding.
fn text_array(texts: Vec<Text>) -> Value {
    let mut elements: Vec<pg_sys::Datum> = texts.into_iter().filter_map(IntoDatum::into_datum).collect();
    // SAFETY: elements of type text, which is of variable length and aligned to four bytes.
    unsafe {
        let array = pg_sys::construct_array(
            elements.as_mut_ptr(),
            elements.len() as i32,
            pg_sys::TEXTOID,
            -1,
            false,
            pg_sys::TYPALIGN_INT as std::ffi::c_char,
        );
        Some(pg_sys::Datum::from(array))
    }
}
