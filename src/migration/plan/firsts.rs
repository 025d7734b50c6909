//! What was said before, found without comparing each with all.

use std::hash::Hash;

use rustc_hash::FxHashSet;

/// Of each, whether none before it is equal.
pub fn firsts<T: Eq + Hash>(items: &[T]) -> Vec<bool> {
    let mut seen = FxHashSet::with_capacity_and_hasher(items.len(), Default::default());
    items.iter().map(|item| seen.insert(item)).collect()
}

/// Each once, where it first stands.
pub fn once<T: Eq + Hash>(items: Vec<T>) -> Vec<T> {
    let firsts = firsts(&items);
    items.into_iter().zip(firsts).filter_map(|(item, is_first)| is_first.then_some(item)).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hash::Hasher;

    use super::*;

    thread_local! {
        static COMPARED: Cell<usize> = const { Cell::new(0) };
    }

    #[derive(Clone)]
    struct Counted(usize);

    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            COMPARED.set(COMPARED.get() + 1);
            self.0 == other.0
        }
    }

    impl Eq for Counted {}

    impl Hash for Counted {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    #[test]
    fn what_stands_twice_stands_once() {
        assert_eq!(once(vec!["a", "b", "a", "c", "b"]), ["a", "b", "c"]);
        assert_eq!(firsts(&[1, 1, 2]), [true, false, true]);
    }

    #[test]
    fn each_is_compared_with_few() {
        let compared = |count: usize| {
            COMPARED.set(0);
            assert_eq!(once((0..count).map(Counted).collect()).len(), count);
            COMPARED.get()
        };
        let (few, many) = (compared(1_000), compared(4_000));
        assert!(few <= 1_000 && many <= 4_000, "{few} {many}");
    }
}
