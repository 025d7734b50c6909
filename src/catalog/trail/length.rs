//! How long the text of a `jsonb` is. What is short as it is stored may be very long as text: `1e131071` is ten bytes there
//! and 131072 digits here, and a control character is one byte there and six here. What has no text can be neither
//! read, nor dumped, nor sealed.

use super::jsonb::{CONTAINER, COUNT_MASK, IS_OBJECT, NUMERIC, STRING, TYPE_MASK, end_of, word};
use super::numeric;

/// How many bytes the text may have: as many as a string in JSON can.
pub const MOST: u64 = 0x0fff_ffff;

/// Whatever a value of so many bytes holds, its text is not longer than [`MOST`]: no number is longer as text than 12,000
/// times what it is as it is stored.
const HARMLESS: usize = 16_384;

/// Whether a `jsonb`, its length word in front, has a text of at most [`MOST`] bytes.
pub fn has_text(value: &[u8]) -> bool {
    if value.len() <= HARMLESS {
        return true;
    }
    let container = value.get(4..).unwrap_or_default();
    // At first as if every character were one of the long ones.
    text_length(container, |string| 6 * string.len() as u64) <= MOST
        || text_length(container, escaped_length) <= MOST
}

fn escaped_length(string: &[u8]) -> u64 {
    let length = |byte: &u8| match byte {
        b'"' | b'\\' | 8 | 9 | 10 | 12 | 13 => 2,
        0..32 => 6,
        _ => 1,
    };
    string.iter().map(length).sum()
}

/// Digits, sign and point of a number, its length word left out.
fn number_length(payload: &[u8]) -> u64 {
    // The name of what is no number has nine letters at most.
    let Some(parts) = numeric::parts(payload) else { return 9 };
    let before_the_point = u64::try_from(4 * (parts.weight + 1)).unwrap_or(0).max(1);
    2 + before_the_point + u64::from(parts.scale)
}

/// An upper bound, given how long a string becomes.
fn text_length(container: &[u8], of_string: impl Fn(&[u8]) -> u64) -> u64 {
    let mut length = 0_u64;
    let mut waiting = vec![container];
    while let Some(container) = waiting.pop() {
        let Some(header) = word(container, 0) else { continue };
        let count = (header & COUNT_MASK) as usize * if header & IS_OBJECT == 0 { 1 } else { 2 };
        let data = container.get(4 + 4 * count..).unwrap_or_default();
        length += 2;
        let mut start = 0;
        for place in 0..count {
            let Some(entry) = word(container, 4 + 4 * place) else { break };
            let end = end_of(entry, start);
            let bytes = |from: usize| data.get(from..end).unwrap_or_default();
            let aligned = start.next_multiple_of(4);
            // Quotes, and a comma or colon with its blank.
            length += 4 + match entry & TYPE_MASK {
                STRING => of_string(bytes(start)),
                NUMERIC => number_length(bytes(aligned + 4)),
                CONTAINER => {
                    waiting.push(bytes(aligned));
                    0
                }
                _ => 5,
            };
            start = end;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::super::jsonb::Object;
    use super::*;

    fn object(write: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out, [&b"k"[..]].into_iter());
        write(&mut object);
        assert!(object.finish());
        out
    }

    fn bound(value: &[u8]) -> u64 {
        text_length(&value[4..], escaped_length)
    }

    /// 1e131071: weight 32767, no digits behind the point.
    fn long_number() -> Vec<u8> {
        let mut payload = Vec::new();
        payload.extend(0_u16.to_ne_bytes());
        payload.extend(32_767_i16.to_ne_bytes());
        payload.extend(1_000_i16.to_ne_bytes());
        payload
    }

    #[test]
    fn it_is_never_shorter_than_the_text() {
        for (value, text) in [
            (object(|object| object.integer(-1_234_567)), r#"{"k": -1234567}"#),
            (object(|object| object.double(0.000_123_4)), r#"{"k": 0.0001234}"#),
            (object(|object| object.string(b"a\"\x01\n")), r#"{"k": "a\"\u0001\n"}"#),
            (object(|object| object.null()), r#"{"k": null}"#),
            (object(|object| object.boolean(false)), r#"{"k": false}"#),
            (object(|object| object.document(&object_of_two())), r#"{"k": {"k": "x"}}"#),
        ] {
            let bound = bound(&value);
            assert!(bound >= text.len() as u64 && bound < text.len() as u64 + 20, "{text}: {bound}");
        }
        assert!(bound(&object(|object| object.numeric(&long_number()))) > 131_072);
    }

    fn object_of_two() -> Vec<u8> {
        object(|object| object.string(b"x"))[4..].to_vec()
    }

    #[test]
    fn few_bytes_that_are_many_digits() {
        let names: Vec<String> = (0..3_000).map(|number| format!("{number:04}")).collect();
        let mut out = Vec::new();
        let mut many = Object::begin(&mut out, names.iter().map(String::as_bytes));
        for _ in &names {
            many.numeric(&long_number());
        }
        assert!(many.finish());
        assert!(out.len() < 100_000 && !has_text(&out));
        // The same as a value within another.
        assert!(!has_text(&object(|object| object.document(&out[4..]))));
    }

    #[test]
    fn long_texts() {
        let plain = object(|object| object.string(&vec![b'x'; 100_000_000]));
        assert!(has_text(&plain));
        let escaped = object(|object| object.string(&vec![1; 100_000_000]));
        assert!(!has_text(&escaped));
    }
}
