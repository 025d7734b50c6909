//! Singular and plural of English nouns, as far as names of tables need them.
//!
//! Spelling alone cannot tell `news` from `views`, so there are word lists, and a third answer: a caller that accuses
//! somebody's table must act on [`Number::Plural`] and [`Number::Singular`] only.

mod irregular;
#[cfg(test)]
mod tests;
mod words;

use irregular::*;
use words::*;

/// Whether a noun names one thing or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// One: `order`, `address`, `analysis`.
    Singular,
    /// Several: `orders`, `addresses`, `people`.
    Plural,
    /// It cannot be told, or the word has no number: `data`, `news`, `history`, `archived`, `gps`.
    Unknown,
}

/// The grammatical number of one lower-case English word.
pub fn number(word: &str) -> Number {
    // Two letters are an abbreviation, a digit a version.
    if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Number::Unknown;
    }
    if has(NUMBERLESS, word) || has(NEITHER_S, word) {
        return Number::Unknown;
    }
    if lookup(IRREGULAR, word).is_some() {
        return Number::Plural;
    }
    if IRREGULAR.iter().any(|(_, singular)| *singular == word) {
        return Number::Singular;
    }
    if is_compound_plural(word) {
        return Number::Plural;
    }
    if word.ends_with("data") {
        return Number::Unknown;
    }
    // A short word that ends so is seldom a compound: `blog` is no kind of log, `broadcast` no kind of cast.
    if word.len() > 8 && NUMBERLESS_ENDINGS.iter().any(|ending| word.ends_with(ending)) {
        return Number::Unknown;
    }
    if word.ends_with('s') { number_of_s(word) } else { number_without_s(word) }
}

/// A word that ends in `s`.
fn number_of_s(word: &str) -> Number {
    if word.len() == 3 && !word.ends_with("us") {
        return if has(SHORT_PLURALS, word) {
            Number::Plural
        } else {
            unless_singular(word, Number::Unknown)
        };
    }
    if has(SINGULAR_S, word) {
        return Number::Singular;
    }
    if word.ends_with("ness") {
        return if has(SINGULAR_NESS, word) { Number::Singular } else { Number::Unknown };
    }
    match &word[word.len() - 2..] {
        "ss" => Number::Singular,
        "us" if has(PLURAL_US, word) => Number::Plural,
        "us" if ends_in_singular_us(word) => Number::Singular,
        "us" => Number::Unknown,
        "is" if has(PLURAL_IS, word) => Number::Plural,
        "is" if word.ends_with("sis") || matches!(word, "axis" | "iris" | "pelvis" | "penis" | "trellis") => {
            Number::Singular
        }
        "is" => Number::Unknown,
        _ if word.ends_with("ics") && !has(PLURAL_ICS, word) => Number::Unknown,
        _ => Number::Plural,
    }
}

fn unless_singular(word: &str, otherwise: Number) -> Number {
    if has(SINGULAR_S, word) || has(ENDING_US, word) { Number::Singular } else { otherwise }
}

/// A word that does not end in `s` and is no irregular plural.
fn number_without_s(word: &str) -> Number {
    let countable = match word {
        _ if word.ends_with("ing") => has(SINGULAR_ING, word),
        _ if word.ends_with("ed") => has(SINGULAR_ED, word),
        _ if word.ends_with("ly") => has(SINGULAR_LY, word),
        _ if word.ends_with("able") || word.ends_with("ible") => has(SINGULAR_ABLE, word),
        _ if word.ends_with("ism") => matches!(word, "mechanism" | "organism" | "microorganism" | "prism"),
        // Latin plurals that no list holds.
        _ if word.ends_with("ae") => false,
        _ if word.ends_with('i') => has(PLURAL_IS, &format!("{word}s")),
        _ if word.ends_with("ful") || word.ends_with("ous") || word.ends_with("ese") => false,
        // No vowel: an abbreviation.
        _ => word.bytes().any(|byte| matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')),
    };
    if countable { Number::Singular } else { Number::Unknown }
}

/// `salespeople`, `grandchildren`, `craftsmen`.
fn is_compound_plural(word: &str) -> bool {
    ["people", "children", "women"].iter().any(|ending| word.ends_with(ending))
        || (word.ends_with("men") && !has(SINGULAR_MEN, word))
        || (word.len() > 8
            && ["criteria", "indices", "vertices", "matrices", "phenomena"]
                .iter()
                .any(|end| word.ends_with(end)))
}

fn ends_in_singular_us(word: &str) -> bool {
    has(ENDING_US, word)
        || ["status", "virus", "campus", "census", "corpus"].iter().any(|end| word.ends_with(end))
}

/// The singular of a lower-case word; the word itself unless it is known to be a plural.
pub fn singular(word: &str) -> String {
    if number(word) == Number::Plural || lookup(IRREGULAR, word).is_some() {
        strip_plural(word).unwrap_or_else(|| word.to_owned())
    } else {
        word.to_owned()
    }
}

/// Every form that somebody may hold for the singular of `word`, likeliest first; the word itself is always among them.
///
/// For deciding whether `axe_id` or `axis_id` refers to `axes`: it says yes too often rather than too seldom.
pub fn singular_forms(word: &str) -> Vec<String> {
    let mut forms = Vec::with_capacity(4);
    if let Some(singular) = strip_plural(word) {
        forms.push(singular);
    }
    forms.extend(lookup(SECOND_SINGULAR, word).map(str::to_owned));
    // What a plain inflector makes of it, `movy` and `statu` included: such columns exist.
    if let Some(stem) = word.strip_suffix("ies") {
        forms.push(format!("{stem}y"));
        forms.push(format!("{stem}ie"));
    } else if let Some(stem) = word.strip_suffix("es") {
        forms.push(stem.to_owned());
        forms.push(format!("{stem}e"));
    } else if let Some(stem) = word.strip_suffix('s').filter(|stem| !stem.ends_with('s')) {
        forms.push(stem.to_owned());
    }
    forms.push(word.to_owned());
    let mut seen = Vec::with_capacity(forms.len());
    for form in forms {
        if !form.is_empty() && !seen.contains(&form) {
            seen.push(form);
        }
    }
    seen
}

/// Takes the plural ending off a word that has one.
fn strip_plural(word: &str) -> Option<String> {
    if let Some(singular) = lookup(IRREGULAR, word).or_else(|| lookup(PLURAL_VES, word)) {
        return Some(singular.to_owned());
    }
    for (plural, singular) in [("people", "person"), ("children", "child"), ("criteria", "criterion")] {
        if let Some(stem) = word.strip_suffix(plural) {
            return Some(format!("{stem}{singular}"));
        }
    }
    for (plural, singular) in [("indices", "index"), ("vertices", "vertex"), ("matrices", "matrix")] {
        if let Some(stem) = word.strip_suffix(plural) {
            return Some(format!("{stem}{singular}"));
        }
    }
    if word.ends_with("men") && !has(SINGULAR_MEN, word) {
        return word.strip_suffix("men").map(|stem| format!("{stem}man"));
    }
    let stem = word.strip_suffix('s').filter(|stem| !stem.is_empty() && !stem.ends_with('s'))?;
    let Some(short) = stem.strip_suffix('e') else {
        return Some(stem.to_owned());
    };
    // What is left when `es` goes.
    if let Some(consonant) = short.strip_suffix('i') {
        return Some(if consonant.len() > 1 { format!("{consonant}y") } else { stem.to_owned() });
    }
    let drops_e = match short {
        _ if short.ends_with("ss") || short.ends_with("sh") || short.ends_with('x') => true,
        _ if short.ends_with("ch") => !has(SINGULAR_CHE, stem),
        _ if short.ends_with("zz") || short.ends_with("tz") => true,
        _ if short.ends_with("us") => ends_in_singular_us(short),
        _ if short.ends_with('s') => has(SINGULAR_S, short),
        _ if short.ends_with('o') => has(PLURAL_OES, short),
        _ => false,
    };
    Some(if drops_e { short.to_owned() } else { stem.to_owned() })
}

/// The plural of a lower-case word that is known to be singular; none where that would read as another singular.
pub fn plural(word: &str) -> Option<String> {
    match number(word) {
        Number::Plural => Some(word.to_owned()),
        Number::Unknown => None,
        Number::Singular => Some(add_plural(word)).filter(|many| number(many) != Number::Singular),
    }
}

fn add_plural(word: &str) -> String {
    if !has(REGULAR_TOO, word)
        && let Some((plural, _)) = IRREGULAR.iter().chain(PLURAL_VES).find(|(_, singular)| *singular == word)
    {
        return (*plural).to_owned();
    }
    for (singular, plural) in [("person", "people"), ("child", "children")] {
        if let Some(stem) = word.strip_suffix(singular) {
            return format!("{stem}{plural}");
        }
    }
    if let Some(stem) = word.strip_suffix("man").filter(|_| !has(REGULAR_MAN, word)) {
        return format!("{stem}men");
    }
    if let Some(stem) = word.strip_suffix("sis") {
        return format!("{stem}ses");
    }
    if let Some(stem) = word.strip_suffix('y')
        && !stem.ends_with(['a', 'e', 'i', 'o', 'u'])
    {
        return format!("{stem}ies");
    }
    let needs_e = word.ends_with('s')
        || word.ends_with('x')
        || word.ends_with('z')
        || word.ends_with("sh")
        || (word.ends_with("ch")
            && !matches!(word, "epoch" | "monarch" | "stomach" | "patriarch" | "eunuch" | "tech"))
        || has(PLURAL_OES, word);
    if needs_e { format!("{word}es") } else { format!("{word}s") }
}

fn has(sorted: &[&str], word: &str) -> bool {
    sorted.binary_search(&word).is_ok()
}

fn lookup(sorted: &[(&'static str, &'static str)], word: &str) -> Option<&'static str> {
    let position = sorted.binary_search_by_key(&word, |(key, _)| key).ok()?;
    sorted.get(position).map(|(_, value)| *value)
}
