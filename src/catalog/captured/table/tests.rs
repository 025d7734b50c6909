use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn words(capacity: usize, bytes: usize) -> Vec<AtomicU64> {
    (0..Table::size(capacity, bytes)).map(|_| AtomicU64::new(0)).collect()
}

fn key(query: u64) -> Key {
    Key { query, database: 5, role: 10 }
}

#[test]
fn finds_what_was_put_in_and_counts_it() {
    let words = words(4, 20);
    let table = Table::new(&words, 4, 20).unwrap();
    assert_eq!(table.find(key(1)), None);
    let entry = table.insert(key(1), b"one", 100).unwrap();
    assert_eq!(table.insert(key(1), b"again", 200), Some(entry), "the first stays");
    assert_eq!(table.find(key(1)), Some(entry));
    for other in [Key { database: 6, ..key(1) }, Key { role: 11, ..key(1) }, key(2)] {
        assert_eq!(table.find(other), None);
    }
    table.count(entry, true, 30, 300);
    table.count(entry, false, 12, 400);
    let counts = Counts { calls: 1, nanoseconds: 42, first_seen: 100, last_seen: 300 };
    assert_eq!((table.counts(entry), table.bytes(entry)), (counts, b"one".to_vec()));
    table.keep(entry, b"twenty bytes or more");
    assert_eq!(table.bytes(entry), b"twenty bytes or more");
    table.keep(entry, &[0; 25]);
    assert_eq!(table.bytes(entry), b"twenty bytes or more", "what is too long changes nothing");
    assert_eq!(table.insert(key(7), &[0; 25], 0), None);
    assert_eq!(table.insert(key(0), b"", 0), None);
    assert_eq!((table.sighted(entry), table.sighted(entry)), (0, 1));
}

#[test]
fn a_full_table_gives_up_what_is_used_least() {
    let words = words(40, 8);
    let table = Table::new(&words, 40, 8).unwrap();
    for query in 1..=40 {
        let entry = table.insert(key(query), b"", 0).unwrap();
        for _ in 0..=query % 7 {
            table.count(entry, true, 1, 5);
        }
    }
    assert_eq!((table.entries().len(), table.evicted()), (40, 0));
    table.insert(key(41), b"new", 9).unwrap();
    assert_eq!((table.entries().len(), table.evicted()), (39, 2));
    assert_eq!(
        (table.find(key(7)), table.find(key(14))),
        (None, None),
        "those with the fewest runs are gone"
    );
    assert!(table.find(key(6)).is_some() && table.find(key(41)).is_some());
    assert_eq!(table.clear(77), 39);
    assert_eq!((table.entries().len(), table.evicted(), table.since()), (0, 0, 77));
    assert_eq!(table.find(key(6)), None);
}

#[test]
fn what_was_used_long_ago_fades() {
    let words = words(20, 8);
    let table = Table::new(&words, 20, 8).unwrap();
    let old = table.insert(key(1), b"", 0).unwrap();
    for _ in 0..20 {
        table.count(old, true, 1, 1);
    }
    // Each new query is run five times; the old one never again.
    let gone = (2..2000).position(|query| {
        let entry = table.insert(key(query), b"", 0).unwrap();
        (0..5).for_each(|_| table.count(entry, true, 1, 2));
        table.find(key(1)).is_none()
    });
    assert!(gone.is_some_and(|after| after > 20), "{gone:?}");
}

#[test]
fn too_little_memory_makes_no_table() {
    let words = words(4, 20);
    assert!(Table::new(&words[1..], 4, 20).is_none());
    assert!(Table::new(&words, 0, 20).is_none());
}

#[test]
fn counting_from_several_threads_loses_nothing() {
    let words = words(8, 8);
    let table = Table::new(&words, 8, 8).unwrap();
    for query in 1..=8 {
        table.insert(key(query), b"", 0).unwrap();
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for query in (1..=8).cycle().take(8000) {
                    table.count(table.find(key(query)).unwrap(), true, 1, 1);
                }
            });
        }
    });
    let calls: Vec<u64> = table.entries().iter().map(|&(_, entry)| table.counts(entry).calls).collect();
    assert_eq!(calls, [4000; 8]);
}

proptest! {
    /// Against a map: what the table holds is a part of it, and never another query's record.
    #[test]
    fn holds_nothing_that_was_not_put_in(
        capacity in 1usize..12,
        queries in proptest::collection::vec(1u64..30, 0..200),
    ) {
        let words = words(capacity, 16);
        let table = Table::new(&words, capacity, 16).unwrap();
        let mut all: HashMap<u64, Vec<u8>> = HashMap::new();
        for (time, &query) in queries.iter().enumerate() {
            if query == 29 {
                table.clear(0);
            }
            let bytes = format!("{query}").into_bytes();
            let entry = table.insert(key(query), &bytes, time as i64).unwrap();
            table.count(entry, true, 1, time as i64);
            all.insert(query, bytes);
            prop_assert_eq!(table.find(key(query)), Some(entry));
            let entries = table.entries();
            prop_assert!(entries.len() <= capacity);
            for (key, entry) in entries {
                prop_assert_eq!(table.find(key), Some(entry));
                prop_assert_eq!(Some(&table.bytes(entry)), all.get(&key.query));
            }
        }
    }
}
