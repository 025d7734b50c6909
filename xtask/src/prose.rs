//! Sentences on a terminal: wrapped between words, behind an indent.

/// The words of `text` in lines of at most `width` characters, each behind `indent` blanks. A word that is longer, such
/// as a qualified name, stays whole, so that it can be copied.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let room = width.saturating_sub(indent).max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let margin = " ".repeat(indent);
    lines.iter().map(|line| format!("{margin}{line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_only() {
        assert_eq!(wrap("one two three four", 9, 0), "one two\nthree\nfour");
        assert_eq!(wrap("one  two\nthree", 11, 2), "  one two\n  three");
        assert_eq!(wrap("a schema.very_long_name b", 8, 2), "  a\n  schema.very_long_name\n  b");
        assert_eq!(wrap("", 8, 2), "");
    }
}
