//! What the names of indexes and constraints are put together from.

use crate::text::words::snake_case;

/// Whether `word` is the hexadecimal end that a tool puts to a name to make it unique.
///
/// A digit is asked for, because `facade` and `decade` are words.
pub fn is_hash(word: &str, digits: std::ops::RangeInclusive<usize>) -> bool {
    digits.contains(&word.len())
        && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && word.bytes().any(|byte| byte.is_ascii_digit())
}

/// Whether `word` is a long random code, as Hibernate writes it.
pub fn is_code(word: &str) -> bool {
    word.len() >= 20
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_digit())
}

/// `name` without `suffix` and the number that a second name of the kind gets: `_idx`, `_idx1`.
pub fn strip_numbered<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    name.trim_end_matches(|character: char| character.is_ascii_digit()).strip_suffix(suffix)
}

/// What follows the table's name at the start of `name`; both in snake case.
pub fn after_table<'a>(name: &'a str, table: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(table)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('_') }
}

/// So many bytes in common at the beginning are no accident.
const MUCH: usize = 40;

/// Whether `name` begins with the table's name, or with a short form of it; both in snake case.
///
/// People shorten long names: `oi`, `ord_items` and `order_item` all stand for `order_items`. It is better to take a
/// column's first word for the table than to blame a name that only its author can read.
pub fn mentions_table(name: &str, table: &str) -> bool {
    // A name that had to be cut has as much of a long table's name as there was room for.
    let common = name.bytes().zip(table.bytes()).take_while(|(own, other)| own == other).count();
    if common >= MUCH {
        return true;
    }
    let Some(first) = name.split('_').next().filter(|first| first.len() >= 2) else {
        return false;
    };
    if name.starts_with(table) || table.starts_with(name) {
        return true;
    }
    let stem = |word: &str| word.strip_suffix('s').unwrap_or(word).len();
    let shortens = |word: &str| first.starts_with(&word[..stem(word)]) || word.starts_with(first);
    table.split('_').filter(|word| word.len() >= 2).any(shortens)
        || first.bytes().eq(table.split('_').filter_map(|word| word.bytes().next()))
        || name
            .bytes()
            .filter(|&byte| byte != b'_')
            .take(table.len())
            .eq(table.bytes().filter(|&b| b != b'_'))
}

/// Whether the words of the table's name stand somewhere in `name`, in either number: `sent_dmails_on_owner` is about
/// some of the `dmails`.
pub fn contains_table(name: &str, table: &str) -> bool {
    let stem = |word: &str| word.strip_suffix('s').unwrap_or(word).len();
    let is_same = |a: &str, b: &str| a[..stem(a)] == b[..stem(b)];
    let words: Vec<&str> = name.split('_').collect();
    let wanted: Vec<&str> = table.split('_').collect();
    words.windows(wanted.len()).any(|run| run.iter().zip(&wanted).all(|(a, b)| is_same(a, b)))
}

/// The words of a name that say what it is about: without the table, and without words for what kind of thing it is.
pub fn telling_words(name: &str, table: &str) -> String {
    const KINDS: &[&str] = &[
        "c",
        "cc",
        "check",
        "chk",
        "ck",
        "con",
        "cons",
        "constraint",
        "ex",
        "excl",
        "exclude",
        "fk",
        "fkey",
        "foreign",
        "idx",
        "ind",
        "index",
        "ix",
        "key",
        "u",
        "uidx",
        "uk",
        "uniq",
        "unique",
        "unq",
        "uq",
        "ux",
    ];
    let table = snake_case(table);
    let snake = snake_case(name);
    let is_kind = |word: &&str| KINDS.contains(word);
    let words: Vec<&str> = snake.split('_').skip_while(is_kind).collect();
    let joined = words.join("_");
    let rest = after_table(&joined, &table).unwrap_or(&joined);
    let mut words: Vec<&str> = rest.split('_').skip_while(|word| is_kind(word) || *word == "on").collect();
    // With the number that a second name of the kind gets: `_idx1`.
    let without_number =
        |word: &&str| word.trim_end_matches(|character: char| character.is_ascii_digit()).to_owned();
    while words.last().is_some_and(|word| is_kind(&&*without_number(word))) {
        words.pop();
    }
    words.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_its_short_forms() {
        for (name, table) in [
            ("order_items_order_id", "order_items"),
            ("order_item_order_id", "order_items"),
            ("oi_order_id", "order_items"),
            ("ord_items_x", "order_items"),
            ("items_order_id", "order_items"),
            ("orderitems_x", "order_items"),
            ("pat_token_digest", "personal_access_tokens"),
            ("order_it", "order_items"),
            (
                "a_name_too_long_to_be_kept_whole_beside_its_col",
                "a_name_too_long_to_be_kept_whole_beside_its_columns",
            ),
        ] {
            assert!(mentions_table(name, table), "{name} of {table}");
        }
        for (name, table) in
            [("email", "users"), ("user_id", "friends"), ("language_id", "film"), ("", "film"), ("x", "xmas")]
        {
            assert!(!mentions_table(name, table), "{name} of {table}");
        }
    }

    #[test]
    fn a_table_is_found_among_other_words() {
        assert!(contains_table("sent_dmails_on_owner", "dmails"));
        assert!(contains_table("unique_starting_invoice_subscription", "invoice_subscriptions"));
        assert!(
            !contains_table("invoice_subscription", "subscription_invoices") && !contains_table("", "users")
        );
    }

    #[test]
    fn telling_words_are_what_is_left() {
        for (name, table, words) in [
            ("chk_users_email_valid", "users", "email_valid"),
            ("email_valid", "users", "email_valid"),
            ("users_email_lower_idx", "users", "email_lower"),
            ("CK_Product_Style", "product", "style"),
            ("users_idx", "users", ""),
            ("users_to_tsvector_idx10", "users", "to_tsvector"),
            ("index_users_on_on_mail", "users", "mail"),
            ("idx", "users", ""),
        ] {
            assert_eq!(telling_words(name, table), words, "{name}");
        }
    }

    #[test]
    fn hashes_are_told_from_words() {
        assert!(is_hash("4e0a1fb2", 8..=8) && is_hash("b381df5bb5", 8..=10));
        assert!(!is_hash("deadbeef", 8..=8) && !is_hash("4e0a1fb", 8..=8) && !is_hash("customer", 8..=8));
        assert!(is_code("6dotkott2kjsp8vw4d0m25fb7") && !is_code("representativeaddresses"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(name in "\\PC{0,20}", table in "\\PC{0,20}") {
            mentions_table(&snake_case(&name), &snake_case(&table));
            telling_words(&name, &table);
        }
    }
}
