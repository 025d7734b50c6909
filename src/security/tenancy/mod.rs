//! Tenants in one set of tables: whose rows a transaction may see, how tables are brought there while they are in use, and
//! the test that nothing leaks.

#[cfg(feature = "postgres")]
pub mod api;
pub mod facts;
pub mod leak;
pub mod plan;
