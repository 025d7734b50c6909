//! Which rows seals have already, asked for along the rows of the log by number.

use std::collections::VecDeque;
use std::iter::Peekable;

/// The numbers of the rows that seals have. Seals hold rows in the order of their numbers, and few overlap: only those are
/// open among whose rows the asker is.
pub struct Sealed<I: Iterator<Item = i64>, F: FnMut(i64) -> I> {
    /// Number of the first row and of the seal.
    coming: VecDeque<(i64, i64)>,
    open: F,
    passing: Vec<Peekable<I>>,
}

impl<I: Iterator<Item = i64>, F: FnMut(i64) -> I> Sealed<I, F> {
    /// Of seals by the number of the first row of each; `open` gives the numbers of all rows of one, the lowest first.
    pub fn new(mut seals: Vec<(i64, i64)>, open: F) -> Self {
        seals.sort_unstable();
        Self { coming: seals.into(), open, passing: Vec::new() }
    }

    /// Whether one of them has the row of that number, which is no lower than any that was asked for before.
    pub fn has(&mut self, id: i64) -> bool {
        while let Some((_, seal)) = self.coming.pop_front_if(|&mut (first, _)| first <= id) {
            self.passing.push((self.open)(seal).peekable());
        }
        let mut is_known = false;
        self.passing.retain_mut(|numbers| {
            while numbers.next_if(|&number| number < id).is_some() {}
            let next = numbers.peek();
            is_known |= next == Some(&id);
            next.is_some()
        });
        is_known
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn rows_of_all_seals_are_known_and_no_seal_is_open_for_longer_than_needed() {
        let seals = [vec![1, 2, 4, 9], vec![3, 5, 20], vec![21, 22]];
        let opened = Cell::new(0);
        let mut sealed = Sealed::new(vec![(21, 2), (3, 1), (1, 0)], |seal: i64| {
            opened.set(opened.get() + 1);
            seals[usize::try_from(seal).unwrap_or(0)].clone().into_iter()
        });
        assert_eq!((0..8).filter(|&id| sealed.has(id)).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(opened.get(), 2);
        // What is asked for twice is known twice.
        assert!(sealed.has(9) && sealed.has(9) && !sealed.has(10));
        assert_eq!(sealed.passing.len(), 1);
        assert!(sealed.has(20) && sealed.has(22) && !sealed.has(23));
        assert_eq!((opened.get(), sealed.passing.len()), (3, 0));
    }

    #[test]
    fn without_seals_nothing_is_known() {
        let mut sealed = Sealed::new(Vec::new(), |_| std::iter::empty());
        assert!(!sealed.has(1));
    }
}
