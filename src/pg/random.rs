//! Random numbers by the server's generator of this process.

use pgrx::pg_sys;

/// A share, 0..1.
pub fn share() -> f64 {
    // SAFETY: the generator of this process, which the server has seeded.
    unsafe { pg_sys::pg_prng_double(&raw mut pg_sys::pg_global_prng_state) }
}

/// A number above zero, by which a run is known.
pub fn number() -> i64 {
    (share() * 9.0e15) as i64 + 1
}
