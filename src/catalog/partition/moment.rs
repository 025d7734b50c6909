//! The moments with which uuids of version 7 and ULIDs begin: milliseconds since 1970-01-01 00:00 UTC in 48 bits.

use super::key::Position;

/// The last moment that 48 bits hold.
pub const LAST: Position = (1 << 48) - 1;

/// How many letters of a ULID tell its moment.
pub const ULID_LETTERS: usize = 10;

/// The letters of a ULID, in the order of their values and of their codes; five bits each.
pub const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// That of a uuid.
pub fn of_uuid(bytes: [u8; 16]) -> Position {
    bytes[..6].iter().fold(0, |moment, &byte| moment << 8 | Position::from(byte))
}

/// That of a ULID, or of the beginning of one; `None` for what is none, also in lower-case letters, which sort otherwise.
pub fn of_ulid(text: &str) -> Option<Position> {
    let letters = text.as_bytes().get(..ULID_LETTERS)?;
    let moment = letters.iter().try_fold(0, |moment, letter| {
        let value = CROCKFORD.iter().position(|known| known == letter)?;
        Some(moment << 5 | value as Position)
    })?;
    // A first letter above 7 would be more than 48 bits.
    (moment <= LAST).then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_from_the_first_48_bits() {
        let mut uuid = [0xff; 16];
        uuid[..6].copy_from_slice(&[0x01, 0x92, 0xa3, 0xb4, 0xc5, 0xd6]);
        assert_eq!(of_uuid(uuid), 0x0192_a3b4_c5d6);
        assert_eq!(of_uuid([0xff; 16]), LAST);
        assert_eq!(of_ulid("01M6A6FT000123456789ABCDEF"), Some(1_793_491_200_000));
        assert_eq!(of_ulid("7ZZZZZZZZZ"), Some(LAST));
        for text in ["8000000000", "01m6a6ft00", "01M6A6FT0", "01M6A6FTU0", ""] {
            assert_eq!(of_ulid(text), None, "{text}");
        }
    }
}
