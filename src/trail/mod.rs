//! The audit trail: every change of a watched table, written by a trigger in Rust.
//!
//! Values in `key`, `old` and `new` are independent of the session's settings:
//! - NULL is null; booleans are true and false; integers, floats and numerics are numbers, the floats with the fewest
//!   digits that give them back; NaN, infinities and the float -0 are strings.
//! - Dates and times are strings in ISO 8601, `timestamptz` in UTC: `2026-11-26T01:02:03.5+00:00`.
//! - `jsonb` is embedded. **`json` is a string, exactly as it is stored**: embedded it would lose its spaces, its order and
//!   its duplicates, and not everything that is json can be jsonb.
//! - `bytea` is a string in hex, `\x…`. Everything else, arrays and composites too, is the string that its type writes
//!   with DateStyle ISO, IntervalStyle postgres, UTC, extra_float_digits 1, hex, lc_monetary C and an empty search_path.
//!
//! So `(value #>> '{}')::type` under these settings gives every value back but `jsonb`, which is there itself.
//! A redacted value is the string `redacted:` and 32 hexadecimal digits, equal for equal values of one log.

#[cfg(feature = "postgres")]
pub mod api;
#[cfg(feature = "postgres")]
pub mod live;
pub mod log;
pub mod read;
pub mod revert;
pub mod seal;
pub mod stretch;
pub mod survey;
pub mod triggers;
pub mod watch;
