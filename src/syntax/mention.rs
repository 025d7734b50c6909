//! Whether a text that nobody parses, the body of a function or a counted query, mentions a name.

use rustc_hash::FxHashSet;

/// Whether `name` stands in the text as a word of its own, also inside of a string: dynamic SQL keeps its names there.
/// Case counts only where the name has any capital letter, which SQL has to quote.
pub fn mentions(text: &str, name: &str) -> bool {
    if name.is_empty() || text.len() < name.len() {
        return false;
    }
    let ignores_case = name.is_ascii() && !name.bytes().any(|byte| byte.is_ascii_uppercase());
    let (text_bytes, name_bytes) = (text.as_bytes(), name.as_bytes());
    let is_same = |window: &[u8]| {
        if ignores_case { window.eq_ignore_ascii_case(name_bytes) } else { window == name_bytes }
    };
    text_bytes.windows(name_bytes.len()).enumerate().any(|(start, window)| {
        is_same(window)
            && !start.checked_sub(1).and_then(|before| text_bytes.get(before)).is_some_and(is_part_of_word)
            && !text_bytes.get(start + name_bytes.len()).is_some_and(is_part_of_word)
    })
}

/// A text that is asked for many names: it is split into words once.
pub struct Searched {
    text: String,
    /// In lower case.
    words: FxHashSet<String>,
}

impl Searched {
    /// That text.
    pub fn new(text: String) -> Self {
        let words = text
            .split(|character: char| character.is_ascii() && !is_part_of_word(&(character as u8)))
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        Self { text, words }
    }

    /// As [`mentions`].
    pub fn mentions(&self, name: &str) -> bool {
        let is_word = name.bytes().all(|byte| is_part_of_word(&byte));
        (!is_word || self.words.contains(&name.to_ascii_lowercase())) && mentions(&self.text, name)
    }
}

fn is_part_of_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'$' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::{Searched, mentions};

    #[test]
    fn words_tell_the_same() {
        for text in [
            "SELECT a.B1 FROM \"Or ders\" -- größe, $x",
            "",
            "orders_old",
            "EXECUTE 'x y' || größe_2",
            "a-b a",
        ] {
            let searched = Searched::new(text.to_owned());
            for name in
                ["a", "b1", "B1", "Or ders", "or", "größe", "größe_2", "$x", "x", "", "orders", "a-b", "a.b1"]
            {
                assert_eq!(searched.mentions(name), mentions(text, name), "{name} in {text}");
            }
        }
    }

    #[test]
    fn a_word_of_its_own_in_any_case() {
        assert!(mentions("SELECT 1 FROM Orders o", "orders"));
        assert!(mentions("EXECUTE 'DELETE FROM orders'", "orders"));
        assert!(mentions("orders", "orders"));
        assert!(mentions("public.orders.id", "orders"));
        for text in ["FROM orders_old", "FROM reorders", "FROM ordersé", "", "order s", "$orders"] {
            assert!(!mentions(text, "orders"), "{text}");
        }
        assert!(!mentions("anything", ""));
    }

    #[test]
    fn a_name_with_capital_letters_counts_as_it_is() {
        assert!(mentions("FROM \"Orders\"", "Orders"));
        assert!(!mentions("FROM orders", "Orders"));
        assert!(mentions("FROM \"größe\"", "größe"));
    }
}
