//! Numbers as the server stores a `numeric`, without its length word: what stands in a jsonb for a number.

use std::io::Write;

const SHORT: u16 = 0x8000;
const SHORT_NEGATIVE: u16 = 0x2000;
const SHORT_SCALE_MASK: u16 = 0x1f80;
const SHORT_SCALE_SHIFT: u16 = 7;
const SCALE_MASK: u16 = 0x3fff;
const SHORT_WEIGHT_NEGATIVE: u16 = 0x0040;
const SHORT_WEIGHT_MASK: u16 = 0x003f;
const NEGATIVE: u16 = 0x4000;
const SPECIAL_MASK: u16 = 0xc000;
const SPECIAL: u16 = 0xc000;

/// Why a `numeric` is no number of JSON.
pub fn special_name(payload: &[u8]) -> Option<&'static str> {
    let header = u16::from_ne_bytes([*payload.first()?, *payload.get(1)?]);
    match header {
        _ if header & SPECIAL_MASK != SPECIAL => None,
        0xd000 => Some("Infinity"),
        0xf000 => Some("-Infinity"),
        _ => Some("NaN"),
    }
}

/// What a number consists of.
pub(super) struct Parts<'a> {
    /// Which power of 10,000 the first digit counts.
    pub weight: i64,
    /// How many digits, of ten, are shown behind the point.
    pub scale: u16,
    /// Its digits, of 10,000, two bytes each.
    digits: &'a [u8],
}

/// `None`: it is no number.
pub(super) fn parts(payload: &[u8]) -> Option<Parts<'_>> {
    let word = |at: usize| Some(u16::from_ne_bytes([*payload.get(at)?, *payload.get(at + 1)?]));
    let header = word(0)?;
    Some(match header & SPECIAL_MASK {
        SPECIAL => return None,
        // Short, with either sign.
        _ if header & SHORT != 0 => {
            let weight = i64::from(header & SHORT_WEIGHT_MASK);
            let is_negative = header & SHORT_WEIGHT_NEGATIVE != 0;
            Parts {
                weight: if is_negative { weight - 64 } else { weight },
                scale: (header & SHORT_SCALE_MASK) >> SHORT_SCALE_SHIFT,
                digits: payload.get(2..)?,
            }
        }
        _ => Parts {
            weight: i64::from(word(2)?.cast_signed()),
            scale: header & SCALE_MASK,
            digits: payload.get(4..)?,
        },
    })
}

/// What the server's `hash_numeric_extended()` says of it with the seed 0: how it is written is no matter, so that digits that
/// are zero at its ends do not count. `None`: it is no number.
pub fn hash(payload: &[u8], hash_bytes: impl Fn(&[u8]) -> u64) -> Option<u64> {
    let Parts { mut weight, digits, .. } = parts(payload)?;
    let (mut first, mut last) = (0, digits.len() / 2);
    let is_zero = |place: usize| digits[2 * place] == 0 && digits[2 * place + 1] == 0;
    while first < last && is_zero(first) {
        first += 1;
        weight -= 1;
    }
    if first == last {
        return Some(u64::MAX);
    }
    while is_zero(last - 1) {
        last -= 1;
    }
    Some(hash_bytes(&digits[2 * first..2 * last]) ^ weight.cast_unsigned())
}

/// An integer.
pub fn write_integer(out: &mut Vec<u8>, value: i64) {
    let mut rest = value.unsigned_abs();
    let mut groups = [0_u16; 5];
    let mut first = groups.len();
    while rest > 0 {
        first -= 1;
        groups[first] = (rest % 10_000) as u16;
        rest /= 10_000;
    }
    let weight = (groups.len() - first) as i32 - 1;
    let used = groups.iter().rposition(|&group| group != 0).map_or(first, |last| last + 1);
    write(out, value < 0, 0, weight.max(0), &groups[first..used]);
}

/// A float with the fewest digits that give it back; false where it is no number of JSON.
pub fn write_double(out: &mut Vec<u8>, value: f64) -> bool {
    write_float(out, value, |text| write!(text, "{value:e}"))
}

/// As [`write_double`].
pub fn write_single(out: &mut Vec<u8>, value: f32) -> bool {
    write_float(out, f64::from(value), |text| write!(text, "{value:e}"))
}

/// What a float is that is no number of JSON: the negative zero is none that a `numeric` can hold.
pub fn float_name(value: f64) -> &'static str {
    match value {
        _ if value.is_nan() => "NaN",
        _ if value == 0.0 => "-0",
        _ if value > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

fn write_float(
    out: &mut Vec<u8>,
    value: f64,
    show: impl FnOnce(&mut &mut [u8]) -> std::io::Result<()>,
) -> bool {
    if !value.is_finite() || (value == 0.0 && value.is_sign_negative()) {
        return false;
    }
    let mut text = [0_u8; 32];
    let mut rest = &mut text[..];
    // Seventeen digits, a point, two signs and an exponent have place.
    if show(&mut rest).is_err() {
        return false;
    }
    let free = rest.len();
    let shown = &text[..text.len() - free];
    let mut digits = [0_u8; 24];
    let mut count = 0;
    let mut after_point = 0;
    let mut exponent = 0_i32;
    let mut seen_point = false;
    for (position, &byte) in shown.iter().enumerate() {
        match byte {
            b'.' => seen_point = true,
            b'e' => {
                let tail = std::str::from_utf8(&shown[position + 1..]).unwrap_or_default();
                exponent = tail.parse().unwrap_or(0);
                break;
            }
            b'0'..=b'9' => {
                digits[count] = byte - b'0';
                count += 1;
                after_point += i32::from(seen_point);
            }
            _ => {}
        }
    }
    write_decimal(out, value < 0.0, &digits[..count], exponent - after_point);
    true
}

/// `digits` × 10^`exponent`.
fn write_decimal(out: &mut Vec<u8>, is_negative: bool, digits: &[u8], exponent: i32) {
    let leading = digits.iter().take_while(|&&digit| digit == 0).count();
    let digits = &digits[leading..];
    if digits.is_empty() {
        write(out, false, 0, 0, &[]);
        return;
    }
    // How many digits stand before the point; negative where zeros follow it first.
    let point = digits.len() as i32 + exponent;
    let weight = (point + 3).div_euclid(4) - 1;
    let lead = ((weight + 1) * 4 - point) as usize;
    let mut groups = [0_u16; 8];
    let mut count = 0;
    for (place, &digit) in digits.iter().enumerate() {
        let at = lead + place;
        groups[at / 4] += u16::from(digit) * [1_000, 100, 10, 1][at % 4];
        count = at / 4 + 1;
    }
    while count > 0 && groups[count - 1] == 0 {
        count -= 1;
    }
    write(out, is_negative, (-exponent).max(0) as u16, weight, &groups[..count]);
}

fn write(out: &mut Vec<u8>, is_negative: bool, scale: u16, weight: i32, groups: &[u16]) {
    if scale <= 63 && (-64..=63).contains(&weight) {
        let mut header = SHORT | (scale << SHORT_SCALE_SHIFT) | (weight as u16 & SHORT_WEIGHT_MASK);
        if is_negative {
            header |= SHORT_NEGATIVE;
        }
        if weight < 0 {
            header |= SHORT_WEIGHT_NEGATIVE;
        }
        out.extend_from_slice(&header.to_ne_bytes());
    } else {
        let header = scale | if is_negative { NEGATIVE } else { 0 };
        out.extend_from_slice(&header.to_ne_bytes());
        out.extend_from_slice(&(weight as i16).to_ne_bytes());
    }
    for group in groups {
        out.extend_from_slice(&group.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a number back, exactly.
    fn shown(payload: &[u8]) -> String {
        let word = |at: usize| u16::from_ne_bytes([payload[at], payload[at + 1]]);
        let header = word(0);
        let (is_negative, scale, weight, start) = if header & SHORT != 0 {
            let weight = i32::from(header & SHORT_WEIGHT_MASK);
            let weight = if header & SHORT_WEIGHT_NEGATIVE != 0 { weight - 64 } else { weight };
            (header & SHORT_NEGATIVE != 0, (header >> SHORT_SCALE_SHIFT) & 0x3f, weight, 2)
        } else {
            (header & NEGATIVE != 0, header & 0x3fff, i32::from(word(2) as i16), 4)
        };
        let group = |place: i32| {
            let at = start + 2 * usize::try_from(weight - place).ok()?;
            (at < payload.len()).then(|| word(at))
        };
        let mut text = String::from(if is_negative { "-" } else { "" });
        let whole: String =
            (0..=weight.max(0)).rev().map(|place| format!("{:04}", group(place).unwrap_or(0))).collect();
        let whole = whole.trim_start_matches('0');
        text.push_str(if whole.is_empty() { "0" } else { whole });
        if scale > 0 {
            let after: String = (1..=i32::from(scale).div_euclid(4) + 1)
                .map(|place| format!("{:04}", group(-place).unwrap_or(0)))
                .collect();
            text.push('.');
            text.push_str(&after[..usize::from(scale)]);
        }
        text
    }

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        assert!(write_double(&mut out, value));
        shown(&out)
    }

    #[test]
    fn numbers_that_the_server_was_asked_for() {
        let mut zero = Vec::new();
        write_integer(&mut zero, 0);
        assert_eq!(zero, 0x8000_u16.to_ne_bytes());
        for (value, expected) in
            [(0.1, "0.1"), (1e-7, "0.0000001"), (12345.6789, "12345.6789"), (1e4, "10000"), (-2.5, "-2.5")]
        {
            assert_eq!(double(value), expected);
        }
        assert_eq!(double(1e300).len(), 301);
    }

    #[test]
    fn what_is_no_number() {
        let mut out = Vec::new();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
            assert!(!write_double(&mut out, value));
        }
        assert_eq!(float_name(-0.0), "-0");
        for (header, name) in [(0xc000_u16, "NaN"), (0xd000, "Infinity"), (0xf000, "-Infinity")] {
            assert_eq!(special_name(&header.to_ne_bytes()), Some(name));
        }
        assert_eq!(special_name(&0x8000_u16.to_ne_bytes()), None);
        assert_eq!(special_name(&0xa000_u16.to_ne_bytes()), None);
        assert_eq!(special_name(&0x4000_u16.to_ne_bytes()), None);
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn integers_come_back(value: i64) {
            let mut out = Vec::new();
            write_integer(&mut out, value);
            prop_assert_eq!(shown(&out), value.to_string());
        }

        #[test]
        fn doubles_come_back(value: f64) {
            prop_assume!(value.is_finite() && value != 0.0);
            prop_assert_eq!(double(value).parse::<f64>().unwrap(), value);
        }

        #[test]
        fn singles_come_back(value: f32) {
            prop_assume!(value.is_finite() && value != 0.0);
            let mut out = Vec::new();
            prop_assert!(write_single(&mut out, value));
            prop_assert_eq!(shown(&out).parse::<f32>().unwrap(), value);
        }
    }
}
