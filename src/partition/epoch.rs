//! Integers that tell the time: what one of them counts, and whether its type can hold it.

use super::key::{EpochUnit, KeyKind};
use super::refusal::Refusal;

/// The unit of that name.
pub fn unit(name: &str) -> Option<EpochUnit> {
    Some(match name.trim().to_lowercase().as_str() {
        "seconds" | "second" | "s" => EpochUnit::Seconds,
        "milliseconds" | "millisecond" | "ms" => EpochUnit::Milliseconds,
        "microseconds" | "microsecond" | "us" => EpochUnit::Microseconds,
        "nanoseconds" | "nanosecond" | "ns" => EpochUnit::Nanoseconds,
        _ => return None,
    })
}

/// What the values of a key are of which somebody says that they count `epoch` since 1970. `key`: the key as a message
/// names it; `type_name`: its type.
pub fn kind(own: KeyKind, epoch: &str, key: &str, type_name: &str) -> Result<KeyKind, Refusal> {
    let KeyKind::Integer { bytes } = own else {
        return Err(Refusal::new(
            format!("epoch is given, but {key} is of type {type_name}"),
            "Leave epoch out: it says what an integer counts that tells the time since 1970.",
        ));
    };
    let Some(unit) = unit(epoch) else {
        return Err(Refusal::new(
            format!("epoch cannot be \"{epoch}\""),
            "It is seconds, milliseconds, microseconds or nanoseconds.",
        ));
    };
    let holds_today = bytes == 8 || bytes == 4 && unit == EpochUnit::Seconds;
    if !holds_today {
        return Err(Refusal::new(
            format!("{key} is of type {type_name}, which cannot hold {} of today", unit.name()),
            "Say in which unit its values are: seconds since 1970 need four bytes, everything finer eight.",
        ));
    }
    Ok(KeyKind::Epoch { bytes, unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_counts_what_its_type_can_hold_of_today() {
        let all = ["seconds", "ms", "Microsecond", "nanoseconds"];
        let held =
            |bytes| all.map(|epoch| kind(KeyKind::Integer { bytes }, epoch, "the key", "an integer").is_ok());
        assert_eq!(held(2), [false; 4]);
        assert_eq!(held(4), [true, false, false, false]);
        assert_eq!(held(8), [true; 4]);
        let refusal = kind(KeyKind::Integer { bytes: 4 }, "ns", "the key \"at\"", "integer").unwrap_err();
        assert_eq!(
            refusal.message,
            "the key \"at\" is of type integer, which cannot hold nanoseconds of today"
        );
        let refusal = kind(KeyKind::Date, "seconds", "the key \"at\"", "date").unwrap_err();
        assert_eq!(refusal.message, "epoch is given, but the key \"at\" is of type date");
        let refusal = kind(KeyKind::Integer { bytes: 8 }, "fortnights", "the key", "bigint").unwrap_err();
        assert_eq!(refusal.message, "epoch cannot be \"fortnights\"");
    }
}
