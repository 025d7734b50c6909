//! A table of bounded size in memory that several processes share.
//!
//! Counting takes no lock: an entry is found by following numbers that are read and written whole, and whoever meets
//! one that is being changed misses a count or gives it to a neighbour. Everything else needs a lock held outside:
//! a shared one to read what an entry keeps, an exclusive one to change the table.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::Moment;

/// What tells entries apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The server's identifier of the query; not 0.
    pub query: u64,
    /// Where it was run.
    pub database: u32,
    /// By whom.
    pub role: u32,
}

impl Key {
    fn owner(self) -> u64 {
        u64::from(self.database) << 32 | u64::from(self.role)
    }

    fn hash(self) -> u64 {
        let mixed = (self.query ^ self.owner().rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    }
}

/// One entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(usize);

/// The counters of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// How often it was run.
    pub calls: u64,
    /// How long, in nanoseconds.
    pub nanoseconds: u64,
    /// When it was first seen, on the server's clock.
    pub first_seen: Moment,
    /// When it was last run.
    pub last_seen: Moment,
}

// The words at the beginning of the table.
const USED: usize = 0;
const FREE: usize = 1;
const EVICTED: usize = 2;
const SINCE: usize = 3;
const HEADER: usize = 8;

// The words of an entry, behind the buckets.
const QUERY: usize = 0;
const OWNER: usize = 1;
const NEXT: usize = 2;
const CALLS: usize = 3;
const NANOSECONDS: usize = 4;
const USAGE: usize = 5;
const SIGHTINGS: usize = 6;
const FIRST_SEEN: usize = 7;
const LAST_SEEN: usize = 8;
const BYTES: usize = 9;
// A multiple of a cache line, so that no two processes that count different queries wait for each other.
const FIELDS: usize = 16;

/// What one run adds to the usage of an entry.
const ONE_USE: u64 = 256;

/// A full table gives this share of its entries up at once.
const SHARE_EVICTED: usize = 20;

/// A table over words of memory that begin as zeroes.
#[derive(Clone, Copy)]
pub struct Table<'m> {
    words: &'m [AtomicU64],
    capacity: usize,
    /// Words that each entry keeps for its record.
    room: usize,
    buckets: usize,
}

impl<'m> Table<'m> {
    /// How many words a table of so many entries takes, each with so many bytes for its record.
    pub fn size(capacity: usize, bytes: usize) -> usize {
        HEADER + capacity.next_power_of_two() + capacity * (FIELDS + bytes.div_ceil(8))
    }

    /// The table in these words; `None` if they are too few.
    pub fn new(words: &'m [AtomicU64], capacity: usize, bytes: usize) -> Option<Self> {
        let is_enough = capacity > 0 && words.len() >= Self::size(capacity, bytes);
        let buckets = capacity.next_power_of_two();
        is_enough.then(|| Self { words, capacity, room: bytes.div_ceil(8), buckets })
    }

    /// Bytes that a record may have.
    pub fn room(&self) -> usize {
        self.room * 8
    }

    /// How many entries it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many entries were given up since it was last cleared.
    pub fn evicted(&self) -> u64 {
        self.words[EVICTED].load(Ordering::Relaxed)
    }

    /// When it was last cleared.
    pub fn since(&self) -> Moment {
        self.words[SINCE].load(Ordering::Relaxed).cast_signed()
    }

    fn bucket(&self, key: Key) -> &'m AtomicU64 {
        let place = usize::try_from(key.hash() % self.buckets as u64).unwrap_or(0);
        &self.words[HEADER + place]
    }

    fn field(&self, entry: usize, field: usize) -> &'m AtomicU64 {
        &self.words[HEADER + self.buckets + entry * FIELDS + field]
    }

    fn record(&self, entry: usize) -> &'m [AtomicU64] {
        let start = HEADER + self.buckets + self.capacity * FIELDS + entry * self.room;
        &self.words[start..start + self.room]
    }

    /// The entry to which a link leads; links are numbers from 1.
    fn target(&self, link: &AtomicU64) -> Option<usize> {
        let number = usize::try_from(link.load(Ordering::Acquire)).ok()?;
        number.checked_sub(1).filter(|&entry| entry < self.capacity)
    }

    /// Looks an entry up. Needs no lock; one that is being put in may be missed.
    pub fn find(&self, key: Key) -> Option<Entry> {
        let mut link = self.bucket(key);
        // A chain that is being changed might lead in a circle.
        for _ in 0..self.capacity {
            let entry = self.target(link)?;
            if self.key_is(entry, key) {
                return Some(Entry(entry));
            }
            link = self.field(entry, NEXT);
        }
        None
    }

    fn key_is(&self, entry: usize, key: Key) -> bool {
        self.field(entry, QUERY).load(Ordering::Relaxed) == key.query
            && self.field(entry, OWNER).load(Ordering::Relaxed) == key.owner()
    }

    /// Counts a run, or a further part of one. Needs no lock.
    pub fn count(&self, entry: Entry, is_new_run: bool, nanoseconds: u64, now: Moment) {
        if is_new_run {
            self.field(entry.0, CALLS).fetch_add(1, Ordering::Relaxed);
            self.field(entry.0, USAGE).fetch_add(ONE_USE, Ordering::Relaxed);
            self.field(entry.0, LAST_SEEN).store(now.cast_unsigned(), Ordering::Relaxed);
        }
        self.field(entry.0, NANOSECONDS).fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Notes that the query was seen with constants and returns how often it had been before. Needs no lock.
    pub fn sighted(&self, entry: Entry) -> u64 {
        self.field(entry.0, SIGHTINGS).fetch_add(1, Ordering::Relaxed)
    }

    /// The counters of an entry. Needs no lock.
    pub fn counts(&self, entry: Entry) -> Counts {
        let read = |field| self.field(entry.0, field).load(Ordering::Relaxed);
        Counts {
            calls: read(CALLS),
            nanoseconds: read(NANOSECONDS),
            first_seen: read(FIRST_SEEN).cast_signed(),
            last_seen: read(LAST_SEEN).cast_signed(),
        }
    }

    /// What an entry keeps. Needs the lock.
    pub fn bytes(&self, entry: Entry) -> Vec<u8> {
        let length = usize::try_from(self.field(entry.0, BYTES).load(Ordering::Relaxed)).unwrap_or(0);
        let length = length.min(self.room());
        let words = &self.record(entry.0)[..length.div_ceil(8)];
        let mut bytes: Vec<u8> =
            words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        bytes.truncate(length);
        bytes
    }

    /// Replaces what an entry keeps; too much of it is left as it was. Needs the exclusive lock.
    pub fn keep(&self, entry: Entry, bytes: &[u8]) {
        if bytes.len() > self.room() {
            return;
        }
        for (word, chunk) in self.record(entry.0).iter().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_le_bytes(whole), Ordering::Relaxed);
        }
        self.field(entry.0, BYTES).store(bytes.len() as u64, Ordering::Relaxed);
    }

    /// Puts a query in, or finds it; a full table gives up what was used least. Needs the exclusive lock.
    pub fn insert(&self, key: Key, bytes: &[u8], now: Moment) -> Option<Entry> {
        if key.query == 0 || bytes.len() > self.room() {
            return None;
        }
        if let Some(entry) = self.find(key) {
            return Some(entry);
        }
        let entry = self.take_free()?;
        for field in [CALLS, NANOSECONDS, SIGHTINGS, LAST_SEEN] {
            self.field(entry, field).store(0, Ordering::Relaxed);
        }
        // As one run, so that it is not given up between being planned and being run.
        self.field(entry, USAGE).store(ONE_USE, Ordering::Relaxed);
        self.field(entry, FIRST_SEEN).store(now.cast_unsigned(), Ordering::Relaxed);
        self.keep(Entry(entry), bytes);
        self.field(entry, OWNER).store(key.owner(), Ordering::Relaxed);
        self.field(entry, QUERY).store(key.query, Ordering::Relaxed);
        let bucket = self.bucket(key);
        self.field(entry, NEXT).store(bucket.load(Ordering::Relaxed), Ordering::Relaxed);
        bucket.store(entry as u64 + 1, Ordering::Release);
        Some(Entry(entry))
    }

    fn take_free(&self) -> Option<usize> {
        let used = usize::try_from(self.words[USED].load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        if self.target(&self.words[FREE]).is_none() {
            if used < self.capacity {
                self.words[USED].store(used as u64 + 1, Ordering::Relaxed);
                return Some(used);
            }
            self.evict();
        }
        let entry = self.target(&self.words[FREE])?;
        let next = self.field(entry, NEXT).load(Ordering::Relaxed);
        self.words[FREE].store(next, Ordering::Relaxed);
        Some(entry)
    }

    /// Gives up the entries that were used least, and lets the use of the others fade.
    fn evict(&self) {
        let mut order: Vec<(u64, u64, usize)> = (0..self.capacity)
            .map(|entry| {
                let read = |field| self.field(entry, field).load(Ordering::Relaxed);
                (read(USAGE), read(LAST_SEEN), entry)
            })
            .collect();
        order.sort_unstable();
        for &(usage, _, entry) in &order {
            self.field(entry, USAGE).store(usage - usage / 16, Ordering::Relaxed);
        }
        let given_up = self.capacity.div_ceil(SHARE_EVICTED);
        for &(_, _, entry) in order.iter().take(given_up) {
            self.unlink(entry);
            let first_free = self.words[FREE].load(Ordering::Relaxed);
            self.field(entry, NEXT).store(first_free, Ordering::Release);
            self.words[FREE].store(entry as u64 + 1, Ordering::Relaxed);
        }
        self.words[EVICTED].fetch_add(given_up as u64, Ordering::Relaxed);
    }

    fn unlink(&self, entry: usize) {
        let owner = self.field(entry, OWNER).load(Ordering::Relaxed);
        let key = Key {
            query: self.field(entry, QUERY).load(Ordering::Relaxed),
            database: (owner >> 32) as u32,
            role: owner as u32,
        };
        self.field(entry, QUERY).store(0, Ordering::Relaxed);
        let mut link = self.bucket(key);
        for _ in 0..self.capacity {
            match self.target(link) {
                Some(found) if found == entry => {
                    let next = self.field(entry, NEXT).load(Ordering::Relaxed);
                    link.store(next, Ordering::Release);
                    return;
                }
                Some(other) => link = self.field(other, NEXT),
                None => return,
            }
        }
    }

    /// Forgets everything; how many entries there were. Needs the exclusive lock.
    pub fn clear(&self, now: Moment) -> usize {
        let count = self.entries().len();
        for bucket in &self.words[HEADER..HEADER + self.buckets] {
            bucket.store(0, Ordering::Release);
        }
        for entry in 0..self.capacity {
            self.field(entry, QUERY).store(0, Ordering::Relaxed);
        }
        for word in [USED, FREE, EVICTED] {
            self.words[word].store(0, Ordering::Relaxed);
        }
        self.words[SINCE].store(now.cast_unsigned(), Ordering::Relaxed);
        count
    }

    /// All entries with their keys. Needs the lock.
    pub fn entries(&self) -> Vec<(Key, Entry)> {
        let read = |entry| {
            let owner = self.field(entry, OWNER).load(Ordering::Relaxed);
            let query = self.field(entry, QUERY).load(Ordering::Relaxed);
            let key = Key { query, database: (owner >> 32) as u32, role: owner as u32 };
            (query != 0).then_some((key, Entry(entry)))
        };
        (0..self.capacity).filter_map(read).collect()
    }
}

#[cfg(test)]
mod tests;
