//! The candidates under consideration, each once, with its size.

use rustc_hash::FxHashMap;

use super::candidate::Candidate;

/// The place of a candidate in the [`Pool`].
pub type CandidateId = usize;

/// A candidate and its size.
#[derive(Clone, Debug)]
pub struct Item {
    /// The index.
    pub shape: Candidate,
    /// Bytes that it would take.
    pub bytes: u64,
}

/// The candidates in the order in which they were thought of.
#[derive(Debug, Default)]
pub struct Pool {
    items: Vec<Item>,
    /// `None` for what the server refused.
    ids: FxHashMap<Candidate, Option<CandidateId>>,
}

impl Pool {
    /// Takes a candidate in, unless it is known; asks `size` for the bytes of a new one. `None` where it cannot be.
    pub fn add(
        &mut self,
        shape: Candidate,
        size: impl FnOnce(&Candidate) -> Option<u64>,
    ) -> Option<CandidateId> {
        if let Some(&known) = self.ids.get(&shape) {
            return known;
        }
        let id = size(&shape).map(|bytes| {
            self.items.push(Item { shape: shape.clone(), bytes });
            self.items.len() - 1
        });
        self.ids.insert(shape, id);
        id
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// A candidate that [`Pool::add`] returned.
    pub fn item(&self, id: CandidateId) -> &Item {
        &self.items[id]
    }

    /// A candidate's definition.
    pub fn shape(&self, id: CandidateId) -> &Candidate {
        &self.item(id).shape
    }

    /// Corrects the size of a candidate.
    pub fn resize(&mut self, id: CandidateId, bytes: u64) {
        self.items[id].bytes = bytes;
    }

    /// Whether the index `wide` makes `narrow` superfluous.
    pub fn serves(&self, wide: CandidateId, narrow: CandidateId) -> bool {
        wide != narrow && self.shape(wide).serves(self.shape(narrow))
    }

    /// Bytes of several together.
    pub fn bytes(&self, ids: &[CandidateId]) -> u64 {
        ids.iter().map(|&id| self.item(id).bytes).sum()
    }
}
