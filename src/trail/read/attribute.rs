//! A column as one shape of a table has it, and what of its values tells them apart.

use serde::Deserialize;

use super::document::{input, string};

/// Whether the values of a column are in the log.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Logged {
    /// As they are.
    #[default]
    Yes,
    /// Left out.
    No,
    /// Something else in their place.
    Redacted,
}

/// A column as one shape has it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Attribute {
    /// Its number.
    pub number: i32,
    /// Its name.
    pub name: String,
    /// Whether it is computed from others.
    #[serde(default)]
    pub generated: bool,
    /// Whether its values are logged.
    #[serde(default)]
    pub logged: Logged,
    /// Its type, as SQL writes it.
    #[serde(default, rename = "type")]
    pub type_name: Option<String>,
    /// Of a partition: its number in the table above, as that was then.
    #[serde(default)]
    pub above: Option<i32>,
    /// Whether nothing but its name tells which of the table's columns it was, while that may have become another's since.
    #[serde(skip)]
    pub is_guessed: bool,
}

/// What of a value's text tells values of a column apart. Its type may have got another length or scale meanwhile, which wrote all
/// values anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Telling {
    /// All of it.
    #[default]
    Whole,
    /// Not blanks at its end, by which it is filled up to its length.
    Unpadded,
    /// Not zeros at its end, by which it is filled up to its scale.
    Unscaled,
}

impl Telling {
    /// Of a column that has, or had, this type.
    pub fn of(type_name: &str) -> Self {
        if length(type_name).is_some() {
            Self::Unpadded
        } else if type_name.starts_with("numeric(") && type_name.ends_with(')') {
            Self::Unscaled
        } else {
            Self::Whole
        }
    }

    /// That part of a text.
    pub fn told(self, text: &str) -> &str {
        match self {
            Self::Whole => text,
            Self::Unpadded => text.trim_end_matches(' '),
            Self::Unscaled if text.contains('.') => text.trim_end_matches('0').trim_end_matches('.'),
            Self::Unscaled => text,
        }
    }
}

/// The types between which a column may go while the same part of its values tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Numbers without a fraction, or with decimal digits.
    Decimal,
    /// Strings that are filled up with blanks.
    Padded,
    /// Any other.
    Other,
}

impl Family {
    /// Of that type.
    pub fn of(type_name: &str) -> Self {
        match type_name {
            "smallint" | "integer" | "bigint" | "numeric" => Self::Decimal,
            name if name.starts_with("numeric(") && name.ends_with(')') => Self::Decimal,
            name if length(name).is_some() => Self::Padded,
            _ => Self::Other,
        }
    }
}

/// To how many characters values of a type are filled up.
fn length(type_name: &str) -> Option<usize> {
    type_name.strip_prefix("character(")?.strip_suffix(')')?.parse().ok()
}

impl Attribute {
    /// A value, as JSON, filled up as the log has those of the column.
    pub fn filled(&self, value: &str) -> String {
        let length = self.type_name.as_deref().and_then(length);
        match (length, input(value)) {
            (Some(length), Some(text)) if value.starts_with('"') => {
                // No width of a format: that ends far below the length of the longest.
                string(&(text.clone() + &" ".repeat(length.saturating_sub(text.chars().count()))))
            }
            _ => value.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_up_to_any_length() {
        let attribute = |type_name: &str| Attribute {
            number: 1,
            name: "c".to_owned(),
            generated: false,
            logged: Logged::Yes,
            type_name: Some(type_name.to_owned()),
            above: None,
            is_guessed: false,
        };
        assert_eq!(attribute("character(3)").filled(r#""ä""#), r#""ä  ""#);
        assert_eq!(attribute("character(70000)").filled(r#""x""#).len(), 70_002);
        assert_eq!(attribute("text").filled(r#""x""#), r#""x""#);
    }
}
