//! Tenancy on the running server.

pub mod leak;
pub mod plan;
