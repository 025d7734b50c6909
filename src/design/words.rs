//! The words in a name.

/// The words of a name in their order: `created_at`, `createdAt` and `Created-At` are all created, at.
pub fn words(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|character: char| !character.is_alphanumeric());
        let mut before_is_upper = true;
        let end = rest
            .char_indices()
            .find(|&(_, character)| {
                let begins_word = character.is_uppercase() && !before_is_upper;
                before_is_upper = character.is_uppercase();
                begins_word || !character.is_alphanumeric()
            })
            .map_or(rest.len(), |(position, _)| position);
        let (word, tail) = rest.split_at(end);
        rest = tail;
        (!word.is_empty()).then_some(word)
    })
}

/// Whether the word, or what is left of it without a plural `s`, is in the list of lower-case words.
pub fn is_among(word: &str, list: &[&str]) -> bool {
    let singular = word.strip_suffix(['s', 'S']).unwrap_or(word);
    list.iter().any(|listed| listed.eq_ignore_ascii_case(word) || listed.eq_ignore_ascii_case(singular))
}

/// Whether any word of the name is in the list of lower-case words.
pub fn says(name: &str, list: &[&str]) -> bool {
    words(name).any(|word| is_among(word, list))
}

/// Whether the name's last word is in the list of lower-case words.
pub fn ends_with(name: &str, list: &[&str]) -> bool {
    words(name).last().is_some_and(|word| is_among(word, list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_splits_alike() {
        for name in ["created_at", "createdAt", "CreatedAt", "created-at", "_created__at_"] {
            let split: Vec<String> = words(name).map(str::to_lowercase).collect();
            assert_eq!(split, ["created", "at"], "{name}");
        }
        assert_eq!(words("sha256_Straße").collect::<Vec<_>>(), ["sha256", "Straße"]);
        assert_eq!(words("").count() + words("___").count(), 0);
    }

    #[test]
    fn plurals_and_case_do_not_matter() {
        assert!(says("Unit_Prices", &["price"]) && ends_with("orderStatus", &["status"]));
        assert!(!says("priceless", &["price"]) && !ends_with("status_note", &["status"]));
    }
}
