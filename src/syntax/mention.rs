//! Whether a text that nobody parses, the body of a function or a counted query, mentions a name.

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

fn is_part_of_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'$' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::mentions;

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
