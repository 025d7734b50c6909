//! The audit's rules about queries, on what `pg_stat_statements` counted.
//!
//! Nothing is planned for them: an audit of thousands of tables takes less than a second, advice on a single query may
//! take several. What helps a query is `dbm.slow_queries()` and `dbm.advise()` to say.

pub mod lookups;
mod rows;
mod slow;
mod spills;
mod whole_table;

pub use lookups::MANY_SINGLE_ROW_LOOKUPS;
pub use rows::RETURNS_MANY_ROWS;
pub use slow::SLOW_ON_AVERAGE;
pub use spills::SPILLS_TO_DISK;
pub use whole_table::READS_WHOLE_TABLE;

use crate::finding::{Rule, Threshold};

/// All rules of this room.
pub const RULES: &[Rule] =
    &[MANY_SINGLE_ROW_LOOKUPS, READS_WHOLE_TABLE, RETURNS_MANY_ROWS, SLOW_ON_AVERAGE, SPILLS_TO_DISK];

/// Where to read what is counted.
const REFERENCE: &str = "https://www.postgresql.org/docs/current/pgstatstatements.html";

/// How often a query must have run before its averages say something.
const FEWEST_CALLS: Threshold = Threshold {
    name: "fewest_calls",
    default: 10.0,
    range: (1.0, 1e12),
    meaning: "runs from which on an average says something",
};

/// A number of things a run, for people.
fn whole(number: f64) -> String {
    crate::text::size::grouped(number.round().min(9e15) as i64)
}
