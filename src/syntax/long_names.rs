//! Names that are too long: the parser cuts them with no more than a NOTICE.

use super::tokens::{Kind, tokens};
use crate::text::identifier::MAXIMUM_BYTES;

/// The names in a text that are longer than the server keeps, as they are written and each once. The length is that of
/// the UTF-8 text.
pub fn long_names(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    // Most texts have no such run of characters at all; only then is it worth while to split them.
    if text.len() <= MAXIMUM_BYTES {
        return found;
    }
    for token in tokens(text) {
        let is_long = match token.kind {
            Kind::Word => token.text.len() > MAXIMUM_BYTES,
            Kind::Quoted => token.text.len() > MAXIMUM_BYTES + 2 && token.name().len() > MAXIMUM_BYTES,
            _ => false,
        };
        if is_long && !found.iter().any(|known| known == token.text) {
            found.push(token.text.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::long_names;

    #[test]
    fn more_than_63_bytes_are_too_long() {
        let (just, over) = ("a".repeat(63), "b".repeat(64));
        let text = format!(
            "CREATE TABLE {just} ({over} int, \"{just}\" int, \"{over}\" int, c int DEFAULT {over}())"
        );
        assert_eq!(long_names(&text), [over.clone(), format!("\"{over}\"")]);
    }

    #[test]
    fn bytes_count_and_strings_and_comments_do_not() {
        let (long, wide) = ("x".repeat(90), "é".repeat(32));
        let text = format!("SELECT '{long}', $${long}$$ AS {wide} -- {long}\n/* {long} */");
        assert_eq!(long_names(&text), [wide]);
    }

    #[test]
    fn doubled_quotes_count_once() {
        let name = format!("\"{}{}\"", "\"\"".repeat(10), "y".repeat(53));
        assert!(long_names(&format!("CREATE TABLE {name} ()")).is_empty());
        let name = format!("\"{}{}\"", "\"\"".repeat(10), "y".repeat(54));
        assert_eq!(long_names(&format!("CREATE TABLE {name} ()")), [name]);
    }
}
