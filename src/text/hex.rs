//! Bytes in hexadecimal digits, as the server writes and reads `bytea`.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The digits of bytes.
pub fn hex(bytes: &[u8]) -> String {
    after("", bytes)
}

/// The same as the server writes and reads it as a value.
pub fn bytea(bytes: &[u8]) -> String {
    after("\\x", bytes)
}

/// There may be megabytes of them: they are not formatted one by one, nor copied.
fn after(prefix: &str, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(prefix.len() + 2 * bytes.len());
    text.push_str(prefix);
    for &byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The bytes of digits, with or without `\x` before them; `None` where they are none.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x").unwrap_or(text).as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for pair in digits.chunks_exact(2) {
        bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(from_hex("\\x00ff1A"), Some(vec![0, 255, 26]));
        assert_eq!(hex(&[0, 255, 26]), "00ff1a");
        assert_eq!(bytea(&[0, 255]), "\\x00ff");
        assert_eq!(from_hex("\\x0"), None);
        assert_eq!(from_hex("zz"), None);
    }
}
