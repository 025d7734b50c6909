//! The queries that this server ran, as our own capture keeps them.

pub mod api;
