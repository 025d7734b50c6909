//! Objects in the form in which the server stores `jsonb`, written at once: the keys are known and in order, so nothing has
//! to be sorted, and no tree is built first. The form is that of every supported version: pg_upgrade leaves it as it is.

use std::cmp::Ordering;

use super::numeric;

pub(super) const COUNT_MASK: u32 = 0x0fff_ffff;
const IS_SCALAR: u32 = 0x1000_0000;
pub(super) const IS_OBJECT: u32 = 0x2000_0000;

pub(super) const LENGTH_MASK: u32 = 0x0fff_ffff;
pub(super) const TYPE_MASK: u32 = 0x7000_0000;
pub(super) const HAS_OFFSET: u32 = 0x8000_0000;

pub(super) const STRING: u32 = 0x0000_0000;
pub(super) const NUMERIC: u32 = 0x1000_0000;
const FALSE: u32 = 0x2000_0000;
const TRUE: u32 = 0x3000_0000;
const NULL: u32 = 0x4000_0000;
pub(super) const CONTAINER: u32 = 0x5000_0000;

/// One entry in so many tells where it ends, the others how long they are.
const STRIDE: usize = 32;

/// The length word before a value.
const LENGTH_WORD: usize = 4;

/// The order of keys in an object: the shorter first.
pub fn key_order(one: &[u8], other: &[u8]) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// The length word of a value of so many bytes, itself included.
pub fn length_word(length: usize) -> [u8; 4] {
    let length = length as u32;
    if cfg!(target_endian = "little") { (length << 2).to_ne_bytes() } else { length.to_ne_bytes() }
}

/// The word that stands there; `None` behind the end.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// Where what an entry describes ends, if it begins at `start`.
pub(super) fn end_of(entry: u32, start: usize) -> usize {
    let told = (entry & LENGTH_MASK) as usize;
    if entry & HAS_OFFSET != 0 { told } else { start + told }
}

/// The beginning of objects that all have the same keys, written once.
#[derive(Clone, Debug, Default)]
pub struct Beginning {
    bytes: Vec<u8>,
    data: usize,
    keys: usize,
}

impl Beginning {
    /// `keys`: in the order of [`key_order`], each once.
    pub fn new<'k>(keys: impl ExactSizeIterator<Item = &'k [u8]>) -> Self {
        let mut bytes = Vec::new();
        let object = Object::begin(&mut bytes, keys);
        let (data, keys) = (object.data, object.keys);
        Self { bytes, data, keys }
    }
}

/// An object that is being written.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// Where the entries begin.
    entries: usize,
    /// Where what they describe begins.
    data: usize,
    /// Which entry is next.
    next: usize,
    keys: usize,
}

impl<'a> Object<'a> {
    /// Begins an object in `out`, from which all else is removed. `keys`: in the order of [`key_order`], each once.
    pub fn begin<'k>(out: &'a mut Vec<u8>, keys: impl ExactSizeIterator<Item = &'k [u8]>) -> Self {
        let count = keys.len();
        out.clear();
        out.extend_from_slice(&[0; LENGTH_WORD]);
        out.extend_from_slice(&(IS_OBJECT | (count as u32 & COUNT_MASK)).to_ne_bytes());
        let entries = out.len();
        let data = entries + 8 * count;
        out.resize(data, 0);
        let mut object = Self { out, entries, data, next: 0, keys: count };
        for key in keys {
            let start = object.out.len();
            object.out.extend_from_slice(key);
            object.end(start, STRING);
        }
        object
    }

    /// As [`Self::begin`], with the keys of the beginning.
    pub fn with(out: &'a mut Vec<u8>, beginning: &Beginning) -> Self {
        out.clear();
        // And so much for the values, in many cases.
        out.reserve(2 * beginning.bytes.len() + 128);
        out.extend_from_slice(&beginning.bytes);
        let Beginning { data, keys, .. } = *beginning;
        Self { out, entries: 2 * LENGTH_WORD, data, next: keys, keys }
    }

    fn end(&mut self, start: usize, kind: u32) {
        let mut entry = kind | ((self.out.len() - start) as u32 & LENGTH_MASK);
        if self.next.is_multiple_of(STRIDE) {
            entry = kind | HAS_OFFSET | ((self.out.len() - self.data) as u32 & LENGTH_MASK);
        }
        let at = self.entries + 4 * self.next;
        self.out[at..at + 4].copy_from_slice(&entry.to_ne_bytes());
        self.next += 1;
    }

    fn align(&mut self) {
        let length = self.out.len().next_multiple_of(4);
        self.out.resize(length, 0);
    }

    /// The value of the next key: null.
    pub fn null(&mut self) {
        self.end(self.out.len(), NULL);
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) {
        self.end(self.out.len(), if value { TRUE } else { FALSE });
    }

    /// A string.
    pub fn string(&mut self, text: &[u8]) {
        self.string_of(|out| out.extend_from_slice(text));
    }

    /// A string that is written by `write`, which only adds.
    pub fn string_of(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.out.len();
        write(self.out);
        self.end(start, STRING);
    }

    /// A number, written by one of [`numeric`].
    fn number_of(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let start = self.out.len();
        self.align();
        let at = self.out.len();
        self.out.extend_from_slice(&[0; LENGTH_WORD]);
        if !write(self.out) {
            self.out.truncate(start);
            return false;
        }
        let length = self.out.len() - at;
        self.out[at..at + LENGTH_WORD].copy_from_slice(&length_word(length));
        self.end(start, NUMERIC);
        true
    }

    /// An integer.
    pub fn integer(&mut self, value: i64) {
        self.number_of(|out| {
            numeric::write_integer(out, value);
            true
        });
    }

    /// A `float8`.
    pub fn double(&mut self, value: f64) {
        if !self.number_of(|out| numeric::write_double(out, value)) {
            self.string(numeric::float_name(value).as_bytes());
        }
    }

    /// A `float4`.
    pub fn single(&mut self, value: f32) {
        if !self.number_of(|out| numeric::write_single(out, value)) {
            self.string(numeric::float_name(f64::from(value)).as_bytes());
        }
    }

    /// A `numeric`, without its length word.
    pub fn numeric(&mut self, payload: &[u8]) {
        match numeric::special_name(payload) {
            Some(name) => self.string(name.as_bytes()),
            None => {
                self.number_of(|out| {
                    out.extend_from_slice(payload);
                    true
                });
            }
        }
    }

    /// A `jsonb`, without its length word.
    pub fn document(&mut self, container: &[u8]) {
        let word = |at: usize| {
            let bytes = container.get(at..at + 4)?;
            Some(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        };
        let start = self.out.len();
        match (word(0), word(4)) {
            (Some(header), Some(entry)) if header & IS_SCALAR != 0 => {
                let kind = entry & TYPE_MASK;
                if kind == NUMERIC {
                    self.align();
                }
                self.out.extend_from_slice(&container[8..]);
                self.end(start, kind);
            }
            _ => {
                self.align();
                self.out.extend_from_slice(container);
                self.end(start, CONTAINER);
            }
        }
    }

    /// Ends the object; false where it became longer than a jsonb can be. Every key must have its value.
    pub fn finish(self) -> bool {
        debug_assert_eq!(self.next, 2 * self.keys);
        let length = self.out.len();
        self.out[..LENGTH_WORD].copy_from_slice(&length_word(length));
        length - self.data <= LENGTH_MASK as usize
    }
}

/// What the server's `jsonb_hash_extended(object, 0)` says of an object as it is written here; `None` where a value of it is
/// itself a document. `hash_bytes`: its `hash_bytes_extended()` with the seed 0.
pub fn hash(object: &[u8], hash_bytes: impl Fn(&[u8]) -> u64) -> Option<u64> {
    let word = |at: usize| word(object, at);
    let count = (word(LENGTH_WORD)? & COUNT_MASK) as usize;
    if count == 0 {
        return Some(0);
    }
    let entries = 2 * LENGTH_WORD;
    let data = object.get(entries + 8 * count..)?;
    // Keys stand before all values, and are hashed each before its own.
    let mut value_start = 0;
    for place in 0..count {
        value_start = end_of(word(entries + 4 * place)?, value_start);
    }
    let mut key_start = 0;
    let mut hash = (u64::from(IS_OBJECT) << 32) | u64::from(IS_OBJECT);
    let mut mix = |with: u64| {
        // Both halves turn by one bit.
        hash = ((hash << 1) & 0xffff_fffe_ffff_fffe) | ((hash >> 31) & 0x1_0000_0001);
        hash ^= with;
    };
    for place in 0..count {
        let key_end = end_of(word(entries + 4 * place)?, key_start);
        mix(hash_bytes(data.get(key_start..key_end)?));
        key_start = key_end;
        let entry = word(entries + 4 * (count + place))?;
        let value_end = end_of(entry, value_start);
        mix(match entry & TYPE_MASK {
            NULL => 1,
            TRUE => 2,
            FALSE => 4,
            STRING => hash_bytes(data.get(value_start..value_end)?),
            NUMERIC => {
                let start = value_start.next_multiple_of(4) + LENGTH_WORD;
                numeric::hash(data.get(start..value_end)?, &hash_bytes)?
            }
            _ => return None,
        });
        value_start = value_end;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_over_every_key_and_value() {
        let hash_of = |number: i64, text: &[u8]| {
            let mut out = Vec::new();
            let mut object = Object::begin(&mut out, [&b"a"[..], b"bc"].into_iter());
            object.integer(number);
            object.string(text);
            object.finish();
            hash(&out, |bytes| bytes.iter().fold(7, |sum, &byte| sum * 31 + u64::from(byte)))
        };
        assert_eq!(hash_of(7, b"x"), hash_of(7, b"x"));
        assert_ne!(hash_of(7, b"x"), hash_of(70_000, b"x"));
        assert_ne!(hash_of(7, b"x"), hash_of(7, b"y"));
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out, [&b"a"[..]].into_iter());
        object.document(&[0; 8]);
        assert_eq!((object.finish(), hash(&out, |_| 0)), (true, None));
    }

    #[test]
    fn as_the_server_stores_it() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out, [&b"a"[..], b"bc"].into_iter());
        object.integer(7);
        object.string(b"x");
        assert!(object.finish());
        // SELECT '{"a": 7, "bc": "x"}'::jsonb, on a little-endian machine.
        #[cfg(target_endian = "little")]
        assert_eq!(
            out,
            [
                0x94, 0, 0, 0, 2, 0, 0, 0x20, // length, header
                1, 0, 0, 0x80, 2, 0, 0, 0, // keys
                9, 0, 0, 0x10, 1, 0, 0, 0, // values
                b'a', b'b', b'c', 0, 0x20, 0, 0, 0, 0, 0x80, 7, 0, b'x',
            ]
        );
    }

    #[test]
    fn with_a_beginning_as_without() {
        let keys: Vec<Vec<u8>> = (0..70).map(|number| format!("{number:02}").into_bytes()).collect();
        let keys = || keys.iter().map(|key| &**key);
        let (mut one, mut other) = (Vec::new(), vec![7; 9]);
        let beginning = Beginning::new(keys());
        for mut object in [Object::begin(&mut one, keys()), Object::with(&mut other, &beginning)] {
            for number in 0..70 {
                object.integer(number);
            }
            assert!(object.finish());
        }
        assert_eq!(one, other);
    }

    #[test]
    fn an_object_without_keys() {
        let mut out = vec![1, 2, 3];
        assert!(Object::begin(&mut out, std::iter::empty()).finish());
        assert_eq!(out[4..], IS_OBJECT.to_ne_bytes());
    }
}
