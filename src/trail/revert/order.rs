//! In which order changes are taken back: the last first, but a row before those that refer to it comes back, and after
//! them goes. A cascade is logged after what set it off, and its rows need that back first.

use std::collections::{BinaryHeap, HashMap, HashSet};

use super::{Done, Undone, Values};

/// A foreign key between two of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// The place of the table that has it.
    pub child: usize,
    /// The place of the table to which it refers.
    pub parent: usize,
    /// Its columns, and those to which they refer.
    pub columns: Vec<(String, String)>,
    /// Whether a key that changes takes its references along.
    pub follows_updates: bool,
}

fn values_of<'a>(values: &'a Values, columns: &[&String]) -> Option<Vec<&'a str>> {
    columns
        .iter()
        .map(|column| values.iter().find(|(name, _)| name == *column).map(|(_, value)| &**value))
        .collect()
}

/// What taking the change back gives a row in these columns, and what it takes from one.
fn moved<'a>(undone: &'a Undone, columns: &[&String]) -> (Option<Vec<&'a str>>, Option<Vec<&'a str>>) {
    let before = values_of(&undone.before, columns);
    let after = values_of(&undone.after, columns);
    match undone.done {
        Done::Inserted => (None, after),
        Done::Deleted => (before, None),
        Done::Updated if before == after => (None, None),
        Done::Updated => (before, after),
    }
}

/// The places of the changes in the order in which they are taken back.
pub fn order(keys: &[ForeignKey], undone: &[Undone]) -> Vec<usize> {
    let count = undone.len();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut waits_for = vec![0_usize; count];
    let mut known: HashSet<(usize, usize)> = HashSet::new();
    let mut edge = |first: usize, then: usize| {
        if first != then && known.insert((first, then)) {
            followers[first].push(then);
            waits_for[then] += 1;
        }
    };
    let to_themselves: HashSet<usize> =
        keys.iter().filter(|key| key.child == key.parent).map(|key| key.child).collect();
    // Of thousands of partitions each has its own.
    let mut of_table: HashMap<usize, Vec<usize>> = HashMap::new();
    for (place, each) in undone.iter().enumerate() {
        of_table.entry(each.table).or_default().push(place);
    }
    let of_table = |table: usize| {
        let places = of_table.get(&table).map_or(&[][..], Vec::as_slice);
        places.iter().map(|&place| (place, &undone[place]))
    };
    // The rows of a table in turn, the last first. A table that refers to itself has no such order.
    let mut last_of: HashMap<usize, usize> = HashMap::new();
    for (place, each) in
        undone.iter().enumerate().rev().filter(|(_, each)| !to_themselves.contains(&each.table))
    {
        if let Some(later) = last_of.insert(each.table, place) {
            edge(later, place);
        }
    }
    for key in keys {
        let ours: Vec<&String> = key.columns.iter().map(|(child, _)| child).collect();
        let theirs: Vec<&String> = key.columns.iter().map(|(_, parent)| parent).collect();
        let mut comes: HashMap<Vec<&str>, Vec<usize>> = HashMap::new();
        let mut goes: HashMap<Vec<&str>, Vec<usize>> = HashMap::new();
        for (place, each) in of_table(key.parent) {
            let (given, taken) = moved(each, &theirs);
            if let Some(given) = given {
                comes.entry(given).or_default().push(place);
            }
            if let Some(taken) = taken
                && !(each.done == Done::Updated && key.follows_updates)
            {
                goes.entry(taken).or_default().push(place);
            }
        }
        for (place, each) in of_table(key.child) {
            let (given, taken) = moved(each, &ours);
            // Of several parents that had the key the nearest counts: the one that was taken from the row last.
            if let Some(parent) = given.and_then(|given| comes.get(&given)).and_then(|places| places.first())
            {
                edge(*parent, place);
            }
            if let Some(parent) = taken.and_then(|taken| goes.get(&taken)).and_then(|places| places.last()) {
                edge(place, *parent);
            }
        }
    }
    let mut ready: BinaryHeap<usize> = (0..count).filter(|&place| waits_for[place] == 0).collect();
    let mut ordered = Vec::with_capacity(count);
    let mut is_done = vec![false; count];
    // In a ring nothing is ready: then the last goes first, as without foreign keys.
    let mut rest = count;
    while let Some(place) = ready.pop().or_else(|| {
        rest = (0..rest).rev().find(|&place| !is_done[place])?;
        Some(rest)
    }) {
        if std::mem::replace(&mut is_done[place], true) {
            continue;
        }
        ordered.push(place);
        for &follower in &followers[place] {
            waits_for[follower] -= 1;
            if waits_for[follower] == 0 {
                ready.push(follower);
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(table: usize, done: Done, before: &[(&str, &str)], after: &[(&str, &str)]) -> Undone {
        let values = |members: &[(&str, &str)]| {
            members.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        Undone { change: 0, table, done, before: values(before), after: values(after) }
    }

    fn key(child: usize, parent: usize) -> ForeignKey {
        ForeignKey { child, parent, columns: vec![("up".to_owned(), "id".to_owned())], follows_updates: true }
    }

    #[test]
    fn a_parent_comes_before_its_children_and_goes_after_them() {
        // A cascade: the parent was logged first.
        let deleted = [
            change(0, Done::Deleted, &[("id", "1")], &[]),
            change(1, Done::Deleted, &[("id", "7"), ("up", "1")], &[]),
            change(1, Done::Deleted, &[("id", "8"), ("up", "2")], &[]),
        ];
        assert_eq!(order(&[key(1, 0)], &deleted), [2, 0, 1]);
        let inserted = [
            change(0, Done::Inserted, &[], &[("id", "1")]),
            change(1, Done::Inserted, &[], &[("id", "7"), ("up", "1")]),
        ];
        assert_eq!(order(&[key(1, 0)], &inserted), [1, 0]);
        // A key that changed, and its cascade.
        let updated = [
            change(0, Done::Updated, &[("id", "1")], &[("id", "2")]),
            change(1, Done::Updated, &[("id", "7"), ("up", "1")], &[("id", "7"), ("up", "2")]),
        ];
        assert_eq!(order(&[key(1, 0)], &updated), [0, 1]);
    }

    #[test]
    fn a_tree_comes_back_from_its_root() {
        let deleted = [
            change(0, Done::Deleted, &[("id", "1"), ("up", "null")], &[]),
            change(0, Done::Deleted, &[("id", "2"), ("up", "1")], &[]),
            change(0, Done::Deleted, &[("id", "3"), ("up", "2")], &[]),
        ];
        assert_eq!(order(&[key(0, 0)], &deleted), [0, 1, 2]);
        assert_eq!(order(&[], &deleted), [2, 1, 0]);
    }

    #[test]
    fn a_ring_ends() {
        let updated = [
            change(0, Done::Updated, &[("id", "1"), ("up", "2")], &[("id", "2"), ("up", "1")]),
            change(0, Done::Updated, &[("id", "2"), ("up", "1")], &[("id", "1"), ("up", "2")]),
        ];
        let mut ordered = order(&[key(0, 0)], &updated);
        ordered.sort_unstable();
        assert_eq!(ordered, [0, 1]);
    }
}
