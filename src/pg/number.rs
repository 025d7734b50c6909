//! Numbers as SQL's numeric.

use pgrx::AnyNumeric;

/// A number with that many decimals.
pub fn rounded(value: f64, decimals: usize) -> AnyNumeric {
    let text = format!("{value:.decimals$}");
    AnyNumeric::try_from(text.as_str()).unwrap_or_else(|_| AnyNumeric::from(0))
}
