//! The queries that this server ran, as our own capture keeps them: with the types of their constants, so that each
//! can be planned again as it was meant.

pub mod record;
pub mod table;

use super::Moment;
use super::Oid;

/// The type of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterType {
    /// Its number in the database of the query.
    pub oid: Oid,
    /// Its name, qualified unless it is the server's own.
    pub name: String,
}

/// One query: what one role ran in one database and differs by constants alone.
#[derive(Clone, Debug, PartialEq)]
pub struct CapturedQuery {
    /// The server's identifier of the query, as `pg_stat_statements` shows it.
    pub query_id: i64,
    /// Who ran it.
    pub role: Oid,
    /// Where.
    pub database: Oid,
    /// The text with `$1`, `$2`, … for constants; those of the query itself keep their numbers.
    pub query: String,
    /// Whether the text was too long to be kept whole: then it cannot be planned and has no types.
    pub is_truncated: bool,
    /// The type of each parameter, `$1` first.
    pub parameter_types: Vec<ParameterType>,
    /// Values that the parameters had, as text; `None` for NULL. Kept only where `dbm.capture_constants` says so.
    pub samples: Vec<Vec<Option<String>>>,
    /// The session's search_path when it was first seen.
    pub search_path: String,
    /// How often it was run.
    pub calls: u64,
    /// How long it ran, all runs together, in milliseconds.
    pub total_milliseconds: f64,
    /// When it was first seen.
    pub first_seen: Moment,
    /// When it was last run.
    pub last_seen: Moment,
}
