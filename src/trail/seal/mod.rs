//! Seals: hashes over what is in the log, chained, so that what is changed, removed or added behind its back is found.
//! Pure, but for the door and what it asks.
//!
//! A row's hash is a leaf of a Merkle tree (as RFC 6962 has it: leaves and nodes are hashed apart), the tree's root is in
//! the seal, and each seal holds the digest of the one before. Writers know nothing of it: a seal is made later, over
//! rows of transactions that were over by then. Leaves are kept with the seal, so that it can say which row is wrong;
//! what they are worth depends on the digest, and that on being kept where who can write the log cannot write.
//!
//! `relation` alone is no list of what happened: its rows change by right. Whatever changes one writes an event that says
//! what it says from then on, so that the last of these must be what it says now.

#[cfg(feature = "postgres")]
pub mod api;
pub mod layout;
pub mod leaves;
pub mod merkle;
pub mod record;
pub mod relation;
pub mod sealed;
pub mod sweep;
pub mod verify;
pub mod windows;
