//! Tables that a file has spoken of, each with what its dialect remembers of it, found by name as the file writes it.

use super::same_name;

/// Tables in the order in which the file named them; of two with one name the later counts.
#[derive(Clone, Debug)]
pub struct KnownTables<T> {
    tables: Vec<(String, T)>,
}

impl<T> Default for KnownTables<T> {
    fn default() -> Self {
        Self { tables: Vec::new() }
    }
}

impl<T: Default> KnownTables<T> {
    /// What is known of a table.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.tables.iter().rfind(|(known, _)| same_name(known, name)).map(|(_, table)| table)
    }

    /// What is known of a table, to be changed; nothing yet for one that was not named before.
    pub fn edit(&mut self, name: &str) -> &mut T {
        let place = match self.tables.iter().rposition(|(known, _)| same_name(known, name)) {
            Some(place) => place,
            None => {
                self.add(name, T::default());
                self.tables.len() - 1
            }
        };
        &mut self.tables[place].1
    }

    /// Every table, to be changed.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.tables.iter_mut().map(|(_, table)| table)
    }

    /// A table was made.
    pub fn add(&mut self, name: &str, table: T) {
        self.tables.push((name.to_owned(), table));
    }

    /// A table has another name now; one that was not named before is known by it from now on.
    pub fn rename(&mut self, old: &str, new: &str) {
        match self.tables.iter_mut().rfind(|(known, _)| same_name(known, old)) {
            Some((known, _)) => new.clone_into(known),
            None => self.add(new, T::default()),
        }
    }

    /// A table is gone.
    pub fn drop(&mut self, name: &str) {
        self.tables.retain(|(known, _)| !same_name(known, name));
    }
}

#[cfg(test)]
mod tests {
    use super::KnownTables;

    #[test]
    fn the_later_of_two_counts_and_names_move() {
        let mut known = KnownTables::<u8>::default();
        known.add("Orders", 1);
        known.add("orders", 2);
        assert_eq!(known.get("ORDERS"), Some(&2));
        known.rename("orders", "sales");
        assert_eq!((known.get("sales"), known.get("orders")), (Some(&2), Some(&1)));
        *known.edit("new") = 7;
        known.rename("never_named", "here");
        assert_eq!((known.get("new"), known.get("here")), (Some(&7), Some(&0)));
        known.drop("ORDERS");
        assert_eq!(known.get("orders"), None);
    }
}
