//! The words that an identifier is made of.

use std::borrow::Cow;

/// `name` as lower-case words joined by `_`: `OrderItems`, `order-items` and `order_items` all read `order_items`.
///
/// Borrowed where nothing has to change, which is nearly always.
pub fn snake_case(name: &str) -> Cow<'_, str> {
    if is_snake_case(name) {
        return Cow::Borrowed(name);
    }
    let characters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (position, &character) in characters.iter().enumerate() {
        if !character.is_alphanumeric() {
            break_word(&mut snake);
            continue;
        }
        let before = position.checked_sub(1).and_then(|at| characters.get(at)).copied();
        let after = characters.get(position + 1).copied();
        if character.is_uppercase() && starts_word(before, after) {
            break_word(&mut snake);
        }
        snake.extend(character.to_lowercase());
    }
    snake.truncate(snake.trim_end_matches('_').len());
    Cow::Owned(snake)
}

/// Whether an upper-case letter between these two starts a word: `userId`, and the P of `HTTPPort`.
fn starts_word(before: Option<char>, after: Option<char>) -> bool {
    match before {
        Some(before) if before.is_lowercase() || before.is_ascii_digit() => true,
        Some(before) if before.is_uppercase() => after.is_some_and(char::is_lowercase),
        _ => false,
    }
}

fn break_word(snake: &mut String) {
    if !snake.is_empty() && !snake.ends_with('_') {
        snake.push('_');
    }
}

fn is_snake_case(name: &str) -> bool {
    let mut before = b'_';
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => {}
            b'_' if before != b'_' => {}
            _ => return false,
        }
        before = byte;
    }
    before != b'_' || name.is_empty()
}

/// The same words as `orderItems`.
pub fn camel_case(name: &str) -> String {
    let pascal = pascal_case(name);
    let mut characters = pascal.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => pascal,
    }
}

/// The same words as `OrderItems`.
pub fn pascal_case(name: &str) -> String {
    let snake = snake_case(name);
    let mut pascal = String::with_capacity(snake.len());
    for word in snake.split('_') {
        let mut characters = word.chars();
        if let Some(first) = characters.next() {
            pascal.extend(first.to_uppercase());
            pascal.push_str(characters.as_str());
        }
    }
    pascal
}

/// The last word of a name in snake case.
pub fn last_word(snake: &str) -> &str {
    snake.rsplit('_').next().unwrap_or(snake)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_has_the_same_words() {
        for (name, snake) in [
            ("order_items", "order_items"),
            ("OrderItems", "order_items"),
            ("orderItems", "order_items"),
            ("order items", "order_items"),
            ("Order-Items", "order_items"),
            ("ORDER_ITEMS", "order_items"),
            ("USERS", "users"),
            ("userID", "user_id"),
            ("HTTPServer", "http_server"),
            ("address2Line", "address2_line"),
            ("IX_Orders_CustomerId", "ix_orders_customer_id"),
            ("__EFMigrationsHistory", "ef_migrations_history"),
            ("_private", "private"),
            ("Straße", "straße"),
            ("", ""),
            ("\"", ""),
        ] {
            assert_eq!(snake_case(name), snake, "{name}");
        }
    }

    #[test]
    fn words_join_in_other_cases() {
        assert_eq!(camel_case("order_items"), "orderItems");
        assert_eq!(pascal_case("order_items"), "OrderItems");
        assert_eq!(camel_case("Id"), "id");
        assert_eq!(last_word("order_items"), "items");
        assert_eq!(last_word(""), "");
    }
}
