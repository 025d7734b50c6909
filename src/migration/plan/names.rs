//! Names: those that the server would choose, so that the end is the same as that of the direct way, and names for the
//! time between.

use crate::text::identifier::{MAXIMUM_BYTES, cut};

pub use crate::text::identifier::{numbered_name, parts_between};

/// `first_second_label`, the longer of both names cut until all fits: the server's `makeObjectName`.
fn object_name(first: &str, second: Option<&str>, label: &str) -> String {
    let overhead = label.len() + 1 + usize::from(second.is_some());
    let available = MAXIMUM_BYTES.saturating_sub(overhead);
    let mut first_bytes = first.len();
    let mut second_bytes = second.map_or(0, str::len);
    while first_bytes + second_bytes > available {
        if first_bytes > second_bytes {
            first_bytes -= 1;
        } else {
            second_bytes -= 1;
        }
    }
    match second {
        Some(second) => format!("{}_{}_{label}", cut(first, first_bytes), cut(second, second_bytes)),
        None => format!("{}_{label}", cut(first, first_bytes)),
    }
}

/// The name that the server gives where none is written: the first of `name`, `name1`, `name2` … that is free.
pub fn chosen(table: &str, columns: Option<&str>, label: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut number = 0;
    loop {
        let name = candidate(table, columns, label, number);
        if !is_taken(&name) {
            return name;
        }
        number += 1;
    }
}

/// The name of that number among those that the server tries; the first has none.
pub fn candidate(table: &str, columns: Option<&str>, label: &str, number: u32) -> String {
    match number {
        0 => object_name(table, columns, label),
        number => object_name(table, columns, &format!("{label}{number}")),
    }
}

/// So many columns fill every name, short as theirs may be.
pub const MOST_JOINED: usize = MAXIMUM_BYTES / 2 + 2;

/// The columns' part of a chosen name: the server joins them until a name is full.
pub fn joined<S: AsRef<str>>(columns: &[S]) -> String {
    let mut joined = String::new();
    for column in columns {
        if !joined.is_empty() {
            joined.push('_');
        }
        joined.push_str(column.as_ref());
        if joined.len() > MAXIMUM_BYTES {
            break;
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::identifier::between;

    #[test]
    fn as_the_server_chooses() {
        assert_eq!(chosen("t", Some("email"), "key", |_| false), "t_email_key");
        assert_eq!(chosen("t", Some("email"), "key", |name| name == "t_email_key"), "t_email_key1");
        assert_eq!(chosen("t", None, "pkey", |_| false), "t_pkey");
        let long = "a".repeat(60);
        let name = chosen(&long, Some("bb"), "fkey", |_| false);
        assert_eq!(name.len(), 63);
        assert!(name.ends_with("a_bb_fkey"));
        assert_eq!(joined(&["a", "b"]), "a_b");
    }

    #[test]
    fn names_between_keep_their_purpose() {
        let long = "ü".repeat(31);
        let name = between(&long, "new", |_| false);
        assert!(name.len() <= 63 && name.ends_with("_dbm_new"), "{name}");
        assert_eq!(between("t", "old", |name| name == "t_dbm_old"), "t_dbm_old_1");
    }
}
