//! What is said to somebody who names something that does not exist.

/// An input that is refused: PostgreSQL's message, detail and hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, in lower case, naming the object.
    pub message: String,
    /// The numbers, or everything that would have been valid.
    pub detail: String,
    /// What to do next.
    pub hint: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}\nDETAIL: {}\nHINT: {}", self.message, self.detail, self.hint)
    }
}

impl Refusal {
    /// Refuses a `kind` of name (say `rule`) that is not among the `valid` ones.
    ///
    /// The detail lists them all, those that look most alike first; `otherwise` ends the hint.
    pub fn unknown_name<'a>(
        kind: &str,
        given: &str,
        valid: impl IntoIterator<Item = &'a str>,
        otherwise: &str,
    ) -> Self {
        let ranked = nearest_first(given, valid);
        let list: Vec<&str> = ranked.iter().map(|&(_, name)| name).collect();
        let detail = if list.is_empty() {
            format!("There is no {kind} yet.")
        } else {
            format!("Valid, nearest first: {}.", list.join(", "))
        };
        let guess = match ranked.first() {
            Some(&(distance, name)) if distance <= likely_slip(given) => {
                format!("Perhaps you meant \"{name}\". ")
            }
            _ => String::new(),
        };
        Self {
            message: format!("{kind} \"{given}\" does not exist"),
            detail,
            hint: format!("{guess}{otherwise}"),
        }
    }
}

/// How many edits still look like a slip of the hand rather than another word.
fn likely_slip(given: &str) -> usize {
    given.chars().count().div_ceil(3).max(2)
}

/// The valid names with their distance from `given`, nearest first, alphabetically among equals.
///
/// A name that holds all of what was given counts as one slip: people leave prefixes out.
fn nearest_first<'a>(given: &str, valid: impl IntoIterator<Item = &'a str>) -> Vec<(usize, &'a str)> {
    let given: String = given.chars().take(LONGEST).collect::<String>().to_lowercase();
    let rank = |name: &str| {
        let name = name.to_lowercase();
        let edits = distance(&given, &name);
        if given.len() > 2 && name.contains(&given) { edits.min(1) } else { edits }
    };
    let mut ranked: Vec<(usize, &str)> = valid.into_iter().map(|name| (rank(name), name)).collect();
    ranked.sort_unstable();
    ranked
}

/// What is longer than this is no name, and is not compared to its end.
const LONGEST: usize = 200;

/// Levenshtein's distance in characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (position, character) in left.chars().enumerate() {
        let mut diagonal = position;
        let mut before = position + 1;
        for (cell, &other) in row.iter_mut().skip(1).zip(&right) {
            let replaced = diagonal + usize::from(character != other);
            diagonal = *cell;
            *cell = replaced.min(diagonal + 1).min(before + 1);
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = position + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (left, right, expected) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("unusd", "unused", 1), ("ab", "ba", 2)]
        {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn the_nearest_name_is_guessed_and_all_are_listed() {
        let refusal =
            Refusal::unknown_name("dimension", "Indexng", ["schema", "indexing", "query"], "See x.");
        assert_eq!(refusal.message, "dimension \"Indexng\" does not exist");
        assert_eq!(refusal.detail, "Valid, nearest first: indexing, query, schema.");
        assert_eq!(refusal.hint, "Perhaps you meant \"indexing\". See x.");
    }

    #[test]
    fn a_name_without_its_prefix_is_recognized() {
        let valid = ["indexing.unused_index", "indexing.used", "unsound"];
        let refusal = Refusal::unknown_name("rule", "unused", valid, "");
        assert!(refusal.hint.contains("\"indexing.unused_index\""), "{refusal}");
    }

    #[test]
    fn what_resembles_nothing_gets_no_guess() {
        let refusal = Refusal::unknown_name("severity", "zz", ["info", "warning"], "Choose one.");
        assert_eq!(refusal.hint, "Choose one.");
        assert!(Refusal::unknown_name("schema", "x", [], "").detail.contains("no schema yet"));
    }
}
