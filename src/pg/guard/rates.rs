//! How long statements took that did much work under a lock: noted when they succeeded, and read for estimates.

use super::{as_owner, tables};
use crate::catalog::ddl::{Measured, Rates, WorkKind};
use crate::pg::isolation::isolated;
use crate::pg::query;
use crate::pg::value::Text;

/// What is shorter says nothing of the speed, only of the start.
const SHORTEST: f64 = 0.05;

/// Below this it says as little.
const FEWEST_BYTES: f64 = 1e6;

/// How fast this server is.
pub fn rates() -> Rates {
    Rates::of(&tables::measurements())
}

/// Notes a statement that was run. Never fails: what cannot be noted is not.
pub fn note(measured: Measured) {
    if measured.seconds < SHORTEST || measured.bytes < FEWEST_BYTES || !tables::can_write(c"ddl_measurement")
    {
        return;
    }
    let noted = isolated(&mut || {
        as_owner(|| {
            query::write(
                "INSERT INTO dbm.ddl_measurement (work, bytes, seconds) VALUES ($1, $2, $3)",
                &[
                    Text::from(measured.kind.name()).into(),
                    (measured.bytes as i64).into(),
                    measured.seconds.into(),
                ],
            );
        });
    });
    // A transaction that may not write, for one.
    drop(noted);
}

/// A row of the table as a measurement.
pub fn measured(work: &str, bytes: i64, seconds: f64) -> Option<Measured> {
    Some(Measured { kind: WorkKind::parse(work)?, bytes: bytes as f64, seconds })
}
