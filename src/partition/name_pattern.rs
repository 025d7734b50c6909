//! How pg_partman 4 writes the lower bound into the name of a partition: by a pattern of to_char().

use crate::text::date::{Date, iso_week};

/// The patterns that it made by itself.
const PATTERNS: [&str; 10] = [
    "YYYY",
    "YYYY\"q\"Q",
    "YYYY_MM",
    "IYYY\"w\"IW",
    "YYYY_MM_DD",
    "YYYY_MM_DD_HH24MI",
    "YYYY_MM_DD_HH24MISS",
    "YYYYMMDD",
    "YYYYMMDD_HH24MI",
    "YYYYMMDD_HH24MISS",
];

/// One of its patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern(&'static str);

impl Pattern {
    /// The pattern that is written so; `None` for one that is not known.
    pub fn parse(text: &str) -> Option<Self> {
        PATTERNS.into_iter().find(|&known| known == text).map(Self)
    }

    /// As it is written.
    pub fn text(self) -> &'static str {
        self.0
    }

    /// A moment of the clock on the wall, as a date and the microseconds of its day.
    pub fn write(self, date: Date, time: i64) -> String {
        let seconds = time / 1_000_000;
        let (iso_year, week) = iso_week(date.days());
        let mut rest = self.0;
        let mut text = String::new();
        while let Some(first) = rest.chars().next() {
            let parts: [(&str, String); 9] = [
                ("IYYY", format!("{iso_year:04}")),
                ("YYYY", format!("{:04}", date.year)),
                ("HH24", format!("{:02}", seconds / 3_600)),
                ("MM", format!("{:02}", date.month)),
                ("MI", format!("{:02}", seconds / 60 % 60)),
                ("DD", format!("{:02}", date.day)),
                ("SS", format!("{:02}", seconds % 60)),
                ("IW", format!("{week:02}")),
                ("Q", format!("{}", (date.month - 1) / 3 + 1)),
            ];
            if let Some((word, value)) = parts.iter().find(|(word, _)| rest.starts_with(word)) {
                text.push_str(value);
                rest = &rest[word.len()..];
            } else {
                if first != '"' {
                    text.push(first);
                }
                rest = &rest[first.len_utf8()..];
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_to_char_does() {
        let date = Date { year: 2027, month: 1, day: 3 };
        let time = ((14 * 60 + 5) * 60 + 9) * 1_000_000;
        for (pattern, expected) in [
            ("YYYY", "2027"),
            ("YYYY\"q\"Q", "2027q1"),
            ("YYYY_MM", "2027_01"),
            ("IYYY\"w\"IW", "2026w53"),
            ("YYYY_MM_DD", "2027_01_03"),
            ("YYYY_MM_DD_HH24MI", "2027_01_03_1405"),
            ("YYYYMMDD_HH24MISS", "20270103_140509"),
        ] {
            assert_eq!(
                Pattern::parse(pattern).map(|pattern| pattern.write(date, time)).as_deref(),
                Some(expected)
            );
        }
        assert_eq!(Pattern::parse("DD Month"), None);
    }
}
