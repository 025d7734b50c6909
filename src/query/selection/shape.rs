//! What can be said of an index from its definition alone: what it reads, and whether it makes another superfluous.

use super::candidate::{Candidate, CandidateKey};
use crate::catalog::ColumnNumber;
use crate::catalog::access::Key;
use crate::catalog::hypothetical::Method;

impl CandidateKey {
    /// A key in the order and with the operator class that CREATE INDEX gives when nothing is said.
    pub fn plain(key: Key) -> Self {
        Self { key, descending: false, nulls_first: false, operator_class: None, collation: None }
    }

    /// The same read backwards.
    fn backwards(&self) -> Self {
        Self { descending: !self.descending, nulls_first: !self.nulls_first, ..self.clone() }
    }
}

impl Candidate {
    /// A B-tree without INCLUDE or predicate.
    pub fn btree(relation: crate::catalog::Oid, keys: Vec<CandidateKey>) -> Self {
        Self { relation, method: Method::Btree, keys, included: Vec::new(), predicate: None }
    }

    /// The key columns that are no expressions.
    pub fn key_columns(&self) -> impl Iterator<Item = ColumnNumber> + '_ {
        self.keys.iter().filter_map(|key| match key.key {
            Key::Column(number) => Some(number),
            Key::Expression(_) => None,
        })
    }

    /// Whether the column can be read from the index.
    pub fn holds(&self, column: ColumnNumber) -> bool {
        self.included.contains(&column) || self.key_columns().any(|key| key == column)
    }

    /// Whether the key is one of its keys, whatever its direction.
    pub fn has_key(&self, key: &Key) -> bool {
        self.keys.iter().any(|own| own.key == *key)
    }

    /// Whether it does all that `other` does, so that `other` beside it would be a twin: `other`'s keys are its first
    /// ones, in the same or in wholly the opposite order, over at least the same rows and columns.
    pub fn serves(&self, other: &Self) -> bool {
        self.relation == other.relation
            && self.method == other.method
            && (self.predicate.is_none() || self.predicate == other.predicate)
            && other.included.iter().all(|&column| self.holds(column))
            && self.keys_serve(&other.keys)
    }

    fn keys_serve(&self, keys: &[CandidateKey]) -> bool {
        let Some(first) = self.keys.get(..keys.len()) else { return false };
        match self.method {
            Method::Btree => {
                first == keys || first.iter().zip(keys).all(|(own, key)| own.backwards() == *key)
            }
            Method::Hash => self.keys == keys,
            Method::Gist => first == keys,
            // Neither cares which column comes first.
            Method::Gin | Method::Brin => keys.iter().all(|key| self.keys.contains(key)),
        }
    }

    /// The same index with one more column that its entries hold and that is not searched by.
    pub fn with_included(&self, columns: &[ColumnNumber]) -> Self {
        let mut wider = self.clone();
        wider.included.extend(columns.iter().filter(|&&column| !self.holds(column)));
        wider.included.sort_unstable();
        wider.included.dedup();
        wider
    }

    /// The same index with one more key at the end, which it no longer has to INCLUDE.
    pub fn with_key(&self, key: CandidateKey) -> Self {
        let mut wider = self.clone();
        if let Key::Column(number) = key.key {
            wider.included.retain(|&column| column != number);
        }
        wider.keys.push(key);
        wider
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(columns: &[i16]) -> Candidate {
        Candidate::btree(1, columns.iter().map(|&number| CandidateKey::plain(Key::Column(number))).collect())
    }

    fn descending(mut index: Candidate, position: usize) -> Candidate {
        index.keys[position].descending = true;
        index.keys[position].nulls_first = true;
        index
    }

    #[test]
    fn a_longer_index_serves_its_first_columns_and_not_the_other_way() {
        assert!(on(&[1, 2]).serves(&on(&[1])));
        assert!(on(&[1, 2]).serves(&on(&[1, 2])));
        assert!(!on(&[1]).serves(&on(&[1, 2])));
        assert!(!on(&[1, 2]).serves(&on(&[2])));
        let elsewhere = Candidate { relation: 2, ..on(&[1]) };
        assert!(!on(&[1, 2]).serves(&elsewhere));
    }

    #[test]
    fn an_order_is_served_backwards_as_a_whole_only() {
        assert!(descending(on(&[1]), 0).serves(&on(&[1])));
        assert!(descending(descending(on(&[1, 2]), 0), 1).serves(&on(&[1, 2])));
        assert!(!descending(on(&[1, 2]), 1).serves(&on(&[1, 2])));
        assert!(descending(on(&[1, 2]), 1).serves(&on(&[1])));
        // NULLS LAST downwards is not the ascending order read backwards.
        let mut nulls_last = on(&[1]);
        nulls_last.keys[0].descending = true;
        assert!(!nulls_last.serves(&on(&[1])));
    }

    #[test]
    fn a_partial_index_serves_only_its_own_predicate() {
        let partial = Candidate { predicate: Some("(a > 1)".into()), ..on(&[1, 2]) };
        assert!(!partial.serves(&on(&[1])));
        assert!(partial.serves(&Candidate { predicate: Some("(a > 1)".into()), ..on(&[1]) }));
        assert!(on(&[1]).serves(&Candidate { predicate: Some("(a > 1)".into()), ..on(&[1]) }));
    }

    #[test]
    fn included_columns_must_be_held() {
        let covering = on(&[1]).with_included(&[3, 1, 2]);
        assert_eq!(covering.included, [2, 3]);
        assert!(covering.serves(&on(&[1])));
        assert!(!on(&[1]).serves(&covering));
        assert!(on(&[1, 2, 3]).serves(&covering));
        assert_eq!(covering.with_key(CandidateKey::plain(Key::Column(3))).included, [2]);
    }

    #[test]
    fn operator_class_and_collation_are_part_of_a_key() {
        let mut pattern = on(&[1]);
        pattern.keys[0].operator_class = Some("text_pattern_ops".into());
        assert!(!pattern.serves(&on(&[1])) && !on(&[1]).serves(&pattern));
        let mut other = on(&[1]);
        other.keys[0].collation = Some("\"C\"".into());
        assert!(!other.serves(&on(&[1])));
    }
}
