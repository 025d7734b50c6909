//! What is left of the log: its oldest partitions go by their retention.

use super::as_of::when;
use super::book::{Book, Subject};
use super::retiring::oldest;
use crate::catalog::Moment;
use crate::trail::seal::record::Kind;

/// Since when the log has all changes of a table that it was to have, where it began to be watched before.
pub fn cut(book: &Book, subject: &Subject) -> Option<Moment> {
    let oldest = oldest(book.owner, Kind::Change);
    let mut stretches = subject.watched.iter().flat_map(|each| &each.stretches);
    stretches.any(|stretch| stretch.from < oldest).then_some(oldest)
}

/// What is to be said of it.
pub fn told(since: Moment) -> String {
    format!("what was logged before {} is gone by retention", when(since))
}
