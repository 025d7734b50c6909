//! Names that one plan gives away.

use std::cell::RefCell;

use rustc_hash::{FxHashMap, FxHashSet};

/// What tells the names of one series apart from those of another: schema, what it is for, and what they are made of.
pub type Series = [String; 4];

/// Names that a plan has given away so far. None is ever free again, so that a series of numbered names goes on where it
/// was left: a statement that adds thousands of constraints without a name would try the first ones for each of them.
#[derive(Default)]
pub struct Given {
    /// Schema and name.
    names: RefCell<FxHashSet<(String, String)>>,
    /// The number of the next name of a series.
    next: RefCell<FxHashMap<Series, u32>>,
}

impl Given {
    /// The first name of a series that is free, which is given away with it. `name` makes the one of a number, `None`
    /// where there is none.
    pub fn first(
        &self,
        series: Series,
        name: impl Fn(u32) -> Option<String>,
        is_taken: impl Fn(&str) -> bool,
    ) -> String {
        let mut number = self.next.borrow().get(&series).copied().unwrap_or(0);
        let schema = &series[0];
        let free = loop {
            if let Some(name) = name(number)
                && !self.names.borrow().contains(&(schema.clone(), name.clone()))
                && !is_taken(&name)
            {
                break name;
            }
            number += 1;
        };
        self.names.borrow_mut().insert((schema.clone(), free.clone()));
        self.next.borrow_mut().insert(series, number + 1);
        free
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn series(schema: &str, stem: &str) -> Series {
        [schema.to_owned(), stem.to_owned(), String::new(), String::new()]
    }

    #[test]
    fn no_name_is_given_twice() {
        let given = Given::default();
        let name = |number: u32| Some(if number == 0 { "t".to_owned() } else { format!("t{number}") });
        let first = |schema: &str, stem: &str| given.first(series(schema, stem), name, |name| name == "t1");
        assert_eq!(first("s", "a"), "t");
        assert_eq!(first("s", "a"), "t2");
        assert_eq!(first("s", "b"), "t3", "of another series");
        assert_eq!(first("o", "a"), "t", "of another schema");
    }

    #[test]
    fn a_series_goes_on_where_it_was_left() {
        let tried = |count: usize| {
            let (given, tried) = (Given::default(), Cell::new(0_usize));
            for _ in 0..count {
                given.first(
                    series("s", "t"),
                    |number| {
                        tried.set(tried.get() + 1);
                        Some(format!("t{number}"))
                    },
                    |_| false,
                );
            }
            tried.get()
        };
        assert_eq!((tried(1_000), tried(4_000)), (1_000, 4_000));
    }
}
