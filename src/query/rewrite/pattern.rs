//! LIKE patterns, taken apart.

/// One element of a LIKE pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// `%`
    Any,
    /// `_`
    One,
    /// A character that stands for itself, escaped or not.
    Literal(char),
}

/// Reads a pattern whose escape character is the backslash; `None` where it ends with one.
pub fn parse(pattern: &str) -> Option<Vec<Element>> {
    let mut characters = pattern.chars();
    let mut elements = Vec::new();
    while let Some(character) = characters.next() {
        elements.push(match character {
            '%' => Element::Any,
            '_' => Element::One,
            '\\' => Element::Literal(characters.next()?),
            other => Element::Literal(other),
        });
    }
    Some(elements)
}

/// Writes a pattern; what would be read as something else is escaped.
pub fn write(elements: impl IntoIterator<Item = Element>) -> String {
    let mut pattern = String::new();
    for element in elements {
        match element {
            Element::Any => pattern.push('%'),
            Element::One => pattern.push('_'),
            Element::Literal(character) => {
                if matches!(character, '%' | '_' | '\\') {
                    pattern.push('\\');
                }
                pattern.push(character);
            }
        }
    }
    pattern
}

/// The pattern for the reversed text, where the given one is open at the beginning alone.
pub fn reversed(pattern: &str) -> Option<String> {
    let mut elements = parse(pattern)?;
    let ends_fixed = matches!(elements.last(), Some(Element::Literal(_)));
    let is_open = elements.first() == Some(&Element::Any);
    if !ends_fixed || !is_open || elements.iter().filter(|&&element| element == Element::Any).count() != 1 {
        return None;
    }
    elements.reverse();
    Some(write(elements))
}

/// The longest run of letters and digits that follow each other.
pub fn longest_word(elements: &[Element]) -> usize {
    elements
        .split(|element| !matches!(element, Element::Literal(character) if character.is_alphanumeric()))
        .map(<[Element]>::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Element, longest_word, parse, reversed, write};

    #[test]
    fn what_is_escaped_stands_for_itself() {
        assert_eq!(
            parse("%a\\%_"),
            Some(vec![Element::Any, Element::Literal('a'), Element::Literal('%'), Element::One])
        );
        assert_eq!(parse("a\\"), None);
        for pattern in ["", "abc", "%a\\%b_", "\\\\", "é%"] {
            assert_eq!(write(parse(pattern).unwrap()), pattern);
        }
        assert_eq!(write(parse("\\a").unwrap()), "a");
    }

    #[test]
    fn patterns_are_reversed_element_by_element() {
        assert_eq!(reversed("%abc").as_deref(), Some("cba%"));
        assert_eq!(reversed("%a\\%").as_deref(), Some("\\%a%"));
        assert_eq!(reversed("%a_c").as_deref(), Some("c_a%"));
        for other in ["abc", "%abc%", "%a%c", "%", "abc%", "%a_", "_abc", "%a\\"] {
            assert_eq!(reversed(other), None, "{other}");
        }
    }

    #[test]
    fn trigrams_need_letters_in_a_row() {
        assert_eq!(longest_word(&parse("%abc%de").unwrap()), 3);
        assert_eq!(longest_word(&parse("%a_b-c%").unwrap()), 1);
        assert_eq!(longest_word(&[]), 0);
    }
}
