//! The session in which a statement stands, and who is in its way.

use crate::catalog::{LockMode, Oid};

/// Timeouts in force, in milliseconds; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// `lock_timeout`.
    pub lock: i64,
    /// `statement_timeout`.
    pub statement: i64,
    /// `idle_in_transaction_session_timeout`.
    pub idle_in_transaction: i64,
    /// `transaction_timeout`; `None` before 17.
    pub transaction: Option<i64>,
}

/// A lock that this transaction already holds on a relation which it did not make itself.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldLock {
    /// The relation.
    pub relation: Oid,
    /// Schema and name, quoted.
    pub name: String,
    /// The strongest mode held.
    pub mode: LockMode,
}

/// Somebody whose lock conflicts with the one that a statement wants, or who already waits for such a one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Blocker {
    /// The backend's process; 0 for a prepared transaction.
    pub pid: i32,
    /// The relation, quoted.
    pub relation: String,
    /// The mode held or asked for.
    pub mode: Option<LockMode>,
    /// Whether it waits itself: a queue is there already.
    pub is_waiting: bool,
    /// `active`, `idle in transaction` …; empty where the caller may not see it.
    pub state: String,
    /// `application_name`; empty where the caller may not see it.
    pub application: String,
    /// `client backend`, `autovacuum worker` …
    pub backend_type: String,
    /// For how many seconds its transaction has been open; `None` where nobody knows.
    pub seconds: Option<f64>,
    /// Whether it is an autovacuum that prevents wraparound, which does not yield.
    pub prevents_wraparound: bool,
    /// The global identifier of a prepared transaction.
    pub prepared: Option<String>,
}

/// How fast this server was found to do things, in bytes a second: the slowest and the fastest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Reading every row and testing it.
    pub scan: (f64, f64),
    /// Writing a table anew.
    pub rewrite: (f64, f64),
    /// Building an index, in bytes of the table.
    pub index_build: (f64, f64),
    /// How many measurements stand behind it; 0 for the defaults.
    pub measured: u32,
}

impl Default for Rates {
    /// Before anything was measured: a slow disk and a fast one.
    fn default() -> Self {
        Self { scan: (1e8, 2e9), rewrite: (2e7, 2.5e8), index_build: (1.5e7, 1.5e8), measured: 0 }
    }
}

/// The session, as far as rules ask for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// `server_version_num`.
    pub server_version: i32,
    /// Whether the statement stands in a transaction block that a client opened.
    pub is_in_transaction_block: bool,
    /// Timeouts in force.
    pub timeouts: Timeouts,
    /// What this transaction holds in SHARE UPDATE EXCLUSIVE or stronger on relations that it did not make.
    pub held: Vec<HeldLock>,
    /// Tables that this transaction altered before, once a statement.
    pub altered: Vec<Oid>,
    /// Constraints that this transaction added NOT VALID: table and name.
    pub added_not_valid: Vec<(Oid, String)>,
    /// Enum types to which this transaction added a value.
    pub extended_enums: Vec<Oid>,
    /// Rows that this transaction wrote, as far as counted.
    pub rows_written: u64,
    /// Names of indexes that this session dropped, without having created another of that name: schema and name.
    pub dropped_indexes: Vec<(String, String)>,
    /// Whether a dump is being restored, as far as one can tell.
    pub is_restored: bool,
    /// How fast this server is.
    pub rates: Rates,
}
