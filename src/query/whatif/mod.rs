//! Indexes that do not exist: how large they would be.

pub mod size;
