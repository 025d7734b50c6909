//! Which changes are of rows in a range of keys, also while they had a key outside.

use std::collections::HashMap;

use crate::trail::read::row::Key;

/// The key that a change found, and the one that it left.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// Before it; `None` of an INSERT.
    pub from: Option<Key>,
    /// After it; `None` of a DELETE.
    pub to: Option<Key>,
}

/// Of each change, the first first, whether it is of a row that had such a key at any time.
pub fn of_rows_with(ways: &[Way], is_wanted: impl Fn(&Key) -> bool) -> Vec<bool> {
    let mut row_of_key: HashMap<&Key, usize> = HashMap::new();
    let mut wanted: Vec<bool> = Vec::new();
    let rows: Vec<usize> = ways
        .iter()
        .map(|way| {
            let known = way.from.as_ref().and_then(|from| row_of_key.remove(from));
            let row = known.unwrap_or_else(|| {
                wanted.push(false);
                wanted.len() - 1
            });
            wanted[row] |= [&way.from, &way.to].into_iter().flatten().any(&is_wanted);
            if let Some(to) = &way.to {
                row_of_key.insert(to, row);
            }
            row
        })
        .collect();
    rows.into_iter().map(|row| wanted[row]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trail::read::lineage::Telling;
    use crate::trail::read::row::Row;

    fn key(value: u32) -> Key {
        let mut row = Row::unknown(&vec![Telling::Whole].into());
        row.set(0, &value.to_string());
        row.key(&[0])
    }

    fn way(from: Option<u32>, to: Option<u32>) -> Way {
        Way { from: from.map(key), to: to.map(key) }
    }

    #[test]
    fn a_row_is_followed_out_of_the_range_and_into_it() {
        let ways = [
            way(Some(5), Some(500)),
            way(Some(500), Some(500)),
            way(Some(900), Some(900)),
            way(Some(900), Some(6)),
            way(Some(700), Some(700)),
            way(Some(500), None),
            // Another row by then.
            way(None, Some(500)),
            way(Some(500), Some(500)),
        ];
        let wanted = [5, 6].map(key);
        assert_eq!(
            of_rows_with(&ways, |key| wanted.contains(key)),
            [true, true, true, true, false, true, false, false]
        );
    }
}
