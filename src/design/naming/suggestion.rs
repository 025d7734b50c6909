//! Other names for tables and columns, to be chosen by whoever can change the application too.

use std::cell::OnceCell;

use rustc_hash::FxHashSet;

use crate::catalog::{Oid, Relation, Snapshot};
use crate::finding::Finding;
use crate::text::identifier::{MAXIMUM_BYTES, is_plain, is_reserved_word};

/// Knows which names are free.
pub struct Suggestions<'a> {
    snapshot: &'a Snapshot,
    relations: OnceCell<FxHashSet<(Oid, &'a str)>>,
}

impl<'a> Suggestions<'a> {
    /// Of one snapshot.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, relations: OnceCell::new() }
    }

    /// The finding with this name for its table as evidence, if the name is free.
    pub fn table(&self, finding: Finding, table: &Relation, name: Option<String>) -> Finding {
        let relations = self.relations.get_or_init(|| {
            self.snapshot.relations.iter().map(|relation| (relation.schema, &*relation.name)).collect()
        });
        with(finding, name, |name| relations.contains(&(table.schema, name)))
    }

    /// The finding with this name for its column as evidence, if the name is free.
    pub fn column(&self, finding: Finding, table: Oid, name: Option<String>) -> Finding {
        with(finding, name, |name| self.snapshot.columns_of(table).iter().any(|column| &*column.name == name))
    }
}

fn with(finding: Finding, name: Option<String>, taken: impl Fn(&str) -> bool) -> Finding {
    let is_good = |name: &String| {
        !name.is_empty() && name.len() < MAXIMUM_BYTES && !is_reserved_word(name) && !taken(name)
    };
    match name.filter(is_good) {
        Some(name) => finding.evidence("suggested_name", name),
        None => finding,
    }
}

/// `name`, if it needs no quotes.
pub fn plain(name: String) -> Option<String> {
    is_plain(&name).then_some(name)
}
