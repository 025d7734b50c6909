//! Online conversion: a table that is in use becomes partitioned, as a plan that `CALL dbm.apply()` runs. Pure, but for
//! the door and what it asks.
//!
//! Method `attach`: the table as it is becomes the first partition, so that no row is copied. A CHECK proves its bound
//! while others write; everything that belongs to the table is built once more beside, empty; one short transaction
//! exchanges the two. Method `copy`: the rows are copied into partitions by `partition::copy` while others write, which
//! exchanges the two with the same statements; the old table is kept until somebody says that it may go. What is made anew there is named by the server's own words ([`facts`]), whose names mean the
//! partitioned table once the names have changed hands, and the old table again on the way back.

#[cfg(feature = "postgres")]
pub mod api;
mod attach;
pub mod copy;
mod cuts;
pub mod facts;
pub mod kind;
#[cfg(feature = "postgres")]
mod live;
mod names;
mod parent;
mod references;
mod refusals;
mod swap;
mod words;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use facts::{Around, Column, Constraint, Table};
use names::Names;

pub use attach::plan;
pub use cuts::{Cuts, cuts, ranges_of_all};
pub use refusals::{Accept, refusal};

/// How a table becomes partitioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As it is, it becomes the first partition.
    Attach,
    /// Its rows are copied into partitions.
    Copy,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The column by which to partition, as it is.
    pub key: String,
    /// The first value that the old table does not take, as an SQL literal without its type.
    pub cutoff: String,
    /// The partitions: those behind it where the old table becomes one, all before it where rows are copied.
    pub partitions: Vec<Partition>,
    /// The call as it was made.
    pub asked: String,
    /// The statement that puts the set under upkeep.
    pub manage: String,
    /// The same without retention, where old partitions are to go.
    pub manage_all: Option<String>,
    /// Where triggers of other tables look names up: the search_path of whoever asks, as a value of the setting.
    pub search_path: String,
}

/// A partition to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name, as it is.
    pub name: String,
    /// `FROM (…) TO (…)`.
    pub bounds: String,
    /// What holds for its rows and no others, but that the key is not null.
    pub inside: String,
}

/// One conversion.
pub struct Conversion<'a> {
    /// The table.
    pub table: &'a Table,
    /// What stands around it.
    pub around: &'a Around,
    /// What is wanted.
    pub wish: &'a Wish,
    /// How.
    pub method: Method,
    /// The names.
    pub names: Names,
    key: &'a Column,
}

impl<'a> Conversion<'a> {
    /// `None` where the table has no such column.
    pub fn new(table: &'a Table, around: &'a Around, wish: &'a Wish, method: Method) -> Option<Self> {
        let key = table.column(&wish.key)?;
        Some(Self { table, around, wish, method, names: Names::new(table, around, &wish.key, method), key })
    }

    /// The column by which to partition.
    pub fn key(&self) -> &'a Column {
        self.key
    }

    /// The constraint of that name.
    pub fn constraint(&self, name: &str) -> Option<&'a Constraint> {
        self.table.constraints.iter().find(|constraint| constraint.name == name)
    }

    /// What every row of the old table meets from the CHECK on.
    fn bound(&self) -> String {
        let key = self.key.quoted();
        let literal = self.wish.cutoff.trim_matches('\'');
        format!("({key} IS NOT NULL AND {key} < '{literal}'::{})", self.key.type_name)
    }

    /// The old table once another has its name, quoted.
    fn history(&self) -> String {
        self.table.beside(&self.names.history)
    }

    /// The partitioned table until the switch, quoted.
    fn built(&self) -> String {
        self.table.beside(&self.names.built)
    }

    /// From 18 on the name of the key's NOT NULL constraint, by which SET NOT NULL would call it; `None` before.
    fn key_not_null(&self) -> Option<String> {
        self.table.is_version(18).then(|| format!("{}_{}_not_null", self.table.name, self.key.name))
    }
}
