//! Which of the changes are of one row, and what is known of it before all of them and after. The log has of an UPDATE the
//! key and what changed: one change alone does not say what the row was.

use std::collections::HashMap;

use super::{Done, Table, Undone, Values};

/// A row, under whatever keys it had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The place of its table.
    pub table: usize,
    /// Whether the changes put it in.
    pub came: bool,
    /// Whether they removed it.
    pub went: bool,
    /// What it was before its first change; nothing of one that came to be.
    pub before: Values,
    /// What it is after its last; nothing of one that is gone.
    pub after: Values,
}

/// The row of each change, and the rows. Without a key every change is of a row of its own, of which nothing is known.
pub fn rows(tables: &[Table], undone: &[Undone]) -> (Vec<usize>, Vec<Row>) {
    let mut rows: Vec<Row> = Vec::new();
    let mut of = Vec::with_capacity(undone.len());
    let mut there: HashMap<(usize, Values), usize> = HashMap::new();
    for each in undone {
        let table = tables.get(each.table).filter(|table| !table.key.is_empty());
        let key = |values: &Values| table.map(|table| (each.table, table.key_of(values)));
        let known = match each.done {
            Done::Inserted => None,
            Done::Updated | Done::Deleted => key(&each.before).and_then(|key| there.remove(&key)),
        };
        let place = known.unwrap_or_else(|| {
            rows.push(Row { table: each.table, came: each.done == Done::Inserted, ..Row::default() });
            rows.len() - 1
        });
        of.push(place);
        let row = &mut rows[place];
        row.went = each.done == Done::Deleted;
        if table.is_none() {
            continue;
        }
        if !row.came {
            // What no change before has touched is still what it was.
            add(&mut row.before, &each.before);
        }
        if row.went {
            row.after.clear();
        } else {
            let earlier = std::mem::replace(&mut row.after, each.after.clone());
            add(&mut row.after, &earlier);
            there.extend(key(&each.after).map(|key| (key, place)));
        }
    }
    (of, rows)
}

/// Adds values of columns that are not there yet.
pub fn add(values: &mut Values, others: &Values) {
    for (name, value) in others {
        if values.iter().all(|(known, _)| known != name) {
            values.push((name.clone(), value.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(members: &[(&str, &str)]) -> Values {
        members.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn change(done: Done, before: &[(&str, &str)], after: &[(&str, &str)]) -> Undone {
        Undone { change: 0, table: 0, done, before: values(before), after: values(after) }
    }

    #[test]
    fn a_row_is_followed_under_its_keys() {
        let table = Table { key: vec!["id".to_owned()], ..Table::default() };
        let changes = [
            change(Done::Updated, &[("id", "1"), ("x", "a")], &[("id", "1"), ("x", "b")]),
            change(Done::Updated, &[("id", "1"), ("y", "p")], &[("id", "2"), ("y", "q")]),
            change(Done::Inserted, &[], &[("id", "1"), ("x", "n"), ("y", "n")]),
            change(Done::Updated, &[("id", "2"), ("x", "b")], &[("id", "2"), ("x", "c")]),
            change(Done::Updated, &[("id", "1"), ("x", "n")], &[("id", "1"), ("x", "m")]),
        ];
        let (of, found) = rows(std::slice::from_ref(&table), &changes);
        assert_eq!(of, [0, 0, 1, 0, 1]);
        assert_eq!(found[0].before, values(&[("id", "1"), ("x", "a"), ("y", "p")]));
        assert_eq!(found[0].after, values(&[("id", "2"), ("x", "c"), ("y", "q")]));
        assert_eq!(found[1].before, Values::new());
        assert_eq!(found[1].after, values(&[("id", "1"), ("x", "m"), ("y", "n")]));
        let gone = [changes[0].clone(), change(Done::Deleted, &[("id", "1"), ("x", "b"), ("y", "p")], &[])];
        let (of, found) = rows(&[table], &gone);
        assert_eq!(of, [0, 0]);
        assert_eq!(found[0].before, values(&[("id", "1"), ("x", "a"), ("y", "p")]));
        assert_eq!(found[0].after, Values::new());
        assert!(found[0].went && !found[0].came);
        // Without a key.
        let (of, found) = rows(&[Table::default()], &gone);
        assert_eq!(of, [0, 1]);
        assert_eq!(found, [Row::default(), Row { went: true, ..Row::default() }]);
    }
}
