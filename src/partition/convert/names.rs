//! The names of a conversion: of what is built beside, and of what the old table and its parts are called once their own names
//! belong to the partitioned table.

use std::cell::RefCell;

use super::Method;
use super::facts::{Around, Index, Table};
use crate::text::identifier::{between, unused_name};

/// Gives names away, each once.
#[derive(Debug, Default)]
pub struct Given {
    given: RefCell<Vec<String>>,
}

impl Given {
    fn is_taken(&self, table: &Table, name: &str) -> bool {
        table.taken.iter().any(|other| other == name) || self.given.borrow().iter().any(|other| other == name)
    }

    /// A name in the table's schema for the time between, told apart by its purpose.
    pub fn between(&self, table: &Table, stem: &str, purpose: &str) -> String {
        self.between_among(table, stem, purpose, &[])
    }

    /// The same, and none of these.
    pub fn between_among(&self, table: &Table, stem: &str, purpose: &str, others: &[String]) -> String {
        let name = between(stem, purpose, |name| {
            self.is_taken(table, name) || others.iter().any(|other| other == name)
        });
        self.given.borrow_mut().push(name.clone());
        name
    }

    /// A name that stays.
    pub fn lasting(&self, table: &Table, parts: &[&str]) -> String {
        let name = unused_name(parts, |name| self.is_taken(table, name));
        self.given.borrow_mut().push(name.clone());
        name
    }
}

/// A name that changes hands: what has it first is called `aside` afterwards, and what was built as `built` gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// The schema, as it is.
    pub schema: String,
    /// The name.
    pub name: String,
    /// The name of the old table's own from then on; `None` where it goes.
    pub aside: Option<String>,
    /// The name under which the partitioned table's was built.
    pub built: String,
}

/// All names of one conversion.
#[derive(Debug)]
pub struct Names {
    /// The partitioned table while it is built.
    pub built: String,
    /// The old table once the partitioned one has its name.
    pub history: String,
    /// The CHECK that proves the bound.
    pub cutoff: String,
    /// The index that becomes that of the primary key, where it has to gain the key; where rows are copied, the one to which
    /// foreign keys point meanwhile.
    pub primary: Option<String>,
    /// The same once it belongs to the partition's primary key.
    pub history_primary: Option<String>,
    /// The primary key's first index once more, on the way back.
    pub primary_again: Option<String>,
    /// Indexes, in the order of [`Table::indexes`], those apart that cannot be used.
    pub indexes: Vec<(usize, Handed)>,
    /// Unique indexes that gain the key: the place in [`Table::indexes`] and the name of the partition's own.
    pub extended: Vec<(usize, String)>,
    /// Extended statistics, in the order of [`Table::statistics`].
    pub statistics: Vec<Handed>,
    /// Gives further names away.
    pub given: Given,
}

/// `orders_customer_idx` of `orders` as `orders_history_customer_idx`.
fn as_of(table: &Table, history: &str, name: &str) -> Vec<String> {
    match name.strip_prefix(&*table.name) {
        Some(rest) if rest.starts_with('_') => vec![format!("{history}{rest}")],
        _ => vec![history.to_owned(), name.to_owned()],
    }
}

impl Names {
    /// Chooses them.
    pub fn new(table: &Table, around: &Around, key: &str, method: Method) -> Self {
        let given = Given::default();
        let stays = method == Method::Copy;
        let built = given.between(table, &table.name, "new");
        let history = given.lasting(table, &[&table.name, if stays { "old" } else { "history" }]);
        let cutoff = given.between(table, &table.name, "cutoff");
        // Of a table whose rows are copied no index is needed with the key but for foreign keys to point to until the switch.
        let gains = |index: &Index| !holds(index, key) && (!stays || is_pointed_to(around, index));
        let primary = table
            .primary_key()
            .filter(|index| gains(index))
            .map(|_| given.between(table, &table.name, "pkey"));
        let primary_key = table.primary_key().filter(|index| !stays && !holds(index, key));
        let history_primary = primary_key.map(|index| {
            let parts = as_of(table, &history, &index.name);
            given.lasting(table, &parts.iter().map(String::as_str).collect::<Vec<_>>())
        });
        let primary_again = primary_key.map(|_| given.between(table, &table.name, "pkey_again"));
        let mut indexes = Vec::new();
        let mut extended = Vec::new();
        for (place, index) in table.indexes.iter().enumerate().filter(|(_, index)| index.is_valid) {
            let is_primary = index.constraint_kind == Some('p');
            let is_gone = is_primary && !stays && primary.is_some();
            let aside = (!is_gone).then(|| {
                let parts = as_of(table, &history, &index.name);
                given.lasting(table, &parts.iter().map(String::as_str).collect::<Vec<_>>())
            });
            let new = given.between(table, &built, &format!("i{place}"));
            indexes.push((
                place,
                Handed { schema: index.schema.clone(), name: index.name.clone(), aside, built: new },
            ));
            if index.is_unique && !is_primary && gains(index) {
                let mut parts = as_of(table, &history, &index.name);
                parts.push(key.to_owned());
                extended.push((
                    place,
                    given.lasting(table, &parts.iter().map(String::as_str).collect::<Vec<_>>()),
                ));
            }
        }
        let statistics = table
            .statistics
            .iter()
            .enumerate()
            .map(|(place, statistics)| {
                let parts = as_of(table, &history, &statistics.name);
                Handed {
                    schema: statistics.schema.clone(),
                    name: statistics.name.clone(),
                    aside: Some(given.lasting(table, &parts.iter().map(String::as_str).collect::<Vec<_>>())),
                    built: given.between(table, &built, &format!("s{place}")),
                }
            })
            .collect();
        Self {
            built,
            history,
            cutoff,
            primary,
            history_primary,
            primary_again,
            indexes,
            extended,
            statistics,
            given,
        }
    }
}

/// Whether a foreign key of another table points to the columns of a unique index.
fn is_pointed_to(around: &Around, index: &Index) -> bool {
    let is_same = |columns: &[String]| {
        columns.len() == index.key_columns.len()
            && columns.iter().all(|column| index.key_columns.contains(column))
    };
    around.incoming.iter().any(|other| is_same(&other.referenced_columns))
}

/// Whether the key is among the key columns of an index.
pub fn holds(index: &Index, key: &str) -> bool {
    index.key_columns.iter().any(|column| column == key)
}
