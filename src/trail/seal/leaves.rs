//! The leaves of a seal as they are kept: 48 bytes each, the row's number, its moment and its hash, by number.

use super::merkle::{Hash, root};

/// One row of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its number.
    pub id: i64,
    /// Its moment, in microseconds: a row that went with its partition is known by it.
    pub at: i64,
    /// Its hash.
    pub hash: Hash,
}

/// How many bytes a leaf has.
pub const SIZE: usize = 48;

/// As bytes.
pub fn packed(leaves: &[Leaf]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(leaves.len() * SIZE);
    for leaf in leaves {
        bytes.extend(leaf.id.to_be_bytes());
        bytes.extend(leaf.at.to_be_bytes());
        bytes.extend(leaf.hash);
    }
    bytes
}

/// The number in the first eight bytes of a leaf.
pub fn number_of(bytes: &[u8]) -> i64 {
    bytes.iter().take(8).fold(0_u64, |number, &byte| (number << 8) | u64::from(byte)) as i64
}

/// From bytes; what does not fill a leaf is lost, and then the root is another.
pub fn unpacked(bytes: &[u8]) -> Vec<Leaf> {
    bytes
        .chunks_exact(SIZE)
        .map(|chunk| {
            let mut hash = [0; 32];
            hash.copy_from_slice(&chunk[16..]);
            Leaf { id: number_of(chunk), at: number_of(&chunk[8..]), hash }
        })
        .collect()
}

/// The root over the rows' hashes.
pub fn root_of(leaves: &[Leaf]) -> Hash {
    root(&leaves.iter().map(|leaf| leaf.hash).collect::<Vec<Hash>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_come_back() {
        let leaves =
            vec![Leaf { id: 1, at: -5, hash: [7; 32] }, Leaf { id: i64::MAX, at: i64::MIN, hash: [255; 32] }];
        let bytes = packed(&leaves);
        assert_eq!((bytes.len(), unpacked(&bytes)), (96, leaves));
    }
}
